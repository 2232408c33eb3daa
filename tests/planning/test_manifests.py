"""Manifests that eksctl, Karpenter and CloudFormation take, with what was planned."""

import functools
import itertools

import pytest
import yaml
from manifest_rules import class_faults, eksctl_faults, pool_faults, template_faults

from eks_win_capacity.core.errors import InputError
from eks_win_capacity.planning import plan_fleet

LOADS = [
    {"name": "web", "replicas": 10, "cpu": "500m", "memory": "1Gi", "zone_spread": True},
    {"name": "job", "replicas": 4, "cpu": "1500m", "memory": "3Gi"},
]


def planned(**options):
    options = {"candidates": ["m5.*large", "c5.2xlarge"], "compare": False} | options
    return plan_fleet(LOADS, zones=["eu-west-1a", "eu-west-1b"], **options)


KEPT = {"none": {"cpu": 0, "memory": 0}, "default": None, "more": {"memory": "3Gi", "cpu": "200m"}}
ASKED = list(
    itertools.product(
        ("eksctl", "managed", "karpenter"), (False, True), (110, 250), ("default", "more")
    )
)
BARE = ("managed", False, 110, "none")


@functools.cache
def plan_of(launcher, prefix, most, kept):
    """A plan that several tests look at, made when the first one does."""
    return planned(
        launcher=launcher, prefix_delegation=prefix, kubelet_max_pods=most, reserved=KEPT[kept]
    )


@pytest.mark.parametrize("asked", [*ASKED, BARE], ids=str)
def test_every_manifest_is_taken(asked):
    plan = plan_of(*asked)
    faults = template_faults if plan.launcher == "managed" else eksctl_faults
    for ami in (None, "ami-0123456789abcdef0"):
        assert faults(plan.node_groups(ami=ami)) == []
    assert pool_faults(plan.karpenter()) == []
    assert class_faults(plan.karpenter_node_class()) == []


@pytest.mark.parametrize("kept", ["none", "default"])
def test_nodes_paid_already_and_others_are_groups_of_two_names(kept):
    plan = planned(
        reserved=KEPT[kept],
        candidates=["m5.2xlarge"],
        buy={"paid": {"m5.2xlarge": 1}},
        at_least={"nodes": 4},
        prices={"m5.2xlarge": 0.8},
    )
    assert {group.purchase for group in plan.groups} == {"paid", "on-demand"}
    assert eksctl_faults(plan.node_groups()) == []


@pytest.mark.parametrize(("least", "cpu", "values"), [(1, "1", None), (3, "1", 3), (3, "3", 2)])
def test_the_node_pool_asks_for_the_types_that_every_pod_fits(least, cpu, values):
    loads = [*LOADS, {"name": "big", "replicas": 2, "cpu": cpu, "memory": "3Gi"}]
    plan = plan_fleet(
        loads,
        candidates=["m5.large", "m5.xlarge", "c5.2xlarge"],
        zones=["eu-west-1a", "eu-west-1b"],
        compare=False,
        launcher="karpenter",
        min_types=least,
    )
    assert len(plan.types) >= least
    assert pool_faults(plan.karpenter()) == []
    wanted = yaml.safe_load(plan.karpenter())["spec"]["template"]["spec"]["requirements"]
    min_values = {one["key"]: one.get("minValues") for one in wanted}
    assert min_values.pop("node.kubernetes.io/instance-type") == values
    assert set(min_values.values()) == {None}


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_limit_and_reservations_reach_every_kubelet(asked):
    plan = plan_of(*asked)
    kept = plan.reserved
    wanted = [f"--system-reserved=memory={kept['system_memory_mib']}Mi"]
    wanted += [f"cpu={kept['cpu_m']}m"] if kept["cpu_m"] else []
    for ami in (None, "ami-0123456789abcdef0"):
        text = plan.node_groups(ami=ami)
        lines = [line for line in text.splitlines() if '-KubeletExtraArgs "' in line]
        groups = yaml.safe_load(text).get("nodeGroups", [None])
        assert len(lines) == len(groups)
        for line, group in zip(lines, groups, strict=True):
            assert all(part in line for part in wanted)
            limit = f"--max-pods={plan.kubelet_max_pods}"
            set_by_group = (
                group is not None and group.get("maxPodsPerNode") == plan.kubelet_max_pods
            )
            assert set_by_group != (limit in line)


def test_managed_groups_need_no_template_where_the_image_does_it_all():
    template = yaml.safe_load(plan_of(*BARE).node_groups())
    kinds = {one["Type"] for one in template["Resources"].values()}
    assert kinds == {"AWS::EKS::Nodegroup"}
    assert set(template["Parameters"]) >= {"SubnetsEuWest1A", "SubnetsEuWest1B"}
    plain = planned(reserved={"cpu": 0, "memory": 0})
    assert set(yaml.safe_load(plain.node_groups())) >= {"managedNodeGroups"}
    assert eksctl_faults(plain.node_groups()) == []


def test_a_manifest_names_the_nodes_that_run_already():
    plan = planned(current={"m5.2xlarge": 2, "c5.large": 1}, max_replaced=1)
    kept = ", ".join(f"{n} x {name}" for name, n in plan.current_kept.items() if n)
    assert f"to be left out of new groups: {kept}\n" in plan.node_groups()
    assert "run already" not in planned().node_groups()


def test_an_image_that_is_not_of_windows_is_refused():
    plan = plan_of("eksctl", False, 110, "default")
    for year in ("2019", "2022", "2025"):
        assert eksctl_faults(plan.node_groups(ami_family=f"WindowsServer{year}FullContainer")) == []
        assert class_faults(plan.karpenter_node_class(ami_family=f"Windows{year}")) == []
    for write in (plan.node_groups, plan.karpenter_node_class):
        with pytest.raises(InputError, match="ami_family must be"):
            write(ami_family="AL2023")


def test_a_plan_that_is_none_writes_nothing():
    none = plan_fleet([{"name": "big", "replicas": 1, "cpu": "99"}], candidates=["m5.large"])
    for write in (none.node_groups, none.karpenter, none.karpenter_node_class):
        with pytest.raises(InputError, match="no plan to write"):
            write()
