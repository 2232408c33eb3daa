"""Checks of what Windows nodes need from the cluster: control plane, ConfigMap and subnets."""

from __future__ import annotations

import fnmatch
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from eks_win_capacity.addresses.targets import (
    ENABLE_IPAM,
    TARGETS,
    WARM_IP,
    go_bool,
    go_int,
    read_pairs,
)
from eks_win_capacity.addresses.warm_pool import pool_of_pairs
from eks_win_capacity.catalog.limits import secondary
from eks_win_capacity.cluster.checks.check import (
    CONTROLLER,
    PREFIXES,
    SUBNETS,
    Check,
    some,
    windows_group,
)
from eks_win_capacity.cluster.full_subnet import whole_blocks
from eks_win_capacity.cluster.remedies import (
    acting_key,
    addon_values,
    attach_policy,
    configmap,
    patch,
    word,
)
from eks_win_capacity.cluster.serving import policy_lacking
from eks_win_capacity.core.constants import (
    CONTROL_PLANE_ADDRESSES,
    CONTROL_PLANE_ADDRESSES_ADVISED,
    RESOURCE_CONTROLLER_POLICY,
)
from eks_win_capacity.core.errors import CapacityError, count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.addresses.subnet import Subnet
    from eks_win_capacity.cluster.checks.check import Look
    from eks_win_capacity.cluster.state import ClusterState, Node, SubnetState
    from eks_win_capacity.core.findings import Finding


def _dns_hosts(look: Look) -> tuple[int, str] | None:
    """Number and description of the hosts for CoreDNS; None if not known."""
    state = look.state
    if state.nodes is not None:
        return _ready_hosts(look, state.nodes)
    if state.node_groups is None:
        return None
    sizes = [group.desired_size for group in look.linux_groups]
    nodes = sum(size or 0 for size in sizes)
    description = f"Linux node groups ask for {count_of(nodes, 'node')}"
    if state.fargate_profiles is None and nodes < 2:
        return None
    # With a Fargate profile for kube-system, CoreDNS gets one Fargate pod per replica.
    serving = [
        profile.name
        for profile in state.fargate_profiles or ()
        if any(namespace in {"kube-system", "*"} for namespace, _ in profile.selectors)
    ]
    if serving and not look.legacy:
        return nodes + 2, f"{description}; Fargate profile {serving[0]} takes kube-system"
    if nodes < 2 and (look.hidden_groups or None in sizes or _starts_uncounted(look.state)):
        return None
    return nodes, description


def _starts_uncounted(state: ClusterState) -> bool:
    """Whether Auto Mode or Karpenter may start Linux nodes outside the node groups."""
    on_fargate = any(
        "karpenter" in namespace
        for profile in state.fargate_profiles or ()
        for namespace, _ in profile.selectors
    )
    return bool(state.auto_mode or state.node_pools or on_fargate)


def _ready_hosts(look: Look, nodes: tuple[Node, ...]) -> tuple[int, str]:
    # CoreDNS tolerates the taints of the nodes where it runs, beyond the defaults of EKS.
    serving = {
        pod.node
        for pod in look.state.pods or ()
        if pod.phase == "Running"
        and pod.namespace == "kube-system"
        and pod.name.startswith("coredns")
    }
    fit = [
        n
        for n in nodes
        if n.os == "linux" and n.ready and n.schedulable and (n.name in serving or not _bars_dns(n))
    ]
    linux = sum(n.compute != "fargate" for n in fit)
    # A Fargate node runs one pod, so one with another pod cannot run CoreDNS.
    taken = {
        pod.node
        for pod in look.state.pods or ()
        if pod.active and not (pod.namespace == "kube-system" and pod.name.startswith("coredns"))
    }
    fargate = sum(n.compute == "fargate" and n.name not in taken for n in fit)
    description = f"ready: {count_of(linux, 'Linux node')}, {count_of(fargate, 'Fargate pod')}"
    tainted = sum(n.os == "linux" and _bars_dns(n) and n.name not in serving for n in nodes)
    if tainted:
        description += f"; {count_of(tainted, 'more is', 'more are')} tainted against CoreDNS"
    if look.legacy:
        return linux, f"{description} (legacy support excludes Fargate)"
    return linux + fargate, description


