"""What workloads and buyers may wish for beside CPU, memory and addresses."""

import collections

import pytest

from eks_win_capacity.core.errors import InputError
from eks_win_capacity.planning import plan_fleet
from eks_win_capacity.planning.type_names import gpus_of

ZONES = ["a", "b", "c"]


def load(name="web", replicas=9, cpu="500m", memory="1Gi", **more):
    return {"name": name, "replicas": replicas, "cpu": cpu, "memory": memory, **more}


def plan(*loads, **options):
    options = {"candidates": ["m5.*large", "c5.*large"], "compare": False} | options
    return plan_fleet(list(loads), **options)


def by_zone(found, name):
    counted = collections.Counter()
    for group in found.groups:
        counted[group.zone] += group.nodes * group.pods.get(name, 0)
    return counted


@pytest.mark.parametrize("skew", [1, 2, 5])
def test_zones_differ_by_no_more_than_the_skew(skew):
    found = plan(load(replicas=11, zone_spread=True, max_skew=skew), load("job", 7), zones=ZONES)
    counts = [by_zone(found, "web")[zone] for zone in ZONES]
    assert sum(counts) == 11
    assert max(counts) - min(counts) <= skew


def test_more_skew_never_costs_more():
    loads = [load(replicas=4, cpu="3", zone_spread=True), load("job", 5, cpu="1")]
    costs = [plan(loads[0] | {"max_skew": skew}, loads[1], zones=ZONES).cost for skew in (1, 2, 4)]
    assert costs == sorted(costs, reverse=True)


def test_a_node_runs_no_more_pods_of_a_workload_than_allowed():
    found = plan(load(replicas=12, max_per_node=2), load("job", 6, cpu="1"))
    assert max(group.pods.get("web", 0) for group in found.groups) <= 2
    one = plan(load(replicas=3, max_per_node=1))
    assert one.cost == plan(load(replicas=3, anti_affinity=True)).cost


def test_gpus_are_a_dimension_of_their_own():
    found = plan(load("ml", 5, gpu=1), load("web", 3), candidates=["g4dn.*", "m5.*"])
    for group in found.groups:
        assert group.extended_used["nvidia.com/gpu"] == group.pods.get("ml", 0)
        assert group.extended_used["nvidia.com/gpu"] <= gpus_of(group.instance_type)
    assert not plan(load("ml", 5, gpu=1)).feasible
    assert "nvidia.com/gpu" in plan(load("ml", 5, gpu=1)).infeasible[0].why


def test_types_with_gpus_come_in_by_default_where_a_workload_asks():
    found = plan_fleet([load("ml", 2, gpu=1)], compare=False)
    assert all(gpus_of(name) for name in found.types)
    plain = plan_fleet([load("web", 2)], compare=False)
    assert not any(gpus_of(name) for name in plain.types)


def test_extended_resources_of_types_may_be_said():
    shared = {"m5.*": {"example.com/slot": 3}}
    found = plan(load(replicas=7, extended="example.com/slot=1"), extended_resources=shared)
    assert found.nodes == 3
    with pytest.raises(InputError, match="extended_resources"):
        plan(load(), extended_resources=["m5.large"])
    with pytest.raises(InputError, match="extended of workload"):
        plan(load(extended=3))
