"""The texts that remedies apply: manifests, entries, arguments, tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eks_win_capacity.constants import WINDOWS_ROLE_GROUPS

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEMPLATE: Final = "k8s.io/cluster-autoscaler/node-template/"


def configmap(data: Mapping[str, str]) -> str:
    """Write ConfigMap kube-system/amazon-vpc-cni; every value is a quoted text."""
    import json

    rows = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in data.items())
    return (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: amazon-vpc-cni\n"
        f"  namespace: kube-system\ndata:\n{rows}"
    )


def aws_auth_entry(role: str) -> dict[str, str]:
    """Write the entry of a role for mapRoles, to be added to what aws-auth holds."""
    groups = "".join(f"    - {group}\n" for group in WINDOWS_ROLE_GROUPS)
    text = (
        "# Add to mapRoles: kubectl edit configmap -n kube-system aws-auth\n"
        f"- rolearn: arn:aws:iam::ACCOUNT_ID:role/{role}\n"
        f"  username: system:node:{{{{EC2PrivateDNSName}}}}\n  groups:\n{groups}"
    )
    return {f"aws-auth-{role}.yaml": text}


def access_entry_command(role: str, cluster: str | None) -> str:
    """Give the command that makes a role's access entry."""
    return (
        f"aws eks create-access-entry --cluster-name {cluster or 'NAME'} --principal-arn "
        f"arn:aws:iam::ACCOUNT_ID:role/{role} --type EC2_WINDOWS (delete an entry of another "
        "type first)"
    )


def bootstrap_arguments(max_pods: int | None) -> str:
    """Give the bootstrap arguments with the reservations that AWS advises."""
    pods = "" if max_pods is None else f"--max-pods={max_pods} "
    return (
        f"-KubeletExtraArgs '{pods}--kube-reserved memory=0.5Gi,ephemeral-storage=1Gi "
        "--system-reserved memory=1.5Gi,ephemeral-storage=1Gi "
        "--eviction-hard memory.available<200Mi,nodefs.available<10%'"
    )


def autoscaler_tags(addresses: int) -> dict[str, str]:
    """
    Give the tags by which the cluster autoscaler knows a Windows node before it exists.

    Parameters
    ----------
    addresses : int
        Pod addresses that the node will advertise. [addresses]
    """
    return {
        f"{_TEMPLATE}resources/vpc.amazonaws.com/PrivateIPv4Address": str(addresses),
        f"{_TEMPLATE}label/kubernetes.io/os": "windows",
        f"{_TEMPLATE}label/kubernetes.io/arch": "amd64",
    }
