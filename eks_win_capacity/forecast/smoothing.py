"""Simple exponential smoothing with drift: the Theta method, for many series at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    States = list[tuple[Floats, Floats, Floats]]

ALPHAS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
"""Smoothing of the level: 0 is a straight line, 1 a random walk."""

PHIS = (0.0, 0.35, 0.65, 0.85, 0.95)
"""Memory of what is off the level: 0 is forgotten by the next period."""

GRID = np.array(
    [(a, p, 0.0) for a in ALPHAS for p in PHIS]
    + [(a, 0.985, 0.0) for a in ALPHAS[:3]]
    + [(0.7, 0.0, 0.0), (0.7, 0.65, 0.0), (1.0, 0.0, 0.0)]
    + [(a, p, a * w) for a in ALPHAS[2:] for p in (0.0, 0.65) for w in (0.04, 0.15)]
    + [(1.0, 0.0, w) for w in (0.04, 0.15)]
)
"""
Every combination that is a model of its own; rows of (alpha, phi, gamma).

Gamma is what of an innovation goes on as growth. Such growth stays: if it faded,
growth that has ended would come back.
"""

_PRIOR = np.where(GRID[:, 2] > 0, -0.4, 0.0)
"""Log of what each model is worth beforehand: most subnets grow steadily."""

_WITHIN_DAY = np.where(GRID[:, 2] > 0, -np.inf, np.where(GRID[:, 0] < 0.1, 0.0, -100.0))
"""
The same for periods shorter than a day.

There the next value says little about the days to come: what is warm now is
not warm tomorrow, so a level may only be learned slowly, and the rest fades.
"""

BRIEF = np.array(
    [(a, p, 0.0) for a in (0.0, 0.05, 0.2, 0.4) for p in (0.0, 0.65)] + [(1.0, 0.0, 0.0)]
)
"""The models that a few weeks can tell apart; each with growth, and once more without."""

_USUAL_GROWTH = 0.004
"""Growth a period that is usual where there is any, as a share of the level."""

_STILL = 0.5
"""Share of short histories that do not grow, beforehand."""


_BY_SERIES = ("weight", "level", "off", "growth", "start", "drift", "sigma", "root")
"""What of a fit has a row for each series."""


@dataclass(frozen=True)
class Fit:
    """
    What every model of the grid says about a chunk of series at one origin.

    Attributes
    ----------
    weight : ndarray, (series, models)
        Posterior share of each model.
    level, off, growth : ndarray, (series, models)
        Level at the origin, what the last value is off it, and the change of level a period.
    start, drift, sigma : ndarray, (series, models)
        Level before the first period, growth then, and the deviation of one innovation.
    root : ndarray, (series, models, 2, 2)
        Lower Cholesky factor of the covariance of (level, growth).
    grid : ndarray, (models, 3)
        Alpha, phi and gamma of each model.
    """

    weight: Floats
    level: Floats
    off: Floats
    growth: Floats
    start: Floats
    drift: Floats
    sigma: Floats
    root: Floats
    grid: Floats

    def rows(self, chosen: slice | NDArray[np.intp]) -> Fit:
        """Fits of some of the series."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in _BY_SERIES})


def stacked(fits: Sequence[Fit], *, axis: int = 0) -> Fit:
    """Fits of some series and of others, or of some models and of others, side by side."""
    if len(fits) == 1:
        return fits[0]
    joined = {name: np.concatenate([getattr(f, name) for f in fits], axis) for name in _BY_SERIES}
    return replace(fits[0], **joined)


def _steady(grid: Floats) -> int:
    """Number of models whose growth never wanders; they come first."""
    return int((grid[:, 2] == 0).sum())


@dataclass(frozen=True)
class _Response:
    """One channel of the filter: its one-step errors, and its state at each origin."""

    errors: Floats
    states: States


