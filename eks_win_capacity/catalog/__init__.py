"""Which instance types exist, with limits, prices and Windows support: load, look up, compare."""

from eks_win_capacity.core.lazy import lazy_names

_HOME = {
    "Catalog": "_catalog", "CatalogDiff": "_diff", "Change": "_diff",
    "InstanceType": "_instance_type", "Reason": "_instance_type",
    "WindowsVerdict": "_instance_type", "given_or_bundled": "_catalog",
}  # fmt: skip
"""Module of each name; the first scalar answer needs none of them."""

__all__ = [*_HOME]  # noqa: PLE0604

__getattr__, __dir__ = lazy_names(__name__, _HOME)
