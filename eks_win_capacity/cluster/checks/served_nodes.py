"""Checks of Windows nodes: supported types, pod addresses, max-pods and memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from eks_win_capacity.catalog.limits import max_pods_cap
from eks_win_capacity.catalog.type_names import absent
from eks_win_capacity.cluster.checks.check import CONTROLLER, GUIDE, MEMORY, PREFIXES, Check, some
from eks_win_capacity.cluster.remedies import (
    Launcher,
    bootstrap_arguments,
    launchers,
    node_class_settings,
    word,
)
from eks_win_capacity.cluster.serving import REASONS, advertised_by, group_of
from eks_win_capacity.core.constants import (
    CONTAINER_IMAGE_MEMORY_MB,
    CONTROLLER_TABLE_AS_OF,
    KARPENTER_TABLE_AS_OF,
    KUBELET_MAX_PODS,
    KUBELET_MAX_PODS_ADVISED,
    KUBELET_MAX_PODS_VCPUS,
    WINDOWS_KUBE_RESERVED_MIB,
    WINDOWS_SYSTEM_RESERVED_MIB,
)
from eks_win_capacity.core.errors import count_of
from eks_win_capacity.density.reserved import karpenter_addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from eks_win_capacity.catalog import InstanceType, Reason
    from eks_win_capacity.cluster.checks.check import Look
    from eks_win_capacity.core.findings import Finding, Severity


def _reason_sentences(look: Look, reasons: Iterable[Reason]) -> str:
    """Each reason with its date and source, and a note if it is old."""
    return "; ".join(f"{r.why} ({r.date}, {r.source}){look.aged(r.date)}" for r in reasons)


def _no_row(rule: Check, look: Look, name: str, users: list[str]) -> Finding:
    """Finding for a type that the catalog lacks."""
    known = absent(name)
    return rule.unknown(
        look,
        seen=f"{name} ({some(users)}) is not in the catalog of {look.catalog.as_of}"
        + (f": {known}" if known else "")
        + look.aged(look.catalog.as_of),
        remedy="give a catalog that has it: aws.load_catalog()",
        subject=name,
    )


def _each_type(
    rule: Check, look: Look, judge: Callable[[str, list[str], InstanceType | None], Finding | None]
) -> Iterator[Finding]:
    """Findings for each type and its users, and for the types that cannot be judged."""
    types = look.windows_types
    if types is None:
        yield rule.unknown(look, "nodes", "node_groups")
        return
    seen = {g.name for n in look.windows if (g := group_of(n, look.state)) is not None}
    silent = [g.name for g in look.groups if not g.instance_types and g.name not in seen]
    blind = [*types.get("", []), *(f"node group {name}" for name in silent)]
    if blind:
        yield rule.unknown(
            look,
            seen=f"the instance type of {some(blind)} is not known",
            remedy="aws ec2 describe-launch-template-versions, or kubectl get nodes "
            "-L node.kubernetes.io/instance-type",
        )
    if not types and not blind:
        yield rule.passed("no Windows nodes yet")
    for name, users in types.items():
        if name:
            row = look.row(name)
            yield judge(name, users, row) or _no_row(rule, look, name, users)


@Check(
    "instance-type-windows",
    considers="Instance types that run Windows; amd64 only, no Arm",
    severity="error",
    why="Windows does not start on other types",
    about=("nodes",),
    whole=("node_groups",),
)
def instance_type_windows(rule: Check, look: Look) -> Iterator[Finding]:
    def judge(name: str, users: list[str], row: InstanceType | None) -> Finding | None:
        if row is None:
            return None
        if not row.windows.possible:
            return rule.failed(
                f"{name} ({some(users)}): {_reason_sentences(look, row.windows.reasons)}",
                f"choose a type that runs Windows{look.instead_of(name)}: eks-win-capacity catalog "
                "list --windows supported",
                subject=name,
            )
        return rule.passed(
            f"no known problem with Windows on {name}{look.aged(look.catalog.as_of)}"
            if row.windows.status == "supported"
            else f"{name} has no known reason not to run Windows; a separate check covers its "
            f"caveats",
            subject=name,
        )

    return _each_type(rule, look, judge)


@Check(
    "instance-type-caveats",
    considers="Instance types with a known caveat under Windows",
    severity="warning",
    why="such a type runs Windows, but with limitations",
    about=("nodes",),
    whole=("node_groups",),
)
def instance_type_caveats(rule: Check, look: Look) -> Iterator[Finding]:
    def judge(name: str, users: list[str], row: InstanceType | None) -> Finding | None:
        if row is None:
            return None
        warned = row.windows.reasons if row.windows.status == "warned" else ()
        reasons = [reason for reason in warned if reason.code != "unknown-to-controller"]
        if not reasons:
            return rule.passed(f"{name} has no known caveat", subject=name)
        return rule.failed(
            f"{name} ({some(users)}): {_reason_sentences(look, reasons)}",
            "put at most 31 pods with addresses on such a node"
            if [reason.code for reason in reasons] == ["limited-addresses"]
            else "try one node first, or choose another type",
            subject=name,
        )

    return _each_type(rule, look, judge)


@Check(
    "instance-type-controller",
    considers="Instance types that the VPC resource controller knows",
    severity="warning",
    why="a node gets no pod addresses if the control plane's table lacks its type",
    source=CONTROLLER,
    about=("nodes",),
    whole=("node_groups",),
)
def instance_type_controller(rule: Check, look: Look) -> Iterator[Finding]:
    working = {node.instance_type for node in look.windows if node.advertised_addresses}
    refused = {
        node.instance_type
        for node in look.windows
        if look.reason(node) == "type-unknown-to-controller"
    }

    def judge(name: str, users: list[str], row: InstanceType | None) -> Finding | None:
        if name in working:
            return rule.passed(f"{name}: nodes advertise addresses", subject=name)
        if row is None:
            return None
        if name not in refused and "unknown-to-controller" not in row.windows.codes:
            return rule.passed(
                f"{name} is in the controller's table of {CONTROLLER_TABLE_AS_OF}"
                f"{look.aged(CONTROLLER_TABLE_AS_OF)}",
                subject=name,
            )
        reasons = [r for r in row.windows.reasons if r.code == "unknown-to-controller"]
        said = (
            _reason_sentences(look, reasons)
            or "the controller says that it does not support the type"
        )
        return rule.failed(
            f"{name} ({some(users)}): {said}; Karpenter's table of {KARPENTER_TABLE_AS_OF}"
            f"{look.aged(KARPENTER_TABLE_AS_OF)}, made by the same generator, {_by_karpenter(row)}",
            "start one node and see that it advertises addresses: kubectl get nodes -l "
            f"node.kubernetes.io/instance-type={name} -o "
            "jsonpath='{.items[*].status.allocatable}'; else take an older type",
            subject=name,
        )

    return _each_type(rule, look, judge)


def _by_karpenter(row: InstanceType) -> str:
    """Whether Karpenter's table has a type, and the consequence if it does not."""
    counted = karpenter_addresses(row)
    if counted is None:
        return "may have it already"
    return "has it" if counted else "lacks it too, so that Karpenter counts no address on it"


