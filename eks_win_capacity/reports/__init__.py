"""What a cluster's Windows nodes hold, what is left, and what binds."""

from eks_win_capacity.reports._changes import Change
from eks_win_capacity.reports._karpenter import karpenter_view
from eks_win_capacity.reports._pending import PendingPod, explain_pending
from eks_win_capacity.reports._report import ClusterReport, cluster_report

__all__ = [
    "Change",
    "ClusterReport",
    "PendingPod",
    "cluster_report",
    "explain_pending",
    "karpenter_view",
]
