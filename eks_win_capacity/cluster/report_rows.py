"""The rows of a report: of nodes what each takes and offers, of subnets and zones what is free."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.cluster.serving import advertised_by
from eks_win_capacity.core.errors import CapacityError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from eks_win_capacity.addresses.subnet import Subnet
    from eks_win_capacity.cluster.cluster_view import ClusterView
    from eks_win_capacity.cluster.serving import Use
    from eks_win_capacity.cluster.state import Node, SubnetState

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
    use, computed = view.use_of(node), view.expected(node.instance_type, prefixes=view.mode)
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
            used = view.use_of(node).with_address
            there = max(slots.old + slots.each * slots.attached - used, 0)
            grown[subnet.subnet_id, slots.each, slots.room] += max(pods - there, 0)
        excess[column] = sum(max(pods - each * room, 0) for (_, each, room), pods in grown.items())
    return excess


def _by_request(room: int | None, used: int, pods: int, request: int) -> int | None:
    """Number of pods that fit: those that run, and typical ones in what is left."""
    if room is None or not request:
        return None
    return pods + max(room - used, 0) // request


_NAMES: Final = ("subnet_id", "zone", "cidr")
_COUNTS: Final = (
    "usable", "used", "free", "available",
    "free_prefixes", "free_prefixes_best", "free_prefixes_worst",
)  # fmt: skip
_MORE: Final = (
    "subnet_id", "zone", "instance_type", "mode", "pods_per_node", "addresses_per_node",
    "prefixes_per_node", "nodes", "guaranteed", "best", "binding", "why",
)  # fmt: skip
_MORE_COUNTS: Final = (
    "pods_per_node", "addresses_per_node", "prefixes_per_node", "nodes", "guaranteed", "best",
)  # fmt: skip


def _gap(held: SubnetState, unseen: int) -> list[str]:
    """What may hold the addresses that EC2 counts in use and no interface shows."""
    if not unseen:
        return []
    owner = "another account that shares the subnet"
    holder = (
        f"those of {owner}"
        if held.reservations is not None
        else f"a CIDR reservation (aws ec2 get-subnet-cidr-reservations tells) or {owner}"
    )
    return [
        (
            f"{held.subnet_id}: EC2 counts {unseen:,} addresses in use that no interface shows: "
            f"{holder}; further nodes leave them alone"
        )
    ]


def subnet_tables(
    view: ClusterView,
    types: Sequence[str],
    pods: int | Mapping[str, int] | None,
    keep_free: int,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, list[str]]:
    """The tables of subnets, of zones and of further nodes, and what is not known."""
    import pandas as pd

    rows, more, unknown = [], [], []
    for held in view.state.subnets or ():
        subnet = view.models[held.subnet_id]
        row = _row(held, subnet)
        unknown += _gap(held, view.unseen(held))
        for name in types:
            wanted = pods if pods is None or isinstance(pods, int) else pods.get(name)
            fit = view.further_nodes(held, name, pods=wanted, keep_free=keep_free)
            # A reason stands in the place of counts where they are not known.
            counts = (
                {"why": fit}
                if isinstance(fit, str)
                else {key: value for key, value in fit.to_dict().items() if key in _MORE}
            )
            key = {"subnet_id": held.subnet_id, "zone": held.zone, "instance_type": name}
            more.append({**counts, **key})
            row[f"more_{name}"] = None if isinstance(fit, str) else fit.nodes
            if isinstance(fit, str):
                unknown.append(f"further nodes in {held.subnet_id}: {fit}")
        rows.append(row)
    counted = [*_COUNTS, *(f"more_{name}" for name in types)]
    table = pd.DataFrame(rows, columns=[*_NAMES, *counted]).astype(dict.fromkeys(counted, "Int64"))
    zones = table.groupby("zone")[counted].agg(_whole_sum).reset_index()
    kept = pd.DataFrame(more, columns=list(_MORE)).astype(dict.fromkeys(_MORE_COUNTS, "Int64"))
    return table, zones.astype(dict.fromkeys(counted, "Int64")), kept, list(dict.fromkeys(unknown))


def _row(held: SubnetState, subnet: Subnet | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "subnet_id": held.subnet_id,
        "zone": held.zone,
        "cidr": held.cidr,
        "available": held.available,
    }
    if subnet is None:
        return {**row, "free": held.available}
    row |= {"usable": subnet.usable, "used": subnet.used, "free": subnet.free}
    try:
        estimate = subnet.prefix_estimate
    except CapacityError:
        return row
    return {
        **row,
        "free_prefixes": estimate.best if estimate.best == estimate.worst else None,
        "free_prefixes_best": estimate.best,
        "free_prefixes_worst": estimate.worst,
    }


def _whole_sum(column: pd.Series) -> Any:
    """Sum a column; one unknown value makes the sum unknown."""
    return column.sum(skipna=False)
