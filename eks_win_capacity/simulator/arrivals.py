"""When do pods arrive, and how long do they run."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.core import arrays
from eks_win_capacity.core.arguments import number
from eks_win_capacity.core.display import Shown
from eks_win_capacity.core.errors import InputError, MissingValueError
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.values import same_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


MAX_PODS: Final = 100_000_000
"""Maximum number of pods in one workload; each takes about a hundred bytes."""


def _positive(value: Any, name: str) -> float:
    amount = number(value, name=name)
    if not amount:
        raise InputError(f"{name} must be a number above 0; got {value!r}")
    return amount


def _numbers(value: Any, name: str) -> NDArray[np.float64]:
    try:
        return np.asarray(arrays.unmasked(value, name), dtype=np.float64)
    except MissingValueError:
        raise
    except (OverflowError, TypeError, ValueError):
        raise InputError(f"{name} must be numbers; got {value!r}") from None


@checked_call
@dataclass(frozen=True)
class Fixed(Shown):
    """
    Lifetime that is the same for every pod.

    Attributes
    ----------
    seconds : float
        Lifetime. [s]

    Examples
    --------
    >>> import numpy as np
    >>> Fixed(60).draw(np.random.default_rng(0), 2)
    array([60., 60.])
    """

    seconds: float

    def draw(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:  # noqa: ARG002
        """Random lifetimes. [s]"""  # noqa: D400
        return np.full(count, _positive(self.seconds, "seconds"))


@checked_call
@dataclass(frozen=True)
class Exponential(Shown):
    """
    Exponential lifetimes: pods end at random, whatever their age.

    Attributes
    ----------
    mean_s : float
        Mean lifetime. [s]

    Examples
    --------
    >>> import numpy as np
    >>> bool(55 < Exponential(60).draw(np.random.default_rng(0), 10_000).mean() < 65)
    True
    """

    mean_s: float

    def draw(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Random lifetimes. [s]"""  # noqa: D400
        return rng.exponential(_positive(self.mean_s, "mean_s"), count)


