"""
Methods of data frames for the main functions: ``df.ewc.max_pods("instance_type")``.

``import eks_win_capacity.accessor`` registers ``ewc`` on pandas data frames, and on Polars data
frames if Polars is already imported; `register_polars` does it at any later time. Arguments name
columns, and each method calls the function of the same name.
"""

from __future__ import annotations

import difflib
import sys
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pandas as pd

import eks_win_capacity as ewc
from eks_win_capacity.core.errors import (
    CapacityError,
    InputError,
    UnsupportedInputError,
    count_of,
)

if TYPE_CHECKING:
    import polars as pl

    from eks_win_capacity.addresses.warm_pool import WarmPool
    from eks_win_capacity.forecast import ExhaustionForecast
    from eks_win_capacity.planning import FleetPlan

__all__ = ["CapacityAccessor", "PandasAccessor", "PolarsAccessor", "register_polars"]

FrameT = TypeVar("FrameT")
SeriesT = TypeVar("SeriesT")


class CapacityAccessor(Generic[FrameT, SeriesT]):
    """
    Capacity functions that take the columns of a data frame.

    An argument that is a string names a column; any other value holds for every row.
    Requests such as ``pod_cpu="250m"`` are quantities unless a column has that name.

    Examples
    --------
    >>> import pandas as pd
    >>> import eks_win_capacity.accessor
    >>> nodes = pd.DataFrame({"instance_type": ["m5.large", "c5.xlarge"], "pods": [3, 9]})
    >>> nodes.ewc.max_pods("instance_type", prefix_delegation=True).tolist()
    [144, 224]
    """

    def __init__(self, frame: FrameT) -> None:
        self._frame: Any = frame

    def __repr__(self) -> str:
        """The names of the methods."""
        asked = ", ".join(name for name in vars(CapacityAccessor) if not name.startswith("_"))
        return f"<df.ewc of {count_of(len(self._frame), 'row')}: {asked}>"

    def max_pods(
        self,
        instance_type: str = "instance_type",
        *,
        prefix_delegation: Any = False,
        kubelet_max_pods: Any = None,
        **options: Any,
    ) -> SeriesT:
        """
        Pods per node of each row, by its addresses.

        Parameters
        ----------
        instance_type : str
            Column of instance types.
        prefix_delegation, kubelet_max_pods : optional
            As in `max_pods`, or the name of a column.
        **options
            As in `max_pods`: ``catalog``, ``on_unknown``, ``dtype``.

        Returns
        -------
        Series
            Named ``max_pods``. [pods]

        Raises
        ------
        InputError
            If a column is unknown.
        CapacityError
            As `max_pods`.

        Examples
        --------
        >>> import pandas as pd, eks_win_capacity.accessor
        >>> pd.DataFrame({"type": ["m5.large"]}).ewc.max_pods("type").tolist()
        [9]
        """
        answer = ewc.max_pods(
            self._column(instance_type),
            prefix_delegation=self._column_or_value(prefix_delegation),
            kubelet_max_pods=self._column_or_value(kubelet_max_pods),
            **options,
        )
        return self._series(answer)

    def node_capacity(
        self,
        instance_type: str = "instance_type",
        *,
        prefix_delegation: Any = False,
        kubelet_max_pods: Any = 110,
        pod_cpu: Any = None,
        pod_memory: Any = None,
        host_process_pods: Any = 0,
        **options: Any,
    ) -> FrameT:
        """
        Pods per node of each row by all four limits, and the limit that binds.

        Parameters
        ----------
        instance_type : str
            Column of instance types.
        prefix_delegation, kubelet_max_pods, pod_cpu, pod_memory, host_process_pods : optional
            As in `node_capacity`, or the name of a column.
        **options
            As in `node_capacity`: ``reserved``, ``catalog``.

        Returns
        -------
        DataFrame
            The columns of `node_capacity`, one row per row of the frame.

        Raises
        ------
        InputError
            If a column is unknown.
        CapacityError
            As `node_capacity`.

        Examples
        --------
        >>> import pandas as pd, eks_win_capacity.accessor
        >>> nodes = pd.DataFrame({"instance_type": ["m5.large"], "cpu": ["250m"]})
        >>> nodes.ewc.node_capacity(pod_cpu="cpu")["binding"].tolist()
        ['cpu']
        """
        answer = ewc.node_capacity(
            self._column(instance_type),
            prefix_delegation=self._column_or_value(prefix_delegation),
            kubelet_max_pods=self._column_or_value(kubelet_max_pods),
            pod_cpu=self._quantity(pod_cpu),
            pod_memory=self._quantity(pod_memory),
            host_process_pods=self._column_or_value(host_process_pods),
            **options,
        )
        return self._table(answer)

    def attached_addresses(
        self,
        pods: str = "pods",
        *,
        slots: Any,
        pool: WarmPool,
        fragmented: Any = False,
        peak_prefixes: Any = None,
    ) -> FrameT:
        """
        Addresses attached to each row's node in the steady state.

        Parameters
        ----------
        pods : str
            Column of pods on the node. [pods]
        slots, fragmented, peak_prefixes : optional
            As in `attached_addresses`, or the name of a column.
        pool : WarmPool
            Mode and targets.

        Returns
        -------
        DataFrame
            Columns ``addresses``, ``prefixes``, ``used`` and ``warm``.

        Raises
        ------
        InputError
            If a column is unknown.
        CapacityError
            As `attached_addresses`.

        Examples
        --------
        >>> import pandas as pd, eks_win_capacity.accessor
        >>> pool = ewc.WarmPool.secondary(warm_ip_target=2)
        >>> nodes = pd.DataFrame({"pods": [0, 4]})
        >>> nodes.ewc.attached_addresses(slots=9, pool=pool)["addresses"].tolist()
        [3, 6]
        """
        state = ewc.attached_addresses(
            self._number(self._column(pods)),
            slots=self._number(self._column_or_value(slots)),
            pool=pool,
            fragmented=self._number(self._column_or_value(fragmented)),
            peak_prefixes=self._number(self._column_or_value(peak_prefixes)),
        )
        columns = ("addresses", "prefixes", "used", "warm")
        return self._table(pd.DataFrame({name: getattr(state, name) for name in columns}))

    def forecast_exhaustion(
        self, *, capacity: Any = None, horizon: Any = 180, **options: Any
    ) -> ExhaustionForecast:
        """
        Dates on which the subnets of this history run out of addresses.

        Parameters
        ----------
        capacity : optional
            As in `forecast_exhaustion`: a count, a CIDR, a mapping, or the name of a column.
        horizon : int or str
            Length of the forecast. [days]
        **options
            As in `forecast_exhaustion`: ``time``, ``used``, ``subnet`` name columns.

        Returns
        -------
        ExhaustionForecast

        Raises
        ------
        InputError
            If a column is unknown.
        CapacityError
            As `forecast_exhaustion`.

        Examples
        --------
        >>> import eks_win_capacity.accessor
        >>> forecast = ewc.demo.subnet_usage().ewc.forecast_exhaustion(capacity=1019, horizon=30)
        >>> len(forecast.to_pandas())
        6
        """
        named = {
            key: options.get(key) for key in ("time", "used", "available", "percent", "subnet")
        }
        if isinstance(capacity, str) and "/" not in capacity:
            named["capacity"] = capacity
        for name in named.values():
            if isinstance(name, str):
                self._column(name)
        return ewc.forecast_exhaustion(self._frame, capacity=capacity, horizon=horizon, **options)

    def plan_fleet(self, **options: Any) -> FleetPlan:
        """
        The cheapest fleet that runs the workloads of this frame, one per row.

        Parameters
        ----------
        **options
            As in `plan_fleet`: ``candidates``, ``prices``, ``subnets`` ...

        Returns
        -------
        FleetPlan

        Raises
        ------
        CapacityError
            As `plan_fleet`.

        Examples
        --------
        >>> import eks_win_capacity.accessor
        >>> ewc.demo.workloads().ewc.plan_fleet(candidates=["c5.xlarge"]).nodes
        5
        """
        return ewc.plan_fleet(self._frame, **options)

    def _column(self, name: object) -> Any:
        if not isinstance(name, str):
            raise UnsupportedInputError(
                f"a column is given by its name, a str; got {type(name).__name__}"
            )
        columns = [str(column) for column in self._frame.columns]
        if name in columns:
            return self._frame[name]
        close = difflib.get_close_matches(name, columns, n=3, cutoff=0.6)
        hint = f". Did you mean {' or '.join(map(repr, close))}?" if close else ""
        names = ", ".join(map(repr, columns[:20])) + ", ..." * (len(columns) > 20)
        raise InputError(f"the frame has no column {name!r}; it has {names or 'none'}{hint}")

    def _column_or_value(self, value: Any) -> Any:
        return self._column(value) if isinstance(value, str) else value

    def _quantity(self, value: Any) -> Any:
        if isinstance(value, str) and value not in self._frame.columns and value[:1].isdigit():
            return value
        return self._number(self._column_or_value(value))

    def _number(self, value: Any) -> Any:
        """A column in a type that the functions accept."""
        return value

    def _series(self, answer: Any) -> SeriesT:
        return answer  # type: ignore[no-any-return]

    def _table(self, answer: pd.DataFrame) -> FrameT:
        return answer  # type: ignore[return-value]


