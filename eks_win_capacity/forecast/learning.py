"""What the histories of many series say: season, steps, outliers, and views of a level with drift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.forecast import history_views as views
from eks_win_capacity.forecast import smoothing
from eks_win_capacity.forecast.adapting import adapted
from eks_win_capacity.forecast.level_shifts import (
    kept_shifts,
    level_shifts,
    newest_step,
    outliers,
    surges,
    without_shifts,
)
from eks_win_capacity.forecast.seasons import LONG_SEASON, Seasons, seasons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eks_win_capacity.forecast.level_shifts import Step, Surges

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

_FREE = 5
"""Values below the limit that it takes to look across a plateau."""

_BRIDGES = 4
"""Rounds of bridging gaps; each leaves about the missing share of the error before."""

_RECENT = 180
"""Newest periods whose innovations may come again."""

_STEADY = (14, 35)
"""Newest periods of which most must repeat the season before for a series to be stepped."""

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
    kept : ndarray, (series, periods)
        Those of them that the level was freed of, and that come again.
    step : Step
        A step so new that nobody knows whether it stays.
    outliers : ndarray, (series, periods)
        What single values stuck out by.
    views : tuple of View
        The whole history first.
    shares : ndarray, (series, views)
        Share of the paths that follows each view.
    noise : ndarray, (series,)
        How much larger innovations to come are than they were on average.
    seen : ndarray of bool, (series, periods)
    level : ndarray, (series, periods)
        The history without season, at the level of today.
    back : tuple of int
        Origins of the backtest.
    surges : Surges
        Times far above the level, which may come again.
    stepped : dict
        Series that mostly repeat their last season to the last digit, and how each
        season differed from the one before, in units of the history.
    lag : int
        Periods of that season.
    day : int
        Periods of a day; 1 also for longer periods.
    """

    scale: Floats
    season: Seasons
    shifts: Floats
    kept: Floats
    step: Step
    outliers: Floats
    views: tuple[views.View, ...]
    shares: Floats
    noise: Floats
    seen: Flags
    level: Floats
    back: tuple[int, ...]
    surges: Surges
    stepped: dict[int, Floats]
    lag: int
    day: int


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
    Take histories apart into season, steps, outliers and a level with drift.

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
    periods = values.shape[1]
    seen = ~np.isnan(values)
    scale = np.nanmean(np.abs(values), axis=1)
    scale[scale == 0] = 1.0
    asked = _Chunk(tuple(lengths), horizon, given, per_day)
    back = views.origins(periods, horizon)
    parts, hidden = _without_what_hides(values / scale[:, None], seen, censored, asked)
    clean = parts.level - parts.off
    both, known, possible = clean, seen, np.zeros(len(values), dtype=bool)
    if per_day == 1:
        # One pass over the periods for both: a pass costs most where series are few.
        logs, possible = views.logarithm(clean)
        both, known = np.concatenate([clean, logs]), np.concatenate([seen, seen])
    lag = next((n for n in lengths if 2 <= n < LONG_SEASON and 2 * n < periods), 1)
    fits = smoothing.fit(both, known, [*back, periods], within_day=per_day > 1)
    first = fits.rows(slice(len(clean)))
    whole, noise = _whole(first, seen, np.where(censored, hidden, 0.0), back, asked)
    every = [whole]
    if per_day == 1:
        # What is reset again and again is added, not multiplied.
        possible &= ~(parts.kept != 0).any(axis=1)
        every.append(views.logarithm_view(fits.rows(slice(len(clean), None)), seen, back, possible))
        every += [
            views.short_view(clean, seen, back, length=length, bends=bends)
            for length, bends in views.SHORT
            if periods >= 1.2 * length
        ]
    return Learned(
        scale,
        parts.season,
        parts.shifts,
        parts.kept,
        newest_step(parts.level, parts.kept, parts.off),
        parts.off,
        tuple(every),
        views.shares(every, clean, seen, back),
        noise * parts.season.fitted,
        seen,
        parts.level,
        tuple(back),
        # Within a day, what rises for some hours is a season or an outlier.
        surges(parts.level if per_day == 1 else parts.level[:, :0]),
        _stepped(values, censored, lag),
        lag,
        per_day,
    )


def _stepped(values: Floats, censored: Flags, lag: int) -> dict[int, Floats]:
    """Changes from season to season, of series that recently mostly did not change at all."""
    found = {}
    changes = values[:, lag:] - values[:, :-lag]
    for row in np.flatnonzero(~censored.any(axis=1)):
        here = changes[row][~np.isnan(changes[row])]
        still = here == 0
        if len(here) and min(still[-n:].mean() for n in (0, *_STEADY)) >= 0.5:
            calm = np.diff(np.flatnonzero(~still), prepend=-1, append=len(here)) - 1
            # What has been calm for much longer than ever before has changed its ways.
            if len(calm) == 1 or calm[-1] <= 2 * calm[:-1].max() + lag:
                found[int(row)] = here
    return found


@dataclass(frozen=True)
class _Chunk:
    """What is the same for all series of a chunk."""

    lengths: tuple[int, ...]
    horizon: int
    given: bool
    per_day: int


@dataclass(frozen=True)
class _Parts:
    """A history taken apart: season, shifts, level, and what single values stick out by."""

    season: Seasons
    shifts: Floats
    kept: Floats
    raw: Floats
    level: Floats
    off: Floats