@Check(
    "node-advertises-addresses",
    considers="Windows nodes advertise pod addresses",
    severity="error",
    why="a node that advertises no vpc.amazonaws.com/PrivateIPv4Address gets no pods with "
    "addresses of their own",
    source=CONTROLLER,
    needs=("nodes",),
)
def node_advertises_addresses(rule: Check, look: Look) -> Iterator[Finding]:
    silent: dict[str, list[str]] = {}
    for node in look.windows:
        if advertised_by(node) == 0:
            silent.setdefault(look.reason(node), []).append(node.name)
    blind = [node.name for node in look.windows if advertised_by(node) is None]
    for reason, names in silent.items():
        node = look.state.nodes_by_name[names[0]]
        evidence = "; ".join(look.why_silent(node)[1:])
        yield rule.failed(
            f"{count_of(len(names), 'Windows node advertises', 'Windows nodes advertise')} none: "
            f"{some(names)}; {REASONS.get(reason, reason)}" + (f"; {evidence}" if evidence else ""),
            _served_again(look, reason, names[0]),
            subject=reason,
        )
    if blind:
        yield rule.unknown(
            look,
            seen=f"what {some(blind)} can give is not in what was loaded",
            remedy="kubectl get nodes -o json (the whole objects, with status.allocatable)",
        )
    if not silent and not blind:
        yield rule.passed(
            f"{count_of(len(look.windows), 'Windows node advertises', 'Windows nodes advertise')} "
            "addresses"
            if look.windows
            else "no Windows nodes yet"
        )


def _served_again(look: Look, reason: str, node: str) -> str:
    """Remedy for a node that advertises no addresses; the check of the cause says more."""
    of = {
        "windows-ipam-off": "turn it on: see windows-ipam-enabled",
        "role-policy": "attach it: see resource-controller-policy",
        "platform-too-old": "update it: see windows-platform-version",
        "type-unknown-to-controller": "start nodes of a type that the controller knows"
        f"{look.instead_of(look.state.nodes_by_name[node].instance_type)}",
    }
    command = f"kubectl describe node {word(node, 'NODE')}"
    return of.get(reason, f"check the events of the node for the reason: {command}")


