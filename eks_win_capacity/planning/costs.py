"""How nodes are bought, what each costs, and what replaces a price that is unknown."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.catalog import given_or_bundled
from eks_win_capacity.catalog.prices import LICENCE_OF_T, LICENCE_PER_VCPU, Prices
from eks_win_capacity.core.display import Shown
from eks_win_capacity.core.errors import InputError, UnsupportedInputError, count_of
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.values import is_missing
from eks_win_capacity.planning.workloads import slots_of, whole

if TYPE_CHECKING:
    from eks_win_capacity.catalog import Catalog, InstanceType
    from eks_win_capacity.planning.workloads import Load

__all__ = ["Buying", "PriceList", "read_buying", "read_prices", "speciality", "split_by_purchase"]


@checked_call
@dataclass(frozen=True, kw_only=True)
class Buying(Shown):
    """
    How the nodes of a plan are bought.

    Attributes
    ----------
    spot_share : float
        Share of each workload's pods that may run on Spot nodes; the others always fit on
        other nodes.
    spot_prices : as prices, optional
        Spot price by instance type, Windows licence included; by default the Spot market of
        `Prices`, the lowest of all zones.
    paid : mapping
        Nodes by instance type that reservations or savings plans already pay for: only their
        volume costs.
    licence : {"included", "own"} or float
        Whether prices include the Windows licence; a number is added to prices without it.
        ``own`` subtracts it: your own Windows Server licences run on Dedicated Hosts only.
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


_PLAIN: Final = Buying()


