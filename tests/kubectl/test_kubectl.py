"""Saved answers of kubectl as the state of a cluster, and reading what others wrote."""

import io
import json
from typing import get_args, get_type_hints

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from eks_win_capacity import cli, kubectl
from eks_win_capacity.cluster import (
    ClusterState,
    Node,
    Pod,
    check_cluster,
    cluster_report,
    explain_pending,
)
from eks_win_capacity.core.documents import mapping, members
from eks_win_capacity.core.errors import (
    CapacityError,
    DocumentError,
    StateConflictError,
    UnsupportedInputError,
)
from eks_win_capacity.files import load_files

NODE = {
    "kind": "Node",
    "metadata": {
        "name": "win-1",
        "labels": {
            "kubernetes.io/os": "windows",
            "kubernetes.io/arch": "amd64",
            "node.kubernetes.io/instance-type": "m5.large",
            "topology.kubernetes.io/zone": "eu-west-1a",
        },
    },
    "spec": {"taints": [{"key": "os", "value": "windows", "effect": "NoSchedule"}]},
    "status": {
        "allocatable": {
            "cpu": "1930m",
            "memory": "5Gi",
            "pods": "110",
            "vpc.amazonaws.com/PrivateIPv4Address": "9",
        },
        "addresses": [{"type": "InternalIP", "address": "10.0.0.9"}],
        "nodeInfo": {"kernelVersion": "10.0.17763.5936", "kubeletVersion": "v1.30.2-eks-1"},
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}


def pod(name, **spec):
    status = spec.pop("status", {"phase": "Running"})
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c"}], **spec},
        "status": status,
    }


def test_a_mixed_list_gives_nodes_and_pods():
    text = json.dumps(
        {"kind": "List", "items": [NODE, pod("a", nodeName="win-1"), {"kind": "Secret"}]}
    )
    state = kubectl.load(text)
    (node,) = state.nodes
    assert node == Node(
        name="win-1",
        os="windows",
        arch="amd64",
        instance_type="m5.large",
        zone="eu-west-1a",
        build="10.0.17763.5936",
        kubelet_version="v1.30.2-eks-1",
        address="10.0.0.9",
        pods_limit=110,
        advertised_addresses=9,
        cpu_m=1930,
        memory_bytes=5 * 2**30,
        taints=("os=windows:NoSchedule",),
    )
    assert [p.name for p in state.windows_pods] == ["a"]
    assert state.cni_configmap is None
    assert "kubectl get configmap" in state.unknown["cni_configmap"]


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "file", "utf-16", "mapping", "yaml"])
def test_every_kind_of_source_gives_the_same_state(kind, tmp_path):
    import yaml

    whole = {"kind": "List", "items": [NODE, pod("a", nodeName="win-1")]}
    text = json.dumps(whole, indent=4)
    path = tmp_path / "k.json"
    path.write_text(text)
    source = {
        "path": path,
        "text": text,
        "bytes": text.encode(),
        "file": io.StringIO(text),
        "utf-16": text.encode("utf-16"),
        "mapping": whole,
        "yaml": yaml.safe_dump(whole),
    }[kind]
    assert kubectl.load(source) == kubectl.load(whole)


def test_hostprocess_pods_take_no_address_and_finished_pods_hold_nothing():
    host = {"securityContext": {"windowsOptions": {"hostProcess": True}}, "hostNetwork": True}
    done = pod("done", nodeName="win-1", status={"phase": "Succeeded"})
    state = kubectl.load([NODE, pod("host", nodeName="win-1", **host), done])
    (host_pod,) = state.windows_pods
    assert host_pod.host_process
    assert not host_pod.takes_address
    assert host_pod.declares_os == "windows"


def test_a_pod_of_the_host_that_asks_for_an_address_counts_with_one():
    resource = "vpc.amazonaws.com/PrivateIPv4Address"
    host = {
        "securityContext": {"windowsOptions": {"hostProcess": True}},
        "hostNetwork": True,
        "containers": [{"name": "c", "resources": {"limits": {resource: "1"}}}],
    }
    status = {"phase": "Running", "podIP": "10.0.0.4"}
    state = kubectl.load([NODE, pod("host", nodeName="win-1", status=status, **host)])
    (host_pod,) = state.windows_pods
    assert host_pod.takes_address
    # The address in its status is the node's.
    assert not host_pod.address
    (row,) = cluster_report(state).nodes.to_dict("records")
    assert (row["address_pods_used"], row["host_pods"]) == (1, 0)


def test_addresses_that_several_containers_request_are_named():
    asking = {"resources": {"limits": {"vpc.amazonaws.com/PrivateIPv4Address": "1"}}}
    containers = [{"name": name, **asking} for name in ("a", "b")]
    report = cluster_report(
        kubectl.load([NODE, pod("web", nodeName="win-1", containers=containers)])
    )
    assert any("room for a second vpc.amazonaws.com" in why for why in report.unknown)


