"""A plan as EKS managed node groups with a launch template, and what its kubelet is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.core.constants import KUBELET_MAX_PODS

if TYPE_CHECKING:
    from eks_win_capacity.planning.plan_values import PlanValues

__all__ = ["ami_defaults", "kubelet_arguments", "managed_groups", "max_pods", "reservations_of"]

_IMAGE: Final = (
    "/aws/service/ami-windows-latest/Windows_Server-{year}-English-{edition}-EKS_Optimized-"
    "${{KubernetesVersion}}/image_id"
)
"""Parameter of the newest image. Source: Amazon EKS user guide, "Retrieve Windows AMI IDs"."""

_DISK_GIB: Final = 50
"""Root volume that the cost of a node holds. [GiB]"""

_OWN: Final = ("ApiServerEndpoint", "CertificateAuthority", "ServiceCidr")
"""What the user data must name where an image is given, as EKS adds nothing to it then."""


def managed_groups(
    plan: PlanValues,
    *,
    cluster: str,
    ami_family: str,
    ami: str | None,
    taint: bool,
    tags_of: Any,
) -> tuple[list[str], dict[str, Any]]:
    """
    Template of node groups, one for each type, zone and subnet, and notes on it.

    EKS gives a managed Windows node ``--max-pods`` and reservations only by user data of a
    launch template that names an image too; where the image's own settings were planned with,
    no launch template is needed.

    References
    ----------
    Amazon EKS user guide, "Customize managed nodes with launch templates".
    """
    own = not ami_defaults(plan) or ami is not None
    edition = "Core" if "Core" in ami_family else "Full"
    year = next((one for one in ("2019", "2022", "2025") if one in ami_family), "2022")
    parameters = {
        "ClusterName": {"Type": "String", "Default": cluster},
        "NodeRoleArn": {"Type": "String"},
    }
    for place in plan.places():
        if not place["subnet"]:
            parameters[_subnets(place)] = {"Type": "List<AWS::EC2::Subnet::Id>"}
    resources: dict[str, Any] = {}
    notes = ["EKS managed node groups: aws cloudformation deploy --template-file FILE"]
    if own:
        parameters |= {name: {"Type": "String"} for name in ("KubernetesVersion", *_OWN)}
        image = ami or _IMAGE.format(year=year, edition=edition)
        resources |= {"WindowsTemplate": _template(plan, image), "WindowsAccess": _ACCESS}
        notes += [
            f"bootstrap argument: -KubeletExtraArgs '{kubelet_arguments(plan, max_pods(plan))}'",
            "where the cluster maps roles by aws-auth alone, leave WindowsAccess out",
        ]
    image_type = None if own else f"WINDOWS_{edition.upper()}_{year}_x86_64"
    for number, place in enumerate(plan.places(), start=1):
        resources[f"WindowsGroup{number}"] = _group(
            place, image_type=image_type, taint=taint, tags=tags_of(place)
        )
    return notes, {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": parameters,
        "Resources": resources,
    }


_ACCESS: Final = {
    "Type": "AWS::EKS::AccessEntry",
    "Properties": {
        "ClusterName": {"Ref": "ClusterName"},
        "PrincipalArn": {"Ref": "NodeRoleArn"},
        "Type": "EC2_WINDOWS",
    },
}
"""Access of the nodes; for an image of one's own EKS would add an entry of Linux nodes."""


def _group(
    place: dict[str, Any], *, image_type: str | None, taint: bool, tags: Any
) -> dict[str, Any]:
    """One node group, with an image of EKS's own types, else that of the launch template."""
    properties: dict[str, Any] = {
        "ClusterName": {"Ref": "ClusterName"},
        "NodeRole": {"Ref": "NodeRoleArn"},
        "InstanceTypes": [place["instance_type"]],
        "CapacityType": "SPOT" if place["purchase"] == "spot" else "ON_DEMAND",
        "Subnets": [place["subnet"]] if place["subnet"] else {"Ref": _subnets(place)},
        "ScalingConfig": dict.fromkeys(("MinSize", "DesiredSize", "MaxSize"), place["nodes"]),
        "Labels": {"windows-fleet": "planned"},
        "Tags": tags,
    }
    if taint:
        properties["Taints"] = [{"Key": "os", "Value": "windows", "Effect": "NO_SCHEDULE"}]
    entry: dict[str, Any] = {"Type": "AWS::EKS::Nodegroup", "Properties": properties}
    if image_type is not None:
        properties["AmiType"] = image_type
        return entry
    version = {"Fn::GetAtt": ["WindowsTemplate", "LatestVersionNumber"]}
    properties["LaunchTemplate"] = {"Id": {"Ref": "WindowsTemplate"}, "Version": version}
    return {**entry, "DependsOn": "WindowsAccess"}


