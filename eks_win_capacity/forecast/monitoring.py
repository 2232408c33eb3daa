"""Which history is in the output of Prometheus, Grafana, CloudWatch or describe-subnets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.core.errors import InputError, only_a_part
from eks_win_capacity.forecast.read import SUBNET_LABELS, kind_and_subnet, label_of, words_kind

if TYPE_CHECKING:
    import pandas as pd

READING: Final = "reading"
"""Column of values that may be used or available addresses."""

_CIDR_LABELS: Final = ("cidrblock", "cidr_block", "cidr")
_TIMES: Final = ("time", "timestamp", "date", "captured", "at", "Timestamp", "Date")
_STATISTICS: Final = {
    # First the value of a period that is nearest to exhaustion.
    "available": ("Minimum", "Average", "Maximum"),
    "used": ("Maximum", "Average", "Minimum"),
    "percent": ("Maximum", "Average", "Minimum"),
}


def is_document(value: object) -> bool:
    """Whether `usage_table` can read a value."""
    if isinstance(value, list):
        return bool(value) and all(
            isinstance(one, Mapping) and _member(_whole(one)) for one in value
        )
    return isinstance(value, Mapping) and bool(_member(value))


def _member(answer: Mapping[str, Any]) -> str:
    """Member that identifies the kind of an answer; empty if it is not a history."""
    known = (key for key in _READERS if key in answer)
    return next((k for k in known if k != "data" or isinstance(answer[k], Mapping)), "")


def _whole(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer around a single series that ``--query`` or jq left; other answers unchanged."""
    if "Timestamps" in value:
        return {"MetricDataResults": [value]}
    return {"data": {"result": [value]}} if "metric" in value else value


def usage_table(document: Any) -> pd.DataFrame:
    """
    Table of time, subnet and values from the answer of a monitoring tool.

    Answers are a range query of Prometheus; get-metric-data or get-metric-statistics of
    CloudWatch; describe-subnets, several with a ``time`` next to ``Subnets``; or a list of
    series of the first two. The column of values is ``used``, ``available`` or ``percent``, or
    ``reading`` if the answer does not say which; ``cidr`` is added if known. Raises InputError
    for other or incomplete documents, without values, or that mix used and available.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    pages = document if isinstance(document, list) else [document]
    if pages and isinstance(pages[-1], Mapping) and (part := only_a_part(pages[-1])[1]):
        raise InputError(f"the answer is {part}")
    answers = [_whole(page) for page in pages]
    series = (row for one in answers for row in one.get("MetricDataResults") or ())
    for name, status in unfinished(series).items():
        raise InputError(f"CloudWatch gave no whole answer for {name!r}: {status}; ask again")
    for one in answers:
        if not (member := _member(one)):
            raise InputError(
                "this JSON is not a history: give a range query of Prometheus, get-metric-data or "
                "get-metric-statistics of CloudWatch, or describe-subnets with times"
            )
        rows += _READERS[member](one)
    if not rows:
        raise InputError("the answer holds no values: is the time range of the query right?")
    kinds = sorted({row["kind"] or READING for row in rows})
    if len(kinds) > 1:
        raise InputError(
            f"the answer mixes {' and '.join(kinds)}: ask for one metric, of used or of available "
            "addresses"
        )
    frame = pd.DataFrame(rows).rename(columns={"value": kinds[0]}).drop(columns="kind")
    # CloudWatch returns the newest value first, or any order.
    return frame.dropna(axis=1, how="all").sort_values(["subnet", "time"], ignore_index=True)


def _prometheus(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    import pandas as pd

    if answer.get("status") == "error":
        raise InputError(f"Prometheus answered with an error: {answer.get('error', 'unknown')}")
    rows = []
    for series in answer["data"].get("result") or ():
        labels = series.get("metric") or {}
        head = {
            "kind": words_kind(str(labels.get("__name__", ""))),
            "subnet": label_of(labels, SUBNET_LABELS)
            or ",".join(f"{k}={v}" for k, v in labels.items()),
            "cidr": label_of(labels, _CIDR_LABELS) or None,
        }
        values = series.get("values") or ([series["value"]] if "value" in series else [])
        rows += [
            {"time": pd.Timestamp(float(at), unit="s", tz="UTC"), **head, "value": float(value)}
            for at, value in values
        ]
    return rows


def unfinished(results: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """
    Status of each incomplete series of CloudWatch, by its id or label.

    A series may continue over several pages; the status on the last one is that of all.

    Examples
    --------
    >>> unfinished([{"Id": "a", "StatusCode": "PartialData"}, {"Id": "a", "StatusCode": "Complete"}])
    {}
    """
    last = {str(r.get("Id") or r.get("Label")): r.get("StatusCode") or "Complete" for r in results}
    return {name: status for name, status in last.items() if status != "Complete"}


def _metric_data(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for series in answer["MetricDataResults"]:
        kind, subnet = kind_and_subnet(series.get("Label") or series.get("Id", ""))
        times, values = series.get("Timestamps") or (), series.get("Values") or ()
        if len(times) != len(values):
            raise InputError(
                f"the answer has {len(times):,} Timestamps and {len(values):,} Values of {subnet!r}"
            )
        pairs = zip(times, values, strict=True)
        rows += [
            {"time": at, "kind": kind, "subnet": subnet, "value": value} for at, value in pairs
        ]
    return rows


def _statistics(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    kind, _ = kind_and_subnet(answer.get("Label", ""))
    points = answer["Datapoints"]
    order = _STATISTICS[kind or "used"]
    name = next((one for one in order if all(one in point for point in points)), None)
    if points and name is None:
        raise InputError(
            "the data points carry neither Minimum, Average nor Maximum: ask for --statistics "
            "Minimum of available, or Maximum of used addresses"
        )
    return [
        {"time": point["Timestamp"], "kind": kind, "subnet": "subnet", "value": point[name]}
        for point in points
    ]


def _subnets(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    at = next((answer[key] for key in _TIMES if key in answer), None)
    at = at or (answer.get("ResponseMetadata") or {}).get("HTTPHeaders", {}).get("date")
    if at is None:
        raise InputError(
            "an answer of describe-subnets does not say when it was given: add it, as in "
            """aws ec2 describe-subnets | jq -c '. + {time: (now | todate)}'"""
        )
    return [
        {
            "time": at,
            "kind": "available",
            "subnet": subnet.get("SubnetId"),
            "cidr": subnet.get("CidrBlock"),
            "value": subnet.get("AvailableIpAddressCount"),
        }
        for subnet in answer["Subnets"]
    ]


_READERS: Final = {
    "MetricDataResults": _metric_data,
    "Datapoints": _statistics,
    "Subnets": _subnets,
    "data": _prometheus,
}
"""Reader of the answers with each member."""


def console_table(lines: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """
    Header and rows of a CSV of the CloudWatch console, whose header has several lines.

    Raises InputError if there are no rows, or a row has another number of cells.
    """
    names = ["time", *lines[0][1:]]
    rows = [line for line in lines[1:] if line and re.match(r"\d{4}[-/]\d\d", line[0].strip())]
    while names and not names[-1].strip():
        names.pop()
    if any(len(line) < len(names) or any(line[len(names) :]) for line in rows):
        raise InputError(
            "a row of the CSV of the CloudWatch console has not as many cells as its head"
        )
    rows = [line[: len(names)] for line in rows]
    if not rows:
        raise InputError("the CSV of the CloudWatch console has no rows below its head")
    return names, rows
