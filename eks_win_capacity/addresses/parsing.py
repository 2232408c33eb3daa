"""Which addresses of a subnet are named by strings, lists or EC2 answers, as used or reserved."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from eks_win_capacity.core.arrays import counts, plain, unmasked
from eks_win_capacity.core.constants import (
    ADDRESSES_PER_PREFIX,
    SUBNET_KEPT_FIRST,
    SUBNET_KEPT_LAST,
    SUBNET_PREFIX_LENGTHS,
)
from eks_win_capacity.core.display import Shown
from eks_win_capacity.core.errors import (
    AddressError,
    InputError,
    ReservationError,
    SubnetCidrError,
    UnsupportedInputError,
    only_a_part,
)
from eks_win_capacity.core.lazy import checked_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Spans = tuple[NDArray[np.int64], NDArray[np.int64]]


_ZERO, _NINE = b"09"
_MARKS = np.frombuffer(b"...\n", dtype=np.uint32)[0]
"""The bytes that separate numbers of addresses, three dots and a line feed, as one word."""

_PADDING = "000"
_ADDRESS = 2**32 - 1

_ACCEPTED = (
    "give addresses ('10.0.0.5'), ranges ('10.0.0.5-10.0.0.9'), prefixes ('10.0.0.16/28'), "
    "or the answer of DescribeNetworkInterfaces"
)


def text_of(address: int) -> str:
    """Address in dotted-decimal notation."""
    return str(ipaddress.IPv4Address(int(address)))


def spans(used: Any, *, name: str = "used", subnet_id: str | None = None) -> Spans:
    """
    Addresses of any form as inclusive spans: first and last of each, as integers.

    The forms are any mixture of addresses, ranges and prefixes as strings or ``ipaddress`` objects,
    and of addresses as integers (``int(ipaddress.ip_address(...))``); or one or all pages of an EC2
    answer to DescribeNetworkInterfaces, in which interfaces of subnets other than `subnet_id` are
    ignored.

    Raises AddressError if a string is not an address, range or prefix; InputError if an EC2 answer
    is incomplete, or has several subnets without `subnet_id`; UnsupportedInputError if an item has
    another type.
    """
    if isinstance(used, str):
        if "-" in used:
            used = re.sub(r"\s*-\s*", "-", used)
        used = used.replace(",", " ").split()
    elif isinstance(used, (Mapping, ipaddress.IPv4Address, ipaddress.IPv4Network)):
        used = [used]
    elif isinstance(used, (bytes, ipaddress.IPv6Address, ipaddress.IPv6Network)):
        raise _unsupported(used)
    elif hasattr(used, "columns"):
        raise UnsupportedInputError(
            f"{name} must be addresses, and is a {type(used).__name__}: give one column of it"
        )
    elif hasattr(used, "dtype"):
        used = unmasked(used, name)
        if getattr(used.dtype, "kind", "") in {"i", "u"}:
            return _whole_numbers(plain(used, name).ravel())
    if not isinstance(used, Iterable):
        raise _unsupported(used)
    items = list(used)
    # The types of all items are checked at once, so that a full /16 is read in bulk.
    kinds = set(map(type, items))
    if any(issubclass(kind, Mapping) for kind in kinds):
        return _from_interfaces(items, subnet_id)
    if kinds and all(issubclass(kind, str) for kind in kinds):
        return _from_texts(items)
    if kinds == {int}:
        wide = [item for item in (min(items), max(items)) if not 0 <= item < 2**32]
        if wide:
            raise _malformed(str(wide[0]))
        return _whole_numbers(np.array(items, dtype=np.int64))
    if len(kinds) == 1 and issubclass(next(iter(kinds)), np.integer):
        return _whole_numbers(np.array(items))
    if kinds == {ipaddress.IPv4Address}:
        return _whole_numbers(np.fromiter(map(int, items), dtype=np.int64, count=len(items)))
    return _from_each(items)


def _unsupported(item: object, position: int | None = None) -> UnsupportedInputError:
    where = "" if position is None else f" at position {position}"
    return UnsupportedInputError(
        f"used has {item!r:.60}, a {type(item).__name__}{where}, which names no IPv4 address; {_ACCEPTED}"
    )


def _whole_numbers(array: NDArray[Any]) -> Spans:
    wrong = (array < 0) | (array >= 2**32)
    if wrong.any():
        raise AddressError(
            f"{array[wrong][0]} is not an IPv4 address: whole numbers run from 0 to 4294967295",
            address=str(array[wrong][0]),
            reason="malformed",
        )
    addresses = array.astype(np.int64)
    return addresses, addresses


def _from_each(items: Sequence[Any]) -> Spans:
    return _columns_of([_span(item, position) for position, item in enumerate(items)])


def _columns_of(pairs: Sequence[tuple[int, int]]) -> Spans:
    first, second = np.array(pairs, dtype=np.int64).reshape(len(pairs), 2).T
    return first, second


def _from_texts(texts: list[str]) -> Spans:
    joined = "\n".join(texts)
    wide: list[str] = []
    plain = texts
    if "/" in joined or "-" in joined:
        wide = [text for text in texts if "/" in text or "-" in text]
        plain = [text for text in texts if "/" not in text and "-" not in text]
        joined = "\n".join(plain)
    addresses = _dotted_quads(joined, len(plain))
    if addresses is None:
        return _from_each(texts)
    if not wide:
        return addresses, addresses
    starts, ends = _from_each(wide)
    return np.concatenate([addresses, starts]), np.concatenate([addresses, ends])


def _dotted_quads(joined: str, count: int) -> NDArray[np.int64] | None:
    """
    Many addresses, one per line, as integers; None if one of them is unusual.

    ``ipaddress`` takes a microsecond for each, too long for a full /16. The rules are the same:
    four decimal numbers up to 255, without leading zeros.
    """
    if not joined.isascii():
        return None
    if not count:
        return np.empty(0, dtype=np.int64)
    # Padding, so that looking back from the first mark stays inside the string.
    raw = np.frombuffer(f"{_PADDING}{joined}\n".encode("ascii"), dtype=np.uint8)
    marks = np.flatnonzero(raw < _ZERO).astype(np.int32)
    if marks.size != 4 * count or (raw > _NINE).any():
        return None
    if (raw[marks].view(np.uint32) != _MARKS).any():
        return None
    lengths = np.empty_like(marks)
    lengths[0] = marks[0] - len(_PADDING)
    np.subtract(marks[1:], marks[:-1] + 1, out=lengths[1:])
    if lengths.min() < 1 or lengths.max() > 3:  # no mutant: else read one by one
        return None
    units, tens, hundreds = (raw[marks - back].astype(np.int16) - _ZERO for back in (1, 2, 3))
    long, full = lengths > 1, lengths > 2
    octets = units + 10 * tens * long + 100 * hundreds * full
    # A number too small for its number of digits starts with a zero.
    if (octets > 255).any() or ((octets < 10) & long).any() or ((octets < 100) & full).any():
        return None
    return octets.astype(np.uint8).view(">u4").astype(np.int64)


def _span(item: object, position: int) -> tuple[int, int]:
    """First and last address of one item."""
    if isinstance(item, (int, np.integer)) and not isinstance(item, (bool, np.bool_)):
        if not 0 <= item < 2**32:
            raise _malformed(str(item))
        return int(item), int(item)
    if not isinstance(
        item,
        str
        | ipaddress.IPv4Address
        | ipaddress.IPv4Network
        | ipaddress.IPv6Address
        | ipaddress.IPv6Network,
    ):
        raise _unsupported(item, position)
    text = str(item).strip()
    if ":" in text:
        raise AddressError(
            f"{text} is IPv6; Windows nodes on EKS have IPv4 addresses only",
            address=text,
            reason="ipv6",
        )
    try:
        if "-" in text:
            first, last = (int(ipaddress.IPv4Address(end.strip())) for end in text.split("-"))
            if last < first:
                raise _malformed(text, "it ends before it starts")
            return first, last
        if "/" in text:
            network = ipaddress.IPv4Network(text)
            return int(network.network_address), int(network.broadcast_address)
        return (address := int(ipaddress.IPv4Address(text))), address
    except InputError:
        raise
    except ValueError as error:
        raise _malformed(text, str(error)) from None


def _malformed(text: str, why: str = "") -> AddressError:
    if text.strip().isdecimal():
        why = f"as a number of addresses it is an int, {text.strip():.20}"
    return AddressError(
        f"{text!r} is not an IPv4 address, range or prefix{': ' * bool(why)}{why}; {_ACCEPTED}",
        address=text,
        reason="malformed",
    )


def _from_interfaces(pages: list[Any], subnet_id: str | None) -> Spans:
    """Spans from the pages of an answer to DescribeNetworkInterfaces, or from its interfaces."""
    interfaces = _interfaces(pages)
    homes = {str(interface.get("SubnetId", "")) for interface in interfaces} - {""}
    if subnet_id is None and len(homes) > 1:
        raise InputError(
            f"the EC2 answer has interfaces of {len(homes)} subnets ({', '.join(sorted(homes)[:5])}); "
            "say which one is meant: subnet_id='subnet-...')"
        )
    chosen = [
        (interface.get("NetworkInterfaceId", position), interface)
        for position, interface in enumerate(interfaces)
        if subnet_id is None or interface.get("SubnetId", subnet_id) == subnet_id
    ]
    bulk = _held_in_bulk(chosen)
    if bulk is not None:
        return bulk
    # An interface can be on two pages, so interfaces are identified by id.
    by_interface: dict[object, set[tuple[int, int]]] = {}
    for position, (name, interface) in enumerate(chosen):
        by_interface.setdefault(name, set()).update(_interface_spans(interface, position))
    return _columns_of([pair for pairs in by_interface.values() for pair in pairs])


def _interfaces(pages: list[Any]) -> list[Mapping[str, Any]]:
    interfaces: list[Mapping[str, Any]] = []
    for position, page in enumerate(pages):
        if not isinstance(page, Mapping):
            raise _unsupported(page, position)
        if "NetworkInterfaces" in page:
            interfaces.extend(page["NetworkInterfaces"])
        elif "PrivateIpAddresses" in page or "Ipv4Prefixes" in page:
            interfaces.append(page)
        else:
            raise InputError(
                f"used has a mapping without NetworkInterfaces (its keys: {', '.join(map(str, page))}); "
                "give the answer of DescribeNetworkInterfaces, or a count of used addresses"
            )
    if part := only_a_part(pages[-1])[1]:
        raise InputError(
            f"used is {part}, or give all pages, as client.get_paginator('describe_network_interfaces') does"
        )
    return interfaces


def _held_in_bulk(interfaces: list[tuple[object, Mapping[str, Any]]]) -> Spans | None:
    """
    Spans of all interfaces at once; None if something is unusual.

    The result is that of `_interface_spans` for each, which explains errors but takes several microseconds
    per address, and a /16 has 65,000.
    """
    owners: dict[object, int] = {}
    sizes: list[tuple[int, int]] = []
    prefixes: list[tuple[int, str]] = []
    texts: list[str] = []
    try:
        for name, interface in interfaces:
            owner = owners.setdefault(name, len(owners))
            ips = [entry["PrivateIpAddress"] for entry in interface.get("PrivateIpAddresses") or ()]
            texts += ips
            sizes.append((owner, len(ips)))
            prefixes += [
                (owner, entry["Ipv4Prefix"]) for entry in interface.get("Ipv4Prefixes") or ()
            ]
        singles = _dotted_quads("\n".join(texts), len(texts))
        starts, ends = _from_each([text for _, text in prefixes])
    except (KeyError, TypeError, InputError):
        return None
    if singles is None or (ends - starts != ADDRESSES_PER_PREFIX - 1).any():
        return None
    held_by = np.array([owner for owner, _ in prefixes], dtype=np.int64)
    of = np.repeat(*_columns_of(sizes))
    # An interface has each address once, and may also list the addresses of its prefixes.
    blocks = _owned(held_by, starts // ADDRESSES_PER_PREFIX)
    apart = ~np.isin(_owned(of, singles // ADDRESSES_PER_PREFIX), blocks)
    alone = np.unique(_owned(of, singles)[apart]) & _ADDRESS
    whole = (np.unique(blocks) & _ADDRESS) * ADDRESSES_PER_PREFIX
    return (
        np.concatenate([alone, whole]),
        np.concatenate([alone, whole + ADDRESSES_PER_PREFIX - 1]),
    )


def _owned(owner: NDArray[np.int64], number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Owner and address, or block, as one number."""
    return (owner << 32) | number


