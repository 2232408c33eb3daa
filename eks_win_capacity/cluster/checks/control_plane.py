"""Checks of what the cluster itself needs: hosts for CoreDNS, and its role's policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_win_capacity.cluster.checks.check import check, some
from eks_win_capacity.cluster.view import word
from eks_win_capacity.core.constants import RESOURCE_CONTROLLER_POLICY
from eks_win_capacity.core.display import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster.checks.check import Check, Look
    from eks_win_capacity.cluster.state import Node
    from eks_win_capacity.core.findings import Finding


def _dns_hosts(look: Look) -> tuple[int, str] | None:
    """Count what can run CoreDNS, and say what it is; None where it is not known."""
    state = look.state
    if state.nodes is not None:
        return _ready_hosts(look, state.nodes)
    if state.node_groups is None:
        return None
    sizes = [group.desired_size for group in look.linux_groups]
    nodes = sum(size or 0 for size in sizes)
    told = f"Linux node groups ask for {count_of(nodes, 'node')}"
    if state.fargate_profiles is None and nodes < 2:
        return None
    # A profile for kube-system starts as many Fargate pods as CoreDNS has replicas.
    serving = [
        profile.name
        for profile in state.fargate_profiles or ()
        if any(namespace in {"kube-system", "*"} for namespace, _ in profile.selectors)
    ]
    if serving and not look.legacy:
        return nodes + 2, f"{told}; Fargate profile {serving[0]} takes kube-system"
    if nodes < 2 and (look.hidden_groups or None in sizes):
        return None
    return nodes, told


def _ready_hosts(look: Look, nodes: tuple[Node, ...]) -> tuple[int, str]:
    fit = [n for n in nodes if n.os == "linux" and n.ready and n.schedulable]
    # What CoreDNS tolerates beyond its own manifest shows in where it runs.
    serving = {pod.node for pod in _dns_pods(look) if pod.phase == "Running"}
    closed = [
        n.name
        for n in fit
        if n.compute != "fargate" and n.name not in serving and any(map(_repels_dns, n.taints))
    ]
    linux = sum(n.compute != "fargate" and n.name not in closed for n in fit)
    # A Fargate node runs one pod: one that is another's cannot take CoreDNS.
    taken = {
        pod.node
        for pod in look.state.pods or ()
        if pod.active and not (pod.namespace == "kube-system" and pod.name.startswith("coredns"))
    }
    fargate = sum(n.compute == "fargate" and n.name not in taken for n in fit)
    told = f"ready: {count_of(linux, 'Linux node')}, {count_of(fargate, 'Fargate pod')}"
    if closed:
        told += f"; taints keep CoreDNS away from {some(closed)}"
    if look.legacy:
        return linux, f"{told} (legacy support excludes Fargate)"
    return linux + fargate, told


def _is_dns(pod: Pod) -> bool:
    return pod.namespace == "kube-system" and pod.name.startswith("coredns")


def _dns_pods(look: Look) -> list[Pod]:
    return [pod for pod in look.state.pods or () if pod.active and _is_dns(pod)]


def _repels_dns(taint: str) -> bool:
    """Whether the CoreDNS that EKS ships does not tolerate a taint."""
    key, _, effect = taint.rpartition(":")
    return effect in {"NoSchedule", "NoExecute"} and key.partition("=")[0] not in {
        "CriticalAddonsOnly",
        "node-role.kubernetes.io/control-plane",
    }


def _dns_at_work(rule: Check, look: Look) -> Finding | None:
    """Failure of CoreDNS itself; None where nothing shows one."""
    state = look.state
    pods = _dns_pods(look)
    if pods and all(pod.phase != "Running" for pod in pods):
        return rule.failed(
            f"no pod of CoreDNS runs: {some([f'{p.name} ({p.phase})' for p in pods])}",
            "see why: kubectl describe pods -n kube-system -l k8s-app=kube-dns",
        )
    others = any(pod.namespace == "kube-system" for pod in state.pods or ())
    whole = "pods" not in state.unknown and not any(
        "coredns" in w.name for w in state.workloads or ()
    )
    if others and whole and not pods:
        return rule.failed(
            "kube-system has pods, and none of CoreDNS among them",
            f"aws eks create-addon --cluster-name {look.cluster} --addon-name coredns",
        )
    return None


def _add_linux(look: Look) -> str:
    """Give the commands that add hosts for CoreDNS."""
    linux = (
        f"add Linux capacity: eksctl create nodegroup --cluster {look.cluster} --node-type "
        "t3.medium --nodes 2"
    )
    if look.legacy:
        return linux
    return (
        f"{linux}; or Fargate: eksctl create fargateprofile --cluster {look.cluster} --name "
        "coredns --namespace kube-system"
    )


def _enough_dns_hosts(rule: Check, look: Look, least: int) -> Iterator[Finding]:
    hosts = _dns_hosts(look)
    if hosts is None:
        yield rule.unknown(look, "nodes")
    elif hosts[0] < least:
        yield rule.failed(hosts[1], _add_linux(look))
    else:
        yield rule.passed(hosts[1])


@check(
    "coredns-capacity",
    considers="One Linux node or Fargate pod for CoreDNS",
    severity="error",
    why="CoreDNS runs on Linux alone: without it no pod resolves a name",
)
def coredns_capacity(rule: Check, look: Look) -> Iterator[Finding]:
    """Look at CoreDNS' own pods, then count what can run them."""
    down = _dns_at_work(rule, look)
    for finding in _enough_dns_hosts(rule, look, 1):
        yield down if down and finding.outcome != "fail" else finding


