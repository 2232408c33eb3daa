"""Which covering problem is solved, what a packing costs, and whether it is feasible."""

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
    A covering problem: choose nodes and the pods on each, at the least cost.

    A pattern is one node of a kind with a mix of pods. The pods of all nodes must cover ``count``,
    and those of the nodes in each zone ``floor``. Of each shared limit a node uses ``share``, plus
    ``per_pod`` for each pod with an address, but never less than ``least``.

    Attributes
    ----------
    need : (shapes, resources) int array
        Resources that one pod requests.
    count : (shapes,) int array
        Pods to place.
    most : (shapes,) int array
        Pods of the shape that one node may run.
    addressed : (shapes,) bool array
        Whether a pod of the shape takes an address.
    room : (kinds, resources) int array
        Resources of one node.
    cost : (kinds,) float array
        Cost of one node.
    pod_cost : (kinds,) int array
        Cost that each pod with an address adds.
    allowed : (kinds, shapes) bool array
        Whether pods of the shape may run on the kind.
    zone : (kinds,) int array
        Zone of the kind; all 0 if zones do not matter.
    floor : (zones, shapes) int array
        Pods that the nodes of each zone must cover.
    share : (kinds, limits) int array
        Amount of each shared limit that one node uses.
    per_pod : (kinds, limits) int array
        Amount that each pod with an address adds.
    least : (kinds, limits) int array
        Smallest amount that a node uses, however few its pods.
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
        """Number of shapes of pods."""
        return len(self.count)

    @property
    def kinds(self) -> int:
        """Number of kinds of nodes."""
        return len(self.cost)

    @property
    def zones(self) -> int:
        """Number of zones."""
        return len(self.floor)

    def only(self, kinds: Ints) -> Problem:
        """The same problem restricted to some of the kinds."""
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
        """Upper bound on the pods of each shape on a node of each kind, each shape taken alone."""
        room, need = self.room[:, None, :], self.need[None, :, :]
        fits = np.where(need > 0, room // np.maximum(need, 1), np.iinfo(np.int64).max).min(axis=2)
        capped = np.minimum(fits, np.minimum(self.count if count is None else count, self.most))
        return np.where(self.allowed, np.maximum(capped, 0), 0)

    def addresses(self, mix: Ints) -> Ints:
        """Number of pods with an address in each mix."""
        counted: Ints = mix @ self.addressed.astype(np.int64)
        return counted

    def usage(self, kind: Ints, mix: Ints) -> Ints:
        """Amount of each shared limit that each pattern uses."""
        pods = self.addresses(mix)[:, None]
        return np.maximum(self.share[kind] + self.per_pod[kind] * pods, self.least[kind])

    def costs(self, kind: Ints, mix: Ints) -> Floats:
        """Cost of each pattern."""
        return self.cost[kind] + self.pod_cost[kind] * self.addresses(mix)


@dataclass(frozen=True)
class Duals:
    """Duals: the cost of one more pod in each covering row, and of the limits, each scaled to 1."""

    pods: Floats
    floor: Floats
    limit: Floats

    def towards(self, other: Duals, part: float) -> Duals:
        """Duals a part of the way to other ones."""
        return Duals(
            (1 - part) * self.pods + part * other.pods,
            (1 - part) * self.floor + part * other.floor,
            (1 - part) * self.limit + part * other.limit,
        )

    def profit(self, problem: Problem) -> Floats:
        """Value of a pod of each shape on a node of each kind, at least zero."""
        scale = np.maximum(problem.limit, 1)
        per_pod = problem.per_pod @ (self.limit / scale) + problem.pod_cost
        profit = self.pods + self.floor[problem.zone] - per_pod[:, None] * problem.addressed
        positive: Floats = np.maximum(profit, 0)
        return positive

    def budget(self, problem: Problem) -> Floats:
        """Cost of a node of each kind, with its share of the limits at their duals."""
        paid: Floats = problem.cost + problem.share @ (self.limit / np.maximum(problem.limit, 1))
        return paid

    def reduced(self, problem: Problem, kind: Ints, mix: Ints) -> Floats:
        """Reduced cost of each pattern: its cost and use of limits less the value of its pods."""
        price = self.pods + self.floor[problem.zone[kind]]
        used = problem.usage(kind, mix) @ (self.limit / np.maximum(problem.limit, 1))
        spare: Floats = problem.costs(kind, mix) + used - (price * mix).sum(axis=1)
        return spare


def total_cost(problem: Problem, packed: Packed) -> float:
    """Cost of a packing."""
    return math.fsum((problem.costs(packed.kind, packed.mix) * packed.number).tolist())


def feasible(problem: Problem, packed: Packed) -> bool:
    """Whether a packing covers all pods and the floors of the zones within the shared limits."""
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
    """Whether no pods are left to place."""
    return not problem.count.any() and not problem.floor.any()


def plain(problem: Problem) -> bool:
    """Whether first-fit is always feasible: without shared limits and floors of zones."""
    return not len(problem.limit) and not problem.floor.any()


def rest_of(problem: Problem, packed: Packed) -> Problem:
    """The problem that remains after some nodes are fixed."""
    count = np.maximum(problem.count - packed.number @ packed.mix, 0)
    floor = problem.floor.copy()
    for zone in range(problem.zones):
        here = problem.zone[packed.kind] == zone
        floor[zone] = np.maximum(floor[zone] - packed.number[here] @ packed.mix[here], 0)
    # Pods that a zone still lacks must be placed, even if other zones have more than their floor.
    count = np.maximum(count, floor.sum(axis=0))
    used = packed.number @ problem.usage(packed.kind, packed.mix)
    return replace(problem, count=count, floor=floor, limit=problem.limit - used)


def joined(*parts: Packed) -> Packed:
    """One packing of the nodes of several."""
    return Packed(
        np.concatenate([part.kind for part in parts]),
        np.concatenate([part.mix for part in parts]),
        np.concatenate([part.number for part in parts]),
    )


@dataclass(frozen=True)
class Packed:
    """A packing: patterns and the number of nodes of each."""

    kind: Ints
    mix: Ints
    number: Ints
