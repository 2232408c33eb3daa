"""The cheapest fleet if pods were fluid: the first bound, and what a good node looks like."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity.packing.deadline import Deadline
from eks_win_capacity.packing.knapsack import fractional_bound
from eks_win_capacity.packing.problem import Duals

if TYPE_CHECKING:
    from eks_win_capacity.packing.problem import Floats, Ints, Problem

_NEVER = Deadline()

_RARE = 0.02
"""Part of the cost below which a kind is not looked at for what it lacks."""

_LOOSE = 0.9
"""Part of a node that the most pods of one shape take, below which their number is a rule."""

_ROUNDS, _SHORT = 4, 2e-4
"""Rounded resources at most, and the part of the cost that the fluid fleet must lack of one."""

_MULTIPLES = np.arange(1, 401)
"""Whole units that the room of one kind is nearly worth in a rounded resource."""

_BELOW = (0.5, 0.1, 0.02)
"""What that room lacks of so many units."""

_UNIT = 10**6
"""Parts of a unit that are told apart."""

_INFEASIBLE = 2
"""Status of SciPy's solvers where nothing keeps all rules."""


@dataclass(frozen=True)
class Fluid:
    """
    The optimum of the resource program, in which nodes and pods may be divided at will.

    Attributes
    ----------
    value : float
        Its cost; no plan costs less, up to the tolerances of the solver.
    duals : Duals
        Prices of pods that overrate no node.
    kind : (used,) int array
        The kinds of node it uses.
    nodes : (used,) array
        How many of each.
    mix : (used, shapes) array
        Pods on one node of each, in fractions.
    prices : (kinds, resources) array
        Prices of what the nodes give, from which the worth of no node exceeds its cost.
    """

    value: float
    duals: Duals
    kind: Ints
    nodes: Floats
    mix: Floats
    prices: Floats


def solve_fluid(problem: Problem, *, deadline: Deadline = _NEVER) -> Fluid | None:
    """
    Spread the pods over nodes in fractions, resource by resource, at the least cost.

    A pod goes only where it fits whole. With many pods to a node this comes within a few
    tenths of a percent of what whole pods can do, in one small program.

    Returns
    -------
    Fluid or None
        None where even fractions break a shared limit.

    Raises
    ------
    OutOfTimeError
        If the deadline passed first.
    ArithmeticError
        If the solver failed.
    """
    from scipy import sparse

    kinds, resources = problem.room.shape
    kind, shape = np.nonzero(problem.most_per_node() > 0)
    # Counted in the largest number of pods, so that a million weigh no more than ten.
    unit = float(max(problem.count.max(), 1))
    floors = np.argwhere(problem.floor > 0)
    blocks = [_resource_rows(problem, kind, shape), *_cover_rows(problem, kind, shape, floors)]
    right = [np.zeros(kinds * resources), -problem.count / unit]
    right.append(-problem.floor[floors[:, 0], floors[:, 1]] / unit)
    capped = _cap_rows(problem, kind, shape)
    blocks.append(capped)
    right.append(np.zeros(capped.shape[0]))
    if len(problem.limit):
        # Each limit is scaled by itself: the tolerances of the solver are absolute.
        scale = np.maximum(problem.limit, 1)
        per_pod = problem.per_pod[kind] * problem.addressed[shape][:, None] / scale
        blocks.append(sparse.csr_matrix(np.vstack([per_pod, problem.share / scale]).T))
        right.append(problem.limit / scale / unit)
    cost = np.concatenate([problem.pod_cost[kind] * problem.addressed[shape], problem.cost])
    top = max(float(cost.max(initial=0)), 1e-12)
    rows = sparse.csc_matrix(sparse.vstack(blocks))
    solved = deadline.linprog(
        cost / top, A_ub=rows, b_ub=np.concatenate(right), bounds=(0, None), method="highs-ds"
    )
    if solved.status == _INFEASIBLE:
        return None
    if solved.status != 0:
        raise ArithmeticError(f"the linear program has no answer: {solved.message}")
    marginals = np.maximum(-solved.ineqlin.marginals, 0) * top
    prices, duals = _duals(problem, marginals, capped.shape[0])
    nodes = solved.x[len(kind) :] * unit
    used = np.nonzero(nodes > 1e-7 * max(nodes.sum(), 1e-12))[0]
    spread = np.zeros((kinds, problem.shapes))
    spread[kind, shape] = solved.x[: len(kind)] * unit
    return Fluid(
        value=float(solved.fun * top * unit),
        duals=duals,
        kind=used,
        nodes=nodes[used],
        mix=spread[used] / nodes[used][:, None],
        prices=prices,
    )


