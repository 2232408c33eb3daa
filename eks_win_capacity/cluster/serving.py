"""Addresses that a Windows node offers and its pods use, and why it or a pod gets none."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from eks_win_capacity.addresses.targets import ENABLE_IPAM, ENABLE_PREFIX_DELEGATION, go_bool
from eks_win_capacity.catalog.limits import by_mode, prefix, secondary
from eks_win_capacity.core.constants import (
    ADDRESS_RESOURCE,
    ADDRESSES_PER_PREFIX,
    GOING_TAINTS,
    PREFIX_PLATFORM_VERSIONS,
    RESOURCE_CONTROLLER_POLICY,
    WINDOWS_BUILDS,
    WINDOWS_PLATFORM_VERSIONS,
    WINDOWS_SERVER_FROM,
)
from eks_win_capacity.core.errors import count_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import numpy.typing as npt

    from eks_win_capacity.catalog import InstanceType
    from eks_win_capacity.cluster.state import ClusterState, InterfaceState, Node, NodeGroup, Pod


_TEMPLATE: Final = "k8s.io/cluster-autoscaler/node-template/"

LEGACY: Final = ("vpc-resource-controller", "vpc-admission-webhook")
"""Components of legacy Windows support, in kube-system."""

PREFIX_VERSIONS: Final[Mapping[str, int]] = {
    version: lowest
    for version, lowest in (WINDOWS_PLATFORM_VERSIONS | PREFIX_PLATFORM_VERSIONS).items()
    if int(version.partition(".")[2]) >= 25
}
"""Lowest platform version with prefix delegation on Windows, by Kubernetes version."""

REASONS: Final = {
    "mode-changed": "the number belongs to the other mode: the ConfigMap changed while the node "
    "was live, and the controller has not updated the node since, or not from this ConfigMap",
    "platform-version": "the ConfigMap asks for prefix delegation, and the cluster's platform "
    "version is too old for it",
    "platform-too-old": "the cluster's platform version is too old for Windows support",
    "legacy-controller": "the ConfigMap asks for prefix delegation, and the legacy Deployment "
    "vpc-resource-controller keeps the nodes in secondary mode",
    "type-unknown-to-controller": "the VPC resource controller's table lacks the type, so it does "
    "not manage such nodes",
    "type-label-missing": "the node has no label node.kubernetes.io/instance-type: the cloud "
    "provider has not initialised it, so nothing can be computed",
    "type-not-in-catalog": "this catalog lacks the type: nothing can be computed",
    "stale-node": "the number is stale: the node is not ready, or the number belongs to neither "
    "mode of its type and was advertised by something else than today's controller",
    "windows-ipam-off": "enable-windows-ipam is not true: the controller manages no Windows nodes",
    "role-policy": "the cluster role lacks AmazonEKSVPCResourceController: the controller may not "
    "attach addresses",
    "node-event": "the controller has not initialised the node; an event of the node says why",
    "not-initialised": "the controller has not initialised the node, or cannot; its events say why",
    "not-reported": "the loaded data do not contain the node's allocatable resources",
    "mode-unknown": "neither the ConfigMap nor the nodes show the mode of the cluster",
}
"""Reasons why a node advertises a number other than the computed one."""

NO_BLOCK: Final = "InsufficientCidrBlocks"
NO_ADDRESS: Final = "InsufficientFreeAddressesInSubnet"
"""EC2 errors that appear in events of nodes and pods."""


@dataclass(frozen=True)
class Obstacle:
    """Why a node gives scheduled pods no address: a code, and the quoted evidence."""

    code: str
    evidence: tuple[str, ...]


def minor(version: str | None) -> tuple[int, int] | None:
    """
    Major and minor number of a Kubernetes version; None for anything else.

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
    Lowest platform version that a table requires for a Kubernetes version.

    Later Kubernetes versions than the table's need only the first platform version; for earlier
    ones the result is None.

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
    """Whether the platform version meets a table's requirement; None if not known."""
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
    """Components of legacy Windows support that are present; None if not known."""
    if (state.workloads is None and state.pods is None) or state.only_namespace:
        return None
    names = [w.name for w in state.workloads or () if w.namespace == "kube-system"]
    names += [pod.name for pod in state.pods or () if pod.namespace == "kube-system"]
    return [part for part in LEGACY if any(name.startswith(part) for name in names)]


