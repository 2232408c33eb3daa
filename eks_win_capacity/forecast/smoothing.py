"""Simple exponential smoothing with drift: the Theta method, for many series at once."""

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

RECENT = 84
"""Periods that a fit to the newest past has, at most."""

_EVERY = np.arange(len(GRID))

BRIEF = np.flatnonzero(
    (GRID[:, 2] == 0)
    & (
        (np.isin(GRID[:, 0], (0.0, 0.05, 0.2, 0.4)) & np.isin(GRID[:, 1], (0.0, 0.65)))
        | (GRID[:, 0] == 1)
    )
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
    What every model says about a chunk of series at one origin, each (series, models).

    Attributes
    ----------
    weight : ndarray
        Posterior share.
    level, off, growth : ndarray
        Level at the origin, what the last value is off it, and the change of level a period.
    start, drift, sigma : ndarray
        Level before the first period, growth then, and the deviation of one innovation.
    root : ndarray, (series, models, 2, 2)
        Lower Cholesky factor of the covariance of (level, growth).
    models : ndarray of int, (models,)
        The row of the grid that each model is.
    """

    weight: Floats
    level: Floats
    off: Floats
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
        """Each series, and its model with the largest share."""
        return np.arange(len(self.weight)), self.weight.argmax(axis=1)


def stacked(fits: Sequence[Fit]) -> Fit:
    """Fits of some models and of others, side by side."""
    joined = {
        name: np.concatenate([getattr(fit, name) for fit in fits], axis=1) for name in _BY_SERIES
    }
    return Fit(**joined, models=np.concatenate([fit.models for fit in fits]))


def _recursed(
    target: Floats, state: Floats, after: Collection[int]
) -> tuple[Floats, dict[int, Floats]]:
    """
    One-step errors of every model, (periods, rows, models), and its state after some periods.

    A state is level, its fading part and growth, each (rows, models); a target is (periods, rows).
    """
    alpha, phi, gamma = GRID.T
    beta = 1 - alpha
    level, fading, growth = state
    # Views: models whose growth wanders come last; the others never begin to grow.
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
    """Errors to one unit of drift and to one of start level, and the states that follow."""
    state = np.zeros((3, 2, len(GRID)))
    state[2, 0] = state[0, 1] = 1.0
    after = {*range(1, RECENT + 1), *origins}
    errors, states = _recursed(np.zeros((periods, 2)), state, after)
    return np.ascontiguousarray(errors.transpose(1, 0, 2)), states


@dataclass(frozen=True)
class Filtered:
    """
    The one-step errors of every model of the grid to a chunk of series.

    They are linear in the level and the drift that a model starts with, so both have
    a closed form in every fit: to all periods before an origin, or to the last of them.
    Errors, (periods, series, models), are of models that start at zero and do not grow; units
    are those to one unit of drift, and to one of start level, from any period on. States are
    level, off and growth after some periods. A gap is bridged in the values, is not seen, and
    its errors are 0.
    """

    seen: Flags
    errors: Floats
    states: dict[int, Floats]
    units: Floats
    unit_states: dict[int, Floats]

    @classmethod
    def of(cls, values: Floats, seen: Flags, origins: Sequence[int]) -> Filtered:
        """
        Run every model over a chunk of series, and stop at origins in rising order.

        Values are free of the season, of order 1, and finite also where none was seen.
        """
        state = np.zeros((3, len(values), len(GRID)))
        errors, states = _recursed(np.ascontiguousarray(values.T), state, origins)
        if not seen.all():
            errors *= seen.T[..., None]
        return cls(seen, errors, states, *_units(len(errors), tuple(origins)))

    def rows(self, chosen: slice) -> Filtered:
        """Those of some of the series."""
        states = {origin: state[:, chosen] for origin, state in self.states.items()}
        return replace(self, seen=self.seen[chosen], errors=self.errors[:, chosen], states=states)

    def fits(self, *, within_day: bool = False) -> list[Fit]:
        """Fits of every model to the whole past of each origin, within a day or from day to day."""
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
        """Fits of few models to so many periods of each series before an origin."""
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
        # Without growth: of drift there is nothing to learn, and no doubt.
        sums[[1, 4]], sums[3] = 0.0, 1e30
        still, more = _least_squares(sums, known, state, carried, BRIEF)
        # Bayes factor: the ratio of likelihoods, and by how much the doubt about growth is
        # narrower than growth usually is (Occam's factor, MacKay 2003, chapter 28).
        free = np.maximum(known - 2, 1)[:, None]
        doubt = np.hypot(fit.root[..., 1, 0], fit.root[..., 1, 1])
        occam = np.log(np.clip(doubt / _USUAL_GROWTH, 1e-13, 1.0))
        odds = np.log(_STILL / (1 - _STILL))
        factor = fit.weight - 0.5 * free * np.log(more / squares) - occam + odds
        return _weighed(stacked([fit, still]), np.concatenate([fit.weight, factor], axis=1))

    def innovations(self, fit: Fit, since: NDArray[np.int64], newest: int) -> Floats:
        """Newest one-step errors of each series' likeliest model, fitted to so many periods."""
        rows, best = fit.likeliest
        model = fit.models[best]
        period = since[:, None] + np.arange(-newest, 0)
        drift, start = self.units[:, np.maximum(period, 0), model[:, None]]
        errors = self.errors[-newest:, rows, model].T
        errors = errors + fit.drift[rows, best, None] * drift
        errors += fit.start[rows, best, None] * start
        return np.where((period >= 0) & self.seen[:, -newest:], errors, 0.0)


def _products(data: Floats, seen: Flags, units: Floats) -> Floats:
    """Sums of squares and products of the errors to data, drift and start."""
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
    """A fit with shares by the logarithm of what each model is worth."""
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
    Start and drift of each model in closed form, carried to the level at the origin.

    Its weights are not shares yet, but logarithms of the evidence. With it the
    squares that are left, no smaller than can be computed.
    """
    data, data_drift, data_start, drift_drift, drift_start, start_start = sums
    # A hair of ridge keeps a series of one value solvable.
    gg, cc = drift_drift + 1e-12, start_start + 1e-12
    determinant = gg * cc - drift_start**2
    drift = -(data_drift * cc - data_start * drift_start) / determinant
    start = -(data_start * gg - data_drift * drift_start) / determinant
    squares = data + drift * data_drift + start * data_start
    # Rounding leaves about 1e-16 of what was subtracted; below it all models are equal, and
    # what fits as well as can be computed is exact: a line, not a line with dust.
    floor = 1e-13 * data + 1e-26
    squares = np.maximum(squares, floor)
    free = np.maximum(known - 2, 1)[:, None]
    variance = np.where(squares > floor, squares / free, 0.0)
    # The marginal likelihood of a linear model whose deviation is not known.
    score = -0.5 * free * np.log(squares) - 0.5 * np.log(np.maximum(determinant, 1e-300))
    level, fading, growth = state + units[:, 0] * drift + units[:, 1] * start
    # Covariance of (start, drift), carried to (level, growth) at the origin.
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
    """Mean and deviation of the mixture of models at each step ahead, both (series, horizon)."""
    steps = np.arange(1, horizon + 1)
    added, fade = (part[at.models] for part in _responses(horizon))
    ahead, share, fading = np.stack([np.ones(horizon), steps]), at.weight, at.weight * at.off
    state = np.stack([at.level, at.growth])
    middle, center = (share * state).sum(axis=2), fading @ fade
    # What the models disagree about, about their own mean: squares of small numbers only.
    apart = state - middle[..., None]
    each = np.concatenate([apart[None], np.moveaxis(at.root, (3, 2), (0, 1))])
    doubt = np.einsum("jisk,jlsk->ils", share * each, each)
    variance = (share * at.sigma**2) @ added + (fading * at.off) @ fade**2 - center**2
    variance += np.einsum("ih,ils,lh->sh", ahead, doubt, ahead)
    variance += 2 * np.einsum("ish,ih->sh", (fading * apart) @ fade, ahead)
    return middle.T @ ahead + center, np.sqrt(np.maximum(variance, 0))


@lru_cache(maxsize=64)
def _responses(horizon: int) -> tuple[Floats, Floats]:
    """What an innovation adds to the variance, and what is left of off."""
    alpha, phi, gamma = GRID.T[..., None]
    steps = np.arange(1, horizon + 1)
    fade = phi**steps
    response = alpha + (1 - alpha) * fade + gamma * steps
    added = np.concatenate(
        [np.ones((len(alpha), 1)), 1 + (response[:, :-1] ** 2).cumsum(axis=1)], 1
    )
    return added, fade
