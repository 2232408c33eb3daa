"""Remedies fit what starts the nodes: managed groups, Auto Scaling groups, Karpenter, or a mixture."""

import itertools
from dataclasses import replace

import pytest

from eks_win_capacity.catalog import Catalog
from eks_win_capacity.cluster import (
    ClusterState,
    Node,
    NodeGroup,
    Pod,
    SubnetState,
    check_cluster,
    explain_pending,
)
from eks_win_capacity.cluster.cluster_view import ClusterView
from eks_win_capacity.cluster.records import NodeClass, NodePool
from eks_win_capacity.cluster.remedies import launchers

MIB = 2**20
TYPES = {"managed": "m5.large", "own": "m5.xlarge", "karpenter": "m5.2xlarge"}
GROUPS = {
    "managed": NodeGroup(
        name="man",
        ami_type="WINDOWS_CORE_2022_x86_64",
        instance_types=(TYPES["managed"],),
        desired_size=1,
        max_size=1,
        custom_ami=False,
        user_data_known=True,
        autoscaling_tags=(),
        autoscaling_groups=("eks-man",),
    ),
    "own": NodeGroup(
        name="self",
        managed=False,
        system="windows",
        instance_types=(TYPES["own"],),
        desired_size=1,
        max_size=1,
        user_data_known=True,
        autoscaling_tags=(),
        autoscaling_groups=("self",),
        subnet_ids=("subnet-1",),
        instances=("i-own",),
    ),
}
POOL = NodePool(
    name="pool", node_class="class", systems=("windows",), instance_types=(TYPES["karpenter"],)
)
OWN_WORDS = {
    "managed": ("update-nodegroup-config", "node group man", "a new group"),
    "own": ("update-auto-scaling-group", "start-instance-refresh"),
    "karpenter": ("NodePool pool", "EC2NodeClass class"),
}
MIXED = [
    kinds
    for count in (1, 2, 3)
    for kinds in itertools.combinations(("managed", "own", "karpenter"), count)
]


def cluster(kinds, message, nodes=None, **parts):
    """Nodes of some starters, full of pods by the message that one more waits with."""
    running = [
        Node(
            name=f"win-{kind}",
            os="windows",
            instance_type=TYPES[kind],
            instance_id=f"i-{kind}",
            node_group="man" if kind == "managed" else "",
            node_pool="pool" if kind == "karpenter" else "",
            pods_limit=5,
            advertised_addresses={"m5.large": 9, "m5.xlarge": 14, "m5.2xlarge": 14}[TYPES[kind]],
            cpu_m=8000,
            memory_bytes=8192 * MIB,
        )
        for kind in nodes or kinds
    ]
    pods = [
        Pod(
            namespace="shop",
            name=f"{node.name}-{n}",
            node=node.name,
            phase="Running",
            selects_os="windows",
        )
        for node in running
        for n in range(5)
    ]
    pods.append(
        Pod(namespace="shop", name="late", phase="Pending", selects_os="windows", message=message)
    )
    return ClusterState(
        name="prod",
        nodes=tuple(running),
        node_groups=tuple(GROUPS[kind] for kind in kinds if kind in GROUPS),
        node_pools=(POOL,) if "karpenter" in kinds else (),
        node_classes=(NodeClass(name="class", ami_family="Windows2022"),),
        pods=tuple(pods),
        cni_configmap={"enable-windows-ipam": "true"},
        **parts,
    )


def named(text):
    """The starters of whose tools a text speaks."""
    return {kind for kind, words in OWN_WORDS.items() if any(word in text for word in words)}


FULL = "0/9 nodes are available: 9 Too many pods."


def change(state, code):
    (pod,) = explain_pending(state)
    return next(one for one in pod.options if one.code == code)


@pytest.mark.parametrize("kinds", MIXED)
def test_a_higher_max_pods_comes_to_each_starter_in_its_own_way(kinds):
    remedy = change(cluster(kinds, FULL), "max-pods").remedy
    assert named(remedy) == set(kinds)
    assert ("-KubeletExtraArgs" in remedy) is (set(kinds) != {"karpenter"})


@pytest.mark.parametrize("kinds", MIXED)
@pytest.mark.parametrize("wanted", TYPES)
def test_more_nodes_come_from_what_starts_their_type(kinds, wanted):
    if wanted not in kinds:
        kinds = (*kinds, wanted)
    state = cluster(kinds, FULL)
    prices = {type_: 1.0 if kind == wanted else 1000.0 for kind, type_ in TYPES.items()}
    (pod,) = explain_pending(state, prices=prices)
    more = next(one for one in pod.options if one.code == "more-nodes")
    assert f"1 more {TYPES[wanted]}" in more.remedy
    assert named(more.remedy) == {wanted}


@pytest.mark.parametrize("kinds", MIXED)
def test_a_larger_type_comes_from_a_starter_that_is_there(kinds):
    state = cluster(kinds, "0/9 nodes are available: 9 Insufficient memory.")
    big = replace(state.pods[-1], memory_bytes=60 * 1024 * MIB)
    remedy = change(replace(state, pods=(*state.pods[:-1], big)), "larger-type").remedy
    assert ("NodePool pool" in remedy) is (kinds[0] == "karpenter")
    assert ("Auto Scaling group" in remedy) is (kinds[0] == "own")


