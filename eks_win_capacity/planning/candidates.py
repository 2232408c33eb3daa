"""Which instance types can be nodes, what each provides to workloads, and why others cannot."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.addresses.warm_pool import WarmPool, curve_of
from eks_win_capacity.catalog import Catalog
from eks_win_capacity.catalog.limits import secondary
from eks_win_capacity.core.constants import (
    ADDRESSES_PER_PREFIX,
    KUBELET_MAX_PODS,
    NODE_ADDRESSES,
)
from eks_win_capacity.core.errors import InputError, UnsupportedInputError, count_of
from eks_win_capacity.density.reserved import (
    allocatable,
    karpenter_addresses,
    karpenter_cpu_reserved_m,
    karpenter_memory_mib,
)
from eks_win_capacity.packing.first_fit import first_fit
from eks_win_capacity.planning.costs import speciality
from eks_win_capacity.planning.model import build, named, value_of
from eks_win_capacity.planning.plan_values import Infeasible, Rejection
from eks_win_capacity.planning.question import ALL_ADDRESSES, ALL_NODES, NodeKind
from eks_win_capacity.planning.workloads import whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_win_capacity.catalog import InstanceType
    from eks_win_capacity.packing.deadline import Deadline
    from eks_win_capacity.packing.problem import Ints
    from eks_win_capacity.planning.question import Question
    from eks_win_capacity.planning.workloads import Load

__all__ = ["alone", "left_over", "read_candidates", "read_limits", "sized", "usable"]

_UNASKED: Final = {
    "accelerator": "it has accelerators that no workload asks for; name it in candidates",
    "local-disk": "it has local disks that no workload asks for; name it in candidates",
    "burstable": "its CPU has a baseline with credits, which a plan does not model; name "
    "it in candidates",
}
"""Reasons why types are excluded by default, by code."""

_POOLS: Final = {True: WarmPool.prefix(), False: WarmPool.secondary()}
"""Default pool of a node, with prefix delegation and without."""


def read_candidates(
    candidates: Any, catalog: Catalog, *, gives: Callable[[str], bool] | None = None
) -> tuple[list[InstanceType], list[Rejection]]:
    """
    The types that can be Windows nodes, and the reasons why others cannot.

    By default types with accelerators are excluded, unless ``gives`` returns True for them because
    a workload asks for their resources.

    Raises
    ------
    InputError
        If there are no candidates, or a pattern matches no type.
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
        if gives is not None and gives(row.name):
            unasked = ""
        if not row.windows.possible:
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
    """Candidates without ``!`` patterns (None if no others), and the types that these exclude."""
    if isinstance(candidates, str):
        candidates = [candidates]
    if hasattr(candidates, "columns") or not isinstance(candidates, Iterable):
        return candidates, frozenset()
    if not isinstance(candidates, (Mapping, bytes)):
        candidates = list(candidates)
    against = [one for one in candidates if isinstance(one, str) and one.strip()[:1] == "!"]
    if not against:
        return candidates, frozenset()
    excluded: set[str] = set()
    for pattern in against:
        excluded.update(
            _matching(catalog, pattern.strip()[1:].strip(), f"the exclusion {pattern!r}")
        )
    rest = [one for one in candidates if one not in against]
    return rest or None, frozenset(excluded)


def _rows(candidates: Any, catalog: Catalog) -> list[InstanceType]:
    """Rows for names, patterns, rows of a catalog, a catalog, or a column or frame of names."""
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
            rows += [catalog[name] for name in _matching(catalog, one, repr(one))]
        else:
            rows.append(catalog[one.strip() if isinstance(one, str) else one])
    return rows


