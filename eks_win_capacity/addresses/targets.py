"""What the targets of a warm pool are called, and how many addresses they keep attached."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eks_win_capacity.core import kernels
from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

CONFIGMAP_NAME: Final = "amazon-vpc-cni"
CONFIGMAP_NAMESPACE: Final = "kube-system"
ENABLE_IPAM: Final = "enable-windows-ipam"
ENABLE_PREFIX_DELEGATION: Final = "enable-windows-prefix-delegation"


def asking(*, prefixes: bool) -> dict[str, str]:
    """The keys of a ConfigMap that asks for a mode."""
    return {ENABLE_IPAM: "true", ENABLE_PREFIX_DELEGATION: str(prefixes).lower()}


class Target(NamedTuple):
    """
    One target of the warm pool, by all its names, and what it is where nothing sets it.

    Attributes
    ----------
    key : str
        In the ConfigMap; ``windows-`` before it hides from Linux nodes.
    addon : str
        Value of the vpc-cni add-on that writes the key.
    chart : str
        What the add-on's chart writes where that value is not given.
    secondary, prefix : int
        What acts in each mode where no target is set. [addresses], or [prefixes]
    usual : int
        More than nodes are usually given, where a scale needs an end.
    prefix_only : bool
        Whether it acts in prefix mode alone.
    """

    key: str
    addon: str
    chart: str
    secondary: int
    prefix: int
    usual: int
    prefix_only: bool = False

    @property
    def name(self) -> str:
        """Its name as an argument and a column."""
        return self.key.replace("-", "_")


WARM_IP: Final = Target("warm-ip-target", "warmWindowsIPTarget", "1", 3, 1, 32)
MINIMUM_IP: Final = Target("minimum-ip-target", "minimumWindowsIPTarget", "3", 3, 3, 64)
WARM_PREFIX: Final = Target(
    "warm-prefix-target", "warmWindowsPrefixTarget", "0", 0, 0, 8, prefix_only=True
)
TARGETS: Final = (WARM_IP, MINIMUM_IP, WARM_PREFIX)
"""All targets, in the order in which functions take and columns show them.

Source: amazon-vpc-resource-controller-k8s, ``pkg/config/type.go``; of `chart` as `ADDON_KEYS`.
"""


ADDON_KEYS: Final = {
    # Value of the chart: (key of the ConfigMap, what the chart writes where none is given).
    "enableWindowsIpam": (ENABLE_IPAM, "false"),
    "enableWindowsPrefixDelegation": (ENABLE_PREFIX_DELEGATION, "false"),
    **{target.addon: (target.key, target.chart) for target in TARGETS},
}
"""Windows values of the vpc-cni add-on, which writes them into the ConfigMap.

