"""Checks of what starts Windows nodes: tags, launch templates, Karpenter NodePools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_win_capacity.catalog.limits import secondary
from eks_win_capacity.cluster.autoscalers import halted, lacking_tags, unhalt, wanted_tags
from eks_win_capacity.cluster.checks.check import (
    AMIS,
    CONTROLLER,
    KARPENTER,
    Check,
    some,
    windows_group,
)
from eks_win_capacity.cluster.remedies import tag_command, tags_file, word
from eks_win_capacity.cluster.serving import group_of, heard
from eks_win_capacity.core.constants import (
    ADDRESS_RESOURCE,
    DEFAULT_SERVICE_CIDRS,
    SERVICES_WITHOUT_DSR,
)
from eks_win_capacity.core.errors import InvalidQuantityError, count_of
from eks_win_capacity.core.quantities import millicores, whole_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster.checks.check import Look
    from eks_win_capacity.cluster.state import NodeGroup, NodePool
    from eks_win_capacity.core.findings import Finding


@Check(
    "autoscaler-node-template",
    considers="Node-template tag for the cluster autoscaler",
    severity="warning",
    why="the cluster autoscaler does not know that a new Windows node brings addresses: from "
    "zero nodes it never starts one",
    source="Kubernetes cluster autoscaler on AWS, scaling from 0: https://github.com/kubernetes/"
    "autoscaler/blob/master/cluster-autoscaler/cloudprovider/aws/README.md",
    whole=("node_groups",),
    clear="no Windows node groups yet",
)
def autoscaler_node_template(rule: Check, look: Look) -> Iterator[Finding]:
    state = look.state
    if _runs_autoscaler(look) is False:
        yield rule.passed("nothing runs the cluster autoscaler, by name, image or arguments")
        return
    if state.node_groups is None:
        yield rule.unknown(look, "node_groups")
        return
    alone = [
        node.name
        for node in look.windows
        if not node.node_pool and not node.node_group and group_of(node, state) is None
    ]
    if alone:
        yield rule.unknown(
            look,
            seen=f"the Auto Scaling groups of {some(alone)}, which are in no node group that is "
            "known, are not known",
            remedy="add the output of: aws autoscaling describe-auto-scaling-groups, and kubectl "
            "get nodes -o json; each group must carry the tag",
        )
    elif not look.groups and state.windows_nodes is None:
        yield rule.unknown(look, "nodes")
    for group in look.groups:
        yield _group_tag(rule, look, group)


def _runs_autoscaler(look: Look) -> bool | None:
    """Whether the cluster autoscaler runs; None if neither manifests nor pods are known."""
    marked = any(
        key == "k8s.io/cluster-autoscaler/enabled"
        for group in look.groups
        if not group.managed  # EKS itself tags the groups that it manages
        for key, _ in group.autoscaling_tags or ()
    )
    marked = marked or heard(look.state.pods or (), "cluster-autoscaler")
    if look.makers is None:
        return True if marked else None
    runs = any(
        maker.autoscaler or "cluster-autoscaler" in name for name, (maker, _) in look.makers.items()
    )
    return runs or marked or (None if look.state.only_namespace else False)


def _group_tag(rule: Check, look: Look, group: NodeGroup) -> Finding:
    """Finding on the tag of a node group's Auto Scaling group."""
    if group.autoscaling_tags is None:
        return rule.unknown(
            look,
            "autoscaling_tags",
            seen=f"the tags of the Auto Scaling group of {group.name} are not known",
            subject=group.name,
        )
    wanted = wanted_tags(group, look)
    if wanted is None:
        return rule.unknown(look, "cni_configmap", "nodes", subject=group.name)
    lacking = lacking_tags(wanted, group)
    if not lacking:
        return rule.passed(f"{group.name} has the tag", subject=group.name)
    tags = ", ".join(f"{key}={value}" for key, value in lacking.items())
    return rule.failed(
        f"the Auto Scaling group of {group.name} lacks {tags}",
        tag_command(lacking, group, look.cluster),
        subject=group.name,
        files={
            f"node-template-tags-{group.name}.json": tags_file(lacking, group.autoscaling_groups)
        },
    )


