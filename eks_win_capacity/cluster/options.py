"""What can be done for a pod that waits: each change with what it gains, the cheapest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eks_win_capacity.cluster import growth, settings
from eks_win_capacity.cluster.autoscalers import claimed, lift
from eks_win_capacity.cluster.changes import Change
from eks_win_capacity.cluster.cluster_view import PodNeed
from eks_win_capacity.cluster.launchers import larger
from eks_win_capacity.cluster.remedies import partition_of, word
from eks_win_capacity.cluster.scheduler_messages import causes
from eks_win_capacity.cluster.serving import REASONS, expected_addresses
from eks_win_capacity.cluster.state import PARTS
from eks_win_capacity.core.constants import RESOURCE_CONTROLLER_POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster.cluster_view import ClusterView
    from eks_win_capacity.cluster.state import Node, Pod


def changes(cause: str, pod: Pod, waiting: int, view: ClusterView) -> Iterator[Change]:
    """
    What may help, settings, then pods, then nodes; the caller ranks them.

    Parameters
    ----------
    waiting : int
        Pods like this one that wait for the same cause. [pods]
    """
    need = PodNeed.of(pod)
    # The order counts among equals: what costs no node comes before what does.
    if cause in {"addresses", "no-windows-node", "waiting-for-address"}:
        yield from settings.enable(need, view)
    if cause == "no-address-asked":
        yield from settings.ask_for_address(pod, waiting, view)
    if not pod.node:
        yield from lift(pod, need, view)
    if cause in NO_ROOM:
        yield from claimed(need, view)
    if cause in {"not-served", "addresses"}:
        yield from serve(need, view)
    if cause in NO_ROOM:
        yield from settings.uncordon(need, view)
    if cause == "addresses":
        yield from settings.refresh(need, view)
    if cause == "starved":
        yield from settings.unstarve(pod, view)
    if cause in {"subnet", "prefixes"}:
        held = view.subnet_of.get(pod.node) if pod.node else None
        yield growth.lean_targets(held, view, prefixes=cause == "prefixes")
        yield from growth.give_back(held, view, prefixes=cause == "prefixes")
    if cause == "taint":
        yield settings.tolerate(pod, need, view)
    if cause == "selector":
        yield settings.select(pod, view)
    if need.address and (
        cause == "addresses"
        # Where no node can be added, more addresses on those there are help who lacks them.
        or (cause in _AT_LIMIT and "addresses" in dict(causes(pod.message)))
    ):
        yield settings.prefixes(need, view)
    if cause in {"kubelet", "addresses"}:
        yield settings.max_pods(need, view, full=cause)
    if cause == "waiting-for-address":
        yield settings.wait(pod, view)
    if cause == "slots-held":
        yield settings.empty_slots(pod, need, view)
    if cause == "prefixes":
        yield settings.reserve(pod, view)
        yield settings.drain_for_blocks(pod, view)
        yield settings.leave_prefixes(pod, view)
    if cause in {"subnet", "prefixes"}:
        yield growth.other_subnet(pod, need, view)
    if cause in NO_ROOM:
        yield from growth.more_nodes(need, waiting, view)
    if cause in _LOOK:
        yield Change(code=_LOOK[cause][0], remedy=_LOOK[cause][1] + _describe(pod), unit="")


NO_ROOM: Final = {"addresses", "kubelet", "cpu", "memory", "not-ready", "no-windows-node"}
"""Causes that another node would cure."""

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
    "gate": ("look", "remove its scheduling gate once what it waits for is there: "),
    "image": ("look", "see whether the name of the image and the right to pull it are correct: "),
    "windows-version": (
        "look",
        "use an image of the nodes' Windows Server release, for the base image must match it: ",
    ),
    "config": ("look", "create the Secret or ConfigMap that it names: "),
    "no-message": ("look", "see its events: "),
    "other": ("look", "see its events: "),
}
"""What to look at where this library has nothing to compute."""


def _describe(pod: Pod) -> str:
    return f"kubectl describe pod -n {word(pod.namespace, 'NAMESPACE')} {word(pod.name, 'POD')}"


def serve(need: PodNeed, view: ClusterView) -> Iterator[Change]:
    """Changes by which silent nodes advertise addresses, one for each reason of their silence."""
    by_reason: dict[str, list[Node]] = {}
    for node in view.silent:
        by_reason.setdefault(view.reason(node), []).append(node)
    for reason, nodes in by_reason.items():
        gain = sum(
            view.left(
                node,
                need,
                addresses=expected_addresses(
                    view.row(node.instance_type), prefix_delegation=bool(view.mode)
                ),
            )
            for node in nodes
        )
        yield _by_reason(reason, nodes, gain, need, view)


def _by_reason(
    reason: str, nodes: list[Node], gain: int, need: PodNeed, view: ClusterView
) -> Change:
    why = "; ".join(text for node in nodes[:4] for text in view.why_silent(node))
    state = view.state
    if reason == "role-policy":
        return Change(
            code="attach-policy",
            remedy=f"aws iam attach-role-policy --role-name {word(state.cluster_role, 'CLUSTER_ROLE')} "
            f"--policy-arn arn:{partition_of(state)}:iam::aws:policy/{RESOURCE_CONTROLLER_POLICY}",
            gain=gain,
            feasible=gain > 0,
            why=why,
        )
    if reason == "type-unknown-to-controller":
        return _other_type(why, need, view)
    if reason == "platform-too-old":
        return Change(
            code="update-cluster",
            remedy="update the cluster to a Kubernetes version whose platform serves Windows: aws "
            f"eks update-cluster-version --name {word(state.name, 'CLUSTER_NAME')} "
            f"--kubernetes-version {word(None, 'KUBERNETES_VERSION')}",
            gain=gain,
            feasible=gain > 0,
            why=f"{why}; Kubernetes {state.version}, platform {state.platform_version}",
        )
    asked = [
        PARTS[part]
        for part in ("cni_configmap", "cluster_role_policies", "platform_version")
        if getattr(state, part) is None
    ]
    first = word(nodes[0].name, "NODE")
    return Change(
        code="initialise-node",
        remedy=f"see the events of the node: kubectl describe node {first}"
        + (f"; and give the answers of: {'; '.join(asked)}" if asked else ""),
        feasible=None,
        why=why or REASONS.get(reason, reason),
    )


def _other_type(why: str, need: PodNeed, view: ClusterView) -> Change:
    """A node of a type that the controller knows and that holds the pod."""
    name = larger(need, view)
    pods = view.fresh(name, need) if name else 0
    return Change(
        code="other-type",
        remedy=f"start nodes of a type that the controller knows, such as {name}"
        if name
        else "lower what the pod requests: no type that runs Windows holds it",
        gain=pods,
        feasible=pods > 0,
        why=why,
        nodes=1,
    )
