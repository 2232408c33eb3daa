"""Which columns of a table are times, subnets, values and capacities: by name, or by content."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from eks_win_capacity.core.arguments import text
from eks_win_capacity.core.errors import InputError, InvalidCountError, UnsupportedInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST = 1e12
"""Maximum of a count, because sample paths are single-precision numbers."""

Roles = dict[str, Any]

VALUES = ("used", "available", "percent")
"""Kinds of values."""

_IPAM = "subnetipusage"
"""CloudWatch's metric of IPAM, a percentage although its name does not say so."""

_NAMES: dict[str, tuple[str, ...]] = {
    "time": ("time", "timestamp", "datetime", "date", "ts", "ds", "at", "day", "when", "period"),
    "subnet": ("subnet", "subnetid", "uniqueid", "subnetname", "subnetarn", "id", "name", "series"),
    "used": ("used", "addresses", "ips", "prefixes", "pods", "count", "y"),
    "available": ("available", "free"),
    "percent": (_IPAM, "percent", "pct", "utilization", "utilisation"),
    "capacity": (
        "capacity",
        "total",
        "usable",
        "limit",
        "size",
        "totaladdresses",
        "totalips",
        "totalipaddresscount",
        "totalprefixes",
        "usableaddresses",
        "usableips",
    ),
    "cidr": ("cidr", "cidrblock", "subnetcidr", "ipv4cidr", "ipv4cidrblock"),
}

_WORD = re.compile(r"%|\d+|[A-Z]+(?=[A-Z][a-z]|\d|\b|_)|[A-Z]?[a-z]+|[A-Z]+")

_WEAK = set(_NAMES["used"]) - {"used"}
"""Names of values that may also be names of subnets."""

KIND = {
    "available": {
        *("available", "avail", "free", "remaining", "unused", "left", "unallocated"),
        *("unassigned", "unoccupied", "allocatable", "assignable", "headroom", "spare", "vacant"),
    },
    "percent": {
        *("percent", "percentage", "pct", "%", "utilization", "utilisation"),
        *("ratio", "fraction"),
    },
    "used": {"used", "use", "usage", "allocated", "assigned", "consumed", "taken", "occupied"},
    "time": {"time", "timestamp", "date", "datetime"},
}

_NEGATIONS = {"not", "non", "no"}
"""Words that reverse the meaning of the next."""

_THINGS = {
    *("ip", "ips", "ipv", "4", "address", "addresses", "addr", "addrs", "prefix", "prefixes"),
    *("block", "blocks", "pod", "pods", "count", "counts", "number", "num", "of", "in", "private"),
    *("subnet", "max", "maximum", "peak", "min", "minimum", "average", "avg", "mean", "sum"),
    *("value", "values"),
}
"""Further words allowed in the name of a value; names of subnets contain other words."""


def plain(name: object) -> str:
    """Letters and digits of a name, in lower case."""
    return "".join(c for c in str(name).lower() if c.isalnum())


_UNITS = ("ips", "ip", "addresses", "prefixes", "percent", "pct", "count")
_GLUED = {
    glued: (word, unit)
    for kind in VALUES
    for word in KIND[kind]
    for unit in _UNITS
    for glued in (word + unit, unit + word)
}
"""Pairs of words written as one, such as freeips."""


def words(name: object) -> set[str]:
    """Words in a name such as ``AvailableIpAddressCount``, in lower case."""
    return set(_in_order(name))


def _in_order(name: object) -> list[str]:
    lowered = (word.lower() for word in _WORD.findall(str(name).replace("IPs", "Ips")))
    return [part for word in lowered for part in _GLUED.get(word, (word,))]


def value_kind(name: object) -> str | None:
    """Kind of values by a name: used, available or percent; None if it says none of them."""
    for kind in VALUES:
        if plain(name) in _NAMES[kind] and "%" not in str(name):
            return kind
    said = words(name)
    for kind in ("available", "percent", "used"):
        if said & KIND[kind] and said <= _THINGS | KIND[kind] | KIND["used"]:
            return kind
    return None


def counts_prefixes(name: object) -> bool:
    """Whether a name says that whole /28 blocks are counted."""
    return bool(words(name) & {"prefix", "prefixes"})


def says_nothing(name: object) -> bool:
    """Whether a name, such as ``Maximum`` or ``Value #A``, does not say what is counted."""
    said = words(str(name).partition("#")[0])
    return bool(said) and said <= _THINGS


