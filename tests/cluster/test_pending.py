"""Why pods wait: what messages say, what helps, and what each change gains."""

import json
import re
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from large_state import large_state

from eks_win_capacity import plan_fleet
from eks_win_capacity.catalog import Catalog
from eks_win_capacity.cluster import (
    ClusterState,
    Node,
    NodeGroup,
    Pod,
    SubnetState,
    cluster_report,
    cluster_view,
    explain_pending,
)
from eks_win_capacity.cluster.serving import causes, taints_of
from eks_win_capacity.core.errors import InputError

ON = {"enable-windows-ipam": "true"}
PREFIX = {**ON, "enable-windows-prefix-delegation": "true"}
FULL = "0/2 nodes are available: 2 Insufficient vpc.amazonaws.com/PrivateIPv4Address."
MANY = "0/1 nodes are available: 1 Too many pods. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
MIB = 2**20


def node(number, **how):
    return replace(
        Node(
            name=f"win-{number}",
            os="windows",
            instance_type="m5.large",
            node_group="win",
            zone="a",
            address=f"10.0.0.{16 * number + 4}",
            pods_limit=110,
            advertised_addresses=9,
            cpu_m=2000,
            memory_bytes=6 * 1024 * MIB,
        ),
        **how,
    )


def running(count, where="win-1", **how):
    return tuple(
        replace(
            Pod(
                namespace="shop",
                name=f"{where}-{number}",
                node=where,
                phase="Running",
                selects_os="windows",
                cpu_m=100,
                memory_bytes=100 * MIB,
            ),
            **how,
        )
        for number in range(count)
    )


def waiting(count=1, message=FULL, **how):
    return running(count, "", phase="Pending", message=message, **how)


def subnet(name="subnet-1", cidr="10.0.0.0/24", used=(), **how):
    return SubnetState(subnet_id=name, cidr=cidr, zone="a", used=tuple(used), **how)


GROUP = NodeGroup(
    name="win",
    ami_type="WINDOWS_CORE_2022_x86_64",
    instance_types=("m5.large",),
    desired_size=2,
    max_size=3,
    subnet_ids=("subnet-1",),
)


def explained(**parts):
    state = ClusterState(
        **{"name": "prod", "nodes": (node(1), node(2)), "cni_configmap": ON, **parts}
    )
    return explain_pending(state)


def option(pod, code):
    return next(change for change in pod.options if change.code == code)


@pytest.mark.parametrize(("selected", "shown"), [(1, True), (2, False)])
def test_room_that_the_message_denies_is_named_beside_linux_nodes_too(selected, shown):
    message = (
        f"0/3 nodes are available: {selected} node(s) didn't match Pod's node affinity/selector, "
    )
    nodes = (node(1), node(2), node(3, os="linux", advertised_addresses=None))
    (pod,) = explained(nodes=nodes, pods=waiting(message=message + FULL.partition(": ")[2]))
    assert any("has room for 18 such pods" in seen for seen in pod.evidence) is shown
    assert (pod.change == "look" and "nodeName=win-1" in pod.remedy) is shown


@pytest.mark.parametrize(("many", "first"), [(18, "look"), (19, "more-nodes")])
def test_nodes_are_not_bought_while_what_is_known_has_room_for_all(many, first):
    pod, *_ = explained(pods=waiting(many, cpu_m=10, memory_bytes=MIB), node_groups=(GROUP,))
    assert pod.change == first
    assert any("has room for 18" in seen for seen in pod.evidence)


def test_a_cluster_of_which_no_subnet_was_given_may_still_grow():
    (pod,) = explained(pods=waiting(), node_groups=(GROUP,), subnets=())
    more = option(pod, "more-nodes")
    assert more.feasible is None
    assert "describe-subnets" in more.why


@pytest.mark.parametrize(
    ("daemon", "nodes", "gain"),
    [
        # Of 9 addresses one goes to the DaemonSet on each new node, too.
        ({"cpu_m": 10, "memory_bytes": MIB}, 2, 16),
        ({"cpu_m": 1500, "memory_bytes": MIB}, 2, 10),
        ({"cpu_m": 1500, "memory_bytes": MIB, "host_process": True}, 2, 10),
        ({"cpu_m": 10, "memory_bytes": 5632 * MIB}, 2, 10),
    ],
)
def test_further_nodes_run_the_pods_of_daemonsets_too(daemon, nodes, gain):
    logs = running(1, owner="DaemonSet/logs", **daemon)
    pods = (*logs, *waiting(gain - 1, owner="Deployment/web"))
    parts = {
        "nodes": (node(1),),
        "node_groups": (replace(GROUP, max_size=9),),
        "subnets": (subnet(),),
    }
    more = option(explained(pods=pods, **parts)[0], "more-nodes")
    assert (more.nodes, more.gain) == (nodes, gain)
    plan = plan_fleet(
        ClusterState(name="prod", pods=pods, cni_configmap=ON, **parts),
        candidates=["m5.large"],
        reserved={"cpu": "0", "memory": "2Gi"},
    )
    assert plan.nodes == nodes


