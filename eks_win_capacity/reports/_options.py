"""What can be done for a pod that waits: each change with what it gains, the cheapest first."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.configmap import go_bool
from eks_win_capacity.constants import KUBELET_MAX_PODS_ADVISED
from eks_win_capacity.offers import (
    ENABLE,
    ENABLE_PREFIXES,
    PREFIX_VERSIONS,
    acting_key,
    expected_addresses,
    legacy_components,
    patch,
    platform_serves,
    pool_of,
    word,
)
from eks_win_capacity.reports._nodes import advertised_by
from eks_win_capacity.reports._room import Need, lean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster import Pod, SubnetState
    from eks_win_capacity.reports._room import Room

_TARGETS: Final = ("warm-ip-target", "minimum-ip-target")


@dataclass(frozen=True, kw_only=True)
class Change:
    """
    One thing to do, and what it gains.

    Attributes
    ----------
    code : str
        Such as ``prefix-delegation``, ``more-nodes``.
    remedy : str
        What to do, with the exact command where there is one.
    gain : int or None
        How much it gives, in `unit`; None where that is not known.
    unit : {"pods", "addresses", "prefixes", ""}
        Of the gain: places for pods like this one, or what a subnet gets back.
    feasible : bool or None
        Whether it helps here; None where the state does not tell.
    why : str
        What the gain comes from, or why there is none.
    """

    code: str
    remedy: str
    gain: int | None = None
    unit: str = "pods"
    feasible: bool | None = True
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as a plain mapping."""
        return asdict(self)


def changes(cause: str, pod: Pod, waiting: int, room: Room) -> Iterator[Change]:
    """
    Give what may help, the cheapest first: settings, then pods, then nodes.

    Parameters
    ----------
    waiting : int
        Pods like this one that wait for the same cause. [pods]
    """
    need = Need.of(pod)
    if cause in {"addresses", "no-windows-node", "waiting-for-address"}:
        yield from _enable(need, room)
    if cause in {"not-ready", "addresses", "kubelet", "cpu", "memory", "no-windows-node"}:
        yield from _uncordon(need, room)
    if cause == "addresses":
        yield from _refresh(need, room)
    if cause == "starved":
        yield from _unstarve(pod, room)
    if cause in {"subnet", "prefixes"}:
        yield _lean_targets(pod, room, prefixes=cause == "prefixes")
    if cause == "taint":
        yield _tolerate(need, room)
    if cause == "selector":
        yield _select(pod, room)
    if cause == "addresses":
        yield _prefixes(need, room)
    if cause in {"kubelet", "addresses"}:
        yield _max_pods(need, room, full=cause)
    if cause == "waiting-for-address":
        yield Change(
            code="wait",
            remedy="a freed address cools down for 30 to 60 s before it serves another pod; if "
            f"it waits longer, see its events: {_describe(pod)}",
            unit="",
        )
    if cause == "prefixes":
        yield _reserve(pod, room)
    if cause in {"subnet", "prefixes", "waiting-for-address"}:
        yield _other_subnet(pod, need, room)
    if cause in {"addresses", "kubelet", "cpu", "memory", "not-ready", "no-windows-node"}:
        yield from _more_nodes(need, waiting, room)
    if cause in _LOOK:
        yield Change(code=_LOOK[cause][0], remedy=_LOOK[cause][1] + _describe(pod), unit="")


_LOOK: Final = {
    "volume": (
        "fix-volume",
        "give it a volume in the zone of a Windows node (volumeBindingMode WaitForFirstConsumer): ",
    ),
    "storage": ("look", "lower its ephemeral-storage request, or give nodes a larger disk: "),
    "resource": ("look", "no Windows node offers what it requests: "),
    "ports": ("look", "another pod holds its host port on each fitting node: "),
    "pod-affinity": ("look", "loosen its pod affinity or topology spread: "),
    "gate": ("look", "remove its scheduling gate once what it waits for is there: "),
    "image": ("look", "see whether the image's name and the right to pull it are correct: "),
    "windows-version": (
        "look",
        "use an image of the nodes' Windows Server release, for the base image must match it: ",
    ),
    "config": ("look", "create the Secret or ConfigMap that it names: "),
    "no-message": ("look", "see its events: "),
    "other": ("look", "see its events: "),
}
"""What to look at where this library has nothing to compute."""


