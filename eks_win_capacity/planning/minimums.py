"""What a fleet must have beside room for its pods: some types, and some nodes of each place."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from eks_win_capacity.planning.model import ALL_NODES
from eks_win_capacity.planning.placement import empty_group, merged

if TYPE_CHECKING:
    from eks_win_capacity.planning.model import Node
    from eks_win_capacity.planning.plan_values import NodeGroup
    from eks_win_capacity.planning.question import Question
    from eks_win_capacity.planning.workloads import Load

__all__ = ["met"]


def plain(name: str) -> str:
    """Type of a kind of node that runs already or is paid, without what marks it."""
    return name.partition(" (")[0]


def met(ask: Question, groups: list[NodeGroup], nodes: tuple[Node, ...]) -> list[NodeGroup] | None:
    """Fleet with the types and nodes that are asked for at least; None where there is none."""
    if ask.min_types > 1:
        other = _diversified(ask, groups, nodes, ask.min_types)
        if other is None:
            return None
        groups = other
    return _topped_up(ask, groups, nodes) if ask.at_least else groups


def _diversified(
    ask: Question, groups: list[NodeGroup], nodes: tuple[Node, ...], least: int
) -> list[NodeGroup] | None:
    """
    Fleet of at least so many types: node by node becomes the cheapest other type that holds its pods.

    Returns
    -------
    list of NodeGroup or None
        None where there are too few nodes or types for that.
    """
    loads = {load.name: load for load in ask.workloads}
    while len(types := {plain(group.instance_type) for group in groups}) < least:
        number = Counter[str]()
        for group in groups:
            number[plain(group.instance_type)] += group.nodes
        best: tuple[float, int, NodeGroup] | None = None
        for place, group in enumerate(groups):
            # Nodes that run already, or are paid, are no others.
            if number[group.instance_type] < 2 or group.instance_type not in types:
                continue
            for node in nodes:
                if (
                    node.name != plain(node.name)
                    or node.name in types
                    or node.purchase != group.purchase
                ):
                    continue
                other = _moved(ask, group, node, loads)
                if other is None:
                    continue
                key = (other.cost - group.cost, place, other)
                if best is None or (key[0], key[1], other.instance_type) < (
                    best[0],
                    best[1],
                    best[2].instance_type,
                ):
                    best = key
        if best is None:
            return None
        _, place, other = best
        left = replace(groups[place], nodes=groups[place].nodes - 1)
        groups = [*groups[:place], *([left] if left.nodes else []), *groups[place + 1 :], other]
    return merged(groups)


def _moved(ask: Question, group: NodeGroup, node: Node, loads: dict[str, Load]) -> NodeGroup | None:
    """One node of the group as another type; None where its pods do not fit there."""
    used = (
        *(group.cpu_m_used, group.memory_used, group.pod_addresses, group.pods_used),
        *group.extended_used.values(),
    )
    if any(want > have for want, have in zip(used, node.room, strict=True)):
        return None
    if not all(node.may_run(loads[name]) for name in group.pods):
        return None
    addresses = node.addresses(group.pod_addresses)
    prefixes = int(node.prefixes[group.pod_addresses])
    if ask.limited and (addresses > group.addresses or prefixes > group.prefixes):
        return None
    empty = empty_group(node, 1, zone=group.zone, subnet=group.subnet)
    share = [want / max(have, 1) for want, have in zip(used, node.room, strict=True)]
    return replace(
        empty,
        pods=group.pods,
        cpu_m_used=group.cpu_m_used,
        memory_used=group.memory_used,
        pods_used=group.pods_used,
        pod_addresses=group.pod_addresses,
        extended_used=group.extended_used,
        addresses=addresses,
        prefixes=prefixes,
        binds=node.names()[share.index(max(share))],
    )


def _topped_up(
    ask: Question, groups: list[NodeGroup], nodes: tuple[Node, ...]
) -> list[NodeGroup] | None:
    """
    Fleet with the fewest nodes asked for, of a type, in a zone, and in all.

    Nodes whose pods may be anywhere move into a zone that lacks some; what is still missing are
    empty nodes, the cheapest there are.

    Returns
    -------
    list of NodeGroup or None
        None where subnets or limits leave no room for them.
    """
    for name, least in sorted(ask.at_least.items(), key=lambda pair: pair[0] == ALL_NODES):
        missing = least - _number_of(groups, name)
        if missing > 0 and name in ask.zones and not ask.limited:
            groups = _pulled(ask, groups, name, missing)
            missing = least - _number_of(groups, name)
        able = [
            node for node in nodes if node.purchase == "on-demand" and node.name == plain(node.name)
        ]
        used = {plain(group.instance_type) for group in groups}
        if ask.max_types is not None and len(used) >= ask.max_types:
            able = [node for node in able if node.name in used]
        if name not in {ALL_NODES, *ask.zones}:
            able = [node for node in able if node.name == name]
        for _ in range(max(0, missing)):
            added = _added(ask, groups, able, zone=name if name in ask.zones else "")
            if added is None:
                return None
            groups = [*groups, added]
    groups = merged(groups)
    kept = all(_number_of(groups, name) <= most for name, most in ask.limits.items())
    return groups if kept else None


def _number_of(groups: list[NodeGroup], name: str) -> int:
    return sum(
        group.nodes
        for group in groups
        if name in {ALL_NODES, plain(group.instance_type), group.zone}
    )


def _pulled(ask: Question, groups: list[NodeGroup], zone: str, missing: int) -> list[NodeGroup]:
    """Move nodes whose pods may be anywhere into a zone, from zones that have some to spare."""
    tied = {load.name for load in ask.workloads if load.zone_spread or ask.zone_lost}
    after: list[NodeGroup] = []
    for group in groups:
        spare = _number_of(groups, group.zone) - ask.at_least.get(group.zone, 0)
        free = 0 if group.zone == zone or set(group.pods) & tied else min(group.nodes, spare)
        some = max(0, min(free, missing))
        missing -= some
        if some:
            after.append(replace(group, nodes=some, zone=zone))
        if group.nodes > some:
            after.append(replace(group, nodes=group.nodes - some))
    return after


def _added(
    ask: Question, groups: list[NodeGroup], nodes: list[Node], *, zone: str
) -> NodeGroup | None:
    """One empty node more, where there is room for it."""
    for node in sorted(nodes, key=lambda node: (node.cost, node.name)):
        addresses, prefixes = node.addresses(0), int(node.prefixes[0])
        if not ask.sites:
            return empty_group(node, 1)
        for site in ask.sites:
            here = [g for g in groups if (g.zone, g.subnet) == (site.zone, site.subnet)]
            taken = sum(g.nodes * g.addresses for g in here)
            blocks = sum(g.nodes * (g.prefixes + site.breaks) for g in here)
            fits = site.free < 0 or (
                taken + addresses <= site.free
                and blocks + prefixes + site.breaks <= max(site.blocks, 0)
            )
            if fits and (not zone or site.zone == zone):
                return empty_group(node, 1, zone=site.zone, subnet=site.subnet)
    return None
