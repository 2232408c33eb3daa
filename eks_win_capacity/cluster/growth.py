"""How many more nodes a pod that waits needs, which subnet takes them, and what makes room there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eks_win_capacity.addresses.targets import TARGETS
from eks_win_capacity.addresses.warm_pool import lean
from eks_win_capacity.cluster.remedies import Change, Launcher, acting_key, launchers, patch, word
from eks_win_capacity.cluster.serving import group_of
from eks_win_capacity.core.constants import NODE_ADDRESSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.addresses.warm_pool import WarmPool
    from eks_win_capacity.cluster.cluster_view import ClusterView, PodNeed
    from eks_win_capacity.cluster.state import Pod, SubnetState


def other_subnet(pod: Pod, need: PodNeed, view: ClusterView) -> Change:
    """A subnet that takes the nodes which the full one does not."""
    full = view.home(pod)
    node = view.state.nodes_by_name.get(pod.node)
    names = [node.instance_type] if node and node.instance_type in view.types else view.types
    others = [
        held
        for held in view.state.subnets or ()
        if full is None or held.subnet_id != full.subnet_id
    ]
    starter = launchers(view, names)[0]
    if view.state.subnets is None or not names:
        return Change(
            code="other-subnet",
            remedy="start Windows nodes in a subnet with room: aws ec2 describe-subnets shows the "
            "free addresses",
            feasible=None,
            why="the subnets are not known"
            if names
            else "no type of Windows nodes is known: give kubectl get nodes -o json",
        )
    best: tuple[int, str, str, SubnetState] | None = None
    said = []
    for held in others:
        for name in names:
            count = view.nodes_in(held, name)
            if isinstance(count, str):
                said.append(f"{held.subnet_id}: {count}")
                continue
            said.append(f"{_place(held)} takes {count:,} more {name}")
            gain = count * view.fresh(name, need)
            if gain > (best[0] if best else 0):
                best = (gain, name, said[-1], held)
    if best is not None:
        return _moved(best, starter, view)
    # A subnet that takes none for sure is known to be no help; one of which nothing is known is not.
    unknown = any("takes" not in one for one in said)
    return Change(
        code="other-subnet",
        remedy="add a subnet with room, and start Windows nodes in it",
        gain=None if unknown else 0,
        feasible=None if unknown else False,
        why="; ".join(said[:4])
        or "no other subnet is known: aws ec2 describe-subnets shows those of the VPC",
    )


def _moved(best: tuple[int, str, str, SubnetState], starter: Launcher, view: ClusterView) -> Change:
    """Nodes of a type in a subnet that takes them, with what they gain."""
    gain, name, seen, held = best
    return Change(
        code="other-subnet",
        remedy=starter.moves_to(held, _place(held)),
        gain=gain,
        why=f"{seen}; {view.assumption(name)}",
        nodes=1,
    )


def _place(held: SubnetState) -> str:
    name = word(held.subnet_id, "SUBNET_ID")
    return f"{name} ({word(held.zone, 'ZONE')})" if held.zone else name


def more_nodes(need: PodNeed, waiting: int, view: ClusterView) -> Iterator[Change]:
    """Number of nodes that take what waits, and whether the subnets take them."""
    each = {name: view.fresh(name, need) for name in view.types}
    fitting = [name for name, pods in each.items() if pods]
    if not fitting:
        yield from _of_other_types(need, view)
        return

    def nodes(name: str) -> int:
        # Whole nodes: the last one may stay half empty.
        return -(-waiting // each[name])

    # Windows is paid by vCPU: without prices they tell the order.
    price = {one: float(view.prices.get(one, view.catalog[one].vcpus)) for one in fitting}
    name = min(fitting, key=lambda one: nodes(one) * price[one])
    count, pods = nodes(name), each[name]
    told = f"{count:,} {name}, {pods:,} such pods each, {'takes' if count == 1 else 'take'} the {waiting:,} that {'waits' if waiting == 1 else 'wait'}"
    starter = launchers(view, [name])[0]
    if view.state.subnets is None:
        remedy = _scale(starter, name, count, view)
        why = f"{told}; {_SUBNETS_UNKNOWN}"
        gain = count * pods
        yield Change(
            code="more-nodes", remedy=remedy, gain=gain, nodes=count, why=why, feasible=None
        )
        return
    subnets = view.own_subnets
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
        remedy=_scale(starter, name, placed or count, view),
        gain=placed * pods,
        feasible=True if total >= count else None if blind else bool(total),
        why=f"{told}; {takes or 'no subnet is known'}"
        + (f": only {total:,} of {count:,} fit" if not blind and 0 < total < count else "")
        + f"; {view.assumption(name)}",
        nodes=placed or count,
    )


_SUBNETS_UNKNOWN: Final = (
    "whether the subnets take them is not known: give aws ec2 describe-subnets and "
    "describe-network-interfaces"
)


def _of_other_types(need: PodNeed, view: ClusterView) -> Iterator[Change]:
    """What is said where no type of the cluster's Windows nodes takes a pod, or none is known."""
    names = view.types
    if not names:
        yield Change(
            code="more-nodes",
            remedy=_scale(launchers(view, ())[0], None, 1, view),
            nodes=1,
            feasible=None,
            why="no type of Windows nodes is known: kubectl get nodes -o json tells those in use, "
            "node_capacity what one takes",
        )
        return
    yield Change(
        code="more-nodes",
        remedy="start nodes of a larger type, or lower what the pod requests",
        gain=0,
        feasible=False,
        why=f"it fits no new {' or '.join(names)}: {need.cpu_m:,} m of CPU, "
        f"{need.memory / 2**20:,.0f} MiB",
    )
    name = view.larger(need)
    yield Change(
        code="larger-type",
        remedy=f"{launchers(view, names)[0].takes_type(name)}, or lower what the pod requests"
        if name
        else "lower what the pod requests: no type of the catalog holds it",
        unit="",
        nodes=1,
        why=f"it fits no new {' or '.join(names)}",
    )


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
            least=least if prefixes else max(least - (view.room_in(held, prefixes=False) or 0), 1),
        )
        for held in full
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
            remedy="add a subnet with room, and start Windows nodes in it",
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
        remedy=launchers(view, [name])[0].moves_to(held, _place(held)),
        gain=number * view.fresh(name, need),
        nodes=1,
        why=f"{_place(held)} takes {number:,} more {name}; the node groups' own subnets none",
    )


