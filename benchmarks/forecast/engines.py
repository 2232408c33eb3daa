"""
The other engines considered, each with what it is known for, on the very same windows.

Each gives a mean and the deviation of its own intervals. They say nothing about when a path
first reaches a limit, so the date is read off 500 paths whose errors are normal, carried on
from period to period as those of a random walk would be, and as wide as the engine says.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from metrics import Score, scored

if TYPE_CHECKING:
    from collections.abc import Callable

    from windows import Window

PATHS = 500
_Z = {80: 1.2815515655446004, 95: 1.959963984540054}


def _filled(window: Window) -> np.ndarray:
    """Bridge gaps, which these engines do not take."""
    return pd.Series(window.history).interpolate(limit_direction="both").to_numpy(dtype=float)


def _scores(
    windows: list[Window], forecast: Callable[[Window], tuple[np.ndarray, dict]]
) -> list[Score]:
    rng = np.random.default_rng(1)
    out = []
    for window in windows:
        middle, bounds = forecast(window)
        deviation = np.maximum((bounds[80][1] - bounds[80][0]) / (2 * _Z[80]), 0)
        # Paths with the engine's variance at each step: increments where it grows.
        variance = np.maximum.accumulate(deviation**2)
        first = variance[0] * 0.5
        walk = np.diff(np.maximum(variance - first, 0), prepend=0.0)
        paths = rng.normal(size=(PATHS, len(middle))) * np.sqrt(walk)
        paths = paths.cumsum(axis=1) + rng.normal(size=paths.shape) * np.sqrt(first)
        reached = np.maximum.accumulate(middle + paths, axis=1) >= window.limit
        out.append(
            scored(
                window,
                distribution=reached.mean(axis=0),
                middle=middle,
                bounds=bounds,
            )
        )
    return out


def _statsforecast(name: str) -> Callable[[list[Window]], list[Score]]:
    def forecast(window: Window) -> tuple[np.ndarray, dict]:
        from statsforecast import models

        season = window.season if len(window.history) >= 3 * window.season else 1
        # A season of 52 weeks takes ARIMA minutes a window, and is beyond the reach of ETS.
        season = 1 if name != "AutoTheta" and season > 24 else season
        model = getattr(models, name)(season_length=season)
        prediction = model.forecast(y=_filled(window), h=len(window.future), level=[80, 95])
        return np.asarray(prediction["mean"]), {
            level: (np.asarray(prediction[f"lo-{level}"]), np.asarray(prediction[f"hi-{level}"]))
            for level in (80, 95)
        }

    return lambda windows: _scores(windows, forecast)


_FREQUENCIES = {"real hourly": "h", "real weekly": "7D", "real monthly": "MS"}


def _prophet(windows: list[Window]) -> list[Score]:
    def forecast(window: Window) -> tuple[np.ndarray, dict]:
        import logging

        from prophet import Prophet

        logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
        known, ahead = len(window.history), len(window.future)
        times = pd.date_range(
            "2020-01-01", periods=known + ahead, freq=_FREQUENCIES.get(window.suite, "D")
        )
        model = Prophet(interval_width=0.8)
        model.fit(pd.DataFrame({"ds": times[:known], "y": window.history}))
        frame = pd.DataFrame({"ds": times[known:]})
        drawn = model.predictive_samples(frame)["yhat"]
        bounds = {
            level: tuple(np.quantile(drawn, [(1 - level / 100) / 2, (1 + level / 100) / 2], axis=1))
            for level in (80, 95)
        }
        return np.median(drawn, axis=1), bounds

    return _scores(windows, forecast)


def installed() -> dict[str, Callable[[list[Window]], list[Score]]]:
    """Give the engines that can be imported here, by name."""
    by_name: dict[str, Callable[[list[Window]], list[Score]]] = {}
    if find_spec("statsforecast"):
        by_name |= {name: _statsforecast(name) for name in ("AutoTheta", "AutoETS", "AutoARIMA")}
    if find_spec("prophet"):
        by_name["Prophet"] = _prophet
    return by_name
