"""From the nodes that run now to a cheaper fleet: what to keep, add and drain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.cluster.state import ClusterState
from eks_win_capacity.core.errors import InputError, UnsupportedInputError
from eks_win_capacity.planning.candidates import read_candidates
from eks_win_capacity.planning.placement import merged, value_of
from eks_win_capacity.planning.plan_values import NodeGroup
from eks_win_capacity.planning.question import PROVED
from eks_win_capacity.planning.sizing import sized
from eks_win_capacity.planning.workloads import whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.planning.model import Node
    from eks_win_capacity.planning.plan import FleetPlan
    from eks_win_capacity.planning.question import Question

__all__ = ["from_now", "read_current"]

PRESENT: Final = " (present)"
"""What follows the name of a type among the kinds of node that run already."""

_SUNK: Final = 1e-3
"""Part of its cost that a node counts while it is kept anyway: emptied, dear ones may go."""

_REPLAN: Final = 0.5
"""Part of the time for the fleet that is best from scratch."""


def read_current(current: Any, catalog: Catalog) -> dict[str, int]:
    """
    Nodes that run now, by type.

    Parameters
    ----------
    current : ClusterState, iterable of NodeGroup, DataFrame or mapping
        Of a state its Windows nodes; of node groups their desired size, one type each; a table
        has the columns ``instance_type`` and ``nodes``.
    catalog : Catalog
        Where the types must be.

    Raises
    ------
    InputError
        If a state knows no nodes, a node has no type, or a group several.
    UnknownInstanceTypeError
        If the catalog lacks a type.
    UnsupportedInputError
        If the input is of another kind.
    """
    counted: dict[str, int] = {}
    for name, number in _pairs(current):
        if name not in catalog:
            raise catalog.unknown_error([name])
        counted[name] = counted.get(name, 0) + whole(number, f"present nodes of {name}")
    return {name: number for name, number in sorted(counted.items()) if number}


def _pairs(current: Any) -> list[tuple[str, Any]]:
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
        return [(node.instance_type, 1) for node in nodes]
    if hasattr(current, "columns"):
        if not {"instance_type", "nodes"} <= set(current.columns):
            raise InputError("a table of current needs the columns 'instance_type' and 'nodes'")
        return [
            (str(name), number)
            for name, number in zip(current["instance_type"], current["nodes"], strict=True)
        ]
    if hasattr(current, "to_dict") and not isinstance(current, Mapping):
        current = current.to_dict()
    if isinstance(current, Mapping):
        return [(str(name), number) for name, number in current.items()]
    if isinstance(current, Iterable) and not isinstance(current, (str, bytes)):
        return [_of_group(group) for group in current]
    raise UnsupportedInputError(
        "current must be a ClusterState, node groups, a table or a mapping of instance type to "
        f"nodes; got {type(current).__name__}"
    )


def _of_group(group: Any) -> tuple[str, Any]:
    if not hasattr(group, "instance_types") or not hasattr(group, "desired_size"):
        raise UnsupportedInputError(
            f"current must hold node groups; got {type(group).__name__} among them"
        )
    if len(group.instance_types) != 1 or group.desired_size is None:
        raise InputError(
            f"node group {group.name} tells {len(group.instance_types)} types and the size "
            f"{group.desired_size}; give current as a mapping of instance type to nodes"
        )
    return group.instance_types[0], group.desired_size


def from_now(
    ask: Question,
    present: dict[str, int],
    *,
    max_replaced: int | None,
    plan_of: Callable[[Question], FleetPlan],
) -> FleetPlan:
    """
    Plan from the nodes that run now.

    The fleet that is best from scratch is taken where it drains no more nodes than allowed and
    saves something; else present nodes are kept and their free room is used first, and as many
    of those left empty are drained as may be.

    Parameters
    ----------
    ask : Question
        What is asked.
    present : dict
        Nodes that run now, by type.
    max_replaced : int or None
        Present nodes drained at most; None for any number.
    plan_of : callable
        Plans a question.
    """
    ask, present_nodes = _with_candidates(ask, present)
    fresh = plan_of(replace(ask, deadline=ask.deadline.part(_REPLAN)))
    drained = sum(max(0, n - fresh.types.get(name, 0)) for name, n in present.items())
    best = fresh if fresh.feasible and (max_replaced is None or drained <= max_replaced) else None
    kept = plan_of(_with_present(ask, present, present_nodes))
    if kept.feasible:
        most = sum(present.values()) if max_replaced is None else max_replaced
        kept = _settled(ask, kept, present, present_nodes, most, fresh)
        if best is None or kept.value <= best.value * (1 + 1e-9):
            best = kept
    best = best or kept
    nodes = _sized(ask, [*present, *best.types])
    return replace(
        best,
        current=dict(present),
        node_costs={node.name: node.cost for node in nodes},
        idle_addresses={node.name: node.addresses(0) for node in nodes},
    )


def _sized(ask: Question, names: list[str]) -> tuple[Node, ...]:
    return sized(replace(ask, candidates=sorted(set(names)), workloads=()))[0] if names else ()


def _with_present(ask: Question, present: dict[str, int], nodes: tuple[Node, ...]) -> Question:
    """Offer the present nodes as kinds of their own, each as often as it is there."""
    kinds = tuple(
        replace(node, name=node.name + PRESENT, cost=node.cost * _SUNK)
        for node in nodes
        if present.get(node.name)
    )
    loads = tuple(
        replace(
            load,
            allowed_types=(*load.allowed_types, *(name + PRESENT for name in load.allowed_types)),
        )
        for load in ask.workloads
    )
    limits = dict(ask.limits)
    for name, n in present.items():
        limits[name + PRESENT] = min(n, ask.limits.get(name, n))
        if name in ask.limits:
            limits[name] = max(0, ask.limits[name] - n)
    return replace(
        ask,
        present=kinds,
        workloads=loads,
        limits=limits,
        max_types=None,
        progress=None,
    )


def _with_candidates(ask: Question, present: dict[str, int]) -> tuple[Question, tuple[Node, ...]]:
    """Allow the present types beside the candidates, each as often as it is there."""
    nodes = _sized(ask, list(present))
    lacking = set(present) - {node.name for node in nodes}
    if lacking:
        raise InputError(
            f"present nodes of {', '.join(sorted(lacking))} cannot be Windows nodes with a price; "
            "give prices for them, or leave them out of current"
        )
    able, _ = read_candidates(ask.candidates, ask.catalog)
    names = {row.name for row in able}
    extra = {name: n for name, n in present.items() if name not in names}
    if not extra:
        return ask, nodes
    limits = {name: min(n, ask.limits.get(name, n)) for name, n in extra.items()}
    return replace(
        ask, candidates=[*sorted(names), *sorted(extra)], limits={**ask.limits, **limits}
    ), nodes


def _settled(  # noqa: PLR0917
    ask: Question,
    kept: FleetPlan,
    present: dict[str, int],
    nodes: tuple[Node, ...],
    most: int,
    fresh: FleetPlan,
) -> FleetPlan:
    """Present nodes their names and costs back, and drain the dearest that are empty."""
    by_name = {node.name: node for node in nodes}
    groups: list[NodeGroup] = []
    used = dict.fromkeys(present, 0)
    for group in kept.groups:
        name = group.instance_type.removesuffix(PRESENT)
        if name != group.instance_type:
            used[name] += group.nodes
            group = replace(group, instance_type=name, cost=by_name[name].cost)  # noqa: PLW2901
        groups.append(group)
    idle = sorted(
        (name for name, n in present.items() for _ in range(n - used[name])),
        key=lambda name: -by_name[name].cost,
    )
    spare = {name: idle[most:].count(name) for name in set(idle[most:])}
    groups += [_empty(by_name[name], number) for name, number in sorted(spare.items())]
    value = value_of(groups, ask.objective)
    bound = min(fresh.lower_bound if fresh.feasible else 0.0, value)
    gap = 1 - bound / value if value else 0.0
    return replace(
        kept,
        groups=tuple(merged(groups)),
        value=value,
        rejected=tuple(
            one
            for one in fresh.rejected
            if one.instance_type not in {g.instance_type for g in groups}
        ),
        lower_bound=bound,
        lp_bound=min(fresh.lp_bound, bound),
        status=kept.status
        if kept.status == "interrupted"
        else "proved"
        if gap <= PROVED
        else "gap",
    )


def _empty(node: Node, number: int) -> NodeGroup:
    return NodeGroup(
        instance_type=node.name,
        zone="",
        subnet="",
        nodes=number,
        pods={},
        cpu_m=node.room[0],
        memory=node.room[1],
        pod_slots=node.room[3],
        address_slots=node.room[2],
        cpu_m_used=0,
        memory_used=0,
        pods_used=0,
        pod_addresses=0,
        addresses=node.addresses(0),
        prefixes=int(node.prefixes[0]),
        binds="addresses",
        cost=node.cost,
    )
