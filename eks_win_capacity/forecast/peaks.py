"""From rows to the peaks of each period: the peak is what exhausts a subnet."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.core.display import count_of
from eks_win_capacity.core.errors import InputError
from eks_win_capacity.core.values import same_values
from eks_win_capacity.forecast.history import told
from eks_win_capacity.forecast.periods import DAY_NS, Grid, grid_for

if TYPE_CHECKING:
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


def panel(rows: Rows, *, step: object, whole: bool) -> Panel:
    """
    Resample to peaks.

    Parameters
    ----------
    rows : Rows
    step : str, Timedelta or None
        Length of a period.
    whole : bool
        Whether parts of a unit count as one (prefixes).
    """
    findings = list(rows.findings)
    seen = ~np.isnan(rows.used)
    spacing, several = _spacing(rows)
    grid = grid_for(rows.times, spacing, step=step, first=rows.times.min())
    if several and step is None:
        findings.append(
            told(
                "mixed-spacings",
                f"{several:,} of {len(rows.subnets):,} subnets {'comes' if several == 1 else 'come'} at "
                "another spacing than the rest",
                f"all were put into periods of {grid}; step= chooses another",
            )
        )
    count = len(rows.subnets)
    number = grid.numbers(rows.times)
    values, censored = [], []
    # The history ends with the last row that has a value.
    last = np.full(count, np.iinfo(np.int64).min)
    np.maximum.at(last, rows.code[seen], number[seen])
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, rows.code[seen], number[seen])
    width = np.where(last >= first, last - first + 1, 0)
    _refuse_long(width, grid)
    ends = np.concatenate([[0], width.cumsum()])
    flat = np.full(int(ends[-1]), -1.0)
    full = np.zeros(int(ends[-1]), dtype=bool)
    where = ends[rows.code[seen]] + number[seen] - first[rows.code[seen]]
    used = np.ceil(rows.used[seen] - 1e-9) if whole else rows.used[seen]
    np.maximum.at(flat, where, used)
    # Demand that filled the subnet may have been higher. What lies above the capacity was
    # seen as it was: the subnet was larger then, or the capacity is only a question.
    np.logical_or.at(full, where, used >= rows.capacity[seen])
    over = np.zeros(int(ends[-1]), dtype=bool)
    np.logical_or.at(over, where, used > rows.capacity[seen] * (1 + 1e-9))
    full &= ~over
    saturated = [full[low:high] for low, high in itertools.pairwise(ends)]
    flat[flat < 0] = np.nan
    part = _unfinished(rows, grid, spacing, seen)
    for low, high, at in zip(ends[:-1], ends[1:], range(count), strict=True):
        values.append(flat[low:high])
        mask = saturated[at].copy()
        if part[at] and high > low:
            mask[-1] = True
        censored.append(mask)
    if stale := _stale(rows, grid, last, width > 0):
        findings.append(stale)
    findings += _reading_findings(rows, grid, seen, values=values, saturated=saturated, part=part)
    limit = _held(rows.capacity[seen], where, ends)
    limits = [limit[low:high] for low, high in itertools.pairwise(ends)]
    return Panel(grid, last, values, limits, censored, tuple(findings))


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


def _repeated(rows: Rows) -> Finding | None:
    same = (np.diff(rows.code) == 0) & (np.diff(rows.times.asi8) == 0)
    if not same.any():
        return None
    other = int((rows.used[1:][same] != rows.used[:-1][same]).sum())
    return told(
        "duplicate-times",
        f"{count_of(int(same.sum()), 'row repeats', 'rows repeat')} a time of the same subnet, "
        f"{other:,} with another value",
        "the larger value counts",
    )


def _stale(
    rows: Rows, grid: Grid, last: NDArray[np.int64], known: NDArray[np.bool_]
) -> Finding | None:
    """Finding of subnets whose history ends long before the others'."""
    if not known.any():
        return None
    old = known & (last < last[known].max() - _STALE)
    if not old.any():
        return None
    name = rows.subnets[np.flatnonzero(old)[0]]
    noun = "subnet ends" if old.sum() == 1 else "subnets end"
    return told(
        "stale-history",
        f"the history of {int(old.sum()):,} {noun} more than {_STALE} periods of {grid} before "
        f"the newest, first {name}",
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
    values: list[Floats],
    saturated: list[NDArray[np.bool_]],
    part: NDArray[np.bool_],
) -> list[Finding]:
    """Findings of what was done to the rows."""
    periods = sum(len(v) for v in values)
    gaps = sum(int(np.isnan(v).sum()) for v in values)
    kept, empty, unfinished = int(seen.sum()), int((~seen).sum()), int(part.sum())
    out = []
    if kept > periods - gaps:
        seen_as = f"{count_of(kept, 'value')} became {count_of(periods - gaps, 'peak')} of {grid}"
        out.append(told("resampled", seen_as, "the peak of a period is what exhausts a subnet"))
    if repeated := _repeated(rows):
        out.append(repeated)
    if empty:
        missing = f"{count_of(empty, 'row has', 'rows have')} no value"
        out.append(told("missing-values", missing, "such a row counts as a gap"))
    if gaps:
        lacking = f"{gaps:,} of {periods:,} periods {'has' if gaps == 1 else 'have'} no value"
        out.append(
            told("gaps", lacking, "nothing is filled in, and the model runs on through a gap")
        )
    if unfinished:
        newest = f"the newest period of {count_of(unfinished, 'subnet')} is not over"
        out.append(told("unfinished-period", newest, "its peak so far is taken as a lower bound"))
    return [*out, *_limit_findings(rows, seen, saturated)]


def _limit_findings(
    rows: Rows, seen: NDArray[np.bool_], saturated: list[NDArray[np.bool_]]
) -> list[Finding]:
    """Findings of values above the capacity and at it."""
    out = []
    above = rows.used[seen] > rows.capacity[seen]
    if above.any():
        out.append(
            told(
                "above-capacity",
                f"{count_of(int(above.sum()), 'value lies', 'values lie')} above the capacity, "
                f"first of {rows.subnets[rows.code[seen][above][0]]}",
                "they are taken as they are; the capacity was larger then, or it is wrong",
                severity="warning",
            )
        )
    full = int(sum(s.any() for s in saturated))
    if full:
        noun = "subnet was" if full == 1 else "subnets were"
        out.append(
            told(
                "clipped-history",
                f"{full:,} {noun} full for "
                f"{count_of(sum(int(s.sum()) for s in saturated), 'period')}",
                "demand may have been higher than what was seen, so these peaks are lower bounds",
                severity="warning",
            )
        )
    return out