def _response(
    values: Floats | None,
    seen: Flags | None,
    origins: Sequence[int],
    *,
    periods: int,
    grid: Floats,
    drift: float = 0.0,
    start: float = 0.0,
) -> _Response:
    """
    Filter one channel: the data, one unit of drift, or one of start level.

    Where nothing was seen there is no error, and the model runs on alone.
    """
    alpha, phi, gamma = grid.T
    beta, steady = 1 - alpha, _steady(grid)
    given = values if seen is None else seen
    count = 1 if given is None else len(given)
    level, off = np.full((count, len(grid)), start), np.zeros((count, len(grid)))
    wander = np.zeros_like(off[:, steady:])
    errors = np.empty((periods, count, len(grid)))
    states = []
    scratch = np.empty_like(level)
    stops = set(origins)
    for period in range(periods):
        error = errors[period]
        if drift:
            level += drift
        level[:, steady:] += wander
        off *= phi
        np.add(level, off, out=error)
        if values is None:
            np.negative(error, out=error)
        else:
            np.subtract(values[:, period, None], error, out=error)
        if seen is not None:
            error *= seen[:, period, None]
        np.multiply(alpha, error, out=scratch)
        level += scratch
        np.multiply(beta, error, out=scratch)
        off += scratch
        wander += gamma[steady:] * error[:, steady:]
        if period + 1 in stops:
            states.append((level.copy(), off.copy(), wander.copy()))
    return _Response(errors, states)


@lru_cache(maxsize=16)
def _without_gaps(
    periods: int, origins: tuple[int, ...], *, brief: bool
) -> tuple[_Response, _Response]:
    """Channels of drift and start, which are the same for every whole series."""
    grid = BRIEF if brief else GRID
    return (
        _response(None, None, origins, periods=periods, grid=grid, drift=1.0),
        _response(None, None, origins, periods=periods, grid=grid, start=1.0),
    )


@dataclass(frozen=True)
class Fits:
    """
    The fits at several origins of one chunk, and the errors behind them.

    Attributes
    ----------
    at : tuple of Fit
        One for each origin.
    """

    at: tuple[Fit, ...]
    channels: tuple[_Response, ...]

    def rows(self, chosen: slice) -> Fits:
        """Fits of some of the series."""
        channels = tuple(
            _Response(c.errors[:, chosen], []) if c.errors.shape[1] > 1 else c
            for c in self.channels
        )
        return Fits(tuple(at.rows(chosen) for at in self.at), channels)

    def innovations(self, model: NDArray[np.int64]) -> Floats:
        """The one-step errors of one model for each series, with the last fit's parameters."""
        rows, last = np.arange(len(model)), self.at[-1]
        # Models with growth and without stand one after the other.
        same = model % self.channels[0].errors.shape[2]
        data, drift, start = (
            channel.errors[:, rows if channel.errors.shape[1] > 1 else 0, same]
            for channel in self.channels
        )
        errors = data + last.drift[rows, model] * drift + last.start[rows, model] * start
        return np.ascontiguousarray(errors.T)


def fit(
    values: Floats,
    seen: Flags,
    origins: Sequence[int],
    *,
    within_day: bool = False,
    brief: bool = False,
) -> Fits:
    """
    Fit every model of the grid by least squares, at several origins in one pass.

    The innovations are linear in the start level and the drift, so for each
    pair of smoothing and memory both have a closed form, with a covariance.

    Parameters
    ----------
    values : ndarray, (series, periods)
        Seasonally adjusted, of order 1, and finite also where nothing was seen.
    seen : ndarray of bool, (series, periods)
        Where a value was seen.
    origins : sequence of int
        How many periods each fit may know, in rising order.
    within_day : bool
        Whether periods are shorter than a day.
    brief : bool
        Whether only the models of a short view are fitted.
    """
    count, periods = values.shape
    grid = BRIEF if brief else GRID
    prior = np.zeros(len(BRIEF)) if brief else _WITHIN_DAY if within_day else _PRIOR
    whole = bool(seen.all())
    data = _response(values, None if whole else seen, origins, periods=periods, grid=grid)
    if whole:
        drift, start = _without_gaps(periods, tuple(origins), brief=brief)
    else:
        drift = _response(None, seen, origins, periods=periods, grid=grid, drift=1.0)
        start = _response(None, seen, origins, periods=periods, grid=grid, start=1.0)
    channels = (data, drift, start)
    sums = [np.zeros((count, len(grid))) for _ in range(6)]
    fits, low = [], 0
    for place, origin in enumerate(origins):
        d, g, c = (channel.errors[low:origin] for channel in channels)
        pairs = ((d, d), (d, g), (d, c), (g, g), (g, c), (c, c))
        for total, (left, right) in zip(sums, pairs, strict=True):
            np.add(total, np.einsum("tsk,tsk->sk", left, right), out=total)
        known = seen[:, :origin].sum(axis=1)
        states = [c.states[place] for c in channels]
        fits.append(_solve(sums, known, states, grid=grid, prior=prior))
        low = origin
    return Fits(tuple(fits), channels)


