"""Pods that come and go: lifetimes, days, placement, updates, engines, the command."""

import csv
import io
import json
import math
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from click.testing import CliRunner

from eks_win_capacity import (
    CronJob,
    Empirical,
    Exponential,
    Fixed,
    LogNormal,
    Poisson,
    RollingUpdate,
    WarmPool,
    best_targets,
    effective_concurrency,
    simulate_churn,
    simulate_nodes,
    simulate_pool,
)
from eks_win_capacity.cli import app
from eks_win_capacity.core.errors import CapacityError, InputError, MissingExtraError
from eks_win_capacity.simulator import engine, machine

_POOL = WarmPool.secondary()
_DAY = {"nodes": 3, "slots": 9, "pool": _POOL}


# -- lifetimes ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("lifetime", "mean"),
    [
        (Fixed(90), 90),
        (Exponential(90), 90),
        (LogNormal(90, sigma=0.7), 90 * math.exp(0.7**2 / 2)),
        (LogNormal(90, sigma=0), 90),
        (Empirical([30, 60, 60, 210]), 90),
    ],
)
def test_lifetimes_have_the_mean_that_their_law_says(lifetime, mean):
    drawn = lifetime.draw(np.random.default_rng(5), 40_000)
    assert drawn.shape == (40_000,)
    assert drawn.min() > 0
    assert drawn.mean() == pytest.approx(mean, rel=0.03)


def test_a_lognormal_lifetime_has_its_median_and_spread():
    logs = np.log(LogNormal(120, sigma=0.5).draw(np.random.default_rng(5), 40_000))
    assert np.median(logs) == pytest.approx(math.log(120), abs=0.02)
    assert logs.std() == pytest.approx(0.5, rel=0.03)


def test_empirical_lifetimes_are_measured_ones_in_their_shares():
    drawn = Empirical([30, 60, 60, 210]).draw(np.random.default_rng(5), 40_000)
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [30, 60, 210]
    assert counts / 40_000 == pytest.approx([0.25, 0.5, 0.25], abs=0.01)


@pytest.mark.parametrize("mean", [60.0, 300.0])
def test_pods_that_never_wait_follow_littles_law(mean):
    """Running pods are rate x lifetime, whatever the law of the lifetime."""
    for lifetime in (mean, Exponential(mean), Empirical([mean / 2, mean * 1.5])):
        ran = simulate_churn(
            Poisson(pods_per_minute=6, lifetime=lifetime),
            nodes=20,
            slots=14,
            pool=WarmPool.secondary(warm_ip_target=14, minimum_ip_target=0),
            hours=12,
            warm_up_hours=1,
            rng=2,
        )
        used = ran.over_time.query("seconds >= 3600")["used"].mean()
        assert used == pytest.approx(6 * mean / 60, rel=0.1)
        assert ran.waits["wait_s"].max() == 0


