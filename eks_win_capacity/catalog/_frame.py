"""The instance table as a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

if TYPE_CHECKING:
    from eks_win_capacity.catalog._instance_type import InstanceTable

_COUNTS: Final = ("ipv4_per_interface", "network_interfaces", "vcpus", "memory_mib")
_FLAGS: Final = ("bare_metal", "nitro", "current_generation")
_TUPLES: Final = ("architectures", "usage_classes", "regions")


def frame(catalog: InstanceTable) -> pd.DataFrame:
    """Make the frame of `Catalog.to_pandas`; an empty catalog keeps its dtypes."""
    rows = list(catalog.values())
    columns: dict[str, pd.Series] = {}
    names = pd.Index(list(catalog), name="instance_type", dtype=None if rows else object)

    def column(values: list[object], dtype: str | None) -> pd.Series:
        return pd.Series(values, index=names, dtype=dtype if rows or dtype else "object")

    columns["family"] = column([row.family for row in rows], None)
    for name in _COUNTS:
        columns[name] = column([getattr(row, name) for row in rows], "int64")
    columns["hypervisor"] = column([row.hypervisor for row in rows], None)
    for name in _FLAGS:
        columns[name] = column([getattr(row, name) for row in rows], "bool")
    for name in _TUPLES:
        columns[name] = column([getattr(row, name) for row in rows], "object")
    columns["windows"] = column([row.windows.status for row in rows], None)
    columns["windows_reasons"] = column([row.windows.codes for row in rows], "object")
    made = pd.DataFrame(columns, index=names)
    made.attrs.update(as_of=catalog.as_of, source=catalog.source)
    return made
