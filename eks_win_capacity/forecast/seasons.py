"""Which part of a series comes back every week or day, and what the last days changed in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    _Index = tuple[Floats, Floats]
    """Index of each phase, and the share of the variance that it explains."""

MIN_CYCLES = 3
"""Cycles that must be seen before a season may be told from noise."""

LONG_SEASON = 52
"""From this length on neighbouring phases are smoothed, for few cycles are ever seen."""

_WEAK = 2.0
"""An F ratio below this is what noise alone gives."""

_DRAWN_IN = 2.5
"""Robust deviations beyond which a value counts for no more than that."""

_QUIET = 0.35
"""Below this factor a season is added, not multiplied."""

_RATES = (0.0, 0.25, 1.0)
"""What of a day that differs is taken over: nothing, as if all days were alike, to everything."""

_TEMPER = 0.1
"""Power of the likelihood: the hours of a day err together, and tell less than so many."""

_MIN_DAYS = 5
"""Days it takes to see whether one resembles the one before more than the others."""

_AHEAD = 7
"""Days ahead, at most, that each rate is judged by."""


@dataclass(frozen=True)
class Seasons:
    """
    Seasonal parts of a chunk of series, by period of the past and of the future.

    A period is multiplied by the factor, 1 where the season is added; then the term is added,
    0 where it multiplies. The strength, (series, lengths), is the share of the detrended
    variance that each season length explains.
    """

    factor: Floats
    term: Floats
    future_factor: Floats
    future_term: Floats
    strength: Floats


def seasons(
    values: Floats, *, lengths: Sequence[int], horizon: int, given: bool = False
) -> Seasons:
    """
    Estimate seasonal factors by medians over the cycles, for each series alone.

    A phase counts for as much as its cycles agree: factors are shrunk by their
    F ratio, so that noise is not taken for a season. Whether a season adds or
    multiplies is decided by the smaller remainder. Where the user
    gave the lengths two cycles are enough.
    """
    count, periods = values.shape
    total = periods + horizon
    factor, term = np.ones((count, total)), np.zeros((count, total))
    strength, rest = np.zeros((count, len(lengths))), values
    for column, length in enumerate(lengths):
        if not usable_season(length, lengths, periods, given=given):
            continue
        shorter = (other for other in lengths if other < length and length % other == 0)
        (add, added), (multiply, multiplied) = _one_season(rest, length, max(shorter, default=0))
        multiplies = multiplied > added
        strength[:, column] = np.where(multiplies, multiplied, added)
        phase = (np.arange(total) - periods) % length
        by, plus = multiply[:, phase], add[:, phase]
        factor *= np.where(multiplies[:, None], by, 1.0)
        term = np.where(multiplies[:, None], term * by, term + plus)
        rest = (values - term[:, :periods]) / factor[:, :periods]
    past, ahead = slice(periods), slice(periods, None)
    return Seasons(factor[:, past], term[:, past], factor[:, ahead], term[:, ahead], strength)


def usable_season(length: int, lengths: Sequence[int], periods: int, *, given: bool) -> bool:
    """Whether a season length has enough cycles and is not part of a longer usable one."""

    def seen(other: int) -> bool:
        # Two years of days are two values a phase, whoever asks for it.
        cycles = 2 if given and other < LONG_SEASON else MIN_CYCLES
        return other >= 2 and periods >= cycles * other

    return seen(length) and not any(
        other > length and other % length == 0 and seen(other) for other in lengths
    )


def _one_season(values: Floats, length: int, part: int) -> tuple[_Index, _Index]:
    """Additive and multiplicative indices of one length."""
    periods = values.shape[1]
    trend, low, high = _moving_mean(values, length)
    body = values[:, low:high]
    # Only whole cycles, counted from the end: every phase then has the same weight.
    cycles = body.shape[1] // length
    start = body.shape[1] - cycles * length
    body, trend = body[:, start:], trend[:, start:]
    # Phase 0 is the period right after the last one.
    shift = (high - periods) % length
    add = _indices(body - trend, (cycles, length, part), shift, 0.0)
    positive = np.asarray((trend > 0).all(axis=1))
    safe = np.where(positive[:, None], trend, 1.0)
    factor = np.maximum(_indices(body / safe, (cycles, length, part), shift, 1.0)[0], 0.05)
    phase = (np.arange(body.shape[1]) + shift) % length
    spread = ((body - trend) ** 2).sum(axis=1)
    left = ((body - safe * factor[:, phase]) ** 2).sum(axis=1)
    share = np.where(positive & (spread > 0), 1 - left / np.where(spread > 0, spread, 1.0), -np.inf)
    # Dividing by a factor near zero would blow the noise of quiet hours up.
    share = np.where(factor.min(axis=1) < _QUIET, -np.inf, share)
    return add, (factor, share)


def _moving_mean(values: Floats, length: int) -> tuple[Floats, int, int]:
    """Centre a moving mean over one season; straight lines pass through it unchanged."""
    count, periods = values.shape
    sums = np.concatenate([np.zeros((count, 1)), values.cumsum(axis=1)], axis=1)
    mean = (sums[:, length:] - sums[:, :-length]) / length
    half = length // 2
    if length % 2 == 0:
        mean = (mean[:, 1:] + mean[:, :-1]) / 2
    return mean, half, periods - half


def _indices(detrended: Floats, shape: tuple[int, int, int], shift: int, neutral: float) -> _Index:
    """Index of each phase and what it explains, of so many cycles of a length with such a part."""
    cycles, length, part = shape
    table = detrended.reshape(len(detrended), cycles, length)
    index, variance = _robust_mean(table)
    base = np.full_like(index, neutral)
    if part:
        # Days are alike until the week shows that they are not.
        daily, daily_variance = _robust_mean(detrended.reshape(len(detrended), -1, part))
        daily += neutral - daily.mean(axis=1, keepdims=True)
        daily_weight = _worth(daily - neutral, daily_variance, cycles * (length // part))
        daily = neutral + (daily - neutral) * daily_weight[:, None]
        base = np.tile(daily, (1, length // part))
    index += neutral - index.mean(axis=1, keepdims=True)
    # Each day of the week is believed for itself: weekends differ, Tuesdays hardly.
    days = length // part if part else 1
    weight = _worth((index - base).reshape(-1, length // days), variance.repeat(days), cycles)
    weight = weight.reshape(-1, days).repeat(length // days, axis=1)
    reach = max(length // 24, 1) if length >= LONG_SEASON and length % 24 else 0
    if reach:
        around = [np.roll(index, step, axis=1) for step in range(-reach, reach + 1)]
        index = np.mean(around, axis=0)
    index = base + (index - base) * weight
    # Floating-point dust is not a season: a flat or straight series stays what it is.
    dust = np.abs(index - neutral).max(axis=1) <= np.maximum(
        1e-9, 1e-10 * np.abs(detrended).max(axis=1)
    )
    index[dust] = neutral
    total = ((table - neutral) ** 2).sum(axis=(1, 2))
    left = ((table - index[:, None, :]) ** 2).sum(axis=(1, 2))
    share = np.where(total > 0, 1 - left / np.where(total > 0, total, 1.0), 0.0)
    return np.roll(index, shift, axis=1), share


def _robust_mean(table: Floats) -> tuple[Floats, Floats]:
    """Average each phase over the cycles, strange cycles drawn in; and the variance left."""
    middle = np.median(table, axis=1, keepdims=True)
    residuals = table - middle
    reach = _DRAWN_IN * 1.4826 * np.median(np.abs(residuals), axis=(1, 2), keepdims=True)
    # Where most values repeat exactly the median is the answer.
    index = (middle + np.clip(residuals, -reach, reach).mean(axis=1, keepdims=True))[:, 0]
    cycles, length = table.shape[1:]
    within = ((table - index[:, None, :]) ** 2).sum(axis=(1, 2)) / max(length * (cycles - 1), 1)
    return index, within


def _worth(effects: Floats, variance: Floats, cycles: int) -> Floats:
    """How much of an index to believe: 0 where noise alone gives as much."""
    between = (effects**2).sum(axis=1) / max(effects.shape[1] - 1, 1) * cycles
    ratio = between / np.where(variance > 0, variance, 1.0)
    weight = np.clip(1 - 1 / np.maximum(ratio, 1e-300), 0, 1)
    weight = np.where(ratio < _WEAK, 0.0, weight)
    return np.asarray(np.where(variance > 0, weight, 1.0))


def adapted(
    season: Seasons, level: Floats, known: Flags, *, day: int, horizon: int
) -> tuple[Seasons, Floats]:
    """
    Carry forward what the shape of the last days has that the average day has not.

    What is off the season is smoothed exponentially, each hour for itself, from
    day to day. Each series weighs a few rates by how well they would have told
    its own next days; at each period only the days before it are used. The season has
    what was carried forward, and the level has it no more.
    """
    count, periods = level.shape
    days = periods // day
    if days < _MIN_DAYS:
        return season, level
    # Whole days, counted from the end: the next period is the first of its day.
    start = periods - days * day
    usual = season.factor[:, start:].reshape(count, days, day)
    residuals = _shape(level[:, start:].reshape(count, days, day), usual)
    seen = known[:, start:].reshape(count, days, day)
    states = [_smoothed(residuals, seen, rate) for rate in _RATES]
    weight = _weights(residuals, seen, states, ahead=min(-(-horizon // day), _AHEAD))
    state = np.zeros((count, days + 1, day))
    for share, one in zip(weight.T, states, strict=True):
        state += share[:, None, None] * one
    carried = np.zeros_like(level)
    carried[:, start:] = state[:, :-1].reshape(count, -1)
    later = state[:, -1, np.arange(horizon) % day]
    terms = {"term": season.term + carried, "future_term": season.future_term + later}
    return replace(season, **terms), level - carried / season.factor


def _shape(level: Floats, factor: Floats) -> Floats:
    """
    What is left of each day without level and growth: of a straight line, nothing.

    A day's level is that of all its addresses: quiet hours of a season that has
    grown too small would pull the mean of what is left of them down.
    """
    days, day = level.shape[1:]
    total = factor.sum(axis=2)
    mean = (level * factor).sum(axis=2) / total
    period = np.arange(days * day, dtype=float).reshape(days, day)
    center = (period * factor).sum(axis=2) / total
    # Each day's slope is that from the day before to the day after.
    last = np.minimum(np.arange(days) + 1, days - 1)
    first = np.maximum(np.arange(days) - 1, 0)
    slope = (mean[:, last] - mean[:, first]) / (center[:, last] - center[:, first])
    return np.asarray(
        (level - mean[..., None] - slope[..., None] * (period - center[..., None])) * factor
    )


def _smoothed(residuals: Floats, seen: Flags, rate: float) -> Floats:
    """What is expected of each day by the days before it, and of the day to come."""
    count, days, day = residuals.shape
    state = np.zeros((count, days + 1, day))
    if not rate:
        return state
    # Backwards through the oldest days to where it began, lest the first day look like a surprise.
    for at in reversed(range(_judged_from(days))):
        state[:, 0] += rate * np.where(seen[:, at], residuals[:, at] - state[:, 0], 0.0)
    for at in range(days):
        error = np.where(seen[:, at], residuals[:, at] - state[:, at], 0.0)
        state[:, at + 1] = state[:, at] + rate * error
    return state


def _judged_from(days: int) -> int:
    """The first day that the rates are judged by; those before it begin each."""
    return max(2, days // 4)


def _weights(residuals: Floats, seen: Flags, states: list[Floats], *, ahead: int) -> Floats:
    """Weigh the rates by their errors one to some days ahead; all on none where there is none."""
    days, squares = residuals.shape[1], np.zeros((len(residuals), len(states)))
    first = _judged_from(days)
    for steps in range(1, min(ahead, days - first) + 1):
        truth, here = residuals[:, first + steps - 1 :], seen[:, first + steps - 1 :]
        expected = np.stack([state[:, first : days - steps + 1] for state in states], axis=1)
        errors = np.where(here[:, None], truth[:, None] - expected, 0.0)
        squares += (errors**2).sum(axis=(2, 3)) / np.maximum(here.sum(axis=(1, 2)), 1)[:, None]
    known = seen[:, first:].sum(axis=(1, 2))
    still = squares[:, :1]
    # Rounding leaves this of a level of order 1: what is less has not changed.
    dust = still <= 1e-18
    ratio = np.maximum(squares / np.where(dust, 1.0, still), 1e-12)
    score = -0.5 * _TEMPER * known[:, None] * np.log(ratio)
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    weight[dust[:, 0]] = np.arange(len(states)) == 0
    return np.asarray(weight)