def test_concurrency_of_a_mixture_lies_between_its_parts():
    short, mixed, long = (
        effective_concurrency(9, _POOL, x) for x in (20, Empirical([20, 200]), 200)
    )
    assert short < mixed < long
    assert effective_concurrency(9, _POOL, LogNormal(60, 0)) == pytest.approx(
        effective_concurrency(9, _POOL, Fixed(60)), rel=0.05
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: Fixed(0).draw(np.random.default_rng(), 1),
        lambda: Exponential(math.nan).draw(np.random.default_rng(), 1),
        lambda: LogNormal(60, -1).draw(np.random.default_rng(), 1),
        lambda: Empirical([]).draw(np.random.default_rng(), 1),
        lambda: Empirical([5, 0]).draw(np.random.default_rng(), 1),
        lambda: simulate_churn(Poisson(pods_per_minute=-1, lifetime=5), **_DAY),
        lambda: simulate_churn(Poisson(pods_per_minute=1, lifetime="5"), **_DAY),
        lambda: simulate_churn(Poisson(pods_per_minute=1, lifetime=5, hourly=[1] * 23), **_DAY),
        lambda: simulate_churn(Poisson(pods_per_minute=1, lifetime=5, hourly=[0] * 24), **_DAY),
        lambda: simulate_churn(CronJob(pods=0, every_s=60, lifetime=5), **_DAY),
        lambda: simulate_churn(CronJob(pods=1, every_s=0, lifetime=5), **_DAY),
        lambda: simulate_churn(RollingUpdate(replicas=1, at_s=0, max_surge=0), **_DAY),
        lambda: simulate_churn([], **_DAY),
        lambda: simulate_churn("x", **_DAY),
        lambda: simulate_churn(["x"], **_DAY),
        lambda: simulate_churn([], **{**_DAY, "pool": None}),
        lambda: simulate_churn(Poisson(pods_per_minute=1, lifetime=5), **_DAY, placement="x"),
        lambda: simulate_churn(Poisson(pods_per_minute=1, lifetime=5), **_DAY, hours=0),
        lambda: simulate_churn(Poisson(pods_per_minute=1, lifetime=5), **_DAY, hours=math.inf),
        lambda: simulate_churn(Poisson(pods_per_minute=1, lifetime=5), **_DAY, hours="5"),
        lambda: simulate_churn(Poisson(pods_per_minute=1, lifetime=5), **_DAY, engine="fast"),
        lambda: simulate_churn(Poisson(pods_per_minute=1, lifetime=5), **_DAY, pods_per_node=0),
        lambda: simulate_churn(Poisson(pods_per_minute=1, lifetime=5), **{**_DAY, "nodes": 0}),
        lambda: best_targets(
            Poisson(pods_per_minute=1, lifetime=5), nodes=1, slots=9, wait_s=1, quantile=2
        ),
        lambda: best_targets(
            Poisson(pods_per_minute=1, lifetime=5), nodes=1, slots=9, wait_s=1, candidates=[]
        ),
        lambda: simulate_nodes([], slots=9, pool=_POOL),
        lambda: simulate_nodes(
            pd.DataFrame({"node": [], "seconds": [], "kind": [], "pod": []}), slots=9, pool=_POOL
        ),
        lambda: simulate_nodes(
            pd.DataFrame({"node": [1], "seconds": [0], "kind": ["drain"], "pod": [None]}),
            slots=9,
            pool=_POOL,
        ),
        lambda: simulate_pool([], slots=9, pool=_POOL, engine="compiled", retries=True),
    ],
)
def test_what_makes_no_sense_is_refused(make):
    with pytest.raises(CapacityError):
        make()


# -- when pods come -----------------------------------------------------------


