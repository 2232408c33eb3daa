"""
Plan the pod capacity of Windows nodes on Amazon EKS.

Pods on a node
    max_pods, ip_capacity, node_capacity, Fleet, Catalog
Addresses of a node and of a subnet
    WarmPool, attached_addresses, Subnet, nodes_that_fit, smallest_subnet, reservation_plan,
    migration, drains_for_blocks
Warm pools through time
    simulate_pool, simulate_churn, best_targets
When the addresses run out
    forecast_exhaustion, forecast_demand
The cheapest nodes
    plan_fleet, karpenter_view
A cluster as it is
    load_files, check_cluster, cluster_report, explain_pending, report
Rooms with more
    aws, kubectl, frames, simulator
Every error
    CapacityError

The types of their arguments and results are exported too, such as Workload, DemandPlan, Prices
and FleetPlan. Names load their modules on first use.
"""

import sys

from eks_win_capacity.core.lazy import OldPaths, lazy_names

__version__ = "0.1.0"

_SHOWN = {
    # Pods on a node
    "max_pods": "density.max_pods",
    "ip_capacity": "density.max_pods",
    "node_capacity": "density.node_capacity",
    "Fleet": "density.fleet",
    "Catalog": "catalog",
    # Addresses of a node and of a subnet
    "WarmPool": "addresses.warm_pool",
    "attached_addresses": "addresses.warm_pool",
    "Subnet": "addresses.subnet",
    "nodes_that_fit": "addresses.fit",
    "smallest_subnet": "addresses.sizes",
    "reservation_plan": "addresses.sizes",
    "migration": "addresses.mode_change",
    "drains_for_blocks": "cluster.full_subnet",
    # Warm pools through time
    "simulate_pool": "simulator",
    "simulate_churn": "simulator",
    "best_targets": "simulator",
    # When the addresses run out
    "forecast_exhaustion": "forecast",
    "forecast_demand": "forecast",
    # The cheapest nodes
    "plan_fleet": "planning",
    "karpenter_view": "cluster.autoscalers",
    # A cluster as it is
    "load_files": "files",
    "check_cluster": "cluster.checks",
    "cluster_report": "cluster.report",
    "explain_pending": "cluster.pending",
    "report": "html_report",
    # Every error
    "CapacityError": "core.errors",
}
"""Main functions and types, and the module of each name."""

_HOME = _SHOWN | {
    "BestTargets": "simulator",
    "Buying": "planning",
    "CatalogDiff": "catalog",
    "Churn": "simulator",
    "ClusterState": "cluster.state",
    "CronJob": "simulator",
    "DemandPlan": "forecast",
    "effective_concurrency": "simulator",
    "Empirical": "simulator",
    "estimate_windows_prices": "catalog.prices",
    "ExhaustionForecast": "forecast",
    "Exponential": "simulator",
    "Fixed": "simulator",
    "FleetPlan": "planning",
    "InstanceType": "catalog",
    "LogNormal": "simulator",
    "NodeCapacity": "density.node_capacity",
    "Poisson": "simulator",
    "PoolState": "addresses.warm_pool",
    "Prices": "catalog.prices",
    "remedies": "cluster.checks",
    "Reservation": "addresses.parsing",
    "Reserved": "density.reserved",
    "RollingUpdate": "simulator",
    "simulate_nodes": "simulator",
    "subnet_census": "addresses.subnet",
    "to_excel": "core.spreadsheet",
    "what_if": "widget",
    "Workload": "planning",
}
"""All public names: also types of arguments and results, and further functions."""

_MODULES = {
    "accessor": "accessor", "aws": "aws", "cluster": "cluster", "demo": "demo",
    "errors": "core.errors", "fleet": "planning", "frames": "frames", "kubectl": "kubectl",
    "plots": "plots", "readiness": "cluster.checks", "reports": "cluster", "simulator": "simulator",
    "toggling": "addresses.mode_change", "warm_pool": "addresses.warm_pool",
}  # fmt: skip
"""Submodules available as attributes, and their locations."""

_ROOMS = ("aws", "frames", "kubectl", "simulator")
"""Submodules that completion lists besides the main names."""

__all__ = ["__version__", *_HOME, *_MODULES]  # noqa: PLE0604

__getattr__, _ = lazy_names(__name__, _HOME, _MODULES)


def __dir__() -> list[str]:
    """The main names and submodules, for completion."""
    return sorted((*_SHOWN, *_ROOMS))


sys.meta_path.insert(0, OldPaths)
