"""Wrong arguments of every public function are errors of this library that name the argument."""

import contextlib
import inspect
from datetime import date

import pandas as pd
import pytest

import eks_win_capacity as ewc
from eks_win_capacity.core.errors import UnlikelyQuantityWarning

SUBNET = ewc.Subnet("10.0.0.0/24", used=["10.0.0.40"])
POOL = ewc.WarmPool.secondary()
STATE = ewc.demo.cluster()
WORK = ewc.Poisson(pods_per_minute=2, lifetime=600)
USE = ewc.demo.subnet_usage().query("subnet == 'windows-a'").head(200)
PODS = USE.assign(time=pd.to_datetime(USE["time"])).set_index("time")["used"]
NODE_EVENTS = pd.DataFrame({"node": ["n"], "seconds": [0], "kind": ["assign"], "pod": ["a"]})
PLAN = ewc.DemandPlan(instance_type="m5.large", subnets=ewc.Subnet("10.0.0.0/22"))

ASKED = {
    "attached_addresses": {"pods": 3, "slots": 9, "pool": POOL},
    "best_targets": {"workload": WORK, "nodes": 1, "slots": 9, "hours": 0.02},
    "check_cluster": {"state": STATE},
    "cluster_report": {"state": STATE},
    "drains_for_blocks": {"state": STATE},
    "effective_concurrency": {"slots": 9, "pool": POOL, "pod_lifetime": 60},
    "estimate_windows_prices": {"linux": {"m5.large": 0.1}},
    "explain_pending": {"state": STATE},
    "forecast_demand": {"pods_history": PODS, "plan": PLAN, "horizon": 3},
    "forecast_exhaustion": {"history": USE, "capacity": 1019, "horizon": 3, "paths": 100},
    "ip_capacity": {"ipv4_per_interface": 10},
    "karpenter_view": {"instance_types": "m5.large"},
    "max_pods": {"instance_type": "m5.large"},
    "migration": {"node": "m5.large", "pods_running": 3, "direction": "to-prefix"},
    "node_capacity": {"instance_type": "m5.large"},
    "nodes_that_fit": {
        "subnet": SUBNET,
        "instance_type": "m5.large",
        "pods_per_node": 5,
        "pool": POOL,
    },
    "plan_fleet": {
        "workloads": [{"name": "w", "replicas": 3, "cpu": "1", "memory": "1Gi"}],
        "candidates": ["m5.xlarge"],
        "compare": False,
    },
    "remedies": {"findings": ewc.check_cluster(STATE)},
    "report": {"states": ewc.ClusterState(name="shop")},
    "reservation_plan": {"subnet": SUBNET, "prefixes": 2},
    "simulate_churn": {"workload": WORK, "nodes": 2, "slots": 9, "pool": POOL, "hours": 0.02},
    "simulate_nodes": {"events": NODE_EVENTS, "slots": 9, "pool": POOL},
    "simulate_pool": {"events": [(0, "assign", "a")], "slots": 9, "pool": POOL},
    "smallest_subnet": {"nodes": 3, "instance_type": "m5.large", "pods_per_node": 5},
    "subnet_census": {"subnets": [SUBNET]},
    "to_excel": {"answer": ewc.Reserved(), "path": "/dev/full.xlsx"},
    "what_if": {},
    "Catalog": {"rows": [], "as_of": "2026-01-01", "source": "here"},
    "DemandPlan": {"instance_type": "m5.large", "subnets": SUBNET},
    "Reservation": {"cidr": "10.0.0.0/28", "type": "prefix"},
    "Reserved": {},
    "Subnet": {"cidr": "10.0.0.0/24"},
    "WarmPool": {"prefix_delegation": False, "warm_ip_target": 1, "minimum_ip_target": 1},
}
"""What each is asked where nothing is wrong; one argument at a time is replaced."""