def _matching(catalog: Catalog, pattern: str, words: str) -> list[str]:
    matched = fnmatch.filter(catalog, pattern)
    if not matched:
        raise InputError(f"no instance type in the catalog of {catalog.as_of} matches {words}")
    return matched


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
    Limits on nodes of a type, in a zone or, under ``nodes``, of all types.

    ``addresses`` limits the subnet addresses of all nodes.

    Raises
    ------
    InputError
        If a key is neither a type, nor a zone, nor one of these words.
    UnknownInstanceTypeError
        If the catalog lacks a type.
    UnsupportedInputError
        If it is not a mapping.
    """
    zones = tuple(zones)
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
        if one in known or one in catalog:
            continue
        if isinstance(one, str) and "." not in one:
            there = ", ".join(zones) or "none is known: give subnets by zone, or zones"
            raise InputError(
                f"{name} has {one!r}, which is not an instance type, nor one of "
                f"{', '.join(sorted(known - {*zones}))}, nor a zone of the plan ({there})"
            )
        raise catalog.unknown_error([one])
    return {str(one): whole(most, f"limit of {one}") for one, most in limits.items()}


def sized(ask: Question) -> tuple[tuple[NodeKind, ...], list[Rejection], Infeasible | None]:
    """Usable nodes of the candidates, the rejected ones, and a reason if no plan is possible."""
    able, rejected = read_candidates(ask.candidates, ask.catalog, gives=ask.gives)
    nodes: list[NodeKind] = []
    bought: list[NodeKind] = []
    paid = [name for name in ask.buying.paid if name not in {row.name for row in able}]
    for row in [*able, *(ask.catalog[name] for name in paid)]:
        cost = ask.prices.cost(row)
        if cost is None and row.name in ask.buying.paid:
            # Nodes already paid need no price, but none can be bought either.
            paid, cost = [*paid, row.name], ask.prices.node_cost
        if cost is None:
            why = "prices has no row for it"
            if meant := ask.prices.misnamed.get(row.name):
                why += f"; is {meant!r} there a typing error?"
            rejected.append(Rejection(instance_type=row.name, code="no-price", why=why))
            continue
        node = _node(ask, row, float(cost))
        if row.name not in paid:
            nodes.append(node)
        bought += _bought(ask, row, node)
    live = [load for load, slot in zip(ask.workloads, ask.slots, strict=True) if slot]
    useless = [_of_no_use(node, live) for node in (*nodes, *bought)]
    rejected += [why for why in useless[: len(nodes)] if why is not None]
    if not nodes and not bought:
        return (), rejected, _no_candidate(rejected, ask)
    every = zip((*nodes, *bought), useless, strict=True)
    kept = [node for node, why_not in every if why_not is None]
    for load in live:
        if not any(usable(load, node) for node in kept):
            return (), rejected, _too_large(load, [*nodes, *bought])
    return tuple(kept), rejected, None


def _node(ask: Question, row: InstanceType, cost: float) -> NodeKind:
    """An empty node as its launcher sees it: room for workloads, and addresses that pods attach."""
    asked_pool = ask.pool if ask.pool is not None and (row.nitro or not ask.prefix) else None
    pool = asked_pool or _POOLS[ask.prefix and row.nitro]
    curve = curve_of(row.ipv4_per_interface, pool)
    slots = row.ipv4_per_interface - NODE_ADDRESSES
    attachable = slots * ADDRESSES_PER_PREFIX if ask.prefix and row.nitro else slots
    most = attachable if ask.kubelet is None else min(attachable, ask.kubelet)
    # A pool without warm addresses serves fewer pods than the node advertises.
    served = min(most, curve.most)
    base = sum(not daemon.host_process for daemon in ask.daemons)
    cpu, memory = allocatable(row, ask.reserved)
    gives, taken = ask.supply(row.name), [dict(daemon.extended) for daemon in ask.daemons]
    attached, prefixes = curve.addresses[base : most + 1], curve.prefixes[base : most + 1]
    room = (
        cpu - sum(daemon.cpu for daemon in ask.daemons),
        memory - sum(daemon.memory for daemon in ask.daemons),
        min((served if served < most else attachable) - base, len(attached) - 1),
        (2**31 if ask.kubelet is None else ask.kubelet) - len(ask.daemons),
        *(gives.get(name, 0) - sum(one.get(name, 0) for one in taken) for name in ask.extended),
    )
    none: Ints = np.zeros(1, dtype=np.int64)
    node = NodeKind(
        name=row.name,
        room=tuple(max(0, have) for have in room),
        extended=ask.extended,
        cost=cost,
        attached=attached if len(attached) else none,
        prefixes=prefixes if len(prefixes) else none,
    )
    node = _by_karpenter(ask, row, node) if ask.launcher == "karpenter" else node
    pods = node.room[2]
    return replace(node, attached=node.attached[: pods + 1], prefixes=node.prefixes[: pods + 1])


def _bought(ask: Question, row: InstanceType, node: NodeKind) -> list[NodeKind]:
    """The same node as a Spot node and as one already paid, where these exist."""
    bought = []
    spot = ask.prices.spot_cost(row)
    if spot is not None:
        bought.append(replace(node, cost=spot, purchase="spot"))
    if row.name in ask.buying.paid:
        cost, stock = ask.prices.node_cost, ask.buying.paid[row.name]
        bought.append(replace(node, cost=cost, purchase="paid", stock=stock))
    return bought


def _by_karpenter(ask: Question, row: InstanceType, node: NodeKind) -> NodeKind:
    """
    The node with the room that Karpenter estimates, where that is less.

    Karpenter counts one address less than the interface has, in both modes, and none on a type that
    its table lacks. It reserves CPU and memory for the kubelet, which depend on the number of pods:
    110 without a limit. It deducts 7.5 % of the memory for the hypervisor, and DaemonSets.
    """
    daemons, counted = ask.daemons, karpenter_addresses(row)
    most = KUBELET_MAX_PODS if ask.kubelet is None else ask.kubelet
    memory_mib = min(
        karpenter_memory_mib(row.memory_mib, most),
        karpenter_memory_mib(row.memory_mib, most, ask.reserved),
    )
    believed = (
        row.vcpus * 1000 - karpenter_cpu_reserved_m(row.vcpus) - sum(d.cpu for d in daemons),
        memory_mib * 2**20 - sum(d.memory for d in daemons),
        (secondary(row.ipv4_per_interface) if counted is None else counted)
        - sum(not d.host_process for d in daemons),
        most - len(daemons),
    )
    cpu, memory, addresses, pods = (
        max(0, min(have, view)) for have, view in zip(node.room[:4], believed, strict=True)
    )
    return replace(node, room=(cpu, memory, addresses, pods, *node.room[4:]))


def usable(load: Load, node: NodeKind) -> bool:
    """Whether a node may run one pod of a workload, and has room for it."""
    needs = zip(load.need(node.extended), node.room, strict=True)
    return node.may_run(load) and all(want <= have for want, have in needs)


def _lacking(load: Load, node: NodeKind) -> list[str]:
    """Resources that an empty node lacks for one pod, in words."""
    return [
        f"{name} {_amount(name, want)} of {_amount(name, have)}"
        for name, want, have in zip(node.names(), load.need(node.extended), node.room, strict=True)
        if want > have
    ]


def _amount(resource: str, value: int) -> str:
    if resource == "memory":
        return f"{value / 2**20:,.0f} MiB"
    return f"{value:,}m" if resource == "cpu" else f"{value:,}"


def _of_no_use(node: NodeKind, live: list[Load]) -> Rejection | None:
    # Of thousands of workloads, one that fits is enough.
    if not live or any(usable(load, node) for load in live):
        return None
    allowed = [load for load in live if node.may_run(load)]
    if not allowed:
        return Rejection(
            instance_type=node.name, code="not-allowed", why="no workload is allowed on it"
        )
    small = min(allowed, key=lambda load: (load.cpu, load.memory, load.name))
    return Rejection(
        instance_type=node.name,
        code="too-small",
        subject=small.name,
        why=f"too small for workload {small.name}: {', '.join(_lacking(small, node))}",
    )


def _no_candidate(rejected: list[Rejection], ask: Question) -> Infeasible:
    codes = ", ".join(sorted({one.code for one in rejected}))
    types = count_of(len(rejected), "type is", "types are")
    remedy = "Give other candidates, or prices for them"
    by_default = {"previous-generation", *_UNASKED} if ask.candidates is None else set()
    unasked = [
        one.instance_type
        for one in rejected
        if one.code in by_default and ask.prices.cost(ask.catalog[one.instance_type]) is not None
    ]
    if unasked:
        few = ", ".join(unasked[:5]) + ", ..." * (len(unasked) > 5)
        remedy = f"Name as candidates the types with a price that are excluded by default: {few}"
    return Infeasible(
        code="no-candidate",
        why=f"no candidate can be a Windows node with a price: {types} rejected as {codes}",
        remedy=remedy,
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
        f"and lacks room: {', '.join(_lacking(load, top))}",
        remedy="Make its pods smaller, or allow larger types",
        subject=load.name,
    )


def left_over(
    ask: Question, nodes: tuple[NodeKind, ...], used: set[str], value: float, *, deadline: Deadline
) -> list[Rejection]:
    """
    Rejections of the types without a node, with the cost of a fleet of each alone.

    A plan with only this candidate can confirm it. The fleet is packed first-fit decreasing,
    without subnets, zones and limits, so the cost of such a plan is between the two figures in the
    message.
    """
    left = tuple(node for node in nodes if node.name not in used and node.purchase == "on-demand")
    return [
        _rejection(ask, node, cost, value)
        for node, cost in zip(left, alone(ask, left, deadline=deadline), strict=True)
    ]


def alone(ask: Question, nodes: tuple[NodeKind, ...], *, deadline: Deadline) -> list[float | None]:
    """
    Value of a first-fit fleet of each type alone.

    None if it cannot run all workloads, nan if there was no time to pack it.
    """
    if not nodes:
        return []
    model = build(ask, nodes)
    values: list[float | None] = []
    for index in range(len(nodes)):
        if deadline.over():
            values.append(math.nan)
            continue
        packed = first_fit(model.problem, np.array([index]))
        value = None if packed is None else value_of(named(model, packed), ask.objective)
        values.append(value)
    return values


def _rejection(ask: Question, node: NodeKind, cost: float | None, value: float) -> Rejection:
    if cost is None:
        return _cannot(ask, node)
    if math.isnan(cost):
        return _untried(ask, node, value)
    percent = round(100 * (cost / value - 1), 1) if value else 0.0
    if percent > 0:
        least = ask.least_alone(node) if ask.objective == "cost" else 0.0
        low = round(100 * (least / value - 1), 1)
        proved = f", and at least {low:g} % however it is packed" if 0 < low < percent else ""
        return Rejection(
            instance_type=node.name,
            code="dearer",
            percent=percent,
            why=f"more expensive by {percent:g} %: a fleet of {node.name} alone, packed first-fit, "
            f"takes that much more than the plan{proved}",
        )
    coupled = ask.limited or ask.spread or ask.limits or ask.max_types
    why = "a fleet of only this type costs no more than the plan" + (
        ", but does not keep the subnets, zones or limits" if coupled and percent < 0 else ""
    )
    return Rejection(instance_type=node.name, code="not-needed", why=why, percent=0.0)


def _untried(ask: Question, node: NodeKind, value: float) -> Rejection:
    """Rejection, by its lower bound only, of a type that there was no time to pack."""
    least = ask.least_alone(node) if ask.objective == "cost" else 0.0
    if math.isinf(least):
        return _cannot(ask, node)
    low = round(100 * (least / value - 1), 1) if value else 0.0
    if low > 0:
        why = f"more expensive by at least {low:g} % however a fleet of it alone is packed"
        return Rejection(instance_type=node.name, code="dearer", percent=low, why=why)
    why = "the time limit was reached before a fleet of only this type was packed"
    return Rejection(instance_type=node.name, code="not-needed", why=why, percent=0.0)


def _cannot(ask: Question, node: NodeKind) -> Rejection:
    for load, slot in zip(ask.workloads, ask.slots.tolist(), strict=True):
        if not slot or usable(load, node):
            continue
        short = _lacking(load, node)
        if short:
            return Rejection(
                instance_type=node.name,
                code="too-small",
                subject=load.name,
                why=f"too small for workload {load.name} ({', '.join(short)}), and the others "
                "cost no less on it",
            )
        return Rejection(
            instance_type=node.name,
            code="not-allowed",
            subject=load.name,
            why=f"workload {load.name} is not allowed on it, and the others cost no less on it",
        )
    why = "no workload has pods to run"
    return Rejection(instance_type=node.name, code="not-needed", why=why)
