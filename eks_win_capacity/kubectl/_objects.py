"""Records of the cluster's state from objects of Kubernetes and Karpenter."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from eks_win_capacity.cluster.records import (
    Compute,
    DisruptionBudget,
    Node,
    NodeClaim,
    NodeClass,
    NodePool,
    Pod,
    RoleMapping,
    SecurityGroupPolicy,
    Service,
    WorkloadManifest,
)
from eks_win_capacity.core.constants import ADDRESS_RESOURCE, GOING_TAINTS
from eks_win_capacity.core.documents import yaml_value
from eks_win_capacity.core.errors import (
    DocumentError,
    InvalidQuantityError,
    account_mark,
    without_accounts,
)
from eks_win_capacity.core.quantities import millicores, whole_bytes

COMPUTE_TYPE: Final = "eks.amazonaws.com/compute-type"
"""Label of EKS on Fargate, Auto Mode and hybrid nodes."""

_COMPUTE: Final[Mapping[str, Compute]] = {"fargate": "fargate", "auto": "auto", "hybrid": "hybrid"}

OS_LABELS: Final = ("kubernetes.io/os", "beta.kubernetes.io/os")
ARCH_LABELS: Final = ("kubernetes.io/arch", "beta.kubernetes.io/arch")
TYPE_LABELS: Final = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")
ZONE_LABELS: Final = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")

BUILD_LABEL: Final = "node.kubernetes.io/windows-build"
POOL_LABELS: Final = ("karpenter.sh/nodepool", "karpenter.sh/provisioner-name")

REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
"""Field of an affinity with the rules that the scheduler must satisfy."""

TEMPLATE_KINDS: Final = (
    "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job",
    "CronJob", "Rollout",
)  # fmt: skip
"""Kinds with a pod template; Rollout is a kind of Argo Rollouts."""

_HASH_LABELS: Final = {"pod-template-hash": "Deployment", "rollouts-pod-template-hash": "Rollout"}
"""Label with the suffix of a ReplicaSet's name, and the kind that created the ReplicaSet."""

_Labels = tuple[tuple[str, str], ...]
_interned: dict[_Labels, _Labels] = {}

_LARGEST: Final = 2**63 - 1
"""Maximum value of a Kubernetes quantity."""


def _bounded(read: Callable[[str], int]) -> Callable[[str], int]:
    """A parser that refuses quantities beyond int64, which would overflow in a column later."""

    def quantity(text: str) -> int:
        value = read(text)
        if value > _LARGEST:
            raise InvalidQuantityError(f"{text:.40} is larger than Kubernetes can count")
        return value

    return lru_cache(maxsize=4096)(quantity)


_cpu = _bounded(millicores)
_memory = _bounded(whole_bytes)


def metadata(item: Mapping[str, Any]) -> tuple[str, str, Mapping[str, str]]:
    """Namespace, name and labels of any object."""
    meta = item["metadata"]
    name, namespace = meta["name"], meta.get("namespace") or "default"
    for key, given in (("name", name), ("namespace", namespace)):
        if not isinstance(given, str):
            raise TypeError(f"metadata.{key} must be a string, got {given!r}")
    return namespace, name, meta.get("labels") or {}


def pairs(given: Mapping[str, Any]) -> _Labels:
    """Labels, or quantities by name, as sorted pairs."""
    return tuple(sorted((str(key), str(value)) for key, value in given.items()))


