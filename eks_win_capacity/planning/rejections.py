"""Why each candidate that is left over has no node in the plan."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.packing.first_fit import first_fit
from eks_win_capacity.planning.model import build, named
from eks_win_capacity.planning.placement import value_of
from eks_win_capacity.planning.plan_values import Rejection
from eks_win_capacity.planning.sizing import lacking, usable

if TYPE_CHECKING:
    from eks_win_capacity.packing.deadline import Deadline
    from eks_win_capacity.planning.model import Node
    from eks_win_capacity.planning.question import Question

__all__ = ["alone", "left_over"]


def left_over(
    ask: Question, nodes: tuple[Node, ...], used: set[str], value: float, *, deadline: Deadline
) -> list[Rejection]:
    """
    What a fleet of each type without a node would cost alone.

    That is what anyone can check by asking for a plan with this candidate only. It is packed
    first-fit decreasing, without subnets, zones and limits, so a solved plan of the type lies
    between the two figures that are told.
    """
    left = tuple(node for node in nodes if node.name not in used and node.purchase == "on-demand")
    return [
        _rejection(ask, node, cost, value)
        for node, cost in zip(left, alone(ask, left, deadline=deadline), strict=True)
    ]


def alone(ask: Question, nodes: tuple[Node, ...], *, deadline: Deadline) -> list[float | None]:
    """
    Value of a fleet of each type alone, first-fit.

    None where it cannot run all, nan for types that there was no time for.
    """
    if not nodes:
        return []
    model = build(ask.workloads, ask.slots, nodes, (), objective="cost", limits={}, coupled=False)
    values: list[float | None] = []
    for place in range(len(nodes)):
        if deadline.over():
            values.append(math.nan)
            continue
        packed = first_fit(model.problem, np.array([place]))
        if packed is None:
            values.append(None)
        elif ask.objective == "cost":
            values.append(float(packed.number.sum()) * nodes[place].cost)
        elif ask.objective == "nodes":
            values.append(float(packed.number.sum()))
        else:
            groups = named(model, ask.workloads, ask.slots, packed, shrink=False)
            values.append(value_of(groups, ask.objective))
    return values


def _rejection(ask: Question, node: Node, cost: float | None, value: float) -> Rejection:
    if cost is None:
        return _cannot(ask, node)
    if math.isnan(cost):
        return _untried(ask, node, value)
    percent = round(100 * (cost / value - 1), 1) if value else 0.0
    if percent > 0:
        least = ask.least_alone(node) if ask.objective == "cost" else 0.0
        low = round(100 * (least / value - 1), 1)
        proved = f", and at least {low:g} % however it is packed" if 0 < low < percent else ""
        return Rejection(
            instance_type=node.name,
            code="dearer",
            percent=percent,
            why=f"more expensive by {percent:g} %: a fleet of {node.name} alone, packed first-fit, "
            f"takes that much more than the plan{proved}",
        )
    coupled = ask.limited or ask.spread or ask.limits or ask.max_types
    why = "a fleet of it alone costs no more than the plan" + (
        ", but does not keep the subnets, zones or limits" if coupled and percent < 0 else ""
    )
    return Rejection(instance_type=node.name, code="not-needed", why=why, percent=0.0)


def _untried(ask: Question, node: Node, value: float) -> Rejection:
    """Reject by sums alone a type that there was no time to pack."""
    least = ask.least_alone(node) if ask.objective == "cost" else 0.0
    if math.isinf(least):
        return _cannot(ask, node)
    low = round(100 * (least / value - 1), 1) if value else 0.0
    if low > 0:
        why = f"more expensive by at least {low:g} % however a fleet of it alone is packed"
        return Rejection(instance_type=node.name, code="dearer", percent=low, why=why)
    why = "the time was over before a fleet of it alone was packed"
    return Rejection(instance_type=node.name, code="not-needed", why=why, percent=0.0)


def _cannot(ask: Question, node: Node) -> Rejection:
    for load, slot in zip(ask.workloads, ask.slots.tolist(), strict=True):
        if not slot or usable(load, node):
            continue
        short = lacking(load, node)
        if short:
            return Rejection(
                instance_type=node.name,
                code="too-small",
                subject=load.name,
                why=f"too small for workload {load.name} ({', '.join(short)}), and the others "
                "cost no less on it",
            )
        return Rejection(
            instance_type=node.name,
            code="not-allowed",
            subject=load.name,
            why=f"workload {load.name} is not allowed on it, and the others cost no less on it",
        )
    why = "no workload has pods to run"
    return Rejection(instance_type=node.name, code="not-needed", why=why)