def test_a_pending_pod_keeps_what_the_scheduler_said():
    said = "0/3 nodes are available: 3 Insufficient vpc.amazonaws.com/PrivateIPv4Address."
    status = {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "message": said}],
    }
    state = kubectl.load(pod("a", status=status, nodeSelector={"kubernetes.io/os": "windows"}))
    assert state.windows_pods[0].message == said


@pytest.mark.parametrize(("spec", "phase"), [({"nodeName": "win-1"}, ""), ({}, "Pending")])
def test_a_pod_on_a_node_does_not_wait_because_a_trimmed_file_leaves_its_phase_out(spec, phase):
    item = pod("a", status={"podIP": "10.0.0.8"}, nodeSelector={"kubernetes.io/os": "windows"})
    item["spec"] |= spec
    state = kubectl.load([NODE, item])
    assert state.windows_pods[0].phase == phase
    assert len(explain_pending(state)) == (phase == "Pending")


def test_requests_count_as_the_scheduler_counts_them():
    spec = {
        "containers": [
            {"resources": {"requests": {"cpu": "250m", "memory": "1Gi"}}},
            {"resources": {"limits": {"cpu": "0.5"}}},
        ],
        "initContainers": [
            {"restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}},
            {"resources": {"requests": {"cpu": "2", "memory": "64Mi"}}},
        ],
        "overhead": {"cpu": "10m"},
    }
    (counted,) = kubectl.load(pod("a", **spec)).pods
    assert (counted.cpu_m, counted.memory_bytes) == (2110, 2**30)


def test_a_required_affinity_is_a_selection():
    term = {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}
    affinity = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [term]}]
            }
        }
    }
    assert kubectl.load(pod("a", affinity=affinity)).pods[0].selects_os == "linux"


AUTH = """
- rolearn: arn:aws:iam::123456789012:role/win
  username: system:node:{{EC2PrivateDNSName}}
  groups: [system:bootstrappers, system:nodes, eks:kube-proxy-windows]
- rolearn: arn:aws:iam::123456789012:role/path/linux
"""


def test_aws_auth_is_read_without_account_ids():
    state = kubectl.load(aws_auth={"mapRoles": AUTH})
    assert [m.role for m in state.aws_auth] == ["win", "linux"]
    assert state.aws_auth[1].has_path
    assert "123456789012" not in json.dumps(state.to_dict())


def test_an_absent_configmap_is_known_only_where_it_is_said():
    assert kubectl.load(configmap={}).cni_configmap == {}
    assert kubectl.load(NODE).cni_configmap is None
    listed = {
        "kind": "ConfigMap",
        "metadata": {"name": "kube-root-ca.crt", "namespace": "kube-system"},
        "data": {"ca.crt": "x"},
    }
    assert kubectl.load({"kind": "List", "items": [listed]}).cni_configmap == {}


def test_a_configmap_value_that_is_no_text_is_refused():
    with pytest.raises(DocumentError, match="quote it"):
        kubectl.load(configmap="data:\n  enable-windows-ipam: true\n")


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "   \n",
        "{",
        '{"kind": "List", "items": [{"kind": "Pod"',
        '{"kind": "List", "items": [1]}',
        '{"kind": "Pod", "metadata": null}',
        '{"kind": "Pod", "metadata": {"name": 5}, "spec": {}}',
        '{"kind": "Node", "metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "lots"}}}',
        '{"kind": "Secret", "metadata": {"name": "x"}}',
        '{"a": 1}',
        "- 1\n- 2\n",
        "a: [\n",
        '{"items": ' + "[" * 100_000,
        "a: " + "[" * 500 + "\n",
        b"\xff\xfe\x00",
    ],
)
def test_damaged_sources_are_clear_errors(bad):
    with pytest.raises(CapacityError):
        kubectl.load(bad)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("command", ["cluster", "fleet", "plan"])
def test_a_list_of_which_more_objects_follow_is_refused(command, nested, tmp_path):
    page = {"kind": "NodeList", "items": [NODE], "metadata": {"continue": "abc"}}
    path = tmp_path / "nodes.json"
    path.write_text(json.dumps({"kind": "List", "items": [page]} if nested else page))
    source = (path,) if command != "cluster" else ("-f", path)
    answer = CliRunner().invoke(cli.app, [command, *map(str, source)])
    assert "only a part: more objects follow" in str(answer.exception)


def test_an_alias_bomb_is_refused():
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    with pytest.raises(DocumentError, match="aliases"):
        mapping("\n".join(lines))


def test_yaml_cannot_build_objects():
    with pytest.raises(DocumentError):
        mapping("a: !!python/object/apply:os.system [echo]\n")


