"""Which addresses of one subnet are in use, one byte each."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.addresses import parsing
from eks_win_capacity.core.arrays import counts, unmasked
from eks_win_capacity.core.constants import (
    SUBNET_KEPT_FIRST,
    SUBNET_KEPT_LAST,
    SUBNET_PREFIX_LENGTHS,
)
from eks_win_capacity.core.errors import AddressError, SubnetCidrError, UnsupportedInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT = SUBNET_KEPT_FIRST + SUBNET_KEPT_LAST
"""Addresses of a subnet that AWS keeps. [addresses]"""


def network_of(cidr: object) -> ipaddress.IPv4Network:
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
        raise SubnetCidrError(f"{text!r} is not an IPv4 CIDR: {error}", cidr=text) from None
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
    """One byte an address, or None when only the count is known; and the count."""
    size = network.num_addresses
    usable = size - KEPT
    if used is None:
        return bytes(size), 0
    used = unmasked(used, f"used of {network}")
    if isinstance(used, (int, float, np.generic)):
        count = int(counts(used, name=f"used of {network}", high=usable))
        if 0 < count < usable:
            return None, count
        # None or all of them: there is only one way to lie.
        kept = bytes(SUBNET_KEPT_FIRST), bytes(SUBNET_KEPT_LAST)
        return bytes([count > 0] * usable).join(kept), count
    first = int(network.network_address)
    starts, ends = (end - first for end in parsing.spans(used, subnet_id=subnet_id))
    _check_inside(network, starts, ends)
    steps = np.bincount(starts, minlength=size + 1) - np.bincount(ends + 1, minlength=size + 1)
    times = steps[:size].cumsum()
    if (times > 1).any():
        address = parsing.text_of(first + int(np.argmax(times > 1)))
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
        ends_of = [parsing.text_of(first + int(side[at])) for side in (starts, ends)]
        address = "-".join(dict.fromkeys(ends_of))
        why = (
            f"{address} lies outside {network}; if it belongs to another subnet leave it out, or "
            "give subnet_id= with an EC2 answer"
            if reason == "outside"
            else f"{address} cannot be in use: AWS keeps the first {SUBNET_KEPT_FIRST} addresses and "
            f"the last one of {network} ({parsing.text_of(first)} to "
            f"{parsing.text_of(first + SUBNET_KEPT_FIRST - 1)}, "
            f"{parsing.text_of(first + size - 1)}); leave them out"
        )
        raise AddressError(why, address=address, reason=reason, subnet=str(network))
