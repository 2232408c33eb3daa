"""Simple exponential smoothing with drift: the Theta method, for many series at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations_with_replacement, pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    States = list[tuple[Floats, ...]]

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
    grid = np.concatenate([f.grid for f in fits]) if axis else fits[0].grid
    return replace(fits[0], grid=grid, **joined)


def _filtered(
    values: Floats, seen: Flags, origins: Sequence[int], grid: Floats
) -> tuple[tuple[Floats, ...], list[States]]:
    """
    One-step errors to the data, to one unit of drift, and to one of start level.

    Where nothing was seen no error counts, and the model runs on alone. Without
    gaps the errors to drift and start are the same for every series. Beside the
    errors, (periods, series, models) of each, comes the state at each origin.
    """
    alpha, phi, gamma = grid.T
    beta = 1 - alpha
    count, periods = values.shape
    whole = bool(seen.all())
    ends = np.cumsum([0, count] + 2 * [1 if whole else count])
    data, drift, start = (slice(low, high) for low, high in pairwise(ends.tolist()))
    target = np.zeros((periods, ends[-1], 1))
    target[:, data, 0] = values.T
    known = np.tile(seen.T, 3)[..., None]
    level = np.zeros((ends[-1], len(grid)))
    level[start] = 1.0
    off, wander = np.zeros_like(level), np.zeros_like(level)
    # Views: models whose growth wanders come last.
    steady = int((gamma == 0).sum())
    drifting, bending, growth = level[drift], level[:, steady:], wander[:, steady:]
    errors, scratch = np.empty((periods, *level.shape)), np.empty_like(level)
    states = []
    for period in range(periods):
        error = errors[period]
        drifting += 1.0
        bending += growth
        off *= phi
        np.add(level, off, out=error)
        np.subtract(target[period], error, out=error)
        if not whole:
            error *= known[period]
        np.multiply(alpha, error, out=scratch)
        level += scratch
        np.multiply(beta, error, out=scratch)
        off += scratch
        growth += gamma[steady:] * error[:, steady:]
        if period + 1 in origins:
            state = (level.copy(), off.copy(), wander.copy())
            states.append([tuple(x[part] for x in state) for part in (data, drift, start)])
    return tuple(errors[:, part] for part in (data, drift, start)), states


@dataclass(frozen=True)
class Fits:
    """
    The fits at several origins of one chunk, and the errors behind them.

    Attributes
    ----------
    at : tuple of Fit
        One for each origin.
    errors : tuple of ndarray, (periods, series, models)
        To the data, to one unit of drift, and to one of start level.
    """

    at: tuple[Fit, ...]
    errors: tuple[Floats, ...]

    def rows(self, chosen: slice) -> Fits:
        """Fits of some of the series."""
        errors = (part[:, chosen] if part.shape[1] > 1 else part for part in self.errors)
        return Fits(tuple(at.rows(chosen) for at in self.at), tuple(errors))

    def innovations(self, model: NDArray[np.int64]) -> Floats:
        """The one-step errors of one model for each series, with the last fit's parameters."""
        rows, last = np.arange(len(model)), self.at[-1]
        # Models with growth and without stand one after the other.
        same = model % self.errors[0].shape[2]
        data, drift, start = (
            part[:, rows if part.shape[1] > 1 else 0, same] for part in self.errors
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
    values, seen : ndarray, (series, periods)
        Seasonally adjusted values of order 1, finite also where none was seen.
    origins : sequence of int
        How many periods each fit may know, in rising order.
    within_day, brief : bool
        Whether periods are shorter than a day, and whether the view is a short one.
    """
    grid = BRIEF if brief else GRID
    prior = np.zeros(len(BRIEF)) if brief else _WITHIN_DAY if within_day else _PRIOR
    errors, states = _filtered(values, seen, origins, grid)
    sums = [np.zeros((len(values), len(grid))) for _ in range(6)]
    fits, low = [], 0
    for origin, state in zip(origins, states, strict=True):
        pairs = combinations_with_replacement([part[low:origin] for part in errors], 2)
        for total, (left, right) in zip(sums, pairs, strict=True):
            np.add(total, np.einsum("tsk,tsk->sk", left, right), out=total)
        known = seen[:, :origin].sum(axis=1)
        fits.append(_solve(sums, known, state, grid=grid, prior=prior))
        low = origin
    return Fits(tuple(fits), errors)


def _solve(
    sums: list[Floats], known: NDArray[np.int64], state: States, *, grid: Floats, prior: Floats
) -> Fit:
    """Fit of each model with growth and, of those of a short view, once more without."""
    fit, squares = _least_squares(sums, known, state, grid=grid)
    score = fit.weight + prior
    if grid is BRIEF:
        still, more = _least_squares(sums, known, state, grid=grid, grows=False)
        # Bayes factor: the ratio of likelihoods, and by how much the doubt about growth is
        # narrower than growth usually is (Occam's factor, MacKay 2003, chapter 28).
        free = np.maximum(known - 2, 1)[:, None]
        doubt = np.hypot(fit.root[..., 1, 0], fit.root[..., 1, 1])
        occam = np.log(np.clip(doubt / _USUAL_GROWTH, 1e-13, 1.0))
        odds = np.log(_STILL / (1 - _STILL))
        factor = fit.weight - 0.5 * free * np.log(more / squares) - occam + odds
        score = np.concatenate([score, factor + prior], axis=1)
        fit = stacked([fit, still], axis=1)
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    line = fit.sigma[:, 0] == 0
    weight[line] = np.arange(weight.shape[1]) == 0
    return replace(fit, weight=weight)


def _least_squares(
    sums: list[Floats],
    known: NDArray[np.int64],
    state: States,
    *,
    grid: Floats,
    grows: bool = True,
) -> tuple[Fit, Floats]:
    """
    Start and drift of each model in closed form, carried to the level at the origin.

    Its weights are not shares yet, but logarithms of the evidence. With it the
    squares that are left, no smaller than can be computed.
    """
    data, data_drift, data_start, drift_drift, drift_start, start_start = sums
    # A hair of ridge keeps a series of one value solvable.
    gg, cc = drift_drift + 1e-12, start_start + 1e-12
    if grows:
        determinant = gg * cc - drift_start**2
        drift = -(data_drift * cc - data_start * drift_start) / determinant
        start = -(data_start * gg - data_drift * drift_start) / determinant
        inverse = (gg, cc, -drift_start)
    else:
        determinant, drift, start = cc, np.zeros_like(cc), -data_start / cc
        inverse = (np.ones_like(cc), drift, drift)
    squares = data + drift * data_drift + start * data_start
    # Rounding leaves about 1e-16 of what was subtracted; below it all models are equal, and
    # what fits as well as can be computed is exact: a line, not a line with dust.
    floor = 1e-13 * data + 1e-26
    squares = np.maximum(squares, floor)
    free = np.maximum(known - 2, 1)[:, None]
    variance = np.where(squares > floor, squares / free, 0.0)
    # The marginal likelihood of a linear model whose deviation is not known.
    score = -0.5 * free * np.log(squares) - 0.5 * np.log(np.maximum(determinant, 1e-300))
    level, off, wander = (
        of_data + of_drift * drift + of_start * start
        for of_data, of_drift, of_start in zip(*state, strict=True)
    )
    # Growth at the origin: that of the start, and what innovations have changed it by.
    growth = drift + wander
    _, (by_drift, _, wander_drift), (by_start, _, growth_start) = state
    growth_drift = 1 + wander_drift
    # Covariance of (start, drift), carried to (level, growth) at the origin.
    factor = variance / determinant
    vs, vd, vsd = (part * factor for part in inverse)
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
    return Fit(score, level, off, growth, start, drift, np.sqrt(variance), root, grid), squares


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
