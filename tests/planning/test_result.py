"""What a fleet plan tells: numbers, reasons, words, JSON, and text for other tools."""

import json
import signal
from dataclasses import replace
from functools import cache

import pandas as pd
import pytest
import yaml
from fleet_brute import given_as
from fleet_verifier import problems

from eks_win_capacity.addresses.subnet import Subnet
from eks_win_capacity.catalog import Catalog
from eks_win_capacity.cluster.autoscalers import karpenter_view
from eks_win_capacity.core.errors import InputError
from eks_win_capacity.density.reserved import Reserved
from eks_win_capacity.planning import FleetPlan, plan_fleet

CATALOG = Catalog.bundled()
TYPES = ["c5.large", "c5.xlarge", "m5.large", "m5.xlarge", "m5.metal", "r5.large", "t3.nano"]
LOADS = [
    {"name": "web", "replicas": 40, "cpu_m": 250, "mib": 512},
    {"name": "api", "replicas": 9, "cpu_m": 1000, "mib": 2048},
]
TAG = "k8s.io/cluster-autoscaler/node-template/resources/vpc.amazonaws.com/PrivateIPv4Address"


def plan(loads=LOADS, **options):
    return plan_fleet(given_as(loads), **{"candidates": TYPES} | options)


@cache
def ordinary():
    return plan()


@cache
def zoned():
    subnets = [
        Subnet("10.0.0.0/24", subnet_id="subnet-0a", zone="a"),
        Subnet("10.0.1.0/24", subnet_id="subnet-0b", zone="b"),
    ]
    return plan(subnets=subnets, zone_lost=True)


@cache
def prefixed():
    return plan(prefix_delegation=True, kubelet_max_pods=250, compare=False)


@cache
def impossible():
    many = [{"name": "web", "replicas": 90, "cpu_m": 100, "mib": 64}]
    return plan(many, subnets=["10.0.0.0/27"])


@cache
def empty():
    return plan([{"name": "web", "replicas": 0, "cpu_m": 100, "mib": 64}])


@pytest.fixture(params=[ordinary, zoned, prefixed, impossible, empty])
def any_plan(request):
    """Each plan in turn, made once it is asked for."""
    return request.param()


def test_a_plan_comes_back_from_json_as_it_was(any_plan):
    assert FleetPlan.from_json(any_plan.to_json()) == any_plan
    document = json.loads(any_plan.to_json())
    assert document["nodes"] == any_plan.nodes
    assert document["gap"] == any_plan.gap


@pytest.mark.parametrize(
    "text", ["", "[]", "7", "{}", '{"feasible": true, "colour": 1}', '{"feasible": 1, "groups": [{}]}']
)  # fmt: skip
def test_other_json_is_no_plan(text):
    with pytest.raises(InputError):
        FleetPlan.from_json(text)


def test_the_sums_of_a_plan_agree_with_its_rows():
    for planned in (ordinary(), zoned(), prefixed()):
        frame = planned.to_pandas()
        assert frame["nodes"].sum() == planned.nodes == sum(planned.types.values())
        assert (frame["nodes"] * frame["addresses_per_node"]).sum() == planned.addresses
        assert (frame["nodes"] * frame["prefixes_per_node"]).sum() == planned.prefixes
        assert frame["cost"].sum() == pytest.approx(planned.cost)
        places = pd.DataFrame(planned.places())
        assert places["nodes"].sum() == planned.nodes
        assert places["addresses"].sum() == planned.addresses
        assert (places["nodes"] * places["node_cost"]).sum() == pytest.approx(planned.cost)
        assert not places.duplicated(["instance_type", "zone", "subnet"]).any()
    assert ordinary().pods == {"api": 9, "web": 40}
    assert set(zoned().to_pandas()["subnet"]) == {"subnet-0a", "subnet-0b"}


def test_what_binds_has_the_least_room_left():
    for group in [*ordinary().groups, *zoned().groups, *prefixed().groups]:
        shares = {
            "cpu": group.cpu_m_used / group.cpu_m,
            "memory": group.memory_used / group.memory,
            "addresses": group.pod_addresses / group.address_slots,
            "kubelet": group.pods_used / group.pod_slots,
        }
        assert shares[group.binds] == max(shares.values()) <= 1


