"""What a plan must answer: what runs, on which nodes, and in which zones and subnets."""

from __future__ import annotations

import fnmatch
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.addresses.subnet import Subnet
from eks_win_capacity.core.arguments import names
from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX, NODE_ADDRESSES
from eks_win_capacity.core.errors import InputError, UnsupportedInputError
from eks_win_capacity.packing.deadline import Deadline
from eks_win_capacity.planning.costs import Buying
from eks_win_capacity.planning.workloads import GPU, slots_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eks_win_capacity.addresses.warm_pool import WarmPool
    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.density.reserved import Reserved
    from eks_win_capacity.packing.problem import Ints
    from eks_win_capacity.planning.costs import PriceList
    from eks_win_capacity.planning.plan_values import PlannedGroup
    from eks_win_capacity.planning.workloads import Load

ALL_NODES = "nodes"
"""Name of the limit on all nodes together."""

ALL_ADDRESSES = "addresses"
"""Name of the limit on the subnet addresses of all nodes together."""

UNLIMITED: Final = 2**40
"""Number of nodes, or of free addresses, that stands for no limit."""

RESOURCES = ("cpu", "memory", "addresses", "kubelet")

BRIEF: Final = 0.1
"""Part of the usual work for a plan that is only a step or a comparison."""

ANY_TYPES: Final = 0.15
"""Part of the time for the plan with any number of types, if that is limited."""

NEAR: Final = 2.5e-3
"""Gap from which small fleets are solved exactly."""

PROVED: Final = 4e-6
"""Gap up to which a plan counts as proved: the tolerance of the solver, 1e-6, and the margin of
2e-6 by which bounds of integer programs are lowered."""

ROUGH: Final = 0.01
"""Gap at which a plan of brief work is good enough."""


_GPUS: Final = {
    "g3": {"4xlarge": 1, "8xlarge": 2, "16xlarge": 4},
    "g3s": {"xlarge": 1},
    "g4dn": {"12xlarge": 4, "metal": 8},
    "g5": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "g6": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "g6e": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "p2": {"xlarge": 1, "8xlarge": 8, "16xlarge": 16},
    "p3": {"2xlarge": 1, "8xlarge": 4, "16xlarge": 8},
    "p3dn": {"24xlarge": 8},
    "p4d": {"24xlarge": 8},
    "p5": {"48xlarge": 8},
}
"""NVIDIA GPUs of a type by family and size; other sizes of g4dn, g5, g6 and g6e have one.

Source: Amazon EC2 instance types guide, "Accelerated computing".
"""

_ONE_EACH: Final = frozenset({"g4dn", "g5", "g6", "g6e"})


@dataclass(frozen=True, kw_only=True)
class NodeKind:
    """
    An empty node of a type: room for workloads, cost, and attached addresses.

    ``room`` is in the order of ``names()``, which ends with the ``extended`` resources.
    ``attached`` are addresses in addition to its own, and ``prefixes`` the /28 blocks among them,
    by number of pods with an address; ``held`` are addresses and blocks already taken from its
    subnet. ``purchase`` is ``on-demand``, ``spot``, ``paid`` or ``present`` (already running). An
    empty ``zone`` stands for any; ``stock`` is the largest number of nodes, None if unlimited.
    """

    name: str
    room: tuple[int, ...]
    cost: float
    attached: Ints
    prefixes: Ints
    purchase: str = "on-demand"
    zone: str = ""
    extended: tuple[str, ...] = ()
    stock: int | None = None
    held: tuple[int, int] = (0, 0)

    def may_run(self, load: Load) -> bool:
        """Whether a workload is allowed on the node."""
        if load.purchase and (load.purchase == "spot") != (self.purchase == "spot"):
            return False
        return not load.allowed_types or self.name in load.allowed_types

    def names(self) -> tuple[str, ...]:
        """Names of the resources in ``room``, in order."""
        return (*RESOURCES, *self.extended)

    def addresses(self, pods: int) -> int:
        """Subnet addresses, its own included, with a number of addressed pods on the node."""
        return NODE_ADDRESSES + int(self.attached[pods])