ELSEWHERE = {
    "BestTargets", "Buying", "CapacityError", "CatalogDiff", "Churn", "ClusterState", "CronJob", "Empirical",
    "ExhaustionForecast", "Exponential", "Fixed", "Fleet", "FleetPlan", "InstanceType",
    "LogNormal", "NodeCapacity", "Poisson", "PoolState", "Prices", "RollingUpdate", "Workload",
    "load_files",
}  # fmt: skip
"""Answers, and settings that the function which is given them checks."""

NAMED_AS = {
    ("DemandPlan", "instance_type"): "no row for",
    ("DemandPlan", "zones"): "zones",
    ("Reservation", "cidr"): "reservation",
    ("Subnet", "cidr"): "CIDR",
    ("effective_concurrency", "pod_lifetime"): "lifetime",
    ("forecast_demand", "pods_history"): "history",
    ("what_if", "instance_type"): "no row for",
}
"""Where the message says it in other words."""

FREE = {
    ("best_targets", "prefix_delegation"),
    ("DemandPlan", "name"),
    ("reservation_plan", "catalog"),
    ("report", "capacity"),
    ("report", "horizon"),
    ("report", "prices"),
    ("report", "time_limit_s"),
    ("simulate_pool", "nitro"),
    ("Subnet", "subnet_id"),
    ("Subnet", "vpc_id"),
    ("Subnet", "zone"),
}
"""Read only together with another argument, or a label of any kind."""


class Odd:
    def __repr__(self):
        return "<odd>"


WRONG = (
    Odd(), "", "no such", -1, 1.5, float("nan"), None, [], [None], {}, True, b"x", 10**30,
    {"a": 1}, pd.DataFrame({"a": [1]}), (1, 2, 3), object,
)  # fmt: skip

CASES = [
    (name, parameter)
    for name, given in ASKED.items()
    for parameter, how in inspect.signature(getattr(ewc, name)).parameters.items()
    # Called by us, or handed on to a function that is in this list itself.
    if how.kind is not how.VAR_KEYWORD and parameter not in {"progress", "folder"}
]


def called(name, parameter, value):
    return getattr(ewc, name)(**{**ASKED[name], parameter: value})


def test_every_public_name_is_tried_or_is_an_answer():
    public = {name for name in ewc.__all__ if callable(getattr(ewc, name, None))}
    assert public == ASKED.keys() | ELSEWHERE


@pytest.mark.parametrize("name", ASKED)
def test_what_is_right_is_answered(name):
    getattr(ewc, name)(**ASKED[name])


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_a_wrong_argument_is_never_a_bare_error(name, parameter):
    for value in WRONG:
        with contextlib.suppress(ewc.CapacityError, UnlikelyQuantityWarning):
            called(name, parameter, value)


@pytest.mark.parametrize(
    ("name", "parameter"), [case for case in CASES if case not in FREE], ids=lambda text: text
)
def test_the_error_names_the_argument(name, parameter):
    word = NAMED_AS.get((name, parameter), parameter)
    with pytest.raises(ewc.CapacityError, match=word):
        called(name, parameter, Odd())


def test_a_date_is_a_date():
    assert ewc.check_cluster(STATE, now=date(2026, 1, 1))


SETTINGS = {
    ewc.Poisson: {"pods_per_minute": 2, "lifetime": 600, "hourly": [1.0] * 24},
    ewc.CronJob: {"pods": 2, "every_s": 60, "lifetime": 30, "first_s": 0},
    ewc.RollingUpdate: {
        "replicas": 2, "at_s": 0, "max_surge": 1, "max_unavailable": 0, "ready_s": 1,
    },
}  # fmt: skip
LIFETIMES = {
    ewc.Fixed: {"seconds": 3},
    ewc.Exponential: {"mean_s": 3},
    ewc.LogNormal: {"median_s": 3, "sigma": 1},
    ewc.Empirical: {"seconds": [3.0]},
}


