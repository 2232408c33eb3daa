"""Whole nodes from the fractional optimum, and the bound that whole nodes allow."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.fleet._columns import Columns, Generator, constraint_rows
from eks_win_capacity.fleet._exact import choose, pool_of
from eks_win_capacity.fleet._first_fit import Packed, first_fit
from eks_win_capacity.fleet._problem import quiet

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_win_capacity.fleet._columns import Cut, Relaxed
    from eks_win_capacity.fleet._problem import Floats, Ints, Problem

_COLUMNS = 500
"""Patterns the integer program may choose from: the more, the slower each of its steps."""

_NODES = 400
"""Steps of the integer program; a count and not a time, so that answers repeat."""

_BOUND_NODES = 500
"""The same of the program that bounds the numbers of nodes."""

_WORK = 250_000
"""Rounds of column generation at most, times shapes to the power 1.5 and the root of kinds."""


_EARLY = 6
"""Rounds of column generation between two quick plans on the way."""

_SMALL, _FEW = 400, 30
"""Nodes and shapes up to which all patterns that could help are listed."""


def total_cost(problem: Problem, packed: Packed) -> float:
    """Give what a packing costs."""
    return math.fsum((problem.costs(packed.kind, packed.mix) * packed.number).tolist())


def feasible(problem: Problem, packed: Packed) -> bool:
    """Tell whether a packing places all pods and keeps the shared limits."""
    placed = packed.number @ packed.mix
    if (placed < problem.count).any():
        return False
    for zone, floor in enumerate(problem.floor):
        here = problem.zone[packed.kind] == zone
        if (packed.number[here] @ packed.mix[here] < floor).any():
            return False
    used = packed.number @ problem.usage(packed.kind, packed.mix)
    return bool((used <= problem.limit).all())


def rest_of(problem: Problem, packed: Packed) -> Problem:
    """Give what is left of a problem once some nodes are fixed."""
    count = np.maximum(problem.count - packed.number @ packed.mix, 0)
    floor = problem.floor.copy()
    for zone in range(problem.zones):
        here = problem.zone[packed.kind] == zone
        floor[zone] = np.maximum(floor[zone] - packed.number[here] @ packed.mix[here], 0)
    used = packed.number @ problem.usage(packed.kind, packed.mix)
    return replace(problem, count=count, floor=floor, limit=problem.limit - used)


def joined(*parts: Packed) -> Packed:
    """Put packings together."""
    return Packed(
        np.concatenate([part.kind for part in parts]),
        np.concatenate([part.mix for part in parts]),
        np.concatenate([part.number for part in parts]),
    )


def rounded(
    problem: Problem, relaxed: Relaxed, *, back: int, gap: float, effort: float, seconds: float
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
    seconds : float
        What is left of the time limit asked for.

    Returns
    -------
    Packed or None
        None where no whole choice was found.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

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
    with quiet():
        solved = milp(
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
            }
            | ({"time_limit": seconds} if math.isfinite(seconds) else {}),
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


def whole_bound(problem: Problem, cuts: tuple[Cut, ...], *, seconds: float) -> float:
    """
    Bound the cost of whole nodes by the cheapest numbers of nodes that obey all cuts.

    Every fleet obeys every cut, so the integer program over the numbers of nodes alone costs
    no more than any plan; its own proved bound is used, less a margin for its tolerances.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    if not cuts or problem.kinds > 2_000:
        return 0.0
    last = cuts[-60:]
    rows = np.array(
        [
            *(cut.worth / max(cut.demand, 1) for cut in last),
            *(problem.room / np.maximum(problem.count @ problem.need, 1)).T,
            *(problem.most_per_node() / np.maximum(problem.count, 1)).T[problem.count > 0],
        ],
        dtype=np.float64,
    )
    rows = rows[(rows > 0).any(axis=1)]
    top = float(problem.cost.max())
    # Coefficients are raised by a hair, so that rounding can only weaken the cut.
    with quiet():
        solved = milp(
            problem.cost / top,
            constraints=LinearConstraint(rows * (1 + 1e-9), 1 - 1e-9, np.inf),
            integrality=1,
            bounds=Bounds(0, np.inf),
            options={"mip_rel_gap": 1e-6, "node_limit": _BOUND_NODES}
            | ({"time_limit": seconds} if math.isfinite(seconds) else {}),
        )
    bound = solved.mip_dual_bound
    if bound is None or not np.isfinite(bound):
        return 0.0
    return float(bound) * top * (1 - 2e-6)


def shared(problem: Problem, packed: Packed) -> Ints:
    """Give what a packing takes of each shared limit."""
    return packed.number @ problem.usage(packed.kind, packed.mix)


