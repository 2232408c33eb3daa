"""From rows to the peaks of each period: the peak is what exhausts a subnet."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity.core.display import count_of
from eks_win_capacity.core.errors import InputError
from eks_win_capacity.core.findings import told
from eks_win_capacity.core.values import same_values
from eks_win_capacity.forecast.periods import DAY_NS, Grid, grid_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from eks_win_capacity.core.findings import Finding
    from eks_win_capacity.forecast.history import Rows

    Floats = NDArray[np.float64]

_STALE = 3
"""Periods after which a subnet that has no news counts as one that is no longer watched."""


@dataclass(frozen=True)
class Panel:
    """
    Peaks of every subnet by period, right-aligned to its own newest period.

    Attributes
    ----------
    grid : Grid
    last : ndarray of int, (subnets,)
        Number of the newest period.
    peaks : list of ndarray
        Peaks, one array a subnet; NaN where a period has no value.
    limits : list of ndarray
        The capacity at the end of each period.
    censored : list of ndarray of bool
        Where the peak is only a lower bound of the demand.
    findings : tuple of Finding
    """

    grid: Grid
    last: NDArray[np.int64]
    peaks: list[Floats]
    limits: list[Floats]
    censored: list[NDArray[np.bool_]]
    findings: tuple[Finding, ...]

    __eq__ = same_values


def panel(rows: Rows, *, step: object) -> Panel:
    """Peaks of each period, with what is odd about them."""
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
    # Demand that filled the subnet may have been higher. What lies above the capacity was
    # seen as it was: the subnet was larger then, or the capacity is only a question.
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
    parts: tuple[NDArray[Any], ...] = (flat, _held(capacity, where, ends), bound)
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
    """The usual distance of two times of a subnet, and how many subnets have another."""
    distance = np.diff(rows.times.asi8)
    inside = (np.diff(rows.code) == 0) & (distance > 0)
    distance, code = distance[inside], rows.code[1:][inside]
    if not len(distance):
        return DAY_NS, 0
    if (distance == distance[0]).all():
        return int(distance[0]), 0
    ends = np.flatnonzero(np.diff(code)) + 1
    usual = np.array([np.median(part) for part in np.split(distance, ends)])
    # The lower of two middles: what comes more often must not be thrown together.
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


def _held(capacity: Floats, where: NDArray[np.int64], ends: NDArray[np.int64]) -> Floats:
    """The last capacity of each period, held through periods without a value."""
    out = np.full(int(ends[-1]), np.nan)
    # Rows are sorted: what is written last is the newest of its period.
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
    """Findings of what was done to the rows."""
    kept, empty, lacking = int(seen.sum()), int((~seen).sum()), int(gaps.sum())
    known = len(gaps) - lacking
    if kept > known:
        became = f"{count_of(kept, 'value')} became {count_of(known, 'peak')} of {grid}"
        yield told("resampled", became, "the peak of a period is what exhausts a subnet")
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
        yield told("gaps", absent, "nothing is filled in, and the model runs on through a gap")
    if unfinished:
        newest = f"the newest period of {count_of(unfinished, 'subnet')} is not over"
        yield told("unfinished-period", newest, "its peak so far is taken as a lower bound")


def _limit_findings(
    rows: Rows, seen: NDArray[np.bool_], full: NDArray[np.intp]
) -> Iterator[Finding]:
    """Findings of values above the capacity, and of periods at it by their subnets."""
    above = rows.used[seen] > rows.capacity[seen]
    if above.any():
        yield told(
            "above-capacity",
            f"{count_of(int(above.sum()), 'value lies', 'values lie')} above the capacity, "
            f"first of {rows.subnets[rows.code[seen][above][0]]}",
            "they are taken as they are; the capacity was larger then, or it is wrong",
            severity="warning",
        )
    if len(full):
        subnets = count_of(len(np.unique(full)), "subnet was", "subnets were")
        yield told(
            "clipped-history",
            f"{subnets} full for {count_of(len(full), 'period')}",
            "demand may have been higher than what was seen, so these peaks are lower bounds",
            severity="warning",
        )
