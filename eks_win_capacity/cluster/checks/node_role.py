"""Checks of the Windows nodes' IAM role: aws-auth, access entries, custom AMIs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_win_capacity.cluster.checks.check import ENTRIES, Check, some
from eks_win_capacity.cluster.remedies import (
    access_entry_command,
    aws_auth_entry,
    map_role_command,
    refresh,
    word,
)
from eks_win_capacity.core.constants import WINDOWS_ROLE_GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster.checks.check import Look
    from eks_win_capacity.cluster.records import NodeGroup, RoleMapping
    from eks_win_capacity.core.findings import Finding, Severity

KUBE_PROXY_GROUP = WINDOWS_ROLE_GROUPS[-1]
WINDOWS_AMI_TYPE = "WINDOWS_CORE_2022_x86_64"


def _mode(look: Look) -> str:
    return (look.state.authentication_mode or "").upper()


def _accounts(look: Look, role: str) -> set[str]:
    """Marks of the known accounts of a role that nodes have; empty if none is known."""
    state = look.state
    marks = {one.role_account for one in state.node_groups or () if one.role == role}
    marks |= {one.role_account for one in state.instances or () if one.role == role}
    return marks - {"", "masked"}


def _is_foreign(look: Look, entry: RoleMapping) -> bool:
    """Whether a mapping is known to name a role of another account than the nodes' role."""
    known = _accounts(look, entry.role)
    return bool(known) and entry.account not in {"", "masked", *known}


def _mappings_of(look: Look, role: str) -> list[RoleMapping]:
    """Mappings of a role in aws-auth that may be the nodes' own."""
    mapped = [entry for entry in look.state.aws_auth or () if entry.role == role]
    return [entry for entry in mapped if not _is_foreign(look, entry)]


def _uncompared(look: Look, role: str) -> str:
    """Note that the account of a mapped role is masked; empty if it is not."""
    if any(entry.account == "masked" for entry in _mappings_of(look, role)):
        return " (of which account is not known: its id is masked)"
    return ""


def _role_lacks(look: Look, role: str) -> list[str] | None:
    """Required groups that aws-auth does not give a role; None if not known."""
    if _mode(look) == "API":
        return list(WINDOWS_ROLE_GROUPS)
    if look.state.aws_auth is None:
        return None
    given = {
        group for entry in _mappings_of(look, role) if not entry.has_path for group in entry.groups
    }
    return [group for group in WINDOWS_ROLE_GROUPS if group not in given]


def _entry_types(look: Look, role: str) -> list[str] | None:
    """Types of a role's access entries; None if not known."""
    if _mode(look) == "CONFIG_MAP":
        return []
    if look.state.access_entries is None:
        return None
    return [entry.type for entry in look.state.access_entries if entry.role == role]


def _is_windows_entry(types: list[str] | None) -> bool:
    return any(kind.upper() == "EC2_WINDOWS" for kind in types or ())


def _marked_roles(look: Look) -> list[str]:
    """Roles that aws-auth or an access entry marks as those of Windows nodes."""
    state = look.state
    roles = [entry.role for entry in state.aws_auth or () if KUBE_PROXY_GROUP in entry.groups]
    return roles + [
        entry.role for entry in state.access_entries or () if entry.type.upper() == "EC2_WINDOWS"
    ]


def _without_role(look: Look) -> list[str]:
    """Names of the Windows nodes whose role is not known."""
    return [node.name for node in look.windows if not look.role_of(node)]


def _served(rule: Check, look: Look, role: str, seen: str) -> Finding:
    """Pass for a role; unknown if other nodes may have another role."""
    alone = _without_role(look)
    if not alone or role in look.roles("windows"):
        return rule.passed(seen, subject=role)
    return rule.unknown(
        look,
        seen=f"{seen}; whether {some(alone)} have this role is not known",
        remedy="add the output of: aws ec2 describe-instances, which shows IamInstanceProfile, "
        "and aws iam get-instance-profile, which shows its role; with Karpenter: kubectl get "
        "nodepools,ec2nodeclasses -o json",
        subject=role,
    )


def _windows_roles(look: Look) -> list[str] | None:
    """Known roles of Windows nodes, or else those marked in aws-auth and access entries."""
    state = look.state
    roles = list(look.roles("windows"))
    if not roles or _without_role(look):
        roles += _marked_roles(look)
    if roles:
        return list(dict.fromkeys(roles))
    if state.windows_nodes or look.hidden_groups:
        return None
    return None if state.nodes is None else []


def _entry_file(look: Look, role: str) -> dict[str, str]:
    mapped = next((entry for entry in look.state.aws_auth or () if entry.role == role), None)
    return aws_auth_entry(role, mapped, look.partition)


