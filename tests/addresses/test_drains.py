"""Nodes to drain so that whole /28 blocks come free: what each step gains is true."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity.addresses import Subnet
from eks_win_capacity.cluster import (
    ClusterState,
    InterfaceState,
    Node,
    Pod,
    SubnetState,
    drains_for_blocks,
    explain_pending,
)
from eks_win_capacity.core.errors import InputError, InvalidCountError


def a_cluster(holdings, foreign=(), pods=(), reservations=()):
    """A state in which node n holds the last octets of entry n, the first as its own."""
    nodes, interfaces, used = [], [], []
    for number, octets in enumerate(holdings):
        addresses = [f"10.0.0.{octet}" for octet in octets]
        nodes.append(
            Node(name=f"win-{number}", os="windows", instance_type="m5.large", address=addresses[0])
        )
        interfaces.append(InterfaceState(address=addresses[0], secondary=tuple(addresses[1:])))
        used += addresses
    used += [f"10.0.0.{octet}" for octet in foreign]
    subnet = SubnetState(
        subnet_id="subnet-1",
        cidr="10.0.0.0/24",
        used=tuple(used),
        reservations=tuple(reservations),
        interfaces=tuple(interfaces),
    )
    running = [
        Pod(
            namespace="a", name=f"p{number}-{n}", node=f"win-{number}", phase="Running", owner=owner
        )
        for number, (count, owner) in enumerate(pods)
        for n in range(count)
    ]
    return ClusterState(nodes=tuple(nodes), pods=tuple(running), subnets=(subnet,))


def free_after(state, drained):
    (subnet,) = state.subnets
    gone = {
        address
        for node in state.nodes
        if node.name in drained
        for interface in subnet.interfaces
        if interface.address == node.address
        for address in (interface.address, *interface.secondary)
    }
    used = [address for address in subnet.used if address not in gone]
    return Subnet(subnet.cidr, used=used, reservations=subnet.reservations).free_prefixes


OCTETS = st.lists(st.integers(16, 120), min_size=1, max_size=24, unique=True)


@settings(max_examples=60, deadline=None)
@given(octets=OCTETS, count=st.integers(1, 5), data=st.data())
def test_what_each_step_promises_is_free_once_its_nodes_are_gone(octets, count, data):
    count = min(count, len(octets))
    owners = [*range(count)] + [
        data.draw(st.integers(-1, count - 1)) for _ in range(len(octets) - count)
    ]
    holdings = [
        [o for o, who in zip(octets, owners, strict=True) if who == n] for n in range(count)
    ]
    foreign = [o for o, who in zip(octets, owners, strict=True) if who < 0]
    pods = [(data.draw(st.integers(0, 9)), "") for _ in range(count)]
    state = a_cluster(holdings, foreign, pods)
    steps = drains_for_blocks(state)
    drained, before = set(), free_after(state, set())
    for step in steps:
        drained |= set(step.nodes)
        assert free_after(state, drained) - before == step.total_blocks
        assert step.blocks == len(step.cidrs) > 0
        assert step.pods == sum(pods[int(name.removeprefix("win-"))][0] for name in step.nodes)
    # Nothing that draining could still gain is left out.
    everybody = {node.name for node in state.nodes}
    assert free_after(state, everybody) - before == (steps[-1].total_blocks if steps else 0)
    # One block costs no more pods than the cheapest set of all.
    if steps:
        (first, *_) = drains_for_blocks(state, blocks=1)
        cheapest = min(
            sum(pods[int(name.removeprefix("win-"))][0] for name in names)
            for size in range(1, count + 1)
            for names in itertools.combinations(sorted(everybody), size)
            if free_after(state, set(names)) > before
        )
        assert first.pods == cheapest


def test_the_cheapest_nodes_come_first_and_pods_of_daemon_sets_do_not_count():
    pods = [(6, "ReplicaSet/web"), (2, "ReplicaSet/web"), (9, "DaemonSet/logs")]
    steps = drains_for_blocks(a_cluster([[20], [36], [52]], pods=pods))
    assert [(step.nodes, step.pods, step.total_blocks) for step in steps] == [
        (("win-2",), 0, 1),
        (("win-1",), 2, 2),
        (("win-0",), 6, 3),
    ]
    assert steps[0].remedy.startswith("1. kubectl cordon win-2; 2. kubectl drain")
    assert "--cidr 10.0.0.48/28" in steps[0].remedy
    assert drains_for_blocks(a_cluster([[20], [36]]), blocks=1)[-1].total_blocks == 1


def test_blocks_of_others_and_those_that_serve_no_prefix_are_left_out():
    # Another user's address, the block with the subnet's kept addresses, an explicit reservation.
    state = a_cluster([[20], [5], [36]], [21], reservations=[("10.0.0.32/28", "explicit")])
    assert drains_for_blocks(state) == ()


def test_prefixes_of_a_node_are_whole_blocks_that_come_back():
    state = a_cluster([[20]])
    (subnet,) = state.subnets
    interface = replace(subnet.interfaces[0], prefixes=("10.0.0.64/28",))
    subnet = replace(subnet, used=(*subnet.used, "10.0.0.64/28"), interfaces=(interface,))
    (step,) = drains_for_blocks(replace(state, subnets=(subnet,)))
    assert step.cidrs == ("10.0.0.16/28", "10.0.0.64/28")
    assert (step.addresses, step.serves) == (17, 32)


def test_what_is_not_known_is_asked_for():
    state = a_cluster([[20]])
    with pytest.raises(InputError, match="kubectl get pods"):
        drains_for_blocks(ClusterState(nodes=()))
    with pytest.raises(InputError, match="there are: subnet-1"):
        drains_for_blocks(state, subnet_id="subnet-2")
    hidden = replace(state.subnets[0], interfaces=None)
    with pytest.raises(InputError, match="describe-network-interfaces"):
        drains_for_blocks(replace(state, subnets=(hidden,)))
    with pytest.raises(InvalidCountError):
        drains_for_blocks(state, blocks=0)


def test_a_pod_without_a_block_is_told_whom_to_drain():
    holdings = [[16 * block + 4 for block in range(1, 15)]]
    state = a_cluster(holdings)
    late = Pod(namespace="a", name="late", node="win-0", phase="Pending", selects_os="windows")
    prefix = {"enable-windows-ipam": "true", "enable-windows-prefix-delegation": "true"}
    node = replace(state.nodes[0], pods_limit=110, advertised_addresses=144)
    (subnet,) = state.subnets
    # The interface of the node itself holds its first address; somebody else the others.
    other = Node(name="win-1", os="windows", address="10.0.0.36", instance_type="m5.large")
    interfaces = (
        InterfaceState(address="10.0.0.20"),
        InterfaceState(address="10.0.0.36", secondary=subnet.used[2:]),
    )
    state = replace(
        state,
        nodes=(node, other),
        pods=(late,),
        cni_configmap=prefix,
        subnets=(replace(subnet, interfaces=interfaces),),
    )
    (pod,) = explain_pending(state)
    assert pod.cause == "prefixes"
    change = next(change for change in pod.options if change.code == "drain-for-blocks")
    assert (change.feasible, change.gain, change.unit) == (True, 13, "prefixes")
    assert "kubectl drain --ignore-daemonsets win-1" in change.remedy
