"""From workloads and instance types to the covering problem, and back to named pods."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity.addresses.targets import curve_of
from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX, NODE_ADDRESSES
from eks_win_capacity.density.reserved import allocatable
from eks_win_capacity.packing.problem import Problem
from eks_win_capacity.planning.plan_values import PlannedGroup

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eks_win_capacity.catalog import InstanceType
    from eks_win_capacity.packing.problem import Floats, Ints, Packed
    from eks_win_capacity.planning.workloads import Load as Workload

ALL_NODES = "nodes"
"""The name among the limits that stands for all nodes together."""

ALL_ADDRESSES = "addresses"
"""The name among the limits that stands for the subnet addresses of all nodes together."""

_Kind = tuple[int, int, tuple[int, int, int, int, int]]
"""A kind of node: its place among the types, that among the sites, and a run of `levels`."""

_Kinds = list[_Kind]

_Limit = tuple[tuple[str, int], list[tuple[int, int, int]], int]
"""A shared limit: what it is of, what each kind takes (share, per pod, at least), and the limit."""

RESOURCES = ("cpu", "memory", "addresses", "kubelet")

TIES = ("addresses", "kubelet", "cpu", "memory")
"""The same in the order in which the first of several that bind alike is named."""


@dataclass(frozen=True, kw_only=True)
class NodeKind:
    """
    An empty node of a type: room for workloads, cost, and what it keeps attached.

    Attributes
    ----------
    name : str
        Its instance type.
    room : tuple of int
        What it gives, in the order of ``names()``.
    cost : float
        What it costs.
    attached, prefixes : int arrays
        Addresses beside its own, and /28 blocks among them, by the pods that have an address.
    purchase : {"on-demand", "spot", "paid", "present"}
        How it is bought; ``present`` ones run already.
    zone : str
        Where it stands already; empty where it may stand anywhere.
    extended : tuple of str
        Extended resources, which end its room.
    stock : int or None
        How many there are; None for any number.
    held : tuple of int
        Addresses and blocks that it has taken of its subnet already.
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

    def may_run(self, load: Workload) -> bool:
        """Whether a workload is allowed on it."""
        return load.may_use(self.name, self.purchase)

    def names(self) -> tuple[str, ...]:
        """The constraints in the order of ``room``."""
        return (*RESOURCES, *self.extended)

    def addresses(self, pods: int) -> int:
        """Count the subnet addresses, its own included, with so many addressed pods on it."""
        return NODE_ADDRESSES + int(self.attached[pods])


@dataclass(frozen=True, kw_only=True)
class Site:
    """
    A subnet, or a zone without one: what is free there.

    Attributes
    ----------
    zone, subnet : str
        Where.
    free, blocks : int
        Free addresses, those of blocks for prefixes alone included, and free /28 blocks;
        -1 where nothing limits them.
    singles : int
        Free addresses that need not go as a block; -1 where all of them may.
    guessed : bool
        Whether the blocks are the worst case of a count.
    breaks : bool
        Whether each single address counts as a block that it breaks.
    source : object
        The subnet as it was given.
    """

    zone: str
    subnet: str = ""
    free: int = -1
    blocks: int = -1
    singles: int = -1
    guessed: bool = False
    breaks: bool = False
    source: Any = field(default=None, compare=False, repr=False)


def node_of(
    row: InstanceType,
    *,
    cost: float,
    prefix: bool,
    pool: Any,
    kubelet: int | None,
    reserved: Any,
    daemons: tuple[Workload, ...],
    extended: tuple[tuple[str, int], ...] = (),
) -> NodeKind:
    """Size one node: what is left for workloads, and what each number of pods attaches."""
    slots = row.ipv4_per_interface - NODE_ADDRESSES
    cpu, memory = allocatable(row, reserved)
    held = slots * ADDRESSES_PER_PREFIX if prefix and row.nitro else slots
    most = held if kubelet is None else min(held, kubelet)
    curve = curve_of(row.ipv4_per_interface, pool)
    # A pool without warm addresses serves fewer pods than the node advertises.
    served = min(most, curve.most)
    base = sum(not daemon.host_process for daemon in daemons)
    room = (
        cpu - sum(daemon.cpu for daemon in daemons),
        memory - sum(daemon.memory for daemon in daemons),
        min(held, served if served < most else held) - base,
        (kubelet if kubelet is not None else 2**31) - len(daemons),
    )
    attached = curve.addresses[base : most + 1]
    prefixes = curve.prefixes[base : most + 1]
    pods = max(0, min(room[2], len(attached) - 1))
    more = [
        max(0, have - sum(dict(daemon.extended).get(name, 0) for daemon in daemons))
        for name, have in extended
    ]
    return NodeKind(
        name=row.name,
        room=(max(room[0], 0), max(room[1], 0), pods, max(room[3], 0), *more),
        extended=tuple(name for name, _ in extended),
        cost=cost,
        attached=attached[: pods + 1] if len(attached) else np.zeros(1, dtype=np.int64),
        prefixes=prefixes[: pods + 1] if len(prefixes) else np.zeros(1, dtype=np.int64),
    )


