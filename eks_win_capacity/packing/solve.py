"""Which whole fleet is the cheapest, and which lower bound on its cost is proved."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.packing.column_generation import (
    Columns,
    Generator,
    rounded,
    settled,
    single,
    solve_fractional,
)
from eks_win_capacity.packing.deadline import NEVER, OutOfTimeError
from eks_win_capacity.packing.first_fit import (
    CHEAPEST,
    cheapest_numbers,
    few_nodes,
    first_fit,
    mutate,
    pack,
    scatter,
)
from eks_win_capacity.packing.problem import (
    Packed,
    covered,
    feasible,
    joined,
    plain,
    rest_of,
    total_cost,
)
from eks_win_capacity.packing.relaxation import (
    fractional_bound,
    solve_fluid,
    with_rounded_resources,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from eks_win_capacity.packing.column_generation import Mixture
    from eks_win_capacity.packing.deadline import Deadline
    from eks_win_capacity.packing.problem import Duals, Ints, Problem
    from eks_win_capacity.packing.relaxation import Fluid

_WORK = 250_000
"""Rounds of column generation at most, times shapes to the power 1.5 and the root of kinds."""

_SEED = 20
"""Seed of the random numbers, so that results repeat."""

_DRAWS, _VARIED = 500, 4
"""Mixes drawn in addition to some for each shape, and rounds that vary them."""

_PARTS = (6, 3, 12, 1, 24)
"""Divisors of the remaining cost that limit the cost of a node, from dive to dive."""

_EARLY_DIVES = 2
"""Number of dives before the slower steps."""

_AIM = 0.5
"""Part of the target gap below which another dive is not worth its time."""

_SUMMED, _PACKED = 400, 30
"""Nodes up to which numbers of nodes improve the bound, and up to which they are packed."""

_CUTS = 60
"""Newest cuts that these numbers must satisfy."""

_FEW = 60
"""Nodes up to which an integer program chooses among all patterns."""

_PODS = 400
"""Pods that are packed at once, at most."""

_DEPTH, _BRIEF = 40, 4
"""Steps of a dive at most; fewer if the first good packing suffices, as first-fit completes it."""

_TAILS = (1.0, 0.05)
"""Cost of a node up to which first-fit uses it for the rest of a dive, as parts of that rest."""

_EACH_SIZE = 4
"""Kinds of similar size that the rest of a dive may use."""

_REPACKS, _ALIKE = 30, 4
"""Times that a few nodes are repacked, and nodes of one pattern among which they are chosen."""

_NEARLY = 0.2
"""Part of the target gap that the LP bound may leave open."""

_DELTA = 0.05
"""Relative rise of a pod's dual that adds one to its log-odds in the next draw."""

_QUICK = 20
"""Branch-and-bound steps for the cheapest numbers of nodes if a good solution suffices."""

_SPARE = (0.0, 0.002, 0.006, 0.015, 0.03)
"""Spare room as a part of the need, from try to try."""

_NOISE = 2e-3
"""Part by which costs vary at random from the second try on, so that other numbers are found."""

_TRIES = 3_000
"""Random packings that are tried, times their nodes."""

_TIE = 1e-5
"""Reduced costs that differ by less, as a part of the cost, count as equal."""

_NEAR = 1e-4
"""Distance to the fluid cost, as a part of it, at which no more mixes are drawn."""


