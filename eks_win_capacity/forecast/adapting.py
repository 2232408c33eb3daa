"""How the days have changed of late: a season by the hour that is not the same all month."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eks_win_capacity.forecast.seasons import Seasons

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

_RATES = (0.0, 0.1, 0.25, 0.5, 1.0)
"""What of a day that differs is taken over: nothing, as if all days were alike, to everything."""

_TEMPER = 0.1
"""Power of the likelihood: the hours of a day err together, and tell less than so many."""

_MIN_DAYS = 5
"""Days it takes to see whether one resembles the one before more than the others."""

_AHEAD = 7
"""Days ahead, at most, that each rate is judged by."""


def adapted(
    season: Seasons, level: Floats, known: Flags, *, day: int, horizon: int
) -> tuple[Seasons, Floats]:
    """
    Carry forward what the shape of the last days has that the average day has not.

    What is off the season is smoothed exponentially, each hour for itself, from
    day to day. Each series weighs a few rates by how well they would have told
    its own next days; at each period only the days before it are used.

    Parameters
    ----------
    season : Seasons
    level : ndarray, (series, periods)
        Without season, shifts and strange values.
    known : ndarray of bool, (series, periods)
        Where a value was seen that is not strange.
    day : int
        Periods of a day.
    horizon : int
        Periods to come.

    Returns
    -------
    (Seasons, ndarray)
        The season with what was carried forward, and the level without that.
    """
    count, periods = level.shape
    days = periods // day
    if days < _MIN_DAYS:
        return season, level
    # Whole days, counted from the end: the next period is the first of its day.
    start = periods - days * day
    usual = season.factor[:, start:].reshape(count, days, day)
    off = _shape(level[:, start:].reshape(count, days, day), usual)
    seen = known[:, start:].reshape(count, days, day)
    states = [_smoothed(off, seen, rate) for rate in _RATES]
    weight = _weights(off, seen, states, ahead=min(-(-horizon // day), _AHEAD))
    state = np.zeros((count, days + 1, day))
    for share, one in zip(weight.T, states, strict=True):
        state += share[:, None, None] * one
    carried = np.zeros_like(level)
    carried[:, start:] = state[:, :-1].reshape(count, -1)
    later = state[:, -1, np.arange(horizon) % day]
    changed = replace(
        season,
        term=season.term + carried,
        future_term=season.future_term + later,
    )
    return changed, level - carried / season.factor


def _shape(level: Floats, factor: Floats) -> Floats:
    """
    Take level and growth off each day, so that nothing is left of a straight line.

    A day's level is that of all its addresses, not the mean of what is left of
    them after the season: the quiet hours of a season that has grown too small
    would pull that down.
    """
    days, day = level.shape[1:]
    total = factor.sum(axis=2)
    mean = (level * factor).sum(axis=2) / total
    place = np.arange(days * day, dtype=float).reshape(days, day)
    center = (place * factor).sum(axis=2) / total
    # Each day's slope is that from the day before to the day after.
    last = np.minimum(np.arange(days) + 1, days - 1)
    first = np.maximum(np.arange(days) - 1, 0)
    slope = (mean[:, last] - mean[:, first]) / (center[:, last] - center[:, first])
    return np.asarray(
        (level - mean[..., None] - slope[..., None] * (place - center[..., None])) * factor
    )


def _smoothed(off: Floats, seen: Flags, rate: float) -> Floats:
    """What is expected of each day by the days before it, and of the day to come."""
    count, days, day = off.shape
    state = np.zeros((count, days + 1, day))
    if not rate:
        return state
    # Backwards through the oldest days to where it began, lest the first day look like a surprise.
    for at in reversed(range(_judged_from(days))):
        state[:, 0] += rate * np.where(seen[:, at], off[:, at] - state[:, 0], 0.0)
    for at in range(days):
        error = np.where(seen[:, at], off[:, at] - state[:, at], 0.0)
        state[:, at + 1] = state[:, at] + rate * error
    return state


def _judged_from(days: int) -> int:
    """The first day that the rates are judged by; those before it begin each."""
    return max(2, days // 4)


def _weights(off: Floats, seen: Flags, states: list[Floats], *, ahead: int) -> Floats:
    """Weigh the rates by their errors one to some days ahead; all on none where there is none."""
    count, days, _day = off.shape
    first = _judged_from(days)
    squares = np.zeros((count, len(states)))
    for steps in range(1, min(ahead, days - first) + 1):
        truth, here = off[:, first + steps - 1 :], seen[:, first + steps - 1 :]
        number = np.maximum(here.sum(axis=(1, 2)), 1)
        for place, state in enumerate(states):
            error = np.where(here, truth - state[:, first : days - steps + 1], 0.0)
            squares[:, place] += (error**2).sum(axis=(1, 2)) / number
    known = seen[:, first:].sum(axis=(1, 2))
    still = squares[:, :1]
    # Rounding leaves this of a level of order 1: what is no more has not changed.
    dust = still <= 1e-18
    ratio = np.maximum(squares / np.where(dust, 1.0, still), 1e-12)
    score = -0.5 * _TEMPER * known[:, None] * np.log(ratio)
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    weight[dust[:, 0]] = np.arange(len(states)) == 0
    return np.asarray(weight)