def test_a_request_that_no_advice_counts_is_named():
    (pod,) = explained(pods=waiting(other_requests=("ephemeral-storage",)), node_groups=(GROUP,))
    assert any("requests ephemeral-storage, which no number" in seen for seen in pod.evidence)


def test_what_is_advised_to_many_pods_names_none_of_them():
    pods = waiting(9, cpu_m=10, memory_bytes=MIB)
    for pod in explained(pods=pods, node_groups=(GROUP,)):
        assert not [one for one in pods for o in pod.options if f" {one.name}" in o.remedy]


def test_a_limit_that_is_not_known_is_no_room():
    message = "0/2 nodes are available: 2 Insufficient memory."
    pods = waiting(message=message)
    (pod,) = explained(nodes=(node(1, memory_bytes=None), node(2, memory_bytes=None)), pods=pods)
    assert (pod.evidence, pod.change) == ((), "more-nodes")


# -- messages ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "counts"),
    [
        (
            (
                "0/5 nodes are available: 1 Insufficient cpu, 2 Insufficient "
                "vpc.amazonaws.com/PrivateIPv4Address, 2 node(s) didn't match Pod's node "
                "affinity/selector. preemption: 0/5 nodes are available: 2 Preemption is not "
                "helpful for scheduling, 3 No preemption victims found for incoming pod."
            ),
            (("addresses", 2), ("cpu", 1), ("selector", 2)),
        ),
        (
            (
                "0/3 nodes are available: 1 node(s) had taint {os: windows}, that the pod didn't "
                "tolerate, 2 node(s) didn't match node selector."
            ),
            (("taint", 1), ("selector", 2)),
        ),
        (
            "0/3 nodes are available: 1 Too many pods, 2 node(s) had untolerated taint(s).",
            (("kubelet", 1), ("taint", 2)),
        ),
        (
            (
                "0/2 nodes are available: 1 node(s) had untolerated taint "
                "{node.kubernetes.io/unreachable: }, 1 node(s) were unschedulable."
            ),
            (("not-ready", 2),),
        ),
        (
            (
                "0/4 nodes are available: 4 node(s) had volume node affinity conflict. preemption: "
                "0/4 nodes are available: 4 Preemption is not helpful for scheduling."
            ),
            (("volume", 4),),
        ),
        (
            (
                "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. "
                "preemption: not eligible due to preemptionPolicy=Never."
            ),
            (("volume", None),),
        ),
        ('persistentvolumeclaim "data" not found', (("volume", None),)),
        (
            (
                "0/2 nodes are available: 1 node(s) didn't match pod anti-affinity rules, 1 node(s) "
                "didn't match pod topology spread constraints."
            ),
            (("pod-affinity", 2),),
        ),
        (
            "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
            (("ports", 1),),
        ),
        ("0/1 nodes are available: 1 Insufficient ephemeral-storage.", (("storage", 1),)),
        ("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", (("resource", 1),)),
        ("0/1 nodes are available: 1 Insufficient pods.", (("kubelet", 1),)),
        # What would stand in the way after a preemption is not a reason of its own.
        (
            (
                "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: "
                "1 No preemption victims found for incoming pod, 1 Insufficient memory."
            ),
            (("cpu", 2),),
        ),
        ("no nodes available to schedule pods", (("no-node", None),)),
        ("0/0 nodes are available: .", (("no-node", None),)),
        (
            (
                "No nodes are available that match all of the predicates: Insufficient cpu (2), "
                "MatchNodeSelector (1), PodToleratesNodeTaints (3)."
            ),
            (("cpu", 2), ("taint", 3), ("selector", 1)),
        ),
        ("Scheduling is blocked due to non-empty scheduling gates", (("gate", None),)),
        (
            (
                'Failed to pull image "x": no matching manifest for windows(10.0.17763)/amd64 in the '
                "manifest list entries"
            ),
            (("windows-version", None),),
        ),
        ("ErrImagePull: access denied", (("image", None),)),
        (
            (
                "operation error EC2: AssignPrivateIpAddresses, api error InsufficientCidrBlocks: The "
                "specified subnet does not have enough free cidr blocks"
            ),
            (("prefixes", None),),
        ),
        (
            (
                "failed to setup network for sandbox: pod does not have label vpc.amazonaws.com/"
                "PrivateIPv4Address"
            ),
            (("waiting-for-address", None),),
        ),
        ("", ()),
        ("something else", ()),
    ],
)
def test_the_words_of_each_scheduler_are_read(message, counts):
    assert causes(message) == counts


def test_taints_are_named():
    assert taints_of("1 node(s) had untolerated taint {a: b}, 2 had taint {c: }") == ["a=b", "c"]


# -- addresses --------------------------------------------------------------------------


