"""What a census of /28 blocks says: states, reservations, odds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity.addresses import occupancy
from eks_win_capacity.core.arrays import counts
from eks_win_capacity.core.display import Listed, Shown, plain_fields
from eks_win_capacity.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eks_win_capacity.addresses.reservations import ReservationType

_EACH_BYTE = np.uint64(0x0101010101010101)


def used_by_block(mask: bytes | NDArray[np.bool_]) -> NDArray[np.int64]:
    """
    Count the used addresses of each block of 16, from one byte (0 or 1) an address.

    Two words of eight bytes are added lane by lane, and a multiplication adds up the
    lanes in the highest one: ten times as fast as a sum over rows of booleans.
    """
    words = np.frombuffer(mask, dtype=np.uint64)
    lanes = words[::2] + words[1::2]
    used: NDArray[np.int64] = ((lanes * _EACH_BYTE) >> np.uint64(56)).astype(np.int64)
    return used


@dataclass(frozen=True)
class ReservationCensus(Shown):
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
class Census(Shown):
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
    reservations : Listed of ReservationCensus
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
    reservations: Listed[ReservationCensus]

    def _fields_shown(self) -> dict[str, Any]:
        return plain_fields(self) | {"reservations": tuple(one.cidr for one in self.reservations)}


@dataclass(frozen=True)
class PrefixEstimate(Shown):
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
        """The chance that at least so many prefixes are free."""
        wanted = int(counts(prefixes, name="prefixes"))
        return min(1.0, float(self.distribution[wanted:].sum()))

    def quantile(self, chance: float) -> int:
        """
        The number of free prefixes that is not exceeded with this chance.

        Raises
        ------
        InputError
            If the chance is not between 0 and 1.
        """
        if not 0 <= chance <= 1:
            raise InputError(f"a chance lies between 0 and 1; got {chance!r}")
        reached = np.flatnonzero(self.distribution.cumsum() >= min(chance, 1 - 1e-12))
        return int(max(reached[0], self.worst))
