"""Laws of the warm pools through time, in both forms."""

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity import (
    CapacityError,
    CronJob,
    Exponential,
    Poisson,
    RollingUpdate,
    WarmPool,
    best_targets,
    effective_concurrency,
    simulate_churn,
    simulate_nodes,
    simulate_pool,
)

_few = settings(max_examples=60, deadline=None)
_targets = st.integers(0, 40)
_pools = st.one_of(
    st.builds(
        lambda w, m: WarmPool.secondary(warm_ip_target=w, minimum_ip_target=m), _targets, _targets
    ),
    st.builds(
        lambda w, m, p: WarmPool.prefix(
            warm_ip_target=w, minimum_ip_target=m, warm_prefix_target=p
        ),
        _targets,
        _targets,
        st.integers(0, 5),
    ),
    st.builds(lambda p: WarmPool.prefix(warm_prefix_target=p), st.integers(1, 5)),
)
_steps = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, 1, 7.5, 29.9, 30, 30.1, 61]),
        st.sampled_from(["assign", "assign", "free", "tick"]),
        st.integers(0, 40),
    ),
    max_size=120,
)


def _events(steps):
    now, events = 0.0, []
    for step, kind, pod in steps:
        now += step
        events.append((now, kind) if kind == "tick" else (now, kind, pod))
    return events


@_few
@given(_pools, st.integers(1, 12), _steps, st.sampled_from([0.0, 0.5, 2.0, 45.0]))
def test_the_compiled_form_equals_the_readable_one(pool, slots, steps, latency):
    options = {"slots": slots, "pool": pool, "ec2_latency_s": latency}
    plain = simulate_pool(_events(steps), engine="reference", **options)
    fast = simulate_pool(_events(steps), engine="compiled", **options)
    assert plain.attrs == fast.attrs
    for name in plain:
        assert plain[name].tolist() == fast[name].tolist(), name


@_few
@given(_pools, st.integers(1, 12), _steps)
def test_addresses_are_conserved_and_whole_and_follow_the_closed_forms(pool, slots, steps):
    frame = simulate_pool(_events(steps), slots=slots, pool=pool, engine="reference")
    n, c, a = frame["used"], frame["cooling"], frame["addresses"]
    assert (n + frame["warm"] + c == a).all()
    size = 16 if pool.prefix_delegation else 1
    assert (a <= slots * size).all()
    assert (frame["created"] - frame["deleted"] == a // size).all()
    if not pool.prefix_delegation:
        target = (n + c + pool.warm_ip_target).clip(lower=pool.minimum_ip_target)
        settled = n + c < slots
        assert (a == target.clip(upper=slots))[settled].all()
    else:
        assert (a % 16 == 0).all()
        assert (frame["prefixes"] * 16 == a).all()


@_few
@given(_pools, st.integers(1, 6), _steps)
def test_no_address_serves_again_before_its_cool_down(pool, slots, steps):
    frame = simulate_pool(_events(steps), slots=slots, pool=pool, engine="reference")
    freed = []
    before = 0
    for row in frame.to_dict("records"):
        done = row["kind"] == "free" and row["outcome"] is None
        left = before + done - row["cooling"]
        for _ in range(left):
            assert row["seconds"] - freed.pop(0) >= 30
        # The freed address is the youngest, so what left the queue was freed earlier.
        if done:
            freed.append(row["seconds"])
        before = row["cooling"]


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([(5, "tick"), (4, "tick")], "backwards"),
        ([(-1, "tick")], "before the node"),
        ([(math.nan, "tick")], "finite"),
        ([(0, "grow", 1)], "kind"),
        ([(0, "assign")], "name a pod"),
        ([(0,)], "must be"),
        ("abc", "rows"),
    ],
)
def test_an_event_that_makes_no_sense_is_refused(events, message):
    with pytest.raises(CapacityError, match=message):
        simulate_pool(events, slots=3, pool=WarmPool.secondary())


def test_duplicates_and_strangers_get_the_controllers_own_outcome():
    events = [(0, "assign", "a"), (0, "assign", "a"), (1, "free", "a"), (1, "free", "a")]
    frame = simulate_pool(events, slots=3, pool=WarmPool.secondary())
    assert frame["outcome"].tolist() == [None, "ALREADY", None, "NOT_FOUND"]


def test_a_change_of_mode_leaves_old_pods_their_slots():
    events = [(0, "assign", k) for k in range(3)]
    events += [(1, "configmap", WarmPool.prefix(warm_prefix_target=14))]
    frame = simulate_pool(events, slots=14, pool=WarmPool.secondary())
    last = frame.iloc[-1]
    assert (last["advertised"], last["prefixes"], last["addresses"]) == (224, 11, 3 + 176)