def levels(node: NodeKind, *, flat: bool = False) -> list[tuple[int, int, int, int, int]]:
    """
    Cut the attached addresses into runs that are flat or rise by one a pod.

    Flat runs alone are more, and let whole numbers of nodes alone tell the addresses.

    Returns
    -------
    list of (most pods, addresses, more per pod, least addresses, prefixes)
        One entry for each run; addresses count the node's own.
    """
    curve, top = node.attached, len(node.attached) - 1
    runs, start = [], 0
    if flat:
        ends = [n for n in range(top + 1) if n == top or curve[n + 1] != curve[n]]
        costs = [NODE_ADDRESSES + int(curve[n]) for n in ends]
        return [
            (n, cost, 0, cost, int(node.prefixes[n])) for n, cost in zip(ends, costs, strict=True)
        ]
    while start <= top:
        end = start
        while end < top and curve[end + 1] == curve[start]:
            end += 1
        slope = 0
        if end == start and end < top and curve[end + 1] == curve[end] + 1:
            slope = 1
            while end < top and curve[end + 1] == curve[end] + 1:
                end += 1
        base = NODE_ADDRESSES + int(curve[start])
        runs.append((end, base - slope * start, slope, base, int(node.prefixes[end])))
        start = end + 1
    return runs


@dataclass(frozen=True, kw_only=True)
class Model:
    """
    The problem with the names of its parts.

    Attributes
    ----------
    limits : tuple of (str, int)
        For each shared limit ``addresses``, ``blocks`` or ``singles`` and the site whose they are;
        an empty string for others.
    """

    problem: Problem
    nodes: tuple[NodeKind, ...]
    sites: tuple[Site, ...]
    node: Ints
    site: Ints
    members: tuple[tuple[int, ...], ...]
    quota: Ints
    limits: tuple[tuple[str, int], ...]


def build(
    workloads: tuple[Workload, ...],
    slots: Ints,
    nodes: tuple[NodeKind, ...],
    sites: tuple[Site, ...],
    *,
    objective: str,
    limits: dict[str, int],
    coupled: bool,
    spread_all: bool = False,
    count_prefixes: bool = False,
    turn: int = 0,
    weights: dict[str, float] | None = None,
    staying: dict[str, int] | None = None,
) -> Model:
    """
    Write the covering problem.

    Parameters
    ----------
    slots : int array
        How many pods of each workload there must be room for.
    coupled : bool
        Whether subnets and zones matter; without, nodes stand anywhere.
    spread_all : bool
        Whether every workload is spread over the zones.
    count_prefixes : bool
        Count /28 prefixes in place of addresses, for ``objective="addresses"``.
    turn : int
        Which zone is the first to take one more pod where they do not share evenly.
    weights : dict, optional
        What each of the ``nodes``, or of the ``addresses``, counts beside its cost.
    staying : dict, optional
        Present nodes that stay whatever the plan, by the limit that counts them.
    """
    members, spread = _alike(workloads, coupled=coupled, spread_all=spread_all)
    first = [workloads[group[0]] for group in members]
    count = np.array([slots[list(group)].sum() for group in members], dtype=np.int64)
    zones = sorted({site.zone for site in sites}) if coupled else [""]
    # Shares of the zones are fixed here, so that the packer needs to know of no skew.
    quota = _even(count, spread, len(zones), turn=turn)
    weights = weights or {}
    kinds = _kinds(nodes, sites if coupled else None, objective, limits, weights)
    cheap = None if coupled else _by_addresses(nodes, objective, limits, weights)
    if cheap is not None:
        pinned = {name for load in workloads for name in load.allowed_types}
        kinds = _leanest(kinds, nodes, pinned, prefixes=count_prefixes, cheap=cheap)
    node, site = (np.array([kind[at] for kind in kinds], dtype=np.int64) for at in (0, 1))
    zone = [zones.index(sites[at].zone) if coupled else 0 for at in site]
    places = sites if coupled else ()
    rows = _limits(nodes, places, kinds, limits, staying or {})
    problem = Problem(
        **_shapes(first, count, nodes, node),
        **_boxes(nodes, kinds, objective, weights, prefixes=count_prefixes),
        **_shares(rows, len(kinds)),
        zone=np.array(zone, dtype=np.int64),
        floor=quota,
    )
    return Model(
        problem=problem,
        nodes=nodes,
        sites=places,
        node=node,
        site=site,
        members=members,
        quota=quota,
        limits=tuple(row[0] for row in rows),
    )


