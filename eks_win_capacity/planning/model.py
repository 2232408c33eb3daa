"""Which covering problem a question is, and which pods run on the nodes of a packing."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.core.constants import NODE_ADDRESSES
from eks_win_capacity.packing.problem import Problem
from eks_win_capacity.planning.plan_values import PlannedGroup
from eks_win_capacity.planning.question import ALL_ADDRESSES, ALL_NODES, RESOURCES, UNLIMITED, Site

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eks_win_capacity.packing.problem import Floats, Ints, Packed
    from eks_win_capacity.planning.question import NodeKind, Question
    from eks_win_capacity.planning.workloads import Load

_Kind = tuple[int, int, tuple[int, int, int, int, int]]
"""A kind of node: index of its type, index of its site, and a run of `levels`."""

_Kinds = list[_Kind]

_Limit = tuple[tuple[str, int], list[tuple[int, int, int]], int]
"""A shared limit: name and site, use by each kind (share, per pod, least), and the limit."""


_TIES: Final = ("addresses", "kubelet", "cpu", "memory")
"""Order in which the binding resource is named if several are used to the same degree."""


def levels(node: NodeKind, *, flat: bool = False) -> list[tuple[int, int, int, int, int]]:
    """
    Runs of the attached addresses that are flat or rise by one per pod.

    Each has its most pods, addresses with the node's own, addresses per pod, least addresses, and
    prefixes. Flat runs are more, but the numbers of nodes alone determine the addresses.
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
    The covering problem with the names of its parts.

    ``node`` and ``site`` are the indices of each kind; ``members`` are the workloads of each shape
    and ``quota`` its fewest pods in each zone. ``limits`` has for each shared limit ``addresses``,
    ``blocks`` or ``singles`` and the index of the site, or an empty string and -1.
    """

    ask: Question
    objective: str
    slots: Ints
    problem: Problem
    nodes: tuple[NodeKind, ...]
    sites: tuple[Site, ...]
    node: Ints
    site: Ints
    members: tuple[tuple[int, ...], ...]
    quota: Ints
    limits: tuple[tuple[str, int], ...]


def build(
    ask: Question,
    nodes: tuple[NodeKind, ...],
    *,
    coupled: bool = False,
    objective: str = "cost",
    limits: dict[str, int] | None = None,
    slots: Ints | None = None,
    prefixes: bool = False,
    turn: int = 0,
    shares: Ints | None = None,
    weight: float = 0.0,
) -> Model:
    """
    The covering problem of a question.

    Parameters
    ----------
    coupled : bool
        Whether subnets and zones matter; if not, nodes may be anywhere.
    objective, limits
        What is minimised, and the limits.
    slots : int array, optional
        Places that each workload needs; by default those of the question.
    prefixes : bool
        Whether to count /28 prefixes instead of addresses, for ``objective="addresses"``.
    turn : int
        The first zone to take one more pod if shares are not even.
    shares : (zones, workloads) int array, optional
        Pods of each spread workload in each zone; even shares by default.
    weight : float
        Cost added for each node or address, whichever is the objective of the question.
    """
    limits, slots = limits or {}, ask.slots if slots is None else slots
    sites = (ask.sites or (Site(zone=""),)) if coupled else ()
    members, spread = _alike(ask, coupled=coupled)
    count = np.array([slots[list(group)].sum() for group in members], dtype=np.int64)
    zones = sorted({site.zone for site in sites}) or [""]
    # Shares of the zones are fixed here, so that the packer needs no notion of skew.
    quota = _even(count, spread, len(zones), turn=turn)
    if shares is not None and coupled:
        for shape in np.nonzero(np.array(spread, dtype=bool))[0].tolist():
            quota[:, shape] = shares[:, list(members[shape])].sum(axis=1)
    weights = {ask.objective: weight}
    by_address = weights.get("addresses", 0.0) > 0
    staged = by_address or objective == "addresses" or ALL_ADDRESSES in limits
    kinds = _kinds(nodes, sites, staged=staged or any(site.free >= 0 for site in sites))
    cheap = (by_address and not limits) or (
        ALL_ADDRESSES in limits and limits.keys() <= {ALL_ADDRESSES, ALL_NODES}
    )
    lean = not coupled and all(node.stock is None for node in nodes)
    if lean and (cheap or (objective == "addresses" and not limits)):
        pinned = {name for load in ask.workloads for name in load.allowed_types}
        kinds = _leanest(kinds, nodes, pinned, prefixes=prefixes, cheap=cheap)
    node, site = (np.array([kind[at] for kind in kinds], dtype=np.int64) for at in (0, 1))
    rows = _limits(nodes, sites, kinds, limits, ask.staying)
    problem = Problem(
        **_shapes([ask.workloads[group[0]] for group in members], nodes, node),
        **_boxes(nodes, kinds, objective, weights, prefixes=prefixes),
        **_shares(rows, len(kinds)),
        count=count,
        zone=np.array([zones.index(sites[at].zone) if sites else 0 for at in site], dtype=np.int64),
        floor=quota,
    )
    return Model(
        ask=ask, objective=objective, slots=slots, problem=problem, nodes=nodes, sites=sites,
        node=node, site=site, members=members, quota=quota, limits=tuple(row[0] for row in rows),
    )  # fmt: skip


def _shapes(first: list[Load], nodes: tuple[NodeKind, ...], node: Ints) -> dict[str, Any]:
    """Needs of the pods of each shape, and the kinds on which they may run."""
    extended = nodes[0].extended if nodes else ()
    need = np.array([load.need(extended) for load in first], dtype=np.int64)
    allowed = np.array([[each.may_run(load) for load in first] for each in nodes])
    return {
        "need": need,
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
    """Room of each kind, with the addresses that its run of the curve reaches, and its cost."""
    node = np.array([kind[0] for kind in kinds], dtype=np.int64)
    runs = np.array([kind[2] for kind in kinds], dtype=np.int64).reshape(-1, 5)
    room = np.array([each.room for each in nodes], dtype=np.int64)[node]
    room[:, 2] = np.minimum(room[:, 2], runs[:, 0])
    cost = np.array([each.cost for each in nodes])[node]
    pod_cost = np.zeros(len(runs), dtype=np.int64)
    if objective == "nodes":
        cost = np.ones(len(runs))
    elif objective == "addresses":
        cost = runs[:, 4 if prefixes else 1].astype(np.float64)
        pod_cost = pod_cost if prefixes else runs[:, 2]
    cost = cost + weights.get("addresses", 0.0) * runs[:, 1] + weights.get("nodes", 0.0)
    return {"room": room, "cost": cost.astype(np.float64), "pod_cost": pod_cost}


def _alike(ask: Question, *, coupled: bool) -> tuple[tuple[tuple[int, ...], ...], list[bool]]:
    """Workloads grouped by equal pods, largest first, and whether each group is spread."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, (load, spread) in enumerate(zip(ask.workloads, ask.spreads, strict=True)):
        name = load.name if load.most or (spread and coupled) else ""
        key = (
            *(load.cpu, load.memory, load.host_process, load.allowed_types, name),
            *(load.extended, load.purchase, spread and coupled),
        )
        groups.setdefault(key, []).append(index)
    order = sorted(groups, key=lambda key: key[:-1], reverse=True)
    return tuple(tuple(groups[key]) for key in order), [key[-1] for key in order]