def _without_what_hides(
    bound: Floats, seen: Flags, censored: Flags, asked: _Chunk
) -> tuple[_Parts, Floats]:
    """
    Parts of the histories, with what full subnets hide put back.

    And how uncertain each hidden value is, as a share of an innovation.
    """
    free = _unclipped(seen, censored)
    # Across a plateau demand is first taken to run straight from free value to free value.
    filled = np.where(censored & seen, np.fmax(bound, _filled(bound, free)), _filled(bound, seen))
    if asked.lengths and not seen.all():
        filled = _in_season(filled, seen, asked)
    hidden = np.zeros_like(filled)
    parts = _apart(filled, seen, censored, asked)
    # An unfinished last period takes one more round, saturation in between more.
    for turn in range(3 if censored[:, :-1].any() else 1 if censored.any() else 0):
        clean = parts.level - parts.off
        known = seen if turn else free
        fits = smoothing.fit(clean, known, [bound.shape[1]], within_day=asked.per_day > 1)
        at = fits.at[-1]
        best = at.weight.argmax(axis=1)
        sigma = at.sigma[np.arange(len(best)), best]
        mean = clean - fits.innovations(best) - (parts.level - parts.raw)
        mean = mean * parts.season.factor + parts.season.term
        expected, hidden = _above(bound, mean, sigma[:, None])
        filled = np.where(censored, expected, filled)
        parts = _apart(filled, seen, censored, asked)
    return parts, hidden


def _apart(filled: Floats, seen: Flags, censored: Flags, asked: _Chunk) -> _Parts:
    season = seasons(filled, lengths=asked.lengths, horizon=asked.horizon, given=asked.given)
    raw = (filled - season.term) / season.factor
    day = asked.per_day
    # Within a day only what lasts a day is a level.
    shifts = level_shifts(raw, near=max(day, 5))
    kept = kept_shifts(raw, shifts)
    level = without_shifts(raw, kept)
    off = outliers(level)
    if day > 1 and any(length % day == 0 for length in asked.lengths):
        strange = np.where(_again(off, day), 0.0, off)
        season, level = adapted(
            season, level - strange, seen & (strange == 0), day=day, horizon=asked.horizon
        )
        level = level + strange
        off = outliers(level)
    off[censored] = 0.0
    return _Parts(season, shifts, kept, raw, level, off)


def _whole(
    fits: smoothing.Fits, seen: Flags, hidden: Floats, back: Sequence[int], asked: _Chunk
) -> tuple[views.View, Floats]:
    """View of the whole history, and how much larger its innovations to come are."""
    periods, day = seen.shape[1], asked.per_day
    whole = views.whole_view(fits, seen, back, _RECENT if day == 1 else None)
    # What was not seen above the limit lay now higher, now lower than its mean.
    wider = whole.errors + hidden * _EITHER_WAY[np.arange(periods) % 2]
    usual = (whole.errors**2).sum(axis=1)
    stretch = np.where(usual > 1e-6, (wider**2).sum(axis=1) / np.maximum(usual, 1e-6), 1.0)
    stretch = np.clip(np.sqrt(stretch), 1.0, 10.0)[:, None]
    # How noisy a series is now, its last half year says.
    wider = wider[:, -_RECENT if day == 1 else -(periods // day * day) :] / stretch
    newest = seen[:, -wider.shape[1] :]
    return views.View(whole.fit, wider, newest, whole.looks, whole.possible), stretch[:, 0]


def _again(off: Floats, day: int) -> Flags:
    """Outliers that recur at the same time on an adjacent day: a habit, not an error."""
    before, after = np.zeros_like(off), np.zeros_like(off)
    before[:, day:], after[:, :-day] = off[:, :-day], off[:, day:]
    alike = [(other * off > 0) & (np.abs(other) > 0.5 * np.abs(off)) for other in (before, after)]
    return np.asarray(alike[0] | alike[1])


def _unclipped(seen: Flags, censored: Flags) -> Flags:
    """Values that are seen and not a lower bound, where enough of them are left."""
    free = seen & ~censored
    few = free.sum(axis=1) < _FREE
    free[few] = seen[few]
    return free


def _filled(values: Floats, seen: Flags) -> Floats:
    """Values with gaps bridged by straight lines, for the steps that need one everywhere."""
    if seen.all():
        return values
    out = values.copy()
    places = np.arange(values.shape[1])
    for row in np.flatnonzero(~seen.all(axis=1)):
        out[row] = np.interp(places, places[seen[row]], values[row, seen[row]])
    return out


def _in_season(filled: Floats, seen: Flags, asked: _Chunk) -> Floats:
    """Gaps bridged with the season in view: a missing Sunday is not a mean of its neighbours."""
    for _ in range(_BRIDGES):
        season = seasons(filled, lengths=asked.lengths, horizon=asked.horizon, given=asked.given)
        level = _filled((filled - season.term) / season.factor, seen)
        filled = np.where(seen, filled, level * season.factor + season.term)
    return filled


def _above(bound: Floats, mean: Floats, sigma: Floats) -> tuple[Floats, Floats]:
    """
    Mean of a normal value of which only the lower bound is known.

    And what of its deviation is left, as a share of sigma.
    """
    safe = np.where(sigma > 0, sigma, 1.0)
    below = np.clip((bound - mean) / safe, -30.0, 6.0)
    hazard = (
        np.exp(-0.5 * below**2) / np.sqrt(2 * np.pi) / np.maximum(views.upper_tail(below), 1e-12)
    )
    expected = np.where(sigma > 0, np.maximum(bound, mean + safe * hazard), np.maximum(bound, mean))
    return expected, np.sqrt(np.clip(1 + below * hazard - hazard**2, 0.0, 1.0))