@Check(
    "pods-get-addresses",
    considers="Placed Windows pods get their addresses",
    severity="error",
    why="a placed pod without an address stays in ContainerCreating, and waiting does not help",
    source=CONTROLLER,
    whole=("pods",),
    needs=("nodes", "pods"),
)
def pods_get_addresses(rule: Check, look: Look) -> Iterator[Finding]:
    blocked = look.blocked
    for name, obstacle in blocked.items():
        late = [pod.full_name for pod in look.waiting[name] if not pod.without_request]
        yield rule.failed(
            f"{name} gives {some(late)} no address: {'; '.join(obstacle.evidence)}",
            f"eks-win-capacity explain {word(late[0], 'POD')} weighs what helps; "
            f"{_UNBLOCKED.get(obstacle.code, 'waiting does not')}",
            subject=name,
        )
    silent = [pod.full_name for pod in look.state.windows_pods or () if pod.without_request]
    if silent:
        yield rule.failed(
            f"{some(silent)} requested no vpc.amazonaws.com/PrivateIPv4Address, so they get none",
            'put kubernetes.io/os: "windows" under nodeSelector of the pod template and create '
            "the pods anew: the webhook adds the request only then",
            subject="no-address-asked",
        )
    if not blocked and not silent:
        count = len(look.state.windows_pods or ())
        yield rule.passed(f"of {count_of(count, 'Windows pod')} none waits for an address in vain")


_UNBLOCKED: Final = {
    "prefixes": "reserve or free whole /28 blocks in its subnet, or use another subnet",
    "subnet": "free addresses in its subnet, or use another subnet",
    "slots-held": "cordon, drain and replace the node: its slots are of the other mode",
    "addresses": "run fewer pods on it: it advertises fewer addresses than pods were placed",
    "starved": "raise the warm targets: see warm-targets",
    "not-served": "let the controller serve it: see node-advertises-addresses",
    "node-not-ready": "restore its kubelet first: see windows-nodes-ready",
}
"""Short remedy for each obstacle."""


@dataclass(frozen=True)
class Kind:
    """
    Nodes, node groups or NodePools with the same limits.

    Attributes
    ----------
    name : str
        Instance type.
    limit, addresses : int or None
        max-pods, and pod addresses per node; None if not known. [pods], [addresses]
    host : int
        Most HostProcess pods on one of the nodes. [pods]
    cap : int
        The largest max-pods that AWS advises for the type. [pods]
    """

    name: str
    limit: int | None
    addresses: int | None
    host: int
    cap: int

    @property
    def wanted(self) -> int | None:
        """The max-pods to set; None if the present one is fine."""
        if self.limit is None or self.addresses is None:
            return None
        most = min(self.addresses + self.host, self.cap)
        if self.limit > KUBELET_MAX_PODS_ADVISED:
            return most
        return most if self.limit < self.addresses and most > self.limit else None


def kinds(look: Look) -> Counter[Kind]:
    """Windows nodes by kind; without nodes, the node groups and NodePools that will start them."""
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
    for pool, node_class in look.pools:
        limit = None if node_class is None else node_class.max_pods or KUBELET_MAX_PODS
        yield from ((name, limit) for name in pool.instance_types)


def arguments(look: Look, name: str, all_kinds: Iterable[Kind]) -> dict[str, str]:
    """
    Files with all recommended kubelet settings for nodes of a type.

    A limit set on purpose stays unless it is wrong. Karpenter writes the bootstrap arguments
    itself: its nodes take the settings from their EC2NodeClass.
    """
    same = [kind for kind in all_kinds if kind.name == name]
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
    """How to apply the settings to nodes of a type, for each of their launchers."""
    flags = next((text.strip() for file, text in files.items() if file.endswith(".txt")), "")
    return "; ".join(
        one.starts_with(flags, f"as in {word(_class_file(one), 'FILE')}")
        for one in launchers(look, [name] if name else [])
    )


@Check(
    "kubelet-max-pods",
    considers="Kubelet max-pods against addresses; AWS suggests 110, at most 250",
    severity="warning",
    why="the kubelet runs at most 110 pods unless configured otherwise: addresses above that are "
    "taken from the subnet and never used; AWS advises 110 below 30 vCPUs and 250 above",
    source=PREFIXES,
    needs=("nodes|node_groups|node_pools",),
)
def kubelet_max_pods(rule: Check, look: Look) -> Iterator[Finding]:
    nodes = look.windows
    counts = kinds(look)
    if not counts:
        yield _none_yet(rule, look)
    for kind, count in counts.items():
        one = "node" if nodes else "node group"
        who = f"{kind.name or 'unknown type'} ({count_of(count, one)})"
        yield _of_kind(rule, look, kind, who, counts)