def _even(count: Ints, spread: list[bool], zones: int, *, turn: int) -> Ints:
    """Fewest pods of each zone: even shares of spread shapes, 0 of the others."""
    quota = np.zeros((zones, len(count)), dtype=np.int64)
    for column in np.nonzero(np.array(spread, dtype=bool))[0].tolist():
        base, extra = divmod(int(count[column]), zones)
        quota[:, column] = base
        # The zones that take one more rotate with the workload, so that none gets them all.
        quota[(column + np.arange(extra) + turn) % zones, column] += 1
    return quota


def _kinds(nodes: tuple[NodeKind, ...], sites: tuple[Site, ...], *, staged: bool) -> _Kinds:
    """Kinds of node by type, subnet and, if ``staged``, number of attached addresses."""
    kinds: _Kinds = []
    for where, site in enumerate(sites or [None]):
        for which, node in enumerate(nodes):
            if site is not None and node.zone not in {"", site.zone}:
                continue
            runs = levels(node, flat=not sites) if staged else [(node.room[2], 0, 0, 0, 0)]
            kinds += [(which, where, run) for run in runs]
    return kinds


def _leanest(
    kinds: _Kinds,
    nodes: tuple[NodeKind, ...],
    pinned: set[str],
    *,
    prefixes: bool,
    cheap: bool,
) -> _Kinds:
    """Kinds without those that need no fewer addresses than one with as much room (or as cheap)."""

    def room(kind: _Kind) -> tuple[float, ...]:
        cpu, memory, _, *more = nodes[kind[0]].room
        return cpu, memory, kind[2][0], *more, -nodes[kind[0]].cost * cheap

    def cost(kind: _Kind) -> int:
        return kind[2][4 if prefixes else 1]

    kept: _Kinds = []
    rooms: Floats = np.zeros((len(kinds), len(room(kinds[0])) if kinds else 5))
    known = 0
    for kind in sorted(kinds, key=lambda one: (cost(one), [-have for have in room(one)], one)):
        if nodes[kind[0]].name in pinned:
            kept.append(kind)
        elif not (rooms[:known] >= room(kind)).all(axis=1).any():
            kept.append(kind)
            rooms[known] = room(kind)
            known += 1
    return sorted(kept)