Source: aws/amazon-vpc-cni-k8s, ``charts/aws-vpc-cni/values.yaml`` and
``templates/configmap.yaml``.
"""

_INT64: Final = 2**63
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_INTEGER: Final = re.compile(r"([+-]?)0*([0-9]+)", re.ASCII)


def go_bool(text: str) -> bool | None:
    """
    Read a boolean as Go's ``strconv.ParseBool`` does, or None if it is none.

    Examples
    --------
    >>> go_bool("T"), go_bool("0"), go_bool("yes"), go_bool(" true")
    (True, False, None, None)
    """
    return True if text in _TRUE else False if text in _FALSE else None


def go_int(text: str) -> int | None:
    """
    Read an integer as Go's ``strconv.Atoi`` does, or None if it is none.

    Python's ``int()`` also takes spaces, underscores and digits of any script;
    Go takes none of them. Beyond 64 bits the limit itself is the value.

    Examples
    --------
    >>> go_int("+007"), go_int("-0"), go_int("1_000"), go_int(" 5"), go_int("٣")
    (7, 0, None, None, None)
    >>> go_int("9" * 5000) == 2**63 - 1
    True
    """
    found = _INTEGER.fullmatch(text)
    if found is None:
        return None
    sign, digits = found.groups()
    # Twenty digits pass 64 bits, and Python refuses to read more than 4,300.
    size = int(digits) if len(digits) < 20 else _INT64
    return max(-size, -_INT64) if sign == "-" else min(size, _INT64 - 1)


def uses_prefix_rule(warm_ip: int, minimum_ip: int, warm_prefix: int) -> bool:
    """Whether whole warm prefixes are kept, rather than warm addresses."""
    return warm_ip <= 0 and minimum_ip <= 0 and warm_prefix > 0


class Choices(NamedTuple):
    """How one kind of columns, or of numbers, takes the least, the most and one of two."""

    least: Callable[..., Any]
    most: Callable[..., Any]
    where: Callable[[Any, Any, Any], Any]


def either(known: bool, yes: Any, no: Any) -> Any:  # noqa: FBT001
    """One of two, where the pool is one and so the choice is made before any column is read."""
    return yes if known else no


def prefixes_for(addresses: Any) -> Any:
    """Prefixes that hold so many addresses."""
    return (addresses + (ADDRESSES_PER_PREFIX - 1)) // ADDRESSES_PER_PREFIX


def used_addresses(pods: Any, slots: Any, pool: Any, ops: Choices) -> Any:
    """Pods that get an address: with nothing kept warm, none is created beyond the minimum."""
    starved = ops.where(pool.warm_ip_target == 0, ops.least(slots, pool.minimum_ip_target), slots)
    return ops.least(pods, ops.where(pool.prefix_delegation, slots * ADDRESSES_PER_PREFIX, starved))


def kept_prefixes(used: Any, occupied: Any, slots: Any, pool: Any, ops: Choices) -> Any:
    """Prefixes attached, with so many addresses used in so many of them."""
    # A pod that the node cannot hold is not a pod of its pool: the target counts those that run.
    wanted = prefixes_for(_wanted(used, pool, ops))
    by_rule = ops.where(
        pool.prefix_rule, occupied + pool.warm_prefix_target, ops.most(wanted, occupied)
    )
    return ops.where(pool.prefix_delegation, ops.least(slots, by_rule), slots * 0)


def kept_addresses(used: Any, prefixes: Any, slots: Any, pool: Any, ops: Choices) -> Any:
    """Addresses attached, with so many of them used and so many prefixes."""
    single = ops.least(slots, _wanted(used, pool, ops))
    return ops.where(pool.prefix_delegation, prefixes * ADDRESSES_PER_PREFIX, single)


def _wanted(used: Any, pool: Any, ops: Choices) -> Any:
    return ops.most(used + pool.warm_ip_target, pool.minimum_ip_target)


def _all_of(ufunc: Any) -> Callable[..., Any]:
    return lambda *values: functools.reduce(ufunc, values)


def steady_state(
    pods: Any, slots: Any, pool: Any, *, peak: Any, fragmented: Any, where: Callable[..., Any]
) -> tuple[Any, Any, Any]:
    """
    Addresses and prefixes attached, and addresses used, once everything has settled.

    Parameters
    ----------
    pods, slots : ndarray of int64
        Pods that need an address, and slots of the node. [pods], [slots]
    pool : WarmPool, or columns by the names of its fields
    peak : ndarray of int64
        The most prefixes the node ever held. [prefixes]
    fragmented : bool or ndarray of bool
        Whether every pod may sit in a prefix of its own.
    where : callable
        `either` for one pool, ``numpy.where`` for columns of them.
    """
    import numpy as np

    ops = Choices(_all_of(np.minimum), _all_of(np.maximum), where)
    used = used_addresses(pods, slots, pool, ops)
    occupied = prefixes_for(used)
    worst = np.maximum(occupied, np.minimum(np.minimum(slots, peak), used))
    prefixes = kept_prefixes(used, np.where(fragmented, worst, occupied), slots, pool, ops)
    return kept_addresses(used, prefixes, slots, pool, ops), prefixes, used


@dataclass(frozen=True, kw_only=True, eq=False)
class AddressCurve:
    """
    Addresses and prefixes that one node attaches, as a function of its pods.

    Attributes
    ----------
    addresses, prefixes : ndarray of int64, shape (capacity + 1,)
        For 0, 1, ... pods up to all that its interface can hold; read-only. The node's own
        address is not counted.
    most : int
        Pods that get an address, at most; less than the capacity where the pool keeps
        nothing warm and creates nothing beyond its minimum. [pods]
    """

    addresses: NDArray[np.int64]
    prefixes: NDArray[np.int64]
    most: int


@functools.lru_cache(maxsize=512)
def curve_of(ipv4_per_interface: int, pool: Any, *, fragmented: bool = False) -> AddressCurve:
    """
    Curve of a node whose interface takes so many addresses, under the pool that acts there.

    Hundreds of types share a few curves, so they are kept.

    Parameters
    ----------
    ipv4_per_interface : int
        [addresses]
    pool : WarmPool
    fragmented : bool
        As in `attached_addresses`.

    Examples
    --------
    >>> from eks_win_capacity import WarmPool
    >>> curve = curve_of(10, WarmPool.prefix())
    >>> curve.addresses[[0, 16, 17]], curve.most
    (array([16, 32, 32]), 144)
    """
    import numpy as np

    slots = kernels.secondary(ipv4_per_interface)
    capacity = kernels.by_mode(ipv4_per_interface, int(pool.prefix_delegation))
    pods = np.arange(capacity + 1)
    state = steady_state(pods, slots, pool, peak=slots, fragmented=fragmented, where=either)
    addresses, prefixes, used = (np.broadcast_to(column, pods.shape).copy() for column in state)
    for column in (addresses, prefixes):
        column.flags.writeable = False
    return AddressCurve(addresses=addresses, prefixes=prefixes, most=int(used[-1]))
