"""Frames answer by their columns, as the functions of the same name do."""

import subprocess
import sys

import pandas as pd
import polars as pl
import pytest

import eks_win_capacity as ewc
from eks_win_capacity import accessor
from eks_win_capacity.core.errors import InputError, UnknownInstanceTypeError, UnsupportedInputError

accessor.register_polars()

TABLE = {
    "type": ["m5.large", "c5.xlarge", "r5.2xlarge"],
    "prefixes": [True, False, True],
    "limit": [110, 8, 50],
    "cpu": ["250m", "500m", "1"],
    "pods": [3, 9, 40],
    "slots": [9, 14, 14],
}
INDEX = ["x", "y", "z"]
POOL = ewc.WarmPool.secondary(warm_ip_target=2, minimum_ip_target=3)
BOTH = pytest.mark.parametrize(
    "frame", [pd.DataFrame(TABLE, index=INDEX), pl.DataFrame(TABLE)], ids=["pandas", "polars"]
)


def plain(answer):
    return answer.to_dicts() if isinstance(answer, pl.DataFrame) else answer.to_dict("records")


@BOTH
def test_pods_per_node_are_those_of_the_function(frame):
    answer = frame.ewc.max_pods("type", prefix_delegation="prefixes", kubelet_max_pods="limit")
    expected = ewc.max_pods(
        TABLE["type"], prefix_delegation=TABLE["prefixes"], kubelet_max_pods=TABLE["limit"]
    )
    assert list(answer) == list(expected)
    assert answer.name == "max_pods"
    assert type(answer) is type(frame["type"])


@BOTH
def test_the_answer_about_a_node_is_a_frame_of_the_same_kind(frame):
    answer = frame.ewc.node_capacity("type", pod_cpu="cpu", prefix_delegation="prefixes")
    expected = ewc.node_capacity(
        TABLE["type"], pod_cpu=TABLE["cpu"], prefix_delegation=TABLE["prefixes"]
    )
    assert type(answer) is type(frame)
    assert list(answer["pods"]) == expected["pods"].tolist()
    assert list(answer["binding"]) == expected["binding"].tolist()


@BOTH
def test_a_quantity_is_a_quantity_unless_a_column_has_its_name(frame):
    answer = frame.ewc.node_capacity("type", pod_cpu="1500m", pod_memory="1Gi")
    expected = ewc.node_capacity(TABLE["type"], pod_cpu="1500m", pod_memory="1Gi")
    assert list(answer["pods"]) == expected["pods"].tolist()


@BOTH
def test_attached_addresses_are_those_of_the_function(frame):
    rows = {**TABLE, "pods": [3, 9, 10]}
    frame = type(frame)(rows)
    answer = frame.ewc.attached_addresses("pods", slots="slots", pool=POOL)
    expected = ewc.attached_addresses(rows["pods"], slots=rows["slots"], pool=POOL)
    assert [row["addresses"] for row in plain(answer)] == list(expected.addresses)
    assert [row["warm"] for row in plain(answer)] == list(expected.warm)


def test_pandas_answers_keep_the_index():
    frame = pd.DataFrame(TABLE, index=INDEX)
    assert list(frame.ewc.max_pods("type").index) == INDEX
    assert list(frame.ewc.node_capacity("type").index) == INDEX
    answer = frame.assign(pods=3).ewc.attached_addresses(slots=9, pool=POOL)
    assert list(answer.index) == INDEX


@pytest.mark.parametrize("convert", [pd.DataFrame, pl.from_pandas], ids=["pandas", "polars"])
def test_a_history_is_forecast_as_by_the_function(convert):
    usage = ewc.demo.subnet_usage()
    answer = convert(usage).ewc.forecast_exhaustion(capacity=1019, horizon=30)
    expected = ewc.forecast_exhaustion(usage, capacity=1019, horizon=30)
    pd.testing.assert_frame_equal(answer.to_pandas(), expected.to_pandas())


@pytest.mark.parametrize("convert", [pd.DataFrame, pl.from_pandas], ids=["pandas", "polars"])
def test_workloads_are_planned_as_by_the_function(convert):
    plan = convert(ewc.demo.workloads()).ewc.plan_fleet(candidates=["m5.large"])
    assert plan == ewc.plan_fleet(ewc.demo.workloads(), candidates=["m5.large"])


@BOTH
@pytest.mark.parametrize(
    "ask",
    [
        lambda ewc_: ewc_.max_pods("tpye"),
        lambda ewc_: ewc_.node_capacity("type", pod_cpu="cpuu"),
        lambda ewc_: ewc_.max_pods("type", prefix_delegation="prefix"),
        lambda ewc_: ewc_.attached_addresses("pod", slots=9, pool=POOL),
        lambda ewc_: ewc_.forecast_exhaustion(capacity="slot"),
        lambda ewc_: ewc_.forecast_exhaustion(used="pod"),
    ],
)
def test_an_unknown_column_is_an_error_of_ours_with_close_matches(frame, ask):
    with pytest.raises(InputError, match=r"^the frame has no column '.*'; it has '.*Did you mean"):
        ask(frame.ewc)


@BOTH
def test_a_column_is_named_by_a_string(frame):
    with pytest.raises(UnsupportedInputError, match="given by its name"):
        frame.ewc.max_pods(TABLE["type"])


@BOTH
def test_an_unknown_type_is_the_error_of_the_function(frame):
    with pytest.raises(UnknownInstanceTypeError, match=r"m5\.larg"):
        type(frame)({"type": ["m5.larg"]}).ewc.max_pods("type")


def test_registering_twice_changes_nothing():
    accessor.register_polars()
    accessor.register_polars()


@pytest.mark.parametrize(
    "order", ["import polars\nimport {a}", "import {a}\n{a}.register_polars()"]
)
def test_polars_is_registered_when_it_is_there_or_when_asked(order):
    code = order.format(a="eks_win_capacity.accessor") + (
        "\nimport polars\nprint(polars.DataFrame({'t': ['m5.large']}).ewc.max_pods('t').to_list())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[9]"


def test_the_accessor_alone_does_not_load_polars():
    code = "import sys, eks_win_capacity.accessor; print('polars' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"


def test_without_polars_registering_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ewc.CapacityError, match="pip install polars"):
        accessor.register_polars()


def test_the_accessor_says_what_can_be_asked():
    shown = repr(pd.DataFrame({"type": ["m5.large"]}).ewc)
    assert shown.startswith("<df.ewc of 1 row: ")
    assert "max_pods, " in shown
    assert "plan_fleet>" in shown


def test_a_frame_without_columns_is_said_to_have_none():
    with pytest.raises(InputError, match="no column 'instance_type'; it has none"):
        pd.DataFrame().ewc.max_pods()