@pd.api.extensions.register_dataframe_accessor("ewc")
class PandasAccessor(CapacityAccessor["pd.DataFrame", "pd.Series[Any]"]):
    """Capacity functions on a pandas data frame: ``df.ewc``; results keep its index."""


class PolarsAccessor(CapacityAccessor["pl.DataFrame", "pl.Series"]):
    """Capacity functions on a Polars data frame: ``df.ewc``; results are Polars objects too."""

    def _column_or_value(self, value: Any) -> Any:
        return self._number(super()._column_or_value(value))

    def _number(self, value: Any) -> Any:
        import polars as pl

        return value.to_numpy() if isinstance(value, pl.Series) else value

    def _table(self, answer: pd.DataFrame) -> pl.DataFrame:
        import polars as pl

        columns = {
            name: [None if pd.isna(value) else value for value in column]
            for name, column in answer.items()
        }
        return pl.DataFrame(columns)


def register_polars() -> None:
    """
    Register the namespace ``ewc`` on Polars data frames; repeated calls have no effect.

    Raises
    ------
    CapacityError
        If Polars is not installed.

    Examples
    --------
    >>> import polars as pl
    >>> register_polars()
    >>> pl.DataFrame({"instance_type": ["m5.large"]}).ewc.max_pods().to_list()
    [9]
    """
    try:
        import polars as pl
    except ImportError as error:
        raise CapacityError(
            "ewc on Polars frames needs polars, which is not installed: pip install polars"
        ) from error
    if not hasattr(pl.DataFrame, "ewc"):
        pl.api.register_dataframe_namespace("ewc")(PolarsAccessor)


if "polars" in sys.modules:
    register_polars()
