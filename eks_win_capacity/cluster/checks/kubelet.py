"""Checks of what Windows nodes offer: addresses, max-pods, memory, and the autoscaler's view."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eks_win_capacity.cluster.checks.check import CONTROLLER, GUIDE, MEMORY, PREFIXES, check, some
from eks_win_capacity.cluster.remedies import bootstrap_arguments, tag_command, tags_file
from eks_win_capacity.cluster.view import autoscaler_tags, expected_addresses, word
from eks_win_capacity.core.constants import (
    CONTAINER_IMAGE_MEMORY_MB,
    KUBELET_MAX_PODS,
    KUBELET_MAX_PODS_ADVISED,
    WINDOWS_KUBE_RESERVED_MIB,
    WINDOWS_SYSTEM_RESERVED_MIB,
)
from eks_win_capacity.core.display import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.catalog import InstanceType
    from eks_win_capacity.cluster.checks.check import Check, Look
    from eks_win_capacity.core.findings import Finding, Severity


@check(
    "node-advertises-addresses",
    considers="Windows nodes advertise pod addresses",
    severity="error",
    why="a node that advertises no vpc.amazonaws.com/PrivateIPv4Address gets no pods with "
    "addresses of their own",
    source=CONTROLLER,
)
def node_advertises_addresses(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for the resource among what nodes can give."""
    nodes = look.state.windows_nodes
    if nodes is None:
        yield rule.unknown(look, "nodes")
        return
    without = [n.name for n in nodes if not n.advertised_addresses]
    if without:
        yield rule.failed(
            f"{len(without):,} of {len(nodes):,} Windows nodes advertise none: {some(without)}",
            "see the node's events for the reason: kubectl describe node "
            f"{word(without[0], 'NODE')}; then check enable-windows-ipam, the cluster role and the "
            "type",
        )
    elif nodes:
        yield rule.passed(f"all {len(nodes):,} Windows nodes advertise addresses")
    else:
        yield rule.passed("no Windows nodes yet")


@dataclass(frozen=True)
class Kind:
    """
    Nodes, or node groups before their first node, that are alike to the kubelet.

    Attributes
    ----------
    name : str
        Instance type.
    limit, addresses : int or None
        max-pods, and the pod addresses of each; None where not known. [pods], [addresses]
    host : int
        Most HostProcess pods on one of them. [pods]
    """

    name: str
    limit: int | None
    addresses: int | None
    host: int = 0

    @property
    def wanted(self) -> int | None:
        """The max-pods to set; None where it may stay as it is."""
        if self.limit is None or self.addresses is None:
            return None
        if self.limit > KUBELET_MAX_PODS_ADVISED:
            return KUBELET_MAX_PODS_ADVISED
        most = min(self.addresses + self.host, KUBELET_MAX_PODS_ADVISED)
        return most if self.limit < self.addresses and most > self.limit else None


def kinds(look: Look) -> Counter[Kind]:
    """Count the Windows nodes of each kind; the node groups where there are no nodes."""
    state = look.state
    most: dict[str, int] = {}
    for node in state.windows_nodes or ():
        most[node.instance_type] = max(most.get(node.instance_type, 0), look.host_pods[node.name])
    found: Counter[Kind] = Counter()
    for node in state.windows_nodes or ():
        row = look.row(node.instance_type)
        addresses = node.advertised_addresses or _expected(look, row)
        found[Kind(node.instance_type, node.pods_limit, addresses, most[node.instance_type])] += 1
    for group in [] if state.windows_nodes else look.windows_groups:
        for name in group.instance_types:
            limit = group.kubelet_max_pods
            if limit is None and (group.user_data_known or not group.launch_template):
                limit = KUBELET_MAX_PODS
            found[Kind(name, limit, _expected(look, look.row(name)))] += 1
    return found


def _expected(look: Look, row: InstanceType | None) -> int | None:
    return expected_addresses(row, prefix_delegation=look.prefix_delegation)


def arguments(look: Look, name: str) -> dict[str, str]:
    """
    The bootstrap arguments of nodes of a type, all that they should hold in one file.

    A limit that was set on purpose stays where nothing speaks against it.
    """
    same = [kind for kind in kinds(look) if kind.name == name]
    wanted = max((kind.wanted for kind in same if kind.wanted), default=None)
    if wanted is None:
        kept = max((kind.limit for kind in same if kind.limit), default=KUBELET_MAX_PODS)
        wanted = None if kept == KUBELET_MAX_PODS else kept
    return {f"bootstrap-arguments-{name}.txt": bootstrap_arguments(wanted) + "\n"}


def _start_with(files: dict[str, str]) -> str:
    return f"start such nodes with {next(iter(files.values())).strip()}"


