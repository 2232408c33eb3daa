"""When does each of several plans run out of addresses, for the same growth of pods."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eks_win_capacity.addresses.warm_pool import WarmPool
from eks_win_capacity.core.display import Listed
from eks_win_capacity.core.errors import InputError, count_of
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.forecast import show
from eks_win_capacity.forecast.demand_plan import DemandPlan
from eks_win_capacity.forecast.exhaustion import event_frame, forecast_exhaustion
from eks_win_capacity.forecast.read import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eks_win_capacity.forecast.result import ExhaustionForecast


_NEVER = 10**9
"""Limit of pods for subnets that carry no share of them."""


@checked_call
def forecast_demand(
    pods_history: Any,
    *,
    plan: DemandPlan | Mapping[str, Any] | Sequence[DemandPlan | Mapping[str, Any]],
    horizon: Any = 180,
    level: float | Sequence[float] = (0.8, 0.95),
    events: Any = None,
    **options: Any,
) -> DemandForecast:
    """
    Forecast of pods, converted by plans into addresses and prefixes.

    The pods are forecast once, with the same sample paths for every plan, so plans differ by
    their structure and not by chance. More pods never need fewer addresses, so a subnet runs
    out when the pods first exceed the largest number it can carry. Nodes with short-lived pods
    run fewer pods at a time than they have addresses, because addresses cool down: use
    `effective_concurrency` for ``pods_per_node``, and the rest of the slots for ``cooling``.

    Parameters
    ----------
    pods_history : Series or DataFrame
        Times and pods: one series, or one for each zone that the plans name.
        In the formats of `forecast_exhaustion`.
    plan : DemandPlan, mapping of its fields, or a sequence of them
        What to compare. A mapping may give ``prefix_delegation`` in place of a pool, for the
        default targets of that mode.
    horizon : int, str, Timedelta or Timestamp
        How far to forecast.
    level : float or sequence of float
        Probability that each central interval covers.
    events : DataFrame, Series, mapping or sequence of (time, change), optional
        Steps known in advance, in pods: a release, a migration, a new tenant.
        A frame may have a column ``zone``, a tuple a third item, that names the zone of the
        pods.
    **options
        Further options of `forecast_exhaustion`.

    Returns
    -------
    DemandForecast

    Raises
    ------
    InputError
        If two plans have the same name, or a zone has no history.

    References
    ----------
    As for `forecast_exhaustion` and `attached_addresses`.

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
    plans = _plans(plan)
    for word in ("capacity", "unit", "unusable", "subnet"):
        if word in options:
            raise InputError(f"{word} makes no sense here: it follows from the plan")
    plans = [_in_zones(each, pods_history) for each in plans]
    steps = _events(events, plans)
    pieces = []
    for each in plans:
        for zone, members in each.by_zone.items():
            history, known = _of_zone(pods_history, zone, each.name), steps
            if steps is not None and "zone" in steps:
                known = steps.loc[
                    steps["zone"].isna() | (steps["zone"] == zone), ["time", "change"]
                ]
            for subnet in members:
                first, binding = each.pod_limit(subnet)
                share = each.share(subnet)
                # The smallest total of pods of which this subnet's share does not fit.
                limit = int(np.floor((first - 1) / share + 1e-6)) + 1 if share else _NEVER
                pods = forecast_exhaustion(
                    history,
                    capacity=max(limit, 0),
                    unit="pods",
                    horizon=horizon,
                    level=level,
                    events=known,
                    **options,
                )
                pieces.append(_Piece(each, subnet, limit, binding, _one(pods)))
    return DemandForecast(Listed(plans), tuple(pieces))


def _of_mapping(mapping: Mapping[str, Any]) -> DemandPlan:
    """Plan from a mapping of its fields; ``prefix_delegation`` alone selects a default pool."""
    given = dict(mapping)
    mode = given.pop("prefix_delegation", None)
    if mode is not None:
        given.setdefault("pool", WarmPool.prefix() if mode else WarmPool.secondary())
    names = [each.name for each in fields(DemandPlan)]
    odd = given.keys() - names
    if odd or not {"instance_type", "subnets"} <= given.keys():
        what = f"has no {min(odd, key=str)!r}" if odd else "needs an instance_type and subnets"
        raise InputError(
            f"a plan {what}; its fields are {', '.join([*names, 'prefix_delegation'])}"
        )
    plan = DemandPlan(**given)
    if mode is not None and plan.pool.prefix_delegation != bool(mode):
        raise InputError("prefix_delegation and the pool of a plan name two modes: give one")
    return plan


def _plans(plan: Any) -> list[DemandPlan]:
    single = isinstance(plan, (DemandPlan, Mapping)) or not isinstance(plan, Iterable)
    given = [plan] if single else list(plan)
    plans = [_of_mapping(each) if isinstance(each, Mapping) else each for each in given]
    odd = [each for each in plans if not isinstance(each, DemandPlan)]
    if odd:
        raise InputError(
            f"plan must be a DemandPlan or the mapping of its fields; got {odd[0]!r:.60}"
        )
    names = [each.name for each in plans]
    if not plans or len(set(names)) != len(names):
        raise InputError(f"plans need one name each; got {', '.join(map(repr, names)) or 'none'}")
    return plans


