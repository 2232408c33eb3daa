"""Which models fit the histories of many series: views of each, weighted by their backtest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.forecast.history_parts import newest_step, surges, taken_apart
from eks_win_capacity.forecast.seasons import LONG_SEASON
from eks_win_capacity.forecast.smoothing import RECENT, Filtered, mean_and_deviation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eks_win_capacity.forecast.history_parts import Calendar, Parts, Step, Surges
    from eks_win_capacity.forecast.smoothing import Fit

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

VIEWS = ("whole", "logarithm", "since_bend", "last_35")
"""Names of the views, as columns of ``forecast.model``."""

SHORT = ((RECENT, True), (35, False))
"""Maximum length of each short view, and whether it begins at the last change of growth."""

SINCE = (60, 42, 29, 20, 14)
"""Lengths of the view since a bend: the longest that does not reach beyond it is fitted."""

_BEND = 6.0
"""Penalty of a bend, as a multiple of the logarithm of the number of periods (BIC: 2)."""

_EVIDENCE = (0.02, 3.0)
"""Power of a bend's likelihood ratio, as errors are correlated; maximum log evidence."""

_ENDED = (2.0, 1.0, 4.0)
"""Thresholds of an end of growth: log evidence, missing steps; and maximum log evidence."""

_HARDLY = 0.1
"""Share of the past growth below which a model counts as without growth."""

_UNSETTLED = 3.0
"""Factor of the standard error of growth since a bend, because growth may bend again."""

_PRIOR = np.log((0.5, 0.2, 0.15, 0.15))
"""Log prior of each view."""

_TEMPER = 0.7
"""Power of each backtest's likelihood: errors are correlated, and the future may differ."""

_LOOKS = 4
"""Number of origins of the backtest."""

_LONGEST = 56
"""Maximum age of a backtest origin in periods: views differ in what happened recently."""

_LEAST = 0.01
"""Minimum share of the paths of a view; views with less get none."""

MIN_TRAINING = 21
"""Minimum number of periods before a backtest origin."""

_POSITIVE = 0.1
"""Share of the usual level that all periods must exceed for the view of the logarithm."""

MONTH = 28
"""Periods whose mean is the usual level."""

_CLIP = 16.0
"""Limit of a squared error in variances, so that one surprise does not decide alone."""

_SHARPEST = 2e-3
"""Minimum standard deviation in the score of a view, as a share of the usual level."""

_RECENT = 180
"""Newest periods whose innovations are resampled in the view of the whole history."""

_STEADY = (14, 35)
"""Numbers of newest periods of which at least half must be unchanged in a stepped series."""


@dataclass(frozen=True)
class View:
    """
    One view of a chunk of series, fitted at the last period.

    `errors`, (series, periods of the view), are the standardized innovations of the likeliest
    model. `looks` are mean and standard deviation of the level forecast from each origin. Each
    series has its own values of `possible`, whether the view applies; `since`, the number of
    periods fitted; and `evidence`, the log evidence of a bend or an end of growth.
    """

    name: str
    fit: Fit
    errors: Floats
    seen: Flags
    looks: list[tuple[Floats, Floats]]
    possible: Flags
    since: NDArray[np.int64]
    evidence: Floats


@dataclass(frozen=True)
class Learned:
    """
    Components and views of a chunk of histories.

    `scale` is the mean absolute value, the unit of all other fields. `shares`, (series, views),
    are the shares of the paths of each view; the first view is the whole history. `back` are
    the origins of the backtest. `stepped` has the changes from season to season, of `lag`
    periods and in units of the history, of the series that mostly repeat their last season
    exactly. `day` is the number of periods per day; 1 also for longer periods.
    """

    scale: Floats
    seen: Flags
    parts: Parts
    step: Step
    surges: Surges
    views: tuple[View, ...]
    shares: Floats
    back: tuple[int, ...]
    stepped: dict[int, Floats]
    lag: int
    day: int

    def drift(self) -> Floats:
        """Growth of the level per period at the end of the history: the mean of all views."""
        total = np.zeros(len(self.scale))
        for view, share in zip(self.views, self.shares.T, strict=True):
            at = view.fit
            slope = (at.weight * at.growth).sum(axis=1)
            if view.name == "logarithm":
                slope = slope * np.exp(np.clip((at.weight * at.level).sum(axis=1), -9.0, 9.0))
            total += np.where(view.possible, share * slope, 0.0)
        return total

    def backtest(self, levels: Sequence[float]) -> tuple[Floats, Floats, Floats]:
        """
        Accuracy of all views together in the rolling backtest; NaN without one.

        Mean absolute errors, for each series, of the mean path and of repeating the last value,
        and the share of values inside the interval of each level.
        """
        level, weight = self.parts.level, self.shares.T[..., None]
        sums, covered = np.zeros((3, len(level))), np.zeros((len(level), len(levels)))
        bounds = normal_quantile((1 + np.array(levels)) / 2)
        for look, origin in enumerate(self.back):
            # A view that is not possible for a series has no weight, and meaningless values.
            means, spreads = (
                np.where(weight > 0, np.stack([view.looks[look][part] for view in self.views]), 0.0)
                for part in (0, 1)
            )
            mean = (weight * means).sum(axis=0)
            deviation = np.sqrt((weight * (spreads**2 + (means - mean) ** 2)).sum(axis=0))
            known, truth = self.seen[:, origin:], level[:, origin:]
            error = np.abs(truth - mean)
            naive = np.abs(truth - level[:, origin - 1, None])
            sums += (np.stack([error, naive, np.ones_like(error)]) * known).sum(axis=2)
            inside = error[..., None] <= bounds * deviation[..., None] + 1e-9
            covered += (inside & known[..., None]).sum(axis=1)
        total = np.where(sums[2] > 0, sums[2], np.nan)
        return sums[0] / total, sums[1] / total, covered / total[:, None]


