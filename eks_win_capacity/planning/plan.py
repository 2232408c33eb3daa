"""What a plan says, as data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from eks_win_capacity.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = ["Alternative", "FleetPlan", "Infeasible", "NodeGroup", "Rejection"]


@dataclass(frozen=True, kw_only=True)
class NodeGroup:
    """
    Nodes that are all alike and run the same pods.

    Attributes
    ----------
    instance_type, zone, subnet : str
        What and where; zone and subnet are empty where they do not matter.
    nodes : int
        How many.
    pods : dict
        Pods of each workload on one node.
    cpu_m, memory, pod_slots, address_slots : int
        What one node gives to workloads. [thousandths of a core, bytes, pods, pods]
    cpu_m_used, memory_used, pods_used, pod_addresses : int
        What its pods take of it.
    addresses, prefixes : int
        Subnet addresses of one node, its own included, and the /28 among them.
    binds : str
        The constraint with the least room left: cpu, memory, addresses or kubelet.
    cost : float
        Cost of one node.
    """

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


@dataclass(frozen=True, kw_only=True)
class Infeasible:
    """
    Why there is no plan.

    Attributes
    ----------
    code : str
        ``too-large``, ``no-candidate``, ``addresses-short``, ``blocks-short``, ``zones-short``,
        ``limits`` or ``not-found``.
    why, remedy : str
        In words.
    subject : str
        The workload or subnets it is about.
    short : int
        How many addresses, blocks, zones or nodes are missing; 0 where that is not the trouble.
    """

    code: str
    why: str
    remedy: str
    subject: str = ""
    short: int = 0


@dataclass(frozen=True, kw_only=True)
class Rejection:
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
        The workload it is too small for, or the type that dominates it.
    percent : float or None
        How much more than the plan a fleet of this type alone costs. [%]
    """

    instance_type: str
    code: str
    why: str
    subject: str = ""
    percent: float | None = None


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """Another way to run the workloads, for comparison; ``nodes`` is 0 where there is none."""

    name: str
    nodes: int
    cost: float
    addresses: int
    prefixes: int = 0
    types: dict[str, int] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class FleetPlan:
    """
    The cheapest fleet found, and how cheap any could be.

    Attributes
    ----------
    feasible : bool
        Whether there is a plan.
    groups : tuple of NodeGroup
        The nodes.
    objective, cost_unit : str
        What is made small, and what ``cost`` counts.
    price_basis : str
        Where the cost of a node comes from: prices and of when, or the proxy.
    estimated_prices : tuple of str
        Types of the plan whose price is an estimate.
    cost : float
        The objective of the plan.
    lower_bound, lp_bound : float
        No plan costs less; the second is what the linear program alone proves.
    gap : float
        ``1 - lower_bound / cost``.
    prefix_delegation : bool
        The address mode.
    kubelet_max_pods : int or None
        The kubelet's limit that was planned with.
    daemon_pods, daemon_addresses : int
        Pods that every node runs on top, and those among them that take an address.
    rejected : tuple of Rejection
        Each candidate without a node, with the reason.
    infeasible : tuple of Infeasible
        Why there is no plan.
    single_type, other_mode : Alternative or None
        The best plan found with one type, and with the other address mode.
    status : str
        ``proved`` where the bound meets the cost, else ``gap`` or ``interrupted``; without a
        plan ``infeasible`` where that is proved, ``not-found`` where it is not.
    bound_of : str
        The plans that ``lower_bound`` is of, where it is not of all.

    Examples
    --------
    >>> from eks_win_capacity import plan_fleet
    >>> plan = plan_fleet(
    ...     [{"name": "big", "replicas": 1, "cpu": "500"}], candidates=["m5.large"]
    ... )
    >>> plan.feasible, plan.infeasible[0].code
    (False, 'too-large')
    """

    feasible: bool
    groups: tuple[NodeGroup, ...] = ()
    objective: str = "cost"
    cost_unit: str = ""
    price_basis: str = field(default="", repr=False)
    estimated_prices: tuple[str, ...] = ()
    cost: float = 0.0
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
    status: str = ""
    bound_of: str = ""

    @property
    def gap(self) -> float:
        """How far the cost may be above the cheapest possible, as a part of it."""
        return max(0.0, 1 - self.lower_bound / self.cost) if self.cost else 0.0

    @property
    def nodes(self) -> int:
        """Count the nodes."""
        return sum(group.nodes for group in self.groups)

    @property
    def pods(self) -> dict[str, int]:
        """Count the pods placed of each workload, surge and head-room included."""
        counted: dict[str, int] = {}
        for group in self.groups:
            for name, each in group.pods.items():
                counted[name] = counted.get(name, 0) + each * group.nodes
        return dict(sorted(counted.items()))

    @property
    def addresses(self) -> int:
        """Count the subnet addresses the nodes take."""
        return sum(group.nodes * group.addresses for group in self.groups)

    @property
    def prefixes(self) -> int:
        """Count the /28 prefixes the nodes take."""
        return sum(group.nodes * group.prefixes for group in self.groups)

    @property
    def types(self) -> dict[str, int]:
        """Count the nodes of each type."""
        counted: dict[str, int] = {}
        for group in self.groups:
            counted[group.instance_type] = counted.get(group.instance_type, 0) + group.nodes
        return dict(sorted(counted.items()))

    def to_dict(self) -> dict[str, Any]:
        """Give the plan as plain values."""
        told = asdict(self)
        for name in _DERIVED:
            told[name] = getattr(self, name)
        return told

    def to_json(self) -> str:
        """Give the plan as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> FleetPlan:
        """
        Build the plan that `to_dict` gave.

        Raises
        ------
        InputError
            If it is no plan, or damaged.
        """
        if "feasible" not in told:
            raise InputError("this is no saved plan: it has no member 'feasible'")
        values = {name: told[name] for name in told if name not in _DERIVED}
        try:
            for name, record in _RECORDS.items():
                values[name] = tuple(record(**one) for one in values.get(name, ()))
            for name in ("single_type", "other_mode"):
                if values.get(name) is not None:
                    values[name] = Alternative(**values[name])
            values["estimated_prices"] = tuple(values.get("estimated_prices", ()))
            return cls(**values)
        except TypeError as error:
            raise InputError(f"this is no saved plan: {error}") from error

    @classmethod
    def from_json(cls, text: str) -> FleetPlan:
        """
        Build the plan that `to_json` gave.

        Raises
        ------
        InputError
            If the text is no JSON, or no plan.

        Examples
        --------
        >>> from eks_win_capacity import plan_fleet
        >>> plan = plan_fleet([{"name": "web", "replicas": 9}], candidates=["m5.large"])
        >>> FleetPlan.from_json(plan.to_json()) == plan
        True
        """
        try:
            told = json.loads(text)
        except ValueError as error:
            raise InputError(f"this is no JSON: {error}") from error
        if not isinstance(told, dict):
            raise InputError(f"this is no saved plan, but a {type(told).__name__}")
        return cls.from_dict(told)

    def rows(self) -> list[dict[str, Any]]:
        """Give one row for each kind of node: its type, its place and what runs on it."""
        return [
            {
                "instance_type": group.instance_type,
                "zone": group.zone,
                "subnet": group.subnet,
                "nodes": group.nodes,
                "pods_per_node": group.pods_used,
                "pods": " ".join(f"{name}={number}" for name, number in group.pods.items()),
                "binds": group.binds,
                "addresses_per_node": group.addresses,
                "prefixes_per_node": group.prefixes,
                "cost": group.cost * group.nodes,
            }
            for group in self.groups
        ]

    def to_pandas(self) -> pd.DataFrame:
        """Give one row for each kind of node: its type, its place and what runs on it."""
        import pandas as pd

        columns = ("instance_type", "zone", "subnet", "nodes", "pods_per_node", "pods", "binds")
        more = ("addresses_per_node", "prefixes_per_node", "cost")
        return pd.DataFrame(self.rows(), columns=[*columns, *more])

    def places(self) -> list[dict[str, Any]]:
        """Give one row for each type, zone and subnet: nodes, addresses, prefixes and cost."""
        told: dict[tuple[str, str, str], dict[str, Any]] = {}
        for group in self.groups:
            key = (group.instance_type, group.zone, group.subnet)
            row = told.setdefault(
                key,
                {
                    **dict(zip(("instance_type", "zone", "subnet"), key, strict=True)),
                    "nodes": 0,
                    "addresses": 0,
                    "prefixes": 0,
                    "node_cost": group.cost,
                },
            )
            row["nodes"] += group.nodes
            row["addresses"] += group.nodes * group.addresses
            row["prefixes"] += group.nodes * group.prefixes
        return [told[key] for key in sorted(told)]

    def rejections(self) -> pd.DataFrame:
        """Give one row for each candidate without a node, with the reason."""
        import pandas as pd

        names = [one.name for one in fields(Rejection)]
        return pd.DataFrame([asdict(one) for one in self.rejected], columns=names)

    def explain(self) -> str:
        """Say in words what the plan is, or why there is none."""
        from eks_win_capacity.planning.summary import explained

        return explained(self)

    def __str__(self) -> str:
        """Say what `explain` says, so that printing a plan reads well."""
        return self.explain()

    def _repr_html_(self) -> str:
        from eks_win_capacity.planning.summary import as_html

        return as_html(self)

    def _writable(self) -> FleetPlan:
        if not self.feasible:
            reason = self.infeasible[0].code if self.infeasible else self.status
            raise InputError(
                f"there is no plan to write ({reason}); plan.explain() says what is missing"
            )
        return self

    def node_groups(
        self,
        *,
        cluster: str = "CLUSTER",
        region: str = "REGION",
        ami_family: str = "WindowsServer2022CoreContainer",
        ami: str | None = None,
        taint: bool = True,
    ) -> str:
        """
        Write the fleet as EKS managed node groups of eksctl (``eksctl.io/v1alpha5``).

        Parameters
        ----------
        cluster, region : str
            Where.
        ami_family : str
            The Windows image.
        ami : str, optional
            Image id, needed where the kubelet's limit is not the image's own of 110: EKS
            takes bootstrap arguments from a launch template with an image of its own only.
        taint : bool
            Whether nodes keep Linux pods off by the taint ``os=windows:NoSchedule``.

        Raises
        ------
        InputError
            If there is no plan to write.
        """
        from eks_win_capacity.planning.manifests import node_groups

        return node_groups(
            self._writable(),
            cluster=cluster,
            region=region,
            ami_family=ami_family,
            ami=ami,
            taint=taint,
        )

    def karpenter(
        self, *, name: str = "windows", node_class: str = "windows", taint: bool = True
    ) -> str:
        """Write the types and zones of the fleet as a Karpenter NodePool (``karpenter.sh/v1``)."""
        from eks_win_capacity.planning.manifests import node_pool

        return node_pool(self._writable(), name=name, node_class=node_class, taint=taint)

    def karpenter_node_class(
        self, *, name: str = "windows", cluster: str = "CLUSTER", ami_family: str = "Windows2022"
    ) -> str:
        """Write the EC2NodeClass that the NodePool names: image, subnets, ``maxPods``."""
        from eks_win_capacity.planning.manifests import node_class

        return node_class(self._writable(), name=name, cluster=cluster, ami_family=ami_family)


_DERIVED = ("gap", "nodes", "pods", "addresses", "prefixes", "types")
_RECORDS: Mapping[str, type] = {
    "groups": NodeGroup, "rejected": Rejection, "infeasible": Infeasible,
}  # fmt: skip
