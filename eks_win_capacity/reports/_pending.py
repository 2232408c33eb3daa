"""Why a Windows pod waits, and the cheapest change that helps."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity import kernels
from eks_win_capacity.constants import KUBELET_MAX_PODS_ADVISED
from eks_win_capacity.errors import InputError
from eks_win_capacity.reports._report import mode_of, more_nodes, use_by_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.cluster import ClusterState, Pod

_CAUSES: Final = (
    (
        "addresses",
        re.compile(r"Insufficient vpc\.amazonaws\.com/PrivateIPv4Address", re.IGNORECASE),
    ),
    ("kubelet", re.compile(r"Too many pods", re.IGNORECASE)),
    ("cpu", re.compile(r"Insufficient cpu", re.IGNORECASE)),
    ("memory", re.compile(r"Insufficient memory", re.IGNORECASE)),
    ("prefixes", re.compile(r"InsufficientCidrBlocks", re.IGNORECASE)),
    (
        "subnet",
        re.compile(
            r"InsufficientFreeAddressesInSubnet|failed to assign an? IP address|"
            r"no available IP|FailedToAssign|failed to setup network",
            re.IGNORECASE,
        ),
    ),
    ("taint", re.compile(r"untolerated taint|had taint|didn't tolerate", re.IGNORECASE)),
    ("selector", re.compile(r"didn't match (Pod's )?node (affinity|selector)", re.IGNORECASE)),
    ("not-ready", re.compile(r"unschedulable|not ready|not-ready", re.IGNORECASE)),
)
"""What each part of a scheduler's or the controller's message means, most telling first."""

_WHY: Final = {
    "addresses": "no Windows node has a pod address left",
    "kubelet": "every fitting node runs as many pods as its kubelet takes",
    "cpu": "no fitting node has the CPU it requests",
    "memory": "no fitting node has the memory it requests",
    "prefixes": "the node's subnet has no whole /28 block left, though addresses may be free",
    "subnet": "it has a node, and the node gets no address from its subnet",
    "waiting-for-address": "it has a node and waits there for its address",
    "taint": "every fitting node has a taint that it does not tolerate",
    "selector": "no node matches what it selects",
    "no-windows-node": "the cluster has no ready Windows node",
    "not-ready": "the fitting nodes take no pods now",
    "no-message": "the scheduler has not said why",
    "other": "the scheduler's message names another reason",
}


@dataclass(frozen=True, kw_only=True)
class PendingPod:
    """
    Why one pod waits.

    Attributes
    ----------
    pod : str
        Namespace and name.
    cause : str
        Reason code, such as ``addresses``, ``kubelet``, ``selector``.
    why : str
        The cause in words.
    change : str
        Code of the cheapest change that helps: ``prefix-delegation``,
        ``max-pods``, ``warm-targets``, ``other-subnet``, ``more-nodes``,
        ``fix-selector``, ``tolerate``, ``wait`` or ``look``.
    remedy : str
        The change in words, with the exact setting.
    also : tuple of str
        Codes of dearer changes that help too.
    message : str
        What the scheduler or the kubelet said.
    """

    pod: str
    cause: str
    why: str
    change: str
    remedy: str
    also: tuple[str, ...]
    message: str

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as a plain mapping."""
        return asdict(self)


def explain_pending(
    state: ClusterState, *, catalog: Catalog | None = None
) -> tuple[PendingPod, ...]:
    """
    Say of each pending Windows pod why it waits and what helps at the least cost.

    Settings come before nodes: a change of mode or of max-pods costs nothing a
    month, a node does.

    Parameters
    ----------
    state : ClusterState
    catalog : Catalog, optional
        The bundled one by default.

    Returns
    -------
    tuple of PendingPod
        In the order of the pods; empty where none waits.

    Raises
    ------
    InputError
        If pods are not known.

    Examples
    --------
    >>> from eks_win_capacity.cluster import ClusterState, Node, Pod
    >>> state = ClusterState(
    ...     nodes=(Node(name="win-1", os="windows", instance_type="m5.large"),),
    ...     pods=(Pod(namespace="a", name="b", phase="Pending", selects_os="windows",
    ...               message="0/1 nodes are available: 1 Insufficient cpu."),))
    >>> [(pod.pod, pod.cause, pod.change) for pod in explain_pending(state)]
    [('a/b', 'cpu', 'more-nodes')]
    """
    if state.windows_pods is None:
        raise InputError(f"explaining needs the pods: {state.unknown['pods']}")
    if catalog is None:
        from eks_win_capacity.catalog import Catalog

        catalog = Catalog.bundled()
    room = _Room(state, catalog)
    waiting = [pod for pod in state.windows_pods if pod.phase == "Pending"]
    return tuple(_explained(pod, room) for pod in waiting)


def _explained(pod: Pod, room: _Room) -> PendingPod:
    cause = _cause(pod, room)
    changes = list(dict(room.changes(cause, pod)).items()) or [
        ("look", "kubectl describe pod -n " + pod.full_name.replace("/", " "))
    ]
    return PendingPod(
        pod=pod.full_name,
        cause=cause,
        why=_WHY[cause],
        change=changes[0][0],
        remedy=changes[0][1],
        also=tuple(code for code, _ in changes[1:]),
        message=pod.message,
    )