@checked_call
@dataclass(frozen=True)
class LogNormal(Shown):
    """
    Log-normal lifetimes: most pods end near the median, a few run far longer.

    Attributes
    ----------
    median_s : float
        Median lifetime. [s]
    sigma : float
        Standard deviation of the logarithm of the lifetime.

    Examples
    --------
    >>> import numpy as np
    >>> drawn = LogNormal(60, sigma=0.5).draw(np.random.default_rng(0), 10_000)
    >>> bool(57 < np.median(drawn) < 63)
    True
    """

    median_s: float
    sigma: float = 1.0

    def draw(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Random lifetimes. [s]"""  # noqa: D400
        middle = math.log(_positive(self.median_s, "median_s"))
        return rng.lognormal(middle, number(self.sigma, name="sigma"), count)


@checked_call
@dataclass(frozen=True)
class Empirical(Shown):
    """
    Lifetimes drawn from measured ones.

    Attributes
    ----------
    seconds : sequence of float
        Measured lifetimes; each is as likely as any other. [s]

    Examples
    --------
    >>> import numpy as np
    >>> sorted(set(Empirical([30, 45]).draw(np.random.default_rng(0), 100).tolist()))
    [30.0, 45.0]
    """

    seconds: Sequence[float]

    __eq__ = same_values

    def draw(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Random lifetimes. [s]"""  # noqa: D400
        measured = _numbers(self.seconds, "seconds").ravel()
        if not measured.size or not np.isfinite(measured).all() or (measured <= 0).any():
            raise InputError("measured lifetimes must be numbers above 0, one at least")
        return rng.choice(measured, count)


Lifetime = Fixed | Exponential | LogNormal | Empirical


def lifetime_of(value: Any) -> Lifetime:
    """Lifetime of a workload; a number of seconds is a fixed lifetime."""
    if isinstance(value, (Fixed, Exponential, LogNormal, Empirical)):
        return value
    return Fixed(_positive(value, "lifetime"))


@checked_call
@dataclass(frozen=True, kw_only=True)
class Poisson(Shown):
    """
    Pods that start one by one at random.

    Attributes
    ----------
    pods_per_minute : float
        Over all nodes, averaged over the day.
    lifetime : Lifetime or float
        A number is a fixed lifetime. [s]
    hourly : sequence of 24 numbers, optional
        Relative rate in each hour of a day that begins at 0 s; scaled to a mean of 1.

    Examples
    --------
    >>> night_shift = [2.0] * 8 + [0.5] * 16
    >>> Poisson(pods_per_minute=4, lifetime=Exponential(60), hourly=night_shift).pods_per_minute
    4
    """

    pods_per_minute: float
    lifetime: Lifetime | float
    hourly: Sequence[float] | None = None

    __eq__ = same_values


@checked_call
@dataclass(frozen=True, kw_only=True)
class CronJob(Shown):
    """
    Pods that start together at regular times.

    Attributes
    ----------
    pods : int
    every_s, first_s : float
        The schedule. [s]
    lifetime : Lifetime or float

    Examples
    --------
    >>> CronJob(pods=20, every_s=600, lifetime=30)
    CronJob(pods=20, every_s=600, lifetime=30, first_s=0.0)
    """

    pods: int
    every_s: float
    lifetime: Lifetime | float
    first_s: float = 0.0


@checked_call
@dataclass(frozen=True, kw_only=True)
class RollingUpdate(Shown):
    """
    Deployment that runs from 0 s and is replaced pod by pod.

    Attributes
    ----------
    replicas : int
    at_s : float
        When the update begins. [s]
    max_surge, max_unavailable : int or str
        As in the Deployment: pods, or a share of the replicas such as ``"25%"``. Kubernetes
        rounds the surge up and the unavailable down. They must not both be 0.
    ready_s : float
        Time from a pod's address until it is ready. [s]

    Examples
    --------
    >>> RollingUpdate(replicas=10, at_s=900, max_surge=2, ready_s=5).max_unavailable
    0
    """

    replicas: int
    at_s: float
    max_surge: int | str = 1
    max_unavailable: int | str = 0
    ready_s: float = 0.0


Workload = Poisson | CronJob | RollingUpdate


@dataclass
class Pods:
    """Pods as columns, in order of arrival; those started by other pods are last."""

    arrivals: NDArray[np.float64]
    lifetimes: NDArray[np.float64]
    ready_s: NDArray[np.float64]
    ends: NDArray[np.int64]
    follows: NDArray[np.int64]


def draw_pods(workloads: Sequence[Workload], rng: np.random.Generator, duration_s: float) -> Pods:
    """All pods of some workloads, with random arrivals and lifetimes."""
    parts = [_random_pods(workload, rng, duration_s) for workload in workloads]
    offsets = np.cumsum([0, *(len(part.arrivals) for part in parts)])[:-1]
    joined = [
        np.concatenate(
            [
                np.where(part >= 0, part + offset, -1)
                for part, offset in zip(column, offsets, strict=True)
            ]
        )
        for column in ([part.ends for part in parts], [part.follows for part in parts])
    ]
    arrivals = np.concatenate([part.arrivals for part in parts])
    order = np.argsort(arrivals, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    ends, follows = (np.where(column[order] >= 0, rank[column[order]], -1) for column in joined)
    return Pods(
        arrivals[order],
        np.concatenate([part.lifetimes for part in parts])[order],
        np.concatenate([part.ready_s for part in parts])[order],
        ends,
        follows,
    )


def _random_pods(workload: Workload, rng: np.random.Generator, duration_s: float) -> Pods:
    if isinstance(workload, Poisson):
        arrivals = _poisson(workload, rng, duration_s)
        return alone(arrivals, lifetime_of(workload.lifetime).draw(rng, len(arrivals)))
    if isinstance(workload, CronJob):
        first = number(workload.first_s, name="first_s")
        every = _positive(workload.every_s, "every_s")
        pods = arrays.count(workload.pods, name="pods", low=1, high=10**12)
        _refuse_many(max(duration_s - first, 0.0) / every * pods)
        starts = np.arange(first, max(duration_s, first), every)
        arrivals = np.repeat(starts, pods)
        return alone(arrivals, lifetime_of(workload.lifetime).draw(rng, len(arrivals)))
    if isinstance(workload, RollingUpdate):
        return _rolling(workload)
    raise InputError(f"a workload is a Poisson, CronJob or RollingUpdate; got {workload!r}")


def _refuse_many(pods: float) -> None:
    if pods > MAX_PODS:
        raise InputError(
            f"the workload brings about {min(pods, 10**18):,.0f} pods; at most {MAX_PODS:,} fit into memory: "
            "simulate fewer hours, or a part of the nodes"
        )


def alone(arrivals: Any, lifetimes: Any) -> Pods:
    """Pods that neither start nor end another pod."""
    none = np.full(len(arrivals), -1, dtype=np.int64)
    return Pods(arrivals, lifetimes, np.zeros(len(arrivals)), none, none.copy())


def _poisson(workload: Poisson, rng: np.random.Generator, duration_s: float) -> Any:
    rate = number(workload.pods_per_minute, name="pods_per_minute") / 60
    weights = np.ones(24) if workload.hourly is None else _numbers(workload.hourly, "hourly")
    if (
        weights.shape != (24,)
        or not np.isfinite(weights).all()
        or (weights < 0).any()
        or not weights.any()
    ):
        raise InputError("hourly must hold 24 numbers from 0 on, not all 0")
    starts = np.arange(0.0, duration_s, 3600.0)
    lengths = np.minimum(3600.0, duration_s - starts)
    hours = np.arange(len(starts)) % 24
    means = rate * (weights / weights.mean())[hours] * lengths
    _refuse_many(float(means.sum()))
    counts = rng.poisson(means)
    return np.sort(
        np.repeat(starts, counts) + rng.random(counts.sum()) * np.repeat(lengths, counts)
    )


def _share(value: int | str, name: str, count: int) -> tuple[int, int]:
    """Pods from a number or a share of `count`, rounded down; and the percentage, else 0."""
    if not isinstance(value, str):
        return arrays.count(value, name=name, high=MAX_PODS), 0
    if not re.fullmatch(r"[0-9]{1,3}%", value, re.ASCII):
        raise InputError(f'{name} must be a whole number or a share such as "25%"; got {value!r}')
    percent = int(value[:-1])
    return percent * count // 100, percent


def _rolling(workload: RollingUpdate) -> Pods:
    """Pods of an update as chains: when ready, a new pod ends an old one and starts the next."""
    count = arrays.count(workload.replicas, name="replicas", low=1, high=MAX_PODS)
    surge, surge_share = _share(workload.max_surge, "max_surge", count)
    unavailable, share = _share(workload.max_unavailable, "max_unavailable", count)
    surge = -(-surge_share * count // 100) if surge_share else surge
    if surge == unavailable == share == 0:
        raise InputError("max_surge and max_unavailable must not both be 0")
    # If a share of a few replicas rounds down to 0, Kubernetes uses 1.
    unavailable = unavailable or int(surge == 0)
    at = number(workload.at_s, name="at_s")
    unavailable, width = min(unavailable, count), min(surge + unavailable, count)
    arrivals = np.full(2 * count, math.inf)
    arrivals[:count], arrivals[count : count + width] = 0.0, at
    lifetimes = np.full(2 * count, math.inf)
    lifetimes[:unavailable] = at if at > 0 else 1e-9
    ends = np.full(2 * count, -1, dtype=np.int64)
    follows = ends.copy()
    new = np.arange(count)
    old = new + unavailable
    ends[count:] = np.where(old < count, old, -1)
    follows[count:] = np.where(new + width < count, count + new + width, -1)
    ready = np.full(2 * count, number(workload.ready_s, name="ready_s"))
    return Pods(arrivals, lifetimes, ready, ends, follows)