def test_an_hourly_pattern_places_the_pods_of_a_day():
    hourly = [0.0] * 24
    hourly[8], hourly[20] = 3.0, 1.0
    work = Poisson(pods_per_minute=1, lifetime=30, hourly=hourly)
    arrived = simulate_churn(work, **_DAY, hours=48, rng=4).waits["arrived_s"]
    hours = (arrived // 3600 % 24).value_counts()
    assert set(hours.index) == {8, 20}
    assert hours[8] / hours[20] == pytest.approx(3, rel=0.15)
    assert len(arrived) == pytest.approx(2 * 24 * 60, rel=0.1)


def test_a_cron_job_comes_in_bursts():
    ran = simulate_churn(CronJob(pods=5, every_s=600, lifetime=30, first_s=60), **_DAY, hours=1)
    assert ran.waits["arrived_s"].tolist() == [60 + 600 * k for k in range(6) for _ in range(5)]


def test_samples_end_with_the_time_asked_for():
    ran = simulate_churn(
        CronJob(pods=1, every_s=600, lifetime=30), **_DAY, hours=0.42, sample_s=100
    )
    assert ran.over_time["seconds"].tolist() == [*range(0, 1501, 100), 0.42 * 3600]


def test_packing_takes_fewer_prefixes_than_spreading():
    work = CronJob(pods=8, every_s=1e6, lifetime=1e6)
    attached = {}
    for placement in ("pack", "random", "spread"):
        ran = simulate_churn(
            work,
            nodes=8,
            slots=9,
            pool=WarmPool.secondary(warm_ip_target=3),
            hours=0.1,
            placement=placement,
            rng=3,
        )
        assert ran.over_time["used"].iloc[-1] == 8
        attached[placement] = ran.over_time["addresses"].iloc[-1]
    # Spread, each node holds 1 + 3; packed, one holds all its 9 slots and the others 3.
    assert attached["spread"] == 8 * 4
    assert attached["pack"] == 9 + 7 * 3
    assert attached["pack"] <= attached["random"] <= attached["spread"]


def test_the_scheduler_places_no_more_than_it_may():
    work = CronJob(pods=10, every_s=1e6, lifetime=1e6)
    ran = simulate_churn(work, **_DAY, hours=0.1, pods_per_node=2)
    last = ran.over_time.iloc[-1]
    assert (last["used"], last["waiting_for_node"], ran.never_started) == (6, 4, 4)


# -- rolling updates ----------------------------------------------------------


def test_an_updates_pod_waits_from_when_it_is_wanted():
    """Two jobs fill the node; the second new pod is wanted while the first job's pods queue."""
    work = [
        RollingUpdate(replicas=2, at_s=600),
        CronJob(pods=3, every_s=1e6, first_s=590, lifetime=120),
        CronJob(pods=3, every_s=1e6, first_s=605, lifetime=120),
    ]
    for form in ("reference", "compiled"):
        ran = simulate_churn(work, nodes=1, slots=3, pool=_POOL, hours=2, engine=form, sample_s=10)
        update = ran.waits[~ran.waits["arrived_s"].isin([0, 590, 605])]
        assert update["arrived_s"].iloc[0] == 600
        assert len(update) == 2
        assert (update["wait_for_node_s"] > 60).all()
        assert (update["wait_s"] >= update["wait_for_node_s"]).all()


def test_an_update_without_room_for_its_surge_never_starts():
    ran = simulate_churn(RollingUpdate(replicas=3, at_s=600), nodes=1, slots=3, pool=_POOL, hours=1)
    assert ran.never_started == 1
    assert ran.waits["arrived_s"].tolist() == [0, 0, 0, 600]
    assert ran.over_time["waiting_for_node"].iloc[-1] == 1


def test_an_update_in_place_waits_for_the_cool_down():
    work = RollingUpdate(replicas=3, at_s=600, max_surge=0, max_unavailable=1)
    ran = simulate_churn(work, nodes=1, slots=3, pool=_POOL, hours=1, sample_s=1)
    new = ran.waits[ran.waits["arrived_s"] >= 600]
    assert len(new) == 3
    # 30 to 60 s until the address is warm, found by a try every 20 s.
    assert new["wait_s"].between(30, 80).all()
    assert ran.over_time["used"].between(2, 3).iloc[1:].all()


# -- engines ------------------------------------------------------------------


@pytest.fixture
def without_numba(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "numba"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numba", None)


def test_without_numba_only_the_compiled_engine_is_missing(without_numba):
    events = [(0, "assign", 1)]
    table = pd.DataFrame({"node": [0], "seconds": [0.0], "kind": ["assign"], "pod": [1]})
    work = CronJob(pods=1, every_s=60, lifetime=30)
    for run in (
        lambda **x: simulate_pool(events, slots=9, pool=_POOL, **x),
        lambda **x: simulate_nodes(table, slots=9, pool=_POOL, **x),
        lambda **x: simulate_churn(work, **_DAY, hours=0.1, **x),
        lambda **x: effective_concurrency(2, _POOL, 60, **x),
    ):
        with pytest.raises(MissingExtraError, match=r"eks-win-capacity\[simulate\]"):
            run(engine="compiled")
        run(engine="auto")
        run(engine="reference")


def test_without_numba_a_long_trace_runs_in_the_readable_form(without_numba):
    table = pd.DataFrame({"seconds": np.arange(20_001.0), "kind": "tick", "pod": None})
    assert len(simulate_pool(table, slots=9, pool=_POOL)) == 20_001


def test_many_events_are_compiled_by_themselves_and_agree():
    rng = np.random.default_rng(8)
    table = pd.DataFrame(
        {
            "node": 0,
            "seconds": np.sort(rng.uniform(0, 50_000, 25_000)),
            "kind": rng.choice(["assign", "free"], 25_000),
            "pod": rng.integers(0, 120, 25_000),
        }
    )
    pool = WarmPool.prefix()
    plain = simulate_pool(table, slots=9, pool=pool, engine="reference")
    assert simulate_pool(table, slots=9, pool=pool).equals(plain)
    together = simulate_nodes(table, slots=9, pool=pool).drop(columns="node")
    assert together.equals(plain)


@pytest.mark.parametrize("library", [pl.DataFrame, dict])
def test_events_of_nodes_come_from_any_table(library):
    columns = {
        "node": ["a", "b", "a"],
        "seconds": [0, 0, 5],
        "kind": ["assign", "assign", "free"],
        "pod": ["x", "x", "x"],
    }
    plain = simulate_nodes(pd.DataFrame(columns), slots=9, pool=_POOL)
    given = simulate_nodes(library(columns), slots=9, pool=_POOL)
    pd.testing.assert_frame_equal(given, plain, check_dtype=False)
    for wrong in ({**columns, "pod": ["x"]}, {**columns, "seconds": [0, None, 5]}, columns["node"]):
        with pytest.raises(CapacityError):
            simulate_nodes(wrong, slots=9, pool=_POOL)


def test_an_install_that_cannot_be_written_compiles_without_a_cache(monkeypatch):
    from numba.core.caching import _CacheLocator

    def refuse(locator):
        raise OSError("read-only file system")

    monkeypatch.setattr(_CacheLocator, "ensure_cache_path", refuse)
    run = engine._compiled.__wrapped__("replay_at_once")
    monkeypatch.setattr(engine, "compiled", lambda entry: run)
    frame = simulate_pool([(0, "assign", 1)], slots=9, pool=_POOL, engine="compiled")
    assert frame["addresses"].tolist() == [4]


def test_every_part_that_an_entry_calls_is_given_to_the_compiler():
    assert {part.__name__ for part in machine.PARTS} >= {"reconcile", "assign", "free", "advance"}


# -- the command line ---------------------------------------------------------

_COMMAND = ["simulate", "--nodes", "100", "--slots", "9", "--hours", "0.5", "--seed", "7"]
_WORK = ["--rate-per-minute", "40", "--lifetime", "60"]


def test_the_simulate_command_runs_many_nodes():
    result = CliRunner().invoke(app, [*_COMMAND, *_WORK, "-o", "json"], catch_exceptions=False)
    rows = json.loads(result.stdout)["rows"]
    assert [row["quantile"] for row in rows] == [0.5, 0.9, 0.95, 0.99, 1.0]
    ran = simulate_churn(
        Poisson(pods_per_minute=40, lifetime=60), nodes=100, slots=9, pool=_POOL, hours=0.5, rng=7
    )
    assert [row["subnet_addresses"] for row in rows] == pytest.approx(
        ran.quantiles["subnet_addresses"].tolist()
    )
    table = list(
        csv.DictReader(
            io.StringIO(CliRunner().invoke(app, [*_COMMAND, *_WORK, "-o", "csv"]).stdout)
        )
    )
    assert [float(row["used"]) for row in table] == [row["used"] for row in rows]
    shown = CliRunner().invoke(app, [*_COMMAND, *_WORK])
    assert "100 nodes" in shown.stdout
    assert "0 pods still waited at the end" in shown.stdout
    other = CliRunner().invoke(app, [*_COMMAND[:-1], "8", *_WORK, "-o", "json"])
    assert json.loads(other.stdout)["rows"] != rows


@pytest.mark.parametrize(("show", "count"), [("over-time", 31), ("waits", 1221)])
def test_the_simulate_command_shows_each_minute_and_each_wait(show, count):
    result = CliRunner().invoke(app, [*_COMMAND, *_WORK, "--show", show, "-o", "json"])
    rows = json.loads(result.stdout)["rows"]
    assert len(rows) == pytest.approx(count, rel=0.1)


@pytest.mark.parametrize("lifetime", ["60", "fixed:60", "exponential:60", "lognormal:60:0.5"])
def test_the_simulate_command_takes_every_lifetime(lifetime):
    arguments = [*_COMMAND, "--rate-per-minute", "9", "--lifetime", lifetime, "-o", "json"]
    assert CliRunner().invoke(app, arguments).exit_code == 0


@pytest.mark.parametrize(
    "lifetime", ["", "x", "weibull:5", "fixed:1:2", "lognormal:1:2:3", "-5", "nan"]
)
def test_the_simulate_command_refuses_other_lifetimes(lifetime):
    arguments = [*_COMMAND, "--rate-per-minute", "9", f"--lifetime={lifetime}"]
    ran = CliRunner().invoke(app, arguments)
    assert isinstance(ran.exception, InputError)


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", "--slots", "9"],
        ["simulate", "-", "--slots", "9", "--nodes", "2"],
        ["simulate", "-", "--slots", "9", "--seed", "2"],
        ["simulate", "--slots", "9", "--nodes", "2"],
        ["simulate", "--slots", "9", "--nodes", "2", "--rate-per-minute", "1"],
        [*_COMMAND, *_WORK, "--retries"],
    ],
)
def test_the_simulate_command_takes_events_or_nodes(arguments):
    assert CliRunner().invoke(app, arguments, input="").exit_code == 2


