"""How large the surprises of a series are: by level, by hour or weekday, and of late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

_EXPONENTS = np.array([0.0, 0.5, 1.0])
"""How noise may grow with the level: not at all, as counts do, or in proportion."""

_HALF = 60.0
"""Periods after which a surprise counts half for how noisy the series is now."""

_STEADY = 30.0
"""Surprises of usual size that are taken for granted beside those of late."""

_EVEN = 15.0
"""Surprises of usual size that are taken for granted in each hour or weekday."""


@dataclass(frozen=True)
class Noise:
    """
    How the size of innovations went with the level and with time.

    Attributes
    ----------
    scale : ndarray, (series, periods)
        Usual size at each period, 1 at the average level and phase.
    future : ndarray, (series, horizon)
        Usual size in each period to come, as a share of that at the level of today.
    now : ndarray, (series, origins)
        Size at each origin, as a share of that of all periods before it.
    """

    scale: Floats
    future: Floats
    now: Floats


def noise_now(
    errors: Floats, mean: Floats, seen: Flags, origins: Sequence[int], *, cycle: int
) -> Noise:
    """Learn whether larger levels are noisier, some hours or days, and the last months."""
    periods = errors.shape[1]
    known = seen.sum(axis=1)
    average = np.maximum(mean[:, :periods].mean(axis=1, keepdims=True), 1e-12)
    # Growth to come makes noise larger, but no more than the past bears out.
    ratio = np.clip(mean / average, 0.05, 20.0)
    ratio[:, periods:] = np.clip(
        ratio[:, periods:],
        0.5 * ratio[:, :periods].min(axis=1, keepdims=True),
        2.0 * ratio[:, :periods].max(axis=1, keepdims=True),
    )
    logs = np.log(ratio)
    past = logs[:, :periods]
    squares = np.where(seen, errors**2, 0.0)
    # One strange value must not decide which exponent fits.
    squares = np.minimum(squares, 25 * np.median(squares, axis=1, keepdims=True) + 1e-300)
    score = np.stack(
        [
            -0.5 * known * np.log((squares * np.exp(-2 * p * past)).sum(axis=1) + 1e-300)
            - p * (past * seen).sum(axis=1)
            for p in _EXPONENTS
        ],
        axis=1,
    )
    weight = np.exp(0.5 * (score - score.max(axis=1, keepdims=True)))
    power = (weight @ _EXPONENTS) / weight.sum(axis=1)
    growth = np.exp(power[:, None] * logs)
    plain = squares
    squares = squares / growth[:, :periods] ** 2
    phase = np.ones_like(logs)
    if cycle >= 2 and periods >= 4 * cycle:
        place = (np.arange(logs.shape[1]) - periods) % cycle
        usual = squares.sum(axis=1) / np.maximum(known, 1)
        usual = np.where(usual > 0, usual, 1.0)
        for at in range(cycle):
            here = place[:periods] == at
            count = seen[:, here].sum(axis=1)
            ratio = (squares[:, here].sum(axis=1) / usual + _EVEN) / (count + _EVEN)
            phase[:, place == at] = np.sqrt(ratio)[:, None]
        phase /= np.sqrt((phase[:, :periods] ** 2).mean(axis=1, keepdims=True))
    scale = growth * phase
    squares = squares / phase[:, :periods] ** 2
    now = []
    recently = min(cycle if cycle >= 2 else 7, periods)
    age = 0.5 ** (np.arange(periods)[::-1] / _HALF)
    for origin in origins:
        recent = age[periods - origin :] * seen[:, :origin]
        count = np.maximum(recent.sum(axis=1), 1e-300)
        so_far = np.maximum(seen[:, :origin].sum(axis=1), 1)
        usual = squares[:, :origin].sum(axis=1) / so_far
        newest = (squares[:, :origin] * recent).sum(axis=1) / count
        mixed = (newest * count + usual * _STEADY) / (count + _STEADY)
        whole = plain[:, :origin].sum(axis=1) / so_far
        local = growth[:, max(origin - recently, 0) : origin].mean(axis=1)
        now.append(local * np.sqrt(mixed / np.where(whole > 0, whole, 1.0)))
    out = np.stack(now, axis=1)
    future = scale[:, periods:] / growth[:, periods - recently : periods].mean(
        axis=1, keepdims=True
    )
    return Noise(scale[:, :periods], future, np.where(out > 0, out, 1.0))
