"""The same evidence gives one verdict in ``check``, ``cluster`` and ``explain``."""

import pickle
import re
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity import Reservation, WarmPool, load_files
from eks_win_capacity.cluster import (
    ClusterState,
    InterfaceState,
    Node,
    NodeClaim,
    NodeGroup,
    Pod,
    SubnetState,
    check_cluster,
    cluster_report,
    explain_pending,
)
from eks_win_capacity.cluster.pending import NO_ROOM
from eks_win_capacity.cluster.serving import autoscaler_tags
from eks_win_capacity.cluster.shared_room import most_pods
from eks_win_capacity.core.errors import StateConflictError, WarmTargetError

RESOURCE = "vpc.amazonaws.com/PrivateIPv4Address"
ON = {"enable-windows-ipam": "true"}
PREFIX = {**ON, "enable-windows-prefix-delegation": "true"}
NO_LABEL = f"Failed to create pod sandbox: pod does not have label {RESOURCE}"


def a_node(name="win-1", kind="m5.large", addresses=9, *, conditions=True, labels=None):
    offered = {"cpu": "4", "memory": "16Gi", "pods": "110"}
    if addresses is not None:
        offered[RESOURCE] = str(addresses)
    return {
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/os": "windows",
                **({"node.kubernetes.io/instance-type": kind} if kind else {}),
                **(labels or {}),
            },
        },
        "spec": {},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "10.0.1.12"}],
            "allocatable": offered,
            "conditions": [{"type": "Ready", "status": "True"}] if conditions else [],
        },
    }


def a_pod(name="p", node="win-1", phase="Pending", *, asks=True, ip="", message="", **spec):
    requests = {"cpu": "10m", "memory": "50Mi", **({RESOURCE: "1"} if asks else {})}
    scheduled = {"type": "PodScheduled", "status": "False" if message else "True"}
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "annotations": {RESOURCE: f"{ip}/24"} if ip else {},
            "ownerReferences": [{"kind": "StatefulSet", "name": "web", "controller": True}],
        },
        "spec": {
            "containers": [{"name": "c", "resources": {"requests": requests}}],
            "nodeSelector": {"kubernetes.io/os": "windows"},
            **({"nodeName": node} if node else {}),
            **spec,
        },
        "status": {"phase": phase, "conditions": [{**scheduled, "message": message}]},
    }


def an_event(kind, name, reason, message):
    about = {"kind": kind, "name": name, "namespace": "shop" if kind == "Pod" else "default"}
    return {
        "kind": "Event",
        "metadata": {"name": f"{name}.1", "namespace": "default"},
        "involvedObject": about,
        "type": "Warning",
        "reason": reason,
        "message": message,
    }


def a_configmap(data):
    return {
        "kind": "ConfigMap",
        "metadata": {"name": "amazon-vpc-cni", "namespace": "kube-system"},
        "data": data,
    }


def interfaces(secondary=(), prefixes=()):
    return {
        "NetworkInterfaces": [
            {
                "NetworkInterfaceId": "eni-1",
                "SubnetId": "subnet-1",
                "InterfaceType": "interface",
                "PrivateIpAddress": "10.0.1.12",
                "PrivateIpAddresses": [
                    {"Primary": True, "PrivateIpAddress": "10.0.1.12"},
                    *({"Primary": False, "PrivateIpAddress": ip} for ip in secondary),
                ],
                "Ipv4Prefixes": [{"Ipv4Prefix": prefix} for prefix in prefixes],
                "Attachment": {"InstanceId": "i-0a"},
            }
        ]
    }


SUBNET = {
    "Subnets": [
        {
            "SubnetId": "subnet-1",
            "VpcId": "vpc-1",
            "CidrBlock": "10.0.1.0/24",
            "AvailabilityZone": "eu-west-1a",
            "AvailableIpAddressCount": 236,
        }
    ]
}


def loaded(*items, answers=()):
    return load_files({"kind": "List", "items": list(items)}, *answers)


def option(pod, code):
    return next(change for change in pod.options if change.code == code)


# -- a pod that asked for no address ------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "change", "said"),
    [
        (
            {"nodeSelector": {}, "os": {"name": "windows"}},
            "select-windows",
            "kubectl patch statefulset -n shop web",
        ),
        (
            {"nodeSelector": {"nodegroup": "windows"}},
            "select-windows",
            '"nodeSelector": {"kubernetes.io/os": "windows"}',
        ),
        ({"runtimeClassName": "windows-2022"}, "recreate-pod", "mutatingwebhookconfigurations"),
    ],
)
def test_a_pod_that_asked_for_no_address_never_waits(spec, change, said):
    state = loaded(
        a_node(),
        a_pod(asks=False, **spec),
        an_event("Pod", "p", "FailedCreatePodSandBox", NO_LABEL),
        a_configmap(ON),
    )
    (pod,) = explain_pending(state)
    assert (pod.cause, pod.change) == ("no-address-asked", change)
    assert said in pod.remedy
    assert RESOURCE in pod.evidence[0]
    assert "wait" not in {option.code for option in pod.options}
    row = cluster_report(state).nodes.iloc[0]
    assert (row.address_pods_used, row.no_address_pods, row.pods, row.headroom) == (0, 1, 1, 9)


def test_a_pod_that_runs_or_that_the_scheduler_counts_has_asked():
    running = a_pod("r", phase="Running", asks=False)
    counted = a_pod(
        "w", "", asks=False, message=f"0/1 nodes are available: 1 Insufficient {RESOURCE}."
    )
    state = loaded(a_node(addresses=1), running, counted, a_configmap(ON))
    assert [pod.cause for pod in explain_pending(state)] == ["addresses"]
    assert cluster_report(state).nodes.iloc[0].address_pods_used == 1


