"""From the history of many series to sample paths of what comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.exhaustion import _theta
from eks_win_capacity.exhaustion._seasons import Seasons, seasons
from eks_win_capacity.exhaustion._shifts import level_shifts, outliers, without_shifts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Singles = NDArray[np.float32]

MIN_TRAINING = 28
"""Periods a backtest origin must know, so that its own fit is worth holding against the truth."""

ORIGINS = 8
"""Origins of the rolling backtest."""

_PRIOR = 4.0
"""How many origins it takes for the backtest to weigh as much as the model."""

_PRIOR_SPREAD = 1.15
"""What intervals are widened by where there is no backtest; from benchmarks/forecast."""


_FREE = 5
"""Values below the limit that it takes to look across a plateau."""


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

    @classmethod
    def of(cls, seed: int, *, paths: int, horizon: int) -> Draws:
        """Draw for so many paths and periods; parameters are spread evenly, not at random."""
        rng = np.random.default_rng(seed)
        spread = (np.arange(paths) + 0.5) / paths
        normal = _normal_quantile(spread)
        return cls(
            model=rng.permutation(spread),
            parameter=np.stack([rng.permutation(normal), rng.permutation(normal)]),
            innovation=rng.random((horizon, paths)),
            jump=rng.random((horizon, paths)),
            size=rng.random((horizon, paths)),
        )


@dataclass(frozen=True)
class Learned:
    """
    What was learned from a chunk of histories, in units of each series' scale.

    Attributes
    ----------
    scale : ndarray, (series,)
    season : Seasons
    shifts : ndarray, (series, periods)
        Level shifts by the period they begin.
    outliers : ndarray, (series, periods)
        What single values stuck out by.
    fit : Fit
        All models at the last period.
    errors : ndarray, (series, periods)
        Innovations of the likeliest model, in units of its sigma.
    seen : ndarray of bool, (series, periods)
    calibration : ndarray, (series,)
        What the spread of the paths is multiplied by.
    origins : ndarray of int, (series,)
        Backtest origins behind it; 0 where the history was too short.
    level : ndarray, (series, periods)
        The history without season, at the level of today.
    backtest : tuple of (origin, mean, deviation)
        What would have been forecast at each origin.
    """

    scale: Floats
    season: Seasons
    shifts: Floats
    outliers: Floats
    fit: _theta.Fit
    errors: Floats
    seen: Flags
    calibration: Floats
    origins: NDArray[np.int64]
    level: Floats
    backtest: tuple[tuple[int, Floats, Floats], ...]


def learn(
    values: Floats, censored: Flags, *, lengths: Sequence[int], horizon: int, given: bool = False
) -> Learned:
    """
    Take histories apart into season, shifts, outliers and a level with drift.

    Parameters
    ----------
    values : ndarray, (series, periods)
        NaN where nothing was seen.
    censored : ndarray of bool, (series, periods)
        Where the value is only a lower bound of the demand.
    lengths : sequence of int
        Season lengths. [periods]
    horizon : int
    given : bool
        Whether the user gave the season lengths.
    """
    seen = ~np.isnan(values)
    scale = np.nanmean(np.abs(values), axis=1)
    scale[scale == 0] = 1.0
    bound = values / scale[:, None]
    free = _unclipped(seen, censored)
    # Across a plateau demand is first taken to run straight from free value to free value.
    filled = np.where(censored & seen, np.fmax(bound, _filled(bound, free)), _filled(bound, seen))
    origins = backtest_origins(values.shape[1], horizon)
    # An unfinished last period takes one more round, saturation in between some.
    rounds = 4 if censored[:, :-1].any() else 2 if censored.any() else 1
    for turn in range(rounds):
        season = seasons(filled, lengths=lengths, horizon=horizon, given=given)
        level = (filled - season.term) / season.factor
        shifts = level_shifts(level)
        level = without_shifts(level, shifts)
        off = outliers(level)
        off[censored] = 0.0
        last = turn == rounds - 1
        clean = level - off
        told = seen if turn or last else free
        fits = _theta.fit(clean, told, [*(origins if last else ()), values.shape[1]])
        at = fits.at[-1]
        best = at.weight.argmax(axis=1)
        errors = fits.innovations(best)
        sigma = at.sigma[np.arange(len(values)), best]
        if not last:
            mean = (clean - errors) + (without_shifts(filled, shifts) - filled) * -1
            mean = mean * season.factor + season.term
            filled = np.where(censored, _above(bound, mean, sigma[:, None]), filled)
    backtest = _backtest(fits.at[:-1], origins, values.shape[1], horizon)
    calibration, counted = _calibration(level, seen, backtest)
    return Learned(
        scale,
        season,
        shifts,
        off,
        at,
        errors / np.where(sigma > 0, sigma, 1.0)[:, None],
        seen,
        calibration,
        counted,
        level,
        backtest,
    )


def _unclipped(seen: Flags, censored: Flags) -> Flags:
    """Tell what was seen and is no lower bound, where enough of that is left."""
    free = seen & ~censored
    few = free.sum(axis=1) < _FREE
    free[few] = seen[few]
    return free


def backtest_origins(periods: int, horizon: int) -> list[int]:
    """Give the origins of the rolling backtest: spread over the newer half."""
    ahead = min(horizon, max(periods // 4, 1))
    first, last = max(MIN_TRAINING, periods // 2), periods - ahead
    if last < first:
        return []
    return sorted({int(x) for x in np.linspace(first, last, ORIGINS)})


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
    count = len(at.weight)
    level_now, drift_now = ((at.weight * x).sum(axis=1) for x in (at.level, at.drift))
    out = np.empty((horizon, count, paths), dtype=np.float32)
    state = _initial(at, draws, level_now, drift_now)
    _run(out, state, learned, draws)
    _jumps(out, learned, draws)
    middle = out.mean(axis=2)
    out -= middle[..., None]
    out *= learned.calibration.astype(np.float32)[None, :, None]
    steps = np.arange(1, horizon + 1)
    line = level_now[:, None] + drift_now[:, None] * steps + middle.T
    factor = learned.season.future_factor * learned.scale[:, None]
    line = line * factor + learned.season.future_term * learned.scale[:, None]
    out *= factor.T.astype(np.float32)[..., None]
    out += line.T.astype(np.float32)[..., None]
    return out


def _initial(
    at: _theta.Fit, draws: Draws, level_now: Floats, drift_now: Floats
) -> tuple[Singles, ...]:
    """Give each path its model and parameters, as differences from their means."""
    rows = np.arange(len(at.weight))[:, None]
    # Which model each path follows: the inverse of the cumulated weights.
    cumulated = at.weight.cumsum(axis=1)
    model = np.stack([np.searchsorted(row, draws.model) for row in cumulated])
    model = np.minimum(model, at.weight.shape[1] - 1)
    first, second = draws.parameter
    root = at.root[rows, model]
    level = at.level[rows, model] - level_now[:, None] + root[..., 0, 0] * first
    drift = at.drift[rows, model] - drift_now[:, None]
    drift += root[..., 1, 0] * first + root[..., 1, 1] * second
    parts = (
        level,
        drift,
        at.off[rows, model],
        at.sigma[rows, model],
        _theta.GRID[model, 0],
        _theta.GRID[model, 1],
    )
    return tuple(part.astype(np.float32) for part in parts)


def _run(out: Singles, state: tuple[Singles, ...], learned: Learned, draws: Draws) -> None:
    level, drift, off, sigma, alpha, phi = state
    beta = 1 - alpha
    pool, extra, size = _pools(learned)
    offset = (np.arange(len(pool), dtype=np.int32) * pool.shape[1])[:, None]
    flat_pool, flat_extra = pool.ravel(), extra.ravel()
    strange = bool(extra.any())
    scratch, error = np.empty_like(level), np.empty_like(level)
    for step in range(len(out)):
        pick = (draws.innovation[step] * size).astype(np.int32) + offset
        flat_pool.take(pick, out=error, mode="clip")
        error *= sigma
        level += drift
        off *= phi
        here = out[step]
        np.add(level, off, out=here)
        here += error
        if strange:
            flat_extra.take(pick, out=scratch, mode="clip")
            here += scratch
        np.multiply(alpha, error, out=scratch)
        level += scratch
        np.multiply(beta, error, out=scratch)
        off += scratch


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


def _jumps(out: Singles, learned: Learned, draws: Draws) -> None:
    """Let shifts happen again as often as they did, each as large as one that did."""
    for row in np.flatnonzero((learned.shifts != 0).any(axis=1)):
        sizes = learned.shifts[row][learned.shifts[row] != 0]
        rate = len(sizes) / learned.seen[row].sum()
        picked = sizes[(draws.size * len(sizes)).astype(np.intp)]
        out[:, row] += np.where(draws.jump < rate, picked, 0.0).cumsum(axis=0)


@dataclass(frozen=True)
class Scores:
    """
    How the model did in its own rolling backtest, in units of each series' scale.

    Attributes
    ----------
    error, naive : ndarray, (series,)
        Mean absolute error of the mean path, and of repeating the last season;
        NaN without a backtest.
    covered : ndarray, (series, levels)
        Share of values inside the calibrated interval.
    """

    error: Floats
    naive: Floats
    covered: Floats


def backtest_scores(learned: Learned, levels: Sequence[float]) -> Scores:
    """Score each origin's forecast, with the intervals as they are calibrated."""
    level, seen = learned.level, learned.seen
    count, _periods = level.shape
    counted, error, naive = (np.zeros(count) for _ in range(3))
    covered = np.zeros((count, len(levels)))
    bounds = _normal_quantile((1 + np.array(levels)) / 2)
    for origin, mean, deviation in learned.backtest:
        ahead = mean.shape[1]
        known = seen[:, origin : origin + ahead]
        off = np.abs(level[:, origin : origin + ahead] - mean)
        counted += known.sum(axis=1)
        error += (off * known).sum(axis=1)
        still = np.abs(level[:, origin : origin + ahead] - level[:, origin - 1, None])
        naive += (still * known).sum(axis=1)
        inside = off[..., None] <= bounds * (deviation * learned.calibration[:, None])[..., None]
        covered += (inside & known[..., None]).sum(axis=1)
    total = np.where(counted > 0, counted, np.nan)
    return Scores(error / total, naive / total, covered / total[:, None])


