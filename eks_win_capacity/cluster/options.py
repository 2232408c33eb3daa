"""What can be done for a pod that waits: each change with what it gains, the cheapest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eks_win_capacity.cluster import growth, settings
from eks_win_capacity.cluster.autoscalers import claimed, lift
from eks_win_capacity.cluster.changes import Change
from eks_win_capacity.cluster.cluster_view import PodNeed
from eks_win_capacity.cluster.initialise import serve
from eks_win_capacity.cluster.scheduler_messages import causes
from eks_win_capacity.cluster.view import word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster.cluster_view import ClusterView
    from eks_win_capacity.cluster.state import Pod


def changes(cause: str, pod: Pod, waiting: int, view: ClusterView) -> Iterator[Change]:
    """
    What may help, settings, then pods, then nodes; the caller ranks them.

    Parameters
    ----------
    waiting : int
        Pods like this one that wait for the same cause. [pods]
    """
    need = PodNeed.of(pod)
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
