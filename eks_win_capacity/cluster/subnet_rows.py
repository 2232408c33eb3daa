"""The tables of subnets and zones: what is free, and how many more nodes fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.core.errors import CapacityError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from eks_win_capacity.addresses.subnet import Subnet
    from eks_win_capacity.cluster.cluster_view import ClusterView
    from eks_win_capacity.cluster.state import SubnetState

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
        unknown += _gap(held, _unseen(held, subnet))
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


def _unseen(held: SubnetState, subnet: Subnet | None) -> int:
    """Number of addresses that EC2 counts as used and no interface shows."""
    if subnet is None or held.available is None or not subnet.placement_known:
        return 0
    return max(subnet.free_outside_reservations - held.available, 0)


def _whole_sum(column: pd.Series) -> Any:
    """Sum a column; one unknown value makes the sum unknown."""
    return column.sum(skipna=False)
