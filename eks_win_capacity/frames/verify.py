"""What the rows of a frame must be, checked at once where they are data, else when they are read."""

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
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from eks_win_capacity.catalog.limit_table import LimitTable
    from eks_win_capacity.frames.backends import Frame

_SHOWN = 3


@dataclass(frozen=True)
class RowCheck:
    """
    Rows that must not be, and the error that says so.

    Attributes
    ----------
    bad : expression
        True for each such row.
    shown : str
        The column whose least and greatest value among them the error names.
    columns : tuple of str
        All columns that are read.
    template : str
        The message, with ``{n}`` rows and ``{a}``, ``{z}`` of what is shown.
    kind : type
        Kind of the error.
    error : callable
        The error of a message, a number of rows, and how often each shown value is in them.
    """

    kind: type[CapacityError]
    bad: Any
    shown: str
    columns: tuple[str, ...]
    template: str
    error: Callable[[str, int, Mapping[Any, int]], CapacityError] = field(repr=False)


def missing(column: str, *, cure: str = "fill or drop them") -> RowCheck:
    """Missing values of a column."""
    return RowCheck(
        MissingValueError,
        nw.col(column).is_null(),
        column,
        (column,),
        f"the column {_braced(column)} has missing values in {{n}} of its rows; {cure}",
        lambda message, n, _: MissingValueError(message, positions=(), count=n),
    )


def out_of_range(column: str, argument: str, low: int) -> RowCheck:
    """Counts of a column that no node has."""
    return RowCheck(
        InvalidCountError,
        (nw.col(column) < low) | (nw.col(column) > MAX_COUNT),
        column,
        (column,),
        f"{argument} must be whole numbers from {low:,} to {MAX_COUNT:,}; the column "
        f"{_braced(column)} holds others in {{n}} of its rows, such as {{a}}",
        lambda message, *_: InvalidCountError(message),
    )


def unknown(by: str, looked: str, table: LimitTable) -> RowCheck:
    """Names without a row in the table: `looked` is null where there is none."""

    def error(_: str, n: int, values: Mapping[Any, int]) -> CapacityError:
        return _unknown(values, n, table)

    return RowCheck(
        UnknownInstanceTypeError,
        nw.col(looked).is_null() & ~nw.col(by).is_null(),
        by,
        (by, looked),
        f"{{n}} of the rows have no row in the catalog of {table.as_of}, such as '{{a}}' and '{{z}}'; "
        'on_unknown="null" gives nulls',
        error,
    )


def strange(column: str, known: Collection[str], argument: str) -> RowCheck:
    """Names of a column that an argument does not explain."""
    named = nw.col(column).cast(nw.String)
    return RowCheck(
        InputError,
        nw.col(column).is_null() | ~named.is_in(sorted(known)),
        column,
        (column,),
        f"the column {_braced(column)} names {argument} that are not in {argument}= in {{n}} of its "
        "rows, such as '{a}' and '{z}'",
        lambda message, *_: InputError(message),
    )


def no_room(column: str) -> RowCheck:
    """Nodes that take no pod, of which no number is enough."""
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
        Of the kind that the check names.
    """
    if not checks or not len(frame):
        return
    sums = [_rows(check).alias(str(at)) for at, check in enumerate(checks)]
    for check, n in zip(checks, next(frame.select(*sums).iter_rows()), strict=True):
        if n:
            raise error_of(check, frame.filter(check.bad), check.shown)


def error_of(check: RowCheck, rows: Frame, shown: str) -> CapacityError:
    """The error of rows that fail a check, with the values of a column of them."""
    found = rows.select(value=nw.col(shown)).group_by("value").agg(rows=nw.len())
    values = {value: int(count) for value, count in found.iter_rows() if value is not None}
    seen = sorted(values, key=_order)
    ends = {"a": seen[0], "z": seen[-1]} if seen else {"a": None, "z": None}
    n = len(rows)
    return check.error(check.template.format(n=f"{n:,}", **ends), n, values)


def _order(value: object) -> Any:
    return value if isinstance(value, int) else str(value)


def _rows(check: RowCheck, weight: str | None = None) -> Any:
    bad = check.bad.cast(nw.Int64)
    return (bad if weight is None else bad * nw.col(weight)).sum()


def aggregates(checks: Sequence[RowCheck], stem: str, weight: str | None = None) -> list[Any]:
    """
    Of each check the number of bad rows, and the least and greatest value shown of them.

    The weight is a column that says how many rows each stands for.
    """
    ends = [(nw.when(check.bad).then(nw.col(check.shown))) for check in checks]
    return [
        *(_rows(check, weight).alias(f"{stem}n{at}") for at, check in enumerate(checks)),
        *(end.min().alias(f"{stem}a{at}") for at, end in enumerate(ends)),
        *(end.max().alias(f"{stem}z{at}") for at, end in enumerate(ends)),
    ]


def message(checks: Sequence[RowCheck], stem: str) -> Any:
    """What the first failed check says, over such aggregates; null where none fails."""
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
        if key:
            text = nw.col(f"{stem}{key}{at}").cast(nw.String)
            parts.append(nw.coalesce(text, nw.lit("None")))
    return nw.concat_str(*parts)


def _unknown(values: Mapping[Any, int], count: int, table: LimitTable) -> UnknownInstanceTypeError:
    most = sorted(values.items(), key=lambda one: (-one[1], str(one[0])))[:_SHOWN]
    names = [str(name) for name, _ in most]
    close = next((alike for name in names if (alike := close_names(name, table.names))), [])
    shown = ", ".join(f"{name!r} in {n:,}" for name, (_, n) in zip(names, most, strict=True))
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return UnknownInstanceTypeError(
        f"{count:,} rows have no row in the catalog of {table.as_of}: {shown}.{hint} "
        'on_unknown="null" gives nulls',
        names=names,
        count=count,
        close_matches=close,
        as_of=table.as_of,
    )
