"""Whatever a user may hand to a fleet plan: read alike, or refused with the reason."""

import dataclasses
import inspect
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

import eks_win_capacity as ewc
from eks_win_capacity.addresses.warm_pool import WarmPool
from eks_win_capacity.catalog import Catalog
from eks_win_capacity.catalog.prices import COLUMNS, Prices, estimate_windows_prices
from eks_win_capacity.core.errors import (
    InputError,
    InvalidCountError,
    InvalidQuantityError,
    UnknownInstanceTypeError,
    UnsupportedInputError,
)
from eks_win_capacity.density.reserved import Reserved
from eks_win_capacity.planning import Workload, plan_fleet

CATALOG = Catalog.bundled()
ROWS = [
    {"name": "web", "replicas": 40, "cpu": "250m", "memory": "512Mi", "anti_affinity": False},
    {"name": "api", "replicas": 9, "cpu": "1", "memory": "2Gi", "anti_affinity": True},
]


def plan(workloads=ROWS, **options):
    return plan_fleet(workloads, **{"candidates": ["m5.large", "m5.xlarge"]} | options)


def quick(workloads=ROWS, **options):
    return plan(workloads, **{"compare": False} | options)


def test_the_signature_is_the_documented_one():
    known = inspect.signature(ewc.plan_fleet).parameters
    asked = (
        "candidates", "subnets", "prices", "objective", "prefix_delegation", "pool",
        "kubelet_max_pods", "reserved", "daemonsets", "surge", "max_types", "limits",
        "time_limit_s",
    )  # fmt: skip
    assert next(iter(known)) == "workloads"
    assert all(known[name].kind is inspect.Parameter.KEYWORD_ONLY for name in asked)
    assert {name: known[name].default for name in ("candidates", "subnets", "prices")} == {
        "candidates": None, "subnets": None, "prices": None,
    }  # fmt: skip


def test_workloads_of_every_kind_give_the_same_plan():
    frame = pd.DataFrame(ROWS)
    objects = [Workload(**row) for row in ROWS]
    arrow = pytest.importorskip("pyarrow", reason="PyArrow is not installed")
    numbers = [
        {"name": "web", "replicas": 40.0, "cpu": 0.25, "memory": 512 * 2**20},
        {"name": "api", "replicas": "9", "cpu": Decimal(1), "memory": 2 * 2**30,
         "anti_affinity": "yes"},
    ]  # fmt: skip
    spoken = [
        {"Name": "web", "Replicas": 40, "CPU": "250m", "Memory": "512Mi", "hostProcess": "no"},
        {"Workload": "api", "pods": 9, "cpu": "1", "mem": "2Gi", "Anti-Affinity": 1},
    ]
    kinds = [
        ROWS, tuple(ROWS), iter(ROWS), frame, frame.set_index("name"), frame.iloc[::-1],
        objects, pl.DataFrame(ROWS), arrow.Table.from_pylist(ROWS), numbers, spoken,
    ]  # fmt: skip
    first = quick()
    for kind in kinds:
        assert quick(kind) == first


