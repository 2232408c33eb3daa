"""What a fleet must have beside room for its pods: some types, and some nodes of each place."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from eks_win_capacity.planning.model import ALL_NODES, Site
from eks_win_capacity.planning.placement import (
    beyond,
    empty_group,
    held_by,
    merged,
    moved,
    placed_in,
    taken_of,
)

if TYPE_CHECKING:
    from eks_win_capacity.planning.model import NodeKind
    from eks_win_capacity.planning.plan_values import PlannedGroup
    from eks_win_capacity.planning.question import Question

__all__ = ["met"]


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
