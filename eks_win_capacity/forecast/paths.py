"""From what was learned of many series to sample paths of what comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.forecast.history_views import exact, normal_quantile
from eks_win_capacity.forecast.level_shifts import lasting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eks_win_capacity.forecast.learning import Learned

    Floats = NDArray[np.float64]
    Singles = NDArray[np.float32]
    Places = NDArray[np.int32]

RECURS = 0.6
"""Share of paths in which strange values of the past, which may have been errors, come again."""

_LOGARITHM = 1
"""Place of the view whose paths are logarithms."""

_MOST = float(np.log(1e4))
"""Logarithm of the largest growth that a path may show."""

_SURPRISES = 0.5
_SEEN_YEARS = 2.0
"""
What is known of surprises before a history is read: so many, in so many years.

A surprise is unlike anything a history holds: a launch, a migration, a sale. Each
year of history without one makes the next less likely.
"""

_SURPRISE = (0.5, 1.0)
"""Size of a surprise as a share of the level: the median, and the deviation of its logarithm."""

_SHRUNK_YEARS = 0.25
"""Years without a surge that are added to a history, for what is few comes seldom again."""

_STEPPED = 0.5
"""Share of the paths of a stepped series that go on by changes of the past."""

_HALF_LIFE_YEARS = 0.25
"""Years after which such a change is drawn half as often."""

_DRAWN = 0.3
"""Newest steps that the size drawn is worth, where a history ends in one."""

_HEIGHTS = 0.4
"""Deviation of the logarithm of a surge's height, about those of the past."""

_UPWARD, _STAYS, _PASSES = 0.75, 0.5, 5.0
"""Share of surprises that add, share that stay, and days that the others last, on average."""

_STILL = 0.01
"""Change of a constant history, should it change, as a share of its level; at least one address."""


