"""What eksctl, CloudFormation and Karpenter need to start the nodes of a plan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.catalog import Catalog
from eks_win_capacity.core.arrays import choice
from eks_win_capacity.core.constants import ADDRESS_RESOURCE, KUBELET_MAX_PODS, WINDOWS_BUILDS

if TYPE_CHECKING:
    from eks_win_capacity.planning.plan_values import PlannedGroup, PlanValues

__all__ = ["node_class", "node_groups", "node_pool"]

_TYPE: Final = "node.kubernetes.io/instance-type"
_BUILD: Final = "node.kubernetes.io/windows-build"

_TEMPLATE_TAG: Final = "k8s.io/cluster-autoscaler/node-template"
"""Prefix of the tags that describe a node to the cluster autoscaler before it exists."""

_LABELS: Final = {"windows-fleet": "planned"}
_TAINT: Final = {"key": "os", "value": "windows", "effect": "NoSchedule"}

_FAMILIES: Final = tuple(
    f"WindowsServer{year}{edition}Container"
    for year in WINDOWS_BUILDS.values()
    for edition in ("Core", "Full")
)
_KARPENTER_FAMILIES: Final = tuple(f"Windows{year}" for year in WINDOWS_BUILDS.values())
"""Names of the Windows images, by eksctl and by Karpenter; others start Linux nodes."""

_IMAGE: Final = (
    "/aws/service/ami-windows-latest/Windows_Server-{year}-English-{edition}-EKS_Optimized-"
    "${{KubernetesVersion}}/image_id"
)
"""Parameter of the newest image. Source: Amazon EKS user guide, "Retrieve Windows AMI IDs"."""

_DISK: Final = {"VolumeSize": 50, "VolumeType": "gp3", "Encrypted": True}
"""Root volume included in the cost of a node. [GiB]"""

_OWN: Final = ("KubernetesVersion", "ApiServerEndpoint", "CertificateAuthority", "ServiceCidr")
"""Parameters that user data needs if an image is given, as EKS then adds nothing to it."""

_ACCESS: Final = {
    "Type": "AWS::EKS::AccessEntry",
    "Properties": {
        "ClusterName": {"Ref": "ClusterName"},
        "PrincipalArn": {"Ref": "NodeRoleArn"},
        "Type": "EC2_WINDOWS",
    },
}
"""Access entry of the nodes; for a custom image, EKS would add one for Linux nodes."""

_SCRIPT: Final = (
    '[string]$EKSBootstrapScriptFile = "$env:ProgramFiles\\Amazon\\EKS\\Start-EKSBootstrap.ps1"'
)
"""Path of the bootstrap script in the image. Source: Amazon EKS user guide, "Windows AMIs"."""

_STREAMS: Final = "3>&1 4>&1 5>&1 6>&1"
"""Redirection of all output of the script to its log."""

_BOOTSTRAP: Final = (
    '& $EKSBootstrapScriptFile -EKSClusterName "$EKSClusterName" '
    '-APIServerEndpoint "$APIServerEndpoint" -Base64ClusterCA "$Base64ClusterCA" '
    '-ServiceCIDR "$ServiceCIDR" -KubeletExtraArgs "$KubeletExtraArgs'
)
"""Start of the bootstrap command, as in eksctl, before further kubelet arguments."""


def node_groups(
    plan: PlanValues, *, cluster: str, region: str, ami_family: str, ami: str | None, taint: bool
) -> str:
    """
    Manifest of node groups, one for each type, zone and subnet, for the plan's launcher.

    References
    ----------
    eksctl, ``pkg/nodebootstrap/windows.go``, ``windows_managed.go`` and ``validation.go``:
    ``maxPodsPerNode`` and ``overrideBootstrapCommand`` reach the kubelet of self-managed groups;
    managed Windows groups refuse an image and leave both out, and ``kubeletExtraConfig`` is
    refused for Windows.
    """
    choice(ami_family, _FAMILIES, name="ami_family")
    # The defaults of the image are 110 pods, and nothing reserved.
    plain = _max_pods(plan) == KUBELET_MAX_PODS and not _reservations(plan) and ami is None
    places = [(row, _of_place(plan, row)) for row in plan.places()]
    tags = [_tags(plan, groups, ami_family=ami_family, taint=taint) for _, groups in places]
    argument = f"bootstrap argument: -KubeletExtraArgs '{_arguments(plan, _max_pods(plan))}'"
    if plan.launcher == "managed":
        notes = ["EKS managed node groups: aws cloudformation deploy --template-file FILE"]
        if not plain:
            access = "where the cluster maps roles by aws-auth alone, leave WindowsAccess out"
            notes += [argument, access]
        document = _stack(plan, tags, cluster, ami_family, ami, taint=taint, plain=plain)
    else:
        kind = "EKS managed" if plain else "self-managed"
        notes = [f"{kind} node groups for eksctl: eksctl create nodegroup -f FILE", argument]
        if plain:
            access = (
                "EKS keeps tags off the Auto Scaling groups it manages: check names the command"
            )
            notes.append(access)
        entries = [
            _entry(plan, row, groups, ami_family=ami_family, ami=ami, managed=plain)
            | ({"taints": [dict(_TAINT)]} if taint else {})
            | {"tags": tag, "propagateASGTags": True}
            | _where(row)
            for (row, groups), tag in zip(places, tags, strict=True)
        ]
        document = {
            "apiVersion": "eksctl.io/v1alpha5",
            "kind": "ClusterConfig",
            "metadata": {"name": cluster, "region": region},
            "managedNodeGroups" if plain else "nodeGroups": entries,
        }
    return _text([*notes, *_last_notes(plan, ami_family)], document)


def _last_notes(plan: PlanValues, ami_family: str) -> list[str]:
    """Notes on pods of other releases, on nodes that run already, and on subnets without an id."""
    notes = [_chosen(ami_family)]
    if kept := [f"{n:,} x {name}" for name, n in plan.current_kept.items() if n]:
        running = "nodes that run already and stay, to be left out of new groups"
        notes.append(f"{running}: {', '.join(kept)}")
    if any(group.subnet and not group.subnet.startswith("subnet-") for group in plan.groups):
        notes.append("put subnet ids in place of the CIDRs")
    return notes


def _of_place(plan: PlanValues, row: dict[str, Any]) -> list[PlannedGroup]:
    key = ("instance_type", "zone", "subnet", "purchase")
    return [
        group for group in plan.groups if all(getattr(group, name) == row[name] for name in key)
    ]


def _build(ami_family: str) -> str:
    """The Windows build of an AMI family; that of 2022 if its name has no year."""
    named = (build for build, year in WINDOWS_BUILDS.items() if year in ami_family)
    return f"10.0.{next(named, 20348)}"


def _chosen(ami_family: str) -> str:
    """Note on the node selector of pods if nodes of other Windows releases run too."""
    return f"nodeSelector of pods beside other releases: {_BUILD}: {_build(ami_family)}"


def _tags(
    plan: PlanValues, groups: list[PlannedGroup], *, ami_family: str, taint: bool
) -> dict[str, str]:
    """Tags that describe a node of the group to the cluster autoscaler before one exists."""
    most = max(group.address_slots + plan.daemon_addresses for group in groups)
    tags = {
        f"resources/{ADDRESS_RESOURCE}": str(most),
        "label/kubernetes.io/os": "windows",
        f"label/{_BUILD}": _build(ami_family),
        **({"taint/os": "windows:NoSchedule"} if taint else {}),
    }
    return {f"{_TEMPLATE_TAG}/{name}": value for name, value in tags.items()}


def _entry(
    plan: PlanValues,
    row: dict[str, Any],
    groups: list[PlannedGroup],
    *,
    ami_family: str,
    ami: str | None,
    managed: bool,
) -> dict[str, Any]:
    """One node group for eksctl."""
    name, spot = row["instance_type"], row["purchase"] == "spot"
    where = (row["subnet"] or row["zone"]).replace(".", "-").replace("/", "-")
    parts = ("windows", name.replace(".", "-"), where, row["purchase"])
    entry: dict[str, Any] = {
        "name": "-".join(one for one in parts if one and one != "on-demand"),
        "amiFamily": ami_family,
        **({} if ami is None else {"ami": ami}),
        **({"instanceTypes": [name]} if managed else {"instanceType": name}),
    }
    if spot:
        entry |= {"spot": True} if managed else _all_spot(name)
    entry |= dict.fromkeys(("desiredCapacity", "minSize", "maxSize"), row["nodes"])
    entry["labels"] = dict(_LABELS)
    most = _max_pods(plan, groups)
    if ami is None:
        # With an image eksctl refuses this field: the command below sets the limit then.
        entry["maxPodsPerNode"] = most
    arguments = _arguments(plan, None if ami is None else most)
    if arguments and not managed:
        entry["overrideBootstrapCommand"] = f'{_BOOTSTRAP} {arguments}" {_STREAMS}\n'
    return entry


def _where(row: dict[str, Any]) -> dict[str, Any]:
    if row["subnet"]:
        return {"subnets": [row["subnet"]]}
    return {"availabilityZones": [row["zone"]]} if row["zone"] else {}


def _all_spot(name: str) -> dict[str, Any]:
    """Fields by which a self-managed group uses only Spot nodes."""
    return {
        "instanceType": "mixed",
        "instancesDistribution": {
            "instanceTypes": [name],
            "onDemandBaseCapacity": 0,
            "onDemandPercentageAboveBaseCapacity": 0,
        },
    }


def _stack(
    plan: PlanValues,
    tags: list[dict[str, str]],
    cluster: str,
    ami_family: str,
    ami: str | None,
    *,
    taint: bool,
    plain: bool,
) -> dict[str, Any]:
    """
    CloudFormation template of managed node groups.

    A managed Windows node gets ``--max-pods`` and reservations only through user data of a launch
    template, which must name an image too. If the plan uses the defaults of the image, no launch
    template is needed.

    References
    ----------
    Amazon EKS user guide, "Customize managed nodes with launch templates".
    """
    edition = "Core" if "Core" in ami_family else "Full"
    year = next((one for one in ("2019", "2022", "2025") if one in ami_family), "2022")
    parameters = {
        "ClusterName": {"Type": "String", "Default": cluster},
        "NodeRoleArn": {"Type": "String"},
    }
    resources: dict[str, Any] = {}
    if not plain:
        image = ami or _IMAGE.format(year=year, edition=edition)
        resources |= {"WindowsTemplate": _launch_template(plan, image), "WindowsAccess": _ACCESS}
    for number, (row, tag) in enumerate(zip(plan.places(), tags, strict=True), start=1):
        subnets = "Subnets" + re.sub(r"[^A-Za-z0-9]", "", row["zone"].title())
        if not row["subnet"]:
            parameters[subnets] = {"Type": "List<AWS::EC2::Subnet::Id>"}
        group = _managed_group(row, tag, subnets, taint=taint)
        if plain:
            group["Properties"]["AmiType"] = f"WINDOWS_{edition.upper()}_{year}_x86_64"
        else:
            version = {"Fn::GetAtt": ["WindowsTemplate", "LatestVersionNumber"]}
            template = {"Id": {"Ref": "WindowsTemplate"}, "Version": version}
            group["Properties"]["LaunchTemplate"] = template
            group["DependsOn"] = "WindowsAccess"
        resources[f"WindowsGroup{number}"] = group
    if not plain:
        parameters |= {name: {"Type": "String"} for name in _OWN}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": parameters,
        "Resources": resources,
    }


def _managed_group(
    row: dict[str, Any], tags: dict[str, str], subnets: str, *, taint: bool
) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "ClusterName": {"Ref": "ClusterName"},
        "NodeRole": {"Ref": "NodeRoleArn"},
        "InstanceTypes": [row["instance_type"]],
        "CapacityType": "SPOT" if row["purchase"] == "spot" else "ON_DEMAND",
        "Subnets": [row["subnet"]] if row["subnet"] else {"Ref": subnets},
        "ScalingConfig": dict.fromkeys(("MinSize", "DesiredSize", "MaxSize"), row["nodes"]),
        "Labels": dict(_LABELS),
        "Tags": tags,
    }
    if taint:
        properties["Taints"] = [{"Key": "os", "Value": "windows", "Effect": "NO_SCHEDULE"}]
    return {"Type": "AWS::EKS::Nodegroup", "Properties": properties}


def _launch_template(plan: PlanValues, image: str) -> dict[str, Any]:
    script = (
        "<powershell>\n"
        f"{_SCRIPT}\n"
        '& $EKSBootstrapScriptFile -EKSClusterName "${ClusterName}" '
        '-APIServerEndpoint "${ApiServerEndpoint}" -Base64ClusterCA "${CertificateAuthority}" '
        f'-ServiceCIDR "${{ServiceCidr}}" -KubeletExtraArgs '
        f'"{_arguments(plan, _max_pods(plan))}" {_STREAMS}\n'
        "</powershell>\n"
    )
    named = image.startswith("ami-")
    return {
        "Type": "AWS::EC2::LaunchTemplate",
        "Properties": {
            "LaunchTemplateData": {
                "ImageId": image if named else {"Fn::Sub": f"{{{{resolve:ssm:{image}}}}}"},
                "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": dict(_DISK)}],
                "UserData": {"Fn::Base64": {"Fn::Sub": script}},
            }
        },
    }


def _max_pods(plan: PlanValues, groups: Any = None) -> int:
    """The kubelet's limit of the plan, or all addresses of the largest node, for surge."""
    if plan.kubelet_max_pods is not None:
        return plan.kubelet_max_pods
    groups = plan.groups if groups is None else groups
    most = (max(group.pods_used, group.address_slots) for group in groups)
    return max((pods + plan.daemon_pods for pods in most), default=KUBELET_MAX_PODS)


