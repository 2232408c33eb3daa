"""
How are names found and called: loading on first use (PEP 562), old paths, checked signatures.

This module is loaded first, so it imports nothing itself.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, TypeVar

    Called = TypeVar("Called")


def lazy_names(
    package: str, homes: Mapping[str, str], modules: Mapping[str, str] | None = None
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """
    `__getattr__` and `__dir__` of a package whose names load on first use.

    `homes` maps each name to its module, relative to the package; `modules` does so for attributes
    that are modules.
    """
    modules = modules or {}

    def get(name: str) -> object:
        """Value of a name, whose module loads on first use."""
        module = homes.get(name) or modules.get(name)
        if module is None:
            # With `name` and `obj`, Python suggests a similar name.
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package]
            )
        loaded = __import__(f"{package}.{module}", fromlist=("_",))
        value = getattr(loaded, name) if name in homes else loaded
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        """All names, including those not loaded yet."""
        return sorted({*homes, *modules})

    return get, names


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
    "core.moved": "core.lazy",
    "errors": "core.errors",
    "exhaustion": "forecast",
    "findings": "core.findings",
    "fleet": "planning",
    "fleet_codes": "density.fleet_codes",
    "forecast.adapting": "forecast.seasons",
    "forecast.answers": "forecast.paths",
    "forecast.history_views": "forecast.learning",
    "forecast.level_shifts": "forecast.history_parts",
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
    "packing.dive": "packing.solve",
    "packing.knapsack": "packing.relaxation",
    "packing.node_counts": "packing.first_fit",
    "packing.rounding": "packing.column_generation",
    "packing.sampling": "packing.first_fit",
    "placement": "addresses",
    "planning.fleet_diff": "planning.summary",
    "planning.from_cluster": "planning.workloads",
    "planning.placement": "planning.model",
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
"""New path by old path of each moved public module, relative to the package."""


class _Alias:
    """Loader that returns the moved module for its old path."""

    def __init__(self, target: str) -> None:
        self.target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:  # noqa: ARG002
        return None

    def exec_module(self, module: ModuleType) -> None:
        target = __import__(self.target, fromlist=("_",))
        # The import system uses the module in sys.modules after this call.
        sys.modules[module.__name__] = target


class OldPaths:
    """Finder of moved modules by their old paths."""

    @staticmethod
    def find_spec(
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG004
        target: ModuleType | None = None,  # noqa: ARG004
    ) -> ModuleSpec | None:
        """Spec of a moved module; None for other modules."""
        package, _, old = fullname.partition(".")
        if package != PACKAGE or old not in MOVED:
            return None
        import warnings
        from importlib.machinery import ModuleSpec

        new = f"{PACKAGE}.{MOVED[old]}"
        message = f"{fullname} has moved; import {new}"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return ModuleSpec(fullname, _Alias(new))  # type: ignore[arg-type]


_KEPT = ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "__type_params__")


def checked_call(target: Called) -> Called:
    """
    Function, or class, whose calls raise UnsupportedInputError if they do not fit the signature.

    Calls that fit are not checked.

    Examples
    --------
    >>> @checked_call
    ... def double(pods, *, times=2):
    ...     return pods * times
    >>> double(3, time=4)
    Traceback (most recent call last):
        ...
    eks_win_capacity.core.errors.UnsupportedInputError: double() has no argument 'time': did you mean 'times'?
    """
    if not isinstance(target, type):
        return _checked_function(target)  # type: ignore[arg-type,return-value]
    for name, member in list(vars(target).items()):
        if isinstance(member, (classmethod, staticmethod)):
            checked: Any = type(member)(_checked_function(member.__func__))
        elif isinstance(member, type(checked_call)):
            checked = _checked_function(member)
        else:
            continue
        if name == "__init__" or not name.startswith("_"):
            setattr(target, name, checked)
    return target


def _checked_function(function: Callable[..., Any]) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            # Further frames mean that the call fitted, and the error comes from inside.
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise
            message = _misfit(function, args, kwargs) or str(error).replace(".__init__()", "()")
        from eks_win_capacity.core.errors import UnsupportedInputError

        raise UnsupportedInputError(message)

    # As functools.wraps does, without importing functools.
    for name in _KEPT:
        if hasattr(function, name):
            setattr(called, name, getattr(function, name))
    called.__wrapped__ = function  # type: ignore[attr-defined]
    return called


def _misfit(function: Callable[..., Any], args: Sequence[object], given: Iterable[str]) -> str:
    """Message if a call does not fit: unknown name, missing pool, too many by position."""
    from difflib import get_close_matches
    from inspect import signature

    parameters = signature(function).parameters
    taken = [name for name in parameters if name not in {"self", "cls"}]
    called = f"{function.__qualname__.removesuffix('.__init__')}()"
    strange = next((name for name in given if name not in taken), None)
    if strange is not None:
        close = get_close_matches(strange, taken, n=1)
        cure = f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(taken) or 'none'}"
        if strange == "prefix_delegation" and "pool" in taken:
            cure = f"the pool says the mode: {_POOLS}"
        return f"{called} has no argument {strange!r}: {cure}"
    first = [name for name in taken if "POSITIONAL" in parameters[name].kind.name]
    number = len(args) - (len(parameters) - len(taken))
    if number > len(first):
        rest = ", ".join(name for name in taken if name not in {*first, *given})
        only = f"only {' and '.join(first)}" if first else "nothing"
        return f"{called} takes {only} by position; got {number}: name the others, of {rest}"
    if "pool" in taken and "pool" not in {*first, *given}:
        needed = [name for name in taken if parameters[name].default is parameters[name].empty]
        lacking = [name for name in needed if name not in {*first[:number], *given}]
        if "pool" in lacking:
            return f"{called} needs {' and '.join(lacking)}: {_POOLS}"
    return ""


_POOLS = "pool=WarmPool.secondary(), WarmPool.prefix() or WarmPool.from_configmap(text)"
