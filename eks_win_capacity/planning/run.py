"""One planning run: size the nodes, solve, and say what came of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from eks_win_capacity.planning.alternatives import beside, fewer_types
from eks_win_capacity.planning.answering import answer
from eks_win_capacity.planning.placement import cheapened, value_of
from eks_win_capacity.planning.plan import FleetPlan
from eks_win_capacity.planning.plan_values import Infeasible
from eks_win_capacity.planning.question import PROVED
from eks_win_capacity.planning.rejections import left_over
from eks_win_capacity.planning.shortage import why_not
from eks_win_capacity.planning.solving import Solving

if TYPE_CHECKING:
    from eks_win_capacity.packing.deadline import Deadline
    from eks_win_capacity.planning.model import Node
    from eks_win_capacity.planning.question import Answer, Question

__all__ = ["plan_of", "with_others"]

_EVEN: Final = "even shares of the zones"
"""Plans that the bound is of, where a zone may be lost and the patterns are too many to list."""

_ANY_TYPES: Final = 0.3
"""Part of the time for the plan with any types, where only some may be used."""


def with_others(ask: Question, *, end: Deadline) -> FleetPlan:
    """Plan, and the best plan with one type and in the other address mode beside it."""
    run = Solving(ask)
    plan = _plan(run)
    if not plan.feasible or not plan.groups or plan.status == "interrupted":
        return plan
    run.deadline = end
    run.ask = replace(ask, progress=None)
    try:
        return beside(run, plan, plan_of=plan_of)
    except KeyboardInterrupt:
        return plan


def plan_of(ask: Question) -> FleetPlan:
    """Plan, or the reason why there is none."""
    return _plan(Solving(ask))


def _plan(run: Solving) -> FleetPlan:
    ask = run.ask
    ask.check()
    if ask.zone_lost and len(ask.zones) < 2:
        return _no(
            run,
            "zones-short",
            "one zone may be lost and there is only one",
            "Give subnets in two zones or more",
            short=2 - len(ask.zones),
        )
    nodes, trouble = run.nodes()
    if trouble:
        return _no(run, *trouble)
    lean = run.without_dominated(nodes)
    if ask.max_types is not None:
        # Most of the time goes to the plan with few types; without, only its bound is wanted.
        run.deadline = ask.deadline.part(_ANY_TYPES)
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
        found = fewer
    return _written(run, found, bound, lean)


def _none(run: Solving, lean: tuple[Node, ...]) -> FleetPlan:
    if run.interrupted:
        plan = _no(
            run,
            "not-found",
            "the search was interrupted before it had a plan",
            "Let it run on",
        )
        return replace(plan, status="interrupted")
    try:
        return _refused(run, why_not(run, lean, plan_of=plan_of))
    except KeyboardInterrupt:
        run.stop()
        return _none(run, lean)


def _written(run: Solving, found: Answer, bound: float, lean: tuple[Node, ...]) -> FleetPlan:
    ask = run.ask
    groups, value = found.groups, found.value
    if ask.objective != "cost" and not ask.limits and ask.max_types is None:
        groups = cheapened(groups, lean, ask.workloads)
        value = value_of(groups, ask.objective)
    bound = min(max(bound, found.bound), value)
    gap = 1 - bound / value if value else 0.0
    status = "interrupted" if run.interrupted else "proved" if gap <= PROVED else "gap"
    used = {group.instance_type for group in groups}
    try:
        left = left_over(ask, lean, used, value, deadline=run.deadline)
    except KeyboardInterrupt:
        left, status = [], "interrupted"
    return FleetPlan(
        feasible=True,
        groups=tuple(groups),
        objective=ask.objective,
        cost_unit=ask.prices.unit if ask.objective == "cost" else ask.objective,
        price_basis=ask.prices.basis,
        price_unit=ask.prices.unit,
        launcher=ask.launcher,
        reserved=_reserved(ask),
        estimated_prices=tuple(sorted(used & ask.prices.estimated)),
        cost=value,
        lower_bound=bound,
        lp_bound=min(found.lp_bound, value),
        prefix_delegation=ask.prefix,
        kubelet_max_pods=ask.kubelet,
        daemon_pods=len(ask.daemons),
        daemon_addresses=sum(not daemon.host_process for daemon in ask.daemons),
        rejected=tuple(sorted([*run.rejected, *left], key=lambda one: one.instance_type)),
        status=status,
        bound_of=_EVEN if run.even_only else "",
    )


def _reserved(ask: Question) -> dict[str, int]:
    reserved = ask.reserved
    return {
        "cpu_m": reserved.cpu_m,
        "system_memory_mib": reserved.system_memory_mib,
        "kube_memory_mib": reserved.kube_memory_mib,
        "eviction_mib": reserved.eviction_mib,
    }


def _no(  # noqa: PLR0917
    run: Solving, code: str, why: str, remedy: str, subject: str = "", short: int = 0
) -> FleetPlan:
    reason = Infeasible(code=code, why=why, remedy=remedy, subject=subject, short=short)
    return _refused(run, [reason])


def _refused(run: Solving, reasons: list[Infeasible]) -> FleetPlan:
    ask = run.ask
    searched = any(reason.code == "not-found" for reason in reasons)
    return FleetPlan(
        feasible=False,
        objective=ask.objective,
        price_basis=ask.prices.basis,
        prefix_delegation=ask.prefix,
        kubelet_max_pods=ask.kubelet,
        daemon_pods=len(ask.daemons),
        daemon_addresses=sum(not daemon.host_process for daemon in ask.daemons),
        rejected=tuple(sorted(run.rejected, key=lambda one: one.instance_type)),
        infeasible=tuple(reasons),
        status="not-found" if searched else "infeasible",
    )