def _solve(
    sums: list[Floats], known: NDArray[np.int64], states: States, *, grid: Floats, prior: Floats
) -> Fit:
    """Fit of each model with growth and, of those of a short view, once more without."""
    growing = _growing(sums, known, states, grid=grid)
    solved = [growing]
    if grid is BRIEF:
        solved.append(_still(growing, sums, known, states))
    fit = stacked(solved, axis=1)
    score = fit.weight + np.tile(prior, len(solved))
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    line = fit.sigma[:, 0] == 0
    weight[line] = np.arange(weight.shape[1]) == 0
    return replace(fit, weight=weight, grid=np.concatenate([grid] * len(solved)))


def _spread(squares: Floats, known: NDArray[np.int64], data: Floats) -> tuple[Floats, Floats]:
    """Squares, no smaller than can be computed, and the variance of an innovation."""
    # Rounding leaves about 1e-16 of what was subtracted; below it all models are equal.
    floor = 1e-13 * data + 1e-26
    squares = np.maximum(squares, floor)
    # What fits as well as can be computed is exact: a line, not a line with dust.
    free = np.maximum(known - 2, 1)[:, None]
    return squares, np.where(squares > floor, squares / free, 0.0)


def _growing(sums: list[Floats], known: NDArray[np.int64], states: States, *, grid: Floats) -> Fit:
    """
    Start and drift of each model in closed form, carried to the level at the origin.

    Its weights are not shares yet, but logarithms of the evidence.
    """
    steady = _steady(grid)
    data, data_drift, data_start, drift_drift, drift_start, start_start = sums
    # A hair of ridge keeps a series of one value solvable.
    ridge = 1e-12
    gg, cc = drift_drift + ridge, start_start + ridge
    determinant = gg * cc - drift_start**2
    drift = -(data_drift * cc - data_start * drift_start) / determinant
    start = -(data_start * gg - data_drift * drift_start) / determinant
    squares = data + drift * data_drift + start * data_start
    squares, variance = _spread(squares, known, data)
    free = np.maximum(known - 2, 1)[:, None]
    # The marginal likelihood of a linear model whose deviation is not known.
    score = -0.5 * free * np.log(squares) - 0.5 * np.log(np.maximum(determinant, 1e-300))
    (level_data, off_data, wander_data), (by_drift, off_drift, wander_drift) = states[:2]
    by_start, off_start, wander_start = states[2]
    level = level_data + by_drift * drift + by_start * start
    off = off_data + off_drift * drift + off_start * start
    # The growth at the origin: that of the start, and what innovations have changed it by.
    growth_drift, growth_start = np.ones_like(level), np.zeros_like(level)
    growth = drift.copy()
    growth_drift[:, steady:] += wander_drift
    growth_start[:, steady:] = wander_start
    growth[:, steady:] += (
        wander_data + wander_drift * drift[:, steady:] + wander_start * start[:, steady:]
    )
    # Covariance of (start, drift), carried to (level, growth) at the origin.
    factor = variance / determinant
    vs, vd, vsd = gg * factor, cc * factor, -drift_start * factor
    vl = by_start**2 * vs + 2 * by_start * by_drift * vsd + by_drift**2 * vd
    vg = growth_start**2 * vs + 2 * growth_start * growth_drift * vsd + growth_drift**2 * vd
    vlg = (
        by_start * growth_start * vs
        + (by_start * growth_drift + by_drift * growth_start) * vsd
        + by_drift * growth_drift * vd
    )
    root = np.zeros((*level.shape, 2, 2))
    root[..., 0, 0] = np.sqrt(np.maximum(vl, 0))
    safe = np.where(root[..., 0, 0] > 0, root[..., 0, 0], 1.0)
    root[..., 1, 0] = np.where(root[..., 0, 0] > 0, vlg / safe, 0.0)
    root[..., 1, 1] = np.sqrt(np.maximum(vg - root[..., 1, 0] ** 2, 0))
    return Fit(score, level, off, growth, start, drift, np.sqrt(variance), root, grid)


