"""Which futures are possible for many series: sample paths, and the dates and intervals in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity.core.values import same_values
from eks_win_capacity.forecast.learning import MONTH, VIEWS, exact, normal_quantile
from eks_win_capacity.forecast.periods import DAYS_PER_YEAR
from eks_win_capacity.forecast.smoothing import stacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eks_win_capacity.forecast.history_parts import Calendar
    from eks_win_capacity.forecast.learning import Learned

    Floats = NDArray[np.float64]
    Found = list[tuple[NDArray[np.intp], Floats]]
    Singles = NDArray[np.float32]
    Places = NDArray[np.int32]

RECURS = 0.6
"""Share of paths in which past outliers, which may have been errors, recur."""

_LOGARITHM = 1
"""Index of the view whose paths are logarithms."""

_MOST = float(np.log(1e4))
"""Maximum of the logarithm of a path, relative to the usual level."""

_SURPRISES = 0.5
_SEEN_YEARS = 2.0
"""
Prior of the rate of surprises: this number of surprises in this number of years.

A surprise is an event unlike the history: a launch, a migration, a sale. Each year of
history without one makes it less likely.
"""

_SURPRISE = (0.5, 1.2)
"""Size of a surprise as a share of the level: median, and standard deviation of its logarithm."""

_SHRUNK_YEARS = 0.25
"""Years without surges added to a history, to shrink rates estimated from few surges."""

_STEPPED = 0.5
"""Share of the paths of a stepped series that continue with changes drawn from its past."""

_HALF_LIFE_YEARS = 0.25
"""Age at which a past change is drawn half as often. [years]"""

_DRAWN = 0.3
"""Weight of the drawn size of a surprise, in newest steps that have been seen."""

_HEIGHTS = 0.4
"""Standard deviation of the logarithm of a surge's height around the mean of the past."""

_UPWARD, _STAYS, _PASSES = 0.75, 0.5, 5.0
"""Share of surprises that add use, share that stay, and mean duration of the others in days."""

_EVENLY = 1.1347241384015194 ** -np.arange(1.0, 6.0)
"""Steps of a low-discrepancy sequence in five dimensions: powers of the root of x**6 = x + 1."""

_BEGINS = 0.75
"""Start of the sequence, with the right share of large surprises among its first points."""

_STILL = 0.01
"""Size of a change in a constant history as a share of its level; at least one address."""

_TOLERANCE = 1e-6
"""Tolerance of the capacity for rounding in single precision, as a share."""


@dataclass(frozen=True)
class Draws:
    """
    Random numbers of a forecast, drawn once and shared by all series.

    So the forecast of one series never depends on the others in the same call.
    """

    model: Floats
    parameter: Floats
    innovation: Singles
    jump: Floats
    size: Floats
    rate: Floats
    recurs: Singles
    stays: Floats
    surprise: Floats
    surprised: Singles
    begin: Floats
    lasts: Floats
    height: Floats
    mostly: Floats
    year: float

    @classmethod
    def of(cls, seed: int, *, paths: int, horizon: int, year: float) -> Draws:
        """Draws for all paths and periods; parameters are evenly spaced quantiles, not random."""
        rng = np.random.default_rng(seed)
        spread = (np.arange(paths) + 0.5) / paths
        normal = normal_quantile(spread)
        surprise, day = rng.permutation(spread), year / DAYS_PER_YEAR
        return cls(
            model=rng.permutation(spread),
            parameter=np.stack([rng.permutation(normal), rng.permutation(normal)]),
            innovation=rng.random((horizon, paths), dtype=np.float32),
            jump=rng.random((horizon, paths)),
            size=rng.random((horizon, paths)),
            rate=rng.permutation(normal),
            recurs=(rng.permutation(spread) < RECURS).astype(np.float32),
            stays=rng.permutation(spread),
            surprise=surprise,
            surprised=_surprised(surprise * paths - 0.5, horizon=horizon, day=day),
            begin=-np.log(rng.permutation(spread)),
            lasts=rng.geometric(1 / max(_PASSES * day, 1.0), size=paths).astype(float),
            height=np.exp(_HEIGHTS * rng.permutation(normal)),
            mostly=rng.permutation(spread),
            year=year,
        )


