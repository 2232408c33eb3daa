"""How many nodes fit in a subnet: what a node needs, what the subnet has, and what binds."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from eks_win_capacity.addresses.subnet import Subnet, listed_subnets
from eks_win_capacity.addresses.warm_pool import WarmPool, curve_of, targets_of
from eks_win_capacity.catalog import given_or_bundled
from eks_win_capacity.catalog.limits import prefix, secondary
from eks_win_capacity.core.arrays import count, counts, flag, unmasked
from eks_win_capacity.core.constants import (
    ADDRESSES_PER_PREFIX,
    NODE_ADDRESSES,
    SUBNET_KEPT_FIRST,
    SUBNET_KEPT_LAST,
)
from eks_win_capacity.core.display import Listed, Shown
from eks_win_capacity.core.errors import (
    InputError,
    InvalidCountError,
    UnsupportedInputError,
    count_of,
)
from eks_win_capacity.core.findings import Finding
from eks_win_capacity.core.lazy import checked_call

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

    from eks_win_capacity.catalog import Catalog, InstanceType


Mode = Literal["secondary", "prefix"]


@dataclass(frozen=True, kw_only=True)
class NodeNeed:
    """
    What one node takes from its subnet.

    Attributes
    ----------
    instance_type : InstanceType
        Type of the node.
    pool : WarmPool
        Pool that acts on it.
    pods : int
        Pods on the node. [pods]
    addresses : int
        Addresses attached for pods, without the node's own. [addresses]
    prefixes : int
        Prefixes that hold these addresses. [prefixes]
    findings : tuple of Finding
        Problems of this type in this mode.
    """

    instance_type: InstanceType
    pool: WarmPool
    pods: int
    addresses: int
    prefixes: int
    findings: tuple[Finding, ...] = ()

    @property
    def in_all(self) -> int:
        """Addresses that the node takes, including its own."""
        return NODE_ADDRESSES + self.addresses


def known_type(name: object, catalog: Catalog | None) -> InstanceType:
    """Instance type by name, from the bundled table or a given catalog."""
    if not isinstance(name, str):
        raise UnsupportedInputError(f"instance_type must be a name like 'm5.large'; got {name!r}")
    return given_or_bundled(catalog)[name]


def one_count_of_pods(pods_per_node: object) -> int:
    """Pods per node as one number; UnsupportedInputError if it is a column."""
    pods = counts(pods_per_node, name="pods_per_node")
    if pods.ndim:
        raise UnsupportedInputError(f"pods_per_node must be one number; got {pods_per_node!r}")
    return int(pods)


def acting_pool(instance: InstanceType, pool: object) -> WarmPool:
    """
    Pool that acts on a type.

    The targets of a ConfigMap apply only to the pool of its own mode. A type without prefix
    delegation runs in secondary mode, with the default targets.
    """
    if not isinstance(pool, WarmPool):
        raise UnsupportedInputError(
            f"pool must be a WarmPool, such as WarmPool.prefix() or "
            f"WarmPool.from_configmap(...); got {pool!r}"
        )
    return WarmPool.secondary() if pool.prefix_delegation and not instance.nitro else pool


def node_need(
    instance: InstanceType, pods: int, pool: object, *, fragmented: bool = False
) -> NodeNeed:
    """
    Addresses and prefixes that one node with this number of pods takes from its subnet.

    Raises InvalidCountError if the node cannot run this many pods.
    """
    acting = acting_pool(instance, pool)
    curve = curve_of(instance.ipv4_per_interface, acting, fragmented=fragmented)
    if pods > curve.most:
        raise InvalidCountError(_too_many(instance, acting, pods, curve.most))
    return NodeNeed(
        instance_type=instance,
        pool=acting,
        pods=pods,
        addresses=int(curve.addresses[pods]),
        prefixes=int(curve.prefixes[pods]),
        findings=_findings(instance, pool, acting),
    )


def _too_many(instance: InstanceType, pool: WarmPool, pods: int, most: int) -> str:
    slots = secondary(instance.ipv4_per_interface)
    if not pool.prefix_delegation and most < slots:
        return (
            f"pods_per_node is {pods:,}, but a pool with warm-ip-target 0 creates nothing beyond "
            f"its minimum, so {instance.name} serves {count_of(most, 'pod')} of its capacity of {slots:,}: "
            "set a warm-ip target of at least 1"
        )
    mode, formula = "secondary", f"{instance.ipv4_per_interface} addresses per interface - 1"
    cure = ""
    if pool.prefix_delegation:
        mode, formula = "prefix", f"({formula}) x {ADDRESSES_PER_PREFIX}"
    elif instance.nitro:
        cure = f", turn prefix delegation on ({prefix(instance.ipv4_per_interface):,})"
    return (
        f"pods_per_node is {pods:,}; the capacity of {instance.name} in {mode} mode is "
        f"{count_of(most, 'pod')} ({formula}): spread the pods over more nodes{cure}, or use a "
        "larger type"
    )


def _findings(instance: InstanceType, asked: object, acting: WarmPool) -> tuple[Finding, ...]:
    findings = []
    if not instance.windows.possible:
        findings.append(
            Finding(
                code="windows-unsupported",
                severity="error",
                seen=f"{instance.name} cannot run Windows",
                why=instance.windows.reasons[0].why,
                remedy="use a type of Catalog.bundled().windows()",
                source=instance.windows.source,
                subject=instance.name,
            )
        )
    if asked is not acting:
        findings.append(
            Finding(
                code="prefix-pool-not-nitro",
                severity="warning",
                seen=f"a prefix pool for {instance.name}, which is neither Nitro nor bare metal",
                why="such a node stays in secondary mode, with the default targets "
                f"{' and '.join(str(x) for x in targets_of(acting).values() if x)} whatever is set",
                remedy="use a Nitro type, or plan with secondary addresses",
                source="amazon-vpc-resource-controller-k8s b8d425119bdb",
                subject=instance.name,
            )
        )
    return tuple(findings)


_NEGLIGIBLE = 1e-30
"""Smaller probabilities are dropped, because their sum does not change a float."""


_OUTSIDE_BLOCKS = 2 * ADDRESSES_PER_PREFIX - SUBNET_KEPT_FIRST - SUBNET_KEPT_LAST
"""Usable addresses in the first and the last /28, which cannot be prefixes. [addresses]"""


@dataclass(frozen=True)
class SubnetRoom:
    """
    What a subnet can still provide for nodes.

    Attributes
    ----------
    free : int
        Addresses outside reservations, whole blocks included. [addresses]
    reserved : int
        Whole-free blocks in ``prefix`` reservations. [blocks]
    whole : int
        Whole-free blocks outside reservations. [blocks]
    """

    free: int
    reserved: int
    whole: int

    @classmethod
    def empty(cls, free: int) -> SubnetRoom:
        """Room of an empty subnet with this number of usable addresses."""
        return cls(free, 0, max(0, free - _OUTSIDE_BLOCKS) // ADDRESSES_PER_PREFIX)

    @classmethod
    def of(
        cls, subnet: Subnet, *, prefixes: bool, odds: Literal["best", "worst"] | None = None
    ) -> SubnetRoom:
        """
        Room of a subnet, including whole blocks if nodes use `prefixes`.

        If only the number of used addresses is known, `odds` chooses the estimate of whole blocks.

        Raises PlacementUnknownError if only the number is known, and there are reservations or no
        `odds`.
        """
        free = subnet.free_outside_reservations
        if not subnet.placement_known and not prefixes:
            return cls(free, 0, 0)
        if not subnet.placement_known and odds is not None:
            return cls(free, 0, int(getattr(subnet.prefix_estimate, odds)))
        census = subnet.census
        return cls(free, census.free_prefixes_reserved, census.free_prefixes_unreserved)

    def unreserved_prefixes(self, nodes: int, prefixes: int) -> int:
        """Prefixes of the nodes outside reservations; AWS uses free reserved ones first."""
        return max(0, nodes * prefixes - self.reserved)

    def holds(self, single: Any, prefixes: Any, *, best: bool = False) -> Any:
        """
        Whether single addresses and prefixes fit together; ints, or arrays of one shape.

        In the worst case each single address breaks a whole block. In the best case they fill
        broken blocks first, and the rest breaks a whole block for each 16.
        """
        drawn = np.maximum(prefixes - self.reserved, 0)
        loose = self.free - self.whole * ADDRESSES_PER_PREFIX
        broken = -(-np.maximum(single - loose, 0) // ADDRESSES_PER_PREFIX) if best else single
        return (single <= self.free) & ((drawn == 0) | (drawn + broken <= self.whole))


def most_nodes(room: SubnetRoom, *, addresses: int, prefixes: int, keep_free: int) -> int:
    """
    Nodes that fit if primary addresses break as few blocks as possible.

    Primary addresses and those kept free fill the broken blocks first. The rest breaks a whole
    block for each 16.
    """
    if not prefixes:
        return max(0, room.free - keep_free) // (NODE_ADDRESSES + addresses)

    def fits(nodes: int) -> bool:
        single = nodes * NODE_ADDRESSES + keep_free
        return bool(room.holds(single, nodes * prefixes, best=True))

    return _last(fits, room.free)


def guaranteed_nodes(room: SubnetRoom, *, addresses: int, prefixes: int, keep_free: int) -> int:
    """
    Nodes that fit wherever the primary addresses lie.

    In the worst case each of them, and each address kept free, breaks a whole block.
    """
    if not prefixes:
        return most_nodes(room, addresses=addresses, prefixes=0, keep_free=keep_free)

    def fits(nodes: int) -> bool:
        return bool(room.holds(nodes * NODE_ADDRESSES + keep_free, nodes * prefixes))

    return _last(fits, room.free)


def _last(fits: Callable[[int], bool], most: int) -> int:
    """Largest number up to `most` that fits, if all smaller ones do; 0 if none fits."""
    return max(0, bisect.bisect_left(range(most + 1), True, key=lambda n: not fits(n)) - 1)


def expected_nodes(
    room: SubnetRoom, whole: NDArray[np.float64], *, prefixes: int, keep_free: int
) -> float:
    """
    Mean number of nodes if each primary address is at a random free one.

    The future depends only on the number of whole blocks, so the state is one vector: the
    probabilities of 0, 1, ... whole blocks outside reservations, at first `whole`. With each
    node, its primary address breaks a whole block with the probability that it lies in one, and
    its prefixes (at least one) take whole blocks. `room.whole` is not used.
    """
    low, chances, expected, nodes, taken = 0, whole, 0.0, 0, 0
    while True:
        kept = np.flatnonzero(chances > _NEGLIGIBLE)
        nodes += 1
        needed = room.unreserved_prefixes(nodes, prefixes)
        free = room.free - (nodes - 1) * NODE_ADDRESSES - taken * ADDRESSES_PER_PREFIX
        after = free - NODE_ADDRESSES - (needed - taken) * ADDRESSES_PER_PREFIX
        if not kept.size or after < keep_free:
            return expected
        low, chances = low + int(kept[0]), chances[kept[0] : kept[-1] + 1]
        count = np.arange(low, low + len(chances), dtype=np.float64)
        broken = chances * (count * ADDRESSES_PER_PREFIX / free)
        # One more entry at the lower end, for the block that the primary address broke.
        moved = np.append(0.0, chances - broken)
        moved[:-1] += broken
        low -= 1 + needed - taken
        chances = moved[max(0, -low) :]
        low, taken = max(0, low), needed
        expected += float(chances.sum())


@dataclass(frozen=True, kw_only=True, repr=False)
class NodesThatFit(Shown):
    """
    Further nodes that fit in a subnet; usable as the whole number `nodes`.

    The primary address of a node is any free one outside reservations, as AWS decides. In
    prefix mode it can break a /28 that another node needs, so there is a range: `nodes` fit
    wherever primary addresses lie, `best` if they are in broken blocks first, and `expected`
    if each is random. Only `nodes` is guaranteed. A ``prefix`` reservation
    (`reservation_plan`) closes the range.

    Attributes
    ----------
    subnet : Subnet
        The given subnet.
    instance_type : str
        Type of the nodes.
    pool : WarmPool
        Pool that acts: a type that is not Nitro runs in secondary mode with the default
        targets, even with a prefix pool.
    pods_per_node : int
        Pods on each node. [pods]
    keep_free : int
        Addresses left free for others. [addresses]
    nodes, best : int
        Guaranteed and maximum number. If only the number of used addresses is known, the
        worst and the best placement of them is assumed. [nodes]
    addresses_per_node : int
        Addresses that a node takes from the subnet, including its own. [addresses]
    prefixes_per_node : int
        Prefixes that a node takes. [prefixes]
    binding : {"addresses", "prefixes"}
        What is missing for one more node than `best`.
    why : str
        Explanation with numbers.
    addresses_left : int
        Free addresses outside reservations after `best` nodes, including those kept
        free. [addresses]
    prefixes_left : int or None
        Free prefixes after `best` nodes, including reserved ones, in the best case; None in
        secondary mode if only the number of used addresses is known. [prefixes]
    findings : tuple of Finding
        Problems of the type in this mode, such as no Windows support.
    """

    subnet: Subnet
    instance_type: str
    pool: WarmPool
    pods_per_node: int
    keep_free: int
    nodes: int
    best: int
    addresses_per_node: int
    prefixes_per_node: int
    binding: Literal["addresses", "prefixes"]
    why: str
    addresses_left: int
    prefixes_left: int | None
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "findings", Listed(self.findings))

    def __int__(self) -> int:
        return self.nodes

    __index__ = __int__

    @property
    def guaranteed(self) -> int:
        """Same as `nodes`: what fits wherever addresses lie. [nodes]."""
        return self.nodes

    @property
    def mode(self) -> Mode:
        """Mode in which the nodes run."""
        return "prefix" if self.pool.prefix_delegation else "secondary"

    @cached_property
    def expected(self) -> float:
        """
        Mean number of nodes if primary addresses are random. [nodes].

        If only the number of used addresses is known, the mean is also over all placements of
        them.
        """
        if not self.prefixes_per_node:
            return float(self.nodes)
        room = SubnetRoom.of(self.subnet, prefixes=True, odds="best")
        if self.subnet.placement_known:
            whole = np.zeros(room.whole + 1)
            whole[-1] = 1.0
        else:
            whole = self.subnet.prefix_estimate.distribution
        prefixes, kept = self.prefixes_per_node, self.keep_free
        mean = expected_nodes(room, whole, prefixes=prefixes, keep_free=kept)
        # Rounding errors must not move the mean outside its bounds.
        return min(max(mean, float(self.nodes)), float(self.best))

    def _fields_shown(self) -> dict[str, Any]:
        row = self.to_dict()
        row.pop("guaranteed")
        return row

    def to_dict(self) -> dict[str, Any]:
        """One row for a table, in plain values."""
        return {
            "subnet": self.subnet.subnet_id or self.subnet.cidr,
            "cidr": self.subnet.cidr,
            "zone": self.subnet.zone,
            **{name: getattr(self, name) for name in _COLUMNS},
        }


_COLUMNS = (
    "instance_type", "mode", "pods_per_node", "addresses_per_node", "prefixes_per_node",
    "nodes", "guaranteed", "expected", "best", "binding", "addresses_left", "prefixes_left", "why",
)  # fmt: skip
"""Columns of a result after those of its subnet."""


@overload
def nodes_that_fit(
    subnet: Subnet | str,
    instance_type: str,
    *,
    pods_per_node: int,
    pool: WarmPool,
    keep_free: int = 0,
    fragmented: bool = False,
    catalog: Catalog | None = None,
) -> NodesThatFit: ...


@overload
def nodes_that_fit(
    subnet: Any,
    instance_type: Any,
    *,
    pods_per_node: Any,
    pool: WarmPool,
    keep_free: int = 0,
    fragmented: bool = False,
    catalog: Catalog | None = None,
) -> pd.DataFrame: ...


@checked_call
def nodes_that_fit(
    subnet: Any,
    instance_type: Any,
    *,
    pods_per_node: Any,
    pool: WarmPool,
    keep_free: int = 0,
    fragmented: bool = False,
    catalog: Catalog | None = None,
) -> NodesThatFit | pd.DataFrame:
    """
    Windows nodes that still fit in a subnet.

    A node takes its primary address and the addresses that its warm pool keeps attached for its
    pods: single addresses, or whole aligned /28 prefixes.

    Parameters
    ----------
    subnet : Subnet or str, or an iterable or Mapping of them
        Where the nodes run; a CIDR string is an empty subnet.
    instance_type : str or sequence of str
        Type of the nodes.
    pods_per_node : int or sequence of int
        Pods on each node; one number, or one for each type. [pods]
    pool : WarmPool
        Mode and warm targets, as the ConfigMap gives them.
    keep_free : int
        Addresses to leave free for others, such as
        ``constants.CONTROL_PLANE_ADDRESSES_ADVISED`` for the control plane. [addresses]
    fragmented : bool
        Whether each pod may use a separate prefix, as on a node with much churn. By default
        pods fill prefixes one by one, as on a node that has only grown.
    catalog : Catalog, optional
        Where the types are looked up; the bundled table by default.

    Returns
    -------
    NodesThatFit or DataFrame
        A value for one subnet and one type; otherwise one row for each subnet and type,
        each with the room of the whole subnet to itself. A Mapping gives the names of
        the subnets.

    Raises
    ------
    InvalidCountError
        If a node of the type cannot serve so many pods; the error names its capacity.
    UnknownInstanceTypeError
        If a type is not in the catalog.
    PlacementUnknownError
        If only a count of used addresses is known and there are reservations.
    InputError
        If no subnet or type is given, or `pods_per_node` does not go with the types.

    References
    ----------
    Amazon EC2 user guide, "Prefix delegation for Amazon EC2 network interfaces".
    Amazon VPC user guide, "Subnet CIDR reservations".

    Examples
    --------
    >>> import eks_win_capacity as ewc
    >>> fit = ewc.nodes_that_fit(
    ...     ewc.Subnet("10.0.0.0/24"),
    ...     "m5.large",
    ...     pods_per_node=30,
    ...     pool=ewc.WarmPool.prefix(),
    ... )
    >>> fit.nodes, round(fit.expected, 2), fit.best
    (4, 5.01, 7)
    >>> fit.why
    'the next node needs 2 whole /28 prefixes and 0 are left, though 20 addresses are free'
    >>> int(
    ...     ewc.nodes_that_fit(
    ...         "10.0.0.0/24", "m5.large", pods_per_node=9, pool=ewc.WarmPool.secondary()
    ...     )
    ... )
    25
    """
    kept, fragmented = count(keep_free, name="keep_free"), flag(fragmented, name="fragmented")
    if isinstance(subnet, (Subnet, str)) and isinstance(instance_type, str):
        one, pods = known_type(instance_type, catalog), one_count_of_pods(pods_per_node)
        need = node_need(one, pods, pool, fragmented=fragmented)
        return fit_of(Subnet(subnet) if isinstance(subnet, str) else subnet, need, kept)
    names, listed = listed_subnets(subnet)
    needs = [
        node_need(known_type(name, catalog), pods, pool, fragmented=fragmented)
        for name, pods in _types_and_pods(instance_type, pods_per_node)
    ]
    import pandas as pd

    return pd.DataFrame(
        [
            fit_of(one_subnet, need, kept).to_dict() | ({} if name is None else {"subnet": name})
            for name, one_subnet in zip(names, listed, strict=True)
            for need in needs
        ]
    )


def _types_and_pods(instance_type: Any, pods_per_node: Any) -> list[tuple[str, int]]:
    """Pairs of a type and the pods on each of its nodes."""
    instance_type = unmasked(instance_type, "instance_type")
    if not isinstance(instance_type, Iterable):
        raise UnsupportedInputError(f"instance_type must be names; got {instance_type!r}")
    types = [instance_type] if isinstance(instance_type, str) else list(instance_type)
    pods = counts(pods_per_node, name="pods_per_node")
    if not types:
        raise InputError("give at least one instance type")
    if pods.shape not in {(), (len(types),)}:
        raise InputError(
            f"pods_per_node has shape {pods.shape} and there are {len(types)} instance types; "
            "give one number, or one for each type"
        )
    return list(zip(types, np.broadcast_to(pods, len(types)).tolist(), strict=True))


def fit_of(subnet: Subnet, need: NodeNeed, keep_free: int) -> NodesThatFit:
    """Nodes of one type and pool that fit in one subnet."""
    takes = {"addresses": need.addresses, "prefixes": need.prefixes, "keep_free": keep_free}
    room = SubnetRoom.of(subnet, prefixes=bool(need.prefixes), odds="best")
    worst = SubnetRoom.of(subnet, prefixes=bool(need.prefixes), odds="worst")
    best = most_nodes(room, **takes)
    singles = NODE_ADDRESSES if need.prefixes else need.in_all
    drawn = room.unreserved_prefixes(best, need.prefixes)
    left = room.free - best * singles - drawn * ADDRESSES_PER_PREFIX
    whole = min(room.whole - drawn, left // ADDRESSES_PER_PREFIX)
    reserved = max(0, room.reserved - best * need.prefixes)
    known = bool(need.prefixes) or subnet.placement_known
    binding, why = _stop(room, need, keep_free, left, best)
    return NodesThatFit(
        subnet=subnet,
        instance_type=need.instance_type.name,
        pool=need.pool,
        pods_per_node=need.pods,
        keep_free=keep_free,
        nodes=guaranteed_nodes(worst, **takes),
        best=best,
        addresses_per_node=need.in_all,
        prefixes_per_node=need.prefixes,
        binding=binding,
        why=why,
        addresses_left=left,
        prefixes_left=reserved + whole if known else None,
        findings=need.findings,
    )


def _stop(
    room: SubnetRoom, need: NodeNeed, keep_free: int, left: int, nodes: int
) -> tuple[Literal["addresses", "prefixes"], str]:
    """What binds, and why the next node does not fit."""
    kept = f", {keep_free:,} of them kept free" if keep_free else ""
    if not need.prefixes:
        return "addresses", (
            f"the next node needs {count_of(need.in_all, 'address', 'addresses')} and "
            f"{left:,} outside reservations {'is' if left == 1 else 'are'} left{kept}"
        )
    if (nodes + 1) * NODE_ADDRESSES + keep_free > room.free:
        return "addresses", (
            f"the next node needs a primary address and {left:,} outside reservations "
            f"{'is' if left == 1 else 'are'} left{kept}"
        )
    drawn = room.unreserved_prefixes(nodes, need.prefixes)
    spare = max(0, left - NODE_ADDRESSES - keep_free) // ADDRESSES_PER_PREFIX
    prefixes = max(0, room.reserved - nodes * need.prefixes) + min(room.whole - drawn, spare)
    beside = (
        " beside its own address" if min(room.whole - drawn, spare) < room.whole - drawn else ""
    )
    return "prefixes", (
        f"the next node needs {count_of(need.prefixes, 'whole /28 prefix', 'whole /28 prefixes')}"
        f"{beside} and {prefixes:,} {'is' if prefixes == 1 else 'are'} left, though "
        f"{count_of(left, 'address is', 'addresses are')} free{kept}"
    )
