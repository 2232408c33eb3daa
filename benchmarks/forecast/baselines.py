"""What people use today: each gives one path, and so one date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from windows import Window


def _line(values: np.ndarray, horizon: int) -> np.ndarray:
    at = np.arange(len(values)) - len(values)
    known = ~np.isnan(values)
    if known.sum() < 2:
        return np.full(horizon, values[known][-1] if known.any() else 0.0)
    slope, start = np.polyfit(at[known], values[known], 1)
    return start + slope * np.arange(horizon)


def last_value(window: Window) -> np.ndarray:
    known = window.history[~np.isnan(window.history)]
    return np.full(len(window.future), known[-1])


def seasonal_naive(window: Window) -> np.ndarray:
    season = min(window.season, len(window.history))
    last = window.history[-season:].copy()
    for phase in np.flatnonzero(np.isnan(last)):
        older = window.history[: len(window.history) - season + phase + 1][::-1][::season]
        known = older[~np.isnan(older)]
        last[phase] = known[0] if len(known) else np.nanmean(window.history)
    return last[np.arange(len(window.future)) % season]


def straight_line(window: Window) -> np.ndarray:
    return _line(window.history, len(window.future))


def theil_sen(window: Window) -> np.ndarray:
    values = window.history
    places = np.flatnonzero(~np.isnan(values))
    if len(places) > 400:
        places = places[:: len(places) // 400 + 1]
    known = values[places]
    rise = known[None, :] - known[:, None]
    run = places[None, :] - places[:, None]
    slope = np.median(rise[run > 0] / run[run > 0])
    start = np.median(known - slope * (places - len(values)))
    return start + slope * np.arange(len(window.future))


def predict_linear(days: int):
    """Prometheus' function: a least-squares line through the newest days."""

    def path(window: Window) -> np.ndarray:
        reach = max(round(days * window.per_day), 3)
        return _line(window.history[-reach:], len(window.future))

    return path


BASELINES = {
    "last value": last_value,
    "seasonal naive": seasonal_naive,
    "straight line": straight_line,
    "Theil-Sen": theil_sen,
    "predict_linear 7d": predict_linear(7),
    "predict_linear 14d": predict_linear(14),
    "predict_linear 30d": predict_linear(30),
}
