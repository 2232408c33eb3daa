"""What workloads and buyers may wish for beside CPU, memory and addresses."""

import collections
import functools
import re

import pytest

from eks_win_capacity.core.errors import InputError
from eks_win_capacity.planning import plan_fleet
from eks_win_capacity.planning.question import gpus_of

ZONES = ["a", "b", "c"]


def load(name="web", replicas=9, cpu="500m", memory="1Gi", **more):
    return {"name": name, "replicas": replicas, "cpu": cpu, "memory": memory, **more}


def plan(*loads, **options):
    options = {"candidates": ["m5.*large", "c5.*large"], "compare": False} | options
    return plan_fleet(list(loads), **options)


def by_zone(fleet_plan, name):
    counted = collections.Counter()
    for group in fleet_plan.groups:
        counted[group.zone] += group.nodes * group.pods.get(name, 0)
    return counted


@pytest.mark.parametrize("skew", [1, 2, 5])
def test_zones_differ_by_no_more_than_the_skew(skew):
    planned = plan(load(replicas=11, zone_spread=True, max_skew=skew), load("job", 7), zones=ZONES)
    counts = [by_zone(planned, "web")[zone] for zone in ZONES]
    assert sum(counts) == 11
    assert max(counts) - min(counts) <= skew


def test_more_skew_never_costs_more():
    loads = [load(replicas=4, cpu="3", zone_spread=True), load("job", 5, cpu="1")]
    costs = [plan(loads[0] | {"max_skew": skew}, loads[1], zones=ZONES).cost for skew in (1, 2, 4)]
    assert costs == sorted(costs, reverse=True)


def test_a_node_runs_no_more_pods_of_a_workload_than_allowed():
    planned = plan(load(replicas=12, max_per_node=2), load("job", 6, cpu="1"))
    assert max(group.pods.get("web", 0) for group in planned.groups) <= 2
    one = plan(load(replicas=3, max_per_node=1))
    assert one.cost == plan(load(replicas=3, anti_affinity=True)).cost


def test_gpus_are_a_dimension_of_their_own():
    planned = plan(load("ml", 5, gpu=1), load("web", 3), candidates=["g4dn.*", "m5.*"])
    for group in planned.groups:
        assert group.extended_used["nvidia.com/gpu"] == group.pods.get("ml", 0)
        assert group.extended_used["nvidia.com/gpu"] <= gpus_of(group.instance_type)
    assert not plan(load("ml", 5, gpu=1)).feasible
    assert "nvidia.com/gpu" in plan(load("ml", 5, gpu=1)).infeasible[0].why


def test_types_with_gpus_come_in_by_default_where_a_workload_asks():
    planned = plan_fleet([load("ml", 2, gpu=1)], compare=False)
    assert all(gpus_of(name) for name in planned.types)
    plain = plan_fleet([load("web", 2)], compare=False)
    assert not any(gpus_of(name) for name in plain.types)


def test_extended_resources_of_types_may_be_said():
    shared = {"m5.*": {"example.com/slot": 3}}
    planned = plan(load(replicas=7, extended="example.com/slot=1"), extended_resources=shared)
    assert planned.nodes == 3
    with pytest.raises(InputError, match="extended_resources"):
        plan(load(), extended_resources=["m5.large"])
    with pytest.raises(InputError, match="extended of workload"):
        plan(load(extended=3))


PRICES = {"m5.large": 0.188, "m5.xlarge": 0.376, "c5.xlarge": 0.354, "c5.2xlarge": 0.708}
SPOT = {name: 0.6 * price for name, price in PRICES.items()}


def bought(*loads, **options):
    return plan(*loads, prices=PRICES, candidates=list(PRICES), **options)


def web_and_job(**more):
    return load(replicas=20, cpu="1", memory="2Gi", **more), load("job", 7)


