"""Which part of a series repeats every week or day, and how did the last days change it."""

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
    """Seasonal index of each phase, and the share of the variance that it explains."""

MIN_CYCLES = 3
"""Cycles needed to distinguish a season from noise."""

LONG_SEASON = 52
"""Length from which neighbouring phases are smoothed, because cycles are few."""

_WEAK = 2.0
"""Minimum F ratio of a season; noise alone reaches less."""

_DRAWN_IN = 2.5
"""Robust standard deviations at which values are clipped."""

_QUIET = 0.35
"""Smallest factor of a multiplicative season; with a smaller one the season is additive."""

_RATES = (0.0, 0.25, 1.0)
"""Smoothing parameters for the shape of a day: 0 keeps the season, 1 repeats the last day."""

_TEMPER = 0.1
"""Power of the likelihood, because the errors of the hours of a day are correlated."""

_MIN_DAYS = 5
"""Days needed to see whether a day resembles the one before more than the others."""

_AHEAD = 7
"""Maximum number of days ahead in the scores of the smoothing parameters."""


@dataclass(frozen=True)
class Seasons:
    """
    Seasonal components of a chunk of series, for each past and future period.

    A value is level x factor + term; the factor is 1 in additive seasons, the term 0 in
    multiplicative ones. The strength, (series, lengths), is the share of the detrended
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
    Seasons of each series from robust means over the cycles.

    Seasonal indices are shrunk by their F ratio, so that noise is not taken for a season. A
    season is additive or multiplicative, whichever leaves the smaller residuals. If the user
    gave the lengths, two cycles are enough.
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
        # Two values per phase are too few for a long season, even for one given by the user.
        cycles = 2 if given and other < LONG_SEASON else MIN_CYCLES
        return other >= 2 and periods >= cycles * other

    return seen(length) and not any(
        other > length and other % length == 0 and seen(other) for other in lengths
    )


def _one_season(values: Floats, length: int, part: int) -> tuple[_Index, _Index]:
    """Additive and multiplicative indices of one season length."""
    periods = values.shape[1]
    trend, low, high = _moving_mean(values, length)
    body = values[:, low:high]
    # Only whole cycles, counted from the end, so that all phases have the same weight.
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
    # Dividing by a factor near zero would amplify the noise of quiet hours.
    share = np.where(factor.min(axis=1) < _QUIET, -np.inf, share)
    return add, (factor, share)


def _moving_mean(values: Floats, length: int) -> tuple[Floats, int, int]:
    """Centred moving mean over one season, exact for straight lines; the periods it covers."""
    count, periods = values.shape
    sums = np.concatenate([np.zeros((count, 1)), values.cumsum(axis=1)], axis=1)
    mean = (sums[:, length:] - sums[:, :-length]) / length
    half = length // 2
    if length % 2 == 0:
        mean = (mean[:, 1:] + mean[:, :-1]) / 2
    return mean, half, periods - half


def _indices(detrended: Floats, shape: tuple[int, int, int], shift: int, neutral: float) -> _Index:
    """Index of each phase and share of variance explained; `shape` is (cycles, length, part)."""
    cycles, length, part = shape
    table = detrended.reshape(len(detrended), cycles, length)
    index, variance = _robust_mean(table)
    base = np.full_like(index, neutral)
    if part:
        # All days of a week have the same shape unless the data show otherwise.
        daily, daily_variance = _robust_mean(detrended.reshape(len(detrended), -1, part))
        daily += neutral - daily.mean(axis=1, keepdims=True)
        daily_weight = _shrinkage(daily - neutral, daily_variance, cycles * (length // part))
        daily = neutral + (daily - neutral) * daily_weight[:, None]
        base = np.tile(daily, (1, length // part))
    index += neutral - index.mean(axis=1, keepdims=True)
    # Each day of the week has its own shrinkage: weekends differ, Tuesdays hardly.
    days = length // part if part else 1
    weight = _shrinkage((index - base).reshape(-1, length // days), variance.repeat(days), cycles)
    weight = weight.reshape(-1, days).repeat(length // days, axis=1)
    reach = max(length // 24, 1) if length >= LONG_SEASON and length % 24 else 0
    if reach:
        around = [np.roll(index, step, axis=1) for step in range(-reach, reach + 1)]
        index = np.mean(around, axis=0)
    index = base + (index - base) * weight
    # Rounding errors are not a season: flat or straight series stay unchanged.
    dust = np.abs(index - neutral).max(axis=1) <= np.maximum(
        1e-9, 1e-10 * np.abs(detrended).max(axis=1)
    )
    index[dust] = neutral
    total = ((table - neutral) ** 2).sum(axis=(1, 2))
    left = ((table - index[:, None, :]) ** 2).sum(axis=(1, 2))
    share = np.where(total > 0, 1 - left / np.where(total > 0, total, 1.0), 0.0)
    return np.roll(index, shift, axis=1), share


def _robust_mean(table: Floats) -> tuple[Floats, Floats]:
    """Mean of each phase over the cycles with outliers clipped, and the residual variance."""
    middle = np.median(table, axis=1, keepdims=True)
    residuals = table - middle
    reach = _DRAWN_IN * 1.4826 * np.median(np.abs(residuals), axis=(1, 2), keepdims=True)
    # If most values repeat exactly, `reach` is 0 and the result is the median.
    index = (middle + np.clip(residuals, -reach, reach).mean(axis=1, keepdims=True))[:, 0]
    cycles, length = table.shape[1:]
    within = ((table - index[:, None, :]) ** 2).sum(axis=(1, 2)) / max(length * (cycles - 1), 1)
    return index, within


def _shrinkage(effects: Floats, variance: Floats, cycles: int) -> Floats:
    """Shrinkage of an index by its F ratio: 0 if noise alone could cause it, at most 1."""
    between = (effects**2).sum(axis=1) / max(effects.shape[1] - 1, 1) * cycles
    ratio = between / np.where(variance > 0, variance, 1.0)
    weight = np.clip(1 - 1 / np.maximum(ratio, 1e-300), 0, 1)
    weight = np.where(ratio < _WEAK, 0.0, weight)
    return np.asarray(np.where(variance > 0, weight, 1.0))


def adapted(
    season: Seasons, level: Floats, known: Flags, *, day: int, horizon: int
) -> tuple[Seasons, Floats]:
    """
    Season adapted to the shape of the last days, and the level without that adaptation.

    Residuals from the season are smoothed exponentially from day to day, separately for each
    hour. Each series has its own weights of a few smoothing parameters, by how well they
    would have forecast its next days; each period depends only on the days before it.
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
    Residuals of each day from its level and growth; 0 for a straight line.

    The mean that is a day's level is weighted by the season, because quiet hours of an outdated
    season would distort an unweighted mean.
    """
    days, day = level.shape[1:]
    total = factor.sum(axis=2)
    mean = (level * factor).sum(axis=2) / total
    period = np.arange(days * day, dtype=float).reshape(days, day)
    center = (period * factor).sum(axis=2) / total
    # The slope of a day is that from the day before to the day after.
    last = np.minimum(np.arange(days) + 1, days - 1)
    first = np.maximum(np.arange(days) - 1, 0)
    slope = (mean[:, last] - mean[:, first]) / (center[:, last] - center[:, first])
    return np.asarray(
        (level - mean[..., None] - slope[..., None] * (period - center[..., None])) * factor
    )


def _smoothed(residuals: Floats, seen: Flags, rate: float) -> Floats:
    """Expected residuals of each day, and of the next, from the days before it."""
    count, days, day = residuals.shape
    state = np.zeros((count, days + 1, day))
    if not rate:
        return state
    # Smoothed backwards for a start value, so that the first day is not a surprise.
    for at in reversed(range(_judged_from(days))):
        state[:, 0] += rate * np.where(seen[:, at], residuals[:, at] - state[:, 0], 0.0)
    for at in range(days):
        error = np.where(seen[:, at], residuals[:, at] - state[:, at], 0.0)
        state[:, at + 1] = state[:, at] + rate * error
    return state


def _judged_from(days: int) -> int:
    """First day in the scores of the smoothing parameters; the days before it are the start."""
    return max(2, days // 4)


def _weights(residuals: Floats, seen: Flags, states: list[Floats], *, ahead: int) -> Floats:
    """Weights of the smoothing parameters by their errors 1 to `ahead` days ahead."""
    days, squares = residuals.shape[1], np.zeros((len(residuals), len(states)))
    first = _judged_from(days)
    for steps in range(1, min(ahead, days - first) + 1):
        truth, here = residuals[:, first + steps - 1 :], seen[:, first + steps - 1 :]
        expected = np.stack([state[:, first : days - steps + 1] for state in states], axis=1)
        errors = np.where(here[:, None], truth[:, None] - expected, 0.0)
        squares += (errors**2).sum(axis=(2, 3)) / np.maximum(here.sum(axis=(1, 2)), 1)[:, None]
    known = seen[:, first:].sum(axis=(1, 2))
    still = squares[:, :1]
    # Smaller sums are the rounding errors of a level of order 1: nothing has changed.
    dust = still <= 1e-18
    ratio = np.maximum(squares / np.where(dust, 1.0, still), 1e-12)
    score = -0.5 * _TEMPER * known[:, None] * np.log(ratio)
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    weight[dust[:, 0]] = np.arange(len(states)) == 0
    return np.asarray(weight)
