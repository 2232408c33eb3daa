"""Which periods does a history have, and the peak of each: the peak exhausts a subnet."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eks_win_capacity.core.errors import InputError, count_of
from eks_win_capacity.core.findings import told
from eks_win_capacity.core.values import same_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from eks_win_capacity.core.findings import Finding
    from eks_win_capacity.forecast.history import Rows

    Floats = NDArray[np.float64]

DAY_NS = 86_400_000_000_000
DAYS_PER_YEAR = 365.25
DAYS_PER_MONTH = DAYS_PER_YEAR / 12

_UNIT_NS = {"w": 7 * DAY_NS, "d": DAY_NS, "h": DAY_NS // 24, "min": DAY_NS // 1440}
_DURATION = re.compile(
    r"\s*(\d+(?:\.\d+)?)?\s*(w|d|h|min)(?:eeks?|ays?|ours?|utes?)?\s*", re.IGNORECASE
)
_MONTHS = re.compile(
    r"\s*(\d+)?\s*(?:(M|(?i:mo|months?|ms|me))|((?i:q|qs|qe|quarters?))|((?i:y|ys|ye|years?)))\s*"
)
"""Durations without a fixed number of days; ``M`` is a month, ``m`` a minute, as in pandas."""

_STALE = 3
"""Periods without new values after which a history counts as stale."""

_SEASONS = {24: (24, 168), 48: (48, 336), 96: (96, 672), 1: (7,), 7: (52,), 12: (12,), 4: (4,)}


@dataclass(frozen=True)
class Grid:
    """
    Numbered periods of equal length.

    Days and longer periods follow the wall clock of the time zone, so a day of 23 or 25 hours
    is one day; shorter ones follow UTC. The length of a period is either in nanoseconds or in
    months, and the other field is 0. Period 0 starts at the anchor, in wall-clock time. Naive
    times have no zone.
    """

    length_ns: int
    months: int
    anchor_ns: int
    zone: Any

    @property
    def days(self) -> float:
        """Length of a period. [days]."""
        return self.months * DAYS_PER_MONTH if self.months else self.length_ns / DAY_NS

    @property
    def wall_clock(self) -> bool:
        """Whether periods follow the wall clock and not UTC."""
        return bool(self.months) or self.length_ns % DAY_NS == 0

    def clock(self, times: pd.DatetimeIndex) -> NDArray[np.int64]:
        """Times on the clock that the periods follow, wall clock or UTC. [ns]."""
        if times.tz is not None:
            times = times.tz_convert(self.zone) if self.wall_clock else times.tz_convert("UTC")
            times = times.tz_localize(None)
        return np.asarray(times.as_unit("ns").asi8)

    def numbers(self, times: pd.DatetimeIndex) -> NDArray[np.int64]:
        """Number of the period that contains each time."""
        clock = self.clock(times)
        if self.months:
            month = clock.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
            return np.asarray(month // self.months)
        return np.asarray((clock - self.anchor_ns) // self.length_ns)

    def _clock_starts(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.months:
            month = (numbers * self.months).astype("datetime64[M]")
            return np.asarray(month.astype("datetime64[ns]").astype(np.int64))
        return np.asarray(numbers * self.length_ns + self.anchor_ns)

    def starts(self, numbers: NDArray[np.int64]) -> pd.DatetimeIndex:
        """Start of each period, in the time zone of the history."""
        index = pd.DatetimeIndex(self._clock_starts(numbers).astype("datetime64[ns]"))
        if self.zone is None:
            return index
        if not self.wall_clock:
            return index.tz_localize("UTC").tz_convert(self.zone)
        # In zones that change clocks at midnight, a day may begin at 1:00 or have two midnights.
        first = np.ones(len(index), dtype=bool)
        return index.tz_localize(self.zone, nonexistent="shift_forward", ambiguous=first)

    def unfinished(self, time: pd.DatetimeIndex, spacing_ns: int) -> NDArray[np.bool_]:
        """Whether the period of each newest time ends after the next time is due."""
        end = self._clock_starts(self.numbers(time) + 1)
        return np.asarray(self.clock(time) + spacing_ns < end)

    def periods(self, horizon: object, after: pd.Timestamp) -> int:
        """Number of periods from the end of a history to a horizon of any kind, rounded up."""
        days = horizon_days(horizon, after)
        if not np.isfinite(days) or days <= 0:
            raise InputError(
                f"horizon must be more than 0 days, or a date after the history, which ends "
                f"{after:%Y-%m-%d}; got {horizon!r}"
            )
        count = int(np.ceil(days / self.days - 1e-9))
        if count < 1 or count > 10_000:
            raise InputError(
                f"horizon must span 1 to 10,000 periods of {self}; got {horizon!r}, which is {count:,}"
            )
        return count

    def season_lengths(self) -> tuple[int, ...]:
        """Usual season lengths for periods of this length. [periods]."""
        if self.months:
            return _SEASONS.get(12 // self.months, ())
        per_day = DAY_NS / self.length_ns
        if per_day >= 1:
            day = round(per_day)
            return _SEASONS[1] if day == 1 else (day, 7 * day)
        return _SEASONS.get(round(self.days), ()) if round(self.days) == 7 else ()

    def __str__(self) -> str:
        if self.months:
            return "1 month" if self.months == 1 else f"{self.months} months"
        for name, size in (("day", DAY_NS), ("hour", DAY_NS // 24), ("minute", DAY_NS // 1440)):
            if self.length_ns % size == 0:
                count = self.length_ns // size
                return f"1 {name}" if count == 1 else f"{count} {name}s"
        return f"{self.length_ns / 1e9:g} s"


def horizon_days(horizon: object, after: pd.Timestamp) -> float:
    """Horizon of any kind as a number of days after the end of a history; else InputError."""
    wrong = InputError(
        "horizon must be a number of days, a duration such as '180d' or '6 months', or a date; "
        f"got {horizon!r}"
    )
    if horizon is None or horizon is pd.NaT or isinstance(horizon, (bool, np.bool_)):
        raise wrong
    # First: NumPy counts its timedelta64 among the integers.
    if isinstance(horizon, (dt.timedelta, np.timedelta64)):
        return float(pd.Timedelta(horizon) / pd.Timedelta(days=1))
    if isinstance(horizon, (int, float, np.integer, np.floating)):
        return float(horizon)
    if isinstance(horizon, str) and (number := months(horizon)):
        horizon = pd.DateOffset(months=number)
    if isinstance(horizon, pd.offsets.BaseOffset):
        return float((after + horizon - after) / pd.Timedelta(days=1))
    try:
        return float(str(horizon))
    except ValueError:
        pass
    try:
        return duration(horizon) / DAY_NS
    except (ValueError, TypeError, OverflowError):
        pass
    try:
        until = pd.Timestamp(horizon)  # type: ignore[arg-type]
        return float((_in_zone(until, after.tz) - after) / pd.Timedelta(days=1))
    except (ValueError, TypeError, OverflowError):
        raise wrong from None


def months(text: str) -> int:
    """Number of months in a duration such as ``"6 months"`` or ``"1y"``; 0 for other strings."""
    match = _MONTHS.fullmatch(text)
    if match is None:
        return 0
    number, month, quarter, _ = match.groups()
    return int(number or 1) * (1 if month else 3 if quarter else 12)


def _in_zone(time: pd.Timestamp, zone: Any) -> pd.Timestamp:
    """Time in the time zone of a history; naive times are assumed to be in that zone."""
    if zone is None:
        return time if time.tz is None else time.tz_convert("UTC").tz_localize(None)
    return time.tz_localize(zone) if time.tz is None else time.tz_convert(zone)


def date_of(value: Any, zone: Any, *, name: str) -> pd.Timestamp:
    """Time in the time zone of a history; InputError if the value is not a date."""
    try:
        moment = pd.Timestamp(value)
    except (ValueError, TypeError, OverflowError):
        moment = pd.NaT  # type: ignore[assignment]
    if pd.isna(moment):
        raise InputError(f"{name} must be a date; got {value!r}")
    return _in_zone(moment, zone).as_unit("ns")


def grid_for(
    times: pd.DatetimeIndex, spacing_ns: int, *, step: object, first: pd.Timestamp
) -> Grid:
    """
    Periods for a history, of length `step` if it is given.

    By default the periods are days if values are daily or more frequent, because the peak of
    the day exhausts a subnet, and otherwise the spacing of the values. Periods of several days
    begin at the first time.
    """
    zone = times.tz
    if step is None:
        days = spacing_ns / DAY_NS
        if days <= 1.5:
            return Grid(DAY_NS, 0, 0, zone)
        for number, low, high in ((1, 29, 31), (3, 89, 92), (12, 364, 367)):
            if low <= days <= high:
                return Grid(0, number, 0, zone)
        return _anchored(max(round(days), 1) * DAY_NS, zone, first)
    if isinstance(step, str) and (number := months(step)):
        return Grid(0, number, 0, zone)
    wrong = InputError(
        f"step must be a duration such as '1d', '1h', '1w' or '1 month'; got {step!r}"
    )
    if not isinstance(step, (str, dt.timedelta, np.timedelta64, pd.offsets.Tick, pd.offsets.Day)):
        raise wrong
    try:
        length_ns = duration(step)
    except (ValueError, TypeError, OverflowError):
        raise wrong from None
    if length_ns < DAY_NS // 1440:
        raise InputError(f"step must be a minute or longer; got {step!r}")
    if length_ns > DAY_NS and length_ns % DAY_NS == 0:
        return _anchored(length_ns, zone, first)
    if DAY_NS % length_ns:
        raise InputError(f"step must divide a day, or be whole days; got {step!r}")
    return Grid(length_ns, 0, 0, zone)


def duration(value: Any) -> int:
    """
    Nanoseconds of a duration such as ``"180d"``, ``"h"`` or a Timedelta.

    Common units are parsed here, because pandas 3 deprecates some letters in one case.
    """
    if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        number, unit = match.groups()
        return round(float(number or 1) * _UNIT_NS[unit.lower()])
    if isinstance(value, pd.offsets.Day):
        return int(value.n) * DAY_NS
    return int(pd.Timedelta(value).as_unit("ns").value)


def _anchored(length_ns: int, zone: Any, first: pd.Timestamp) -> Grid:
    day = first.tz_localize(None).normalize()
    return Grid(length_ns, 0, int(day.as_unit("ns").value), zone)


@dataclass(frozen=True)
class Panel:
    """
    Peaks of every subnet by period.

    `last` is the number of the newest period of each subnet, at which its arrays end. A peak is
    NaN if a period has no value, and censored if it is only a lower bound of the demand;
    `limits` are the capacities at the end of each period.
    """

    grid: Grid
    last: NDArray[np.int64]
    peaks: list[Floats]
    limits: list[Floats]
    censored: list[NDArray[np.bool_]]
    findings: tuple[Finding, ...]

    __eq__ = same_values


def panel(rows: Rows, *, step: object) -> Panel:
    """Peaks of each period, with findings about the history."""
    seen = ~np.isnan(rows.used)
    spacing, several = _spacing(rows)
    grid = grid_for(rows.times, spacing, step=step, first=rows.times.min())
    count = len(rows.subnets)
    code, number = rows.code[seen], grid.numbers(rows.times)[seen]
    used, capacity = rows.used[seen], rows.capacity[seen]
    # The history ends with the last row that has a value.
    last, first = np.full(count, np.iinfo(np.int64).min), np.full(count, np.iinfo(np.int64).max)
    np.maximum.at(last, code, number)
    np.minimum.at(first, code, number)
    width = np.where(last >= first, last - first + 1, 0)
    _refuse_long(width, grid)
    ends = np.concatenate([[0], width.cumsum()])
    where = ends[code] + number - first[code]
    used = np.ceil(used - 1e-9) if rows.whole else used
    flat = np.full(int(ends[-1]), -1.0)
    np.maximum.at(flat, where, used)
    flat[flat < 0] = np.nan
    # The demand for a full subnet may have been higher. Use above the capacity is the demand:
    # the subnet was larger then, or the capacity is hypothetical.
    full, over = np.zeros((2, len(flat)), dtype=bool)
    np.logical_or.at(full, where, used >= capacity)
    np.logical_or.at(over, where, used > capacity * (1 + 1e-9))
    full &= ~over
    part = _unfinished(rows, grid, spacing, seen)
    bound = full.copy()
    bound[ends[1:][part] - 1] = True
    findings = [
        *rows.findings,
        *_spacing_findings(rows, grid, several if step is None else 0),
        *_stale(rows, grid, last, width > 0),
        *_reading_findings(rows, grid, seen, gaps=np.isnan(flat), unfinished=int(part.sum())),
        *_limit_findings(rows, seen, np.repeat(np.arange(count), width)[full]),
    ]
    parts: tuple[NDArray[Any], ...] = (flat, _last_capacities(capacity, where, ends), bound)
    cuts = list(itertools.pairwise(ends))
    peaks, limits, censored = ([each[low:high] for low, high in cuts] for each in parts)
    return Panel(grid, last, peaks, limits, censored, tuple(findings))


def _spacing_findings(rows: Rows, grid: Grid, several: int) -> Iterator[Finding]:
    if several:
        yield told(
            "mixed-spacings",
            f"{several:,} of {len(rows.subnets):,} subnets {'comes' if several == 1 else 'come'} at "
            "another spacing than the rest",
            f"all were put into periods of {grid}; step= chooses another",
        )


def _spacing(rows: Rows) -> tuple[int, int]:
    """Usual spacing of the times of a subnet, and the number of subnets with another one."""
    distance = np.diff(rows.times.asi8)
    inside = (np.diff(rows.code) == 0) & (distance > 0)
    distance, code = distance[inside], rows.code[1:][inside]
    if not len(distance):
        return DAY_NS, 0
    if (distance == distance[0]).all():
        return int(distance[0]), 0
    ends = np.flatnonzero(np.diff(code)) + 1
    usual = np.array([np.median(part) for part in np.split(distance, ends)])
    # The lower median, so that the more frequent values are not merged.
    middle = float(np.quantile(usual, 0.5, method="lower"))
    several = int(((usual < 0.5 * middle) | (usual > 2 * middle)).sum())
    return int(middle), several


def _stale(
    rows: Rows, grid: Grid, last: NDArray[np.int64], known: NDArray[np.bool_]
) -> Iterator[Finding]:
    """Finding of subnets whose history ends long before the others'."""
    old = np.flatnonzero(known & (last < max(last[known], default=0) - _STALE))
    if len(old):
        yield told(
            "stale-history",
            f"the history of {count_of(len(old), 'subnet ends', 'subnets end')} more than {_STALE} "
            f"periods of {grid} before the newest, first {rows.subnets[old[0]]}",
            "its dates and days left count from its own last period",
            severity="warning",
        )


