"""Why Windows pods are pending, and the smallest change that helps."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.cluster import changes
from eks_win_capacity.cluster.autoscalers import claimed, lift, of_claims, refusal
from eks_win_capacity.cluster.cluster_view import ClusterView
from eks_win_capacity.cluster.full_subnet import drain_for_blocks, give_back, lean_targets, reserve
from eks_win_capacity.cluster.remedies import (
    Change,
    attach_policy,
    describe_pod,
    how_told,
    update_cluster,
    word,
)
from eks_win_capacity.cluster.serving import REASONS, PodNeed, causes
from eks_win_capacity.cluster.shared_room import in_all
from eks_win_capacity.cluster.state import needs_state
from eks_win_capacity.core.arguments import mapping, number
from eks_win_capacity.core.constants import ADDRESS_RESOURCE
from eks_win_capacity.core.display import Listed, Shown, plain_fields
from eks_win_capacity.core.errors import InputError, count_of, without_accounts
from eks_win_capacity.core.lazy import checked_call

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.cluster.state import ClusterState, Node, Pod

WHY: Final = {
    "addresses": "no Windows node has a free pod address",
    "kubelet": "every fitting node runs as many pods as its kubelet allows",
    "cpu": "no fitting node has the CPU it requests",
    "memory": "no fitting node has the memory it requests",
    "storage": "no fitting node has the ephemeral storage it requests",
    "resource": "no fitting node has another resource that it requests",
    "volume": "its volume cannot be bound, or is in a zone without a fitting node",
    "ports": "its host port is in use on every fitting node",
    "pod-affinity": "its pod affinity or topology spread excludes every fitting node",
    "gate": "a scheduling gate holds it back",
    "prefixes": "the node's subnet has no whole /28 block left, though addresses may be free",
    "subnet": "it has a node, and the subnet has no address for the node",
    "starved": "it has a node, and the warm targets prevent the node from attaching more addresses",
    "waiting-for-address": "it has a node and is waiting for its address",
    "no-address-asked": "it needs a pod address but did not request one, so it never gets one",
    "not-served": "the VPC resource controller has initialised no Windows node that accepts "
    "pods: they advertise no addresses",
    "nodepool-limits": "no node fits, and the limits of Karpenter's NodePool are reached",
    "nodepool-mismatch": "no node fits, and Karpenter finds no type in its NodePool that does",
    "group-at-maximum": "no node fits, and the node group has its maximum size",
    "autoscaler-blind": "no node fits, and the cluster autoscaler does not know that a new "
    "node would have pod addresses",
    "slots-held": "it has a node whose slots are still held by addresses of the other mode",
    "taint": "every fitting node has a taint that it does not tolerate",
    "selector": "no node matches what it selects",
    "node-not-ready": "it has a node that is not ready, so its kubelet starts no pods",
    "no-windows-node": "the cluster has no ready Windows node",
    "not-ready": "the fitting nodes accept no pods now",
    "image": "it has a node, and its image cannot be pulled",
    "windows-version": "it has a node, and its image is of another Windows release than the node",
    "config": "it has a node, and something it mounts or reads does not exist",
    "container": "it has a node, and the container runtime there cannot start it",
    "not-created": "the API server refuses to create it",
    "no-message": "the scheduler has not given a reason",
    "other": "the scheduler's message gives another reason",
}
"""Each cause as a phrase."""


@dataclass(frozen=True, kw_only=True)
class PendingPod(Shown):
    """
    Why one pod is pending.

    Attributes
    ----------
    pod : str
        Namespace and name.
    cause : str
        Reason code, such as ``addresses``, ``kubelet``, ``selector``.
    why : str
        The cause as a phrase.
    change : str
        Code of the smallest change that helps, such as ``prefix-delegation``,
        ``max-pods``, ``warm-targets``, ``other-subnet``, ``more-nodes``.
    remedy : str
        The change, with the exact setting or command.
    also : tuple of str
        Codes of larger changes that also help.
    message : str
        Message of the scheduler or the kubelet, without account ids.
    causes : tuple of (str, int or None)
        Every reason in the message, with the number of nodes that it excludes.
    waiting : int
        Pods like this one that are pending for the same cause, itself included. [pods]
    options : tuple of Change
        Every change considered, the smallest first, with its gain; those that do not help say
        why.
    evidence : tuple of str
        Parts of the state that show the cause: events, labels, counters.
    owner : str
        Object that created the pod, such as ``Deployment/web``.
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
    evidence: tuple[str, ...] = ()
    owner: str = ""

    @property
    def pods(self) -> int:
        """Pods that this describes: 1, or all that a manifest lacks if none is created."""
        return self.waiting if self.cause == "not-created" else 1

    def __repr__(self) -> str:
        """The pod, the cause, and the smallest change that helps."""
        return f"<PendingPod {self.pod}: {self.why}; {self.change}: {self.remedy}>"

    def to_dict(self) -> dict[str, Any]:
        """The fields as a plain mapping."""
        return asdict(self)

    def _fields_shown(self) -> dict[str, Any]:
        return plain_fields(self) | {
            "causes": tuple(
                code if nodes is None else f"{code} ({count_of(nodes, 'node')})"
                for code, nodes in self.causes
            ),
            "options": tuple(each.code for each in self.options),
        }


