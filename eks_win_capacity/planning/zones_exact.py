"""Which nodes in zones and subnets are exactly the cheapest, if all patterns can be listed."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX, NODE_ADDRESSES
from eks_win_capacity.packing.deadline import OutOfTimeError
from eks_win_capacity.packing.problem import Packed
from eks_win_capacity.packing.relaxation import with_rounded_resources
from eks_win_capacity.planning.question import ALL_NODES

if TYPE_CHECKING:
    from eks_win_capacity.packing.deadline import Deadline
    from eks_win_capacity.packing.problem import Flags, Floats, Ints, Problem
    from eks_win_capacity.planning.model import Model
    from eks_win_capacity.planning.question import Question

__all__ = ["Settled", "list_patterns", "settle", "share_out"]

_MIXES, _FULL, _ROWS = 1_500, 20_000, 100_000
"""Mixes of pods on a node that are listed at most, as a rule and if only full nodes are needed; and
rows at most before mixes that fit nowhere are removed."""

_COLUMNS: Final = 6_000
"""Patterns times subnets up to which one integer program has a column for each."""

_STEPS, _WORK = 3_000, 400_000
"""Branch-and-bound steps at most, and steps times columns at most; counts, not a time, so that
results repeat."""

_NEAR, _SUMS = 1e-4, 600
"""Gap at which the integer program over sums of nodes ends, and its steps at most."""

_HAIR: Final = 1e-6
"""Tolerance of the solver, by which proved bounds are lowered."""

_WHOLE_PART, _EVEN_PART = 0.75, 0.4
"""Part of the time for the whole program, and for it with even shares if a zone may be lost; the
rest is for neighbourhood search."""

_FREED, _FEWEST = 5, 2
"""Nodes that are freed at first, and at least; one more or two fewer in the next round."""

_VAIN, _BRIEFLY, _ROUND_PART = 40, 100, 0.2
"""Rounds without improvement at most, steps of each, and its part of the time left."""

_DEPTH, _LAST = 60, 8
"""LP solutions of a dive at most, and nodes left at which it ends with an integer program."""

_LIKELY, _PARTS = 1_500, 20
"""Patterns of least reduced cost that diving and neighbourhood search may add; and the number by
which the cost of the rest is divided for the most expensive node of a dive."""

_SEED: Final = 20
"""Seed of the random numbers, so that results repeat."""

_CLOSE, _BETTER = 1e-3, 1e-4
"""Gap at which neighbourhood search ends, and part of the cost that a round must save."""


@dataclass(frozen=True)
class Patterns:
    """Each mix that fits on some node, with each type that could be best for it."""

    mix: Ints
    node: Ints
    cost: Floats
    addresses: Ints
    prefixes: Ints

    def __len__(self) -> int:
        return len(self.node)


def list_patterns(
    model: Model, *, every_type: bool, empty: bool, full: bool, deadline: Deadline
) -> Patterns | None:
    """
    Patterns of each mix on the best types only; None if there are too many.

    With ``empty`` they include nodes without pods. With ``full`` they exclude nodes with room for
    another pod: if places may stay free and addresses cost nothing, these are not needed.
    """
    problem, most = model.problem, _most_in_zone(model)
    allowed: Flags = np.zeros((len(model.nodes), problem.shapes), dtype=bool)
    allowed[model.node] = problem.allowed
    rooms = np.array([node.room for node in model.nodes], dtype=np.int64)
    mixes = _mixes(problem.need, most, rooms, allowed, top=_FULL if full else _MIXES)
    if mixes is None:
        return None
    mixes = mixes if empty else mixes[mixes.any(axis=1)]
    used = mixes @ problem.need
    before: list[tuple[Flags, Ints]] = []
    by_type: list[tuple[Ints, Ints, Ints]] = []
    for at in sorted(range(len(model.nodes)), key=lambda at: model.nodes[at].cost):
        deadline.check()
        node, may = model.nodes[at], allowed[at]
        fits = (used <= rooms[at]).all(axis=1) & (mixes[:, ~may] == 0).all(axis=1)
        taken = np.column_stack([node.attached, node.prefixes])
        taken = taken[np.minimum(used[:, 2], len(taken) - 1)]
        beaten = np.zeros(len(mixes), dtype=bool)
        for others, theirs in [] if every_type else before:
            beaten |= others if full else others & (theirs <= taken).all(axis=1)
        before.append((fits, taken))
        kept = np.nonzero(fits & ~beaten)[0]
        if full:
            left = rooms[at] - used[kept]
            more = (problem.need <= left[:, None, :]).all(axis=2) & (mixes[kept] < most) & may
            kept = kept[~more.any(axis=1)]
        by_type.append((kept, np.full(len(kept), at), taken[kept]))
    row, which, attached = (np.concatenate(column) for column in zip(*by_type, strict=True))
    if len(row) * max(len(model.sites), 1) > _COLUMNS:
        return None
    cost: Floats = np.array([node.cost for node in model.nodes])
    addresses, prefixes = attached.T
    return Patterns(mixes[row], which, cost[which], NODE_ADDRESSES + addresses, prefixes)


def _most_in_zone(model: Model) -> Ints:
    """Most pods of each shape on a node: for spread shapes, the largest share of a zone."""
    problem, zones = model.problem, max(len(model.ask.zones), 1)
    most: Ints = problem.most_per_node().max(axis=0, initial=0)
    for shape, group in enumerate(model.members):
        load = model.ask.workloads[group[0]]
        if load.zone_spread:
            share = (int(problem.count[shape]) + (zones - 1) * load.max_skew) // zones
            most[shape] = min(most[shape], share)
    return most


def _mixes(need: Ints, most: Ints, rooms: Ints, allowed: Flags, *, top: int) -> Ints | None:
    """Mixes that fit on some node; None if there are more than ``top``."""
    rows = np.zeros((1, len(need)), dtype=np.int64)
    for shape in range(len(need)):
        numbers = int(most[shape]) + 1
        if len(rows) * numbers > _ROWS:
            return None
        rows = np.repeat(rows, numbers, axis=0)
        rows[:, shape] = np.tile(np.arange(numbers), len(rows) // numbers)
        used = rows @ need
        holds: Flags = np.zeros(len(rows), dtype=bool)
        for room, may in zip(rooms, allowed, strict=True):
            holds |= (used <= room).all(axis=1) & (rows[:, ~may] == 0).all(axis=1)
        rows = rows[holds]
        if len(rows) > top:
            return None
    return rows


@dataclass(frozen=True)
class Settled:
    """
    The best whole solution, and what is missing if none exists.

    ``packed`` has kinds of ``model``, whose quota is the chosen pods of each zone. No solution
    costs less than ``bound``; ``lp_bound`` is proved by the LP relaxation alone. ``short`` is what
    each subnet lacks, if that was asked for. ``proved`` is whether the search was completed.
    """

    packed: Packed | None
    model: Model
    bound: float
    short: Ints
    proved: bool
    lp_bound: float = 0.0


def settle(
    model: Model,
    patterns: Patterns,
    ask: Question,
    *,
    evenly: bool = False,
    missing: str = "",
    allow: Ints | None = None,
    known: float = 0.0,
    below: float = np.inf,
    summed: bool = False,
    deadline: Deadline,
) -> Settled:
    """
    The cheapest choice of patterns, subnets and pods of each zone.

    The quota of the coupled model is ignored. With ``evenly``, all zones have even shares if one
    may be lost, and the bound covers only such plans. ``known`` is a lower bound on the cost, and
    only solutions cheaper than ``below`` are searched for. With ``summed``, sums of nodes are
    constraints too: this raises the bound but finds fewer solutions, so it suits few types.
    ``missing`` replaces the objective by the number of ``addresses`` or ``blocks`` that the subnets
    lack; for blocks, addresses are ignored. ``allow`` are extra blocks for each subnet.

    Raises
    ------
    OutOfTimeError
        If the deadline passed before a solution was found.
    """
    program = _Program(model, patterns, ask, evenly=evenly)
    # Types count by the pods on their nodes, so with a minimum no pod may have two places.
    program.place(spare=ask.min_types == 1)
    program.keep_rules(missing, allow)
    if summed:
        program.sum_up(deadline)
    # The shortage is minimised alone: costs in the objective would blur what to ask for.
    program.aim("" if missing else ask.objective, known, below)
    # For a maximum of types the bound matters most, which only the whole program raises.
    hard = not missing and not summed and ask.max_types is None
    whole, bound, proved = program.solve(
        deadline.part(_EVEN_PART if evenly else _WHOLE_PART) if hard else deadline
    )
    lp_bound = 0.0
    if hard and not proved:
        with contextlib.suppress(ArithmeticError, OutOfTimeError):
            whole, lp_bound = program.searched(whole, bound, deadline)
            bound = max(bound, lp_bound)
    if whole is None:
        none = np.zeros(len(model.sites), dtype=np.int64)
        return Settled(None, model, bound, none, proved, lp_bound)
    quota = np.zeros_like(model.quota)
    for shape in program.tied:
        pods = whole[program.shares(shape)].tolist()
        quota[:, shape] = pods if program.even[shape] else _trimmed(pods, program.wanted[shape])
    model, short = replace(model, quota=quota), whole[program.lent]
    return Settled(program.packed(whole), model, bound, short, proved, lp_bound)


def share_out(
    model: Model,
    ask: Question,
    *,
    known: float = 0.0,
    below: float = np.inf,
    deadline: Deadline,
) -> tuple[Ints | None, float]:
    """
    Pods of each shape in each zone, on the cheapest nodes with enough room in total, and a bound.

    The bound is ``below`` if no plan costs less than that. If a zone may be lost, it covers only
    plans with even shares.

    Raises
    ------
    OutOfTimeError
        If the deadline passed first.
    ArithmeticError
        If the solver failed.
    """
    loose = _free(model)
    if loose is None:
        return None, 0.0
    tight, _ = with_rounded_resources(loose, deadline=deadline)
    nodes = np.arange(len(model.nodes))
    curve = [(one.addresses(0), int(one.prefixes[0])) for one in model.nodes]
    addresses, prefixes = np.array(curve, dtype=np.int64).T
    mix = np.zeros((len(nodes), loose.shapes), dtype=np.int64)
    cost = np.array([one.cost for one in model.nodes])
    patterns = Patterns(mix, nodes, cost, addresses, prefixes)
    program = _Program(model, patterns, ask, evenly=ask.zone_lost)
    for shape in set(range(loose.shapes)).difference(program.tied):
        columns, count = program.shares(shape), float(loose.count[shape])
        program.rule(columns, np.ones(len(columns)), count, np.inf)
    program.hold(tight, np.arange(program.width), program.zone, program.node)
    program.keep_rules("", None)
    program.aim(ask.objective, known, below)
    whole, bound, proved = program.solve(deadline, near=_NEAR, most=_SUMS)
    if whole is None:
        return None, below * (1 - 2 * _HAIR) if proved and below < np.inf else bound
    columns = np.array([program.shares(shape) for shape in range(loose.shapes)])
    return whole[columns].T, bound


def _free(model: Model) -> Problem | None:
    """The problem without zones and limits, with one kind per node; None if a node has none."""
    problem = model.problem
    if len(np.unique(model.node)) < len(model.nodes):
        return None
    # The last kind of a node is the one with the most addresses.
    order = np.lexsort((problem.room[:, 2], model.node))
    last = order[np.append(np.diff(model.node[order]) > 0, True)]
    none = np.zeros((len(last), 0), dtype=np.int64)
    return replace(
        problem.only(last),
        zone=np.zeros(len(last), dtype=np.int64),
        floor=np.zeros((1, problem.shapes), dtype=np.int64),
        share=none,
        per_pod=none,
        least=none,
        limit=np.zeros(0, dtype=np.int64),
    )


def _sums(problem: Problem) -> list[tuple[Any, Any]]:
    """Room by kind and need by shape, for each resource and for the places of each shape."""
    most = problem.most_per_node()
    rows: list[tuple[Any, Any]] = [
        (problem.room[:, at], problem.need[:, at]) for at in range(problem.need.shape[1])
    ]
    rows += [(most[:, at], one) for at, one in enumerate(np.eye(problem.shapes))]
    scale = [max(float(room.max(initial=0)), 1.0) for room, _ in rows]
    # Raised slightly, so that rounding can only weaken the constraints.
    return [
        (room / by * (1 + 1e-9), need / by) for (room, need), by in zip(rows, scale, strict=True)
    ]


class _Program:
    """
    The integer program over all patterns in all subnets.

    Its columns are the nodes of each pattern in each subnet, the pods of each shape in each zone
    where these matter, the shortage of each subnet (``lent``), and whether each type is used.
    """

    def __init__(self, model: Model, patterns: Patterns, ask: Question, *, evenly: bool) -> None:
        self.model, self.patterns, self.ask = model, patterns, ask
        self.wanted = [int(ask.wanted[list(group)].sum()) for group in model.members]
        loads = [ask.workloads[group[0]] for group in model.members]
        self.even = np.array([evenly or load.zone_spread for load in loads], dtype=bool)
        self.skew = [1 if evenly else load.max_skew for load in loads]
        tied = (self.even | ask.zone_lost) & (model.problem.count > 0)
        self.tied: list[int] = np.nonzero(tied)[0].tolist()
        sites = len(model.sites)
        self.zones = sorted({site.zone for site in model.sites})
        self.site = np.repeat(np.arange(sites), len(patterns))
        self.pattern = np.tile(np.arange(len(patterns)), sites)
        self.zone = np.array([self.zones.index(site.zone) for site in model.sites])[self.site]
        self.mix, self.node = patterns.mix[self.pattern], patterns.node[self.pattern]
        self.kind = _kinds_of(model, patterns, self.pattern, self.site)
        self.width = len(self.pattern)
        first = self.width + model.problem.shapes * len(self.zones)
        self.lent = slice(first, first + sites)
        types = ask.max_types is not None or ask.min_types > 1
        self.kinds = len(model.nodes) if types else 0
        self.total = first + sites + self.kinds
        self.floor, self.ceiling = np.zeros(self.total), np.full(self.total, np.inf)
        self.cost = np.zeros(self.total)
        self.ceiling[: self.width][self.kind < 0] = 0
        self.rows: list[tuple[Ints, Floats]] = []
        self.low: list[float] = []
        self.high: list[float] = []

    def rule(self, columns: Ints, values: Any, least: float, most: float) -> None:
        """Add a constraint: a weighted sum of columns lies between two numbers."""
        self.rows.append((columns, np.asarray(values, dtype=np.float64)))
        self.low.append(least)
        self.high.append(most)

    def shares(self, shape: int) -> Ints:
        """Indices of the columns for the pods of a shape in each zone."""
        columns: Ints = self.width + shape * len(self.zones) + np.arange(len(self.zones))
        return columns

    def place(self, *, spare: bool) -> None:
        """Require places for all pods, no more unless ``spare``; for tied shapes by zone."""
        self.ceiling[self.width : self.lent.start] = 0
        for shape in np.nonzero(self.model.problem.count)[0].tolist():
            holds = self.mix[:, shape] > 0
            if shape not in self.tied:
                columns = np.nonzero(holds)[0]
                count = float(self.model.problem.count[shape])
                self.rule(columns, self.mix[columns, shape], count, np.inf if spare else count)
                continue
            for zone, share in enumerate(self.shares(shape)):
                columns = np.nonzero(holds & (self.zone == zone))[0]
                values = np.append(self.mix[columns, shape], -1)
                self.rule(np.append(columns, share), values, 0.0, np.inf if spare else 0.0)

    def sum_up(self, deadline: Deadline) -> None:
        """
        Add counts of the nodes of each type in each zone, with enough room in total for its pods.

        These constraints follow from those of the patterns. But few integers determine most of the
        cost, and the solver can cut and branch on them.
        """
        loose = _free(self.model)
        if loose is None:
            return
        nodes = len(self.model.nodes)
        first = self.widen(len(self.zones) * nodes)
        counts = first + np.arange(len(self.zones) * nodes)
        zone_of, node = np.divmod(counts - first, nodes)
        for column, zone, at in zip(counts, zone_of, node, strict=True):
            columns = np.nonzero((self.zone == zone) & (self.node == at))[0]
            self.rule(np.append(columns, column), np.append(np.ones(len(columns)), -1), 0.0, 0.0)
        problem, _ = with_rounded_resources(loose, deadline=deadline)
        self.hold(problem, counts, zone_of, node)
        for room, need in _sums(problem):
            self.rule(counts, room[node], float(need @ problem.count) - 1e-9, np.inf)

    def widen(self, columns: int) -> int:
        """Append columns, and return the index of the first."""
        first, self.total = self.total, self.total + columns
        self.floor, self.cost = (np.pad(one, (0, columns)) for one in (self.floor, self.cost))
        self.ceiling = np.pad(self.ceiling, (0, columns), constant_values=np.inf)
        return first

    def hold(self, problem: Problem, counts: Ints, zone: Ints, node: Ints) -> None:
        """Require enough room in total on the nodes of each zone for all its pods."""
        shares = np.array([self.shares(shape) for shape in range(problem.shapes)])
        sums = _sums(problem)
        for index in range(len(self.zones)):
            in_zone = zone == index
            for room, need in sums:
                columns = np.append(counts[in_zone], shares[:, index])
                self.rule(columns, np.append(room[node[in_zone]], -need), -1e-9, np.inf)

    def keep_rules(self, missing: str, allow: Ints | None) -> None:
        """Add the constraints of the question: zone shares, limits, minimum nodes and types."""
        ask = self.ask
        for shape in self.tied:
            even, skew = self.even[shape], self.skew[shape]
            if even:
                self.share_evenly(shape, skew)
            # Even shares survive the loss of a zone by themselves: pods were added for that.
            if ask.zone_lost and not (even and skew == 1):
                self.survive(shape, self.wanted[shape])
        none = np.zeros(len(self.model.sites), dtype=np.int64)
        self.keep_limits(missing, none if allow is None else allow)
        for name, least in sorted(ask.at_least.items()):
            columns = self.counted(name)
            self.rule(columns, np.ones(len(columns)), least, np.inf)
        if self.kinds:
            most = self.kinds if ask.max_types is None else ask.max_types
            self.keep_types(ask.min_types, most)

    def share_evenly(self, shape: int, skew: int) -> None:
        """Limit the difference in pods between any two zones to ``skew``."""
        count = int(self.model.problem.count[shape])
        base, extra = divmod(count, len(self.zones))
        columns = self.shares(shape)
        if skew == 1:
            self.floor[columns], self.ceiling[columns] = base, base + bool(extra)
        else:
            self.ceiling[columns] = count
            for one, other in itertools.permutations(columns.tolist(), 2):
                self.rule(np.array([one, other]), np.array([1, -1]), -np.inf, skew)
        self.rule(columns, np.ones(len(columns)), count, count)

    def survive(self, shape: int, wanted: int) -> None:
        """Require places for all wanted pods in the zones without any single one."""
        columns = self.shares(shape)
        self.ceiling[columns] = wanted
        for lost in range(len(columns)):
            self.rule(np.delete(columns, lost), np.ones(len(columns) - 1), wanted, np.inf)

    def keep_limits(self, missing: str, allow: Ints) -> None:
        """Add the limits of the model, and let subnets lack what is ``missing``."""
        problem = self.model.problem
        used = problem.usage(self.kind, self.mix)
        if not missing:
            self.ceiling[self.lent] = 0
        for row, (word, site) in enumerate(self.model.limits):
            # While missing blocks are counted, addresses are ignored.
            if (word == "blocks" and not self.patterns.prefixes.any()) or (
                word in {"addresses", "singles"} and missing == "blocks"
            ):
                continue
            columns = np.nonzero(used[:, row])[0]
            values, most = used[columns, row], float(problem.limit[row])
            if word in {"addresses", "blocks"}:
                most += allow[site] * (ADDRESSES_PER_PREFIX if word == "addresses" else 1)
            if missing and word in {missing, {"addresses": "singles"}.get(missing)}:
                columns = np.append(columns, self.lent.start + site)
                values = np.append(values, -1)
            self.rule(columns, values, -np.inf, most)

    def counted(self, name: str) -> Ints:
        """Indices of the columns for the nodes of a type, in a zone, or of all."""
        named = np.array([name in {node.name, ALL_NODES} for node in self.model.nodes])
        here = np.array([name == zone != "" for zone in self.zones])
        columns: Ints = np.nonzero(named[self.node] | here[self.zone])[0]
        return columns

    def keep_types(self, least: int, most: int) -> None:
        """Require a number of different types, from ``least`` to ``most``."""
        used = self.lent.stop + np.arange(self.kinds)
        self.ceiling[used] = 1
        self.rule(used, np.ones(self.kinds), least, most)
        pods = float(self.model.problem.count.sum())
        names = sorted({node.name for node in self.model.nodes})
        named = np.array([names.index(node.name) for node in self.model.nodes])
        for index, column in enumerate(used):
            columns = np.nonzero(named[self.node] == index)[0]
            values = np.append(np.ones(len(columns)), -pods)
            self.rule(np.append(columns, column), values, -np.inf, 0.0)
            if least > 1:
                self.rule(np.append(columns, column), np.append(values[:-1], -1), 0.0, np.inf)

    def aim(self, objective: str, known: float, below: float = np.inf) -> None:
        """Minimise the objective, or without one, what the subnets lack."""
        if not objective:
            self.cost[self.lent] = 1.0
            # Among equal shortages, the one with fewer nodes.
            self.cost[: self.width] = 1e-5
            return
        self.cost[: self.width] = {
            "cost": self.patterns.cost,
            "nodes": np.ones(len(self.patterns)),
            "addresses": self.patterns.addresses.astype(np.float64),
        }[objective][self.pattern]
        least, most = known * (1 - _HAIR), below * (1 - 2 * _HAIR)
        self.rule(np.arange(self.width), self.cost[: self.width], least, most)

    def relaxed(self, deadline: Deadline) -> tuple[Floats, Floats, float]:
        """
        LP relaxation: nodes of each pattern in each subnet, their reduced costs, and the bound.

        Raises
        ------
        ArithmeticError
            If the program has no solution.
        """
        from scipy import sparse

        matrix, low, high = self.matrix(), np.array(self.low), np.array(self.high)
        rules = sparse.vstack([matrix[high < np.inf], -matrix[low > -np.inf]])
        solved = deadline.linprog(
            self.cost,
            A_ub=rules,
            b_ub=np.concatenate([high[high < np.inf], -low[low > -np.inf]]),
            bounds=np.column_stack([self.floor, self.ceiling]),
            method="highs-ds",
        )
        if solved.status != 0:
            raise ArithmeticError(f"the linear program has no answer: {solved.message}")
        spare = (self.cost - rules.T @ solved.ineqlin.marginals)[: self.width]
        return solved.x[: self.width], spare, float(solved.fun) * (1 - 2 * _HAIR)

    def matrix(self) -> Any:
        """Constraint matrix, with a row for each constraint."""
        from scipy import sparse

        columns, values = (np.concatenate(parts) for parts in zip(*self.rows, strict=True))
        ends = np.cumsum([0, *(len(columns) for columns, _ in self.rows)])
        return sparse.csr_matrix((values, columns, ends), shape=(len(self.rows), self.total))

    def solve(
        self, deadline: Deadline, *, near: float = _HAIR, most: int = _STEPS
    ) -> tuple[Ints | None, float, bool]:
        """
        Whole solution or None, lower bound, and whether the search was completed.

        It may stop at the gap ``near``, or after ``most`` steps. Without a solution, it counts as
        completed only if the program is infeasible.
        """
        from scipy.optimize import Bounds, LinearConstraint

        top, matrix = max(float(self.cost.max()), 1e-12), self.matrix()
        solved = deadline.milp(
            self.cost / top,
            constraints=LinearConstraint(matrix, self.low, self.high),
            integrality=1,
            bounds=Bounds(self.floor, self.ceiling),
            options={"mip_rel_gap": near, "node_limit": max(60, min(most, _WORK // self.total))},
        )
        proved = solved.mip_dual_bound
        bound = 0.0
        if proved is not None and np.isfinite(proved):
            bound = float(proved) * top * (1 - 2 * _HAIR)
        if solved.x is None:
            return None, bound, solved.status == 2
        whole = np.round(solved.x).astype(np.int64)
        sums = matrix @ whole
        if (sums < np.array(self.low) - _HAIR).any() or (sums > np.array(self.high) + _HAIR).any():
            return None, bound, False
        return whole, bound, solved.status == 0

    def searched(
        self, best: Ints | None, bound: float, deadline: Deadline
    ) -> tuple[Ints | None, float]:
        """
        The better of a solution and a dive, improved by neighbourhood search; and the LP bound.

        Raises
        ------
        OutOfTimeError
            If the LP bound was not known in time.
        ArithmeticError
            If no solution exists.
        """
        _, spare, lp_bound = self.relaxed(deadline)
        ceiling, self.ceiling = self.ceiling, self.ceiling.copy()
        dear = np.argsort(spare, kind="stable")[_LIKELY:]
        self.ceiling[dear] = 0 if best is None else best[dear]
        with contextlib.suppress(OutOfTimeError):
            able = [one for one in (best, self.dived(deadline)) if one is not None]
            best = min(able, key=lambda one: float(self.cost @ one), default=None)
            if best is not None:
                best = self.improved(best, max(bound, lp_bound), deadline)
        self.ceiling = ceiling
        return best, lp_bound

    def improved(self, best: Ints, bound: float, deadline: Deadline) -> Ints:
        """
        Solution improved by neighbourhood search: a few nodes are chosen again, all others stay.

        A round takes a moment even over all patterns, and soon finds what the whole program misses.
        """
        rng, few, vain, most = np.random.default_rng(_SEED), _FREED, 0, self.high[-1]
        while vain < _VAIN and not deadline.over():
            number, value = best[: self.width], float(self.cost @ best)
            nodes = np.repeat(np.arange(self.width), number)
            if few > len(nodes) or value - bound <= _CLOSE * value:
                break
            freed = rng.choice(nodes, few, replace=False)
            kept = number - np.bincount(freed, minlength=self.width)
            self.high[-1] = min(most, value * (1 - _BETTER))
            again, ended = self.beside(kept, deadline.part(_ROUND_PART))
            few = few + 1 if ended else max(_FEWEST, few - 2)
            best, vain = (best, vain + 1) if again is None else (again, 0)
        self.high[-1] = most
        return best

    def beside(self, kept: Ints, deadline: Deadline) -> tuple[Ints | None, bool]:
        """Best solution that keeps some nodes, if found in time, and whether it was completed."""
        floor = self.floor
        self.floor = floor.copy()
        self.floor[: self.width] += kept
        try:
            whole, _, ended = self.solve(deadline, near=_BETTER, most=_BRIEFLY)
        except OutOfTimeError:
            return None, False
        finally:
            self.floor = floor
        return whole, ended

    def dived(self, deadline: Deadline) -> Ints | None:
        """
        Solution by diving: whole nodes of LP solutions are fixed, and the last few solved exactly.

        The rest goes on nodes that cost a small part of it, so that the last is not large and
        almost empty.
        """
        floor, ceiling, cost = self.floor, self.ceiling, self.cost[: self.width]
        self.floor, most = floor.copy(), float(cost @ self.relaxed(deadline)[0]) / _PARTS
        try:
            for _ in range(_DEPTH):
                fixed = self.floor[: self.width]
                self.ceiling = ceiling.copy()
                self.ceiling[: self.width][(cost > most) & (fixed == 0)] = 0
                try:
                    number = self.relaxed(deadline)[0]
                except ArithmeticError:
                    if most == np.inf:
                        return None
                    # Some pods fit on no small node.
                    most = np.inf
                    continue
                rest = number - fixed
                if rest.sum() <= _LAST:
                    break
                most = most if most == np.inf else float(cost @ rest) / _PARTS
                number = np.floor(number + _HAIR)
                if (number <= fixed).all():
                    number[np.argmax(rest)] += 1
                self.floor[: self.width] = number
            return self.solve(deadline, near=_BETTER, most=_BRIEFLY)[0]
        finally:
            self.floor, self.ceiling = floor, ceiling

    def packed(self, whole: Ints) -> Packed:
        """Packing of a solution, with kinds of the model."""
        chosen = np.nonzero(whole[: self.width])[0]
        return Packed(self.kind[chosen], self.mix[chosen], whole[chosen])


def _trimmed(places: list[int], wanted: int) -> list[int]:
    """Places by zone without those that are not needed whichever zone is lost."""
    total = sum(places)
    for zone, have in enumerate(places):
        others = [total - lost for at, lost in enumerate(places) if at != zone]
        spare = min([have, *(left - wanted for left in others)])
        places[zone] -= spare
        total -= spare
    return places


def _kinds_of(model: Model, patterns: Patterns, pattern: Ints, site: Ints) -> Ints:
    """Kind of the model for each pattern in a site: of its type, with just enough addresses."""
    kinds: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for kind, key in enumerate(zip(model.node.tolist(), model.site.tolist(), strict=True)):
        kinds.setdefault(key, []).append((int(model.problem.room[kind, 2]), kind))
    pods = patterns.mix[pattern] @ model.problem.need[:, 2]
    smallest = [
        # Present nodes have kinds only in their own zone.
        min((one for one in kinds.get((node, at), ()) if one[0] >= need), default=(0, -1))[1]
        for node, at, need in zip(
            patterns.node[pattern].tolist(), site.tolist(), pods.tolist(), strict=True
        )
    ]
    return np.array(smallest, dtype=np.int64)
