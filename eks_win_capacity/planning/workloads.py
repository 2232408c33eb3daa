"""Which workloads run, read from any kind of table or from a cluster."""

from __future__ import annotations

import difflib
import fnmatch
import itertools
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.core.arrays import counts
from eks_win_capacity.core.constants import MAX_COUNT
from eks_win_capacity.core.display import Shown
from eks_win_capacity.core.errors import InputError, UnsupportedInputError
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.quantities import millicores, request, whole_bytes
from eks_win_capacity.core.values import is_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from decimal import Decimal

    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.cluster.state import ClusterState, Pod
    from eks_win_capacity.packing.problem import Ints

__all__ = [
    "Load",
    "Workload",
    "daemons_of",
    "plain_name",
    "read_daemons",
    "read_workloads",
    "records",
    "slots_of",
    "whole",
    "workloads_of",
]


@checked_call
@dataclass(frozen=True, kw_only=True)
class Workload(Shown):
    """
    Group of identical pods, as given by the user.

    Attributes
    ----------
    name : str
        Unique name.
    replicas : int
        Number of pods, up to a million.
    cpu : str or number
        CPU request of one pod, as Kubernetes writes it: ``"250m"``, ``0.25``, ``2``. [cores]
    memory : str or number
        Memory request of one pod, as Kubernetes writes it: ``"512Mi"``, ``"1.5Gi"``. [bytes]
    host_process : bool
        HostProcess pods take no address and count towards the kubelet's max-pods.
    zone_spread : bool
        Whether the replicas are spread evenly over the zones (maxSkew 1).
    allowed_types : str or iterable of str
        Instance types on which it may run, or patterns such as ``m5.*``; all if empty.
    anti_affinity : bool
        Whether each node runs at most one of its pods.
    max_skew : int
        Maximum difference in pods between zones if ``zone_spread`` is set.
    max_per_node : int, optional
        Maximum number of its pods on one node; a plan then satisfies any spread over hosts with
        this maxSkew.
    extended : mapping, optional
        Extended resources of one pod, such as ``{"nvidia.com/gpu": 1}``; the field ``gpu`` is
        short for that one.

    Examples
    --------
    >>> Workload(name="web", replicas=12, cpu="250m", memory="1Gi").cpu
    '250m'
    """

    name: str
    replicas: int
    cpu: str | float | Decimal = 0
    memory: str | float | Decimal = 0
    host_process: bool = False
    zone_spread: bool = False
    allowed_types: str | Sequence[str] = ()
    anti_affinity: bool = False
    max_skew: int = 1
    max_per_node: int | None = None
    extended: Mapping[str, int] | str | None = None


@dataclass(frozen=True, kw_only=True)
class Load:
    """
    A workload in the units of the models: thousandths of a core, and bytes.

    Attributes
    ----------
    most : int
        Most of its pods on one node; 0 if unlimited.
    purchase : {"", "on-demand", "spot"}
        Nodes on which it runs: any, all but Spot nodes, or Spot nodes only.
    """

    name: str
    replicas: int
    cpu: int = 0
    memory: int = 0
    host_process: bool = False
    zone_spread: bool = False
    allowed_types: tuple[str, ...] = ()
    max_skew: int = 1
    most: int = 0
    extended: tuple[tuple[str, int], ...] = ()
    purchase: str = ""

    def need(self, extended: tuple[str, ...]) -> tuple[int, ...]:
        """Needs of one pod: CPU, memory, an address, a place, and extended resources."""
        more = dict(self.extended)
        plain = (self.cpu, self.memory, int(not self.host_process), 1)
        return (*plain, *(more.get(name, 0) for name in extended))


_FIELDS: Final = tuple(field.name for field in fields(Workload))

GPU: Final = "nvidia.com/gpu"
"""The resource that the field ``gpu`` asks for. Source: NVIDIA, "k8s-device-plugin"."""

