"""Added columns: pods of a node, nodes needed for pods, attached addresses; and totals."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import narwhals as nw
import numpy as np

from eks_win_capacity.addresses.warm_pool import (
    Choices,
    WarmPool,
    either,
    kept_addresses,
    kept_prefixes,
    prefixes_for,
    used_addresses,
)
from eks_win_capacity.catalog.limit_table import table_of
from eks_win_capacity.core import arrays
from eks_win_capacity.core.errors import InputError, UnsupportedInputError
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.density.fleet import checked_policy
from eks_win_capacity.density.max_pods import max_pods
from eks_win_capacity.frames import backends, guards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from eks_win_capacity.catalog import Catalog

OnUnknown = Literal["raise", "null"]


@checked_call
def with_capacity(
    frame: Any,
    *,
    instance_type: str = "instance_type",
    prefix_delegation: bool | str = False,
    kubelet_max_pods: int | str | None = None,
    catalog: Catalog | None = None,
    on_unknown: OnUnknown = "raise",
    answer: str = "max_pods",
    keep_order: bool = True,
) -> Any:
    """
    Frame with an added column: the pods that the addresses of each node allow.

    The numbers are those of :func:`eks_win_capacity.max_pods`. The rows keep their order if the
    engine has one. A lazy frame stays lazy and is not read: unknown names and values out of
    range raise an error when the answer is read. For this check, DuckDB and Spark read the
    checked columns once more (so read a RecordBatchReader into a table first), and raise their
    own error with our message. Polars and Dask raise ours, which counts the rows of the current
    batch or partition.

    Parameters
    ----------
    frame : pandas, Polars, PyArrow, DuckDB, Dask or PySpark frame
        Eager or lazy; one row for each node.
    instance_type : str
        The column of EC2 names.
    prefix_delegation : bool or str
        Whether each slot holds a /28, or the name of a column of booleans.
    kubelet_max_pods : int or str, optional
        The kubelet's limit, or the name of a column of integers. [pods]
    catalog : Catalog, optional
        Where the limits come from; the bundled table by default.
    on_unknown : {"raise", "null"}
        Whether missing and unknown names raise an error or give nulls.
    answer : str
        Name of the new column.
    keep_order : bool
        Whether rows of DuckDB and lazy Polars frames must keep their order. If not, the engine
        uses a join, and DuckDB writes a file in 60 % of the time.

    Returns
    -------
    frame
        Of the same kind as the input.

    Raises
    ------
    InputError, UnsupportedInputError
        If a column is missing, of the wrong type, or already exists.
    UnknownInstanceTypeError, MissingValueError
        If names are unknown, with their number and examples, or missing.
    InvalidCountError
        If a limit is not from 0 to 1,000,000.

    Examples
    --------
    >>> import pandas as pd
    >>> with_capacity(pd.DataFrame({"instance_type": ["m5.large", "t3.xlarge"]}))
      instance_type  max_pods
    0      m5.large         9
    1     t3.xlarge        14
    """
    data = backends.read_frame(frame)
    backends.new_name(data, answer)
    question = _Asked(
        instance_type, prefix_delegation, kubelet_max_pods, catalog, on_unknown, ordered=keep_order
    )
    seen = None
    if question.checked_by_name(data):
        few, weight = question.grouped(data)
        few, checks, _ = _sized(few, backends.spare_names(few, 9)[8], question)
        data, _, spare = _sized(data, answer, question)
        seen = few, weight
    else:
        data, checks, spare = _sized(data, answer, question)
    data = guards.guarded(data, answer, checks, seen=seen).drop(*spare)
    return backends.give_back(question.tidied(data, answer), frame)


@checked_call
def nodes_needed(
    frame: Any,
    *,
    pods: int | str,
    instance_type: str = "instance_type",
    prefix_delegation: bool | str = False,
    kubelet_max_pods: int | str | None = None,
    catalog: Catalog | None = None,
    on_unknown: OnUnknown = "raise",
    answer: str = "nodes_needed",
    keep_order: bool = True,
) -> Any:
    """
    Frame with an added column: the nodes of each row's type needed for a number of pods.

    Parameters
    ----------
    frame : pandas, Polars, PyArrow, DuckDB, Dask or PySpark frame
        Eager or lazy.
    pods : int or str
        Pods that each row has to run, or the column with them. [pods]
    instance_type, prefix_delegation, kubelet_max_pods, catalog, on_unknown, answer, keep_order
        As in :func:`with_capacity`.

    Returns
    -------
    frame
        Of the same kind as the input.

    Raises
    ------
    InvalidCountError
        If a node cannot run any pod, or a count is out of range.
    InputError, UnsupportedInputError, UnknownInstanceTypeError, MissingValueError
        As in :func:`with_capacity`.

    Examples
    --------
    >>> import pandas as pd
    >>> nodes_needed(pd.DataFrame({"instance_type": ["m5.large", "c5.4xlarge"]}), pods=100)
      instance_type  nodes_needed
    0      m5.large            12
    1    c5.4xlarge             4
    """
    data = backends.read_frame(frame)
    backends.new_name(data, answer)
    wanted, more = _counted_or_constant(data, pods, "pods")
    room = backends.spare_names(data, 9)[8]
    question = _Asked(
        instance_type, prefix_delegation, kubelet_max_pods, catalog, on_unknown, ordered=keep_order
    )
    data, checks, spare = _sized(data, room, question)
    if question.may_be_none():
        checks.append(guards.no_room(room))
    data = question.tidied(guards.guarded(data, room, [*more, *checks]), room)
    each = nw.col(room)
    nodes = (wanted + each - 1) // each
    return backends.give_back(data.with_columns(nodes.alias(answer)).drop(room, *spare), frame)


@checked_call
def totals(
    frame: Any,
    *,
    by: str | Sequence[str] | None = None,
    count: str | None = None,
    instance_type: str = "instance_type",
    prefix_delegation: bool | str = False,
    kubelet_max_pods: int | str | None = None,
    catalog: Catalog | None = None,
    on_unknown: OnUnknown = "raise",
) -> Any:
    """
    Nodes and the pods that they can run, in total or by group.

    Parameters
    ----------
    frame : pandas, Polars, PyArrow, DuckDB, Dask or PySpark frame
        Eager or lazy.
    by : str or sequence of str, optional
        Columns to group by; without them, a single row.
    count : str, optional
        The column of integers with the number of nodes that a row represents.
    instance_type, prefix_delegation, kubelet_max_pods, catalog, on_unknown
        As in :func:`with_capacity`.

    Returns
    -------
    frame
        Of the kind of the input, sorted by `by`, with the columns `nodes`, `max_pods` and
        `unknown`: nodes of unknown type, which count as 0 pods.

    Raises
    ------
    InputError, UnsupportedInputError, UnknownInstanceTypeError, MissingValueError, InvalidCountError
        As in :func:`with_capacity`.

    Examples
    --------
    >>> import pandas as pd
    >>> totals(pd.DataFrame({"instance_type": ["m5.large", "t3.xlarge", "m5.large"]}))
       nodes  max_pods  unknown
    0      3        32        0
    """
    data = backends.read_frame(frame)
    groups = [] if by is None else backends.group_names(data, by)
    if not backends.may_group(data, groups):
        raise InputError("by: DuckDB does not group by names with a dot; rename the column")
    data = backends.sortable(data, groups)
    for name in groups:
        if any(backends.same_name(data, name, sums) for sums in ("nodes", "max_pods", "unknown")):
            raise InputError(f"by: {name!r} is the name of an answer; rename the column")
    # Grouping by another column too would create too many groups of names to be worthwhile.
    few = count is None and not groups and not isinstance(kubelet_max_pods, str)
    few = few and backends.is_sql(data)
    question = _Asked(
        instance_type, prefix_delegation, kubelet_max_pods, catalog, on_unknown, ordered=few
    )
    grouped = few and backends.may_group(data, question.keys())
    if grouped:
        data, count = question.grouped(data)
        nodes: Any = nw.col(count)
        more: list[guards.RowCheck] = []
    else:
        nodes, more = _counted_or_constant(data, 1 if count is None else count, "count")
    room = backends.spare_names(data, 9)[8]
    data, checks, _ = _sized(data, room, question)
    read = [*groups, room, *(name for check in (*more, *checks) for name in check.columns)]
    data = data.select(*dict.fromkeys([*read, count] if grouped else read))
    # Each sum costs the engine the same, so sums that are known to be 0 are left out.
    lost = nw.col(room) * 0 if on_unknown == "raise" else nw.col(room).is_null().cast(nw.Int64)
    if not isinstance(count, str):  # SQL engines do not sum constants
        nodes = lost * 0 + nodes
    sums = {"nodes": nodes, "max_pods": nw.col(room)}
    if count is not None:
        sums["max_pods"] = nw.col(room) * nodes
    if on_unknown == "null":
        sums["unknown"] = lost if count is None else lost * nodes
    weight = count if grouped else None
    summed = guards.guarded_sums(data, groups, sums, room, [*more, *checks], weight=weight)
    whole = [nw.col(name).fill_null(0).cast(nw.Int64) for name in sums]
    if on_unknown == "raise":
        whole.append((whole[0] * 0).alias("unknown"))
    return backends.give_back(summed.with_columns(*whole), frame)


@checked_call
def with_attached_addresses(
    frame: Any,
    *,
    pods: int | str,
    slots: int | str,
    pool: WarmPool | str,
    pools: Mapping[str, WarmPool] | None = None,
) -> Any:
    """
    Frame with added columns: the addresses attached to each node in the steady state.

    The columns are `addresses`, `prefixes`, `used` and `warm`, as computed by
    :func:`eks_win_capacity.attached_addresses` for a node that has only grown. A lazy frame
    stays lazy; values out of range raise an error when the answer is read, as described in
    :func:`with_capacity`.

    Parameters
    ----------
    frame : pandas, Polars, PyArrow, DuckDB, Dask or PySpark frame
        Eager or lazy; one row for each node.
    pods : int or str
        Pods that need an address, or the column of integers with them. [pods]
    slots : int or str
        IPv4 addresses per interface - 1, or the column with them. This is the result of
        :func:`with_capacity` without prefix delegation. [slots]
    pool : WarmPool or str
        Mode and targets of all nodes, or the column that names a pool of `pools`.
    pools : mapping of str to WarmPool, optional
        The pools that a column may name.

    Returns
    -------
    frame
        Of the same kind as the input.

    Raises
    ------
    InputError, UnsupportedInputError
        If a column is missing or of the wrong type, or names an unknown pool.
    InvalidCountError, MissingValueError
        If a count is out of range or missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from eks_win_capacity import WarmPool
    >>> nodes = pd.DataFrame({"pods": [0, 16]})
    >>> with_attached_addresses(nodes, pods="pods", slots=9, pool=WarmPool.prefix())
       pods  addresses  prefixes  used  warm
    0     0         16         1     0    16
    1    16         32         2    16    16
    """
    data = backends.read_frame(frame)
    for answer in ("addresses", "prefixes", "used", "warm"):
        backends.new_name(data, answer, cure="drop or rename it")
    n, checks = _counted_or_constant(data, pods, "pods")
    s, more = _counted_or_constant(data, slots, "slots", low=1)
    checks += more
    if not isinstance(pool, (WarmPool, str)):
        raise UnsupportedInputError(f"pool must be a WarmPool or a column name; got {pool!r}")
    if isinstance(pool, str):
        checks += _named(data, pool, pools)
    n_name, s_name, u_name, p_name = backends.spare_names(data, 4)
    data = data.with_columns(n.alias(n_name), s.alias(s_name))
    data = guards.guarded(data, n_name, checks)
    n, s, used, prefixes = map(nw.col, (n_name, s_name, u_name, p_name))
    ops = _OF_DASK if data.implementation.is_dask() else _OPS

    def chosen(answer: Any) -> Any:
        if isinstance(pool, WarmPool):
            return answer(pool)
        # A sum of masked terms: Dask does not align nested branches with constants.
        parts = n * 0
        for name, each in (pools or {}).items():
            parts += (nw.col(pool) == name).cast(nw.Int64) * answer(each)
        return parts

    data = data.with_columns(
        chosen(lambda p: used_addresses(n, s, p, ops)).cast(nw.Int64).alias(u_name)
    )
    occupied = prefixes_for(used)
    data = data.with_columns(
        chosen(lambda p: kept_prefixes(used, occupied, s, p, ops)).cast(nw.Int64).alias(p_name)
    )
    addresses = chosen(lambda p: kept_addresses(used, prefixes, s, p, ops)).cast(nw.Int64)
    data = data.with_columns(addresses.alias("addresses"), prefixes.alias("prefixes"))
    data = data.with_columns(used=used, warm=nw.col("addresses") - used)
    return backends.give_back(data.drop(n_name, s_name, u_name, p_name), frame)


def _counted_or_constant(
    data: Any, value: object, argument: str, *, low: int = 0
) -> tuple[Any, list[guards.RowCheck]]:
    """Counts of an argument as an expression, and the checks of its column."""
    if not isinstance(value, str):
        return nw.lit(arrays.count(value, name=argument, low=low), dtype=nw.Int64), []
    backends.check_column(data, value, argument, "counts")
    dtype = data.collect_schema()[value]
    wide = dtype in (nw.UInt64, nw.Int128, nw.UInt128)
    outside = guards.out_of_range(value, argument, low, dtype if wide else None)
    # A value beyond int64 would raise the engine's error before the check.
    whole = nw.col(value).fill_null(0) if data.implementation.is_dask() else nw.col(value)
    if wide:
        whole = nw.when(outside.bad).then(nw.lit(0, dtype=dtype)).otherwise(whole)
    return whole.cast(nw.Int64), [guards.missing(value), outside]


@dataclass(frozen=True)
class _Asked:
    """Arguments that several functions share, for a column of type names."""

    by: str
    prefixes: Any
    kubelet: Any
    catalog: Catalog | None
    on_unknown: str
    ordered: bool = True

    def __post_init__(self) -> None:
        checked_policy(self.on_unknown)
        arrays.flag(self.ordered, name="keep_order")
        if not isinstance(self.prefixes, str):
            arrays.flag(self.prefixes, name="prefix_delegation")
        self.limit()

    def answers(self, *, mode: bool) -> NDArray[np.int64]:
        """Pods of each type of the catalog in one mode."""
        table = table_of(self.catalog)
        return table.answers(
            prefix_delegation=mode, kubelet_max_pods=self.limit(), dtype=np.dtype(np.int64)
        )[:-1]

    def limit(self) -> int | None:
        """The kubelet's limit, if it is one number for all rows."""
        if self.kubelet is None or isinstance(self.kubelet, str):
            return None
        return arrays.count(self.kubelet, name="kubelet_max_pods")

    def grouped(self, data: Any) -> tuple[Any, str]:
        """
        Number of rows for each name and mode, and the name of that column.

        SQL engines group strings faster than they join them, and then only few rows have to be
        looked up and checked.
        """
        (rows,) = backends.spare_names(data, 1)
        backends.column(data, self.by, "instance_type")
        if isinstance(self.prefixes, str):
            backends.column(data, self.prefixes, "prefix_delegation")
        return data.group_by(*self.keys()).agg(nw.len().alias(rows)), rows

    def checked_by_name(self, data: Any) -> bool:
        """Whether only names and modes are checked, by an SQL engine that can group by them."""
        refuses = self.on_unknown == "raise"
        plain = refuses and backends.is_sql(data) and not isinstance(self.kubelet, str)
        return plain and backends.may_group(data, self.keys())

    def keys(self) -> list[str]:
        """Columns that determine the pods of a node, without the kubelet's limit."""
        modes = [self.prefixes] if isinstance(self.prefixes, str) else []
        return list(dict.fromkeys([self.by, *modes]))

    def modes(self) -> tuple[bool, ...]:
        """Modes that rows may have."""
        one = isinstance(self.prefixes, str)
        return (False, True) if one else (bool(self.prefixes),)

    def may_be_none(self) -> bool:
        """Whether a node may run 0 pods."""
        if isinstance(self.kubelet, str):
            return True
        return any((self.answers(mode=mode) == 0).any() for mode in self.modes())

    def tidied(self, data: Any, answer: str) -> Any:
        """Dask integers without nulls if no value is missing, as in pandas."""
        if self.on_unknown == "raise" and data.implementation.is_dask():
            return nw.from_native(data.to_native().astype({answer: "int64"}))
        return data


