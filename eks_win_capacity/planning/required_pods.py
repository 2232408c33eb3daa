"""How many places each workload needs: its replicas, surge, and the loss of a zone."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity.core.errors import InputError
from eks_win_capacity.planning.workloads import whole

if TYPE_CHECKING:
    from eks_win_capacity.packing.problem import Ints
    from eks_win_capacity.planning.workloads import Load

__all__ = ["slots_of"]


def slots_of(
    workloads: tuple[Load, ...], surge: float | str, zones: int, *, zone_lost: bool
) -> Ints:
    """Count the places each workload needs, with surge and the loss of a zone."""
    part, extra = _surge(surge)
    slots = []
    for load in workloads:
        wanted = load.replicas + (extra + math.ceil(part * load.replicas) if load.replicas else 0)
        if zone_lost and wanted:
            total = wanted
            while total - -(-total // zones) < wanted:
                total += max(1, wanted - (total - -(-total // zones)))
            wanted = total
        slots.append(wanted)
    return np.array(slots, dtype=np.int64)


def _surge(surge: Any) -> tuple[Fraction, int]:
    """Read extra pods: a part of the replicas, or a number of them."""
    told = surge.strip() if isinstance(surge, str) else surge
    if isinstance(told, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?%", told):
        return Fraction(told[:-1]) / 100, 0
    if isinstance(told, str) and re.fullmatch(r"[0-9]*\.[0-9]+", told):
        return Fraction(told), 0
    if isinstance(told, float) and 0 <= told < math.inf:
        return Fraction(str(told)), 0
    if isinstance(told, (int, np.integer)) or (isinstance(told, str) and told.isdigit()):
        return Fraction(0), whole(told, "surge")
    raise InputError(
        f"surge must be a number of pods, or a part such as 0.25 or '25%'; got {surge!r}"
    )
