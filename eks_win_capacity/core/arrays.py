"""Which numbers, flags and columns are in an argument, and the result in the same kind."""

from __future__ import annotations

import operator
import sys
import weakref
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from eks_win_capacity.core.constants import MAX_COUNT
from eks_win_capacity.core.errors import (
    IndexMismatchError,
    InputError,
    InvalidCountError,
    MissingValueError,
    ShapeMismatchError,
    UnsupportedInputError,
    count_of,
    positions_of,
)
from eks_win_capacity.core.values import is_missing

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray


SHOWN = 5
"""Maximum number of positions in an error."""


def is_series(value: object) -> bool:
    """Whether a value is a pandas Series; does not load pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.Series)


def is_scalar(value: object) -> bool:
    """Whether a value is a scalar; an array without dimensions is not."""
    return not isinstance(value, (np.ndarray, list, tuple)) and np.ndim(value) == 0  # type: ignore[arg-type]


def first_positions(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """First few positions at which a mask is true, in flattened order."""
    flat = mask.ravel()
    positions: list[int] = []
    start = 0
    while len(positions) < SHOWN and start < flat.size:
        step = int(flat[start:].argmax())
        if not flat[start + step]:
            break
        positions.append(start + step)
        start += step + 1
    return tuple(positions)


def plain(value: object, name: str) -> NDArray[Any]:
    """Value as an array of its own dtype; MissingValueError if one is missing."""
    refuse_frame(value, name)
    if isinstance(value, np.ma.MaskedArray):
        value = unmasked(value, name)
    if type(value).__module__.split(".")[0] == "pandas" and hasattr(value, "isna"):
        missing = np.asarray(value.isna())
        if missing.any():
            raise missing_error(missing, name)
        return np.asarray(value)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeMismatchError(f"{name} is ragged: {error}") from error
    if array.dtype.kind == "f" and array.dtype.itemsize < np.dtype(np.float64).itemsize:
        # Limits compared with float16 would become infinite.
        array = array.astype(np.float64)
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise missing_error(np.isnan(array), name)
    if array.dtype.kind == "O":
        missing = np.array([is_missing(item) for item in array.flat], dtype=np.bool_)
        if missing.any():
            raise missing_error(missing, name)
    return array


def unmasked(value: Any, name: str) -> Any:
    """
    Values of an array without a mask; other values unchanged.

    Raises MissingValueError if a value is masked.
    """
    if not isinstance(value, np.ma.MaskedArray):
        return value
    missing = np.ma.getmaskarray(value)
    if missing.any():
        raise missing_error(missing, name)
    return np.ma.getdata(value)


def missing_error(missing: NDArray[np.bool_], name: str) -> MissingValueError:
    """Error with the number and the first positions of missing values in a column."""
    count, positions = int(missing.sum()), first_positions(missing)
    return MissingValueError(
        f"{name} has {count_of(count, 'missing value')}, first at {positions_of(positions)}",
        positions=positions,
        count=count,
    )


def counts(
    value: object, *, name: str, low: int = 0, high: int = MAX_COUNT, copy: bool = True
) -> NDArray[np.int64]:
    """
    Whole numbers of any dtype as int64, so that arithmetic on narrow dtypes cannot wrap.

    Whole floats are accepted, booleans are not; both limits are included. Without `copy` the
    result may share memory with an int64 input.

    Raises InvalidCountError if a value is not a whole number or lies outside the limits;
    MissingValueError if a value is missing.
    """
    array = plain(value, name)
    kind = array.dtype.kind
    if kind == "O":
        array = _indexed(array, name, low, high)
    elif array.size == 0 and kind == "f":
        return np.zeros(array.shape, dtype=np.int64)
    elif kind not in "iuf":
        raise _count_error(name, low, high, array.flat[0] if array.size else value)
    # Compared before the cast, because uint64 and float can exceed int64.
    if array.size and (kind == "f" or array.min() < low or array.max() > high):
        bad = (array < low) | (array > high)
        if kind == "f":
            bad |= array != np.trunc(array)
        if bad.any():
            position = first_positions(bad)[0] if bad.ndim else None
            raise _count_error(name, low, high, array[bad].flat[0], position)
    return array.astype(np.int64, copy=copy)


def count(value: object, *, name: str, low: int = 0, high: int = MAX_COUNT) -> int:
    """
    One whole number, with the rules of :func:`counts`.

    Raises InvalidCountError if it is not one whole number inside the limits; MissingValueError if
    it is missing.
    """
    number = counts(value, name=name, low=low, high=high)
    if number.ndim:
        raise InvalidCountError(
            f"{name} must be one whole number from {low:,} to {high:,}; got a column of "
            f"shape {number.shape}"
        )
    return int(number)


def choice(value: object, choices: Collection[str], *, name: str) -> str:
    """
    Argument that must be one of several strings.

    Raises InputError for other values.
    """
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}; got {value!r}")
    return str(value)


def _indexed(array: NDArray[Any], name: str, low: int, high: int) -> NDArray[Any]:
    """Array of Python integers from an array of objects."""
    out = np.empty(array.shape, dtype=object)
    for position, item in enumerate(array.flat):
        if isinstance(item, (bool, np.bool_)):
            raise _count_error(name, low, high, item, position if array.ndim else None)
        try:
            out.flat[position] = operator.index(item)
        except TypeError:
            if isinstance(item, float) and item.is_integer():
                out.flat[position] = int(item)
                continue
            raise _count_error(name, low, high, item, position if array.ndim else None) from None
    return out


def _count_error(
    name: str, low: int, high: int, value: object, position: int | None = None
) -> InvalidCountError:
    shown = value.item() if isinstance(value, np.generic) else value
    where = "" if position is None else f" at position {position}"
    return InvalidCountError(
        f"{name} must be a whole number from {low:,} to {high:,}; got {shown!r}{where}"
    )


def flag(value: object, *, name: str) -> bool:
    """
    Argument as a bool; numbers and strings are refused, because ``"false"`` is true.

    Raises InputError for other types.

    Examples
    --------
    >>> flag("false", name="compare")
    Traceback (most recent call last):
        ...
    eks_win_capacity.core.errors.InputError: compare must be True or False; got 'false'
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise InputError(f"{name} must be True or False; got {value!r:.60}")


