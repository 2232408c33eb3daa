"""Checks of the rows of a frame: immediate if in memory, otherwise when the frame is computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from string import Formatter
from typing import TYPE_CHECKING, Any

import narwhals as nw

from eks_win_capacity.catalog.limits import close_names
from eks_win_capacity.core.constants import MAX_COUNT
from eks_win_capacity.core.errors import (
    CapacityError,
    InputError,
    InvalidCountError,
    MissingValueError,
    UnknownInstanceTypeError,
    count_of,
)
from eks_win_capacity.core.values import is_missing
from eks_win_capacity.frames import backends
from eks_win_capacity.frames.node_files import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from eks_win_capacity.catalog.limit_table import LimitTable
    from eks_win_capacity.frames.backends import Frame

_SHOWN = 3


@dataclass(frozen=True)
class RowCheck:
    """
    A condition for invalid rows, and the error that they raise.

    Attributes
    ----------
    bad : expression
        True for each invalid row.
    shown : str
        The column whose smallest and largest invalid values appear in the message.
    columns : tuple of str
        All columns that the check reads.
    template : str
        The message, with ``{n}`` rows, the smallest value ``{a}``, or ``{ends}`` for both values.
    kind : type
        Class of the error.
    error : callable
        Makes the error from a message, a number of rows, and the number of rows by shown value.
    """

    kind: type[CapacityError]
    bad: Any
    shown: str
    columns: tuple[str, ...]
    template: str
    error: Callable[[str, int, Mapping[Any, int]], CapacityError] = field(repr=False)


def missing(column: str, *, cure: str = "fill or drop them") -> RowCheck:
    """Check for missing values in a column."""
    return RowCheck(
        MissingValueError,
        nw.col(column).is_null(),
        column,
        (column,),
        f"the column {_braced(column)} has missing values in {{n}} of its rows; {cure}",
        lambda message, n, _: MissingValueError(message, positions=(), count=n),
    )


def out_of_range(column: str, argument: str, low: int, dtype: Any = None) -> RowCheck:
    """Check for counts out of range; Arrow needs the dtype if int64 is too narrow."""
    least, most = (nw.lit(limit, dtype=dtype) for limit in (low, MAX_COUNT))
    return RowCheck(
        InvalidCountError,
        (nw.col(column) < least) | (nw.col(column) > most),
        column,
        (column,),
        f"{argument} must be whole numbers from {low:,} to {MAX_COUNT:,}; the column "
        f"{_braced(column)} holds others in {{n}} of its rows, such as {{a}}",
        lambda message, *_: InvalidCountError(message),
    )


def unknown(by: str, looked: str, table: LimitTable) -> RowCheck:
    """Check for names that the table lacks, for which the column `looked` is null."""

    def error(_: str, n: int, values: Mapping[Any, int]) -> CapacityError:
        return _unknown(values, n, table)

    return RowCheck(
        UnknownInstanceTypeError,
        nw.col(looked).is_null() & ~nw.col(by).is_null(),
        by,
        (by, looked),
        f"{{n}} of the rows have no row in the catalog of {table.as_of}, such as {{ends}}; "
        'on_unknown="null" gives nulls',
        error,
    )


def strange(column: str, known: Collection[str], argument: str) -> RowCheck:
    """Check for names in a column that are not among those of an argument."""
    named = nw.col(column).cast(nw.String)
    return RowCheck(
        InputError,
        nw.col(column).is_null() | ~named.is_in(sorted(known)),
        column,
        (column,),
        f"the column {_braced(column)} names {argument} that are not in {argument}= in {{n}} of its "
        "rows, such as {ends}",
        lambda message, *_: InputError(message),
    )


def no_room(column: str) -> RowCheck:
    """Check for nodes that run 0 pods, so that any number of them is too few."""
    return RowCheck(
        InvalidCountError,
        nw.col(column) == 0,
        column,
        (column,),
        "no number of nodes is enough where a node takes no pod, as in {n} of the rows",
        lambda message, *_: InvalidCountError(message),
    )


def _braced(column: str) -> str:
    return repr(column).replace("{", "{{").replace("}", "}}")


def refuse(frame: Frame, checks: Sequence[RowCheck]) -> None:
    """
    Raise the error of the first check that an eager frame fails.

    Raises
    ------
    CapacityError
        Of the class in the check.
    """
    if not checks or not len(frame):
        return
    sums = [_rows(check).alias(str(at)) for at, check in enumerate(checks)]
    for check, n in zip(checks, next(frame.select(*sums).iter_rows()), strict=True):
        if n:
            raise error_of(check, frame.select(*check.columns).filter(check.bad), check.shown)


def error_of(check: RowCheck, rows: Frame, shown: str) -> CapacityError:
    """Error about rows that fail a check, with the values of one column."""
    counted = rows.select(value=nw.col(shown)).group_by("value").agg(rows=nw.len())
    values = {value: int(count) for value, count in counted.iter_rows() if not is_missing(value)}
    seen = sorted(values, key=lambda value: value if isinstance(value, int) else str(value))
    a, z = (seen[0], seen[-1]) if seen else (None, None)
    ends = f"'{a}'" if a == z else f"'{a}' and '{z}'"
    n = len(rows)
    return check.error(check.template.format(n=f"{n:,}", a=a, ends=ends), n, values)


def _rows(check: RowCheck, weight: str | None = None) -> Any:
    bad = check.bad.cast(nw.Int64)
    return (bad if weight is None else bad * nw.col(weight)).sum()


def aggregates(checks: Sequence[RowCheck], stem: str, weight: str | None = None) -> list[Any]:
    """
    For each check, the number of invalid rows, and the smallest and largest value shown.

    `weight` is a column with the number of rows that each row represents.
    """
    ends = [(nw.when(check.bad).then(nw.col(check.shown))) for check in checks]
    return [
        *(_rows(check, weight).alias(f"{stem}n{at}") for at, check in enumerate(checks)),
        *(end.min().alias(f"{stem}a{at}") for at, end in enumerate(ends)),
        *(end.max().alias(f"{stem}z{at}") for at, end in enumerate(ends)),
    ]


def message(checks: Sequence[RowCheck], stem: str) -> Any:
    """Message of the first failed check, from these aggregates; null if none fails."""
    return nw.coalesce(
        *(
            nw.when(nw.col(f"{stem}n{at}") > 0).then(
                _filled(f"{check.kind.__name__}: {check.template}", stem, at)
            )
            for at, check in enumerate(checks)
        )
    )


def _filled(template: str, stem: str, at: int) -> Any:
    """The template as an expression over one row of aggregates."""
    parts = []
    for literal, key, _, _ in Formatter().parse(template):
        if literal:
            parts.append(nw.lit(literal))
        if key == "ends":
            parts.append(_ends(_text(stem, "a", at), _text(stem, "z", at)))
        elif key:
            parts.append(_text(stem, key, at))
    return nw.concat_str(*parts)


def _text(stem: str, key: str, at: int) -> Any:
    return nw.coalesce(nw.col(f"{stem}{key}{at}").cast(nw.String), nw.lit("None"))


def _ends(least: Any, greatest: Any) -> Any:
    """Smallest and largest value as an expression; only one if they are equal."""
    other = nw.concat_str(nw.lit("' and '"), greatest, nw.lit("'"))
    return nw.concat_str(
        nw.lit("'"), least, nw.when(least == greatest).then(nw.lit("'")).otherwise(other)
    )


def _unknown(values: Mapping[Any, int], count: int, table: LimitTable) -> UnknownInstanceTypeError:
    most = sorted(values.items(), key=lambda one: (-one[1], str(one[0])))[:_SHOWN]
    names = [str(name) for name, _ in most]
    close = next((alike for name in names if (alike := close_names(name, table.names))), [])
    shown = ", ".join(f"{name!r} in {n:,}" for name, (_, n) in zip(names, most, strict=True))
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return UnknownInstanceTypeError(
        f"{count_of(count, 'row has', 'rows have')} no row in the catalog of {table.as_of}: {shown}.{hint} "
        'on_unknown="null" gives nulls',
        names=names,
        count=count,
        close_matches=close,
        as_of=table.as_of,
    )


def guarded(
    frame: Frame,
    column: str,
    checks: Sequence[RowCheck],
    *,
    seen: tuple[Frame, str] | None = None,
) -> Frame:
    """
    Frame whose `column` raises an error when it is read, if rows fail a check.

    Rows in memory are checked immediately, those of a lazy frame when it runs. DuckDB and Spark
    check by one aggregate over the columns that the checks read; Polars and Dask check batch by
    batch in memory.

    Parameters
    ----------
    frame : narwhals frame
        With the columns that the checks read.
    column : str
        Column from which the result is computed.
    checks : sequence of RowCheck
        The first one that fails determines the error.
    seen : pair of frame and str, optional
        In DuckDB and Spark, an aggregated frame to check instead, and its column with the
        number of rows that each row represents.

    Raises
    ------
    CapacityError
        For rows in memory.
    """
    if not backends.is_lazy(frame):
        refuse(frame, checks)
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
    # Dropping valid rows first is cheap; the minimum over all names is not, above all in Spark.
    bad = nw.any_horizontal(*(check.bad for check in checks), ignore_nulls=True)
    rows, weight = seen or (frame, None)
    counted = rows.filter(bad).select(*aggregates(checks, stem, weight))
    wrong = counted.select(message(checks, stem).alias(stem)).to_native()
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
    checks: Sequence[RowCheck],
    *,
    weight: str | None = None,
) -> Frame:
    """
    Sums by group that raise an error when they are read, if a row of the group fails a check.

    Parameters
    ----------
    frame : narwhals frame
        With the columns to sum and those that the checks read.
    groups : list of str
        Columns to group by; without them, a single row.
    sums : dict of str to expression
        The expressions to sum; their names differ from those of the groups.
    column : str
        A column that all sums depend on.
    checks : sequence of RowCheck
        DuckDB and Spark evaluate them in the same pass as the sums.
    weight : str, optional
        In DuckDB and Spark, the column with the number of rows that each row represents.

    Raises
    ------
    CapacityError
        For rows in memory.
    """
    fused = bool(checks) and backends.is_sql(frame)
    if not fused:
        frame = guarded(frame, column, checks).with_columns(**sums)
        sums = {name: nw.col(name) for name in sums}  # pandas-like engines sum only plain columns
    if groups and frame.implementation.is_dask():
        # Sorted within the single partition of the sums: a global sort would compute everything.
        native = frame.to_native()[[*groups, *sums]]
        grouped = native.groupby(groups, dropna=False, observed=True)
        summed = grouped.sum(split_out=1).reset_index()
        in_order = summed.map_partitions(_in_order, groups, meta=summed._meta)  # noqa: SLF001
        return nw.from_native(in_order)
    stem = backends.spare_names(frame, 20)[19]
    wanted = [part.sum().alias(name) for name, part in sums.items()]
    wanted += aggregates(checks, stem, weight) if fused else []
    summed = frame.group_by(groups).agg(*wanted) if groups else frame.select(*wanted)
    if fused:
        summed = summed.with_columns(message(checks, stem).alias(stem))
        summed = _failing(summed.select(*groups, *sums, stem), list(sums), stem)
    return nw.maybe_reset_index(summed.sort(groups)) if groups else summed


def _in_order(sums: Any, groups: list[str]) -> Any:
    """Sums in pandas sorted by group, the missing name first as in other engines."""
    return sums.sort_values(groups, na_position="first", ignore_index=True)


def _failing(frame: Frame, columns: list[str], message: str) -> Frame:
    """DuckDB or Spark frame whose columns fail if the message, which is dropped, is not null."""
    native = frame.to_native()
    if frame.implementation.is_duckdb():
        spelled = []
        for name in native.columns:
            plain = quoted(name)
            fails = f"CASE WHEN {message} IS NULL THEN {plain} ELSE error({message}) END AS {plain}"
            spelled.append(fails if name in columns else plain)
        return nw.from_native(native.project(", ".join(s for s in spelled if s != f'"{message}"')))
    from pyspark.sql import functions

    for name in columns:
        sound = functions.when(functions.isnull(message), functions.col(f"`{name}`"))
        error = functions.raise_error(functions.col(message)).cast("bigint")
        native = native.withColumn(name, sound.otherwise(error))
    return nw.from_native(native.drop(message))


def _guarded_in_polars(frame: Frame, checks: Sequence[RowCheck]) -> Frame:
    """
    Polars frame with invalid rows marked by an expression, so that Python only checks the mark.

    The check is a step of the plan and not an expression: for an error inside an expression, Polars
    keeps the message but loses the attributes.
    """
    (mark,) = backends.spare_names(frame, 21)[20:]
    bad = nw.any_horizontal(*(check.bad for check in checks), ignore_nulls=True)
    marked = frame.with_columns(bad.alias(mark)).to_native()
    refusing = _RefusingMarks(checks, mark)
    # With projection pushdown, the error could not name values of columns that are unused later.
    passed = marked.map_batches(refusing, projection_pushdown=False, streamable=True)
    return nw.from_native(passed.drop(mark))


@dataclass(frozen=True)
class _RefusingMarks:
    """Check of a batch of a Polars frame: the batch itself if no row is marked."""

    checks: Sequence[RowCheck]
    mark: str

    def __call__(self, piece: Any) -> Any:
        if piece[self.mark].any():
            refuse(nw.from_native(piece, eager_only=True), self.checks)
        return piece


@dataclass(frozen=True)
class _Refusing:
    """Check of a partition of a Dask frame: one of its columns if the checks pass."""

    checks: Sequence[RowCheck]
    column: str

    def __dask_tokenize__(self) -> object:
        """Identity for Dask, which would otherwise pickle the whole table each time."""
        return self.column, *((c.kind.__name__, c.template, c.columns) for c in self.checks)

    def __call__(self, piece: Any) -> Any:
        refuse(nw.from_native(piece, eager_only=True), self.checks)
        return piece[self.column]
