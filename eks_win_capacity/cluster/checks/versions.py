"""Checks of versions: Kubernetes, platform, address family, Windows releases and AMIs."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Final

from eks_win_capacity.cluster.checks.check import AMIS, Check, some
from eks_win_capacity.cluster.remedies import Launcher, launchers_of, update_cluster, word
from eks_win_capacity.cluster.serving import (
    PREFIX_VERSIONS,
    build_of,
    lowest_platform,
    minor,
    platform_serves,
    release_of,
)
from eks_win_capacity.core.constants import (
    KUBELET_SKEW,
    KUBERNETES_SUPPORT_AS_OF,
    KUBERNETES_SUPPORT_ENDS,
    WINDOWS_BUILDS_ENDED,
    WINDOWS_PLATFORM_VERSIONS,
    WINDOWS_SERVER_AS_OF,
    WINDOWS_SERVER_FROM,
    WINDOWS_SERVER_LAST,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eks_win_capacity.cluster.checks.check import Look
    from eks_win_capacity.core.findings import Finding, Severity

_RELEASED: Final = re.compile(r"-([0-9]{4})\.(0[1-9]|1[0-2])\.(0[1-9]|1[0-9]|2[0-8])")
_AMI_DAYS: Final = 120
"""Age above which a Windows AMI may be private. [days]"""

_SOON_DAYS: Final = 90
"""Days before the end of support when a check starts to warn."""


def _platform(
    rule: Check, look: Look, table: Mapping[str, int], what: str, severity: Severity
) -> Iterator[Finding]:
    state = look.state
    version = minor(state.version)
    if version is None:
        seen = f"Kubernetes version {state.version!r} is none" if state.version else ""
        yield rule.unknown(look, "version", seen=seen)
        return
    lowest = lowest_platform(version, table)
    running = f"Kubernetes {state.version} at {state.platform_version or 'any platform version'}"
    serves = platform_serves(state, table)
    if serves is None and state.platform_version is None:
        yield rule.unknown(look, "platform_version")
    elif serves is None:
        yield rule.unknown(
            look, "platform_version", seen=f"{running}: no platform version of the form eks.N"
        )
    elif serves:
        yield rule.passed(f"{running}; {what} needs eks.{lowest} or later")
    elif lowest is None:
        oldest = min(table, key=lambda name: minor(name) or (0, 0))
        yield rule.failed(
            f"{running}; {what} begins with Kubernetes {oldest}",
            f"{update_cluster(state, version)}, and so on, one minor version at a time, up to {oldest}",
            severity=severity,
        )
    else:
        yield rule.failed(
            f"{running}; {what} needs eks.{lowest} or later",
            "EKS upgrades platform versions automatically; to get a later one now, update the "
            f"Kubernetes version: {update_cluster(state, version)}",
            severity=severity,
        )


@Check(
    "windows-platform-version",
    considers="Kubernetes and platform version for Windows support",
    severity="error",
    why="on an older platform version the control plane does not manage Windows nodes",
)
def windows_platform_version(rule: Check, look: Look) -> Iterator[Finding]:
    yield from _platform(rule, look, WINDOWS_PLATFORM_VERSIONS, "Windows support", rule.severity)


@Check(
    "prefix-platform-version",
    considers="Platform version for prefix delegation on Windows",
    severity="error",
    why="on an older platform version nodes stay in secondary-IP mode whatever the ConfigMap says",
)
def prefix_platform_version(rule: Check, look: Look) -> Iterator[Finding]:
    serves = platform_serves(look.state, PREFIX_VERSIONS)
    if look.asked is False and serves is not True:
        yield rule.passed("prefix delegation is not requested")
        return
    severity: Severity = "error" if look.asked else "warning"
    yield from _platform(rule, look, PREFIX_VERSIONS, "prefix delegation on Windows", severity)


@Check(
    "ip-family",
    considers="No IPv6 with Windows",
    severity="error",
    why="Windows pods cannot get IPv6 addresses, and the IP family of a cluster cannot change",
)
def ip_family(rule: Check, look: Look) -> Iterator[Finding]:
    family = (look.state.ip_family or "").lower()
    sentence = f"the cluster uses {look.state.ip_family}"
    if not family and look.cni_flag("ENABLE_IPv6"):
        family, sentence = "ipv6", "ENABLE_IPv6 of the VPC CNI is true"
    elif not family and look.cni_flag("ENABLE_IPv4"):
        family, sentence = "ipv4", "ENABLE_IPv4 of the VPC CNI is true"
    if not family:
        yield rule.unknown(look, "ip_family")
    elif family == "ipv4":
        yield rule.passed(sentence)
    else:
        yield rule.failed(
            sentence,
            "the IP family cannot be changed: create another cluster for Windows, with "
            "--kubernetes-network-config ipFamily=ipv4",
        )


@Check(
    "legacy-windows-support",
    considers="Legacy Windows support removed",
    severity="warning",
    why="with the legacy Deployment the control plane leaves Windows addresses to it: no prefix "
    "delegation, and CoreDNS needs a Linux node, not Fargate",
    whole=("workloads", "pods"),
)
def legacy_windows_support(rule: Check, look: Look) -> Iterator[Finding]:
    if look.legacy is None:
        yield rule.unknown(look, "workloads")
    elif look.legacy:
        yield rule.failed(
            f"kube-system runs {' and '.join(look.legacy)}",
            "enable Windows support in the control plane, then: kubectl delete deployment "
            f"-n kube-system {' '.join(look.legacy)}",
        )
    else:
        yield rule.passed("kube-system runs no component of legacy Windows support")


@Check(
    "windows-server-version",
    considers="Windows Server release and Kubernetes version",
    severity="error",
    why="EKS has AMIs of each Windows Server release only from a certain Kubernetes version",
    source=AMIS,
    about=("nodes",),
    whole=("node_groups",),
    needs=("nodes|node_groups|node_classes",),
    clear="no Windows nodes yet",
)
def windows_server_version(rule: Check, look: Look) -> Iterator[Finding]:
    users, ended, strange = _by_release(look)
    for name, nodes in ended.items():
        yield rule.failed(
            f"{some(nodes)}: EKS has had no AMI of Windows Server {name} since "
            f"{dict(WINDOWS_BUILDS_ENDED.values())[name]}",
            "replace the nodes with ones that use an AMI of Windows Server 2022 or 2025, and "
            "rebuild their images: a container needs a host of the same release",
            subject=name,
        )
    if strange:
        yield rule.unknown(
            look,
            seen=f"the Windows Server release of {some(strange)} is not known",
            remedy="kubectl get nodes -o wide shows the OS image",
        )
    version = minor(look.state.version)
    if version is None and users:
        yield rule.unknown(look, "version")
        return
    for release, names in users.items():
        yield _release(rule, look, release, names, version or (0, 0))


def _by_release(look: Look) -> tuple[dict[str, list[str]], dict[str, list[str]], list[str]]:
    """Users of each supported release and of each ended one, and those of unknown release."""
    users: dict[str, list[str]] = {}
    ended: dict[str, list[str]] = {}
    strange = []
    for node in look.windows:
        if gone := WINDOWS_BUILDS_ENDED.get(build_of(node) or 0):
            ended.setdefault(gone[0], []).append(f"node {node.name}")
        elif release := release_of(node):
            users.setdefault(release, []).append(f"node {node.name}")
        else:
            strange.append(f"node {node.name} ({node.build or node.os_image or 'no build'})")
    planned = {f"node group {group.name}": group.ami_type for group in look.groups}
    planned |= {
        f"EC2NodeClass {node_class.name}": node_class.ami_family
        for node_class in look.windows_classes
    }
    for who, image in planned.items():
        if old := next((old for old, _ in WINDOWS_BUILDS_ENDED.values() if old in image), ""):
            ended.setdefault(old, []).append(who)
        elif release := next((new for new in WINDOWS_SERVER_FROM if new in image), ""):
            users.setdefault(release, []).append(who)
    return users, ended, strange


def _release(
    rule: Check, look: Look, release: str, names: list[str], version: tuple[int, int]
) -> Finding:
    """Finding on a Windows Server release, by the Kubernetes versions that support it."""
    state, first = look.state, WINDOWS_SERVER_FROM[release]
    last = WINDOWS_SERVER_LAST.get(release)
    if version < (minor(first) or (0, 0)):
        return rule.failed(
            f"{some(names)}: Windows Server {release} needs Kubernetes {first}, the cluster "
            f"has {state.version}",
            f"use an AMI of an earlier release, or: {update_cluster(state, version)}, one minor "
            f"version at a time, up to {first}",
            subject=release,
        )
    if version > (minor(last) or version):
        return rule.failed(
            f"{some(names)}: Kubernetes {state.version} no longer names Windows Server {release} "
            f"among the releases it supports; the last that did is {last}",
            "move to an AMI of Windows Server 2022 or 2025, and rebuild the images",
            subject=release,
            severity="warning",
        )
    return rule.passed(
        f"Windows Server {release} is for Kubernetes {first} and later: {some(names)}"
        f"{look.aged(WINDOWS_SERVER_AS_OF)}",
        subject=release,
    )


@Check(
    "kubelet-version",
    considers="Windows AMI for the cluster's Kubernetes version",
    severity="warning",
    why="a kubelet must not be newer than the control plane, nor more than three minor versions "
    "older",
    source='Kubernetes, "Version skew policy": https://kubernetes.io/releases/version-skew-policy/',
    whole=("node_groups",),
)
def kubelet_version(rule: Check, look: Look) -> Iterator[Finding]:
    state = look.state
    version = minor(state.version)
    by_version: dict[str, list[str]] = {}
    for node in state.windows_nodes or ():
        by_version.setdefault(node.kubelet_version, []).append(f"node {node.name}")
    for group in look.groups:
        if group.version:
            by_version.setdefault(group.version, []).append(f"node group {group.name}")
    if not by_version and state.windows_nodes == ():
        yield rule.passed("no Windows nodes yet")
        return
    if version is None or not by_version:
        yield rule.unknown(look, "version" if version is None else "nodes")
        return
    for text, names in by_version.items():
        kubelet = minor(text)
        allowed = KUBELET_SKEW if kubelet and kubelet >= (1, 25) else 2
        if kubelet is None:
            yield rule.unknown(
                look, seen=f"{some(names)}: no kubelet version", remedy="kubectl get nodes -o wide"
            )
        elif 0 <= version[1] - kubelet[1] <= allowed:
            yield rule.passed(f"kubelet {text} under Kubernetes {state.version}", subject=text)
        else:
            yield rule.failed(
                f"kubelet {text} under Kubernetes {state.version}: {some(names)}",
                _older_nodes(look, text) if kubelet > version else _updates(look, text),
                subject=text,
            )


def _older_nodes(look: Look, text: str) -> str:
    """Remedy for kubelets newer than the control plane, which cannot be downgraded."""
    version = minor(look.state.version) or (1, 0)
    back = "; ".join(
        f"a node group cannot go back to {look.state.version}: create another one with "
        f"an AMI for it next to {one.word} and move the pods there"
        if one.group is not None and one.group.managed
        else one.renews(f"an AMI for {look.state.version}", look.cluster)
        for one in _with_kubelet(look, text)
    )
    return (
        f"{back}; or update the control plane first: {update_cluster(look.state, version)}, one "
        f"minor version at a time, up to that of kubelet {text}"
    )


def _updates(look: Look, text: str) -> str:
    """How to replace the nodes of a kubelet version, for each of their launchers."""
    wide = f"an AMI for {look.state.version}"
    return f"replace the nodes with ones that use {wide}: " + "; ".join(
        one.renews(wide, look.cluster) for one in _with_kubelet(look, text)
    )


def _with_kubelet(look: Look, text: str) -> list[Launcher]:
    """Launchers of the nodes with a kubelet version."""
    named = [Launcher(group=group) for group in look.groups if group.version == text]
    nodes = [node for node in look.windows if node.kubelet_version == text]
    seen = launchers_of(look, nodes) if nodes or not named else []
    return [*named, *(one for one in seen if one not in named)]


@Check(
    "ami-release",
    considers="Windows AMIs of managed node groups younger than four months",
    severity="warning",
    why="EKS makes Windows AMIs private about four months after their release: a group that still "
    "uses one cannot start nodes",
    source=AMIS,
    whole=("node_groups",),
    needs=("node_groups",),
)
def ami_release(rule: Check, look: Look) -> Iterator[Finding]:
    groups = [g for g in look.groups if g.managed and g.release_version]
    late = 0
    for group in groups:
        match = _RELEASED.search(group.release_version)
        if match is None:
            continue
        released = date(*map(int, match.groups()))
        age = (look.now - released).days if look.now else 0
        if age > _AMI_DAYS:
            late += 1
            yield rule.failed(
                f"{group.name} has the AMI of {released}, {age:,} days old",
                f"aws eks update-nodegroup-version --cluster-name {look.cluster} --nodegroup-name "
                f"{word(group.name, 'NODE_GROUP')}",
                subject=group.name,
            )
    if not late:
        yield rule.passed(
            "no AMI of a managed Windows group is older than four months"
            + ("" if look.now else " at an unknown date, as none was given")
        )


@Check(
    "kubernetes-support",
    considers="Kubernetes version within EKS' support",
    severity="error",
    why="after extended support EKS updates the control plane automatically, and older Windows "
    "AMIs are withdrawn",
    source='Amazon EKS user guide, "Understand the Kubernetes version lifecycle on EKS": '
    "https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html",
)
def kubernetes_support(rule: Check, look: Look) -> Iterator[Finding]:
    version = minor(look.state.version)
    if version is None:
        yield rule.unknown(look, "version")
        return
    # Without a date, support that had ended when the table was written counts as ended.
    day = look.now or date.fromisoformat(KUBERNETES_SUPPORT_AS_OF)
    name = f"{version[0]}.{version[1]}"
    newest = max(KUBERNETES_SUPPORT_ENDS, key=lambda one: minor(one) or (0, 0))
    end = look.state.support_ends or KUBERNETES_SUPPORT_ENDS.get(name)
    if end is None and version > (minor(newest) or (0, 0)):
        aged = look.aged(KUBERNETES_SUPPORT_AS_OF)
        yield rule.passed(
            f"extended support of Kubernetes {name} ends after that of {newest}{aged}"
        )
    elif end is None or day.isoformat() >= end:
        yield rule.failed(
            f"extended support of Kubernetes {name} {f'ends on {end}' if end else 'has ended'}",
            f"{update_cluster(look.state, version)}, one minor version at a time, then the node groups",
        )
    elif look.now and (date.fromisoformat(end) - day).days <= _SOON_DAYS:
        yield rule.failed(
            f"extended support of Kubernetes {name} ends on {end}",
            f"plan the update: {update_cluster(look.state, version)}",
            severity="warning",
        )
    else:
        since = (
            ""
            if look.state.support_ends and look.now
            else " (as EKS told; no day was given)"
            if look.state.support_ends
            else look.aged(KUBERNETES_SUPPORT_AS_OF)
            if look.now
            else f" (table of {KUBERNETES_SUPPORT_AS_OF}; no day was given)"
        )
        yield rule.passed(f"extended support of Kubernetes {name} ends on {end}{since}")