def test_the_gain_of_each_change_is_computed():
    used = [f"10.0.0.{n}" for base in (20, 36) for n in range(base, base + 10)]
    pods = (*running(9), *running(9, "win-2"), *waiting(12))
    pod = explained(pods=pods, node_groups=(GROUP,), subnets=(subnet(used=used),))[0]
    assert (pod.cause, pod.change, pod.waiting) == ("addresses", "more-nodes", 12)
    # CPU: 2,000 m hold 20 such pods, 9 of which run. No live node has a slot left.
    prefixes = option(pod, "prefix-delegation")
    assert (prefixes.gain, prefixes.unit, prefixes.feasible) == (22, "pods", True)
    assert "144 addresses a node instead of 9" in prefixes.why
    assert "0 of them before the nodes are replaced" in prefixes.why
    assert '"enable-windows-prefix-delegation": "true"' in prefixes.remedy
    # Nine pods a node: two nodes for twelve pods, and desired size and maximum follow.
    more = option(pod, "more-nodes")
    assert (more.gain, more.feasible) == (18, True)
    assert "2 m5.large, 9 such pods each" in more.why
    # 251 - 20 free addresses, ten for each node.
    assert "subnet-1 (a) takes 23" in more.why
    assert "--scaling-config maxSize=4,desiredSize=4" in more.remedy
    assert "--cluster-name prod --nodegroup-name win" in more.remedy
    # 110 does not bind where nine addresses are there.
    kubelet = option(pod, "max-pods")
    assert (kubelet.gain, kubelet.feasible) == (0, False)
    assert "110 does not bind" in kubelet.why
    # Two nodes are started, or two drained and two started: the smallest that is enough first.
    assert [(change.code, change.nodes) for change in pod.options] == [
        ("more-nodes", 2),
        ("prefix-delegation", 4),
        ("max-pods", 0),
    ]
    assert pod.also == ("prefix-delegation",)
    # The safe order: cordon before the mode changes, drain after new nodes serve.
    steps = [prefixes.remedy.index(word) for word in ("cordon", "patch configmap", "kubectl drain")]
    assert steps == sorted(steps)


def test_the_kubelet_caps_what_prefixes_gain():
    tiny = {"cpu_m": 1, "memory_bytes": MIB}
    one = explained(nodes=(node(1),), pods=(*running(9, **tiny), *waiting(**tiny)))[0]
    assert option(one, "prefix-delegation").gain == 101
    assert "limited by max-pods" in option(one, "prefix-delegation").why


def test_the_scheduler_knows_more_than_a_part_of_the_pods():
    tiny = {"cpu_m": 1, "memory_bytes": MIB}
    # Nine addresses are taken, says the scheduler, though none of those pods was loaded.
    one = explained(nodes=(node(1),), pods=waiting(**tiny))[0]
    assert option(one, "prefix-delegation").gain == 101
    full = node(1, instance_type="m5.8xlarge", advertised_addresses=144)
    one = explained(nodes=(full,), cni_configmap=PREFIX, pods=waiting(1, MANY, **tiny))[0]
    assert option(one, "max-pods").gain == 34


def test_a_subnet_without_blocks_leaves_prefixes_no_gain():
    scattered = [f"10.0.0.{16 * block + 4}" for block in range(1, 15)]
    pods = (*running(9), *running(9, "win-2"), *waiting())
    pod = explained(pods=pods, subnets=(subnet(used=scattered),))[0]
    prefixes = option(pod, "prefix-delegation")
    assert (prefixes.gain, prefixes.feasible) == (0, False)
    assert "/28 blocks" in prefixes.why
    assert pod.change == "more-nodes"
    # One block is left: 16 pods instead of nine, on one node of two.
    pod = explained(pods=pods, subnets=(subnet(used=scattered[:-1]),))[0]
    assert option(pod, "prefix-delegation").gain == 7


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"cni_configmap": PREFIX}, "it is on"),
        ({"version": "1.24", "platform_version": "eks.9"}, "update the cluster"),
        (
            {
                "nodes": (
                    node(1, instance_type="m4.large"),
                    node(2, instance_type="m4.large"),
                )
            },
            "not a Nitro type",
        ),
    ],
)
def test_prefix_delegation_that_cannot_help_is_named_with_why(parts, why):
    pod = explained(pods=waiting(), **parts)[0]
    change = option(pod, "prefix-delegation")
    assert (change.gain, change.feasible) == (0, False)
    assert why in change.why
    assert "prefix-delegation" not in pod.also
    # Nothing runs here, so that the nodes have the room that the message denies.
    assert (pod.change, pod.also[0]) == (
        "look",
        "replace-node" if why == "it is on" else "more-nodes",
    )


def test_a_mode_that_nobody_knows_leaves_prefixes_open():
    nodes = (node(1), node(2, advertised_addresses=144))
    pod = explained(nodes=nodes, cni_configmap=None, pods=waiting())[0]
    change = option(pod, "prefix-delegation")
    assert (change.gain, change.feasible) == (None, None)


def test_nodes_that_lag_behind_the_mode_are_replaced():
    pods = (*running(9), *running(9, "win-2"), *waiting())
    pod = explained(
        nodes=(node(1), node(2, advertised_addresses=144)), cni_configmap=PREFIX, pods=pods
    )[0]
    assert (pod.change, pod.also[0]) == ("look", "replace-node")  # win-2 has room
    # CPU holds 11 more beside the nine that run.
    assert option(pod, "replace-node").gain == 11
    assert "win-1 9 of 144" in option(pod, "replace-node").why
    assert "kubectl drain --ignore-daemonsets win-1" in option(pod, "replace-node").remedy


