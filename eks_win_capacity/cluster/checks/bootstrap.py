"""Checks of what nodes are started with: the bootstrap script, the service addresses, the place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_win_capacity.cluster.checks.check import AMIS, CONTROLLER, check, some, windows_group
from eks_win_capacity.core import kernels
from eks_win_capacity.core.constants import DEFAULT_SERVICE_CIDRS, SERVICES_WITHOUT_DSR
from eks_win_capacity.core.display import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster.checks.check import Check, Look
    from eks_win_capacity.core.findings import Finding


@check(
    "bootstrap-without-ami",
    considers="A bootstrap script only in a launch template that names an AMI",
    severity="error",
    why="EKS starts its own AMIs with a bootstrap call of its own: a second one in the user data "
    "runs beside it, its arguments are lost or the node does not join",
    source='Amazon EKS user guide, "Customize managed nodes with launch templates": '
    "https://docs.aws.amazon.com/eks/latest/userguide/launch-templates.html",
    whole=("node_groups",),
    needs=("node_groups",),
)
def bootstrap_without_ami(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for managed Windows groups whose user data starts the node a second time."""
    groups = [group for group in look.groups if group.managed]
    wrong = [g.name for g in groups if g.bootstraps and g.custom_ami is False]
    blind = [g.name for g in groups if g.launch_template and not g.user_data_known]
    if wrong:
        yield rule.failed(
            f"the launch template of {some(wrong)} runs the bootstrap script and names no AMI",
            "name the AMI id in the template (aws ssm get-parameter --name /aws/service/"
            "ami-windows-latest/...), or take the bootstrap call out of its user data",
        )
    if blind:
        yield rule.unknown(
            look,
            seen=f"the user data of {some(blind)} are not known",
            remedy="give the answer of: aws ec2 describe-launch-template-versions",
        )
    if not wrong and not blind:
        yield rule.passed("no managed Windows group is started twice")


