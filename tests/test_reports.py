"""Reports, pending pods, Karpenter's view, prices, and the commands that show them."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from eks_win_capacity import cli
from eks_win_capacity.cluster import ClusterState, Node, Pod, SubnetState, Workload
from eks_win_capacity.errors import InputError, UnknownInstanceTypeError
from eks_win_capacity.prices import estimate_windows_prices
from eks_win_capacity.reports import cluster_report, explain_pending, karpenter_view

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
HOST = replace(POD, name="host", host_process=True, cpu_m=0, memory_bytes=0)
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
        ({}, None, "mode-unknown"),
    ],
)
def test_each_difference_has_its_reason(node, configmap, reason):
    report = cluster_report(state(nodes=(replace(WIN, **node),), cni_configmap=configmap))
    assert report.nodes.iloc[0].reason == reason


def test_unknown_is_missing_and_never_zero():
    report = cluster_report(state(pods=None, subnets=None, cni_configmap=None))
    row = report.nodes.iloc[0]
    assert pd.isna(row.pods)
    assert pd.isna(row.headroom)
    assert pd.isna(report.total["computed"])
    assert len(report.unknown) == 2
    with pytest.raises(InputError, match="kubectl get nodes"):
        cluster_report(ClusterState())


def test_subnets_and_zones_say_how_many_more_nodes_fit():
    secondary = cluster_report(state()).subnets.iloc[0]
    assert (secondary.free, secondary.free_prefixes) == (251, 14)
    # Nine pods and the node's own address: 25 nodes of 10 addresses.
    assert secondary["more_m5.large"] == 25
    prefixes = cluster_report(state(cni_configmap=PREFIX), pods_per_node=20)
    # 20 pods and one warm address take two blocks: seven nodes take all 14.
    assert prefixes.subnets.iloc[0]["more_m5.large"] == 7
    assert prefixes.zones.iloc[0].zone == "a"


def pending(message, **how):
    return replace(POD, name="p", node="", phase="Pending", message=message, **how)


@pytest.mark.parametrize(
    ("message", "cause", "change"),
    [
        (
            (
                "0/3 nodes are available: 2 Insufficient vpc.amazonaws.com/PrivateIPv4Address, "
                "1 node(s) didn't match Pod's node affinity/selector."
            ),
            "addresses",
            "prefix-delegation",
        ),
        ("0/1 nodes are available: 1 Too many pods.", "kubelet", "more-nodes"),
        ("0/1 nodes are available: 1 Insufficient cpu.", "cpu", "more-nodes"),
        ("0/1 nodes are available: 1 Insufficient memory.", "memory", "more-nodes"),
        (
            "0/1 nodes are available: 1 node(s) had untolerated taint {os: windows}.",
            "taint",
            "tolerate",
        ),
        (
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
            "selector",
            "fix-selector",
        ),
        ("InsufficientCidrBlocks: the subnet", "prefixes", "warm-targets"),
        ("InsufficientFreeAddressesInSubnet", "subnet", "warm-targets"),
        ("", "no-message", "look"),
        ("something else", "other", "look"),
    ],
)
def test_each_pending_pod_gets_its_cause_and_the_cheapest_change(message, cause, change):
    (found,) = explain_pending(state(pods=(POD, pending(message))))
    assert (found.cause, found.change) == (cause, change)
    assert found.why
    assert found.remedy


def test_under_prefixes_the_kubelet_is_told_to_take_more():
    node = replace(WIN, advertised_addresses=144)
    full = pending("0/1 nodes are available: 1 Too many pods.")
    (found,) = explain_pending(state(nodes=(node,), cni_configmap=PREFIX, pods=(full,)))
    assert found.change == "max-pods"
    assert "--max-pods=144" in found.remedy
    assert found.also == ("more-nodes",)


def test_without_windows_nodes_a_node_is_what_helps():
    (found,) = explain_pending(state(nodes=(), pods=(pending("0/2 nodes are available"),)))
    assert (found.cause, found.change) == ("no-windows-node", "more-nodes")
    with pytest.raises(InputError):
        explain_pending(ClusterState())


def test_karpenter_starts_more_nodes_than_prefixes_need():
    view = karpenter_view(["m5.large", "m4.large"], pods=1000).set_index("instance_type")
    assert view.loc["m5.large", "nodes_started"] == 112
    assert view.loc["m5.large", "nodes_needed"] == 10
    assert view.loc["m5.large", "surplus_nodes"] == 102
    assert view.loc["m4.large", "surplus_nodes"] == 0
    assert view.loc["m5.large", "node_template_tag"].endswith("PrivateIPv4Address=144")
    with pytest.raises(UnknownInstanceTypeError):
        karpenter_view("m5.larg")


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


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "state.json"
    state(pods=(POD, pending("1 Insufficient cpu"))).save(path)
    return path


def test_the_exit_code_tells_the_worst(capsys, tmp_path, saved):
    code, out, _ = run(capsys, "check", "-f", saved, "--output", "json")
    found = json.loads(out)
    assert code == 4
    assert {f["outcome"] for f in found} == {"fail", "pass", "unknown"}
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
        assert json.loads(out)


def test_the_list_of_checks_is_printed(capsys):
    code, out, _ = run(capsys, "check", "--list")
    assert code == 0
    assert "windows-ipam-enabled" in out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["check"], 2), (["check", "-f", "missing.json"], 1), (["subnets", "-f", "missing.json"], 1)],
)
def test_wrong_input_is_one_line_on_stderr(capsys, arguments, code):
    found, out, err = run(capsys, *arguments)
    assert (found, out) == (code, "")
    assert err.count("\n") == 1
