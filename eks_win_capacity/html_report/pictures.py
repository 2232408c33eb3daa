"""Pictures of the page: a map of the /28 blocks of a subnet, and a chart of its forecast."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from eks_win_capacity.core.errors import count_of
from eks_win_capacity.forecast.show import count
from eks_win_capacity.plots import BLOCKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from eks_win_capacity.addresses.subnet import Subnet
    from eks_win_capacity.forecast import ExhaustionForecast

_LABEL: Final = 110
"""Width of the address labels next to the rows. [px]"""

PATTERNS: Final = """<svg width="0" height="0" aria-hidden="true" focusable="false"><defs>
<pattern id="p-withheld" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="i-withheld" width="6" height="6"/><path class="mark" d="M-1 7L7-1M-1 1L1-1M5 7L7 5"/></pattern>
<pattern id="p-partly-used" width="5" height="5" patternUnits="userSpaceOnUse"><rect class="i-partly-used" width="5" height="5"/><circle class="dot" cx="2.5" cy="2.5" r="1.2"/></pattern>
<pattern id="p-kept" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="i-kept" width="6" height="6"/><path class="mark" d="M0 0L6 6M6 0L0 6"/></pattern>
</defs></svg>"""
"""Hatch patterns, defined once per page, so that the maps do not rely on colour."""


def block_map(subnet: Subnet) -> str:
    """Map of the blocks of a subnet whose used addresses are known, with the counts by state."""
    blocks = subnet.blocks()
    state = blocks["state"].mask((blocks["state"] == "whole-free") & ~blocks["serves"], "withheld")
    states = state.tolist()
    wide = min(16 if len(states) <= 256 else 64, len(states))
    side = 20 if wide <= 16 else 10
    high = -(-len(states) // wide)
    counts = {name: states.count(name) for name in BLOCKS}
    free, broken = counts["whole-free"], counts["partly-used"]
    name = f"{subnet.subnet_id} {subnet.cidr}".strip()
    title = (
        f"{name}: {count_of(free, 'block is', 'blocks are')} free of {len(states):,}, "
        f"{count_of(broken, 'is', 'are')} broken"
    )
    firsts = [str(cidr).partition("/")[0] for cidr in blocks["cidr"].iloc[::wide]]
    every = -(-high // 32)
    labels = "".join(
        f'<text x="0" y="{side * row + side // 2 + 4}">{escape(first)}</text>'
        for row, first in enumerate(firsts)
        if row % every == 0
    )
    paths = "".join(
        f'<path class="b-{name}" d="{_runs(states, name, wide, side)}"/>'
        for name, number in counts.items()
        if number
    )
    key = _key(
        (14, f'<rect class="b-{name}" width="14" height="14"/>', f"{BLOCKS[name][0]} ({number:,})")
        for name, number in counts.items()
        if number
    )
    lines = "".join(f"M0 {side * row}h{side * wide}" for row in range(1, high))
    lines += "".join(f"M{side * at} 0v{side * high}" for at in range(1, wide))
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg width="{_LABEL + side * wide}" height="{side * high}" '
        f'viewBox="0 0 {_LABEL + side * wide} {side * high}" role="img" '
        f'aria-label="{escape(title)}">{labels}<g transform="translate({_LABEL} 0)">{paths}'
        f'<path class="grid" d="{lines}"/></g></svg>{key}</figure>'
    )


def _runs(states: Sequence[str], name: str, wide: int, side: int) -> str:
    """SVG path with one box for each run of adjacent blocks in a state."""
    boxes = []
    for top in range(0, len(states), wide):
        at = 0
        for state, run in groupby(states[top : top + wide]):
            length = len(list(run))
            if state == name:
                width = side * length
                boxes.append(f"M{side * at} {side * (top // wide)}h{width}v{side}h-{width}z")
            at += length
    return "".join(boxes)


_WIDE, _HIGH, _LEFT, _TOP, _BOTTOM = 760, 250, 60, 12, 24
"""Size of the chart, and the margins of its axes. [px]"""

_POINTS: Final = 240
"""Maximum points of a line; more would enlarge the file without a visible difference."""

_HIGHEST: Final = 1.6
"""Top of the chart as a multiple of the capacity."""


class _Scale:
    """Conversion of times and numbers of addresses to positions in the chart."""

    def __init__(self, times: pd.DatetimeIndex, top: float) -> None:
        self.start, self.end = times[0], times[-1]
        self.top = top
        self._first = self.start.value
        self._span = max(self.end.value - self._first, 1)

    def x(self, times: Any) -> Any:
        share = (pd.DatetimeIndex(times).as_unit("ns").asi8 - self._first) / self._span
        return _LEFT + np.clip(share, 0, 1) * (_WIDE - _LEFT - 10)

    def y(self, values: Any) -> Any:
        room = _HIGH - _TOP - _BOTTOM
        return _TOP + room * (1 - np.clip(np.asarray(values, dtype=float) / self.top, 0, 1))

    def line(self, times: Any, values: Any) -> str:
        """SVG path through the points; a missing point interrupts it."""
        pen, parts = "M", []
        for x, y in zip(self.x(times), self.y(values), strict=True):
            if np.isnan(y):
                pen = "M"
                continue
            parts.append(f"{pen}{x:.0f} {y:.1f}")
            pen = "L"
        return "".join(parts)


def fan(forecast: ExhaustionForecast, row: dict[Any, Any]) -> str:
    """Chart of one subnet's use and forecast, from its row of ``forecast.to_pandas()``."""
    at = int(np.flatnonzero(forecast.subnets == row["subnet"])[0])
    here = np.array([at], dtype=np.intp)
    past = forecast.history_of(here).tail(max(3 * forecast.horizon, 60))
    path = forecast.path_of(here)
    lower, upper = forecast.answers.lower[at], forecast.answers.upper[at]
    most = max(row["capacity"], past["used"].max(), 1) * 1.12
    top = min(max(most, 1.03 * float(np.nanmax(upper))), _HIGHEST * most)
    past, path_step = _thinned(past), -(-len(path) // _POINTS)
    ahead = path["time"].iloc[::path_step]
    scale = _Scale(pd.DatetimeIndex([past["time"].iloc[0], path["time"].iloc[-1]]), top)
    bands = "".join(
        f'<path class="band" d="{_area(scale, ahead, lower[::path_step, level], upper[::path_step, level])}"/>'
        for level in reversed(range(len(forecast.levels)))
    )
    limit = scale.y([row["capacity"]])[0]
    sentence = forecast.sentence(row)
    name = escape(str(row["subnet"]))
    return (
        f"<figure><figcaption>{escape(sentence)}</figcaption>"
        f'<svg width="{_WIDE}" height="{_HIGH}" viewBox="0 0 {_WIDE} {_HIGH}" role="img" '
        f'aria-label="Use of {name}, its history and forecast. {escape(sentence)}">'
        f"{_axes(scale, forecast.unit)}{bands}"
        f'<path class="past" d="{scale.line(past["time"], past["used"])}"/>'
        f'<path class="median" d="{scale.line(ahead, path["demand"].iloc[::path_step])}"/>'
        f'<path class="limit" d="M{_LEFT} {limit:.1f}H{_WIDE - 10}"/>'
        f"{_date(forecast, row, path, scale)}</svg>{_key(_lines_of(forecast, row))}</figure>"
    )


def _thinned(past: pd.DataFrame) -> pd.DataFrame:
    """History with a limited number of points, each the peak of its interval."""
    part = np.arange(len(past)) // -(-len(past) // _POINTS)
    return past.groupby(part, sort=True).agg({"time": "first", "used": "max"})


def _area(scale: _Scale, times: Any, low: Any, high: Any) -> str:
    there, back = scale.line(times, high), scale.line(times[::-1], low[::-1])
    return f"{there}L{back[1:]}z"


def _axes(scale: _Scale, unit: str) -> str:
    """Horizontal lines at round numbers, and dates below."""
    step = _round_step(scale.top / 4)
    rules = "".join(
        f'<path class="rule" d="M{_LEFT} {scale.y(value):.1f}H{_WIDE - 10}"/>'
        f'<text x="{_LEFT - 6}" y="{scale.y(value) + 4:.1f}" text-anchor="end">{value:,.0f}</text>'
        for value in np.arange(0, scale.top, step)
    )
    days = pd.date_range(scale.start, scale.end, periods=5)
    dates = "".join(
        f'<text x="{x:.0f}" y="{_HIGH - 6}" text-anchor="{side}">{day:%Y-%m-%d}</text>'
        for x, day, side in zip(
            scale.x(days), days, ("start", "middle", "middle", "middle", "end"), strict=True
        )
    )
    return rules + dates + f'<text x="{_LEFT + 4}" y="{_TOP + 4}">{escape(unit)}</text>'


def _round_step(least: float) -> float:
    """Smallest of 1, 2 and 5 times a power of ten that is at least `least`."""
    power = 10.0 ** np.floor(np.log10(max(least, 1)))
    return float(next(power * n for n in (1, 2, 5, 10) if power * n >= least))


def _date(
    forecast: ExhaustionForecast, row: dict[Any, Any], path: pd.DataFrame, scale: _Scale
) -> str:
    """Mark of the date on the capacity line, with its interval."""
    if pd.isna(row["date"]):
        return ""
    share = f"{100 * forecast.levels[0]:g}"
    late = row[f"latest_{share}"]
    ends = [row[f"earliest_{share}"], path["time"].iloc[-1] if pd.isna(late) else late]
    (left, right), y = scale.x(ends), scale.y([row["capacity"]])[0]
    at = scale.x([row["date"]])[0]
    return (
        f'<path class="date" d="M{left:.0f} {y:.1f}H{max(right, left + 2):.0f}"/>'
        f'<circle class="point" cx="{at:.0f}" cy="{y:.1f}" r="4.5"/>'
    )


def _lines_of(forecast: ExhaustionForecast, row: dict[Any, Any]) -> Iterator[tuple[int, str, str]]:
    """Legend entries of a forecast chart: width, sign and label."""
    levels = " and ".join(f"{100 * level:g}" for level in forecast.levels)
    date = '<path class="date" d="M0 7h22"/><circle class="point" cx="11" cy="7" r="4.5"/>'
    yield 22, '<path class="past" d="M0 7h22"/>', "peak used"
    yield 22, '<path class="median" d="M0 7h22"/>', "median"
    yield 22, '<path class="band" d="M0 2h22v10h-22z"/>', f"{levels} % intervals"
    yield 22, '<path class="limit" d="M0 7h22"/>', f"capacity {count(row['capacity'])}"
    if not pd.isna(row["date"]):
        yield 22, date, "date and its interval"


def _key(entries: Iterable[tuple[int, str, str]]) -> str:
    """Legend from entries of width, sign and label."""
    items = "".join(
        f'<li><svg width="{width}" height="14" aria-hidden="true">{sign}</svg>{escape(words)}</li>'
        for width, sign, words in entries
    )
    return f'<ul class="key">{items}</ul>'
