"""What is a history: rows of subnet, time, use and capacity, from tables of any shape."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eks_win_capacity.addresses.subnet import Subnet
from eks_win_capacity.core.arrays import missing_error
from eks_win_capacity.core.errors import (
    CapacityError,
    InputError,
    InvalidCountError,
    MissingCapacityError,
    count_of,
)
from eks_win_capacity.core.findings import Finding, told
from eks_win_capacity.core.values import same_values
from eks_win_capacity.forecast.monitoring import is_document, usage_table
from eks_win_capacity.forecast.read import MOST, Table, listed, numbers, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


_STRAY_YEARS = 15
"""Years before the median of a history at which a few times are errors."""


@dataclass(frozen=True)
class Rows:
    """
    A history as long columns, sorted by subnet and time.

    `subnets` are unique, in order of appearance; `code` is the subnet of each row, `used` and
    `capacity` are those at its time. `current` is the newest capacity of each subnet. `single`
    means one subnet without a name.
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
        """Whether fractions are rounded up, because a part of a pod or a /28 needs a whole one."""
        return self.unit != "addresses"


def read_rows(
    history: Any,
    columns: Mapping[str, str | bool | None],
    *,
    capacity: Any,
    unit: str | None,
    timezone: Any,
) -> Rows:
    """History from a Series or a DataFrame, long or wide; `columns` maps roles to names."""
    if isinstance(history, (list, Mapping)) and is_document(history):
        history = usage_table(history)
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
    judged = (
        *_assumed(table),
        *_perhaps_percent(table.kind, values, current),
        *findings,
        *_changes(limits, current, code),
    )
    return Rows(
        subnets.rename("subnet"), code, times, used, limits, current, table.single, unit, judged
    )


def _perhaps_percent(kind: str, values: Floats, capacity: Floats) -> Iterator[Finding]:
    """Finding of counts that look like percentages; InputError if they look like shares."""
    high = np.nanmax(values, initial=0.0)
    if kind == "percent" or high > _WHOLE or not (values % 1 > 0).any():
        return
    if high <= 1:
        raise InputError(
            f"{kind} addresses are counts, and the largest value is {high:g}: of shares give 100 times "
            "as much, with percent=NAME"
        )
    if np.nanmax(capacity, initial=0.0) > 2 * _WHOLE:
        yield told(
            "perhaps-percent",
            f"the values of {kind} addresses are not whole, and none is above {_WHOLE}",
            "they were read as addresses; if they are percentages, use percent=NAME",
            severity="warning",
        )


