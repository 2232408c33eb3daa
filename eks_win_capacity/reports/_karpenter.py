"""What Karpenter believes of a type, against what its Windows nodes advertise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_win_capacity import kernels
from eks_win_capacity.constants import KUBELET_MAX_PODS
from eks_win_capacity.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from eks_win_capacity.catalog import Catalog

_TAG = "k8s.io/cluster-autoscaler/node-template/resources/vpc.amazonaws.com/PrivateIPv4Address"


def karpenter_cpu_reserved_m(vcpus: int) -> int:
    """
    Give the CPU Karpenter keeps for the kubelet. [millicores].

    6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of the rest.

    Examples
    --------
    >>> karpenter_cpu_reserved_m(2), karpenter_cpu_reserved_m(8)
    (70, 90)
    """
    shares = ((1, 60.0), (1, 10.0), (2, 5.0))
    kept, left = 0.0, vcpus
    for cores, each in shares:
        kept += min(left, cores) * each
        left = max(left - cores, 0)
    return int(kept + left * 2.5)


def karpenter_memory_mib(memory_mib: int, pods: int) -> int:
    """
    Give the memory Karpenter leaves to pods. [MiB].

    7.5 % go to the hypervisor, 11 MiB a pod and 255 MiB to the kubelet, 100 MiB
    to eviction.
    """
    return int(memory_mib * (1 - 0.075)) - (11 * pods + 255) - 100


def karpenter_view(
    instance_types: str | Sequence[str],
    *,
    pods: int | None = None,
    prefix_delegation: bool = True,
    kubelet_max_pods: int = KUBELET_MAX_PODS,
    catalog: Catalog | None = None,
) -> pd.DataFrame:
    """
    Compare what Karpenter plans with against what a node advertises.

    Karpenter counts IPs - 1 pods on a Windows node, prefixes or not, so under
    prefix delegation it starts more nodes than the pods need.

    Parameters
    ----------
    instance_types : str or sequence of str
    pods : int, optional
        Pods to place; without it the node counts are left out. [pods]
    prefix_delegation : bool
        The mode of the nodes.
    kubelet_max_pods : int
        Their max-pods; Karpenter assumes 110. [pods]
    catalog : Catalog, optional
        The bundled one by default.

    Returns
    -------
    DataFrame
        By type: ``karpenter_pods``, ``advertised``, ``real_pods``, CPU and
        memory as Karpenter sees them, the nodes it starts, those needed, the
        surplus, and the node-template tag for the cluster autoscaler.

    Raises
    ------
    InputError
        If a count is below 1.
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

    if catalog is None:
        from eks_win_capacity.catalog import Catalog

        catalog = Catalog.bundled()
    if kubelet_max_pods < 1 or (pods is not None and pods < 1):
        raise InputError(f"pods and kubelet_max_pods start at 1; got {pods}, {kubelet_max_pods}")
    names = [instance_types] if isinstance(instance_types, str) else list(instance_types)
    rows = []
    for name in names:
        row = catalog[name]
        believed = min(kernels.secondary(row.ipv4_per_interface), KUBELET_MAX_PODS)
        advertised = (
            kernels.prefix(row.ipv4_per_interface)
            if prefix_delegation and row.nitro
            else kernels.secondary(row.ipv4_per_interface)
        )
        real = min(advertised, kubelet_max_pods)
        told: dict[str, object] = {
            "instance_type": name,
            "karpenter_pods": believed,
            "advertised": advertised,
            "kubelet_max_pods": kubelet_max_pods,
            "real_pods": real,
            "karpenter_cpu_m": row.vcpus * 1000 - karpenter_cpu_reserved_m(row.vcpus),
            "karpenter_memory_mib": karpenter_memory_mib(row.memory_mib, believed),
        }
        if pods is not None:
            started, needed = -(-pods // believed), -(-pods // real)
            told |= {
                "nodes_started": started,
                "nodes_needed": needed,
                "surplus_nodes": started - needed,
            }
        rows.append({**told, "node_template_tag": f"{_TAG}={advertised}"})
    return pd.DataFrame(rows)
