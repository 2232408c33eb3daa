"""Other fleets beside the plan: one type, few types, the other address mode."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from eks_win_capacity.planning.plan import Alternative
from eks_win_capacity.planning.rejections import alone
from eks_win_capacity.planning.zones import quick

if TYPE_CHECKING:
    from eks_win_capacity.planning.model import Node
    from eks_win_capacity.planning.plan import FleetPlan, NodeGroup
    from eks_win_capacity.planning.run import Answer, _Run

__all__ = ["beside", "fewer_types"]

_TRIED = 4
"""Types that are cheap first-fit and then solved, to find the best single one."""

BRIEF = 0.1
"""Part of the usual work that goes into a plan shown for comparison."""


def beside(run: _Run, plan: FleetPlan) -> FleetPlan:
    """
    Add the best plan with one type, and the one in the other address mode.

    Past the time limit nothing more is solved: what is not known then is left out.
    """
    if time.monotonic() > run.until:
        return plan
    single = _single(run, plan)
    if time.monotonic() > run.until:
        return replace(plan, single_type=single)
    name = "prefix delegation" if not run.prefix else "secondary addresses"
    sites = run.sites if run.other_sites is None else run.other_sites()
    other = run.changed(
        prefix=not run.prefix, pool=None, effort=BRIEF, progress=None, sites=sites, until=run.until
    )
    found = other.plan()
    if other.interrupted:
        return replace(plan, single_type=single)
    if found.feasible:
        mode = _alternative(name, list(found.groups), found.cost)
    else:
        mode = Alternative(name=name, nodes=0, cost=0.0, addresses=0, why=found.infeasible[0].why)
    return replace(plan, single_type=single, other_mode=mode)


def _alternative(name: str, groups: list[NodeGroup], cost: float) -> Alternative:
    types: dict[str, int] = {}
    for group in groups:
        types[group.instance_type] = types.get(group.instance_type, 0) + group.nodes
    return Alternative(
        name=name,
        nodes=sum(group.nodes for group in groups),
        cost=cost,
        addresses=sum(group.nodes * group.addresses for group in groups),
        prefixes=sum(group.nodes * group.prefixes for group in groups),
        types=dict(sorted(types.items())),
    )


def _single(run: _Run, plan: FleetPlan) -> Alternative:
    name = "best single type"
    if len(plan.types) == 1:
        return _alternative(f"{name}, {next(iter(plan.types))}", list(plan.groups), plan.cost)
    best = _best_alone(run, _likeliest(run, run.lean))
    if best is None:
        return Alternative(
            name=name, nodes=0, cost=0.0, addresses=0, why="no single type runs all workloads"
        )
    return _alternative(f"{name}, {best[0][0].instance_type}", best[0], best[1])


def _best_alone(run: _Run, nodes: list[Node], worst: float = float("inf")) -> Answer | None:
    """Solve for single types, the likeliest first, until a few have been compared."""
    best: Answer | None = None
    tried = 0
    for node in nodes:
        late = run.interrupted or time.monotonic() > run.until
        if late or (tried >= _TRIED and best is not None):
            break
        if run.objective == "cost" and run.least_alone(node) >= min(
            worst, best[1] if best is not None else worst
        ):
            continue
        answer = run.answer((node,), effort=BRIEF)
        tried += 1
        if answer is not None and (best is None or answer[1] < best[1] - 1e-12):
            best = answer
    return best


def fewer_types(run: _Run, answer: Answer, nodes: tuple[Node, ...], top: int) -> Answer | None:
    """Find the best plan with few types: exactly where that can be, else step by step."""
    if len({group.instance_type for group in answer[0]}) <= top:
        return answer
    found: list[Answer] = []
    try:
        settled = None if run.interrupted else run.settled(nodes, most_types=top)
        if settled is not None and settled.proved:
            return run.from_settled(settled, *answer[2:])
        _by_dropping(run, answer, nodes, top, found)
        most = min((one[1] for one in found), default=float("inf"))
        single = _best_alone(run, _likeliest(run, nodes), most)
        if single is not None:
            found.append(single)
    except KeyboardInterrupt:
        run.interrupted = True
    if not found and run.interrupted:
        found += _first_alone(run, nodes, answer)
    if not found:
        return None
    groups, value, _, _ = min(found, key=lambda one: one[1])
    return groups, value, min(answer[2], value), answer[3]


def _likeliest(run: _Run, nodes: tuple[Node, ...]) -> list[Node]:
    """Order the types that can run everything by what a fleet of each costs, first-fit."""
    values = zip(alone(run, nodes), nodes, strict=True)
    able = sorted(
        ((value, node.name, node) for value, node in values if value is not None),
        key=lambda one: one[:2],
    )
    return [node for _, _, node in able]


def _by_dropping(
    run: _Run, answer: Answer, nodes: tuple[Node, ...], top: int, found: list[Answer]
) -> None:
    """Drop the least used types one by one until few enough are left."""
    groups = answer[0]
    names = {group.instance_type for group in groups}
    while len(names) > top and not run.interrupted:
        weight = {
            name: sum(g.cost * g.nodes for g in groups if g.instance_type == name) for name in names
        }
        kept = sorted(names, key=lambda name: (-weight[name], name))[: max(top, len(names) - 1)]
        tried = run.answer(tuple(node for node in nodes if node.name in kept), effort=BRIEF)
        if tried is None:
            return
        groups = tried[0]
        names = {group.instance_type for group in groups}
        if len(names) <= top:
            found.append(tried)


def _first_alone(run: _Run, nodes: tuple[Node, ...], answer: Answer) -> list[Answer]:
    """Pack the likeliest single type first-fit: what there is time for after an interrupt."""
    for node in _likeliest(run, nodes):
        packed = quick(run, (node,), answer[2], answer[3])
        if packed is not None:
            return [packed]
    return []
