"""The arithmetic of pod addresses, written once for any kind of column."""

from __future__ import annotations

from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX, NODE_ADDRESSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    import numpy as np
    from numpy.typing import NDArray

    ColumnT = TypeVar("ColumnT", int, NDArray[np.int64])


def secondary(ipv4_per_interface: ColumnT) -> ColumnT:
    """Count the pod addresses when every slot holds one address."""
    return ipv4_per_interface - NODE_ADDRESSES


def prefix(ipv4_per_interface: ColumnT) -> ColumnT:
    """Count the pod addresses when every slot holds a /28."""
    return secondary(ipv4_per_interface) * ADDRESSES_PER_PREFIX


def by_mode(ipv4_per_interface: ColumnT, prefixes: ColumnT) -> ColumnT:
    """
    Count the pod addresses where a mask (0 or 1) says which slots hold a /28.

    A mask and not a branch, so that one expression serves a number and a column.
    """
    return secondary(ipv4_per_interface) * (1 + prefixes * (ADDRESSES_PER_PREFIX - 1))