def _of_kind(rule: Check, look: Look, kind: Kind, who: str, all_kinds: Iterable[Kind]) -> Finding:
    """Finding on max-pods of one kind of nodes: as AWS advises, and enough for the addresses."""
    if kind.limit is None or kind.addresses is None:
        missing = "nodes" if kind.limit is None else "cni_configmap"
        return rule.unknown(look, missing, subject=kind.name)
    sentence = f"{who}: max-pods {kind.limit}, {kind.addresses} addresses"
    files = arguments(look, kind.name, all_kinds)
    if kind.limit > KUBELET_MAX_PODS_ADVISED:
        return rule.failed(
            f"{sentence}; AWS advises at most {kind.cap} for a type of its size",
            _start_with(look, kind.name, files),
            subject=kind.name,
            files=files,
        )
    if kind.limit > kind.cap:
        return rule.failed(
            f"{sentence}; AWS advises at most {kind.cap} below {KUBELET_MAX_PODS_VCPUS} vCPUs",
            "test under load that kubelet and runtime keep up, or lower it",
            subject=kind.name,
            severity="info",
        )
    if kind.wanted:
        # AWS suggests 110: a node with that limit is fine, only not fully used.
        severity: Severity = "info" if kind.limit >= KUBELET_MAX_PODS else rule.severity
        return rule.failed(
            f"{sentence}: {kind.addresses - kind.limit} unused",
            _start_with(look, kind.name, files),
            subject=kind.name,
            severity=severity,
            files=files,
        )
    idle = max(kind.addresses - kind.limit, 0)
    return rule.passed(
        f"{sentence}, as AWS advises for its size; {idle} stay unused" if idle else sentence,
        subject=kind.name,
    )


def _none_yet(rule: Check, look: Look) -> Finding:
    """Pass without Windows nodes; unknown if nodes, or the types of a NodePool, are not known."""
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


@Check(
    "linux-max-pods-list",
    considers="Linux max-pods lists (of nodeadm, once eni-max-pods.txt) mislead on Windows",
    severity="warning",
    why="those lists count interfaces x (addresses - 1) + 2; a Windows node has one interface "
    "and not the two extra pods",
    source=GUIDE,
    about=("nodes",),
    needs=("nodes|node_groups|node_pools",),
    clear="no Windows node has the max-pods of the Linux list",
)
def linux_max_pods_list(rule: Check, look: Look) -> Iterator[Finding]:
    named_kinds = [kind for kind in kinds(look) if kind.name]
    if not named_kinds:
        yield _none_yet(rule, look)
        return
    blind = [k.name for k in named_kinds if k.limit is None or look.row(k.name) is None]
    for kind in named_kinds:
        row = look.row(kind.name)
        # 110 and 250 occur in those lists too, so they prove nothing.
        if row is None or kind.limit in {None, KUBELET_MAX_PODS, KUBELET_MAX_PODS_ADVISED}:
            continue
        listed = row.network_interfaces * (row.ipv4_per_interface - 1) + 2
        if kind.limit == listed and kind.limit != kind.addresses:
            files = arguments(look, kind.name, named_kinds)
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


_NODES: Final = "kubectl get nodes -o json"


@Check(
    "system-memory",
    considers="At least 2 GiB of memory kept for the system",
    severity="warning",
    why="Windows has no out-of-memory killer: without reserved memory a node pages to disk and "
    "stops responding; since Kubernetes 1.31 the kubelet evicts below 500 MiB, and earlier not at "
    "all unless configured",
    source=MEMORY,
    needs=("nodes|node_groups|node_classes",),
)
def system_memory(rule: Check, look: Look) -> Iterator[Finding]:
    if look.state.windows_nodes:
        yield from _memory_of_nodes(rule, look)
        return
    wanted = WINDOWS_SYSTEM_RESERVED_MIB + WINDOWS_KUBE_RESERVED_MIB
    planned = {
        f"node group {g.name}": (g.reserved_memory_mib, g.user_data_known) for g in look.groups
    } | {
        f"EC2NodeClass {node_class.name}": (node_class.reserved_memory_mib, True)
        for node_class in look.windows_classes
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
    all_kinds = kinds(look) if short else ()
    for name, (kept, names) in short.items():
        files = arguments(look, name, all_kinds)
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


@Check(
    "image-memory",
    considers="Base images need 30 MB (Nano Server) or 45 MB (Server Core)",
    severity="warning",
    why="with a request below the need of the base image, the scheduler places more pods on "
    "a node than its memory can hold",
    source=MEMORY,
    whole=("pods",),
    needs=("pods",),
)
def image_memory(rule: Check, look: Look) -> Iterator[Finding]:
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
