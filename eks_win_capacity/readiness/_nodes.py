"""Checks of Windows nodes: their role, image, type and kubelet."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from eks_win_capacity import kernels
from eks_win_capacity.constants import (
    KUBELET_MAX_PODS,
    KUBELET_MAX_PODS_ADVISED,
    KUBELET_SKEW,
    WINDOWS_BUILDS,
    WINDOWS_KUBE_RESERVED_MIB,
    WINDOWS_ROLE_GROUPS,
    WINDOWS_SERVER_FROM,
    WINDOWS_SYSTEM_RESERVED_MIB,
)
from eks_win_capacity.readiness._files import (
    access_entry_command,
    autoscaler_tags,
    aws_auth_entry,
    bootstrap_arguments,
)
from eks_win_capacity.readiness._rules import BEST_PRACTICES, CONTROLLER, check, minor, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.catalog import InstanceType
    from eks_win_capacity.cluster import Node
    from eks_win_capacity.findings import Finding
    from eks_win_capacity.readiness._rules import Check, Look

KUBE_PROXY_GROUP = WINDOWS_ROLE_GROUPS[-1]


def _role_lacks(look: Look, role: str) -> list[str] | None:
    """Give the groups that aws-auth does not give a role; None where it is not known."""
    if look.state.aws_auth is None:
        return None
    given = {
        group
        for entry in look.state.aws_auth
        if entry.role == role and not entry.has_path
        for group in entry.groups
    }
    return [group for group in WINDOWS_ROLE_GROUPS if group not in given]


def _entry_types(look: Look, role: str) -> list[str] | None:
    """Give the types of a role's access entries; None where they are not known."""
    if look.state.access_entries is None:
        return None
    return [entry.type for entry in look.state.access_entries if entry.role == role]


def _is_windows_entry(types: list[str] | None) -> bool:
    return any(kind.upper() == "EC2_WINDOWS" for kind in types or ())


def _windows_roles(look: Look) -> list[str] | None:
    """Give the roles of Windows nodes, from the groups, else from aws-auth and entries."""
    state = look.state
    roles = [group.role for group in look.windows_groups if group.role]
    roles += [entry.role for entry in state.aws_auth or () if KUBE_PROXY_GROUP in entry.groups]
    roles += [
        entry.role for entry in state.access_entries or () if entry.type.upper() == "EC2_WINDOWS"
    ]
    if roles:
        return list(dict.fromkeys(roles))
    if state.windows_nodes or look.hidden_groups:
        return None
    return None if state.node_groups is None and state.nodes is None else []


