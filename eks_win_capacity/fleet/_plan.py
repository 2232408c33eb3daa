"""Plan a fleet: read, solve, compare, and say why."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from eks_win_capacity._arrays import counts
from eks_win_capacity.catalog import Catalog
from eks_win_capacity.constants import KUBELET_MAX_PODS
from eks_win_capacity.errors import InputError, MissingExtraError, UnsupportedInputError
from eks_win_capacity.fleet._first_fit import Packed, first_fit
from eks_win_capacity.fleet._inputs import (
    Rejection,
    read_candidates,
    read_prices,
    read_workloads,
    whole,
)
from eks_win_capacity.fleet._model import (
    RESOURCES,
    Model,
    Node,
    Site,
    build,
    dominated,
    named,
    node_of,
)
from eks_win_capacity.fleet._packings import total_cost
from eks_win_capacity.fleet._result import Alternative, FleetPlan, Infeasible, NodeGroup
from eks_win_capacity.fleet._search import solve
from eks_win_capacity.nodes import Reserved
from eks_win_capacity.warm_pool import WarmPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from eks_win_capacity.fleet._inputs import Workload
    from eks_win_capacity.fleet._problem import Ints

    Objective = Literal["cost", "nodes", "addresses"]

PROXY_GIB: Final = 1 / 24
"""What a GiB counts against a vCPU where no prices are given. [vCPU]

Source: Amazon EC2 on-demand pricing, us-east-1. Linux prices of c5.large, m5.large and r5.large
are 0.085, 0.096 and 0.126 USD an hour (also in the price table compiled into Karpenter,
karpenter-provider-aws ``pkg/providers/pricing/zz_generated.pricing_aws.go``); Windows adds 0.046 a
vCPU, which gives 0.177, 0.188 and 0.218 for 4, 8 and 16 GiB beside two vCPUs: 0.0034 USD a GiB
and 0.0804 a vCPU, 1 to 23.5.
"""

NODE_COST_PRICE: Final = 0.0055
"""What a node costs beside its instance: 50 GiB of gp3 root volume. [USD/h]

