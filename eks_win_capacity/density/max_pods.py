"""How many pod addresses does a Windows node have, for one node or ten million."""

from __future__ import annotations

from eks_win_capacity.catalog.limits import bundled_limit, by_mode
from eks_win_capacity.core.constants import MAX_COUNT
from eks_win_capacity.core.lazy import checked_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias, overload

    import numpy as np
    import pandas as pd
    from numpy.typing import DTypeLike, NDArray

    from eks_win_capacity.catalog import Catalog

    Flags: TypeAlias = bool | list[bool] | NDArray[np.bool_]
    Counts: TypeAlias = int | list[int] | NDArray[np.integer[Any]]
    Names: TypeAlias = list[str] | tuple[str, ...] | NDArray[Any]

if TYPE_CHECKING:

    @overload
    def ip_capacity(
        ipv4_per_interface: int | np.integer[Any], *, prefix_delegation: bool = ...
    ) -> int: ...

    @overload
    def ip_capacity(
        ipv4_per_interface: list[int] | tuple[int, ...] | NDArray[np.integer[Any]],
        *,
        prefix_delegation: Flags = ...,
    ) -> NDArray[np.int64]: ...

    @overload
    def ip_capacity(
        ipv4_per_interface: pd.Series, *, prefix_delegation: Any = ...
    ) -> pd.Series: ...

    @overload
    def ip_capacity(ipv4_per_interface: Any, *, prefix_delegation: Any = ...) -> Any: ...


@checked_call
def ip_capacity(ipv4_per_interface: Any, *, prefix_delegation: Any = False) -> Any:
    """
    Pod addresses on a Windows node, by addresses per interface.

    A Windows node uses one network interface, and the first address of that
    interface belongs to the node. Every other slot holds one pod address or,
    with prefix delegation, a /28 of 16. This function does not know whether a type supports
    prefixes; :func:`max_pods` does.

    Parameters
    ----------
    ipv4_per_interface : int, array_like or Series
        IPv4 addresses that EC2 allows on one interface. Any shape, any integer dtype.
        [addresses]
    prefix_delegation : bool, array_like or Series
        Whether each slot holds a /28. Broadcasts.

    Returns
    -------
    int, ndarray of int64 or Series
        Of the kind of the input. [pods]

    Raises
    ------
    InvalidCountError
        If a number is not whole, or not from 1 to 1,000,000.
    MissingValueError, ShapeMismatchError, IndexMismatchError
        If values are missing, or columns do not go together.

    References
    ----------
    Amazon EKS user guide, "Deploy Windows nodes on EKS clusters".

    Examples
    --------
    >>> import eks_win_capacity as ewc
    >>> ewc.ip_capacity(10), ewc.ip_capacity(10, prefix_delegation=True)
    (9, 144)
    >>> ewc.ip_capacity([[10, 15]])
    array([[ 9, 14]])
    >>> ewc.ip_capacity([10, 15], prefix_delegation=[True, False])
    array([144,  14])
    """
    if (
        type(ipv4_per_interface) is int
        and type(prefix_delegation) is bool
        and 1 <= ipv4_per_interface <= MAX_COUNT
    ):
        return by_mode(ipv4_per_interface, int(prefix_delegation))
    from eks_win_capacity.density.address_columns import ip_capacity_of_column

    return ip_capacity_of_column(ipv4_per_interface, prefix_delegation)


_SHORT = 1 << 15
"""Maximum length of a list that is looked up at once; longer ones are processed in blocks."""


def _short_list(
    names: list[Any],
    prefix_delegation: bool,  # noqa: FBT001
    kubelet_max_pods: int | None,
) -> NDArray[Any] | None:
    """Pods of each name in a list; None if it contains anything but known names."""
    import numpy as np

    from eks_win_capacity.catalog.limit_table import bundled_table

    table = bundled_table()
    try:
        codes = [table.code_of[name] for name in names]
    except (KeyError, TypeError):
        return None
    answers = table.answers(
        prefix_delegation=prefix_delegation,
        kubelet_max_pods=kubelet_max_pods,
        dtype=np.dtype(np.int64),
    )
    return answers[codes]


if TYPE_CHECKING:

    @overload
    def max_pods(
        instance_type: str,
        *,
        prefix_delegation: bool = ...,
        kubelet_max_pods: int | None = ...,
        catalog: Catalog | None = ...,
        on_unknown: Literal["raise"] = ...,
        dtype: None = ...,
        out: None = ...,
    ) -> int: ...

    @overload
    def max_pods(
        instance_type: str,
        *,
        prefix_delegation: bool = ...,
        kubelet_max_pods: int | None = ...,
        catalog: Catalog | None = ...,
        on_unknown: Literal["null"],
        dtype: None = ...,
        out: None = ...,
    ) -> int | None: ...

    @overload
    def max_pods(
        instance_type: Names,
        *,
        prefix_delegation: Flags = ...,
        kubelet_max_pods: Counts | None = ...,
        catalog: Catalog | None = ...,
        on_unknown: Literal["raise"] = ...,
        dtype: None = ...,
        out: None = ...,
    ) -> NDArray[np.int64]: ...

    @overload
    def max_pods(
        instance_type: pd.Series,
        *,
        prefix_delegation: Any = ...,
        kubelet_max_pods: Any = ...,
        catalog: Catalog | None = ...,
        on_unknown: Literal["raise", "null"] = ...,
        dtype: DTypeLike | None = ...,
        out: None = ...,
    ) -> pd.Series: ...

    @overload
    def max_pods(
        instance_type: Any,
        *,
        prefix_delegation: Any = ...,
        kubelet_max_pods: Any = ...,
        catalog: Catalog | None = ...,
        on_unknown: Literal["raise", "null"] = ...,
        dtype: DTypeLike | None = ...,
        out: NDArray[Any] | None = ...,
    ) -> Any: ...


