"""Checks of what Windows pods cannot have: Fargate, Auto Mode, custom networking and more."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

from eks_win_capacity.cluster.checks.check import check, some, windows_group
from eks_win_capacity.cluster.remedies import word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster.checks.check import Check, Look
    from eks_win_capacity.core.findings import Finding


@check(
    "custom-networking",
    considers="No custom networking with Windows",
    severity="warning",
    why="Windows nodes ignore ENIConfig: their pods take addresses from the node's own subnet, "
    "which custom networking was meant to spare",
)
def custom_networking(rule: Check, look: Look) -> Iterator[Finding]:
    """Look at the switch of the VPC CNI."""
    name = "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG"
    flag = look.cni_flag(name)
    if flag is None:
        yield rule.unknown(look, "cni_env", "addons")
    elif flag:
        yield rule.failed(
            f"{name} is true",
            "put Windows nodes into subnets with room for their pods, and do not count on "
            "ENIConfig for them; Linux nodes keep the switch",
        )
    else:
        yield rule.passed(f"{name} is not true")


@check(
    "security-groups-for-pods",
    considers="No security groups for pods with Windows",
    severity="error",
    why="a branch interface cannot serve a Windows pod: the policy has no effect there, or the "
    "pod does not start",
    whole=("security_group_policies", "pods", "workloads"),
)
def security_groups_for_pods(rule: Check, look: Look) -> Iterator[Finding]:
    """Match SecurityGroupPolicies with Windows pods."""
    state = look.state
    policies, makers = state.security_group_policies, look.windows_makers
    if policies == () or (policies is None and look.cni_flag("ENABLE_POD_ENI") is False):
        yield rule.passed("security groups for pods are not in use")
        return
    if policies is None or makers is None:
        missing = [
            part
            for part, value in (("security_group_policies", policies), ("pods", makers))
            if value is None
        ]
        yield rule.unknown(look, *missing)
        return
    hit: dict[str, list[str]] = {}
    for maker in makers:
        for policy in policies:
            if (
                policy.readable
                and policy.namespace == maker.namespace
                and set(policy.selector) <= set(maker.labels)
            ):
                hit.setdefault(f"{policy.namespace}/{policy.name}", []).append(maker.full_name)
    unread = [p for p in policies if not p.readable]
    for name, pods in hit.items():
        yield rule.failed(
            f"SecurityGroupPolicy {name} selects Windows pods: {some(pods)}",
            "narrow its podSelector to Linux pods: kubectl edit securitygrouppolicy -n "
            + " ".join(word(part, "NAME") for part in name.split("/")),
            subject=name,
        )
    if unread and makers:
        names = [f"{p.namespace}/{p.name}" for p in unread]
        yield rule.unknown(
            look,
            seen=f"whom {some(names)} selects is not known: by account or by expression",
            remedy="see that no Windows pod is among them: kubectl get securitygrouppolicies -A",
        )
    elif not hit:
        yield rule.passed("no SecurityGroupPolicy selects Windows pods")


@check(
    "fargate-windows-pods",
    considers="No Windows pods on Fargate",
    severity="error",
    why="Fargate runs Linux alone: a Windows pod that a profile selects stays pending",
    whole=("fargate_profiles", "pods", "workloads"),
)
def fargate_windows_pods(rule: Check, look: Look) -> Iterator[Finding]:
    """Match Fargate profiles with Windows pods."""
    state = look.state
    makers = look.windows_makers
    if state.fargate_profiles == ():
        yield rule.passed("the cluster has no Fargate profiles")
        return
    if state.fargate_profiles is None or makers is None:
        missing = ["fargate_profiles"] if state.fargate_profiles is None else []
        yield rule.unknown(look, *missing, *(["pods"] if makers is None else []))
        return
    found = False
    for profile in state.fargate_profiles:
        hit = [
            maker.full_name
            for maker in makers
            if any(
                _matches(namespace, maker.namespace) and set(labels) <= set(maker.labels)
                for namespace, labels in profile.selectors
            )
        ]
        if hit:
            found = True
            yield rule.failed(
                f"Fargate profile {profile.name} selects Windows pods: {some(hit)}",
                "run them in a namespace that no profile selects, or add a label that they lack to the "
                "selector of the profile",
                subject=profile.name,
            )
    if not found:
        yield rule.passed("no Fargate profile selects a Windows pod")


def _matches(pattern: str, name: str) -> bool:
    """Match a namespace as a Fargate profile does: ``*`` and ``?`` stand for others."""
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def _compute_check(
    rule: Check, look: Look, compute: str, *, part: str, exists: bool | None
) -> Iterator[Finding]:
    state, makers = look.state, look.windows_makers
    wrong = [n.name for n in state.windows_nodes or () if n.compute == compute]
    asking = [m.full_name for m in makers or () if m.selects_compute == compute]
    if wrong or asking:
        who = [f"node {name}" for name in wrong] + asking
        yield rule.failed(
            f"Windows is asked of {compute} compute by: {some(who)}",
            "run Windows on managed or self-managed EC2 node groups; take the node selector "
            f"eks.amazonaws.com/compute-type: {compute} away from Windows pods",
        )
    elif exists is False:
        yield rule.passed(f"the cluster does not use {compute} compute")
    elif makers is None or exists is None:
        missing = {part: exists, "pods": makers}
        yield rule.unknown(look, *(name for name, value in missing.items() if value is None))
    elif not makers:
        yield rule.passed(f"no pod asks for Windows on {compute} compute")
    elif state.windows_nodes or look.groups:
        yield rule.passed(f"Windows pods have EC2 nodes of their own beside {compute} compute")
    elif state.nodes is None:
        yield rule.unknown(look, "nodes", "node_groups")
    else:
        yield rule.failed(
            f"{len(makers)} Windows pods or workloads, and no Windows node beside {compute} "
            f"compute: {some([m.full_name for m in makers])}",
            f"add a Windows node group: {windows_group(look)}",
        )


@check(
    "auto-mode-windows-pods",
    considers="No Windows pods in EKS Auto Mode",
    severity="error",
    why="Auto Mode starts Linux nodes alone: a Windows pod left to it stays pending",
)
def auto_mode_windows_pods(rule: Check, look: Look) -> Iterator[Finding]:
    """See that Windows is not left to Auto Mode."""
    yield from _compute_check(rule, look, "auto", part="auto_mode", exists=look.state.auto_mode)


@check(
    "hybrid-windows-pods",
    considers="No Windows pods on Hybrid Nodes",
    severity="error",
    why="Hybrid Nodes run Linux alone, and the VPC gives their pods no addresses",
)
def hybrid_windows_pods(rule: Check, look: Look) -> Iterator[Finding]:
    """See that Windows is not left to Hybrid Nodes."""
    yield from _compute_check(
        rule, look, "hybrid", part="hybrid_nodes", exists=look.state.hybrid_nodes
    )


CHECKS = (
    custom_networking,
    security_groups_for_pods,
    fargate_windows_pods,
    auto_mode_windows_pods,
    hybrid_windows_pods,
)
"""In the order of the guide."""
