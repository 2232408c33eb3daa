"""Which row of the limit table has each node, and what are the pods of many nodes by its codes."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from eks_win_capacity.catalog.limits import close_names
from eks_win_capacity.catalog.type_names import absent
from eks_win_capacity.core.arrays import SHOWN
from eks_win_capacity.core.errors import (
    InvalidCountError,
    MissingValueError,
    UnknownInstanceTypeError,
    UnsupportedInputError,
    count_of,
    positions_of,
)
from eks_win_capacity.core.values import is_missing
from eks_win_capacity.density.columns import ArrowText, Coded, Names, Objects, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from eks_win_capacity.catalog.limit_table import LimitTable

BLOCK = 1 << 15
"""Rows in a block of a lookup: indices and results stay in the processor's cache."""

NUMBERS: Final = 1 << 17  # no mutant: speed alone
"""Numbers in a block of arithmetic: they stay in the cache, with few calls."""

_TEXT_BLOCK = 1 << 17
"""Rows in a block of strings: large enough to amortize a call, small in memory."""

_NARROW = 2
"""Size up to which an integer may be too narrow: 4,096 addresses are 65,520 pods. [bytes]"""


def lookup(
    answers: NDArray[Any],
    codes: NDArray[Any],
    out: NDArray[Any],
    *,
    second: NDArray[np.bool_] | None = None,
) -> None:
    """
    Write ``answers[codes]`` into `out`, block by block.

    NumPy converts codes to pointer size first; doing so block by block, in one buffer, keeps them
    in the cache and saves memory. Codes beyond the end, which are missing values, get the last
    item. With `second`, `answers` is two tables of the same length, and marked rows use the second.
    """
    if second is None and len(codes) <= BLOCK and codes.dtype != np.uint64:
        answers.take(codes, mode="clip", out=out)
        return
    length = len(answers) // 2

    def write(begin: int, end: int) -> None:
        buffer = np.empty(min(BLOCK, end - begin), dtype=np.intp)
        for start in range(begin, end, BLOCK):
            stop = min(start + BLOCK, end)
            index = buffer[: stop - start]
            index[...] = codes[start:stop]
            if second is not None:
                np.minimum(index, length - 1, out=index)
                np.add(index, length, out=index, where=second[start:stop])
            np.take(answers, index, mode="clip", out=out[start:stop])

    over_spans(len(codes), write)


class CategoryRows:
    """
    Table code of every category, and the sentinel as the last item.

    Attributes
    ----------
    rows : ndarray
        Codes into the table.
    known : bool
        Whether all categories have a row there.
    """

    def __init__(self, categories: Sequence[object], table: LimitTable) -> None:
        known = table.lenient_code_of
        codes = [known[category] for category in categories]
        self.rows = np.array([*codes, table.sentinel], dtype=table.code_dtype)
        self.known = table.sentinel not in codes
        self._table = table
        self._last: tuple[NDArray[Any], NDArray[Any]] | None = None

    def answers(
        self, *, prefix_delegation: bool, kubelet_max_pods: int | None, dtype: np.dtype[Any]
    ) -> NDArray[Any]:
        """Pods of every category, as in :meth:`LimitTable.answers`; the last result is cached."""
        answers = self._table.answers(
            prefix_delegation=prefix_delegation, kubelet_max_pods=kubelet_max_pods, dtype=dtype
        )
        last = self._last
        if last is None or last[0] is not answers:
            last = self._last = (answers, answers[self.rows])
        return last[1]


