"""What a forecast found out, as arrays by subnet, and the findings of what was judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.core.display import count_of
from eks_win_capacity.core.findings import told
from eks_win_capacity.core.values import same_values
from eks_win_capacity.forecast.history_views import VIEWS
from eks_win_capacity.forecast.seasons import usable_season

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from eks_win_capacity.core.findings import Finding
    from eks_win_capacity.forecast.history import Rows
    from eks_win_capacity.forecast.peaks import Panel

    Floats = NDArray[np.float64]
    Found = list[tuple[NDArray[np.intp], Floats]]

_TOLD = 0.02
"""Share of the usual use from which a step is a finding."""

_BENT = 0.5
"""Share of the paths off the whole history from which its growth counts as bent."""


@dataclass
class Answers:
    """Arrays by subnet, filled chunk by chunk."""

    demand: Floats
    median: Floats
    lower: Floats
    upper: Floats
    reached: Floats
    exhausted: NDArray[np.bool_]
    alpha: Floats
    phi: Floats
    drift: Floats
    views: Floats
    step_age: NDArray[np.int64]
    step_size: Floats
    step_stays: Floats
    origins: NDArray[np.int64]
    backtest_mae: Floats
    backtest_naive: Floats
    backtest_covered: Floats
    shifts: Found
    outliers: Found
    seasons: list[tuple[int, ...]]

    __eq__ = same_values

    @classmethod
    def empty(cls, count: int, horizon: int, levels: int) -> Answers:
        """Make room; what is never filled stays missing."""

        def room(*shape: int) -> Floats:
            return np.full(shape, np.nan)

        none = (np.zeros(0, dtype=np.intp), np.zeros(0))
        return cls(
            room(count, horizon),
            room(count, horizon),
            room(count, horizon, levels),
            room(count, horizon, levels),
            room(count, horizon),
            np.zeros(count, dtype=bool),
            room(count),
            room(count),
            room(count),
            np.zeros((count, len(VIEWS))),
            np.zeros(count, dtype=np.int64),
            room(count),
            room(count),
            np.zeros(count, dtype=np.int64),
            room(count),
            room(count),
            room(count, levels),
            [none] * count,
            [none] * count,
            [()] * count,
        )


def judgements(
    answers: Answers,
    rows: Rows,
    panel: Panel,
    usable: NDArray[np.bool_],
    *,
    lengths: tuple[int, ...],
    given: bool,
) -> Iterator[Finding]:
    """Findings about how the histories were read ahead."""
    periods = np.array([len(v) for v in panel.peaks])
    yield from _newest_step(answers, rows, panel)
    yield from _bent_growth(answers, rows, usable)
    yield from _short_history(answers.median.shape[1], rows, periods, usable)
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
        remedy="ask what was deployed; a step that will be undone can be given as an event",
    )


def _bent_growth(answers: Answers, rows: Rows, usable: NDArray[np.bool_]) -> Iterator[Finding]:
    bent = np.flatnonzero(usable & (answers.views[:, 0] < 1 - _BENT))
    if not len(bent):
        return
    row = bent[np.argmin(answers.views[bent, 0])]
    compound = answers.views[row, VIEWS.index("logarithm")] > _BENT
    yield told(
        "bent-growth",
        f"the growth of {count_of(len(bent), 'subnet')} bends, most of all "
        f"{rows.subnets[row]}: it {'is compound' if compound else 'is not what it was'}",
        "most paths follow the last weeks, or a constant rate, which forecast the newest "
        "past better than the whole history does",
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
        "dates that far ahead rest on little",
    )


def _refused_season(lengths: tuple[int, ...], periods: int) -> Iterator[Finding]:
    """Finding of a season that is too long, and not part of a longer one that is usable."""

    def seen(length: int) -> bool:
        return any(
            usable_season(other, (other,), periods, given=True)
            for other in lengths
            if other % length == 0
        )

    refused = [length for length in lengths if not seen(length)]
    if not refused:
        return
    yield told(
        "season-too-long",
        f"a season of {count_of(refused[0], 'period')} is not seen often enough in "
        f"{count_of(periods, 'period')}",
        "it is left out; the path has no such season",
        severity="warning",
        remedy="give a longer history, or a longer step",
    )
