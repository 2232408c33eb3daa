"""What is in a history: season, level shifts, outliers, and the demand that full subnets hid."""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from eks_win_capacity.forecast.seasons import Seasons, adapted, seasons

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Floats = NDArray[np.float64]

_NEAR = 5
"""Periods on each side of a jump whose medians are compared."""

_FAR = 2.8
"""Periods on each side that show whether a jump stayed, as a multiple of `near`."""

_UNUSUAL = 3.5
"""Minimum size of a jump in a very long series. [robust standard deviations]"""

_FEW = 200.0
"""This number, divided by the number of periods, is added to the minimum size of a jump."""

_OUTLIER = 6.0
"""Minimum distance of an outlier from its neighbours. [robust standard deviations]"""

_SMALLEST = 0.01
"""Minimum size of a jump as a share of the level."""

_SHARPER = 0.75
"""Maximum error of two levels as a share of the error of one straight line, for a shift."""

_SOON = 30
"""Maximum number of periods of a temporary change, such as a holiday or a surge."""

NEWEST = 14
"""Periods at the end of a history in which a step is so new that it may be reversed."""

STAYS = (0.4, 0.5, 0.75, 0.8, 0.85, 0.9)
"""Prior probability that a step stays, by its age in periods."""

_LIKE = 2.0
"""Weight of the prior probability, in past steps similar to the newest."""

_AS_BEFORE = 2
"""Minimum number of past steps like the newest, none reversed, in a series that grows in steps."""

_FOLLOWED = 0.3
"""Smoothing parameter of the level from which the demand of a full subnet is estimated."""

_MONTHS = 57
"""Periods of the moving median that surges are measured from: twice their maximum length."""

_SURGE = 0.2
"""Minimum height of a surge as a share of the level."""

MAX_SHIFTS = 12
"""Maximum number of shifts in one series; more of them are growth."""


@dataclass(frozen=True)
class Parts:
    """
    Components of histories, each (series, periods), in units of each series' scale.

    Shifts are at the period in which they begin. `raw` is the history without season, `level` is
    `raw` without the `removed` shifts: resets, which recur in sample paths, and newest steps,
    which may be reversed. `outliers` are single deviations.
    """

    season: Seasons
    shifts: Floats
    removed: Floats
    raw: Floats
    level: Floats
    outliers: Floats

    @property
    def clean(self) -> Floats:
        """The level without outliers."""
        return self.level - self.outliers


@dataclass(frozen=True)
class Calendar:
    """Season lengths, usual or given by the user; horizon; periods per day, at least 1."""

    lengths: tuple[int, ...]
    given: bool
    horizon: int
    day: int

    def seasons(self, values: Floats) -> Seasons:
        """Seasons of values without gaps."""
        return seasons(values, lengths=self.lengths, horizon=self.horizon, given=self.given)


def taken_apart(bound: Floats, seen: Flags, censored: Flags, calendar: Calendar) -> Parts:
    """Components of the histories, with the demand that full subnets hide estimated."""
    filled = _filled(bound, seen)
    if calendar.lengths and not seen.all():
        filled = _in_season(filled, seen, calendar)
    parts = _apart(filled, seen, censored, calendar)
    # One iteration is enough if only the last period is censored; earlier ones need three.
    for _ in range(3 if censored[:, :-1].any() else 1 if censored.any() else 0):
        clean, season = parts.clean, parts.season
        usual = pd.DataFrame(clean.T).ewm(alpha=_FOLLOWED).mean().shift().bfill().to_numpy().T
        sigma = np.sqrt(((clean - usual) ** 2).mean(axis=1, keepdims=True))
        mean = (usual + parts.raw - parts.level) * season.factor + season.term
        filled = np.where(censored, _above(bound, mean, sigma), filled)
        parts = _apart(filled, seen, censored, calendar)
    return parts


def _apart(filled: Floats, seen: Flags, censored: Flags, calendar: Calendar) -> Parts:
    season = calendar.seasons(filled)
    raw = (filled - season.term) / season.factor
    day = calendar.day
    # For periods shorter than a day, only changes that last a day are level shifts.
    shifts = level_shifts(raw, near=max(day, _NEAR))
    removed = removed_shifts(raw, shifts)
    level = without_shifts(raw, removed)
    outlying = outliers(level)
    if day > 1 and any(length % day == 0 for length in calendar.lengths):
        strange = np.where(_again(outlying, day), 0.0, outlying)
        season, level = adapted(
            season, level - strange, seen & (strange == 0), day=day, horizon=calendar.horizon
        )
        level = level + strange
        outlying = outliers(level)
    outlying[censored] = 0.0
    for row in np.flatnonzero(outlying[:, -1]):
        length, size = _newest_run(outlying[row])
        if _as_before(level[row], size):
            outlying[row, -length:] = 0.0
    return Parts(season, shifts, removed, raw, level, outlying)


