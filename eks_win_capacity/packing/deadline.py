"""When a search must end, and solver calls that stop at that time."""

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
"""Time that the solver may run past its limit before it is abandoned: it checks the clock only
between steps. [s]"""

_LOOK: Final = 0.2
"""Time between two checks for an interrupt while the solver works. [s]"""

_TIME_OVER: Final = 1
"""Status of SciPy's solvers if a limit on time or steps stopped them."""


_LEFT: Final[list[threading.Thread]] = []
"""Threads of abandoned solver calls."""

_PATIENCE: Final = 10.0
"""Time that the interpreter waits for these threads at exit: the process aborts if a working solver
is torn down. [s]"""


@atexit.register
def _wait_for_solvers() -> None:
    end = time.monotonic() + _PATIENCE
    for thread in _LEFT:
        thread.join(max(0.0, end - time.monotonic()))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """
    Discard what the solver writes to standard output.

    HiGHS prints a line for some integer programs whatever its options, bypassing ``sys.stdout``. It
    would end up inside the JSON that a command prints.
    """
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:
        # Without standard output, such as in a service, nothing needs protection.
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
    """The deadline passed during a step; the results of earlier steps remain valid."""


@dataclass(frozen=True)
class Deadline:
    """
    The time at which a search ends.

    Attributes
    ----------
    end : float
        Time on the clock; infinite if only counts of steps end the work. [s]
    clock : callable
        Function that returns the current time. [s]
    """

    end: float = math.inf
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Deadline a number of seconds from now."""
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self.end - self.clock())

    def over(self) -> bool:
        """Whether the deadline has passed."""
        return self.end < math.inf and self.clock() > self.end

    def check(self) -> None:
        """
        Raise an error if the deadline has passed.

        Raises
        ------
        OutOfTimeError
            If the deadline has passed.
        """
        if self.clock() > self.end:
            raise OutOfTimeError

    def part(self, share: float) -> Deadline:
        """Deadline after a part of the time left."""
        if not math.isfinite(self.end):
            return self
        return replace(self, end=self.clock() + share * self.left())

    def linprog(self, cost: Any, **asked: Any) -> Any:
        """
        Solve a linear program with HiGHS before the deadline.

        Raises
        ------
        OutOfTimeError
            If the solver did not finish in time.
        """
        from scipy.optimize import linprog

        self.check()
        solved = self._run(lambda: linprog(cost, options=self._limit(), **asked))
        if solved.status == _TIME_OVER:
            raise OutOfTimeError
        return solved

    def milp(self, cost: Any, *, options: dict[str, Any], **asked: Any) -> Any:
        """
        Solve an integer program with HiGHS; at the deadline, its best solution so far is returned.

        Raises
        ------
        OutOfTimeError
            If the solver did not stop in time.
        """
        from scipy.optimize import milp

        self.check()
        with quiet():
            return self._run(lambda: milp(cost, options=options | self._limit(), **asked))

    def _limit(self) -> dict[str, float]:
        return {"time_limit": max(1e-3, self.left())} if math.isfinite(self.end) else {}

    def _run(self, call: Callable[[], Any]) -> Any:
        """
        Run a solver call in another thread, so that this one can be interrupted.

        HiGHS releases the GIL while it works but handles no signals, and some of its steps
        (presolve, the root of a large integer program) ignore its time limit.
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
        patience = max(0.0, self.end - self.clock()) + _LINGER
        while thread.is_alive() and patience > 0:
            # A wait without a timeout would miss an interrupt delivered to another thread.
            thread.join(min(patience, _LOOK))
            patience -= _LOOK
        if failure:
            raise failure[0]
        if not answer:
            _LEFT[:] = [one for one in (*_LEFT, thread) if one.is_alive()]
            raise OutOfTimeError
        return answer[0]


NEVER: Final = Deadline()
"""The deadline of work that only counts of steps end."""
