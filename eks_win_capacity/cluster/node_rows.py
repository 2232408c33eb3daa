"""The row of each Windows node: capacity, use, head-room, and the number it advertises."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.addresses.configmap import go_bool
from eks_win_capacity.cluster.view import (
    ENABLE,
    PREFIX_VERSIONS,
    expected_addresses,
    legacy_components,
    platform_serves,
)
from eks_win_capacity.core import kernels
from eks_win_capacity.core.constants import RESOURCE_CONTROLLER_POLICY

if TYPE_CHECKING:
    from eks_win_capacity.catalog import InstanceType
    from eks_win_capacity.cluster.state import ClusterState, Node

COLUMNS: Final = (
    "node", "instance_type", "zone", "ready",
    "address_pods", "kubelet_pods", "cpu_pods", "memory_pods",
    "capacity", "binding", "pods", "address_pods_used", "host_pods", "headroom",
    "advertised", "computed", "difference", "reason",
)  # fmt: skip

COUNTS: Final = tuple(
    name
    for name in COLUMNS
    if name not in {"node", "instance_type", "zone", "ready", "binding", "reason"}
)

REASONS: Final = {
    "mode-changed": "the number belongs to the other mode: the ConfigMap was changed under the "
    "live node, and the controller has not updated it since, or not from this ConfigMap",
    "platform-version": "the ConfigMap asks for prefix delegation, and the cluster's platform "
    "version is too old for it",
    "legacy-controller": "the ConfigMap asks for prefix delegation, and the legacy Deployment "
    "vpc-resource-controller keeps the nodes in secondary mode",
    "type-unknown-to-controller": "the VPC resource controller's table lacks the type, so it does "
    "not manage such nodes",
    "type-not-in-catalog": "this catalog lacks the type: nothing can be computed",
    "stale-node": "the number is stale: the node is not ready, or the number belongs to neither "
    "mode of its type and was advertised by something else than today's controller",
    "windows-ipam-off": "enable-windows-ipam is not true: the controller manages no Windows nodes",
    "role-policy": "the cluster role lacks AmazonEKSVPCResourceController: the controller may not "
    "attach addresses",
    "not-initialised": "the controller has not initialised the node, or cannot: its events say why",
    "not-reported": "what the node can give was not in what was loaded",
    "mode-unknown": "neither the ConfigMap nor the nodes tell which mode the cluster is in",
}
"""Why a node may advertise another number than is computed."""


@dataclass
class Use:
    """
    What runs on one node.

    Attributes
    ----------
    with_address, host : int
        Pods with an address of their own, and on the host's network. [pods]
    cpu_m, memory : int
        What they request. [millicores], [bytes]
    """

    with_address: int = 0
    host: int = 0
    cpu_m: int = 0
    memory: int = 0

    @property
    def pods(self) -> int:
        """All pods."""
        return self.with_address + self.host


IDLE: Final = Use()


def use_by_node(state: ClusterState) -> dict[str, Use]:
    """Sum what runs on each Windows node."""
    use: dict[str, Use] = defaultdict(Use)
    for pod in state.windows_pods or ():
        if not pod.node:
            continue
        found = use[pod.node]
        if pod.takes_address:
            found.with_address += 1
        else:
            found.host += 1
        found.cpu_m += pod.cpu_m
        found.memory += pod.memory_bytes
    return dict(use)


def advertised_by(node: Node) -> int | None:
    """
    Give the addresses a node advertises; None where its allocatable is not known.

    A node whose allocatable was given without the resource advertises none: no pod with
    an address is placed on it.
    """
    if node.advertised_addresses is not None:
        return node.advertised_addresses
    return None if node.pods_limit is None and node.cpu_m is None else 0


def difference_reason(
    node: Node, row: InstanceType | None, state: ClusterState, *, prefix_delegation: bool | None
) -> str:
    """Name why a node advertises another number than is computed; empty where it does not."""
    if row is None:
        return "type-not-in-catalog"
    if not node.advertised_addresses:
        return _silence(node, row, state)
    own = expected_addresses(row, prefix_delegation=prefix_delegation)
    if own is None:
        return "mode-unknown"
    if node.advertised_addresses == own:
        return ""
    secondary = kernels.secondary(row.ipv4_per_interface)
    if not node.ready or node.advertised_addresses not in {
        secondary,
        kernels.prefix(row.ipv4_per_interface) if row.nitro else secondary,
    }:
        return "stale-node"
    if prefix_delegation and legacy_components(state):
        return "legacy-controller"
    if prefix_delegation and platform_serves(state, PREFIX_VERSIONS) is False:
        return "platform-version"
    return "mode-changed"


def _silence(node: Node, row: InstanceType, state: ClusterState) -> str:
    """Name why a node advertises nothing."""
    data, policies = state.cni_configmap, state.cluster_role_policies
    if advertised_by(node) is None:
        return "not-reported"
    if data is not None and not go_bool(data.get(ENABLE, "")):
        return "windows-ipam-off"
    if "unknown-to-controller" in row.windows.codes:
        return "type-unknown-to-controller"
    if not node.ready:
        return "stale-node"
    if policies is not None and RESOURCE_CONTROLLER_POLICY not in policies:
        return "role-policy"
    return "not-initialised"


def node_row(
    node: Node,
    row: InstanceType | None,
    use: Use,
    pod: tuple[int, int],
    state: ClusterState,
    *,
    mode: bool | None,
) -> dict[str, Any]:
    """Give the row of one node."""
    computed = expected_addresses(row, prefix_delegation=mode)
    advertised = advertised_by(node)
    limits: dict[str, int | None] = {
        "addresses": advertised,
        "kubelet": None if node.pods_limit is None else max(node.pods_limit - use.host, 0),
        "cpu": _by_request(node.cpu_m, use.cpu_m, use.with_address, pod[0]),
        "memory": _by_request(node.memory_bytes, use.memory, use.with_address, pod[1]),
    }
    known = {name: limit for name, limit in limits.items() if limit is not None}
    # Without the pods nothing tells how many HostProcess pods the kubelet counts as well.
    complete = state.pods is not None and {"addresses", "kubelet"} <= known.keys()
    binding = min(known, key=lambda name: known[name]) if complete else None
    lowest = known[binding] if binding else None
    takes = node.ready and node.schedulable
    left = None if lowest is None else max(lowest - use.with_address, 0)
    return {
        "node": node.name,
        "instance_type": node.instance_type,
        "zone": node.zone,
        "ready": takes,
        **{
            f"{'address' if name == 'addresses' else name}_pods": limit
            for name, limit in limits.items()
        },
        "capacity": lowest,
        "binding": binding,
        "pods": use.pods if state.pods is not None else None,
        "address_pods_used": use.with_address if state.pods is not None else None,
        "host_pods": use.host if state.pods is not None else None,
        "headroom": left if takes else 0,
        "advertised": advertised,
        "computed": computed,
        "difference": None if advertised is None or computed is None else advertised - computed,
        "reason": difference_reason(node, row, state, prefix_delegation=mode),
    }


def _by_request(room: int | None, used: int, pods: int, request: int) -> int | None:
    """Count the pods that fit: those that run, and typical ones in what is left."""
    if room is None or not request:
        return None
    return pods + max(room - used, 0) // request
