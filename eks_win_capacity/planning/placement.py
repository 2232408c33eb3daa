"""Equal nodes put together, counted, stood into subnets, and as many as are asked for at least."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.packing.deadline import Deadline
from eks_win_capacity.packing.first_fit import first_fit
from eks_win_capacity.packing.problem import Packed, feasible, total_cost
from eks_win_capacity.planning.model import (
    ALL_ADDRESSES,
    ALL_NODES,
    Site,
    addresses_taken,
    group_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from eks_win_capacity.planning.model import Model, NodeKind
    from eks_win_capacity.planning.plan_values import PlannedGroup
    from eks_win_capacity.planning.question import Question
    from eks_win_capacity.planning.workloads import Load

__all__ = [
    "beyond",
    "cheapened",
    "empty_group",
    "held_by",
    "least_of_each",
    "merged",
    "met",
    "moved",
    "placed_in",
    "starts_of",
    "taken_in",
    "taken_of",
    "value_of",
]

_NEVER = Deadline()

_ANY: Final = 2**40
"""What is free where nothing limits it."""


def starts_of(model: Model, *, deadline: Deadline = _NEVER) -> tuple[Packed, ...]:
    """First-fit decreasing over all types and on each alone: the floor of every plan."""
    problem = model.problem
    if problem.floor.any():
        return ()
    found = [first_fit(problem, np.arange(problem.kinds))]
    least = math.inf if found[0] is None else total_cost(problem, found[0])
    alone = least_of_each(model)
    for place in [] if problem.zones > 1 else np.argsort(alone, kind="stable").tolist():
        if alone[place] >= least or deadline.over():
            break
        packed = first_fit(problem, np.array([place]))
        if packed is not None:
            found.append(packed)
            least = min(least, total_cost(problem, packed))
    return tuple(packed for packed in found if packed is not None and feasible(problem, packed))


def least_of_each(model: Model) -> Any:
    """Bound by sums what all pods cost on each kind alone: some are too dear to be packed."""
    problem = model.problem
    wanted = problem.count @ problem.need
    some = np.where(problem.room > 0, -(-wanted // np.maximum(problem.room, 1)), wanted * 2**20)
    return some.max(axis=1) * problem.cost


def value_of(groups: list[PlannedGroup], objective: str, *, prefixes: bool = False) -> float:
    """What nodes cost, or how many they are, or how many addresses or prefixes they take."""
    if objective == "nodes":
        return float(sum(group.nodes for group in groups))
    if objective == "addresses":
        return float(
            sum(group.nodes * (group.prefixes if prefixes else group.addresses) for group in groups)
        )
    return math.fsum(group.nodes * group.cost for group in groups)


def taken_of(groups: Iterable[PlannedGroup], name: str) -> int:
    """How much nodes take of a limit: on a type, on a zone, on all nodes, or on all addresses."""
    if name == ALL_ADDRESSES:
        return sum(group.nodes * group.addresses for group in groups)
    return sum(
        group.nodes for group in groups if name in {group.instance_type, group.zone, ALL_NODES}
    )


def beyond(ask: Question, groups: Sequence[PlannedGroup]) -> list[str]:
    """The limits that nodes break, those on present nodes that stay included."""
    fresh = [group for group in groups if group.purchase != "present"]
    return [
        name
        for name, most in ask.limits.items()
        if taken_of(groups, name) > most
        or (name in ask.staying and taken_of(fresh, name) > max(0, most - ask.staying[name]))
    ]


def merged(groups: list[PlannedGroup]) -> list[PlannedGroup]:
    """Put equal nodes together and give them in a fixed order."""
    same: dict[tuple[Any, ...], PlannedGroup] = {}
    for group in groups:
        where = (group.instance_type, group.zone, group.subnet, group.purchase)
        key = (*where, tuple(group.pods.items()))
        before = same.get(key)
        same[key] = group if before is None else replace(before, nodes=before.nodes + group.nodes)
    return [same[key] for key in sorted(same)]


def held_by(nodes: Iterable[NodeKind]) -> dict[str, tuple[int, int]]:
    """Addresses and blocks that present nodes have taken of their subnets already, by type."""
    return {node.name: node.held for node in nodes if node.purchase == "present"}


def taken_in(
    group: PlannedGroup, site: Site, held: Mapping[str, tuple[int, int]]
) -> tuple[int, int, int]:
    """Addresses, blocks and single addresses that one node takes of a subnet."""
    there = group.purchase == "present"
    addresses, prefixes = held.get(group.instance_type, (0, 0)) if there else (0, 0)
    run = (0, group.addresses, 0, group.addresses, group.prefixes)
    # The constant part: a group's pods are given, so nothing goes by the pod.
    more, blocks, single = addresses_taken(run, (addresses, prefixes), breaks=site.breaks)
    return max(0, more[0]), blocks[2], single[2]


def placed_in(
    groups: list[PlannedGroup],
    sites: tuple[Site, ...],
    held: Mapping[str, tuple[int, int]] = MappingProxyType({}),
) -> list[PlannedGroup] | None:
    """
    Put nodes into subnets, the largest first, each where most is free; None if one is left.

    Zones without subnets take them in turn.
    """
    if not any(group.prefixes for group in groups):
        # No block is wanted, so none is spoilt.
        sites = tuple(replace(site, breaks=False) for site in sites)
    unlimited = np.array([[site.free < 0] for site in sites], dtype=np.int64)
    free = np.array(
        [
            [have if have >= 0 else _ANY for have in (site.free, site.blocks, site.singles)]
            for site in sites
        ],
        dtype=np.int64,
    )
    placed: list[PlannedGroup] = []
    for group in sorted(
        groups, key=lambda one: (-one.addresses, one.instance_type, sorted(one.pods.items()))
    ):
        left = group.nodes
        taken = [taken_in(group, site, held) for site in sites]
        each = np.maximum(np.array(taken, dtype=np.int64), unlimited)
        here = [at for at, site in enumerate(sites) if group.zone in {"", site.zone}]
        while left and here:
            room = np.where(each > 0, free // np.maximum(each, 1), _ANY).min(axis=1)
            at = max(here, key=lambda place: (room[place], -place))
            some = min(left, int(room[at]))
            if sites[at].free < 0:
                some = min(some, -(-left // len(here)))
            if some <= 0:
                return None
            free[at] -= some * each[at]
            placed.append(replace(group, nodes=some, zone=sites[at].zone, subnet=sites[at].subnet))
            left -= some
        if left:
            return None
    return merged(placed)


def empty_group(node: NodeKind, number: int, site: Site) -> PlannedGroup:
    """Nodes of a kind without pods."""
    return group_of(node, number, {}, [0] * len(node.room), site=site)


def cheapened(
    groups: list[PlannedGroup], nodes: tuple[NodeKind, ...], loads: tuple[Load, ...]
) -> list[PlannedGroup]:
    """Each node its cheapest type that holds its pods and takes no more addresses."""
    order = sorted(nodes, key=lambda node: (node.cost, node.name))
    return merged([_cheapest(group, order, loads) for group in groups])


def _cheapest(group: PlannedGroup, nodes: list[NodeKind], loads: tuple[Load, ...]) -> PlannedGroup:
    for node in nodes:
        if node.cost >= group.cost:
            break
        other = moved(group, node, loads)
        if other is not None and _in_its_place(group, other):
            return other
    return group


def moved(group: PlannedGroup, node: NodeKind, loads: tuple[Load, ...]) -> PlannedGroup | None:
    """The same pods on nodes of another kind, both Spot or neither; None where they do not fit."""
    used = (
        *(group.cpu_m_used, group.memory_used, group.pod_addresses, group.pods_used),
        *group.extended_used.values(),
    )
    if (
        (node.purchase == "spot") != (group.purchase == "spot")
        or any(want > have for want, have in zip(used, node.room, strict=True))
        or not all(
            node.name in (load.allowed_types or {node.name})
            for load in loads
            if load.name in group.pods
        )
    ):
        return None
    site = Site(zone=group.zone, subnet=group.subnet)
    return group_of(node, group.nodes, group.pods, used, site=site)


def met(
    ask: Question, groups: list[PlannedGroup], nodes: tuple[NodeKind, ...]
) -> list[PlannedGroup] | None:
    """Fleet with the types and nodes that are asked for at least; None where there is none."""
    if ask.min_types > 1:
        other = _diversified(ask, groups, nodes, ask.min_types)
        if other is None:
            return None
        groups = other
    return _topped_up(ask, groups, nodes) if ask.at_least else groups


def _diversified(
    ask: Question, groups: list[PlannedGroup], nodes: tuple[NodeKind, ...], least: int
) -> list[PlannedGroup] | None:
    """
    Fleet of at least so many types: node by node becomes the cheapest other type that holds its pods.

    Returns
    -------
    list of PlannedGroup or None
        None where there are too few nodes or types for that.
    """
    while len(types := {group.instance_type for group in groups}) < least:
        number = Counter[str]()
        for group in groups:
            number[group.instance_type] += group.nodes
        best: tuple[tuple[float, int, str], PlannedGroup] | None = None
        for place, group in enumerate(groups):
            # Nodes that run already, or are paid, become no others.
            if number[group.instance_type] < 2 or group.purchase in {"paid", "present"}:
                continue
            for node in nodes:
                if node.name in types or node.purchase != group.purchase:
                    continue
                other = moved(replace(group, nodes=1), node, ask.workloads)
                if other is None or (ask.limited and not _in_its_place(group, other)):
                    continue
                key = (other.cost - group.cost, place, other.instance_type)
                if best is None or key < best[0]:
                    best = key, other
        if best is None:
            return None
        (_, place, _), other = best
        left = replace(groups[place], nodes=groups[place].nodes - 1)
        groups = [*groups[:place], *([left] if left.nodes else []), *groups[place + 1 :], other]
    return merged(groups)


def _in_its_place(group: PlannedGroup, other: PlannedGroup) -> bool:
    """Whether a node takes no more of its subnet than the one in whose place it comes."""
    return other.addresses <= group.addresses and other.prefixes <= group.prefixes


def _topped_up(
    ask: Question, groups: list[PlannedGroup], nodes: tuple[NodeKind, ...]
) -> list[PlannedGroup] | None:
    """
    Fleet with the fewest nodes asked for, of a type, in a zone, and in all.

    Nodes whose pods may be anywhere move into a zone that lacks some; what is still missing are
    empty nodes, the cheapest there are.

    Returns
    -------
    list of PlannedGroup or None
        None where subnets or limits leave no room for them.
    """
    for name, least in sorted(ask.at_least.items(), key=lambda pair: pair[0] == ALL_NODES):
        missing = least - taken_of(groups, name)
        if missing > 0 and name in ask.zones and not ask.limited:
            groups = _pulled(ask, groups, name, missing)
            missing = least - taken_of(groups, name)
        able = [node for node in nodes if node.purchase == "on-demand"]
        used = {group.instance_type for group in groups}
        if ask.max_types is not None and len(used) >= ask.max_types:
            able = [node for node in able if node.name in used]
        if name not in {ALL_NODES, *ask.zones}:
            able = [node for node in able if node.name == name]
        for _ in range(max(0, missing)):
            added = _added(ask, groups, able, zone=name if name in ask.zones else "")
            if added is None:
                return None
            groups = merged([*groups, added])
    return None if beyond(ask, groups) else merged(groups)


def _pulled(
    ask: Question, groups: list[PlannedGroup], zone: str, missing: int
) -> list[PlannedGroup]:
    """Move nodes whose pods may be anywhere into a zone, from zones that have some to spare."""
    tied = {load.name for load in ask.workloads if load.zone_spread or ask.zone_lost}
    after: list[PlannedGroup] = []
    for group in groups:
        spare = taken_of(groups, group.zone) - ask.at_least.get(group.zone, 0)
        fixed = group.zone == zone or group.purchase == "present" or set(group.pods) & tied
        free = 0 if fixed else min(group.nodes, spare)
        some = max(0, min(free, missing))
        missing -= some
        if some:
            after.append(replace(group, nodes=some, zone=zone))
        if group.nodes > some:
            after.append(replace(group, nodes=group.nodes - some))
    return after


def _added(
    ask: Question, groups: list[PlannedGroup], nodes: list[NodeKind], *, zone: str
) -> PlannedGroup | None:
    """One empty node more, the cheapest for which there is room."""
    for node in sorted(nodes, key=lambda node: (node.cost, node.name)):
        for site in ask.sites or (Site(zone=""),):
            one = empty_group(node, 1, site)
            here = [g for g in groups if (g.zone, g.subnet) == (site.zone, site.subnet)]
            fits = site.free < 0 or placed_in([*here, one], (site,), held_by(ask.present))
            if fits and (not zone or site.zone == zone) and not beyond(ask, [*groups, one]):
                return one
    return None
