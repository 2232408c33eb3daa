"""Which instance types may be nodes, and why the others may not."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.catalog import Catalog
from eks_win_capacity.catalog.type_names import speciality
from eks_win_capacity.core.errors import InputError, UnsupportedInputError
from eks_win_capacity.planning.model import ALL_ADDRESSES, ALL_NODES
from eks_win_capacity.planning.plan_values import Rejection
from eks_win_capacity.planning.workloads import whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_win_capacity.catalog import InstanceType

__all__ = ["read_candidates", "read_limits"]

_UNASKED: Final = {
    "accelerator": "it has accelerators that no workload asks for; name it in candidates",
    "local-disk": "it has local disks that no workload asks for; name it in candidates",
    "burstable": "its CPU is a baseline with credits, which a plan does not count; name it in "
    "candidates",
}
"""Types that are left out by default, by code, and why."""


def read_candidates(
    candidates: Any, catalog: Catalog, *, gives: Callable[[str], bool] | None = None
) -> tuple[list[InstanceType], list[Rejection]]:
    """
    The types that can be Windows nodes, and why the others cannot.

    By default types with accelerators are left out, but for those of which ``gives`` says that
    they have what a workload asks for.

    Raises
    ------
    InputError
        If there is none, or a pattern matches none.
    UnknownInstanceTypeError
        If the catalog lacks a name.
    UnsupportedInputError
        If the candidates are of another kind.
    """
    excluded: frozenset[str] = frozenset()
    if candidates is not None and not isinstance(candidates, Catalog):
        candidates, excluded = _exclusions(candidates, catalog)
    if candidates is None:
        rows = [catalog[name] for name in sorted(catalog)]
    else:
        named = {row.name: row for row in _rows(candidates, catalog)}
        rows = [named[name] for name in sorted(named)]
        if not rows:
            raise InputError("candidates is empty; give instance types, or None for all")
    able: list[InstanceType] = []
    rejected: list[Rejection] = []
    for row in rows:
        unasked = speciality(row.name) if candidates is None else ""
        if unasked and gives is not None and gives(row.name):
            unasked = ""
        if row.windows.status == "unsupported":
            arm = any(one.startswith("arm64") for one in row.architectures)
            why = (
                row.windows.reasons[0].why if row.windows.reasons else "no Windows image runs on it"
            )
            code = "arm64" if arm else "no-windows"
        elif candidates is None and not row.current_generation:
            code = "previous-generation"
            why = "EC2 counts it as previous generation; name it in candidates to use it"
        elif unasked:
            code, why = unasked, _UNASKED[unasked]
        elif row.name in excluded:
            code, why = "excluded", "candidates excludes it"
        else:
            able.append(row)
            continue
        rejected.append(Rejection(instance_type=row.name, code=code, why=why))
    return able, rejected


def _exclusions(candidates: Any, catalog: Catalog) -> tuple[Any, frozenset[str]]:
    """Split patterns with ``!`` in front from the rest; None for the rest where only they stand."""
    if isinstance(candidates, str):
        candidates = [candidates]
    if not isinstance(candidates, (list, tuple, set, frozenset)):
        return candidates, frozenset()
    against = [one for one in candidates if isinstance(one, str) and one.strip()[:1] == "!"]
    if not against:
        return candidates, frozenset()
    excluded: set[str] = set()
    for pattern in against:
        matched = fnmatch.filter(catalog, pattern.strip()[1:].strip())
        if not matched:
            raise InputError(
                f"no instance type in the catalog of {catalog.as_of} matches the exclusion "
                f"{pattern!r}"
            )
        excluded.update(matched)
    rest = [one for one in candidates if one not in against]
    return rest or None, frozenset(excluded)


def _rows(candidates: Any, catalog: Catalog) -> list[InstanceType]:
    """Read names, patterns, rows of a catalog, a catalog, or a column or frame of names."""
    if isinstance(candidates, Catalog):
        return list(candidates.values())
    if hasattr(candidates, "columns"):
        candidates = _column(candidates)
    elif isinstance(candidates, str) or hasattr(candidates, "ipv4_per_interface"):
        candidates = [candidates]
    if not isinstance(candidates, Iterable) or isinstance(candidates, (bytes, Mapping)):
        raise UnsupportedInputError(
            "candidates must be instance types, patterns or a Catalog; got "
            f"{type(candidates).__name__}"
        )
    rows: list[InstanceType] = []
    for one in candidates:
        if hasattr(one, "ipv4_per_interface"):
            rows.append(one)
        elif isinstance(one, str) and set(one) & set("*?["):
            found = fnmatch.filter(catalog, one)
            if not found:
                raise InputError(
                    f"no instance type in the catalog of {catalog.as_of} matches {one!r}"
                )
            rows += [catalog[name] for name in found]
        else:
            rows.append(catalog[one.strip() if isinstance(one, str) else one])
    return rows


def _column(frame: Any) -> Any:
    if "instance_type" in frame.columns:
        return list(frame["instance_type"])
    if getattr(getattr(frame, "index", None), "name", None) == "instance_type":
        return list(frame.index)
    raise InputError("candidates is a table without a column or an index named 'instance_type'")


def read_limits(
    limits: Any, catalog: Catalog, zones: Iterable[str] = (), *, name: str = "limits"
) -> dict[str, int]:
    """
    Read how many nodes there may be of a type, in a zone, or of all types under ``nodes``.

    ``addresses`` limits the subnet addresses of all nodes.

    Raises
    ------
    UnknownInstanceTypeError
        If the catalog lacks a name.
    InvalidCountError
        If a limit is not a count.
    """
    if limits is None:
        return {}
    if hasattr(limits, "to_dict"):
        limits = limits.to_dict()
    if not isinstance(limits, Mapping):
        raise UnsupportedInputError(
            f"{name} must be a mapping of instance type to nodes; got {type(limits).__name__}"
        )
    known = {ALL_NODES, ALL_ADDRESSES, *zones} if name == "limits" else {ALL_NODES, *zones}
    for one in limits:
        if one not in known and one not in catalog:
            raise catalog.unknown_error([one])
    return {str(one): whole(most, f"limit of {one}") for one, most in limits.items()}
