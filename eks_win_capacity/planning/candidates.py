"""Which instance types may be nodes, what each gives to workloads, and why others may not."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.addresses.warm_pool import WarmPool
from eks_win_capacity.catalog import Catalog
from eks_win_capacity.catalog.type_names import speciality
from eks_win_capacity.core.constants import KUBELET_MAX_PODS
from eks_win_capacity.core.display import count_of
from eks_win_capacity.core.errors import InputError, UnsupportedInputError
from eks_win_capacity.core.kernels import secondary
from eks_win_capacity.density.reserved import (
    karpenter_addresses,
    karpenter_cpu_reserved_m,
    karpenter_memory_mib,
)
from eks_win_capacity.planning.model import ALL_ADDRESSES, ALL_NODES, NodeKind, node_of
from eks_win_capacity.planning.plan_values import Infeasible, Rejection
from eks_win_capacity.planning.workloads import whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_win_capacity.catalog import InstanceType
    from eks_win_capacity.planning.question import Question
    from eks_win_capacity.planning.workloads import Load

__all__ = ["fits", "lacking", "read_candidates", "read_limits", "sized", "usable"]

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


HYPERVISOR_PERMILLE: Final = 75
"""Part of the memory that Karpenter leaves to the hypervisor. [1/1000]

Source: karpenter-provider-aws, ``VM_MEMORY_OVERHEAD_PERCENT`` of 0.075.
"""


def sized(ask: Question) -> tuple[tuple[NodeKind, ...], list[Rejection], Infeasible | None]:
    """Size the candidates, reject those of no use, and find what stops every plan."""
    able, rejected = read_candidates(ask.candidates, ask.catalog, gives=ask.gives)
    nodes: list[NodeKind] = []
    bought: list[NodeKind] = []
    paid = [name for name in ask.buying.paid if name not in {row.name for row in able}]
    for row in [*able, *(ask.catalog[name] for name in paid)]:
        cost = ask.prices.cost(row)
        if cost is None and row.name in ask.buying.paid:
            # What is paid already needs no price; it is not for sale either.
            paid, cost = [*paid, row.name], ask.prices.node_cost
        if cost is None:
            why = "prices has no row for it"
            rejected.append(Rejection(instance_type=row.name, code="no-price", why=why))
            continue
        node = _node(ask, row, float(cost))
        if row.name not in paid:
            nodes.append(node)
        bought += _bought(ask, row, node)
    live = [load for load, slot in zip(ask.workloads, ask.slots, strict=True) if slot]
    kept = []
    for node in nodes:
        why_not = _of_no_use(node, live)
        if why_not is None:
            kept.append(node)
        else:
            rejected.append(why_not)
    if not nodes and not bought:
        return (), rejected, _no_candidate(rejected)
    kept += [node for node in bought if _of_no_use(node, live) is None]
    for load in live:
        if not any(usable(load, node) for node in kept):
            return (), rejected, _too_large(load, [*nodes, *bought])
    return tuple(kept), rejected, None


def _node(ask: Question, row: InstanceType, cost: float) -> NodeKind:
    """A node of a type, as its launcher sees it."""
    node = node_of(
        row,
        cost=cost,
        prefix=ask.prefix,
        pool=_pool(ask, nitro=row.nitro),
        kubelet=ask.kubelet,
        reserved=ask.reserved,
        daemons=ask.daemons,
        extended=tuple((name, ask.supply(row.name).get(name, 0)) for name in ask.extended),
    )
    return _by_karpenter(ask, row, node) if ask.launcher == "karpenter" else node


def _bought(ask: Question, row: InstanceType, node: NodeKind) -> list[NodeKind]:
    """The same node from Spot, and paid already."""
    found = []
    spot = ask.prices.spot_cost(row)
    if spot is not None:
        found.append(replace(node, cost=spot, purchase="spot"))
    if row.name in ask.buying.paid:
        cost, stock = ask.prices.node_cost, ask.buying.paid[row.name]
        found.append(replace(node, cost=cost, purchase="paid", stock=stock))
    return found


def _by_karpenter(ask: Question, row: InstanceType, node: NodeKind) -> NodeKind:
    """
    Room that Karpenter believes a node has, where that is less than it gives.

    It counts one address less than the interface holds, prefixes or not, and none on a type
    that its table lacks, keeps CPU for the kubelet and 7.5 % of the memory for the
    hypervisor, and knows the DaemonSets.
    """
    daemons, counted = ask.daemons, karpenter_addresses(row)
    kept = -(-row.memory_mib * HYPERVISOR_PERMILLE // 1000) * 2**20
    memory = min(
        karpenter_memory_mib(row.memory_mib, ask.kubelet or KUBELET_MAX_PODS) * 2**20,
        row.memory_mib * 2**20 - kept - ask.reserved.memory,
    )
    believed = (
        row.vcpus * 1000 - karpenter_cpu_reserved_m(row.vcpus) - sum(d.cpu for d in daemons),
        memory - sum(d.memory for d in daemons),
        (secondary(row.ipv4_per_interface) if counted is None else counted)
        - sum(not d.host_process for d in daemons),
        node.room[3],
    )
    cpu, memory, addresses, pods = (
        max(0, min(have, view)) for have, view in zip(node.room[:4], believed, strict=True)
    )
    return replace(
        node,
        room=(cpu, memory, addresses, pods, *node.room[4:]),
        attached=node.attached[: addresses + 1],
        prefixes=node.prefixes[: addresses + 1],
    )


def _pool(ask: Question, *, nitro: bool) -> WarmPool:
    if ask.pool is not None and (nitro or not ask.prefix):
        return ask.pool
    return WarmPool.prefix() if ask.prefix and nitro else WarmPool.secondary()


def fits(load: Load, node: NodeKind) -> bool:
    """Whether a node has room for one pod."""
    return not lacking(load, node)


def usable(load: Load, node: NodeKind) -> bool:
    """Whether a node may run one pod, and has room for it."""
    return node.may_run(load) and fits(load, node)


def lacking(load: Load, node: NodeKind) -> list[str]:
    """What an empty node lacks for one pod."""
    return [
        f"{name} {_said(name, want)} of {_said(name, have)}"
        for name, want, have in zip(node.names(), load.need(node.extended), node.room, strict=True)
        if want > have
    ]


def _said(resource: str, value: int) -> str:
    if resource == "memory":
        return f"{value / 2**20:,.0f} MiB"
    return f"{value:,}m" if resource == "cpu" else f"{value:,}"


def _of_no_use(node: NodeKind, live: list[Load]) -> Rejection | None:
    allowed = [load for load in live if node.may_run(load)]
    if not live or any(fits(load, node) for load in allowed):
        return None
    if not allowed:
        return Rejection(
            instance_type=node.name, code="not-allowed", why="no workload is allowed on it"
        )
    small = min(allowed, key=lambda load: (load.cpu, load.memory, load.name))
    return Rejection(
        instance_type=node.name,
        code="too-small",
        subject=small.name,
        why=f"too small for workload {small.name}: {', '.join(lacking(small, node))}",
    )


def _no_candidate(rejected: list[Rejection]) -> Infeasible:
    codes = ", ".join(sorted({one.code for one in rejected}))
    types = count_of(len(rejected), "type is", "types are")
    return Infeasible(
        code="no-candidate",
        why=f"no candidate can be a Windows node with a price: {types} rejected as {codes}",
        remedy="Give other candidates, or prices for them",
    )


def _too_large(load: Load, nodes: list[NodeKind]) -> Infeasible:
    mine = [node for node in nodes if node.may_run(load)]
    if not mine:
        types = ", ".join(load.allowed_types)
        return Infeasible(
            code="no-candidate",
            why=f"workload {load.name} allows only {types}, none of which can be used",
            remedy="Allow other types, or add these to the candidates",
            subject=load.name,
        )

    def nearness(node: NodeKind) -> tuple[float, str]:
        need = load.need(node.extended)
        short = [
            want / have if have else 1e9 * bool(want)
            for want, have in zip(need, node.room, strict=True)
        ]
        return max(short), node.name

    top = min(mine, key=nearness)
    return Infeasible(
        code="too-large",
        why=f"workload {load.name} is too large for every candidate; {top.name} comes nearest "
        f"and lacks room: {', '.join(lacking(load, top))}",
        remedy="Make its pods smaller or allow larger types",
        subject=load.name,
    )
