"""Times of any kind: timestamps, texts, epoch numbers, with and without a zone."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eks_win_capacity.core.arrays import missing_error
from eks_win_capacity.core.errors import InputError
from eks_win_capacity.core.findings import Finding, told

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EPOCHS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""Units of epoch times, and how many make a second."""

_EPOCH_FROM, _EPOCH_TO = 946_684_800, 4_102_444_800
"""The years 2000 to 2100: no unit's numbers of these years are another's. [s]"""

_OFFSET = r"\d[T ]\d\d.*?(Z|[+-]\d\d(?::?\d\d)?)$"


def read_times(column: pd.Series[Any], timezone: Any) -> tuple[pd.DatetimeIndex, list[Finding]]:
    """
    Read a column of times.

    Parameters
    ----------
    column : Series
        Timestamps, dates, periods, ISO 8601 texts, or seconds, milli-, micro- or
        nanoseconds since 1970.
    timezone : str, tzinfo or None
        The zone that days shall be days of.

    Returns
    -------
    DatetimeIndex, list of Finding

    Raises
    ------
    InputError
        If the times cannot be read, or only some of them have an offset.
    MissingValueError
        If times are missing.
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
        raise InputError(f"timezone {timezone!r} is not known: {error}") from error


def _of_numbers(column: pd.Series[Any]) -> tuple[pd.DatetimeIndex, list[Finding]]:
    """Read seconds (or a finer unit) since 1970, or days written as 20260131."""
    numbers = column.to_numpy(dtype=float)
    for unit, per_second in _EPOCHS.items():
        if (numbers >= _EPOCH_FROM * per_second).all() and (
            numbers <= _EPOCH_TO * per_second
        ).all():
            whole = np.round(numbers * (1e9 / per_second)) if numbers.dtype.kind == "f" else numbers
            if pd.api.types.is_integer_dtype(column):
                whole = column.to_numpy(dtype=np.int64) * (10**9 // per_second)
            index = pd.DatetimeIndex(whole.astype(np.int64).astype("datetime64[ns]"))
            return index.tz_localize("UTC"), [
                told(
                    "epoch-times",
                    f"the times are numbers, the first is {column.iloc[0]}",
                    f"they were read as {unit} since 1970, in UTC: {index[0]}Z",
                )
            ]
    if (numbers == np.trunc(numbers)).all() and (numbers // 10_000 >= 1900).all():
        days = pd.Series(numbers.astype(np.int64).astype(str))
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
    # A time stands once for every subnet: each is read once.
    codes, texts = pd.factorize(column.astype(str), sort=False)
    unique = pd.Series(texts).astype(object).str.strip()
    unique = unique.str.replace(r"\s*(?:UTC|GMT)$", "Z", regex=True)
    offsets = unique.str.extract(_OFFSET, expand=False)
    aware = offsets.notna()
    if aware.any() and not aware.all():
        raise InputError(
            f"some times have an offset ({unique[aware].iloc[0]}) and some have none "
            f"({unique[~aware].iloc[0]}): it cannot be known how they lie to each other"
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
                remedy="give timezone= if the days shall be local ones",
            )
        )
    return pd.DatetimeIndex(read).take(codes), findings


_DATES = r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?:[ T,]+(.*))?"
_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_WRITTEN = rf"(?:[a-z]{{3}},? )?(?:\d{{1,2}}[ -]{_MONTH}|{_MONTH} \d{{1,2}},?)[ -]\d{{4}}\b.*"


def _named(unique: pd.Series[Any]) -> bool:
    """Whether every time names its month in English, such as ``01 Sep 2025``."""
    return bool(len(unique)) and bool(unique.str.fullmatch(_WRITTEN, case=False).all())


def _year_first(unique: pd.Series[Any]) -> tuple[pd.Series[Any], list[Finding]]:
    """
    Dates that end in the year with the year first; others as they are.

    Points part day and month in every country that writes them so. For others the days above
    12 tell which is which.

    Raises
    ------
    InputError
        If days and months cannot be told apart.
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
