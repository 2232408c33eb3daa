"""What the histories of many series say: season, steps, outliers, and views of a level with drift."""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.forecast import history_views as views
from eks_win_capacity.forecast import smoothing
from eks_win_capacity.forecast.level_shifts import (
    kept_shifts,
    level_shifts,
    newest_step,
    outliers,
    surges,
    without_shifts,
)
from eks_win_capacity.forecast.seasons import LONG_SEASON, Seasons, adapted, seasons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eks_win_capacity.forecast.level_shifts import Step, Surges

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

_FREE = 5
"""Values below the limit that it takes to look across a plateau."""

_RECENT = 180
"""Newest periods whose innovations may come again."""

_STEADY = (14, 35)
"""Newest periods of which most must repeat the season before for a series to be stepped."""


@dataclass(frozen=True)
class Parts:
    """
    Histories taken apart, in units of each series' scale.

    Attributes
    ----------
    season : Seasons
    shifts : ndarray, (series, periods)
        Level shifts by the period they begin.
    kept : ndarray, (series, periods)
        Those of them that the level was freed of, and that come again.
    raw, level : ndarray, (series, periods)
        The history without season, and at the level of today.
    outliers : ndarray, (series, periods)
        What single values of the level stick out by.
    """

    season: Seasons
    shifts: Floats
    kept: Floats
    raw: Floats
    level: Floats
    outliers: Floats

    @property
    def clean(self) -> Floats:
        """The level without outliers."""
        return self.level - self.outliers