def _describe(pod: Pod) -> str:
    return f"kubectl describe pod -n {word(pod.namespace, 'NAMESPACE')} {word(pod.name, 'POD')}"


def _enable(need: Need, room: Room) -> Iterator[Change]:
    """Turn the controller's work for Windows on, where it is off."""
    data = room.state.cni_configmap
    if data is None or go_bool(data.get(ENABLE, "")) or not need.address:
        return
    gain = sum(
        room.left(node, need, addresses=expected_addresses(row, prefix_delegation=False))
        for node in room.ready
        if (row := room.row(node.instance_type)) is not None
    )
    yield Change(
        code="enable-windows-ipam",
        remedy=patch({ENABLE: "true"}),
        gain=gain,
        feasible=bool(room.ready),
        why="without it no Windows node advertises an address"
        if room.ready
        else "it is needed as well, and there is no ready Windows node yet",
    )


def _uncordon(need: Need, room: Room) -> Iterator[Change]:
    if room.cordoned:
        gain = room.left_in_all(need, room.cordoned)
        names = " ".join(word(node.name, "NODE") for node in room.cordoned[:10])
        yield Change(
            code="uncordon",
            remedy=f"kubectl uncordon {names}",
            gain=gain,
            feasible=gain > 0,
            why=f"{len(room.cordoned)} Windows nodes are cordoned; they take {gain:,} more",
        )
    if room.broken:
        gain = room.left_in_all(need, room.broken)
        first = word(room.broken[0].name, "NODE")
        yield Change(
            code="repair-node",
            remedy=f"see why it is not ready: kubectl describe node {first}",
            gain=gain,
            feasible=gain > 0 and not room.ready,
            why=f"{len(room.broken)} Windows nodes are not ready; they would take {gain:,} more",
        )


def _refresh(need: Need, room: Room) -> Iterator[Change]:
    """Replace nodes that still advertise less than the mode of the cluster gives."""
    old = {
        node.name: (own, node)
        for node in room.ready
        if (own := expected_addresses(room.row(node.instance_type), prefix_delegation=room.mode))
        and 0 < (advertised_by(node) or 0) < own
    }
    if not old:
        return
    gain = sum(room.left(node, need, addresses=own, full="addresses") for own, node in old.values())
    first = word(next(iter(old)), "NODE")
    yield Change(
        code="replace-node",
        remedy=f"kubectl drain --ignore-daemonsets {first}, then terminate it: a fresh node "
        "advertises what the ConfigMap asks for",
        gain=gain,
        feasible=gain > 0,
        why=f"{len(old)} nodes advertise less than their mode gives, "
        + ", ".join(
            f"{name} {advertised_by(node)} of {own}" for name, (own, node) in list(old.items())[:4]
        ),
    )


def _unstarve(pod: Pod, room: Room) -> Iterator[Change]:
    node = room.state.nodes_by_name[pod.node]
    row = room.catalog[node.instance_type]
    pool = pool_of(room.state, row)
    most = expected_addresses(row, prefix_delegation=False) or 0
    held = pool.minimum_ip_target if pool else 0
    key = acting_key(room.state, "warm-ip-target")
    yield Change(
        code="warm-targets",
        remedy=patch({key: "1"}),
        gain=max(most - held, 0),
        why=f"the warm target is 0, so {node.name} attaches {held} addresses and no more; with 1 "
        f"it serves all {most}",
    )


