"""Check of what the cluster autoscaler is told of a node before it exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_win_capacity.cluster.autoscalers import heard, lacking_tags, wanted_tags
from eks_win_capacity.cluster.checks.check import check, some
from eks_win_capacity.cluster.remedies import tag_command, tags_file
from eks_win_capacity.cluster.serving import group_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster.checks.check import Check, Look
    from eks_win_capacity.cluster.state import NodeGroup
    from eks_win_capacity.core.findings import Finding


@check(
    "autoscaler-node-template",
    considers="Node-template tag for the cluster autoscaler",
    severity="warning",
    why="the cluster autoscaler does not know that a new Windows node brings addresses: from "
    "zero nodes it never starts one",
    source="Kubernetes cluster autoscaler on AWS, scaling from 0: https://github.com/kubernetes/"
    "autoscaler/blob/master/cluster-autoscaler/cloudprovider/aws/README.md",
    whole=("node_groups",),
)
def autoscaler_node_template(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for the tag on the Auto Scaling group of each Windows node group."""
    state = look.state
    if _runs_autoscaler(look) is False:
        yield rule.passed("nothing runs the cluster autoscaler, by name, image or arguments")
        return
    if state.node_groups is None:
        yield rule.unknown(look, "node_groups")
        return
    alone = [
        node.name
        for node in look.windows
        if not node.node_pool and not node.node_group and group_of(node, state) is None
    ]
    if alone:
        yield rule.unknown(
            look,
            seen=f"the Auto Scaling groups of {some(alone)}, which are in no node group that is "
            "known, are not known",
            remedy="give the answers of: aws autoscaling describe-auto-scaling-groups, and kubectl "
            "get nodes -o json; each group must carry the tag",
        )
    elif not look.groups and state.windows_nodes is None:
        yield rule.unknown(look, "nodes")
    elif not look.groups:
        yield rule.passed("no Windows node groups yet")
    for group in look.groups:
        yield _group_tag(rule, look, group)


def _runs_autoscaler(look: Look) -> bool | None:
    """Whether the cluster autoscaler runs; None where manifests and pods are not known."""
    marked = any(
        key == "k8s.io/cluster-autoscaler/enabled"
        for group in look.groups
        if not group.managed  # EKS marks the groups that it manages by itself
        for key, _ in group.autoscaling_tags or ()
    )
    marked = marked or heard(look.state.pods or (), "cluster-autoscaler")
    if look.makers is None:
        return True if marked else None
    runs = any(
        maker.autoscaler or "cluster-autoscaler" in name for name, (maker, _) in look.makers.items()
    )
    return runs or marked


def _group_tag(rule: Check, look: Look, group: NodeGroup) -> Finding:
    """Whether the Auto Scaling group of a node group has the tag."""
    if group.autoscaling_tags is None:
        return rule.unknown(
            look,
            seen=f"the tags of the Auto Scaling group of {group.name} are not known",
            remedy="give the answer of: aws autoscaling describe-auto-scaling-groups",
            subject=group.name,
        )
    wanted = wanted_tags(group, look)
    if wanted is None:
        return rule.unknown(look, "cni_configmap", "nodes", subject=group.name)
    lacking = lacking_tags(wanted, group)
    if not lacking:
        return rule.passed(f"{group.name} has the tag", subject=group.name)
    told = ", ".join(f"{key}={value}" for key, value in lacking.items())
    return rule.failed(
        f"the Auto Scaling group of {group.name} lacks {told}",
        tag_command(lacking, group.autoscaling_groups, look.cluster, group.name),
        subject=group.name,
        files={
            f"node-template-tags-{group.name}.json": tags_file(lacking, group.autoscaling_groups)
        },
    )


CHECKS = (autoscaler_node_template,)
"""One alone."""
