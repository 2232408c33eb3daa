"""Checks of workloads: the nodes that they select, their services, volumes and identities."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from typing import TYPE_CHECKING, Final

from eks_win_capacity.cluster.checks.check import AMIS, Check, some
from eks_win_capacity.cluster.remedies import word
from eks_win_capacity.cluster.serving import release_of
from eks_win_capacity.core.constants import (
    SERVICE_BACKENDS,
    SERVICE_BACKENDS_BUILD,
    SERVICE_BACKENDS_OLD,
    WINDOWS_SERVER_FROM,
)
from eks_win_capacity.core.errors import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster.checks.check import Look
    from eks_win_capacity.cluster.state import ClusterState, Service
    from eks_win_capacity.core.findings import Finding


@Check(
    "os-selector",
    considers="Node selector for the operating system, Linux workloads too",
    severity="error",
    why="without it a Linux pod may be placed on a Windows node, or a Windows pod on a Linux "
    "node, where it cannot start",
    whole=("workloads", "pods"),
    needs=("workloads|pods",),
)
def os_selector(rule: Check, look: Look) -> Iterator[Finding]:
    makers = look.makers or {}
    missing: dict[str, list[str]] = {}
    odd: dict[str, list[str]] = {}
    for name, (maker, system) in makers.items():
        if not maker.selects_os:
            missing.setdefault(system if system in {"windows", "linux"} else "", []).append(name)
        elif maker.selects_os not in {"windows", "linux"}:
            odd.setdefault(maker.selects_os, []).append(name)
    for value, names in sorted(odd.items()):
        yield rule.failed(
            f"{some(names)} select kubernetes.io/os={value}, which no node has",
            "write windows or linux, in lower case",
            subject=value,
        )
    for system, names in sorted(missing.items()):
        kind = f"{system.capitalize()} workload".strip()
        yield rule.failed(
            count_of(len(names), f"{kind} selects", f"{kind}s select")
            + f" no kubernetes.io/os: {some(names)}",
            (
                _patches(names, "kubernetes.io/os", system)
                if system
                else 'add to the pod template under nodeSelector kubernetes.io/os: "linux" or '
                '"windows", as the image is'
            )
            + (
                ""
                if system == "windows"
                else "; meanwhile keep them off Windows nodes by a taint in the bootstrap "
                "arguments: --register-with-taints=os=windows:NoSchedule"
            ),
            subject=system,
            severity=rule.severity if system == "windows" or _open_nodes(look) else "warning",
        )
    if not missing and not odd:
        yield rule.passed(
            f"{count_of(len(makers), 'workload selects its', 'workloads select their')} operating system"
        )


def _patches(names: list[str], label: str, value: str) -> str:
    """Commands that add a node selector to the first few manifests."""
    commands = []
    for name in names:
        kind, _, where = name.partition(" ")
        namespace, _, object_name = where.partition("/")
        template: dict[str, object] = {"template": {"spec": {"nodeSelector": {label: value}}}}
        if kind == "CronJob":
            template = {"jobTemplate": {"spec": template}}
        if kind in {"Deployment", "StatefulSet", "DaemonSet", "CronJob", "Rollout"}:
            text = shlex.quote(json.dumps({"spec": template}))
            commands.append(
                f"kubectl patch {kind.lower()} -n {word(namespace, 'NAMESPACE')} "
                f"{word(object_name, 'NAME_OF_IT')} --type merge -p {text}"
            )
    advice = f'add to the pod template under nodeSelector {label}: "{value}"'
    more = len(commands) - _PATCHED
    return "; ".join([advice, *commands[:_PATCHED]]) + (
        f"; and {more:,} more alike" if more > 0 else ""
    )


def _open_nodes(look: Look) -> bool:
    """Whether a Windows node accepts pods without tolerations."""
    return any(
        not any(taint.endswith((":NoSchedule", ":NoExecute")) for taint in node.taints)
        for node in look.state.windows_nodes or ()
    )


@Check(
    "arch-selector",
    considers="Node selector for the architecture of Windows workloads",
    severity="warning",
    why="Windows nodes support only amd64",
    whole=("workloads", "pods"),
    needs=("workloads|pods",),
)
def arch_selector(rule: Check, look: Look) -> Iterator[Finding]:
    windows = {name: maker for name, (maker, os) in (look.makers or {}).items() if os == "windows"}
    wrong = [n for n, m in windows.items() if m.selects_arch not in {"", "amd64"}]
    shipped = [n for n, m in windows.items() if not m.selects_arch and n == _CSI_NODE]
    missing = [n for n, m in windows.items() if not m.selects_arch and n != _CSI_NODE]
    if wrong:
        yield rule.failed(
            f"Windows workloads select an architecture other than amd64: {some(wrong)}",
            _patches(wrong, "kubernetes.io/arch", "amd64"),
            severity="error",
            subject="other",
        )
    if shipped:
        yield rule.failed(
            f"AWS ships {some(shipped)} without kubernetes.io/arch",
            "leave it as it is: Windows nodes support only amd64, and an update would "
            "revert the change",
            severity="info",
            subject="shipped",
        )
    if missing:
        yield rule.failed(
            f"{len(missing):,} Windows workloads select no kubernetes.io/arch: {some(missing)}",
            _patches(missing, "kubernetes.io/arch", "amd64"),
            subject="missing",
        )
    if not wrong and not missing and not shipped:
        yield rule.passed(f"all {len(windows):,} Windows workloads select amd64")


_CSI_NODE = "DaemonSet kube-system/ebs-csi-node-windows"
"""DaemonSet of the EBS CSI driver, present even without Windows nodes."""

_PATCHED = 3
"""Number of commands in a remedy."""

_API = ("default", "kubernetes")
"""Service of the control plane; it has few backends and no selector."""


@Check(
    "windows-build-match",
    considers="Windows pods choose their release where nodes of several releases run",
    severity="warning",
    why="a container runs only on a host of the same Windows release: on any other it is placed "
    "but never starts",
    source='Kubernetes, "Guide for running Windows containers in Kubernetes": '
    "https://kubernetes.io/docs/concepts/windows/user-guide/",
    about=("nodes",),
    whole=("workloads", "pods"),
    needs=("nodes|node_groups|node_classes",),
)
def windows_build_match(rule: Check, look: Look) -> Iterator[Finding]:
    releases = _releases(look)
    if len(releases) < 2:
        yield rule.passed(
            f"Windows nodes are of one release: {', '.join(releases)}"
            if releases
            else "no Windows nodes yet"
        )
        return
    if look.makers is None:
        yield rule.unknown(look, "workloads")
        return
    # The HostProcess base image runs on every release.
    open_ = [
        name
        for name, (maker, system) in look.makers.items()
        if system == "windows" and not maker.selects_build and not maker.host_process
    ]
    sentence = f"Windows nodes are of {', '.join(sorted(releases))}"
    if open_:
        yield rule.failed(
            f"{sentence}, and {some(open_)} may be placed on any",
            f"add to the pod template under nodeSelector {_BUILD}, as the image is, or a "
            f"RuntimeClass whose scheduling.nodeSelector has it; kubectl get nodes -L {_BUILD} "
            "shows the values",
        )
    else:
        yield rule.passed(f"{sentence}, and every Windows workload chooses one")


_BUILD = "node.kubernetes.io/windows-build"


def _releases(look: Look) -> dict[str, None]:
    """Windows Server releases of the nodes, or else of their launchers, in order."""
    releases = [release for node in look.windows if (release := release_of(node))]
    if not releases:
        names = [group.ami_type for group in look.groups]
        names += [node_class.ami_family for node_class in look.windows_classes]
        releases = [r for name in names for r in WINDOWS_SERVER_FROM if r in name]
    return dict.fromkeys(releases)


_LOGGERS = (
    "alloy", "cloudwatch", "datadog", "filebeat", "fluent", "logging", "promtail", "splunk",
    "vector",
)  # fmt: skip


def _backends(state: ClusterState, services: tuple[Service, ...]) -> Iterator[tuple[Service, int]]:
    """Number of backends of each service, from endpoints or from pods."""
    kinds = Counter((p.namespace, p.labels) for p in state.pods or () if p.active)
    for service in services:
        if service.backends is not None:
            yield service, service.backends
        elif service.selector and state.pods is not None:
            wanted = set(service.selector)
            count = sum(
                n
                for (namespace, labels), n in kinds.items()
                if namespace == service.namespace and wanted <= set(labels)
            )
            yield service, count
        elif service.kind == "ExternalName" or (service.namespace, service.name) == _API:
            yield service, 0
        else:
            yield service, -1


def _backend_limit(state: ClusterState) -> int | None:
    """Limit of the oldest build; None if a build is not known."""
    builds = []
    for node in state.windows_nodes or ():
        parts = node.build.split(".")
        if len(parts) < 4 or not (parts[2].isdigit() and parts[3].isdigit()):
            return None
        builds.append((int(parts[2]), int(parts[3])))
    if state.windows_nodes is None:
        return None
    return (
        SERVICE_BACKENDS_OLD
        if min(builds, default=(99999, 0)) < SERVICE_BACKENDS_BUILD
        else (SERVICE_BACKENDS)
    )


def _linux_alone(look: Look, service: Service) -> bool:
    """Whether all known pods of a service run on Linux, so that Windows pods are only clients."""
    chosen = set(service.selector)
    serving = [
        pod
        for pod in look.state.pods or ()
        if pod.active and pod.namespace == service.namespace and chosen <= set(pod.labels)
    ]
    return bool(chosen and serving) and all(look.state.pod_os(pod) == "linux" for pod in serving)


@Check(
    "service-backends",
    considers="At most 1024 backends of a service, 64 before build 17763.2746",
    severity="error",
    why="Windows reaches no more backends of one service: traffic to the others is lost",
    whole=("services", "pods"),
    needs=("services",),
)
def service_backends(rule: Check, look: Look) -> Iterator[Finding]:
    state = look.state
    limit = _backend_limit(state)
    counted = list(_backends(state, state.services or ()))
    over = [(s, n) for s, n in counted if n > (limit or SERVICE_BACKENDS)]
    for service, count in over:
        yield rule.failed(
            f"{service.namespace}/{service.name} has {count_of(count, 'backend')}; Windows nodes of this "
            f"build reach {limit or SERVICE_BACKENDS:,}",
            "split it into several services"
            + (
                "; nodes with an AMI from build 17763.2746 on reach 1,024"
                if limit == SERVICE_BACKENDS_OLD
                else ""
            ),
            subject=f"{service.namespace}/{service.name}",
            severity="warning" if _linux_alone(look, service) else rule.severity,
        )
    if any(count < 0 for _, count in counted):
        yield rule.unknown(look, "pods", seen="the backends of some services are not known")
    elif limit is None and any(SERVICE_BACKENDS_OLD < n <= SERVICE_BACKENDS for _, n in counted):
        yield rule.unknown(look, "nodes", seen="the build of the Windows nodes is not known")
    elif not over:
        most = max((n for _, n in counted), default=0)
        yield rule.passed(f"{len(counted):,} services, {most:,} backends at most")


@Check(
    "event-log-collected",
    considers="Logs of kubelet and kube-proxy in an event log of 200 MB",
    severity="info",
    why="older entries are overwritten: without collection they are missing when they are needed",
    whole=("workloads", "pods"),
    needs=("workloads|pods",),
)
def event_log_collected(rule: Check, look: Look) -> Iterator[Finding]:
    daemonsets = [
        name
        for name, (_, system) in (look.makers or {}).items()
        if name.startswith("DaemonSet ") and system == "windows"
    ]
    known = [name for name in daemonsets if any(word in name.lower() for word in _LOGGERS)]
    remedy = (
        "collect the EKS event log of Windows nodes, for instance with Fluent Bit as a DaemonSet "
        "(aws-for-fluent-bit), or with an agent in the AMI"
    )
    if known:
        yield rule.passed(f"by its name, {some(known)} collects logs on Windows")
    elif daemonsets:
        # Only names are known, so another one may collect the log.
        yield rule.unknown(
            look,
            seen=f"whether {some(daemonsets)} collect the event log is not known",
            remedy=remedy,
        )
    else:
        yield rule.failed("no DaemonSet runs on Windows, so none collects the event log", remedy)


_EBS: Final = "ebs.csi.aws.com"

_LINUX_ALONE: Final = frozenset({"efs.csi.aws.com", "s3.csi.aws.com"})
"""CSI drivers that are not compatible with Windows images.

