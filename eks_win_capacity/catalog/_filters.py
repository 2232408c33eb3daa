"""Conditions on the rows of a catalog."""

from __future__ import annotations

import difflib
import fnmatch
import math
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
    """What `Catalog.filter` asks of a type; None asks nothing."""

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


_TEXTS: Final = (
    "names",
    "family",
    "region",
    "architecture",
    "hypervisor",
    "usage_class",
    "windows",
)
_FLAGS: Final = ("nitro", "bare_metal", "current_generation")

ARCHITECTURES: Final = ("arm64", "arm64_mac", "i386", "x86_64", "x86_64_mac")
USAGE_CLASSES: Final = ("capacity-block", "on-demand", "spot")
"""EC2's words, so that a word is known though no row has it.

Source: EC2 API reference, ``ProcessorInfo`` and ``InstanceTypeInfo``.
"""


def tests_of(catalog: InstanceTable, conditions: Conditions) -> list[Test]:
    """Tests of some conditions; a condition that does not exist is an error with close ones."""
    known = Conditions.__annotations__
    for name in conditions:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f": did you mean {' or '.join(close)}? There" if close else "; there"
            raise InputError(f"no condition is called {name}{hint} are {', '.join(sorted(known))}")
    asked: dict[str, Any] = {**conditions}
    exact = {name: (asked.get(name), asked.get(name)) for name in COUNTS}
    limits = {name: (asked.get(f"min_{name}"), asked.get(f"max_{name}")) for name in COUNTS}
    return [
        *text_tests(catalog, **{name: asked.get(name) for name in _TEXTS}),
        *flag_tests(**{name: asked.get(name) for name in _FLAGS}),
        *range_tests("", **exact),
        *range_tests("min_", "max_", **limits),
    ]


def _texts(name: str, value: str | Iterable[str]) -> set[str]:
    wanted = {value} if isinstance(value, str) else set(value)
    if not all(isinstance(text, str) for text in wanted):
        raise UnsupportedInputError(f"{name} must be texts; got {value!r}")
    return wanted


def text_tests(catalog: InstanceTable, **wanted: str | Iterable[str] | None) -> list[Test]:
    """Make the conditions on texts, refusing words that nobody knows."""
    rows = catalog.values()
    known: dict[str, Callable[[], Iterable[str]]] = {
        "region": lambda: catalog.regions,
        "architecture": lambda: {*ARCHITECTURES, *(x for r in rows for x in r.architectures)},
        "hypervisor": lambda: HYPERVISORS,
        "usage_class": lambda: {*USAGE_CLASSES, *(x for r in rows for x in r.usage_classes)},
        "windows": lambda: STATUSES,
    }
    has: dict[str, Callable[[set[str], InstanceType], bool]] = {
        "names": lambda texts, row: any(fnmatch.fnmatchcase(row.name, text) for text in texts),
        "family": lambda texts, row: row.family in texts,
        "region": lambda texts, row: not texts.isdisjoint(row.regions),
        "architecture": lambda texts, row: not texts.isdisjoint(row.architectures),
        "hypervisor": lambda texts, row: row.hypervisor in texts,
        "usage_class": lambda texts, row: not texts.isdisjoint(row.usage_classes),
        "windows": lambda texts, row: row.windows.status in texts,
    }
    tests: list[Test] = []
    for name, value in wanted.items():
        if value is None:
            continue
        texts = _texts(name, value)
        if name in known and (strange := sorted(texts.difference(known[name]()))):
            of = ", ".join(sorted(known[name]())) or "none: it was made without offerings"
            raise InputError(
                f"{name} {', '.join(map(repr, strange))} is unknown to the catalog of "
                f"{catalog.as_of}, which has {of}"
            )
        tests.append(partial(has[name], texts))
    return tests


def flag_tests(**wanted: bool | None) -> list[Test]:
    """Make the conditions on flags."""
    tests: list[Test] = []
    for name, flag in wanted.items():
        if flag is None:
            continue
        if not isinstance(flag, bool):
            raise InputError(f"{name} must be True or False; got {flag!r}")
        tests.append(partial(_is, name, flag))
    return tests


def range_tests(*prefixes: str, **limits: tuple[int | None, int | None]) -> list[Test]:
    """Make the conditions on counts; both limits are included. An error names it by its prefix."""
    tests: list[Test] = []
    for name, bounds in limits.items():
        for bound, which in zip(bounds, prefixes, strict=False):
            # A NaN would let nothing pass, as if no such type existed.
            if bound is not None and (isinstance(bound, (bool, str)) or math.isnan(bound)):
                raise InputError(f"{which}{name} must be a number; got {bound!r}")
        low, high = bounds
        if low is not None or high is not None:
            tests.append(partial(_inside, name, low, high))
    return tests


def _is(name: str, flag: bool, row: InstanceType) -> bool:  # noqa: FBT001
    return getattr(row, name) is flag


def _inside(name: str, low: int | None, high: int | None, row: InstanceType) -> bool:
    count = getattr(row, name)
    return (low is None or count >= low) and (high is None or count <= high)