def _shapes(
    first: list[Workload], count: Ints, nodes: tuple[NodeKind, ...], node: Ints
) -> dict[str, Any]:
    """What pods of each shape need, how many there are, and on which kinds they may run."""
    extended = nodes[0].extended if nodes else ()
    need = np.array([load.need(extended) for load in first], dtype=np.int64)
    allowed = np.array([[each.may_run(load) for load in first] for each in nodes])
    return {
        "need": need,
        "count": count,
        "most": np.array([load.most or 2**31 for load in first], dtype=np.int64),
        "addressed": need[:, 2] > 0,
        "allowed": allowed.reshape(len(nodes), len(first))[node],
    }


def _boxes(
    nodes: tuple[NodeKind, ...],
    kinds: _Kinds,
    objective: str,
    weights: dict[str, float],
    *,
    prefixes: bool,
) -> dict[str, Any]:
    """Room and cost of each kind, with no more addresses than its run of the curve reaches."""
    node = np.array([kind[0] for kind in kinds], dtype=np.int64)
    runs = np.array([kind[2] for kind in kinds], dtype=np.int64).reshape(-1, 5)
    room = np.array([each.room for each in nodes], dtype=np.int64)[node]
    room[:, 2] = np.minimum(room[:, 2], runs[:, 0])
    cost = np.array([each.cost for each in nodes])[node]
    cost, pod_cost = _costs(cost, runs, objective, weights, prefixes=prefixes)
    return {"room": room, "cost": cost, "pod_cost": pod_cost}


