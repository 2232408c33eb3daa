"""From what was learned of many series to sample paths of what comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.forecast import smoothing
from eks_win_capacity.forecast.level_shifts import lasting
from eks_win_capacity.forecast.normal import normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eks_win_capacity.forecast.learning import Learned

    Floats = NDArray[np.float64]
    Singles = NDArray[np.float32]

RECURS = 0.6
"""Share of paths in which strange values of the past, which may have been errors, come again."""


@dataclass(frozen=True)
class Draws:
    """
    The randomness of a forecast, drawn once and shared by all series.

    What one series is told so never depends on which others were asked about.
    """

    model: Floats
    parameter: Floats
    innovation: Floats
    jump: Floats
    size: Floats
    season: Floats
    rate: Floats
    recurs: Floats

    @classmethod
    def of(cls, seed: int, *, paths: int, horizon: int) -> Draws:
        """Draw for so many paths and periods; parameters are spread evenly, not at random."""
        rng = np.random.default_rng(seed)
        spread = (np.arange(paths) + 0.5) / paths
        normal = normal_quantile(spread)
        return cls(
            model=rng.permutation(spread),
            parameter=np.stack([rng.permutation(normal), rng.permutation(normal)]),
            innovation=rng.random((horizon, paths)),
            jump=rng.random((horizon, paths)),
            size=rng.random((horizon, paths)),
            season=rng.random((horizon, paths)),
            rate=rng.permutation(normal),
            recurs=(rng.permutation(spread) < RECURS).astype(np.float32),
        )


def simulate(learned: Learned, draws: Draws) -> NDArray[np.float32]:
    """
    Run the sample paths, unclipped, in units of the history.

    What is common to all paths of a series is kept in double precision, and
    what they differ by in single, which is twice as fast.

    Returns
    -------
    ndarray, (horizon, series, paths)
    """
    horizon, paths = draws.innovation.shape
    at = learned.fit
    now = [(at.weight * x).sum(axis=1)[:, None] for x in (at.level, at.drift)]
    line = now[0] + now[1] * np.arange(1, horizon + 1)
    factor = learned.season.future_factor * learned.scale[:, None]
    line = line * factor + learned.season.future_term * learned.scale[:, None]
    out = np.empty((horizon, len(at.weight), paths), dtype=np.float32)
    _run(out, _initial(at, draws, *now), learned, draws, (line.T, factor.T))
    return out


def _initial(
    at: smoothing.Fit, draws: Draws, level_now: Floats, drift_now: Floats
) -> tuple[Singles, ...]:
    """Give each path its model and parameters, as differences from their means."""
    rows = np.arange(len(at.weight))[:, None]
    # Which model each path follows: the inverse of the cumulated weights.
    cumulated = at.weight.cumsum(axis=1)
    model = np.stack([np.searchsorted(row, draws.model) for row in cumulated])
    model = np.minimum(model, at.weight.shape[1] - 1)
    first, second = draws.parameter
    root = at.root[rows, model]
    level = at.level[rows, model] - level_now + root[..., 0, 0] * first
    drift = at.drift[rows, model] - drift_now
    drift += root[..., 1, 0] * first + root[..., 1, 1] * second
    parts = (
        level,
        drift,
        at.off[rows, model],
        at.wander[rows, model],
        at.sigma[rows, model],
        smoothing.GRID[model, 0],
        smoothing.GRID[model, 1],
        smoothing.GRID[model, 2],
        smoothing.GRID[model, 3],
    )
    return tuple(part.astype(np.float32) for part in parts)


def _run(
    out: Singles,
    state: tuple[Singles, ...],
    learned: Learned,
    draws: Draws,
    center: tuple[Floats, Floats],
) -> None:
    """Step all paths on, and bring each step to its center and its calibrated spread."""
    level, drift, off, wander, sigma, alpha, phi, gamma, rho = state
    beta = 1 - alpha
    pool = _Pool.of(learned)
    phases = _phases(pool, sigma, learned, draws)
    noise = learned.noise.T.astype(np.float32)[..., None]
    spread = learned.calibration.T
    jumps = _Jumps.of(learned, draws)
    error, scratch = np.empty_like(level), np.empty_like(level)
    for step in range(len(out)):
        here = out[step]
        pick = pool.pick(draws.innovation[step])
        pool.errors.take(pick, out=error, mode="clip")
        error *= sigma
        error *= noise[step]
        level += drift
        level += wander
        wander *= rho
        off *= phi
        np.add(level, off, out=here)
        here += error
        for table in phases:
            np.multiply(table[step % len(table)], noise[step], out=scratch)
            here += scratch
        if pool.strange:
            pool.extra.take(pick, out=scratch, mode="clip")
            scratch *= draws.recurs
            here += scratch
        np.multiply(alpha, error, out=scratch)
        level += scratch
        np.multiply(beta, error, out=scratch)
        off += scratch
        np.multiply(gamma, error, out=scratch)
        wander += scratch
        jumps.happen(here, step)
        middle = here.mean(axis=1)
        here -= middle[:, None]
        here *= (spread[step] * center[1][step]).astype(np.float32)[:, None]
        here += (center[0][step] + center[1][step] * middle).astype(np.float32)[:, None]


def _phases(pool: _Pool, sigma: Singles, learned: Learned, draws: Draws) -> list[Singles]:
    """
    Draw how far each phase's index may be off: once for each path, for it stays.

    A Monday taken for too low is too low on every Monday to come.
    """
    horizon = len(draws.innovation)
    tables = []
    for doubt, length in zip(learned.season.doubt.T, learned.lengths, strict=True):
        if not doubt.any():
            continue
        table = np.empty((min(length, horizon), *sigma.shape), dtype=np.float32)
        share = sigma * doubt.astype(np.float32)[:, None]
        for phase in range(len(table)):
            pool.errors.take(pool.pick(draws.season[phase]), out=table[phase], mode="clip")
        table *= share
        tables.append(table)
    return tables


@dataclass(frozen=True)
class _Pool:
    """What may be drawn: innovations of size 1, and what strange values stuck out by."""

    errors: Singles
    extra: Singles
    size: NDArray[np.int64]
    offset: NDArray[np.int32]
    strange: bool

    @classmethod
    def of(cls, learned: Learned) -> _Pool:
        errors, extra, size = _pools(learned)
        offset = (np.arange(len(errors), dtype=np.int32) * errors.shape[1])[:, None]
        return cls(errors.ravel(), extra.ravel(), size, offset, bool(extra.any()))

    def pick(self, uniform: Floats) -> NDArray[np.int32]:
        """Turn draws from 0 to 1 into places, one for each series and path."""
        return (uniform * self.size).astype(np.int32) + self.offset


def _pools(learned: Learned) -> tuple[Singles, Singles, NDArray[np.int64]]:
    """Gather what may be drawn: innovations to the left, how many of them there are."""
    size = learned.seen.sum(axis=1)
    if learned.seen.all():
        pool, extra = learned.errors, learned.outliers
    else:
        order = np.argsort(~learned.seen, axis=1, kind="stable")
        pool = np.take_along_axis(learned.errors, order, axis=1)
        extra = np.take_along_axis(learned.outliers, order, axis=1)
    spread = np.sqrt((pool**2).sum(axis=1, keepdims=True) / np.maximum(size[:, None] - 2, 1))
    pool = pool / np.where(spread > 0, spread, 1.0)
    # One size for all, as is usual, saves a product for each path and period.
    sizes = size[:1, None] if (size == size[0]).all() else size[:, None]
    return pool.astype(np.float32, order="C"), extra.astype(np.float32, order="C"), sizes


@dataclass(frozen=True)
class _Jumps:
    """Shifts that happen again as often as they did, each as large as one that did."""

    rows: NDArray[np.intp]
    jumps: list[Floats]

    @classmethod
    def of(cls, learned: Learned, draws: Draws) -> _Jumps:
        rows, jumps = [], []
        for row in np.flatnonzero((learned.shifts != 0).any(axis=1)):
            sizes = lasting(learned.shifts[row])
            if not len(sizes):
                continue
            rows.append(row)
            # A few shifts tell little about how often they come: each path has its own rate.
            often = len(sizes) / learned.seen[row].sum()
            rate = often * np.exp(draws.rate / np.sqrt(len(sizes)) - 0.5 / len(sizes))
            picked = sizes[(draws.size * len(sizes)).astype(np.intp)]
            jumps.append(np.where(draws.jump < rate, picked, 0.0).cumsum(axis=0))
        return cls(np.array(rows, dtype=np.intp), jumps)

    def happen(self, here: Singles, step: int) -> None:
        """Add what has jumped until a step."""
        for row, jump in zip(self.rows, self.jumps, strict=True):
            here[row] += jump[step]