def _reservations(plan: PlanValues) -> dict[str, dict[str, str]]:
    """Reservations of the plan, in the fields of the kubelet and Karpenter."""
    memory = {
        name: f"{plan.reserved[name]}Mi"
        for name in ("kube_memory_mib", "system_memory_mib", "eviction_mib")
        if plan.reserved.get(name)
    }
    kube = {"memory": memory["kube_memory_mib"]} if "kube_memory_mib" in memory else {}
    if plan.reserved.get("cpu_m"):
        kube["cpu"] = f"{plan.reserved['cpu_m']}m"
    reserved = {"kubeReserved": kube} if kube else {}
    if "system_memory_mib" in memory:
        reserved["systemReserved"] = {"memory": memory["system_memory_mib"]}
    if "eviction_mib" in memory:
        reserved["evictionHard"] = {"memory.available": memory["eviction_mib"]}
    return reserved


def _arguments(plan: PlanValues, most: int | None) -> str:
    """Kubelet arguments for the limit, if one is given, and the reservations."""
    parts = [] if most is None else [f"--max-pods={most}"]
    words = {"kubeReserved": "kube-reserved", "systemReserved": "system-reserved"}
    kept = _reservations(plan)
    for name, word in words.items():
        if name in kept:
            pairs = ",".join(f"{key}={value}" for key, value in sorted(kept[name].items()))
            parts.append(f"--{word}={pairs}")
    if "evictionHard" in kept:
        parts.append(f"--eviction-hard=memory.available<{kept['evictionHard']['memory.available']}")
    return " ".join(parts)


