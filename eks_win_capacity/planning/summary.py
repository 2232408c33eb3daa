"""How a plan reads: in words, as a chart, in a notebook, and as changes from the present nodes."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.core import charts
from eks_win_capacity.core.display import html_frame, html_table
from eks_win_capacity.core.errors import InputError, count_of
from eks_win_capacity.planning.costs import speciality
from eks_win_capacity.planning.plan_values import HOURS_PER_MONTH
from eks_win_capacity.planning.question import PROVED

if TYPE_CHECKING:
    import pandas as pd

    from eks_win_capacity.planning.plan_values import Alternative, PlannedGroup, PlanValues

__all__ = ["FleetDiff", "as_html", "diff_of", "draw_plan", "explained", "summary_lines"]

_LOOKS: Final = {
    "cpu": (charts.CONSTRAINTS["cpu"], ""),
    "memory": (charts.CONSTRAINTS["memory"], "//"),
    "addresses": (charts.CONSTRAINTS["addresses"], ".."),
    "kubelet": (charts.CONSTRAINTS["kubelet"], "xx"),
    "empty": ("#d9d9d9", ""),
}
"""Colour of nodes by what binds first, and a hatch for readers who cannot tell colours apart."""

_OTHER: Final = (charts.SKY, "oo")
"""Colour and hatch of extended resources."""

_NOW: Final = "#888888"
"""Colour of the present nodes."""


def draw_plan(plan: PlanValues, ax: Any = None) -> Any:
    """
    Bars of the nodes of each type, divided by the constraint that binds, with their cost.

    Present nodes, if any, are thin bars below.
    """
    present = (plan.current or {}) if plan.feasible else {}
    if not plan.groups and not any(present.values()):
        raise InputError("the plan has no nodes: there is nothing to draw")
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
    # With few bars, the legend stands beside the costs, not below them.
    ax.set_xlim(0, most * (1.35 if len(names) > 2 else 1.8))
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("nodes")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(title="binds first", frameon=False, fontsize=8, loc="lower right")
    ax.set_title(_title(plan), loc="left", fontsize=10)
    return ax


def _bars(ax: Any, plan: PlanValues, names: list[str]) -> None:
    """Draw a bar for each type, divided by the constraint that binds, with its cost."""
    start = dict.fromkeys(names, 0)
    cost = dict.fromkeys(names, 0.0)
    named: set[str] = set()
    for group in sorted(plan.groups, key=lambda one: (one.instance_type, one.binds)):
        name, binds = group.instance_type, group.binds if group.pods else "empty"
        color, hatch = _LOOKS.get(binds, _OTHER)
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
    return f"{title}, {abs(saved):.0f} % {word} than the {sum(plan.current.values()):,} now"


def _headline(plan: PlanValues) -> str:
    """Nodes, cost and bound in one line."""
    if not plan.nodes:
        return "There are no pods to run, so no node is needed."
    types = ", ".join(f"{number:,} x {name}" for name, number in plan.types.items())
    fleet = f"{count_of(plan.nodes, 'node')} ({types})"
    fewer = {"nodes": ("has fewer", "nodes"), "addresses": ("takes fewer", "subnet addresses")}
    does, what = fewer.get(plan.objective, ("costs less", ""))
    of = f" {plan.scope}" * bool(plan.scope) + f" with {plan.bound_of}" * bool(plan.bound_of)
    claim = f"{fleet}: {_cost(plan.cost, plan)}; no plan{of} {does}"
    if plan.gap <= PROVED:
        return f"{claim} {what}".rstrip() + "."
    # A gap that is not proved to be zero is never shown as zero.
    above = (
        f"{max(100 * plan.gap / (1 - plan.gap), 0.001):.3f} %" if plan.gap < 1 else "any distance"
    )
    least = f"{claim} than {plan.lower_bound:,.6g} {what}".rstrip()
    return f"{least}, so this one is within {above} of the minimum."


def explained(plan: PlanValues) -> str:
    """The plan in words, or the reasons why none exists."""
    if not plan.feasible:
        return "\n".join(
            f"No plan ({reason.code}): {reason.why}. {reason.remedy}." for reason in plan.infeasible
        )
    lines = summary_lines(plan)
    return "\n".join([lines[0], *(_group(group, plan) for group in plan.groups), *lines[1:]])


def summary_lines(plan: PlanValues) -> list[str]:
    """The lines of a plan except its groups of nodes: cost and bound first."""
    lines = [_headline(plan)]
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
    if burstable := [name for name in plan.types if speciality(name) == "burstable"]:
        lines.append(
            f"The CPU of {', '.join(burstable)} counts in full: use above its baseline spends credits, "
            "which the plan does not model."
        )
    if plan.current is not None:
        lines += str(diff_of(plan)).splitlines()
    others = (plan.best, plan.single_type, plan.other_mode)
    lines += [_comparison(other, plan) for other in others if other]
    if plan.rejected:
        lines.append(f"Not used: {_rejected(plan)}.")
    return lines


def _cost(value: float, plan: PlanValues) -> str:
    """A cost in words, with that for a month if it is per hour."""
    month, unit = plan.monthly(value), plan.cost_unit.removesuffix("/h")
    more = "" if month is None else f" ({month:,.0f} {unit} a month)"
    return f"{value:,.6g} {plan.cost_unit}{more}"


def _group(group: PlannedGroup, plan: PlanValues) -> str:
    where = ", ".join(filter(None, (group.zone, group.subnet)))
    location = f" in {where}" if where else ""
    pods = ", ".join(f"{each:,} {name}" for name, each in group.pods.items())
    bought = f" ({group.purchase})" if group.purchase != "on-demand" else ""
    runs = f"{count_of(group.pods_used, 'pod')} each ({pods}); {_binding(group)}"
    return (
        f"{group.nodes:,} x {group.instance_type}{bought}{location}: "
        f"{_cost(group.nodes * group.cost, plan)}; {runs if group.pods else 'empty.'}"
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


def _comparison(other: Alternative, plan: PlanValues) -> str:
    """Nodes, cost and addresses of an alternative, compared with the plan."""
    if not other.nodes:
        return f"With {other.name}: no plan: {other.why}."
    more = 100 * (other.cost / plan.cost - 1) if plan.cost else 0.0
    than = f", {abs(more):.1f} % {'more' if more > 0 else 'less'}" if abs(more) >= 0.05 else ""
    return (
        f"With {other.name}: {count_of(other.nodes, 'node')}, {_cost(other.cost, plan)}{than}, "
        f"{count_of(other.addresses, 'address', 'addresses')}."
    )


def _rejected(plan: PlanValues) -> str:
    counted = Counter(one.code for one in plan.rejected)
    order = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{number:,} {_WORDS.get(code, code)}" for code, number in order)


_WORDS = {"dearer": "more expensive"}
"""Words for codes that are not plain English."""


def as_html(plan: PlanValues, frame: pd.DataFrame) -> str:
    """A plan for a notebook as HTML: headline, table of nodes, and notes."""
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


_CHANGES = ("instance_type", "now", "after", "keep", "add", "drain", "cost_now", "cost_after")


@dataclass(frozen=True, kw_only=True)
class FleetDiff:
    """
    Changes from the present nodes to a plan.

    Attributes
    ----------
    rows : tuple of dict
        Nodes by type now and after, kept, added and drained, and their cost.
    cost_now, cost_after : float
        Cost of all nodes, in ``unit``.
    unit : str
        Unit of costs.
    addresses_freed : int
        Subnet addresses that drained nodes free even if empty, less those that empty added nodes
        take; negative if more are taken. [addresses]
    notes : tuple of str
        Notes on what keeps present nodes from being drained, and on what is unknown.
    """

    rows: tuple[dict[str, Any], ...]
    cost_now: float
    cost_after: float
    unit: str
    addresses_freed: int
    notes: tuple[str, ...] = ()

    @property
    def keep(self) -> int:
        """Nodes that are kept. [nodes]."""
        return sum(row["keep"] for row in self.rows)

    @property
    def add(self) -> int:
        """Nodes that are added. [nodes]."""
        return sum(row["add"] for row in self.rows)

    @property
    def drain(self) -> int:
        """Nodes that are drained. [nodes]."""
        return sum(row["drain"] for row in self.rows)

    @property
    def replace(self) -> int:
        """Nodes that are drained and replaced by another. [nodes]."""
        return min(self.add, self.drain)

    @property
    def nothing_to_do(self) -> bool:
        """Whether no nodes are added or drained."""
        return not self.add and not self.drain

    @property
    def saving_per_month(self) -> float:
        """Cost now less cost after; for 730 hours if costs are per hour."""
        saved = self.cost_now - self.cost_after
        return saved * HOURS_PER_MONTH if self.unit.endswith("/h") else saved

    def to_pandas(self) -> pd.DataFrame:
        """Table with one row for each type."""
        import pandas as pd

        return pd.DataFrame(list(self.rows), columns=list(_CHANGES))

    def _repr_html_(self) -> str:
        notes = str(self).splitlines()
        return html_frame(self.to_pandas(), title="Nodes now and after", notes=notes)

    def __repr__(self) -> str:
        """Nodes kept, added and drained, and the cost."""
        nodes = f"keep {self.keep:,}, add {self.add:,}, drain {self.drain:,} nodes"
        return f"<FleetDiff: {nodes}; {self.cost_now:,.6g} to {self.cost_after:,.6g} {self.unit}>"

    def __str__(self) -> str:
        """Changes in words."""
        if self.nothing_to_do:
            more = "".join(f"\n{note}" for note in self.notes)
            return (
                f"Nothing to do: the {self.keep:,} nodes that run cost {self.cost_now:,.6g} "
                f"{self.unit}, and no cheaper plan was found within the limits."
                f"{more}"
            )
        lines = []
        for word, column in (("Keep", "keep"), ("Add", "add"), ("Drain", "drain")):
            parts = [f"{r[column]:,} x {r['instance_type']}" for r in self.rows if r[column]]
            if parts:
                lines.append(f"{word}: {', '.join(parts)}.")
        hourly = self.unit.endswith("/h")
        unit = self.unit.removesuffix("/h")
        saving = self.saving_per_month
        word = "Saving" if saving >= 0 else "More"
        month = f" {unit} a month" if hourly else f" {unit}"
        lines.append(
            f"Cost: {self.cost_now:,.6g} now, {self.cost_after:,.6g} after, {self.unit}. "
            f"{word}: {abs(saving):,.6g}{month}."
        )
        freed = self.addresses_freed
        lines.append(f"Subnet addresses {'freed' if freed >= 0 else 'taken'}: {abs(freed):,}.")
        return "\n".join([*lines, *self.notes])


def diff_of(plan: PlanValues) -> FleetDiff:
    """Changes from the present nodes to the plan."""
    rows: list[dict[str, Any]] = []
    freed = 0
    present, cost = plan.current or {}, plan.node_costs
    spent = defaultdict[str, float](float)
    for group in plan.groups:
        spent[group.instance_type] += group.cost * group.nodes
    for name in sorted({*present, *plan.types}):
        now, after = present.get(name, 0), plan.types.get(name, 0)
        keep = plan.current_kept.get(name, min(now, after))
        add, drain = after - keep, now - keep
        freed += (drain - add) * plan.idle_addresses[name]
        row = (name, now, after, keep, add, drain, now * cost[name], spent[name])
        rows.append(dict(zip(_CHANGES, row, strict=True)))
    return FleetDiff(
        rows=tuple(rows),
        cost_now=sum(float(row["cost_now"]) for row in rows),
        cost_after=sum(float(row["cost_after"]) for row in rows),
        unit=plan.cost_unit,
        addresses_freed=freed,
        notes=plan.current_notes,
    )
