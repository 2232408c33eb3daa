"""Bounds from prices: the value of the pods on one node, and the cheapest divisible fleet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from eks_win_capacity.packing.deadline import NEVER
from eks_win_capacity.packing.problem import Duals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.packing.deadline import Deadline
    from eks_win_capacity.packing.problem import Flags, Floats, Ints, Problem

_RARE = 0.02
"""Part of the fluid cost below which a kind is ignored when resources are rounded."""

_LOOSE, _CAPS = 0.9, 3_000
"""Part of a node that its most pods of one shape take, below which their number is capped by a row;
and such rows at most."""

_ROUNDS, _SHORT = 4, 2e-4
"""Most rounded resources, and the least relative excess of the fluid fleet over a new one."""

_MULTIPLES = np.arange(1, 401)
"""Whole units of which the room of one kind falls just short in a rounded resource."""

_BELOW = (0.5, 0.1, 0.02)
"""Amounts by which it falls short. [units]"""

_UNIT = 10**6
"""Integer parts of one unit."""

_INFEASIBLE = 2
"""Status of SciPy's solvers for an infeasible program."""


@dataclass(frozen=True)
class Fluid:
    """
    The optimum of the resource program, an LP in which nodes and pods are divisible.

    Attributes
    ----------
    value : float
        Its cost; no plan costs less, up to the tolerances of the solver.
    duals : Duals
        Prices of pods at which no node is worth more than it costs.
    kind : (used,) int array
        Kinds of node that it uses.
    nodes : (used,) array
        Number of each, in fractions.
    mix : (used, shapes) array
        Pods on one node of each, in fractions.
    prices : (kinds, resources) array
        Resource prices of each kind, at which the room of a node is worth at most its cost.
    """

    value: float
    duals: Duals
    kind: Ints
    nodes: Floats
    mix: Floats
    prices: Floats


def solve_fluid(problem: Problem, *, deadline: Deadline = NEVER) -> Fluid | None:
    """
    Optimum of the resource program, an LP in which nodes and pods are divisible.

    A pod runs only on kinds where a whole one fits. With many pods per node the cost is within a
    few tenths of a percent of the best whole plan, for one small program.

    Returns
    -------
    Fluid or None
        None if even fractions break a shared limit.

    Raises
    ------
    OutOfTimeError
        If the deadline passed first.
    ArithmeticError
        If the solver failed.
    """
    kind, shape = np.nonzero(problem.most_per_node() > 0)
    # Counts are scaled by the largest, so that tolerances suit a million pods as well as ten.
    unit = float(max(problem.count.max(), 1))
    rows, right, caps = _rows(problem, kind, shape)
    cost = np.concatenate([problem.pod_cost[kind] * problem.addressed[shape], problem.cost])
    top = max(float(cost.max(initial=0)), 1e-12)
    solved = deadline.linprog(
        cost / top, A_ub=rows, b_ub=right / unit, bounds=(0, None), method="highs-ds"
    )
    if solved.status == _INFEASIBLE:
        return None
    if solved.status != 0:
        raise ArithmeticError(f"the linear program has no answer: {solved.message}")
    marginals = np.maximum(-solved.ineqlin.marginals, 0) * top
    prices, duals = _duals(problem, marginals, caps)
    nodes = solved.x[len(kind) :] * unit
    used = np.nonzero(nodes > 1e-7 * max(nodes.sum(), 1e-12))[0]
    spread = np.zeros((problem.kinds, problem.shapes))
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
    problem: Problem, *, deadline: Deadline = NEVER
) -> tuple[Problem, Fluid | None]:
    """
    The same problem with rounded resources, which tighten its bounds, and its fluid optimum.

    Pods of 667m leave a third of a core unused on a node of three cores; divisible pods leave
    nothing. Mixed-integer rounding of a resource keeps all whole mixes and cuts off such divisible
    ones, so every bound from resource prices becomes tighter.

    Returns
    -------
    problem : Problem
        With another column of ``need`` and ``room`` for each rounded resource.
    fluid : Fluid or None
        As from `solve_fluid`, with the same errors.
    """
    fluid = solve_fluid(problem, deadline=deadline)
    sizes = np.nonzero((problem.need > 1).any(axis=0))[0]
    for _ in range(_ROUNDS):
        if fluid is None or not fluid.value:
            break
        most, best = _SHORT, None
        part = problem.cost[fluid.kind] * fluid.nodes / fluid.value
        for kind in fluid.kind[part > _RARE].tolist():
            for resource in sizes[problem.room[kind, sizes] > 0].tolist():
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
        # Float errors are below a thousandth of a part; needs may only be too small.
        need, room = np.floor(np.maximum(best[0] - 1e-3, 0)), np.ceil(best[1] + 1e-3)
        tighter = replace(
            problem,
            need=np.column_stack([problem.need, need.astype(np.int64)]),
            room=np.column_stack([problem.room, room.astype(np.int64)]),
        )
        try:
            fluid = solve_fluid(tighter, deadline=deadline)
        except ArithmeticError:
            # The earlier optimum remains valid without this resource.
            break
        problem = tighter
    return problem, fluid