def _limits(
    nodes: tuple[NodeKind, ...],
    sites: tuple[Site, ...],
    kinds: _Kinds,
    limits: dict[str, int],
    staying: dict[str, int],
) -> list[_Limit]:
    """Shared limits: name and site, use by each kind, and the limit."""
    rows = _subnet_rows(nodes, sites, kinds)

    def limit(able: Iterable[bool], most: int) -> None:
        taken = [(int(one), 0, int(one)) for one in able]
        # A limit that no kind uses has no effect, but would rule out first-fit and sums of nodes.
        if any(map(any, taken)):
            rows.append((("", -1), taken, most))

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
    for index, node in enumerate(nodes):
        if node.stock is not None:
            limit((which == index for which, _, _ in kinds), node.stock)
    return rows


def _shares(rows: list[_Limit], kinds: int) -> dict[str, Any]:
    """Use of each limit by each kind (share, per pod, least), and the limits."""
    taken = np.array([row[1] for row in rows], dtype=np.int64).reshape(len(rows), kinds, 3)
    shares = {name: taken[:, :, at].T for at, name in enumerate(("share", "per_pod", "least"))}
    return {**shares, "limit": np.array([row[2] for row in rows], dtype=np.int64)}


def _subnet_rows(
    nodes: tuple[NodeKind, ...], sites: tuple[Site, ...], kinds: _Kinds
) -> list[_Limit]:
    """Limits of each subnet: addresses, blocks and single addresses, with the use by each kind."""
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
    Addresses, blocks and single addresses that a node takes from its subnet.

    Each is a share, an amount per pod, and a least amount; addresses and blocks that the node has
    taken before are not counted again.
    """
    _, share, slope, least, prefixes = run
    taken, taken_blocks = before
    more = (share - taken, slope, max(0, least - taken))
    primary = 0 if taken else NODE_ADDRESSES
    single = (primary, 0, primary) if prefixes else more
    if prefixes:
        blocks = max(0, prefixes - taken_blocks) + breaks * primary
        return more, (blocks, 0, blocks), single
    return more, single if breaks else (0, 0, 0), single


def dominated(nodes: tuple[NodeKind, ...], *, addresses: bool, pinned: set[str]) -> dict[int, int]:
    """
    Indices of the dominated types, each with that of the type that dominates it.

    With ``addresses``, the attached addresses are compared too. ``pinned`` types, which a workload
    or a limit names, and kinds with a limited stock neither dominate nor are dominated.
    """
    room = np.array([node.room for node in nodes], dtype=np.int64)
    cost: Floats = np.array([node.cost for node in nodes])
    bought = np.array([node.purchase for node in nodes], dtype=np.str_)
    beaten: dict[int, int] = {}
    order = np.lexsort((np.arange(len(nodes)), -room.sum(axis=1), cost)).tolist()
    kept: list[int] = []
    for index in order:
        if nodes[index].name in pinned or nodes[index].stock is not None:
            continue
        others = np.array(kept, dtype=np.int64)
        ample = (room[others] >= room[index]).all(axis=1) & (cost[others] <= cost[index])
        for better in others[ample & (bought[others] == bought[index])].tolist():
            have, other = nodes[better].attached, nodes[index].attached
            if not addresses or (have[: len(other)] <= other).all():
                beaten[index] = better
                break
        else:
            kept.append(index)
    return beaten


def named(
    model: Model, packed: Packed, *, slots: Ints | None = None, shrink: bool = False
) -> list[PlannedGroup]:
    """
    Groups of equal nodes, with their pods by name.

    Workloads of one shape fill its places one after another. Places beyond those needed, or beyond
    ``slots``, stay empty. With ``shrink``, a node becomes the cheapest with room for its pods.
    """
    problem, slots = model.problem, model.slots if slots is None else slots
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
    for row in order.tolist():
        kind, mix, number = int(packed.kind[row]), packed.mix[row], int(packed.number[row])
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
        _group(model, kind, dict(pods), number, shrink=shrink)
        for (kind, pods), number in sorted(counted.items())
    ]


def _filled(wanted: list[tuple[list[list[int]], int]], number: int) -> tuple[dict[int, int], int]:
    """
    Pods of one node by workload, and the number of nodes that can be filled alike.

    ``wanted`` has for each shape the workloads with their remaining pods, and the places on a node.
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
            # If a workload ends within a node, the next node is filled differently.
            number = 1
        for entry in queue:
            placed = min(want, entry[1])
            if placed:
                pods[entry[0]] = pods.get(entry[0], 0) + placed
            want -= placed
            if not want:
                break
    return pods, number


