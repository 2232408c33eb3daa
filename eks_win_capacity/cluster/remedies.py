"""Remedies: changes with their gains, commands, manifests, and instructions for each launcher."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.addresses.configmap import of_addon
from eks_win_capacity.addresses.targets import ADDON_KEYS
from eks_win_capacity.cluster.serving import group_of
from eks_win_capacity.cluster.state import PARTS, Unknown
from eks_win_capacity.core.constants import (
    RESOURCE_CONTROLLER_POLICY,
    WINDOWS_EVICTION_MIB,
    WINDOWS_ROLE_GROUPS,
)
from eks_win_capacity.core.display import Shown
from eks_win_capacity.core.errors import MASK, allowing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from eks_win_capacity.cluster.cluster_view import ClusterView
    from eks_win_capacity.cluster.state import (
        ClusterState,
        Node,
        NodeGroup,
        Pod,
        RoleMapping,
        SubnetState,
    )

ACCOUNT: Final = "${AWS_ACCOUNT_ID}"
"""Placeholder in files for the account id, which a state does not contain."""

_ACCOUNT_NOTE: Final = (
    "# AWS_ACCOUNT_ID is left open: aws sts get-caller-identity --query Account --output text\n"
)
_UNSAFE: Final = re.compile(r"[^\w.-]+")

_USERNAME: Final = "system:node:{{EC2PrivateDNSName}}"


@dataclass(frozen=True, kw_only=True)
class Change(Shown):
    """
    A change and its gain.

    Attributes
    ----------
    code : str
        Such as ``prefix-delegation``, ``more-nodes``.
    remedy : str
        The change, with the exact command if there is one.
    gain : int or None
        The gain in `unit`; None if not known.
    unit : {"pods", "addresses", "prefixes", ""}
        Of the gain: pods like this one that can run, or what a subnet gets back.
    feasible : bool or None
        Whether it helps here; None if the state does not show that.
    nodes : int
        Nodes that are started or drained for it, as a measure of disruption.
    why : str
        Explanation of the gain, or why there is none.
    """

    code: str
    remedy: str
    gain: int | None = None
    unit: str = "pods"
    feasible: bool | None = True
    why: str = ""
    nodes: int = 0

    def rank(self, waiting: int) -> tuple[bool, bool, bool, int]:
        """
        Sort key among changes for some pending pods: the smallest sufficient change first.

        Changes certain to help come first, then those that serve all pending pods, then those that
        affect the fewest nodes.

        Examples
        --------
        >>> one = Change(code="more-nodes", remedy="", gain=9, nodes=1)
        >>> all_ = Change(code="prefix-delegation", remedy="", gain=200, nodes=20)
        >>> [min((one, all_), key=lambda c: c.rank(n)).code for n in (2, 100)]
        ['more-nodes', 'prefix-delegation']
        """
        partial = self.unit == "pods" and self.gain is not None and self.gain < waiting
        return (self.feasible is False, self.feasible is None, partial, self.nodes)

    def to_dict(self) -> dict[str, Any]:
        """The fields as a plain mapping."""
        return asdict(self)


def word(value: str | None, variable: str) -> str:
    """
    A name as one word of a shell command.

    A name that is not known becomes a variable that the shell refuses to expand if empty, so
    that no command runs with an invented name.

    Examples
    --------
    >>> word("prod", "CLUSTER_NAME"), word(None, "CLUSTER_NAME")
    ('prod', '"${CLUSTER_NAME:?}"')
    """
    return quote(value) if value else f'"${{{variable}:?}}"'


_COMMANDS: Final = {
    **PARTS,
    "autoscaling_tags": "aws autoscaling describe-auto-scaling-groups",
    "launch_templates": "aws ec2 describe-launch-template-versions",
}
"""Command for each part of a state, and for parts of its node groups with a separate answer."""


def how_told(state: ClusterState, parts: Iterable[str]) -> str:
    """
    How to get missing parts: the permission that AWS denied, or else the command to add.

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import ClusterState
    >>> how_told(ClusterState(name="prod"), ["version"])
    'add the output of: aws eks describe-cluster --name prod'
    """
    allow: list[str] = []
    commands: list[str] = []
    for part in parts:
        if action := Unknown.of(state.unknown.get(part, "")).action:
            allow.append(allowing(action))
        elif part in _COMMANDS:
            commands.append(_command(state, part))
    ways = list(dict.fromkeys(allow))
    if commands:
        ways.append(f"add the output of: {'; '.join(dict.fromkeys(commands))}")
    return "; ".join(ways)


def _command(state: ClusterState, part: str) -> str:
    """Command that outputs a part, with the known names filled in."""
    names = {
        " NAME": f" {word(state.name, 'CLUSTER_NAME')}",
        " ROLE": f" {word(state.cluster_role if 'role' in part else None, 'ROLE')}",
        " GROUP": f" {word(None, 'NODE_GROUP')}",
        " PROFILE": f" {word(None, 'PROFILE')}",
    }
    command = _COMMANDS[part]
    for name, value in names.items():
        command = command.replace(name, value)
    return command


def partition_of(state: ClusterState) -> str:
    """
    AWS partition of the cluster's region, or else of its nodes' zones, as in ARNs.

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import ClusterState
    >>> partition_of(ClusterState(region="us-gov-west-1")), partition_of(ClusterState())
    ('aws-us-gov', 'aws')
    """
    region = state.region or next((node.zone for node in state.nodes or () if node.zone), "")
    return next((p for start, p in _PARTITIONS.items() if region.startswith(start)), "aws")


_PARTITIONS: Final = {
    "cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc", "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b", "eu-isoe-": "aws-iso-e", "us-isof-": "aws-iso-f",
}  # fmt: skip
"""Prefixes of the regions in each partition except the commercial one.