def flags(value: object, *, name: str) -> NDArray[np.bool_]:
    """Array of booleans; InputError for numbers and strings, because ``"false"`` is true."""
    array = plain(value, name)
    if array.dtype.kind != "b":
        for position, item in enumerate(array.flat):
            if not isinstance(item, (bool, np.bool_)):
                shown = item.item() if isinstance(item, np.generic) else item
                where = f" at position {position}" if array.ndim else ""
                raise InputError(f"{name} must be True or False; got {shown!r}{where}")
    return array.astype(np.bool_)


def common_shape(**columns: Any) -> tuple[int, ...]:
    """
    Shape to which columns broadcast.

    Raises ShapeMismatchError if they do not; the error names each column with its shape;
    IndexMismatchError if two Series have different indexes.
    """
    common_index(**columns)
    shapes = {}
    for name, value in columns.items():
        try:
            shapes[name] = np.shape(value)
        except ValueError as error:
            raise ShapeMismatchError(f"{name} is ragged: {error}") from error
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError as error:
        named_shapes = ", ".join(f"{name} {shape}" for name, shape in shapes.items() if shape)
        raise ShapeMismatchError(f"shapes do not go together: {named_shapes}") from error


def common_index(**columns: object) -> Any:
    """Index of the Series among some columns, which must be equal; None without a Series."""
    first_name, first = "", None
    for name, value in columns.items():
        if not is_series(value):
            continue
        index = value.index  # type: ignore[attr-defined]
        if first is None:
            first_name, first = name, index
        elif not first.equals(index):
            raise IndexMismatchError(
                f"{first_name} and {name} are Series with different indexes; nothing is aligned "
                f"silently: give both the same index, or {name}.to_numpy()"
            )
    return first


def in_kind(result: NDArray[Any], *, answer: str, **columns: object) -> Any:
    """
    Result in the kind of the columns, whose common shape it has.

    A Series named `answer` if any column is a Series; else an array if any is an array or a
    sequence; else a Python scalar.
    """
    index = common_index(**columns)
    if index is not None:
        if result.shape != (len(index),):
            raise ShapeMismatchError(
                f"a Series of {len(index):,} rows does not match columns of shape {result.shape}"
            )
        import pandas as pd

        return pd.Series(result, index=index, name=answer, copy=False)
    if all(is_scalar(value) for value in columns.values()):
        return result.item()
    return result


def refuse_frame(value: object, name: str) -> None:
    """Refuse a DataFrame, because only one of its columns can be meant."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.DataFrame):
        raise UnsupportedInputError(f"{name} is a DataFrame; give one of its columns")


T = TypeVar("T")


class KeptFor(Generic[T]):
    """
    Small cache of values by the identity of an object.

    A column has no hash, and comparing two costs more than computing the value again. The object is
    referenced weakly, so it is not kept alive, and a new object at the same address is not
    mistaken for it. When `most` values are in the cache, the next one clears it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[int, tuple[weakref.ref[Any], T]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, owner: object) -> T | None:
        """Value of an object; None if it has none."""
        kept = self._kept.get(id(owner))
        return kept[1] if kept is not None and kept[0]() is owner else None

    def keep(self, owner: object, value: T) -> T:
        """The value, after adding it to the cache until its object is deleted."""
        key, kept = id(owner), self._kept
        if len(kept) >= self._most:
            kept.clear()
        kept[key] = (weakref.ref(owner, lambda _: kept.pop(key, None)), value)
        return value
