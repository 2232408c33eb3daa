"""Time in whole nanoseconds: no sum of steps drifts, and no time leaves the range."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eks_win_capacity import Fixed, Poisson, WarmPool, simulate_churn, simulate_nodes, simulate_pool
from eks_win_capacity.core.errors import InputError
from eks_win_capacity.simulator import clock, machine
from eks_win_capacity.simulator.arrivals import Pods
from eks_win_capacity.simulator.churn import _run

POOL = WarmPool.secondary()
WEEKS = 2**22
"""Up to here the float next to a decimal number is within half a nanosecond of it. [s]"""


@given(st.integers(0, WEEKS * clock.SECOND))
def test_a_time_that_was_written_in_seconds_comes_back(ns):
    seconds = float(Decimal(ns) / clock.SECOND)
    assert clock.nanoseconds(seconds) == ns
    assert clock.as_nanoseconds(np.array([seconds])).tolist() == [ns]


@given(st.floats(0, clock.MAX_SECONDS))
def test_columns_and_single_times_agree(seconds):
    assert clock.as_nanoseconds(np.array([seconds])).tolist() == [clock.nanoseconds(seconds)]


def test_missing_times_come_back_missing():
    assert np.array_equal(clock.as_seconds(np.array([-1, 1_500_000_000])), [np.nan, 1.5], True)


def test_a_pod_that_tries_each_600_ms_is_served_at_the_tick_itself():
    pool = WarmPool.secondary(warm_ip_target=1, minimum_ip_target=0)
    events = [(0, "subnet", 0), (0.0, "assign", "a"), (0.0, "assign", "b")]
    events += [(3000.0, "subnet", None), (3001, "tick")]
    frame = simulate_pool(events, slots=5, pool=pool, retries=True)
    tried = frame.loc[frame["kind"] == "retry", "seconds"].to_numpy()
    assert np.array_equal(tried, np.rint(tried / 0.6) * 3 / 5)
    assert 3000.0 in tried


@given(freed=st.integers(0, 10**13))
def test_an_address_is_released_at_the_first_tick_after_its_cool_down(freed):
    tick = machine._release_tick(freed)
    assert tick % machine.TICK_EVERY == 0
    assert tick - machine.COOL_DOWN >= freed > tick - machine.COOL_DOWN - machine.TICK_EVERY


@pytest.mark.parametrize("late", [1e300, 4_000_000_001, 10**400, float("inf"), "5", None, [1, 2]])
def test_times_that_cannot_be_are_refused(late):
    work = Poisson(pods_per_minute=1, lifetime=Fixed(60))
    calls = [
        lambda: simulate_pool([(late, "tick")], slots=9, pool=POOL),
        lambda: simulate_pool([], slots=9, pool=POOL, ec2_latency_s=late),
        lambda: simulate_churn(work, nodes=1, slots=9, pool=POOL, hours=late),
        lambda: simulate_churn(work, nodes=1, slots=9, pool=POOL, warm_up_hours=late),
        lambda: simulate_churn(work, nodes=1, slots=9, pool=POOL, sample_s=late),
        lambda: simulate_churn(work, nodes=1, slots=9, pool=POOL, ec2_latency_s=late),
    ]
    for call in calls:
        with pytest.raises(InputError):
            call()


def test_columns_of_late_times_are_refused():
    import pandas as pd

    table = pd.DataFrame({"node": "a", "seconds": [0.0, 1e300], "kind": "tick", "pod": None})
    with pytest.raises(InputError, match="event 1 is at 1e\\+300 s"):
        simulate_nodes(table, slots=9, pool=POOL)
    with pytest.raises(InputError, match="hours must be at most"):
        simulate_churn(
            Poisson(pods_per_minute=0, lifetime=1), nodes=1, slots=9, pool=POOL, hours=2e6
        )
    with pytest.raises(InputError, match="sample_s must leave"):
        simulate_churn(
            Poisson(pods_per_minute=0, lifetime=1), nodes=1, slots=9, pool=POOL, sample_s=1e-300
        )


def test_the_last_time_itself_runs():
    frame = simulate_pool(
        [(0, "assign", 1), (1, "free", 1), (clock.MAX_SECONDS, "tick")], slots=9, pool=POOL
    )
    assert frame["cooling"].tolist() == [0, 1, 0]


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_a_release_under_way_is_still_missing_in_the_subnet(engine):
    pool = WarmPool.secondary(warm_ip_target=1, minimum_ip_target=0)
    events = [(100, "assign", 1), (200, "free", 1), (235, "tick"), (241, "tick"), (300, "tick")]
    frame = simulate_pool(events, slots=9, pool=pool, ec2_latency_s=10, engine=engine)
    names = ["addresses", "pending_create", "pending_delete", "subnet_addresses"]
    assert frame[names].to_numpy().tolist() == [
        [1, 1, 0, 3],
        [2, 0, 0, 3],
        [2, 0, 0, 3],
        [1, 0, 1, 3],
        [1, 0, 0, 2],
    ]


def test_churn_tells_what_is_to_come_from_what_is_released():
    ran = simulate_churn(
        Poisson(pods_per_minute=10, lifetime=60),
        nodes=2,
        slots=9,
        pool=POOL,
        hours=1,
        sample_s=5,
        ec2_latency_s=10,
    ).over_time
    under_way = ran["pending_create"] + ran["pending_delete"]
    assert (ran["subnet_addresses"] == ran["addresses"] + under_way + 2).all()
    assert ran["pending_create"].any()
    assert ran["pending_delete"].any()


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_churn_serves_a_retry_at_the_moment_the_step_wise_form_does(engine):
    # One slot, and a node whose ticks are shifted: 20 s tries after a pod left at 10 s.
    none = np.full(2, -1)
    pods = Pods(np.array([0.0, 10.2]), np.array([10.0, np.inf]), np.zeros(2), none, none)
    ran = _run(
        pods,
        1,
        1,
        POOL,
        None,
        0,
        0.0,
        np.array([0.0, 200.0]),
        np.random.default_rng(0),
        engine,
    )
    assert (ran.started - ran.wanted).tolist()[1] % (20 * clock.SECOND) == 0