@dataclass(frozen=True, kw_only=True)
class Site:
    """
    A subnet, or a zone without one, and what is free there; -1 if unlimited.

    ``free`` includes addresses of blocks reserved for prefixes, ``singles`` does not. ``guessed``
    blocks are the worst case of a count of used addresses. With ``breaks``, each single address
    counts as a block that it breaks. ``source`` is the subnet as given.
    """

    zone: str
    subnet: str = ""
    free: int = -1
    blocks: int = -1
    singles: int = -1
    guessed: bool = False
    breaks: bool = False
    source: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Question:
    """
    The checked input of a plan.

    ``daemons`` run on every node. ``present`` are kinds of node that already run, and ``staying``
    is how many stay in any plan, by the limit that counts them. ``other_sites`` returns the sites
    in the other address mode, where blocks are counted differently. ``effort`` is a part of the
    usual work; ``progress`` is called with cost and bound of every better plan.
    """

    workloads: tuple[Load, ...]
    catalog: Catalog
    reserved: Reserved
    prices: PriceList
    objective: str = "cost"
    prefix: bool = False
    pool: WarmPool | None = None
    kubelet: int | None = None
    daemons: tuple[Load, ...] = ()
    surge: float | str = 0
    zone_lost: bool = False
    max_types: int | None = None
    limits: dict[str, int] = field(default_factory=dict)
    sites: tuple[Site, ...] = ()
    present: tuple[NodeKind, ...] = ()
    staying: dict[str, int] = field(default_factory=dict)
    other_sites: Callable[[], tuple[Site, ...]] | None = None
    candidates: Any = None
    deadline: Deadline = field(default_factory=Deadline)
    effort: float = 1.0
    extended_resources: dict[str, dict[str, int]] = field(default_factory=dict)
    buying: Buying = field(default_factory=Buying)
    min_types: int = 1
    at_least: dict[str, int] = field(default_factory=dict)
    launcher: str = "eksctl"
    progress: Callable[[float, float], None] | None = None

    @property
    def limited(self) -> bool:
        """Whether subnets limit the addresses."""
        return any(site.free >= 0 for site in self.sites)

    @property
    def counts_addresses(self) -> bool:
        """Whether the addresses of a node matter: by subnets, a limit or the objective."""
        return self.limited or self.objective == "addresses" or ALL_ADDRESSES in self.limits

    @property
    def zoned(self) -> bool:
        """Whether a limit applies to the nodes of a zone."""
        return any(zone in self.limits for zone in self.zones)

    @property
    def spread(self) -> bool:
        """Whether a workload is spread over the zones, or a zone may be lost."""
        return self.zone_lost or any(self.spreads)

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones, sorted."""
        return tuple(sorted({site.zone for site in self.sites}))

    @cached_property
    def wanted(self) -> Ints:
        """Places that each workload needs if no zone is lost."""
        return slots_of(self.workloads, self.surge, len(self.zones), zone_lost=False)

    @cached_property
    def slots(self) -> Ints:
        """Places that each workload needs, with those for a lost zone."""
        return slots_of(self.workloads, self.surge, len(self.zones), zone_lost=self.zone_lost)

    @property
    def spreads(self) -> list[bool]:
        """Whether each workload is spread over the zones."""
        return [load.zone_spread or self.zone_lost for load in self.workloads]

    @property
    def odd(self) -> bool:
        """Whether the pods of a spread workload do not divide evenly over the zones."""
        return bool((self.slots[self.spreads] % max(len(self.zones), 1)).any())

    @property
    def uneven(self) -> bool:
        """Whether zones may share in several ways, so that a bound for one way covers no other."""
        return self.odd or any(load.zone_spread and load.max_skew > 1 for load in self.workloads)

    def needs(self, extended: tuple[str, ...]) -> Ints:
        """Needs of one pod of each workload, extended resources last."""
        return self._needs if extended == self.extended else self._needs_of(extended)

    @cached_property
    def _needs(self) -> Ints:
        # Each type asks for them, and there may be thousands of workloads.
        needs = self._needs_of(self.extended)
        needs.setflags(write=False)
        return needs

    def _needs_of(self, extended: tuple[str, ...]) -> Ints:
        rows = [load.need(extended) for load in self.workloads]
        return np.array(rows, dtype=np.int64).reshape(len(rows), len(RESOURCES) + len(extended))

    @cached_property
    def extended(self) -> tuple[str, ...]:
        """The extended resources that workloads ask for."""
        return tuple(sorted({name for load in self.workloads for name, _ in load.extended}))

    def supply(self, name: str) -> dict[str, int]:
        """Extended resources that a type has."""
        for pattern, given in self.extended_resources.items():
            if fnmatch.fnmatchcase(name, pattern):
                return given
        number = gpus_of(name)
        return {GPU: number} if number else {}

    def gives(self, name: str) -> bool:
        """Whether a type has an extended resource that a workload asks for."""
        return any(self.supply(name).get(one) for one in self.extended)

    def check(self) -> None:
        """Raise an error if pods must be spread over unknown zones."""
        if self.spread and (not self.zones or "" in self.zones):
            raise InputError(
                "spreading over zones needs subnets that tell their zone, or zones=NAMES"
            )

    def least_alone(self, node: NodeKind) -> float:
        """Lower bound on the cost of the workloads on one type alone, by the scarcest resource."""
        need = self.needs(node.extended)
        room = np.array(node.room, dtype=np.int64)
        live = self.slots > 0
        if (need[live] > room).any():
            return math.inf
        total = self.slots @ need
        return float((-(-total // np.maximum(room, 1)) * (room > 0)).max()) * node.cost

    def least_by_sums(self, nodes: tuple[NodeKind, ...]) -> float:
        """Lower bound on any fleet, by the scarcest resource at its cheapest price."""
        if not nodes:
            return 0.0
        total = self.wanted @ self.needs(nodes[0].extended)
        if self.objective == "addresses":
            # Each pod with an address takes one, whatever else its node attaches.
            return float(total[2])
        room = np.array([node.room for node in nodes], dtype=np.float64)
        each = np.array([node.cost if self.objective == "cost" else 1.0 for node in nodes])
        used = total > 0
        # Float errors must not raise the bound above the truth.
        price = (each[:, None] / np.maximum(room[:, used], 1e-9)).min(axis=0)
        return float((price * total[used]).max(initial=0.0)) * (1 - 1e-9)


def gpus_of(name: str) -> int:
    """
    Whole NVIDIA GPUs of an instance type; 0 if it has none, or only a part of one.

    Examples
    --------
    >>> [gpus_of(name) for name in ("g5.xlarge", "g4dn.12xlarge", "m5.large")]
    [1, 4, 0]
    """
    family, _, size = name.partition(".")
    return _GPUS.get(family, {}).get(size, int(family in _ONE_EACH))


@dataclass(frozen=True)
class Answer:
    """Nodes, their value in the objective, and proved lower bounds on it."""

    groups: list[PlannedGroup]
    value: float
    bound: float = 0.0
    lp_bound: float = 0.0


def cheaper(one: Answer | None, other: Answer | None) -> Answer | None:
    """The cheaper of two answers, the first of equals."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other, key=lambda answer: answer.value)


