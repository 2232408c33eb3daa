"""How many pods fit on a node by all limits, and which limit binds."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, overload

import numpy as np

from eks_win_capacity.catalog import Catalog, InstanceType, WindowsVerdict
from eks_win_capacity.catalog.limit_table import table_of
from eks_win_capacity.catalog.limits import by_mode, max_pods_cap
from eks_win_capacity.core import arrays
from eks_win_capacity.core.constants import KUBELET_MAX_PODS, MAX_COUNT
from eks_win_capacity.core.display import Shown, plain_fields
from eks_win_capacity.core.errors import InputError, ShapeMismatchError, count_of
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.quantities import millicores, request, requests, whole_bytes
from eks_win_capacity.core.values import is_missing
from eks_win_capacity.density.fleet import Fleet, checked_flags, checked_kubelet
from eks_win_capacity.density.reserved import WINDOWS_RESERVED, Reserved, allocatable, reserved_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

_EXTRA_ARGS: Final = "-KubeletExtraArgs '--max-pods={}'"
_PLAIN: Final = {str, int, float}
"""Types of a single request that cannot be a column."""

_UNBOUND: Final = np.iinfo(np.int64).max
CONSTRAINTS: Final = ("addresses", "kubelet", "cpu", "memory")
"""Limits that may bind; of equal ones, the first binds."""


@checked_call
@dataclass(frozen=True, kw_only=True, repr=False)
class NodeCapacity(Shown):
    """
    Pods that one node can run, and the limit that binds.

    Attributes
    ----------
    instance_type : str
        The EC2 name.
    pods : int
        Pods with addresses that fit in addition to the HostProcess pods. [pods]
    binding : {"addresses", "kubelet", "cpu", "memory"}
        The smallest limit; of equal ones, the first in this order.
    address_pods : int
        Limit by addresses. [pods]
    kubelet_pods : int or None
        Limit by the kubelet, without the HostProcess pods; None if not limited. [pods]
    cpu_pods, memory_pods : int or None
        Limits by CPU and memory; None if pods request none, and 0 if the node reserves all its
        memory. [pods]
    prefix_delegation : bool
        Whether slots hold prefixes; False on types that do not support them.
    allocatable_cpu_m : int
        CPU for pods. [thousandths of a core]
    allocatable_memory : int
        Memory for pods. [bytes]
    kubelet_extra_args : str or None
        The bootstrap argument that raises the kubelet's limit, if that limit binds and is below
        what AWS advises for the type.
    windows : WindowsVerdict
        Whether Windows runs on the type.

    Examples
    --------
    >>> node_capacity("m5.large").pods, node_capacity("m5.large").binding
    (9, 'addresses')
    """

    instance_type: str
    pods: int
    binding: str
    address_pods: int
    kubelet_pods: int | None
    cpu_pods: int | None
    memory_pods: int | None
    prefix_delegation: bool
    allocatable_cpu_m: int
    allocatable_memory: int
    kubelet_extra_args: str | None
    windows: WindowsVerdict

    def to_dict(self) -> dict[str, Any]:
        """The fields as a plain mapping, with the Windows verdict in one word."""
        return {**asdict(self), "windows": self.windows.status}

    def _fields_shown(self) -> dict[str, Any]:
        return plain_fields(self) | {"windows": self.windows.status}


@overload
def node_capacity(
    instance_type: str,
    *,
    prefix_delegation: bool = ...,
    kubelet_max_pods: int | None = ...,
    pod_cpu: str | float | None = ...,
    pod_memory: str | float | None = ...,
    host_process_pods: int = ...,
    reserved: Reserved | Mapping[str, Any] = ...,
    catalog: Catalog | None = ...,
) -> NodeCapacity: ...


@overload
def node_capacity(
    instance_type: list[str] | tuple[str, ...] | NDArray[Any] | pd.Series | Fleet,
    *,
    prefix_delegation: Any = ...,
    kubelet_max_pods: Any = ...,
    pod_cpu: Any = ...,
    pod_memory: Any = ...,
    host_process_pods: Any = ...,
    reserved: Reserved | Mapping[str, Any] = ...,
    catalog: Catalog | None = ...,
) -> pd.DataFrame: ...


@overload
def node_capacity(
    instance_type: Any,
    *,
    prefix_delegation: Any = ...,
    kubelet_max_pods: Any = ...,
    pod_cpu: Any = ...,
    pod_memory: Any = ...,
    host_process_pods: Any = ...,
    reserved: Reserved | Mapping[str, Any] = ...,
    catalog: Catalog | None = ...,
) -> Any: ...


@checked_call
def node_capacity(
    instance_type: Any,
    *,
    prefix_delegation: Any = False,
    kubelet_max_pods: Any = KUBELET_MAX_PODS,
    pod_cpu: Any = None,
    pod_memory: Any = None,
    host_process_pods: Any = 0,
    reserved: Reserved | Mapping[str, Any] = WINDOWS_RESERVED,
    catalog: Catalog | None = None,
) -> Any:
    """
    Pods that a node can run, and the limit that binds.

    Addresses, the kubelet, CPU and memory each limit the number of pods; the smallest limit is
    the answer. HostProcess pods take no address, but count towards the kubelet's limit.

    Parameters
    ----------
    instance_type : str, column of names or Fleet
        EC2 names.
    prefix_delegation : bool or column of bool
        Whether each slot holds a /28. Broadcasts.
    kubelet_max_pods : int, column of int or None
        The kubelet's limit; 110 on the EKS Windows AMIs unless raised. None means no limit.
        Broadcasts. [pods]
    pod_cpu, pod_memory : str, number or column of them, optional
        Requests of each pod, as Kubernetes quantities: ``"250m"``, ``"1.5Gi"``. Broadcasts.
        [cores], [bytes]
    host_process_pods : int or column of int
        HostProcess pods on each node. Broadcasts. [pods]
    reserved : Reserved or mapping
        CPU and memory that the node keeps from pods. A mapping, such as ``{"cpu": "500m",
        "memory": "2Gi"}``, replaces the totals that it names.
    catalog : Catalog, optional
        Where the limits come from; the bundled one by default.

    Returns
    -------
    NodeCapacity or DataFrame
        A DataFrame with a row for each node, and the index of the Series that
        came in, if any input is a column. Limits that do not apply are missing.

    Raises
    ------
    UnknownInstanceTypeError, MissingValueError
        If a name has no row, or is missing.
    InvalidQuantityError
        If a request is not a Kubernetes quantity.
    MissingValueError
        If a column of requests has missing values.
    InvalidCountError, InputError
        If a count or a reservation is out of range.
    ShapeMismatchError, IndexMismatchError
        If columns do not go together.

    References
    ----------
    Amazon EKS user guide, "Deploy Windows nodes on EKS clusters"; EKS best
    practices guide, Windows, "Memory and systems management".

    Examples
    --------
    >>> import eks_win_capacity as ewc
    >>> node = ewc.node_capacity("m5.large", prefix_delegation=True)
    >>> node.pods, node.binding, node.kubelet_extra_args
    (110, 'kubelet', None)
    >>> ewc.node_capacity("m5.8xlarge", prefix_delegation=True).kubelet_extra_args
    "-KubeletExtraArgs '--max-pods=250'"
    >>> small = ewc.node_capacity("t3.small")  # 2 GiB, which Windows itself needs
    >>> small.pods, small.binding, small.address_pods
    (0, 'memory', 3)
    >>> ewc.node_capacity(["m5.large", "t3.xlarge"], pod_memory="1Gi")[["pods", "binding"]]
       pods    binding
    0     5     memory
    1    13     memory
    """
    kept = reserved_of(reserved)
    if catalog is None:
        catalog = Catalog.bundled()
    else:
        table_of(catalog)  # refuses what is not a catalog
    # One node with plain values needs no arrays, which take longer than its arithmetic.
    if (
        type(instance_type) is str
        and type(prefix_delegation) is bool
        and type(host_process_pods) is int
        and (kubelet_max_pods is None or type(kubelet_max_pods) is int)
        and 0 <= host_process_pods <= MAX_COUNT
        and 0 <= (kubelet_max_pods or 0) <= MAX_COUNT
        and (pod_cpu is None or type(pod_cpu) in _PLAIN)
        and (pod_memory is None or type(pod_memory) in _PLAIN)
        and instance_type in catalog
    ):
        return _one_node(
            catalog[instance_type],
            kept,
            prefix_delegation=prefix_delegation,
            kubelet_max_pods=kubelet_max_pods,
            pod_cpu=_of_one(pod_cpu, millicores, "pod_cpu"),
            pod_memory=_of_one(pod_memory, whole_bytes, "pod_memory"),
            host_process_pods=host_process_pods,
        )
    asked = {
        "prefix_delegation": prefix_delegation,
        "kubelet_max_pods": kubelet_max_pods,
        "pod_cpu": pod_cpu,
        "pod_memory": pod_memory,
        "host_process_pods": host_process_pods,
    }
    return _of_columns(instance_type, asked, kept, catalog)


def _of_one(value: Any, read: Callable[[Any], int], name: str) -> int:
    """One request; 0 for None."""
    return 0 if value is None else request(value, read, name=name)


def _of_columns(instance_type: Any, asked: dict[str, Any], kept: Reserved, catalog: Catalog) -> Any:
    """Result if an argument is a column, or must be converted first."""
    fleet = (
        instance_type
        if isinstance(instance_type, Fleet)
        else Fleet.encode(instance_type, catalog=catalog)
    )
    _check_catalog(fleet, catalog)
    if fleet.unknown:
        raise InputError(
            f"{count_of(fleet.unknown, 'node of the fleet is', 'nodes of the fleet are')} of unknown type"
        )
    limit = asked["kubelet_max_pods"]
    columns: dict[str, Any] = {
        "instance_type": fleet.codes,
        "prefix_delegation": checked_flags(asked["prefix_delegation"]),
        "kubelet_max_pods": 0 if limit is None else checked_kubelet(limit),
        "pod_cpu": _requests(asked["pod_cpu"], millicores, "pod_cpu"),
        "pod_memory": _requests(asked["pod_memory"], whole_bytes, "pod_memory"),
        "host_process_pods": arrays.counts(asked["host_process_pods"], name="host_process_pods"),
    }
    index = arrays.common_index(instance_type=fleet.origin, **asked)
    shape = arrays.common_shape(**columns)
    if len(shape) > 1:
        raise InputError(f"node_capacity takes one dimension; got the shape {shape}")
    if not shape and index is None:
        return _one_node(
            catalog[fleet.instance_types[int(fleet.codes)]],
            kept,
            prefix_delegation=bool(columns["prefix_delegation"]),
            kubelet_max_pods=None if limit is None else columns["kubelet_max_pods"],
            pod_cpu=int(columns["pod_cpu"]),
            pod_memory=int(columns["pod_memory"]),
            host_process_pods=int(columns["host_process_pods"]),
        )
    wide = {name: np.broadcast_to(value, shape) for name, value in columns.items()}
    # Only types that occur are computed: a fleet has tens of them, the catalog many more.
    used, wide["instance_type"] = np.unique(wide["instance_type"], return_inverse=True)
    types = [catalog[fleet.instance_types[code]] for code in used]
    kubelet = None if limit is None else wide["kubelet_max_pods"]
    return _as_frame(_sized(types, kept, wide, kubelet), index, types, wide["instance_type"])


def _check_catalog(fleet: Fleet, catalog: Catalog) -> None:
    limits = catalog.limits
    if (fleet.instance_types, fleet.as_of, fleet.source) != (
        limits.names,
        limits.as_of,
        limits.source,
    ):
        raise InputError(
            f"the fleet was encoded with the catalog of {fleet.as_of} ({fleet.source}, "
            f"{len(fleet.instance_types):,} types), which is not the one to answer from; "
            "give node_capacity the same catalog"
        )


def _requests(value: Any, read: Callable[[Any], int], name: str) -> NDArray[np.int64]:
    """Requests from one value or any kind of column; 0 for None."""
    if value is None:
        return np.array(0, dtype=np.int64)
    if arrays.is_scalar(value):
        return np.array(min(request(value, read, name=name), _UNBOUND), dtype=np.int64)
    arrays.refuse_frame(value, name)
    items = np.asarray(arrays.unmasked(value, name), dtype=object)
    missing = np.array([is_missing(item) for item in items.flat], dtype=np.bool_)
    if missing.any():
        raise arrays.missing_error(missing, name)
    for item in items.flat:
        if not isinstance(item, Hashable):
            raise ShapeMismatchError(f"{name} is ragged or nested; got {item!r} in it")
    read_once = requests(set(items.flat), read, name=name)
    return np.array([min(read_once[item], _UNBOUND) for item in items.flat], np.int64).reshape(
        items.shape
    )


def _sized(
    types: list[InstanceType],
    kept: Reserved,
    wide: dict[str, NDArray[Any]],
    kubelet: NDArray[np.int64] | None,
) -> dict[str, NDArray[Any]]:
    """Pods by each constraint, their minimum and the binding one, for every row."""
    codes = wide["instance_type"]
    room = np.array([allocatable(instance, kept) for instance in types], dtype=np.int64)
    room = room.reshape(len(types), 2)
    nitro = np.array([instance.nitro for instance in types], dtype=np.bool_)
    prefixes = nitro[codes] & wide["prefix_delegation"]
    hosts = wide["host_process_pods"]
    addresses = np.array([instance.ipv4_per_interface for instance in types], dtype=np.int64)
    caps = np.array([max_pods_cap(instance) for instance in types], dtype=np.int64)
    allowed = np.full((len(CONSTRAINTS), len(codes)), _UNBOUND, dtype=np.int64)
    allowed[0] = by_mode(addresses[codes], prefixes.astype(np.int64))
    if kubelet is not None:
        allowed[1] = np.maximum(kubelet - hosts, 0)
    for row, column, asked in ((2, 0, wide["pod_cpu"]), (3, 1, wide["pod_memory"])):
        fits = room[codes, column] // np.maximum(asked, 1)
        allowed[row] = np.where(asked > 0, fits, _UNBOUND)
    # If all memory is reserved, even a pod without a request does not fit.
    allowed[3] = np.where(room[codes, 1] == 0, 0, allowed[3])
    others = np.delete(allowed, 1, axis=0).min(axis=0)
    return {
        "allowed": allowed,
        "pods": allowed.min(axis=0),
        "binding": allowed.argmin(axis=0),
        "prefix_delegation": prefixes,
        # The --max-pods at which the next constraint binds, up to what AWS advises.
        "wanted_max_pods": np.minimum(others + hosts, caps[codes]),
        "kubelet": np.zeros_like(hosts) if kubelet is None else kubelet,
    }


def _extra_args(sized: dict[str, NDArray[Any]]) -> list[str | None]:
    binds = sized["binding"] == CONSTRAINTS.index("kubelet")
    helps = binds & (sized["wanted_max_pods"] > sized["kubelet"])
    return [
        _EXTRA_ARGS.format(wanted) if useful else None
        for wanted, useful in zip(sized["wanted_max_pods"].tolist(), helps.tolist(), strict=True)
    ]


def _one_node(
    instance: InstanceType,
    kept: Reserved,
    *,
    prefix_delegation: bool,
    kubelet_max_pods: int | None,
    pod_cpu: int,
    pod_memory: int,
    host_process_pods: int,
) -> NodeCapacity:
    """
    Capacity of one node, without arrays, which take longer than its arithmetic.

    The result must equal a row of the frame.
    """
    cpu_m, memory = allocatable(instance, kept)
    prefixes = instance.nitro and prefix_delegation
    addresses = by_mode(instance.ipv4_per_interface, int(prefixes))
    kubelet = None if kubelet_max_pods is None else max(kubelet_max_pods - host_process_pods, 0)
    cpu_pods = cpu_m // pod_cpu if pod_cpu else None
    # If all memory is reserved, even a pod without a request does not fit.
    memory_pods = memory // pod_memory if pod_memory else 0 if memory == 0 else None
    allowed = [
        _UNBOUND if limit is None else limit
        for limit in (addresses, kubelet, cpu_pods, memory_pods)
    ]
    pods = min(allowed)
    binding = CONSTRAINTS[allowed.index(pods)]
    # The --max-pods at which the next constraint binds, up to what AWS advises.
    wanted = min(min(allowed[0], *allowed[2:]) + host_process_pods, max_pods_cap(instance))
    helps = binding == "kubelet" and wanted > (kubelet_max_pods or 0)
    return NodeCapacity(
        instance_type=instance.name,
        pods=pods,
        binding=binding,
        address_pods=addresses,
        kubelet_pods=kubelet,
        cpu_pods=cpu_pods,
        memory_pods=memory_pods,
        prefix_delegation=prefixes,
        allocatable_cpu_m=cpu_m,
        allocatable_memory=memory,
        kubelet_extra_args=_EXTRA_ARGS.format(wanted) if helps else None,
        windows=instance.windows,
    )


def _as_frame(
    sized: dict[str, NDArray[Any]], index: Any, types: list[InstanceType], codes: NDArray[Any]
) -> Any:
    import pandas as pd

    def nullable(row: int) -> Any:
        values = sized["allowed"][row]
        missing = values == _UNBOUND
        return pd.arrays.IntegerArray(np.where(missing, 0, values), missing)

    kinds = pd.Index([instance.name for instance in types], dtype=object)
    columns = {
        "instance_type": pd.Categorical.from_codes(codes, kinds),
        "pods": sized["pods"],
        "binding": pd.Categorical.from_codes(sized["binding"], pd.Index(CONSTRAINTS)),
        "address_pods": sized["allowed"][0],
        "kubelet_pods": nullable(1),
        "cpu_pods": nullable(2),
        "memory_pods": nullable(3),
        "prefix_delegation": sized["prefix_delegation"],
        "kubelet_extra_args": pd.array(_extra_args(sized), dtype="string"),
    }
    return pd.DataFrame(columns, index=index)
