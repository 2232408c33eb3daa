"""One planning run: size the nodes, solve, and say what came of it."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.core.errors import InputError
from eks_win_capacity.packing.packings import total_cost
from eks_win_capacity.packing.solve import solve
from eks_win_capacity.planning.alternatives import beside, fewer_types
from eks_win_capacity.planning.costs import PriceList, read_prices
from eks_win_capacity.planning.model import ALL_NODES, Node, Site, build, dominated, named
from eks_win_capacity.planning.patterns import list_patterns
from eks_win_capacity.planning.placement import cheapened, merged, placed_in, starts_of, value_of
from eks_win_capacity.planning.plan import FleetPlan, Infeasible, NodeGroup, Rejection
from eks_win_capacity.planning.rejections import left_over
from eks_win_capacity.planning.required_pods import slots_of as _slots
from eks_win_capacity.planning.shortage import why_not
from eks_win_capacity.planning.sizing import fits, sized
from eks_win_capacity.planning.workloads import read_daemons as _daemons
from eks_win_capacity.planning.zones import in_zones, quick
from eks_win_capacity.planning.zones_exact import settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_win_capacity.addresses.warm_pool import WarmPool
    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.packing.first_fit import Packed
    from eks_win_capacity.packing.problem import Ints
    from eks_win_capacity.planning.sizing import Trouble
    from eks_win_capacity.planning.workloads import Load
    from eks_win_capacity.planning.zones_exact import Settled

__all__ = ["_Run", "_daemons", "_slots"]

_FEW: Final = 8
"""Shapes of pods up to which the search goes on to a quarter of a percent."""

BRIEF: Final = 0.1
"""Part of the usual work that goes into a plan that is only a step or a comparison."""

NEAR: Final = 2.5e-3
"""Gap from which small fleets are settled exactly."""

ROUGH: Final = 0.01
"""Gap at which such a plan is good enough."""

Answer = tuple[list[NodeGroup], float, float, float]
"""Nodes, their cost, the proved bound and the part of it that the linear program proves."""


def better(one: Answer | None, other: Answer | None) -> Answer | None:
    """Give the cheaper answer; what both prove holds for it."""
    if one is None or other is None:
        return other if one is None else one
    groups, value, _, lp_bound = min(one, other, key=lambda answer: answer[1])
    return groups, value, min(max(one[2], other[2]), value), lp_bound


class _Run:
    """One planning run and what it was asked."""

    workloads: tuple[Load, ...]
    objective: str
    prefix: bool
    pool: WarmPool | None
    kubelet: int | None
    reserved: Any
    daemons: tuple[Load, ...]
    node_cost: float | None = None
    surge: float | str = 0
    zone_lost: bool = False
    max_types: int | None = None
    limits: dict[str, int]
    sites: tuple[Site, ...]
    other_sites: Callable[[], tuple[Site, ...]] | None = None
    catalog: Catalog
    candidates: Any
    until: float = math.inf
    progress: Callable[[float, float], None] | None = None
    effort: float = 1.0

    def __init__(self, **asked: Any) -> None:
        self.asked = asked
        self.__dict__.update(asked)
        self.prices: PriceList = read_prices(asked.get("prices"), self.node_cost)
        self.interrupted = False
        self.rejected: list[Rejection] = []
        self.known: Answer | None = None
        self.ruled_out = False
        self.limited = any(site.free >= 0 for site in self.sites)
        self.spread = any(load.zone_spread for load in self.workloads) or self.zone_lost

    def changed(self, **changes: Any) -> _Run:
        """Give a run with some inputs changed."""
        return _Run(**{**self.asked, **changes})

    def plan(self) -> FleetPlan:
        """Solve, or say why not."""
        zones = {site.zone for site in self.sites}
        if self.spread and (not zones or "" in zones):
            raise InputError(
                "spreading over zones needs subnets that tell their zone, or zones=('a', 'b', ...)"
            )
        if self.zone_lost and len(zones) < 2:
            return self.no(
                "zones-short",
                "one zone may be lost and there is only one",
                "Give subnets in two zones or more",
                short=2 - len(zones),
            )
        self.count_slots(len(zones))
        nodes, trouble = self._nodes()
        if trouble:
            return self.no(*trouble)
        lean = self._lean(nodes)
        try:
            answer = self.answer(lean)
        except KeyboardInterrupt:
            self.interrupted = True
            answer = self.known
        if answer is None:
            return self._none(lean)
        bound = answer[2]
        if self.max_types is not None:
            answer = fewer_types(self, answer, lean, self.max_types)
            if answer is None:
                return self.no(
                    "limits", f"no plan with {self.max_types} types was found", "Allow more types"
                )
        return self._plan(answer, bound, lean)

    def count_slots(self, zones: int) -> None:
        """Count the places that each workload needs."""
        self.wanted = _slots(self.workloads, self.surge, zones, zone_lost=False)
        self.slots = _slots(self.workloads, self.surge, zones, zone_lost=self.zone_lost)

    def _lean(self, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
        """Leave out the types that another one beats in everything."""
        pinned = (set(self.limits) - {ALL_NODES}).union(
            *(load.allowed_types for load in self.workloads)
        )
        beaten = dominated(
            nodes, addresses=self.limited or self.objective == "addresses", pinned=pinned
        )
        for place, better in beaten.items():
            self.rejected.append(
                Rejection(
                    instance_type=nodes[place].name,
                    code="dominated",
                    subject=nodes[better].name,
                    why=(
                        f"dominated by {nodes[better].name}, which has no less room of any kind "
                        "and costs no more"
                    ),
                )
            )
        self.lean = tuple(node for place, node in enumerate(nodes) if place not in beaten)
        return self.lean

    def _none(self, lean: tuple[Node, ...]) -> FleetPlan:
        if self.interrupted:
            plan = self.no(
                "not-found", "the search was interrupted before it had a plan", "Let it run on"
            )
            return replace(plan, status="interrupted")
        return why_not(self, lean)

    def _plan(self, answer: Answer, bound: float, lean: tuple[Node, ...]) -> FleetPlan:
        groups, value, own_bound, lp_bound = answer
        if self.objective != "cost" and not self.limits and self.max_types is None:
            groups = cheapened(groups, lean, self.workloads)
            value = value_of(groups, self.objective)
        bound = min(max(bound, own_bound), value)
        gap = 1 - bound / value if value else 0.0
        status = "interrupted" if self.interrupted else "proved" if gap <= 1e-6 else "gap"
        used = {group.instance_type for group in groups}
        try:
            left = left_over(self, lean, used, value)
        except KeyboardInterrupt:
            left, status = [], "interrupted"
        unit = self.prices.unit if self.objective == "cost" else self.objective
        return FleetPlan(
            feasible=True,
            groups=tuple(groups),
            objective=self.objective,
            cost_unit=unit,
            price_basis=self.prices.basis,
            estimated_prices=tuple(sorted(used & self.prices.estimated)),
            cost=value,
            lower_bound=bound,
            lp_bound=min(lp_bound, value),
            prefix_delegation=self.prefix,
            kubelet_max_pods=self.kubelet,
            daemon_pods=len(self.daemons),
            daemon_addresses=sum(not daemon.host_process for daemon in self.daemons),
            rejected=tuple(sorted([*self.rejected, *left], key=lambda one: one.instance_type)),
            status=status,
        )

    def no(self, code: str, why: str, remedy: str, subject: str = "", short: int = 0) -> FleetPlan:
        """Give the plan that there is not, with its reason."""
        return self.refused(
            [Infeasible(code=code, why=why, remedy=remedy, subject=subject, short=short)]
        )

    def refused(self, reasons: list[Infeasible]) -> FleetPlan:
        """Give the plan that there is not, with its reasons."""
        return FleetPlan(
            feasible=False,
            objective=self.objective,
            price_basis=self.prices.basis,
            prefix_delegation=self.prefix,
            kubelet_max_pods=self.kubelet,
            daemon_pods=len(self.daemons),
            daemon_addresses=sum(not daemon.host_process for daemon in self.daemons),
            rejected=tuple(sorted(self.rejected, key=lambda one: one.instance_type)),
            infeasible=tuple(reasons),
            status="infeasible",
        )

    def _nodes(self) -> tuple[tuple[Node, ...], Trouble | None]:
        """Size the candidates, and find the workload that fits none of them."""
        nodes, self.rejected, trouble = sized(self)
        return nodes, trouble

    def answer(self, nodes: tuple[Node, ...], *, effort: float | None = None) -> Answer | None:
        """Find the best nodes of some types, where they may stand included."""
        if self.spread:
            # Only its bound is wanted.
            loose = self.solved(nodes, coupled=False, effort=effort)
        else:
            loose = self._or_alone(nodes, self.solved(nodes, coupled=False, effort=effort))
        if loose is None:
            return None if self.interrupted else self._exact(nodes, 0.0, 0.0)
        _, value, bound, lp_bound = loose
        if self.spread:
            placed = None
        else:
            placed = placed_in(loose[0], self.sites) if self.limited else loose[0]
        if placed is not None:
            self.known = (placed, value, bound, lp_bound)
            if self.interrupted or effort is not None or value - bound <= NEAR * value:
                return self.known
        elif self.interrupted:
            return quick(self, nodes, bound, lp_bound)
        exact = self._exact(nodes, bound, lp_bound)
        if placed is not None:
            return better(self.known, exact)
        if exact is not None or self.ruled_out:
            return exact
        return in_zones(self, nodes, bound, lp_bound, effort=effort)

    def _exact(self, nodes: tuple[Node, ...], bound: float, lp_bound: float) -> Answer | None:
        """Settle it exactly where all patterns can be listed."""
        settled = self.settled(nodes, evenly=True, known=bound) if self.zone_lost else None
        if settled is not None and settled.packed is not None:
            return self.from_settled(settled, bound, lp_bound)
        settled = self.settled(nodes, known=bound)
        self.ruled_out = settled is not None and settled.packed is None and settled.proved
        if settled is None:
            return None
        found = self.from_settled(settled, bound, lp_bound)
        if found is None or settled.proved or found[1] - found[2] <= NEAR * found[1]:
            return found
        self.known = better(self.known, found)
        return better(found, in_zones(self, nodes, bound, lp_bound, effort=BRIEF))

    def loose(self, nodes: tuple[Node, ...], *, objective: str, prefixes: bool) -> Answer | None:
        """Solve without zones and subnets."""
        return self.solved(nodes, coupled=False, objective=objective, prefixes=prefixes)

    def settled(
        self, nodes: tuple[Node, ...], *, objective: str | None = None, **asked: Any
    ) -> Settled | None:
        """Settle zones and subnets exactly; None where there are too many patterns."""
        model = build(
            self.workloads,
            self.slots,
            nodes,
            self.sites or (Site(zone=""),),
            objective="cost",
            limits={},
            coupled=True,
            spread_all=self.zone_lost,
        )
        every_type = bool(self.limits) or "most_types" in asked
        patterns = list_patterns(model, every_type=every_type)
        if patterns is None:
            return None
        wanted = np.array(
            [self.wanted[list(group)].sum() for group in model.members], dtype=np.int64
        )
        try:
            return settle(
                model,
                patterns,
                self.workloads,
                wanted=wanted,
                zone_lost=self.zone_lost,
                objective=objective or self.objective,
                limits=self.limits,
                seconds=self.until - time.monotonic(),
                **asked,
            )
        except KeyboardInterrupt:
            self.interrupted = True
            return None

    def from_settled(self, settled: Settled, bound: float, lp_bound: float) -> Answer | None:
        if settled.packed is None:
            return None
        groups = named(settled.model, self.workloads, self.slots, settled.packed, shrink=False)
        value = value_of(groups, self.objective)
        return merged(groups), value, max(bound, min(settled.bound, value)), lp_bound

    def solved(
        self,
        nodes: tuple[Node, ...],
        *,
        coupled: bool,
        objective: str | None = None,
        prefixes: bool = False,
        effort: float | None = None,
        rough: float = ROUGH,
        turn: int = 0,
        slots: Ints | None = None,
    ) -> Answer | None:
        """
        Solve once.

        Parameters
        ----------
        nodes : tuple of Node
            The types.
        coupled : bool
            Whether zones and subnets count.
        objective : str, optional
            Another one than was asked for.
        prefixes : bool
            Whether ``addresses`` counts prefixes.
        effort : float, optional
            Part of the usual work.
        rough : float
            Gap at which less than the usual work ends.
        turn : int
            Which zone takes the first odd pod.
        slots : int array, optional
            Places of each workload, where not all are to be packed.
        """
        objective = objective or self.objective
        slots = self.slots if slots is None else slots
        model = build(
            self.workloads,
            slots,
            nodes,
            self.sites,
            objective=objective,
            limits=self.limits,
            coupled=coupled,
            spread_all=self.zone_lost,
            count_prefixes=prefixes,
            turn=turn,
        )
        problem = model.problem
        if not problem.count.any():
            return [], 0.0, 0.0, 0.0
        if (problem.count[~problem.most_per_node().any(axis=0)] > 0).any():
            return None
        starts = starts_of(model)
        best: list[Any] = [None, 0.0]
        whole_answer = objective == self.objective and coupled == (self.spread or self.limited)

        def report(packed: Packed, bound: float) -> None:
            best[0], best[1] = packed, bound
            if self.progress is not None and whole_answer:
                self.progress(total_cost(problem, packed), bound)

        size = sum(int(start.number.sum()) for start in starts[:1])
        effort = self.effort if effort is None else effort
        target = 8e-4 if size >= 8_000 else 2.5e-3 if problem.shapes <= _FEW else 4.5e-3
        if effort < 1:
            target = max(target, rough)
        try:
            packed, bound, lp_bound = solve(
                problem,
                starts=starts,
                target=target,
                clock=time.monotonic,
                deadline=self.until,
                effort=effort,
                step=0.0 if objective == "cost" else 1.0,
                report=report,
            )
        except KeyboardInterrupt:
            self.interrupted = True
            packed, bound, lp_bound = best[0], best[1], best[1]
            if packed is None:
                packed = min(starts, key=lambda one: total_cost(problem, one), default=None)
        if packed is None:
            return None
        free = not coupled and not self.limits and objective != "addresses"
        groups = named(model, self.workloads, slots, packed, shrink=free)
        if not coupled:
            groups = [replace(group, zone="", subnet="") for group in groups]
        value = value_of(groups, objective, prefixes=prefixes)
        return merged(groups), value, bound, lp_bound

    def _or_alone(self, nodes: tuple[Node, ...], answer: Answer | None) -> Answer | None:
        """Take the best plan with one type where it is cheaper: more types never cost more."""
        if answer is None or len(nodes) < 2 or self.objective != "cost" or self.interrupted:
            return answer
        _, value, bound, lp_bound = answer
        for node in nodes:
            if value - bound <= 1e-9 * value or time.monotonic() > self.until:
                break
            if self.least_alone(node) < value - 1e-9:
                alone = self.solved((node,), coupled=False)
                if alone is not None and alone[1] < value:
                    answer, value = (alone[0], alone[1], bound, lp_bound), alone[1]
        return answer

    def least_alone(self, node: Node) -> float:
        """Bound what the workloads cost on one type alone, resource by resource."""
        total = [0, 0, 0, 0]
        for load, slot in zip(self.workloads, self.slots.tolist(), strict=True):
            need = (load.cpu, load.memory, int(not load.host_process), 1)
            if slot and not fits(load, node):
                return math.inf
            total = [have + slot * one for have, one in zip(total, need, strict=True)]
        wanted = max(
            -(-want // have) if have else 0 for want, have in zip(total, node.room, strict=True)
        )
        return wanted * node.cost

    def compared(self, plan: FleetPlan) -> FleetPlan:
        """Add the best plan with one type, and the one in the other address mode."""
        if not plan.feasible or not plan.groups:
            return plan
        self.progress = None
        try:
            return beside(self, plan)
        except KeyboardInterrupt:
            return plan