def test_every_candidate_is_used_or_rejected_with_its_reason():
    rejected = {one.instance_type: one for one in ordinary().rejected}
    assert rejected.keys() | ordinary().types.keys() == set(TYPES)
    assert not rejected.keys() & ordinary().types.keys()
    assert (rejected["t3.nano"].code, rejected["t3.nano"].subject) == ("too-small", "web")
    assert "too small for workload web" in rejected["t3.nano"].why
    frame = ordinary().rejections()
    assert set(frame["instance_type"]) == rejected.keys()
    wide = plan(candidates=["m5.24xlarge", "m5.metal", "m6g.large", "mac1.metal"], compare=False)
    codes = {one.instance_type: (one.code, one.subject) for one in wide.rejected}
    assert codes == {
        "m5.metal": ("dominated", "m5.24xlarge"),
        "m6g.large": ("arm64", ""),
        "mac1.metal": ("no-windows", ""),
    }


def test_dearer_by_so_much_is_what_a_fleet_of_the_type_alone_costs():
    dearer = [one for one in ordinary().rejected if one.code == "dearer"]
    assert dearer
    for one in dearer:
        alone = plan(candidates=[one.instance_type], compare=False)
        more = 100 * (alone.cost / ordinary().cost - 1)
        # The figure is of first-fit packing; a solved plan of the type costs that at most.
        assert -0.1 <= more <= one.percent + 0.06
        assert f"{one.percent:g} %" in one.why


def test_the_best_single_type_and_the_other_mode_stand_beside():
    for planned, options in ((ordinary(), {}), (zoned(), None)):
        single, other = planned.single_type, planned.other_mode
        assert single.nodes
        assert len(single.types) == 1
        assert single.cost >= planned.cost * (1 - 1e-9)
        assert other.name == "prefix delegation"
        if options is not None:
            costs = [plan(candidates=[name], compare=False) for name in TYPES]
            best = min(one.cost for one in costs if one.feasible)
            assert single.cost == pytest.approx(best, rel=0.01)
    again = plan(prefix_delegation=True)
    assert again.other_mode.name == "secondary addresses"
    assert again.other_mode.cost == pytest.approx(ordinary().cost, rel=0.01)


def test_an_impossible_other_mode_is_said_with_its_reason():
    subnet = Subnet("10.0.0.0/26", used=["10.0.0.16", "10.0.0.32"])
    answer = plan([{"name": "web", "replicas": 9, "cpu_m": 100, "mib": 64}], subnets=[subnet])
    assert answer.feasible
    assert answer.other_mode.nodes == 0
    assert "block" in answer.other_mode.why
    assert "With prefix delegation: no plan: " in answer.explain()


def test_a_plan_is_said_in_words():
    words = ordinary().explain()
    assert str(ordinary()) == words
    for number, name in ((n, name) for name, n in ordinary().types.items()):
        assert f"{number} x {name}" in words
    for part in (
        "in secondary mode costs less",
        f"{ordinary().addresses:,} subnet addresses",
        "With best single type",
        "With prefix delegation",
        "Not used: ",
    ):
        assert part in words
    assert "subnet-0a" in zoned().explain()
    assert "/28 prefix" in prefixed().explain()
    assert (
        impossible()
        .explain()
        .startswith("No plan (addresses-short): subnet 10.0.0.0/27 is short of")
    )


def test_a_notebook_shows_a_plan(any_plan):
    shown = any_plan._repr_html_()
    assert ("<table" in shown) == bool(any_plan.groups)
    assert "nan" not in shown.lower()


def test_names_are_escaped_in_a_notebook():
    loads = [{"name": "<script>", "replicas": 1, "cpu_m": 100, "mib": 64}]
    assert "<script>" not in plan(loads)._repr_html_()


