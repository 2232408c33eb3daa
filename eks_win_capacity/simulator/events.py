"""What happens on a node: events, checked, from rows or columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.addresses.warm_pool import WarmPool
from eks_win_capacity.core import arrays
from eks_win_capacity.core.arguments import real
from eks_win_capacity.core.errors import InputError, MissingValueError, UnsupportedInputError
from eks_win_capacity.simulator.clock import MAX_SECONDS, as_nanoseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

KINDS: Final = ("tick", "assign", "free", "configmap", "drain", "subnet")
_CODES: Final = {kind: code for code, kind in enumerate(KINDS)}
_COMPILED_KINDS: Final = 3


@dataclass(frozen=True)
class Events:
    """
    Checked events as columns.

    Attributes
    ----------
    seconds : float64
        As given, never decreasing on a node. [s]
    times : int64
        The same times. [ns]
    kinds : int8
        Indices in `KINDS`.
    pods : int64
        Pods numbered from 0; -1 for events without a pod.
    subjects : ndarray
        Subjects of the events: a pod, a ConfigMap, a number of free units.
    pod_count : int
        Number of different pods.
    """

    seconds: NDArray[np.float64]
    times: NDArray[np.int64]
    kinds: NDArray[np.int8]
    pods: NDArray[np.int64]
    subjects: Any
    pod_count: int

    @property
    def plain(self) -> bool:
        """Whether all events are assign, free or tick."""
        return not self.kinds.size or int(self.kinds.max()) < _COMPILED_KINDS


def read_events(source: Any, *, starts: Any = ()) -> Events:
    """
    Events from rows, or from the columns ``seconds``, ``kind`` and ``pod``.

    Time may start again at each row of `starts`.

    Raises InputError if a row has the wrong type or length, a kind is unknown, a time is missing,
    negative or before the previous one, or a pod is missing; UnsupportedInputError if the source
    has neither rows nor columns.
    """
    if isinstance(source, Mapping) or hasattr(source, "columns"):
        seconds, kinds, subjects = _columns(source)
    else:
        seconds, kinds, subjects = _rows(source)
    _check_times(seconds, starts)
    pods, count = _pods(kinds, subjects)
    return Events(seconds, as_nanoseconds(seconds), kinds, pods, subjects, count)


def _rows(source: Any) -> tuple[NDArray[Any], NDArray[Any], Any]:
    if (
        isinstance(source, (str, bytes))
        or not isinstance(source, Iterable)
        or source is np.ma.masked
    ):
        raise UnsupportedInputError(
            f"events are rows (seconds, kind, pod) or a table; got {type(source).__name__}"
        )
    rows = list(source)
    seconds = np.empty(len(rows))
    kinds = np.empty(len(rows), dtype=np.int8)
    subjects = np.empty(len(rows), dtype=object)
    for position, row in enumerate(rows):
        if not isinstance(row, (tuple, list, np.ndarray)) or len(row) not in {2, 3}:
            raise InputError(
                f"event {position} must be (seconds, kind) or (seconds, kind, pod); got {row!r}"
            )
        seconds[position] = _time(row[0], position)
        kinds[position] = _kind(row[1], position)
        subjects[position] = row[2] if len(row) == 3 else None
    return seconds, kinds, subjects


def _time(value: object, position: int) -> float:
    seconds = real(value)
    if seconds is None:
        raise InputError(f"event {position} needs a time in seconds; got {value!r}")
    return seconds


def _kind(value: object, position: int) -> int:
    code = _CODES.get(value) if isinstance(value, str) else None
    if code is None:
        raise InputError(f"event {position} is of kind {value!r}; known are {', '.join(KINDS)}")
    return code


def _columns(source: Any) -> tuple[NDArray[Any], NDArray[Any], Any]:
    import pandas as pd

    missing = [name for name in ("seconds", "kind", "pod") if name not in source]
    if missing:
        raise InputError(f"a table of events needs seconds, kind and pod; without {missing}")
    try:
        seconds = np.asarray(arrays.unmasked(source["seconds"], "seconds"), dtype=np.float64)
    except MissingValueError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"seconds must be numbers: {error}") from None
    column = arrays.unmasked(source["kind"], "kind")
    # pandas factorizes a Series of strings several times faster than an object array.
    codes, names = pd.factorize(column if isinstance(column, pd.Series) else np.asarray(column))
    _refuse(codes < 0, lambda _: "has no kind")
    table = [_kind(name, int((codes == code).argmax())) for code, name in enumerate(names)]
    kinds = np.asarray(table, dtype=np.int8)[codes] if table else np.zeros(0, dtype=np.int8)
    subjects = _named(source["pod"])
    if not seconds.shape == kinds.shape == subjects.shape or seconds.ndim != 1:
        raise InputError("seconds, kind and pod must be columns of one length")
    return seconds, kinds, subjects


def _named(column: Any) -> NDArray[Any]:
    """Column of pods as an array; a pod may be a tuple, such as namespace and name."""
    if isinstance(column, (list, tuple)) and any(isinstance(item, tuple) for item in column):
        subjects = np.empty(len(column), dtype=object)
        subjects[:] = column
        return subjects
    if isinstance(column, np.ma.MaskedArray):
        # Ticks name no pod; `_pods` refuses other events without one.
        values: NDArray[Any] = np.ma.getdata(column).astype(object)
        values[np.ma.getmaskarray(column)] = None
        return values
    return np.asarray(column)


def _check_times(seconds: NDArray[np.float64], starts: Any) -> None:
    if not seconds.size:
        return
    _refuse(~np.isfinite(seconds), lambda at: f"needs a finite time in seconds; got {seconds[at]}")
    _refuse(
        seconds > MAX_SECONDS,
        lambda at: (
            f"is at {seconds[at]:g} s, after the last time that whole nanoseconds hold, "
            f"{MAX_SECONDS:,} s; count from when the node was there"
        ),
    )
    _refuse(seconds < 0, lambda at: f"is at {seconds[at]:g} s, before the node was there at 0 s")
    back = np.diff(seconds) < 0
    back[[start - 1 for start in starts if 0 < start < len(seconds)]] = False
    if back.any():
        position = int(back.argmax()) + 1
        raise InputError(
            f"time runs backwards at event {position}: {seconds[position]:g} s after "
            f"{seconds[position - 1]:g} s; sort the events by time"
        )


def _refuse(wrong: NDArray[np.bool_], why: Callable[[int], str]) -> None:
    """Refuse the first event that is wrong; `why` completes the message from its position."""
    if wrong.any():
        position = int(wrong.argmax())
        raise InputError(f"event {position} {why(position)}")


def _pods(kinds: NDArray[np.int8], subjects: Any) -> tuple[NDArray[np.int64], int]:
    """Pods numbered from 0, in order of appearance or by their given numbers, and their count."""
    import pandas as pd

    named = (kinds == _CODES["assign"]) | (kinds == _CODES["free"])
    pods = np.full(kinds.shape, -1, dtype=np.int64)
    chosen = subjects if named.all() else subjects[named]
    if not chosen.size:
        return pods, 0
    if chosen.dtype.kind in "iu" and chosen.min() >= 0 and chosen.max() < 4 * kinds.size + 1024:
        pods[named] = chosen
        return pods, int(chosen.max()) + 1
    if (missing := pd.isna(chosen)).any():
        raise InputError(f"event {np.flatnonzero(named)[missing.argmax()]} must name a pod")
    try:
        codes, names = pd.factorize(chosen)
    except TypeError as error:
        raise InputError(f"a pod must be a name or a number: {error}") from None
    pods[named] = codes
    return pods, len(names)


def subject_pool(subject: object, *, nitro: bool, position: int) -> WarmPool:
    """Pool of a configmap event, whose subject is a WarmPool or a ConfigMap."""
    if isinstance(subject, WarmPool):
        return subject
    if subject is not None and math.isnan(subject if isinstance(subject, float) else 0.0):
        raise InputError(f"event {position} must bring a WarmPool or a ConfigMap; got nan")
    return WarmPool.from_configmap(subject, nitro=nitro)