@dataclass(frozen=True)
class Draws:
    """
    The randomness of a forecast, drawn once and shared by all series.

    The answer for one series so never depends on which others were asked about.
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
        """Draws for so many paths and periods; parameters are spread evenly, not at random."""
        rng = np.random.default_rng(seed)
        spread = (np.arange(paths) + 0.5) / paths
        normal = normal_quantile(spread)
        return cls(
            model=rng.permutation(spread),
            parameter=np.stack([rng.permutation(normal), rng.permutation(normal)]),
            innovation=rng.random((horizon, paths), dtype=np.float32),
            jump=rng.random((horizon, paths)),
            size=rng.random((horizon, paths)),
            rate=rng.permutation(normal),
            recurs=(rng.permutation(spread) < RECURS).astype(np.float32),
            stays=rng.permutation(spread),
            surprise=rng.permutation(spread),
            surprised=_surprised(rng, paths=paths, horizon=horizon, day=year / 365.25),
            begin=-np.log(rng.permutation(spread)),
            lasts=rng.geometric(1 / max(_PASSES * year / 365.25, 1.0), size=paths).astype(float),
            height=np.exp(_HEIGHTS * rng.permutation(normal)),
            mostly=rng.permutation(spread),
            year=year,
        )


def _surprised(rng: np.random.Generator, *, paths: int, horizon: int, day: float) -> Singles:
    """What one surprise a path adds to each period, as a share of the level."""
    middle, spread = _SURPRISE
    size = middle * np.exp(spread * rng.standard_normal(paths))
    # Nothing can fall by more than there is.
    size = np.where(rng.random(paths) < _UPWARD, size, -np.minimum(size, 0.9))
    begin = rng.integers(horizon, size=paths)
    lasts = rng.geometric(1 / max(_PASSES * day, 1.0), size=paths)
    end = np.where(rng.random(paths) < _STAYS, horizon, begin + lasts)
    step = np.arange(horizon)[:, None]
    return np.where((step >= begin) & (step < end), size, 0.0).astype(np.float32)


def simulate(learned: Learned, draws: Draws) -> Singles:
    """
    Sample paths, unclipped, in units of the history.

    What is common to all paths of a series is kept in double precision, and
    what they differ by in single, which is twice as fast.

    Returns
    -------
    ndarray, (horizon, series, paths)
    """
    horizon = len(draws.innovation)
    state = _State.of(learned, draws)
    steps = np.arange(1, horizon + 1)
    line = state.middle[:, :1] + state.middle[:, 1:] * steps
    out = np.empty((horizon, *state.level.shape), dtype=np.float32)
    _run(out, state, learned, draws, line)
    return out


@dataclass(frozen=True)
class _State:
    """
    Model and parameters of each path, as differences from the middle of its series.

    Paths that are logarithms stand for themselves; `logs` are their places in
    the flat array, and `rows` the series of each.
    """

    level: Singles
    growth: Singles
    off: Singles
    sigma: Singles
    alpha: Singles
    phi: Singles
    gamma: Singles
    view: NDArray[np.intp]
    middle: Floats
    logs: NDArray[np.intp]
    rows: NDArray[np.intp]

    @classmethod
    def of(cls, learned: Learned, draws: Draws) -> _State:
        """Deal the paths to the models of all views, as many as each has earned."""
        fits = [view.fit for view in learned.views]
        views = np.repeat(np.arange(len(fits)), [len(at.grid) for at in fits])

        def joined(name: str) -> Floats:
            return np.concatenate([getattr(at, name) for at in fits], axis=1)

        weight = joined("weight") * learned.shares[:, views]
        linear = np.where(views == _LOGARITHM, 0.0, weight)
        total = np.maximum(linear.sum(axis=1), 1e-300)
        level, growth = joined("level"), joined("growth")
        middle = np.stack([(linear * x).sum(axis=1) / total for x in (level, growth)], axis=1)
        # Which model each path follows: the inverse of the cumulated weights.
        model = np.stack([np.searchsorted(row, draws.model) for row in weight.cumsum(axis=1)])
        model = np.minimum(model, weight.shape[1] - 1)
        rows = np.arange(len(weight))[:, None]
        view = views[model]
        straight = view != _LOGARITHM
        first, second = draws.parameter
        root = joined("root")[rows, model]
        level = level[rows, model] - middle[:, :1] * straight + root[..., 0, 0] * first
        growth = growth[rows, model] - middle[:, 1:] * straight
        growth += root[..., 1, 0] * first + root[..., 1, 1] * second
        grid = np.concatenate([at.grid for at in fits])[model]
        sigma, alpha = joined("sigma")[rows, model], grid[..., 0]
        still = (sigma == 0).all(axis=1) & (np.abs(middle[:, 1]) < 1e-9)
        if still.any():
            least = np.maximum(1 / learned.scale, _STILL * np.abs(middle[:, 0]))
            # A logarithm changes by shares of the level, which is positive where there is one.
            share = least / np.maximum(np.abs(middle[:, 0]), 1e-12)
            least = np.where(straight, least[:, None], np.minimum(share, 1.0)[:, None])
            sigma = np.where(still[:, None], least, sigma)
            alpha = np.where(still[:, None], 1.0, alpha)
        logs = np.flatnonzero(~straight)

        def single(part: Floats) -> Singles:
            return np.ascontiguousarray(part, dtype=np.float32)

        return cls(
            level=single(level),
            growth=single(growth),
            off=single(joined("off")[rows, model]),
            sigma=single(sigma * learned.noise[:, None]),
            alpha=single(alpha),
            phi=single(grid[..., 1]),
            gamma=single(grid[..., 2]),
            view=view,
            middle=middle,
            logs=logs,
            rows=logs // level.shape[1],
        )


def _run(out: Singles, state: _State, learned: Learned, draws: Draws, line: Floats) -> None:
    """Step all paths on, and bring each step to its line and its season."""
    level, growth, off = state.level, state.growth, state.off
    beta = 1 - state.alpha
    pool = _Innovations.of(learned, state)
    factor = (learned.season.future_factor * learned.scale[:, None]).T
    term = (learned.season.future_term * learned.scale[:, None]).T
    events, step_then = _Recurring.of(learned, draws), _newest(learned, draws)
    struck, surprise = _surprise(learned, draws)
    stepped, some = _stepped(learned, draws, line)
    error, scratch = np.empty_like(level), np.empty_like(level)
    for step in range(len(out)):
        here = out[step]
        pick = pool.pick(draws.innovation, step)
        pool.errors.take(pick, out=error, mode="clip")
        error *= state.sigma
        level += growth
        off *= state.phi
        np.add(level, off, out=here)
        here += error
        if pool.strange:
            pool.extra.take(pick, out=scratch, mode="clip")
            scratch *= draws.recurs
            here += scratch
        np.multiply(state.alpha, error, out=scratch)
        level += scratch
        np.multiply(beta, error, out=scratch)
        off += scratch
        np.multiply(state.gamma, error, out=scratch)
        growth += scratch
        if len(state.logs):
            flat = here.reshape(-1)
            grown = np.exp(np.minimum(flat[state.logs], _MOST))
            flat[state.logs] = grown - line[state.rows, step]
        for row, path in stepped:
            here[row, some] = path[step]
        events.happen(here, step)
        if step_then is not None:
            here += step_then
        here[:, struck] += surprise * draws.surprised[step, struck]
        here *= factor[step].astype(np.float32)[:, None]
        here += (line[:, step] * factor[step] + term[step]).astype(np.float32)[:, None]


def _stepped(
    learned: Learned, draws: Draws, line: Floats
) -> tuple[list[tuple[int, Singles]], NDArray[np.intp]]:
    """Paths of stepped series that repeat the last season, and change as seasons did before."""
    horizon, lag, season = len(draws.innovation), learned.lag, learned.season
    some = np.flatnonzero(draws.mostly < _STEPPED)
    place = np.arange(horizon)
    out = []
    for row, changes in learned.stepped.items():
        age = np.arange(len(changes))[::-1]
        weight = 0.5 ** (age / (_HALF_LIFE_YEARS * draws.year))
        cycles = draws.size[: -(-horizon // lag), some]
        picked = np.searchsorted(weight.cumsum() / weight.sum(), cycles)
        drawn = changes[np.minimum(picked, len(changes) - 1)].cumsum(axis=0)
        clean = (learned.level - learned.outliers)[row, -lag:]
        last = clean * season.factor[row, -lag:] + season.term[row, -lag:]
        path = last[place % lag][:, None] + drawn[place // lag] / learned.scale[row]
        path = (path - season.future_term[row][:, None]) / season.future_factor[row][:, None]
        out.append((row, (path - line[row][:, None]).astype(np.float32)))
    return out, some


def _surprise(learned: Learned, draws: Draws) -> tuple[NDArray[np.intp], Singles]:
    """Paths that a surprise may strike, and what of its share each series' path is raised by."""
    horizon, periods = len(draws.innovation), learned.seen.shape[1]
    step = learned.step
    # A newest step that stays is a surprise that was seen.
    seen = step.stays * step.fitted
    # A Gamma prior's mean rate of what was never seen, and the rate of what was, shrunk a little.
    unseen = _SURPRISES / (_SEEN_YEARS * draws.year + periods)
    rate = unseen + seen / (_SHRUNK_YEARS * draws.year + periods)
    strikes = 1 - np.exp(-rate * horizon)
    struck = np.flatnonzero(draws.surprise < strikes.max())
    level = _recent_level(learned)
    # What grows by a line to the last digit was computed, and goes on as computed.
    first = learned.views[0]
    grows = (first.fit.weight * np.abs(first.fit.growth)).sum(axis=1) > 1e-9
    level[exact(first) & grows & ~step.fitted] = 0.0
    share = np.clip(np.abs(step.size) / np.maximum(level, 1e-9), 0.01, 10.0)
    larger = np.exp(seen * np.log(share / _SURPRISE[0]) / (seen + _DRAWN))
    raised = (level * larger)[:, None] * (draws.surprise[struck] < strikes[:, None])
    return struck, raised.astype(np.float32)


