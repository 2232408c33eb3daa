"""Which fleet is the cheapest: the input read, the search run, and the plan written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from eks_win_capacity.addresses.warm_pool import WarmPool
from eks_win_capacity.catalog import Catalog, given_or_bundled
from eks_win_capacity.cluster.state import ClusterState
from eks_win_capacity.core.arrays import choice, count, flag
from eks_win_capacity.core.constants import KUBELET_MAX_PODS
from eks_win_capacity.core.errors import InputError, MissingExtraError, UnsupportedInputError
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.density.reserved import Reserved, reserved_of
from eks_win_capacity.packing.deadline import Deadline
from eks_win_capacity.planning.alternatives import beside, fewer_types, with_certainty
from eks_win_capacity.planning.candidates import left_over, read_limits, sized, usable
from eks_win_capacity.planning.costs import (
    Buying,
    check_names,
    read_buying,
    read_prices,
    split_by_purchase,
)
from eks_win_capacity.planning.current import from_now
from eks_win_capacity.planning.model import value_of
from eks_win_capacity.planning.plan import FleetPlan
from eks_win_capacity.planning.plan_values import Infeasible
from eks_win_capacity.planning.question import (
    ANY_TYPES,
    PROVED,
    Question,
    read_sites,
    status_of,
)
from eks_win_capacity.planning.refinement import cheapest, demanded
from eks_win_capacity.planning.shortage import why_not
from eks_win_capacity.planning.solving import Solving, answer
from eks_win_capacity.planning.workloads import (
    daemons_of,
    read_daemons,
    read_workloads,
    whole,
    workloads_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eks_win_capacity.planning.question import Answer, NodeKind
    from eks_win_capacity.planning.workloads import Load

    Objective = Literal["cost", "nodes", "addresses"]
    Launcher = Literal["eksctl", "managed", "autoscaler", "karpenter"]

_OWN_TIME: Final = 0.7
"""Part of the time limit for the plan itself, if it is compared with others."""

_SEARCH_TIME: Final = 0.9
"""Part of the time limit for the plan if it is not: the reasons for rejections take time too."""

_EVEN: Final = "even shares of the zones"
"""Plans that the bound covers if a zone may be lost and there are too many patterns to list."""

_FEWEST: Final = 0.6
"""Part of the time for the fewest nodes or addresses, or for the plan without minimums; the rest is
for the cheapest such plan."""

_MOST_VALUES: Final = 50
"""Largest ``minValues`` of a NodePool, by its schema (karpenter.sh/v1)."""


@checked_call
def plan_fleet(
    workloads: Any,
    *,
    candidates: Any = None,
    subnets: Any = None,
    prices: Any = None,
    objective: Objective = "cost",
    prefix_delegation: bool | None = None,
    pool: WarmPool | None = None,
    kubelet_max_pods: int | None = KUBELET_MAX_PODS,
    reserved: Any = None,
    daemonsets: Any = (),
    node_cost: float | None = None,
    surge: float | str = 0,
    zone_lost: bool = False,
    zones: Sequence[str] | None = None,
    max_types: int | None = None,
    limits: Mapping[str, int] | None = None,
    time_limit_s: float | None = 30.0,
    compare: bool = True,
    catalog: Catalog | None = None,
    progress: Callable[[float, float], None] | None = None,
    current: Any = None,
    max_replaced: int | None = None,
    launcher: Launcher = "eksctl",
    extended_resources: Mapping[str, Mapping[str, int]] | None = None,
    buy: Buying | Mapping[str, Any] | None = None,
    min_types: int = 1,
    at_least: Mapping[str, int] | None = None,
) -> FleetPlan:
    """
    Cheapest Windows nodes that run the workloads, with a proved lower bound.

    The plan considers CPU, memory, pod addresses, the kubelet's limit, warm pools and subnets
    together. Column generation solves the LP relaxation over all packing patterns, a small
    integer program chooses whole nodes, and Farley's bound, in integers, proves how close the
    answer is to the cheapest.

    Parameters
    ----------
    workloads : DataFrame, list of mapping or of Workload, or ClusterState
        Fields name, replicas, cpu, memory (Kubernetes quantities) and, optionally,
        host_process, zone_spread, max_skew, allowed_types, anti_affinity, max_per_node, gpu,
        extended; see `Workload`. From a cluster, the running and pending Windows pods are taken
        by owner and requests; pods of DaemonSets count as ``daemonsets``.
    candidates : str, iterable of str, Catalog or DataFrame, optional
        Instance types or patterns such as ``m5.*``; ``!m5.*`` excludes what it matches. By
        default all current-generation types that run Windows and have no accelerators, local
        disks or CPU credits (T types); those must be named. A type that cannot be a Windows
        node is rejected with a reason.
    subnets : Subnet, list of Subnet or CIDR, or mapping by zone, optional
        Where nodes may run. Their addresses and free /28 blocks are then limits. In prefix mode
        a node's own address may break a whole block, so each node counts one more block, and
        the plan fits wherever EC2 puts the address; prefix reservations keep it out. If no such
        plan exists, the plan relies on a reservation, which it names. If only the number of
        used addresses is known, the worst case of whole blocks is assumed.
    prices : Prices, Series, DataFrame or mapping, optional
        Price by instance type. Types without one are rejected. Without prices a type costs
        its vCPUs plus its GiB times 1/24, as ``price_basis`` of the plan says.
    objective : {"cost", "nodes", "addresses"}
        What to minimise; among plans with the fewest nodes or addresses, the cheapest.
    prefix_delegation : bool, optional
        Address mode; the pool's by default, else False.
    pool : WarmPool, optional
        Warm targets; by default those of the mode.
    kubelet_max_pods : int or None
        The kubelet's limit; None for none. [pods]
    reserved : Reserved or mapping, optional
        CPU and memory that nodes keep from pods; a mapping has ``cpu`` and ``memory`` as
        quantities.
    daemonsets : as workloads
        Pods that run on every node; replicas are ignored.
    node_cost : float, optional
        Cost of a node in addition to its instance, in the unit of the prices; by default that
        of a root volume of 50 GiB: 0.0055 per hour, or 0.06 vCPUs without prices.
    surge : int, float or str
        Extra pods of each workload during a rolling update: a whole number, or a share of the
        replicas such as ``0.25`` or ``"25%"``, rounded up as Kubernetes does.
    zone_lost : bool
        Whether all pods must still fit after the loss of any one zone: each workload is spread
        evenly, with enough room in all zones but one. The bound is for even shares; shares are
        uneven only if the subnets allow no such plan.
    zones : sequence of str, optional
        Zones to spread over where no subnets are given.
    max_types : int, optional
        Maximum number of instance types.
    limits : mapping, optional
        Maximum number of nodes by instance type or zone; ``nodes`` limits the total,
        ``addresses`` the subnet addresses of all nodes.
    time_limit_s : float, optional
        Time limit, kept to within half a second plus 20 %; the best plan found by then is
        returned. With None, only counts limit the work, so that the same input always gives the
        same plan. [s]
    compare : bool
        Whether to compare with the best single type and the other address mode.
    catalog : Catalog, optional
        The instance table; the bundled one by default.
    progress : callable, optional
        Called with cost and lower bound of each better plan.
    current : ClusterState, FleetPlan, iterable of groups or rows, DataFrame or mapping, optional
        The current nodes: a state, a plan, groups of either, or the number of nodes of each
        type as a mapping or a table (columns ``instance_type``, ``nodes`` and, optionally,
        ``zone``). The plan then says what to keep, add and drain, see `FleetPlan.diff`. Nodes
        stay in their zones, and nodes of a state are not drained while a PodDisruptionBudget
        prevents the eviction of their pods. All other pods may move.
    max_replaced : int, optional
        Maximum number of current nodes to drain; 0 for additions only. No limit by default.
        [nodes]
    launcher : {"eksctl", "managed", "autoscaler", "karpenter"}
        Who starts the nodes, and what `FleetPlan.node_groups` writes: groups for eksctl, or for
        ``managed``, EKS managed groups with a launch template. With ``karpenter``, the plan
        also fits Karpenter's estimate of a node: one address less than the interface has, in
        both modes, and its CPU and memory overheads.
    extended_resources : mapping, optional
        Extended resources of a node, by instance type or pattern, such as ``{"g4dn.*":
        {"nvidia.com/gpu": 1}}``; whole NVIDIA GPUs of G and P types are known.
    buy : Buying or mapping, optional
        How nodes are bought: ``spot_share``, ``spot_prices``, ``paid``, ``licence``.
    min_types : int
        Minimum number of instance types.
    at_least : mapping, optional
        Minimum number of nodes by instance type, by zone, or in total (``nodes``); empty nodes
        are added if the pods need fewer.

    Returns
    -------
    FleetPlan
        With ``feasible`` False and the reasons if nothing fits.

    Raises
    ------
    InputError
        If an input is invalid.
    UnsupportedInputError
        If an input is of a kind that cannot be read.
    UnknownInstanceTypeError
        If the catalog lacks a candidate, an allowed type or the type of a limit.
    MissingExtraError
        If SciPy is not installed (extra ``fleet``).

    References
    ----------
    Gilmore and Gomory (1961), "A linear programming approach to the cutting-stock
    problem", Operations Research 9.

    Examples
    --------
    >>> plan = plan_fleet(
    ...     [{"name": "web", "replicas": 27, "cpu": "100m", "memory": "256Mi"}],
    ...     candidates=["m5.large"],
    ... )
    >>> plan.types, plan.addresses
    ({'m5.large': 3}, 30)
    """
    end = Deadline.after(_seconds(time_limit_s))
    catalog, candidates = _types(catalog, candidates)
    counts = {"max_types": (max_types, 1), "min_types": (min_types, 1)}
    counts |= {"max_replaced": (max_replaced, 0), "kubelet_max_pods": (kubelet_max_pods, 1)}
    _check(objective, launcher, counts, present=current is not None)
    prefix, compare = _mode(prefix_delegation, pool), flag(compare, name="compare")
    where = partial(read_sites, subnets, zones)
    sites, buying = where(prefix=prefix), read_buying(buy, catalog)
    known, best = sorted({site.zone for site in sites} - {""}), where(prefix=prefix, certain=False)
    loads, daemons = _pods(workloads, daemonsets, catalog)
    loads, surge = split_by_purchase(loads, buying.spot_share, surge=surge, zones=len(known))
    ask = Question(
        workloads=loads, daemons=daemons, catalog=catalog, candidates=candidates, sites=sites,
        other_sites=partial(where, prefix=not prefix), prefix=prefix, pool=pool,
        kubelet=kubelet_max_pods, objective=objective, launcher=launcher, buying=buying,
        reserved=Reserved() if reserved is None else reserved_of(reserved), surge=surge,
        prices=check_names(read_prices(prices, node_cost, buying), catalog), progress=progress, min_types=min_types,
        max_types=max_types, at_least=read_limits(at_least, catalog, known, name="at_least"),
        limits=read_limits(limits, catalog, known), zone_lost=flag(zone_lost, name="zone_lost"),
        extended_resources=_extended(extended_resources),
        deadline=end.part(_OWN_TIME if compare else _SEARCH_TIME),
    )  # fmt: skip

    planned: Callable[[Question], FleetPlan] = plan_of
    if current is not None:
        planned = partial(from_now, current=current, max_replaced=max_replaced, plan_of=plan_of)
    elif compare:
        planned = partial(_with_others, end=end)
    certain = best == sites
    return planned(ask) if certain else with_certainty(ask, best, compare=compare, plan_of=planned)


def _with_others(ask: Question, *, end: Deadline) -> FleetPlan:
    """Plan, with the best plan of one type and that of the other address mode for comparison."""
    run = Solving(ask)
    plan = plan_of(ask, run)
    if not plan.feasible or not plan.groups or plan.status == "interrupted":
        return plan
    run.deadline = end
    run.ask = replace(ask, progress=None)
    try:
        return beside(run, plan, plan_of=plan_of)
    except KeyboardInterrupt:
        return plan


def _check(
    objective: str, launcher: str, counts: dict[str, tuple[int | None, int]], *, present: bool
) -> None:
    """Raise an error for arguments that are invalid by themselves, before anything is read."""
    try:
        import scipy.optimize  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("scipy", extra="fleet", purpose="plan_fleet") from error
    choice(objective, ("cost", "nodes", "addresses"), name="objective")
    choice(launcher, ("eksctl", "managed", "autoscaler", "karpenter"), name="launcher")
    number = {
        name: count(value, name=name, low=low)
        for name, (value, low) in counts.items()
        if value is not None or name == "min_types"
    }
    if number["min_types"] > number.get("max_types", math.inf):
        raise InputError(f"min_types is {number['min_types']} and max_types {number['max_types']}")
    if not present and "max_replaced" in number:
        raise InputError("max_replaced limits what happens to present nodes; give current too")


def _types(catalog: Catalog | None, candidates: Any) -> tuple[Catalog, Any]:
    """The catalog, which may be the candidates, and the candidates as a reusable iterable."""
    if hasattr(candidates, "__next__"):
        candidates = list(candidates)
    as_catalog = catalog is None and isinstance(candidates, Catalog)
    return given_or_bundled(candidates if as_catalog else catalog), candidates


def _pods(
    workloads: Any, daemonsets: Any, catalog: Catalog
) -> tuple[tuple[Load, ...], tuple[Load, ...]]:
    """Workloads and DaemonSets; a cluster state provides both."""
    daemons = read_daemons(daemonsets)
    if isinstance(workloads, ClusterState):
        daemons = read_daemons([*daemons, *daemons_of(workloads)])
        workloads = workloads_of(workloads)
    return read_workloads(workloads, catalog), daemons


def _extended(given: Any) -> dict[str, dict[str, int]]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(v, Mapping) for v in given.values()):
        raise InputError(
            "extended_resources must map instance types to resources and numbers, such as "
            f'{{"g4dn.*": {{"nvidia.com/gpu": 1}}}}; got {given!r}'
        )
    return {
        str(name): {str(one): whole(number, f"{one} of {name}") for one, number in counts.items()}
        for name, counts in given.items()
    }


def _seconds(limit: Any) -> float:
    if limit is None:
        return math.inf
    if isinstance(limit, (bool, str)) or not isinstance(limit, (int, float)) or not limit > 0:
        raise InputError(f"time_limit_s must be a number of seconds above zero; got {limit!r}")
    return float(limit)


def _mode(prefix_delegation: Any, pool: Any) -> bool:
    if pool is not None and not isinstance(pool, WarmPool):
        raise UnsupportedInputError(
            f"pool must be a WarmPool, such as WarmPool.prefix(); got {type(pool).__name__}"
        )
    if prefix_delegation is None:
        return pool is not None and bool(pool.prefix_delegation)
    prefix_delegation = flag(prefix_delegation, name="prefix_delegation")
    if pool is not None and bool(pool.prefix_delegation) != bool(prefix_delegation):
        mode = "prefix" if pool.prefix_delegation else "secondary"
        raise InputError(
            f"pool is of the {mode} mode and prefix_delegation is {prefix_delegation}; leave one out"
        )
    return bool(prefix_delegation)


def plan_of(ask: Question, run: Solving | None = None) -> FleetPlan:
    """Plan, or the reasons why none was found."""
    run = Solving(ask) if run is None else run
    ask.check()
    if ask.zone_lost and len(ask.zones) < 2:
        why = "one zone may be lost and there is only one"
        remedy, short = "Give subnets in two zones or more", 2 - len(ask.zones)
        reason = Infeasible(code="zones-short", why=why, remedy=remedy, short=short)
        return _refused(run, [reason])
    nodes, run.rejected, trouble = sized(ask)
    if trouble is not None:
        return _refused(run, [trouble])
    lean = run.without_dominated((*nodes, *ask.present))
    if ask.max_types is not None:
        # Most of the time is for the plan with few types; of this plan, only its bound is needed.
        run.deadline = ask.deadline.part(ANY_TYPES)
    elif ask.objective != "cost" or ask.min_types > 1 or ask.at_least:
        run.deadline = ask.deadline.part(_FEWEST)
    try:
        best = answer(run, lean)
    except KeyboardInterrupt:
        run.stop()
        best = run.known
    if not run.interrupted:
        run.deadline = ask.deadline
    if best is None:
        return _none(run, lean)
    if ask.max_types is not None:
        best = fewer_types(run, best, lean, ask.max_types)
        if best is None:
            why = f"no plan with {ask.max_types} types was found"
            code = "limits" if run.impossible else "not-found"
            return _no(run, code, why, "Allow more types")
    return _written(run, best, lean)


def _none(run: Solving, lean: tuple[NodeKind, ...]) -> FleetPlan:
    if run.interrupted:
        why = "the search was interrupted before it had a plan"
        return replace(_no(run, "not-found", why, "Let it run on"), status="interrupted")
    try:
        return _refused(run, why_not(run, lean, plan_of=plan_of))
    except KeyboardInterrupt:
        run.stop()
        return _none(run, lean)


def _written(run: Solving, best: Answer, lean: tuple[NodeKind, ...]) -> FleetPlan:
    ask, groups = run.ask, best.groups
    if ask.objective != "cost":
        groups = cheapest(run, best, lean)
    if ask.min_types > 1 or ask.at_least:
        more = demanded(run, groups)
        if more is None:
            return _too_much(run)
        groups = more
    value = value_of(groups, ask.objective)
    bound = min(max(run.bound, ask.least_by_sums(lean)), value)
    status = status_of(value, bound, interrupted=run.interrupted)
    used = {group.instance_type for group in groups}
    try:
        left = left_over(ask, lean, used, value, deadline=run.deadline)
    except KeyboardInterrupt:
        left, status = [], "interrupted"
    return FleetPlan(
        **_basis(ask),
        feasible=True,
        groups=tuple(groups),
        cost_unit=ask.prices.unit,
        prices_as_of=ask.prices.as_of,
        scope=_scope(ask),
        launcher=ask.launcher,
        types_per_pod=_types_per_pod(run, used),
        reserved=asdict(ask.reserved),
        estimated_prices=tuple(sorted(used & ask.prices.estimated)),
        value=value,
        lower_bound=bound,
        lp_bound=min(run.lp_bound, value),
        rejected=tuple(sorted([*run.rejected, *left], key=lambda one: one.instance_type)),
        status=status,
        bound_of=_bound_of(run, value, bound),
    )


def _scope(ask: Question) -> str:
    """The plans that are searched and that a bound covers, in words."""
    types = "the default types" if ask.candidates is None else "the candidates"
    parts = [f"of {types}", f"in {'prefix' if ask.prefix else 'secondary'} mode"]
    if ask.limited:
        certain = any(site.breaks for site in ask.sites)
        parts.append("in these subnets" + ", wherever their own addresses fall," * certain)
    elif ask.sites:
        parts.append("in these zones")
    if ask.limits:
        parts.append("within the limits on nodes")
    if ask.launcher == "karpenter":
        parts.append("by Karpenter's estimate")
    return " ".join(parts)


def _too_much(run: Solving) -> FleetPlan:
    """Plan without nodes, with the reason why the minimum types and nodes are impossible."""
    ask = run.ask
    if not run.impossible:
        why = "no plan with what is asked for at least was found; that there is none is not proved"
        return _no(run, "not-found", why, "Ask for fewer nodes or types, or raise the time limit")
    if ask.min_types > 1:
        why = f"too few nodes, or types that hold their pods, for {ask.min_types} types"
        return _no(run, "types-short", why, "Ask for fewer types, or allow more candidates")
    why = "subnets and limits leave no room for the nodes asked for at least"
    for name, number in ask.at_least.items():
        if name in ask.catalog and not any(node.name == name for node in run.every):
            why = f"at least {number:,} x {name} are asked for, which is not a candidate of use"
        elif number > ask.limits.get(name, number):
            why = (
                f"at least {number:,} and at most {ask.limits[name]:,} nodes are asked for ({name})"
            )
    return _no(run, "limits", why, "Ask for fewer nodes, or raise the limits")


def _bound_of(run: Solving, value: float, bound: float) -> str:
    """The plans that the bound covers, if these are more or fewer than those asked for."""
    ask = run.ask
    if run.even_only:
        return _EVEN
    loose = []
    if bound < value * (1 - PROVED):
        most = ask.max_types is not None and not run.few_types
        loose += ["any number of types"] * (most or ask.min_types > 1)
        loose += ["any number of nodes"] * (bool(ask.at_least) and not run.least_nodes)
    return " and ".join(loose)


def _types_per_pod(run: Solving, used: set[str]) -> int:
    """Number of planned types that can run every pod, from one to the minimum asked for."""
    ask, named = run.ask, {node.name: node for node in run.every}
    able = [
        sum(name in named and usable(load, named[name]) for name in used)
        for load, slot in zip(ask.workloads, ask.slots.tolist(), strict=True)
        if slot
    ]
    return max(1, min([ask.min_types, _MOST_VALUES, *able]))


def _basis(ask: Question) -> dict[str, Any]:
    """Values of every plan that depend on the question only, feasible or not."""
    return {
        "objective": ask.objective,
        "price_basis": ask.prices.basis,
        "prefix_delegation": ask.prefix,
        "kubelet_max_pods": ask.kubelet,
        "daemon_pods": len(ask.daemons),
        "daemon_addresses": sum(not daemon.host_process for daemon in ask.daemons),
    }


def _no(run: Solving, code: str, why: str, remedy: str) -> FleetPlan:
    return _refused(run, [Infeasible(code=code, why=why, remedy=remedy)])


def _refused(run: Solving, reasons: list[Infeasible]) -> FleetPlan:
    ask = run.ask
    searched = any(reason.code == "not-found" for reason in reasons)
    return FleetPlan(
        **_basis(ask),
        feasible=False,
        rejected=tuple(sorted(run.rejected, key=lambda one: one.instance_type)),
        infeasible=tuple(reasons),
        status="not-found" if searched else "infeasible",
    )
