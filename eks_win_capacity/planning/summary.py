"""A plan in words, as a chart, and as a notebook shows it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.core import charts
from eks_win_capacity.core.display import count_of, html_table
from eks_win_capacity.core.errors import InputError
from eks_win_capacity.planning.fleet_diff import diff_of
from eks_win_capacity.planning.plan_values import HOURS_PER_MONTH

if TYPE_CHECKING:
    import pandas as pd

    from eks_win_capacity.planning.plan_values import Alternative, PlannedGroup, PlanValues

__all__ = ["as_html", "comparison", "draw_plan", "explained", "headline", "summary_lines"]

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


def headline(plan: PlanValues) -> str:
    """Nodes, cost and bound in one line."""
    if not plan.nodes:
        return "No pods are to run, so no node is needed."
    types = ", ".join(f"{number:,} x {name}" for name, number in plan.types.items())
    fleet = f"{count_of(plan.nodes, 'node')} ({types})"
    least = {
        "nodes": f"has fewer than {plan.lower_bound:,.6g} nodes",
        "addresses": f"takes fewer than {plan.lower_bound:,.6g} subnet addresses",
    }.get(plan.objective, f"costs less than {plan.lower_bound:,.6g}")
    of = f" {plan.scope}" * bool(plan.scope) + f" with {plan.bound_of}" * bool(plan.bound_of)
    return (
        f"{fleet}: {_cost(plan.cost, plan)}; no plan{of} {least}, so this one is within "
        f"{100 * plan.gap:.3f} % of the least possible."
    )


def explained(plan: PlanValues) -> str:
    """What the plan is, or why there is none."""
    if not plan.feasible:
        return "\n".join(
            f"No plan ({reason.code}): {reason.why}. {reason.remedy}." for reason in plan.infeasible
        )
    lines = summary_lines(plan)
    return "\n".join([lines[0], *(_group(group, plan) for group in plan.groups), *lines[1:]])


def summary_lines(plan: PlanValues) -> list[str]:
    """All of a plan but its kinds of nodes: cost and bound first."""
    lines = [headline(plan)]
    if plan.status == "interrupted":
        lines.append("The search was interrupted: this is the best plan so far.")
    if plan.nodes:
        blocks = count_of(plan.prefixes, "/28 prefix", "/28 prefixes")
        lines.append(
            f"They take {count_of(plan.addresses, 'subnet address', 'subnet addresses')}"
            + (f" with {blocks}." if plan.prefixes else ".")
        )
    if plan.rests_on:
        lines.append(
            "It rests on blocks reserved for prefixes; without them the nodes' own addresses may "
            "break some. Reserve " + ", ".join(plan.rests_on) + "."
        )
        lines += plan.reservation_commands
    if plan.price_basis:
        lines.append(f"Cost: {plan.price_basis}.")
    if plan.estimated_prices:
        lines.append(f"Estimated prices: {', '.join(plan.estimated_prices)}.")
    if plan.current is not None:
        lines += str(diff_of(plan)).splitlines()
    lines += [comparison(other, plan) for other in _others(plan)]
    if plan.rejected:
        lines.append(f"Not used: {_rejected(plan)}.")
    return lines


def _others(plan: PlanValues) -> list[Alternative]:
    return [other for other in (plan.best, plan.single_type, plan.other_mode) if other]


def _cost(value: float, plan: PlanValues) -> str:
    """A cost by the hour, and for a month where it is by the hour."""
    if not plan.cost_unit.endswith("/h"):
        return f"{value:,.6g} {plan.cost_unit}"
    unit = plan.cost_unit.removesuffix("/h")
    return f"{value:,.6g} {plan.cost_unit} ({value * HOURS_PER_MONTH:,.0f} {unit} a month)"


def _group(group: PlannedGroup, plan: PlanValues) -> str:
    place = " in " + ", ".join(filter(None, (group.zone, group.subnet)))
    pods = ", ".join(f"{each:,} {name}" for name, each in group.pods.items())
    bought = f" ({group.purchase})" if group.purchase != "on-demand" else ""
    name = f"{group.nodes:,} x {group.instance_type}{bought}"
    if not group.pods:
        return (
            f"{name}{place * bool(group.zone or group.subnet)}: "
            f"{_cost(group.nodes * group.cost, plan)}; empty."
        )
    return (
        f"{name}{place * bool(group.zone or group.subnet)}: "
        f"{_cost(group.nodes * group.cost, plan)}; {count_of(group.pods_used, 'pod')} each "
        f"({pods}); {_binding(group)}"
    )


def _binding(group: PlannedGroup) -> str:
    used, room = {
        "cpu": (group.cpu_m_used, group.cpu_m),
        "memory": (group.memory_used, group.memory),
        "addresses": (group.pod_addresses, group.address_slots),
        "kubelet": (group.pods_used, group.pod_slots),
        **{name: (group.extended_used[name], have) for name, have in group.extended.items()},
    }[group.binds]
    verb = "bind" if group.binds == "addresses" else "binds"
    return f"{group.binds} {verb} first, {100 * used / max(room, 1):.0f} % used."


def comparison(other: Alternative, plan: PlanValues) -> str:
    """What another way to run the workloads takes, beside the plan."""
    if not other.nodes:
        return f"With {other.name}: no plan: {other.why}."
    more = 100 * (other.cost / plan.cost - 1) if plan.cost else 0.0
    than = f", {abs(more):.1f} % {'more' if more > 0 else 'less'}" if abs(more) >= 0.05 else ""
    return (
        f"With {other.name}: {count_of(other.nodes, 'node')}, {_cost(other.cost, plan)}{than}, "
        f"{count_of(other.addresses, 'address', 'addresses')}."
    )


def _rejected(plan: PlanValues) -> str:
    counted: dict[str, int] = {}
    for one in plan.rejected:
        counted[one.code] = counted.get(one.code, 0) + 1
    order = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{number:,} {_WORDS.get(code, code)}" for code, number in order)


_WORDS = {"dearer": "more expensive"}
"""Words for codes that are no good English."""


def as_html(plan: PlanValues, frame: pd.DataFrame) -> str:
    """Show a plan in a notebook: the headline, the nodes, and what stands beside it."""
    if not plan.feasible or not plan.groups:
        return "".join(f"<p>{escape(line)}</p>" for line in explained(plan).splitlines())
    empty = [
        name
        for name in ("zone", "subnet", "prefixes_per_node", "cost_per_month")
        if not frame[name].any()
    ]
    empty += ["purchase"] if set(frame["purchase"]) <= {"on-demand"} else []
    frame = frame.drop(columns=empty).rename(
        columns={"cost": f"cost [{plan.cost_unit}]", "cost_per_month": "cost a month"}
    )
    first, *more = summary_lines(plan)
    return html_table(
        [*map(str, frame)], frame.itertuples(index=False, name=None), title=first, notes=more
    )
