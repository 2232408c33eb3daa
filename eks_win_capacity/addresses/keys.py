"""Which keys of its ConfigMap the controller reads, how, and what the targets keep attached."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

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
