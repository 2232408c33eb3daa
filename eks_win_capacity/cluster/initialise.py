"""What lets the VPC resource controller serve nodes that advertise no pod address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_win_capacity.cluster.changes import Change
from eks_win_capacity.cluster.launchers import larger
from eks_win_capacity.cluster.serving import REASONS
from eks_win_capacity.cluster.state import PARTS
from eks_win_capacity.cluster.view import expected_addresses, partition_of, word
from eks_win_capacity.core.constants import RESOURCE_CONTROLLER_POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster.cluster_view import ClusterView, PodNeed
    from eks_win_capacity.cluster.state import Node


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
        yield _change(reason, nodes, gain, need, view)


def _change(reason: str, nodes: list[Node], gain: int, need: PodNeed, view: ClusterView) -> Change:
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
