"""
The same warm pools as arrays, for many nodes and millions of events.

These functions hold to what numba compiles. They also run as they stand, on
lists in place of arrays, where numba is not installed. The rules and their
reasons are in :mod:`eks_win_capacity.simulator.node`; this form must agree with
that one on every trace.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np

from eks_win_capacity.constants import ADDRESSES_PER_PREFIX, COOL_DOWN_S, COOL_DOWN_TICK_S

OUTCOMES: Final = (
    None,
    "ALREADY",
    "AT_CAPACITY",
    "COOLING",
    "CREATING",
    "NO_CIDR",
    "EMPTY",
    "NOT_FOUND",
)
ASSIGNED, ALREADY, AT_CAPACITY, COOLING_DOWN, CREATING, NO_CIDR, EMPTY, NOT_FOUND = range(8)
TICK, ASSIGN, FREE = range(3)

# Whole numbers of a node.
(
    SLOTS,
    SIZE,
    PREFIX_RULE,
    WARM_IP,
    MINIMUM_IP,
    WARM_PREFIX,
    USED,
    WARM,
    COOLING,
    UNITS,
    FREE_UNITS,
    BEST,
    CREATED_UNITS,
    KNOWN_PREFIXES,
    QUEUE_HEAD,
    CALLS,
    CALL_HEAD,
    PENDING_CREATE,
    PENDING_DELETE,
    TICKING,
    TICKS,
    CREATE_CALLS,
    CREATED,
    DELETE_CALLS,
    DELETED,
) = range(25)
_FIELDS: Final = 25

# Times of a node: its first tick, the next thing that happens by itself, how long EC2 takes.
PHASE, DUE, LATENCY = range(3)


class Machine(NamedTuple):
    """
    Nodes as arrays; the first axis counts the nodes.

    Attributes
    ----------
    state : int64, node x field
    clock : float64, node x {PHASE, DUE, LATENCY}. [s]
    warm : int64, node x unit
        Warm addresses of each prefix; -1 for a slot without one.
    age : int64, node x unit
        Which prefix came first.
    freed_at, freed_unit : float64 and int64, node x address
        The cool-down queue, as a ring.
    call_ends, call_units : float64 and int64, node x call
        EC2 calls under way, as a ring.
    """

    state: Any
    clock: Any
    warm: Any
    age: Any
    freed_at: Any
    freed_unit: Any
    call_ends: Any
    call_units: Any


def build(
    slots: Any, size: Any, targets: Any, *, phase: Any, ec2_latency_s: float, compiled: bool
) -> Machine:
    """
    Lay nodes out, before their first reconcile.

    Parameters
    ----------
    slots, size : ndarray, one for each node
        Slots, and addresses in a unit.
    targets : ndarray, node x (prefix rule, warm-ip, minimum-ip, warm-prefix)
    phase : ndarray
        First tick of each node. [s]
    compiled : bool
        Arrays for the compiled form, nested lists for the plain one.
    """
    nodes, most = len(slots), int(slots.max())
    prefixes = most if (size > 1).any() else 1
    state = np.zeros((nodes, _FIELDS), dtype=np.int64)
    state[:, SLOTS], state[:, SIZE] = slots, size
    # In a prefix the targets can be anything up to 10**6; below zero they act as not given.
    state[:, PREFIX_RULE : WARM_PREFIX + 1] = targets
    state[:, BEST] = -1
    clock = np.zeros((nodes, 3))
    clock[:, PHASE], clock[:, DUE], clock[:, LATENCY] = phase, math.inf, ec2_latency_s
    room = int((slots * size).max())
    machine = Machine(
        state=state,
        clock=clock,
        warm=np.full((nodes, prefixes), -1, dtype=np.int64),
        age=np.zeros((nodes, prefixes), dtype=np.int64),
        freed_at=np.zeros((nodes, room)),
        freed_unit=np.zeros((nodes, room), dtype=np.int64),
        call_ends=np.zeros((nodes, most + 1)),
        call_units=np.zeros((nodes, most + 1), dtype=np.int64),
    )
    return machine if compiled else Machine(*(array.tolist() for array in machine))


def _prefixes(addresses: int) -> int:
    return -(-addresses // ADDRESSES_PER_PREFIX)


def reconcile(m: Machine, i: int, now: float) -> None:
    """Create or delete units until the deviation is zero, or nothing more can be done."""
    s = m.state[i]
    under_way = s[PENDING_CREATE] + s[PENDING_DELETE]
    if s[USED] + s[COOLING] + under_way * s[SIZE] == s[SLOTS] * s[SIZE]:
        return
    pending = s[PENDING_CREATE] * s[SIZE]
    total = s[USED] + s[COOLING] + s[WARM] + pending
    if s[SIZE] == 1:
        available = s[WARM] + pending
        short = max(s[WARM_IP] - available, s[MINIMUM_IP] - total, 0)
        over = max(min(available - s[WARM_IP], total - s[MINIMUM_IP]), 0)
        deviation = short - over
    elif s[PREFIX_RULE] == 1:
        deviation = s[WARM_PREFIX] - s[FREE_UNITS] - s[PENDING_CREATE]
    else:
        wanted = max(s[USED] + s[WARM_IP], s[MINIMUM_IP])
        deviation = _prefixes(wanted) - _prefixes(total)
    if deviation > 0:
        units = min(deviation, s[SLOTS] - s[UNITS] - under_way)
        if units > 0:
            s[CREATE_CALLS] += 1
            if m.clock[i][LATENCY] == 0.0:
                attach(m, i, units)
            else:
                s[PENDING_CREATE] += units
                call(m, i, units, now)
    elif deviation < 0:
        units = min(-deviation, s[FREE_UNITS])
        if units > 0:
            s[DELETE_CALLS] += 1
            detach(m, i, units)
            if m.clock[i][LATENCY] == 0.0:
                s[DELETED] += units
            else:
                s[PENDING_DELETE] += units
                call(m, i, -units, now)


def attach(m: Machine, i: int, units: int) -> None:
    """Add new units, all their addresses warm."""
    s = m.state[i]
    s[KNOWN_PREFIXES] = 1
    s[CREATED] += units
    s[UNITS] += units
    s[WARM] += units * s[SIZE]
    s[FREE_UNITS] += units
    if s[SIZE] == 1:
        return
    warm, age = m.warm[i], m.age[i]
    unit = 0
    for _ in range(units):
        while warm[unit] >= 0:
            unit += 1
        warm[unit] = s[SIZE]
        age[unit] = s[CREATED_UNITS]
        s[CREATED_UNITS] += 1


def detach(m: Machine, i: int, units: int) -> None:
    """Take the oldest free units away."""
    s = m.state[i]
    s[UNITS] -= units
    s[WARM] -= units * s[SIZE]
    s[FREE_UNITS] -= units
    if s[SIZE] == 1:
        return
    warm, age = m.warm[i], m.age[i]
    s[BEST] = -1
    for _ in range(units):
        oldest = -1
        for unit in range(s[SLOTS]):
            if warm[unit] == s[SIZE] and (oldest < 0 or age[unit] < age[oldest]):
                oldest = unit
        warm[oldest] = -1


def call(m: Machine, i: int, units: int, now: float) -> None:
    """Start an EC2 call that takes its time."""
    s = m.state[i]
    # At most one call for each slot is under way, so the ring never overflows.
    place = (s[CALL_HEAD] + s[CALLS]) % (s[SLOTS] + 1)
    m.call_ends[i][place] = now + m.clock[i][LATENCY]
    m.call_units[i][place] = units
    s[CALLS] += 1
    wake(m, i, now)


def wake(m: Machine, i: int, now: float) -> None:
    """Note when something next happens by itself; an idle node needs no ticks."""
    s, clock = m.state[i], m.clock[i]
    if s[TICKING] == 0:
        s[TICKING] = 1
        ticks = int(math.floor((now - clock[PHASE]) / COOL_DOWN_TICK_S)) + 1
        # The division may have rounded up to a tick that lies just ahead.
        if clock[PHASE] + (ticks - 1) * COOL_DOWN_TICK_S > now:
            ticks -= 1
        s[TICKS] = ticks
    due = clock[PHASE] + s[TICKS] * COOL_DOWN_TICK_S
    if s[CALLS] > 0:
        due = min(due, m.call_ends[i][s[CALL_HEAD]])
    clock[DUE] = due


def assign(m: Machine, i: int, holder: Any, pod: int, now: float) -> int:
    """Give a pod an address, or the reason why it gets none."""
    s = m.state[i]
    if holder[pod] >= 0:
        return ALREADY
    capacity = s[SLOTS] * s[SIZE]
    if s[USED] == capacity:
        return AT_CAPACITY
    blocked = s[USED] + s[COOLING]
    if blocked == capacity:
        return COOLING_DOWN
    if blocked + (s[PENDING_CREATE] + s[PENDING_DELETE]) * s[SIZE] == capacity:
        return CREATING
    if s[SIZE] > 1 and s[UNITS] == 0 and s[KNOWN_PREFIXES] == 0:
        return NO_CIDR
    if s[WARM] == 0:
        reconcile(m, i, now)
        return EMPTY
    unit = 0
    if s[SIZE] == 1:
        s[FREE_UNITS] -= 1
    else:
        unit = fullest(m, i)
        warm = m.warm[i]
        if warm[unit] == s[SIZE]:
            s[FREE_UNITS] -= 1
        warm[unit] -= 1
    holder[pod] = unit
    s[USED] += 1
    s[WARM] -= 1
    reconcile(m, i, now)
    return ASSIGNED


def fullest(m: Machine, i: int) -> int:
    """Find the prefix with the fewest warm addresses; ties go to the oldest."""
    s, warm, age = m.state[i], m.warm[i], m.age[i]
    best = s[BEST]
    # Taking from it keeps it the fullest; only a release can put another before it.
    if best >= 0 and warm[best] > 0:
        return int(best)
    best = -1
    for unit in range(s[SLOTS]):
        if warm[unit] > 0 and (
            best < 0
            or warm[unit] < warm[best]
            or (warm[unit] == warm[best] and age[unit] < age[best])
        ):
            best = unit
    s[BEST] = best
    return best


def free(m: Machine, i: int, holder: Any, pod: int, now: float) -> int:
    """Let a pod's address cool."""
    unit = holder[pod]
    if unit < 0:
        return NOT_FOUND
    s = m.state[i]
    holder[pod] = -1
    place = s[QUEUE_HEAD] + s[COOLING]
    capacity = s[SLOTS] * s[SIZE]
    if place >= capacity:
        place -= capacity
    m.freed_at[i][place] = now
    m.freed_unit[i][place] = unit
    s[USED] -= 1
    s[COOLING] += 1
    if s[TICKING] == 0:
        wake(m, i, now)
    reconcile(m, i, now)
    return ASSIGNED