def test_where_windows_is_off_it_is_turned_on_first():
    silent = (node(1, advertised_addresses=None), node(2, advertised_addresses=None))
    pod = explained(nodes=silent, cni_configmap={}, pods=waiting(3))[0]
    assert (pod.cause, pod.change) == ("addresses", "enable-windows-ipam")
    assert option(pod, "enable-windows-ipam").gain == 18
    assert "kubectl patch configmap -n kube-system amazon-vpc-cni" in pod.remedy


def test_cordoned_nodes_are_the_cheapest_places():
    nodes = (node(1), node(2, schedulable=False))
    pod = explained(nodes=nodes, pods=(*running(9), *running(4, "win-2"), *waiting()))[0]
    assert pod.change == "uncordon"
    assert option(pod, "uncordon").gain == 5
    assert pod.remedy == "kubectl uncordon win-2"
    assert option(pod, "uncordon").why == "1 Windows node is cordoned; win-2 takes 5 more"


def test_a_cordoned_node_without_room_stays_cordoned():
    nodes = tuple(node(n, schedulable=n == 1) for n in range(1, 5))
    pods = (*running(9), *running(9, "win-2"), *running(4, "win-3"), *waiting())
    uncordon = option(explained(nodes=nodes, pods=pods)[0], "uncordon")
    assert uncordon.remedy == "kubectl uncordon win-3 win-4"
    assert uncordon.why == "3 Windows nodes are cordoned; win-3 and win-4 take 14 more"


def test_what_nodes_that_are_named_take_is_what_is_gained():
    nodes = (node(0), *(node(n, schedulable=False) for n in range(1, 13)))
    uncordon = option(
        explained(nodes=nodes, pods=(*running(9, "win-0"), *waiting()))[0], "uncordon"
    )
    assert (uncordon.gain, len(uncordon.remedy.split())) == (90, 12)
    assert "win-1 and 9 others take 90 more" in uncordon.why


@pytest.mark.parametrize(("cpu", "gib"), [(1500, 4), (1500, 12), (2500, 12), (2500, 24)])
def test_a_larger_type_has_no_disk_or_gpu_where_one_without_does(cpu, gib):
    heavy = waiting(1, MANY.replace("Too many pods", "Insufficient cpu"), cpu_m=cpu)
    heavy = tuple(replace(pod, memory_bytes=gib * 1024 * MIB) for pod in heavy)
    pod = explained(nodes=(node(1, instance_type="t3.nano", cpu_m=100),), pods=heavy)[0]
    assert pod.change == "larger-type"
    assert re.match("start|add", pod.remedy)
    assert re.search(r"\b[cmr][0-9][a-z-]*\.", pod.remedy)


# -- kubelet, CPU, memory ---------------------------------------------------------------


def test_a_higher_limit_is_weighed_against_addresses_cpu_and_memory():
    small = {"cpu_m": 10, "memory_bytes": 10 * MIB}
    full = node(1, instance_type="m5.8xlarge", advertised_addresses=144)
    pods = (*running(110, **small), *waiting(50, MANY, **small))
    pod = explained(nodes=(full,), cni_configmap=PREFIX, pods=pods)[0]
    assert (pod.cause, pod.change) == ("kubelet", "max-pods")
    # 144 - 110 addresses; CPU holds 200 such pods, memory 614.
    assert option(pod, "max-pods").gain == 34
    assert "--max-pods=144" in pod.remedy
    # One starts before one goes.
    assert option(pod, "max-pods").nodes == 2
    # A fresh node takes 110: one for 50 pods.
    assert option(pod, "more-nodes").gain == 110
    # 16 m each: CPU holds 125.
    tight = {**small, "cpu_m": 16}
    pods = (*running(110, **tight), *waiting(1, MANY, **tight))
    pod = explained(nodes=(full,), cni_configmap=PREFIX, pods=pods)[0]
    assert option(pod, "max-pods").gain == 15


def test_host_process_pods_count_towards_the_limit_and_need_room_below_it():
    small = {"cpu_m": 1, "memory_bytes": MIB}
    full = node(1, instance_type="m5.8xlarge", advertised_addresses=144)
    hosts = running(3, host_process=True, name="h", **small)
    hosts = tuple(replace(pod, name=f"h{n}") for n, pod in enumerate(hosts))
    pods = (*running(107, **small), *hosts, *waiting(1, MANY, **small))
    pod = explained(nodes=(full,), cni_configmap=PREFIX, pods=pods)[0]
    # 144 addresses beside three HostProcess pods.
    assert "--max-pods=147" in pod.remedy
    assert option(pod, "max-pods").gain == 37
    # A fresh node runs the three as well.
    assert option(pod, "more-nodes").gain == 107


def test_aws_advises_250_and_no_more():
    large = node(1, instance_type="m5.4xlarge", advertised_addresses=464, pods_limit=250)
    pod = explained(nodes=(large,), cni_configmap=PREFIX, pods=waiting(1, MANY))[0]
    assert (pod.change, pod.also[0]) == ("look", "more-nodes")
    assert "at most 110 below 30 vCPUs, and 250 above" in option(pod, "max-pods").why


