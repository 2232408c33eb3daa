"""EC2's, EKS's and IAM's own answers as the state of a cluster."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity._documents import wholes
from eks_win_capacity.cluster import (
    AccessEntry,
    Addon,
    ClusterState,
    FargateProfile,
    NodeGroup,
    SubnetState,
)
from eks_win_capacity.constants import ADDRESSES_PER_PREFIX
from eks_win_capacity.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS: Final = {
    "cluster": "DescribeCluster",
    "nodegroups": "ListNodegroups",
    "nodegroup": "DescribeNodegroup",
    "fargateProfileNames": "ListFargateProfiles",
    "fargateProfile": "DescribeFargateProfile",
    "accessEntries": "ListAccessEntries",
    "accessEntry": "DescribeAccessEntry",
    "addons": "ListAddons",
    "addon": "DescribeAddon",
    "AttachedPolicies": "ListAttachedRolePolicies",
    "LaunchTemplateVersions": "DescribeLaunchTemplateVersions",
    "AutoScalingGroups": "DescribeAutoScalingGroups",
    "Subnets": "DescribeSubnets",
    "NetworkInterfaces": "DescribeNetworkInterfaces",
    "SubnetIpv4CidrReservations": "GetSubnetCidrReservations",
    "Reservations": "DescribeInstances",
}
"""The member by which each answer is known, and its call."""

USERS: Final = (
    "windows nodes",
    "linux nodes",
    "load balancers",
    "endpoints",
    "control plane",
    "other",
)
"""Who may hold addresses of a subnet."""

_MAX_PODS: Final = re.compile(r"--max-pods[=\s]+([0-9]{1,5})")
_NODE_TAGS: Final = ("eks:cluster-name", "aws:eks:cluster-name", "karpenter.sh/nodepool")

Answers = dict[str, list[Any]]


def gather(*sources: Any) -> Answers:
    """
    Sort saved answers by the call they came from.

    Raises
    ------
    DocumentError
        If a source is damaged, holds no answer of a known call, or only a
        part of one.
    """
    answers: Answers = defaultdict(list)
    for source in sources:
        for document in wholes(source):
            known = [key for key in KEYS if key in document]
            if not known:
                raise DocumentError(
                    "no answer of a known call; its members: "
                    f"{', '.join(list(document)[:5]) or 'none'}",
                    source=str(source)[:80] if isinstance(source, str) else "the answer",
                )
            if document.get("NextToken") or document.get("nextToken"):
                raise DocumentError(
                    f"the answer of {KEYS[known[0]]} is only a part: more pages follow; save it "
                    "without --max-items",
                    source="the answer",
                    place="NextToken",
                )
            for key in known:
                answers[key].append(document[key])
    return answers


def state(answers: Answers, unknown: Mapping[str, str] | None = None) -> ClusterState:
    """
    Put answers together; a part whose answer is missing stays unknown.

    Raises
    ------
    DocumentError
        If an answer is of another shape than AWS gives.
    """
    why = dict(unknown or {})
    try:
        return ClusterState(
            **_cluster(answers),
            cluster_role_policies=_policies(answers),
            node_groups=_node_groups(answers, why),
            fargate_profiles=_complete(
                answers, "fargateProfile", "fargateProfileNames", _fargate, why, "fargate_profiles"
            ),
            access_entries=_complete(
                answers, "accessEntry", "accessEntries", _entry, why, "access_entries"
            ),
            addons=_addons(answers),
            subnets=subnets(answers, why),
            unknown=why,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, DocumentError):
            raise
        what = f"lacks {error}" if isinstance(error, KeyError) else f"is misshapen: {error}"
        raise DocumentError(f"an answer of AWS {what}", source="the answer") from error


def role_name(arn: str) -> str:
    """Give the name at the end of a role's ARN; the account is not kept."""
    return arn.rpartition("/")[2] if "/" in arn else arn.rpartition(":")[2]


def _cluster(answers: Answers) -> dict[str, Any]:
    if not answers.get("cluster"):
        return {}
    found = answers["cluster"][0]
    network = found.get("kubernetesNetworkConfig") or {}
    vpc = found.get("resourcesVpcConfig") or {}
    compute = found.get("computeConfig")
    arn = str(found.get("arn") or "")
    return {
        "name": found["name"],
        "region": arn.split(":")[3] if arn.count(":") >= 5 else None,
        "version": found.get("version"),
        "platform_version": found.get("platformVersion"),
        "ip_family": network.get("ipFamily"),
        "authentication_mode": (found.get("accessConfig") or {}).get("authenticationMode"),
        "auto_mode": bool((compute or {}).get("enabled")),
        "hybrid_nodes": bool(found.get("remoteNetworkConfig")),
        "cluster_role": role_name(found["roleArn"]) if found.get("roleArn") else None,
        "vpc_id": vpc.get("vpcId"),
        "subnet_ids": tuple(vpc["subnetIds"]) if "subnetIds" in vpc else None,
    }


