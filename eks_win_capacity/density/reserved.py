"""What does a Windows node reserve for itself, and what does Karpenter assume it reserves."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.catalog.limits import secondary
from eks_win_capacity.core import arrays
from eks_win_capacity.core.constants import (
    KARPENTER_ADDED,
    KARPENTER_LACKS,
    WINDOWS_EVICTION_MIB,
    WINDOWS_KUBE_RESERVED_MIB,
    WINDOWS_SYSTEM_RESERVED_MIB,
)
from eks_win_capacity.core.display import Shown
from eks_win_capacity.core.errors import InputError, UnlikelyQuantityWarning
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.quantities import millicores, question, request, whole_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eks_win_capacity.catalog import InstanceType

_MIB: Final = 2**20

_FEW_MIB: Final = 16
"""Reserved memory below which GiB were probably intended. [MiB]"""


_MOST_MIB: Final = 2**25
"""Reserved memory above which KiB or bytes were probably intended: no node has more. [MiB]"""


@checked_call
@dataclass(frozen=True, kw_only=True)
class Reserved(Shown):
    """
    CPU and memory that a Windows node keeps from its pods.

    The defaults are those of the EKS best practices guide for Windows,
    ``--system-reserved memory=1.5Gi`` and ``--kube-reserved memory=0.5Gi``, the kubelet's
    own ``memory.available<500Mi`` (since Kubernetes 1.31), and no CPU.

    Attributes
    ----------
    cpu_m : int
        CPU kept. [thousandths of a core]
    system_memory_mib, kube_memory_mib, eviction_mib : int
        Memory kept for Windows, for kubelet and runtime, and before eviction. [MiB]

    Examples
    --------
    >>> Reserved(cpu_m=500).memory // 2**20
    2548
    """

    cpu_m: int = 0
    system_memory_mib: int = WINDOWS_SYSTEM_RESERVED_MIB
    kube_memory_mib: int = WINDOWS_KUBE_RESERVED_MIB
    eviction_mib: int = WINDOWS_EVICTION_MIB

    def __post_init__(self) -> None:
        for field in fields(self):
            number = arrays.count(getattr(self, field.name), name=field.name, high=2**31)
            # Stored as a Python int, because sums of narrow NumPy scalars would wrap.
            object.__setattr__(self, field.name, number)
            if field.name != "cpu_m" and 0 < number < _FEW_MIB:
                question(
                    f"{field.name}: {number} is {number} MiB; {number} GiB are {number * 1024}"
                )
            if field.name != "cpu_m" and number > _MOST_MIB:
                question(f"{field.name}: {number} is in MiB, more than any instance type has")

    @property
    def memory(self) -> int:
        """Total reserved memory. [bytes]."""
        return (self.system_memory_mib + self.kube_memory_mib + self.eviction_mib) * _MIB


WINDOWS_RESERVED: Final = Reserved()
"""Reservations of the EKS best practices guide, and the kubelet's default eviction threshold."""

_NOTHING: Final = Reserved(system_memory_mib=0, kube_memory_mib=0, eviction_mib=0)


def reservations(*, cpu: Any = None, memory: Any = None) -> Reserved:
    """
    Reservations of a Windows node: the given ones, and defaults for the others.

    The arguments are Kubernetes quantities of all reserved CPU and all reserved memory. Raises
    InvalidQuantityError if one is not a quantity.

    Examples
    --------
    >>> reservations(cpu="500m").cpu_m, reservations(memory="3Gi").memory == 3 * 2**30
    (500, True)
    """
    kept = WINDOWS_RESERVED
    if cpu is not None:
        kept = replace(kept, cpu_m=request(cpu, millicores, name="reserved cpu"))
    if memory is None:
        return kept
    # Whole MiB, rounded up, so that pods never get a reserved byte.
    mib = -(-request(memory, whole_bytes, name="reserved memory") // _MIB)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnlikelyQuantityWarning)  # asked once, above
        return replace(kept, system_memory_mib=mib, kube_memory_mib=0, eviction_mib=0)


def reserved_of(reserved: Reserved | Mapping[str, Any]) -> Reserved:
    """
    Reservations from an argument ``reserved`` of any kind.

    Raises InputError if it is neither a `Reserved` nor a mapping of cpu and memory;
    InvalidQuantityError if one of these is not a quantity.

    Examples
    --------
    >>> reserved_of({"memory": "3Gi"}).memory == 3 * 2**30
    True
    """
    if isinstance(reserved, Reserved):
        return reserved
    if not hasattr(reserved, "keys") or set(reserved) - {"cpu", "memory"}:
        raise InputError(
            f'reserved must be a Reserved, or a mapping with "cpu" or "memory"; got {reserved!r}'
        )
    return reservations(cpu=reserved.get("cpu"), memory=reserved.get("memory"))


def allocatable(instance: InstanceType, reserved: Reserved = WINDOWS_RESERVED) -> tuple[int, int]:
    """
    CPU [thousandths of a core] and memory [bytes] that pods may request on a node.

    0 if more is reserved than the node has.

    Examples
    --------
    >>> from eks_win_capacity import Catalog
    >>> allocatable(Catalog.bundled()["m5.large"])
    (2000, 5918162944)
    """
    return (
        max(0, instance.vcpus * 1000 - reserved.cpu_m),
        max(0, instance.memory_mib * _MIB - reserved.memory),
    )


def karpenter_cpu_reserved_m(vcpus: int) -> int:
    """
    CPU that Karpenter reserves for the kubelet. [millicores].

    6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of the rest.

    Examples
    --------
    >>> karpenter_cpu_reserved_m(1), karpenter_cpu_reserved_m(2), karpenter_cpu_reserved_m(8)
    (60, 70, 90)
    """
    shares = ((1, 600), (1, 100), (2, 50))
    kept, left = 0, vcpus
    for cores, each in shares:
        kept += min(left, cores) * each
        left = max(left - cores, 0)
    return (kept + left * 25) // 10


def karpenter_memory_mib(memory_mib: int, pods: int, reserved: Reserved = _NOTHING) -> int:
    """
    Memory that Karpenter leaves to pods. [MiB].

    It subtracts 7.5 % for the hypervisor, 255 MiB and 11 MiB for each pod of max-pods for the
    kubelet, and 100 MiB for eviction. What an EC2NodeClass reserves for kubelet and eviction
    replaces these, and what it reserves for the system is added; zeros are not written there.

    Examples
    --------
    >>> karpenter_memory_mib(8192, 110)
    6012
    """
    hypervisor = -(-memory_mib * 75 // 1000)
    kubelet = reserved.kube_memory_mib or 11 * pods + 255
    eviction = reserved.eviction_mib or 100
    return max(memory_mib - hypervisor - kubelet - eviction - reserved.system_memory_mib, 0)


def karpenter_addresses(row: InstanceType) -> int | None:
    """
    Pod addresses that Karpenter counts on a Windows node. [addresses].

    One less than the addresses of the interface, in both modes; 0 for a type that is not in
    Karpenter's own table, and None if that is unknown.

    Examples
    --------
    >>> from eks_win_capacity.catalog import Catalog
    >>> catalog = Catalog.bundled()
    >>> [karpenter_addresses(catalog[name]) for name in ("m5.large", "m8in.large", "t8i.small")]
    [9, 19, 0]
    """
    family = row.name.partition(".")[0]
    if family in KARPENTER_LACKS:
        return 0
    if "unknown-to-controller" in row.windows.codes and family not in KARPENTER_ADDED:
        return None
    return int(secondary(row.ipv4_per_interface))