def test_a_workload_means_the_same_as_its_row_and_can_be_changed():
    workload = Workload(name="web", replicas=4, cpu=2, memory="1Gi")
    row = {"name": "web", "replicas": 4, "cpu": 2, "memory": "1Gi"}
    assert quick([workload]) == quick([row])
    assert quick([dataclasses.replace(workload, replicas=8)]).pods == {"web": 8}


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        ([], InputError, "empty"),
        (pd.DataFrame(), InputError, "empty"),
        ("web", UnsupportedInputError, "DataFrame"),
        ({"name": "web"}, UnsupportedInputError, "DataFrame"),
        (7, UnsupportedInputError, "int"),
        ([7], UnsupportedInputError, "row 0 is a int"),
        ([{"name": "a", "replicas": 1, "cpuu": 1}], InputError, "did you mean 'cpu'"),
        ([{"name": "a", "replicas": 1, "team": "x"}], InputError, "no field 'team'; known"),
        ([{"name": "a"}], InputError, "lacks 'replicas'"),
        ([{"replicas": 1}], InputError, "row 0 of workloads lacks 'name'"),
        ([{"name": " ", "replicas": 1}], InputError, "lacks 'name'"),
        ([{"name": "a", "replicas": np.nan}], InputError, "lacks 'replicas'"),
        ([{"name": "a", "replicas": pd.NA}], InputError, "lacks 'replicas'"),
        ([{"name": "a", "replicas": 1}] * 2, InputError, "two workloads are named 'a'"),
        ([{"name": "a", "replicas": 1_000_001}], InvalidCountError, "1,000,000"),
        ([{"name": "a", "replicas": -1}], InvalidCountError, "workload 'a'"),
        ([{"name": "a", "replicas": "-1"}], InvalidCountError, "got -1"),
        ([{"name": "a", "replicas": 1.5}], InvalidCountError, "1.5"),
        ([{"name": "a", "replicas": True}], InvalidCountError, "True"),
        ([{"name": "a", "replicas": "many"}], InputError, "whole number"),
        ([{"name": "a", "replicas": [3]}], InputError, "whole number"),
        ([{"name": "a", "replicas": 1, "cpu": "-1"}], InvalidQuantityError, "cpu of workload 'a'"),
        ([{"name": "a", "replicas": 1, "cpu": float("inf")}], InvalidQuantityError, "cpu"),
        ([{"name": "a", "replicas": 1, "memory": "1GB"}], InvalidQuantityError, "use Mi or Gi"),
        ([{"name": "a", "replicas": 1, "host_process": "maybe"}], InputError, "true or false"),
        ([{"name": "a", "replicas": 1, "allowed_types": 7}], InputError, "allowed_types"),
        ([{"name": "a", "replicas": 1, "allowed_types": "zz.*"}], InputError, "pattern 'zz"),
        ([{"name": "a", "replicas": 1, "pods": 2}], InputError, "tells replicas twice"),
        (
            pd.DataFrame([["a", 1, 2]], columns=["name", "replicas", "replicas"]),
            InputError,
            "two columns named replicas",
        ),
    ],
)  # fmt: skip
def test_workloads_that_make_no_sense_are_refused_with_the_reason(rows, error, words):
    with pytest.raises(error, match=words):
        quick(rows)


def test_a_mistyped_instance_type_is_an_error_with_close_matches():
    with pytest.raises(UnknownInstanceTypeError) as raised:
        quick(candidates=["m5.larg"])
    assert "m5.large" in raised.value.close_matches
    for options in (
        {"limits": {"m5.larg": 1}},
        {"workloads": [{"name": "a", "replicas": 1, "allowed_types": ["m5.larg"]}]},
    ):
        with pytest.raises(UnknownInstanceTypeError, match="Did you mean"):
            quick(**options)


def test_no_replicas_need_no_node():
    answer = plan([{"name": "a", "replicas": 0, "cpu": 1}])
    assert (answer.feasible, answer.nodes, answer.cost, answer.gap) == (True, 0, 0.0, 0.0)
    assert "no node is needed" in answer.explain()
    beside_others = quick([*ROWS, {"name": "idle", "replicas": 0, "cpu": "99"}])
    assert beside_others.groups == quick().groups


def test_a_million_replicas_are_planned():
    planned = quick([{"name": "a", "replicas": 1_000_000, "cpu": "100m", "memory": "256Mi"}])
    assert planned.pods == {"a": 1_000_000}
    assert planned.gap <= 1e-3


def test_candidates_of_every_kind_are_read_alike():
    names = ["m5.large", "m5.xlarge"]
    table = CATALOG.filter(names=names)
    kinds = [
        names, tuple(names), set(names), (name for name in names), pd.Series(names),
        pd.Index(names), np.array(names), pd.DataFrame({"instance_type": names}),
        table, table.to_pandas(), [CATALOG[name] for name in names], [*names, *names],
    ]  # fmt: skip
    first = quick()
    for kind in kinds:
        assert quick(candidates=kind) == first
    assert quick(candidates="m5.large").types.keys() == {"m5.large"}
    assert quick(candidates=CATALOG["m5.large"]).types.keys() == {"m5.large"}
    pattern = quick(candidates=["m5.*large"])
    assert {one.instance_type for one in pattern.rejected} | pattern.types.keys() == set(
        CATALOG.filter(names="m5.*large")
    )