def listed(columns: Iterable[object]) -> str:
    """Names of columns for a message."""
    return ", ".join(map(str, columns)) or "none"


def find_roles(
    frame: pd.DataFrame, *, capacity: Any, unit: str | None, **given: str | None
) -> Roles:
    """
    Column of each role; InputError if a name given for a role does not exist.

    A capacity that is a string and not a CIDR also names a column. If there are columns of
    addresses and of prefixes, the unit decides.
    """
    roles: Roles = dict.fromkeys(_NAMES)
    for role, name in given.items():
        if name is not None and name not in frame.columns:
            raise InputError(f"history has no column {name!r} for {role}; {_has(frame)}")
        roles[role] = name
    if isinstance(capacity, str) and capacity in frame.columns:
        roles["capacity"] = capacity
    elif isinstance(capacity, str) and "/" not in capacity:
        raise InputError(f"history has no column {capacity!r} for capacity; {_has(frame)}")
    taken = {name for name in roles.values() if name is not None}
    free = [c for c in frame.columns if c not in taken]
    names = {c: plain(c) for c in free}
    for role in ("time", "subnet", "cidr", "capacity"):
        if roles[role] is None and not (role == "capacity" and capacity is not None):
            roles[role] = next((c for n in _NAMES[role] for c in free if names[c] == n), None)
            free = [c for c in free if c != roles[role]]
    if roles["time"] is None:
        column = _time_column(frame, free)
        roles["time"] = column
        free.remove(column)
    if not any(roles[kind] for kind in VALUES):
        _refuse_node_counters(free)
        _find_values(frame, free, roles, unit)
    if roles["subnet"] is None and roles["cidr"] is not None:
        roles["subnet"] = roles["cidr"]
    return roles


def _refuse_node_counters(columns: list[Any]) -> None:
    """Refuse the CNI's pair of counters: two counts of one subnet, not two subnets."""
    by_words = {frozenset(words(column)): column for column in columns}
    for said, assigned in by_words.items():
        total = by_words.get(said - {"assigned"} | {"total"})
        if "assigned" in said and total is not None:
            raise InputError(
                f"{assigned!r} counts the addresses of pods, and {total!r} all that nodes hold of "
                "the subnet: neither is a subnet, and the second is not the capacity; name one "
                f"with used= (used={str(total)!r} for when the subnet runs out)"
            )


def _has(frame: pd.DataFrame) -> str:
    return f"it has {listed(c for c in frame.columns if c != INDEX)}"


INDEX = "__time"
"""Name of the column made from an index of times."""


def _time_column(frame: pd.DataFrame, free: list[Any]) -> Any:
    """Column of times, by a word in its name, its dtype, or its values; InputError if none."""
    columns = [c for c in free if words(c) & KIND["time"]]
    columns += [c for c in free if pd.api.types.is_datetime64_any_dtype(frame[c])]
    if not columns:
        columns = [c for c in free if is_text(frame[c]) and _reads_as_time(frame[c])]
    if not columns:
        raise InputError(f"history has no column of times; name it with time=; {_has(frame)}")
    return columns[0]


def is_text(column: pd.Series[Any]) -> bool:
    """Whether a column contains strings, or categories of strings."""
    return not (
        pd.api.types.is_numeric_dtype(column)
        or pd.api.types.is_datetime64_any_dtype(column)
        or pd.api.types.is_bool_dtype(column)
    )


def _reads_as_time(column: pd.Series[Any]) -> bool:
    first = column.dropna().astype(str).head(1)
    dates = r"\d{4}[-/]\d\d|\d{1,2}([./])\d{1,2}\1\d{4}"
    return bool(first.str.match(dates).all()) and len(first) > 0


def _find_values(frame: pd.DataFrame, free: list[Any], roles: Roles, unit: str | None) -> None:
    """Add the column of values to the roles; both, if there are used and available."""
    kinds: dict[str, list[Any]] = {kind: [] for kind in VALUES}
    said = {column: value_kind(column) for column in free}
    for column, kind in said.items():
        if kind is not None and not pd.api.types.is_datetime64_any_dtype(frame[column]):
            kinds[kind].append(column)
    for kind, columns in kinds.items():
        best = _best(columns, kind, unit)
        if len(best) > 1:
            raise InputError(
                f"history has several columns that may be {kind}: {listed(best)}; "
                f"name one with {kind}="
            )
        roles[kind] = best[0] if best else None
    if roles["used"] is not None or roles["available"] is not None:
        roles["percent"] = None
    if plain(roles["used"]) not in _WEAK or roles["available"] is not None:
        return
    others = [c for c in free if said[c] is None and pd.api.types.is_numeric_dtype(frame[c].dtype)]
    if others:
        raise InputError(
            f"history may be one subnet, {roles['used']!r}, or one for each column ("
            f"{listed([roles['used'], *others][:5])}): name the one with used=, or call the "
            "columns by the names of subnets"
        )


