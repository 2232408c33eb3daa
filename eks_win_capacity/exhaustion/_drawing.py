"""The picture of a forecast; matplotlib is loaded when it is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from eks_win_capacity.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from eks_win_capacity.exhaustion._demand import DemandForecast
    from eks_win_capacity.exhaustion._result import ExhaustionForecast

INK, BAND, LIMIT, MUTED = "#1f2933", "#2a6f97", "#c1121f", "#7b8794"


def axes(ax: Any) -> Any:
    """Give the axes to draw on, new ones if none are given."""
    if ax is not None:
        return ax
    return _figure(9, 4.5).add_subplot()


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", extra="plot", purpose="a chart") from error
    # Not pyplot: a figure made here needs no display and is nobody's current one.
    return Figure(figsize=(width, height), layout="constrained")


def draw_most_urgent(forecast: ExhaustionForecast, most: int) -> Any:
    """Draw up to so many subnets, two in a row; those without a forecast have no chart."""
    table = forecast.to_pandas()
    names = table.loc[table["status"] != "no forecast", "subnet"].head(most).tolist()
    columns = 1 if len(names) < 2 else 2
    rows = max(-(-len(names) // columns), 1)
    figure = _figure(9 if columns == 1 else 15, 4.5 * rows if columns == 1 else 3.8 * rows)
    for place, name in enumerate(names):
        draw(forecast, name, ax=figure.add_subplot(rows, columns, place + 1))
    return figure


def draw(forecast: ExhaustionForecast, subnet: Any, *, ax: Any) -> Any:
    """Draw history, path, intervals, capacity and the date of one subnet."""
    ax = axes(ax)
    table = forecast.to_pandas()
    if subnet is None:
        subnet = table["subnet"].iloc[0]
    if subnet not in set(forecast.subnets):
        raise InputError(f"{subnet!r} is no subnet of this forecast")
    row = table[table["subnet"] == subnet].iloc[0]
    past, path = forecast.history, forecast.path
    past, path = past[past["subnet"] == subnet], path[path["subnet"] == subnet]
    # Far more past than future would squeeze what the chart is for.
    past = past.tail(max(3 * forecast.horizon, 60))
    ax.plot(past["time"], past["used"], color=INK, lw=1.1, label="peak used")
    for place, level in enumerate(reversed(forecast.levels)):
        name = f"{100 * level:g}"
        ax.fill_between(
            path["time"],
            path[f"lower_{name}"],
            path[f"upper_{name}"],
            color=BAND,
            lw=0,
            alpha=0.16 + 0.16 * place,
            label=f"{name} % interval",
        )
    ax.plot(path["time"], path["median"], color=BAND, lw=1.6, label="median")
    ax.axhline(row["capacity"], color=LIMIT, lw=1.2, label=f"capacity {row['capacity']:,g}")
    _mark_shifts(forecast, subnet, past, ax)
    _mark_date(forecast, row, ax)
    ax.set_ylabel(forecast.unit)
    ax.set_ylim(0, max(row["capacity"], past["used"].max()) * 1.12)
    ax.set_title(forecast.sentence(row), loc="left", fontsize=11)
    ax.legend(loc="lower right", fontsize=8, frameon=False, ncols=2)
    tidy(ax)
    return ax


def _mark_shifts(forecast: ExhaustionForecast, subnet: Any, past: pd.DataFrame, ax: Any) -> None:
    shifts = forecast.level_shifts
    here = (shifts["subnet"] == subnet) & (shifts["time"] >= past["time"].min())
    for place, time in enumerate(shifts.loc[here, "time"]):
        ax.axvline(time, color=MUTED, lw=0.8, ls=":", label=None if place else "level shift")


def _mark_date(forecast: ExhaustionForecast, row: pd.Series[Any], ax: Any) -> None:
    if pd.isna(row["date"]):
        return
    name = f"{100 * forecast.levels[0]:g}"
    end = forecast.path["time"].max()
    early, late = row[f"earliest_{name}"], row[f"latest_{name}"]
    ax.plot(
        [early, end if pd.isna(late) else late],
        [row["capacity"]] * 2,
        color=LIMIT,
        lw=5,
        alpha=0.35,
        solid_capstyle="butt",
        label=f"date, {name} %",
    )
    ax.plot([row["date"]], [row["capacity"]], "o", color=LIMIT, ms=6)


def tidy(ax: Any) -> None:
    """Take off what is no data, and write dates briefly."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator: Any = AutoDateLocator()  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#e4e7eb", lw=0.6)
    ax.set_axisbelow(True)


PLANS = ("#2a6f97", "#e07a1f", "#4f772d", "#7b2d8b", "#d4a017", "#5c677d", "#b08968", "#0a9396")


def draw_plans(forecast: DemandForecast, *, ax: Any) -> Any:
    """Draw the share of the tightest subnet of each plan, and where it runs dry."""
    ax = axes(ax)
    path = forecast.path
    dates = forecast.date()
    for place, plan in enumerate(forecast.plans):
        here = path[path["plan"] == plan.name].groupby("time", as_index=False)["share"].max()
        date = dates[plan.name]
        told = "beyond the horizon" if pd.isna(date) else f"{date:%Y-%m-%d}"
        color = PLANS[place % len(PLANS)]
        ax.plot(
            here["time"], 100 * here["share"], color=color, lw=1.8, label=f"{plan.name}: {told}"
        )
        if not pd.isna(date):
            ax.plot([date], [100], "o", color=color, ms=7, zorder=3)
    ax.axhline(100, color=LIMIT, lw=1.2)
    ax.set_ylabel("% of the tightest subnet")
    top = min(100 * path["share"].max(), 160.0)
    ax.set_ylim(0, max(112.0, top))
    ax.set_title("The same growth under each plan, and when it runs dry", loc="left", fontsize=11)
    ax.legend(loc="lower right", fontsize=9, frameon=False)
    tidy(ax)
    return ax
