"""What the Windows nodes of a cluster should offer, by the cluster's own settings."""

from __future__ import annotations

import ipaddress
import json
import shlex
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.addresses import nodes_that_fit
from eks_win_capacity.addresses.configmap import of_addon
from eks_win_capacity.addresses.curve import curve_of
from eks_win_capacity.addresses.keys import ADDON_KEYS, go_bool
from eks_win_capacity.addresses.warm_pool import WarmPool
from eks_win_capacity.core import kernels
from eks_win_capacity.core.constants import (
    KUBELET_MAX_PODS,
    PREFIX_PLATFORM_VERSIONS,
    RESOURCE_CONTROLLER_POLICY,
    WINDOWS_BUILDS,
    WINDOWS_PLATFORM_VERSIONS,
    WINDOWS_SERVER_FROM,
)
from eks_win_capacity.core.errors import MASK, CapacityError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eks_win_capacity.addresses import NodesThatFit
    from eks_win_capacity.addresses.subnet import Subnet
    from eks_win_capacity.catalog import Catalog, InstanceType
    from eks_win_capacity.cluster.state import (
        ClusterState,
        Node,
        NodeClass,
        NodeGroup,
        NodePool,
        SubnetState,
    )

ENABLE: Final = "enable-windows-ipam"
ENABLE_PREFIXES: Final = "enable-windows-prefix-delegation"

ADDRESS_RESOURCE: Final = "vpc.amazonaws.com/PrivateIPv4Address"
_TEMPLATE: Final = "k8s.io/cluster-autoscaler/node-template/"

LEGACY: Final = ("vpc-resource-controller", "vpc-admission-webhook")
"""Names of the components of legacy Windows support, in kube-system."""

PREFIX_VERSIONS: Final[Mapping[str, int]] = {
    version: lowest
    for version, lowest in (WINDOWS_PLATFORM_VERSIONS | PREFIX_PLATFORM_VERSIONS).items()
    if int(version.partition(".")[2]) >= 25
}
"""Lowest platform version with prefix delegation on Windows, by Kubernetes version."""


def minor(version: str | None) -> tuple[int, int] | None:
    """
    Read a Kubernetes version as numbers, or None if it is none.

    Examples
    --------
    >>> minor("1.30"), minor("v1.30.4-eks-1552ad0"), minor("latest")
    ((1, 30), (1, 30), None)
    """
    parts = (version or "").removeprefix("v").split(".")
    if len(parts) < 2 or not parts[0].isdecimal():
        return None
    digits = parts[1].rstrip("+")
    return (int(parts[0]), int(digits)) if digits.isdecimal() else None


def lowest_platform(version: tuple[int, int], table: Mapping[str, int]) -> int | None:
    """
    The lowest platform version that a table asks of a Kubernetes version.

    Every platform version of a version later than the table's will do; an earlier one
    has none that does.

    Examples
    --------
    >>> lowest_platform((1, 27), PREFIX_VERSIONS), lowest_platform((1, 40), PREFIX_VERSIONS)
    (3, 1)
    >>> lowest_platform((1, 24), PREFIX_VERSIONS) is None
    True
    """
    known = {minor(name): lowest for name, lowest in table.items()}
    if version in known:
        return known[version]
    return None if version < min(name for name in known if name) else 1


def platform_serves(state: ClusterState, table: Mapping[str, int]) -> bool | None:
    """Whether the platform version reaches a table's; None where that is not known."""
    version = minor(state.version)
    if version is None:
        return None
    lowest = lowest_platform(version, table)
    if lowest is None:
        return False
    number = (state.platform_version or "").removeprefix("eks.")
    known = (state.platform_version or "").startswith("eks.") and number.isdecimal()
    return int(number) >= lowest if known else None


def legacy_components(state: ClusterState) -> list[str] | None:
    """The components of legacy Windows support, or None where they are not known."""
    if state.workloads is None and state.pods is None:
        return None
    names = [w.name for w in state.workloads or () if w.namespace == "kube-system"]
    names += [pod.name for pod in state.pods or () if pod.namespace == "kube-system"]
    return [part for part in LEGACY if any(name.startswith(part) for name in names)]