def _alike(
    workloads: tuple[Workload, ...], *, coupled: bool, spread_all: bool
) -> tuple[tuple[tuple[int, ...], ...], list[bool]]:
    """Workloads whose pods are alike, the largest first, and which of them are spread over zones."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for place, load in enumerate(workloads):
        spread = coupled and (load.zone_spread or spread_all)
        own = load.name if load.most or spread else ""
        key = (
            *(load.cpu, load.memory, load.host_process, load.allowed_types, own),
            *(load.extended, load.purchase, spread),
        )
        groups.setdefault(key, []).append(place)
    order = sorted(groups, key=lambda key: key[:-1], reverse=True)
    return tuple(tuple(groups[key]) for key in order), [key[-1] for key in order]


def _even(count: Ints, spread: list[bool], zones: int, *, turn: int) -> Ints:
    """Pods that each zone has at least: even shares of what is spread, nothing of the rest."""
    quota = np.zeros((zones, len(count)), dtype=np.int64)
    for column in np.nonzero(np.array(spread, dtype=bool))[0].tolist():
        base, extra = divmod(int(count[column]), zones)
        quota[:, column] = base
        # The zones that take one more rotate with the workload, so that none gets them all.
        quota[(column + np.arange(extra) + turn) % zones, column] += 1
    return quota


def _kinds(
    nodes: tuple[NodeKind, ...],
    sites: tuple[Site, ...] | None,
    objective: str,
    limits: dict[str, int],
    weights: dict[str, float],
) -> _Kinds:
    """Kinds of node: type, subnet and, where addresses count, how many are attached."""
    staged = objective == "addresses" or ALL_ADDRESSES in limits or weights.get("addresses", 0) > 0
    staged = staged or any(site.free >= 0 for site in sites or ())
    kinds: _Kinds = []
    for where, site in enumerate([Site(zone="")] if sites is None else sites):
        for which, node in enumerate(nodes):
            if sites is not None and node.zone not in {"", site.zone}:
                continue
            whole = (node.room[2], 0, 0, 0, 0)
            runs = levels(node, flat=sites is None) if staged else [whole]
            kinds += [(which, where, run) for run in runs]
    return kinds


def _by_addresses(
    nodes: tuple[NodeKind, ...],
    objective: str,
    limits: dict[str, int],
    weights: dict[str, float],
) -> bool | None:
    """Whether kinds compete by addresses and cost, by addresses alone (False), or not (None)."""
    capped = ALL_ADDRESSES in limits and limits.keys() <= {ALL_ADDRESSES, ALL_NODES}
    capped = capped or (weights.get("addresses", 0) > 0 and not limits)
    fewest = objective == "addresses" and not limits
    stocked = any(node.stock is not None for node in nodes)
    return capped if (capped or fewest) and not stocked else None


def _costs(
    cost: Floats, runs: Ints, objective: str, weights: dict[str, float], *, prefixes: bool
) -> tuple[Floats, Ints]:
    """What a node of each kind counts in the objective, and each pod with an address on top."""
    pod_cost = np.zeros(len(runs), dtype=np.int64)
    if objective == "nodes":
        cost = np.ones(len(runs))
    elif objective == "addresses":
        cost = runs[:, 4 if prefixes else 1].astype(np.float64)
        pod_cost = pod_cost if prefixes else runs[:, 2]
    cost = cost + weights.get("addresses", 0.0) * runs[:, 1] + weights.get("nodes", 0.0)
    return cost.astype(np.float64), pod_cost


def _leanest(
    kinds: _Kinds,
    nodes: tuple[NodeKind, ...],
    pinned: set[str],
    *,
    prefixes: bool,
    cheap: bool,
) -> _Kinds:
    """Leave out the kinds that take no fewer addresses than one with as much room; or as cheap."""

    def room(kind: _Kind) -> tuple[float, ...]:
        cpu, memory, _, *more = nodes[kind[0]].room
        return cpu, memory, kind[2][0], *more, -nodes[kind[0]].cost * cheap

    def cost(kind: _Kind) -> int:
        return kind[2][4 if prefixes else 1]

    kept: _Kinds = []
    rooms: Floats = np.zeros((0, len(room(kinds[0])) if kinds else 5))
    for kind in sorted(kinds, key=lambda one: (cost(one), [-have for have in room(one)], one)):
        mine = np.array([room(kind)])
        beaten = nodes[kind[0]].name not in pinned and bool((rooms >= mine).all(axis=1).any())
        if not beaten:
            kept.append(kind)
            if nodes[kind[0]].name not in pinned:
                rooms = np.vstack([rooms, mine])
    return sorted(kept)


def _limits(
    nodes: tuple[NodeKind, ...],
    sites: tuple[Site, ...],
    kinds: _Kinds,
    limits: dict[str, int],
    staying: dict[str, int],
) -> list[_Limit]:
    """Each shared limit: what it is of, what each kind takes of it, and how much there is."""
    rows = _subnet_rows(nodes, sites, kinds)

    def limit(able: Iterable[bool], most: int) -> None:
        rows.append((("", -1), [(int(one), 0, int(one)) for one in able], most))

    for name, most in sorted(limits.items()):
        if name == ALL_ADDRESSES:
            rows.append((("", -1), [run[1:4] for _, _, run in kinds], most))
            continue
        counted = [
            name in {nodes[which].name, ALL_NODES}
            or bool(sites and name == sites[where].zone != "")
            for which, where, _ in kinds
        ]
        limit(counted, most)
        if staying.get(name):
            # Present nodes that stay count whether or not they have pods.
            fresh = [nodes[which].purchase != "present" for which, _, _ in kinds]
            limit(map(operator.and_, counted, fresh), max(0, most - staying[name]))
    for place, node in enumerate(nodes):
        if node.stock is not None:
            limit((which == place for which, _, _ in kinds), node.stock)
    return rows


def _shares(rows: list[_Limit], kinds: int) -> dict[str, Any]:
    """What each kind takes of each limit: share, more for each pod, at least; and the limits."""
    taken = np.array([row[1] for row in rows], dtype=np.int64).reshape(len(rows), kinds, 3)
    shares = {name: taken[:, :, at].T for at, name in enumerate(("share", "per_pod", "least"))}
    return {**shares, "limit": np.array([row[2] for row in rows], dtype=np.int64)}


def _subnet_rows(
    nodes: tuple[NodeKind, ...], sites: tuple[Site, ...], kinds: _Kinds
) -> list[_Limit]:
    """What each kind takes of each subnet's addresses, blocks and single addresses; and those."""
    rows: list[_Limit] = []
    nothing = (0, 0, 0)
    for where, site in enumerate(sites):
        if site.free < 0:
            continue
        taken = [
            addresses_taken(run, nodes[which].held, breaks=site.breaks)
            if at == where
            else (nothing,) * 3
            for which, at, run in kinds
        ]
        rows.append((("addresses", where), [one[0] for one in taken], site.free))
        if any(run[4] for _, at, run in kinds if at == where):
            rows.append((("blocks", where), [one[1] for one in taken], site.blocks))
        if site.singles >= 0:
            rows.append((("singles", where), [one[2] for one in taken], site.singles))
    return rows