def _surprised(order: Floats, *, horizon: int, day: float) -> Singles:
    """Change of each period by the surprise of each path, as a share of the level."""
    middle, spread = _SURPRISE
    # Low discrepancy: even if few paths have a surprise, their surprises are representative.
    even = (_BEGINS + np.outer(_EVENLY, order)) % 1.0
    size = middle * np.exp(spread * normal_quantile(even[0]))
    # Use cannot fall below 0.
    size = np.where(even[1] < _UPWARD, size, -np.minimum(size, 0.9))
    begin = np.floor(even[2] * horizon)
    lasts = np.ceil(-np.log(even[4]) * max(_PASSES * day, 1.0))
    end = np.where(even[3] < _STAYS, horizon, begin + lasts)
    step = np.arange(horizon)[:, None]
    return np.where((step >= begin) & (step < end), size, 0.0).astype(np.float32)


def simulate(learned: Learned, draws: Draws) -> Singles:
    """
    Sample paths, (horizon, series, paths), unclipped, in units of the history.

    The part common to all paths of a series is computed in double precision, and differences
    from it in single precision, which is twice as fast.
    """
    parts, view, middle = _dealt(learned, draws)
    level, growth, fading, sigma, alpha, phi, gamma = parts
    beta, day, horizon = 1 - alpha, learned.day, len(draws.innovation)
    logs = np.flatnonzero(view == _LOGARITHM)
    of_logs = logs // view.shape[1]
    line = middle[:, :1] + middle[:, 1:] * np.arange(1, horizon + 1)
    pool, extra, size, first = _innovations(learned, view)
    factor = (learned.parts.season.future_factor * learned.scale[:, None]).T
    term = (learned.parts.season.future_term * learned.scale[:, None]).T
    happens = _happenings(learned, draws)
    struck, surprise = _surprise(learned, draws)
    stepped, chosen = _stepped(learned, draws, line)
    out = np.empty((horizon, *level.shape), dtype=np.float32)
    error, scratch, pick = np.empty_like(level), np.empty_like(level), np.empty_like(first)
    for step in range(horizon):
        here = out[step]
        # The periods of a day are drawn together, because their errors are correlated.
        hour = step % day
        np.multiply(draws.innovation[step - hour], size, out=pick, casting="unsafe")
        if day > 1:
            pick *= day
            pick += hour
        pick += first
        # A past innovation of the path's view, scaled by the sigma of its model.
        pool.take(pick, out=error, mode="clip")
        error *= sigma
        level += growth
        fading *= phi
        np.add(level, fading, out=here)
        here += error
        if extra is not None:
            extra.take(pick, out=scratch, mode="clip")
            scratch *= draws.recurs
            here += scratch
        # Level, fading deviation and growth each keep a share of the innovation.
        level += np.multiply(alpha, error, out=scratch)
        fading += np.multiply(beta, error, out=scratch)
        growth += np.multiply(gamma, error, out=scratch)
        if len(logs):
            # Logarithms become counts, less the line that is added to all paths below.
            flat = here.reshape(-1)
            grown = np.exp(np.minimum(flat[logs], _MOST))
            flat[logs] = grown - line[of_logs, step]
        for row, path in stepped:
            here[row, chosen] = path[step]
        for row, added in happens:
            here[row] += added[step]
        now = np.flatnonzero(draws.surprised[step, struck])
        here[:, struck[now]] += surprise[:, now] * draws.surprised[step, struck[now]]
        # Factor, then term; the part common to all paths stays in double precision.
        here *= factor[step].astype(np.float32)[:, None]
        here += (line[:, step] * factor[step] + term[step]).astype(np.float32)[:, None]
    return out