def _best(columns: list[Any], kind: str, unit: str | None) -> list[Any]:
    if len(columns) > 1 and unit in {"addresses", "prefixes"}:
        fitting = [c for c in columns if counts_prefixes(c) == (unit == "prefixes")]
        columns = fitting or columns
    exact = [c for name in _NAMES[kind] for c in columns if plain(c) == name]
    return exact[:1] or columns


_LABELLED = re.compile(r"(?P<metric>[^{]*)\{(?P<labels>.*)\}")
_LABEL = re.compile(r"(\w+)\s*=\s*\"+([^\"]*)\"+")
SUBNET_LABELS: Final = ("subnetid", "subnet_id", "subnet", "subnetname", "subnet_name", "name")


def labelled(name: object) -> tuple[str, dict[str, str]] | None:
    """Metric and labels of a series name such as ``up{job="x"}``; None for other names."""
    match = _LABELLED.fullmatch(str(name).strip())
    return (
        None if match is None else (match["metric"].strip(), dict(_LABEL.findall(match["labels"])))
    )


def kind_and_subnet(name: object) -> tuple[str | None, str]:
    """
    Kind of values and subnet, from the name of a column.

    Examples
    --------
    >>> kind_and_subnet('available_ips{subnetid="subnet-1"}')
    ('available', 'subnet-1')
    >>> kind_and_subnet("win-a free"), kind_and_subnet("win-a")
    (('available', 'win-a'), (None, 'win-a'))
    """
    parts = labelled(name)
    if parts is not None:
        metric, labels = parts
        return words_kind(metric), label_of(labels, SUBNET_LABELS) or str(name)
    kind = words_kind(str(name))
    if kind is None:
        return None, str(name)
    parted = re.split(r"[\s_:,]+", str(name))
    rest = [part for part in parted if not words(part) & KIND[kind] and plain(part) != _IPAM]
    return kind, " ".join(rest) or str(name)


def words_kind(name: str) -> str | None:
    """Kind of values by the words of a name; None if it says none, or several."""
    if _IPAM in plain(name):
        return "percent"
    exact = value_kind(name) if name else None
    said = words(name)
    if exact in {"available", "percent"} or (exact == "used" and said & KIND["used"]):
        return exact
    kinds = _kinds_said(said)
    return kinds[0] if len(kinds) == 1 and not _is_negated(name) else None


def _kinds_said(said: set[str]) -> list[str]:
    """Kinds of values with a word in a name; used with percent is one kind, a percentage."""
    kinds = [kind for kind in VALUES if said & KIND[kind]]
    return [kind for kind in kinds if not (kind == "used" and "percent" in kinds)]


def _refuse_free_percent(names: Iterable[object]) -> None:
    """Refuse percentages of free addresses, which would be read as counts or as used ones."""
    for name in names:
        if {"available", "percent"} <= set(_kinds_said(words(name))):
            raise InputError(
                f"{str(name)!r} is a percentage of available addresses: give 100 less it, as a "
                "percentage of used ones"
            )


def _is_negated(name: str) -> bool:
    parts = _in_order(name)
    kinds = set().union(*(KIND[kind] for kind in VALUES))
    return any(one in _NEGATIONS and other in kinds for one, other in pairwise(parts))


def _is_open(name: object) -> bool:
    """Whether a name has words for used or free addresses, but does not say which it means."""
    return words_kind(str(name)) is None and bool(_kinds_said(words(name)))


def label_of(labels: Mapping[str, str], names: Iterable[str]) -> str:
    """Value of the first of `names` among the labels; empty if there is none."""
    plain = {key.lower(): value for key, value in labels.items()}
    return next((plain[name] for name in names if plain.get(name)), "")


@dataclass(frozen=True)
class Table:
    """A history of any shape as columns: time, subnet, value, and optionally capacity."""

    frame: pd.DataFrame
    kind: str
    single: bool
    prefixes: bool
    assumed: str = ""
    """Column that was assumed to be used addresses."""
    strings: tuple[Any, ...] = ()
    """Other columns of several strings, which may name the subnets."""