def asked_mode(state: ClusterState) -> bool | None:
    """Whether the ConfigMap asks for prefix delegation; None where it is not known."""
    data = state.cni_configmap
    if data is None:
        return None
    return bool(go_bool(data.get(ENABLE, "")) and go_bool(data.get(ENABLE_PREFIXES, "")))


def seen_mode(state: ClusterState, catalog: Catalog) -> bool | None:
    """
    Whether the Windows nodes themselves advertise prefixes.

    None where no Nitro node advertises a number of either mode, or where they differ.
    """
    modes = set()
    for node in state.windows_nodes or ():
        row = catalog.get(node.instance_type)
        if row is None or not row.nitro or not node.ready:
            continue
        by_number = {
            expected_addresses(row, prefix_delegation=mode): mode for mode in (True, False)
        }
        if node.advertised_addresses in by_number:
            modes.add(by_number[node.advertised_addresses])
    return modes.pop() if len(modes) == 1 else None


def expected_addresses(row: InstanceType | None, *, prefix_delegation: bool | None) -> int | None:
    """The addresses a node of a type should advertise; None where it is not known."""
    if row is None or (prefix_delegation is None and row.nitro):
        return None
    return int(kernels.by_mode(row.ipv4_per_interface, int(bool(prefix_delegation and row.nitro))))


def system_of(group: NodeGroup, state: ClusterState) -> str:
    """
    What a node group runs, by its own word, else by its nodes; empty where neither tells.

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import ClusterState, Node, NodeGroup
    >>> state = ClusterState(nodes=(Node(name="n", os="windows", node_group="own"),))
    >>> system_of(NodeGroup(name="own", ami_type="CUSTOM"), state)
    'windows'
    """
    if group.windows is not None:
        return "windows" if group.windows else "linux"
    ids = set(group.instances)
    found = {
        node.os
        for node in state.nodes or ()
        if (node.node_group == group.name or node.instance_id in ids) and node.os
    }
    return found.pop() if len(found) == 1 else ""


def release_of(node: Node) -> str:
    """
    Windows Server release of a node, by its build, else by its image; empty if neither tells.

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import Node
    >>> release_of(Node(name="n", build="10.0.20348.3091"))
    '2022'
    """
    parts = node.build.split(".")
    if len(parts) > 2 and parts[2].isdecimal():
        return WINDOWS_BUILDS.get(int(parts[2]), "")
    named = [r for r in WINDOWS_SERVER_FROM if f"Windows Server {r}" in node.os_image]
    return named[0] if named else ""


def partition_of(state: ClusterState) -> str:
    """
    The AWS partition of the cluster's region, else of its nodes' zones, as ARNs name it.

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import ClusterState
    >>> partition_of(ClusterState(region="us-gov-west-1")), partition_of(ClusterState())
    ('aws-us-gov', 'aws')
    """
    region = state.region or next((node.zone for node in state.nodes or () if node.zone), "")
    return next((p for start, p in _PARTITIONS.items() if region.startswith(start)), "aws")


_PARTITIONS: Final = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eusc-": "aws-eusc",
}
"""How the regions of each partition but the commercial one begin.

Source: botocore, ``partitions.json`` (2026-11-26).
"""


def group_of(node: Node, state: ClusterState) -> NodeGroup | None:
    """The node group of a node, by its label, else by the instance; None where none is known."""
    return next(
        (
            group
            for group in state.node_groups or ()
            if group.name == node.node_group
            or (node.instance_id and node.instance_id in group.instances)
        ),
        None,
    )


def policy_lacking(state: ClusterState) -> bool | None:
    """Whether the cluster role lacks the controller's policy; None where it is not known."""
    if state.cluster_role_policies is None:
        return None
    names = {name.rpartition("/")[2] for name in state.cluster_role_policies}
    return RESOURCE_CONTROLLER_POLICY not in names


