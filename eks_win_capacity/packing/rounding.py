"""Whole nodes from the fractional optimum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.packing.column_generation import WHOLE, Columns, constraint_rows
from eks_win_capacity.packing.first_fit import first_fit
from eks_win_capacity.packing.knapsack import best_mixes, resource_prices
from eks_win_capacity.packing.problem import Packed, feasible, joined, rest_of, total_cost

if TYPE_CHECKING:
    from eks_win_capacity.packing.column_generation import Proof, Relaxed
    from eks_win_capacity.packing.deadline import Deadline
    from eks_win_capacity.packing.problem import Floats, Ints, Problem

_COLUMNS, _EVERY = 500, 3_000
"""Patterns the integer program may choose from: the more, the slower each of its steps; and
where these are all there are, so that it proves a bound."""

_LISTED = 540_000
"""Patterns of all kinds that are listed, those with room for more pods among them."""

_IMPOSSIBLE = 2
"""Status of SciPy's solvers where nothing keeps all rules."""

_NODES = 400
"""Steps of the integer program; a count and not a time, so that answers repeat."""


def rounded(
    problem: Problem, relaxed: Relaxed, *, back: int, gap: float, effort: float, deadline: Deadline
) -> Packed | None:
    """
    Keep the whole part of the fractional optimum and choose the rest as an integer program.

    Parameters
    ----------
    problem : Problem
        The problem.
    relaxed : Relaxed
        Its fractional optimum.
    back : int
        Nodes of each pattern that are given back to the integer program, which is freer then.
    gap : float
        Part of the cost at which the integer program may stop.
    effort : float
        Part of the usual steps.
    deadline : Deadline
        When to stop.

    Returns
    -------
    Packed or None
        None where no whole choice was found.
    """
    from scipy.optimize import Bounds, LinearConstraint

    columns = relaxed.columns
    kind, mix = columns.kind, columns.mix
    fixed = np.maximum(np.floor(relaxed.solution.count + 1e-7).astype(np.int64) - back, 0)
    base = Packed(kind[fixed > 0], mix[fixed > 0], fixed[fixed > 0])
    rest = rest_of(problem, base)
    if not rest.count.any() and not rest.floor.any():
        return base
    if (rest.limit < 0).any():
        return None
    duals = relaxed.solution.duals
    price = duals.pods + duals.floor[problem.zone[kind]]
    cost = problem.costs(kind, mix)
    scale = np.maximum(problem.limit, 1)
    spare = cost - (price * mix).sum(axis=1) + problem.usage(kind, mix) @ (duals.limit / scale)
    order = np.argsort(spare - (relaxed.solution.count > 1e-9) * 1e9, kind="stable")
    chosen = order[:_COLUMNS]
    matrix, right = constraint_rows(rest, kind[chosen], mix[chosen])
    # The part already fixed counts towards what a gap of the whole allows.
    reference = max(total_cost(problem, base), 0.0)
    open_cost = max(relaxed.solution.value - reference, 1e-9)
    solved = deadline.milp(
        cost[chosen] / max(cost.max(), 1e-12),
        constraints=LinearConstraint(matrix, -np.inf, right),
        integrality=1,
        bounds=Bounds(0, np.inf),
        options={
            "mip_rel_gap": min(gap * (1 + reference / open_cost), 0.05),
            "node_limit": max(20, int(_NODES * effort * min(1.0, 24 / problem.shapes))),
        },
    )
    found = None
    if solved.x is not None:
        number = np.round(solved.x).astype(np.int64)
        some = number > 0
        found = joined(base, Packed(kind[chosen][some], mix[chosen][some], number[some]))
        found = found if feasible(problem, found) else None
    if len(problem.limit) or problem.floor.any():
        return found
    filled = first_fit(rest, np.arange(problem.kinds))
    plans = [found, None if filled is None else joined(base, filled)]
    return min(
        (one for one in plans if one is not None),
        key=lambda one: total_cost(problem, one),
        default=None,
    )