def _again(outlying: Floats, day: int) -> Flags:
    """Whether each outlier recurs at the same time on an adjacent day: a pattern, not an error."""
    before, after = np.zeros_like(outlying), np.zeros_like(outlying)
    before[:, day:], after[:, :-day] = outlying[:, :-day], outlying[:, day:]
    alike = [
        (other * outlying > 0) & (np.abs(other) > 0.5 * np.abs(outlying))
        for other in (before, after)
    ]
    return np.asarray(alike[0] | alike[1])


def _filled(values: Floats, seen: Flags) -> Floats:
    """Values with gaps interpolated linearly, for calculations that need all periods."""
    if seen.all():
        return values
    gappy = pd.DataFrame(np.where(seen, values, np.nan).T)
    return np.ascontiguousarray(gappy.interpolate(limit_direction="both").to_numpy().T)


def _in_season(filled: Floats, seen: Flags, calendar: Calendar) -> Floats:
    """Values with gaps interpolated without the season: a Sunday differs from its neighbours."""
    season = calendar.seasons(filled)
    level = _filled((filled - season.term) / season.factor, seen)
    return np.where(seen, filled, level * season.factor + season.term)


def _above(bound: Floats, mean: Floats, sigma: Floats) -> Floats:
    """Mean of a normal distribution above a lower bound: the expectation of censored demand."""
    safe = np.where(sigma > 0, sigma, 1.0)
    below = np.clip((bound - mean) / safe, -30.0, 6.0)
    tail = np.vectorize(erfc, otypes=[float])(below / np.sqrt(2)) / 2
    hazard = np.exp(-0.5 * below**2) / np.sqrt(2 * np.pi) / tail
    return np.maximum(bound, mean + np.where(sigma > 0, safe * hazard, 0.0))


def level_shifts(values: Floats, *, near: int) -> Floats:
    """
    Sizes of the level shifts at the periods in which they begin; 0 elsewhere.

    The jump at a period is the difference of the medians of the `near` periods after and
    before it. A jump is a level shift if it stands out from the other jumps of the same
    series, so a random walk has none, and if almost three times as many periods on each side
    still show most of it.
    """
    count, periods = values.shape
    sizes = np.zeros((count, periods))
    if periods < 4 * near:
        return sizes
    medians = np.median(sliding_window_view(values, near, axis=1), axis=2)
    # jump[:, i] compares the periods before i + near with those from i + near on.
    jump = medians[:, near:] - medians[:, :-near]
    usual = np.median(jump, axis=1, keepdims=True)
    jump = jump - usual
    spread = 1.4826 * np.median(np.abs(jump), axis=1)
    noise = 1.4826 * np.median(np.abs(np.diff(values, axis=1) - usual / near), axis=1)
    floor = _SMALLEST * np.abs(np.median(values, axis=1))
    unusual = _UNUSUAL + _FEW / periods
    threshold = np.maximum(unusual * np.maximum(spread, 0.35 * noise), floor)
    slope = usual[:, 0] / near
    for row in np.flatnonzero((np.abs(jump) > threshold[:, None]).any(axis=1)):
        _row_shifts(values[row], jump[row], threshold[row], slope[row], sizes[row], near=near)
    return sizes


def _row_shifts(
    values: Floats, jump: Floats, threshold: float, slope: float, sizes: Floats, *, near: int
) -> None:
    """Add the level shifts of one series to `sizes`, the largest jump first."""
    way, jump, far = np.sign(jump), np.abs(jump), round(_FAR * near)
    for _ in range(MAX_SHIFTS):
        best = int(jump.argmax())
        if jump[best] <= threshold:
            break
        jump[max(best - near, 0) : best + near + 1] = 0.0
        # The period around the best jump that changed most in its direction.
        changes = np.diff(values[best : best + 2 * near]) * way[best]
        at = best + 1 + int(changes.argmax())
        before, after = values[max(at - far, 0) : at], values[at : at + far]
        away = slope * (len(before) + len(after)) / 2
        size = float(np.median(after) - np.median(before)) - away
        if abs(size) > threshold * 0.6 and _steeper_than_a_line(values, at, near):
            sizes[at] = size
    _returned(values, sizes, near)