def _rounded(amount: Floats, below: float) -> Floats:
    """
    Amounts after mixed-integer rounding, in parts of a unit.

    Of each unit only the last ``below`` counts, scaled to a whole unit. The function is
    superadditive: the rounded total of several pods is at least the sum of their rounded amounts.
    """
    whole = np.floor(amount)
    rounded: Floats = _UNIT * (whole + np.maximum(amount - whole - 1 + below, 0) / below)
    return rounded


def fluid_bound(problem: Problem, *, deadline: Deadline = NEVER) -> float:
    """
    Proved bound of a problem without shared limits and zones; infinite if a pod fits nowhere.

    Raises
    ------
    OutOfTimeError
        If the deadline passed first.
    ArithmeticError
        If the solver failed.
    """
    fluid = solve_fluid(problem, deadline=deadline) if problem.kinds else None
    if fluid is None:
        return np.inf
    profit = fluid.duals.profit(problem)
    ceiling = fractional_bound(
        profit, problem.need, problem.room, problem.most_per_node(), fluid.prices
    )
    # Farley's bound: prices are scaled down until no kind is worth more than it costs.
    part = (problem.cost / np.maximum(ceiling, problem.cost)).min(initial=1.0)
    return float(part * (fluid.duals.pods @ problem.count)) * (1 - 1e-9)


def _rows(problem: Problem, kind: Ints, shape: Ints) -> tuple[Any, Floats, int]:
    """All rows of the resource program, their right-hand sides, and the number of cap rows."""
    from scipy import sparse

    floors = np.argwhere(problem.floor > 0)
    caps = _cap_rows(problem, kind, shape)
    blocks = [
        _resource_rows(problem, kind, shape),
        *_cover_rows(problem, kind, shape, floors),
        caps,
    ]
    right = [np.zeros(problem.room.size), -problem.count]
    right += [-problem.floor[floors[:, 0], floors[:, 1]], np.zeros(caps.shape[0])]
    if len(problem.limit):
        # Each row is divided by its limit: the tolerances of the solver are absolute.
        scale = np.maximum(problem.limit, 1)
        per_pod = problem.per_pod[kind] * problem.addressed[shape][:, None] / scale
        blocks.append(sparse.csr_matrix(np.vstack([per_pod, problem.share / scale]).T))
        right.append(problem.limit / scale)
    return sparse.csc_matrix(sparse.vstack(blocks)), np.concatenate(right), caps.shape[0]


def _duals(problem: Problem, marginals: Floats, caps: int) -> tuple[Floats, Duals]:
    """Prices of the resources of each kind, and duals of the pods, floors and limits."""
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
    """Rows of each kind and resource: need of its pods less room of its nodes, at most zero."""
    from scipy import sparse

    kinds, resources = problem.room.shape
    size, row = len(kind), kind[:, None] * resources + np.arange(resources)
    # Each row is divided by its room: the tolerances must suit bytes and millicores alike.
    parts = problem.need[shape] / np.maximum(problem.room, 1)[kind]
    taken = sparse.csr_matrix(
        (parts.ravel(), (row.ravel(), np.repeat(np.arange(size), resources))),
        shape=(kinds * resources, size),
    )
    given = sparse.kron(sparse.identity(kinds), -np.ones((resources, 1)))
    return sparse.hstack([taken, given])


