"""When the work must end, and solver calls that end with it."""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import sys
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LINGER: Final = 0.15
"""Time the solver has beyond its limit before it is left behind: it looks at the clock only
between its steps. [s]"""

_LOOK: Final = 0.2
"""Time between two looks for an interrupt while the solver works. [s]"""

_TIME_OVER: Final = 1
"""Status of SciPy's solvers where a limit on time or steps ended them."""


_LEFT: Final[list[threading.Thread]] = []
"""Threads of the solver that were left behind."""

_PATIENCE: Final = 10.0
"""Time that the end of the interpreter waits for these: the solver aborts the process if it is
torn down while it works. [s]"""


@atexit.register
def _wait_for_solvers() -> None:
    end = time.monotonic() + _PATIENCE
    for thread in _LEFT:
        thread.join(max(0.0, end - time.monotonic()))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """
    Keep the solver off standard output.

    HiGHS writes a line of its own there for some integer programs, whatever it is told, past
    Python; it would stand in the middle of the JSON that a command prints.
    """
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:
        # No standard output, as under a service: nothing to keep clean.
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(sink)
        os.close(kept)


class OutOfTimeError(Exception):
    """The deadline passed in the middle of a step; what was found before it stands."""


@dataclass(frozen=True)
class Deadline:
    """
    The time at which a search ends.

    Attributes
    ----------
    end : float
        When, by the clock; infinite where nothing ends the work but its own counts. [s]
    clock : callable
        The time. [s]
    """

    end: float = math.inf
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Deadline so many seconds from now."""
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds left; zero where there are none."""
        return max(0.0, self.end - self.clock())

    def over(self) -> bool:
        """Whether the time is over."""
        return self.end < math.inf and self.clock() > self.end

    def check(self) -> None:
        """
        End the step where the time is over.

        Raises
        ------
        OutOfTimeError
            If the deadline has passed.
        """
        if self.clock() > self.end:
            raise OutOfTimeError

    def part(self, share: float) -> Deadline:
        """Deadline after a part of what is left."""
        if not math.isfinite(self.end):
            return self
        return replace(self, end=self.clock() + share * self.left())

    def linprog(self, cost: Any, **asked: Any) -> Any:
        """
        Solve a linear program with HiGHS before the deadline.

        Raises
        ------
        OutOfTimeError
            If it did not end in time.
        """
        from scipy.optimize import linprog

        self.check()
        solved = self._run(lambda: linprog(cost, options=self._limit(), **asked))
        if solved.status == _TIME_OVER:
            raise OutOfTimeError
        return solved

    def milp(self, cost: Any, *, options: dict[str, Any], **asked: Any) -> Any:
        """
        Solve an integer program with HiGHS before the deadline; its best choice so far counts.

        Raises
        ------
        OutOfTimeError
            If it did not stop in time.
        """
        from scipy.optimize import milp

        self.check()
        with quiet():
            return self._run(lambda: milp(cost, options=options | self._limit(), **asked))

    def _limit(self) -> dict[str, float]:
        return {"time_limit": max(1e-3, self.left())} if math.isfinite(self.end) else {}

    def _run(self, call: Callable[[], Any]) -> Any:
        """
        Run a call of the solver beside this thread, which stays open to an interrupt.

        HiGHS frees the interpreter while it works but handles no signal, and some of its steps
        (presolve, the root of a large integer program) do not look at its time limit.
        """
        answer: list[Any] = []
        failure: list[BaseException] = []

        def work() -> None:
            try:
                answer.append(call())
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                failure.append(error)

        thread = threading.Thread(target=work, name="highs", daemon=True)
        thread.start()
        patience = self.left() + _LINGER
        while thread.is_alive() and patience > 0:
            # A wait without end would not see an interrupt that another thread was given.
            thread.join(min(patience, _LOOK))
            patience -= _LOOK
        if failure:
            raise failure[0]
        if not answer:
            _LEFT[:] = [one for one in (*_LEFT, thread) if one.is_alive()]
            raise OutOfTimeError
        return answer[0]


NEVER: Final = Deadline()
"""The deadline of work that only its own counts end."""
