"""Read workloads, candidates, prices and subnets, and say what is wrong with them."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from eks_win_capacity.constants import MAX_COUNT
from eks_win_capacity.errors import InputError, UnsupportedInputError
from eks_win_capacity.quantities import millicores, whole_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eks_win_capacity.catalog import Catalog, InstanceType

__all__ = ["Rejection", "Workload", "read_candidates", "read_prices", "read_workloads"]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """
    Pods that are all alike.

    Attributes
    ----------
    name : str
        Its name; each only once.
    replicas : int
        Pods, up to a million.
    cpu : int
        CPU request of one pod. [thousandths of a core]
    memory : int
        Memory request of one pod. [bytes]
    host_process : bool
        HostProcess pods take no address and count towards the kubelet's max-pods.
    zone_spread : bool
        Whether the replicas are spread evenly over the zones (maxSkew 1).
    allowed_types : tuple of str
        Instance types it may run on; all where empty.
    anti_affinity : bool
        Whether a node runs one of its pods at most.
    """

    name: str
    replicas: int
    cpu: int = 0
    memory: int = 0
    host_process: bool = False
    zone_spread: bool = False
    allowed_types: tuple[str, ...] = ()
    anti_affinity: bool = False


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """
    Why a candidate has no node in the plan.

    Attributes
    ----------
    instance_type : str
        The type.
    code : str
        ``arm64``, ``no-windows``, ``previous-generation``, ``no-price``, ``not-allowed``,
        ``too-small``, ``dominated``, ``dearer`` or ``not-needed``.
    why : str
        The reason in words.
    percent : float or None
        How much dearer it is than what the plan uses, for ``dearer``. [%]
    """

    instance_type: str
    code: str
    why: str
    percent: float | None = None


_FIELDS = tuple(field.name for field in fields(Workload))


def read_workloads(workloads: Any) -> tuple[Workload, ...]:
    """
    Read workloads from a DataFrame, a list of mappings or of `Workload`.

    Raises
    ------
    InputError
        If a field is unknown, missing or has a value that makes no sense.
    UnsupportedInputError
        If the input is of another kind.
    """
    if hasattr(workloads, "to_dict") and hasattr(workloads, "columns"):
        workloads = workloads.to_dict("records")
    if isinstance(workloads, (str, bytes, Mapping)) or not hasattr(workloads, "__iter__"):
        raise UnsupportedInputError(
            f"workloads must be a DataFrame or a list of mappings; got {type(workloads).__name__}"
        )
    read = sorted((_workload(row) for row in workloads), key=lambda workload: workload.name)
    if not read:
        raise InputError("workloads is empty; give at least one with name, replicas, cpu, memory")
    for one, other in itertools.pairwise(read):
        if one.name == other.name:
            raise InputError(f"two workloads are named {one.name!r}; each name only once")
    return tuple(read)


def _workload(row: Any) -> Workload:
    if isinstance(row, Workload):
        row = {name: getattr(row, name) for name in _FIELDS} | {"cpu": f"{row.cpu}m"}
    if not isinstance(row, Mapping):
        raise UnsupportedInputError(f"a workload must be a mapping; got {type(row).__name__}")
    given = {str(key): value for key, value in row.items() if not _missing(value)}
    for key in given:
        if key not in _FIELDS:
            close = difflib.get_close_matches(key, _FIELDS, 1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(_FIELDS)}"
            raise InputError(f"a workload has no field {key!r}{hint}")
    for key in ("name", "replicas"):
        if key not in given:
            raise InputError(f"a workload lacks {key!r}: {dict(row)}")
    name = str(given["name"]).strip()
    replicas = whole(given["replicas"], f"replicas of {name!r}")
    types = given.get("allowed_types", ())
    if isinstance(types, str):
        types = types.replace(",", " ").split()
    return Workload(
        name=name,
        replicas=replicas,
        cpu=millicores(given.get("cpu", 0)),
        memory=whole_bytes(given.get("memory", 0)),
        host_process=_flag(given, "host_process"),
        zone_spread=_flag(given, "zone_spread"),
        allowed_types=tuple(sorted(set(map(str, types)))),
        anti_affinity=_flag(given, "anti_affinity"),
    )


def _missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def whole(value: Any, name: str, *, low: int = 0, high: int = MAX_COUNT) -> int:
    """Read a whole number inside limits."""
    from eks_win_capacity._arrays import counts

    if isinstance(value, str):
        text = value.strip()
        if not text.isascii() or not text.isdigit():
            raise InputError(f"{name} must be a whole number; got {value!r}")
        value = int(text)
    return int(counts(value, name=name, low=low, high=high))


def _flag(row: Mapping[str, Any], key: str) -> bool:
    value = row.get(key, False)
    words = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
    known = words.get(str(value).strip().lower().removesuffix(".0"))
    if known is None:
        raise InputError(f"{key} of {row.get('name')!r} must be true or false; got {value!r}")
    return known


def read_candidates(
    candidates: Iterable[Any] | None, catalog: Catalog
) -> tuple[list[InstanceType], list[Rejection]]:
    """Give the types that can be Windows nodes, and why the others cannot."""
    rejected: list[Rejection] = []
    if candidates is None:
        rows = [catalog[name] for name in sorted(catalog)]
    else:
        names = [candidates] if isinstance(candidates, str) else list(candidates)
        named: dict[str, Any] = {getattr(name, "name", name): name for name in names}
        rows = [
            value if hasattr(value, "ipv4_per_interface") else catalog[name]
            for name, value in sorted(named.items())
        ]
        if not rows:
            raise InputError("candidates is empty; give instance types, or None for all")
    able = []
    for row in rows:
        if row.windows.status == "unsupported":
            arm = "x86_64" not in row.architectures
            why = (
                row.windows.reasons[0].why if row.windows.reasons else "no Windows image runs on it"
            )
            rejected.append(
                Rejection(instance_type=row.name, code="arm64" if arm else "no-windows", why=why)
            )
        elif candidates is None and not row.current_generation:
            rejected.append(
                Rejection(
                    instance_type=row.name,
                    code="previous-generation",
                    why="EC2 counts it as previous generation; name it in candidates to use it",
                )
            )
        else:
            able.append(row)
    return able, rejected


def read_prices(prices: Any) -> dict[str, float] | None:
    """Read prices by instance type from a Series or a mapping."""
    if prices is None:
        return None
    if hasattr(prices, "to_dict"):
        prices = prices.to_dict()
    if not isinstance(prices, Mapping):
        raise UnsupportedInputError(
            f"prices must be a Series or a mapping by instance type; got {type(prices).__name__}"
        )
    known = {}
    for name, value in prices.items():
        if _missing(value):
            continue
        price = float(value)
        if not math.isfinite(price) or price <= 0:
            raise InputError(f"the price of {name} must be a positive number; got {value!r}")
        known[str(name)] = price
    return known
