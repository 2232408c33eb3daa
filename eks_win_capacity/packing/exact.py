"""All the patterns that a better plan could use, and the best choice among them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.packing.column_generation import constraint_rows
from eks_win_capacity.packing.first_fit import Packed
from eks_win_capacity.packing.knapsack import best_mixes, resource_prices
from eks_win_capacity.packing.problem import quiet

if TYPE_CHECKING:
    from eks_win_capacity.packing.column_generation import Proof
    from eks_win_capacity.packing.problem import Flags, Ints, Problem

_WHOLE = 10**9
_PARTIAL = 60_000
"""Partial mixes held at once, over all kinds."""

_CHOICE = 1_500
"""Patterns in the integer program at most."""

_NODES = 300
"""Steps of the integer program; a count and not a time, so that answers repeat."""


@dataclass(frozen=True)
class Pool:
    """
    Patterns, cheapest first in what they cost beyond what their pods are worth.

    ``complete`` says that no plan cheaper than the one known uses any other.
    """

    kind: Ints
    mix: Ints
    complete: bool


def pool_of(problem: Problem, proof: Proof, slack: float) -> Pool:
    """
    List the patterns that cost at most ``slack`` more than their pods are worth.

    For prices that overrate no pattern, a plan costs the worth of its pods plus what each of
    its nodes costs beyond that. A plan cheaper than the one known by so much can use none
    that costs more than the slack on top.

    Parameters
    ----------
    problem : Problem
        A problem without shared limits, zones and costs per pod.
    proof : Proof
        Prices of pods that overrate no pattern.
    slack : float
        Cost of the plan known, less the bound that the prices prove.
    """
    top = max(float(proof.pods.max(initial=0)), 1e-300)
    worth = np.tile(np.floor(proof.pods / top * _WHOLE).astype(np.int64), (problem.kinds, 1))
    # Rounding took up to one unit from each pod; the threshold gives it back.
    most = problem.most_per_node()
    threshold = np.floor((problem.cost - slack) / top * _WHOLE).astype(np.int64)
    threshold -= most.sum(axis=1) + 1_000
    prices = resource_prices(worth.astype(np.float64), problem.need, problem.room, most)
    width = max(40, _PARTIAL // problem.kinds)
    found = best_mixes(
        worth,
        problem.need,
        problem.room,
        most,
        prices,
        threshold,
        width=width,
        keep=width,
        distinct=False,
    )
    mix = _filled(problem, found.kind, found.mix, most, worth[0])
    kind = _cheapest(problem, mix, most, found.kind)
    both = np.unique(np.column_stack([kind, mix]), axis=0)
    kind, mix = both[:, 0], both[:, 1:]
    spare = problem.cost[kind] - mix @ proof.pods
    order = np.argsort(spare, kind="stable")
    complete = bool(found.complete.all()) and len(order) <= _CHOICE
    order = order[:_CHOICE]
    return Pool(kind[order], mix[order], complete)


def _filled(problem: Problem, kind: Ints, mix: Ints, most: Ints, worth: Ints) -> Ints:
    """Add pods while there is room: of two patterns, one within the other, the larger does."""
    mix = mix.copy()
    free = problem.room[kind] - mix @ problem.need
    for shape in np.argsort(-worth, kind="stable").tolist():
        need = problem.need[shape]
        fits = np.where(need > 0, free // np.maximum(need, 1), np.iinfo(np.int64).max).min(axis=1)
        more = np.minimum(fits, most[kind, shape] - mix[:, shape])
        mix[:, shape] += more
        free -= more[:, None] * need
    return mix


def _cheapest(problem: Problem, mix: Ints, most: Ints, kind: Ints) -> Ints:
    """Give each mix the cheapest kind that holds it."""
    used = mix @ problem.need
    best = kind.copy()
    open_: Flags = np.ones(len(mix), dtype=bool)
    for one in np.argsort(problem.cost, kind="stable").tolist():
        fits = open_ & (used <= problem.room[one]).all(axis=1) & (mix <= most[one]).all(axis=1)
        best[fits] = one
        open_ &= ~fits
    return best


def choose(
    problem: Problem, pool: Pool, *, known: Packed, gap: float, effort: float, seconds: float
) -> tuple[Packed | None, float]:
    """
    Choose the cheapest numbers of nodes of each pattern.

    Returns
    -------
    packed : Packed or None
        The choice; None where none was found.
    bound : float
        No choice among the patterns costs less.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    both = np.column_stack(
        [
            np.concatenate([known.kind, pool.kind]),
            np.concatenate([known.mix, pool.mix]),
        ]
    )
    _, first = np.unique(both, axis=0, return_index=True)
    first = np.sort(first)
    kind, mix = both[first, 0], both[first, 1:]
    cost = problem.costs(kind, mix)
    top = max(float(cost.max()), 1e-12)
    matrix, right = constraint_rows(problem, kind, mix)
    with quiet():
        solved = milp(
            cost / top,
            constraints=LinearConstraint(matrix, -np.inf, right),
            integrality=1,
            bounds=Bounds(0, np.inf),
            options={
                "mip_rel_gap": gap,
                "node_limit": max(20, int(_NODES * effort)),
            }
            | ({"time_limit": seconds} if math.isfinite(seconds) else {}),
        )
    bound = solved.mip_dual_bound
    proved = 0.0
    if bound is not None and np.isfinite(bound):
        # Tolerances of the solver: a row may be short by a millionth.
        proved = float(bound) * top * (1 - 2e-6)
    if solved.x is None:
        return None, proved
    number = np.round(solved.x).astype(np.int64)
    some = number > 0
    return Packed(kind[some], mix[some], number[some]), proved
