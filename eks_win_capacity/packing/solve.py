"""The search for the cheapest whole fleet, and for the proof of how cheap any could be."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.packing.column_generation import (
    Columns,
    Generator,
    filled_up,
    rounded,
    settled,
    single,
    solve_fractional,
)
from eks_win_capacity.packing.deadline import NEVER, OutOfTimeError
from eks_win_capacity.packing.first_fit import (
    cheapest_numbers,
    first_fit,
    listed_packings,
    mutate,
    packings,
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
    from collections.abc import Callable, Iterator
    from fractions import Fraction

    from eks_win_capacity.packing.column_generation import Mixture, Relaxed
    from eks_win_capacity.packing.deadline import Deadline
    from eks_win_capacity.packing.problem import Duals, Floats, Ints, Problem
    from eks_win_capacity.packing.relaxation import Fluid

_WORK = 250_000
"""Rounds of column generation at most, times shapes to the power 1.5 and the root of kinds."""

_EARLY = 6
"""Rounds of column generation between two quick plans on the way."""

_SEED = 20
"""Seed of the chance, so that answers repeat."""

_DRAWS, _VARIED = 500, 4
"""Mixes drawn beside some for each shape, and rounds that vary them."""

_PARTS = (6, 3, 12, 1, 24)
"""Parts that what is left is cut into, one dive after the other."""

_EARLY_DIVES = 2
"""How many of these come before the slower steps."""

_AIM = 0.5
"""Part of the gap asked for at which no further dive is worth its time."""

_SUMMED, _PACKED = 400, 30
"""Nodes up to which numbers of nodes give a better bound, and up to which they are packed."""

_CUTS = 60
"""Newest inequalities that these numbers must keep."""

_FEW = 60
"""Nodes up to which an integer program chooses among all patterns."""

_PODS = 400
"""Pods that are packed at once."""

_ENDS = 8.0
"""Nodes left at which a dive tries to end early."""

_DEPTH, _BRIEF = 40, 4
"""Steps of a dive at most, and where the first good answer will do: first-fit ends them too."""

_TAILS = (1.0, 0.05)
"""Cost of nodes that first-fit may use for the rest of a dive, as parts of that rest."""

_EACH_SIZE = 4
"""Kinds of about one size that the rest of a dive may use."""

_REPACKS, _ALIKE = 30, 4
"""Times that nodes are packed anew, and nodes alike among which they are chosen."""

_NEARLY = 0.2
"""Part of the gap asked for that the fractional bound may stay open."""

_DELTA = 0.05
"""Part by which prices of pods move before they weigh fully in what is drawn next."""

_TIE = 1e-5
"""Reduced costs that differ by less, as a part of the cost, count as equal."""

_NEAR = 1e-4
"""Distance to the fluid cost, as a part of it, at which no more mixes are drawn."""


def solve(
    problem: Problem,
    *,
    starts: tuple[Packed, ...] = (),
    target: float,
    deadline: Deadline,
    effort: float = 1.0,
    step: float = 0.0,
    report: Callable[[Packed, float], None] | None = None,
) -> tuple[Packed | None, float, float]:
    """
    Find a cheap packing and prove how cheap any could be.

    Work is limited by counts too, so that the answer repeats where the deadline is not reached.

    Parameters
    ----------
    starts : tuple of Packed
        Packings that keep all limits; the answer never costs more.
    target : float
        Gap at which the work ends.
    effort : float
        Part of the usual work; below 1 the first good answer will do.
    step : float
        All costs are multiples of it; 0 where they are not.
    report : callable, optional
        Told every better packing with the bound at that time.

    Returns
    -------
    best : Packed or None
        The cheapest packing found.
    bound : float
        Proved lower bound; infinite where even fractions break a shared limit.
    lp_bound : float
        The fractional part of that proof.
    """
    search = _Search(problem, target, deadline, effort, step, report)
    for packed in starts:
        search.offer(packed)
    with contextlib.suppress(OutOfTimeError):
        search.run(starts)
    return search.best, search.bound, search.lp_bound


@dataclass(eq=False)
class _Search:
    """The search for one packing: each step offers packings and lifts the bound."""

    problem: Problem
    target: float
    deadline: Deadline
    effort: float
    step: float
    report: Callable[[Packed, float], None] | None
    best: Packed | None = None
    cost: float = math.inf
    bound: float = 0.0
    lp_bound: float = 0.0

    def offer(self, packed: Packed | None) -> None:
        """Take a packing where it holds and is the cheapest so far."""
        if packed is None:
            return
        cost = total_cost(self.problem, packed)
        if cost < self.cost - 1e-12 and feasible(self.problem, packed):
            self.best, self.cost = packed, cost
            if self.report is not None:
                self.report(packed, self.bound)

    def prove(self, value: float) -> None:
        """Lift the bound, to the next cost there is where costs go in steps."""
        if self.step:
            value = math.ceil(value / self.step - 1e-6) * self.step
        self.bound = max(self.bound, value)

    def gap(self) -> float:
        """How far the best may be from the cheapest, as a part of it."""
        if self.best is None:
            return math.inf
        return (self.cost - self.bound) / self.cost if self.cost else 0.0

    def done(self, part: float = 1.0) -> bool:
        """Whether the gap is a part of the target, or the time over."""
        return self.gap() <= self.target * part or self.deadline.over()

    def nodes(self) -> float:
        """Nodes of the best packing; infinite where sums of nodes prove and choose nothing."""
        return float(self.best.number.sum()) if self.sums and self.best is not None else math.inf

    def run(self, starts: tuple[Packed, ...]) -> None:
        """Search until the gap is small or the work is done."""
        self.deadline.check()
        self.rng = np.random.default_rng(_SEED)
        self.simple = plain(self.problem)
        self.sums = self.simple and not self.problem.pod_cost.any()
        fluid = None
        with contextlib.suppress(ArithmeticError):
            self.problem, fluid = with_rounded_resources(self.problem, deadline=self.deadline)
            if fluid is None:
                self.bound = self.lp_bound = math.inf
                return
        self.columns = Columns(self.problem)
        self.generator = Generator(self.problem, self.columns, deadline=self.deadline)
        first = None
        if fluid is not None and len(fluid.kind):
            first = self.flow(fluid, starts)
        if self.done() or (self.effort < 1 and self.best is not None):
            return
        for packed in starts:
            self.columns.add(packed.kind, packed.mix)
        relaxed = self.generate(fluid)
        # The textbook plan is now and then cheaper than every dive.
        self.round(relaxed)
        if self.nodes() < _SUMMED:
            self.sum_up()
        for parts in _PARTS[_EARLY_DIVES:]:
            if fluid is None or self.done():
                return
            self.dive(first, fluid, parts)

    def flow(self, fluid: Fluid, starts: tuple[Packed, ...]) -> Blend | None:
        """Start from the fluid optimum: its bound, the sums of nodes, and dives from it."""
        problem, generator = self.problem, self.generator
        generator.prices = fluid.prices
        proved, _, _ = generator.price(fluid.duals)
        generator.bound = max(generator.bound, proved)
        self.lp_bound = float(generator.bound)
        self.prove(self.lp_bound)
        few = self.sums and fluid.nodes.sum() <= _SUMMED
        if few:
            number = self.sum_up()
        small = few and fluid.nodes.sum() <= _PACKED and problem.count.sum() <= _PODS
        # A dive takes less time, and comes first where something good will do.
        late = small and self.effort < 1
        if small and not late:
            self.pack(problem, None, fluid, number)
        if self.done(_AIM):
            return None
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
        for turn, parts in enumerate(_PARTS[:_EARLY_DIVES]):
            if self.done() if turn else self.done(_AIM):
                break
            if turn and self.effort < 1 and self.best is not None:
                break
            self.dive(first, fluid, parts)
            if late and not self.done():
                self.pack(problem, None, fluid, number)
            if few and not self.done(_AIM):
                self.repack(fluid)
        return first

    def sum_up(self) -> Ints | None:
        """Lift the bound by whole numbers of nodes, the cheapest of which come back."""
        cuts = tuple(self.generator.cuts[-_CUTS:])
        number, bound = cheapest_numbers(self.problem, cuts, deadline=self.deadline)
        self.prove(bound)
        return number

    def dive(self, first: Blend | None, fluid: Fluid, parts: float) -> None:
        """Dive once, and try to end the dive early from every step."""
        problem, pod_duals = self.problem, fluid.duals.pods
        large = (problem.cost[fluid.kind] > fluid.value / parts).any()
        each = fluid.value / fluid.nodes.sum()
        useful = self.useful(problem, fluid)
        tried, few = math.inf, None
        for fixed, rest in dive(
            problem,
            None if large else first,
            rng=self.rng,
            draws=(_DRAWS + 20 * problem.shapes) // 2,
            rounds=_VARIED // 2,
            parts=parts,
            useful=useful,
            depth=_BRIEF if self.simple and self.effort < 1 else _DEPTH,
            deadline=self.deadline,
        ):
            if covered(rest):
                self.offer(fixed)
                self.columns.add(fixed.kind, fixed.mix)
            elif self.simple:
                value = float(pod_duals @ rest.count)
                for part in _TAILS if value < 0.6 * tried else ():
                    tried = value
                    tail = first_fit(rest, small(rest, value * part, useful))
                    if tail is not None:
                        self.offer(joined(fixed, tail))
                if few is None and value <= _ENDS * each and rest.count.sum() <= _PODS:
                    few = rest, fixed
            if self.done(_AIM):
                return
        # Packing the last nodes by their sums costs more than a dive does, so it comes last.
        if self.sums and few is not None and not self.done():
            self.pack(*few, fluid)

    def pack(
        self,
        rest: Problem,
        fixed: Packed | None,
        fluid: Fluid,
        number: Ints | None = None,
        *,
        listed: bool = False,
    ) -> None:
        """Pack what is left on the cheapest nodes whose sums suffice."""
        most = self.cost - (0.0 if fixed is None else total_cost(self.problem, fixed))
        pod_duals, kinds = fluid.duals.pods, self.useful(rest, fluid)
        narrowed = rest.only(kinds)
        if number is not None:
            number = number[kinds] if number[kinds].sum() == number.sum() else None
        for packing in (
            listed_packings(narrowed, pod_duals, rng=self.rng, most=most)
            if listed
            else packings(
                narrowed, pod_duals, first=number, rng=self.rng, most=most, deadline=self.deadline
            )
        ):
            packed = Packed(kinds[packing.kind], packing.mix, packing.number)
            self.offer(packed if fixed is None else joined(fixed, packed))

    def repack(self, fluid: Fluid) -> None:
        """Take a few nodes that waste most, and pack their pods anew on cheaper ones."""
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
            if 0 < rest.count.sum() <= _PODS:
                self.pack(rest, fixed, fluid, listed=True)

    def useful(self, rest: Problem, fluid: Fluid) -> Ints:
        """Choose the kinds of node that give most for their cost, of each size some."""
        profit = fluid.duals.worth(rest)
        most = self.problem.most_per_node()
        # A node that costs nothing counts as a very cheap one.
        cost = np.maximum(rest.cost, rest.cost[rest.cost > 0].min(initial=1.0) / 1024)
        value = fractional_bound(profit, rest.need, rest.room, most, fluid.prices) / cost
        size = np.floor(np.log2(np.maximum(cost / cost.min(), 1)))
        order = np.lexsort((-value, size))
        rank = np.arange(len(order)) - np.searchsorted(size[order], size[order])
        return enough(rest, order[rank < _EACH_SIZE])

    def generate(self, fluid: Fluid | None) -> Relaxed:
        """Generate columns for a better fractional bound."""
        problem, columns = self.problem, self.columns
        if self.best is not None:
            columns.add(self.best.kind, self.best.mix)
        columns.add(*single(problem))
        limited = bool(len(problem.limit))
        penalty = 10.0 * float(problem.cost.max() + problem.pod_cost.max() + 1) if limited else None
        until = self.deadline.part(0.7)
        asked = 0

        def stop(solution: Mixture, proved: Fraction) -> bool:
            nonlocal asked
            self.prove(float(proved))
            asked += 1
            if self.simple and asked % _EARLY == 0:
                self.offer(filled_up(problem, columns, solution.count))
            # The bound cannot pass the fractional cost: where that is near, or much nearer
            # than the best whole plan, it is not what keeps the gap open.
            short = solution.value - float(proved)
            near = short <= max(_NEARLY * self.target * self.cost, 0.15 * (self.cost - self.bound))
            # Sums of whole nodes can prove more than any fractional cost.
            passed = solution.value <= self.bound and self.generator.deep
            return passed or (near and self.nodes() > _FEW) or self.done() or until.over()

        rounds = self.effort * _WORK / (problem.shapes**1.5 * math.sqrt(problem.kinds))
        relaxed = self.generator.run(
            penalty=penalty,
            stop=stop,
            rounds=min(400, max(8, int(rounds))),
            centre=None if fluid is None else fluid.duals,
        )
        self.prove(float(relaxed.bound))
        self.lp_bound = max(self.lp_bound, float(relaxed.bound))
        return relaxed

    def round(self, relaxed: Relaxed) -> None:
        """Make the fractional optimum whole by integer programs over its columns."""
        if self.nodes() <= _FEW and relaxed.proof is not None:
            before = math.inf
            # The cheaper the best, the fewer patterns can be part of a cheaper one.
            while self.cost < before * (1 - 1e-9) and not self.done():
                before = self.cost
                # Half of the time is over then, not all: the dives still come.
                with contextlib.suppress(OutOfTimeError):
                    packed, bound = settled(
                        self.problem,
                        self.columns,
                        relaxed.proof,
                        self.cost,
                        gap=self.target / 3,
                        deadline=self.deadline.part(0.5),
                    )
                    self.offer(packed)
                    self.prove(bound)
            return
        for back in (0, 1, 3):
            # The first of them needs little time, and may be the first plan there is.
            if self.gap() <= self.target or (back and self.deadline.over()):
                return
            for packed in rounded(
                self.problem,
                relaxed,
                back=back,
                gap=self.target / 3,
                effort=self.effort,
                deadline=self.deadline,
            ):
                self.offer(packed)


@dataclass(frozen=True)
class Blend:
    """A fractional choice among mixes drawn around the fluid optimum."""

    fluid: Fluid
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
    Draw mixes around the fluid optimum and choose among them, in fractions.

    ``draws`` mixes are drawn at first, and those in use are varied in ``rounds`` until the cost
    is near that of the fluid fleet. The mixes of ``known`` packings may be used too.
    """
    columns = Columns(problem)
    # Where nodes of one shape waste nothing, mixes drawn around a mean are worse than these.
    columns.add(*single(problem))
    for packed in known:
        columns.add(packed.kind, packed.mix)
    duals = fluid.duals
    each = max(40, draws // max(len(fluid.kind), 1))
    which = np.repeat(np.arange(len(fluid.kind)), each)
    kind = fluid.kind[which]
    mix = scatter(problem, kind, fluid.mix[which], duals.worth(problem)[kind], rng=rng)
    _take(columns, duals, kind, mix, rng)
    base = np.maximum(fluid.duals.pods, 1e-3 * max(fluid.duals.pods.max(initial=0), 1e-12))
    floors = fluid.duals.floor[problem.floor > 0]
    # Without shared limits nodes of one shape place all pods, and none need be left out.
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
        profit = solution.duals.worth(problem)
        used = np.nonzero(solution.count > 1e-9)[0]
        if not len(used):
            break
        kind = np.repeat(columns.kind[used], max(1, draws // 2 // len(used)))
        mix = np.repeat(columns.mix[used], max(1, draws // 2 // len(used)), axis=0)
        lean = share + np.clip((solution.duals.pods / base - 1) / _DELTA, -3, 3)
        lean = np.tile(lean, (len(kind), 1))
        mix = mutate(problem, kind, mix, profit[kind], lean, rng=rng)
        _take(columns, solution.duals, kind, mix, rng)
    return Blend(fluid, columns, solution)


def _take(columns: Columns, duals: Duals, kind: Ints, mix: Ints, rng: np.random.Generator) -> None:
    """Take the mixes of least reduced cost, ties at random so that they differ."""
    problem = columns.problem
    both = np.unique(np.column_stack([kind, mix]), axis=0)
    kind, mix = both[:, 0], both[:, 1:]
    spare = duals.reduced(problem, kind, mix) / np.maximum(problem.cost[kind], 1e-12)
    order = np.lexsort((rng.random(len(kind)), np.round(spare / _TIE)))
    order = order[: 200 + 5 * problem.shapes]
    columns.add(kind[order], mix[order])


def dive(
    problem: Problem,
    first: Blend | None,
    *,
    rng: np.random.Generator,
    draws: int,
    rounds: int,
    parts: float,
    useful: Ints,
    depth: int,
    deadline: Deadline,
) -> Iterator[tuple[Packed, Problem]]:
    """
    Fix the whole part of a fractional choice, and choose anew for what is left.

    What is left goes on nodes that cost at most one of ``parts`` of it: smaller and smaller ones,
    so that the last is not a large one nearly empty. They are of the ``useful`` kinds; others come
    in where a shape fits none of these.

    Yields
    ------
    fixed : Packed
        All nodes fixed so far.
    rest : Problem
        What they leave.
    """
    fixed: list[Packed] = []
    rest, now = problem, first
    fluid = solve_fluid(problem, deadline=deadline) if first is None else first.fluid
    value = 0.0 if fluid is None else fluid.value
    kinds = np.arange(problem.kinds)
    for _ in range(depth):
        if now is None:
            kinds = small(rest, value / parts, useful)
            fluid = solve_fluid(rest.only(kinds), deadline=deadline)
            if fluid is None or not len(fluid.kind):
                return
            value, fewer = fluid.value, max(200, draws // 3)
            now = blend(
                rest.only(kinds), fluid, rng=rng, draws=fewer, rounds=rounds, deadline=deadline
            )
        count = now.solution.count
        number = _whole_part(count)
        if not number.any():
            return
        used = np.nonzero(number)[0]
        part = Packed(kinds[now.columns.kind[used]], now.columns.mix[used], number[used])
        rest = rest_of(rest, part)
        if (rest.limit < 0).any():
            return
        fixed.append(part)
        value = max(0.0, value - float(problem.cost[part.kind] @ part.number))
        yield joined(*fixed), rest
        if covered(rest):
            return
        now = None


def _whole_part(count: Floats) -> Ints:
    """Whole nodes of a fractional choice; where there are none, one of each that is nearly whole."""
    number = np.floor(count + 1e-7).astype(np.int64)
    top = float(count.max(initial=0))
    if number.any() or top <= 1e-6:
        return number
    return np.asarray(count >= min(0.85, top)).astype(np.int64)


def small(problem: Problem, cost: float, useful: Ints) -> Ints:
    """Choose the useful kinds up to a cost, and what else is needed."""
    return enough(problem, useful[problem.cost[useful] <= cost])


def enough(problem: Problem, kinds: Ints) -> Ints:
    """Those of some kinds that fit any pod, and the cheapest for each shape that fits none of them."""
    fits = problem.most_per_node() > 0
    chosen = np.zeros(problem.kinds, dtype=bool)
    chosen[kinds] = True
    for shape in np.nonzero((problem.count > 0) & ~fits[chosen].any(axis=0))[0]:
        able = np.nonzero(fits[:, shape])[0]
        chosen |= fits[:, shape] & (problem.cost <= problem.cost[able].min())
    sufficient: Ints = np.nonzero(chosen & fits.any(axis=1))[0]
    return sufficient
