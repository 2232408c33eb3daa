"""Why a forecast gives the date it gives, and what would change it, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eks_win_capacity.core.display import count_of
from eks_win_capacity.forecast.show import chance, count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eks_win_capacity.forecast.answers import Answers

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
    Reasons of one subnet's date, line by line.

    Parameters
    ----------
    row : mapping
        The subnet's row of ``forecast.to_pandas()``.
    model : mapping
        Its row of ``forecast.model``.
    answers : Answers
    place : int
        Its place in them.
    head : str
        The answer in a sentence.
    unit, period : str
        What is counted, and the length of a period.
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