Source: botocore, ``partitions.json`` (2026-11-26).
"""


def addon_values(state: ClusterState) -> Mapping[str, Any] | None:
    """Values of the vpc-cni add-on if it writes ConfigMap amazon-vpc-cni; else None."""
    for addon in state.addons or ():
        if addon.name == "vpc-cni" and of_addon(addon.configuration) is not None:
            return addon.configuration
    return None


def acting_key(state: ClusterState, target: str) -> str:
    """
    ConfigMap key in which a warm target takes effect.

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import ClusterState
    >>> acting_key(ClusterState(cni_configmap={"warm-ip-target": "1"}), "warm-ip-target")
    'warm-ip-target'
    """
    return target if target in (state.cni_configmap or {}) else f"windows-{target}"


def patch(changes: Mapping[str, str], state: ClusterState) -> str:
    """
    Command that sets keys of ConfigMap amazon-vpc-cni and keeps the others.

    If the vpc-cni add-on writes the ConfigMap, its values are changed instead, because an update
    of the add-on would undo a change by kubectl.

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import ClusterState
    >>> print(patch({"enable-windows-ipam": "true"}, ClusterState()))
    kubectl patch configmap -n kube-system amazon-vpc-cni --type merge -p '{"data": {"enable-windows-ipam": "true"}}'
    """
    values = addon_values(state)
    names = {key: name for name, (key, _) in ADDON_KEYS.items()}
    if values is not None and changes.keys() <= names.keys():
        settings = {**values, **{names[key]: value for key, value in changes.items()}}
        # The state contains no account ids: the shell inserts the caller's.
        given = quote(json.dumps(settings)).replace(MASK, "'\"${AWS_ACCOUNT_ID:?}\"'")
        return (
            f"aws eks update-addon --cluster-name {word(state.name, 'CLUSTER_NAME')} --addon-name "
            f"vpc-cni --resolve-conflicts PRESERVE --configuration-values {given}"
        )
    text = quote(json.dumps({"data": dict(changes)}))
    return f"kubectl patch configmap -n kube-system amazon-vpc-cni --type merge -p {text}"


def resized(
    group: NodeGroup | None, cluster: str | None, *, most: object = None, desired: object = None
) -> str:
    """Command that sets a group's maximum or desired size, by EKS for managed groups only."""
    if group is not None and not group.managed and group.autoscaling_groups:
        sizes = (("--desired-capacity", desired), ("--max-size", most))
        return (
            "aws autoscaling update-auto-scaling-group --auto-scaling-group-name "
            f"{word(group.autoscaling_groups[0], 'GROUP_OF_NODES')}"
            + "".join(f" {option} {size}" for option, size in sizes if size is not None)
        )
    scaling = (("maxSize", most), ("desiredSize", desired))
    return (
        f"aws eks update-nodegroup-config --cluster-name {word(cluster, 'CLUSTER_NAME')} "
        f"--nodegroup-name {word(group.name if group else None, 'NODE_GROUP')} --scaling-config "
        + ",".join(f"{name}={size}" for name, size in scaling if size is not None)
    )


