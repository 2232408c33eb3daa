"""How many pod addresses do nodes have, for columns of addresses per interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity.catalog.limits import by_mode
from eks_win_capacity.core import arrays
from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX, MAX_COUNT, NODE_ADDRESSES
from eks_win_capacity.density.columns import plain_integers
from eks_win_capacity.density.fleet_codes import NUMBERS, SPAN, over_spans

if TYPE_CHECKING:
    from numpy.typing import NDArray


def ip_capacity_of_column(ipv4_per_interface: object, prefix_delegation: object) -> Any:
    """Result of :func:`eks_win_capacity.ip_capacity` for columns, and for scalars of NumPy."""
    columns = {"ipv4_per_interface": ipv4_per_interface, "prefix_delegation": prefix_delegation}
    if isinstance(prefix_delegation, (bool, np.bool_)):
        integers = plain_integers(ipv4_per_interface)
        pods = (
            None
            if integers is None
            else _of_integers(integers, prefix_delegation=bool(prefix_delegation))
        )
        if pods is not None:
            if integers is ipv4_per_interface:
                return pods
            return arrays.in_kind(pods, answer="ip_capacity", **columns)
    addresses = arrays.counts(ipv4_per_interface, name="ipv4_per_interface", low=1)
    prefixes = arrays.flags(prefix_delegation, name="prefix_delegation").astype(np.int64)
    arrays.common_shape(ipv4_per_interface=addresses, prefix_delegation=prefixes)
    pods = np.asarray(by_mode(addresses, prefixes))
    return arrays.in_kind(pods, answer="ip_capacity", **columns)


def _of_integers(addresses: NDArray[Any], *, prefix_delegation: bool) -> NDArray[np.int64] | None:
    """
    Pod addresses for an array of integers; None if a value is outside the limits.

    Values are checked and computed block by block, so that each is read from memory once.
    """
    size, pods = addresses.size, np.empty(addresses.shape, dtype=np.int64)
    flat, flat_pods = addresses.reshape(size), pods.reshape(size)

    def write(begin: int, end: int) -> bool:
        for start in range(begin, end, NUMBERS):
            stop = min(start + NUMBERS, end)
            answers = flat_pods[start:stop]
            # The formula of `limits`, in place: a temporary array would take a third more time.
            np.subtract(flat[start:stop], NODE_ADDRESSES, out=answers, dtype=np.int64)
            # As unsigned integers, negative values exceed the maximum, so one pass checks both
            # limits. The OR of all values is an upper bound, in half the time of the maximum.
            seen = answers.view(np.uint64)
            highest = MAX_COUNT - NODE_ADDRESSES
            if np.bitwise_or.reduce(seen) > highest and np.maximum.reduce(seen) > highest:
                return False
            if prefix_delegation:
                np.multiply(answers, ADDRESSES_PER_PREFIX, out=answers)
        return True

    sound = over_spans(size, write, span=8 * SPAN)  # no mutant: speed alone
    return pods if all(sound) else None
