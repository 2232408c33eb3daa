"""From a packing to pods by name on nodes, these in subnets, and as many as are asked for at least."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.planning.model import addresses_taken
from eks_win_capacity.planning.plan_values import PlannedGroup
from eks_win_capacity.planning.question import ALL_ADDRESSES, ALL_NODES, RESOURCES, Site

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eks_win_capacity.packing.problem import Ints, Packed
    from eks_win_capacity.planning.model import Model
    from eks_win_capacity.planning.question import NodeKind, Question
    from eks_win_capacity.planning.workloads import Load

_ANY: Final = 2**40
"""What is free where nothing limits it."""

_TIES: Final = ("addresses", "kubelet", "cpu", "memory")
"""Order in which the first of several resources that bind alike is named."""


def named(
    model: Model, packed: Packed, *, slots: Ints | None = None, shrink: bool = False
) -> list[PlannedGroup]:
    """
    Each node its pods by name, in runs of equal nodes.

    Workloads of one shape fill its places one after the other. Places beyond what is asked, or
    beyond ``slots``, stay empty, and where ``shrink`` allows it a node becomes the cheapest that
    holds its pods.
    """
    problem, slots = model.problem, model.slots if slots is None else slots
    zones = sorted({site.zone for site in model.sites}) if problem.zones > 1 else [""]
    left: dict[tuple[int, int], list[list[int]]] = {}
    for shape, group in enumerate(model.members):
        if model.quota[:, shape].any():
            for zone in range(len(zones)):
                left[shape, zone] = [[group[0], int(model.quota[zone, shape])]]
        else:
            queue = [[member, int(slots[member])] for member in group]
            for zone in range(problem.zones):
                left[shape, zone] = queue
    counted: dict[tuple[Any, ...], int] = {}
    order = np.lexsort((*packed.mix.T, packed.kind))
    for place in order.tolist():
        kind, mix, number = int(packed.kind[place]), packed.mix[place], int(packed.number[place])
        zone = int(problem.zone[kind])
        shapes = np.nonzero(mix)[0].tolist()
        while number:
            pods, run = _filled([(left[shape, zone], int(mix[shape])) for shape in shapes], number)
            if not pods and shapes:
                break
            for shape in shapes:
                queue = left[shape, zone]
                for entry in queue:
                    if entry[0] in pods:
                        entry[1] -= pods[entry[0]] * run
            key = (kind, tuple(sorted(pods.items())))
            counted[key] = counted.get(key, 0) + run
            number -= run
    return [
        _group(model, kind, dict(pods), number, shrink=shrink)
        for (kind, pods), number in sorted(counted.items())
    ]


def _filled(wanted: list[tuple[list[list[int]], int]], number: int) -> tuple[dict[int, int], int]:
    """
    Pods of one node by workload, and how many nodes, up to a number, may be filled alike.

    ``wanted`` has for each shape the workloads with their pods left, and the places on a node.
    """
    pods: dict[int, int] = {}
    for queue, places in wanted:
        want = places
        while queue and not queue[0][1]:
            queue.pop(0)
        if queue and queue[0][1] >= want:
            pods[queue[0][0]] = pods.get(queue[0][0], 0) + want
            number = min(number, queue[0][1] // want)
            continue
        if queue:
            # Where a workload ends within a node, the next node is filled otherwise.
            number = 1
        for entry in queue:
            some = min(want, entry[1])
            if some:
                pods[entry[0]] = pods.get(entry[0], 0) + some
            want -= some
            if not want:
                break
    return pods, number


def _group(
    model: Model, kind: int, pods: dict[int, int], number: int, *, shrink: bool
) -> PlannedGroup:
    which = int(model.node[kind])
    extended = model.nodes[which].extended
    used = np.zeros(len(RESOURCES) + len(extended), dtype=np.int64)
    by_name: dict[str, int] = {}
    loads = model.ask.workloads
    for load, each in ((loads[at], each) for at, each in sorted(pods.items())):
        used += each * np.array(load.need(extended), dtype=np.int64)
        by_name[load.name] = by_name.get(load.name, 0) + each
    if shrink:
        which = _smallest(model.nodes, which, used, [loads[member] for member in pods])
    node = model.nodes[which]
    site = model.sites[int(model.site[kind])] if model.sites else Site(zone=node.zone)
    return group_of(node, number, site, by_name, used.tolist())


def group_of(
    node: NodeKind,
    number: int,
    site: Site,
    pods: dict[str, int] | None = None,
    used: Sequence[int] = (),
) -> PlannedGroup:
    """Nodes of a kind, empty or with what the pods of one take, in the order of ``names()``."""
    used = used or [0] * len(node.room)
    share = {
        name: want / max(have, 1)
        for name, want, have in zip(node.names(), used, node.room, strict=True)
    }
    return PlannedGroup(
        instance_type=node.name,
        zone=site.zone,
        subnet=site.subnet,
        nodes=number,
        pods=pods or {},
        cpu_m=node.room[0],
        memory=node.room[1],
        pod_slots=node.room[3],
        address_slots=node.room[2],
        cpu_m_used=used[0],
        memory_used=used[1],
        pods_used=used[3],
        pod_addresses=used[2],
        addresses=node.addresses(used[2]),
        prefixes=int(node.prefixes[used[2]]),
        binds=max((*_TIES, *node.extended), key=lambda name: share[name]),
        cost=node.cost,
        purchase=node.purchase,
        extended=dict(zip(node.extended, node.room[4:], strict=True)),
        extended_used=dict(zip(node.extended, used[4:], strict=True)),
    )


def _smallest(nodes: tuple[NodeKind, ...], which: int, used: Ints, loads: list[Load]) -> int:
    """The cheapest node that may run some pods and has room for them; of equals the one given."""
    able = [
        (node.cost, place != which, place)
        for place, node in enumerate(nodes)
        if (np.array(node.room) >= used).all() and all(map(node.may_run, loads))
    ]
    return min(able)[2]


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


def placed_in(
    ask: Question, groups: list[PlannedGroup], sites: tuple[Site, ...]
) -> list[PlannedGroup] | None:
    """
    Put nodes into subnets, the largest first, each where most is free; None if one is left.

    Zones without subnets take them in turn.
    """
    # Addresses and blocks that present nodes have taken of their subnets already.
    held = {node.name: node.held for node in ask.present}
    if not any(group.prefixes for group in groups):
        # No block is wanted, so none is spoilt.
        sites = tuple(replace(site, breaks=False) for site in sites)
    unlimited = np.array([[site.free < 0] for site in sites], dtype=np.int64)
    free = np.array([(site.free, site.blocks, site.singles) for site in sites], dtype=np.int64)
    free[free < 0] = _ANY
    placed: list[PlannedGroup] = []
    for group in sorted(
        groups, key=lambda one: (-one.addresses, one.instance_type, sorted(one.pods.items()))
    ):
        left = group.nodes
        before = held[group.instance_type] if group.purchase == "present" else (0, 0)
        run = (0, group.addresses, 0, group.addresses, group.prefixes)
        taken = []
        for site in sites:
            # Its pods are given, so nothing goes by the pod.
            more, blocks, single = addresses_taken(run, before, breaks=site.breaks)
            taken.append((max(0, more[0]), blocks[2], single[2]))
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


def cheapened(
    groups: list[PlannedGroup], nodes: tuple[NodeKind, ...], loads: tuple[Load, ...]
) -> list[PlannedGroup]:
    """Each node its cheapest type that holds its pods and takes no more addresses."""
    order = sorted(nodes, key=lambda node: (node.cost, node.name))
    cheaper = []
    for group in groups:
        others = (_moved(group, node, loads) for node in order if node.cost < group.cost)
        able = (one for one in others if one is not None and _in_its_place(group, one))
        cheaper.append(next(able, group))
    return merged(cheaper)


def _moved(group: PlannedGroup, node: NodeKind, loads: tuple[Load, ...]) -> PlannedGroup | None:
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
    return group_of(node, group.nodes, site, group.pods, used)


def met(
    ask: Question, groups: list[PlannedGroup], nodes: tuple[NodeKind, ...]
) -> list[PlannedGroup] | None:
    """Fleet with the types and nodes that are asked for at least; None where there is none."""
    varied = _diversified(ask, groups, nodes)
    return varied if varied is None or not ask.at_least else _topped_up(ask, varied, nodes)


def _diversified(
    ask: Question, groups: list[PlannedGroup], nodes: tuple[NodeKind, ...]
) -> list[PlannedGroup] | None:
    """
    Fleet of types enough: node by node becomes the cheapest other type that holds its pods.

    None where there are too few nodes or types for that.
    """
    while 1 < ask.min_types > len(types := {group.instance_type for group in groups}):
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
                other = _moved(replace(group, nodes=1), node, ask.workloads)
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
    empty nodes, the cheapest there are; None where subnets or limits leave no room for them.
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
    pairs = zip(ask.workloads, ask.spreads, strict=True)
    tied = {load.name for load, spread in pairs if spread}
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
            one = group_of(node, 1, site)
            here = [g for g in groups if (g.zone, g.subnet) == (site.zone, site.subnet)]
            fits = site.free < 0 or placed_in(ask, [*here, one], (site,))
            if fits and (not zone or site.zone == zone) and not beyond(ask, [*groups, one]):
                return one
    return None
