"""Which part of a series comes back every week or every day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MIN_CYCLES = 3
"""Cycles that must be seen before a season may be told from noise."""

LONG_SEASON = 52
"""From this length on neighbouring phases are smoothed, for few cycles are ever seen."""

_WEAK = 2.0
"""An F ratio below this is what noise alone gives."""


_QUIET = 0.35
"""Below this factor a season is added, not multiplied."""


@dataclass(frozen=True)
class Seasons:
    """
    Seasonal parts of a chunk of series, right-aligned to its last period.

    Attributes
    ----------
    factor : ndarray, (series, periods)
        What a period is multiplied by; 1 where the season is added.
    term : ndarray, (series, periods)
        What is added; 0 where the season multiplies.
    future_factor, future_term : ndarray, (series, horizon)
        The same for the periods to come.
    strength : ndarray, (series, lengths)
        Share of the detrended variance each season length explains.
    """

    factor: Floats
    term: Floats
    future_factor: Floats
    future_term: Floats
    strength: Floats


def seasons(
    values: Floats, *, lengths: Sequence[int], horizon: int, given: bool = False
) -> Seasons:
    """
    Estimate seasonal factors by medians over the cycles, for each series alone.

    A phase counts for as much as its cycles agree: factors are shrunk by their
    F ratio, so that noise is not taken for a season. Whether a season adds or
    multiplies is decided by the smaller remainder.

    Parameters
    ----------
    values : ndarray, (series, periods)
        Without missing values.
    lengths : sequence of int
        Season lengths, shortest first. [periods]
    horizon : int
        Periods to come.
    given : bool
        Whether the user gave the lengths: then two cycles are enough.
    """
    count, periods = values.shape
    total = periods + horizon
    factor, term = np.ones((count, total)), np.zeros((count, total))
    strength = np.zeros((count, len(lengths)))
    rest = values
    for place, length in enumerate(lengths):
        if not _told(length, lengths, periods, 2 if given else MIN_CYCLES):
            continue
        add, multiply, add_share, multiply_share = _one_season(rest, length)
        multiplies = multiply_share > add_share
        strength[:, place] = np.where(multiplies, multiply_share, add_share)
        phase = (np.arange(total) - periods) % length
        factor *= np.where(multiplies[:, None], multiply[:, phase], 1.0)
        term = np.where(multiplies[:, None], term * multiply[:, phase], term + add[:, phase])
        rest = (values - term[:, :periods]) / factor[:, :periods]
    return Seasons(
        factor[:, :periods], term[:, :periods], factor[:, periods:], term[:, periods:], strength
    )


def _told(length: int, lengths: Sequence[int], periods: int, cycles: int) -> bool:
    """Tell whether a season is seen often enough, and is not part of a longer one that is."""
    usable = [other for other in lengths if other >= 2 and periods >= cycles * other]
    return length in usable and not any(other > length and other % length == 0 for other in usable)


def _one_season(values: Floats, length: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Give additive and multiplicative indices of one length, with the share each explains."""
    periods = values.shape[1]
    trend, low, high = _moving_mean(values, length)
    body = values[:, low:high]
    # Only whole cycles, counted from the end: every phase then has the same weight.
    cycles = body.shape[1] // length
    if cycles == 0:
        zero = np.zeros(len(values))
        return np.zeros((len(values), length)), np.ones((len(values), length)), zero, zero
    start = body.shape[1] - cycles * length
    body, trend = body[:, start:], trend[:, start:]
    # Phase 0 is the period right after the last one.
    shift = (high - periods) % length
    add, add_share = _indices(body - trend, cycles, length, shift, 0.0)
    positive = np.asarray((trend > 0).all(axis=1))
    safe = np.where(positive[:, None], trend, 1.0)
    multiply, _ = _indices(body / safe, cycles, length, shift, 1.0)
    multiply = np.maximum(multiply, 0.05)
    phase = (np.arange(body.shape[1]) + shift) % length
    spread = ((body - trend) ** 2).sum(axis=1)
    left = ((body - safe * multiply[:, phase]) ** 2).sum(axis=1)
    multiply_share = np.where(
        positive & (spread > 0), 1 - left / np.where(spread > 0, spread, 1.0), -np.inf
    )
    # Dividing by a factor near zero would blow the noise of quiet hours up.
    multiply_share = np.where(multiply.min(axis=1) < _QUIET, -np.inf, multiply_share)
    return add, multiply, add_share, multiply_share


def _moving_mean(values: Floats, length: int) -> tuple[Floats, int, int]:
    """Centre a moving mean over one season; straight lines pass through it unchanged."""
    count, periods = values.shape
    sums = np.concatenate([np.zeros((count, 1)), values.cumsum(axis=1)], axis=1)
    mean = (sums[:, length:] - sums[:, :-length]) / length
    half = length // 2
    if length % 2 == 0:
        mean = (mean[:, 1:] + mean[:, :-1]) / 2
    return mean, half, periods - half


def _indices(
    detrended: Floats, cycles: int, length: int, shift: int, neutral: float
) -> tuple[Floats, Floats]:
    table = detrended.reshape(len(detrended), cycles, length)
    # The median of two is their mean, so outliers are only resisted from three cycles on.
    index = np.median(table, axis=1)
    index += neutral - index.mean(axis=1, keepdims=True)
    between = ((index - neutral) ** 2).sum(axis=1) / (length - 1) * cycles
    within = ((table - index[:, None, :]) ** 2).sum(axis=(1, 2)) / max(length * (cycles - 1), 1)
    ratio = between / np.where(within > 0, within, 1.0)
    # Floating-point dust is no season: a flat or straight series stays what it is.
    real = between > 1e-20 * np.maximum((detrended**2).max(axis=1), 1e-300) * cycles
    real &= np.abs(index - neutral).max(axis=1) > 1e-9
    weight = np.where(within > 0, np.clip(1 - 1 / np.maximum(ratio, 1e-300), 0, 1), 1.0)
    weight = np.where((ratio < _WEAK) & (within > 0), 0.0, weight) * real
    if length >= LONG_SEASON and length % 24:
        index = _smooth(index, max(length // 24, 1))
    index = neutral + (index - neutral) * weight[:, None]
    total = ((table - neutral) ** 2).sum(axis=(1, 2))
    left = ((table - index[:, None, :]) ** 2).sum(axis=(1, 2))
    share = np.where(total > 0, 1 - left / np.where(total > 0, total, 1.0), 0.0)
    return np.roll(index, shift, axis=1), share


def _smooth(index: Floats, reach: int) -> Floats:
    """Average each phase with its neighbours round the year."""
    return np.asarray(
        np.mean([np.roll(index, step, axis=1) for step in range(-reach, reach + 1)], axis=0)
    )
