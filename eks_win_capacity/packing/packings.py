"""What a packing costs, whether it holds, and what it leaves to do."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.packing.first_fit import Packed

if TYPE_CHECKING:
    from eks_win_capacity.packing.problem import Problem


def total_cost(problem: Problem, packed: Packed) -> float:
    """What a packing costs."""
    return math.fsum((problem.costs(packed.kind, packed.mix) * packed.number).tolist())


def feasible(problem: Problem, packed: Packed) -> bool:
    """Whether a packing places all pods and keeps the shared limits."""
    placed = packed.number @ packed.mix
    if (placed < problem.count).any():
        return False
    for zone, floor in enumerate(problem.floor):
        here = problem.zone[packed.kind] == zone
        if (packed.number[here] @ packed.mix[here] < floor).any():
            return False
    used = packed.number @ problem.usage(packed.kind, packed.mix)
    return bool((used <= problem.limit).all())


def rest_of(problem: Problem, packed: Packed) -> Problem:
    """What is left of a problem once some nodes are fixed."""
    count = np.maximum(problem.count - packed.number @ packed.mix, 0)
    floor = problem.floor.copy()
    for zone in range(problem.zones):
        here = problem.zone[packed.kind] == zone
        floor[zone] = np.maximum(floor[zone] - packed.number[here] @ packed.mix[here], 0)
    # What the zones still lack must be placed, even where other zones have more than enough.
    count = np.maximum(count, floor.sum(axis=0))
    used = packed.number @ problem.usage(packed.kind, packed.mix)
    return replace(problem, count=count, floor=floor, limit=problem.limit - used)


def joined(*parts: Packed) -> Packed:
    """Put packings together."""
    return Packed(
        np.concatenate([part.kind for part in parts]),
        np.concatenate([part.mix for part in parts]),
        np.concatenate([part.number for part in parts]),
    )
