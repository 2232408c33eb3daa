"""What do the rooms say of one cluster: head-room, findings, waiting pods, the fleet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eks_win_capacity.core.display import Listed, Shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eks_win_capacity.cluster.pending import PendingPod
    from eks_win_capacity.cluster.report import ClusterReport
    from eks_win_capacity.cluster.state import ClusterState
    from eks_win_capacity.core.findings import Finding
    from eks_win_capacity.planning import FleetPlan


@dataclass(frozen=True, kw_only=True)
class ClusterPart(Shown):
    """
    The answers about one cluster.

    Attributes
    ----------
    name : str
    state : ClusterState
    capacity : ClusterReport or None
    findings : Listed of Finding
    pending : Listed of PendingPod, or None
    plan : FleetPlan or None
        From the nodes that run now.
    missing : mapping of str to str
        Why ``capacity``, ``pending`` or ``plan`` is None.
    """

    name: str
    state: ClusterState
    findings: Listed[Finding]
    capacity: ClusterReport | None = None
    pending: Listed[PendingPod] | None = None
    plan: FleetPlan | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its name, how many checks failed and are unknown, pods that wait, and what is missing."""
        return {
            "cluster": self.name,
            "failed": len(self.findings.failed),
            "unknown": len(self.unknown),
            "waiting": None if self.pending is None else len(self.pending),
            "missing": dict(self.missing),
        }

    def _fields_shown(self) -> dict[str, Any]:
        return self.to_dict()

    @property
    def unknown(self) -> Listed[Finding]:
        """Checks that the data do not decide."""
        return self.findings.where(lambda finding: finding.outcome == "unknown")

    @property
    def subnet_ids(self) -> frozenset[str]:
        """Names by which a history may call the subnets."""
        return frozenset(held.subnet_id for held in self.state.subnets or ())