_ALSO: Final = {
    "workload": "name", "pods": "replicas", "cpu_request": "cpu", "mem": "memory",
    "memory_request": "memory", "hostprocess": "host_process", "spread": "zone_spread",
    "spread_zones": "zone_spread", "spread_over_zones": "zone_spread",
    "allowed_instance_types": "allowed_types", "instance_types": "allowed_types",
    "types": "allowed_types", "antiaffinity": "anti_affinity", "one_per_node": "anti_affinity",
    "extended_resources": "extended", "skew": "max_skew", "pods_per_node": "max_per_node",
}  # fmt: skip
"""Synonyms of the fields; case, spaces and dashes do not matter."""


def records(table: Any, name: str) -> list[Any]:
    """
    Rows of a table of pandas, polars or Arrow, or of any iterable of rows.

    Raises
    ------
    InputError
        If two columns have the same name.
    UnsupportedInputError
        If the table is neither.
    """
    if hasattr(table, "to_dicts") and hasattr(table, "columns"):
        return list(table.to_dicts())
    if hasattr(table, "to_pylist"):
        return list(table.to_pylist())
    if hasattr(table, "to_dict") and hasattr(table, "columns"):
        twice = sorted({str(one) for one in table.columns[table.columns.duplicated()]})
        if twice:
            raise InputError(f"{name} has two columns named {', '.join(twice)}; each only once")
        index = table.index
        if index.name is not None and index.name not in table.columns:
            table = table.reset_index()
        return list(table.to_dict("records"))
    if isinstance(table, (str, bytes, Mapping)) or not hasattr(table, "__iter__"):
        raise UnsupportedInputError(
            f"{name} must be a DataFrame or a list of mappings; got {type(table).__name__}"
        )
    return list(table)


def read_workloads(workloads: Any, catalog: Catalog | None = None) -> tuple[Load, ...]:
    """
    Workloads from a DataFrame, a list of mappings, or a list of `Workload`.

    Patterns of allowed types are looked up in the catalog.

    Raises
    ------
    InputError
        If a field is unknown, missing or invalid.
    """
    rows = records(workloads, "workloads")
    loads = [_load(row, f"row {number}") for number, row in enumerate(rows)]
    read = sorted(loads, key=lambda load: load.name)
    if not read:
        raise InputError("workloads is empty; give at least one with name, replicas, cpu, memory")
    for one, other in itertools.pairwise(read):
        if one.name == other.name:
            raise InputError(f"two workloads are named {one.name!r}; each name only once")
    return tuple(read if catalog is None else (_expanded(load, catalog) for load in read))


def read_daemons(daemonsets: Any) -> tuple[Load, ...]:
    """DaemonSet pods that every node runs; their replicas are ignored."""
    rows = records([] if daemonsets is None else daemonsets, "daemonsets")
    return read_workloads([_once(row) for row in rows]) if rows else ()


def _once(row: Any) -> Any:
    if isinstance(row, Workload):
        return replace(row, replicas=1)
    if not isinstance(row, Mapping):
        return row
    return {key: row[key] for key in row if _field(str(key)) != "replicas"} | {"replicas": 1}


def _load(row: Any, where: str) -> Load:
    if isinstance(row, Load):
        return row
    if isinstance(row, Workload):
        given: dict[str, Any] = {name: getattr(row, name) for name in _FIELDS}
    elif isinstance(row, Mapping):
        given = _fields(row, where)
    else:
        raise UnsupportedInputError(
            f"a workload must be a mapping or a Workload; {where} is a {type(row).__name__}"
        )
    for key in ("name", "replicas"):
        if key not in given:
            raise InputError(f"{where} of workloads lacks {key!r}; it has {dict(row)}")
    name = str(given["name"]).strip()
    if not name:
        raise InputError(f"{where} of workloads has an empty name")
    most = given.get("max_per_node")
    most = 0 if most is None else whole(most, f"max_per_node of workload {name!r}", low=1)
    return Load(
        name=name,
        replicas=whole(given["replicas"], f"replicas of workload {name!r}"),
        cpu=_quantity(given, "cpu", millicores),
        memory=_quantity(given, "memory", whole_bytes),
        host_process=_flag(given, "host_process"),
        zone_spread=_flag(given, "zone_spread"),
        allowed_types=_types(given.get("allowed_types", ()), name),
        max_skew=whole(given.get("max_skew", 1), f"max_skew of workload {name!r}", low=1),
        most=1 if _flag(given, "anti_affinity") else most,
        extended=_extended(given.get("extended"), name),
    )


