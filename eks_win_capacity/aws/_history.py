"""Used addresses of subnets over time, from CloudWatch."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from eks_win_capacity.aws.answer_files import saved
from eks_win_capacity.aws.calls import all_pages, incomplete
from eks_win_capacity.aws.calls import client as make_client
from eks_win_capacity.aws.saved_answers import moment, shaped
from eks_win_capacity.core.constants import SUBNET_KEPT_FIRST, SUBNET_KEPT_LAST
from eks_win_capacity.core.errors import DocumentError, InputError, UnsupportedInputError
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.forecast.monitoring import unfinished

if TYPE_CHECKING:
    import pandas as pd

    from eks_win_capacity.addresses.subnet import Subnet

_QUERIES: Final = 500
"""Maximum number of queries in one GetMetricData call."""

_SPELLINGS: Final = {"subnetid", "subnet"}


@checked_call
def load_usage_history(
    subnets: Iterable[Subnet] | Subnet,
    *,
    source: Metric | Mapping[str, Any] | str = "ipam",
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
    period_s: int = 3600,
    missing: Literal["raise", "gap"] = "raise",
    files: Any = None,
    session: Any = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    client: Any = None,
    clients: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """
    Addresses that subnets used over time.

    Parameters
    ----------
    subnets : Subnet or iterable of Subnet
        With their ids, as from `load_subnets`.
    source : "ipam", Metric or mapping of its fields
        VPC IPAM's SubnetIPUsage by default.
    start, end : datetime, optional
        With a time zone. By default the 14 days up to now, or everything in the files.
        CloudWatch lists only metrics that had a value in the last two weeks.
    period_s : int
        Length of a period, a multiple of 60. CloudWatch keeps 60 s for 15 days,
        300 s for 63 days and 3600 s for 455 days. [s]
    missing : {"raise", "gap"}
        Whether a subnet without the metric is an error, or has a row without a value for each
        period. IPAM may publish the metric for some subnets only.
    files : path, str, file, mapping, or a list of these, optional
        Saved answers of GetMetricData, whose labels name the subnets, read instead of asking
        AWS.
    session, region, endpoint_url
        As for `load_cluster`.
    client : CloudWatch client, optional
        Used as it is; ``clients`` gives it by its name, ``cloudwatch``.

    Returns
    -------
    DataFrame
        ``time`` (UTC, start of the period), ``subnet``, ``used``, ``capacity``:
        one row for every period of every subnet; ``used`` is missing where
        CloudWatch has no value. Nothing is filled in. ``attrs`` has ``period_s``,
        ``namespace``, ``metric`` and ``kind``.

    Raises
    ------
    InputError
        If a time has no zone, the period is wrong, a subnet has no id or comes
        twice, or no metric is published for a subnet.
    UnsupportedInputError
        If `subnets` contains something else.
    AwsError
        If a call fails or its answer is incomplete.
    DocumentError
        If a saved answer is damaged or only a part.

    References
    ----------
    Amazon CloudWatch API reference, GetMetricData; Amazon VPC IPAM user guide,
    "Monitor IPAM with Amazon CloudWatch".

    Examples
    --------
    >>> from eks_win_capacity import Subnet
    >>> answer = {
    ...     "MetricDataResults": [
    ...         {
    ...             "Label": "subnet-1",
    ...             "Timestamps": ["2026-11-01T00:00:00Z", "2026-11-01T01:00:00Z"],
    ...             "Values": [40.0, 42.0],
    ...             "StatusCode": "Complete",
    ...         }
    ...     ]
    ... }
    >>> subnet = Subnet("10.0.0.0/24", subnet_id="subnet-1")
    >>> metric = Metric(namespace="Ours", metric="Used", kind="used")
    >>> history = load_usage_history(subnet, source=metric, files=answer)
    >>> history["used"].tolist()
    [40.0, 42.0]
    """
    metric = metric_of(source)
    chosen = _chosen(subnets)
    _check(missing, period_s)
    known: dict[str, dict[int, float]] = {}
    if files is not None:
        known = _saved_values(files, [str(s.subnet_id) for s in chosen], period_s)
    else:
        end = end or dt.datetime.now(dt.UTC)
        start = start or end - dt.timedelta(days=14)
    for time in (start, end):
        if time is not None and time.tzinfo is None:
            raise InputError(f"start and end need time zones; got {time.isoformat()}")
    first, last = _span(known, start, end, period_s)
    if first >= last:
        raise InputError("start comes before end")
    if files is None:
        watch = client or (clients or {}).get("cloudwatch")
        watch = watch or make_client(
            "cloudwatch", session=session, region=region, endpoint_url=endpoint_url
        )
        known = _live(watch, metric, chosen, (first, last), period_s=period_s)
    lacking = [s.subnet_id for s in chosen if str(s.subnet_id) not in known]
    if lacking and (missing == "raise" or len(lacking) == len(chosen)):
        raise _unpublished(metric, lacking)
    return _frame(chosen, known, metric, range(first, last, period_s))


def _check(missing: Any, period_s: Any) -> None:
    if missing not in {"raise", "gap"}:
        raise InputError(f"missing is 'raise' or 'gap'; got {missing!r}")
    if not isinstance(period_s, int) or period_s < 60 or period_s % 60:
        raise InputError(f"period_s must be a multiple of 60; got {period_s!r}")


def _unpublished(metric: Metric, lacking: list[Any]) -> InputError:
    return InputError(
        f"{metric.namespace} {metric.metric} is not published for "
        f"{', '.join(map(str, lacking[:5]))}; is the watcher on, in this region, and did it "
        "publish in the last two weeks? missing='gap' leaves such subnets without values"
    )


def _chosen(subnets: Iterable[Subnet] | Subnet) -> list[Subnet]:
    from eks_win_capacity.addresses.subnet import Subnet

    given: Any = [subnets] if isinstance(subnets, Subnet) else subnets
    chosen = list(given) if isinstance(given, Iterable) else [given]
    wrong = [s for s in chosen if not isinstance(s, Subnet)]
    if wrong:
        raise UnsupportedInputError(
            f"subnets must be Subnet objects, such as load_subnets gives: their size is needed; "
            f"got {type(wrong[0]).__name__}"
        )
    names = [subnet.subnet_id for subnet in chosen]
    if not names or not all(names):
        raise InputError("every subnet needs its subnet_id, and at least one must be given")
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise InputError(f"{twice[0]} is given twice")
    return chosen


def _span(
    known: Mapping[str, Mapping[int, float]],
    start: dt.datetime | None,
    end: dt.datetime | None,
    period_s: int,
) -> tuple[int, int]:
    """Start and end of the values, by default those of the saved answers."""
    seen = [time for values in known.values() for time in values]
    if not seen and (start is None or end is None):
        raise InputError("the saved answers hold no value; give start and end")
    first = min(seen) if start is None else int(start.timestamp()) // period_s * period_s
    return first, max(seen) + period_s if end is None else int(end.timestamp())


def _frame(
    chosen: list[Subnet], known: Mapping[str, Mapping[int, float]], metric: Metric, periods: range
) -> pd.DataFrame:
    import pandas as pd

    times = pd.to_datetime(list(periods), unit="s", utc=True)
    frames = []
    for subnet in chosen:
        raw = pd.Series(known.get(str(subnet.subnet_id), {}), dtype="float64")
        used = metric.used(raw.reindex(list(periods)).to_numpy(), subnet.usable)
        columns = {
            "time": times,
            "subnet": subnet.subnet_id,
            "used": used,
            "capacity": subnet.usable,
        }
        frames.append(pd.DataFrame(columns))
    whole = pd.concat(frames, ignore_index=True)
    whole.attrs = {
        "period_s": periods.step,
        "namespace": metric.namespace,
        "metric": metric.metric,
        "kind": metric.kind,
    }
    return whole


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").replace(" ", "").lower()


def _live(
    watch: Any, metric: Metric, chosen: list[Subnet], window: tuple[int, int], *, period_s: int
) -> dict[str, dict[int, float]]:
    """Values of each subnet that has the metric, by subnet id."""
    where = _published(watch, metric)
    asked = [str(s.subnet_id) for s in chosen if str(s.subnet_id) in where]
    by_subnet: dict[str, dict[int, float]] = {}
    for begin in range(0, len(asked), _QUERIES):
        part = asked[begin : begin + _QUERIES]
        values = _values(watch, metric, [where[n] for n in part], window, period_s=period_s)
        by_subnet |= dict(zip(part, values, strict=True))
    return by_subnet


def _published(watch: Any, metric: Metric) -> dict[str, list[dict[str, str]]]:
    """Dimensions of each subnet's metric, in their original spelling."""
    names = {_plain(metric.dimension)} | _SPELLINGS
    wanted = {(_plain(name), value) for name, value in metric.dimensions.items()}
    dimensions: dict[str, list[dict[str, str]]] = {}
    pages = all_pages(
        watch,
        "list_metrics",
        key="Metrics",
        sparse=True,
        Namespace=metric.namespace,
        MetricName=metric.metric,
    )
    for item in (item for page in pages for item in page["Metrics"]):
        given = {_plain(d["Name"]): d["Value"] for d in item.get("Dimensions") or ()}
        if not wanted <= given.items() or given.get("addressfamily", "ipv4").lower() != "ipv4":
            continue
        for value in {given[name] for name in names if name in given}:
            earlier = dimensions.setdefault(value, item["Dimensions"])
            if {_plain(d["Name"]): d["Value"] for d in earlier} != given:
                raise InputError(
                    f"{metric.metric} is published several times for {value}; name the "
                    "dimensions that tell which one is meant"
                )
    return dimensions