def test_a_source_of_no_known_kind_is_refused():
    with pytest.raises(UnsupportedInputError):
        kubectl.load(5)


def test_a_directory_is_no_source(tmp_path):
    with pytest.raises(DocumentError, match="not a regular file"):
        kubectl.load(tmp_path)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=4), values, max_size=5))
def test_walking_through_a_json_text_loses_nothing(document):
    for indent in (None, 4):
        assert mapping(json.dumps(document, indent=indent)) == document


@given(values, values)
def test_any_shape_is_read_or_refused_clearly(metadata, spec):
    for kind in ("Pod", "Node", "Deployment", "Service", "EndpointSlice", "ConfigMap"):
        try:
            kubectl.load({"kind": kind, "metadata": metadata, "spec": spec})
        except CapacityError:
            continue


def test_a_long_list_comes_piece_by_piece():
    text = json.dumps({"items": [{"n": i, "t": "x" * 1000} for i in range(3000)], "kind": "List"})
    items = [value for _, key, _, value in members(io.StringIO(text)) if key == "items"]
    assert [item["n"] for item in items] == list(range(3000))


def test_a_saved_state_loads_back_whole(tmp_path):
    state = kubectl.load([NODE, pod("a", nodeName="win-1")], aws_auth={"mapRoles": AUTH})
    state.save(tmp_path / "s.json")
    assert ClusterState.load(tmp_path / "s.json") == state
    assert load_files(tmp_path / "s.json") == state
    with pytest.raises(DocumentError):
        ClusterState.from_dict({"format": "other"})


def test_states_of_two_clusters_do_not_merge():
    with pytest.raises(StateConflictError, match="version"):
        ClusterState(version="1.30").merge(ClusterState(version="1.31"))
    one = ClusterState(pods=(Pod(namespace="a", name="b"),))
    other = ClusterState(pods=(Pod(namespace="a", name="b", phase="Running"),))
    with pytest.raises(StateConflictError, match="pods"):
        one.merge(other)


NAMESPACED = {
    part: record
    for part, hint in get_type_hints(ClusterState).items()
    for several in get_args(hint)
    for record in get_args(several)
    if hasattr(record, "namespace")
}


@pytest.mark.parametrize("part", NAMESPACED)
def test_records_of_one_name_in_several_namespaces_are_several(part):
    kind = {"kind": "Deployment"} if part == "workloads" else {}
    records = [NAMESPACED[part](namespace=namespace, name="web", **kind) for namespace in "abc"]
    merged = ClusterState(**{part: records[:2]}).merge(ClusterState(**{part: records[1:]}))
    assert list(getattr(merged, part)) == records


@pytest.mark.parametrize(
    ("zone", "fits"),
    [
        ("eu-west-1a", True),
        ("us-east-1a", False),
        ("", True),
        ("rack-7", True),
        ("eu-west-1-x-1a", True),
    ],
)
def test_nodes_of_another_region_are_not_those_of_the_cluster(zone, fits):
    cluster = ClusterState(name="prod", region="eu-west-1")
    nodes = ClusterState(nodes=(Node(name="win-1", zone=zone),))
    for one, other in ((cluster, nodes), (nodes, cluster)):
        if fits:
            assert one.merge(other).nodes == nodes.nodes
            continue
        with pytest.raises(StateConflictError, match="in eu-west-1 and node win-1 in us-east-1a"):
            one.merge(other)


def test_files_of_kubectl_and_of_aws_go_together():
    state = load_files(
        json.dumps(NODE),
        json.dumps({"cluster": {"name": "prod", "version": "1.30", "platformVersion": "eks.5"}}),
    )
    assert (state.name, len(state.nodes)) == ("prod", 1)


