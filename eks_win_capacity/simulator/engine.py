"""Which engine runs the machine: plain Python, or compiled on first use."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

from eks_win_capacity.core import arrays
from eks_win_capacity.core.errors import MissingExtraError
from eks_win_capacity.simulator import machine

if TYPE_CHECKING:
    from collections.abc import Callable

Engine = Literal["auto", "compiled", "reference"]
_ENGINES: Final = ("auto", "compiled", "reference")


def check_engine(engine: str) -> None:
    """Refuse an unknown engine."""
    arrays.choice(engine, _ENGINES, name="engine")


def available() -> bool:
    """Whether numba is installed."""
    import importlib.util

    return importlib.util.find_spec("numba") is not None


def compiled(entry: str) -> Callable[..., Any]:
    """
    Compiled form of a function of the machine, by its name.

    Raises MissingExtraError if numba is not installed.
    """
    try:
        import numba  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            "numba", extra="simulate", purpose="the compiled simulator"
        ) from None
    return _compiled(entry)


@cache
def _compiled(entry: str) -> Callable[..., Any]:
    import numba
    from numba.extending import register_jitable

    # The parts create no arrays and only borrow those of the entry. Atomic reference counts at
    # every call took three fifths of the time.
    for part in machine.PARTS:
        register_jitable(_nrt=False)(part)
    function = getattr(machine, entry)
    try:
        return numba.njit(function, cache=True)  # type: ignore[no-any-return]
    except RuntimeError:
        # A read-only installation cannot store the cache, so each process compiles again.
        return numba.njit(function)  # type: ignore[no-any-return]