def _values(
    watch: Any,
    metric: Metric,
    where: list[list[dict[str, str]]],
    window: tuple[int, int],
    *,
    period_s: int,
) -> list[dict[int, float]]:
    statistic = metric.statistic or ("Minimum" if metric.kind == "available" else "Maximum")
    named = {"Namespace": metric.namespace, "MetricName": metric.metric}
    stats = (
        {"Metric": {**named, "Dimensions": one}, "Period": period_s, "Stat": statistic}
        for one in where
    )
    queries = [{"Id": f"q{at}", "MetricStat": stat} for at, stat in enumerate(stats)]
    points: list[dict[int, float]] = [{} for _ in where]
    pages = all_pages(
        watch,
        "get_metric_data",
        key="MetricDataResults",
        sparse=True,
        MetricDataQueries=queries,
        StartTime=dt.datetime.fromtimestamp(window[0], dt.UTC),
        EndTime=dt.datetime.fromtimestamp(window[1], dt.UTC),
    )
    results = [result for page in pages for result in page["MetricDataResults"]]
    for result in results:
        points[int(result["Id"][1:])] |= _points(result, period_s)
    wrong = sorted(set(unfinished(results).values()))
    if wrong or len({result["Id"] for result in results}) != len(queries):
        raise incomplete(
            "GetMetricData",
            str(watch.meta.region_name),
            "PartialData",
            f"{', '.join(wrong) or 'a subnet has no result'}",
        )
    return points


