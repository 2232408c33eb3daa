"""When a subnet runs dry: laws first, then known answers, then every kind of history."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity import forecast_exhaustion
from eks_win_capacity.core.errors import (
    CapacityError,
    InputError,
    InvalidCountError,
    MissingValueError,
    TooLittleHistoryError,
    UnsupportedInputError,
)
from eks_win_capacity.forecast.history_parts import surges
from eks_win_capacity.forecast.learning import SINCE, short_view, since_bend
from eks_win_capacity.forecast.smoothing import Filtered

START = "2026-01-05"


def days(values, start=START, **options):
    return pd.Series(
        np.asarray(values, dtype=float), index=pd.date_range(start, periods=len(values), **options)
    )


def usage(seed, count=120, *, slope=1.0, noise=5.0, week=20.0, base=300.0):
    rng = np.random.default_rng(seed)
    at = np.arange(count)
    return days(
        np.maximum(base + slope * at + week * (at % 7 < 5) + rng.normal(0, noise, count), 0)
    )


histories = st.builds(
    usage,
    st.integers(0, 10_000),
    st.sampled_from([30, 60, 120]),
    slope=st.floats(-1, 3),
    noise=st.floats(0.5, 30),
    week=st.floats(0, 60),
)
few = settings(max_examples=15, deadline=None)


# -- laws ---------------------------------------------------------------------


@few
@given(histories, st.floats(1.01, 2), st.floats(1.0, 1.5), st.sampled_from([0.1, 0.5, 0.9]))
def test_more_capacity_never_brings_the_date_forward(history, room, more, quantile):
    capacity = history.max() * room
    small = forecast_exhaustion(history, capacity=capacity, horizon=60)
    large = forecast_exhaustion(history, capacity=capacity * more, horizon=60)
    assert small.days_left(quantile) <= large.days_left(quantile)


@few
@given(histories, st.sampled_from([2.0, 3.0, 0.5, 10.0]))
def test_scaling_counts_scales_the_path(history, factor):
    capacity = history.max() * 1.2
    plain = forecast_exhaustion(history, capacity=capacity, horizon=40)
    scaled = forecast_exhaustion(history * factor, capacity=capacity * factor, horizon=40)
    for column in ("median", "lower_80", "upper_95", "demand"):
        np.testing.assert_allclose(
            scaled.path[column], plain.path[column] * factor, rtol=2e-3, atol=1e-3 * factor
        )


@few
@given(histories, st.integers(1, 900))
def test_shifting_time_shifts_the_date(history, by):
    capacity = history.max() * 1.1
    plain = forecast_exhaustion(history, capacity=capacity, horizon=60)
    later = history.copy()
    later.index = later.index + pd.Timedelta(days=by)
    moved = forecast_exhaustion(later, capacity=capacity, horizon=60)
    assert moved.days_left() == plain.days_left()
    if not pd.isna(plain.date()):
        assert moved.date() == plain.date() + pd.Timedelta(days=by)


@few
@given(histories, st.floats(0.9, 1.5))
def test_quantiles_never_cross_and_stay_within_the_subnet(history, room):
    capacity = history.max() * room
    path = forecast_exhaustion(history, capacity=capacity, horizon=50).path
    order = ["lower_95", "lower_80", "median", "upper_80", "upper_95"]
    assert (np.diff(path[order].to_numpy(), axis=1) >= 0).all()
    assert path[order].to_numpy().min() >= 0
    assert path[order].to_numpy().max() <= capacity
    assert (path["probability"].diff().dropna() >= 0).all()
    assert path["probability"].between(0, 1).all()


@few
@given(histories)
def test_later_dates_go_with_higher_quantiles(history):
    forecast = forecast_exhaustion(history, capacity=history.max() * 1.1, horizon=60)
    left = [forecast.days_left(q) for q in (0.025, 0.1, 0.5, 0.9, 0.975)]
    assert left == sorted(left)


def test_the_same_seed_and_input_give_the_same_forecast():
    history = usage(1)
    one = forecast_exhaustion(history, capacity=600, seed=7)
    two = forecast_exhaustion(history, capacity=600, seed=7)
    pd.testing.assert_frame_equal(one.path, two.path)
    other = forecast_exhaustion(history, capacity=600, seed=8)
    assert not one.path.equals(other.path)


@settings(max_examples=6, deadline=None)
@given(histories, st.integers(0, 30), st.integers(1, 3), st.randoms(use_true_random=False))
def test_a_subnet_alone_is_told_what_it_is_told_among_others(history, position, workers, random):
    frame = pd.DataFrame({f"s{i}": usage(i, 160, noise=9) for i in range(60)})
    kinds = {0: 1.0, 1: np.nan, 2: 0.0}
    for column in frame.columns[::7]:
        frame.loc[frame.index[random.randrange(150)], column] = kinds[random.randrange(3)]
    frame.insert(position, "mine", history.reindex(frame.index))
    many = forecast_exhaustion(frame, capacity=500, horizon=30, workers=workers)
    alone = forecast_exhaustion(frame[["mine"]], capacity=500, horizon=30, workers=1)
    here = many.path[many.path["subnet"] == "mine"].reset_index(drop=True)
    pd.testing.assert_frame_equal(here, alone.path, check_dtype=False, rtol=1e-5, atol=1e-5)
    for name in ("level_shifts", "outliers"):
        table = getattr(many, name)
        assert list(table.loc[table["subnet"] == "mine", "time"]) == list(
            getattr(alone, name)["time"]
        )


def test_the_input_is_not_touched():
    history = usage(3)
    before = history.copy()
    forecast_exhaustion(history, capacity=500, horizon=20)
    pd.testing.assert_series_equal(history, before)


# -- known answers --------------------------------------------------------------


@pytest.mark.parametrize(
    ("slope", "base", "capacity"), [(1, 100, 200), (2, 50, 301), (0.25, 10, 40)]
)
def test_a_noiseless_line_reaches_its_limit_on_the_day(slope, base, capacity):
    history = days(base + slope * np.arange(80))
    forecast = forecast_exhaustion(history, capacity=capacity, horizon=365)
    first = math.ceil((capacity - base) / slope)
    for quantile in (0.025, 0.5, 0.975):
        assert forecast.date(quantile) == history.index[0] + pd.Timedelta(days=first)
    assert forecast.days_left() == first - 79
    np.testing.assert_allclose(
        forecast.path["demand"][:30], base + slope * (80 + np.arange(30)), rtol=1e-5
    )


def test_a_noiseless_season_comes_back():
    at = np.arange(140)
    shape = np.array([10, 20, 30, 20, 10, 0, -10.0])
    history = days(500 + at + shape[at % 7])
    forecast = forecast_exhaustion(history, capacity=10_000, horizon=28)
    ahead = np.arange(140, 168)
    np.testing.assert_allclose(forecast.path["median"], 500 + ahead + shape[ahead % 7], rtol=1e-4)
    assert forecast.model["season_lengths"].iloc[0] == (7,)


def test_a_noiseless_season_that_multiplies_comes_back():
    at = np.arange(140)
    shape = np.array([1, 1.1, 1.2, 1.1, 1, 0.7, 0.6])
    history = days(500 * shape[at % 7])
    forecast = forecast_exhaustion(history, capacity=10_000, horizon=28)
    np.testing.assert_allclose(
        forecast.path["median"], 500 * shape[np.arange(140, 168) % 7], rtol=1e-3
    )


def test_a_constant_history_stays_and_hardly_ever_runs_dry():
    forecast = forecast_exhaustion(days([50] * 40), capacity=60)
    assert forecast.status == "possible"
    assert pd.isna(forecast.date())
    assert forecast.days_left() == math.inf
    # Forty days without a change do not show that there will be none in half a year.
    assert 0.01 < forecast.probability() < 0.1
    np.testing.assert_allclose(forecast.path["median"], 50)


def test_an_all_zero_history_stays_near_zero():
    forecast = forecast_exhaustion(days([0] * 30), capacity=10)
    assert (forecast.path["median"] == 0).all()
    assert 0 < forecast.path["upper_95"].max() < 8


def test_what_came_in_rare_steps_goes_on_in_steps_of_that_kind():
    rng = np.random.default_rng(4)
    moves = rng.choice([-16, 0, 16], p=[0.02, 0.96, 0.02], size=240)
    history = days(640 + moves.cumsum())
    path = forecast_exhaustion(history, capacity=10_000, horizon=60).path
    last, end = history.iloc[-1], path.iloc[-1]
    assert path["median"].iloc[0] == last
    assert end["lower_95"] < last < end["upper_95"] < last + 10 * 16


def test_the_hours_of_a_day_err_together():
    rng = np.random.default_rng(2)
    day = np.repeat(rng.normal(0, 20, 28), 24)
    history = days(500 + day + rng.normal(0, 2, len(day)), freq="h")
    forecast = forecast_exhaustion(history, capacity=540, horizon=3, step="h")
    # Each of three days passes two deviations in one of forty cases; hours alone, most of them.
    assert forecast.probability() < 0.25


@pytest.mark.parametrize("unit", ["addresses", "prefixes"])
def test_a_constant_past_leaves_a_small_spread(unit):
    forecast = forecast_exhaustion(days([50] * 60), capacity=90, horizon=60, unit=unit)
    assert (forecast.path["median"] == 50).all()
    assert 0 < (forecast.path["upper_95"] - forecast.path["lower_95"]).iloc[-1] < 20
    assert "a chance below 1 %" in repr(forecast)
    long = forecast_exhaustion(days([50] * 730), capacity=90, horizon=60, unit=unit)
    assert 0 < long.probability() < forecast.probability()


# -- growth that bends, and steps that just happened ------------------------------------


def test_a_step_of_the_last_two_days_is_kept_as_a_possibility_and_reported():
    noise = np.random.default_rng(0).normal(0, 5, 180)
    history = days(300 + noise + 100 * (np.arange(180) >= 178))
    forecast = forecast_exhaustion(history, capacity=430, horizon=90)
    assert forecast.probability() > 0.1
    assert forecast.path["upper_80"].iloc[0] > 390
    (finding,) = (x for x in forecast.findings if x.code == "newest-step")
    assert "2 periods ago" in finding.seen
    calm = forecast_exhaustion(days(300 + noise), capacity=430, horizon=90)
    assert "newest-step" not in {x.code for x in calm.findings}
    assert calm.probability() < 0.05


def test_growth_after_idle_months_is_followed():
    history = days(np.r_[np.zeros(300), 5.0 * np.arange(1, 41)])
    forecast = forecast_exhaustion(history, capacity=300, horizon=180)
    assert forecast.probability() > 0.9
    assert forecast.days_left(0.1) <= 25
    assert forecast.days_left(0.5) <= 45


def test_compound_growth_is_followed():
    at = np.arange(120)
    forecast = forecast_exhaustion(days(50 * 2 ** (at / 30)), capacity=50 * 2 ** (119 / 30) * 4)
    assert 58 <= forecast.days_left(0.1) <= forecast.days_left(0.5) <= 66
    assert forecast.model["logarithm"].iloc[0] > 0.9
    assert "bent-growth" in {x.code for x in forecast.findings}


@pytest.mark.parametrize("shape", ["ended", "saturated"])
def test_growth_that_has_ended_does_not_go_on(shape):
    at = np.arange(150)
    ended = np.minimum(5.0 * at, 300)
    saturated = 300 / (1 + np.exp(-(at - 40) / 8)) + np.random.default_rng(0).normal(8, 2, 150)
    forecast = forecast_exhaustion(days(ended if shape == "ended" else saturated), capacity=360)
    assert forecast.probability() < 0.1


@pytest.mark.parametrize("ago", [30, 60, 90])
def test_growth_that_has_ended_does_not_come_back(ago):
    noise = np.random.default_rng(3).normal(1, 0.03, 240)
    level = 100 + 4.0 * np.minimum(np.arange(240), 240 - ago)
    forecast = forecast_exhaustion(days(level * noise), capacity=3 * level[-1], horizon=180)
    assert forecast.path["demand"].iloc[-1] == pytest.approx(level[-1], rel=0.12)
    assert forecast.to_pandas()["drift_per_day"].iloc[0] == pytest.approx(0, abs=1)


def flat_since(ago, *, seed=3, unit=0):
    at = np.minimum(np.arange(240), 240 - ago)
    level = 100 + 1.5 * at
    if unit:
        return days(unit * np.ceil(level / unit))
    return days(level * np.random.default_rng(seed).normal(1, 0.03, 240))


def test_the_longer_growth_has_ended_the_smaller_is_the_chance_that_it_goes_on():
    chances = []
    for ago in (14, 35, 100):
        histories = [flat_since(ago, seed=seed) for seed in range(6)]
        forecasts = [forecast_exhaustion(h, capacity=1.12 * h.iloc[-21:].max()) for h in histories]
        chances.append(np.mean([x.probability() for x in forecasts]))
    assert chances[0] > 0.5
    assert chances[0] > chances[1] > chances[2]
    assert chances[2] < 0.15


def worth_of_an_end(history, *, free=True):
    values = (history / history.mean()).to_numpy()[None]
    passed = Filtered.of(values, values > 0, [values.shape[1]])
    return short_view(values, passed, length=35, bends=False, free=np.array([free])).evidence[0]


def test_a_step_that_is_not_yet_due_does_not_end_growth():
    # A step of 64 comes every 43 days: 35 days without one say little.
    assert worth_of_an_end(flat_since(0, unit=64)) < 1
    assert worth_of_an_end(flat_since(100, unit=8)) > 1.5
    assert worth_of_an_end(flat_since(100)) > 0.8
    assert worth_of_an_end(flat_since(0)) == 0


def test_growth_has_not_ended_where_a_subnet_was_full():
    assert worth_of_an_end(flat_since(100), free=False) == 0


def test_compound_growth_is_seen_however_far_it_has_come():
    at = np.arange(390)
    level = 12 * 2 ** (at / 55)
    noise = np.random.default_rng(4).normal(1, 0.02, 390)
    history = days(level[:330] * noise[:330])
    forecast = forecast_exhaustion(history, capacity=9_000, horizon=60)
    assert history.iloc[0] < 0.1 * history.mean()
    assert forecast.model["logarithm"].iloc[0] > 0.5
    assert forecast.path["demand"].iloc[-1] == pytest.approx(level[-1], rel=0.12)


def test_surprises_leave_a_chance_that_a_longer_calm_makes_smaller():
    calm = 200 + np.random.default_rng(5).normal(0, 3, 1500)
    chances = [
        forecast_exhaustion(days(calm[-n:]), capacity=300, horizon=180, paths=2_000).probability()
        for n in (60, 400, 1500)
    ]
    assert 0.1 > chances[0] > chances[1] > chances[2] > 0
    still = forecast_exhaustion(days([200] * 400), capacity=300, horizon=180, paths=2_000)
    assert 0 < still.probability() < 0.05
    line = days(200 + 0.1 * np.arange(400))
    computed = forecast_exhaustion(line, capacity=300, horizon=180, paths=2_000)
    assert computed.probability() == 0


def test_a_small_chance_does_not_hang_on_the_seed():
    history = days([300] * 100)
    chances = {
        forecast_exhaustion(history, capacity=600, horizon=60, seed=seed).probability()
        for seed in range(4)
    }
    assert len(chances) == 1
    # One surprise in four years, of which every fifth doubles the use.
    assert 0.004 < chances.pop() < 0.012


@pytest.mark.parametrize("shift", [0, 5])
def test_steps_that_mostly_stayed_stay_and_those_that_never_did_do_not(shift):
    noise = np.random.default_rng(8).normal(shift, 0.5, 240)
    at = np.arange(240)
    # One of six went back at the end of its turn.
    steps = 100 + 20 * ((at + 4) // 40) - 20 * (at >= 70)
    visits = 100 + 20 * ((at + 4) % 40 < 6)
    newest = [
        next(x for x in forecast.findings if x.code == "newest-step").why
        for forecast in (
            forecast_exhaustion(days(values + noise), capacity=400) for values in (steps, visits)
        )
    ]
    stays, goes = (float(why.split()[-5]) for why in newest)
    assert stays > 85
    assert goes < 60


@pytest.mark.parametrize("ago", range(1, 14))
@pytest.mark.parametrize("noise", [0, 0.5])
def test_one_more_of_the_steps_that_a_series_grows_by_is_growth(ago, noise):
    at = np.arange(240)
    used = 100 + 20 * ((at + ago) // 40) + np.random.default_rng(8).normal(0, noise, 240)
    forecast = forecast_exhaustion(days(used), capacity=400, horizon=80)
    assert not [x for x in forecast.findings if x.code == "newest-step"]
    assert forecast.to_pandas()["drift_per_day"].iloc[0] == pytest.approx(0.5, rel=0.2)
    assert (forecast.path["lower_80"] > used[-1] - 12).all()
    assert 0 < (forecast.path["demand"].iloc[-1] - used[-1]) < 60


def test_a_step_of_the_last_days_makes_another_one_more_likely():
    noise = np.random.default_rng(9).normal(0, 2, 200)
    stepped = 200 + 80 * (np.arange(200) >= 190) + noise

    def chance(values):
        forecast = forecast_exhaustion(days(values), capacity=values[-1] + 70, paths=2_000)
        return forecast.probability()

    assert chance(stepped) > chance(280 + noise) + 0.05


@pytest.mark.parametrize("ago", [20, 30, 50])
@pytest.mark.parametrize(("before", "after"), [(0.0, 6.0), (5.0, 1.0), (0.5, 8.0)])
def test_growth_that_bent_some_weeks_ago_goes_on_as_it_is_now(ago, before, after):
    at = np.arange(200 + 60)
    level = 300 + before * np.minimum(at, 200 - ago) + after * np.maximum(at - 200 + ago, 0)
    noise = np.random.default_rng(ago).normal(0, 4, 200)
    forecast = forecast_exhaustion(days(level[:200] + noise), capacity=20_000, horizon=60)
    assert forecast.to_pandas()["drift_per_day"].iloc[0] == pytest.approx(after, rel=0.18, abs=0.5)
    assert forecast.path["demand"].iloc[-1] == pytest.approx(level[-1], rel=0.06)
    assert (
        "last change of growth" in forecast.explain() or forecast.model["since_bend"].iloc[0] < 0.05
    )


def ended(since, *, known=180, rate=2.0):
    grown = np.minimum(np.arange(known), known - since) * rate
    return days(np.round(100 + grown + np.random.default_rng(since).normal(0, 3, known)))


@pytest.mark.parametrize("since", [25, 35, 50])
def test_growth_that_ended_weeks_ago_is_not_expected_back(since):
    history = ended(since)
    forecast = forecast_exhaustion(history, capacity=history.max() + 60, horizon=90)
    assert forecast.probability() < 0.15


def test_what_no_path_shows_is_unlikely_but_not_impossible():
    noisy = days(500 + np.random.default_rng(0).integers(0, 9, 120))
    far = forecast_exhaustion(noisy, capacity=60_000, horizon=60)
    # Two of 504 paths run out, the second at the end.
    assert far.probability() == pytest.approx(2 / 504)
    assert far.probability(far.horizon_end - pd.Timedelta(days=30)) == pytest.approx(1 / 504)
    line = days(500.0 + 3 * np.arange(120))
    assert forecast_exhaustion(line, capacity=60_000, horizon=60).probability() == 0


def test_hours_are_never_surer_than_their_horizons_of_history_allow():
    at = np.arange(24 * 40)
    wave = 100 + 20 * np.sin(at / 24 * 2 * np.pi)
    used = pd.Series(wave.round(), index=pd.date_range("2026-01-01", periods=len(at), freq="h"))
    noisy = (used + np.random.default_rng(0).normal(0, 4, len(at))).round()
    ask = {"capacity": 110, "step": "h"}
    for horizon, surest in ((2, 20 / 21), (4, 10 / 11), (10, 0.9)):
        forecast = forecast_exhaustion(noisy, horizon=horizon, **ask)
        # Two of 504 paths are added that do not run out.
        assert forecast.probability() == pytest.approx(surest * 502 / 504)
    announced = forecast_exhaustion(noisy, horizon=10, events=[("2026-02-12", 500)], **ask)
    assert announced.probability() == 1


@given(st.integers(16, 60), st.floats(-3, 3), st.floats(1, 4), st.sampled_from([-1, 1]))
def test_a_line_that_bends_is_fitted_to_what_does_not_reach_beyond_its_bend(
    since, slope, bend, sign
):
    at = np.arange(84.0)
    line = slope * at + sign * bend * np.maximum(at - (84 - since), 0)
    noise = np.random.default_rng(since).normal(0, 0.1, 84)
    (kept,), (evidence,) = since_bend((line + noise)[None])
    # The bend itself is found to within a period.
    assert kept <= since + 1
    assert kept >= max(length for length in SINCE if length < since)
    assert evidence > 0
    assert since_bend((slope * at + noise)[None]) == (84, 0)


@pytest.mark.parametrize(("ago", "unsure"), [(40, 3), (0, 1)])
def test_growth_since_a_plain_bend_is_less_sure_than_its_fit_says(ago, unsure):
    at, noise = np.arange(120), np.random.default_rng(3).normal(0, 0.1, (1, 120))
    values, seen = 5 + at / 40 + np.maximum(at - 120 + ago, 0) / 4 + noise, noise < 9
    passed = Filtered.of(values, seen, [120])
    view = short_view(values, passed, length=84, bends=True, free=np.array([True]))
    assert (view.evidence > 0) == (ago > 0)
    plain = passed.newest(120, view.since)
    np.testing.assert_allclose(view.fit.root[:, :, 1], unsure * plain.root[:, :, 1])
    np.testing.assert_allclose(view.fit.root[:, :, 0], plain.root[:, :, 0])


def test_a_fit_to_the_newest_periods_is_that_of_a_history_that_begins_with_them():
    values = 5 + np.random.default_rng(2).normal(0, 0.1, (3, 120)).cumsum(axis=1)
    seen, since = np.ones(values.shape, dtype=bool), np.full(3, 40)
    one = Filtered.of(values, seen, [120]).newest(120, since)
    other = Filtered.of(values[:, 80:], seen[:, 80:], [40]).newest(40, since)
    # What has a memory remembers what was off the level before.
    plain = one.grid[:, 1] == 0
    for name in ("level", "growth", "sigma", "root"):
        here, there = getattr(one, name)[:, plain], getattr(other, name)[:, plain]
        np.testing.assert_allclose(here, there, atol=1e-9)


def test_a_gap_in_a_line_does_not_bend_it():
    line = pd.Series(np.arange(100.0, 220.0), index=pd.date_range("2026-01-01", periods=120))
    gappy = line.drop(line.index[[*range(30, 50), 97, 103]])
    whole, holed = (forecast_exhaustion(x, capacity=400, horizon=60).path for x in (line, gappy))
    np.testing.assert_allclose(whole["median"], holed["median"])


def test_compound_growth_is_not_evidence_of_a_bend():
    noise = np.random.default_rng(0).normal(0, 0.01, 84)
    _, evidence = since_bend(np.exp(np.arange(84) / 40 + noise)[None])
    assert evidence == 0


def test_a_history_of_less_than_three_months_has_no_view_since_a_bend():
    bent = 100 + 3 * np.maximum(np.arange(80) - 40, 0)
    noisy = np.round(bent + np.random.default_rng(0).normal(0, 3, 80))
    model = forecast_exhaustion(days(noisy), capacity=500).model.iloc[0]
    assert model["since_bend"] == 0
    assert model["last_35"] > 0
    assert model[["whole", "logarithm", "last_35"]].sum() == pytest.approx(1)


def surging(height, times, count=360):
    values = 200 + np.random.default_rng(6).normal(0, 3, count)
    for start in range(40, 40 + 90 * times, 90):
        values[start : start + 7] *= 1 + height
    return days(values)


def test_surges_of_the_past_come_again_as_often_and_as_high_as_they_did():
    def chance(height, times):
        forecast = forecast_exhaustion(
            surging(height, times), capacity=330, horizon=180, paths=2_000, level=0.8
        )
        return forecast.probability()

    assert chance(0.9, 3) > chance(0.9, 2) > chance(0.9, 1) > chance(0.9, 0)
    assert chance(0.9, 3) > 1.5 * chance(0.25, 3)
    assert chance(0.9, 3) > 0.25


def test_a_surge_is_neither_a_level_nor_a_single_value_nor_still_going_on():
    calm = np.full(200, 100.0) + np.random.default_rng(1).normal(0, 1, 200)

    def surges_of(first, last):
        values = calm.copy()
        values[first:last] += 80
        return surges(values[None])

    assert surges_of(90, 98).count == [1]
    assert surges_of(90, 98).size == pytest.approx([0.8], abs=0.05)
    for first, last in ((90, 92), (90, 150), (190, 200), (0, 0)):
        assert surges_of(first, last).count == [0]
    assert surges(calm[None, :50]).count == [0]


@pytest.mark.parametrize("block", [1, 16])
def test_the_drift_of_growth_in_steps_is_that_growth(block):
    forecast = forecast_exhaustion(
        days(block * np.floor(np.arange(320) * 0.5 / block) + 100), capacity=900
    )
    assert forecast.to_pandas()["drift_per_day"].iloc[0] == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("years", [2.4, 3.0])
def test_a_year_of_days_without_enough_years_does_not_widen_the_path(years):
    at = np.arange(round(365 * years))
    noise = np.random.default_rng(0).normal(0, 5, len(at))
    history = days(300 + 20 * np.sin(2 * np.pi * at / 365) + 10 * (at % 7 < 5) + noise)
    forecast = forecast_exhaustion(history, capacity=420, season_lengths=[7, 365], horizon=90)
    assert forecast.probability() < 0.1
    first = forecast.path.iloc[:7]
    assert (first["upper_80"] - first["lower_80"]).mean() < 2.5 * 2 * 1.2816 * 5
    assert ("season-too-long" in {x.code for x in forecast.findings}) == (years < 3)


def test_the_season_length_can_be_given():
    at = np.arange(60)
    history = days(100 + 30 * (at % 5 == 0))
    forecast = forecast_exhaustion(history, capacity=500, season_lengths=5, horizon=10)
    np.testing.assert_allclose(
        forecast.path["median"], 100 + 30 * (np.arange(60, 70) % 5 == 0), rtol=1e-3
    )
    none = forecast_exhaustion(history, capacity=500, season_lengths=(), horizon=10)
    assert none.model["season_lengths"].iloc[0] == ()


def test_the_limit_is_passed_by_unclipped_paths():
    forecast = forecast_exhaustion(usage(5, slope=2), capacity=600, horizon=120)
    assert forecast.path["demand"].iloc[-1] > 600
    assert forecast.path["upper_95"].max() <= 600
    assert forecast.probability() > 0.9


# -- exhausted, clipped, shifted, dirty ---------------------------------------------


@pytest.mark.parametrize("last", [100, 130])
def test_a_full_subnet_is_exhausted_now(last):
    history = days([*range(40, 90), last])
    forecast = forecast_exhaustion(history, capacity=100)
    assert forecast.status == "exhausted"
    assert forecast.date() == history.index[-1]
    assert forecast.date(0.025) == forecast.date(0.975) == history.index[-1]
    assert forecast.days_left() == 0
    assert forecast.probability() == 1
    assert forecast.probability(history.index[-1]) == 1
    assert (forecast.path["probability"] == 1).all()
    assert "exhausted now" in repr(forecast)


def test_demand_above_a_limit_that_was_raised_is_not_invisible():
    demand = 200 + 1.5 * np.arange(150) + np.random.default_rng(2).normal(0, 3, 150)
    limit = np.where(np.arange(150) < 140, 330.0, 900.0)
    frame = pd.DataFrame(
        {"time": days(demand).index, "used": np.minimum(demand, limit), "capacity": limit}
    )
    forecast = forecast_exhaustion(frame, horizon=120)
    assert "clipped-history" in {x.code for x in forecast.findings}
    assert forecast.model["drift_per_day"].iloc[0] == pytest.approx(1.5, abs=0.4)
    assert forecast.history["lower_bound"].sum() > 30


def test_weekdays_clipped_at_a_raised_limit_are_taken_for_more_than_they_show():
    at = np.arange(150)
    demand = 300 + 60 * (at % 7 < 5) + np.random.default_rng(0).normal(0, 12, 150)
    limit = np.where(at < 145, 352.0, 900.0)
    frame = pd.DataFrame(
        {"time": days(demand).index, "used": np.minimum(demand, limit), "capacity": limit}
    )
    path = forecast_exhaustion(frame, horizon=28).path
    weekdays = np.arange(150, 178) % 7 < 5
    assert path.loc[weekdays, "demand"].mean() == pytest.approx(360, abs=4)
    assert path.loc[weekdays, "upper_95"].mean() > 375


def test_one_outlier_does_not_bend_the_trend_and_is_shown():
    history = usage(11, noise=3, week=0)
    clean = forecast_exhaustion(history, capacity=900, horizon=90)
    history.iloc[60] *= 3
    dirty = forecast_exhaustion(history, capacity=1500, horizon=90)
    assert list(dirty.outliers["time"]) == [history.index[60]]
    np.testing.assert_allclose(dirty.path["demand"], clean.path["demand"], rtol=0.02)


def test_a_past_step_is_shown_and_does_not_bend_the_trend():
    history = usage(12, 160, noise=3, week=0, slope=0.5)
    history.iloc[70:] += 200
    forecast = forecast_exhaustion(history, capacity=5_000, horizon=90)
    shift = forecast.level_shifts.iloc[0]
    assert shift["time"] == history.index[70]
    assert shift["change"] == pytest.approx(200, abs=15)
    assert forecast.model["drift_per_day"].iloc[0] == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("back", [3, 5, 40])
def test_a_step_is_known_days_after_it_happened(back):
    history = usage(12, 200, noise=4, week=30, slope=0.5)
    history.iloc[-back:] += 100
    forecast = forecast_exhaustion(history, capacity=5_000, horizon=60)
    assert list(forecast.level_shifts["time"]) == [history.index[-back]]
    assert forecast.level_shifts["change"].iloc[0] == pytest.approx(100, abs=12)
    ahead = np.arange(200, 260)
    truth = 400 + 0.5 * ahead + 30 * (ahead % 7 < 5)
    np.testing.assert_allclose(forecast.path["demand"], truth, rtol=0.04)


@pytest.mark.parametrize("value", [1.0, 900.0])
def test_one_strange_value_on_the_very_last_day_is_no_level(value):
    history = usage(3, 200, noise=4, week=0, slope=0.5)
    clean = forecast_exhaustion(history, capacity=2_000, horizon=60)
    history.iloc[-1] = value
    forecast = forecast_exhaustion(history, capacity=2_000, horizon=60)
    assert list(forecast.outliers["time"]) == [history.index[-1]]
    np.testing.assert_allclose(forecast.path["demand"], clean.path["demand"], rtol=0.02)


def test_a_ramp_is_growth_and_not_a_flight_of_steps():
    ramp = np.r_[np.full(150, 200.0), 200 + 3 * np.arange(1, 51)]
    noise = np.random.default_rng(0).normal(0, 2, 200)
    forecast = forecast_exhaustion(days(ramp + noise), capacity=600, horizon=180)
    assert forecast.level_shifts.empty
    assert forecast.path["demand"].iloc[30] > 350 + 45
    assert forecast.probability() > 0.5


@pytest.mark.parametrize("ended", [1, 4, 100])
def test_a_holiday_neither_bends_the_trend_nor_comes_again_as_a_step(ended):
    history = usage(7, 220, noise=4, week=0, slope=0.5)
    clean = forecast_exhaustion(history, capacity=2_000, horizon=60).path
    history.iloc[-ended - 8 : -ended] -= 150
    forecast = forecast_exhaustion(history, capacity=2_000, horizon=60)
    assert len(forecast.level_shifts) == 2
    assert abs(forecast.level_shifts["change"].sum()) < 15
    np.testing.assert_allclose(forecast.path["demand"], clean["demand"], rtol=0.04)
    width = (forecast.path["upper_80"] - forecast.path["lower_80"]).mean()
    assert width < 2.5 * (clean["upper_80"] - clean["lower_80"]).mean()


def test_weekdays_are_known_through_gaps():
    history = usage(5, 200, noise=4, week=60, slope=0.5)
    rng = np.random.default_rng(1)
    gappy = history.drop(history.index[rng.choice(180, 70, replace=False)])
    forecast = forecast_exhaustion(gappy, capacity=2_000, horizon=14)
    whole = forecast_exhaustion(history, capacity=2_000, horizon=14)
    assert forecast.model["season_lengths"].iloc[0] == (7,)
    np.testing.assert_allclose(forecast.path["demand"], whole.path["demand"], rtol=0.03)


def test_noise_that_grows_with_the_level_is_expected_to_go_on():
    at = np.arange(365)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {f"s{i}": (200 + 2 * at) * (1 + rng.normal(0, 0.04, 365)) for i in range(40)},
        index=pd.date_range("2025-01-01", periods=365),
    )
    path = forecast_exhaustion(frame.iloc[:335], capacity=9_999, horizon=30).path
    truth = frame.iloc[335:].melt()["value"].to_numpy()
    inside = (path["lower_80"] <= truth) & (truth <= path["upper_80"])
    assert inside.mean() == pytest.approx(0.8, abs=0.05)


def test_quiet_hours_are_told_from_busy_ones():
    hours = pd.date_range(START, periods=24 * 42, freq="h", tz="UTC")
    rng = np.random.default_rng(0)
    busy = 20 + 300 * np.clip(np.sin((hours.hour - 6) / 24 * 2 * np.pi), 0, None)
    used = pd.Series(rng.poisson(busy * (hours.day_of_week < 5) + 10).astype(float), index=hours)
    forecast = forecast_exhaustion(used, capacity=5_000, step="1h", horizon="72h")
    path = forecast.path.set_index("time")
    width = path["upper_80"] - path["lower_80"]
    assert width[path.index.hour == 12].mean() > 2 * width[path.index.hour == 1].mean()


def test_values_above_the_capacity_are_taken_as_they_were_seen():
    history = usage(4, 120, slope=0, week=0, noise=4)
    history.iloc[20:50] += 200
    forecast = forecast_exhaustion(history, capacity=400, horizon=30)
    assert "above-capacity" in {x.code for x in forecast.findings}
    assert not forecast.history["lower_bound"].any()
    assert forecast.path["demand"].mean() == pytest.approx(300, abs=8)


def test_scheduled_events_are_added_from_their_day_on():
    history = days(100 + np.zeros(40))
    at = history.index[-1] + pd.Timedelta(days=10)
    forecast = forecast_exhaustion(history, capacity=180, horizon=30, events=[(at, 50), (at, 40)])
    assert forecast.date() == at
    path = forecast.path.set_index("time")["demand"]
    assert path[at - pd.Timedelta(days=1)] == pytest.approx(100)
    assert path[at] == pytest.approx(190)
    with pytest.raises(InputError, match="not after the end"):
        forecast_exhaustion(history, capacity=180, events=[(history.index[3], 5)])


def test_intervals_are_calibrated_where_the_history_is_long_enough():
    long = forecast_exhaustion(usage(4, 120), capacity=900, horizon=30)
    short = forecast_exhaustion(usage(4, 20), capacity=900, horizon=30)
    assert long.model["backtest_origins"].iloc[0] > 3
    assert 0 <= long.backtest["backtest_covered_80"].iloc[0] <= 1
    assert short.model["backtest_origins"].iloc[0] == 0


def test_intervals_hold_what_they_say_on_plain_noise():
    frame = pd.DataFrame({f"s{i}": usage(i, 200, noise=12) for i in range(60)})
    path = forecast_exhaustion(frame.iloc[:150], capacity=9_999, horizon=50).path
    truth = frame.iloc[150:].melt()["value"].to_numpy()
    for level in (80, 95):
        inside = path[f"lower_{level}"].to_numpy() <= truth
        inside &= truth <= path[f"upper_{level}"].to_numpy()
        assert inside.mean() == pytest.approx(level / 100, abs=0.06)


# -- input ----------------------------------------------------------------------------


def test_prefix_mode_counts_whole_blocks():
    history = days(np.floor(5 + 0.2 * np.arange(40)))
    forecast = forecast_exhaustion(history, capacity="10.0.0.0/24", unit="prefixes", horizon=60)
    assert forecast.capacity.iloc[0] == 14
    numbers = forecast.path[["median", "lower_80", "upper_80", "lower_95", "upper_95"]].to_numpy()
    assert (numbers == np.round(numbers)).all()
    assert forecast.status == "within horizon"


def test_available_addresses_are_turned_round():
    used = usage(8)
    frame = pd.DataFrame(
        {"Timestamp": used.index, "AvailableIpAddressCount": 1019 - used.to_numpy()}
    )
    forecast = forecast_exhaustion(frame, capacity="10.0.0.0/22", horizon=30)
    plain = forecast_exhaustion(used, capacity=1019, horizon=30)
    np.testing.assert_allclose(forecast.path["median"], plain.path["median"], rtol=1e-6)


def test_tidy_and_wide_tables_say_the_same():
    wide = pd.DataFrame({"a": usage(1), "b": usage(2)})
    tidy = wide.rename_axis("time").reset_index().melt("time", var_name="subnet", value_name="used")
    shuffled = tidy.sample(frac=1, random_state=3)
    kinds = [
        forecast_exhaustion(x, capacity={"a": 500, "b": 700}, horizon=20)
        for x in (wide, tidy, shuffled, tidy.set_index(["subnet", "time"])["used"])
    ]
    for forecast in kinds[1:]:
        one = forecast.path.sort_values(["subnet", "time"], ignore_index=True)
        pd.testing.assert_frame_equal(one, kinds[0].path, check_dtype=False)
    assert "unsorted-history" in {x.code for x in kinds[2].findings}
    assert list(kinds[0].capacity) == [500, 700]


def test_the_peak_of_a_day_is_kept():
    hours = pd.date_range(START, periods=24 * 30, freq="h")
    values = np.where(hours.hour == 14, 90, 40) + np.arange(len(hours)) / 24
    forecast = forecast_exhaustion(pd.Series(values, index=hours), capacity=200, horizon=10)
    assert forecast.history["used"].iloc[0] == pytest.approx(90 + 14 / 24)
    assert len(forecast.history) == 30
    assert "resampled" in {x.code for x in forecast.findings}


def test_days_follow_the_wall_clock_through_the_change_of_clocks():
    hours = pd.date_range("2026-03-01", "2026-04-20 23:00", freq="h", tz="Europe/Berlin")
    used = pd.Series(100 + hours.day_of_year.to_numpy(dtype=float), index=hours)
    forecast = forecast_exhaustion(used, capacity=250, horizon=60)
    assert len(forecast.history) == 51
    assert (forecast.history["time"].dt.hour == 0).all()
    assert str(forecast.path["time"].dt.tz) == "Europe/Berlin"
    assert forecast.date() == pd.Timestamp("2026-05-30", tz="Europe/Berlin")
    utc = forecast_exhaustion(
        used.tz_convert("UTC"), capacity=250, timezone="Europe/Berlin", horizon=60
    )
    pd.testing.assert_frame_equal(utc.path, forecast.path)


def test_an_unfinished_day_is_only_a_lower_bound():
    hours = pd.date_range(START, periods=24 * 40 + 6, freq="h")
    values = 100 + 50 * np.sin((hours.hour - 6) / 24 * 2 * np.pi)
    forecast = forecast_exhaustion(pd.Series(values, index=hours), capacity=300, horizon=10)
    assert forecast.history["lower_bound"].tolist() == [False] * 40 + [True]
    assert forecast.path["median"].min() > 145
    assert "unfinished-period" in {x.code for x in forecast.findings}


def test_duplicates_and_gaps_are_told():
    history = usage(6)
    twice = pd.concat([history, history.iloc[5:8] - 10])
    gappy = twice.drop(history.index[20:30])
    gappy.iloc[50] = np.nan
    forecast = forecast_exhaustion(gappy, capacity=600, horizon=20)
    assert {"duplicate-times", "gaps", "missing-values"} <= {x.code for x in forecast.findings}
    assert forecast.history["used"].iloc[6] == history.iloc[6]
    whole = forecast_exhaustion(history, capacity=600, horizon=20)
    np.testing.assert_allclose(forecast.path["median"], whole.path["median"], rtol=0.03)


def test_monthly_and_weekly_histories_keep_their_step():
    months = pd.Series(
        np.arange(40.0) + 10, index=pd.date_range("2022-01-01", periods=40, freq="MS")
    )
    forecast = forecast_exhaustion(months, capacity=55, horizon="365d")
    assert forecast.date() == pd.Timestamp("2025-10-01")
    weeks = pd.Series(
        np.arange(40.0) + 10, index=pd.date_range("2025-01-01", periods=40, freq="7D")
    )
    forecast = forecast_exhaustion(weeks, capacity=55, horizon="365d")
    assert forecast.date() == weeks.index[0] + pd.Timedelta(weeks=45)
    assert forecast.days_left() == 42


def test_an_hourly_step_can_be_asked_for():
    hours = pd.date_range(START, periods=24 * 14, freq="h", tz="UTC")
    used = pd.Series(100 + 20 * np.sin(hours.hour / 24 * 2 * np.pi), index=hours)
    forecast = forecast_exhaustion(used, capacity=500, step="1h", horizon="48h")
    assert forecast.horizon == 48
    np.testing.assert_allclose(forecast.path["median"], used.iloc[:48].to_numpy(), rtol=1e-3)


def by_the_hour(values):
    return days(values, freq="h", tz="UTC")


def next_days(values, **options):
    """Forecast two days by the hour from the values before them."""
    options = {"capacity": 10_000, "step": "1h", "horizon": "48h"} | options
    return forecast_exhaustion(by_the_hour(values), **options).path["demand"].to_numpy()


def test_days_that_change_are_expected_as_the_last_ones_were():
    at = np.arange(24 * 30)
    rng = np.random.default_rng(3)
    wave = np.sin((at % 24) / 24 * 2 * np.pi)
    used = 500 + (60 + 4 * at / 24) * wave + rng.normal(0, 1, len(at))
    known, truth = used[:-48], used[-48:]
    error = np.abs(next_days(known) - truth).mean()
    average = known.reshape(-1, 24).mean(axis=0)
    assert error < 0.2 * np.abs(np.tile(average, 2) - truth).mean()
    assert error < 1.3 * np.abs(np.tile(known[-24:], 2) - truth).mean()


@few
@given(st.integers(0, 23), st.integers(3, 10), st.integers(0, 10_000))
def test_a_new_habit_of_some_days_is_expected_again(hour, since, seed):
    at = np.arange(24 * 28)
    noise = np.random.default_rng(seed).normal(0, 2, len(at))
    new = 80 * np.isin((at - hour) % 24, (0, 1, 2)) * (at >= len(at) - 24 * since)
    ahead = next_days(300 + noise + new)
    busy = np.isin((np.arange(48) - hour) % 24, (0, 1, 2))
    assert ahead[busy].mean() - ahead[~busy].mean() == pytest.approx(80, abs=25)


@few
@given(st.integers(2, 20), st.integers(0, 10_000), st.sampled_from([0.0, 4.0]))
def test_one_strange_hour_of_yesterday_is_no_habit(back, seed, change):
    at = np.arange(24 * 28)
    noise = np.random.default_rng(seed).normal(0, 2, len(at))
    used = 500 + (60 + change * at / 24) * np.sin((at % 24) / 24 * 2 * np.pi) + noise
    strange = used.copy()
    strange[-back] += 200
    np.testing.assert_allclose(next_days(strange), next_days(used), atol=25)


@few
@given(st.integers(0, 10_000))
def test_days_that_do_not_change_are_expected_as_the_average_one(seed):
    at = np.arange(24 * 28)
    clean = 500 + 60 * np.sin((at % 24) / 24 * 2 * np.pi)
    used = clean + np.random.default_rng(seed).normal(0, 15, len(at))
    truth = clean[:48]
    assert np.abs(next_days(used) - truth).mean() < 0.6 * np.abs(used[-48:] - truth).mean()


def test_changing_days_without_noise_or_season_stay_exact():
    at = np.arange(24 * 28 + 48)
    used = 100 + at / 24 + 20 * np.isin(at % 24, range(9, 17))
    np.testing.assert_allclose(next_days(used[:-48]), used[-48:], atol=1e-3)
    flat = next_days(100 + 40 * (at % 24 == 5) * (at > 24 * 20), season_lengths=())
    assert np.ptp(flat) < 10


def test_hours_of_one_subnet_do_not_depend_on_the_others():
    at = np.arange(24 * 21)
    rng = np.random.default_rng(8)
    wave = np.sin((at % 24) / 24 * 2 * np.pi)[:, None]
    used = 400 + wave * (40 + rng.uniform(0, 4, 5) * at[:, None] / 24)
    used += rng.normal(0, 3, used.shape)
    used[100:130, 3] = np.nan
    frame = pd.DataFrame(used, index=by_the_hour(at).index, columns=list("abcde"))
    options = {"capacity": 900, "step": "1h", "horizon": "48h"}
    together = forecast_exhaustion(frame, **options).path
    for name in frame:
        alone = forecast_exhaustion(frame[[name]], **options).path
        here = together[together["subnet"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(here, alone, check_dtype=False, rtol=1e-5)


@pytest.mark.parametrize("horizon", [30, "30d", pd.Timedelta(days=30), "2026-06-03"])
def test_a_horizon_is_days_a_duration_or_a_date(horizon):
    history = usage(1, 120)
    assert forecast_exhaustion(history, capacity=900, horizon=horizon).horizon == 30


def test_capacity_may_change_over_time():
    history = days(100 + np.arange(60))
    capacity = pd.Series([150.0, 400.0], index=pd.to_datetime(["2026-01-01", "2026-02-01"]))
    forecast = forecast_exhaustion(history, capacity=capacity, horizon=365)
    assert forecast.capacity.iloc[0] == 400
    assert forecast.days_left() == 300 - 59


def test_too_little_history_is_an_error_or_a_row():
    frame = pd.DataFrame({"a": usage(1, 30), "b": np.nan})
    with pytest.raises(TooLittleHistoryError, match="b has 0 periods") as caught:
        forecast_exhaustion(frame, capacity=500)
    assert caught.value.subnets == ("b",)
    forecast = forecast_exhaustion(frame, capacity=500, unusable="report")
    assert forecast.status.to_dict() == {"a": forecast.status["a"], "b": "no forecast"}
    assert math.isnan(forecast.probability()["b"])
    assert pd.isna(forecast.date()["b"])
    assert len(forecast.to_pandas()) == 2


@pytest.mark.parametrize(
    ("history", "options", "error"),
    [
        (days([-1] * 20), {"capacity": 5}, InvalidCountError),
        (days([np.inf] * 20), {"capacity": 5}, InvalidCountError),
        (days([1] * 20).to_frame("used"), {}, InputError),
        (days([1] * 20), {"capacity": -3}, InvalidCountError),
        (days([1] * 20), {"capacity": float("nan")}, MissingValueError),
        (days([1] * 20), {"capacity": True}, InputError),
        (days([1] * 20), {"capacity": "10.0.0.0/8"}, InputError),
        (days([1] * 20), {"capacity": 5, "horizon": 0}, InputError),
        (days([1] * 20), {"capacity": 5, "horizon": "soon"}, InputError),
        (days([1] * 20), {"capacity": 5, "level": 1.2}, InputError),
        (days([1] * 20), {"capacity": 5, "step": "7h"}, InputError),
        (days([1] * 20), {"capacity": 5, "engine": "prophet"}, InputError),
        (days([1] * 20), {"capacity": 5, "timezone": "Mars/Base"}, InputError),
        (days([1] * 20).iloc[:0], {"capacity": 5}, InputError),
        (pd.Series([1.0] * 20), {"capacity": 5}, InputError),
        ([1, 2, 3], {"capacity": 5}, UnsupportedInputError),
        (days([1] * 20) > 0, {"capacity": 5}, UnsupportedInputError),
        (days([8] * 20).to_frame("available"), {"capacity": 5}, InvalidCountError),
        (days([8] * 20).to_frame("used"), {"capacity": 9, "used": "busy"}, InputError),
    ],
)
def test_what_makes_no_sense_is_refused(history, options, error):
    with pytest.raises(error) as caught:
        forecast_exhaustion(history, **options)
    assert isinstance(caught.value, CapacityError)


# -- the engine -----------------------------------------------------------------------------


def test_the_engine_that_went_says_so():
    with pytest.raises(InputError, match="removed from the package"):
        forecast_exhaustion(usage(1), capacity=500, engine="statsforecast")


# -- output ------------------------------------------------------------------------------


def test_a_thousand_subnets_of_a_year_in_one_call():
    at = np.arange(365)
    rng = np.random.default_rng(0)
    values = 300 + at[:, None] * rng.uniform(0, 1, 1000) + rng.normal(0, 5, (365, 1000))
    frame = pd.DataFrame(values, index=pd.date_range("2025-01-01", periods=365))
    reports = []
    forecast = forecast_exhaustion(
        frame, capacity=700, horizon=90, progress=lambda *x: reports.append(x)
    )
    table = forecast.to_pandas()
    assert len(table) == 1000
    for index in (0, 617, 999):
        alone = forecast_exhaustion(frame[[index]], capacity=700, horizon=90).path
        among = forecast.path.iloc[index * 90 : (index + 1) * 90].reset_index(drop=True)
        pd.testing.assert_frame_equal(among, alone, check_dtype=False, rtol=1e-5)
    assert reports[-1] == (1000, 1000)
    known = table["days_left"].to_numpy()
    assert (
        np.diff(table.loc[table["status"] == "within horizon", "date"].astype("int64")) >= 0
    ).all()
    assert np.isfinite(known).any()
    assert np.isinf(known).any()
    assert "and 995 more" in repr(forecast)


def test_probability_by_a_date_and_its_limits():
    forecast = forecast_exhaustion(usage(2, slope=2), capacity=600, horizon=60)
    date = forecast.date()
    assert forecast.probability(date) >= 0.5 > forecast.probability(date - pd.Timedelta(days=1))
    assert forecast.probability("2026-01-10") == 0
    with pytest.raises(InputError, match="beyond the horizon"):
        forecast.probability("2030-01-01")
    with pytest.raises(InputError, match="between 0 and 1"):
        forecast.days_left(0)


def test_notebook_and_chart():
    forecast = forecast_exhaustion(usage(2, slope=2), capacity=600, horizon=60)
    assert "<table" in forecast._repr_html_()
    ax = forecast.plot()
    assert ax.get_ylabel() == "addresses"
    assert len(forecast.dates) == 5
    with pytest.raises(InputError, match="not a subnet"):
        forecast.plot("elsewhere")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_command_sorts_by_urgency(tmp_path, capsys, suffix):
    from eks_win_capacity.cli import main

    frame = pd.DataFrame({"calm": usage(1, slope=0), "soon": usage(2, slope=3), "full": 1019.0})
    tidy = (
        frame.rename_axis("time").reset_index().melt("time", var_name="subnet", value_name="used")
    )
    file = tmp_path / f"usage.{suffix}"
    tidy.to_csv(file, index=False) if suffix == "csv" else tidy.to_parquet(file)
    chart = tmp_path / "out.png"
    with pytest.raises(SystemExit) as left:
        main(
            [
                "forecast",
                str(file),
                "--capacity",
                "10.0.0.0/22",
                "--horizon",
                "180d",
                "--output",
                "json",
                "--plot",
                str(chart),
            ]
        )
    assert left.value.code == 0
    out, error = capsys.readouterr()
    rows = json.loads(out)["rows"]
    assert [row["subnet"] for row in rows] == ["full", "soon", "calm"]
    assert [row["status"] for row in rows] == ["exhausted", "within horizon", "not within horizon"]
    assert rows[2]["date"] is None
    assert chart.read_bytes().startswith(b"\x89PNG")
    assert error == ""


# -- laws of the odds --------------------------------------------------------------------


@few
@given(
    histories, st.floats(0.9, 1.6), st.floats(1.0, 1.4), st.sampled_from(["addresses", "prefixes"])
)
def test_more_capacity_never_raises_the_odds_of_any_day(history, room, more, unit):
    capacity = history.max() * room
    small = forecast_exhaustion(history, capacity=capacity, horizon=40, unit=unit)
    large = forecast_exhaustion(history, capacity=capacity * more, horizon=40, unit=unit)
    assert (large.path["probability"] <= small.path["probability"]).all()
    assert (small.path["probability"].diff().dropna() >= 0).all()


@few
@given(histories, st.lists(st.floats(0.05, 0.99), min_size=2, max_size=4, unique=True))
def test_a_wider_level_contains_the_narrower_ones(history, levels):
    forecast = forecast_exhaustion(history, capacity=history.max() * 1.2, horizon=40, level=levels)
    path = forecast.path
    names = [f"{100 * share:g}" for share in forecast.levels]
    for inner, outer in itertools.pairwise(names):
        assert (path[f"lower_{outer}"] <= path[f"lower_{inner}"]).all()
        assert (path[f"upper_{outer}"] >= path[f"upper_{inner}"]).all()
    dates = forecast.dates["date"].fillna(pd.Timestamp.max.floor("D"))
    assert dates.is_monotonic_increasing


@few
@given(histories, st.floats(0.8, 1.5), st.floats(0.01, 0.99))
def test_the_date_is_when_the_probability_reaches_the_quantile(history, room, quantile):
    forecast = forecast_exhaustion(history, capacity=history.max() * room, horizon=60)
    date = forecast.date(quantile)
    if pd.isna(date):
        assert forecast.probability() < quantile
        assert forecast.days_left(quantile) == math.inf
    else:
        assert forecast.probability(date) >= quantile - 1e-9
        assert forecast.days_left(quantile) == (date - history.index[-1]).days
        if forecast.status != "exhausted":
            assert forecast.probability(date - pd.Timedelta(days=1)) < quantile


@few
@given(histories, st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata"]))
def test_a_zone_shifts_the_dates_and_nothing_else(history, zone):
    capacity = history.max() * 1.1
    plain = forecast_exhaustion(history, capacity=capacity, horizon=60)
    local = forecast_exhaustion(history.tz_localize(zone), capacity=capacity, horizon=60)
    assert (local.path["time"].dt.tz_localize(None) == plain.path["time"]).all()
    pd.testing.assert_frame_equal(local.path.drop(columns="time"), plain.path.drop(columns="time"))


# -- never, in plain values, and drawn ------------------------------------------------------


@pytest.fixture(scope="module")
def four():
    frame = pd.DataFrame(
        {"<calm>": 50.0, "soon": 100 + np.arange(60), "full": 200.0, "new": np.nan}
    )
    frame = frame.set_axis(pd.date_range(START, periods=60))
    return forecast_exhaustion(frame, capacity=200, horizon=90, unusable="report")


def test_never_is_told_from_no_forecast(four):
    words = four.dates.groupby("subnet")["answer"].unique().map(list).to_dict()
    assert words == {
        "<calm>": ["never"],
        "soon": ["date"],
        "full": ["exhausted"],
        "new": ["no forecast"],
    }
    assert four.days_left()["<calm>"] == math.inf
    assert math.isnan(four.days_left()["new"])
    assert list(four.to_pandas()["subnet"]) == ["full", "soon", "<calm>", "new"]


def test_the_document_is_strict_json(four):
    document = json.loads(four.to_json(), parse_constant=pytest.fail)
    assert document == four.to_dict()
    rows = {row["subnet"]: row for row in document["subnets"]}
    assert list(rows) == ["full", "soon", "<calm>", "new"]
    assert rows["soon"]["date"] == "2026-04-15T00:00:00"
    assert rows["<calm>"]["date"] is None
    assert rows["<calm>"]["days_left"] is None
    assert [x["answer"] for x in rows["<calm>"]["dates"]] == ["never"] * 5
    assert rows["soon"]["model"]["drift_per_day"] == pytest.approx(1)
    assert document["period"] == "1 day"
    assert {"clipped-history", "missing-values"} <= {x["code"] for x in document["findings"]}


def test_the_notebook_shows_words_and_whole_counts(four):
    html = four._repr_html_()
    assert "&lt;calm&gt;" in html
    assert "<calm>" not in html
    for word in ("now", "2026-04-15", "not within the horizon", "too little history", "later"):
        assert word in html
    assert "never" not in html
    assert "lower bounds" in html
    large = forecast_exhaustion(days(np.full(20, 12_345_678.0)), capacity=23_456_789)
    assert "12,345,678" in large._repr_html_()
    full = forecast_exhaustion(days(np.full(20, 12_345_678.0)), capacity=12_345_678)
    assert "12,345,678 of 12,345,678 addresses" in repr(full)


def test_a_chart_shows_capacity_interval_and_date(four):
    ax = four.plot("soon")
    labels = ax.get_legend_handles_labels()[1]
    assert {"peak used", "80 % interval", "95 % interval", "median", "capacity 200"} <= set(labels)
    assert "2026-04-15" in ax.get_title(loc="left")
    assert ax.get_ylim()[1] > 200
    with pytest.raises(InputError, match="too little history"):
        four.plot("new")


def test_bands_go_past_the_capacity_and_the_newest_step_is_marked():
    history = usage(2, 180, slope=1, noise=5, week=0)
    history.iloc[-2:] += 150
    ax = forecast_exhaustion(history, capacity=700, horizon=180).plot()
    bands = [x for x in ax.collections if "interval" in str(x.get_label())]
    assert max(x.get_datalim(ax.transData).y1 for x in bands) > 700
    assert ax.get_ylim()[1] > 750
    assert "newest step" in ax.get_legend_handles_labels()[1]


def test_an_explanation_says_why_and_what_would_change_it(four):
    words = four.explain("soon")
    for part in ("soon: 2026-04-15", "159 of 200", "41 are left", "follow", "would change it"):
        assert part in words
    assert four.explain() == four.explain("full")
    assert "no forecast" in four.explain("new")
    with pytest.raises(InputError, match="not a subnet"):
        four.explain("elsewhere")
    history = usage(2, 180, slope=1, noise=5, week=0)
    history.iloc[-2:] += 150
    assert "newest step" in forecast_exhaustion(history, capacity=700).explain()


def test_the_most_urgent_subnets_are_drawn_with_one_legend(four):
    figure = four.figure()
    assert [ax.get_title(loc="left").split(":")[0] for ax in figure.axes] == [
        "full",
        "soon",
        "<calm>",
    ]
    assert len(figure.legends) == 1
    assert "1 most urgent of 3" in four.figure(most=1).get_suptitle()
    with pytest.raises(InputError, match="most"):
        four.figure(most=0)


def test_a_capacity_that_changed_is_drawn_as_steps():
    frame = pd.DataFrame(
        {
            "time": days(np.arange(40)).index,
            "used": np.arange(40.0),
            "capacity": [50] * 20 + [90] * 20,
        }
    )
    ax = forecast_exhaustion(frame, horizon=20).plot()
    (limit,) = (x for x in ax.get_lines() if str(x.get_label()).startswith("capacity"))
    assert set(limit.get_ydata()) == {50, 90}
    assert limit.get_label() == "capacity 90"


def test_drift_that_is_only_rounding_is_none():
    forecast = forecast_exhaustion(days([37] * 40), capacity=60)
    assert forecast.to_pandas()["drift_per_day"].iloc[0] == 0


def test_a_forecast_survives_a_copy_by_pickle():
    import pickle

    forecast = forecast_exhaustion(usage(2, slope=2), capacity=600, horizon=60)
    assert pickle.loads(pickle.dumps(forecast)).to_dict() == forecast.to_dict()


def test_the_outcomes_that_the_docstring_names_are_the_findings_there_are():
    import re
    from pathlib import Path

    import eks_win_capacity.forecast as package

    table = forecast_exhaustion.__doc__.split("Notes")[1].split("References")[0]
    named = set(re.findall(r"``([a-z-]+)``", table))
    source = "".join(x.read_text("utf-8") for x in Path(package.__file__).parent.glob("*.py"))
    raised = set(re.findall(r'told\(\s*"([a-z-]+)"', source))
    raised |= set(re.findall(r'code="([a-z-]+)"', source))
    assert raised - named == {"event-beyond-horizon"}
    assert named - raised == {"exhausted", "timezone"}


def test_a_chart_is_one_of_pyplots_where_that_is_in_use():
    import subprocess
    import sys

    code = (
        "import matplotlib.pyplot as plt, pandas as pd, eks_win_capacity as ewc\n"
        "used = pd.Series(range(60), pd.date_range('2026-01-01', periods=60))\n"
        "made = ewc.forecast_exhaustion(used, capacity=90)\n"
        "assert made.plot() is plt.gca()\n"
        "plt.close('all')\n"
        "ax = made.plot(ax=plt.figure().add_subplot())\n"
        "assert len(plt.get_fignums()) == 1 and ax is plt.gca()\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_a_chart_outside_of_pyplot_is_nobodys_current_one():
    import subprocess
    import sys

    code = (
        "import sys, pandas as pd, eks_win_capacity as ewc\n"
        "used = pd.Series(range(60), pd.date_range('2026-01-01', periods=60))\n"
        "ewc.forecast_exhaustion(used, capacity=90).plot().figure.savefig('/dev/null', format='png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