def test_node_groups_carry_what_eksctl_needs():
    config = yaml.safe_load(zoned().node_groups(cluster="prod", region="eu-west-1"))
    assert config["metadata"] == {"name": "prod", "region": "eu-west-1"}
    groups = config["nodeGroups"]
    assert len({group["name"] for group in groups}) == len(groups) == len(zoned().places())
    for group, row in zip(groups, zoned().places(), strict=True):
        assert group["amiFamily"] == "WindowsServer2022CoreContainer"
        assert group["instanceType"] == row["instance_type"]
        assert group["minSize"] == group["desiredCapacity"] == row["nodes"]
        assert group["subnets"] == [row["subnet"]]
        assert group["maxPodsPerNode"] == 110
        slots = CATALOG[row["instance_type"]].ipv4_per_interface - 1
        assert group["tags"][TAG] == str(slots)
        assert group["taints"] == [{"key": "os", "value": "windows", "effect": "NoSchedule"}]
        assert group["labels"]
        assert "ami" not in group
    assert "-KubeletExtraArgs '--max-pods=110 --kube-reserved=memory=512Mi" in zoned().node_groups()
    assert "taints" not in ordinary().node_groups(taint=False)


def test_a_lifted_kubelet_limit_reaches_the_node_groups():
    text = prefixed().node_groups(ami="ami-0123")
    assert "-KubeletExtraArgs '--max-pods=250 " in text
    assert "managedNodeGroups" not in yaml.safe_load(prefixed().node_groups())
    assert "ami" not in yaml.safe_load(prefixed().node_groups())["nodeGroups"][0]
    for group in yaml.safe_load(text)["nodeGroups"]:
        slots = CATALOG[group["instanceType"]].ipv4_per_interface - 1
        assert "--max-pods=250" in group["overrideBootstrapCommand"]
        assert group["ami"] == "ami-0123"
        assert group["tags"][TAG] == str(16 * slots)
    free = plan(prefix_delegation=True, kubelet_max_pods=None, compare=False)
    most = max(group.address_slots for group in free.groups)
    assert most > max(group.pods_used for group in free.groups)
    assert f"--max-pods={most} " in free.node_groups()


def test_the_addresses_of_daemons_count_in_the_tag():
    planned = plan(daemonsets=[{"name": "log", "cpu": "50m"}], compare=False)
    for group in yaml.safe_load(planned.node_groups())["nodeGroups"]:
        slots = CATALOG[group["instanceType"]].ipv4_per_interface - 1
        assert group["tags"][TAG] == str(slots)


def test_karpenter_gets_a_node_pool_and_its_class():
    pool = yaml.safe_load(zoned().karpenter(name="win", node_class="win-class"))
    assert (pool["apiVersion"], pool["kind"]) == ("karpenter.sh/v1", "NodePool")
    spec = pool["spec"]["template"]["spec"]
    wanted = {one["key"]: one["values"] for one in spec["requirements"]}
    assert wanted["kubernetes.io/os"] == ["windows"]
    assert wanted["node.kubernetes.io/instance-type"] == list(zoned().types)
    assert wanted["topology.kubernetes.io/zone"] == ["a", "b"]
    assert spec["nodeClassRef"]["name"] == "win-class"
    assert spec["taints"][0]["value"] == "windows"
    node_class = yaml.safe_load(zoned().karpenter_node_class(cluster="prod"))
    assert node_class["kind"] == "EC2NodeClass"
    assert node_class["spec"]["amiFamily"] == "Windows2022"
    assert node_class["spec"]["kubelet"] == {
        "maxPods": 110,
        "kubeReserved": {"memory": "512Mi"},
        "systemReserved": {"memory": "1536Mi"},
        "evictionHard": {"memory.available": "500Mi"},
    }
    cpus = [CATALOG[name].vcpus for name in zoned().types]
    most = sum(cpu * n for cpu, n in zip(cpus, zoned().types.values(), strict=True)) + max(cpus)
    assert pool["spec"]["limits"]["cpu"] == str(most)
    assert node_class["spec"]["subnetSelectorTerms"] == [{"id": "subnet-0a"}, {"id": "subnet-0b"}]
    assert "&id" not in ordinary().karpenter_node_class()
    assert "under prefix delegation" in prefixed().karpenter()


