"""The instance table: load, look up, say its date."""

from __future__ import annotations

from eks_win_capacity.catalog._catalog import Catalog
from eks_win_capacity.catalog._diff import CatalogDiff, Change
from eks_win_capacity.catalog._instance_type import InstanceType
from eks_win_capacity.catalog._windows import Reason, WindowsVerdict

__all__ = [
    "Catalog",
    "CatalogDiff",
    "Change",
    "InstanceType",
    "Reason",
    "WindowsVerdict",
]
