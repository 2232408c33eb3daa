"""How many pods fit on many nodes: a fleet encoded once, answered from a table by type."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np

from eks_win_capacity.catalog.limit_table import LimitTable, table_of
from eks_win_capacity.core import arrays
from eks_win_capacity.core.arguments import of_kind
from eks_win_capacity.core.display import html_table
from eks_win_capacity.core.errors import (
    InputError,
    InvalidCountError,
    ShapeMismatchError,
    UnsupportedInputError,
    count_of,
)
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.density.columns import (
    Coded,
    Names,
    answer_in_kind,
    is_integer_array,
    plain_integers,
    read_names,
    without_values,
)
from eks_win_capacity.density.fleet_codes import (
    BLOCK,
    NUMBERS,
    cheapest_codes,
    encoded,
    lookup,
    max_pods_of_codes,
    refuse_unknown,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import DTypeLike, NDArray

OnUnknown = Literal["raise", "null"]


def checked_flags(value: object) -> bool | NDArray[np.bool_]:
    """Argument `prefix_delegation` as one flag or an array of flags."""
    if isinstance(value, bool):
        return value
    flags = arrays.flags(value, name="prefix_delegation")
    return bool(flags) if flags.ndim == 0 else flags


def checked_kubelet(value: object) -> int | NDArray[np.int64] | None:
    """Argument `kubelet_max_pods` as None, one number or an array of numbers."""
    if value is None:
        return None
    limits = arrays.counts(value, name="kubelet_max_pods", copy=False)
    return int(limits) if limits.ndim == 0 else limits


def _prepared_out(
    shape: tuple[int, ...], dtype: DTypeLike | None, out: NDArray[Any] | None
) -> NDArray[Any]:
    """Array for the result: `out` after checks, or a new one."""
    try:
        wanted = np.dtype(np.int64 if dtype is None else dtype)
    except (TypeError, ValueError, SyntaxError) as error:
        raise InputError(f"dtype must be an integer dtype; {error}") from error
    if wanted.kind not in "iu":
        raise InputError(f"dtype must be an integer dtype; got {wanted}")
    if out is None:
        return np.empty(shape, dtype=wanted)
    if not is_integer_array(out):
        raise InputError("out must be a NumPy array of integers, without a mask")
    if dtype is not None and out.dtype != wanted:
        raise InputError(f"out has dtype {out.dtype}, and dtype asks for {wanted}")
    if out.shape != shape:
        raise ShapeMismatchError(f"out has the shape {out.shape}; the answer has {shape}")
    if not out.flags.writeable:
        raise InputError("out is read-only")
    return out


def max_pods_of_column(
    instance_type: object,
    *,
    prefix_delegation: object,
    kubelet_max_pods: object,
    catalog: Any,
    on_unknown: OnUnknown,
    dtype: DTypeLike | None,
    out: NDArray[Any] | None,
) -> Any:
    """Result of :func:`eks_win_capacity.max_pods` for columns, and for arguments to be checked."""
    checked_policy(on_unknown)
    names = read_names(instance_type, "instance_type")
    table = table_of(catalog)
    flags, limits = checked_flags(prefix_delegation), checked_kubelet(kubelet_max_pods)
    others = {"prefix_delegation": prefix_delegation, "kubelet_max_pods": kubelet_max_pods}
    if isinstance(flags, bool) and not isinstance(limits, np.ndarray):
        others = {}  # single values go with any column
    shape = _common_shape(names, flags, limits, others)
    codes, rows, complete = cheapest_codes(names, table)
    missing = None
    if not complete or on_unknown == "null":
        if rows is not None:
            codes, rows = encoded(names, table)[0], None
        unknown = codes >= table.sentinel
        if on_unknown == "null":
            missing = np.broadcast_to(unknown.reshape(names.shape), shape).copy()
        elif unknown.any():
            refuse_unknown(names, codes, table)
    pods = _prepared_out(shape, dtype, out)
    max_pods_of_codes(
        codes.reshape(names.shape),
        table,
        prefix_delegation=flags,
        kubelet_max_pods=limits,
        rows=rows,
        out=pods,
    )
    return answer_in_kind(pods, names, answer="max_pods", missing=missing, **others)


def checked_policy(on_unknown: object) -> None:
    """Refuse an `on_unknown` that is neither "raise" nor "null"."""
    if not isinstance(on_unknown, str) or on_unknown not in {"raise", "null"}:
        raise InputError(f'on_unknown must be "raise" or "null"; got {on_unknown!r}')


@checked_call
class Fleet:
    """
    A column of nodes, encoded once, for many questions.

    Every answer comes from a table with one entry for each instance type. An answer for each
    node takes about a nanosecond per row, and a sum uses the counts by type, whatever the size
    of the fleet.

    Use :meth:`encode` or :meth:`from_codes` to make one.

    Attributes
    ----------
    codes : ndarray of unsigned int
        One code for each node, read-only; the largest stands for unknown types.
    instance_types : tuple of str
        The name of each code.
    as_of, source : str
        Date and origin of the limits used.

    Examples
    --------
    >>> import eks_win_capacity as ewc
    >>> fleet = ewc.Fleet.encode(["m5.large", "c5.4xlarge", "m5.large"])
    >>> fleet.max_pods()
    array([ 9, 29,  9])
    >>> fleet.total(prefix_delegation=True), fleet.total(prefix_delegation=True, kubelet_max_pods=110)
    (752, 330)
    >>> fleet.counts
    instance_type
    m5.large      2
    c5.4xlarge    1
    Name: nodes, dtype: int64
    """

    def __init__(self, names: Names, codes: NDArray[Any], table: LimitTable) -> None:
        of_kind(names, Names, name="names", cure=": Fleet.encode(...) makes a fleet of names")
        codes.setflags(write=False)
        self.codes = codes
        self._names = names
        self._table = table

    @classmethod
    def encode(
        cls, instance_type: object, *, catalog: Any = None, on_unknown: OnUnknown = "raise"
    ) -> Fleet:
        """
        Fleet of a column of instance types.

        Parameters
        ----------
        instance_type : str, sequence, array, Series, Index, Arrow or Polars column
            One name for each node.
        catalog : Catalog, optional
            Where the limits come from; the bundled table by default.
        on_unknown : {"raise", "null"}
            Whether missing and unknown names raise an error or give null answers.

        Raises
        ------
        MissingValueError, UnknownInstanceTypeError
            With the first such names, their positions and their number.
        UnsupportedInputError
            If it is not a column of names.
        """
        checked_policy(on_unknown)
        return cls._of(read_names(instance_type, "instance_type"), catalog, on_unknown)

    @classmethod
    def _of(cls, names: Names, catalog: Any, on_unknown: OnUnknown) -> Fleet:
        table = table_of(catalog)
        codes, complete = encoded(names, table)
        if not complete and on_unknown == "raise":
            refuse_unknown(names, codes, table)
        return cls(without_values(names), codes.reshape(names.shape), table)

    @classmethod
    def from_codes(
        cls,
        codes: NDArray[Any],
        instance_types: Sequence[str],
        *,
        catalog: Any = None,
        on_unknown: OnUnknown = "raise",
    ) -> Fleet:
        """
        Fleet from existing codes.

        Parameters
        ----------
        codes : array_like of int
            Position in `instance_types` of each node; -1 for a missing value.
        instance_types : sequence of str
            The name of each code.
        catalog, on_unknown
            As in :meth:`encode`.

        Raises
        ------
        InvalidCountError
            If a code is neither -1 nor a position in `instance_types`.
        MissingValueError, UnknownInstanceTypeError
            As in :meth:`encode`.

        Examples
        --------
        >>> Fleet.from_codes([0, 1, 1], ["m5.large", "t3.xlarge"]).max_pods()
        array([ 9, 14, 14])
        """
        if isinstance(instance_types, str) or not isinstance(instance_types, Sequence):
            kind = type(instance_types).__name__
            raise UnsupportedInputError(f"instance_types must be a sequence of names; got a {kind}")
        for position, category in enumerate(instance_types):
            if not isinstance(category, Hashable):
                raise UnsupportedInputError(
                    f"instance_types holds a {type(category).__name__} at position {position}, "
                    "not a name"
                )
        given = arrays.counts(codes, name="codes", low=-1, high=len(instance_types) - 1)
        # Beyond the last category, as `lookup` expects; it would clip -1 to the first one.
        given[given < 0] = len(instance_types)
        names = Names(given, "array", given.shape, (Coded(given.ravel(), lambda: instance_types),))
        checked_policy(on_unknown)
        return cls._of(names, catalog, on_unknown)

    def __len__(self) -> int:
        return self.codes.size

    def __repr__(self) -> str:
        unknown = f", {self.unknown:,} unknown" if self.unknown else ""
        types = int(np.count_nonzero(self.histogram[:-1]))
        nodes, kinds = count_of(len(self), "node"), count_of(types, "type")
        return f"<Fleet of {nodes}, {kinds}{unknown}>"

    @property
    def origin(self) -> Any:
        """Encoded column without its values, which determines the kind of results."""
        return self._names.column

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the column that was encoded."""
        return self.codes.shape

    @property
    def instance_types(self) -> tuple[str, ...]:
        """The name of each code."""
        return self._table.names

    @property
    def as_of(self) -> str:
        """Date of the limits used."""
        return self._table.as_of

    @property
    def source(self) -> str:
        """Origin of the limits used."""
        return self._table.source

    @functools.cached_property
    def histogram(self) -> NDArray[np.int64]:
        """Nodes of each code; the last entry counts nodes of unknown type."""
        sums = np.zeros(self._table.sentinel + 1, dtype=np.int64)
        flat = self.codes.ravel()
        for start in range(0, len(flat), BLOCK):
            sums += np.bincount(flat[start : start + BLOCK], minlength=len(sums))
        sums.setflags(write=False)
        return sums

    @property
    def counts(self) -> pd.Series[int]:
        """Nodes of each type in the fleet, the most frequent first."""
        import pandas as pd

        known = self.histogram[:-1]
        order = np.argsort(-known, kind="stable")[: np.count_nonzero(known)]
        names = pd.Index([self._table.names[code] for code in order], name="instance_type")
        return pd.Series(known[order], index=names, name="nodes")

    @property
    def unknown(self) -> int:
        """Nodes whose type is missing or unknown."""
        return int(self.histogram[-1])

    def max_pods(
        self,
        *,
        prefix_delegation: object = False,
        kubelet_max_pods: object = None,
        dtype: DTypeLike | None = None,
        out: NDArray[Any] | None = None,
    ) -> Any:
        """
        Pods on each node, as :func:`eks_win_capacity.max_pods` gives them.

        Parameters
        ----------
        prefix_delegation : bool or column of bool
            Whether each slot holds a /28.
        kubelet_max_pods : int or column of int, optional
            The kubelet's limit. [pods]
        dtype : dtype, optional
            Integer dtype of the answer; int64 by default.
        out : ndarray, optional
            Where to write the answer.

        Returns
        -------
        int, ndarray, Series or column
            Of the encoded kind; nullable if unknown types are allowed. [pods]

        Raises
        ------
        ShapeMismatchError, IndexMismatchError
            If a column does not go with the fleet.
        """
        pods = self._pods(prefix_delegation, kubelet_max_pods, dtype, out)
        missing = None
        if self.unknown:
            missing = np.broadcast_to(self.codes >= self._table.sentinel, pods.shape).copy()
        others = {"prefix_delegation": prefix_delegation, "kubelet_max_pods": kubelet_max_pods}
        return answer_in_kind(pods, self._names, answer="max_pods", missing=missing, **others)

    def _pods(
        self,
        prefix_delegation: object,
        kubelet_max_pods: object,
        dtype: DTypeLike | None = None,
        out: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        flags, limits = checked_flags(prefix_delegation), checked_kubelet(kubelet_max_pods)
        others = {"prefix_delegation": prefix_delegation, "kubelet_max_pods": kubelet_max_pods}
        shape = _common_shape(self._names, flags, limits, others)
        pods = _prepared_out(shape, dtype, out)
        max_pods_of_codes(
            self.codes, self._table, prefix_delegation=flags, kubelet_max_pods=limits, out=pods
        )
        return pods

    def total(self, *, prefix_delegation: object = False, kubelet_max_pods: object = None) -> int:
        """
        Pods that the whole fleet can run; nodes of unknown type count as 0.

        Parameters
        ----------
        prefix_delegation, kubelet_max_pods
            As in :meth:`max_pods`. With single values the answer comes from the
            counts by type, in microseconds.

        Returns
        -------
        int
            The sum. [pods]
        """
        if arrays.is_scalar(prefix_delegation) and arrays.is_scalar(kubelet_max_pods):
            answers = self._pods_by_type(prefix_delegation, kubelet_max_pods)
            return int(answers[:-1] @ self.histogram[:-1])
        return int(self._pods(prefix_delegation, kubelet_max_pods).sum())

    def _nodes_by_type(
        self, pods: NDArray[np.int64], prefix_delegation: object, kubelet_max_pods: object
    ) -> Any:
        """Result of :meth:`nodes_needed` from a table by type, if all arguments are scalars."""
        capacity = self._pods_by_type(prefix_delegation, kubelet_max_pods)
        if (capacity[:-1][self.histogram[:-1] > 0] == 0).any():
            raise _no_room()
        nodes = np.empty(self.codes.size, dtype=np.int64)
        lookup(-(-pods // np.maximum(capacity, 1)), self.codes.ravel(), nodes)
        missing = self.codes >= self._table.sentinel if self.unknown else None
        nodes = nodes.reshape(self.shape)
        return answer_in_kind(nodes, self._names, answer="nodes_needed", missing=missing)

    def _pods_by_type(
        self, prefix_delegation: object, kubelet_max_pods: object
    ) -> NDArray[np.int64]:
        return self._table.answers(
            prefix_delegation=arrays.flag(prefix_delegation, name="prefix_delegation"),
            kubelet_max_pods=None
            if kubelet_max_pods is None
            else arrays.count(kubelet_max_pods, name="kubelet_max_pods"),
            dtype=np.dtype(np.int64),
        )

    def by(self, groups: object) -> FleetGroups:
        """
        The fleet in groups, for sums of each.

        Parameters
        ----------
        groups : sequence, array, Series or column
            The group of each node, such as its node group; a categorical column is fastest.

        Returns
        -------
        FleetGroups

        Raises
        ------
        ShapeMismatchError, IndexMismatchError
            If it does not go with the fleet.

        Examples
        --------
        >>> fleet = Fleet.encode(["m5.large", "c5.4xlarge", "m5.large"])
        >>> fleet.by(["web", "web", "batch"]).total(prefix_delegation=True)
        batch    144
        web      608
        Name: pods, dtype: int64
        """
        return FleetGroups(self, groups)

    def nodes_needed(
        self, pods: object, *, prefix_delegation: object = False, kubelet_max_pods: object = None
    ) -> Any:
        """
        Nodes of each row's type needed for a number of pods.

        Parameters
        ----------
        pods : int or column of int
            How many pods each row has to run. Broadcasts. [pods]
        prefix_delegation, kubelet_max_pods
            As in :meth:`max_pods`.

        Returns
        -------
        int, ndarray, Series or column
            Of the encoded kind. [nodes]

        Raises
        ------
        InvalidCountError
            If a type cannot run any pod, or a count is not a whole number.

        Examples
        --------
        >>> Fleet.encode(["m5.large", "c5.4xlarge"]).nodes_needed(100)
        array([12,  4])
        """
        wanted = arrays.counts(pods, name="pods")
        if not wanted.ndim and all(map(arrays.is_scalar, (prefix_delegation, kubelet_max_pods))):
            return self._nodes_by_type(wanted, prefix_delegation, kubelet_max_pods)
        capacity = self._pods(prefix_delegation, kubelet_max_pods)
        missing = None
        if self.unknown:
            missing = np.broadcast_to(self.codes >= self._table.sentinel, capacity.shape)
            capacity = np.where(missing, 1, capacity)
        if (capacity == 0).any():
            raise _no_room()
        shape = arrays.common_shape(pods=wanted, nodes=capacity)
        nodes = np.broadcast_to(-(-wanted // capacity), shape)
        if missing is not None:
            missing = np.broadcast_to(missing, shape).copy()
        others = {
            "pods": pods,
            "prefix_delegation": prefix_delegation,
            "kubelet_max_pods": kubelet_max_pods,
        }
        return answer_in_kind(nodes, self._names, answer="nodes_needed", missing=missing, **others)

    def to_pandas(self) -> pd.DataFrame:
        """Nodes of each type, the most frequent first: ``instance_type`` and ``nodes``."""
        import pandas as pd

        rows = sorted(self.counts.items(), key=lambda row: (-row[1], row[0]))
        return pd.DataFrame(rows, columns=["instance_type", "nodes"])

    def _repr_html_(self) -> str:
        rows = sorted(self.counts.items(), key=lambda row: (-row[1], row[0]))
        notes = [f"{self.unknown:,} of unknown types"] if self.unknown else []
        return html_table(["instance_type", "nodes"], rows, title=repr(self)[1:-1], notes=notes)


def _no_room() -> InvalidCountError:
    return InvalidCountError(
        "no number of nodes is enough where a node takes no pod: kubelet_max_pods is 0 for "
        "some node, or its type has no second address"
    )


def _common_shape(
    names: Names, flags: Any, limits: Any, others: dict[str, object]
) -> tuple[int, ...]:
    """Shape of the result; Series with different indexes are refused before `out` is written."""
    if isinstance(flags, bool) and not isinstance(limits, np.ndarray):
        return names.shape
    _check_index(names, **others)
    return arrays.common_shape(
        instance_type=np.broadcast_to(0, names.shape),
        prefix_delegation=flags,
        kubelet_max_pods=0 if limits is None else limits,
    )


def _check_index(names: Names, **others: object) -> None:
    """Refuse Series with different indexes."""
    arrays.common_index(
        **({"instance_type": names.column} if names.kind == "series" else {}), **others
    )


_CELLS: Final = 1 << 20  # no mutant: speed and memory alone
"""Maximum number of cells, groups x types, for which each block of rows is counted in full."""


class FleetGroups:
    """
    Nodes of a fleet, counted once by group and type.

    Created by :meth:`Fleet.by`. Sums take microseconds, independent of the size of the fleet.

    Attributes
    ----------
    histogram : ndarray of int64
        Nodes of each group (rows) and code (columns); unknown types in the last column.
    """

    def __init__(self, fleet: Fleet, groups: object) -> None:
        import pandas as pd

        _check_index(fleet._names, groups=groups)  # noqa: SLF001
        arrays.refuse_frame(groups, "groups")
        column: Any = groups
        if getattr(groups, "ndim", 1) != 1:
            raise ShapeMismatchError(f"groups is a column; got the shape {column.shape}")
        if isinstance(groups, (set, frozenset)):
            raise UnsupportedInputError("groups is a set, which has no order; give a column")
        if not arrays.is_series(groups):
            column = pd.Series(cast("Any", groups), copy=False)  # no mutant: speed alone
        if (len(column),) != fleet.shape:
            raise ShapeMismatchError(
                f"groups has {len(column):,} rows and the fleet the shape {fleet.shape}"
            )
        width = len(fleet.instance_types) + 1
        numbers, low, names = _numbered(column, most=_CELLS // width)
        cells = np.zeros(len(names) * width, dtype=np.int64)
        # Each block adds all cells, so blocks with fewer rows than cells would be slower.
        step = min(max(NUMBERS, len(cells)), _CELLS)  # no mutant: speed alone
        for start in range(0, len(numbers), step):
            both = np.subtract(numbers[start : start + step], low, dtype=np.int64)
            both *= width
            both += fleet.codes[start : start + step]
            if len(cells) <= _CELLS:
                cells += np.bincount(both, minlength=len(cells))
            else:  # a block touches few of so many cells
                np.add.at(cells, both, 1)
        histogram = cells.reshape(len(names), width)
        filled = histogram.any(axis=1)
        self._fleet = fleet
        self._names = pd.Index(names[filled], name=getattr(groups, "name", None))
        self.histogram = histogram if filled.all() else histogram[filled]

    @property
    def nodes(self) -> pd.Series[int]:
        """Nodes of each group."""
        return self._series(self.histogram.sum(axis=1), "nodes")

    def total(
        self, *, prefix_delegation: bool = False, kubelet_max_pods: int | None = None
    ) -> pd.Series[int]:
        """
        Pods that each group can run; nodes of unknown type count as 0.

        Parameters
        ----------
        prefix_delegation : bool
            Whether each slot holds a /28.
        kubelet_max_pods : int, optional
            The kubelet's limit. [pods]

        Returns
        -------
        Series
            By group, sorted. [pods]
        """
        each = self._fleet._pods_by_type(prefix_delegation, kubelet_max_pods)  # noqa: SLF001
        return self._series(self.histogram[:, :-1] @ each[:-1], "pods")

    def _series(self, values: NDArray[np.int64], name: str) -> pd.Series[int]:
        import pandas as pd

        return pd.Series(values, index=self._names, name=name)


def _numbered(column: pd.Series[Any], *, most: int) -> tuple[NDArray[Any], int, Any]:
    """
    Number of each row's group, the lowest number, and the names of groups in order from it.

    Integers in a narrow range are their own numbers, of which some may have no row. Other
    groups are numbered by pandas.
    """
    import pandas as pd

    if isinstance(column.dtype, np.dtype) and not column.dtype.isnative:
        column = column.astype(column.dtype.newbyteorder("="))  # pandas reads no other
    values = plain_integers(column)
    if values is not None and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low < most and high <= np.iinfo(np.int64).max:
            return values, low, (low + np.arange(high - low + 1)).astype(values.dtype)
    try:
        numbers, names = pd.factorize(column, sort=True)
    except TypeError as error:
        raise UnsupportedInputError(
            f"groups must be values that can be told apart and sorted: {error}"
        ) from None
    if (numbers < 0).any():
        raise arrays.missing_error(numbers < 0, "groups")
    return numbers, 0, names