def _dealt(learned: Learned, draws: Draws) -> tuple[Singles, NDArray[np.intp], Floats]:
    """
    Model and start state of each path, with models in proportion to their weights.

    Level, growth, fading deviation, sigma, alpha, phi and gamma of each path; its view; and the
    mean level and growth of each series. Level and growth of the paths are differences from
    these means, except those of logarithms.
    """
    views = np.repeat(np.arange(len(learned.views)), [len(v.fit.models) for v in learned.views])
    fit = stacked([view.fit for view in learned.views])
    weight = fit.weight * learned.shares[:, views]
    linear = np.where(views == _LOGARITHM, 0.0, weight)
    total = np.maximum(linear.sum(axis=1), 1e-300)
    middle = [(linear * x).sum(axis=1) / total for x in (fit.level, fit.growth)]
    # The model of each path, by the inverse of the cumulated weights.
    model = np.stack([np.searchsorted(row, draws.model) for row in weight.cumsum(axis=1)])
    model = np.minimum(model, weight.shape[1] - 1)
    at = (np.arange(len(weight))[:, None], model)
    straight = views[model] != _LOGARITHM
    (first, second), root = draws.parameter, fit.root[at]
    level = fit.level[at] - middle[0][:, None] * straight + root[..., 0, 0] * first
    growth = fit.growth[at] - middle[1][:, None] * straight
    growth += root[..., 1, 0] * first + root[..., 1, 1] * second
    sigma, (alpha, phi, gamma) = fit.sigma[at], np.moveaxis(fit.grid[model], -1, 0)
    still = (sigma == 0).all(axis=1) & (np.abs(middle[1]) < 1e-9)
    if still.any():
        usual = np.abs(middle[0])
        least = np.maximum(1 / learned.scale, _STILL * usual)
        # A logarithm changes by a share of the level, which is positive in that view.
        share = np.minimum(least / np.maximum(usual, 1e-12), 1.0)
        sigma[still] = np.where(straight, least[:, None], share[:, None])[still]
        alpha = np.where(still[:, None], 1.0, alpha)
    parts = np.stack([level, growth, fit.fading[at], sigma, alpha, phi, gamma])
    return parts.astype(np.float32), views[model], np.stack(middle, axis=1)


