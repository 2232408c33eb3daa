"""What a plan says: its values, and the forms in which it is read and written."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from eks_win_capacity.core.errors import InputError
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.planning.plan_values import (
    COLUMNS,
    Alternative,
    Infeasible,
    NodeGroup,
    PlannedGroup,
    PlanValues,
    Rejection,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from eks_win_capacity.planning.summary import FleetDiff

__all__ = ["Alternative", "FleetPlan", "Infeasible", "NodeGroup", "PlannedGroup", "Rejection"]


@checked_call
@dataclass(frozen=True, kw_only=True)
class FleetPlan(PlanValues):
    """
    The cheapest fleet found, and a lower bound on its cost.

    Attributes
    ----------
    feasible : bool
        Whether there is a plan.
    groups : tuple of PlannedGroup
        The nodes.
    objective, cost_unit : str
        What is minimised, and the unit of costs.
    price_basis : str
        Source of the cost of a node: the prices and their date, or the proxy.
    estimated_prices : tuple of str
        Types of the plan whose price is an estimate.
    prices_as_of : str
        Day or month of the prices; empty if unknown.
    value : float
        The objective of the plan: its cost, nodes or addresses.
    lower_bound, lp_bound : float
        No plan has a smaller ``value``; the second is the bound by the LP relaxation alone.
    gap : float
        ``1 - lower_bound / value``.
    cost : float
        Cost of all nodes, whatever the objective.
    cost_per_month : float or None
        The same for 730 hours; None if costs are not per hour.
    prefix_delegation : bool
        The address mode.
    kubelet_max_pods : int or None
        The kubelet's limit used in the plan.
    daemon_pods, daemon_addresses : int
        Pods of DaemonSets on every node, and those among them that take an address.
    rejected : tuple of Rejection
        Each candidate without a node, with the reason.
    infeasible : tuple of Infeasible
        Reasons why no plan was found.
    single_type, other_mode : Alternative or None
        The best plan found with one type, and with the other address mode.
    best : Alternative or None
        In prefix mode with subnets: the best plan with blocks reserved for prefixes, if it is
        better than this one, which fits wherever EC2 puts the nodes' own addresses.
    rests_on, reservation_commands : tuple of str
        Reservations that the plan requires, and the commands to make them; empty if it needs
        none.
    status : str
        ``proved`` if the bound equals the cost, else ``gap`` or ``interrupted``. Without a
        plan, ``infeasible`` if that is proved, else ``not-found``.
    bound_of : str
        The plans that ``lower_bound`` covers, if not all.
    launcher : str
        Who starts the nodes, and whose estimate of their capacity counts.
    types_per_pod : int
        With a minimum number of types: how many of them can run each of the pods. This is the
        NodePool's ``minValues``, as Karpenter starts no node for which fewer types are
        possible.
    reserved : dict
        Resources that a node keeps from pods: ``cpu_m``, and memory for Windows, kubelet and
        eviction in MiB.
    scope : str
        The plans that were searched and that the bound covers: types, mode, subnets, limits.
    current : dict or None
        Current nodes by type; None if not given.
    current_kept, current_notes
        How many of these stay, by type, and notes on the others.
    node_costs, idle_addresses : dict
        By type, including current nodes: cost of a node on demand (the average, if some are
        already paid), and the subnet addresses of an empty node. Empty without current nodes.

    Examples
    --------
    >>> from eks_win_capacity import plan_fleet
    >>> plan = plan_fleet(
    ...     [{"name": "big", "replicas": 1, "cpu": "90"}], candidates=["m5.large"]
    ... )
    >>> plan.feasible, plan.infeasible[0].code
    (False, 'too-large')
    """

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain values."""
        return asdict(self) | {name: getattr(self, name) for name in _DERIVED}

    def to_json(self) -> str:
        """The plan as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> FleetPlan:
        """
        Plan from the mapping of `to_dict`.

        Raises
        ------
        InputError
            If it is not a plan, or damaged.
        """
        if "feasible" not in told:
            raise InputError("this is not a saved plan: it has no member 'feasible'")
        values = {name: told[name] for name in told if name not in {*_DERIVED, *_PRINTED}}
        values.setdefault("value", told.get("cost", 0.0))
        try:
            for name, record in _RECORDS.items():
                values[name] = tuple(record(**one) for one in values.get(name, ()))
            for name in ("single_type", "other_mode", "best"):
                if values.get(name) is not None:
                    values[name] = Alternative(**values[name])
            for name in ("estimated_prices", "current_notes", "rests_on", "reservation_commands"):
                values[name] = tuple(values.get(name, ()))
            return cls(**values)
        except TypeError as error:
            raise InputError(f"this is not a saved plan: {error}") from error

    @classmethod
    def from_json(cls, text: str) -> FleetPlan:
        """
        Plan from the string of `to_json`.

        Raises
        ------
        InputError
            If the string is not JSON, or not a plan.

        Examples
        --------
        >>> from eks_win_capacity import FleetPlan, plan_fleet
        >>> plan = plan_fleet([{"name": "web", "replicas": 9}], candidates=["m5.large"])
        >>> FleetPlan.from_json(plan.to_json()) == plan
        True
        """
        try:
            saved = json.loads(text)
        except ValueError as error:
            raise InputError(f"this is not JSON: {error}") from error
        if not isinstance(saved, dict):
            raise InputError(f"this is not a saved plan, but a {type(saved).__name__}")
        return cls.from_dict(saved)

    def rows(self) -> list[dict[str, Any]]:
        """One row for each kind of node: its type, its place and what runs on it."""
        return [
            {
                "instance_type": group.instance_type,
                "zone": group.zone,
                "subnet": group.subnet,
                "purchase": group.purchase,
                "nodes": group.nodes,
                "pods_per_node": group.pods_used,
                "pods": " ".join(f"{name}={number}" for name, number in group.pods.items()),
                "binds": group.binds,
                "addresses_per_node": group.addresses,
                "prefixes_per_node": group.prefixes,
                "cost": group.cost * group.nodes,
                "cost_per_month": self.monthly(group.cost * group.nodes),
            }
            for group in self.groups
        ]

    def to_pandas(self) -> pd.DataFrame:
        """One row for each kind of node: its type, its place and what runs on it."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=list(COLUMNS))

    def diff(self) -> FleetDiff:
        """
        Changes from the current nodes to the plan: keep, add, drain, and the saving.

        Raises
        ------
        InputError
            If the plan was made without ``current``, or is infeasible.

        Examples
        --------
        >>> from eks_win_capacity import plan_fleet
        >>> plan = plan_fleet(
        ...     [{"name": "web", "replicas": 9, "cpu": "100m"}],
        ...     candidates=["m5.large"],
        ...     current={"m5.large": 3},
        ... )
        >>> changes = plan.diff()
        >>> changes.keep, changes.add, changes.drain
        (1, 0, 2)
        """
        from eks_win_capacity.planning.summary import diff_of

        if self.current is None:
            raise InputError("the plan was not asked with present nodes; give plan_fleet current=")
        return diff_of(self._writable())

    def rejections(self) -> pd.DataFrame:
        """One row for each candidate without a node, with the reason."""
        import pandas as pd

        names = [one.name for one in fields(Rejection)]
        return pd.DataFrame([asdict(one) for one in self.rejected], columns=names)

    def explain(self) -> str:
        """Plan in words, or the reasons why none exists."""
        from eks_win_capacity.planning.summary import explained

        return explained(self)

    def __repr__(self) -> str:
        """First line of `explain`."""
        return f"<FleetPlan: {self.explain().splitlines()[0]}>"

    def __str__(self) -> str:
        """What `explain` says, so that printing a plan reads well."""
        return self.explain()

    def plot(self, *, ax: Any = None) -> Any:
        """
        Chart of nodes and cost by type, with the limit that binds first and the current nodes.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Raises
        ------
        InputError
            If the plan has no nodes.
        MissingExtraError
            Without matplotlib (extra ``plot``).
        """
        from eks_win_capacity.planning.summary import draw_plan

        return draw_plan(self, ax)

    def _repr_html_(self) -> str:
        from eks_win_capacity.planning.summary import as_html

        return as_html(self, self.to_pandas())

    def _writable(self) -> FleetPlan:
        if not self.feasible:
            reason = self.infeasible[0].code if self.infeasible else self.status
            raise InputError(f"no plan to write ({reason}); plan.explain() says what is missing")
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
        Manifest of node groups, with the kubelet's limit and the reservations of the plan.

        For the launcher ``managed``, this is a CloudFormation template of EKS managed groups
        with a launch template, else groups of eksctl (``eksctl.io/v1alpha5``). Those are
        self-managed unless the plan uses the defaults of the image (110 pods, nothing
        reserved): eksctl refuses an image for managed Windows groups, and their user data sets
        neither.

        Parameters
        ----------
        cluster, region : str
            Where.
        ami_family : str
            The Windows image.
        ami : str, optional
            Image id, instead of the newest of the family.
        taint : bool
            Whether nodes have the taint ``os=windows:NoSchedule``, which keeps Linux pods off.

        Raises
        ------
        InputError
            If the plan is infeasible, or the image is not one of Windows.
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
        """Karpenter NodePool (``karpenter.sh/v1``) of the fleet's types and zones."""
        from eks_win_capacity.planning.manifests import node_pool

        return node_pool(self._writable(), name=name, node_class=node_class, taint=taint)

    def karpenter_node_class(
        self, *, name: str = "windows", cluster: str = "CLUSTER", ami_family: str = "Windows2022"
    ) -> str:
        """EC2NodeClass that the NodePool names: image, subnets, ``maxPods``."""
        from eks_win_capacity.planning.manifests import node_class

        return node_class(self._writable(), name=name, cluster=cluster, ami_family=ami_family)


_DERIVED = ("gap", "cost", "cost_per_month", "nodes", "pods", "addresses", "prefixes", "types")
_PRINTED = ("command", "rows", "notes", "assumptions")
"""Additions of the command line to a saved plan, which are not part of it."""

_RECORDS: Mapping[str, type] = {
    "groups": PlannedGroup, "rejected": Rejection, "infeasible": Infeasible,
}  # fmt: skip
