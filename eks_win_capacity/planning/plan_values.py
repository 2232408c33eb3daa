"""What a plan consists of, as plain values: nodes, reasons, comparisons, and their sums."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from eks_win_capacity.core.display import Listed, Shown
from eks_win_capacity.core.lazy import checked_call

__all__ = [
    "COLUMNS",
    "HOURS_PER_MONTH",
    "Alternative",
    "Infeasible",
    "NodeGroup",
    "PlanValues",
    "PlannedGroup",
    "Rejection",
]

HOURS_PER_MONTH: Final = 730
"""Hours in a month, for costs. [h]

Source: AWS Pricing Calculator, "Assumptions": 730 hours in a month.
"""

COLUMNS: Final = (
    "instance_type", "zone", "subnet", "purchase", "nodes", "pods_per_node", "pods", "binds",
    "addresses_per_node", "prefixes_per_node", "cost", "cost_per_month",
)  # fmt: skip
"""Columns of a plan as a table."""


@dataclass(frozen=True, kw_only=True, repr=False)
class PlannedGroup(Shown):
    """
    Nodes of one type that all run the same pods.

    Attributes
    ----------
    instance_type, zone, subnet : str
        Type and location; zone and subnet are empty if they do not matter.
    nodes : int
        Number of nodes.
    pods : dict
        Pods of each workload on one node.
    cpu_m, memory, pod_slots, address_slots : int
        Room for workloads on one node. [thousandths of a core, bytes, pods, pods]
    cpu_m_used, memory_used, pods_used, pod_addresses : int
        Use of that room by its pods.
    addresses, prefixes : int
        Subnet addresses of one node, its own included, and the /28 prefixes among them.
    binds : str
        The constraint with the least room left: cpu, memory, addresses, kubelet, or an
        extended resource.
    cost : float
        Cost of one node.
    purchase : {"on-demand", "spot", "paid"}
        How it is bought; ``paid`` is covered by a reservation or savings plan already.
    extended, extended_used : dict
        Extended resources of one node, and their use by its pods.
    """

    _LISTED = ("instance_type", "zone", "nodes", "pods", "binds", "addresses", "prefixes", "cost")

    instance_type: str
    zone: str
    subnet: str
    nodes: int
    pods: dict[str, int]
    cpu_m: int
    memory: int
    pod_slots: int
    address_slots: int
    cpu_m_used: int
    memory_used: int
    pods_used: int
    pod_addresses: int
    addresses: int
    prefixes: int
    binds: str
    cost: float
    purchase: str = "on-demand"
    extended: dict[str, int] = field(default_factory=dict)
    extended_used: dict[str, int] = field(default_factory=dict)


NodeGroup = PlannedGroup
"""The older name of `PlannedGroup`, which is not the node group of a cluster."""


@dataclass(frozen=True, kw_only=True)
class Infeasible(Shown):
    """
    Why no plan was found.

    Attributes
    ----------
    code : str
        ``too-large``, ``no-candidate``, ``addresses-short``, ``blocks-short``, ``zones-short``,
        ``types-short``, ``limits`` or ``not-found``.
    why, remedy : str
        The reason and the remedy in words.
    subject : str
        The workload or subnets concerned.
    short : int
        Number of missing addresses, blocks, zones or nodes; 0 for other reasons.
    """

    code: str
    why: str
    remedy: str
    subject: str = ""
    short: int = 0


@dataclass(frozen=True, kw_only=True)
class Rejection(Shown):
    """
    Why a candidate has no node in the plan.

    Attributes
    ----------
    instance_type : str
        The type.
    code : str
        ``arm64``, ``no-windows``, ``previous-generation``, ``accelerator``, ``local-disk``,
        ``burstable``, ``excluded``, ``no-price``, ``not-allowed``, ``too-small``, ``dominated``,
        ``dearer`` or ``not-needed``.
    why : str
        The reason in words.
    subject : str
        The workload for which it is too small, or the type that dominates it.
    percent : float or None
        How much more than the plan a fleet of this type alone costs. [%]
    """

    instance_type: str
    code: str
    why: str
    subject: str = ""
    percent: float | None = None


@dataclass(frozen=True, kw_only=True)
class Alternative(Shown):
    """Another way to run the workloads, for comparison; ``nodes`` is 0 if there is none."""

    name: str
    nodes: int
    cost: float
    addresses: int
    prefixes: int = 0
    types: dict[str, int] = field(default_factory=dict)
    why: str = ""


@checked_call
@dataclass(frozen=True, kw_only=True)
class PlanValues:
    """The values of a plan; `FleetPlan` describes them, and reads and writes them."""

    feasible: bool
    groups: tuple[PlannedGroup, ...] = ()
    objective: str = "cost"
    cost_unit: str = ""
    price_basis: str = field(default="", repr=False)
    estimated_prices: tuple[str, ...] = ()
    value: float = 0.0
    lower_bound: float = 0.0
    lp_bound: float = 0.0
    prefix_delegation: bool = False
    kubelet_max_pods: int | None = None
    daemon_pods: int = 0
    daemon_addresses: int = 0
    rejected: tuple[Rejection, ...] = field(default=(), repr=False)
    infeasible: tuple[Infeasible, ...] = ()
    single_type: Alternative | None = None
    other_mode: Alternative | None = None
    best: Alternative | None = None
    rests_on: tuple[str, ...] = ()
    reservation_commands: tuple[str, ...] = ()
    status: str = ""
    bound_of: str = ""
    scope: str = ""
    prices_as_of: str = ""
    launcher: str = "eksctl"
    types_per_pod: int = 1
    reserved: dict[str, int] = field(default_factory=dict, repr=False)
    current: dict[str, int] | None = None
    current_kept: dict[str, int] = field(default_factory=dict, repr=False)
    current_notes: tuple[str, ...] = ()
    node_costs: dict[str, float] = field(default_factory=dict, repr=False)
    idle_addresses: dict[str, int] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name in ("groups", "rejected", "infeasible"):
            object.__setattr__(self, name, Listed(getattr(self, name)))

    @property
    def gap(self) -> float:
        """Part of the objective by which the optimum may be lower."""
        return max(0.0, 1 - self.lower_bound / self.value) if self.value else 0.0

    @property
    def cost(self) -> float:
        """Cost of all nodes, whatever the objective. [``cost_unit``]."""
        return math.fsum(group.nodes * group.cost for group in self.groups)

    @property
    def cost_per_month(self) -> float | None:
        """The same for a month of 730 hours; None if costs are not per hour."""
        return self.monthly(self.cost)

    def monthly(self, cost: float) -> float | None:
        """A cost for a month of 730 hours; None if costs are not per hour."""
        return cost * HOURS_PER_MONTH if self.cost_unit.endswith("/h") else None

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return sum(group.nodes for group in self.groups)

    @property
    def pods(self) -> dict[str, int]:
        """Number of pods of each workload that are placed, surge and head-room included."""
        counted = Counter[str]()
        for group in self.groups:
            for name, each in group.pods.items():
                counted[name] += each * group.nodes
        return dict(sorted(counted.items()))

    @property
    def addresses(self) -> int:
        """Number of subnet addresses that the nodes take."""
        return sum(group.nodes * group.addresses for group in self.groups)

    @property
    def prefixes(self) -> int:
        """Number of /28 prefixes that the nodes take."""
        return sum(group.nodes * group.prefixes for group in self.groups)

    @property
    def types(self) -> dict[str, int]:
        """Number of nodes of each type."""
        counted = Counter[str]()
        for group in self.groups:
            counted[group.instance_type] += group.nodes
        return dict(sorted(counted.items()))

    def places(self) -> list[dict[str, Any]]:
        """One row for each type, zone, subnet and purchase: nodes, addresses, prefixes, cost."""
        rows: dict[tuple[str, ...], dict[str, Any]] = {}
        names = ("instance_type", "zone", "subnet", "purchase")
        for group in self.groups:
            key = (group.instance_type, group.zone, group.subnet, group.purchase)
            if key not in rows:
                rows[key] = dict(zip(names, key, strict=True))
                rows[key] |= {"nodes": 0, "addresses": 0, "prefixes": 0, "node_cost": group.cost}
            row = rows[key]
            row["nodes"] += group.nodes
            row["addresses"] += group.nodes * group.addresses
            row["prefixes"] += group.nodes * group.prefixes
        return [rows[key] for key in sorted(rows)]
