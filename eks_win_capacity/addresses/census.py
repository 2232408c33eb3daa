"""How many /28 blocks of a subnet are free: counted, or estimated from a number of addresses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity.core.arrays import counts
from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX as BLOCK
from eks_win_capacity.core.display import Listed, Shown, plain_fields
from eks_win_capacity.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eks_win_capacity.addresses.parsing import ReservationType


_GUARD_BITS = 96
"""Precision beyond the bits that the alternating sum can cancel. [bits]"""

_NEGLIGIBLE = 1e-200
"""Smaller probabilities are dropped from the chain, because denormals would slow it down."""

_CHAIN_STEP_COST = 40.0
"""Measured cost of a step of the chain, in terms of the alternating sum."""


def fewest_broken(blocks: int, loose: int, used: int) -> int:
    """Blocks broken by tightly packed addresses, which first fill the `loose` ones outside."""
    return min(-(-max(used - loose, 0) // BLOCK), blocks)


def expected_free(usable: int, blocks: int, used: int) -> float:
    """
    Mean number of free blocks over all placements of the used addresses.

    A block is free with the probability that a hypergeometric draw misses it:
    C(usable - 16, used) / C(usable, used).
    """
    # Without 16 free addresses no block is free, and a factor is zero.
    factors = (max(usable - used - i, 0) / max(usable - i, 1) for i in range(BLOCK))
    return blocks * math.prod(factors)


def distribution(usable: int, blocks: int, used: int) -> NDArray[np.float64]:
    """
    Probability of 0, 1, ... free blocks of 16 among the usable addresses.

    Every set of ``used`` out of ``usable`` addresses is equally likely. The faster of two exact
    methods is chosen: a Markov chain that places one address after another, or inclusion and
    exclusion over the free blocks.
    """
    logs = _log2_moments(usable, blocks, used)
    if len(logs) ** 2 < _CHAIN_STEP_COST * used:
        return _by_inclusion_exclusion(usable, blocks, used, logs)
    return _by_chain(usable, blocks, used)


def _by_chain(usable: int, blocks: int, used: int) -> NDArray[np.float64]:
    """
    Distribution by a Markov chain that places the used addresses one by one.

    Whether the next address breaks a block depends only on the number of whole blocks and of
    remaining addresses, so one vector is the whole state. All terms are positive, so no
    precision is lost.
    """
    # Index 0 is padding, because the probability of 0 whole blocks moves nowhere.
    chances = np.zeros(blocks + 2)
    chances[-1] = 1.0
    whole = np.arange(-1, blocks + 1, dtype=np.float64) * BLOCK
    low = high = blocks + 1
    for placed in range(used):
        there = slice(low, high + 1)
        moving = chances[there] * (whole[there] / (usable - placed))
        chances[there] -= moving
        chances[low - 1 : high] += moving
        low -= low > 1
        while chances[low] < _NEGLIGIBLE:
            low += 1
        while chances[high] < _NEGLIGIBLE:
            high -= 1
    return chances[1:]


def _log2_moments(usable: int, blocks: int, used: int) -> NDArray[np.float64]:
    """
    Log2 of the factorial moments that are not negligible.

    The moment m is the mean number of ways to choose m free blocks:
    C(blocks, m) C(usable - 16 m, used) / C(usable, used).
    """
    most = min(blocks, (usable - used) // BLOCK)
    terms = [0.0]
    for m in range(most):
        start = usable - BLOCK * m
        ratio = math.log2((blocks - m) / (m + 1)) + sum(
            math.log2((start - used - i) / (start - i)) for i in range(BLOCK)
        )
        terms.append(terms[-1] + ratio)
        # The sum multiplies a moment by at most 2**m, and this product only falls from here on.
        if ratio < -1 and terms[-1] + m < -_GUARD_BITS:
            break
    return np.array(terms)


def _by_inclusion_exclusion(
    usable: int, blocks: int, used: int, logs: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Distribution from the factorial moments.

    The sum alternates and cancels far beyond the precision of a float, so it uses integers with
    more bits than can cancel.
    """
    bits = len(logs) + max(0, math.ceil(float(logs.max()))) + _GUARD_BITS
    moments = [1 << bits]
    for m in range(len(logs) - 1):
        start = usable - BLOCK * m
        over = (blocks - m) * math.prod(range(start - used - BLOCK + 1, start - used + 1))
        under = (m + 1) * math.prod(range(start - BLOCK + 1, start + 1))
        moments.append(moments[-1] * over // under)
    chances = np.zeros(blocks + 1)
    for j in range(len(moments)):
        total = 0  # no mutant: one of 2**bits is beyond the last digit
        choose = 1
        for m in range(j, len(moments)):
            total += (-1) ** (m - j) * choose * moments[m]
            choose = choose * (m + 1) // (m + 1 - j)
        chances[j] = max(0, total) / (1 << bits)
    return chances


@dataclass(frozen=True)
class ReservationCensus(Shown):
    """
    Addresses and blocks in one reservation.

    Attributes
    ----------
    cidr : str
        The reserved range.
    type : {"prefix", "explicit"}
        As in `Reservation`.
    used, free : int
        Addresses in use and free; those that AWS keeps are neither. [addresses]
    blocks, whole_free, partly_used, fully_used, kept : int
        Number of its /28 blocks, in total and by state. [blocks]
    free_prefixes : int
        Blocks that nodes can still get; 0 in an explicit reservation. [blocks]
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
        Blocks with none, some, or all 16 addresses in use. [blocks]
    kept : int
        Blocks with addresses that AWS keeps: the first and the last. They cannot
        be prefixes, even if the rest is free. [blocks]
    free_prefixes : int
        Whole-free blocks that nodes can get: completely inside one ``prefix``
        reservation, or completely outside all reservations. [blocks]
    free_prefixes_reserved, free_prefixes_unreserved : int
        The two parts of ``free_prefixes``. [blocks]
    reservations : Listed of ReservationCensus
        The census of each reservation.
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
    Number of free /28 prefixes of a subnet, or its range.

    If only the number of used addresses is known, all placements of them are assumed to be
    equally likely; in the ``best`` case they are packed, in the ``worst`` scattered. If the
    addresses are known, all three numbers are equal.

    Attributes
    ----------
    best, worst : int
        Maximum and minimum over all placements. [prefixes]
    expected : float
        Mean over all placements. [prefixes]
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
        Probability of each number of free prefixes: item j is that of j prefixes.

        Exact (hypergeometric), to about 13 digits. Read-only.
        """
        if self.exact:
            chances = np.zeros(self._blocks + 1)
            chances[self.best] = 1.0
        else:
            chances = distribution(self._usable, self._blocks, self._used)
        chances.flags.writeable = False
        return chances

    def at_least(self, prefixes: int) -> float:
        """Probability that at least this number of prefixes is free."""
        wanted = int(counts(prefixes, name="prefixes"))
        return min(1.0, float(self.distribution[wanted:].sum()))

    def quantile(self, chance: float) -> int:
        """
        Number of free prefixes that is not exceeded with this probability.

        Raises InputError if the probability is not between 0 and 1.
        """
        if not 0 <= chance <= 1:
            raise InputError(f"a chance lies between 0 and 1; got {chance!r}")
        reached = np.flatnonzero(self.distribution.cumsum() >= min(chance, 1 - 1e-12))
        return int(max(reached[0], self.worst))
