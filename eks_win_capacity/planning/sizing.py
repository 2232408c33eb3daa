"""What a node of each candidate gives to workloads, and which workload fits none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from eks_win_capacity.addresses.warm_pool import WarmPool
from eks_win_capacity.core.constants import KUBELET_MAX_PODS
from eks_win_capacity.core.display import count_of
from eks_win_capacity.core.kernels import secondary
from eks_win_capacity.density.reserved import (
    karpenter_addresses,
    karpenter_cpu_reserved_m,
    karpenter_memory_mib,
)
from eks_win_capacity.planning.candidates import read_candidates
from eks_win_capacity.planning.model import NodeKind, node_of
from eks_win_capacity.planning.plan_values import Infeasible, Rejection

if TYPE_CHECKING:
    from eks_win_capacity.catalog import InstanceType
    from eks_win_capacity.planning.question import Question
    from eks_win_capacity.planning.workloads import Load

HYPERVISOR_PERMILLE: Final = 75
"""Part of the memory that Karpenter leaves to the hypervisor. [1/1000]

Source: karpenter-provider-aws, ``VM_MEMORY_OVERHEAD_PERCENT`` of 0.075.
"""

__all__ = ["fits", "lacking", "sized", "usable"]


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
    if not ask.prefix:
        return ask.pool if ask.pool is not None else WarmPool.secondary()
    if not nitro:
        return WarmPool.secondary()
    return ask.pool if ask.pool is not None else WarmPool.prefix()


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
