"""How many pod addresses do the limits of a type allow; works without loading NumPy."""

from __future__ import annotations

from eks_win_capacity._data.limits import AS_OF, ROWS, SOURCE
from eks_win_capacity.core.constants import (
    ADDRESSES_PER_PREFIX,
    KUBELET_MAX_PODS_ADVISED,
    KUBELET_MAX_PODS_SMALL,
    KUBELET_MAX_PODS_VCPUS,
    NODE_ADDRESSES,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeVar

    import numpy as np
    from numpy.typing import NDArray

    from eks_win_capacity.catalog._instance_type import InstanceType

    ColumnT = TypeVar("ColumnT", int, NDArray[np.int64])


def secondary(ipv4_per_interface: ColumnT) -> ColumnT:
    """Pod addresses if every slot holds one address."""
    return ipv4_per_interface - NODE_ADDRESSES


def prefix(ipv4_per_interface: ColumnT) -> ColumnT:
    """Pod addresses if every slot holds a /28."""
    return secondary(ipv4_per_interface) * ADDRESSES_PER_PREFIX


def by_mode(ipv4_per_interface: ColumnT, prefixes: ColumnT) -> ColumnT:
    """
    Pod addresses if the slots hold a /28 where the mask `prefixes` is 1, else one address.

    A mask instead of a branch, so that one expression works for numbers and columns.
    """
    return secondary(ipv4_per_interface) * (1 + prefixes * (ADDRESSES_PER_PREFIX - 1))


def max_pods_cap(row: InstanceType | None) -> int:
    """
    Maximum max-pods that AWS advises for a type. [pods].

    Examples
    --------
    >>> from eks_win_capacity.catalog import Catalog
    >>> max_pods_cap(Catalog.bundled()["m5.large"]), max_pods_cap(Catalog.bundled()["m5.8xlarge"])
    (110, 250)
    """
    small = row is not None and row.vcpus < KUBELET_MAX_PODS_VCPUS
    return KUBELET_MAX_PODS_SMALL if small else KUBELET_MAX_PODS_ADVISED


def bundled_limit(name: str) -> tuple[int, bool] | None:
    """
    IPv4 addresses per interface of a type, and whether it is Nitro or bare metal; None if unknown.

    The table is one string of lines ``name addresses nitro``. Finding a line takes microseconds,
    and parsing all of them would slow short scripts down.
    """
    start = ROWS.find(f"\n{name} ")
    if start < 0:
        return None
    row = ROWS[start + 1 : ROWS.index("\n", start + 1)].split(" ")
    return None if row[0] != name else (int(row[1]), row[2] == "1")


def bundled_rows() -> tuple[list[str], list[int], list[bool], str, str]:
    """Names, addresses per interface, Nitro flags, date and source of the bundled table."""
    rows = [row.split(" ") for row in ROWS.strip("\n").split("\n")]
    names, addresses, nitro = zip(*rows, strict=True)
    return list(names), [int(x) for x in addresses], [x == "1" for x in nitro], AS_OF, SOURCE


def close_names(name: str, names: Iterable[str]) -> list[str]:
    """Up to three names similar to a given one, the most similar first."""
    import difflib

    wanted = name.strip().lower()
    return difflib.get_close_matches(wanted, names, n=3, cutoff=0.75)
