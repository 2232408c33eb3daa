"""Which column of a history is what: by its name, or by the words the name is made of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd

from eks_win_capacity.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

Roles = dict[str, Any]

VALUES = ("used", "available", "percent")
"""What a column of values may count."""

_NAMES: dict[str, tuple[str, ...]] = {
    "time": ("time", "timestamp", "datetime", "date", "ts", "ds", "at", "day", "when", "period"),
    "subnet": ("subnet", "subnetid", "uniqueid", "subnetname", "subnetarn", "id", "name", "series"),
    "used": ("used", "addresses", "ips", "prefixes", "pods", "count", "y"),
    "available": ("available", "free"),
    "percent": ("subnetipusage", "percent", "pct", "utilization", "utilisation"),
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

_WEAK = {"addresses", "ips", "prefixes", "pods", "count", "y"}
"""Names that a subnet might have as well."""

KIND = {
    "available": {"available", "avail", "free", "remaining", "unused", "left", "unallocated"},
    "percent": {"percent", "percentage", "pct", "%", "utilization", "utilisation"},
    "used": {"used", "use", "usage", "allocated", "assigned", "consumed", "taken", "occupied"},
    "time": {"time", "timestamp", "date", "datetime"},
}

_THINGS = {
    *("ip", "ips", "ipv", "4", "address", "addresses", "addr", "addrs", "prefix", "prefixes"),
    *("block", "blocks", "pod", "pods", "count", "counts", "number", "num", "of", "in", "private"),
    *("subnet", "max", "maximum", "peak", "min", "minimum", "average", "avg", "mean", "sum"),
    *("value", "values"),
}
"""Words that a name may hold beside the one that tells; a subnet's name holds others."""


def plain(name: object) -> str:
    """A name without case and without what is not a letter or digit."""
    return "".join(c for c in str(name).lower() if c.isalnum())


def words(name: object) -> set[str]:
    """Take a name such as ``AvailableIpAddressCount`` apart."""
    return {word.lower() for word in _WORD.findall(str(name).replace("IPs", "Ips"))}


def value_kind(name: object) -> str | None:
    """Whether a name says used, available or percent; None if it says neither."""
    for kind in VALUES:
        if plain(name) in _NAMES[kind]:
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
    """Whether a name such as ``Maximum`` or ``Value #A`` leaves open what it is the value of."""
    said = words(str(name).partition("#")[0])
    return bool(said) and said <= _THINGS


def listed(columns: Iterable[object]) -> str:
    """The names of columns for a message."""
    return ", ".join(map(str, columns)) or "none"


def find_roles(
    frame: pd.DataFrame, *, capacity: Any, unit: str | None, **given: str | None
) -> Roles:
    """
    Which column is what; a name that was given must be there.

    Parameters
    ----------
    frame : DataFrame
    capacity : object
        A text that is not a CIDR names a column.
    unit : str or None
        Where columns of addresses and of prefixes stand side by side.
    **given
        Names by role.
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
        found = _time_column(frame, free)
        roles["time"] = found
        free.remove(found)
    if not any(roles[kind] for kind in VALUES):
        _refuse_node_counters(free)
        _find_values(frame, free, roles, unit)
    if roles["subnet"] is None and roles["cidr"] is not None:
        roles["subnet"] = roles["cidr"]
    return roles


def _refuse_node_counters(columns: list[Any]) -> None:
    """Refuse the CNI's pair of counters, which are not two subnets but two counts of one."""
    by_words = {frozenset(words(column)): column for column in columns}
    for said, assigned in by_words.items():
        total = by_words.get(said - {"assigned"} | {"total"})
        if "assigned" in said and total is not None:
            raise InputError(
                f"{assigned!r} counts the addresses of pods, and {total!r} all that nodes hold of "
                "the subnet: neither is a subnet, nor is the second the capacity; name one with "
                f"used= (used={str(total)!r} for when the subnet runs dry)"
            )


def _has(frame: pd.DataFrame) -> str:
    return f"it has {listed(c for c in frame.columns if c != INDEX)}"


INDEX = "__time"
"""The name that an index of times gets as a column."""


def _time_column(frame: pd.DataFrame, free: list[Any]) -> Any:
    """Find times by a word of their name, by their dtype, or by what they hold."""
    found = [c for c in free if words(c) & KIND["time"]]
    found += [c for c in free if pd.api.types.is_datetime64_any_dtype(frame[c])]
    if not found:
        found = [c for c in free if is_text(frame[c]) and _reads_as_time(frame[c])]
    if not found:
        raise InputError(f"history has no column of times; name it with time=; {_has(frame)}")
    return found[0]


def is_text(column: pd.Series[Any]) -> bool:
    """Whether a column holds texts, or categories of them."""
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
    """Find the column of values; where used and available both are, both are kept."""
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
