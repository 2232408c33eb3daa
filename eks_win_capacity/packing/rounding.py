"""Whole nodes from the fractional optimum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.packing.column_generation import Columns, constraint_rows
from eks_win_capacity.packing.first_fit import Packed, first_fit
from eks_win_capacity.packing.packings import feasible, joined, rest_of, total_cost

if TYPE_CHECKING:
    from eks_win_capacity.packing.column_generation import Relaxed
    from eks_win_capacity.packing.deadline import Deadline
    from eks_win_capacity.packing.problem import Floats, Problem

_COLUMNS = 500
"""Patterns the integer program may choose from: the more, the slower each of its steps."""

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
    reference = max(total_cost(problem, base), 0.0)
    solved = deadline.milp(
        cost[chosen] / max(cost.max(), 1e-12),
        constraints=LinearConstraint(matrix, -np.inf, right),
        integrality=1,
        bounds=Bounds(0, np.inf),
        options={
            # The part already fixed counts towards what a gap of the whole allows.
            "mip_rel_gap": min(
                gap * (1 + reference / max(relaxed.solution.value - reference, 1e-9)), 0.05
            ),
            "node_limit": max(20, int(_NODES * effort * min(1.0, 24 / problem.shapes))),
        },
    )
    found = None
    if solved.x is not None:
        number = np.round(solved.x).astype(np.int64)
        some = number > 0
        found = joined(base, Packed(kind[chosen][some], mix[chosen][some], number[some]))
        found = found if feasible(problem, found) else None
    if not len(problem.limit) and not problem.floor.any():
        filled = first_fit(rest, np.arange(problem.kinds))
        if filled is not None:
            other = joined(base, filled)
            if found is None or total_cost(problem, other) < total_cost(problem, found):
                found = other
    return found


def filled_up(problem: Problem, columns: Columns, count: Floats) -> Packed | None:
    """Keep the whole part of a fractional choice and put the rest first-fit: quick, and early."""
    number = np.floor(count + 1e-7).astype(np.int64)
    some = np.nonzero(number)[0]
    base = Packed(columns.kind[some], columns.mix[some], number[some])
    rest = first_fit(rest_of(problem, base), np.arange(problem.kinds))
    return None if rest is None else joined(base, rest)