def status_of(value: float, bound: float, *, interrupted: bool) -> str:
    """Status of a plan: ``proved`` if the bound meets its value."""
    gap = 1 - bound / value if value else 0.0
    return "interrupted" if interrupted else "proved" if gap <= PROVED else "gap"


def read_sites(
    subnets: Any, zones: Sequence[str] | None, *, prefix: bool, certain: bool = True
) -> tuple[Site, ...]:
    """
    Sites from one subnet, several, a mapping by zone, or bare zones.

    With ``certain``, each single address counts as a block that it breaks, unless a reservation
    keeps it out.
    """
    if subnets is None:
        named = [] if zones is None else names(zones, name="zones")
        return tuple(Site(zone=zone) for zone in sorted(set(named)))
    if zones is not None:
        raise InputError("give subnets or zones, not both: each subnet tells its zone")
    sites = [
        _site(subnet, zone, prefix=prefix, certain=certain) for zone, subnet in _listed(subnets)
    ]
    if not sites:
        raise InputError("subnets is empty; give at least one, or None for no limit")
    for name, number in Counter(site.subnet for site in sites).items():
        if number > 1:
            raise InputError(f"the subnet {name} is given twice")
    return tuple(sorted(sites, key=lambda site: (site.zone, site.subnet)))


def _listed(subnets: Any) -> list[tuple[str, Any]]:
    if _is_one(subnets):
        return [("", subnets)]
    if isinstance(subnets, Mapping):
        return [
            (str(zone), one)
            for zone, here in subnets.items()
            for one in ([here] if _is_one(here) or not isinstance(here, Iterable) else here)
        ]
    if not isinstance(subnets, Iterable) or hasattr(subnets, "columns"):
        raise UnsupportedInputError(
            f"subnets must be Subnet, a list of them, or a mapping by zone; got "
            f"{type(subnets).__name__}"
        )
    return [("", one) for one in subnets]


