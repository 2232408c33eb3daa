"""A history taken apart: season, level shifts, outliers, and what full subnets hid of the demand."""

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
"""Periods on each side that tell a jump from a drift."""

_FAR = 2.8
"""How many times as many tell a jump that stayed from one that went."""

_UNUSUAL = 3.5
"""How many robust deviations a jump must stand out by, where there are very many to compare."""

_FEW = 200.0
"""What few periods add to that, divided by their number."""

_OUTLIER = 6.0
"""How many robust deviations one value must lie off its neighbours."""

_SMALLEST = 0.01
"""Share of the level below which a jump is not worth telling."""

_SHARPER = 0.75
"""Two levels must leave less than this share of what one straight line leaves."""

_SOON = 30
"""Periods after which a shift that is undone was more than a holiday."""

NEWEST = 14
"""Periods before the end in which a step is so new that it may be undone."""

STAYS = (0.4, 0.5, 0.75, 0.8, 0.85, 0.9)
"""Share of the paths in which a step stays, by the periods it has lasted."""

_LIKE = 2.0
"""Steps of the past that these shares are worth, where a history has any like the newest."""

_AS_BEFORE = 2
"""Steps like the newest, and none back, that show a series to grow in steps."""

_FOLLOWED = 0.3
"""What of each new value the level takes over that says what a full subnet hid."""

_MONTHS = 57
"""Periods whose median is the level that a surge stands on: twice as long as one may last."""

_SURGE = 0.2
"""Share of the level that a surge stands above it."""

MAX_SHIFTS = 12
"""Shifts looked for in one series; more of them are growth."""


@dataclass(frozen=True)
class Parts:
    """
    Histories taken apart, each (series, periods), in units of each series' scale.

    Shifts stand at the period they begin; `kept` are those that the level was freed of, and
    that come again. `raw` is the history without season, `level` that at the level of today,
    and outliers are what single values of it stick out by.
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
class Calendar:
    """Season lengths, by the user or usual; the horizon, and the periods of a day: 1 from a day on."""

    lengths: tuple[int, ...]
    given: bool
    horizon: int
    day: int

    def seasons(self, values: Floats) -> Seasons:
        """Seasons of values without gaps."""
        return seasons(values, lengths=self.lengths, horizon=self.horizon, given=self.given)


def taken_apart(bound: Floats, seen: Flags, censored: Flags, calendar: Calendar) -> Parts:
    """Parts of the histories, with what full subnets hide put back."""
    filled = _filled(bound, seen)
    if calendar.lengths and not seen.all():
        filled = _in_season(filled, seen, calendar)
    parts = _apart(filled, seen, censored, calendar)
    # An unfinished last period takes one more round, saturation in between more.
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
    # Within a day only what lasts a day is a level.
    shifts = level_shifts(raw, near=max(day, 5))
    kept = kept_shifts(raw, shifts)
    level = without_shifts(raw, kept)
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
    return Parts(season, shifts, kept, raw, level, outlying)


def _again(outlying: Floats, day: int) -> Flags:
    """Outliers that recur at the same time on an adjacent day: a habit, not an error."""
    before, after = np.zeros_like(outlying), np.zeros_like(outlying)
    before[:, day:], after[:, :-day] = outlying[:, :-day], outlying[:, day:]
    alike = [
        (other * outlying > 0) & (np.abs(other) > 0.5 * np.abs(outlying))
        for other in (before, after)
    ]
    return np.asarray(alike[0] | alike[1])


def _filled(values: Floats, seen: Flags) -> Floats:
    """Values with gaps bridged by straight lines, for the steps that need one everywhere."""
    if seen.all():
        return values
    gappy = pd.DataFrame(np.where(seen, values, np.nan).T)
    return np.ascontiguousarray(gappy.interpolate(limit_direction="both").to_numpy().T)


def _in_season(filled: Floats, seen: Flags, calendar: Calendar) -> Floats:
    """Gaps bridged with the season in view: a missing Sunday is not a mean of its neighbours."""
    season = calendar.seasons(filled)
    level = _filled((filled - season.term) / season.factor, seen)
    return np.where(seen, filled, level * season.factor + season.term)


def _above(bound: Floats, mean: Floats, sigma: Floats) -> Floats:
    """Mean of normal values of which only the lower bound is known."""
    safe = np.where(sigma > 0, sigma, 1.0)
    below = np.clip((bound - mean) / safe, -30.0, 6.0)
    tail = np.vectorize(erfc, otypes=[float])(below / np.sqrt(2)) / 2
    hazard = np.exp(-0.5 * below**2) / np.sqrt(2 * np.pi) / tail
    return np.maximum(bound, mean + np.where(sigma > 0, safe * hazard, 0.0))


def level_shifts(values: Floats, *, near: int = _NEAR) -> Floats:
    """
    Find jumps that stayed: the change of level that happened at each period.

    The jump at a period is the difference of the medians of the `near` periods
    after and before it. It counts where it stands out from the other jumps of the
    same series, so a series that wanders has none, and where almost three times as
    many periods on each side still show most of it. Sizes stand at the periods that
    shifts begin; the others are 0.
    """
    count, periods = values.shape
    sizes = np.zeros((count, periods))
    if periods < 4 * near:
        return sizes
    medians = np.median(sliding_window_view(values, near, axis=1), axis=2)
    # jump[:, i] compares the periods before i + near with those from it on.
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
    """Take the largest jump of one series again and again, until none stands out."""
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
    """Whether this is a jump and not growth: two levels fit better than one slope."""
    first, last = max(at - 2 * near, 0), min(at + 2 * near, len(values))
    here, offset = values[first:last], np.arange(first, last) - at
    slope, start = np.polyfit(offset, here, 1)
    line = np.abs(here - start - slope * offset).sum()
    before, after = here[offset < 0], here[offset >= 0]
    levels = np.abs(before - np.median(before)).sum() + np.abs(after - np.median(after)).sum()
    return bool(levels < _SHARPER * line)


def _returned(values: Floats, sizes: Floats, near: int) -> None:
    """See the newest few values go back to where they were before the last shift."""
    at = int(np.max(np.flatnonzero(sizes), initial=0))
    size = float(sizes[at])
    if not size or not near < len(values) - at <= _SOON:
        return
    residuals = values - np.median(values[at : at + near])
    for period in range(len(values) - near + 1, len(values)):
        # Back where it was before, and not by chance: within a quarter of the shift.
        if (np.abs(residuals[period:] + size) < 0.25 * abs(size)).all():
            sizes[period] = -size
            return


def kept_shifts(values: Floats, sizes: Floats) -> Floats:
    """
    Shifts that the level is freed of: resets of a slow leak, and the newest.

    Other steps are growth that comes in steps, and stay in what the trend is
    fitted to. A reset undoes the growth before it, so its like has come twice
    or more, always down, while the values rise in between.
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
    A step of each series' last periods, of which nobody knows whether it stays.

    Its age is in periods, 0 where there is none; it stays in a share of the paths. Where the
    level that was fitted has it, paths that lose it are lowered by it.
    """

    age: NDArray[np.int64]
    size: Floats
    stays: Floats
    fitted: Flags


def newest_step(values: Floats, kept: Floats, outlying: Floats) -> Step:
    """The step of each series' last periods: a shift of the last two weeks, or a run of outliers."""
    count = len(values)
    age, size = np.zeros(count, dtype=np.int64), np.zeros(count)
    shift = kept[:, -NEWEST:]
    for row in np.flatnonzero((shift != 0).any(axis=1)):
        places = np.flatnonzero(shift[row])
        # A dip that has ended is not a step.
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
    """Newest periods of a series that are off without a break, and by how much."""
    length = int(np.argmax(np.append(outlying[::-1], 0.0) == 0))
    return length, float(np.median(outlying[-length:]))


