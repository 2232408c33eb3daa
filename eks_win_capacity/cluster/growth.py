"""How many more nodes a pod that waits needs, and which subnet takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_win_capacity.cluster.changes import Change
from eks_win_capacity.cluster.settings import lean_targets
from eks_win_capacity.cluster.view import group_of, word
from eks_win_capacity.core.constants import NODE_ADDRESSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster.cluster_view import ClusterView, PodNeed
    from eks_win_capacity.cluster.state import NodeGroup, Pod, SubnetState


def other_subnet(pod: Pod, need: PodNeed, view: ClusterView) -> Change:
    """A subnet that takes the nodes which the full one does not."""
    full = view.subnet_of.get(pod.node) if pod.node else None
    node = view.state.nodes_by_name.get(pod.node)
    names = [node.instance_type] if node and node.instance_type in view.types else view.types
    others = [
        held
        for held in view.state.subnets or ()
        if full is None or held.subnet_id != full.subnet_id
    ]
    remedy = "start Windows nodes in a subnet with view: "
    if view.state.subnets is None or not names:
        return Change(
            code="other-subnet",
            remedy=f"{remedy}aws ec2 describe-subnets shows the free addresses",
            feasible=None,
            why="the subnets are not known"
            if names
            else "no type of Windows nodes is known: give kubectl get nodes -o json",
        )
    best: tuple[int, int, str] = (0, 0, "")
    said = []
    for held in others:
        for name in names:
            pods = view.fresh(name, need)
            count = view.nodes_in(held, name)
            if isinstance(count, str):
                said.append(f"{held.subnet_id}: {count}")
                continue
            said.append(f"{_place(held)} takes {count:,} more {name}")
            best = max(best, (count * pods, count, f"{_place(held)} takes {count:,} more {name}"))
    unknown = len(said) > len([s for s in said if "takes" in s])
    if best[0]:
        return Change(
            code="other-subnet",
            remedy=remedy + best[2].partition(" takes")[0],
            gain=best[0],
            why=f"{best[2]}; {view.assumption(best[2].rpartition(' ')[2])}",
            nodes=1,
        )
    return Change(
        code="other-subnet",
        remedy="add a subnet with view, and a node group in it",
        gain=None if unknown else 0,
        feasible=None if unknown else False,
        why="; ".join(said[:4])
        or "no other subnet is known: aws ec2 describe-subnets shows those of the VPC",
    )


def _place(held: SubnetState) -> str:
    return f"{held.subnet_id} ({held.zone})" if held.zone else held.subnet_id


def more_nodes(need: PodNeed, waiting: int, view: ClusterView) -> Iterator[Change]:
    """Number of nodes that take what waits, and whether the subnets take them."""
    group = view.groups[0] if view.groups else None
    if not view.types:
        yield Change(
            code="more-nodes",
            remedy=_scale(None, None, 1, view),
            nodes=1,
            feasible=None,
            why="no type of Windows nodes is known: kubectl get nodes -o json tells those in use, "
            "node_capacity what one takes",
        )
        return
    each = {name: view.fresh(name, need) for name in view.types}
    fitting = [name for name, pods in each.items() if pods]
    if not fitting:
        yield Change(
            code="more-nodes",
            remedy="start nodes of a larger type, or lower what the pod requests",
            gain=0,
            feasible=False,
            why=f"it fits no new {' or '.join(each)}: {need.cpu_m:,} m of CPU, "
            f"{need.memory / 2**20:,.0f} MiB",
        )
        yield Change(
            code="larger-type",
            remedy=f"add a node group of {name}, or lower what the pod requests"
            if (name := larger(need, view))
            else "lower what the pod requests: no type of the catalog holds it",
            unit="",
            nodes=1,
            why=f"it fits no new {' or '.join(each)}",
        )
        return

    def cost(name: str) -> float:
        # Windows is paid by vCPU: without prices they tell the order.
        count = -(-waiting // each[name])
        return count * float(view.prices.get(name, view.catalog[name].vcpus))

    name = min(fitting, key=cost)
    count, pods = -(-waiting // each[name]), each[name]
    told = f"{count:,} {name}, {pods:,} such pods each, {'takes' if count == 1 else 'take'} the {waiting:,} that {'waits' if waiting == 1 else 'wait'}"
    owner = next((g for g in view.groups if name in g.instance_types), group)
    subnets = view.own_subnets if view.state.subnets is not None else None
    if subnets is None:
        yield Change(
            code="more-nodes",
            remedy=_scale(owner.name if owner else None, name, count, view),
            gain=count * pods,
            nodes=count,
            why=f"{told}; whether the subnets take them is not known: give aws ec2 "
            "describe-subnets and describe-network-interfaces",
            feasible=None,
        )
        return
    found = [(held, view.nodes_in(held, name)) for held in subnets]
    total = sum(number for _, number in found if not isinstance(number, str))
    blind = [number for _, number in found if isinstance(number, str)]
    if not total and not blind:
        yield _squeezed(name, view, subnets)
        yield _elsewhere(name, need, view, subnets)
    takes = ", ".join(
        f"{_place(held)} {number if isinstance(number, str) else f'takes {number:,}'}"
        for held, number in found[:4]
    )
    placed = count if blind else min(count, total)
    yield Change(
        code="more-nodes",
        remedy=_scale(owner.name if owner else None, name, placed or count, view),
        gain=placed * pods,
        feasible=True if total >= count else None if blind else bool(total),
        why=f"{told}; {takes or 'no subnet is known'}"
        + (f": only {total:,} of {count:,} fit" if not blind and 0 < total < count else "")
        + f"; {view.assumption(name)}",
        nodes=placed or count,
    )


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


def _squeezed(name: str, view: ClusterView, full: list[SubnetState]) -> Change:
    """Whether lower warm targets make room for one more node in a full subnet."""
    row = view.catalog[name]
    pool = view.pool(row)
    prefixes = pool is not None and pool.prefix_delegation
    # One pod, one warm address and the node's own; or one prefix for both.
    least = 1 if prefixes else NODE_ADDRESSES + 2
    made = [
        lean_targets(
            held,
            view,
            prefixes=prefixes,
            least=least if prefixes or subnet is None else max(least - subnet.free, 1),
        )
        for held in full
        for subnet in (view.models[held.subnet_id],)
    ]
    return max(made, key=lambda change: (bool(change.feasible), change.gain or 0))


def _elsewhere(name: str, need: PodNeed, view: ClusterView, full: list[SubnetState]) -> Change:
    """A subnet beyond those of the node groups."""
    ids = {held.subnet_id for held in full}
    counts = [
        (number, held)
        for held in view.state.subnets or ()
        if held.subnet_id not in ids
        and isinstance(number := view.nodes_in(held, name), int)
        and number
    ]
    if not counts:
        return Change(
            code="other-subnet",
            remedy="add a subnet with view, and a node group in it",
            feasible=None,
            why="no known subnet takes one more full node (aws ec2 describe-subnets shows others): "
            + ", ".join(
                f"{_place(h)} has {h.available if h.available is not None else 'an unknown number of'}"
                " free addresses"
                for h in full[:4]
            ),
        )
    number, held = max(counts, key=lambda pair: pair[0])
    return Change(
        code="other-subnet",
        remedy=f"add a node group in {_place(held)}",
        gain=number * view.fresh(name, need),
        nodes=1,
        why=f"{_place(held)} takes {number:,} more {name}; the node groups' own subnets none",
    )


def resized(group: NodeGroup, desired: int) -> str:
    """How a self-managed group comes to a size, by what is known of it."""
    if not group.autoscaling_groups:
        return f"the nodes of {group.name}: {desired:,} in all, in the file that makes them"
    most = group.max_size is not None and group.max_size < desired
    return (
        f"Auto Scaling group {group.autoscaling_groups[0]}: aws autoscaling "
        "update-auto-scaling-group --auto-scaling-group-name "
        f"{word(group.autoscaling_groups[0], 'GROUP_OF_NODES')} --desired-capacity {desired}"
        + (f" --max-size {desired}" if most else "")
    )


def _scale(group: str | None, name: str | None, more: int, view: ClusterView) -> str:
    """The command that adds nodes, with the sizes that follow from today's."""
    kind = f"{more:,} more {name}" if name else f"{more:,} more Windows nodes"
    if group is None:
        return f"start {kind}: raise the desired size of your Windows node group"
    found = next(g for g in view.groups if g.name == group)
    running = sum(group_of(node, view.state) is found for node in view.windows)
    desired = (running if found.desired_size is None else found.desired_size) + more
    if not found.managed:
        return f"add {kind} to {resized(found, desired)}"
    sizes = f"desiredSize={desired}"
    if found.max_size is not None and found.max_size < desired:
        sizes = f"maxSize={desired},{sizes}"
    return (
        f"add {kind} to node group {group}: aws eks update-nodegroup-config --cluster-name "
        f"{word(view.state.name, 'CLUSTER_NAME')} --nodegroup-name {word(group, 'NODE_GROUP')} "
        f"--scaling-config {sizes}"
    )