def test_an_interrupt_gives_the_best_plan_so_far_at_every_step(monkeypatch):
    from eks_win_capacity.planning import solving, zones_exact

    real = solving.Search.run
    nets = [Subnet("10.0.0.0/24", zone="a"), Subnet("10.0.1.0/24", zone="b")]
    for options in (
        {"max_types": 1},
        {"subnets": nets},
        {"subnets": nets, "zone_lost": True},
    ):
        for stop in range(4):
            calls = []

            def run(search, starts=(), stop=stop, calls=calls):
                calls.append(1)
                if len(calls) > stop:
                    search.progress = lambda *_: signal.raise_signal(signal.SIGINT)
                real(search, starts)

            monkeypatch.setattr(solving.Search, "run", run)
            answer = plan(**options)
            assert answer.feasible
            assert len(answer.types) <= options.get("max_types", 9)
            if stop == 0:
                assert answer.status == "interrupted"
                assert "interrupted" in answer.explain()
            subnets = options.get("subnets", ())
            slots = answer.pods if "zone_lost" in options else None
            assert problems(answer, LOADS, CATALOG, subnets=subnets, slots=slots) == []
    monkeypatch.setattr(solving.Search, "run", real)
    monkeypatch.setattr(solving, "settle", _raising)
    assert plan(subnets=nets, zone_lost=True).status == "interrupted"
    assert zones_exact.settle is not _raising


def _raising(*_args, **_more):
    raise KeyboardInterrupt


def test_an_interrupt_before_any_plan_is_said(monkeypatch):
    from eks_win_capacity.planning import solving

    monkeypatch.setattr(solving.Search, "relax", _raising)
    assert (plan().feasible, plan().status) == (True, "interrupted")
    monkeypatch.setattr(solving, "starts_of", lambda *_args, **_more: ())
    answer = plan()
    assert (answer.feasible, answer.status) == (False, "interrupted")
    assert "interrupted before it had a plan" in answer.explain()


@pytest.mark.parametrize("objective", ["nodes", "addresses"])
def test_of_fleets_with_as_few_nodes_or_addresses_a_cheap_one_is_given(objective):
    types = ["m5.16xlarge", "m5.24xlarge", "m5.metal"]
    loads = [{"name": "web", "replicas": 40, "cpu_m": 250, "mib": 512}]
    planned = plan(loads, candidates=types, objective=objective, compare=False)
    assert planned.types == {"m5.16xlarge": 1}
    nets = [Subnet("10.0.0.0/24")]
    assert plan(loads, candidates=types, objective=objective, subnets=nets).types == planned.types
    assert problems(planned, loads, CATALOG) == []
    shares = [planned.groups[0].cpu_m, planned.groups[0].address_slots]
    assert shares == [64_000, CATALOG["m5.16xlarge"].ipv4_per_interface - 1]


def test_a_million_pods_spread_over_zones_are_all_placed():
    loads = [
        {"name": "web", "replicas": 1_000_000, "cpu_m": 250, "mib": 512, "zone_spread": True},
        {"name": "api", "replicas": 333_331, "cpu_m": 500, "mib": 3072, "zone_spread": True},
    ]
    planned = plan(loads, candidates=["m5.large", "m5.xlarge"], zones=["a", "b"], compare=False)
    assert planned.gap <= 1e-3
    even = [("web", "ab"), ("api", "ab")]
    assert problems(planned, loads, CATALOG, even=even) == []


def test_without_a_plan_no_manifest_is_written():
    planned = plan([{"name": "huge", "replicas": 1, "cpu_m": 99_000, "mib": 64}])
    for write in (planned.node_groups, planned.karpenter, planned.karpenter_node_class):
        with pytest.raises(InputError, match=r"no plan to write \(too-large\)"):
            write()


def test_progress_is_reported_where_subnets_bind_nothing():
    seen = []
    nets = [Subnet("10.0.0.0/16", zone="a")]
    planned = plan(subnets=nets, progress=lambda cost, bound: seen.append((cost, bound)))
    assert seen[-1][0] >= planned.cost