def _as_before(values: Floats, size: float) -> bool:
    """Whether a newest step is one more of those that a series goes by, and never goes back."""
    changes = np.diff(values) * np.sign(size)
    least = 0.5 * abs(size)
    return bool((changes[:-NEWEST] >= least).sum() >= _AS_BEFORE and changes.min() > -least)


def _like_it(values: Floats, size: float, age: int) -> tuple[int, int]:
    """How many steps of half the size lasted as long before, and how many of them stayed."""
    rise, least = values * np.sign(size), 0.5 * abs(size)
    alike = stayed = free = 0
    for at in np.flatnonzero(np.diff(rise[: 1 - NEWEST]) >= least).tolist():
        before = np.median(rise[max(at - 2, 0) : at + 1])
        if at >= free and np.median(rise[at + 1 : at + 1 + age]) - before >= least:
            alike, free = alike + 1, at + NEWEST
            stayed += bool(np.median(rise[at + 1 : at + 1 + NEWEST]) - before >= least)
    return alike, stayed


def without_shifts(values: Floats, sizes: Floats) -> Floats:
    """Lift or lower what lies before each shift to the level of today."""
    after = np.pad(sizes[:, 1:], ((0, 0), (0, 1)))
    return np.asarray(values + after[:, ::-1].cumsum(axis=1)[:, ::-1])


@dataclass(frozen=True)
class Surges:
    """
    How often each series rose well above its level and came back, and how high.

    The size is the geometric mean of the heights, as a share of the level; 1 without one.
    """

    count: NDArray[np.int64]
    size: Floats


def surges(values: Floats) -> Surges:
    """Runs of three periods or more far above the median of two months, which have ended."""
    count, periods = values.shape
    number, size = np.zeros(count, dtype=np.int64), np.ones(count)
    if periods < _MONTHS:
        return Surges(number, size)
    half = _MONTHS // 2
    padded = np.pad(values, ((0, 0), (half, half)), mode="reflect")
    # Every seventh median, and lines between them, say as much as all.
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
    """First period and end of each run that is neither single values nor a level."""
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False])).tolist()
    runs = zip(edges[::2], edges[1::2], strict=True)
    # What goes on at the end may stay.
    return [run for run in runs if 3 <= run[1] - run[0] <= _SOON and run[1] <= len(flags) - 3]


def outliers(values: Floats) -> Floats:
    """
    What single values stick out by, beyond what the series usually does.

    A value is held against the median of the seven around it. Three in a row
    move that median, so the newest level, however sudden, is never an outlier.
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
    # Where some hours are noisier than others, the noisy tenth says what is usual.
    spread = np.maximum(spread, np.quantile(np.abs(residuals), 0.9, axis=1, keepdims=True) / 1.645)
    step = 1.4826 * np.median(np.abs(np.diff(values, axis=1)), axis=1, keepdims=True)
    limit = _OUTLIER * np.maximum(spread, 0.5 * step)
    limit = np.maximum(limit, 1e-9 * np.abs(values).max(axis=1, keepdims=True))
    return np.where(np.abs(residuals) > limit, residuals, 0.0)
