"""The same growth under several plans, and when each runs dry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eks_win_capacity.errors import InputError
from eks_win_capacity.exhaustion._forecast import forecast_exhaustion
from eks_win_capacity.exhaustion._plans import DemandPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eks_win_capacity.exhaustion._result import ExhaustionForecast


_NEVER = 10**9
"""A limit for subnets that carry nothing while others do."""


def forecast_demand(
    pods_history: Any,
    *,
    plan: DemandPlan | Sequence[DemandPlan],
    horizon: Any = 180,
    level: float | Sequence[float] = (0.8, 0.95),
    events: Any = None,
    **options: Any,
) -> DemandForecast:
    """
    Forecast pods, and map them through plans into addresses and prefixes.

    The pods are forecast once, with the same sample paths for every plan, so
    plans differ by their structure and not by chance. What pods cost grows with
    their number, so a subnet runs dry when the pods first pass the largest
    number it can carry.

    Parameters
    ----------
    pods_history : Series or DataFrame
        Times and pods: one series, or one for each zone that the plans name.
        Read as in `forecast_exhaustion`.
    plan : DemandPlan or sequence of DemandPlan
        What to compare.
    horizon : int, str, Timedelta or Timestamp
        How far to look.
    level : float or sequence of float
        Shares that the intervals shall hold.
    events : DataFrame, Series or sequence of (time, change), optional
        Steps known in advance, in pods: a release, a migration, a new tenant.
        A frame may have a column ``subnet`` that names the zone.
    **options
        More options of `forecast_exhaustion`.

    Returns
    -------
    DemandForecast

    Raises
    ------
    InputError
        If two plans have one name, or a zone has no history.

    Examples
    --------
    >>> import pandas as pd
    >>> from eks_win_capacity import WarmPool
    >>> pods = pd.Series(range(100, 160), index=pd.date_range("2026-01-01", periods=60))
    >>> plans = [
    ...     DemandPlan(name="secondary", instance_type="m5.large", subnets={"a": "10.0.0.0/24"}),
    ...     DemandPlan(name="larger nodes", instance_type="m5.4xlarge",
    ...                subnets={"a": "10.0.0.0/24"}),
    ...     DemandPlan(name="one more subnet", instance_type="m5.large",
    ...                subnets={"a": "10.0.0.0/24", "b": "10.0.1.0/24"}),
    ... ]
    >>> forecast_demand(pods, plan=plans, horizon=365).date()
    plan
    secondary         2026-05-07
    larger nodes      2026-05-21
    one more subnet   2026-12-18
    Name: date_50, dtype: datetime64[ns]
    """
    plans = [plan] if isinstance(plan, DemandPlan) else list(plan)
    names = [each.name for each in plans]
    if not plans or len(set(names)) != len(names):
        raise InputError(f"plans need one name each; got {', '.join(map(repr, names)) or 'none'}")
    for word in ("capacity", "unit"):
        if word in options:
            raise InputError(f"{word} follows from the plan; name it there")
    pieces = []
    for each in plans:
        for zone, members in each.by_zone.items():
            history = _of_zone(pods_history, zone, each.name)
            for subnet in members:
                first, binding = each.pod_limit(subnet)
                share = each.share(subnet)
                # The first total of pods of which this subnet's part no longer fits.
                limit = int(np.floor((first - 1) / share + 1e-6)) + 1 if share else _NEVER
                made = forecast_exhaustion(
                    history,
                    capacity=max(limit, 0),
                    unit="pods",
                    horizon=horizon,
                    level=level,
                    events=_events_of(events, zone),
                    **options,
                )
                pieces.append(_Piece(each, subnet, zone, limit, binding, made))
    return DemandForecast(tuple(plans), tuple(pieces))


def _of_zone(history: Any, zone: str, plan: str) -> Any:
    """Give the pods of a zone; without zones there is one history for all."""
    if not zone:
        return history
    if isinstance(history, pd.DataFrame) and zone in history.columns:
        return history[zone]
    if isinstance(history, pd.DataFrame) and "zone" in history.columns:
        found = history[history["zone"] == zone].drop(columns="zone")
        if len(found):
            return found
    if isinstance(history, pd.Series):
        raise InputError(
            f"plan {plan!r} names zones, and the history is one series: give a column for each "
            f"zone ({zone}), or shares without zones"
        )
    raise InputError(f"the history has no column for zone {zone!r} of plan {plan!r}")


def _events_of(events: Any, zone: str) -> Any:
    if isinstance(events, pd.DataFrame) and "subnet" in events.columns:
        here = events["subnet"].isna() | (events["subnet"] == zone)
        return events.loc[here, ["time", "change"]]
    return events


@dataclass(frozen=True)
class _Piece:
    """One subnet under one plan."""

    plan: DemandPlan
    subnet: str
    zone: str
    limit: int
    binding: str
    pods: ExhaustionForecast


@dataclass(frozen=True, repr=False)
class DemandForecast:
    """
    When each plan runs dry, and what it costs until then.

    Attributes
    ----------
    plans : tuple of DemandPlan
    """

    plans: tuple[DemandPlan, ...]
    pieces: tuple[_Piece, ...] = field(repr=False)

    def _first(self, quantile: float) -> list[_Piece]:
        """Give the subnet of each plan that fails first; the others can no longer help it."""
        out = []
        for plan in self.plans:
            here = [piece for piece in self.pieces if piece.plan is plan]
            out.append(
                min(
                    here,
                    key=lambda piece: (piece.pods.days_left(quantile), -piece.pods.probability()),
                )
            )
        return out

    def date(self, quantile: float = 0.5) -> pd.Series[Any]:
        """Give the date at which the first subnet of each plan is exhausted; NaT for never."""
        return pd.Series(
            [piece.pods.date(quantile) for piece in self._first(quantile)],
            index=self._index(),
            name=f"date_{100 * quantile:g}",
        )

    def days_left(self, risk: float = 0.1) -> pd.Series[Any]:
        """Give the days until the risk of a plan reaches a share; inf for never. [days]."""
        return pd.Series(
            [piece.pods.days_left(risk) for piece in self._first(risk)],
            index=self._index(),
            name="days_left",
        )

    def probability(self, by: Any = None) -> pd.Series[Any]:
        """Give the probability that a plan's first subnet is exhausted by a date."""
        return pd.Series(
            [
                max(p.pods.probability(by) for p in self.pieces if p.plan is plan)
                for plan in self.plans
            ],
            index=self._index(),
            name="probability",
        )

    def _index(self) -> pd.Index:
        return pd.Index([plan.name for plan in self.plans], name="plan")

    def to_pandas(self, *, risk: float = 0.1) -> pd.DataFrame:
        """
        Give one row a plan and subnet, in the order of the plans.

        Columns: plan, subnet, zone, status, date, the ends of each interval,
        days_left, probability, pods_limit (the first number of pods, of the
        history's count, that no longer fits), binding, and what the last peak
        of pods needs: nodes, addresses, prefixes, and the subnet's capacity.
        """
        rows = []
        for piece in self.pieces:
            told = (
                piece.pods.to_pandas(risk=risk)
                .iloc[0]
                .drop(["subnet", "used", "capacity", "drift_per_day"])
            )
            need = piece.plan.need(self._share(piece, piece.pods.to_pandas()["used"].to_numpy()))
            addresses, blocks = piece.plan.capacity(piece.subnet)
            rows.append(
                {
                    "plan": piece.plan.name,
                    "subnet": piece.subnet,
                    "zone": piece.zone,
                    **told,
                    "pods_limit": piece.limit,
                    "binding": piece.binding,
                    "nodes": int(need.nodes[0]),
                    "addresses": int(need.addresses[0]),
                    "prefixes": int(need.prefixes[0]),
                    "capacity_addresses": addresses,
                    "capacity_prefixes": blocks,
                }
            )
        return pd.DataFrame(rows)

    @staticmethod
    def _share(piece: _Piece, pods: Any) -> Any:
        return np.ceil(
            np.asarray(pods, dtype=float) * piece.plan.share(piece.subnet) - 1e-6
        ).astype(np.int64)

    @property
    def path(self) -> pd.DataFrame:
        """
        What is needed by time: one row a plan, subnet and period.

        Columns: plan, subnet, zone, time, pods (median, not cut off), nodes,
        addresses, prefixes, capacity, share (of what binds), probability.
        """
        frames = []
        for piece in self.pieces:
            path = piece.pods.path
            pods = self._share(piece, path["demand"].clip(lower=0))
            need = piece.plan.need(pods)
            addresses, blocks = piece.plan.capacity(piece.subnet)
            binds = (
                (need.prefixes, blocks)
                if piece.binding == "prefixes"
                else (need.addresses, addresses)
            )
            frames.append(
                pd.DataFrame(
                    {
                        "plan": piece.plan.name,
                        "subnet": piece.subnet,
                        "zone": piece.zone,
                        "time": path["time"],
                        "pods": pods,
                        "nodes": need.nodes,
                        "addresses": need.addresses,
                        "prefixes": need.prefixes,
                        "capacity": binds[1],
                        "share": binds[0] / max(binds[1], 1),
                        "probability": path["probability"],
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)

    def plot(self, *, ax: Any = None) -> Any:
        """
        Draw all plans on one chart: the share of its tightest subnet each fills, and its date.

        Raises
        ------
        MissingExtraError
            Without matplotlib (extra ``plot``).
        """
        from eks_win_capacity.exhaustion._drawing import draw_plans

        return draw_plans(self, ax=ax)

    def __repr__(self) -> str:
        lines = [
            f"  {name}: {'not within the horizon' if pd.isna(day) else f'{day:%Y-%m-%d}'}"
            for name, day in self.date().items()
        ]
        return "\n".join([f"DemandForecast of {len(self.plans)} plans", *lines])

    def _repr_html_(self) -> str:
        return self.to_pandas().to_html(index=False, na_rep="not within the horizon", border=0)
