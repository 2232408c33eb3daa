"""First-fit decreasing, counted in groups of equal nodes so that replicas cost no time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from eks_win_capacity.packing.problem import Ints, Problem


@dataclass
class _Group:
    """Nodes that hold the same pods."""

    number: int
    mix: Ints
    used: Ints
    kinds: Ints


@dataclass(frozen=True)
class Packed:
    """How many nodes of which kind run which pods."""

    kind: Ints
    mix: Ints
    number: Ints


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
    groups: list[_Group] = []
    for shape in order.tolist():
        left = int(count[shape])
        if not left:
            continue
        need, most = problem.need[shape], int(problem.most[shape])
        able = kinds[problem.allowed[kinds, shape]]
        after: list[_Group] = []
        for group in groups:
            each = 0
            if left:
                held = group.kinds[problem.allowed[group.kinds, shape]]
                each = _most_more(problem, held, group.used, need, min(most, left))
            if not each:
                after.append(group)
                continue
            full, rest = divmod(left, each)
            full = min(full, group.number)
            rest = rest if full < group.number else 0
            for number, more in ((full, each), (1 if rest else 0, rest)):
                if number:
                    after.append(_grown(problem, group, number, shape, more))
            untouched = group.number - full - (1 if rest else 0)
            if untouched:
                after.append(_Group(untouched, group.mix, group.used, group.kinds))
            left -= full * each + rest
        groups = after
        if left:
            empty = _Group(
                0, np.zeros(problem.shapes, np.int64), np.zeros(len(need), np.int64), able
            )
            each = _most_more(problem, able, empty.used, need, min(most, left))
            if not each:
                return None
            full, rest = divmod(left, each)
            for number, more in ((full, each), (1 if rest else 0, rest)):
                if number:
                    groups.append(_grown(problem, empty, number, shape, more))
    return _settled(problem, groups)


def _most_more(problem: Problem, kinds: Ints, used: Ints, need: Ints, top: int) -> int:
    """How many more pods fit on a node that may become any of the kinds."""
    if not len(kinds):
        return 0
    free = problem.room[kinds] - used
    fits = np.where(need > 0, free // np.maximum(need, 1), top).min(axis=1)
    return max(0, min(int(fits.max()), top))


def _grown(problem: Problem, group: _Group, number: int, shape: int, more: int) -> _Group:
    mix, used = group.mix.copy(), group.used + more * problem.need[shape]
    mix[shape] += more
    kinds = group.kinds[problem.allowed[group.kinds, shape]]
    return _Group(number, mix, used, kinds[(problem.room[kinds] >= used).all(axis=1)])


def _settled(problem: Problem, groups: list[_Group]) -> Packed | None:
    """Each node its cheapest kind of which the shared limits leave some; None where none is left."""
    kind: list[int] = []
    mix: list[Ints] = []
    number: list[int] = []
    free = problem.limit.copy()
    for group in groups:
        left = group.number
        for one in group.kinds[np.argsort(problem.cost[group.kinds], kind="stable")].tolist():
            use = problem.usage(np.array([one]), group.mix[None, :])[0]
            takes = use > 0
            some = min(left, int((free[takes] // use[takes]).min(initial=left)))
            if some > 0:
                kind.append(one)
                mix.append(group.mix)
                number.append(some)
                free -= some * use
                left -= some
            if not left:
                break
        if left:
            return None
    return Packed(
        np.array(kind, dtype=np.int64),
        np.array(mix, dtype=np.int64).reshape(len(kind), problem.shapes),
        np.array(number, dtype=np.int64),
    )