def settled(
    problem: Problem,
    columns: Columns,
    proof: Proof,
    most: float,
    *,
    gap: float,
    deadline: Deadline,
) -> tuple[Packed | None, float]:
    """
    Choose among all patterns that a fleet below some cost can have, as an integer program.

    With prices that overrate no pattern, a fleet costs at least what its pods are worth and
    what each of its patterns costs beyond its own (the reduced cost). So a pattern whose
    reduced cost exceeds what lies between bound and ``most`` is in no fleet below ``most``. Of
    the others those that still have room for a pod may be left out: with it they cost no more.

    Parameters
    ----------
    problem : Problem
        A problem without shared limits and zones.
    columns : Columns
        Patterns to choose from where all are too many.
    proof : Proof
        Prices and the bound that they prove.
    most : float
        Cost to stay below.
    gap : float
        Part of the cost at which the program may stop.
    deadline : Deadline
        When to stop.

    Returns
    -------
    packed : Packed or None
        None where none was found.
    bound : float
        No fleet costs less; that of ``proof`` where the patterns are too many to be listed.
    """
    from scipy.optimize import Bounds, LinearConstraint

    kind, mix, every = _below(problem, proof, most, deadline=deadline)
    if not every:
        kind, mix = np.append(columns.kind, kind), np.vstack([columns.mix, mix])
        reduced = problem.cost[kind] - mix @ proof.pods
        order = np.argsort(reduced, kind="stable")[:_COLUMNS]
        kind, mix = kind[order], mix[order]
    top = max(float(problem.cost.max()), 1e-12)
    solved = deadline.milp(
        problem.cost[kind] / top,
        constraints=LinearConstraint(mix.T.astype(np.float64), problem.count, np.inf),
        integrality=1,
        bounds=Bounds(0, np.inf),
        options={"mip_rel_gap": gap, "node_limit": _NODES},
    )
    packed, bound = None, proof.bound
    if every and solved.status == _IMPOSSIBLE:
        bound = most
    elif every and solved.mip_dual_bound is not None and np.isfinite(solved.mip_dual_bound):
        lowest = float(solved.mip_dual_bound) * top * (1 - 2e-6)
        bound = max(bound, min(most, lowest))
    if solved.x is not None:
        number = np.round(solved.x).astype(np.int64)
        packed = Packed(kind[number > 0], mix[number > 0], number[number > 0])
    return packed, bound


def _below(
    problem: Problem, proof: Proof, most: float, *, deadline: Deadline
) -> tuple[Ints, Ints, bool]:
    """Full patterns that a fleet below a cost can have, and whether these are all of them."""
    able = problem.most_per_node()
    unit = WHOLE / max(float(problem.cost.max()), 1e-12)
    # Pods worth nothing still count, so that no pattern lacks them.
    worth = np.maximum(np.floor(proof.pods * unit).astype(np.int64), 1)
    worth = np.where(able > 0, worth, 0)
    # What rounding takes from the worth of a node is at most one unit for each pod.
    slack = able.sum(axis=1) + 1
    threshold = np.floor((problem.cost - (most - proof.bound)) * unit).astype(np.int64) - slack
    room, need = problem.room, problem.need
    prices = resource_prices(worth.astype(np.float64), need, room, able, deadline=deadline)
    priced = best_mixes(
        worth,
        need,
        room,
        able,
        prices,
        np.maximum(threshold, 0),
        width=_LISTED // problem.kinds,
        keep=_LISTED // problem.kinds,
        distinct=False,
        deadline=deadline,
    )
    left = room[priced.kind] - priced.mix @ need
    more = (need <= left[:, None, :]).all(axis=2) & (priced.mix < able[priced.kind])
    full = np.nonzero(~more.any(axis=1))[0]
    every = bool(priced.complete.all()) and len(full) <= _EVERY
    return priced.kind[full], priced.mix[full], every


def filled_up(problem: Problem, columns: Columns, count: Floats) -> Packed | None:
    """Keep the whole part of a fractional choice and put the rest first-fit: quick, and early."""
    number = np.floor(count + 1e-7).astype(np.int64)
    some = np.nonzero(number)[0]
    base = Packed(columns.kind[some], columns.mix[some], number[some])
    rest = first_fit(rest_of(problem, base), np.arange(problem.kinds))
    return None if rest is None else joined(base, rest)
