"""The solver's calls for one question: without zones, with them, and settled exactly."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.packing.deadline import Deadline, OutOfTimeError
from eks_win_capacity.packing.problem import total_cost
from eks_win_capacity.packing.solve import solve
from eks_win_capacity.planning.model import (
    ALL_ADDRESSES,
    ALL_NODES,
    Site,
    build,
    dominated,
    levels,
    named,
)
from eks_win_capacity.planning.patterns import list_patterns
from eks_win_capacity.planning.placement import least_of_each, merged, starts_of, value_of
from eks_win_capacity.planning.plan_values import Rejection
from eks_win_capacity.planning.question import ROUGH, Answer
from eks_win_capacity.planning.zones_exact import settle

if TYPE_CHECKING:
    from eks_win_capacity.packing.problem import Ints, Packed
    from eks_win_capacity.planning.model import Model, NodeKind
    from eks_win_capacity.planning.question import Question
    from eks_win_capacity.planning.zones_exact import Settled

__all__ = ["Solving"]

_FEW: Final = 8
"""Shapes of pods up to which the search goes on to a quarter of a percent."""

_LARGE: Final = 8_000
"""Nodes from which it goes on to less than a tenth of a percent."""

_TOTALS: Final = frozenset({ALL_NODES, ALL_ADDRESSES})
"""Limits that no single type is named in."""

_TABLE: Final = 120_000
"""Kinds times shapes up to which zones and subnets are solved with all types together."""


class Solving:
    """
    One question on its way to an answer.

    Attributes
    ----------
    ask : Question
        The question.
    deadline : Deadline
        When to stop; later for what stands beside the plan.
    known : Answer or None
        The best answer so far.
    interrupted : bool
        Whether somebody asked to stop.
    impossible : bool
        Whether it is proved that there is no answer.
    even_only : bool
        Whether the bound is that of plans with even shares of the zones.
    few_types : bool
        Whether the bound is that of plans with no more types than asked for.
    rejected : list of Rejection
        Candidates left out so far.
    every, lean : tuple of NodeKind
        All types of use; the types that no other one beats in everything.
    """

    def __init__(self, ask: Question) -> None:
        self.ask = ask
        self.deadline = ask.deadline
        self.known: Answer | None = None
        self.interrupted = False
        self.impossible = False
        self.even_only = False
        self.few_types = False
        self.rejected: list[Rejection] = []
        self.lean: tuple[NodeKind, ...] = ()
        self.every: tuple[NodeKind, ...] = ()

    def stop(self) -> None:
        """Remember an interrupt, and leave a moment for what must still be said."""
        self.interrupted = True
        self.deadline = Deadline.after(0.0)

    def over(self) -> bool:
        """Whether there is no time left, or somebody asked to stop."""
        return self.interrupted or self.deadline.over()

    def without_dominated(self, nodes: tuple[NodeKind, ...]) -> tuple[NodeKind, ...]:
        """Leave out the types that another one beats in everything."""
        ask = self.ask
        pinned = (set(ask.limits) - _TOTALS).union(*(load.allowed_types for load in ask.workloads))
        beaten = dominated(
            nodes,
            addresses=ask.limited or ask.objective == "addresses" or ALL_ADDRESSES in ask.limits,
            pinned=pinned,
        )
        for place, winner in beaten.items():
            if nodes[place].purchase != "on-demand":
                continue
            self.rejected.append(
                Rejection(
                    instance_type=nodes[place].name,
                    code="dominated",
                    subject=nodes[winner].name,
                    why=(
                        f"dominated by {nodes[winner].name}, which has no less room of any kind "
                        "and costs no more"
                    ),
                )
            )
        self.every = nodes
        self.lean = tuple(node for place, node in enumerate(nodes) if place not in beaten)
        return self.lean

    def settled(
        self, nodes: tuple[NodeKind, ...], *, few: bool = False, least: bool = False, **asked: Any
    ) -> Settled | None:
        """
        Settle zones and subnets exactly; None where there are too many patterns, or no time.

        Types at most count only where ``few`` says so, and what is asked for at least where
        ``least`` does. ``asked`` goes on to `settle`.
        """
        ask = replace(
            self.ask,
            max_types=self.ask.max_types if few else None,
            min_types=self.ask.min_types if least else 1,
            at_least=self.ask.at_least if least else {},
        )
        every_type = least or ask.max_types is not None or bool(set(ask.limits) - _TOTALS)
        every_type = every_type or any(node.stock is not None for node in nodes)
        try:
            self.deadline.check()
            model = build(
                ask.workloads,
                ask.slots,
                nodes,
                ask.sites or (Site(zone=""),),
                objective="cost",
                limits=ask.limits,
                coupled=True,
                spread_all=ask.zone_lost,
                staying=ask.staying,
            )
            empty = bool(ask.at_least)
            patterns = list_patterns(
                model, every_type=every_type, empty=empty, deadline=self.deadline
            )
            if patterns is None:
                return None
            return settle(model, patterns, ask, deadline=self.deadline, **asked)
        except OutOfTimeError:
            return None
        except KeyboardInterrupt:
            self.stop()
            return None

    def from_settled(self, settled: Settled, bound: float, lp_bound: float) -> Answer | None:
        """Answer of a settled choice."""
        if settled.packed is None:
            return None
        ask = self.ask
        groups = named(settled.model, ask.workloads, ask.slots, settled.packed, shrink=False)
        value = value_of(groups, ask.objective)
        return Answer(merged(groups), value, max(bound, min(settled.bound, value)), lp_bound)

    def solved(
        self,
        nodes: tuple[NodeKind, ...],
        *,
        coupled: bool,
        objective: str | None = None,
        prefixes: bool = False,
        effort: float | None = None,
        turn: int = 0,
        slots: Ints | None = None,
        limits: dict[str, int] | None = None,
        deadline: Deadline | None = None,
        weight: float = 0.0,
    ) -> Answer | None:
        """
        Solve once.

        Parameters
        ----------
        coupled : bool
            Whether zones and subnets count.
        objective : str, optional
            Another one than was asked for.
        prefixes : bool
            Whether ``addresses`` counts prefixes.
        effort : float, optional
            Part of the usual work.
        turn : int
            Which zone takes the first odd pod.
        slots : int array, optional
            Places of each workload, where not all are to be packed.
        limits : dict, optional
            Other limits on nodes than were asked for.
        deadline : Deadline, optional
            An earlier end than that of the whole.
        weight : float
            What each node or address counts beside its cost, as the objective asked for says.
        """
        ask = self.ask
        objective = objective or ask.objective
        slots = ask.slots if slots is None else slots
        every, nodes = nodes, self._promising(nodes) if coupled else nodes
        model = build(
            ask.workloads,
            slots,
            nodes,
            ask.sites,
            objective=objective,
            limits=ask.limits if limits is None else limits,
            coupled=coupled,
            spread_all=ask.zone_lost,
            count_prefixes=prefixes,
            turn=turn,
            weights={ask.objective: weight},
            staying=ask.staying,
        )
        problem = model.problem
        if not problem.count.any():
            return Answer([], 0.0, 0.0, 0.0)
        if (problem.count[~problem.most_per_node().any(axis=0)] > 0).any():
            return None
        # A plan without zones and subnets is shown as progress only where it may be the answer.
        tell = objective == ask.objective and (coupled or not ask.spread) and slots is ask.slots
        packed, bound, lp_bound = self.searched(
            model,
            deadline=self.deadline if deadline is None else deadline,
            effort=ask.effort if effort is None else effort,
            step=0.0 if objective == "cost" else 1.0,
            tell=tell,
        )
        if packed is None:
            # Only what binds every plan proves that there is none.
            fixed = coupled and (ask.zone_lost or ask.odd)
            if bound == np.inf and nodes == every and slots is ask.slots and not fixed:
                self.impossible = True
            return None
        if nodes != every:
            # What is proved of some of the types is not proved of all.
            bound = lp_bound = 0.0
        # A smaller node may take other shares of what is limited, and other addresses.
        free = not coupled and not len(problem.limit) and objective != "addresses"
        groups = named(model, ask.workloads, slots, packed, shrink=free)
        value = value_of(groups, objective, prefixes=prefixes)
        return Answer(merged(groups), value, min(bound, value), min(lp_bound, value))

    def searched(
        self,
        model: Model,
        *,
        deadline: Deadline,
        effort: float,
        step: float,
        tell: bool,
    ) -> tuple[Packed | None, float, float]:
        """The best packing of a search, its bound and its linear bound; interrupted, what it had."""
        problem, starts = model.problem, starts_of(model, deadline=deadline)
        best: list[Any] = [None, 0.0]

        def report(packed: Packed, bound: float) -> None:
            best[0], best[1] = packed, bound
            if self.ask.progress is not None and tell:
                self.ask.progress(total_cost(problem, packed), bound)

        size = sum(int(start.number.sum()) for start in starts[:1])
        target = 8e-4 if size >= _LARGE else 2.5e-3 if problem.shapes <= _FEW else 4.5e-3
        try:
            return solve(
                problem,
                starts=starts,
                target=max(target, ROUGH) if effort < 1 else target,
                deadline=deadline,
                effort=effort,
                step=step,
                report=report,
            )
        except KeyboardInterrupt:
            self.stop()
            packed = best[0]
            if packed is None:
                packed = min(starts, key=lambda one: total_cost(problem, one), default=None)
            return packed, best[1], best[1]

    def _promising(self, nodes: tuple[NodeKind, ...]) -> tuple[NodeKind, ...]:
        """Choose types so few that zones and subnets are solved in time: in use, or cheap."""
        ask = self.ask
        each = np.array([len(levels(node, flat=False)) if ask.limited else 1 for node in nodes])
        weight = each * len(ask.sites) * max(len(ask.workloads), 1)
        if weight.sum() <= _TABLE:
            return nodes
        model = build(
            ask.workloads, ask.slots, nodes, (), objective="cost", limits={}, coupled=False
        )
        score = least_of_each(model)
        most = model.problem.most_per_node() > 0
        needed = set()
        if self.known is not None:
            needed = {group.instance_type for group in self.known.groups}
        chosen = np.array([node.name in needed for node in nodes])
        for shape in np.nonzero(model.problem.count > 0)[0]:
            able = np.nonzero(most[:, shape])[0]
            if len(able) and not chosen[able].any():
                chosen[able[np.argmin(score[able])]] = True
        total = int(weight[chosen].sum())
        for place in np.argsort(score, kind="stable").tolist():
            if not chosen[place] and total + weight[place] <= _TABLE:
                chosen[place] = True
                total += int(weight[place])
        return tuple(node for node, use in zip(nodes, chosen, strict=True) if use)