@functools.cache
def cost_without_spot(**more):
    return bought(*web_and_job(**more), zones=ZONES, surge=1).cost


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("more", [{}, {"zone_spread": True}, {"max_per_node": 3}])
def test_no_more_than_the_share_runs_on_spot(share, more):
    buy = {"spot_share": share, "spot_prices": SPOT}
    planned = bought(*web_and_job(**more), zones=ZONES, surge=1, buy=buy)
    assert planned.pods == {"job": 8, "web": 21}
    for name, number in planned.pods.items():
        spot = sum(g.nodes * g.pods.get(name, 0) for g in planned.groups if g.purchase == "spot")
        assert spot <= share * number + 1e-9
    if more.get("zone_spread"):
        counts = [by_zone(planned, "web")[zone] for zone in ZONES]
        assert max(counts) - min(counts) <= 1
    if more.get("max_per_node"):
        assert max(group.pods.get("web", 0) for group in planned.groups) <= 3
    assert planned.cost <= cost_without_spot(**more) * (1 + 1e-9)


def test_spot_nodes_are_written_as_such():
    planned = bought(load(replicas=20, cpu="1"), buy={"spot_share": 0.5, "spot_prices": SPOT})
    assert "(spot)" in planned.explain()
    assert {row["purchase"] for row in planned.rows()} == {"on-demand", "spot"}
    assert "karpenter.sh/capacity-type" in planned.karpenter()
    assert "onDemandPercentageAboveBaseCapacity: 0" in planned.node_groups()


def test_what_is_paid_already_costs_its_volume_alone():
    planned = bought(load(replicas=20, cpu="1"), buy={"paid": {"m5.xlarge": 3, "m5.2xlarge": 1}})
    paid = [group for group in planned.groups if group.purchase == "paid"]
    assert all(group.cost == 0.0055 for group in paid)
    assert sum(g.nodes for g in paid if g.instance_type == "m5.xlarge") <= 3
    assert sum(g.nodes for g in paid if g.instance_type == "m5.2xlarge") == 1
    assert planned.cost < bought(load(replicas=20, cpu="1")).cost


def test_zones_that_are_packed_apart_share_what_is_paid():
    loads = [
        load("a", 81, "1334m", "700Mi", max_per_node=3),
        load("b", 46, "1500m", max_per_node=2),
        load("c", 28, "1001m", "2Gi"),
        load("d", 16, "100m", zone_spread=True),
    ]
    spot = {"spot_share": 0.5, "spot_prices": SPOT}
    buy = {"paid": {"m5.xlarge": 2}, **spot}
    planned = bought(*loads, buy=buy, zones=ZONES, time_limit_s=5)
    assert sum(group.nodes for group in planned.groups if group.purchase == "paid") <= 2


def test_the_licence_is_added_or_taken_off_by_vcpu():
    pod = load(replicas=1, cpu="1")
    assert bought(pod, buy={"licence": 0.046}).cost == pytest.approx(0.188 + 0.092 + 0.0055)
    own_licence = bought(pod, buy={"licence": "own"})
    assert own_licence.cost == pytest.approx(0.188 - 0.092 + 0.0055)
    assert "Dedicated Hosts" in own_licence.price_basis


@pytest.mark.parametrize(
    ("buy", "words"),
    [
        ({"spot_share": 2}, "spot_share"),
        ({"spot_share": 0.5}, "Spot prices"),
        ({"licence": "free"}, "licence"),
        ({"spots": 1}, "known: "),
        ({"paid": {"m5.xlarge": -1}}, "paid nodes"),
    ],
)
def test_odd_ways_to_buy_are_refused(buy, words):
    with pytest.raises(ValueError, match=words):
        bought(load(), buy=buy)


