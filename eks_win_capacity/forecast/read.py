"""Tables of any shape as long columns: tidy, wide, or a Series; used, available or percent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eks_win_capacity.core.arguments import text
from eks_win_capacity.core.errors import InputError, InvalidCountError, UnsupportedInputError
from eks_win_capacity.forecast.capacity import MOST
from eks_win_capacity.forecast.column_roles import (
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
from eks_win_capacity.forecast.monitoring import (
    is_document,
    kind_and_subnet,
    labelled,
    usage_table,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """A history of any shape as columns: time, subnet, value, and perhaps more."""

    frame: pd.DataFrame
    kind: str
    single: bool
    prefixes: bool


def read_table(
    history: Any, given: Mapping[str, str | bool | None], *, capacity: Any, unit: str | None
) -> Table:
    """Bring every shape to columns time, subnet, value (and capacity)."""
    if not isinstance(history, (pd.Series, pd.DataFrame)):
        if hasattr(history, "to_pandas"):
            history = history.to_pandas()
        elif is_document(history):
            history = usage_table(history)
    if isinstance(history, pd.Series):
        return _of_series(history, given)
    if not isinstance(history, pd.DataFrame):
        raise UnsupportedInputError(
            f"history must be a Series or a DataFrame; got {type(history).__name__}"
        )
    everything = next((kind for kind in ("used", "available") if given[kind] is True), None)
    frame, given = _with_index(history, given)
    named = {role: name for role, name in given.items() if not isinstance(name, bool)}
    for role, name in given.items():
        if name is not None and not (isinstance(name, bool) and role in {"used", "available"}):
            text(name, name=role)
    roles = find_roles(frame, capacity=capacity, unit=unit, **named)
    kinds = [kind for kind in VALUES if roles[kind] is not None]
    if not kinds and everything and (only := _only_reading(frame, roles)):
        # The caller says what is counted, and one column alone can be meant.
        roles, kinds = {**roles, everything: only}, [everything]
    if not kinds:
        return _melted(frame, roles, everything=everything, capacity=capacity)
    if everything == "available" and kinds[0] != "available":
        raise InputError(f"available=True, and {roles[kinds[0]]!r} says {kinds[0]}")
    return _tidy(frame, roles, kinds[0], capacity)


def _only_reading(frame: pd.DataFrame, roles: Roles) -> str | None:
    """The one column of numbers beside times, and beside subnets if it is called by one's name."""
    rest = [c for c in frame.columns if c not in roles.values() and not _is_row_number(c, frame)]
    if len(rest) != 1 or is_text(frame[rest[0]]):
        return None
    return str(rest[0]) if roles["subnet"] is not None or says_nothing(rest[0]) else None


def _tidy(frame: pd.DataFrame, roles: Roles, kind: str, capacity: Any) -> Table:
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
            *(numbers(frame[str(roles[x])], x) for x in ("used", "available"))
        )
    rest = [c for c in frame.columns if c not in roles.values() and is_text(frame[c])]
    long.attrs["texts"] = [c for c in rest if len(frame[c].unique()) > 1]
    return Table(long, kind, subnet is None, counts_prefixes(name))


def _with_index(
    frame: pd.DataFrame, given: Mapping[str, str | bool | None]
) -> tuple[pd.DataFrame, Mapping[str, str | bool | None]]:
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
        if given["time"] not in {None, index.name}:
            return frame, given
        given = {**given, "time": INDEX}
    elif any(name is not None for name in index.names):
        return frame.reset_index(), given
    elif isinstance(index, pd.MultiIndex) or not is_text(index.to_series()):
        return frame, given
    # Texts without a name are times as a file gave them, if no column has any.
    moved = frame.set_axis(range(len(frame)), axis=0)
    moved.insert(0, INDEX, index)
    return moved, given


