"""When does a subnet run out, judged by its history."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from eks_win_capacity.core.arrays import choice
from eks_win_capacity.core.errors import InputError, TooLittleHistoryError, count_of
from eks_win_capacity.core.findings import told
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.forecast.history import read_rows
from eks_win_capacity.forecast.history_parts import Calendar
from eks_win_capacity.forecast.learning import VIEWS, exact, learn
from eks_win_capacity.forecast.paths import Answers, Draws, simulate
from eks_win_capacity.forecast.periods import DAYS_PER_YEAR, date_of, panel
from eks_win_capacity.forecast.result import ExhaustionForecast
from eks_win_capacity.forecast.seasons import usable_season

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from eks_win_capacity.core.findings import Finding
    from eks_win_capacity.forecast.history import Rows
    from eks_win_capacity.forecast.periods import Panel

    Floats = NDArray[np.float64]

MIN_PERIODS = 7
"""Minimum number of periods with a value: one week of days."""

_CHUNK = 128
"""Series in one chunk: enough that two threads seldom wait for the interpreter, few in memory."""

_TOLD = 0.02
"""Minimum size of a step that is a finding, as a share of the usual use."""

_BENT = 0.5
"""Share of the paths of views other than the whole history from which growth counts as bent."""

_UNSEEN = 0.1
"""Maximum probability that the next days differ from all days of a history in hours."""

Engine = Literal["theta"]
Unit = Literal["addresses", "prefixes", "pods"]


@checked_call
def forecast_exhaustion(
    history: Any,
    *,
    capacity: Any = None,
    horizon: Any = 180,
    level: float | Sequence[float] = (0.8, 0.95),
    unit: Unit | None = None,
    time: str | None = None,
    used: str | bool | None = None,
    available: str | bool | None = None,
    percent: str | None = None,
    subnet: str | None = None,
    timezone: Any = None,
    step: Any = None,
    season_lengths: int | Sequence[int] | None = None,
    events: Any = None,
    engine: Engine = "theta",
    unusable: Literal["raise", "report"] = "raise",
    paths: int = 500,
    seed: int = 0,
    workers: int = 2,
    progress: Callable[[int, int], object] | None = None,
) -> ExhaustionForecast:
    """
    Dates when subnets run out of addresses or whole /28 blocks, with intervals.

    The history is reduced to the peak of each period, because the peak exhausts a subnet.
    Simple exponential smoothing with drift (the Theta method) is fitted for a grid of smoothing
    parameters, some with a drift that varies, to four views of the history: the whole, its
    logarithm, the time since the last change of growth (84 periods without one), and the last
    35 periods. The backtest of each view over the newest weeks decides its share of the sample
    paths. Innovations are resampled, for hourly data by whole days. For a subnet that mostly
    does not change, half of the paths continue with changes drawn from its past. Within a day,
    the difference of the last days from the average day is carried forward, as far as that
    would have helped before. The date is the first passage of the unclipped paths over the
    capacity.

    Parameters
    ----------
    history : Series or DataFrame
        Times and used (or available) addresses: a Series with times as its index, named after
        the subnet; a long frame with columns for time, subnet and value; or a wide frame with a
        column for each subnet. Anything with ``to_pandas`` works too.
    capacity : float, Subnet, str, mapping, Series or DataFrame
        Capacity: a number, a `Subnet`, a CIDR, a mapping or Series by subnet, Subnets with ids,
        the name of a column, or a Series (for many subnets, a frame) over time, where each
        value is valid until the next, and the newest for the future. Not needed if the history
        has a column ``capacity``, ``total`` or ``cidr``, or both used and available. The
        capacity of a `Subnet` is what is in use and what AWS can still assign, without free
        addresses inside reservations, and without /28 blocks that are broken or reserved as
        ``explicit``. [addresses or prefixes]
    horizon : int, str, Timedelta, DateOffset or Timestamp
        How far to forecast beyond the history: a number of days, a duration such as ``"180d"``
        or ``"6 months"``, or a date.
    level : float or sequence of float
        Probability that each central interval covers, such as 0.8.
    unit : {"addresses", "prefixes", "pods"}, optional
        What history and capacity count: by default prefixes if the name of the column says so,
        else addresses. Reported counts of prefixes and pods are rounded up to whole numbers.
    time, used, available, percent, subnet : str, optional
        Names of columns; by default found by usual names. ``available=True`` means that all
        values of a Series or a wide frame count available addresses. Percentages are of the
        capacity, from 0 to 100.
    timezone : str or tzinfo, optional
        Time zone of the days; times without a zone are then read as UTC. By default the zone of
        the times.
    step : str or Timedelta, optional
        Length of a period, such as ``"1h"``, ``"1w"`` or ``"1 month"``. By
        default a day, or the spacing of the history if that is longer.
    season_lengths : int or sequence of int, optional
        Season lengths; an empty sequence for none. By default those usual for the step, if the
        data show them: a week for daily data, a day and a week for hourly data, a year for
        weekly or monthly data. [periods]
    events : DataFrame, Series, mapping or sequence of (time, change), optional
        Steps known in advance, each added from its time on. A frame may have a column
        ``subnet`` in addition to ``time`` and ``change``; a tuple may have a third item.
        [addresses or prefixes]
    engine : {"theta"}
        The only one available.
    unusable : {"raise", "report"}
        Whether a subnet with fewer than seven periods with values raises an error or becomes a
        row with the status ``"no forecast"``.
    paths : int
        Sample paths.
    seed : int
        The same seed and input give the same forecast.
    workers : int
        Number of threads; without effect on the result.
    progress : callable, optional
        Called with (subnets done, all subnets).

    Returns
    -------
    ExhaustionForecast

    Raises
    ------
    TooLittleHistoryError
        If a subnet has fewer than seven periods with a value.
    InputError
        If columns are missing or ambiguous, or an option is invalid.
    InvalidCountError
        If a count is negative, infinite or above 10**12, available addresses exceed the
        capacity, or a percentage exceeds 100.
    MissingValueError
        If times, names of subnets, or capacities are missing.
    UnsupportedInputError
        If the history is not a table, or its values are not numbers.
    PlacementUnknownError
        If the blocks of a `Subnet` depend on unknown positions of its used addresses.

    Notes
    -----
    How irregular histories are treated; the codes are those of `ExhaustionForecast.findings`:

    =========================  =================================================
    history                    outcome
    =========================  =================================================
    several values per day     the day's peak counts (``resampled``)
    unsorted                   sorted (``unsorted-history``)
    repeated times             the larger use counts (``duplicate-times``)
    missing values, gaps       bridged, without weight in the fits
                               (``missing-values``, ``gaps``)
    newest day unfinished      its peak is a lower bound (``unfinished-period``)
    at the capacity            a lower bound of the demand (``clipped-history``)
    above the capacity         used as it is (``above-capacity``)
    full, or above capacity,   ``exhausted``, with that period as its date
    in the newest period
    capacity changed           each value is compared with that of its time
                               (``capacity-changed``)
    constant, or all zero      constant in most paths, in more after longer time
    level changed in the last  kept in some of the paths (``newest-step``); growth
    two weeks                  if it follows two similar steps and none reverted
    growth bends               recent periods have more weight
                               (``bent-growth``)
    hourly                     no probability above 90 %, or n / (n + 1) after
                               n > 9 horizons of history, except for events
                               and exactly linear histories
    shorter than half the      still forecast (``short-history``)
    horizon
    season with too few        ignored (``season-too-long``)
    cycles in the history
    fewer than seven periods,  `TooLittleHistoryError`, or the status
    or only missing values     ``no forecast`` with ``unusable="report"``
    negative, infinite         `InvalidCountError`
    strings with several       days are in UTC (``mixed-offsets``), or in
    offsets                    ``timezone``; strings with and without: InputError
    columns whose names do     taken as used addresses (``assumed-used``)
    not say what they count
    counts that are not whole  used as they are (``perhaps-percent``); up to 1: InputError
    and never above 100
    numbers as times           since 1970, in UTC (``epoch-times``), or 20260131
    dates such as 31/01/2026   order of day and month from unambiguous dates
                               (``dates-by-country``)
    subnets that end early     forecast from their own end (``stale-history``)
    subnets with different     one grid for all, with the usual spacing
    spacings                   (``mixed-spacings``)
    =========================  =================================================

    Days follow the wall clock of the zone of the times, so a day of 23 or 25
    hours is one day. Days left count from the last period of the history.

    References
    ----------
    Assimakopoulos and Nikolopoulos (2000), "The theta model", Int. J. of
    Forecasting 16; Hyndman and Billah (2003), "Unmasking the Theta method",
    Int. J. of Forecasting 19.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2026-01-01", periods=60)
    >>> used = pd.Series(range(100, 160), index=days)
    >>> forecast = forecast_exhaustion(used, capacity=200, horizon="90d")
    >>> forecast.date()
    Timestamp('2026-04-11 00:00:00')
    >>> forecast.days_left(risk=0.1)
    41.0
    """
    levels = _levels(level)
    _check_choices(unit, engine, unusable)
    _check_numbers(paths=(paths, 100, 10_000), seed=(seed, 0, 2**64), workers=(workers, 1, 1024))
    columns = {"time": time, "used": used, "percent": percent, "subnet": subnet}
    rows = read_rows(
        history,
        {**columns, "available": available},
        capacity=capacity,
        unit=unit,
        timezone=timezone,
    )
    peaks = panel(rows, step=step)
    usable = _usable(rows, peaks, unusable)
    newest = peaks.last[usable].max() if usable.any() else 0
    ahead = peaks.grid.periods(horizon, peaks.grid.starts(np.array([newest]))[0])
    lengths = _season_lengths(season_lengths, peaks)
    steps, notes = (None, []) if events is None else event_steps(events, rows, peaks, ahead, usable)
    year = DAYS_PER_YEAR / peaks.grid.days
    draws = Draws.of(int(seed), paths=int(paths), horizon=ahead, year=year)
    day, given = max(round(1 / peaks.grid.days), 1), season_lengths is not None
    calendar = Calendar(lengths, given, ahead, day)
    ask = _Outlook(rows, peaks, levels, calendar, draws, steps)
    answers = Answers.empty(len(rows.subnets), ahead, len(levels))
    _work(ask, usable, answers, workers=int(workers), progress=progress)
    judged = judgements(answers, rows, peaks, usable, lengths=lengths, given=given)
    return ExhaustionForecast(
        answers=answers,
        levels=levels,
        rows=rows,
        panel=peaks,
        usable=usable,
        unit=rows.unit,
        engine="theta",
        season_lengths=lengths,
        seed=int(seed),
        findings=(*peaks.findings, *notes, *judged),
    )


def _check_choices(unit: object, engine: object, unusable: object) -> None:
    if unit is not None:
        choice(unit, ("addresses", "prefixes", "pods"), name="unit")
    if isinstance(engine, str) and engine == "statsforecast":
        raise InputError(
            "engine='statsforecast' was removed from the package: it was slower and not "
            "better on any suite (benchmarks/forecast compares them); remove the argument engine"
        )
    choice(engine, ("theta",), name="engine")
    choice(unusable, ("raise", "report"), name="unusable")


def _check_numbers(**given: tuple[Any, int, int]) -> None:
    for name, (value, low, high) in given.items():
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or not low <= value <= high:
            raise InputError(
                f"{name} must be a whole number from {low:,} to {high:,}; got {value!r}"
            )


@dataclass(frozen=True)
class _Outlook:
    """Histories, and the settings common to all subnets."""

    rows: Rows
    peaks: Panel
    levels: tuple[float, ...]
    calendar: Calendar
    draws: Draws
    events: Floats | None


def _levels(level: float | Sequence[float]) -> tuple[float, ...]:
    try:
        # Not float(): the string "0.8" is not a share.
        given = np.atleast_1d(np.asarray(level)) * 1.0
    except (TypeError, ValueError):
        given = np.zeros(0)
    if not given.size or given.ndim > 1 or not ((given > 0) & (given < 1)).all():
        raise InputError(
            f"level must be one share between 0 and 1 or several, such as 0.8 for 80 %; got {level!r}"
        )
    return tuple(sorted({float(x) for x in given}))


def _season_lengths(given: int | Sequence[int] | None, peaks: Panel) -> tuple[int, ...]:
    if given is None:
        return peaks.grid.season_lengths()
    try:
        # Not int(): the string "7" is not a number of periods.
        lengths = np.atleast_1d(np.array(given)) * 1.0 if np.size(given) else np.zeros(0)
    except (TypeError, ValueError):
        lengths = np.zeros(1)
    if (lengths < 2).any() or (lengths != np.trunc(lengths)).any():
        raise InputError(f"season_lengths must be whole numbers of periods from 2; got {given!r}")
    return tuple(sorted({int(x) for x in lengths}))


def _usable(rows: Rows, peaks: Panel, unusable: str) -> NDArray[np.bool_]:
    known = np.array([int((~np.isnan(v)).sum()) for v in peaks.peaks])
    usable = known >= MIN_PERIODS
    if unusable == "raise" and not usable.all():
        short = np.flatnonzero(~usable)
        raise TooLittleHistoryError(
            f"{rows.subnets[short[0]]} has {count_of(known[short[0]], 'period')} of {peaks.grid} with a "
            "value; "
            f"a forecast needs {MIN_PERIODS}"
            + (f" ({len(short):,} subnets have too few)" if len(short) > 1 else "")
            + ": give a shorter step, a longer history, or unusable='report'",
            subnets=[str(x) for x in rows.subnets[short[:5]]],
            count=len(short),
            needed=MIN_PERIODS,
        )
    return usable


def _work(
    ask: _Outlook,
    usable: NDArray[np.bool_],
    answers: Answers,
    *,
    workers: int,
    progress: Callable[[int, int], object] | None,
) -> None:
    """Fill in the answers, in independent chunks of series with the same length."""
    chunks = list(_chunks(ask.peaks, usable))
    done, total = 0, int(usable.sum())

    def run(chunk: NDArray[np.intp]) -> int:
        _one_chunk(ask, chunk, answers)
        return len(chunk)

    threads = ThreadPoolExecutor(workers) if workers > 1 and len(chunks) > 1 else None
    try:
        for count in threads.map(run, chunks) if threads else map(run, chunks):
            done += count
            if progress is not None:
                progress(done, total)
    finally:
        if threads:
            threads.shutdown(cancel_futures=True)


def _chunks(peaks: Panel, usable: NDArray[np.bool_]) -> Iterator[NDArray[np.intp]]:
    """Chunks of series with the same length and the same kind of clipping."""
    groups: dict[tuple[int, bool, bool], list[int]] = {}
    for row in np.flatnonzero(usable):
        clipped = peaks.censored[row]
        key = (len(clipped), bool(clipped[:-1].any()), bool(clipped[-1]))
        groups.setdefault(key, []).append(int(row))
    for (periods, _, _), members in groups.items():
        size = int(np.clip(_CHUNK * 400 // periods, 1, _CHUNK))
        for low in range(0, len(members), size):
            yield np.array(members[low : low + size], dtype=np.intp)


def _one_chunk(ask: _Outlook, chunk: NDArray[np.intp], answers: Answers) -> None:
    peaks = ask.peaks
    values = np.stack([peaks.peaks[row] for row in chunk])
    censored = np.stack([peaks.censored[row] for row in chunk])
    learned = learn(values, censored, ask.calendar)
    paths = simulate(learned, ask.draws)
    if ask.events is not None:
        paths += ask.events[chunk].T[:, :, None].astype(np.float32)
    if ask.rows.whole:
        np.ceil(paths - 1e-4, out=paths)
    limit = ask.rows.current[chunk]
    now = values[:, -1] >= limit
    answers.add_paths(
        chunk, paths, learned.scale, limit=limit, now=now, levels=ask.levels, whole=ask.rows.whole
    )
    answers.add_learned(chunk, learned, ask.calendar, ask.levels)
    # Scheduled events and exact series are certain, however short the history.
    unsure = ~now & ~exact(learned.views[0])
    if ask.events is not None:
        unsure &= ~ask.events[chunk].any(axis=1)
    rows = chunk[unsure]
    answers.reached[rows] = _estimated(answers.reached[rows], paths.shape[2])
    answers.reached[rows] *= _surest(learned.day, values.shape[1] / len(paths))


def _estimated(share: Floats, paths: int) -> Floats:
    """
    Probability of exhaustion by each period, from the share of the sample paths.

    Two more paths run out, spread over the horizon, and two more do not, because a few hundred
    paths do not show that something is impossible.

    References
    ----------
    Agresti and Coull, "Approximate is better than 'exact' for interval estimation of binomial
    proportions", The American Statistician 52(2), 1998.
    """
    passed = np.linspace(0, 1, share.shape[1] + 1)[1:]
    return np.asarray((share * paths + 2 * passed) / (paths + 4))


def _surest(day: int, horizons: float) -> float:
    """
    Maximum probability of a forecast with a history of this many horizons.

    For periods shorter than a day the next days decide, and a history of few horizons contains
    few holidays: the next horizon may differ (Laplace's rule of succession). Forecasts of days
    and longer periods rest on growth, which is more certain.
    """
    return 1 - min(1 / (horizons + 1), _UNSEEN) if day > 1 else 1.0


def event_frame(events: Any) -> pd.DataFrame:
    """Events of any kind as columns time, change and optionally subnet; else InputError."""
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
        return pd.DataFrame(filled, columns=["time", "change", "subnet"][:width])
    lacking = {"time", "change"} - set(events.columns)
    if lacking:
        raise InputError(
            f"events need columns time and change; missing: {', '.join(sorted(lacking))}"
        )
    return events


def event_steps(
    events: Any, rows: Rows, peaks: Panel, horizon: int, usable: NDArray[np.bool_]
) -> tuple[Floats, list[Finding]]:
    """Changes by scheduled events in each future period, (subnets, horizon), and findings."""
    out, late = np.zeros((len(rows.subnets), horizon)), []
    # Rows are sorted, so the last assignment is the newest time with a value.
    ends, seen = np.zeros(len(rows.subnets), dtype=np.int64), ~np.isnan(rows.used)
    ends[rows.code[seen]] = rows.times.asi8[seen]
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
            # An event in the newest period counts from the next one: this peak is known.
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


def judgements(
    answers: Answers,
    rows: Rows,
    panel: Panel,
    usable: NDArray[np.bool_],
    *,
    lengths: tuple[int, ...],
    given: bool,
) -> Iterator[Finding]:
    """Findings about the forecast: newest steps, changed growth, short histories, seasons."""
    periods = np.array([len(v) for v in panel.peaks])
    yield from _newest_step(answers, rows, panel)
    yield from _bent_growth(answers, rows, usable)
    yield from _short_history(answers.reached.shape[1], rows, periods, usable)
    if given:
        yield from _refused_season(lengths, int(periods[usable].max(initial=0)))


def _newest_step(answers: Answers, rows: Rows, panel: Panel) -> Iterator[Finding]:
    usual = np.array([np.nanmean(v) if len(v) else 0.0 for v in panel.peaks])
    size = np.nan_to_num(np.abs(answers.step_size))
    stepped = np.flatnonzero((answers.step_age > 0) & (size >= np.maximum(_TOLD * usual, 1.5)))
    if not len(stepped):
        return
    row = stepped[np.argmax(size[stepped])]
    age, stays = int(answers.step_age[row]), answers.step_stays[row]
    yield told(
        "newest-step",
        f"{count_of(len(stepped), 'subnet')} changed level in the last periods, most of "
        f"all {rows.subnets[row]}: by about {answers.step_size[row]:,.0f}, "
        f"{count_of(age, 'period')} ago",
        f"whether it stays is not known; it does in {100 * stays:.0f} % of the paths",
        severity="warning",
        remedy="check what was deployed; a step that will be reverted can be added as an event",
    )


def _bent_growth(answers: Answers, rows: Rows, usable: NDArray[np.bool_]) -> Iterator[Finding]:
    bent = np.flatnonzero(usable & (answers.views[:, 0] < 1 - _BENT))
    if not len(bent):
        return
    row = bent[np.argmin(answers.views[bent, 0])]
    compound = answers.views[row, VIEWS.index("logarithm")] > _BENT
    yield told(
        "bent-growth",
        f"the growth of {count_of(len(bent), 'subnet')} changes, most of all "
        f"{rows.subnets[row]}: it {'is compound' if compound else 'has changed recently'}",
        "most paths follow the last weeks or a constant rate, as these forecast the "
        "recent past better than the whole history does",
    )


def _short_history(
    horizon: int, rows: Rows, periods: NDArray[np.int64], usable: NDArray[np.bool_]
) -> Iterator[Finding]:
    short = np.flatnonzero(usable & (periods < horizon / 2))
    if not len(short):
        return
    yield told(
        "short-history",
        f"the horizon is more than twice the history of {count_of(len(short), 'subnet')}, "
        f"first {rows.subnets[short[0]]}: {horizon:,} periods from {periods[short[0]]:,}",
        "dates that far ahead are unreliable",
    )


def _refused_season(lengths: tuple[int, ...], periods: int) -> Iterator[Finding]:
    """Finding of a season that is too long, and does not divide a longer usable one."""
    usable = [each for each in lengths if usable_season(each, (each,), periods, given=True)]
    refused = [each for each in lengths if not any(other % each == 0 for other in usable)]
    if not refused:
        return
    yield told(
        "season-too-long",
        f"a season of {count_of(refused[0], 'period')} does not repeat often enough in "
        f"{count_of(periods, 'period')}",
        "it is ignored; the path has no such season",
        severity="warning",
        remedy="give a longer history, or a longer step",
    )