Source: Amazon EKS user guide, considerations of these drivers (2026-11-27).
"""

_PLUGIN: Final = "/ebs-csi-node-windows"


@Check(
    "windows-volumes",
    considers="Volumes of Windows pods by CSI drivers that run on Windows, with csi-proxy",
    severity="error",
    why="a volume is not mounted if its driver does not run on the Windows node; the EBS driver "
    "works through csi-proxy, which the AMIs of EKS contain, or as HostProcess",
    source=AMIS,
    whole=("workloads", "pods"),
    needs=("workloads|pods",),
    clear="no volume of a Windows pod is known to lack a driver on Windows",
)
def windows_volumes(rule: Check, look: Look) -> Iterator[Finding]:
    users: dict[str, list[str]] = {}
    for maker in look.windows_makers or ():
        for driver in maker.csi_drivers:
            users.setdefault(driver, []).append(maker.full_name)
    for driver in sorted(users.keys() & _LINUX_ALONE):
        yield rule.failed(
            f"{some(users[driver])} mount volumes of {driver}, which is for Linux only",
            "use volumes of EBS, or of FSx for Windows File Server with the SMB driver: "
            "https://docs.aws.amazon.com/eks/latest/userguide/storage.html",
            subject=driver,
        )
    if _EBS in users:
        yield from _ebs(rule, look, users[_EBS])
    if "" in users:
        yield rule.unknown(
            look,
            seen=f"the drivers of the volumes of {some(users[''])} are not known",
            remedy="kubectl get persistentvolumeclaims,persistentvolumes,storageclasses -A -o json",
        )


def _ebs(rule: Check, look: Look, users: list[str]) -> Iterator[Finding]:
    """Findings on obstacles to EBS volumes on Windows nodes."""
    plugin = next(
        (m for name, (m, _) in (look.makers or {}).items() if name.endswith(_PLUGIN)), None
    )
    if plugin is None and look.state.workloads is None:
        yield rule.unknown(look, "workloads", subject=_EBS)
    elif plugin is None:
        yield rule.failed(
            f"{some(users)} mount volumes of EBS, and no DaemonSet {_PLUGIN[1:]} runs",
            "enable the EBS CSI driver on Windows: node.enableWindows of its Helm chart",
            subject=_EBS,
        )
    elif (custom := [group.name for group in look.groups if group.custom_ami]) and (
        not plugin.host_process
    ):
        yield rule.unknown(
            look,
            seen=f"whether the AMI of {some(custom)} holds csi-proxy is not known, and the driver "
            "of EBS is not HostProcess",
            remedy="Get-Service csiproxy on a node; or node.windowsHostProcess of the chart",
            subject=_EBS,
        )


@Check(
    "gmsa-credentials",
    considers="gMSA: the webhook fills in credential specs",
    severity="error",
    why="a webhook fills in the credential spec of a group managed service account "
    "when a pod is created; without it the pod has no identity in the domain",
    source='Kubernetes, "Configure GMSA for Windows Pods and containers": '
    "https://kubernetes.io/docs/tasks/configure-pod-container/configure-gmsa/",
    whole=("workloads", "pods"),
    needs=("workloads|pods",),
)
def gmsa_credentials(rule: Check, look: Look) -> Iterator[Finding]:
    empty = [pod for pod in look.state.pods or () if pod.gmsa_unfilled and pod.active]
    owners = {f"{pod.owner.replace('/', f' {pod.namespace}/', 1)}" for pod in look.state.pods or ()}
    planned = [
        one
        for one in look.state.workloads or ()
        if one.gmsa_unfilled and one.full_name not in owners
    ]
    if not empty and not planned:
        yield rule.passed("no pod names a credential spec that was not filled in")
        return
    named = [pod.gmsa_unfilled for pod in empty] + [one.gmsa_unfilled for one in planned]
    first = word(named[0], "CREDENTIAL_SPEC")
    looked = f"kubectl get gmsacredentialspecs {first}; kubectl get mutatingwebhookconfigurations"
    if empty:
        yield rule.failed(
            f"{some([pod.full_name for pod in empty])} name a credential spec without its contents",
            f"{looked}; install the webhook of kubernetes-sigs/windows-gmsa, then recreate "
            "the pods",
        )
    else:
        yield rule.unknown(
            look,
            seen=f"whether a webhook fills in the credential spec that "
            f"{some([one.full_name for one in planned])} name is not known: no pod of theirs is",
            remedy=f"see that both are there: {looked}",
        )