@Check(
    "bootstrap-without-ami",
    considers="A bootstrap script only in a launch template that names an AMI",
    severity="error",
    why="EKS adds its own bootstrap call to its AMIs: if the user data has a second "
    "one, its arguments are lost or the node does not join",
    source='Amazon EKS user guide, "Customize managed nodes with launch templates": '
    "https://docs.aws.amazon.com/eks/latest/userguide/launch-templates.html",
    whole=("node_groups",),
    needs=("node_groups",),
    clear="no managed Windows group runs the bootstrap script twice",
)
def bootstrap_without_ami(rule: Check, look: Look) -> Iterator[Finding]:
    groups = [group for group in look.groups if group.managed]
    wrong = [g.name for g in groups if g.bootstraps and g.custom_ami is False]
    blind = [g.name for g in groups if g.launch_template and not g.user_data_known]
    if wrong:
        yield rule.failed(
            f"the launch template of {some(wrong)} runs the bootstrap script and names no AMI",
            "name the AMI id in the template (aws ssm get-parameter --name /aws/service/"
            "ami-windows-latest/...), or remove the bootstrap call from its user data",
        )
    if blind:
        yield rule.unknown(
            look, "launch_templates", seen=f"the user data of {some(blind)} are not known"
        )


@Check(
    "service-cidr",
    considers="-ServiceCIDR where the cluster's service CIDR is set by hand",
    severity="error",
    why="the bootstrap script assumes a default range of EKS: with another range, pods use "
    "a DNS address that does not exist",
    source=AMIS,
)
def service_cidr(rule: Check, look: Look) -> Iterator[Finding]:
    cidr = look.state.service_cidr
    if cidr is None:
        yield rule.unknown(look, "service_cidr")
        return
    if cidr in DEFAULT_SERVICE_CIDRS:
        yield rule.passed(f"services have {cidr}, a default of EKS")
        return
    if look.state.node_groups is None:
        yield rule.unknown(look, "node_groups")
        return
    bootstrapped = [g for g in look.groups if g.bootstraps]
    wrong = [g.name for g in bootstrapped if g.service_cidr != cidr]
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
            "launch_templates",
            seen=f"services have {cidr}; whether the bootstrap arguments of {some(blind)} say so is "
            "not known",
        )
    if not wrong and not blind:
        yield rule.passed(f"services have {cidr}; no bootstrap script of your own contradicts it")


@Check(
    "direct-server-return",
    considers="Direct server return where a cluster has more than 100 services",
    severity="info",
    why="without it, kube-proxy on Windows needs several host policies for each service, and "
    "exhausts them near 100 services",
    source='Kubernetes, "Networking on Windows", load balancing: '
    "https://kubernetes.io/docs/concepts/services-networking/windows-networking/",
    whole=("services",),
    needs=("services",),
)
def direct_server_return(rule: Check, look: Look) -> Iterator[Finding]:
    count = sum(service.kind != "ExternalName" for service in look.state.services or ())
    services = count_of(count, "service")
    if count <= SERVICES_WITHOUT_DSR:
        yield rule.passed(f"{services}: no more than {SERVICES_WITHOUT_DSR}")
        return
    groups = look.groups
    known = [g for g in groups if g.bootstraps]
    without = [g.name for g in known if not g.dsr]
    if without:
        yield rule.failed(
            f"{services}, and the bootstrap arguments of {some(without)} do not turn it on",
            "check whether kube-proxy on a node has --enable-dsr=true; if not, add it to the "
            "bootstrap arguments (-KubeProxyExtraArgs)",
        )
    elif known and len(known) == len(groups):
        yield rule.passed(f"{services}, with direct server return")
    elif look.state.windows_nodes == () and not groups:
        yield rule.passed("no Windows nodes yet")
    else:
        yield rule.unknown(
            look,
            seen=f"{services}; whether kube-proxy on Windows has direct server return is not known",
            remedy="check whether its arguments on a node contain --enable-dsr=true",
        )


