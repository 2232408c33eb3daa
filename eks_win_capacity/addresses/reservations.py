"""Which ranges of a subnet AWS does not hand out on its own."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from eks_win_capacity.core.display import Shown
from eks_win_capacity.core.errors import ReservationError
from eks_win_capacity.core.lazy import checked_call

ReservationType = Literal["prefix", "explicit"]


@checked_call
@dataclass(frozen=True)
class Reservation(Shown):
    """
    A range of a subnet that AWS does not hand out on its own.

    Attributes
    ----------
    cidr : str
        The range, of any size inside the subnet.
    type : {"prefix", "explicit"}
        From ``prefix`` AWS takes whole /28 prefixes; from ``explicit`` only you
        assign.

    Raises
    ------
    ReservationError
        If the range is not an IPv4 CIDR or the type is neither of the two.

    References
    ----------
    Amazon VPC user guide, "Subnet CIDR reservations".

    Examples
    --------
    >>> Reservation("10.0.0.64/26", "prefix")
    Reservation(cidr='10.0.0.64/26', type='prefix')
    """

    cidr: str
    type: ReservationType

    def __post_init__(self) -> None:
        text = str(self.cidr).strip()
        try:
            network = ipaddress.IPv4Network(text)
        except ValueError as error:
            cure = "; Windows nodes use IPv4 only" if ":" in text else ""
            raise ReservationError(
                f"reservation {text!r} is not an IPv4 CIDR: {error}{cure}",
                cidr=text,
                reason="malformed",
            ) from None
        if str(self.type) not in get_args(ReservationType):
            raise ReservationError(
                f"reservation {text} has type {self.type!r}; AWS knows 'prefix' (it assigns /28 "
                "prefixes from it) and 'explicit' (only you assign from it)",
                cidr=text,
                reason="type",
            )
        object.__setattr__(self, "cidr", str(network))

    @cached_property
    def network(self) -> ipaddress.IPv4Network:
        """The range as an ``ipaddress`` network."""
        return ipaddress.IPv4Network(self.cidr)

    @classmethod
    def read(cls, value: object) -> Reservation:
        """
        Read one reservation from any of its spellings.

        Parameters
        ----------
        value : Reservation, str, tuple or Mapping
            ``"10.0.0.64/26:prefix"``, ``("10.0.0.64/26", "prefix")``, a mapping with
            ``cidr`` and ``type``, or one entry of GetSubnetCidrReservations.

        Raises
        ------
        ReservationError
            If it is none of these.
        """
        if isinstance(value, Reservation):
            return value
        cidr: Any = value
        kind: Any = None
        if isinstance(value, Mapping):
            cidr = value.get("Cidr", value.get("cidr"))
            kind = value.get("ReservationType", value.get("type"))
        elif isinstance(value, str):
            cidr, _, kind = value.rpartition(":")
        elif isinstance(value, (tuple, list)) and len(value) == 2:
            cidr, kind = value
        if not cidr or kind is None:
            raise ReservationError(
                f"{value!r} is not a reservation; give the range and its type, such as "
                "'10.0.0.64/26:prefix' or ('10.0.0.64/26', 'prefix')",
                cidr=str(value),
                reason="malformed",
            )
        return cls(cidr, kind)


def reservations_of(
    network: ipaddress.IPv4Network, given: object, subnet_id: str | None
) -> tuple[Reservation, ...]:
    """
    Read the reservations of one subnet, in order of address.

    Parameters
    ----------
    network : IPv4Network
        The subnet.
    given : Reservation, str, Mapping or iterable
        One, several, or the answer of GetSubnetCidrReservations.
    subnet_id : str or None
        Entries that name another subnet are refused.

    Raises
    ------
    ReservationError
        If one is malformed, lies outside the subnet, or overlaps another one.
    """
    entries = _entries(given)
    for entry in entries:
        home = entry.get("SubnetId") if isinstance(entry, Mapping) else None
        if home and subnet_id and home != subnet_id:
            raise ReservationError(
                f"reservation {entry.get('Cidr')} belongs to {home}, not to {subnet_id}",
                cidr=str(entry.get("Cidr")),
                reason="foreign",
            )
    found = sorted(map(Reservation.read, entries), key=lambda one: one.network)
    for one in found:
        if not one.network.subnet_of(network):
            raise ReservationError(
                f"reservation {one.cidr} does not lie inside the subnet {network}",
                cidr=one.cidr,
                reason="foreign",
            )
    for before, after in itertools.pairwise(found):
        if before.network.overlaps(after.network):
            raise ReservationError(
                f"reservations {before.cidr} ({before.type}) and {after.cidr} ({after.type}) "
                "overlap; AWS has each address in at most one: remove or shrink one",
                cidr=after.cidr,
                reason="overlap",
            )
    return tuple(found)


def _entries(given: object) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, Mapping) and "SubnetIpv4CidrReservations" in given:
        if given.get("NextToken"):
            raise ReservationError(
                "the answer of GetSubnetCidrReservations has a NextToken, so more reservations "
                "follow; give all of them",
                cidr="",
                reason="malformed",
            )
        return list(given["SubnetIpv4CidrReservations"])
    if isinstance(given, (str, Mapping, Reservation)):
        return [given]
    if not isinstance(given, Iterable):
        raise ReservationError(
            f"reservations is {given!r}; give an iterable of reservations",
            cidr=str(given),
            reason="malformed",
        )
    entries = list(given)
    # One bare pair is a reservation, not two.
    return (
        [tuple(entries)]
        if len(entries) == 2 and entries[1] in get_args(ReservationType)
        else entries
    )
