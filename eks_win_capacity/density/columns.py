"""Which names are in a column of any library, and the result as the same kind of column."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from eks_win_capacity.core import arrays
from eks_win_capacity.core.arrays import KeptFor
from eks_win_capacity.core.errors import (
    MissingExtraError,
    ShapeMismatchError,
    UnsupportedInputError,
)
from eks_win_capacity.core.values import is_missing

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNSIGNED: Final = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}

_ENUMS: Final[KeptFor[list[str]]] = KeptFor(16)
"""Cached categories of Polars' enum columns: reading them takes longer than a thousand rows."""

Kind = Literal["scalar", "array", "series", "index", "arrow", "chunked", "polars"]


@dataclass(frozen=True, slots=True)
class Coded:
    """
    Codes of categories; a code beyond the last category is a missing value.

    The owner, if any, is an object that has the same categories throughout its lifetime, so
    results for the categories are cached for it.
    """

    codes: NDArray[Any]
    listed: Callable[[], Sequence[object]]
    owner: Any = None

    @property
    def categories(self) -> Sequence[object]:
        """Value of each code."""
        return self.listed()

    def __len__(self) -> int:
        return len(self.codes)

    def value(self, position: int) -> object:
        """One value; None if it is missing."""
        code, categories = int(self.codes[position]), self.categories
        return categories[code] if code < len(categories) else None


@dataclass(frozen=True, slots=True)
class ArrowText:
    """An Arrow array of strings."""

    array: Any

    def __len__(self) -> int:
        return len(self.array)

    def value(self, position: int) -> object:
        """One value; None if it is missing."""
        return self.array[position].as_py()


@dataclass(frozen=True, slots=True)
class Objects:
    """A list, or a NumPy array of objects or strings."""

    values: list[Any] | NDArray[Any]

    def __len__(self) -> int:
        return len(self.values)

    def value(self, position: int) -> object:
        """One value; a NumPy scalar as a Python object."""
        value = self.values[position]
        return value.item() if isinstance(value, np.generic) else value

    def blocks(self, size: int) -> Iterator[list[Any]]:
        """Values as lists, in blocks to limit memory."""
        for start in range(0, len(self.values), size):
            block = self.values[start : start + size]
            yield block if isinstance(block, list) else block.tolist()


Part = Coded | ArrowText | Objects


@dataclass(frozen=True, slots=True)
class Names:
    """A column of names in parts, with its shape and kind."""

    column: Any
    kind: Kind
    shape: tuple[int, ...]
    parts: tuple[Part, ...]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def values(self, positions: NDArray[np.intp]) -> list[object]:
        """Values at some positions of the flattened column."""
        starts = np.cumsum([0, *map(len, self.parts)])
        part_numbers = np.searchsorted(starts, positions, side="right") - 1
        return [
            self.parts[number].value(offset)
            for number, offset in zip(
                part_numbers.tolist(), (positions - starts[part_numbers]).tolist(), strict=True
            )
        ]


def read_names(column: object, name: str) -> Names:
    """
    Parts, shape and kind of a column of names, without copying it.

    Raises UnsupportedInputError, with the type, if it is not a column of names;
    ShapeMismatchError if nested sequences are ragged.
    """
    if isinstance(column, list):
        return _read_sequence(column, name)
    for library, read in _READERS.items():
        module = sys.modules.get(library)
        if module is not None:
            names = read(column, module, name)
            if names is not None:
                return names
    if isinstance(column, np.ndarray):
        return _read_numpy(column, name)
    if isinstance(column, str) or (isinstance(column, float | None) and is_missing(column)):
        return Names(column, "scalar", (), (Objects([column]),))
    if isinstance(column, Sequence) and not isinstance(column, (bytes, bytearray, range)):
        return _read_sequence(list(column), name)
    if hasattr(column, "__arrow_c_stream__"):
        try:
            import pyarrow as pa
        except ImportError:
            raise MissingExtraError("pyarrow", extra="arrow", purpose="an Arrow column") from None
        return _read_chunked(pa.chunked_array(column), column, "chunked", name)
    kind = type(column).__name__
    raise _unsupported(name, f"a{'n' * (kind[0] in 'aeiouAEIO')} {kind}")


