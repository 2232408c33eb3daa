"""The normal distribution without SciPy."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def normal_quantile(share: Floats) -> Floats:
    """Invert the normal distribution."""
    normal = NormalDist()
    return np.array([normal.inv_cdf(float(x)) for x in share])


def upper_tail(value: Floats) -> Floats:
    """The normal probability above a value (Abramowitz and Stegun, 26.2.17)."""
    away = np.abs(value)
    step = 1 / (1 + 0.2316419 * away)
    series = step * (
        0.319381530
        + step * (-0.356563782 + step * (1.781477937 + step * (-1.821255978 + step * 1.330274429)))
    )
    tail = np.exp(-0.5 * away**2) / np.sqrt(2 * np.pi) * series
    return np.asarray(np.where(value >= 0, tail, 1 - tail))
