"""The census of many subnets at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity.addresses import occupancy
from eks_win_capacity.addresses.census import used_by_block
from eks_win_capacity.addresses.fit import listed_subnets
from eks_win_capacity.core.constants import (
    ADDRESSES_PER_PREFIX,
    SUBNET_KEPT_FIRST,
    SUBNET_KEPT_LAST,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from eks_win_capacity.addresses.subnet import Subnet

_KNOWN_ONLY = (
    "free_outside_reservations",
    "whole_free",
    "partly_used",
    "fully_used",
    "free_prefixes",
    "free_prefixes_reserved",
    "free_prefixes_unreserved",
)


def subnet_census(subnets: Any) -> pd.DataFrame:
    """
    Take the census of many subnets at once.

    Parameters
    ----------
    subnets : iterable or Mapping of Subnet or str
        A CIDR as text is an empty subnet.

    Returns
    -------
    DataFrame
        One row a subnet, in order, with the columns of `Subnet.to_dict`; a Mapping
        gives the index. Where only a count of used addresses is known, what hangs on
        their places is missing (``<NA>``), and ``free_prefixes_best``, ``_expected``
        and ``_worst`` give the range.

    Raises
    ------
    InputError
        If there is no subnet.
    UnsupportedInputError
        If an item is neither a Subnet nor a CIDR.

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

    names, places = listed_subnets(subnets)
    known = np.array([place.placement_known for place in places])
    sizes = np.array([place.size for place in places])
    used = np.array([place.used for place in places])
    blocks = sizes // ADDRESSES_PER_PREFIX
    usable = sizes - SUBNET_KEPT_FIRST - SUBNET_KEPT_LAST
    columns = {name: np.zeros(len(places), dtype=np.int64) for name in _KNOWN_ONLY}
    lost = np.zeros(len(places))
    if known.any():
        told, lost[known] = _known_columns([place for place in places if place.placement_known])
        for name, values in told.items():
            columns[name][known] = values
    plain = ~known & np.array([not place.reservations for place in places])
    columns["free_outside_reservations"][plain] = (usable - used)[plain]
    serving = np.array([_serving(place) for place in places])
    broken = occupancy.fewest_broken(serving, usable - serving * ADDRESSES_PER_PREFIX, used)
    exact = columns["free_prefixes"]
    table: dict[str, Any] = {
        "cidr": [place.cidr for place in places],
        "subnet_id": [place.subnet_id for place in places],
        "zone": [place.zone for place in places],
        "usable": usable,
        "used": used,
        "free": usable - used,
        "free_outside_reservations": _masked(
            columns["free_outside_reservations"], known=known | plain
        ),
        "blocks": blocks,
        "kept": np.minimum(blocks, 2),
        **{name: _masked(columns[name], known=known) for name in _KNOWN_ONLY[1:]},
        "free_prefixes_best": np.where(known, exact, serving - broken),
        "free_prefixes_expected": np.where(
            known, exact, occupancy.expected_free(usable, serving, used)
        ),
        "free_prefixes_worst": np.where(known, exact, np.maximum(0, serving - used)),
        "fragmentation": pd.array(np.where(known, lost, np.nan), dtype="Float64"),
    }
    return pd.DataFrame(table, index=None if names[0] is None else pd.Index(names))


def _masked(values: NDArray[np.int64], *, known: NDArray[np.bool_]) -> Any:
    import pandas as pd

    return pd.arrays.IntegerArray(values, ~known)


def _serving(place: Subnet) -> int:
    """Count the blocks that could be prefixes."""
    if place.reservations:
        return int(np.count_nonzero(place.block_serves))
    return max(0, place.size // ADDRESSES_PER_PREFIX - 2)


def _known_columns(
    places: list[Subnet],
) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.float64]]:
    """Join the masks of all subnets, and add up once over all of them."""
    mask = np.concatenate([place.used_mask for place in places])
    ends = np.cumsum([place.size // ADDRESSES_PER_PREFIX for place in places])
    starts = np.concatenate([[0], ends[:-1]])
    used = used_by_block(mask)
    inner = np.ones(len(used), dtype=np.bool_)
    inner[starts] = inner[ends - 1] = False
    serves, outside = inner.copy(), np.ones(len(used), dtype=np.bool_)
    for place, start, end in zip(places, starts, ends, strict=True):
        if place.reservations:
            serves[start:end] = place.block_serves
            outside[start:end] = place.block_place == 0
    free = inner & (used == 0)

    def total(values: NDArray[Any]) -> NDArray[np.int64]:
        return np.asarray(np.add.reduceat(values, starts, dtype=np.int64))

    prefixes, unreserved = total(free & serves), total(free & serves & outside)
    possible = total((ADDRESSES_PER_PREFIX - used) * serves) // ADDRESSES_PER_PREFIX
    usable = np.array([place.usable for place in places])
    columns = {
        "free_outside_reservations": usable - total(used) - _held_free(places, mask, starts),
        "whole_free": total(free),
        "partly_used": total(inner & (used > 0) & (used < ADDRESSES_PER_PREFIX)),
        "fully_used": total(inner & (used == ADDRESSES_PER_PREFIX)),
        "free_prefixes": prefixes,
        "free_prefixes_reserved": prefixes - unreserved,
        "free_prefixes_unreserved": unreserved,
    }
    return columns, np.where(possible > 0, 1 - prefixes / np.maximum(possible, 1), 0.0)


def _held_free(
    places: list[Subnet], mask: NDArray[np.bool_], starts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Count the free addresses inside the reservations of each subnet."""
    spans = [
        (number, first * ADDRESSES_PER_PREFIX, place.size, *place.offsets(held))
        for number, (place, first) in enumerate(zip(places, starts, strict=True))
        for held in place.reservations
    ]
    free = np.zeros(len(places), dtype=np.int64)
    if not spans:
        return free
    owner, first, size, low, high = np.array(spans, dtype=np.int64).T
    # A reservation can end where all masks end; one byte more keeps that in reach.
    padded = np.append(mask, False)
    edges = np.stack([first + low, first + high], axis=1).ravel()
    used = np.add.reduceat(padded, edges, dtype=np.int64)[::2]
    kept = np.maximum(0, np.minimum(high, SUBNET_KEPT_FIRST) - low)
    kept += np.where(high == size, SUBNET_KEPT_LAST, 0)
    np.add.at(free, owner, high - low - kept - used)
    return free
