"""One forecast to make: what was known, what came, and the limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Window:
    """
    A rolling-origin window.

    Attributes
    ----------
    suite : str
        The table's row.
    history, future : ndarray
        Peaks a period; NaN where nothing was seen.
    limit : float
        Capacity of the subnet.
    season : int
        The season length that seasonal naive and MASE use. [periods]
    per_day : float
        Periods a day.
    past_limits : ndarray, optional
        The capacity of each known period, where it was another one.
    series : str
        What the window was cut from: windows of one series are not independent.
    """

    suite: str
    history: np.ndarray
    future: np.ndarray
    limit: float
    season: int
    per_day: float = 1.0
    past_limits: np.ndarray | None = None
    series: str = ""

    @property
    def first_passage(self) -> float:
        """The period in which demand first reaches the limit; infinite for never."""
        hit = np.flatnonzero(np.nan_to_num(self.future, nan=-np.inf) >= self.limit)
        return float(hit[0] + 1) if len(hit) else np.inf


def headroom_limit(history: np.ndarray, season: int, horizon: int, share: float) -> float:
    """
    Set a limit from the history alone: its recent peak, and a share of its usual change.

    The usual change is the mean absolute difference of season means one horizon apart.
    """
    known = history[~np.isnan(history)]
    recent = known[-2 * season :].max()
    reach = min(horizon, len(known) // 2)
    smooth = np.convolve(known, np.ones(season) / season, mode="valid")
    change = np.abs(smooth[reach:] - smooth[:-reach]).mean() if len(smooth) > reach else 0.0
    return float(recent + share * max(change, 0.02 * abs(recent)))