def max_pods_of_codes(
    codes: NDArray[Any],
    table: LimitTable,
    *,
    prefix_delegation: bool | NDArray[np.bool_],
    kubelet_max_pods: int | NDArray[np.int64] | None,
    rows: CategoryRows | None = None,
    out: NDArray[Any],
) -> None:
    """
    Write the pods of every node into `out`, to whose shape codes, mode and limit broadcast.

    The codes are those of the table, or of `rows`, which has a table code for each category.

    Raises InvalidCountError if the dtype of `out` is too narrow for a node.
    """
    # `out` may overlap an input, which must not change before it is read.
    if np.may_share_memory(out, codes):
        codes = codes.copy()
    if isinstance(kubelet_max_pods, np.ndarray) and np.may_share_memory(out, kubelet_max_pods):
        kubelet_max_pods = kubelet_max_pods.copy()
    if out.dtype.itemsize <= _NARROW and table.most_pods > np.iinfo(out.dtype).max:
        # Whether the dtype is wide enough depends on the nodes, so it is checked on a wide array.
        wide = np.empty(out.shape, dtype=np.int64)
        max_pods_of_codes(
            codes,
            table,
            prefix_delegation=prefix_delegation,
            kubelet_max_pods=kubelet_max_pods,
            rows=rows,
            out=wide,
        )
        _narrowed(wide, out)
        return
    scalar_limit = kubelet_max_pods if isinstance(kubelet_max_pods, int) else None

    def ask(*, prefix_delegation: bool) -> NDArray[Any]:
        return (table if rows is None else rows).answers(
            prefix_delegation=prefix_delegation, kubelet_max_pods=scalar_limit, dtype=out.dtype
        )

    flat_out = out.reshape(out.size) if out.flags.c_contiguous else np.empty(out.size, out.dtype)
    flat_codes = codes if codes.shape == out.shape else np.broadcast_to(codes, out.shape)
    flat_codes = flat_codes.reshape(out.size)
    if isinstance(prefix_delegation, bool):
        lookup(ask(prefix_delegation=prefix_delegation), flat_codes, flat_out)
    else:
        both = [ask(prefix_delegation=False), ask(prefix_delegation=True)]
        flags = np.broadcast_to(prefix_delegation, out.shape).reshape(out.size)
        lookup(np.concatenate(both), flat_codes, flat_out, second=flags)
    if not out.flags.c_contiguous:
        out[...] = flat_out.reshape(out.shape)
    if isinstance(kubelet_max_pods, np.ndarray):
        np.minimum(out, kubelet_max_pods, out=out, casting="unsafe")


def _narrowed(wide: NDArray[np.int64], out: NDArray[Any]) -> None:
    """Copy counts into an array of a narrower dtype; InvalidCountError if it is too narrow."""
    most = int(wide.max(initial=0))
    if most > np.iinfo(out.dtype).max:
        raise InvalidCountError(
            f"{out.dtype} holds at most {np.iinfo(out.dtype).max:,}, and a node takes {most:,} "
            "pods; choose a wider dtype"
        )
    out[...] = wide


def _codes_of_part(part: Part, table: LimitTable, out: NDArray[Any]) -> bool:
    """Write the codes of one part of a column into `out`; True if all its names are known."""
    if isinstance(part, Coded):
        lookup(rows_of(part, table).rows, part.codes, out)
        return not _holds(out, table.sentinel)
    if isinstance(part, ArrowText):
        return _codes_of_arrow(part.array, table, out)
    return _codes_of_objects(part, table, out)


def rows_of(part: Coded, table: LimitTable) -> CategoryRows:
    """Table codes of the categories of a column, cached for their owner."""
    if part.owner is None:
        return CategoryRows(part.categories, table)
    kept: CategoryRows | None = table.rows_of_owner.get(part.owner)
    if kept is None:
        kept = table.rows_of_owner.keep(part.owner, CategoryRows(part.categories, table))
    return kept


def _codes_of_arrow(array: Any, table: LimitTable, out: NDArray[Any]) -> bool:
    import pyarrow.compute as pc

    names = table.arrow_names.cast(array.type)

    def look_up(start: int, stop: int) -> bool:
        rows = pc.index_in(array.slice(start, stop - start), value_set=names)
        complete = not rows.null_count
        if not complete:
            rows = rows.fill_null(table.sentinel)
        out[start:stop] = rows.to_numpy()
        return bool(complete)

    return all(over_spans(len(array), look_up, span=_TEXT_BLOCK))


