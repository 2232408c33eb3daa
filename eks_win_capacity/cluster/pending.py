"""Why a Windows pod waits, and the cheapest change that helps."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.cluster.head_room import Need, Room
from eks_win_capacity.cluster.node_rows import IDLE, advertised_by
from eks_win_capacity.cluster.options import changes
from eks_win_capacity.cluster.scheduler_messages import causes
from eks_win_capacity.cluster.view import ADDRESS_RESOURCE
from eks_win_capacity.core.display import Listed, Shown
from eks_win_capacity.core.errors import InputError
from eks_win_capacity.core.redact import without_accounts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.cluster.changes import Change
    from eks_win_capacity.cluster.state import ClusterState, Pod

WHY: Final = {
    "addresses": "no Windows node has a pod address left",
    "kubelet": "every fitting node runs as many pods as its kubelet takes",
    "cpu": "no fitting node has the CPU it requests",
    "memory": "no fitting node has the memory it requests",
    "storage": "no fitting node has the ephemeral storage it requests",
    "resource": "no fitting node has another resource that it requests",
    "volume": "its volume cannot be bound, or is in a zone without a fitting node",
    "ports": "its host port is taken on every fitting node",
    "pod-affinity": "its pod affinity or topology spread rules every fitting node out",
    "gate": "a scheduling gate holds it back",
    "prefixes": "the node's subnet has no whole /28 block left, though addresses may be free",
    "subnet": "it has a node, and the node gets no address from its subnet",
    "starved": "it has a node, and the warm targets let the node attach no further address",
    "waiting-for-address": "it has a node and waits there for its address",
    "taint": "every fitting node has a taint that it does not tolerate",
    "selector": "no node matches what it selects",
    "no-windows-node": "the cluster has no ready Windows node",
    "not-ready": "the fitting nodes take no pods now",
    "image": "it has a node, and its image cannot be pulled",
    "windows-version": "it has a node, and its image is of another Windows release than the node",
    "config": "it has a node, and something it mounts or reads does not exist",
    "no-message": "the scheduler has not said why",
    "other": "the message names another reason",
}
"""Each cause in words."""


@dataclass(frozen=True, kw_only=True)
class PendingPod(Shown):
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
        Code of the cheapest change that helps, such as ``prefix-delegation``,
        ``max-pods``, ``warm-targets``, ``other-subnet``, ``more-nodes``.
    remedy : str
        The change in words, with the exact setting or command.
    also : tuple of str
        Codes of dearer changes that help too.
    message : str
        What the scheduler or the kubelet said, without account ids.
    causes : tuple of (str, int or None)
        Every reason in the message, with the nodes that it rules out.
    waiting : int
        Pods like this one that wait for the same cause, itself included. [pods]
    options : tuple of Change
        Every change that was weighed, the cheapest first, with what it gains; those that
        do not help are named with why.
    """

    _LISTED = ("pod", "waiting", "cause", "why", "change", "remedy")

    pod: str
    cause: str
    why: str
    change: str
    remedy: str
    also: tuple[str, ...]
    message: str
    causes: tuple[tuple[str, int | None], ...] = ()
    waiting: int = 1
    options: tuple[Change, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as a plain mapping."""
        return asdict(self)


def explain_pending(
    state: ClusterState,
    *,
    prices: Mapping[str, float] | None = None,
    catalog: Catalog | None = None,
) -> Listed[PendingPod]:
    """
    Say of each pending Windows pod why it waits and what helps at the least cost.

    Settings come before pods and pods before nodes: a change of mode or of targets costs
    nothing a month, a node does. What each change gains is computed from what runs.

    Parameters
    ----------
    state : ClusterState
    prices : Mapping of str to float, optional
        Price of a node of each type, to choose among the types of more nodes; their
        vCPUs, by which Windows is paid, where it is left out. [currency an hour]
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
    >>> from eks_win_capacity.cluster.state import ClusterState, Node, Pod
    >>> state = ClusterState(
    ...     nodes=(Node(name="win-1", os="windows", instance_type="m5.large",
    ...                 pods_limit=110, advertised_addresses=9),),
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
    room = Room(state, catalog, prices)
    waiting = [
        pod
        for pod in state.pods or ()
        if pod.phase == "Pending"
        # The resource belongs to Windows alone, whatever the pod itself says.
        and (state.pod_os(pod) == "windows" or ADDRESS_RESOURCE.lower() in pod.message.lower())
    ]
    named = [(pod, causes(pod.message)) for pod in waiting]
    keys = [(_cause(pod, found, room), Need.of(pod), _place(pod)) for pod, found in named]
    like = Counter(keys)
    weighed: dict[Any, tuple[Change, ...]] = {}
    told = []
    for (pod, found), key in zip(named, keys, strict=True):
        # Commands name the pod only where there is nothing to compute for many at once.
        own = (key, pod.full_name) if key[0] not in _SHARED else key
        if own not in weighed:
            weighed[own] = tuple(changes(key[0], pod, like[key], room))
        told.append(_explained(pod, key[0], found, like[key], weighed[own]))
    return Listed(told)


_SHARED: Final = frozenset(
    {"addresses", "cpu", "kubelet", "memory", "no-windows-node", "not-ready", "taint"}
)


def _place(pod: Pod) -> tuple[str, str, str, str]:
    return (pod.node, pod.selects_os, pod.selects_arch, pod.selects_compute)


def _explained(
    pod: Pod,
    cause: str,
    found: tuple[tuple[str, int | None], ...],
    waiting: int,
    options: tuple[Change, ...],
) -> PendingPod:
    useful = [change for change in options if change.feasible is not False]
    # What certainly helps comes before what may.
    useful.sort(key=lambda change: change.feasible is None)
    first = useful[0] if useful else None
    return PendingPod(
        pod=pod.full_name,
        cause=cause,
        why=WHY[cause],
        change=first.code if first else "look",
        remedy=first.remedy
        if first
        else f"kubectl describe pod -n {pod.namespace} {pod.name}; nothing that was weighed helps",
        also=tuple(change.code for change in useful[1:]),
        message=without_accounts(pod.message),
        causes=found,
        waiting=waiting,
        options=options,
    )


def _cause(pod: Pod, found: tuple[tuple[str, int | None], ...], room: Room) -> str:
    state = room.state
    codes = [code for code, _ in found]
    if state.nodes is not None and not room.windows and not pod.node:
        return "no-windows-node"
    if "no-node" in codes:
        return "no-windows-node" if not room.ready else "not-ready"
    if pod.node:
        said = next((code for code in codes if code != "waiting-for-address"), None)
        return said or (_unassigned(pod, room) if pod.takes_address else "other")
    if codes:
        if codes[0] == "selector" and room.windows and not room.ready:
            return "not-ready"
        return codes[0]
    if state.nodes is not None and not room.ready:
        return "no-windows-node"
    return "other" if pod.message else "no-message"


def _unassigned(pod: Pod, room: Room) -> str:
    """Name why a pod that has a node has no address there."""
    node = room.state.nodes_by_name.get(pod.node)
    if node is None:
        return "waiting-for-address"
    used = room.use.get(node.name, IDLE).with_address
    advertised = advertised_by(node)
    if advertised is not None and used > advertised:
        return "addresses"
    if room.starved(node):
        return "starved"
    held = room.subnet_of[node.name]
    subnet = room.models[held.subnet_id] if held else None
    row = room.row(node.instance_type)
    pool = None if row is None else room.pool(row)
    if subnet is None or pool is None:
        return "waiting-for-address"
    if subnet.free == 0:
        return "subnet"
    if pool.prefix_delegation and subnet.placement_known and subnet.free_prefixes == 0:
        return "prefixes"
    return "waiting-for-address"
