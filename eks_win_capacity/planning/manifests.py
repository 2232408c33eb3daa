"""A plan as text for eksctl and Karpenter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.catalog import Catalog
from eks_win_capacity.core.constants import KUBELET_MAX_PODS

if TYPE_CHECKING:
    from eks_win_capacity.planning.plan_values import NodeGroup, PlanValues

__all__ = ["node_class", "node_groups", "node_pool"]

ADDRESS_TAG: Final = (
    "k8s.io/cluster-autoscaler/node-template/resources/vpc.amazonaws.com/PrivateIPv4Address"
)
"""Tells the cluster autoscaler the pod addresses of a node that does not run yet."""

_LABEL_TAG: Final = "k8s.io/cluster-autoscaler/node-template/label/kubernetes.io/os"
_TAINT_TAG: Final = "k8s.io/cluster-autoscaler/node-template/taint/os"


def node_groups(
    plan: PlanValues, *, cluster: str, region: str, ami_family: str, ami: str | None, taint: bool
) -> str:
    """
    Write managed node groups of eksctl, one for each type, zone and subnet.

    References
    ----------
    eksctl, ``pkg/nodebootstrap/windows.go`` and ``windows_managed.go``: ``maxPodsPerNode``
    reaches the kubelet of self-managed groups; managed Windows groups refuse an image and leave
    it out.
    """
    entries = []
    most = _max_pods(plan, plan.groups)
    managed = most == KUBELET_MAX_PODS and ami is None
    kind = "EKS managed" if managed else "self-managed"
    notes = [f"{kind} node groups for eksctl: eksctl create nodegroup -f FILE"]
    for place in plan.places():
        mine = [
            group
            for group in plan.groups
            if (group.instance_type, group.zone, group.subnet)
            == (place["instance_type"], place["zone"], place["subnet"])
        ]
        entries.append(
            _entry(plan, place, mine, ami_family=ami_family, ami=ami, taint=taint, managed=managed)
        )
    notes.append(f"bootstrap argument: -KubeletExtraArgs '--max-pods={most}'")
    if any(group.subnet and not group.subnet.startswith("subnet-") for group in plan.groups):
        notes.append("put subnet ids in place of the CIDRs")
    told = {
        "apiVersion": "eksctl.io/v1alpha5",
        "kind": "ClusterConfig",
        "metadata": {"name": cluster, "region": region},
        "managedNodeGroups" if managed else "nodeGroups": entries,
    }
    return _text(notes, told)


def _entry(
    plan: PlanValues,
    place: dict[str, Any],
    groups: list[NodeGroup],
    *,
    ami_family: str,
    ami: str | None,
    taint: bool,
    managed: bool,
) -> dict[str, Any]:
    name, zone, subnet = place["instance_type"], place["zone"], place["subnet"]
    where = (subnet or zone).replace(".", "-").replace("/", "-")
    most = _max_pods(plan, groups)
    entry: dict[str, Any] = {
        "name": "-".join(filter(None, ("windows", name.replace(".", "-"), where))),
        "amiFamily": ami_family,
    }
    if ami is not None:
        entry["ami"] = ami
    entry |= {"instanceTypes": [name]} if managed else {"instanceType": name}
    entry |= {
        "desiredCapacity": place["nodes"],
        "minSize": place["nodes"],
        "maxSize": place["nodes"],
        "maxPodsPerNode": most,
        "labels": {"windows-fleet": "planned"},
    }
    tags = {
        ADDRESS_TAG: str(max(group.address_slots + plan.daemon_addresses for group in groups)),
        _LABEL_TAG: "windows",
    }
    if taint:
        entry["taints"] = [{"key": "os", "value": "windows", "effect": "NoSchedule"}]
        tags[_TAINT_TAG] = "windows:NoSchedule"
    entry |= {"tags": tags, "propagateASGTags": True}
    if subnet:
        entry["subnets"] = [subnet]
    elif zone:
        entry["availabilityZones"] = [zone]
    return entry


def _max_pods(plan: PlanValues, groups: Any) -> int:
    """Kubelet's limit: the one planned with, else all addresses of the largest, for surge."""
    if plan.kubelet_max_pods is not None:
        return plan.kubelet_max_pods
    most = (max(group.pods_used, group.address_slots) for group in groups)
    return max((pods + plan.daemon_pods for pods in most), default=KUBELET_MAX_PODS)


def node_pool(plan: PlanValues, *, name: str, node_class: str, taint: bool) -> str:
    """Write a NodePool of the plan's types and zones, limited to the plan's size."""
    wanted: dict[str, list[str]] = {
        "kubernetes.io/os": ["windows"],
        "kubernetes.io/arch": ["amd64"],
        "node.kubernetes.io/instance-type": list(plan.types),
    }
    zones = sorted({group.zone for group in plan.groups} - {""})
    if zones:
        wanted["topology.kubernetes.io/zone"] = zones
    spec: dict[str, Any] = {
        "requirements": [
            {"key": key, "operator": "In", "values": values} for key, values in wanted.items()
        ],
        "nodeClassRef": {
            "group": "karpenter.k8s.aws",
            "kind": "EC2NodeClass",
            "name": node_class,
        },
    }
    if taint:
        spec["taints"] = [{"key": "os", "value": "windows", "effect": "NoSchedule"}]
    limits = _limits(plan)
    told = {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": {
            "template": {"metadata": {"labels": {"windows-fleet": "planned"}}, "spec": spec},
            **({"limits": limits} if limits else {}),
        },
    }
    notes = [
        "Karpenter NodePool for: "
        + ", ".join(f"{number:,} x {kind}" for kind, number in plan.types.items()),
        "AMI family Windows2022 and maxPods stand in the EC2NodeClass it names",
    ]
    if plan.prefix_delegation and plan.launcher != "karpenter":
        notes.append(
            "Karpenter counts addresses - 1 under prefix delegation too, and may launch more nodes"
        )
    return _text(notes, told)


def node_class(plan: PlanValues, *, name: str, cluster: str, ami_family: str) -> str:
    """Write the EC2NodeClass: image, subnets, and the kubelet's limit."""
    subnets = sorted({group.subnet for group in plan.groups if group.subnet.startswith("subnet-")})
    most = _max_pods(plan, plan.groups)
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
            "kubelet": {"maxPods": most, **_reservations(plan)},
        },
    }
    return _text([f"EC2NodeClass; kubelet --max-pods={most}"], told)


def _reservations(plan: PlanValues) -> dict[str, Any]:
    """Reservations that were planned with, as the kubelet and Karpenter read them."""
    kept = plan.reserved
    if not kept:
        return {}
    kube = {"memory": f"{kept['kube_memory_mib']}Mi"}
    if kept["cpu_m"]:
        kube["cpu"] = f"{kept['cpu_m']}m"
    return {
        "kubeReserved": kube,
        "systemReserved": {"memory": f"{kept['system_memory_mib']}Mi"},
        "evictionHard": {"memory.available": f"{kept['eviction_mib']}Mi"},
    }


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

    return "".join(f"# {note}\n" for note in notes) + str(yaml.safe_dump(told, sort_keys=False))