def read_table(
    history: Any, given: Mapping[str, str | bool | None], *, capacity: Any, unit: str | None
) -> Table:
    """History of any shape as columns time, subnet, value, and optionally capacity."""
    if not isinstance(history, (pd.Series, pd.DataFrame)) and hasattr(history, "to_pandas"):
        history = history.to_pandas()
    if not isinstance(history, (pd.Series, pd.DataFrame)):
        raise UnsupportedInputError(
            f"history must be a Series or a DataFrame; got {type(history).__name__}"
        )
    if not len(history):
        raise InputError("history is empty: at least some days of used addresses are needed")
    if isinstance(history, pd.Series):
        return _of_series(history, given)
    everything = next((kind for kind in ("used", "available") if given[kind] is True), None)
    frame, given = _with_index(history, given)
    named = {role: name for role, name in given.items() if not isinstance(name, bool)}
    for role, name in given.items():
        if name is not None and not (isinstance(name, bool) and role in {"used", "available"}):
            text(name, name=role)
    roles = find_roles(frame, capacity=capacity, unit=unit, **named)
    kinds = [kind for kind in VALUES if roles[kind] is not None]
    if not kinds and everything and (only := _only_reading(frame, roles)):
        # The caller says what is counted, and only one column can be meant.
        roles, kinds = {**roles, everything: only}, [everything]
    if not kinds:
        return _melted(frame, roles, everything=everything, capacity=capacity)
    if everything == "available" and kinds == ["used"] and plain(roles["used"]) in _WEAK:
        roles, kinds = {**roles, "used": None, "available": roles["used"]}, ["available"]
    if everything == "available" and kinds[0] != "available":
        raise InputError(f"available=True, and {roles[kinds[0]]!r} says {kinds[0]}")
    return _tidy(frame, roles, kinds[0], capacity, given={k for k, v in given.items() if v})


def _only_reading(frame: pd.DataFrame, roles: Roles) -> str | None:
    """The only column of numbers, unless its name may be that of a subnet; None if not unique."""
    rest = [c for c in frame.columns if c not in roles.values() and not _is_row_number(c, frame)]
    if len(rest) != 1 or is_text(frame[rest[0]]):
        return None
    return str(rest[0]) if roles["subnet"] is not None or says_nothing(rest[0]) else None


def _tidy(frame: pd.DataFrame, roles: Roles, kind: str, capacity: Any, *, given: set[str]) -> Table:
    name = roles[kind]
    _refuse_free_percent([name] if kind in {"available", "percent"} else [])
    # A frame without a column of subnets is one subnet.
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
    strings = tuple(c for c in rest if len(frame[c].unique()) > 1)
    assumed = str(name) if plain(name) in _WEAK and kind not in given else ""
    return Table(long, kind, subnet is None, counts_prefixes(name), assumed, strings)


def _with_index(
    frame: pd.DataFrame, given: Mapping[str, str | bool | None]
) -> tuple[pd.DataFrame, Mapping[str, str | bool | None]]:
    """The frame with an index of times or names as columns, and the roles given."""
    if isinstance(frame.columns, pd.MultiIndex):
        raise InputError("history has columns of several levels; give one level of names")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"history has two columns named {twice!r}")
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
    # An index of strings without a name has times, as read from a file, if no column has.
    moved = frame.set_axis(range(len(frame)), axis=0)
    moved.insert(0, INDEX, index)
    return moved, given


