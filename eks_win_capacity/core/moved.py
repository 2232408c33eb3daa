"""Old paths of modules that have moved: they still import, with a warning that names the new one."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

PACKAGE = __name__.partition(".")[0]

MOVED = {
    "addresses.curve": "addresses.warm_pool",
    "addresses.keys": "addresses.targets",
    "addresses.masks": "addresses.parsing",
    "addresses.node_need": "addresses.fit",
    "addresses.occupancy": "addresses.census",
    "addresses.reservations": "addresses.parsing",
    "addresses.reserve": "addresses.sizes",
    "addresses.room": "addresses.fit",
    "bulk": "density.fleet",
    "capacity": "density.max_pods",
    "catalog.files": "catalog.saved",
    "catalog.json_files": "catalog.saved",
    "census": "addresses.census",
    "cluster.drains": "cluster.full_subnet",
    "cluster.karpenter": "cluster.autoscalers",
    "configmap": "addresses.configmap",
    "constants": "core.constants",
    "core.kernels": "catalog.limits",
    "errors": "core.errors",
    "exhaustion": "forecast",
    "findings": "core.findings",
    "fleet": "planning",
    "fleet_codes": "density.fleet_codes",
    "forecast.adapting": "forecast.seasons",
    "forecast.answers": "forecast.paths",
    "forecast.peaks": "forecast.periods",
    "kernels": "catalog.limits",
    "kubectl.eksctl": "kubectl.planned",
    "kubectl.templates": "kubectl.planned",
    "limit_table": "catalog.limit_table",
    "limits": "catalog.limits",
    "masking": "core.errors",
    "nodes": "density.node_capacity",
    "occupancy": "addresses.census",
    "offers": "cluster.serving",
    "packing.knapsack": "packing.relaxation",
    "packing.node_counts": "packing.first_fit",
    "packing.rounding": "packing.column_generation",
    "packing.sampling": "packing.dive",
    "placement": "addresses",
    "planning.fleet_diff": "planning.summary",
    "planning.from_cluster": "planning.workloads",
    "prices": "catalog.prices",
    "quantities": "core.quantities",
    "readiness": "cluster.checks",
    "reports": "cluster",
    "reservations": "addresses.parsing",
    "simulator.pool": "simulator.replay",
    "simulator.workload": "simulator.arrivals",
    "subnets": "addresses.subnet",
    "toggling": "addresses.mode_change",
    "warm_pool": "addresses.warm_pool",
    "warm_targets": "addresses.targets",
}
"""Old path of each public module, below the package, and where it is now."""


class _Alias:
    """Loader that puts the moved module in the place of the one that was asked for."""

    def __init__(self, target: str) -> None:
        self.target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:  # noqa: ARG002
        return None

    def exec_module(self, module: ModuleType) -> None:
        target = __import__(self.target, fromlist=("_",))
        # The import system takes what stands in sys.modules after this call.
        sys.modules[module.__name__] = target


class OldPaths:
    """Finder of the modules under their old paths."""

    @staticmethod
    def find_spec(
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG004
        target: ModuleType | None = None,  # noqa: ARG004
    ) -> ModuleSpec | None:
        """Spec of a moved module; None for every other."""
        package, _, old = fullname.partition(".")
        if package != PACKAGE or old not in MOVED:
            return None
        import warnings
        from importlib.machinery import ModuleSpec

        new = f"{PACKAGE}.{MOVED[old]}"
        message = f"{fullname} has moved; import {new}"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return ModuleSpec(fullname, _Alias(new))  # type: ignore[arg-type]
