"""The cheapest numbers of nodes whose sums suffice, and a try to pack the pods on them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.packing.deadline import Deadline
from eks_win_capacity.packing.first_fit import first_fit
from eks_win_capacity.packing.problem import Packed, joined
from eks_win_capacity.packing.sampling import refill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.packing.column_generation import Cut
    from eks_win_capacity.packing.problem import Floats, Ints, Problem

_STEPS = 200
"""Steps of the integer program over numbers of nodes."""

_QUICK = 20
"""The same where a good choice will do."""

_NEAR = 1e-4
"""Gap at which that program may stop."""

_SPARE = (0.0, 0.002, 0.006, 0.015, 0.03)
"""Room beyond the need, as a part of it, for one try after the other."""

_NOISE = 2e-3
"""Part by which costs are changed from the second try on, for other numbers of nodes."""

_LISTED, _CHOICES, _CHEAPEST = 6, 20_000, 300
"""Nodes of which all choices are listed, choices extended, and choices packed."""

_APART = 1.2
"""What a pod without a place counts, as a multiple of its worth."""

_TRIES = 3_000
"""Ways of packing tried, times nodes."""

_NEVER = Deadline()


def cheapest_numbers(
    problem: Problem,
    cuts: tuple[Cut, ...],
    *,
    spare: float = 0.0,
    noise: Floats | None = None,
    steps: int = _STEPS,
    deadline: Deadline = _NEVER,
) -> tuple[Ints | None, float]:
    """
    Choose the cheapest numbers of nodes that could hold all pods, by their sums alone.

    Every fleet obeys every cut, so that without spare room the program proves a bound on the
    cost of whole nodes, less a margin for the tolerances of the solver.

    Parameters
    ----------
    problem : Problem
        A problem without shared limits and zones.
    cuts : tuple of Cut
        What every fleet obeys.
    spare : float
        Room to have beyond the need, as a part of it.
    noise : (kinds,) array, optional
        Parts by which costs are changed, for other numbers; nothing is proved then.
    steps : int
        Steps of the program at most.
    deadline : Deadline
        When to stop.

    Returns
    -------
    number : (kinds,) int array or None
        None where none was found.
    bound : float
        No numbers with so much room cost less.
    """
    from scipy.optimize import Bounds, LinearConstraint

    rows = np.array(
        [
            *(cut.worth / max(cut.demand, 1) for cut in cuts),
            *(problem.room / np.maximum(problem.count @ problem.need, 1)).T,
            *(problem.most_per_node() / np.maximum(problem.count, 1)).T[problem.count > 0],
        ],
        dtype=np.float64,
    )
    sums = np.arange(len(rows)) < len(cuts) + problem.need.shape[1]
    some = (rows > 0).any(axis=1)
    rows, sums = rows[some], sums[some]
    top = float(problem.cost.max())
    # Coefficients are raised slightly, so that rounding can only weaken the cut.
    solved = deadline.milp(
        problem.cost / top * (1 if noise is None else 1 + noise),
        constraints=LinearConstraint(
            rows * (1 + 1e-9), np.where(sums, 1 + spare, 1) - 1e-9, np.inf
        ),
        integrality=1,
        bounds=Bounds(0, np.inf),
        options={"mip_rel_gap": _NEAR if noise is None else _NOISE, "node_limit": steps},
    )
    number = None if solved.x is None else np.round(solved.x).astype(np.int64)
    bound = solved.mip_dual_bound
    proved = 0.0
    if bound is not None and np.isfinite(bound):
        proved = float(bound) * top * (1 - 2e-6)
    return number, proved


def few_nodes(problem: Problem, *, most: float, nodes: int = _LISTED) -> Ints:
    """
    List the ways to choose a few nodes whose sums suffice, the cheapest first.

    Parameters
    ----------
    problem : Problem
        A problem without shared limits and zones.
    most : float
        Cost that a choice must stay below.
    nodes : int
        Nodes at most.

    Returns
    -------
    (choices, nodes) int array
        The kinds of the nodes; -1 where there are fewer.
    """
    wanted = problem.count @ problem.need
    able = problem.most_per_node()
    found: list[Ints] = []
    chosen: Ints = np.zeros((1, 0), dtype=np.int64)
    for size in range(1, nodes + 1):
        if len(chosen) * problem.kinds > _CHOICES:
            break
        last = chosen[:, -1] if size > 1 else np.zeros(1, dtype=np.int64)
        before = np.repeat(np.arange(len(chosen)), problem.kinds - last)
        ends = np.cumsum(problem.kinds - last)
        begins = np.repeat(ends - (problem.kinds - last) - last, problem.kinds - last)
        chosen = np.column_stack([chosen[before], np.arange(len(before)) - begins])
        chosen = chosen[problem.cost[chosen].sum(axis=1) < most * (1 - 1e-9)]
        enough = (problem.room[chosen].sum(axis=1) >= wanted).all(axis=1)
        whole = chosen[enough]
        whole = whole[(able[whole].sum(axis=1) >= problem.count).all(axis=1)]
        found.append(np.pad(whole, ((0, 0), (0, nodes - size)), constant_values=-1))
    every = np.concatenate(found) if found else np.zeros((0, nodes), dtype=np.int64)
    cost = np.where(every >= 0, problem.cost[every], 0.0).sum(axis=1)
    order: Ints = np.argsort(cost, kind="stable")
    return every[order[:_CHEAPEST]]


def pack(
    problem: Problem, nodes: Ints, worth: Floats, *, rng: np.random.Generator
) -> tuple[Packed, Ints]:
    """
    Pack the pods on given nodes, in many ways at once, and give the best.

    Parameters
    ----------
    problem : Problem
        A problem without shared limits and zones.
    nodes : (tries, nodes) int array
        The kinds of the nodes of each try, -1 for none.
    worth : (shapes,) array
        What a pod is worth.
    rng : Generator
        The chance.

    Returns
    -------
    packed : Packed
        The cheapest packing, pods without a place counted as worth more than they are.
    left : (shapes,) int array
        Pods that found no place.
    """
    tries, places = nodes.shape
    most = np.vstack([problem.most_per_node(), np.zeros((1, problem.shapes), dtype=np.int64)])
    nodes = np.take_along_axis(nodes, np.argsort(rng.random(nodes.shape), axis=1), axis=1)
    left = np.tile(problem.count, (tries, 1))
    size = (problem.need / np.maximum(problem.count @ problem.need, 1)).max(axis=1)
    lean = np.log(np.maximum(size, 1e-12)) * rng.uniform(0, 4, size=(tries, 1))
    price = np.tile(worth, (tries, 1))
    mixes = np.zeros((places, tries, problem.shapes), dtype=np.int64)
    for place in range(places):
        kind, mix = nodes[:, place], mixes[place]
        refill(problem, kind, mix, np.minimum(most[kind], left), price, lean, rng=rng)
        left -= mix
    cost = np.where(nodes >= 0, problem.cost[nodes], 0.0).sum(axis=1)
    best = int(np.argmin(cost + _APART * (left @ worth)))
    real = nodes[best] >= 0
    packed = Packed(nodes[best][real], mixes[real, best], np.ones(int(real.sum()), dtype=np.int64))
    return packed, left[best]


def packings(
    problem: Problem,
    worth: Floats,
    *,
    first: Ints | None = None,
    rng: np.random.Generator,
    most: float = math.inf,
    deadline: Deadline = _NEVER,
) -> Iterator[Packed]:
    """
    Pack the pods on the cheapest numbers of nodes, with more and more room to spare.

    Pods without a place go first-fit on nodes of their own.

    Parameters
    ----------
    problem, worth, rng
        As in `pack`.
    first : (kinds,) int array, optional
        Numbers of nodes to try first.
    most : float
        Cost from which numbers of nodes are of no interest.
    """
    kinds = np.arange(problem.kinds)
    for turn, spare in enumerate(_SPARE):
        number = first
        if turn or first is None:
            noise = rng.uniform(-_NOISE, _NOISE, problem.kinds) if turn else None
            number, _ = cheapest_numbers(
                problem, (), spare=spare, noise=noise, steps=_QUICK, deadline=deadline
            )
        if number is None or not number.any():
            return
        if float(problem.cost @ number) >= most * (1 - 1e-9):
            # More room costs more; only without any is it worth to look again.
            if turn:
                return
            continue
        tries = int(np.clip(_TRIES // number.sum(), 20, 200))
        packed, left = pack(problem, np.tile(np.repeat(kinds, number), (tries, 1)), worth, rng=rng)
        yield from _finished(problem, packed, left)
        if not left.any():
            return


def listed_packings(
    problem: Problem, worth: Floats, *, rng: np.random.Generator, most: float
) -> Iterator[Packed]:
    """
    Pack the pods on the cheapest choices of a few nodes, all at once.

    Parameters
    ----------
    problem, worth, rng, most
        As in `packings`.
    """
    listed = few_nodes(problem, most=most)
    if len(listed):
        nodes = np.repeat(listed, max(1, _CHEAPEST // len(listed)), axis=0)
        packed, left = pack(problem, nodes, worth, rng=rng)
        yield from _finished(problem, packed, left)


def _finished(problem: Problem, packed: Packed, left: Ints) -> Iterator[Packed]:
    """Put the pods that are left first-fit on nodes of their own."""
    if not left.any():
        yield packed
        return
    rest = first_fit(problem, np.arange(problem.kinds), count=left)
    if rest is not None:
        yield joined(packed, rest)
