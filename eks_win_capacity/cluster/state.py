"""The known state of one EKS cluster, and its lossless form in JSON."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Self, Union, get_args, get_origin, get_type_hints

from eks_win_capacity.cluster.records import (
    AccessEntry,
    Addon,
    DisruptionBudget,
    FargateProfile,
    Instance,
    InterfaceState,
    Node,
    NodeClaim,
    NodeClass,
    NodeGroup,
    NodePool,
    Pod,
    RoleMapping,
    SecurityGroupPolicy,
    Service,
    SubnetState,
    Workload,
    WorkloadManifest,
)
from eks_win_capacity.core.display import Listed, Shown, plain_fields
from eks_win_capacity.core.documents import mapping
from eks_win_capacity.core.errors import (
    CapacityError,
    DocumentError,
    StateConflictError,
    UnsupportedInputError,
    allowing,
    count_of,
    without_accounts,
)
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.replacing import replace_file
from eks_win_capacity.core.values import read_only

if TYPE_CHECKING:
    import os

    from eks_win_capacity.addresses.warm_pool import WarmPool

__all__ = [
    "PARTS", "AccessEntry", "Addon", "ClusterState", "FargateProfile", "Instance", "InterfaceState",
    "Node", "NodeClaim", "NodeClass", "NodeGroup", "NodePool", "Pod", "RoleMapping",
    "SecurityGroupPolicy", "Service", "SubnetState", "Workload", "WorkloadManifest",
]  # fmt: skip


_FORMAT = "eks-win-capacity/cluster-state/1"

_CLUSTER = "aws eks describe-cluster --name NAME"
_DESCRIBED = (
    "platform_version", "ip_family", "authentication_mode", "auto_mode", "hybrid_nodes",
    "cluster_role", "vpc_id", "subnet_ids", "service_cidr", "local_cluster",
)  # fmt: skip

PARTS = read_only(
    {
        **dict.fromkeys(("name", "region", "version"), _CLUSTER),
        "support_ends": "aws eks describe-cluster-versions --include-all",
        **dict.fromkeys(_DESCRIBED, _CLUSTER),
        "cluster_role_policies": "aws iam list-attached-role-policies --role-name ROLE",
        "node_groups": "aws eks describe-nodegroup --cluster-name NAME --nodegroup-name GROUP",
        "fargate_profiles": "aws eks describe-fargate-profile --cluster-name NAME "
        "--fargate-profile-name PROFILE",
        "access_entries": "aws eks describe-access-entry --cluster-name NAME --principal-arn ROLE",
        "addons": "aws eks describe-addon --cluster-name NAME --addon-name vpc-cni",
        "instances": "aws ec2 describe-instances, and aws iam get-instance-profile",
        "subnets": "aws ec2 describe-subnets, describe-network-interfaces and "
        "get-subnet-cidr-reservations",
        "cni_configmap": "kubectl get configmap -n kube-system amazon-vpc-cni -o json",
        "aws_auth": "kubectl get configmap -n kube-system aws-auth -o json",
        "cni_env": "kubectl get daemonset -n kube-system aws-node -o json",
        "nodes": "kubectl get nodes -o json",
        "pods": "kubectl get pods -A -o json",
        "workloads": "kubectl get deployments,statefulsets,daemonsets,cronjobs,jobs -A -o json",
        "services": "kubectl get services,endpointslices -A -o json",
        "security_group_policies": "kubectl get securitygrouppolicies -A -o json",
        "budgets": "kubectl get poddisruptionbudgets -A -o json",
        "node_pools": "kubectl get nodepools -o json",
        "node_classes": "kubectl get ec2nodeclasses -o json",
        "node_claims": "kubectl get nodeclaims -o json",
    }
)
"""Every part of a cluster's state, and the command that outputs it."""


_UNTOLD = "no source told"
"""Reason for a part that no source was asked for."""

_REFUSED = re.compile(rf"; {allowing('([^ ]+)')}$")


