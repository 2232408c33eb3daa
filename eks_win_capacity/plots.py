"""
Charts of the results on matplotlib axes, in colours that are safe for colour blindness.

Each function draws on ``ax``, or on new axes, and returns them; the title states the main result.
Text and line colours follow matplotlib's style, so dark styles work. Requires the extra
``plot``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

import eks_win_capacity as ewc
from eks_win_capacity.core import arrays, charts
from eks_win_capacity.core.charts import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION
from eks_win_capacity.core.errors import InputError, UnsupportedInputError, count_of
from eks_win_capacity.core.lazy import checked_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eks_win_capacity.addresses.warm_pool import WarmPool
    from eks_win_capacity.catalog import Catalog

__all__ = [
    "attached_addresses", "binding", "forecast_fan", "plans", "pods_per_node", "pool_through_time",
    "subnet_map",
]  # fmt: skip

CONSTRAINTS: Final = {
    "addresses": ("address_pods", "o"),
    "cpu": ("cpu_pods", "s"),
    "memory": ("memory_pods", "^"),
    "kubelet": ("kubelet_pods", "D"),
}
"""Column in `node_capacity` and marker of each limit."""

BLOCKS: Final = {
    "whole-free": ("free: a node can get it", GREEN, ""),
    "withheld": ("free, but reserved", SKY, "//"),
    "partly-used": ("broken: partly used", ORANGE, ".."),
    "fully-used": ("used", BLUE, ""),
    "kept": ("kept in part by AWS", "#888888", "xx"),
}
"""Label, colour and hatch of each state of a block; the hatch helps where colour is not enough."""

_MOST_TYPES: Final = 40
"""Maximum number of types in a readable chart."""


@checked_call
def pods_per_node(
    instance_type: Sequence[str],
    *,
    kubelet_max_pods: int | None = 110,
    catalog: Catalog | None = None,
    ax: Any = None,
) -> Any:
    """
    Chart of pods per node, by type and mode.

    Parameters
    ----------
    instance_type : sequence of str
        At most 40 types.
    kubelet_max_pods : int or None
        The kubelet's limit; None for the limit by addresses only. [pods]
    catalog : Catalog, optional
        Where types are looked up.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        If there are no types, or too many.
    UnknownInstanceTypeError
        If a type is unknown.
    MissingExtraError
        Without matplotlib (extra ``plot``).

    Examples
    --------
    >>> pods_per_node(["m5.large", "c5.4xlarge"]).get_title(loc="left")
    'Prefix delegation takes pods per node from 9-29 to 110'
    """
    names = _types(instance_type)
    single, many = (
        np.asarray(
            ewc.max_pods(
                names, prefix_delegation=mode, kubelet_max_pods=kubelet_max_pods, catalog=catalog
            )
        )
        for mode in (False, True)
    )
    ax = charts.axes(ax)
    at = np.arange(len(names))
    for shift, pods, color, label in (
        (-0.2, single, BLUE, "secondary addresses"),
        (0.2, many, ORANGE, "prefix delegation"),
    ):
        bars = ax.barh(at + shift, pods, 0.38, color=color, label=label)
        ax.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
    if kubelet_max_pods is not None:
        line = {"color": charts.ink(), "lw": 1, "ls": "--", "zorder": 0.5}
        ax.axvline(kubelet_max_pods, label="limit of the kubelet", **line)
    _rows_named(ax, names)
    ax.set_xlim(0, max(1, many.max(), single.max()) * 1.1)
    gain = (
        f"takes pods per node from {_span(single)} to {_span(many)}"
        if (many > single).any()
        else "brings none of these types more pods"
    )
    return _finish(ax, f"Prefix delegation {gain}", x="pods per node", grid="x")


@checked_call
def binding(instance_type: Sequence[str], *, ax: Any = None, **options: Any) -> Any:
    """
    Chart of the pods that each limit allows, by type; the smallest binds.

    Parameters
    ----------
    instance_type : sequence of str
        At most 40 types.
    ax : matplotlib Axes, optional
        Where to draw.
    **options
        As in `node_capacity`: ``pod_cpu``, ``pod_memory``, ``prefix_delegation`` ...

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    CapacityError
        As `node_capacity`.
    MissingExtraError
        Without matplotlib (extra ``plot``).

    Examples
    --------
    >>> binding(["m5.large", "c5.4xlarge"], pod_cpu="250m").get_title(loc="left")
    'addresses bind on 1 of 2 types, cpu on 1'
    """
    names = _types(instance_type)
    table = ewc.node_capacity(names, **options)
    ax = charts.axes(ax)
    at = np.arange(len(names))
    colors = [charts.CONSTRAINTS.get(name, charts.ink()) for name in table["binding"]]
    ax.barh(at, table["pods"], 0.76, color=colors, alpha=0.45)
    for lane, (name, (column, marker)) in enumerate(CONSTRAINTS.items()):
        limit = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        if np.isfinite(limit).any():
            # Each limit has a separate offset, so that equal ones do not hide each other.
            ax.plot(
                limit,
                at + 0.16 * (lane - 1.5),
                marker,
                color=charts.CONSTRAINTS[name],
                ms=6,
                mec=charts.ink(),
                mew=0.6,
                label=name,
            )
    _rows_named(ax, names)
    limits = table[[column for column, *_ in CONSTRAINTS.values()]].max(axis=None)
    ax.set_xscale("symlog", linthresh=10)
    ax.set_xlim(0, float(limits) * 1.6)
    _plain_log(ax)
    bound = _bound(table["binding"].astype(str).value_counts(), len(names))
    return _finish(ax, bound, x="pods per node that each constraint allows (log)", grid="x")


def _bound(counts: pd.Series, types: int) -> str:
    """Summary of how often each limit binds."""
    parts = [
        f"{name} {'bind' if name == 'addresses' else 'binds'} on {n} of {count_of(types, 'type')}"
        if at == 0
        else f"{name} on {n}"
        for at, (name, n) in enumerate(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    ]
    return ", ".join(parts)


@checked_call
def attached_addresses(
    pools: WarmPool | Mapping[str, WarmPool], *, slots: int, pods: int | None = None, ax: Any = None
) -> Any:
    """
    Chart of the addresses attached to a node by number of pods, for one or more pools.

    Parameters
    ----------
    pools : WarmPool or mapping of str to WarmPool
        By name, at most six.
    slots : int
        IPv4 addresses per interface - 1.
    pods : int, optional
        Maximum number of pods; ``slots`` by default. [pods]
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    CapacityError
        As `eks_win_capacity.attached_addresses`; also for no pool or more than six.
    MissingExtraError
        Without matplotlib (extra ``plot``).

    Examples
    --------
    >>> pool = ewc.WarmPool.secondary(warm_ip_target=2)
    >>> attached_addresses(pool, slots=9).get_title(loc="left")
    'Up to 3 addresses lie idle on a node of 0 to 9 pods'
    """
    named = dict(pools) if isinstance(pools, Mapping) else {"attached": pools}
    palette = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
    if not 1 <= len(named) <= len(palette):
        raise InputError(f"pools must be 1 to {len(palette)} warm pools; got {len(named)}")
    if not all(isinstance(pool, ewc.WarmPool) for pool in named.values()):
        raise UnsupportedInputError("pools must be a WarmPool, or a mapping of names to them")
    most = (
        arrays.count(slots, name="slots", low=1)
        if pods is None
        else arrays.count(pods, name="pods", low=1)
    )
    at = np.arange(most + 1)
    states = {
        name: ewc.attached_addresses(at, slots=slots, pool=pool) for name, pool in named.items()
    }
    ax = charts.axes(ax)
    for (name, state), color, style in zip(
        states.items(), palette, ("-", "--", "-.", ":", "-", "--"), strict=False
    ):
        ax.step(at, state.addresses, where="mid", color=color, ls=style, lw=2, label=name)
    ax.plot(at, at, color=charts.ink(), lw=1, ls=":", label="used by pods")
    ax.set_xlim(0, at[-1])
    ax.set_ylim(bottom=0)
    idle = {name: int((state.addresses - at).max()) for name, state in states.items()}
    if len(idle) == 1:
        lies = count_of(next(iter(idle.values())), "address lies", "addresses lie")
        title = f"Up to {lies} idle on a node of 0 to {at[-1]:,} pods"
    else:
        listed = ", ".join(f"{count:,} ({name})" for name, count in idle.items())
        title = f"Most addresses idle on a node: {listed}"
    return _finish(ax, title, x="pods on the node", y="addresses attached to the node", grid="y")


@checked_call
def pool_through_time(run: Any, *, ax: Any = None) -> Any:
    """
    Chart of one node's warm pool over time: used, warm and cooling addresses.

    Parameters
    ----------
    run : DataFrame
        Answer of `simulate_pool`.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        If the frame is empty or lacks a column of `simulate_pool`.
    MissingExtraError
        Without matplotlib (extra ``plot``).

    Examples
    --------
    >>> pool = ewc.WarmPool.secondary(warm_ip_target=4)
    >>> run = ewc.simulate_pool([(0, "assign", "a"), (90, "free", "a")], slots=9, pool=pool)
    >>> pool_through_time(run).get_title(loc="left")
    'At most 1 address used, 4 warm, 1 cooling; no pod went without'
    """
    parts = ("used", "warm", "cooling")
    needed = ("seconds", *parts, "outcome")
    if not isinstance(run, pd.DataFrame) or not set(needed) <= set(run.columns) or run.empty:
        raise InputError(
            f"run must be the answer of simulate_pool, with rows and the columns {', '.join(needed)}"
        )
    ax = charts.axes(ax)
    unit, length = ("minutes", 60) if run["seconds"].iloc[-1] > 600 else ("seconds", 1)
    time = run["seconds"].to_numpy() / length
    top = np.zeros(len(run))
    for name, color, hatch in zip(parts, (BLUE, SKY, ORANGE), ("", "", "//"), strict=True):
        below, top = top, top + run[name].to_numpy()
        ax.fill_between(
            time, below, top, step="post", facecolor=color, hatch=hatch, lw=0, label=name,
            edgecolor=_paper(ax),
        )  # fmt: skip
    ax.set_xlim(time[0], max(time[-1], time[0] + 1 / length))
    ax.set_ylim(0, max(1, top.max()) * 1.25)
    refused = int(
        run["outcome"].isin(["AT_CAPACITY", "COOLING", "CREATING", "NO_CIDR", "EMPTY"]).sum()
    )
    used, warm, cooling = (int(run[name].max()) for name in parts)
    failures = count_of(refused, "attempt got no address", "attempts got no address")
    title = (
        f"At most {count_of(used, 'address', 'addresses')} used, {warm:,} warm, {cooling:,} cooling; "
        + (failures if refused else "no pod went without")
    )
    return _finish(ax, title, x=f"time [{unit}]", y="addresses of the node", grid="y")


@checked_call
def subnet_map(subnet: Any, *, columns: int | None = None, ax: Any = None) -> Any:
    """
    Map of the /28 blocks of a subnet, in the order of their addresses.

    Parameters
    ----------
    subnet : Subnet
        The subnet; its used addresses must be known.
    columns : int, optional
        Blocks in a row; 16 (a /24) by default, 64 from a /20 on.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    PlacementUnknownError
        If only a count of used addresses is known.
    MissingExtraError
        Without matplotlib (extra ``plot``).

    Examples
    --------
    >>> subnet_map(ewc.Subnet("10.0.0.0/24", used=["10.0.0.20"])).get_title(loc="left")
    '10.0.0.0/24: 13 of 16 blocks are free for a prefix, 1 is broken'
    """
    if not isinstance(subnet, ewc.Subnet):
        raise UnsupportedInputError(f"subnet must be a Subnet; got {type(subnet).__name__}")
    blocks = subnet.blocks()
    state = blocks["state"].mask((blocks["state"] == "whole-free") & ~blocks["serves"], "withheld")
    wide = (16 if len(blocks) <= 256 else 64) if columns is None else columns
    wide = min(arrays.count(wide, name="columns", low=1), len(blocks))
    ax = charts.axes(ax)
    number = np.arange(len(blocks))
    for name, (label, color, hatch) in BLOCKS.items():
        here = number[(state == name).to_numpy()]
        if not len(here):
            continue
        _squares(
            ax,
            here % wide,
            here // wide,
            color=color,
            hatch=hatch,
            label=f"{label} ({len(here):,})",
        )
    rows = -(-len(blocks) // wide)
    ax.set_xlim(0, wide)
    ax.set_ylim(rows, 0)
    ax.set_aspect("equal" if rows * 4 >= wide else "auto")
    ticks = np.arange(0, rows, -(-rows // 16))
    ax.set_yticks(ticks + 0.5, [blocks["cidr"].iloc[i * wide].partition("/")[0] for i in ticks])
    ax.set_xticks([])
    free = int((state == "whole-free").sum())
    broken = count_of(int((state == "partly-used").sum()), "is broken", "are broken")
    verb = "is" if free == 1 else "are"
    title = f"{subnet.cidr}: {free:,} of {len(blocks):,} blocks {verb} free for a prefix, {broken}"
    _finish(
        ax, title, x=f"/28 blocks, {wide} in a row", y="first address of the row", grid=None, keys=3
    )
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax


@checked_call
def forecast_fan(forecast: Any, subnet: Any = None, *, ax: Any = None) -> Any:
    """
    Chart of one subnet's forecast: history, median, intervals, capacity and date.

    Parameters
    ----------
    forecast : ExhaustionForecast
        Answer of `forecast_exhaustion`.
    subnet : str, optional
        Which one; the most urgent by default.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        If the subnet is not in the forecast, or has no forecast.
    MissingExtraError
        Without matplotlib (extra ``plot``).

    Examples
    --------
    >>> history = ewc.demo.subnet_usage()
    >>> forecast = ewc.forecast_exhaustion(history, capacity=1019, horizon=30)
    >>> forecast_fan(forecast, "legacy").get_ylabel()
    'addresses'
    """
    if not isinstance(forecast, ewc.ExhaustionForecast):
        raise UnsupportedInputError(
            f"forecast must be an ExhaustionForecast; got {type(forecast).__name__}"
        )
    ax = forecast.plot(subnet, ax=charts.axes(ax))
    ax.set_ylim(top=ax.get_ylim()[1] * 1.25)
    ax.legend(loc="upper left", fontsize=8, frameon=False, ncols=3)
    return ax


@checked_call
def plans(now: Any, after: Any, *, ax: Any = None) -> Any:
    """
    Chart of the nodes by type, before and after.

    Parameters
    ----------
    now, after : FleetPlan, Alternative, ClusterState or mapping of str to int
        Two plans. A state or a mapping only has the nodes of each type, without cost.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        If a plan has no nodes.
    UnsupportedInputError
        If it is of another kind.
    MissingExtraError
        Without matplotlib (extra ``plot``).

    Examples
    --------
    >>> plans({"m5.large": 10}, {"c5.xlarge": 5}).get_title(loc="left")
    '5 nodes instead of 10'
    """
    sides = {"now": _nodes_by_type(now, "now"), "after": _nodes_by_type(after, "after")}
    names = sorted(
        {*sides["now"], *sides["after"]},
        key=lambda name: (-max(side.get(name, 0) for side in sides.values()), name),
    )
    ax = charts.axes(ax)
    at = np.arange(len(names))
    for shift, (label, side), color in zip((-0.2, 0.2), sides.items(), (ORANGE, BLUE), strict=True):
        counts = [side.get(name, 0) for name in names]
        bars = ax.barh(at + shift, counts, 0.38, color=color, label=label)
        ax.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
    _rows_named(ax, names)
    ax.set_xlim(0, max(max(side.values()) for side in sides.values()) * 1.12)
    before, later = (sum(side.values()) for side in sides.values())
    title = f"{count_of(later, 'node')} instead of {before:,}"
    return _finish(ax, title + _saving(now, after), x="nodes", grid="x")


def _saving(now: Any, after: Any) -> str:
    """Difference in addresses and cost, if both plans use the same unit of cost."""
    parts = []
    before, later = (getattr(plan, "addresses", None) for plan in (now, after))
    if before and later:
        parts.append(f"{later:,} addresses instead of {before:,}")
    before, later = (getattr(plan, "cost", None) for plan in (now, after))
    units = {unit for plan in (now, after) if (unit := getattr(plan, "cost_unit", ""))}
    if before and later and len(units) <= 1:
        change = 100 * (later / before - 1)
        parts.append(
            "the same cost"
            if abs(change) < 0.05
            else f"{abs(change):.1f} % {'less' if change < 0 else 'more'} cost"
        )
    return "".join(f", {part}" for part in parts)


def _nodes_by_type(plan: Any, name: str) -> dict[str, int]:
    types = plan if isinstance(plan, Mapping) else getattr(plan, "types", None)
    if isinstance(plan, ewc.ClusterState):
        types = Counter(node.instance_type or "unknown" for node in plan.windows_nodes or ())
    if not isinstance(types, Mapping):
        raise UnsupportedInputError(
            f"{name} must be a FleetPlan, an Alternative, a ClusterState or a mapping of types "
            f"to nodes; got {type(plan).__name__}"
        )
    counts = {
        str(kind): arrays.count(each, name=f"{name}[{kind!r}]") for kind, each in types.items()
    }
    if not sum(counts.values()):
        raise InputError(f"{name} has no nodes: there is nothing to draw")
    return counts


def _types(instance_type: Any) -> list[str]:
    try:
        names = [instance_type] if isinstance(instance_type, str) else list(instance_type)
    except TypeError as error:
        raise UnsupportedInputError(
            f"instance_type must be names of types; got {type(instance_type).__name__}"
        ) from error
    names = list(dict.fromkeys(names))
    if not 1 <= len(names) <= _MOST_TYPES:
        raise InputError(
            f"a chart names 1 to {_MOST_TYPES} instance types; got {len(names)}: choose some"
        )
    return names


def _span(pods: Any) -> str:
    low, high = int(pods.min()), int(pods.max())
    return f"{low:,}" if low == high else f"{low:,}-{high:,}"


def _rows_named(ax: Any, names: Sequence[str]) -> None:
    ax.set_yticks(np.arange(len(names)), names, fontsize=9 if len(names) <= 20 else 7)
    ax.set_ylim(len(names) - 0.4, -0.6)


def _squares(ax: Any, x: Any, y: Any, *, color: str, hatch: str, label: str) -> None:
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    gap = 0.06
    boxes = [
        Rectangle((left + gap, top + gap), 1 - 2 * gap, 1 - 2 * gap)
        for left, top in zip(x, y, strict=True)
    ]
    paint = {"facecolor": color, "hatch": hatch, "edgecolor": _paper(ax), "linewidth": 0}
    ax.add_collection(PatchCollection(boxes, **paint))
    # Legends do not show collections, so an empty box represents it.
    ax.add_patch(Rectangle((0, 0), 0, 0, label=label, **paint))


def _paper(ax: Any) -> Any:
    return ax.get_facecolor()


def _plain_log(ax: Any) -> None:
    """Label a logarithmic axis with counts, not powers of ten."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    ticks = [0, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]
    ax.xaxis.set_major_locator(FixedLocator([t for t in ticks if t <= ax.get_xlim()[1]]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _finish(ax: Any, title: str, *, x: str, y: str = "", grid: str | None, keys: int = 4) -> Any:
    from matplotlib.ticker import MaxNLocator

    ax.set_title(title, loc="left", fontsize=11)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    ax.grid(visible=False)
    if grid:
        ax.grid(axis=grid, color=charts.ink(), alpha=0.15, lw=0.6)
        ticks = (ax.xaxis if grid == "x" else ax.yaxis).get_major_locator()
        if isinstance(ticks, MaxNLocator):
            ticks.set_params(integer=True)  # pods, nodes and addresses are whole
    # Below the axes, so that it does not cover the data.
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.14), ncols=keys, frameon=False, fontsize=9)
    return ax
