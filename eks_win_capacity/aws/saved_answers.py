"""State of a cluster from the answers of EC2, EKS and IAM."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from eks_win_capacity.aws._occupants import count, each, instance_systems, instances, subnets
from eks_win_capacity.aws.answer_files import KEYS, Answers
from eks_win_capacity.cluster.state import (
    AccessEntry,
    Addon,
    ClusterState,
    FargateProfile,
    NodeGroup,
    identity,
    refuse_other_vpcs,
    refuse_zone,
)
from eks_win_capacity.core.documents import yaml_value
from eks_win_capacity.core.errors import (
    CapacityError,
    DocumentError,
    InvalidQuantityError,
    StateConflictError,
    account_mark,
    without_accounts,
)
from eks_win_capacity.core.quantities import whole_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CLUSTER_TAGS: Final = ("kubernetes.io/cluster/", "k8s.io/cluster-autoscaler/")
"""Prefixes of those tags of an Auto Scaling group that end with the name of its cluster.

Source: Amazon EKS user guide, "Create self-managed Microsoft Windows nodes"; cluster
autoscaler on AWS, auto-discovery.
"""


def moment(given: Any) -> dt.datetime:
    """Time from a value of boto3 or of the AWS CLI."""
    time = given if isinstance(given, dt.datetime) else dt.datetime.fromisoformat(str(given))
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)


def state(
    answers: Answers, unknown: Mapping[str, str] | None = None, *, saved: bool = False
) -> ClusterState:
    """
    State of a cluster from answers; a part without an answer stays unknown.

    Raises DocumentError if an answer has an unexpected shape; StateConflictError if two answers
    contradict each other.
    """
    why = dict(unknown or {})
    with shaped():
        cluster, nets = _cluster(answers), subnets(answers, why, saved=saved)
        for net in nets or ():
            refuse_zone(net.zone, cluster.get("region"), part="subnets", what="a subnet")
        refuse_other_vpcs(nets or (), cluster.get("vpc_id"))
        return ClusterState(
            **cluster,
            support_ends=_support_ends(answers),
            cluster_role_policies=_policies(answers),
            node_groups=_node_groups(answers, why),
            fargate_profiles=_complete(
                answers, "fargateProfile", "fargateProfileNames", _fargate, why, "fargate_profiles"
            ),
            access_entries=_complete(
                answers, "accessEntry", "accessEntries", _entry, why, "access_entries"
            ),
            addons=_addons(answers, why),
            subnets=nets,
            instances=instances(answers, why),
            unknown=why,
        )


@contextmanager
def shaped(source: str = "the answer") -> Iterator[None]:
    """
    Convert errors from an answer of unexpected shape into one DocumentError.

    Raises DocumentError if the code inside raises such an error.
    """
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        if isinstance(error, CapacityError):
            raise
        what = f"lacks {error}" if isinstance(error, KeyError) else f"is misshapen: {error}"
        raise DocumentError(f"an answer of AWS {without_accounts(what)}", source=source) from error


def role_name(arn: str) -> str:
    """Name at the end of a role's ARN, without the account."""
    arn = unquote(arn).strip()
    return arn.rpartition("/")[2] if "/" in arn else arn.rpartition(":")[2]


def _cluster(answers: Answers) -> dict[str, Any]:
    if not answers.get("cluster"):
        return {}
    cluster, *others = answers["cluster"]
    if any(other != cluster for other in others):
        raise StateConflictError(
            f"two answers of DescribeCluster differ, of {cluster['name']} and "
            f"{others[-1].get('name')}; give one cluster's",
            part="name",
        )
    network = cluster.get("kubernetesNetworkConfig") or {}
    vpc = cluster.get("resourcesVpcConfig") or {}
    compute = cluster.get("computeConfig")
    arn = str(cluster.get("arn") or "")
    access = cluster.get("accessConfig") or {}
    _check_strings(cluster, "cluster", "name", "version", "platformVersion")
    _check_strings(network, "cluster", "ipFamily", "serviceIpv4Cidr")
    _check_strings(access, "cluster", "authenticationMode")
    return {
        "name": cluster["name"],
        "region": arn.split(":")[3] if arn.count(":") >= 5 else None,
        "version": cluster.get("version"),
        "platform_version": cluster.get("platformVersion"),
        "ip_family": network.get("ipFamily"),
        "authentication_mode": access.get("authenticationMode"),
        "auto_mode": bool((compute or {}).get("enabled")),
        "hybrid_nodes": bool(cluster.get("remoteNetworkConfig")),
        "cluster_role": role_name(cluster["roleArn"]) if cluster.get("roleArn") else None,
        "vpc_id": vpc.get("vpcId"),
        "subnet_ids": tuple(map(str, vpc["subnetIds"])) if "subnetIds" in vpc else None,
        "service_cidr": network.get("serviceIpv4Cidr"),
        "local_cluster": bool(cluster.get("outpostConfig")),
    }


