"""Equal nodes put together, counted and stood into subnets."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX
from eks_win_capacity.packing.deadline import Deadline
from eks_win_capacity.packing.first_fit import Packed, first_fit
from eks_win_capacity.packing.packings import total_cost
from eks_win_capacity.planning.model import ALL_ADDRESSES, ALL_NODES, TIES
from eks_win_capacity.planning.plan_values import NodeGroup

if TYPE_CHECKING:
    from eks_win_capacity.planning.model import Model, Node, Site
    from eks_win_capacity.planning.workloads import Load

_NEVER = Deadline()

__all__ = [
    "cheapened",
    "empty_group",
    "least_of_each",
    "merged",
    "placed_in",
    "starts_of",
    "taken_of",
    "value_of",
]


def starts_of(model: Model, *, deadline: Deadline = _NEVER) -> tuple[Packed, ...]:
    """First-fit decreasing over all types and on each alone: the floor of every plan."""
    problem = model.problem
    if problem.zones > 1 or len(problem.limit):
        return ()
    found = [first_fit(problem, np.arange(problem.kinds))]
    least = math.inf if found[0] is None else total_cost(problem, found[0])
    alone = least_of_each(model)
    for place in np.argsort(alone, kind="stable").tolist():
        if alone[place] >= least or deadline.over():
            break
        packed = first_fit(problem, np.array([place]))
        if packed is not None:
            found.append(packed)
            least = min(least, total_cost(problem, packed))
    return tuple(packed for packed in found if packed is not None)


def least_of_each(model: Model) -> Any:
    """Bound by sums what all pods cost on each kind alone: some are too dear to be packed."""
    problem = model.problem
    wanted = problem.count @ problem.need
    some = np.where(problem.room > 0, -(-wanted // np.maximum(problem.room, 1)), wanted * 2**20)
    return some.max(axis=1) * problem.cost


def value_of(groups: list[NodeGroup], objective: str, *, prefixes: bool = False) -> float:
    """What nodes cost, or how many they are, or how many addresses or prefixes they take."""
    if objective == "nodes":
        return float(sum(group.nodes for group in groups))
    if objective == "addresses":
        return float(
            sum(group.nodes * (group.prefixes if prefixes else group.addresses) for group in groups)
        )
    return math.fsum(group.nodes * group.cost for group in groups)


def taken_of(groups: list[NodeGroup], name: str) -> int:
    """How much nodes take of a limit: on a type, on all nodes, or on all addresses."""
    if name == ALL_ADDRESSES:
        return sum(group.nodes * group.addresses for group in groups)
    return sum(
        group.nodes for group in groups if name in {group.instance_type, group.zone, ALL_NODES}
    )


def merged(groups: list[NodeGroup]) -> list[NodeGroup]:
    """Put equal nodes together and give them in a fixed order."""
    same: dict[tuple[Any, ...], NodeGroup] = {}
    for group in groups:
        where = (group.instance_type, group.zone, group.subnet, group.purchase)
        key = (*where, tuple(group.pods.items()))
        before = same.get(key)
        same[key] = group if before is None else replace(before, nodes=before.nodes + group.nodes)
    return [same[key] for key in sorted(same)]


def placed_in(groups: list[NodeGroup], sites: tuple[Site, ...]) -> list[NodeGroup] | None:
    """
    Put nodes into subnets, the largest first, each where most is free; None if one is left.

    Zones without subnets take them in turn.
    """
    most = 2**62
    free = [
        [have if have >= 0 else most for have in (site.free, site.blocks, site.singles)]
        for site in sites
    ]
    placed: list[NodeGroup] = []
    prefixes = any(group.prefixes for group in groups)
    for group in sorted(
        groups, key=lambda one: (-one.addresses, one.instance_type, sorted(one.pods.items()))
    ):
        left = group.nodes
        one = group.addresses - ADDRESSES_PER_PREFIX * group.prefixes
        each = [group.prefixes + (site.breaks and prefixes) * one for site in sites]
        while left:
            room = [
                min(have // group.addresses, blocks // took if took else have, single // one)
                for (have, blocks, single), took in zip(free, each, strict=True)
            ]
            here = [at for at, site in enumerate(sites) if group.zone in {"", site.zone}]
            if not here:
                return None
            at = max(here, key=lambda place: (room[place], -place))
            some = min(left, room[at])
            if sites[at].free < 0:
                some = min(some, -(-left // len(here)))
            if some <= 0:
                return None
            free[at][0] -= some * group.addresses
            free[at][1] -= some * each[at]
            free[at][2] -= some * one
            placed.append(replace(group, nodes=some, zone=sites[at].zone, subnet=sites[at].subnet))
            left -= some
    return merged(placed)


def empty_group(node: Node, number: int, *, zone: str = "", subnet: str = "") -> NodeGroup:
    """Nodes of a kind without pods."""
    return NodeGroup(
        instance_type=node.name,
        zone=zone,
        subnet=subnet,
        nodes=number,
        pods={},
        cpu_m=node.room[0],
        memory=node.room[1],
        pod_slots=node.room[3],
        address_slots=node.room[2],
        cpu_m_used=0,
        memory_used=0,
        pods_used=0,
        pod_addresses=0,
        addresses=node.addresses(0),
        prefixes=int(node.prefixes[0]),
        binds="addresses",
        cost=node.cost,
        purchase=node.purchase,
        extended=dict(zip(node.extended, node.room[4:], strict=True)),
        extended_used=dict.fromkeys(node.extended, 0),
    )


def cheapened(
    groups: list[NodeGroup], nodes: tuple[Node, ...], loads: tuple[Load, ...]
) -> list[NodeGroup]:
    """Each node its cheapest type that holds its pods and takes no more addresses."""
    by_name = {load.name: load for load in loads}
    order = sorted(nodes, key=lambda node: (node.cost, node.name))
    return merged([_cheapest(group, order, by_name) for group in groups])


def _cheapest(group: NodeGroup, nodes: list[Node], loads: dict[str, Load]) -> NodeGroup:
    used = (
        *(group.cpu_m_used, group.memory_used, group.pod_addresses, group.pods_used),
        *group.extended_used.values(),
    )
    for node in nodes:
        if node.cost >= group.cost:
            break
        pods = group.pod_addresses
        if (
            all(want <= have for want, have in zip(used, node.room, strict=True))
            and node.addresses(pods) <= group.addresses
            and int(node.prefixes[pods]) <= group.prefixes
            and all(node.may_run(loads[name]) for name in group.pods)
        ):
            room = dict(zip(node.names(), node.room, strict=True))
            took = dict(zip(node.names(), used, strict=True))
            return replace(
                group,
                instance_type=node.name,
                cost=node.cost,
                cpu_m=node.room[0],
                memory=node.room[1],
                address_slots=node.room[2],
                pod_slots=node.room[3],
                addresses=node.addresses(pods),
                prefixes=int(node.prefixes[pods]),
                purchase=node.purchase,
                extended=dict(zip(node.extended, node.room[4:], strict=True)),
                binds=max(
                    (*TIES, *node.extended), key=lambda name: took[name] / max(room[name], 1)
                ),
            )
    return group