def _interface_spans(interface: Mapping[str, Any], position: int) -> set[tuple[int, int]]:
    """Spans of one interface, each address once."""
    try:
        prefixes = {
            _span(entry["Ipv4Prefix"], position) for entry in interface.get("Ipv4Prefixes") or ()
        }
        singles = {
            _span(entry["PrivateIpAddress"], position)
            for entry in interface.get("PrivateIpAddresses") or ()
        }
    except (KeyError, TypeError) as error:
        name = interface.get("NetworkInterfaceId", f"at position {position}")
        raise InputError(
            f"interface {name} of the EC2 answer cannot be read: {error!r}; give it as "
            "DescribeNetworkInterfaces returned it"
        ) from None
    within = {one for one in singles if any(p[0] <= one[0] <= p[1] for p in prefixes)}
    return prefixes | (singles - within)


KEPT = SUBNET_KEPT_FIRST + SUBNET_KEPT_LAST
"""Addresses of a subnet that AWS keeps. [addresses]"""


def network_of(cidr: object) -> ipaddress.IPv4Network:
    """Network of the CIDR of a subnet; an error if it cannot be a subnet."""
    if not isinstance(cidr, (str, ipaddress.IPv4Network, ipaddress.IPv6Network)):
        raise UnsupportedInputError(
            f"the CIDR of a subnet is a string like '10.0.0.0/24'; got {cidr!r}"
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
        by_id = "that is its id, for which aws.load_subnets asks AWS: give the CIDR"
        why = by_id if text.startswith("subnet-") else str(error)
        raise SubnetCidrError(f"{text!r} is not an IPv4 CIDR: {why}", cidr=text) from None
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


def occupied(
    network: ipaddress.IPv4Network, used: object, subnet_id: str | None
) -> tuple[bytes | None, int]:
    """One byte per address, or None if only the number of used ones is known; and the number."""
    size = network.num_addresses
    usable = size - KEPT
    if used is None:
        return bytes(size), 0
    if isinstance(used, (int, float, np.generic)):
        count = int(counts(used, name=f"used of {network}", high=usable))
        if 0 < count < usable:
            return None, count
        # With none or all of them used there is only one placement.
        kept = bytes(SUBNET_KEPT_FIRST), bytes(SUBNET_KEPT_LAST)
        return bytes([count > 0] * usable).join(kept), count
    first = int(network.network_address)
    named = f"used of {network}"
    starts, ends = (end - first for end in spans(used, name=named, subnet_id=subnet_id))
    _check_inside(network, starts, ends)
    steps = np.bincount(starts, minlength=size + 1) - np.bincount(ends + 1, minlength=size + 1)
    times = steps[:size].cumsum()
    if (times > 1).any():
        address = text_of(first + int(np.argmax(times > 1)))
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
    """Refuse spans outside the subnet or with addresses that AWS keeps."""
    first, size = int(network.network_address), network.num_addresses
    outside = (starts < 0) | (ends >= size)
    kept = (starts < SUBNET_KEPT_FIRST) | (ends >= size - SUBNET_KEPT_LAST)
    for wrong, reason in ((outside, "outside"), (kept, "kept")):
        if not wrong.any():
            continue
        at = int(np.argmax(wrong))
        ends_of = [text_of(first + int(side[at])) for side in (starts, ends)]
        address = "-".join(dict.fromkeys(ends_of))
        why = (
            f"{address} lies outside {network}; if it belongs to another subnet leave it out, or "
            "give subnet_id= with an EC2 answer"
            if reason == "outside"
            else f"{address} cannot be in use: AWS keeps the first {SUBNET_KEPT_FIRST} addresses and "
            f"the last one of {network} ({text_of(first)} to "
            f"{text_of(first + SUBNET_KEPT_FIRST - 1)}, "
            f"{text_of(first + size - 1)}); leave them out"
        )
        raise AddressError(why, address=address, reason=reason, subnet=str(network))


ReservationType = Literal["prefix", "explicit"]


@checked_call
@dataclass(frozen=True)
class Reservation(Shown):
    """
    A range of a subnet that AWS does not assign automatically.

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
        Reservation from any of its notations.

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
    Reservations of one subnet in order of address, from one, several, or EC2's answer.

    Raises ReservationError if one is malformed, lies outside the subnet, names another subnet, or
    overlaps another reservation.
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
    reservations = sorted(map(Reservation.read, entries), key=lambda one: one.network)
    for one in reservations:
        if not one.network.subnet_of(network):
            raise ReservationError(
                f"reservation {one.cidr} does not lie inside the subnet {network}",
                cidr=one.cidr,
                reason="foreign",
            )
    for before, after in itertools.pairwise(reservations):
        if before.network.overlaps(after.network):
            raise ReservationError(
                f"reservations {before.cidr} ({before.type}) and {after.cidr} ({after.type}) "
                "overlap; AWS has each address in at most one: remove or shrink one",
                cidr=after.cidr,
                reason="overlap",
            )
    return tuple(reservations)


def _entries(given: object) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, Mapping) and "SubnetIpv4CidrReservations" in given:
        if part := only_a_part(given)[1]:
            raise ReservationError(f"reservations is {part}", cidr="", reason="malformed")
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
    # A pair of strings is one reservation, not two.
    return (
        [tuple(entries)]
        if len(entries) == 2 and entries[1] in get_args(ReservationType)
        else entries
    )