def _check_strings(answer: Mapping[str, Any], of: str, *keys: str) -> None:
    """Refuse members that are not strings: YAML reads an unquoted 1.30 as the number 1.3."""
    for key in keys:
        given = answer.get(key) or ""
        if not isinstance(given, str):
            raise DocumentError(
                f"{key} of {KEYS[of]} must be a string, and is {without_accounts(repr(given)):.80}: "
                "save the answer as JSON, or write it in quotes",
                source=KEYS[of],
                place=key,
            )


def _support_ends(answers: Answers) -> str | None:
    """Last day of extended support of the cluster's version; None if EKS was not asked."""
    version = answers["cluster"][0].get("version") if answers.get("cluster") else None
    days = [
        moment(row["endOfExtendedSupportDate"]).date().isoformat()
        for row in each(answers, "clusterVersions")
        if version and row["clusterVersion"] == version and row.get("endOfExtendedSupportDate")
    ]
    return max(days, default=None)


def _policies(answers: Answers) -> tuple[str, ...] | None:
    if "AttachedPolicies" not in answers:
        return None
    return tuple(dict.fromkeys(str(one["PolicyName"]) for one in each(answers, "AttachedPolicies")))


def _complete(  # noqa: PLR0917
    answers: Answers, one: str, listed: str, read: Any, why: dict[str, str], part: str
) -> tuple[Any, ...] | None:
    """Records of a part; None if the list names some without a description."""
    if part in why or (one not in answers and listed not in answers):
        return None
    records = _once(map(read, answers.get(one, ())), part)
    names = {role_name(str(name)) for name in each(answers, listed)}
    lacking = names - {identity(part, item)[0] for item in records}
    if listed in answers and lacking:
        why[part] = f"{KEYS[one]} is missing for {', '.join(sorted(lacking)[:5])}"
        return None
    if listed in answers:
        return records
    # Descriptions without the list may be incomplete.
    why.setdefault(part, f"{KEYS[listed]} is missing: there may be more than were described")
    return records


def _once(records: Iterable[Any], part: str) -> tuple[Any, ...]:
    """The distinct records; the same answer may have been saved twice."""
    by_name: dict[str, Any] = {}
    for record in records:
        (name,) = identity(part, record)
        if by_name.setdefault(name, record) != record:
            raise StateConflictError(
                f"two answers differ about {name} in {part.replace('_', ' ')}: save them again",
                part=part,
            )
    return tuple(by_name.values())


def _fargate(item: Mapping[str, Any]) -> FargateProfile:
    return FargateProfile(
        name=item["fargateProfileName"],
        selectors=tuple(
            (s["namespace"], tuple(sorted((s.get("labels") or {}).items())))
            for s in item.get("selectors") or ()
        ),
    )


def _entry(item: Mapping[str, Any]) -> AccessEntry:
    _check_strings(item, "accessEntry", "type")
    return AccessEntry(
        role=role_name(item["principalArn"]),
        type=item.get("type") or "STANDARD",
        groups=tuple(item.get("kubernetesGroups") or ()),
    )


def _addons(answers: Answers, why: dict[str, str]) -> tuple[Addon, ...] | None:
    if "addon" not in answers and "addons" not in answers:
        return None
    addons = _once(
        (
            Addon(
                name=item["addonName"],
                version=item.get("addonVersion") or "",
                status=item.get("status") or "",
                configuration=_configuration(item.get("configurationValues") or "{}"),
            )
            for item in answers.get("addon", ())
        ),
        "addons",
    )
    have = {addon.name for addon in addons}
    if "vpc-cni" in {*each(answers, "addons")} - have:
        why.setdefault("addons", "DescribeAddon is missing for vpc-cni")
        return None
    return addons


