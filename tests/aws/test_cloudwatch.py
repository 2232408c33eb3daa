"""How many addresses subnets used: moto's CloudWatch over HTTP, stubs for the rest."""

import datetime as dt
import json

import boto3
import pytest
from aws_stubs import KEYS, stubbed
from botocore.stub import ANY

from eks_win_capacity import Subnet, aws
from eks_win_capacity.core.errors import AwsError, DocumentError, InputError, UnsupportedInputError

REGION = "eu-west-1"
NOON = dt.datetime(2026, 10, 3, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
ONE = Subnet("10.0.0.0/24", subnet_id="subnet-1")
TWO = Subnet("10.0.1.0/26", subnet_id="subnet-2")


def listed(*subnets, spelling="SubnetID", more=()):
    return (
        "list_metrics",
        {
            "Metrics": [
                {
                    "Namespace": "AWS/IPAM",
                    "MetricName": "SubnetIPUsage",
                    "Dimensions": [
                        {"Name": "AddressFamily", "Value": "IPv4"},
                        {"Name": spelling, "Value": subnet},
                        {"Name": "OwnerID", "Value": "123456789012"},
                        *more,
                    ],
                }
                for subnet in subnets
            ]
        },
    )


def result(number, values, status="Complete"):
    return {
        "Id": f"q{number}",
        "Timestamps": [NOON + hours * HOUR for hours in values],
        "Values": list(values.values()),
        "StatusCode": status,
    }


def history(*subnets, hours=3, **how):
    return aws.load_usage_history(subnets or [ONE], start=NOON, end=NOON + hours * HOUR, **how)


# -- IPAM -----------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["SubnetID", "SubnetId", "subnet-id", "Subnet ID", "Subnet"])
def test_a_percentage_is_of_the_whole_address_space(spelling):
    watch = stubbed(
        "cloudwatch",
        listed("subnet-1", spelling=spelling),
        ("get_metric_data", {"MetricDataResults": [result(0, {0: 25.0, 1: 50.0, 2: 100.0})]}),
    )
    frame = history(client=watch)
    assert frame["used"].tolist() == [64.0, 128.0, 251.0]  # what AWS keeps leaves 251 of 256
    assert frame["capacity"].tolist() == [251] * 3
    assert frame.attrs["period_s"] == 3600


def test_the_share_can_be_of_the_usable_addresses():
    how = {"namespace": "W", "metric": "Used", "kind": "percent", "percent_of": "usable"}
    watch = stubbed(
        "cloudwatch",
        listed("subnet-1"),
        ("get_metric_data", {"MetricDataResults": [result(0, {0: 50.0})]}),
    )
    assert history(client=watch, source=how, hours=1)["used"].tolist() == [125.5]


def test_pages_go_together_and_gaps_stay():
    watch = stubbed(
        "cloudwatch",
        listed("subnet-2", "subnet-1"),
        (
            "get_metric_data",
            {
                "MetricDataResults": [result(0, {0: 10.0}, "PartialData"), result(1, {})],
                "NextToken": "2",
            },
        ),
        ("get_metric_data", {"MetricDataResults": [result(0, {2: 20.0})]}),
    )
    frame = history(ONE, TWO, client=watch)
    assert frame["subnet"].tolist() == ["subnet-1"] * 3 + ["subnet-2"] * 3
    assert frame["used"].isna().tolist() == [False, True, False, True, True, True]
    assert frame["time"].tolist()[:3] == [NOON, NOON + HOUR, NOON + 2 * HOUR]
    assert str(frame["time"].dt.tz) == "UTC"


def test_pages_without_news_are_passed_over():
    idle = {"MetricDataResults": [result(0, {}, "PartialData")]}
    watch = stubbed(
        "cloudwatch",
        ("list_metrics", {"NextToken": "2"}),
        listed("subnet-1"),
        ("get_metric_data", {**idle, "NextToken": "2"}),
        ("get_metric_data", {**idle, "NextToken": "3"}),
        ("get_metric_data", {"MetricDataResults": [result(0, {0: 50.0})]}),
    )
    assert history(client=watch, hours=1)["used"].tolist() == [128.0]
    with pytest.raises(InputError, match="not published"):
        history(client=stubbed("cloudwatch", ("list_metrics", {})))


def test_a_thousand_subnets_are_asked_in_three_calls():
    subnets = [
        Subnet(f"10.{n // 256}.{n % 256}.0/24", subnet_id=f"subnet-{n}") for n in range(1001)
    ]

    def answer(size):
        return {"MetricDataResults": [result(n, {0: 50.0}) for n in range(size)]}

    watch = stubbed(
        "cloudwatch",
        listed(*(s.subnet_id for s in subnets)),
        *(("get_metric_data", answer(size)) for size in (500, 500, 1)),
    )
    frame = history(*subnets, hours=1, client=watch)
    assert len(frame) == 1001
    assert (frame["used"] == 128).all()
    watch.stub.assert_no_pending_responses()


def test_a_subnet_without_the_metric_is_an_error_or_a_gap():
    answers = (
        listed("subnet-1"),
        ("get_metric_data", {"MetricDataResults": [result(0, {0: 50.0})]}),
    )
    with pytest.raises(InputError, match="subnet-2"):
        history(ONE, TWO, client=stubbed("cloudwatch", *answers))
    frame = history(ONE, TWO, client=stubbed("cloudwatch", *answers), missing="gap", hours=1)
    assert frame["used"].isna().tolist() == [False, True]
    with pytest.raises(InputError, match="subnet-2"):
        history(TWO, client=stubbed("cloudwatch", *answers), missing="gap")


def test_ipv6_is_left_aside_and_two_scopes_are_not_mixed():
    six = listed("subnet-1")[1]["Metrics"][0]
    six = {
        **six,
        "Dimensions": [{"Name": "AddressFamily", "Value": "IPv6"}, *six["Dimensions"][1:]],
    }
    both = listed("subnet-1")[1]["Metrics"]
    values = ("get_metric_data", {"MetricDataResults": [result(0, {0: 50.0})]})
    watch = stubbed("cloudwatch", ("list_metrics", {"Metrics": [six, *both]}), values)
    assert history(client=watch, hours=1)["used"].tolist() == [128.0]
    scopes = [
        listed("subnet-1", more=[{"Name": "ScopeID", "Value": f"scope-{n}"}])[1]["Metrics"][0]
        for n in (1, 2)
    ]
    with pytest.raises(InputError, match="several times"):
        history(client=stubbed("cloudwatch", ("list_metrics", {"Metrics": scopes})))
    chosen = aws.Metric(
        namespace="AWS/IPAM",
        metric="SubnetIPUsage",
        kind="percent",
        dimensions={"scope-id": "scope-2"},
    )
    asked = {
        "MetricDataQueries": [
            {
                "Id": "q0",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/IPAM",
                        "MetricName": "SubnetIPUsage",
                        "Dimensions": scopes[1]["Dimensions"],
                    },
                    "Period": 3600,
                    "Stat": "Maximum",
                },
            }
        ],
        "StartTime": NOON,
        "EndTime": ANY,
    }
    watch = stubbed("cloudwatch", ("list_metrics", {"Metrics": scopes}), (*values, asked))
    assert history(client=watch, source=chosen, hours=1)["used"].tolist() == [128.0]


