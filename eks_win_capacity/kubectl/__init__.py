"""State of a cluster from saved output of kubectl; no cluster is contacted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from eks_win_capacity.addresses.configmap import of_addon
from eks_win_capacity.cluster.state import (
    ClusterState,
    Node,
    Pod,
    Service,
    WorkloadManifest,
    identity,
)
from eks_win_capacity.core.documents import members, source_name, wholes
from eks_win_capacity.core.documents.whole import item_of, refuse_page, what_it_is
from eks_win_capacity.core.errors import CapacityError, DocumentError, without_accounts
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.kubectl import _objects as read

__all__ = ["KINDS", "load"]


Sources = Any
"""One source, or a list or tuple of them."""


@checked_call
def load(
    *sources: Sources,
    nodes: Sources = None,
    pods: Sources = None,
    configmap: Sources = None,
    aws_auth: Sources = None,
    workloads: Sources = None,
    services: Sources = None,
    endpoints: Sources = None,
    events: Sources = None,
    security_group_policies: Sources = None,
) -> ClusterState:
    """
    State of one cluster from saved output of kubectl.

    Sources are paths, strings, files or parsed mappings, in JSON or YAML, with
    single objects, ``List`` objects or several documents; each object is recognised by its
    kind. A part that no source contains stays unknown. A source passed by keyword is taken as
    complete: an empty list then means none, and for ``configmap`` an empty mapping means that
    kube-system has no ConfigMap amazon-vpc-cni.

    Parameters
    ----------
    *sources : path, str, file, mapping, or a list of these
        Such as the output of ``kubectl get nodes,pods -A -o json``.
    nodes, pods, workloads, services, endpoints, events, security_group_policies
        Sources of one part each.
    configmap : optional
        ConfigMap kube-system/amazon-vpc-cni, or only its ``data``.
    aws_auth : optional
        ConfigMap kube-system/aws-auth, or only its ``data``.

    Returns
    -------
    ClusterState
        The parts in the sources; its ``unknown`` names the others.

    Raises
    ------
    DocumentError
        If a source is damaged, too large, of another shape, or contains nothing to read; or if
        two objects with the same name differ.
    UnsupportedInputError
        If a source is of a kind that cannot be read.

    Examples
    --------
    >>> state = load('''
    ... {"kind": "Node", "metadata": {"name": "win-1", "labels": {
    ...     "kubernetes.io/os": "windows", "node.kubernetes.io/instance-type": "m5.large"}},
    ...  "status": {"allocatable": {"pods": "110",
    ...     "vpc.amazonaws.com/PrivateIPv4Address": "9"}}}''')
    >>> state.nodes[0].instance_type, state.nodes[0].advertised_addresses
    ('m5.large', 9)
    >>> state.pods is None
    True
    """
    reading = Reading()
    for source in _each(sources):
        reading.take(source)
    reading.something(sources)
    for part, given in (
        ("nodes", nodes),
        ("pods", pods),
        ("workloads", workloads),
        ("services", services),
        ("services", endpoints),
        ("", events),
        ("security_group_policies", security_group_policies),
    ):
        for source in _each(given):
            reading.take(source, part=part, named=True)
    for name, given in (("amazon-vpc-cni", configmap), ("aws-auth", aws_auth)):
        for source in _each(given):
            reading.take_configmap(source, name)
    return reading.state()


def _each(sources: Sources) -> Iterator[Any]:
    if sources is None:
        return
    if isinstance(sources, (list, tuple)):
        for source in sources:
            yield from _each(source)
    else:
        yield sources


_RECORDS: Final = {
    "Node": ("nodes", read.node),
    "PodDisruptionBudget": ("budgets", read.disruption_budget),
    "SecurityGroupPolicy": ("security_group_policies", read.security_group_policy),
    "Service": ("services", read.service),
    **dict.fromkeys(read.POOL_KINDS, ("node_pools", read.node_pool)),
    **dict.fromkeys(read.CLASS_KINDS, ("node_classes", read.node_class)),
    **dict.fromkeys(read.CLAIM_KINDS, ("node_claims", read.node_claim)),
}
"""Part of the state for each kind of object, and the function that reads a record."""

_VOLUME_KINDS: Final = ("PersistentVolume", "PersistentVolumeClaim", "StorageClass")
"""Kinds that determine the driver of a volume."""

KINDS: Final = frozenset(
    (
        "ConfigMap", "EndpointSlice", "Endpoints", "Event", "Pod", "RuntimeClass",
        *_RECORDS, *read.TEMPLATE_KINDS, *_VOLUME_KINDS,
    )
)  # fmt: skip
"""Kinds of objects that are read; others are skipped."""

_LISTS: Final = {
    "EC2NodeClassList": "node_classes",
    "NodeClaimList": "node_claims",
    "NodeList": "nodes",
    "NodePoolList": "node_pools",
    "PodDisruptionBudgetList": "budgets",
    "PodList": "pods",
    "SecurityGroupPolicyList": "security_group_policies",
    "ServiceList": "services",
}
"""List kinds that identify their part even if empty."""

_IN_TREE: Final = {"kubernetes.io/aws-ebs": "ebs.csi.aws.com"}
"""In-tree provisioners whose volumes a CSI driver serves since Kubernetes 1.23."""

CNI_VARIABLES: Final = (
    "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG",
    "ENABLE_IPv4",
    "ENABLE_IPv6",
    "ENABLE_POD_ENI",
    "ENABLE_PREFIX_DELEGATION",
)
"""Relevant variables of the VPC CNI; others are not kept."""


def objects(source: Any, *, name: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """
    Every Kubernetes object of a source, with its position.

    Raises DocumentError if an object has no kind, or a list is incomplete.
    """
    name = name or source_name(source)
    if isinstance(source, Mapping) and "kind" in source:
        source = {"kind": source["kind"], **source}  # items of a list may need its kind
    single: dict[str, Any] = {}
    seen = -1
    for number, key, index, value in members(source, name=name):
        if number != seen:
            yield from _single(single, name)
            single, seen = {}, number
        if key == "items" and index is not None:
            position = f"items[{index}]"
            if not isinstance(value, Mapping):
                raise DocumentError(
                    f"{name}: {position} is not an object but {without_accounts(repr(value)):.80}",
                    source=name,
                    place=position,
                )
            refuse_page(value, name, position)
            yield from _flat(position, item_of(str(single.get("kind", "")), value))
            single.setdefault("items", None)
        elif index is None:
            single[key] = value
            if "kind" in single and single.get("items") == []:
                yield "items", {"kind": single["kind"], "items": []}
        else:
            single.setdefault(key, []).append(value)
    yield from _single(single, name)


def _flat(position: str, item: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """An object, or the objects of a nested list, as produced by jq -s."""
    kind, inner = str(item.get("kind", "")), item.get("items")
    if not kind.endswith("List") or not isinstance(inner, list):
        yield position, item
        return
    if not inner:
        yield "items", item
    for number, one in enumerate(inner):
        if isinstance(one, Mapping):
            yield from _flat(f"{position}.items[{number}]", item_of(kind, one))
        else:
            yield f"{position}.items[{number}]", {}


def _single(document: Mapping[str, Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    refuse_page(document, name)
    if not document or "items" in document:
        return
    if "kind" not in document and "serverVersion" not in document:
        raise DocumentError(
            f"{name} is not an object that kubectl printed: it has no kind (its keys: "
            f"{', '.join(list(document)[:5])}); save the whole answer, without --query or jq",
            source=name,
        )
    yield "", document


class Reading:
    """Objects read from several sources, before they are combined."""

    def __init__(self) -> None:
        self._found: dict[str, dict[tuple[str, ...], Any]] = defaultdict(dict)
        self._named: set[str] = set()
        self._late: list[Mapping[str, Any]] = []
        self._addresses: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._cut_short: set[tuple[str, str]] = set()
        self._has_endpoints = False
        self._runtimes: dict[str, Mapping[str, str]] = {}
        self._runtime_of: dict[tuple[str, str], str] = {}
        self._events: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._node_events: dict[str, dict[str, None]] = defaultdict(dict)
        self._refusals: dict[tuple[str, str], str] = {}
        self._data: dict[str, Mapping[str, str]] = {}
        self._configmaps: set[str] = set()
        self._taken = 0
        self._idle: list[tuple[str, bool]] = []
        self._foreign: dict[str, str] = {}
        self._env: dict[str, str] | None = None
        self._volumes = _Volumes()
        self._version: str | None = None

    def take(self, source: Any, *, part: str = "", named: bool = False) -> None:
        """Read all objects of a source."""
        name, count, empty = source_name(source), 0, False
        self._taken += 1
        for position, item in objects(source, name=name):
            kind = item.get("kind", "")
            if position == "items":
                empty = True
                if isinstance(kind, str) and kind in _LISTS:
                    self._named.add(_LISTS[kind])
                    count += 1
                continue
            if not isinstance(kind, str) or (not kind and "serverVersion" not in item):
                raise DocumentError(
                    f"{name}: {position or 'the object'} has no kind", source=name, place=position
                )
            try:
                count += self._object(kind, item, manifest=part == "workloads")
            except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
                raise _misshapen(error, kind, item, name, position) from error
        if part:
            self._named.add(part)
        if not count and not named:
            self._idle.append((name, empty))

    def something(self, sources: tuple[Any, ...]) -> None:
        """
        Refuse sources without any relevant object.

        An empty list without a kind is ignored if other sources contain objects.

        Raises DocumentError if one source contains only other kinds, or all together are empty.
        """
        if not sources or not self._idle:
            return
        foreign = [name for name, empty in self._idle if not empty]
        if foreign or len(self._idle) == self._taken:
            name = foreign[0] if foreign else self._idle[0][0]
            kinds = ", ".join(
                f"{kind} ({said})" if said else kind for kind, said in self._foreign.items()
            )
            raise DocumentError(
                f"{name} holds nothing of use{f' but {kinds:.300}' if kinds else ''}: expected objects "
                f"such as {', '.join(sorted(KINDS)[:7])} ...",
                source=name,
            )

    def take_configmap(self, source: Any, name: str) -> None:
        """Read one ConfigMap, given as a whole or as its data only."""
        called = source_name(source)
        others: list[str] = []
        kept = False
        for document in wholes(source, name=called):
            if not {"kind", "metadata", "items"} & document.keys():
                written = of_addon(document) if name == "amazon-vpc-cni" else None
                unquoted = name == "aws-auth" and "mapRoles" in document
                listed = any(isinstance(value, list) for value in document.values())
                if listed and not written and not unquoted:
                    raise DocumentError(
                        f"{called} is {what_it_is(document)}, and not ConfigMap {name}",
                        source=called,
                    )
                self._keep_data(name, written or document.get("data", document), called)
                kept = True
                continue
            for item in document.get("items") or [document]:
                try:
                    namespace, item_name, _ = read.metadata(item)
                except (KeyError, TypeError, AttributeError) as error:
                    raise _misshapen(error, "ConfigMap", {}, called, "") from error
                if item_name == name and namespace in {"kube-system", "default"}:
                    self._keep_data(name, item.get("data") or {}, called)
                    kept = True
                elif item.get("kind") != "List":
                    others.append(f"{namespace}/{item_name}")
        if kept:
            return
        if others and "kube-system/kube-root-ca.crt" not in others:
            raise DocumentError(
                f"{called} holds {', '.join(others[:5])}, but not kube-system/{name}", source=called
            )
        self._keep_data(name, {}, called)

    def _object(self, kind: str, item: Mapping[str, Any], *, manifest: bool) -> bool:
        if "serverVersion" in item:
            version = str(item["serverVersion"]["gitVersion"]).removeprefix("v")
            self._version = ".".join(version.split(".")[:2])
        elif kind in _RECORDS:
            part, record_of = _RECORDS[kind]
            self._keep(part, record_of(item))
        elif kind == "Pod" and not manifest and not read.unplaced(item):
            pod = read.pod(item)
            self._keep("pods", pod)
            self._volumes.mount(pod, item)
            if runtime := item["spec"].get("runtimeClassName"):
                self._runtime_of[pod.namespace, pod.name] = str(runtime)
        elif kind == "Pod" or read.makes_pods(item):
            self._workload(item)
        elif kind in {"Endpoints", "EndpointSlice"}:
            self._endpoints(item)
        elif kind in _VOLUME_KINDS:
            self._volumes.take(kind, item)
        elif kind == "RuntimeClass":
            scheduling = item.get("scheduling") or {}
            self._runtimes[read.metadata(item)[1]] = scheduling.get("nodeSelector") or {}
        elif kind == "Event":
            self._event(item)
        elif kind == "ConfigMap":
            self._configmap(item)
        elif kind == "ClusterConfig":
            raise DocumentError(
                "a ClusterConfig of eksctl stands among objects of Kubernetes: read it by load_files",
                source="kubectl",
            )
        else:
            self._foreign[kind] = without_accounts(str(item.get("message") or ""))
            return False
        return True

    def _keep(self, part: str, record: Any) -> None:
        where = identity(part, record)
        if self._found[part].setdefault(where, record) != record:
            raise DocumentError(
                f"{part} hold {'/'.join(where)} twice, with different content: save them again",
                source="kubectl",
                place="/".join(where),
            )

    def _workload(self, item: Mapping[str, Any]) -> None:
        namespace, name, _ = read.metadata(item)
        if item["kind"] == "DaemonSet" and (namespace, name) == ("kube-system", "aws-node"):
            env = read.container_env(read.pod_template(item)["spec"])
            self._env = {key: env[key] for key in CNI_VARIABLES if key in env}
        if read.controlled(item):
            return
        if read.runtime_class(item):
            self._late.append(item)
        else:
            self._keep_workload(item, {})

    def _keep_workload(
        self, item: Mapping[str, Any], runtimes: Mapping[str, Mapping[str, str]]
    ) -> None:
        workload = read.workload(item, runtimes)
        self._keep("workloads", workload)
        self._volumes.mount(workload, item)

    def _endpoints(self, item: Mapping[str, Any]) -> None:
        self._has_endpoints = True
        namespace, name, addresses = read.endpoint_addresses(item)
        if addresses is None:
            self._cut_short.add((namespace, name))
        else:
            self._addresses[namespace, name].update(addresses)

    def _event(self, item: Mapping[str, Any]) -> None:
        about = item.get("involvedObject") or item.get("regarding") or {}
        # The cluster autoscaler explains why it starts no node in an event of type Normal.
        if item.get("type") == "Normal" and item.get("reason") != "NotTriggerScaleUp":
            return
        text = without_accounts(str(item.get("message") or item.get("note") or ""))
        if about.get("kind") == "Pod":
            said = self._events[str(about.get("namespace")), str(about.get("name"))]
            if text not in said:
                said.append(text)
        elif item.get("reason") == "FailedCreate":
            self._refusals[str(about.get("namespace")), str(about.get("name"))] = text
        elif about.get("kind") == "Node":
            reason = str(item.get("reason") or "")
            line = text if text.startswith(reason) else f"{reason}: {text}"
            self._node_events[str(about.get("name"))][line] = None

    def _configmap(self, item: Mapping[str, Any]) -> None:
        namespace, name, _ = read.metadata(item)
        plain = "namespace" not in item["metadata"]
        if namespace == "kube-system" or (plain and name in {"amazon-vpc-cni", "aws-auth"}):
            self._configmaps.add(name)
            if name in {"amazon-vpc-cni", "aws-auth"}:
                self._keep_data(name, item.get("data") or {}, f"ConfigMap {name}")

    def _keep_data(self, name: str, data: Any, source: str) -> None:
        if not isinstance(data, Mapping) or not all(isinstance(v, str) for v in data.values()):
            wrong = "data" if not isinstance(data, Mapping) else _first_wrong(data)
            raise DocumentError(
                f"ConfigMap {name}: {wrong}; every value of a ConfigMap is a string, so quote it",
                source=source,
                place="data",
            )
        if self._data.setdefault(name, dict(data)) != dict(data):
            raise DocumentError(
                f"two sources hold different ConfigMaps {name}; give one", source=source
            )

    def _services(self) -> tuple[Service, ...] | None:
        services: tuple[Service, ...] | None = self._part("services")
        if services is None or not self._has_endpoints:
            return services
        return tuple(
            service
            if (key := (service.namespace, service.name)) in self._cut_short
            and key not in self._addresses
            else replace(service, backends=len(self._addresses.get(key, ())))
            for service in services
        )

    def _pods(self) -> tuple[Pod, ...] | None:
        pods: tuple[Pod, ...] | None = self._part("pods")
        if pods is None:
            return None
        if self._runtimes and self._runtime_of:
            pods = tuple(map(self._with_build, pods))
        if not self._events:
            return pods
        return tuple(self._with_events(pod) if pod.phase == "Pending" else pod for pod in pods)

    def _with_build(self, pod: Pod) -> Pod:
        """The pod with the Windows build that its RuntimeClass selects."""
        runtime = self._runtimes.get(self._runtime_of.get((pod.namespace, pod.name), ""), {})
        build = str(runtime.get(read.BUILD_LABEL) or "")
        return replace(pod, selects_build=build) if build and not pod.selects_build else pod

    def _workloads(self) -> tuple[WorkloadManifest, ...] | None:
        """The manifests, with messages of events about pods that could not be created."""
        workloads = self._volumes.served(self._part("workloads"))
        if workloads is None or not self._refusals:
            return workloads
        return tuple(
            one if one.refused else replace(one, refused=self._refusal(one)) for one in workloads
        )

    def _refusal(self, workload: WorkloadManifest) -> str:
        """Message of an event about pods of a manifest, or of its ReplicaSet with a name suffix."""
        for (namespace, name), text in self._refusals.items():
            maker = name.rpartition("-")[0] if workload.kind in {"Deployment", "Rollout"} else name
            if (namespace, maker) == (workload.namespace, workload.name):
                return text
        return ""

    def _with_events(self, pod: Pod) -> Pod:
        said = self._events.get((pod.namespace, pod.name))
        if not said:
            return pod
        # Keep the scheduler's message; otherwise the kubelet's latest event replaces it.
        latest = [text for text in said if "trigger scale-up" not in text]
        keep = pod.message.startswith("0/") or not latest
        return replace(pod, message=pod.message if keep else latest[-1], events=tuple(said))

    def _nodes(self) -> tuple[Node, ...] | None:
        nodes: tuple[Node, ...] | None = self._part("nodes")
        if nodes is None or not self._node_events:
            return nodes
        return tuple(
            replace(node, events=tuple(said))
            if (said := self._node_events.get(node.name))
            else node
            for node in nodes
        )

    def _part(self, part: str) -> tuple[Any, ...] | None:
        records = self._found.get(part, {})
        return tuple(records.values()) if records or part in self._named else None

    def state(self) -> ClusterState:
        """State of everything that was read."""
        for item in self._late:
            self._keep_workload(item, self._runtimes)
        # Every namespace contains kube-root-ca.crt, so a list with it is complete.
        listed = "kube-root-ca.crt" in self._configmaps
        absent: Mapping[str, str] | None = {} if listed else None
        mappings = self._data.get("aws-auth", absent)
        plain: dict[str, Any] = {part: self._part(part) for part, _ in _RECORDS.values()}
        plain |= {"nodes": self._nodes(), "services": self._services()}
        return ClusterState(
            version=self._version,
            **plain,
            pods=self._volumes.served(self._pods()),
            workloads=self._workloads(),
            cni_configmap=self._data.get("amazon-vpc-cni", absent),
            cni_env=self._env,
            aws_auth=None if mappings is None else read.role_mappings(mappings),
        )


class _Volumes:
    """Volumes and the records that mount them."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}
        self._volumes: dict[str, str] = {}
        self._claims: dict[tuple[str, str], tuple[str, str]] = {}
        self._mounts: dict[tuple[str, str, str], tuple[tuple[str, str], ...]] = {}

    def take(self, kind: str, item: Mapping[str, Any]) -> None:
        """Read one object that describes volumes."""
        namespace, name, _ = read.metadata(item)
        spec = item.get("spec") or {}
        if kind == "StorageClass":
            self._classes[name] = str(item.get("provisioner") or "")
        elif kind == "PersistentVolume":
            in_tree = "ebs.csi.aws.com" if spec.get("awsElasticBlockStore") else ""
            self._volumes[name] = str((spec.get("csi") or {}).get("driver") or in_tree)
        else:
            self._claims[namespace, name] = (
                str(spec.get("volumeName") or ""),
                str(spec.get("storageClassName") or ""),
            )

    def mount(self, record: Any, item: Mapping[str, Any]) -> None:
        """Note the drivers, claims and classes that a pod or a manifest mounts."""
        mounts = tuple(_mounted(read.pod_template(item).get("spec") or {}, item.get("spec") or {}))
        if mounts:
            self._mounts[_key(record)] = mounts

    def served(self, records: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        """Records with their CSI drivers; an empty string stands for an unknown driver."""
        if records is None or not self._mounts:
            return records
        return tuple(
            replace(record, csi_drivers=tuple(dict.fromkeys(map(self._driver, said))))
            if (
                said := tuple(
                    (record.namespace, *one) for one in self._mounts.get(_key(record), ())
                )
            )
            else record
            for record in records
        )

    def _driver(self, mounted: tuple[str, str, str]) -> str:
        namespace, kind, name = mounted
        if kind == "claim":
            volume, of_class = self._claims.get((namespace, name), ("", ""))
            driver = self._volumes.get(volume) or self._classes.get(of_class, "")
        else:
            driver = name if kind == "driver" else self._classes.get(name, "")
        return _IN_TREE.get(driver, driver)


def _key(record: Any) -> tuple[str, str, str]:
    return (getattr(record, "kind", ""), record.namespace, record.name)


def _mounted(spec: Mapping[str, Any], item_spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for volume in spec.get("volumes") or ():
        if driver := (volume.get("csi") or {}).get("driver"):
            yield "driver", str(driver)
        elif claim := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
            yield "claim", str(claim)
    for claim in item_spec.get("volumeClaimTemplates") or ():
        yield "class", str((claim.get("spec") or {}).get("storageClassName") or "")


def _first_wrong(data: Mapping[str, Any]) -> str:
    key = next(key for key, value in data.items() if not isinstance(value, str))
    return f"{key} is {without_accounts(repr(data[key])):.80}"


def _misshapen(
    error: Exception, kind: str, item: Mapping[str, Any], name: str, position: str
) -> Exception:
    if isinstance(error, DocumentError):
        return error
    meta = item.get("metadata")
    called = meta.get("name", "") if isinstance(meta, Mapping) else ""
    what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
    if not isinstance(error, (KeyError, CapacityError)):
        what = f"is not shaped as kubectl prints it: {error}"
    where = f" ({position})" if position else ""
    message = without_accounts(f"{kind} {called!r}{where} {what}")
    return DocumentError(f"{name}: {message}", source=name, place=position)