@pytest.mark.parametrize(
    ("setting", "parameter"),
    [(one, name) for one, given in (SETTINGS | LIFETIMES).items() for name in given],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_wrong_setting_of_the_simulator_is_refused_by_name_where_it_is_used(setting, parameter):
    arguments = (SETTINGS | LIFETIMES)[setting] | {parameter: Odd()}

    def used():
        one = setting(**arguments)
        work = one if setting in SETTINGS else ewc.CronJob(pods=2, every_s=60, lifetime=one)
        ewc.simulate_churn(work, nodes=1, slots=9, pool=POOL, hours=0.1)

    with pytest.raises(ewc.CapacityError, match=parameter.removesuffix("_s").partition("_")[0]):
        used()


@pytest.mark.parametrize(
    "parameter", [name for name in inspect.signature(ewc.Workload).parameters if name != "name"]
)
def test_a_wrong_part_of_a_workload_is_refused_by_name_when_it_is_planned(parameter):
    fields = {"name": "web", "replicas": 3, "cpu": "1", parameter: Odd()}
    with pytest.raises(ewc.CapacityError, match=parameter):
        ewc.plan_fleet([ewc.Workload(**fields)], candidates=["m5.xlarge"], compare=False)


def methods(kind):
    """The methods of a class that are this library's."""
    return {
        f"{kind.__name__}.{name}": getattr(kind, name)
        for base in kind.__mro__
        if base.__module__.startswith("eks_win_capacity")
        for name, attribute in vars(base).items()
        if not name.startswith("_")
        and (inspect.isfunction(attribute) or isinstance(attribute, (classmethod, staticmethod)))
    }


def test_a_name_that_no_function_takes_is_refused_by_name():
    public = {name: getattr(ewc, name) for name in ewc.__all__}
    kinds = [value for value in public.values() if isinstance(value, type)]
    kinds = [kind for kind in kinds if not issubclass(kind, Exception)]
    functions = {name: value for name, value in public.items() if inspect.isfunction(value)}
    functions |= {kind.__name__: kind for kind in kinds}
    for kind in kinds:
        functions |= methods(kind)
    # Conversions take nothing that could be misspelt.
    functions = {name: value for name, value in functions.items() if ".to_pandas" not in name}
    for name, function in list(functions.items()):
        if any(
            one.kind is one.VAR_KEYWORD for one in inspect.signature(function).parameters.values()
        ):
            del functions[name]
    answers = {}
    for name, function in functions.items():
        try:
            function(no_such_name=1)
        except Exception as error:  # noqa: BLE001
            answers[name] = error
    strange = {name for name, error in answers.items() if not isinstance(error, ewc.CapacityError)}
    assert strange == set()
    assert len(answers) == len(functions) > 100
    assert all("no argument 'no_such_name'" in str(error) for error in answers.values())


def test_arguments_that_do_not_fit_are_errors_of_ours():
    with pytest.raises(ewc.CapacityError, match="missing 1 required positional argument"):
        ewc.max_pods()
    with pytest.raises(ewc.CapacityError, match="did you mean 'prefix_delegation'"):
        ewc.max_pods("m5.large", prefix_delegatoin=True)
    with pytest.raises(ewc.CapacityError, match=r"^WarmPool\(\) takes nothing by position; got 2"):
        ewc.WarmPool(True, 1)
    with pytest.raises(ewc.CapacityError, match=r"takes nothing by position; got 1: .* nodes"):
        ewc.smallest_subnet("m5.large", pods_per_node=9)
    with pytest.raises(
        ewc.CapacityError, match=r"only instance_type by position; got 2: .* of pref"
    ):
        ewc.max_pods("m5.large", True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"pods_per_node": 9}, r"needs pool: pool=WarmPool.secondary\(\)"),
        ({}, r"needs pods_per_node and pool: pool=WarmPool"),
        (
            {"pods_per_node": 9, "prefix_delegation": True},
            r"the pool says the mode: .*WarmPool.pre",
        ),
    ],
)
def test_whoever_names_a_mode_or_nothing_is_shown_the_pools(given, said):
    with pytest.raises(ewc.CapacityError, match=said):
        ewc.nodes_that_fit("10.0.0.0/24", "m5.large", **given)


def test_a_pool_that_may_be_left_out_is_not_asked_for():
    with pytest.raises(ewc.CapacityError, match="missing 1 required positional argument: 'workl"):
        ewc.plan_fleet()
