"""From what people have to rows of subnet, time, use and capacity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eks_win_capacity.core.arrays import missing_error
from eks_win_capacity.core.display import count_of
from eks_win_capacity.core.errors import InputError, InvalidCountError
from eks_win_capacity.core.findings import Finding, told
from eks_win_capacity.core.values import same_values
from eks_win_capacity.forecast.capacity import capacities
from eks_win_capacity.forecast.column_roles import listed
from eks_win_capacity.forecast.read import Table, numbers, read_table
from eks_win_capacity.forecast.times import read_times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


_STRAY_YEARS = 15
"""Years before the middle of a history from which a few times cannot belong to it."""


@dataclass(frozen=True)
class Rows:
    """
    A history as long columns, sorted by subnet and time.

    Attributes
    ----------
    subnets : Index
        Each subnet once, in order of appearance.
    code : ndarray of int
        The subnet of each row.
    times : DatetimeIndex
    used, capacity : ndarray
        What was used and the limit at that time.
    current : ndarray, (subnets,)
        The newest capacity of each subnet.
    single : bool
        Whether one subnet without a name was given.
    unit : {"addresses", "prefixes", "pods"}
        What is counted.
    findings : tuple of Finding
    """

    subnets: pd.Index
    code: NDArray[np.intp]
    times: pd.DatetimeIndex
    used: Floats
    capacity: Floats
    current: Floats
    single: bool
    unit: str
    findings: tuple[Finding, ...]

    __eq__ = same_values

    @property
    def whole(self) -> bool:
        """Whether a part of what is counted takes one: a pod, or a /28."""
        return self.unit != "addresses"


def read_rows(
    history: Any,
    columns: Mapping[str, str | bool | None],
    *,
    capacity: Any,
    unit: str | None,
    timezone: Any,
) -> Rows:
    """Read a Series or a DataFrame, tidy or wide, with the columns by their roles."""
    table = read_table(history, columns, capacity=capacity, unit=unit)
    unit = unit or ("prefixes" if table.prefixes else "addresses")
    long = table.frame
    times, findings = read_times(long["time"], timezone)
    _refuse_stray_times(times)
    values = numbers(long["value"], table.kind)
    code, uniques = pd.factorize(long["subnet"], sort=False)
    subnets = pd.Index(uniques)
    if isinstance(subnets, pd.CategoricalIndex):
        subnets = subnets.astype(subnets.categories.dtype)
    if (code < 0).any():
        raise missing_error(code < 0, "the subnet column")
    order = np.lexsort((np.arange(len(code)), times.asi8, code))
    if (order != np.arange(len(order))).any():
        findings += _out_of_order(code, times)
    code, times, values = code[order], times[order], values[order]
    column = long["capacity"].iloc[order].reset_index(drop=True) if "capacity" in long else None
    known = ~np.isnan(values)
    limits, current = capacities(
        capacity, column=column, known=known, code=code, times=times, subnets=subnets, unit=unit
    )
    _refuse_odd_times(table, times, values)
    used = _as_used(values, limits, times, table.kind)
    told = (*findings, *_changes(limits, current, code))
    return Rows(
        subnets.rename("subnet"), code, times, used, limits, current, table.single, unit, told
    )


def _refuse_stray_times(times: pd.DatetimeIndex) -> None:
    """Refuse a few times that lie decades before all others, such as a 0 read as 1970."""
    years = times.year.to_numpy()
    stray = np.flatnonzero(years < np.median(years) - _STRAY_YEARS)
    if len(stray) and len(stray) <= max(1, len(years) // 20):
        raise InputError(
            f"{count_of(len(stray), 'time lies', 'times lie')} more than {_STRAY_YEARS} years "
            f"before the others, first {times[stray[0]]} at position {stray[0]}: a missing time "
            "written as 0 reads so; leave such rows out"
        )


def _out_of_order(code: NDArray[np.intp], times: pd.DatetimeIndex) -> list[Finding]:
    by_subnet = np.argsort(code, kind="stable")
    moved = np.diff(times.asi8[by_subnet])[np.diff(code[by_subnet]) == 0]
    if not (moved < 0).any():
        return []
    return [
        told(
            "unsorted-history",
            f"{count_of(int((moved < 0).sum()), 'time')} went back",
            "rows are sorted by time",
        )
    ]


def _changes(limits: Floats, current: Floats, code: NDArray[np.intp]) -> list[Finding]:
    """Where the capacity was another one before."""
    other = (limits != current[code]) & ~np.isnan(limits)
    if not other.any():
        return []
    count = len(np.unique(code[other]))
    return [
        told(
            "capacity-changed",
            f"the capacity of {count_of(count, 'subnet')} changed",
            "each value is held against the capacity of its time, the future against the newest",
        )
    ]


def _as_used(values: Floats, capacity: Floats, times: pd.DatetimeIndex, kind: str) -> Floats:
    if kind == "used":
        return values
    if kind == "percent":
        high = np.nanmax(values, initial=0)
        if high > 100:
            raise InvalidCountError(f"percent must lie between 0 and 100; got {high:g}")
        if 0 < high <= 1:
            raise InputError(
                f"percent goes from 0 to 100, and the largest value is {high:g}: give shares as "
                "100 times as much, or as used addresses"
            )
        return values / 100 * capacity
    low = np.flatnonzero(values > capacity)
    if len(low):
        raise InvalidCountError(
            f"available is above the capacity in {count_of(len(low), 'row')}, first at "
            f"{times[low[0]]}: "
            f"{values[low[0]]:g} of {capacity[low[0]]:g}"
        )
    return capacity - values


def _refuse_odd_times(table: Table, times: pd.DatetimeIndex, values: Floats) -> None:
    """Where one time has many values, a column that was not looked at may tell them apart."""
    suspects = table.frame.attrs.get("texts", ())
    if not table.single or not suspects:
        return
    same = times.asi8[1:] == times.asi8[:-1]
    if (same & (values[1:] != values[:-1])).any():
        raise InputError(
            f"times repeat with other values, and {listed(suspects)} may tell the subnets apart: "
            "name that column with subnet="
        )
