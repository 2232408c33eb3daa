"""A plan as text for eksctl and Karpenter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.catalog import Catalog
from eks_win_capacity.core.constants import ADDRESS_RESOURCE, WINDOWS_BUILDS
from eks_win_capacity.planning.managed_groups import (
    STREAMS,
    ami_defaults,
    kubelet_arguments,
    managed_groups,
    max_pods,
    reservations_of,
)

if TYPE_CHECKING:
    from eks_win_capacity.planning.plan_values import PlannedGroup, PlanValues

__all__ = ["node_class", "node_groups", "node_pool"]

ADDRESS_TAG: Final = f"k8s.io/cluster-autoscaler/node-template/resources/{ADDRESS_RESOURCE}"
"""Tells the cluster autoscaler the pod addresses of a node that does not run yet."""

_TYPE: Final = "node.kubernetes.io/instance-type"

_BUILD: Final = "node.kubernetes.io/windows-build:"
_LABEL_TAG: Final = "k8s.io/cluster-autoscaler/node-template/label/"
_TAINT_TAG: Final = "k8s.io/cluster-autoscaler/node-template/taint/os"


def node_groups(
    plan: PlanValues, *, cluster: str, region: str, ami_family: str, ami: str | None, taint: bool
) -> str:
    """
    Write node groups, one for each type, zone and subnet, as the plan's launcher has them.

    References
    ----------
    eksctl, ``pkg/nodebootstrap/windows.go``, ``windows_managed.go`` and ``validation.go``:
    ``maxPodsPerNode`` and ``overrideBootstrapCommand`` reach the kubelet of self-managed groups;
    managed Windows groups refuse an image and leave both out, and ``kubeletExtraConfig`` is
    refused for Windows.
    """

    def tags_of(place: dict[str, Any]) -> dict[str, str]:
        return _tags(plan, _of_place(plan, place), ami_family=ami_family, taint=taint)

    if plan.launcher == "managed":
        notes, told = managed_groups(
            plan, cluster=cluster, ami_family=ami_family, ami=ami, taint=taint, tags_of=tags_of
        )
        return _text([*notes, _chosen(ami_family), *_about_places(plan)], told)
    managed = ami_defaults(plan) and ami is None
    entries = [
        _entry(plan, place, ami_family=ami_family, ami=ami, taint=taint, managed=managed)
        for place in plan.places()
    ]
    kind = "EKS managed" if managed else "self-managed"
    told = {
        "apiVersion": "eksctl.io/v1alpha5",
        "kind": "ClusterConfig",
        "metadata": {"name": cluster, "region": region},
        "managedNodeGroups" if managed else "nodeGroups": entries,
    }
    notes = [f"{kind} node groups for eksctl: eksctl create nodegroup -f FILE"]
    notes.append(
        f"bootstrap argument: -KubeletExtraArgs '{kubelet_arguments(plan, max_pods(plan))}'"
    )
    if managed:
        notes.append(
            "EKS keeps tags off the Auto Scaling groups it manages: check names the command"
        )
    return _text([*notes, _chosen(ami_family), *_about_places(plan)], told)


def _build(ami_family: str) -> str:
    """The Windows build of an AMI family; that of 2022 where it names none."""
    named = (build for build, year in WINDOWS_BUILDS.items() if year in ami_family)
    return f"10.0.{next(named, 20348)}"


def _chosen(ami_family: str) -> str:
    """How pods choose the nodes where others of another release run too."""
    return f"nodeSelector of pods beside other releases: {_BUILD} {_build(ami_family)}"


def _about_places(plan: PlanValues) -> list[str]:
    cidrs = any(group.subnet and not group.subnet.startswith("subnet-") for group in plan.groups)
    return ["put subnet ids in place of the CIDRs"] * cidrs


def _of_place(plan: PlanValues, place: dict[str, Any]) -> list[PlannedGroup]:
    key = ("instance_type", "zone", "subnet", "purchase")
    return [
        group for group in plan.groups if all(getattr(group, name) == place[name] for name in key)
    ]


def _tags(
    plan: PlanValues, groups: list[PlannedGroup], *, ami_family: str, taint: bool
) -> dict[str, str]:
    """Tags by which the cluster autoscaler knows a node of the group before there is one."""
    most = max(group.address_slots + plan.daemon_addresses for group in groups)
    tags = {ADDRESS_TAG: str(most), f"{_LABEL_TAG}kubernetes.io/os": "windows"}
    tags |= {f"{_LABEL_TAG}{_BUILD.rstrip(':')}": _build(ami_family)}
    return tags | ({_TAINT_TAG: "windows:NoSchedule"} if taint else {})


_BOOTSTRAP: Final = (
    '& $EKSBootstrapScriptFile -EKSClusterName "$EKSClusterName" '
    '-APIServerEndpoint "$APIServerEndpoint" -Base64ClusterCA "$Base64ClusterCA" '
    '-ServiceCIDR "$ServiceCIDR" -KubeletExtraArgs "$KubeletExtraArgs'
)
"""Start of the bootstrap, as eksctl calls it, up to further arguments of the kubelet."""


def _entry(
    plan: PlanValues,
    place: dict[str, Any],
    *,
    ami_family: str,
    ami: str | None,
    taint: bool,
    managed: bool,
) -> dict[str, Any]:
    name, zone, subnet = place["instance_type"], place["zone"], place["subnet"]
    spot = place["purchase"] == "spot"
    where = (subnet or zone).replace(".", "-").replace("/", "-")
    groups = _of_place(plan, place)
    most = max_pods(plan, groups)
    parts = ("windows", name.replace(".", "-"), where, place["purchase"] * (not managed or spot))
    entry: dict[str, Any] = {
        "name": "-".join(one for one in parts if one and one != "on-demand"),
        "amiFamily": ami_family,
    }
    if ami is not None:
        entry["ami"] = ami
    entry |= {"instanceTypes": [name]} if managed else {"instanceType": name}
    if spot:
        entry |= {"spot": True} if managed else _all_spot(name)
    entry |= dict.fromkeys(("desiredCapacity", "minSize", "maxSize"), place["nodes"])
    entry["labels"] = {"windows-fleet": "planned"}
    if ami is None:
        # Beside an image eksctl refuses it: the command below carries it then.
        entry["maxPodsPerNode"] = most
    arguments = kubelet_arguments(plan, None if ami is None else most)
    if arguments and not managed:
        entry["overrideBootstrapCommand"] = f'{_BOOTSTRAP} {arguments}" {STREAMS}\n'
    if taint:
        entry["taints"] = [{"key": "os", "value": "windows", "effect": "NoSchedule"}]
    entry |= {
        "tags": _tags(plan, groups, ami_family=ami_family, taint=taint),
        "propagateASGTags": True,
    }
    if subnet:
        entry["subnets"] = [subnet]
    elif zone:
        entry["availabilityZones"] = [zone]
    return entry


def _all_spot(name: str) -> dict[str, Any]:
    """How a group that is not managed takes Spot nodes alone."""
    return {
        "instanceType": "mixed",
        "instancesDistribution": {
            "instanceTypes": [name],
            "onDemandBaseCapacity": 0,
            "onDemandPercentageAboveBaseCapacity": 0,
        },
    }


def node_pool(plan: PlanValues, *, name: str, node_class: str, taint: bool) -> str:
    """Write a NodePool of the plan's types and zones, limited to the plan's size."""
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
    }
    if taint:
        spec["taints"] = [{"key": "os", "value": "windows", "effect": "NoSchedule"}]
    limits = {"limits": most} if (most := _limits(plan)) else {}
    template = {"metadata": {"labels": {"windows-fleet": "planned"}}, "spec": spec}
    pool = {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": {"template": template, **limits},
    }
    return _text(_notes(plan), pool)


def _notes(plan: PlanValues) -> list[str]:
    """What a NodePool does not say of itself."""
    notes = [
        "Karpenter NodePool for: "
        + ", ".join(f"{number:,} x {kind}" for kind, number in plan.types.items()),
        "AMI family Windows2022 and maxPods stand in the EC2NodeClass it names",
        _chosen("Windows2022"),
    ]
    if plan.types_per_pod > 1:
        notes.append(
            "minValues: each node could be any of so many types, so that large ones stay less full"
        )
    if plan.prefix_delegation and plan.launcher != "karpenter":
        notes.append(
            "Karpenter counts addresses - 1 under prefix delegation too, and may launch more nodes"
        )
    return notes


def node_class(plan: PlanValues, *, name: str, cluster: str, ami_family: str) -> str:
    """Write the EC2NodeClass: image, subnets, and the kubelet's limit."""
    subnets = sorted({group.subnet for group in plan.groups if group.subnet.startswith("subnet-")})
    most = max_pods(plan)
    told = {
        "apiVersion": "karpenter.k8s.aws/v1",
        "kind": "EC2NodeClass",
        "metadata": {"name": name},
        "spec": {
            "amiFamily": ami_family,
            "amiSelectorTerms": [{"alias": f"{ami_family.lower()}@latest"}],
            "role": f"KarpenterNodeRole-{cluster}",
            "subnetSelectorTerms": [{"id": one} for one in subnets] or _discovery(cluster),
            "securityGroupSelectorTerms": _discovery(cluster),
            "kubelet": {"maxPods": most, **reservations_of(plan)},
        },
    }
    return _text([f"EC2NodeClass; kubelet --max-pods={most}"], told)


def _limits(plan: PlanValues) -> dict[str, str]:
    """Size of the fleet and one node more of its largest type, so that nodes can be replaced."""
    catalog = Catalog.bundled()
    if any(name not in catalog for name in plan.types):
        return {}
    sizes = [(catalog[name].vcpus, catalog[name].memory_mib, n) for name, n in plan.types.items()]
    vcpus = sum(cpu * n for cpu, _, n in sizes) + max((cpu for cpu, _, _ in sizes), default=0)
    memory = sum(mib * n for _, mib, n in sizes) + max((mib for _, mib, _ in sizes), default=0)
    return {"cpu": str(vcpus), "memory": f"{memory}Mi"}


def _discovery(cluster: str) -> list[dict[str, Any]]:
    return [{"tags": {"karpenter.sh/discovery": cluster}}]


def _text(notes: list[str], told: dict[str, Any]) -> str:
    import yaml

    return "".join(f"# {note}\n" for note in notes) + str(
        yaml.safe_dump(told, sort_keys=False, width=1_000)
    )
