"""Histories as monitoring tools write them: free is never taken for used."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from eks_win_capacity import cli, forecast_exhaustion
from eks_win_capacity.core.errors import InputError
from eks_win_capacity.forecast.monitoring import usage_table
from eks_win_capacity.forecast.read import kind_and_subnet

DAYS = pd.date_range("2025-01-01", periods=120, tz="UTC")
CAPACITY = 1019
USED = np.round(400 + 2.5 * np.arange(120) + 3 * np.sin(np.arange(120))).astype(int)
FREE = CAPACITY - USED
DRY = DAYS[-1] + pd.Timedelta(days=int((CAPACITY - USED[-1]) / 2.5))
TEXT = [f"{day:%Y-%m-%d %H:%M:%S}" for day in DAYS]


def csv_of(head, *columns):
    rows = zip(TEXT, *columns, strict=True)
    return "\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n"


def prometheus(name, values, **labels):
    metric = {"__name__": name, "subnetid": "subnet-0aaa", **labels} if name else labels
    pairs = [[day.timestamp(), str(v)] for day, v in zip(DAYS, values, strict=True)]
    return {
        "status": "success",
        "data": {"resultType": "matrix", "result": [{"metric": metric, "values": pairs}]},
    }


def metric_data(label, values):
    stamps = [day.isoformat() for day in DAYS][::-1]
    return {
        "MetricDataResults": [
            {
                "Id": "m1",
                "Label": label,
                "Timestamps": stamps,
                "Values": list(map(float, values))[::-1],
            }
        ]
    }


def statistics(label, values, *names):
    points = [
        {"Timestamp": day.isoformat(), **{name: float(v) for name in names}, "Unit": "Count"}
        for day, v in zip(DAYS, values, strict=True)
    ]
    return {"Label": label, "Datapoints": points}


def cron(values):
    return "\n".join(
        json.dumps(
            {
                "time": day.isoformat(),
                "Subnets": [
                    {
                        "SubnetId": "subnet-0aaa",
                        "CidrBlock": "10.0.0.0/22",
                        "AvailableIpAddressCount": int(v),
                    }
                ],
            }
        )
        for day, v in zip(DAYS, values, strict=True)
    )


def lines(form, values):
    """A line for each day, by a form of its day and value."""
    return "\n".join(form.format(day=d, v=v) for d, v in zip(DAYS, values, strict=True)) + "\n"


# What the AWS CLI writes with --output text has no names; a time stands above it.
SUBNETS = (
    "SUBNETS\tFalse\teu-west-1a\teuw1-az1\t{v}\t10.0.0.0/22\tFalse\tFalse\t111122223333\tavailable\t"
    "arn:aws:ec2:eu-west-1:111122223333:subnet/subnet-0aaa\tsubnet-0aaa\tvpc-1\nTAGS\tName\twin-a"
)
CONSOLE = (
    "Full label,subnet-0aaa available\nLabel,a\nNamespace,Custom\nPeriod,86400\n"
    "Statistic,Minimum\n\n"
    + "\n".join(f"{day:%Y/%m/%d %H:%M:%S},{v}" for day, v in zip(DAYS, FREE, strict=True))
    + "\n"
)

SAYS = {
    "labels with a metric": csv_of('"Time","available_ips{subnetid=""subnet-0aaa""}"', FREE),
    "a word beside the name": csv_of("Time,subnet-0aaa free", FREE),
    "console": CONSOLE,
    "prometheus": json.dumps(prometheus("aws_subnet_exporter_available_ips", FREE)),
    "prometheus, used": json.dumps(prometheus("subnet_used_addresses", USED)),
    "get-metric-data": json.dumps(metric_data("subnet-0aaa available", FREE)),
    "get-metric-statistics": json.dumps(statistics("AvailableIpAddressCount", FREE, "Minimum")),
    "cron": cron(FREE),
    "describe-subnets as text": lines("{day:%a %b %d %H:%M:%S} UTC {day:%Y}\n" + SUBNETS, FREE),
    "describe-subnets as text, by date -u": lines("{day:%FT%TZ}\n" + SUBNETS, FREE),
    "get-metric-statistics as text": "AvailableIpAddressCount\n"
    + lines("DATAPOINTS\t{v}.0\t{day:%FT%T}+00:00\tCount", FREE),
    "get-metric-data as text": "METRICDATARESULTS\tm1\tsubnet-0aaa available\tComplete\n"
    + lines("TIMESTAMPS\t{day:%FT%T}+00:00", FREE)
    + lines("VALUES\t{v}.0", FREE),
    "used by name": csv_of("time,used", USED),
    "subnets by name": csv_of("time,subnet-0aaa", USED),
}
SILENT = {
    "labels alone": csv_of('"Time","{az=""eu-west-1a"", subnetid=""subnet-0aaa""}"', FREE),
    "prometheus without a name": json.dumps(prometheus("", FREE, subnetid="subnet-0aaa")),
    "get-metric-data": json.dumps(metric_data("subnet-0aaa", FREE)),
    "rows without a head": lines("{day:%F};subnet-0aaa;{v}", FREE),
    "words without a head": lines("{day:%F %T} subnet-0aaa {v}", FREE),
    "epochs without a head": lines("{day:%s} subnet-0aaa {v}", FREE),
    "times above rows": lines("{day:%a %d %b %Y %I:%M:%S %p} GMT\nsubnet-0aaa\t{v}", FREE),
    "one of two": csv_of("Time,a free,b", FREE, USED),
}


def run(text, *options):
    return CliRunner().invoke(
        cli.app, ["forecast", "-", "--capacity", str(CAPACITY), "-o", "json", *options], input=text
    )


@pytest.mark.parametrize("name", SAYS)
def test_what_says_what_it_counts_is_read_the_right_way_round(name):
    ran = run(SAYS[name])
    assert ran.exit_code == 0, ran.exception
    (row,) = json.loads(ran.stdout)["rows"]
    assert row["used"] == USED[-1]
    assert abs(pd.Timestamp(row["date"]).tz_localize("UTC") - DRY) < pd.Timedelta(days=5)


@pytest.mark.parametrize("name", SILENT)
def test_what_does_not_say_it_is_refused_and_the_option_named(name):
    ran = run(SILENT[name])
    assert ran.exit_code != 0
    assert "--values available" in vars(ran.exception)["on the command line"]
    assert "available=True" in str(ran.exception)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Tue Sep  1 00:00:00 CEST 2026\nsubnet-1\t200\n", "date -u"),
        (lines("DATAPOINTS\t{v}.0\t{v}.0\t{day:%F}\tCount", FREE), "--output json"),
        ("2026-09-01\nSUBNETS\tFalse\n", "--output json"),
        (lines(SUBNETS, FREE), "when it was given"),
    ],
)
def test_text_that_may_mean_several_things_is_refused_with_the_cure(text, words):
    assert words in str(run(text).exception)


def test_a_first_row_is_no_head_and_a_head_of_dates_is_one():
    (row,) = json.loads(run(lines("{day:%F},{v}", FREE), "--values", "available").stdout)["rows"]
    assert row["used"] == USED[-1]
    wide = "time,2026-09-01,7\n" + lines("{day:%F},1,{v}", USED)
    assert {one["subnet"] for one in json.loads(run(wide).stdout)["rows"]} == {"2026-09-01", "7"}


@pytest.mark.parametrize("name", [name for name in SILENT if name != "one of two"])
def test_the_option_settles_what_every_column_counts(name):
    (row,) = json.loads(run(SILENT[name], "--values", "available").stdout)["rows"]
    assert (row["subnet"], row["used"]) == ("subnet-0aaa", USED[-1])
    contradicted = run(SAYS["a word beside the name"], "--values", "used")
    assert "says available" in str(contradicted.exception)


def test_python_reads_the_same_documents():
    forecast = forecast_exhaustion(prometheus("available_ips", FREE), capacity=CAPACITY, workers=1)
    assert list(forecast.subnets) == ["subnet-0aaa"]
    document = prometheus("available_ips", FREE, cidrblock="10.0.0.0/22")
    assert forecast_exhaustion(document, workers=1).to_pandas()["used"].iloc[0] == USED[-1]
    series = pd.Series(FREE, index=DAYS, name='{subnetid="a"}')
    with pytest.raises(InputError, match="available=True"):
        forecast_exhaustion(series, capacity=CAPACITY, workers=1)
    forecast = forecast_exhaustion(series, capacity=CAPACITY, available=True, workers=1)
    assert forecast.to_pandas()["used"].iloc[0] == USED[-1]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"status": "error", "error": "bad query", "data": {}}, "bad query"),
        ({"MetricDataResults": []}, "holds no values"),
        ({"Subnets": [{}]}, "when it was given"),
        ([prometheus("available_ips", FREE), prometheus("used_ips", USED)], "mixes"),
        (statistics("AvailableIpAddressCount", FREE, "SampleCount"), "Minimum"),
        ({"MetricDataResults": [{"Label": "a", "Timestamps": TEXT, "Values": [1.0]}]}, "1 Values"),
        ({**metric_data("available", FREE), "NextToken": "t"}, "more pages follow"),
        ({"MetricDataResults": [{"Label": "a", "StatusCode": "PartialData"}]}, "PartialData"),
        (
            {"MetricDataResults": [{"Label": "a", "StatusCode": "Forbidden"}]},
            "no whole answer for 'a': Forbidden",
        ),
    ],
)
def test_an_answer_without_a_history_is_refused_in_words(document, words):
    with pytest.raises(InputError, match=words):
        usage_table(document)


def test_pages_are_an_answer_where_the_last_one_is_there():
    pages = [{**metric_data("available", FREE), "NextToken": "t"}, metric_data("available", FREE)]
    assert len(usage_table(pages)) == 2 * len(FREE)
    for page, status in zip(pages, ("PartialData", "Complete"), strict=True):
        page["MetricDataResults"][0]["StatusCode"] = status
    assert len(usage_table(pages)) == 2 * len(FREE)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("AvailableIpAddressCount", "available"),
        ("aws_subnet_exporter_available_ips", "available"),
        ("win-a", None),
        ("subnet utilization", "percent"),
        ("SubnetIPUsage subnet-0aaa", "percent"),
        ("aws_subnet_ip_usage_ratio", "percent"),
        ("non-prod used", "used"),
        ("ips_not_used", None),
    ],
)
def test_a_name_says_what_its_values_count_or_nothing(name, kind):
    assert kind_and_subnet(name)[0] == kind
