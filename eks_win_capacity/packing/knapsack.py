"""Which mix of pods is worth most on a node, with a certified upper bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity.packing.deadline import Deadline

if TYPE_CHECKING:
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
    order = np.argsort(-np.abs(reduced) * np.minimum(most, 1), axis=1, kind="stable")
    # Float sums err by far less than this; a bound may only err upwards.
    slip = 1e-9 * np.maximum(fractional_bound(worth, need, room, most, prices), 1.0) + 1e-6
    bound = (prices * room).sum(axis=1) + (np.maximum(reduced, 0) * most).sum(axis=1)
    cut = np.zeros(kinds)
    complete = np.ones(kinds, dtype=bool)
    unit = (need <= 1).all(axis=0)
    rest = ~unit & (need > 0).all(axis=0)
    least = np.maximum(need.min(axis=0), 1)[None, :]
    kind = np.nonzero(bound + slip >= threshold + 1)[0]
    left, value, bound = room[kind], np.zeros(len(kind), dtype=np.int64), bound[kind]
    history: list[tuple[Ints, Ints, Ints]] = []
    for step in range(shapes):
        deadline.check()
        shape = order[kind, step]
        if not (most[kind, shape] > 0).any():
            # Nothing is left to decide for the kinds still searched.
            if not (np.take_along_axis(most, order, axis=1)[:, step:] > 0).any():
                break
            continue
        take = need[shape]
        cap = most[kind, shape]
        fits = np.where(take > 0, left // np.maximum(take, 1), cap[:, None]).min(axis=1)
        high = np.minimum(cap, fits)
        gain = reduced[kind, shape]
        slack = bound + slip[kind] - (threshold[kind] + 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.where(np.abs(gain) > 1e-9, slack / np.abs(gain), np.inf)
        steps = np.minimum(np.floor(steps + 1e-9), 1e9).astype(np.int64)
        low = np.where(gain >= 0, np.maximum(cap - steps, 0), 0)
        high = np.where(gain < 0, np.minimum(high, steps), high)
        branches = np.maximum(high - low + 1, 0)
        parent = np.repeat(np.arange(len(kind)), branches)
        if not len(parent):
            kind = kind[:0]
            value = value[:0]
            bound = bound[:0]
            break
        first = np.repeat(np.cumsum(branches) - branches, branches)
        number = low[parent] + np.arange(len(parent)) - first
        shape, kind = shape[parent], kind[parent]
        gain = gain[parent]
        bound = bound[parent] - np.where(gain >= 0, (cap[parent] - number) * gain, -number * gain)
        value = value[parent] + number * worth[kind, shape]
        left = left[parent] - number[:, None] * need[shape]
        # Two partial mixes that leave the same room differ only in what they are worth.
        useful = (
            (left[:, None, rest] // least[None, :, rest]).min(axis=(1, 2)) if rest.any() else None
        )
        if useful is not None:
            left[:, unit] = np.minimum(left[:, unit], useful[:, None])
        chosen = _distinct(kind, left, value) if distinct else np.arange(len(kind))
        if len(chosen) < len(kind):
            parent, number, shape = parent[chosen], number[chosen], shape[chosen]
            kind, value, bound, left = kind[chosen], value[chosen], bound[chosen], left[chosen]
        if len(kind) > width:
            chosen = _widest(kind, bound, width)
            if len(chosen) < len(kind):
                dropped = np.ones(len(kind), dtype=bool)
                dropped[chosen] = False
                np.maximum.at(cut, kind[dropped], bound[dropped])
                complete[kind[dropped]] = False
                parent, number, shape = parent[chosen], number[chosen], shape[chosen]
                kind, value, bound, left = kind[chosen], value[chosen], bound[chosen], left[chosen]
        history.append((parent, number, shape))
    best = np.zeros(kinds, dtype=np.int64)
    np.maximum.at(best, kind, value)
    certified = np.maximum(best, threshold)
    certified = np.maximum(certified, np.floor(cut + slip * (cut > 0)).astype(np.int64))
    chosen = _widest(kind, value.astype(np.float64), keep) if len(kind) else np.arange(0)
    mix = np.zeros((len(chosen), shapes), dtype=np.int64)
    place = chosen
    for parent, number, shape in reversed(history):
        mix[np.arange(len(chosen)), shape[place]] = number[place]
        place = parent[place]
    return Priced(best, certified, kind[chosen], mix, complete)


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
