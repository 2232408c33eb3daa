"""Addresses that the nodes of a frame keep attached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import narwhals as nw

from eks_win_capacity.addresses.targets import (
    Choices,
    either,
    kept_addresses,
    kept_prefixes,
    prefixes_for,
    used_addresses,
)
from eks_win_capacity.addresses.warm_pool import WarmPool
from eks_win_capacity.core import arrays
from eks_win_capacity.core.errors import UnsupportedInputError
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.frames import backends, guards, verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


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
    The frame with the addresses each node keeps attached in the steady state.

    Adds the columns `addresses`, `prefixes`, `used` and `warm`, as
    :func:`eks_win_capacity.attached_addresses` counts them on a node that has
    only grown. A lazy frame stays lazy; values that no node has are errors once
    the answer is read, as :func:`with_capacity` says.

    Parameters
    ----------
    frame : pandas, Polars, PyArrow, DuckDB, Dask or PySpark frame
        Eager or lazy; one row for each node.
    pods : int or str
        Pods that need an address, or the column of integers with them. [pods]
    slots : int or str
        IPv4 addresses per interface - 1, or the column with them: that is what
        :func:`with_capacity` gives without prefix delegation. [slots]
    pool : WarmPool or str
        Mode and targets of all nodes, or the column that names a pool of `pools`.
    pools : mapping of str to WarmPool, optional
        The pools that a column may name.

    Returns
    -------
    frame
        Of the kind that came in.

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
        backends.new_name(data, answer)
    checks: list[verify.RowCheck] = []
    n, s = (
        _count(data, value, argument, low, checks)
        for value, argument, low in ((pods, "pods", 0), (slots, "slots", 1))
    )
    if not isinstance(pool, (WarmPool, str)):
        raise UnsupportedInputError(f"pool must be a WarmPool or a column name; got {pool!r}")
    if isinstance(pool, str):
        checks.append(_named(data, pool, pools or {}))
    n_name, s_name, u_name, p_name = backends.spare_names(data, 4)
    data = data.with_columns(n.alias(n_name), s.alias(s_name))
    data = guards.guarded(data, n_name, checks)
    n, s, used, prefixes = map(nw.col, (n_name, s_name, u_name, p_name))

    def chosen(answer: Any) -> Any:
        if isinstance(pool, WarmPool):
            return answer(pool)
        # A sum under masks: Dask does not align a chain of branches with constants in it.
        parts = n * 0
        for name, each in (pools or {}).items():
            parts += (nw.col(pool) == name).cast(nw.Int64) * answer(each)
        return parts

    data = data.with_columns(
        chosen(lambda p: used_addresses(n, s, p, _OPS)).cast(nw.Int64).alias(u_name)
    )
    occupied = prefixes_for(used)
    data = data.with_columns(
        chosen(lambda p: kept_prefixes(used, occupied, s, p, _OPS)).cast(nw.Int64).alias(p_name)
    )
    addresses = chosen(lambda p: kept_addresses(used, prefixes, s, p, _OPS)).cast(nw.Int64)
    data = data.with_columns(addresses.alias("addresses"), prefixes.alias("prefixes"))
    data = data.with_columns(used=used, warm=nw.col("addresses") - used)
    return backends.give_back(data.drop(n_name, s_name, u_name, p_name), frame)


def _count(data: Any, value: object, argument: str, low: int, checks: list[verify.RowCheck]) -> Any:
    if not isinstance(value, str):
        return nw.lit(int(arrays.counts(value, name=argument, low=low)), dtype=nw.Int64)
    backends.check_column(data, value, argument, "counts")
    checks += [verify.missing(value), verify.out_of_range(value, argument, low)]
    return nw.col(value).cast(nw.Int64)


def _named(data: Any, column: str, pools: Mapping[str, WarmPool]) -> verify.RowCheck:
    backends.check_column(data, column, "pool", "names")
    for name, pool in pools.items():
        if not isinstance(pool, WarmPool):
            raise UnsupportedInputError(f"pools[{name!r}] must be a WarmPool; got {pool!r}")
    return verify.strange(column, pools, "pools")


def _named_apart(values: tuple[Any, ...]) -> Iterator[Any]:
    """Expressions that may come from one column; narwhals 2.0 refuses two of the same name."""
    for at, value in enumerate(values):
        whole = nw.lit(value, dtype=nw.Int64) if isinstance(value, int) else value
        yield whole.alias(f"value_{at}")


_OPS: Final = Choices(
    least=lambda *values: nw.min_horizontal(*_named_apart(values)),
    most=lambda *values: nw.max_horizontal(*_named_apart(values)),
    where=either,
)