def policy_lacking(state: ClusterState) -> bool | None:
    """Whether the cluster role lacks the controller's policy; None if not known."""
    if state.cluster_role_policies is None:
        return None
    names = {name.rpartition("/")[2] for name in state.cluster_role_policies}
    return RESOURCE_CONTROLLER_POLICY not in names


def asked_mode(state: ClusterState) -> bool | None:
    """Whether the ConfigMap enables prefix delegation; None if not known."""
    data = state.cni_configmap
    if data is None:
        return None
    return all(go_bool(data.get(key, "")) for key in (ENABLE_IPAM, ENABLE_PREFIX_DELEGATION))


def expected_addresses(row: InstanceType | None, *, prefix_delegation: bool | None) -> int | None:
    """Addresses that a node of a type should advertise; None if not known."""
    if row is None or (prefix_delegation is None and row.nitro):
        return None
    return int(by_mode(row.ipv4_per_interface, int(bool(prefix_delegation and row.nitro))))


def build_of(node: Node) -> int | None:
    """Number of a node's Windows build, such as 20348; None if not known."""
    parts = node.build.split(".")
    return int(parts[2]) if len(parts) > 2 and parts[2].isdecimal() else None


def release_of(node: Node) -> str:
    """
    Windows Server release of a node, from its build, or else its image; empty if not known.

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import Node
    >>> release_of(Node(name="n", build="10.0.20348.3091"))
    '2022'
    """
    if (build := build_of(node)) is not None:
        return WINDOWS_BUILDS.get(build, "")
    named = [r for r in WINDOWS_SERVER_FROM if f"Windows Server {r}" in node.os_image]
    return named[0] if named else ""


def group_of(node: Node, state: ClusterState) -> NodeGroup | None:
    """Node group of a node, from its label or else its instance; None if not known."""
    return next(
        (
            group
            for group in state.node_groups or ()
            if group.name == node.node_group
            or (node.instance_id and node.instance_id in group.instances)
        ),
        None,
    )


def autoscaler_tags(addresses: int) -> dict[str, str]:
    """
    Tags that tell the cluster autoscaler the capacity of a Windows node before it starts.

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


@dataclass
class Use:
    """
    Pods and requests on one node.

    Attributes
    ----------
    with_address, host : int
        Pods with a pod address, and on the host's network. [pods]
    without_request : int
        Pods that need an address but did not request one, so they never get one. [pods]
    waiting : int
        Those `with_address` that are scheduled but have no address yet. [pods]
    cpu_m, memory : int
        Requests of the pods. [millicores], [bytes]
    """

    with_address: int = 0
    host: int = 0
    without_request: int = 0
    waiting: int = 0
    cpu_m: int = 0
    memory: int = 0

    @property
    def pods(self) -> int:
        """All pods."""
        return self.with_address + self.without_address

    @property
    def without_address(self) -> int:
        """Pods that count towards max-pods but take no address."""
        return self.host + self.without_request


IDLE: Final = Use()


@dataclass(frozen=True)
class PodNeed:
    """Requests of one pod: an address, CPU [millicores], memory [bytes]."""

    address: bool
    cpu_m: int
    memory: int

    @classmethod
    def of(cls, pod: Pod) -> PodNeed:
        """Requests of a pod, without an address if its spec requests none."""
        return cls(pod.takes_address and not pod.without_request, pod.cpu_m, pod.memory_bytes)


def pods_in(rooms: npt.NDArray[np.float64], need: PodNeed) -> npt.NDArray[np.int64]:
    """Pods that fit into each row of capacities; 0 where no limit is known. [pods]."""
    addresses, lowest, cpu, memory = rooms.T
    if need.address:
        lowest = np.minimum(addresses, lowest)
    for room, request in ((cpu, need.cpu_m), (memory, need.memory)):
        if request:
            lowest = np.minimum(lowest, np.floor(room / request))
    return np.where(np.isinf(lowest), 0, np.maximum(lowest, 0)).astype(np.int64)


def comes_with_a_node(pod: Pod) -> bool:
    """Whether a new node would have such a pod: of a DaemonSet, or on the host's network."""
    return not pod.takes_address or pod.owner.startswith("DaemonSet/")


def use_by_node(pods: Iterable[Pod]) -> dict[str, Use]:
    """Total use of each Windows node by some of its pods."""
    use: dict[str, Use] = defaultdict(Use)
    for pod in pods:
        if not pod.node:
            continue
        node = use[pod.node]
        if not pod.takes_address:
            node.host += 1
        elif pod.without_request:
            node.without_request += 1
        else:
            node.with_address += 1
            node.waiting += pod.phase == "Pending" and not pod.address
        node.cpu_m += pod.cpu_m
        node.memory += pod.memory_bytes
    return dict(use)


