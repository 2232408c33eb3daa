"""Errors and results as values: they pickle, copy and compare, also out of other processes."""

import copy
import inspect
import multiprocessing
import pickle

import numpy as np
import pandas as pd
import pytest

import eks_win_capacity as ewc
from eks_win_capacity.addresses import reservation_plan, smallest_subnet, subnet_census
from eks_win_capacity.addresses.warm_pool import attached_addresses
from eks_win_capacity.catalog import CatalogDiff
from eks_win_capacity.catalog._instance_type import FieldError
from eks_win_capacity.core import errors
from eks_win_capacity.core.findings import Finding
from eks_win_capacity.core.values import same_values

WAYS = {
    **{
        f"pickle {n}": lambda value, n=n: pickle.loads(pickle.dumps(value, protocol=n))
        for n in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
FACTS = {
    "findings": (Finding(code="a", severity="info", seen="s", why="w", remedy="r", source="x"),),
    "positions": (1, 2),
    "count": 2,
    "subnets": ("subnet-a",),
    "needed": 10,
    "names": ("m5.larg",),
    "close_matches": ("m5.large",),
    "conflicts": ("one", "two"),
    "used": 7,
    "field": "name",
    "value": 5,
}
"""A value of each fact that is not a string."""


def leaves(kind=errors.CapacityError):
    yield kind
    for below in kind.__subclasses__():
        yield from leaves(below)


def sample(kind):
    initialise = vars(kind).get("__init__", lambda: None)
    keywords = inspect.getfullargspec(initialise).kwonlyargs
    if kind is FieldError:
        return kind("name", "a name", 5)
    return kind(
        "what, where, the cure", **{name: FACTS.get(name, f"<{name}>") for name in keywords}
    )


KINDS = sorted({*leaves(), errors.UnlikelyQuantityWarning}, key=lambda kind: kind.__name__)


def test_every_error_of_the_tree_is_tried():
    assert {kind.__name__ for kind in KINDS} >= set(errors.__all__)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_errors_keep_message_facts_and_notes(kind, way):
    error = sample(kind)
    error.add_note("a note")
    again = WAYS[way](error)
    assert type(again) is kind
    assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))
    assert getattr(again, "msg", None) == getattr(error, "msg", None)


def test_an_error_comes_back_from_another_process():
    with (
        multiprocessing.get_context("spawn").Pool(1) as pool,
        pytest.raises(errors.UnknownInstanceTypeError, match=r"m5\.larg") as caught,
    ):
        pool.map_async(ewc.max_pods, ["m5.larg"]).get(timeout=60)
    assert caught.value.close_matches[0] == "m5.large"


def forecast():
    days = pd.date_range("2026-01-01", periods=40)
    used = pd.Series(np.arange(100.0, 140.0), index=days, name="subnet-a")
    return ewc.forecast_exhaustion(used, capacity=200, horizon=30, workers=1)


def demand():
    days = pd.date_range("2026-01-01", periods=40)
    pods = pd.Series(np.arange(40.0, 80.0), index=days, name="pods")
    plan = ewc.DemandPlan(
        name="now",
        instance_type="m5.large",
        subnets={"a": "10.0.0.0/24", "b": ewc.Subnet("10.0.1.0/24")},
    )
    return ewc.forecast_demand(pods, plan=plan, horizon=30)


def demand_plan():
    return ewc.DemandPlan(
        name="now", instance_type="m5.large", subnets={"a": np.float64(251.0), "b": 100.0}
    )


def churn():
    return ewc.simulate_churn(
        [
            ewc.Poisson(pods_per_minute=2, lifetime=ewc.Empirical(np.array([30.0, 60.0]))),
            ewc.CronJob(pods=2, every_s=300, lifetime=30),
        ],
        nodes=2,
        slots=9,
        pool=ewc.WarmPool.secondary(),
        hours=0.2,
        engine="reference",
    )


def best():
    return ewc.best_targets(
        ewc.Poisson(pods_per_minute=2, lifetime=60),
        nodes=1,
        slots=3,
        wait_s=0,
        hours=0.1,
        engine="reference",
    )


def catalog_diff():
    whole = ewc.Catalog.bundled()
    part = ewc.Catalog([whole["m5.large"]], as_of=whole.as_of, source="part")
    return whole.diff(part)