def _prefixes(need: Need, room: Room) -> Change:
    """Weigh prefix delegation."""
    state = room.state
    remedy = patch({ENABLE: "true", ENABLE_PREFIXES: "true"})

    def no(why: str, *, feasible: bool | None = False) -> Change:
        return Change(
            code="prefix-delegation",
            remedy=remedy,
            gain=None if feasible is None else 0,
            feasible=feasible,
            why=why,
        )

    if room.mode is None:
        return no("the mode is not known: give the ConfigMap amazon-vpc-cni", feasible=None)
    if room.mode:
        return no("it is on")
    if not need.address:
        return no("the pod takes no address")
    if platform_serves(state, PREFIX_VERSIONS) is False:
        return no(
            f"Kubernetes {state.version} at {state.platform_version or 'its platform version'} "
            "has none: update the cluster first"
        )
    if legacy_components(state):
        return no("the legacy Deployment vpc-resource-controller keeps nodes in secondary mode")
    gain, live, limits = room.with_prefixes(need)
    after = Counter(
        (advertised_by(n) or 0, expected_addresses(row, prefix_delegation=True))
        for n in room.ready
        if (row := room.row(n.instance_type)) is not None and row.nitro
    )
    each = ", ".join(f"{then} addresses a node instead of {now}" for now, then in after)
    limited = f"; limited by {'; '.join(limits[:4])}" if limits else ""
    if gain <= 0:
        return no(f"{each or 'no ready Nitro node'}: no such pod more{limited}")
    return Change(
        code="prefix-delegation",
        remedy=f"{remedy}; then replace the nodes: running pods keep the slots of the old mode",
        gain=gain,
        why=f"{each}: {gain:,} more such pods on as many nodes, {live:,} of them before the nodes "
        f"are replaced{limited}"
        + ("" if room.state.subnets else "; the free /28 blocks of the subnets are not known"),
    )


def _max_pods(need: Need, room: Room, *, full: str) -> Change:
    """Weigh a higher max-pods."""
    most, gain = room.with_max_pods(need, full=full)
    if gain <= 0:
        limits = sorted({n.pods_limit for n in room.ready if n.pods_limit is not None})
        addresses = sorted({advertised_by(n) or 0 for n in room.ready})
        why = (
            f"max-pods of {', '.join(map(str, limits)) or 'unknown'} does not bind where nodes "
            f"advertise {', '.join(map(str, addresses)) or 'no'} addresses"
        )
        if full == "kubelet" and any(limit >= KUBELET_MAX_PODS_ADVISED for limit in limits):
            why = f"AWS advises at most {KUBELET_MAX_PODS_ADVISED}"
        return Change(
            code="max-pods",
            remedy="-KubeletExtraArgs '--max-pods=N' in the bootstrap arguments",
            gain=0,
            feasible=False,
            why=why,
        )
    return Change(
        code="max-pods",
        remedy=f"raise the kubelet's limit: -KubeletExtraArgs '--max-pods={most}' in the bootstrap "
        "arguments, and replace the nodes",
        gain=gain,
        why=f"{gain:,} more such pods on as many nodes as today: addresses, CPU and memory allow "
        "them",
    )


def _lean_targets(pod: Pod, room: Room, *, prefixes: bool) -> Change:
    """Weigh lower warm targets in the subnet that is full."""
    held = room.subnet_of.get(pod.node) if pod.node else None
    freed = room.freed_by_lean_targets(held)
    pool = next(
        (
            pool
            for node in room.windows
            if (row := room.row(node.instance_type)) and (pool := pool_of(room.state, row))
        ),
        None,
    )
    targets = lean(pool) if pool else None
    values = (
        {
            acting_key(room.state, name): str(value)
            for name, value in zip(
                _TARGETS, (targets.warm_ip_target, targets.minimum_ip_target), strict=True
            )
        }
        if targets
        else {}
    )
    remedy = patch(values) if values else "lower what idle nodes hold in ConfigMap amazon-vpc-cni"
    where = f"in {held.subnet_id}" if held else "in all subnets"
    if freed is None or targets is None:
        return Change(
            code="warm-targets",
            remedy=remedy,
            unit="prefixes" if prefixes else "addresses",
            feasible=None,
            why="the ConfigMap, the types or the subnets of the nodes are not known",
        )
    addresses, blocks = freed
    gain = blocks if prefixes else addresses
    return Change(
        code="warm-targets",
        remedy=remedy,
        gain=gain,
        unit="prefixes" if prefixes else "addresses",
        feasible=gain > 0,
        why=f"frees {addresses:,} addresses {where}, {blocks:,} whole prefixes among them"
        if gain
        else f"the targets are lean already: nothing would be freed {where}",
    )