def max_pods_of(state: ClusterState, name: str) -> int:
    """
    The kubelet's limit on a further node of a type. [pods].

    What most of its Windows nodes have, else what the bootstrap arguments of its node
    group say, else the default of the EKS AMIs.
    """
    limits = Counter(
        node.pods_limit
        for node in state.windows_nodes or ()
        if node.instance_type == name and node.pods_limit
    )
    if limits:
        return max(limits, key=lambda limit: (limits[limit], limit))
    given = [
        group.kubelet_max_pods
        for group in state.node_groups or ()
        if group.windows is not False and name in group.instance_types and group.kubelet_max_pods
    ]
    given += [
        made.max_pods
        for pool, made in windows_pools(state)
        if made is not None and made.max_pods and name in (pool.instance_types or (name,))
    ]
    return max(given, default=KUBELET_MAX_PODS)


def windows_pools(state: ClusterState) -> list[tuple[NodePool, NodeClass | None]]:
    """
    Karpenter's NodePools of Windows nodes, each with its EC2NodeClass.

    A pool that names no system is one of Windows where its class is; None stands for a
    class that is not known.
    """
    classes = {made.name: made for made in state.node_classes or ()}
    pairs = [(pool, classes.get(pool.node_class)) for pool in state.node_pools or ()]
    return [
        (pool, made)
        for pool, made in pairs
        if "windows" in pool.systems or (not pool.systems and made is not None and made.windows)
    ]


def pool_of(state: ClusterState, row: InstanceType) -> WarmPool | None:
    """The pool that acts on nodes of a type; None where the ConfigMap does not tell."""
    if state.cni_configmap is None:
        return None
    try:
        return WarmPool.from_configmap(state.cni_configmap, nitro=row.nitro)
    except CapacityError:
        return None


def full_node(state: ClusterState, row: InstanceType, pool: WarmPool) -> int:
    """Number of pods with addresses that a full node of a type runs. [pods]."""
    return min(max_pods_of(state, row.name), servable(row, pool))


def servable(row: InstanceType, pool: WarmPool) -> int:
    """Number of pods to which a node's pool can give addresses. [pods]."""
    return curve_of(row.ipv4_per_interface, pool).most


def room_for(
    subnet: Subnet | None,
    row: InstanceType,
    state: ClusterState,
    *,
    catalog: Catalog,
    available: int | None = None,
    pods: int | None = None,
    keep_free: int = 0,
) -> NodesThatFit | str:
    """
    Number of further nodes of a type that a subnet takes, or why that is not known.

    Parameters
    ----------
    subnet : Subnet or None
        As the state of the subnet gives it; None where nothing tells what is in use.
    available : int, optional
        EC2's AvailableIpAddressCount. Where it is lower than what the interfaces leave,
        something that was not seen holds the rest. [addresses]
    pods : int, optional
        Pods of each node, as far as it can serve them; a full node by default. [pods]
    """
    pool = pool_of(state, row)
    if pool is None:
        return (
            "the ConfigMap amazon-vpc-cni is not known (kubectl get configmap -n kube-system "
            "amazon-vpc-cni -o json)"
            if state.cni_configmap is None
            else "the ConfigMap amazon-vpc-cni holds a value that cannot act"
        )
    if subnet is None:
        return (
            "what is in use of the subnet and of its reservations is not known (aws ec2 "
            "describe-network-interfaces, get-subnet-cidr-reservations)"
        )
    wanted = full_node(state, row, pool) if pods is None else min(pods, servable(row, pool))
    try:
        unseen = 0 if available is None else subnet.free_outside_reservations - available
        return nodes_that_fit(
            subnet,
            row.name,
            pods_per_node=wanted,
            pool=pool,
            keep_free=keep_free + max(unseen, 0),
            catalog=catalog,
        )
    except CapacityError as error:
        return str(error)