def other_requests(state: ClusterState) -> str:
    """Requests of Windows pods beyond the modelled limits, with their number; empty if none."""
    asking = [pod for pod in state.windows_pods or () if pod.active and pod.other_requests]
    if not asking:
        return ""
    names = ", ".join(sorted({name for pod in asking for name in pod.other_requests}))
    pods = count_of(len(asking), "pod requests", "pods request")
    return f"{names}, which {pods}, first {asking[0].full_name}"


def advertised_by(node: Node) -> int | None:
    """
    Addresses that a node advertises; None if its allocatable is not known.

    An allocatable without the resource means 0: no pod with an address is scheduled on the node.
    """
    if node.advertised_addresses is not None:
        return node.advertised_addresses
    return None if node.pods_limit is None and node.cpu_m is None else 0


def advertised_mode(node: Node, row: InstanceType) -> bool | None:
    """Whether a node advertises the number of prefix mode; None if that of neither mode."""
    for prefixes in (True, False):
        if node.advertised_addresses == expected_addresses(row, prefix_delegation=prefixes):
            return prefixes
    return None


@dataclass(frozen=True, kw_only=True)
class Slots:
    """
    How the slots of a node's interface are filled.

    Attributes
    ----------
    slots : int
        IPv4 addresses per interface - 1.
    secondary, prefixes : int
        Slots that hold a secondary address, and those that hold a prefix.
    prefix_delegation : bool
        The mode in which the node serves new pods.
    old : int
        Running pods with an address of the other mode. [pods]
    running : int
        Pods with an address, of either mode. [pods]
    room : int or None
        Slots that the subnet can still fill; None if not known.
    """

    slots: int
    secondary: int
    prefixes: int
    prefix_delegation: bool
    old: int
    running: int
    room: int | None

    @property
    def each(self) -> int:
        """Addresses in one slot. [addresses]."""
        return ADDRESSES_PER_PREFIX if self.prefix_delegation else 1

    @property
    def of_other_mode(self) -> int:
        """Slots filled in the other mode."""
        return self.secondary if self.prefix_delegation else self.prefixes

    @property
    def attached(self) -> int:
        """Slots filled in the node's present mode."""
        return self.prefixes if self.prefix_delegation else self.secondary

    @property
    def free(self) -> int:
        """Empty slots."""
        return max(self.slots - self.secondary - self.prefixes, 0)

    @property
    def serves_by_slots(self) -> int:
        """Pods with an address once every empty slot is filled. [pods]."""
        return self.old + self.each * (self.attached + self.free)

    @property
    def serves(self) -> int:
        """The same, limited by what the subnet can fill. [pods]."""
        grown = self.free if self.room is None else min(self.free, self.room)
        return self.old + self.each * (self.attached + grown)

    @property
    def idle(self) -> int:
        """Attached addresses of the node's mode without a pod: warm or cooling. [addresses]."""
        return max(self.each * self.attached - (self.running - self.old), 0)

    def __str__(self) -> str:
        """The counts of EC2 as a phrase, for the evidence."""
        return (
            "its interface holds "
            f"{count_of(self.secondary, 'secondary address', 'secondary addresses')} and "
            f"{count_of(self.prefixes, 'prefix', 'prefixes')} on {count_of(self.slots, 'slot')}"
        )


def slots_of(
    row: InstanceType,
    interface: InterfaceState,
    addresses: Collection[str],
    *,
    silent: int,
    prefix_delegation: bool,
    room: int | None,
) -> Slots:
    """
    How the slots of a node are filled, from the answer of DescribeNetworkInterfaces.

    `addresses` are the known ones of its pods; `silent` more pods run there without a known
    address. `room` is the number of slots that the subnet can fill; None if not known.
    """
    if prefix_delegation:
        other = set(interface.secondary)
        old = sum(address in other for address in addresses)
        most = len(other)
    else:
        old = sum(_inside(address, interface.prefixes) for address in addresses)
        most = len(interface.prefixes) * ADDRESSES_PER_PREFIX
    return Slots(
        slots=secondary(row.ipv4_per_interface),
        secondary=len(interface.secondary),
        prefixes=len(interface.prefixes),
        prefix_delegation=prefix_delegation,
        # Pods without a known address are assumed to use the other mode's, which were first.
        old=min(old + silent, max(most, old)),
        running=len(addresses) + silent,
        room=room,
    )