def _bars_dns(node: Node) -> bool:
    """Whether a taint of a node excludes CoreDNS with the default tolerations of EKS."""
    return any(
        effect in {"NoSchedule", "NoExecute"} and pair.partition("=")[0] not in _DNS_TOLERATES
        for pair, _, effect in (taint.rpartition(":") for taint in node.taints)
    )


_DNS_TOLERATES: Final = {"CriticalAddonsOnly", "node-role.kubernetes.io/control-plane"}
"""Keys of taints that CoreDNS tolerates, from the manifest of the add-on."""


def _dns_runs(look: Look) -> bool | None:
    """Whether a pod of CoreDNS runs; None if pods are not known."""
    pods = look.state.pods
    if pods is None or "pods" in look.state.unknown:
        return None
    system = [pod for pod in pods if pod.namespace == "kube-system"]
    if not system:
        return None  # perhaps only the pods of one namespace
    return any(pod.phase == "Running" and pod.name.startswith("coredns") for pod in system)


def _add_linux(look: Look) -> str:
    """Commands that add capacity for CoreDNS."""
    subnets = " ".join(word(s, "SUBNET_ID") for s in look.state.subnet_ids or ()) or word(
        None, "SUBNET_ID"
    )
    linux = (
        f"add Linux capacity: aws eks create-nodegroup --cluster-name {look.cluster} "
        f"--nodegroup-name linux --instance-types t3.medium --subnets {subnets} --node-role "
        f"{word(None, 'LINUX_NODE_ROLE_ARN')} --scaling-config minSize=2,maxSize=2,desiredSize=2"
    )
    if look.legacy:
        return linux
    return (
        f"{linux}; or Fargate: aws eks create-fargate-profile --cluster-name {look.cluster} "
        f"--fargate-profile-name coredns --pod-execution-role-arn {word(None, 'POD_ROLE_ARN')} "
        "--selectors 'namespace=kube-system,labels={k8s-app=kube-dns}', then remove the annotation "
        "that excludes Fargate and restart it: kubectl patch deployment -n kube-system coredns "
        '--type json -p \'[{"op": "remove", "path": "/spec/template/metadata/annotations/'
        "eks.amazonaws.com~1compute-type\"}]'; kubectl rollout restart -n kube-system deployment "
        "coredns"
    )


def _enough_dns_hosts(rule: Check, look: Look, least: int) -> Iterator[Finding]:
    hosts = _dns_hosts(look)
    if hosts is None:
        yield rule.unknown(look, "nodes")
    elif hosts[0] < least:
        yield rule.failed(hosts[1], _add_linux(look))
    else:
        yield rule.passed(hosts[1])


@Check(
    "coredns-capacity",
    considers="One Linux node or Fargate pod for CoreDNS",
    severity="error",
    why="CoreDNS runs only on Linux: without it no pod can resolve names",
)
def coredns_capacity(rule: Check, look: Look) -> Iterator[Finding]:
    if _dns_runs(look) is False:
        yield rule.failed(
            "kube-system has no running pod of CoreDNS",
            f"aws eks create-addon --cluster-name {look.cluster} --addon-name coredns, or see why "
            "its pods wait: kubectl describe pod -n kube-system -l k8s-app=kube-dns",
        )
        return
    yield from _enough_dns_hosts(rule, look, 1)


@Check(
    "coredns-redundancy",
    considers="Two Linux nodes or Fargate pods recommended for CoreDNS",
    severity="warning",
    why="with one host for CoreDNS, all pods lose name resolution when it fails or is updated",
)
def coredns_redundancy(rule: Check, look: Look) -> Iterator[Finding]:
    return _enough_dns_hosts(rule, look, 2)


