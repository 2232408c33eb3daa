"""What the kubelet of a planned node is told when it starts, and how each launcher passes it on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.core.constants import KUBELET_MAX_PODS

if TYPE_CHECKING:
    from eks_win_capacity.planning.plan_values import PlanValues

__all__ = ["ami_defaults", "kubelet_arguments", "max_pods", "reservations_of"]

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
