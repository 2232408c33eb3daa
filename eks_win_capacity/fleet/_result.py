"""What a plan says, as data, in words and as text for other tools."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from eks_win_capacity.fleet._inputs import Rejection

__all__ = ["Alternative", "FleetPlan", "Infeasible", "NodeGroup"]


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
        How many addresses, blocks or zones are missing; 0 where that is not the trouble.
    """

    code: str
    why: str
    remedy: str
    subject: str = ""
    short: int = 0


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """Another way to run the workloads, for comparison; ``nodes`` is 0 where there is none."""

    name: str
    nodes: int
    cost: float
    addresses: int
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
    cost : float
        The objective of the plan.
    lower_bound, lp_bound : float
        No plan costs less; the second is what the linear program alone proves.
    gap : float
        ``1 - lower_bound / cost``.
    rejected : tuple of Rejection
        Each candidate without a node, with the reason.
    infeasible : tuple of Infeasible
        Why there is no plan.
    single_type, other_mode : Alternative or None
        The best plan found with one type, and with the other address mode.
    status : str
        ``proved`` where the bound meets the cost, else ``gap``, ``interrupted`` or
        ``infeasible``.

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
    cost: float = 0.0
    lower_bound: float = 0.0
    lp_bound: float = 0.0
    prefix_delegation: bool = False
    rejected: tuple[Rejection, ...] = field(default=(), repr=False)
    infeasible: tuple[Infeasible, ...] = ()
    single_type: Alternative | None = None
    other_mode: Alternative | None = None
    status: str = ""

    @property
    def gap(self) -> float:
        """How far the cost may be above the cheapest possible, as a part of it."""
        return max(0.0, 1 - self.lower_bound / self.cost) if self.cost else 0.0

    @property
    def nodes(self) -> int:
        """Count the nodes."""
        return sum(group.nodes for group in self.groups)

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
        for name in ("gap", "nodes", "addresses", "prefixes", "types"):
            told[name] = getattr(self, name)
        return told

    def to_json(self) -> str:
        """Give the plan as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def rows(self) -> list[dict[str, Any]]:
        """Give one row for each kind of node."""
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
        """Give one row for each kind of node."""
        import pandas as pd

        columns = ("instance_type", "zone", "subnet", "nodes", "pods_per_node", "pods", "binds")
        more = ("addresses_per_node", "prefixes_per_node", "cost")
        return pd.DataFrame(self.rows(), columns=[*columns, *more])

    def _repr_html_(self) -> str:
        from html import escape

        head = f"<p>{escape(self.explain().splitlines()[0])}</p>"
        return head + self.to_pandas().to_html(index=False)

    def explain(self) -> str:
        """Say in words what the plan is, or why there is none."""
        if not self.feasible:
            return "\n".join(
                f"No plan ({reason.code}): {reason.why}. {reason.remedy}."
                for reason in self.infeasible
            )
        types = ", ".join(f"{number:,} x {name}" for name, number in self.types.items())
        lines = [
            (
                f"{self.nodes:,} nodes ({types}): {self.cost:,.6g} {self.cost_unit}; no plan costs "
                f"less than {self.lower_bound:,.6g}, so this one is within {100 * self.gap:.3f} %."
            ),
            f"They take {self.addresses:,} subnet addresses"
            + (f" with {self.prefixes:,} /28 prefixes." if self.prefixes else "."),
        ]
        lines += [
            f"{group.nodes:,} x {group.instance_type}"
            + (f" in {group.subnet or group.zone}" if group.subnet or group.zone else "")
            + f": {group.pods_used:,} pods each, {group.binds} binds."
            for group in self.groups
        ]
        for other in (self.single_type, self.other_mode):
            if other is not None:
                told = f"{other.nodes:,} nodes, {other.cost:,.6g}" if other.nodes else other.why
                lines.append(f"{other.name}: {told}.")
        return "\n".join(lines)

    def node_groups(self, *, cluster: str = "CLUSTER", region: str = "REGION") -> str:
        """Write the fleet as EKS managed node groups of eksctl (``eksctl.io/v1alpha5``)."""
        import yaml

        places: dict[tuple[str, str, str], int] = {}
        for group in self.groups:
            key = (group.instance_type, group.zone, group.subnet)
            places[key] = places.get(key, 0) + group.nodes
        managed = []
        for (name, zone, subnet), number in sorted(places.items()):
            entry: dict[str, Any] = {
                "name": "-".join(filter(None, ("windows", name.replace(".", "-"), subnet or zone))),
                "amiFamily": "WindowsServer2022CoreContainer",
                "instanceTypes": [name],
                "desiredCapacity": number,
                "minSize": number,
                "maxSize": number,
            }
            if subnet:
                entry["subnets"] = [subnet]
            elif zone:
                entry["availabilityZones"] = [zone]
            managed.append(entry)
        told = {
            "apiVersion": "eksctl.io/v1alpha5",
            "kind": "ClusterConfig",
            "metadata": {"name": cluster, "region": region},
            "managedNodeGroups": managed,
        }
        return str(yaml.safe_dump(told, sort_keys=False))

    def karpenter(self, *, name: str = "windows", node_class: str = "windows") -> str:
        """Write the types and zones of the fleet as a Karpenter NodePool (``karpenter.sh/v1``)."""
        import yaml

        wanted: dict[str, list[str]] = {
            "kubernetes.io/os": ["windows"],
            "kubernetes.io/arch": ["amd64"],
            "node.kubernetes.io/instance-type": list(self.types),
        }
        zones = sorted({group.zone for group in self.groups} - {""})
        if zones:
            wanted["topology.kubernetes.io/zone"] = zones
        told = {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodePool",
            "metadata": {"name": name},
            "spec": {
                "template": {
                    "spec": {
                        "requirements": [
                            {"key": key, "operator": "In", "values": values}
                            for key, values in wanted.items()
                        ],
                        "nodeClassRef": {
                            "group": "karpenter.k8s.aws",
                            "kind": "EC2NodeClass",
                            "name": node_class,
                        },
                    }
                },
            },
        }
        return str(yaml.safe_dump(told, sort_keys=False))
