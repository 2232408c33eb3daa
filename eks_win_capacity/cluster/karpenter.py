"""What Karpenter believes of a type, against what its Windows nodes advertise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.cluster.serving import autoscaler_tags, expected_addresses
from eks_win_capacity.core.arguments import flag, names
from eks_win_capacity.core.arrays import count, unmasked
from eks_win_capacity.core.constants import ADDRESS_RESOURCE, KUBELET_MAX_PODS
from eks_win_capacity.core.errors import InputError
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.quantities import millicores, request, whole_bytes
from eks_win_capacity.density.reserved import (
    allocatable,
    karpenter_addresses,
    karpenter_cpu_reserved_m,
    karpenter_memory_mib,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from eks_win_capacity.catalog import Catalog, InstanceType


@checked_call
def karpenter_view(
    instance_types: str | Sequence[str],
    *,
    pods: int | None = None,
    pod_cpu: Any = None,
    pod_memory: Any = None,
    prefix_delegation: bool = True,
    kubelet_max_pods: int = KUBELET_MAX_PODS,
    catalog: Catalog | None = None,
) -> pd.DataFrame:
    """
    Compare what Karpenter plans with against what a node advertises.

    Karpenter counts IPs - 1 addresses on a Windows node, prefixes or not, so under
    prefix delegation it starts more nodes than the pods need. A type that its own table
    lacks counts 0, so it starts none: for types that came after the controller's table of
    2026-03-20, made by the same generator, that is not known, and its numbers are missing.

    Parameters
    ----------
    instance_types : str or sequence of str
    pods : int, optional
        Pods to place; without it the node counts are left out. [pods]
    pod_cpu, pod_memory : str or number, optional
        What each pod requests, as Kubernetes quantities. [cores], [bytes]
    prefix_delegation : bool
        The mode of the nodes.
    kubelet_max_pods : int
        Their max-pods, which Karpenter takes from ``spec.kubelet.maxPods`` of the
        EC2NodeClass; 110 where it is not set. [pods]
    catalog : Catalog, optional
        The bundled one by default.

    Returns
    -------
    DataFrame
        By type: ``karpenter_addresses`` (what Karpenter plans with: 0 for a type that its
        table lacks, missing where nothing tells whether it does) and ``advertised`` (what
        the node gives); ``karpenter_pods`` and ``real_pods``, the least of
        addresses, max-pods, CPU and memory as each sees them, and
        ``karpenter_binding`` and ``real_binding``; CPU and memory that each leaves to
        pods; the nodes that Karpenter starts, those needed and the surplus, missing
        where a pod fits none; the node-template tag for the cluster autoscaler, and
        all tags as a mapping; ``windows``, whether the type runs it.

    Raises
    ------
    InputError
        If a count is below 1, or no type is given.
    InvalidQuantityError
        If a request is not a Kubernetes quantity.
    UnknownInstanceTypeError
        If the catalog lacks a type.

    References
    ----------
    karpenter-provider-aws, ``pkg/providers/instancetype/types.go``.

    Examples
    --------
    >>> view = karpenter_view("m5.large", pods=1000)
    >>> view[["karpenter_pods", "advertised", "real_pods", "surplus_nodes"]].to_dict("records")
    [{'karpenter_pods': 9, 'advertised': 144, 'real_pods': 110, 'surplus_nodes': 102}]
    """
    import pandas as pd

    from eks_win_capacity.catalog import given_or_bundled

    catalog = given_or_bundled(catalog)
    unmasked(instance_types, "instance_types")
    unmasked(pods, "pods")
    kubelet_max_pods = count(kubelet_max_pods, name="kubelet_max_pods", low=1)
    if pods is not None:
        pods = count(pods, name="pods", low=1)
    prefix_delegation = flag(prefix_delegation, name="prefix_delegation")
    types = names(instance_types, name="instance_types")
    if not types:
        raise InputError("give at least one instance type")
    pod = (
        0 if pod_cpu is None else request(pod_cpu, millicores, name="pod_cpu"),
        0 if pod_memory is None else request(pod_memory, whole_bytes, name="pod_memory"),
    )
    rows = [
        _row(catalog[name], pods, pod, kubelet_max_pods, prefix_delegation=prefix_delegation)
        for name in types
    ]
    table = pd.DataFrame(rows)
    return table.astype({name: "Int64" for name in _COUNTED if name in table})


_COUNTED: Final = (
    "karpenter_addresses", "karpenter_pods", "nodes_started", "nodes_needed", "surplus_nodes",
)  # fmt: skip
"""Columns of whole numbers that may be missing."""


def _row(
    row: InstanceType,
    pods: int | None,
    request: tuple[int, int],
    max_pods: int,
    *,
    prefix_delegation: bool,
) -> dict[str, object]:
    believed = karpenter_addresses(row)
    advertised = expected_addresses(row, prefix_delegation=prefix_delegation) or 0
    theirs = (
        row.vcpus * 1000 - karpenter_cpu_reserved_m(row.vcpus),
        karpenter_memory_mib(row.memory_mib, max_pods) * 2**20,
    )
    ours = allocatable(row)
    planned, planned_by = None, "unknown"
    if believed is not None:
        planned, planned_by = _least(believed, max_pods, theirs, request)
    real, real_by = _least(advertised, max_pods, ours, request)
    tags = autoscaler_tags(advertised)
    told: dict[str, object] = {
        "instance_type": row.name,
        "karpenter_addresses": believed,
        "advertised": advertised,
        "kubelet_max_pods": max_pods,
        "karpenter_pods": planned,
        "karpenter_binding": planned_by,
        "real_pods": real,
        "real_binding": real_by,
        "karpenter_cpu_m": theirs[0],
        "karpenter_memory_mib": theirs[1] // 2**20,
        "real_cpu_m": ours[0],
        "real_memory_mib": ours[1] // 2**20,
    }
    if pods is not None:
        told |= _nodes(pods, planned, real)
    tag = next(f"{key}={tags[key]}" for key in tags if key.endswith(ADDRESS_RESOURCE))
    windows = row.windows.status
    return told | {"node_template_tag": tag, "node_template_tags": tags, "windows": windows}


def _nodes(pods: int, planned: int | None, real: int) -> dict[str, int | None]:
    """The nodes that Karpenter starts for some pods, and those that the pods need."""
    started = -(-pods // planned) if planned else None
    needed = -(-pods // real) if real else None
    surplus = None if started is None or needed is None else started - needed
    return {"nodes_started": started, "nodes_needed": needed, "surplus_nodes": surplus}


def _least(
    addresses: int, max_pods: int, room: tuple[int, int], request: tuple[int, int]
) -> tuple[int, str]:
    """The pods a node takes, and what decides; the first of equals."""
    bounds = {"addresses": addresses, "kubelet": max_pods}
    for name, has, wants in zip(("cpu", "memory"), room, request, strict=True):
        if wants:
            bounds[name] = has // wants
    binding = min(bounds, key=lambda name: bounds[name])
    return bounds[binding], binding