@checked_call
def max_pods(
    instance_type: Any,
    *,
    prefix_delegation: Any = False,
    kubelet_max_pods: Any = None,
    catalog: Catalog | None = None,
    on_unknown: Literal["raise", "null"] = "raise",
    dtype: DTypeLike | None = None,
    out: NDArray[Any] | None = None,
) -> Any:
    """
    Pods that the addresses of a Windows node allow.

    That is (addresses per interface - 1), and 16 times as many with prefix
    delegation. Types that are neither Nitro nor bare metal keep the secondary number, because
    prefix delegation has no effect on them. :attr:`InstanceType.windows` says whether Windows
    runs on a type.

    Columns of more than half a million rows use ``pyarrow.cpu_count()`` threads;
    ``pyarrow.set_cpu_count`` limits them.

    Parameters
    ----------
    instance_type : str, sequence, array, Series, Index, Arrow or Polars column
        EC2 names. Any shape.
    prefix_delegation : bool or column of bool
        Whether each slot holds a /28. Broadcasts.
    kubelet_max_pods : int or column of int, optional
        The kubelet's limit; the answer is then the smaller number. Broadcasts. [pods]
    catalog : Catalog, optional
        Where the limits come from; the bundled table by default.
    on_unknown : {"raise", "null"}
        Whether missing and unknown names raise an error or give null answers: None for one
        name, else a nullable column.
    dtype : dtype, optional
        Integer dtype of the answer; int64 by default.
    out : ndarray, optional
        Where to write the answer; its shape must be that of the answer.

    Returns
    -------
    int, ndarray of int64, Series or column
        Of the kind of the input; a Series is named ``max_pods``. [pods]

    Raises
    ------
    UnknownInstanceTypeError
        If a name has no row; the error has the first such names, their positions and their
        number.
    MissingValueError
        If a name, a flag or a limit is missing.
    UnsupportedInputError
        If `instance_type` is not a column of names.
    InvalidCountError
        If a limit is not a whole number from 0 to 1,000,000, or `dtype` is too narrow.
    ShapeMismatchError, IndexMismatchError
        If columns do not go together.

    References
    ----------
    Amazon EKS user guide, "Deploy Windows nodes on EKS clusters".

    Examples
    --------
    >>> import eks_win_capacity as ewc
    >>> ewc.max_pods("m5.large"), ewc.max_pods("m5.large", prefix_delegation=True)
    (9, 144)
    >>> ewc.max_pods("m5.large", prefix_delegation=True, kubelet_max_pods=110)
    110
    >>> ewc.max_pods(["m5.large", "t3.xlarge"], prefix_delegation=[False, True])
    array([  9, 224])
    >>> ewc.max_pods("m5.larg")
    Traceback (most recent call last):
    eks_win_capacity.core.errors.UnknownInstanceTypeError: no row for 'm5.larg' in the catalog of ...
    """
    # Exact types: NumPy scalars and subclasses of str are handled as columns.
    plain = (
        type(prefix_delegation) is bool
        and (
            kubelet_max_pods is None
            or (type(kubelet_max_pods) is int and 0 <= kubelet_max_pods <= MAX_COUNT)
        )
        and catalog is None
        and str(on_unknown) in {"raise", "null"}
        and dtype is None
        and out is None
    )
    if plain and type(instance_type) is str:
        limit = bundled_limit(instance_type)
        if limit is not None:
            addresses, nitro = limit
            pods = by_mode(addresses, int(nitro and prefix_delegation))
            return pods if kubelet_max_pods is None else min(pods, kubelet_max_pods)
    elif (
        plain
        and on_unknown == "raise"
        and type(instance_type) is list
        and 0 < len(instance_type) <= _SHORT
    ):
        answers = _short_list(instance_type, prefix_delegation, kubelet_max_pods)
        if answers is not None:
            return answers
    from eks_win_capacity.density.fleet import max_pods_of_column

    return max_pods_of_column(
        instance_type,
        prefix_delegation=prefix_delegation,
        kubelet_max_pods=kubelet_max_pods,
        catalog=catalog,
        on_unknown=on_unknown,
        dtype=dtype,
        out=out,
    )
