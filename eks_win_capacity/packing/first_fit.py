"""Pods on whole nodes: first-fit, at random, and on the cheapest numbers of nodes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.packing.deadline import NEVER
from eks_win_capacity.packing.problem import Packed, feasible, total_cost

if TYPE_CHECKING:
    from eks_win_capacity.packing.deadline import Deadline
    from eks_win_capacity.packing.problem import Flags, Floats, Ints, Problem

_STEPS = 200
"""Branch-and-bound steps of the integer program over numbers of nodes."""

_NEAR, _ROUGH = 1e-4, 2e-3
"""Gap at which this program may stop, and if the costs vary at random."""

_LISTED, _CHOICES, CHEAPEST = 6, 20_000, 300
"""Nodes of the largest choices that are listed, choices extended, and choices packed, at most."""

_APART = 1.2
"""Penalty of a pod without a place, as a multiple of its dual."""

_SWAPS = 6
"""Exchanges of one pod for another that are tried on each mix."""


@dataclass(frozen=True)
class _Groups:
    """Groups of nodes with the same pods, and the kinds that these nodes may still become."""

    number: Ints
    used: Ints
    able: Flags


@dataclass(frozen=True)
class _Growth:
    """
    How the groups arose from those before: the one each was, -1 if new, and its new pods of a shape.

    Copies of all pods of all groups in each step would take minutes for thousands of shapes.
    """

    shape: int
    parent: Ints
    more: Ints


def decreasing(problem: Problem, kinds: Ints) -> Ints:
    """Shapes, largest first: by their largest share of the largest node, then by their needs."""
    top = np.maximum(problem.room[kinds].max(axis=0), 1)
    share = (problem.need / top).max(axis=1)
    keys = [problem.need[:, column] for column in reversed(range(problem.need.shape[1]))]
    order: Ints = np.lexsort([*(-key for key in keys), -share])
    return order


def first_fit(
    problem: Problem, kinds: Ints, *, count: Ints | None = None, order: Ints | None = None
) -> Packed | None:
    """
    First-fit: each pod on the first node with room, else on a new node.

    A node stands for all kinds that have room for its pods, and at the end becomes the cheapest of
    these. With one kind this is first-fit decreasing; with all kinds, it is what Karpenter does.
    Floors of zones are ignored.

    Returns
    -------
    Packed or None
        None if a pod fits on no kind, or the shared limits leave no kind.
    """
    count = problem.count if count is None else count
    order = decreasing(problem, kinds) if order is None else order
    groups, steps = _empty(problem, kinds, 0), list[_Growth]()
    for shape in order[count[order] > 0].tolist():
        left = int(count[shape])
        each = _most_more(problem, kinds, groups, shape, left)
        capacity = each * groups.number
        # Groups fill in order: each gets the pods that do not fit into those before it.
        taken = np.clip(left - (np.cumsum(capacity) - capacity), 0, capacity)
        groups, step = _fed(problem, kinds, groups, shape, each, taken)
        left -= int(taken.sum())
        if left:
            fresh = _empty(problem, kinds, left)
            each = _most_more(problem, kinds, fresh, shape, left)
            if not each[0]:
                return None
            taken = np.array([left])
            opened, first = _fed(problem, kinds, fresh, shape, each, taken, spare=False)
            groups = _Groups(
                np.concatenate([groups.number, opened.number]),
                np.concatenate([groups.used, opened.used]),
                np.concatenate([groups.able, opened.able]),
            )
            parent = np.concatenate([step.parent, np.full_like(first.parent, -1)])
            step = _Growth(shape, parent, np.concatenate([step.more, first.more]))
        steps.append(step)
    return _settled(problem, kinds, groups, _mixes(steps, len(groups.number), problem.shapes))


def starts_of(problem: Problem, *, deadline: Deadline) -> tuple[Packed, ...]:
    """First-fit packings over all kinds and on each kind alone, from which a search starts."""
    if problem.floor.any():
        return ()
    tried = [first_fit(problem, np.arange(problem.kinds))]
    least = math.inf if tried[0] is None else total_cost(problem, tried[0])
    alone = least_of_each(problem)
    for kind in [] if problem.zones > 1 else np.argsort(alone, kind="stable").tolist():
        if alone[kind] >= least or deadline.over():
            break
        packed = first_fit(problem, np.array([kind]))
        if packed is not None:
            tried.append(packed)
            least = min(least, total_cost(problem, packed))
    return tuple(one for one in tried if one is not None and feasible(problem, one))


def least_of_each(problem: Problem) -> Floats:
    """Lower bound on the cost of all pods on each kind alone; some are too expensive to try."""
    wanted = problem.count @ problem.need
    nodes = np.where(problem.room > 0, -(-wanted // np.maximum(problem.room, 1)), wanted * 2**20)
    bound: Floats = nodes.max(axis=1) * problem.cost
    return bound


def _empty(problem: Problem, kinds: Ints, number: int) -> _Groups:
    """One group of empty nodes, or no group if their number is 0."""
    rows = min(number, 1)
    return _Groups(
        np.full(rows, number, dtype=np.int64),
        np.zeros((rows, problem.need.shape[1]), dtype=np.int64),
        np.ones((rows, len(kinds)), dtype=bool),
    )


def _most_more(problem: Problem, kinds: Ints, groups: _Groups, shape: int, top: int) -> Ints:
    """Pods of a shape that still fit on a node of each group, on the best kind it may become."""
    need, room = problem.need[shape], problem.room[kinds]
    most = np.zeros(len(groups.number), dtype=np.int64)
    # Most groups are too full even for the most room of any kind.
    partial = np.nonzero((room.max(axis=0) - groups.used >= need).all(axis=1))[0]
    able, used = groups.able[partial] & problem.allowed[kinds, shape], groups.used[partial]
    fits = np.full(able.shape, min(int(problem.most[shape]), top), dtype=np.int64)
    for resource in np.nonzero(need)[0].tolist():
        free = room[:, resource] - used[:, resource, None]
        fits = np.minimum(fits, free // need[resource])
    most[partial] = np.where(able, fits, 0).max(axis=1, initial=0)
    return most


def _fed(  # noqa: PLR0917
    problem: Problem,
    kinds: Ints,
    groups: _Groups,
    shape: int,
    each: Ints,
    taken: Ints,
    *,
    spare: bool = True,
) -> tuple[_Groups, _Growth]:
    """Groups with ``taken`` more pods: ``each`` per node, and the remainder on one more node."""
    full, rest = np.divmod(taken, np.maximum(each, 1))
    odd = (rest > 0).astype(np.int64)
    # Each group splits into full nodes, one with the remainder, and nodes without new pods.
    number = np.column_stack([full, odd, (groups.number - full - odd) * spare]).ravel()
    more = np.column_stack([each, rest, np.zeros_like(rest)]).ravel()
    kept = np.nonzero(number)[0]
    parent, number, more = kept // 3, number[kept], more[kept]
    used = groups.used[parent] + more[:, None] * problem.need[shape]
    able = groups.able[parent]
    fed = np.nonzero(more)[0]
    fits = (problem.room[kinds] >= used[fed, None]).all(axis=2)
    able[fed] &= problem.allowed[kinds, shape] & fits
    return _Groups(number, used, able), _Growth(shape, parent, more)


def _mixes(steps: list[_Growth], rows: int, shapes: int) -> Ints:
    """Pods of each shape on a node of each group, from the steps by which the groups arose."""
    mix = np.zeros((rows, shapes), dtype=np.int64)
    row = at = np.arange(rows)
    for step in reversed(steps):
        mix[row, step.shape] += step.more[at]
        at = step.parent[at]
        row, at = row[at >= 0], at[at >= 0]
    return mix


def _settled(problem: Problem, kinds: Ints, groups: _Groups, mix: Ints) -> Packed | None:
    """Nodes as their cheapest kinds within the shared limits; None if a node has no kind left."""
    kind: list[int] = []
    group: list[int] = []
    number: list[int] = []
    free = problem.limit.copy()
    cheap = np.argsort(problem.cost[kinds], kind="stable")
    for row, nodes in enumerate(groups.number.tolist()):
        left = nodes
        for one in kinds[cheap[groups.able[row, cheap]]].tolist():
            count = left
            if len(free):
                use = problem.usage(np.array([one]), mix[row : row + 1])[0]
                takes = use > 0
                count = min(left, int((free[takes] // use[takes]).min(initial=left)))
                free -= max(count, 0) * use
            if count > 0:
                kind.append(one)
                group.append(row)
                number.append(count)
                left -= count
            if not left:
                break
        if left:
            return None
    return Packed(np.array(kind, dtype=np.int64), mix[group], np.array(number, dtype=np.int64))


def refill(  # noqa: PLR0917
    problem: Problem,
    kind: Ints,
    mix: Ints,
    most: Ints,
    profit: Floats,
    lean: Floats,
    *,
    rng: np.random.Generator,
    swaps: int = _SWAPS,
) -> None:
    """Fill mixes in place until no pod fits, and exchange pods for more valuable ones."""
    left = problem.room[kind] - mix @ problem.need
    _fill(problem.need, mix, left, most, lean, rng)
    for _ in range(swaps):
        _swap(problem.need, mix, left, most, profit, rng)
    _fill(problem.need, mix, left, most, lean, rng)


def _fill(  # noqa: PLR0917
    need: Ints, mix: Ints, left: Ints, most: Ints, lean: Floats, rng: np.random.Generator
) -> None:
    """Add pods at random until none fits, several at once while there is much room."""
    live = np.arange(len(mix))
    while len(live):
        fits = _fits(need, left[live]) & (mix[live] < most[live])
        fitting = fits.any(axis=1)
        live, fits = live[fitting], fits[fitting]
        if not len(live):
            return
        score = np.where(fits, rng.gumbel(size=fits.shape) + lean[live], -np.inf)
        shape = score.argmax(axis=1)
        take = need[shape]
        room = np.where(take > 0, left[live] // np.maximum(take, 1), np.iinfo(np.int64).max)
        more = np.minimum(room.min(axis=1), most[live, shape] - mix[live, shape])
        more = np.maximum(1, more // 8)
        mix[live, shape] += more
        left[live] -= take * more[:, None]


def _swap(  # noqa: PLR0917
    need: Ints, mix: Ints, left: Ints, most: Ints, profit: Floats, rng: np.random.Generator
) -> None:
    """Exchange a random pod of each mix for the most valuable one that fits in its place."""
    every = np.arange(len(mix))
    score = np.where(mix > 0, rng.random(mix.shape), -1.0)
    out = score.argmax(axis=1)
    free = left + need[out]
    gain = np.where(_fits(need, free) & (mix < most), profit, -1.0)
    into = gain.argmax(axis=1)
    better = (mix[every, out] > 0) & (gain[every, into] > profit[every, out] * (1 + 1e-9))
    swapped = every[better]
    mix[swapped, out[swapped]] -= 1
    mix[swapped, into[swapped]] += 1
    left[swapped] = free[swapped] - need[into[swapped]]


def _fits(need: Ints, left: Ints) -> Flags:
    """Whether a pod of each shape fits into the room left on each node."""
    fits: Flags = need[:, 0] <= left[:, :1]
    for resource in range(1, need.shape[1]):
        fits &= need[:, resource] <= left[:, resource : resource + 1]
    return fits


def scatter(
    problem: Problem, kind: Ints, mean: Floats, profit: Floats, *, rng: np.random.Generator
) -> Ints:
    """
    Random whole mixes around mean ones, each filled until no pod fits.

    The fluid optimum is the average mix of the nodes. Whole mixes that surround it have it in their
    convex hull. So one linear program over them is close to the optimum at once, where pricing
    patterns one by one needs hundreds of rounds.
    """
    most = problem.most_per_node()[kind]
    part = rng.uniform(0.5, 1.0, size=(len(kind), 1))
    mix = np.floor(mean * part + 0.3 * rng.random(mean.shape)).astype(np.int64)
    mix = np.minimum(mix, most)
    room = problem.room[kind]
    while len(over := np.nonzero(((mix @ problem.need) > room).any(axis=1))[0]):
        _drop(mix, over, rng.random((len(over), problem.shapes)))
    lean = np.log(np.maximum(mean, 1e-3))
    refill(problem, kind, mix, most, profit, lean, rng=rng)
    return mix


def mutate(
    problem: Problem,
    kind: Ints,
    mix: Ints,
    profit: Floats,
    lean: Floats,
    *,
    rng: np.random.Generator,
) -> Ints:
    """
    Mixes with a few pods of each removed and the room filled again.

    ``lean`` are the log-odds of adding a shape; their negatives are those of removing it.
    """
    most = problem.most_per_node()[kind]
    mix = np.minimum(mix, most)
    every = np.arange(len(mix))
    for _ in range(int(rng.integers(1, 5))):
        _drop(mix, every, rng.gumbel(size=mix.shape) - lean)
    refill(problem, kind, mix, most, profit, lean, rng=rng, swaps=3)
    return mix


def _drop(mix: Ints, which: Ints, score: Floats) -> None:
    """Remove the pod with the best score from each of some mixes, in place."""
    score = np.where(mix[which] > 0, score, -np.inf)
    shape = score.argmax(axis=1)
    filled = mix[which, shape] > 0
    mix[which[filled], shape[filled]] -= 1


@dataclass(frozen=True)
class Cut:
    """
    A valid inequality: the nodes of any fleet have room for the value of all its pods.

    At some prices, ``value[k]`` is the largest value of the pods on a node of kind k. So the sum of
    ``value * nodes`` is at least ``demand``, the value of all pods.
    """

    value: Ints
    demand: int


def cheapest_numbers(
    problem: Problem,
    cuts: tuple[Cut, ...],
    *,
    spare: float = 0.0,
    noise: Floats | None = None,
    steps: int = _STEPS,
    deadline: Deadline = NEVER,
) -> tuple[Ints | None, float]:
    """
    The cheapest numbers of nodes with room for all pods in total, and a bound.

    Without shared limits and zones, every fleet satisfies the cuts. So without ``spare`` room (a
    part of the need) and ``noise`` on the costs, the bound holds for all whole fleets. A margin for
    the tolerances of the solver is deducted.

    Returns
    -------
    number : (kinds,) int array or None
        None if none was found.
    bound : float
        No numbers with that much room cost less.
    """
    from scipy.optimize import Bounds, LinearConstraint

    wanted = problem.count @ problem.need
    # What no pod asks for, no node needs to have.
    cuts, asked = tuple(cut for cut in cuts if cut.demand > 0), wanted > 0
    rows = np.array(
        [
            *(cut.value / cut.demand for cut in cuts),
            *(problem.room[:, asked] / wanted[asked]).T,
            *(problem.most_per_node() / np.maximum(problem.count, 1)).T[problem.count > 0],
        ],
        dtype=np.float64,
    )
    sums = np.arange(len(rows)) < len(cuts) + asked.sum()
    nonzero = (rows > 0).any(axis=1)
    rows, sums = rows[nonzero], sums[nonzero]
    top = float(problem.cost.max())
    # Coefficients are raised slightly, so that rounding can only weaken the cut.
    solved = deadline.milp(
        problem.cost / top * (1 if noise is None else 1 + noise),
        constraints=LinearConstraint(
            rows * (1 + 1e-9), np.where(sums, 1 + spare, 1) - 1e-9, np.inf
        ),
        integrality=1,
        bounds=Bounds(0, np.inf),
        options={"mip_rel_gap": _NEAR if noise is None else _ROUGH, "node_limit": steps},
    )
    number = None if solved.x is None else np.round(solved.x).astype(np.int64)
    bound = solved.mip_dual_bound
    proved = 0.0
    if bound is not None and np.isfinite(bound):
        proved = float(bound) * top * (1 - 2e-6)
    return number, proved


def few_nodes(problem: Problem, *, most: float, nodes: int = _LISTED) -> Ints:
    """
    Choices of a few nodes with enough room in total that cost less than ``most``, cheapest first.

    Returns
    -------
    (choices, nodes) int array
        Kinds of the nodes; filled up with -1.
    """
    wanted = problem.count @ problem.need
    able = problem.most_per_node()
    listed: list[Ints] = []
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
        listed.append(np.pad(whole, ((0, 0), (0, nodes - size)), constant_values=-1))
    every = np.concatenate(listed) if listed else np.zeros((0, nodes), dtype=np.int64)
    cost = np.where(every >= 0, problem.cost[every], 0.0).sum(axis=1)
    order: Ints = np.argsort(cost, kind="stable")
    return every[order[:CHEAPEST]]


def pack(
    problem: Problem, nodes: Ints, pod_duals: Floats, *, rng: np.random.Generator
) -> tuple[Packed, Ints]:
    """
    The best of random packings, one on the nodes of each row (kinds, or -1 for no node).

    Returns
    -------
    packed : Packed
        The cheapest packing, where pods without a place cost more than their duals.
    left : (shapes,) int array
        Pods that found no place.
    """
    tries, places = nodes.shape
    most = np.vstack([problem.most_per_node(), np.zeros((1, problem.shapes), dtype=np.int64)])
    nodes = np.take_along_axis(nodes, np.argsort(rng.random(nodes.shape), axis=1), axis=1)
    left = np.tile(problem.count, (tries, 1))
    size = (problem.need / np.maximum(problem.count @ problem.need, 1)).max(axis=1)
    lean = np.log(np.maximum(size, 1e-12)) * rng.uniform(0, 4, size=(tries, 1))
    price = np.tile(pod_duals, (tries, 1))
    mixes = np.zeros((places, tries, problem.shapes), dtype=np.int64)
    for position in range(places):
        kind, mix = nodes[:, position], mixes[position]
        refill(problem, kind, mix, np.minimum(most[kind], left), price, lean, rng=rng)
        left -= mix
    cost = np.where(nodes >= 0, problem.cost[nodes], 0.0).sum(axis=1)
    best = int(np.argmin(cost + _APART * (left @ pod_duals)))
    real = nodes[best] >= 0
    packed = Packed(nodes[best][real], mixes[real, best], np.ones(int(real.sum()), dtype=np.int64))
    return packed, left[best]
