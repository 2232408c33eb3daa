"""Whole mixes of pods around a mean one, drawn at random and filled to the brim."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from eks_win_capacity.packing.problem import Flags, Floats, Ints, Problem

_SWAPS = 6
"""Exchanges of one pod for another that are tried on each mix."""


def scatter(
    problem: Problem, kind: Ints, mean: Floats, worth: Floats, *, rng: np.random.Generator
) -> Ints:
    """
    Draw whole mixes around mean ones, each filled until no pod fits.

    The fluid optimum says what a node holds on average. Whole mixes that lie around it in
    all directions hold that average between them, so that one linear program over them comes
    near the optimum at once, where patterns priced one by one need hundreds of rounds.

    Parameters
    ----------
    problem : Problem
        The problem.
    kind : (mixes,) int array
        The kind of node of each mix.
    mean : (mixes, shapes) array
        The mean of each.
    worth : (mixes, shapes) array
        What a pod is worth on that node.
    rng : Generator
        The chance; a given one makes the mixes repeat.
    """
    most = problem.most_per_node()[kind]
    part = rng.uniform(0.5, 1.0, size=(len(kind), 1))
    mix = np.floor(mean * part + 0.3 * rng.random(mean.shape)).astype(np.int64)
    mix = np.minimum(mix, most)
    room = problem.room[kind]
    while len(over := np.nonzero(((mix @ problem.need) > room).any(axis=1))[0]):
        _drop(mix, over, rng.random((len(over), problem.shapes)))
    lean = np.log(np.maximum(mean, 1e-3))
    refill(problem, kind, mix, most, worth, lean, rng=rng)
    return mix


def mutate(
    problem: Problem,
    kind: Ints,
    mix: Ints,
    worth: Floats,
    lean: Floats,
    *,
    rng: np.random.Generator,
) -> Ints:
    """
    Take a few pods out of each mix and fill it again.

    Parameters
    ----------
    problem, kind, worth, rng
        As in `scatter`.
    mix : (mixes, shapes) int array
        Where to start.
    lean : (mixes, shapes) array
        Log-odds with which a shape is put in, and the negative of it taken out.
    """
    most = problem.most_per_node()[kind]
    mix = np.minimum(mix, most)
    every = np.arange(len(mix))
    for _ in range(int(rng.integers(1, 5))):
        _drop(mix, every, rng.gumbel(size=mix.shape) - lean)
    refill(problem, kind, mix, most, worth, lean, rng=rng, swaps=_SWAPS // 2)
    return mix


def _drop(mix: Ints, which: Ints, score: Floats) -> None:
    """Take the pod with the best score off each of some mixes."""
    score = np.where(mix[which] > 0, score, -np.inf)
    shape = score.argmax(axis=1)
    some = mix[which, shape] > 0
    mix[which[some], shape[some]] -= 1


def refill(  # noqa: PLR0917
    problem: Problem,
    kind: Ints,
    mix: Ints,
    most: Ints,
    worth: Floats,
    lean: Floats,
    *,
    rng: np.random.Generator,
    swaps: int = _SWAPS,
) -> None:
    """
    Fill mixes in place until no pod fits, and exchange pods for ones worth more.

    Parameters
    ----------
    problem, kind, worth, lean, rng
        As in `mutate`.
    mix, most : (mixes, shapes) int arrays
        The mixes, and the pods of each shape that they may hold at most.
    swaps : int
        Exchanges tried on each mix.
    """
    left = problem.room[kind] - mix @ problem.need
    _fill(problem.need, mix, left, most, lean, rng)
    for _ in range(swaps):
        _swap(problem.need, mix, left, most, worth, rng)
    _fill(problem.need, mix, left, most, lean, rng)


def _fill(  # noqa: PLR0917
    need: Ints, mix: Ints, left: Ints, most: Ints, lean: Floats, rng: np.random.Generator
) -> None:
    """Add pods at random, several at once where there is much room, until none fits."""
    live = np.arange(len(mix))
    while len(live):
        fits = _fits(need, left[live]) & (mix[live] < most[live])
        some = fits.any(axis=1)
        live, fits = live[some], fits[some]
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
    need: Ints, mix: Ints, left: Ints, most: Ints, worth: Floats, rng: np.random.Generator
) -> None:
    """Exchange a random pod of each mix for the one worth most that fits in its place."""
    every = np.arange(len(mix))
    score = np.where(mix > 0, rng.random(mix.shape), -1.0)
    out = score.argmax(axis=1)
    free = left + need[out]
    gain = np.where(_fits(need, free) & (mix < most), worth, -1.0)
    into = gain.argmax(axis=1)
    better = (mix[every, out] > 0) & (gain[every, into] > worth[every, out] * (1 + 1e-9))
    some = every[better]
    mix[some, out[some]] -= 1
    mix[some, into[some]] += 1
    left[some] = free[some] - need[into[some]]


def _fits(need: Ints, left: Ints) -> Flags:
    """Which pods fit into what is left of each node."""
    fits: Flags = need[:, 0] <= left[:, :1]
    for resource in range(1, need.shape[1]):
        fits &= need[:, resource] <= left[:, resource : resource + 1]
    return fits
