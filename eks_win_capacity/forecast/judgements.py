"""What was judged about each history: findings of the newest step, bent growth, too little past."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.core.display import count_of
from eks_win_capacity.forecast.history import told
from eks_win_capacity.forecast.seasons import usable_season

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eks_win_capacity.core.findings import Finding
    from eks_win_capacity.forecast.answers import Answers
    from eks_win_capacity.forecast.history import Rows
    from eks_win_capacity.forecast.peaks import Panel

_TOLD = 0.02
"""Share of the usual use from which a step is a finding."""

BENT = 0.5
"""Share of the paths off the whole history from which its growth counts as bent."""


def judgements(
    answers: Answers,
    rows: Rows,
    panel: Panel,
    usable: NDArray[np.bool_],
    *,
    lengths: tuple[int, ...],
    given: bool,
) -> list[Finding]:
    """Findings about how the histories were read ahead."""
    findings = []
    usual = np.array([np.nanmean(v) if len(v) else 0.0 for v in panel.peaks])
    size = np.nan_to_num(np.abs(answers.step_size))
    stepped = np.flatnonzero((answers.step_age > 0) & (size >= np.maximum(_TOLD * usual, 1.5)))
    if len(stepped):
        row = stepped[np.argmax(size[stepped])]
        age, stays = int(answers.step_age[row]), answers.step_stays[row]
        findings.append(
            told(
                "newest-step",
                f"{count_of(len(stepped), 'subnet')} changed level in the last periods, most of "
                f"all {rows.subnets[row]}: by about {answers.step_size[row]:,.0f}, "
                f"{count_of(age, 'period')} ago",
                f"whether it stays is not known; it does in {100 * stays:.0f} % of the paths",
                severity="warning",
                remedy="ask what was deployed; a step that will be undone can be given as an event",
            )
        )
    bent = np.flatnonzero(usable & (answers.views[:, 0] < 1 - BENT))
    if len(bent):
        row = bent[np.argmin(answers.views[bent, 0])]
        _, logarithm, *_ = answers.views[row]
        what = "is compound" if logarithm > BENT else "is not what it was"
        findings.append(
            told(
                "bent-growth",
                f"the growth of {count_of(len(bent), 'subnet')} bends, most of all "
                f"{rows.subnets[row]}: it {what}",
                "most paths follow the last weeks, or a constant rate, which forecast the newest "
                "past better than the whole history does",
            )
        )
    periods = np.array([len(v) for v in panel.peaks])
    short = np.flatnonzero(usable & (periods < answers.median.shape[1] / 2))
    if len(short):
        findings.append(
            told(
                "short-history",
                f"the horizon is more than twice the history of {count_of(len(short), 'subnet')}, "
                f"first {rows.subnets[short[0]]}: {answers.median.shape[1]:,} periods from "
                f"{periods[short[0]]:,}",
                "dates that far ahead rest on little",
            )
        )
    longest = int(periods[usable].max(initial=0))
    refused = [x for x in lengths if given and not _seen(x, lengths, longest)]
    if refused:
        findings.append(
            told(
                "season-too-long",
                f"a season of {count_of(refused[0], 'period')} is not seen often enough in "
                f"{count_of(longest, 'period')}",
                "it is left out; the path has no such season",
                severity="warning",
                remedy="give a longer history, or a longer step",
            )
        )
    return findings


def _seen(length: int, lengths: tuple[int, ...], periods: int) -> bool:
    """Whether a season is usable, or part of a longer one that is."""
    return any(
        usable_season(other, (other,), periods, given=True)
        for other in lengths
        if other % length == 0
    )