def _steeper_than_a_line(values: Floats, at: int, near: int) -> bool:
    """Whether two levels fit better than one slope, so the change is a shift and not growth."""
    first, last = max(at - 2 * near, 0), min(at + 2 * near, len(values))
    here, offset = values[first:last], np.arange(first, last) - at
    slope, start = np.polyfit(offset, here, 1)
    line = np.abs(here - start - slope * offset).sum()
    before, after = here[offset < 0], here[offset >= 0]
    levels = np.abs(before - np.median(before)).sum() + np.abs(after - np.median(after)).sum()
    return bool(levels < _SHARPER * line)


def _returned(values: Floats, sizes: Floats, near: int) -> None:
    """Add the reversal of the last shift to `sizes` if the newest values are as before it."""
    at = int(np.max(np.flatnonzero(sizes), initial=0))
    size = float(sizes[at])
    if not size or not near < len(values) - at <= _SOON:
        return
    residuals = values - np.median(values[at : at + near])
    for period in range(len(values) - near + 1, len(values)):
        # Back at the level before the shift, within a quarter of its size.
        if (np.abs(residuals[period:] + size) < 0.25 * abs(size)).all():
            sizes[period] = -size
            return


def removed_shifts(values: Floats, sizes: Floats) -> Floats:
    """
    Shifts to remove from the level: resets of a slow leak, and the newest step.

    Other shifts are growth in steps, and the trend is fitted to them. Resets undo the growth
    before them: there are at least two shifts, all of them down, while the values rise in
    between. The newest step is not removed from a series that grows in such steps.
    """
    out = np.zeros_like(sizes)
    for row in np.flatnonzero((sizes != 0).any(axis=1)):
        places = np.flatnonzero(sizes[row])
        down = sizes[row, places]
        rise = np.median(np.diff(values[row]))
        if len(places) >= 2 and (down < 0).all() and rise > 0:
            out[row] = sizes[row]
        newest = places[places >= values.shape[1] - NEWEST]
        if not _as_before(values[row], sizes[row, newest].sum()):
            out[row, newest] = sizes[row, newest]
    return out


@dataclass(frozen=True)
class Step:
    """
    Newest step of each series, which may stay or be reversed.

    The age is in periods, 0 without a step; `stays` is the share of paths in which it stays. If
    the fitted level includes the step, its size is subtracted in the other paths.
    """

    age: NDArray[np.int64]
    size: Floats
    stays: Floats
    fitted: Flags


def newest_step(values: Floats, removed: Floats, outlying: Floats) -> Step:
    """Newest step of each series: a shift of the last 14 periods, or outliers up to the end."""
    count = len(values)
    age, size = np.zeros(count, dtype=np.int64), np.zeros(count)
    shift = removed[:, -NEWEST:]
    for row in np.flatnonzero((shift != 0).any(axis=1)):
        places = np.flatnonzero(shift[row])
        # A temporary dip that has ended is not a step.
        if abs(shift[row].sum()) > 0.3 * np.abs(shift[row]).max():
            age[row] = shift.shape[1] - places[-1]
            size[row] = shift[row].sum()
    fitted = age > 0
    for row in np.flatnonzero((outlying[:, -1] != 0) & ~fitted):
        age[row], size[row] = _newest_run(outlying[row])
    stays = np.take(STAYS, np.clip(age - 1, 0, len(STAYS) - 1))
    for row in np.flatnonzero(age):
        alike, stayed = _like_it(values[row], float(size[row]), min(int(age[row]), _NEAR))
        stays[row] = (_LIKE * stays[row] + stayed) / (_LIKE + alike)
    return Step(age, size, stays, fitted)


def _newest_run(outlying: Floats) -> tuple[int, float]:
    """Number of consecutive outliers at the end of a series, and their median."""
    length = int(np.argmax(np.append(outlying[::-1], 0.0) == 0))
    return length, float(np.median(outlying[-length:]))


def _as_before(values: Floats, size: float) -> bool:
    """Whether a series grows in steps as large as its newest, and none of them was reversed."""
    changes = np.diff(values) * np.sign(size)
    least = 0.5 * abs(size)
    return bool((changes[:-NEWEST] >= least).sum() >= _AS_BEFORE and changes.min() > -least)