def _sized(
    data: Any, answer: str, question: _Asked
) -> tuple[Any, list[guards.RowCheck], list[str]]:
    """Frame with the pods of each node, the checks of its rows, and its temporary columns."""
    by, prefixes, kubelet = question.by, question.prefixes, question.kubelet
    backends.check_column(data, by, "instance_type", "names")
    checks: list[guards.RowCheck] = []
    if isinstance(prefixes, str):
        backends.check_column(data, prefixes, "prefix_delegation", "flags")
        checks.append(guards.missing(prefixes))
    if isinstance(kubelet, str):
        kubelet_limit, more = _counted_or_constant(data, kubelet, "kubelet_max_pods")
        checks += more
    modes = question.modes()
    names = backends.spare_names(data, len(modes))
    look_up = _from_plan if backends.is_lazy(data) else _from_data
    data = look_up(data, dict(zip(names, modes, strict=True)), question)
    pods: Any = nw.col(names[0])
    if isinstance(prefixes, str):
        pods = nw.when(nw.col(prefixes)).then(nw.col(names[1])).otherwise(pods)
    if isinstance(kubelet, str):
        pods = nw.when(kubelet_limit < pods).then(kubelet_limit).otherwise(pods)
    if question.on_unknown == "raise" and backends.is_lazy(data):  # eager frames: max_pods() checks
        cure = 'drop them, or pass on_unknown="null"'
        unknown = guards.unknown(by, names[0], table_of(question.catalog))
        checks += [guards.missing(by, cure=cure), unknown]
    return data.with_columns(pods.alias(answer)), checks, names


