"""
Columns of capacity for the frames of any engine: pandas, Polars, Arrow, DuckDB, Dask, Spark.

A frame comes back as the kind that came in, and a lazy one stays lazy.
"""

from eks_win_capacity.frames.attached import with_attached_addresses
from eks_win_capacity.frames.sized import nodes_needed, totals, with_capacity

__all__ = ["nodes_needed", "totals", "with_attached_addresses", "with_capacity"]