def _reserve(pod: Pod, room: Room) -> Change:
    held = room.subnet_of.get(pod.node) if pod.node else None
    subnet = room.models[held.subnet_id] if held else None
    remedy = (
        "keep /28 blocks whole: aws ec2 create-subnet-cidr-reservation --reservation-type prefix "
        f"--subnet-id {word(held.subnet_id if held else None, 'SUBNET_ID')} --cidr "
    )
    if subnet is None or not subnet.placement_known:
        return Change(
            code="reserve-prefixes",
            remedy=remedy + word(None, "CIDR"),
            unit="prefixes",
            feasible=None,
            why="where the used addresses of the subnet lie is not known",
        )
    blocks = subnet.blocks()
    free = blocks.loc[blocks["serves"] & (blocks["reservation"] == ""), "cidr"].tolist()
    return Change(
        code="reserve-prefixes",
        remedy=remedy + (free[0] if free else word(None, "CIDR")),
        gain=len(free),
        unit="prefixes",
        feasible=bool(free),
        why=f"{len(free):,} whole blocks are left outside reservations"
        + ("" if free else f", though {subnet.free:,} addresses are free"),
    )


def _tolerate(need: Need, room: Room) -> Change:
    tainted = [node for node in room.ready if node.taints]
    taints = sorted({taint for node in tainted for taint in node.taints})
    gain = room.left_in_all(need, tainted)
    return Change(
        code="tolerate",
        remedy=f"add a toleration to the pod for: {', '.join(taints) or 'the taint'}",
        gain=gain if tainted else None,
        feasible=gain > 0 if tainted else None,
        why=f"the tainted Windows nodes take {gain:,} more such pods"
        if tainted
        else "no ready Windows node that was loaded has a taint: see the message",
    )


def _select(pod: Pod, room: Room) -> Change:
    wrong = [
        f"{label}={value}"
        for label, value, right in (
            ("kubernetes.io/os", pod.selects_os, {"", "windows"}),
            ("kubernetes.io/arch", pod.selects_arch, {"", "amd64"}),
            ("eks.amazonaws.com/compute-type", pod.selects_compute, {"", "ec2"}),
        )
        if value not in right
    ]
    gain = room.left_in_all(Need.of(pod), room.ready)
    return Change(
        code="fix-selector",
        remedy='select nodes that exist: nodeSelector {kubernetes.io/os: "windows", '
        'kubernetes.io/arch: "amd64"}'
        + (f"; it selects {', '.join(wrong)}" if wrong else ", and only labels that they have"),
        gain=gain,
        feasible=gain > 0 if room.ready else None,
        why=f"the ready Windows nodes take {gain:,} more such pods",
    )


def _other_subnet(pod: Pod, need: Need, room: Room) -> Change:
    """Look for a subnet that takes the nodes which the full one does not."""
    full = room.subnet_of.get(pod.node) if pod.node else None
    node = room.state.nodes_by_name.get(pod.node)
    names = [node.instance_type] if node and node.instance_type in room.types else room.types
    others = [
        held
        for held in room.state.subnets or ()
        if full is None or held.subnet_id != full.subnet_id
    ]
    remedy = "start Windows nodes in a subnet with room: "
    if room.state.subnets is None or not names:
        return Change(
            code="other-subnet",
            remedy=f"{remedy}aws ec2 describe-subnets shows the free addresses",
            feasible=None,
            why="the subnets are not known" if names else "no type of Windows nodes is known",
        )
    best: tuple[int, int, str] = (0, 0, "")
    said = []
    for held in others:
        for name in names:
            pods = room.fresh(name, need)
            count = room.nodes_in(held, name, max(pods, 1))
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
            why=best[2],
        )
    return Change(
        code="other-subnet",
        remedy="add a subnet with room, and a node group in it",
        gain=None if unknown else 0,
        feasible=None if unknown else False,
        why="; ".join(said[:4]) or "no other subnet is known",
    )


