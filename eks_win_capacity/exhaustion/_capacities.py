"""What a subnet holds: a number, a Subnet, or a column that changes over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eks_win_capacity.constants import ADDRESSES_PER_PREFIX
from eks_win_capacity.errors import InputError, InvalidCountError, MissingValueError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


_KEPT = 5
"""Addresses AWS keeps in every subnet (Amazon VPC user guide, "Subnet CIDR blocks")."""

_SMALLEST, _LARGEST = 2**4, 2**16


@dataclass(frozen=True)
class Capacities:
    """The limit of each row, and the newest one of each subnet."""

    rows: Floats
    current: Floats

    @classmethod
    def read(
        cls,
        capacity: Any,
        *,
        long: pd.DataFrame,
        order: NDArray[np.intp],
        code: NDArray[np.intp],
        times: pd.DatetimeIndex,
        subnets: pd.Index,
        unit: str,
    ) -> Capacities:
        """Read a capacity of any kind, for rows sorted by subnet and time."""
        if "capacity" in long:
            at = _checked(pd.to_numeric(long["capacity"]).to_numpy(dtype=float)[order])
            ends = np.flatnonzero(np.r_[np.diff(code) != 0, True])
            current = np.empty(len(subnets))
            current[code[ends]] = at[ends]
            return cls(at, current)
        if capacity is None:
            raise InputError(
                "capacity is needed: a number, a Subnet, a mapping of subnets, or a column"
            )
        if isinstance(capacity, pd.DataFrame):
            capacity = {str(name): capacity[name] for name in capacity.columns}
        if isinstance(capacity, pd.Series) and not isinstance(capacity.index, pd.DatetimeIndex):
            capacity = capacity.to_dict()
        if not isinstance(capacity, Mapping):
            capacity = dict.fromkeys(subnets, capacity)
        lacking = [str(name) for name in subnets if name not in capacity]
        if lacking:
            raise InputError(
                f"capacity names no value for {len(lacking):,} subnets: {', '.join(lacking[:5])}"
            )
        at, current = np.empty(len(code)), np.empty(len(subnets))
        starts = np.searchsorted(code, np.arange(len(subnets) + 1))
        for place, name in enumerate(subnets):
            rows = slice(starts[place], starts[place + 1])
            value = capacity[name]
            if isinstance(value, pd.Series):
                at[rows], current[place] = _over_time(value, times[rows])
            else:
                at[rows] = current[place] = amount(value, unit)
        return cls(at, current)


def amount(value: Any, unit: str) -> float:
    """Give a capacity as a number of addresses, or of whole /28 blocks."""
    if isinstance(value, str):
        return float(_of_size(_network_size(value), unit))
    # Anything that knows its usable addresses and its size is a subnet to this study.
    if hasattr(value, "usable") and hasattr(value, "size") and hasattr(value, "cidr"):
        return float(value.usable if unit == "addresses" else _of_size(value.size, unit))
    if isinstance(value, (bool, np.bool_)) or not isinstance(
        value, (int, float, np.integer, np.floating)
    ):
        raise InputError(f"capacity must be a number, a Subnet, a CIDR or a column; got {value!r}")
    return float(_checked(np.array([float(value)]))[0])


def _network_size(cidr: str) -> int:
    try:
        size = ip_network(cidr).num_addresses
    except ValueError as error:
        raise InputError(f"capacity {cidr!r} is neither a column nor a CIDR: {error}") from error
    if not _SMALLEST <= size <= _LARGEST:
        raise InputError(f"a subnet has a /16 to /28; got {cidr!r}")
    return size


def _of_size(size: int, unit: str) -> int:
    """Count what an empty subnet gives: the first four addresses and the last one are kept."""
    if unit == "addresses":
        return size - _KEPT
    # The first and the last block hold kept addresses and never serve a prefix.
    return max(size // ADDRESSES_PER_PREFIX - 2, 0)


def _over_time(value: pd.Series[Any], times: pd.DatetimeIndex) -> tuple[Floats, float]:
    """Hold each capacity until the next one; the first one also before it."""
    value = value.sort_index()
    numbers = _checked(value.to_numpy(dtype=float))
    index = pd.DatetimeIndex(value.index)
    if (index.tz is None) != (times.tz is None):
        raise InputError("history and capacity must both have a time zone, or neither")
    place = index.as_unit("ns").asi8.searchsorted(times.as_unit("ns").asi8, side="right") - 1
    return numbers[np.maximum(place, 0)], float(numbers[-1])


def _checked(values: Floats) -> Floats:
    missing = np.flatnonzero(np.isnan(values))
    if len(missing):
        raise MissingValueError(
            f"capacity has {len(missing):,} missing values, first at position {missing[0]}",
            positions=missing[:5].tolist(),
            count=len(missing),
        )
    if ((values < 0) | np.isinf(values)).any():
        raise InvalidCountError(f"capacity must be finite and not negative; got {values.min():g}")
    return values