def _still(growing: Fit, sums: list[Floats], known: NDArray[np.int64], states: States) -> Fit:
    """The same models, held at no growth; growth of a model of a short view does not wander."""
    data, _, data_start, _, _, start_start = sums
    cc = start_start + 1e-12
    start, none = -data_start / cc, np.zeros_like(cc)
    squares, variance = _spread(data + start * data_start, known, data)
    least, _ = _spread(data + growing.drift * sums[1] + growing.start * data_start, known, data)
    free = np.maximum(known - 2, 1)[:, None]
    # Bayes factor: the ratio of likelihoods, and by how much the doubt about growth is narrower
    # than growth usually is (Occam's factor, MacKay 2003, chapter 28).
    doubt = np.hypot(growing.root[..., 1, 0], growing.root[..., 1, 1])
    occam = np.log(np.clip(doubt / _USUAL_GROWTH, 1e-13, 1.0))
    score = growing.weight - 0.5 * free * np.log(squares / least) - occam
    score += np.log(_STILL / (1 - _STILL))
    (level, off, _), _, (by_start, off_start, _) = states
    root = np.zeros_like(growing.root)
    root[..., 0, 0] = np.abs(by_start) * np.sqrt(variance / cc)
    return replace(
        growing,
        weight=score,
        level=level + by_start * start,
        off=off + off_start * start,
        growth=none,
        start=start,
        drift=none,
        sigma=np.sqrt(variance),
        root=root,
    )


def mean_and_deviation(at: Fit, horizon: int) -> tuple[Floats, Floats]:
    """
    Mean and deviation of the mixture of models at each step ahead.

    Returns
    -------
    (ndarray, ndarray), (series, horizon)
    """
    steps = np.arange(1, horizon + 1)
    added, fade = _responses(horizon, brief=len(at.grid) < len(GRID))
    share = at.weight
    level, growth = (share * at.level).sum(axis=1), (share * at.growth).sum(axis=1)
    off = share * at.off
    center = off @ fade
    mean = level[:, None] + growth[:, None] * steps + center
    # What the models disagree about, about their own mean: squares of small numbers only.
    dl, dg = at.level - level[:, None], at.growth - growth[:, None]
    vl = at.root[..., 0, 0] ** 2 + dl**2
    vlg = at.root[..., 0, 0] * at.root[..., 1, 0] + dl * dg
    vg = at.root[..., 1, 0] ** 2 + at.root[..., 1, 1] ** 2 + dg**2
    variance = (
        (share * at.sigma**2) @ added
        + (share * vl).sum(axis=1)[:, None]
        + 2 * (share * vlg).sum(axis=1)[:, None] * steps
        + (share * vg).sum(axis=1)[:, None] * steps**2
        + (off * at.off) @ fade**2
        - center**2
        + 2 * ((off * dl) @ fade + (off * dg) @ fade * steps)
    )
    return mean, np.sqrt(np.maximum(variance, 0))


@lru_cache(maxsize=64)
def _responses(horizon: int, *, brief: bool) -> tuple[Floats, Floats]:
    """What an innovation adds to the variance, and what is left of off."""
    alpha, phi, gamma = (np.tile(BRIEF, (2, 1)) if brief else GRID).T[..., None]
    steps = np.arange(1, horizon + 1)
    fade = phi**steps
    response = alpha + (1 - alpha) * fade + gamma * steps
    added = np.concatenate(
        [np.ones((len(alpha), 1)), 1 + (response[:, :-1] ** 2).cumsum(axis=1)], 1
    )
    return added, fade
