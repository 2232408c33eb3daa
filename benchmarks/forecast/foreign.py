"""
A second generator, which shares nothing with ``synthetic`` and on which nothing is chosen.

It counts pods: each subnet is a handful of deployments whose replicas follow what
people do to them. One window a series; a history of 100 to 400 days, 90 days ahead.

    autoscaling   replicas follow a load that grows, between a minimum and a maximum
    bluegreen     releases run both versions for one to three days
    migrations    deployments move in or out for good
    leaks         pods that are never freed pile up, until somebody restarts them
    prefixes      use comes in blocks of 16
    peaks         a sales week at two to three times the load, once or twice a year
    onboarding    next to nothing for months, then teams join week by week
    saturation    a roll-out that nears its end
    compound      replicas grow by a share every week
    ended         growth that has stopped
    newest        a deployment of the last one to three days, which stays or is rolled back
    churned       clusters that are built and torn down
"""

from __future__ import annotations

import numpy as np
from windows import Window

SUITES = (
    "autoscaling",
    "bluegreen",
    "migrations",
    "leaks",
    "prefixes",
    "peaks",
    "onboarding",
    "saturation",
    "compound",
    "ended",
    "newest",
    "churned",
)
AHEAD = 90


def _deployments(rng: np.random.Generator, days: int, growth: float) -> np.ndarray:
    """Replicas of a few deployments by day: each steps up or down by whole replicas."""
    total = np.zeros(days)
    for _ in range(int(rng.integers(3, 12))):
        start = int(rng.geometric(0.02)) + 3
        rate = growth * start / 30 * rng.gamma(2.0, 0.5)
        events = rng.poisson(abs(rate) + 0.03, days) * np.sign(rate + rng.normal(0, 0.05, days))
        total += np.maximum(start + np.cumsum(events), 1)
    return total


def _weekly(rng: np.random.Generator, days: int) -> np.ndarray:
    quiet = 1 - rng.beta(2, 6) * np.isin(np.arange(days) % 7, (5, 6))
    return quiet * rng.lognormal(0, rng.uniform(0.005, 0.04), days)


def _autoscaling(rng: np.random.Generator, days: int, now: int) -> np.ndarray:
    load = _deployments(rng, days, rng.uniform(0, 0.15)) * _weekly(rng, days)
    return np.clip(
        load * 1.3, np.quantile(load[:now], 0.05), load[:now].max() * rng.uniform(1.2, 3)
    )


def _bluegreen(rng: np.random.Generator, days: int, _: int) -> np.ndarray:
    pods = _deployments(rng, days, rng.uniform(0, 0.1))
    share = rng.uniform(0.1, 0.9)
    for day in np.flatnonzero(rng.random(days) < rng.uniform(0.01, 0.06)):
        pods[day : day + rng.integers(1, 4)] *= 1 + share
    return pods * _weekly(rng, days)


def _migrations(rng: np.random.Generator, days: int, now: int) -> np.ndarray:
    pods = _deployments(rng, days, rng.uniform(-0.02, 0.08))
    for day in rng.choice(days, int(rng.integers(1, 5)), replace=False):
        pods[day:] += rng.choice([1, 1, -1]) * pods[now - 1] * rng.uniform(0.1, 0.5)
    return np.maximum(pods, 2) * _weekly(rng, days)


def _leaks(rng: np.random.Generator, days: int, _: int) -> np.ndarray:
    pods = _deployments(rng, days, 0.0)
    leaked, leak = 0.0, pods[0] * rng.uniform(0.003, 0.02)
    period = rng.uniform(25, 90)
    for day in range(days):
        leaked = 0.0 if rng.random() < 1 / period else leaked + rng.poisson(leak)
        pods[day] += leaked
    return pods * _weekly(rng, days)


def _prefixes(rng: np.random.Generator, days: int, _: int) -> np.ndarray:
    pods = _deployments(rng, days, rng.uniform(0.02, 0.12)) * _weekly(rng, days)
    return 16 * np.ceil(np.maximum.accumulate(pods - 0.1 * pods[0]) / 16)


def _peaks(rng: np.random.Generator, days: int, _: int) -> np.ndarray:
    pods = _deployments(rng, days, rng.uniform(0, 0.08)) * _weekly(rng, days)
    for day in rng.choice(days, int(rng.integers(1, 3)), replace=False):
        pods[day : day + 8] *= rng.uniform(1.5, 3)
    return pods


def _onboarding(rng: np.random.Generator, days: int, now: int) -> np.ndarray:
    since = now - int(rng.integers(15, 70))
    joined = rng.poisson(rng.uniform(0.5, 6), days) * (np.arange(days) >= since)
    return (rng.integers(0, 6) + joined.cumsum()) * _weekly(rng, days)


def _saturation(rng: np.random.Generator, days: int, now: int) -> np.ndarray:
    left = np.exp(
        -np.maximum(np.arange(days) - now + rng.integers(20, 160), 0) / rng.uniform(15, 60)
    )
    return (20 + rng.uniform(50, 900) * (1 - left)) * _weekly(rng, days)


def _compound(rng: np.random.Generator, days: int, _: int) -> np.ndarray:
    weekly = rng.uniform(0.02, 0.14, days // 7 + 1).repeat(7)[:days]
    mean = rng.uniform(0.5, 1.0)
    return rng.uniform(20, 90) * np.exp(np.cumsum(np.log1p(weekly * mean) / 7)) * _weekly(rng, days)


def _ended(rng: np.random.Generator, days: int, now: int) -> np.ndarray:
    stop = now - int(rng.integers(7, 75))
    rate = rng.uniform(0.5, 5)
    joined = np.cumsum(rng.poisson(rate, days) * (np.arange(days) < stop))
    return (40 + joined) * _weekly(rng, days)


def _newest(rng: np.random.Generator, days: int, now: int) -> np.ndarray:
    pods = _deployments(rng, days, rng.uniform(0, 0.06)) * _weekly(rng, days)
    begun = now - int(rng.integers(1, 4))
    stays = rng.random() < 0.5
    pods[begun : None if stays else now + int(rng.integers(0, 4))] += pods[begun] * rng.uniform(
        0.1, 0.8
    )
    return pods


def _churned(rng: np.random.Generator, days: int, _: int) -> np.ndarray:
    pods = _deployments(rng, days, rng.uniform(-0.02, 0.06))
    day = 0
    while day < days:
        alive = int(rng.exponential(40)) + 5
        pods[day : day + alive] += rng.geometric(0.03)
        day += alive + int(rng.exponential(30))
    return pods * _weekly(rng, days)


_RECIPES = dict(
    zip(
        SUITES,
        (
            _autoscaling,
            _bluegreen,
            _migrations,
            _leaks,
            _prefixes,
            _peaks,
            _onboarding,
            _saturation,
            _compound,
            _ended,
            _newest,
            _churned,
        ),
        strict=True,
    )
)


def windows(suite: str, count: int, *, seed: int) -> list[Window]:
    """Windows of one suite, each of a series of its own; the same for the same seed."""
    rng = np.random.default_rng([seed, 77, SUITES.index(suite)])
    out = []
    for number in range(count):
        now = int(rng.integers(100, 401))
        pods = np.maximum(np.round(_RECIPES[suite](rng, now + AHEAD, now)), 0)
        history = pods[:now]
        # A subnet that is between nearly full and half empty.
        limit = (
            np.ceil(max(history[-30:].max(), 1) * (1 + rng.choice([0.03, 0.1, 0.25, 0.6, 1.2]))) + 1
        )
        out.append(Window(suite, history, pods[now:], float(limit), 7, series=str(number)))
    return out