def _scale(starter: Launcher, name: str | None, more: int, view: ClusterView) -> str:
    """How more nodes are started, by what starts them."""
    kind = f"{more:,} more {name}" if name else f"{more:,} more Windows nodes"
    running = sum(group_of(node, view.state) is starter.group for node in view.windows)
    return starter.starts(kind, more, running, view.state.name)


def give_back(held: SubnetState | None, view: ClusterView, *, prefixes: bool) -> Iterator[Change]:
    """Change that lets nodes have what an explicit reservation keeps from them."""
    kept = [cidr for cidr, kind in (held.reservations or () if held else ()) if kind == "explicit"]
    model = view.models[held.subnet_id] if held else None
    if held is None or model is None or not kept or not model.placement_known:
        return
    parts = [part for part in model.census.reservations if part.type == "explicit"]
    gain = sum(part.whole_free if prefixes else part.free for part in parts)
    yield Change(
        code="give-back-reservation",
        remedy="if what they were kept for is gone: aws ec2 get-subnet-cidr-reservations --subnet-id "
        f"{word(held.subnet_id, 'SUBNET_ID')}; aws ec2 delete-subnet-cidr-reservation "
        f"--subnet-cidr-reservation-id {word(None, 'RESERVATION_ID')}",
        gain=gain,
        unit="prefixes" if prefixes else "addresses",
        feasible=gain > 0,
        why=f"{', '.join(kept)} of {held.subnet_id} are reserved for explicit use: {gain:,} "
        f"{'whole blocks' if prefixes else 'addresses'} in them are free and go to no node",
    )


def lean_targets(
    held: SubnetState | None, view: ClusterView, *, prefixes: bool, least: int = 1
) -> Change:
    """
    Gain of lower warm targets in the subnet that is full.

    Parameters
    ----------
    held : SubnetState or None
        The subnet; all of them where it is not known.
    least : int
        What must come free to help. [addresses], or [prefixes]
    """
    freed = view.freed_by_lean_targets(held)
    pool = next(
        (
            pool
            for node in view.windows
            if (row := view.row(node.instance_type)) and (pool := view.pool(row))
        ),
        None,
    )
    remedy = _lean_remedy(pool, view)
    where = f"in {held.subnet_id}" if held else "in all subnets"
    if freed is None or pool is None:
        return Change(
            code="warm-targets",
            remedy=remedy,
            unit="prefixes" if prefixes else "addresses",
            feasible=None,
            why="the ConfigMap, the types or the subnets of the nodes are not known: give kubectl get "
            "configmap -n kube-system amazon-vpc-cni -o json and aws ec2 describe-subnets",
        )
    addresses, blocks = freed
    gain = blocks if prefixes else addresses
    return Change(
        code="warm-targets",
        remedy=remedy,
        gain=gain,
        unit="prefixes" if prefixes else "addresses",
        feasible=gain >= least,
        why=f"frees {addresses:,} addresses {where}, {blocks:,} whole prefixes among them"
        + (f"; {least:,} are needed" if gain < least else "")
        if gain
        else f"the targets are lean already: nothing would be freed {where}",
    )


def _lean_remedy(pool: WarmPool | None, view: ClusterView) -> str:
    """Command that sets the lowest targets under which every pod still gets its address."""
    if pool is None:
        return "lower what idle nodes hold in ConfigMap amazon-vpc-cni"
    targets = lean(prefix_delegation=pool.prefix_delegation)
    values = {
        acting_key(view.state, target.key): str(getattr(targets, target.name))
        for target in TARGETS
        if not target.prefix_only
    }
    return patch(values, view.state)