@Check(
    "resource-controller-policy",
    considers="Managed policy AmazonEKSVPCResourceController on the cluster role",
    severity="error",
    why="without it the control plane may not attach addresses to Windows nodes",
    needs=("cluster_role_policies",),
)
def resource_controller_policy(rule: Check, look: Look) -> Iterator[Finding]:
    state = look.state
    if not policy_lacking(state):
        yield rule.passed(f"the cluster role has {RESOURCE_CONTROLLER_POLICY}")
        return
    seen = (
        f"the cluster role{f' {state.cluster_role}' if state.cluster_role else ''} has the managed policies: "
        f"{some(state.cluster_role_policies or ()) or 'none'}"
    )
    role = word(state.cluster_role, "CLUSTER_ROLE")
    served = [n.name for n in state.windows_nodes or () if n.advertised_addresses]
    if served:
        yield rule.unknown(
            look,
            seen=f"{seen}; {some(served)} advertise addresses nevertheless, so a customer "
            "managed policy may grant the same permissions",
            remedy=f"aws iam list-role-policies --role-name {role}, and the documents of the "
            "policies that it and the list above name: ec2:AssignPrivateIpAddresses and "
            "ec2:UnassignPrivateIpAddresses must be in one",
        )
        return
    yield rule.failed(seen, attach_policy(state))


@Check(
    "windows-nodes-ready",
    considers="Windows nodes ready, and no Windows node group in a bad way",
    severity="warning",
    why="a node that is not ready accepts no pods, and its addresses stay attached",
    source='Kubernetes, "Node status": https://kubernetes.io/docs/reference/node/node-status/',
)
def windows_nodes_ready(rule: Check, look: Look) -> Iterator[Finding]:
    ill = [g for g in look.groups if g.issues or g.status.endswith(("DEGRADED", "_FAILED"))]
    for group in ill:
        issues = f": {'; '.join(group.issues)}" if group.issues else ""
        yield rule.failed(
            f"node group {group.name} is {group.status or 'not well'}{issues}",
            f"mend what EKS names, then see whether it starts nodes: aws eks describe-nodegroup "
            f"--cluster-name {look.cluster} --nodegroup-name {word(group.name, 'NODE_GROUP')}",
            subject=group.name,
        )
    if look.state.nodes is None:
        yield rule.unknown(look, "nodes")
        return
    nodes = look.windows
    silent = [node.name for node in nodes if node.ready is None]
    late = [node.name for node in look.broken]
    if late:
        yield rule.failed(
            f"not ready: {some(late)}",
            f"kubectl describe node {word(late[0], 'NODE')}; a node whose kubelet does not "
            "recover is replaced",
        )
    for node in nodes:
        if node.ready and node.barred:
            yield rule.failed(
                f"{node.name} takes no new pods: {node.barred}",
                f"kubectl describe node {word(node.name, 'NODE')}; its pods must move elsewhere, "
                "and its head-room is not counted",
                subject=node.name,
            )
    if silent:
        yield rule.unknown(
            look, seen=f"{some(silent)} report no Ready condition", remedy="kubectl get nodes"
        )
    if not (ill or late or silent or any(node.barred for node in nodes)):
        yield rule.passed(f"{count_of(len(nodes), 'Windows node')} ready")


@Check(
    "custom-networking",
    considers="No custom networking with Windows",
    severity="warning",
    why="Windows nodes ignore ENIConfig: their pods take addresses from the node's own subnet, "
    "which custom networking is meant to avoid",
)
def custom_networking(rule: Check, look: Look) -> Iterator[Finding]:
    name = "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG"
    flag = look.cni_flag(name)
    if flag is None:
        # If the add-ons are known, only the DaemonSet of the VPC CNI is missing.
        parts = ("cni_env", "addons") if look.state.addons is None else ("cni_env",)
        yield rule.unknown(look, *parts)
    elif flag:
        yield rule.failed(
            f"{name} is true",
            "put Windows nodes into subnets with room for their pods, and do not rely "
            "on ENIConfig for them; Linux nodes may keep the setting",
        )
    else:
        yield rule.passed(f"{name} is not true")