def addresses_taken(
    run: tuple[int, int, int, int, int], before: tuple[int, int], *, breaks: bool
) -> tuple[tuple[int, int, int], ...]:
    """
    What a node takes of the addresses, the blocks and the single addresses of a subnet.

    Each is the share, what each pod adds, and the least; addresses and blocks that the node has
    taken before are not taken again.
    """
    _, share, slope, least, prefixes = run
    held, held_blocks = before
    more = (share - held, slope, max(0, least - held))
    own = 0 if held else NODE_ADDRESSES
    single = (own, 0, own) if prefixes else more
    if prefixes:
        blocks = max(0, prefixes - held_blocks) + breaks * own
        return more, (blocks, 0, blocks), single
    return more, single if breaks else (0, 0, 0), single


def named(
    model: Model, workloads: tuple[Workload, ...], slots: Ints, packed: Packed, *, shrink: bool
) -> list[PlannedGroup]:
    """
    Each node its pods by name, in runs of equal nodes.

    Workloads of one shape fill its places one after the other. Places beyond what is asked
    stay empty, and where ``shrink`` allows it a node becomes the cheapest that holds its pods.
    """
    problem = model.problem
    zones = sorted({site.zone for site in model.sites}) if problem.zones > 1 else [""]
    left: dict[tuple[int, int], list[list[int]]] = {}
    for shape, group in enumerate(model.members):
        if model.quota[:, shape].any():
            for zone in range(len(zones)):
                left[shape, zone] = [[group[0], int(model.quota[zone, shape])]]
        else:
            queue = [[member, int(slots[member])] for member in group]
            for zone in range(problem.zones):
                left[shape, zone] = queue
    counted: dict[tuple[Any, ...], int] = {}
    order = np.lexsort((*packed.mix.T, packed.kind))
    for place in order.tolist():
        kind, mix, number = int(packed.kind[place]), packed.mix[place], int(packed.number[place])
        zone = int(problem.zone[kind])
        shapes = np.nonzero(mix)[0].tolist()
        while number:
            pods, run = _filled([(left[shape, zone], int(mix[shape])) for shape in shapes], number)
            if not pods and shapes:
                break
            for shape in shapes:
                queue = left[shape, zone]
                for entry in queue:
                    if entry[0] in pods:
                        entry[1] -= pods[entry[0]] * run
            key = (kind, tuple(sorted(pods.items())))
            counted[key] = counted.get(key, 0) + run
            number -= run
    return [
        _group(model, workloads, kind, dict(pods), number, shrink=shrink)
        for (kind, pods), number in sorted(counted.items())
    ]


