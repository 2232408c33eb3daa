"""A forecast in words: sentences, reasons, a table for a notebook, plain values for programs."""

from __future__ import annotations

from math import inf, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eks_win_capacity.core.display import count_of, html_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eks_win_capacity.forecast.answers import Answers


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


def shares_of(levels: Sequence[float]) -> list[float]:
    """Quantiles that answers by quantile have: the median, and both ends of each interval."""
    return sorted({0.5, *((1 + sign * level) / 2 for level in levels for sign in (-1, 1))})


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


_FOLLOWED = {
    "whole": "the whole history",
    "logarithm": "a constant rate of growth",
    "since_bend": "the time since growth last bent",
    "last_35": "the last 35 periods",
}

_NOTABLE = 0.05
"""Share of the paths from which a view is named."""


def explanation(
    row: Mapping[Any, Any],
    model: Mapping[Any, Any],
    answers: Answers,
    place: int,
    *,
    head: str,
    unit: str,
    period: str,
) -> str:
    """
    Reasons of one subnet's date, line by line, below the answer in a sentence.

    It has its row of ``forecast.to_pandas()``, its row of ``forecast.model``, and its
    place in the answers.
    """
    if row["status"] == "no forecast":
        return head
    left = float(row["capacity"]) - float(row["used"])
    drift = float(row["drift_per_day"])
    now = f"{count(row['used'])} of {count(row['capacity'])} {unit} are used at the peak"
    lines = [head, f"  now: {now}, {count(max(left, 0))} are left"]
    if drift > 0 and left > 0:
        lines.append(
            f"  growth: about {drift:.2g} a day; at that alone the rest would last "
            f"{count_of(round(left / drift), 'day')}, and noise, seasons and doubt about the "
            "growth bring the first full period forward"
        )
    else:
        lines.append(f"  growth: {'none' if drift == 0 else f'{drift:.2g} a day'}")
    views = [(float(model[name]), words) for name, words in _FOLLOWED.items()]
    parts = [f"{100 * share:.0f} % follow {words}" for share, words in views if share >= _NOTABLE]
    lines.append(f"  paths: {', '.join(parts)}; each view's share is what its backtest earns")
    if model["season_lengths"]:
        lengths = " and ".join(map(str, model["season_lengths"]))
        lines.append(f"  season: comes back every {lengths} periods of {period}")
    if answers.step_age[place]:
        stays = 100 * answers.step_stays[place]
        lines.append(
            f"  newest step: {answers.step_size[place]:+,.0f} "
            f"{count_of(int(answers.step_age[place]), 'period')} ago; it stays in {stays:.0f} % "
            "of the paths"
        )
    if model["backtest_origins"]:
        lines.append(
            f"  backtest: over the newest weeks forecasts were {model['backtest_mae']:,.1f} "
            f"{unit} off on average"
        )
    lines.append(f"  odds: {chance(float(row['probability']))} within the horizon")
    lines += _changes(row, answers, place, drift=drift, unit=unit)
    return "\n".join(lines)


def _changes(
    row: Mapping[Any, Any], answers: Answers, place: int, *, drift: float, unit: str
) -> list[str]:
    """What would move the date."""
    out = []
    if drift > 0:
        more = max(round(0.1 * float(row["capacity"])), 1)
        out.append(
            f"  would change it: {count(more)} more {unit} last about "
            f"{count_of(max(round(more / drift), 1), 'day')} at this growth"
        )
    if answers.step_age[place]:
        out.append(
            "  would change it: knowing whether the newest step stays; if it will be undone, give "
            "that as an event"
        )
    late, early = answers.reached[place, -1], answers.reached[place, 0]
    if not answers.exhausted[place] and early < 0.5 <= late and pd.notna(row["date"]):
        middle = int(np.argmax(answers.reached[place] >= 0.5))
        width = answers.upper[place, middle, 0] - answers.lower[place, middle, 0]
        out.append(
            f"  how sure: on that day the paths differ by {count(round(float(width)))} {unit}"
        )
    return out


def as_html(frame: pd.DataFrame, level: float, end: Any, notes: Sequence[str]) -> str:
    """Table of dates for a notebook, the most urgent first; `frame` is ``forecast.to_pandas()``."""
    share = f"{100 * level:g}"
    columns = ("subnet", "status", "used", "capacity", "runs dry", f"{share} % interval")
    rows = []
    for row in frame.to_dict("records"):
        there = row["status"] != "no forecast"
        never = "not within the horizon" if there else "no forecast: too little history"
        rows.append(
            (
                row["subnet"],
                row["status"],
                None if pd.isna(row["used"]) else float(row["used"]),
                float(row["capacity"]),
                *_when(row, share, never),
                ""
                if not there
                else "never"
                if row["days_left"] == inf
                else count(row["days_left"]),
                chance(row["probability"]) if there else "",
            )
        )
    odds = f"chance by {day(end, 'the horizon')}"
    return html_table((*columns, "days left", odds), rows, notes=notes)


def _when(row: Mapping[Any, Any], share: str, never: str) -> tuple[str, str]:
    """The median date and the interval of a row."""
    if row["status"] == "exhausted":
        return "now", ""
    early, late = row[f"earliest_{share}"], row[f"latest_{share}"]
    interval = "" if pd.isna(early) else f"{day(early)} to {day(late, 'later')}"
    return day(row["date"], never), interval


def plans_as_html(frame: pd.DataFrame) -> str:
    """Table of plans for a notebook: when each subnet runs dry, and what it needs now."""
    share = min(
        (c.removeprefix("earliest_") for c in map(str, frame.columns) if c.startswith("earliest_")),
        key=float,
    )
    when = ("plan", "subnet", "status", "runs dry", f"{share} % interval")
    needs = ("nodes", "addresses", "prefixes", "pods limit", "binding")
    rows = [
        (
            row["plan"],
            f"{row['subnet']} ({row['zone']})" if row["zone"] else row["subnet"],
            row["status"],
            *_when(row, share, "not within the horizon"),
            row["nodes"],
            f"{count(row['addresses'])} of {count(row['capacity_addresses'])}",
            f"{count(row['prefixes'])} of {count(row['capacity_prefixes'])}",
            row["pods_limit"],
            row["binding"],
        )
        for row in frame.to_dict("records")
    ]
    note = (
        "nodes, addresses and prefixes are what the last peak of pods needs under each plan; "
        "pods limit is the first number of all pods that no longer fits"
    )
    return html_table((*when, *needs), rows, notes=[note])


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
    if isinstance(value, float) and not isfinite(value):
        return None
    return value


def plain_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row in plain values."""
    return {str(key): plain(value) for key, value in row.items()}
