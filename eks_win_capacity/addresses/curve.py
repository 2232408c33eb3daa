"""How many addresses one node keeps attached in the steady state, pod by pod."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity.addresses.keys import (
    Choices,
    either,
    kept_addresses,
    kept_prefixes,
    prefixes_for,
    used_addresses,
)
from eks_win_capacity.core import kernels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def _all_of(ufunc: Any) -> Callable[..., Any]:
    return lambda *values: functools.reduce(ufunc, values)


def steady_state(
    pods: Any, slots: Any, pool: Any, *, peak: Any, fragmented: Any, where: Callable[..., Any]
) -> tuple[Any, Any, Any]:
    """
    Addresses and prefixes attached, and addresses used, once everything has settled.

    Parameters
    ----------
    pods, slots : ndarray of int64
        Pods that need an address, and slots of the node. [pods], [slots]
    pool : WarmPool, or columns by the names of its fields
    peak : ndarray of int64
        The most prefixes the node ever held. [prefixes]
    fragmented : bool or ndarray of bool
        Whether every pod may sit in a prefix of its own.
    where : callable
        `either` for one pool, ``numpy.where`` for columns of them.
    """
    ops = Choices(_all_of(np.minimum), _all_of(np.maximum), where)
    used = used_addresses(pods, slots, pool, ops)
    occupied = prefixes_for(used)
    worst = np.maximum(occupied, np.minimum(np.minimum(slots, peak), used))
    prefixes = kept_prefixes(used, np.where(fragmented, worst, occupied), slots, pool, ops)
    return kept_addresses(used, prefixes, slots, pool, ops), prefixes, used


@dataclass(frozen=True, kw_only=True, eq=False)
class AddressCurve:
    """
    Addresses and prefixes that one node attaches, as a function of its pods.

    Attributes
    ----------
    addresses, prefixes : ndarray of int64, shape (capacity + 1,)
        For 0, 1, ... pods up to all that its interface can hold; read-only. The node's own
        address is not counted.
    most : int
        Pods that get an address, at most; less than the capacity where the pool keeps
        nothing warm and creates nothing beyond its minimum. [pods]
    """

    addresses: NDArray[np.int64]
    prefixes: NDArray[np.int64]
    most: int


@functools.lru_cache(maxsize=512)
def curve_of(ipv4_per_interface: int, pool: Any, *, fragmented: bool = False) -> AddressCurve:
    """
    Curve of a node whose interface takes so many addresses, under the pool that acts there.

    Hundreds of types share a few curves, so they are kept.

    Parameters
    ----------
    ipv4_per_interface : int
        [addresses]
    pool : WarmPool
    fragmented : bool
        As in `attached_addresses`.

    Examples
    --------
    >>> from eks_win_capacity import WarmPool
    >>> curve = curve_of(10, WarmPool.prefix())
    >>> curve.addresses[[0, 16, 17]], curve.most
    (array([16, 32, 32]), 144)
    """
    slots = kernels.secondary(ipv4_per_interface)
    capacity = kernels.by_mode(ipv4_per_interface, int(pool.prefix_delegation))
    pods = np.arange(capacity + 1)
    state = steady_state(pods, slots, pool, peak=slots, fragmented=fragmented, where=either)
    addresses, prefixes, used = (np.broadcast_to(column, pods.shape).copy() for column in state)
    for column in (addresses, prefixes):
        column.flags.writeable = False
    return AddressCurve(addresses=addresses, prefixes=prefixes, most=int(used[-1]))