def learn(values: Floats, censored: Flags, calendar: Calendar) -> Learned:
    """
    Components and weighted views of histories.

    Values, (series, periods), are NaN in gaps, and a lower bound of the demand where they are
    `censored`.
    """
    periods, daily = values.shape[1], calendar.day == 1
    seen = ~np.isnan(values)
    scale = np.nanmean(np.abs(values), axis=1)
    scale[scale == 0] = 1.0
    back = origins(periods, calendar.horizon)
    parts = taken_apart(values / scale[:, None], seen, censored, calendar)
    clean, every = parts.clean, np.ones(len(values), dtype=bool)
    if daily:
        logs, possible = logarithm(clean)
        # A slow leak that is reset grows linearly, not by a factor.
        possible &= ~(parts.removed != 0).any(axis=1)
        # One pass over the periods for both: with few series, most time is spent per period.
        both, known = np.concatenate([clean, logs]), np.concatenate([seen, seen])
        passed = Filtered.of(both, known, [*back, periods])
        plain, compound = passed.rows(slice(len(clean))), passed.rows(slice(len(clean), None))
        # The demand for a full subnet may have grown unseen.
        free = np.asarray(~censored[:, -RECENT:].any(axis=1))
        # The last half year shows how noisy a series is now.
        views = [
            long_view(plain, every, newest=min(_RECENT, periods)),
            long_view(compound, possible, newest=periods, compound=True),
        ]
        views += [
            short_view(clean, plain, length=length, bends=bends, free=free)
            for length, bends in SHORT
            if periods >= 1.2 * length
        ]
    else:
        passed = Filtered.of(clean, seen, [*back, periods])
        whole_days = periods // calendar.day * calendar.day
        views = [long_view(passed, every, newest=whole_days, within_day=True)]
    short = (n for n in calendar.lengths if 2 <= n < LONG_SEASON and 2 * n < periods)
    lag = next(short, 1)
    return Learned(
        scale=scale,
        seen=seen,
        parts=parts,
        step=newest_step(parts.level, parts.removed, parts.outliers),
        # For periods shorter than a day, a rise of some hours is a season or an outlier.
        surges=surges(parts.level if daily else parts.level[:, :0]),
        views=tuple(views),
        shares=shares(views, clean, seen, back),
        back=tuple(back),
        stepped=_stepped(values, censored, lag),
        lag=lag,
        day=calendar.day,
    )


def _stepped(values: Floats, censored: Flags, lag: int) -> dict[int, Floats]:
    """Changes from season to season of the series in which most of them are 0, by row."""
    by_row = {}
    changes = values[:, lag:] - values[:, :-lag]
    for row in np.flatnonzero(~censored.any(axis=1)):
        here = changes[row][~np.isnan(changes[row])]
        still = here == 0
        if len(here) and min(still[-n:].mean() for n in (0, *_STEADY)) >= 0.5:
            calm = np.diff(np.flatnonzero(~still), prepend=-1, append=len(here)) - 1
            # A series unchanged for much longer than ever before now behaves differently.
            if len(calm) == 1 or calm[-1] <= 2 * calm[:-1].max() + lag:
                by_row[int(row)] = here
    return by_row


