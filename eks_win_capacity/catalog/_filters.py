"""Which rows of a catalog meet some conditions."""

from __future__ import annotations

import difflib
import fnmatch
import math
import operator
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypedDict

from eks_win_capacity.catalog._instance_type import COUNTS, HYPERVISORS, STATUSES, InstanceType
from eks_win_capacity.core.errors import InputError, UnsupportedInputError

if TYPE_CHECKING:
    from eks_win_capacity.catalog._instance_type import InstanceTable

Test = Callable[[InstanceType], bool]
Texts = str | Iterable[str] | None


class Conditions(TypedDict, total=False):
    """Conditions of `Catalog.filter`; None accepts all types."""

    names: Texts
    family: Texts
    region: Texts
    architecture: Texts
    hypervisor: Texts
    usage_class: Texts
    windows: Texts
    nitro: bool | None
    bare_metal: bool | None
    current_generation: bool | None
    vcpus: int | None
    min_vcpus: int | None
    max_vcpus: int | None
    memory_mib: int | None
    min_memory_mib: int | None
    max_memory_mib: int | None
    ipv4_per_interface: int | None
    min_ipv4_per_interface: int | None
    max_ipv4_per_interface: int | None
    network_interfaces: int | None
    min_network_interfaces: int | None
    max_network_interfaces: int | None


_FLAGS: Final = ("nitro", "bare_metal", "current_generation")

ARCHITECTURES: Final = ("arm64", "arm64_mac", "i386", "x86_64", "x86_64_mac")
USAGE_CLASSES: Final = ("capacity-block", "on-demand", "spot")
"""EC2's values, so that a value is known even if no row has it.

Source: EC2 API reference, ``ProcessorInfo`` and ``InstanceTypeInfo``.
"""


_HAS: Final[dict[str, Callable[[set[str], InstanceType], bool]]] = {
    "names": lambda texts, row: any(fnmatch.fnmatchcase(row.name, text) for text in texts),
    "family": lambda texts, row: row.family in texts,
    "region": lambda texts, row: not texts.isdisjoint(row.regions),
    "architecture": lambda texts, row: not texts.isdisjoint(row.architectures),
    "hypervisor": lambda texts, row: row.hypervisor in texts,
    "usage_class": lambda texts, row: not texts.isdisjoint(row.usage_classes),
    "windows": lambda texts, row: row.windows.status in texts,
}
"""Conditions on strings, and whether a type meets one of several strings."""


def tests_of(catalog: InstanceTable, conditions: Conditions) -> list[Test]:
    """Tests of some conditions; InputError with similar names if one does not exist."""
    known = Conditions.__annotations__
    for name in conditions:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f": did you mean {' or '.join(close)}? There" if close else "; there"
            raise InputError(f"no condition is called {name}{hint} are {', '.join(sorted(known))}")
    asked: dict[str, Any] = {name: value for name, value in conditions.items() if value is not None}
    return [
        *(_text_test(name, asked[name], catalog) for name in _HAS if name in asked),
        *(_flag_test(name, asked[name]) for name in _FLAGS if name in asked),
        *(_count_test(name, value) for name, value in asked.items() if name.endswith((*COUNTS,))),
    ]


def _text_test(name: str, value: str | Iterable[str], catalog: InstanceTable) -> Test:
    """Test of a condition on strings; InputError if a string is unknown."""
    texts = {value} if isinstance(value, str) else set(value)
    if not all(isinstance(text, str) for text in texts):
        raise UnsupportedInputError(f"{name} must be strings; got {value!r}")
    rows = catalog.values()
    known: dict[str, Callable[[], Iterable[str]]] = {
        "region": lambda: catalog.regions,
        "architecture": lambda: {*ARCHITECTURES, *(x for r in rows for x in r.architectures)},
        "hypervisor": lambda: HYPERVISORS,
        "usage_class": lambda: {*USAGE_CLASSES, *(x for r in rows for x in r.usage_classes)},
        "windows": lambda: STATUSES,
    }
    if name in known and (strange := sorted(texts.difference(known[name]()))):
        of = ", ".join(sorted(known[name]())) or "none: it was made without offerings"
        raise InputError(
            f"{name} {', '.join(map(repr, strange))} is unknown to the catalog of "
            f"{catalog.as_of}, which has {of}"
        )
    return partial(_HAS[name], texts)


def _flag_test(name: str, flag: object) -> Test:
    if not isinstance(flag, bool):
        raise InputError(f"{name} must be True or False; got {flag!r}")
    return lambda row: getattr(row, name) is flag


def _count_test(name: str, bound: Any) -> Test:
    """Test of a condition on a count; limits are included."""
    # No type would pass a NaN, as if no such type existed.
    if isinstance(bound, (bool, str)) or math.isnan(bound):
        raise InputError(f"{name} must be a number; got {bound!r}")
    field = name.removeprefix("min_").removeprefix("max_")
    meets = {"min_": operator.ge, "max_": operator.le}.get(name[:4], operator.eq)
    return lambda row: meets(getattr(row, field), bound)
