"""Why each candidate that is left over has no node in the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.packing.first_fit import first_fit
from eks_win_capacity.planning.model import build, named
from eks_win_capacity.planning.placement import value_of
from eks_win_capacity.planning.plan import Rejection
from eks_win_capacity.planning.sizing import lacking, usable

if TYPE_CHECKING:
    from eks_win_capacity.planning.model import Node
    from eks_win_capacity.planning.run import _Run

__all__ = ["alone", "left_over"]


def left_over(run: _Run, nodes: tuple[Node, ...], used: set[str], value: float) -> list[Rejection]:
    """
    Say of each type without a node what a fleet of it alone would cost.

    That is what anyone can check by asking for a plan with this candidate only. It is packed
    first-fit decreasing, without subnets, zones and limits, so a solved plan of the type lies
    between the two figures that are told.
    """
    left = tuple(node for node in nodes if node.name not in used)
    return [
        _rejection(run, node, cost, value)
        for node, cost in zip(left, alone(run, left), strict=True)
    ]


def alone(run: _Run, nodes: tuple[Node, ...]) -> list[float | None]:
    """Give the value of a fleet of each type alone, first-fit; None where it cannot run all."""
    if not nodes:
        return []
    model = build(run.workloads, run.slots, nodes, (), objective="cost", limits={}, coupled=False)
    values: list[float | None] = []
    for place in range(len(nodes)):
        packed = first_fit(model.problem, np.array([place]))
        if packed is None:
            values.append(None)
        elif run.objective == "cost":
            values.append(float(packed.number.sum()) * nodes[place].cost)
        elif run.objective == "nodes":
            values.append(float(packed.number.sum()))
        else:
            groups = named(model, run.workloads, run.slots, packed, shrink=False)
            values.append(value_of(groups, run.objective))
    return values


def _rejection(run: _Run, node: Node, cost: float | None, value: float) -> Rejection:
    if cost is None:
        return _cannot(run, node)
    percent = round(100 * (cost / value - 1), 1) if value else 0.0
    if percent > 0:
        least = run.least_alone(node) if run.objective == "cost" else 0.0
        low = round(100 * (least / value - 1), 1)
        proved = f", and at least {low:g} % however it is packed" if 0 < low < percent else ""
        return Rejection(
            instance_type=node.name,
            code="dearer",
            percent=percent,
            why=f"more expensive by {percent:g} %: a fleet of {node.name} alone, packed first-fit, "
            f"takes that much more than the plan{proved}",
        )
    coupled = run.limited or run.spread or run.limits or run.max_types
    why = "a fleet of it alone costs no more than the plan" + (
        ", but does not keep the subnets, zones or limits" if coupled and percent < 0 else ""
    )
    return Rejection(instance_type=node.name, code="not-needed", why=why, percent=0.0)


def _cannot(run: _Run, node: Node) -> Rejection:
    for load, slot in zip(run.workloads, run.slots.tolist(), strict=True):
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