def _subnets(place: dict[str, Any]) -> str:
    """Parameter that has the subnets of a zone."""
    return "Subnets" + re.sub(r"[^A-Za-z0-9]", "", place["zone"].title())


def _template(plan: PlanValues, image: str) -> dict[str, Any]:
    script = (
        "<powershell>\n"
        f"{SCRIPT}\n"
        '& $EKSBootstrapScriptFile -EKSClusterName "${ClusterName}" '
        '-APIServerEndpoint "${ApiServerEndpoint}" -Base64ClusterCA "${CertificateAuthority}" '
        f'-ServiceCIDR "${{ServiceCidr}}" -KubeletExtraArgs '
        f'"{kubelet_arguments(plan, max_pods(plan))}" {STREAMS}\n'
        "</powershell>\n"
    )
    named = image.startswith("ami-")
    disk = {"VolumeSize": _DISK_GIB, "VolumeType": "gp3", "Encrypted": True}
    return {
        "Type": "AWS::EC2::LaunchTemplate",
        "Properties": {
            "LaunchTemplateData": {
                "ImageId": image if named else {"Fn::Sub": f"{{{{resolve:ssm:{image}}}}}"},
                "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": disk}],
                "UserData": {"Fn::Base64": {"Fn::Sub": script}},
            }
        },
    }


SCRIPT: Final = (
    '[string]$EKSBootstrapScriptFile = "$env:ProgramFiles\\Amazon\\EKS\\Start-EKSBootstrap.ps1"'
)
"""Where the image keeps its bootstrap script. Source: Amazon EKS user guide, "Windows AMIs"."""

STREAMS: Final = "3>&1 4>&1 5>&1 6>&1"
"""Sends all that the script says to its log."""


def max_pods(plan: PlanValues, groups: Any = None) -> int:
    """Kubelet's limit: the one planned with, else all addresses of the largest, for surge."""
    if plan.kubelet_max_pods is not None:
        return plan.kubelet_max_pods
    groups = plan.groups if groups is None else groups
    most = (max(group.pods_used, group.address_slots) for group in groups)
    return max((pods + plan.daemon_pods for pods in most), default=KUBELET_MAX_PODS)


def reservations_of(plan: PlanValues) -> dict[str, Any]:
    """Reservations that were planned with, as the kubelet and Karpenter read them."""
    kept = plan.reserved
    found: dict[str, Any] = {}
    kube = {"memory": f"{kept['kube_memory_mib']}Mi"} if kept.get("kube_memory_mib") else {}
    if kept.get("cpu_m"):
        kube["cpu"] = f"{kept['cpu_m']}m"
    if kube:
        found["kubeReserved"] = kube
    if kept.get("system_memory_mib"):
        found["systemReserved"] = {"memory": f"{kept['system_memory_mib']}Mi"}
    if kept.get("eviction_mib"):
        found["evictionHard"] = {"memory.available": f"{kept['eviction_mib']}Mi"}
    return found


def kubelet_arguments(plan: PlanValues, most: int | None) -> str:
    """Arguments of the kubelet for the limit, where one is given, and the reservations."""
    parts = [] if most is None else [f"--max-pods={most}"]
    words = {"kubeReserved": "kube-reserved", "systemReserved": "system-reserved"}
    kept = reservations_of(plan)
    for name, word in words.items():
        if name in kept:
            pairs = ",".join(f"{key}={value}" for key, value in sorted(kept[name].items()))
            parts.append(f"--{word}={pairs}")
    if "evictionHard" in kept:
        parts.append(f"--eviction-hard=memory.available<{kept['evictionHard']['memory.available']}")
    return " ".join(parts)


def ami_defaults(plan: PlanValues) -> bool:
    """Whether the image's own settings are what was planned with: 110 pods, and nothing kept."""
    return max_pods(plan) == KUBELET_MAX_PODS and not reservations_of(plan)
