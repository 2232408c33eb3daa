"""Checks of what the kubelet of Windows nodes offers: max-pods and memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from eks_win_capacity.cluster.checks.check import GUIDE, MEMORY, PREFIXES, check, some
from eks_win_capacity.cluster.remedies import (
    Launcher,
    bootstrap_arguments,
    launchers,
    node_class_settings,
    word,
)
from eks_win_capacity.core.constants import (
    CONTAINER_IMAGE_MEMORY_MB,
    KUBELET_MAX_PODS,
    KUBELET_MAX_PODS_ADVISED,
    KUBELET_MAX_PODS_VCPUS,
    WINDOWS_KUBE_RESERVED_MIB,
    WINDOWS_SYSTEM_RESERVED_MIB,
)
from eks_win_capacity.core.display import count_of
from eks_win_capacity.density.reserved import max_pods_cap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster.checks.check import Check, Look
    from eks_win_capacity.core.findings import Finding, Severity


@dataclass(frozen=True)
class Kind:
    """
    Nodes, node groups or NodePools that are alike to the kubelet.

    Attributes
    ----------
    name : str
        Instance type.
    limit, addresses : int or None
        max-pods, and the pod addresses of each; None where not known. [pods], [addresses]
    host : int
        Most HostProcess pods on one of them. [pods]
    cap : int
        The largest max-pods that AWS advises for the type. [pods]
    """

    name: str
    limit: int | None
    addresses: int | None
    host: int = 0
    cap: int = KUBELET_MAX_PODS_ADVISED

    @property
    def wanted(self) -> int | None:
        """The max-pods to set; None where it may stay as it is."""
        if self.limit is None or self.addresses is None:
            return None
        most = min(self.addresses + self.host, self.cap)
        if self.limit > KUBELET_MAX_PODS_ADVISED:
            return most
        return most if self.limit < self.addresses and most > self.limit else None


def kinds(look: Look) -> Counter[Kind]:
    """Count the Windows nodes of each kind; what will start them where there are no nodes."""
    if not look.windows:
        return Counter(
            Kind(
                name,
                limit,
                look.expected(name, prefixes=look.mode),
                0,
                max_pods_cap(look.row(name)),
            )
            for name, limit in _planned(look)
        )
    most: dict[str, int] = {}
    for node in look.windows:
        most[node.instance_type] = max(most.get(node.instance_type, 0), look.use_of(node).host)
    return Counter(
        Kind(
            node.instance_type,
            node.pods_limit,
            node.advertised_addresses or look.expected(node.instance_type, prefixes=look.mode),
            most[node.instance_type],
            max_pods_cap(look.row(node.instance_type)),
        )
        for node in look.windows
    )


def _planned(look: Look) -> Iterator[tuple[str, int | None]]:
    """Each type of a Windows node group or NodePool, with its max-pods."""
    for group in look.groups:
        limit = group.kubelet_max_pods
        if limit is None and (group.user_data_known or not group.launch_template):
            limit = KUBELET_MAX_PODS
        yield from ((name, limit) for name in group.instance_types)
    for pool, made in look.pools:
        limit = None if made is None else made.max_pods or KUBELET_MAX_PODS
        yield from ((name, limit) for name in pool.instance_types)


def arguments(look: Look, name: str) -> dict[str, str]:
    """
    The kubelet's settings for nodes of a type, all that they should hold in one file.

    A limit that was set on purpose stays where nothing speaks against it. Karpenter writes
    the bootstrap arguments itself: its nodes take the settings from their EC2NodeClass.
    """
    same = [kind for kind in kinds(look) if kind.name == name]
    wanted = max((kind.wanted for kind in same if kind.wanted), default=None)
    if wanted is None:
        kept = max((kind.limit for kind in same if kind.limit), default=KUBELET_MAX_PODS)
        wanted = None if kept == KUBELET_MAX_PODS else kept
    starters = launchers(look, [name] if name else [])
    files = {
        _class_file(one): node_class_settings(one.node_class, wanted)
        for one in starters
        if one.pool
    }
    if any(not one.pool for one in starters):
        files[f"bootstrap-arguments-{name}.txt"] = bootstrap_arguments(wanted) + "\n"
    return files


def _class_file(one: Launcher) -> str:
    return f"ec2nodeclass-{one.node_class or 'windows'}.yaml"


def _start_with(look: Look, name: str, files: dict[str, str]) -> str:
    """How nodes of a type get the settings, by what starts them."""
    own = next((text.strip() for file, text in files.items() if file.endswith(".txt")), "")
    return "; ".join(
        one.starts_with(own, f"as in {word(_class_file(one), 'FILE')}")
        for one in launchers(look, [name] if name else [])
    )


@check(
    "kubelet-max-pods",
    considers="Kubelet max-pods against addresses; AWS suggests 110, at most 250",
    severity="warning",
    why="the kubelet takes 110 pods unless it is told otherwise: addresses above that are paid "
    "for in the subnet and never used; AWS advises 110 below 30 vCPUs and 250 above",
    source=PREFIXES,
    needs=("nodes|node_groups|node_pools",),
)
def kubelet_max_pods(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare max-pods with the addresses, by kind of node."""
    nodes = look.windows
    found = kinds(look)
    if not found:
        yield _none_yet(rule, look)
    for kind, count in found.items():
        one = "node" if nodes else "node group"
        yield _of_kind(rule, look, kind, f"{kind.name or 'unknown type'} ({count_of(count, one)})")