@pytest.mark.parametrize(
    ("candidates", "error"),
    [
        ([], InputError),
        (["zz.*"], InputError),
        (pd.DataFrame({"type": ["m5.large"]}), InputError),
        ({"m5.large": 1}, UnsupportedInputError),
        (7, UnsupportedInputError),
        ([7], UnknownInstanceTypeError),
    ],
)
def test_candidates_that_make_no_sense_are_refused(candidates, error):
    with pytest.raises(error):
        quick(candidates=candidates)


def test_all_current_windows_types_are_candidates_by_default():
    planned = quick(candidates=None, objective="nodes")
    rejected = {one.instance_type: one.code for one in planned.rejected}
    assert planned.types.keys() | rejected.keys() == set(CATALOG)
    assert rejected["m6g.large"] == "arm64"
    assert rejected["mac1.metal"] == "no-windows"
    assert rejected["m3.large"] == "previous-generation"
    for name in planned.types:
        row = CATALOG[name]
        assert row.current_generation
        assert row.windows.status != "unsupported"


def test_an_arm_type_that_is_named_is_rejected_and_no_error():
    answer = quick(candidates=["m5.large", "m6g.large"])
    assert answer.feasible
    assert [(one.instance_type, one.code) for one in answer.rejected] == [("m6g.large", "arm64")]
    alone = quick(candidates=["m6g.large"])
    assert (alone.feasible, alone.infeasible[0].code) == (False, "no-candidate")
    assert "arm64" in alone.explain()


def test_prices_of_every_kind_are_read_alike():
    known = {"m5.large": 0.188, "m5.xlarge": 0.376}
    frame = pd.DataFrame({"instance_type": known.keys(), "price": known.values()})
    first = quick(prices=known)
    assert first.cost_unit == "price units/h"
    for kind in (pd.Series(known), frame, frame.set_index("instance_type"),
                 {**known, "c5.large": None, "c5.xlarge": float("nan")}):  # fmt: skip
        assert quick(prices=kind).groups == first.groups
    assert first.cost == pytest.approx(
        sum(number * (known[name] + 0.0055) for name, number in first.types.items())
    )


