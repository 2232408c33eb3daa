"""What a subnet holds: a number, a Subnet, or a column that changes over time."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eks_win_capacity.addresses.subnet import Subnet
from eks_win_capacity.core.arrays import missing_error
from eks_win_capacity.core.errors import (
    CapacityError,
    InputError,
    InvalidCountError,
    MissingCapacityError,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


MOST = 1e12
"""The largest count that is taken for one; the sample paths are single-precision numbers."""


def capacities(
    capacity: Any,
    *,
    column: Any,
    known: NDArray[np.bool_],
    code: NDArray[np.intp],
    times: pd.DatetimeIndex,
    subnets: pd.Index,
    unit: str,
) -> tuple[Floats, Floats]:
    """
    The limit of each row, and the newest one of each subnet, from a capacity of any kind.

    Rows are sorted by subnet and time, as in `Rows`. A column of the history, of numbers or
    CIDRs, comes first; rows without a value need no capacity.
    """
    if column is not None:
        return _of_column(column, known, code, len(subnets), unit)
    if capacity is None:
        raise MissingCapacityError(
            "capacity is needed: a number, a Subnet, a CIDR, a mapping of subnets, or a "
            "column (capacity, total, or cidr)"
        )
    named = _by_subnet(capacity, subnets)
    lacking = [str(name) for name in subnets if name not in named]
    if lacking:
        keys = list(dict.fromkeys(map(str, named)))[:5]
        odd = {type(key).__name__ for key in named if not isinstance(key, str)}
        kinds = f" (of type {', '.join(sorted(odd))})" if odd else ""
        raise InputError(
            f"capacity has no value for {len(lacking):,} of {len(subnets):,} subnets: "
            f"{', '.join(lacking[:5])}{', ...' * (len(lacking) > 5)}; its keys are "
            f"{', '.join(keys) or 'none'}{kinds}: give the names of the subnets as keys"
        )
    at, current = np.empty(len(code)), np.empty(len(subnets))
    starts = np.searchsorted(code, np.arange(len(subnets) + 1))
    newest = times.max()
    for place, name in enumerate(subnets):
        rows = slice(starts[place], starts[place + 1])
        value = named[name]
        if isinstance(value, pd.Series):
            at[rows], current[place] = _over_time(value, times[rows], newest)
        else:
            at[rows] = current[place] = amount(value, unit)
    return at, current


def _of_column(
    column: Any, known: NDArray[np.bool_], code: NDArray[np.intp], count: int, unit: str
) -> tuple[Floats, Floats]:
    try:
        at = pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
    except (ValueError, TypeError):
        sizes = {value: amount(value, unit) for value in column.dropna().unique()}
        at = column.map(sizes).to_numpy(dtype=float, na_value=np.nan)
    _checked(at[known])
    current = np.full(count, np.nan)
    there = np.flatnonzero(~np.isnan(at))
    # Rows are sorted: what is written last is the newest.
    current[code[there]] = at[there]
    return at, current


def _by_subnet(capacity: Any, subnets: pd.Index) -> Mapping[Any, Any]:
    """A capacity for each name; a wide history names its subnets by texts."""
    if isinstance(capacity, pd.DataFrame):
        capacity = {name: capacity[name] for name in capacity.columns}
    if isinstance(capacity, (list, tuple, set)) and all(isinstance(x, Subnet) for x in capacity):
        capacity = {x.subnet_id or x.cidr: x for x in capacity}
    if isinstance(capacity, pd.Series) and not isinstance(capacity.index, pd.DatetimeIndex):
        if not capacity.index.is_unique:
            raise InputError("capacity names a subnet twice")
        capacity = capacity.to_dict()
    if not isinstance(capacity, Mapping):
        return dict.fromkeys(subnets, capacity)
    if len(subnets) == 1 and len(capacity) == 1 and subnets[0] == "subnet":
        # A history of one subnet without a name: there is nothing to confuse it with.
        return dict.fromkeys(subnets, next(iter(capacity.values())))
    return {**{str(name): value for name, value in capacity.items()}, **capacity}


def amount(value: Any, unit: str) -> float:
    """
    A capacity as a number of addresses, or of whole /28 blocks.

    A `Subnet` holds what it has in use and what AWS can still hand out: in
    addresses, all but the free ones of its reservations; in blocks, those that
    are full and those that are whole and free. Blocks broken by single
    addresses, kept by AWS or reserved as ``explicit`` never serve a prefix.
    """
    if isinstance(value, (str, IPv4Network)):
        try:
            value = Subnet(str(value))
        except CapacityError as error:
            raise InputError(
                f"capacity {value!r} is neither a column nor the CIDR of a subnet: {error}"
            ) from error
    if isinstance(value, Subnet):
        if unit != "prefixes":
            return float(value.used + value.free_outside_reservations)
        full = 0
        if value.used and value.placement_known:
            blocks = value.blocks()
            serves = blocks["reservation_type"].isin(["", "prefix"])
            full = int((serves & (blocks["state"] == "fully-used")).sum())
        return float(value.free_prefixes + full)
    if isinstance(value, (bool, np.bool_, complex, np.complexfloating)) or not isinstance(
        value, Number
    ):
        raise InputError(f"capacity must be a number, a Subnet, a CIDR or a column; got {value!r}")
    return float(_checked(np.array([float(value)]))[0])  # type: ignore[arg-type]


def _over_time(
    value: pd.Series[Any], times: pd.DatetimeIndex, newest: pd.Timestamp
) -> tuple[Floats, float]:
    """Hold each capacity until the next one; the first one also before it."""
    if not len(value):
        raise InputError("capacity is an empty Series")
    value = value.sort_index(kind="stable")
    try:
        numbers = _checked(value.to_numpy(dtype=float, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise InputError(f"capacity over time must be numbers: {error}") from error
    index = pd.DatetimeIndex(value.index)
    if (index.tz is None) != (times.tz is None):
        raise InputError("history and capacity must both have a time zone, or neither")
    again = index[1:][(index[1:] == index[:-1]) & (numbers[1:] != numbers[:-1])]
    if len(again):
        raise InputError(f"capacity has two values for {again[0]}")
    if index[-1] > newest:
        raise InputError(
            f"capacity has a value of {index[-1]}, after the end of the history: give a change "
            "that is to come as an event, less demand in place of more capacity"
        )
    place = index.as_unit("ns").asi8.searchsorted(times.as_unit("ns").asi8, side="right") - 1
    return numbers[np.maximum(place, 0)], float(numbers[-1])


def _checked(values: Floats) -> Floats:
    if np.isnan(values).any():
        raise missing_error(np.isnan(values), "capacity")
    bad = values[(values < 0) | (values > MOST)]
    if len(bad):
        raise InvalidCountError(f"capacity must be a number from 0 to {MOST:,.0f}; got {bad[0]:g}")
    return values
