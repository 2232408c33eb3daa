"""Differences between engines: reading frames, checking columns, and looking names up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from eks_win_capacity.core.errors import (
    InputError,
    MissingExtraError,
    UnsupportedInputError,
)
from eks_win_capacity.frames.node_files import by_enum, literal, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

try:
    import narwhals as nw
except ImportError as error:
    raise MissingExtraError("narwhals", extra="frames", purpose="a frame") from error

Frame = Any
"""A narwhals frame, eager or lazy."""

_STEM = "_ewc"
"""Prefix of columns that exist only within a query."""

_DOTS = 2
"""Major version of DuckDB from which column names may contain dots."""


def read_frame(frame: object) -> Frame:
    """
    The frame wrapped by narwhals.

    Raises
    ------
    UnsupportedInputError
        If it is not a frame of a known engine.
    InputError
        If two columns have the same name, or the DuckDB version does not support a name.
    """
    ours = isinstance(frame, (nw.DataFrame, nw.LazyFrame))
    _refuse_twins(frame.to_native() if ours else frame)  # type: ignore[attr-defined]
    try:
        wrapped: Frame = frame if ours else nw.from_native(frame)
    except TypeError:
        raise UnsupportedInputError(
            "frame must be a pandas, Polars, PyArrow, DuckDB, Dask or PySpark frame; "
            f"got a {type(frame).__name__}"
        ) from None
    if wrapped.implementation.is_duckdb():
        import duckdb

        old = int(duckdb.__version__.split(".")[0]) < _DOTS
        if old and (dotted := [name for name in wrapped.collect_schema() if "." in name]):
            raise InputError(
                f"column {dotted[0]!r}: DuckDB {duckdb.__version__} takes no names with a dot; "
                f"rename it, or install DuckDB {_DOTS} or newer"
            )
    return wrapped


def _refuse_twins(native: object) -> None:
    """Refuse duplicate column names, which narwhals does with other messages, and not always."""
    if type(native).__module__.startswith("polars"):
        return  # Polars has no such frames, and warns when columns of a lazy one are read
    names = getattr(native, "column_names", None) or getattr(native, "columns", ())
    seen: set[object] = set()
    for name in names if isinstance(names, Iterable) else ():
        if name in seen:
            raise InputError(f"the frame has two columns named {name!r}; rename one")
        seen.add(name)


def give_back(result: Frame, frame: object) -> Any:
    """The result, unwrapped unless the input was a narwhals frame."""
    return result if isinstance(frame, (nw.DataFrame, nw.LazyFrame)) else result.to_native()


def like(rows: Any, frame: Frame) -> Any:
    """Rows in pandas, converted to the kind of an eager frame of another library."""
    columns = {
        # In floats NaN is a value; in strings and times it is a missing value.
        str(name): (part if part.dtype.kind == "f" else _with_none(part)).tolist()
        for name, part in rows.items()
    }
    kinds = nw.from_native(rows, eager_only=True).schema
    return nw.from_dict(columns, schema=kinds, backend=frame.implementation).to_native()


def _with_none(column: Any) -> Any:
    return column.astype(object).where(column.notna(), None)


def is_lazy(frame: Frame) -> bool:
    """Whether the frame is lazy."""
    return isinstance(frame, nw.LazyFrame)


def is_sql(frame: Frame) -> bool:
    """Whether the frame is a query in DuckDB or Spark."""
    return bool(frame.implementation.is_duckdb() or frame.implementation.is_pyspark())


def group_names(frame: Frame, by: object) -> list[str]:
    """Distinct column names to group by."""
    names: list[Any] = [by] if isinstance(by, str) or not isinstance(by, Iterable) else list(by)
    for name in names:
        column(frame, name, "by")
    return list(dict.fromkeys(names))


def may_group(frame: Frame, names: Sequence[str]) -> bool:
    """Whether the engine can group by these columns: in DuckDB a dot ends a table's name."""
    return not (frame.implementation.is_duckdb() and any("." in str(name) for name in names))


