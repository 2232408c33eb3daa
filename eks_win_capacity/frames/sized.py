"""Pods that the nodes of a frame take, the nodes that pods need, and sums of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import narwhals as nw
import numpy as np

from eks_win_capacity.catalog.limit_table import table_of
from eks_win_capacity.core import arrays
from eks_win_capacity.core.errors import InputError, InvalidCountError
from eks_win_capacity.density.fleet import checked_flags, checked_kubelet
from eks_win_capacity.density.max_pods import max_pods
from eks_win_capacity.frames import engines, verify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eks_win_capacity.catalog import Catalog

OnUnknown = Literal["raise", "null"]


def with_capacity(
    frame: Any,
    *,
    instance_type: str = "instance_type",
    prefix_delegation: bool | str = False,
    kubelet_max_pods: int | str | None = None,
    catalog: Catalog | None = None,
    on_unknown: OnUnknown = "raise",
    answer: str = "max_pods",
) -> Any:
    """
    The frame with the pods that the addresses of each node allow.

    The numbers are those of :func:`eks_win_capacity.max_pods`. The rows keep
    their order where the engine knows one. A lazy frame stays lazy; unknown
    names, and columns given as arguments, are checked at once by small
    aggregate queries, so that the error can count them. With
    ``on_unknown="null"`` and constant arguments nothing is read.

    Parameters
    ----------
    frame : pandas, Polars, PyArrow, DuckDB, Dask or PySpark frame
        Eager or lazy; one row for each node.
    instance_type : str
        The column of EC2 names.
    prefix_delegation : bool or str
        Whether each slot holds a /28, or the column of booleans that says so.
    kubelet_max_pods : int or str, optional
        The kubelet's own limit, or the column of integers with it. [pods]
    catalog : Catalog, optional
        Where the limits come from; the bundled table by default.
    on_unknown : {"raise", "null"}
        Whether missing and unknown names are an error, or nulls.
    answer : str
        Name of the new column.

    Returns
    -------
    frame
        Of the kind that came in.

    Raises
    ------
    InputError, UnsupportedInputError
        If a column is missing, of the wrong type, or there already.
    UnknownInstanceTypeError, MissingValueError
        If names have no row, with their number and examples, or are missing.
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
    data = engines.read_frame(frame)
    engines.new_name(data, answer)
    data = _sized(
        data,
        answer,
        by=instance_type,
        prefixes=prefix_delegation,
        kubelet=kubelet_max_pods,
        catalog=catalog,
        on_unknown=on_unknown,
    )
    return engines.give_back(data, frame)


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
) -> Any:
    """
    The frame with the nodes of each row's type that run a number of pods.

    Parameters
    ----------
    frame : pandas, Polars, PyArrow, DuckDB, Dask or PySpark frame
        Eager or lazy.
    pods : int or str
        Pods that each row has to run, or the column with them. [pods]
    instance_type, prefix_delegation, kubelet_max_pods, catalog, on_unknown, answer
        As in :func:`with_capacity`.

    Returns
    -------
    frame
        Of the kind that came in.

    Raises
    ------
    InvalidCountError
        If a node takes no pod at all, or a count is out of range.
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
    data = engines.read_frame(frame)
    engines.new_name(data, answer)
    wanted = _wanted(data, pods)
    room = engines.spare_names(data, 9)[8]
    data = _sized(
        data,
        room,
        by=instance_type,
        prefixes=prefix_delegation,
        kubelet=kubelet_max_pods,
        catalog=catalog,
        on_unknown=on_unknown,
    )
    if isinstance(kubelet_max_pods, str) or kubelet_max_pods == 0:
        _refuse_no_room(data, room)
    # A type has two addresses or more on its interface: only the kubelet's limit gives 0.
    each = nw.col(room)
    nodes = (wanted + each - 1) // each
    return engines.give_back(data.with_columns(nodes.alias(answer)).drop(room), frame)


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
    The nodes and the pods that they take, in all or by group.

    Parameters
    ----------
    frame : pandas, Polars, PyArrow, DuckDB, Dask or PySpark frame
        Eager or lazy.
    by : str or sequence of str, optional
        Columns to group by; one row in all without them.
    count : str, optional
        The column of integers that says how many nodes a row stands for.
    instance_type, prefix_delegation, kubelet_max_pods, catalog, on_unknown
        As in :func:`with_capacity`.

    Returns
    -------
    frame
        Of the kind that came in, sorted by `by`, with the columns `nodes`,
        `max_pods` and `unknown`: nodes of unknown type, which count no pods.

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
    data = engines.read_frame(frame)
    groups = [by] if isinstance(by, str) else list(by or ())
    for name in groups:
        engines.column(data, name, "by")
        if name in {"nodes", "max_pods", "unknown"}:
            raise InputError(f"by: {name!r} is the name of an answer; rename the column")
    nodes: Any = nw.lit(1, dtype=nw.Int64)
    if count is not None:
        engines.check_column(data, count, "count", "counts")
        verify.verify_values(data, counts={count: ("count", 0)})
        nodes = nw.col(count).cast(nw.Int64)
    room, each, lost = engines.spare_names(data, 9)[6:]
    data = _sized(
        data,
        room,
        by=instance_type,
        prefixes=prefix_delegation,
        kubelet=kubelet_max_pods,
        catalog=catalog,
        on_unknown=on_unknown,
    )
    data = data.with_columns(nodes.alias(each))
    data = data.with_columns(
        (nw.col(room).fill_null(0) * nw.col(each)).cast(nw.Int64).alias(room),
        (nw.col(room).is_null().cast(nw.Int64) * nw.col(each)).cast(nw.Int64).alias(lost),
    )
    sums = [
        nw.col(source).sum().alias(name)
        for name, source in {"nodes": each, "max_pods": room, "unknown": lost}.items()
    ]
    summed = data.group_by(groups).agg(*sums).sort(groups) if groups else data.select(*sums)
    whole = [nw.col(name).fill_null(0).cast(nw.Int64) for name in ("nodes", "max_pods", "unknown")]
    return engines.give_back(summed.with_columns(*whole), frame)


def _wanted(data: Any, pods: object) -> Any:
    if not isinstance(pods, str):
        return nw.lit(int(arrays.counts(pods, name="pods")), dtype=nw.Int64)
    engines.check_column(data, pods, "pods", "counts")
    verify.verify_values(data, counts={pods: ("pods", 0)})
    return nw.col(pods).cast(nw.Int64)


def _refuse_no_room(data: Any, room: str) -> None:
    least = verify.rows_of(data.select(nw.col(room).min().alias("least")))[0]["least"]
    if least == 0:
        raise InvalidCountError(
            "no number of nodes is enough where a node takes no pod: kubelet_max_pods is 0 for "
            "some node"
        )


def _sized(
    data: Any, answer: str, *, by: str, prefixes: Any, kubelet: Any, catalog: Any, on_unknown: str
) -> Any:
    """Add the pods of each node, in the way that suits the engine."""
    if on_unknown not in {"raise", "null"}:
        raise InputError(f'on_unknown must be "raise" or "null"; got {on_unknown!r}')
    engines.check_column(data, by, "instance_type", "names")
    if isinstance(prefixes, str):
        engines.check_column(data, prefixes, "prefix_delegation", "flags")
    if isinstance(kubelet, str):
        engines.check_column(data, kubelet, "kubelet_max_pods", "counts")
    verify.verify_values(
        data,
        counts={kubelet: ("kubelet_max_pods", 0)} if isinstance(kubelet, str) else {},
        flags=[prefixes] if isinstance(prefixes, str) else [],
    )
    modes = (False, True) if isinstance(prefixes, str) else (bool(checked_flags(prefixes)),)
    limit = None if isinstance(kubelet, str) else checked_kubelet(kubelet)
    names = engines.spare_names(data, len(modes))
    look_up = _from_plan if engines.is_lazy(data) else _from_data
    data = look_up(
        data,
        by,
        dict(zip(names, modes, strict=True)),
        limit=limit,
        catalog=catalog,
        on_unknown=on_unknown,
    )
    pods: Any = nw.col(names[0])
    if isinstance(prefixes, str):
        pods = nw.when(nw.col(prefixes)).then(nw.col(names[1])).otherwise(pods)
    if isinstance(kubelet, str):
        own = nw.col(kubelet).cast(nw.Int64)
        pods = nw.when(own < pods).then(own).otherwise(pods)
    return data.with_columns(pods.alias(answer)).drop(*names)


def _from_data(
    data: Any, by: str, modes: dict[str, bool], *, limit: Any, catalog: Any, on_unknown: Any
) -> Any:
    """Look up in memory, where the columns of `max_pods` are the fastest way."""
    names = data[by].to_native()
    for name, mode in modes.items():
        pods = max_pods(
            names,
            prefix_delegation=mode,
            kubelet_max_pods=limit,
            catalog=catalog,
            on_unknown=on_unknown,
        )
        column = nw.from_native(pods, series_only=True).alias(name)
        data = data.with_columns(column)
    return data


def _from_plan(
    data: Any, by: str, modes: dict[str, bool], *, limit: Any, catalog: Any, on_unknown: Any
) -> Any:
    """Look up in the engine, in a small table of the same engine."""
    table = table_of(catalog)
    values = {
        name: table.answers(
            prefix_delegation=mode, kubelet_max_pods=limit, dtype=np.dtype(np.int64)
        )[:-1].tolist()
        for name, mode in modes.items()
    }
    data = engines.looked_up(data, by, table.names, values)
    if on_unknown == "raise":
        verify.verify_names(data, by, next(iter(modes)), table)
        if data.implementation.is_dask():  # no value is missing: plain integers, as in pandas
            return nw.from_native(data.to_native().astype(dict.fromkeys(modes, "int64")))
    return data
