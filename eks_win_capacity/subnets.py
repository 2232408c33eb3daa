"""Which /28 blocks of a subnet are free, reserved or broken, and what that leaves."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity import _addresses, occupancy
from eks_win_capacity._arrays import counts
from eks_win_capacity.constants import (
    ADDRESSES_PER_PREFIX,
    SUBNET_KEPT_FIRST,
    SUBNET_KEPT_LAST,
    SUBNET_PREFIX_LENGTHS,
)
from eks_win_capacity.errors import (
    AddressError,
    InputError,
    PlacementUnknownError,
    SubnetCidrError,
    UnsupportedInputError,
)
from eks_win_capacity.reservations import Reservation, ReservationType, reservations_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

__all__ = [
    "Census",
    "PrefixEstimate",
    "Reservation",
    "ReservationCensus",
    "Subnet",
]

_KEPT = SUBNET_KEPT_FIRST + SUBNET_KEPT_LAST
_BLOCK_BITS = ADDRESSES_PER_PREFIX.bit_length() - 1
_BLOCK_LENGTH = 32 - _BLOCK_BITS
_MIXED = -1
"""Place of a block that lies only partly inside a reservation."""


def _network(cidr: object) -> ipaddress.IPv4Network:
    """Read the CIDR of a subnet."""
    if not isinstance(cidr, (str, ipaddress.IPv4Network, ipaddress.IPv6Network)):
        raise UnsupportedInputError(
            f"the CIDR of a subnet is a text like '10.0.0.0/24'; got {cidr!r}"
        )
    text = str(cidr).strip()
    if ":" in text:
        raise SubnetCidrError(
            f"{text} is IPv6; Windows nodes on EKS work with IPv4 only: give the IPv4 CIDR "
            "of the subnet",
            cidr=text,
        )
    try:
        network = ipaddress.IPv4Network(text, strict=False)
        given = text.split("/")[0]
    except ValueError as error:
        raise SubnetCidrError(f"{text!r} is no IPv4 CIDR: {error}", cidr=text) from None
    large, small = SUBNET_PREFIX_LENGTHS
    if not large <= network.prefixlen <= small:
        raise SubnetCidrError(
            f"{text} is a /{network.prefixlen}; AWS has subnets from /{large} to /{small}",
            cidr=text,
        )
    if given != str(network.network_address):
        raise SubnetCidrError(
            f"{text} has host bits set; the subnet that holds this address is {network}", cidr=text
        )
    return network


def _occupied(
    network: ipaddress.IPv4Network, used: object, subnet_id: str | None
) -> tuple[bytes | None, int]:
    """Give one byte an address, or None when only the count is known; and the count."""
    size = network.num_addresses
    usable = size - _KEPT
    if used is None:
        return bytes(size), 0
    if isinstance(used, (int, float, np.generic)):
        count = int(counts(used, name=f"used of {network}", high=usable))
        if 0 < count < usable:
            return None, count
        # None or all of them: there is only one way to lie.
        kept = bytes(SUBNET_KEPT_FIRST), bytes(SUBNET_KEPT_LAST)
        return bytes([count > 0] * usable).join(kept), count
    first = int(network.network_address)
    starts, ends = (end - first for end in _addresses.spans(used, subnet_id=subnet_id))
    _check_inside(network, starts, ends)
    steps = np.bincount(starts, minlength=size + 1) - np.bincount(ends + 1, minlength=size + 1)
    times = steps[:size].cumsum()
    if (times > 1).any():
        address = _addresses.text_of(first + int(np.argmax(times > 1)))
        raise AddressError(
            f"{address} is given {times.max()} times as in use in {network}; each address once, "
            "and not inside a range or prefix that is given as well",
            address=address,
            reason="duplicate",
            subnet=str(network),
        )
    return times.astype(np.bool_).tobytes(), int(times.sum())


def _check_inside(
    network: ipaddress.IPv4Network, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> None:
    """Refuse spans that leave the subnet or touch the addresses AWS keeps."""
    first, size = int(network.network_address), network.num_addresses
    outside = (starts < 0) | (ends >= size)
    kept = (starts < SUBNET_KEPT_FIRST) | (ends >= size - SUBNET_KEPT_LAST)
    for wrong, reason in ((outside, "outside"), (kept, "kept")):
        if not wrong.any():
            continue
        at = int(np.argmax(wrong))
        ends_of = [_addresses.text_of(first + int(side[at])) for side in (starts, ends)]
        address = "-".join(dict.fromkeys(ends_of))
        why = (
            f"{address} lies outside {network}; if it belongs to another subnet leave it out, or "
            "give subnet_id= with an EC2 answer"
            if reason == "outside"
            else f"{address} cannot be in use: AWS keeps the first {SUBNET_KEPT_FIRST} addresses and "
            f"the last one of {network} ({_addresses.text_of(first)} to "
            f"{_addresses.text_of(first + SUBNET_KEPT_FIRST - 1)}, "
            f"{_addresses.text_of(first + size - 1)}); leave them out"
        )
        raise AddressError(why, address=address, reason=reason, subnet=str(network))


@dataclass(frozen=True)
class ReservationCensus:
    """
    What one reservation holds.

    Attributes
    ----------
    cidr : str
        The reserved range.
    type : {"prefix", "explicit"}
        Who assigns from it.
    used, free : int
        Addresses in it that are in use or free; kept ones are neither. [addresses]
    blocks, whole_free, partly_used, fully_used, kept : int
        Its whole /28 blocks, and how many are in which state. [blocks]
    free_prefixes : int
        Blocks a node can still get from it; none from an explicit one. [blocks]
    """

    cidr: str
    type: ReservationType
    used: int
    free: int
    blocks: int
    whole_free: int
    partly_used: int
    fully_used: int
    kept: int
    free_prefixes: int


@dataclass(frozen=True)
class Census:
    """
    The /28 blocks of a subnet by state; the four states add up to ``blocks``.

    Attributes
    ----------
    blocks : int
        All aligned blocks of 16 addresses. [blocks]
    whole_free, partly_used, fully_used : int
        Blocks without an address in use, with some, with all 16. [blocks]
    kept : int
        Blocks with addresses that AWS keeps: the first and the last. They never
        serve as prefixes, however free they are. [blocks]
    free_prefixes : int
        Whole-free blocks that a node can get: wholly inside one ``prefix``
        reservation or wholly outside all reservations. [blocks]
    free_prefixes_reserved, free_prefixes_unreserved : int
        The two parts of ``free_prefixes``. [blocks]
    reservations : tuple of ReservationCensus
        The same inside each reservation.
    """

    blocks: int
    whole_free: int
    partly_used: int
    fully_used: int
    kept: int
    free_prefixes: int
    free_prefixes_reserved: int
    free_prefixes_unreserved: int
    reservations: tuple[ReservationCensus, ...]


@dataclass(frozen=True)
class PrefixEstimate:
    """
    How many /28 prefixes a subnet can still give, as far as is known.

    When only the number of used addresses is known, every placement of them is
    taken as equally likely; ``best`` has them packed, ``worst`` scattered. When
    the addresses are known, all three are the same number.

    Attributes
    ----------
    best, worst : int
        The most and the fewest over all placements. [prefixes]
    expected : float
        The mean over all placements. [prefixes]
    exact : bool
        Whether the addresses are known.
    """

    best: int
    expected: float
    worst: int
    exact: bool
    _usable: int
    _blocks: int
    _used: int

    @cached_property
    def distribution(self) -> NDArray[np.float64]:
        """
        Chance of each number of free prefixes: item j belongs to j prefixes.

        Exact (hypergeometric), to about 13 digits. Read-only.
        """
        if self.exact:
            chances = np.zeros(self._blocks + 1)
            chances[self.best] = 1.0
        else:
            chances = occupancy.distribution(self._usable, self._blocks, self._used)
        chances.flags.writeable = False
        return chances

    def at_least(self, prefixes: int) -> float:
        """Give the chance that at least so many prefixes are free."""
        wanted = int(counts(prefixes, name="prefixes"))
        return min(1.0, float(self.distribution[wanted:].sum()))

    def quantile(self, chance: float) -> int:
        """
        Give the number of free prefixes that is not exceeded with this chance.

        Raises
        ------
        InputError
            If the chance is not between 0 and 1.
        """
        if not 0 <= chance <= 1:
            raise InputError(f"a chance lies between 0 and 1; got {chance!r}")
        reached = np.flatnonzero(self.distribution.cumsum() >= min(chance, 1 - 1e-12))
        return int(max(reached[0], self.worst))


@dataclass(frozen=True, init=False, repr=False)
class Subnet:
    """
    A subnet of Windows nodes: its addresses, what is in use, what is reserved.

    AWS keeps the first four addresses and the last one. A prefix is an aligned
    /28 without an address in use, so free addresses alone do not tell how many
    nodes fit: where the used ones lie decides.

    Parameters
    ----------
    cidr : str or IPv4Network
        From /16 to /28.
    used : int, str, iterable, array or Mapping, optional
        What is in use; nothing by default. One of

        - a count, when no more is known,
        - addresses, ranges (``"10.0.0.5-10.0.0.9"``) and prefixes
          (``"10.0.0.16/28"``) as text or ``ipaddress`` objects, or whole addresses
          as integers, in any mixture,
        - the answer of DescribeNetworkInterfaces, as one page, all pages or the
          list of interfaces. Interfaces of other subnets are left aside when
          ``subnet_id`` is given.
    reservations : iterable or Mapping, optional
        CIDR reservations: `Reservation`, ``("10.0.0.64/26", "prefix")``,
        ``"10.0.0.64/26:prefix"``, or the answer of GetSubnetCidrReservations, whose
        IPv6 part does not concern Windows nodes.
    subnet_id, zone, vpc_id : str, optional
        Its names, for commands and tables.

    Attributes
    ----------
    cidr : str
        The CIDR.
    used : int
        Addresses in use. [addresses]
    reservations : tuple of Reservation
        In order of address.

    Raises
    ------
    SubnetCidrError
        If the CIDR is not an IPv4 one from /16 to /28, or has host bits set.
    AddressError
        If a used address lies outside, is kept by AWS, or is given twice.
    InvalidCountError
        If the count is negative or larger than the subnet.
    ReservationError
        If a reservation lies outside or overlaps another one.

    References
    ----------
    Amazon VPC user guide, "Subnet CIDR blocks" and "Subnet CIDR reservations".
    Amazon EC2 user guide, "Prefix delegation for Amazon EC2 network interfaces".

    Examples
    --------
    >>> subnet = Subnet("10.0.0.0/24", used=["10.0.0.20", "10.0.0.32/28"])
    >>> subnet.usable, subnet.free, subnet.free_prefixes
    (251, 234, 12)
    >>> Subnet("10.0.0.0/24", used=100).prefix_estimate.worst
    0
    """

    cidr: str
    used: int
    reservations: tuple[Reservation, ...]
    subnet_id: str | None
    zone: str | None
    vpc_id: str | None
    _mask: bytes | None

    def __init__(
        self,
        cidr: str | ipaddress.IPv4Network,
        *,
        used: object = None,
        reservations: object = (),
        subnet_id: str | None = None,
        zone: str | None = None,
        vpc_id: str | None = None,
    ) -> None:
        network = _network(cidr)
        mask, count = _occupied(network, used, subnet_id)
        facts = {
            "cidr": str(network),
            "used": count,
            "reservations": reservations_of(network, reservations, subnet_id),
            "subnet_id": subnet_id,
            "zone": zone,
            "vpc_id": vpc_id,
            "_mask": mask,
        }
        for name, value in facts.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        known = "" if self.placement_known else " somewhere"
        named = f", subnet_id={self.subnet_id!r}" if self.subnet_id else ""
        held = f", reservations={len(self.reservations)}" if self.reservations else ""
        return f"<Subnet {self.cidr}: {self.used:,} of {self.usable:,} used{known}{held}{named}>"

    @classmethod
    def from_describe_subnets(
        cls, subnet: Mapping[str, Any], *, interfaces: object = None, reservations: object = ()
    ) -> Subnet:
        """
        Build a subnet from one entry of EC2's DescribeSubnets.

        Parameters
        ----------
        subnet : Mapping
            With ``CidrBlock``, ``SubnetId`` and ``AvailableIpAddressCount``.
        interfaces : Mapping or iterable, optional
            The answer of DescribeNetworkInterfaces. Without it only the count of
            used addresses is known.
        reservations : Mapping or iterable, optional
            The answer of GetSubnetCidrReservations.

        Raises
        ------
        InputError
            If an entry is missing, or if there are reservations and no interfaces:
            the count then hides how much of each reservation is used.
        """
        try:
            cidr, subnet_id = subnet["CidrBlock"], subnet.get("SubnetId")
            used = interfaces
            if interfaces is None:
                used = 2 ** (32 - _network(cidr).prefixlen) - _KEPT
                used -= subnet["AvailableIpAddressCount"]
        except KeyError as error:
            raise InputError(f"the entry of DescribeSubnets lacks {error}") from None
        found = cls(
            cidr,
            used=used,
            reservations=reservations,
            subnet_id=subnet_id,
            zone=subnet.get("AvailabilityZone"),
            vpc_id=subnet.get("VpcId"),
        )
        if interfaces is None and found.reservations:
            raise InputError(
                f"AvailableIpAddressCount of {found.cidr} counts reserved addresses as taken, used "
                "or not; give interfaces=, the answer of DescribeNetworkInterfaces, as well"
            )
        return found

    def with_used(self, used: object) -> Subnet:
        """Give the same subnet with other addresses in use."""
        return self._changed(used=used)

    def with_reservations(self, reservations: object) -> Subnet:
        """Give the same subnet with other CIDR reservations."""
        used: object = self.used
        if self._mask is not None:
            used = np.flatnonzero(self.used_mask) + int(self.network.network_address)
        return self._changed(used=used, reservations=reservations)

    def _changed(self, **changes: Any) -> Subnet:
        names = ("reservations", "subnet_id", "zone", "vpc_id")
        return Subnet(self.cidr, **({name: getattr(self, name) for name in names} | changes))

    @cached_property
    def network(self) -> ipaddress.IPv4Network:
        """The CIDR as an ``ipaddress`` network."""
        return ipaddress.IPv4Network(self.cidr)

    @property
    def size(self) -> int:
        """Count all addresses of the CIDR."""
        return int(self.network.num_addresses)

    @property
    def usable(self) -> int:
        """Count the addresses that can be in use: all but the five AWS keeps."""
        return self.size - _KEPT

    @property
    def free(self) -> int:
        """Count the usable addresses not in use, reserved ones included."""
        return self.usable - self.used

    @property
    def placement_known(self) -> bool:
        """Whether the used addresses are known, and not only their number."""
        return self._mask is not None

    @property
    def used_mask(self) -> NDArray[np.bool_]:
        """
        Whether each address of the CIDR is in use, in order. Read-only.

        Raises
        ------
        PlacementUnknownError
            If only a count is known.
        """
        return np.frombuffer(self._known("used_mask"), dtype=np.bool_)

    def _known(self, wanted: str) -> bytes:
        if self._mask is None:
            raise PlacementUnknownError(
                f"of {self.cidr} only a count of {self.used:,} used addresses is known, and "
                f"{wanted} hangs on where they are: give the addresses (DescribeNetworkInterfaces), "
                "or ask prefix_estimate for the best, expected and worst case",
                cidr=self.cidr,
                used=self.used,
            )
        return self._mask

    @cached_property
    def free_outside_reservations(self) -> int:
        """
        Count the free addresses that AWS hands out one by one.

        Raises
        ------
        PlacementUnknownError
            If only a count is known and there are reservations.
        """
        if not self.reservations:
            return self.free
        self._known("free_outside_reservations")
        return self.free - sum(held.free for held in self.census.reservations)

    @property
    def available_ip_address_count(self) -> int:
        """
        Give what DescribeSubnets reports as AvailableIpAddressCount.

        It falls by the free addresses of every reservation, so it can read 0 while
        prefixes remain.

        Raises
        ------
        PlacementUnknownError
            If only a count is known and there are reservations.
        """
        return self.free_outside_reservations

    @cached_property
    def _block_used(self) -> NDArray[np.int64]:
        rows = self.used_mask.reshape(-1, ADDRESSES_PER_PREFIX)
        return np.asarray(rows.sum(axis=1), dtype=np.int64)

    @cached_property
    def _block_place(self) -> NDArray[np.int64]:
        """For each block the number of its reservation from 1, 0 outside, or `_MIXED`."""
        places = np.zeros(self.size // ADDRESSES_PER_PREFIX, dtype=np.int64)
        for number, held in enumerate(self.reservations, start=1):
            low, high = self._offsets(held)
            if held.network.prefixlen > _BLOCK_LENGTH:
                places[low >> _BLOCK_BITS] = _MIXED
            else:
                places[low >> _BLOCK_BITS : high >> _BLOCK_BITS] = number
        return places

    @cached_property
    def _block_serves(self) -> NDArray[np.bool_]:
        """Whether each block could be a prefix when no address in it is in use."""
        kinds = [True, *(held.type == "prefix" for held in self.reservations), False]
        serves = np.array(kinds)[self._block_place]
        serves[[0, -1]] = False
        return serves

    def _offsets(self, held: Reservation) -> tuple[int, int]:
        low = int(held.network.network_address) - int(self.network.network_address)
        return low, low + held.network.num_addresses

    @cached_property
    def _states(self) -> dict[str, NDArray[np.bool_]]:
        """Which blocks are in which state."""
        kept = np.zeros(len(self._block_used), dtype=np.bool_)
        kept[[0, -1]] = True
        return {
            "whole_free": ~kept & (self._block_used == 0),
            "partly_used": ~kept
            & (self._block_used > 0)
            & (self._block_used < ADDRESSES_PER_PREFIX),
            "fully_used": ~kept & (self._block_used == ADDRESSES_PER_PREFIX),
            "kept": kept,
        }

    @cached_property
    def census(self) -> Census:
        """
        The /28 blocks by state, in all and inside each reservation.

        Raises
        ------
        PlacementUnknownError
            If only a count is known.
        """
        self._known("census")
        states = self._states
        prefixes = states["whole_free"] & self._block_serves
        outside = int(np.count_nonzero(prefixes & (self._block_place == 0)))
        total = int(np.count_nonzero(prefixes))
        return Census(
            blocks=len(self._block_used),
            **{name: int(np.count_nonzero(mask)) for name, mask in states.items()},
            free_prefixes=total,
            free_prefixes_reserved=total - outside,
            free_prefixes_unreserved=outside,
            reservations=tuple(
                self._inside(number, held, prefixes)
                for number, held in enumerate(self.reservations, start=1)
            ),
        )

    def _inside(
        self, number: int, held: Reservation, prefixes: NDArray[np.bool_]
    ) -> ReservationCensus:
        low, high = self._offsets(held)
        used = int(np.count_nonzero(self.used_mask[low:high]))
        kept = max(0, min(high, SUBNET_KEPT_FIRST) - low)
        kept += SUBNET_KEPT_LAST * (high == self.size)
        here = self._block_place == number
        return ReservationCensus(
            cidr=held.cidr,
            type=held.type,
            used=used,
            free=high - low - kept - used,
            blocks=int(np.count_nonzero(here)),
            **{name: int(np.count_nonzero(mask & here)) for name, mask in self._states.items()},
            free_prefixes=int(np.count_nonzero(prefixes & here)),
        )

    @property
    def free_prefixes(self) -> int:
        """
        Count the /28 prefixes that nodes can still get.

        Whole-free blocks wholly inside one ``prefix`` reservation or wholly outside
        all reservations. AWS takes from ``prefix`` reservations first.

        Raises
        ------
        PlacementUnknownError
            If only a count is known; ask `prefix_estimate`.
        """
        self._known("free_prefixes")
        return self.census.free_prefixes

    @property
    def prefix_estimate(self) -> PrefixEstimate:
        """
        The free prefixes in the best, the expected and the worst case.

        With only a count, all placements over the usable addresses, reserved ones
        included, are taken as equally likely.
        """
        blocks = int(np.count_nonzero(self._block_serves))
        if self._mask is not None:
            same = self.free_prefixes
            return PrefixEstimate(same, float(same), same, True, self.usable, blocks, self.used)
        return PrefixEstimate(
            best=blocks
            - int(
                occupancy.fewest_broken(
                    blocks, self.usable - blocks * ADDRESSES_PER_PREFIX, self.used
                )
            ),
            expected=float(occupancy.expected_free(self.usable, blocks, self.used)),
            worst=max(0, blocks - self.used),
            exact=False,
            _usable=self.usable,
            _blocks=blocks,
            _used=self.used,
        )

    @property
    def fragmentation(self) -> float:
        """
        Share of the possible prefixes that scattered addresses have cost, 0 to 1.

        Looks at the blocks that can serve prefixes (not the first and last, not
        explicit reservations). Packed tightly, their used addresses would leave
        floor(free / 16) prefixes; the figure is the share of these that is not
        there: 0 when every one is, 1 when none is. Without a possible prefix it is 0:
        nothing is lost.

        Raises
        ------
        PlacementUnknownError
            If only a count is known.
        """
        self._known("fragmentation")
        serving = self._block_used[self._block_serves]
        free = int(serving.size * ADDRESSES_PER_PREFIX - serving.sum())
        possible = free // ADDRESSES_PER_PREFIX
        return 1 - self.free_prefixes / possible if possible else 0.0

    def blocks(self) -> pd.DataFrame:
        """
        List the /28 blocks.

        Returns
        -------
        DataFrame
            One row a block: ``cidr``, ``state`` (``whole-free``, ``partly-used``,
            ``fully-used``, ``kept``), ``used`` and ``free`` [addresses],
            ``reservation`` (its CIDR; empty outside, ``"part"`` where one covers only
            a part), ``reservation_type``, and ``serves``: whether a node can get it
            as a prefix now.

        Raises
        ------
        PlacementUnknownError
            If only a count is known.
        """
        import pandas as pd

        used = self._block_used
        first = int(self.network.network_address)
        state = np.empty(len(used), dtype=object)
        for name, mask in self._states.items():
            state[mask] = name.replace("_", "-")
        kept = np.zeros(len(used), dtype=np.int64)
        kept[0] += SUBNET_KEPT_FIRST
        kept[-1] += SUBNET_KEPT_LAST
        # The last entry answers to the index -1, which stands for a part of a block.
        names = np.array(["", *(held.cidr for held in self.reservations), "part"], dtype=object)
        kinds = np.array(["", *(held.type for held in self.reservations), "part"], dtype=object)
        return pd.DataFrame(
            {
                "cidr": [
                    f"{_addresses.text_of(first + ADDRESSES_PER_PREFIX * i)}/{_BLOCK_LENGTH}"
                    for i in range(len(used))
                ],
                "state": state,
                "used": used,
                "free": ADDRESSES_PER_PREFIX - kept - used,
                "reservation": names[self._block_place],
                "reservation_type": kinds[self._block_place],
                "serves": self._states["whole_free"] & self._block_serves,
            }
        )
