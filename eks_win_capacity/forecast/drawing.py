"""The picture of a forecast; matplotlib is loaded when it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from eks_win_capacity.core import charts
from eks_win_capacity.forecast.show import count, day

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_HIGHEST = 1.6
"""How far above the capacity a chart goes; what lies higher is written at its edge."""

LIMIT, MUTED = charts.VERMILLION, "#7b8794"
_BAND_ON_LIGHT, _BAND_ON_DARK = charts.BLUE, charts.SKY


def band(ax: Any) -> str:
    """Colour of forecasts that shows on the paper of these axes."""
    return _BAND_ON_DARK if sum(ax.get_facecolor()[:3]) < 1.5 else _BAND_ON_LIGHT


@dataclass(frozen=True)
class Picture:
    """
    What the chart of one subnet shows.

    Attributes
    ----------
    title, unit : str
    levels : tuple of float
        Shares that the intervals hold, smallest first.
    row : Series
        The subnet's row of ``forecast.to_pandas()``.
    past, path : DataFrame
        Its rows of ``forecast.history`` and ``forecast.path``.
    lower, upper : ndarray, (periods, levels)
        Ends of the intervals, not cut at the capacity.
    shifts : sequence of Timestamp
        When its level changed.
    step : int
        Periods since the newest step, of which nobody knows whether it stays; 0 for none.
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
    """
    The endings of files that a chart can be written to.

    Raises
    ------
    MissingExtraError
        Without matplotlib (extra ``plot``).
    """
    with charts.needs_matplotlib():
        from matplotlib.backend_bases import FigureCanvasBase
    return frozenset(FigureCanvasBase.get_supported_filetypes())


def draw_most_urgent(pictures: Sequence[Picture], known: int) -> Any:
    """Figure of some subnets, two in a row, of so many that have a forecast."""
    columns = 1 if len(pictures) < 2 else 2
    rows = -(-len(pictures) // columns)
    figure = charts.figure(
        9 if columns == 1 else 15, 4.5 * rows if columns == 1 else 3.8 * rows + 0.6
    )
    handles: dict[str, Any] = {}
    for place, picture in enumerate(pictures):
        ax = draw(picture, ax=figure.add_subplot(rows, columns, place + 1))
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

        # A notebook shows the figure that a cell ends with, and once is enough.
        plt.close(figure)
    return figure


def draw(picture: Picture, *, ax: Any) -> Any:
    """
    Axes with history, path, intervals, capacity and the date of one subnet.

    Path and intervals are those of the demand: they go past the capacity, for
    demand does not stop there.
    """
    ax = charts.axes(ax)
    row, path = picture.row, picture.path
    # Far more past than future would squeeze what the chart is for.
    past = picture.past.tail(max(3 * len(path), 60))
    ax.plot(past["time"], past["used"], color=charts.ink(), lw=1.1, label="peak used")
    for place, level in enumerate(reversed(picture.levels)):
        column = len(picture.levels) - 1 - place
        ax.fill_between(
            path["time"],
            picture.lower[:, column],
            picture.upper[:, column],
            color=band(ax),
            lw=0,
            alpha=0.16 + 0.16 * place,
            label=f"{100 * level:g} % interval",
        )
    ax.plot(path["time"], path["demand"], color=band(ax), lw=1.6, label="median")
    _draw_capacity(past, path, row, ax)
    ax.axvline(past["time"].iloc[-1], color=MUTED, lw=0.8, label="end of the history")
    for place, time in enumerate(time for time in picture.shifts if time >= past["time"].min()):
        ax.axvline(time, color=MUTED, lw=0.8, ls=":", label=None if place else "level shift")
    if picture.step:
        start = past["time"].iloc[-min(picture.step, len(past))]
        ax.axvspan(start, past["time"].iloc[-1], color=LIMIT, alpha=0.12, lw=0, label="newest step")
    _mark_date(row, path, picture.levels[0], ax)
    ax.set_ylabel(picture.unit)
    _set_height(picture, past, ax)
    ax.set_title(picture.title, loc="left", fontsize=11)
    # Below the capacity line and off the history, wherever there is room.
    ax.legend(loc="best", fontsize=8, frameon=False, ncols=2)
    tidy(ax)
    return ax


def _set_height(picture: Picture, past: pd.DataFrame, ax: Any) -> None:
    """Show what lies above the capacity as far as that helps; say how far the rest goes."""
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
    """Draw the limit as it was, and as it is from now on."""
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
    """Take off what is not data, and write dates briefly."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator: Any = AutoDateLocator()  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color=charts.ink(), alpha=0.15, lw=0.6)
    ax.set_axisbelow(True)


PLANS = (charts.BLUE, charts.GREEN, charts.PURPLE, charts.SKY, charts.ORANGE, MUTED)
"""Colours of plans, one after the other; that of the capacity is none of them."""


def draw_plans(path: pd.DataFrame, dates: pd.DataFrame, *, ax: Any) -> Any:
    """Axes with the share of the tightest subnet of each plan, and where it runs dry."""
    ax = charts.axes(ax)
    names = list(dict.fromkeys(path["plan"]))
    low = dates["quantile"][dates["quantile"] < 0.5].max()
    high = 1 - low
    for place, plan in enumerate(names):
        here = path[path["plan"] == plan].groupby("time", as_index=False)["share"].max()
        told = dates[dates["plan"] == plan].set_index("quantile")["date"]
        early, date, late = (
            told.iloc[(told.index.to_series() - share).abs().argmin()] for share in (low, 0.5, high)
        )
        color = PLANS[place % len(PLANS)]
        behind = 1 - (place + 1) / len(names)
        ax.plot(
            here["time"],
            100 * here["share"],
            color=color,
            # Plans may follow one line: the later one is thinner, so that the earlier is seen.
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
        f"The same growth under each plan, and when it runs dry (bar: {bar})",
        loc="left",
        fontsize=11,
    )
    ax.legend(loc="best", fontsize=9, frameon=False)
    tidy(ax)
    return ax