def _map_role(look: Look, role: str) -> str:
    return map_role_command(role, look.cluster, look.partition, look.state.region)


@Check(
    "aws-auth-mapping",
    considers="Node role in aws-auth with its three groups",
    severity="error",
    why="without system:bootstrappers and system:nodes a node does not join the cluster; without "
    "eks:kube-proxy-windows its pods cannot resolve names",
    whole=("node_groups",),
)
def aws_auth_mapping(rule: Check, look: Look) -> Iterator[Finding]:
    state, mode = look.state, _mode(look)
    if mode == "API":
        yield rule.passed("the cluster uses only access entries; aws-auth is not read")
        return
    if state.aws_auth is None:
        yield rule.unknown(look, "aws_auth")
        return
    roles = _windows_roles(look)
    if not roles:
        yield _no_role_mapped(rule, look, roles)
        return
    for role in roles:
        yield _mapping(rule, look, role, mode)


def _no_role_mapped(rule: Check, look: Look, roles: list[str] | None) -> Finding:
    """Finding for a cluster where no role of Windows nodes is known."""
    both = _mode(look) == "API_AND_CONFIG_MAP"
    if look.state.windows_nodes and both and look.state.access_entries is None:
        return rule.unknown(look, "access_entries", "instances")
    if look.state.windows_nodes:
        mapped = some([entry.role for entry in look.state.aws_auth or ()]) or "no role"
        return rule.failed(
            f"the cluster has Windows nodes, and aws-auth gives no role the group "
            f"{KUBE_PROXY_GROUP}; it maps {mapped}",
            f"{_map_role(look, '')}; the role is told by: {_role_command(look)}",
            files=_entry_file(look, ""),
        )
    if roles is None:
        return rule.unknown(look, "nodes", "node_groups")
    return rule.passed("no role of Windows nodes yet; map it when the first node starts")


def _mapping(rule: Check, look: Look, role: str, mode: str) -> Finding:
    """Finding on the groups that aws-auth, or an access entry instead, gives a role."""
    state = look.state
    lacking = _role_lacks(look, role) or []
    types = _entry_types(look, role)
    wrong = _wrong_username(look, role)
    if not lacking and not wrong:
        seen = f"aws-auth gives {role} all three groups{_uncompared(look, role)}"
        return _served(rule, look, role, seen)
    if _is_windows_entry(types):
        return _served(rule, look, role, f"an access entry of type EC2_WINDOWS serves {role}")
    if mode == "API_AND_CONFIG_MAP" and types is None:
        return rule.unknown(
            look,
            "access_entries",
            seen=f"aws-auth does not give {role} {', '.join(lacking)}; whether an access "
            "entry does instead is not known",
            subject=role,
        )
    path = ""
    if any(entry.role == role and entry.has_path for entry in state.aws_auth or ()):
        path = "; the mapped ARN has a path, which never matches"
    elif any(entry.role == role and _is_foreign(look, entry) for entry in state.aws_auth or ()):
        path = "; the mapped ARN is of another account than the nodes' role"
    if not mode and types is None:
        path += " (an access entry could, where the cluster uses them)"
    seen = (
        f"aws-auth does not give {role} {', '.join(lacking)}{path}"
        if lacking
        else f"aws-auth gives {role} the username {wrong!r}, which is not a node's"
    )
    if mode == "API_AND_CONFIG_MAP":
        return rule.failed(
            f"{seen}, and no access entry of type EC2_WINDOWS does",
            f"{_own_role(look, role, types or [])}; or, in aws-auth: {_map_role(look, role)}",
            subject=role,
            files=_entry_file(look, role),
        )
    return rule.failed(seen, _map_role(look, role), subject=role, files=_entry_file(look, role))


def _role_command(look: Look) -> str:
    """Command that shows the role of the Windows nodes, by their launcher."""
    groups = [node.node_group for node in look.windows if node.node_group]
    if groups:
        return (
            f"aws eks describe-nodegroup --cluster-name {look.cluster} --nodegroup-name "
            f"{word(groups[0], 'NODE_GROUP')} --query nodegroup.nodeRole"
        )
    if any(node.node_pool for node in look.windows):
        return (
            "kubectl get ec2nodeclasses -o "
            "custom-columns=NAME:.metadata.name,ROLE:.spec.role,PROFILE:.spec.instanceProfile"
        )
    ids = [node.instance_id for node in look.windows if node.instance_id]
    profile = word(None, "INSTANCE_PROFILE")
    return (
        f"aws ec2 describe-instances --instance-ids {word(ids[0] if ids else None, 'INSTANCE_ID')} "
        "--query Reservations[].Instances[].IamInstanceProfile.Arn, then aws iam "
        f"get-instance-profile --instance-profile-name {profile}"
    )


