"""
Plan the pod capacity of Windows nodes on Amazon EKS.

Names load their modules on first use: a script that asks one question should
not wait for the libraries of the others.
"""

import sys

from eks_win_capacity.core.lazy import OldPaths, lazy_names

__version__ = "0.1.0"

_SHOWN = {
    # Density: pods on a node
    "max_pods": "density.max_pods",
    "ip_capacity": "density.max_pods",
    "node_capacity": "density.node_capacity",
    "Fleet": "density.fleet",
    "Reserved": "density.reserved",
    # Catalog: instance types and prices
    "Catalog": "catalog",
    "InstanceType": "catalog",
    "Prices": "catalog.prices",
    # Addresses: what a node takes, what a subnet gives
    "WarmPool": "addresses.warm_pool",
    "attached_addresses": "addresses.warm_pool",
    "Subnet": "addresses.subnet",
    "subnet_census": "addresses.subnet",
    "nodes_that_fit": "addresses.fit",
    "smallest_subnet": "addresses.sizes",
    "reservation_plan": "addresses.sizes",
    "migration": "addresses.mode_change",
    # Forecast: when the addresses run out
    "forecast_exhaustion": "forecast",
    "forecast_demand": "forecast",
    "DemandPlan": "forecast",
    # Planning: the cheapest nodes
    "plan_fleet": "planning",
    "Workload": "planning",
    "Buying": "planning",
    # Cluster: is it ready, what is left, why pods wait
    "load_files": "files",
    "check_cluster": "cluster.checks",
    "cluster_report": "cluster.report",
    "explain_pending": "cluster.pending",
    # Faces: a page for those who decide, a sheet, sliders for those who try
    "report": "html_report",
    "to_excel": "core.spreadsheet",
    "what_if": "widget",
}
"""Names that answer a question, and the module of each."""

_HOME = _SHOWN | {
    "best_targets": "simulator",
    "BestTargets": "simulator",
    "CapacityError": "core.errors",
    "CatalogDiff": "catalog",
    "Churn": "simulator",
    "ClusterState": "cluster.state",
    "CronJob": "simulator",
    "drains_for_blocks": "cluster.full_subnet",
    "effective_concurrency": "simulator",
    "Empirical": "simulator",
    "estimate_windows_prices": "catalog.prices",
    "ExhaustionForecast": "forecast",
    "Exponential": "simulator",
    "Fixed": "simulator",
    "FleetPlan": "planning",
    "karpenter_view": "cluster.autoscalers",
    "LogNormal": "simulator",
    "NodeCapacity": "density.node_capacity",
    "Poisson": "simulator",
    "PoolState": "addresses.warm_pool",
    "remedies": "cluster.checks",
    "Reservation": "addresses.parsing",
    "RollingUpdate": "simulator",
    "simulate_churn": "simulator",
    "simulate_nodes": "simulator",
    "simulate_pool": "simulator",
}
"""Every public name: results and settings, and the simulator's, beside the questions."""

_MODULES = {
    "accessor": "accessor",
    "aws": "aws",
    "cluster": "cluster",
    "demo": "demo",
    "errors": "core.errors",
    "fleet": "planning",
    "frames": "frames",
    "kubectl": "kubectl",
    "plots": "plots",
    "readiness": "cluster.checks",
    "reports": "cluster",
    "simulator": "simulator",
    "toggling": "addresses.mode_change",
    "warm_pool": "addresses.warm_pool",
}
"""Submodules that are reachable as attributes, and where each is."""

_NAMED = (
    "aws", "cluster", "demo", "frames", "kubectl", "simulator",
    "best_targets", "CapacityError", "drains_for_blocks", "karpenter_view", "simulate_churn",
    "simulate_pool",
)  # fmt: skip
"""What completion lists beside the questions: rooms, and names that a newcomer reads of."""

__all__ = ["__version__", *_HOME, *_MODULES]  # noqa: PLE0604

__getattr__, _ = lazy_names(__name__, _HOME, _MODULES)


def __dir__() -> list[str]:
    """List the names that answer a question, what the README names, and the rooms with the others."""
    return sorted({"__version__", *_SHOWN, *_NAMED})


sys.meta_path.insert(0, OldPaths)
