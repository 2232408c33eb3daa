"""What a cluster holds and takes, estimated prices, and the commands that show it."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from eks_win_capacity import Subnet, WarmPool, cli, nodes_that_fit
from eks_win_capacity.catalog.prices import estimate_windows_prices
from eks_win_capacity.cluster import (
    ClusterState,
    Node,
    NodeGroup,
    Pod,
    SubnetState,
    Workload,
    cluster_report,
)
from eks_win_capacity.core.errors import InputError

ON = {"enable-windows-ipam": "true"}
PREFIX = {**ON, "enable-windows-prefix-delegation": "true"}
WIN = Node(
    name="win-1",
    os="windows",
    instance_type="m5.large",
    zone="a",
    pods_limit=110,
    advertised_addresses=9,
    cpu_m=2000,
    memory_bytes=6 * 2**30,
)
POD = Pod(
    namespace="default",
    name="a",
    node="win-1",
    phase="Running",
    selects_os="windows",
    cpu_m=500,
    memory_bytes=2**30,
)
HOST = replace(
    POD, namespace="kube-system", name="host", host_process=True, cpu_m=0, memory_bytes=0
)
SUBNET = SubnetState(subnet_id="subnet-1", cidr="10.0.0.0/24", zone="a", available=251, used=())


def state(**parts):
    return ClusterState(
        **{"nodes": (WIN,), "pods": (POD, HOST), "cni_configmap": ON, "subnets": (SUBNET,), **parts}
    )


def test_the_report_counts_what_binds():
    report = cluster_report(state())
    row = report.nodes.iloc[0]
    assert (row.address_pods, row.kubelet_pods, row.cpu_pods, row.memory_pods) == (9, 109, 4, 6)
    assert (row.pods, row.address_pods_used, row.host_pods) == (2, 1, 1)
    assert (row.binding, row.headroom) == ("cpu", 3)
    assert (row.advertised, row.computed, row.difference, row.reason) == (9, 9, 0, "")
    assert report.total["headroom"] == 3
    assert report.typical_pod == (500, 2**30)


@pytest.mark.parametrize(
    ("node", "configmap", "reason"),
    [
        ({}, PREFIX, "mode-changed"),
        ({"advertised_addresses": 144}, ON, "mode-changed"),
        ({"advertised_addresses": 144, "ready": False}, ON, "stale-node"),
        ({"advertised_addresses": 29}, ON, "stale-node"),
        ({"advertised_addresses": None}, {}, "windows-ipam-off"),
        (
            {"advertised_addresses": None, "instance_type": "m8in.large"},
            ON,
            "type-unknown-to-controller",
        ),
        ({"advertised_addresses": None}, ON, "not-initialised"),
        ({"instance_type": "zz9.huge"}, ON, "type-not-in-catalog"),
        # m4 is not a Nitro type: it stays at 8 - 1 addresses whatever is asked for.
        ({"instance_type": "m4.large", "advertised_addresses": 9}, PREFIX, ""),
        ({"instance_type": "m4.large", "advertised_addresses": 144}, PREFIX, "stale-node"),
        ({"instance_type": ""}, ON, "type-label-missing"),
        ({"advertised_addresses": None, "pods_limit": None, "cpu_m": None}, ON, "not-reported"),
        ({"advertised_addresses": 0, "ready": False}, ON, "stale-node"),
        # Without a ConfigMap the nodes tell the mode themselves.
        ({}, None, ""),
        ({"advertised_addresses": 144}, None, ""),
        ({"advertised_addresses": 29}, None, "mode-unknown"),
    ],
)
def test_each_difference_has_its_reason(node, configmap, reason):
    report = cluster_report(state(nodes=(replace(WIN, **node),), cni_configmap=configmap))
    row = report.nodes.iloc[0]
    assert row.reason == reason
    assert list(report.differences["node"]) == (["win-1"] if reason else [])
    assert all(report.differences["why"].str.len() > 20)
    if reason == "":
        assert row.difference == 0


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"version": "1.25", "platform_version": "eks.4"}, "platform-version"),
        ({"version": "1.25", "platform_version": "eks.5"}, "mode-changed"),
        (
            {"pods": (replace(POD, namespace="kube-system", name="vpc-resource-controller-7d-x"),)},
            "legacy-controller",
        ),
    ],
)
def test_prefixes_that_never_came_have_their_own_reasons(parts, reason):
    report = cluster_report(state(cni_configmap=PREFIX, **parts))
    row = report.nodes.iloc[0]
    assert (row.advertised, row.computed, row.difference) == (9, 144, -135)
    assert row.reason == reason


def test_a_silent_node_may_lack_the_right_of_its_cluster():
    silent = replace(WIN, advertised_addresses=None)
    parts = {"nodes": (silent,), "cluster_role_policies": ("AmazonEKSClusterPolicy",)}
    row = cluster_report(state(**parts)).nodes.iloc[0]
    assert row.reason == "role-policy"
    assert (row.advertised, row.address_pods, row.headroom, row.binding) == (0, 0, 0, "addresses")
    assert row.difference == -9


def test_a_mode_on_which_nodes_disagree_is_not_known():
    other = replace(WIN, name="win-2", advertised_addresses=144)
    report = cluster_report(state(nodes=(WIN, other), cni_configmap=None))
    assert (report.prefix_delegation, report.mode_source) == (None, "")
    assert set(report.nodes["reason"]) == {"mode-unknown"}
    report = cluster_report(state(nodes=(WIN, other), cni_configmap=PREFIX))
    assert (report.prefix_delegation, report.mode_source) == (True, "configmap")
    assert list(report.nodes["reason"]) == ["mode-changed", ""]


def test_a_node_that_takes_no_pods_has_no_headroom():
    for how in ({"ready": False}, {"schedulable": False}):
        report = cluster_report(state(nodes=(WIN, replace(WIN, name="win-2", **how))))
        assert list(report.nodes["headroom"]) == [3, 0]
        assert (report.total["nodes"], report.total["ready"], report.total["headroom"]) == (2, 1, 3)


def test_the_kubelet_binds_before_the_addresses_of_prefixes():
    node = replace(WIN, advertised_addresses=144, cpu_m=64_000, memory_bytes=2**40)
    row = cluster_report(state(nodes=(node,), cni_configmap=PREFIX)).nodes.iloc[0]
    # One of the 110 is the HostProcess pod.
    assert (row.binding, row.capacity, row.headroom) == ("kubelet", 109, 108)
    assert (row.advertised, row.computed, row.reason) == (144, 144, "")


def test_unknown_is_missing_and_never_zero():
    report = cluster_report(state(pods=None, subnets=None, cni_configmap=None))
    row = report.nodes.iloc[0]
    assert pd.isna(row.pods)
    assert pd.isna(row.headroom)
    assert pd.isna(row.capacity)
    assert pd.isna(report.total["headroom"])
    assert row.computed == 9  # as it advertises: the ConfigMap is not known
    assert [text.partition(":")[0] for text in report.unknown] == [
        "subnets",
        "pods",
        "cni_configmap",
    ]
    with pytest.raises(InputError, match="kubectl get nodes"):
        cluster_report(ClusterState())


def test_subnets_and_zones_say_how_many_more_nodes_fit():
    secondary = cluster_report(state()).subnets.iloc[0]
    assert (secondary.free, secondary.free_prefixes) == (251, 14)
    # Nine pods and the node's own address: 25 nodes of 10 addresses.
    assert secondary["more_m5.large"] == 25
    prefixes = cluster_report(state(cni_configmap=PREFIX), pods_per_node=20)
    # 20 pods and one warm address take two blocks of 14, and the node's own may break a third.
    assert prefixes.subnets.iloc[0]["more_m5.large"] == 4
    assert prefixes.more_nodes.iloc[0].best == 7
    assert prefixes.zones.iloc[0].zone == "a"


def test_a_further_node_is_as_full_as_this_cluster_lets_it_be():
    # 110 pods and a warm address: 7 of 14 blocks. With max-pods 144: 9 blocks.
    for limit, blocks, nodes in ((110, 7, 2), (144, 9, 1), (30, 2, 7)):
        node = replace(WIN, advertised_addresses=144, pods_limit=limit)
        report = cluster_report(state(nodes=(node,), cni_configmap=PREFIX))
        fit = report.more_nodes.iloc[0]
        assert (fit.pods_per_node, fit.prefixes_per_node, fit.best) == (limit, blocks, nodes)
        assert fit["mode"] == "prefix"
        assert report.subnets.iloc[0]["more_m5.large"] == fit.nodes == 14 // (blocks + 1)
    # Most nodes decide; of as many, those that take more addresses.
    for limits, usual in (((110, 110, 144), 110), ((110, 144), 144)):
        nodes = tuple(
            replace(WIN, name=f"win-{n}", advertised_addresses=144, pods_limit=limit)
            for n, limit in enumerate(limits)
        )
        report = cluster_report(state(nodes=nodes, cni_configmap=PREFIX))
        assert report.more_nodes.iloc[0].pods_per_node == usual
    group = NodeGroup(
        name="win",
        ami_type="WINDOWS_CORE_2022_x86_64",
        instance_types=("m5.large",),
        kubelet_max_pods=144,
    )
    report = cluster_report(state(nodes=(), node_groups=(group,), cni_configmap=PREFIX))
    assert report.more_nodes.iloc[0].pods_per_node == 144


def test_further_nodes_use_the_clusters_own_warm_targets():
    greedy = {**PREFIX, "windows-warm-prefix-target": "5"}
    fit = cluster_report(state(cni_configmap=greedy), pods_per_node=16).more_nodes.iloc[0]
    # One prefix for 16 pods and five warm ones.
    assert (fit.prefixes_per_node, fit.nodes) == (6, 2)
    # A type that is not Nitro keeps secondary mode and the defaults.
    fit = cluster_report(
        state(nodes=(replace(WIN, instance_type="m4.large"),), cni_configmap=greedy),
        pods_per_node=2,
    ).more_nodes.iloc[0]
    assert (fit["mode"], fit.addresses_per_node, fit.nodes) == ("secondary", 6, 251 // 6)


def test_every_type_in_use_and_every_one_asked_for_is_counted_in_each_subnet():
    far = replace(SUBNET, subnet_id="subnet-2", cidr="10.0.1.0/26", zone="b", available=59)
    report = cluster_report(state(subnets=(SUBNET, far)), types=["c5.4xlarge"])
    assert {"more_m5.large", "more_c5.4xlarge"} <= set(report.subnets)
    # c5.4xlarge: 29 pods and the node itself.
    assert list(report.subnets["more_c5.4xlarge"]) == [251 // 30, 59 // 30]
    assert list(report.zones["zone"]) == ["a", "b"]
    assert len(report.more_nodes) == 4
    both = cluster_report(state(subnets=(SUBNET, replace(far, zone="a"))))
    assert both.zones.iloc[0].free == 251 + 59
    assert both.zones.iloc[0]["more_m5.large"] == 25 + 5
    kept = cluster_report(state(), keep_free=16)
    assert kept.subnets.iloc[0]["more_m5.large"] == (251 - 16) // 10
    each = cluster_report(state(), types=["c5.4xlarge"], pods_per_node={"c5.4xlarge": 4})
    # 4 pods and 3 warm addresses; m5.large stays full.
    assert list(each.more_nodes["addresses_per_node"]) == [10, 8]


def test_what_hangs_on_unknown_places_is_not_said():
    counted = replace(SUBNET, used=None, available=100)
    report = cluster_report(state(subnets=(counted,), cni_configmap=PREFIX), pods_per_node=16)
    row = report.subnets.iloc[0]
    assert row.free == 100
    assert pd.isna(row.free_prefixes)
    assert row["more_m5.large"] == 0  # the safe number
    # At best the 151 used ones fill the edges (27) and 8 of the 14 blocks between.
    assert (row.free_prefixes_best, row.free_prefixes_worst) == (6, 0)
    fit = report.more_nodes.iloc[0]
    assert (fit.nodes, fit.best) == (0, 3)
    unplaced = replace(SUBNET, used=None, reservations=(("10.0.0.64/26", "prefix"),))
    report = cluster_report(state(subnets=(unplaced,)))
    assert pd.isna(report.more_nodes.iloc[0].nodes)
    assert "reservations" in report.more_nodes.iloc[0].why
    assert any("subnet-1" in text for text in report.unknown)


def test_what_ec2_counts_and_no_interface_shows_stays_used():
    # 251 addresses without an interface, of which EC2 says that 100 are free.
    report = cluster_report(state(subnets=(replace(SUBNET, available=100),)))
    assert report.subnets.iloc[0]["more_m5.large"] == 10
    assert "151 addresses in use that no interface shows" in report.unknown[-1]
    # Reserved addresses are not free in EC2's count, and nobody holds them.
    reserved = replace(SUBNET, available=251 - 64, reservations=(("10.0.0.64/26", "prefix"),))
    report = cluster_report(state(subnets=(reserved,)))
    assert report.subnets.iloc[0]["more_m5.large"] == 18
    assert report.unknown == ()


def test_targets_that_cannot_act_leave_further_nodes_unknown():
    report = cluster_report(state(cni_configmap={**ON, "warm-ip-target": str(10**9)}))
    assert pd.isna(report.subnets.iloc[0]["more_m5.large"])
    assert "cannot act" in report.unknown[-1]


def test_subnets_are_reported_where_nodes_are_not_known():
    report = cluster_report(ClusterState(subnets=(SUBNET,), cni_configmap=ON))
    assert report.subnets.iloc[0]["more_m5.large"] == 25
    for asked in ("nodes", "total", "differences"):
        with pytest.raises(InputError, match="kubectl get nodes"):
            getattr(report, asked)
    assert report.to_dict()["nodes"] is None


def test_a_report_is_plain_data_on_request():
    plain = json.loads(json.dumps(cluster_report(state()).to_dict()))
    assert plain["nodes"][0]["headroom"] == 3
    assert plain["total"]["nodes"] == 1
    assert plain["more_nodes"][0]["nodes"] == 25
    assert plain["mode_source"] == "configmap"


def pending(message, **how):
    return replace(POD, name="p", node="", phase="Pending", message=message, **how)


def test_estimated_prices_are_marked():
    prices = estimate_windows_prices({"m5.large": 0.096, "t3.large": 0.0832})
    assert prices.series().round(4).to_dict() == {"m5.large": 0.188, "t3.large": 0.1108}
    assert prices.table["estimated"].all()
    for wrong in ({}, {"m5.large": 0}, {"m5.large": float("nan")}):
        with pytest.raises(InputError):
            estimate_windows_prices(wrong)


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main([*map(str, arguments)])
    out, err = capsys.readouterr()
    return caught.value.code, out, err


def test_programs_get_every_change_that_was_weighed(capsys, saved):
    code, out, _ = run(capsys, "explain", "-f", saved, "--output", "json")
    (pod,) = json.loads(out)["rows"]
    assert code == 0
    assert [option["code"] for option in pod["options"]]
    assert pod["causes"] == [["cpu", 1]]


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "state.json"
    state(pods=(POD, HOST, pending("1 Insufficient cpu"))).save(path)
    return path


def test_the_exit_code_tells_the_worst(capsys, tmp_path, saved):
    code, out, _ = run(capsys, "check", "-f", saved, "--output", "json")
    findings = json.loads(out)["rows"]
    assert code == 4
    assert {f["outcome"] for f in findings} == {"fail", "pass", "unknown"}
    ClusterState().save(tmp_path / "none.json")
    assert run(capsys, "check", "-f", tmp_path / "none.json")[0] == 5
    assert run(capsys, "check", "-f", tmp_path / "none.json", "--allow-unknown")[0] == 0
    web = Workload(kind="Deployment", namespace="a", name="b", selects_os="windows")
    ClusterState(workloads=(web,)).save(tmp_path / "w.json")
    assert run(capsys, "check", "-f", tmp_path / "w.json")[0] == 3


def test_remedies_are_written_on_request(capsys, tmp_path):
    ClusterState(cni_configmap={}).save(tmp_path / "s.json")
    run(capsys, "check", "-f", tmp_path / "s.json", "--write-remedies", tmp_path / "fixes")
    assert "enable-windows-ipam" in (tmp_path / "fixes" / "amazon-vpc-cni.yaml").read_text()


@pytest.mark.parametrize("command", ["cluster", "subnets", "explain"])
@pytest.mark.parametrize("output", ["table", "json", "csv"])
def test_every_command_prints_every_format(capsys, saved, command, output):
    code, out, err = run(capsys, command, "-f", saved, "--output", output)
    assert (code, err) == (0, "")
    assert out
    if output == "json":
        assert json.loads(out)["rows"]


def test_the_list_of_checks_is_printed(capsys):
    code, out, _ = run(capsys, "check", "--list")
    assert code == 0
    assert "windows-ipam-enabled" in out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["check"], 2), (["check", "-f", "missing.json"], 1), (["subnets", "-f", "missing.json"], 1)],
)
def test_wrong_input_is_one_line_on_stderr(capsys, arguments, code):
    exit_code, out, err = run(capsys, *arguments)
    assert (exit_code, out) == (code, "")
    assert err.count("\n") == 1


def test_a_report_shows_itself_in_words_and_in_a_notebook():
    from pathlib import Path

    from eks_win_capacity import load_files

    folder = Path(__file__).resolve().parents[2] / "data" / "demo" / "cluster"
    report = cluster_report(load_files(folder))
    summary = "ClusterReport of 3 Windows nodes with head-room for 0 pods in 2 subnets"
    assert repr(report) == f"<{summary}>"
    shown = report._repr_html_()
    assert summary in shown
    assert shown.count("<table") == 2
    alone = cluster_report(load_files(folder / "describe-subnets.json").merge(ClusterState()))
    assert "unknown nodes in 2 subnets" in repr(alone)
    assert "Not known" in alone._repr_html_()


def test_one_pod_is_not_several():
    with pytest.raises(InputError, match=r"in secondary mode is 1 pod \("):
        nodes_that_fit(Subnet("10.0.0.0/24"), "t3.nano", pods_per_node=2, pool=WarmPool.secondary())
    state = ClusterState(
        nodes=(Node(name="n", os="windows", instance_type="t3.nano", advertised_addresses=1),),
        subnets=(SubnetState(subnet_id="subnet-1", cidr="10.0.0.0/24", used=()),),
        cni_configmap={"enable-windows-ipam": "true"},
    )
    assert (
        "each further t3.nano counted full: 1 pod with addresses"
        in cluster_report(state).assumptions
    )


@pytest.mark.parametrize(
    ("pods", "said"),
    [
        ((POD, HOST), ""),
        ((POD,), "pods of other namespaces: all here are of default"),
        (
            (POD, HOST, replace(POD, name="b", node="gone")),
            "the nodes of 1 Windows pod, first gone",
        ),
        ((HOST,), ""),
    ],
)
def test_what_a_part_of_the_pods_or_nodes_hides_is_said(pods, said):
    assert [said in text for text in cluster_report(state(pods=pods)).unknown] == [True] * bool(
        said
    )