def _last_capacities(capacity: Floats, where: NDArray[np.int64], ends: NDArray[np.int64]) -> Floats:
    """Last capacity of each period; periods without a value keep the one before."""
    out = np.full(int(ends[-1]), np.nan)
    # Rows are sorted, so the last assignment is the newest of its period.
    out[where] = capacity
    known = np.maximum.accumulate(np.where(np.isnan(out), 0, np.arange(len(out))))
    return np.asarray(out[known])


def _refuse_long(width: NDArray[np.int64], grid: Grid) -> None:
    if len(width) and width.max() > 100_000:
        raise InputError(
            f"a history spans {width.max():,} periods of {grid}, more than 100,000; "
            "give a longer step, or check the times"
        )


def _unfinished(rows: Rows, grid: Grid, spacing: int, seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    out = np.zeros(len(rows.subnets), dtype=bool)
    code = rows.code[seen]
    if spacing >= (grid.length_ns or 28 * DAY_NS) or not len(code):
        return out
    ends = np.flatnonzero(np.r_[np.diff(code) != 0, True])
    out[code[ends]] = grid.unfinished(rows.times[seen][ends], spacing)
    return out


def _reading_findings(
    rows: Rows,
    grid: Grid,
    seen: NDArray[np.bool_],
    *,
    gaps: NDArray[np.bool_],
    unfinished: int,
) -> Iterator[Finding]:
    """Findings of resampling, duplicate times, missing values, gaps and unfinished periods."""
    kept, empty, lacking = int(seen.sum()), int((~seen).sum()), int(gaps.sum())
    known = len(gaps) - lacking
    if kept > known:
        became = f"{count_of(kept, 'value')} became {count_of(known, 'peak')} of {grid}"
        yield told("resampled", became, "the peak of a period exhausts a subnet")
    same = (np.diff(rows.code) == 0) & (np.diff(rows.times.asi8) == 0)
    if same.any():
        other = int((rows.used[1:][same] != rows.used[:-1][same]).sum())
        yield told(
            "duplicate-times",
            f"{count_of(int(same.sum()), 'row repeats', 'rows repeat')} a time of the same subnet, "
            f"{other:,} with another value",
            "the larger value counts",
        )
    if empty:
        missing = f"{count_of(empty, 'row has', 'rows have')} no value"
        yield told("missing-values", missing, "such a row counts as a gap")
    if lacking:
        absent = (
            f"{lacking:,} of {len(gaps):,} periods {'has' if lacking == 1 else 'have'} no value"
        )
        yield told(
            "gaps",
            absent,
            "a gap is interpolated with the season, and has no weight in the fits",
        )
    if unfinished:
        newest = f"the newest period of {count_of(unfinished, 'subnet')} is not over"
        yield told("unfinished-period", newest, "its peak so far is used as a lower bound")


def _limit_findings(
    rows: Rows, seen: NDArray[np.bool_], full: NDArray[np.intp]
) -> Iterator[Finding]:
    """Findings of values above the capacity, and of the subnets that were full."""
    above = rows.used[seen] > rows.capacity[seen]
    if above.any():
        yield told(
            "above-capacity",
            f"{count_of(int(above.sum()), 'value lies', 'values lie')} above the capacity, "
            f"first of {rows.subnets[rows.code[seen][above][0]]}",
            "they are used as they are; the capacity was larger then, or it is wrong",
            severity="warning",
        )
    if len(full):
        subnets = count_of(len(np.unique(full)), "subnet was", "subnets were")
        yield told(
            "clipped-history",
            f"{subnets} full for {count_of(len(full), 'period')}",
            "demand may have been higher than observed, so these peaks are lower bounds",
            severity="warning",
        )
