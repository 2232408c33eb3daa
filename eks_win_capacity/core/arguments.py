"""Does an argument have the type that its parameter needs, or which error is raised."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from eks_win_capacity.core.errors import InputError, UnsupportedInputError

__all__ = ["mapping", "names", "number", "of_kind", "real", "text"]


def of_kind(value: object, kind: type, *, name: str, cure: str = "") -> None:
    """
    Check that a value is an instance of a class.

    Raises UnsupportedInputError if it is not; `cure` ends the message.
    """
    if not isinstance(value, kind):
        raise UnsupportedInputError(
            f"{name} must be a {kind.__name__}; got {type(value).__name__}{cure}"
        )


def text(value: object, *, name: str) -> str:
    """
    Argument as one string.

    Raises UnsupportedInputError for other types.
    """
    if not isinstance(value, str):
        raise UnsupportedInputError(f"{name} must be a string; got {value!r:.60}")
    return str(value)


def names(value: object, *, name: str) -> list[str]:
    """
    List of the strings of an iterable; one string is a list of one.

    Raises UnsupportedInputError if it is not an iterable of strings.

    Examples
    --------
    >>> names("m5.large", name="types"), names(("a", "b"), name="types")
    (['m5.large'], ['a', 'b'])
    """
    if isinstance(value, str):
        return [value]
    items = list(value) if isinstance(value, Iterable) and not isinstance(value, bytes) else [None]
    if all(isinstance(item, str) for item in items):
        return [str(item) for item in items]
    raise UnsupportedInputError(f"{name} must be strings; got {value!r:.60}")


def number(value: object, *, name: str, low: float = 0.0) -> float:
    """
    Argument as a finite number, at least `low`.

    Raises InputError for other values.
    """
    as_float = real(value)
    if as_float is None or not low <= as_float < math.inf:
        raise InputError(f"{name} must be a number from {low:g} up; got {value!r:.60}")
    return as_float


_NO_NUMBERS = {"bool", "bool_", "MaskedConstant"}


def real(value: Any) -> float | None:
    """
    A real number of any library as a float; None for other values.

    Flags and strings are not numbers, nor is a column with one number.

    Examples
    --------
    >>> import numpy as np
    >>> real(np.float32(1.5)), real(True), real("1"), real(np.array([1.0])), real(10**400)
    (1.5, None, None, None, None)
    """
    # float() also accepts NumPy's flags and its masked value, and columns with one number.
    if isinstance(value, (str, bytes)) or type(value).__name__ in _NO_NUMBERS:
        return None
    if not hasattr(value, "__float__") or getattr(value, "shape", ()) != ():
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def mapping(value: Any, *, name: str, of: str = "names to numbers") -> Mapping[Any, Any]:
    """
    Argument as a mapping, from a mapping or a Series.

    Raises UnsupportedInputError for other types.
    """
    if isinstance(value, Mapping):
        return value
    if hasattr(value, "items") and hasattr(value, "dtype"):
        return dict(value.items())
    raise UnsupportedInputError(f"{name} must be a mapping of {of}; got {type(value).__name__}")