def _place(held: SubnetState) -> str:
    return f"{held.subnet_id} ({held.zone})" if held.zone else held.subnet_id


def _more_nodes(need: Need, waiting: int, room: Room) -> Iterator[Change]:
    """Count the nodes that take what waits, and whether the subnets take them."""
    group = room.groups[0] if room.groups else None
    if not room.types:
        yield Change(
            code="more-nodes",
            remedy=_scale(None, None, 1, room),
            feasible=None,
            why="no type of Windows nodes is known: node_capacity tells what one takes",
        )
        return
    each = {name: room.fresh(name, need) for name in room.types}
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
            remedy="add a node group of a larger type, or lower what the pod requests",
            unit="",
            why=f"it fits no new {' or '.join(each)}",
        )
        return

    def cost(name: str) -> float:
        # Windows is paid by vCPU: without prices they tell the order.
        count = -(-waiting // each[name])
        return count * float(room.prices.get(name, room.catalog[name].vcpus))

    name = min(fitting, key=cost)
    count, pods = -(-waiting // each[name]), each[name]
    told = f"{count:,} {name}, {pods:,} such pods each, {'takes' if count == 1 else 'take'} the {waiting:,} that {'waits' if waiting == 1 else 'wait'}"
    owner = next((g for g in room.groups if name in g.instance_types), group)
    subnets = room.own_subnets if room.state.subnets is not None else None
    if subnets is None:
        yield Change(
            code="more-nodes",
            remedy=_scale(owner.name if owner else None, name, count, room),
            gain=count * pods,
            why=f"{told}; whether the subnets take them is not known",
            feasible=None,
        )
        return
    found = [(held, room.nodes_in(held, name, min(pods, waiting))) for held in subnets]
    total = sum(number for _, number in found if not isinstance(number, str))
    blind = [number for _, number in found if isinstance(number, str)]
    if not total and not blind:
        yield _elsewhere(name, need, room, subnets)
    takes = ", ".join(
        f"{_place(held)} {number if isinstance(number, str) else f'takes {number:,}'}"
        for held, number in found[:4]
    )
    placed = count if blind else min(count, total)
    yield Change(
        code="more-nodes",
        remedy=_scale(owner.name if owner else None, name, placed or count, room),
        gain=placed * pods,
        feasible=True if total >= count else None if blind else bool(total),
        why=f"{told}; {takes or 'no subnet is known'}"
        + (f": only {total:,} of {count:,} fit" if not blind and 0 < total < count else ""),
    )


def _elsewhere(name: str, need: Need, room: Room, full: list[SubnetState]) -> Change:
    """Look for a subnet beyond those of the node groups."""
    ids = {held.subnet_id for held in full}
    counts = [
        (number, held)
        for held in room.state.subnets or ()
        if held.subnet_id not in ids
        and isinstance(number := room.nodes_in(held, name, 1), int)
        and number
    ]
    if not counts:
        return Change(
            code="other-subnet",
            remedy="add a subnet with room, and a node group in it",
            gain=0,
            feasible=None,
            why="no known subnet takes one more node: "
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
        gain=number * room.fresh(name, need),
        why=f"{_place(held)} takes {number:,} more {name}; the node groups' own subnets none",
    )


def _scale(group: str | None, name: str | None, more: int, room: Room) -> str:
    """Give the command that adds nodes, with the sizes that follow from today's."""
    kind = f"{more:,} more {name}" if name else f"{more:,} more Windows nodes"
    if group is None:
        return f"start {kind}: raise the desired size of your Windows node group"
    found = next(g for g in room.groups if g.name == group)
    running = sum(node.node_group == group for node in room.windows)
    desired = (running if found.desired_size is None else found.desired_size) + more
    sizes = f"desiredSize={desired}"
    if found.max_size is not None and found.max_size < desired:
        sizes = f"maxSize={desired},{sizes}"
    return (
        f"add {kind} to node group {group}: aws eks update-nodegroup-config --cluster-name "
        f"{word(room.state.name, 'CLUSTER_NAME')} --nodegroup-name {word(group, 'NODE_GROUP')} "
        f"--scaling-config {sizes}"
    )