def test_a_limit_that_check_would_question_is_not_advised():
    small = node(1, advertised_addresses=144)
    pods = (*running(110, cpu_m=10, memory_bytes=MIB), *waiting(1, MANY, cpu_m=10))
    pod = explained(nodes=(small,), cni_configmap=PREFIX, pods=pods)[0]
    assert option(pod, "max-pods").feasible is False
    assert "at most 110 below 30 vCPUs" in option(pod, "max-pods").why


def test_cpu_and_memory_want_nodes_of_the_type_that_holds_them():
    message = "0/2 nodes are available: 2 Insufficient memory."
    heavy = waiting(3, message, cpu_m=500, memory_bytes=4 * 1024 * MIB)
    pod = explained(pods=(*running(9), *heavy), node_groups=(GROUP,))[0]
    # One 4 GiB pod on a node with 6 GiB for pods.
    assert (pod.cause, pod.change) == ("memory", "more-nodes")
    assert "desiredSize=5" in pod.remedy
    too_large = waiting(1, message, memory_bytes=100 * 1024 * MIB)
    pod = explained(pods=too_large, node_groups=(GROUP,))[0]
    assert pod.change == "larger-type"
    # 100 GiB and 2.2 GiB kept: the smallest Nitro type has 4 vCPUs and 128 GiB.
    name = pod.remedy.removeprefix("add a node group of ").partition(",")[0]
    row = Catalog.bundled()[name]
    assert (row.vcpus, row.memory_mib) == (4, 128 * 1024)
    monster = waiting(1, message, memory_bytes=2**50)
    assert "no type" in explained(pods=monster)[0].remedy
    assert option(pod, "more-nodes").feasible is False
    both = replace(GROUP, instance_types=("m5.large", "r5.8xlarge"))
    pod = explained(pods=too_large, node_groups=(both,))[0]
    assert "1 more r5.8xlarge" in pod.remedy


def test_prices_choose_among_types():
    group = replace(GROUP, instance_types=("m5.large", "c5.large"))
    message = "0/2 nodes are available: 2 Insufficient cpu."
    state = ClusterState(
        nodes=(node(1),), pods=waiting(1, message), node_groups=(group,), cni_configmap=ON
    )
    dear = {"m5.large": 0.3, "c5.large": 0.2}
    for prices, name in ((dear, "c5.large"), ({**dear, "c5.large": 0.4}, "m5.large")):
        assert name in option(explain_pending(state, prices=prices)[0], "more-nodes").remedy
    # Four of nine addresses cost more than one of 29.
    group = replace(GROUP, instance_types=("m5.large", "m5.4xlarge"))
    many = replace(state, node_groups=(group,), pods=waiting(29, FULL, cpu_m=10, memory_bytes=0))
    pending = explain_pending(many, prices={"m5.large": 0.2, "m5.4xlarge": 0.5})[0]
    assert "1 m5.4xlarge, 29 such pods each" in option(pending, "more-nodes").why


# -- subnets ----------------------------------------------------------------------------


def test_full_subnets_make_nodes_impossible_and_name_another():
    used = [f"10.0.0.{n}" for n in range(4, 251)]
    other = subnet("subnet-2", "10.0.1.0/26")
    pods = (*running(9), *running(9, "win-2"), *waiting(cpu_m=1500))
    pod = explained(pods=pods, node_groups=(GROUP,), subnets=(subnet(used=used), other))[0]
    more = option(pod, "more-nodes")
    assert (more.gain, more.feasible) == (0, False)
    assert "subnet-1 (a) takes 0" in more.why
    elsewhere = option(pod, "other-subnet")
    assert (elsewhere.feasible, pod.change) == (True, "other-subnet")
    # Both nodes hold 9 of 9 addresses: lower targets free nothing.
    assert (option(pod, "warm-targets").gain, option(pod, "warm-targets").feasible) == (0, False)
    # Four idle nodes in the full subnet hold 2 addresses more than they need, each.
    idle = tuple(node(n) for n in (1, 2, 3, 4))
    parts = {"nodes": idle, "node_groups": (GROUP,), "subnets": (subnet(used=used), other)}
    message = "0/4 nodes are available: 4 Insufficient memory."
    big = waiting(1, message, memory_bytes=6 * 1024 * MIB)
    pod = explained(pods=(*running(1), *running(1, "win-2"), *big), **parts)[0]
    # 4, 4, 3 and 3 addresses; with one warm 2, 2, 1 and 1.
    assert (pod.also[0], option(pod, "warm-targets").gain) == ("warm-targets", 8)
    codes = ["look", "warm-targets", "other-subnet", "more-nodes"]
    assert [change.code for change in pod.options] == codes
    # A full node takes ten of 59 addresses; every command counts full nodes.
    assert "subnet-2 (a) takes 5 more m5.large" in elsewhere.why


def test_too_few_places_are_said():
    used = [f"10.0.0.{n}" for n in range(4, 240)]
    pods = (*running(9), *running(9, "win-2"), *waiting(30, cpu_m=100))
    state = {"pods": pods, "node_groups": (GROUP,), "cni_configmap": PREFIX}
    pod = explained(**{**state, "cni_configmap": ON}, subnets=(subnet(used=used),))[0]
    more = option(pod, "more-nodes")
    # 15 addresses take one node of ten; four are needed.
    assert (more.gain, more.feasible) == (9, True)
    assert "only 1 of 4 fit" in more.why