@Check(
    "security-groups-for-pods",
    considers="No security groups for pods with Windows",
    severity="error",
    why="a branch interface cannot serve a Windows pod: the policy has no effect, or "
    "the pod does not start",
    whole=("security_group_policies", "pods", "workloads"),
    clear="no SecurityGroupPolicy selects Windows pods",
)
def security_groups_for_pods(rule: Check, look: Look) -> Iterator[Finding]:
    state = look.state
    policies, makers = state.security_group_policies, look.windows_makers
    if policies == () or (policies is None and look.cni_flag("ENABLE_POD_ENI") is False):
        yield rule.passed("security groups for pods are not in use")
        return
    if policies is None or makers is None:
        yield rule.lacking(look, security_group_policies=policies, pods=makers)
        return
    hit: dict[str, list[str]] = {}
    for maker in makers:
        for policy in policies:
            if (
                policy.readable
                and policy.namespace == maker.namespace
                and set(policy.selector) <= set(maker.labels)
            ):
                hit.setdefault(f"{policy.namespace}/{policy.name}", []).append(maker.full_name)
    unread = [p for p in policies if not p.readable]
    for name, pods in hit.items():
        yield rule.failed(
            f"SecurityGroupPolicy {name} selects Windows pods: {some(pods)}",
            "narrow its podSelector to Linux pods: kubectl edit securitygrouppolicy -n "
            + " ".join(word(part, "NAME") for part in name.split("/")),
            subject=name,
        )
    if unread and makers:
        names = [f"{p.namespace}/{p.name}" for p in unread]
        yield rule.unknown(
            look,
            seen=f"the pods that {some(names)} selects are unknown: it selects by account or by "
            f"expression",
            remedy="check that no Windows pod is among them: kubectl get securitygrouppolicies -A",
        )


@Check(
    "fargate-windows-pods",
    considers="No Windows pods on Fargate",
    severity="error",
    why="Fargate runs only Linux: a Windows pod that a profile selects stays pending",
    whole=("fargate_profiles", "pods", "workloads"),
    clear="no Fargate profile selects a Windows pod",
)
def fargate_windows_pods(rule: Check, look: Look) -> Iterator[Finding]:
    state = look.state
    makers = look.windows_makers
    if state.fargate_profiles == ():
        yield rule.passed("the cluster has no Fargate profiles")
        return
    if state.fargate_profiles is None or makers is None:
        yield rule.lacking(look, fargate_profiles=state.fargate_profiles, pods=makers)
        return
    for profile in state.fargate_profiles:
        hit = [
            maker.full_name
            for maker in makers
            if any(
                _matches(namespace, maker.namespace) and set(labels) <= set(maker.labels)
                for namespace, labels in profile.selectors
            )
        ]
        if hit:
            yield rule.failed(
                f"Fargate profile {profile.name} selects Windows pods: {some(hit)}",
                "run them in a namespace that no profile selects, or add a label that they lack to the "
                "selector of the profile",
                subject=profile.name,
            )


def _matches(pattern: str, name: str) -> bool:
    """Whether a namespace matches a Fargate profile, with the wildcards ``*`` and ``?``."""
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def _compute_check(
    rule: Check, look: Look, compute: str, *, part: str, exists: bool | None
) -> Iterator[Finding]:
    state, makers = look.state, look.windows_makers
    wrong = [n.name for n in state.windows_nodes or () if n.compute == compute]
    asking = [m.full_name for m in makers or () if m.selects_compute == compute]
    if wrong or asking:
        who = [f"node {name}" for name in wrong] + asking
        yield rule.failed(
            f"{compute} compute is asked to run Windows by: {some(who)}",
            "run Windows on managed or self-managed EC2 node groups; remove the node selector "
            f"eks.amazonaws.com/compute-type: {compute} from Windows pods",
        )
    elif exists is False:
        yield rule.passed(f"the cluster does not use {compute} compute")
    elif makers is None or exists is None:
        yield rule.lacking(look, **{part: exists, "pods": makers})
    elif not makers:
        yield rule.passed(f"no pod asks for Windows on {compute} compute")
    elif state.windows_nodes or look.groups:
        yield rule.passed(f"Windows pods have EC2 nodes in addition to {compute} compute")
    elif state.nodes is None:
        yield rule.unknown(look, "nodes", "node_groups")
    else:
        yield rule.failed(
            f"{len(makers)} Windows pods or workloads, and no Windows node except "
            f"{compute} compute: {some([m.full_name for m in makers])}",
            f"add a Windows node group: {windows_group(look)}",
        )


