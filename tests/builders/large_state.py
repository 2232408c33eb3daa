"""A cluster of thousands of Windows nodes, built in memory."""

from ipaddress import IPv4Network

from eks_win_capacity.cluster.state import ClusterState, Node, Pod, SubnetState

GIB = 2**30
TYPES = ("m5.4xlarge", "m5.2xlarge", "c5.4xlarge", "r5.2xlarge")


def _node(number: int) -> Node:
    address = f"10-{number % 4}-{number // 256}-{number % 256}"
    return Node(
        name=f"ip-{address}.eu-central-1.compute.internal",
        os="windows",
        instance_type=TYPES[number % len(TYPES)],
        zone=f"eu-central-1{'abc'[number % 3]}",
        pods_limit=110,
        advertised_addresses=(29, 14, 29, 14)[number % 4],
        cpu_m=15_890,
        memory_bytes=60 * GIB,
        ready=True,
    )


def _pod(number: int, node: str) -> Pod:
    return Pod(
        namespace=f"team-{number % 40}",
        name=f"web-{number % 300}-5d7c9-{number}",
        phase="Running" if node else "Pending",
        node=node,
        selects_os="windows",
        owner=f"ReplicaSet/web-{number % 300}-5d7c9",
        cpu_m=250,
        memory_bytes=GIB // 2,
        message="" if node else "0/5000 nodes are available: 5000 Insufficient cpu.",
    )


def _subnet(number: int) -> SubnetState:
    network = (
        IPv4Network(f"10.{number}.0.0/16") if number < 1 else IPv4Network(f"10.{number}.0.0/19")
    )
    used = tuple(str(network[at]) for at in range(10, network.num_addresses - 10, 3 + number))
    return SubnetState(
        subnet_id=f"subnet-{number:017x}",
        cidr=str(network),
        zone=f"eu-central-1{'abc'[number % 3]}",
        available=network.num_addresses - 5 - len(used),
        used=used,
        reservations=(),
    )


def large_state(nodes: int = 5_000, pods_each: int = 2, waiting: int = 500) -> ClusterState:
    """So many nodes and pods in seven subnets, one of them a /16."""
    built = tuple(map(_node, range(nodes)))
    running = [
        _pod(pods_each * at + extra, node.name)
        for at, node in enumerate(built)
        for extra in range(pods_each)
    ]
    pending = [_pod(nodes * pods_each + at, "") for at in range(waiting)]
    return ClusterState(
        name="large",
        region="eu-central-1",
        version="1.33",
        nodes=built,
        pods=(*running, *pending),
        subnets=tuple(map(_subnet, range(7))),
        cni_configmap={"enable-windows-ipam": "true"},
    )
