"""Checks of workloads: which nodes they select, and services with many backends."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from eks_win_capacity.constants import (
    SERVICE_BACKENDS,
    SERVICE_BACKENDS_BUILD,
    SERVICE_BACKENDS_OLD,
)
from eks_win_capacity.readiness._rules import check, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster import ClusterState, Pod, Service, Workload
    from eks_win_capacity.findings import Finding
    from eks_win_capacity.readiness._rules import Check, Look


def _makers(state: ClusterState) -> dict[str, tuple[Workload | Pod, str]] | None:
    """Give each manifest, else each owner of pods, with the system it is for."""
    if state.workloads is not None:
        return {w.full_name: (w, w.selects_os or w.declares_os) for w in state.workloads}
    if state.pods is None:
        return None
    made: dict[str, tuple[Workload | Pod, str]] = {}
    for pod in state.pods:
        if pod.active and not pod.owner.startswith("Node/"):
            name = (
                f"{pod.owner.replace('/', f' {pod.namespace}/', 1)}"
                if pod.owner
                else (f"Pod {pod.full_name}")
            )
            made.setdefault(name, (pod, state.pod_os(pod)))
    return made


@check(
    "os-selector",
    considers="Node selector for the operating system, Linux workloads too",
    severity="error",
    why="without it a Linux pod may land on a Windows node and a Windows pod on a Linux one, "
    "where neither starts",
)
def os_selector(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for kubernetes.io/os in each manifest."""
    makers = _makers(look.state)
    if makers is None:
        yield rule.unknown(look, "workloads")
        return
    groups: dict[str, list[str]] = {}
    for name, (maker, system) in makers.items():
        if not maker.selects_os:
            groups.setdefault(system, []).append(name)
    for system, names in sorted(groups.items()):
        value = system or "windows or linux"
        yield rule.failed(
            f"{len(names):,} {system.capitalize() or 'other'} workloads select no kubernetes.io/os: "
            f"{some(names)}",
            f'add to the pod template: nodeSelector: {{kubernetes.io/os: "{value}"}}; a Linux '
            "cluster that gains Windows nodes is kept apart by a taint meanwhile: "
            "--register-with-taints=os=windows:NoSchedule",
            subject=system,
        )
    if not groups:
        yield rule.passed(f"all {len(makers):,} workloads select their operating system")


@check(
    "arch-selector",
    considers="Node selector for the architecture of Windows workloads",
    severity="warning",
    why="Windows nodes are amd64 alone",
)
def arch_selector(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for kubernetes.io/arch in each Windows manifest."""
    makers = _makers(look.state)
    if makers is None:
        yield rule.unknown(look, "workloads")
        return
    windows = {name: maker for name, (maker, system) in makers.items() if system == "windows"}
    wrong = [n for n, m in windows.items() if m.selects_arch not in {"", "amd64"}]
    missing = [n for n, m in windows.items() if not m.selects_arch]
    remedy = 'add to the pod template: nodeSelector: {kubernetes.io/arch: "amd64"}'
    if wrong:
        yield rule.failed(
            f"Windows workloads select another architecture than amd64: {some(wrong)}",
            remedy,
            severity="error",
            subject="other",
        )
    if missing:
        yield rule.failed(
            f"{len(missing):,} Windows workloads select no kubernetes.io/arch: {some(missing)}",
            remedy,
            subject="missing",
        )
    if not wrong and not missing:
        yield rule.passed(f"all {len(windows):,} Windows workloads select amd64")


def _backends(state: ClusterState, services: tuple[Service, ...]) -> Iterator[tuple[Service, int]]:
    """Count the backends of each service, from endpoints or from pods."""
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
        elif not service.selector and state.pods is not None:
            yield service, 0
        else:
            yield service, -1


def _backend_limit(state: ClusterState) -> int | None:
    """Give the limit of the oldest build; None where a build is not known."""
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


@check(
    "service-backends",
    considers="At most 1024 backends of a service, 64 before build 17763.2746",
    severity="error",
    why="Windows reaches no more backends of one service: traffic to the rest is lost",
)
def service_backends(rule: Check, look: Look) -> Iterator[Finding]:
    """Count the backends of each service."""
    state = look.state
    if state.services is None:
        yield rule.unknown(look, "services")
        return
    limit = _backend_limit(state)
    counted = list(_backends(state, state.services))
    over = [(s, n) for s, n in counted if n > (limit or SERVICE_BACKENDS)]
    for service, count in over:
        yield rule.failed(
            f"{service.namespace}/{service.name} has {count:,} backends; Windows nodes of this "
            f"build reach {limit or SERVICE_BACKENDS:,}",
            "split it into several services"
            + (
                "; nodes with an AMI from build 17763.2746 on reach 1,024"
                if limit == SERVICE_BACKENDS_OLD
                else ""
            ),
            subject=f"{service.namespace}/{service.name}",
        )
    if any(count < 0 for _, count in counted):
        yield rule.unknown(look, "pods", seen="the backends of some services are not known")
    elif limit is None and any(SERVICE_BACKENDS_OLD < n <= SERVICE_BACKENDS for _, n in counted):
        yield rule.unknown(look, "nodes", seen="the build of the Windows nodes is not known")
    elif not over:
        most = max((n for _, n in counted), default=0)
        yield rule.passed(f"{len(counted):,} services, {most:,} backends at most")


_LOGGERS = (
    "alloy", "cloudwatch", "datadog", "filebeat", "fluent", "log", "promtail", "splunk", "vector",
)  # fmt: skip


@check(
    "event-log-collected",
    considers="Logs of kubelet and kube-proxy in an event log of 200 MB",
    severity="info",
    why="older entries are overwritten: what is not collected is gone when it is needed",
)
def event_log_collected(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for a DaemonSet on Windows whose name sounds like a log collector."""
    makers = _makers(look.state)
    if makers is None:
        yield rule.unknown(look, "workloads")
        return
    found = [
        name
        for name, (_, system) in makers.items()
        if name.startswith("DaemonSet ")
        and system == "windows"
        and any(word in name.lower() for word in _LOGGERS)
    ]
    if found:
        yield rule.passed(f"Windows logs seem to be collected by {some(found)}")
    else:
        yield rule.failed(
            "no DaemonSet on Windows seems to collect logs",
            "run a collector for Windows, such as Fluent Bit, on the EKS event log",
        )


CHECKS = (os_selector, arch_selector, service_backends, event_log_collected)
"""In the order of the guide."""