Source: Amazon EBS pricing, gp3 in us-east-1, 0.08 USD a GB and month.
"""

NODE_COST_PROXY: Final = 0.06
"""The same in vCPUs of the proxy: 0.0055 of about 0.08 USD an hour. [vCPU]"""


_FEW: Final = 8
"""Shapes of pods up to which the search goes on to a quarter of a percent."""

_BRIEF: Final = 0.1
"""Part of the usual work that goes into a plan shown only for comparison."""


def plan_fleet(
    workloads: Any,
    *,
    candidates: Iterable[Any] | None = None,
    subnets: Sequence[Any] | None = None,
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
    time_limit_s: float | None = None,
    compare: bool = True,
    catalog: Catalog | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> FleetPlan:
    """
    Find the cheapest Windows nodes that run some workloads, and prove how cheap any could be.

    CPU, memory, pod addresses, the kubelet's limit, warm pools and subnets bind together.
    Packing patterns are generated until a linear program over all of them is solved (column
    generation), whole nodes are chosen by a small integer program, and Farley's bound, in
    whole numbers, proves how far from the cheapest the answer can be.

    Parameters
    ----------
    workloads : DataFrame or list of mapping
        Fields name, replicas, cpu, memory (Kubernetes quantities) and, where wanted,
        host_process, zone_spread, allowed_types, anti_affinity; see `Workload`.
    candidates : iterable of str, optional
        Instance types; every current-generation Windows-capable one by default.
    subnets : sequence of Subnet, optional
        Where nodes may stand. Addresses and free /28 blocks then bind: in prefix mode the
        node's own address comes from broken blocks first. Where only the number of used
        addresses is known, the worst case of whole blocks is taken.
    prices : Series or mapping, optional
        Price by instance type. Types without one are rejected. Without prices a type costs
        its vCPUs plus its GiB times `PROXY_GIB`.
    objective : {"cost", "nodes", "addresses"}
        What to make small.
    prefix_delegation : bool, optional
        Address mode; the pool's by default, else False.
    pool : WarmPool, optional
        Warm targets; the mode's defaults where not given.
    kubelet_max_pods : int or None
        The kubelet's limit; None for none. [pods]
    reserved : Reserved, optional
        What nodes keep from pods.
    daemonsets : as workloads
        Pods that every node runs on top; replicas are not looked at and may be 1.
    node_cost : float, optional
        Cost of a node beside its instance, in the unit of the prices.
    surge : int, float or str
        Extra pods of every workload during a rolling update: a number, or a part of the
        replicas such as ``0.25`` or ``"25%"``, rounded up as Kubernetes does.
    zone_lost : bool
        Leave room so that all pods still fit after any one zone is lost: every workload is
        spread evenly over the zones with enough places in the others.
    zones : sequence of str, optional
        Zones to spread over where no subnets are given.
    max_types : int, optional
        Different instance types at most.
    limits : mapping, optional
        Most nodes by instance type.
    time_limit_s : float, optional
        Time limit; the best plan until then is given. Without it the work is limited by
        counts alone, so that the same input always gives the same plan. [s]
    compare : bool
        Whether to look at the best single type and the other address mode too.
    catalog : Catalog, optional
        The instance table; the bundled one by default.
    progress : callable, optional
        Told cost and lower bound of every better plan.

    Returns
    -------
    FleetPlan
        With ``feasible`` False and the reasons where nothing fits.

    Raises
    ------
    InputError
        If an input makes no sense.
    MissingExtraError
        If SciPy is not installed (extra ``fleet``).

    Examples
    --------
    >>> plan = plan_fleet(
    ...     [{"name": "web", "replicas": 27, "cpu": "100m", "memory": "256Mi"}],
    ...     candidates=["m5.large"],
    ... )
    >>> plan.types, plan.addresses
    ({'m5.large': 3}, 30)
    """
    try:
        import scipy.optimize  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("scipy", extra="fleet", purpose="plan_fleet") from error
    if objective not in {"cost", "nodes", "addresses"}:
        raise InputError(f"objective must be 'cost', 'nodes' or 'addresses'; got {objective!r}")
    if time_limit_s is not None and not time_limit_s > 0:
        raise InputError(f"time_limit_s must be positive; got {time_limit_s!r}")
    if max_types is not None:
        counts(max_types, name="max_types", low=1)
    if kubelet_max_pods is not None:
        counts(kubelet_max_pods, name="kubelet_max_pods", low=1)
    if prefix_delegation is None:
        prefix_delegation = bool(pool.prefix_delegation) if pool is not None else False
    if pool is not None and bool(pool.prefix_delegation) != prefix_delegation:
        raise InputError("pool is of the other address mode than prefix_delegation says")
    run = _Run(
        workloads=read_workloads(workloads),
        objective=objective,
        prefix=prefix_delegation,
        pool=pool,
        kubelet=kubelet_max_pods,
        reserved=Reserved() if reserved is None else reserved,
        daemons=_daemons(daemonsets),
        prices=read_prices(prices),
        node_cost=node_cost,
        surge=surge,
        zone_lost=zone_lost,
        max_types=max_types,
        limits={name: whole(most, f"limit of {name}") for name, most in (limits or {}).items()},
        sites=_sites(subnets, zones),
        catalog=Catalog.bundled() if catalog is None else catalog,
        candidates=None
        if candidates is None
        else list(candidates)
        if not isinstance(candidates, str)
        else [candidates],
        until=time.monotonic() + (math.inf if time_limit_s is None else float(time_limit_s)),
        progress=progress,
    )
    plan = run.plan()
    return run.compared(plan) if compare and plan.status != "interrupted" else plan


def _daemons(daemonsets: Any) -> tuple[Workload, ...]:
    if hasattr(daemonsets, "to_dict"):
        daemonsets = daemonsets.to_dict("records")
    listed = list(daemonsets)
    if not listed:
        return ()
    return read_workloads(
        [{"replicas": 1} | row if isinstance(row, dict) else row for row in listed]
    )


def _sites(subnets: Sequence[Any] | None, zones: Sequence[str] | None) -> tuple[Site, ...]:
    if subnets is None:
        return tuple(Site(zone=str(zone)) for zone in sorted(set(zones or ())))
    listed: list[Any] = list(subnets) if not hasattr(subnets, "free_prefixes") else [subnets]
    if not listed:
        raise InputError("subnets is empty; give at least one, or None for no limit")
    sites = []
    for subnet in listed:
        for name in ("free", "free_prefixes", "cidr"):
            if not hasattr(subnet, name):
                raise UnsupportedInputError(
                    f"subnets must hold Subnet; got {type(subnet).__name__}"
                )
        sites.append(
            Site(
                zone=str(getattr(subnet, "zone", None) or ""),
                subnet=str(getattr(subnet, "subnet_id", None) or subnet.cidr),
                free=int(getattr(subnet, "free_outside_reservations", subnet.free)),
                blocks=(
                    int(subnet.free_prefixes)
                    if getattr(subnet, "placement_known", True)
                    else int(subnet.prefix_estimate.worst)
                ),
            )
        )
    names = [site.subnet for site in sites]
    if len(set(names)) < len(names):
        raise InputError("a subnet is given twice")
    return tuple(sorted(sites, key=lambda site: (site.zone, site.subnet)))


def _slots(
    workloads: tuple[Workload, ...], surge: float | str, zones: int, *, zone_lost: bool
) -> Ints:
    """Count the places each workload needs, with surge and the loss of a zone."""
    part, extra = 0.0, 0
    if isinstance(surge, str) and surge.strip().endswith("%"):
        part = float(surge.strip()[:-1]) / 100
    elif isinstance(surge, float) and surge != int(surge):
        part = surge
    else:
        extra = whole(surge, "surge")
    if part < 0 or not math.isfinite(part):
        raise InputError(f"surge must not be negative; got {surge!r}")
    slots = []
    for load in workloads:
        wanted = load.replicas + (
            extra + math.ceil(part * load.replicas - 1e-9) if load.replicas else 0
        )
        if zone_lost and wanted:
            total = wanted
            while total - -(-total // zones) < wanted:
                total += max(1, wanted - (total - -(-total // zones)))
            wanted = total
        slots.append(wanted)
    return np.array(slots, dtype=np.int64)


class _Run:
    """One planning run and what it was asked."""

    workloads: tuple[Workload, ...]
    objective: Objective
    prefix: bool
    pool: WarmPool | None
    kubelet: int | None
    reserved: Any
    daemons: tuple[Workload, ...]
    prices: dict[str, float] | None
    node_cost: float | None
    surge: float | str
    zone_lost: bool
    max_types: int | None
    limits: dict[str, int]
    sites: tuple[Site, ...]
    catalog: Catalog
    candidates: list[Any] | None
    until: float
    progress: Callable[[float, float], None] | None
    effort: float = 1.0

    def __init__(self, **asked: Any) -> None:
        self.asked = asked
        self.__dict__.update(asked)
        self.interrupted = False
        self.rejected: list[Rejection] = []

    def plan(self) -> FleetPlan:
        """Solve, or say why not."""
        zones = {site.zone for site in self.sites}
        spread = any(load.zone_spread for load in self.workloads) or self.zone_lost
        if spread and not zones:
            raise InputError("spreading over zones needs subnets, or zones=('a', 'b', ...)")
        if self.zone_lost and len(zones) < 2:
            return self._no(
                "zones-short",
                "one zone may be lost and there is only one",
                "Give subnets in two zones or more",
                short=2 - len(zones),
            )
        self.slots = _slots(self.workloads, self.surge, len(zones), zone_lost=self.zone_lost)
        nodes, trouble = self._nodes()
        if trouble:
            return self._no(*trouble)
        limited = any(site.free >= 0 for site in self.sites)
        self.limited = limited
        pinned = set(self.limits).union(*(load.allowed_types for load in self.workloads))
        beaten = dominated(nodes, addresses=limited or self.objective == "addresses", pinned=pinned)
        lean = tuple(node for place, node in enumerate(nodes) if place not in beaten)
        for place, better in beaten.items():
            self.rejected.append(
                Rejection(
                    instance_type=nodes[place].name,
                    code="dominated",
                    why=f"{nodes[better].name} has no less room of any kind and costs no more",
                )
            )
        self.lean = lean
        answer = None
        if not spread:
            answer = self._or_alone(lean, self._solved(lean, coupled=False))
            if limited and answer is not None:
                placed = _placed(answer[0], self.sites)
                answer = None if placed is None else (placed, *answer[1:])
        if answer is None and (spread or limited):
            answer = self._solved(lean, coupled=True)
        if answer is None:
            return self._why_not(lean)
        groups, value, bound, lp_bound = answer
        if self.max_types is not None:
            groups, value = self._fewer_types(groups, value, lean, spread=spread)
            if groups is None:
                return self._no(
                    "limits", f"no plan with {self.max_types} types was found", "Allow more types"
                )
        gap = 1 - bound / value if value else 0.0
        status = "interrupted" if self.interrupted else "proved" if gap <= 1e-6 else "gap"
        used = {group.instance_type for group in groups}
        unit = {"nodes": "nodes", "addresses": "addresses"}.get(
            self.objective, "vCPU equivalents" if self.prices is None else "price units"
        )
        return FleetPlan(
            feasible=True,
            groups=tuple(groups),
            objective=self.objective,
            cost_unit=unit,
            cost=value,
            lower_bound=min(bound, value),
            lp_bound=min(lp_bound, value),
            prefix_delegation=self.prefix,
            rejected=tuple(
                sorted(
                    [*self.rejected, *self._dearer(lean, used)], key=lambda one: one.instance_type
                )
            ),
            status=status,
        )

    def _no(self, code: str, why: str, remedy: str, subject: str = "", short: int = 0) -> FleetPlan:
        reason = Infeasible(code=code, why=why, remedy=remedy, subject=subject, short=short)
        return FleetPlan(
            feasible=False,
            objective=self.objective,
            prefix_delegation=self.prefix,
            rejected=tuple(sorted(self.rejected, key=lambda one: one.instance_type)),
            infeasible=(reason,),
            status="infeasible",
        )

    def _pool(self, *, nitro: bool) -> WarmPool:
        if not self.prefix:
            return self.pool if self.pool is not None else WarmPool.secondary()
        if not nitro:
            return WarmPool.secondary()
        return self.pool if self.pool is not None else WarmPool.prefix()

    def _nodes(self) -> tuple[tuple[Node, ...], tuple[Any, ...] | None]:
        """Size the candidates, and find the workload that fits none of them."""
        able, rejected = read_candidates(self.candidates, self.catalog)
        self.rejected = rejected
        nodes = []
        for row in able:
            if self.prices is None:
                cost = row.vcpus + row.memory_mib / 1024 * PROXY_GIB
                cost += NODE_COST_PROXY if self.node_cost is None else self.node_cost
            elif row.name in self.prices:
                cost = self.prices[row.name]
                cost += NODE_COST_PRICE if self.node_cost is None else self.node_cost
            else:
                self.rejected.append(
                    Rejection(
                        instance_type=row.name, code="no-price", why="prices has no row for it"
                    )
                )
                continue
            nodes.append(
                node_of(
                    row,
                    cost=float(cost),
                    prefix=self.prefix,
                    pool=self._pool(nitro=row.nitro),
                    kubelet=self.kubelet,
                    reserved=self.reserved,
                    daemons=self.daemons,
                )
            )
        live = [load for load, slot in zip(self.workloads, self.slots, strict=True) if slot]
        kept = []
        for node in nodes:
            allowed = [
                load for load in live if not load.allowed_types or node.name in load.allowed_types
            ]
            if not allowed and live:
                self.rejected.append(
                    Rejection(
                        instance_type=node.name,
                        code="not-allowed",
                        why="no workload is allowed on it",
                    )
                )
            elif live and not any(_fits(load, node) for load in allowed):
                small = min(allowed, key=lambda load: (load.cpu, load.memory, load.name))
                self.rejected.append(
                    Rejection(
                        instance_type=node.name,
                        code="too-small",
                        why=f"too small for workload {small.name}",
                    )
                )
            else:
                kept.append(node)
        if not nodes:
            return (), (
                "no-candidate",
                "no candidate can be a Windows node with a price",
                "Give other candidates, or prices for them",
            )
        for load in live:
            if not any(
                _fits(load, node) and (not load.allowed_types or node.name in load.allowed_types)
                for node in kept
            ):
                mine = [
                    node
                    for node in nodes
                    if not load.allowed_types or node.name in load.allowed_types
                ]
                if not mine:
                    return (), (
                        "no-candidate",
                        (
                            f"workload {load.name} allows only "
                            f"{', '.join(load.allowed_types)}, none of which can be used"
                        ),
                        "Allow other types",
                        load.name,
                    )
                top = max(
                    mine,
                    key=lambda node: min(
                        node.room[0] / max(load.cpu, 1), node.room[1] / max(load.memory, 1)
                    ),
                )
                need = (load.cpu, load.memory, int(not load.host_process), 1)
                lacking = [
                    f"{name} {want:,} of {have:,}"
                    for name, want, have in zip(RESOURCES, need, top.room, strict=True)
                    if want > have
                ]
                return (), (
                    "too-large",
                    (
                        f"workload {load.name} fits on no candidate; on {top.name}, "
                        f"which comes nearest, it asks for {', '.join(lacking)}"
                    ),
                    "Make its pods smaller or allow larger types",
                    load.name,
                )
        return tuple(kept), None

    def _solved(
        self,
        nodes: tuple[Node, ...],
        *,
        coupled: bool,
        objective: str | None = None,
        prefixes: bool = False,
        effort: float | None = None,
    ) -> tuple[list[NodeGroup], float, float, float] | None:
        objective = objective or self.objective
        model = build(
            self.workloads,
            self.slots,
            nodes,
            self.sites,
            objective=objective,
            limits=self.limits,
            coupled=coupled,
            spread_all=self.zone_lost,
            count_prefixes=prefixes,
        )
        problem = model.problem
        if not problem.count.any():
            return [], 0.0, 0.0, 0.0
        if (problem.count[~problem.most_per_node().any(axis=0)] > 0).any():
            return None
        starts = _starts(model)
        best: list[Any] = [None, 0.0]

        def report(packed: Packed, bound: float) -> None:
            best[0], best[1] = packed, bound
            if self.progress is not None:
                self.progress(total_cost(problem, packed), bound)

        size = sum(int(start.number.sum()) for start in starts[:1])
        target = 8e-4 if size >= 8_000 else 2.5e-3 if problem.shapes <= _FEW else 4.5e-3
        try:
            packed, bound, lp_bound = solve(
                problem,
                starts=starts,
                target=target,
                clock=time.monotonic,
                deadline=self.until,
                effort=self.effort if effort is None else effort,
                step=0.0 if objective == "cost" else 1.0,
                report=report,
            )
        except KeyboardInterrupt:
            self.interrupted = True
            packed, bound, lp_bound = best[0], best[1], best[1]
        if packed is None:
            return None
        free = not coupled and not self.limits and objective == "cost"
        groups = named(model, self.workloads, self.slots, packed, shrink=free)
        if not coupled:
            groups = [replace(group, zone="", subnet="") for group in groups]
        value = _value(groups, objective, prefixes=prefixes)
        return _merged(groups), value, bound, lp_bound

    def _or_alone(self, nodes: tuple[Node, ...], answer: Any) -> Any:
        """Take the best plan with one type where it is cheaper: more types never cost more."""
        if answer is None or len(nodes) < 2 or self.objective != "cost" or self.interrupted:
            return answer
        _, value, bound, lp_bound = answer
        for node in nodes:
            if value - bound <= 1e-9 * value or time.monotonic() > self.until:
                break
            if self._least_alone(node) < value - 1e-9:
                alone = self._solved((node,), coupled=False)
                if alone is not None and alone[1] < value:
                    answer, value = (alone[0], alone[1], bound, lp_bound), alone[1]
        return answer

    def _least_alone(self, node: Node) -> float:
        """Bound what the workloads cost on one type alone, resource by resource."""
        total = [0, 0, 0, 0]
        for load, slot in zip(self.workloads, self.slots.tolist(), strict=True):
            need = (load.cpu, load.memory, int(not load.host_process), 1)
            if slot and not _fits(load, node):
                return math.inf
            total = [have + slot * one for have, one in zip(total, need, strict=True)]
        wanted = max(
            -(-want // have) if have else 0 for want, have in zip(total, node.room, strict=True)
        )
        return wanted * node.cost

    def _fewer_types(
        self, groups: Any, value: float, nodes: tuple[Node, ...], *, spread: bool
    ) -> Any:
        """Drop the least used types one by one, and compare with the best single one."""
        top = self.max_types or 1
        best: Any = (
            (groups, value) if len({g.instance_type for g in groups}) <= top else (None, math.inf)
        )
        names = {g.instance_type for g in groups}
        while best[0] is None and names:
            weight = {
                name: sum(g.cost * g.nodes for g in groups if g.instance_type == name)
                for name in names
            }
            names = set(
                sorted(names, key=lambda name: (-weight[name], name))[: max(top, len(names) - 1)]
            )
            tried = self._with(tuple(n for n in nodes if n.name in names), spread=spread)
            if tried is None:
                break
            groups = tried[0]
            if len({g.instance_type for g in groups}) <= top:
                best = (tried[0], tried[1])
            names = {g.instance_type for g in groups} if len(names) > top else set()
        for node in nodes[:]:
            if best[0] is None or top == 1:
                tried = self._with((node,), spread=spread)
                if tried is not None and tried[1] < best[1]:
                    best = (tried[0], tried[1])
        return best

    def _with(self, nodes: tuple[Node, ...], *, spread: bool) -> Any:
        if self.limited or spread:
            return self._solved(nodes, coupled=True, effort=_BRIEF)
        return self._solved(nodes, coupled=False, effort=_BRIEF)

    def _why_not(self, nodes: tuple[Node, ...]) -> FleetPlan:
        """Prove what is missing: the fewest addresses and blocks that could do."""
        if self.limited:
            if self.limits:
                alone = replace_run(self, sites=()).plan()
                if not alone.feasible:
                    return self._no(
                        "limits", "the limits on node numbers leave too little room", "Raise them"
                    )
            free = sum(site.free for site in self.sites)
            where = ", ".join(site.subnet for site in self.sites)
            least = self._solved(nodes, coupled=False, objective="addresses")
            if least is not None and math.ceil(least[2] - 1e-6) > free:
                need = math.ceil(least[2] - 1e-6)
                return self._no(
                    "addresses-short",
                    f"the workloads need {need:,} subnet addresses and {where} has {free:,} "
                    f"free: {need - free:,} are missing",
                    "Add subnets or free addresses",
                    where,
                    need - free,
                )
            blocks = sum(site.blocks for site in self.sites)
            if self.prefix:
                fewest = self._solved(nodes, coupled=False, objective="addresses", prefixes=True)
                if fewest is not None and math.ceil(fewest[2] - 1e-6) > blocks:
                    need = math.ceil(fewest[2] - 1e-6)
                    return self._no(
                        "blocks-short",
                        f"the workloads need {need:,} free /28 blocks and {where} has "
                        f"{blocks:,}: {need - blocks:,} are missing",
                        "Add subnets or reserve ranges for prefixes",
                        where,
                        need - blocks,
                    )
            return self._no(
                "not-found",
                f"no plan that fits {where} was found; the totals alone do not rule one out",
                "Add addresses, or allow smaller types",
                where,
            )
        if self.limits:
            return self._no(
                "limits", "the limits on node numbers leave too little room", "Raise them"
            )
        return self._no("not-found", "no plan was found in the time", "Raise the time limit")

    def _dearer(self, nodes: tuple[Node, ...], used: set[str]) -> list[Rejection]:
        """Say by how much each type left over is dearer than the mix that was chosen."""
        from eks_win_capacity.fleet._columns import Columns, solve_fractional
        from eks_win_capacity.fleet._pricing import fractional_bound, resource_prices

        model = build(
            self.workloads,
            self.slots,
            nodes,
            (),
            objective=self.objective,
            limits={},
            coupled=False,
        )
        problem = model.problem
        columns = Columns(problem)
        for start in _starts(model):
            columns.add(start.kind, start.mix)
        if not len(columns):
            return []
        worth = np.tile(solve_fractional(problem, columns, None).duals.pods, (problem.kinds, 1))
        most = problem.most_per_node()
        prices = resource_prices(worth, problem.need, problem.room, most)
        value = fractional_bound(worth, problem.need, problem.room, most, prices)
        told = []
        for place, node in enumerate(nodes):
            if node.name in used:
                continue
            here = model.node == place
            if not here.any():
                why = "another type gives as much room for no more addresses"
                told.append(Rejection(instance_type=node.name, code="dominated", why=why))
                continue
            percent = round(
                100 * float((problem.cost[here] / np.maximum(value[here], 1e-12)).min() - 1), 1
            )
            code = "dearer" if percent > 0 else "not-needed"
            why = (
                f"more expensive by {percent:g} % than the chosen mix for what it could run"
                if percent > 0
                else "no dearer than the chosen mix, and not needed for it"
            )
            told.append(
                Rejection(instance_type=node.name, code=code, why=why, percent=max(percent, 0.0))
            )
        return told

    def compared(self, plan: FleetPlan) -> FleetPlan:
        """Add the best plan with one type, and the one in the other address mode."""
        if not plan.feasible or not plan.groups:
            return plan
        single = None
        if not self.limited and not self.limits and not any(g.zone for g in plan.groups):
            single = self._single()
        other = replace_run(
            self,
            prefix=not self.prefix,
            pool=None,
            effort=_BRIEF,
            progress=None,
        )
        name = "prefix delegation" if not self.prefix else "secondary addresses"
        try:
            answer = other.plan()
        except KeyboardInterrupt:
            return replace(plan, single_type=single)
        mode = (
            Alternative(name=name, nodes=answer.nodes, cost=answer.cost, addresses=answer.addresses)
            if answer.feasible
            else Alternative(
                name=name, nodes=0, cost=0.0, addresses=0, why=answer.infeasible[0].why
            )
        )
        return replace(plan, single_type=single, other_mode=mode)

    def _single(self) -> Alternative:
        model = build(
            self.workloads, self.slots, self.lean, (), objective="cost", limits={}, coupled=False
        )
        best: Any = None
        alone = _alone(model)
        for place in np.argsort(alone, kind="stable").tolist():
            node = self.lean[place]
            if self.objective == "cost" and best is not None and alone[place] > best[0] + 1e-9:
                break
            packed = first_fit(model.problem, np.array([place]))
            if packed is None:
                continue
            groups = named(model, self.workloads, self.slots, packed, shrink=False)
            value = _value(groups, self.objective)
            if best is None or (value, node.name) < best[:2]:
                best = (value, node.name, groups)
        if best is None:
            return Alternative(
                name="best single type",
                nodes=0,
                cost=0.0,
                addresses=0,
                why="no single type runs all workloads",
            )
        return Alternative(
            name=f"best single type, {best[1]}",
            nodes=sum(g.nodes for g in best[2]),
            cost=best[0],
            addresses=sum(g.nodes * g.addresses for g in best[2]),
        )


def replace_run(run: _Run, **changes: Any) -> _Run:
    """Give a run with some inputs changed."""
    return _Run(**{**run.asked, **changes})


def _fits(load: Workload, node: Node) -> bool:
    need = (load.cpu, load.memory, int(not load.host_process), 1)
    return all(want <= have for want, have in zip(need, node.room, strict=True))


def _starts(model: Model) -> tuple[Packed, ...]:
    """First-fit decreasing over all types and on each alone: the floor of every plan."""
    problem = model.problem
    if problem.zones > 1 or len(problem.limit):
        return ()
    found = [first_fit(problem, np.arange(problem.kinds))]
    least = math.inf if found[0] is None else total_cost(problem, found[0])
    alone = _alone(model)
    for place in np.argsort(alone, kind="stable").tolist():
        if alone[place] >= least:
            break
        packed = first_fit(problem, np.array([place]))
        if packed is not None:
            found.append(packed)
            least = min(least, total_cost(problem, packed))
    return tuple(packed for packed in found if packed is not None)


def _alone(model: Model) -> Any:
    """Bound by sums what all pods cost on each kind alone: some are too dear to be packed."""
    problem = model.problem
    wanted = problem.count @ problem.need
    some = np.where(problem.room > 0, -(-wanted // np.maximum(problem.room, 1)), wanted * 2**20)
    return some.max(axis=1) * problem.cost


def _value(groups: list[NodeGroup], objective: str, *, prefixes: bool = False) -> float:
    if objective == "nodes":
        return float(sum(group.nodes for group in groups))
    if objective == "addresses":
        return float(
            sum(group.nodes * (group.prefixes if prefixes else group.addresses) for group in groups)
        )
    return math.fsum(group.nodes * group.cost for group in groups)


def _merged(groups: list[NodeGroup]) -> list[NodeGroup]:
    """Put equal nodes together and give them in a fixed order."""
    merged: dict[tuple[Any, ...], NodeGroup] = {}
    for group in groups:
        key = (group.instance_type, group.zone, group.subnet, tuple(group.pods.items()))
        before = merged.get(key)
        merged[key] = group if before is None else replace(before, nodes=before.nodes + group.nodes)
    return [merged[key] for key in sorted(merged)]


def _placed(groups: list[NodeGroup], sites: tuple[Site, ...]) -> list[NodeGroup] | None:
    """Put nodes into subnets, the largest first, each where most is free; None if one is left."""
    free = [[site.free, site.blocks] for site in sites]
    placed: list[NodeGroup] = []
    for group in sorted(
        groups, key=lambda one: (-one.addresses, one.instance_type, sorted(one.pods.items()))
    ):
        left = group.nodes
        while left:
            room = [
                min(have // group.addresses, blocks // group.prefixes if group.prefixes else have)
                for have, blocks in free
            ]
            at = max(range(len(sites)), key=lambda place: (room[place], -place))
            some = min(left, room[at])
            if some <= 0:
                return None
            free[at][0] -= some * group.addresses
            free[at][1] -= some * group.prefixes
            placed.append(replace(group, nodes=some, zone=sites[at].zone, subnet=sites[at].subnet))
            left -= some
    return _merged(placed)