@pytest.mark.parametrize(
    "part",
    [
        {"metadata": {"deletionTimestamp": "2026-11-01T00:00:00Z"}},
        {"spec": {"taints": [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]}},
        {"spec": {"taints": [{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]}},
        {"spec": {"taints": [{"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}]}},
        {
            "status": {
                "conditions": [{"type": t, "status": "True"} for t in ("Ready", "DiskPressure")]
            }
        },
    ],
)
def test_a_node_that_takes_no_pods_has_no_head_room_and_is_not_uncordoned(part):
    bad = {
        key: {**value, **part.get(key, {})}
        for key, value in NODE.items()
        if isinstance(value, dict)
    }
    waits = {
        "type": "PodScheduled",
        "status": "False",
        "message": "0/1 nodes are available: 1 node(s) "
        "had untolerated taint {karpenter.sh/disrupted: }.",
    }
    pod = {
        "kind": "Pod",
        "metadata": {"name": "a", "namespace": "b"},
        "spec": {"nodeSelector": {"kubernetes.io/os": "windows"}, "containers": []},
        "status": {"phase": "Pending", "conditions": [waits]},
    }
    state = kubectl.load({"kind": "List", "items": [{**NODE, **bad}, pod]})
    assert cluster_report(state).nodes["headroom"].tolist() == [0]
    (pending,) = explain_pending(state)
    assert pending.cause == "not-ready"
    assert "uncordon" not in {option.code for option in pending.options}
    assert [f.outcome for f in check_cluster(state) if f.code == "windows-nodes-ready"] == ["fail"]


def test_a_taint_that_workloads_choose_bars_nobody():
    taint = {"key": "os", "value": "windows", "effect": "NoSchedule"}
    state = kubectl.load({**NODE, "spec": {"taints": [taint]}})
    assert (state.nodes[0].schedulable, state.nodes[0].barred) == (True, "")


WINDOWS = {
    "nodeSelector": {"kubernetes.io/os": "windows"},
    "containers": [{"resources": {"requests": {"vpc.amazonaws.com/PrivateIPv4Address": "1"}}}],
}
QUOTA = 'Error creating: pods "web-5d7c9-x" is forbidden: exceeded quota: small'
WEBHOOK = 'Error creating: failed calling webhook "mpod.vpc.k8s.aws": context deadline exceeded'


@pytest.mark.parametrize(
    ("text", "by", "words"),
    [
        (QUOTA, "event", "resourcequota -n shop"),
        (WEBHOOK, "event", "webhook"),
        ("pods are forbidden", "condition", "describe deployment -n shop web"),
    ],
)
@pytest.mark.parametrize("replicas", [1, 3])
def test_pods_that_are_not_even_created_wait_too(text, by, words, replicas):
    meta = {"name": "web", "namespace": "shop"}
    failing = [{"type": "ReplicaFailure", "status": "True", "message": text}]
    web = {
        "kind": "Deployment",
        "metadata": meta,
        "spec": {"replicas": replicas, "template": {"spec": WINDOWS}},
        "status": {"conditions": failing if by == "condition" else []},
    }
    event = {
        "kind": "Event",
        "metadata": {"name": "e", "namespace": "shop"},
        "involvedObject": {"kind": "ReplicaSet", "namespace": "shop", "name": "web-5d7c9"},
        "reason": "FailedCreate" if by == "event" else "Other",
        "message": text,
    }
    running = {
        "kind": "Pod",
        "metadata": {
            "name": "web-5d7c9-a",
            "namespace": "shop",
            "labels": {"pod-template-hash": "5d7c9"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-5d7c9"}],
        },
        "spec": {**WINDOWS, "nodeName": "win-1"},
        "status": {"phase": "Running"},
    }
    state = kubectl.load({"kind": "List", "items": [NODE, web, event, running]})
    rows = explain_pending(state)
    assert [(row.pod, row.cause, row.waiting) for row in rows] == [
        ("shop/web", "not-created", replicas - 1)
    ] * (replicas > 1)
    assert all(words in row.remedy and row.message == text for row in rows)


def test_a_container_that_does_not_start_does_not_wait_for_an_address():
    waits = {"reason": "CreateContainerError", "message": "hcs::CreateComputeSystem: invalid"}
    pod = {
        "kind": "Pod",
        "metadata": {"name": "a", "namespace": "b"},
        "spec": {**WINDOWS, "nodeName": "win-1"},
        "status": {"phase": "Pending", "containerStatuses": [{"state": {"waiting": waits}}]},
    }
    (row,) = explain_pending(kubectl.load({"kind": "List", "items": [NODE, pod]}))
    assert (row.cause, row.change) == ("container", "look")


def test_what_pods_request_beside_what_is_counted_is_said(tmp_path):
    asks = {
        "requests": {"cpu": "1", "ephemeral-storage": "20Gi"},
        "limits": {"nvidia.com/gpu": "1"},
    }
    pod = {
        "kind": "Pod",
        "metadata": {"name": "a", "namespace": "b"},
        "spec": {**WINDOWS, "nodeName": "win-1", "containers": [{"resources": asks}]},
        "status": {"phase": "Running"},
    }
    path = tmp_path / "k.json"
    path.write_text(json.dumps({"kind": "List", "items": [NODE, pod]}))
    words = "ephemeral-storage, nvidia.com/gpu, which 1 pod requests, first b/a"
    assert any(words in note for note in cluster_report(load_files(path)).unknown)
    answer = CliRunner().invoke(cli.app, ["plan", str(path), "-t", "m5.xlarge", "--no-compare"])
    assert f"the plan does not look at {words}" in answer.output
    pod["status"]["phase"] = "Succeeded"
    done = kubectl.load({"kind": "List", "items": [NODE, pod]})
    assert not any("which" in note for note in cluster_report(done).unknown)
