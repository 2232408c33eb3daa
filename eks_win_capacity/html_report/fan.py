"""When a subnet runs dry, as a picture: history, median, intervals, capacity and date."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from eks_win_capacity.forecast.show import count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eks_win_capacity.forecast import ExhaustionForecast

_WIDE, _HIGH, _LEFT, _TOP, _BOTTOM = 760, 250, 60, 12, 24
"""Size of the picture, and what its axes take. [px]"""

_POINTS: Final = 240
"""Points of a line: more than the picture has pixels for would only weigh."""

_HIGHEST: Final = 1.6
"""How far above the capacity the picture goes."""


class _Scale:
    """Where a time and a number of addresses lie in the picture."""

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
        """Path through the points; one that is missing breaks it."""
        pen, parts = "M", []
        for x, y in zip(self.x(times), self.y(values), strict=True):
            if np.isnan(y):
                pen = "M"
                continue
            parts.append(f"{pen}{x:.0f} {y:.1f}")
            pen = "L"
        return "".join(parts)


def fan(forecast: ExhaustionForecast, row: dict[Any, Any]) -> str:
    """
    Figure of one subnet's use and forecast, under its sentence.

    Parameters
    ----------
    forecast : ExhaustionForecast
    row : dict
        A row of ``forecast.to_pandas()`` that has a forecast.
    """
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
        f'<path class="band" d="{_area(scale, ahead, lower[::path_step, place], upper[::path_step, place])}"/>'
        for place in reversed(range(len(forecast.levels)))
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
        f"{_date(forecast, row, path, scale)}</svg>{_key(forecast, row)}</figure>"
    )


def _thinned(past: pd.DataFrame) -> pd.DataFrame:
    """History in at most so many points, each the peak of its part."""
    part = np.arange(len(past)) // -(-len(past) // _POINTS)
    return past.groupby(part, sort=True).agg({"time": "first", "used": "max"})


def _area(scale: _Scale, times: Any, low: Any, high: Any) -> str:
    there, back = scale.line(times, high), scale.line(times[::-1], low[::-1])
    return f"{there}L{back[1:]}z"


def _axes(scale: _Scale, unit: str) -> str:
    """Rules at round numbers, and dates below."""
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
    """The next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(max(least, 1)))
    return float(next(power * n for n in (1, 2, 5, 10) if power * n >= least))


def _date(
    forecast: ExhaustionForecast, row: dict[Any, Any], path: pd.DataFrame, scale: _Scale
) -> str:
    """The date on the line of the capacity, with its interval."""
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


def _key(forecast: ExhaustionForecast, row: dict[Any, Any]) -> str:
    levels = " and ".join(f"{100 * level:g}" for level in forecast.levels)
    entries: Iterable[tuple[str, str]] = (
        ('<path class="past" d="M0 7h22"/>', "peak used"),
        ('<path class="median" d="M0 7h22"/>', "median"),
        ('<path class="band" d="M0 2h22v10h-22z"/>', f"{levels} % intervals"),
        ('<path class="limit" d="M0 7h22"/>', f"capacity {count(row['capacity'])}"),
    )
    if not pd.isna(row["date"]):
        mark = '<path class="date" d="M0 7h22"/><circle class="point" cx="11" cy="7" r="4.5"/>'
        entries = (*entries, (mark, "date and its interval"))
    items = "".join(
        f'<li><svg width="22" height="14" aria-hidden="true">{mark}</svg>{escape(text)}</li>'
        for mark, text in entries
    )
    return f'<ul class="key">{items}</ul>'
