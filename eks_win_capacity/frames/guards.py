"""How each engine refuses rows: at once where they are in memory, else when they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw

from eks_win_capacity.frames import backends, node_files, verify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eks_win_capacity.frames.backends import Frame


def guarded(
    frame: Frame,
    column: str,
    checks: Sequence[verify.RowCheck],
    *,
    seen: tuple[Frame, str] | None = None,
) -> Frame:
    """
    A frame whose `column` cannot be read where its rows fail a check.

    Rows in memory are checked at once, those of a plan when it is run: by the engine
    itself in DuckDB and Spark, one aggregate over what the checks read, and piece by
    piece in Polars and Dask, which work on pieces that are in memory.

    Parameters
    ----------
    frame : narwhals frame
        With the columns that the checks read.
    column : str
        What the answer is computed from.
    checks : sequence of RowCheck
        The first that fails is the error.
    seen : pair of frame and str, optional
        In DuckDB and Spark, fewer rows to check in place of the frame's own, and the
        column that says how many rows each stands for.

    Raises
    ------
    CapacityError
        For rows in memory.
    """
    if not backends.is_lazy(frame):
        verify.refuse(frame, checks)
        return frame
    if not checks:
        return frame
    engine, native = frame.implementation, frame.to_native()
    if engine.is_polars():
        return _guarded_in_polars(frame, checks)
    if engine.is_dask():
        needed = [column, *{name for check in checks for name in check.columns} - {column}]
        pieces = native[needed].map_partitions(
            _Refusing(checks, column),
            meta=native[column]._meta,  # noqa: SLF001
        )
        return nw.from_native(native.assign(**{column: pieces}))
    (stem,) = backends.spare_names(frame, 20)[19:]
    # To drop sound rows first is cheap; the least of all names is not, least of all in Spark.
    bad = nw.any_horizontal(*(check.bad for check in checks), ignore_nulls=True)
    rows, weight = seen or (frame, None)
    counted = rows.filter(bad).select(*verify.aggregates(checks, stem, weight))
    wrong = counted.select(verify.message(checks, stem).alias(stem)).to_native()
    if engine.is_duckdb():
        return _failing(nw.from_native(native.cross(wrong)), [column], stem)
    from pyspark.sql import functions

    joined = native.crossJoin(functions.broadcast(wrong))
    return _failing(nw.from_native(joined), [column], stem)


def guarded_sums(
    frame: Frame,
    groups: list[str],
    sums: dict[str, Any],
    column: str,
    checks: Sequence[verify.RowCheck],
    *,
    weight: str | None = None,
) -> Frame:
    """
    Sums by group that cannot be read where a row of the group fails a check.

    Parameters
    ----------
    frame : narwhals frame
        With the columns to sum and those that the checks read.
    groups : list of str
        Columns to group by; one row in all without them.
    sums : dict of str to expression
        What is added up of each row; the groups have other names.
    column : str
        A column that all sums are made of.
    checks : sequence of RowCheck
        DuckDB and Spark look at them in the same pass that sums.
    weight : str, optional
        In DuckDB and Spark, the column that says how many rows each stands for.

    Raises
    ------
    CapacityError
        For rows in memory.
    """
    fused = bool(checks) and backends.is_sql(frame)
    if not fused:
        frame = guarded(frame, column, checks).with_columns(**sums)
        sums = {name: nw.col(name) for name in sums}  # engines of pandas sum plain columns
    if groups and frame.implementation.is_dask():
        # Sorted by the groups as they are summed: to sort afterwards computes all at once.
        native = frame.to_native()[[*groups, *sums]]
        summed = native.groupby(groups, sort=True, dropna=False, observed=True).sum().reset_index()
        return nw.from_native(summed)
    stem = backends.spare_names(frame, 20)[19]
    wanted = [part.sum().alias(name) for name, part in sums.items()]
    wanted += verify.aggregates(checks, stem, weight) if fused else []
    summed = frame.group_by(groups).agg(*wanted) if groups else frame.select(*wanted)
    if fused:
        summed = summed.with_columns(verify.message(checks, stem).alias(stem))
        summed = _failing(summed.select(*groups, *sums, stem), list(sums), stem)
    return summed.sort(groups) if groups else summed


def _failing(frame: Frame, columns: list[str], message: str) -> Frame:
    """A frame of DuckDB or Spark whose columns fail where there is a message, which is dropped."""
    native = frame.to_native()
    if frame.implementation.is_duckdb():
        spelled = []
        for name in native.columns:
            plain = node_files.quoted(name)
            fails = f"CASE WHEN {message} IS NULL THEN {plain} ELSE error({message}) END AS {plain}"
            spelled.append(fails if name in columns else plain)
        return nw.from_native(native.project(", ".join(s for s in spelled if s != f'"{message}"')))
    from pyspark.sql import functions

    for name in columns:
        sound = functions.when(functions.isnull(message), functions.col(f"`{name}`"))
        error = functions.raise_error(functions.col(message)).cast("bigint")
        native = native.withColumn(name, sound.otherwise(error))
    return nw.from_native(native.drop(message))


def _guarded_in_polars(frame: Frame, checks: Sequence[verify.RowCheck]) -> Frame:
    """
    Mark what fails by an expression; Python sees whether a piece has a mark, and no more.

    A step of the plan and not an expression: of an error that comes out of an expression
    Polars keeps the message and loses the facts.
    """
    (mark,) = backends.spare_names(frame, 21)[20:]
    bad = nw.any_horizontal(*(check.bad for check in checks), ignore_nulls=True)
    marked = frame.with_columns(bad.alias(mark)).to_native()
    refusing = _RefusingMarks(checks, mark)
    # Without the columns that nobody reads later the error could not name their values.
    passed = marked.map_batches(refusing, projection_pushdown=False, streamable=True)
    return nw.from_native(passed.drop(mark))


@dataclass(frozen=True)
class _RefusingMarks:
    """A piece of a Polars frame as it is, where no row is marked."""

    checks: Sequence[verify.RowCheck]
    mark: str

    def __call__(self, piece: Any) -> Any:
        if piece[self.mark].any():
            verify.refuse(nw.from_native(piece, eager_only=True), self.checks)
        return piece


@dataclass(frozen=True)
class _Refusing:
    """A column of a piece of a Dask frame, where the piece passes the checks."""

    checks: Sequence[verify.RowCheck]
    column: str

    def __dask_tokenize__(self) -> object:
        """What tells two of them apart; Dask would pickle the whole table again and again."""
        return self.column, *((c.kind.__name__, c.template, c.columns) for c in self.checks)

    def __call__(self, piece: Any) -> Any:
        verify.refuse(nw.from_native(piece, eager_only=True), self.checks)
        return piece[self.column]
