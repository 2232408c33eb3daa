"""A plan as a chart: nodes and cost by type, what binds, and the present nodes beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.core import charts
from eks_win_capacity.core.display import count_of
from eks_win_capacity.core.errors import InputError

if TYPE_CHECKING:
    from eks_win_capacity.planning.plan_values import PlanValues

__all__ = ["draw_plan"]

_HATCHES: Final = {"cpu": "", "memory": "//", "addresses": "..", "kubelet": "xx"}
"""Hatch of each constraint; it speaks where colour does not."""

_OTHER: Final = (charts.SKY, "oo")
"""Colour and hatch of extended resources."""

_NOW: Final = "#888888"
"""Colour of the nodes that run now."""


def draw_plan(plan: PlanValues, ax: Any = None) -> Any:
    """
    Bars of the nodes of each type, in parts by what binds first, labelled with their cost.

    Where the plan starts from present nodes, these are thin bars below.

    Parameters
    ----------
    plan : FleetPlan
        A plan with nodes.
    ax : matplotlib Axes, optional
        Where to draw; axes of its own by default.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        If the plan has no nodes.
    MissingExtraError
        Without matplotlib (extra ``plot``).
    """
    if not plan.groups:
        raise InputError("the plan has no nodes: there is nothing to draw")
    present = plan.current or {}
    names = sorted(
        {*plan.types, *present}, key=lambda name: (plan.types.get(name, present.get(name, 0)), name)
    )
    ax = charts.axes(ax, 8, 1.6 + 0.45 * len(names))
    _bars(ax, plan, names)
    if present:
        now = [present.get(name, 0) for name in names]
        below = [at - 0.34 * (name in plan.types) for at, name in enumerate(names)]
        ax.barh(below, now, 0.18, color=_NOW, label="now")
    ax.set_yticks(range(len(names)), names)
    most = max([*plan.types.values(), *present.values()])
    ax.set_xlim(0, most * 1.35)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("nodes")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(title="binds first", frameon=False, fontsize=8, loc="lower right")
    ax.set_title(_title(plan), loc="left", fontsize=10)
    return ax


def _bars(ax: Any, plan: PlanValues, names: list[str]) -> None:
    """One bar a type, in parts by what binds, with the cost of all its nodes."""
    start = dict.fromkeys(names, 0)
    cost = dict.fromkeys(names, 0.0)
    named: set[str] = set()
    for group in sorted(plan.groups, key=lambda one: (one.instance_type, one.binds)):
        name, binds = group.instance_type, group.binds
        color, hatch = (charts.CONSTRAINTS[binds], _HATCHES[binds]) if binds in _HATCHES else _OTHER
        ax.barh(
            names.index(name),
            group.nodes,
            0.5,
            left=start[name],
            color=color,
            hatch=hatch,
            edgecolor="white",
            linewidth=0.5,
            label="_" * (binds in named) + binds,
        )
        named.add(binds)
        start[name] += group.nodes
        cost[name] += group.nodes * group.cost
    for name, nodes in start.items():
        if nodes:
            text = f" {nodes:,}: {cost[name]:,.4g} {plan.cost_unit}"
            ax.text(nodes, names.index(name), text, va="center", fontsize=8)


def _title(plan: PlanValues) -> str:
    month = plan.cost_per_month
    unit = plan.cost_unit.removesuffix("/h")
    cost = f"{plan.cost:,.4g} {unit}" if month is None else f"{month:,.0f} {unit} a month"
    title = f"{count_of(plan.nodes, 'node')} for {cost}"
    if plan.current is None:
        return title
    now = sum(plan.node_costs[name] * number for name, number in plan.current.items())
    saved = 100 * (1 - plan.cost / now) if now else 0.0
    word = "less" if saved >= 0 else "more"
    return f"{title}, {abs(saved):.0f} % {word} than {sum(plan.current.values()):,} now"
