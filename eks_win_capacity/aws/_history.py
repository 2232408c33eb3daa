"""How many addresses subnets used, as CloudWatch has it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from eks_win_capacity.aws._client import all_pages, incomplete
from eks_win_capacity.aws._client import client as make_client
from eks_win_capacity.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from eks_win_capacity.subnets import Subnet

Kind = Literal["available", "used", "percent"]

_QUERIES: Final = 500
"""The most queries GetMetricData takes at once."""

_SPELLINGS: Final = {"subnetid", "subnet"}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """
    A CloudWatch metric that tells the addresses of a subnet.

    Attributes
    ----------
    namespace, metric : str
        Such as ``AWS/IPAM`` and ``SubnetIPUsage``.
    kind : {"available", "used", "percent"}
        What its values count; percent is of the usable addresses in use.
    dimension : str
        The dimension that holds the subnet's id; spelled in any way.
    dimensions : Mapping of str to str
        Further dimensions that must have these values.
    statistic : str
        By default the one that keeps the peak of use: Minimum of available,
        Maximum of used.
    """

    namespace: str
    metric: str
    kind: Kind
    dimension: str = "SubnetId"
    dimensions: Mapping[str, str] = field(default_factory=dict)
    statistic: str = ""


IPAM: Final = Metric(namespace="AWS/IPAM", metric="SubnetIPUsage", kind="percent")
"""What VPC IPAM publishes."""


def load_usage_history(
    subnets: Iterable[Subnet],
    *,
    source: Metric | Mapping[str, Any] | str = "ipam",
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
    period_s: int = 3600,
    session: Any = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    client: Any = None,
) -> pd.DataFrame:
    """
    Read how many addresses subnets used.

    Parameters
    ----------
    subnets : iterable of Subnet
        With their ids, such as `load_subnets` gives.
    source : "ipam", Metric or mapping of its fields
        VPC IPAM's SubnetIPUsage by default.
    start, end : datetime, optional
        With a time zone; the 14 days up to now by default.
    period_s : int
        Length of a period, a multiple of 60. [s]
    session, region, endpoint_url
        As for `load_cluster`.
    client : CloudWatch client, optional

    Returns
    -------
    DataFrame
        ``time`` (UTC, start of the period), ``subnet``, ``used``, ``capacity``:
        one row for every period of every subnet; ``used`` is missing where
        CloudWatch has no value. Nothing is filled in.

    Raises
    ------
    InputError
        If a time has no zone, the period is wrong, a subnet has no id, or no
        metric is published for a subnet.
    AwsError
        If a call fails or its answer is not whole.
    """
    import pandas as pd

    metric = _metric(source)
    chosen = list(subnets)
    if not chosen or any(not subnet.subnet_id for subnet in chosen):
        raise InputError("every subnet needs its subnet_id, and at least one must be given")
    end = end or dt.datetime.now(dt.UTC)
    start = start or end - dt.timedelta(days=14)
    if start.tzinfo is None or end.tzinfo is None or start >= end:
        raise InputError("start and end need time zones, and start comes first")
    if period_s < 60 or period_s % 60:
        raise InputError(f"period_s must be a multiple of 60; got {period_s!r}")
    watch = client if client is not None else _cloudwatch(session, region, endpoint_url)
    where = _published(watch, metric)
    lacking = [s.subnet_id for s in chosen if s.subnet_id not in where]
    if lacking:
        raise InputError(
            f"{metric.namespace} {metric.metric} is not published for "
            f"{', '.join(map(str, lacking[:5]))}; is the watcher on, and in this region?"
        )
    first = int(start.timestamp()) // period_s * period_s
    count = -(-(int(end.timestamp()) - first) // period_s)
    times = pd.to_datetime([first + i * period_s for i in range(count)], unit="s", utc=True)
    frames = []
    for begin in range(0, len(chosen), _QUERIES):
        part = chosen[begin : begin + _QUERIES]
        window = (times[0].to_pydatetime(), end)
        values = _values(watch, metric, part, where, window=window, period_s=period_s)
        for subnet, known in zip(part, values, strict=True):
            raw = pd.Series(known, dtype="float64").reindex([int(t.timestamp()) for t in times])
            frames.append(
                pd.DataFrame(
                    {
                        "time": times,
                        "subnet": subnet.subnet_id,
                        "used": _used(raw.to_numpy(), metric.kind, subnet.usable),
                        "capacity": subnet.usable,
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def _metric(source: Metric | Mapping[str, Any] | str) -> Metric:
    if isinstance(source, Metric):
        return source
    if isinstance(source, Mapping):
        return Metric(**source)
    if source == "ipam":
        return IPAM
    raise InputError(f"source is 'ipam', a Metric or the mapping of its fields; got {source!r}")


def _cloudwatch(session: Any, region: str | None, endpoint_url: str | None) -> Any:
    return make_client("cloudwatch", session=session, region=region, endpoint_url=endpoint_url)


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").replace(" ", "").lower()


def _published(watch: Any, metric: Metric) -> dict[str, list[dict[str, str]]]:
    """Give the dimensions under which each subnet is published, spelled as they are."""
    names = {_plain(metric.dimension)} | _SPELLINGS
    found: dict[str, list[dict[str, str]]] = {}
    pages = all_pages(
        watch,
        "list_metrics",
        key="Metrics",
        Namespace=metric.namespace,
        MetricName=metric.metric,
    )
    for page in pages:
        for item in page["Metrics"]:
            given = {d["Name"]: d["Value"] for d in item["Dimensions"]}
            family = next((v for k, v in given.items() if _plain(k) == "addressfamily"), "ipv4")
            if not metric.dimensions.items() <= given.items() or family.lower() != "ipv4":
                continue
            for key, value in given.items():
                if _plain(key) in names:
                    earlier = found.setdefault(value, item["Dimensions"])
                    if earlier != item["Dimensions"]:
                        raise InputError(
                            f"{metric.metric} is published several times for {value}; name the "
                            "dimensions that tell which one is meant"
                        )
    return found


def _values(
    watch: Any,
    metric: Metric,
    subnets: list[Subnet],
    where: Mapping[str, list[dict[str, str]]],
    *,
    window: tuple[dt.datetime, dt.datetime],
    period_s: int,
) -> list[dict[int, float]]:
    statistic = metric.statistic or ("Minimum" if metric.kind == "available" else "Maximum")
    queries = [
        {
            "Id": f"q{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": metric.namespace,
                    "MetricName": metric.metric,
                    "Dimensions": where[str(subnet.subnet_id)],
                },
                "Period": period_s,
                "Stat": statistic,
            },
        }
        for number, subnet in enumerate(subnets)
    ]
    found: list[dict[int, float]] = [{} for _ in subnets]
    last: dict[str, str] = {}
    pages = all_pages(
        watch,
        "get_metric_data",
        key="MetricDataResults",
        MetricDataQueries=queries,
        StartTime=window[0],
        EndTime=window[1],
    )
    for page in pages:
        for result in page["MetricDataResults"]:
            last[result["Id"]] = result.get("StatusCode", "Complete")
            number = int(result["Id"][1:])
            for time, value in zip(result["Timestamps"], result["Values"], strict=True):
                found[number][int(time.timestamp()) // period_s * period_s] = value
    wrong = sorted({code for code in last.values() if code != "Complete"})
    if wrong or len(last) != len(queries):
        raise incomplete(
            "GetMetricData",
            str(watch.meta.region_name),
            "PartialData",
            f"{', '.join(wrong) or 'a subnet has no result'}",
        )
    return found


def _used(raw: Any, kind: Kind, capacity: int) -> Any:
    import numpy as np

    used = {"available": capacity - raw, "used": raw, "percent": raw / 100 * capacity}[kind]
    low, high = np.nanmin(used, initial=0), np.nanmax(used, initial=0)
    if low < -0.5 or high > capacity + 0.5:
        raise InputError(
            f"the metric gives from {low:,.0f} to {high:,.0f} used of {capacity:,} addresses: is "
            f"kind={kind!r} right?"
        )
    return used