@pytest.mark.parametrize("latency", [0.0, 2.0])
@pytest.mark.parametrize(
    "pool", [WarmPool.secondary(), WarmPool.prefix()], ids=["secondary", "prefix"]
)
def test_a_burst_between_two_samples_is_in_the_last_quantile(pool, latency):
    work = [
        CronJob(pods=60, every_s=600, lifetime=20, first_s=7),
        Poisson(pods_per_minute=3, lifetime=40),
    ]
    columns = ["used", "addresses", "prefixes", "subnet_addresses"]
    slots = 2 if pool.prefix_delegation else 9
    settings = {"nodes": 5, "slots": slots, "pool": pool, "hours": 1, "warm_up_hours": 0.2}
    coarse, fine = (
        simulate_churn(work, **settings, sample_s=step, ec2_latency_s=latency)
        for step in (600, 0.25)
    )
    assert coarse.over_time["used"].max() < 20
    peak = fine.over_time[fine.over_time["seconds"] >= 720][columns].max()
    assert coarse.quantiles.loc[1.0, columns].tolist() == peak.tolist()
    assert peak["used"] >= 40


@pytest.mark.parametrize("form", ["reference", "compiled"])
def test_a_sample_holds_what_happens_at_its_moment(form):
    work = CronJob(pods=5, every_s=600, lifetime=30)
    ran = simulate_churn(work, nodes=1, slots=9, pool=_POOL, hours=1, engine=form)
    used = ran.over_time.set_index("seconds")["used"]
    assert used[[0, 60, 600, 660, 3000]].tolist() == [5, 0, 5, 0, 5]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rng": "a"}, "rng must be a seed"),
        ({"rng": -1}, "rng must be a seed"),
        ({"rng": True}, "rng must be a seed"),
        ({"warm_up_hours": 1}, "warm_up_hours must be below hours"),
        ({"workload": Poisson(pods_per_minute=1e9, lifetime=5)}, "about 60,000,000,000 pods"),
        ({"workload": CronJob(pods=10**9, every_s=60, lifetime=5)}, "simulate fewer hours"),
    ],
)
def test_what_makes_no_sense_is_said(changed, message):
    settings = {"workload": Poisson(pods_per_minute=1, lifetime=5), "hours": 1} | changed
    with pytest.raises(InputError, match=message):
        simulate_churn(settings.pop("workload"), nodes=1, slots=9, pool=_POOL, **settings)