@dataclass(eq=False, kw_only=True)
class Search:
    """
    Search for a cheap packing and a proved bound, which each of its steps may improve.

    Counts limit the work too, so that results repeat unless the deadline is reached.

    Attributes
    ----------
    target : float
        Gap at which the search ends.
    effort : float
        Part of the usual work; below 1, the first good packing suffices.
    step : float
        Step of which all costs are multiples; 0 if there is none.
    progress : callable, optional
        Called with the cost of every better packing and the bound at that time.
    best : Packed or None
        The cheapest packing found.
    bound : float
        Proved lower bound on the cost; infinite if even fractions break a shared limit.
    lp_bound : float
        Bound by the LP relaxation alone.
    """

    problem: Problem
    target: float
    deadline: Deadline
    effort: float = 1.0
    step: float = 0.0
    progress: Callable[[float, float], None] | None = None
    best: Packed | None = None
    cost: float = math.inf
    bound: float = 0.0
    lp_bound: float = 0.0

    def offer(self, packed: Packed | None) -> None:
        """Keep a packing if it is feasible and the cheapest so far."""
        if packed is None:
            return
        cost = total_cost(self.problem, packed)
        if cost < self.cost - 1e-12 and feasible(self.problem, packed):
            self.best, self.cost = packed, cost
            if self.progress is not None:
                self.progress(cost, self.bound)

    def prove(self, value: float) -> None:
        """Raise the bound, rounded up to the next multiple of the step."""
        if self.step:
            value = math.ceil(value / self.step - 1e-6) * self.step
        self.bound = max(self.bound, value)

    def gap(self) -> float:
        """Relative distance of the bound from the best packing."""
        if self.best is None:
            return math.inf
        return (self.cost - self.bound) / self.cost if self.cost else 0.0

    def done(self, part: float = 1.0) -> bool:
        """Whether the gap is within a part of the target, or the time is over."""
        return self.gap() <= self.target * part or self.deadline.over()

    def nodes(self) -> float:
        """Nodes of the best packing; infinite without one, or if numbers of nodes prove nothing."""
        return float(self.best.number.sum()) if self.sums and self.best is not None else math.inf

    def brief(self) -> bool:
        """Whether a packing was found, and the first good one suffices."""
        return self.effort < 1 and self.best is not None

    def run(self, starts: tuple[Packed, ...] = ()) -> None:
        """Search from some packings until the gap is small, the work is done or the time over."""
        for packed in starts:
            self.offer(packed)
        with contextlib.suppress(OutOfTimeError):
            fluid, first = self.relax(), None
            if fluid is not None:
                # A dive takes less time, so it comes first if a good packing suffices.
                if self.number is not None and self.effort >= 1:
                    self.pack(fluid, self.number)
                first = None if self.done(_AIM) else self.draw(fluid, starts)
            for turn, parts in enumerate(_PARTS[:_EARLY_DIVES]):
                if fluid is None or first is None or (turn and (self.done() or self.brief())):
                    break
                self.dive(first, fluid, parts)
                if self.number is not None and self.effort < 1 and not self.done():
                    self.pack(fluid, self.number)
                if self.few and not self.done(_AIM):
                    self.repack(fluid)
            if self.bound == math.inf or self.done() or self.brief():
                return
            self.extend(starts)
            size = self.problem.shapes**1.5 * math.sqrt(self.problem.kinds)
            solution = self.generator.run(
                stop=self.stop,
                rounds=min(400, max(8, int(self.effort * _WORK / size))),
                centre=None if fluid is None else fluid.duals,
            )
            self.lp_bound = float(self.generator.bound)
            self.prove(self.lp_bound)
            # Rounding the LP relaxation is sometimes cheaper than every dive.
            self.round(solution)
            if self.nodes() < _SUMMED:
                self.sum_up()
            for parts in _PARTS[_EARLY_DIVES:]:
                if fluid is None or self.done():
                    return
                self.dive(first, fluid, parts)

    def relax(self) -> Fluid | None:
        """
        Fluid optimum, whose prices and numbers of nodes prove bounds.

        None if the problem is infeasible or the solver failed.
        """
        self.deadline.check()
        self.rng = np.random.default_rng(_SEED)
        self.simple = plain(self.problem)
        self.sums = self.simple and not self.problem.pod_cost.any()
        self.few = False
        self.number: Ints | None = None
        fluid = None
        with contextlib.suppress(ArithmeticError):
            self.problem, fluid = with_rounded_resources(self.problem, deadline=self.deadline)
            if fluid is None:
                self.bound = self.lp_bound = math.inf
                return None
        self.columns = Columns(self.problem)
        self.generator = Generator(self.problem, self.columns, deadline=self.deadline)
        if fluid is None or not len(fluid.kind):
            return None
        self.generator.prices = fluid.prices
        self.generator.bound = max(self.generator.bound, self.generator.price(fluid.duals)[0])
        self.lp_bound = float(self.generator.bound)
        self.prove(self.lp_bound)
        nodes = fluid.nodes.sum()
        self.few = self.sums and bool(nodes <= _SUMMED)
        if self.few:
            number = self.sum_up()
            if nodes <= _PACKED and self.problem.count.sum() <= _PODS:
                self.number = number
        return fluid

    def draw(self, fluid: Fluid, starts: tuple[Packed, ...]) -> Blend:
        """LP solution over mixes near the fluid optimum; they become columns."""
        problem = self.problem
        first = blend(
            problem,
            fluid,
            rng=self.rng,
            draws=_DRAWS + 20 * problem.shapes,
            rounds=_VARIED,
            known=starts[:1],
            deadline=self.deadline,
        )
        self.columns.add(first.columns.kind, first.columns.mix)
        return first

    def sum_up(self) -> Ints | None:
        """Raise the bound by an integer program over numbers of nodes, and return the cheapest."""
        cuts = tuple(self.generator.cuts[-_CUTS:])
        number, bound = cheapest_numbers(self.problem, cuts, deadline=self.deadline)
        self.prove(bound)
        return number

    def dive(self, first: Blend | None, fluid: Fluid, parts: float) -> None:
        """
        Dive: fix the whole part of a fractional solution, then solve again for the rest.

        The rest goes on nodes that cost at most one of ``parts`` equal parts of it: smaller and
        smaller ones, so that the last is not large and almost empty. They are of the useful kinds,
        with others for shapes that fit on none of these. After every step it tries to end early.
        """
        problem = rest = self.problem
        useful, value, kinds = self.useful(problem, fluid), fluid.value, np.arange(problem.kinds)
        large = (problem.cost[fluid.kind] > value / parts).any()
        now = None if large else first
        fixed, tried = None, math.inf
        draws = max(200, (_DRAWS + 20 * problem.shapes) // 6)
        for _ in range(_BRIEF if self.simple and self.effort < 1 else _DEPTH):
            if now is None:
                kinds = small(rest, value / parts, useful)
                narrowed = rest.only(kinds)
                optimum = solve_fluid(narrowed, deadline=self.deadline)
                if optimum is None or not len(optimum.kind):
                    break
                value = optimum.value
                now = blend(
                    narrowed,
                    optimum,
                    rng=self.rng,
                    draws=draws,
                    rounds=_VARIED // 2,
                    deadline=self.deadline,
                )
            part = _whole_part(now, kinds)
            rest, now = rest_of(rest, part), None
            if not len(part.kind) or (rest.limit < 0).any():
                break
            fixed = part if fixed is None else joined(fixed, part)
            value = max(0.0, value - float(problem.cost[part.kind] @ part.number))
            if covered(rest):
                self.offer(fixed)
                self.columns.add(fixed.kind, fixed.mix)
                break
            left = float(fluid.duals.pods @ rest.count)
            if self.simple and left < 0.6 * tried:
                tried = left
                self.end(rest, fixed, left, useful)
            if self.done(_AIM):
                return

    def end(self, rest: Problem, fixed: Packed, value: float, useful: Ints) -> None:
        """Place the remaining pods first-fit on nodes of two sizes."""
        for part in _TAILS:
            tail = first_fit(rest, small(rest, value * part, useful))
            if tail is not None:
                self.offer(joined(fixed, tail))

    def pack(self, fluid: Fluid, cheapest: Ints) -> None:
        """Pack all pods on the cheapest nodes with enough room, then with more room."""
        kinds, most = self.useful(self.problem, fluid), self.cost
        narrowed = self.problem.only(kinds)
        number: Ints | None = cheapest[kinds] if cheapest[kinds].sum() == cheapest.sum() else None
        for turn, spare in enumerate(_SPARE):
            if turn or number is None:
                noise = self.rng.uniform(-_NOISE, _NOISE, narrowed.kinds) if turn else None
                number, _ = cheapest_numbers(
                    narrowed, (), spare=spare, noise=noise, steps=_QUICK, deadline=self.deadline
                )
            if number is None or not number.any():
                return
            if float(narrowed.cost @ number) < most * (1 - 1e-9):
                tries = int(np.clip(_TRIES // number.sum(), 20, 200))
                nodes = np.tile(np.repeat(np.arange(narrowed.kinds), number), (tries, 1))
                packed, left = pack(narrowed, nodes, fluid.duals.pods, rng=self.rng)
                self.complete(narrowed, kinds, packed, left)
                if not left.any():
                    return
            elif turn:
                # More room costs more: only the first try, without spare room, has another.
                return

    def complete(
        self,
        rest: Problem,
        kinds: Ints,
        packed: Packed,
        left: Ints,
        fixed: Packed | None = None,
    ) -> None:
        """Offer a packing of the rest, with pods that are left first-fit on extra nodes."""
        if left.any():
            more = first_fit(rest, np.arange(rest.kinds), count=left)
            if more is None:
                return
            packed = joined(packed, more)
        packed = Packed(kinds[packed.kind], packed.mix, packed.number)
        self.offer(packed if fixed is None else joined(fixed, packed))

    def repack(self, fluid: Fluid) -> None:
        """Repack the pods of a few of the most wasteful nodes on cheaper ones, again and again."""
        problem, pod_duals = self.problem, fluid.duals.pods
        for _ in range(math.ceil(_REPACKS * self.effort)):
            if self.best is None or self.done(_AIM):
                return
            best = self.best
            which = np.repeat(np.arange(len(best.kind)), np.minimum(best.number, _ALIKE))
            waste = problem.cost[best.kind] - best.mix @ pod_duals
            score = np.log(np.maximum(waste, 1e-9 * problem.cost.max()))[which]
            score += self.rng.gumbel(size=len(which))
            wasteful = which[np.argsort(-score, kind="stable")[: int(self.rng.integers(2, 6))]]
            kept = best.number - np.bincount(wasteful, minlength=len(best.number))
            keep = kept > 0
            fixed = Packed(best.kind[keep], best.mix[keep], kept[keep])
            rest = rest_of(problem, fixed)
            if not 0 < rest.count.sum() <= _PODS:
                continue
            kinds = self.useful(rest, fluid)
            narrowed = rest.only(kinds)
            listed = few_nodes(narrowed, most=self.cost - total_cost(problem, fixed))
            if len(listed):
                nodes = np.repeat(listed, max(1, CHEAPEST // len(listed)), axis=0)
                packed, left = pack(narrowed, nodes, pod_duals, rng=self.rng)
                self.complete(narrowed, kinds, packed, left, fixed)

    def useful(self, rest: Problem, fluid: Fluid) -> Ints:
        """Kinds of node with the most value for their cost, a few of each size."""
        profit = fluid.duals.profit(rest)
        most = self.problem.most_per_node()
        # A node that costs nothing counts as a very cheap one.
        cost = np.maximum(rest.cost, rest.cost[rest.cost > 0].min(initial=1.0) / 1024)
        value = fractional_bound(profit, rest.need, rest.room, most, fluid.prices) / cost
        size = np.floor(np.log2(np.maximum(cost / cost.min(), 1)))
        order = np.lexsort((-value, size))
        rank = np.arange(len(order)) - np.searchsorted(size[order], size[order])
        return enough(rest, order[rank < _EACH_SIZE])

    def extend(self, starts: tuple[Packed, ...]) -> None:
        """Add the columns from which column generation starts."""
        for packed in (*starts, self.best):
            if packed is not None:
                self.columns.add(packed.kind, packed.mix)
        self.columns.add(*single(self.problem))
        self.until = self.deadline.part(0.7)

    def stop(self, solution: Mixture, proved: Fraction) -> bool:
        """Whether column generation has proved enough, after its bound was recorded."""
        self.prove(float(proved))
        # The bound cannot exceed the fractional cost: if they are close, or much closer than the
        # bound is to the best packing, the LP relaxation does not keep the gap open.
        short = solution.value - float(proved)
        near = short <= max(_NEARLY * self.target * self.cost, 0.15 * (self.cost - self.bound))
        # Numbers of nodes can prove more than the LP relaxation.
        passed = solution.value <= self.bound and self.generator.deep
        return passed or (near and self.nodes() > _FEW) or self.done() or self.until.over()

    def round(self, solution: Mixture) -> None:
        """Round the fractional optimum by integer programs over its columns."""
        proof = self.generator.proof
        if self.nodes() <= _FEW and proof is not None:
            before = math.inf
            # The cheaper the best packing, the fewer patterns can be part of a cheaper one.
            while self.cost < before * (1 - 1e-9) and not self.done():
                before = self.cost
                # This takes half of the time at most, because dives follow.
                with contextlib.suppress(OutOfTimeError):
                    packed, bound = settled(
                        self.problem,
                        self.columns,
                        proof,
                        self.cost,
                        gap=self.target / 3,
                        deadline=self.deadline.part(0.5),
                    )
                    self.offer(packed)
                    self.prove(bound)
            return
        for back in (0, 1, 3):
            # The first needs little time, and may find the first packing of all.
            if self.gap() <= self.target or (back and self.deadline.over()):
                return
            for packed in rounded(
                self.columns,
                solution,
                back=back,
                gap=self.target / 3,
                effort=self.effort,
                deadline=self.deadline,
            ):
                self.offer(packed)


@dataclass(frozen=True)
class Blend:
    """LP solution over mixes drawn around the fluid optimum."""

    columns: Columns
    solution: Mixture


def blend(
    problem: Problem,
    fluid: Fluid,
    *,
    rng: np.random.Generator,
    draws: int,
    rounds: int,
    known: tuple[Packed, ...] = (),
    deadline: Deadline = NEVER,
) -> Blend:
    """
    LP solution over mixes drawn around the fluid optimum.

    ``draws`` mixes are drawn at first. Those in use are varied in ``rounds`` until the cost is near
    the fluid optimum. The mixes of ``known`` packings are columns too.
    """
    columns = Columns(problem)
    # If nodes of a single shape waste nothing, mixes drawn around a mean are worse.
    columns.add(*single(problem))
    for packed in known:
        columns.add(packed.kind, packed.mix)
    duals = fluid.duals
    each = max(40, draws // max(len(fluid.kind), 1))
    which = np.repeat(np.arange(len(fluid.kind)), each)
    kind = fluid.kind[which]
    mix = scatter(problem, kind, fluid.mix[which], duals.profit(problem)[kind], rng=rng)
    _take(columns, duals, kind, mix, rng)
    base = np.maximum(fluid.duals.pods, 1e-3 * max(fluid.duals.pods.max(initial=0), 1e-12))
    floors = fluid.duals.floor[problem.floor > 0]
    # Without shared limits, nodes of a single shape cover all pods: no penalty is needed.
    penalty = None
    if len(problem.limit):
        pods = 2 * base + 2 * fluid.duals.floor.sum(axis=0)
        penalty = np.concatenate([pods, 2 * floors + base.max()])
    share = np.log(np.maximum(problem.count / max(problem.count.sum(), 1), 1e-6))
    last = np.inf
    for turn in range(rounds + 1):
        solution = solve_fractional(problem, columns, penalty, deadline=deadline)
        done = solution.value <= fluid.value * (1 + _NEAR) or solution.value > last * (1 - 2e-5)
        if turn == rounds or (done and turn):
            break
        last = solution.value
        columns.retire(solution.duals, solution.count)
        profit = solution.duals.profit(problem)
        used = np.nonzero(solution.count > 1e-9)[0]
        if not len(used):
            break
        kind = np.repeat(columns.kind[used], max(1, draws // 2 // len(used)))
        mix = np.repeat(columns.mix[used], max(1, draws // 2 // len(used)), axis=0)
        lean = share + np.clip((solution.duals.pods / base - 1) / _DELTA, -3, 3)
        lean = np.tile(lean, (len(kind), 1))
        mix = mutate(problem, kind, mix, profit[kind], lean, rng=rng)
        _take(columns, solution.duals, kind, mix, rng)
    return Blend(columns, solution)


def _take(columns: Columns, duals: Duals, kind: Ints, mix: Ints, rng: np.random.Generator) -> None:
    """Add the mixes of least reduced cost, ties in random order so that the mixes differ."""
    problem = columns.problem
    both = np.unique(np.column_stack([kind, mix]), axis=0)
    kind, mix = both[:, 0], both[:, 1:]
    spare = duals.reduced(problem, kind, mix) / np.maximum(problem.cost[kind], 1e-12)
    order = np.lexsort((rng.random(len(kind)), np.round(spare / _TIE)))
    order = order[: 200 + 5 * problem.shapes]
    columns.add(kind[order], mix[order])


def _whole_part(now: Blend, kinds: Ints) -> Packed:
    """Whole nodes of a fractional solution; if there are none, one of each almost whole one."""
    count = now.solution.count
    number = np.floor(count + 1e-7).astype(np.int64)
    top = float(count.max(initial=0))
    if not number.any() and top > 1e-6:
        number = np.asarray(count >= min(0.85, top)).astype(np.int64)
    used = np.nonzero(number)[0]
    return Packed(kinds[now.columns.kind[used]], now.columns.mix[used], number[used])


def small(problem: Problem, cost: float, useful: Ints) -> Ints:
    """Useful kinds up to a cost, and the cheapest others for shapes that fit on none of them."""
    return enough(problem, useful[problem.cost[useful] <= cost])


def enough(problem: Problem, kinds: Ints) -> Ints:
    """The given kinds that fit some pod, and the cheapest for shapes that fit on none of them."""
    fits = problem.most_per_node() > 0
    chosen = np.zeros(problem.kinds, dtype=bool)
    chosen[kinds] = True
    for shape in np.nonzero((problem.count > 0) & ~fits[chosen].any(axis=0))[0]:
        able = np.nonzero(fits[:, shape])[0]
        chosen |= fits[:, shape] & (problem.cost <= problem.cost[able].min())
    sufficient: Ints = np.nonzero(chosen & fits.any(axis=1))[0]
    return sufficient