@Check(
    "auto-mode-windows-pods",
    considers="No Windows pods in EKS Auto Mode",
    severity="error",
    why="Auto Mode starts only Linux nodes: a Windows pod that relies on it stays pending",
)
def auto_mode_windows_pods(rule: Check, look: Look) -> Iterator[Finding]:
    yield from _compute_check(rule, look, "auto", part="auto_mode", exists=look.state.auto_mode)


@Check(
    "hybrid-windows-pods",
    considers="No Windows pods on Hybrid Nodes",
    severity="error",
    why="Hybrid Nodes run only Linux, and the VPC gives their pods no addresses",
)
def hybrid_windows_pods(rule: Check, look: Look) -> Iterator[Finding]:
    yield from _compute_check(
        rule, look, "hybrid", part="hybrid_nodes", exists=look.state.hybrid_nodes
    )


_MENDED = frozenset({"minimum-only-starves", "plain-key-wins"})
"""Findings that the settings of `_changes` resolve."""

_STAND_IN = "m5.large"
"""Type used to check subnets if no Windows type is known."""


def _changes(look: Look) -> dict[str, str]:
    """
    ConfigMap keys to set so that Windows support and all targets take effect.

    A windows- key hidden by a plain key is copied to it; where pods would starve, the default of
    the controller is set.
    """
    data = look.state.cni_configmap or {}
    settings = {}
    if not go_bool(data.get(ENABLE_IPAM, "")):
        settings[ENABLE_IPAM] = "true"
    for key in (target.key for target in TARGETS):
        meant = data.get(f"windows-{key}", "")
        if data.get(key, meant) != meant and go_int(meant) is not None:
            settings[key] = meant
    try:
        pool = pool_of_pairs({**data, **settings})
    except CapacityError:
        return settings
    if not pool.prefix_delegation and pool.warm_ip_target == 0:
        settings[acting_key(look.state, WARM_IP.key)] = str(WARM_IP.secondary)
    return settings


def _mended(look: Look) -> dict[str, str]:
    """The whole ConfigMap with all changes, so that files do not conflict; empty for an add-on."""
    if addon_values(look.state) is not None:
        return {}
    data = {**(look.state.cni_configmap or {}), **_changes(look)}
    return {"amazon-vpc-cni.yaml": configmap(data)}


@Check(
    "windows-ipam-enabled",
    considers="enable-windows-ipam in ConfigMap amazon-vpc-cni",
    severity="error",
    why="without it the control plane gives Windows nodes no pod addresses",
    needs=("cni_configmap",),
)
def windows_ipam_enabled(rule: Check, look: Look) -> Iterator[Finding]:
    data = look.state.cni_configmap or {}
    value = data.get(ENABLE_IPAM)
    if value is not None and go_bool(value):
        yield rule.passed(f'{ENABLE_IPAM} is "{value}"')
        return
    seen = (
        "kube-system has no ConfigMap amazon-vpc-cni, or it is empty"
        if not data
        else f"the ConfigMap lacks {ENABLE_IPAM}"
        if value is None
        else f"{ENABLE_IPAM} is {value!r}, which is not parsed as true"
    )
    create = (
        f"kubectl create configmap -n kube-system amazon-vpc-cni --from-literal={ENABLE_IPAM}=true "
        "--dry-run=client -o yaml | kubectl apply -f -"
    )
    yield rule.failed(
        seen, patch({ENABLE_IPAM: "true"}, look.state) if data else create, files=_mended(look)
    )