def test_loaded_and_estimated_prices_are_taken_as_they_are_and_marked():
    linux = {"m5.large": 0.096, "m5.xlarge": 0.192}
    estimated = estimate_windows_prices(linux, region="us-east-1", as_of="2026-10-02")
    planned = quick(prices=estimated)
    assert planned.cost_unit == "USD/h"
    assert planned.estimated_prices == tuple(planned.types)
    assert "2 of 2 prices are estimates" in planned.price_basis
    assert "Estimated prices: " in planned.explain()
    assert quick(prices=estimated.table).estimated_prices == tuple(planned.types)
    rows = [
        ("m5.large", "on-demand", None, 0.188, "USD", "included", "2026-10-02", False),
        ("m5.large", "spot", "a", 0.1, "USD", "included", "2026-10-02", False),
        ("m5.large", "spot", "b", 0.09, "USD", "included", "2026-10-02", False),
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    both = Prices(table=frame, region="us-east-1", currency="USD", as_of="2026-10-02")
    loaded = quick(prices=both, candidates=["m5.large", "m5.xlarge"])
    assert loaded.cost == pytest.approx(loaded.nodes * (0.188 + 0.0055))
    assert "on-demand prices with Windows in us-east-1 of 2026-10-02" in loaded.price_basis
    assert not loaded.estimated_prices
    assert [(one.instance_type, one.code) for one in loaded.rejected] == [("m5.xlarge", "no-price")]
    spot = dataclasses.replace(both, table=frame[frame["market"] == "spot"])
    assert "lowest of all zones" in quick(prices=spot).price_basis


def test_without_prices_the_proxy_is_said_and_no_price_is_made_up():
    planned = plan()
    assert planned.cost_unit == "vCPU equivalents"
    assert "no prices were given" in planned.price_basis
    assert planned.price_basis in planned.explain()
    assert quick(objective="nodes").cost_unit == "vCPU equivalents"


@pytest.mark.parametrize(
    ("prices", "error"),
    [
        ({"m5.large": 0}, InputError),
        ({"m5.large": -1.0}, InputError),
        ({"m5.large": "dear"}, InputError),
        ({"m5.large": True}, InputError),
        ({"m5.large": float("inf")}, InputError),
        (pd.Series([1.0, 2.0], index=["m5.large", "m5.large"]), InputError),
        (pd.DataFrame({"type": ["m5.large"], "usd": [1.0]}), InputError),
        (0.1, UnsupportedInputError),
        ([0.1], UnsupportedInputError),
    ],
)
def test_prices_that_make_no_sense_are_refused(prices, error):
    with pytest.raises(error):
        quick(prices=prices)


def test_a_cost_per_node_decides_between_few_and_many():
    loads = [{"name": "a", "replicas": 64, "cpu": "250m", "memory": "512Mi"}]
    prices = {"m5.large": 0.1, "m5.4xlarge": 0.81}
    options = {"candidates": list(prices), "prices": prices, "prefix_delegation": True}
    assert quick(loads, **options, node_cost=0).types.keys() == {"m5.large"}
    assert quick(loads, **options, node_cost=0.5).types.keys() == {"m5.4xlarge"}
    for wrong in (-1, float("nan"), "much", True):
        with pytest.raises(InputError, match="node_cost"):
            quick(loads, **options, node_cost=wrong)


def test_reservations_take_room_from_every_node():
    loads = [{"name": "a", "replicas": 4, "cpu": "500m"}]
    assert quick(loads, candidates="m5.large").nodes == 1
    for reserved in (Reserved(cpu_m=100), {"cpu": "100m"}):
        assert quick(loads, candidates="m5.large", reserved=reserved).nodes == 2
    for wrong in ("100m", {"disk": "1Gi"}, 7):
        with pytest.raises(InputError, match="reserved"):
            quick(loads, reserved=wrong)


def test_daemons_take_cpu_memory_an_address_and_a_pod():
    fits_nine = [{"name": "a", "replicas": 9, "cpu": "10m"}]
    one = {"name": "log", "cpu": "10m", "memory": "10Mi"}
    assert quick(fits_nine, candidates="m5.large").nodes == 1
    assert quick(fits_nine, candidates="m5.large", daemonsets=[one]).nodes == 2
    host = one | {"host_process": True}
    assert quick(fits_nine, candidates="m5.large", daemonsets=[host]).nodes == 1
    assert quick(fits_nine, candidates="m5.large", daemonsets=[host], kubelet_max_pods=9).nodes == 2
    cpu = [{"name": "a", "replicas": 4, "cpu": "500m"}]
    assert quick(cpu, candidates="m5.large", daemonsets=pd.DataFrame([host])).nodes == 2
    memory = [{"name": "a", "replicas": 2, "memory": "2822Mi"}]
    assert quick(memory, candidates="m5.large").nodes == 1
    assert quick(memory, candidates="m5.large", daemonsets=[host]).nodes == 2
    # The subnet pays for the daemon's address as well.
    assert quick(fits_nine[:1], candidates="m5.large", daemonsets=[one]).addresses == 10 + 6


def test_host_process_pods_take_no_address_and_count_for_the_kubelet():
    loads = [
        {"name": "a", "replicas": 9, "cpu": "10m"},
        {"name": "h", "replicas": 20, "cpu": "10m", "host_process": True},
    ]
    assert quick(loads, candidates="m5.large").nodes == 1
    assert quick(loads, candidates="m5.large").addresses == 10
    assert quick(loads, candidates="m5.large", kubelet_max_pods=28).nodes == 2
    assert quick(loads, candidates="m5.large", kubelet_max_pods=None).nodes == 1


@pytest.mark.parametrize(
    ("surge", "pods"),
    [
        (0, 10),
        (3, 13),
        ("3", 13),
        (0.25, 13),
        ("25%", 13),
        ("100%", 20),
        (1.0, 20),
        ("0%", 10),
        ("7.5%", 11),
    ],
)
def test_surge_is_a_number_or_a_part_rounded_up(surge, pods):
    planned = quick([{"name": "a", "replicas": 10}, {"name": "none", "replicas": 0}], surge=surge)
    assert planned.pods == {"a": pods}


@pytest.mark.parametrize(
    "options",
    [
        {"surge": "-25%"}, {"surge": -1}, {"surge": "much"}, {"surge": "x%"}, {"surge": None},
        {"surge": float("nan")}, {"surge": -0.5}, {"surge": True},
        {"objective": "beauty"}, {"time_limit_s": 0}, {"time_limit_s": -1},
        {"time_limit_s": "1"}, {"time_limit_s": float("nan")}, {"max_types": 0},
        {"max_types": 1.5}, {"kubelet_max_pods": 0}, {"limits": {"m5.large": -1}},
        {"limits": {"m5.large": "x"}}, {"prefix_delegation": "yes"},
        {"prefix_delegation": False, "pool": WarmPool.prefix()},
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(InputError):
        quick(**options)


def test_options_of_the_wrong_kind_are_refused():
    with pytest.raises(UnsupportedInputError, match="WarmPool"):
        quick(pool={"warm-ip-target": "1"})
    with pytest.raises(UnsupportedInputError, match="limits"):
        quick(limits=[("m5.large", 1)])


def test_the_pool_tells_the_address_mode():
    assert quick(pool=WarmPool.prefix()).prefix_delegation
    assert not quick(pool=WarmPool.secondary()).prefix_delegation
    assert quick(prefix_delegation=True).prefixes > 0


def test_limits_count_nodes_of_a_type_or_of_all():
    free = quick(candidates=["m5.large", "m5.4xlarge"])
    few = quick(candidates=["m5.large", "m5.4xlarge"], limits={"nodes": 9})
    assert free.nodes > 9 >= few.nodes
    none = quick(limits=pd.Series({"m5.large": 1, "nodes": 2}))
    assert (none.feasible, none.infeasible[0].code) == (False, "limits")
    assert none.infeasible[0].short >= 1
    assert "m5.large 1, nodes 2" in none.explain()


def test_allowed_types_may_be_patterns_and_are_kept():
    loads = [
        {"name": "gpu", "replicas": 2, "cpu": 1, "allowed_types": "g4dn.*; g5.*"},
        {"name": "web", "replicas": 9, "cpu": "100m", "allowed_types": ["m5.large"]},
    ]
    planned = quick(loads, candidates=["m5.large", "g4dn.xlarge", "m5.xlarge"])
    assert planned.types == {"g4dn.xlarge": 1, "m5.large": 1}
    assert {one.instance_type: one.code for one in planned.rejected} == {"m5.xlarge": "not-allowed"}


def test_inputs_are_not_modified():
    frame = pd.DataFrame(ROWS)
    prices = pd.Series({"m5.large": 0.188, "m5.xlarge": 0.376})
    before = (frame.copy(), prices.copy())
    quick(frame, prices=prices)
    pd.testing.assert_frame_equal(frame, before[0])
    pd.testing.assert_series_equal(prices, before[1])


def test_priced_types_that_are_left_out_by_default_are_named():
    rows = [{"name": "web", "replicas": 3, "cpu": "100m"}]
    none = plan_fleet(rows, prices={"t3.large": 0.11, "m5.large": 0.19}, compare=False)
    assert none.infeasible[0].code == "no-candidate"
    assert "excluded by default: m5.large, t3.large" in none.infeasible[0].remedy
    named = plan_fleet(rows, prices={"t3.large": 0.11}, candidates=["m6i.large"], compare=False)
    assert named.infeasible[0].remedy == "Give other candidates, or prices for them"


def test_exclusions_may_stand_in_any_column():
    rows = [{"name": "web", "replicas": 3, "cpu": "100m"}]
    column = pd.Series(["t3.*", "m5.large", "!t3.*"])
    assert plan_fleet(rows, candidates=column, compare=False).types == {"m5.large": 1}


def test_a_price_of_a_type_that_does_not_exist_is_named_with_the_nearest():
    prices = {"m5.larg": 0.188, "m5.xlarge": 0.376}
    planned = quick(candidates=["m5.large", "m5.xlarge"], prices=prices)
    (rejected,) = planned.rejected
    assert (rejected.instance_type, rejected.code) == ("m5.large", "no-price")
    assert "is 'm5.larg' there a typing error?" in rejected.why
    assert "1 price is of a type that the catalog of" in planned.price_basis
    assert "'m5.larg' (did you mean 'm5.large'?)" in planned.price_basis
    sound = quick(candidates=["m5.xlarge"], prices={"m5.xlarge": 0.376, "m5.large": 1})
    assert "catalog" not in sound.price_basis