def _configuration(text: str) -> dict[str, Any]:
    """Mapping of the add-on's configuration, from JSON or YAML, without account ids."""
    values = yaml_value(without_accounts(text), name="configurationValues")
    if not isinstance(values, dict):
        raise DocumentError(
            "configurationValues of the add-on hold no mapping",
            source="DescribeAddon",
            place="configurationValues",
        )
    return values


def _node_groups(answers: Answers, why: dict[str, str]) -> tuple[NodeGroup, ...] | None:
    templates = _templates(answers)
    systems = instance_systems(answers)
    scaling = {one["AutoScalingGroupName"]: one for one in each(answers, "AutoScalingGroups")}

    def read(item: Mapping[str, Any]) -> NodeGroup:
        return _node_group(item, templates, scaling, systems)

    managed = _complete(answers, "nodegroup", "nodegroups", read, why, "node_groups")
    cluster = str(answers["cluster"][0]["name"]) if answers.get("cluster") else ""
    self_managed = [
        _self_managed(group, templates, systems)
        for group in scaling.values()
        if is_self_managed(group, cluster)
    ]
    if "nodegroup" not in answers and not scaling:
        self_managed += _from_templates(answers)
    if not self_managed:
        return managed
    if managed is None:
        why.setdefault("node_groups", "ListNodegroups is missing: there may be managed groups")
    return (*(managed or ()), *self_managed)


def _templates(answers: Answers) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Data of launch templates by id and version, including ``$Default`` and ``$Latest``."""
    by_version: dict[tuple[str, str], Mapping[str, Any]] = {}
    latest: dict[str, int] = {}
    for version in each(answers, "LaunchTemplateVersions"):
        template, number = version["LaunchTemplateId"], int(version["VersionNumber"])
        data = version.get("LaunchTemplateData") or {}
        by_version[template, str(number)] = data
        if version.get("DefaultVersion"):
            by_version[template, "$Default"] = data
        if number >= latest.get(template, 0):
            latest[template] = number
            by_version[template, "$Latest"] = data
    return by_version


def _tags(group: Mapping[str, Any]) -> dict[str, str]:
    return {str(t["Key"]): str(t.get("Value") or "") for t in group.get("Tags") or ()}


def is_self_managed(group: Mapping[str, Any], cluster: str = "") -> bool:
    """
    Whether an Auto Scaling group has self-managed nodes of a cluster.

    Without a cluster name every cluster's group counts, as does a group whose tags name none.
    """
    tags = _tags(group)
    if "eks:nodegroup-name" in tags:
        return False
    named = {
        key.removeprefix(prefix)
        for key in tags
        for prefix in CLUSTER_TAGS
        if key.startswith(prefix) and "/" not in key.removeprefix(prefix)
    }
    # The tag that enables the cluster autoscaler has the same prefix as those with names.
    marked = named | {key for key in tags if key.startswith(CLUSTER_TAGS)}
    named -= {"enabled"}
    return cluster in named if cluster and named else bool(marked)


def template_of(group: Mapping[str, Any]) -> tuple[str, str]:
    """Id and version of an Auto Scaling group's launch template; the id is empty if it has none."""
    mixed = (group.get("MixedInstancesPolicy") or {}).get("LaunchTemplate") or {}
    template = group.get("LaunchTemplate") or mixed.get("LaunchTemplateSpecification") or {}
    return str(template.get("LaunchTemplateId") or ""), str(template.get("Version") or "$Default")


def subnets_of(group: Mapping[str, Any]) -> list[str]:
    """Subnets of an Auto Scaling group, from the single string that lists them."""
    names = str(group.get("VPCZoneIdentifier") or "").split(",")
    return [name.strip() for name in names if name.strip()]


