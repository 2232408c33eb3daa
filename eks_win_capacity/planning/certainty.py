"""Prefix plans in subnets: what is certain leads, and what a reservation would allow stands beside."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from eks_win_capacity.addresses.reserve import reservation_plan
from eks_win_capacity.addresses.subnet import Subnet
from eks_win_capacity.core.display import count_of
from eks_win_capacity.planning.alternatives import alternative
from eks_win_capacity.planning.question import BRIEF

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_win_capacity.planning.model import Site
    from eks_win_capacity.planning.plan import FleetPlan
    from eks_win_capacity.planning.question import Question

__all__ = ["with_certainty"]


def with_certainty(
    ask: Question,
    plan: FleetPlan,
    *,
    best_sites: tuple[Site, ...],
    compare: bool,
    plan_of: Callable[[Question], FleetPlan],
) -> FleetPlan:
    """
    The plan that is certain, with the best one beside it; else one that rests on a reservation.

    A node's own address falls on any free one and may break a whole block. A plan counts such a
    block for every node. Where none is certain so, blocks that are reserved for prefixes keep
    those addresses out: the plan then names what to reserve, and rests on it.
    """
    if plan.status == "interrupted":
        return plan
    best_ask = replace(ask, sites=best_sites, progress=None)
    if plan.feasible:
        if not compare or not plan.prefixes or ask.deadline.over():
            return plan
        best = plan_of(replace(best_ask, effort=BRIEF))
        if not best.feasible or best.value >= plan.value * (1 - 1e-9):
            return plan
        return replace(plan, best=alternative("prefixes reserved", list(best.groups)))
    best = plan_of(best_ask)
    if not best.feasible or not best.prefixes:
        return best
    lines, commands = _reservations(best, best_sites)
    return replace(best, rests_on=lines, reservation_commands=commands)


def _reservations(
    plan: FleetPlan, sites: tuple[Site, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What to reserve in each subnet, with the commands where its used addresses are known."""
    wanted = Counter[str]()
    for group in plan.groups:
        wanted[group.subnet] += group.nodes * group.prefixes
    lines: list[str] = []
    commands: list[str] = []
    for site in sites:
        if not wanted[site.subnet]:
            continue
        lines.append(f"{count_of(wanted[site.subnet], '/28 block')} of {site.subnet}")
        if isinstance(site.source, Subnet) and not site.guessed:
            commands += reservation_plan(site.source, prefixes=wanted[site.subnet]).commands
    return tuple(lines), tuple(commands)
