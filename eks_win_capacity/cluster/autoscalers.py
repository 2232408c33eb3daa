"""What Karpenter and the cluster autoscaler say of a pod for which they start no node."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from eks_win_capacity.cluster.changes import Change
from eks_win_capacity.cluster.view import (
    ADDRESS_RESOURCE,
    autoscaler_tags,
    expected_addresses,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from eks_win_capacity.cluster.cluster_view import ClusterView
    from eks_win_capacity.cluster.state import Pod

_PATTERNS: Final = (
    ("nodepool-limits", re.compile(r"exceed limits for nodepool", re.IGNORECASE)),
    ("nodepool-mismatch", re.compile(r"incompatible with (nodepool|provisioner)", re.IGNORECASE)),
    ("group-at-maximum", re.compile(r"max node group size reached", re.IGNORECASE)),
    (
        "autoscaler-blind",
        re.compile(rf"trigger scale-up.*Insufficient {re.escape(ADDRESS_RESOURCE)}", re.IGNORECASE),
    ),
)
_POOL: Final = re.compile(r"(?:nodepool|provisioner):? \"?([a-z0-9.-]+)", re.IGNORECASE)

_SPEAKERS: Final = {
    "karpenter": re.compile(
        r"failed to schedule pod|should schedule on: (node|machine)|nodepool|provisioner",
        re.IGNORECASE,
    ),
    "cluster-autoscaler": re.compile(r"trigger(ed)? scale-up", re.IGNORECASE),
}
"""How the events of each autoscaler are known.

Source: Karpenter, ``pkg/controllers/provisioning/scheduling/events.go``; cluster autoscaler,
``processors/status/eventing_scale_up_processor.go``.
"""


def heard(pods: Iterable[Pod], name: str) -> bool:
    """
    Whether an autoscaler speaks in the events of pods, so that it runs.

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import Pod
    >>> pods = [Pod(namespace="a", name="b", events=("pod didn't trigger scale-up: 2 in backoff",))]
    >>> heard(pods, "cluster-autoscaler"), heard(pods, "karpenter")
    (True, False)
    """
    return any(_SPEAKERS[name].search(text) for pod in pods for text in (pod.message, *pod.events))


def refusal(pod: Pod) -> tuple[str, str] | None:
    """
    Why an autoscaler starts no node for a pod: its code, and the sentence in which it says so.

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import Pod
    >>> refusal(Pod(namespace="a", name="b", events=(
    ...     'Failed to schedule pod, all available instance types exceed limits for nodepool: '
    ...     '"windows"',)))[0]
    'nodepool-limits'
    """
    for code, pattern in _PATTERNS:
        for text in (pod.message, *pod.events):
            if pattern.search(text):
                return code, text
    return None


def lift(pod: Pod, view: ClusterView) -> Iterator[Change]:
    """Changes that let an autoscaler start a node for a pod."""
    answer = refusal(pod)
    if answer is None:
        return
    code, text = answer
    named = _POOL.search(text)
    pool = word(named[1] if named else None, "NODEPOOL")
    look = f"kubectl get nodepool {pool} -o yaml"
    if code == "nodepool-limits":
        yield Change(
            code="raise-limits",
            remedy=f"raise spec.limits of NodePool {pool}: {look} shows them beside what its nodes "
            "use (status.resources)",
            feasible=None,
            why=f"Karpenter: {text}",
            nodes=1,
        )
    elif code == "nodepool-mismatch":
        windows = view.state.pod_os(pod) == "windows"
        system = "windows" if windows else "linux"
        counted = ADDRESS_RESOURCE.lower() in text.lower()
        yield Change(
            code="fix-nodepool",
            remedy=f"require kubernetes.io/os In [{system}] in NodePool {pool}"
            + (
                ", and give its EC2NodeClass a Windows AMI family: only then do its types offer "
                f"{ADDRESS_RESOURCE}"
                if windows
                else ", so that DaemonSets for Windows are not counted onto its nodes"
                if counted
                else ""
            )
            + f": {look}",
            feasible=None,
            why=f"Karpenter: {text}",
            nodes=1,
        )
    elif code == "group-at-maximum":
        groups = [g for g in view.groups if g.max_size is not None] or view.groups
        group = groups[0] if groups else None
        most = group.max_size + 1 if group and group.max_size is not None else None
        yield Change(
            code="raise-maximum",
            remedy="aws autoscaling update-auto-scaling-group --auto-scaling-group-name "
            f"{word(group.autoscaling_groups[0], 'GROUP_OF_NODES')} --max-size "
            f"{most or word(None, 'SIZE')}"
            if group and not group.managed and group.autoscaling_groups
            else "aws eks update-nodegroup-config --cluster-name "
            f"{word(view.state.name, 'CLUSTER_NAME')} --nodegroup-name "
            f"{word(group.name if group else None, 'NODE_GROUP')} --scaling-config "
            f"maxSize={most or word(None, 'SIZE')}",
            feasible=None,
            why=f"cluster autoscaler: {text}",
            nodes=1,
        )
    else:
        names = view.types or ["m5.large"]
        addresses = expected_addresses(view.row(names[0]), prefix_delegation=bool(view.mode)) or 0
        tags = ", ".join(f"{key}={value}" for key, value in autoscaler_tags(addresses).items())
        yield Change(
            code="tag-group",
            remedy=f"tag the Auto Scaling group of {names[0]} nodes: {tags}",
            feasible=None,
            why=f"cluster autoscaler: {text}; without the tag it does not know that a new node "
            "offers pod addresses; aws autoscaling describe-tags tells whether it is there",
            nodes=1,
        )