def _self_managed(
    group: Mapping[str, Any],
    templates: Mapping[tuple[str, str], Mapping[str, Any]],
    systems: Mapping[str, str],
) -> NodeGroup:
    mixed = (group.get("MixedInstancesPolicy") or {}).get("LaunchTemplate") or {}
    template, version = template_of(group)
    data = templates.get((template, version))
    tags = _tags(group)
    over = [str(o["InstanceType"]) for o in mixed.get("Overrides") or () if o.get("InstanceType")]
    template_type = (data or {}).get("InstanceType")
    label = "k8s.io/cluster-autoscaler/node-template/label/kubernetes.io/os"
    return NodeGroup(
        name=group["AutoScalingGroupName"],
        instance_types=tuple(over or ([template_type] if template_type else [])),
        min_size=count(group, "MinSize"),
        desired_size=count(group, "DesiredCapacity"),
        max_size=count(group, "MaxSize"),
        subnet_ids=tuple(subnets_of(group)),
        launch_template=_template_name(template, version),
        custom_ami=None if data is None else bool(data.get("ImageId")),
        user_data_known=data is not None,
        autoscaling_tags=tuple(sorted(tags.items())),
        autoscaling_groups=(group["AutoScalingGroupName"],),
        managed=False,
        system=tags.get(label) or _system(data, _instances_of(group), systems),
        instances=_instances_of(group),
        warm_pool=_warm_pool(
            group.get("WarmPoolConfiguration"),
            group,
            count(group, "MaxSize"),
            count(group, "DesiredCapacity"),
        ),
        **_settings(data),
    )


def _system(data: Mapping[str, Any] | None, ids: Iterable[str], systems: Mapping[str, str]) -> str:
    """Operating system of a group, from its user data or its instances; empty if not known."""
    if _for_windows(data):
        return "windows"
    running = {systems[one] for one in ids if one in systems}
    return running.pop() if len(running) == 1 else ""


def _instances_of(group: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(one["InstanceId"]) for one in group.get("Instances") or ())


def _template_name(name: Any, version: str) -> str:
    return f"{name} version {version}" if name else ""


_MAX_PODS: Final = re.compile(r"""--max-pods[=\s]+["']?([0-9]{1,5})""")
_RESERVED: Final = re.compile(
    r"--(?:kube|system)-reserved[=\s]+[\"']?[^\s\"']*?memory=([0-9.]+[A-Za-z]{0,2})"
)
_SERVICES: Final = re.compile(r"-ServiceCIDR\s+[\"']?([0-9./]+)", re.IGNORECASE)
_DSR: Final = re.compile(r"--enable-dsr(?:=true)?(?![=\w])|WinDSR=true", re.IGNORECASE)


def _settings(data: Mapping[str, Any] | None) -> dict[str, Any]:
    """
    Settings in the data of a launch template, as fields of a node group.

    Examples
    --------
    >>> told = _settings({"UserData": "<powershell> & Start-EKSBootstrap.ps1 -KubeletExtraArgs "
    ...                              "'--max-pods=60 --kube-reserved memory=0.5Gi'"})
    >>> told["kubelet_max_pods"], told["reserved_memory_mib"], told["bootstraps"]
    (60, 512, True)
    >>> interfaces = [{"DeviceIndex": 0, "Ipv4PrefixCount": 2}]
    >>> _settings({"NetworkInterfaces": interfaces})["prefixes"], _settings(None)
    (2, {})
    """
    if data is None:
        return {}
    script = _script(data.get("UserData"))
    # If a flag occurs twice, the kubelet uses the last one.
    limits = _MAX_PODS.findall(script)
    kept = [memory for text in _RESERVED.findall(script) if (memory := _bytes(text)) is not None]
    services = _SERVICES.search(script)
    return {
        "prefixes": sum(
            one.get("Ipv4PrefixCount") or len(one.get("Ipv4Prefixes") or ())
            for one in data.get("NetworkInterfaces") or ()
            if not one.get("DeviceIndex")
        ),
        "kubelet_max_pods": int(limits[-1]) if limits else None,
        "reserved_memory_mib": sum(kept) // 2**20 if kept else None,
        "bootstraps": _bootstraps(script),
        "service_cidr": services[1] if services else "",
        "dsr": bool(_DSR.search(script)),
    }


def _for_windows(data: Mapping[str, Any] | None) -> bool:
    """Whether user data are a Windows script."""
    script = _script((data or {}).get("UserData"))
    return _bootstraps(script) or "<powershell>" in script.lower()


def _bootstraps(script: str) -> bool:
    """Whether a script runs the Windows bootstrap script."""
    return "start-eksbootstrap" in script.lower() or "-EKSClusterName" in script


def _bytes(text: str) -> int | None:
    try:
        return whole_bytes(text)
    except InvalidQuantityError:
        return None


def _script(text: str | None) -> str:
    """User data, decoded from the base64 that EC2 returns."""
    if text is None:
        return ""
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return text


