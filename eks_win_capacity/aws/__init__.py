"""What AWS says now: boto3 calls to this library's own values."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from eks_win_capacity.aws._catalog import load_catalog as load_catalog

_HOME = {
    "load_catalog": "_catalog",
}
"""Where each loader lives; boto3 loads with the first one that is used."""

__all__ = [*_HOME]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    """Load the module of a loader on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(__import__(f"{__name__}.{_HOME[name]}", fromlist=("_",)), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the loaders before they are loaded."""
    return sorted(__all__)