def sortable(frame: Frame, names: Sequence[str]) -> Frame:
    """The frame, with string views and dictionaries of Arrow cast to sortable strings."""
    engine, native = frame.implementation, frame.to_native()
    if not (engine.is_pyarrow() or engine.is_pandas() or engine.is_dask()):
        return frame
    kinds = native.schema if engine.is_pyarrow() else native.dtypes
    odd = [
        name
        for name in names
        if str(kinds.field(name).type if engine.is_pyarrow() else kinds[name]).startswith(
            ("string_view", "dictionary<")
        )
    ]
    return frame.with_columns(nw.col(*odd).cast(nw.String)) if odd else frame


def column(frame: Frame, name: object, argument: str) -> Any:
    """
    The dtype of a column.

    Raises
    ------
    InputError
        If the frame lacks the column, or the engine cannot refer to it.
    """
    schema = frame.collect_schema()
    if not isinstance(name, str):
        raise UnsupportedInputError(f"{argument} must be the name of a column; got {name!r}")
    if name not in schema:
        shown = ", ".join(map(repr, list(schema)[:20])) or "none"
        raise InputError(f"{argument}: the frame has no column {name!r}; it has {shown}")
    _refuse_interpreted(frame, name, ".`", argument)
    if frame.implementation.is_pyspark():
        spark = frame.to_native().sparkSession
        twins = [other for other in schema if other.lower() == name.lower() and other != name]
        if twins and spark.conf.get("spark.sql.caseSensitive") != "true":
            raise InputError(f"{argument}: to Spark {name!r} and {twins[0]!r} are one; rename one")
    return schema[name]


def _refuse_interpreted(frame: Frame, name: str, marks: str, argument: str) -> None:
    """Refuse a name that the engine, or narwhals on it, reads as a path or a pattern."""
    engine = frame.implementation
    if engine.is_pyspark() and any(mark in name for mark in marks):
        raise InputError(
            f"{argument}: Spark takes no name with {' or '.join(map(repr, marks))}; rename {name!r}"
        )
    of_polars = engine.is_polars() and name.startswith("^") and name.endswith("$")
    if of_polars or (name == "*" and (engine.is_polars() or is_sql(frame))):
        raise InputError(f"{argument}: the engine reads {name!r} as a pattern; rename the column")


def check_column(frame: Frame, name: object, argument: str, kind: str) -> None:
    """
    Refuse a column that is missing, or has the wrong type for its argument.

    Parameters
    ----------
    kind : {"names", "flags", "counts"}
        For strings or categories, booleans, integers.
    """
    dtype = column(frame, name, argument)
    fits = {
        "names": dtype in (nw.String, nw.Categorical) or isinstance(dtype, nw.Enum),
        "flags": dtype == nw.Boolean,
        "counts": dtype.is_integer(),
    }[kind]
    if not fits:
        wanted = {"names": "strings", "flags": "booleans", "counts": "integers"}[kind]
        raise UnsupportedInputError(
            f"{argument} must be a column of {wanted}; {name!r} is of {dtype}: cast it first"
        )


def new_name(
    frame: Frame, answer: object, *, cure: str = "drop or rename it, or pass answer="
) -> str:
    """
    A valid name for a new column.

    Raises
    ------
    InputError
        If it is not a valid name, or the frame already has such a column.
    """
    if not isinstance(answer, str) or not answer:
        raise InputError(f"answer must be the name of a column; got {answer!r}")
    _refuse_interpreted(frame, answer, "`", "answer")
    for name in frame.collect_schema():
        if same_name(frame, str(name), answer):
            raise InputError(f"the frame has a column {name!r} already: {cure}")
    if answer.startswith(_STEM):
        raise InputError(f"answer: names from {_STEM!r} on are those of columns inside a query")
    return answer


def same_name(frame: Frame, one: str, other: str) -> bool:
    """Whether the engine takes two names for one: SQL engines ignore the case."""
    return one.lower() == other.lower() if is_sql(frame) else one == other


