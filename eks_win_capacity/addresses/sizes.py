"""How large must a subnet be for a planned fleet, and which of its blocks to reserve."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity.addresses.fit import (
    Mode,
    NodeNeed,
    SubnetRoom,
    guaranteed_nodes,
    known_type,
    most_nodes,
    node_need,
    one_count_of_pods,
)
from eks_win_capacity.addresses.parsing import Reservation, text_of
from eks_win_capacity.addresses.subnet import Subnet
from eks_win_capacity.addresses.warm_pool import WarmPool, curve_of
from eks_win_capacity.catalog.limits import by_mode
from eks_win_capacity.core.arrays import count
from eks_win_capacity.core.constants import (
    ADDRESSES_PER_PREFIX,
    NODE_ADDRESSES,
    SUBNET_KEPT_FIRST,
    SUBNET_KEPT_LAST,
    SUBNET_PREFIX_LENGTHS,
)
from eks_win_capacity.core.display import Listed, Shown, plain_fields
from eks_win_capacity.core.errors import (
    InputError,
    InvalidCountError,
    UnsupportedInputError,
    count_of,
)
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.values import same_values

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from eks_win_capacity.catalog import Catalog, InstanceType


_LARGEST, _SMALLEST = SUBNET_PREFIX_LENGTHS
_BLOCK_LENGTH = 32 - (ADDRESSES_PER_PREFIX.bit_length() - 1)


@dataclass(frozen=True, kw_only=True)
class SubnetNeed(Shown):
    """
    What a fleet needs from one empty subnet in one mode.

    Attributes
    ----------
    mode : {"secondary", "prefix"}
    prefix_length : int or None
        Prefix length of the smallest subnet for the fleet if its prefixes are reserved
        (`reservation_plan`); None if there is none, with a `reason`.
    prefix_length_unreserved : int or None
        Prefix length without reservations, wherever primary addresses lie. In secondary mode
        both are equal.
    nodes : int
        Nodes for the pods, including surge nodes. In secondary mode more than planned if one
        cannot run that many pods. [nodes]
    addresses, prefixes : int
        What the nodes take, including primary addresses. [addresses, prefixes]
    reason : {"", "not-nitro", "starved", "too-large"}
        Why no such subnet exists; empty if there is one.
    why, remedy : str
        Explanation of the reason, and what to do.
    """

    mode: Mode
    prefix_length: int | None
    prefix_length_unreserved: int | None
    nodes: int
    addresses: int
    prefixes: int
    reason: str = ""
    why: str = ""
    remedy: str = ""

    @property
    def size(self) -> str | None:
        """Size of the smallest subnet, such as ``/24``; None if there is none."""
        return None if self.prefix_length is None else f"/{self.prefix_length}"

    @property
    def assumption(self) -> str:
        """Assumption of `size` in words; empty if it assumes nothing."""
        if not self.prefixes or self.prefix_length is None:
            return ""
        without = (
            f"a /{self.prefix_length_unreserved} is needed"
            if self.prefix_length_unreserved is not None
            else "no subnet is large enough"
        )
        return (
            f"{self.prefixes:,} prefixes are reserved before nodes start (reservation_plan); "
            f"without a reservation {without}"
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class SmallestSubnet(Shown):
    """
    Smallest subnets for a planned fleet, and which mode needs fewer addresses.

    Attributes
    ----------
    instance_type : str
        Type of the nodes.
    pods_per_node : int
        Pods on each planned node. [pods]
    nodes : int
        Planned nodes, including surge nodes. [nodes]
    keep_free : int
        Addresses left free for others. [addresses]
    secondary, prefix : SubnetNeed
        Need in each mode.
    prefix_wins : tuple of (int, int)
        Ranges of pods per node, both ends included, in which prefix mode needs fewer
        addresses for the same pods. [pods]
    crossover_pods : int or None
        Pods per node from which prefix mode always needs fewer addresses; None if it never
        does. Below it the better mode can change with every prefix. [pods]
    """

    instance_type: str
    pods_per_node: int
    nodes: int
    keep_free: int
    secondary: SubnetNeed
    prefix: SubnetNeed
    prefix_wins: tuple[tuple[int, int], ...]
    crossover_pods: int | None
    _columns: dict[str, Any] = field(repr=False, compare=False)

    __eq__ = same_values

    def _fields_shown(self) -> dict[str, Any]:
        ranges = tuple(f"{first} to {last}" for first, last in self.prefix_wins)
        return plain_fields(self) | {"prefix_wins": ranges}

    @cached_property
    def _frame(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(self._columns)

    def comparison(self) -> pd.DataFrame:
        """
        Comparison of the modes for every number of pods per node.

        Returns
        -------
        DataFrame
            ``pods_per_node``, ``secondary_nodes`` (more than planned if one cannot run the
            pods), ``secondary_addresses`` and ``prefix_addresses``. Without prefix columns
            for a type that is not Nitro.
        """
        return self._frame.copy()


@checked_call
def smallest_subnet(
    *,
    nodes: int,
    instance_type: str,
    pods_per_node: int,
    secondary_pool: WarmPool | None = None,
    prefix_pool: WarmPool | None = None,
    keep_free: int = 0,
    surge_nodes: int = 0,
    catalog: Catalog | None = None,
) -> SmallestSubnet:
    """
    Smallest empty subnet for a planned fleet, in either mode.

    If a node cannot serve that many pods in secondary mode, more nodes are counted, so that
    both modes run the same pods.

    Parameters
    ----------
    nodes : int
        Planned nodes. [nodes]
    instance_type : str
        Their type.
    pods_per_node : int
        Pods of each. [pods]
    secondary_pool, prefix_pool : WarmPool, optional
        Warm targets; the controller's defaults if left out.
    keep_free : int
        Addresses to leave free for others, such as
        ``constants.CONTROL_PLANE_ADDRESSES_ADVISED`` for the control plane. [addresses]
    surge_nodes : int
        Nodes beyond the planned ones, such as during a rolling update. [nodes]
    catalog : Catalog, optional
        Where the type is looked up; the bundled table by default.

    Returns
    -------
    SmallestSubnet
        A mode without a subnet that is large enough has None and a reason.

    Raises
    ------
    InvalidCountError
        If a node cannot serve that many pods in any mode.
    UnsupportedInputError
        If a pool is of the other mode.
    UnknownInstanceTypeError
        If the type is not in the catalog.

    References
    ----------
    Amazon VPC user guide, "Subnet CIDR blocks".
    Amazon EC2 user guide, "Prefix delegation for Amazon EC2 network interfaces".

    Examples
    --------
    >>> import eks_win_capacity as ewc
    >>> need = ewc.smallest_subnet(nodes=10, instance_type="m5.4xlarge", pods_per_node=40)
    >>> need.secondary.size, need.prefix.size, need.prefix.prefix_length_unreserved
    ('/23', '/23', 22)
    >>> need.secondary.nodes, need.secondary.addresses
    (14, 417)
    """
    instance = known_type(instance_type, catalog)
    pools = (
        _of_mode(secondary_pool, WarmPool.secondary(), "secondary_pool"),
        _of_mode(prefix_pool, WarmPool.prefix(), "prefix_pool"),
    )
    planned = count(nodes, name="nodes") + count(surge_nodes, name="surge_nodes")
    pods, kept = count(pods_per_node, name="pods_per_node"), count(keep_free, name="keep_free")
    most = by_mode(instance.ipv4_per_interface, int(instance.nitro))
    if pods > most:
        raise InvalidCountError(
            f"pods_per_node is {pods:,}; the capacity of {instance.name} is {count_of(most, 'pod')}"
            f"{' with prefix delegation' if instance.nitro else ''}: spread them over more "
            "nodes, or use a larger type"
        )
    columns = _totals(instance, pools, planned, most)
    prefix_addresses = columns.get("prefix_addresses", np.full(most, np.inf))
    ranges = _ranges(prefix_addresses < columns["secondary_addresses"])
    return SmallestSubnet(
        instance_type=instance.name,
        pods_per_node=pods,
        nodes=planned,
        keep_free=kept,
        secondary=_secondary_need(instance, pools[0], planned, pods, kept),
        prefix=_prefix_need(instance, pools[1], planned, pods, kept),
        prefix_wins=ranges,
        crossover_pods=ranges[-1][0] if ranges and ranges[-1][1] == most else None,
        _columns=columns,
    )


def _of_mode(pool: WarmPool | None, default: WarmPool, name: str) -> WarmPool:
    if pool is None:
        return default
    if type(pool) is not WarmPool or pool.prefix_delegation != default.prefix_delegation:
        mode = "prefix" if default.prefix_delegation else "secondary"
        raise UnsupportedInputError(f"{name} must be a WarmPool in {mode} mode; got {pool!r}")
    return pool


def _totals(
    instance: InstanceType, pools: tuple[WarmPool, WarmPool], planned: int, most: int
) -> dict[str, NDArray[np.int64]]:
    """Addresses of the fleet in each mode, with 1, 2, ... pods on each node."""
    pods = np.arange(1, most + 1)
    fleets, addresses = _secondary_totals(instance, pools[0], planned, pods)
    columns = {"pods_per_node": pods, "secondary_nodes": fleets, "secondary_addresses": addresses}
    if instance.nitro:
        curve = curve_of(instance.ipv4_per_interface, pools[1])
        columns["prefix_addresses"] = planned * (NODE_ADDRESSES + curve.addresses[1:])
    return columns


def _secondary_totals(
    instance: InstanceType, pool: WarmPool, planned: int, pods: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Nodes and addresses for the pods: full nodes, and one with the remainder."""
    curve = curve_of(instance.ipv4_per_interface, pool)
    most = curve.most
    if not most:
        nothing = np.zeros_like(pods)
        return nothing, nothing
    total = planned * pods
    fleets = np.where(pods <= most, planned, -(-total // most))
    per_node = np.where(pods <= most, pods, most)
    rest = np.where(pods <= most, pods, total - (fleets - 1) * most)
    each = NODE_ADDRESSES + curve.addresses[per_node]
    last = NODE_ADDRESSES + curve.addresses[np.maximum(rest, 0)]
    return fleets, np.where(fleets > 0, (fleets - 1) * each + last, 0)


def _secondary_need(
    instance: InstanceType, pool: WarmPool, planned: int, pods: int, kept: int
) -> SubnetNeed:
    if pods and not curve_of(instance.ipv4_per_interface, pool).most:
        return _no_subnet(
            "secondary",
            planned,
            reason="starved",
            why="with a warm-ip and a minimum target of 0 no pod ever gets an address",
            remedy="set a warm-ip target of at least 1",
        )
    one = np.array([pods], dtype=np.int64)
    fleets, addresses = (int(x[0]) for x in _secondary_totals(instance, pool, planned, one))
    fits = (n for n in _lengths() if _empty(n).free >= addresses + kept)
    return _need(
        "secondary",
        length=next(fits, None),
        unreserved=None,
        nodes=fleets,
        addresses=addresses,
        prefixes=0,
        kept=kept,
    )


def _prefix_need(
    instance: InstanceType, pool: WarmPool, planned: int, pods: int, kept: int
) -> SubnetNeed:
    if not instance.nitro:
        return _no_subnet(
            "prefix",
            planned,
            reason="not-nitro",
            why=f"{instance.name} is neither Nitro nor bare metal and holds no prefixes",
            remedy="use a Nitro type, or plan with secondary addresses",
        )
    curve = curve_of(instance.ipv4_per_interface, pool)
    attached, prefixes = int(curve.addresses[pods]), int(curve.prefixes[pods])
    takes = {"addresses": attached, "prefixes": prefixes, "keep_free": kept}
    lengths = [
        next((n for n in _lengths() if count(_empty(n), **takes) >= planned), None)
        for count in (most_nodes, guaranteed_nodes)
    ]
    if planned == 0:
        lengths = [next((n for n in _lengths() if _empty(n).free >= kept), None)] * 2
    return _need(
        "prefix",
        length=lengths[0],
        unreserved=lengths[1],
        nodes=planned,
        addresses=planned * (NODE_ADDRESSES + attached),
        prefixes=planned * prefixes,
        kept=kept,
    )


def _need(
    mode: Mode,
    *,
    length: int | None,
    unreserved: int | None,
    nodes: int,
    addresses: int,
    prefixes: int,
    kept: int,
) -> SubnetNeed:
    takes: dict[str, Any] = {"nodes": nodes, "addresses": addresses, "prefixes": prefixes}
    if length is None:
        largest = _empty(_LARGEST)
        return _no_subnet(
            mode,
            **takes,
            reason="too-large",
            why=f"{count_of(nodes, 'node takes', 'nodes take')} {addresses:,} addresses"
            f"{f', {prefixes:,} prefixes among them,' if prefixes else ''} and {kept:,} stay free; "
            f"the largest subnet, a /{_LARGEST}, has {largest.free:,} addresses and "
            f"{largest.whole:,} whole prefixes",
            remedy="spread the nodes over several subnets, one or more for each zone",
        )
    return SubnetNeed(
        mode=mode,
        prefix_length=length,
        prefix_length_unreserved=unreserved if prefixes else length,
        **takes,
    )


def _no_subnet(
    mode: Mode, nodes: int, *, addresses: int = 0, prefixes: int = 0, **reason: str
) -> SubnetNeed:
    """Need that no subnet meets, and the reason."""
    return SubnetNeed(
        mode=mode,
        prefix_length=None,
        prefix_length_unreserved=None,
        nodes=nodes,
        addresses=addresses,
        prefixes=prefixes,
        **reason,
    )


def _lengths() -> range:
    """Prefix lengths of subnets, the smallest subnet first."""
    return range(_SMALLEST, _LARGEST - 1, -1)


def _empty(length: int) -> SubnetRoom:
    """Room of an empty subnet."""
    return SubnetRoom.empty((1 << (32 - length)) - SUBNET_KEPT_FIRST - SUBNET_KEPT_LAST)


def _ranges(wins: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """Runs of a mask, as ranges of pods; its first item is 1 pod."""
    steps = np.diff(np.concatenate([[False], wins, [False]]).astype(np.int8))
    starts, ends = np.flatnonzero(steps == 1) + 1, np.flatnonzero(steps == -1)
    return tuple((int(a), int(b)) for a, b in zip(starts, ends, strict=True))


@dataclass(frozen=True, kw_only=True)
class ReservationPlan(Shown):
    """
    Reservations of type ``prefix`` to add, and the shortfall.

    Attributes
    ----------
    subnet : Subnet
        The subnet without the new reservations.
    wanted : int
        Requested prefixes. [prefixes]
    already_reserved : int
        Free prefixes in present ``prefix`` reservations. [prefixes]
    reservations : Listed of Reservation
        Reservations to add, as few as possible, in order of address.
    reserved : int
        Prefixes in the new reservations. [prefixes]
    shortfall : int
        Prefixes that cannot be reserved; 0 if the plan is complete. [prefixes]
    nodes, nodes_short : int or None
        Requested nodes, and those that do not fit; None without nodes.
    why : str
        Reason of the shortfall and what to do; empty without one.
    """

    subnet: Subnet
    wanted: int
    already_reserved: int
    reservations: Listed[Reservation]
    reserved: int
    shortfall: int
    nodes: int | None
    nodes_short: int | None
    why: str

    @property
    def commands(self) -> tuple[str, ...]:
        """
        AWS CLI commands, one for each reservation.

        For a subnet without an id they contain ``$SUBNET_ID``.
        """
        named = self.subnet.subnet_id
        subnet_id = shlex.quote(named) if named else '"$SUBNET_ID"'
        return tuple(
            f"aws ec2 create-subnet-cidr-reservation --subnet-id {subnet_id} "
            f"--reservation-type {reservation.type} --cidr {reservation.cidr}"
            for reservation in self.reservations
        )

    @cached_property
    def planned_subnet(self) -> Subnet:
        """The subnet with the new reservations."""
        return self.subnet.with_reservations((*self.subnet.reservations, *self.reservations))


@checked_call
def reservation_plan(
    subnet: Subnet | str,
    *,
    prefixes: int | None = None,
    nodes: int | None = None,
    instance_type: str | None = None,
    pods_per_node: int | None = None,
    pool: WarmPool | None = None,
    keep_free: int = 0,
    catalog: Catalog | None = None,
) -> ReservationPlan:
    r"""
    CIDR reservations that keep whole /28 prefixes for future nodes.

    EC2 assigns single addresses anywhere outside reservations, and each can break a block. A
    ``prefix`` reservation keeps them out. Prefixes that are reserved and free already count;
    the rest comes from whole-free blocks, in the largest aligned ranges.

    Parameters
    ----------
    subnet : Subnet or str
        Where the nodes run; its used addresses must be known.
    prefixes : int, optional
        Prefixes to keep. Otherwise `nodes`, `instance_type`, `pods_per_node` and `pool`
        determine the number. [prefixes]
    nodes : int, optional
        Future nodes. Their primary addresses stay outside the reservations. [nodes]
    instance_type, pods_per_node, pool
        As in `nodes_that_fit`.
    keep_free : int
        Addresses to leave outside reservations for others. [addresses]
    catalog : Catalog, optional
        Where the type is looked up; the bundled table by default.

    Returns
    -------
    ReservationPlan
        A subnet that is too small gives a plan for what fits and the shortfall.

    Raises
    ------
    InputError
        If not exactly one of `prefixes` and `nodes` is given, an argument that `nodes` requires
        is missing, or the nodes take no prefixes.
    PlacementUnknownError
        If only a count of used addresses is known.

    References
    ----------
    Amazon VPC user guide, "Subnet CIDR reservations".

    Examples
    --------
    >>> import eks_win_capacity as ewc
    >>> subnet = ewc.Subnet("10.0.0.0/24", used=["10.0.0.70"], subnet_id="subnet-1")
    >>> plan = ewc.reservation_plan(subnet, prefixes=6)
    >>> print(*plan.commands, sep="\n")
    aws ec2 create-subnet-cidr-reservation --subnet-id subnet-1 --reservation-type prefix --cidr 10.0.0.32/27
    aws ec2 create-subnet-cidr-reservation --subnet-id subnet-1 --reservation-type prefix --cidr 10.0.0.128/26
    >>> plan.shortfall
    0
    """
    subnet = Subnet(subnet) if isinstance(subnet, str) else subnet
    if not isinstance(subnet, Subnet):
        raise UnsupportedInputError(f"subnet must be one Subnet or CIDR; got {subnet!r}")
    kept = count(keep_free, name="keep_free")
    beside = {"instance_type": instance_type, "pods_per_node": pods_per_node, "pool": pool}
    if (prefixes is None) == (nodes is None):
        raise InputError("give either prefixes= or nodes= with a type, pods and a pool")
    room = SubnetRoom.of(subnet, prefixes=True)
    if nodes is None:
        given = [name for name, value in beside.items() if value is not None]
        if given:
            raise InputError(f"{', '.join(given)} go with nodes=, not with prefixes=")
        wanted = count(prefixes, name="prefixes")
        most = min(room.whole, max(0, room.free - kept) // ADDRESSES_PER_PREFIX)
        new = min(max(0, wanted - room.reserved), most)
        return _plan(subnet, room, wanted, new, (None, None))
    fleet = count(nodes, name="nodes")
    need = _need_of_prefixes(catalog, **beside)
    fitting = min(
        fleet, most_nodes(room, addresses=need.addresses, prefixes=need.prefixes, keep_free=kept)
    )
    new = room.unreserved_prefixes(fitting, need.prefixes)
    return _plan(subnet, room, fleet * need.prefixes, new, (fleet, fleet - fitting))


def _need_of_prefixes(catalog: Catalog | None, **beside: Any) -> NodeNeed:
    """Need of one future node; an error if it uses no prefixes."""
    missing = [name for name, value in beside.items() if value is None]
    if missing:
        raise InputError(f"nodes= needs {', '.join(missing)} as well")
    instance = known_type(beside["instance_type"], catalog)
    need = node_need(instance, one_count_of_pods(beside["pods_per_node"]), beside["pool"])
    if not need.prefixes:
        raise InputError(
            f"{need.instance_type.name} takes no prefixes with this pool: it runs secondary mode, "
            "where a prefix reservation only takes addresses away"
        )
    return need


def _plan(
    subnet: Subnet, room: SubnetRoom, wanted: int, new: int, fleet: tuple[int | None, int | None]
) -> ReservationPlan:
    shortfall = max(0, wanted - room.reserved - new)
    why = ""
    if shortfall:
        why = (
            f"of {wanted:,} prefixes {room.reserved:,} are reserved already and {new:,} can be "
            f"reserved; {subnet.cidr} has {room.whole:,} whole-free blocks outside reservations and "
            f"{room.free:,} free addresses for them and for single ones: add a subnet, free the "
            f"addresses that break blocks, or reserve fewer"
        )
    available = subnet.free_unreserved_blocks
    return ReservationPlan(
        subnet=subnet,
        wanted=wanted,
        already_reserved=room.reserved,
        reservations=Listed(
            Reservation(
                f"{text_of(int(subnet.network.network_address) + ADDRESSES_PER_PREFIX * start)}"
                f"/{_BLOCK_LENGTH - power}",
                "prefix",
            )
            for start, power in sorted(aligned_chunks(available, new))
        ),
        reserved=new,
        shortfall=shortfall,
        nodes=fleet[0],
        nodes_short=fleet[1],
        why=why,
    )


def aligned_chunks(free: NDArray[np.bool_], count: int) -> list[tuple[int, int]]:
    """
    Free blocks, `count` in number, as the fewest aligned power-of-two ranges.

    Among ranges of the same size, those without a free neighbour of that size go first, so that
    larger ranges stay whole. A range is its first block and the binary logarithm of its length.
    """
    free = free.copy()
    chosen: list[tuple[int, int]] = []
    for power in range(int(free.size).bit_length() - 1, -1, -1):
        wanted = count >> power
        if not wanted:
            continue
        rows = free[: free.size >> power << power].reshape(free.size >> power, 1 << power)
        whole: NDArray[np.bool_] = np.logical_and.reduce(rows, axis=1)
        neighbour = np.zeros_like(whole)
        pairs = whole.size // 2 * 2
        neighbour[:pairs] = whole[:pairs].reshape(pairs // 2, 2)[:, ::-1].ravel()
        starts = np.flatnonzero(whole)
        starts = starts[np.argsort(neighbour[starts], kind="stable")][:wanted]
        for start in starts:
            free[start << power : (start + 1) << power] = False
            chosen.append((int(start) << power, power))
        count -= len(starts) << power
    return chosen
