"""How is a forecast shown: sentences, reasons, notebook tables, charts and plain values."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eks_win_capacity.core import charts
from eks_win_capacity.core.display import html_table
from eks_win_capacity.core.errors import count_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from eks_win_capacity.forecast.paths import Answers

    Floats = NDArray[np.float64]


def count(value: Any) -> str:
    """Count as a string: whole numbers without decimals, others with one."""
    if pd.isna(value):
        return ""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def day(value: Any, never: str = "later than the horizon") -> str:
    """Date as a string, with the time of day if it is not midnight."""
    if pd.isna(value):
        return never
    return f"{value:%Y-%m-%d}" if value == value.normalize() else f"{value:%Y-%m-%d %H:%M}"


def chance(share: float) -> str:
    """Probability in words; sample paths cannot show 0 or 100 %."""
    if share < 0.01:
        return "below 1 %"
    return "above 99 %" if share > 0.99 else f"{100 * share:.0f} %"


def shares_of(levels: Sequence[float]) -> list[float]:
    """Quantiles of tables by quantile: the median, and both ends of each interval."""
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
    "since_bend": "the time since the last change of growth",
    "last_35": "the last 35 periods",
}

_NOTABLE = 0.05
"""Minimum share of the paths for a view to be named."""


def explanation(
    row: Mapping[Any, Any],
    model: Mapping[Any, Any],
    answers: Answers,
    index: int,
    *,
    head: str,
    unit: str,
    period: str,
) -> str:
    """
    Reasons for the date of one subnet, line by line, below the result in one sentence.

    `row` is its row of ``forecast.to_pandas()``, `model` its row of ``forecast.model``, and
    `index` its position in the answers.
    """
    if row["status"] == "no forecast":
        return head
    left = float(row["capacity"]) - float(row["used"])
    drift = float(row["drift_per_day"])
    now = f"{count(row['used'])} of {count(row['capacity'])} {unit} are used at the peak"
    lines = [head, f"  now: {now}, {count(max(left, 0))} are left"]
    if drift > 0 and left > 0:
        lines.append(
            f"  growth: about {drift:.2g} a day; at this rate the rest would last "
            f"{count_of(round(left / drift), 'day')}, but noise, seasons and uncertainty "
            "about the growth make the first full period earlier"
        )
    else:
        lines.append(f"  growth: {'none' if drift == 0 else f'{drift:.2g} a day'}")
    # A view that few paths follow hardly moves a date, and would only lengthen the line.
    views = [(float(model[name]), words) for name, words in _FOLLOWED.items()]
    parts = [f"{100 * share:.0f} % follow {words}" for share, words in views if share >= _NOTABLE]
    lines.append(f"  paths: {', '.join(parts)}; the backtest of each view decides its share")
    if model["season_lengths"]:
        lengths = " and ".join(map(str, model["season_lengths"]))
        lines.append(f"  season: repeats every {lengths} periods of {period}")
    if answers.step_age[index]:
        stays = 100 * answers.step_stays[index]
        lines.append(
            f"  newest step: {answers.step_size[index]:+,.0f} "
            f"{count_of(int(answers.step_age[index]), 'period')} ago; it stays in {stays:.0f} % "
            "of the paths"
        )
    if model["backtest_origins"]:
        lines.append(
            f"  backtest: over the newest weeks forecasts were {model['backtest_mae']:,.1f} "
            f"{unit} off on average"
        )
    lines.append(f"  odds: {chance(float(row['probability']))} within the horizon")
    lines += _changes(row, answers, index, drift=drift, unit=unit)
    return "\n".join(lines)


def _changes(
    row: Mapping[Any, Any], answers: Answers, index: int, *, drift: float, unit: str
) -> list[str]:
    """Lines about what would change the date, and how certain it is."""
    out = []
    if drift > 0:
        more = max(round(0.1 * float(row["capacity"])), 1)
        out.append(
            f"  would change it: {count(more)} more {unit} last about "
            f"{count_of(max(round(more / drift), 1), 'day')} at this growth"
        )
    if answers.step_age[index]:
        out.append(
            "  would change it: knowing whether the newest step stays; if it will be reverted, "
            "add that as an event"
        )
    late, early = answers.reached[index, -1], answers.reached[index, 0]
    if not answers.exhausted[index] and early < 0.5 <= late and pd.notna(row["date"]):
        middle = int(np.argmax(answers.reached[index] >= 0.5))
        width = answers.upper[index, middle, 0] - answers.lower[index, middle, 0]
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
                else "later"
                if row["days_left"] == inf
                else count(row["days_left"]),
                chance(row["probability"]) if there else "",
            )
        )
    odds = f"chance by {day(end, 'the horizon')}"
    return html_table((*columns, "days left", odds), rows, notes=notes)


def _when(row: Mapping[Any, Any], share: str, never: str) -> tuple[str, str]:
    """Median date and interval of a row, as strings."""
    if row["status"] == "exhausted":
        return "now", ""
    early, late = row[f"earliest_{share}"], row[f"latest_{share}"]
    interval = "" if pd.isna(early) else f"{day(early)} to {day(late, 'later')}"
    return day(row["date"], never), interval


def plans_as_html(frame: pd.DataFrame) -> str:
    """Table of plans for a notebook: when each subnet runs out, and what it needs now."""
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
    """Value for JSON; None if it is missing or infinite."""
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
    """Row with values for JSON."""
    return {str(key): plain(value) for key, value in row.items()}


_HIGHEST = 1.6
"""Maximum height of a chart, in multiples of capacity or past use; above it is a note."""

LIMIT, MUTED = charts.VERMILLION, "#7b8794"
_BAND_ON_LIGHT, _BAND_ON_DARK = charts.BLUE, charts.SKY


def band(ax: Any) -> str:
    """Colour of forecasts, by the background of these axes."""
    return _BAND_ON_DARK if sum(ax.get_facecolor()[:3]) < 1.5 else _BAND_ON_LIGHT


@dataclass(frozen=True)
class Picture:
    """
    Content of the chart of one subnet: its rows of the table, of the history and of the path.

    `lower` and `upper`, (periods, levels), are not limited to the capacity. `shifts` are the
    times of level shifts; `step` is the age of the newest step in periods.
    """

    title: str
    unit: str
    levels: tuple[float, ...]
    row: pd.Series[Any]
    past: pd.DataFrame
    path: pd.DataFrame
    lower: Floats
    upper: Floats
    shifts: Sequence[pd.Timestamp]
    step: int


def chart_formats() -> frozenset[str]:
    """File extensions of the formats of charts; MissingExtraError without matplotlib."""
    with charts.needs_matplotlib():
        from matplotlib.backend_bases import FigureCanvasBase
    return frozenset(FigureCanvasBase.get_supported_filetypes())


def draw_most_urgent(pictures: Sequence[Picture], known: int) -> Any:
    """Figure of some subnets, two per row, out of `known` with a forecast."""
    columns = 1 if len(pictures) < 2 else 2
    rows = -(-len(pictures) // columns)
    figure = charts.figure(
        9 if columns == 1 else 15, 4.5 * rows if columns == 1 else 3.8 * rows + 0.6
    )
    handles: dict[str, Any] = {}
    for number, picture in enumerate(pictures):
        ax = draw(picture, ax=figure.add_subplot(rows, columns, number + 1))
        if len(pictures) > 1:
            ax.get_legend().remove()
            for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
                handles.setdefault("capacity" if label.startswith("capacity") else label, handle)
    if len(pictures) > 1:
        figure.legend(
            handles.values(),
            handles.keys(),
            loc="outside lower center",
            ncols=len(handles),
            frameon=False,
            fontsize=9,
        )
    if known > len(pictures):
        figure.suptitle(f"The {len(pictures)} most urgent of {known:,} subnets")
    if charts.in_notebook():
        import matplotlib.pyplot as plt

        # A notebook also shows the returned figure, which would be a second time.
        plt.close(figure)
    return figure


def draw(picture: Picture, *, ax: Any) -> Any:
    """
    Axes with history, path, intervals, capacity and the date of one subnet.

    Path and intervals are those of the demand, which may exceed the capacity.
    """
    ax = charts.axes(ax)
    row, path = picture.row, picture.path
    # A long past would leave little space for the future.
    past = picture.past.tail(max(3 * len(path), 60))
    ax.plot(past["time"], past["used"], color=charts.ink(), lw=1.1, label="peak used")
    for index, level in enumerate(reversed(picture.levels)):
        column = len(picture.levels) - 1 - index
        ax.fill_between(
            path["time"],
            picture.lower[:, column],
            picture.upper[:, column],
            color=band(ax),
            lw=0,
            alpha=0.16 + 0.16 * index,
            label=f"{100 * level:g} % interval",
        )
    ax.plot(path["time"], path["demand"], color=band(ax), lw=1.6, label="median")
    _draw_capacity(past, path, row, ax)
    ax.axvline(past["time"].iloc[-1], color=MUTED, lw=0.8, label="end of the history")
    for index, time in enumerate(time for time in picture.shifts if time >= past["time"].min()):
        ax.axvline(time, color=MUTED, lw=0.8, ls=":", label=None if index else "level shift")
    if picture.step:
        start = past["time"].iloc[-min(picture.step, len(past))]
        ax.axvspan(start, past["time"].iloc[-1], color=LIMIT, alpha=0.12, lw=0, label="newest step")
    _mark_date(row, path, picture.levels[0], ax)
    ax.set_ylabel(picture.unit)
    _set_height(picture, past, ax)
    ax.set_title(picture.title, loc="left", fontsize=11)
    # The best location avoids the capacity line and the history.
    ax.legend(loc="best", fontsize=8, frameon=False, ncols=2)
    tidy(ax)
    return ax


def _set_height(picture: Picture, past: pd.DataFrame, ax: Any) -> None:
    """Limit the height of a chart, with a note of the maximum if it is higher."""
    known = max(picture.row["capacity"], past["used"].max(), past["capacity"].max(), 1) * 1.12
    highest = max(picture.path["demand"].max(), picture.upper.max())
    top = min(max(known, 1.03 * highest), _HIGHEST * known)
    ax.set_ylim(0, top)
    if highest > top:
        ax.annotate(
            f"goes on to {count(round(highest))}",
            (0.99, 0.99),
            xycoords="axes fraction",
            ha="right",
            va="top",
            fontsize=8,
            color=MUTED,
        )


def _draw_capacity(past: pd.DataFrame, path: pd.DataFrame, row: pd.Series[Any], ax: Any) -> None:
    """Draw past capacities, and the newest one for the future."""
    times = pd.concat([past["time"], path["time"].tail(1)])
    limit = [*past["capacity"], row["capacity"]]
    ax.plot(
        times,
        limit,
        color=LIMIT,
        lw=1.2,
        drawstyle="steps-post",
        label=f"capacity {count(row['capacity'])}",
    )


def _mark_date(row: pd.Series[Any], path: pd.DataFrame, level: float, ax: Any) -> None:
    if pd.isna(row["date"]):
        return
    name = f"{100 * level:g}"
    early, late = row[f"earliest_{name}"], row[f"latest_{name}"]
    ax.plot(
        [early, path["time"].iloc[-1] if pd.isna(late) else late],
        [row["capacity"]] * 2,
        color=LIMIT,
        lw=5,
        alpha=0.35,
        solid_capstyle="butt",
        label=f"date, {name} %",
    )
    ax.plot([row["date"]], [row["capacity"]], "o", color=LIMIT, ms=6)


def tidy(ax: Any) -> None:
    """Remove spines, add a faint grid, and shorten dates."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator: Any = AutoDateLocator()  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color=charts.ink(), alpha=0.15, lw=0.6)
    ax.set_axisbelow(True)


