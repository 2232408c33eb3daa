"""What the values of a frame must be before an answer is given: one query for all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals as nw

from eks_win_capacity.catalog.limits import close_names
from eks_win_capacity.core.constants import MAX_COUNT
from eks_win_capacity.core.display import count_of
from eks_win_capacity.core.errors import (
    InvalidCountError,
    MissingValueError,
    UnknownInstanceTypeError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eks_win_capacity.catalog.limit_table import LimitTable
    from eks_win_capacity.frames.backends import Frame

_SHOWN = 3


def verify_values(
    frame: Frame, *, counts: Mapping[str, tuple[str, int]], flags: Sequence[str] = ()
) -> None:
    """
    Refuse missing values and counts out of range.

    Parameters
    ----------
    frame : narwhals frame
        Lazy ones run one aggregate query, and none without columns to check.
    counts : mapping of str to (str, int)
        Argument and lowest value of each column of counts.
    flags : sequence of str
        Columns of booleans.

    Raises
    ------
    MissingValueError, InvalidCountError
        Name the column and the value.
    """
    columns = [*counts, *flags]
    if not columns:
        return
    aggregates = []
    for at, name in enumerate(columns):
        aggregates.append(nw.col(name).is_null().cast(nw.Int64).sum().alias(f"n{at}"))
        if name in counts:
            aggregates += [
                nw.col(name).min().alias(f"a{at}"),
                nw.col(name).max().alias(f"z{at}"),
            ]
    seen = _row(frame.select(*aggregates))
    for at, name in enumerate(columns):
        missing = int(seen[f"n{at}"] or 0)
        if missing:
            raise MissingValueError(
                f"the column {name!r} has {count_of(missing, 'missing value')}; fill or drop them",
                positions=(),
                count=missing,
            )
        if name not in counts:
            continue
        argument, low = counts[name]
        for value in (seen[f"a{at}"], seen[f"z{at}"]):
            if value is not None and value == value and not low <= value <= MAX_COUNT:  # noqa: PLR0124
                raise InvalidCountError(
                    f"{argument} must be whole numbers from {low:,} to {MAX_COUNT:,}; "
                    f"the column {name!r} has {int(value):,}"
                )


def verify_names(frame: Frame, by: str, looked: str, table: LimitTable) -> None:
    """
    Refuse names without a row in the table.

    Parameters
    ----------
    frame : narwhals LazyFrame
        With a column that is null where a name was not found.
    by, looked : str
        The column of names and the one that was looked up.

    Raises
    ------
    MissingValueError, UnknownInstanceTypeError
        Say how many rows, and which names most often.
    """
    lost = nw.col(looked).is_null()
    absent = nw.col(by).is_null()
    seen = _row(
        frame.select(
            lost.cast(nw.Int64).sum().alias("lost"), absent.cast(nw.Int64).sum().alias("absent")
        )
    )
    missing, unknown = int(seen["absent"] or 0), int(seen["lost"] or 0)
    if missing:
        raise MissingValueError(
            f'{by} has {count_of(missing, "missing value")}; drop them, or pass on_unknown="null"',
            positions=(),
            count=missing,
        )
    if unknown:
        raise _unknown(frame.filter(lost), by, unknown, table)


def _unknown(frame: Frame, by: str, count: int, table: LimitTable) -> UnknownInstanceTypeError:
    by_name = (
        frame.select(name=nw.col(by).cast(nw.String))
        .group_by("name")
        .agg(rows=nw.len())
        .sort("rows", "name", descending=[True, False])
        .head(_SHOWN)
    )
    found = rows_of(by_name)
    names = [row["name"] for row in found]
    close = next((alike for name in names if (alike := close_names(name, table.names))), [])
    shown = ", ".join(f"{row['name']!r} in {int(row['rows']):,}" for row in found)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return UnknownInstanceTypeError(
        f"{count:,} rows have no row in the catalog of {table.as_of}: {shown}.{hint} "
        'on_unknown="null" gives nulls',
        names=names,
        count=count,
        close_matches=close,
        as_of=table.as_of,
    )


def rows_of(frame: Frame) -> list[dict[str, Any]]:
    """The rows of a small frame, collected where it is lazy."""
    whole = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    return list(whole.iter_rows(named=True))


def _row(frame: Frame) -> dict[str, Any]:
    return rows_of(frame)[0]
