"""What starts Windows nodes of a type, and how each starter is told to start others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eks_win_capacity.cluster.remedies import resized, word
from eks_win_capacity.cluster.serving import group_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eks_win_capacity.cluster.cluster_view import ClusterView, PodNeed
    from eks_win_capacity.cluster.state import Node, NodeGroup, SubnetState


@dataclass(frozen=True)
class Launcher:
    """
    A starter of Windows nodes; one that is not known has neither a group nor a pool.

    Attributes
    ----------
    group : NodeGroup or None
        A managed node group, or the Auto Scaling group of self-managed nodes.
    pool, node_class : str
        A NodePool of Karpenter, and the EC2NodeClass of its nodes where it is known.
    """

    group: NodeGroup | None = None
    pool: str = ""
    node_class: str = ""

    @property
    def word(self) -> str:
        """Its name as one word of a command, in sentences too: they are pasted whole."""
        if self.pool:
            return word(self.pool, "NODEPOOL")
        return word(self.group.name if self.group else None, "NODE_GROUP")

    def starts(self, kind: str, more: int, running: int, cluster: str | None) -> str:
        """How it starts more nodes, with the sizes that follow from today's."""
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
        How its nodes get settings of the kubelet.

        Parameters
        ----------
        arguments : str
            The bootstrap arguments that hold them.
        kubelet : str
            What spec.kubelet of an EC2NodeClass should be: Karpenter writes the bootstrap
            arguments itself.
        """
        if self.pool:
            return (
                f"set spec.kubelet of the EC2NodeClass {word(self.node_class, 'EC2NODECLASS')} "
                f"{kubelet}: Karpenter replaces its nodes by itself"
            )
        group = self.group
        if group is None:
            return f"start such nodes with {arguments}, beside the arguments that they have"
        if not group.managed:
            return (
                f"start the nodes of {self.word} with {arguments}, beside the arguments in its "
                f"launch template, and replace them: {_replaced(group)}"
            )
        if group.custom_ami is False:
            return (
                f"start such nodes with {arguments}: node group {self.word} takes bootstrap "
                "arguments only from a launch template that names an AMI id, so make a new group "
                "with one, and map its role"
            )
        return (
            f"start the nodes of {self.word} with {arguments}, beside the arguments in its launch "
            "template, and move the group to the new version of it"
        )

    def renews(self, image: str, cluster: str) -> str:
        """
        How its nodes get another AMI.

        Parameters
        ----------
        image : str
            Which, in words.
        cluster : str
            The cluster's name as one word of a command.
        """
        group = self.group
        if self.pool:
            return (
                f"choose {image} in amiSelectorTerms of the EC2NodeClass "
                f"{word(self.node_class, 'EC2NODECLASS')}: Karpenter replaces its nodes"
            )
        if group is None:
            return f"replace the nodes by ones with {image}"
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

    def moves_to(self, held: SubnetState, place: str) -> str:
        """How its nodes come into another subnet."""
        if self.pool:
            return (
                f"let subnetSelectorTerms of EC2NodeClass {word(self.node_class, 'EC2NODECLASS')} "
                f"choose {place}"
            )
        if self.group is not None and not self.group.managed and self.group.autoscaling_groups:
            subnets = ",".join((*self.group.subnet_ids, held.subnet_id))
            return (
                f"add {place} to {self.word}: aws autoscaling update-auto-scaling-group "
                "--auto-scaling-group-name "
                f"{word(self.group.autoscaling_groups[0], 'GROUP_OF_NODES')} "
                f"--vpc-zone-identifier {word(subnets, 'SUBNET_IDS')}"
            )
        return f"add a node group in {place}" if self.group else f"start Windows nodes in {place}"

    def takes_type(self, name: str) -> str:
        """How nodes of another type come about."""
        if self.pool:
            return f"allow {name} in the requirements of NodePool {self.word}"
        if self.group is not None and not self.group.managed:
            return f"add an Auto Scaling group of {name} beside {self.word}"
        return f"add a node group of {name}"


def _replaced(group: NodeGroup) -> str:
    return refresh((group.autoscaling_groups or (group.name,))[0])


def refresh(group: str) -> str:
    """The command that replaces the nodes of an Auto Scaling group."""
    name = word(group, "GROUP_OF_NODES")
    return f"aws autoscaling start-instance-refresh --auto-scaling-group-name {name}"


def launchers(view: ClusterView, names: Iterable[str]) -> list[Launcher]:
    """
    What starts Windows nodes of some types; one that is not known where nothing tells.

    By the types that groups and NodePools name and by the nodes that run; where none of them
    names a type, those that leave the types open.
    """
    wanted = set(names)
    return _starters(
        view,
        [node for node in view.windows if not wanted or node.instance_type in wanted],
        lambda types: not wanted or bool(wanted & set(types)),
    )


def launchers_of(view: ClusterView, nodes: Iterable[Node]) -> list[Launcher]:
    """What started some Windows nodes."""
    return _starters(view, list(nodes), lambda _: False)


def _starters(
    view: ClusterView, nodes: list[Node], names: Callable[[tuple[str, ...]], bool]
) -> list[Launcher]:
    seen = [(node, group_of(node, view.state)) for node in nodes]
    found = [
        Launcher(group=group)
        for group in view.groups
        if names(group.instance_types) or any(own is group for _, own in seen)
    ]
    classes = {pool.name: pool.node_class for pool in view.state.node_pools or ()}
    pools = {node.node_pool: None for node in nodes if node.node_pool}
    pools |= {pool.name: None for pool, _ in view.pools if names(pool.instance_types)}
    found += [Launcher(pool=pool, node_class=classes.get(pool, "")) for pool in sorted(pools)]
    if any(not node.node_pool and own is None for node, own in seen) and found:
        found.append(Launcher())
    if not found:
        found = [Launcher(group=group) for group in view.groups if not group.instance_types]
        found += [
            Launcher(pool=pool.name, node_class=pool.node_class)
            for pool, _ in view.pools
            if not pool.instance_types
        ]
    return found or [Launcher()]


def larger(need: PodNeed, view: ClusterView) -> str:
    """Name of the smallest type that runs Windows and holds a pod; empty if none does."""
    fitting = [
        row
        for name in view.catalog
        if (row := view.catalog[name]).windows.status == "supported"
        and row.nitro
        and row.current_generation
        and view.fresh(name, need)
    ]
    return min(fitting, key=lambda r: (r.vcpus, r.memory_mib, r.name)).name if fitting else ""