@pytest.mark.parametrize("prefix", [False, True])
def test_karpenter_would_place_what_is_planned_for_it(prefix):
    planned = plan(prefix_delegation=prefix, launcher="karpenter", compare=False)
    view = karpenter_view(list(planned.types), prefix_delegation=prefix).set_index("instance_type")
    for group in planned.groups:
        believed = view.loc[group.instance_type]
        assert group.pod_addresses <= believed["karpenter_addresses"]
        assert group.cpu_m_used <= believed["karpenter_cpu_m"]
        assert group.memory_used <= believed["karpenter_memory_mib"] * 2**20
    assert problems(planned, LOADS, CATALOG, prefix=prefix) == []
    assert "may launch more nodes" not in planned.karpenter()


@pytest.mark.parametrize("kept", [{"memory": "3Gi"}, {"cpu": "300m"}, Reserved(eviction_mib=0)])
def test_karpenter_adds_its_own_reservations_to_those_of_its_class(kept):
    planned = plan(launcher="karpenter", compare=False, reserved=kept)
    kubelet = yaml.safe_load(planned.karpenter_node_class())["spec"]["kubelet"]
    default = {"kubeReserved": 11 * 110 + 255, "systemReserved": 0, "evictionHard": 100}
    for group in planned.groups:
        memory = CATALOG[group.instance_type].memory_mib
        for name, mib in default.items():
            given = list(kubelet.get(name, {}).values())
            written = [int(one.removesuffix("Mi")) for one in given if one.endswith("Mi")]
            memory -= written[0] if written else mib
        hypervisor = -(-CATALOG[group.instance_type].memory_mib * 75 // 1000)
        assert group.memory <= (memory - hypervisor) * 2**20


def test_karpenter_counts_110_pods_without_a_limit():
    hosts = {"name": "h", "replicas": 150, "cpu_m": 5, "mib": 1, "host_process": True}
    planned = plan([hosts], launcher="karpenter", compare=False, kubelet_max_pods=None)
    assert max(group.pods_used for group in planned.groups) == 110
    assert "maxPods: 110" in planned.karpenter_node_class()


def test_empty_present_nodes_are_drawn_as_such():
    kept = plan(current={"m5.xlarge": 30}, max_replaced=0, compare=False).plot()
    assert "empty" in {text.get_text() for text in kept.get_legend().get_texts()}
    nothing = [{"name": "web", "replicas": 0, "cpu_m": 100, "mib": 64}]
    drained = plan(nothing, current={"m5.xlarge": 3}, compare=False).plot()
    assert drained.get_title(loc="left").endswith("100 % less than the 3 now")


def test_an_unknown_launcher_is_refused():
    with pytest.raises(InputError, match="launcher must be"):
        plan(launcher="helm")


def test_a_plan_is_drawn_with_its_cost_and_what_runs_now():
    drawn = ordinary().plot()
    assert str(ordinary().nodes) in drawn.get_title(loc="left")
    assert {text.get_text() for text in drawn.get_legend().get_texts()} <= {
        "cpu", "memory", "addresses", "kubelet",
    }  # fmt: skip
    widths = sum(bar.get_width() for bar in drawn.patches)
    assert widths == ordinary().nodes
    from_now = plan(current={"m5.xlarge": 9}, compare=False)
    assert "now" in [text.get_text() for text in from_now.plot(ax=drawn).get_legend().get_texts()]
    none = plan([{"name": "big", "replicas": 1, "cpu_m": 99_000, "mib": 64}])
    with pytest.raises(InputError, match="nothing to draw"):
        none.plot()


@pytest.mark.parametrize(
    ("part", "words"), [(1 - 5e-6, "0.001 %"), (0.4, "150.000 %"), (0.0, "any distance")]
)
def test_the_distance_to_the_least_possible_is_measured_from_it(part, words):
    plan = ordinary()
    far = replace(plan, lower_bound=part * plan.value)
    assert f"so this one is within {words} of the minimum" in far.explain()


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ("cost", "costs less"),
        ("nodes", "has fewer nodes"),
        ("addresses", "takes fewer subnet addresses"),
    ],
)
def test_a_proved_plan_has_no_distance(objective, words):
    proved = plan(objective=objective, compare=False)
    assert proved.status == "proved"
    assert f"no plan of the candidates in secondary mode {words}.\n" in proved.explain()
