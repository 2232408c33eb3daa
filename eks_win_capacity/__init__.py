"""
Plan the pod capacity of Windows nodes on Amazon EKS.

Names load their modules on first use: a script that asks one question should
not wait for the libraries of the others.
"""

from __future__ import annotations

import sys

from eks_win_capacity.core.moved import OldPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from eks_win_capacity.addresses import nodes_that_fit as nodes_that_fit
    from eks_win_capacity.addresses import reservation_plan as reservation_plan
    from eks_win_capacity.addresses import smallest_subnet as smallest_subnet
    from eks_win_capacity.addresses import subnet_census as subnet_census
    from eks_win_capacity.addresses.mode_change import migration as migration
    from eks_win_capacity.addresses.reservations import Reservation as Reservation
    from eks_win_capacity.addresses.subnet import Subnet as Subnet
    from eks_win_capacity.addresses.warm_pool import PoolState as PoolState
    from eks_win_capacity.addresses.warm_pool import WarmPool as WarmPool
    from eks_win_capacity.addresses.warm_pool import attached_addresses as attached_addresses
    from eks_win_capacity.catalog import Catalog as Catalog
    from eks_win_capacity.catalog import CatalogDiff as CatalogDiff
    from eks_win_capacity.catalog import InstanceType as InstanceType
    from eks_win_capacity.catalog.prices import Prices as Prices
    from eks_win_capacity.catalog.prices import estimate_windows_prices as estimate_windows_prices
    from eks_win_capacity.cluster import cluster_report as cluster_report
    from eks_win_capacity.cluster import explain_pending as explain_pending
    from eks_win_capacity.cluster import karpenter_view as karpenter_view
    from eks_win_capacity.cluster.checks import check_cluster as check_cluster
    from eks_win_capacity.cluster.checks import remedies as remedies
    from eks_win_capacity.cluster.state import ClusterState as ClusterState
    from eks_win_capacity.core.errors import CapacityError as CapacityError
    from eks_win_capacity.density.fleet import Fleet as Fleet
    from eks_win_capacity.density.max_pods import ip_capacity as ip_capacity
    from eks_win_capacity.density.max_pods import max_pods as max_pods
    from eks_win_capacity.density.node_capacity import NodeCapacity as NodeCapacity
    from eks_win_capacity.density.node_capacity import Reserved as Reserved
    from eks_win_capacity.density.node_capacity import node_capacity as node_capacity
    from eks_win_capacity.files import load_files as load_files
    from eks_win_capacity.forecast import DemandPlan as DemandPlan
    from eks_win_capacity.forecast import ExhaustionForecast as ExhaustionForecast
    from eks_win_capacity.forecast import forecast_demand as forecast_demand
    from eks_win_capacity.forecast import forecast_exhaustion as forecast_exhaustion
    from eks_win_capacity.planning import FleetPlan as FleetPlan
    from eks_win_capacity.planning import Workload as Workload
    from eks_win_capacity.planning import plan_fleet as plan_fleet
    from eks_win_capacity.simulator import BestTargets as BestTargets
    from eks_win_capacity.simulator import Churn as Churn
    from eks_win_capacity.simulator import CronJob as CronJob
    from eks_win_capacity.simulator import Empirical as Empirical
    from eks_win_capacity.simulator import Exponential as Exponential
    from eks_win_capacity.simulator import Fixed as Fixed
    from eks_win_capacity.simulator import LogNormal as LogNormal
    from eks_win_capacity.simulator import Poisson as Poisson
    from eks_win_capacity.simulator import RollingUpdate as RollingUpdate
    from eks_win_capacity.simulator import best_targets as best_targets
    from eks_win_capacity.simulator import effective_concurrency as effective_concurrency
    from eks_win_capacity.simulator import simulate_churn as simulate_churn
    from eks_win_capacity.simulator import simulate_nodes as simulate_nodes
    from eks_win_capacity.simulator import simulate_pool as simulate_pool

__version__ = "0.1.0"

_HOME = {
    "attached_addresses": "addresses.warm_pool",
    "best_targets": "simulator",
    "BestTargets": "simulator",
    "CapacityError": "core.errors",
    "Catalog": "catalog",
    "CatalogDiff": "catalog",
    "check_cluster": "cluster.checks",
    "Churn": "simulator",
    "cluster_report": "cluster",
    "ClusterState": "cluster",
    "CronJob": "simulator",
    "DemandPlan": "forecast",
    "effective_concurrency": "simulator",
    "Empirical": "simulator",
    "estimate_windows_prices": "catalog.prices",
    "ExhaustionForecast": "forecast",
    "explain_pending": "cluster",
    "Exponential": "simulator",
    "Fixed": "simulator",
    "Fleet": "density.fleet",
    "FleetPlan": "planning",
    "forecast_demand": "forecast",
    "forecast_exhaustion": "forecast",
    "InstanceType": "catalog",
    "ip_capacity": "density.max_pods",
    "karpenter_view": "cluster",
    "load_files": "files",
    "LogNormal": "simulator",
    "max_pods": "density.max_pods",
    "migration": "addresses.mode_change",
    "node_capacity": "density.node_capacity",
    "NodeCapacity": "density.node_capacity",
    "nodes_that_fit": "addresses",
    "plan_fleet": "planning",
    "Poisson": "simulator",
    "PoolState": "addresses.warm_pool",
    "Prices": "catalog.prices",
    "remedies": "cluster.checks",
    "Reservation": "addresses.reservations",
    "reservation_plan": "addresses",
    "Reserved": "density.node_capacity",
    "RollingUpdate": "simulator",
    "simulate_churn": "simulator",
    "simulate_nodes": "simulator",
    "simulate_pool": "simulator",
    "smallest_subnet": "addresses",
    "Subnet": "addresses.subnet",
    "subnet_census": "addresses",
    "WarmPool": "addresses.warm_pool",
    "Workload": "planning",
}
"""Where each public name lives."""

_MODULES = {
    "aws": "aws",
    "cluster": "cluster",
    "errors": "core.errors",
    "fleet": "planning",
    "kubectl": "kubectl",
    "readiness": "cluster.checks",
    "reports": "cluster",
    "simulator": "simulator",
    "toggling": "addresses.mode_change",
    "warm_pool": "addresses.warm_pool",
}
"""Submodules that are reachable as attributes, and where each is now."""

__all__ = ["__version__", *_HOME, *_MODULES]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    """Load the module of a public name on first use (PEP 562)."""
    module = _HOME.get(name) or _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    loaded = __import__(f"{__name__}.{module}", fromlist=("_",))
    found = getattr(loaded, name) if name in _HOME else loaded
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the public names before they are loaded."""
    return sorted(__all__)


sys.meta_path.insert(0, OldPaths)