@dataclass(frozen=True)
class Learned:
    """
    What was learned from a chunk of histories.

    Attributes
    ----------
    scale : ndarray, (series,)
        The usual size of the values, which all else is in units of.
    seen : ndarray of bool, (series, periods)
    parts : Parts
    step : Step
        A step so new that nobody knows whether it stays.
    surges : Surges
        Times far above the level, which may come again.
    views : tuple of View
        The whole history first.
    shares : ndarray, (series, views)
        Share of the paths that follows each view.
    back : tuple of int
        Origins of the backtest.
    stepped : dict
        Series that mostly repeat their last season to the last digit, and how each
        season differed from the one before, in units of the history.
    lag : int
        Periods of that season.
    day : int
        Periods of a day; 1 also for longer periods.
    """

    scale: Floats
    seen: Flags
    parts: Parts
    step: Step
    surges: Surges
    views: tuple[views.View, ...]
    shares: Floats
    back: tuple[int, ...]
    stepped: dict[int, Floats]
    lag: int
    day: int

    def drift(self) -> Floats:
        """Growth of the level a period at the end of the history, over all views."""
        total = np.zeros(len(self.scale))
        for view, share, name in zip(self.views, self.shares.T, views.VIEWS, strict=False):
            at = view.fit
            slope = (at.weight * at.growth).sum(axis=1)
            if name == "logarithm":
                slope = slope * np.exp(np.clip((at.weight * at.level).sum(axis=1), -9.0, 9.0))
            total += np.where(view.possible, share * slope, 0.0)
        return total

    def backtest(self, levels: Sequence[float]) -> tuple[Floats, Floats, Floats]:
        """
        How near all views together came in the rolling backtest; NaN without one.

        Returns
        -------
        error, naive : ndarray, (series,)
            Mean absolute error of the mean path, and of holding the last value.
        covered : ndarray, (series, levels)
            Share of values inside the interval.
        """
        level, weight = self.parts.level, self.shares.T[..., None]
        counted, error, naive = (np.zeros(len(level)) for _ in range(3))
        covered = np.zeros((len(level), len(levels)))
        bounds = views.normal_quantile((1 + np.array(levels)) / 2)
        for look, origin in enumerate(self.back):
            # A view that does not exist for a series has no weight, whatever it says.
            means, spreads = (
                np.where(weight > 0, np.stack([view.looks[look][part] for view in self.views]), 0.0)
                for part in (0, 1)
            )
            mean = (weight * means).sum(axis=0)
            deviation = np.sqrt((weight * (spreads**2 + (means - mean) ** 2)).sum(axis=0))
            known, truth = self.seen[:, origin:], level[:, origin:]
            off = np.abs(truth - mean)
            counted += known.sum(axis=1)
            error += (off * known).sum(axis=1)
            naive += (np.abs(truth - level[:, origin - 1, None]) * known).sum(axis=1)
            inside = off[..., None] <= bounds * deviation[..., None] + 1e-9
            covered += (inside & known[..., None]).sum(axis=1)
        total = np.where(counted > 0, counted, np.nan)
        return error / total, naive / total, covered / total[:, None]


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

    Values, (series, periods), are NaN where nothing was seen, and where they are
    `censored` a lower bound of the demand. Of periods of a day or longer there is
    one `per_day`; `given` says that the user gave the season lengths.
    """
    periods, daily = values.shape[1], per_day == 1
    seen = ~np.isnan(values)
    scale = np.nanmean(np.abs(values), axis=1)
    scale[scale == 0] = 1.0
    back = views.origins(periods, horizon)
    asked = _Chunk(tuple(lengths), horizon, given, per_day)
    parts = _without_what_hides(values / scale[:, None], seen, censored, asked)
    clean, every = parts.clean, np.ones(len(values), dtype=bool)
    both, known = clean, seen
    if daily:
        # One pass over the periods for both: a pass costs most where series are few.
        logs, possible = views.logarithm(clean)
        # What is reset again and again is added, not multiplied.
        possible &= ~(parts.kept != 0).any(axis=1)
        both, known = np.concatenate([clean, logs]), np.concatenate([seen, seen])
    fits = smoothing.fit(both, known, [*back, periods], within_day=not daily)
    # How noisy a series is now, its last half year says.
    newest = min(_RECENT, periods) if daily else periods // per_day * per_day
    found = [views.long_view(fits.rows(slice(len(clean))), seen, back, every, newest=newest)]
    if daily:
        fits = fits.rows(slice(len(clean), None))
        found.append(views.long_view(fits, seen, back, possible, newest=periods, compound=True))
        found += [
            views.short_view(clean, seen, back, length=length, bends=bends)
            for length, bends in views.SHORT
            if periods >= 1.2 * length
        ]
    lag = next((n for n in lengths if 2 <= n < LONG_SEASON and 2 * n < periods), 1)
    return Learned(
        scale=scale,
        seen=seen,
        parts=parts,
        step=newest_step(parts.level, parts.kept, parts.outliers),
        # Within a day, what rises for some hours is a season or an outlier.
        surges=surges(parts.level if daily else parts.level[:, :0]),
        views=tuple(found),
        shares=views.shares(found, clean, seen, back),
        back=tuple(back),
        stepped=_stepped(values, censored, lag),
        lag=lag,
        day=per_day,
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

    def seasons(self, values: Floats) -> Seasons:
        """Seasons of values without gaps."""
        return seasons(values, lengths=self.lengths, horizon=self.horizon, given=self.given)


def _without_what_hides(bound: Floats, seen: Flags, censored: Flags, asked: _Chunk) -> Parts:
    """Parts of the histories, with what full subnets hide put back."""
    free = _unclipped(seen, censored)
    # Across a plateau demand is first taken to run straight from free value to free value.
    filled = np.where(censored & seen, np.fmax(bound, _filled(bound, free)), _filled(bound, seen))
    if asked.lengths and not seen.all():
        filled = _in_season(filled, seen, asked)
    parts = _apart(filled, seen, censored, asked)
    # An unfinished last period takes one more round, saturation in between more.
    for turn in range(3 if censored[:, :-1].any() else 1 if censored.any() else 0):
        clean, known = parts.clean, seen if turn else free
        fits = smoothing.fit(clean, known, [bound.shape[1]], within_day=asked.per_day > 1)
        at = fits.at[-1]
        best = at.weight.argmax(axis=1)
        sigma = at.sigma[np.arange(len(best)), best][:, None]
        mean = clean - fits.innovations(best) - (parts.level - parts.raw)
        mean = mean * parts.season.factor + parts.season.term
        filled = np.where(censored, _above(bound, mean, sigma), filled)
        parts = _apart(filled, seen, censored, asked)
    return parts


def _apart(filled: Floats, seen: Flags, censored: Flags, asked: _Chunk) -> Parts:
    season = asked.seasons(filled)
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
    return Parts(season, shifts, kept, raw, level, off)


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
    season = asked.seasons(filled)
    level = _filled((filled - season.term) / season.factor, seen)
    return np.where(seen, filled, level * season.factor + season.term)


def _above(bound: Floats, mean: Floats, sigma: Floats) -> Floats:
    """Mean of normal values of which only the lower bound is known."""
    safe = np.where(sigma > 0, sigma, 1.0)
    below = np.clip((bound - mean) / safe, -30.0, 6.0)
    tail = np.vectorize(erfc, otypes=[float])(below / np.sqrt(2)) / 2
    hazard = np.exp(-0.5 * below**2) / np.sqrt(2 * np.pi) / tail
    return np.maximum(bound, mean + np.where(sigma > 0, safe * hazard, 0.0))