def _own_role(look: Look, role: str, types: list[str]) -> str:
    """Commands that create an access entry; a role that Linux nodes also use keeps its entry."""
    if not types or all(group.role != role for group in look.linux_groups):
        return access_entry_command(role, look.cluster, types)
    names = ", ".join(
        word(group.name, "NODE_GROUP") for group in look.linux_groups if group.role == role
    )
    return (
        f"the entry serves the Linux nodes of {names}: create a separate role for Windows nodes, "
        f"and an entry for it: aws eks create-access-entry --cluster-name {look.cluster} "
        f"--principal-arn {word(None, 'WINDOWS_NODE_ROLE_ARN')} --type EC2_WINDOWS"
    )


def _with_own_role(look: Look, name: str) -> str:
    """Command that creates a node group like another one, with a separate role."""
    if look.partition != "aws":
        return (
            "a self-managed group, for EKS has Windows AMI types in commercial Regions alone: aws "
            "autoscaling create-auto-scaling-group with a launch template whose profile has it"
        )
    group = next((g for g in look.groups if g.name == name), None)
    subnets = [word(s, "SUBNET_ID") for s in (group.subnet_ids if group else ())]
    types = [word(t, "INSTANCE_TYPE") for t in (group.instance_types if group else ())]
    ami = f"--ami-type {word(group.ami_type if group and group.windows else WINDOWS_AMI_TYPE, 'AMI_TYPE')}"
    if group and group.custom_ami:
        # Its launch template specifies the AMI: EKS then accepts no AMI type.
        template, _, version = group.launch_template.partition(" version ")
        ami = f"--launch-template id={word(template, 'TEMPLATE_ID')},version={word(version, 'VERSION')}"
    return (
        f"aws eks create-nodegroup --cluster-name {look.cluster} --nodegroup-name "
        f"{word(f'{name}-own-role' if group else None, 'NODE_GROUP')} --subnets "
        f"{' '.join(subnets) or word(None, 'SUBNET_ID')} --instance-types "
        f"{' '.join(types) or word(None, 'INSTANCE_TYPE')} {ami} --node-role "
        f"{word(None, 'WINDOWS_NODE_ROLE_ARN')}"
    )


def _wrong_username(look: Look, role: str) -> str:
    """Username in a role's mapping without the node-name placeholder; empty if none."""
    return next(
        (
            entry.username
            for entry in _mappings_of(look, role)
            if KUBE_PROXY_GROUP in entry.groups
            and entry.username
            and "{{EC2PrivateDNSName}}" not in entry.username
        ),
        "",
    )


@Check(
    "access-entry",
    considers="Access entry of type EC2_WINDOWS where entries replace aws-auth",
    severity="error",
    why="with access entries, the type of the entry determines the permissions of a node, "
    "including those of kube-proxy on Windows",
    source=ENTRIES,
    whole=("access_entries", "node_groups"),
)
def access_entry(rule: Check, look: Look) -> Iterator[Finding]:
    state, mode = look.state, _mode(look)
    if mode == "CONFIG_MAP":
        yield rule.passed("the cluster does not use access entries")
        return
    roles = _windows_roles(look)
    if not mode or state.access_entries is None:
        if (
            mode == "API_AND_CONFIG_MAP"
            and roles
            and all(_role_lacks(look, role) == [] for role in roles)
        ):
            yield rule.passed("aws-auth maps every Windows role; no entry is needed")
        else:
            yield rule.unknown(look, "authentication_mode" if not mode else "access_entries")
        return
    if not roles:
        if roles is None or state.windows_nodes:
            yield rule.unknown(
                look,
                seen="the role of the Windows nodes is not known",
                remedy=f"add the output of: {_role_command(look)}",
            )
        else:
            yield rule.passed("no role of Windows nodes yet")
        return
    for role in roles:
        yield _entry_of(rule, look, role, mode)


def _entry_of(rule: Check, look: Look, role: str, mode: str) -> Finding:
    """Whether an access entry, or aws-auth if the cluster reads both, is right for a role."""
    types = _entry_types(look, role) or []
    lacking = _role_lacks(look, role)
    if _is_windows_entry(types):
        return _served(rule, look, role, f"an access entry of type EC2_WINDOWS serves {role}")
    if mode != "API" and lacking == []:
        return _served(rule, look, role, f"aws-auth serves {role}")
    if mode != "API" and lacking is None:
        return rule.unknown(look, "aws_auth", subject=role)
    return rule.failed(
        f"{role} has {'entries of type ' + some(types) if types else 'no access entry'}",
        _own_role(look, role, types),
        subject=role,
    )


