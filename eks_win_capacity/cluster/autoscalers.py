"""What Karpenter and the cluster autoscaler assume of nodes, and why they start none for a pod."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.cluster.remedies import (
    Change,
    resized,
    tag_command,
    toleration,
    word,
)
from eks_win_capacity.cluster.serving import autoscaler_tags, expected_addresses
from eks_win_capacity.core.arguments import names
from eks_win_capacity.core.arrays import count, flag, unmasked
from eks_win_capacity.core.constants import ADDRESS_RESOURCE, KUBELET_MAX_PODS
from eks_win_capacity.core.errors import InputError, count_of
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.quantities import millicores, request, whole_bytes
from eks_win_capacity.density.reserved import (
    allocatable,
    karpenter_addresses,
    karpenter_cpu_reserved_m,
    karpenter_memory_mib,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from eks_win_capacity.catalog import Catalog, InstanceType
    from eks_win_capacity.cluster.cluster_view import ClusterView
    from eks_win_capacity.cluster.serving import PodNeed
    from eks_win_capacity.cluster.state import NodeClaim, NodeGroup, Pod


_PATTERNS: Final = (
    ("nodepool-limits", re.compile(r"exceed limits for nodepool", re.IGNORECASE)),
    ("nodepool-mismatch", re.compile(r"incompatible with (nodepool|provisioner)", re.IGNORECASE)),
    ("group-at-maximum", re.compile(r"max node group size reached", re.IGNORECASE)),
    (
        "autoscaler-blind",
        re.compile(rf"trigger scale-up.*Insufficient {re.escape(ADDRESS_RESOURCE)}", re.IGNORECASE),
    ),
)
_POOL: Final = re.compile(r"(?:nodepool|provisioner):? \"?([a-z0-9.-]+)", re.IGNORECASE)


def refusal(pod: Pod) -> tuple[str, str] | None:
    """
    Why an autoscaler starts no node for a pod: a code, and the message that says so.

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import Pod
    >>> refusal(Pod(namespace="a", name="b", events=(
    ...     'Failed to schedule pod, all available instance types exceed limits for nodepool: '
    ...     '"windows"',)))[0]
    'nodepool-limits'
    """
    for code, pattern in _PATTERNS:
        for text in (pod.message, *pod.events):
            if pattern.search(text):
                return code, text
    return None


def lift(pod: Pod, need: PodNeed, view: ClusterView) -> Iterator[Change]:
    """Changes that let an autoscaler start a node for a pod."""
    answer = refusal(pod)
    if answer is None:
        return
    code, text = answer
    if code == "nodepool-limits":
        named = _POOL.search(text)
        pool = word(named[1] if named else None, "NODEPOOL")
        yield Change(
            code="raise-limits",
            remedy=f"raise spec.limits of NodePool {pool}: kubectl get nodepool {pool} -o yaml "
            "shows them and the use of its nodes (status.resources)",
            feasible=None,
            why=f"Karpenter: {text}",
            nodes=1,
        )
    elif code == "nodepool-mismatch":
        yield _match(pod, need, text, view)
    elif code == "group-at-maximum":
        yield _raise_maximum(text, view)
    else:
        yield _tag_group(text, view)


def _match(pod: Pod, need: PodNeed, text: str, view: ClusterView) -> Change:
    """Change to a pod or a NodePool that do not match according to Karpenter."""
    system = "windows" if view.state.pod_os(pod) == "windows" else "linux"
    name, why = _told_of(text, system, view)
    pool = word(name or None, "NODEPOOL")
    code, unit = "fix-nodepool", "pods"
    if refused := _REFUSES.search(why):
        code, unit = "tolerate", ""
        remedy = (
            f"add a toleration to the pod for: {refused[1]}; tolerations: [{toleration(refused[1])}]: "
            f"kubectl get nodepool {pool} -o yaml shows the taints"
        )
    elif _runs(name, system, view) and "incompatible requirements" not in why:
        code, unit = "larger-type", ""
        fits = view.larger(need) if system == "windows" else ""
        remedy = (
            f"allow a larger type in the requirements of NodePool {pool}"
            + (f", such as {fits}" if fits else "")
            + f", or lower the pod's requests: kubectl edit nodepool {pool}"
        )
    else:
        remedy = f"require kubernetes.io/os In [{system}] in NodePool {pool}"
        if system == "windows":
            remedy += (
                ", and give its EC2NodeClass a Windows AMI family: only then do its types offer "
                f"{ADDRESS_RESOURCE}"
            )
        elif ADDRESS_RESOURCE.lower() in why.lower():
            remedy += ", so that DaemonSets for Windows are not counted onto its nodes"
        remedy += f": kubectl get nodepool {pool} -o yaml"
    return Change(
        code=code, remedy=remedy, unit=unit, feasible=None, why=f"Karpenter: {text}", nodes=1
    )


_INCOMPATIBLE: Final = re.compile(
    r"incompatible with (?:nodepool|provisioner):? \"?([a-z0-9.-]+)\"?,?\s*(.*?)"
    r"(?=;\s*incompatible with (?:nodepool|provisioner)|$)",
    re.IGNORECASE | re.DOTALL,
)
_REFUSES: Final = re.compile(r"did not tolerate (?:taint \(taint=)?([^\s;,()]+)", re.IGNORECASE)


def _told_of(text: str, system: str, view: ClusterView) -> tuple[str, str]:
    """
    The NodePool in Karpenter's message that should run a pod, and its part of the message.

    Preferably one known to be of the pod's system, or else one rejected for a reason other than
    the system.
    """
    refusals = _INCOMPATIBLE.findall(text)
    of_system = [one for one in refusals if _systems(one[0], view) == (system,)]
    other = [one for one in refusals if "key kubernetes.io/os" not in one[1]]
    return next(iter([*of_system, *other, *refusals]), ("", text))


def _systems(name: str, view: ClusterView) -> tuple[str, ...]:
    return next((pool.systems for pool in view.state.node_pools or () if pool.name == name), ())


def _runs(name: str, system: str, view: ClusterView) -> bool:
    """Whether a NodePool is known to start nodes of a system, by its requirements and its class."""
    if system == "linux":
        return _systems(name, view) == ("linux",)
    return any(
        pool.name == name and node_class is not None and bool(node_class.windows)
        for pool, node_class in view.pools
    ) and _systems(name, view) == ("windows",)


def halted(claim: NodeClaim) -> str:
    """
    Karpenter's reason why a NodeClaim cannot become a node; empty if it still may.

    EC2 refused the launch, or the VPC resource controller has registered no addresses on the
    node, without which Karpenter does not initialise it.

    References
    ----------
    Karpenter, ``pkg/controllers/nodeclaim/lifecycle``: ``launch.go``, ``initialization.go``.

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import NodeClaim
    >>> halted(NodeClaim(name="a", open=(("Registered", "NodeNotFound", "not registered"),)))
    ''
    >>> halted(NodeClaim(name="a", open=(("Launched", "LaunchFailed", "no capacity"),)))
    'LaunchFailed: no capacity'
    """
    for step, reason, message in claim.open:
        refused = step == "Launched" and reason not in {"", "AwaitingReconciliation"}
        if refused or (step == "Initialized" and ADDRESS_RESOURCE in message):
            return f"{reason}: {message}"
    return ""


def unhalt(claim: NodeClaim) -> str:
    """How to find and remove what keeps a NodeClaim from becoming a node."""
    if any(step == "Launched" for step, _, _ in claim.open):
        return (
            "correct what EC2 refused: other types, zones or subnets in the NodePool and its "
            f"EC2NodeClass; kubectl describe nodeclaim {word(claim.name, 'NODECLAIM')}"
        )
    return (
        "check why the VPC resource controller does not serve the node (check: "
        f"node-advertises-addresses): kubectl describe node {word(claim.node, 'NODE')}"
    )


def of_claims(view: ClusterView) -> tuple[str, ...]:
    """Progress of each Windows NodeClaim towards becoming a node."""
    return tuple(
        f"NodeClaim {claim.name} ({claim.instance_type or 'type not known yet'}): "
        + (
            halted(claim)
            or f"{claim.open[0][0]} is not true yet"
            + (f" ({': '.join(filter(None, claim.open[0][1:]))})" if any(claim.open[0][1:]) else "")
        )
        for claim in view.claims
    )


def claimed(need: PodNeed, view: ClusterView) -> Iterator[Change]:
    """Changes from NodeClaims: wait for those that are starting, or fix one that is stuck."""
    coming = [claim for claim in view.claims if not halted(claim)]
    each = [view.fresh(claim.instance_type, need) for claim in coming if claim.instance_type]
    blind = len(each) < len(coming)
    if sum(each) or blind:
        first = coming[0]
        yield Change(
            code="wait",
            remedy=f"wait: Karpenter is starting {count_of(len(coming), 'node')}, and takes a "
            f"claim back after 15 minutes: kubectl get nodeclaim {word(first.name, 'NODECLAIM')}",
            gain=None if blind else sum(each),
            feasible=None if blind else True,
            why="; ".join(of_claims(view)[:4]),
        )
    for claim in view.claims:
        if text := halted(claim):
            yield Change(
                code="fix-nodeclaim", remedy=unhalt(claim), feasible=None, why=text, nodes=1
            )
            return


def _raise_maximum(text: str, view: ClusterView) -> Change:
    """Room for one more node in a full group, or else in the first one with a maximum."""
    limited = [g for g in view.groups if g.max_size is not None]
    full = [
        g for g in limited if g.desired_size is not None and g.desired_size >= (g.max_size or 0)
    ]
    group = next(iter([*full, *limited, *view.groups]), None)
    size = str(group.max_size + 1) if group and group.max_size is not None else word(None, "SIZE")
    return Change(
        code="raise-maximum",
        remedy=resized(group, view.state.name, most=size),
        feasible=None,
        why=f"cluster autoscaler: {text}",
        nodes=1,
    )


def wanted_tags(group: NodeGroup, view: ClusterView) -> dict[str, str] | None:
    """Tags that the Auto Scaling group of a node group needs; None if not known."""
    ids = set(group.instances)
    names = group.instance_types or tuple(
        {node.instance_type for node in view.windows if node.instance_id in ids}
    )
    each = [view.expected(name, prefixes=view.mode) for name in names]
    # A group of several types must not promise more than its smallest type gives.
    return None if not each or None in each else autoscaler_tags(min(n or 0 for n in each))


def lacking_tags(wanted: Mapping[str, str], group: NodeGroup) -> dict[str, str]:
    """Wanted tags that a group lacks; empty if its tag of addresses is right."""
    tags = dict(group.autoscaling_tags or ())
    lacking = {key: value for key, value in wanted.items() if tags.get(key) != value}
    return lacking if next(iter(wanted)) in lacking else {}


def _tag_group(text: str, view: ClusterView) -> Change:
    """Change that tags the groups whose pod addresses the cluster autoscaler does not know."""
    wanted = [(group, wanted_tags(group, view)) for group in view.groups]
    cluster = word(view.state.name, "CLUSTER_NAME")
    commands = [
        tag_command(lacking, group, cluster)
        for group, tags in wanted
        if tags and (lacking := lacking_tags(tags, group))
    ]
    message = f"cluster autoscaler: {text}; "
    if wanted and not commands and all(tags for _, tags in wanted):
        return Change(
            code="look",
            remedy="check whether it still says so: kubectl get events -A --field-selector "
            "reason=NotTriggerScaleUp; if it does, restart it, because it caches what it knows "
            "of a group",
            unit="",
            feasible=None,
            why=f"{message}every Windows group that is known has the tag now",
        )
    names = view.types or ["m5.large"]
    addresses = view.expected(names[0], prefixes=bool(view.mode)) or 0
    return Change(
        code="tag-group",
        remedy="; ".join(commands)
        or f"tag the Auto Scaling group of {names[0]} nodes: "
        + ", ".join(f"{key}={value}" for key, value in autoscaler_tags(addresses).items()),
        feasible=None,
        why=f"{message}without the tag it does not know that a new node "
        "offers pod addresses; aws autoscaling describe-tags tells whether it is there",
        nodes=1,
    )


@checked_call
def karpenter_view(
    instance_types: str | Sequence[str],
    *,
    pods: int | None = None,
    pod_cpu: Any = None,
    pod_memory: Any = None,
    prefix_delegation: bool = True,
    kubelet_max_pods: int = KUBELET_MAX_PODS,
    catalog: Catalog | None = None,
) -> pd.DataFrame:
    """
    Capacity that Karpenter assumes, compared with what a node advertises.

    Karpenter counts IPs - 1 addresses on a Windows node in both modes, so under prefix
    delegation it starts more nodes than the pods need. A type that its own table lacks counts
    0, so Karpenter never starts it. For types newer than the controller's table of 2026-03-20,
    which the same generator makes, this is unknown, and their numbers are missing.

    Parameters
    ----------
    instance_types : str or sequence of str
    pods : int, optional
        Pods to place; without it, the columns with node counts are omitted. [pods]
    pod_cpu, pod_memory : str or number, optional
        What each pod requests, as Kubernetes quantities. [cores], [bytes]
    prefix_delegation : bool
        The mode of the nodes.
    kubelet_max_pods : int
        Their max-pods, which Karpenter takes from ``spec.kubelet.maxPods`` of the
        EC2NodeClass; 110 where it is not set. [pods]
    catalog : Catalog, optional
        The bundled one by default.

    Returns
    -------
    DataFrame
        By type: ``karpenter_addresses`` (the addresses that Karpenter assumes: 0 for a type
        that its table lacks, missing where that is unknown) and ``advertised`` (by the node);
        ``karpenter_pods`` and ``real_pods``, the smallest of addresses, max-pods, CPU and
        memory as each sees them, and ``karpenter_binding`` and ``real_binding``; CPU and memory
        that each leaves to pods; the nodes that Karpenter starts, those needed and the surplus,
        missing where a pod fits none; the node-template tag for the cluster autoscaler, and all
        tags as a mapping; ``windows``, whether the type runs it.

    Raises
    ------
    InputError
        If a count is below 1, or no type is given.
    InvalidQuantityError
        If a request is not a Kubernetes quantity.
    UnknownInstanceTypeError
        If the catalog lacks a type.

    References
    ----------
    karpenter-provider-aws, ``pkg/providers/instancetype/types.go``.

    Examples
    --------
    >>> view = karpenter_view("m5.large", pods=1000)
    >>> view[["karpenter_pods", "advertised", "real_pods", "surplus_nodes"]].to_dict("records")
    [{'karpenter_pods': 9, 'advertised': 144, 'real_pods': 110, 'surplus_nodes': 102}]
    """
    import pandas as pd

    from eks_win_capacity.catalog import given_or_bundled

    catalog = given_or_bundled(catalog)
    unmasked(instance_types, "instance_types")
    unmasked(pods, "pods")
    kubelet_max_pods = count(kubelet_max_pods, name="kubelet_max_pods", low=1)
    if pods is not None:
        pods = count(pods, name="pods", low=1)
    prefix_delegation = flag(prefix_delegation, name="prefix_delegation")
    types = names(instance_types, name="instance_types")
    if not types:
        raise InputError("give at least one instance type")
    pod = (
        0 if pod_cpu is None else request(pod_cpu, millicores, name="pod_cpu"),
        0 if pod_memory is None else request(pod_memory, whole_bytes, name="pod_memory"),
    )
    rows = [
        _karpenter_row(
            catalog[name], pods, pod, kubelet_max_pods, prefix_delegation=prefix_delegation
        )
        for name in types
    ]
    table = pd.DataFrame(rows)
    return table.astype({name: "Int64" for name in _COUNTED if name in table})


_COUNTED: Final = (
    "karpenter_addresses", "karpenter_pods", "nodes_started", "nodes_needed", "surplus_nodes",
)  # fmt: skip
"""Integer columns with possible missing values."""


def _karpenter_row(
    row: InstanceType,
    pods: int | None,
    request: tuple[int, int],
    max_pods: int,
    *,
    prefix_delegation: bool,
) -> dict[str, object]:
    believed = karpenter_addresses(row)
    advertised = expected_addresses(row, prefix_delegation=prefix_delegation) or 0
    theirs = (
        row.vcpus * 1000 - karpenter_cpu_reserved_m(row.vcpus),
        karpenter_memory_mib(row.memory_mib, max_pods) * 2**20,
    )
    ours = allocatable(row)
    planned, planned_by = None, "unknown"
    if believed is not None:
        planned, planned_by = _least(believed, max_pods, theirs, request)
    real, real_by = _least(advertised, max_pods, ours, request)
    tags = autoscaler_tags(advertised)
    fields: dict[str, object] = {
        "instance_type": row.name,
        "karpenter_addresses": believed,
        "advertised": advertised,
        "kubelet_max_pods": max_pods,
        "karpenter_pods": planned,
        "karpenter_binding": planned_by,
        "real_pods": real,
        "real_binding": real_by,
        "karpenter_cpu_m": theirs[0],
        "karpenter_memory_mib": theirs[1] // 2**20,
        "real_cpu_m": ours[0],
        "real_memory_mib": ours[1] // 2**20,
    }
    if pods is not None:
        fields |= _karpenter_nodes(pods, planned, real)
    tag = next(f"{key}={tags[key]}" for key in tags if key.endswith(ADDRESS_RESOURCE))
    windows = row.windows.status
    return fields | {"node_template_tag": tag, "node_template_tags": tags, "windows": windows}


def _karpenter_nodes(pods: int, planned: int | None, real: int) -> dict[str, int | None]:
    """Nodes that Karpenter starts for some pods, and nodes that the pods need."""
    started = -(-pods // planned) if planned else None
    needed = -(-pods // real) if real else None
    surplus = None if started is None or needed is None else started - needed
    return {"nodes_started": started, "nodes_needed": needed, "surplus_nodes": surplus}


def _least(
    addresses: int, max_pods: int, room: tuple[int, int], request: tuple[int, int]
) -> tuple[int, str]:
    """Pods that fit on a node, and the limit that binds; the first of equal ones."""
    bounds = {"addresses": addresses, "kubelet": max_pods}
    for name, has, wants in zip(("cpu", "memory"), room, request, strict=True):
        if wants:
            bounds[name] = has // wants
    binding = min(bounds, key=lambda name: bounds[name])
    return bounds[binding], binding