def test_as_many_types_and_nodes_as_asked_for_are_there():
    loads = [load(replicas=20, cpu="1", memory="2Gi"), load("job", 13, zone_spread=True)]
    planned = bought(*loads, zones=ZONES, min_types=4)
    assert len(planned.types) == 4
    wanted = {"nodes": 12, "b": 5, "m5.large": 2}
    planned = bought(*loads, zones=ZONES, at_least=wanted)
    assert planned.nodes >= 12
    assert planned.types["m5.large"] >= 2
    assert sum(g.nodes for g in planned.groups if g.zone == "b") >= 5
    assert bought(load(replicas=2), min_types=3).infeasible[0].code == "types-short"
    few = bought(*loads, zones=ZONES, limits={"a": 2})
    assert sum(g.nodes for g in few.groups if g.zone == "a") <= 2
    with pytest.raises(InputError, match="min_types"):
        bought(load(), min_types=3, max_types=2)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            {"at_least": {"nodes": 9}, "limits": {"nodes": 5}},
            r"at least 9 and at most 5 .*\(nodes\)",
        ),
        ({"at_least": {"a": 4}, "limits": {"a": 3}, "zones": ZONES}, r"at most 3 .*\(a\)"),
        ({"at_least": {"x1.32xlarge": 2}}, "at least 2 x x1.32xlarge .* not a candidate"),
    ],
)
def test_nodes_asked_for_that_cannot_be_are_named(asked, words):
    planned = plan(load(), **asked)
    assert (planned.status, planned.infeasible[0].code) == ("infeasible", "limits")
    assert re.search(words, str(planned))


def test_credits_of_burstable_types_are_said():
    planned = plan(load(), candidates=["t3.large"], prices=None)
    assert "The CPU of t3.large counts in full" in str(planned)
    assert "credits" not in str(plan(load()))


def test_nodes_of_pods_that_may_be_anywhere_stand_in_all_zones():
    planned = plan(load(replicas=40, cpu="1500m"), zones=ZONES, candidates=["m5.large"])
    counts = collections.Counter()
    for group in planned.groups:
        counts[group.zone] += group.nodes
    assert max(counts.values()) - min(counts.values()) <= 1


def test_wishes_hold_together_from_now_and_within_limits():
    loads = [load("ml", 3, gpu=1), load(replicas=20, cpu="1", zone_spread=True)]
    answer = plan_fleet(
        loads,
        candidates=["m5.*large", "g4dn.*"],
        zones=ZONES,
        current={"m5.xlarge": 4, "m5.2xlarge": 2},
        max_replaced=1,
        min_types=4,
        at_least={"nodes": 9},
        compare=False,
    )
    assert answer.feasible
    assert len(answer.types) >= 4
    assert answer.nodes >= 9
    assert answer.diff().drain <= 1
    tight = plan_fleet(
        [load(replicas=9)],
        candidates=["m5.large"],
        current={"m5.large": 9},
        max_replaced=0,
        limits={"nodes": 4},
        compare=False,
    )
    assert (tight.feasible, tight.infeasible[0].code) == (False, "limits")
    capped = plan(*loads[1:], zones=ZONES, max_types=1, at_least={"nodes": 12})
    assert len(capped.types) == 1


@pytest.mark.parametrize("addresses", [23, 40, 41, 44])
@pytest.mark.parametrize("least", [{"nodes": 8}, {"m5.large": 8}, {"b": 8}])
def test_nodes_asked_for_at_least_keep_the_limit_on_addresses(addresses, least):
    answer = plan(
        load(),
        candidates=["m5.large"],
        zones=ZONES,
        limits={"addresses": addresses},
        at_least=least,
    )
    assert answer.feasible == (addresses >= 41)
    if answer.feasible:
        assert (answer.nodes, answer.status) == (8, "proved")
        assert answer.addresses <= addresses
    else:
        assert answer.infeasible[0].code == "limits"


def test_a_bound_that_leaves_wishes_out_says_so():
    loads = [load(f"w{at}", 9 + at, f"{300 + 137 * at}m", "700Mi") for at in range(6)]
    answer = plan(*loads, at_least={"nodes": 20}, min_types=3, time_limit_s=6)
    assert answer.feasible
    assert "any number of types" in answer.explain()
    assert answer.lower_bound <= answer.value
    nodes = plan(*loads, at_least={"nodes": 20}, time_limit_s=None)
    # Sums of nodes count those that are asked for: fewer cost less.
    assert nodes.bound_of == ""
    assert plan(*loads, time_limit_s=None).value < nodes.lower_bound * (1 - 1e-9)
    exact = plan(load(), at_least={"m5.large": 3, "nodes": 4})
    assert (exact.status, exact.bound_of) == ("proved", "")


