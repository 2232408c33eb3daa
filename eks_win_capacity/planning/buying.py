"""How nodes are bought: Spot shares, capacity that is paid already, and the Windows licence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from eks_win_capacity.core.display import Shown
from eks_win_capacity.core.errors import InputError, UnsupportedInputError
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.planning.workloads import slots_of, whole

if TYPE_CHECKING:
    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.planning.workloads import Load

__all__ = ["Buying", "read_buying", "split_by_purchase"]


@checked_call
@dataclass(frozen=True, kw_only=True)
class Buying(Shown):
    """
    How the nodes of a plan are bought.

    Attributes
    ----------
    spot_share : float
        Part of each workload's pods that may run on Spot nodes; the others always have places
        on nodes that stay.
    spot_prices : as prices, optional
        Spot price by instance type, Windows licence included; by default the Spot market of
        `Prices`, the lowest of all zones.
    paid : mapping
        Nodes by instance type that reservations or savings plans pay for already: they cost
        nothing but their volume.
    licence : {"included", "own"} or float
        Whether prices hold the Windows licence; a number is what to add to prices without one.
        ``own`` takes it off: Windows Server of one's own runs on Dedicated Hosts alone.
        [price per vCPU and hour]

    Examples
    --------
    >>> Buying(spot_share=0.5, paid={"m5.large": 10}).licence
    'included'
    """

    spot_share: float = 0.0
    spot_prices: Any = None
    paid: Mapping[str, int] = field(default_factory=dict)
    licence: str | float = "included"


def read_buying(buy: Any, catalog: Catalog) -> Buying:
    """
    Read how nodes are bought from a `Buying`, a mapping of its fields, or None.

    Raises
    ------
    InputError
        If a field is unknown, or its value makes no sense.
    UnknownInstanceTypeError
        If the catalog lacks a type that is paid.
    """
    if buy is None:
        return Buying()
    if isinstance(buy, Mapping):
        names = [one.name for one in fields(Buying)]
        if lacking := sorted(map(str, set(buy) - set(names))):
            known = ", ".join(names)
            raise InputError(f"buy has no field {', '.join(lacking)}; known: {known}")
        buy = Buying(**buy)
    if not isinstance(buy, Buying):
        raise UnsupportedInputError(f"buy must be a Buying or a mapping; got {type(buy).__name__}")
    if not _number(buy.spot_share) or not 0 <= buy.spot_share <= 1:
        raise InputError(f"spot_share must be a part from 0 to 1; got {buy.spot_share!r}")
    told = buy.licence
    if told not in {"included", "own"} and not (_number(told) and 0 <= float(told) < math.inf):
        raise InputError(
            f"licence must be 'included', 'own' or a price per vCPU and hour; got {told!r}"
        )
    paid = {str(name): whole(n, f"paid nodes of {name}") for name, n in buy.paid.items()}
    if unknown := set(paid) - set(catalog):
        raise catalog.unknown_error([min(unknown)])
    return replace(buy, paid={name: n for name, n in sorted(paid.items()) if n})


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def split_by_purchase(
    loads: tuple[Load, ...], share: float, *, surge: float | str, zones: int
) -> tuple[tuple[Load, ...], float | str]:
    """
    Each workload as the pods that may run on Spot, and those that keep off it; and the surge left.

    Where there is Spot, surge is counted in. Pods that spread over zones keep off Spot in multiples of the zones, so
    that both parts together spread as one.
    """
    if not share:
        return loads, surge
    parts: list[Load] = []
    for load, slot in zip(loads, slots_of(loads, surge, zones, zone_lost=False), strict=True):
        wanted = int(slot)
        firm = math.ceil((1 - share) * wanted - 1e-9)
        if load.zone_spread and zones:
            firm = min(wanted, -(-firm // zones) * zones)
        # A limit of pods on a node holds for both parts together only where they never meet.
        other = "spot" if load.most and 0 < firm < wanted else ""
        if firm < wanted:
            parts.append(replace(load, replicas=wanted - firm, purchase=other))
        if firm or not wanted:
            parts.append(replace(load, replicas=firm, purchase="on-demand"))
    return tuple(sorted(parts, key=lambda load: load.name)), 0
