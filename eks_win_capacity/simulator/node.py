"""
How do the warm pools of one node behave: the reference implementation.

Every rule of the controller is here once, in plain Python. The compiled form in
:mod:`eks_win_capacity.simulator.machine` must agree with it on every trace.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

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
    nanoseconds,
)

if TYPE_CHECKING:
    from collections.abc import Hashable

    from eks_win_capacity.addresses.warm_pool import WarmPool

RETRY_AFTER: Final = {
    "COOLING": RETRY_COOLING,
    "CREATING": RETRY_SHORT,
    "EMPTY": RETRY_SHORT,
    "NO_CIDR": RETRY_NO_CIDR,
}
"""Delay before the next try after each outcome; AT_CAPACITY backs off instead. [ns]"""


@dataclass
class Calls:
    """EC2 calls so far, and the addresses or prefixes they attached and released."""

    create_calls: int = 0
    created: int = 0
    delete_calls: int = 0
    deleted: int = 0


@dataclass
class Pool:
    """
    Pool of one mode; a unit is an address, or a /28.

    Attributes
    ----------
    size : int
        Addresses in a unit: 1 or 16.
    units : dict
        Warm addresses of each attached unit, oldest unit first.
    cooling : deque
        When each cooling address was freed [ns], and its unit, in that order.
    pending : deque
        When each EC2 call in progress ends [ns], and its units: created, or negative if deleted.
    """

    slots: int
    size: int
    warm_ip: int = 0
    minimum_ip: int = 0
    warm_prefix: int = 0
    prefix_rule: bool = False
    known_prefixes: bool = False
    subnet_free: float | None = None
    units: dict[int, int] = field(default_factory=dict)
    pods: dict[Hashable, int] = field(default_factory=dict)
    cooling: deque[tuple[int, int]] = field(default_factory=deque)
    pending: deque[tuple[int, int]] = field(default_factory=deque)

    @property
    def capacity(self) -> int:
        """Maximum number of addresses of all slots."""
        return self.slots * self.size

    @property
    def warm(self) -> int:
        """Addresses ready for a pod."""
        return sum(self.units.values())

    @property
    def free_units(self) -> list[int]:
        """Units without a used or cooling address, oldest first."""
        return [unit for unit, warm in self.units.items() if warm == self.size]

    @property
    def pending_create(self) -> int:
        """Units that calls in progress create."""
        return sum(units for _, units in self.pending if units > 0)

    @property
    def pending_delete(self) -> int:
        """Units that calls in progress delete."""
        return -sum(units for _, units in self.pending if units < 0)

    @property
    def held_units(self) -> int:
        """Slots of the interface that are occupied, or pending creation or deletion."""
        return len(self.units) + self.pending_create + self.pending_delete

    @property
    def blocked(self) -> int:
        """Addresses that a new pod cannot get: used, cooling or pending."""
        under_way = self.pending_create + self.pending_delete
        return len(self.pods) + len(self.cooling) + under_way * self.size

    def aim(self, pool: WarmPool | None) -> None:
        """Set the targets; without a pool they are 0, so that the units drain."""
        self.warm_ip = pool.warm_ip_target if pool else 0
        self.minimum_ip = pool.minimum_ip_target if pool else 0
        self.warm_prefix = pool.warm_prefix_target if pool else 0
        self.prefix_rule = pool.prefix_rule if pool else False

    def deviation(self) -> int:
        """Units to create, or, if negative, to delete."""
        used, pending = len(self.pods), self.pending_create * self.size
        total = used + len(self.cooling) + self.warm + pending
        if self.size == 1:
            # Cooling addresses are in the total but not available.
            available = self.warm + pending
            short = max(self.warm_ip - available, self.minimum_ip - total, 0)
            over = max(min(available - self.warm_ip, total - self.minimum_ip), 0)
            return short - over
        if self.prefix_rule:
            return self.warm_prefix - len(self.free_units) - _prefixes(pending)
        wanted = max(used + self.warm_ip, self.minimum_ip)
        return _prefixes(wanted) - _prefixes(total)

    def refusal(self, pod: Hashable) -> str | None:
        """Reason why a pod gets no address, in the controller's order of checks; else None."""
        used, cooling = len(self.pods), len(self.cooling)
        if pod in self.pods:
            return "ALREADY"
        if used == self.capacity:
            return "AT_CAPACITY"
        if used + cooling == self.capacity:
            return "COOLING"
        if self.blocked == self.capacity:
            return "CREATING"
        if self.size > 1 and not self.units and not self.known_prefixes:
            return "NO_CIDR"
        return None if self.warm else "EMPTY"

    def take(self, pod: Hashable) -> None:
        """Assign an address of the unit with the fewest warm ones; the oldest of equal units."""
        unit = min((unit for unit, warm in self.units.items() if warm), key=self.units.__getitem__)
        self.units[unit] -= 1
        self.pods[pod] = unit


