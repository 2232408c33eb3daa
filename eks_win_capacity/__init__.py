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
    from eks_win_capacity.cluster import ClusterState as ClusterState
    from eks_win_capacity.errors import CapacityError as CapacityError
    from eks_win_capacity.files import load_files as load_files
    from eks_win_capacity.nodes import NodeCapacity as NodeCapacity
    from eks_win_capacity.nodes import Reserved as Reserved
    from eks_win_capacity.nodes import node_capacity as node_capacity
    from eks_win_capacity.prices import Prices as Prices
    from eks_win_capacity.prices import estimate_windows_prices as estimate_windows_prices
    from eks_win_capacity.readiness import check_cluster as check_cluster
    from eks_win_capacity.readiness import remedies as remedies
    from eks_win_capacity.reports import cluster_report as cluster_report
    from eks_win_capacity.reports import explain_pending as explain_pending
    from eks_win_capacity.reports import karpenter_view as karpenter_view
    from eks_win_capacity.reservations import Reservation as Reservation
    from eks_win_capacity.subnets import Subnet as Subnet
    from eks_win_capacity.warm_pool import PoolState as PoolState
    from eks_win_capacity.warm_pool import WarmPool as WarmPool
    from eks_win_capacity.warm_pool import attached_addresses as attached_addresses

__version__ = "0.1.0"

_HOME = {
    "CapacityError": "errors",
    "Catalog": "catalog",
    "CatalogDiff": "catalog",
    "ClusterState": "cluster",
    "Fleet": "bulk",
    "InstanceType": "catalog",
    "NodeCapacity": "nodes",
    "PoolState": "warm_pool",
    "Prices": "prices",
    "Reservation": "reservations",
    "Reserved": "nodes",
    "Subnet": "subnets",
    "WarmPool": "warm_pool",
    "attached_addresses": "warm_pool",
    "check_cluster": "readiness",
    "cluster_report": "reports",
    "estimate_windows_prices": "prices",
    "explain_pending": "reports",
    "ip_capacity": "capacity",
    "karpenter_view": "reports",
    "load_files": "files",
    "max_pods": "capacity",
    "node_capacity": "nodes",
    "remedies": "readiness",
}
"""Where each public name lives."""

_MODULES = ("aws", "cluster", "errors", "kubectl", "readiness", "reports", "warm_pool")
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
