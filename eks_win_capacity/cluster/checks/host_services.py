"""Checks of what Windows pods need beside their node: drivers of volumes, and gMSA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eks_win_capacity.cluster.checks.check import AMIS, check, some
from eks_win_capacity.cluster.remedies import word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster.checks.check import Check, Look
    from eks_win_capacity.core.findings import Finding

_EBS: Final = "ebs.csi.aws.com"

_LINUX_ALONE: Final = frozenset({"efs.csi.aws.com", "s3.csi.aws.com"})
"""Drivers that are not compatible with Windows images.

Source: Amazon EKS user guide, considerations of these drivers (2026-11-27).
"""

_PLUGIN: Final = "/ebs-csi-node-windows"


@check(
    "windows-volumes",
    considers="Volumes of Windows pods by CSI drivers that run on Windows, with csi-proxy",
    severity="error",
    why="a volume whose driver has no part on the Windows node is never mounted; that of EBS works "
    "through csi-proxy, which EKS' own AMIs hold, or as HostProcess",
    source=AMIS,
    whole=("workloads", "pods"),
    needs=("workloads|pods",),
)
def windows_volumes(rule: Check, look: Look) -> Iterator[Finding]:
    """Look at the drivers of what Windows pods and manifests mount."""
    users: dict[str, list[str]] = {}
    for maker in look.windows_makers or ():
        for driver in maker.csi_drivers:
            users.setdefault(driver, []).append(maker.full_name)
    found = [
        rule.failed(
            f"{some(users[driver])} mount volumes of {driver}, which is for Linux alone",
            "take volumes of EBS, or of FSx for Windows File Server by the driver of SMB: "
            "https://docs.aws.amazon.com/eks/latest/userguide/storage.html",
            subject=driver,
        )
        for driver in sorted(users.keys() & _LINUX_ALONE)
    ]
    if _EBS in users:
        found += _ebs(rule, look, users[_EBS])
    if "" in users:
        found.append(
            rule.unknown(
                look,
                seen=f"the drivers of the volumes of {some(users[''])} are not known",
                remedy="kubectl get persistentvolumeclaims,persistentvolumes,storageclasses -A -o json",
            )
        )
    yield from found or [
        rule.passed("no volume of a Windows pod is known to lack its driver there")
    ]


def _ebs(rule: Check, look: Look, users: list[str]) -> list[Finding]:
    """What stands in the way of EBS volumes on Windows nodes."""
    plugin = next(
        (m for name, (m, _) in (look.makers or {}).items() if name.endswith(_PLUGIN)), None
    )
    if plugin is None and look.state.workloads is None:
        return [rule.unknown(look, "workloads", subject=_EBS)]
    if plugin is None:
        return [
            rule.failed(
                f"{some(users)} mount volumes of EBS, and no DaemonSet {_PLUGIN[1:]} runs",
                "let the EBS CSI driver run on Windows: node.enableWindows of its chart",
                subject=_EBS,
            )
        ]
    own = [group.name for group in look.groups if group.custom_ami]
    if own and not plugin.host_process:
        return [
            rule.unknown(
                look,
                seen=f"whether the AMI of {some(own)} holds csi-proxy is not known, and the driver "
                "of EBS is not HostProcess",
                remedy="Get-Service csiproxy on a node; or node.windowsHostProcess of the chart",
                subject=_EBS,
            )
        ]
    return []


@check(
    "gmsa-credentials",
    considers="gMSA: the webhook fills credential specs in",
    severity="error",
    why="a pod that names a credential spec of a group managed service account gets its contents "
    "from a webhook when it is created; without them it has no identity in the domain",
    source='Kubernetes, "Configure GMSA for Windows Pods and containers": '
    "https://kubernetes.io/docs/tasks/configure-pod-container/configure-gmsa/",
    whole=("pods",),
    needs=("pods",),
)
def gmsa_credentials(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for pods whose credential spec was named and not filled in."""
    empty = [pod for pod in look.state.pods or () if pod.gmsa_unfilled and pod.active]
    if not empty:
        yield rule.passed("no pod names a credential spec that was not filled in")
        return
    first = word(empty[0].gmsa_unfilled, "CREDENTIAL_SPEC")
    yield rule.failed(
        f"{some([pod.full_name for pod in empty])} name a credential spec without its contents",
        f"kubectl get gmsacredentialspecs {first}; kubectl get mutatingwebhookconfigurations; install "
        "the webhook of kubernetes-sigs/windows-gmsa, then create the pods anew",
    )


CHECKS = (windows_volumes, gmsa_credentials)
"""In the order in which a pod meets them."""
