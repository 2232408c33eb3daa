"""
Columns of capacity for the frames of any engine: pandas, Polars, Arrow, DuckDB, Dask, Spark.

A frame comes back as the kind that came in, and a lazy one stays lazy.
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
"""Module of each name; narwhals loads with the first that is used."""

__all__ = [*_HOME]  # noqa: PLE0604

_get, __dir__ = lazy_names(__name__, _HOME)


def __getattr__(name: str) -> object:
    """Load a function on first use; without narwhals the error names the extra."""
    try:
        return _get(name)
    except ModuleNotFoundError as error:
        if error.name != "narwhals":
            raise
        raise MissingExtraError("narwhals", extra="frames", purpose="a frame") from error