def _backtest(
    fits: tuple[_theta.Fit, ...], origins: Sequence[int], periods: int, horizon: int
) -> tuple[tuple[int, Floats, Floats], ...]:
    """Forecast from each origin, as far as the horizon or the end of the history."""
    return tuple(
        (origin, *_theta.mean_and_deviation(at, min(periods - origin, max(horizon, origin))))
        for origin, at in zip(origins, fits, strict=True)
    )


def _calibration(
    level: Floats, seen: Flags, backtest: tuple[tuple[int, Floats, Floats], ...]
) -> tuple[Floats, NDArray[np.int64]]:
    """Hold each origin's forecast against what came, and give the ratio of the spreads."""
    count = len(level)
    total, used = np.full(count, _PRIOR), np.zeros(count, dtype=np.int64)
    squares = np.full(count, _PRIOR * _PRIOR_SPREAD**2)
    for origin, mean, deviation in backtest:
        ahead = mean.shape[1]
        known = seen[:, origin : origin + ahead] & (deviation > 0)
        ratio = (level[:, origin : origin + ahead] - mean) / np.where(deviation > 0, deviation, 1.0)
        ratio = np.where(known, np.minimum(ratio**2, 25.0), 0.0)
        here = known.sum(axis=1)
        squares += np.where(here > 0, ratio.sum(axis=1) / np.maximum(here, 1), 0.0)
        total += here > 0
        used += here > 0
    return np.sqrt(squares / total), used