def _group(
    model: Model, kind: int, pods: dict[int, int], number: int, *, shrink: bool
) -> PlannedGroup:
    which = int(model.node[kind])
    extended = model.nodes[which].extended
    used = np.zeros(len(RESOURCES) + len(extended), dtype=np.int64)
    by_name: dict[str, int] = {}
    loads = model.ask.workloads
    for load, each in ((loads[at], each) for at, each in sorted(pods.items())):
        used += each * np.array(load.need(extended), dtype=np.int64)
        by_name[load.name] = by_name.get(load.name, 0) + each
    if shrink:
        which = _smallest(model.nodes, which, used, [loads[member] for member in pods])
    node = model.nodes[which]
    site = model.sites[int(model.site[kind])] if model.sites else Site(zone=node.zone)
    return group_of(node, number, site, by_name, used.tolist())


def group_of(
    node: NodeKind,
    number: int,
    site: Site,
    pods: dict[str, int] | None = None,
    used: Sequence[int] = (),
) -> PlannedGroup:
    """Group of nodes of a kind, empty or with the use by one node's pods in ``names()`` order."""
    used = used or [0] * len(node.room)
    share = {
        name: want / max(have, 1)
        for name, want, have in zip(node.names(), used, node.room, strict=True)
    }
    return PlannedGroup(
        instance_type=node.name,
        zone=site.zone,
        subnet=site.subnet,
        nodes=number,
        pods=pods or {},
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
        binds=max((*_TIES, *node.extended), key=lambda name: share[name]),
        cost=node.cost,
        purchase=node.purchase,
        extended=dict(zip(node.extended, node.room[4:], strict=True)),
        extended_used=dict(zip(node.extended, used[4:], strict=True)),
    )


def _smallest(nodes: tuple[NodeKind, ...], which: int, used: Ints, loads: list[Load]) -> int:
    """Index of the cheapest node that may run the pods and has room; if equal, the given one."""
    able = [
        (node.cost, index != which, index)
        for index, node in enumerate(nodes)
        if (np.array(node.room) >= used).all() and all(map(node.may_run, loads))
    ]
    return min(able)[2]