@Check(
    "prefix-delegation-nitro",
    considers="Prefix delegation acts on Nitro and bare-metal types only",
    severity="warning",
    why="other nodes stay in secondary-IP mode with the default warm targets",
    source=CONTROLLER,
    whole=("node_groups",),
    needs=("cni_configmap",),
    clear="every Windows node is of a Nitro or bare-metal type",
)
def prefix_delegation_nitro(rule: Check, look: Look) -> Iterator[Finding]:
    if not look.asked:
        yield rule.passed("prefix delegation is off")
        return
    if look.windows_types is None:
        yield rule.unknown(look, "nodes", "node_groups")
        return
    rows = {name: look.row(name) for name in look.windows_types}
    old = [name for name, row in rows.items() if row is not None and not row.nitro]
    for name in old:
        users = look.windows_types[name]
        yield rule.failed(
            f"{name} is not a Nitro type: {some(users)}",
            f"use a Nitro type{look.instead_of(name)}",
            subject=name,
        )
    blind = [name or "nodes without a type" for name, row in rows.items() if row is None]
    if not old and look.state.nodes is None:
        yield rule.unknown(look, "nodes")
    elif blind:
        yield rule.unknown(
            look, seen=f"not in the catalog: {some(blind)}", remedy="give a newer catalog"
        )


@Check(
    "warm-targets",
    considers="Warm targets of the ConfigMap have their intended effect",
    severity="warning",
    why="targets decide how many addresses idle nodes hold, and whether pods wait for one",
    source=CONTROLLER,
    needs=("cni_configmap",),
)
def warm_targets(rule: Check, look: Look) -> Iterator[Finding]:
    data = look.state.cni_configmap or {}
    # Findings that other checks report are left out here.
    other_codes = {"windows-ipam-off", "configmap-missing", "prefix-delegation-not-nitro"}
    rows = [row for name in look.windows_types or () if (row := look.row(name))]
    slots = min((secondary(row.ipv4_per_interface) for row in rows), default=None)
    try:
        seen = read_pairs(data, nitro=True, slots=slots)["findings"]
    except CapacityError as error:
        yield rule.failed(
            str(error),
            "write the intended number: kubectl edit configmap -n kube-system amazon-vpc-cni",
            severity="error",
        )
        return
    findings = [replace(f, source=rule.source) for f in seen if f.code not in other_codes]
    yield from findings
    worst = [f for f in findings if f.severity != "info"]
    if worst:
        settings = {key: value for key, value in _changes(look).items() if key != ENABLE_IPAM}
        others = dict.fromkeys(f.remedy for f in worst if f.code not in _MENDED)
        yield rule.failed(
            f"{len(worst)} traps: {some([f'{f.code} {f.subject}'.strip() for f in worst])}",
            "; ".join([*([patch(settings, look.state)] if settings else []), *others]),
            severity="error" if any(f.severity == "error" for f in worst) else rule.severity,
            files=_mended(look) if settings else None,
        )
    else:
        yield rule.passed("the warm targets have no known problem")


@Check(
    "subnet-room",
    considers="Room in the subnets for one more Windows node",
    severity="error",
    why="a node takes its own address and those of its warm pool from its subnet; prefix mode "
    "needs whole aligned /28 blocks, so a fragmented subnet is full before its addresses run out",
    source=PREFIXES,
    whole=("subnets",),
    needs=("subnets", "cni_configmap"),
)
def subnet_room(rule: Check, look: Look) -> Iterator[Finding]:
    for subnet in look.own_subnets:
        for name in look.types or [_STAND_IN]:
            yield _room(rule, look, subnet, name)
    if not look.state.subnets:
        yield rule.unknown(look, "subnets", seen="no subnet was given")