def _in_zones(plan: DemandPlan, history: Any) -> DemandPlan:
    """The plan with the zones of its subnets, if the history has each of these zones."""
    known = plan.known_zones
    if plan.zones is not None or known is None or not isinstance(history, pd.DataFrame):
        return plan
    there = set(history.columns)
    if "zone" in there:
        there = set(history["zone"].unique())
    return replace(plan, zones=known) if set(known.values()) <= there else plan


def _one(pods: ExhaustionForecast) -> ExhaustionForecast:
    """Forecast of a history with one series, which then needs no name; InputError for several."""
    if len(pods.subnets) != 1:
        raise InputError(
            f"the history has {len(pods.subnets):,} series ({', '.join(map(str, pods.subnets[:5]))}"
            "): name the zone of each subnet in the plan, or add them up"
        )
    return replace(pods, rows=replace(pods.rows, single=True))


def _of_zone(history: Any, zone: str, plan: str) -> Any:
    """History of the pods of a zone, or of all pods without a zone; InputError if missing."""
    if not zone:
        return history
    if isinstance(history, pd.DataFrame) and "zone" in history.columns:
        rows = history[history["zone"] == zone].drop(columns="zone")
        if len(rows):
            return rows
    if isinstance(history, pd.DataFrame) and zone in history.columns:
        if isinstance(history.index, (pd.DatetimeIndex, pd.PeriodIndex)):
            return history[zone]
        times = [c for c in history.columns if words(c) & {"time", "timestamp", "date", "ds"}]
        if times:
            return history.set_index(times[0])[zone]
    if isinstance(history, pd.Series):
        raise InputError(
            f"plan {plan!r} names zones, and the history is one series: give a column for each "
            f"zone ({zone}), or shares without zones"
        )
    raise InputError(f"the history has no column for zone {zone!r} of plan {plan!r}")


def _events(events: Any, plans: Sequence[DemandPlan]) -> pd.DataFrame | None:
    """Events as a frame; InputError if one names a zone that no plan has."""
    if events is None:
        return None
    frame = event_frame(events).rename(columns={"subnet": "zone"})
    if "zone" not in frame:
        return frame
    zones = {zone for plan in plans for zone in plan.by_zone}
    unknown = [x for x in frame["zone"] if not pd.isna(x) and x not in zones]
    if unknown:
        raise InputError(
            f"an event names {unknown[0]!r}, which is not a zone of a plan; zones: "
            f"{', '.join(sorted(filter(None, zones))) or 'none'}"
        )
    return frame


@dataclass(frozen=True)
class _Piece:
    """One subnet of one plan, with the forecast of its pods."""

    plan: DemandPlan
    subnet: str
    limit: int
    binding: str
    pods: ExhaustionForecast

    @property
    def head(self) -> dict[str, Any]:
        """Plan, subnet and zone: the first columns of each row."""
        zone = self.plan.zone(self.subnet)
        return {"plan": self.plan.name, "subnet": self.subnet, "zone": zone}

    def share(self, pods: Any) -> NDArray[np.int64]:
        """Pods that the subnet carries of a total, rounded up."""
        mine = np.asarray(pods, dtype=float) * self.plan.share(self.subnet)
        return np.ceil(mine - 1e-6).astype(np.int64)


