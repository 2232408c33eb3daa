"""Which nodes answer a question: without zones and subnets first, then placed in them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.packing.deadline import Deadline, OutOfTimeError
from eks_win_capacity.packing.first_fit import least_of_each, starts_of
from eks_win_capacity.packing.problem import total_cost
from eks_win_capacity.packing.solve import Search
from eks_win_capacity.planning.model import (
    beyond,
    build,
    dominated,
    levels,
    merged,
    named,
    placed_in,
    value_of,
)
from eks_win_capacity.planning.plan_values import Rejection
from eks_win_capacity.planning.question import (
    ALL_ADDRESSES,
    ALL_NODES,
    BRIEF,
    NEAR,
    ROUGH,
    UNLIMITED,
    Answer,
    Site,
    cheaper,
)
from eks_win_capacity.planning.zones_exact import list_patterns, settle, share_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eks_win_capacity.packing.problem import Ints, Packed
    from eks_win_capacity.planning.model import Model
    from eks_win_capacity.planning.plan_values import PlannedGroup
    from eks_win_capacity.planning.question import NodeKind, Question
    from eks_win_capacity.planning.zones_exact import Settled

    Ways = Iterable[list[PlannedGroup]]

__all__ = ["Solving", "answer", "by_sums", "quick"]

_FEW: Final = 8
"""Shapes of pods up to which the search continues to a gap of a quarter of a percent."""

_LARGE: Final = 8_000
"""Nodes from which it continues to a gap below a tenth of a percent."""

_SEVERAL: Final = 50
"""Shapes up to which it then continues to a fiftieth of a percent, half a second longer."""

_TOTALS: Final = frozenset({ALL_NODES, ALL_ADDRESSES})
"""Limits that name no instance type."""

_TABLE: Final = 120_000
"""Kinds times shapes up to which zones and subnets are solved with all types."""

_FREE_PART, _SPREAD_PART = 0.4, 0.2
"""Part of the time for the plan without zones and subnets, if these matter; and if pods are spread,
so that only its bound is needed."""

_SUMMED: Final = 400
"""Nodes up to which sums of nodes share pods out to zones: odd pods matter little beyond."""

_EXACT_PART, _EVENLY_PART = 0.82, 0.6
"""Part of the time to solve zones and subnets exactly, before a search; and to solve even shares of
the zones first, if one may be lost."""

_SHARE_PART: Final = 0.4
"""Part of the time to pack one zone, or the zones of one choice of types."""

_GOOD: Final = 0.02
"""Gap at which the brief search of a zone ends."""

_MANY: Final = 200
"""Pods from which a brief search in each zone is worth its time at the start."""

_FEW_ODD: Final = 0.01
"""Extra places, as a part of those needed, up to which all zones are packed alike with the largest
share."""


@dataclass(eq=False)
class Solving:
    """
    State of the search for an answer to one question.

    ``known`` is the best answer so far. No answer costs less than ``bound``; ``lp_bound`` is proved
    by the LP relaxation alone. ``impossible`` means that no answer exists, by proof; ``even_only``,
    ``few_types`` and ``least_nodes`` that the bound covers only plans with even shares of the
    zones, at most the maximum of types, or at least the minimum of nodes. ``every`` are the usable
    types, ``lean`` those that no other dominates; ``rejected`` are the candidates left out so far.
    """

    ask: Question
    known: Answer | None = None
    bound: float = 0.0
    lp_bound: float = 0.0
    interrupted: bool = False
    impossible: bool = False
    even_only: bool = False
    few_types: bool = False
    least_nodes: bool = False
    rejected: list[Rejection] = field(default_factory=list)
    every: tuple[NodeKind, ...] = ()
    lean: tuple[NodeKind, ...] = ()
    deadline: Deadline = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = self.ask.deadline

    def afresh(self, **other: Any) -> Solving:
        """New search for a changed question, without the results of this one."""
        return Solving(replace(self.ask, progress=None, deadline=self.deadline, **other))

    def stop(self) -> None:
        """Record an interrupt, and end the time for any further search."""
        self.interrupted = True
        self.deadline = Deadline.after(0.0)

    def over(self) -> bool:
        """Whether no time is left, or the user interrupted the search."""
        return self.interrupted or self.deadline.over()

    def prove(self, bound: float, *, even: bool = False) -> None:
        """Raise the bound; with ``even``, it covers only even shares if a zone may be lost."""
        self.even_only |= even and self.ask.zone_lost and bound > self.bound
        self.bound = max(self.bound, bound)

    def without_dominated(self, nodes: tuple[NodeKind, ...]) -> tuple[NodeKind, ...]:
        """Types that no other dominates; the dominated ones are recorded as rejected."""
        ask = self.ask
        pinned = (set(ask.limits) - _TOTALS).union(*(load.allowed_types for load in ask.workloads))
        beaten = dominated(
            nodes,
            addresses=ask.counts_addresses,
            pinned=pinned,
        )
        for index, winner in beaten.items():
            name, better = nodes[index].name, nodes[winner].name
            why = f"dominated by {better}, which has no less room of any kind and costs no more"
            if nodes[index].purchase == "on-demand":
                self.rejected.append(
                    Rejection(instance_type=name, code="dominated", subject=better, why=why)
                )
        self.every = nodes
        self.lean = tuple(node for index, node in enumerate(nodes) if index not in beaten)
        return self.lean

    def settled(
        self,
        nodes: tuple[NodeKind, ...],
        *,
        few: bool = False,
        least: bool = False,
        until: Deadline | None = None,
        **asked: Any,
    ) -> Settled | None:
        """
        Exact solution in zones and subnets; None if there are too many patterns or no time is left.

        The maximum of types applies only with ``few``, the minimums only with ``least``. ``asked``
        is passed to `settle`.
        """
        ask = replace(
            self.ask,
            max_types=self.ask.max_types if few else None,
            min_types=self.ask.min_types if least else 1,
            at_least=self.ask.at_least if least else {},
        )
        every_type = ask.min_types > 1 or ask.max_types is not None
        every_type = every_type or bool({*ask.limits, *ask.at_least} - _TOTALS)
        every_type = every_type or any(node.stock is not None for node in nodes)
        until = self.deadline if until is None else until
        try:
            until.check()
            model = build(ask, nodes, limits=ask.limits, coupled=True)
            patterns = list_patterns(
                model,
                every_type=every_type,
                empty=bool(ask.at_least),
                full=not ask.counts_addresses and ask.min_types == 1,
                deadline=until,
            )
            if patterns is None:
                return None
            return settle(model, patterns, ask, deadline=until, **asked)
        except OutOfTimeError:
            return None
        except KeyboardInterrupt:
            self.stop()
            return None

    def shared_out(
        self, nodes: tuple[NodeKind, ...], *, least: bool = False, below: float = np.inf
    ) -> Ints | None:
        """
        Pods of each workload in each zone, by sums of nodes, which also prove a bound.

        The minimum of nodes applies only with ``least``, the maximum of types never. If nothing
        costs less than ``below``, that is the bound.
        """
        least_nodes = self.ask.at_least if least else {}
        ask = replace(self.ask, max_types=None, min_types=1, at_least=least_nodes)
        model = build(ask, nodes, limits=ask.limits, coupled=True)
        try:
            shares, bound = share_out(
                model, ask, known=self.bound, below=below, deadline=self.deadline.part(0.3)
            )
        except (ArithmeticError, OutOfTimeError):
            return None
        self.least_nodes |= least and bound > self.bound
        self.prove(bound, even=True)
        if shares is None:
            return None
        slots = np.zeros((len(shares), len(ask.workloads)), dtype=np.int64)
        for shape, group in enumerate(model.members):
            left = shares[:, shape]
            for member in group:
                # Workloads of one shape fill its places one after another.
                before = np.cumsum(left) - left
                slots[:, member] = np.clip(ask.slots[member] - before, 0, left)
                left = left - slots[:, member]
        return slots

    def chosen(self, settled: Settled | None) -> Answer | None:
        """Answer of an exact solution; None without one."""
        if settled is None or settled.packed is None:
            return None
        groups = named(settled.model, settled.packed)
        value = value_of(groups, self.ask.objective)
        return Answer(merged(groups), value, min(settled.bound, value))

    def solved(
        self,
        nodes: tuple[NodeKind, ...],
        *,
        coupled: bool = False,
        objective: str | None = None,
        prefixes: bool = False,
        effort: float | None = None,
        slots: Ints | None = None,
        limits: dict[str, int] | None = None,
        deadline: Deadline | None = None,
        **asked: Any,
    ) -> Answer | None:
        """
        Answer of one search; objective, limits, pods and effort may differ from the question's.

        The other parameters, including ``asked``, are those of `build`.
        """
        ask = self.ask
        objective = objective or ask.objective
        effort = ask.effort if effort is None else effort
        deadline = deadline or self.deadline
        every, nodes = nodes, self._promising(nodes) if coupled else nodes
        limits = ask.limits if limits is None else limits
        asked |= {"coupled": coupled, "objective": objective, "prefixes": prefixes}
        model = build(ask, nodes, limits=limits, slots=slots, **asked)
        problem = model.problem
        if not problem.count.any():
            return Answer([], 0.0)
        if (problem.count[~problem.most_per_node().any(axis=0)] > 0).any():
            return None
        # A plan without zones and subnets is reported as progress only if it may be the answer.
        tell = objective == ask.objective and (coupled or not ask.spread) and slots is None
        starts = starts_of(problem, deadline=deadline)
        search = Search(
            problem=problem,
            deadline=deadline,
            progress=ask.progress if tell else None,
            **_aims(model, starts, effort),
        )
        try:
            search.run(starts)
        except KeyboardInterrupt:
            self.stop()
        packed, bound, lp_bound = search.best, search.bound, search.lp_bound
        if packed is None:
            # Only constraints on every plan can prove that none exists.
            fixed = coupled and (ask.zone_lost or ask.uneven)
            if bound == np.inf and nodes == every and slots is None and not fixed:
                self.impossible = True
            return None
        if nodes != every:
            # A bound for some of the types does not hold for all.
            bound = lp_bound = 0.0
        return _answer_of(model, packed, bound, lp_bound, prefixes=prefixes)

    def _promising(self, nodes: tuple[NodeKind, ...]) -> tuple[NodeKind, ...]:
        """Few enough types to solve zones and subnets in time: those in use, then the cheapest."""
        ask = self.ask
        each = np.array([len(levels(node)) if ask.limited else 1 for node in nodes])
        weight = each * len(ask.sites) * max(len(ask.workloads), 1)
        if weight.sum() <= _TABLE:
            return nodes
        model = build(ask, nodes)
        score, most = least_of_each(model.problem), model.problem.most_per_node() > 0
        needed = {group.instance_type for group in self.known.groups} if self.known else set()
        chosen = np.array([node.name in needed for node in nodes])
        for shape in np.nonzero(model.problem.count > 0)[0]:
            able = np.nonzero(most[:, shape])[0]
            if len(able) and not chosen[able].any():
                chosen[able[np.argmin(score[able])]] = True
        total = int(weight[chosen].sum())
        for index in np.argsort(score, kind="stable").tolist():
            if not chosen[index] and total + weight[index] <= _TABLE:
                chosen[index] = True
                total += int(weight[index])
        return tuple(node for node, use in zip(nodes, chosen, strict=True) if use)


def _answer_of(
    model: Model, packed: Packed, bound: float, lp_bound: float, *, prefixes: bool
) -> Answer:
    """Answer with pods by name on the nodes of a packing, and the bounds on its value."""
    # A smaller node may use other amounts of a limit, and other numbers of addresses.
    free = not (model.sites or model.limits) and model.objective != "addresses"
    groups = named(model, packed, shrink=free)
    value = value_of(groups, model.objective, prefixes=prefixes)
    return Answer(merged(groups), value, min(bound, value), min(lp_bound, value))


def _aims(model: Model, starts: tuple[Packed, ...], effort: float) -> dict[str, Any]:
    """Arguments of a search: effort, target gap, and step of costs."""
    size = sum(int(start.number.sum()) for start in starts[:1])
    large = 2e-4 if model.problem.shapes <= _SEVERAL else 8e-4
    target = large if size >= _LARGE else 2.5e-3 if model.problem.shapes <= _FEW else 4.5e-3
    return {
        "target": max(target, ROUGH) if effort < 1 else target,
        "effort": effort,
        "step": 0.0 if model.objective == "cost" else 1.0,
    }


def answer(
    run: Solving, nodes: tuple[NodeKind, ...], *, effort: float | None = None
) -> Answer | None:
    """Best answer with some types, placed in zones and subnets; None if none was found."""
    ask, until, best = run.ask, run.deadline, None
    try:
        if ask.spread:
            _quickly(run, nodes, effort)
            until = run.deadline.part(_SPREAD_PART)
        elif ask.limited or ask.zoned:
            until = until.part(_FREE_PART)
        loose = run.solved(nodes, effort=effort, deadline=until)
        impossible = run.impossible
        for node in _cheap_alone(run, nodes, loose):
            if loose is None or loose.value - loose.bound <= 1e-9 * loose.value or run.over():
                break
            alone = run.solved((node,))
            if alone is not None and alone.value < loose.value:
                loose = replace(loose, groups=alone.groups, value=alone.value)
        # A failure with one type proves nothing about the others.
        run.impossible = impossible
        best = _placed(run, nodes, loose, effort)
    except OutOfTimeError:
        pass
    best = cheaper(best, run.known)
    if best is None and run.over() and not run.impossible:
        best = quick(run, nodes)
    if best is None:
        return None
    return Answer(best.groups, best.value, min(run.bound, best.value), run.lp_bound)


def _quickly(run: Solving, nodes: tuple[NodeKind, ...], effort: float | None) -> None:
    """Record quick answers spread over the zones."""
    for search in (False, True):
        run.known = cheaper(run.known, quick(run, nodes, search=search))
        if run.known is not None and run.ask.progress is not None and effort is None:
            run.ask.progress(run.known.value, 0.0)


def _cheap_alone(run: Solving, nodes: tuple[NodeKind, ...], best: Answer | None) -> list[NodeKind]:
    """Types on which the workloads may cost less alone: more types never cost more."""
    if best is None or len(nodes) < 2 or run.ask.objective != "cost" or run.ask.spread:
        return []
    return [node for node in nodes if run.ask.least_alone(node) < best.value - 1e-9]


def _placed(
    run: Solving, nodes: tuple[NodeKind, ...], loose: Answer | None, effort: float | None
) -> Answer | None:
    """The answer without zones and subnets if it fits into them, else one made for them."""
    ask = run.ask
    if loose is None:
        return None if run.interrupted else _exact(run, nodes)
    run.prove(loose.bound)
    run.lp_bound = loose.lp_bound
    placed = None if ask.spread else loose.groups
    if placed is not None and ask.sites:
        placed = placed_in(ask, placed, ask.sites)
    if placed is not None and not beyond(ask, placed):
        run.known = replace(loose, groups=placed)
        near = loose.value - loose.bound <= NEAR * loose.value
        if run.interrupted or effort is not None or near:
            return run.known
        return cheaper(run.known, _exact(run, nodes))
    if run.interrupted:
        return quick(run, nodes)
    exact = _exact(run, nodes)
    if exact is not None or run.impossible:
        return exact
    return _Zones(run, nodes, effort).search()


def _exact(run: Solving, nodes: tuple[NodeKind, ...]) -> Answer | None:
    """Exact answer if all patterns can be listed, followed by a search if it is not proved."""
    if run.ask.zone_lost:
        # Even shares are solved sooner; the bound for uneven shares holds for all plans.
        until = run.deadline.part(_EVENLY_PART)
        run.known = cheaper(run.known, run.chosen(run.settled(nodes, until=until, evenly=True)))
    bound = 0.0 if run.even_only else run.bound
    settled = run.settled(nodes, until=run.deadline.part(_EXACT_PART), known=bound)
    if settled is None:
        return None
    best = run.chosen(settled)
    run.impossible |= best is None and run.known is None and settled.proved
    run.prove(settled.bound)
    run.lp_bound = max(run.lp_bound, settled.lp_bound)
    best = run.known = cheaper(run.known, best)
    if best is None or settled.proved or best.value - run.bound <= NEAR * best.value:
        return best
    return cheaper(best, _Zones(run, nodes, BRIEF).search())


@dataclass(eq=False)
class _Zones:
    """Search for an answer in zones and subnets with too many patterns to list."""

    run: Solving
    nodes: tuple[NodeKind, ...]
    effort: float | None
    best: Answer | None = None
    solved: dict[tuple[bytes, int, tuple[Any, ...]], Answer | None] = field(default_factory=dict)

    def search(self) -> Answer | None:
        """Best answer of packing zones one by one, by the fewest addresses, and all together."""
        run, ask = self.run, self.run.ask
        self.offer(quick(run, self.nodes) if run.known is None else run.known)
        if ask.spread and not run.over():
            few = self.best is None or value_of(self.best.groups, "nodes") <= _SUMMED
            self.pack(run.shared_out(self.nodes) if few else None)
            if self.near():
                return self.best
        if not ask.spread and not run.over():
            # Without spreading, the plan with the fewest addresses is the most likely to fit.
            fewest = run.solved(self.nodes, objective="addresses", effort=BRIEF)
            placed = None if fewest is None else placed_in(ask, fewest.groups, ask.sites)
            self.offer(None if placed is None else Answer(placed, value_of(placed, ask.objective)))
        self.offer(self.coupled())
        return self.best

    def pack(self, shares: Ints | None) -> None:
        """Pack zones with given shares one by one and, if not near the bound, all together."""
        self.offer(self.apart(shares))
        if shares is not None and not self.near():
            self.offer(self.coupled(shares))

    def offer(self, answer: Answer | None) -> None:
        """Keep an answer if it is the cheapest so far."""
        if answer is None:
            return
        run = self.run
        self.best = run.known = cheaper(self.best, answer)
        if run.ask.progress is not None and self.best is not None:
            run.ask.progress(self.best.value, min(run.bound, self.best.value))

    def near(self) -> bool:
        """Whether the best answer is near the bound."""
        best, gap = self.best, NEAR if self.effort is None else ROUGH
        return best is not None and best.value - self.run.bound <= gap * best.value

    def coupled(self, shares: Ints | None = None) -> Answer | None:
        """Answer of all zones packed together, by given shares or by even ones in rotation."""
        run, ask = self.run, self.run.ask
        for turn in range(len(ask.zones) if ask.odd and shares is None else 1):
            if run.over():
                break
            joint = partial(run.solved, self.nodes, coupled=True, turn=turn)
            together = joint(effort=self.effort, shares=shares)
            if together is not None:
                # With fixed shares of the zones, the bound covers these shares only.
                run.prove(0.0 if ask.uneven else together.bound, even=True)
                return together
            if not ask.limited or run.over():
                break
            lean = joint(objective="addresses", effort=BRIEF)
            if lean is not None:
                return Answer(lean.groups, value_of(lean.groups, ask.objective))
        return None

    def share(
        self, nodes: tuple[NodeKind, ...], slots: Ints, limits: dict[str, int]
    ) -> Answer | None:
        """Answer for the pods of one zone alone."""
        until = self.run.deadline.part(_SHARE_PART)
        return self.run.solved(
            nodes, slots=slots, limits=limits, effort=self.effort, deadline=until
        )

    def apart(self, shares: Ints | None) -> Answer | None:
        """Answer of each zone solved by itself; zones with the same share are solved once."""
        limits = self.run.ask.limits

        def pack(mine: tuple[NodeKind, ...], zone: str, slots: Ints) -> Ways:
            stocks = (
                (node.name, node.purchase, node.stock) for node in mine if node.stock is not None
            )
            most = min(limits.get(zone, UNLIMITED), limits.get(ALL_NODES, UNLIMITED))
            key = slots.tobytes(), most, tuple(stocks)
            if key not in self.solved:
                if self.run.over():
                    return []
                here = limits | ({} if most == UNLIMITED else {ALL_NODES: most})
                self.solved[key] = self.share(mine, slots, here)
            answer = self.solved[key]
            return [] if answer is None else [answer.groups]

        return _zone_by_zone(self.run, self.nodes, pack, shares)


def by_sums(run: Solving, nodes: tuple[NodeKind, ...], below: float) -> Answer | None:
    """Answer below a value, with pods shared out to zones by sums of nodes, which prove a bound."""
    zones = _Zones(run, nodes, BRIEF)
    if run.ask.spread:
        shares = run.shared_out(nodes, below=below)
        if shares is not None:
            run.deadline = run.deadline.part(_SHARE_PART)
            zones.pack(shares)
    return zones.best


def _shares(ask: Question, given: Ints | None = None) -> list[tuple[str, tuple[Site, ...], Ints]]:
    """Each zone with its subnets and its share of every workload, even unless given."""
    zones = ask.zones if ask.spread else ("",)
    base, extra = np.divmod(ask.slots, len(zones))
    # The zone with the odd pod rotates with the workload, so that none gets them all.
    turned = np.arange(len(ask.slots)) % len(zones)
    return [
        (
            zone,
            tuple(site for site in ask.sites if not ask.spread or site.zone == zone),
            base + ((index - turned) % len(zones) < extra) if given is None else given[index],
        )
        for index, zone in enumerate(zones)
    ]


def _zone_by_zone(
    run: Solving,
    nodes: tuple[NodeKind, ...],
    pack: Callable[[tuple[NodeKind, ...], str, Ints], Ways],
    given: Ints | None = None,
) -> Answer | None:
    """
    Answer with each zone packed by itself; None if one cannot be, or limits on nodes are exceeded.

    Of the packings of a zone, the first that fits into its subnets is taken.
    """
    ask, shares = run.ask, _shares(run.ask, given)
    groups: list[PlannedGroup] = []
    for index, (zone, sites, slots) in enumerate(shares):
        mine = (_part(node, index, len(shares)) for node in nodes if node.zone in {"", zone})
        for way in pack(tuple(mine), zone, slots):
            stood: list[PlannedGroup] | None = [replace(group, zone=zone) for group in way]
            if sites and (ask.limited or not zone):
                stood = placed_in(ask, way, sites)
            if stood is not None:
                groups += stood
                break
        else:
            return None
    return None if beyond(ask, groups) else Answer(merged(groups), value_of(groups, ask.objective))


def _part(node: NodeKind, index: int, zones: int) -> NodeKind:
    """A kind as one zone may use it: with a share of the stock if its nodes may be in any zone."""
    if node.stock is None or node.zone:
        return node
    return replace(node, stock=(node.stock + zones - 1 - index) // zones)


def quick(run: Solving, nodes: tuple[NodeKind, ...], *, search: bool = False) -> Answer | None:
    """
    Quick answer with each zone packed first-fit, or by a brief search.

    If zones differ by few pods, the largest share is packed once for all of them. Else ``search``
    returns None if there are few pods, for which it would not pay.
    """
    ask = run.ask
    shares = [slots for *_, slots in _shares(ask)]
    most = np.max(shares, axis=0)
    odd = len(shares) * most.sum() - ask.slots.sum()
    alike = odd <= _FEW_ODD * ask.slots.sum() and all(node.stock is None for node in nodes)
    if search and not alike and ask.slots.sum() < _MANY:
        return None
    packings: dict[str, tuple[Model, list[Packed]]] = {}

    def pack(mine: tuple[NodeKind, ...], zone: str, slots: Ints) -> Ways:
        key = "" if alike else zone
        if key not in packings:
            packings[key] = _packings(run, mine, most if alike else slots, search=search)
        model, packed = packings[key]
        if not model.problem.count.any():
            return [[]]
        return (named(model, one, slots=slots) for one in packed)

    return _zone_by_zone(run, nodes, pack)


def _packings(
    run: Solving, nodes: tuple[NodeKind, ...], slots: Ints, *, search: bool
) -> tuple[Model, list[Packed]]:
    """Packings of a zone's pods without limits: by a brief search, or first-fit, cheapest first."""
    goal = run.ask.objective if search else "cost"
    model = build(run.ask, nodes, slots=slots, objective=goal)
    problem = model.problem
    if not problem.count.any():
        return model, []
    until = run.deadline.part(_SPREAD_PART) if search else run.deadline
    starts = starts_of(problem, deadline=until)
    if not search:
        return model, sorted(starts, key=lambda one: total_cost(problem, one))
    aims = _aims(model, starts, BRIEF) | {"target": _GOOD}
    brief = Search(problem=problem, deadline=until, **aims)
    brief.run(starts)
    return model, [] if brief.best is None else [brief.best]