def _points(result: Mapping[str, Any], period_s: int) -> dict[int, float]:
    """Values of one result, by the start of their period."""
    return {
        int(moment(time).timestamp()) // period_s * period_s: float(value)
        for time, value in zip(result["Timestamps"], result["Values"], strict=True)
    }


def _saved_values(files: Any, names: list[str], period_s: int) -> dict[str, dict[int, float]]:
    """
    Values by subnet, from saved answers of GetMetricData.

    A result belongs to the subnet in its label or id; a single one to a single subnet.
    """
    calls = {"MetricDataResults": "GetMetricData"}
    with shaped():
        results = [row for page in saved(files, calls) for row in page["MetricDataResults"]]
    for name, status in unfinished(results).items():
        raise DocumentError(
            f"the answer of GetMetricData is only a part for {name}: {status}",
            source="the answer",
            place="StatusCode",
        )
    by_subnet: dict[str, dict[int, float]] = {}
    with shaped():
        for result in results:
            label = f"{result.get('Label', '')} {str(result.get('Id', '')).replace('_', '-')}"
            matches = [name for name in names if name in label]
            if not matches and len(names) == len(results) == 1:
                matches = names
            for name in matches:
                by_subnet.setdefault(name, {}).update(_points(result, period_s))
    return by_subnet