def _prefixes(addresses: int) -> int:
    return -(-addresses // ADDRESSES_PER_PREFIX)


class SimulatedNode:
    """
    One node over time: two pools, one of them active, and the EC2 calls.

    `pool` is the mode and targets at the start; an EC2 call takes `ec2_latency_s` [s]; the
    subnet has `subnet_free` free units for the active mode, by default without a limit.
    """

    def __init__(
        self,
        slots: int,
        pool: WarmPool,
        *,
        ec2_latency_s: float = 0.0,
        subnet_free: int | None = None,
    ) -> None:
        self.slots = slots
        self.latency = nanoseconds(ec2_latency_s)
        self.calls = Calls()
        self.now = 0
        self._ticks = 1
        self._next_unit = 0
        self.secondary = Pool(slots=slots, size=1)
        self.prefix = Pool(slots=slots, size=ADDRESSES_PER_PREFIX)
        self.active = self._pool_of(pool)
        self.active.subnet_free = subnet_free
        self.configure(pool)

    def _pool_of(self, pool: WarmPool) -> Pool:
        return self.prefix if pool.prefix_delegation else self.secondary

    @property
    def pools(self) -> tuple[Pool, Pool]:
        """Both pools, the draining one first, because the other may use the slots it releases."""
        idle = self.secondary if self.active is self.prefix else self.prefix
        return idle, self.active

    def state(self) -> dict[str, int]:
        """Counts of both pools together, by column."""
        return {
            "used": sum(len(pool.pods) for pool in self.pools),
            "warm": sum(pool.warm for pool in self.pools),
            "cooling": sum(len(pool.cooling) for pool in self.pools),
            "addresses": sum(len(pool.units) * pool.size for pool in self.pools),
            "prefixes": len(self.prefix.units),
            "pending_create": sum(pool.pending_create * pool.size for pool in self.pools),
            "pending_delete": sum(pool.pending_delete * pool.size for pool in self.pools),
            "advertised": self.active.capacity,
            **vars(self.calls),
        }

    def configure(self, pool: WarmPool) -> None:
        """Apply mode and targets of a ConfigMap; the pool of the other mode drains."""
        self.active = self._pool_of(pool)
        idle, active = self.pools
        idle.aim(None)
        active.aim(pool)
        self._reconcile(idle)
        self._reconcile(active)

    def drain(self) -> None:
        """Drain the active pool too."""
        self.active.aim(None)
        self._reconcile(self.active)

    def assign(self, pod: Hashable) -> str | None:
        """Assign an address to a pod; None if it got one, else the reason."""
        if any(pod in pool.pods for pool in self.pools):
            return "ALREADY"
        why = self.active.refusal(pod)
        if why is None:
            self.active.take(pod)
        if why in {None, "EMPTY"}:
            self._reconcile(self.active)
        return why

    def free(self, pod: Hashable) -> str | None:
        """Free the address of a pod, which starts to cool down; the reason if there is none."""
        for pool in self.pools:
            if pod in pool.pods:
                pool.cooling.append((self.now, pool.pods.pop(pod)))
                self._reconcile(pool)
                return None
        return "NOT_FOUND"

    def advance(self, until: int) -> None:
        """Process the ends of EC2 calls and the ticks, in order, up to a time. [ns]."""
        while True:
            ends = min((pool.pending[0][0] for pool in self.pools if pool.pending), default=NEVER)
            tick = self._ticks * TICK_EVERY
            if min(ends, tick) > until:
                break
            self.now = min(ends, tick)
            if ends <= tick:
                self._finish(ends)
            else:
                self._tick(until)
        self.now = until

    def _tick(self, until: int) -> None:
        """Release cooled addresses, reconcile, and skip ticks that change nothing."""
        before = self.state()
        for pool in self.pools:
            while pool.cooling and pool.cooling[0][0] <= self.now - COOL_DOWN:
                _, unit = pool.cooling.popleft()
                pool.units[unit] += 1
            self._reconcile(pool)
        self._ticks += 1
        after = self.state()
        failed = self.calls.create_calls - before["create_calls"]
        quiet = not any(pool.cooling or pool.pending for pool in self.pools)
        if quiet and {**before, "create_calls": 0} == {**after, "create_calls": 0}:
            # Only failing calls are repeated, at each tick.
            leapt = max(until // TICK_EVERY - self._ticks + 1, 0)
            self._ticks += leapt
            self.calls.create_calls += failed * leapt

    def _reconcile(self, pool: Pool) -> None:
        if pool.blocked == pool.capacity:
            return
        deviation = pool.deviation()
        if deviation > 0:
            self._create(pool, min(deviation, self.slots - pool.held_units))
        elif deviation < 0:
            self._delete(pool, pool.free_units[:-deviation])

    def _create(self, pool: Pool, units: int) -> None:
        # Slots that the draining pool still occupies are not available.
        units = min(units, self.slots - sum(pool.held_units for pool in self.pools))
        if units > 0:
            self.calls.create_calls += 1
            self._start(pool, units)

    def _delete(self, pool: Pool, units: list[int]) -> None:
        if units:
            self.calls.delete_calls += 1
            for unit in units:
                del pool.units[unit]
            self._start(pool, -len(units))

    def _start(self, pool: Pool, units: int) -> None:
        pool.pending.append((self.now + self.latency, units))
        if self.latency == 0:
            self._finish(self.now)

    def _finish(self, now: int) -> None:
        """End the EC2 calls that are due; this does not trigger a reconcile."""
        for pool in self.pools:
            while pool.pending and pool.pending[0][0] <= now:
                _, units = pool.pending.popleft()
                if units > 0:
                    self._attach(pool, units)
                else:
                    self.calls.deleted -= units
                    if pool.subnet_free is not None:
                        pool.subnet_free -= units

    def _attach(self, pool: Pool, units: int) -> None:
        # The controller takes any answer of EC2 as "the subnet has prefixes", because it looks
        # for the error code in the wrong place.
        pool.known_prefixes = True
        if pool.subnet_free is not None:
            if units > pool.subnet_free:
                return
            pool.subnet_free -= units
        self.calls.created += units
        for _ in range(units):
            pool.units[self._next_unit] = pool.size
            self._next_unit += 1


@dataclass
class Retries:
    """Pods waiting for an address, with the time of their next try."""

    queue: list[tuple[int, int, Hashable]] = field(default_factory=list)
    since: dict[Hashable, int] = field(default_factory=dict)
    backed_off: dict[Hashable, int] = field(default_factory=dict)
    _turn: int = 0

    def note(self, pod: Hashable, outcome: str | None, now: int) -> None:
        """Queue a pod without an address for its next try; forget it if it got one."""
        if outcome in {None, "ALREADY"}:
            self.forget(pod)
            return
        self.since.setdefault(pod, now)
        if outcome == "AT_CAPACITY":
            failures = self.backed_off.get(pod, 0)
            self.backed_off[pod] = failures + 1
            delay = min(RETRY_QUEUE_FIRST << min(failures, 60), RETRY_QUEUE_LAST)
        else:
            self.backed_off.pop(pod, None)
            delay = RETRY_AFTER[str(outcome)]
        self._turn += 1
        heapq.heappush(self.queue, (now + delay, self._turn, pod))

    def forget(self, pod: Hashable) -> None:
        """Remove a pod that has an address or has ended."""
        if self.since.pop(pod, None) is not None:
            self.backed_off.pop(pod, None)
            self.queue = [entry for entry in self.queue if entry[2] != pod]
            heapq.heapify(self.queue)

    def due(self, until: int) -> tuple[int, Hashable] | None:
        """Remove and return the next try up to a time; None if there is none."""
        if not self.queue or self.queue[0][0] > until:
            return None
        now, _, pod = heapq.heappop(self.queue)
        return now, pod
