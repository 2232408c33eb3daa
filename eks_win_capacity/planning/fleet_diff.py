"""What changes between the nodes that run now and a plan, as a table and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eks_win_capacity.core.display import html_frame
from eks_win_capacity.planning.plan_values import HOURS_PER_MONTH

if TYPE_CHECKING:
    import pandas as pd

    from eks_win_capacity.planning.plan_values import PlanValues

__all__ = ["FleetDiff", "diff_of"]

_COLUMNS = ("instance_type", "now", "after", "keep", "add", "drain", "cost_now", "cost_after")


@dataclass(frozen=True, kw_only=True)
class FleetDiff:
    """
    The way from the present nodes to a plan.

    Attributes
    ----------
    rows : tuple of dict
        By type: nodes now and after, kept, added and drained, and their cost.
    cost_now, cost_after : float
        Of all nodes, in ``unit``.
    unit : str
        What a cost counts.
    addresses_freed : int
        Subnet addresses that drained nodes free even when empty, less those that empty added
        nodes take; below zero where more are taken. [addresses]
    notes : tuple of str
        What keeps present nodes from being drained, and what is not known of that.
    """

    rows: tuple[dict[str, Any], ...]
    cost_now: float
    cost_after: float
    unit: str
    addresses_freed: int
    notes: tuple[str, ...] = ()

    @property
    def keep(self) -> int:
        """Nodes that stay. [nodes]."""
        return sum(row["keep"] for row in self.rows)

    @property
    def add(self) -> int:
        """Nodes that come. [nodes]."""
        return sum(row["add"] for row in self.rows)

    @property
    def drain(self) -> int:
        """Nodes that go. [nodes]."""
        return sum(row["drain"] for row in self.rows)

    @property
    def replace(self) -> int:
        """Nodes that go and have another come in their stead. [nodes]."""
        return min(self.add, self.drain)

    @property
    def nothing_to_do(self) -> bool:
        """Whether the nodes stay as they are."""
        return not self.add and not self.drain

    @property
    def saving_per_month(self) -> float:
        """Cost now less cost after, for 730 hours where costs are by the hour."""
        saved = self.cost_now - self.cost_after
        return saved * HOURS_PER_MONTH if self.unit.endswith("/h") else saved

    def to_pandas(self) -> pd.DataFrame:
        """Table of one row for each type."""
        import pandas as pd

        return pd.DataFrame(list(self.rows), columns=list(_COLUMNS))

    def _repr_html_(self) -> str:
        notes = str(self).splitlines()
        return html_frame(self.to_pandas(), title="Nodes now and after", notes=notes)

    def __repr__(self) -> str:
        """Nodes that stay, come and go, and the cost."""
        nodes = f"keep {self.keep:,}, add {self.add:,}, drain {self.drain:,} nodes"
        return f"<FleetDiff: {nodes}; {self.cost_now:,.6g} to {self.cost_after:,.6g} {self.unit}>"

    def __str__(self) -> str:
        """Changes in words."""
        if self.nothing_to_do:
            more = "".join(f"\n{note}" for note in self.notes)
            return (
                f"Nothing to do: the {self.keep:,} nodes that run cost {self.cost_now:,.6g} "
                f"{self.unit}, and nothing cheaper was found within what may change."
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
    now_cost = 0.0
    for name in sorted({*present, *plan.types}):
        now, after = present.get(name, 0), plan.types.get(name, 0)
        keep = plan.current_kept.get(name, min(now, after))
        add, drain = after - keep, now - keep
        freed += (drain - add) * plan.idle_addresses[name]
        now_cost += now * cost[name]
        rows.append(
            {
                "instance_type": name,
                "now": now,
                "after": after,
                "keep": keep,
                "add": add,
                "drain": drain,
                "cost_now": now * cost[name],
                "cost_after": after * cost[name],
            }
        )
    after_cost = sum(float(row["cost_after"]) for row in rows)
    return FleetDiff(
        rows=tuple(rows),
        cost_now=now_cost,
        cost_after=after_cost,
        unit=plan.cost_unit,
        addresses_freed=freed,
        notes=plan.current_notes,
    )