def describe_pod(pod: Pod) -> str:
    """Command that shows the events of a pod."""
    return f"kubectl describe pod -n {word(pod.namespace, 'NAMESPACE')} {word(pod.name, 'POD')}"


def attach_policy(state: ClusterState) -> str:
    """Command that gives the cluster role the policy of the VPC resource controller."""
    return (
        f"aws iam attach-role-policy --role-name {word(state.cluster_role, 'CLUSTER_ROLE')} "
        f"--policy-arn arn:{partition_of(state)}:iam::aws:policy/{RESOURCE_CONTROLLER_POLICY}"
    )


def update_cluster(state: ClusterState, version: tuple[int, int] | None = None) -> str:
    """Command that updates the control plane to the next minor version."""
    following = word(version and f"{version[0]}.{version[1] + 1}", "KUBERNETES_VERSION")
    return (
        f"aws eks update-cluster-version --name {word(state.name, 'CLUSTER_NAME')} "
        f"--kubernetes-version {following}"
    )


def toleration(taint: str) -> str:
    """Toleration of a taint in the notation of a manifest."""
    pair, _, effect = taint.partition(":")
    key, equal, value = pair.partition("=")
    parts = {"key": key, "operator": "Equal" if equal else "Exists"}
    parts |= {"value": value} if equal else {}
    parts |= {"effect": effect} if effect else {}
    return json.dumps(parts)


def configmap(data: Mapping[str, str]) -> str:
    """Manifest of ConfigMap kube-system/amazon-vpc-cni with all of its data."""
    import yaml

    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "amazon-vpc-cni", "namespace": "kube-system"},
            "data": dict(data),
        },
        sort_keys=False,
        allow_unicode=False,
    )


def aws_auth_entry(role: str, mapped: RoleMapping | None, partition: str) -> dict[str, str]:
    """
    File with the entry of a role for mapRoles of aws-auth.

    It replaces the present entry of the role and keeps its groups.
    """
    import yaml

    groups = dict.fromkeys([*(mapped.groups if mapped else ()), *WINDOWS_ROLE_GROUPS])
    entry = {
        "rolearn": f"arn:{partition}:iam::{ACCOUNT}:role/{role or '${NODE_ROLE}'}",
        "username": _USERNAME,
        "groups": list(groups),
    }
    shown = " ".join(role.split())  # a name with a line break must not end the comment
    what = f"In place of the entry of {shown} in" if mapped else "Add to"
    text = (
        f"# {what} mapRoles: kubectl edit configmap -n kube-system aws-auth\n{_ACCOUNT_NOTE}"
        + ("" if role else "# NODE_ROLE is left open: the name of the Windows nodes' IAM role\n")
        + yaml.safe_dump([entry], sort_keys=False, allow_unicode=False, width=200)
    )
    return {f"aws-auth-{_UNSAFE.sub('-', role) or 'windows'}.yaml": text}