_SHARED: Final = 1 << 16  # no mutant: speed alone
"""Rows in a block of shared objects."""

_SAMPLE: Final = 1 << 11  # no mutant: speed alone
"""Sampled rows that show whether many rows are the same object."""


def _shares_objects(values: object) -> bool:
    """Whether a column has few different objects, as parsers and drivers create it."""
    if not isinstance(values, np.ndarray) or values.dtype != object or len(values) < _SHARED:
        return False
    step = len(values) // _SAMPLE
    return len(set(map(id, values[::step].tolist()))) < _SAMPLE // 4


def _codes_of_shared(values: NDArray[Any], table: LimitTable, out: NDArray[Any]) -> bool:
    """
    Write codes by looking up each different object of a block once; True if all are known.

    Objects are identified by address. The block is copied first, so that its objects stay alive:
    otherwise another thread could free one, and a new object could get the same address.
    """
    import pandas as pd

    known, complete = table.lenient_code_of, True
    for start in range(0, len(values), _SHARED):
        block = values[start : start + _SHARED].copy()
        numbers, addresses = pd.factorize(np.frombuffer(block, dtype=np.intp))
        row_of = np.empty(len(addresses), dtype=np.intp)
        row_of[numbers] = np.arange(len(block))
        try:
            rows = [known[one] for one in block[row_of].tolist()]
        except TypeError:
            raise _unhashable(block.tolist(), start) from None
        codes = np.array(rows, dtype=table.code_dtype)
        complete &= not _holds(codes, table.sentinel)
        np.take(codes, numbers, out=out[start : start + _SHARED], mode="clip")
    return complete


def _codes_of_objects(part: Objects, table: LimitTable, out: NDArray[Any]) -> bool:
    if _shares_objects(part.values):
        return _codes_of_shared(part.values, table, out)  # type: ignore[arg-type]
    complete, start = True, 0
    for block in part.blocks(_TEXT_BLOCK):
        stop = start + len(block)
        try:
            out[start:stop] = _mapped(table.code_of, block, table.code_dtype)
        except KeyError:
            complete = False
            out[start:stop] = _mapped(table.lenient_code_of, block, table.code_dtype)
        except TypeError:
            raise _unhashable(block, start) from None
        start = stop
    return complete