@check(
    "kubelet-max-pods",
    considers="Kubelet max-pods against addresses; AWS suggests 110, at most 250",
    severity="warning",
    why="the kubelet takes 110 pods unless it is told otherwise: addresses above that are paid "
    "for in the subnet and never used",
    source=PREFIXES,
)
def kubelet_max_pods(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare max-pods with the addresses, by kind of node."""
    nodes = look.state.windows_nodes
    found = kinds(look)
    if not found and nodes is None:
        yield rule.unknown(look, "nodes")
    elif not found:
        yield rule.passed("no Windows nodes yet")
    for kind, count in found.items():
        who = (
            f"{kind.name or 'unknown type'} ({count_of(count, 'node' if nodes else 'node group')})"
        )
        if kind.limit is None or kind.addresses is None:
            missing = "nodes" if kind.limit is None else "cni_configmap"
            yield rule.unknown(look, missing, subject=kind.name)
            continue
        told = f"{who}: max-pods {kind.limit}, {kind.addresses} addresses"
        files = arguments(look, kind.name)
        if kind.limit > KUBELET_MAX_PODS_ADVISED:
            yield rule.failed(
                f"{told}; AWS advises at most {KUBELET_MAX_PODS_ADVISED}",
                _start_with(files),
                subject=kind.name,
                files=files,
            )
        elif kind.wanted:
            # AWS suggests 110: a node that keeps to it is well, and only not used in full.
            severity: Severity = "info" if kind.limit >= KUBELET_MAX_PODS else rule.severity
            yield rule.failed(
                f"{told}: {kind.addresses - kind.limit} unused",
                _start_with(files),
                subject=kind.name,
                severity=severity,
                files=files,
            )
        else:
            yield rule.passed(told, subject=kind.name)


@check(
    "linux-max-pods-list",
    considers="Linux max-pods lists (eni-max-pods.txt) mislead on Windows",
    severity="warning",
    why="those lists count interfaces x (addresses - 1) + 2; a Windows node has one interface and "
    "no two pods beside it",
    source=GUIDE,
)
def linux_max_pods_list(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for Windows nodes whose max-pods is the Linux list's number."""
    found = [kind for kind in kinds(look) if kind.name]
    if not found:
        if look.state.windows_nodes is None:
            yield rule.unknown(look, "nodes")
        else:
            yield rule.passed("no Windows nodes yet")
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
                f"take it away (110 is the default), or {_start_with(files)}",
                subject=kind.name,
            )
    if blind:
        yield rule.unknown(
            look, seen=f"type or max-pods of {some(blind)} is not known", remedy=_NODES
        )
    elif not wrong:
        yield rule.passed("no Windows node has the max-pods of the Linux list")


_NODES = "kubectl get nodes -o json"


@check(
    "system-memory",
    considers="At least 2 GiB of memory kept for the system",
    severity="warning",
    why="Windows does not kill for memory: without a reserve a node that runs out pages to disk "
    "and stops answering",
    source=MEMORY,
)
def system_memory(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare allocatable memory with all memory of the type."""
    nodes = look.state.windows_nodes
    if nodes is None:
        yield rule.unknown(look, "nodes")
        return
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
            _start_with(files),
            subject=name,
            files=files,
        )
    if blind:
        yield rule.unknown(
            look, seen=f"type or allocatable memory of {some(blind)} is not known", remedy=_NODES
        )
    if not short and not blind:
        yield rule.passed(
            f"{len(nodes):,} Windows nodes keep {wanted:,} MiB or more"
            if nodes
            else "no Windows nodes yet"
        )


@check(
    "image-memory",
    considers="Base images need 30 MB (Nano Server) or 45 MB (Server Core)",
    severity="warning",
    why="a request below what the base image needs by itself lets the scheduler put more pods on "
    "a node than its memory holds",
    source=MEMORY,
    whole=("pods",),
)
def image_memory(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for Windows pods that request less memory than any base image needs."""
    pods = look.state.windows_pods
    if pods is None:
        yield rule.unknown(look, "pods")
        return
    least = CONTAINER_IMAGE_MEMORY_MB["Nano Server"] * 10**6
    small = [p.full_name for p in pods if not p.host_process and 0 < p.memory_bytes < least]
    if small:
        yield rule.failed(
            f"{len(small):,} Windows pods request less than {least // 10**6} MB: {some(small)}",
            "request 30 MB or more with Nano Server images, 45 MB or more with Server Core",
        )
    else:
        yield rule.passed(f"no Windows pod requests less memory than {least // 10**6} MB")


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
    if look.makers is not None and not any("cluster-autoscaler" in name for name in look.makers):
        yield rule.passed("the cluster autoscaler does not run here")
        return
    if state.node_groups is None:
        yield rule.unknown(look, "node_groups")
        return
    alone = [node.name for node in state.windows_nodes or () if not node.node_group]
    if alone:
        yield rule.unknown(
            look,
            seen=f"the Auto Scaling groups of {some(alone)}, which are in no managed node group, "
            "are not known",
            remedy="see that each carries the tag: aws autoscaling describe-auto-scaling-groups",
        )
    elif not look.windows_groups and state.windows_nodes is None:
        yield rule.unknown(look, "nodes")
    elif not look.windows_groups:
        yield rule.passed("no Windows node groups yet")
    for group in look.windows_groups:
        if group.autoscaling_tags is None:
            yield rule.unknown(
                look,
                seen=f"the tags of the Auto Scaling group of {group.name} are not known",
                remedy="give the answer of: aws autoscaling describe-auto-scaling-groups",
                subject=group.name,
            )
            continue
        counts = [_expected(look, look.row(name)) for name in group.instance_types]
        if not counts or None in counts:
            yield rule.unknown(look, "cni_configmap", "nodes", subject=group.name)
            continue
        # A group of several types must not promise more than its smallest gives.
        wanted = autoscaler_tags(min(count or 0 for count in counts))
        lacking = {k: v for k, v in wanted.items() if dict(group.autoscaling_tags).get(k) != v}
        if next(iter(wanted)) in lacking:
            told = ", ".join(f"{key}={value}" for key, value in lacking.items())
            yield rule.failed(
                f"the Auto Scaling group of {group.name} lacks {told}",
                tag_command(lacking, group.autoscaling_groups, look.cluster, group.name),
                subject=group.name,
                files={
                    f"node-template-tags-{group.name}.json": tags_file(
                        lacking, group.autoscaling_groups
                    )
                },
            )
        else:
            yield rule.passed(f"{group.name} has the tag", subject=group.name)


CHECKS = (
    node_advertises_addresses,
    kubelet_max_pods,
    linux_max_pods_list,
    system_memory,
    image_memory,
    autoscaler_node_template,
)
"""In the order of the guide."""
