"""Which present nodes to keep, drain and replace for a cheaper fleet."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.cluster.state import ClusterState
from eks_win_capacity.core.errors import InputError, UnsupportedInputError, count_of
from eks_win_capacity.core.values import is_missing
from eks_win_capacity.packing.deadline import Deadline
from eks_win_capacity.planning.candidates import read_candidates, sized
from eks_win_capacity.planning.model import beyond, group_of, merged, value_of
from eks_win_capacity.planning.plan_values import Infeasible, PlannedGroup, PlanValues
from eks_win_capacity.planning.question import ALL_NODES, PROVED, Site, status_of
from eks_win_capacity.planning.workloads import plain_name, records, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.cluster.records import DisruptionBudget, Node
    from eks_win_capacity.planning.plan import FleetPlan
    from eks_win_capacity.planning.question import NodeKind, Question

__all__ = ["from_now"]

_SUNK: Final = 1e-3
"""Part of its cost that a present node counts, so that expensive ones become empty first."""

_REPLAN: Final = 0.5
"""Part of the time for the plan from scratch."""


@dataclass(frozen=True, kw_only=True)
class Present:
    """
    The present nodes by type and zone; the zone is empty if unknown.

    ``held`` are those among them that a PodDisruptionBudget keeps from being drained now. ``pods``
    are the fewest pods with an address on a node of each type, without DaemonSets, if known.
    ``notes`` say what holds nodes and what is unknown. ``kinds`` has the node of each type, and
    ``most`` is the largest number of nodes to drain.
    """

    places: dict[tuple[str, str], int]
    pods: dict[str, int] = field(default_factory=dict)
    held: dict[tuple[str, str], int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    kinds: dict[str, NodeKind] = field(default_factory=dict)
    most: int = 0

    @property
    def types(self) -> dict[str, int]:
        """Nodes by type."""
        return {name: number for (name, _), number in sorted(self.within(()).items())}

    def within(self, zones: Collection[str]) -> Counter[tuple[str, str]]:
        """Nodes by type and zone; all zones are empty if those of the plan have no names."""
        return _within(self.places, zones)

    def drainable(self, zones: Collection[str]) -> Counter[tuple[str, str]]:
        """Nodes by type and zone that no PodDisruptionBudget holds."""
        return self.within(zones) - _within(self.held, zones)

    def kept(self, groups: Iterable[PlannedGroup]) -> dict[str, int]:
        """Present nodes by type that a fleet keeps, zone by zone if all zones are known."""
        kept = dict.fromkeys(self.types, 0)
        for (name, _), number, _ in self._kept_and_held(groups):
            kept[name] += number
        return kept

    def may_become(self, groups: Iterable[PlannedGroup]) -> bool:
        """Whether a fleet drains no more nodes than allowed, and none that a budget holds."""
        kept = list(self._kept_and_held(groups))
        drained = sum(self.places.values()) - sum(number for _, number, _ in kept)
        return drained <= self.most and all(number >= least for _, number, least in kept)

    def _kept_and_held(
        self, groups: Iterable[PlannedGroup]
    ) -> Iterator[tuple[tuple[str, str], int, int]]:
        """Type and zone, nodes there that a fleet keeps, and nodes that a budget holds."""
        after = Counter[tuple[str, str]]()
        for group in groups:
            # Spot nodes of the fleet are never present nodes.
            if group.purchase != "spot":
                after[group.instance_type, group.zone] += group.nodes
        places = (*self.places, *after)
        zones = {zone for _, zone in places} if all(zone for _, zone in places) else ()
        fleet, protected = _within(after, zones), _within(self.held, zones)
        for type_zone, number in self.within(zones).items():
            yield type_zone, min(number, fleet[type_zone]), protected[type_zone]


def _within(
    places: Mapping[tuple[str, str], int], zones: Collection[str]
) -> Counter[tuple[str, str]]:
    there = Counter[tuple[str, str]]()
    for (name, zone), number in places.items():
        there[name, zone if any(zones) else ""] += number
    return there


def _read(current: Any, catalog: Catalog) -> Present:
    """
    Present nodes by type and zone.

    A state has Windows nodes and PodDisruptionBudgets, or else node groups. These have their desired
    size and one type each, a table the columns ``instance_type``, ``nodes`` and, if any, ``zone``.
    """
    if isinstance(current, ClusterState) and current.nodes is None and current.node_groups:
        current = current.node_groups
    counted = Counter[tuple[str, str]]()
    if isinstance(current, Iterator):
        current = list(current)
    for name, zone, number in _rows(current):
        if name not in catalog:
            raise catalog.unknown_error([name])
        counted[name, zone] += whole(number, f"present nodes of {name}")
    places = {type_zone: number for type_zone, number in sorted(counted.items()) if number}
    if isinstance(current, ClusterState):
        blocked, notes = _unevictable(current)
        there = {node.node_group for node in filter(_takes_pods, current.windows_nodes or ())}
        groups = [group for group in current.node_groups or () if group.name in there]
        notes = (*_partial(current), *_out(current), *_of_groups(groups), *notes)
        return Present(places=places, pods=_addressed(current), held=blocked, notes=notes)
    return Present(places=places, notes=tuple(_of_groups(current)))


def _of_groups(current: Any) -> Iterator[str]:
    """Notes on node groups that are read as present nodes: those of Linux, and of Spot nodes."""
    every = current if isinstance(current, Iterable) else ()
    groups = [one for one in every if hasattr(one, "desired_size")]
    if linux := [one.name for one in groups if one.windows is False]:
        yield f"Node groups of Linux, left out: {', '.join(linux)}."
    spot = [one.name for one in groups if one.capacity_type == "SPOT" and one.name not in linux]
    if spot:
        yield (
            f"Spot nodes of {', '.join(spot)} count at the price on demand, now and after: they cost "
            "less, and so does what draining them saves."
        )


def _addressed(state: ClusterState) -> dict[str, int]:
    """Fewest pods with an address on a node of each type, without those of DaemonSets."""
    number = Counter(
        pod.node
        for pod in state.windows_pods or ()
        if pod.active and pod.takes_address and not pod.owner.startswith("DaemonSet/")
    )
    least: dict[str, int] = {}
    for node in filter(_takes_pods, state.windows_nodes or ()):
        least[node.instance_type] = min(
            number[node.name], least.get(node.instance_type, number[node.name])
        )
    return least


def _partial(state: ClusterState) -> Iterator[str]:
    """Note that nodes may run pods of namespaces that are not in the state."""
    if state.only_namespace:
        yield (
            f"All pods of the state are of {state.only_namespace}: present nodes may run pods of other "
            "namespaces, which the plan does not count (kubectl get pods -A)."
        )


def _takes_pods(node: Node) -> bool:
    return node.ready is not False and node.schedulable


def _out(state: ClusterState) -> Iterator[str]:
    """Note on present nodes on which no pod can be placed."""
    names = [node.name for node in state.windows_nodes or () if not _takes_pods(node)]
    if names:
        yield (
            f"{count_of(len(names), 'present node takes', 'present nodes take')} no new pods and "
            f"{'is' if len(names) == 1 else 'are'} not counted on, and cost on until they are gone: "
            f"{', '.join(names[:5])}{' and more' * (len(names) > 5)}."
        )


def _unevictable(state: ClusterState) -> tuple[dict[tuple[str, str], int], tuple[str, ...]]:
    """Nodes by type and zone with a pod that budgets allow no one to evict now, and notes."""
    if state.budgets is None:
        return {}, (
            "PodDisruptionBudgets are not in the state: the nodes that they protect are unknown.",
        )
    by_namespace: defaultdict[str, list[DisruptionBudget]] = defaultdict(list)
    for budget in state.budgets:
        by_namespace[budget.namespace].append(budget)
    holding = defaultdict[str, set[str]](set)
    unsure = set[str]()
    for pod in state.windows_pods or ():
        # A pod that has not started is evicted whatever its budget allows.
        if not pod.node or pod.phase == "Pending" or pod.owner.startswith("DaemonSet/"):
            continue
        mine = [
            budget
            for budget in by_namespace[pod.namespace]
            if set(budget.selector) <= set(pod.labels)
        ]
        sure = [budget for budget in mine if budget.readable]
        if len(sure) > 1:
            # The API server evicts no pod that has several budgets.
            holding[pod.node].add(" and ".join(sorted(map(_full_name, sure))) + " for one pod")
        holding[pod.node].update(_full_name(one) for one in sure if one.allowed == 0)
        unsure.update(
            _full_name(one)
            for one in mine
            if one.allowed is None or (one.allowed == 0 and not one.readable)
        )
    nodes = [node for node in state.windows_nodes or () if _takes_pods(node) and holding[node.name]]
    notes: tuple[str, ...] = ()
    if nodes:
        types = Counter(node.instance_type for node in nodes)
        which = ", ".join(f"{n:,} x {name}" for name, n in sorted(types.items()))
        names = ", ".join(sorted(set().union(*(holding[node.name] for node in nodes))))
        notes = (f"Not drained, as PodDisruptionBudgets allow no eviction now: {which} ({names}).",)
    if unsure:
        notes += (f"PodDisruptionBudgets that may hold nodes: {', '.join(sorted(unsure))}.",)
    return dict(Counter((node.instance_type, node.zone) for node in nodes)), notes


def _full_name(budget: DisruptionBudget) -> str:
    return f"{budget.namespace}/{budget.name}"


def _rows(current: Any) -> list[tuple[str, str, Any]]:
    if isinstance(current, ClusterState):
        nodes = current.windows_nodes
        if nodes is None:
            why = current.unknown.get("nodes", "no source has them")
            raise InputError(f"the cluster state knows no nodes: {why}")
        lacking = [node.name for node in nodes if not node.instance_type]
        if lacking:
            raise InputError(
                f"node {lacking[0]} has no instance type in the state; give current as a mapping"
            )
        return [(node.instance_type, node.zone, 1) for node in nodes if _takes_pods(node)]
    if isinstance(current, PlanValues):
        current = current.groups
    if hasattr(current, "columns"):
        headings = [*getattr(current, "column_names", current.columns)]
        headings.append(getattr(getattr(current, "index", None), "name", None))
        columns = set(map(plain_name, headings))
        if not {"instance_type", "nodes"} <= columns:
            raise InputError(_NEEDED)
        current = records(current, "current")
    elif hasattr(current, "to_dict") and not isinstance(current, Mapping):
        current = current.to_dict()
    if isinstance(current, Mapping):
        return [(str(name), "", number) for name, number in current.items()]
    if isinstance(current, Iterable) and not isinstance(current, (str, bytes)):
        return [_row(one) for one in current if getattr(one, "windows", None) is not False]
    raise UnsupportedInputError(
        "current must be a ClusterState, node groups, a table or a mapping of instance type to "
        f"nodes; got {type(current).__name__}"
    )


_NEEDED: Final = "a table of current needs the columns 'instance_type' and 'nodes'"


def _row(one: Any) -> tuple[str, str, Any]:
    """Type, zone (empty if missing) and number of nodes of a row, planned group or node group."""
    if isinstance(one, Mapping):
        one = {plain_name(heading): value for heading, value in one.items()}
        if not {"instance_type", "nodes"} <= one.keys():
            raise InputError(_NEEDED)
        zone = one.get("zone")
        return str(one["instance_type"]), "" if is_missing(zone) else str(zone), one["nodes"]
    if isinstance(one, PlannedGroup):
        return one.instance_type, one.zone, one.nodes
    if not hasattr(one, "instance_types") or not hasattr(one, "desired_size"):
        raise UnsupportedInputError(
            f"current must hold node groups; got {type(one).__name__} among them"
        )
    if len(one.instance_types) != 1 or one.desired_size is None:
        raise InputError(
            f"node group {one.name} tells {len(one.instance_types)} types and the size "
            f"{one.desired_size}; give current as a mapping of instance type to nodes"
        )
    return one.instance_types[0], "", one.desired_size


@dataclass
class _Interruptible:
    """Plans of questions, without time once one of them was interrupted."""

    plan_of: Callable[[Question], FleetPlan]
    interrupted: bool = False

    def __call__(self, ask: Question) -> FleetPlan:
        if self.interrupted:
            ask = replace(ask, deadline=Deadline.after(0.0))
        plan = self.plan_of(ask)
        self.interrupted |= plan.status == "interrupted"
        return plan


def from_now(
    ask: Question,
    *,
    current: Any,
    max_replaced: int | None,
    plan_of: Callable[[Question], FleetPlan],
) -> FleetPlan:
    """
    Plan that starts from the present nodes.

    The plan from scratch is used if it drains no more nodes than allowed and is cheaper. Otherwise
    present nodes are kept and their free room is used first; of those that become empty, as many as
    allowed are drained. An interrupt ends all searches.
    """
    planned = _Interruptible(plan_of)
    ask, present = _with_candidates(ask, _read(current, ask.catalog))
    if max_replaced is not None:
        present = replace(present, most=max_replaced)
    fresh, best, added = _cheapest(ask, present, planned)
    broken = ", ".join(beyond(ask, best.groups))
    if broken:
        why = f"present nodes that stay leave too little room within the limits ({broken})"
        return _not_found(
            best, "limits", why, "Raise the limits, or allow more nodes to be drained"
        )
    every = _sized(ask, [*present.types, *best.types], paid=True)
    bound = max(fresh.lower_bound, _least(ask, present, added))
    if PROVED < 1 - bound / (best.value or 1.0) < _SUNK and added and not ask.deadline.over():
        # The small cost of present nodes alone may be what is not proved.
        free = planned(_with_present(ask, present, part=0.0))
        bound = max(bound, _least(ask, present, [free.lower_bound], part=0.0))
    notes, types = present.notes, len(best.types)
    outside = sorted({zone for _, zone in present.within(ask.zones)} - {*ask.zones, ""})
    if outside:
        notes += (f"No pods are planned on present nodes in other zones ({', '.join(outside)}).",)
    if types > (ask.max_types or types):
        notes += (f"Present nodes that stay make it {types} types, not {ask.max_types}.",)
    return replace(
        _proved(best, bound, interrupted=planned.interrupted),
        current=present.types,
        current_kept=present.kept(best.groups),
        current_notes=notes,
        node_costs={name: _mean_cost(ask, present, node) for name, node in every.items()},
        idle_addresses={name: node.addresses(0) for name, node in every.items()},
    )


def _cheapest(
    ask: Question, present: Present, planned: _Interruptible
) -> tuple[FleetPlan, FleetPlan, list[float]]:
    """Plan from scratch, the cheapest from the present nodes, and bounds on what it must add."""
    fresh = planned(replace(ask, deadline=ask.deadline.part(_REPLAN)))
    best = fresh if fresh.feasible and present.may_become(fresh.groups) else None
    kept, bound = _keeping(ask, present, fresh, planned)
    added = [bound] * kept.feasible
    if kept.feasible:
        best = kept if best is None or kept.value <= best.value * (1 + 1e-9) else best
        fewer = _without_dearest(present)
        if best is kept and fewer.places != present.places and not ask.deadline.over():
            # Draining as many as allowed and adding others can save more than draining empty ones.
            other, bound = _keeping(ask, fewer, fresh, planned)
            added += [bound] * other.feasible
            best = other if other.feasible and other.value < best.value * (1 - 1e-9) else best
    now = sum(_values(ask, present))
    if best is not None and best.value > now * (1 + 1e-9) and fresh.lower_bound <= now:
        # A search without time may miss that the present nodes suffice.
        same, _ = _keeping(_of_types(ask, present.types), present, fresh, planned)
        best = same if same.feasible and same.value < best.value else best
    return fresh, best or kept, added


def _mean_cost(ask: Question, present: Present, node: NodeKind) -> float:
    """Mean cost of a present node of a type; nodes already paid cost only their volume."""
    now = present.types.get(node.name, 0)
    paid = min(now, ask.buying.paid.get(node.name, 0))
    return node.cost - (node.cost - ask.prices.node_cost) * paid / now if paid else node.cost


def _keeping(
    ask: Question, present: Present, fresh: FleetPlan, plan_of: Callable[[Question], FleetPlan]
) -> tuple[FleetPlan, float]:
    """Plan that keeps present nodes, and a lower bound on the cost of what it adds."""
    plan = plan_of(_with_present(ask, present))
    bound = plan.lower_bound
    if plan.feasible:
        plan = _settled(ask, plan, present, fresh)
    types = present.types
    if (
        ask.max_types is None
        or len(plan.types) <= ask.max_types
        or plan.types.keys() <= types.keys()
    ):
        return plan, bound
    # New types, from the plan from scratch, only up to the maximum with the present ones.
    new_types = sorted(set(fresh.types) - set(types), key=lambda name: -fresh.types[name])
    few = [*types, *new_types[: max(0, ask.max_types - len(types))]]
    plan = plan_of(_with_present(replace(ask, candidates=few), present))
    if plan.feasible:
        return _settled(ask, plan, present, fresh), bound
    why = f"no plan with max_types={ask.max_types} was found with the present nodes"
    return _not_found(
        plan, "not-found", why, "Allow more types, or allow more nodes to be drained"
    ), bound


def _with_candidates(ask: Question, present: Present) -> tuple[Question, Present]:
    """The question with present types as candidates too, up to their number, and their kinds."""
    kinds, types = _sized(ask, list(present.types)), present.types
    lacking = set(types) - set(kinds)
    if lacking:
        raise InputError(
            f"present nodes of {', '.join(sorted(lacking))} cannot be Windows nodes with a price; "
            "give prices for them, or leave them out of current"
        )
    present = replace(present, kinds=kinds, most=sum(types.values()))
    able, _ = read_candidates(ask.candidates, ask.catalog)
    names = {row.name for row in able}
    extra = {name: n for name, n in types.items() if name not in names}
    return (_of_types(ask, extra, names) if extra else ask), present


def _of_types(ask: Question, most: dict[str, int], others: Collection[str] = ()) -> Question:
    """The question with types as candidates up to a number of nodes, and others without."""
    limits = {name: min(n, ask.limits.get(name, n)) for name, n in most.items()}
    candidates = sorted({*others, *most})
    return replace(ask, candidates=candidates, limits={**ask.limits, **limits})


def _sized(ask: Question, names: list[str], *, paid: bool = False) -> dict[str, NodeKind]:
    """On-demand nodes by type; with ``paid``, nodes already paid of types without a price too."""
    if not names:
        return {}
    # Without pods no type is useless; the workloads still determine the resources in ``room``.
    none = tuple(replace(load, replicas=0) for load in ask.workloads)
    nodes = sized(replace(ask, candidates=sorted(set(names)), workloads=none, surge=0))[0]
    sources = ("paid", "on-demand") if paid else ("on-demand",)
    return {node.name: node for source in sources for node in nodes if node.purchase == source}


def _without_dearest(present: Present) -> Present:
    """The present nodes without the most expensive ones that may be drained."""
    places, most = dict(present.places), present.most
    for type_zone in sorted(places, key=lambda type_zone: -present.kinds[type_zone[0]].cost):
        drained = min(most, places[type_zone] - present.held.get(type_zone, 0))
        places[type_zone] -= drained
        most -= drained
    return replace(present, places={type_zone: n for type_zone, n in places.items() if n}, most=0)


def _with_present(ask: Question, present: Present, *, part: float = _SUNK) -> Question:
    """
    The question with present nodes as separate kinds, limited to their zone and number.

    They count a part of their cost. Nodes in other zones than the plan's run no pods. Addresses and
    blocks that the others have attached, for the fewest pods on a node of the type now, are not
    taken from their subnet again.
    """
    stocks = present.within(ask.zones)
    kinds, zones = [], [zone for zone in ask.zones if zone]
    protected, staying, least = _within(present.held, ask.zones), Counter[str](), Counter[str]()
    for (name, zone), number in sorted(stocks.items()):
        node = present.kinds[name]
        pods = min(present.pods.get(name, 0), len(node.attached) - 1)
        taken = (node.addresses(pods), int(node.prefixes[pods]))
        sunk = node.cost * part
        if not zone or zone in zones:
            kinds.append(
                replace(node, purchase="present", zone=zone, stock=number, held=taken, cost=sunk)
            )
        for limit in {name, zone, ALL_NODES} - {""}:
            staying[limit] += number
            least[limit] += protected[name, zone]
    stay = {name: max(n - present.most, least[name]) for name, n in staying.items()}
    return replace(
        ask,
        present=tuple(kinds),
        staying={name: n for name, n in stay.items() if n > 0},
        max_types=None,
        progress=None,
    )


def _settled(ask: Question, kept: FleetPlan, present: Present, fresh: FleetPlan) -> FleetPlan:
    """Plan with the real costs of present nodes, without the most expensive empty ones."""
    groups: list[PlannedGroup] = []
    idle = present.within(ask.zones)
    for group in kept.groups:
        if group.purchase != "present":
            groups.append(group)
            continue
        node = present.kinds[group.instance_type]
        groups.append(replace(group, purchase=node.purchase, cost=node.cost))
        # Nodes of an unknown zone may be anywhere.
        here = min(group.nodes, idle[node.name, group.zone])
        idle[node.name, group.zone] -= here
        idle[node.name, ""] -= group.nodes - here
    may, most = present.drainable(ask.zones), present.most
    spare = Counter[tuple[str, str]]()
    for name, zone in sorted(idle.elements(), key=lambda pair: -present.kinds[pair[0]].cost):
        if most > 0 and may[name, zone] > 0:
            most, may[name, zone] = most - 1, may[name, zone] - 1
        else:
            spare[name, zone] += 1
    groups += [
        group_of(present.kinds[name], number, Site(zone=zone))
        for (name, zone), number in sorted(spare.items())
    ]
    types = {group.instance_type for group in groups}
    return replace(
        kept,
        groups=tuple(merged(groups)),
        value=value_of(groups, ask.objective),
        rejected=tuple(one for one in fresh.rejected if one.instance_type not in types),
    )


def _not_found(plan: FleetPlan, code: str, why: str, remedy: str) -> FleetPlan:
    """The same plan without a fleet, with the reason."""
    reason = Infeasible(code=code, why=why, remedy=remedy)
    nothing: dict[str, Any] = {"groups": (), "value": 0.0, "lower_bound": 0.0, "lp_bound": 0.0}
    return replace(plan, feasible=False, infeasible=(reason,), status="not-found", **nothing)


def _proved(plan: FleetPlan, bound: float, *, interrupted: bool) -> FleetPlan:
    """The plan with a proved bound and the resulting status."""
    if not plan.feasible:
        return replace(plan, status="interrupted") if interrupted else plan
    bound = min(bound, plan.value)
    status = status_of(plan.value, bound, interrupted=interrupted)
    return replace(plan, lower_bound=bound, lp_bound=min(plan.lp_bound, bound), status=status)


def _least(ask: Question, present: Present, added: list[float], *, part: float = _SUNK) -> float:
    """
    Lower bound on the value of a fleet that drains no more present nodes than allowed.

    It is that of the nodes that stay, or for costs their sum with a bound on what must be added: the
    first of ``added`` if all stay, the second, if any, if only the fewest stay. Present nodes count
    for a part of their cost there, which is deducted.
    """
    stay = sorted(_values(ask, present))
    fewest = max(len(stay) - present.most, sum(present.held.values()))
    least = sum(stay[:fewest])
    other_price = ask.buying.paid or ask.buying.spot_share
    more_asked = ask.at_least or ask.min_types > 1 or ask.zone_lost
    if ask.objective != "cost" or other_price or more_asked or not added:
        return least
    both = least * (1 - part) + added[0]
    if len(present.places) == 1 and len(added) > 1:
        # With several types or zones, it is unknown which nodes stay.
        more = sum(stay[: fewest + 1]) * (1 - part) + added[0]
        both = max(both, min(more, least * (1 - part) + added[1]))
    return max(least, both)


def _values(ask: Question, present: Present) -> Iterator[float]:
    """Least value in the objective of each present node, if it stays."""
    for name, number in present.types.items():
        node, paid = present.kinds[name], ask.buying.paid.get(name, 0)
        if ask.objective == "cost":
            yield from [node.cost] * (number - paid)
            yield from [ask.prices.node_cost] * min(number, paid)
        else:
            yield from [node.addresses(0) if ask.objective == "addresses" else 1.0] * number