def origins(periods: int, horizon: int) -> list[int]:
    """Origins of the backtest, oldest first; none if the history is too short."""
    reach = min(horizon, periods // 4, _LONGEST)
    looks = sorted({-(-reach * step // _LOOKS) for step in range(1, _LOOKS + 1)}, reverse=True)
    return [periods - ahead for ahead in looks if periods - ahead >= MIN_TRAINING and ahead > 0]


def logarithm(values: Floats) -> tuple[Floats, Flags]:
    """Logarithms of levels, and whether each series is far enough from zero for this view."""
    # Compared with the last month, because growth may multiply a level by a hundred.
    sums = np.pad(values, ((0, 0), (MONTH, 0))).cumsum(axis=1)
    known = np.minimum(np.arange(1, values.shape[1] + 1), MONTH)
    usual = (sums[:, MONTH:] - sums[:, :-MONTH]) / known
    possible = np.asarray(((values > _POSITIVE * usual) & (usual > 0)).all(axis=1))
    return np.log(np.where(possible[:, None], values, 1.0)), possible


def long_view(
    passed: Filtered,
    possible: Flags,
    *,
    newest: int,
    compound: bool = False,
    within_day: bool = False,
) -> View:
    """View of the whole history, or if `compound`, of its logarithm."""
    count, periods = passed.seen.shape
    since = np.full(count, periods)
    *back, fit = passed.fits(within_day=within_day)
    looks = []
    for origin, at in zip(passed.states, back, strict=False):
        mean, deviation = mean_and_deviation(at, periods - origin)
        if compound:
            mean = np.exp(np.clip(mean, -9.0, 9.0))
            deviation = mean * np.minimum(deviation, 1.0)
        looks.append((mean, deviation))
    errors, seen = _innovations(passed, fit, since, newest), passed.seen[:, -newest:]
    return View(VIEWS[compound], fit, errors, seen, looks, possible, since, np.zeros(count))


@lru_cache(maxsize=16)
def _bent_lines(width: int) -> tuple[NDArray[np.int64], Floats]:
    """Length to fit for each possible bend, and orthonormal basis of a line that bends there."""
    at = np.arange(width, dtype=float)
    since = np.array([width, *range(SINCE[-1], min(SINCE[0] + SINCE[-1], width - SINCE[-1]))])
    lines = np.ones((len(since), width, 3))
    lines[..., 1] = at
    lines[..., 2] = np.maximum(at - (width - since[:, None]), 0.0)
    bases = np.linalg.qr(lines)[0]
    # The first line does not bend.
    bases[0, :, 2] = 0.0
    fewer = np.array(SINCE[::-1])
    lengths = fewer[np.searchsorted(fewer, since, side="right") - 1]
    lengths[0] = width
    return lengths, np.ascontiguousarray(bases.transpose(1, 0, 2).reshape(width, -1))


def since_bend(values: Floats) -> tuple[NDArray[np.int64], Floats]:
    """
    Periods since the growth of each series last bent, by least squares; all if it did not.

    The second result is the log likelihood ratio of the bend to a line or compound growth,
    less the penalty of a bend.
    """
    count, width = values.shape
    lengths, bases = _bent_lines(width)
    middle = values - values.mean(axis=1, keepdims=True)
    total = (middle**2).sum(axis=1, keepdims=True)
    explained = ((middle @ bases) ** 2).reshape(count, -1, 3).sum(axis=2)
    score = width * np.log(np.maximum(total - explained, 1e-12 * total + 1e-26))
    score[:, 1:] += _BEND * np.log(width)
    # The view of the logarithm covers compound growth, which bends everywhere.
    positive, line = values.min(axis=1) > 0, bases[:, :2]
    compound = np.exp(np.log(np.where(positive[:, None], values, 1.0)) @ line @ line.T)
    left = np.where(positive, ((values - compound) ** 2).sum(axis=1), np.inf)
    other = np.minimum(score[:, 0], width * np.log(np.maximum(left, 1e-26)))
    return lengths[score.argmin(axis=1)], 0.5 * np.maximum(other - score.min(axis=1), 0.0)


def short_view(values: Floats, passed: Filtered, *, length: int, bends: bool, free: Flags) -> View:
    """
    View of the newest periods; the backtest fits as many periods before each origin.

    Only a series that was `free` to grow can show an end of growth.
    """
    periods, looks = values.shape[1], []
    for end in passed.states:
        width = min(length, end)
        since, evidence = np.full(len(values), width), np.zeros(len(values))
        if bends:
            since, evidence = since_bend(values[:, end - width : end])
        fit = passed.newest(end, since)
        if end < periods:
            looks.append(mean_and_deviation(fit, periods - end))
    used = passed.seen[:, -width:] & (np.arange(width) >= width - since[:, None])
    enough = passed.seen[:, -length:].sum(axis=1) >= length // 2
    errors = _innovations(passed, fit, since, width)
    power, most = _EVIDENCE
    bent = np.minimum(power * evidence, most)
    evidence = np.maximum(bent, np.where(free, _ended(fit, values, since), 0.0))
    fit.root[bent > 0, :, 1] *= _UNSETTLED
    name = "since_bend" if bends else "last_35"
    return View(name, fit, errors, used, looks, enough, since, evidence)


def _ended(fit: Fit, values: Floats, since: NDArray[np.int64]) -> Floats:
    """
    Log evidence that growth has ended: a fit to the newest past does not show past growth.

    The evidence rises with the difference of both growth rates in standard errors, and with
    the number of steps of usual size that past growth would have made since.
    """
    errors, steps, most = _ENDED
    periods = values.shape[1]
    month = min(MONTH, periods // 3)
    risen = values[:, -month:].mean(axis=1) - values[:, :month].mean(axis=1)
    past = np.abs(risen) / (periods - month)
    hardly = fit.weight * (np.abs(fit.growth) < _HARDLY * past[:, None])
    # The first half of the models has growth, the second has none.
    grows = np.arange(fit.weight.shape[1]) < fit.weight.shape[1] // 2
    weight = np.where(grows, np.maximum(fit.weight, 1e-300), 0.0)
    variance = (weight * (fit.root[..., 1, :] ** 2).sum(axis=2)).sum(axis=1) / weight.sum(axis=1)
    changes = np.abs(np.diff(values, axis=1))
    missing = past * since * changes.sum(axis=1) / np.maximum((changes**2).sum(axis=1), 1e-18)
    evidence = np.minimum(0.5 * past**2 / np.maximum(variance, 1e-18) - errors, missing - steps)
    share = hardly.sum(axis=1)
    return np.where(share > 0.5, np.clip(share * evidence, 0.0, most), 0.0)


def exact(view: View) -> Flags:
    """Whether a model fits each series exactly, so that its values were computed."""
    return np.asarray((view.fit.sigma == 0).any(axis=1))


def _innovations(passed: Filtered, fit: Fit, since: NDArray[np.int64], newest: int) -> Floats:
    """Newest innovations of the likeliest model for resampling, centred at 0."""
    sigma = fit.sigma[fit.likeliest][:, None]
    errors = passed.innovations(fit, since, newest) / np.where(sigma > 0, sigma, 1.0)
    # Centred: growth that has bent leaves errors of one sign, which would bend it again.
    known = passed.seen[:, -newest:] & (np.arange(newest) >= newest - since[:, None])
    mean = errors.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.asarray(errors - mean[:, None])


def shares(views: Sequence[View], values: Floats, seen: Flags, back: Sequence[int]) -> Floats:
    """Shares of the paths, (series, views), by prior, backtest and evidence of each view."""
    score = np.tile(_PRIOR[: len(views)], (len(values), 1))
    reach = values.shape[1] - np.array(back)
    looks = [_looked_back(view, values, seen, back) for view in views]
    long = zip(views[:2], looks, strict=False)
    best = np.max([np.where(v.possible[:, None], look, -np.inf) for v, look in long], axis=0)
    for column, (view, log_density) in enumerate(zip(views, looks, strict=True)):
        # A backtest from before a bend cannot judge the view since it: it scores as the best.
        known = (reach < view.since[:, None]) | (view.evidence[:, None] == 0)
        score[:, column] += np.where(known, log_density, best).sum(axis=1)
        score[:, column] += view.evidence
        score[~view.possible, column] = -np.inf
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    # A view with a handful of paths would only blur the result.
    weight[weight < _LEAST] = 0.0
    # A series that one line fits exactly needs no second view.
    weight[exact(views[0])] = np.arange(len(views)) == 0
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def _looked_back(view: View, values: Floats, seen: Flags, back: Sequence[int]) -> Floats:
    """Mean log density of what followed each origin under a view, (series, origins)."""
    out = np.zeros((len(values), len(back)))
    for column, (origin, (mean, deviation)) in enumerate(zip(back, view.looks, strict=True)):
        here = seen[:, origin:]
        size = np.maximum(deviation, _SHARPEST)
        squares = np.minimum(((values[:, origin:] - mean) / size) ** 2, _CLIP)
        logs = np.where(here, -0.5 * squares - np.log(size), 0.0).sum(axis=1)
        out[:, column] = _TEMPER * logs / np.maximum(here.sum(axis=1), 1)
    return out


def normal_quantile(share: Floats) -> Floats:
    """Quantiles of the standard normal distribution."""
    normal = NormalDist()
    return np.array([normal.inv_cdf(float(x)) for x in share])