def advance(m: Machine, i: int, until: float) -> None:
    """Let EC2 calls end and timers fire, in their order, up to a time."""
    s, clock = m.state[i], m.clock[i]
    while clock[DUE] <= until:
        now = clock[DUE]
        if s[CALLS] > 0 and m.call_ends[i][s[CALL_HEAD]] <= now:
            finish(m, i)
        else:
            release(m, i, now)
            reconcile(m, i, now)
            s[TICKS] += 1
            if s[COOLING] == 0 and s[CALLS] == 0:
                s[TICKING] = 0
        if s[TICKING] == 1:
            wake(m, i, now)
        else:
            clock[DUE] = math.inf


def finish(m: Machine, i: int) -> None:
    """End the oldest EC2 call; a success starts no reconcile."""
    s = m.state[i]
    units = m.call_units[i][s[CALL_HEAD]]
    s[CALL_HEAD] = (s[CALL_HEAD] + 1) % (s[SLOTS] + 1)
    s[CALLS] -= 1
    if units > 0:
        s[PENDING_CREATE] -= units
        attach(m, i, units)
    else:
        s[PENDING_DELETE] += units
        s[DELETED] -= units


def release(m: Machine, i: int, now: float) -> None:
    """Make warm again what has cooled long enough."""
    s = m.state[i]
    capacity = s[SLOTS] * s[SIZE]
    freed_at, freed_unit, warm = m.freed_at[i], m.freed_unit[i], m.warm[i]
    while s[COOLING] > 0 and freed_at[s[QUEUE_HEAD]] <= now - COOL_DOWN_S:
        unit = freed_unit[s[QUEUE_HEAD]]
        s[QUEUE_HEAD] += 1
        if s[QUEUE_HEAD] == capacity:
            s[QUEUE_HEAD] = 0
        s[COOLING] -= 1
        s[WARM] += 1
        if s[SIZE] == 1:
            s[FREE_UNITS] += 1
            continue
        warm[unit] += 1
        s[BEST] = -1
        if warm[unit] == s[SIZE]:
            s[FREE_UNITS] += 1