def _inside(address: str, prefixes: Collection[str]) -> bool:
    import ipaddress

    try:
        host = ipaddress.IPv4Address(address)
        return any(host in ipaddress.IPv4Network(prefix, strict=False) for prefix in prefixes)
    except ValueError:
        return False


def difference_reason(
    node: Node, row: InstanceType | None, state: ClusterState, *, prefix_delegation: bool | None
) -> str:
    """Code of why advertised and computed addresses of a node differ; empty if they do not."""
    if row is None:
        return "type-not-in-catalog" if node.instance_type else "type-label-missing"
    if not node.advertised_addresses:
        return silence(node, row, state)
    computed = expected_addresses(row, prefix_delegation=prefix_delegation)
    if computed is None:
        return "mode-unknown"
    if node.advertised_addresses == computed:
        return ""
    slots = secondary(row.ipv4_per_interface)
    if not node.ready or node.advertised_addresses not in {
        slots,
        prefix(row.ipv4_per_interface) if row.nitro else slots,
    }:
        return "stale-node"
    if prefix_delegation and legacy_components(state):
        return "legacy-controller"
    if prefix_delegation and platform_serves(state, PREFIX_VERSIONS) is False:
        return "platform-version"
    return "mode-changed"


def silence(node: Node, row: InstanceType, state: ClusterState) -> str:
    """Code of why a node advertises no addresses."""
    data = state.cni_configmap
    if advertised_by(node) is None:
        return "not-reported"
    if data is not None and not go_bool(data.get(ENABLE_IPAM, "")):
        return "windows-ipam-off"
    unsupported = any(event.startswith("Unsupported") for event in node.events)
    if unsupported or "unknown-to-controller" in row.windows.codes:
        return "type-unknown-to-controller"
    if node.ready is False:
        return "stale-node"
    # If other nodes are served, a customer's policy grants what the managed one would.
    if policy_lacking(state) and not any(
        other.advertised_addresses for other in state.windows_nodes or ()
    ):
        return "role-policy"
    if platform_serves(state, WINDOWS_PLATFORM_VERSIONS) is False:
        return "platform-too-old"
    return "node-event" if node.events else "not-initialised"


_PATTERNS: Final = tuple(
    (code, re.compile(pattern, re.IGNORECASE))
    for code, pattern in (
        # The most specific first, as the first pattern that matches decides.
        ("prefixes", r"InsufficientCidrBlocks"),
        ("subnet", r"InsufficientFreeAddressesInSubnet"),
        ("addresses", r"Insufficient vpc\.amazonaws\.com/PrivateIPv4Address"),
        ("kubelet", r"Too many pods|Insufficient pods\b"),
        ("cpu", r"Insufficient cpu\b"),
        ("memory", r"Insufficient memory\b"),
        ("storage", r"Insufficient ephemeral-storage"),
        ("resource", r"Insufficient \S+"),
        ("volume", r"volume|persistentvolumeclaim|NoVolumeZoneConflict|NoDiskConflict"),
        ("ports", r"free ports|PodFitsHostPorts"),
        ("pod-affinity", r"pod affinity|anti-affinity|topology spread|MatchInterPodAffinity"),
        (
            "not-ready",
            (
                r"node\.kubernetes\.io/(not-ready|unreachable|unschedulable|memory-pressure)"
                rf"|{GOING_TAINTS}|(were|was) (unschedulable|not ready)|NodeNotReady|NodeUnschedulable"
            ),
        ),
        ("taint", r"untolerated taint|had taint|didn't tolerate|PodToleratesNodeTaints"),
        ("selector", r"didn't match (Pod's )?node (affinity|selector)|MatchNodeSelector"),
        ("gate", r"SchedulingGated|scheduling gates"),
        ("no-node", r"no nodes available|^0/0 nodes"),
        ("windows-version", r"operating system .*does not match|no matching manifest"),
        (
            "image",
            r"Err(ImagePull|ImageNeverPull)|ImagePullBackOff|InvalidImageName|pull(ing)? image",
        ),
        ("config", r"CreateContainerConfigError|(secret|configmap) \S+ not found"),
        ("container", r"(Create|Run)ContainerError|hcs::|hcsshim|StartError|PostStartHookError"),
        (
            "waiting-for-address",
            (
                r"does not have (label|annotation) vpc\.amazonaws\.com/PrivateIPv4Address"
                r"|failed to assign an? IP|no available IP|FailedToAssign|failed to set ?up network"
                r"|FailedCreatePodSandBox|failed to setup pod network|ContainerCreating"
            ),
        ),
    )
)

