"""How long columns are worked on: span by span, on several threads where there are several spans."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

SPAN: Final = 1 << 19
"""Rows that are worth a thread: a thread costs what some ten thousand rows do."""


def over_spans(length: int, work: Callable[[int, int], T], *, span: int = SPAN) -> list[T]:
    """
    What `work` gives for each span of a column, from its first row to the one behind its last.

    The threads are as many as pyarrow would use, so that one setting bounds both:
    ``pyarrow.set_cpu_count``, or OMP_NUM_THREADS before it is loaded. Where pyarrow is
    not loaded there is one.

    Parameters
    ----------
    length : int
        Rows of the column.
    work : callable
        Must spend its time in NumPy or Arrow, which let other threads run meanwhile,
        and write nowhere but between its two rows.
    span : int
        Rows of a span.
    """
    if length <= span:
        return [work(0, length)]
    starts = range(0, length, span)
    stops = [min(start + span, length) for start in starts]
    pyarrow = sys.modules.get("pyarrow")
    threads = 1 if pyarrow is None else min(len(starts), pyarrow.cpu_count())
    if threads <= 1:
        return list(map(work, starts, stops))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, starts, stops))
