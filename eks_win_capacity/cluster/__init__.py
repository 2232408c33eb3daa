"""One cluster: its known state, Windows readiness, remaining capacity, and why pods are pending."""

from eks_win_capacity.core.lazy import lazy_names

_HOME = {
    name: module
    for module, names in {
        "autoscalers": "karpenter_view",
        "checks": "CHECKS Check check_cluster",
        "full_subnet": "DrainStep drains_for_blocks",
        "pending": "PendingPod explain_pending",
        "records": "AccessEntry Addon FargateProfile Instance InterfaceState Node NodeClaim "
        "NodeClass NodeGroup NodePool Pod RoleMapping SecurityGroupPolicy Service "
        "SubnetState Workload WorkloadManifest",
        "remedies": "Change",
        "report": "ClusterReport cluster_report",
        "state": "ClusterState PARTS",
    }.items()
    for name in names.split()
}
"""Module of each name; each loads on first use."""

__all__ = [*_HOME]  # noqa: PLE0604

__getattr__, __dir__ = lazy_names(__name__, _HOME)
