"""Whole fleets by diving: draw mixes of pods, choose in fractions, and keep the whole part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.packing.column_generation import Columns, single, solve_fractional
from eks_win_capacity.packing.deadline import Deadline
from eks_win_capacity.packing.first_fit import refill
from eks_win_capacity.packing.problem import Packed, covered, joined, rest_of
from eks_win_capacity.packing.relaxation import solve_fluid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.packing.column_generation import Mixture
    from eks_win_capacity.packing.problem import Duals, Floats, Ints, Problem
    from eks_win_capacity.packing.relaxation import Fluid

_DELTA = 0.05
"""Part by which prices of pods move before they weigh fully in what is drawn next."""

_TIE = 1e-5
"""Reduced costs that differ by less, as a part of the cost, count as equal."""

_NEAR = 1e-4
"""Distance to the fluid cost, as a part of it, at which no more mixes are drawn."""

_NEVER = Deadline()


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
    deadline: Deadline = _NEVER,
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
        worth = solution.duals.worth(problem)
        some = np.nonzero(solution.count > 1e-9)[0]
        if not len(some):
            break
        kind = np.repeat(columns.kind[some], max(1, draws // 2 // len(some)))
        mix = np.repeat(columns.mix[some], max(1, draws // 2 // len(some)), axis=0)
        lean = share + np.clip((solution.duals.pods / base - 1) / _DELTA, -3, 3)
        lean = np.tile(lean, (len(kind), 1))
        mix = mutate(problem, kind, mix, worth[kind], lean, rng=rng)
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
    deadline: Deadline = _NEVER,
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
    some: Ints = np.nonzero(chosen & fits.any(axis=1))[0]
    return some


def scatter(
    problem: Problem, kind: Ints, mean: Floats, worth: Floats, *, rng: np.random.Generator
) -> Ints:
    """
    Draw whole mixes around mean ones, each filled until no pod fits.

    The fluid optimum says what a node holds on average. Whole mixes that lie around it in
    all directions hold that average between them, so that one linear program over them comes
    near the optimum at once, where patterns priced one by one need hundreds of rounds.
    """
    most = problem.most_per_node()[kind]
    part = rng.uniform(0.5, 1.0, size=(len(kind), 1))
    mix = np.floor(mean * part + 0.3 * rng.random(mean.shape)).astype(np.int64)
    mix = np.minimum(mix, most)
    room = problem.room[kind]
    while len(over := np.nonzero(((mix @ problem.need) > room).any(axis=1))[0]):
        _drop(mix, over, rng.random((len(over), problem.shapes)))
    lean = np.log(np.maximum(mean, 1e-3))
    refill(problem, kind, mix, most, worth, lean, rng=rng)
    return mix


def mutate(
    problem: Problem,
    kind: Ints,
    mix: Ints,
    worth: Floats,
    lean: Floats,
    *,
    rng: np.random.Generator,
) -> Ints:
    """
    Take a few pods out of each mix and fill it again.

    ``lean`` are the log-odds with which a shape is put in, and their negative of it taken out.
    """
    most = problem.most_per_node()[kind]
    mix = np.minimum(mix, most)
    every = np.arange(len(mix))
    for _ in range(int(rng.integers(1, 5))):
        _drop(mix, every, rng.gumbel(size=mix.shape) - lean)
    refill(problem, kind, mix, most, worth, lean, rng=rng, swaps=3)
    return mix


def _drop(mix: Ints, which: Ints, score: Floats) -> None:
    """Take the pod with the best score off each of some mixes."""
    score = np.where(mix[which] > 0, score, -np.inf)
    shape = score.argmax(axis=1)
    some = mix[which, shape] > 0
    mix[which[some], shape[some]] -= 1