def _from_templates(answers: Answers) -> list[NodeGroup]:
    """Node groups known only from launch templates, before any node runs."""
    groups = []
    for version in each(answers, "LaunchTemplateVersions"):
        data = version.get("LaunchTemplateData") or {}
        template_type = data.get("InstanceType")
        if _for_windows(data):
            groups.append(
                NodeGroup(
                    name=str(version.get("LaunchTemplateName") or version["LaunchTemplateId"]),
                    instance_types=(template_type,) if template_type else (),
                    launch_template=_template_name(
                        version["LaunchTemplateId"], str(version["VersionNumber"])
                    ),
                    custom_ami=bool(data.get("ImageId")),
                    user_data_known=True,
                    managed=False,
                    system="windows",
                    **_settings(data),
                )
            )
    return groups


def _node_group(
    item: Mapping[str, Any],
    templates: Mapping[tuple[str, str], Mapping[str, Any]],
    scaling: Mapping[str, Mapping[str, Any]],
    systems: Mapping[str, str],
) -> NodeGroup:
    strings = ("nodegroupName", "version", "releaseVersion", "amiType", "capacityType", "status")
    _check_strings(item, "nodegroup", *strings)
    template = item.get("launchTemplate") or {}
    version = str(template.get("version") or "$Default")
    data = templates.get((template.get("id", ""), version))
    template_type = (data or {}).get("InstanceType")
    sizes = item.get("scalingConfig") or {}
    groups = [g["name"] for g in (item.get("resources") or {}).get("autoScalingGroups") or ()]
    known = [scaling[name] for name in groups if name in scaling]
    scaled = known[0] if known else {}
    custom = item.get("amiType") == "CUSTOM"
    running = tuple(one for group in known for one in _instances_of(group))
    return NodeGroup(
        name=item["nodegroupName"],
        ami_type=item.get("amiType") or "",
        capacity_type=item.get("capacityType") or "",
        status=item.get("status") or "",
        version=item.get("version") or "",
        release_version=item.get("releaseVersion") or "",
        instance_types=tuple(
            map(str, item.get("instanceTypes") or ([template_type] if template_type else []))
        ),
        min_size=count(sizes, "minSize"),
        desired_size=count(sizes, "desiredSize"),
        max_size=count(sizes, "maxSize"),
        role=role_name(item.get("nodeRole") or ""),
        role_account=account_mark(str(item.get("nodeRole") or "")),
        subnet_ids=tuple(map(str, item.get("subnets") or ())),
        launch_template=_template_name(template.get("id"), version),
        # An image in a template that was not given is unknown.
        custom_ami=custom
        or (None if template and data is None else bool((data or {}).get("ImageId"))),
        user_data_known=not template or data is not None,
        labels=tuple(sorted((item.get("labels") or {}).items())),
        taints=tuple(
            f"{t['key']}={t.get('value') or ''}:{t.get('effect') or ''}"
            for t in item.get("taints") or ()
        ),
        autoscaling_tags=tuple(sorted(_tags(known[0]).items())) if known else None,
        autoscaling_groups=tuple(groups),
        system=_system(data, running, systems) if custom else "",
        instances=running,
        issues=tuple(
            without_accounts(f"{one.get('code')}: {one.get('message') or ''}")
            for one in (item.get("health") or {}).get("issues") or ()
        ),
        warm_pool=_warm_pool(
            scaled.get("WarmPoolConfiguration") or item.get("warmPoolConfig"),
            scaled,
            count(sizes, "maxSize"),
            count(sizes, "desiredSize"),
        ),
        **_settings(data),
    )


def _warm_pool(
    given: Mapping[str, Any] | None, group: Mapping[str, Any], most: int | None, desired: int | None
) -> int:
    """
    Instances of a warm pool not started yet; without a size it fills up to the group's maximum.

    References
    ----------
    EKS API reference, WarmPoolConfig; EC2 Auto Scaling API reference, PutWarmPool (2026-11-27).
    """
    # EKS writes the members in camelCase, EC2 Auto Scaling in PascalCase.
    pool = {key[:1].lower() + key[1:]: value for key, value in (given or {}).items()}
    if not pool or pool.get("enabled") is False or pool.get("status") == "PendingDelete":
        return 0
    if pool.get("maxGroupPreparedCapacity") not in {None, -1}:
        most = count(pool, "maxGroupPreparedCapacity")
    wanted = max((most or 0) - (desired or 0), count(pool, "minSize") or 0)
    return max(wanted - (count(group, "WarmPoolSize") or 0), 0)
