"""How good a forecast of the path and of the date was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from windows import Window


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


def date_covered(distribution: np.ndarray, passage: float, level: float) -> float:
    """
    Share of what came that the central interval of the date held.

    Never is an answer with a weight of its own, so the probability integral
    transform is spread evenly over the weight of what came, and the part of it
    inside the interval counts: a calibrated forecast then covers its nominal
    share exactly, and no draw adds noise.
    """
    if np.isinf(passage):
        low, high = distribution[-1], 1.0
    else:
        step = int(passage) - 1
        low, high = (distribution[step - 1] if step else 0.0), distribution[step]
    first, last = (1 - level) / 2, (1 + level) / 2
    if high <= low:
        return float(first <= low <= last)
    return float(max(min(high, last) - max(low, first), 0.0) / (high - low))


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


@dataclass(frozen=True)
class Score:
    """How one forecast of one window did."""

    crps: float
    brier: float
    mase: float
    path_80: float
    path_95: float
    date_80: float
    date_95: float
    shown_80: bool
    shown_95: bool


def scored(
    window: Window,
    *,
    distribution: np.ndarray,
    middle: np.ndarray,
    bounds: dict[int, tuple[np.ndarray, np.ndarray]],
) -> Score:
    """
    Hold one forecast against what came.

    Parameters
    ----------
    window : Window
    distribution : ndarray, (horizon,)
        Probability that the limit was reached by the end of each period.
    middle : ndarray, (horizon,)
        Median of the unclipped path.
    bounds : dict
        Lower and upper end of each interval of the path, by level.
    """
    passage, truth = window.first_passage, window.future
    seen = ~np.isnan(truth)
    coverage = {
        level: float(((truth >= low) & (truth <= high))[seen].mean())
        for level, (low, high) in bounds.items()
    }
    return Score(
        crps=date_crps(distribution, passage, window.per_day),
        brier=float((distribution[-1] - np.isfinite(passage)) ** 2),
        mase=float(np.nanmean(np.abs(truth - middle)) / scale(window.history, window.season)),
        path_80=coverage[80],
        path_95=coverage[95],
        date_80=date_covered(distribution, passage, 0.80),
        date_95=date_covered(distribution, passage, 0.95),
        shown_80=date_inside(distribution, passage, 0.80),
        shown_95=date_inside(distribution, passage, 0.95),
    )