def _assumed(table: Table) -> Iterator[Finding]:
    """Finding of a column that was assumed to be used addresses."""
    if table.assumed:
        yield told(
            "assumed-used",
            f"nothing says whether {table.assumed!r} counts used or available addresses",
            "it was read as used addresses; use used=True or available=True to choose",
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


def _out_of_order(code: NDArray[np.intp], times: pd.DatetimeIndex) -> Iterator[Finding]:
    by_subnet = np.argsort(code, kind="stable")
    moved = np.diff(times.asi8[by_subnet])[np.diff(code[by_subnet]) == 0]
    if back := int((moved < 0).sum()):
        went = f"{count_of(back, 'time')} went back"
        yield told("unsorted-history", went, "rows are sorted by time")


def _changes(limits: Floats, current: Floats, code: NDArray[np.intp]) -> Iterator[Finding]:
    """Finding of subnets whose capacity changed."""
    other = (limits != current[code]) & ~np.isnan(limits)
    if count := len(np.unique(code[other])):
        yield told(
            "capacity-changed",
            f"the capacity of {count_of(count, 'subnet')} changed",
            "each value is compared with the capacity of its time, the future with the newest",
        )


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
    """Refuse repeated times with different values if a column of strings may name the subnet."""
    if not table.single or not table.strings:
        return
    same = times.asi8[1:] == times.asi8[:-1]
    if (same & (values[1:] != values[:-1])).any():
        raise InputError(
            f"times repeat with other values, and {listed(table.strings)} may tell the subnets apart: "
            "name that column with subnet="
        )


_WHOLE = 100
"""The largest percentage."""

_EPOCHS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""Units of epoch times, and their number per second."""

_EPOCH_FROM, _EPOCH_TO = 946_684_800, 4_102_444_800
"""The years 2000 to 2100, in which the numbers of the units do not overlap. [s]"""

_OFFSET = r"\d[T ]\d\d.*?(Z|[+-]\d\d(?::?\d\d)?)$"


def read_times(column: pd.Series[Any], timezone: Any) -> tuple[pd.DatetimeIndex, list[Finding]]:
    """
    Times of a column, in the time zone that defines days, and findings.

    The column contains timestamps, dates, periods, ISO 8601 strings, or seconds, milli-, micro-
    or nanoseconds since 1970. Raises InputError if they cannot be read, or only some of them
    have an offset; MissingValueError if some are missing.
    """
    if (missing := column.isna().to_numpy()).any():
        raise missing_error(missing, "the column of times")
    findings: list[Finding] = []
    if isinstance(column.dtype, pd.PeriodDtype):
        index = pd.PeriodIndex(column).to_timestamp()
    elif pd.api.types.is_bool_dtype(column):
        raise InputError("the times are True and False")
    elif pd.api.types.is_numeric_dtype(column):
        index, findings = _of_numbers(column)
    elif pd.api.types.is_datetime64_any_dtype(column):
        index = pd.DatetimeIndex(column)
    else:
        index, findings = _of_texts(column, mixed_is_fine=timezone is not None)
    index = index.as_unit("ns")
    if timezone is None:
        return index, findings
    return _in_zone(index, timezone), findings


def _in_zone(index: pd.DatetimeIndex, timezone: Any) -> pd.DatetimeIndex:
    if not isinstance(timezone, (str, dt.tzinfo)) or not timezone:
        raise InputError(
            f"timezone must be a name such as 'Europe/Berlin' or a tzinfo; got {timezone!r}"
        )
    try:
        return (index.tz_localize("UTC") if index.tz is None else index).tz_convert(timezone)
    except (KeyError, ValueError, OSError, TypeError) as error:
        from zoneinfo import available_timezones

        city = f"/{timezone}".lower().replace(" ", "_")
        close = min(
            (name for name in available_timezones() if name.lower().endswith(city)), default=""
        )
        why = f"did you mean {close!r}?" if close else str(error)
        raise InputError(f"timezone {timezone!r} is not known: {why}") from error


def _of_numbers(column: pd.Series[Any]) -> tuple[pd.DatetimeIndex, list[Finding]]:
    """Times from seconds (or a finer unit) since 1970, or from days such as 20260131."""
    stamps = column.to_numpy(dtype=float)
    for unit, per_second in _EPOCHS.items():
        if (stamps >= _EPOCH_FROM * per_second).all() and (stamps <= _EPOCH_TO * per_second).all():
            if pd.api.types.is_integer_dtype(column):
                whole = column.to_numpy(dtype=np.int64) * (10**9 // per_second)
            else:
                whole = np.round(stamps * (1e9 / per_second)).astype(np.int64)
            index = pd.DatetimeIndex(whole.astype("datetime64[ns]"))
            return index.tz_localize("UTC"), [
                told(
                    "epoch-times",
                    f"the times are numbers, the first is {column.iloc[0]}",
                    f"they were read as {unit} since 1970, in UTC: {index[0]}Z",
                )
            ]
    if (stamps == np.trunc(stamps)).all() and (stamps // 10_000 >= 1900).all():
        days = pd.Series(stamps.astype(np.int64).astype(str))
        read = pd.to_datetime(days, format="%Y%m%d", errors="coerce")
        if not read.isna().any():
            return pd.DatetimeIndex(read), []
    raise InputError(
        f"the times are numbers ({column.iloc[0]}), and neither seconds nor a finer unit since "
        "1970; give timestamps"
    )


def _of_texts(
    column: pd.Series[Any], *, mixed_is_fine: bool
) -> tuple[pd.DatetimeIndex, list[Finding]]:
    # Each time is repeated for every subnet, so only unique ones are parsed.
    codes, texts = pd.factorize(column.astype(str), sort=False)
    unique = pd.Series(texts).astype(object).str.strip()
    unique = unique.str.replace(r"\s*(?:UTC|GMT)$", "Z", regex=True)
    offsets = unique.str.extract(_OFFSET, expand=False)
    aware = offsets.notna()
    if aware.any() and not aware.all():
        raise InputError(
            f"some times have an offset ({unique[aware].iloc[0]}) and some have none "
            f"({unique[~aware].iloc[0]}): their order is unknown"
        )
    several = len(offsets.dropna().unique()) > 1
    unique, findings = _year_first(unique)
    try:
        read = pd.to_datetime(
            unique, utc=bool(several), format="mixed" if findings or _named(unique) else "ISO8601"
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise _unreadable(unique, codes) from error
    if several and not mixed_is_fine:
        findings.append(
            told(
                "mixed-offsets",
                f"the times have {len(offsets.unique())} different offsets",
                "days are days of UTC; timezone= makes them days of another zone",
                remedy="use timezone= for local days",
            )
        )
    return pd.DatetimeIndex(read).take(codes), findings


_DATES = r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?:[ T,]+(.*))?"
_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_WRITTEN = rf"(?:[a-z]{{3}},? )?(?:\d{{1,2}}[ -]{_MONTH}|{_MONTH} \d{{1,2}},?)[ -]\d{{4}}\b.*"


def _named(unique: pd.Series[Any]) -> bool:
    """Whether all times contain an English month name, such as ``01 Sep 2025``."""
    return bool(len(unique)) and bool(unique.str.fullmatch(_WRITTEN, case=False).all())


def _year_first(unique: pd.Series[Any]) -> tuple[pd.Series[Any], list[Finding]]:
    """
    Dates that end with the year, rewritten with the year first; others unchanged; findings.

    With points, the day is always first. With other separators a number above 12 shows the
    order; raises InputError if there is none.
    """
    parts = unique.str.extract(rf"^{_DATES}$")
    if not len(parts) or parts[3].isna().any():
        return unique, []
    one, two = parts[0].astype(int), parts[2].astype(int)
    month_first = bool((two > 12).any()) and not (one > 12).any()
    if not month_first and not (parts[1] == ".").all() and not (one > 12).any():
        raise InputError(
            f"the time {unique.iloc[0]!r} at position 0 may begin with the day or with the month, and no "
            "other one tells which: write times as 2026-01-31"
        )
    days, months = (two, one) if month_first else (one, two)
    plain = parts[3] + "-" + months.map("{:02}".format) + "-" + days.map("{:02}".format)
    return plain + (" " + parts[4].fillna("")).str.rstrip(), [
        told(
            "dates-by-country",
            f"the times are written as {unique.iloc[0]}",
            f"they were read with the {'month' if month_first else 'day'} first: {plain.iloc[0]}",
        )
    ]


def _unreadable(unique: pd.Series[Any], codes: NDArray[np.intp]) -> InputError:
    bad = pd.to_datetime(unique, utc=True, format="ISO8601", errors="coerce").isna()
    first = int(np.flatnonzero(bad)[0]) if bad.any() else 0
    return InputError(
        f"the time {unique.iloc[first]!r} at position {int(np.argmax(codes == first))} is not an ISO "
        "8601 date such as 2026-01-31T12:00Z; convert the column first, with "
        "pd.to_datetime(column, format=...)"
    )


def capacities(
    capacity: Any,
    *,
    column: Any,
    known: NDArray[np.bool_],
    code: NDArray[np.intp],
    times: pd.DatetimeIndex,
    subnets: pd.Index,
    unit: str,
) -> tuple[Floats, Floats]:
    """
    Capacity of each row, and the newest one of each subnet, from a capacity of any kind.

    Rows are sorted by subnet and time, as in `Rows`. A column of the history, with numbers or
    CIDRs, has precedence; rows without a value need no capacity.
    """
    if column is not None:
        return _of_column(column, known, code, len(subnets), unit)
    if capacity is None:
        raise MissingCapacityError(
            "capacity is needed: addresses, a CIDR, either for each subnet, or a column of them "
            "(capacity, total or cidr)"
        )
    named = _by_subnet(capacity, subnets)
    lacking = [str(name) for name in subnets if name not in named]
    if lacking:
        keys = list(dict.fromkeys(map(str, named)))[:5]
        odd = {type(key).__name__ for key in named if not isinstance(key, str)}
        kinds = f" (of type {', '.join(sorted(odd))})" if odd else ""
        raise MissingCapacityError(
            f"capacity has no value for {len(lacking):,} of {len(subnets):,} subnets: "
            f"{', '.join(lacking[:5])}{', ...' * (len(lacking) > 5)}; it has values for "
            f"{', '.join(keys) or 'none'}{kinds}: name each subnet as the history does",
            subnets=lacking,
        )
    at, current = np.empty(len(code)), np.empty(len(subnets))
    starts = np.searchsorted(code, np.arange(len(subnets) + 1))
    newest = times.max()
    for index, name in enumerate(subnets):
        rows = slice(starts[index], starts[index + 1])
        value = named[name]
        if isinstance(value, pd.Series):
            at[rows], current[index] = _over_time(value, times[rows], newest)
        else:
            at[rows] = current[index] = amount(value, unit)
    return at, current


def _of_column(
    column: Any, known: NDArray[np.bool_], code: NDArray[np.intp], count: int, unit: str
) -> tuple[Floats, Floats]:
    try:
        at = pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
    except (ValueError, TypeError):
        sizes = {value: amount(value, unit) for value in column.dropna().unique()}
        at = column.map(sizes).to_numpy(dtype=float, na_value=np.nan)
    _checked(at[known])
    current = np.full(count, np.nan)
    there = np.flatnonzero(~np.isnan(at))
    # Rows are sorted, so the last assignment is the newest.
    current[code[there]] = at[there]
    return at, current


def _by_subnet(capacity: Any, subnets: pd.Index) -> Mapping[Any, Any]:
    """Capacities by name, and also by the name as a string, as a wide history has them."""
    if isinstance(capacity, pd.DataFrame):
        capacity = {name: capacity[name] for name in capacity.columns}
    if isinstance(capacity, (list, tuple, set)) and all(isinstance(x, Subnet) for x in capacity):
        capacity = {x.subnet_id or x.cidr: x for x in capacity}
    if isinstance(capacity, pd.Series) and not isinstance(capacity.index, pd.DatetimeIndex):
        if not capacity.index.is_unique:
            raise InputError("capacity names a subnet twice")
        capacity = capacity.to_dict()
    if not isinstance(capacity, Mapping):
        return dict.fromkeys(subnets, capacity)
    if len(subnets) == 1 and len(capacity) == 1 and subnets[0] == "subnet":
        # One subnet without a name cannot be confused with another.
        return dict.fromkeys(subnets, next(iter(capacity.values())))
    return {**{str(name): value for name, value in capacity.items()}, **capacity}


def amount(value: Any, unit: str) -> float:
    """
    Capacity as a number of addresses, or of whole /28 blocks.

    The capacity of a `Subnet` is what it has in use and what AWS can still assign: addresses
    without the free ones in reservations; or blocks that are full, or whole and free. Blocks
    that are broken, kept by AWS or reserved as ``explicit`` cannot hold a prefix.
    """
    if isinstance(value, (str, IPv4Network)):
        try:
            value = Subnet(str(value))
        except CapacityError as error:
            raise InputError(
                f"capacity {value!r} is neither a column nor the CIDR of a subnet: {error}"
            ) from error
    if isinstance(value, Subnet):
        if unit != "prefixes":
            return float(value.used + value.free_outside_reservations)
        full = 0
        if value.used and value.placement_known:
            blocks = value.blocks()
            serves = blocks["reservation_type"].isin(["", "prefix"])
            full = int((serves & (blocks["state"] == "fully-used")).sum())
        return float(value.free_prefixes + full)
    if isinstance(value, (bool, np.bool_, complex, np.complexfloating)) or not isinstance(
        value, Number
    ):
        raise InputError(f"capacity must be a number, a Subnet, a CIDR or a column; got {value!r}")
    return float(_checked(np.array([float(value)]))[0])  # type: ignore[arg-type]


def _over_time(
    value: pd.Series[Any], times: pd.DatetimeIndex, newest: pd.Timestamp
) -> tuple[Floats, float]:
    """Capacity at each time: the last value before it, or else the first; and the newest."""
    if not len(value):
        raise InputError("capacity is an empty Series")
    value = value.sort_index(kind="stable")
    try:
        limits = _checked(value.to_numpy(dtype=float, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise InputError(f"capacity over time must be numbers: {error}") from error
    index = pd.DatetimeIndex(value.index)
    if (index.tz is None) != (times.tz is None):
        raise InputError("history and capacity must both have a time zone, or neither")
    again = index[1:][(index[1:] == index[:-1]) & (limits[1:] != limits[:-1])]
    if len(again):
        raise InputError(f"capacity has two values for {again[0]}")
    if index[-1] > newest:
        raise InputError(
            f"capacity has a value of {index[-1]}, after the end of the history: add a future "
            "change as an event, with less demand instead of more capacity"
        )
    position = index.as_unit("ns").asi8.searchsorted(times.as_unit("ns").asi8, side="right") - 1
    return limits[np.maximum(position, 0)], float(limits[-1])


def _checked(values: Floats) -> Floats:
    if np.isnan(values).any():
        raise missing_error(np.isnan(values), "capacity")
    bad = values[(values < 0) | (values > MOST)]
    if len(bad):
        raise InvalidCountError(f"capacity must be a number from 0 to {MOST:,.0f}; got {bad[0]:g}")
    return values
