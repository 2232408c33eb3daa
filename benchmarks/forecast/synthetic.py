"""
A generator of subnet usage, one kind of trouble a suite.

Every series is the demand for addresses of one subnet::

    level    a base of 50 to 2,000 addresses, and a growth of -10 to 150 % a year
    wander   a random walk of the level, 0 to 0.6 % of the base a day
    week     weekends at 60 to 100 % of weekdays, and a small weekday pattern
    noise    AR(1), memory 0 to 0.7, deviation 1 to 5 % of the level
    ramps    the growth changes two to five times a year
    steps    three to eight deployments a year, each 3 to 20 % of the base, most upwards
    dirt     1 to 3 % outliers (half to twice the value) and gaps of 1 to 14 days
    spikes   1 to 3 % of days with 1.2 to 2 times the value, which go on in the future
    limit    for `saturated`, an older, lower limit that clipped part of the history
    mixed    hours, not days: a daily season, bursts of Poisson noise, growth that is straight,
             compound or levels off, and steps, spikes, gaps and a weekly season, each with a
             chance of a half; the limit is that of a /24 to /20 where one fits
    bent     growth that is idle first, ends, is compound, or levels off
    newest   a step of 5 to 60 % one to five days before the end, which stays in six cases of ten
    regimes  pods join and leave by the piece, at a rate that is drawn anew every 20 to 150 days,
             in the future too; in four cases of ten the new rate is none
    blocks   whole nodes of 4 to 64 pods: one is added when the last is full, and goes only after
             it was empty for some days
    rates    a share of itself is added each day, which wanders about a mean of -0.2 to 1.5 %
    surges   up to four times a year, for 1 to 14 days, 1.2 to 3 times as much
    sales    weeks that rise to 1.3 to 4 times as much and fall again, one to three times a year
    batches  nearly idle, then teams come by the dozen, at a rate that grows, lasts or wears off
    halted   pods that join one by one until, some weeks ago, they do not; one in six starts again
    stairs   whole /28s that are never given back
    campaigns  every 40 to 200 days about, for 3 to 14 days, much the same height
    rollouts idle, then a rate that lasts or ends after some months
    viral    growth by a share that is drawn anew every four weeks
    drip     a leak that restarts undo, at regular times or by chance
    racks    units of 8 to 32 that are kept for a day, a week, a month or for good
    settled  growth, straight or slowing down, that stopped 5 to 110 days ago
    dormant  never changed, or once; a third wakes in the future
    tenants  come at random, with heavy-tailed sizes, and most of them leave
    packs    units of 8 to 32 that pods fill one by one, so that 6 to 60 days pass from one to the next
    packed   the same, but no pod has come for 5 to 150 days; one in six starts again
    ceased   straight, slowing, compound or jumping growth that ended 20 to 150 days ago; one in
             eight starts again

The limit of a window lies so far above the level that steady growth would reach
it between 0.2 and 2 horizons from its end: about half of the windows run dry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable

SUITES = (
    "steady",
    "ramps",
    "steps",
    "dirty",
    "saturated",
    "short",
    "spikes",
    "mixed",
    "bent",
    "newest",
    "regimes",
    "blocks",
    "surges",
    "rates",
    "sales",
    "batches",
    "halted",
    "stairs",
    "campaigns",
    "rollouts",
    "viral",
    "drip",
    "racks",
    "settled",
    "dormant",
    "tenants",
    "packs",
    "packed",
    "ceased",
)
"""Suites in the order of their random streams: a new one comes last."""

HORIZON = 90


def series(rng: np.random.Generator, kind: str, days: int) -> tuple[np.ndarray, float]:
    """Give the demand of each day, unclipped, and the growth a day that is expected."""
    base = np.exp(rng.uniform(np.log(50), np.log(2000)))
    slope = base * rng.uniform(-0.1, 1.5) / 365
    slopes = np.full(days, slope)
    if kind == "ramps":
        for at in rng.integers(0, days, rng.integers(2, 6)):
            slopes[at:] = base * rng.uniform(-0.4, 2.0) / 365
    level = base + slopes.cumsum()
    level = level + (rng.normal(0, base * rng.uniform(0, 0.006), days)).cumsum()
    if kind == "steps":
        for at in rng.integers(0, days, rng.integers(3, 9) * days // 365 + 1):
            level[at:] += base * rng.uniform(0.03, 0.2) * (1 if rng.random() < 0.75 else -1)
    level = np.maximum(level, base * 0.1)
    week = np.ones(7)
    week[5:] = rng.uniform(0.6, 1.0)
    week *= 1 + rng.normal(0, 0.02, 7)
    noise = np.zeros(days)
    memory, deviation = rng.uniform(0, 0.7), rng.uniform(0.01, 0.05)
    shocks = rng.normal(0, deviation * np.sqrt(1 - memory**2), days)
    for day in range(1, days):
        noise[day] = memory * noise[day - 1] + shocks[day]
    phase = rng.integers(7)
    demand = level * week[(np.arange(days) + phase) % 7] * (1 + noise)
    return np.maximum(np.round(demand), 0), float(slopes[-1])


def hourly_peaks(rng: np.random.Generator, days: int) -> tuple[np.ndarray, float]:
    """Give daily peaks of an hourly demand that has some of every trouble."""
    base = np.exp(rng.uniform(np.log(40), np.log(2500)))
    at = np.arange(days * 24) / 24
    yearly = rng.choice([rng.uniform(-0.2, 0.3), rng.uniform(0.2, 1.5), rng.uniform(1.0, 3.0)])
    kind = rng.integers(3)
    if kind == 0:
        level = base * (1 + yearly * at / 365)
    elif kind == 1:
        level = base * np.exp(np.log1p(max(yearly, -0.5)) * at / 365)
    else:
        middle, width = rng.uniform(0.2, 1.1) * days, rng.uniform(15, 60)
        level = base * (1 + abs(yearly) / (1 + np.exp(-(at - middle) / width)))
    chance = rng.random(4) < 0.5
    if chance[0]:
        for moment in rng.uniform(0, days, rng.integers(1, 5)):
            level[at >= moment] += base * rng.choice([-0.15, 0.05, 0.1, 0.25])
    day = 1 + rng.uniform(0, 0.5) * np.maximum(np.sin(2 * np.pi * (at - rng.random())), -0.5)
    week = np.ones(7)
    if chance[1]:
        week[5:] = rng.uniform(0.5, 0.95)
    demand = np.maximum(level, 5) * day * week[(at.astype(int) + rng.integers(7)) % 7]
    burst = rng.uniform(1, 8)
    peaks = (burst * rng.poisson(demand / burst)).reshape(days, 24).max(axis=1)
    if chance[2]:
        odd = rng.random(days) < rng.uniform(0.003, 0.015)
        peaks = np.where(odd, peaks * rng.uniform(1.2, 1.8, days), peaks)
    return np.round(peaks), float((level[-1] - level[-25 * 28]) / 28)


def _mixed(rng: np.random.Generator) -> Window:
    known = int(rng.integers(60, 366))
    peaks, _ = hourly_peaks(rng, known + HORIZON)
    history, future = peaks[:known].copy(), peaks[known:]
    fits = [2**k - 5 for k in range(8, 13) if 2**k - 5 > history[-14:].max()]
    limit = float(fits[0]) if fits else np.inf
    if not history[-7:].mean() * 2 > limit:
        limit = float(np.ceil(history[-14:].max() * (1 + rng.uniform(0.02, 0.5))))
    if rng.random() < 0.5:
        for start in rng.integers(0, known - 8, rng.integers(1, 4)):
            history[start : start + rng.integers(1, 7)] = np.nan
    return Window("mixed", history, future, limit, 7)


def _bent(rng: np.random.Generator) -> Window:
    known = int(rng.integers(90, 366))
    at = np.arange(known + HORIZON, dtype=float)
    base, top = np.exp(rng.uniform(np.log(50), np.log(600))), rng.uniform(0.5, 4.0)
    form = rng.integers(4)
    if form == 0:
        since = known - rng.integers(14, 80)
        level = base * rng.choice([0.05, 0.3, 1.0]) + base * top * np.maximum(at - since, 0) / 60
    elif form == 1:
        ended = known - rng.integers(7, 90)
        level = base * (1 + top * np.minimum(at, ended) / 90)
    elif form == 2:
        level = base * 2 ** (at / rng.uniform(40, 200))
    else:
        middle = known - rng.uniform(-30, 90)
        level = base * (1 + 2 * top / (1 + np.exp(-(at - middle) / rng.uniform(8, 40))))
    level = level * (1 + rng.uniform(0, 0.2) * (at % 7 < 5))
    demand = np.maximum(np.round(level * (1 + rng.normal(0, rng.uniform(0.005, 0.05), len(at)))), 0)
    history, future = demand[:known], demand[known:]
    limit = max(history[-14:].max(), history.max()) * (1 + rng.uniform(0.02, 1.0)) + 2
    return Window("bent", history, future, float(np.ceil(limit)), 7)


def _newest(rng: np.random.Generator) -> Window:
    known = int(rng.choice([150, 240, 365]))
    demand, _ = series(rng, "steady", known + HORIZON)
    begun = known - int(rng.integers(1, 6))
    ended = None if rng.random() < 0.6 else known + int(rng.integers(0, 5))
    demand[begun:ended] += np.round(demand[begun] * rng.uniform(0.05, 0.6))
    history, future = demand[:known], demand[known:]
    limit = np.ceil(history.max() * (1 + rng.uniform(0.01, 0.3)) + 1)
    return Window("newest", history, future, float(limit), 7)


def _regime(rng: np.random.Generator, days: int, base: float) -> np.ndarray:
    """Level that grows by whole pods, at rates that hold for some weeks."""
    rate, left = np.zeros(days), 0
    for day in range(days):
        if left == 0:
            left = int(rng.integers(20, 151))
            now = 0.0 if rng.random() < 0.4 else base * rng.gamma(1.0, 0.004)
            sign = -1 if rng.random() < 0.15 else 1
        rate[day], left = sign * now, left - 1
    return np.maximum(base + (np.sign(rate) * rng.poisson(np.abs(rate))).cumsum(), 3)


def _week_and_noise(rng: np.random.Generator, level: np.ndarray, noise: float) -> np.ndarray:
    week = np.ones(7)
    week[5:] -= rng.choice([0.0, rng.uniform(0.05, 0.5)])
    return np.round(level * week[np.arange(len(level)) % 7] * rng.lognormal(0, noise, len(level)))


def _headroom(rng: np.random.Generator, kind: str, demand: np.ndarray, known: int) -> Window:
    """Window whose limit lies 2 to 150 % above the peak of the last month."""
    history, future = demand[:known], demand[known:]
    limit = max(history[-28:].max(), 1) * (1 + np.exp(rng.uniform(np.log(0.02), np.log(1.5)))) + 1
    return Window(kind, history, future, float(np.ceil(limit)), 7)


def _regimes(rng: np.random.Generator) -> Window:
    known = int(rng.integers(60, 400))
    level = _regime(rng, known + HORIZON, np.exp(rng.uniform(np.log(20), np.log(800))))
    return _headroom(
        rng, "regimes", _week_and_noise(rng, level, rng.choice([0.0, 0.01, 0.04])), known
    )


def _blocks(rng: np.random.Generator) -> Window:
    known = int(rng.integers(60, 400))
    level = _regime(rng, known + HORIZON, np.exp(rng.uniform(np.log(20), np.log(400))))
    pods = _week_and_noise(rng, level, rng.uniform(0.0, 0.04))
    size, patience = int(rng.choice([4, 8, 16, 30, 64])), int(rng.integers(1, 15))
    nodes = np.ceil(pods / size)
    # A node goes once none of the last days needed it.
    kept = np.array([nodes[max(day - patience, 0) : day + 1].max() for day in range(len(nodes))])
    return _headroom(rng, "blocks", size * kept, known)


def _surges(rng: np.random.Generator) -> Window:
    known = int(rng.integers(90, 400))
    demand, _ = series(rng, "steady", known + HORIZON)
    for day in np.flatnonzero(rng.random(len(demand)) < rng.uniform(0, 4) / 365):
        demand[day : day + rng.integers(1, 15)] *= rng.uniform(1.2, 3)
    return _headroom(rng, "surges", np.round(demand), known)


def _rates(rng: np.random.Generator) -> Window:
    known = int(rng.integers(90, 400))
    mean, memory = rng.uniform(-0.002, 0.015), np.exp(-1 / rng.uniform(5, 60))
    rate, shock = np.full(known + HORIZON, mean), abs(mean) * rng.uniform(0, 1.5)
    for day in range(1, len(rate)):
        rate[day] += memory * (rate[day - 1] - mean)
        rate[day] += rng.normal(0, shock * np.sqrt(1 - memory**2))
    level = rng.uniform(20, 200) * np.exp(rate.cumsum() - min(rate[:known].sum(), 0))
    return _headroom(rng, "rates", _week_and_noise(rng, level, rng.uniform(0.0, 0.04)), known)


def _sales(rng: np.random.Generator) -> Window:
    known = int(rng.integers(90, 450))
    level = _regime(rng, known + HORIZON, np.exp(rng.uniform(np.log(30), np.log(800))))
    for start in np.flatnonzero(rng.random(len(level)) < rng.uniform(1, 3) / 365):
        rise, stay, fall = rng.integers(1, 5), rng.integers(2, 12), rng.integers(1, 8)
        shape = np.r_[np.linspace(0, 1, rise + 1)[1:], np.ones(stay), np.linspace(1, 0, fall + 1)]
        here = level[start : start + len(shape)]
        here *= 1 + rng.uniform(0.3, 3.0) * shape[: len(here)]
    return _headroom(rng, "sales", _week_and_noise(rng, level, rng.uniform(0.0, 0.05)), known)


def _batches(rng: np.random.Generator) -> Window:
    known = int(rng.integers(60, 400))
    since = known - int(rng.integers(8, min(known - 10, 100)))
    days = np.maximum(np.arange(known + HORIZON) - since, 0)
    bend = 1 + rng.choice([0.0, 0.0, 1.0, -1.0]) * np.minimum(days / rng.uniform(60, 200), 1)
    joins = rng.poisson(bend / rng.uniform(1, 10)) * (days > 0)
    teams = np.array([rng.geometric(1 / 12, n).sum() for n in joins]) * rng.choice([1, 1, 3])
    level = rng.integers(0, 30) + teams.cumsum()
    return _headroom(rng, "batches", _week_and_noise(rng, level, rng.uniform(0.0, 0.05)), known)


def _halted(rng: np.random.Generator) -> Window:
    known = int(rng.integers(90, 400))
    ended = known - int(rng.integers(5, 100))
    again = known + int(rng.integers(HORIZON)) if rng.random() < 1 / 6 else known + HORIZON
    day = np.arange(known + HORIZON)
    rate = np.exp(rng.uniform(np.log(0.2), np.log(8))) * ((day < ended) | (day >= again))
    level = np.exp(rng.uniform(np.log(10), np.log(300))) + rng.poisson(rate).cumsum()
    return _headroom(rng, "halted", _week_and_noise(rng, level, rng.uniform(0.0, 0.04)), known)


def _stairs(rng: np.random.Generator) -> Window:
    known = int(rng.integers(60, 400))
    level = _regime(rng, known + HORIZON, np.exp(rng.uniform(np.log(20), np.log(600))))
    pods = _week_and_noise(rng, level, rng.uniform(0.0, 0.05))
    return _headroom(rng, "stairs", 16 * np.ceil(np.maximum.accumulate(pods) / 16), known)


def _uneven(rng: np.random.Generator, days: int, low: float, high: float) -> np.ndarray:
    """Weekends and noise that a level is multiplied by."""
    depth, phase = rng.choice([0, 0, 0.1, 0.25, 0.4]), rng.integers(7)
    weekend = (np.arange(days) + phase) % 7 >= 5
    return (1 - depth * weekend) * np.exp(rng.uniform(low, high) * rng.standard_normal(days))


def _campaigns(rng: np.random.Generator, days: int, _: int) -> np.ndarray:
    level = rng.uniform(30, 900) * (1 + rng.uniform(-0.1, 0.8) * np.arange(days) / 365)
    gap, height = rng.uniform(40, 200), rng.uniform(0.25, 1.6)
    at = rng.uniform(0, gap)
    while at < days:
        level[int(at) : int(at) + rng.integers(3, 15)] *= 1 + height * rng.uniform(0.6, 1.4)
        at += gap * rng.uniform(0.5, 1.5)
    return level * _uneven(rng, days, 0.01, 0.05)


def _rollouts(rng: np.random.Generator, days: int, known: int) -> np.ndarray:
    since = np.maximum(np.arange(days) - known + rng.integers(10, 90), 0)
    rate, lasts = rng.uniform(0.3, 8), rng.choice([1e9, 60, 120, 200])
    wander = (rng.standard_normal(days) * np.sqrt(rate) * (since > 0)).cumsum()
    level = rng.uniform(1, 40) + np.maximum(np.minimum(since, lasts) * rate + wander, 0)
    return level * _uneven(rng, days, 0.0, 0.04)


def _viral(rng: np.random.Generator, days: int, _: int) -> np.ndarray:
    share = rng.uniform(0.001, 0.012) * rng.gamma(3, 1 / 3, days // 28 + 1).repeat(28)[:days]
    return rng.uniform(15, 120) * np.exp(share.cumsum()) * _uneven(rng, days, 0.005, 0.05)


def _drip(rng: np.random.Generator, days: int, _: int) -> np.ndarray:
    base, often = rng.uniform(40, 700), rng.uniform(20, 110)
    leak, regular, after = base * rng.uniform(0.002, 0.015), rng.random() < 0.4, 0.0
    leaked, restart = np.zeros(days), rng.uniform(0, often)
    for day in range(days):
        if day >= restart:
            after *= rng.choice([0, 0, 0.2])
            restart = day + (often * rng.uniform(0.8, 1.2) if regular else rng.exponential(often))
        after += rng.gamma(2, leak / 2)
        leaked[day] = after
    level = base * (1 + rng.uniform(0, 0.3) * np.arange(days) / 365) + leaked
    return level * _uneven(rng, days, 0.003, 0.03)


def _racks(rng: np.random.Generator, days: int, _: int) -> np.ndarray:
    unit, keep = rng.choice([8, 16, 16, 16, 32]), int(rng.choice([1, 7, 30, 10_000]))
    level = rng.uniform(20, 500) * (1 + rng.uniform(-0.2, 1) * np.arange(days) / 365)
    level += rng.standard_normal(days).cumsum() * rng.uniform(0, 2)
    units = unit * np.ceil(np.maximum(level, 1) * _uneven(rng, days, 0.0, 0.05) / unit)
    return np.array([units[max(day - keep, 0) : day + 1].max() for day in range(days)])


def _settled(rng: np.random.Generator, days: int, known: int) -> np.ndarray:
    rate = rng.uniform(0.2, 6)
    grown = np.minimum(np.arange(days), known - rng.integers(5, 110)).astype(float)
    if rng.random() < 0.4:
        grown = known * (1 - np.exp(-grown / (known * rng.uniform(0.2, 0.6))))
    wave = rng.uniform(0, 0.02) * known * np.sin(np.arange(days) / rng.uniform(5, 20))
    return (rng.uniform(20, 200) + rate * (grown + wave)) * _uneven(rng, days, 0.0, 0.05)


def _dormant(rng: np.random.Generator, days: int, known: int) -> np.ndarray:
    level = np.full(days, float(rng.integers(2, 300)))
    if rng.random() < 0.4:
        level[rng.integers(0, known - 5) :] += rng.integers(1, 20)
    wakes = known + int(rng.integers(HORIZON)) if rng.random() < 0.35 else days
    kind = rng.integers(3)
    if kind == 0:
        level[wakes:] += np.ceil(level[0] * rng.uniform(0.05, 1.5))
    elif kind == 1:
        level[wakes:] += np.arange(days - wakes) * rng.uniform(0.2, 5)
    else:
        level[wakes : wakes + rng.integers(1, 10)] *= rng.uniform(1.1, 3)
    return level


def _tenants(rng: np.random.Generator, days: int, _: int) -> np.ndarray:
    level, often = np.full(days, rng.uniform(10, 200)), rng.uniform(0.01, 0.15)
    for day in np.flatnonzero(rng.random(days) < often):
        stays = int(rng.exponential(rng.choice([30, 120, 10_000]))) + 2
        level[day : day + stays] += np.ceil(3 * rng.pareto(1.5) + 1)
    return level * _uneven(rng, days, 0.0, 0.03)


def _kept(recipe: Callable[..., np.ndarray]) -> Callable[[np.random.Generator], Window]:
    """Windows of a recipe of demand, whose limit lies 3 to 120 % above the last three weeks."""

    def window(rng: np.random.Generator) -> Window:
        known = int(rng.integers(80, 430))
        demand = np.maximum(np.rint(recipe(rng, known + HORIZON, known)), 0)
        room = np.exp(rng.uniform(np.log(0.03), np.log(1.2)))
        limit = np.ceil(max(demand[known - 21 : known].max(), 1) * (1 + room)) + 1
        name = recipe.__name__.lstrip("_")
        return Window(name, demand[:known], demand[known:], float(limit), 7)

    return window


def _in_units(rng: np.random.Generator, kind: str, *, halts: bool) -> Window:
    """Units that come as pods fill them and stay; the limit is one to eight units away."""
    known = int(rng.integers(80, 420))
    unit, gap = int(rng.choice([8, 16, 16, 32])), np.exp(rng.uniform(np.log(6), np.log(60)))
    joins = rng.poisson(unit / gap, known + HORIZON)
    if rng.random() < 0.5:
        # A plan, not chance: the same pods every day, on average.
        joins = np.diff(np.floor(rng.random() + np.arange(known + HORIZON + 1) * unit / gap))
    if halts:
        again = known + int(rng.integers(HORIZON)) if rng.random() < 1 / 6 else known + HORIZON
        joins[known - int(rng.integers(5, min(150, known - 30))) : again] = 0
    units = np.ceil((rng.integers(0, 20 * unit) + joins.cumsum()) / unit) + rng.integers(2)
    limit = unit * (units[known - 1] + rng.integers(1, 9)) + rng.integers(0, unit) - unit / 2
    return Window(kind, unit * units[:known], unit * units[known:], float(limit), 7)


def _packs(rng: np.random.Generator) -> Window:
    return _in_units(rng, "packs", halts=False)


def _packed(rng: np.random.Generator) -> Window:
    return _in_units(rng, "packed", halts=True)


def _ceased(rng: np.random.Generator, days: int, known: int) -> np.ndarray:
    ended = known - int(rng.integers(20, min(150, known - 25)))
    at, base, rate = np.arange(days), rng.uniform(20, 400), rng.uniform(0.3, 6)
    kind = rng.integers(4)
    if kind == 0:
        level = base + rate * at
    elif kind == 1:
        level = base + rate * ended * (1 - np.exp(-at / (ended * rng.uniform(0.3, 0.8))))
    elif kind == 2:
        level = base * np.exp(np.log(rng.uniform(1.5, 6)) * at / ended)
    else:
        often = rng.uniform(0.03, 0.3)
        level = base + (rng.poisson(rate / often, days) * (rng.random(days) < often)).cumsum()
    index = np.minimum(at, ended)
    if rng.random() < 1 / 8:
        again = known + int(rng.integers(HORIZON))
        index[again:] = ended + np.arange(days - again)
    return level[index] * _uneven(rng, days, 0.0, rng.choice([0.0, 0.01, 0.04]))


_RECIPES = {
    "mixed": _mixed,
    "bent": _bent,
    "newest": _newest,
    "regimes": _regimes,
    "blocks": _blocks,
    "surges": _surges,
    "rates": _rates,
    "sales": _sales,
    "batches": _batches,
    "halted": _halted,
    "stairs": _stairs,
    "campaigns": _kept(_campaigns),
    "rollouts": _kept(_rollouts),
    "viral": _kept(_viral),
    "drip": _kept(_drip),
    "racks": _kept(_racks),
    "settled": _kept(_settled),
    "dormant": _kept(_dormant),
    "tenants": _kept(_tenants),
    "packs": _packs,
    "packed": _packed,
    "ceased": _kept(_ceased),
}


def windows(kind: str, count: int, *, seed: int = 20260401) -> list[Window]:
    """Draw windows of one suite; the same for the same seed."""
    rng = np.random.default_rng([seed, SUITES.index(kind)])
    out = []
    for _ in range(count):
        if kind in _RECIPES:
            out.append(_RECIPES[kind](rng))
            continue
        known = int(rng.integers(45, 90)) if kind == "short" else int(rng.choice([150, 240, 365]))
        demand, slope = series(rng, kind, known + HORIZON)
        history, future = demand[:known].copy(), demand[known:]
        now = np.median(history[-7:])
        share = rng.uniform(0.2, 2.0)
        spread = 1.4826 * np.median(np.abs(np.diff(history, n=1)))
        limit = (
            max(history[-14:].max(), now + max(slope, 0) * HORIZON * share)
            + rng.uniform(0, 1) * spread
        )
        limit = float(np.ceil(limit + 1))
        if kind == "saturated":
            # The limit was lower until it was raised some weeks ago.
            raised = known - int(rng.integers(5, 60))
            old = np.quantile(history[:raised], rng.uniform(0.75, 0.97))
            history[:raised] = np.minimum(history[:raised], np.floor(old))
            limits = np.full(known, limit)
            limits[:raised] = np.floor(old)
            out.append(Window(kind, history, future, limit, 7, past_limits=limits))
            continue
        if kind == "spikes":
            odd = rng.random(len(demand)) < rng.uniform(0.01, 0.03)
            demand = np.where(odd, np.round(demand * rng.uniform(1.2, 2.0, len(demand))), demand)
            history, future = demand[:known].copy(), demand[known:]
            limit = max(limit, history[-14:].max() + 1)
        if kind == "dirty":
            odd = rng.random(known) < rng.uniform(0.01, 0.03)
            history[odd] = np.round(history[odd] * rng.choice([0.5, 0.3, 1.5, 2.0], odd.sum()))
            for at in rng.integers(0, known - 20, rng.integers(1, 4)):
                history[at : at + rng.integers(1, 15)] = np.nan
            history = np.minimum(history, limit - 1)
        out.append(Window(kind, history, future, limit, 7))
    return out