Kind = Literal["available", "used", "percent"]

KINDS: Final = ("available", "used", "percent")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """
    A CloudWatch metric that counts the addresses of a subnet.

    Attributes
    ----------
    namespace, metric : str
        Such as ``AWS/IPAM`` and ``SubnetIPUsage``.
    kind : {"available", "used", "percent"}
        What its values count; ``percent`` is the share of addresses in use.
    dimension : str
        The dimension that holds the subnet's id, in any capitalisation.
    dimensions : Mapping of str to str
        Further dimensions that must have these values; names in any capitalisation.
    statistic : str
        By default the one that preserves the peak: Minimum of available, Maximum of used.
    percent_of : {"space", "usable"}
        What 100 percent means: all addresses of the CIDR, or those that AWS does not keep.

    Raises
    ------
    InputError
        If kind or percent_of is none of these, or a name is empty.
    """

    namespace: str
    metric: str
    kind: Kind
    dimension: str = "SubnetId"
    dimensions: Mapping[str, str] = field(default_factory=dict)
    statistic: str = ""
    percent_of: Literal["space", "usable"] = "space"

    def __post_init__(self) -> None:
        for name, known in (("kind", KINDS), ("percent_of", ("space", "usable"))):
            if getattr(self, name) not in known:
                raise InputError(
                    f"{name} of a metric is one of {', '.join(known)}; got {getattr(self, name)!r}"
                )
        if not (self.namespace and self.metric and self.dimension):
            raise InputError("a metric needs a namespace, a name and the dimension of the subnet")

    def used(self, raw: Any, usable: int) -> Any:
        """
        Used addresses from the metric's own values.

        Parameters
        ----------
        raw : ndarray of float
            The values; missing ones stay missing.
        usable : int
            Addresses of the subnet that AWS does not keep. [addresses]

        Raises
        ------
        InputError
            If a value cannot be of this kind.
        """
        import numpy as np

        size = usable + SUBNET_KEPT_FIRST + SUBNET_KEPT_LAST
        whole = size if self.percent_of == "space" else usable
        used = {"available": usable - raw, "used": raw, "percent": raw / 100 * whole}[self.kind]
        most = whole if self.kind == "percent" else usable
        low, high = np.nanmin(used, initial=0), np.nanmax(used, initial=0)
        if low < -0.5 or high > most + 0.5:
            raise InputError(
                f"the metric gives from {low:,.0f} to {high:,.0f} used of {usable:,} addresses: is "
                f"kind={self.kind!r} right?"
            )
        return np.minimum(used, usable)


IPAM: Final = Metric(namespace="AWS/IPAM", metric="SubnetIPUsage", kind="percent")
"""
Metric of VPC IPAM: the share of a subnet's whole address space that is in use.

Whether it counts the five addresses that AWS keeps is not documented; so a value above the
usable addresses is taken as a full subnet.

Sources: AWS announcement of VpcIPUsage, SubnetIPUsage and PublicIPv4PoolIPUsage (2023)
and EC2 API reference, IpamResourceCidr.ipUsage, for what the percentage is of; Amazon
VPC IPAM user guide, "IPAM resource utilization metrics", for the at most 150 subnets
that are published.
"""


def metric_of(source: Metric | Mapping[str, Any] | str) -> Metric:
    """
    Metric from a name, a mapping of its fields, or a Metric.

    Raises InputError if the value is none of these, or a field is wrong.
    """
    if isinstance(source, Metric):
        return source
    if isinstance(source, Mapping):
        try:
            return Metric(**source)
        except TypeError as error:
            raise InputError(
                f"a metric has namespace, metric, kind, dimension, dimensions, statistic and "
                f"percent_of: {error}"
            ) from error
    if source == "ipam":
        return IPAM
    raise InputError(f"source is 'ipam', a Metric or the mapping of its fields; got {source!r}")
