"""How is time counted: in whole nanoseconds, so that sums are exact; in seconds for callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.core.arguments import real
from eks_win_capacity.core.constants import (
    COOL_DOWN_S,
    COOL_DOWN_TICK_S,
    RETRY_COOLING_S,
    RETRY_NO_CIDR_S,
    RETRY_QUEUE_FIRST_S,
    RETRY_QUEUE_LAST_S,
    RETRY_SHORT_S,
)
from eks_win_capacity.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECOND: Final = 10**9
"""Nanoseconds in a second. [ns]"""

NEVER: Final = 2**63 - 1
"""Time of events that do not happen, after all others. [ns]"""

MAX_SECONDS: Final = 4_000_000_000
"""Maximum time: the sum of two such times is below `NEVER`. [s]"""


def checked_seconds(value: Any, name: str) -> float:
    """
    Number of seconds from an argument. [s].

    Raises InputError if it is not a number from 0 to `MAX_SECONDS`.
    """
    seconds = real(value)
    if seconds is None:
        raise InputError(f"{name} must be a number of seconds; got {value!r}")
    if not 0 <= seconds <= MAX_SECONDS:
        raise InputError(
            f"{name} must be a number of seconds from 0 to {MAX_SECONDS:,}; got {value!r}"
        )
    return seconds


def nanoseconds(seconds: float) -> int:
    """
    Nearest whole number of nanoseconds. [ns].

    Examples
    --------
    >>> nanoseconds(0.6) * 3 == nanoseconds(1.8)
    True
    """
    whole = int(seconds)
    return whole * SECOND + round((seconds - whole) * SECOND)


def as_nanoseconds(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """
    Nearest whole numbers of nanoseconds; `NEVER` for times after `MAX_SECONDS`. [ns].

    Whole seconds and fractions are multiplied separately, because after some weeks a float
    has too few digits for nanoseconds.

    Examples
    --------
    >>> as_nanoseconds(np.array([0.6, np.inf])).tolist() == [600_000_000, NEVER]
    True
    """
    late = seconds > MAX_SECONDS
    near = np.where(late, 0.0, seconds) if late.any() else seconds
    whole = near.astype(np.int64)
    parts = near - whole
    parts *= SECOND
    times = np.rint(parts, out=parts).astype(np.int64)
    whole *= SECOND
    times += whole
    times[late] = NEVER
    return times


def as_seconds(times: NDArray[np.int64]) -> NDArray[np.float64]:
    """Times in seconds, missing if they are below 0. [s]."""
    return np.where(times < 0, np.nan, times / SECOND)


COOL_DOWN: Final = nanoseconds(COOL_DOWN_S)
TICK_EVERY: Final = nanoseconds(COOL_DOWN_TICK_S)
RETRY_SHORT: Final = nanoseconds(RETRY_SHORT_S)
RETRY_COOLING: Final = nanoseconds(RETRY_COOLING_S)
RETRY_NO_CIDR: Final = nanoseconds(RETRY_NO_CIDR_S)
RETRY_QUEUE_FIRST: Final = nanoseconds(RETRY_QUEUE_FIRST_S)
RETRY_QUEUE_LAST: Final = nanoseconds(RETRY_QUEUE_LAST_S)
"""Delays of the controller, from `core.constants`. [ns]"""
