"""From what people have to peaks on a grid: columns found, times sorted, peaks kept."""

from __future__ import annotations

import itertools
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
from eks_win_capacity.exhaustion._capacities import Capacities
from eks_win_capacity.exhaustion._grid import DAY_NS, Grid, grid_for
from eks_win_capacity.findings import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_NAMES = {
    "time": ("time", "timestamp", "datetime", "date", "ts", "ds", "at", "day"),
    "subnet": ("subnet", "subnetid", "uniqueid", "subnetname", "id", "name"),
    "used": (
        "used",
        "usedaddresses",
        "usedips",
        "usedipaddresscount",
        "addresses",
        "usedprefixes",
        "prefixes",
        "inuse",
        "usage",
        "subnetipusage",
        "y",
        "value",
        "pods",
    ),
    "available": (
        "available",
        "availableaddresses",
        "availableips",
        "availableipaddresscount",
        "free",
        "freeaddresses",
        "availableprefixes",
    ),
    "capacity": ("capacity", "total", "totalipaddresscount", "totaladdresses", "limit", "size"),
}


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
    findings : tuple of Finding
    """

    subnets: pd.Index
    code: NDArray[np.intp]
    times: pd.DatetimeIndex
    used: Floats
    capacity: Floats
    current: Floats
    single: bool
    findings: tuple[Finding, ...]


def read_rows(
    history: Any,
    *,
    capacity: Any,
    unit: str,
    time: str | None,
    used: str | None,
    available: str | None,
    subnet: str | None,
    timezone: Any,
) -> Rows:
    """Read a Series or a DataFrame, tidy or wide."""
    long, single = _long(
        history, time=time, used=used, available=available, subnet=subnet, capacity=capacity
    )
    findings: list[Finding] = []
    times = _times(long["time"], timezone)
    values = _numbers(long["value"], long.attrs["role"])
    code, subnets = pd.factorize(long["subnet"], sort=False)
    if (code < 0).any():
        raise MissingValueError(
            f"the subnet column has {(code < 0).sum():,} missing values",
            positions=np.flatnonzero(code < 0)[:5].tolist(),
            count=int((code < 0).sum()),
        )
    order = np.lexsort((np.arange(len(code)), times.asi8, code))
    if not (order == np.arange(len(order))).all():
        moved = np.diff(times.asi8)[np.diff(code) == 0]
        if (moved < 0).any():
            findings.append(
                _told(
                    "unsorted-history",
                    f"{int((moved < 0).sum()):,} times went back",
                    "rows are sorted by time",
                )
            )
    code, times, values = code[order], times[order], values[order]
    limits = Capacities.read(
        capacity,
        long=long,
        order=order,
        code=code,
        times=times,
        subnets=pd.Index(subnets),
        unit=unit,
    )
    if long.attrs["role"] == "available":
        values = limits.rows - values
        low = np.flatnonzero(values < 0)
        if len(low):
            raise InvalidCountError(
                f"available is above the capacity in {len(low):,} rows, first at {times[low[0]]}: "
                f"{limits.rows[low[0]] - values[low[0]]:g} of {limits.rows[low[0]]:g}"
            )
    return Rows(
        pd.Index(subnets, name="subnet"),
        code,
        times,
        values,
        limits.rows,
        limits.current,
        single,
        tuple(findings),
    )


def _told(code: str, seen: str, why: str, *, severity: Any = "info", subject: str = "") -> Finding:
    return Finding(
        code=code,
        severity=severity,
        outcome="fail" if severity == "warning" else "pass",
        seen=seen,
        why=why,
        remedy="nothing to do" if severity == "info" else "check the source",
        subject=subject,
    )


def _long(
    history: Any,
    *,
    time: str | None,
    used: str | None,
    available: str | None,
    subnet: str | None,
    capacity: Any,
) -> tuple[pd.DataFrame, bool]:
    """Bring every shape to columns time, subnet, value (and capacity)."""
    if not isinstance(history, (pd.Series, pd.DataFrame)) and hasattr(history, "to_pandas"):
        history = history.to_pandas()
    if isinstance(history, pd.Series):
        history, single = _frame_of_series(history)
        frame = history
        roles = {
            "time": "time",
            "used": "value",
            "available": None,
            "subnet": "subnet",
            "capacity": None,
        }
        if available is not None:
            roles["used"], roles["available"] = None, "value"
    elif isinstance(history, pd.DataFrame):
        frame = history
        levels = [name for name in frame.index.names if name is not None]
        if levels and not isinstance(frame.index, pd.DatetimeIndex):
            frame = frame.reset_index()
        elif isinstance(frame.index, (pd.DatetimeIndex, pd.PeriodIndex)) and time is None:
            index = frame.index
            if isinstance(index, pd.PeriodIndex):
                index = index.to_timestamp()
            frame = frame.set_axis(range(len(frame)), axis=0)
            frame.insert(0, "__time", index)
            time = "__time"
        roles = _roles(
            frame, time=time, used=used, available=available, subnet=subnet, capacity=capacity
        )
        single = (
            roles["subnet"] is None and roles["used" if roles["used"] else "available"] is not None
        )
    else:
        raise UnsupportedInputError(
            f"history must be a Series or a DataFrame; got {type(history).__name__}"
        )
    if not len(frame):
        raise InputError("history is empty: at least some days of used addresses are needed")
    if roles["used"] is None and roles["available"] is None:
        frame, roles = _melted(frame, roles)
        single = False
    value = roles["used"] or roles["available"]
    long = pd.DataFrame(
        {
            "time": frame[roles["time"]].array,
            "subnet": frame[roles["subnet"]].array if roles["subnet"] else "subnet",
            "value": frame[value].array,
        }
    )
    if roles["capacity"]:
        long["capacity"] = frame[roles["capacity"]].array
    long.attrs["role"] = "used" if roles["used"] else "available"
    return long, single


def _frame_of_series(series: pd.Series[Any]) -> tuple[pd.DataFrame, bool]:
    index = series.index
    if isinstance(index, pd.MultiIndex):
        places = [i for i in range(index.nlevels) if isinstance(index.levels[i], pd.DatetimeIndex)]
        if index.nlevels != 2 or len(places) != 1:
            raise InputError("a Series with two index levels needs one of times and one of subnets")
        other = index.get_level_values(1 - places[0])
        return pd.DataFrame(
            {"time": index.get_level_values(places[0]), "subnet": other, "value": series.array}
        ), False
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    if not isinstance(index, pd.DatetimeIndex):
        if pd.api.types.is_numeric_dtype(index):
            raise InputError("history needs times: give the Series a DatetimeIndex")
        index = pd.DatetimeIndex(_times(pd.Series(index), None))
    name = "subnet" if series.name is None else str(series.name)
    return pd.DataFrame({"time": index, "subnet": name, "value": series.array}), True


def _plain(name: object) -> str:
    return "".join(c for c in str(name).lower() if c.isalnum())


def _roles(frame: pd.DataFrame, *, capacity: Any, **given: str | None) -> dict[str, str | None]:
    """Find which column is what, by name; a name that was given must be there."""
    roles: dict[str, str | None] = {}
    for role, name in given.items():
        if name is not None and name not in frame.columns:
            raise InputError(
                f"history has no column {name!r} for {role}; it has {', '.join(map(str, frame.columns))}"
            )
        roles[role] = name
    roles["capacity"] = (
        capacity if isinstance(capacity, str) and capacity in frame.columns else None
    )
    if isinstance(capacity, str) and roles["capacity"] is None and "/" not in capacity:
        raise InputError(
            f"history has no column {capacity!r} for capacity; "
            f"it has {', '.join(map(str, frame.columns))}"
        )
    free = [c for c in frame.columns if c not in roles.values()]
    for role, names in _NAMES.items():
        if roles.get(role) is not None or (role == "capacity" and capacity is not None):
            continue
        if role in {"used", "available"} and (roles.get("used") or roles.get("available")):
            continue
        found = [c for name in names for c in free if _plain(c) == name]
        if role == "time" and not found:
            found = [c for c in free if pd.api.types.is_datetime64_any_dtype(frame[c])]
        if role in {"used", "available"} and found:
            found = [
                c
                for c in found
                if pd.api.types.is_numeric_dtype(frame[c]) or frame[c].dtype == object
            ] or found
        if found:
            roles[role] = found[0]
            free.remove(found[0])
    if roles.get("time") is None:
        raise InputError(
            "history has no column of times; name it with time=; it has "
            + ", ".join(map(str, frame.columns))
        )
    return {role: roles.get(role) for role in _NAMES}


def _melted(
    frame: pd.DataFrame, roles: dict[str, str | None]
) -> tuple[pd.DataFrame, dict[str, str | None]]:
    """Take a wide table: every numeric column is a subnet."""
    columns = [c for c in frame.columns if c not in {roles["time"], roles["capacity"]}]
    odd = [
        c
        for c in columns
        if not pd.api.types.is_numeric_dtype(frame[c]) or pd.api.types.is_bool_dtype(frame[c])
    ]
    if odd or not columns:
        raise InputError(
            "history has no column of used or available addresses; name it with used= or "
            f"available=; it has {', '.join(map(str, frame.columns))}"
        )
    count = len(frame)
    long = pd.DataFrame(
        {
            "time": np.tile(np.arange(count), len(columns)),
            "subnet": np.repeat(np.array(list(map(str, columns)), dtype=object), count),
            "value": np.concatenate(
                [frame[c].to_numpy(dtype=float, na_value=np.nan) for c in columns]
            ),
        }
    )
    long["time"] = frame[roles["time"]].array[long["time"].to_numpy()]
    if roles["capacity"]:
        long["capacity"] = np.tile(frame[roles["capacity"]].to_numpy(), len(columns))
    return long, {
        "time": "time",
        "subnet": "subnet",
        "used": "value",
        "available": None,
        "capacity": "capacity" if roles["capacity"] else None,
    }


def _times(column: pd.Series[Any], timezone: Any) -> pd.DatetimeIndex:
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        raise InputError(
            f"the times are numbers ({column.iloc[0]!r}); give timestamps, "
            "for instance pd.to_datetime(column, unit='s')"
        )
    missing = np.flatnonzero(np.asarray(column.isna()))
    if len(missing):
        raise MissingValueError(
            f"the times have {len(missing):,} missing values, first at position {missing[0]}",
            positions=missing[:5].tolist(),
            count=len(missing),
        )
    if not pd.api.types.is_datetime64_any_dtype(column):
        text = column.astype(str)
        aware = text.str.contains(r"(?:[+-]\d\d:?\d\d|Z)$", regex=True)
        try:
            column = pd.to_datetime(text, utc=bool(aware.any()), format="ISO8601")
        except (ValueError, TypeError) as error:
            raise InputError(f"the times cannot be read: {error}") from error
    index = pd.DatetimeIndex(column).as_unit("ns")
    if timezone is None:
        return index
    try:
        return (index.tz_localize("UTC") if index.tz is None else index).tz_convert(timezone)
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise InputError(f"timezone {timezone!r} is not known: {error}") from error


def _numbers(column: pd.Series[Any], role: str) -> Floats:
    if pd.api.types.is_bool_dtype(column):
        raise UnsupportedInputError(f"{role} must be counts; got booleans")
    try:
        values = pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise UnsupportedInputError(f"{role} must be counts: {error}") from error
    bad = np.flatnonzero((values < 0) | np.isinf(values))
    if len(bad):
        raise InvalidCountError(
            f"{role} must be finite and not negative; got {values[bad[0]]:g} at position {bad[0]}"
            f"{f' and {len(bad) - 1:,} more' if len(bad) > 1 else ''}"
        )
    return np.asarray(values, dtype=float)


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
    censored : list of ndarray of bool
        Where the peak is only a lower bound of the demand.
    findings : tuple of Finding
    """

    grid: Grid
    last: NDArray[np.int64]
    peaks: list[Floats]
    censored: list[NDArray[np.bool_]]
    findings: tuple[Finding, ...]


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
    gaps = np.diff(rows.times.asi8)[np.diff(rows.code) == 0]
    same = int((gaps == 0).sum())
    gaps = gaps[gaps > 0]
    spacing = int(np.median(gaps)) if len(gaps) else DAY_NS
    grid = grid_for(rows.times, spacing, step=step, first=rows.times.min())
    seen = ~np.isnan(rows.used)
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
    findings += _reading_findings(
        rows,
        grid,
        seen,
        same=same,
        values=values,
        saturated=saturated,
        part=part,
        kept=int(seen.sum()),
    )
    return Panel(grid, last, values, censored, tuple(findings))


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
    same: int,
    values: list[Floats],
    saturated: list[NDArray[np.bool_]],
    part: NDArray[np.bool_],
    kept: int,
) -> list[Finding]:
    """Say openly what was done to the rows."""
    out = []
    periods = sum(len(v) for v in values)
    gaps = sum(int(np.isnan(v).sum()) for v in values)
    if kept > periods - gaps:
        out.append(
            _told(
                "resampled",
                f"{kept:,} values became {periods - gaps:,} peaks of {grid}",
                "the peak of a period is what exhausts a subnet",
            )
        )
    if same:
        out.append(
            _told(
                "duplicate-times",
                f"{same:,} rows repeat a time of their subnet",
                "the larger value counts",
            )
        )
    if not seen.all():
        out.append(
            _told(
                "missing-values", f"{int((~seen).sum()):,} rows have no value", "they count as gaps"
            )
        )
    if gaps:
        out.append(
            _told(
                "gaps",
                f"{gaps:,} of {periods:,} periods have no value",
                "nothing is filled in: the model runs on through a gap",
            )
        )
    if part.any():
        out.append(
            _told(
                "unfinished-period",
                f"the newest period of {int(part.sum()):,} subnets is not over",
                "its peak so far is taken as a lower bound",
            )
        )
    above = rows.used[seen] > rows.capacity[seen]
    if above.any():
        name = rows.subnets[rows.code[seen][above][0]]
        out.append(
            _told(
                "above-capacity",
                f"{int(above.sum()):,} values lie above the capacity, first of {name}",
                "they are taken as they are: the capacity was larger then, or it is wrong",
                severity="warning",
            )
        )
    full = int(sum(s.any() for s in saturated))
    if full:
        noun = "subnet was" if full == 1 else "subnets were"
        out.append(
            _told(
                "clipped-history",
                f"{full:,} {noun} full for {sum(int(s.sum()) for s in saturated):,} periods",
                "demand may have been higher than what was seen: these peaks are lower bounds",
                severity="warning",
            )
        )
    return out