@Check(
    "launch-prefixes",
    considers="/28 prefixes that nodes get at launch: by the launch template or ipPrefixCount",
    severity="warning",
    why="each takes a slot and a whole /28 block of the subnet before any pod runs; in secondary "
    "mode the controller only releases them, and EC2 does not start a node with more than its "
    "interface holds",
    source=CONTROLLER,
    whole=("node_groups", "node_classes"),
    needs=("node_groups|node_classes",),
    clear="no Windows node is known to get prefixes at launch",
)
def launch_prefixes(rule: Check, look: Look) -> Iterator[Finding]:
    given = [
        (f"node group {group.name}", group.prefixes, group.instance_types)
        for group in look.groups
        if group.prefixes
    ] + [
        (f"EC2NodeClass {node_class.name}", node_class.prefixes, pool.instance_types)
        for pool, node_class in look.pools
        if node_class is not None and node_class.prefixes
    ]
    for who, count, types in given:
        yield _at_launch(rule, look, who, count or 0, types)
    hidden = [p for p in ("node_pools", "node_classes") if getattr(look.state, p) is None]
    if hidden and look.karpenter and not given:
        yield rule.unknown(look, *hidden)


def _at_launch(rule: Check, look: Look, who: str, count: int, types: tuple[str, ...]) -> Finding:
    sentence = f"{who} starts each node with {count_of(count, 'prefix', 'prefixes')}"
    rows = [row for name in types if (row := look.row(name)) is not None]
    # Each slot can hold a prefix; the node's primary address is not in a slot.
    small = [r.name for r in rows if count > secondary(r.ipv4_per_interface)]
    old = [r.name for r in rows if not r.nitro]
    if small or old:
        return rule.failed(
            f"{sentence}; {some(small or old)} "
            + ("holds fewer on its interface" if small else "is not a Nitro type and takes none"),
            f"lower the count, or leave {some(small or old)} out",
            subject=who,
            severity="error",
        )
    if look.mode is None:
        return rule.unknown(
            look, "cni_configmap", seen=f"{sentence}; the mode is not known", subject=who
        )
    if look.mode:
        return rule.passed(f"{sentence}, which prefix mode uses", subject=who)
    return rule.failed(
        f"{sentence}, and the cluster is in secondary mode",
        "take the count out (Ipv4PrefixCount of the launch template, ipPrefixCount of the "
        "EC2NodeClass), or turn prefix delegation on: eks-win-capacity migration",
        subject=who,
    )


@Check(
    "local-cluster",
    considers="No Windows nodes in a local cluster on an Outpost",
    severity="error",
    why="a local cluster supports only self-managed nodes of Amazon Linux",
    source='Amazon EKS user guide, "Create an Amazon EKS local cluster on an AWS Outpost": '
    "https://docs.aws.amazon.com/eks/latest/userguide/eks-outposts-local-cluster-create.html",
    needs=("local_cluster",),
)
def local_cluster(rule: Check, look: Look) -> Iterator[Finding]:
    if look.state.local_cluster:
        yield rule.failed(
            "the control plane runs on an Outpost",
            "run Windows nodes in a cluster whose control plane is in the Region; its nodes may be "
            "on the Outpost (an extended cluster)",
        )
    else:
        yield rule.passed("the control plane runs in the Region")


