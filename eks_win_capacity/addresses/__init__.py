"""How many addresses does a node need, and how many does its subnet have."""

from eks_win_capacity.core.lazy import lazy_names

_HOME = {
    "NodesThatFit": "fit", "PoolState": "warm_pool", "Reservation": "parsing",
    "ReservationPlan": "sizes", "SmallestSubnet": "sizes", "Subnet": "subnet",
    "SubnetNeed": "sizes", "WarmPool": "warm_pool", "attached_addresses": "warm_pool",
    "migration": "mode_change", "nodes_that_fit": "fit", "reservation_plan": "sizes",
    "smallest_subnet": "sizes", "subnet_census": "subnet",
}  # fmt: skip
"""Module of each name; each loads on first use."""

__all__ = [*_HOME]  # noqa: PLE0604

__getattr__, __dir__ = lazy_names(__name__, _HOME)
