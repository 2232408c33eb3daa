"""What do the rooms say of one cluster: head-room, findings, waiting pods, the fleet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eks_win_capacity.core.display import Listed, Shown
from eks_win_capacity.core.errors import CapacityError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from eks_win_capacity.catalog import Catalog
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


def answers_of(
    name: str,
    state: ClusterState,
    *,
    prices: Any,
    time_limit_s: float | None,
    now: date | None,
    catalog: Catalog,
) -> ClusterPart:
    """
    Every answer about one cluster; what the state does not tell is a reason in words.

    Parameters
    ----------
    name : str
    state : ClusterState
    prices : Prices, Series, DataFrame, mapping or None
        As in `plan_fleet`.
    time_limit_s : float or None
        For the plan. [s]
    now : date or None
        The day by which ends of support are judged.
    catalog : Catalog
    """
    from eks_win_capacity.cluster.checks import check_cluster
    from eks_win_capacity.cluster.pending import explain_pending
    from eks_win_capacity.cluster.report import cluster_report
    from eks_win_capacity.planning import plan_fleet

    questions: dict[str, Callable[[], Any]] = {
        "capacity": lambda: cluster_report(state, catalog=catalog),
        "pending": lambda: explain_pending(state, catalog=catalog),
        "plan": lambda: plan_fleet(
            state,
            current=state,
            prices=prices,
            prefix_delegation=_mode(answers.get("capacity")),
            time_limit_s=time_limit_s,
            catalog=catalog,
        ),
    }
    answers: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for question, ask in questions.items():
        try:
            answers[question] = ask()
        except CapacityError as error:
            missing[question] = str(error)
    return ClusterPart(
        name=name,
        state=state,
        findings=check_cluster(state, catalog=catalog, now=now),
        missing=missing,
        **answers,
    )


def _mode(capacity: ClusterReport | None) -> bool | None:
    """Address mode of the cluster, in which its fleet is planned."""
    return None if capacity is None else capacity.prefix_delegation
