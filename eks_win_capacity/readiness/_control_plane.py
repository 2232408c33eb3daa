"""Checks of the cluster itself: versions, role, and what Windows cannot use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from eks_win_capacity.constants import (
    PREFIX_PLATFORM_VERSIONS,
    RESOURCE_CONTROLLER_POLICY,
    WINDOWS_PLATFORM_VERSIONS,
)
from eks_win_capacity.readiness._rules import check, minor, some

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eks_win_capacity.cluster import ClusterState, Pod, Workload
    from eks_win_capacity.findings import Finding
    from eks_win_capacity.readiness._rules import Check, Look

_PLATFORM: Final = re.compile(r"eks\.([0-9]{1,9})")
LEGACY: Final = ("vpc-resource-controller", "vpc-admission-webhook")
"""Names of the components of legacy Windows support, in kube-system."""


def _lowest(version: tuple[int, int], table: Mapping[str, int]) -> int | None:
    """Give the lowest platform version of a Kubernetes version; None if it has none."""
    known = {minor(name): lowest for name, lowest in table.items()}
    if version in known:
        return known[version]
    return None if version < min(name for name in known if name) else 1


def _platform(
    rule: Check, look: Look, table: Mapping[str, int], what: str, *, wanted: bool | None = True
) -> Iterator[Finding]:
    state = look.state
    version = minor(state.version)
    number = _PLATFORM.fullmatch(state.platform_version or "")
    if version is None or (state.platform_version is None and _lowest(version, table)):
        yield rule.unknown(look, "version", "platform_version")
        return
    running = f"Kubernetes {state.version} at {state.platform_version or 'any platform version'}"
    lowest = _lowest(version, table)
    if number is None and lowest is not None:
        yield rule.unknown(look, seen=f"{running}: no platform version of the form eks.N")
    elif lowest is not None and number is not None and int(number[1]) >= lowest:
        yield rule.passed(f"{running}; {what} needs eks.{lowest} or later")
    elif wanted is None:
        yield rule.unknown(look, "cni_configmap", seen=f"{running} has no {what}; whether it is")
    elif not wanted:
        yield rule.passed(f"{running} has no {what}, and it is not asked for")
    elif lowest is None:
        oldest = min(table, key=lambda name: minor(name) or (0, 0))
        yield rule.failed(
            f"{running}; {what} begins with Kubernetes {oldest}",
            f"aws eks update-cluster-version --name {state.name or 'NAME'} "
            f"--kubernetes-version {oldest}, one minor version at a time",
        )
    else:
        yield rule.failed(
            f"{running}; {what} needs eks.{lowest} or later",
            "EKS rolls platform versions out by itself; to get a later one now, update the "
            f"Kubernetes version: aws eks update-cluster-version --name {state.name or 'NAME'} "
            f"--kubernetes-version {version[0]}.{version[1] + 1}",
        )


@check(
    "windows-platform-version",
    considers="Kubernetes and platform version for Windows support",
    severity="error",
    why="on an older platform version the control plane does not manage Windows nodes",
)
def windows_platform_version(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare the platform version with the lowest one for Windows."""
    yield from _platform(rule, look, WINDOWS_PLATFORM_VERSIONS, "Windows support")