@dataclass(frozen=True, repr=False)
class DemandForecast:
    """
    Dates when each plan runs out, and the nodes, addresses and prefixes that it needs.

    Attributes
    ----------
    plans : tuple of DemandPlan
    """

    plans: tuple[DemandPlan, ...]
    pieces: tuple[_Piece, ...] = field(repr=False)

    def _first(self, quantile: float) -> list[_Piece]:
        """First subnet of each plan to run out, because the others cannot take its pods."""
        return [
            min(
                (piece for piece in self.pieces if piece.plan is plan),
                key=lambda piece: (piece.pods.days_left(quantile), -piece.pods.probability()),
            )
            for plan in self.plans
        ]

    def _by_plan(self, values: list[Any], name: str) -> pd.Series[Any]:
        plans = pd.Index([plan.name for plan in self.plans], name="plan")
        return pd.Series(values, index=plans, name=name)

    def date(self, quantile: float = 0.5) -> pd.Series[Any]:
        """Date when the first subnet of each plan is exhausted; NaT if not within the horizon."""
        dates = [piece.pods.date(quantile) for piece in self._first(quantile)]
        return self._by_plan(dates, f"date_{100 * quantile:g}")

    def days_left(self, risk: float = 0.1) -> pd.Series[Any]:
        """Days until the risk of each plan reaches `risk`; inf if never. [days]."""
        return self._by_plan([p.pods.days_left(risk) for p in self._first(risk)], "days_left")

    def probability(self, by: Any = None) -> pd.Series[Any]:
        """Probability that the subnet most at risk in each plan is exhausted by a date."""
        most = [
            max(p.pods.probability(by) for p in self.pieces if p.plan is plan)
            for plan in self.plans
        ]
        return self._by_plan(most, "probability")

    def to_pandas(self, *, risk: float = 0.1) -> pd.DataFrame:
        """
        One row for each plan and subnet, in the order of the plans.

        Columns: plan, subnet, zone, status, date, the ends of each interval, days_left,
        probability, pods_limit (smallest number of pods in the history that does not fit),
        binding, the needs of the last peak of pods (nodes, addresses, prefixes), and the
        subnet's capacity.
        """
        rows = []
        for piece in self.pieces:
            row = piece.pods.to_pandas(risk=risk).iloc[0]
            need = piece.plan.need(piece.share([row["used"]]))
            addresses, blocks = piece.plan.capacity(piece.subnet)
            rows.append(
                {
                    **piece.head,
                    **row.drop(["subnet", "used", "capacity", "drift_per_day"]),
                    "pods_limit": piece.limit,
                    "binding": piece.binding,
                    **{name: int(each[0]) for name, each in need._asdict().items()},
                    "capacity_addresses": addresses,
                    "capacity_prefixes": blocks,
                }
            )
        return pd.DataFrame(rows)

    @property
    def path(self) -> pd.DataFrame:
        """
        Needs over time: one row for each plan, subnet and period.

        Columns: plan, subnet, zone, time, pods (median, not limited to the capacity), nodes,
        addresses, prefixes, binding, capacity (of the binding resource), share (of that
        capacity), lower_80, upper_80, ... (of the binding resource, from 0 to the capacity),
        probability.
        """
        return pd.concat([self._path(piece) for piece in self.pieces], ignore_index=True)

    def _path(self, piece: _Piece) -> pd.DataFrame:
        path = piece.pods.path
        pods = piece.share(path["demand"].clip(lower=0))
        need = piece.plan.need(pods)
        # The binding resource: whole blocks, or addresses.
        binds = "prefixes" if piece.binding == "prefixes" else "addresses"
        limit = piece.plan.capacity(piece.subnet)[binds == "prefixes"]
        columns: dict[str, Any] = {
            **piece.head,
            "time": path["time"],
            "pods": pods,
            **need._asdict(),
            "binding": piece.binding,
            "capacity": limit,
            "share": getattr(need, binds) / max(limit, 1),
        }
        # Needs never fall with more pods, so the need of a quantile is the quantile of the need.
        for column in [c for c in map(str, path.columns) if c.startswith(("lower_", "upper_"))]:
            bound = getattr(piece.plan.need(piece.share(path[column])), binds)
            columns[column] = np.minimum(bound, limit)
        return pd.DataFrame(columns | {"probability": path["probability"]})

    def plot(self, *, ax: Any = None) -> Any:
        """
        Chart of all plans: the share used of the tightest subnet of each, and its date.

        Raises
        ------
        MissingExtraError
            Without matplotlib (extra ``plot``).
        """
        return show.draw_plans(self.path, self.dates, ax=ax)

    @property
    def dates(self) -> pd.DataFrame:
        """
        Date of each plan by quantile: the median, and both ends of each interval.

        Columns: plan, quantile, date, answer (``"date"``, ``"exhausted"`` or ``"never"``: not
        within the horizon), subnet (the first to run out).
        """
        first = {share: self._first(share) for share in show.shares_of(self.pieces[0].pods.levels)}
        rows = []
        for at, plan in enumerate(self.plans):
            for share, pieces in first.items():
                date = pieces[at].pods.date(share)
                never, status = pd.isna(date), pieces[at].pods.status
                answer = "exhausted" if status == "exhausted" else "date"
                rows.append(
                    {
                        "plan": plan.name,
                        "quantile": round(share, 6),
                        "date": date,
                        "answer": "never" if never else answer,
                        "subnet": "" if never else pieces[at].subnet,
                    }
                )
        return pd.DataFrame(rows)

    def to_dict(self, *, risk: float = 0.1) -> dict[str, Any]:
        """Dates and needs of each plan in plain values; dates beyond the horizon are None."""
        return {
            "risk": risk,
            "levels": list(self.pieces[0].pods.levels),
            "dates": [show.plain_row(row) for row in self.dates.to_dict("records")],
            "plans": [show.plain_row(row) for row in self.to_pandas(risk=risk).to_dict("records")],
        }

    def to_json(self, *, risk: float = 0.1, indent: int | None = 2) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(risk=risk), indent=indent, allow_nan=False)

    def __repr__(self) -> str:
        lines = [
            f"  {name}: {show.day(day, 'not within the horizon')}"
            for name, day in self.date().items()
        ]
        return "\n".join([f"DemandForecast of {count_of(len(self.plans), 'plan')}", *lines])

    def _repr_html_(self) -> str:
        """Table for a notebook: when each plan runs out, and what it needs now."""
        return show.plans_as_html(self.to_pandas())