def _of_series(series: pd.Series[Any], given: Mapping[str, str | bool | None]) -> Table:
    available = given["available"]
    named = [name for name in given.values() if isinstance(name, str)]
    if any(name != series.name for name in named):
        raise InputError(f"a Series has no columns to name; got {', '.join(map(repr, named))}")
    if not len(series):
        raise InputError("history is empty: at least some days of used addresses are needed")
    name, index = series.name, series.index
    said, prefixes = None, False
    subnet: Any = "subnet"
    if name is not None:
        # A name such as "used" says what the values are, another one which subnet they are of.
        said, prefixes = value_kind(name), counts_prefixes(name)
        subnet = str(name) if said is None else "subnet"
        if labelled(name):
            (said, subnet), prefixes = kind_and_subnet(name), False
            if said is None and not available and given["used"] is not True:
                raise InputError(
                    f"nothing says whether {str(name)!r} counts used or available addresses; "
                    "say it with used=True or available=True"
                )
    single = not isinstance(index, pd.MultiIndex)
    if isinstance(index, pd.MultiIndex):
        places = [i for i in range(index.nlevels) if isinstance(index.levels[i], pd.DatetimeIndex)]
        if index.nlevels != 2 or len(places) != 1:
            raise InputError("a Series with two index levels needs one of times and one of subnets")
        subnet = index.get_level_values(1 - places[0])
        index = index.get_level_values(places[0])
    elif isinstance(index, pd.RangeIndex):
        raise InputError("history needs times: give the Series a DatetimeIndex")
    frame = pd.DataFrame({"time": index, "subnet": subnet, "value": series.array})
    kind = "available" if available else said or "used"
    return Table(frame, kind, single, prefixes)


def _melted(frame: pd.DataFrame, roles: Roles, *, everything: str | None, capacity: Any) -> Table:
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
    if roles["subnet"] is not None or odd or not columns or all(map(says_nothing, columns)):
        raise InputError(
            "history has no column that says used or available addresses; name it with used=NAME, "
            "available=NAME or percent=NAME, or say used=True or available=True; it has "
            f"{listed(c for c in frame.columns if c != INDEX)}"
        )
    kind, subnets = _said(columns, everything)
    count = len(frame)
    rows = np.tile(np.arange(count), len(columns))
    codes = np.repeat(np.arange(len(columns)), count)
    long = pd.DataFrame(
        {
            "time": frame[roles["time"]].array[rows],
            "subnet": pd.Categorical.from_codes(codes, pd.Index(subnets)),
            "value": frame[columns].to_numpy(dtype=float).ravel(order="F")
            if plain_numbers
            else np.concatenate([numbers(frame[c], f"column {c!r}") for c in columns]),
        }
    )
    if roles["capacity"] is not None:
        long["capacity"] = frame[roles["capacity"]].array[rows]
    return Table(long, kind, single=False, prefixes=False)


def _said(columns: list[Any], everything: str | None) -> tuple[str, list[str]]:
    """
    What the columns of a wide table count, and the subnet of each.

    Names of subnets alone count used addresses, as documented. Where a name carries labels or a
    word for what is free, a guess could be the wrong way round, so it must say so for each.
    """
    read = [kind_and_subnet(name) for name in columns]
    kinds = {kind for kind, _ in read}
    subnets = [subnet for _, subnet in read]
    if len(set(subnets)) < len(subnets):
        subnets = [str(name) for name in columns]
    if everything is not None:
        said = kinds - {None, everything}
        if said:
            raise InputError(
                f"the columns are to count {everything} addresses, and "
                f"{listed(c for c, (kind, _) in zip(columns, read, strict=True) if kind in said)} "
                f"says {min(map(str, said))}"
            )
        return everything, subnets
    if kinds == {None} and not any(map(labelled, columns)):
        return "used", [str(name) for name in columns]
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind is None:
        raise InputError(
            "nothing says for each column whether it counts used or available addresses: "
            f"{listed(columns[:5])}; say it with used=True or available=True"
        )
    return kind, subnets


def _is_row_number(name: object, frame: pd.DataFrame) -> bool:
    """Whether a column is the index that ``to_csv`` wrote: no subnet, though it is numbers."""
    return str(name) in {"Unnamed: 0", "index"} and np.array_equal(
        frame[name].to_numpy(), np.arange(len(frame))
    )


def numbers(column: pd.Series[Any], what: str) -> Floats:
    """Read counts: numbers from 0 on, or missing."""
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if pd.api.types.is_bool_dtype(column) or kind == "boolean":
        raise UnsupportedInputError(f"{what} must be counts; got booleans")
    if kind == "complex" or pd.api.types.is_datetime64_any_dtype(column):
        raise UnsupportedInputError(f"{what} must be counts; got {column.dtype}")
    if is_text(column):
        # Prometheus writes a missing value as the text NaN.
        column = column.mask(column.astype(str).str.strip().str.lower() == "nan")
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
