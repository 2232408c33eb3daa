"""How many addresses of a subnet do pods need, under a plan of nodes and warm pools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from eks_win_capacity.addresses.fit import SubnetRoom
from eks_win_capacity.addresses.subnet import Subnet
from eks_win_capacity.addresses.warm_pool import WarmPool, curve_of
from eks_win_capacity.catalog import given_or_bundled
from eks_win_capacity.core.arguments import mapping, number, text
from eks_win_capacity.core.arrays import count, flag
from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX, KUBELET_MAX_PODS, NODE_ADDRESSES
from eks_win_capacity.core.display import Shown
from eks_win_capacity.core.errors import InputError
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.values import same_values
from eks_win_capacity.density.max_pods import ip_capacity
from eks_win_capacity.forecast.history import amount

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eks_win_capacity.addresses.warm_pool import AddressCurve
    from eks_win_capacity.catalog import Catalog

    Counts = NDArray[np.int64]

_LARGEST = 10**7
"""Maximum number of addresses of a subnet in a plan."""


_LOWEST = {"pods_per_node": 1, "nodes": 1, "min_nodes": 0, "cooling": 0, "kubelet_max_pods": 1}
"""Minimum of each count of a plan, if it is given."""


class Need(NamedTuple):
    """Needs of pods: nodes, addresses (including those of the nodes), and whole /28 blocks."""

    nodes: Counts
    addresses: Counts
    prefixes: Counts


@checked_call
@dataclass(frozen=True, kw_only=True)
class DemandPlan(Shown):
    """
    Plan for running pods: which nodes, which mode, which subnets.

    Parameters
    ----------
    name : str
        Name of the plan in tables and charts; by default its type and mode.
    instance_type : str
        Type of every node.
    pool : WarmPool
        Mode and warm targets; `WarmPool.secondary()` by default.
    subnets : mapping of str to float, str or Subnet; or Subnets
        Space of each subnet for this workload: a number of addresses, the CIDR of an empty
        subnet, or a `Subnet`. Addresses in use in a `Subnet` count as used by others, so leave
        out those of the nodes that run these pods. Its reservations and broken /28 blocks
        count. Without a mapping, subnets are named by their ids, or else their CIDRs.
    zones : mapping of str to str, optional
        Zone of each subnet; by default that of the `Subnet`. If the history has a column for
        each zone, the subnets of a zone carry only the pods of that zone.
    shares : mapping of str to float, optional
        Share of the pods (of the zone) that each subnet carries. By default new nodes go to the
        subnet that still has room, so the subnets of a zone run out together.
    pods_per_node : int, optional
        Pods on a node; by default what its addresses and the kubelet allow.
    nodes : int, optional
        Nodes in each subnet, if their number is fixed; pods are then spread evenly. By default
        a node is added when the others are full.
    min_nodes : int
        Minimum number of nodes in each subnet.
    kubelet_max_pods : int
        The kubelet's limit.
    cooling : int
        Cooling addresses on each node, in addition to those of its pods: the pods replaced
        within the 30 to 60 s that a freed address cools down, for instance in a rolling update.
        They are attached and serve no pod.
    fragmented : bool
        Whether, after much churn, each pod may use a separate prefix: the worst case of prefix
        mode. By default nodes have only grown.
    catalog : Catalog, optional
        The bundled one by default.

    Raises
    ------
    InputError
        If shares do not add up to 1, a subnet has no zone, or a count is out of range.
    UnknownInstanceTypeError
        If the catalog has no such type.

    Examples
    --------
    >>> plan = DemandPlan(name="now", instance_type="m5.large", subnets={"a": "10.0.0.0/24"})
    >>> plan.pod_limit("a")
    (226, 'addresses')
    """

    instance_type: str
    subnets: Any
    name: str = ""
    pool: WarmPool = field(default_factory=WarmPool.secondary)
    zones: Mapping[str, str] | None = None
    shares: Mapping[str, float] | None = None
    pods_per_node: int | None = None
    nodes: int | None = None
    min_nodes: int = 0
    kubelet_max_pods: int = KUBELET_MAX_PODS
    cooling: int = 0
    fragmented: bool = False
    catalog: Catalog | None = None

    __eq__ = same_values

    def __post_init__(self) -> None:
        if not isinstance(self.pool, WarmPool):
            raise InputError(
                f"pool must be a WarmPool, such as WarmPool.prefix(); got {self.pool!r}"
            )
        given_or_bundled(self.catalog)
        text(self.name, name="name")
        flag(self.fragmented, name="fragmented")
        if not self.name:
            mode = "prefixes" if self.prefix_delegation else "secondary"
            object.__setattr__(self, "name", f"{self.instance_type}, {mode}")
        object.__setattr__(self, "subnets", _named(self.subnets, self.name))
        self._check_counts()
        for what in ("zones", "shares"):
            given = getattr(self, what)
            if given is not None:
                mapping(given, name=what, of="the names of subnets")
            if given is not None and set(given) != set(self.subnets):
                raise InputError(f"{what} of plan {self.name!r} must name each of its subnets")
        for name, share in (self.shares or {}).items():
            if number(share, name=f"shares[{name!r}]") > 1:
                raise InputError(f"the share of {name} must lie between 0 and 1; got {share!r}")
        for zone, members in self.by_zone.items() if self.shares is not None else ():
            total = sum(self.share(name) for name in members)
            if abs(total - 1) > 1e-6:
                where = f" in zone {zone}" if zone else ""
                raise InputError(f"shares of plan {self.name!r}{where} add up to {total:g}, not 1")
        for name in self.subnets:
            self.capacity(name)

    def _check_counts(self) -> None:
        for what, low in _LOWEST.items():
            if (given := getattr(self, what)) is not getattr(type(self), what):
                object.__setattr__(self, what, count(given, name=what, low=low))
        if self.node_pods > self._limit:
            raise InputError(
                f"{self.instance_type} takes {self._limit} pods in this mode, not "
                f"{self.pods_per_node} (plan {self.name!r})"
            )

    @cached_property
    def by_zone(self) -> dict[str, list[str]]:
        """Subnets of each zone; if no zones are given, one zone with an empty name."""
        out: dict[str, list[str]] = {}
        for name in self.subnets:
            out.setdefault("" if self.zones is None else self.zones[name], []).append(name)
        return out

    def zone(self, subnet: str) -> str:
        """Zone of a subnet; empty if unknown."""
        known = self.known_zones
        return "" if known is None else known[subnet]

    @cached_property
    def known_zones(self) -> Mapping[str, str] | None:
        """The given zones, or else those of the subnets."""
        if self.zones is not None:
            return self.zones
        zones = {name: getattr(subnet, "zone", None) for name, subnet in self.subnets.items()}
        # Only names in tables, unless the history has a column for each zone.
        return {name: str(zone) for name, zone in zones.items()} if all(zones.values()) else None

    def share(self, subnet: str) -> float:
        """Share of the pods of its zone that a subnet carries."""
        if self.shares is not None:
            return float(self.shares[subnet])
        return self._carried[subnet]

    @cached_property
    def _carried(self) -> dict[str, float]:
        """Share of each subnet in proportion to its pod limit: a zone's subnets fill together."""
        most = {name: self.pod_limit(name)[0] - 1 for name in self.subnets}
        out = {}
        for members in self.by_zone.values():
            total = sum(most[name] for name in members)
            for name in members:
                out[name] = most[name] / total if total else 1 / len(members)
        return out

    @cached_property
    def slots(self) -> int:
        """Slots of the interface."""
        catalog = given_or_bundled(self.catalog)
        return int(ip_capacity(catalog[self.instance_type].ipv4_per_interface))

    @cached_property
    def prefix_delegation(self) -> bool:
        """Whether nodes run in prefix mode: the pool asks for it and the type supports it."""
        catalog = given_or_bundled(self.catalog)
        row = catalog[self.instance_type]
        return bool(self.pool.prefix_delegation and (row.nitro or row.bare_metal))

    @cached_property
    def _pool(self) -> WarmPool:
        # A type without prefix delegation uses the defaults of secondary mode.
        if self.pool.prefix_delegation and not self.prefix_delegation:
            return WarmPool.secondary()
        return self.pool

    @cached_property
    def _limit(self) -> int:
        """Pods that the addresses, the targets and the kubelet allow on a node."""
        slots = self.slots * (ADDRESSES_PER_PREFIX if self.prefix_delegation else 1)
        most = min(slots, self.kubelet_max_pods)
        # Without a warm target nothing is attached beyond the minimum, so further pods never start.
        most = min(most, self._curve().most, slots - self.cooling)
        if most < 1:
            raise InputError(
                f"{self.instance_type} has {slots} addresses for pods: with {self.cooling} of them "
                "cooling down none is left"
            )
        return most

    @property
    def node_pods(self) -> int:
        """Pods on one node."""
        return self._limit if self.pods_per_node is None else self.pods_per_node

    @cached_property
    def _cost(self) -> tuple[Counts, Counts]:
        """Addresses and prefixes of one node by its number of pods, from 0 to `node_pods`."""
        pods = np.arange(self.node_pods + 1)
        occupied = pods + np.where(pods > 0, self.cooling, 0)
        curve = self._curve(fragmented=self.fragmented)
        addresses, prefixes = curve.addresses[occupied], curve.prefixes[occupied]
        if self.prefix_delegation and not self._pool.prefix_rule and not self.fragmented:
            # This rule counts a cooling address as warm.
            prefixes = np.maximum(curve.prefixes[pods], -(-occupied // ADDRESSES_PER_PREFIX))
            addresses = prefixes * ADDRESSES_PER_PREFIX
        return addresses + NODE_ADDRESSES, prefixes

    def _curve(self, *, fragmented: bool = False) -> AddressCurve:
        return curve_of(self.slots + NODE_ADDRESSES, self._pool, fragmented=fragmented)

    def need(self, pods: Any) -> Need:
        """
        Addresses and prefixes that pods need in one subnet.

        Parameters
        ----------
        pods : int or array_like
            Pods in the subnet.
        """
        pods = np.asarray(pods, dtype=np.int64)
        size = self.node_pods
        if self.nodes is not None:
            base = np.minimum(pods // self.nodes, size)
            more = np.where(base < size, pods % self.nodes, 0)
            up, nodes = np.minimum(base + 1, size), np.full_like(pods, self.nodes)
            parts: Any = ((self.nodes - more, base), (more, up))
        else:
            full, rest = pods // size, pods % size
            nodes = np.maximum(full + (rest > 0), self.min_nodes)
            parts = ((full, size), (rest > 0, rest), (nodes - full - (rest > 0), 0))
        return Need(nodes, *(sum(n * cost[on_node] for n, on_node in parts) for cost in self._cost))

    def _room(self, subnet: str) -> SubnetRoom:
        value = self.subnets[subnet]
        if isinstance(value, (str, IPv4Network)):
            value = Subnet(value)
        if not isinstance(value, Subnet):
            addresses = int(amount(value, "addresses"))
            if addresses > _LARGEST:
                raise InputError(f"subnet {subnet!r} has {addresses:,} addresses, too many")
            return SubnetRoom.empty(addresses)
        return SubnetRoom.of(value, prefixes=self.prefix_delegation)

    def capacity(self, subnet: str) -> tuple[int, int]:
        """
        Addresses and whole /28 blocks of a subnet that the plan can use.

        Addresses in reservations of type ``prefix`` count in prefix mode only,
        those in ``explicit`` ones never.
        """
        room = self._room(subnet)
        more = room.reserved * ADDRESSES_PER_PREFIX if self.prefix_delegation else 0
        return room.free + more, room.whole + room.reserved

    def pod_limit(self, subnet: str, *, best: bool = False) -> tuple[int, str]:
        """
        Smallest number of pods that a subnet may not carry, and what binds.

        In prefix mode, each node's own address is assumed to break a whole /28, so fewer pods
        than the limit are guaranteed to fit, as in `nodes_that_fit(...).nodes`. A ``prefix``
        reservation (`reservation_plan`) raises the limit.

        Parameters
        ----------
        subnet : str
            Name of the subnet.
        best : bool
            Assume instead that the addresses of nodes lie in broken blocks first: the most that
            may fit.

        Returns
        -------
        (int, {"addresses", "prefixes", "nodes"})
        """
        room = self._room(subnet)
        pods = np.arange(self.capacity(subnet)[0] + 2)
        need = self.need(pods)
        fixed = pods[-1] if self.nodes is None else self.nodes * self.node_pods
        limits = {"addresses": need.addresses > room.free, "nodes": pods > fixed}
        if self.prefix_delegation:
            single = need.nodes * NODE_ADDRESSES
            limits["addresses"] = single > room.free
            limits["prefixes"] = ~room.holds(single, need.prefixes, best=best)
        first = {
            name: int(over.argmax()) if over.any() else len(pods) for name, over in limits.items()
        }
        binding = min(first, key=lambda name: first[name])
        return first[binding], binding


def _named(subnets: Any, plan: str) -> dict[str, Any]:
    """Subnets by name."""
    if isinstance(subnets, Mapping):
        named = dict(subnets)
    else:
        several = list(subnets) if isinstance(subnets, (list, tuple)) else [subnets]
        if not all(isinstance(each, (Subnet, str, IPv4Network)) for each in several):
            raise InputError(
                f"subnets of plan {plan!r} must be a mapping of names to capacities, or Subnets; "
                f"got {subnets!r}"
            )
        named = {
            getattr(each, "subnet_id", None) or getattr(each, "cidr", str(each)): each
            for each in several
        }
        if len(named) < len(several):
            raise InputError(f"plan {plan!r} names a subnet twice")
    if not named:
        raise InputError(f"plan {plan!r} needs subnets: a mapping of names to capacities")
    return named