@Check(
    "windows-ami-regions",
    considers="Windows AMI types of managed node groups only in commercial Regions",
    severity="error",
    why="EKS supports managed node groups with a Windows AMI type only in the commercial "
    "partition, not in GovCloud or China",
    source="Amazon EKS API reference, CreateNodegroup (2026-11-27): "
    "https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateNodegroup.html",
    whole=("node_groups",),
    needs=("node_groups",),
)
def windows_ami_regions(rule: Check, look: Look) -> Iterator[Finding]:
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


def _absent(rule: Check, look: Look, *parts: str) -> Finding:
    """Finding for a cluster without known NodePools: a pass only if Karpenter does not run."""
    if look.karpenter is False:
        return rule.passed("nothing runs Karpenter, by its name, and no node is of a NodePool")
    return rule.unknown(look, *parts)


def _edit(pool: NodePool) -> str:
    return f"kubectl edit nodepool {word(pool.name, 'NODEPOOL')}"


@Check(
    "karpenter-node-os",
    considers="NodePools of Karpenter name kubernetes.io/os if there are Windows workloads",
    severity="error",
    why="Karpenter counts Windows DaemonSets on the nodes of a pool that names no operating "
    "system: "
    f"where that one asks for {ADDRESS_RESOURCE}, no Linux type fits and no node is started",
    source=KARPENTER,
    whole=("node_pools", "workloads"),
)
def karpenter_node_os(rule: Check, look: Look) -> Iterator[Finding]:
    pools = look.state.node_pools
    if not pools:
        yield _absent(rule, look, "node_pools")
        return
    silent = [pool for pool in pools if not pool.systems]
    if not silent:
        yield rule.passed("every NodePool names kubernetes.io/os")
        return
    if look.makers is None:
        yield rule.unknown(look, "workloads")
        return
    windows = [name for name, (_, system) in look.makers.items() if system == "windows"]
    daemons = [name for name in windows if name.startswith("DaemonSet ")]
    for pool in silent:
        if not windows:
            yield rule.passed(f"{pool.name} names no system, and no workload is for Windows")
            continue
        yield rule.failed(
            f"NodePool {pool.name} names no kubernetes.io/os, and there are Windows workloads: "
            f"{some(daemons or windows)}",
            f"add to spec.template.spec.requirements {{key: kubernetes.io/os, operator: In, "
            f"values: [{_system_of(look, pool)}]}}: {_edit(pool)}",
            subject=pool.name,
            severity=rule.severity if daemons else "warning",
        )


def _system_of(look: Look, pool: NodePool) -> str:
    """Operating system of a pool's class; ``linux`` if not known."""
    node_class = look.classes.get(pool.node_class)
    return "windows" if node_class is not None and node_class.windows else "linux"


def _of_arm(rule: Check, pools: list[NodePool]) -> list[Finding]:
    """Findings for pools that would start Windows on a processor other than amd64."""
    return [
        rule.failed(
            f"NodePool {pool.name} asks for Windows on {', '.join(pool.architectures)}",
            f"let its requirement kubernetes.io/arch be In [amd64]: {_edit(pool)}",
            subject=pool.name,
        )
        for pool in pools
        if pool.systems == ("windows",) and pool.architectures and "amd64" not in pool.architectures
    ]


