"""Capacity, use and head-room by node, subnet and zone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity import kernels
from eks_win_capacity.configmap import go_bool
from eks_win_capacity.constants import ADDRESSES_PER_PREFIX
from eks_win_capacity.errors import InputError
from eks_win_capacity.warm_pool import WarmPool, attached_addresses

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from eks_win_capacity.catalog import Catalog, InstanceType
    from eks_win_capacity.cluster import ClusterState, Node, SubnetState

CONSTRAINTS: Final = ("addresses", "kubelet", "cpu", "memory")

_COLUMNS: Final = (
    "node", "instance_type", "zone", "ready",
    "address_pods", "kubelet_pods", "cpu_pods", "memory_pods",
    "pods", "address_pods_used", "host_pods", "headroom", "binding",
    "advertised", "computed", "difference", "reason",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ClusterReport:
    """
    What the Windows nodes of a cluster hold.

    Attributes
    ----------
    nodes : DataFrame
        One row a Windows node: pods allowed by addresses, kubelet, CPU and
        memory (``address_pods``, ``kubelet_pods``, ``cpu_pods``,
        ``memory_pods``), pods it runs, of them with an address or HostProcess,
        head-room for one more kind of typical pod, what binds; and the number
        advertised against the one computed, with the reason where they differ.
        Missing values are unknown.
    total : Series
        Sums over the nodes; where a node's value is unknown, so is the sum.
    subnets, zones : DataFrame
        Free addresses, free /28 blocks, and for each type in ``types`` how many
        more nodes fit. Empty frames mean none; where subnets are not known they
        are named in ``unknown``.
    typical_pod : tuple of (int, int), or None
        Mean request of the Windows pods: CPU [millicores] and memory [bytes].
    prefix_delegation : bool or None
        The mode that the ConfigMap asks for.
    unknown : tuple of str
        What could not be reported, and why.
    """

    nodes: pd.DataFrame
    total: pd.Series
    subnets: pd.DataFrame
    zones: pd.DataFrame
    typical_pod: tuple[int, int] | None
    prefix_delegation: bool | None
    unknown: tuple[str, ...]


@dataclass
class _Use:
    """What runs on one node."""

    with_address: int = 0
    host: int = 0
    cpu_m: int = 0
    memory: int = 0


def mode_of(state: ClusterState) -> bool | None:
    """Tell whether the ConfigMap asks for prefix delegation; None where it is not known."""
    data = state.cni_configmap
    if data is None:
        return None
    return bool(
        go_bool(data.get("enable-windows-ipam", ""))
        and go_bool(data.get("enable-windows-prefix-delegation", ""))
    )


def use_by_node(state: ClusterState) -> dict[str, _Use]:
    """Sum what runs on each Windows node."""
    use: dict[str, _Use] = defaultdict(_Use)
    for pod in state.windows_pods or ():
        if not pod.node:
            continue
        found = use[pod.node]
        if pod.takes_address:
            found.with_address += 1
        else:
            found.host += 1
        found.cpu_m += pod.cpu_m
        found.memory += pod.memory_bytes
    return use


def typical(state: ClusterState) -> tuple[int, int] | None:
    """Give the mean request of the Windows pods that take an address."""
    pods = [pod for pod in state.windows_pods or () if pod.takes_address]
    if not pods:
        return None
    return (
        -(-sum(pod.cpu_m for pod in pods) // len(pods)),
        -(-sum(pod.memory_bytes for pod in pods) // len(pods)),
    )


def expected(row: InstanceType | None, *, prefix_delegation: bool | None) -> int | None:
    """Give the addresses a node of a type should advertise; None where it is not known."""
    if row is None or (prefix_delegation is None and row.nitro):
        return None
    if prefix_delegation and row.nitro:
        return kernels.prefix(row.ipv4_per_interface)
    return kernels.secondary(row.ipv4_per_interface)


def difference_reason(
    node: Node, row: InstanceType | None, state: ClusterState, *, prefix_delegation: bool | None
) -> str:
    """Name why a node advertises another number than is computed; empty where it does not."""
    data = state.cni_configmap
    if row is None:
        return "type-not-in-catalog"
    if not node.advertised_addresses:
        if data is not None and not go_bool(data.get("enable-windows-ipam", "")):
            return "windows-ipam-off"
        if "unknown-to-controller" in row.windows.codes:
            return "type-unknown-to-controller"
        return "stale-node" if not node.ready else "not-initialised"
    own = expected(row, prefix_delegation=prefix_delegation)
    if own is None:
        return "mode-unknown"
    if node.advertised_addresses == own:
        return ""
    other = {
        kernels.secondary(row.ipv4_per_interface),
        kernels.prefix(row.ipv4_per_interface),
    }
    if node.ready and node.advertised_addresses in other:
        return "mode-changed"
    return "stale-node"


def node_row(
    node: Node,
    row: InstanceType | None,
    use: _Use,
    pod: tuple[int, int] | None,
    state: ClusterState,
) -> dict[str, Any]:
    """Give the row of one node."""
    mode = mode_of(state)
    computed = expected(row, prefix_delegation=mode)
    limits: dict[str, int | None] = {
        "addresses": node.advertised_addresses,
        "kubelet": None if node.pods_limit is None else node.pods_limit - use.host,
        "cpu": _by_request(node.cpu_m, use.cpu_m, use.with_address, pod and pod[0]),
        "memory": _by_request(node.memory_bytes, use.memory, use.with_address, pod and pod[1]),
    }
    known = {name: limit for name, limit in limits.items() if limit is not None}
    complete = state.pods is not None and {"addresses", "kubelet"} <= known.keys()
    binding = min(known, key=lambda name: known[name]) if known else None
    lowest = known[binding] if binding else 0
    advertised = node.advertised_addresses
    return {
        "node": node.name,
        "instance_type": node.instance_type,
        "zone": node.zone,
        "ready": node.ready and node.schedulable,
        **{
            f"{'address' if name == 'addresses' else name}_pods": limit
            for name, limit in limits.items()
        },
        "pods": use.with_address + use.host if state.pods is not None else None,
        "address_pods_used": use.with_address if state.pods is not None else None,
        "host_pods": use.host if state.pods is not None else None,
        "headroom": max(lowest - use.with_address, 0) if complete else None,
        "binding": binding if complete else None,
        "advertised": advertised,
        "computed": computed,
        "difference": None if advertised is None or computed is None else advertised - computed,
        "reason": difference_reason(node, row, state, prefix_delegation=mode),
    }


def _by_request(room: int | None, used: int, pods: int, request: int | None) -> int | None:
    """Count the pods that fit: those that run, and typical ones in what is left."""
    if room is None or not request:
        return None
    return pods + max(room - used, 0) // request


def cluster_report(
    state: ClusterState,
    *,
    types: Sequence[str] | None = None,
    pods_per_node: int | None = None,
    pod_cpu_m: int | None = None,
    pod_memory_bytes: int | None = None,
    catalog: Catalog | None = None,
) -> ClusterReport:
    """
    Report what a cluster's Windows nodes hold, what is left, and what binds.

    Parameters
    ----------
    state : ClusterState
    types : sequence of str, optional
        Types of more nodes to count in subnets; those of the Windows nodes and
        node groups by default, else m5.large.
    pods_per_node : int, optional
        Pods with addresses that a further node runs; as many as its addresses
        and 110 allow by default. [pods]
    pod_cpu_m, pod_memory_bytes : int, optional
        Request of a typical pod; the mean of the Windows pods by default.
    catalog : Catalog, optional
        The bundled one by default.

    Returns
    -------
    ClusterReport

    Raises
    ------
    InputError
        If nodes are not known.

    Examples
    --------
    >>> from eks_win_capacity.cluster import ClusterState, Node
    >>> node = Node(name="win-1", os="windows", instance_type="m5.large",
    ...             pods_limit=110, advertised_addresses=144)
    >>> report = cluster_report(ClusterState(
    ...     nodes=(node,), pods=(), cni_configmap={"enable-windows-ipam": "true"}))
    >>> row = report.nodes.iloc[0]
    >>> row["binding"], int(row["headroom"]), int(row["computed"]), row["reason"]
    ('kubelet', 110, 9, 'mode-changed')
    """
    import pandas as pd

    catalog = _catalog(catalog)
    if state.windows_nodes is None:
        raise InputError(f"the report needs the nodes: {state.unknown['nodes']}")
    mean = typical(state)
    given = (pod_cpu_m or (mean or (0, 0))[0], pod_memory_bytes or (mean or (0, 0))[1])
    use = use_by_node(state)
    idle = _Use()
    rows = [
        node_row(node, catalog.get(node.instance_type), use.get(node.name, idle), given, state)
        for node in state.windows_nodes
    ]
    nodes = pd.DataFrame(rows, columns=list(_COLUMNS))
    counted = [c for c in _COLUMNS[4:16] if c != "binding"]
    nodes = nodes.astype(dict.fromkeys(counted, "Int64"))
    total = pd.Series(
        {
            "nodes": len(nodes),
            **{c: nodes[c].sum(skipna=False) for c in counted if c != "difference"},
        },
        name="total",
    )
    wanted = list(types or _types(state, catalog) or ["m5.large"])
    unknown = []
    if state.subnets is None:
        unknown.append(f"subnets: {state.unknown['subnets']}")
    if state.pods is None:
        unknown.append(f"pods in use and head-room: {state.unknown['pods']}")
    table, zones, missing = _subnet_tables(state, wanted, pods_per_node, catalog)
    return ClusterReport(
        nodes=nodes,
        total=total,
        subnets=table,
        zones=zones,
        typical_pod=given if any(given) else None,
        prefix_delegation=mode_of(state),
        unknown=(*unknown, *missing),
    )


def _catalog(catalog: Catalog | None) -> Catalog:
    if catalog is not None:
        return catalog
    from eks_win_capacity.catalog import Catalog

    return Catalog.bundled()


def _types(state: ClusterState, catalog: Catalog) -> list[str]:
    names = [node.instance_type for node in state.windows_nodes or ()]
    names += [n for g in state.node_groups or () if g.windows for n in g.instance_types]
    return [name for name in dict.fromkeys(names) if name in catalog]


def _subnet_tables(
    state: ClusterState, types: Sequence[str], pods: int | None, catalog: Catalog
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    import pandas as pd

    columns = ["subnet_id", "zone", "cidr", "usable", "free", "free_prefixes"]
    more = [f"more_{name}" for name in types]
    rows, missing = [], []
    for held in state.subnets or ():
        subnet = held.subnet
        if subnet is None:
            missing.append(f"{held.subnet_id}: where its reservations are used is not known")
        known = subnet is not None and subnet.placement_known
        rows.append(
            {
                "subnet_id": held.subnet_id,
                "zone": held.zone,
                "cidr": held.cidr,
                "usable": subnet.usable if subnet else None,
                "free": subnet.free if subnet else held.available,
                "free_prefixes": subnet.free_prefixes if subnet and known else None,
                **{
                    column: more_nodes(held, catalog[name], state, pods)
                    for column, name in zip(more, types, strict=True)
                },
            }
        )
    counted = dict.fromkeys([*columns[3:], *more], "Int64")
    table = pd.DataFrame(rows, columns=[*columns, *more]).astype(counted)
    zones = table.groupby("zone")[list(counted)].agg(_whole_sum).reset_index()
    return table, zones.astype(counted), missing


def _whole_sum(column: pd.Series) -> Any:
    """Sum a column; one unknown value makes the sum unknown."""
    return column.sum(skipna=False)


def more_nodes(
    held: SubnetState, row: InstanceType, state: ClusterState, pods: int | None = None
) -> int | None:
    """Count the further nodes of a type that a subnet takes; None where it is not known."""
    subnet, data = held.subnet, state.cni_configmap
    if subnet is None or data is None:
        return None
    pool = WarmPool.from_configmap(data, nitro=row.nitro)
    slots = kernels.secondary(row.ipv4_per_interface)
    most = slots * (ADDRESSES_PER_PREFIX if pool.prefix_delegation else 1)
    wanted = min(110, most) if pods is None else pods
    need = attached_addresses(min(wanted, most), slots=slots, pool=pool)
    if not pool.prefix_delegation:
        free = subnet.free_outside_reservations if subnet.placement_known else subnet.free
        return int(free // (1 + int(need.addresses)))
    if not subnet.placement_known:
        return None
    each, blocks = int(need.prefixes), int(subnet.free_prefixes)
    loose = subnet.free - blocks * ADDRESSES_PER_PREFIX
    count = blocks // each if each else subnet.free
    # The node's own address takes a loose one, else it breaks a block.
    while count > 0 and loose + (blocks - count * each) * ADDRESSES_PER_PREFIX < count:
        count -= 1
    return int(count)