def test_lean_targets_give_back_what_idle_nodes_hold():
    message = "api error InsufficientFreeAddressesInSubnet: no free addresses"
    nodes = (node(1), node(2), node(3))
    full = subnet(used=[f"10.0.0.{n}" for n in range(4, 255)])
    pods = (
        *running(1),
        *running(2, "win-2"),
        *running(5, "win-3"),
        *running(1, "win-3", phase="Pending", message=message, name="late"),
    )
    pod = explained(nodes=nodes, pods=pods, subnets=(full,))[0]
    assert (pod.cause, pod.change) == ("subnet", "warm-targets")
    # Defaults hold 4 + 5 + 9 addresses for 1, 2 and 6 pods; with one warm 2 + 3 + 7.
    assert option(pod, "warm-targets").gain == 6
    assert '"windows-warm-ip-target": "1", "windows-minimum-ip-target": "0"' in pod.remedy
    # The plain keys win where they are present, so they are what must be changed.
    plain = {**ON, "warm-ip-target": "5", "minimum-ip-target": "3"}
    pod = explained(nodes=nodes, pods=pods, subnets=(full,), cni_configmap=plain)[0]
    assert '"warm-ip-target": "1", "minimum-ip-target": "0"' in pod.remedy
    # 6 + 7 + 9 less 2 + 3 + 7.
    assert option(pod, "warm-targets").gain == 10


def test_lean_targets_gain_nothing_in_another_subnet():
    message = "InsufficientFreeAddressesInSubnet"
    far = node(9, name="win-9", address="10.9.0.5")
    full = subnet(used=[f"10.0.0.{n}" for n in range(4, 255)])
    lean = {**ON, "windows-warm-ip-target": "1", "windows-minimum-ip-target": "0"}
    pods = running(1, phase="Pending", message=message)
    parts = {"nodes": (node(1), far), "pods": pods}
    other = subnet("subnet-9", "10.9.0.0/24")
    pod = explained(**parts, subnets=(full, other))[0]
    assert option(pod, "warm-targets").gain == 2
    pod = explained(**parts, subnets=(full, other), cni_configmap=lean)[0]
    assert option(pod, "warm-targets").feasible is False
    assert pod.change == "other-subnet"
    assert "subnet-9" in pod.remedy


def test_a_subnet_without_blocks_is_told_from_one_without_addresses():
    scattered = subnet(used=[f"10.0.0.{16 * block + 4}" for block in range(1, 15)])
    late = running(1, phase="Pending", message="")
    parts = {"nodes": (node(1, advertised_addresses=144),), "pods": late}
    pod = explained(**parts, cni_configmap=PREFIX, subnets=(scattered,))[0]
    assert pod.cause == "prefixes"
    reserve = option(pod, "reserve-prefixes")
    assert (reserve.gain, reserve.feasible) == (0, False)
    assert "though 237 addresses are free" in reserve.why
    greedy = {**PREFIX, "windows-warm-prefix-target": "3"}
    pod = explained(**parts, cni_configmap=greedy, subnets=(scattered,))[0]
    # One prefix for the pod and three warm; one is enough.
    assert (pod.change, option(pod, "warm-targets").gain) == ("warm-targets", 3)


def test_what_surely_helps_comes_before_what_may():
    odd = node(1, instance_type="zz9.huge")
    late = running(1, phase="Pending", message="InsufficientCidrBlocks: none left")
    pod = explained(nodes=(odd,), pods=late, cni_configmap=PREFIX, subnets=(subnet(),))[0]
    # Nobody knows what the targets of such a node hold; 14 blocks are there to be kept.
    assert option(pod, "warm-targets").feasible is None
    assert option(pod, "warm-targets").unit == "prefixes"
    assert (pod.change, option(pod, "reserve-prefixes").gain) == ("reserve-prefixes", 14)
    assert pod.also[0] == "warm-targets"


def test_a_pod_with_a_node_waits_for_its_address():
    late = running(1, phase="Pending", message="")
    pod = explained(pods=late, subnets=(subnet(),))[0]
    assert (pod.cause, pod.change) == ("waiting-for-address", "wait")
    assert "30 to 60 s" in pod.remedy
    # More pods than addresses, as after a change of mode.
    pods = (*running(10), *running(1, phase="Pending", message="", name="late"))
    assert explained(pods=pods, subnets=(subnet(),))[0].cause == "addresses"


def test_targets_that_starve_pods_are_seen():
    starving = {**ON, "windows-minimum-ip-target": "3"}
    pods = (*running(3), *running(1, phase="Pending", message="", name="late"))
    pod = explained(pods=pods, cni_configmap=starving)[0]
    assert (pod.cause, pod.change) == ("starved", "warm-targets")
    assert option(pod, "warm-targets").gain == 6
    assert '"windows-warm-ip-target": "1"' in pod.remedy


# -- laws -------------------------------------------------------------------------------

