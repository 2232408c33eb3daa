"""Which of equal fleets is the cheapest, and which has the types and nodes asked for at least."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from eks_win_capacity.packing.deadline import OutOfTimeError
from eks_win_capacity.planning.alternatives import fewer_types
from eks_win_capacity.planning.model import (
    beyond,
    group_of,
    merged,
    placed_in,
    taken_of,
    value_of,
)
from eks_win_capacity.planning.question import ALL_NODES, ANY_TYPES, BRIEF, Site
from eks_win_capacity.planning.solving import answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.planning.plan_values import PlannedGroup
    from eks_win_capacity.planning.question import Answer, NodeKind, Question
    from eks_win_capacity.planning.solving import Solving
    from eks_win_capacity.planning.workloads import Load

__all__ = ["cheapest", "demanded"]

_LIKELY: Final = 12
"""Types cheapest alone that are considered for the cheapest plan with few addresses."""

_TRADES: Final = (0.0, 0.5, 2.0)
"""Weights of all addresses or nodes, as multiples of the cost, from try to try."""

_SMALLER: Final = 6
"""Limits on the cost of a type that are tried if more nodes are needed than the fleet has."""


def cheapest(run: Solving, best: Answer, lean: tuple[NodeKind, ...]) -> list[PlannedGroup]:
    """A cheap fleet with no more nodes or addresses than the one found."""
    ask, groups = run.ask, best.groups
    limited = ask.limits or any(node.stock is not None for node in lean)
    if not limited and ask.max_types is None:
        groups = _cheapened(groups, lean, ask.workloads)
    if run.interrupted or not groups:
        return groups
    few = ask.max_types is not None
    limits = ask.limits | {ask.objective: round(best.value)}
    tied = run.afresh(objective="cost", limits=limits)
    settled = tied.settled(lean, few=few)
    try:
        if settled is not None and settled.proved:
            other = tied.chosen(settled)
        elif limited or ask.spread or few:
            tied.deadline = run.deadline.part(ANY_TYPES) if few else run.deadline
            other = answer(tied, lean)
            tied.deadline = run.deadline
            if ask.max_types is not None and other is not None:
                other = fewer_types(tied, other, lean, ask.max_types)
        else:
            return _traded(run, groups, best.value, lean)
    except KeyboardInterrupt:
        run.stop()
        return groups
    if other is None or other.value >= value_of(groups, "cost"):
        return groups
    return other.groups if value_of(other.groups, ask.objective) <= best.value else groups


def _traded(
    run: Solving, groups: list[PlannedGroup], most: float, nodes: tuple[NodeKind, ...]
) -> list[PlannedGroup]:
    """Cheapest fleet by weighted sums of cost and objective that does not exceed ``most``."""
    ask = run.ask
    cost = value_of(groups, "cost")
    each, start = cost / max(most, 1.0), run.deadline
    for done, part in enumerate(_TRADES):
        run.deadline = start.part(1 / (len(_TRADES) - done))
        try:
            one = run.solved(nodes, objective="cost", weight=part * each)
        except KeyboardInterrupt:
            run.stop()
            break
        except OutOfTimeError:
            one = None
        if part == 0 and one is not None and ask.objective == "addresses":
            # Each number of addresses is a kind of its own: only types that matter are kept.
            costs = {group.cost for group in (*groups, *one.groups)}
            costs |= {node.cost for node in sorted(nodes, key=ask.least_alone)[:_LIKELY]}
            nodes = tuple(node for node in nodes if node.cost in costs)
        placed = None if one is None else one.groups
        if placed is not None and ask.limited:
            placed = placed_in(ask, placed, ask.sites)
        if placed and value_of(placed, ask.objective) <= most and value_of(placed, "cost") < cost:
            groups, cost = placed, value_of(placed, "cost")
    return groups


def _cheapened(
    groups: list[PlannedGroup], nodes: tuple[NodeKind, ...], loads: tuple[Load, ...]
) -> list[PlannedGroup]:
    """Groups with each node of the cheapest type that fits its pods with no more addresses."""
    order = sorted(nodes, key=lambda node: (node.cost, node.name))
    cheaper = []
    for group in groups:
        others = (_moved(group, node, loads) for node in order if node.cost < group.cost)
        able = (one for one in others if one is not None and _in_its_place(group, one))
        cheaper.append(next(able, group))
    return merged(cheaper)


def _moved(group: PlannedGroup, node: NodeKind, loads: tuple[Load, ...]) -> PlannedGroup | None:
    """The same pods on nodes of another kind, both Spot or neither; None if they do not fit."""
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


def demanded(run: Solving, groups: list[PlannedGroup]) -> list[PlannedGroup] | None:
    """Cheapest fleet with the minimum types and nodes; None if none was found."""
    if not groups and not run.ask.at_least:
        return groups
    least = _least_demanded(run)
    try:
        if run.ask.at_least and not run.over():
            run.shared_out(run.every, least=True)
        ways = [one for one in _ways(run, groups) if one is not None]
    except KeyboardInterrupt:
        run.stop()
        ways = []
    if not ways:
        return None
    run.prove(least)
    return min(ways, key=lambda one: value_of(one, run.ask.objective))


def _ways(run: Solving, groups: list[PlannedGroup]) -> Iterator[list[PlannedGroup] | None]:
    """Fleets with the minimum types and nodes: from the given one, exact, and of small types."""
    ask = run.ask
    yield _met(ask, groups, run.every)
    settled = run.settled(run.every, few=True, least=True)
    exact = run.chosen(settled)
    if exact is not None:
        more = _met(ask, exact.groups, run.every)
        run.prove(0.0 if more is None else exact.bound)
        yield more
        return
    if settled is not None and settled.proved:
        run.impossible = True
        return
    costs = sorted({node.cost for node in run.lean})
    for most in costs[:: max(1, len(costs) // _SMALLER)]:
        small = tuple(node for node in run.lean if node.cost <= most)
        one = None if run.over() else answer(run.afresh(), small, effort=BRIEF)
        yield None if one is None else _met(ask, one.groups, run.every)


def _least_demanded(run: Solving) -> float:
    """Lower bound on the value of the minimum nodes, whatever runs on them."""
    ask = run.ask
    each = [
        {"cost": node.cost, "nodes": 1.0, "addresses": float(node.addresses(0))}[ask.objective]
        for node in run.every
    ]
    named = {name: least for name, least in ask.at_least.items() if name in ask.catalog}
    value = 0.0
    for name, least in named.items():
        mine = (v for v, node in zip(each, run.every, strict=True) if node.name == name)
        value += least * min(mine, default=0.0)
    others = ask.at_least.get(ALL_NODES, 0) - sum(named.values())
    return value + max(0, others) * min(each, default=0.0)


def _met(
    ask: Question, groups: list[PlannedGroup], nodes: tuple[NodeKind, ...]
) -> list[PlannedGroup] | None:
    """Fleet with the minimum types and nodes added; None if that is impossible."""
    varied = _diversified(ask, groups, nodes)
    return varied if varied is None or not ask.at_least else _topped_up(ask, varied, nodes)


def _diversified(
    ask: Question, groups: list[PlannedGroup], nodes: tuple[NodeKind, ...]
) -> list[PlannedGroup] | None:
    """
    Fleet with the minimum of types: nodes become the cheapest other type that fits their pods.

    None if there are too few nodes or types.
    """
    while 1 < ask.min_types > len(types := {group.instance_type for group in groups}):
        number = Counter[str]()
        for group in groups:
            number[group.instance_type] += group.nodes
        best: tuple[tuple[float, int, str], PlannedGroup] | None = None
        for index, group in enumerate(groups):
            # Nodes that already run or are paid cannot change their type.
            if number[group.instance_type] < 2 or group.purchase in {"paid", "present"}:
                continue
            for node in nodes:
                if node.name in types or node.purchase != group.purchase:
                    continue
                other = _moved(replace(group, nodes=1), node, ask.workloads)
                if other is None or (ask.limited and not _in_its_place(group, other)):
                    continue
                key = (other.cost - group.cost, index, other.instance_type)
                if best is None or key < best[0]:
                    best = key, other
        if best is None:
            return None
        (_, index, _), other = best
        left = replace(groups[index], nodes=groups[index].nodes - 1)
        groups = [*groups[:index], *([left] if left.nodes else []), *groups[index + 1 :], other]
    return merged(groups)


def _in_its_place(group: PlannedGroup, other: PlannedGroup) -> bool:
    """Whether a node takes no more addresses and prefixes than the one that it replaces."""
    return other.addresses <= group.addresses and other.prefixes <= group.prefixes


def _topped_up(
    ask: Question, groups: list[PlannedGroup], nodes: tuple[NodeKind, ...]
) -> list[PlannedGroup] | None:
    """
    Fleet with the minimum nodes of a type, in a zone, and in total.

    Nodes with pods that may be anywhere move into a zone that lacks nodes; the rest are the
    cheapest empty nodes. None if subnets or limits leave no room for them.
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
    """Groups with nodes whose pods may be anywhere moved into a zone, from zones with a surplus."""
    pairs = zip(ask.workloads, ask.spreads, strict=True)
    tied = {load.name for load, spread in pairs if spread}
    after: list[PlannedGroup] = []
    for group in groups:
        spare = taken_of(groups, group.zone) - ask.at_least.get(group.zone, 0)
        fixed = group.zone == zone or group.purchase == "present" or set(group.pods) & tied
        free = 0 if fixed else min(group.nodes, spare)
        moved = max(0, min(free, missing))
        missing -= moved
        if moved:
            after.append(replace(group, nodes=moved, zone=zone))
        if group.nodes > moved:
            after.append(replace(group, nodes=group.nodes - moved))
    return after


def _added(
    ask: Question, groups: list[PlannedGroup], nodes: list[NodeKind], *, zone: str
) -> PlannedGroup | None:
    """The cheapest empty node for which there is room, or None."""
    for node in sorted(nodes, key=lambda node: (node.cost, node.name)):
        for site in ask.sites or (Site(zone=""),):
            one = group_of(node, 1, site)
            here = [g for g in groups if (g.zone, g.subnet) == (site.zone, site.subnet)]
            fits = site.free < 0 or placed_in(ask, [*here, one], (site,))
            if fits and (not zone or site.zone == zone) and not beyond(ask, [*groups, one]):
                return one
    return None