def test_a_limit_on_a_type_counts_the_nodes_that_are_paid():
    planned = bought(
        load(replicas=30, cpu="1"), buy={"paid": {"m5.xlarge": 3}}, limits={"m5.xlarge": 4}
    )
    assert planned.types.get("m5.xlarge", 0) <= 4


def test_what_marks_a_kind_of_node_is_not_part_of_a_name():
    buy = {"spot_share": 0.5, "spot_prices": SPOT, "paid": {"m5.xlarge": 2}}
    answer = bought(load(replicas=9, cpu="1"), load("job", 5), buy=buy, limits={"nodes": 1})
    refused = answer.infeasible[0]
    assert answer.status == "infeasible"
    assert "(" not in refused.subject
    assert "(paid)" not in refused.why
    big = bought(load(replicas=9, cpu="99"), buy=buy).infeasible[0]
    assert big.subject == "web"
    mixed = bought(load(replicas=30, cpu="1"), buy=buy)
    assert mixed.pods == {"web": 30}
    assert set(mixed.types) <= set(PRICES)


@pytest.mark.parametrize(
    ("objective", "replicas", "cpu", "memory", "prefix"),
    [("addresses", 8, "50m", "5Gi", False), ("nodes", 60, "1500m", "700Mi", True)],
)
def test_of_plans_with_one_type_and_equally_few_nodes_the_cheapest_is_found(
    objective, replicas, cpu, memory, prefix
):
    prices = {"m5.4xlarge": 0.81, "c5.4xlarge": 0.67, "r5.2xlarge": 0.52, "m6i.4xlarge": 0.79}
    wanted = [{"name": "web", "replicas": replicas, "cpu": cpu, "memory": memory}]

    def fleet(candidates):
        return plan_fleet(
            wanted, candidates=candidates, prices=prices, prefix_delegation=prefix,
            objective=objective, max_types=1, compare=False,
        )  # fmt: skip

    alone = [fleet([name]) for name in prices]
    fewest = min(one.value for one in alone)
    planned = fleet(list(prices))
    assert planned.value == fewest
    assert planned.cost == min(one.cost for one in alone if one.value == fewest)


@pytest.mark.parametrize(
    "options",
    [
        {"prices": {"m5.large": 0.05}},
        {"prices": {"m5.large": 0.092}},
        {"prices": {"m5.large": 0.2}, "spot_share": 0.5, "spot_prices": {"m5.large": 0.06}},
    ],
)
def test_no_licence_is_taken_off_a_price_that_does_not_hold_it(options):
    prices = options.pop("prices")
    rows = [{"name": "web", "replicas": 3, "cpu": "100m"}]
    with pytest.raises(InputError, match=r"takes 0\.092 off the price of m5\.large, which is 0\.0"):
        plan_fleet(rows, candidates=["m5.large"], prices=prices, buy={"licence": "own", **options})


def test_nodes_that_cost_nothing_are_planned_without_a_warning():
    loads = [load(replicas=30, cpu="1"), load("job", 3, memory="3Gi")]
    options = {"candidates": ["m5.large", "m5.xlarge"], "node_cost": 0, "compare": False}
    assert plan_fleet(loads, buy={"paid": {"m5.large": 99}}, **options).cost == 0
    planned = plan_fleet(loads, buy={"paid": {"m5.large": 3, "m5.xlarge": 1}}, **options)
    assert 0 < planned.cost < plan_fleet(loads, **options).cost
    with pytest.raises(InputError, match=r"above zero and at most 1e\+12; got 1e\+300"):
        plan_fleet(loads, prices={"m5.large": 1e300}, **options)