def solve(
    problem: Problem,
    *,
    starts: tuple[Packed, ...] = (),
    target: float,
    clock: Callable[[], float],
    deadline: float,
    effort: float = 1.0,
    step: float = 0.0,
    report: Callable[[Packed, float], None] | None = None,
) -> tuple[Packed | None, float, float]:
    """
    Find a cheap packing and prove how cheap any could be.

    Parameters
    ----------
    problem : Problem
        The problem.
    starts : tuple of Packed
        Packings that keep all limits; the answer is never dearer.
    target : float
        Gap at which the work ends.
    clock, deadline : callable, float
        The time, and when to stop. Work is limited by counts, so that the answer repeats
        where the deadline is not reached. [s]
    effort : float
        Part of the usual work.
    step : float
        All costs are multiples of it; 0 where they are not.
    report : callable, optional
        Told every better packing with the bound at that time.

    Returns
    -------
    best : Packed or None
        The cheapest packing found.
    bound : float
        Proved lower bound.
    lp_bound : float
        The fractional part of that proof.
    """
    best: Packed | None = None
    bound = 0.0

    def offer(packed: Packed | None) -> None:
        nonlocal best
        if packed is None or not feasible(problem, packed):
            return
        if best is None or total_cost(problem, packed) < total_cost(problem, best) - 1e-12:
            best = packed
            if report is not None:
                report(packed, bound)

    columns = Columns(problem)
    for packed in starts:
        offer(packed)
        columns.add(packed.kind, packed.mix)
    most = problem.most_per_node()
    kind, shape = np.nonzero(most > 0)
    alone = np.zeros((len(kind), problem.shapes), dtype=np.int64)
    alone[np.arange(len(kind)), shape] = most[kind, shape]
    cheap = problem.cost[kind] / most[kind, shape]
    order = np.lexsort((kind, cheap))
    first = order[
        np.unique(shape[order] * problem.zones + problem.zone[kind[order]], return_index=True)[1]
    ]
    columns.add(kind[first], alone[first])
    limited = bool(len(problem.limit))
    penalty = 10.0 * float(problem.cost.max() + problem.pod_cost.max() + 1) if limited else None
    generator = Generator(problem, columns)

    def lift(value: float) -> float:
        if step:
            return math.ceil(value / step - 1e-6) * step
        return value

    def enough() -> bool:
        if best is None:
            return False
        cost = total_cost(problem, best)
        return cost - bound <= max(target * cost, 1e-9)

    plain = not limited and not problem.floor.any() and not problem.pod_cost.any()
    asked = 0
    # Few shapes converge in a moment; for many, the last of the bound costs most of the time.
    close = 0.2 if problem.shapes <= 8 else 0.4
    begun = clock()
    generate_until = begun + 0.7 * (deadline - begun)

    def stop(solution: object, proved: object) -> bool:
        nonlocal bound
        nonlocal asked
        bound = max(bound, lift(float(proved)))  # type: ignore[arg-type]
        asked += 1
        if plain and asked % _EARLY == 0:
            offer(filled_up(problem, columns, solution.count))  # type: ignore[attr-defined]
        value = float(solution.value)  # type: ignore[attr-defined]
        near = value - float(proved) <= close * target * value  # type: ignore[arg-type]
        return near or enough() or clock() > generate_until

    rounds = effort * _WORK / (problem.shapes**1.5 * math.sqrt(problem.kinds))
    relaxed = generator.run(penalty=penalty, stop=stop, rounds=min(400, max(8, int(rounds))))
    bound = max(bound, lift(float(relaxed.bound)))
    lp_bound = float(relaxed.bound)

    def left() -> float:
        # Even a limit that has passed leaves a moment for the step that makes nodes whole.
        return max(0.2, deadline - clock())

    few = relaxed.solution.count.sum() <= 60
    for attempt, back in enumerate((10**9, 0) if few else (0, 1, 3)):
        if enough() or (attempt and clock() > deadline):
            break
        offer(rounded(problem, relaxed, back=back, gap=target / 3, effort=effort, seconds=left()))
        if not attempt and plain and not enough() and best is not None and best.number.sum() < 400:
            bound = max(bound, lift(whole_bound(problem, relaxed.cuts, seconds=left())))
    proof = relaxed.proof
    for _ in range(3):
        if not plain or proof is None or best is None or enough() or clock() > deadline:
            break
        if best.number.sum() > _SMALL or problem.shapes > _FEW:
            break
        before = total_cost(problem, best)
        pool = pool_of(problem, proof, before - proof.bound)
        found, proved = choose(
            problem, pool, known=best, gap=target / 2, effort=effort, seconds=left()
        )
        if pool.complete:
            bound = max(bound, min(lift(proved), before))
        offer(found)
        if pool.complete or total_cost(problem, best) > before * (1 - 1e-4):
            break
    return best, bound, lp_bound
