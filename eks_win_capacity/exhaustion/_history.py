"""From what people have to rows of subnet, time, use and capacity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eks_win_capacity.errors import (
    InputError,
    InvalidCountError,
    MissingValueError,
    UnsupportedInputError,
)
from eks_win_capacity.exhaustion._capacities import MOST, Capacities
from eks_win_capacity.exhaustion._roles import (
    INDEX,
    VALUES,
    Roles,
    counts_prefixes,
    find_roles,
    is_text,
    listed,
    plain,
    says_nothing,
    value_kind,
)
from eks_win_capacity.exhaustion._times import read_times
from eks_win_capacity.findings import Finding, count_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


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


@dataclass(frozen=True)
class _Table:
    """A history of any shape as columns: time, subnet, value, and perhaps more."""

    frame: pd.DataFrame
    kind: str
    single: bool
    prefixes: bool


def told(
    code: str, seen: str, why: str, *, severity: Any = "info", remedy: str = "", subject: str = ""
) -> Finding:
    """Say openly what was done to a history, or what is odd about it."""
    return Finding(
        code=code,
        severity=severity,
        outcome="fail" if severity == "warning" else "pass",
        seen=seen,
        why=why,
        remedy=remedy or ("nothing to do" if severity == "info" else "check the source"),
        subject=subject,
    )


def read_rows(
    history: Any,
    *,
    capacity: Any,
    unit: str | None,
    time: str | None,
    used: str | None,
    available: str | bool | None,
    percent: str | None,
    subnet: str | None,
    timezone: Any,
) -> Rows:
    """Read a Series or a DataFrame, tidy or wide."""
    table = _table(
        history,
        capacity=capacity,
        unit=unit,
        given={"time": time, "used": used, "percent": percent, "subnet": subnet},
        available=available,
    )
    unit = unit or ("prefixes" if table.prefixes else "addresses")
    long = table.frame
    times, findings = read_times(long["time"], timezone)
    values = _numbers(long["value"], table.kind)
    code, uniques = pd.factorize(long["subnet"], sort=False)
    subnets = pd.Index(uniques)
    if isinstance(subnets, pd.CategoricalIndex):
        subnets = subnets.astype(subnets.categories.dtype)
    if (code < 0).any():
        raise MissingValueError(
            f"the subnet column has {(code < 0).sum():,} missing values",
            positions=np.flatnonzero(code < 0)[:5].tolist(),
            count=int((code < 0).sum()),
        )
    order = np.lexsort((np.arange(len(code)), times.asi8, code))
    if (order != np.arange(len(order))).any():
        findings += _out_of_order(code, times)
    code, times, values = code[order], times[order], values[order]
    column = long["capacity"].iloc[order].reset_index(drop=True) if "capacity" in long else None
    limits = Capacities.read(
        capacity,
        column=column,
        known=~np.isnan(values),
        code=code,
        times=times,
        subnets=subnets,
        unit=unit,
    )
    _refuse_odd_times(long, code, times, values, table)
    return Rows(
        subnets.rename("subnet"),
        code,
        times,
        _as_used(values, limits.rows, times, table.kind),
        limits.rows,
        limits.current,
        table.single,
        unit,
        (*findings, *_changes(limits, code)),
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


def _changes(limits: Capacities, code: NDArray[np.intp]) -> list[Finding]:
    """Tell where the capacity was another one before."""
    other = limits.rows != limits.current[code]
    other &= ~np.isnan(limits.rows)
    if not other.any():
        return []
    count = len(np.unique(code[other]))
    return [
        told(
            "capacity-changed",
            f"the capacity of {count:,} subnet{'s' * (count != 1)} changed",
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


def _refuse_odd_times(
    long: pd.DataFrame,
    code: NDArray[np.intp],
    times: pd.DatetimeIndex,
    values: Floats,
    table: _Table,
) -> None:
    """Where one time has many values, a column that was not looked at may tell them apart."""
    suspects = long.attrs.get("texts", ())
    if not table.single or not suspects or not len(code):
        return
    same = times.asi8[1:] == times.asi8[:-1]
    if (same & (values[1:] != values[:-1])).any():
        raise InputError(
            f"times repeat with other values, and {listed(suspects)} may tell the subnets apart: "
            "name that column with subnet="
        )


def _table(
    history: Any,
    *,
    capacity: Any,
    unit: str | None,
    given: dict[str, str | None],
    available: str | bool | None,
) -> _Table:
    """Bring every shape to columns time, subnet, value (and capacity)."""
    if not isinstance(history, (pd.Series, pd.DataFrame)) and hasattr(history, "to_pandas"):
        history = history.to_pandas()
    if isinstance(history, pd.Series):
        return _of_series(history, given, available=available)
    if not isinstance(history, pd.DataFrame):
        raise UnsupportedInputError(
            f"history must be a Series or a DataFrame; got {type(history).__name__}"
        )
    frame, given = _with_index(history, given)
    roles = find_roles(
        frame,
        capacity=capacity,
        unit=unit,
        **given,
        available=available if isinstance(available, str) else None,
    )
    kinds = [kind for kind in VALUES if roles[kind] is not None]
    if not kinds:
        everything = "available" if available is True else "used"
        return _melted(frame, roles, everything=everything, capacity=capacity)
    if available is True and kinds[0] != "available":
        raise InputError(f"available=True, and {roles[kinds[0]]!r} says {kinds[0]}")
    return _tidy(frame, roles, kinds[0], capacity)


def _tidy(frame: pd.DataFrame, roles: Roles, kind: str, capacity: Any) -> _Table:
    name = roles[kind]
    # A subnet is told by its name; a frame without any is one subnet.
    subnet = roles["subnet"]
    long = pd.DataFrame(
        {
            "time": frame[roles["time"]].array,
            "subnet": "subnet" if subnet is None else frame[subnet].array,
            "value": frame[name].array,
        }
    )
    if roles["capacity"] is not None:
        long["capacity"] = frame[roles["capacity"]].array
    elif capacity is None and roles["cidr"] is not None:
        long["capacity"] = frame[roles["cidr"]].array
    elif capacity is None and roles["used"] is not None and roles["available"] is not None:
        long["capacity"] = np.add(
            *(_numbers(frame[str(roles[x])], x) for x in ("used", "available"))
        )
    rest = [c for c in frame.columns if c not in roles.values() and is_text(frame[c])]
    long.attrs["texts"] = [c for c in rest if len(frame[c].unique()) > 1]
    return _Table(long, kind, subnet is None, counts_prefixes(name))


def _with_index(
    frame: pd.DataFrame, given: dict[str, str | None]
) -> tuple[pd.DataFrame, dict[str, str | None]]:
    """Make columns of an index that holds times or names."""
    if isinstance(frame.columns, pd.MultiIndex):
        raise InputError("history has columns of several levels; give one level of names")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"history has two columns named {twice!r}")
    if not len(frame):
        raise InputError("history is empty: at least some days of used addresses are needed")
    index = frame.index
    if isinstance(index, pd.RangeIndex):
        return frame, given
    if isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex)):
        if given["time"] is not None and given["time"] != index.name:
            return frame, given
        moved = frame.set_axis(range(len(frame)), axis=0)
        moved.insert(0, INDEX, index)
        return moved, {**given, "time": INDEX}
    if [name for name in index.names if name is not None]:
        return frame.reset_index(), given
    if is_text(index.to_series()) and not isinstance(index, pd.MultiIndex):
        # An index of texts without a name: times as a file gave them, if no column has any.
        moved = frame.set_axis(range(len(frame)), axis=0)
        moved.insert(0, INDEX, np.asarray(index, dtype=object))
        return moved, given
    return frame, given


def _of_series(
    series: pd.Series[Any], given: dict[str, str | None], *, available: str | bool | None
) -> _Table:
    named = [name for name in (*given.values(), available) if isinstance(name, str)]
    if any(name != series.name for name in named):
        raise InputError(f"a Series has no columns to name; got {', '.join(map(repr, named))}")
    if not len(series):
        raise InputError("history is empty: at least some days of used addresses are needed")
    said = None if series.name is None else value_kind(series.name)
    kind = "available" if available else said or "used"
    index = series.index
    prefixes = counts_prefixes(series.name)
    if isinstance(index, pd.MultiIndex):
        places = [i for i in range(index.nlevels) if isinstance(index.levels[i], pd.DatetimeIndex)]
        if index.nlevels != 2 or len(places) != 1:
            raise InputError("a Series with two index levels needs one of times and one of subnets")
        frame = pd.DataFrame(
            {
                "time": index.get_level_values(places[0]),
                "subnet": index.get_level_values(1 - places[0]),
                "value": series.array,
            }
        )
        return _Table(frame, kind, single=False, prefixes=prefixes)
    if isinstance(index, pd.RangeIndex):
        raise InputError("history needs times: give the Series a DatetimeIndex")
    # A name such as "used" says what the values are, another one which subnet they are of.
    name = "subnet" if series.name is None or said is not None else str(series.name)
    frame = pd.DataFrame({"time": index, "subnet": name, "value": series.array})
    return _Table(frame, kind, single=True, prefixes=prefixes)


def _melted(frame: pd.DataFrame, roles: Roles, *, everything: str, capacity: Any) -> _Table:
    """Take a wide table: every numeric column is a subnet."""
    columns = [c for c in frame.columns if c not in {roles["time"], roles["capacity"]}]
    columns = [c for c in columns if not _is_row_number(c, frame)]
    limit = roles["capacity"]
    if limit is not None and plain(limit) != "capacity" and limit != capacity:
        raise InputError(
            f"is {limit!r} the capacity or a subnet? Give capacity={limit!r}, or a capacity"
        )
    dtypes = frame.dtypes
    plain_numbers = all(
        isinstance(dtypes[c], np.dtype) and dtypes[c].kind in "iuf" for c in columns
    )
    odd = []
    if not plain_numbers:
        odd = [c for c in columns if is_text(frame[c]) or pd.api.types.is_bool_dtype(frame[c])]
    if (
        roles["subnet"] is not None
        or odd
        or not columns
        or (len(columns) == 1 and says_nothing(columns[0]))
    ):
        raise InputError(
            "history has no column that says used or available addresses; name it with used=, "
            f"available= or percent=; it has {listed(c for c in frame.columns if c != INDEX)}"
        )
    count = len(frame)
    rows = np.tile(np.arange(count), len(columns))
    codes = np.repeat(np.arange(len(columns)), count)
    long = pd.DataFrame(
        {
            "time": frame[roles["time"]].array[rows],
            "subnet": pd.Categorical.from_codes(codes, pd.Index(map(str, columns))),
            "value": frame[columns].to_numpy(dtype=float).ravel(order="F")
            if plain_numbers
            else np.concatenate([_numbers(frame[c], f"column {c!r}") for c in columns]),
        }
    )
    if roles["capacity"] is not None:
        long["capacity"] = frame[roles["capacity"]].array[rows]
    return _Table(long, everything, single=False, prefixes=False)


def _is_row_number(name: object, frame: pd.DataFrame) -> bool:
    """Tell whether a column is the index that ``to_csv`` wrote: no subnet, though it is numbers."""
    return str(name) in {"Unnamed: 0", "index"} and np.array_equal(
        frame[name].to_numpy(), np.arange(len(frame))
    )


def _numbers(column: pd.Series[Any], what: str) -> Floats:
    """Read counts: numbers from 0 on, or missing."""
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if pd.api.types.is_bool_dtype(column) or kind == "boolean":
        raise UnsupportedInputError(f"{what} must be counts; got booleans")
    if kind == "complex" or pd.api.types.is_datetime64_any_dtype(column):
        raise UnsupportedInputError(f"{what} must be counts; got {column.dtype}")
    try:
        values = pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise UnsupportedInputError(f"{what} must be counts: {error}") from error
    bad = np.flatnonzero((values < 0) | (values > MOST))
    if len(bad):
        raise InvalidCountError(
            f"{what} must be finite and not negative (nor above {MOST:,.0f}); got "
            f"{values[bad[0]]:g} at position {bad[0]}"
            f"{f' and {len(bad) - 1:,} more' if len(bad) > 1 else ''}"
        )
    return np.asarray(values, dtype=float)
