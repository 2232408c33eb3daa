"""
Plan the pod capacity of Windows nodes on Amazon EKS.

Names load their modules on first use: a script that asks one question should
not wait for the libraries of the others.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from eks_win_capacity.bulk import Fleet as Fleet
    from eks_win_capacity.capacity import ip_capacity as ip_capacity
    from eks_win_capacity.capacity import max_pods as max_pods
    from eks_win_capacity.catalog import Catalog as Catalog
    from eks_win_capacity.catalog import CatalogDiff as CatalogDiff
    from eks_win_capacity.catalog import InstanceType as InstanceType
    from eks_win_capacity.errors import CapacityError as CapacityError
    from eks_win_capacity.nodes import NodeCapacity as NodeCapacity
    from eks_win_capacity.nodes import Reserved as Reserved
    from eks_win_capacity.nodes import node_capacity as node_capacity
    from eks_win_capacity.placement import nodes_that_fit as nodes_that_fit
    from eks_win_capacity.placement import reservation_plan as reservation_plan
    from eks_win_capacity.placement import smallest_subnet as smallest_subnet
    from eks_win_capacity.placement import subnet_census as subnet_census
    from eks_win_capacity.reservations import Reservation as Reservation
    from eks_win_capacity.simulator import simulate_pool as simulate_pool
    from eks_win_capacity.subnets import Subnet as Subnet
    from eks_win_capacity.toggling import migration as migration
    from eks_win_capacity.warm_pool import PoolState as PoolState
    from eks_win_capacity.warm_pool import WarmPool as WarmPool
    from eks_win_capacity.warm_pool import attached_addresses as attached_addresses

__version__ = "0.1.0"

_HOME = {
    "CapacityError": "errors",
    "Catalog": "catalog",
    "CatalogDiff": "catalog",
    "Fleet": "bulk",
    "InstanceType": "catalog",
    "NodeCapacity": "nodes",
    "PoolState": "warm_pool",
    "Reservation": "reservations",
    "Reserved": "nodes",
    "Subnet": "subnets",
    "WarmPool": "warm_pool",
    "attached_addresses": "warm_pool",
    "ip_capacity": "capacity",
    "max_pods": "capacity",
    "migration": "toggling",
    "node_capacity": "nodes",
    "nodes_that_fit": "placement",
    "reservation_plan": "placement",
    "simulate_pool": "simulator",
    "smallest_subnet": "placement",
    "subnet_census": "placement",
}
"""Where each public name lives."""

_MODULES = ("aws", "errors", "simulator", "toggling", "warm_pool")
"""Submodules that are reachable as attributes."""

__all__ = ["__version__", *_HOME, *_MODULES]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    """Load the module of a public name on first use (PEP 562)."""
    module = _HOME.get(name, name if name in _MODULES else None)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    loaded = __import__(f"{__name__}.{module}", fromlist=("_",))
    found = getattr(loaded, name) if name in _HOME else loaded
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the public names before they are loaded."""
    return sorted(__all__)
