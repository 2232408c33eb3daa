"""The cheapest fractional fleet by column generation, its proved bound, and its rounding."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.packing.deadline import NEVER
from eks_win_capacity.packing.first_fit import Cut, first_fit
from eks_win_capacity.packing.problem import (
    Duals,
    Packed,
    covered,
    joined,
    plain,
    rest_of,
    total_cost,
)
from eks_win_capacity.packing.relaxation import best_mixes, fractional_bound, resource_prices

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_win_capacity.packing.deadline import Deadline
    from eks_win_capacity.packing.problem import Floats, Ints, Problem

WHOLE = 10**9
"""Parts of the largest dual to which duals are rounded, so that bounds are sums of integers."""

_TOGETHER = 8
"""Kinds of node whose mixes are searched at once."""

_NOTHING = 1e-12
"""Value up to which the largest dual, and so every dual, counts as zero."""

_SLIGHT = 1e-6
"""Part of its cost by which the value of a pattern must exceed it for the pattern to be added."""

_WIDTH = 32
"""Partial mixes kept for each kind."""

_STEPS = 1_000
"""Branch-and-bound steps of the integer program for the best mix on one kind."""

_COLUMNS, _EVERY = 500, 3_000
"""Most patterns from which the integer program may choose, as more slow down each of its steps; and
most if the list is complete, so that the program proves a bound."""

_LISTED = 540_000
"""Patterns that are listed at most, of all kinds and including those with room for more pods."""

_IMPOSSIBLE = 2
"""Status of SciPy's solvers for an infeasible program."""

_NODES = 400
"""Branch-and-bound steps of the integer program; a count, not a time, so that results repeat."""


