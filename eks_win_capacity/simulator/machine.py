"""
How do the warm pools of many nodes behave: as arrays, for millions of events.

These functions use only what numba can compile. Without numba they run as plain
Python, more slowly. The rules and their reasons are in
:mod:`eks_win_capacity.simulator.node`; both forms must agree on every trace.
"""

from __future__ import annotations

from inspect import isfunction
from typing import Any, Final, NamedTuple

import numpy as np

from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX
from eks_win_capacity.simulator.clock import (
    COOL_DOWN,
    NEVER,
    RETRY_COOLING,
    RETRY_NO_CIDR,
    RETRY_QUEUE_FIRST,
    RETRY_QUEUE_LAST,
    RETRY_SHORT,
    TICK_EVERY,
)

MOST_DOUBLINGS: Final = 30
"""Maximum number of doublings of the first delay: more would overflow int64."""

OUTCOMES: Final = (
    None, "ALREADY", "AT_CAPACITY", "COOLING", "CREATING", "NO_CIDR", "EMPTY", "NOT_FOUND",
)  # fmt: skip
ASSIGNED, ALREADY, AT_CAPACITY, COOLING_DOWN, CREATING, NO_CIDR, EMPTY, NOT_FOUND = range(8)
TICK, ASSIGN, FREE = range(3)

# Columns of `Machine.state`.
(
    SLOTS, SIZE, PREFIX_RULE, WARM_IP, MINIMUM_IP, WARM_PREFIX, USED, WARM, COOLING, UNITS,
    FREE_UNITS, BEST, CREATED_UNITS, KNOWN_PREFIXES, QUEUE_HEAD, CALLS, CALL_HEAD, PENDING_CREATE,
    PENDING_DELETE, TICKING, TICKS, CREATE_CALLS, CREATED, DELETE_CALLS, DELETED,
) = range(25)  # fmt: skip
_FIELDS: Final = 25

# Columns of `Machine.clock`: first tick, next tick or end of a call, duration of an EC2 call.
PHASE, DUE, LATENCY = range(3)


class Machine(NamedTuple):
    """
    Nodes as arrays, one row for each node.

    Attributes
    ----------
    state : int64, node x field
    clock : int64, node x {PHASE, DUE, LATENCY}. [ns]
    warm : int64, node x unit
        Warm addresses of each prefix; -1 for a slot without one.
    age : int64, node x unit
        Number of each prefix in order of creation.
    freed_at, freed_unit : int64, node x address
        Cool-down queue as a ring buffer.
    call_ends, call_units : int64, node x call
        EC2 calls in progress as a ring buffer.
    """

    state: Any
    clock: Any
    warm: Any
    age: Any
    freed_at: Any
    freed_unit: Any
    call_ends: Any
    call_units: Any


def build(slots: Any, size: Any, targets: Any, *, phase: Any, latency: int) -> Machine:
    """
    Nodes with `slots` of `size` addresses each, before their first reconcile.

    The targets are node x (prefix rule, warm-ip, minimum-ip, warm-prefix); `phase` is the time
    of the first tick of each node, and `latency` the duration of an EC2 call. [ns].
    """
    nodes, most = len(slots), int(slots.max())
    prefixes = most if (size > 1).any() else 1
    state = np.zeros((nodes, _FIELDS), dtype=np.int64)
    state[:, SLOTS], state[:, SIZE] = slots, size
    # In prefix mode, targets can be up to 10**6; negative ones act as missing.
    state[:, PREFIX_RULE : WARM_PREFIX + 1] = targets
    state[:, BEST] = -1
    clock = np.zeros((nodes, 3), dtype=np.int64)
    clock[:, PHASE], clock[:, DUE], clock[:, LATENCY] = phase, NEVER, latency
    room = int((slots * size).max())
    return Machine(
        state=state,
        clock=clock,
        warm=np.full((nodes, prefixes), -1, dtype=np.int64),
        age=np.zeros((nodes, prefixes), dtype=np.int64),
        freed_at=np.zeros((nodes, room), dtype=np.int64),
        freed_unit=np.zeros((nodes, room), dtype=np.int64),
        call_ends=np.zeros((nodes, most + 1), dtype=np.int64),
        call_units=np.zeros((nodes, most + 1), dtype=np.int64),
    )