def _extended(value: Any, name: str) -> tuple[tuple[str, int], ...]:
    """Extended resources of one pod, from a mapping or from ``NAME=NUMBER`` with commas."""
    if not value:
        return ()
    if isinstance(value, str):
        value = dict(part.strip().partition("=")[::2] for part in value.split(","))
    if not isinstance(value, Mapping):
        raise InputError(
            f"extended of workload {name!r} must be a mapping of resource to number; got {value!r}"
        )
    pairs = {str(key).strip(): whole(number, f"{key} of {name!r}") for key, number in value.items()}
    return tuple(sorted((key, number) for key, number in pairs.items() if number))


def _fields(row: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """Values of a row by field name; empty cells are left out."""
    given: dict[str, Any] = {}
    for key, value in row.items():
        field = _field(str(key))
        if field in {"gpu", "gpus"}:
            field, value = "extended", value and not is_missing(value) and {GPU: value}  # noqa: PLW2901
        if field not in _FIELDS:
            close = difflib.get_close_matches(field, _FIELDS, 1)
            known = ", ".join([*_FIELDS, "gpu"])
            hint = f"; did you mean {close[0]!r}?" if close else f"; known: {known}"
            raise InputError(f"{where}: a workload has no field {str(key)!r}{hint}")
        if field in given:
            raise InputError(f"{where} of workloads tells {field} twice, once as {str(key)!r}")
        if not (is_missing(value) or (isinstance(value, str) and not value.strip())):
            given[field] = value
    return given


def _field(key: str) -> str:
    plain = plain_name(key)
    return _ALSO.get(plain, plain)


def plain_name(heading: object) -> str:
    """
    The name of a field without capitals, spaces and dashes.

    Examples
    --------
    >>> plain_name("instanceType"), plain_name("Instance Type")
    ('instance_type', 'instance_type')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(heading).strip())
    return re.sub(r"[\s\-]+", "_", words).lower()


def _quantity(row: Mapping[str, Any], key: str, read: Callable[[Any], int]) -> int:
    value = row.get(key, 0)
    value = value.strip() if isinstance(value, str) else value
    return request(value, read, name=f"{key} of workload {row['name']!r}")


def _types(value: Any, name: str) -> tuple[str, ...]:
    if isinstance(value, str):
        value = re.split(r"[\s,;|]+", value.strip())
    if not hasattr(value, "__iter__") or isinstance(value, (bytes, Mapping)):
        raise InputError(
            f"allowed_types of workload {name!r} must be instance types or patterns; got {value!r}"
        )
    return tuple(sorted({str(one).strip() for one in value} - {""}))


def _expanded(load: Load, catalog: Catalog) -> Load:
    """The workload with patterns of allowed types replaced by the types that match."""
    types: set[str] = set()
    for one in load.allowed_types:
        if set(one) & set("*?["):
            matches = fnmatch.filter(catalog, one)
            if not matches:
                raise InputError(
                    f"workload {load.name!r}: no instance type matches the pattern {one!r}"
                )
            types.update(matches)
        elif one not in catalog:
            raise catalog.unknown_error([one])
        else:
            types.add(one)
    return replace(load, allowed_types=tuple(sorted(types)))


def whole(value: Any, name: str, *, low: int = 0) -> int:
    """The input as a whole number, at most a million."""
    if isinstance(value, str):
        text = value.strip()
        if not re.fullmatch(r"[+-]?[0-9]+", text):
            raise InputError(f"{name} must be a whole number; got {value!r}")
        value = int(text)
    elif not hasattr(value, "__index__") and not hasattr(value, "is_integer"):
        raise InputError(f"{name} must be a whole number; got {value!r}")
    return int(counts(value, name=name, low=low, high=MAX_COUNT))


def _flag(row: Mapping[str, Any], key: str) -> bool:
    value = row.get(key, False)
    words = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
    known = words.get(str(value).strip().lower().removesuffix(".0"))
    if known is None:
        raise InputError(
            f"{key} of workload {row.get('name')!r} must be true or false; got {value!r}"
        )
    return known


def slots_of(
    workloads: tuple[Load, ...], surge: float | str, zones: int, *, zone_lost: bool
) -> Ints:
    """Places that each workload needs, with surge and the loss of a zone."""
    part, extra = _surge(surge)
    slots = []
    for load in workloads:
        wanted = load.replicas + (extra + math.ceil(part * load.replicas) if load.replicas else 0)
        # With even shares of n zones, n - 1 zones must have room for all pods.
        slots.append(-(-wanted * zones // (zones - 1)) if zone_lost and zones > 1 else wanted)
    return np.array(slots, dtype=np.int64)


def _surge(surge: Any) -> tuple[Fraction, int]:
    """Extra pods, as a part of the replicas and as a number."""
    text = surge.strip() if isinstance(surge, str) else ""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?%", text):
        return Fraction(text[:-1]) / 100, 0
    if re.fullmatch(r"[0-9]*\.[0-9]+", text):
        return Fraction(text), 0
    if isinstance(surge, float) and 0 <= surge < math.inf:
        return Fraction(str(surge)), 0
    if text.isdigit() or isinstance(surge, (int, np.integer)):
        return Fraction(0), whole(text or surge, "surge")
    raise InputError(
        f"surge must be a number of pods, or a part such as 0.25 or '25%'; got {surge!r}"
    )


_EVERY_NODE = "DaemonSet/"


@checked_call
def workloads_of(state: ClusterState) -> tuple[Load, ...]:
    """
    Windows pods of a cluster, running and pending, by owner and requests.

    A pod without an owner is a workload by itself. Zone spread, anti-affinity and node affinity of
    the pods are not in the state, so they are not in the workloads either.

    Raises
    ------
    InputError
        If the state has no pods, or none of them is for Windows.
    """
    loads = _grouped([pod for pod in _pods(state) if not pod.owner.startswith(_EVERY_NODE)])
    if not loads:
        raise InputError("the cluster state has no Windows pods other than those of DaemonSets")
    return loads


@checked_call
def daemons_of(state: ClusterState) -> tuple[Load, ...]:
    """The DaemonSets whose pods are on Windows nodes, one pod each."""
    pods = [pod for pod in _pods(state) if pod.owner.startswith(_EVERY_NODE)]
    largest = {}
    for pod in sorted(pods, key=lambda pod: (pod.cpu_m, pod.memory_bytes)):
        # During a rollout, the larger request is the one that needs room.
        largest[pod.namespace, pod.owner] = pod
    return _grouped(list(largest.values()))


def _pods(state: ClusterState) -> tuple[Pod, ...]:
    pods = state.windows_pods
    if pods is None:
        why = state.unknown.get("pods", "no source told")
        raise InputError(f"the cluster state knows no pods: {why}")
    return pods


def _grouped(pods: list[Pod]) -> tuple[Load, ...]:
    groups = Counter(
        (
            f"{pod.namespace}/{pod.owner or pod.name}",
            pod.cpu_m,
            pod.memory_bytes,
            not pod.takes_address,
        )
        for pod in pods
    )
    names = [key[0] for key in groups]
    return tuple(
        Load(
            # Pods of one owner with different requests are distinguished by these.
            name=name if names.count(name) == 1 else f"{name} ({_asks(cpu, memory, host)})",
            replicas=count,
            cpu=cpu,
            memory=memory,
            host_process=host,
        )
        for (name, cpu, memory, host), count in sorted(groups.items())
    )


def _asks(cpu: int, memory: int, host: bool) -> str:  # noqa: FBT001
    size = f"{memory // 2**20}Mi" if memory % 2**20 == 0 else f"{memory}"
    return f"{cpu}m, {size}{', host network' * host}"