def with_rounded_resources(
    problem: Problem, *, deadline: Deadline = _NEVER
) -> tuple[Problem, Fluid | None]:
    """
    The same problem with resources that whole pods cannot use up, and its fluid optimum.

    Eight pods of 333m do not use what nodes of 2,700m have, but fluid ones do. Mixed-integer
    rounding of a resource keeps all whole mixes and cuts such fluid ones off, so that every
    bound that prices resources is tighter.

    Returns
    -------
    problem : Problem
        With one column of ``need`` and ``room`` more for each rounded resource.
    fluid : Fluid or None
        As of `solve_fluid`, which raises the same.
    """
    fluid = solve_fluid(problem, deadline=deadline)
    sizes = np.nonzero((problem.need > 1).any(axis=0))[0]
    for _ in range(_ROUNDS):
        if fluid is None or not fluid.value:
            break
        most, best = _SHORT, None
        part = problem.cost[fluid.kind] * fluid.nodes / fluid.value
        for kind in fluid.kind[part > _RARE].tolist():
            for resource in sizes.tolist():
                for below in _BELOW:
                    scale = (_MULTIPLES - below) / problem.room[kind, resource]
                    need, room = (
                        _rounded(scale[:, None] * one[:, resource], below)
                        for one in (problem.need, problem.room)
                    )
                    over = (need @ fluid.mix.T) / np.maximum(room[:, fluid.kind], 1) - 1
                    short = over @ part
                    if short.max() > most:
                        at = int(short.argmax())
                        most, best = float(short[at]), (need[at], room[at])
        if best is None:
            break
        problem = replace(
            problem,
            need=np.column_stack([problem.need, np.floor(best[0] - 1e-3).astype(np.int64)]),
            room=np.column_stack([problem.room, np.ceil(best[1] + 1e-3).astype(np.int64)]),
        )
        problem.need.clip(0, out=problem.need)
        fluid = solve_fluid(problem, deadline=deadline)
    return problem, fluid


def _rounded(amount: Floats, below: float) -> Floats:
    """
    Amounts without what is lost of each unit, in parts of it.

    The last ``below`` of a unit counts for the whole. So what several pods come to, rounded,
    is no less than the sum of their rounded amounts: the function is superadditive.
    """
    whole = np.floor(amount)
    rounded: Floats = _UNIT * (whole + np.maximum(amount - whole - 1 + below, 0) / below)
    return rounded


def fluid_bound(problem: Problem, *, deadline: Deadline = _NEVER) -> float:
    """
    Proved bound of a problem without shared limits and zones; infinite where a pod fits nowhere.

    Raises
    ------
    OutOfTimeError
        If the deadline passed first.
    ArithmeticError
        If the solver failed.
    """
    fluid = solve_fluid(problem, deadline=deadline)
    if fluid is None:
        return np.inf
    worth = fluid.duals.worth(problem)
    ceiling = fractional_bound(
        worth, problem.need, problem.room, problem.most_per_node(), fluid.prices
    )
    # Prices that overrate a kind are scaled down until none is overrated.
    part = (problem.cost / np.maximum(ceiling, problem.cost)).min(initial=1.0)
    return float(part * (fluid.duals.pods @ problem.count)) * (1 - 1e-9)


def _duals(problem: Problem, marginals: Floats, caps: int) -> tuple[Floats, Duals]:
    """Prices of the resources of each kind, and the duals of what must be covered."""
    kinds, resources = problem.room.shape
    first = marginals[: kinds * resources].reshape(kinds, resources)
    rest = marginals[kinds * resources :]
    floors = int((problem.floor > 0).sum())
    floor = np.zeros(problem.floor.shape)
    floor[problem.floor > 0] = rest[problem.shapes : problem.shapes + floors]
    # The rows were scaled by their room.
    prices = first / np.maximum(problem.room, 1)
    return prices, Duals(rest[: problem.shapes], floor, rest[problem.shapes + floors + caps :])


def _resource_rows(problem: Problem, kind: Ints, shape: Ints) -> Any:
    """What pods take of each kind's resources, less what its nodes give: no more than nothing."""
    from scipy import sparse

    kinds, resources = problem.room.shape
    size, row = len(kind), kind[:, None] * resources + np.arange(resources)
    # Each row is a part of its room: bytes beside millicores would spoil the tolerances.
    held = problem.need[shape] / np.maximum(problem.room, 1)[kind]
    taken = sparse.csr_matrix(
        (held.ravel(), (row.ravel(), np.repeat(np.arange(size), resources))),
        shape=(kinds * resources, size),
    )
    given = sparse.kron(sparse.identity(kinds), -np.ones((resources, 1)))
    return sparse.hstack([taken, given])


def _cap_rows(problem: Problem, kind: Ints, shape: Ints) -> Any:
    """No more pods of a shape than so many times the nodes of a kind, where resources allow more."""
    from scipy import sparse

    size, most = len(kind), problem.most_per_node()[kind, shape]
    taken = (most[:, None] * problem.need[shape] / np.maximum(problem.room, 1)[kind]).max(axis=1)
    some = np.nonzero(taken < _LOOSE)[0]
    row = np.arange(len(some))
    values = np.concatenate([1 / most[some], -np.ones(len(some))])
    return sparse.csr_matrix(
        (values, (np.tile(row, 2), np.concatenate([some, size + kind[some]]))),
        shape=(len(some), size + problem.kinds),
    )


def _cover_rows(problem: Problem, kind: Ints, shape: Ints, floors: Ints) -> list[Any]:
    """The pods of each shape, and those that each zone must have, as rows of less than."""
    from scipy import sparse

    size = len(kind)
    width = size + problem.kinds
    rows = [sparse.csr_matrix((-np.ones(size), (shape, np.arange(size))), (problem.shapes, width))]
    if len(floors):
        number = np.full(problem.floor.shape, -1)
        number[floors[:, 0], floors[:, 1]] = np.arange(len(floors))
        here = number[problem.zone[kind], shape]
        some = np.nonzero(here >= 0)[0]
        rows.append(
            sparse.csr_matrix((-np.ones(len(some)), (here[some], some)), (len(floors), width))
        )
    return rows
