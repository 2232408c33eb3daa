"""What must a subnet hold, and how long do pods wait, when pods start and end on many nodes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.addresses.warm_pool import WarmPool, lean, targets_of
from eks_win_capacity.core import arrays
from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX, COOL_DOWN_TICK_S, NODE_ADDRESSES
from eks_win_capacity.core.display import heading_of, html_frame
from eks_win_capacity.core.errors import InputError, count_of
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.values import same_values
from eks_win_capacity.simulator import engine as engines
from eks_win_capacity.simulator import machine
from eks_win_capacity.simulator.arrivals import (
    CronJob,
    Lifetime,
    Poisson,
    RollingUpdate,
    alone,
    draw_pods,
    lifetime_of,
)
from eks_win_capacity.simulator.clock import (
    MAX_SECONDS,
    as_nanoseconds,
    as_seconds,
    checked_seconds,
    nanoseconds,
)
from eks_win_capacity.simulator.replay import check_pool, checked_slots, machine_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from eks_win_capacity.simulator.arrivals import Pods, Workload
    from eks_win_capacity.simulator.engine import Engine

QUANTILES: Final = (0.5, 0.9, 0.95, 0.99, 1.0)
_MOST_SAMPLES: Final = 10_000_000
"""More would not fit into memory."""

_PLACEMENTS: Final = {"random": 0, "spread": 1, "pack": 2}


@checked_call
@dataclass(frozen=True, repr=False)
class Churn:
    """
    Simulation of many nodes over time.

    Attributes
    ----------
    over_time : DataFrame
        One row for each sample: ``seconds``, ``used``, ``warm``, ``cooling``,
        ``addresses``, ``prefixes`` (attached for pods), ``subnet_addresses``
        (with the nodes' own and those of calls under way: ``pending_create`` is
        to come, ``pending_delete`` released but not back until the call ends),
        ``waiting_for_address``, ``waiting_for_node``, ``cooling_share`` (of attached
        addresses), ``fragmentation`` (share of attached addresses that are warm in prefixes in
        use), ``ec2_calls_per_minute``.
    quantiles : DataFrame
        The same columns and ``wait_s``, by quantile, after the warm-up. In the last
        row, 1.0, ``used``, ``addresses``, ``prefixes`` and ``subnet_addresses`` are the maxima
        over all time, between samples too and including calls in progress: what a subnet must
        hold.
    waits : DataFrame
        One row for each pod requested after the warm-up: ``arrived_s`` (time of the request),
        ``wait_for_node_s``, ``wait_s`` (total; missing while it still waits).
    never_started : int
        Pods still waiting at the end. [pods]

    Examples
    --------
    >>> from eks_win_capacity import Fixed, Poisson, WarmPool, simulate_churn
    >>> work = Poisson(pods_per_minute=2, lifetime=Fixed(60))
    >>> ran = simulate_churn(work, nodes=2, slots=9, pool=WarmPool.secondary(), hours=0.5)
    >>> list(ran.quantiles.index)
    [0.5, 0.9, 0.95, 0.99, 1.0]
    """

    over_time: pd.DataFrame
    quantiles: pd.DataFrame
    waits: pd.DataFrame
    never_started: int

    __eq__ = same_values

    def __repr__(self) -> str:
        """Length of the run, and whether pods were left without an address."""
        samples = count_of(len(self.over_time), "sample")
        pods = count_of(self.never_started, "pod never starts", "pods never start")
        return f"<Churn of {samples}: {pods}>"

    def _repr_html_(self) -> str:
        started = count_of(self.never_started, "pod never starts", "pods never start")
        measures = self.quantiles.T.rename(columns=lambda share: f"{100 * share:g} % of the time")
        measures = measures.rename(index=heading_of).rename_axis("measure").reset_index()
        return html_frame(measures, title="Churn: no more than", notes=[started])

    def to_pandas(self) -> pd.DataFrame:
        """`over_time`: one row for each sample."""
        return self.over_time


@checked_call
def simulate_churn(
    workload: Workload | Sequence[Workload],
    *,
    nodes: int,
    slots: int,
    pool: WarmPool,
    hours: float = 24.0,
    warm_up_hours: float = 0.0,
    pods_per_node: int | None = None,
    placement: str = "random",
    ec2_latency_s: float = 0.0,
    sample_s: float = 60.0,
    rng: int | np.random.Generator = 0,
    engine: Engine = "auto",
) -> Churn:
    """
    Simulation of pods that start, wait, run and end on many nodes, with their waiting times.

    Nodes start empty. The scheduler knows what nodes advertise, but not which addresses are
    cooling, so a pod can be placed and then wait for an address.

    Parameters
    ----------
    workload : Poisson, CronJob, RollingUpdate, or a sequence of them
    nodes : int
    slots : int
        IPv4 addresses per interface - 1, of every node.
    pool : WarmPool
    hours, warm_up_hours : float
        Duration, and the part at its beginning that quantiles and waits ignore. [h]
    pods_per_node : int, optional
        Maximum number of pods that the scheduler places on a node; by default what the node
        advertises.
    placement : {"random", "spread", "pack"}
        A random node with room, the emptiest, or the fullest.
    ec2_latency_s : float
        How long every EC2 call takes. [s]
    sample_s : float
        Time between samples. A sample includes what happens at the same moment; shorter bursts
        can fall between two samples. [s]
    rng : int or Generator
        The same seed gives the same answer, in every engine.
    engine : {"auto", "compiled", "reference"}

    Returns
    -------
    Churn

    Raises
    ------
    InputError
        If an argument makes no sense.
    MissingExtraError
        If ``engine="compiled"`` and numba is not installed.

    References
    ----------
    amazon-vpc-resource-controller-k8s, commit b8d425119bdb, ``pkg/pool`` and
    ``pkg/provider``.

    Examples
    --------
    >>> from eks_win_capacity import Exponential, Poisson, WarmPool
    >>> work = Poisson(pods_per_minute=3, lifetime=Exponential(60))
    >>> ran = simulate_churn(work, nodes=2, slots=9, pool=WarmPool.prefix(), hours=0.5, rng=1)
    >>> bool((ran.over_time["addresses"] == 16 * ran.over_time["prefixes"]).all())
    True
    >>> ran.never_started
    0
    """
    check_pool(pool)
    engines.check_engine(engine)
    arrays.choice(placement, _PLACEMENTS, name="placement")
    duration, step = _hours(hours, "hours"), checked_seconds(sample_s, "sample_s")
    if not duration or not step:
        raise InputError("hours and sample_s must be above 0")
    skip = _hours(warm_up_hours, "warm_up_hours")
    if skip >= duration:
        raise InputError(f"warm_up_hours must be below hours; got {warm_up_hours:g} of {hours:g}")
    random = _random(rng)
    pods = draw_pods(_several(workload), random, duration)
    ran = _run(
        pods,
        nodes,
        slots,
        pool,
        pods_per_node,
        _PLACEMENTS[placement],
        checked_seconds(ec2_latency_s, "ec2_latency_s"),
        _times(duration, step),
        random,
        engine,
        skip,
    )
    return _churn(ran, int(nodes), skip)


def _hours(value: object, name: str) -> float:
    """Hours as seconds; InputError if they are too many. [s]."""
    hours = checked_seconds(value, name)
    if hours * 3600 > MAX_SECONDS:
        raise InputError(f"{name} must be at most {MAX_SECONDS // 3600:,}; got {value!r}")
    return hours * 3600


def _random(rng: object) -> np.random.Generator:
    if isinstance(rng, bool) or not (isinstance(rng, np.random.Generator) or _is_seed(rng)):
        raise InputError(f"rng must be a seed from 0 on or a NumPy Generator; got {rng!r}")
    return np.random.default_rng(rng)  # type: ignore[arg-type]


def _is_seed(rng: object) -> bool:
    return isinstance(rng, (int, np.integer)) and bool(rng >= 0)


def _several(workload: Any) -> list[Workload]:
    if isinstance(workload, (Poisson, CronJob, RollingUpdate)):
        return [workload]
    if isinstance(workload, str) or not isinstance(workload, Iterable) or workload is np.ma.masked:
        raise InputError(f"a workload is a Poisson, CronJob or RollingUpdate; got {workload!r}")
    several = list(workload)
    if not several:
        raise InputError("there must be one workload at least")
    return several


def _times(duration: float, step: float) -> Any:
    """Times of the samples: each step, and the end. [s]."""
    if duration > _MOST_SAMPLES * step:
        raise InputError(
            f"sample_s must leave at most {_MOST_SAMPLES:,} samples of {duration:g} s; got {step:g}"
        )
    before = np.arange(math.ceil(duration / step)) * step
    return np.append(before, duration)


@dataclass(frozen=True)
class _Ran:
    samples: Any
    rows: Any
    wanted: Any
    placed: Any
    started: Any
    peaks: Any


def _run(  # noqa: PLR0917
    pods: Pods,
    nodes: int,
    slots: int,
    pool: WarmPool,
    pods_per_node: int | None,
    placement: int,
    latency: float,
    samples: Any,
    random: np.random.Generator,
    engine: Engine,
    skip: float = 0.0,
) -> _Ran:
    count, room = arrays.count(nodes, name="nodes"), checked_slots(slots)
    if count == 0:
        raise InputError(f"nodes must be 1 or more; got {nodes!r}")
    limit = _pods_on_one(pods_per_node, room, pool)
    # Nodes start at any time, so the phases of their ticks differ.
    phase = as_nanoseconds(random.uniform(0, COOL_DOWN_TICK_S, count))
    m = machine_of(np.full(count, room), [pool] * count, latency, phase=phase)
    number = len(pods.arrivals)
    seen = np.full((5, number), -1, dtype=np.int64)
    rows = np.zeros((12, len(samples)), dtype=np.int64)
    peaks = np.zeros(2, dtype=np.int64)
    # Drawn for all engines, so that they give the same result.
    wishes = random.integers(0, count, number)
    # Compiling takes as long as simulating some thousand pods.
    fast = engine == "compiled" or (engine == "auto" and engines.available() and number >= 5_000)
    run = engines.compiled("churn") if fast else machine.churn
    run(
        m,
        limit,
        placement,
        as_nanoseconds(pods.arrivals),
        as_nanoseconds(pods.lifetimes),
        wishes,
        as_nanoseconds(pods.ready_s),
        pods.ends,
        pods.follows,
        as_nanoseconds(samples),
        seen,
        rows,
        nanoseconds(skip),
        peaks,
    )
    return _Ran(samples, rows, seen[1], seen[2], seen[3], peaks)


def _pods_on_one(given: int | None, slots: int, pool: WarmPool) -> int:
    """Maximum number of pods that the scheduler places on one node."""
    most = slots * (ADDRESSES_PER_PREFIX if pool.prefix_delegation else 1)
    limit = most if given is None else min(arrays.count(given, name="pods_per_node"), most)
    if limit == 0:
        raise InputError(f"pods_per_node must be 1 or more; got {given!r}")
    return limit


def _churn(ran: _Ran, nodes: int, skip: float) -> Churn:
    import pandas as pd

    rows = ran.rows
    attached = np.maximum(rows[3], 1)
    calls = rows[9] + rows[10]
    # The calls that fill the nodes at 0 s count as if they took one step.
    lasted = np.diff(ran.samples, prepend=ran.samples[0] - ran.samples[1])
    over_time = pd.DataFrame(
        {
            "seconds": ran.samples,
            **dict(
                zip(("used", "warm", "cooling", "addresses", "prefixes"), rows[:5], strict=True)
            ),
            "subnet_addresses": rows[3] + rows[8] + rows[11] + nodes * NODE_ADDRESSES,
            "pending_create": rows[8],
            "pending_delete": rows[11],
            "waiting_for_address": rows[5],
            "waiting_for_node": rows[6],
            "cooling_share": rows[2] / attached,
            "fragmentation": rows[7] / attached,
            "ec2_calls_per_minute": np.diff(calls, prepend=0) * 60 / lasted,
        }
    )
    # A pod started by another is wanted when that one is ready, which may never happen.
    arrived = as_seconds(ran.wanted)
    known = ran.wanted >= nanoseconds(skip)
    waits = pd.DataFrame(
        {
            "arrived_s": arrived[known],
            "wait_for_node_s": _waited(ran.placed, ran.wanted)[known],
            "wait_s": _waited(ran.started, ran.wanted)[known],
        }
    )
    quantiles = _quantiles(ran, over_time[over_time["seconds"] >= skip], nodes)
    quantiles["wait_s"] = waits["wait_s"].quantile(list(QUANTILES))
    return Churn(over_time, quantiles, waits, int(waits["wait_s"].isna().sum()))


def _quantiles(ran: _Ran, over_time: pd.DataFrame, nodes: int) -> pd.DataFrame:
    """Quantiles over the samples; the last row also includes peaks between samples."""
    quantiles = over_time.drop(columns="seconds").quantile(list(QUANTILES))
    top = quantiles.index == 1.0
    for name, peak in {
        "used": ran.peaks[0],
        "addresses": ran.peaks[1],
        "prefixes": ran.peaks[1] // ADDRESSES_PER_PREFIX * ran.rows[4].any(),
        "subnet_addresses": ran.peaks[1] + nodes * NODE_ADDRESSES,
    }.items():
        quantiles.loc[top, name] = np.maximum(quantiles.loc[top, name], peak)
    quantiles.index.name = "quantile"
    return quantiles


def _waited(until: Any, since: Any) -> Any:
    """Time between two events, missing if the second never happened. [s]."""
    return as_seconds(np.where(until < 0, -1, until - since))


@checked_call
def effective_concurrency(
    slots: int,
    pool: WarmPool,
    pod_lifetime: Lifetime | float,
    *,
    ec2_latency_s: float = 0.0,
    rng: int | np.random.Generator = 0,
    engine: Engine = "auto",
) -> float:
    """
    Mean number of pods that a node runs under constant demand.

    Each address cools down for 30 to 60 s between two pods, and a pod without an address
    retries after up to 20 s, so short jobs leave most addresses idle.

    Parameters
    ----------
    slots : int
        IPv4 addresses per interface - 1.
    pool : WarmPool
    pod_lifetime : Lifetime or float
        A number is a fixed lifetime. [s]
    ec2_latency_s : float
        How long every EC2 call takes. [s]
    rng : int or Generator
    engine : {"auto", "compiled", "reference"}

    Returns
    -------
    float
        Mean number of running pods. [pods]

    References
    ----------
    amazon-vpc-resource-controller-k8s, ``pkg/config/type.go``: the cool-down.

    Examples
    --------
    >>> from eks_win_capacity import WarmPool
    >>> 3 < effective_concurrency(9, WarmPool.secondary(), 60) < 6
    True
    """
    check_pool(pool)
    engines.check_engine(engine)
    random = _random(rng)
    lifetime = lifetime_of(pod_lifetime)
    capacity = checked_slots(slots) * (ADDRESSES_PER_PREFIX if pool.prefix_delegation else 1)
    mean = float(np.mean(lifetime.draw(random, 1_000)))
    nodes, cycles = max(64 // capacity, 1), 24
    cycle = mean + 45.0
    number = nodes * capacity * (cycles + 8)
    # Jobs that begin together would stay synchronous, so the first ones are spread out.
    arrivals = np.sort(
        np.concatenate(
            [random.random(nodes * capacity) * cycle, np.full(number - nodes * capacity, cycle)]
        )
    )
    pods = alone(arrivals, lifetime.draw(random, number))
    samples = np.linspace(4 * cycle, cycles * cycle, 2_000)
    ran = _run(
        pods,
        nodes,
        slots,
        pool,
        None,
        0,
        checked_seconds(ec2_latency_s, "ec2_latency_s"),
        samples,
        random,
        engine,
    )
    return float(ran.rows[0].mean() / nodes)


@checked_call
@dataclass(frozen=True, repr=False)
class BestTargets:
    """
    Targets with the least waste that meet a waiting-time goal, and all other candidates.

    Attributes
    ----------
    pool : WarmPool or None
        None if no candidate meets the goal.
    curve : DataFrame
        One row for each candidate, least waste first: its targets, ``wait_s`` at
        the quantile, ``waste`` (attached addresses without a pod, mean per node),
        ``ec2_calls_per_minute``, ``meets_goal``, ``efficient`` (no other candidate is better in
        both wait and waste).
    reason : str
        The result in one sentence.

    Examples
    --------
    >>> import pandas as pd
    >>> BestTargets(None, pd.DataFrame(), "no candidate keeps the waits within 0 s").pool is None
    True
    """

    pool: WarmPool | None
    curve: pd.DataFrame
    reason: str

    __eq__ = same_values

    def __repr__(self) -> str:
        """Chosen pool, and the reason."""
        return (
            f"<BestTargets of {count_of(len(self.curve), 'candidate')}: {self.pool}; {self.reason}>"
        )

    def _repr_html_(self) -> str:
        return html_frame(self.curve, title="Best targets", notes=[self.reason])

    def to_pandas(self) -> pd.DataFrame:
        """`curve`: one row for each candidate, least waste first."""
        return self.curve


@checked_call
def best_targets(
    workload: Workload | Sequence[Workload],
    *,
    nodes: int,
    slots: int,
    wait_s: float = 10.0,
    quantile: float = 0.99,
    prefix_delegation: bool | None = None,
    candidates: Sequence[WarmPool] | None = None,
    rng: int = 0,
    progress: Callable[[int, int], object] | None = None,
    **options: Any,
) -> BestTargets:
    """
    Warm targets that meet a waiting-time goal with the least waste.

    All candidates are simulated with the same pods.

    Parameters
    ----------
    workload, nodes, slots
        As in :func:`simulate_churn`.
    wait_s : float
        Maximum wait for an address at the quantile; by default less than the time that a
        Windows container takes to start. [s]
    quantile : float
        From 0 to 1. A pod that never starts counts as waiting too long.
    prefix_delegation : bool, optional
        Mode of the candidates; both by default.
    candidates : sequence of WarmPool, optional
    rng : int
        Seed.
    progress : callable, optional
        Called before each candidate with the number done and the total.
    **options
        Further options of :func:`simulate_churn`.

    Returns
    -------
    BestTargets

    Raises
    ------
    InputError
        If an argument makes no sense.

    References
    ----------
    EKS best practices guide, "Prefix mode for Windows".
    amazon-vpc-resource-controller-k8s, commit b8d425119bdb, ``pkg/config``.

    Examples
    --------
    >>> from eks_win_capacity import Poisson
    >>> work = Poisson(pods_per_minute=2, lifetime=60)
    >>> found = best_targets(
    ...     work, nodes=2, slots=9, wait_s=0, quantile=0.9, hours=0.5, prefix_delegation=False
    ... )
    >>> found.pool is not None and found.curve["meets_goal"].any().item()
    True
    """
    import pandas as pd

    goal = checked_seconds(wait_s, "wait_s")
    _check_quantile(quantile)
    if "pool" in options:
        raise InputError("best_targets compares pools: give them as candidates, and no pool")
    if prefix_delegation is not None:
        prefix_delegation = arrays.flag(prefix_delegation, name="prefix_delegation")
    if candidates is None:
        candidates = list(_candidates(checked_slots(slots), prefix_delegation))
    if not isinstance(candidates, (list, tuple)):
        raise InputError(f"candidates must be a list of WarmPool; got {candidates!r}")
    if not candidates:
        raise InputError("candidates must hold one WarmPool at least")
    rows = []
    for candidate, pool in enumerate(candidates):
        if progress is not None:
            progress(candidate, len(candidates))
        ran = simulate_churn(workload, nodes=nodes, slots=slots, pool=pool, rng=rng, **options)
        rows.append({"candidate": candidate, **_scored(ran, pool, nodes, quantile, goal)})
    curve = pd.DataFrame(rows).sort_values(["waste", "wait_s"], kind="stable", ignore_index=True)
    # In order of waste, a candidate is efficient if its wait is less than all before it.
    best = curve["wait_s"].cummin().shift(fill_value=math.inf)
    curve["efficient"] = curve["wait_s"] < best
    good = curve[curve["meets_goal"]]
    share = f"{100 * quantile:.6g}%"
    if good.empty:
        best_has = "with each of them more pods than that never start"
        if (least := curve["wait_s"].min()) < math.inf:
            best_has = f"the best has {least:g} s"
        why = f"no candidate keeps {share} of the waits within {goal:g} s; {best_has}"
        return BestTargets(None, curve, why)
    row = good.iloc[0]
    why = f"{share} of the pods wait {row['wait_s']:g} s at most, with {row['waste']:.1f} addresses idle on a node"
    return BestTargets(candidates[int(row["candidate"])], curve, why)


def _scored(ran: Churn, pool: WarmPool, nodes: int, quantile: float, goal: float) -> dict[str, Any]:
    """Targets of a pool and their results: quantile of the waits, idle addresses, EC2 calls."""
    waited = np.sort(ran.waits["wait_s"].fillna(math.inf).to_numpy())
    # The smallest wait with this share of pods at or below it; a pod never started is infinite.
    rank = max(math.ceil(quantile * len(waited)) - 1, 0)
    wait = float(waited[rank]) if len(waited) else 0.0
    time = ran.over_time
    return {
        "prefix_delegation": pool.prefix_delegation,
        **targets_of(pool),
        "wait_s": wait,
        "waste": float((time["addresses"] - time["used"]).mean() / nodes),
        "ec2_calls_per_minute": float(time["ec2_calls_per_minute"].mean()),
        "meets_goal": wait <= goal,
    }


def _check_quantile(quantile: object) -> None:
    if not isinstance(quantile, (int, float, np.floating)) or not 0 <= quantile <= 1:
        raise InputError(f"quantile must be from 0 to 1; got {quantile!r}")


def _candidates(slots: int, prefix_delegation: bool | None) -> list[WarmPool]:  # noqa: FBT001
    pools = []
    if prefix_delegation is not True:
        warm = sorted({x for x in (1, 2, 3, 5, 8, 13, 21, 34, 55) if x < slots} | {slots})
        pools += [lean(prefix_delegation=False, warm_ip_target=x) for x in warm]
    if prefix_delegation is not False:
        pools += [
            WarmPool.prefix(warm_ip_target=x) for x in (1, 4, 8, 16, 32, 64) if x <= 16 * slots
        ]
        pools += [WarmPool.prefix(warm_prefix_target=x) for x in (1, 2, 3, 4) if x <= slots]
    return pools
