"""Simple engines that give a distribution: what a forecast must beat to be worth its code."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from baselines import predict_linear

if TYPE_CHECKING:
    from collections.abc import Callable

    from windows import Window

    Peer = Callable[[Window, np.random.Generator], np.ndarray]

PATHS = 300


def _filled(window: Window) -> np.ndarray:
    return pd.Series(window.history).interpolate(limit_direction="both").to_numpy(dtype=float)


def smoothing_with_drift(window: Window, rng: np.random.Generator) -> np.ndarray:
    """Bootstrapped exponential smoothing with drift, pooled over a few rates by likelihood."""
    values, ahead = _filled(window), len(window.future)
    season = window.season
    index = np.zeros(season)
    if len(values) >= 3 * season:
        trend = np.convolve(values, np.ones(season) / season, mode="valid")
        residuals = values[season // 2 :][: len(trend)] - trend
        phases = (np.arange(len(residuals)) + season // 2 - len(values)) % season
        index = np.array([np.median(residuals[phases == phase]) for phase in range(season)])
        index -= index.mean()
    level = values - index[(np.arange(len(values)) - len(values)) % season]
    drift = (level[-1] - level[0]) / (len(level) - 1)
    fits = []
    for alpha in (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0):
        state, errors = level[0], np.empty(len(level) - 1)
        for step, value in enumerate(level[1:]):
            errors[step] = value - state - drift
            state += drift + alpha * errors[step]
        fits.append((alpha, state, errors))
    score = np.array([-0.5 * len(e) * np.log((e**2).mean() + 1e-9) for _, _, e in fits])
    weight = np.exp(0.5 * (score - score.max()))
    chosen = rng.choice(len(fits), PATHS, p=weight / weight.sum())
    paths = np.empty((PATHS, ahead))
    for number, which in enumerate(chosen):
        alpha, state, errors = fits[which]
        drawn = rng.choice(errors, ahead)
        slope = drift + rng.normal(0, errors.std() * max(alpha, 0.1) / np.sqrt(len(errors)))
        steps = np.arange(1, ahead + 1) * slope
        paths[number] = state + steps + alpha * (drawn.cumsum() - drawn) + drawn
    return paths + index[np.arange(ahead) % season]


def seasonal_naive_paths(window: Window, rng: np.random.Generator) -> np.ndarray:
    """The last season, carried on with resampled seasonal differences."""
    values, ahead, season = _filled(window), len(window.future), window.season
    season = season if len(values) > 2 * season else 1
    changes = values[season:] - values[:-season]
    cycles = -(-ahead // season)
    drawn = rng.choice(changes, (PATHS, cycles)).cumsum(axis=1).repeat(season, axis=1)[:, :ahead]
    return values[-season:][np.arange(ahead) % season] + drawn


def _linear(days: int) -> Peer:
    line = predict_linear(days)
    return lambda window, _: line(window)[None, :]


def _library(name: str) -> Peer:
    """An engine of statsforecast, with sample paths of its own where it has them."""

    def paths(window: Window, rng: np.random.Generator) -> np.ndarray:
        from statsforecast import models

        season = window.season if len(window.history) >= 3 * window.season else 1
        season = season if season <= 24 else 1
        model = getattr(models, name)(season_length=season)
        values, ahead = _filled(window), len(window.future)
        if hasattr(model, "simulate"):
            model.fit(values)
            seed = int(rng.integers(2**31))
            return np.asarray(model.simulate(h=ahead, n_paths=PATHS, seed=seed)).reshape(
                PATHS, ahead
            )
        prediction = model.forecast(y=values, h=ahead, level=[80])
        spread = (np.asarray(prediction["hi-80"]) - np.asarray(prediction["lo-80"])) / 2.563
        walk = np.diff(np.maximum.accumulate(spread**2), prepend=0.0)
        return prediction["mean"] + (rng.normal(size=(PATHS, ahead)) * np.sqrt(walk)).cumsum(axis=1)

    return paths


def pooled(window: Window, rng: np.random.Generator) -> np.ndarray:
    """Half the paths of AutoETS and half those of AutoTheta."""
    halves = [PEERS[name](window, rng)[::2] for name in ("AutoETS", "AutoTheta")]
    return np.concatenate(halves)


PEERS: dict[str, Peer] = {
    "smoothing with drift": smoothing_with_drift,
    "seasonal naive": seasonal_naive_paths,
    **{f"predict_linear {days}d": _linear(days) for days in (7, 14, 30)},
}
if find_spec("statsforecast"):
    PEERS |= {name: _library(name) for name in ("AutoTheta", "AutoETS")}
    PEERS["ETS and Theta"] = pooled
