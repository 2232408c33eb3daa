"""One cluster: what is known of it, whether it is ready, what is left, why pods wait."""

from eks_win_capacity.core.lazy import lazy_names

_HOME = {
    "AccessEntry": "records",
    "Addon": "records",
    "CHECKS": "checks",
    "Change": "remedies",
    "Check": "checks",
    "ClusterReport": "report",
    "ClusterState": "state",
    "DrainStep": "full_subnet",
    "FargateProfile": "records",
    "Instance": "records",
    "InterfaceState": "records",
    "Node": "records",
    "NodeClaim": "records",
    "NodeClass": "records",
    "NodeGroup": "records",
    "NodePool": "records",
    "PARTS": "state",
    "PendingPod": "pending",
    "Pod": "records",
    "RoleMapping": "records",
    "SecurityGroupPolicy": "records",
    "Service": "records",
    "SubnetState": "records",
    "Workload": "records",
    "WorkloadManifest": "records",
    "check_cluster": "checks",
    "cluster_report": "report",
    "drains_for_blocks": "full_subnet",
    "explain_pending": "pending",
    "karpenter_view": "autoscalers",
}
"""Module of each name; each loads on first use."""

__all__ = [*_HOME]  # noqa: PLE0604

__getattr__, __dir__ = lazy_names(__name__, _HOME)