def test_a_goal_that_none_meets_is_told_in_words():
    flood = Poisson(pods_per_minute=300, lifetime=90)
    settings = {"nodes": 1, "slots": 3, "hours": 0.2, "candidates": [_POOL]}
    never = best_targets(flood, wait_s=0, quantile=0.999, **settings)
    assert never.pool is None
    assert never.reason == (
        "no candidate keeps 99.9% of the waits within 0 s; with each of them more pods than that "
        "never start"
    )
    late = best_targets(flood, wait_s=0, quantile=0.01, **settings)
    assert "1% of the" in late.reason


@pytest.mark.parametrize(
    ("shares", "counts"),
    [
        (("25%", 0), (3, 0)),
        (("25%", "25%"), (3, 2)),
        ((0, "5%"), (0, 1)),
        (("100%", "0%"), (10, 0)),
        ((2, "30%"), (2, 3)),
    ],
)
def test_shares_of_an_update_round_as_kubernetes_does(shares, counts):
    ran = [
        simulate_churn(
            RollingUpdate(replicas=10, at_s=600, max_surge=surge, max_unavailable=unavailable),
            nodes=4,
            slots=9,
            pool=_POOL,
            hours=1,
            sample_s=1,
        ).over_time
        for surge, unavailable in (shares, counts)
    ]
    assert ran[0].equals(ran[1])


@pytest.mark.parametrize("share", ["25", "a%", "-5%", "1000%", "25 %", "0%"])
def test_what_is_no_share_is_said(share):
    update = RollingUpdate(replicas=4, at_s=60, max_surge=share)
    with pytest.raises(InputError, match="max_surge"):
        simulate_churn(update, nodes=1, slots=9, pool=_POOL, hours=0.1)


def test_pools_to_compare_are_candidates():
    work, pool = Poisson(pods_per_minute=1, lifetime=60), WarmPool.secondary()
    with pytest.raises(InputError, match="give them as candidates"):
        best_targets(work, nodes=1, slots=2, pool=pool)
    with pytest.raises(InputError, match="prefix_delegation must be True or False; got 'x'"):
        best_targets(work, nodes=1, slots=2, prefix_delegation="x")  # type: ignore[arg-type]