def with_account(text: str, account_id: str) -> str:
    """The string with the account id filled in."""
    return text.replace(_ACCOUNT_NOTE, "").replace(ACCOUNT, account_id)


def map_role_command(role: str, cluster: str, partition: str, region: str | None = None) -> str:
    """Command that maps a role; the account is looked up when it runs."""
    groups = " ".join(f"--group {group}" for group in WINDOWS_ROLE_GROUPS)
    account = "$(aws sts get-caller-identity --query Account --output text)"
    # The shell expands the account, but must never expand a name from a file.
    start = f'"arn:{partition}:iam::{account}:role/'
    name = (
        '${NODE_ROLE:?}"' if not role else f'{role}"' if quote(role) == role else f'"{quote(role)}'
    )
    return (
        f"eksctl create iamidentitymapping --cluster {cluster} --region {word(region, 'AWS_REGION')} --arn "
        f"{start}{name} {groups} --username '{_USERNAME}'"
    )


def access_entry_command(role: str, cluster: str, old: list[str]) -> str:
    """Commands that create a role's access entry, replacing one of another type."""
    name = word(role, "NODE_ROLE")
    arn = f'"$(aws iam get-role --role-name {name} --query Role.Arn --output text)"'
    where = f"--cluster-name {cluster} --principal-arn {arn}"
    gone = f"aws eks delete-access-entry {where}; " if old else ""
    return f"{gone}aws eks create-access-entry {where} --type EC2_WINDOWS"


def bootstrap_arguments(max_pods: int | None) -> str:
    """Bootstrap arguments with the reservations that AWS advises."""
    pods = "" if max_pods is None else f"--max-pods={max_pods} "
    return (
        f"-KubeletExtraArgs '{pods}--kube-reserved memory=0.5Gi,ephemeral-storage=1Gi "
        "--system-reserved memory=1.5Gi,ephemeral-storage=1Gi "
        f"--eviction-hard memory.available<{WINDOWS_EVICTION_MIB}Mi,nodefs.available<10%'"
    )


def node_class_settings(name: str, max_pods: int | None) -> str:
    """Kubelet settings of an EC2NodeClass, to be merged into its spec."""
    import yaml

    kubelet: dict[str, object] = {} if max_pods is None else {"maxPods": max_pods}
    kubelet |= {
        "systemReserved": {"memory": "1.5Gi", "ephemeral-storage": "1Gi"},
        "kubeReserved": {"memory": "0.5Gi", "ephemeral-storage": "1Gi"},
        "evictionHard": {
            "memory.available": f"{WINDOWS_EVICTION_MIB}Mi",
            "nodefs.available": "10%",
        },
    }
    shown = " ".join(word(name, "EC2NODECLASS").split())
    return (
        f"# kubectl patch ec2nodeclass {shown} --type merge --patch-file FILE\n"
        + yaml.safe_dump({"spec": {"kubelet": kubelet}}, sort_keys=False, allow_unicode=False)
    )


def tag_command(tags: Mapping[str, str], group: NodeGroup, cluster: str) -> str:
    """Command that tags the Auto Scaling groups of a node group."""
    if not group.managed and not group.autoscaling_groups:
        tags_json = json.dumps(dict(tags))
        return f"add under tags of {word(group.name, 'NODE_GROUP')} in the file that makes it: {tags_json}"
    names = group.autoscaling_groups or (
        (
            f"$(aws eks describe-nodegroup --cluster-name {cluster} --nodegroup-name "
            f"{word(group.name, 'NODE_GROUP')} --query nodegroup.resources.autoScalingGroups[0].name "
            "--output text)"
        ),
    )
    given = " ".join(
        f"{_resource(name)},ResourceType=auto-scaling-group,Key={key},Value={value},"
        "PropagateAtLaunch=true"
        for name in names
        for key, value in tags.items()
    )
    return f"aws autoscaling create-or-update-tags --tags {given}"