@check(
    "coredns-redundancy",
    considers="Two Linux nodes or Fargate pods recommended for CoreDNS",
    severity="warning",
    why="with one host for CoreDNS, its loss or its update takes name resolution from every pod",
)
def coredns_redundancy(rule: Check, look: Look) -> Iterator[Finding]:
    """Count what can run CoreDNS a second time."""
    return _enough_dns_hosts(rule, look, 2)


@check(
    "resource-controller-policy",
    considers="Managed policy AmazonEKSVPCResourceController on the cluster role",
    severity="error",
    why="without it the control plane may not attach addresses to Windows nodes",
)
def resource_controller_policy(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for the policy, and for the one case that does without."""
    state = look.state
    if state.cluster_role_policies is None:
        yield rule.unknown(look, "cluster_role_policies")
        return
    if RESOURCE_CONTROLLER_POLICY in {
        name.rpartition("/")[2] for name in state.cluster_role_policies
    }:
        yield rule.passed(f"the cluster role has {RESOURCE_CONTROLLER_POLICY}")
        return
    listed = some(state.cluster_role_policies) or "none"
    seen = f"the cluster role {state.cluster_role or ''} has the managed policies: {listed}"
    working = [n.name for n in state.windows_nodes or () if n.advertised_addresses]
    role = word(state.cluster_role, "CLUSTER_ROLE")
    if working:
        yield rule.unknown(
            look,
            seen=f"{seen}; Windows nodes advertise addresses ({some(working)}), so that a policy "
            "of your own or an inline one may grant the same",
            remedy=f"aws iam list-role-policies --role-name {role}; one policy must allow "
            "ec2:AssignPrivateIpAddresses and ec2:UnassignPrivateIpAddresses",
        )
    else:
        yield rule.failed(
            seen,
            f"aws iam attach-role-policy --role-name {role} --policy-arn "
            f"arn:{look.partition}:iam::aws:policy/{RESOURCE_CONTROLLER_POLICY}",
        )
        return
    yield rule.failed(
        seen,
        f"aws iam attach-role-policy --role-name {role} --policy-arn "
        f"arn:{look.partition}:iam::aws:policy/{RESOURCE_CONTROLLER_POLICY}",
    )


CHECKS = (coredns_capacity, coredns_redundancy, resource_controller_policy)
"""In the order of the guide."""