# -- any metric, over HTTP ------------------------------------------------------------


@pytest.mark.parametrize(("kind", "used"), [("available", 51.0), ("used", 200.0)])
def test_counts_of_any_watcher_are_read_over_http(server, kind, used):
    session = boto3.session.Session(region_name=REGION, **KEYS)
    now = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)
    session.client("cloudwatch", endpoint_url=server).put_metric_data(
        Namespace=f"Watch/{kind}",
        MetricData=[
            {
                "MetricName": "AvailableIpAddressCount",
                "Dimensions": [
                    {"Name": "VPCId", "Value": "vpc-1"},
                    {"Name": "SubnetId", "Value": "subnet-1"},
                ],
                "Timestamp": now - 2 * HOUR,
                "Value": 200.0,
            }
        ],
    )
    frame = aws.load_usage_history(
        ONE,
        source={
            "namespace": f"Watch/{kind}",
            "metric": "AvailableIpAddressCount",
            "kind": kind,
            "dimension": "subnetid",
        },
        start=now - 3 * HOUR,
        end=now,
        session=session,
        endpoint_url=server,
    )
    assert len(frame) == 3
    assert frame["used"].dropna().tolist() == [used]


# -- faults ------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["list_metrics", "get_metric_data"])
@pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken", "Throttling"])
def test_a_refused_call_gives_no_history(call, code):
    answers = [listed("subnet-1"), ("get_metric_data", {"MetricDataResults": []})]
    answers = [(method, code if method == call else answer) for method, answer in answers]
    with pytest.raises(AwsError, match=code) as caught:
        history(client=stubbed("cloudwatch", *answers))
    if code == "AccessDenied":
        assert "cloudwatch:" in str(caught.value)


@pytest.mark.parametrize(
    "results", [[], [result(0, {0: 1.0}, "PartialData")], [result(0, {}, "Forbidden")]]
)
def test_an_answer_that_is_not_whole_is_refused(results):
    watch = stubbed(
        "cloudwatch", listed("subnet-1"), ("get_metric_data", {"MetricDataResults": results})
    )
    with pytest.raises(AwsError, match="no whole answer"):
        history(client=watch)


