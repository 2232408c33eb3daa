"""What still fits into a subnet, what to reserve for it, how large it must be."""

from __future__ import annotations

from eks_win_capacity.placement._census import subnet_census
from eks_win_capacity.placement._nodes import NodesThatFit, nodes_that_fit
from eks_win_capacity.placement._reservations import ReservationPlan, reservation_plan
from eks_win_capacity.placement._sizes import SmallestSubnet, SubnetNeed, smallest_subnet

__all__ = [
    "NodesThatFit",
    "ReservationPlan",
    "SmallestSubnet",
    "SubnetNeed",
    "nodes_that_fit",
    "reservation_plan",
    "smallest_subnet",
    "subnet_census",
]