def value_of(groups: list[PlannedGroup], objective: str, *, prefixes: bool = False) -> float:
    """Value of nodes in an objective: cost, number of nodes, or number of addresses or prefixes."""
    if objective == "nodes":
        return float(sum(group.nodes for group in groups))
    if objective == "addresses":
        return float(
            sum(group.nodes * (group.prefixes if prefixes else group.addresses) for group in groups)
        )
    return math.fsum(group.nodes * group.cost for group in groups)


def taken_of(groups: Iterable[PlannedGroup], name: str) -> int:
    """Use of a limit by nodes: of a limit on a type, a zone, all nodes, or all addresses."""
    if name == ALL_ADDRESSES:
        return sum(group.nodes * group.addresses for group in groups)
    return sum(
        group.nodes for group in groups if name in {group.instance_type, group.zone, ALL_NODES}
    )


def beyond(ask: Question, groups: Sequence[PlannedGroup]) -> list[str]:
    """Names of the limits that nodes exceed, including those on present nodes that stay."""
    fresh = [group for group in groups if group.purchase != "present"]
    return [
        name
        for name, most in ask.limits.items()
        if taken_of(groups, name) > most
        or (name in ask.staying and taken_of(fresh, name) > max(0, most - ask.staying[name]))
    ]


def merged(groups: list[PlannedGroup]) -> list[PlannedGroup]:
    """Groups with equal ones merged, in a fixed order."""
    same: dict[tuple[Any, ...], PlannedGroup] = {}
    for group in groups:
        where = (group.instance_type, group.zone, group.subnet, group.purchase)
        key = (*where, tuple(group.pods.items()))
        before = same.get(key)
        same[key] = group if before is None else replace(before, nodes=before.nodes + group.nodes)
    return [same[key] for key in sorted(same)]


def placed_in(
    ask: Question, groups: list[PlannedGroup], sites: tuple[Site, ...]
) -> list[PlannedGroup] | None:
    """
    Groups placed in subnets, largest nodes first, where most is free; None if one does not fit.

    Zones without subnets take equal numbers.
    """
    # Addresses and blocks that present nodes have already taken from their subnets.
    present = {node.name: node.held for node in ask.present}
    if not any(group.prefixes for group in groups):
        # Without prefixes, a broken block has no effect.
        sites = tuple(replace(site, breaks=False) for site in sites)
    unlimited = np.array([[site.free < 0] for site in sites], dtype=np.int64)
    free = np.array([(site.free, site.blocks, site.singles) for site in sites], dtype=np.int64)
    free[free < 0] = UNLIMITED
    placed: list[PlannedGroup] = []
    for group in sorted(
        groups, key=lambda one: (-one.addresses, one.instance_type, sorted(one.pods.items()))
    ):
        left = group.nodes
        before = present[group.instance_type] if group.purchase == "present" else (0, 0)
        run = (0, group.addresses, 0, group.addresses, group.prefixes)
        taken = []
        for site in sites:
            # The pods are fixed, so nothing depends on their number.
            more, blocks, single = addresses_taken(run, before, breaks=site.breaks)
            taken.append((max(0, more[0]), blocks[2], single[2]))
        each = np.maximum(np.array(taken, dtype=np.int64), unlimited)
        here = [at for at, site in enumerate(sites) if group.zone in {"", site.zone}]
        while left and here:
            room = np.where(each > 0, free // np.maximum(each, 1), UNLIMITED).min(axis=1)
            at = max(here, key=lambda row: (room[row], -row))
            nodes = min(left, int(room[at]))
            if sites[at].free < 0:
                nodes = min(nodes, -(-left // len(here)))
            if nodes <= 0:
                return None
            free[at] -= nodes * each[at]
            placed.append(replace(group, nodes=nodes, zone=sites[at].zone, subnet=sites[at].subnet))
            left -= nodes
        if left:
            return None
    return merged(placed)