def _policies(answers: Answers) -> tuple[str, ...] | None:
    if "AttachedPolicies" not in answers:
        return None
    return tuple(p["PolicyName"] for page in answers["AttachedPolicies"] for p in page)


def _complete(  # noqa: PLR0917
    answers: Answers, one: str, listed: str, read: Any, why: dict[str, str], part: str
) -> tuple[Any, ...] | None:
    """Read the descriptions of a part, unless the list names more of them."""
    if part in why or (one not in answers and listed not in answers):
        return None
    made = tuple(read(item) for item in answers.get(one, ()))
    names = {role_name(str(name)) for page in answers.get(listed, ()) for name in page}
    own = "role" if one == "accessEntry" else "name"
    lacking = names - {getattr(item, own) for item in made}
    if listed in answers and lacking:
        why[part] = f"{KEYS[one]} is missing for {', '.join(sorted(lacking)[:5])}"
        return None
    if listed in answers:
        return made
    # Descriptions without the list: there may be more of them.
    why.setdefault(part, f"{KEYS[listed]} is missing: there may be more than were described")
    return made


def _fargate(item: Mapping[str, Any]) -> FargateProfile:
    return FargateProfile(
        name=item["fargateProfileName"],
        selectors=tuple(
            (s["namespace"], tuple(sorted((s.get("labels") or {}).items())))
            for s in item.get("selectors") or ()
        ),
    )


def _entry(item: Mapping[str, Any]) -> AccessEntry:
    return AccessEntry(
        role=role_name(item["principalArn"]),
        type=item.get("type") or "STANDARD",
        groups=tuple(item.get("kubernetesGroups") or ()),
    )


def _addons(answers: Answers) -> tuple[Addon, ...] | None:
    if "addon" not in answers and "addons" not in answers:
        return None
    made = []
    for item in answers.get("addon", ()):
        given = item.get("configurationValues") or "{}"
        made.append(
            Addon(
                name=item["addonName"],
                version=item.get("addonVersion") or "",
                status=item.get("status") or "",
                configuration=_configuration(given),
            )
        )
    have = {addon.name for addon in made}
    if "vpc-cni" in {n for page in answers.get("addons", ()) for n in page} - have:
        return None
    return tuple(made)


