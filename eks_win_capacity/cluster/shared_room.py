"""Pods that several nodes can take together, where they share what their subnets have left."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eks_win_capacity.cluster.cluster_view import ClusterView
    from eks_win_capacity.cluster.state import SubnetState


def in_all(pods: Mapping[str, int], view: ClusterView, *, address: bool = True) -> int:
    """
    Pods that nodes can take together, from what each could take by itself. [pods].

    Each node's number counts all slots that its subnet can still fill, so a sum counts these
    repeatedly. Pods without `address` share nothing.
    """
    if not address or not view.interfaces:
        return sum(pods.values())
    # By subnet and mode: pods on slots to be filled, and how many of them the subnet can fill.
    grown: dict[str, dict[bool, tuple[int, int]]] = defaultdict(dict)
    subnets: dict[str, SubnetState] = {}
    total = 0
    for name, more in pods.items():
        if not more:
            continue
        node, subnet = view.state.nodes_by_name[name], view.subnet_of[name]
        slots = view.slots(node)
        if slots is None or slots.room is None or subnet is None:
            total += more
            continue
        attached = slots.old + slots.each * slots.attached - view.use_of(node).with_address
        there = min(more, max(attached, 0))
        before, _ = grown[subnet.subnet_id].get(slots.prefix_delegation, (0, 0))
        grown[subnet.subnet_id][slots.prefix_delegation] = before + more - there, slots.room
        subnets[subnet.subnet_id] = subnet
        total += there
    return total + sum(
        most_pods(
            modes.get(False, (0, 0)), modes.get(True, (0, 0)), _reserved_prefixes(subnets[name])
        )
        for name, modes in grown.items()
    )


def _reserved_prefixes(subnet: SubnetState) -> int:
    """Free prefixes in a subnet's reservations, which single addresses never take."""
    model = subnet.subnet
    if model is None or not model.placement_known:
        return 0
    return model.free_prefixes - int(model.free_unreserved_blocks.sum())


def most_pods(single: tuple[int, int], prefixes: tuple[int, int], reserved: int) -> int:
    """
    Pods that one subnet can serve, if some take single addresses and others prefixes. [pods].

    Each pair has the pods, and the free addresses or blocks that they can take.
    """
    (pods, free), (of_prefixes, blocks) = single, prefixes
    each = ADDRESSES_PER_PREFIX
    # The sum is linear in the number of prefixes between these, so it is largest at one of them.
    turns = (of_prefixes // each, reserved, *(reserved + n // each for n in (free - pods, free)))
    counts = {0, blocks, *(min(max(n, 0), blocks) for turn in turns for n in (turn, turn + 1))}
    # A prefix outside reservations takes its addresses from those of single pods.
    return max(
        min(of_prefixes, each * count) + min(pods, max(free - each * max(count - reserved, 0), 0))
        for count in counts
    )
