"""How a forecast did when it was made for what is known by now, and the spread that calls for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.forecast import smoothing
from eks_win_capacity.forecast.normal import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eks_win_capacity.forecast.learning import Learned

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

MIN_TRAINING = 28
"""Periods a backtest origin must know, so that its own fit is worth holding against the truth."""

ORIGINS = 8
"""Origins of the rolling backtest."""

_PRIOR = 7.0
"""How many origins it takes for the backtest to weigh as much as the model."""

_NEAR_SPREAD, _FAR_SPREAD = 1.05, 1.0
"""What intervals are widened by, near and far, where there is no backtest (benchmarks/forecast)."""


def backtest_origins(periods: int, horizon: int) -> list[int]:
    """Give the origins of the rolling backtest: spread over the newer half."""
    ahead = min(horizon, max(periods // 4, 1))
    first, last = max(MIN_TRAINING, periods // 2), periods - ahead
    if last < first:
        return []
    return sorted({int(x) for x in np.linspace(first, last, ORIGINS)})


def forecasts_made(
    fits: tuple[smoothing.Fit, ...],
    origins: Sequence[int],
    periods: int,
    horizon: int,
    noise: Floats,
) -> tuple[tuple[int, Floats, Floats], ...]:
    """Forecast from each origin, as far as the horizon or the end of the history."""
    return tuple(
        (
            origin,
            *smoothing.mean_and_deviation(at, min(periods - origin, max(horizon, origin)), now),
        )
        for origin, at, now in zip(origins, fits, noise.T[:-1], strict=True)
    )


def calibration(
    level: Floats, seen: Flags, backtest: tuple[tuple[int, Floats, Floats], ...], horizon: int
) -> tuple[Floats, NDArray[np.int64]]:
    """
    Hold each origin's forecast against what came, and give the ratio of the spreads.

    Near and far are told apart: far out the models disagree by more than most
    series ever do, and a factor for both would make tomorrow too certain.
    """
    count = len(level)
    near = _near(horizon)
    total = np.full((2, count), _PRIOR)
    squares = total * np.array([[_NEAR_SPREAD], [_FAR_SPREAD]]) ** 2
    used = np.zeros(count, dtype=np.int64)
    for origin, mean, deviation in backtest:
        ahead = min(mean.shape[1], horizon)
        known = seen[:, origin : origin + ahead] & (deviation[:, :ahead] > 0)
        safe = np.where(deviation > 0, deviation, 1.0)[:, :ahead]
        ratio = ((level[:, origin : origin + ahead] - mean[:, :ahead]) / safe) ** 2
        ratio = np.where(known, np.minimum(ratio, 25.0), 0.0)
        for place, part in enumerate((slice(0, near), slice(near, None))):
            here = known[:, part].sum(axis=1)
            squares[place] += ratio[:, part].sum(axis=1) / np.maximum(here, 1)
            total[place] += here > 0
        used += known.any(axis=1)
    first, second = np.sqrt(squares / total)
    # From the near one to the far one, which holds from the middle of the horizon on.
    reach = np.clip((np.arange(horizon) - near) / max(horizon / 2 - near, 1), 0, 1)
    return first[:, None] + (second - first)[:, None] * reach, used


def _near(horizon: int) -> int:
    return max(min(horizon // 4, 14), 1)


@dataclass(frozen=True)
class Scores:
    """
    How the model did in its own rolling backtest, in units of each series' scale.

    Attributes
    ----------
    error, naive : ndarray, (series,)
        Mean absolute error of the mean path, and of repeating the last season;
        NaN without a backtest.
    covered : ndarray, (series, levels)
        Share of values inside the calibrated interval.
    """

    error: Floats
    naive: Floats
    covered: Floats


def backtest_scores(learned: Learned, levels: Sequence[float]) -> Scores:
    """Score each origin's forecast, with the intervals as they are calibrated."""
    level, seen = learned.level, learned.seen
    count, _periods = level.shape
    counted, error, naive = (np.zeros(count) for _ in range(3))
    covered = np.zeros((count, len(levels)))
    bounds = normal_quantile((1 + np.array(levels)) / 2)
    for origin, mean, deviation in learned.backtest:
        ahead = mean.shape[1]
        known = seen[:, origin : origin + ahead]
        off = np.abs(level[:, origin : origin + ahead] - mean)
        counted += known.sum(axis=1)
        error += (off * known).sum(axis=1)
        still = np.abs(level[:, origin : origin + ahead] - level[:, origin - 1, None])
        naive += (still * known).sum(axis=1)
        ends = np.minimum(np.arange(ahead), learned.calibration.shape[1] - 1)
        inside = off[..., None] <= bounds * (deviation * learned.calibration[:, ends])[..., None]
        covered += (inside & known[..., None]).sum(axis=1)
    total = np.where(counted > 0, counted, np.nan)
    return Scores(error / total, naive / total, covered / total[:, None])
