"""What the histories of many series say: season, shifts, outliers, a level with drift, noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.forecast import smoothing
from eks_win_capacity.forecast.adapting import adapted
from eks_win_capacity.forecast.backtest import backtest_origins, calibration, forecasts_made
from eks_win_capacity.forecast.level_shifts import level_shifts, outliers, without_shifts
from eks_win_capacity.forecast.noise import noise_now
from eks_win_capacity.forecast.normal import upper_tail
from eks_win_capacity.forecast.seasons import Seasons, seasons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

_FREE = 5
"""Values below the limit that it takes to look across a plateau."""

_BRIDGES = 4
"""Rounds of bridging gaps; each leaves about the missing share of the error before."""

_EITHER_WAY = np.array([-1.0, 1.0])


@dataclass(frozen=True)
class Learned:
    """
    What was learned from a chunk of histories, in units of each series' scale.

    Attributes
    ----------
    scale : ndarray, (series,)
    season : Seasons
    shifts : ndarray, (series, periods)
        Level shifts by the period they begin.
    outliers : ndarray, (series, periods)
        What single values stuck out by.
    fit : Fit
        All models at the last period.
    errors : ndarray, (series, periods)
        Innovations of the likeliest model, in units of their usual size at their time.
    noise : ndarray, (series, horizon)
        How much larger innovations to come are than they were on average.
    lengths : tuple of int
        Season lengths. [periods]
    seen : ndarray of bool, (series, periods)
    calibration : ndarray, (series, horizon)
        What the spread of the paths is multiplied by.
    origins : ndarray of int, (series,)
        Backtest origins behind it; 0 where the history was too short.
    level : ndarray, (series, periods)
        The history without season, at the level of today.
    backtest : tuple of (origin, mean, deviation)
        What would have been forecast at each origin.
    """

    scale: Floats
    season: Seasons
    shifts: Floats
    outliers: Floats
    fit: smoothing.Fit
    errors: Floats
    noise: Floats
    lengths: tuple[int, ...]
    seen: Flags
    calibration: Floats
    origins: NDArray[np.int64]
    level: Floats
    backtest: tuple[tuple[int, Floats, Floats], ...]


def learn(
    values: Floats,
    censored: Flags,
    *,
    lengths: Sequence[int],
    horizon: int,
    given: bool = False,
    per_day: int = 1,
) -> Learned:
    """
    Take histories apart into season, shifts, outliers and a level with drift.

    Parameters
    ----------
    values : ndarray, (series, periods)
        NaN where nothing was seen.
    censored : ndarray of bool, (series, periods)
        Where the value is only a lower bound of the demand.
    lengths : sequence of int
        Season lengths. [periods]
    horizon : int
    given : bool
        Whether the user gave the season lengths.
    per_day : int
        Periods of a day; 1 also for longer periods.
    """
    seen = ~np.isnan(values)
    scale = np.nanmean(np.abs(values), axis=1)
    scale[scale == 0] = 1.0
    bound = values / scale[:, None]
    free = _unclipped(seen, censored)
    # Across a plateau demand is first taken to run straight from free value to free value.
    filled = np.where(censored & seen, np.fmax(bound, _filled(bound, free)), _filled(bound, seen))
    origins = backtest_origins(values.shape[1], horizon)
    # Within a day only what lasts a day is a level.
    near = max(per_day, 5)
    # An unfinished last period takes one more round, saturation in between some.
    rounds = 4 if censored[:, :-1].any() else 2 if censored.any() else 1
    if lengths and not seen.all():
        filled = _in_season(filled, seen, lengths=lengths, horizon=horizon, given=given)
    hidden = np.zeros_like(filled)
    for turn in range(rounds):
        season = seasons(filled, lengths=lengths, horizon=horizon, given=given)
        level = (filled - season.term) / season.factor
        shifts = level_shifts(level, near=near)
        level = without_shifts(level, shifts)
        off = outliers(level)
        if per_day > 1 and any(length % per_day == 0 for length in lengths):
            again = _again(off, per_day)
            strange = np.where(again, 0.0, off)
            season, level = adapted(
                season, level - strange, seen & (strange == 0), day=per_day, horizon=horizon
            )
            level = level + strange
            off = outliers(level)
        off[censored] = 0.0
        last = turn == rounds - 1
        clean = level - off
        told = seen if turn or last else free
        ends = [*(origins if last else ()), values.shape[1]]
        fits = smoothing.fit(clean, told, ends, within_day=per_day > 1)
        at = fits.at[-1]
        best = at.weight.argmax(axis=1)
        errors = fits.innovations(best)
        sigma = at.sigma[np.arange(len(values)), best]
        if not last:
            mean = (clean - errors) + (without_shifts(filled, shifts) - filled) * -1
            mean = mean * season.factor + season.term
            expected, hidden = _above(bound, mean, sigma[:, None])
            filled = np.where(censored, expected, filled)
    usual = np.sqrt((errors**2).sum(axis=1))
    # What was not seen above the limit lay now higher, now lower than its mean.
    errors = (
        errors
        + np.where(censored, hidden * sigma[:, None], 0.0)
        * _EITHER_WAY[np.arange(values.shape[1]) % 2]
    )
    wider = np.sqrt((errors**2).sum(axis=1)) / np.where(usual > 0, usual, 1.0)
    steps = np.arange(1, horizon + 1)
    level_now, drift_now = ((at.weight * x).sum(axis=1)[:, None] for x in (at.level, at.drift))
    noise = noise_now(
        errors,
        np.concatenate(
            [
                clean - errors + season.term,
                level_now + drift_now * steps + season.future_term,
            ],
            axis=1,
        ),
        seen,
        [*origins, values.shape[1]],
        cycle=min(lengths, default=0),
    )
    backtest = forecasts_made(fits.at[:-1], origins, values.shape[1], horizon, noise.now)
    spread, counted = calibration(level, seen, backtest, horizon)
    return Learned(
        scale,
        season,
        shifts,
        off,
        at,
        errors / np.where(sigma > 0, sigma, 1.0)[:, None] / noise.scale,
        noise.now[:, -1:] * noise.future * (season.fitted * np.maximum(wider, 1.0))[:, None],
        tuple(lengths),
        seen,
        spread,
        counted,
        level,
        backtest,
    )


def _again(off: Floats, day: int) -> Flags:
    """Tell what sticks out as it did at that time on the day before or after: a habit, no error."""
    before, after = np.zeros_like(off), np.zeros_like(off)
    before[:, day:], after[:, :-day] = off[:, :-day], off[:, day:]
    alike = [(other * off > 0) & (np.abs(other) > 0.5 * np.abs(off)) for other in (before, after)]
    return np.asarray(alike[0] | alike[1])


def _unclipped(seen: Flags, censored: Flags) -> Flags:
    """Tell what was seen and is no lower bound, where enough of that is left."""
    free = seen & ~censored
    few = free.sum(axis=1) < _FREE
    free[few] = seen[few]
    return free


def _filled(values: Floats, seen: Flags) -> Floats:
    """Bridge gaps by straight lines, for the steps that need a value everywhere."""
    if seen.all():
        return values
    out = values.copy()
    places = np.arange(values.shape[1])
    for row in np.flatnonzero(~seen.all(axis=1)):
        out[row] = np.interp(places, places[seen[row]], values[row, seen[row]])
    return out


def _in_season(
    filled: Floats, seen: Flags, *, lengths: Sequence[int], horizon: int, given: bool
) -> Floats:
    """Bridge gaps again with the season in view: a missing Sunday is no mean of its neighbours."""
    for _ in range(_BRIDGES):
        season = seasons(filled, lengths=lengths, horizon=horizon, given=given)
        level = _filled((filled - season.term) / season.factor, seen)
        filled = np.where(seen, filled, level * season.factor + season.term)
    return filled


def _above(bound: Floats, mean: Floats, sigma: Floats) -> tuple[Floats, Floats]:
    """
    Give the mean of a normal value of which only the lower bound is known.

    And what of its deviation is left, as a share of sigma.
    """
    safe = np.where(sigma > 0, sigma, 1.0)
    below = np.clip((bound - mean) / safe, -30.0, 6.0)
    hazard = np.exp(-0.5 * below**2) / np.sqrt(2 * np.pi) / np.maximum(upper_tail(below), 1e-12)
    expected = np.where(sigma > 0, np.maximum(bound, mean + safe * hazard), np.maximum(bound, mean))
    return expected, np.sqrt(np.clip(1 + below * hazard - hazard**2, 0.0, 1.0))
