"""What settings of the cluster, of its nodes or of the pod gain a pod that waits."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Final

from eks_win_capacity.addresses.configmap import go_bool
from eks_win_capacity.cluster.changes import Change
from eks_win_capacity.cluster.head_room import Need, lean
from eks_win_capacity.cluster.node_rows import advertised_by
from eks_win_capacity.cluster.scheduler_messages import taints_of
from eks_win_capacity.cluster.view import (
    ENABLE,
    ENABLE_PREFIXES,
    PREFIX_VERSIONS,
    acting_key,
    expected_addresses,
    legacy_components,
    patch,
    platform_serves,
    word,
)
from eks_win_capacity.core.constants import KUBELET_MAX_PODS_ADVISED
from eks_win_capacity.core.display import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster.head_room import Room
    from eks_win_capacity.cluster.state import Pod, SubnetState

_TARGETS: Final = ("warm-ip-target", "minimum-ip-target")


def enable(need: Need, room: Room) -> Iterator[Change]:
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
        feasible=gain > 0,
        why=f"without it no Windows node advertises an address; with it today's take {gain:,} more"
        if room.ready
        else "it is needed as well, and there is no ready Windows node yet",
    )


def uncordon(need: Need, room: Room) -> Iterator[Change]:
    """Change that lets pods onto cordoned nodes again."""
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


def refresh(need: Need, room: Room) -> Iterator[Change]:
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
        why=f"{count_of(len(old), 'node advertises', 'nodes advertise')} less than the mode gives, "
        + ", ".join(
            f"{name} {advertised_by(node)} of {own}" for name, (own, node) in list(old.items())[:4]
        ),
    )


def unstarve(pod: Pod, room: Room) -> Iterator[Change]:
    """Changes of the warm targets of a node that is starved of addresses."""
    node = room.state.nodes_by_name[pod.node]
    row = room.catalog[node.instance_type]
    pool = room.pool(row)
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


def prefixes(need: Need, room: Room) -> Change:
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


def max_pods(need: Need, room: Room, *, full: str) -> Change:
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
            remedy="a higher --max-pods in the bootstrap arguments",
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


def lean_targets(held: SubnetState | None, room: Room, *, prefixes: bool, least: int = 1) -> Change:
    """
    Weigh lower warm targets in the subnet that is full.

    Parameters
    ----------
    held : SubnetState or None
        The subnet; all of them where it is not known.
    least : int
        What must come free to help. [addresses], or [prefixes]
    """
    freed = room.freed_by_lean_targets(held)
    pool = next(
        (
            pool
            for node in room.windows
            if (row := room.row(node.instance_type)) and (pool := room.pool(row))
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
        feasible=gain >= least,
        why=f"frees {addresses:,} addresses {where}, {blocks:,} whole prefixes among them"
        + (f"; {least:,} are needed" if gain < least else "")
        if gain
        else f"the targets are lean already: nothing would be freed {where}",
    )


def reserve(pod: Pod, room: Room) -> Change:
    """Change that reserves whole /28 blocks in the subnet of a waiting pod."""
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


def tolerate(pod: Pod, need: Need, room: Room) -> Change:
    """Change that lets a pod tolerate the taints of the Windows nodes."""
    tainted = [node for node in room.ready if node.taints]
    taints = sorted({t for node in tainted for t in node.taints}) or taints_of(pod.message)
    gain = room.left_in_all(need, tainted)
    return Change(
        code="tolerate",
        remedy=f"add a toleration to the pod for: {', '.join(taints) or 'the taint'}"
        + (f"; tolerations: [{', '.join(map(_toleration, taints))}]" if taints else ""),
        gain=gain if tainted else None,
        feasible=gain > 0 if tainted else None,
        why=f"the tainted Windows nodes take {gain:,} more such pods"
        if tainted
        else "no ready Windows node that was loaded has a taint: see the message",
    )


def _toleration(taint: str) -> str:
    """Write the toleration of a taint as it stands in a manifest."""
    told, _, effect = taint.partition(":")
    key, equal, value = told.partition("=")
    parts = {"key": key, "operator": "Equal" if equal else "Exists"}
    parts |= {"value": value} if equal else {}
    parts |= {"effect": effect} if effect else {}
    return json.dumps(parts)


def select(pod: Pod, room: Room) -> Change:
    """Change of a selector that no Windows node matches."""
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