@check(
    "aws-auth-mapping",
    considers="Node role in aws-auth with its three groups",
    severity="error",
    why="without system:bootstrappers and system:nodes a node does not join; without "
    "eks:kube-proxy-windows its pods resolve no names",
)
def aws_auth_mapping(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare each Windows role's groups with the three it needs."""
    state = look.state
    mode = (state.authentication_mode or "").upper()
    if mode == "API":
        yield rule.passed("the cluster uses access entries alone; aws-auth is not read")
        return
    if state.aws_auth is None:
        yield rule.unknown(look, "aws_auth")
        return
    roles = _windows_roles(look)
    if not roles:
        if state.windows_nodes:
            mapped = some([entry.role for entry in state.aws_auth]) or "no role"
            yield rule.failed(
                f"the cluster has Windows nodes, and aws-auth gives no role the group "
                f"{KUBE_PROXY_GROUP}; it maps {mapped}",
                _map_role("NODE_ROLE", state.name),
                files=aws_auth_entry("NODE_ROLE"),
            )
        elif roles is None:
            yield rule.unknown(look, "nodes", "node_groups")
        else:
            yield rule.passed("no role of Windows nodes yet; map it when the first one comes")
        return
    for role in roles:
        lacking = _role_lacks(look, role) or []
        types = _entry_types(look, role)
        pathed = [e for e in state.aws_auth if e.role == role and e.has_path]
        if not lacking:
            yield rule.passed(f"aws-auth gives {role} all three groups", subject=role)
        elif mode != "CONFIG_MAP" and _is_windows_entry(types):
            yield rule.passed(f"an access entry of type EC2_WINDOWS serves {role}", subject=role)
        elif mode == "API_AND_CONFIG_MAP" and types is None:
            yield rule.unknown(
                look,
                "access_entries",
                seen=f"aws-auth does not give {role} {', '.join(lacking)}; whether an access "
                "entry does instead is not known",
                subject=role,
            )
        else:
            path = "; the mapped ARN has a path, which is never matched" if pathed else ""
            yield rule.failed(
                f"aws-auth does not give {role} {', '.join(lacking)}{path}",
                _map_role(role, state.name),
                subject=role,
                files=aws_auth_entry(role),
            )


def _map_role(role: str, cluster: str | None) -> str:
    groups = " ".join(f"--group {group}" for group in WINDOWS_ROLE_GROUPS)
    return (
        f"eksctl create iamidentitymapping --cluster {cluster or 'NAME'} --arn "
        f"arn:aws:iam::ACCOUNT_ID:role/{role} {groups} "
        "--username 'system:node:{{EC2PrivateDNSName}}'"
    )


@check(
    "access-entry",
    considers="Access entry of type EC2_WINDOWS where entries replace aws-auth",
    severity="error",
    why="with access entries the type of the entry gives a node its rights, those of kube-proxy "
    "on Windows among them",
)
def access_entry(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for the access entry of each Windows role."""
    state = look.state
    mode = (state.authentication_mode or "").upper()
    if mode == "CONFIG_MAP":
        yield rule.passed("the cluster does not use access entries")
        return
    roles = _windows_roles(look)
    if not mode or state.access_entries is None:
        if mode != "API" and roles and all(_role_lacks(look, role) == [] for role in roles):
            yield rule.passed("aws-auth maps every Windows role; no entry is needed")
        else:
            yield rule.unknown(look, "authentication_mode" if not mode else "access_entries")
        return
    if not roles:
        if roles is None or state.windows_nodes:
            yield rule.unknown(
                look,
                seen="the role of the Windows nodes is not known",
                remedy="give the answers of aws eks describe-nodegroup for their node groups",
            )
        else:
            yield rule.passed("no role of Windows nodes yet")
        return
    for role in roles:
        types = _entry_types(look, role) or []
        lacking = _role_lacks(look, role)
        if _is_windows_entry(types):
            yield rule.passed(f"an access entry of type EC2_WINDOWS serves {role}", subject=role)
        elif mode != "API" and lacking == []:
            yield rule.passed(f"aws-auth serves {role}", subject=role)
        elif mode != "API" and lacking is None:
            yield rule.unknown(look, "aws_auth", subject=role)
        else:
            yield rule.failed(
                f"{role} has {'entries of type ' + some(types) if types else 'no access entry'}",
                access_entry_command(role, state.name),
                subject=role,
            )


@check(
    "custom-ami-mapping",
    considers="Custom AMI in a managed node group needs the mapping too",
    severity="error",
    why="EKS adds eks:kube-proxy-windows by itself only for its own Windows AMIs",
)
def custom_ami_mapping(rule: Check, look: Look) -> Iterator[Finding]:
    """See that the role of each group with a custom AMI is mapped."""
    state = look.state
    if state.node_groups is None:
        yield rule.unknown(look, "node_groups")
        return
    custom = [g for g in state.node_groups if g.ami_type == "CUSTOM" or g.custom_ami]
    if not custom:
        yield rule.passed("no managed node group has a custom AMI")
        return
    windows = {group.name for group in look.windows_groups}
    linux = {group.name for group in look.linux_groups}
    for group in custom:
        lacking = _role_lacks(look, group.role)
        types = _entry_types(look, group.role)
        if group.name in linux:
            yield rule.passed(f"{group.name} has a custom AMI for Linux", subject=group.name)
        elif lacking == [] or _is_windows_entry(types):
            yield rule.passed(f"{group.role} of {group.name} is mapped", subject=group.name)
        elif group.name not in windows:
            yield rule.unknown(
                look,
                "nodes",
                seen=f"{group.name} has a custom AMI; whether it is Windows is not known",
                subject=group.name,
            )
        elif lacking is None or (
            types is None and (state.authentication_mode or "").upper().startswith("API")
        ):
            yield rule.unknown(
                look, "aws_auth" if lacking is None else "access_entries", subject=group.name
            )
        else:
            yield rule.failed(
                f"{group.name} runs Windows from a custom AMI, and aws-auth does not give "
                f"{group.role} {', '.join(lacking)}",
                _map_role(group.role, state.name),
                subject=group.name,
                files=aws_auth_entry(group.role),
            )


@check(
    "shared-node-role",
    considers="Node role not shared by Windows and Linux nodes",
    severity="warning",
    why="the mapping of a Windows role gives its Linux nodes rights they do not need, and one "
    "access entry cannot be of both types",
)
def shared_node_role(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare the roles of Windows and Linux node groups."""
    if look.state.node_groups is None:
        yield rule.unknown(look, "node_groups")
        return
    windows = {group.role: group.name for group in look.windows_groups if group.role}
    shared = [
        (role, windows[role], group.name)
        for group in look.linux_groups
        if (role := group.role) in windows
    ]
    for role, ours, theirs in shared:
        yield rule.failed(
            f"{role} serves {ours} (Windows) and {theirs} (Linux)",
            f"make a role of its own for Windows nodes and move {ours} to it: aws eks "
            "create-nodegroup --node-role NEW_ROLE ...",
            subject=role,
        )
    if shared:
        return
    if look.hidden_groups:
        names = [group.name for group in look.hidden_groups]
        yield rule.unknown(look, "nodes", seen=f"what {some(names)} run is not known: custom AMI")
    else:
        yield rule.passed("no role serves both Windows and Linux node groups")


def _release(node: Node) -> str | None:
    parts = node.build.split(".")
    known = len(parts) > 2 and parts[2].isdigit()
    return WINDOWS_BUILDS.get(int(parts[2])) if known else None


@check(
    "windows-server-version",
    considers="Windows Server release and Kubernetes version",
    severity="error",
    why="EKS has AMIs of each Windows Server release from a certain Kubernetes version on",
)
def windows_server_version(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare the release of nodes and node groups with the cluster's version."""
    state = look.state
    version = minor(state.version)
    if state.windows_nodes is None and state.node_groups is None:
        yield rule.unknown(look, "nodes", "node_groups")
        return
    users: dict[str, list[str]] = {}
    strange = []
    for node in state.windows_nodes or ():
        release = _release(node)
        if release:
            users.setdefault(release, []).append(f"node {node.name}")
        else:
            strange.append(f"node {node.name} ({node.build or 'no build'})")
    for group in look.windows_groups:
        for release in WINDOWS_SERVER_FROM:
            if f"_{release}_" in group.ami_type:
                users.setdefault(release, []).append(f"node group {group.name}")
    if strange:
        yield rule.unknown(
            look,
            seen=f"the Windows Server release of {some(strange)} is not known",
            remedy="kubectl get nodes -o wide shows the OS image",
        )
    if version is None and users:
        yield rule.unknown(look, "version")
        return
    for release, names in users.items():
        first = WINDOWS_SERVER_FROM[release]
        if version and version < (minor(first) or (0, 0)):
            yield rule.failed(
                f"{some(names)}: Windows Server {release} needs Kubernetes {first}, the cluster "
                f"has {state.version}",
                f"use an AMI of an earlier release, or update the cluster: aws eks "
                f"update-cluster-version --name {state.name or 'NAME'}",
                subject=release,
            )
        else:
            yield rule.passed(
                f"Windows Server {release} is for Kubernetes {first} and later: {some(names)}",
                subject=release,
            )
    if not users and not strange:
        yield rule.passed("no Windows nodes yet")


@check(
    "kubelet-version",
    considers="Windows AMI for the cluster's Kubernetes version",
    severity="warning",
    why="a kubelet must not be newer than the control plane, nor more than three minor versions "
    "older",
    source='Kubernetes, "Version skew policy"',
)
def kubelet_version(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare the kubelets of Windows nodes with the control plane."""
    state = look.state
    version = minor(state.version)
    found: dict[str, list[str]] = {}
    for node in state.windows_nodes or ():
        found.setdefault(node.kubelet_version, []).append(node.name)
    for group in look.windows_groups:
        if group.version:
            found.setdefault(group.version, []).append(f"node group {group.name}")
    if not found and state.windows_nodes == ():
        yield rule.passed("no Windows nodes yet")
        return
    if version is None or not found:
        yield rule.unknown(look, "version" if version is None else "nodes")
        return
    for text, names in found.items():
        kubelet = minor(text)
        allowed = KUBELET_SKEW if kubelet and kubelet >= (1, 25) else 2
        if kubelet is None:
            yield rule.unknown(
                look, seen=f"{some(names)}: no kubelet version", remedy="kubectl get nodes -o wide"
            )
        elif 0 <= version[1] - kubelet[1] <= allowed:
            yield rule.passed(f"kubelet {text} under Kubernetes {state.version}", subject=text)
        else:
            yield rule.failed(
                f"kubelet {text} under Kubernetes {state.version}: {some(names)}",
                f"replace the nodes with an AMI for {state.version}: aws eks "
                f"update-nodegroup-version --cluster-name {state.name or 'NAME'} "
                "--nodegroup-name GROUP",
                subject=text,
            )


def _typed(rule: Check, look: Look) -> tuple[list[Finding], dict[str, list[str]]]:
    """Give what stands in the way of judging types, and the types with their users."""
    types = look.windows_types
    if types is None:
        return [rule.unknown(look, "nodes", "node_groups")], {}
    blind = types.get("", [])
    groups = [g.name for g in look.windows_groups if not g.instance_types]
    found = []
    if blind or groups:
        names = [*blind, *(f"node group {name}" for name in groups)]
        found.append(
            rule.unknown(
                look,
                seen=f"the instance type of {some(names)} is not known",
                remedy="aws ec2 describe-launch-template-versions, or kubectl get nodes "
                "-L node.kubernetes.io/instance-type",
            )
        )
    known = {name: users for name, users in types.items() if name}
    if not known and not found:
        found.append(rule.passed("no Windows nodes yet"))
    return found, known


@check(
    "instance-type-windows",
    considers="Instance types that run Windows; amd64 only, no Arm",
    severity="error",
    why="on other types Windows does not start",
)
def instance_type_windows(rule: Check, look: Look) -> Iterator[Finding]:
    """Look each type's verdict up."""
    found, types = _typed(rule, look)
    yield from found
    for name, users in types.items():
        row = look.row(name)
        if row is None:
            yield rule.unknown(
                look,
                seen=f"{name} ({some(users)}) is not in the catalog of {look.catalog.as_of}",
                remedy="give a catalog that has it: aws.load_catalog()",
                subject=name,
            )
        elif row.windows.status == "unsupported":
            why = "; ".join(f"{r.why} ({r.date}, {r.source})" for r in row.windows.reasons)
            yield rule.failed(
                f"{name} ({some(users)}): {why}",
                "choose a type that runs Windows: eks-win-capacity catalog list --windows supported",
                subject=name,
            )
        else:
            yield rule.passed(f"{name} runs Windows", subject=name)


@check(
    "instance-type-caveats",
    considers="Instance types with a known caveat under Windows",
    severity="warning",
    why="such a type runs Windows, but has let users down",
)
def instance_type_caveats(rule: Check, look: Look) -> Iterator[Finding]:
    """Give the warnings of each type's verdict, but for the controller's table."""
    found, types = _typed(rule, look)
    yield from found
    for name, users in types.items():
        row = look.row(name)
        reasons = [
            reason
            for reason in (row.windows.reasons if row else ())
            if row and row.windows.status == "warned" and reason.code != "unknown-to-controller"
        ]
        if row is None:
            yield rule.unknown(
                look,
                seen=f"{name} is not in the catalog of {look.catalog.as_of}",
                remedy="give a catalog that has it: aws.load_catalog()",
                subject=name,
            )
        elif reasons:
            told = "; ".join(f"{r.why} ({r.date}, {r.source})" for r in reasons)
            yield rule.failed(
                f"{name} ({some(users)}): {told}",
                "try one node first, or choose another type",
                subject=name,
            )
        else:
            yield rule.passed(f"{name} has no known caveat", subject=name)


@check(
    "instance-type-controller",
    considers="Instance types that the VPC resource controller knows",
    severity="warning",
    why="a node of a type that the control plane's table lacks gets no pod addresses",
    source=CONTROLLER,
)
def instance_type_controller(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare types with the controller's table, and with what nodes advertise."""
    found, types = _typed(rule, look)
    yield from found
    working = {
        node.instance_type for node in look.state.windows_nodes or () if node.advertised_addresses
    }
    for name, users in types.items():
        row = look.row(name)
        if name in working:
            yield rule.passed(f"{name}: nodes advertise addresses", subject=name)
        elif row is None:
            yield rule.unknown(
                look,
                seen=f"{name} is not in the catalog of {look.catalog.as_of}",
                remedy="give a catalog that has it: aws.load_catalog()",
                subject=name,
            )
        elif "unknown-to-controller" in row.windows.codes:
            reason = next(r for r in row.windows.reasons if r.code == "unknown-to-controller")
            yield rule.failed(
                f"{name} ({some(users)}): {reason.why}",
                "start one node and see that it advertises addresses: kubectl get node NODE "
                "-o jsonpath={.status.allocatable}; else take an older type",
                subject=name,
            )
        else:
            yield rule.passed(f"{name} is in the controller's table", subject=name)


@check(
    "node-advertises-addresses",
    considers="Windows nodes advertise pod addresses",
    severity="error",
    why="a node that advertises no vpc.amazonaws.com/PrivateIPv4Address gets no pods with "
    "addresses of their own",
    source=CONTROLLER,
)
def node_advertises_addresses(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for the resource among what nodes can give."""
    nodes = look.state.windows_nodes
    if nodes is None:
        yield rule.unknown(look, "nodes")
        return
    without = [n.name for n in nodes if not n.advertised_addresses]
    if without:
        yield rule.failed(
            f"{len(without):,} of {len(nodes):,} Windows nodes advertise none: {some(without)}",
            "see the node's events for the reason: kubectl describe node "
            f"{without[0]}; then check enable-windows-ipam, the cluster role and the type",
        )
    else:
        yield rule.passed(f"all {len(nodes):,} Windows nodes advertise addresses")


def _addresses(look: Look, node: Node) -> int | None:
    if node.advertised_addresses:
        return node.advertised_addresses
    row = look.row(node.instance_type)
    return None if row is None or look.prefix_delegation is None else _expected(look, row)


def _expected(look: Look, row: InstanceType) -> int:
    """Give the addresses a type should advertise in the cluster's mode."""
    if look.prefix_delegation and row.nitro:
        return kernels.prefix(row.ipv4_per_interface)
    return kernels.secondary(row.ipv4_per_interface)


@check(
    "kubelet-max-pods",
    considers="Kubelet max-pods against addresses",
    severity="warning",
    why="the kubelet takes 110 pods unless it is told otherwise: addresses above that are paid "
    "for in the subnet and never used",
)
def kubelet_max_pods(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare max-pods with the addresses, by kind of node."""
    nodes = look.state.windows_nodes
    kinds: Counter[tuple[str, int | None, int | None]] = Counter(
        (node.instance_type, node.pods_limit, _addresses(look, node)) for node in nodes or ()
    )
    for group in [] if nodes else look.windows_groups:
        for name in group.instance_types:
            row = look.row(name)
            known = row is not None and look.prefix_delegation is not None
            limit = group.kubelet_max_pods
            if limit is None and (group.user_data_known or not group.launch_template):
                limit = KUBELET_MAX_PODS
            kinds[name, limit, _expected(look, row) if known and row else None] += 1
    if not kinds:
        if nodes is None:
            yield rule.unknown(look, "nodes")
        else:
            yield rule.passed("no Windows nodes yet")
        return
    for (name, limit, addresses), count in kinds.items():
        who = f"{name or 'unknown type'} ({count:,} {'nodes' if nodes else 'node groups'})"
        if limit is None or addresses is None:
            missing = ["nodes"] if limit is None else ["cni_configmap"]
            yield rule.unknown(look, *missing, subject=name)
        elif limit < addresses and limit < KUBELET_MAX_PODS_ADVISED:
            wanted = min(addresses, KUBELET_MAX_PODS_ADVISED)
            yield rule.failed(
                f"{who}: max-pods {limit}, {addresses} addresses: {addresses - limit} unused",
                f"start such nodes with {bootstrap_arguments(wanted)}",
                subject=name,
                files={f"bootstrap-arguments-{name}.txt": bootstrap_arguments(wanted) + "\n"},
            )
        elif limit > KUBELET_MAX_PODS_ADVISED:
            yield rule.failed(
                f"{who}: max-pods {limit}; AWS advises at most {KUBELET_MAX_PODS_ADVISED}",
                f"start such nodes with {bootstrap_arguments(KUBELET_MAX_PODS_ADVISED)}",
                subject=name,
                files={
                    f"bootstrap-arguments-{name}.txt": bootstrap_arguments(KUBELET_MAX_PODS_ADVISED)
                    + "\n"
                },
            )
        else:
            yield rule.passed(f"{who}: max-pods {limit}, {addresses} addresses", subject=name)


@check(
    "system-memory",
    considers="2 GiB of memory kept for the system",
    severity="warning",
    why="Windows does not kill for memory: without a reserve a node that runs out pages to disk "
    "and stops answering",
    source=f"{BEST_PRACTICES}, Memory and systems management",
)
def system_memory(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare allocatable memory with all memory of the type."""
    nodes = look.state.windows_nodes
    if nodes is None:
        yield rule.unknown(look, "nodes")
        return
    wanted = WINDOWS_SYSTEM_RESERVED_MIB + WINDOWS_KUBE_RESERVED_MIB
    short: dict[str, tuple[int, list[str]]] = {}
    blind = []
    for node in nodes:
        row = look.row(node.instance_type)
        if row is None or node.memory_bytes is None:
            blind.append(node.name)
            continue
        kept = row.memory_mib - node.memory_bytes // 2**20
        if kept < wanted:
            short.setdefault(node.instance_type, (kept, []))[1].append(node.name)
    for name, (kept, names) in short.items():
        yield rule.failed(
            f"{name}: {kept:,} MiB kept of {wanted:,} MiB: {some(names)}",
            f"start such nodes with {bootstrap_arguments(None)}",
            subject=name,
            files={"bootstrap-arguments-memory.txt": bootstrap_arguments(None) + "\n"},
        )
    if blind:
        yield rule.unknown(
            look,
            seen=f"type or allocatable memory of {some(blind)} is not known",
            remedy="kubectl get nodes -o json",
        )
    if not short and not blind:
        yield rule.passed(f"{len(nodes):,} Windows nodes keep {wanted:,} MiB or more")


@check(
    "autoscaler-node-template",
    considers="Node-template tag for the cluster autoscaler",
    severity="warning",
    why="the cluster autoscaler does not know that a new Windows node brings addresses: from "
    "zero nodes it never starts one",
    source="Kubernetes cluster autoscaler, AWS, auto-discovery and scaling from 0",
)
def autoscaler_node_template(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for the tag on the Auto Scaling group of each Windows node group."""
    state = look.state
    if state.workloads is not None and not any(
        "cluster-autoscaler" in w.name for w in state.workloads
    ):
        yield rule.passed("the cluster autoscaler does not run here")
        return
    if state.node_groups is None:
        yield rule.unknown(look, "node_groups")
        return
    if not look.windows_groups:
        yield rule.passed("no Windows node groups yet")
    for group in look.windows_groups:
        if group.autoscaling_tags is None:
            yield rule.unknown(
                look,
                "autoscaling_tags",
                remedy="give the answer of: aws autoscaling describe-auto-scaling-groups",
                subject=group.name,
            )
            continue
        row = look.row(group.instance_types[0]) if group.instance_types else None
        if row is None or look.prefix_delegation is None:
            yield rule.unknown(look, "cni_configmap", "nodes", subject=group.name)
            continue
        wanted = autoscaler_tags(_expected(look, row))
        lacking = {k: v for k, v in wanted.items() if dict(group.autoscaling_tags).get(k) != v}
        resource = next(iter(wanted))
        if resource in lacking:
            told = ", ".join(f"{key}={value}" for key, value in lacking.items())
            yield rule.failed(
                f"the Auto Scaling group of {group.name} lacks {told}",
                f"aws autoscaling create-or-update-tags --tags ResourceId=AUTO_SCALING_GROUP,"
                f"ResourceType=auto-scaling-group,Key={resource},Value={lacking[resource]},"
                "PropagateAtLaunch=true",
                subject=group.name,
                files={f"node-template-tags-{group.name}.json": _tags_file(lacking)},
            )
        else:
            yield rule.passed(f"{group.name} has the tag", subject=group.name)


def _tags_file(tags: dict[str, str]) -> str:
    import json

    listed = [
        {
            "ResourceId": "AUTO_SCALING_GROUP",
            "ResourceType": "auto-scaling-group",
            "Key": key,
            "Value": value,
            "PropagateAtLaunch": True,
        }
        for key, value in tags.items()
    ]
    return json.dumps({"Tags": listed}, indent=2) + "\n"


CHECKS = (
    aws_auth_mapping,
    access_entry,
    custom_ami_mapping,
    shared_node_role,
    windows_server_version,
    kubelet_version,
    instance_type_windows,
    instance_type_caveats,
    instance_type_controller,
    node_advertises_addresses,
    kubelet_max_pods,
    system_memory,
    autoscaler_node_template,
)
"""In the order of the guide."""