def _prefixes(addresses: int) -> int:
    return -(-addresses // ADDRESSES_PER_PREFIX)


def reconcile(m: Machine, i: int, now: int) -> None:
    """Create or delete units until the deviation is 0, as far as slots and free units allow."""
    under_way = m.state[i, PENDING_CREATE] + m.state[i, PENDING_DELETE]
    if (
        m.state[i, USED] + m.state[i, COOLING] + under_way * m.state[i, SIZE]
        == m.state[i, SLOTS] * m.state[i, SIZE]
    ):
        return
    pending = m.state[i, PENDING_CREATE] * m.state[i, SIZE]
    total = m.state[i, USED] + m.state[i, COOLING] + m.state[i, WARM] + pending
    if m.state[i, SIZE] == 1:
        available = m.state[i, WARM] + pending
        short = max(m.state[i, WARM_IP] - available, m.state[i, MINIMUM_IP] - total, 0)
        over = max(min(available - m.state[i, WARM_IP], total - m.state[i, MINIMUM_IP]), 0)
        deviation = short - over
    elif m.state[i, PREFIX_RULE] == 1:
        deviation = m.state[i, WARM_PREFIX] - m.state[i, FREE_UNITS] - m.state[i, PENDING_CREATE]
    else:
        wanted = max(m.state[i, USED] + m.state[i, WARM_IP], m.state[i, MINIMUM_IP])
        deviation = _prefixes(wanted) - _prefixes(total)
    if deviation > 0:
        units = min(deviation, m.state[i, SLOTS] - m.state[i, UNITS] - under_way)
        if units > 0:
            m.state[i, CREATE_CALLS] += 1
            if m.clock[i, LATENCY] == 0:
                attach(m, i, units)
            else:
                m.state[i, PENDING_CREATE] += units
                call(m, i, units, now)
    elif deviation < 0:
        units = min(-deviation, m.state[i, FREE_UNITS])
        if units > 0:
            m.state[i, DELETE_CALLS] += 1
            detach(m, i, units)
            if m.clock[i, LATENCY] == 0:
                m.state[i, DELETED] += units
            else:
                m.state[i, PENDING_DELETE] += units
                call(m, i, -units, now)


def attach(m: Machine, i: int, units: int) -> None:
    """Add new units, with all their addresses warm."""
    m.state[i, KNOWN_PREFIXES] = 1
    m.state[i, CREATED] += units
    m.state[i, UNITS] += units
    m.state[i, WARM] += units * m.state[i, SIZE]
    m.state[i, FREE_UNITS] += units
    if m.state[i, SIZE] == 1:
        return
    unit = 0
    for _ in range(units):
        while m.warm[i, unit] >= 0:
            unit += 1
        m.warm[i, unit] = m.state[i, SIZE]
        m.age[i, unit] = m.state[i, CREATED_UNITS]
        m.state[i, CREATED_UNITS] += 1


def detach(m: Machine, i: int, units: int) -> None:
    """Remove the oldest free units."""
    m.state[i, UNITS] -= units
    m.state[i, WARM] -= units * m.state[i, SIZE]
    m.state[i, FREE_UNITS] -= units
    if m.state[i, SIZE] == 1:
        return
    m.state[i, BEST] = -1
    for _ in range(units):
        oldest = -1
        for unit in range(m.state[i, SLOTS]):
            if m.warm[i, unit] == m.state[i, SIZE] and (
                oldest < 0 or m.age[i, unit] < m.age[i, oldest]
            ):
                oldest = unit
        m.warm[i, oldest] = -1


def call(m: Machine, i: int, units: int, now: int) -> None:
    """Start an EC2 call that ends after the latency."""
    # At most one call for each slot is in progress, so the ring never overflows.
    tail = (m.state[i, CALL_HEAD] + m.state[i, CALLS]) % (m.state[i, SLOTS] + 1)
    m.call_ends[i, tail] = now + m.clock[i, LATENCY]
    m.call_units[i, tail] = units
    m.state[i, CALLS] += 1
    wake(m, i, now)


def wake(m: Machine, i: int, now: int) -> None:
    """Set the time of the next tick or end of a call; an idle node needs no ticks."""
    if m.state[i, TICKING] == 0:
        m.state[i, TICKING] = 1
        m.state[i, TICKS] = (now - m.clock[i, PHASE]) // TICK_EVERY + 1
    due = m.clock[i, PHASE] + m.state[i, TICKS] * TICK_EVERY
    if m.state[i, CALLS] > 0:
        due = min(due, m.call_ends[i, m.state[i, CALL_HEAD]])
    m.clock[i, DUE] = due


def assign(m: Machine, i: int, holder: Any, pod: int, now: int) -> int:
    """Assign an address to a pod; the outcome is the reason if there is none."""
    if holder[pod] >= 0:
        return ALREADY
    capacity = m.state[i, SLOTS] * m.state[i, SIZE]
    if m.state[i, USED] == capacity:
        return AT_CAPACITY
    blocked = m.state[i, USED] + m.state[i, COOLING]
    if blocked == capacity:
        return COOLING_DOWN
    if (
        blocked + (m.state[i, PENDING_CREATE] + m.state[i, PENDING_DELETE]) * m.state[i, SIZE]
        == capacity
    ):
        return CREATING
    if m.state[i, SIZE] > 1 and m.state[i, UNITS] == 0 and m.state[i, KNOWN_PREFIXES] == 0:
        return NO_CIDR
    if m.state[i, WARM] == 0:
        reconcile(m, i, now)
        return EMPTY
    unit = 0
    if m.state[i, SIZE] == 1:
        m.state[i, FREE_UNITS] -= 1
    else:
        unit = fullest(m, i)
        if m.warm[i, unit] == m.state[i, SIZE]:
            m.state[i, FREE_UNITS] -= 1
        m.warm[i, unit] -= 1
    holder[pod] = unit
    m.state[i, USED] += 1
    m.state[i, WARM] -= 1
    reconcile(m, i, now)
    return ASSIGNED


def fullest(m: Machine, i: int) -> int:
    """Prefix with the fewest warm addresses, but at least one; the oldest of equal ones."""
    best = m.state[i, BEST]
    # An assignment keeps it the fullest; only a release can make another one fuller.
    if best >= 0 and m.warm[i, best] > 0:
        return int(best)
    best = -1
    for unit in range(m.state[i, SLOTS]):
        if m.warm[i, unit] > 0 and (
            best < 0
            or m.warm[i, unit] < m.warm[i, best]
            or (m.warm[i, unit] == m.warm[i, best] and m.age[i, unit] < m.age[i, best])
        ):
            best = unit
    m.state[i, BEST] = best
    return best


def free(m: Machine, i: int, holder: Any, pod: int, now: int) -> int:
    """Free the address of a pod, which starts to cool down."""
    unit = holder[pod]
    if unit < 0:
        return NOT_FOUND
    holder[pod] = -1
    tail = m.state[i, QUEUE_HEAD] + m.state[i, COOLING]
    capacity = m.state[i, SLOTS] * m.state[i, SIZE]
    if tail >= capacity:
        tail -= capacity
    m.freed_at[i, tail] = now
    m.freed_unit[i, tail] = unit
    m.state[i, USED] -= 1
    m.state[i, COOLING] += 1
    if m.state[i, TICKING] == 0:
        wake(m, i, now)
    reconcile(m, i, now)
    return ASSIGNED


def advance(m: Machine, i: int, until: int) -> None:
    """Process the ends of EC2 calls and the ticks of a node, in order, up to a time."""
    while m.clock[i, DUE] <= until:
        now = m.clock[i, DUE]
        if m.state[i, CALLS] > 0 and m.call_ends[i, m.state[i, CALL_HEAD]] <= now:
            finish(m, i)
        else:
            release(m, i, now)
            reconcile(m, i, now)
            m.state[i, TICKS] += 1
            if m.state[i, COOLING] == 0 and m.state[i, CALLS] == 0:
                m.state[i, TICKING] = 0
        if m.state[i, TICKING] == 1:
            wake(m, i, now)
        else:
            m.clock[i, DUE] = NEVER


def finish(m: Machine, i: int) -> None:
    """End the oldest EC2 call; this does not trigger a reconcile."""
    units = m.call_units[i, m.state[i, CALL_HEAD]]
    m.state[i, CALL_HEAD] = (m.state[i, CALL_HEAD] + 1) % (m.state[i, SLOTS] + 1)
    m.state[i, CALLS] -= 1
    if units > 0:
        m.state[i, PENDING_CREATE] -= units
        attach(m, i, units)
    else:
        m.state[i, PENDING_DELETE] += units
        m.state[i, DELETED] -= units


def release(m: Machine, i: int, now: int) -> None:
    """Make the addresses warm that have cooled down."""
    capacity = m.state[i, SLOTS] * m.state[i, SIZE]
    while m.state[i, COOLING] > 0 and m.freed_at[i, m.state[i, QUEUE_HEAD]] <= now - COOL_DOWN:
        unit = m.freed_unit[i, m.state[i, QUEUE_HEAD]]
        m.state[i, QUEUE_HEAD] += 1
        if m.state[i, QUEUE_HEAD] == capacity:
            m.state[i, QUEUE_HEAD] = 0
        m.state[i, COOLING] -= 1
        m.state[i, WARM] += 1
        if m.state[i, SIZE] == 1:
            m.state[i, FREE_UNITS] += 1
            continue
        m.warm[i, unit] += 1
        m.state[i, BEST] = -1
        if m.warm[i, unit] == m.state[i, SIZE]:
            m.state[i, FREE_UNITS] += 1


def replay(  # noqa: PLR0917
    m: Machine, first: Any, times: Any, kinds: Any, pods: Any, holder: Any, outcomes: Any, rows: Any
) -> None:
    """
    Run recorded events, one node after another.

    Parameters
    ----------
    m : Machine
        Nodes after their first reconcile.
    first : int64, nodes + 1
        Index of the first event of each node; the last item is the number of events.
    times, kinds, pods : one for each event
        Times in nanoseconds; pods are counted from 0 over all nodes.
    holder : int64, one for each pod
        Unit of the address of each pod; -1 without an address.
    outcomes : int8, one for each event
    rows : int64, column x event
        Output: used, warm, cooling, addresses, prefixes, addresses pending creation and
        deletion, and the four counters of EC2 calls.
    """
    for i in range(len(first) - 1):
        size = m.state[i, SIZE]
        for e in range(first[i], first[i + 1]):
            now = times[e]
            if m.clock[i, DUE] <= now:
                advance(m, i, now)
            kind = kinds[e]
            outcome = ASSIGNED
            if kind == ASSIGN:
                outcome = assign(m, i, holder, pods[e], now)
            elif kind == FREE:
                outcome = free(m, i, holder, pods[e], now)
            outcomes[e] = outcome
            rows[0, e] = m.state[i, USED]
            rows[1, e] = m.state[i, WARM]
            rows[2, e] = m.state[i, COOLING]
            rows[3, e] = m.state[i, UNITS] * size
            rows[4, e] = m.state[i, UNITS] if size > 1 else 0
            rows[5, e] = m.state[i, PENDING_CREATE] * size
            rows[6, e] = m.state[i, PENDING_DELETE] * size
            rows[7, e] = m.state[i, CREATE_CALLS]
            rows[8, e] = m.state[i, CREATED]
            rows[9, e] = m.state[i, DELETE_CALLS]
            rows[10, e] = m.state[i, DELETED]


def replay_at_once(  # noqa: PLR0917
    m: Machine, first: Any, times: Any, kinds: Any, pods: Any, holder: Any, outcomes: Any, rows: Any
) -> None:
    """
    Run recorded events as :func:`replay` does, if EC2 calls end at once.

    The state of a node is in local variables, which is several times faster; without pending
    calls, only ticks that release addresses matter.
    """
    state, warm, age = m.state, m.warm, m.age
    freed_at, freed_unit = m.freed_at, m.freed_unit
    for i in range(len(first) - 1):
        slots, size, rule = state[i, SLOTS], state[i, SIZE], state[i, PREFIX_RULE]
        warm_ip, minimum_ip = state[i, WARM_IP], state[i, MINIMUM_IP]
        warm_prefix = state[i, WARM_PREFIX]
        # A node starts without pods: all addresses of its first reconcile are warm.
        used = cooling = head = 0
        ready, units, free_units = state[i, WARM], state[i, UNITS], state[i, FREE_UNITS]
        created_units = state[i, CREATED_UNITS]
        creates, created = state[i, CREATE_CALLS], state[i, CREATED]
        deletes = deleted = 0
        capacity, best, due = slots * size, -1, NEVER
        for e in range(first[i], first[i + 1]):
            now, kind = times[e], kinds[e]
            outcome = 0
            waits = True
            # One iteration for each tick that is due before the event, then one for the event.
            while waits:
                act = True
                if due <= now:
                    # A tick: the queue is in order of release, so due addresses are at its head.
                    while cooling > 0 and freed_at[i, head] <= due - COOL_DOWN:
                        unit = freed_unit[i, head]
                        head += 1
                        if head == capacity:
                            head = 0
                        cooling -= 1
                        ready += 1
                        if size == 1:
                            free_units += 1
                        else:
                            warm[i, unit] += 1
                            if warm[i, unit] == size:
                                free_units += 1
                    best = -1
                    # The next relevant tick is the first after the next address has cooled down.
                    due = NEVER
                    if cooling > 0:
                        due = _release_tick(freed_at[i, head])
                else:
                    waits = False
                    if kind == ASSIGN:
                        pod = pods[e]
                        # As `assign`: full and cooling nodes differ, and neither reconciles.
                        if holder[pod] >= 0:
                            outcome, act = ALREADY, False
                        elif used == capacity:
                            outcome, act = AT_CAPACITY, False
                        elif used + cooling == capacity:
                            outcome, act = COOLING_DOWN, False
                        elif ready == 0:
                            outcome = EMPTY
                        else:
                            unit = 0
                            if size == 1:
                                free_units -= 1
                            else:
                                # The fullest prefix is used first, the oldest of equal ones.
                                if best < 0 or warm[i, best] == 0:
                                    best = -1
                                    for other in range(slots):
                                        if warm[i, other] > 0 and (
                                            best < 0
                                            or warm[i, other] < warm[i, best]
                                            or (
                                                warm[i, other] == warm[i, best]
                                                and age[i, other] < age[i, best]
                                            )
                                        ):
                                            best = other
                                unit = best
                                if warm[i, unit] == size:
                                    free_units -= 1
                                warm[i, unit] -= 1
                            holder[pod] = unit
                            used += 1
                            ready -= 1
                    elif kind == FREE:
                        pod = pods[e]
                        unit = holder[pod]
                        if unit < 0:
                            outcome, act = NOT_FOUND, False
                        else:
                            holder[pod] = -1
                            # The queue is a ring buffer with one item for each address.
                            tail = head + cooling
                            if tail >= capacity:
                                tail -= capacity
                            freed_at[i, tail] = now
                            freed_unit[i, tail] = unit
                            if cooling == 0:
                                due = _release_tick(now)
                            used -= 1
                            cooling += 1
                    else:
                        act = False
                # As in `reconcile`, which skips nodes with all addresses used or cooling.
                if not act or used + cooling == capacity:
                    continue
                if size == 1:
                    # Secondary mode: both targets must be met; only the excess over both goes.
                    short = max(warm_ip - ready, minimum_ip - used - cooling - ready, 0)
                    over = min(ready - warm_ip, used + cooling + ready - minimum_ip)
                    deviation = short - max(over, 0)
                elif rule == 1:
                    # Prefix target: prefixes without a pod or a cooling address count.
                    deviation = warm_prefix - free_units
                else:
                    wanted = max(used + warm_ip, minimum_ip)
                    # Attached prefixes are whole, so `units` needs no rounding.
                    deviation = (wanted + 15) // 16 - units
                if deviation > 0:
                    # At most the free slots; each prefix gets the first free index.
                    count = min(deviation, slots - units)
                    if count > 0:
                        creates += 1
                        created += count
                        units += count
                        ready += count * size
                        free_units += count
                        if size > 1:
                            unit = 0
                            for _ in range(count):
                                while warm[i, unit] >= 0:
                                    unit += 1
                                warm[i, unit] = size
                                age[i, unit] = created_units
                                created_units += 1
                elif deviation < 0:
                    # Only completely free units are deleted, the oldest prefixes first.
                    count = min(-deviation, free_units)
                    if count > 0:
                        deletes += 1
                        deleted += count
                        units -= count
                        ready -= count * size
                        free_units -= count
                        if size > 1:
                            best = -1
                            for _ in range(count):
                                oldest = -1
                                for other in range(slots):
                                    if warm[i, other] == size and (
                                        oldest < 0 or age[i, other] < age[i, oldest]
                                    ):
                                        oldest = other
                                warm[i, oldest] = -1
            outcomes[e] = outcome
            rows[0, e] = used
            rows[1, e] = ready
            rows[2, e] = cooling
            rows[3, e] = units * size
            rows[4, e] = units if size > 1 else 0
            rows[5, e] = 0
            rows[6, e] = 0
            rows[7, e] = creates
            rows[8, e] = created
            rows[9, e] = deletes
            rows[10, e] = deleted


def _release_tick(freed_at: int) -> int:
    """First tick at which an address has cooled down. [ns]."""
    return -(-(freed_at + COOL_DOWN) // TICK_EVERY) * TICK_EVERY


DEPART, RETRY, READY = range(3)


def push(times: Any, codes: Any, size: int, time: int, code: int) -> None:
    """Add an event to the heap; events at the same time are in order of code."""
    position = size
    while position > 0:
        parent = (position - 1) // 2
        if times[parent] < time or (times[parent] == time and codes[parent] <= code):
            break
        times[position], codes[position] = times[parent], codes[parent]
        position = parent
    times[position], codes[position] = time, code


def pop(times: Any, codes: Any, size: int) -> None:
    """Remove the first event from the heap, which has `size` events before."""
    last = size - 1
    time, code = times[last], codes[last]
    position = 0
    while True:
        child = 2 * position + 1
        if child >= last:
            break
        if child + 1 < last and (
            times[child + 1] < times[child]
            or (times[child + 1] == times[child] and codes[child + 1] < codes[child])
        ):
            child += 1
        if time < times[child] or (time == times[child] and code <= codes[child]):
            break
        times[position], codes[position] = times[child], codes[child]
        position = child
    times[position], codes[position] = time, code


def choose(bound: Any, room: int, wish: int, placement: int) -> int:
    """Node with room: placement 0 the first from `wish` on, 1 emptiest, 2 fullest; -1 if none."""
    nodes = len(bound)
    chosen = -1
    for step in range(nodes):
        node = wish + step
        if node >= nodes:
            node -= nodes
        if bound[node] >= room:
            continue
        if placement == 0:
            return node
        if (
            chosen < 0
            or (placement == 1 and bound[node] < bound[chosen])
            or (placement == 2 and bound[node] > bound[chosen])
        ):
            chosen = node
    return chosen


def holding(m: Machine, i: int) -> int:
    """Addresses that a node takes from the subnet, without its own."""
    units = m.state[i, UNITS] + m.state[i, PENDING_CREATE] + m.state[i, PENDING_DELETE]
    return units * m.state[i, SIZE]  # type: ignore[no-any-return]


def churn(  # noqa: PLR0917
    m: Machine,
    room: int,
    placement: int,
    arrivals: Any,
    lifetimes: Any,
    wishes: Any,
    ready_s: Any,
    ends: Any,
    follows: Any,
    samples: Any,
    seen: Any,
    rows: Any,
    skip: int,
    peaks: Any,
) -> None:
    """
    Simulate pods that arrive, wait, run and end on many nodes.

    Parameters
    ----------
    m : Machine
    room : int
        Maximum number of pods that the scheduler places on a node.
    placement : int
        As in :func:`choose`.
    arrivals, lifetimes, wishes, ready_s : one for each pod
        Pods in order of arrival; those started by other pods are last, at `NEVER`. [ns]
    ends, follows : int64, one for each pod
        The pod that ends, and the one that starts, when this one is ready; -1 for none.
    samples : int64
        Times of the samples. [ns]
    seen : int64, 5 x pod
        Output: the node; the times when the pod was wanted, placed and started; and the unit
        of its address; -1 before it happens. [ns]
    rows : int64, column x sample
        Output: used, warm, cooling, addresses, prefixes, pods waiting for an address, pods
        waiting for a node, warm addresses in prefixes in use, addresses pending creation,
        create calls, delete calls, addresses pending deletion. Events at the time of a sample
        are included.
    skip : float
        Peaks before this time are ignored. [ns]
    peaks : int64
        Output: the maximum of addresses used, and of addresses attached or pending, at any
        time, including between samples.
    """
    pods, nodes = len(arrivals), len(m.state)
    node_of, wanted_at, placed_at = seen[0], seen[1], seen[2]
    started_at, holder = seen[3], seen[4]
    holdings = np.zeros(nodes, dtype=np.int64)
    now_used = now_held = turn = lap = 0
    for i in range(nodes):
        holdings[i] = holding(m, i)
        now_held += holdings[i]
    # Every node ticks each `TICK_EVERY` with its own phase, so the order is always the same.
    by_phase = np.argsort(m.clock[:, PHASE])
    phases = m.clock[by_phase, PHASE]
    ticks = phases[0]
    bound = np.zeros(nodes, dtype=np.int64)
    gone = np.zeros(pods, dtype=np.bool_)
    failures = np.zeros(pods, dtype=np.int64)
    # Heap of events; the code is 3 * pod + DEPART, RETRY or READY.
    times = np.zeros(3 * pods + 8, dtype=np.int64)
    codes = np.zeros(3 * pods + 8, dtype=np.int64)
    # First-in, first-out queue of pods for which no node has room.
    queue = np.zeros(pods + 1, dtype=np.int64)
    size = head = tail = coming = look = 0
    while True:
        arrives = arrivals[coming] if coming < pods else NEVER
        happens = times[0] if size > 0 else NEVER
        looks = samples[look] if look < len(samples) else NEVER
        # At equal times, arrivals come first, then events of the heap, and samples last.
        now = min(arrives, happens)
        moment = min(looks, now)
        # Ticks visit the nodes in a fixed order, which is fast and keeps the total of addresses
        # up to date.
        while ticks <= moment < NEVER:
            i = by_phase[turn]
            if m.clock[i, DUE] <= moment:
                advance(m, i, moment)
                holds = holding(m, i)
                now_held += holds - holdings[i]
                holdings[i] = holds
            turn += 1
            if turn == nodes:
                turn = 0
                lap += 1
            ticks = phases[turn] + lap * TICK_EVERY
        if looks < now or moment == NEVER:
            if looks == NEVER:
                break
            # A sample: sums over all nodes at this moment.
            for i in range(nodes):
                advance(m, i, looks)
                units = m.state[i, UNITS]
                each = m.state[i, SIZE]
                rows[0, look] += m.state[i, USED]
                rows[1, look] += m.state[i, WARM]
                rows[2, look] += m.state[i, COOLING]
                rows[3, look] += units * each
                rows[4, look] += units if each > 1 else 0
                rows[5, look] += bound[i] - m.state[i, USED]
                rows[7, look] += m.state[i, WARM] - m.state[i, FREE_UNITS] * each
                rows[8, look] += m.state[i, PENDING_CREATE] * each
                rows[11, look] += m.state[i, PENDING_DELETE] * each
                rows[9, look] += m.state[i, CREATE_CALLS]
                rows[10, look] += m.state[i, DELETE_CALLS]
            rows[6, look] = tail - head
            look += 1
            continue
        if look >= len(samples):
            break
        new = tries = node = -1
        if arrives <= happens:
            new = coming
            coming += 1
        else:
            code = codes[0]
            pop(times, codes, size)
            size -= 1
            pod = code // 3
            if code % 3 == DEPART and not gone[pod]:
                gone[pod] = True
                node = node_of[pod]
                if node >= 0:
                    advance(m, node, now)
                    if free(m, node, holder, pod, now) == ASSIGNED:
                        now_used -= 1
                    bound[node] -= 1
                    # The longest-waiting pod that still exists is placed on the node.
                    while head < tail and gone[queue[head]]:
                        head += 1
                    if head < tail:
                        tries = queue[head]
                        head += 1
                        node_of[tries] = node
                        placed_at[tries] = now
                        bound[node] += 1
            elif code % 3 == RETRY and not gone[pod]:
                tries = pod
            elif code % 3 == READY:
                # A rolling update: this pod is ready, so an old one ends and a new one starts.
                if ends[pod] >= 0:
                    push(times, codes, size, now, 3 * ends[pod] + DEPART)
                    size += 1
                new = follows[pod]
        if new >= 0:
            wanted_at[new] = now
            # The scheduler counts pods, so a node may accept a pod that gets no address.
            node = choose(bound, room, wishes[new], placement)
            if node < 0:
                queue[tail] = new
                tail += 1
            else:
                node_of[new] = node
                placed_at[new] = now
                bound[node] += 1
                tries = new
        if tries >= 0:
            node = node_of[tries]
            advance(m, node, now)
            # A pod without an address tries again after the delay of the controller.
            outcome = assign(m, node, holder, tries, now)
            if outcome == ASSIGNED:
                started_at[tries] = now
                now_used += 1
                if lifetimes[tries] < NEVER:
                    push(times, codes, size, now + lifetimes[tries], 3 * tries + DEPART)
                    size += 1
                if ends[tries] >= 0 or follows[tries] >= 0:
                    push(times, codes, size, now + ready_s[tries], 3 * tries + READY)
                    size += 1
            else:
                delay = RETRY_SHORT
                if outcome == COOLING_DOWN:
                    delay = RETRY_COOLING
                elif outcome == NO_CIDR:
                    delay = RETRY_NO_CIDR
                elif outcome == AT_CAPACITY:
                    doublings = min(failures[tries], MOST_DOUBLINGS)
                    delay = min(RETRY_QUEUE_FIRST << doublings, RETRY_QUEUE_LAST)
                    failures[tries] += 1
                push(times, codes, size, now + delay, 3 * tries + RETRY)
                size += 1
        if node < 0:
            continue
        # Peaks are updated at every event, so that none between samples is missed.
        holds = holding(m, node)
        now_held += holds - holdings[node]
        holdings[node] = holds
        if now < skip:
            continue
        peaks[0] = max(peaks[0], now_used)
        if now_held > peaks[1] and m.clock[node, LATENCY] > 0:
            # Calls on other nodes may have ended since, so advance all before the peak counts.
            now_held = 0
            for i in range(nodes):
                advance(m, i, now)
                holdings[i] = holding(m, i)
                now_held += holdings[i]
        peaks[1] = max(peaks[1], now_held)


PARTS: Final = tuple(
    part for part in list(globals().values()) if isfunction(part) and part.__module__ == __name__
)
"""All functions, for the compiler, because they call each other."""