@check(
    "prefix-platform-version",
    considers="Platform version for prefix delegation on Windows",
    severity="error",
    why="on an older platform version nodes stay in secondary-IP mode whatever the ConfigMap says",
)
def prefix_platform_version(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare the platform version with the lowest one for prefixes."""
    table = {
        version: lowest
        for version, lowest in (WINDOWS_PLATFORM_VERSIONS | PREFIX_PLATFORM_VERSIONS).items()
        if (minor(version) or (0, 0)) >= (1, 25)
    }
    yield from _platform(
        rule, look, table, "prefix delegation on Windows", wanted=look.prefix_delegation
    )


@check(
    "ip-family",
    considers="No IPv6 with Windows",
    severity="error",
    why="Windows pods cannot get IPv6 addresses, and the family of a cluster is fixed for life",
)
def ip_family(rule: Check, look: Look) -> Iterator[Finding]:
    """Look at the cluster's IP family."""
    family = look.state.ip_family
    if family is None:
        yield rule.unknown(look, "ip_family")
    elif family.lower() == "ipv4":
        yield rule.passed("the cluster uses IPv4")
    else:
        yield rule.failed(
            f"the cluster uses {family}",
            "create a cluster with IPv4 for Windows: aws eks create-cluster "
            "--kubernetes-network-config ipFamily=ipv4 ...",
        )


def legacy_components(state: ClusterState) -> list[str] | None:
    """Give the components of legacy Windows support, or None where they are not known."""
    if state.workloads is None and state.pods is None:
        return None
    found = {
        name
        for name in LEGACY
        for maker in state.workloads or ()
        if maker.namespace == "kube-system" and maker.name.startswith(name)
    }
    found |= {
        name
        for name in LEGACY
        for pod in state.pods or ()
        if pod.namespace == "kube-system" and pod.name.startswith(name)
    }
    return sorted(found)


@check(
    "legacy-windows-support",
    considers="Legacy Windows support removed",
    severity="warning",
    why="with the legacy Deployment the control plane leaves Windows addresses to it: no prefix "
    "delegation, and CoreDNS needs a Linux node, not Fargate",
)
def legacy_windows_support(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for the components that ran on the data plane before 2021."""
    found = legacy_components(look.state)
    if found is None:
        yield rule.unknown(look, "workloads")
    elif found:
        yield rule.failed(
            f"kube-system runs {' and '.join(found)}",
            "enable Windows support in the control plane, then: kubectl delete deployment "
            "-n kube-system vpc-resource-controller vpc-admission-webhook",
        )
    else:
        yield rule.passed("kube-system runs no component of legacy Windows support")


def _dns_hosts(look: Look) -> tuple[int, str] | None:
    """Count what can run CoreDNS, and say what it is; None where it is not known."""
    state = look.state
    fargate_counts = not legacy_components(state)
    if state.nodes is not None:
        fit = [n for n in state.nodes if n.os == "linux" and n.ready and n.schedulable]
        fargate = [n for n in fit if n.compute == "fargate"]
        hosts = len(fit) if fargate_counts else len(fit) - len(fargate)
        told = f"{len(fit) - len(fargate)} Linux nodes and {len(fargate)} Fargate pods are ready"
        return hosts, told + ("" if fargate_counts else " (legacy support excludes Fargate)")
    if state.node_groups is None:
        return None
    nodes = sum(group.desired_size or 0 for group in look.linux_groups)
    told = f"Linux node groups ask for {nodes} nodes"
    if state.fargate_profiles is None and nodes < 2:
        return None
    # A profile for kube-system starts as many Fargate pods as CoreDNS has replicas.
    serving = [
        profile.name
        for profile in state.fargate_profiles or ()
        if any(namespace in {"kube-system", "*"} for namespace, _ in profile.selectors)
    ]
    if serving and fargate_counts:
        return nodes + 2, f"{told}; Fargate profile {serving[0]} takes kube-system"
    if nodes < 2 and look.hidden_groups:
        return None
    return nodes, told


_ADD_LINUX: Final = (
    "add Linux capacity: eksctl create nodegroup --cluster NAME --node-type t3.medium --nodes 2, "
    "or a Fargate profile: aws eks create-fargate-profile --selectors namespace=kube-system ..."
)


@check(
    "coredns-capacity",
    considers="One Linux node or Fargate pod for CoreDNS",
    severity="error",
    why="CoreDNS runs on Linux alone: without it no pod resolves a name",
)
def coredns_capacity(rule: Check, look: Look) -> Iterator[Finding]:
    """Count what can run CoreDNS."""
    hosts = _dns_hosts(look)
    if hosts is None:
        yield rule.unknown(look, "nodes")
    elif hosts[0] < 1:
        yield rule.failed(hosts[1], _ADD_LINUX)
    else:
        yield rule.passed(hosts[1])


@check(
    "coredns-redundancy",
    considers="Two Linux nodes or Fargate pods recommended for CoreDNS",
    severity="warning",
    why="with one host for CoreDNS, its loss or its update takes name resolution from every pod",
)
def coredns_redundancy(rule: Check, look: Look) -> Iterator[Finding]:
    """Count what can run CoreDNS a second time."""
    hosts = _dns_hosts(look)
    if hosts is None:
        yield rule.unknown(look, "nodes")
    elif hosts[0] < 2:
        yield rule.failed(hosts[1], _ADD_LINUX)
    else:
        yield rule.passed(hosts[1])


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
    if RESOURCE_CONTROLLER_POLICY in state.cluster_role_policies:
        yield rule.passed(f"the cluster role has {RESOURCE_CONTROLLER_POLICY}")
        return
    amazon_linux = _amazon_linux(look)
    pod_groups = _cni_flag(look, "ENABLE_POD_ENI")
    held = some(state.cluster_role_policies) or "none"
    seen = f"the cluster role {state.cluster_role or ''} has the managed policies: {held}"
    if amazon_linux is False and pod_groups:
        yield rule.passed(
            f"{seen}; not needed: no Amazon Linux nodes, and security groups for pods are in use"
        )
        return
    yield rule.failed(
        seen,
        f"aws iam attach-role-policy --role-name {state.cluster_role or 'CLUSTER_ROLE'} "
        f"--policy-arn arn:aws:iam::aws:policy/{RESOURCE_CONTROLLER_POLICY}",
    )


def _amazon_linux(look: Look) -> bool | None:
    """Tell whether the cluster has Amazon Linux nodes; None where it is not known."""
    nodes = [n for n in look.state.nodes or () if n.os == "linux" and n.compute != "fargate"]
    groups = look.state.node_groups
    if any("amazon linux" in node.os_image.lower() for node in nodes) or any(
        group.amazon_linux for group in groups or ()
    ):
        return True
    if look.state.nodes is None or any(not node.os_image for node in nodes):
        return None
    return False


def _cni_flag(look: Look, variable: str) -> bool | None:
    """Read a switch of the VPC CNI, from its DaemonSet or its add-on; None if not known."""
    state = look.state
    env = state.cni_env
    if env is None and state.addons is not None:
        addon = next((a for a in state.addons if a.name == "vpc-cni"), None)
        given = None if addon is None else addon.configuration.get("env", {})
        env = given if isinstance(given, dict) else None
    return None if env is None else str(env.get(variable, "")).lower() in {"1", "t", "true"}


@check(
    "custom-networking",
    considers="No custom networking with Windows",
    severity="error",
    why="Windows nodes ignore ENIConfig: their pods take addresses from the node's own subnet, "
    "which custom networking was meant to spare",
)
def custom_networking(rule: Check, look: Look) -> Iterator[Finding]:
    """Look at the switch of the VPC CNI."""
    name = "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG"
    flag = _cni_flag(look, name)
    if flag is None:
        yield rule.unknown(look, "cni_env", "addons")
    elif flag:
        yield rule.failed(
            f"{name} is true",
            "put Windows nodes into subnets with room for their pods, and do not count on "
            f"ENIConfig for them; to turn it off: kubectl set env daemonset aws-node "
            f"-n kube-system {name}=false",
        )
    else:
        yield rule.passed(f"{name} is not true")


def windows_makers(state: ClusterState) -> list[Workload | Pod] | None:
    """Give every manifest, else every pod, that asks for Windows; None if neither is known."""
    if state.workloads is None and state.pods is None:
        return None
    makers: list[Workload | Pod] = [
        w for w in state.workloads or () if "windows" in {w.selects_os, w.declares_os}
    ]
    makers += state.windows_pods or ()
    return makers


@check(
    "security-groups-for-pods",
    considers="No security groups for pods with Windows",
    severity="error",
    why="a branch interface cannot serve a Windows pod: the policy has no effect there, or the "
    "pod does not start",
)
def security_groups_for_pods(rule: Check, look: Look) -> Iterator[Finding]:
    """Match SecurityGroupPolicies with Windows pods."""
    state = look.state
    policies, makers = state.security_group_policies, windows_makers(state)
    if policies == () or (policies is None and _cni_flag(look, "ENABLE_POD_ENI") is False):
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
            f"narrow its podSelector to Linux pods: kubectl edit securitygrouppolicy -n "
            f"{name.replace('/', ' ')}",
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
)
def fargate_windows_pods(rule: Check, look: Look) -> Iterator[Finding]:
    """Match Fargate profiles with Windows pods."""
    state = look.state
    makers = windows_makers(state)
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
                "run them in a namespace that no profile selects, or add a label to the "
                "profile's selector that they lack",
                subject=profile.name,
            )
    if not found:
        yield rule.passed("no Fargate profile selects a Windows pod")


def _matches(pattern: str, name: str) -> bool:
    """Match a namespace as a Fargate profile does: ``*`` and ``?`` stand for others."""
    import fnmatch

    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def _compute_check(
    rule: Check, look: Look, compute: str, *, exists: bool | None
) -> Iterator[Finding]:
    state = look.state
    makers = windows_makers(state)
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
    elif makers is None or (exists is None and state.nodes is None):
        yield rule.unknown(look, f"{compute}_{'mode' if compute == 'auto' else 'nodes'}", "pods")
    elif not makers and not state.windows_nodes:
        yield rule.passed(f"no pod asks for Windows on {compute} compute")
    elif state.nodes is None and not look.windows_groups:
        yield rule.unknown(look, "nodes", "node_groups")
    elif state.windows_nodes or look.windows_groups:
        yield rule.passed(f"Windows pods have EC2 nodes of their own beside {compute} compute")
    elif exists:
        yield rule.failed(
            f"{len(makers)} Windows pods or workloads, and no Windows node beside {compute} "
            f"compute: {some([m.full_name for m in makers])}",
            "add a Windows node group: eksctl create nodegroup --cluster NAME "
            "--node-ami-family WindowsServer2022CoreContainer",
        )
    else:
        yield rule.passed(f"no pod asks for Windows on {compute} compute")


@check(
    "auto-mode-windows-pods",
    considers="No Windows pods in EKS Auto Mode",
    severity="error",
    why="Auto Mode starts Linux nodes alone: a Windows pod left to it stays pending",
)
def auto_mode_windows_pods(rule: Check, look: Look) -> Iterator[Finding]:
    """See that Windows is not left to Auto Mode."""
    yield from _compute_check(rule, look, "auto", exists=look.state.auto_mode)


@check(
    "hybrid-windows-pods",
    considers="No Windows pods on Hybrid Nodes",
    severity="error",
    why="Hybrid Nodes run Linux alone, and the VPC gives their pods no addresses",
)
def hybrid_windows_pods(rule: Check, look: Look) -> Iterator[Finding]:
    """See that Windows is not left to Hybrid Nodes."""
    yield from _compute_check(rule, look, "hybrid", exists=look.state.hybrid_nodes)


CHECKS = (
    windows_platform_version,
    prefix_platform_version,
    ip_family,
    legacy_windows_support,
    coredns_capacity,
    coredns_redundancy,
    resource_controller_policy,
    custom_networking,
    security_groups_for_pods,
    fargate_windows_pods,
    auto_mode_windows_pods,
    hybrid_windows_pods,
)
"""In the order of the guide."""
