"""Which mix of pods is worth most on a node, with a certified upper bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from eks_win_capacity.packing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.packing.problem import Flags, Floats, Ints

_NEVER = Deadline()


@dataclass(frozen=True)
class Priced:
    """
    The best mixes found, and what no mix can exceed.

    Attributes
    ----------
    value : (kinds,) int array
        Worth of the best mix found on each kind.
    bound : (kinds,) int array
        No mix on the kind is worth more.
    kind, mix : int arrays
        Mixes worth looking at, the best of each kind first.
    complete : (kinds,) bool array
        Whether nothing was cut on the way.
    """

    value: Ints
    bound: Ints
    kind: Ints
    mix: Ints
    complete: Flags


def resource_prices(
    worth: Floats, need: Ints, room: Ints, most: Ints, *, deadline: Deadline = _NEVER
) -> Floats:
    """
    Price the resources of each kind: the duals of its fractional knapsack.

    All knapsacks go into one linear program; each is a block of it. Any prices give a valid
    bound, the optimal ones give the tightest, so a failure of the solver costs only time.

    Parameters
    ----------
    worth : (kinds, shapes) array
        Worth of one pod.
    need : (shapes, resources) array
        What one pod takes.
    room : (kinds, resources) array
        What a node gives.
    most : (kinds, shapes) array
        Pods of a shape per node.
    """
    from scipy import sparse

    kinds = len(worth)
    resources = need.shape[1]
    keep = (most > 0) & (worth > 0)
    kind, shape = np.nonzero(keep)
    prices = np.zeros((kinds, resources))
    if not len(kind):
        return prices
    # Each block is scaled by its own room: bytes beside millicores would spoil the tolerances.
    scale = np.maximum(room, 1)
    entries = need[shape] / scale[kind]
    rows = kind[:, None] * resources + np.arange(resources)
    columns = np.broadcast_to(np.arange(len(kind))[:, None], rows.shape)
    matrix = sparse.csc_matrix(
        (entries.ravel(), (rows.ravel(), columns.ravel())), shape=(kinds * resources, len(kind))
    )
    top = worth.max()
    solved = deadline.linprog(
        -worth[kind, shape] / top,
        A_ub=matrix,
        b_ub=(room / scale).ravel(),
        bounds=np.column_stack([np.zeros(len(kind)), most[kind, shape]]),
        method="highs-ds",
    )
    if solved.status == 0:
        prices = np.maximum(-solved.ineqlin.marginals, 0).reshape(kinds, resources) * top / scale
    return prices


def fractional_bound(
    worth: Floats | Ints, need: Ints, room: Ints, most: Ints, prices: Floats
) -> Floats:
    """Bound the worth of any mix on each kind, given any non-negative resource prices."""
    gain = np.maximum(worth - prices @ need.T, 0)
    total: Floats = (prices * room).sum(axis=1) + (gain * most).sum(axis=1)
    return total


def best_mixes(  # noqa: PLR0917
    worth: Ints,
    need: Ints,
    room: Ints,
    most: Ints,
    prices: Floats,
    threshold: Ints,
    *,
    width: int,
    keep: int = 1,
    distinct: bool = True,
    deadline: Deadline = _NEVER,
) -> Priced:
    """
    Search the mixes worth more than a threshold, for all kinds at once.

    Shapes are decided one after the other, those with the largest reduced worth first. A
    partial mix goes on only while its bound exceeds the threshold; where more than ``width``
    of a kind remain, the best go on and the bound of the rest is remembered, so that the
    bound given back holds whatever was cut.

    Parameters
    ----------
    worth : (kinds, shapes) int array
        Worth of one pod; whole numbers, so that the answer is exact.
    need, room, most : int arrays
        As in `resource_prices`.
    prices : (kinds, resources) array
        Resource prices that give the bounds.
    threshold : (kinds,) int array
        Mixes worth no more than this are of no interest.
    width : int
        Partial mixes kept for each kind.
    keep : int
        Mixes given back for each kind, at most.
    distinct : bool
        Whether, of mixes that leave the same room, the one worth most is enough.
    """
    kinds, shapes = worth.shape
    worth = np.where(most > 0, worth, 0)
    most = np.where(worth > 0, most, 0)
    reduced = worth - prices @ need.T.astype(np.float64)
    # The shapes that move the bound most come first, so that poor mixes end early.
    order = np.argsort(-np.abs(reduced) * np.minimum(most, 1), axis=1, kind="stable")
    # Float sums err by far less than this; a bound may only err upwards.
    slip = 1e-9 * np.maximum(fractional_bound(worth, need, room, most, prices), 1.0) + 1e-6
    bound = (prices * room).sum(axis=1) + (np.maximum(reduced, 0) * most).sum(axis=1)
    sacks = _Knapsacks(worth, need, most, reduced, slip, threshold + 1)
    cut, complete = np.zeros(kinds), np.ones(kinds, dtype=bool)
    mixes = sacks.empty(room, bound)
    history: list[tuple[Ints, Ints, Ints]] = []
    for step in range(shapes):
        deadline.check()
        shape = order[mixes.kind, step]
        if not (most[mixes.kind, shape] > 0).any():
            # Nothing is left to decide for the kinds still searched.
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
    """
    Partial mixes, one in each row.

    Attributes
    ----------
    kind, value, bound : arrays
        The kind that it is for, its worth, and what no mix that begins so can exceed.
    left : (mixes, resources) int array
        Room that is left.
    parent, number, shape : int arrays
        The mix before the last decision, and so many pods of what shape were decided.
    """

    kind: Ints
    left: Ints
    value: Ints
    bound: Floats
    parent: Ints
    number: Ints
    shape: Ints

    def at(self, chosen: Ints) -> _Mixes:
        """Those that were chosen, in their order."""
        if len(chosen) == len(self.kind):
            return self
        columns: Iterator[Any] = (column[chosen] for column in self)
        return _Mixes(*columns)


class _Knapsacks(NamedTuple):
    """
    A knapsack for each kind, with the reduced worth of each pod.

    Attributes
    ----------
    worth, need, most : int arrays
        As in `best_mixes`.
    reduced : (kinds, shapes) array
        Worth of a pod less the prices of what it takes.
    slip, least : (kinds,) arrays
        By what a bound may err, and the worth from which a mix is of interest.
    """

    worth: Ints
    need: Ints
    most: Ints
    reduced: Floats
    slip: Floats
    least: Ints

    def empty(self, room: Ints, bound: Floats) -> _Mixes:
        """The mix without pods, of each kind on which some mix may be of interest."""
        kind = np.nonzero(bound + self.slip >= self.least)[0]
        none = np.zeros(len(kind), dtype=np.int64)
        return _Mixes(kind, room[kind], none, bound[kind], none, none, none)

    def branched(self, mixes: _Mixes, shape: Ints) -> _Mixes:
        """Each mix with every number of pods of its next shape that may be of interest."""
        kind = mixes.kind
        take, cap, gain = self.need[shape], self.most[kind, shape], self.reduced[kind, shape]
        fits = np.where(take > 0, mixes.left // np.maximum(take, 1), cap[:, None]).min(axis=1)
        # The bound counts all pods that gain and none that lose; the slack pays for some others.
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
            value=mixes.value[parent] + number * self.worth[kind, shape],
            bound=mixes.bound[parent] - lost,
            parent=parent,
            number=number,
            shape=shape,
        )

    def clip(self, left: Ints) -> None:
        """Forget room that no further pods can use, so that more mixes leave the same."""
        unit = (self.need <= 1).all(axis=0)
        rest = ~unit & (self.need > 0).all(axis=0)
        if rest.any():
            least = np.maximum(self.need.min(axis=0), 1)
            useful = (left[:, rest] // least[rest]).min(axis=1)
            left[:, unit] = np.minimum(left[:, unit], useful[:, None])


def _narrowed(mixes: _Mixes, width: int, cut: Floats, complete: Flags) -> _Mixes:
    """The best mixes of each kind; `cut` and `complete` learn of the others."""
    chosen = _widest(mixes.kind, mixes.bound, width)
    dropped = np.ones(len(mixes.kind), dtype=bool)
    dropped[chosen] = False
    np.maximum.at(cut, mixes.kind[dropped], mixes.bound[dropped])
    complete[mixes.kind[dropped]] = False
    return mixes.at(chosen)


def _traced(history: list[tuple[Ints, Ints, Ints]], chosen: Ints, shapes: int) -> Ints:
    """Pods of each shape in the mixes that were chosen, read back decision by decision."""
    mix = np.zeros((len(chosen), shapes), dtype=np.int64)
    rows = np.arange(len(chosen))
    for parent, number, shape in reversed(history):
        mix[rows, shape[chosen]] = number[chosen]
        chosen = parent[chosen]
    return mix


def _distinct(kind: Ints, left: Ints, value: Ints) -> Ints:
    """Choose, among partial mixes of a kind that leave the same room, the one worth most."""
    mixer = np.uint64(0x9E3779B97F4A7C15)
    key: Any = kind.astype(np.uint64)
    for column in range(left.shape[1]):
        key = (key * mixer) ^ (key >> np.uint64(29)) ^ left[:, column].astype(np.uint64)
    order = np.lexsort((-value, key))
    ahead: Ints = order[1:]
    behind: Ints = order[:-1]
    # The key only brings equals together; they are compared in full.
    same = np.asarray((kind[ahead] == kind[behind]) & (left[ahead] == left[behind]).all(axis=1))
    chosen: Ints = np.sort(order[np.r_[True, ~same]])
    return chosen


def _widest(kind: Ints, score: Floats, width: int) -> Ints:
    """Choose the entries with the best score of each kind, at most so many of each."""
    order = np.lexsort((-score, kind))
    ranked = kind[order]
    starts = np.r_[0, np.nonzero(np.diff(ranked))[0] + 1]
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    chosen: Ints = np.sort(order[rank < width])
    return chosen
