"""Which /28 blocks of a subnet are free, reserved or broken, and what that leaves."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity.addresses.census import (
    Census,
    PrefixEstimate,
    ReservationCensus,
    expected_free,
    fewest_broken,
)
from eks_win_capacity.addresses.parsing import (
    KEPT,
    Reservation,
    network_of,
    occupied,
    reservations_of,
    text_of,
)
from eks_win_capacity.core.arrays import count, unmasked
from eks_win_capacity.core.constants import (
    ADDRESSES_PER_PREFIX,
    SUBNET_KEPT_FIRST,
    SUBNET_KEPT_LAST,
)
from eks_win_capacity.core.display import Listed, html_fields
from eks_win_capacity.core.errors import InputError, PlacementUnknownError, UnsupportedInputError
from eks_win_capacity.core.lazy import checked_call

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Census", "PrefixEstimate", "Reservation", "ReservationCensus", "Subnet"]

_BLOCK_BITS = ADDRESSES_PER_PREFIX.bit_length() - 1
_BLOCK_LENGTH = 32 - _BLOCK_BITS
_MIXED = -1
"""Value in `block_place` of a block that lies partly inside a reservation."""

_EACH_BYTE = np.uint64(0x0101010101010101)


@checked_call
@dataclass(frozen=True)
class Subnet:
    """
    A subnet of Windows nodes: its addresses, what is in use, what is reserved.

    AWS keeps the first four addresses and the last one. A prefix is an aligned
    /28 without an address in use. So the number of nodes that fit depends on where the used
    addresses lie, not only on how many are free.

    Parameters
    ----------
    cidr : str or IPv4Network
        From /16 to /28.
    used : int, str, iterable, array or Mapping, optional
        Addresses in use; none by default. One of

        - a count, if the addresses are not known,
        - any mixture of addresses, ranges (``"10.0.0.5-10.0.0.9"``) and prefixes
          (``"10.0.0.16/28"``), as strings or ``ipaddress`` objects, and of addresses as
          integers,
        - the answer of DescribeNetworkInterfaces, as one page, all pages or the
          list of interfaces. With ``subnet_id``, interfaces of other subnets are
          ignored.
    reservations : iterable or Mapping, optional
        CIDR reservations: `Reservation`, ``("10.0.0.64/26", "prefix")``,
        ``"10.0.0.64/26:prefix"``, or the answer of GetSubnetCidrReservations, whose
        IPv6 part is ignored.
    subnet_id, zone, vpc_id : str, optional
        Names for commands and tables.

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
        network = network_of(cidr)
        mask, count = occupied(network, used, subnet_id)
        facts = {
            "cidr": str(network),
            "used": count,
            "reservations": Listed(reservations_of(network, reservations, subnet_id)),
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
        aside = f", reservations={len(self.reservations)}" if self.reservations else ""
        return f"<Subnet {self.cidr}: {self.used:,} of {self.usable:,} used{known}{aside}{named}>"

    @classmethod
    def from_describe_subnets(
        cls, subnet: Mapping[str, Any], *, interfaces: object = None, reservations: object = ()
    ) -> Subnet:
        """
        Subnet of one entry of EC2's DescribeSubnets.

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
                usable = 2 ** (32 - network_of(cidr).prefixlen) - KEPT
                free = subnet["AvailableIpAddressCount"]
                used = usable - count(free, name="AvailableIpAddressCount", high=usable)
        except KeyError as error:
            raise InputError(f"the entry of DescribeSubnets lacks {error}") from None
        parsed = cls(
            cidr,
            used=used,
            reservations=reservations,
            subnet_id=subnet_id,
            zone=subnet.get("AvailabilityZone"),
            vpc_id=subnet.get("VpcId"),
        )
        if interfaces is None and parsed.reservations:
            raise InputError(
                f"AvailableIpAddressCount of {parsed.cidr} counts reserved addresses as taken, used "
                "or not; give interfaces=, the answer of DescribeNetworkInterfaces, as well"
            )
        return parsed

    def with_used(self, used: object) -> Subnet:
        """The same subnet with other addresses in use."""
        return self._changed(used=used)

    def with_reservations(self, reservations: object) -> Subnet:
        """The same subnet with other CIDR reservations."""
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

    @cached_property
    def size(self) -> int:
        """All addresses of the CIDR."""
        return 1 << (32 - int(self.cidr.rpartition("/")[2]))

    @property
    def usable(self) -> int:
        """Addresses that can be in use: all but the five that AWS keeps."""
        return self.size - KEPT

    @property
    def free(self) -> int:
        """Usable addresses not in use, reserved ones included."""
        return self.usable - self.used

    @property
    def placement_known(self) -> bool:
        """Whether the used addresses themselves are known, not only their number."""
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
        return np.frombuffer(self._known_mask("used_mask"), dtype=np.bool_)

    def _known_mask(self, wanted: str) -> bytes:
        if self._mask is None:
            raise PlacementUnknownError(
                f"of {self.cidr} only a count of {self.used:,} used addresses is known, and "
                f"{wanted} depends on where they are: give the addresses (DescribeNetworkInterfaces), "
                "or ask prefix_estimate for the best, expected and worst case",
                cidr=self.cidr,
                used=self.used,
            )
        return self._mask

    @cached_property
    def free_outside_reservations(self) -> int:
        """
        Free addresses that AWS assigns one by one.

        Raises
        ------
        PlacementUnknownError
            If only a count is known and there are reservations.
        """
        if not self.reservations:
            return self.free
        self._known_mask("free_outside_reservations")
        return self.free - sum(reservation.free for reservation in self.census.reservations)

    @property
    def available_ip_address_count(self) -> int:
        """
        Number that DescribeSubnets reports as AvailableIpAddressCount.

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
        """
        Addresses in use in each block.

        Two words of eight bytes are added bytewise, and a multiplication sums the bytes in the
        highest one: ten times as fast as a sum over rows of booleans.
        """
        words = np.frombuffer(self._known_mask("the census"), dtype=np.uint64)
        lanes = words[::2] + words[1::2]
        used: NDArray[np.int64] = ((lanes * _EACH_BYTE) >> np.uint64(56)).astype(np.int64)
        return used

    @cached_property
    def block_place(self) -> NDArray[np.int64]:
        """Number of each block's reservation, counted from 1; 0 outside; or `_MIXED`."""
        places = np.zeros(self.size // ADDRESSES_PER_PREFIX, dtype=np.int64)
        for number, reservation in enumerate(self.reservations, start=1):
            low, high = self.offsets(reservation)
            if reservation.network.prefixlen > _BLOCK_LENGTH:
                places[low >> _BLOCK_BITS] = _MIXED
            else:
                places[low >> _BLOCK_BITS : high >> _BLOCK_BITS] = number
        places.flags.writeable = False
        return places

    @cached_property
    def block_serves(self) -> NDArray[np.bool_]:
        """Whether each block could be a prefix if no address in it were in use."""
        kinds = [True, *(reservation.type == "prefix" for reservation in self.reservations), False]
        serves = np.array(kinds)[self.block_place]
        serves[[0, -1]] = False
        serves.flags.writeable = False
        return serves

    @property
    def free_unreserved_blocks(self) -> NDArray[np.bool_]:
        """
        Whether each block is a free prefix outside all reservations.

        Raises
        ------
        PlacementUnknownError
            If only a count is known.
        """
        self._known_mask("free_unreserved_blocks")
        free: NDArray[np.bool_] = (
            self.block_serves & (self._block_used == 0) & (self.block_place == 0)
        )
        return free

    def offsets(self, held: Reservation) -> tuple[int, int]:
        """Start and end of a reservation, relative to the first address of the subnet."""
        low = int(held.network.network_address) - int(self.network.network_address)
        return low, low + held.network.num_addresses

    @cached_property
    def _states(self) -> dict[str, NDArray[np.bool_]]:
        """Masks of the blocks in each state."""
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
        The /28 blocks by state, in total and inside each reservation.

        Raises
        ------
        PlacementUnknownError
            If only a count is known.
        """
        self._known_mask("census")
        states = self._states
        prefixes = states["whole_free"] & self.block_serves
        outside = int(np.count_nonzero(prefixes & (self.block_place == 0)))
        total = int(np.count_nonzero(prefixes))
        return Census(
            blocks=len(self._block_used),
            **{name: int(np.count_nonzero(mask)) for name, mask in states.items()},
            free_prefixes=total,
            free_prefixes_reserved=total - outside,
            free_prefixes_unreserved=outside,
            reservations=Listed(
                self._inside(number, reservation, prefixes)
                for number, reservation in enumerate(self.reservations, start=1)
            ),
        )

    def _inside(
        self, number: int, reservation: Reservation, prefixes: NDArray[np.bool_]
    ) -> ReservationCensus:
        low, high = self.offsets(reservation)
        used = int(np.count_nonzero(self.used_mask[low:high]))
        kept = max(0, min(high, SUBNET_KEPT_FIRST) - low)
        kept += SUBNET_KEPT_LAST * (high == self.size)
        here = self.block_place == number
        return ReservationCensus(
            cidr=reservation.cidr,
            type=reservation.type,
            used=used,
            free=high - low - kept - used,
            blocks=int(np.count_nonzero(here)),
            **{name: int(np.count_nonzero(mask & here)) for name, mask in self._states.items()},
            free_prefixes=int(np.count_nonzero(prefixes & here)),
        )

    @property
    def free_prefixes(self) -> int:
        """
        Free /28 prefixes that nodes can get.

        Whole-free blocks wholly inside one ``prefix`` reservation or wholly outside
        all reservations. AWS takes from ``prefix`` reservations first.

        Raises
        ------
        PlacementUnknownError
            If only a count is known; use `prefix_estimate` instead.
        """
        self._known_mask("free_prefixes")
        return self.census.free_prefixes

    @property
    def prefix_estimate(self) -> PrefixEstimate:
        """
        Free prefixes in the best, the expected and the worst case.

        If only a count is known, all placements over the usable addresses, including reserved
        ones, are assumed to be equally likely.
        """
        blocks = int(np.count_nonzero(self.block_serves))
        if self._mask is not None:
            same = self.free_prefixes
            return PrefixEstimate(same, float(same), same, True, self.usable, blocks, self.used)
        loose = self.usable - blocks * ADDRESSES_PER_PREFIX
        return PrefixEstimate(
            best=blocks - fewest_broken(blocks, loose, self.used),
            expected=expected_free(self.usable, blocks, self.used),
            worst=max(0, blocks - self.used),
            exact=False,
            _usable=self.usable,
            _blocks=blocks,
            _used=self.used,
        )

    @property
    def fragmentation(self) -> float:
        """
        Share of the possible prefixes lost to scattered addresses, from 0 to 1.

        Only blocks that can be prefixes count (not the first and last, not explicit
        reservations). If their used addresses were packed tightly, floor(free / 16) prefixes
        would be free; the result is the share of these that is not. It is 0 if no prefix is
        possible.

        Raises
        ------
        PlacementUnknownError
            If only a count is known.
        """
        self._known_mask("fragmentation")
        serving = self._block_used[self.block_serves]
        free = int(serving.size * ADDRESSES_PER_PREFIX - serving.sum())
        possible = free // ADDRESSES_PER_PREFIX
        return 1 - self.free_prefixes / possible if possible else 0.0

    def blocks(self) -> pd.DataFrame:
        """
        The /28 blocks, one row each.

        Returns
        -------
        DataFrame
            One row per block: ``cidr``, ``state`` (``whole-free``, ``partly-used``,
            ``fully-used``, ``kept``), ``used`` and ``free`` [addresses],
            ``reservation`` (its CIDR; empty outside, ``"part"`` if one covers only a
            part), ``reservation_type``, and ``serves``: whether a node can get it as a
            prefix now.

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
        # The last entry is for index -1, `_MIXED`.
        names = np.array(["", *(one.cidr for one in self.reservations), "part"], dtype=object)
        kinds = np.array(["", *(one.type for one in self.reservations), "part"], dtype=object)
        return pd.DataFrame(
            {
                "cidr": [
                    f"{text_of(first + ADDRESSES_PER_PREFIX * i)}/{_BLOCK_LENGTH}"
                    for i in range(len(used))
                ],
                "state": state,
                "used": used,
                "free": ADDRESSES_PER_PREFIX - kept - used,
                "reservation": names[self.block_place],
                "reservation_type": kinds[self.block_place],
                "serves": self._states["whole_free"] & self.block_serves,
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """
        One row for a table, in plain values.

        Values that depend on where the used addresses lie are None if only a count is known.
        """
        odds, known = self.prefix_estimate, self.placement_known
        census = self.census if known else None
        outside = self.free_outside_reservations if known or not self.reservations else None
        blocks = self.size // ADDRESSES_PER_PREFIX
        return {
            "cidr": self.cidr,
            "subnet_id": self.subnet_id,
            "zone": self.zone,
            "usable": self.usable,
            "used": self.used,
            "free": self.free,
            "free_outside_reservations": outside,
            "blocks": blocks,
            "kept": min(blocks, 2),
            **{name: getattr(census, name, None) for name in _COUNTED},
            "free_prefixes_best": odds.best,
            "free_prefixes_expected": odds.expected,
            "free_prefixes_worst": odds.worst,
            "fragmentation": self.fragmentation if known else None,
        }

    def _repr_html_(self) -> str:
        numbers = {
            name: value for name, value in self.to_dict().items() if isinstance(value, (int, float))
        }
        return html_fields(repr(self).strip("<>"), numbers)

    def to_pandas(self) -> pd.DataFrame:
        """The values of `to_dict`, as a frame of one row."""
        import pandas as pd

        return pd.DataFrame([self.to_dict()])


def listed_subnets(subnets: object) -> tuple[list[Any], list[Subnet]]:
    """
    Subnets from one or several, and the names if they are a Mapping (else None).

    Raises InputError if there are none; UnsupportedInputError if an item is neither a Subnet nor a
    CIDR.
    """
    names: list[Any] = []
    subnets = unmasked(subnets, "subnets")
    if isinstance(subnets, (Subnet, str)):
        subnets = [subnets]
    if isinstance(subnets, Mapping):
        names, subnets = list(subnets), subnets.values()
    if not isinstance(subnets, Iterable):
        raise UnsupportedInputError(
            f"subnets must be a Subnet, a CIDR or several of them; got {subnets!r}"
        )
    places = []
    for position, item in enumerate(subnets):
        if not isinstance(item, (Subnet, str)):
            raise UnsupportedInputError(
                f"subnets must hold Subnet or CIDR strings; got {item!r} at position {position}"
            )
        places.append(Subnet(item) if isinstance(item, str) else item)
    if not places:
        raise InputError("give at least one subnet")
    return names or [None] * len(places), places


@checked_call
def subnet_census(subnets: Any) -> pd.DataFrame:
    """
    Census of many subnets at once.

    Parameters
    ----------
    subnets : iterable or Mapping of Subnet or str
        A CIDR string is an empty subnet.

    Returns
    -------
    DataFrame
        One row per subnet, in order, with the columns of `Subnet.to_dict`; the keys of a
        Mapping become the index. Where only a count of used addresses is known, values that
        depend on their positions are missing (``<NA>``); ``free_prefixes_best``, ``_expected``
        and ``_worst`` are the range.

    Raises
    ------
    InputError
        If no subnet is given.
    UnsupportedInputError
        If an item is neither a Subnet nor a CIDR.

    References
    ----------
    Amazon VPC user guide, "Subnet CIDR blocks" and "Subnet CIDR reservations".

    Examples
    --------
    >>> import eks_win_capacity as ewc
    >>> subnets = [ewc.Subnet("10.0.0.0/24", used=["10.0.0.20"]), ewc.Subnet("10.0.1.0/24", used=9)]
    >>> ewc.subnet_census(subnets)[["cidr", "free", "free_prefixes", "free_prefixes_worst"]]
              cidr  free  free_prefixes  free_prefixes_worst
    0  10.0.0.0/24   250             13                   13
    1  10.0.1.0/24   242           <NA>                    5
    """
    import pandas as pd

    names, listed = listed_subnets(subnets)
    rows = [subnet.to_dict() for subnet in listed]
    frame = pd.DataFrame(rows, index=None if names[0] is None else pd.Index(names))
    # The dtype allows missing values even if all values, or none, are known.
    hanging = dict.fromkeys(("free_outside_reservations", *_COUNTED), "Int64")
    return frame.astype(hanging | {"fragmentation": "Float64"})


_COUNTED = (
    "whole_free", "partly_used", "fully_used",
    "free_prefixes", "free_prefixes_reserved", "free_prefixes_unreserved",
)  # fmt: skip
"""Counts of blocks, which depend on where the used addresses are."""