def _filled(values: Floats, seen: Flags) -> Floats:
    """Bridge gaps by straight lines, for the steps that need a value everywhere."""
    if seen.all():
        return values
    out = values.copy()
    places = np.arange(values.shape[1])
    for row in np.flatnonzero(~seen.all(axis=1)):
        out[row] = np.interp(places, places[seen[row]], values[row, seen[row]])
    return out


def _above(bound: Floats, mean: Floats, sigma: Floats) -> Floats:
    """Give the mean of a normal value of which only the lower bound is known."""
    safe = np.where(sigma > 0, sigma, 1.0)
    below = np.clip((bound - mean) / safe, -30.0, 6.0)
    density = np.exp(-0.5 * below**2) / np.sqrt(2 * np.pi)
    expected = mean + safe * density / np.maximum(_upper_tail(below), 1e-12)
    return np.where(sigma > 0, np.maximum(bound, expected), np.maximum(bound, mean))


def _upper_tail(value: Floats) -> Floats:
    """Give the normal probability above a value (Abramowitz and Stegun, 26.2.17)."""
    away = np.abs(value)
    step = 1 / (1 + 0.2316419 * away)
    series = step * (
        0.319381530
        + step * (-0.356563782 + step * (1.781477937 + step * (-1.821255978 + step * 1.330274429)))
    )
    tail = np.exp(-0.5 * away**2) / np.sqrt(2 * np.pi) * series
    return np.asarray(np.where(value >= 0, tail, 1 - tail))


def _normal_quantile(share: Floats) -> Floats:
    """Invert the normal distribution without SciPy, by the standard library."""
    from statistics import NormalDist

    normal = NormalDist()
    return np.array([normal.inv_cdf(float(x)) for x in share])