PRIORITY: Final = tuple(code for code, _ in _PATTERNS)
"""The causes by rank; the first one in a message is its main cause."""

_HEAD: Final = re.compile(r"^\s*(?P<fit>[0-9]+)/(?P<all>[0-9]+) nodes are available\b[:.]?\s*")
_TAIL: Final = re.compile(r"[.,;]?\s*preemption:.*$", re.IGNORECASE | re.DOTALL)
_COUNT: Final = re.compile(r"^(?P<count>[0-9]+) (?P<text>.*)$", re.DOTALL)
_OLD_COUNT: Final = re.compile(r"^(?P<text>.*) \((?P<count>[0-9]+)\)$", re.DOTALL)
_OLD_HEAD: Final = re.compile(r"^.*(of the predicates|failure summary on nodes)\s*:+\s*", re.DOTALL)


@lru_cache(maxsize=4096)
def causes(message: str) -> tuple[tuple[str, int | None], ...]:
    """
    Reasons why no node fits, the main one first, with the number of nodes each one excludes.

    Messages of schedulers since Kubernetes 1.6 are parsed; their part on preemption is ignored.
    The number is None if the message gives none.

    Examples
    --------
    >>> causes(
    ...     "0/5 nodes are available: 2 Insufficient vpc.amazonaws.com/PrivateIPv4Address, "
    ...     "3 node(s) had untolerated taint {dedicated: x}. preemption: 0/5 nodes are "
    ...     "available: 2 No preemption victims found for incoming pod."
    ... )
    (('addresses', 2), ('taint', 3))
    """
    text = _TAIL.sub("", message.strip())
    by_code: dict[str, int | None] = {}
    for part in _parts(text):
        counted = _COUNT.match(part) or _OLD_COUNT.match(part)
        said = counted["text"] if counted else part
        code = next((code for code, pattern in _PATTERNS if pattern.search(said)), None)
        if code is None:
            continue
        number = int(counted["count"]) if counted else None
        before = by_code.get(code)
        by_code[code] = number if before is None else before + (number or 0)
    return tuple(sorted(by_code.items(), key=lambda item: PRIORITY.index(item[0])))


def _parts(text: str) -> list[str]:
    head = _HEAD.match(text)
    if head:
        body = text[head.end() :].rstrip(". ")
        if not body:
            return [text]
        # Taints may contain commas: only one before a number separates reasons.
        return [part.strip() for part in re.split(r",\s+(?=[0-9]+ )", body)]
    old = _OLD_HEAD.match(text)
    if old:
        return [part.strip() for part in text[old.end() :].rstrip(". ").split(", ")]
    return [text] if text else []


def taints_of(message: str) -> list[str]:
    """
    Taints in a message, as ``key=value``.

    Examples
    --------
    >>> taints_of("1 node(s) had taint {os: windows}, that the pod didn't tolerate")
    ['os=windows']
    """
    pairs = re.findall(r"taint\(?s?\)? \{([^:{}]+):\s*([^{}]*)\}", message)
    return sorted({f"{key}={value.strip()}" if value.strip() else key for key, value in pairs})


_SPEAKERS: Final = {
    "karpenter": re.compile(
        r"failed to schedule pod|should schedule on: (node|machine)|nodepool|provisioner",
        re.IGNORECASE,
    ),
    "cluster-autoscaler": re.compile(r"trigger(ed)? scale-up", re.IGNORECASE),
}
"""Patterns in the events of each autoscaler.

Source: Karpenter, ``pkg/controllers/provisioning/scheduling/events.go``; cluster autoscaler,
``processors/status/eventing_scale_up_processor.go``.
"""


def heard(pods: Iterable[Pod], name: str) -> bool:
    """
    Whether an autoscaler appears in the events of pods, so that it runs.

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import Pod
    >>> pods = [Pod(namespace="a", name="b", events=("pod didn't trigger scale-up: 2 in backoff",))]
    >>> heard(pods, "cluster-autoscaler"), heard(pods, "karpenter")
    (True, False)
    """
    return any(_SPEAKERS[name].search(text) for pod in pods for text in (pod.message, *pod.events))