def replay(
    m: Machine,
    first: Any,
    seconds: Any,
    kinds: Any,
    pods: Any,
    holder: Any,
    outcomes: Any,
    rows: Any,
) -> None:
    """
    Run recorded events, one node after another.

    Parameters
    ----------
    m : Machine
        Nodes after their first reconcile.
    first : int64, nodes + 1
        Where the events of each node begin; the last one is their number.
    seconds, kinds, pods : one for each event
        Pods are counted from 0 over all nodes.
    holder : int64, one for each pod
        The unit a pod's address is of; -1 without one.
    outcomes : int8, one for each event
    rows : int64, column x event
        Filled: used, warm, cooling, addresses, prefixes, pending addresses to
        come and to go, then the four counts of EC2 calls.
    """
    for i in range(len(first) - 1):
        s = m.state[i]
        size = s[SIZE]
        for e in range(first[i], first[i + 1]):
            now = seconds[e]
            if m.clock[i][DUE] <= now:
                advance(m, i, now)
            kind = kinds[e]
            outcome = ASSIGNED
            if kind == ASSIGN:
                outcome = assign(m, i, holder, pods[e], now)
            elif kind == FREE:
                outcome = free(m, i, holder, pods[e], now)
            outcomes[e] = outcome
            rows[0, e] = s[USED]
            rows[1, e] = s[WARM]
            rows[2, e] = s[COOLING]
            rows[3, e] = s[UNITS] * size
            rows[4, e] = s[UNITS] if size > 1 else 0
            rows[5, e] = s[PENDING_CREATE] * size
            rows[6, e] = s[PENDING_DELETE] * size
            rows[7, e] = s[CREATE_CALLS]
            rows[8, e] = s[CREATED]
            rows[9, e] = s[DELETE_CALLS]
            rows[10, e] = s[DELETED]
