"""What one plan is asked, as one frozen value, and what comes back."""

from __future__ import annotations

import fnmatch
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.catalog.type_names import gpus_of
from eks_win_capacity.core.errors import InputError
from eks_win_capacity.packing.deadline import Deadline
from eks_win_capacity.planning.costs import Buying
from eks_win_capacity.planning.workloads import GPU, slots_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_win_capacity.addresses.warm_pool import WarmPool
    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.density.reserved import Reserved
    from eks_win_capacity.packing.problem import Ints
    from eks_win_capacity.planning.costs import PriceList
    from eks_win_capacity.planning.model import NodeKind, Site
    from eks_win_capacity.planning.plan_values import PlannedGroup
    from eks_win_capacity.planning.workloads import Load

__all__ = ["BRIEF", "NEAR", "PROVED", "ROUGH", "Answer", "Question", "better", "status_of"]

BRIEF: Final = 0.1
"""Part of the usual work that goes into a plan that is only a step or a comparison."""

NEAR: Final = 2.5e-3
"""Gap from which small fleets are settled exactly."""

PROVED: Final = 4e-6
"""Gap up to which a plan counts as proved: the tolerance of the solver, 1e-6, and the margin of
2e-6 that bounds of integer programs give back."""

ROUGH: Final = 0.01
"""Gap at which such a plan is good enough."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """
    What a plan is asked, checked and read.

    Attributes
    ----------
    workloads, daemons : tuple of Load
        What runs, and what every node runs on top.
    prefix, pool, kubelet, reserved
        What a node gives: address mode, warm targets, the kubelet's limit and reservations.
    surge, zone_lost
        Places beyond the replicas.
    present : tuple of NodeKind
        Kinds of node that run already.
    staying : dict
        Present nodes that stay whatever the plan, by the limit that counts them.
    other_sites : callable or None
        The same in the other address mode, where blocks are counted otherwise.
    effort : float
        Part of the usual work.
    extended_resources : dict
        Extended resources of types, by name or pattern.
    limits, at_least : dict
        Nodes at most and at least, by type, zone or in all.
    launcher : {"eksctl", "managed", "autoscaler", "karpenter"}
        Who starts the nodes, and by whose estimate of their room.
    progress : callable or None
        Called with cost and bound of every better plan.
    """

    workloads: tuple[Load, ...]
    catalog: Catalog
    reserved: Reserved
    prices: PriceList
    objective: str = "cost"
    prefix: bool = False
    pool: WarmPool | None = None
    kubelet: int | None = None
    daemons: tuple[Load, ...] = ()
    surge: float | str = 0
    zone_lost: bool = False
    max_types: int | None = None
    limits: dict[str, int] = field(default_factory=dict)
    sites: tuple[Site, ...] = ()
    present: tuple[NodeKind, ...] = ()
    staying: dict[str, int] = field(default_factory=dict)
    other_sites: Callable[[], tuple[Site, ...]] | None = None
    candidates: Any = None
    deadline: Deadline = field(default_factory=Deadline)
    effort: float = 1.0
    extended_resources: dict[str, dict[str, int]] = field(default_factory=dict)
    buying: Buying = field(default_factory=Buying)
    min_types: int = 1
    at_least: dict[str, int] = field(default_factory=dict)
    launcher: str = "eksctl"
    progress: Callable[[float, float], None] | None = None

    @property
    def limited(self) -> bool:
        """Whether subnets limit the addresses."""
        return any(site.free >= 0 for site in self.sites)

    @property
    def zoned(self) -> bool:
        """Whether nodes of a zone are limited."""
        return any(zone in self.limits for zone in self.zones)

    @property
    def spread(self) -> bool:
        """Whether a workload has even shares of the zones, or a zone may be lost."""
        return self.zone_lost or any(load.zone_spread for load in self.workloads)

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones, sorted."""
        return tuple(sorted({site.zone for site in self.sites}))

    @cached_property
    def wanted(self) -> Ints:
        """Pods of each workload that must have a place before a zone is lost."""
        return slots_of(self.workloads, self.surge, len(self.zones), zone_lost=False)

    @cached_property
    def slots(self) -> Ints:
        """Places of each workload."""
        return slots_of(self.workloads, self.surge, len(self.zones), zone_lost=self.zone_lost)

    @property
    def odd(self) -> bool:
        """Whether a workload that is spread does not share evenly over the zones."""
        zones = len(self.zones)
        return any(
            int(slot) % zones
            for load, slot in zip(self.workloads, self.slots, strict=True)
            if load.zone_spread or self.zone_lost
        )

    @cached_property
    def extended(self) -> tuple[str, ...]:
        """The extended resources that workloads ask for."""
        return tuple(sorted({name for load in self.workloads for name, _ in load.extended}))

    def supply(self, name: str) -> dict[str, int]:
        """Extended resources that a type has."""
        for pattern, given in self.extended_resources.items():
            if fnmatch.fnmatchcase(name, pattern):
                return given
        number = gpus_of(name)
        return {GPU: number} if number else {}

    def gives(self, name: str) -> bool:
        """Whether a type has an extended resource that a workload asks for."""
        return any(self.supply(name).get(one) for one in self.extended)

    def check(self) -> None:
        """
        Refuse what contradicts itself.

        Raises
        ------
        InputError
            If pods are to be spread over zones that are not known.
        """
        if self.spread and (not self.zones or "" in self.zones):
            raise InputError(
                "spreading over zones needs subnets that tell their zone, or zones=('a', 'b', ...)"
            )

    def least_alone(self, node: NodeKind) -> float:
        """Bound what the workloads cost on one type alone, resource by resource."""
        need = np.array([load.need(node.extended) for load in self.workloads], dtype=np.int64)
        need = need.reshape(-1, len(node.room))
        room = np.array(node.room, dtype=np.int64)
        live = self.slots > 0
        if (need[live] > room).any():
            return math.inf
        total = self.slots @ need
        return float((-(-total // np.maximum(room, 1)) * (room > 0)).max()) * node.cost

    def least_by_sums(self, nodes: tuple[NodeKind, ...]) -> float:
        """Bound any fleet by its sums: each resource is bought where it is cheapest."""
        if not nodes:
            return 0.0
        need = np.array([load.need(nodes[0].extended) for load in self.workloads], dtype=np.int64)
        total = self.wanted @ need.reshape(-1, len(nodes[0].room))
        if self.objective == "addresses":
            # Each pod with an address holds one, whatever its node keeps beside it.
            return float(total[2])
        room = np.array([node.room for node in nodes], dtype=np.float64)
        each = np.array([node.cost if self.objective == "cost" else 1.0 for node in nodes])
        used = total > 0
        # No float division may lift the bound above what is true.
        price = (each[:, None] / np.maximum(room[:, used], 1e-9)).min(axis=0)
        return float((price * total[used]).max(initial=0.0)) * (1 - 1e-9)


@dataclass(frozen=True)
class Answer:
    """
    Nodes, and what is proved of their cost.

    Attributes
    ----------
    groups : list of PlannedGroup
        The nodes.
    value : float
        What they cost, in the objective.
    bound, lp_bound : float
        No plan costs less; the second is what the linear program alone proves.
    """

    groups: list[PlannedGroup]
    value: float
    bound: float
    lp_bound: float


def better(one: Answer | None, other: Answer | None) -> Answer | None:
    """Cheaper of two answers; what both prove holds for it."""
    if one is None or other is None:
        return other if one is None else one
    best = min(one, other, key=lambda answer: answer.value)
    return Answer(
        best.groups, best.value, min(max(one.bound, other.bound), best.value), best.lp_bound
    )


def status_of(value: float, bound: float, *, interrupted: bool) -> str:
    """Status of a plan: ``proved`` where what is proved of its value meets it."""
    gap = 1 - bound / value if value else 0.0
    return "interrupted" if interrupted else "proved" if gap <= PROVED else "gap"
