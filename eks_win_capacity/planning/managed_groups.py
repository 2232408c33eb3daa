"""A plan as EKS managed node groups with a launch template, in one CloudFormation template."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.planning.node_start import (
    SCRIPT,
    STREAMS,
    ami_defaults,
    kubelet_arguments,
    max_pods,
)

if TYPE_CHECKING:
    from eks_win_capacity.planning.plan_values import PlanValues

__all__ = ["managed_groups"]

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