class Unknown(str):
    """
    Why a part is not known, as a string.

    Attributes
    ----------
    action : str
        The IAM action that AWS denied; empty if none.
    asked : bool
        Whether any source was asked.

    Examples
    --------
    >>> Unknown("ListNodegroups failed", action="eks:ListNodegroups").action
    'eks:ListNodegroups'
    """

    __slots__ = ("action", "asked")
    action: str
    asked: bool

    def __new__(cls, words: str, *, action: str = "", asked: bool = True) -> Self:
        """The string with its attributes."""
        unknown = super().__new__(cls, words)
        unknown.action, unknown.asked = action, asked
        return unknown

    @classmethod
    def of(cls, words: str) -> Unknown:
        """The reason in a saved state, its attributes parsed from the string."""
        if isinstance(words, Unknown):
            return words
        refused = _REFUSED.search(words)
        action = refused[1] if refused else ""
        return cls(words, action=action, asked=not words.startswith(_UNTOLD))


_KNOWN_ELSEWHERE = frozenset({"node_claims", "support_ends"})
"""Parts that are also known from elsewhere: nodes and pods, or a bundled dated table."""


@checked_call
@dataclass(frozen=True, kw_only=True)
class ClusterState(Shown):
    """
    Known state of one EKS cluster; an unknown part is None, never empty.

    Attributes
    ----------
    support_ends : str or None
        Last day of extended support of the version, as reported by EKS.
    name, region, version, platform_version, ip_family : str or None
        As in DescribeCluster, such as ``1.30``, ``eks.5``, ``ipv4``.
    authentication_mode : str or None
        ``CONFIG_MAP``, ``API`` or ``API_AND_CONFIG_MAP``.
    auto_mode, hybrid_nodes : bool or None
        Whether EKS Auto Mode is enabled, and whether remote networks are set.
    cluster_role : str or None
        Name of the cluster's IAM role.
    cluster_role_policies : tuple of str or None
        Names of the managed policies attached to it.
    vpc_id, subnet_ids
        Where the cluster runs.
    service_cidr : str or None
        The CIDR of its services.
    local_cluster : bool or None
        Whether its control plane runs on an Outpost.
    node_groups, fargate_profiles, access_entries, addons
        Tuples of `NodeGroup`, `FargateProfile`, `AccessEntry`, `Addon`.
    cni_configmap : Mapping of str to str, or None
        ``data`` of ConfigMap kube-system/amazon-vpc-cni; empty if known to be missing.
    cni_env : Mapping of str to str, or None
        Environment of DaemonSet kube-system/aws-node.
    aws_auth : tuple of RoleMapping or None
        mapRoles of ConfigMap kube-system/aws-auth.
    nodes, pods, workloads, services, security_group_policies, subnets, instances
        Tuples of `Node`, `Pod`, `WorkloadManifest`, `Service`, `SecurityGroupPolicy`,
        `SubnetState`, `Instance`.
    budgets : tuple of DisruptionBudget or None
        PodDisruptionBudgets.
    node_pools, node_classes, node_claims
        Karpenter's, as tuples of `NodePool`, `NodeClass` and `NodeClaim`.
    unknown : Mapping of str to str
        Each part that is unknown or incomplete, and why: strings of class `Unknown`.

    Examples
    --------
    >>> state = ClusterState(version="1.30", fargate_profiles=())
    >>> state.nodes is None, "nodes" in state.unknown, "fargate_profiles" in state.unknown
    (True, True, False)
    """

    name: str | None = None
    region: str | None = None
    version: str | None = None
    support_ends: str | None = None
    platform_version: str | None = None
    ip_family: str | None = None
    authentication_mode: str | None = None
    auto_mode: bool | None = None
    hybrid_nodes: bool | None = None
    cluster_role: str | None = None
    cluster_role_policies: tuple[str, ...] | None = None
    vpc_id: str | None = None
    subnet_ids: tuple[str, ...] | None = None
    service_cidr: str | None = None
    local_cluster: bool | None = None
    node_groups: tuple[NodeGroup, ...] | None = None
    fargate_profiles: tuple[FargateProfile, ...] | None = None
    access_entries: tuple[AccessEntry, ...] | None = None
    addons: tuple[Addon, ...] | None = None
    cni_configmap: Mapping[str, str] | None = None
    cni_env: Mapping[str, str] | None = None
    aws_auth: tuple[RoleMapping, ...] | None = None
    nodes: tuple[Node, ...] | None = None
    pods: tuple[Pod, ...] | None = None
    workloads: tuple[WorkloadManifest, ...] | None = None
    services: tuple[Service, ...] | None = None
    security_group_policies: tuple[SecurityGroupPolicy, ...] | None = None
    budgets: tuple[DisruptionBudget, ...] | None = None
    subnets: tuple[SubnetState, ...] | None = None
    instances: tuple[Instance, ...] | None = None
    node_pools: tuple[NodePool, ...] | None = None
    node_classes: tuple[NodeClass, ...] | None = None
    node_claims: tuple[NodeClaim, ...] | None = None
    unknown: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        why = {part: Unknown.of(words) for part, words in self.unknown.items()}
        for part, command in PARTS.items():
            value = getattr(self, part)
            if value is None and part not in _KNOWN_ELSEWHERE:
                why.setdefault(part, Unknown(f"{_UNTOLD}; {command}", asked=False))
            elif isinstance(value, (list, tuple)):
                kind = tuple if part in _PLAIN_TUPLES else Listed
                object.__setattr__(self, part, kind(value))
        object.__setattr__(self, "unknown", read_only(why))

    def __repr__(self) -> str:
        """Name, and the number of known records of each part."""
        sizes = [
            f"{part.replace('_', ' ')}: {len(value):,}"
            for part in PARTS
            if isinstance(value := getattr(self, part), Listed)
        ]
        unknown = count_of(len(self.unknown), "part is", "parts are")
        known = f"{', '.join(sizes)}; " if sizes else ""
        return f"<ClusterState {self.name or '(no name)'}: {known}{unknown} not known>"

    @cached_property
    def nodes_by_name(self) -> Mapping[str, Node]:
        """Each node by its name; empty if nodes are unknown."""
        return {node.name: node for node in self.nodes or ()}

    @cached_property
    def windows_nodes(self) -> Listed[Node] | None:
        """Nodes that run Windows; None if nodes are unknown."""
        return None if self.nodes is None else Listed(n for n in self.nodes if n.os == "windows")

    @cached_property
    def only_namespace(self) -> str:
        """
        The only namespace among the pods, unless it is kube-system; else empty.

        Every cluster has pods in kube-system, so without them the other namespaces were not saved.
        """
        spaces = {pod.namespace for pod in self.pods or ()}
        if len(spaces) != 1 or "kube-system" in spaces:
            return ""
        others = {workload.namespace for workload in self.workloads or ()} - spaces
        return "" if others else min(spaces)

    @cached_property
    def windows_pods(self) -> Listed[Pod] | None:
        """Unfinished pods that run on Windows or require it; None if unknown."""
        if self.pods is None:
            return None
        return Listed(pod for pod in self.pods if pod.active and self.pod_os(pod) == "windows")

    @cached_property
    def warm_pools(self) -> Mapping[bool, WarmPool | None]:
        """The warm pool of Nitro types (True) and of others; None if unknown."""
        from eks_win_capacity.addresses.warm_pool import pool_of_pairs

        pools: dict[bool, WarmPool | None] = {True: None, False: None}
        if self.cni_configmap is not None:
            for nitro in pools:
                with suppress(CapacityError):
                    pools[nitro] = pool_of_pairs(self.cni_configmap, nitro=nitro)
        return pools

    def pod_os(self, pod: Pod) -> str:
        """Operating system of a pod's node, or else the one it selects; empty if unknown."""
        node = self.nodes_by_name.get(pod.node) if pod.node else None
        return (node.os if node else "") or pod.selects_os or pod.declares_os

    def merge(self, other: ClusterState) -> ClusterState:
        """
        State of one cluster from two partial ones.

        Raises
        ------
        StateConflictError
            If both contain a part with different values.

        Examples
        --------
        >>> whole = ClusterState(version="1.30").merge(ClusterState(ip_family="ipv4"))
        >>> whole.version, whole.ip_family
        ('1.30', 'ipv4')
        """
        values: dict[str, Any] = {}
        # A denied action explains more than a file that lacks the part, so it comes last and wins.
        reasons = sorted(
            (*self.unknown.items(), *other.unknown.items()),
            key=lambda reason: Unknown.of(reason[1]).asked,
        )
        why = dict(reasons)
        for part in PARTS:
            mine, theirs = getattr(self, part), getattr(other, part)
            if mine is not None and theirs is not None and mine != theirs:
                values[part] = _union(part, mine, theirs)
            else:
                values[part] = theirs if mine is None else mine
            if values[part] is not None and not (
                # One side knew the part incompletely, and the other not at all.
                (mine is not None and part in self.unknown)
                or (theirs is not None and part in other.unknown)
            ):
                why.pop(part, None)
        for node in values["nodes"] or ():
            refuse_zone(node.zone, values["region"], part="nodes", what=f"node {node.name}")
        for subnet in values["subnets"] or ():
            refuse_zone(subnet.zone, values["region"], part="subnets", what="a subnet")
        refuse_other_vpcs(values["subnets"] or (), values["vpc_id"])
        return ClusterState(**values, unknown=why)

    def to_dict(self) -> dict[str, Any]:
        """The state as plain mappings and lists, for JSON."""
        plain: dict[str, Any] = {"format": _FORMAT}
        for part in (*PARTS, "unknown"):
            value = getattr(self, part)
            if value is not None:
                plain[part] = _written(value)
        return plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ClusterState:
        """
        State from the mapping of `to_dict`.

        Raises
        ------
        DocumentError
            If a field is missing, unknown or of the wrong type.
        """
        if data.get("format") != _FORMAT:
            raise DocumentError(
                f"no saved cluster state: format is {data.get('format')!r}, expected {_FORMAT!r}",
                source="the mapping",
                place="format",
            )
        hints = get_type_hints(cls)
        values: dict[str, Any] = {}
        for part, value in data.items():
            if part == "format":
                continue
            if part not in hints:
                raise _damaged(part, "no such part")
            values[part] = _read(value, hints[part], part)
        return cls(**values)

    def save(self, path: str | os.PathLike[str]) -> None:
        """JSON file of the state, written atomically; no other function stores it."""
        text = json.dumps(self.to_dict(), indent=1)
        replace_file(path, text + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ClusterState:
        """
        State from a file that `save` wrote.

        Raises
        ------
        DocumentError
            If the file is damaged or contains something else.
        """
        return cls.from_dict(mapping(path))

    def _fields_shown(self) -> dict[str, Any]:
        return {
            name: count_of(len(value), "item") if isinstance(value, (tuple, Mapping)) else value
            for name, value in plain_fields(self).items()
            if value is not None
        }


def needs_state(state: object) -> ClusterState:
    """
    The state given as an argument, with add-on values in place of a missing ConfigMap.

    Raises UnsupportedInputError if it is not a ClusterState.
    """
    if not isinstance(state, ClusterState):
        raise UnsupportedInputError(
            f"state must be a ClusterState; got {type(state).__name__}: load it with load_files "
            "or aws.load_cluster"
        )
    if state.cni_configmap is not None:
        return state
    from eks_win_capacity.addresses.configmap import of_addon

    for addon in state.addons or ():
        if addon.name == "vpc-cni" and (data := of_addon(addon.configuration)) is not None:
            why = {part: text for part, text in state.unknown.items() if part != "cni_configmap"}
            return replace(state, cni_configmap=data, unknown=why)
    return state


_PLAIN_TUPLES = ("cluster_role_policies", "subnet_ids")
"""Parts that are tuples of strings rather than records."""

_KEYS: Mapping[str, tuple[str, ...]] = {
    "pods": ("namespace", "name"),
    "workloads": ("kind", "namespace", "name"),
    "services": ("namespace", "name"),
    "security_group_policies": ("namespace", "name"),
    "budgets": ("namespace", "name"),
    "aws_auth": ("role",),
    "access_entries": ("role",),
    "subnets": ("subnet_id",),
    "instances": ("instance_id",),
}
"""Fields that identify a record of a part; ``name`` by default."""


_ZONE = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
"""Start of the name of an availability or local zone: its region."""


def refuse_other_vpcs(subnets: Sequence[SubnetState], vpc_id: str | None) -> None:
    """
    Refuse subnets of other VPCs beside those of the cluster's, whose ranges may overlap.

    Raises StateConflictError if there are any.
    """
    others = [one for one in subnets if one.vpc_id not in {"", vpc_id}]
    if vpc_id and 0 < len(others) < len(subnets):
        raise StateConflictError(
            f"{others[0].subnet_id} is of {others[0].vpc_id}, and the cluster is in {vpc_id}: save "
            f"the answers with --filters Name=vpc-id,Values={vpc_id}",
            part="subnets",
        )


def refuse_zone(zone: str, region: str | None, *, part: str, what: str) -> None:
    """Raise StateConflictError for a zone outside the region: another profile's answer."""
    if region and not zone.startswith(region) and _ZONE.match(zone):
        raise StateConflictError(
            f"the cluster is in {region} and {what} in {zone}; save the answers of one region",
            part=part,
        )


def identity(part: str, record: object) -> tuple[str, ...]:
    """Values that identify a record within its part."""
    return tuple(getattr(record, name) for name in _KEYS.get(part, ("name",)))


def _union(part: str, mine: Any, theirs: Any) -> Any:
    """Union of two tuples of records; the same record in both must be equal."""
    if not isinstance(mine, tuple) or part in _PLAIN_TUPLES:
        raise StateConflictError(
            f"two sources disagree about {part.replace('_', ' ')}: {mine!r} and {theirs!r}; "
            f"are they of the same cluster?",
            part=part,
        )
    by_identity = {identity(part, item): item for item in mine}
    for item in theirs:
        where = identity(part, item)
        if by_identity.setdefault(where, item) != item:
            raise StateConflictError(
                f"two sources disagree about {'/'.join(where)} in {part.replace('_', ' ')}; "
                f"are they of the same time?",
                part=part,
            )
    return tuple(by_identity.values())


def _written(value: Any) -> Any:
    """A record, tuple or mapping in JSON types; fields with default values are left out."""
    if dataclasses.is_dataclass(value):
        return {
            name: _written(member)
            for name, default in _defaults(value.__class__)
            if (member := getattr(value, name)) != default
        }
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


@cache
def _defaults(record: Any) -> tuple[tuple[str, Any], ...]:
    # A field without a default equals nothing, so it is always written.
    return tuple(
        (field.name, field.default if field.default_factory is dataclasses.MISSING else {})
        for field in dataclasses.fields(record)
    )


def _read(value: Any, kind: Any, where: str) -> Any:
    """
    The inverse of `_written` for a field of a type; errors name the position.

    The type is a record, string, number, tuple, mapping, or a union of these.
    """
    origin = get_origin(kind)
    if origin in {Union, UnionType}:
        if value is None and NoneType in get_args(kind):
            return None
        return _read(value, next(k for k in get_args(kind) if k is not NoneType), where)
    if dataclasses.is_dataclass(kind):
        return _record(value, kind, where)
    if origin is tuple:
        return _tuple(value, get_args(kind), where)
    if origin is Literal:
        fits = value in get_args(kind)
    elif kind is Any:
        fits = True
    else:
        # In Python a bool is also an int, but not a valid count.
        fits = isinstance(value, origin or kind) and (kind is bool or not isinstance(value, bool))
    if not fits:
        raise _damaged(where, f"it cannot be {value!r:.60}")
    if isinstance(value, Mapping) and get_args(kind):
        return {str(key): _read(v, get_args(kind)[1], f"{where}.{key}") for key, v in value.items()}
    return value


def _record(value: Any, record: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise _damaged(where, f"it cannot be {value!r:.60}")
    hints = _hints(record)
    if unknown := [name for name in value if name not in hints]:
        raise _damaged(f"{where}.{unknown[0]}", "no such field")
    try:
        return record(**{k: _read(v, hints[k], f"{where}.{k}") for k, v in value.items()})
    except TypeError as error:
        raise _damaged(where, str(error)) from error


@cache
def _hints(record: Any) -> dict[str, Any]:
    # Records import Mapping only for type checking.
    return get_type_hints(record, {**vars(sys.modules[record.__module__]), "Mapping": Mapping})


def _tuple(value: Any, kinds: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise _damaged(where, f"it cannot be {value!r:.60}")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise _damaged(where, f"it has {len(value)} members instead of {len(kinds)}")
    pairs = zip(value, kinds, strict=True)
    return tuple(_read(item, kind, f"{where}[{i}]") for i, (item, kind) in enumerate(pairs))


def _damaged(where: str, why: str) -> DocumentError:
    """Error for a damaged saved state."""
    return DocumentError(
        f"the saved cluster state is damaged at {where}: {without_accounts(why)}",
        source="the mapping",
        place=where,
    )