MESSAGES = (
    FULL,
    MANY,
    "0/2 nodes are available: 2 Insufficient cpu.",
    "0/2 nodes are available: 1 Insufficient memory, 1 node(s) were unschedulable.",
    "InsufficientCidrBlocks",
    "InsufficientFreeAddressesInSubnet",
    "",
)
CONFIGMAPS = (
    None,
    {},
    ON,
    PREFIX,
    {**ON, "windows-minimum-ip-target": "2"},
    {**PREFIX, "warm-prefix-target": "3"},
    {**ON, "warm-ip-target": str(10**9)},
)
NODES = st.builds(
    node,
    st.integers(1, 8),
    instance_type=st.sampled_from(["m5.large", "m4.large", "c5.4xlarge", "zz9.huge", ""]),
    advertised_addresses=st.sampled_from([None, 0, 7, 9, 144, 464]),
    pods_limit=st.sampled_from([None, 9, 110, 250, 500]),
    cpu_m=st.sampled_from([None, 0, 2000, 16_000]),
    memory_bytes=st.sampled_from([None, 0, 6 * 1024 * MIB]),
    ready=st.booleans(),
    schedulable=st.booleans(),
    address=st.sampled_from(["", "10.0.0.20", "10.9.9.9", "odd"]),
)


@settings(max_examples=40)
@given(
    nodes=st.lists(NODES, max_size=4, unique_by=lambda n: n.name),
    placed=st.lists(st.integers(1, 8), max_size=12),
    late=st.lists(
        st.tuples(st.sampled_from(MESSAGES), st.sampled_from(["", "win-1", "win-5"])),
        min_size=1,
        max_size=6,
    ),
    configmap=st.sampled_from(CONFIGMAPS),
    used=st.one_of(st.none(), st.integers(0, 200)),
    groups=st.sampled_from([None, (), (GROUP,)]),
)
def test_whatever_runs_each_waiting_pod_gets_an_answer_that_adds_up(
    *, nodes, placed, late, configmap, used, groups
):
    pods = [
        replace(pod, name=f"r{n}")
        for n, (pod,) in enumerate(running(1, f"win-{w}") for w in placed)
    ]
    pods += [
        replace(pod, name=f"w{n}")
        for n, (pod,) in enumerate(
            running(1, where, phase="Pending", message=message) for message, where in late
        )
    ]
    subnets = (
        None
        if used is None
        else (subnet(used=[f"10.0.0.{n}" for n in range(4, 4 + used)], available=251 - used),)
    )
    state = ClusterState(
        nodes=tuple(nodes),
        pods=tuple(pods),
        cni_configmap=configmap,
        subnets=subnets,
        node_groups=groups,
    )
    pending = explain_pending(state)
    assert [pod.pod for pod in pending] == [f"shop/w{n}" for n in range(len(late))]
    for pod in pending:
        assert pod.why
        assert pod.remedy
        assert pod.change in {change.code for change in pod.options} | {"look"}
        assert all(option(pod, code).feasible is not False for code in pod.also)
        for change in pod.options:
            assert change.gain is None or change.gain >= 0
            assert change.feasible is not True or change.gain is None or change.gain > 0
            assert change.why or change.feasible
            if change.feasible is None:
                assert re.search(r"\b(aws|kubectl|ConfigMap) ", change.why + change.remedy), change
        more = [c for c in pod.options if c.code == "more-nodes" and c.feasible and c.gain]
        assert not more or more[0].gain >= pod.waiting or "fit" in more[0].why
    json.dumps([pod.to_dict() for pod in pending])
    report = cluster_report(state)
    rows = report.nodes
    assert list(rows["node"]) == [n.name for n in nodes]
    limits = ["address_pods", "kubelet_pods", "cpu_pods", "memory_pods"]
    for _, row in rows.iterrows():
        if not pd.isna(row["capacity"]):
            assert row["capacity"] == min(row[name] for name in limits if not pd.isna(row[name]))
        if row["ready"] and not pd.isna(row["headroom"]):
            assert row["headroom"] == max(row["capacity"] - row["address_pods_used"], 0)
    assert report.total["pods"] == sum(pod.node in set(rows["node"]) for pod in pods)
    json.dumps(report.to_dict())


# -- the rest ---------------------------------------------------------------------------


def test_taints_and_selectors_are_mended_in_the_pod():
    tainted = tuple(replace(n, taints=("os=windows:NoSchedule",)) for n in (node(1), node(2)))
    message = "0/2 nodes are available: 2 node(s) had untolerated taint {os: windows}."
    pod = explained(nodes=tainted, pods=waiting(1, message))[0]
    assert (pod.cause, pod.change) == ("taint", "tolerate")
    assert "os=windows:NoSchedule" in pod.remedy
    assert (
        'tolerations: [{"key": "os", "operator": "Equal", "value": "windows", "effect": "NoSchedule"}]'
    ) in pod.remedy
    assert option(pod, "tolerate").gain == 18
    crowded = (*running(9), *running(9, "win-2"), *waiting(1, message))
    full = explained(nodes=tainted, pods=crowded)[0]
    assert (option(full, "tolerate").gain, option(full, "tolerate").feasible) == (0, False)
    # The message tells where the nodes do not: they may be newer or older than it.
    assert "toleration to the pod for: os=windows" in explained(pods=waiting(1, message))[0].remedy
    message = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
    pod = explained(pods=waiting(1, message, selects_arch="arm64"))[0]
    assert (pod.cause, pod.change) == ("selector", "fix-selector")
    assert "kubernetes.io/arch=arm64" in pod.remedy


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("0/2 nodes are available: 2 node(s) had volume node affinity conflict.", "volume"),
        ("0/2 nodes are available: 2 Insufficient ephemeral-storage.", "storage"),
        ("0/2 nodes are available: 2 Insufficient example.com/gpu.", "resource"),
        (
            "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.",
            "pod-affinity",
        ),
        ("Scheduling is blocked due to non-empty scheduling gates", "gate"),
        ("something else", "other"),
        ("", "no-message"),
    ],
)
def test_where_nothing_can_be_computed_it_is_said_where_to_look(message, cause):
    (pod,) = explained(pods=waiting(1, message))
    assert pod.cause == cause
    assert pod.change in {"look", "fix-volume"}
    assert "kubectl describe pod -n shop" in pod.remedy


