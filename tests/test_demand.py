"""The same growth under several plans."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity import DemandPlan, WarmPool, attached_addresses, forecast_demand
from eks_win_capacity.errors import CapacityError, InputError

PREFIX = WarmPool.prefix()
NET = {"a": "10.0.0.0/24"}


def pods(count=60, start=100, slope=1.0):
    return pd.Series(
        start + slope * np.arange(count), index=pd.date_range("2026-01-01", periods=count)
    )


def plan(name="plan", **options):
    return DemandPlan(**({"name": name, "instance_type": "m5.large", "subnets": NET} | options))


plans = st.builds(
    plan,
    instance_type=st.sampled_from(["m5.large", "m5.4xlarge", "t3.xlarge", "c5.metal"]),
    pool=st.sampled_from([WarmPool.secondary(), PREFIX]),
    min_nodes=st.integers(0, 4),
)
fixed = st.builds(
    plan, pool=st.sampled_from([WarmPool.secondary(), PREFIX]), nodes=st.integers(1, 9)
)


@settings(max_examples=25, deadline=None)
@given(st.one_of(plans, fixed))
def test_more_pods_never_need_less(made):
    need = made.need(np.arange(400))
    for column in need:
        assert (np.diff(column) >= 0).all()


@settings(max_examples=25, deadline=None)
@given(plans, st.integers(0, 300))
def test_a_subnet_needs_what_its_nodes_attach(made, count):
    size = made.node_pods
    nodes = [size] * (count // size) + [count % size] * (count % size > 0)
    nodes += [0] * max(made.min_nodes - len(nodes), 0)
    expected = sum(
        1 + attached_addresses(n, slots=made.slots, pool=made.pool).addresses for n in nodes
    )
    need = made.need(count)
    assert int(need.addresses) == expected
    assert int(need.nodes) == len(nodes)


@settings(max_examples=20, deadline=None)
@given(plans)
def test_the_pod_limit_is_the_first_that_does_not_fit(made):
    limit, binding = made.pod_limit("a")
    addresses, blocks = made.capacity("a")
    over = made.need(limit)
    under = made.need(limit - 1)
    assert int(under.addresses) <= addresses
    if binding == "addresses":
        assert int(over.addresses) > addresses
    else:
        assert int(over.prefixes) + max(int(over.nodes) - 26 + 15, 0) // 16 > blocks


def test_known_limits_of_a_slash_24():
    # 25 m5.large of 9 pods take 250 of 251 addresses; the 226th pod needs another node.
    assert plan().pod_limit("a") == (226, "addresses")
    # 14 whole blocks; each node of 31 pods with one warm address takes two.
    assert plan(pool=PREFIX, pods_per_node=31).pod_limit("a") == (7 * 31 + 1, "prefixes")
    assert plan(nodes=3).pod_limit("a") == (28, "nodes")


def test_a_type_without_prefixes_stays_in_secondary_mode():
    old = plan(instance_type="m4.large", pool=PREFIX)
    assert not old.prefix_delegation
    assert (old.need(np.arange(50)).prefixes == 0).all()


def test_plans_are_compared_on_the_same_growth():
    made = forecast_demand(
        pods(),
        plan=[
            plan("secondary"),
            plan("prefixes", pool=PREFIX),
            plan("larger nodes", instance_type="m5.4xlarge"),
            plan("two subnets", subnets={"a": "10.0.0.0/24", "b": "10.0.1.0/24"}),
        ],
        horizon=365,
    )
    dates = made.date()
    assert dates["secondary"] == pd.Timestamp("2026-05-07")
    assert dates["secondary"] < dates["larger nodes"] < dates["two subnets"]
    assert len(made.to_pandas()) == 5
    assert set(made.path["plan"]) == set(dates.index)
    at = made.path.query("plan == 'secondary'").set_index("time")
    assert at.loc["2026-05-06", "addresses"] == 250
    assert at.loc["2026-05-07", "addresses"] > 251
    assert (made.probability() == 1).all()
    assert made.days_left()["secondary"] == 67
    assert "secondary: 2026-05-07" in repr(made)
    assert "<table" in made._repr_html_()
    assert made.plot().get_title(loc="left")


def test_a_release_known_in_advance_brings_the_date_forward():
    calm = forecast_demand(pods(), plan=plan(), horizon=365)
    busy = forecast_demand(pods(), plan=plan(), horizon=365, events=[("2026-03-20", 30)])
    assert busy.date()["plan"] == calm.date()["plan"] - pd.Timedelta(days=30)


def test_zones_carry_their_own_pods():
    history = pd.DataFrame({"az1": pods(slope=1), "az2": pods(slope=2)})
    made = forecast_demand(
        history,
        plan=plan(subnets={"a": "10.0.0.0/24", "b": "10.0.1.0/24"}, zones={"a": "az1", "b": "az2"}),
        horizon=365,
    )
    table = made.to_pandas().set_index("subnet")
    assert list(table["zone"]) == ["az1", "az2"]
    # The faster zone begins at 218 pods and ends at 226, four days on.
    assert table.loc["b", "days_left"] == 4
    assert made.days_left()["plan"] == 4


def test_one_more_subnet_never_brings_the_date_forward():
    small = plan("more", subnets={"a": "10.0.0.0/23", "b": "10.0.2.0/26"})
    dates = forecast_demand(
        pods(), plan=[plan("one", subnets={"a": "10.0.0.0/23"}), small], horizon=700
    ).date()
    most = plan(subnets={"a": "10.0.0.0/26"}).pod_limit("a")[0] - 1
    assert dates["more"] == dates["one"] + pd.Timedelta(days=most)


def test_uneven_shares():
    made = plan(subnets={"a": 251, "b": 251}, shares={"a": 0.75, "b": 0.25})
    table = forecast_demand(pods(), plan=made, horizon=365).to_pandas().set_index("subnet")
    assert table.loc["a", "pods_limit"] == 225 / 0.75 + 1
    assert pd.isna(table.loc["b", "date"])


@pytest.mark.parametrize(
    "options",
    [
        {"subnets": {}},
        {"instance_type": "m5.larg"},
        {"pods_per_node": 200},
        {"pods_per_node": 0},
        {"nodes": 0},
        {"min_nodes": -1},
        {"shares": {"a": 0.5}},
        {"shares": {"z": 1.0}},
        {"zones": {}},
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(options):
    with pytest.raises(CapacityError):
        plan(**options)


def test_two_plans_need_two_names_and_zones_a_history():
    with pytest.raises(InputError, match="one name each"):
        forecast_demand(pods(), plan=[plan(), plan()])
    with pytest.raises(InputError, match="zone"):
        forecast_demand(pods(), plan=plan(zones={"a": "az1"}))
    with pytest.raises(InputError, match="follows from the plan"):
        forecast_demand(pods(), plan=plan(), capacity=5)
