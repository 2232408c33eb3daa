"""What is packed into what, what a packing costs, and whether it holds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """
    A covering problem: choose nodes, and what runs on each, at the least cost.

    A pattern is one node of a kind with a mix of pods. The pods of all nodes cover ``count``,
    those of the nodes in each zone cover ``floor``. A node takes of each shared limit an amount
    fixed for its kind, plus one for each pod with an address where ``per_pod`` says so.

    Attributes
    ----------
    need : (shapes, resources) int array
        What one pod takes.
    count : (shapes,) int array
        Pods to place.
    most : (shapes,) int array
        Pods of the shape that one node may run.
    addressed : (shapes,) bool array
        Which pods take an address.
    room : (kinds, resources) int array
        What one node gives.
    cost : (kinds,) float array
        What one node costs.
    pod_cost : (kinds,) int array
        What each pod with an address adds to that.
    allowed : (kinds, shapes) bool array
        Which pods may run where.
    zone : (kinds,) int array
        The zone of the kind; all zero where zones do not matter.
    floor : (zones, shapes) int array
        Pods that the nodes of each zone must cover at least.
    share : (kinds, limits) int array
        What one node takes of each shared limit.
    per_pod : (kinds, limits) int array
        What each pod with an address takes of it on top.
    least : (kinds, limits) int array
        What a node takes of it at least, however few its pods.
    limit : (limits,) int array
        The shared limits.
    """

    need: Ints
    count: Ints
    most: Ints
    addressed: Flags
    room: Ints
    cost: Floats
    pod_cost: Ints
    allowed: Flags
    zone: Ints
    floor: Ints
    share: Ints
    per_pod: Ints
    least: Ints
    limit: Ints

    @property
    def shapes(self) -> int:
        """Count the shapes of pods."""
        return len(self.count)

    @property
    def kinds(self) -> int:
        """Count the kinds of nodes."""
        return len(self.cost)

    @property
    def zones(self) -> int:
        """Count the zones."""
        return len(self.floor)

    def only(self, kinds: Ints) -> Problem:
        """The same problem with some of the kinds."""
        return replace(
            self,
            room=self.room[kinds],
            cost=self.cost[kinds],
            pod_cost=self.pod_cost[kinds],
            allowed=self.allowed[kinds],
            zone=self.zone[kinds],
            share=self.share[kinds],
            per_pod=self.per_pod[kinds],
            least=self.least[kinds],
        )

    def most_per_node(self, count: Ints | None = None) -> Ints:
        """Bound the pods of each shape on a node of each kind, each shape taken alone."""
        room, need = self.room[:, None, :], self.need[None, :, :]
        fits = np.where(need > 0, room // np.maximum(need, 1), np.iinfo(np.int64).max).min(axis=2)
        capped = np.minimum(fits, np.minimum(self.count if count is None else count, self.most))
        return np.where(self.allowed, np.maximum(capped, 0), 0)

    def addresses(self, mix: Ints) -> Ints:
        """Count the pods with an address in each mix."""
        counted: Ints = mix @ self.addressed.astype(np.int64)
        return counted

    def usage(self, kind: Ints, mix: Ints) -> Ints:
        """What each pattern takes of each shared limit."""
        pods = self.addresses(mix)[:, None]
        return np.maximum(self.share[kind] + self.per_pod[kind] * pods, self.least[kind])

    def costs(self, kind: Ints, mix: Ints) -> Floats:
        """What each pattern costs."""
        return self.cost[kind] + self.pod_cost[kind] * self.addresses(mix)


@dataclass(frozen=True)
class Duals:
    """What one more pod of each row costs, and what one more of each shared limit saves."""

    pods: Floats
    floor: Floats
    limit: Floats

    def towards(self, other: Duals, part: float) -> Duals:
        """Go a part of the way to other duals."""
        return Duals(
            (1 - part) * self.pods + part * other.pods,
            (1 - part) * self.floor + part * other.floor,
            (1 - part) * self.limit + part * other.limit,
        )

    def worth(self, problem: Problem) -> Floats:
        """What a pod of each shape is worth on a node of each kind."""
        scale = np.maximum(problem.limit, 1)
        per_pod = problem.per_pod @ (self.limit / scale) + problem.pod_cost
        profit = self.pods + self.floor[problem.zone] - per_pod[:, None] * problem.addressed
        positive: Floats = np.maximum(profit, 0)
        return positive

    def budget(self, problem: Problem) -> Floats:
        """What a node of each kind costs, with its part of the shared limits."""
        paid: Floats = problem.cost + problem.share @ (self.limit / np.maximum(problem.limit, 1))
        return paid

    def reduced(self, problem: Problem, kind: Ints, mix: Ints) -> Floats:
        """What each pattern costs beyond what its pods are worth."""
        price = self.pods + self.floor[problem.zone[kind]]
        used = problem.usage(kind, mix) @ (self.limit / np.maximum(problem.limit, 1))
        spare: Floats = problem.costs(kind, mix) + used - (price * mix).sum(axis=1)
        return spare


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


def covered(problem: Problem) -> bool:
    """Whether nothing is left to place."""
    return not problem.count.any() and not problem.floor.any()


def plain(problem: Problem) -> bool:
    """Whether first-fit alone keeps all limits."""
    return not len(problem.limit) and not problem.floor.any()


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


@dataclass(frozen=True)
class Packed:
    """How many nodes of which kind run which pods."""

    kind: Ints
    mix: Ints
    number: Ints