def _of_kind(rule: Check, look: Look, kind: Kind, who: str) -> Finding:
    """Whether the kubelet's limit of one kind of nodes is what AWS advises, and serves them."""
    if kind.limit is None or kind.addresses is None:
        missing = "nodes" if kind.limit is None else "cni_configmap"
        return rule.unknown(look, missing, subject=kind.name)
    told = f"{who}: max-pods {kind.limit}, {kind.addresses} addresses"
    files = arguments(look, kind.name)
    if kind.limit > KUBELET_MAX_PODS_ADVISED:
        return rule.failed(
            f"{told}; AWS advises at most {kind.cap} for a type of its size",
            _start_with(look, kind.name, files),
            subject=kind.name,
            files=files,
        )
    if kind.limit > kind.cap:
        return rule.failed(
            f"{told}; AWS advises at most {kind.cap} below {KUBELET_MAX_PODS_VCPUS} vCPUs",
            "see under load that kubelet and runtime keep up, or lower it",
            subject=kind.name,
            severity="info",
        )
    if kind.wanted:
        # AWS suggests 110: a node that keeps to it is well, and only not used in full.
        severity: Severity = "info" if kind.limit >= KUBELET_MAX_PODS else rule.severity
        return rule.failed(
            f"{told}: {kind.addresses - kind.limit} unused",
            _start_with(look, kind.name, files),
            subject=kind.name,
            severity=severity,
            files=files,
        )
    idle = max(kind.addresses - kind.limit, 0)
    return rule.passed(
        f"{told}, as AWS advises for its size; {idle} stay unused" if idle else told,
        subject=kind.name,
    )


def _none_yet(rule: Check, look: Look) -> Finding:
    """Pass without Windows nodes; unknown where they, or the types of a NodePool, are not known."""
    open_pools = [pool.name for pool, _ in look.pools if not pool.instance_types]
    if open_pools:
        return rule.unknown(
            look,
            "nodes",
            seen=f"NodePool {some(open_pools)} names no instance type, and no node of it is known",
        )
    if look.state.windows_nodes is None and not look.groups:
        return rule.unknown(look, "nodes")
    return rule.passed("no Windows nodes yet")


