"""
Capacity columns for frames of any engine: pandas, Polars, Arrow, DuckDB, Dask, Spark.

The result has the kind of the input frame, and a lazy frame stays lazy.
"""

from eks_win_capacity.core.errors import MissingExtraError
from eks_win_capacity.core.lazy import lazy_names

_HOME = {
    "nodes_needed": "sized",
    "study": "grouped",
    "totals": "sized",
    "with_attached_addresses": "sized",
    "with_capacity": "sized",
}
"""Module of each name; narwhals loads with the first one that is used."""

__all__ = [*_HOME]  # noqa: PLE0604

_get, __dir__ = lazy_names(__name__, _HOME)


def __getattr__(name: str) -> object:
    """A function, loaded on first use; without narwhals, the error names the extra."""
    try:
        return _get(name)
    except ModuleNotFoundError as error:
        if error.name != "narwhals":
            raise
        raise MissingExtraError("narwhals", extra="frames", purpose="a frame") from error
