"""Which nodes run the workloads at the least cost, and how close to the minimum they are."""

from __future__ import annotations

from eks_win_capacity.planning.costs import Buying
from eks_win_capacity.planning.plan import (
    Alternative,
    FleetPlan,
    Infeasible,
    NodeGroup,
    PlannedGroup,
    Rejection,
)
from eks_win_capacity.planning.plan_fleet import plan_fleet
from eks_win_capacity.planning.summary import summary_lines
from eks_win_capacity.planning.workloads import Workload, daemons_of, workloads_of

__all__ = [
    "Alternative",
    "Buying",
    "FleetPlan",
    "Infeasible",
    "NodeGroup",
    "PlannedGroup",
    "Rejection",
    "Workload",
    "daemons_of",
    "plan_fleet",
    "summary_lines",
    "workloads_of",
]
