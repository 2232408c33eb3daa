"""Planned workloads from manifests with pod templates, and planned clusters from eksctl files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from eks_win_capacity.cluster.records import Addon, FargateProfile, NodeGroup
from eks_win_capacity.cluster.state import ClusterState
from eks_win_capacity.core.documents import source_name, wholes, yaml_value
from eks_win_capacity.core.errors import CapacityError, DocumentError, InputError
from eks_win_capacity.kubectl import _objects as objects
from eks_win_capacity.kubectl.placement_rules import host_ports, rules_of

_AT_ONCE: Final = {"Job": "parallelism", "CronJob": "parallelism"}
"""Field of kinds without ``replicas`` that sets how many pods run at the same time."""

_ONE_PORT: Final = "the plan does not keep pods of several workloads apart that take host port"
"""Beginning of the note on a host port."""


def is_template(value: object) -> bool:
    """Whether a value is a manifest with pods that no other object controls."""
    return (
        isinstance(value, Mapping)
        and (value.get("kind") in objects.TEMPLATE_KINDS or value.get("kind") == "Pod")
        and isinstance(value.get("metadata"), Mapping)
        and isinstance(value.get("spec"), Mapping)
        and not objects.controlled(value)
        and (value["kind"] != "Pod" or objects.unplaced(value))
    )


def _complete(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest contains its pod template; a Rollout may refer to another one's."""
    return manifest["kind"] == "Pod" or objects.makes_pods(manifest)


