"""How are results compared, copied and pickled, with arrays and missing values in them."""

from __future__ import annotations

import copyreg
import sys
from dataclasses import fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["is_missing", "read_only", "same_values"]

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


def read_only(mapping: Mapping[KeyT, ValueT]) -> Mapping[KeyT, ValueT]:
    """
    Read-only copy of a mapping, which can be pickled and copied.

    Examples
    --------
    >>> import pickle
    >>> pickle.loads(pickle.dumps(read_only({"a": 1})))
    mappingproxy({'a': 1})
    """
    return MappingProxyType(dict(mapping))


def _parts(mapping: MappingProxyType[Any, Any]) -> tuple[Any, ...]:
    return read_only, (dict(mapping),)


# Python cannot pickle a MappingProxyType.
copyreg.pickle(MappingProxyType, _parts)


def same_values(first: object, second: object) -> bool:
    """
    Equality of two dataclasses of one class, for use as their ``__eq__``.

    The generated ``__eq__`` fails, because arrays and frames have no truth value. Missing values
    in the same position are equal.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Answer:
    ...     days: object
    ...     __eq__ = same_values
    >>> import numpy as np
    >>> Answer(np.array([1, 2])) == Answer(np.array([1, 2]))
    True
    """
    if first is second:
        return True
    if type(first) is not type(second):
        return NotImplemented  # type: ignore[no-any-return]
    return all(
        _same(getattr(first, field.name), getattr(second, field.name))
        for field in fields(first)  # type: ignore[arg-type]
        if field.compare
    )


def _same(first: Any, second: Any) -> bool:
    if first is second:
        return True
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if pandas is not None and isinstance(first, (pandas.DataFrame, pandas.Series, pandas.Index)):
        return type(first) is type(second) and bool(first.equals(second))
    if numpy is not None and (
        isinstance(first, numpy.ndarray) or isinstance(second, numpy.ndarray)
    ):
        return _same_arrays(numpy, first, second)
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_same(first[k], second[k]) for k in first)
    if isinstance(first, (list, tuple)) and type(first) is type(second):
        return len(first) == len(second) and all(map(_same, first, second))
    return bool(first == second)


def _same_arrays(numpy: Any, first: Any, second: Any) -> bool:
    if type(first) is not type(second) or first.shape != second.shape:
        return False
    # array_equal only accepts `equal_nan` for dtypes with missing values.
    missing = first.dtype.kind in "fcmM" and second.dtype.kind in "fcmM"
    return bool(numpy.array_equal(first, second, equal_nan=missing))


def is_missing(value: Any) -> bool:
    """
    Whether a value is missing: None, NaN, NaT, pandas' NA, or NumPy's ``masked``.

    Examples
    --------
    >>> is_missing(None), is_missing(float("nan")), is_missing(0), is_missing("")
    (True, True, False, False)
    """
    if value is None or isinstance(value, str):
        return value is None
    # NumPy's masked equals itself; checked by name, to avoid loading NumPy.
    if type(value).__name__ == "MaskedConstant":
        return True
    try:
        return bool(value != value)  # noqa: PLR0124
    except TypeError:  # pandas' NA refuses to say
        return True
    except ValueError:  # an array is not a value
        return False