def spare_names(frame: Frame, count: int) -> list[str]:
    """Unused names for temporary columns within a query."""
    taken = set(frame.collect_schema())  # pandas has columns whose names are numbers
    stem = _STEM
    while any(str(name).startswith(stem) for name in taken):
        stem += "_"
    return [f"{stem}{position}" for position in range(count)]


def looked_up(
    frame: Frame,
    by: str,
    keys: Sequence[str],
    values: Mapping[str, Sequence[int]],
    *,
    ordered: bool = True,
) -> Frame:
    """
    A lazy frame with columns looked up in a small table, null for unknown names.

    Engines with an order of rows preserve it.

    Parameters
    ----------
    frame : narwhals LazyFrame
        Any engine.
    by : str
        Column of names.
    keys : sequence of str
        Names in the table, without duplicates.
    values : mapping of str to sequence of int
        Columns of the table, by their new names.
    ordered : bool
        Whether to preserve the order of rows, which takes time in Polars.
    """
    engine = frame.implementation
    native = frame.to_native()
    if engine.is_duckdb():
        if ordered:
            return nw.from_native(native.project(", ".join(["*", *by_enum(by, keys, values)])))
        return nw.from_native(_joined_in_duckdb(native, by, keys, values))
    if engine.is_polars():
        return nw.from_native(_in_polars(frame, by, keys, values, ordered=ordered))
    if engine.is_pyspark():
        return nw.from_native(_in_spark(native, by, keys, values))
    raise UnsupportedInputError(f"lazy frames of {engine} are not supported; collect it first")


def _joined_in_duckdb(native: Any, by: str, keys: Sequence[str], values: Mapping[str, Any]) -> Any:
    """Columns looked up by a join, without preserving the order, in a quarter of the time."""
    key = "_ewc_key"
    while key in native.columns:
        key += "_"
    lists = {key: f"[{', '.join(map(literal, keys))}]"}
    lists |= {name: f"{list(map(int, column))}::BIGINT[]" for name, column in values.items()}
    # Built from the first row, as a new relation would need the user's connection.
    table = native.limit(1).project(
        ", ".join(f"unnest({items}) AS {quoted(name)}" for name, items in lists.items())
    )
    on = f"CAST({quoted(by)} AS VARCHAR) = {quoted(key)}"
    joined = native.set_alias("_ewc_rows").join(table.set_alias("_ewc_limits"), on, how="left")
    return joined.project(", ".join(map(quoted, [*native.columns, *values])))


def _in_polars(
    frame: Frame, by: str, keys: Sequence[str], values: Mapping[str, Any], *, ordered: bool
) -> Any:
    import polars as pl

    native = frame.to_native()
    (key,) = spare_names(frame, 10)[9:]
    kinds = {key: pl.String, **dict.fromkeys(values, pl.Int64)}
    table = pl.LazyFrame({key: keys, **values}, schema=kinds)
    plain = frame.collect_schema()[by] == nw.String
    return native.join(
        table,
        left_on=by if plain else pl.col(by).cast(pl.String),
        right_on=key,
        how="left",
        maintain_order="left" if ordered else "none",
    ).drop(key, strict=False)  # Polars keeps the right key if the left one is an expression


def ticked(name: str) -> str:
    """A name as an identifier of Spark."""
    return "`" + name.replace("`", "``") + "`"


def _in_spark(native: Any, by: str, keys: Sequence[str], values: Mapping[str, Any]) -> Any:
    from pyspark.sql import functions

    key = "_ewc_key"
    while key in native.columns:
        key += "_"
    rows = list(zip(keys, *([int(x) for x in column] for column in values.values()), strict=True))
    schema = ", ".join([f"`{key}` string", *(f"`{name}` bigint" for name in values)])
    table = native.sparkSession.createDataFrame(rows, schema)
    joined = native.withColumn(key, functions.col(ticked(by)))
    return joined.join(functions.broadcast(table), on=key, how="left").drop(key)
