"""A forecast in words: sentences, a table for a notebook, plain values for programs."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from eks_win_capacity.forecast.demand import DemandForecast
    from eks_win_capacity.forecast.result import ExhaustionForecast

_SHOWN = 50
"""Subnets that a notebook shows."""

_COLOURS = {
    "exhausted": "#c1121f",
    "within horizon": "#e07a1f",
    "possible": "#b8860b",
    "not within horizon": "#4f772d",
    "no forecast": "#7b8794",
}


def count(value: Any) -> str:
    """Write a count for people: whole numbers whole, others to a tenth."""
    if pd.isna(value):
        return ""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def day(value: Any, never: str = "later than the horizon") -> str:
    """Write a date; with its hour where it has one."""
    if pd.isna(value):
        return never
    return f"{value:%Y-%m-%d}" if value == value.normalize() else f"{value:%Y-%m-%d %H:%M}"


def chance(share: float) -> str:
    """A probability in words; sample paths cannot tell 0 or 100 %."""
    if share < 0.01:
        return "below 1 %"
    return "above 99 %" if share > 0.99 else f"{100 * share:.0f} %"


def sentence(row: Mapping[Any, Any], *, unit: str, level: float) -> str:
    """One row of the table in words."""
    name, status = row["subnet"], row["status"]
    if status == "exhausted":
        return f"{name}: exhausted now ({count(row['used'])} of {count(row['capacity'])} {unit})"
    if status == "no forecast":
        return f"{name}: no forecast, too little history"
    if pd.isna(row["date"]):
        odds = chance(row["probability"])
        return f"{name}: {status} (a chance {'' if odds[0] in 'ab' else 'of '}{odds})"
    share = f"{100 * level:g}"
    early, late = row[f"earliest_{share}"], row[f"latest_{share}"]
    return f"{name}: {day(row['date'])} ({share} %: {day(early)} to {day(late)})"


def html_table(columns: Mapping[str, str], rows: Iterable[Mapping[str, str]], notes: str) -> str:
    """
    Write a table for a notebook.

    Parameters
    ----------
    columns : mapping of str to str
        Title of each column to its alignment.
    rows : iterable of mapping
        Cells as HTML, by title.
    notes : str
        HTML below it.
    """
    cell = "padding:3px 10px;white-space:nowrap"
    head = "".join(
        f'<th style="{cell};text-align:{side};border-bottom:1px solid #9aa5b1">{escape(title)}</th>'
        for title, side in columns.items()
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{cell};text-align:{side}">{row[title]}</td>'
            for title, side in columns.items()
        )
        + "</tr>"
        for row in rows
    )
    return (
        '<table style="border-collapse:collapse;font-variant-numeric:tabular-nums">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"
    )


def status_html(status: str) -> str:
    """Write a status in its colour."""
    return f'<span style="color:{_COLOURS[status]}">&#9679;</span> {escape(status)}'


def as_html(made: ExhaustionForecast) -> str:
    """Write the table of dates for a notebook, the most urgent first, and what is odd below."""
    frame = made.to_pandas()
    share = f"{100 * made.levels[0]:g}"
    end = made.horizon_end
    titles = ("subnet", "status", "used", "capacity", "runs dry", f"{share} % interval")
    odds = f"chance by {day(end, 'the horizon')}"
    columns = dict.fromkeys(titles, "left") | {"days left": "right", odds: "right"}
    columns |= {"used": "right", "capacity": "right"}
    rows = []
    for row in frame.head(_SHOWN).to_dict("records"):
        there = row["status"] != "no forecast"
        early, late = row[f"earliest_{share}"], row[f"latest_{share}"]
        never = "not within the horizon" if there else "no forecast: too little history"
        left = row["days_left"]
        rows.append(
            {
                "subnet": escape(str(row["subnet"])),
                "status": status_html(row["status"]),
                "used": count(row["used"]),
                "capacity": count(row["capacity"]),
                "runs dry": "now" if row["status"] == "exhausted" else day(row["date"], never),
                f"{share} % interval": (
                    ""
                    if pd.isna(early) or row["status"] == "exhausted"
                    else f"{day(early)} to {day(late, 'later')}"
                ),
                "days left": "" if not there else "never" if left == float("inf") else count(left),
                odds: chance(row["probability"]) if there else "",
            }
        )
    what = f"{made.unit}, peaks of {made.panel.grid}"
    notes = [f"{what}; days left until the risk is 10 %; engine {made.engine}, seed {made.seed}"]
    if len(frame) > _SHOWN:
        notes.insert(0, f"and {len(frame) - _SHOWN:,} more subnets")
    notes += [f"{x.seen}: {x.why}" for x in made.findings]
    lines = "<br>".join(map(escape, notes))
    return html_table(columns, rows, f'<p style="color:#52606d;font-size:90%">{lines}</p>')


def plans_as_html(made: DemandForecast) -> str:
    """Write a table of plans for a notebook: when each subnet runs dry, and what it needs now."""
    frame = made.to_pandas()
    share = min(
        (c.removeprefix("earliest_") for c in map(str, frame.columns) if c.startswith("earliest_")),
        key=float,
    )
    numbers = ("nodes", "addresses", "prefixes", "pods limit")
    columns = dict.fromkeys(("plan", "subnet", "status", "runs dry", f"{share} % interval"), "left")
    columns |= dict.fromkeys(numbers, "right") | {"binding": "left"}
    rows = []
    for row in frame.to_dict("records"):
        early, late = row[f"earliest_{share}"], row[f"latest_{share}"]
        rows.append(
            {
                "plan": escape(row["plan"]),
                "subnet": escape(
                    f"{row['subnet']} ({row['zone']})" if row["zone"] else row["subnet"]
                ),
                "status": status_html(row["status"]),
                "runs dry": "now"
                if row["status"] == "exhausted"
                else day(row["date"], "not within the horizon"),
                f"{share} % interval": (
                    ""
                    if pd.isna(early) or row["status"] == "exhausted"
                    else f"{day(early)} to {day(late, 'later')}"
                ),
                "nodes": count(row["nodes"]),
                "addresses": f"{count(row['addresses'])} of {count(row['capacity_addresses'])}",
                "prefixes": f"{count(row['prefixes'])} of {count(row['capacity_prefixes'])}",
                "pods limit": count(row["pods_limit"]),
                "binding": row["binding"],
            }
        )
    note = (
        "nodes, addresses and prefixes are what the last peak of pods needs under each plan; "
        "pods limit is the first number of all pods that no longer fits"
    )
    return html_table(columns, rows, f'<p style="color:#52606d;font-size:90%">{note}</p>')


def plain(value: Any) -> Any:
    """A value that JSON knows; missing and infinite ones are None."""
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if value is None or value is pd.NaT or isinstance(value, (str, bool)):
        return None if value is pd.NaT else value
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def plain_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row in plain values."""
    return {str(key): plain(value) for key, value in row.items()}


def as_document(made: ExhaustionForecast, risk: float) -> dict[str, Any]:
    """A forecast as plain values."""
    model = dict(zip(made.subnets, made.model.to_dict("records"), strict=True))
    dates: dict[Any, list[dict[Any, Any]]] = {}
    for row in made.dates.to_dict("records"):
        dates.setdefault(row.pop("subnet"), []).append(row)
    subnets = []
    for row in made.to_pandas(risk=risk).to_dict("records"):
        name = row["subnet"]
        told = plain_row(row)
        told["dates"] = [plain_row(date) for date in dates[name]]
        told["model"] = plain_row(model[name])
        subnets.append(told)
    return {
        "unit": made.unit,
        "engine": made.engine,
        "seed": made.seed,
        "levels": list(made.levels),
        "risk": risk,
        "period": str(made.panel.grid),
        "horizon": made.horizon,
        "horizon_end": plain(made.horizon_end),
        "subnets": subnets,
        "findings": [plain_row(finding.to_dict()) for finding in made.findings],
    }