def subnets_of(state: ClusterState) -> dict[str, SubnetState | None]:
    """The subnet of each Windows node, by its address; None where it is not known."""
    networks = [(ipaddress.IPv4Network(s.cidr, strict=False), s) for s in state.subnets or ()]

    def place(address: str) -> SubnetState | None:
        try:
            own = ipaddress.IPv4Address(address)
        except ValueError:
            return None
        return next((held for network, held in networks if own in network), None)

    return {node.name: place(node.address) for node in state.windows_nodes or ()}


def autoscaler_tags(addresses: int) -> dict[str, str]:
    """
    The tags by which the cluster autoscaler knows a Windows node before it exists.

    Parameters
    ----------
    addresses : int
        Pod addresses that the node will advertise. [addresses]

    Examples
    --------
    >>> for key, value in autoscaler_tags(144).items():
    ...     print(f"{key}={value}")
    k8s.io/cluster-autoscaler/node-template/resources/vpc.amazonaws.com/PrivateIPv4Address=144
    k8s.io/cluster-autoscaler/node-template/label/kubernetes.io/os=windows
    k8s.io/cluster-autoscaler/node-template/label/kubernetes.io/arch=amd64
    """
    return {
        f"{_TEMPLATE}resources/{ADDRESS_RESOURCE}": str(addresses),
        f"{_TEMPLATE}label/kubernetes.io/os": "windows",
        f"{_TEMPLATE}label/kubernetes.io/arch": "amd64",
    }


def word(value: str | None, variable: str) -> str:
    """
    A name as one word of a shell command.

    A name that is not known becomes a variable that the shell refuses to leave empty, so
    that no command runs with a made-up name.

    Examples
    --------
    >>> word("prod", "CLUSTER_NAME"), word(None, "CLUSTER_NAME")
    ('prod', '"${CLUSTER_NAME:?}"')
    """
    return shlex.quote(value) if value else f'"${{{variable}:?}}"'


def addon_values(state: ClusterState) -> Mapping[str, Any] | None:
    """Values of the vpc-cni add-on where it writes ConfigMap amazon-vpc-cni; else None."""
    for addon in state.addons or ():
        if addon.name == "vpc-cni" and of_addon(addon.configuration) is not None:
            return addon.configuration
    return None


def acting_key(state: ClusterState, target: str) -> str:
    """
    The key of the ConfigMap in which a warm target acts.

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import ClusterState
    >>> acting_key(ClusterState(cni_configmap={"warm-ip-target": "1"}), "warm-ip-target")
    'warm-ip-target'
    """
    return target if target in (state.cni_configmap or {}) else f"windows-{target}"


def patch(changes: Mapping[str, str], state: ClusterState) -> str:
    """
    The command that sets keys of ConfigMap amazon-vpc-cni and leaves the others.

    Where the vpc-cni add-on writes the ConfigMap, its values change: an update of the add-on
    would undo what kubectl did.

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import ClusterState
    >>> print(patch({"enable-windows-ipam": "true"}, ClusterState()))
    kubectl patch configmap -n kube-system amazon-vpc-cni --type merge -p '{"data": {"enable-windows-ipam": "true"}}'
    """
    values = addon_values(state)
    names = {key: name for name, (key, _) in ADDON_KEYS.items()}
    if values is not None and changes.keys() <= names.keys():
        made = {**values, **{names[key]: value for key, value in changes.items()}}
        # The state keeps no account ids: the shell puts the caller's own in its place.
        given = shlex.quote(json.dumps(made)).replace(MASK, "'\"${AWS_ACCOUNT_ID:?}\"'")
        return (
            f"aws eks update-addon --cluster-name {word(state.name, 'CLUSTER_NAME')} --addon-name "
            f"vpc-cni --resolve-conflicts PRESERVE --configuration-values {given}"
        )
    text = shlex.quote(json.dumps({"data": dict(changes)}))
    return f"kubectl patch configmap -n kube-system amazon-vpc-cni --type merge -p {text}"
