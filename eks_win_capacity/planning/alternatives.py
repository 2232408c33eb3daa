"""Which other fleets compare with the plan: of few types, of the other mode, on a reservation."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import operator
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from eks_win_capacity.addresses.sizes import reservation_plan
from eks_win_capacity.addresses.subnet import Subnet
from eks_win_capacity.core.errors import count_of
from eks_win_capacity.packing.deadline import OutOfTimeError
from eks_win_capacity.packing.relaxation import fluid_bound
from eks_win_capacity.planning.candidates import alone as values_alone
from eks_win_capacity.planning.model import build
from eks_win_capacity.planning.plan_values import Alternative, PlanValues
from eks_win_capacity.planning.question import BRIEF, NEAR, PROVED, cheaper
from eks_win_capacity.planning.solving import answer as answer_of
from eks_win_capacity.planning.solving import by_sums, quick

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_win_capacity.packing.deadline import Deadline
    from eks_win_capacity.planning.plan import FleetPlan
    from eks_win_capacity.planning.plan_values import PlannedGroup
    from eks_win_capacity.planning.question import Answer, NodeKind, Question, Site
    from eks_win_capacity.planning.solving import Solving

    _Choice = tuple[float, tuple[NodeKind, ...]]
    """A lower bound on all plans with some types, and these types."""

__all__ = ["beside", "fewer_types", "with_certainty"]

_CERTAIN: Final = 0.7
"""Part of the time for the certain plan; the rest is for the one that needs a reservation."""

_CHOICES: Final = 300
"""Choices of a few types up to which the bound of each is computed."""

_JOINT_PART, _EACH_PART = 0.25, 0.4
"""Part of the time for all choices in one program, and of the time left for one of them."""

_EXACT_PART: Final = 0.5
"""Part of that time to solve it exactly."""

_TRIED: Final = 4
"""Types, cheapest first-fit, that are solved to find the best single one."""


def beside(run: Solving, plan: FleetPlan, *, plan_of: Callable[[Question], FleetPlan]) -> FleetPlan:
    """
    The plan with the best plan of one type and that of the other address mode.

    After the time limit nothing is solved: what is unknown by then is omitted.
    """
    if run.over():
        return plan
    single = _single(run, plan)
    if run.over():
        return replace(plan, single_type=single)
    name = "prefix delegation" if not run.ask.prefix else "secondary addresses"
    sites = run.ask.sites if run.ask.other_sites is None else run.ask.other_sites()
    other = {"prefix": not run.ask.prefix, "pool": None, "effort": BRIEF, "sites": sites}
    best = plan_of(run.afresh(**other).ask)
    if best.status == "interrupted" or (not best.feasible and run.over()):
        return replace(plan, single_type=single)
    if best.feasible:
        mode = alternative(name, list(best.groups))
    else:
        mode = Alternative(name=name, nodes=0, cost=0.0, addresses=0, why=best.infeasible[0].why)
    return replace(plan, single_type=single, other_mode=mode)


def alternative(name: str, groups: list[PlannedGroup]) -> Alternative:
    """Totals of groups, as an alternative to the plan."""
    plan = PlanValues(feasible=True, groups=tuple(groups))
    return Alternative(
        name=name,
        nodes=plan.nodes,
        cost=plan.cost,
        addresses=plan.addresses,
        prefixes=plan.prefixes,
        types=plan.types,
    )


def _single(run: Solving, plan: FleetPlan) -> Alternative:
    name = "best single type"
    if len(plan.types) == 1:
        return alternative(f"{name}, {next(iter(plan.types))}", list(plan.groups))
    best, _ = _best_among(run, _alone(run, run.lean))
    if best is None:
        return Alternative(
            name=name, nodes=0, cost=0.0, addresses=0, why="no single type runs all workloads"
        )
    return alternative(f"{name}, {best.groups[0].instance_type}", best.groups)


def _best_among(run: Solving, choices: list[_Choice]) -> tuple[Answer | None, float]:
    """Best answer of a few choices of types, in their order, and a lower bound on all of them."""
    best: Answer | None = None
    bounds: list[float] = [bound for bound, _ in choices]
    tried = 0
    for at, (bound, nodes) in enumerate(choices):
        if run.over() or (tried >= _TRIED and best is not None):
            break
        if best is not None and bound >= best.value:
            continue
        answer = answer_of(run.afresh(), nodes, effort=BRIEF)
        tried += 1
        if answer is not None:
            bounds[at] = max(bound, answer.bound)
            best = cheaper(best, answer)
    return best, min(bounds, default=0.0)


def fewer_types(
    run: Solving, answer: Answer, nodes: tuple[NodeKind, ...], top: int
) -> Answer | None:
    """Best answer with at most ``top`` types: exact if possible, else by search."""
    few = len({group.instance_type for group in answer.groups}) <= top
    if few and (run.over() or answer.value - run.bound <= NEAR * answer.value):
        return answer
    answers: list[Answer] = [answer] if few else []
    least: float | None = None
    try:
        choices = _choices(run, nodes, top)
        if _joint(run, nodes, run.deadline.part(_JOINT_PART) if choices else run.deadline, answers):
            return answers[-1] if answers else None
        if choices:
            least = _among_choices(run, choices, answers)
            if not answers and _joint(run, nodes, run.deadline, answers):
                return answers[-1] if answers else None
        else:
            if top > 1 and not few:
                _by_dropping(run, answer, nodes, top, answers)
            single, alone = _best_among(run, _alone(run, nodes))
            answers += [] if single is None else [single]
            least = alone if top == 1 else least
    except KeyboardInterrupt:
        run.stop()
    except (OutOfTimeError, ArithmeticError):
        pass
    if not answers and run.over():
        # After an interrupt there is time to pack the most likely single type first-fit.
        packed = (quick(run, alone) for _, alone in _alone(run, nodes))
        answers += itertools.islice(filter(None, packed), 1)
    if not answers:
        return None
    if least is None and top == 1 and run.ask.objective == "cost":
        least = min(map(run.ask.least_alone, nodes), default=0.0)
    run.few_types = least is not None
    run.even_only |= run.few_types and run.ask.zone_lost
    run.prove(least or 0.0)
    return min(answers, key=lambda one: one.value)


def _joint(
    run: Solving, nodes: tuple[NodeKind, ...], until: Deadline, answers: list[Answer]
) -> bool:
    """Add the exact answer over all choices of types; return whether it is proved."""
    settled = None if run.over() else run.settled(nodes, few=True, until=until)
    exact = run.chosen(settled)
    answers += [] if exact is None else [exact]
    if settled is None or not settled.proved:
        return False
    run.impossible = settled.packed is None
    run.prove(0.0 if exact is None else exact.bound)
    return True


def _among_choices(run: Solving, choices: list[_Choice], answers: list[Answer]) -> float:
    """
    Add answers with one of the choices of types, the best last, and return a bound on all.

    The choice with the least bound is next: first by sums of nodes, then exactly, then by search,
    until its bound reaches the cost of the best answer.
    """
    best = min(answers, key=lambda one: one.value, default=None)
    queue = [(bound, 0, at) for at, (bound, _) in enumerate(choices)]
    left: list[float] = []
    while queue and not run.over():
        most = math.inf if best is None else best.value
        if queue[0][0] >= most * (1 - PROVED):
            break
        bound, looks, at = heapq.heappop(queue)
        one = run.afresh()
        one.prove(bound)
        if queue and looks:
            one.deadline = run.deadline.part(_EACH_PART)
        with contextlib.suppress(OutOfTimeError, ArithmeticError):
            best = cheaper(best, _LOOKS[looks](one, choices[at][1], most))
            answers += [] if best is None else [best]
        if one.interrupted:
            run.stop()
        if looks + 1 < len(_LOOKS):
            heapq.heappush(queue, (one.bound, looks + 1, at))
        else:
            left.append(one.bound)
    return min([*(one.value for one in answers), *left, *(bound for bound, _, _ in queue)])


def _settled(run: Solving, nodes: tuple[NodeKind, ...], below: float) -> Answer | None:
    """Exact answer of a choice if it costs less than ``below``; if none does, that is the bound."""
    until = run.deadline.part(_EXACT_PART)
    settled = run.settled(nodes, until=until, known=run.bound, below=below, summed=True)
    if settled is None:
        return None
    answer = run.chosen(settled)
    run.prove(below * (1 - PROVED) if settled.proved and answer is None else settled.bound)
    return answer


def _searched(run: Solving, nodes: tuple[NodeKind, ...], _: float) -> Answer | None:
    """Answer of a choice by search."""
    return answer_of(run, nodes)


def _alone(run: Solving, nodes: tuple[NodeKind, ...]) -> list[_Choice]:
    """Each type that can run all workloads alone with a lower bound, the cheapest first-fit first."""
    able: list[tuple[float, str, _Choice]] = []
    for value, node in zip(values_alone(run.ask, nodes, deadline=run.deadline), nodes, strict=True):
        if value is not None:
            bound = run.ask.least_alone(node)
            # Types that there was no time to pack are ordered by the bound.
            order = bound if math.isnan(value) else value
            choice = (bound if run.ask.objective == "cost" else 0.0, (node,))
            able.append((order, node.name, choice))
    return [choice for *_, choice in sorted(able, key=lambda one: one[:2])]


def _choices(run: Solving, nodes: tuple[NodeKind, ...], top: int) -> list[_Choice]:
    """All choices of ``top`` types by their lower bounds; none if there are too many."""
    ask = run.ask
    names = sorted({node.name for node in nodes})
    if math.comb(len(names), top) > _CHOICES:
        return []
    model = build(ask, nodes, objective=ask.objective)
    choices: list[_Choice] = []
    for chosen in itertools.combinations(names, top):
        kinds = np.nonzero([nodes[at].name in chosen for at in model.node])[0]
        bound = fluid_bound(model.problem.only(kinds), deadline=run.deadline)
        if bound < math.inf:
            choices.append((bound, tuple(node for node in nodes if node.name in chosen)))
    return sorted(choices, key=operator.itemgetter(0))


def _by_dropping(
    run: Solving, answer: Answer, nodes: tuple[NodeKind, ...], top: int, answers: list[Answer]
) -> None:
    """Add an answer by dropping the least used types one by one until few enough are left."""
    groups = answer.groups
    names = {group.instance_type for group in groups}
    while len(names) > top and not run.over():
        weight = {
            name: sum(g.cost * g.nodes for g in groups if g.instance_type == name) for name in names
        }
        kept = sorted(names, key=lambda name: (-weight[name], name))[: max(top, len(names) - 1)]
        tried = answer_of(
            run.afresh(), tuple(node for node in nodes if node.name in kept), effort=BRIEF
        )
        if tried is None:
            return
        groups = tried.groups
        names = {group.instance_type for group in groups}
        if len(names) <= top:
            answers.append(tried)


def with_certainty(
    ask: Question,
    best_sites: tuple[Site, ...],
    *,
    compare: bool,
    plan_of: Callable[[Question], FleetPlan],
) -> FleetPlan:
    """
    The certain plan, with the best one for comparison; else one that requires a reservation.

    EC2 assigns a node's own address anywhere, and it may break a whole block. A certain plan counts
    such a block for every node. If none exists, blocks reserved for prefixes keep those addresses
    out: the plan then names what to reserve, and requires it.
    """
    plan = plan_of(replace(ask, deadline=ask.deadline.part(_CERTAIN)))
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
    """Reservations by subnet, and the commands where the used addresses are known."""
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


_LOOKS: Final = (by_sums, _settled, _searched)
"""Methods to find the answer with one choice of types, in order."""
