"""What happens in the warm pools of one or many nodes for recorded events."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.addresses.warm_pool import WarmPool, targets_of
from eks_win_capacity.core import arrays
from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX, NODE_ADDRESSES
from eks_win_capacity.core.errors import CapacityError, InputError, UnsupportedInputError
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.simulator import engine as engines
from eks_win_capacity.simulator import machine
from eks_win_capacity.simulator.clock import SECOND, checked_seconds, nanoseconds
from eks_win_capacity.simulator.events import KINDS, Events, read_events, subject_pool
from eks_win_capacity.simulator.node import Retries, SimulatedNode

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from eks_win_capacity.simulator.engine import Engine

_COLUMNS: Final = (
    "used", "warm", "cooling", "addresses", "prefixes", "pending_create", "pending_delete",
    "create_calls", "created", "delete_calls", "deleted",
)  # fmt: skip
_WORTH_COMPILING: Final = 20_000
"""Number of events from which ``engine="auto"`` uses the compiled form."""

MAX_SLOTS: Final = 4_096
"""Maximum number of slots, far above that of any interface."""


@checked_call
def simulate_pool(
    events: Any,
    *,
    slots: int,
    pool: WarmPool,
    nitro: bool = True,
    ec2_latency_s: float = 0.0,
    subnet_free: int | None = None,
    retries: bool = False,
    engine: Engine = "auto",
) -> pd.DataFrame:
    """
    Exact simulation of one node's warm pool for a sequence of events.

    The node exists from 0 s and reconciles at once. Every 30 s, before events at the same time,
    addresses that have cooled for 30 s become warm again.

    Parameters
    ----------
    events : iterable of rows, DataFrame or mapping of columns
        Rows ``(seconds, kind)`` or ``(seconds, kind, subject)``, lists or
        tuples; or columns ``seconds``, ``kind`` and ``pod``. Kinds: ``assign`` and ``free`` for
        a pod; ``tick`` only lets time pass; ``configmap`` sets a WarmPool or a ConfigMap, and
        drains the pool of the previous mode; ``drain`` drains the active pool; ``subnet`` sets
        how many units (addresses, or prefixes in prefix mode) the subnet has left: None for no
        limit, "full" for none until the next such event, even if the node releases some (others
        take them).
    slots : int
        IPv4 addresses per interface - 1.
    pool : WarmPool
        Mode and targets at the start.
    nitro : bool
        For ``configmap`` events that bring a ConfigMap.
    ec2_latency_s : float
        How long every EC2 call takes. [s]
    subnet_free : int, optional
        Free units of the subnet at the start; no limit by default. A call for more than these
        attaches nothing.
    retries : bool
        Whether pods without an address retry, with one row of kind ``retry`` for each attempt.
        Freeing a waiting pod ends its attempts.
    engine : {"auto", "compiled", "reference"}
        The compiled engine needs the extra ``simulate`` and supports pods and ticks only. Both
        give the same answer; ``auto`` uses it for many events.

    Returns
    -------
    DataFrame
        One row for each event: ``seconds``, ``kind``, ``pod``, ``used``,
        ``warm``, ``cooling``, ``addresses`` (attached, 16 for each prefix),
        ``prefixes``, ``outcome`` (None for success and for events without one;
        else ALREADY, AT_CAPACITY, COOLING, CREATING, NO_CIDR, EMPTY or
        NOT_FOUND), ``pending_create`` and ``pending_delete`` (addresses of
        calls under way, in no other column), and the EC2 calls so far:
        ``create_calls``, ``created``, ``delete_calls``, ``deleted`` (addresses,
        or prefixes), and ``subnet_addresses``: what the subnet misses, which is
        ``addresses``, ``pending_create`` and ``pending_delete`` (a released address
        is back when the call ends) with the node's own. ``attrs["initial"]`` is the row before the first event.

    Raises
    ------
    InputError
        If time runs backwards or an event cannot be read. A pod that is assigned
        twice or freed without an address is not an error but the controller's own
        outcome: ALREADY, NOT_FOUND.
    MissingExtraError
        If ``engine="compiled"`` and numba is not installed.

    References
    ----------
    amazon-vpc-resource-controller-k8s, commit b8d425119bdb, ``pkg/pool`` and
    ``pkg/provider``.

    Examples
    --------
    >>> from eks_win_capacity import WarmPool
    >>> pool = WarmPool.secondary(warm_ip_target=4)
    >>> events = [(0, "assign", "a"), (10, "free", "a"), (60, "tick")]
    >>> simulate_pool(events, slots=9, pool=pool)[["used", "warm", "cooling", "addresses"]]
       used  warm  cooling  addresses
    0     1     4        0          5
    1     0     4        1          5
    2     0     4        0          4
    """
    engines.check_engine(engine)
    room = checked_slots(slots)
    check_pool(pool)
    latency = checked_seconds(ec2_latency_s, "ec2_latency_s")
    left = None if subnet_free is None else arrays.count(subnet_free, name="subnet_free")
    nitro, retries = arrays.flag(nitro, name="nitro"), arrays.flag(retries, name="retries")
    read = read_events(events)
    plain = read.plain and left is None and not retries
    if engine == "compiled" and not plain:
        raise InputError(
            "the compiled engine takes assign, free and tick events without retries or a "
            "subnet limit; leave engine out"
        )
    fast = engine == "compiled" or (
        engine == "auto" and plain and len(read.seconds) >= _WORTH_COMPILING and engines.available()
    )
    if fast:
        first = np.array([0, len(read.seconds)])
        return _replayed(read, first, np.array([room]), [pool], latency, compiled=True)
    return _stepped(
        read, SimulatedNode(room, pool, ec2_latency_s=latency, subnet_free=left), nitro, retries
    )


def check_pool(pool: object) -> None:
    """Refuse a value that is not a WarmPool."""
    if not isinstance(pool, WarmPool):
        raise UnsupportedInputError(f"pool must be a WarmPool; got {pool!r}")


def checked_slots(slots: object) -> int:
    """Slots of a node: a whole number from 1 to `MAX_SLOTS`."""
    return arrays.count(slots, name="slots", low=1, high=MAX_SLOTS)


def _units_left(subject: object) -> float | None:
    """Free units after a subnet event; -inf for "full", which stays full after releases."""
    if subject is None:
        return None
    return -math.inf if subject == "full" else arrays.count(subject, name="subnet")


def _stepped(read: Events, node: SimulatedNode, nitro: bool, retries: bool) -> pd.DataFrame:  # noqa: FBT001
    """Table of the events, simulated with the reference implementation."""
    initial = {name: node.state()[name] for name in _COLUMNS}
    waiting = Retries()
    rows: list[tuple[Any, ...]] = []

    def note(seconds: float, kind: str, subject: object, outcome: str | None) -> None:
        state = node.state()
        rows.append(
            (seconds, kind, subject, outcome, state["advertised"], *(state[c] for c in _COLUMNS))
        )

    def retry(until: int) -> None:
        while (due := waiting.due(until)) is not None:
            now, pod = due
            node.advance(now)
            outcome = node.assign(pod)
            waiting.note(pod, outcome, now)
            note(now / SECOND, "retry", names[pod], outcome)

    names: dict[Any, object] = {}
    subjects = read.subjects.tolist()
    seconds = read.seconds.tolist()
    for position, (now, code, pod) in enumerate(
        zip(read.times.tolist(), read.kinds.tolist(), read.pods.tolist(), strict=True)
    ):
        kind, subject, outcome = KINDS[code], subjects[position], None
        # Retries due before this event come first, because they may take its address.
        retry(now)
        node.advance(now)
        if kind == "assign":
            names[pod] = subject
            outcome = node.assign(pod)
            if retries and pod not in waiting.since:
                waiting.note(pod, outcome, now)
        elif kind == "free":
            outcome = node.free(pod)
            # A pod that ended while it waited needs no address.
            waiting.forget(pod)
        elif kind == "configmap":
            node.configure(subject_pool(subject, nitro=nitro, position=position))
        elif kind == "drain":
            node.drain()
        elif kind == "subnet":
            node.active.subnet_free = _units_left(subject)
        note(seconds[position], kind, subject, outcome)
    # Without rows for retries, the column of pods keeps its dtype.
    return _of_rows(rows, None if retries else read.subjects, initial)


def _of_rows(rows: list[tuple[Any, ...]], subjects: Any, initial: dict[str, int]) -> pd.DataFrame:
    """Table of noted rows; `subjects`, if given, replace those of the rows."""
    seconds, kinds, pods, outcomes, advertised, *counted = (
        zip(*rows, strict=True) if rows else ((),) * (5 + len(_COLUMNS))
    )
    whole = np.array([advertised, *counted], dtype=np.int64)
    return _frame(
        np.asarray(seconds, dtype=np.float64),
        _objects(kinds),
        _objects(pods) if subjects is None else subjects,
        _objects(outcomes),
        advertised=whole[0],
        counted=whole[1:],
        initial=initial,
    )


def _objects(values: Any) -> Any:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _frame(
    seconds: Any,
    kinds: Any,
    pods: Any,
    outcomes: Any,
    *,
    advertised: Any,
    counted: Any,
    initial: dict[str, int],
) -> pd.DataFrame:
    """Table of the columns; strings have dtype object, so that None stays None."""
    import pandas as pd

    counts = dict(zip(_COLUMNS, counted, strict=True))
    in_subnet = counts["addresses"] + counts["pending_create"] + counts["pending_delete"]
    frame = pd.DataFrame(
        {
            "seconds": seconds,
            "kind": pd.Series(kinds, dtype=object),
            "pod": pd.Series(pods, dtype=object) if pods.dtype == object else pods,
            **{name: counts[name] for name in _COLUMNS[:5]},
            "outcome": pd.Series(outcomes, dtype=object),
            "advertised": advertised,
            **{name: counts[name] for name in _COLUMNS[5:]},
            "subnet_addresses": in_subnet + NODE_ADDRESSES,
        },
        copy=False,
    )
    frame.attrs["initial"] = initial
    return frame


def machine_of(
    slots: NDArray[np.int64],
    pools: Sequence[WarmPool],
    latency: float,
    *,
    phase: NDArray[np.int64] | None = None,
) -> machine.Machine:
    """
    Nodes without pods, after their first reconcile.

    EC2 calls take `latency` [s]; `phase` is the time of the first cool-down tick of each node,
    by default 0 [ns].
    """
    count = len(pools)
    targets = [(pool.prefix_rule, *targets_of(pool).values()) for pool in pools]
    m = machine.build(
        slots,
        _addresses_per_slot(pools),
        np.array(targets, dtype=np.int64),
        phase=np.zeros(count, dtype=np.int64) if phase is None else phase,
        latency=nanoseconds(latency),
    )
    for node in range(count):
        machine.reconcile(m, node, 0)
    return m


def _addresses_per_slot(pools: Sequence[WarmPool]) -> NDArray[np.int64]:
    return np.array([ADDRESSES_PER_PREFIX if pool.prefix_delegation else 1 for pool in pools])


def _replayed(
    read: Events, first: Any, slots: Any, pools: list[WarmPool], latency: float, *, compiled: bool
) -> pd.DataFrame:
    """Table of the events, simulated with the machine, compiled or in plain Python."""
    entry = "replay_at_once" if latency == 0 else "replay"
    run = engines.compiled(entry) if compiled else getattr(machine, entry)
    m = machine_of(slots, pools, latency)
    initial = _initial(m.state[0])
    count = len(read.seconds)
    outcomes = np.empty(count, dtype=np.int8)
    rows = np.empty((len(_COLUMNS), count), dtype=np.int64)
    holder = np.full(read.pod_count, -1, dtype=np.int64)
    run(m, first, read.times, read.kinds, read.pods, holder, outcomes, rows)
    return _frame(
        read.seconds,
        np.array(KINDS, dtype=object)[read.kinds],
        read.subjects,
        np.array(machine.OUTCOMES, dtype=object)[outcomes],
        advertised=np.repeat(slots * _addresses_per_slot(pools), np.diff(first)),
        counted=rows,
        initial=initial,
    )


def _initial(state: NDArray[np.int64]) -> dict[str, int]:
    """Counts of a node before the first event, by column."""
    units, size = int(state[machine.UNITS]), int(state[machine.SIZE])
    return dict.fromkeys(_COLUMNS, 0) | {
        "warm": int(state[machine.WARM]),
        "addresses": units * size,
        "prefixes": units if size > 1 else 0,
        "pending_create": int(state[machine.PENDING_CREATE]) * size,
        "create_calls": int(state[machine.CREATE_CALLS]),
        "created": int(state[machine.CREATED]),
    }


@checked_call
def simulate_nodes(
    events: Any, *, slots: int, pool: WarmPool, ec2_latency_s: float = 0.0, engine: Engine = "auto"
) -> pd.DataFrame:
    """
    Exact simulation of the warm pools of many nodes at once.

    Parameters
    ----------
    events : DataFrame or mapping of columns
        Of pandas or Polars. Columns ``node``, ``seconds``, ``kind`` (assign, free, tick) and ``pod``.
        Times must not decrease within a node; nodes may be in any order.
    slots : int
        IPv4 addresses per interface - 1, of every node.
    pool : WarmPool
        Mode and targets of every node.
    ec2_latency_s : float
        How long every EC2 call takes. [s]
    engine : {"auto", "compiled", "reference"}
        The compiled engine needs the extra ``simulate``; ``auto`` uses it for many events if
        installed. Both give the same answer.

    Returns
    -------
    DataFrame
        As from :func:`simulate_pool`, with ``node``, one node after another in order of
        appearance. The index refers to the rows of `events`.

    Raises
    ------
    InputError
        If a column is missing, a node is missing, or time runs backwards on one.
    MissingExtraError
        If ``engine="compiled"`` and numba is not installed.

    References
    ----------
    amazon-vpc-resource-controller-k8s, commit b8d425119bdb, ``pkg/pool`` and
    ``pkg/provider``.

    Examples
    --------
    >>> import pandas as pd
    >>> from eks_win_capacity import WarmPool
    >>> events = pd.DataFrame(
    ...     {"node": ["a", "b", "a"], "seconds": [0, 0, 5], "kind": "assign", "pod": ["x", "x", "y"]}
    ... )
    >>> ran = simulate_nodes(events, slots=9, pool=WarmPool.secondary())
    >>> ran[["node", "seconds", "pod", "used", "addresses"]]
      node  seconds pod  used  addresses
    0    a      0.0   x     1          4
    2    a      5.0   y     2          5
    1    b      0.0   x     1          4
    """
    import pandas as pd

    check_pool(pool)
    engines.check_engine(engine)
    room, latency = checked_slots(slots), checked_seconds(ec2_latency_s, "ec2_latency_s")
    events = _table_of(events)
    codes, names = pd.factorize(events["node"])
    if not len(names) or (codes < 0).any():
        raise InputError("every event must name its node, and there must be one at least")
    order = np.argsort(codes, kind="stable")
    placed = events.iloc[order]
    first = np.concatenate([[0], np.cumsum(np.bincount(codes))])
    read = read_events(placed, starts=first[:-1])
    if not read.plain:
        raise InputError("simulate_nodes takes assign, free and tick events only")
    # The same name on two nodes means two pods.
    both = codes[order] * (read.pod_count + 1) + read.pods
    pods, known = pd.factorize(both)
    renumbered = Events(
        read.seconds, read.times, read.kinds, pods.astype(np.int64), read.subjects, len(known)
    )
    fast = engine == "compiled" or (
        engine == "auto" and len(read.seconds) >= _WORTH_COMPILING and engines.available()
    )
    frame = _replayed(
        renumbered, first, np.full(len(names), room), [pool] * len(names), latency, compiled=fast
    )
    frame.index = placed.index
    frame.insert(0, "node", placed["node"])
    return frame


def _table_of(events: Any) -> pd.DataFrame:
    """Events of nodes as a DataFrame."""
    import pandas as pd

    named = isinstance(events, Mapping) or hasattr(events, "columns")
    if not named or "node" not in events:
        raise InputError("events must be a table with node, seconds, kind and pod")
    if isinstance(events, pd.DataFrame):
        return events
    columns = [name for name in ("node", "seconds", "kind", "pod") if name in events]
    try:
        return pd.DataFrame(
            {name: np.asarray(arrays.unmasked(events[name], name)) for name in columns}
        )
    except ValueError as error:
        if isinstance(error, CapacityError):
            raise
        raise InputError(f"events must be columns of one length: {error}") from None