def _filled(wanted: list[tuple[list[list[int]], int]], number: int) -> tuple[dict[int, int], int]:
    """
    Pods of one node by workload, and how many nodes may be filled alike.

    Parameters
    ----------
    wanted : list of (queue, int)
        For each shape the workloads with their pods left, and the places on a node. [pods]
    number : int
        Nodes to fill, at most.
    """
    pods: dict[int, int] = {}
    for queue, places in wanted:
        want = places
        while queue and not queue[0][1]:
            queue.pop(0)
        if queue and queue[0][1] >= want:
            pods[queue[0][0]] = pods.get(queue[0][0], 0) + want
            number = min(number, queue[0][1] // want)
            continue
        if queue:
            # Where a workload ends within a node, the next node is filled otherwise.
            number = 1
        for entry in queue:
            some = min(want, entry[1])
            if some:
                pods[entry[0]] = pods.get(entry[0], 0) + some
            want -= some
            if not want:
                break
    return pods, number


def _group(
    model: Model,
    workloads: tuple[Workload, ...],
    kind: int,
    pods: dict[int, int],
    number: int,
    *,
    shrink: bool,
) -> PlannedGroup:
    which = int(model.node[kind])
    extended = model.nodes[which].extended
    used = np.zeros(len(RESOURCES) + len(extended), dtype=np.int64)
    by_name: dict[str, int] = {}
    for load, each in ((workloads[at], each) for at, each in sorted(pods.items())):
        used += each * np.array(load.need(extended), dtype=np.int64)
        by_name[load.name] = by_name.get(load.name, 0) + each
    if shrink:
        which = _cheapest(model.nodes, which, used, [workloads[member] for member in pods])
    node = model.nodes[which]
    site = model.sites[int(model.site[kind])] if model.sites else Site(zone=node.zone)
    return group_of(node, number, by_name, used.tolist(), site=site)


def group_of(
    node: NodeKind, number: int, pods: dict[str, int], used: Sequence[int], *, site: Site
) -> PlannedGroup:
    """Nodes of a kind, and what the pods of one take of it, in the order of ``names()``."""
    share = {
        name: want / max(have, 1)
        for name, want, have in zip(node.names(), used, node.room, strict=True)
    }
    return PlannedGroup(
        instance_type=node.name,
        zone=site.zone,
        subnet=site.subnet,
        nodes=number,
        pods=pods,
        cpu_m=node.room[0],
        memory=node.room[1],
        pod_slots=node.room[3],
        address_slots=node.room[2],
        cpu_m_used=used[0],
        memory_used=used[1],
        pods_used=used[3],
        pod_addresses=used[2],
        addresses=node.addresses(used[2]),
        prefixes=int(node.prefixes[used[2]]),
        binds=max((*TIES, *node.extended), key=lambda name: share[name]),
        cost=node.cost,
        purchase=node.purchase,
        extended=dict(zip(node.extended, node.room[4:], strict=True)),
        extended_used=dict(zip(node.extended, used[4:], strict=True)),
    )


def _cheapest(nodes: tuple[NodeKind, ...], which: int, used: Ints, loads: list[Workload]) -> int:
    """The cheapest node that may run some pods and has room for them; of equals the one given."""
    able = [
        (node.cost, place != which, place)
        for place, node in enumerate(nodes)
        if (np.array(node.room) >= used).all() and all(map(node.may_run, loads))
    ]
    return min(able)[2]


def dominated(nodes: tuple[NodeKind, ...], *, addresses: bool, pinned: set[str]) -> dict[int, int]:
    """
    Find the types that another one beats or equals in everything.

    Parameters
    ----------
    nodes : tuple of NodeKind
        Sorted by name.
    addresses : bool
        Whether what a node keeps attached matters too.
    pinned : set of str
        Types that a workload or a limit names; they, and kinds of which there are only so many,
        neither beat nor are beaten.
    """
    room = np.array([node.room for node in nodes], dtype=np.int64)
    cost: Floats = np.array([node.cost for node in nodes])
    beaten: dict[int, int] = {}
    order = np.lexsort((np.arange(len(nodes)), -room.sum(axis=1), cost)).tolist()
    kept: list[int] = []
    for place in order:
        if nodes[place].name in pinned or nodes[place].stock is not None:
            continue
        for better in kept:
            bought = {nodes[better].purchase, nodes[place].purchase}
            if len(bought) > 1:
                continue
            if cost[better] <= cost[place] and (room[better] >= room[place]).all():
                have, other = nodes[better].attached, nodes[place].attached
                if not addresses or (have[: len(other)] <= other).all():
                    beaten[place] = better
                    break
        else:
            kept.append(place)
    return beaten