def _room(rule: Check, look: Look, subnet: SubnetState, name: str) -> Finding:
    """Finding on a subnet for a type: an idle node must fit, a full one should."""
    where = f"{subnet.subnet_id} ({subnet.cidr}, {subnet.zone or 'zone unknown'})"
    model = subnet.subnet
    idle = look.further_nodes(subnet, name, pods=1)
    full = look.further_nodes(subnet, name)
    if isinstance(idle, str) or isinstance(full, str):
        seen = f"{where}: {idle if isinstance(idle, str) else full}"
        return rule.unknown(look, "subnets", seen=seen, subject=subnet.subnet_id)
    stand_in = "" if look.windows_types else f" (no Windows type is known; {name} stands in)"
    if not idle.best:
        return rule.failed(
            f"{where} has no room for another {name}: {idle.why}{stand_in}",
            _more_room(model, prefixes=idle.prefixes_per_node > 0),
            subject=subnet.subnet_id,
        )
    if not idle.nodes and not (model is not None and model.placement_known):
        return rule.unknown(
            look,
            "subnets",
            seen=f"{where} has room for up to {idle.best:,} more {name}, and none at worst: the "
            "positions of used addresses are unknown",
            subject=subnet.subnet_id,
        )
    if not full.best:
        return rule.failed(
            f"{where} has room for {idle.best:,} more {name} with a pod each, and none with "
            f"{full.pods_per_node:,}: {full.why}{stand_in}",
            _more_room(model, prefixes=full.prefixes_per_node > 0),
            subject=subnet.subnet_id,
            severity="warning",
        )
    if look.windows_types is None:
        return rule.unknown(look, "nodes", "node_groups", subject=subnet.subnet_id)
    return rule.passed(
        f"{where} has room for {full.nodes:,} more {name} with "
        f"{count_of(full.pods_per_node, 'pod')} each (guaranteed), {full.best:,} at best{stand_in}",
        subject=subnet.subnet_id,
    )


def _more_room(subnet: Subnet | None, *, prefixes: bool) -> str:
    """Remedy for a subnet that is too full or too fragmented."""
    cure = "give the node group another subnet, or lower the warm targets"
    if not prefixes or subnet is None or not subnet.placement_known:
        return f"{cure}, or take smaller nodes"
    free = whole_blocks(subnet)
    if not free:
        lost = count_of(subnet.free, "address is", "addresses are")
        return f"{cure}; {lost} free, in no whole /28 block"
    return (
        f"{cure}; keep the blocks that are whole: aws ec2 create-subnet-cidr-reservation "
        f"--subnet-id {word(subnet.subnet_id, 'SUBNET_ID')} --reservation-type prefix --cidr {free[0]}"
    )


@Check(
    "control-plane-room",
    considers="Free addresses for the control plane in the cluster's subnets: at least 6, "
    "recommended 16",
    severity="warning",
    why="EKS puts interfaces into these subnets when it updates the control plane; without room "
    "the update fails",
    source=SUBNETS,
    needs=("subnets", "subnet_ids"),
)
def control_plane_room(rule: Check, look: Look) -> Iterator[Finding]:
    by_id = {subnet.subnet_id: subnet for subnet in look.state.subnets or ()}
    for name in look.state.subnet_ids or ():
        subnet = by_id.get(name)
        model = None if subnet is None else subnet.subnet
        if subnet is None or (subnet.available is None and model is None):
            yield rule.unknown(look, "subnets", subject=name)
            continue
        free = (
            subnet.available
            if subnet.available is not None
            else model.free_outside_reservations
            if model
            else 0
        )
        seen = f"{name}: {free} free addresses"
        cure = (
            "free addresses there, or give the cluster other subnets of its VPC: aws eks "
            f"update-cluster-config --name {look.cluster} --resources-vpc-config "
            f"subnetIds={word(None, 'SUBNET_IDS')}"
        )
        if free < CONTROL_PLANE_ADDRESSES:
            yield rule.failed(
                f"{seen}, EKS needs {CONTROL_PLANE_ADDRESSES}", cure, subject=name, severity="error"
            )
        elif free < CONTROL_PLANE_ADDRESSES_ADVISED:
            yield rule.failed(
                f"{seen}, EKS advises {CONTROL_PLANE_ADDRESSES_ADVISED}", cure, subject=name
            )
        else:
            yield rule.passed(seen, subject=name)