def _like_it(values: Floats, size: float, age: int) -> tuple[int, int]:
    """Past steps at least half as large that lasted `age` periods, and how many of them stayed."""
    rise, least = values * np.sign(size), 0.5 * abs(size)
    alike = stayed = free = 0
    for at in np.flatnonzero(np.diff(rise[: 1 - NEWEST]) >= least).tolist():
        before = np.median(rise[max(at - 2, 0) : at + 1])
        if at >= free and np.median(rise[at + 1 : at + 1 + age]) - before >= least:
            alike, free = alike + 1, at + NEWEST
            stayed += bool(np.median(rise[at + 1 : at + 1 + NEWEST]) - before >= least)
    return alike, stayed


def without_shifts(values: Floats, sizes: Floats) -> Floats:
    """Values with the periods before each shift moved to the level after it."""
    after = np.pad(sizes[:, 1:], ((0, 0), (0, 1)))
    return np.asarray(values + after[:, ::-1].cumsum(axis=1)[:, ::-1])


@dataclass(frozen=True)
class Surges:
    """
    Number and size of the surges of each series: rises well above the level that ended.

    The size is the geometric mean of their heights, as a share of the level; 1 without surges.
    """

    count: NDArray[np.int64]
    size: Floats


def surges(values: Floats) -> Surges:
    """Surges: 3 to 30 consecutive periods far above the moving median of two months."""
    count, periods = values.shape
    number, size = np.zeros(count, dtype=np.int64), np.ones(count)
    if periods < _MONTHS:
        return Surges(number, size)
    half = _MONTHS // 2
    padded = np.pad(values, ((0, 0), (half, half)), mode="reflect")
    # Every seventh median with linear interpolation is exact enough.
    at = np.unique(np.append(np.arange(0, periods, 7), periods - 1))
    medians = np.median(sliding_window_view(padded, _MONTHS, axis=1)[:, at], axis=2)
    usual = np.stack([np.interp(np.arange(periods), at, row) for row in medians])
    residuals = values - usual
    spread = 1.4826 * np.median(np.abs(residuals), axis=1, keepdims=True)
    high = residuals > np.maximum(_OUTLIER * spread, _SURGE * np.maximum(usual, 0.0)) + 1e-9
    for row in np.flatnonzero(high.any(axis=1)):
        heights = [
            (residuals[row, first:last] / usual[row, first:last]).max()
            for first, last in _runs(high[row])
            if usual[row, first:last].min() > 0
        ]
        if heights:
            number[row], size[row] = len(heights), np.exp(np.log(heights).mean())
    return Surges(number, size)


def _runs(flags: Flags) -> list[tuple[int, int]]:
    """First period and end of each run of 3 to 30 periods: neither single values nor a level."""
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False])).tolist()
    runs = zip(edges[::2], edges[1::2], strict=True)
    # A run at the end of the history may stay.
    return [run for run in runs if 3 <= run[1] - run[0] <= _SOON and run[1] <= len(flags) - 3]


def outliers(values: Floats) -> Floats:
    """
    Deviations of outliers from the moving median; 0 for all other values.

    A value is compared with the median of the seven values around it. Three high values at the
    end move that median, so a new level, however sudden, is never an outlier.
    """
    periods = values.shape[1]
    if periods < 8:
        return np.zeros_like(values)
    padded = np.concatenate(
        [np.flip(values[:, 1:4], axis=1), values, np.flip(values[:, -4:-1], axis=1)], axis=1
    )
    middle = np.median(sliding_window_view(padded, 7, axis=1), axis=2)
    residuals = values - middle
    spread = 1.4826 * np.median(np.abs(residuals), axis=1, keepdims=True)
    # If some hours are noisier than others, the 90 % quantile shows the usual deviation.
    spread = np.maximum(spread, np.quantile(np.abs(residuals), 0.9, axis=1, keepdims=True) / 1.645)
    step = 1.4826 * np.median(np.abs(np.diff(values, axis=1)), axis=1, keepdims=True)
    limit = _OUTLIER * np.maximum(spread, 0.5 * step)
    limit = np.maximum(limit, 1e-9 * np.abs(values).max(axis=1, keepdims=True))
    return np.where(np.abs(residuals) > limit, residuals, 0.0)
