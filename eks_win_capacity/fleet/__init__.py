"""The cheapest nodes that run a workload, and how near to the cheapest they are."""

from __future__ import annotations

from eks_win_capacity.fleet._inputs import Rejection, Workload
from eks_win_capacity.fleet._plan import plan_fleet
from eks_win_capacity.fleet._result import Alternative, FleetPlan, Infeasible, NodeGroup

__all__ = [
    "Alternative",
    "FleetPlan",
    "Infeasible",
    "NodeGroup",
    "Rejection",
    "Workload",
    "plan_fleet",
]