SUBNET = ("10.0.0.0/24",)
RESULTS = {
    "Catalog": ewc.Catalog.bundled,
    "CatalogDiff": catalog_diff,
    "CatalogDiff, changed": lambda: CatalogDiff(
        added=("a",), removed=(), changed={}, not_compared=(), before="x", after="y"
    ),
    "InstanceType": lambda: ewc.Catalog.bundled()["m5.large"],
    "NodeCapacity": lambda: ewc.node_capacity("m5.large", pod_memory="1Gi"),
    "Reserved": lambda: ewc.Reserved(cpu_m=5),
    "Prices": lambda: ewc.estimate_windows_prices({"m5.large": 0.096}, as_of="2026-10-02"),
    "WarmPool": ewc.WarmPool.prefix,
    "PoolState": lambda: attached_addresses([1, 5], slots=9, pool=ewc.WarmPool.secondary()),
    "PoolState of Series": lambda: attached_addresses(
        pd.Series([1, 5]), slots=9, pool=ewc.WarmPool.secondary()
    ),
    "Subnet": lambda: ewc.Subnet("10.0.0.0/24", used=["10.0.0.9"]),
    "Census": lambda: ewc.Subnet("10.0.0.0/24", used=["10.0.0.9"]).census,
    "subnet_census": lambda: subnet_census(ewc.Subnet("10.0.0.0/24")),
    "NodesThatFit": lambda: ewc.nodes_that_fit(
        ewc.Subnet("10.0.0.0/24"), "m5.large", pods_per_node=4, pool=ewc.WarmPool.secondary()
    ),
    "SmallestSubnet": lambda: smallest_subnet(instance_type="m5.large", pods_per_node=8, nodes=5),
    "ReservationPlan": lambda: reservation_plan(ewc.Subnet("10.0.0.0/24"), prefixes=2),
    "Migration": lambda: ewc.migration("m5.large", 3, "to-prefix"),
    "ExhaustionForecast": forecast,
    "DemandForecast": demand,
    "DemandPlan": demand_plan,
    "Churn": churn,
    "BestTargets": best,
    "Empirical": lambda: ewc.Empirical(np.array([1.0, 2.0])),
    "Poisson": lambda: ewc.Poisson(pods_per_minute=1, lifetime=5, hourly=np.ones(24)),
    "FleetPlan": lambda: ewc.plan_fleet(
        [ewc.Workload(name="web", replicas=3, cpu="500m", memory="1Gi")],
        candidates=["m5.large", "m5.xlarge"],
        compare=False,
    ),
    "ClusterState": lambda: ewc.ClusterState(name="prod", version="1.31"),
    "Check": lambda: ewc.check_cluster(ewc.ClusterState(name="prod")),
    "ClusterReport": lambda: ewc.cluster_report(ewc.ClusterState(name="prod", nodes=())),
}


@pytest.fixture(scope="module", params=RESULTS)
def result(request):
    return RESULTS[request.param]()


@pytest.mark.parametrize("way", WAYS)
def test_results_survive_and_stay_equal(result, way):
    again = WAYS[way](result)
    assert type(again) is type(result)
    if not hasattr(result, "equals"):
        assert again == result
        assert not (again != result)  # noqa: SIM202
        assert result != "something else"
    else:
        assert again.equals(result)


def test_a_fleet_survives():
    fleet = ewc.Fleet.encode(pd.Series(["m5.large", "t3.xlarge"], index=[3, 4]))
    again = pickle.loads(pickle.dumps(fleet))
    assert again.max_pods().equals(fleet.max_pods())


def test_results_that_differ_in_one_cell_differ():
    first, second = (ewc.Empirical(np.array([1.0, last])) for last in (2.0, 3.0))
    assert first != second
    one = attached_addresses(pd.Series([1, 5]), slots=9, pool=ewc.WarmPool.secondary())
    other = attached_addresses(pd.Series([1, 6]), slots=9, pool=ewc.WarmPool.secondary())
    assert one != other
    assert one != attached_addresses([1, 5], slots=9, pool=ewc.WarmPool.secondary())


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), True),
        (np.array(["a"]), np.array(["a"]), True),
        (np.array([1, 2]), np.array([[1, 2]]), False),
        (np.array([1]), 1, False),
        ({"a": np.array([1])}, {"a": np.array([1])}, True),
        ({"a": np.array([1])}, {"b": np.array([1])}, False),
        ([np.array([1])], [np.array([1])], True),
        ([np.array([1])], [np.array([1]), 2], False),
        ((np.array([1]),), [np.array([1])], False),
        (pd.Series([1]), 1, False),
    ],
)
def test_values_are_compared_by_what_they_hold(first, second, same):
    left, right = ewc.Empirical(first), ewc.Empirical(second)
    assert same_values(left, left)
    assert (left == right) is same