def _first(labels: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return next((str(labels[key]) for key in keys if labels.get(key)), "")


def node(item: Mapping[str, Any]) -> Node:
    """A Node as a record."""
    _, name, labels = metadata(item)
    status, spec = item.get("status") or {}, item.get("spec") or {}
    info = status.get("nodeInfo") or {}
    room = status.get("allocatable") or {}
    addresses = {a["type"]: a["address"] for a in reversed(status.get("addresses") or [])}
    ready = [c for c in status.get("conditions") or [] if c.get("type") == "Ready"]
    barred = _barred(item)
    return Node(
        name=name,
        os=_first(labels, OS_LABELS) or str(info.get("operatingSystem") or ""),
        arch=_first(labels, ARCH_LABELS) or str(info.get("architecture") or ""),
        compute=_COMPUTE.get(labels.get(COMPUTE_TYPE, ""), "ec2"),
        instance_type=_first(labels, TYPE_LABELS),
        zone=_first(labels, ZONE_LABELS) or _zone_of(str(spec.get("providerID") or "")),
        node_group=str(labels.get("eks.amazonaws.com/nodegroup") or ""),
        ami=str(labels.get("eks.amazonaws.com/nodegroup-image") or ""),
        build=str(info.get("kernelVersion") or labels.get(BUILD_LABEL) or "").split(" ")[0],
        os_image=str(info.get("osImage") or ""),
        kubelet_version=str(info.get("kubeletVersion") or ""),
        address=str(addresses.get("InternalIP") or ""),
        ready=all(c.get("status") == "True" for c in ready) if ready else None,
        schedulable=not spec.get("unschedulable") and not barred,
        pods_limit=_count(room, "pods"),
        advertised_addresses=_count(room, ADDRESS_RESOURCE),
        cpu_m=_cpu(str(room["cpu"])) if "cpu" in room else None,
        memory_bytes=_memory(str(room["memory"])) if "memory" in room else None,
        taints=tuple(taint_text(taint) for taint in spec.get("taints") or ()),
        instance_id=_instance_of(str(spec.get("providerID") or "")),
        node_pool=_first(labels, POOL_LABELS),
        build_label=str(labels.get(BUILD_LABEL) or ""),
        barred=barred,
    )


_PRESSURES: Final = {"DiskPressure", "PIDPressure"}


def _barred(item: Mapping[str, Any]) -> str:
    """Why a node accepts no new pods, apart from a cordon; empty if it does."""
    if item["metadata"].get("deletionTimestamp"):
        return "it is being deleted"
    for taint in (item.get("spec") or {}).get("taints") or ():
        acts = taint.get("effect") in {"NoSchedule", "NoExecute"}
        if acts and re.fullmatch(GOING_TAINTS, str(taint.get("key"))):
            return f"it has the taint {taint_text(taint)}"
    for condition in (item.get("status") or {}).get("conditions") or ():
        if condition.get("type") in _PRESSURES and condition.get("status") == "True":
            return f"its condition {condition['type']} is True"
    return ""


def _instance_of(provider_id: str) -> str:
    """Instance id in a provider id such as ``aws:///eu-west-1a/i-0abc``."""
    last = provider_id.rpartition("/")[2]
    return last if last.startswith("i-") else ""


def reserved_memory(kubelet: Mapping[str, Any]) -> int | None:
    """Memory reserved by a kubelet's configuration; None if not set. [MiB]."""
    kept = [
        _memory(str(part["memory"]))
        for key in ("kubeReserved", "systemReserved")
        if "memory" in (part := kubelet.get(key) or {})
    ]
    return sum(kept) // 2**20 if kept else None


def _zone_of(provider_id: str) -> str:
    """Zone in a provider id such as ``aws:///eu-west-1a/i-0abc``."""
    return provider_id.removeprefix("aws:///").partition("/")[0] if "///" in provider_id else ""


def taint_text(taint: Mapping[str, Any]) -> str:
    """A taint in the notation of kubectl."""
    value = taint.get("value")
    return f"{taint['key']}{f'={value}' if value else ''}:{taint.get('effect', '')}"


def _count(room: Mapping[str, Any], key: str) -> int | None:
    return _memory(str(room[key])) if key in room else None


def unplaced(item: Mapping[str, Any]) -> bool:
    """Whether a Pod object is only a manifest, with neither a status nor a node."""
    return not item.get("status") and not (item.get("spec") or {}).get("nodeName")


def pod(item: Mapping[str, Any]) -> Pod:
    """A Pod as a record."""
    namespace, name, labels = metadata(item)
    spec, status = item["spec"], item.get("status") or {}
    # If a trimmed file lacks the phase, only a pod without a node is certain to be pending.
    phase = str(status.get("phase") or ("" if spec.get("nodeName") else "Pending"))
    cpu_m, memory_bytes = requests(spec)
    known, asks = pairs(labels), requests_address(spec)
    return Pod(
        namespace=namespace,
        name=name,
        node=str(spec.get("nodeName") or ""),
        phase=phase,
        owner=_owner(item["metadata"], labels),
        host_process=host_process(spec),
        host_network=bool(spec.get("hostNetwork")),
        cpu_m=cpu_m,
        memory_bytes=memory_bytes,
        message=without_accounts(_message(status)) if phase == "Pending" else "",
        labels=_interned.setdefault(known, known) if len(_interned) < 100_000 else known,
        requests_address=asks,
        selector_os=_first(spec.get("nodeSelector") or {}, OS_LABELS),
        address=_address(
            item["metadata"], status, noted_only=bool(spec.get("hostNetwork")) and asks
        ),
        other_requests=_others(spec),
        **_wishes(spec),
    )


def _wishes(spec: Mapping[str, Any], runtime: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Fields that pods and pod templates share: selected node, declared system and others."""
    system, processor, compute, build = selection(spec, runtime)
    return {
        "selects_os": system,
        "selects_arch": processor,
        "selects_compute": compute,
        "selects_build": build,
        "declares_os": declared_os(spec),
        "autoscaler": cluster_autoscaler(spec),
        "gmsa_unfilled": _unfilled(spec),
    }


def _unfilled(spec: Mapping[str, Any]) -> str:
    """Name of a gMSA credential spec without its contents; empty if none."""
    parts = [_windows_options(part) for part in (spec, *(spec.get("containers") or ()))]
    return next(
        (
            str(one["gmsaCredentialSpecName"])
            for one in parts
            if one.get("gmsaCredentialSpecName") and not one.get("gmsaCredentialSpec")
        ),
        "",
    )


def cluster_autoscaler(spec: Mapping[str, Any]) -> bool:
    """
    Whether a container is the cluster autoscaler, by its image, command or arguments.

    Examples
    --------
    >>> cluster_autoscaler({"containers": [{"image": "mirror/cluster-autoscaler:v1.33.0"}]})
    True
    >>> cluster_autoscaler({"containers": [{"image": "cluster-proportional-autoscaler:1"}]})
    False
    """
    words = [
        str(text)
        for container in spec.get("containers") or ()
        for text in (
            str(container.get("image") or "").rpartition("/")[2],
            *(container.get("command") or ()),
            *(container.get("args") or ()),
        )
    ]
    return any("cluster-autoscaler" in t or "--node-group-auto-discovery" in t for t in words)


def requests_address(spec: Mapping[str, Any]) -> bool:
    """Whether a container requests pod addresses on Windows."""
    resources = [
        c.get("resources") or {}
        for key in ("containers", "initContainers")
        for c in spec.get(key) or ()
    ]
    return any(
        ADDRESS_RESOURCE in (part.get(kind) or {})
        for part in resources
        for kind in ("requests", "limits")
    )


def _address(meta: Mapping[str, Any], status: Mapping[str, Any], *, noted_only: bool) -> str:
    """Address of a pod, from the controller's annotation or else the status."""
    noted = str((meta.get("annotations") or {}).get(ADDRESS_RESOURCE) or "")
    return noted.partition("/")[0] or ("" if noted_only else str(status.get("podIP") or ""))


def _owner(meta: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    for reference in meta.get("ownerReferences") or ():
        if not reference.get("controller", True):
            continue
        kind, name = str(reference["kind"]), str(reference["name"])
        for label, maker in _HASH_LABELS.items():
            suffix = f"-{labels.get(label, '')}"
            if kind == "ReplicaSet" and len(suffix) > 1 and name.endswith(suffix):
                return f"{maker}/{name.removesuffix(suffix)}"
        return f"{kind}/{name}"
    return ""


def _message(status: Mapping[str, Any]) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("message") or condition.get("reason") or "")
    started = (
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    )
    for container in started:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting:
            return ": ".join(str(waiting[key]) for key in ("reason", "message") if waiting.get(key))
    return str(status.get("message") or "")


def requests(spec: Mapping[str, Any]) -> tuple[int, int]:
    """
    Requests of a pod as the scheduler counts them: CPU [millicores] and memory [bytes].

    Containers add up; an init container counts by itself, on top of the sidecars started before
    it; requests of the pod itself and its overhead follow.
    """
    cpu = memory = init_cpu = init_memory = 0
    for container in spec.get("initContainers") or ():
        c, m = _request(container)
        if container.get("restartPolicy") == "Always":
            cpu, memory = cpu + c, memory + m
            c = m = 0
        init_cpu, init_memory = max(init_cpu, cpu + c), max(init_memory, memory + m)
    for container in spec.get("containers") or ():
        c, m = _request(container)
        cpu, memory = cpu + c, memory + m
    cpu, memory = max(cpu, init_cpu), max(memory, init_memory)
    pod_level = (spec.get("resources") or {}).get("requests") or {}
    cpu = _cpu(str(pod_level["cpu"])) if "cpu" in pod_level else cpu
    memory = _memory(str(pod_level["memory"])) if "memory" in pod_level else memory
    over = spec.get("overhead") or {}
    return cpu + _cpu(str(over.get("cpu", 0))), memory + _memory(str(over.get("memory", 0)))


def asked_by(container: Mapping[str, Any]) -> dict[str, Any]:
    """Requests of a container by resource; a limit without a request counts as one."""
    resources = container.get("resources") or {}
    return {**(resources.get("limits") or {}), **(resources.get("requests") or {})}


def _others(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of a pod's requested resources besides CPU, memory and an address."""
    containers = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    names = {str(name) for one in containers for name in asked_by(one)}
    others = sorted(names - {"cpu", "memory", ADDRESS_RESOURCE})
    # The scheduler adds up what the containers request, and the controller assigns one address.
    asking = sum(ADDRESS_RESOURCE in asked_by(one) for one in spec.get("containers") or ())
    return tuple(others if asking < 2 else [*others, f"a second {ADDRESS_RESOURCE}"])


def _request(container: Mapping[str, Any]) -> tuple[int, int]:
    wanted = asked_by(container)
    return _cpu(str(wanted.get("cpu", 0))), _memory(str(wanted.get("memory", 0)))


def host_process(spec: Mapping[str, Any]) -> bool:
    """Whether every container of a pod is a HostProcess container."""
    whole = _windows_options(spec).get("hostProcess")
    each = [_windows_options(c).get("hostProcess", whole) for c in spec.get("containers") or ()]
    return all(each) if each else bool(whole)


def _windows_options(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    options = (spec.get("securityContext") or {}).get("windowsOptions") or {}
    return options if isinstance(options, Mapping) else {}


def declared_os(spec: Mapping[str, Any]) -> str:
    """Operating system that a pod declares apart from its node selection."""
    named = str((spec.get("os") or {}).get("name") or "")
    options = any(_windows_options(part) for part in (spec, *(spec.get("containers") or ())))
    return named or ("windows" if options else "")


def selection(
    spec: Mapping[str, Any], runtime: Mapping[str, str] | None = None
) -> tuple[str, str, str, str]:
    """
    Operating system, architecture, compute type and Windows build that a pod requires of its node.

    A required node affinity counts if all of its terms require the same value.
    """
    selector = {**(runtime or {}), **(spec.get("nodeSelector") or {})}
    terms = required_terms(spec)
    return (
        _first(selector, OS_LABELS) or _demanded(terms, OS_LABELS),
        _first(selector, ARCH_LABELS) or _demanded(terms, ARCH_LABELS),
        _first(selector, (COMPUTE_TYPE,)) or _demanded(terms, (COMPUTE_TYPE,)),
        _first(selector, (BUILD_LABEL,)) or _demanded(terms, (BUILD_LABEL,)),
    )


def required_terms(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Terms of a pod's required node affinity, of which a node must match one."""
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    return (affinity.get(REQUIRED) or {}).get("nodeSelectorTerms") or []


def _demanded(terms: list[Mapping[str, Any]], keys: tuple[str, ...]) -> str:
    values = {_term_value(term, keys) for term in terms}
    return values.pop() if len(values) == 1 else ""


def _term_value(term: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    for expression in term.get("matchExpressions") or ():
        if expression.get("key") not in keys:
            continue
        values = expression.get("values") or []
        if expression.get("operator") == "In" and len(values) == 1:
            return str(values[0])
        if expression.get("operator") == "NotIn" and keys == OS_LABELS and len(values) == 1:
            return {"windows": "linux", "linux": "windows"}.get(str(values[0]), "")
    return ""


def pod_template(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Pod template of an object; a Pod manifest is its own template."""
    if item["kind"] == "Pod":
        return item
    spec = item["spec"]
    if item["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template = spec["template"]
    return template if isinstance(template, Mapping) else {}


def workload(
    item: Mapping[str, Any], runtimes: Mapping[str, Mapping[str, str]]
) -> WorkloadManifest:
    """A manifest that creates pods, or a Pod manifest, as a record."""
    namespace, name, _ = metadata(item)
    template = pod_template(item)
    spec = template["spec"]
    replicas = item["spec"].get("replicas")
    return WorkloadManifest(
        kind=str(item["kind"]),
        namespace=namespace,
        name=name,
        host_process=host_process(spec) or bool(spec.get("hostNetwork")),
        labels=pairs((template.get("metadata") or {}).get("labels") or {}),
        replicas=replicas if isinstance(replicas, int) else None,
        refused=_refusal(item.get("status") or {}),
        **_wishes(spec, runtimes.get(str(spec.get("runtimeClassName")))),
    )


def _refusal(status: Mapping[str, Any]) -> str:
    """Why the pods of a manifest could not be created, from its status; empty if they could."""
    return next(
        (
            without_accounts(str(one.get("message") or one.get("reason") or ""))
            for one in status.get("conditions") or ()
            if one.get("type") == "ReplicaFailure" and one.get("status") == "True"
        ),
        "",
    )


def makes_pods(item: Mapping[str, Any]) -> bool:
    """Whether an object contains a pod template; a Rollout may refer to that of a Deployment."""
    kind = item["kind"]
    return kind in TEMPLATE_KINDS and (kind != "Rollout" or "template" in (item.get("spec") or {}))


def controlled(item: Mapping[str, Any]) -> bool:
    """Whether another object controls this one."""
    owners = item["metadata"].get("ownerReferences") or ()
    return any(reference.get("controller", True) for reference in owners)


def runtime_class(item: Mapping[str, Any]) -> str:
    """Runtime class of an object's pods; empty if none."""
    return str(pod_template(item)["spec"].get("runtimeClassName") or "")


def service(item: Mapping[str, Any]) -> Service:
    """A Service as a record."""
    namespace, name, _ = metadata(item)
    spec = item.get("spec") or {}
    return Service(
        namespace=namespace,
        name=name,
        kind=str(spec.get("type") or "ClusterIP"),
        selector=pairs(spec.get("selector") or {}),
    )


def endpoint_addresses(item: Mapping[str, Any]) -> tuple[str, str, list[str] | None]:
    """
    Namespace, service and addresses of an Endpoints or EndpointSlice object.

    The addresses are None if the object is truncated: Endpoints contain at most 1,000, and an
    annotation marks more.
    """
    namespace, name, labels = metadata(item)
    if item["kind"] == "EndpointSlice":
        addresses = [
            str(address)
            for endpoint in item.get("endpoints") or ()
            for address in (endpoint.get("addresses") or ())[:1]
        ]
        return namespace, str(labels.get("kubernetes.io/service-name") or name), addresses
    if "endpoints.kubernetes.io/over-capacity" in (item["metadata"].get("annotations") or {}):
        return namespace, name, None
    addresses = [
        str(address["ip"])
        for subset in item.get("subsets") or ()
        for kind in ("addresses", "notReadyAddresses")
        for address in subset.get(kind) or ()
    ]
    return namespace, name, addresses


def disruption_budget(item: Mapping[str, Any]) -> DisruptionBudget:
    """
    A PodDisruptionBudget as a record.

    Without a status, only a budget that never allows an eviction is known.
    """
    namespace, name, _ = metadata(item)
    spec = item.get("spec") or {}
    chosen = spec.get("selector") or {}
    rules = chosen.get("matchExpressions") or []
    single = [one for one in rules if one.get("operator") == "In" and len(one["values"]) == 1]
    labels = {one["key"]: one["values"][0] for one in single} | (chosen.get("matchLabels") or {})
    allowed = (item.get("status") or {}).get("disruptionsAllowed")
    if allowed is None and (
        spec.get("maxUnavailable") in {0, "0", "0%"} or spec.get("minAvailable") == "100%"
    ):
        allowed = 0
    return DisruptionBudget(
        namespace=namespace,
        name=name,
        selector=pairs(labels),
        allowed=None if allowed is None else int(allowed),
        readable=len(single) == len(rules),
    )


def security_group_policy(item: Mapping[str, Any]) -> SecurityGroupPolicy:
    """A SecurityGroupPolicy as a record."""
    namespace, name, _ = metadata(item)
    spec = item.get("spec") or {}
    chosen = spec.get("podSelector") or {}
    by_account = spec.get("serviceAccountSelector") or {}
    return SecurityGroupPolicy(
        namespace=namespace,
        name=name,
        selector=pairs(chosen.get("matchLabels") or {}),
        readable=not (by_account or chosen.get("matchExpressions")),
    )


def container_env(spec: Mapping[str, Any]) -> dict[str, str]:
    """Literal environment variables of a pod's containers."""
    return {
        str(variable["name"]): str(variable.get("value", ""))
        for container in spec.get("containers") or ()
        for variable in container.get("env") or ()
        if "valueFrom" not in variable
    }


def role_mappings(data: Mapping[str, str]) -> tuple[RoleMapping, ...]:
    """
    Mappings in mapRoles of ConfigMap aws-auth, without account ids.

    Keys are case-insensitive, as they are for the authenticator in the cluster.

    Raises DocumentError if mapRoles is not a YAML list of mappings.
    """
    listed = yaml_value(data.get("mapRoles", ""), name="mapRoles of aws-auth") or []
    mappings = []
    for index, entry in enumerate(listed if isinstance(listed, list) else [listed]):
        fields = {str(k).lower(): v for k, v in entry.items()} if isinstance(entry, Mapping) else {}
        if not isinstance(fields.get("rolearn"), str):
            raise DocumentError(
                f"mapRoles of aws-auth: entry {index} has no rolearn",
                source="aws-auth",
                place=f"mapRoles[{index}]",
            )
        arn = fields["rolearn"].strip()
        path = arn.partition(":role/")[2] or arn
        groups = fields.get("groups") or []
        mappings.append(
            RoleMapping(
                role=path.rpartition("/")[2].rpartition(":")[2],
                groups=tuple(map(str, groups if isinstance(groups, list) else [groups])),
                username=without_accounts(str(fields.get("username") or "")),
                has_path="/" in path,
                account=account_mark(arn),
            )
        )
    return tuple(mappings)


POOL_KINDS: Final = ("NodePool", "Provisioner")
CLASS_KINDS: Final = ("EC2NodeClass", "AWSNodeTemplate")
CLAIM_KINDS: Final = ("NodeClaim", "Machine")
"""Current kind, and its name before Karpenter 0.32."""

_SYSTEMS: Final = {"windows", "linux"}

_STEPS: Final = ("Launched", "Registered", "Initialized")
"""Conditions of a NodeClaim, in order, until its node accepts pods."""


def node_pool(item: Mapping[str, Any]) -> NodePool:
    """A NodePool, or a Provisioner of older versions, as a record."""
    _, name, _ = metadata(item)
    spec = item.get("spec") or {}
    template = spec.get("template") or {}
    inner = template.get("spec") or spec
    labels = (template.get("metadata") or {}).get("labels") or spec.get("labels") or {}
    wanted = inner.get("requirements") or []
    limits = spec.get("limits") or {}
    reference = inner.get("nodeClassRef") or spec.get("providerRef") or {}
    named = _first(labels, OS_LABELS)
    return NodePool(
        name=name,
        node_class=str(reference.get("name") or ""),
        systems=(named,) if named else _systems(wanted),
        instance_types=_values(wanted, TYPE_LABELS),
        architectures=_values(wanted, ARCH_LABELS),
        limits=pairs(limits.get("resources") or limits),
        used=pairs((item.get("status") or {}).get("resources") or {}),
        taints=tuple(taint_text(taint) for taint in inner.get("taints") or ()),
    )


def _values(wanted: list[Mapping[str, Any]], keys: tuple[str, ...]) -> tuple[str, ...]:
    """Values of a label's ``In`` requirement; empty without one."""
    return tuple(
        str(value)
        for one in wanted
        if one.get("key") in keys and one.get("operator") == "In"
        for value in one.get("values") or ()
    )


def _systems(wanted: list[Mapping[str, Any]]) -> tuple[str, ...]:
    allowed = _values(wanted, OS_LABELS)
    barred = {
        str(value)
        for one in wanted
        if one.get("key") in OS_LABELS and one.get("operator") == "NotIn"
        for value in one.get("values") or ()
    }
    return allowed or tuple(sorted(_SYSTEMS - barred)) * bool(barred)


def node_class(item: Mapping[str, Any]) -> NodeClass:
    """An EC2NodeClass, or an AWSNodeTemplate of older versions, as a record."""
    _, name, _ = metadata(item)
    spec = item.get("spec") or {}
    kubelet = spec.get("kubelet") or {}
    most = kubelet.get("maxPods")
    return NodeClass(
        name=name,
        ami_family=str(spec.get("amiFamily") or _alias(spec)),
        role=str(spec.get("role") or "").rpartition("/")[2],
        profile=str(spec.get("instanceProfile") or ""),
        max_pods=most if isinstance(most, int) else None,
        reserved_memory_mib=reserved_memory(kubelet),
        prefixes=spec["ipPrefixCount"] if isinstance(spec.get("ipPrefixCount"), int) else None,
    )


def node_claim(item: Mapping[str, Any]) -> NodeClaim:
    """A NodeClaim, or a Machine of older versions, as a record."""
    _, name, labels = metadata(item)
    spec, status = item.get("spec") or {}, item.get("status") or {}
    wanted = spec.get("requirements") or []
    types = _values(wanted, TYPE_LABELS)
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    system = _first(labels, OS_LABELS)
    return NodeClaim(
        name=name,
        node_pool=_first(labels, POOL_LABELS) or "".join(_values(wanted, POOL_LABELS)[:1]),
        instance_type=_first(labels, TYPE_LABELS) or (types[0] if len(types) == 1 else ""),
        node=str(status.get("nodeName") or ""),
        systems=(system,) if system else _systems(wanted),
        open=tuple(
            (step, str(one.get("reason") or ""), without_accounts(str(one.get("message") or "")))
            for step in _STEPS
            for one in (conditions.get(step, {}),)
            if one.get("status") != "True"
        ),
    )


def _alias(spec: Mapping[str, Any]) -> str:
    """AMI family in an alias such as ``windows2022@latest``; empty if none."""
    aliases = [str(t.get("alias") or "") for t in spec.get("amiSelectorTerms") or ()]
    return next((alias.partition("@")[0] for alias in aliases if alias), "")
