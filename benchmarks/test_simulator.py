"""
Events of warm pools: the compiled form, the readable one, and a day of a fleet.

Pods come and go by chance near three quarters of the capacity. The forms are
compared before they are timed; the rows of the table are events.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import eks_win_capacity as ewc
from eks_win_capacity.simulator import engine
from eks_win_capacity.simulator.clock import as_nanoseconds
from eks_win_capacity.simulator.replay import machine_of

POOLS = {"secondary": ewc.WarmPool.secondary(), "prefix": ewc.WarmPool.prefix()}
KINDS = np.array(["tick", "assign", "free"], dtype=object)


def churned(count: int, *, gap_s: float, capacity: int, seed: int = 1) -> pd.DataFrame:
    """Draw a trace."""
    rng = np.random.default_rng(seed)
    kinds, pods = np.empty(count, np.int8), np.empty(count, np.int64)
    live, spare = [], list(range(capacity))
    draws, picks = rng.random(count), rng.random(count)
    for event in range(count):
        if not live or (spare and draws[event] < 1.25 - len(live) / capacity):
            kinds[event], pods[event] = 1, spare.pop()
            live.append(pods[event])
        else:
            position = int(picks[event] * len(live))
            live[position], live[-1] = live[-1], live[position]
            kinds[event], pods[event] = 2, live.pop()
            spare.append(pods[event])
    seconds = np.cumsum(rng.exponential(gap_s, count))
    return pd.DataFrame({"seconds": seconds, "kind": KINDS[kinds], "pod": pods})


def kernel(table: pd.DataFrame, slots: int, pool: ewc.WarmPool):
    """Give the compiled form alone: arrays in, arrays out."""
    run, count = engine.compiled("replay_at_once"), len(table)
    rows, outcomes = np.empty((11, count), np.int64), np.empty(count, np.int8)
    times, pods = as_nanoseconds(table["seconds"].to_numpy()), table["pod"].to_numpy()
    kinds = pd.Categorical(table["kind"], categories=list(KINDS)).codes
    first, room = np.array([0, count]), np.array([slots])

    def go():
        holder = np.full(int(pods.max()) + 1, -1)
        run(machine_of(room, [pool], 0.0), first, times, kinds, pods, holder, outcomes, rows)
        return rows

    return go


@pytest.fixture
def small(request):
    return bool(request.config.getoption("benchmark_disable"))


@pytest.mark.parametrize("gap_s", [0.5, 60.0])
@pytest.mark.parametrize(("mode", "slots"), [("secondary", 9), ("prefix", 9), ("prefix", 63)])
def test_one_node(compare, small, mode, slots, gap_s):
    pool, count = POOLS[mode], 1_000 if small else 1_000_000
    capacity = slots * (16 if pool.prefix_delegation else 1)
    table = churned(count, gap_s=gap_s, capacity=capacity)
    bare = kernel(table, slots, pool)
    frame = ewc.simulate_pool(table, slots=slots, pool=pool, engine="compiled")
    assert np.array_equal(bare()[:5].T, frame.iloc[:, 3:8])
    compare(
        f"{mode}, {slots} slots, an event each {gap_s:g} s",
        count,
        {
            "ours": lambda: ewc.simulate_pool(table, slots=slots, pool=pool, engine="compiled"),
            "ours, arrays only": bare,
        },
    )


@pytest.mark.parametrize("mode", POOLS)
def test_the_readable_form(compare, small, mode):
    pool, count = POOLS[mode], 1_000 if small else 50_000
    table = churned(count, gap_s=0.5, capacity=9 * (16 if pool.prefix_delegation else 1))
    ways = {
        way: lambda engine=engine: ewc.simulate_pool(table, slots=9, pool=pool, engine=engine)
        for way, engine in {"ours": "compiled", "the readable form": "reference"}.items()
    }
    assert ways["ours"]().equals(ways["the readable form"]())
    compare(f"{mode}, 9 slots, both forms", count, ways, most=5)


def test_a_day_of_many_nodes(compare, small):
    nodes, pool = 10 if small else 1_000, POOLS["secondary"]
    day = churned(1_440, gap_s=60.0, capacity=9)
    table = pd.concat([day.assign(node=node) for node in range(nodes)], ignore_index=True)
    compare(
        f"{nodes:,} nodes x 24 h, an event a minute on each",
        len(table),
        {"ours": lambda: ewc.simulate_nodes(table, slots=9, pool=pool, engine="compiled")},
        most=5,
    )


def test_a_day_of_churn(compare, small):
    nodes, pool = 10 if small else 1_000, POOLS["prefix"]
    work = ewc.Poisson(pods_per_minute=nodes / 2, lifetime=ewc.Exponential(600))
    ran = ewc.simulate_churn(work, nodes=nodes, slots=9, pool=pool, engine="compiled")
    compare(
        f"{nodes:,} nodes x 24 h, pods by chance, a row a pod",
        len(ran.waits),
        {
            "ours": lambda: ewc.simulate_churn(
                work, nodes=nodes, slots=9, pool=pool, engine="compiled"
            )
        },
        most=3,
    )