def _from_data(data: Any, modes: dict[str, bool], question: _Asked) -> Any:
    """Pods in memory, by `max_pods`, which is the fastest way."""
    names = data[question.by].to_native()
    for name, mode in modes.items():
        pods = max_pods(  # type: ignore[call-overload]
            names,
            prefix_delegation=mode,
            kubelet_max_pods=question.limit(),
            catalog=question.catalog,
            on_unknown=question.on_unknown,
        )
        column = nw.from_native(pods, series_only=True).alias(name)
        data = data.with_columns(column)
    return data


def _from_plan(data: Any, modes: dict[str, bool], question: _Asked) -> Any:
    """Pods in the engine, by a small table of the same engine."""
    if data.implementation.is_dask():
        return _from_pieces(data, modes, question)
    values = {name: question.answers(mode=mode).tolist() for name, mode in modes.items()}
    names = table_of(question.catalog).names
    return backends.looked_up(data, question.by, names, values, ordered=question.ordered)


def _from_pieces(data: Any, modes: dict[str, bool], question: _Asked) -> Any:
    """Pods in the partitions of a Dask frame, in memory; Series.map takes three times as long."""
    native = data.to_native()
    columns = {
        name: native[question.by].map_partitions(
            _PodsOfPiece(mode, question.limit(), question.catalog), meta=(name, "Int64")
        )
        for name, mode in modes.items()
    }
    return nw.from_native(native.assign(**columns))