# -- a node that the controller does not serve --------------------------------------------

MISSED = f"0/3 nodes are available: 1 Insufficient {RESOURCE}, 2 node(s) didn't match."


def verdicts(state):
    (pod,) = explain_pending(state)
    report = cluster_report(state)
    row = report.nodes.iloc[0]
    findings = check_cluster(state)
    failed = {finding.code for finding in findings if finding.outcome == "fail"}
    return pod, row, failed


@pytest.mark.parametrize(
    ("node", "extra", "answers", "reason", "change"),
    [
        ({"kind": "c5a.large", "addresses": 0}, (), (), "not-initialised", "initialise-node"),
        (
            {"addresses": None},
            (),
            ({"AttachedPolicies": [{"PolicyName": "AmazonEKSClusterPolicy"}]},),
            "role-policy",
            "attach-policy",
        ),
        (
            {"addresses": None},
            (an_event("Node", "win-1", "Unsupported", "type is not supported"),),
            (),
            "type-unknown-to-controller",
            "other-type",
        ),
        (
            {"addresses": None},
            (an_event("Node", "win-1", "NodeTrunkFailed", "no permission"),),
            (),
            "node-event",
            "initialise-node",
        ),
    ],
)
def test_a_node_that_is_not_served_is_never_a_matter_of_prefixes(
    node, extra, answers, reason, change
):
    items = (a_node(**node), a_pod(node="", message=MISSED), a_configmap(ON), *extra)
    pod, row, failed = verdicts(loaded(*items, answers=answers))
    assert (pod.cause, pod.change, row.reason) == ("not-served", change, reason)
    assert not {"prefix-delegation", "wait", "more-nodes"} & {c.code for c in pod.options}
    assert row.headroom == 0
    assert "node-advertises-addresses" in failed
    if extra:
        assert any(extra[0]["reason"] in text for text in pod.evidence)
        assert extra[0]["reason"] in row.evidence
    if reason == "role-policy":
        assert "attach-role-policy" in pod.remedy
    if change == "initialise-node" and not extra:
        # What is not known is asked for, with the command that tells.
        assert "list-attached-role-policies" in pod.remedy
        assert option(pod, change).feasible is None


def test_an_old_platform_serves_no_windows_node():
    state = loaded(a_node(addresses=0), a_pod(node="", message=MISSED), a_configmap(ON)).merge(
        ClusterState(version="1.24", platform_version="eks.1", name="prod")
    )
    pod, row, _ = verdicts(state)
    assert (pod.change, row.reason) == ("update-cluster", "platform-too-old")


def test_a_node_without_its_type_label_is_named_as_such():
    row = cluster_report(loaded(a_node(kind=""))).nodes.iloc[0]
    assert row.reason == "type-label-missing"


def test_a_node_without_a_ready_condition_is_not_known_to_be_ready():
    state = loaded(a_node(conditions=False), a_pod("r", phase="Running"))
    assert state.nodes[0].ready is None
    report = cluster_report(state)
    assert report.nodes.iloc[0].ready is None
    assert pd.isna(report.nodes.iloc[0].headroom)
    assert report.total["ready"] == 0


# -- what the interface holds -------------------------------------------------------------

OLD = [f"10.0.1.{20 + 3 * n}" for n in range(14)]


def held_by_old_mode(secondary=OLD, prefixes=(), pods=14, late=1):
    items = [a_node(kind="t3.xlarge", addresses=224), a_configmap(PREFIX)]
    items += [a_pod(f"r{n}", phase="Running", ip=OLD[n]) for n in range(pods)]
    items += [a_pod(f"late{n}") for n in range(late)]
    return loaded(*items, answers=(SUBNET, interfaces(secondary, prefixes)))


def test_slots_of_the_old_mode_are_emptied_and_not_waited_for():
    pod, row, _ = verdicts(held_by_old_mode())
    assert (pod.cause, pod.change) == ("slots-held", "empty-node")
    steps = [pod.remedy.index(word) for word in ("cordon", "start", "kubectl drain", "terminate")]
    assert steps == sorted(steps)
    assert "14 secondary addresses" in pod.evidence[0]
    assert (row.attachable, row.headroom, row.blocked) == (0, 0, "slots-held")
    assert "14 secondary addresses" in row.evidence


def test_headroom_counts_what_can_still_be_attached():
    # Three old pods on 14 slots: 11 slots take a prefix each.
    report = cluster_report(held_by_old_mode(OLD[:3], pods=3, late=0))
    assert report.nodes.iloc[0].attachable == 176
    # The kubelet's 110 binds then; with 13 slots held one prefix is left.
    row = cluster_report(held_by_old_mode(OLD[:13], pods=13, late=0)).nodes.iloc[0]
    assert (row.attachable, row.headroom, row.binding) == (16, 16, "addresses")


def test_one_is_not_written_as_many():
    (pod,) = explain_pending(held_by_old_mode(OLD[:13], pods=13))
    assert "has 1 free slot and its subnet" in pod.evidence[0]
    stuck = explain_pending(held_by_old_mode(OLD[:1], pods=1, late=0))
    assert not stuck


def test_waiting_is_advised_where_an_address_is_there_or_on_its_way():
    state = held_by_old_mode((), ["10.0.1.32/28"], pods=0)
    (pod,) = explain_pending(state)
    assert (pod.cause, pod.change) == ("waiting-for-address", "wait")
    assert "16 addresses attached to win-1 without a pod" in pod.evidence[0]
    (pod,) = explain_pending(held_by_old_mode((), (), pods=0))
    assert "win-1 has 14 free slots" in pod.evidence[0]
    # Without the interface nothing is known to come: the answer that tells is named.
    (pod,) = explain_pending(
        loaded(a_node(kind="t3.xlarge", addresses=224), a_pod(), a_configmap(PREFIX))
    )
    assert pod.change == "look"
    assert option(pod, "look").feasible is None
    assert "describe-network-interfaces" in pod.remedy