def test_without_windows_nodes_a_node_is_what_helps():
    linux = Node(name="lin", os="linux")
    message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    pod = explained(nodes=(linux,), pods=waiting(1, message), node_groups=(GROUP,))[0]
    assert (pod.cause, pod.change) == ("no-windows-node", "more-nodes")
    assert "desiredSize=3" in pod.remedy
    (pod,) = explained(nodes=(), pods=waiting(1, "no nodes available to schedule pods"))
    assert (pod.cause, pod.change) == ("no-windows-node", "more-nodes")
    with pytest.raises(InputError, match="kubectl get pods"):
        explain_pending(ClusterState())


def test_broken_nodes_are_named():
    broken = (node(1, ready=False),)
    message = "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }."
    pod = explained(nodes=broken, pods=waiting(1, message))[0]
    assert (pod.cause, pod.change) == ("not-ready", "repair-node")
    assert option(pod, "repair-node").gain == 9


def test_a_pod_whose_message_names_the_windows_resource_is_a_windows_pod():
    pods = waiting(1, FULL, selects_os="")
    assert [pod.cause for pod in explained(pods=pods)] == ["addresses"]
    linux = waiting(1, "0/1 nodes are available: 1 Insufficient cpu.", selects_os="linux")
    assert explained(pods=linux) == ()


def test_pods_of_other_sizes_are_counted_apart():
    pods = (*waiting(5), *(replace(p, name=f"b{n}", cpu_m=900) for n, p in enumerate(waiting(3))))
    pending = explained(pods=pods)
    assert [pod.waiting for pod in pending] == [5] * 5 + [3] * 3
    # 2,000 m hold two pods of 900 m.
    assert "2 m5.large, 2 such pods each, take the 3" in option(pending[-1], "more-nodes").why


def test_account_ids_are_not_repeated():
    message = "Failed to pull image 123456789012.dkr.ecr.eu-west-1.amazonaws.com/web: not found"
    (pod,) = explained(pods=running(1, phase="Pending", message=message))
    assert pod.cause == "image"
    assert "123456789012" not in json.dumps(pod.to_dict())


def test_names_from_others_stay_one_word_of_a_command():
    nodes = (node(1, name="win-1; rm -rf /", schedulable=False),)
    pod = explained(nodes=nodes, pods=waiting())[0]
    assert pod.remedy == "kubectl uncordon 'win-1; rm -rf /'"


@pytest.mark.parametrize("message", [FULL, MANY, FULL.replace(FULL.rsplit(maxsplit=1)[-1], "cpu.")])
def test_room_that_the_scheduler_did_not_find_is_told_of(message):
    (pod,) = explained(pods=(*running(5), *waiting(1, message)))
    assert "room for 13 such pods, first on win-1" in " ".join(pod.evidence)
    assert "kubectl get pods -A" in " ".join(pod.evidence)
    (full,) = explained(pods=(*running(9), *running(9, "win-2"), *waiting(1, FULL)))
    assert not full.evidence
    # Nodes that other words of the message leave out may be those with room.
    tainted = message.replace("available: ", "available: 1 node(s) had untolerated taint(s), ", 1)
    (other,) = explained(pods=waiting(1, tainted))
    assert not other.evidence


def test_the_work_of_many_pods_that_wait_alike_is_that_of_one(monkeypatch):
    asked = []
    pods_in = cluster_view.pods_in
    monkeypatch.setattr(cluster_view, "pods_in", lambda *a: (asked.append(None), pods_in(*a))[1])
    work = []
    for waiting in (1, 100):
        asked.clear()
        assert len(explain_pending(large_state(nodes=20, waiting=waiting))) == waiting
        work.append(len(asked))
    assert work[0] == work[1] > 0


def test_pods_of_many_kinds_ask_each_node_once_for_its_room(monkeypatch):
    asked = []
    room = cluster_view.ClusterView._room
    monkeypatch.setattr(
        cluster_view.ClusterView, "_room", lambda *a, **k: (asked.append(None), room(*a, **k))[1]
    )
    state = large_state(nodes=20, waiting=100)
    kinds = tuple(
        replace(pod, cpu_m=100 + number) if pod.phase == "Pending" else pod
        for number, pod in enumerate(state.pods)
    )
    assert len(explain_pending(replace(state, pods=kinds))) == 100
    assert len(asked) == 20