@check(
    "linux-max-pods-list",
    considers="Linux max-pods lists (of nodeadm, once eni-max-pods.txt) mislead on Windows",
    severity="warning",
    why="those lists count interfaces x (addresses - 1) + 2; a Windows node has one interface and "
    "no two pods beside it",
    source=GUIDE,
    needs=("nodes|node_groups|node_pools",),
)
def linux_max_pods_list(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for Windows nodes whose max-pods is the Linux list's number."""
    found = [kind for kind in kinds(look) if kind.name]
    if not found:
        yield _none_yet(rule, look)
        return
    blind = [k.name for k in found if k.limit is None or look.row(k.name) is None]
    wrong = []
    for kind in found:
        row = look.row(kind.name)
        # 110 and 250 stand in those lists as well, and mean nothing by themselves.
        if row is None or kind.limit in {None, KUBELET_MAX_PODS, KUBELET_MAX_PODS_ADVISED}:
            continue
        listed = row.network_interfaces * (row.ipv4_per_interface - 1) + 2
        if kind.limit == listed and kind.limit != kind.addresses:
            wrong.append(kind.name)
            files = arguments(look, kind.name)
            yield rule.failed(
                f"{kind.name}: max-pods {listed} is the number of the Linux list; a Windows node "
                f"has {kind.addresses or 'other'} addresses",
                f"take it away (110 is the default), or {_start_with(look, kind.name, files)}",
                subject=kind.name,
            )
    if blind:
        yield rule.unknown(
            look, seen=f"type or max-pods of {some(blind)} is not known", remedy=_NODES
        )
    elif not wrong:
        yield rule.passed("no Windows node has the max-pods of the Linux list")


_NODES: Final = "kubectl get nodes -o json"


@check(
    "system-memory",
    considers="At least 2 GiB of memory kept for the system",
    severity="warning",
    why="Windows does not kill for memory: without a reserve a node pages to disk and stops "
    "answering; since Kubernetes 1.31 the kubelet evicts below 500 MiB, and earlier not at all "
    "unless it is told to",
    source=MEMORY,
    needs=("nodes|node_groups|node_classes",),
)
def system_memory(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare allocatable memory with all memory of the type, else the reserve that is set."""
    if look.state.windows_nodes:
        yield from _memory_of_nodes(rule, look)
        return
    wanted = WINDOWS_SYSTEM_RESERVED_MIB + WINDOWS_KUBE_RESERVED_MIB
    planned = {
        f"node group {g.name}": (g.reserved_memory_mib, g.user_data_known) for g in look.groups
    } | {
        f"EC2NodeClass {made.name}": (made.reserved_memory_mib, True)
        for made in look.windows_classes
    }
    if not planned:
        yield _none_yet(rule, look)
    for who, (kept, known) in planned.items():
        if kept is not None and kept >= wanted:
            yield rule.passed(f"{who} keeps {kept:,} MiB of {wanted:,} MiB", subject=who)
        elif kept is None and not known:
            yield rule.unknown(look, "nodes", subject=who)
        else:
            yield rule.failed(
                f"{who} keeps {kept or 0:,} MiB of {wanted:,} MiB for the system",
                f"keep memory as {bootstrap_arguments(None)} does"
                if "group" in who
                else "set systemReserved and kubeReserved under spec.kubelet",
                subject=who,
            )


def _memory_of_nodes(rule: Check, look: Look) -> Iterator[Finding]:
    nodes = look.windows
    wanted = WINDOWS_SYSTEM_RESERVED_MIB + WINDOWS_KUBE_RESERVED_MIB
    short: dict[str, tuple[int, list[str]]] = {}
    blind = []
    for node in nodes:
        row = look.row(node.instance_type)
        if row is None or node.memory_bytes is None:
            blind.append(node.name)
            continue
        kept = row.memory_mib - node.memory_bytes // 2**20
        if kept < wanted:
            short.setdefault(node.instance_type, (kept, []))[1].append(node.name)
    for name, (kept, names) in short.items():
        files = arguments(look, name)
        yield rule.failed(
            f"{name}: {kept:,} MiB kept of {wanted:,} MiB: {some(names)}",
            _start_with(look, name, files),
            subject=name,
            files=files,
        )
    if blind:
        yield rule.unknown(
            look, seen=f"type or allocatable memory of {some(blind)} is not known", remedy=_NODES
        )
    if not short and not blind:
        yield rule.passed(f"{len(nodes):,} Windows nodes keep {wanted:,} MiB or more")


@check(
    "image-memory",
    considers="Base images need 30 MB (Nano Server) or 45 MB (Server Core)",
    severity="warning",
    why="a request below what the base image needs by itself lets the scheduler put more pods on "
    "a node than its memory holds",
    source=MEMORY,
    whole=("pods",),
    needs=("pods",),
)
def image_memory(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for Windows pods that request less memory than any base image needs."""
    pods = look.state.windows_pods or ()
    least = CONTAINER_IMAGE_MEMORY_MB["Nano Server"] * 10**6
    small = [p.full_name for p in pods if not p.host_process and 0 < p.memory_bytes < least]
    if small:
        yield rule.failed(
            f"{len(small):,} Windows pods request less than {least // 10**6} MB: {some(small)}",
            "request 30 MB or more with Nano Server images, 45 MB or more with Server Core",
        )
    else:
        yield rule.passed(f"no Windows pod requests less memory than {least // 10**6} MB")


CHECKS = (
    kubelet_max_pods,
    linux_max_pods_list,
    system_memory,
    image_memory,
)
"""In the order of the guide."""