def test_a_subnet_without_prefixes_costs_a_call_at_every_try():
    events = [(0, "assign", 1), (0.5, "tick"), (10, "free", 1)]
    frame = simulate_pool(events, slots=3, pool=WarmPool.prefix(), subnet_free=0, retries=True)
    assert set(frame["outcome"].dropna()) == {"EMPTY", "NOT_FOUND"}
    assert frame["create_calls"].iloc[-1] == 1 + 17


def test_a_pod_before_the_first_prefix_waits_two_minutes():
    events = [(0, "assign", 1), (300, "tick")]
    frame = simulate_pool(events, slots=3, pool=WarmPool.prefix(), ec2_latency_s=2, retries=True)
    assert frame["outcome"].tolist() == ["NO_CIDR", None, None]
    assert frame["seconds"].tolist() == [0, 120, 300]


_WORK = [
    Poisson(pods_per_minute=4, lifetime=Exponential(60)),
    CronJob(pods=20, every_s=600, lifetime=30),
    RollingUpdate(replicas=10, at_s=900, max_surge=2, ready_s=5),
]


def test_churn_is_the_same_in_both_forms_and_for_one_seed():
    options = {"nodes": 5, "slots": 9, "pool": WarmPool.prefix(), "hours": 0.5, "rng": 3}
    plain = simulate_churn(_WORK, engine="reference", **options)
    fast = simulate_churn(_WORK, engine="compiled", **options)
    assert plain.over_time.equals(fast.over_time)
    assert plain.waits.equals(fast.waits)


def test_a_rolling_update_keeps_its_replicas():
    work = RollingUpdate(replicas=10, at_s=600, max_surge=2, ready_s=5)
    ran = simulate_churn(work, nodes=3, slots=9, pool=WarmPool.secondary(), hours=1)
    assert ran.over_time["used"].iloc[-1] == 10
    assert ran.over_time["used"].between(10, 12).iloc[1:].all()
    assert len(ran.waits) == 20


def test_short_jobs_keep_far_fewer_than_all_addresses_busy():
    pool = WarmPool.secondary()
    busy = [effective_concurrency(9, pool, x) for x in (30, 60, 600, 6000)]
    assert busy == sorted(busy)
    assert 3 < busy[1] < 6
    assert 8.5 < busy[3] <= 9


def test_the_best_targets_meet_the_goal_at_the_least_waste():
    work = Poisson(pods_per_minute=60, lifetime=60)
    best = best_targets(work, nodes=10, slots=14, wait_s=1, hours=0.5, ec2_latency_s=2)
    good = best.curve[best.curve["meets_goal"]]
    assert best.pool is not None
    assert good["waste"].min() == good["waste"].iloc[0]
    never = best_targets(
        work, nodes=1, slots=2, wait_s=0, hours=0.5, candidates=[WarmPool.secondary()]
    )
    assert never.pool is None
    assert "no candidate" in never.reason


def test_the_search_for_targets_says_how_far_it_is():
    reports: list[tuple[int, int]] = []
    best_targets(
        Poisson(pods_per_minute=1, lifetime=60),
        nodes=1,
        slots=2,
        hours=0.1,
        candidates=[WarmPool.secondary()] * 3,
        progress=lambda done, total: reports.append((done, total)),
    )
    assert reports == [(0, 3), (1, 3), (2, 3)]


@_few
@given(_pools, st.lists(_steps, min_size=1, max_size=3))
def test_many_nodes_at_once_are_the_nodes_one_by_one(pool, nodes):
    lists = [_events(steps) for steps in nodes]
    rows = [(i, *(*event, None)[:3]) for i, events in enumerate(lists) for event in events]
    if not rows:
        return
    table = pd.DataFrame(rows, columns=["node", "seconds", "kind", "pod"])
    together = simulate_nodes(table.sort_values("seconds", kind="stable"), slots=5, pool=pool)
    for i, events in enumerate(lists):
        alone = simulate_pool(events, slots=5, pool=pool, engine="reference")
        mine = together[together["node"] == i]
        for name in ("used", "warm", "cooling", "addresses", "outcome", "deleted"):
            assert mine[name].tolist() == alone[name].tolist()


def test_a_pod_of_a_column_may_be_a_tuple():
    pods = [("blue", "a"), ("green", "a", "b"), ("blue", "a"), None]
    events = {"seconds": [0, 1, 2, 3], "kind": ["assign", "assign", "free", "tick"], "pod": pods}
    ran = simulate_pool(events, slots=9, pool=WarmPool.secondary())
    assert ran["used"].tolist() == [1, 2, 1, 1]
    assert ran["pod"].tolist() == pods


@pytest.mark.parametrize("nitro", ["no", None, 0])
def test_nitro_is_true_or_false(nitro):
    with pytest.raises(CapacityError, match="nitro must be True or False"):
        simulate_pool([(0, "tick")], slots=9, pool=WarmPool.secondary(), nitro=nitro)