class Columns:
    """The patterns found so far, each once."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.kind: Ints = np.zeros(0, dtype=np.int64)
        self.mix: Ints = np.zeros((0, problem.shapes), dtype=np.int64)
        self.active: Ints = np.zeros(0, dtype=np.int64)
        self._seen: set[tuple[int, bytes]] = set()

    def __len__(self) -> int:
        return len(self.kind)

    def add(self, kind: Ints, mix: Ints) -> int:
        """Add the patterns that are new, and return their number."""
        fresh = []
        for index, (one, row) in enumerate(zip(kind.tolist(), mix, strict=True)):
            key = (one, row.tobytes())
            if key not in self._seen and row.any():
                self._seen.add(key)
                fresh.append(index)
        if fresh:
            self.active = np.concatenate([self.active, len(self) + np.arange(len(fresh))])
            self.kind = np.concatenate([self.kind, kind[fresh]])
            self.mix = np.concatenate([self.mix, mix[fresh]])
        return len(fresh)

    def retire(self, duals: Duals, count: Floats) -> None:
        """Exclude columns of high reduced cost from the next programs: small programs are fast."""
        problem = self.problem
        if len(self.active) <= 8 * problem.shapes + 120:
            return
        kind, mix = self.kind[self.active], self.mix[self.active]
        spare = duals.reduced(problem, kind, mix)
        spare[count[self.active] > 1e-9] = -np.inf
        order = np.argsort(spare, kind="stable")[: 3 * problem.shapes + 60]
        self.active = np.sort(self.active[order])


def single(problem: Problem) -> tuple[Ints, Ints]:
    """Mixes of a single shape: for each shape and zone, on the kind where a pod costs least."""
    most = problem.most_per_node()
    kind, shape = np.nonzero(most > 0)
    number = most[kind, shape]
    order = np.lexsort((kind, problem.cost[kind] / number))
    group = shape[order] * problem.zones + problem.zone[kind[order]]
    head = order[np.unique(group, return_index=True)[1]]
    mix = np.zeros((len(head), problem.shapes), dtype=np.int64)
    mix[np.arange(len(head)), shape[head]] = number[head]
    return kind[head], mix


@dataclass(frozen=True)
class Mixture:
    """An optimal solution of the LP relaxation over some columns."""

    value: float
    count: Floats
    duals: Duals


@dataclass(frozen=True)
class Proof:
    """Pod prices at which no pattern is worth more than it costs, and the bound that they prove."""

    pods: Floats
    bound: float


def solve_fractional(
    problem: Problem,
    columns: Columns,
    penalty: float | Floats | None,
    *,
    deadline: Deadline = NEVER,
) -> Mixture:
    """
    Optimal solution of the LP relaxation over the active columns.

    An unplaced pod of each row costs ``penalty``; None if the columns are known to suffice.

    Raises
    ------
    OutOfTimeError
        If the deadline passed first.
    ArithmeticError
        If the solver failed.
    """
    from scipy import sparse

    kind, mix = columns.kind[columns.active], columns.mix[columns.active]
    matrix, right = constraint_rows(problem, kind, mix)
    cost = problem.costs(kind, mix)
    covers = problem.shapes + int((problem.floor > 0).sum())
    if penalty is not None:
        slack = sparse.vstack(
            [-sparse.identity(covers), sparse.csr_matrix((len(right) - covers, covers))]
        )
        matrix = sparse.hstack([matrix, slack])
        cost = np.concatenate([cost, np.broadcast_to(penalty, covers)])
    top = max(cost.max(), 1e-12)
    solved = deadline.linprog(
        cost / top, A_ub=sparse.csc_matrix(matrix), b_ub=right, bounds=(0, None), method="highs-ds"
    )
    if solved.status != 0:
        raise ArithmeticError(f"the linear program has no answer: {solved.message}")
    duals = np.maximum(-solved.ineqlin.marginals, 0) * top
    count = np.zeros(len(columns))
    count[columns.active] = solved.x[: len(kind)]
    floor = np.zeros(problem.floor.shape)
    floor[problem.floor > 0] = duals[problem.shapes : covers]
    return Mixture(
        value=float(solved.fun * top),
        count=count,
        duals=Duals(duals[: problem.shapes], floor, duals[covers:]),
    )


def constraint_rows(problem: Problem, kind: Ints, mix: Ints) -> tuple[object, Floats]:
    """Rows of the covering program, as ``matrix @ x <= right``."""
    from scipy import sparse

    blocks = [sparse.csr_matrix(-mix.T.astype(np.float64))]
    right = [-problem.count.astype(np.float64)]
    zone, shape = np.nonzero(problem.floor > 0)
    if len(zone):
        covered = mix[:, shape] * (problem.zone[kind][:, None] == zone)
        blocks.append(sparse.csr_matrix(-covered.T.astype(np.float64)))
        right.append(-problem.floor[zone, shape].astype(np.float64))
    if len(problem.limit):
        # Scaled by the limit: tolerances must suit thousands of addresses and single nodes alike.
        scale = np.maximum(problem.limit, 1)
        blocks.append(sparse.csr_matrix((problem.usage(kind, mix) / scale).T))
        right.append(problem.limit / scale)
    return sparse.vstack(blocks), np.concatenate(right)


class Generator:
    """
    Column generation for the LP relaxation.

    Once the search over partial mixes finds no more, integer programs are used too: ``deep``.
    """

    def __init__(self, problem: Problem, columns: Columns, *, deadline: Deadline = NEVER) -> None:
        self.problem, self.columns, self.deadline = problem, columns, deadline
        self.most = problem.most_per_node()
        self.prices = np.zeros((problem.kinds, problem.need.shape[1]))
        self.cuts: list[Cut] = []
        self.bound = Fraction(0)
        self.proof: Proof | None = None
        self.deep = False

    def price(self, duals: Duals) -> tuple[Fraction, Ints, Ints]:
        """
        A proved bound, and patterns of negative reduced cost at the given duals.

        Farley's bound: the prices are scaled down until no pattern is worth more than it costs;
        then every fleet costs at least the value of its pods. It holds for any upper bound on the
        value of a node, and is computed in integers and fractions.

        Returns
        -------
        bound : Fraction
            Proved lower bound on the cost of any plan.
        kind, mix : int arrays
            The patterns found.
        """
        problem = self.problem
        top = max(float(duals.pods.max(initial=0)), float(duals.floor.max(initial=0)))
        if top <= _NOTHING:
            # Duals of zero prove nothing.
            none = np.zeros((0, problem.shapes), dtype=np.int64)
            return Fraction(0), np.zeros(0, dtype=np.int64), none
        scale = Fraction(WHOLE) / Fraction(top)
        pods = np.floor(duals.pods * float(scale)).astype(np.int64)
        floor = np.floor(duals.floor * float(scale)).astype(np.int64)
        limit_scale = np.maximum(problem.limit, 1)
        limit = np.ceil(duals.limit / limit_scale * float(scale)).astype(np.int64)
        per_pod = problem.per_pod @ limit
        per_pod = per_pod + np.ceil(problem.pod_cost * float(scale)).astype(np.int64)
        profit = pods + floor[problem.zone] - per_pod[:, None] * problem.addressed
        profit = np.maximum(profit, 0)
        # Rounded down: a threshold or a budget that is too low only weakens the bound.
        budget = np.floor(problem.cost * float(scale) * (1 - 1e-15)).astype(np.int64)
        budget = budget + problem.share @ limit
        threshold = budget + np.floor(budget * _SLIGHT).astype(np.int64)
        ceiling = fractional_bound(profit, problem.need, problem.room, self.most, self.prices)
        bound = np.floor(ceiling * (1 + 1e-9) + 1).astype(np.int64)
        kind, mix = self._searched(profit, budget, threshold, bound)
        if self.deep:
            looked = self._looked_deep(profit, budget, threshold, bound)
            kind, mix = np.append(kind, looked[0]), np.vstack([mix, looked[1]])
        demand = int(pods @ problem.count) + int((floor * problem.floor).sum())
        theta = Fraction(1)
        for have, want in zip(budget.tolist(), bound.tolist(), strict=True):
            if want > have:
                theta = min(theta, Fraction(have, want))
        proved = (theta * demand - int(limit @ problem.limit)) / scale
        if not len(problem.limit) and not problem.pod_cost.any():
            self.cuts.append(Cut(bound, demand))
            if not floor.any() and (self.proof is None or float(proved) > self.proof.bound):
                part = float(theta) * (1 - 1e-12) / float(scale)
                self.proof = Proof(np.asarray(pods * part, dtype=np.float64), float(proved))
        return proved, kind, mix

    def _searched(
        self, profit: Ints, budget: Ints, threshold: Ints, bound: Ints
    ) -> tuple[Ints, Ints]:
        """
        Most valuable mixes, by the search over partial mixes; lowers ``bound`` in place.

        The overall bound depends only on the worst kind, that of the highest value per cost. So
        these come first, and kinds that cannot be worse than a mix already found are skipped.
        """
        problem = self.problem
        kinds: list[Ints] = []
        mixes: list[Ints] = []
        paid = np.maximum(budget, 1)
        worst = 0.0
        order = np.argsort(-(bound / paid), kind="stable")
        for start in range(0, len(order), _TOGETHER):
            look = order[start : start + _TOGETHER]
            look = look[(bound[look] > threshold[look]) & (bound[look] > worst * paid[look])]
            if not len(look):
                continue
            room, most = problem.room[look], self.most[look]
            prices = resource_prices(
                profit[look].astype(np.float64), problem.need, room, most, deadline=self.deadline
            )
            tight = fractional_bound(profit[look], problem.need, room, most, prices)
            # Rounded up by more than the float error: a bound may only be too large.
            whole = np.floor(tight * (1 + 1e-9) + 1).astype(np.int64)
            better = whole < bound[look]
            self.prices[look[better]] = prices[better]
            bound[look] = np.minimum(bound[look], whole)
            priced = best_mixes(
                profit[look],
                problem.need,
                room,
                most,
                prices,
                threshold[look],
                width=_WIDTH,
                keep=12,
                deadline=self.deadline,
            )
            bound[look] = np.minimum(bound[look], priced.bound)
            kinds.append(look[priced.kind])
            mixes.append(priced.mix)
            worst = max(worst, float((priced.value / paid[look]).max()))
            worst = max(worst, float((bound[look] / paid[look]).max()))
        if not kinds:
            return np.zeros(0, dtype=np.int64), np.zeros((0, problem.shapes), dtype=np.int64)
        return np.concatenate(kinds), np.vstack(mixes)

    def _looked_deep(
        self, profit: Ints, budget: Ints, threshold: Ints, bound: Ints
    ) -> tuple[Ints, Ints]:
        """
        Most valuable mixes, by integer programs where partial mixes were cut; the worst kinds first.

        If three resources bind together, the few partial mixes that are kept can all miss a mix
        that is worth a percent more.
        """
        problem = self.problem
        paid = np.maximum(budget, 1)
        kinds: list[int] = []
        mixes: list[Ints] = []
        worst = 0.0
        for kind in np.argsort(-(bound / paid), kind="stable").tolist():
            if bound[kind] <= max(threshold[kind], worst * paid[kind]):
                break
            mix, least = self._best_mix(kind, profit[kind])
            bound[kind] = min(bound[kind], least)
            worst = max(worst, float(bound[kind] / paid[kind]))
            if mix @ profit[kind] > threshold[kind]:
                kinds.append(kind)
                mixes.append(mix)
        none = np.zeros((0, problem.shapes), dtype=np.int64)
        return np.array(kinds, dtype=np.int64), np.vstack([none, *mixes])

    def _best_mix(self, kind: int, profit: Ints) -> tuple[Ints, int]:
        """The best mix found on a kind, and an upper bound on the value of any."""
        from scipy.optimize import Bounds, LinearConstraint

        problem, most = self.problem, self.most[kind]
        shapes = np.nonzero((most > 0) & (profit > 0))[0]
        room = np.maximum(problem.room[kind], 1)
        top = float(profit.max())
        solved = self.deadline.milp(
            -profit[shapes] / top,
            constraints=LinearConstraint((problem.need[shapes] / room).T, -np.inf, 1.0),
            integrality=1,
            bounds=Bounds(0, most[shapes]),
            options={"mip_rel_gap": 1e-6, "node_limit": _STEPS},
        )
        mix = np.zeros(problem.shapes, dtype=np.int64)
        if solved.x is not None:
            mix[shapes] = np.round(solved.x).astype(np.int64)
            # A mix within the tolerance of the solver may exceed the room by a few bytes.
            if (mix @ problem.need > problem.room[kind]).any():
                mix[:] = 0
        proved = solved.mip_dual_bound
        if proved is None or not np.isfinite(proved):
            return mix, np.iinfo(np.int64).max
        return mix, int(-float(proved) * top * (1 + 2e-6)) + 1

    def run(
        self,
        *,
        stop: Callable[[Mixture, Fraction], bool] | None = None,
        rounds: int = 400,
        centre: Duals | None = None,
    ) -> Mixture:
        """
        Fractional optimum: patterns are added until none has a negative reduced cost.

        ``stop`` is called after every round; ``centre`` are the duals with the best bound known.
        """
        problem, penalty = self.problem, None
        if len(problem.limit):
            penalty = 10.0 * float(problem.cost.max() + problem.pod_cost.max() + 1)
        solve = partial(solve_fractional, problem, self.columns, penalty, deadline=self.deadline)
        solution = solve()
        centre = solution.duals if centre is None else centre
        still = 0
        for _ in range(rounds):
            # Duals oscillate between rounds; those between the best so far and the newest give
            # better patterns and bounds. Only the newest can show that no pattern is left.
            still = 0 if still > 4 else still
            newest = self.deep or still
            asked = solution.duals if newest else solution.duals.towards(centre, 0.85)
            bound, kind, mix = self.price(asked)
            if bound > self.bound:
                self.bound, centre = bound, asked
            added = self.columns.add(kind, mix)
            if stop is not None and stop(solution, self.bound):
                if added:
                    solution = solve()
                break
            before = solution.value
            if added:
                solution = solve()
            if solution.value * (1 - 2 * _SLIGHT) <= float(self.bound):
                break
            self.columns.retire(solution.duals, solution.count)
            if solution.value < before * (1 - 1e-7):
                # ``deep`` stays set: integer programs that were needed once are needed again.
                still = 0
            elif not self.deep and still:
                self.deep = True
            elif not added and self.deep:
                break
            else:
                still += 1
        return solution


def rounded(
    columns: Columns,
    solution: Mixture,
    *,
    back: int,
    gap: float,
    effort: float,
    deadline: Deadline,
) -> list[Packed]:
    """
    Packings of the whole part of the fractional optimum, completed by an integer program.

    ``back`` nodes of each pattern are left to that program too, for more freedom; it may stop at
    ``gap``, a part of the cost. A second packing places the rest first-fit.
    """
    from scipy.optimize import Bounds, LinearConstraint

    problem, kind, mix = columns.problem, columns.kind, columns.mix
    fixed = np.maximum(np.floor(solution.count + 1e-7).astype(np.int64) - back, 0)
    base = Packed(kind[fixed > 0], mix[fixed > 0], fixed[fixed > 0])
    rest = rest_of(problem, base)
    if covered(rest):
        return [base]
    if (rest.limit < 0).any():
        return []
    cost = problem.costs(kind, mix)
    spare = solution.duals.reduced(problem, kind, mix)
    order = np.argsort(spare - (solution.count > 1e-9) * 1e9, kind="stable")
    chosen = order[:_COLUMNS]
    matrix, right = constraint_rows(rest, kind[chosen], mix[chosen])
    # The gap is a part of the whole cost, so the open part alone may have a larger one.
    reference = max(total_cost(problem, base), 0.0)
    open_cost = max(solution.value - reference, 1e-9)
    solved = deadline.milp(
        cost[chosen] / max(cost.max(), 1e-12),
        constraints=LinearConstraint(matrix, -np.inf, right),
        integrality=1,
        bounds=Bounds(0, np.inf),
        options={
            "mip_rel_gap": min(gap * (1 + reference / open_cost), 0.05),
            "node_limit": max(20, int(_NODES * effort * min(1.0, 24 / problem.shapes))),
        },
    )
    tails = [] if solved.x is None else [_whole(kind[chosen], mix[chosen], solved.x)]
    if plain(problem) and (filled := first_fit(rest, np.arange(problem.kinds))) is not None:
        tails.append(filled)
    return [joined(base, one) for one in tails]


def settled(
    problem: Problem,
    columns: Columns,
    proof: Proof,
    most: float,
    *,
    gap: float,
    deadline: Deadline,
) -> tuple[Packed | None, float]:
    """
    The cheapest packing by all patterns that a fleet below some cost can have, and a bound.

    At the prices of ``proof`` a fleet costs at least the value of its pods plus the reduced costs
    of its patterns. So a pattern whose reduced cost exceeds the distance from the bound to ``most``
    is in no fleet below ``most``. Patterns with room for one more pod may be left out: with that
    pod they cost no more. If there are too many, the program chooses from the best of these and of
    ``columns``.

    Returns
    -------
    packed : Packed or None
        None if none was found.
    bound : float
        No fleet costs less; that of ``proof`` if there are too many patterns to list.
    """
    from scipy.optimize import Bounds, LinearConstraint

    kind, mix, every = _below(problem, proof, most, deadline=deadline)
    if not every:
        kind, mix = np.append(columns.kind, kind), np.vstack([columns.mix, mix])
        reduced = problem.cost[kind] - mix @ proof.pods
        order = np.argsort(reduced, kind="stable")[:_COLUMNS]
        kind, mix = kind[order], mix[order]
    top = max(float(problem.cost.max()), 1e-12)
    solved = deadline.milp(
        problem.cost[kind] / top,
        constraints=LinearConstraint(mix.T.astype(np.float64), problem.count, np.inf),
        integrality=1,
        bounds=Bounds(0, np.inf),
        options={"mip_rel_gap": gap, "node_limit": _NODES},
    )
    packed, bound = None, proof.bound
    if every and solved.status == _IMPOSSIBLE:
        bound = most
    elif every and solved.mip_dual_bound is not None and np.isfinite(solved.mip_dual_bound):
        lowest = float(solved.mip_dual_bound) * top * (1 - 2e-6)
        bound = max(bound, min(most, lowest))
    if solved.x is not None:
        packed = _whole(kind, mix, solved.x)
    return packed, bound


def _whole(kind: Ints, mix: Ints, count: Floats) -> Packed:
    """Packing of the patterns that a solution uses, rounded to whole nodes."""
    number = np.round(count).astype(np.int64)
    return Packed(kind[number > 0], mix[number > 0], number[number > 0])


def _below(
    problem: Problem, proof: Proof, most: float, *, deadline: Deadline
) -> tuple[Ints, Ints, bool]:
    """Full patterns that a fleet below a cost can have, and whether the list is complete."""
    able = problem.most_per_node()
    unit = WHOLE / max(float(problem.cost.max()), 1e-12)
    # Pods of value zero count as one unit, so that full patterns contain them.
    profit = np.maximum(np.floor(proof.pods * unit).astype(np.int64), 1)
    profit = np.where(able > 0, profit, 0)
    # Rounding lowers the value of a node by at most one unit per pod.
    slack = able.sum(axis=1) + 1
    threshold = np.floor((problem.cost - (most - proof.bound)) * unit).astype(np.int64) - slack
    room, need = problem.room, problem.need
    prices = resource_prices(profit.astype(np.float64), need, room, able, deadline=deadline)
    priced = best_mixes(
        profit,
        need,
        room,
        able,
        prices,
        np.maximum(threshold, 0),
        width=_LISTED // problem.kinds,
        keep=_LISTED // problem.kinds,
        distinct=False,
        deadline=deadline,
    )
    left = room[priced.kind] - priced.mix @ need
    more = (need <= left[:, None, :]).all(axis=2) & (priced.mix < able[priced.kind])
    full = np.nonzero(~more.any(axis=1))[0]
    every = bool(priced.complete.all()) and len(full) <= _EVERY
    return priced.kind[full], priced.mix[full], every
