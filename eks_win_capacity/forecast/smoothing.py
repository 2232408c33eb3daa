"""How is the level of many series fitted: exponential smoothing with drift (the Theta method)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Places = NDArray[np.intp]

ALPHAS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
"""Smoothing parameters of the level: 0 is a straight line, 1 a random walk."""

PHIS = (0.0, 0.35, 0.65, 0.85, 0.95)
"""Share of a deviation from the level that remains after one period."""

GRID = np.array(
    [(a, p, 0.0) for a in ALPHAS for p in PHIS]
    + [(a, 0.985, 0.0) for a in ALPHAS[:3]]
    + [(0.7, 0.0, 0.0), (0.7, 0.65, 0.0), (1.0, 0.0, 0.0)]
    + [(a, p, a * w) for a in ALPHAS[2:] for p in (0.0, 0.65) for w in (0.04, 0.15)]
    + [(1.0, 0.0, w) for w in (0.04, 0.15)]
)
"""
Parameters of every model: rows of (alpha, phi, gamma).

Gamma is the share of an innovation that becomes growth. This growth is permanent: if it
faded, growth that has ended would return.
"""

_PRIOR = np.where(GRID[:, 2] > 0, -0.4, 0.0)
"""Log prior of each model: most subnets grow steadily."""

_WITHIN_DAY = np.where(GRID[:, 2] > 0, -np.inf, np.where(GRID[:, 0] < 0.1, 0.0, -100.0))
"""
Log prior of each model for periods shorter than a day.