PLANS = (charts.BLUE, charts.GREEN, charts.PURPLE, charts.SKY, charts.ORANGE, MUTED)
"""Colours of plans in order; the colour of the capacity is not among them."""


def draw_plans(path: pd.DataFrame, dates: pd.DataFrame, *, ax: Any) -> Any:
    """Axes with the share used of the tightest subnet of each plan, and its date."""
    ax = charts.axes(ax)
    names = list(dict.fromkeys(path["plan"]))
    low = dates["quantile"][dates["quantile"] < 0.5].max()
    high = 1 - low
    for index, plan in enumerate(names):
        here = path[path["plan"] == plan].groupby("time", as_index=False)["share"].max()
        days = dates[dates["plan"] == plan].set_index("quantile")["date"]
        early, date, late = (
            days.iloc[(days.index.to_series() - share).abs().argmin()] for share in (low, 0.5, high)
        )
        color = PLANS[index % len(PLANS)]
        behind = 1 - (index + 1) / len(names)
        ax.plot(
            here["time"],
            100 * here["share"],
            color=color,
            # Lines of plans may coincide: later ones are thinner, so that all are visible.
            lw=1.6 + 2.4 * behind,
            label=f"{plan}: {day(date, 'not within the horizon')}",
        )
        if not pd.isna(early):
            end = here["time"].max() if pd.isna(late) else late
            ax.plot([early, end], [100] * 2, color=color, lw=6, alpha=0.35, solid_capstyle="butt")
        if not pd.isna(date):
            ax.plot([date], [100], "o", color=color, ms=6 + 6 * behind, zorder=3)
    ax.axhline(100, color=LIMIT, lw=1.2, label="capacity")
    ax.set_ylabel("% of the tightest subnet in use (median)")
    ax.set_ylim(0, max(112.0, min(105 * path["share"].max(), 160.0)))
    bar = f"{100 * (high - low):g} %"
    ax.set_title(
        f"The same growth under each plan, and when it runs out (bar: {bar})",
        loc="left",
        fontsize=11,
    )
    ax.legend(loc="best", fontsize=9, frameon=False)
    tidy(ax)
    return ax