def _cap_rows(problem: Problem, kind: Ints, shape: Ints) -> Any:
    """Rows that cap the pods of a shape per node of each kind, where its resources allow more."""
    from scipy import sparse

    size, most = len(kind), problem.most_per_node()[kind, shape]
    taken = (most[:, None] * problem.need[shape] / np.maximum(problem.room, 1)[kind]).max(axis=1)
    # Only the rows that bind most: with very many, the program takes too long.
    capped = np.argsort(taken, kind="stable")[: min(int((taken < _LOOSE).sum()), _CAPS)]
    capped.sort()
    row = np.arange(len(capped))
    values = np.concatenate([1 / most[capped], -np.ones(len(capped))])
    return sparse.csr_matrix(
        (values, (np.tile(row, 2), np.concatenate([capped, size + kind[capped]]))),
        shape=(len(capped), size + problem.kinds),
    )


def _cover_rows(problem: Problem, kind: Ints, shape: Ints, floors: Ints) -> list[Any]:
    """Covering rows, negated: the pods of each shape, and those that each zone must have."""
    from scipy import sparse

    size = len(kind)
    width = size + problem.kinds
    rows = [sparse.csr_matrix((-np.ones(size), (shape, np.arange(size))), (problem.shapes, width))]
    if len(floors):
        number = np.full(problem.floor.shape, -1)
        number[floors[:, 0], floors[:, 1]] = np.arange(len(floors))
        here = number[problem.zone[kind], shape]
        floored = np.nonzero(here >= 0)[0]
        rows.append(
            sparse.csr_matrix(
                (-np.ones(len(floored)), (here[floored], floored)), (len(floors), width)
            )
        )
    return rows


@dataclass(frozen=True)
class Priced:
    """
    The best mixes found, and upper bounds on the value of any mix.

    ``value``, ``bound`` and ``complete`` are by kind: the best value, an upper bound, and whether
    no partial mix was cut. ``kind`` and ``mix`` are the best mixes.
    """

    value: Ints
    bound: Ints
    kind: Ints
    mix: Ints
    complete: Flags


def resource_prices(
    profit: Floats, need: Ints, room: Ints, most: Ints, *, deadline: Deadline = NEVER
) -> Floats:
    """
    Prices of the resources of each kind: the duals of its fractional knapsack.

    All knapsacks are blocks of one linear program. Any prices give a valid bound and the optimal
    ones the tightest, so a failure of the solver costs only time.
    """
    from scipy import sparse

    kinds = len(profit)
    resources = need.shape[1]
    keep = (most > 0) & (profit > 0)
    kind, shape = np.nonzero(keep)
    prices = np.zeros((kinds, resources))
    if not len(kind):
        return prices
    # Each row is divided by its room: the tolerances must suit bytes and millicores alike.
    scale = np.maximum(room, 1)
    entries = need[shape] / scale[kind]
    rows = kind[:, None] * resources + np.arange(resources)
    columns = np.broadcast_to(np.arange(len(kind))[:, None], rows.shape)
    matrix = sparse.csc_matrix(
        (entries.ravel(), (rows.ravel(), columns.ravel())), shape=(kinds * resources, len(kind))
    )
    top = profit.max()
    solved = deadline.linprog(
        -profit[kind, shape] / top,
        A_ub=matrix,
        b_ub=(room / scale).ravel(),
        bounds=np.column_stack([np.zeros(len(kind)), most[kind, shape]]),
        method="highs-ds",
    )
    if solved.status == 0:
        prices = np.maximum(-solved.ineqlin.marginals, 0).reshape(kinds, resources) * top / scale
    return prices


def fractional_bound(
    profit: Floats | Ints, need: Ints, room: Ints, most: Ints, prices: Floats
) -> Floats:
    """Upper bound on the value of any mix on each kind, for any non-negative resource prices."""
    gain = np.maximum(profit - prices @ need.T, 0)
    total: Floats = (prices * room).sum(axis=1) + (gain * most).sum(axis=1)
    return total


