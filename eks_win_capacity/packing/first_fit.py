"""First-fit decreasing, counted in groups of equal nodes so that replicas cost no time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.packing.problem import Packed

if TYPE_CHECKING:
    from eks_win_capacity.packing.problem import Flags, Ints, Problem


@dataclass(frozen=True)
class _Groups:
    """Groups of nodes that hold the same pods, and the kinds that a node may still become."""

    number: Ints
    mix: Ints
    used: Ints
    able: Flags


def decreasing(problem: Problem, kinds: Ints) -> Ints:
    """Order the shapes by their largest share of the largest node, then by what they need."""
    top = np.maximum(problem.room[kinds].max(axis=0), 1)
    share = (problem.need / top).max(axis=1)
    keys = [problem.need[:, column] for column in reversed(range(problem.need.shape[1]))]
    order: Ints = np.lexsort([*(-key for key in keys), -share])
    return order


def first_fit(
    problem: Problem, kinds: Ints, *, count: Ints | None = None, order: Ints | None = None
) -> Packed | None:
    """
    Put each pod on the first node with room, and open a node where there is none.

    A node stands for all kinds that could hold what it has been given; in the end it is of
    the cheapest of those. With one kind this is plain first-fit decreasing; with all of them
    it is what Karpenter does.

    Parameters
    ----------
    problem : Problem
        The problem; pods that zones must hold are not looked at.
    kinds : int array
        The kinds that may be used.
    count : int array, optional
        Pods to place; all by default.
    order : int array, optional
        The order of the shapes; decreasing by default.

    Returns
    -------
    Packed or None
        None where a pod fits on none of the kinds, or the shared limits leave none.
    """
    count = problem.count if count is None else count
    order = decreasing(problem, kinds) if order is None else order
    groups = _empty(problem, kinds, 0)
    for shape in order[count[order] > 0].tolist():
        left = int(count[shape])
        each = _most_more(problem, kinds, groups, shape, left)
        capacity = each * groups.number
        # Groups fill in their order: each gets what those before it leave.
        taken = np.clip(left - (np.cumsum(capacity) - capacity), 0, capacity)
        groups = _fed(problem, kinds, groups, shape, each, taken)
        left -= int(taken.sum())
        if left:
            fresh = _empty(problem, kinds, left)
            each = _most_more(problem, kinds, fresh, shape, left)
            if not each[0]:
                return None
            opened = _fed(problem, kinds, fresh, shape, each, np.array([left]), spare=False)
            groups = _Groups(
                np.concatenate([groups.number, opened.number]),
                np.concatenate([groups.mix, opened.mix]),
                np.concatenate([groups.used, opened.used]),
                np.concatenate([groups.able, opened.able]),
            )
    return _settled(problem, kinds, groups)


def _empty(problem: Problem, kinds: Ints, number: int) -> _Groups:
    """One group of so many empty nodes; none for 0."""
    rows = min(number, 1)
    return _Groups(
        np.full(rows, number, dtype=np.int64),
        np.zeros((rows, problem.shapes), dtype=np.int64),
        np.zeros((rows, problem.need.shape[1]), dtype=np.int64),
        np.ones((rows, len(kinds)), dtype=bool),
    )


def _most_more(problem: Problem, kinds: Ints, groups: _Groups, shape: int, top: int) -> Ints:
    """How many more pods fit on a node of each group, as any kind that it may become."""
    able = groups.able & problem.allowed[kinds, shape]
    fits = np.full(able.shape, min(int(problem.most[shape]), top), dtype=np.int64)
    need = problem.need[shape]
    for resource in np.nonzero(need)[0].tolist():
        free = problem.room[kinds, resource] - groups.used[:, resource, None]
        fits = np.minimum(fits, free // need[resource])
    most: Ints = np.where(able, fits, 0).max(axis=1, initial=0)
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
) -> _Groups:
    """Put pods on the nodes of each group: ``each`` on whole ones, the odd rest on one more."""
    full, rest = np.divmod(taken, np.maximum(each, 1))
    odd = (rest > 0).astype(np.int64)
    # Each group falls into full nodes, one with the rest, and those that get nothing.
    number = np.column_stack([full, odd, (groups.number - full - odd) * spare]).ravel()
    more = np.column_stack([each, rest, np.zeros_like(rest)]).ravel()
    kept = np.nonzero(number)[0]
    parent, number, more = kept // 3, number[kept], more[kept]
    mix = groups.mix[parent]
    mix[:, shape] += more
    used = groups.used[parent] + more[:, None] * problem.need[shape]
    able = groups.able[parent]
    fed = np.nonzero(more)[0]
    fits = (problem.room[kinds] >= used[fed, None]).all(axis=2)
    able[fed] &= problem.allowed[kinds, shape] & fits
    return _Groups(number, mix, used, able)


def _settled(problem: Problem, kinds: Ints, groups: _Groups) -> Packed | None:
    """Each node its cheapest kind of which the shared limits leave some; None where none is left."""
    kind: list[int] = []
    group: list[int] = []
    number: list[int] = []
    free = problem.limit.copy()
    cheap = np.argsort(problem.cost[kinds], kind="stable")
    for place, nodes in enumerate(groups.number.tolist()):
        left = nodes
        for one in kinds[cheap[groups.able[place, cheap]]].tolist():
            some = left
            if len(free):
                use = problem.usage(np.array([one]), groups.mix[place : place + 1])[0]
                takes = use > 0
                some = min(left, int((free[takes] // use[takes]).min(initial=left)))
                free -= max(some, 0) * use
            if some > 0:
                kind.append(one)
                group.append(place)
                number.append(some)
                left -= some
            if not left:
                break
        if left:
            return None
    return Packed(
        np.array(kind, dtype=np.int64), groups.mix[group], np.array(number, dtype=np.int64)
    )
