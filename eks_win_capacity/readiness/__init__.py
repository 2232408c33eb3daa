"""
Is this cluster ready for Windows, and if not, why.

Every consideration and step of the EKS guide "Deploy Windows nodes on EKS
clusters", and the check that covers it:

| code | severity | consideration |
|---|---|---|
| windows-platform-version | error | Kubernetes and platform version for Windows support |
| prefix-platform-version | error | Platform version for prefix delegation on Windows |
| ip-family | error | No IPv6 with Windows |
| legacy-windows-support | warning | Legacy Windows support removed |
| coredns-capacity | error | One Linux node or Fargate pod for CoreDNS |
| coredns-redundancy | warning | Two Linux nodes or Fargate pods recommended for CoreDNS |
| resource-controller-policy | error | Managed policy AmazonEKSVPCResourceController on the cluster role |
| custom-networking | error | No custom networking with Windows |
| security-groups-for-pods | error | No security groups for pods with Windows |
| fargate-windows-pods | error | No Windows pods on Fargate |
| auto-mode-windows-pods | error | No Windows pods in EKS Auto Mode |
| hybrid-windows-pods | error | No Windows pods on Hybrid Nodes |
| windows-ipam-enabled | error | enable-windows-ipam in ConfigMap amazon-vpc-cni |
| prefix-delegation-nitro | warning | Prefix delegation acts on Nitro and bare-metal types only |
| warm-targets | warning | Warm targets of the ConfigMap do what they say |
| subnet-room | error | Room in the subnets for one more Windows node |
| control-plane-room | warning | Free addresses for the control plane in the cluster's subnets |
| aws-auth-mapping | error | Node role in aws-auth with its three groups |
| access-entry | error | Access entry of type EC2_WINDOWS where entries replace aws-auth |
| custom-ami-mapping | error | Custom AMI in a managed node group needs the mapping too |
| shared-node-role | warning | Node role not shared by Windows and Linux nodes |
| windows-server-version | error | Windows Server release and Kubernetes version |
| kubelet-version | warning | Windows AMI for the cluster's Kubernetes version |
| instance-type-windows | error | Instance types that run Windows; amd64 only, no Arm |
| instance-type-caveats | warning | Instance types with a known caveat under Windows |
| instance-type-controller | warning | Instance types that the VPC resource controller knows |
| node-advertises-addresses | error | Windows nodes advertise pod addresses |
| kubelet-max-pods | warning | Kubelet max-pods against addresses |
| system-memory | warning | 2 GiB of memory kept for the system |
| autoscaler-node-template | warning | Node-template tag for the cluster autoscaler |
| os-selector | error | Node selector for the operating system, Linux workloads too |
| arch-selector | warning | Node selector for the architecture of Windows workloads |
| service-backends | error | At most 1024 backends of a service, 64 before build 17763.2746 |
| event-log-collected | info | Logs of kubelet and kube-proxy in an event log of 200 MB |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_win_capacity.errors import UnsupportedInputError
from eks_win_capacity.readiness import _control_plane, _network, _nodes, _workloads
from eks_win_capacity.readiness._files import autoscaler_tags
from eks_win_capacity.readiness._rules import Check, Look

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.cluster import ClusterState
    from eks_win_capacity.findings import Finding

__all__ = ["CHECKS", "Check", "autoscaler_tags", "check_cluster", "remedies"]

CHECKS: tuple[Check, ...] = (
    *_control_plane.CHECKS,
    *_network.CHECKS,
    *_nodes.CHECKS,
    *_workloads.CHECKS,
)
"""Every check: one for each consideration and step of the guide."""


def check_cluster(state: ClusterState, *, catalog: Catalog | None = None) -> tuple[Finding, ...]:
    """
    Check every consideration and step of the EKS guide for Windows nodes.

    Parameters
    ----------
    state : ClusterState
        From `aws.load_cluster`, `kubectl.load`, `load_files`, or their merge.
    catalog : Catalog, optional
        The instance types to judge by; the bundled ones by default.

    Returns
    -------
    tuple of Finding
        At least one for each of `CHECKS`, in their order, with the outcome
        ``fail``, ``pass`` or ``unknown``; and those of the warm pool. Where the
        state does not tell, the outcome is unknown, never a pass.

    Raises
    ------
    UnsupportedInputError
        If the state is something else.

    Examples
    --------
    >>> from eks_win_capacity.cluster import ClusterState
    >>> found = check_cluster(ClusterState(ip_family="ipv6"))
    >>> [(f.code, f.seen) for f in found if f.outcome == "fail"]
    [('ip-family', 'the cluster uses ipv6')]
    >>> {f.outcome for f in found if f.code != "ip-family"}
    {'unknown'}
    """
    from eks_win_capacity.cluster import ClusterState

    if not isinstance(state, ClusterState):
        raise UnsupportedInputError(
            f"check_cluster needs a ClusterState; got {type(state).__name__}: load it with "
            "kubectl.load or aws.load_cluster"
        )
    if catalog is None:
        from eks_win_capacity.catalog import Catalog

        catalog = Catalog.bundled()
    look = Look(state, catalog)
    return tuple(finding for rule in CHECKS for finding in rule.run(rule, look))


def remedies(findings: Iterable[Finding]) -> dict[str, str]:
    """
    Gather the files that the remedies of failed checks apply.

    Parameters
    ----------
    findings : iterable of Finding
        From `check_cluster`.

    Returns
    -------
    dict of str to str
        File name and text: the ConfigMap, entries for aws-auth, bootstrap
        arguments and node-template tags, as far as they are needed. Two texts
        of one name are numbered. Account ids are left to fill in.

    Examples
    --------
    >>> from eks_win_capacity.cluster import ClusterState
    >>> list(remedies(check_cluster(ClusterState(cni_configmap={}))))
    ['amazon-vpc-cni.yaml']
    """
    made: dict[str, str] = {}
    for finding in findings:
        if finding.outcome != "fail":
            continue
        for name, text in finding.files:
            stem, dot, kind = name.rpartition(".")
            free, number = name, 1
            while made.get(free, text) != text:
                number += 1
                free = f"{stem}-{number}{dot}{kind}"
            made[free] = text
    return made
