"""From the nodes that run now to a cheaper fleet: what to keep, add and drain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.cluster.state import ClusterState
from eks_win_capacity.core.errors import InputError, UnsupportedInputError, count_of
from eks_win_capacity.core.values import is_missing
from eks_win_capacity.planning.candidates import read_candidates, sized
from eks_win_capacity.planning.model import beyond, group_of, merged, value_of
from eks_win_capacity.planning.plan_values import Infeasible, PlannedGroup, PlanValues
from eks_win_capacity.planning.question import ALL_NODES, Site, status_of
from eks_win_capacity.planning.workloads import records, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.cluster.records import Node
    from eks_win_capacity.planning.plan import FleetPlan
    from eks_win_capacity.planning.question import NodeKind, Question

__all__ = ["from_now"]

_SUNK: Final = 1e-3
"""Part of its cost that a node counts while it is kept anyway: emptied, dear ones may go."""

_REPLAN: Final = 0.5
"""Part of the time for the fleet that is best from scratch."""


@dataclass(frozen=True, kw_only=True)
class Present:
    """
    The nodes that run now, by type and zone, which is empty where it is not known.

    ``held`` are nodes by type that a PodDisruptionBudget keeps from being drained now, ``pods``
    the fewest pods with an address on a node of a type, DaemonSets left out, where that is known,
    and ``notes`` what holds them, and what is not known. ``kinds`` has what each type is, and
    ``most`` how many nodes may be drained.
    """

    places: dict[tuple[str, str], int]
    pods: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    kinds: dict[str, NodeKind] = field(default_factory=dict)
    most: int = 0

    @property
    def types(self) -> dict[str, int]:
        """Nodes by type."""
        return {name: number for (name, _), number in sorted(self.within(()).items())}

    def within(self, zones: Collection[str]) -> Counter[tuple[str, str]]:
        """Nodes by type and zone, of the zones that matter."""
        there = Counter[tuple[str, str]]()
        for (name, where), number in self.places.items():
            there[name, where if where in zones else ""] += number
        return there

    def drainable(self) -> dict[str, int]:
        """Nodes by type that no budget holds."""
        return {name: n - self.held.get(name, 0) for name, n in self.types.items()}

    def kept(self, groups: Iterable[PlannedGroup]) -> dict[str, int]:
        """Present nodes by type that a fleet keeps, zone by zone where both tell theirs."""
        after = Counter[tuple[str, str]]()
        for group in groups:
            # No present node becomes a Spot node by staying.
            if group.purchase != "spot":
                after[group.instance_type, group.zone] += group.nodes
        places = (*self.places, *after)
        zones = {zone for _, zone in places} if all(zone for _, zone in places) else ()
        fleet, kept = Present(places=after).within(zones), dict.fromkeys(self.types, 0)
        for type_zone, number in self.within(zones).items():
            kept[type_zone[0]] += min(number, fleet[type_zone])
        return kept


def _read(current: Any, catalog: Catalog) -> Present:
    """
    Nodes that run now, by type and zone.

    Of a state its Windows nodes and PodDisruptionBudgets; of node groups their desired size, one
    type each; a table has the columns ``instance_type`` and ``nodes``, and may have ``zone``.
    """
    counted = Counter[tuple[str, str]]()
    for name, zone, number in _rows(current):
        if name not in catalog:
            raise catalog.unknown_error([name])
        counted[name, zone] += whole(number, f"present nodes of {name}")
    places = {type_zone: number for type_zone, number in sorted(counted.items()) if number}
    if isinstance(current, ClusterState):
        blocked, notes = _held(current)
        notes = (*_partial(current), *_out(current), *notes)
        return Present(places=places, pods=_addressed(current), held=blocked, notes=notes)
    return Present(places=places)


def _addressed(state: ClusterState) -> dict[str, int]:
    """The fewest pods with an address on a node of each type, those of DaemonSets left out."""
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
    """What is said where nodes may run pods that are not in the state."""
    if state.only_namespace:
        yield (
            f"All pods of the state are of {state.only_namespace}: present nodes may run pods of other "
            "namespaces, which the plan does not count (kubectl get pods -A)."
        )


def _takes_pods(node: Node) -> bool:
    return node.ready is not False and node.schedulable


def _out(state: ClusterState) -> Iterator[str]:
    """What is said of present nodes on which no pod can be placed."""
    names = [node.name for node in state.windows_nodes or () if not _takes_pods(node)]
    if names:
        yield (
            f"{count_of(len(names), 'present node takes', 'present nodes take')} no new pods and "
            f"{'is' if len(names) == 1 else 'are'} not counted on, and cost on until they are gone: "
            f"{', '.join(names[:5])}{' and more' * (len(names) > 5)}."
        )


def _held(state: ClusterState) -> tuple[dict[str, int], tuple[str, ...]]:
    """Nodes by type that have a pod whose budget allows no eviction now, and what to say."""
    if state.budgets is None:
        return {}, (
            "PodDisruptionBudgets are not in the state: the nodes that they protect are unknown.",
        )
    holding: dict[str, set[str]] = {}
    unsure = set[str]()
    for budget in state.budgets:
        name = f"{budget.namespace}/{budget.name}"
        mine = [
            pod.node
            for pod in state.windows_pods or ()
            if pod.node
            and pod.namespace == budget.namespace
            and (not budget.readable or set(budget.selector) <= set(pod.labels))
            and not pod.owner.startswith("DaemonSet/")
        ]
        if mine and not budget.allowed and (budget.allowed is None or not budget.readable):
            unsure.add(name)
        elif budget.allowed == 0:
            for node in mine:
                holding.setdefault(node, set()).add(name)
    taking = filter(_takes_pods, state.windows_nodes or ())
    types = {node.name: node.instance_type for node in taking}
    blocked = Counter(types[name] for name in holding if name in types)
    names = sorted({one for name in holding if name in types for one in holding[name]})
    notes: tuple[str, ...] = ()
    if blocked:
        nodes = ", ".join(f"{n:,} x {name}" for name, n in sorted(blocked.items()))
        why = f"Not drained, as PodDisruptionBudgets allow no eviction now: {nodes}"
        notes = (f"{why} ({', '.join(names)}).",)
    if unsure:
        notes += (f"PodDisruptionBudgets that may hold nodes: {', '.join(sorted(unsure))}.",)
    return dict(blocked), notes


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
        if not {"instance_type", "nodes"} <= set(getattr(current, "column_names", current.columns)):
            raise InputError(_NEEDED)
        current = records(current, "current")
    elif hasattr(current, "to_dict") and not isinstance(current, Mapping):
        current = current.to_dict()
    if isinstance(current, Mapping):
        return [(str(name), "", number) for name, number in current.items()]
    if isinstance(current, Iterable) and not isinstance(current, (str, bytes)):
        return [_row(one) for one in current]
    raise UnsupportedInputError(
        "current must be a ClusterState, node groups, a table or a mapping of instance type to "
        f"nodes; got {type(current).__name__}"
    )


_NEEDED: Final = "a table of current needs the columns 'instance_type' and 'nodes'"


def _row(one: Any) -> tuple[str, str, Any]:
    """Type, zone (empty where it is missing) and nodes of a row, a planned or a real group."""
    if isinstance(one, Mapping):
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


def from_now(
    ask: Question,
    *,
    current: Any,
    max_replaced: int | None,
    plan_of: Callable[[Question], FleetPlan],
) -> FleetPlan:
    """
    Plan from the nodes that run now.

    The fleet that is best from scratch is taken where it drains no more nodes than allowed and
    saves something; else present nodes are kept and their free room is used first, and as many
    of those left empty are drained as may be.
    """
    ask, present = _with_candidates(ask, _read(current, ask.catalog))
    if max_replaced is not None:
        present = replace(present, most=max_replaced)
    fresh = plan_of(replace(ask, deadline=ask.deadline.part(_REPLAN)))
    best = fresh if fresh.feasible and _may_drain(present, fresh) else None
    kept, bound = _keeping(ask, present, fresh, plan_of)
    added = [bound] * kept.feasible
    if kept.feasible:
        best = kept if best is None or kept.value <= best.value * (1 + 1e-9) else best
        fewer = _without_dearest(present)
        if best is kept and fewer.places != present.places and not ask.deadline.over():
            # Draining as many as may be and adding others can save more than what lies idle.
            other, bound = _keeping(ask, fewer, fresh, plan_of)
            added += [bound] * other.feasible
            best = other if other.feasible and other.value < best.value * (1 - 1e-9) else best
    best = best or kept
    broken = ", ".join(beyond(ask, best.groups))
    if broken:
        why = f"present nodes that stay leave too little room within the limits ({broken})"
        return _not_found(
            best, "limits", why, "Raise the limits, or allow more nodes to be drained"
        )
    every = _sized(ask, [*present.types, *best.types])
    bound = max(fresh.lower_bound, _least(ask, present, added))
    notes, types = present.notes, len(best.types)
    if types > (ask.max_types or types):
        notes += (f"Present nodes that stay make it {types} types, not {ask.max_types}.",)
    return replace(
        _proved(best, bound),
        current=present.types,
        current_kept=present.kept(best.groups),
        current_notes=notes,
        node_costs={name: _mean_cost(ask, present, node) for name, node in every.items()},
        idle_addresses={name: node.addresses(0) for name, node in every.items()},
    )


def _mean_cost(ask: Question, present: Present, node: NodeKind) -> float:
    """Cost of a present node of a type; of those paid already nothing but the volume."""
    now = present.types.get(node.name, 0)
    paid = min(now, ask.buying.paid.get(node.name, 0))
    return node.cost - (node.cost - ask.prices.node_cost) * paid / now if paid else node.cost


def _keeping(
    ask: Question, present: Present, fresh: FleetPlan, plan_of: Callable[[Question], FleetPlan]
) -> tuple[FleetPlan, float]:
    """The fleet that keeps present nodes, and a bound of what it adds."""
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
    # Of new types only as many as may stand beside the present ones, those of the fleet from scratch.
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
    """Allow the present types beside the candidates, each as often as it is there; and size them."""
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
    if not extra:
        return ask, present
    limits = {name: min(n, ask.limits.get(name, n)) for name, n in extra.items()}
    candidates = [*sorted(names), *sorted(extra)]
    return replace(ask, candidates=candidates, limits={**ask.limits, **limits}), present


def _sized(ask: Question, names: list[str]) -> dict[str, NodeKind]:
    """Nodes of types as they are bought on demand."""
    if not names:
        return {}
    # Without pods no type is of no use; what workloads ask for still says what rooms have.
    none = tuple(replace(load, replicas=0) for load in ask.workloads)
    nodes = sized(replace(ask, candidates=sorted(set(names)), workloads=none, surge=0))[0]
    return {node.name: node for node in nodes if node.purchase == "on-demand"}


def _may_drain(present: Present, plan: FleetPlan) -> bool:
    """Whether a fleet drains no more nodes than allowed, and none that is held."""
    kept = present.kept(plan.groups)
    drained = sum(number - kept[name] for name, number in present.types.items())
    return drained <= present.most and all(kept[name] >= n for name, n in present.held.items())


def _without_dearest(present: Present) -> Present:
    """The present nodes without the dearest that may be drained."""
    places, may, most = dict(present.places), present.drainable(), present.most
    for type_zone in sorted(places, key=lambda type_zone: -present.kinds[type_zone[0]].cost):
        drained = min(most, places[type_zone], max(0, may[type_zone[0]]))
        places[type_zone] -= drained
        may[type_zone[0]] -= drained
        most -= drained
    return replace(present, places={type_zone: n for type_zone, n in places.items() if n}, most=0)


def _with_present(ask: Question, present: Present) -> Question:
    """
    Offer the present nodes as kinds of their own, each in its zone as often as it is there.

    What they have attached, for the fewest pods that a node of the type runs now, they do not
    take of their subnet again.
    """
    stocks = present.within(ask.zones)
    kinds = []
    staying = Counter[str]()
    for (name, zone), number in sorted(stocks.items()):
        node = present.kinds[name]
        pods = min(present.pods.get(name, 0), len(node.attached) - 1)
        taken = (node.addresses(pods), int(node.prefixes[pods]))
        sunk = node.cost * _SUNK
        kinds.append(
            replace(node, purchase="present", zone=zone, stock=number, held=taken, cost=sunk)
        )
        for limit in {name, zone, ALL_NODES} - {""}:
            staying[limit] += number
    held_back = {**present.held, ALL_NODES: sum(present.held.values())}
    least = {name: max(n - present.most, held_back.get(name, 0)) for name, n in staying.items()}
    return replace(
        ask,
        present=tuple(kinds),
        staying={name: n for name, n in least.items() if n > 0},
        max_types=None,
        progress=None,
    )


def _settled(ask: Question, kept: FleetPlan, present: Present, fresh: FleetPlan) -> FleetPlan:
    """Present nodes their names and costs back, and drain the dearest that are empty."""
    groups: list[PlannedGroup] = []
    idle = present.within(ask.zones)
    for group in kept.groups:
        if group.purchase != "present":
            groups.append(group)
            continue
        node = present.kinds[group.instance_type]
        groups.append(replace(group, purchase=node.purchase, cost=node.cost))
        # Nodes whose zone is not known may stand anywhere.
        here = min(group.nodes, idle[node.name, group.zone])
        idle[node.name, group.zone] -= here
        idle[node.name, ""] -= group.nodes - here
    may, most = present.drainable(), present.most
    spare = Counter[tuple[str, str]]()
    for name, zone in sorted(idle.elements(), key=lambda pair: -present.kinds[pair[0]].cost):
        if most > 0 and may[name] > 0:
            most, may[name] = most - 1, may[name] - 1
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
    """The same answer without a fleet, and why."""
    reason = Infeasible(code=code, why=why, remedy=remedy)
    nothing: dict[str, Any] = {"groups": (), "value": 0.0, "lower_bound": 0.0, "lp_bound": 0.0}
    return replace(plan, feasible=False, infeasible=(reason,), status="not-found", **nothing)


def _proved(plan: FleetPlan, bound: float) -> FleetPlan:
    """A plan with what is proved of it."""
    if not plan.feasible:
        return plan
    bound = min(bound, plan.value)
    status = status_of(plan.value, bound, interrupted=plan.status == "interrupted")
    return replace(plan, lower_bound=bound, lp_bound=min(plan.lp_bound, bound), status=status)


def _least(ask: Question, present: Present, added: list[float]) -> float:
    """
    Bound what a fleet costs that drains no more present nodes than may be.

    Those that stay cost something, and so does what must be added even if all of them stay:
    ``added`` bounds that, and where it has two values, what must be added if only those stay
    that have to. Present nodes count next to nothing there, which is taken off.
    """
    other_price = ask.buying.paid or ask.buying.spot_share
    more_asked = ask.at_least or ask.min_types > 1 or ask.zone_lost
    if ask.objective != "cost" or other_price or more_asked or not added:
        return 0.0
    costs = [present.kinds[name].cost for name, n in present.types.items() for _ in range(n)]
    stay, fewest = sorted(costs), max(0, len(costs) - present.most)
    least = sum(stay[:fewest]) * (1 - _SUNK)
    if len(present.places) > 1 or len(added) < 2:
        # Which of several types or zones stay is not known.
        return least + added[0]
    more = sum(stay[: fewest + 1]) * (1 - _SUNK) + added[0]
    return max(least + added[0], min(more, least + added[1]))