def _configuration(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError:
        from eks_win_capacity._documents import yaml_value

        values = yaml_value(text, name="configurationValues")
    return values if isinstance(values, dict) else {}


def _node_groups(answers: Answers, why: dict[str, str]) -> tuple[NodeGroup, ...] | None:
    templates = {
        (v["LaunchTemplateId"], str(v["VersionNumber"])): v.get("LaunchTemplateData") or {}
        for page in answers.get("LaunchTemplateVersions", ())
        for v in page
    }
    tags = {
        group["AutoScalingGroupName"]: {t["Key"]: t["Value"] for t in group.get("Tags") or ()}
        for page in answers.get("AutoScalingGroups", ())
        for group in page
    }

    def read(item: Mapping[str, Any]) -> NodeGroup:
        return _node_group(item, templates, tags)

    return _complete(answers, "nodegroup", "nodegroups", read, why, "node_groups")


def _node_group(
    item: Mapping[str, Any],
    templates: Mapping[tuple[str, str], Mapping[str, Any]],
    tags: Mapping[str, Mapping[str, str]],
) -> NodeGroup:
    template = item.get("launchTemplate") or {}
    version = str(template.get("version") or "")
    data = templates.get((template.get("id", ""), version))
    script = _script((data or {}).get("UserData"))
    limit = _MAX_PODS.search(script or "")
    own = (data or {}).get("InstanceType")
    scaling = item.get("scalingConfig") or {}
    groups = [g["name"] for g in (item.get("resources") or {}).get("autoScalingGroups") or ()]
    known = [tags[name] for name in groups if name in tags]
    custom = item.get("amiType") == "CUSTOM"
    return NodeGroup(
        name=item["nodegroupName"],
        ami_type=item.get("amiType") or "",
        capacity_type=item.get("capacityType") or "",
        status=item.get("status") or "",
        version=item.get("version") or "",
        release_version=item.get("releaseVersion") or "",
        instance_types=tuple(item.get("instanceTypes") or ([own] if own else [])),
        min_size=scaling.get("minSize"),
        desired_size=scaling.get("desiredSize"),
        max_size=scaling.get("maxSize"),
        role=role_name(item.get("nodeRole") or ""),
        subnet_ids=tuple(item.get("subnets") or ()),
        launch_template=f"{template['id']} version {version}" if template.get("id") else "",
        custom_ami=custom
        or (None if template and data is None else bool((data or {}).get("ImageId"))),
        kubelet_max_pods=int(limit[1]) if limit else None,
        user_data_known=not template or script is not None,
        labels=tuple(sorted((item.get("labels") or {}).items())),
        taints=tuple(
            f"{t['key']}={t.get('value', '')}:{t.get('effect', '')}"
            for t in item.get("taints") or ()
        ),
        autoscaling_tags=tuple(sorted(known[0].items())) if known else None,
        autoscaling_groups=tuple(groups),
    )


def _script(text: str | None) -> str | None:
    """Decode the user data to look for max-pods; the text itself is not kept."""
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return text


def subnets(answers: Answers, why: dict[str, str]) -> tuple[SubnetState, ...] | None:
    """Put each subnet together with what its interfaces hold."""
    if "Subnets" not in answers:
        return None
    interfaces: dict[str, list[Mapping[str, Any]]] | None = None
    if "NetworkInterfaces" in answers:
        interfaces = defaultdict(list)
        for page in answers["NetworkInterfaces"]:
            for item in page:
                interfaces[item["SubnetId"]].append(item)
    reserved: dict[str, list[tuple[str, str]]] | None = None
    if "SubnetIpv4CidrReservations" in answers:
        reserved = defaultdict(list)
        for page in answers["SubnetIpv4CidrReservations"]:
            for item in page:
                reserved[item["SubnetId"]].append((item["Cidr"], item["ReservationType"]))
    systems = _systems(answers)
    if interfaces is None:
        why.setdefault("subnet_interfaces", "DescribeNetworkInterfaces is missing")
    if reserved is None:
        why.setdefault("subnet_reservations", "GetSubnetCidrReservations is missing")
    if systems is None:
        why.setdefault("subnet_users", "DescribeInstances is missing")
    made = []
    for page in answers["Subnets"]:
        for item in page:
            own = None if interfaces is None else interfaces.get(item["SubnetId"], [])
            made.append(
                SubnetState(
                    subnet_id=item["SubnetId"],
                    cidr=item["CidrBlock"],
                    vpc_id=item.get("VpcId") or "",
                    zone=item.get("AvailabilityZone") or "",
                    zone_id=item.get("AvailabilityZoneId") or "",
                    available=item.get("AvailableIpAddressCount"),
                    used=None if own is None else tuple(a for i in own for a in _held(i)),
                    reservations=None
                    if reserved is None
                    else tuple(reserved.get(item["SubnetId"], ())),
                    users=None if own is None else _users(own, systems),
                )
            )
    return tuple(made)


def _held(interface: Mapping[str, Any]) -> list[str]:
    addresses = [a["PrivateIpAddress"] for a in interface.get("PrivateIpAddresses") or ()]
    prefixes = [p["Ipv4Prefix"] for p in interface.get("Ipv4Prefixes") or ()]
    return addresses + prefixes


def _systems(answers: Answers) -> dict[str, str] | None:
    """Give what each instance is: ``windows nodes``, ``linux nodes`` or ``other``."""
    if "Reservations" not in answers:
        return None
    found = {}
    for page in answers["Reservations"]:
        for reservation in page:
            for instance in reservation.get("Instances") or ():
                keys = [tag["Key"] for tag in instance.get("Tags") or ()]
                node = any(k.startswith("kubernetes.io/cluster/") or k in _NODE_TAGS for k in keys)
                windows = str(instance.get("Platform") or "").lower() == "windows"
                kind = "windows nodes" if windows else "linux nodes"
                found[instance["InstanceId"]] = kind if node else "other"
    return found


def _users(
    interfaces: list[Mapping[str, Any]], systems: Mapping[str, str] | None
) -> dict[str, int] | None:
    """Count the addresses of each kind of user; None where instances are not known."""
    held: Counter[str] = Counter(dict.fromkeys(USERS, 0))
    for interface in interfaces:
        user = _user(interface, systems)
        if user is None:
            return None
        prefixes = len(interface.get("Ipv4Prefixes") or ())
        addresses = len(interface.get("PrivateIpAddresses") or ())
        held[user] += addresses + prefixes * ADDRESSES_PER_PREFIX
    return dict(held)


def _user(interface: Mapping[str, Any], systems: Mapping[str, str] | None) -> str | None:
    kind = str(interface.get("InterfaceType") or "")
    told = str(interface.get("Description") or "")
    instance = (interface.get("Attachment") or {}).get("InstanceId")
    if told.startswith("Amazon EKS "):
        return "control plane"
    if ("load_balancer" in kind and not kind.endswith("endpoint")) or told.startswith("ELB "):
        return "load balancers"
    if "endpoint" in kind:
        return "endpoints"
    if told.startswith("aws-K8S-"):
        return "linux nodes"
    if instance:
        return None if systems is None else systems.get(instance, "other")
    return "other"
