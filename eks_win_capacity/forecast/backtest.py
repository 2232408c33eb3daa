"""How the views of a history, taken together, did when they forecast its newest weeks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.forecast.history_views import VIEWS
from eks_win_capacity.forecast.normal import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eks_win_capacity.forecast.history_views import View
    from eks_win_capacity.forecast.learning import Learned

    Floats = NDArray[np.float64]


def mixed(view_shares: Floats, views: Sequence[View], look: int) -> tuple[Floats, Floats]:
    """Mean and deviation of all views together at one origin."""
    means = np.stack([view.looks[look][0] for view in views])
    spreads = np.stack([view.looks[look][1] for view in views])
    weight = view_shares.T[..., None]
    # A view that does not exist for a series has no weight, whatever it says.
    means = np.where(weight > 0, means, 0.0)
    mean = (weight * means).sum(axis=0)
    variance = (weight * (np.where(weight > 0, spreads, 0.0) ** 2 + (means - mean) ** 2)).sum(
        axis=0
    )
    return mean, np.sqrt(variance)


def drift(views: Sequence[View], view_shares: Floats) -> Floats:
    """Growth of the level a period at the end of the history, over all views."""
    total = np.zeros(len(view_shares))
    for place, view in enumerate(views):
        at = view.fit
        slope = (at.weight * at.growth).sum(axis=1)
        if place == VIEWS.index("logarithm"):
            slope = slope * np.exp(np.clip((at.weight * at.level).sum(axis=1), -9.0, 9.0))
        total += np.where(view.possible, view_shares[:, place] * slope, 0.0)
    return total


@dataclass(frozen=True)
class Scores:
    """
    How the views did in their rolling backtest, in units of each series' scale.

    Attributes
    ----------
    error, naive : ndarray, (series,)
        Mean absolute error of the mean path, and of holding the last value;
        NaN without a backtest.
    covered : ndarray, (series, levels)
        Share of values inside the interval.
    """

    error: Floats
    naive: Floats
    covered: Floats


def backtest_scores(learned: Learned, levels: Sequence[float]) -> Scores:
    """How near the forecasts of each origin came, all views together."""
    level, seen = learned.level, learned.seen
    counted, error, naive = (np.zeros(len(level)) for _ in range(3))
    covered = np.zeros((len(level), len(levels)))
    bounds = normal_quantile((1 + np.array(levels)) / 2)
    for look, origin in enumerate(learned.back):
        mean, deviation = mixed(learned.shares, learned.views, look)
        known, truth = seen[:, origin:], level[:, origin:]
        off = np.abs(truth - mean)
        counted += known.sum(axis=1)
        error += (off * known).sum(axis=1)
        naive += (np.abs(truth - level[:, origin - 1, None]) * known).sum(axis=1)
        inside = off[..., None] <= bounds * deviation[..., None] + 1e-9
        covered += (inside & known[..., None]).sum(axis=1)
    total = np.where(counted > 0, counted, np.nan)
    return Scores(error / total, naive / total, covered / total[:, None])
