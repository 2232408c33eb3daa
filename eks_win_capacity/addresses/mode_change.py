"""What happens to the capacity of a node when its mode changes while pods run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import numpy as np

from eks_win_capacity.catalog.limits import bundled_limit
from eks_win_capacity.core import arrays
from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX, NODE_ADDRESSES
from eks_win_capacity.core.display import html_fields
from eks_win_capacity.core.errors import (
    CapacityError,
    InputError,
    ShapeMismatchError,
    UnsupportedInputError,
    count_of,
)
from eks_win_capacity.core.findings import Finding
from eks_win_capacity.core.lazy import checked_call

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from eks_win_capacity.catalog import InstanceType

Direction = Literal["to-prefix", "to-secondary"]

_DIRECTIONS: Final[dict[str, Direction]] = {
    "to-prefix": "to-prefix",
    "prefix": "to-prefix",
    "secondary-to-prefix": "to-prefix",
    "secondary -> prefix": "to-prefix",
    "to-secondary": "to-secondary",
    "secondary": "to-secondary",
    "prefix-to-secondary": "to-secondary",
    "prefix -> secondary": "to-secondary",
}
_VALUES: Final[dict[Direction, str]] = {"to-prefix": "true", "to-secondary": "false"}

STEPS: Final[dict[Direction, tuple[str, ...]]] = {
    way: (
        "cordon every Windows node: kubectl cordon -l kubernetes.io/os=windows",
        "add new nodes only after the change, and let the old ones drain",
        f'set enable-windows-prefix-delegation: "{value}" in kube-system/amazon-vpc-cni',
        "start new nodes and wait until they advertise vpc.amazonaws.com/PrivateIPv4Address",
        "drain the old nodes one by one: kubectl drain NODE --ignore-daemonsets",
        "terminate them, or wait 60 s after the last pod and uncordon",
    )
    for way, value in _VALUES.items()
}
"""Steps of a change of mode in which all pods get addresses."""

_SOURCE: Final = "amazon-vpc-resource-controller-k8s b8d425119bdb, node manager and pools"


@dataclass(frozen=True, kw_only=True)
class Migration:
    """
    Capacity during a change of mode on one running node.

    Attributes
    ----------
    node : str
        Instance type, or slots.
    direction : {"to-prefix", "to-secondary"}
    slots : int
        IPv4 addresses per interface - 1.
    pods_running : int
        Pods that keep an address of the old mode. [pods]
    cooling : int
        Addresses of the old mode that are still cooling. [addresses]
    changes : bool
        Whether the node's mode changes; only that of Nitro and bare metal does.
    advertised : int
        Capacity that the node advertises at once. [pods]
    held_slots : int
        Slots that the old mode still occupies: from secondary mode exact; from prefix mode
        the maximum, unless `prefixes_in_use` is given.
    held_slots_least : int
        Minimum of these slots, with every old prefix as full as possible.
    attachable : int
        Pods of the new mode that can get an address now, in the worst case. [pods]
    attachable_best : int
        Pods of the new mode that can get an address now, in the best case. [pods]
    schedulable : int
        Further pods that the scheduler can place: advertised minus running. [pods]
    at_risk : int
        Placed pods that would wait, without an event, until old pods end. [pods]
    finding : Finding
        Result, reason and remedy.
    steps : tuple of str
        Safe order of the steps.
    """

    node: str
    direction: Direction
    slots: int
    pods_running: int
    cooling: int
    changes: bool
    advertised: int
    held_slots: int
    held_slots_least: int
    attachable: int
    attachable_best: int
    schedulable: int
    at_risk: int
    finding: Finding
    steps: tuple[str, ...]

    def to_pandas(self) -> pd.DataFrame:
        """The numbers as a table of one row."""
        import pandas as pd

        return pd.DataFrame([self._numbers()])

    def _numbers(self) -> dict[str, int | str]:
        return {n: value for n, value in vars(self).items() if isinstance(value, (int, str))}

    def _repr_html_(self) -> str:
        notes = [self.finding.seen, self.finding.why, *self.steps]
        return html_fields("Migration", self._numbers(), notes=notes)


@overload
def migration(
    node: str | int | InstanceType,
    pods_running: int,
    direction: Direction | str,
    *,
    nitro: bool | None = ...,
    cooling: int = ...,
    prefixes_in_use: int | None = ...,
) -> Migration: ...


@overload
def migration(
    node: list[str] | list[int] | tuple[str, ...] | NDArray[Any] | pd.Series,
    pods_running: Any,
    direction: Direction | str,
    *,
    nitro: Any = ...,
    cooling: Any = ...,
    prefixes_in_use: Any = ...,
) -> pd.DataFrame: ...


@overload
def migration(
    node: Any,
    pods_running: Any,
    direction: Direction | str,
    *,
    nitro: Any = ...,
    cooling: Any = ...,
    prefixes_in_use: Any = ...,
) -> Any: ...


@checked_call
def migration(
    node: Any,
    pods_running: Any,
    direction: Direction | str,
    *,
    nitro: Any = None,
    cooling: Any = 0,
    prefixes_in_use: Any = None,
) -> Any:
    """
    Pods that a node can still run when its mode changes under running pods.

    The node advertises the new mode's capacity at once, while running pods keep their slots.
    The scheduler relies on what is advertised, so it can place more pods than there are free
    slots. These pods retry forever, without an event.

    Parameters
    ----------
    node : str, InstanceType, int or column of them
        An instance type of the bundled table, a row of a catalog, or slots.
    pods_running : int or column of int
        Pods with an address of the old mode. Broadcasts, as the options do. [pods]
    direction : str
        ``to-prefix`` or ``to-secondary``; ``secondary-to-prefix`` and
        ``prefix-to-secondary`` mean the same.
    nitro : bool, optional
        Whether the node is Nitro or bare metal; for a type, as the table says.
    cooling : int
        Addresses of the old mode that are still cooling. [addresses]
    prefixes_in_use : int, optional
        From prefix mode: prefixes with a used or cooling address, if known.

    Returns
    -------
    Migration or DataFrame
        A DataFrame with a row of numbers for each node, and the index of the Series
        that came in, if any input is a column.

    Raises
    ------
    InputError
        If the type or the direction is unknown, or there are more pods than the old mode has
        addresses; for columns, the error names the row.
    ShapeMismatchError, IndexMismatchError
        If columns do not go together.
    UnsupportedInputError
        If the node is something else, or ``nitro`` is not one truth value.

    References
    ----------
    amazon-vpc-resource-controller-k8s, commit b8d425119bdb.

    Examples
    --------
    >>> change = migration(14, 3, "to-prefix")
    >>> change.advertised, change.attachable, change.at_risk
    (224, 176, 45)

    A whole cluster in columns:

    >>> migration(["m5.large", "t2.large"], [3, 2], "to-prefix")[["advertised", "at_risk"]]
       advertised  at_risk
    0         144       45
    1          11        0
    """
    columns = {"node": node, "pods_running": pods_running, "cooling": cooling}
    columns |= {"nitro": nitro, "prefixes_in_use": prefixes_in_use}
    if not all(map(arrays.is_scalar, columns.values())):
        return _of_columns(direction, columns)
    if not isinstance(direction, str) or direction not in _DIRECTIONS:  # type: ignore[redundant-expr]
        raise InputError(f"direction must be to-prefix or to-secondary; got {direction!r}")
    if nitro is not None and not isinstance(nitro, (bool, np.bool_)):
        raise UnsupportedInputError(f"nitro must be true or false, of one node; got {nitro!r:.60}")
    way = _DIRECTIONS[direction]
    name, slots, acts = _node(node, None if nitro is None else bool(nitro))
    size_before = ADDRESSES_PER_PREFIX if acts and way == "to-secondary" else 1
    room = slots * size_before
    of_node = f" of {name}" * bool(name)
    pods = arrays.count(pods_running, name=f"pods_running{of_node}", high=room)
    cool = arrays.count(cooling, name=f"cooling{of_node}", high=room - pods)
    occupied = _occupied_slots(pods + cool, slots, size_before, prefixes_in_use) if acts else (0, 0)
    return _answer(name, way, slots=slots, pods=pods, cooling=cool, occupied=occupied, acts=acts)


def _answer(
    name: str,
    way: Direction,
    *,
    slots: int,
    pods: int,
    cooling: int,
    occupied: tuple[int, int],
    acts: bool,
) -> Migration:
    """Migration of one node; if not `acts`, its mode does not change."""
    least, most = occupied
    # A node whose mode does not change keeps one address in each slot.
    size_after = ADDRESSES_PER_PREFIX if acts and way == "to-prefix" else 1
    advertised = slots * size_after
    if acts:
        # A slot of the old mode is not available to the new one until its last address is free.
        attachable, best = size_after * (slots - most), size_after * (slots - least)
    else:
        attachable = best = slots - pods - cooling
    # The scheduler uses the advertised number, whatever can be attached.
    schedulable = max(advertised - pods, 0)
    at_risk = max(schedulable - attachable, 0)
    return Migration(
        node=name,
        direction=way,
        slots=slots,
        pods_running=pods,
        cooling=cooling,
        changes=acts,
        advertised=advertised,
        held_slots=most,
        held_slots_least=least,
        attachable=attachable,
        attachable_best=best,
        schedulable=schedulable,
        at_risk=at_risk if acts else 0,
        finding=_finding(name, way, acts, at_risk, advertised, pods),
        steps=STEPS[way] if acts else ("keep the node as it is: its mode does not change",),
    )


def _of_columns(direction: Direction | str, columns: dict[str, Any]) -> pd.DataFrame:
    """Table of migrations for nodes in columns; InputError names the row of an error."""
    import numpy as np
    import pandas as pd

    by_name = {name: arrays.unmasked(value, name) for name, value in columns.items()}
    if len(arrays.common_shape(**by_name)) != 1:
        raise ShapeMismatchError("migration takes columns of one dimension")
    index = arrays.common_index(**by_name)
    rows = np.broadcast_arrays(*(np.asarray(value, dtype=object) for value in by_name.values()))
    numbers = []
    for at, given in enumerate(zip(*(row.ravel() for row in rows), strict=True)):
        one = dict(zip(by_name, given, strict=True))
        try:
            answer = migration(one.pop("node"), one.pop("pods_running"), direction, **one)
        except CapacityError as error:
            raise InputError(f"row {at}: {error}") from error
        numbers.append(answer._numbers())  # noqa: SLF001
    if not numbers:
        # Without nodes, the table has the same columns and no rows.
        one_node = migration(1, 0, direction)  # no mutant: any node's answer has the columns
        empty: pd.DataFrame = one_node.to_pandas().iloc[:0]
        return empty
    return pd.DataFrame(numbers, index=index)


def _node(node: Any, nitro: bool | None) -> tuple[str, int, bool]:  # noqa: FBT001
    if isinstance(node, str):
        limit = bundled_limit(node)
        if limit is None:
            raise InputError(
                f"no row for {node!r} in the bundled table; give its slots, or a row of a catalog"
            )
        addresses, table_nitro = limit
        name = node
    elif hasattr(node, "ipv4_per_interface"):
        addresses, table_nitro = int(node.ipv4_per_interface), bool(node.nitro or node.bare_metal)
        name = str(node.name)
    elif isinstance(node, bool) or not hasattr(node, "__index__"):
        raise UnsupportedInputError(
            f"node must be an instance type, a row of a catalog or slots; got {node!r}"
        )
    else:
        slots = arrays.count(node, name="slots", low=1)
        return f"{slots} slots", slots, True if nitro is None else nitro
    return name, addresses - NODE_ADDRESSES, table_nitro if nitro is None else nitro


def _occupied_slots(busy: int, slots: int, size: int, known: int | None) -> tuple[int, int]:
    """Minimum and maximum of slots that addresses of the old mode occupy."""
    least, most = -(-busy // size), min(slots, busy)
    if known is None:
        return least, most
    in_use = arrays.count(known, name="prefixes_in_use", low=least, high=most)
    return in_use, in_use


def _finding(  # noqa: PLR0917
    name: str,
    way: Direction,
    acts: bool,  # noqa: FBT001
    at_risk: int,
    advertised: int,
    pods: int,
) -> Finding:
    if not acts:
        return Finding(
            code="mode-does-not-change",
            severity="info",
            outcome="pass",
            seen=f"{name} is neither Nitro nor bare metal",
            why="prefix delegation acts on Nitro and bare-metal types only",
            remedy="use a Nitro type for prefixes",
            source=_SOURCE,
            subject=name,
        )
    over = max(pods - advertised, 0)
    return Finding(
        code="pods-beyond-attachable",
        severity="error",
        outcome="fail" if at_risk or over else "pass",
        seen=(
            f"{count_of(at_risk, 'pod')} can be placed that get no address"
            + (
                f", and {count_of(over, 'pod runs', 'pods run')} beyond what is advertised"
                if over
                else ""
            )
        ),
        why=(
            "old pods keep their slots while the full capacity is advertised; a pod without "
            "an address retries silently"
        ),
        remedy="; ".join(STEPS[way][:2]),
        source=_SOURCE,
        subject=name,
    )