def _stepped(
    learned: Learned, draws: Draws, line: Floats
) -> tuple[list[tuple[int, Singles]], NDArray[np.intp]]:
    """Paths of stepped series: the last season, with changes drawn from its past; their numbers."""
    horizon, lag, season = len(draws.innovation), learned.lag, learned.parts.season
    chosen = np.flatnonzero(draws.mostly < _STEPPED)
    ahead = np.arange(horizon)
    out = []
    for row, changes in learned.stepped.items():
        age = np.arange(len(changes))[::-1]
        weight = 0.5 ** (age / (_HALF_LIFE_YEARS * draws.year))
        cycles = draws.size[: -(-horizon // lag), chosen]
        picked = np.searchsorted(weight.cumsum() / weight.sum(), cycles)
        drawn = np.pad(
            changes[np.minimum(picked, len(changes) - 1)].cumsum(axis=0), ((1, 0), (0, 0))
        )
        # Without a season the last value continues, and changes half a season later.
        length, wait = (lag, 0) if season.strength[row].any() else (1, lag // 2)
        clean = learned.parts.clean[row, -length:]
        last = clean * season.factor[row, -length:] + season.term[row, -length:]
        change = drawn[(ahead + lag - wait) // lag] / learned.scale[row]
        path = last[ahead % length][:, None] + change
        path = (path - season.future_term[row][:, None]) / season.future_factor[row][:, None]
        out.append((row, (path - line[row][:, None]).astype(np.float32)))
    return out, chosen


def _surprise(learned: Learned, draws: Draws) -> tuple[NDArray[np.intp], Singles]:
    """Paths with a surprise in some series, and the level that it is a share of, else 0."""
    horizon, periods = len(draws.innovation), learned.seen.shape[1]
    step = learned.step
    # A newest step that stays counts as an observed surprise.
    seen = step.stays * step.fitted
    # The posterior mean rate of a Gamma prior, plus the shrunk rate of observed surprises.
    unseen = _SURPRISES / (_SEEN_YEARS * draws.year + periods)
    rate = unseen + seen / (_SHRUNK_YEARS * draws.year + periods)
    strikes = 1 - np.exp(-rate * horizon)
    struck = np.flatnonzero(draws.surprise < strikes.max())
    level = _recent_level(learned)
    # A series that grows exactly by a line was computed, and has no surprises.
    first = learned.views[0]
    grows = (first.fit.weight * np.abs(first.fit.growth)).sum(axis=1) > 1e-9
    level[exact(first) & grows & ~step.fitted] = 0.0
    share = np.clip(np.abs(step.size) / np.maximum(level, 1e-9), 0.01, 10.0)
    larger = np.exp(seen * np.log(share / _SURPRISE[0]) / (seen + _DRAWN))
    raised = (level * larger)[:, None] * (draws.surprise[struck] < strikes[:, None])
    return struck, raised.astype(np.float32)


def _recent_level(learned: Learned) -> Floats:
    """Mean level of the last month, at least 0."""
    return np.asarray(np.maximum(learned.parts.level[:, -MONTH:].mean(axis=1), 0.0))


def _innovations(
    learned: Learned, view: NDArray[np.intp]
) -> tuple[Singles, Singles | None, Singles, Places]:
    """
    Past innovations to draw from, standardized, and the outliers at the same periods.

    The innovations of all views are concatenated. Each path draws from its own view: the number
    of days to draw from, and the index of the first innovation.
    """
    pools, odd, days, day = [], [], [], learned.day
    for index, one in enumerate(learned.views):
        pool, periods = one.errors, one.errors.shape[1]
        strange = learned.parts.outliers[:, -periods:]
        if index == _LOGARITHM and strange.any():
            level = learned.parts.level[:, -periods:]
            ratio = np.maximum(level, 0.01) / np.maximum(level - strange, 0.01)
            strange = np.where(strange != 0, np.log(ratio), 0.0)
        # Days of which less than half was seen are not drawn.
        whole = one.seen.reshape(len(pool), -1, day).mean(axis=2) >= 0.5
        if not whole.all():
            order = np.argsort(~whole, axis=1, kind="stable")
            order = (order[:, :, None] * day + np.arange(day)).reshape(len(pool), -1)
            pool, strange = (np.take_along_axis(x, order, axis=1) for x in (pool, strange))
        still = np.where(np.arange(periods) < 2, [1.0, -1.0] + [0.0] * (periods - 2), 0.0)
        # Standardized errors this small are rounding errors of an exact model.
        real = (pool**2).sum(axis=1, keepdims=True) > 1e-6
        pools.append(np.where(real, pool, still))
        odd.append(strange)
        days.append(whole.sum(axis=1))
    flat, extra = (np.concatenate(part, axis=1).astype(np.float32) for part in (pools, odd))
    starts = np.cumsum([0, *(part.shape[1] for part in pools[:-1])])
    rows = np.arange(len(flat))[:, None]
    first = (rows * flat.shape[1] + starts[view]).astype(np.int32)
    size = np.stack(days, axis=1).astype(np.float32)[rows, view]
    return flat.ravel(), extra.ravel() if extra.any() else None, size, first


def _happenings(learned: Learned, draws: Draws) -> list[tuple[int, Floats]]:
    """
    Changes of some series by resets, surges and newest steps, (periods, paths), by row.

    Resets and surges recur at their past rates and sizes. A newest step stays in a share of the
    paths.
    """
    parts, step, surges = learned.parts, learned.step, learned.surges
    resets = ((parts.removed < 0).sum(axis=1) > 1) & (parts.removed <= 0).all(axis=1)
    level, periods, happenings = _recent_level(learned), learned.seen.shape[1], []
    ahead = np.arange(len(draws.jump))[:, None]
    for row in np.flatnonzero(resets | (surges.count > 0) | (step.age > 0)).tolist():
        total = np.zeros(draws.jump.shape)
        if resets[row]:
            sizes = parts.removed[row, parts.removed[row] < 0]
            # The rate is uncertain with few resets, so each path has its own.
            often = len(sizes) / learned.seen[row].sum()
            rate = often * np.exp(draws.rate / np.sqrt(len(sizes)) - 0.5 / len(sizes))
            picked = sizes[(draws.size * len(sizes)).astype(np.intp)]
            total += np.where(draws.jump < rate, picked, 0.0).cumsum(axis=0)
        if count := surges.count[row]:
            begin = draws.begin * (_SHRUNK_YEARS * draws.year + periods) / count
            height = surges.size[row] * level[row] * draws.height
            total += np.where((ahead >= begin) & (ahead < begin + draws.lasts), height, 0.0)
        stays = (draws.stays < step.stays[row]) * 1.0 - step.fitted[row]
        happenings.append((row, total + stays * step.size[row]))
    return happenings


@dataclass
class Answers:
    """Results of the sample paths and models of each subnet, filled in chunk by chunk."""

    demand: Floats
    lower: Floats
    upper: Floats
    reached: Floats
    exhausted: NDArray[np.bool_]
    alpha: Floats
    phi: Floats
    drift: Floats
    views: Floats
    step_age: NDArray[np.int64]
    step_size: Floats
    step_stays: Floats
    origins: NDArray[np.int64]
    backtest_mae: Floats
    backtest_naive: Floats
    backtest_covered: Floats
    shifts: Found
    outliers: Found
    seasons: list[tuple[int, ...]]

    __eq__ = same_values

    @classmethod
    def empty(cls, count: int, horizon: int, levels: int) -> Answers:
        """Results of `count` subnets, all missing."""
        alpha, phi, drift, size, stays, mae, naive = np.full((7, count), np.nan)
        demand, reached = np.full((2, count, horizon), np.nan)
        lower, upper = np.full((2, count, horizon, levels), np.nan)
        age, origins = np.zeros((2, count), dtype=np.int64)
        none = (np.zeros(0, dtype=np.intp), np.zeros(0))
        views, covered = np.zeros((count, len(VIEWS))), np.full((count, levels), np.nan)
        path = [demand, lower, upper, reached, np.zeros(count, dtype=bool)]
        model = [alpha, phi, drift, views, age, size, stays, origins, mae, naive, covered]
        each: list[Any] = [*path, *model, [none] * count, [none] * count, [()] * count]
        return cls(*each)

    def add_paths(
        self,
        chunk: NDArray[np.intp],
        paths: Singles,
        scale: Floats,
        *,
        limit: Floats,
        now: NDArray[np.bool_],
        levels: Sequence[float],
        whole: bool,
    ) -> None:
        """Add dates and intervals of a chunk of subnets, some full `now`; sorts the paths."""
        horizon = len(paths)
        edge = (limit * (1 - _TOLERANCE)).astype(np.float32)
        hit = paths >= edge[None, :, None]
        first = np.where(hit.any(axis=0), hit.argmax(axis=0), horizon)
        first[now] = 0
        for index, row in enumerate(chunk):
            passed = np.bincount(first[index], minlength=horizon + 1)[:horizon]
            self.reached[row] = passed.cumsum() / paths.shape[2]
        self.exhausted[chunk] = now
        paths.sort(axis=2)
        self.demand[chunk] = _quantile(paths, 0.5, scale, whole=whole)
        for index, level in enumerate(levels):
            for side, way in ((self.lower, -1), (self.upper, 1)):
                bound = _quantile(paths, (1 + way * level) / 2, scale, whole=whole)
                side[chunk, :, index] = np.maximum(bound, 0)

    def add_learned(
        self, chunk: NDArray[np.intp], learned: Learned, calendar: Calendar, levels: Sequence[float]
    ) -> None:
        """Add model, components and backtest of a chunk of subnets, in units of the history."""
        whole, parts = learned.views[0].fit, learned.parts
        self.alpha[chunk], self.phi[chunk] = whole.grid[whole.weight.argmax(axis=1), :2].T
        mean_factor = parts.season.future_factor.mean(axis=1) * learned.scale
        self.drift[chunk] = learned.drift() * mean_factor
        for view, share in zip(learned.views, learned.shares.T, strict=True):
            self.views[chunk, VIEWS.index(view.name)] = share
        self.step_age[chunk] = learned.step.age
        self.step_size[chunk] = learned.step.size * mean_factor
        self.step_stays[chunk] = learned.step.stays
        self.origins[chunk] = len(learned.back)
        error, naive, covered = learned.backtest(levels)
        self.backtest_mae[chunk] = error * learned.scale
        self.backtest_naive[chunk] = naive * learned.scale
        self.backtest_covered[chunk] = covered
        for index, row in enumerate(chunk):
            factor, scale = parts.season.factor[index], learned.scale[index]
            self.shifts[row], self.outliers[row] = (
                (where := np.flatnonzero(sizes[index]), sizes[index, where] * factor[where] * scale)
                for sizes in (parts.shifts, parts.outliers)
            )
            strength = parts.season.strength[index]
            self.seasons[row] = tuple(
                each for each, share in zip(calendar.lengths, strength, strict=True) if share > 0
            )


def _quantile(paths: Singles, share: float, scale: Floats, *, whole: bool) -> Floats:
    """Quantile of sorted paths at a share, (series, periods), rounded to six digits."""
    top = paths.shape[2] - 1
    where = share * top
    low = int(where + 1e-9)
    part = float(where - low > 1e-9) if whole else where - low
    lower, upper = (paths[..., min(at, top)].T.astype(float) for at in (low, low + 1))
    # Single precision has seven digits, of which the first six are reliable.
    grain = 10.0 ** (5 - np.floor(np.log10(scale)))[:, None]
    return np.asarray(np.round((lower + part * (upper - lower)) * grain) / grain)