@pytest.mark.parametrize("kinds", [("managed",), ("own",), ("karpenter",)])
def test_another_subnet_is_reached_by_the_starter_of_the_type(kinds):
    full = SubnetState(subnet_id="subnet-1", cidr="10.0.0.0/28", zone="a", available=0, used=())
    full = replace(full, used=tuple(f"10.0.0.{n}/32" for n in range(4, 15)))
    free = SubnetState(subnet_id="subnet-2", cidr="10.0.1.0/24", zone="b", available=251, used=())
    state = cluster(kinds, FULL, subnets=(full, free), subnet_ids=("subnet-1",))
    placed = tuple(replace(n, address="10.0.0.4") for n in state.nodes)
    state = replace(
        state,
        nodes=placed,
        node_groups=tuple(replace(g, subnet_ids=("subnet-1",)) for g in state.node_groups),
    )
    remedy = change(state, "other-subnet").remedy
    assert "subnet-2 (b)" in remedy
    assert ("subnetSelectorTerms" in remedy) is (kinds == ("karpenter",))
    assert ("--vpc-zone-identifier subnet-1,subnet-2" in remedy) is (kinds == ("own",))


@pytest.mark.parametrize("kinds", MIXED)
def test_the_reserve_of_memory_comes_to_each_type_in_its_starters_way(kinds):
    # 8 GiB allocatable of an m5.large: nothing is kept, which the other types do.
    state = cluster(kinds, FULL)
    bare = tuple(replace(n, memory_bytes=1 << 40) for n in state.nodes)
    findings = [f for f in check_cluster(replace(state, nodes=bare)) if f.code == "system-memory"]
    assert {f.subject for f in findings if f.outcome == "fail"} == {TYPES[kind] for kind in kinds}
    for finding in findings:
        kind = next(kind for kind, type_ in TYPES.items() if type_ == finding.subject)
        assert named(finding.remedy) == {kind}
        (file,) = dict(finding.files)
        assert file.startswith("ec2nodeclass-class" if kind == "karpenter" else "bootstrap-")


def test_a_type_of_two_starters_is_set_in_both():
    both = replace(POOL, instance_types=(TYPES["managed"],))
    state = replace(cluster(("managed", "karpenter"), FULL), node_pools=(both,))
    findings = [f for f in check_cluster(state) if f.code == "kubelet-max-pods"]
    (finding,) = [f for f in findings if f.subject == TYPES["managed"]]
    assert named(finding.remedy) == {"managed", "karpenter"}
    assert {name.partition("-")[0] for name, _ in finding.files} == {"bootstrap", "ec2nodeclass"}


BLIND = (
    "pod didn't trigger scale-up: 1 Insufficient vpc.amazonaws.com/PrivateIPv4Address",
    "pod didn't trigger scale-up: 1 max node group size reached",
)


@pytest.mark.parametrize("kinds", [("managed",), ("own",), ("managed", "own")])
def test_the_autoscalers_groups_are_tagged_and_raised_by_their_own_names(kinds):
    remedy = change(cluster(kinds, BLIND[0]), "tag-group").remedy
    assert [name in remedy for name in ("ResourceId=eks-man,", "ResourceId=self,")] == [
        kind in kinds for kind in ("managed", "own")
    ]
    # Each with what its own type offers.
    assert ("PrivateIPv4Address,Value=9," in remedy) is ("managed" in kinds)
    assert ("PrivateIPv4Address,Value=14," in remedy) is ("own" in kinds)
    remedy = change(cluster(kinds, BLIND[1]), "raise-maximum").remedy
    assert ("update-nodegroup-config" in remedy) is (kinds[0] == "managed")
    assert "2" in remedy


def test_the_group_that_is_full_is_the_one_that_is_raised():
    state = cluster(("managed", "own"), BLIND[1])
    roomy = replace(GROUPS["managed"], max_size=9)
    remedy = change(replace(state, node_groups=(roomy, GROUPS["own"])), "raise-maximum").remedy
    assert "--auto-scaling-group-name self --max-size 2" in remedy


def test_a_type_that_nobody_names_comes_from_what_leaves_the_types_open():
    named_elsewhere = replace(GROUPS["managed"], instance_types=("c5.large",))
    open_one = replace(GROUPS["own"], instance_types=())
    state = replace(cluster((), FULL), node_groups=(named_elsewhere, open_one))
    view = ClusterView(state, Catalog.bundled(), None)
    assert [one.group for one in launchers(view, ["m5.8xlarge"])] == [open_one]
    assert [one.group for one in launchers(view, ["c5.large"])] == [named_elsewhere]


def test_the_role_of_nodes_is_asked_where_it_is_kept():
    for kinds, word in (
        (("karpenter",), "ec2nodeclasses"),
        (("own",), "describe-instances"),
    ):
        state = cluster(kinds, FULL, authentication_mode="API", access_entries=())
        state = replace(state, node_classes=None)
        findings = [f for f in check_cluster(state) if f.code == "access-entry"]
        assert [(f.outcome, word in f.remedy) for f in findings] == [("unknown", True)]


NEWER = {
    "managed": ("next to man", "update-nodegroup-version --cluster-name prod"),
    "own": ("start-instance-refresh --auto-scaling-group-name self",) * 2,
    "karpenter": ("amiSelectorTerms of the EC2NodeClass class",) * 2,
}


@pytest.mark.parametrize("kind", NEWER)
@pytest.mark.parametrize(("kubelet", "index"), [("v1.36.0", 0), ("v1.29.0", 1)])
def test_another_kubelet_comes_with_an_ami_from_what_starts_the_nodes(kind, kubelet, index):
    state = cluster((kind,), FULL, version="1.34")
    state = replace(state, nodes=tuple(replace(n, kubelet_version=kubelet) for n in state.nodes))
    (finding,) = [f for f in check_cluster(state) if f.code == "kubelet-version"]
    assert finding.outcome == "fail"
    assert NEWER[kind][index] in finding.remedy
    assert {k for k, words in NEWER.items() if words[index] in finding.remedy} == {kind}
