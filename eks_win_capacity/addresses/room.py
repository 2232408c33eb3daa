"""How many equal nodes go into so much room: the bounds, and the odds between them."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from eks_win_capacity.core.constants import (
    ADDRESSES_PER_PREFIX,
    NODE_ADDRESSES,
    SUBNET_KEPT_FIRST,
    SUBNET_KEPT_LAST,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from eks_win_capacity.addresses.subnet import Subnet

_NEGLIGIBLE = 1e-30
"""Chances below this are dropped: they add up to nothing a float could show."""


_OUTSIDE_BLOCKS = 2 * ADDRESSES_PER_PREFIX - SUBNET_KEPT_FIRST - SUBNET_KEPT_LAST
"""Addresses of the first and the last /28 that serve nodes but never a prefix. [addresses]"""


@dataclass(frozen=True)
class SubnetRoom:
    """
    What a subnet has left for nodes.

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
        """Room of an empty subnet that serves so many addresses."""
        return cls(free, 0, max(0, free - _OUTSIDE_BLOCKS) // ADDRESSES_PER_PREFIX)

    @classmethod
    def of(
        cls, subnet: Subnet, *, prefixes: bool, odds: Literal["best", "worst"] | None = None
    ) -> SubnetRoom:
        """
        Room of a subnet.

        Parameters
        ----------
        subnet : Subnet
            What is in use and reserved there.
        prefixes : bool
            Whether nodes take prefixes, so that blocks count.
        odds : {"best", "worst"}, optional
            Which number of whole blocks to take where only a count of used addresses is known.

        Raises
        ------
        PlacementUnknownError
            If only a count is known, and there are reservations or no odds were chosen.
        """
        free = subnet.free_outside_reservations
        if not subnet.placement_known and not prefixes:
            return cls(free, 0, 0)
        if not subnet.placement_known and odds is not None:
            return cls(free, 0, int(getattr(subnet.prefix_estimate, odds)))
        census = subnet.census
        return cls(free, census.free_prefixes_reserved, census.free_prefixes_unreserved)

    def unreserved_prefixes(self, nodes: int, prefixes: int) -> int:
        """Count the prefixes that reservations do not cover; AWS empties those first."""
        return max(0, nodes * prefixes - self.reserved)

    def holds(self, single: Any, prefixes: Any, *, best: bool = False) -> Any:
        """
        Whether single addresses and prefixes fit together; ints, or arrays of one shape.

        At worst each single address breaks a whole block; at best they fill the broken
        blocks first, and only what is left over costs whole ones, 16 at a time.
        """
        drawn = np.maximum(prefixes - self.reserved, 0)
        loose = self.free - self.whole * ADDRESSES_PER_PREFIX
        broken = -(-np.maximum(single - loose, 0) // ADDRESSES_PER_PREFIX) if best else single
        return (single <= self.free) & ((drawn == 0) | (drawn + broken <= self.whole))


def most_nodes(room: SubnetRoom, *, addresses: int, prefixes: int, keep_free: int) -> int:
    """
    Count the nodes that fit when no primary address breaks a block without need.

    Primary addresses and those kept free fill the broken blocks first. Only what is
    left over costs whole ones, 16 at a time.
    """
    if not prefixes:
        return max(0, room.free - keep_free) // (NODE_ADDRESSES + addresses)

    def fits(nodes: int) -> bool:
        single = nodes * NODE_ADDRESSES + keep_free
        return bool(room.holds(single, nodes * prefixes, best=True))

    return _last(fits, room.free)


def guaranteed_nodes(room: SubnetRoom, *, addresses: int, prefixes: int, keep_free: int) -> int:
    """
    Count the nodes that fit wherever the primary addresses fall.

    At worst each of them, and each address kept free, breaks a whole block.
    """
    if not prefixes:
        return most_nodes(room, addresses=addresses, prefixes=0, keep_free=keep_free)

    def fits(nodes: int) -> bool:
        return bool(room.holds(nodes * NODE_ADDRESSES + keep_free, nodes * prefixes))

    return _last(fits, room.free)


def _last(fits: Callable[[int], bool], most: int) -> int:
    """The largest number that fits, where all smaller ones do; 0 if none does."""
    return max(0, bisect.bisect_left(range(most + 1), True, key=lambda n: not fits(n)) - 1)


def expected_nodes(
    room: SubnetRoom, whole: NDArray[np.float64], *, prefixes: int, keep_free: int
) -> float:
    """
    The mean number of nodes when each primary address falls on any free one.

    How many blocks are whole is all that matters for what comes next, so one vector of
    chances holds the state: a node's primary address breaks a whole block with the
    chance that it falls into one, then its prefixes take whole blocks away.

    Parameters
    ----------
    room : SubnetRoom
        What there is; its ``whole`` is not looked at.
    whole : ndarray of float64
        Chance of each number of whole blocks outside reservations: 0, 1, ...
    prefixes, keep_free : int
        Prefixes of one node, at least 1; addresses that must stay free.
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
        # One place more at the lower end: the block that the primary address broke.
        moved = np.append(0.0, chances - broken)
        moved[:-1] += broken
        low -= 1 + needed - taken
        chances = moved[max(0, -low) :]
        low, taken = max(0, low), needed
        expected += float(chances.sum())
