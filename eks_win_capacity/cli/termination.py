"""Removal of temporary files when the system terminates a command."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def tidy_end() -> Iterator[None]:
    """
    Context whose temporary files are removed before SIGTERM ends the process, as after Ctrl-C.

    An existing handler of SIGTERM stays in place.
    """
    ours = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not ours or threading.current_thread() is not threading.main_thread():
        yield
        return
    ended = threading.Event()

    def end(*_: object) -> None:
        ended.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if ended.is_set():
            signal.raise_signal(signal.SIGTERM)
