"""
What others do with the same pods and nodes, written plainly: the methods a plan is measured with.

None of it shares a line with the library's search.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from eks_win_capacity.packing.deadline import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from eks_win_capacity.packing.problem import Packed, Problem

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

MOST_NODES = 1_000
"""Nodes up to which consolidation is played, node by node."""

AT_ONCE = 100
"""Nodes that Karpenter takes away together at the most."""


class Nodes(NamedTuple):
    """Nodes one by one: the kind of each, and its pods of each shape."""

    kind: Ints
    mix: Ints


def cheapest_kind(problem: Problem, mix: Ints) -> int:
    """The cheapest kind that runs a mix alone; -1 if none does."""
    holds = (mix @ problem.need <= problem.room).all(axis=1)
    holds &= (problem.allowed | (mix == 0)).all(axis=1) & (mix <= problem.most).all()
    return int(np.where(holds, problem.cost, np.inf).argmin()) if holds.any() else -1


def put(problem: Problem, nodes: Nodes, pods: Ints) -> tuple[Ints, Ints]:
    """Put pods on the nodes in their order, the largest first: new mixes, and what is left."""
    mix, left = nodes.mix.copy(), pods.copy()
    room = problem.room[nodes.kind] - mix @ problem.need
    for shape in np.argsort(-(problem.need / problem.room.max(axis=0)).max(axis=1)):
        if not left[shape]:
            continue
        need = problem.need[shape]
        fits = (room[:, need > 0] // need[need > 0]).min(axis=1)
        fits = np.minimum(fits, problem.most[shape] - mix[:, shape])
        fits = np.where(problem.allowed[nodes.kind, shape], np.maximum(fits, 0), 0)
        taken = np.clip(left[shape] - (np.cumsum(fits) - fits), 0, fits)
        mix[:, shape] += taken
        room -= taken[:, None] * need
        left[shape] -= taken.sum()
    return mix, left


def without(problem: Problem, nodes: Nodes, gone: Ints) -> Nodes | None:
    """The nodes with some taken away and at most one new in their place, if that costs less."""
    stay = np.delete(np.arange(len(nodes.kind)), gone)
    rest = Nodes(nodes.kind[stay], nodes.mix[stay])
    mix, left = put(problem, rest, nodes.mix[gone].sum(axis=0))
    if not left.any():
        return Nodes(rest.kind, mix)
    kind = cheapest_kind(problem, left)
    if kind < 0 or problem.cost[kind] >= problem.cost[nodes.kind[gone]].sum() - 1e-9:
        return None
    return Nodes(np.append(rest.kind, kind), np.vstack([mix, left]))


def consolidated(problem: Problem, nodes: Nodes) -> Nodes:
    """
    Karpenter's consolidation, until nothing is found.

    Nodes with the fewest pods go first. Of them as many as can be are taken away together, by
    halving; then each alone. Pods move to free room on the others and to at most one new node
    that costs less (https://karpenter.sh/docs/concepts/disruption/#consolidation).
    """
    while True:
        order = np.argsort(nodes.mix.sum(axis=1), kind="stable")
        smaller, least, most = None, 2, min(AT_ONCE, len(order))
        while least <= most:
            middle = (least + most) // 2
            fewer = without(problem, nodes, order[:middle])
            smaller = fewer or smaller
            least, most = (middle + 1, most) if fewer else (least, middle - 1)
        alone = (without(problem, nodes, order[at : at + 1]) for at in range(len(order)))
        smaller = smaller or next((one for one in alone if one), None)
        if smaller is None:
            return nodes
        nodes = smaller


def karpenter(problem: Problem, packed: Packed) -> float:
    """The cost of a first-fit packing after consolidation; nan above ``MOST_NODES`` nodes."""
    if packed.number.sum() > MOST_NODES:
        return math.nan
    one_by_one = np.repeat(np.arange(len(packed.kind)), packed.number)
    nodes = consolidated(problem, Nodes(packed.kind[one_by_one], packed.mix[one_by_one]))
    return float(problem.cost[nodes.kind].sum())


def bounds_of(problem: Problem, price: Floats) -> Floats:
    """What the pods of one node of each kind are worth at most, by each resource alone."""
    best = np.full(problem.kinds, np.inf)
    for resource in range(problem.need.shape[1]):
        need = problem.need[:, resource]
        value = np.where(need > 0, price / np.maximum(need, 1), np.inf)
        room = problem.room[:, resource].astype(float).copy()
        bound = np.zeros(problem.kinds)
        for shape in np.argsort(-value, kind="stable"):
            most = np.where(problem.allowed[:, shape], problem.most[shape], 0)
            most = np.minimum(most, problem.count[shape])
            taken = np.minimum(most, room / need[shape]) if need[shape] else most
            bound += taken * price[shape]
            room -= taken * need[shape]
        best = np.minimum(best, bound)
    return best


def priced(problem: Problem, kind: int, price: Floats) -> Ints | None:
    """The mix of one node of a kind that is worth the most."""
    most = np.where(problem.allowed[kind], np.minimum(problem.most, problem.count), 0)
    rows = LinearConstraint(problem.need.T, ub=problem.room[kind])
    with quiet():
        solution = milp(
            -price, integrality=np.ones(len(price)), bounds=Bounds(0, most), constraints=rows
        )
    return None if solution.x is None else np.rint(solution.x).astype(np.int64)


def column_generation(problem: Problem, seconds: float) -> float:
    """
    The cost by Gilmore and Gomory's method; nan if it has no whole fleet in its time.

    Each round prices a pattern for each kind, by an integer program where a bound says that it
    may pay; once none does, an integer program chooses among the patterns found.
    """
    begun = time.process_time()
    kinds, mixes = [], []
    for shape in range(problem.shapes):
        alone = np.zeros(problem.shapes, dtype=np.int64)
        alone[shape] = 1
        kinds.append(cheapest_kind(problem, alone))
        mixes.append(alone)
    while time.process_time() - begun < seconds:
        cost, columns = problem.cost[kinds], np.array(mixes).T
        master = linprog(cost, A_ub=-columns, b_ub=-problem.count, method="highs")
        price = np.maximum(-master.ineqlin.marginals, 0)
        gain = bounds_of(problem, price) - problem.cost
        known = len(kinds)
        for kind in np.argsort(-gain):
            if gain[kind] <= 1e-7 or time.process_time() - begun > seconds:
                break
            mix = priced(problem, int(kind), price)
            if mix is not None and price @ mix > problem.cost[kind] + 1e-7:
                kinds.append(int(kind))
                mixes.append(mix)
        if len(kinds) == known:
            break
    return whole(problem, np.array(kinds), np.array(mixes), seconds=seconds, gap=1e-4)


def whole(problem: Problem, kinds: Ints, mixes: Ints, *, seconds: float, gap: float) -> float:
    """The cost of the best whole fleet of the patterns given."""
    with quiet():
        solution = milp(
            problem.cost[kinds],
            integrality=np.ones(len(kinds)),
            constraints=LinearConstraint(mixes.T, lb=problem.count),
            options={"time_limit": seconds, "mip_rel_gap": gap},
        )
    return math.nan if solution.x is None else float(problem.cost[kinds] @ np.rint(solution.x))


def patterns(room: Ints, need: Ints, most: Ints) -> Iterator[tuple[int, ...]]:
    """Every mix that fits a room and to which no pod can be added."""
    if len(need) == 0:
        yield ()
        return
    fits = min([int(most[0]), *(int(r // n) for r, n in zip(room, need[0], strict=True) if n)])
    for pods in range(fits, -1, -1):
        for others in patterns(room - pods * need[0], need[1:], most[1:]):
            left = room - pods * need[0] - sum(n * p for n, p in zip(need[1:], others, strict=True))
            if pods == most[0] or (left < need[0]).any():
                yield (pods, *others)


def optimum(problem: Problem) -> float:
    """The least cost of all, over every pattern of every kind: for tiny fleets."""
    kinds, mixes = [], []
    for kind in range(problem.kinds):
        most = np.where(problem.allowed[kind], np.minimum(problem.most, problem.count), 0)
        for mix in patterns(problem.room[kind], problem.need, most):
            kinds.append(kind)
            mixes.append(mix)
    return whole(problem, np.array(kinds), np.array(mixes), seconds=60, gap=0.0)
