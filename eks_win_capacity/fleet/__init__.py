"""The cheapest nodes that run a workload, and how near to the cheapest they are."""

from __future__ import annotations

from eks_win_capacity.fleet._api import plan_fleet
from eks_win_capacity.fleet._from_cluster import daemons_of, workloads_of
from eks_win_capacity.fleet._inputs import Workload
from eks_win_capacity.fleet._result import Alternative, FleetPlan, Infeasible, NodeGroup, Rejection
from eks_win_capacity.fleet._words import summary_lines

__all__ = [
    "Alternative",
    "FleetPlan",
    "Infeasible",
    "NodeGroup",
    "Rejection",
    "Workload",
    "daemons_of",
    "plan_fleet",
    "summary_lines",
    "workloads_of",
]