def _of_series(series: pd.Series[Any], given: Mapping[str, str | bool | None]) -> Table:
    available = given["available"]
    named = [name for name in given.values() if isinstance(name, str)]
    if any(name != series.name for name in named):
        raise InputError(f"a Series has no columns to name; got {', '.join(map(repr, named))}")
    name, index = series.name, series.index
    said, prefixes = None, False
    subnet: Any = "subnet"
    if name is not None:
        # A name such as "used" is the kind of values; any other name is that of the subnet.
        said, prefixes = value_kind(name), counts_prefixes(name)
        subnet = str(name) if said is None else "subnet"
        if labelled(name):
            (said, subnet), prefixes = kind_and_subnet(name), False
            if said is None and not available and given["used"] is not True:
                raise InputError(
                    f"nothing says whether {str(name)!r} counts used or available addresses; "
                    "use used=True or available=True to choose"
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
    """History of a wide table, in which every numeric column is a subnet."""
    columns = [c for c in frame.columns if c not in {roles["time"], roles["capacity"]}]
    columns = [c for c in columns if not _is_row_number(c, frame)]
    if capacity is not None and roles["capacity"] is None and everything is None:
        columns = _without_capacity(columns)
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
    for name in odd:
        if kind_and_subnet(name)[0] is not None and is_text(frame[name]):
            numbers(frame[name], f"column {name!r}")
    # If the caller says what is counted, `numbers` below refuses the wrong column by name.
    if everything is not None:
        odd = []
    if roles["subnet"] is not None or odd or not columns or all(map(says_nothing, columns)):
        raise InputError(
            "history has no column that says used or available addresses; name it with used=NAME, "
            "available=NAME or percent=NAME, or say used=True or available=True; "
            f"{_has(frame)}{_not_of_numbers(frame, odd)}"
        )
    kind, subnets, assumed = _kind_and_columns(columns, everything)
    count = len(frame)
    # Column after column, in the order of the values.
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
    return Table(long, kind, single=False, prefixes=False, assumed=assumed)


def _without_capacity(columns: list[Any]) -> list[Any]:
    """Columns without that of the capacity, which is given separately and is not a subnet."""
    rest = [c for c in columns if plain(c) != "capacity"]
    unclear = [c for c in rest if plain(c) in _NAMES["capacity"]]
    if unclear:
        raise InputError(
            f"is {unclear[0]!r} a subnet, or its capacity, which is also "
            "given? Leave that column out, or name those that count with used= or available="
        )
    return rest


def _not_of_numbers(frame: pd.DataFrame, odd: list[Any]) -> str:
    """The end of a message that names the first column without numbers, and its first value."""
    first = [value for name in odd[:1] for value in frame[name].dropna().head(1)]
    return f"; {odd[0]!r} is not of numbers: {first[0]!r}" if first else ""


def _kind_and_columns(columns: list[Any], everything: str | None) -> tuple[str, list[str], str]:
    """
    Kind of values of a wide table, the subnet of each column, and the column assumed.

    Columns with only names of subnets are used addresses, as documented. If a name has labels or
    a word for free addresses, a guess could be wrong, so all names must say the same kind.
    """
    _refuse_free_percent(columns)
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
        return everything, subnets, ""
    if kinds == {None} and not any(labelled(c) or _is_open(c) for c in columns):
        return "used", [str(name) for name in columns], str(columns[0])
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind is None:
        raise InputError(
            "nothing says for each column whether it counts used or available addresses: "
            f"{listed(columns[:5])}; use used=True or available=True to choose"
        )
    return kind, subnets, ""


def _is_row_number(name: object, frame: pd.DataFrame) -> bool:
    """Whether a column is the row number that ``to_csv`` wrote, and not a subnet."""
    return str(name) in {"Unnamed: 0", "index"} and np.array_equal(
        frame[name].to_numpy(), np.arange(len(frame))
    )


def numbers(column: pd.Series[Any], what: str) -> Floats:
    """Counts of a column, NaN if missing."""
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if pd.api.types.is_bool_dtype(column) or kind == "boolean":
        raise UnsupportedInputError(f"{what} must be counts; got booleans")
    if kind == "complex" or pd.api.types.is_datetime64_any_dtype(column):
        raise UnsupportedInputError(f"{what} must be counts; got {column.dtype}")
    if is_text(column):
        # Prometheus writes a missing value as the string NaN.
        column = column.mask(column.astype(str).str.strip().str.lower() == "nan")
    try:
        values = pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
    except (ValueError, TypeError) as error:
        strange = (pd.to_numeric(column, errors="coerce").isna() & column.notna()).to_numpy()
        first = int(strange.argmax())
        example = f"{column.iloc[first]!r} at position {first:,}" if strange.any() else str(error)
        cure = ""
        if strange.any() and re.match(r"[\d.,]+ ?[^\d\s.,]", str(column.iloc[first]).strip()):
            cure = ": export numbers without units (in Grafana, without formatted data)"
        raise UnsupportedInputError(f"{what} must be counts; got {example}{cure}") from error
    bad = np.flatnonzero((values < 0) | (values > MOST))
    if len(bad):
        raise InvalidCountError(
            f"{what} must be finite and not negative (nor above {MOST:,.0f}); got "
            f"{values[bad[0]]:g} at position {bad[0]}"
            f"{f' and {len(bad) - 1:,} more' if len(bad) > 1 else ''}"
        )
    return np.asarray(values, dtype=float)