def _is_one(value: Any) -> bool:
    return isinstance(value, str) or hasattr(value, "cidr")


def _site(given: Any, zone: str, *, prefix: bool, certain: bool) -> Site:
    subnet = Subnet(given) if isinstance(given, str) else given
    if hasattr(subnet, "subnet") and hasattr(subnet, "available"):
        state, subnet = subnet, subnet.subnet
        if subnet is None:
            raise InputError(
                f"nothing tells how much of {state.subnet_id} is in use: its reservations hide "
                "it from the count, so its network interfaces are needed as well"
            )
    for name in ("free", "free_prefixes", "cidr"):
        if name not in dir(subnet):
            raise UnsupportedInputError(f"subnets must hold Subnet; got {type(subnet).__name__}")
    own_zone = str(getattr(subnet, "zone", None) or "")
    if zone and own_zone and zone != own_zone:
        raise InputError(f"{subnet.cidr} is listed under zone {zone} and says {own_zone} itself")
    site = Site(
        zone=own_zone or zone,
        subnet=str(getattr(subnet, "subnet_id", None) or subnet.cidr),
        free=int(getattr(subnet, "free_outside_reservations", subnet.free)),
        blocks=0,
        source=subnet,
    )
    return _with_blocks(site, subnet, certain=certain) if prefix else site


def _with_blocks(site: Site, subnet: Any, *, certain: bool) -> Site:
    """
    The site with its blocks and, if it has reservations, a limit on single addresses.

    AWS assigns prefixes from prefix reservations first, and nothing else from there: blocks inside
    count for prefixes, never for the nodes' own addresses.
    """
    if not getattr(subnet, "placement_known", True):
        blocks = int(subnet.prefix_estimate.worst)
        return replace(site, blocks=blocks, guessed=True, breaks=certain)
    blocks = int(subnet.free_prefixes)
    if not getattr(subnet, "reservations", ()):
        return replace(site, blocks=blocks, breaks=certain)
    inside = int(subnet.census.free_prefixes_reserved)
    site = replace(site, free=site.free + ADDRESSES_PER_PREFIX * inside, singles=site.free)
    if certain and 2 * inside >= blocks:
        # Reserved blocks are certain; the others are not used.
        return replace(site, blocks=inside)
    return replace(site, blocks=blocks, breaks=certain)