def _recent_level(learned: Learned) -> Floats:
    """The usual level of the last four weeks."""
    return np.asarray(np.maximum(learned.level[:, -28:].mean(axis=1), 0.0))


def _newest(learned: Learned, draws: Draws) -> Singles | None:
    """What a step that nobody knows to stay adds to each path; None where there is none."""
    step = learned.step
    if not step.age.any():
        return None
    stays = draws.stays < step.stays[:, None]
    change = np.where(step.fitted[:, None], (stays - 1.0), stays * 1.0) * step.size[:, None]
    return np.asarray(change, dtype=np.float32)


@dataclass(frozen=True)
class _Innovations:
    """What may be drawn: innovations of size 1, and what strange values stuck out by."""

    errors: Singles
    extra: Singles
    size: Singles
    offset: Places
    strange: bool
    day: int

    @classmethod
    def of(cls, learned: Learned, state: _State) -> _Innovations:
        """Innovations of all views side by side; each path draws from those of its own."""
        errors: list[Floats] = []
        extra: list[Floats] = []
        size = []
        for place, view in enumerate(learned.views):
            periods = view.errors.shape[1]
            strange = learned.outliers[:, -periods:]
            if place == _LOGARITHM and strange.any():
                clean = (learned.level - learned.outliers)[:, -periods:]
                ratio = np.maximum(learned.level[:, -periods:], 0.01) / np.maximum(clean, 0.01)
                strange = np.where(strange != 0, np.log(ratio), 0.0)
            pool, day = view.errors, learned.day
            # Of a day that was hardly seen there is nothing to draw.
            whole = view.seen.reshape(len(pool), -1, day).mean(axis=2) >= 0.5
            number = whole.sum(axis=1)
            if not whole.all():
                order = np.argsort(~whole, axis=1, kind="stable")
                order = (order[:, :, None] * day + np.arange(day)).reshape(len(pool), -1)
                pool = np.take_along_axis(pool, order, axis=1)
                strange = np.take_along_axis(strange, order, axis=1)
            still = np.where(np.arange(periods) < 2, [1.0, -1.0] + [0.0] * (periods - 2), 0.0)
            # Errors are in deviations of their model: where it has none they are rounding.
            real = (pool**2).sum(axis=1, keepdims=True) > 1e-6
            errors.append(np.where(real, pool, still))
            extra.append(strange)
            size.append(number)
        flat = np.concatenate(errors, axis=1).astype(np.float32)
        starts = np.cumsum([0, *(part.shape[1] for part in errors[:-1])])
        rows = np.arange(len(flat))[:, None]
        offset = (rows * flat.shape[1] + starts[state.view]).astype(np.int32)
        sizes = np.stack(size, axis=1).astype(np.float32)[rows, state.view]
        odd = np.concatenate(extra, axis=1).astype(np.float32)
        return cls(flat.ravel(), odd.ravel(), sizes, offset, bool(odd.any()), learned.day)

    def pick(self, uniform: Singles, step: int) -> Places:
        """Places of draws from 0 to 1; the periods of a day are drawn together, for they err alike."""
        hour = step % self.day
        place = (uniform[step - hour] * self.size).astype(np.int32)
        if self.day > 1:
            place *= self.day
        place += self.offset + np.int32(hour)
        return np.asarray(place)