@Check(
    "karpenter-ami-family",
    considers="NodePools of Windows have an EC2NodeClass with a Windows AMI family",
    severity="error",
    why="the AMI family decides what the nodes run and whether Karpenter counts "
    f"{ADDRESS_RESOURCE} on them: with another one a Windows pod finds no type",
    source="Karpenter, EC2NodeClasses: https://karpenter.sh/docs/concepts/nodeclasses/",
    whole=("node_pools", "node_classes"),
    clear="each NodePool's class runs the system that the pool names",
)
def karpenter_ami_family(rule: Check, look: Look) -> Iterator[Finding]:
    pools = [pool for pool in look.state.node_pools or () if pool.systems]
    if not look.state.node_pools:
        yield _absent(rule, look, "node_pools")
        return
    yield from _of_arm(rule, pools)
    for pool in pools:
        node_class = look.classes.get(pool.node_class)
        wants = "windows" in pool.systems
        if node_class is None or node_class.windows is None:
            if wants:
                yield rule.unknown(
                    look,
                    "node_classes",
                    seen=f"the AMI family of NodePool {pool.name} (EC2NodeClass "
                    f"{pool.node_class or 'without a name'}) is not known"
                    if node_class is None
                    else f"EC2NodeClass {node_class.name} has AMIs of your own: what they run is not known",
                    subject=pool.name,
                )
        elif node_class.windows != wants and (node_class.windows or pool.systems == ("windows",)):
            yield rule.failed(
                f"NodePool {pool.name} asks for {', '.join(pool.systems)}, and EC2NodeClass "
                f"{node_class.name} is of {node_class.ami_family}",
                f"name a class with amiFamily Windows2022 (or 2019, 2025) in its nodeClassRef: "
                f"{_edit(pool)}"
                if wants
                else f"name a class with a Linux AMI family in its nodeClassRef: {_edit(pool)}",
                subject=pool.name,
            )


@Check(
    "karpenter-limits",
    considers="NodePools of Karpenter below their limits",
    severity="warning",
    why="a pool that has reached spec.limits starts no further node, and its pods stay pending",
    source=KARPENTER,
    whole=("node_pools",),
    clear="no NodePool is for Windows",
)
def karpenter_limits(rule: Check, look: Look) -> Iterator[Finding]:
    if not look.state.node_pools:
        yield _absent(rule, look, "node_pools")
        return
    for pool, _ in look.pools:
        used = dict(pool.used)
        full = [
            f"{name} {used[name]} of {limit}"
            for name, limit in pool.limits
            if name in used and _reached(name, used[name], limit)
        ]
        if full:
            yield rule.failed(
                f"NodePool {pool.name} has reached its limits: {', '.join(full)}",
                f"raise spec.limits: {_edit(pool)}",
                subject=pool.name,
            )
        elif pool.limits and not used:
            yield rule.unknown(
                look,
                seen=f"NodePool {pool.name} has limits, and what its nodes use is not known",
                remedy=f"kubectl get nodepool {word(pool.name, 'NODEPOOL')} -o json shows "
                "status.resources",
                subject=pool.name,
            )
        else:
            yield rule.passed(f"NodePool {pool.name} is below its limits", subject=pool.name)


def _reached(name: str, used: str, limit: str) -> bool:
    """Whether a quantity has reached its limit; False for one that cannot be parsed."""
    read = millicores if name == "cpu" else whole_bytes
    try:
        return read(used) >= read(limit)
    except InvalidQuantityError:
        return False


@Check(
    "karpenter-node-claims",
    considers="NodeClaims of Karpenter that become nodes",
    severity="warning",
    why="a claim that EC2 refuses, or whose node registers no addresses, never runs a pod, "
    "and Karpenter keeps making similar claims",
    source="Karpenter, NodeClaims: https://karpenter.sh/docs/concepts/nodeclaims/",
    whole=(),
)
def karpenter_node_claims(rule: Check, look: Look) -> Iterator[Finding]:
    if look.state.node_claims is None:
        pods = look.state.windows_pods
        if look.karpenter and pods is not None and all(pod.node for pod in pods):
            yield rule.passed("no Windows pod waits for a node")
        else:
            yield _absent(rule, look, "node_claims")
        return
    stuck = [(claim, text) for claim in look.claims if (text := halted(claim))]
    for claim, text in stuck:
        yield rule.failed(
            f"NodeClaim {claim.name} ({claim.instance_type or 'no type yet'}) does not become a "
            f"node: {text}",
            unhalt(claim),
            subject=claim.name,
        )
    if not stuck:
        yield rule.passed(
            f"nothing holds {count_of(len(look.claims), 'NodeClaim')} of Windows back"
            if look.claims
            else "no NodeClaim of Windows waits for its node"
        )