@Check(
    "custom-ami-mapping",
    considers="Custom AMI in a managed node group needs the mapping too",
    severity="error",
    why="EKS grants the role its permissions automatically only for its own Windows AMIs; for "
    "a group with a custom AMI, EKS creates an access entry of type EC2_LINUX",
    whole=("node_groups",),
    needs=("node_groups",),
    clear="no managed node group has a custom AMI",
)
def custom_ami_mapping(rule: Check, look: Look) -> Iterator[Finding]:
    for group in look.state.node_groups or ():
        if group.managed and (group.ami_type == "CUSTOM" or group.custom_ami):
            yield _custom_ami(rule, look, group)


def _custom_ami(rule: Check, look: Look, group: NodeGroup) -> Finding:
    """Finding on the role of a group with a custom image, if that may be Windows."""
    windows = group.name in {one.name for one in look.groups}
    linux = group.name in {one.name for one in look.linux_groups}
    lacking, types = _role_lacks(look, group.role), _entry_types(look, group.role)
    if linux:
        return rule.passed(f"{group.name} has a custom AMI for Linux", subject=group.name)
    if lacking == [] or _is_windows_entry(types):
        return rule.passed(f"{group.role} of {group.name} is mapped", subject=group.name)
    if not windows:
        return rule.unknown(
            look,
            "nodes",
            seen=f"{group.name} has a custom AMI; whether it is Windows is not known",
            subject=group.name,
        )
    if lacking is None or (types is None and _mode(look).startswith("API")):
        return rule.unknown(
            look, "aws_auth" if lacking is None else "access_entries", subject=group.name
        )
    if _mode(look) == "API":
        return rule.failed(
            f"{group.name} runs Windows from a custom AMI, and {group.role} has no access "
            "entry of type EC2_WINDOWS",
            _own_role(look, group.role, types or []),
            subject=group.name,
        )
    return rule.failed(
        f"{group.name} runs Windows from a custom AMI, and aws-auth does not give "
        f"{group.role} {', '.join(lacking)}",
        _map_role(look, group.role),
        subject=group.name,
        files=_entry_file(look, group.role),
    )


@Check(
    "shared-node-role",
    considers="Node role not shared by Windows and Linux nodes",
    severity="warning",
    why="one access entry cannot have both types, and EKS creates the Windows entry automatically "
    "only for a separate role; in aws-auth the Linux nodes get permissions that they do not need",
    source="awsdocs/amazon-eks-user-guide, pull request 1142 of 2025-10-16, which dropped the "
    f"sentence against it: {ENTRIES.rpartition(' ')[2]}",
    whole=("node_groups",),
    needs=("node_groups|node_classes",),
    clear="no role serves both Windows and Linux nodes",
)
def shared_node_role(rule: Check, look: Look) -> Iterator[Finding]:
    linux, ours = look.roles("linux"), look.roles("windows")
    windows = dict.fromkeys(_marked_roles(look), "the Windows nodes") | ours
    shared = [role for role in windows if role in linux]
    severity: Severity = "info" if _mode(look) == "CONFIG_MAP" else rule.severity
    for role in shared:
        cure = (
            "in aws-auth the Windows mapping serves both, and no change is needed; before "
            "moving to access entries, create a separate role for Windows nodes"
            if severity == "info"
            else f"create a separate role for Windows nodes, and {_moved(look, windows[role])}"
        )
        yield rule.failed(
            f"{role} serves {windows[role]} (Windows) and {linux[role]} (Linux)",
            cure,
            subject=role,
            severity=severity,
        )
    if shared:
        return
    alone = _without_role(look)
    if look.hidden_groups:
        names = [group.name for group in look.hidden_groups]
        yield rule.unknown(look, "nodes", seen=f"what {some(names)} run is not known: custom AMI")
    elif alone and not _marked_roles(look):
        yield rule.unknown(
            look,
            "aws_auth",
            "access_entries",
            "instances",
            seen=f"the role of {some(alone)}, which no node group tells, is not known",
        )


def _moved(look: Look, who: str) -> str:
    """How to move nodes to another role, by their launcher."""
    if who.startswith("EC2NodeClass ") or any(node.node_pool for node in look.windows):
        return "name it in spec.role of the EC2NodeClass: Karpenter replaces its nodes"
    group = next((g for g in look.groups if g.name == who), None)
    if group is not None and not group.managed:
        return (
            f"give the launch template of Auto Scaling group {word(who, 'GROUP_OF_NODES')} a "
            f"profile with it, and replace its instances: {refresh(who)}"
        )
    return (
        f"a node group with it in place of {word(who, 'NODE_GROUP')}: {_with_own_role(look, who)}"
    )