@dataclass(frozen=True)
class _PodsOfPiece:
    """Pods for a partition of type names, null for unknown names."""

    mode: bool
    kubelet: Any
    catalog: Catalog | None

    def __dask_tokenize__(self) -> object:
        """Identity for Dask, which would otherwise pickle the catalog each time."""
        pods = table_of(self.catalog).pods(prefix_delegation=self.mode)
        names = hashlib.sha256(repr(table_of(self.catalog).names).encode())
        return self.mode, self.kubelet, names.hexdigest(), pods.tobytes()

    def __call__(self, names: Any) -> Any:
        return max_pods(
            names,
            prefix_delegation=self.mode,
            kubelet_max_pods=self.kubelet,
            catalog=self.catalog,
            on_unknown="null",
        )


def _named(data: Any, column: str, pools: object) -> list[guards.RowCheck]:
    """Checks of a column that names pools."""
    backends.check_column(data, column, "pool", "names")
    if not isinstance(pools, Mapping) or not pools:
        raise InputError(f"pools must hold the pools that {column!r} names; got {pools!r:.60}")
    for name, pool in pools.items():
        if not isinstance(name, str):
            raise InputError(f"the names of pools are strings; got {name!r}")
        if not isinstance(pool, WarmPool):
            raise UnsupportedInputError(f"pools[{name!r}] must be a WarmPool; got {pool!r}")
    return [guards.missing(column), guards.strange(column, pools, "pools")]


def _as_columns(values: tuple[Any, ...]) -> list[Any]:
    return [nw.lit(v, dtype=nw.Int64) if isinstance(v, int) else v for v in values]


def _named_apart(values: tuple[Any, ...]) -> Iterator[Any]:
    """Expressions with distinct names, as narwhals 2.0 refuses two of the same name."""
    return (value.alias(f"value_{at}") for at, value in enumerate(_as_columns(values)))


def _first(values: tuple[Any, ...], less: Callable[[Any, Any], Any]) -> Any:
    """Row-wise minimum or maximum of columns and constants, by branches."""
    first, *rest = _as_columns(values)
    for value in rest:
        first = nw.when(less(first, value)).then(first).otherwise(value)
    return first


_OPS: Final = Choices(
    least=lambda *values: nw.min_horizontal(*_named_apart(values)),
    most=lambda *values: nw.max_horizontal(*_named_apart(values)),
    where=either,
)

_OF_DASK: Final = Choices(
    least=lambda *values: _first(values, operator.lt),
    most=lambda *values: _first(values, operator.gt),
    where=either,
)
"""For a minimum narwhals concatenates Dask columns, and Dask warns if it does not know the
divisions, as after reading a file. In Polars, branches would take twice as long."""
