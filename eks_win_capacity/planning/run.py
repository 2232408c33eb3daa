"""One planning run: size the nodes, solve, and say what came of it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.packing.deadline import OutOfTimeError
from eks_win_capacity.planning.alternatives import afresh, beside, fewer_types, left_over
from eks_win_capacity.planning.candidates import sized, usable
from eks_win_capacity.planning.model import ALL_NODES
from eks_win_capacity.planning.placement import cheapened, held_by, met, placed_in, value_of
from eks_win_capacity.planning.plan import FleetPlan
from eks_win_capacity.planning.plan_values import Infeasible
from eks_win_capacity.planning.question import BRIEF, PROVED, Answer, status_of
from eks_win_capacity.planning.shortage import why_not
from eks_win_capacity.planning.solving import Solving
from eks_win_capacity.planning.zones import answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.packing.deadline import Deadline
    from eks_win_capacity.planning.model import NodeKind
    from eks_win_capacity.planning.plan_values import PlannedGroup
    from eks_win_capacity.planning.question import Question

__all__ = ["plan_of", "with_others"]

_EVEN: Final = "even shares of the zones"
"""Plans that the bound is of, where a zone may be lost and the patterns are too many to list."""

_FEWEST: Final = 0.6
"""Part of the time for the fewest nodes or addresses; the rest finds the cheapest such plan."""

_LIKELY: Final = 12
"""Types that are cheap alone, among which the cheapest plan with few addresses is looked for."""

_TRADES: Final = (0.0, 0.5, 2.0)
"""What all addresses or nodes count together, as a multiple of the cost, one try after the other."""

_SMALLER: Final = 6
"""Largest types that are tried where more nodes are wanted than the cheapest fleet has."""

_MOST_VALUES: Final = 50
"""Types that a NodePool may ask for at least, by its schema (karpenter.sh/v1)."""

_ANY_TYPES: Final = 0.3
"""Part of the time for the plan with any types, where only some may be used."""


def with_others(ask: Question, *, end: Deadline) -> FleetPlan:
    """Plan, and the best plan with one type and in the other address mode beside it."""
    run = Solving(ask)
    plan = plan_of(ask, run)
    if not plan.feasible or not plan.groups or plan.status == "interrupted":
        return plan
    run.deadline = end
    run.ask = replace(ask, progress=None)
    try:
        return beside(run, plan, plan_of=plan_of)
    except KeyboardInterrupt:
        return plan


def plan_of(ask: Question, run: Solving | None = None) -> FleetPlan:
    """Plan, or the reason why there is none."""
    run = Solving(ask) if run is None else run
    ask.check()
    if ask.zone_lost and len(ask.zones) < 2:
        why = "one zone may be lost and there is only one"
        remedy, short = "Give subnets in two zones or more", 2 - len(ask.zones)
        reason = Infeasible(code="zones-short", why=why, remedy=remedy, short=short)
        return _refused(run, [reason])
    nodes, run.rejected, trouble = sized(ask)
    if trouble is not None:
        return _refused(run, [trouble])
    lean = run.without_dominated((*nodes, *ask.present))
    if ask.max_types is not None:
        # Most of the time goes to the plan with few types; without, only its bound is wanted.
        run.deadline = ask.deadline.part(_ANY_TYPES)
    elif ask.objective != "cost":
        run.deadline = ask.deadline.part(_FEWEST)
    try:
        found = answer(run, lean)
    except KeyboardInterrupt:
        run.stop()
        found = run.known
    if not run.interrupted:
        run.deadline = ask.deadline
    if found is None:
        return _none(run, lean)
    bound = found.bound
    if ask.max_types is not None:
        fewer = fewer_types(run, found, lean, ask.max_types)
        if fewer is None:
            why = f"no plan with {ask.max_types} types was found"
            code = "limits" if run.impossible else "not-found"
            return _no(run, code, why, "Allow more types")
        found, bound = fewer, max(bound, fewer.bound)
    return _written(run, found, bound, lean)


def _none(run: Solving, lean: tuple[NodeKind, ...]) -> FleetPlan:
    if run.interrupted:
        why = "the search was interrupted before it had a plan"
        return replace(_no(run, "not-found", why, "Let it run on"), status="interrupted")
    try:
        return _refused(run, why_not(run, lean, plan_of=plan_of))
    except KeyboardInterrupt:
        run.stop()
        return _none(run, lean)


def _written(run: Solving, found: Answer, bound: float, lean: tuple[NodeKind, ...]) -> FleetPlan:
    ask = run.ask
    groups = found.groups
    if ask.objective != "cost":
        groups = _cheapest(run, found, lean)
    demanded = _demanded(run, replace(found, groups=groups))
    if demanded is None:
        return _too_much(run)
    groups = demanded.groups
    value = value_of(groups, ask.objective)
    bound = min(max(bound, demanded.bound, ask.least_by_sums(lean)), value)
    status = status_of(value, bound, interrupted=run.interrupted)
    used = {group.instance_type for group in groups}
    try:
        left = left_over(ask, lean, used, value, deadline=run.deadline)
    except KeyboardInterrupt:
        left, status = [], "interrupted"
    return FleetPlan(
        **_basis(ask),
        feasible=True,
        groups=tuple(groups),
        cost_unit=ask.prices.unit,
        prices_as_of=ask.prices.as_of,
        scope=_scope(ask),
        launcher=ask.launcher,
        types_per_pod=_types_per_pod(run, used),
        reserved=asdict(ask.reserved),
        estimated_prices=tuple(sorted(used & ask.prices.estimated)),
        value=value,
        lower_bound=bound,
        lp_bound=min(found.lp_bound, value),
        rejected=tuple(sorted([*run.rejected, *left], key=lambda one: one.instance_type)),
        status=status,
        bound_of=_bound_of(run, value, bound),
    )


def _demanded(run: Solving, found: Answer) -> Answer | None:
    """The fleet with the types and nodes asked for at least; None where none was found."""
    ask = run.ask
    if (not found.groups and not ask.at_least) or (ask.min_types == 1 and not ask.at_least):
        return found
    least = _least_demanded(run)
    try:
        ways = [one for one in _ways(run, found) if one is not None]
    except KeyboardInterrupt:
        run.stop()
        ways = []
    if not ways:
        return None
    best = min(ways, key=lambda one: one.value)
    bound = max(found.bound, least, *(one.bound for one in ways))
    return replace(best, bound=min(bound, best.value), lp_bound=found.lp_bound)


def _ways(run: Solving, found: Answer) -> Iterator[Answer | None]:
    """Fleets with what is asked for at least: from the cheapest, exactly, and of small types."""
    ask = run.ask

    def with_least(groups: list[PlannedGroup], bound: float) -> Answer | None:
        more = met(ask, groups, run.every)
        return None if more is None else Answer(more, value_of(more, ask.objective), bound, 0.0)

    yield with_least(found.groups, 0.0)
    settled = run.settled(run.every, few=True, least=True)
    exact = None if settled is None else run.from_settled(settled, 0.0, 0.0)
    if exact is not None:
        yield with_least(exact.groups, exact.bound)
        return
    if settled is not None and settled.proved:
        run.impossible = True
        return
    costs = sorted({node.cost for node in run.lean})
    for most in costs[:: max(1, len(costs) // _SMALLER)]:
        small = tuple(node for node in run.lean if node.cost <= most)
        one = None if run.over() else answer(afresh(run), small, effort=BRIEF)
        yield None if one is None else with_least(one.groups, 0.0)


def _least_demanded(run: Solving) -> float:
    """Bound of the nodes that are asked for at least, whatever runs on them."""
    ask = run.ask
    each = [
        {"cost": node.cost, "nodes": 1.0, "addresses": float(node.addresses(0))}[ask.objective]
        for node in run.every
    ]
    named = {name: least for name, least in ask.at_least.items() if name in ask.catalog}
    value = sum(
        least
        * min(
            (v for v, node in zip(each, run.every, strict=True) if node.name == name), default=0.0
        )
        for name, least in named.items()
    )
    others = ask.at_least.get(ALL_NODES, 0) - sum(named.values())
    return value + max(0, others) * min(each, default=0.0)


def _cheapest(run: Solving, found: Answer, lean: tuple[NodeKind, ...]) -> list[PlannedGroup]:
    """Of the plans with no more nodes or addresses than the one found, a cheap one."""
    ask, groups = run.ask, found.groups
    limited = ask.limits or any(node.stock is not None for node in lean)
    if not limited and ask.max_types is None:
        groups = cheapened(groups, lean, ask.workloads)
    if run.interrupted or not groups:
        return groups
    names = {group.instance_type for group in groups}
    some = lean if ask.max_types is None else tuple(one for one in lean if one.name in names)
    tied = Solving(
        replace(
            ask,
            objective="cost",
            limits=ask.limits | {ask.objective: round(found.value)},
            progress=None,
        )
    )
    tied.deadline = run.deadline
    settled = tied.settled(some)
    try:
        if settled is not None and settled.proved:
            other = tied.from_settled(settled, 0.0, 0.0)
        elif limited or ask.spread:
            other = answer(tied, some)
        else:
            return _traded(run, groups, found.value, some)
    except KeyboardInterrupt:
        run.stop()
        return groups
    if other is None or other.value >= value_of(groups, "cost"):
        return groups
    return other.groups if value_of(other.groups, ask.objective) <= found.value else groups


def _traded(
    run: Solving, groups: list[PlannedGroup], most: float, nodes: tuple[NodeKind, ...]
) -> list[PlannedGroup]:
    """Make cost and objective small together, and keep what has no more of the objective."""
    ask = run.ask
    cost = value_of(groups, "cost")
    each, start = cost / max(most, 1.0), run.deadline
    for done, part in enumerate(_TRADES):
        run.deadline = start.part(1 / (len(_TRADES) - done))
        try:
            one = run.solved(nodes, coupled=False, objective="cost", weight=part * each)
        except KeyboardInterrupt:
            run.stop()
            break
        except OutOfTimeError:
            one = None
        if part == 0 and one is not None and ask.objective == "addresses":
            # Each number of addresses makes kinds of its own: only types that matter are left.
            costs = {group.cost for group in (*groups, *one.groups)}
            costs |= {node.cost for node in sorted(nodes, key=ask.least_alone)[:_LIKELY]}
            nodes = tuple(node for node in nodes if node.cost in costs)
        placed = None if one is None else one.groups
        if placed is not None and ask.limited:
            placed = placed_in(placed, ask.sites, held_by(nodes))
        if placed and value_of(placed, ask.objective) <= most and value_of(placed, "cost") < cost:
            groups, cost = placed, value_of(placed, "cost")
    return groups


def _scope(ask: Question) -> str:
    """The plans that are searched, in words: what a bound is of."""
    types = "the default types" if ask.candidates is None else "the candidates"
    parts = [f"of {types}", f"in {'prefix' if ask.prefix else 'secondary'} mode"]
    if ask.limited:
        certain = any(site.breaks for site in ask.sites)
        parts.append("in these subnets" + ", wherever their own addresses fall," * certain)
    elif ask.sites:
        parts.append("in these zones")
    if ask.limits:
        parts.append("within the limits on nodes")
    if ask.launcher == "karpenter":
        parts.append("by Karpenter's estimate")
    return " ".join(parts)


def _too_much(run: Solving) -> FleetPlan:
    """Why there is no plan with the types and nodes that are asked for at least."""
    ask = run.ask
    if not run.impossible:
        why = "no plan with what is asked for at least was found; that there is none is not proved"
        return _no(run, "not-found", why, "Ask for fewer nodes or types, or raise the time limit")
    if ask.min_types > 1:
        why = f"too few nodes, or types that hold their pods, for {ask.min_types} types"
        return _no(run, "types-short", why, "Ask for fewer types, or allow more candidates")
    why = "subnets and limits leave no room for the nodes asked for at least"
    return _no(run, "limits", why, "Ask for fewer nodes, or raise the limits")


def _bound_of(run: Solving, value: float, bound: float) -> str:
    """The plans that the bound is of, where it is not of those asked for alone."""
    ask = run.ask
    if run.even_only:
        return _EVEN
    loose = []
    if bound < value * (1 - PROVED):
        most = ask.max_types is not None and not run.few_types
        loose += ["any number of types"] * (most or ask.min_types > 1)
        loose += ["any number of nodes"] * bool(ask.at_least)
    return " and ".join(loose)


def _types_per_pod(run: Solving, used: set[str]) -> int:
    """How many planned types, up to those asked for, can run every pod: at least one."""
    ask, named = run.ask, {node.name: node for node in run.every}
    able = [
        sum(name in named and usable(load, named[name]) for name in used)
        for load, slot in zip(ask.workloads, ask.slots.tolist(), strict=True)
        if slot
    ]
    return max(1, min([ask.min_types, _MOST_VALUES, *able]))


def _basis(ask: Question) -> dict[str, Any]:
    """What every plan says of the question, feasible or not."""
    return {
        "objective": ask.objective,
        "price_basis": ask.prices.basis,
        "prefix_delegation": ask.prefix,
        "kubelet_max_pods": ask.kubelet,
        "daemon_pods": len(ask.daemons),
        "daemon_addresses": sum(not daemon.host_process for daemon in ask.daemons),
    }


def _no(run: Solving, code: str, why: str, remedy: str) -> FleetPlan:
    return _refused(run, [Infeasible(code=code, why=why, remedy=remedy)])


def _refused(run: Solving, reasons: list[Infeasible]) -> FleetPlan:
    ask = run.ask
    searched = any(reason.code == "not-found" for reason in reasons)
    return FleetPlan(
        **_basis(ask),
        feasible=False,
        rejected=tuple(sorted(run.rejected, key=lambda one: one.instance_type)),
        infeasible=tuple(reasons),
        status="not-found" if searched else "infeasible",
    )
