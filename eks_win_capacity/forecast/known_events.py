"""Steps that are known in advance: a release, a migration, a new tenant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eks_win_capacity.core.errors import InputError
from eks_win_capacity.core.findings import told
from eks_win_capacity.forecast.periods import date_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eks_win_capacity.core.findings import Finding
    from eks_win_capacity.forecast.history import Rows
    from eks_win_capacity.forecast.peaks import Panel

    Floats = NDArray[np.float64]

COLUMNS = ("time", "change", "subnet")


def event_frame(events: Any) -> pd.DataFrame:
    """
    Bring events of any kind to the columns time, change and perhaps subnet.

    Raises
    ------
    InputError
        If they are none, or columns are missing.
    """
    if isinstance(events, Mapping):
        events = list(events.items())
    if isinstance(events, pd.Series):
        return pd.DataFrame({"time": events.index, "change": events.to_numpy()})
    if not isinstance(events, pd.DataFrame):
        try:
            rows = [tuple(event) for event in events]
        except TypeError:
            rows = [()]
        if any(len(row) not in {2, 3} for row in rows) or isinstance(events, str):
            raise InputError(f"events are pairs of time and change, or a frame; got {events!r}")
        width = max(map(len, rows), default=2)
        filled = [(*row, *[None] * (width - len(row))) for row in rows]
        return pd.DataFrame(filled, columns=list(COLUMNS[:width]))
    lacking = {"time", "change"} - set(events.columns)
    if lacking:
        raise InputError(
            f"events need columns time and change; missing: {', '.join(sorted(lacking))}"
        )
    return events


def event_steps(
    events: Any, rows: Rows, peaks: Panel, horizon: int, usable: NDArray[np.bool_]
) -> tuple[Floats, list[Finding]]:
    """
    What scheduled events add to each subnet in each period to come.

    Returns
    -------
    ndarray of (subnets, horizon), list of Finding
    """
    out = np.zeros((len(rows.subnets), horizon))
    late = []
    ends = _newest_times(rows)
    for event in event_frame(events).to_dict("records"):
        moment = date_of(event["time"], rows.times.tz, name="the time of an event")
        change = _change(event)
        whom = np.flatnonzero(usable)
        name = event.get("subnet")
        if name is not None and not pd.isna(name):
            named = np.flatnonzero(rows.subnets.map(str) == str(name))
            if not len(named):
                raise InputError(f"an event names {name!r}, which is not a subnet of the history")
            whom = named[usable[named]]
        number = peaks.grid.numbers(pd.DatetimeIndex([moment]))[0]
        for row in whom.tolist():
            if moment.value <= ends[row]:
                raise InputError(
                    f"the event at {moment} is not after the end of the history of "
                    f"{rows.subnets[row]}; steps of the past are found in the history itself"
                )
            # Later on the newest day counts from the next period on: that day's peak is known.
            ahead = max(int(number - peaks.last[row] - 1), 0)
            out[row, ahead:] += change
            late += [moment] * (ahead >= horizon)
    if not late:
        return out, []
    return out, [
        told(
            "event-beyond-horizon",
            f"the event at {late[0]} lies beyond the horizon",
            "it changes nothing here",
            remedy="give a longer horizon",
        )
    ]


def _newest_times(rows: Rows) -> NDArray[np.int64]:
    """The newest time with a value of each subnet. [ns]."""
    out = np.full(len(rows.subnets), np.iinfo(np.int64).min)
    seen = ~np.isnan(rows.used)
    np.maximum.at(out, rows.code[seen], rows.times.asi8[seen])
    return out


def _change(event: dict[Any, Any]) -> float:
    try:
        change = float(event["change"])
    except (TypeError, ValueError):
        change = np.nan
    if not np.isfinite(change):
        raise InputError(
            f"the change of the event at {event['time']} must be a number; got {event['change']!r}"
        )
    return change