def _cause(pod: Pod, room: _Room) -> str:
    found = next((code for code, text in _CAUSES if text.search(pod.message)), None)
    if room.state.nodes is not None and not room.ready and not pod.node:
        return "no-windows-node"
    if found:
        return found
    if pod.node:
        return "waiting-for-address" if pod.takes_address else "other"
    return "other" if pod.message else "no-message"


class _Room:
    """What the cluster's nodes and subnets have left."""

    def __init__(self, state: ClusterState, catalog: Catalog) -> None:
        self.state = state
        self.catalog = catalog
        self.mode = mode_of(state)
        self.use = use_by_node(state)
        self.ready = [n for n in state.windows_nodes or () if n.ready and n.schedulable]

    def changes(self, cause: str, pod: Pod) -> Iterator[tuple[str, str]]:
        """Give the changes that help, the cheapest first."""
        if cause == "addresses":
            if (gain := self._prefix_gain) > 0:
                yield (
                    "prefix-delegation",
                    (
                        f"turn prefix delegation on (room for {gain:,} more pods on today's nodes): "
                        'enable-windows-prefix-delegation: "true" in ConfigMap '
                        "kube-system/amazon-vpc-cni"
                    ),
                )
            yield from self._more_nodes()
        elif cause == "kubelet":
            if any((n.pods_limit or 0) < self._ceiling(n) for n in self.ready):
                most = max(self._ceiling(n) for n in self.ready)
                yield (
                    "max-pods",
                    (
                        f"raise the kubelet's limit: -KubeletExtraArgs '--max-pods={most}' in the "
                        "bootstrap arguments of new nodes"
                    ),
                )
            yield from self._more_nodes()
        elif cause in {"cpu", "memory", "no-windows-node", "not-ready"}:
            yield from self._more_nodes()
        elif cause in {"subnet", "prefixes"}:
            yield (
                "warm-targets",
                (
                    "lower what idle nodes hold: windows-warm-ip-target and windows-minimum-ip-target "
                    "(or windows-warm-prefix-target) in ConfigMap kube-system/amazon-vpc-cni"
                ),
            )
            if cause == "prefixes":
                yield (
                    "reserve-prefixes",
                    (
                        "keep /28 blocks whole: aws ec2 create-subnet-cidr-reservation "
                        "--reservation-type prefix --subnet-id SUBNET --cidr CIDR"
                    ),
                )
            yield "other-subnet", "start nodes in a subnet with room: " + self._best_subnet
        elif cause == "taint":
            taints = sorted({t for n in self.ready for t in n.taints})
            yield "tolerate", f"add a toleration to the pod for: {', '.join(taints) or 'the taint'}"
        elif cause == "selector":
            yield (
                "fix-selector",
                'select nodes that exist: nodeSelector {kubernetes.io/os: "windows", '
                'kubernetes.io/arch: "amd64"}'
                + (f"; it selects arch {pod.selects_arch}" if pod.selects_arch else ""),
            )
            yield from self._more_nodes()
        elif cause == "waiting-for-address":
            yield "wait", "a freed address cools down for 30 to 60 s before it serves another pod"
            yield "other-subnet", "start nodes in a subnet with room: " + self._best_subnet

    def _ceiling(self, node: Any) -> int:
        return min(node.advertised_addresses or 0, KUBELET_MAX_PODS_ADVISED)

    @cached_property
    def _prefix_gain(self) -> int:
        """Count the pods that today's nodes would take besides, under prefix delegation."""
        if self.mode is not False:
            return 0
        gain = 0
        for node in self.ready:
            row = self.catalog.get(node.instance_type)
            if row is None or not row.nitro:
                continue
            used = self.use.get(node.name)
            running = (used.with_address + used.host) if used else 0
            most = min(kernels.prefix(row.ipv4_per_interface), node.pods_limit or 0)
            gain += max(most - running, 0)
        blocks = [
            s.subnet.free_prefixes
            for s in self.state.subnets or ()
            if s.subnet is not None and s.subnet.placement_known
        ]
        return gain if not blocks or any(blocks) else 0

    def _more_nodes(self) -> Iterator[tuple[str, str]]:
        groups = [g.name for g in self.state.node_groups or () if g.windows]
        which = f"node group {groups[0]}" if groups else "your Windows node group"
        name = groups[0] if groups else "GROUP"
        fits = self._fits
        if fits == 0:
            yield "other-subnet", "no known subnet takes one more node: add a subnet with room"
        yield (
            "more-nodes",
            (
                f"add a node to {which}: aws eks update-nodegroup-config --cluster-name "
                f"{self.state.name or 'NAME'} --nodegroup-name {name} --scaling-config desiredSize=N"
            ),
        )

    @cached_property
    def _fits(self) -> int | None:
        types = {n.instance_type for n in self.ready} & set(self.catalog)
        counts = [
            more_nodes(held, self.catalog[name], self.state)
            for held in self.state.subnets or ()
            for name in types
        ]
        return None if not counts or None in counts else max(c or 0 for c in counts)

    @cached_property
    def _best_subnet(self) -> str:
        known = [(s.available or 0, s.subnet_id) for s in self.state.subnets or ()]
        if not known:
            return "aws ec2 describe-subnets shows the free addresses"
        free, name = max(known)
        return f"{name} has {free:,} free addresses"