def test_a_pod_on_a_node_that_is_not_ready_waits_for_the_node():
    node = a_node()
    node["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
    pod, row, _ = verdicts(loaded(node, a_pod(), a_configmap(ON)))
    assert (pod.cause, pod.change, row.blocked) == ("node-not-ready", "look", "node-not-ready")
    assert pod.evidence == ("win-1 is not ready",)
    assert not {"wait", "prefix-delegation"} & {change.code for change in pod.options}


def test_an_event_of_the_node_tells_that_no_whole_block_is_left():
    said = "InsufficientCidrBlocks: The specified subnet does not have enough free cidr blocks"
    state = loaded(
        a_node(addresses=144),
        *(a_pod(f"r{n}", phase="Running") for n in range(16)),
        a_pod("late"),
        an_event("Node", "win-1", "InsufficientCidrBlocks", said),
        a_configmap(PREFIX),
    )
    pod, row, _ = verdicts(state)
    assert pod.cause == "prefixes"
    assert "InsufficientCidrBlocks" in pod.evidence[0]
    assert {"reserve-prefixes", "other-subnet", "secondary-mode"} <= {c.code for c in pod.options}
    assert "wait" not in {c.code for c in pod.options}
    assert (row.headroom, row.blocked) == (0, "prefixes")
    assert "InsufficientCidrBlocks" in row.evidence


def test_single_addresses_serve_the_pods_that_wait_on_their_node_too():
    # Another interface breaks each whole block.
    broken = interfaces([f"10.0.1.{16 * block + 5}" for block in range(1, 16)])
    broken["NetworkInterfaces"][0] |= {
        "NetworkInterfaceId": "eni-2",
        "PrivateIpAddress": "10.0.1.9",
    }
    broken["NetworkInterfaces"][0]["PrivateIpAddresses"][0]["PrivateIpAddress"] = "10.0.1.9"
    broken["NetworkInterfaces"][0]["Attachment"] = {"InstanceId": "i-0b"}
    state = loaded(
        a_node(kind="t3.xlarge", addresses=224),
        a_pod("late"),
        a_pod("later"),
        a_configmap(PREFIX),
        answers=(SUBNET, interfaces(), broken),
    )
    (pod, _) = explain_pending(state)
    assert pod.cause == "prefixes"
    # All of the 14 slots, of which the two that wait take two.
    assert option(pod, "secondary-mode").gain == 14


# -- autoscalers ----------------------------------------------------------------------------

KARPENTER = (
    'Failed to schedule pod, incompatible with nodepool "default", daemonset overhead='
    '{"cpu":"30m","pods":"3","vpc.amazonaws.com/PrivateIPv4Address":"1"}, no instance type '
    'satisfied resources {"cpu":"1","pods":"4","vpc.amazonaws.com/PrivateIPv4Address":"1"}'
)
LIMITS = (
    'Failed to schedule pod, all available instance types exceed limits for nodepool: "windows"'
)
SCALE = "pod didn't trigger scale-up: 1 "


@pytest.mark.parametrize(
    ("system", "said", "cause", "remedy"),
    [
        ("windows", LIMITS, "nodepool-limits", "raise spec.limits of NodePool windows"),
        ("linux", KARPENTER, "nodepool-mismatch", "In [linux] in NodePool default"),
        ("windows", KARPENTER, "nodepool-mismatch", "Windows AMI family"),
        ("windows", f"{SCALE}max node group size reached", "group-at-maximum", "maxSize="),
        ("windows", f"{SCALE}Insufficient {RESOURCE}", "autoscaler-blind", "node-template"),
    ],
)
def test_what_autoscalers_say_is_read_and_quoted(system, said, cause, remedy):
    event = an_event("Pod", "p", "FailedScheduling", said)
    if said.startswith(SCALE):
        event |= {"type": "Normal", "reason": "NotTriggerScaleUp"}
    full = f"0/1 nodes are available: 1 Insufficient {RESOURCE}."
    pod = a_pod(node="", message=full, nodeSelector={"kubernetes.io/os": system})
    (pending,) = explain_pending(loaded(a_node(), pod, event, a_configmap(ON)))
    assert (pending.cause, pending.evidence) == (cause, (said,))
    assert remedy in pending.remedy
    assert pending.message == full
    # One that was placed since waits for something else.
    placed = a_pod(message="", nodeSelector={"kubernetes.io/os": system})
    state = loaded(a_node(), placed, event, a_configmap(ON))
    assert cause not in {late.cause for late in explain_pending(state)}


CLAIM = {
    "kind": "NodeClaim",
    "metadata": {
        "name": "windows-x7",
        "labels": {
            "karpenter.sh/nodepool": "windows",
            "kubernetes.io/os": "windows",
            "node.kubernetes.io/instance-type": "m5.large",
        },
    },
    "spec": {"requirements": []},
}
STEPS = ("Launched", "Registered", "Initialized")
NOT_JOINED = ("Registered", "NodeNotFound", "Node not registered with cluster")
REFUSED = ("Launched", "InsufficientCapacityError", "no subnet has free addresses")
NOT_SERVED = (
    "Initialized", "ResourceNotRegistered", f'Resource "{RESOURCE}" was requested but not registered'
)  # fmt: skip


def a_claim(*still, name="windows-x7", status="Unknown", **labels):
    conditions = {step: {"type": step, "status": "True"} for step in STEPS}
    for step, reason, message in still:
        conditions[step] = {"type": step, "status": status, "reason": reason, "message": message}
    meta = {"name": name, "labels": {**CLAIM["metadata"]["labels"], **labels}}
    return {**CLAIM, "metadata": meta, "status": {"conditions": list(conditions.values())}}


LATE = f"0/1 nodes are available: 1 Insufficient {RESOURCE}."


def of_claims(*claims):
    late = a_pod(node="", message=LATE)
    full = [a_pod(f"r{n}", phase="Running") for n in range(9)]
    state = loaded(a_node(), late, *full, *claims, a_configmap(ON))
    (pod,) = explain_pending(state)
    return pod, [f for f in check_cluster(state) if f.code == "karpenter-node-claims"]


LINUX_FIRST = (
    'Failed to schedule pod, incompatible with nodepool "linux", daemonset overhead={"cpu":"1"}, '
    "incompatible requirements, key kubernetes.io/os, kubernetes.io/os In [windows] not in "
    'kubernetes.io/os In [linux]; incompatible with nodepool "windows", daemonset overhead={}, '
)
TOO_SMALL = (
    'no instance type satisfied resources {"cpu":"30","vpc.amazonaws.com/PrivateIPv4Address":"1"} '
    "and requirements kubernetes.io/os In [windows] (no instance type has enough resources)"
)
POOLS = [
    {
        "kind": "NodePool",
        "metadata": {"name": system},
        "spec": {
            "template": {
                "spec": {
                    "nodeClassRef": {"name": system},
                    "requirements": [
                        {"key": "kubernetes.io/os", "operator": "In", "values": [system]}
                    ],
                }
            }
        },
    }
    for system in ("linux", "windows")
] + [
    {"kind": "EC2NodeClass", "metadata": {"name": name}, "spec": {"amiFamily": family}}
    for name, family in (("linux", "AL2023"), ("windows", "Windows2022"))
]


@pytest.mark.parametrize(
    ("reason", "pools", "change", "said"),
    [
        (
            "did not tolerate taint (taint=os=windows:NoSchedule)",
            [],
            "tolerate",
            '"key": "os", "operator": "Equal", "value": "windows"',
        ),
        ("did not tolerate os=windows:NoSchedule", POOLS, "tolerate", "os=windows:NoSchedule"),
        (TOO_SMALL, POOLS, "larger-type", "larger type in the requirements of NodePool windows"),
        # Without the class it may as well be one of Linux.
        (TOO_SMALL, POOLS[:2], "fix-nodepool", "EC2NodeClass a Windows AMI family"),
        (TOO_SMALL, [], "fix-nodepool", "In [windows] in NodePool windows"),
    ],
)
def test_of_several_nodepools_the_one_that_should_take_the_pod_is_mended(
    reason, pools, change, said
):
    late = a_pod(node="", message=LATE.replace(f"1 Insufficient {RESOURCE}", "1 Insufficient cpu"))
    said_of = an_event("Pod", "p", "FailedScheduling", LINUX_FIRST + reason)
    (pod,) = explain_pending(loaded(a_node(), late, said_of, a_configmap(ON), *pools))
    assert (pod.cause, pod.change) == ("nodepool-mismatch", change)
    assert said in pod.remedy


@pytest.mark.parametrize("system", ["linux", ""])
def test_a_pod_that_waits_on_a_node_of_another_system_is_explained(system):
    message = f"failed to assign {RESOURCE}"
    waits, runs = (
        Pod(namespace="shop", name=phase, node="n", phase=phase, message=message)
        for phase in ("Pending", "Running")
    )
    windows = Pod(namespace="shop", name="w", node="n", phase="Running", selects_os="windows")
    node = Node(
        name="n", os=system, instance_type="m5.large", address="10.0.0.4", advertised_addresses=9
    )
    net = SubnetState(
        subnet_id="s",
        cidr="10.0.0.0/24",
        used=("10.0.0.4",),
        interfaces=(InterfaceState(address="10.0.0.4"),),
    )
    state = ClusterState(nodes=(node,), pods=(waits, runs, windows), subnets=(net,))
    assert [one.pod for one in explain_pending(state)] == ["shop/Pending"]


def test_reservations_of_a_subnet_are_those_of_its_state():
    given = {"subnet_id": "s", "cidr": "10.0.0.0/24", "used": ()}
    kept = Reservation("10.0.0.16/28", "explicit")
    assert SubnetState(**given, reservations=(kept,)) == SubnetState(
        **given, reservations=(("10.0.0.16/28", "explicit"),)
    )


def test_what_an_explicit_reservation_keeps_is_named_with_what_it_would_give():
    kept = {
        "SubnetIpv4CidrReservations": [
            {
                "SubnetCidrReservationId": "scr-1",
                "SubnetId": "subnet-1",
                "Cidr": "10.0.1.0/24",
                "ReservationType": "explicit",
            }
        ]
    }
    full = {"Subnets": [{**SUBNET["Subnets"][0], "AvailableIpAddressCount": 0}]}
    items = (a_node(), a_pod(), a_configmap(ON))
    (pod,) = explain_pending(loaded(*items, answers=(full, interfaces(OLD[:0]), kept)))
    assert pod.cause == "subnet"
    change = option(pod, "give-back-reservation")
    assert (change.gain, change.unit, change.feasible) == (250, "addresses", True)
    assert "10.0.1.0/24" in change.why
    (pod,) = explain_pending(loaded(*items, answers=(full, interfaces(OLD[:0]))))
    assert "give-back-reservation" not in {change.code for change in pod.options}


@pytest.mark.parametrize("lacks", [RESOURCE, "cpu"])
def test_prefixes_help_at_a_limit_only_who_lacks_addresses(lacks):
    message = f"0/1 nodes are available: 1 Insufficient {lacks}."
    limit = 'all available instance types exceed limits for nodepool: "windows"'
    state = loaded(
        a_node(),
        a_pod(node="", message=message),
        an_event("Pod", "p", "FailedScheduling", limit),
        a_configmap(ON),
    )
    (pod,) = explain_pending(state)
    codes = {change.code for change in pod.options}
    assert codes >= {"raise-limits"}
    assert ("prefix-delegation" in codes) == (lacks == RESOURCE)


def test_a_node_that_karpenter_starts_is_waited_for_and_named():
    pod, (finding,) = of_claims(a_claim(NOT_JOINED))
    assert (pod.cause, pod.change, finding.outcome) == ("addresses", "wait", "pass")
    change = option(pod, "wait")
    assert (change.gain, change.feasible, change.nodes) == (9, True, 0)
    assert "NodeClaim windows-x7 (m5.large)" in change.why
    assert "Node not registered with cluster" in change.why
    # A type that is not chosen yet promises nothing that can be counted.
    pod, _ = of_claims(a_claim(NOT_JOINED, **{"node.kubernetes.io/instance-type": ""}))
    change = option(pod, "wait")
    assert (change.gain, change.feasible) == (None, None)
    assert "get nodeclaim windows-x7" in change.remedy


@pytest.mark.parametrize("still", [(REFUSED, NOT_JOINED), (NOT_SERVED,)])
def test_a_node_claim_that_never_becomes_a_node_is_not_waited_for(still):
    pod, (finding,) = of_claims(a_claim(*still))
    assert "wait" not in {change.code for change in pod.options}
    assert option(pod, "fix-nodeclaim").feasible is None
    assert (finding.outcome, finding.subject) == ("fail", "windows-x7")
    for text in (finding.seen, option(pod, "fix-nodeclaim").why):
        assert still[0][2] in text
    assert finding.remedy == option(pod, "fix-nodeclaim").remedy


@pytest.mark.parametrize(
    "claims",
    [
        (a_claim(),),
        (a_claim(NOT_JOINED, **{"kubernetes.io/os": "linux"}),),
        # Without a word about the system the NodePool tells, and none is known here.
        (a_claim(NOT_JOINED, **{"kubernetes.io/os": ""}),),
    ],
)
def test_a_node_claim_of_linux_or_one_that_is_a_node_promises_nothing(claims):
    pod, (finding,) = of_claims(*claims)
    assert not {"wait", "fix-nodeclaim"} & {change.code for change in pod.options}
    assert finding.outcome == "pass"


def test_a_node_claim_is_read_in_its_older_form_and_saved_whole(tmp_path):
    machine = {
        "kind": "Machine",
        "metadata": {"name": "m", "labels": {"karpenter.sh/provisioner-name": "old"}},
        "spec": {
            "requirements": [
                {"key": "kubernetes.io/os", "operator": "In", "values": ["windows"]},
                {
                    "key": "node.kubernetes.io/instance-type",
                    "operator": "In",
                    "values": ["m5.large", "m5.xlarge"],
                },
            ]
        },
    }
    state = loaded(a_node(), machine)
    (claim,) = state.node_claims
    assert (claim.node_pool, claim.systems, claim.instance_type) == ("old", ("windows",), "")
    assert [step for step, _, _ in claim.open] == list(STEPS)
    state.save(tmp_path / "state.json")
    assert ClusterState.load(tmp_path / "state.json") == state
    assert (
        load_files(
            {"kind": "NodeClaimList", "items": []}, {"kind": "Node", "metadata": {"name": "n"}}
        ).node_claims
        == ()
    )


# -- laws -----------------------------------------------------------------------------------

BLOCKS = st.lists(st.integers(1, 14), max_size=4, unique=True)
PODS = st.lists(
    st.tuples(st.sampled_from(["Running", "Pending"]), st.sampled_from([None, True, False])),
    max_size=14,
)
COMING = tuple(
    NodeClaim(name=name, systems=("windows",), instance_type="m5.large", open=(step,))
    for name, step in (("windows-x7", NOT_JOINED), ("windows-x8", REFUSED))
)
EXPLICIT = ("10.0.0.128/25", "explicit")
RESERVED = [(EXPLICIT,), (("10.0.0.0/24", "explicit"),), (("10.0.0.64/26", "prefix"), EXPLICIT)]
OTHER = {
    # Advertised by a second node, and what its interface holds.
    9: InterfaceState(address="10.0.0.6", secondary=("10.0.0.7", "10.0.0.8")),
    144: InterfaceState(address="10.0.0.6", prefixes=("10.0.0.224/28",)),
    16: InterfaceState(address="10.0.0.6", secondary=tuple(f"10.0.0.{n}" for n in range(242, 251))),
}
UNTAGGED = NodeGroup(
    name="own",
    managed=False,
    system="windows",
    instance_types=("m5.large",),
    instances=("i-1", "i-2"),
    autoscaling_tags=(),
)
TAGGED = {
    n: replace(UNTAGGED, autoscaling_tags=tuple(autoscaler_tags(n).items())) for n in (9, 144)
}
SAID = [
    f"pod didn't trigger scale-up: 1 Insufficient {RESOURCE}",
    "pod didn't trigger scale-up: 1 max node group size reached",
]


def a_windows_pod(name, node="", phase="Pending", **more):
    return Pod(namespace="shop", name=name, node=node, phase=phase, selects_os="windows", **more)


@st.composite
def clusters(draw):
    """Any cluster of one or two Windows nodes in one subnet, and what is said of it."""
    pick = lambda *values: draw(st.sampled_from(values))  # noqa: E731
    secondary = draw(st.integers(0, 9))
    addresses = tuple(f"10.0.0.{16 * n + 5}" for n in range(1, 1 + secondary))
    blocks = [n for n in draw(BLOCKS) if n > secondary]
    prefixes = tuple(f"10.0.0.{16 * n}/28" for n in blocks)[: 9 - len(addresses)]
    node_interfaces = [InterfaceState(address="10.0.0.4", secondary=addresses, prefixes=prefixes)]
    node = Node(
        name="win-1",
        os="windows",
        instance_type="m5.large",
        address="10.0.0.4",
        pods_limit=110,
        cpu_m=2000,
        memory_bytes=2**33,
        advertised_addresses=pick(None, 0, 9, 144),
        events=pick((), ("InsufficientCidrBlocks: none",), ("Unsupported: type",)),
        ready=pick(True, True, False, None),
        schedulable=draw(st.booleans()),
        instance_id="i-1",
    )
    pods = [
        a_windows_pod(
            f"p{n}",
            "win-1",
            phase,
            requests_address=asks,
            address=addresses[n] if phase == "Running" and n < len(addresses) else "",
        )
        for n, (phase, asks) in enumerate(draw(PODS))
    ]
    nodes, other = [node], pick(None, *OTHER)
    if other and not (other == 144 and 14 in blocks):
        node_interfaces.append(OTHER[other])
        # Sixteen stands for a node that serves prefixes while the other mode holds all its slots.
        offers = 144 if other == 16 else other
        second = replace(node, name="win-2", address="10.0.0.6", instance_id="i-2", events=())
        nodes.append(replace(second, advertised_addresses=offers))
        pods += [a_windows_pod("q", "win-2", requests_address=True)]
    message = f"0/1 nodes are available: 1 Insufficient {RESOURCE}."
    said = pick((), *((text,) for text in SAID))
    waiting = draw(st.integers(0, 2))
    pods += [a_windows_pod(f"w{n}", message=message, events=said) for n in range(waiting)]
    if draw(st.booleans()):
        # The cluster autoscaler under another name.
        pods.append(Pod(namespace="infra", name="x", selects_os="linux", autoscaler=True))
    # Without a pod in kube-system nobody knows what runs in other namespaces.
    pods.append(Pod(namespace="kube-system", name="coredns-1", selects_os="linux", node="linux-1"))
    used = [
        part for one in node_interfaces for part in (one.address, *one.secondary, *one.prefixes)
    ]
    whole = {int(part.split(".")[3].split("/")[0]) // 16 for part in used if "/" in part}
    if not draw(st.booleans()):
        used += [f"10.0.0.{16 * n + 9}" for n in range(1, 15) if n not in whole]
    subnet = SubnetState(
        subnet_id="subnet-1",
        cidr="10.0.0.0/24",
        used=tuple(used),
        interfaces=pick(None, tuple(node_interfaces)),
        reservations=pick(None, (), *RESERVED),
    )
    # What EC2 counts and no interface shows: a reservation, or another account.
    free = subnet.subnet.free_outside_reservations - draw(st.integers(0, 20))
    return ClusterState(
        nodes=tuple(nodes),
        pods=tuple(pods),
        cni_configmap=pick(None, {}, ON, PREFIX, {**ON, "windows-minimum-ip-target": "2"}),
        cluster_role_policies=pick(None, (), ("AmazonEKSVPCResourceController",)),
        subnets=pick(None, (replace(subnet, available=max(free, 0)),)),
        node_claims=pick(None, (), COMING[:1], COMING[1:], COMING),
        node_groups=pick(None, (), (UNTAGGED,), (TAGGED[9],), (TAGGED[144],)),
    )


def nothing_left(row):
    """Of a node that says nothing of its readiness nothing is known to be left."""
    return (row.ready is None and pd.isna(row.headroom)) or row.headroom == 0


@settings(max_examples=120, deadline=None)
@given(clusters())
def test_the_three_faces_never_contradict_one_another(state):
    pending, report, checks = explain_pending(state), cluster_report(state), check_cluster(state)
    rows = report.nodes.set_index("node")
    failed = {f.code for f in checks if f.outcome == "fail"}
    served = {f.subject for f in checks if f.code == "pods-get-addresses" and f.outcome == "fail"}
    assert served == {
        *rows.index[rows["blocked"] != ""],
        *(["no-address-asked"] if rows["no_address_pods"].sum() else []),
    }
    nodes = {pod.full_name: pod.node for pod in state.pods}
    for name, row in rows.iterrows():
        here = [pod.cause for pod in pending if nodes[pod.pod] == name]
        if row.blocked:
            assert row.blocked in here or set(here) <= {"no-address-asked"}, row.blocked
        if not pd.isna(row.attachable) and not pd.isna(row.headroom):
            assert 0 <= row.headroom <= row.attachable
        if row.advertised == 0 and not pd.isna(row.advertised):
            assert nothing_left(row)
    if state.subnets and state.cni_configmap is not None:
        (room,) = [f for f in checks if f.code == "subnet-room"]
        more = report.more_nodes.iloc[0]
        # Full nodes, as every face counts them; the check sees one with a single pod as well.
        assert room.outcome != "pass" or more["best"] > 0
        assert more["best"] == 0 or not (room.outcome == "fail" and room.severity == "error")
    for pod in pending:
        _one_verdict(pod, nodes[pod.pod], rows, failed, state)
    _one_autoscaler(pending, checks, state)


def _one_verdict(pod, node, rows, failed, state):
    """What is said of one pod agrees with what is said of the nodes."""
    codes = {change.code for change in pod.options}
    candidates = rows.loc[[node]] if node else rows
    if pod.cause in {"slots-held", "prefixes", "subnet", "starved", "not-served"}:
        assert all(nothing_left(row) for row in candidates.itertuples())
        assert pod.evidence
    if pod.cause == "not-served":
        assert "node-advertises-addresses" in failed
        assert any(candidates["reason"])
        assert not {"prefix-delegation", "more-nodes"} & codes
    if "wait" in codes:
        # Something is cooling, in creation or known to come.
        assert pod.evidence
        if not any("NodeClaim" in text for text in pod.evidence):
            assert (candidates["blocked"] == "").all()
            assert (candidates["advertised"] > 0).any()
            # Out of what is attached already, or of what the subnet still gives.
            attached = any("without a pod" in text for text in pod.evidence)
            assert attached or not state.subnets or state.subnets[0].available or _blocks(state)
    # A NodeClaim speaks of what lacks room, and of nothing else.
    claimed = bool({"wait", "fix-nodeclaim"} & codes) and not node
    assert claimed == bool(state.node_claims and not node and pod.cause in NO_ROOM)
    if pod.cause == "no-address-asked":
        assert candidates["no_address_pods"].sum() > 0
    for change in pod.options:
        if change.feasible and change.unit:
            assert change.gain > 0, change
        if change.code == "secondary-mode" and change.feasible:
            assert change.gain <= state.subnets[0].available, change
        if change.feasible is None:
            # Unknown, with the answer that would tell.
            assert re.search(r"\b(aws|kubectl) ", f"{change.why} {change.remedy}"), change


def _blocks(state):
    return state.subnets[0].subnet.free_prefixes


def _one_autoscaler(pending, checks, state):
    """Whatever it is called, and whoever tells that it runs."""
    tags = next(f for f in checks if f.code == "autoscaler-node-template")
    runs = any(pod.autoscaler or pod.events for pod in state.pods)
    assert runs or tags.outcome == "pass"
    assert not (runs and tags.outcome == "pass" and "nothing runs" in tags.seen)
    for pod in pending:
        for change in pod.options:
            if change.code == "tag-group" and change.feasible is not False:
                assert tags.outcome != "pass", change
                assert tags.outcome != "fail" or tags.remedy in change.remedy


# -- further nodes ----------------------------------------------------------------------------


def test_explain_and_subnets_count_the_same_further_nodes():
    waiting = a_pod(node="", message="0/1 nodes are available: 1 Insufficient cpu.")
    state = loaded(a_node(), waiting, a_configmap(ON), answers=(SUBNET, interfaces(OLD[:9])))
    report = cluster_report(state)
    (pod,) = explain_pending(state)
    more = option(pod, "more-nodes")
    count = report.subnets.iloc[0]["more_m5.large"]
    assert f"takes {count:,}" in more.why
    (assumption,) = report.assumptions
    assert assumption == "each further m5.large counted full: 9 pods with addresses"
    assert assumption in more.why


# -- what is not known ------------------------------------------------------------------------


def test_a_gap_may_be_a_reservation_or_another_account():
    short = {**SUBNET["Subnets"][0], "AvailableIpAddressCount": 200}
    answers = ({"Subnets": [short]}, interfaces(OLD[:9]))
    state = loaded(a_node(), answers=answers)
    (said,) = [text for text in cluster_report(state).unknown if "EC2 counts" in text]
    assert "a CIDR reservation (aws ec2 get-subnet-cidr-reservations tells)" in said
    assert "another account" in said
    # An answer without a reservation leaves the other account alone.
    state = loaded(a_node(), answers=(*answers, {"SubnetIpv4CidrReservations": []}))
    (said,) = [text for text in cluster_report(state).unknown if "EC2 counts" in text]
    assert "reservation" not in said


def test_headroom_of_prefixes_says_when_it_rests_on_the_advertised_number():
    items = (a_node(addresses=144), a_pod("r", phase="Running"), a_configmap(PREFIX))
    (said,) = [text for text in cluster_report(loaded(*items)).unknown if "attachable" in text]
    assert "1 node hold" in said
    seen = loaded(*items, answers=(SUBNET, interfaces((), ["10.0.1.32/28"])))
    assert not any("attachable" in text for text in cluster_report(seen).unknown)


def m5_nodes(*ends, advertised):
    return tuple(
        Node(
            name=f"win-{end}",
            os="windows",
            instance_type="m5.large",
            address=f"10.0.0.{end}",
            pods_limit=110,
            cpu_m=2000,
            advertised_addresses=advertised,
        )
        for end in ends
    )


def subnet_of(nodes, *used, **more):
    return SubnetState(
        subnet_id="subnet-1",
        cidr="10.0.0.0/24",
        used=used,
        interfaces=tuple(InterfaceState(address=node.address) for node in nodes),
        **more,
    )


def test_nodes_of_one_subnet_do_not_count_its_last_block_twice():
    taken = tuple(f"10.0.0.{16 * n + 9}" for n in range(2, 15))
    nodes = m5_nodes(5, 6, advertised=144)
    subnet = subnet_of(nodes, "10.0.0.5", "10.0.0.6", *taken)
    report = cluster_report(
        ClusterState(nodes=nodes, pods=(), cni_configmap=PREFIX, subnets=(subnet,))
    )
    assert report.nodes["attachable"].tolist() == [16, 16]
    assert (report.total["attachable"], report.total["headroom"]) == (16, 16)


@pytest.mark.parametrize(
    ("used", "reserved", "total"),
    [
        # One whole block of 16 is all that is left: a prefix, or single addresses.
        (range(32, 255), (), 16),
        # Beside the block there are four single addresses.
        (range(36, 255), (), 20),
        # The block is reserved: single addresses never take it.
        (range(36, 255), (("10.0.0.16/28", "prefix"),), 20),
        (range(48, 255), (("10.0.0.16/28", "prefix"),), 32),
    ],
)
def test_nodes_of_two_modes_do_not_count_the_same_addresses(used, reserved, total):
    base = Node(name="win-1", os="windows", pods_limit=110, cpu_m=2000)
    nodes = (
        replace(base, instance_type="m5.large", address="10.0.0.4", advertised_addresses=144),
        replace(
            base, name="win-2", instance_type="m4.large", address="10.0.0.5", advertised_addresses=9
        ),
    )
    # The first block, which AWS keeps in part, is used.
    taken = (*range(4, 16), *used)
    net = subnet_of(nodes, *(f"10.0.0.{n}" for n in taken), reservations=reserved)
    state = ClusterState(nodes=nodes, pods=(), cni_configmap=PREFIX, subnets=(net,))
    assert cluster_report(state).total["headroom"] == total
    # Advice on these nodes promises no more.
    message = f"0/2 nodes are available: 2 Insufficient {RESOURCE}."
    waits = a_windows_pod("w", message=message, requests_address=True)
    closed = tuple(replace(node, schedulable=False) for node in nodes)
    (pod,) = explain_pending(replace(state, nodes=closed, pods=(waits,)))
    assert next(one.gain for one in pod.options if one.code == "uncordon") == total
    (pod,) = explain_pending(replace(state, pods=(waits,)))
    assert any(f"has room for {total} such pods" in seen for seen in pod.evidence)


@given(
    pods=st.integers(0, 300),
    free=st.integers(0, 300),
    of_prefixes=st.integers(0, 300),
    blocks=st.integers(0, 18),
    reserved=st.integers(0, 6),
)
def test_a_shared_subnet_serves_the_most_pods_of_any_number_of_prefixes(
    pods, free, of_prefixes, blocks, reserved
):
    served = (
        min(of_prefixes, 16 * taken) + min(pods, max(free - 16 * max(taken - reserved, 0), 0))
        for taken in range(blocks + 1)
    )
    assert most_pods((pods, free), (of_prefixes, blocks), reserved) == max(served)


def of_vpc(vpc, *addresses):
    return SubnetState(
        subnet_id=f"subnet-{vpc}",
        vpc_id=vpc,
        cidr="10.0.0.0/24",
        used=addresses,
        interfaces=(InterfaceState(address="10.0.0.4"),),
    )


def test_subnets_of_other_vpcs_are_refused_beside_those_of_the_cluster():
    nets = (of_vpc("vpc-1"), of_vpc("vpc-2"))
    with pytest.raises(StateConflictError, match="Name=vpc-id,Values=vpc-1"):
        ClusterState(vpc_id="vpc-1").merge(ClusterState(subnets=nets))
    described = [
        {"SubnetId": net.subnet_id, "VpcId": net.vpc_id, "CidrBlock": net.cidr} for net in nets
    ]
    cluster = {"cluster": {"name": "prod", "resourcesVpcConfig": {"vpcId": "vpc-1"}}}
    with pytest.raises(StateConflictError, match="subnet-vpc-2 is of vpc-2"):
        load_files(cluster, {"Subnets": described})


def test_a_node_whose_address_two_vpcs_have_is_in_no_known_subnet():
    node = Node(
        name="win-1",
        os="windows",
        instance_type="m5.large",
        address="10.0.0.4",
        pods_limit=110,
        advertised_addresses=9,
    )
    nets = (of_vpc("vpc-1", "10.0.0.4"), of_vpc("vpc-2", "10.0.0.4"))
    state = ClusterState(nodes=(node,), pods=(), cni_configmap={"enable-windows-ipam": "true"})
    alone = cluster_report(replace(state, subnets=nets[:1])).nodes
    both = cluster_report(replace(state, subnets=nets)).nodes
    assert alone["attachable"].tolist() == [9]
    assert both["attachable"].isna().all()


@pytest.mark.parametrize(("free", "gain"), [(5, 5), (100, 18)])
def test_turning_windows_support_on_gives_no_more_than_the_subnet_has(free, gain):
    nodes = m5_nodes(4, 5, advertised=0)
    net = subnet_of(nodes, *(f"10.0.0.{n}" for n in range(4, 255 - free)))
    message = f"0/2 nodes are available: 2 Insufficient {RESOURCE}."
    (pod,) = explain_pending(
        ClusterState(
            nodes=nodes,
            pods=(a_windows_pod("w", message=message, requests_address=True),),
            cni_configmap={"enable-windows-ipam": "false"},
            subnets=(net,),
        )
    )
    assert next(o.gain for o in pod.options if o.code == "enable-windows-ipam") == gain


def test_a_missing_policy_is_not_to_blame_where_another_node_is_served():
    answers = ({"AttachedPolicies": [{"PolicyName": "AmazonEKSClusterPolicy"}]},)
    items = (a_node(addresses=None), a_node("win-2"), a_configmap(ON))
    rows = cluster_report(loaded(*items, answers=answers)).nodes.set_index("node")
    assert rows.loc["win-1", "reason"] == "not-initialised"
    assert rows.loc["win-2", "reason"] == ""


@pytest.mark.parametrize("data", [None, ON, PREFIX, PREFIX | {"warm-ip-target": "2000000"}])
def test_a_state_keeps_what_its_subnets_and_its_configmap_mean(data):
    subnet = SubnetState(subnet_id="subnet-1", cidr="10.0.1.0/24", used=("10.0.1.12",))
    state = ClusterState(cni_configmap=data, subnets=(subnet,))
    assert state.subnets[0].subnet is subnet.subnet
    assert replace(subnet, used=()).subnet.used == 0
    assert pickle.loads(pickle.dumps(state)) == state
    assert ClusterState.from_dict(state.to_dict()) == state
    for nitro, pool in state.warm_pools.items():
        try:
            asked = None if data is None else WarmPool.from_configmap(data, nitro=nitro)
        except WarmTargetError:
            asked = None
        assert pool == asked
