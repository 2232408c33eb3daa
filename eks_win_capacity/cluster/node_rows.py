"""The row of each Windows node: capacity, use, head-room, and the number it advertises."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.cluster.serving import IDLE, advertised_by
from eks_win_capacity.cluster.view import expected_addresses

if TYPE_CHECKING:
    import pandas as pd

    from eks_win_capacity.cluster.cluster_view import ClusterView
    from eks_win_capacity.cluster.serving import Use
    from eks_win_capacity.cluster.state import Node

COLUMNS: Final = (
    "node", "instance_type", "zone", "ready",
    "address_pods", "kubelet_pods", "cpu_pods", "memory_pods",
    "capacity", "binding", "pods", "address_pods_used", "host_pods", "headroom",
    "advertised", "computed", "difference", "reason",
    "no_address_pods", "attachable", "blocked", "evidence",
)  # fmt: skip

_WORDS: Final = frozenset(
    ("node", "instance_type", "zone", "ready", "binding", "reason", "blocked", "evidence")
)

COUNTS: Final = tuple(name for name in COLUMNS if name not in _WORDS)


def node_row(node: Node, pod: tuple[int, int], view: ClusterView) -> dict[str, Any]:
    """Row of one node, with a typical pod's CPU [millicores] and memory [bytes]."""
    row, use = view.row(node.instance_type), view.use.get(node.name, IDLE)
    computed = expected_addresses(row, prefix_delegation=view.mode)
    advertised, slots = advertised_by(node), view.slots(node)
    obstacle = view.blocked.get(node.name)
    counted = view.state.pods is not None
    limits = _limits(node, pod, use, view)
    known = {name: limit for name, limit in limits.items() if limit is not None}
    # Without the pods nothing tells how many HostProcess pods the kubelet counts as well.
    complete = counted and {"addresses", "kubelet"} <= known.keys()
    binding = min(known, key=lambda name: known[name]) if complete else None
    lowest = known[binding] if binding else None
    takes = node.ready and node.schedulable if node.schedulable else False
    left = None if lowest is None else max(lowest - use.with_address, 0)
    return {
        "node": node.name,
        "instance_type": node.instance_type,
        "zone": node.zone,
        "ready": takes,
        **{
            f"{'address' if name == 'addresses' else name}_pods": limit
            for name, limit in limits.items()
        },
        "capacity": lowest,
        "binding": binding,
        "pods": use.pods if counted else None,
        "address_pods_used": use.with_address if counted else None,
        "host_pods": use.host if counted else None,
        "headroom": left if takes else 0 if takes is False else None,
        "advertised": advertised,
        "computed": computed,
        "difference": None if advertised is None or computed is None else advertised - computed,
        "reason": view.reason(node),
        "no_address_pods": use.without_request if counted else None,
        "attachable": None if slots is None else max(slots.serves - use.with_address, 0),
        "blocked": obstacle.code if obstacle else "",
        "evidence": "; ".join(obstacle.evidence if obstacle else node.events),
    }


def _limits(node: Node, pod: tuple[int, int], use: Use, view: ClusterView) -> dict[str, int | None]:
    """How many pods with addresses each constraint lets a node take in all; None if unknown."""
    kubelet = node.pods_limit
    return {
        "addresses": view.address_limit(node),
        "kubelet": None if kubelet is None else max(kubelet - use.without_address, 0),
        "cpu": _by_request(node.cpu_m, use.cpu_m, use.with_address, pod[0]),
        "memory": _by_request(node.memory_bytes, use.memory, use.with_address, pod[1]),
    }


def shared_growth(rows: pd.DataFrame, view: ClusterView) -> dict[str, int]:
    """
    Pods that the nodes of a subnet count more than once, for each for itself has room.

    Parameters
    ----------
    rows : DataFrame
        A row for each Windows node, as `node_row` makes them.

    Returns
    -------
    dict of str to int
        What a sum of ``headroom`` and of ``attachable`` holds too much. [pods]
    """
    excess = dict.fromkeys(("headroom", "attachable"), 0)
    for column in excess:
        grown: dict[tuple[str, int, int], int] = defaultdict(int)
        for node, pods in zip(view.windows, rows[column].tolist(), strict=True):
            slots, subnet = view.slots(node), view.subnet_of[node.name]
            if slots is None or slots.room is None or subnet is None or not isinstance(pods, int):
                continue
            used = view.use.get(node.name, IDLE).with_address
            there = max(slots.old + slots.each * slots.attached - used, 0)
            grown[subnet.subnet_id, slots.each, slots.room] += max(pods - there, 0)
        excess[column] = sum(max(pods - each * room, 0) for (_, each, room), pods in grown.items())
    return excess


def _by_request(room: int | None, used: int, pods: int, request: int) -> int | None:
    """Number of pods that fit: those that run, and typical ones in what is left."""
    if room is None or not request:
        return None
    return pods + max(room - used, 0) // request
