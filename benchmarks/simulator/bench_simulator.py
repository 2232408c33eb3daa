"""
Events per second of the warm-pool simulator, engines side by side.

    python benchmarks/simulator/bench_simulator.py
"""

import time

import numpy as np
import pandas as pd

from eks_win_capacity import WarmPool, simulate_nodes, simulate_pool
from eks_win_capacity.simulator import engine
from eks_win_capacity.simulator.pool import _machine

POOLS = {"secondary": WarmPool.secondary(), "prefix": WarmPool.prefix()}


def trace(count, *, gap_s, capacity, seed=1):
    """Pods that come and go by chance, near three quarters of the capacity."""
    rng = np.random.default_rng(seed)
    seconds = np.cumsum(rng.exponential(gap_s, count))
    kinds, pods = np.empty(count, np.int8), np.empty(count, np.int64)
    live, spare = [], list(range(capacity))
    draws, picks = rng.random(count), rng.random(count)
    for event in range(count):
        if not live or (spare and draws[event] < 1.25 - len(live) / capacity):
            kinds[event], pods[event] = 1, spare.pop()
            live.append(pods[event])
        else:
            place = int(picks[event] * len(live))
            live[place], live[-1] = live[-1], live[place]
            kinds[event], pods[event] = 2, live.pop()
            spare.append(pods[event])
    return seconds, kinds, pods


def best(function, repeats=5):
    took = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        took.append(time.perf_counter() - start)
    return min(took)


def bench_engines():
    names = np.array(["tick", "assign", "free"], dtype=object)
    for mode, pool in POOLS.items():
        for slots, gap in ((9, 0.5), (9, 60.0), (63, 0.5)):
            count = 1_000_000
            seconds, kinds, pods = trace(
                count, gap_s=gap, capacity=slots * (16 if pool.prefix_delegation else 1)
            )
            table = pd.DataFrame({"seconds": seconds, "kind": names[kinds], "pod": pods})
            few = table.head(20_000)
            simulate_pool(few, slots=slots, pool=pool, engine="compiled")
            run = engine.compiled("replay_at_once")
            rows, outcomes = np.empty((11, count), np.int64), np.empty(count, np.int8)

            def kernel():
                holder = np.full(int(pods.max()) + 1, -1)
                machine = _machine(np.array([slots]), [pool], 0.0)
                run(machine, np.array([0, count]), seconds, kinds, pods, holder, outcomes, rows)

            kernel()
            inner = count / best(kernel) / 1e6
            whole = (
                count
                / best(lambda: simulate_pool(table, slots=slots, pool=pool, engine="compiled"))
                / 1e6
            )
            plain = (
                len(few)
                / best(lambda: simulate_pool(few, slots=slots, pool=pool, engine="reference"), 2)
                / 1e6
            )
            print(
                f"{mode:9} {slots:2} slots, an event each {gap:4} s: compiled {inner:5.1f}, "
                f"table to table {whole:5.1f}, readable {plain:6.3f} million events/s"
            )


def bench_fleet():
    names = np.array(["tick", "assign", "free"], dtype=object)
    seconds, kinds, pods = trace(1440, gap_s=60.0, capacity=9)
    table = pd.concat(
        pd.DataFrame({"node": node, "seconds": seconds, "kind": names[kinds], "pod": pods})
        for node in range(1_000)
    )
    took = best(lambda: simulate_nodes(table, slots=9, pool=POOLS["secondary"]), 3)
    print(f"1,000 nodes x 24 h, {len(table):,} events, table to table: {took:.2f} s")


if __name__ == "__main__":
    bench_engines()
    bench_fleet()