def best_mixes(  # noqa: PLR0917
    profit: Ints,
    need: Ints,
    room: Ints,
    most: Ints,
    prices: Floats,
    threshold: Ints,
    *,
    width: int,
    keep: int = 1,
    distinct: bool = True,
    deadline: Deadline = NEVER,
) -> Priced:
    """
    The best mixes of a value above a threshold, for all kinds at once.

    Shapes are decided one after another, those with the largest reduced value first. A partial mix
    is continued only while its bound by ``prices`` exceeds the threshold. If more than ``width`` of
    a kind remain, the best are kept and the bound of the others is recorded, so that the returned
    bound holds whatever was cut. If mixes need not be ``distinct`` in the room they leave, all are
    kept. Values are integers, so that the result is exact.
    """
    kinds, shapes = profit.shape
    profit = np.where(most > 0, profit, 0)
    most = np.where(profit > 0, most, 0)
    reduced = profit - prices @ need.T.astype(np.float64)
    # The shapes that move the bound most come first, so that poor mixes are cut early.
    order = np.argsort(-np.abs(reduced) * np.minimum(most, 1), axis=1, kind="stable")
    # Far above the error of float sums: a bound may only be too large.
    slip = 1e-9 * np.maximum(fractional_bound(profit, need, room, most, prices), 1.0) + 1e-6
    bound = (prices * room).sum(axis=1) + (np.maximum(reduced, 0) * most).sum(axis=1)
    sacks = _Knapsacks(profit, need, most, reduced, slip, threshold + 1)
    cut, complete = np.zeros(kinds), np.ones(kinds, dtype=bool)
    mixes = sacks.empty(room, bound)
    history: list[tuple[Ints, Ints, Ints]] = []
    for step in range(shapes):
        deadline.check()
        shape = order[mixes.kind, step]
        if not (most[mixes.kind, shape] > 0).any():
            # The search ends once no shape is left to decide on any kind.
            if not (np.take_along_axis(most, order, axis=1)[:, step:] > 0).any():
                break
            continue
        mixes = sacks.branched(mixes, shape)
        if not len(mixes.kind):
            break
        sacks.clip(mixes.left)
        if distinct:
            mixes = mixes.at(_distinct(mixes.kind, mixes.left, mixes.value))
        if len(mixes.kind) > width:
            mixes = _narrowed(mixes, width, cut, complete)
        history.append((mixes.parent, mixes.number, mixes.shape))
    best = np.zeros(kinds, dtype=np.int64)
    np.maximum.at(best, mixes.kind, mixes.value)
    certified = np.maximum(best, threshold)
    certified = np.maximum(certified, np.floor(cut + slip * (cut > 0)).astype(np.int64))
    score = mixes.value.astype(np.float64)
    chosen = _widest(mixes.kind, score, keep) if len(mixes.kind) else np.arange(0)
    return Priced(best, certified, mixes.kind[chosen], _traced(history, chosen, shapes), complete)


class _Mixes(NamedTuple):
    """Partial mixes, an upper bound on the value of each once completed, and its last decision."""

    kind: Ints
    left: Ints
    value: Ints
    bound: Floats
    parent: Ints
    number: Ints
    shape: Ints

    def at(self, chosen: Ints) -> _Mixes:
        """The chosen mixes, in the order of ``chosen``."""
        if len(chosen) == len(self.kind):
            return self
        columns: Iterator[Any] = (column[chosen] for column in self)
        return _Mixes(*columns)