def _mapped(mapping: dict[object, int], keys: list[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    # Strings cache their hash, so a dict is faster than any vectorised lookup of objects.
    return np.fromiter(map(mapping.__getitem__, keys), dtype, len(keys))


def _unhashable(block: list[Any], start: int) -> UnsupportedInputError:
    for position, value in enumerate(block, start):
        if getattr(type(value), "__hash__", None) is None:
            return UnsupportedInputError(
                f"instance_type holds a {type(value).__name__} at position {position}, not a name"
            )
    return UnsupportedInputError("instance_type holds values that are not names")


def _holds(codes: NDArray[Any], sentinel: int) -> bool:
    return bool(len(codes)) and int(np.maximum.reduce(codes)) >= sentinel


def encoded(names: Names, table: LimitTable) -> tuple[NDArray[Any], bool]:
    """Table codes of a column, and whether all its names are known."""
    codes = np.empty(len(names), dtype=table.code_dtype)
    complete, start = True, 0
    for part in names.parts:
        stop = start + len(part)
        complete &= _codes_of_part(part, table, codes[start:stop])
        start = stop
    return codes, complete


def refuse_unknown(names: Names, codes: NDArray[Any], table: LimitTable) -> None:
    """
    Raise the error for names without a row: missing values first, then unknown types.

    Raises MissingValueError if any value is missing; else UnknownInstanceTypeError.
    """
    offenders = np.flatnonzero(codes >= table.sentinel)
    values = names.values(offenders)
    missing = np.array([is_missing(value) for value in values], dtype=np.bool_)
    if missing.any():
        first = tuple(int(x) for x in offenders[missing][:SHOWN])
        count = int(missing.sum())
        if names.kind == "scalar":
            raise MissingValueError(
                f"instance_type is missing (it is {values[0]!r}); name a type, or pass "
                'on_unknown="null"',
                positions=first,
                count=count,
            )
        raise MissingValueError(
            f"instance_type has {count_of(count, 'missing value')} among "
            f"{len(codes):,}, first at {positions_of(first)}; "
            'drop them, or pass on_unknown="null"',
            positions=first,
            count=count,
        )
    raise unknown_error(
        values, offenders.tolist(), len(codes), table, single=names.kind == "scalar"
    )


def unknown_error(
    values: Sequence[object],
    positions: Sequence[int],
    rows: int,
    table: LimitTable,
    *,
    single: bool,
) -> UnknownInstanceTypeError:
    """Error with the names that have no row, their positions, and similar names."""
    first_seen: dict[str, int] = {}
    for value, position in zip(values, positions, strict=True):
        first_seen.setdefault(str(value), position)
    shown = list(first_seen.items())[:SHOWN]
    alike = ((name, close_names(name, table.names)) for name, _ in shown)
    asked, close = next((candidate for candidate in alike if candidate[1]), ("", []))
    which = f" for {asked!r}" * (len(shown) > 1)
    hint = f" Did you mean {close[0]!r}{which}?" if close else ""
    why = next((f" {n}: {w}." for n, _ in shown if (w := absent(str(n)))), "")
    hint = why or hint
    if single:
        message = f"no row for {shown[0][0]!r} in the catalog of {table.as_of}.{hint}"
    else:
        listed = ", ".join(f"{name!r} at position {position}" for name, position in shown)
        more = f" and {len(first_seen) - len(shown):,} more names" * (len(first_seen) > len(shown))
        message = (
            f"{len(values):,} of {rows:,} values have no row in the catalog of {table.as_of}: "
            f"{listed}{more}.{hint}"
        )
    return UnknownInstanceTypeError(
        message,
        names=[name for name, _ in shown],
        positions=() if single else [position for _, position in shown],
        count=len(values),
        close_matches=close,
        as_of=table.as_of,
    )


def cheapest_codes(
    names: Names, table: LimitTable
) -> tuple[NDArray[Any], CategoryRows | None, bool]:
    """Codes of a column, the rows of its categories if it has any, and whether all are known."""
    if len(names.parts) == 1 and isinstance(names.parts[0], Coded):
        part = names.parts[0]
        rows = rows_of(part, table)
        complete = rows.known and not _holds(part.codes, len(rows.rows) - 1)
        return part.codes, rows, complete
    codes, complete = encoded(names, table)
    return codes, None, complete


T = TypeVar("T")

SPAN: Final = 1 << 19  # no mutant: speed alone
"""Rows in the span of one thread: starting a thread takes as long as about ten thousand rows."""


def over_spans(length: int, work: Callable[[int, int], T], *, span: int = SPAN) -> list[T]:
    """
    Results of `work` for each span of a column, called with its first row and its end.

    The number of threads is that of pyarrow, so that one setting limits both:
    ``pyarrow.set_cpu_count``, or OMP_NUM_THREADS before it is loaded. Without pyarrow there is one
    thread. `work` must spend its time in NumPy or Arrow, which release the GIL, and must only
    write to rows of its span.
    """
    if length <= span:
        return [work(0, length)]
    starts = range(0, length, span)
    stops = [min(start + span, length) for start in starts]
    pyarrow = sys.modules.get("pyarrow")
    most = 1 if pyarrow is None else pyarrow.cpu_count()  # no mutant: speed alone
    threads = min(len(starts), most)
    if threads <= 1:
        return list(map(work, starts, stops))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, starts, stops))