The next hour says little about the next days, because most deviations are gone by tomorrow.
So only models whose level changes slowly are allowed.
"""

RECENT = 84
"""Maximum number of periods of a fit to the newest past."""

_EVERY = np.arange(len(GRID))

BRIEF = np.flatnonzero(
    (GRID[:, 2] == 0)
    & (
        (np.isin(GRID[:, 0], (0.0, 0.05, 0.2, 0.4)) & np.isin(GRID[:, 1], (0.0, 0.65)))
        | (GRID[:, 0] == 1)
    )
)
"""Models that a few weeks can distinguish; each is fitted with growth and without."""

_USUAL_GROWTH = 0.004
"""Usual growth per period of series that grow, as a share of the level."""

_STILL = 0.5
"""Prior probability that a short history does not grow."""

_BY_SERIES = ("weight", "level", "fading", "growth", "start", "drift", "sigma", "root")
"""Fields of a fit that have a row for each series."""


@dataclass(frozen=True)
class Fit:
    """
    Fits of every model to a chunk of series at one origin; all arrays are (series, models).

    Attributes
    ----------
    weight : ndarray
        Posterior probability.
    level, fading, growth : ndarray
        At the origin: level, deviation of the last value from it, change of level per period.
    start, drift, sigma : ndarray
        Level and growth before the first period, and standard deviation of the innovations.
    root : ndarray, (series, models, 2, 2)
        Lower Cholesky factor of the covariance of (level, growth).
    models : ndarray of int, (models,)
        Row of `GRID` of each model.
    """

    weight: Floats
    level: Floats
    fading: Floats
    growth: Floats
    start: Floats
    drift: Floats
    sigma: Floats
    root: Floats
    models: Places

    @property
    def grid(self) -> Floats:
        """Alpha, phi and gamma of each model."""
        return np.asarray(GRID[self.models])

    @property
    def likeliest(self) -> tuple[Places, Places]:
        """Indices of each series and of its model with the largest weight."""
        return np.arange(len(self.weight)), self.weight.argmax(axis=1)


def stacked(fits: Sequence[Fit]) -> Fit:
    """One fit with the models of several fits of the same series."""
    joined = {
        name: np.concatenate([getattr(fit, name) for fit in fits], axis=1) for name in _BY_SERIES
    }
    return Fit(**joined, models=np.concatenate([fit.models for fit in fits]))


def _recursed(
    target: Floats, state: Floats, after: Collection[int]
) -> tuple[Floats, dict[int, Floats]]:
    """
    One-step errors of every model, (periods, rows, models), and its state after some periods.

    A state is level, fading deviation and growth, each (rows, models); target is (periods, rows).
    """
    alpha, phi, gamma = GRID.T
    beta = 1 - alpha
    level, fading, growth = state
    # Slices are views: models with gamma come last; the growth of the others never changes.
    steady = int((gamma == 0).sum())
    first = 0 if growth.any() else steady
    grows, growing, wanders = level[:, first:], growth[:, first:], growth[:, steady:]
    errors, scratch = np.empty((len(target), *level.shape)), np.empty_like(level)
    states = {}
    for period, error in enumerate(errors, 1):
        grows += growing
        fading *= phi
        np.add(level, fading, out=error)
        np.subtract(target[period - 1, :, None], error, out=error)
        level += np.multiply(alpha, error, out=scratch)
        fading += np.multiply(beta, error, out=scratch)
        wanders += gamma[steady:] * error[:, steady:]
        if period in after:
            states[period] = state.copy()
    return errors, states


@lru_cache(maxsize=8)
def _units(periods: int, origins: tuple[int, ...]) -> tuple[Floats, dict[int, Floats]]:
    """Errors and states for one unit of drift, and for one of start level, if all values are 0."""
    state = np.zeros((3, 2, len(GRID)))
    state[2, 0] = state[0, 1] = 1.0
    after = {*range(1, RECENT + 1), *origins}
    errors, states = _recursed(np.zeros((periods, 2)), state, after)
    return np.ascontiguousarray(errors.transpose(1, 0, 2)), states


@dataclass(frozen=True)
class Filtered:
    """
    One-step errors of every model of the grid for a chunk of series.

    Errors are linear in start level and drift, so each fit has a closed form, both to all periods
    before an origin and to the last of them. `errors`, (periods, series, models), are for models
    that start at level 0 without drift; `units` are the errors that one unit of drift, or of start
    level, adds. States are level, fading and growth after some periods. Gaps are interpolated, not
    seen, and have errors of 0.
    """

    seen: Flags
    errors: Floats
    states: dict[int, Floats]
    units: Floats
    unit_states: dict[int, Floats]

    @classmethod
    def of(cls, values: Floats, seen: Flags, origins: Sequence[int]) -> Filtered:
        """
        Errors of every model, with its states at the origins, which must be in rising order.

        Values are without season, of order 1, and finite also in gaps.
        """
        state = np.zeros((3, len(values), len(GRID)))
        errors, states = _recursed(np.ascontiguousarray(values.T), state, origins)
        if not seen.all():
            errors *= seen.T[..., None]
        return cls(seen, errors, states, *_units(len(errors), tuple(origins)))

    def rows(self, chosen: slice) -> Filtered:
        """Errors and states of some of the series."""
        states = {origin: state[:, chosen] for origin, state in self.states.items()}
        return replace(self, seen=self.seen[chosen], errors=self.errors[:, chosen], states=states)

    def fits(self, *, within_day: bool = False) -> list[Fit]:
        """Fits of every model to all periods before each origin; `within_day` selects the prior."""
        prior = _WITHIN_DAY if within_day else _PRIOR
        sums, low, fitted = np.zeros((6, 1, 1)), 0, []
        for origin, state in self.states.items():
            span = slice(low, origin)
            sums = sums + _products(self.errors[span], self.seen[:, span], self.units[:, span])
            known = self.seen[:, :origin].sum(axis=1)
            carried = self.unit_states[origin][:, :, None]
            fit, _ = _least_squares(sums, known, state, carried, _EVERY)
            fitted.append(_weighed(fit, fit.weight + prior))
            low = origin
        return fitted

    def newest(self, origin: int, since: NDArray[np.int64]) -> Fit:
        """Fit of the `BRIEF` models to the last `since` periods of each series before an origin."""
        sums, known = np.empty((6, len(since), len(BRIEF))), np.empty(len(since), dtype=np.int64)
        for length in np.unique(since).tolist():
            rows = np.flatnonzero(since == length)
            errors = self.errors[origin - length : origin, rows[:, None], BRIEF]
            seen = self.seen[rows, origin - length : origin]
            sums[:, rows] = _products(errors, seen, self.units[:, :length, BRIEF])
            known[rows] = seen.sum(axis=1)
        state = self.states[origin][..., BRIEF]
        carried = np.stack([self.unit_states[n][..., BRIEF] for n in since.tolist()], axis=2)
        fit, squares = _least_squares(sums, known, state, carried, BRIEF)
        # Without growth: drift is fixed at 0, with certainty.
        sums[[1, 4]], sums[3] = 0.0, 1e30
        still, more = _least_squares(sums, known, state, carried, BRIEF)
        # Bayes factor: the likelihood ratio, and how much narrower the posterior of growth is
        # than its prior (Occam factor, MacKay 2003, chapter 28).
        free = np.maximum(known - 2, 1)[:, None]
        doubt = np.hypot(fit.root[..., 1, 0], fit.root[..., 1, 1])
        occam = np.log(np.clip(doubt / _USUAL_GROWTH, 1e-13, 1.0))
        odds = np.log(_STILL / (1 - _STILL))
        factor = fit.weight - 0.5 * free * np.log(more / squares) - occam + odds
        return _weighed(stacked([fit, still]), np.concatenate([fit.weight, factor], axis=1))

    def innovations(self, fit: Fit, since: NDArray[np.int64], newest: int) -> Floats:
        """Newest one-step errors of the likeliest models; 0 before the last `since` periods."""
        rows, best = fit.likeliest
        model = fit.models[best]
        period = since[:, None] + np.arange(-newest, 0)
        drift, start = self.units[:, np.maximum(period, 0), model[:, None]]
        errors = self.errors[-newest:, rows, model].T
        errors = errors + fit.drift[rows, best, None] * drift
        errors += fit.start[rows, best, None] * start
        return np.where((period >= 0) & self.seen[:, -newest:], errors, 0.0)


def _products(data: Floats, seen: Flags, units: Floats) -> Floats:
    """Sums over time of the squares and products of the errors for data, drift and start."""
    drift, start = units
    return np.stack(
        [
            np.einsum("tsk,tsk->sk", data, data),
            np.einsum("tsk,tk->sk", data, drift),
            np.einsum("tsk,tk->sk", data, start),
            *(seen.astype(float) @ product for product in (drift**2, drift * start, start**2)),
        ]
    )


def _weighed(fit: Fit, score: Floats) -> Fit:
    """The fit with weights that sum to 1, from the log posterior of each model."""
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    weight[fit.sigma[:, 0] == 0] = np.arange(weight.shape[1]) == 0
    return replace(fit, weight=weight)


def _least_squares(
    sums: Floats,
    known: NDArray[np.int64],
    state: Floats,
    units: Floats,
    models: Places,
) -> tuple[Fit, Floats]:
    """
    Fit of each model by least squares in closed form, and the residual sums of squares.

    The weights of this fit are log evidences, not yet normalized. The residual sums of squares
    are at least the rounding error.
    """
    data, data_drift, data_start, drift_drift, drift_start, start_start = sums
    # A tiny ridge keeps the equations of a series with one value solvable.
    gg, cc = drift_drift + 1e-12, start_start + 1e-12
    determinant = gg * cc - drift_start**2
    drift = -(data_drift * cc - data_start * drift_start) / determinant
    start = -(data_start * gg - data_drift * drift_start) / determinant
    squares = data + drift * data_drift + start * data_start
    # Rounding leaves about 1e-16 of the sums subtracted. Below this floor all models are equal,
    # and a fit counts as exact.
    floor = 1e-13 * data + 1e-26
    squares = np.maximum(squares, floor)
    free = np.maximum(known - 2, 1)[:, None]
    variance = np.where(squares > floor, squares / free, 0.0)
    # The marginal likelihood of a linear model with unknown variance.
    score = -0.5 * free * np.log(squares) - 0.5 * np.log(np.maximum(determinant, 1e-300))
    level, fading, growth = state + units[:, 0] * drift + units[:, 1] * start
    # Covariance of (start, drift), propagated to (level, growth) at the origin.
    factor = variance / determinant

    def carried(one: Floats, other: Floats) -> Floats:
        mixed = one[1] * other[0] + one[0] * other[1]
        total = one[1] * other[1] * gg - mixed * drift_start + one[0] * other[0] * cc
        return np.asarray(factor * total)

    vl, vlg, vg = (carried(units[a], units[b]) for a, b in ((0, 0), (0, 2), (2, 2)))
    root = np.zeros((*level.shape, 2, 2))
    root[..., 0, 0] = np.sqrt(np.maximum(vl, 0))
    safe = np.where(root[..., 0, 0] > 0, root[..., 0, 0], 1.0)
    root[..., 1, 0] = np.where(root[..., 0, 0] > 0, vlg / safe, 0.0)
    root[..., 1, 1] = np.sqrt(np.maximum(vg - root[..., 1, 0] ** 2, 0))
    return Fit(score, level, fading, growth, start, drift, np.sqrt(variance), root, models), squares


def mean_and_deviation(at: Fit, horizon: int) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the mixture of models at each step, both (series, horizon)."""
    steps = np.arange(1, horizon + 1)
    added, fade = (part[at.models] for part in _responses(horizon))
    ahead, share, carried = np.stack([np.ones(horizon), steps]), at.weight, at.weight * at.fading
    state = np.stack([at.level, at.growth])
    middle, center = (share * state).sum(axis=2), carried @ fade
    # Differences from the mixture's mean: squares of small numbers lose less precision.
    apart = state - middle[..., None]
    each = np.concatenate([apart[None], np.moveaxis(at.root, (3, 2), (0, 1))])
    doubt = np.einsum("jisk,jlsk->ils", share * each, each)
    variance = (share * at.sigma**2) @ added + (carried * at.fading) @ fade**2 - center**2
    variance += np.einsum("ih,ils,lh->sh", ahead, doubt, ahead)
    variance += 2 * np.einsum("ish,ih->sh", (carried * apart) @ fade, ahead)
    return middle.T @ ahead + center, np.sqrt(np.maximum(variance, 0))


@lru_cache(maxsize=64)
def _responses(horizon: int) -> tuple[Floats, Floats]:
    """Variance ahead per unit of innovation variance, and the share of `fading` that remains."""
    alpha, phi, gamma = GRID.T[..., None]
    steps = np.arange(1, horizon + 1)
    fade = phi**steps
    response = alpha + (1 - alpha) * fade + gamma * steps
    added = np.concatenate(
        [np.ones((len(alpha), 1)), 1 + (response[:, :-1] ** 2).cumsum(axis=1)], 1
    )
    return added, fade