class _Knapsacks(NamedTuple):
    """Knapsacks by kind; bounds may be off by ``slip``, and values below ``least`` are ignored."""

    profit: Ints
    need: Ints
    most: Ints
    reduced: Floats
    slip: Floats
    least: Ints

    def empty(self, room: Ints, bound: Floats) -> _Mixes:
        """The empty mix of each kind on which some mix may reach ``least``."""
        kind = np.nonzero(bound + self.slip >= self.least)[0]
        none = np.zeros(len(kind), dtype=np.int64)
        return _Mixes(kind, room[kind], none, bound[kind], none, none, none)

    def branched(self, mixes: _Mixes, shape: Ints) -> _Mixes:
        """Each mix with every number of pods of its next shape that may still reach ``least``."""
        kind = mixes.kind
        take, cap, gain = self.need[shape], self.most[kind, shape], self.reduced[kind, shape]
        fits = np.where(take > 0, mixes.left // np.maximum(take, 1), cap[:, None]).min(axis=1)
        # The bound counts all pods of positive reduced value; the slack limits how many may differ.
        slack = mixes.bound + self.slip[kind] - self.least[kind]
        with np.errstate(divide="ignore", invalid="ignore"):
            others = np.where(np.abs(gain) > 1e-9, slack / np.abs(gain), np.inf)
        others = np.minimum(np.floor(others + 1e-9), 1e9).astype(np.int64)
        low = np.where(gain >= 0, np.maximum(cap - others, 0), 0)
        high = np.minimum(cap, fits)
        high = np.where(gain < 0, np.minimum(high, others), high)
        branches = np.maximum(high - low + 1, 0)
        parent = np.repeat(np.arange(len(kind)), branches)
        first = np.repeat(np.cumsum(branches) - branches, branches)
        number = low[parent] + np.arange(len(parent)) - first
        shape, kind, gain = shape[parent], kind[parent], gain[parent]
        lost = np.where(gain >= 0, (cap[parent] - number) * gain, -number * gain)
        return _Mixes(
            kind=kind,
            left=mixes.left[parent] - number[:, None] * self.need[shape],
            value=mixes.value[parent] + number * self.profit[kind, shape],
            bound=mixes.bound[parent] - lost,
            parent=parent,
            number=number,
            shape=shape,
        )

    def clip(self, left: Ints) -> None:
        """Remove room that no further pod can use, so that more mixes leave the same room."""
        unit = (self.need <= 1).all(axis=0)
        rest = ~unit & (self.need > 0).all(axis=0)
        if rest.any():
            least = np.maximum(self.need.min(axis=0), 1)
            useful = (left[:, rest] // least[rest]).min(axis=1)
            left[:, unit] = np.minimum(left[:, unit], useful[:, None])


def _narrowed(mixes: _Mixes, width: int, cut: Floats, complete: Flags) -> _Mixes:
    """The best mixes of each kind; `cut` and `complete` are updated for the others."""
    chosen = _widest(mixes.kind, mixes.bound, width)
    dropped = np.ones(len(mixes.kind), dtype=bool)
    dropped[chosen] = False
    np.maximum.at(cut, mixes.kind[dropped], mixes.bound[dropped])
    complete[mixes.kind[dropped]] = False
    return mixes.at(chosen)


def _traced(history: list[tuple[Ints, Ints, Ints]], chosen: Ints, shapes: int) -> Ints:
    """Pods of each shape in the chosen mixes, traced back decision by decision."""
    mix = np.zeros((len(chosen), shapes), dtype=np.int64)
    rows = np.arange(len(chosen))
    for parent, number, shape in reversed(history):
        mix[rows, shape[chosen]] = number[chosen]
        chosen = parent[chosen]
    return mix


def _distinct(kind: Ints, left: Ints, value: Ints) -> Ints:
    """The most valuable of the partial mixes of a kind that leave the same room."""
    mixer = np.uint64(0x9E3779B97F4A7C15)
    key: Any = kind.astype(np.uint64)
    for column in range(left.shape[1]):
        key = (key * mixer) ^ (key >> np.uint64(29)) ^ left[:, column].astype(np.uint64)
    order = np.lexsort((-value, key))
    ahead: Ints = order[1:]
    behind: Ints = order[:-1]
    # The key only sorts equal mixes together; they are compared in full.
    same = np.asarray((kind[ahead] == kind[behind]) & (left[ahead] == left[behind]).all(axis=1))
    chosen: Ints = np.sort(order[np.r_[True, ~same]])
    return chosen


def _widest(kind: Ints, score: Floats, width: int) -> Ints:
    """Entries with the best score of each kind, at most ``width`` of each."""
    order = np.lexsort((-score, kind))
    ranked = kind[order]
    starts = np.r_[0, np.nonzero(np.diff(ranked))[0] + 1]
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    chosen: Ints = np.sort(order[rank < width])
    return chosen
