"""Which blocks to reserve for the prefixes of a coming fleet."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity.addresses.fit import NodeNeed, SubnetRoom, known_type, most_nodes, node_need
from eks_win_capacity.addresses.parsing import Reservation, text_of
from eks_win_capacity.addresses.subnet import Subnet
from eks_win_capacity.core.arrays import count
from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX
from eks_win_capacity.core.display import Listed, Shown
from eks_win_capacity.core.errors import InputError, UnsupportedInputError
from eks_win_capacity.core.lazy import checked_call

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eks_win_capacity.addresses.warm_pool import WarmPool
    from eks_win_capacity.catalog import Catalog

_BLOCK_LENGTH = 32 - (ADDRESSES_PER_PREFIX.bit_length() - 1)


@dataclass(frozen=True, kw_only=True)
class ReservationPlan(Shown):
    """
    Which blocks to reserve as ``prefix``, and what is missing.

    Attributes
    ----------
    subnet : Subnet
        The subnet as it is.
    wanted : int
        Prefixes asked for. [prefixes]
    already_reserved : int
        Free ones that ``prefix`` reservations hold now. [prefixes]
    reservations : Listed of Reservation
        What to add, in order of address; as few as there can be.
    reserved : int
        Prefixes they hold. [prefixes]
    shortfall : int
        Prefixes that cannot be reserved; 0 if the plan is whole. [prefixes]
    nodes, nodes_short : int or None
        Nodes asked for, and how many of them find no place; None without nodes.
    why : str
        What the shortfall comes from and what to do; empty without one.
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
        The AWS CLI commands, one for each reservation.

        Where the subnet has no id they read ``$SUBNET_ID``.
        """
        named = self.subnet.subnet_id
        subnet_id = shlex.quote(named) if named else '"$SUBNET_ID"'
        return tuple(
            f"aws ec2 create-subnet-cidr-reservation --subnet-id {subnet_id} "
            f"--reservation-type {held.type} --cidr {held.cidr}"
            for held in self.reservations
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
    Plan the CIDR reservations that keep whole /28 prefixes for coming nodes.

    Single addresses fall anywhere outside reservations, and each can break a prefix.
    A ``prefix`` reservation keeps them out. Prefixes that are reserved and free
    already count; the rest comes from whole-free blocks, in the largest aligned
    ranges.

    Parameters
    ----------
    subnet : Subnet or str
        Where the nodes go; its used addresses must be known.
    prefixes : int, optional
        Prefixes to keep; or else `nodes`, `instance_type`, `pods_per_node` and `pool`
        say how many that are. [prefixes]
    nodes : int, optional
        Nodes to come. Their primary addresses stay outside the reservations. [nodes]
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
        If not exactly one of `prefixes` and `nodes` is given, or something is missing
        beside `nodes`, or the nodes take no prefixes.
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
    place = Subnet(subnet) if isinstance(subnet, str) else subnet
    if not isinstance(place, Subnet):
        raise UnsupportedInputError(f"subnet must be one Subnet or CIDR; got {subnet!r}")
    kept = count(keep_free, name="keep_free")
    beside = {"instance_type": instance_type, "pods_per_node": pods_per_node, "pool": pool}
    if (prefixes is None) == (nodes is None):
        raise InputError("give either prefixes= or nodes= with a type, pods and a pool")
    room = SubnetRoom.of(place, prefixes=True)
    if nodes is None:
        given = [name for name, value in beside.items() if value is not None]
        if given:
            raise InputError(f"{', '.join(given)} go with nodes=, not with prefixes=")
        wanted = count(prefixes, name="prefixes")
        most = min(room.whole, max(0, room.free - kept) // ADDRESSES_PER_PREFIX)
        new = min(max(0, wanted - room.reserved), most)
        return _plan(place, room, wanted, new, (None, None))
    fleet = count(nodes, name="nodes")
    need = _prefix_need(catalog, **beside)
    fitting = min(
        fleet,
        most_nodes(room, addresses=need.addresses, prefixes=need.prefixes, keep_free=kept),
    )
    new = room.unreserved_prefixes(fitting, need.prefixes)
    return _plan(place, room, fleet * need.prefixes, new, (fleet, fleet - fitting))


def _prefix_need(catalog: Catalog | None, **beside: Any) -> NodeNeed:
    """What one coming node takes; an error unless prefixes are among it."""
    missing = [name for name, value in beside.items() if value is None]
    if missing:
        raise InputError(f"nodes= needs {', '.join(missing)} as well")
    need = node_need(known_type(beside.pop("instance_type"), catalog), **beside)
    if not need.prefixes:
        raise InputError(
            f"{need.instance_type.name} takes no prefixes with this pool: it runs secondary mode, "
            "where a prefix reservation only takes addresses away"
        )
    return need


def _plan(
    place: Subnet, room: SubnetRoom, wanted: int, new: int, fleet: tuple[int | None, int | None]
) -> ReservationPlan:
    shortfall = max(0, wanted - room.reserved - new)
    why = ""
    if shortfall:
        why = (
            f"of {wanted:,} prefixes {room.reserved:,} are reserved already and {new:,} can be "
            f"reserved; {place.cidr} has {room.whole:,} whole-free blocks outside reservations and "
            f"{room.free:,} free addresses for them and for single ones: add a subnet, free what "
            f"breaks blocks, or ask for less"
        )
    available = place.free_unreserved_blocks
    return ReservationPlan(
        subnet=place,
        wanted=wanted,
        already_reserved=room.reserved,
        reservations=Listed(
            Reservation(
                f"{text_of(int(place.network.network_address) + ADDRESSES_PER_PREFIX * start)}"
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
    Pick so many free blocks in as few aligned power-of-two ranges as there can be.

    Among ranges of one size those without a free neighbour of the same size go first,
    so that larger ranges stay whole.

    Parameters
    ----------
    free : ndarray of bool
        Which blocks can be taken.
    count : int
        How many are wanted; at most as many as are free.

    Returns
    -------
    list of (int, int)
        First block and binary logarithm of the length of each range.
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