def workload_rows(
    manifests: list[Mapping[str, Any]], runtimes: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    """
    Rows of the workloads in manifests of Windows pods, and notes on what is left out.

    A missing ``replicas`` counts as 1 pod, as in Kubernetes; a Job counts by ``parallelism``, if it
    has not ended and has as many pods to complete.
    ``runtimes`` are the node selectors of RuntimeClasses, by name.
    A row has name, replicas, cpu [millicores], memory [bytes], host_process and the placement
    rules; notes list what is left out, and rules and requests that a plan does not support.

    Raises InputError if a manifest is damaged, or none selects Windows nodes.

    Examples
    --------
    >>> pods = {"nodeSelector": {"kubernetes.io/os": "windows"}, "containers": []}
    >>> spec = {"replicas": 3, "template": {"spec": pods}}
    >>> rows, _ = workload_rows([{"kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}])
    >>> rows[0]["name"], rows[0]["replicas"]
    ('web', 3)
    """
    rows: list[dict[str, Any]] = []
    notes: dict[str, list[str]] = {}
    lent = _borrowed_replicas(manifests)
    borrowers = [f"Rollout {_name(one)}" for one in manifests if not _complete(one)]
    manifests = [one for one in manifests if _complete(one)]
    named = [_name(one) for one in manifests]
    if lent.keys() - {f"{one['kind']} {name}" for one, name in zip(manifests, named, strict=True)}:
        notes["left out, as the Deployment whose template they borrow is not given"] = borrowers
    short = [name.partition("/")[2] for name in named]
    for manifest, name, alone in zip(manifests, named, short, strict=True):
        kind = str(manifest["kind"])
        system, asked, rules = _system_and_fields(manifest, name, runtimes or {})
        if system != "windows":
            runtime = objects.runtime_class(manifest)
            unseen = f", and RuntimeClass {runtime} is not given" if runtime else ""
            why = f"they are for {system}" if system else f"they select no kubernetes.io/os{unseen}"
            notes.setdefault(f"left out, as {why}", []).append(f"{kind} {name}")
        elif kind == "DaemonSet":
            why = "left out, as a DaemonSet runs on every node: name it by --daemonset"
            notes.setdefault(why, []).append(f"{kind} {name}")
        elif _has_ended(manifest):
            notes.setdefault("left out, as they have ended", []).append(f"{kind} {name}")
        else:
            replicas = lent.get(f"{kind} {name}", asked.pop("replicas"))
            called = alone if short.count(alone) == 1 else f"{name}/{kind.lower()}"
            rows.append({"name": called, "replicas": replicas, **asked})
            for rule in rules:
                notes.setdefault(rule, []).append(alone)
    # A host port matters only if two workloads use it; pods of one workload never share a node.
    notes = {why: at for why, at in notes.items() if len(at) > 1 or not why.startswith(_ONE_PORT)}
    sentences = [f"{why}: {', '.join(names)}" for why, names in notes.items()]
    if not rows:
        raise InputError(
            "no manifest asks for Windows pods by replicas and a nodeSelector of "
            f"kubernetes.io/os: windows; {'; '.join(sentences)}"
        )
    return rows, sentences


def _system_and_fields(
    manifest: Mapping[str, Any], name: str, runtimes: Mapping[str, Mapping[str, str]]
) -> tuple[str, dict[str, Any], list[str]]:
    """System of a manifest's pods, fields of its workload, and notes on unsupported rules."""
    try:
        template = objects.pod_template(manifest)
        spec = template["spec"]
        runtime = runtimes.get(str(spec.get("runtimeClassName")))
        system = objects.selection(spec, runtime)[0] or objects.declared_os(spec)
        cpu, memory = objects.requests(spec)
        fields, rules = rules_of(template)
        fields = {
            "replicas": _replicas(manifest),
            "cpu": f"{cpu}m",
            "memory": str(memory),
            # A pod on the host's network that requests an address is counted with one.
            "host_process": (objects.host_process(spec) or bool(spec.get("hostNetwork")))
            and not objects.requests_address(spec),
            **fields,
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, CapacityError):
            raise
        raise InputError(
            f"{manifest['kind']} {name} has no sound template of pods: {error}"
        ) from error
    notes = [f"the plan does not look at a rule, {rule}" for rule in rules]
    notes += [f"{_ONE_PORT} {port}" for port in sorted(host_ports(spec))]
    if lacking := [part for part, value in (("CPU", cpu), ("memory", memory)) if not value]:
        notes.append(f"no requests for {' and '.join(lacking)}, so that the plan counts none")
    return system, fields, notes


def _name(manifest: Mapping[str, Any]) -> str:
    try:
        namespace, name, _ = objects.metadata(manifest)
    except (KeyError, TypeError) as error:
        raise InputError(f"a {manifest.get('kind')} has no metadata.name: {error}") from error
    return f"{namespace}/{name}"


def _borrowed_replicas(manifests: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Replicas of each Deployment whose template a Rollout uses; the Rollout scales it down."""
    replicas = {}
    for one in manifests:
        lender = one["spec"].get("workloadRef")
        if one["kind"] == "Rollout" and isinstance(lender, Mapping):
            namespace = _name(one).partition("/")[0]
            replicas[f"{lender.get('kind')} {namespace}/{lender.get('name')}"] = _replicas(one)
    return replicas


def _replicas(manifest: Mapping[str, Any]) -> Any:
    spec, kind = manifest["spec"], str(manifest["kind"])
    if kind == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    count = spec.get(_AT_ONCE.get(kind, "replicas"))
    count = 1 if count is None else count
    # No more pods of a Job run at once than it has to complete.
    most = spec.get("completions") if kind in _AT_ONCE else None
    return min(count, most) if isinstance(most, int) and isinstance(count, int) else count


def _has_ended(manifest: Mapping[str, Any]) -> bool:
    """Whether a Job is complete or has failed: it starts no more pods."""
    conditions = (manifest.get("status") or {}).get("conditions") or ()
    ends = {one.get("type") for one in conditions if one.get("status") == "True"}
    return manifest["kind"] == "Job" and bool(ends & {"Complete", "Failed"})


KIND: Final = "ClusterConfig"
"""Kind of an eksctl file."""

_LINUX: Final = {
    "": "AL2023_x86_64_STANDARD",
    "AmazonLinux2023": "AL2023_x86_64_STANDARD",
    "AmazonLinux2": "AL2_x86_64",
    "Bottlerocket": "BOTTLEROCKET_x86_64",
}
"""EKS AMI type of each Linux family of eksctl; the first one is its default."""


def load(*sources: Any) -> ClusterState:
    """
    State of the cluster that a ClusterConfig of eksctl describes, before it is created.

    Parameters
    ----------
    *sources : path, str, file or mapping
        YAML or JSON.

    Returns
    -------
    ClusterState
        Name, region, version, node groups and other parts that the file defines.

    Raises
    ------
    DocumentError
        If a source is damaged, or is not a ClusterConfig.

    Examples
    --------
    >>> state = load('''
    ... kind: ClusterConfig
    ... metadata: {name: shop, region: eu-west-1, version: "1.33"}
    ... nodeGroups:
    ... - {name: win, amiFamily: WindowsServer2022CoreContainer, instanceType: m5.large}
    ... ''')
    >>> state.node_groups[0].windows, state.node_groups[0].managed
    (True, False)
    """
    state = ClusterState()
    for source in sources:
        name = source_name(source)
        for document in wholes(source, name=name):
            if document.get("kind") != KIND:
                raise DocumentError(f"{name} is not a ClusterConfig of eksctl", source=name)
            try:
                state = state.merge(_config(document))
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                if isinstance(error, CapacityError):
                    raise
                raise DocumentError(
                    f"{name} is not shaped as eksctl reads it: {error!r}", source=name
                ) from error
    return state


def _config(document: Mapping[str, Any]) -> ClusterState:
    meta = document["metadata"]
    network = document.get("kubernetesNetworkConfig") or {}
    access = document.get("accessConfig") or {}
    automatic = document.get("autoModeConfig") or {}
    version = meta.get("version")
    groups = [
        _group(item, managed=key == "managedNodeGroups", version=str(version or ""))
        for key in ("nodeGroups", "managedNodeGroups")
        for item in document.get(key) or ()
    ]
    addons = document.get("addons")
    return ClusterState(
        name=str(meta["name"]),
        region=meta.get("region"),
        version=None if version is None else str(version),
        ip_family=str(network.get("ipFamily") or "IPv4").lower(),
        service_cidr=network.get("serviceIPv4CIDR"),
        authentication_mode=access.get("authenticationMode"),
        auto_mode=bool(automatic.get("enabled")),
        hybrid_nodes=bool(document.get("remoteNetworkConfig")),
        local_cluster=bool(document.get("outpost")),
        node_groups=tuple(groups),
        fargate_profiles=tuple(map(_fargate, document.get("fargateProfiles") or ())),
        addons=None if addons is None else tuple(map(_addon, addons)),
    )


def _group(item: Mapping[str, Any], *, managed: bool, version: str) -> NodeGroup:
    family = str(item.get("amiFamily") or "")
    image = str(item.get("ami") or "")
    kubelet = item.get("kubeletExtraConfig") or {}
    role = str((item.get("iam") or {}).get("instanceRoleARN") or "")
    mixed = (item.get("instancesDistribution") or {}).get("instanceTypes")
    one = item.get("instanceType")
    template = item.get("launchTemplate") or {}
    most = item.get("maxPodsPerNode") or kubelet.get("maxPods")
    if managed and family.startswith("Windows"):
        most = None  # eksctl then writes no bootstrap arguments
    return NodeGroup(
        name=str(item["name"]),
        ami_type=_ami_type(family),
        capacity_type="SPOT" if item.get("spot") else "",
        version=version,
        release_version=str(item.get("releaseVersion") or ""),
        instance_types=tuple(item.get("instanceTypes") or mixed or ([one] if one else [])),
        min_size=item.get("minSize"),
        desired_size=item.get("desiredCapacity", item.get("minSize")),
        max_size=item.get("maxSize"),
        role=role.rpartition("/")[2],
        subnet_ids=tuple(item.get("subnets") or ()),
        launch_template=" version ".join(str(one) for one in template.values() if one),
        custom_ami=None if template else image.startswith("ami-"),
        kubelet_max_pods=most if isinstance(most, int) else None,
        # Arguments written by eksctl itself are all in the file.
        user_data_known=not item.get("overrideBootstrapCommand") and not template,
        reserved_memory_mib=objects.reserved_memory(kubelet),
        labels=objects.pairs(item.get("labels") or {}),
        taints=_taints(item.get("taints") or ()),
        # EKS puts the tags of a managed group on the group, not on its Auto Scaling group.
        autoscaling_tags=None if managed else objects.pairs(item.get("tags") or {}),
        managed=managed,
    )


def _ami_type(family: str) -> str:
    """
    EKS AMI type of an AMI family of eksctl; empty if not known.

    Examples
    --------
    >>> _ami_type("WindowsServer2022FullContainer"), _ami_type("AmazonLinux2")
    ('WINDOWS_FULL_2022_x86_64', 'AL2_x86_64')
    >>> _ami_type("WindowsServer20H2CoreContainer")
    'WINDOWS_CORE_20H2_x86_64'
    """
    if family.startswith("WindowsServer"):
        kind = "CORE" if "Core" in family else "FULL"
        release = family.removeprefix("WindowsServer")[:4]
        return f"WINDOWS_{kind}_{release}_x86_64"
    return _LINUX.get(family, "")


def _taints(given: Any) -> tuple[str, ...]:
    """Taints in either notation of eksctl: a list, or a mapping of keys to ``value:effect``."""
    if isinstance(given, Mapping):
        return tuple(f"{key}={value}" for key, value in given.items())
    return tuple(objects.taint_text(taint) for taint in given)


def _fargate(item: Mapping[str, Any]) -> FargateProfile:
    return FargateProfile(
        name=str(item["name"]),
        selectors=tuple(
            (str(one["namespace"]), objects.pairs(one.get("labels") or {}))
            for one in item.get("selectors") or ()
        ),
    )


def _addon(item: Mapping[str, Any]) -> Addon:
    given = item.get("configurationValues") or {}
    values = yaml_value(given, name="configurationValues") if isinstance(given, str) else given
    return Addon(
        name=str(item["name"]),
        version=str(item.get("version") or ""),
        configuration=values if isinstance(values, dict) else {},
    )