def test_values_of_another_kind_are_noticed():
    watch = stubbed(
        "cloudwatch",
        listed("subnet-1"),
        ("get_metric_data", {"MetricDataResults": [result(0, {0: 4000.0})]}),
    )
    with pytest.raises(InputError, match="kind='available'"):
        history(client=watch, source={"namespace": "W", "metric": "m", "kind": "available"})


@pytest.mark.parametrize("subnets", [None, [None], 5, ["subnet-1"]])
def test_what_is_no_subnet_is_named(subnets):
    with pytest.raises(UnsupportedInputError, match="subnets must be Subnet objects"):
        aws.load_usage_history(subnets)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"source": "mine"}, "ipam"),
        ({"source": {"namespace": "x", "metric": "y"}}, "kind"),
        ({"source": {"namespace": "x", "metric": "y", "kind": "free"}}, "available"),
        ({"source": {"namespace": "", "metric": "y", "kind": "used"}}, "namespace"),
        ({"source": {"namespace": "x", "metric": "y", "kind": "used", "colour": 1}}, "colour"),
        ({"period_s": 90}, "multiple of 60"),
        ({"period_s": "hour"}, "multiple of 60"),
        ({"missing": "zero"}, "missing"),
    ],
)
def test_a_wrong_argument_is_told_before_anything_is_asked(wrong, message):
    with pytest.raises(InputError, match=message):
        history(client=stubbed("cloudwatch"), **wrong)


def test_times_without_a_zone_and_subnets_without_a_size_are_refused():
    with pytest.raises(InputError, match="time zone"):
        aws.load_usage_history([ONE], start=dt.datetime(2026, 1, 1), client=stubbed("cloudwatch"))  # noqa: DTZ001
    with pytest.raises(InputError, match="comes before"):
        aws.load_usage_history([ONE], start=NOON, end=NOON - HOUR, client=stubbed("cloudwatch"))
    with pytest.raises(UnsupportedInputError, match="their size is needed"):
        aws.load_usage_history(["subnet-1"], client=stubbed("cloudwatch"))
    with pytest.raises(UnsupportedInputError, match="got int"):
        aws.load_usage_history(5, client=stubbed("cloudwatch"))
    for subnets in ([], [Subnet("10.0.0.0/24")], [ONE, ONE]):
        with pytest.raises(InputError):
            aws.load_usage_history(subnets, client=stubbed("cloudwatch"))


# -- saved answers -----------------------------------------------------------------


def saved(label="subnet-1", times=(0, 2), status="Complete", **more):
    return {
        "MetricDataResults": [
            {
                "Id": "m1",
                "Label": label,
                "Timestamps": [f"2026-10-03T{12 + hour}:00:00+00:00" for hour in times],
                "Values": [25.0 for _ in times],
                "StatusCode": status,
            }
        ],
        "Messages": [],
        **more,
    }


def test_a_series_that_goes_on_over_pages_is_whole_where_its_last_page_says_so():
    early, late = saved(times=(0,), status="PartialData"), saved(times=(2,))
    frame = aws.load_usage_history(ONE, files=[early, late])
    assert frame["used"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("label", ["subnet-1", "AWS/IPAM subnet-1 SubnetIPUsage", "anything"])
def test_saved_answers_give_the_same_history(label, tmp_path):
    path = tmp_path / "history.json"
    path.write_text(json.dumps(saved(label)))
    frame = aws.load_usage_history(ONE, files=path)
    assert frame["time"].tolist() == [NOON, NOON + HOUR, NOON + 2 * HOUR]
    assert frame["used"].isna().tolist() == [False, True, False]
    assert frame["used"][0] == 64


def test_saved_answers_of_several_subnets_are_told_apart_by_their_labels():
    frame = aws.load_usage_history([ONE, TWO], files=[saved(), saved("subnet-2", (1,))])
    assert frame["used"].notna().tolist() == [True, False, True, False, True, False]
    with pytest.raises(InputError, match="subnet-2"):
        aws.load_usage_history([ONE, TWO], files=saved())


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (saved(status="PartialData"), DocumentError),
        (saved(NextToken="x"), DocumentError),
        ({"Datapoints": []}, DocumentError),
        ({"MetricDataResults": [{"Label": "subnet-1", "Values": [1]}]}, DocumentError),
        ({"MetricDataResults": [{"Timestamps": ["soon"], "Values": [1]}]}, DocumentError),
        ({"MetricDataResults": []}, InputError),
    ],
)
def test_a_saved_answer_that_is_not_whole_is_refused(wrong, error):
    with pytest.raises(error):
        aws.load_usage_history(ONE, files=wrong)