def _resource(name: str) -> str:
    """Resource of a tag as one word of a command; a substitution stays unquoted."""
    return f'"ResourceId={name}"' if name.startswith("$(") else quote(f"ResourceId={name}")


def tags_file(tags: Mapping[str, str], groups: tuple[str, ...]) -> str:
    """Tags in the ``--cli-input-json`` format of create-or-update-tags."""
    listed = [
        {
            "ResourceId": name,
            "ResourceType": "auto-scaling-group",
            "Key": key,
            "Value": value,
            "PropagateAtLaunch": True,
        }
        for name in groups or ("${AUTO_SCALING_GROUP}",)
        for key, value in tags.items()
    ]
    return json.dumps({"Tags": listed}, indent=2) + "\n"


@dataclass(frozen=True)
class Launcher:
    """
    What starts Windows nodes; an unknown launcher has neither a group nor a pool.

    Attributes
    ----------
    group : NodeGroup or None
        A managed node group, or the Auto Scaling group of self-managed nodes.
    pool, node_class : str
        A Karpenter NodePool, and the EC2NodeClass of its nodes if known.
    """

    group: NodeGroup | None = None
    pool: str = ""
    node_class: str = ""

    @property
    def word(self) -> str:
        """Its name as one word of a command, also within sentences that are pasted whole."""
        if self.pool:
            return word(self.pool, "NODEPOOL")
        return word(self.group.name if self.group else None, "NODE_GROUP")

    def starts(self, kind: str, more: int, running: int, cluster: str | None) -> str:
        """How to start more nodes, with sizes computed from the present ones."""
        if self.pool:
            return (
                f"Karpenter starts {kind} by itself where NodePool {self.word} allows it: kubectl "
                f"describe nodepool {self.word}"
            )
        group = self.group
        if group is None:
            return f"start {kind}: raise the desired size of your Windows node group"
        desired = (running if group.desired_size is None else group.desired_size) + more
        if not group.managed and not group.autoscaling_groups:
            return (
                f"add {kind} to the nodes of {self.word}: {desired:,} in all, in the file that "
                "makes them"
            )
        most = desired if group.max_size is not None and group.max_size < desired else None
        where = f"node group {self.word}"
        if not group.managed:
            where = f"Auto Scaling group {word(group.autoscaling_groups[0], 'GROUP_OF_NODES')}"
        return f"add {kind} to {where}: {resized(group, cluster, most=most, desired=desired)}"

    def starts_with(self, arguments: str, kubelet: str) -> str:
        """
        How to give its nodes settings of the kubelet.

        Karpenter writes the bootstrap arguments itself, from spec.kubelet of an EC2NodeClass.
        """
        if self.pool:
            return (
                f"set spec.kubelet of the EC2NodeClass {word(self.node_class, 'EC2NODECLASS')} "
                f"{kubelet}: Karpenter replaces its nodes by itself"
            )
        group = self.group
        if group is None:
            return f"start such nodes with {arguments}, in addition to their present arguments"
        if not group.managed:
            return (
                f"start the nodes of {self.word} with {arguments}, in addition to the arguments "
                f"in its launch template, and replace them: {_replaced(group)}"
            )
        if group.custom_ami is False:
            return (
                f"start such nodes with {arguments}: node group {self.word} takes bootstrap "
                "arguments only from a launch template that names an AMI id, so make a new group "
                "with one, and map its role"
            )
        return (
            f"start the nodes of {self.word} with {arguments}, in addition to the arguments in "
            "its launch template, and move the group to the new version of it"
        )

    def renews(self, image: str, cluster: str) -> str:
        """How to give its nodes another AMI, described by `image`."""
        group = self.group
        if self.pool:
            return (
                f"choose {image} in amiSelectorTerms of the EC2NodeClass "
                f"{word(self.node_class, 'EC2NODECLASS')}: Karpenter replaces its nodes"
            )
        if group is None:
            return f"replace the nodes with ones that use {image}"
        if not group.managed:
            return (
                f"name {image} in the launch template of {self.word}, and replace its nodes: "
                f"{_replaced(group)}"
            )
        template = "" if not group.custom_ami else f"name {image} in its launch template, then "
        return (
            f"{template}aws eks update-nodegroup-version --cluster-name {cluster} "
            f"--nodegroup-name {self.word}"
            + (
                f" --launch-template id={word(group.launch_template.partition(' ')[0], 'TEMPLATE_ID')},"
                f"version={word(None, 'NEW_VERSION')}"
                if template
                else ""
            )
        )

    def moves_to(self, subnet: SubnetState, where: str) -> str:
        """How to start its nodes in another subnet."""
        if self.pool:
            return (
                f"let subnetSelectorTerms of EC2NodeClass {word(self.node_class, 'EC2NODECLASS')} "
                f"choose {where}"
            )
        if self.group is not None and not self.group.managed and self.group.autoscaling_groups:
            subnets = ",".join((*self.group.subnet_ids, subnet.subnet_id))
            return (
                f"add {where} to {self.word}: aws autoscaling update-auto-scaling-group "
                "--auto-scaling-group-name "
                f"{word(self.group.autoscaling_groups[0], 'GROUP_OF_NODES')} "
                f"--vpc-zone-identifier {word(subnets, 'SUBNET_IDS')}"
            )
        return f"add a node group in {where}" if self.group else f"start Windows nodes in {where}"

    def takes_type(self, name: str) -> str:
        """How to start nodes of another type."""
        if self.pool:
            return f"allow {name} in the requirements of NodePool {self.word}"
        if self.group is not None and not self.group.managed:
            return f"add an Auto Scaling group of {name} next to {self.word}"
        return f"add a node group of {name}"