def node_pool(plan: PlanValues, *, name: str, node_class: str, taint: bool) -> str:
    """NodePool of the plan's types and zones, limited to the plan's size."""
    wanted: dict[str, list[str]] = {
        "kubernetes.io/os": ["windows"],
        "kubernetes.io/arch": ["amd64"],
        _TYPE: list(plan.types),
    }
    bought = ["spot" if group.purchase == "spot" else "on-demand" for group in plan.groups]
    if "spot" in bought:
        wanted["karpenter.sh/capacity-type"] = sorted(set(bought))
    zones = sorted({group.zone for group in plan.groups} - {""})
    if zones:
        wanted["topology.kubernetes.io/zone"] = zones
    least = {"minValues": plan.types_per_pod} if plan.types_per_pod > 1 else {}
    spec: dict[str, Any] = {
        "requirements": [
            {"key": key, "operator": "In", "values": values} | (least if key == _TYPE else {})
            for key, values in wanted.items()
        ],
        "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": node_class},
        **({"taints": [dict(_TAINT)]} if taint else {}),
    }
    limits = {"limits": most} if (most := _limits(plan)) else {}
    template = {"metadata": {"labels": dict(_LABELS)}, "spec": spec}
    pool = {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": {"template": template, **limits},
    }
    return _text(_pool_notes(plan), pool)


