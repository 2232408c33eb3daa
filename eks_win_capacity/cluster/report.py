"""Capacity, use and head-room by node, subnet and zone."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from eks_win_capacity.cluster.cluster_view import ClusterView
from eks_win_capacity.cluster.serving import REASONS, advertised_by, other_requests
from eks_win_capacity.cluster.shared_room import in_all
from eks_win_capacity.cluster.state import needs_state
from eks_win_capacity.core.arguments import names
from eks_win_capacity.core.arrays import count
from eks_win_capacity.core.display import html_frame, records_of
from eks_win_capacity.core.errors import InputError, count_of, without_accounts
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.values import same_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from eks_win_capacity.addresses.subnet import Subnet
    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.cluster.serving import Use
    from eks_win_capacity.cluster.state import ClusterState, Node, SubnetState


_LESSER: Final = ("usable", "available", "free_prefixes_best", "free_prefixes_worst")
"""Columns of subnets that a notebook leaves out."""

_SHOWN: Final = (
    "node", "instance_type", "zone", "ready", "binding", "capacity", "pods", "headroom", "reason",
    "blocked",
)  # fmt: skip
"""Columns of nodes that a notebook shows."""


@dataclass(frozen=True, kw_only=True, repr=False)
class ClusterReport:
    """
    Capacity, use and head-room of the Windows nodes of a cluster.

    Attributes
    ----------
    subnets, zones : DataFrame
        Free addresses and /28 blocks, and for each type in ``more_<type>`` how many more nodes
        fit if primary addresses go into broken blocks first. Missing values are unknown; a sum
        that includes one is unknown too.
    more_nodes : DataFrame
        The same, one row per subnet and type: mode, pods per node, addresses per node, the most
        nodes, those guaranteed to fit, and the limit that binds.
    typical_pod : tuple of (int, int), or None
        Mean request of the Windows pods: CPU [millicores] and memory [bytes].
    prefix_delegation : bool or None
        The mode of the cluster.
    mode_source : {"configmap", "nodes", ""}
        The source of the mode: the ConfigMap, or else what all ready nodes advertise; empty if
        neither is known.
    unknown : tuple of str
        What could not be reported, and why.
    assumptions : tuple of str
        Assumptions of the counts of further nodes, as in `explain_pending`.
    """

    subnets: pd.DataFrame
    zones: pd.DataFrame
    more_nodes: pd.DataFrame
    typical_pod: tuple[int, int] | None
    prefix_delegation: bool | None
    mode_source: Literal["configmap", "nodes", ""]
    unknown: tuple[str, ...]
    _nodes: pd.DataFrame | None = field(repr=False)
    _why: str = field(default="", repr=False)
    _shared: Mapping[str, int] = field(default_factory=dict, repr=False)
    assumptions: tuple[str, ...] = ()

    __eq__ = same_values

    @property
    def nodes(self) -> pd.DataFrame:
        """
        One row per Windows node.

        Pods allowed by addresses, kubelet, CPU and memory (``address_pods``, ``kubelet_pods``,
        ``cpu_pods``, ``memory_pods``), the smallest of them (``capacity``) and its name
        (``binding``); running pods, and those of them with an address or HostProcess; ``headroom``
        for more typical pods, 0 on a node that accepts none; advertised and computed addresses, and
        the reason if they differ. ``no_address_pods`` need an address but did not request one.
        ``attachable`` pods can still get an address, given the slots of the interface, each node
        for itself; ``blocked`` is the code of why scheduled pods get none, with the ``evidence``.
        Missing values are unknown.

        Raises
        ------
        InputError
            If nodes are not known.
        """
        if self._nodes is None:
            raise InputError(f"the report needs the nodes: {self._why}")
        return self._nodes

    @property
    def total(self) -> pd.Series:
        """
        Sums over the nodes; unknown if the value of any node is unknown.

        Free addresses or blocks of a subnet that several nodes could attach are counted once in
        ``headroom`` and ``attachable``.

        Raises
        ------
        InputError
            If nodes are not known.
        """
        import pandas as pd

        nodes = self.nodes
        return pd.Series(
            {
                "nodes": len(nodes),
                "ready": int(nodes["ready"].eq(other=True).sum()),
                **{
                    name: nodes[name].sum(skipna=False) - self._shared.get(name, 0)
                    for name in _COUNTS
                    if name != "difference"
                },
            },
            name="total",
            dtype="Int64",
        )

    @property
    def differences(self) -> pd.DataFrame:
        """
        Nodes whose advertised addresses differ from the computed ones, and why.

        Raises
        ------
        InputError
            If nodes are not known.
        """
        rows = self.nodes.loc[self.nodes["reason"] != ""]
        columns = ["node", "instance_type", "advertised", "computed", "difference", "reason"]
        return rows[columns].assign(why=rows["reason"].map(REASONS))

    def __repr__(self) -> str:
        """A summary without the tables."""
        nodes = (
            "unknown nodes"
            if self._nodes is None
            else f"{count_of(len(self._nodes), 'Windows node')} with head-room for "
            f"{self.total['headroom']} pods"
        )
        return f"<ClusterReport of {nodes} in {count_of(len(self.subnets), 'subnet')}>"

    def _repr_html_(self) -> str:
        lesser = self.subnets.columns.intersection([*_LESSER])
        subnets = self.subnets.drop(columns=lesser)
        parts = [html_frame(subnets, title="Subnets")] if len(subnets) else []
        if self._nodes is not None and len(self._nodes):
            parts.insert(0, html_frame(self._nodes[list(_SHOWN)], title="Windows nodes"))
        lines = [repr(self).strip("<>"), *(f"Not known: {why}" for why in self.unknown)]
        return "".join([*(f"<p>{html.escape(line)}</p>" for line in lines), *parts])

    def to_pandas(self) -> pd.DataFrame:
        """
        `nodes`: one row per Windows node.

        Raises
        ------
        InputError
            If nodes are not known.
        """
        return self.nodes

    def to_dict(self) -> dict[str, Any]:
        """The tables as lists of rows, with None for unknown values."""
        tables = {
            "nodes": self._nodes,
            "subnets": self.subnets,
            "zones": self.zones,
            "more_nodes": self.more_nodes,
        }
        plain: dict[str, Any] = {
            name: None if table is None else records_of(table) for name, table in tables.items()
        }
        if self._nodes is not None:
            plain["total"] = records_of(self.total.to_frame().T)[0]
            plain["differences"] = records_of(self.differences)
        return {
            **plain,
            "typical_pod": self.typical_pod,
            "prefix_delegation": self.prefix_delegation,
            "mode_source": self.mode_source,
            "unknown": list(self.unknown),
            "assumptions": list(self.assumptions),
        }


@checked_call
def cluster_report(
    state: ClusterState,
    *,
    types: Sequence[str] | None = None,
    pods_per_node: int | Mapping[str, int] | None = None,
    pod_cpu_m: int | None = None,
    pod_memory_bytes: int | None = None,
    keep_free: int = 0,
    catalog: Catalog | None = None,
) -> ClusterReport:
    """
    Capacity, use and head-room of a cluster's Windows nodes, and the limit that binds.

    Parameters
    ----------
    state : ClusterState
    types : sequence of str, optional
        Types of additional nodes to count, besides those of the Windows nodes and node groups;
        m5.large if the cluster has none.
    pods_per_node : int or Mapping of str to int, optional
        Pods with addresses on an additional node, for all or for each type, limited by its
        addresses. By default as many as its addresses and the max-pods of such nodes in this
        cluster allow. [pods]
    pod_cpu_m, pod_memory_bytes : int, optional
        Request of a typical pod; the mean of the Windows pods by default.
    keep_free : int
        Addresses that additional nodes leave free in each subnet, such as
        ``constants.CONTROL_PLANE_ADDRESSES_ADVISED``. [addresses]
    catalog : Catalog, optional
        The bundled one by default.

    Returns
    -------
    ClusterReport

    Raises
    ------
    InputError
        If neither nodes nor subnets are known.
    UnknownInstanceTypeError
        If the catalog lacks one of `types`.

    References
    ----------
    Amazon EKS user guide, "Deploy Windows nodes on EKS clusters".

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import ClusterState, Node
    >>> node = Node(name="win-1", os="windows", instance_type="m5.large",
    ...             pods_limit=110, advertised_addresses=144)
    >>> report = cluster_report(ClusterState(
    ...     nodes=(node,), pods=(), cni_configmap={"enable-windows-ipam": "true"}))
    >>> row = report.nodes.iloc[0]
    >>> row["binding"], int(row["headroom"]), int(row["computed"]), row["reason"]
    ('kubelet', 110, 9, 'mode-changed')
    """
    from eks_win_capacity.catalog import given_or_bundled

    catalog = given_or_bundled(catalog)
    state = needs_state(state)
    named = [] if types is None else names(types, name="types")
    _check_request(pods_per_node, pod_cpu_m, pod_memory_bytes, keep_free)
    if state.windows_nodes is None and state.subnets is None:
        raise InputError(f"the report needs the nodes: {state.unknown['nodes']}")
    view = ClusterView(state, catalog, None)
    mean = _typical(state)
    given = (
        mean[0] if pod_cpu_m is None else pod_cpu_m,
        mean[1] if pod_memory_bytes is None else pod_memory_bytes,
    )
    wanted = list(dict.fromkeys([*view.types, *named])) or ["m5.large"]
    subnets, zones, more, missing = _subnet_tables(view, wanted, pods_per_node, keep_free)
    table = _node_table(view, given)
    return ClusterReport(
        _nodes=table,
        _why=state.unknown.get("nodes", ""),
        _shared={} if table is None else _shared_growth(table, view),
        subnets=subnets,
        zones=zones,
        more_nodes=more,
        typical_pod=given if any(given) else None,
        prefix_delegation=view.mode,
        mode_source="" if view.mode is None else "nodes" if view.asked is None else "configmap",
        assumptions=_assumed(view, wanted, pods_per_node),
        unknown=_hidden(view, missing),
    )


def _assumed(
    view: ClusterView, types: list[str], pods_per_node: int | Mapping[str, int] | None
) -> tuple[str, ...]:
    """Assumptions of the counts of further nodes of each type; empty if none are counted."""
    if not view.state.subnets:
        return ()
    given = (
        pods_per_node if isinstance(pods_per_node, Mapping) else dict.fromkeys(types, pods_per_node)
    )
    texts = (view.assumption(name, given.get(name)) for name in types)
    return tuple(text for text in texts if text)


def _hidden(view: ClusterView, missing: list[str]) -> tuple[str, ...]:
    """What could not be reported: parts of the state, subnets and interfaces."""
    unknown = view.state.unknown
    parts = ("nodes", "subnets", "pods", "cni_configmap")
    reasons = [f"{name}: {unknown[name]}" for name in parts if name in unknown]
    return tuple(
        map(without_accounts, (*reasons, *missing, *_unseen_slots(view), *_unseen_pods(view)))
    )


def _check_request(
    pods_per_node: Any, pod_cpu_m: object, pod_memory_bytes: object, keep_free: object
) -> None:
    """Raise InvalidCountError for counts that are not whole numbers, named as the caller did."""
    if isinstance(pods_per_node, Mapping):
        for name, pods in pods_per_node.items():
            count(pods, name=f"pods_per_node[{name!r}]", low=1)
    elif pods_per_node is not None:
        count(pods_per_node, name="pods_per_node", low=1)
    for name, value in (("pod_cpu_m", pod_cpu_m), ("pod_memory_bytes", pod_memory_bytes)):
        if value is not None:
            count(value, name=name, high=2**62)
    count(keep_free, name="keep_free")


def _unseen_slots(view: ClusterView) -> list[str]:
    """What is unknown without the interfaces of nodes in prefix mode."""
    if view.state.pods is None:
        return []
    unseen = [
        node.name
        for node in view.ready
        if node.advertised_addresses and view.mode_of(node) and view.slots(node) is None
    ]
    if not unseen:
        return []
    return [
        (
            f"attachable: what the interfaces of {count_of(len(unseen), 'node')} hold (aws ec2 "
            "describe-network-interfaces); their head-room rests on what they advertise, and slots "
            "may still be held by addresses of secondary mode"
        )
    ]


def _unseen_pods(view: ClusterView) -> list[str]:
    """What is unknown if the saved pods are of one namespace, or their nodes are missing."""
    pods, nodes = view.state.pods or (), view.state.nodes or ()
    unseen: list[str] = []
    if nodes and pods and (space := view.state.only_namespace):
        unseen.append(
            f"pods of other namespaces: all here are of {space} (kubectl get pods -A -o json); "
            "what others take looks free"
        )
    names = {node.name for node in nodes}
    strays = [pod for pod in view.state.windows_pods or () if pod.node and pod.node not in names]
    if nodes and strays:
        unseen.append(
            f"the nodes of {count_of(len(strays), 'Windows pod')}, first {strays[0].node} of "
            f"{strays[0].full_name}: not among the nodes here"
        )
    if others := other_requests(view.state):
        unseen.append(
            f"room for {others}: head-room is by addresses, max-pods, CPU and memory alone"
        )
    return unseen


def _node_table(view: ClusterView, pod: tuple[int, int]) -> pd.DataFrame | None:
    import pandas as pd

    if view.state.windows_nodes is None:
        return None
    rows = [_node_row(node, pod, view) for node in view.windows]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(dict.fromkeys(_COUNTS, "Int64"))


def _typical(state: ClusterState) -> tuple[int, int]:
    """Mean request of the Windows pods that take an address, rounded up."""
    pods = [
        pod for pod in state.windows_pods or () if pod.takes_address and not pod.without_request
    ]
    if not pods:
        return 0, 0
    return (
        -(-sum(pod.cpu_m for pod in pods) // len(pods)),
        -(-sum(pod.memory_bytes for pod in pods) // len(pods)),
    )


_COLUMNS: Final = (
    "node", "instance_type", "zone", "ready",
    "address_pods", "kubelet_pods", "cpu_pods", "memory_pods",
    "capacity", "binding", "pods", "address_pods_used", "host_pods", "headroom",
    "advertised", "computed", "difference", "reason",
    "no_address_pods", "attachable", "blocked", "evidence",
)  # fmt: skip

_WORDS: Final = frozenset(
    ("node", "instance_type", "zone", "ready", "binding", "reason", "blocked", "evidence")
)

_COUNTS: Final = tuple(name for name in _COLUMNS if name not in _WORDS)


def _node_row(node: Node, pod: tuple[int, int], view: ClusterView) -> dict[str, Any]:
    """Row of one node, for a typical pod of given CPU [millicores] and memory [bytes]."""
    use, computed = view.use_of(node), view.expected(node.instance_type, prefixes=view.mode)
    advertised, slots = advertised_by(node), view.slots(node)
    obstacle = view.blocked.get(node.name)
    counted = view.state.pods is not None
    limits = _limits(node, pod, use, view)
    known = {name: limit for name, limit in limits.items() if limit is not None}
    # Without the pods, the number of HostProcess pods, which count towards max-pods, is unknown.
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
        "evidence": "; ".join(
            filter(None, (node.barred, *(obstacle.evidence if obstacle else node.events)))
        ),
    }


def _limits(node: Node, pod: tuple[int, int], use: Use, view: ClusterView) -> dict[str, int | None]:
    """Total pods with addresses that each constraint allows on a node; None if unknown."""
    kubelet = node.pods_limit
    return {
        "addresses": view.address_limit(node),
        "kubelet": None if kubelet is None else max(kubelet - use.without_address, 0),
        "cpu": _by_request(node.cpu_m, use.cpu_m, use.with_address, pod[0]),
        "memory": _by_request(node.memory_bytes, use.memory, use.with_address, pod[1]),
    }


def _shared_growth(rows: pd.DataFrame, view: ClusterView) -> dict[str, int]:
    """Excess of the column sums over what the nodes can take together. [pods]."""
    excess = {}
    for column in ("headroom", "attachable"):
        pods = dict(zip(rows["node"], rows[column].tolist(), strict=True))
        known = {name: more for name, more in pods.items() if isinstance(more, int)}
        excess[column] = sum(known.values()) - in_all(known, view)
    return excess


def _by_request(room: int | None, used: int, pods: int, request: int) -> int | None:
    """Pods that fit: those running, and typical ones in the remaining capacity."""
    if room is None or not request:
        return None
    return pods + max(room - used, 0) // request


_NAMES: Final = ("subnet_id", "zone", "cidr")
_SUBNET_COUNTS: Final = (
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


def _gap(subnet: SubnetState, unseen: int) -> list[str]:
    """Likely users of the addresses that EC2 counts as used and no interface shows."""
    if not unseen:
        return []
    owner = "another account that shares the subnet"
    holder = (
        f"those of {owner}"
        if subnet.reservations is not None
        else f"a CIDR reservation (aws ec2 get-subnet-cidr-reservations tells) or {owner}"
    )
    return [
        (
            f"{subnet.subnet_id}: EC2 counts {unseen:,} addresses in use that no interface shows: "
            f"{holder}; further nodes leave them alone"
        )
    ]


def _subnet_tables(
    view: ClusterView, types: Sequence[str], pods: int | Mapping[str, int] | None, keep_free: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, list[str]]:
    """Tables of subnets, of zones and of further nodes, and what is unknown."""
    import pandas as pd

    rows, more, unknown = [], [], []
    for subnet in view.state.subnets or ():
        model = subnet.subnet
        row = _subnet_row(subnet, model)
        unknown += _gap(subnet, view.unseen(subnet))
        for name in types:
            wanted = pods if pods is None or isinstance(pods, int) else pods.get(name)
            fit = view.further_nodes(subnet, name, pods=wanted, keep_free=keep_free)
            # If the counts are not known, a reason takes their place.
            counts = (
                {"why": fit}
                if isinstance(fit, str)
                else {key: value for key, value in fit.to_dict().items() if key in _MORE}
            )
            key = {"subnet_id": subnet.subnet_id, "zone": subnet.zone, "instance_type": name}
            more.append({**counts, **key})
            row[f"more_{name}"] = None if isinstance(fit, str) else fit.nodes
            if isinstance(fit, str):
                unknown.append(f"further nodes in {subnet.subnet_id}: {fit}")
        rows.append(row)
    counted = [*_SUBNET_COUNTS, *(f"more_{name}" for name in types)]
    table = pd.DataFrame(rows, columns=[*_NAMES, *counted]).astype(dict.fromkeys(counted, "Int64"))
    zones = table.groupby("zone")[counted].agg(_whole_sum).reset_index()
    kept = pd.DataFrame(more, columns=list(_MORE)).astype(dict.fromkeys(_MORE_COUNTS, "Int64"))
    return table, zones.astype(dict.fromkeys(counted, "Int64")), kept, list(dict.fromkeys(unknown))


def _subnet_row(subnet: SubnetState, model: Subnet | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "subnet_id": subnet.subnet_id,
        "zone": subnet.zone,
        "cidr": subnet.cidr,
        "available": subnet.available,
    }
    if model is None:
        return {**row, "free": subnet.available}
    row |= {"usable": model.usable, "used": model.used, "free": model.free}
    estimate = model.prefix_estimate
    return {
        **row,
        "free_prefixes": estimate.best if estimate.best == estimate.worst else None,
        "free_prefixes_best": estimate.best,
        "free_prefixes_worst": estimate.worst,
    }


def _whole_sum(column: pd.Series) -> Any:
    """Sum of a column; unknown if any value is."""
    return column.sum(skipna=False)