@check(
    "service-cidr",
    considers="-ServiceCIDR where the cluster's service addresses are chosen by hand",
    severity="error",
    why="the bootstrap script assumes one of EKS' own ranges: with another one the pods ask a "
    "DNS address that does not exist",
    source=AMIS,
)
def service_cidr(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare the cluster's service addresses with those of the bootstrap arguments."""
    cidr = look.state.service_cidr
    if cidr is None:
        yield rule.unknown(look, "service_cidr")
        return
    if cidr in DEFAULT_SERVICE_CIDRS:
        yield rule.passed(f"services have {cidr}, as EKS chooses by itself")
        return
    if look.state.node_groups is None:
        yield rule.unknown(look, "node_groups")
        return
    own = [g for g in look.groups if g.bootstraps]
    wrong = [g.name for g in own if g.service_cidr != cidr]
    blind = [
        g.name
        for g in look.groups
        if not g.user_data_known and (not g.managed or g.custom_ami is not False)
    ]
    if wrong:
        yield rule.failed(
            f"services have {cidr}, and the bootstrap arguments of {some(wrong)} do not say so",
            f"add -ServiceCIDR {cidr} to the bootstrap arguments in the launch template, and "
            "replace the nodes",
        )
    if blind:
        yield rule.unknown(
            look,
            seen=f"services have {cidr}; whether the bootstrap arguments of {some(blind)} say so is "
            "not known",
            remedy="give the answer of: aws ec2 describe-launch-template-versions",
        )
    if not wrong and not blind:
        yield rule.passed(f"services have {cidr}; no bootstrap script of your own contradicts it")


@check(
    "direct-server-return",
    considers="Direct server return where a cluster has more than 100 services",
    severity="info",
    why="without it kube-proxy on Windows keeps several host policies for each service, and runs "
    "out of them near 100 services",
    source='Kubernetes, "Networking on Windows", load balancing: '
    "https://kubernetes.io/docs/concepts/services-networking/windows-networking/",
    whole=("services",),
    needs=("services",),
)
def direct_server_return(rule: Check, look: Look) -> Iterator[Finding]:
    """Count the services, and look for the switch in the bootstrap arguments."""
    count = sum(service.kind != "ExternalName" for service in look.state.services or ())
    told = count_of(count, "service")
    if count <= SERVICES_WITHOUT_DSR:
        yield rule.passed(f"{told}: no more than {SERVICES_WITHOUT_DSR}")
        return
    groups = look.groups
    known = [g for g in groups if g.bootstraps]
    without = [g.name for g in known if not g.dsr]
    if without:
        yield rule.failed(
            f"{told}, and the bootstrap arguments of {some(without)} do not turn it on",
            "see whether kube-proxy on a node has --enable-dsr=true; if not, add it to the "
            "bootstrap arguments (-KubeProxyExtraArgs)",
        )
    elif known and len(known) == len(groups):
        yield rule.passed(f"{told}, with direct server return")
    elif look.state.windows_nodes == () and not groups:
        yield rule.passed("no Windows nodes yet")
    else:
        yield rule.unknown(
            look,
            seen=f"{told}; whether kube-proxy on Windows has direct server return is not known",
            remedy="see whether its arguments on a node hold --enable-dsr=true",
        )


@check(
    "launch-prefixes",
    considers="/28 prefixes that nodes get at launch: by the launch template or ipPrefixCount",
    severity="warning",
    why="each holds a slot and a whole /28 block of the subnet before any pod runs: in "
    "secondary mode the controller only gives them back, and EC2 starts no node with more than its "
    "interface holds",
    source=CONTROLLER,
    whole=("node_groups", "node_classes"),
    needs=("node_groups|node_classes",),
)
def launch_prefixes(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare what nodes get at launch with their slots, and with the mode."""
    given = [
        (f"node group {group.name}", group.prefixes, group.instance_types)
        for group in look.groups
        if group.prefixes
    ] + [
        (f"EC2NodeClass {made.name}", made.prefixes, pool.instance_types)
        for pool, made in look.pools
        if made is not None and made.prefixes
    ]
    for who, count, types in given:
        yield _at_launch(rule, look, who, count or 0, types)
    if not given:
        yield rule.passed("no Windows node gets prefixes at launch, as far as is known")


def _at_launch(rule: Check, look: Look, who: str, count: int, types: tuple[str, ...]) -> Finding:
    told = f"{who} starts each node with {count_of(count, 'prefix', 'prefixes')}"
    rows = [row for name in types if (row := look.row(name)) is not None]
    # Every slot but that of the node's own address can hold a prefix.
    small = [r.name for r in rows if count > kernels.secondary(r.ipv4_per_interface)]
    old = [r.name for r in rows if not r.nitro]
    if small or old:
        return rule.failed(
            f"{told}; {some(small or old)} "
            + ("holds fewer on its interface" if small else "is not a Nitro type and takes none"),
            f"lower the count, or leave {some(small or old)} out",
            subject=who,
            severity="error",
        )
    if look.mode is None:
        return rule.unknown(
            look, "cni_configmap", seen=f"{told}; the mode is not known", subject=who
        )
    if look.mode:
        return rule.passed(f"{told}, which prefix mode uses", subject=who)
    return rule.failed(
        f"{told}, and the cluster is in secondary mode",
        "take the count out (Ipv4PrefixCount of the launch template, ipPrefixCount of the "
        "EC2NodeClass), or turn prefix delegation on: eks-win-capacity migration",
        subject=who,
    )


@check(
    "local-cluster",
    considers="No Windows nodes in a local cluster on an Outpost",
    severity="error",
    why="a local cluster takes self-managed nodes of Amazon Linux alone",
    source='Amazon EKS user guide, "Create an Amazon EKS local cluster on an AWS Outpost": '
    "https://docs.aws.amazon.com/eks/latest/userguide/eks-outposts-local-cluster-create.html",
    needs=("local_cluster",),
)
def local_cluster(rule: Check, look: Look) -> Iterator[Finding]:
    """Look at where the control plane runs."""
    if look.state.local_cluster:
        yield rule.failed(
            "the control plane runs on an Outpost",
            "run Windows nodes in a cluster whose control plane is in the Region; its nodes may be "
            "on the Outpost (an extended cluster)",
        )
    else:
        yield rule.passed("the control plane runs in the Region")


@check(
    "windows-ami-regions",
    considers="Windows AMI types of managed node groups in commercial Regions alone",
    severity="error",
    why="EKS makes no managed node group with a Windows AMI type in GovCloud, in China or in another "
    "partition",
    source="Amazon EKS API reference, CreateNodegroup (2026-11-27): "
    "https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateNodegroup.html",
    whole=("node_groups",),
    needs=("node_groups",),
)
def windows_ami_regions(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare the Windows AMI types of managed groups with the cluster's partition."""
    groups = [g for g in look.groups if g.managed and g.ami_type.startswith("WINDOWS")]
    names = some([group.name for group in groups])
    running = {node.node_group for node in look.windows}
    planned = [group.name for group in groups if group.name not in running]
    if not groups:
        yield rule.passed("no managed node group has a Windows AMI type")
    elif not look.state.region and not any(node.zone for node in look.state.nodes or ()):
        yield rule.unknown(look, "region", seen=f"the Region of {names} is not known")
    elif look.partition != "aws" and planned:
        yield rule.failed(
            f"{some(planned)} would be a managed Windows group in {look.partition}",
            f"in its place {windows_group(look)}; eksctl makes one of an item of nodeGroups",
            subject=planned[0],
        )
    else:
        yield rule.passed(f"EKS has Windows AMI types in the Region of {names}")


CHECKS = (
    bootstrap_without_ami,
    service_cidr,
    direct_server_return,
    launch_prefixes,
    local_cluster,
    windows_ami_regions,
)
"""In the order in which a node meets them."""