def _replaced(group: NodeGroup) -> str:
    return refresh((group.autoscaling_groups or (group.name,))[0])


def refresh(group: str) -> str:
    """Command that replaces the nodes of an Auto Scaling group."""
    name = word(group, "GROUP_OF_NODES")
    return f"aws autoscaling start-instance-refresh --auto-scaling-group-name {name}"


def launchers(view: ClusterView, names: Iterable[str]) -> list[Launcher]:
    """
    Launchers of Windows nodes of some types; one unknown launcher if none is known.

    From the types of groups and NodePools and from running nodes; if none of them names a type,
    the launchers that leave the types open.
    """
    wanted = set(names)
    return _starters(
        view,
        [node for node in view.windows if not wanted or node.instance_type in wanted],
        lambda types: not wanted or bool(wanted & set(types)),
    )


def launchers_of(view: ClusterView, nodes: Iterable[Node]) -> list[Launcher]:
    """Launchers of some Windows nodes."""
    return _starters(view, list(nodes), lambda _: False)


def _starters(
    view: ClusterView, nodes: list[Node], names: Callable[[tuple[str, ...]], bool]
) -> list[Launcher]:
    seen = [(node, group_of(node, view.state)) for node in nodes]
    starters = [
        Launcher(group=group)
        for group in view.groups
        if names(group.instance_types) or any(node_group is group for _, node_group in seen)
    ]
    classes = {pool.name: pool.node_class for pool in view.state.node_pools or ()}
    pools = {node.node_pool: None for node in nodes if node.node_pool}
    pools |= {pool.name: None for pool, _ in view.pools if names(pool.instance_types)}
    starters += [Launcher(pool=pool, node_class=classes.get(pool, "")) for pool in sorted(pools)]
    if any(not node.node_pool and node_group is None for node, node_group in seen) and starters:
        starters.append(Launcher())
    if not starters:
        starters = [Launcher(group=group) for group in view.groups if not group.instance_types]
        starters += [
            Launcher(pool=pool.name, node_class=pool.node_class)
            for pool, _ in view.pools
            if not pool.instance_types
        ]
    return starters or [Launcher()]