def _pool_notes(plan: PlanValues) -> list[str]:
    """Notes for readers of the NodePool."""
    types = ", ".join(f"{number:,} x {kind}" for kind, number in plan.types.items())
    notes = [
        f"Karpenter NodePool for: {types}",
        "AMI family Windows2022 and maxPods stand in the EC2NodeClass it names",
        _chosen("Windows2022"),
    ]
    if plan.types_per_pod > 1:
        notes.append(
            "minValues: each node could be any of this number of types, so large ones are less full"
        )
    if plan.prefix_delegation and plan.launcher != "karpenter":
        notes.append(
            "Karpenter counts addresses - 1 under prefix delegation too, and may launch more nodes"
        )
    return notes


def node_class(plan: PlanValues, *, name: str, cluster: str, ami_family: str) -> str:
    """EC2NodeClass with image, subnets, and the kubelet's limit."""
    choice(ami_family, _KARPENTER_FAMILIES, name="ami_family")
    subnets = sorted({group.subnet for group in plan.groups if group.subnet.startswith("subnet-")})
    most = _max_pods(plan)
    document = {
        "apiVersion": "karpenter.k8s.aws/v1",
        "kind": "EC2NodeClass",
        "metadata": {"name": name},
        "spec": {
            "amiFamily": ami_family,
            "amiSelectorTerms": [{"alias": f"{ami_family.lower()}@latest"}],
            "role": f"KarpenterNodeRole-{cluster}",
            "subnetSelectorTerms": [{"id": one} for one in subnets] or [_discovery(cluster)],
            "securityGroupSelectorTerms": [_discovery(cluster)],
            "kubelet": {"maxPods": most, **_reservations(plan)},
        },
    }
    return _text([f"EC2NodeClass; kubelet --max-pods={most}"], document)


def _discovery(cluster: str) -> dict[str, Any]:
    return {"tags": {"karpenter.sh/discovery": cluster}}


def _limits(plan: PlanValues) -> dict[str, str]:
    """Size of the fleet plus one of its largest nodes, so that nodes can be replaced."""
    catalog = Catalog.bundled()
    if any(name not in catalog for name in plan.types):
        return {}
    sizes = [(catalog[name].vcpus, catalog[name].memory_mib, n) for name, n in plan.types.items()]
    vcpus = sum(cpu * n for cpu, _, n in sizes) + max((cpu for cpu, _, _ in sizes), default=0)
    memory = sum(mib * n for _, mib, n in sizes) + max((mib for _, mib, _ in sizes), default=0)
    return {"cpu": str(vcpus), "memory": f"{memory}Mi"}


def _text(notes: list[str], document: dict[str, Any]) -> str:
    import yaml

    text = yaml.safe_dump(document, sort_keys=False, width=1_000)
    return "".join(f"# {note}\n" for note in notes) + str(text)