def _read_numpy(array: NDArray[Any], name: str, kind: Kind = "array", column: Any = None) -> Names:
    if isinstance(array, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(array)
        array = np.ma.getdata(array).astype(object)
        array[masked] = None
    if array.dtype.kind not in "OUT" and array.size:
        hint = "; decode it first" if array.dtype.kind == "S" else ""
        raise _unsupported(name, f"a NumPy array of {array.dtype}{hint}")
    if array.size == 0 and array.dtype.kind not in "OUT":
        array = array.astype(object)
    source = array if column is None else column
    return Names(source, kind, array.shape, (Objects(array.reshape(array.size)),))


def _read_sequence(values: list[Any], name: str) -> Names:
    if values and not isinstance(values[0], str) and isinstance(values[0], (Sequence, np.ndarray)):
        if isinstance(values[0], (bytes, bytearray)):
            raise _unsupported(name, "a sequence of bytes; decode it first")
        try:
            array = np.array(values, dtype=object)
        except ValueError as error:
            raise ShapeMismatchError(f"{name} is ragged: {error}") from error
        if any(isinstance(item, (list, tuple, np.ndarray)) for item in array.flat):
            raise ShapeMismatchError(f"{name} is ragged: its rows have different lengths")
        return _read_numpy(array, name)
    return Names(values, "array", (len(values),), (Objects(values),))


def _read_pandas(column: Any, pandas: Any, name: str) -> Names | None:
    if isinstance(column, pandas.DataFrame):
        raise _unsupported(name, "a DataFrame; give one of its columns")
    if isinstance(column, pandas.MultiIndex):
        raise _unsupported(name, "a MultiIndex; give one of its levels")
    if column is pandas.NA or column is pandas.NaT:
        return Names(column, "scalar", (), (Objects([None]),))
    if isinstance(column, pandas.Series):
        kind: Kind = "series"
    elif isinstance(column, pandas.Index):
        kind = "index"
    elif isinstance(column, pandas.api.extensions.ExtensionArray):
        kind = "array"
    else:
        return None
    array = column if kind == "array" else column.array
    shape = (len(column),)
    dtype = array.dtype
    if isinstance(dtype, pandas.CategoricalDtype):
        # As an unsigned integer, the -1 of a missing value is beyond every category.
        codes = np.asarray(array.codes)
        index = array.categories
        coded = Coded(codes.view(_UNSIGNED[codes.itemsize]), index.tolist, index)
        return Names(column, kind, shape, (coded,))
    if isinstance(dtype, pandas.ArrowDtype) or getattr(dtype, "storage", "") == "pyarrow":
        import pyarrow as pa

        arrow = pa.array(array)
        if not isinstance(arrow, pa.ChunkedArray):
            arrow = pa.chunked_array([arrow])
        return _read_chunked(arrow, column, kind, name)
    if isinstance(dtype, pandas.StringDtype) or dtype.kind == "O":
        return _read_numpy(np.asarray(array, dtype=object), name, kind, column)
    if not shape[0]:
        return Names(column, kind, shape, ())
    raise _unsupported(name, f"a pandas column of {dtype}")


def _read_pyarrow(column: Any, pyarrow: Any, name: str) -> Names | None:
    if isinstance(column, pyarrow.ChunkedArray):
        return _read_chunked(column, column, "chunked", name)
    if isinstance(column, pyarrow.Array):
        return _read_chunked(pyarrow.chunked_array([column]), column, "arrow", name)
    if isinstance(column, pyarrow.Scalar):
        return Names(column, "scalar", (), (Objects([column.as_py()]),))
    return None


def _read_chunked(arrow: Any, column: object, kind: Kind, name: str) -> Names:
    import pyarrow as pa

    kinds = pa.types
    if kinds.is_dictionary(arrow.type):
        if not _is_text(arrow.type.value_type):
            raise _unsupported(name, f"an Arrow dictionary of {arrow.type.value_type}")
        owner = column if kind == "arrow" else arrow
        parts: tuple[Part, ...] = tuple(
            _arrow_codes(chunk, owner if arrow.num_chunks == 1 else None) for chunk in arrow.chunks
        )
    elif _is_text(arrow.type):
        if not (kinds.is_string(arrow.type) or kinds.is_large_string(arrow.type)):
            arrow = arrow.cast(pa.large_string())  # string views have no look-up of their own
        parts = tuple(ArrowText(chunk) for chunk in arrow.chunks)
    elif len(arrow) == 0 or kinds.is_null(arrow.type):
        parts = (Objects([None] * len(arrow)),)
    else:
        raise _unsupported(name, f"an Arrow column of {arrow.type}")
    return Names(column, kind, (len(arrow),), parts)


def _is_text(type_: Any) -> bool:
    import pyarrow as pa

    view = getattr(pa.types, "is_string_view", lambda _: False)
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or view(type_))


def _arrow_codes(chunk: Any, owner: object) -> Coded:
    import pyarrow as pa

    indices, dictionary = chunk.indices, chunk.dictionary
    if indices.null_count:
        indices = indices.cast(pa.int32()).fill_null(len(dictionary))
    return Coded(indices.to_numpy(zero_copy_only=False), dictionary.to_pylist, owner)


