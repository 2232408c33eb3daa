"""The same growth under several plans."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity import (
    DemandPlan,
    Subnet,
    WarmPool,
    attached_addresses,
    forecast_demand,
    nodes_that_fit,
    simulate_pool,
)
from eks_win_capacity.core.errors import CapacityError, InputError, PlacementUnknownError

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
def test_more_pods_never_need_less(demand_plan):
    need = demand_plan.need(np.arange(400))
    for column in need:
        assert (np.diff(column) >= 0).all()


@settings(max_examples=25, deadline=None)
@given(plans, st.integers(0, 300))
def test_a_subnet_needs_what_its_nodes_attach(demand_plan, count):
    size = demand_plan.node_pods
    nodes = [size] * (count // size) + [count % size] * (count % size > 0)
    nodes += [0] * max(demand_plan.min_nodes - len(nodes), 0)
    expected = sum(
        1 + attached_addresses(n, slots=demand_plan.slots, pool=demand_plan.pool).addresses
        for n in nodes
    )
    need = demand_plan.need(count)
    assert int(need.addresses) == expected
    assert int(need.nodes) == len(nodes)


@settings(max_examples=20, deadline=None)
@given(plans)
def test_the_pod_limit_is_the_first_that_does_not_fit(demand_plan):
    limit, binding = demand_plan.pod_limit("a")
    addresses, blocks = demand_plan.capacity("a")
    over = demand_plan.need(limit)
    under = demand_plan.need(limit - 1)
    assert int(under.addresses) <= addresses
    if binding == "addresses":
        assert int(over.addresses) > addresses
    else:
        assert int(over.prefixes) + int(over.nodes) > blocks
        assert int(under.prefixes) + int(under.nodes) <= blocks
    most, _ = demand_plan.pod_limit("a", best=True)
    assert most >= limit
    if binding != "addresses":
        assert int(demand_plan.need(most - 1).prefixes) <= blocks


def test_known_limits_of_a_slash_24():
    # 25 m5.large of 9 pods take 250 of 251 addresses; the 226th pod needs another node.
    assert plan().pod_limit("a") == (226, "addresses")
    # 14 whole blocks; each node of 31 pods with one warm address takes two, and its own
    # address may break a third.
    assert plan(pool=PREFIX, pods_per_node=31).pod_limit("a") == (4 * 31 + 16, "prefixes")
    best = plan(pool=PREFIX, pods_per_node=31).pod_limit("a", best=True)
    assert best == (7 * 31 + 1, "prefixes")
    assert plan(nodes=3).pod_limit("a") == (28, "nodes")


def test_a_type_without_prefixes_stays_in_secondary_mode():
    old = plan(instance_type="m4.large", pool=PREFIX)
    assert not old.prefix_delegation
    assert (old.need(np.arange(50)).prefixes == 0).all()


def test_plans_are_compared_on_the_same_growth():
    forecast = forecast_demand(
        pods(),
        plan=[
            plan("secondary"),
            plan("prefixes", pool=PREFIX),
            plan("larger nodes", instance_type="m5.4xlarge"),
            plan("two subnets", subnets={"a": "10.0.0.0/24", "b": "10.0.1.0/24"}),
        ],
        horizon=365,
    )
    dates = forecast.date()
    assert dates["secondary"] == pd.Timestamp("2026-05-07")
    assert dates["secondary"] < dates["larger nodes"] < dates["two subnets"]
    assert len(forecast.to_pandas()) == 5
    assert set(forecast.path["plan"]) == set(dates.index)
    at = forecast.path.query("plan == 'secondary'").set_index("time")
    assert at.loc["2026-05-06", "addresses"] == 250
    assert at.loc["2026-05-07", "addresses"] > 251
    assert (forecast.probability() == 1).all()
    assert forecast.days_left()["secondary"] == 67
    assert "secondary: 2026-05-07" in repr(forecast)
    assert "<table" in forecast._repr_html_()
    assert forecast.plot().get_title(loc="left")


def test_a_release_known_in_advance_brings_the_date_forward():
    calm = forecast_demand(pods(), plan=plan(), horizon=365)
    busy = forecast_demand(pods(), plan=plan(), horizon=365, events=[("2026-03-20", 30)])
    assert busy.date()["plan"] == calm.date()["plan"] - pd.Timedelta(days=30)


def test_zones_carry_their_own_pods():
    history = pd.DataFrame({"az1": pods(slope=1), "az2": pods(slope=2)})
    forecast = forecast_demand(
        history,
        plan=plan(subnets={"a": "10.0.0.0/24", "b": "10.0.1.0/24"}, zones={"a": "az1", "b": "az2"}),
        horizon=365,
    )
    table = forecast.to_pandas().set_index("subnet")
    assert list(table["zone"]) == ["az1", "az2"]
    # The faster zone begins at 218 pods and ends at 226, four days on.
    assert table.loc["b", "days_left"] == 4
    assert forecast.days_left()["plan"] == 4


def test_one_more_subnet_never_brings_the_date_forward():
    small = plan("more", subnets={"a": "10.0.0.0/23", "b": "10.0.2.0/26"})
    dates = forecast_demand(
        pods(), plan=[plan("one", subnets={"a": "10.0.0.0/23"}), small], horizon=700
    ).date()
    most = plan(subnets={"a": "10.0.0.0/26"}).pod_limit("a")[0] - 1
    assert dates["more"] == dates["one"] + pd.Timedelta(days=most)


def test_uneven_shares():
    uneven = plan(subnets={"a": 251, "b": 251}, shares={"a": 0.75, "b": 0.25})
    table = forecast_demand(pods(), plan=uneven, horizon=365).to_pandas().set_index("subnet")
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


# -- by hand ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "count", "need"),
    [
        # m5.large: 9 slots. Ten full nodes hold 9 addresses each, and one of their own.
        ({}, 90, (10, 100, 0)),
        # The tenth node has 4 pods and 3 warm addresses: 7 and its own.
        ({}, 85, (10, 98, 0)),
        # 7 pods and 3 warm ones would be 10; there are 9 slots.
        ({}, 88, (10, 100, 0)),
        # An empty node keeps the minimum of 3.
        ({"min_nodes": 3}, 9, (3, 10 + 4 + 4, 0)),
        ({"pool": WarmPool.secondary(warm_ip_target=1, minimum_ip_target=0)}, 85, (10, 96, 0)),
        # 90 pods and one warm address take 6 blocks of 16.
        ({"pool": PREFIX}, 90, (1, 97, 6)),
        # 110 pods fill a node (7 blocks); 10 more take one block of the next.
        ({"pool": PREFIX}, 120, (2, 112 + 16 + 2, 8)),
        ({"pool": PREFIX, "kubelet_max_pods": 250}, 120, (1, 129, 8)),
        ({"pool": WarmPool.prefix(warm_prefix_target=2)}, 16, (1, 49, 3)),
        # Every pod in a block of its own: all nine slots.
        ({"pool": PREFIX, "fragmented": True}, 20, (1, 145, 9)),
        # 20 pods on 3 nodes: 7, 7 and 6; with 3 warm ones 9 (no more slots), 9 and 9.
        ({"nodes": 3}, 20, (3, 30, 0)),
        ({"nodes": 3}, 0, (3, 12, 0)),
    ],
)
def test_what_pods_cost_by_hand(options, count, need):
    assert tuple(int(x) for x in plan(**options).need(count)) == need


def test_a_node_takes_no_pods_that_its_targets_never_serve():
    # Without a warm target nothing is attached beyond the minimum.
    starved = plan(pool=WarmPool.secondary(warm_ip_target=0, minimum_ip_target=3))
    assert starved.node_pods == 3
    with pytest.raises(InputError, match="takes 3 pods"):
        plan(pool=starved.pool, pods_per_node=9)


def crowded(size, used, kind, broken, *, full):
    """Make a subnet with addresses in use here and there, and its outer blocks perhaps full."""
    last = 2 ** (32 - size) - 1
    outer = {*range(4, 16), *range(last - 15, last)} if full else set()
    inner = {4 + (7 * i) % 60 for i in range(used)}
    return Subnet(
        f"10.0.0.0/{size}",
        used=[f"10.0.0.{x}" for x in sorted(inner | broken | outer)],
        reservations=[("10.0.0.64/26", kind)] if kind else (),
    )


subnets = st.builds(
    crowded,
    st.just(24),
    st.integers(0, 40),
    st.sampled_from(["", "prefix", "explicit"]),
    st.sets(st.integers(16, 63), max_size=6),
    full=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(subnets, st.sampled_from(["m5.large", "m5.4xlarge", "t3.xlarge"]), st.booleans(), st.data())
def test_full_nodes_fit_as_often_as_nodes_that_fit_says(subnet, kind, prefixes, data):
    pool = PREFIX if prefixes else WarmPool.secondary()
    most = plan(instance_type=kind, pool=pool, subnets=subnet).node_pods
    size = data.draw(st.integers(1, most))
    demand_plan = plan(instance_type=kind, pool=pool, subnets=subnet, pods_per_node=size)
    (name,) = demand_plan.subnets
    fit = nodes_that_fit(subnet, kind, pods_per_node=size, pool=pool)
    assert (demand_plan.pod_limit(name)[0] - 1) // size == fit.nodes
    assert (demand_plan.pod_limit(name, best=True)[0] - 1) // size == fit.best


def test_nodes_break_blocks_where_nothing_else_is_left():
    packed = crowded(24, 0, "", set(), full=True)
    demand_plan = plan(subnets=packed, pool=PREFIX, pods_per_node=1)
    # 14 blocks: at best 13 for the prefixes of 13 nodes and one for their own addresses, at
    # worst one for each prefix and one for each node.
    assert demand_plan.pod_limit("10.0.0.0/24", best=True) == (14, "prefixes")
    assert demand_plan.pod_limit("10.0.0.0/24") == (8, "prefixes")
    fit = nodes_that_fit(packed, "m5.large", pods_per_node=1, pool=PREFIX)
    assert (fit.nodes, fit.best) == (7, 13)


def test_reservations_and_broken_blocks_count():
    reserved = Subnet("10.0.0.0/24", reservations=[("10.0.0.64/26", "explicit")])
    assert plan(subnets=reserved).capacity("10.0.0.0/24") == (187, 10)
    assert plan(subnets=reserved, pool=PREFIX).capacity("10.0.0.0/24") == (187, 10)
    kept = Subnet("10.0.0.0/24", reservations=[("10.0.0.64/26", "prefix")])
    assert plan(subnets=kept).capacity("10.0.0.0/24") == (187, 14)
    assert plan(subnets=kept, pool=PREFIX).capacity("10.0.0.0/24") == (251, 14)
    broken = Subnet("10.0.0.0/24", used=[f"10.0.0.{16 * x + 1}" for x in range(1, 15)])
    assert plan(subnets=broken, pool=PREFIX).pod_limit("10.0.0.0/24") == (1, "prefixes")
    assert plan(subnets=broken).pod_limit("10.0.0.0/24")[0] > 200


def test_only_prefix_mode_needs_to_know_where_used_addresses_are():
    counted = Subnet("10.0.0.0/24", used=51)
    assert plan(subnets=counted).pod_limit("10.0.0.0/24") == (181, "addresses")
    with pytest.raises(PlacementUnknownError):
        plan(subnets=counted, pool=PREFIX)


@settings(max_examples=25, deadline=None)
@given(plans, st.integers(27, 600), st.integers(0, 300))
def test_more_room_never_carries_less(demand_plan, small, more):
    def carried(size):
        return replace(demand_plan, subnets={"a": size}).pod_limit("a")[0]

    assert carried(small) <= carried(small + more)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(["m5.large", "t3.xlarge"]), st.integers(0, 300))
def test_fragments_never_need_less(kind, count):
    calm, worst = (
        plan(instance_type=kind, pool=PREFIX, fragmented=x).need(count) for x in (False, True)
    )
    assert worst.prefixes >= calm.prefixes
    assert worst.nodes == calm.nodes


# -- many ways to say it -----------------------------------------------------------------------


def test_a_plan_may_be_the_mapping_of_its_fields_and_name_itself():
    forecast = forecast_demand(
        pods(),
        plan=[
            {"instance_type": "m5.large", "subnets": "10.0.0.0/24"},
            {"instance_type": "m5.large", "subnets": ["10.0.0.0/24"], "pool": PREFIX},
        ],
        horizon=365,
    )
    assert list(forecast.date().index) == ["m5.large, secondary", "m5.large, prefixes"]
    assert forecast.date().iloc[0] == pd.Timestamp("2026-05-07")
    with pytest.raises(InputError, match="its fields are"):
        forecast_demand(pods(), plan={"type": "m5.large"})
    with pytest.raises(InputError, match="plan must be a DemandPlan"):
        forecast_demand(pods(), plan=[3])


def test_zones_are_those_of_the_subnets_where_the_history_has_them():
    nets = [
        Subnet("10.0.0.0/24", subnet_id="s1", zone="az1"),
        Subnet("10.0.1.0/24", subnet_id="s2", zone="az2"),
    ]
    wide = pd.DataFrame({"az1": pods(slope=1), "az2": pods(slope=2)})
    tidy = wide.rename_axis("time").reset_index().melt("time", var_name="zone", value_name="pods")
    for history in (wide, tidy, wide.rename_axis("time").reset_index()):
        table = forecast_demand(history, plan=plan(subnets=nets), horizon=365).to_pandas()
        assert list(table["zone"]) == ["az1", "az2"]
        assert list(table["nodes"]) == [18, 25]
        assert table["days_left"].iloc[1] == 4
    # One series is spread over all of them, and each still has its zone.
    table = forecast_demand(pods(), plan=plan(subnets=nets), horizon=365).to_pandas()
    assert list(table["zone"]) == ["az1", "az2"]
    assert list(table["nodes"]) == [9, 9]


def test_an_event_may_hit_one_zone():
    wide = pd.DataFrame({"az1": pods(slope=0), "az2": pods(slope=0)})
    zonal = plan(subnets={"a": 251, "b": 251}, zones={"a": "az1", "b": "az2"})
    for events in (
        [("2026-03-20", 200, "az2")],
        pd.DataFrame({"time": ["2026-03-20"], "change": [200], "zone": ["az2"]}),
    ):
        table = forecast_demand(wide, plan=zonal, horizon=60, events=events).to_pandas()
        assert list(table["status"]) == ["not within horizon", "within horizon"]
        assert table["date"].iloc[1] == pd.Timestamp("2026-03-20")
    with pytest.raises(InputError, match="not a zone of a plan"):
        forecast_demand(wide, plan=zonal, events=[("2026-03-20", 5, "az3")])


def test_several_series_without_zones_are_refused():
    wide = pd.DataFrame({"a": pods(), "b": pods()})
    with pytest.raises(InputError, match="2 series"):
        forecast_demand(wide, plan=plan())
    one = forecast_demand(wide[["a"]], plan=plan(), horizon=365)
    assert one.date()["plan"] == pd.Timestamp("2026-05-07")


def test_the_path_has_intervals_of_what_binds():
    rng = np.random.default_rng(4)
    noisy = pods(90) + rng.normal(0, 4, 90)
    forecast = forecast_demand(
        noisy, plan=[plan(), plan("blocks", pool=PREFIX, subnets={"a": "10.0.0.0/23"})], horizon=200
    )
    path = forecast.path
    order = path[["lower_95", "lower_80", "upper_80", "upper_95"]].to_numpy()
    assert (np.diff(order, axis=1) >= 0).all()
    assert (order <= path["capacity"].to_numpy()[:, None]).all()
    assert set(path.loc[path["plan"] == "blocks", "capacity"]) == {30}
    assert (path["pods"] >= 0).all()


def test_never_is_an_answer_of_a_plan_and_all_is_strict_json():
    forecast = forecast_demand(
        pods(), plan=[plan("small"), plan("large", subnets={"a": "10.0.0.0/20"})], horizon=100
    )
    answers = forecast.dates.groupby("plan", sort=False)["answer"].unique().map(list).to_dict()
    assert answers == {"small": ["date"], "large": ["never"]}
    document = json.loads(forecast.to_json(), parse_constant=pytest.fail)
    assert document == forecast.to_dict()
    assert document["plans"][1]["date"] is None
    assert "not within the horizon" in forecast._repr_html_()
    assert "large: not within the horizon" in repr(forecast)
    labels = [text.get_text() for text in forecast.plot().get_legend().get_texts()]
    assert labels == ["small: 2026-05-07", "large: not within the horizon", "capacity"]


@pytest.mark.parametrize(
    "options",
    [
        {"pool": "prefix"},
        {"subnets": 251},
        {"subnets": [251]},
        {"subnets": ["10.0.0.0/24", "10.0.0.0/24"]},
        {"subnets": {"a": "10.0.0.0/8"}},
        {"subnets": {"a": -1}},
        {"subnets": {"a": 1e9}},
        {"kubelet_max_pods": 0},
        {"nodes": 2.5},
        {"shares": {"a": 1.5}},
    ],
)
def test_more_plans_that_make_no_sense(options):
    with pytest.raises(CapacityError):
        plan(**options)


# -- beside the simulator ------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(
        [
            WarmPool.secondary(),
            WarmPool.secondary(warm_ip_target=1, minimum_ip_target=0),
            PREFIX,
            WarmPool.prefix(warm_prefix_target=1),
        ]
    ),
    st.integers(1, 14),
    st.data(),
)
def test_a_node_whose_pods_are_replaced_holds_what_the_simulator_says(pool, count, data):
    # One after the other a pod goes and another comes; nothing has cooled down by then.
    demand_plan = plan(instance_type="m5.xlarge", pool=pool)
    room = 14 * (16 if demand_plan.prefix_delegation else 1) - count
    cooling = data.draw(st.integers(0, min(count, room)))
    events = [(0, "tick"), *((100, "assign", f"old{i}") for i in range(count))]
    for i in range(cooling):
        events += [(200, "free", f"old{i}"), (200, "assign", f"new{i}")]
    last = simulate_pool(events, slots=14, pool=pool).iloc[-1]
    assert last["cooling"] == cooling
    need = replace(demand_plan, cooling=cooling, name="held").need(count)
    assert int(need.nodes) == 1
    if last["used"] < count:
        # The rule of warm addresses lets pods wait here; the plan counts what they need.
        assert demand_plan.prefix_delegation
        assert not pool.prefix_rule
        assert int(need.prefixes) > last["prefixes"]
        return
    assert int(need.prefixes) == last["prefixes"]
    assert int(need.addresses) == last["addresses"] + 1


def test_cooling_addresses_leave_fewer_for_pods():
    demand_plan = plan(cooling=4)
    assert demand_plan.node_pods == 5
    assert demand_plan.need(5).addresses == 10
    assert demand_plan.need(0).addresses == 0
    assert demand_plan.pod_limit("a")[0] - 1 == 25 * 5
    with pytest.raises(InputError, match="none is left"):
        plan(cooling=9)


def test_a_mapping_may_name_the_mode_alone():
    pods = pd.Series(range(100, 160), index=pd.date_range("2026-01-01", periods=60))
    fields = {"instance_type": "m5.large", "subnets": {"a": "10.0.0.0/24"}}
    short = [{**fields, "prefix_delegation": mode} for mode in (False, True)]
    plans = [DemandPlan(**fields, pool=pool) for pool in (WarmPool.secondary(), WarmPool.prefix())]
    dates = forecast_demand(pods, plan=short, horizon=365).date()
    pd.testing.assert_series_equal(dates, forecast_demand(pods, plan=plans, horizon=365).date())
    with pytest.raises(InputError, match="two modes"):
        forecast_demand(pods, plan={**short[1], "pool": WarmPool.secondary()}, horizon=30)
    with pytest.raises(InputError, match="pool must be a WarmPool"):
        forecast_demand(pods, plan={**short[1], "pool": "prefix"}, horizon=30)
    with pytest.raises(InputError, match="needs an instance_type"):
        forecast_demand(pods, plan={"name": "x"}, horizon=30)