@dataclass(frozen=True)
class _Recurring:
    """Resets and surges of the past, which come again as often and as large as they did."""

    rows: NDArray[np.intp]
    added: list[Floats]

    @classmethod
    def of(cls, learned: Learned, draws: Draws) -> _Recurring:
        horizon, paths = draws.jump.shape
        resets = (learned.kept != 0).sum(axis=1) > 1
        rows = np.flatnonzero(resets | (learned.surges.count > 0))
        level, periods, added = _recent_level(learned), learned.seen.shape[1], []
        step = np.arange(horizon)[:, None]
        for row in rows:
            total = np.zeros((horizon, paths))
            sizes = lasting(learned.kept[row]) if resets[row] else np.zeros(0)
            if len(sizes):
                # A few resets show little of how often they come: each path has its own rate.
                often = len(sizes) / learned.seen[row].sum()
                rate = often * np.exp(draws.rate / np.sqrt(len(sizes)) - 0.5 / len(sizes))
                picked = sizes[(draws.size * len(sizes)).astype(np.intp)]
                total += np.where(draws.jump < rate, picked, 0.0).cumsum(axis=0)
            if count := learned.surges.count[row]:
                begin = draws.begin * (_SHRUNK_YEARS * draws.year + periods) / count
                height = learned.surges.size[row] * level[row] * draws.height
                total += np.where((step >= begin) & (step < begin + draws.lasts), height, 0.0)
            added.append(total)
        return cls(rows, added)

    def happen(self, here: Singles, step: int) -> None:
        """Add what has happened until a step."""
        for row, added in zip(self.rows, self.added, strict=True):
            here[row] += added[step]