def _read_polars(column: Any, polars: Any, name: str) -> Names | None:
    if isinstance(column, polars.DataFrame):
        raise _unsupported(name, "a DataFrame; give one of its columns")
    if not isinstance(column, polars.Series):
        return None
    shape = (len(column),)
    categories = _ENUMS.get(column)
    if categories is None and isinstance(column.dtype, polars.Enum):
        categories = _ENUMS.keep(column, column.dtype.categories.to_list())
    if categories is not None:
        codes = column.to_physical()
        if codes.null_count():
            codes = codes.cast(polars.UInt32).fill_null(len(categories))
        coded = Coded(codes.to_numpy(), categories.copy, column)
        return Names(column, "polars", shape, (coded,))
    if column.dtype not in (polars.String, polars.Categorical, polars.Null, polars.Object):
        raise _unsupported(name, f"a Polars column of {column.dtype}")
    try:
        import pyarrow as pa
    except ImportError:
        pa = None
    if pa is None or column.dtype == polars.Object:
        return Names(column, "polars", shape, (Objects(column.to_list()),))
    return _read_chunked(pa.chunked_array(column.cast(polars.String)), column, "polars", name)


_READERS: dict[str, Callable[[Any, Any, str], Names | None]] = {
    "pandas": _read_pandas,
    "pyarrow": _read_pyarrow,
    "polars": _read_polars,
}
"""Readers by library; a value can belong to a library only if that library is loaded."""


def _unsupported(name: str, what: str) -> UnsupportedInputError:
    return UnsupportedInputError(
        f"{name} must be a name or a column of names: a str, a sequence, a NumPy, pandas, Polars "
        f"or Arrow column; got {what}"
    )


def answer_in_kind(
    result: NDArray[Any],
    names: Names,
    *,
    answer: str,
    missing: NDArray[np.bool_] | None = None,
    **others: object,
) -> Any:
    """
    Result as the kind of column in which the names were given.

    The names and the `others` broadcast to the shape of the result. If `missing` is given, the
    column is nullable, and its marked rows have no value.
    """
    index = arrays.common_index(
        **({"instance_type": names.column} if names.kind == "series" else {}), **others
    )
    if index is not None:
        return _as_series(result, index, answer, missing)
    if result.shape == names.shape and names.kind not in {"scalar", "array"}:
        return _as_column(result, names, answer, missing)
    if result.ndim == 0 and names.kind == "scalar":
        return None if missing is not None and missing.any() else result.item()
    return result if missing is None else _nullable(result, missing)


def _as_series(
    result: NDArray[Any], index: Any, answer: str, missing: NDArray[np.bool_] | None
) -> Any:
    import pandas as pd

    if result.shape != (len(index),):
        raise ShapeMismatchError(
            f"a Series of {len(index):,} rows does not match columns of shape {result.shape}"
        )
    values = result if missing is None else _nullable(result, missing)
    return pd.Series(values, index=index, name=answer, copy=False)


def _as_column(
    result: NDArray[Any], names: Names, answer: str, missing: NDArray[np.bool_] | None
) -> Any:
    if names.kind == "index":
        import pandas as pd

        values = result if missing is None else _nullable(result, missing)
        return pd.Index(values, name=answer, copy=False)
    result = _native(result)
    if names.kind == "polars":
        series = type(names.column)(answer, result)
        return series if missing is None else series.set(type(series)(missing), None)
    import pyarrow as pa

    array = pa.array(result, mask=missing)
    return array if names.kind == "arrow" else pa.chunked_array([array])


def _nullable(result: NDArray[Any], missing: NDArray[np.bool_]) -> Any:
    import pandas as pd

    if result.ndim != 1:
        raise UnsupportedInputError(
            f"nullable results have one dimension; got the shape {result.shape}: "
            "flatten the names first"
        )
    return pd.arrays.IntegerArray(_native(result), missing)


def _native(result: NDArray[Any]) -> NDArray[Any]:
    """Integers in the native byte order, which Arrow needs."""
    return result.astype(result.dtype.newbyteorder("="), copy=False)


def without_values(names: Names) -> Names:
    """Names without their values, with what `answer_in_kind` needs of the column."""
    column = names.column
    if names.kind == "series":
        import pandas as pd

        blank = np.broadcast_to(np.int8(0), names.shape)
        column = pd.Series(blank, index=column.index, copy=False)
    else:
        # An empty slice would keep the whole buffer alive.
        column = column.clear() if names.kind == "polars" else None
    return Names(column, names.kind, names.shape, ())


def is_integer_array(value: object) -> bool:
    """Whether a value is a NumPy array of integers without a mask."""
    plain = isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray)
    return plain and value.dtype.kind in "iu"  # type: ignore[attr-defined]


def plain_integers(value: object) -> NDArray[Any] | None:
    """Integers of a NumPy array, or of a Series with a NumPy dtype, without a copy; else None."""
    if type(value) is np.ndarray:
        return value if value.dtype.kind in "iu" else None
    if arrays.is_series(value):
        value = value.to_numpy() if isinstance(value.dtype, np.dtype) else None  # type: ignore[attr-defined]
    return value if is_integer_array(value) else None  # type: ignore[return-value]