def read_buying(buy: Any, catalog: Catalog) -> Buying:
    """
    How nodes are bought, from a `Buying`, a mapping of its fields, or None.

    Raises
    ------
    InputError
        If a field is unknown or invalid.
    UnknownInstanceTypeError
        If the catalog lacks a type in ``paid``.
    """
    if buy is None:
        return _PLAIN
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
    licence = buy.licence
    if licence not in {"included", "own"} and not (
        _number(licence) and 0 <= float(licence) < math.inf
    ):
        raise InputError(
            f"licence must be 'included', 'own' or a price per vCPU and hour; got {licence!r}"
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
    Workloads split into pods that may run on Spot and pods that may not, and the surge left.

    With Spot, surge is included. Pods spread over zones stay off Spot in multiples of the number of
    zones, the same number in each, so that both parts together are spread as one.
    """
    if not share:
        return loads, surge
    parts: list[Load] = []
    for load, slot in zip(loads, slots_of(loads, surge, zones, zone_lost=False), strict=True):
        wanted = int(slot)
        firm, skew = math.ceil((1 - share) * wanted - 1e-9), load.max_skew
        if load.zone_spread and zones:
            firm = min(wanted, -(-firm // zones) * zones)
            skew = 1 if firm < wanted else skew
        # A maximum of pods per node holds for both parts together only if they never share a node.
        other = "spot" if load.most and 0 < firm < wanted else ""
        if firm < wanted:
            parts.append(replace(load, replicas=wanted - firm, purchase=other))
        if firm or not wanted:
            parts.append(replace(load, replicas=firm, purchase="on-demand", max_skew=skew))
    return tuple(sorted(parts, key=lambda load: load.name)), 0


PROXY_GIB: Final = 1 / 24
"""Weight of a GiB relative to a vCPU if no prices are given. [vCPU]

Source: Amazon EC2 on-demand pricing, us-east-1. Linux prices of c5.large, m5.large and r5.large are
0.085, 0.096 and 0.126 USD per hour; Windows adds 0.046 per vCPU. The sums, 0.177, 0.188 and 0.218
for 4, 8 and 16 GiB with two vCPUs, are 0.0034 USD per GiB and 0.0804 per vCPU: 1 to 23.5.
"""

PROXY_FACTOR: Final = {"accelerator": 4.0, "local-disk": 1.1}
"""Factors of the proxy for types with accelerators and local disks.

Source: Amazon EC2 on-demand pricing, us-east-1, Windows. g4dn.xlarge and p3.2xlarge are 0.710 and
3.428 USD per hour, 1.9 and 4.6 times as much as m5.xlarge (0.376) and m5.2xlarge (0.752); m5d.large
is 0.205, m5.large 0.188. Approximate, so that no GPU wins a plan without prices.
"""

_NAME: Final = re.compile(r"(?P<series>[a-z]+)(?:\d+)(?P<options>[a-z]*)(-[a-z0-9]+)?\.")
"""Parts of a type's name: m5dn.large has series m, options dn.

Source: Amazon EC2 user guide, "Instance type naming conventions".
"""

_ACCELERATED: Final = frozenset({"dl", "f", "g", "gr", "inf", "p", "trn", "vt"})
"""Series with GPUs, FPGAs or inference chips. Source: as above."""

_STORAGE: Final = frozenset({"d", "h", "i", "im", "is", "z"})
"""Series with local disks. Source: as above."""

_OLD_STORAGE: Final = ("x1.", "x1e.")
"""Types with local disks that their names do not show. Source: Amazon EC2, "Instance store"."""

NODE_COST_PRICE: Final = 0.0055
"""Cost of a node in addition to its instance: 50 GiB of gp3 root volume. [USD/h]

Source: Amazon EBS pricing, gp3 in us-east-1, 0.08 USD per GB and month.
"""

NODE_COST_PROXY: Final = 0.06
"""The same in vCPUs of the proxy: 0.0055 of about 0.08 USD an hour. [vCPU]"""

_MOST: Final = 1e12
"""Largest cost of a node at which the cost of a fleet cannot overflow."""


def speciality(name: str) -> str:
    """
    Feature that pods must request to use: ``accelerator`` or ``local-disk``; else empty.

    ``burstable`` means T types, whose CPU is a baseline with credits.

    Examples
    --------
    >>> [speciality(name) for name in ("g5.xlarge", "m5dn.large", "t3.large", "m5.large")]
    ['accelerator', 'local-disk', 'burstable', '']
    """
    parts = _NAME.match(name)
    if parts is None:
        return ""
    series, options = parts["series"], parts["options"]
    if series in _ACCELERATED:
        return "accelerator"
    if series in _STORAGE or "d" in options or name.startswith(_OLD_STORAGE):
        return "local-disk"
    return "burstable" if series == "t" else ""


@dataclass(frozen=True, kw_only=True)
class PriceList:
    """
    Costs of types: the given prices, or the proxy if ``known`` is None.

    ``node_cost`` is added for each node, ``unit`` is the unit of costs, ``as_of`` the day or month
    of the prices, and ``basis`` their source in words. ``licence`` is whether prices include the
    Windows licence, or what to add per vCPU. ``misnamed`` has, for types without a price, the
    unknown name in the prices that was most likely meant.
    """

    known: dict[str, float] | None = None
    node_cost: float = NODE_COST_PROXY
    unit: str = "vCPU equivalents"
    as_of: str = ""
    spot: dict[str, float] = field(default_factory=dict)
    licence: str | float = "included"
    basis: str = ""
    estimated: frozenset[str] = field(default_factory=frozenset)
    misnamed: dict[str, str] = field(default_factory=dict)

    def cost(self, row: InstanceType) -> float | None:
        """Cost of a node per hour; None if its price is unknown."""
        if self.known is None:
            plain = row.vcpus + row.memory_mib / 1024 * PROXY_GIB
            return plain * PROXY_FACTOR.get(speciality(row.name), 1.0) + self.node_cost
        return self._whole(self.known.get(row.name), row)

    def spot_cost(self, row: InstanceType) -> float | None:
        """Cost of a Spot node per hour; None if its Spot price is unknown."""
        return self._whole(self.spot.get(row.name), row)

    def _whole(self, price: float | None, row: InstanceType) -> float | None:
        """
        A price with the licence added or deducted, and the cost of the node.

        Raises
        ------
        InputError
            If a price should include the licence and is not above it.
        """
        if price is None:
            return None
        licence = 0.0
        if self.licence == "own":
            family, _, size = row.name.partition(".")
            licence = -LICENCE_OF_T.get(family, {}).get(size, LICENCE_PER_VCPU * row.vcpus)
        elif self.licence != "included":
            licence = float(self.licence) * row.vcpus
        if price + licence <= 0:
            raise InputError(
                f"licence='own' takes {-licence:g} off the price of {row.name}, which is {price:g} and "
                "so does not hold the Windows licence; give licence='included', or prices that do"
            )
        return price + licence + self.node_cost


def read_prices(prices: Any, node_cost: float | None = None, buying: Buying = _PLAIN) -> PriceList:
    """
    Prices per hour by instance type.

    A frame has the columns ``instance_type`` and ``price`` and, optionally, ``currency``, ``as_of``
    and ``estimated``. From `Prices`, the on-demand prices are used, or those of its only market.

    Raises
    ------
    InputError
        If a price is not above zero or given twice, or the node cost is negative.
    UnsupportedInputError
        If the prices are of a kind that cannot be read.
    """
    if node_cost is not None and not (_number(node_cost) and 0 <= node_cost <= _MOST):
        raise InputError(f"node_cost must be a number from 0 to {_MOST:g}; got {node_cost!r}")
    if prices is None:
        return _proxy(node_cost, buying)
    extra = NODE_COST_PRICE if node_cost is None else float(node_cost)
    currency, as_of, estimated = "price units", "", frozenset[str]()
    source = "the prices given, taken as by the hour"
    spot = _spot(prices, buying)
    if isinstance(prices, Prices):
        rows, source = _market(prices)
        currency, as_of = prices.currency, prices.as_of
        estimated = frozenset(rows.loc[rows["estimated"].astype(bool), "instance_type"])
        prices = rows.groupby("instance_type")["price"].min()
    elif hasattr(prices, "columns"):
        currency = _only(prices, "currency") or currency
        as_of = _only(prices, "as_of")
        prices, estimated = _frame(prices)
        source += f", of {as_of}" if as_of else ""
    known = _known_prices(prices)
    basis = f"{source}, and {extra:g} a node for its root volume"
    estimated &= known.keys()
    if estimated:
        basis += f"; {len(estimated):,} of {len(known):,} prices are estimates"
    return PriceList(
        known=known,
        node_cost=extra,
        unit=f"{currency}/h",
        as_of="" if as_of == "unknown" else as_of,
        spot=spot,
        licence=buying.licence,
        basis=basis + _LICENCES.get(str(buying.licence), "; the licence is added for each vCPU"),
        estimated=estimated,
    )


def check_names(prices: PriceList, catalog: Catalog) -> PriceList:
    """The prices, with a note in their basis on names that no catalog has."""
    unknown = sorted((prices.known or {}).keys() - set(catalog))
    # A catalog may be a subset on purpose: prices of other types are not errors.
    unknown = unknown and sorted(set(unknown) - set(given_or_bundled(None)))
    if not unknown:
        return prices
    close = {name: catalog.close_matches(name) for name in unknown[:_LOOKED_UP]}
    shown = ", ".join(
        f"{name!r}{f' (did you mean {alike[0]!r}?)' if (alike := close[name]) else ''}"
        for name in unknown[:3]
    )
    misnamed = {a[0]: name for name, a in close.items() if a and a[0] not in (prices.known or {})}
    few = count_of(len(unknown), "price is of a type", "prices are of types")
    note = (
        f"; {few} that the catalog of {catalog.as_of} lacks: {shown}{', ...' * (len(unknown) > 3)}"
    )
    return replace(prices, basis=prices.basis + note, misnamed=misnamed)


_LOOKED_UP: Final = 20
"""Unknown names in prices, at most, for which the closest known name is searched."""


def _proxy(node_cost: float | None, buying: Buying) -> PriceList:
    """The proxy that replaces prices if none were given."""
    if buying.spot_share or buying.licence != "included":
        what = "spot_share" if buying.spot_share else f"licence={buying.licence!r}"
        raise InputError(f"{what} needs prices: give prices too")
    extra = NODE_COST_PROXY if node_cost is None else float(node_cost)
    return PriceList(
        node_cost=extra,
        basis="no prices were given: a node counts its vCPUs, its GiB of memory times "
        f"{PROXY_GIB:.4f}, and {extra:g} for its root volume",
    )


_LICENCES: Final = {
    "included": "",
    "own": "; less the Windows licence, which is one's own and needs Dedicated Hosts",
}


def _spot(prices: Any, buying: Buying) -> dict[str, float]:
    """Spot prices by type; empty if no pods may run on Spot."""
    if not buying.spot_share:
        return {}
    spot_prices = buying.spot_prices
    if spot_prices is None and isinstance(prices, Prices) and "spot" in set(prices.table["market"]):
        spot_prices = prices.series("spot")
    elif isinstance(spot_prices, Prices):
        spot_prices = spot_prices.series("spot")
    elif hasattr(spot_prices, "columns"):
        spot_prices, _ = _frame(spot_prices)
    if spot_prices is None:
        raise InputError("spot_share needs Spot prices: give spot_prices, or Prices with them")
    return _known_prices(spot_prices)


def _market(prices: Prices) -> tuple[Any, str]:
    markets = sorted(set(prices.table["market"]))
    market = "on-demand" if "on-demand" in markets or not markets else markets[0]
    rows = prices.table[prices.table["market"] == market]
    if rows.empty:
        raise InputError("prices holds no price")
    lowest = ", the lowest of all zones" if market == "spot" else ""
    in_region = f" in {prices.region}" if prices.region else ""
    return rows, f"{market} prices with Windows{in_region} of {prices.as_of}{lowest}"


def _only(frame: Any, column: str) -> str:
    """The newest value of an optional column in a table of prices; empty without it."""
    if column not in frame.columns:
        return ""
    values = sorted({str(one) for one in frame[column] if not is_missing(one)})
    if column == "currency" and len(values) > 1:
        raise InputError(f"prices are in {' and '.join(values)}; give one currency")
    return values[-1] if values else ""


def _frame(frame: Any) -> tuple[Any, frozenset[str]]:
    if "instance_type" not in frame.columns and getattr(frame, "index", None) is not None:
        frame = frame.reset_index()
    if not {"instance_type", "price"} <= set(frame.columns):
        raise InputError(
            "a table of prices needs the columns 'instance_type' and 'price'; it has "
            f"{', '.join(map(str, frame.columns))}"
        )
    pairs = list(zip(frame["instance_type"], frame["price"], strict=True))
    marks = list(frame["estimated"]) if "estimated" in frame.columns else [False] * len(pairs)
    guessed = {str(name) for (name, _), mark in zip(pairs, marks, strict=True) if bool(mark)}
    return _once(pairs), frozenset(guessed)


def _once(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    prices: dict[str, Any] = {}
    for name, value in pairs:
        if str(name) in prices:
            raise InputError(f"prices tells {name} twice; give one price for each type")
        prices[str(name)] = value
    return prices


def _known_prices(prices: Any) -> dict[str, float]:
    if not hasattr(prices, "items"):
        raise UnsupportedInputError(
            "prices must be a Prices, a Series, a table or a mapping by instance type; got "
            f"{type(prices).__name__}"
        )
    known = {}
    for name, value in _once(list(prices.items())).items():
        if is_missing(value):
            continue
        try:
            price = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            price = math.nan
        if not 0 < price <= _MOST:
            largest = f" and at most {_MOST:g}" * (price > 0)
            raise InputError(
                f"the price of {name} must be a number above zero{largest}; got {value!r}"
            )
        known[name] = price
    return known
