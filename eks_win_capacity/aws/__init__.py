"""AWS as a source: loaders that turn boto3 answers into values of this library."""

from __future__ import annotations

from eks_win_capacity.core.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from eks_win_capacity.aws._catalog import load_catalog as load_catalog
    from eks_win_capacity.aws._cluster import PERMISSIONS as PERMISSIONS
    from eks_win_capacity.aws._cluster import UsedSubnet as UsedSubnet
    from eks_win_capacity.aws._cluster import load_cluster as load_cluster
    from eks_win_capacity.aws._cluster import load_files as load_files
    from eks_win_capacity.aws._cluster import load_subnets as load_subnets
    from eks_win_capacity.aws._history import Metric as Metric
    from eks_win_capacity.aws._history import load_usage_history as load_usage_history
    from eks_win_capacity.aws._prices import load_prices as load_prices

_HOME = {
    "Metric": "_history", "load_usage_history": "_history", "load_prices": "_prices",
    "PERMISSIONS": "_cluster", "UsedSubnet": "_cluster", "load_catalog": "_catalog",
    "load_cluster": "_cluster", "load_files": "_cluster", "load_subnets": "_cluster",
}  # fmt: skip
"""Module of each loader; boto3 loads with the first one that is used."""

__all__ = [*_HOME]  # noqa: PLE0604

__getattr__, __dir__ = lazy_names(__name__, _HOME)