@checked_call
def explain_pending(
    state: ClusterState,
    *,
    prices: Mapping[str, float] | None = None,
    catalog: Catalog | None = None,
) -> Listed[PendingPod]:
    """
    Reasons why Windows pods are pending, each with the smallest change that helps.

    Changes are ordered: those certain to help first, then those that help all pending pods,
    then those that affect the fewest nodes. The gain of each change is computed from the
    running cluster.

    Parameters
    ----------
    state : ClusterState
    prices : Mapping of str to float, optional
        Price of a node of each type, to choose the type of additional nodes; by default their
        vCPUs, on which the price of Windows depends. [currency per hour]
    catalog : Catalog, optional
        The bundled one by default.

    Returns
    -------
    tuple of PendingPod
        In the order of the pods; empty if none is pending.

    Raises
    ------
    InputError
        If pods are not known.

    References
    ----------
    Kubernetes, "Kubernetes Scheduler"; EKS best practices guide, "Prefix mode for
    Windows".

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
    from eks_win_capacity.catalog import given_or_bundled

    catalog = given_or_bundled(catalog)
    state = needs_state(state)
    if prices is not None:
        prices = {
            type_: number(price, name=f"prices[{type_!r}]")
            for type_, price in mapping(prices, name="prices", of="types to prices").items()
        }
    if state.windows_pods is None:
        raise InputError(f"explaining needs the pods: {state.unknown['pods']}")
    view = ClusterView(state, catalog, prices)
    named = [(pod, causes(pod.message)) for pod in state.pods or () if _waits(pod, state)]
    derived = [_cause(pod, reasons, view) for pod, reasons in named]
    keys = [
        (cause, PodNeed.of(pod), _placement(pod))
        for (pod, _), (cause, _) in zip(named, derived, strict=True)
    ]
    like = Counter(keys)
    weighed: dict[Any, tuple[Change, ...]] = {}
    explained = []
    for (pod, reasons), (cause, evidence), key in zip(named, derived, keys, strict=True):
        # Commands name a pod, so changes are shared only for causes whose changes name none.
        cache_key = key if cause in _SHARED else (key, pod.full_name)
        if cache_key not in weighed:
            options = _changes(cause, pod, like[key], view)
            weighed[cache_key] = Listed(sorted(options, key=lambda change: change.rank(like[key])))
        explained.append(_explained(pod, cause, reasons, evidence, like[key], weighed[cache_key]))
    return Listed([*explained, *_not_created(state)])


def _not_created(state: ClusterState) -> Iterator[PendingPod]:
    """One row per Windows manifest whose pods could not all be created."""
    present = Counter((pod.namespace, pod.owner) for pod in state.pods or () if pod.active)
    for one in state.workloads or ():
        owner = f"{one.kind}/{one.name}"
        missing = (one.replicas or 0) - present[one.namespace, owner]
        if not one.refused or missing < 1 or "windows" not in {one.selects_os, one.declares_os}:
            continue
        space = word(one.namespace, "NAMESPACE")
        remedy = f"kubectl describe {one.kind.lower()} -n {space} {word(one.name, 'NAME')}"
        if "quota" in one.refused:
            remedy = f"raise the quota, or free what it counts: kubectl describe resourcequota -n {space}"
        elif "webhook" in one.refused:
            remedy = (
                "see why the webhook that it names does not answer: kubectl get "
                "mutatingwebhookconfigurations,validatingwebhookconfigurations"
            )
        yield PendingPod(
            pod=f"{one.namespace}/{one.name}",
            cause="not-created",
            why=WHY["not-created"],
            change="look",
            remedy=remedy,
            also=(),
            message=one.refused,
            waiting=missing,
            evidence=(f"{one.replicas:,} are asked for, {count_of(missing, 'pod')} missing",),
            owner=owner,
        )


def _waits(pod: Pod, state: ClusterState) -> bool:
    """Whether a pod is pending and meant for Windows."""
    if pod.phase != "Pending":
        return False
    # Only Windows pods use this resource, even if the pod names no operating system.
    return state.pod_os(pod) == "windows" or any(
        ADDRESS_RESOURCE.lower() in text.lower() for text in (pod.message, *pod.events)
    )


_SHARED: Final = frozenset(
    {"addresses", "cpu", "kubelet", "memory", "no-windows-node", "not-ready", "not-served", "taint"}
)


def _placement(pod: Pod) -> tuple[str, str, str, str]:
    return (pod.node, pod.selects_os, pod.selects_arch, pod.selects_compute)


def _explained(  # noqa: PLR0917
    pod: Pod,
    cause: str,
    reasons: tuple[tuple[str, int | None], ...],
    evidence: tuple[str, ...],
    waiting: int,
    options: tuple[Change, ...],
) -> PendingPod:
    useful = [change for change in options if change.feasible is not False]
    first = useful[0] if useful else None
    return PendingPod(
        pod=pod.full_name,
        cause=cause,
        why=WHY[cause],
        change=first.code if first else "look",
        remedy=first.remedy if first else f"{describe_pod(pod)}; no known change helps",
        also=tuple(change.code for change in useful[1:]),
        message=without_accounts(pod.message),
        causes=reasons,
        waiting=waiting,
        options=options,
        evidence=tuple(without_accounts(text) for text in evidence),
        owner=pod.owner,
    )


def _cause(
    pod: Pod, reasons: tuple[tuple[str, int | None], ...], view: ClusterView
) -> tuple[str, tuple[str, ...]]:
    """Cause of a pending pod, and the evidence besides its message."""
    cause, evidence = _seen_cause(pod, reasons, view)
    if rooms := _denied_room(cause, pod, reasons, view):
        evidence = (
            *evidence,
            _room_shown(rooms, in_all(rooms, view, address=PodNeed.of(pod).address)),
        )
    if cause not in NO_ROOM:
        return cause, evidence
    if pod.other_requests:
        names = " and ".join(pod.other_requests)
        evidence = (*evidence, f"it also requests {names}, which no number of pods here counts")
    # NodeClaims, starting or failed, are evidence for every lack of capacity.
    return cause, (*evidence, *of_claims(view))


_FULL: Final = frozenset({"addresses", "kubelet", "cpu", "memory"})
"""Causes that the known state can confirm: limits of nodes."""

_LIMITS: Final = {"kubelet": "pods_limit", "cpu": "cpu_m", "memory": "memory_bytes"}
"""Attribute of a node that holds each of these limits."""


def _only_full(reasons: tuple[tuple[str, int | None], ...], view: ClusterView) -> bool:
    """Whether all Windows nodes were full: other exclusions are Linux nodes by their selector."""
    linux = len(view.state.nodes or ()) - len(view.windows)
    return all(
        code in _FULL or (code == "selector" and count is not None and count <= linux)
        for code, count in reasons
    )


def _denied_room(
    cause: str, pod: Pod, reasons: tuple[tuple[str, int | None], ...], view: ClusterView
) -> Mapping[str, int]:
    """Known room for such pods by node, although the scheduler found none."""
    if cause not in _FULL or pod.node or not _only_full(reasons, view):
        return {}
    lacked = frozenset(_LIMITS[code] for code, _ in reasons if code in _LIMITS)
    return view.room_shown(PodNeed.of(pod), lacked)


def _room_shown(rooms: Mapping[str, int], total: int) -> str:
    return (
        f"the known state has room for {count_of(total, 'such pod')}, first on "
        f"{next(iter(rooms))}: pods are missing in it (kubectl get pods -A), or the state and "
        "the message are from different times"
    )


def _see_what_holds(rooms: Mapping[str, int], total: int, waiting: int) -> Iterator[Change]:
    if rooms and total >= waiting:
        yield Change(
            code="look",
            remedy="first check what uses this room: kubectl get pods -A -o wide "
            f"--field-selector spec.nodeName={word(next(iter(rooms)), 'NODE')}; then check the "
            "scheduler's present message: kubectl get events -A --field-selector reason=FailedScheduling",
            unit="",
            why=_room_shown(rooms, total),
        )


def _seen_cause(
    pod: Pod, reasons: tuple[tuple[str, int | None], ...], view: ClusterView
) -> tuple[str, tuple[str, ...]]:
    state = view.state
    codes = [code for code, _ in reasons]
    if state.nodes is not None and not view.windows and not pod.node:
        return "no-windows-node", ()
    if "no-node" in codes:
        return ("no-windows-node" if not view.ready else "not-ready"), ()
    if pod.node:
        return _placed(pod, codes, view)
    if answer := refusal(pod):
        return answer[0], (answer[1],)
    if codes and codes[0] == "addresses" and view.silent and len(view.silent) == len(view.ready):
        return "not-served", tuple(e for node in view.silent[:4] for e in view.why_silent(node))
    if codes:
        if codes[0] == "selector" and view.windows and not view.ready:
            return "not-ready", ()
        return codes[0], ()
    if state.nodes is not None and not view.ready:
        return "no-windows-node", ()
    return ("other" if pod.message else "no-message"), ()


def _placed(pod: Pod, codes: list[str], view: ClusterView) -> tuple[str, tuple[str, ...]]:
    """Cause of a scheduled pod, from its message, its request, then its node."""
    said = next((code for code in codes if code != "waiting-for-address"), None)
    if said:
        return said, ()
    if pod.without_request:
        selector = (
            f"its nodeSelector names kubernetes.io/os: {pod.selector_os}"
            if pod.selector_os
            else "its nodeSelector does not name kubernetes.io/os"
        )
        return "no-address-asked", (f"its spec requests no {ADDRESS_RESOURCE}", selector)
    if not pod.takes_address:
        return "other", ()
    if obstacle := view.blocked.get(pod.node):
        return obstacle.code, obstacle.evidence
    return "waiting-for-address", view.coming(pod.node)


def _changes(cause: str, pod: Pod, waiting: int, view: ClusterView) -> Iterator[Change]:
    """Changes that may help the pending pods like this one; the caller ranks them."""
    need = PodNeed.of(pod)
    # Order matters among equals: changes that need no node come first.
    rooms = _denied_room(cause, pod, causes(pod.message), view)
    yield from _see_what_holds(rooms, in_all(rooms, view, address=need.address), waiting)
    if cause in {"addresses", "no-windows-node", "waiting-for-address"}:
        yield from changes.enable(need, view)
    if cause == "no-address-asked":
        yield from changes.ask_for_address(pod, waiting, view)
    if not pod.node:
        yield from lift(pod, need, view)
    if cause in NO_ROOM:
        yield from claimed(need, view)
    if cause in {"not-served", "addresses"}:
        yield from serve(need, view)
    if cause in NO_ROOM:
        yield from changes.uncordon(need, view)
    if cause == "addresses":
        yield from changes.refresh(need, view)
    if cause == "starved":
        yield from changes.unstarve(pod, view)
    if cause in {"subnet", "prefixes"}:
        subnet = view.home(pod)
        yield lean_targets(subnet, view, prefixes=cause == "prefixes")
        yield from give_back(subnet, prefixes=cause == "prefixes")
    if cause == "taint":
        yield changes.tolerate(pod, need, view)
    if cause == "selector":
        yield changes.select(pod, view)
    if need.address and (
        cause == "addresses"
        # If no node can be added, more addresses on present ones help pods that lack them.
        or (cause in _AT_LIMIT and "addresses" in dict(causes(pod.message)))
    ):
        yield changes.prefixes(need, view)
    if cause in {"kubelet", "addresses"}:
        yield changes.max_pods(need, view, full=cause)
    if cause == "waiting-for-address":
        yield changes.wait(pod, view)
    if cause == "slots-held":
        yield changes.empty_slots(pod, need, view)
    if cause == "prefixes":
        yield reserve(pod, view)
        yield drain_for_blocks(pod, view)
        yield changes.leave_prefixes(pod, view)
    if cause in {"subnet", "prefixes"}:
        yield changes.other_subnet(pod, need, view)
    if cause in NO_ROOM:
        yield from changes.more_nodes(need, waiting, view)
    if cause in _LOOK:
        yield Change(code=_LOOK[cause][0], remedy=_LOOK[cause][1] + describe_pod(pod), unit="")


NO_ROOM: Final = {"addresses", "kubelet", "cpu", "memory", "not-ready", "no-windows-node"}
"""Causes that one more node would resolve."""

_AT_LIMIT: Final = {"nodepool-limits", "group-at-maximum"}

_LOOK: Final = {
    "volume": (
        "fix-volume",
        "give it a volume in the zone of a Windows node (volumeBindingMode WaitForFirstConsumer): ",
    ),
    "storage": ("look", "lower its ephemeral-storage request, or give nodes a larger disk: "),
    "resource": ("look", "no Windows node offers what it requests: "),
    "ports": ("look", "another pod holds its host port on each fitting node: "),
    "pod-affinity": ("look", "loosen its pod affinity or topology spread: "),
    "gate": ("look", "remove its scheduling gate once its condition is met: "),
    "image": ("look", "check the name of the image and the permission to pull it: "),
    "node-not-ready": (
        "look",
        "check why the node is not ready, and delete it if it does not recover: ",
    ),
    "windows-version": (
        "look",
        "use an image of the nodes' Windows Server release, for the base image must match it: ",
    ),
    "config": ("look", "create the Secret or ConfigMap that it names: "),
    "container": ("look", "see what the runtime says of its container: "),
    "no-message": ("look", "check its events: "),
    "other": ("look", "check its events: "),
}
"""What to check for causes without a computed change."""


def serve(need: PodNeed, view: ClusterView) -> Iterator[Change]:
    """Changes by which silent nodes would advertise addresses, one for each reason."""
    by_reason: dict[str, list[Node]] = {}
    for node in view.silent:
        by_reason.setdefault(view.reason(node), []).append(node)
    for reason, nodes in by_reason.items():
        served = {
            node.name: view.left(
                node, need, addresses=view.expected(node.instance_type, prefixes=bool(view.mode))
            )
            for node in nodes
        }
        gain = in_all(served, view, address=need.address)
        yield _by_reason(reason, nodes, gain, need, view)


def _by_reason(
    reason: str, nodes: list[Node], gain: int, need: PodNeed, view: ClusterView
) -> Change:
    why = "; ".join(text for node in nodes[:4] for text in view.why_silent(node))
    state = view.state
    if reason == "role-policy":
        return Change(
            code="attach-policy", remedy=attach_policy(state), gain=gain, feasible=gain > 0, why=why
        )
    if reason == "type-unknown-to-controller":
        return _other_type(why, need, view)
    if reason == "platform-too-old":
        return Change(
            code="update-cluster",
            remedy="update the cluster to a Kubernetes version whose platform serves Windows: "
            f"{update_cluster(state)}",
            gain=gain,
            feasible=gain > 0,
            why=f"{why}; Kubernetes {state.version}, platform {state.platform_version}",
        )
    missing = [
        part
        for part in ("cni_configmap", "cluster_role_policies", "platform_version")
        if getattr(state, part) is None
    ]
    first = word(nodes[0].name, "NODE")
    return Change(
        code="initialise-node",
        remedy=f"see the events of the node: kubectl describe node {first}"
        + (f"; {how_told(state, missing)}" if missing else ""),
        feasible=None,
        why=why or REASONS.get(reason, reason),
    )


def _other_type(why: str, need: PodNeed, view: ClusterView) -> Change:
    """Change to a node of a type that the controller supports and that fits the pod."""
    name = view.larger(need)
    pods = view.fresh(name, need) if name else 0
    return Change(
        code="other-type",
        remedy=f"start nodes of a type that the controller knows, such as {name}"
        if name
        else "lower the pod's requests: no type that runs Windows is large enough",
        gain=pods,
        feasible=pods > 0,
        why=why,
        nodes=1,
    )
