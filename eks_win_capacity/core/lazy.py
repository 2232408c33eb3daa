"""Names of a package that load their modules on first use (PEP 562)."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazy_names(
    package: str, homes: Mapping[str, str], modules: Mapping[str, str] | None = None
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """
    The `__getattr__` and `__dir__` of a package whose names load on first use.

    Parameters
    ----------
    package : str
        Name of the package.
    homes : mapping of str to str
        Module of each name, below the package.
    modules : mapping of str to str, optional
        Module, below the package, of each attribute that is a module.
    """
    modules = modules or {}

    def get(name: str) -> object:
        """Load the module of a name on first use."""
        module = homes.get(name) or modules.get(name)
        if module is None:
            # With both, Python itself asks whether a name that looks alike was meant.
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}",
                name=name,
                obj=sys.modules[package],
            )
        loaded = __import__(f"{package}.{module}", fromlist=("_",))
        value = getattr(loaded, name) if name in homes else loaded
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        """List the names before they are loaded."""
        return sorted({*homes, *modules})

    return get, names
