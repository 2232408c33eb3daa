"""How good a forecast of the path and of the date was."""

from __future__ import annotations

import numpy as np


def date_crps(distribution: np.ndarray, passage: float, per_day: float) -> float:
    """
    Score the distribution of the date, over the horizon. [days]

    Parameters
    ----------
    distribution : ndarray, (horizon,)
        Probability that the limit was reached by the end of each period.
    passage : float
        The period in which it was; infinite for never.
    per_day : float
        Periods a day.
    """
    periods = np.arange(1, len(distribution) + 1)
    return float(((distribution - (passage <= periods)) ** 2).sum() / per_day)


def point_distribution(path: np.ndarray, limit: float) -> np.ndarray:
    """Turn one path into the distribution of its date: a step, or nothing."""
    return (np.maximum.accumulate(path) >= limit).astype(float)


def date_covered(distribution: np.ndarray, passage: float, level: float, at: float) -> bool:
    """
    Tell whether the central interval of the date held it.

    Never is an answer with a weight of its own, so the probability integral
    transform is spread evenly (`at`, from 0 to 1) over the weight of what came:
    a calibrated forecast then covers its nominal share exactly.
    """
    if np.isinf(passage):
        low, high = distribution[-1], 1.0
    else:
        step = int(passage) - 1
        low, high = (distribution[step - 1] if step else 0.0), distribution[step]
    value = low + at * (high - low)
    return bool((1 - level) / 2 <= value <= (1 + level) / 2)


def date_inside(distribution: np.ndarray, passage: float, level: float) -> bool:
    """Tell whether the interval as printed, quantile to quantile, held the date."""
    low, high = (1 - level) / 2, (1 + level) / 2
    first = np.searchsorted(distribution, low - 1e-12) + 1
    last = np.searchsorted(distribution, high - 1e-12) + 1
    horizon = len(distribution)
    first = np.inf if first > horizon else first
    last = np.inf if last > horizon else last
    return bool(first <= passage <= last)


def scale(history: np.ndarray, season: int) -> float:
    """Give the error that seasonal naive made inside the history (for MASE)."""
    if len(history) <= season:
        season = 1
    return float(np.nanmean(np.abs(history[season:] - history[:-season]))) or 1.0
