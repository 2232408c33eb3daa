"""What a forecast found out, as arrays by subnet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity.core.values import same_values
from eks_win_capacity.forecast.history_views import VIEWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Found = list[tuple[NDArray[np.intp], Floats]]


@dataclass
class Answers:
    """Arrays by subnet, filled chunk by chunk."""

    demand: Floats
    median: Floats
    lower: Floats
    upper: Floats
    reached: Floats
    exhausted: NDArray[np.bool_]
    alpha: Floats
    phi: Floats
    drift: Floats
    views: Floats
    step_age: NDArray[np.int64]
    step_size: Floats
    step_stays: Floats
    origins: NDArray[np.int64]
    backtest_mae: Floats
    backtest_naive: Floats
    backtest_covered: Floats
    model: NDArray[Any]
    shifts: Found
    outliers: Found
    seasons: list[tuple[int, ...]]

    __eq__ = same_values

    @classmethod
    def empty(cls, count: int, horizon: int, levels: int) -> Answers:
        """Make room; what is never filled stays missing."""

        def room(*shape: int) -> Floats:
            return np.full(shape, np.nan)

        none = (np.zeros(0, dtype=np.intp), np.zeros(0))
        return cls(
            room(count, horizon),
            room(count, horizon),
            room(count, horizon, levels),
            room(count, horizon, levels),
            room(count, horizon),
            np.zeros(count, dtype=bool),
            room(count),
            room(count),
            room(count),
            np.zeros((count, len(VIEWS))),
            np.zeros(count, dtype=np.int64),
            room(count),
            room(count),
            np.zeros(count, dtype=np.int64),
            room(count),
            room(count),
            room(count, levels),
            np.full(count, "SES with drift", dtype=object),
            [none] * count,
            [none] * count,
            [()] * count,
        )
