"""What a number of pods costs a subnet, under a plan of nodes and warm pools."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from eks_win_capacity.capacity import ip_capacity
from eks_win_capacity.catalog import Catalog
from eks_win_capacity.constants import ADDRESSES_PER_PREFIX, KUBELET_MAX_PODS, NODE_ADDRESSES
from eks_win_capacity.errors import InputError
from eks_win_capacity.exhaustion._capacities import amount
from eks_win_capacity.warm_pool import WarmPool, attached_addresses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

_OUTSIDE_BLOCKS = 26
"""Addresses of the first and the last /28 that serve nodes but never a prefix."""


class Need(NamedTuple):
    """What pods cost: nodes, addresses (with those of the nodes), and whole /28 blocks."""

    nodes: Counts
    addresses: Counts
    prefixes: Counts


@dataclass(frozen=True, kw_only=True)
class DemandPlan:
    """
    How pods are to be carried: by which nodes, in which mode, in which subnets.

    Parameters
    ----------
    name : str
        What the plan is called in tables and charts.
    instance_type : str
        Type of every node.
    pool : WarmPool
        Mode and warm targets; `WarmPool.secondary()` by default.
    subnets : mapping of str to float, str or Subnet
        Capacity of each subnet for this workload, free or used by it: a number
        of addresses, a CIDR or a `Subnet` (its free addresses).
    zones : mapping of str to str, optional
        Zone of each subnet. Where the history has a column for each zone, the
        subnets of a zone carry the pods of that zone alone.
    shares : mapping of str to float, optional
        Share of the pods (of the zone) that each subnet carries. By default
        each carries by what it can, as where new nodes go to the subnet that
        still has room: the subnets of a zone run dry together.
    pods_per_node : int, optional
        Pods that a node takes; by default what its addresses and the kubelet
        allow.
    nodes : int, optional
        Nodes of each subnet, if their number is fixed; pods are then spread
        evenly. By default nodes are added one by one, each when the others are
        full.
    min_nodes : int
        Nodes that each subnet has at least.
    kubelet_max_pods : int
        The kubelet's limit.
    catalog : Catalog, optional
        The bundled one by default.

    Raises
    ------
    InputError
        If shares do not add up, a subnet has no zone, or a count makes no sense.
    UnknownInstanceTypeError
        If the catalog has no such type.

    Examples
    --------
    >>> plan = DemandPlan(name="now", instance_type="m5.large", subnets={"a": "10.0.0.0/24"})
    >>> plan.pod_limit("a")
    (226, 'addresses')
    """

    name: str
    instance_type: str
    subnets: Mapping[str, Any]
    pool: WarmPool = field(default_factory=WarmPool.secondary)
    zones: Mapping[str, str] | None = None
    shares: Mapping[str, float] | None = None
    pods_per_node: int | None = None
    nodes: int | None = None
    min_nodes: int = 0
    kubelet_max_pods: int = KUBELET_MAX_PODS
    catalog: Catalog | None = None

    def __post_init__(self) -> None:
        if not self.subnets:
            raise InputError(f"plan {self.name!r} needs subnets: a mapping of names to capacities")
        for what in ("zones", "shares"):
            given = getattr(self, what)
            if given is not None and set(given) != set(self.subnets):
                raise InputError(f"{what} of plan {self.name!r} must name each of its subnets")
        for zone, members in self.by_zone.items() if self.shares is not None else ():
            total = sum(self.share(name) for name in members)
            if abs(total - 1) > 1e-6:
                where = f" in zone {zone}" if zone else ""
                raise InputError(f"shares of plan {self.name!r}{where} add up to {total:g}, not 1")
        for what in ("pods_per_node", "nodes"):
            given = getattr(self, what)
            if given is not None and (isinstance(given, bool) or given != int(given) or given < 1):
                raise InputError(f"{what} must be a whole number from 1; got {given!r}")
        if self.min_nodes < 0:
            raise InputError(f"min_nodes must not be negative; got {self.min_nodes!r}")
        if self.node_pods > self._limit:
            raise InputError(
                f"{self.instance_type} takes {self._limit} pods in this mode, not "
                f"{self.pods_per_node} (plan {self.name!r})"
            )

    @cached_property
    def by_zone(self) -> dict[str, list[str]]:
        """The subnets of each zone; one zone without a name if none are given."""
        out: dict[str, list[str]] = {}
        for name in self.subnets:
            out.setdefault("" if self.zones is None else self.zones[name], []).append(name)
        return out

    def zone(self, subnet: str) -> str:
        """Give the zone of a subnet; empty if none are given."""
        return "" if self.zones is None else self.zones[subnet]

    def share(self, subnet: str) -> float:
        """Give the share of its zone's pods that a subnet carries."""
        if self.shares is not None:
            return float(self.shares[subnet])
        return self._carried[subnet]

    @cached_property
    def _carried(self) -> dict[str, float]:
        """Share each subnet of its zone by what it can carry, so that they fill together."""
        most = {name: self.pod_limit(name)[0] - 1 for name in self.subnets}
        out = {}
        for members in self.by_zone.values():
            total = sum(most[name] for name in members)
            for name in members:
                out[name] = most[name] / total if total else 1 / len(members)
        return out

    @cached_property
    def slots(self) -> int:
        """Addresses of an interface that can serve pods."""
        catalog = Catalog.bundled() if self.catalog is None else self.catalog
        return int(ip_capacity(catalog[self.instance_type].ipv4_per_interface))

    @cached_property
    def prefix_delegation(self) -> bool:
        """Whether nodes run in prefix mode: asked for, and the type can."""
        catalog = Catalog.bundled() if self.catalog is None else self.catalog
        row = catalog[self.instance_type]
        return bool(self.pool.prefix_delegation and (row.nitro or row.bare_metal))

    @property
    def _limit(self) -> int:
        slots = self.slots * (ADDRESSES_PER_PREFIX if self.prefix_delegation else 1)
        return min(slots, self.kubelet_max_pods)

    @property
    def node_pods(self) -> int:
        """Pods that one node takes."""
        return self._limit if self.pods_per_node is None else int(self.pods_per_node)

    @cached_property
    def _cost(self) -> tuple[Counts, Counts]:
        """Addresses and prefixes of one node by its pods, from 0 to all it takes."""
        pool = self.pool
        if pool.prefix_delegation and not self.prefix_delegation:
            # A type that cannot hold prefixes runs on the other mode's defaults.
            pool = WarmPool.secondary()
        state = attached_addresses(np.arange(self.node_pods + 1), slots=self.slots, pool=pool)
        return (
            np.asarray(state.addresses, dtype=np.int64) + NODE_ADDRESSES,
            np.asarray(state.prefixes, dtype=np.int64),
        )

    def need(self, pods: Any) -> Need:
        """
        Give what pods cost one subnet.

        Parameters
        ----------
        pods : int or array_like
            Pods in the subnet.
        """
        pods = np.asarray(pods, dtype=np.int64)
        addresses, prefixes = self._cost
        size = self.node_pods
        if self.nodes is not None:
            base = np.minimum(pods // self.nodes, size)
            more = np.where(base < size, pods % self.nodes, 0)
            nodes = np.full_like(pods, self.nodes)
            up = np.minimum(base + 1, size)
            return Need(
                nodes,
                (self.nodes - more) * addresses[base] + more * addresses[up],
                (self.nodes - more) * prefixes[base] + more * prefixes[up],
            )
        full, rest = pods // size, pods % size
        started = full + (rest > 0)
        idle = np.maximum(self.min_nodes - started, 0)
        return Need(
            started + idle,
            full * addresses[size] + np.where(rest > 0, addresses[rest], 0) + idle * addresses[0],
            full * prefixes[size] + np.where(rest > 0, prefixes[rest], 0) + idle * prefixes[0],
        )

    def capacity(self, subnet: str) -> tuple[int, int]:
        """Give the addresses and the whole /28 blocks of a subnet."""
        value = self.subnets[subnet]
        if hasattr(value, "free") and hasattr(value, "free_prefixes"):
            return int(value.free), int(value.free_prefixes)
        addresses = int(amount(value, "addresses"))
        if isinstance(value, (int, float, np.integer, np.floating)):
            return addresses, max((addresses - _OUTSIDE_BLOCKS) // ADDRESSES_PER_PREFIX, 0)
        return addresses, int(amount(value, "prefixes"))

    def pod_limit(self, subnet: str) -> tuple[int, str]:
        """
        Give the first number of pods that a subnet cannot carry, and what binds.

        In prefix mode the addresses of the nodes are taken to lie as closely as
        they can, in the first and the last /28 first: the best case.

        Returns
        -------
        (int, {"addresses", "prefixes", "nodes"})
        """
        addresses, blocks = self.capacity(subnet)
        pods = np.arange(max(addresses, 0) + 2)
        need = self.need(pods)
        broken = np.maximum(need.nodes - _OUTSIDE_BLOCKS, 0)
        broken = -(-broken // ADDRESSES_PER_PREFIX)
        limits = {
            "addresses": need.addresses > addresses,
            "prefixes": (need.prefixes > 0) & (need.prefixes + broken > blocks),
            "nodes": pods > (pods[-1] if self.nodes is None else self.nodes * self.node_pods),
        }
        first = {
            name: int(over.argmax()) if over.any() else len(pods) for name, over in limits.items()
        }
        if not self.prefix_delegation:
            del first["prefixes"]
        binding = min(first, key=lambda name: first[name])
        return first[binding], binding
