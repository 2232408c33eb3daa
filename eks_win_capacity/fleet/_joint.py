"""Zones and subnets settled exactly, where all patterns can be listed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.fleet._first_fit import Packed
from eks_win_capacity.fleet._model import ALL_NODES
from eks_win_capacity.fleet._problem import quiet

if TYPE_CHECKING:
    from eks_win_capacity.fleet._inputs import Load
    from eks_win_capacity.fleet._model import Model
    from eks_win_capacity.fleet._problem import Flags, Floats, Ints

_MIXES: Final = 1_500
"""Mixes of pods on a node up to which all are listed."""

_COLUMNS: Final = 6_000
"""Patterns, each in each subnet, up to which the integer program takes them all."""

_STEPS, _WORK = 3_000, 400_000
"""Steps of the integer program at most, and these times its columns; counts and not a time,
so that answers repeat."""


@dataclass(frozen=True)
class Patterns:
    """Each mix that fits on some node, on each type that could be best for it."""

    mix: Ints
    node: Ints
    cost: Floats
    addresses: Ints
    prefixes: Ints

    def __len__(self) -> int:
        return len(self.node)


@dataclass(frozen=True)
class Settled:
    """
    The best whole choice, and what is missing where there is none.

    Attributes
    ----------
    packed : Packed or None
        Nodes by pattern, with kinds of the model; None where none was found.
    model : Model
        The model, with the pods of each zone as they were chosen.
    bound : float
        No choice costs less.
    short : int array
        What each subnet lacks, where that was asked for.
    proved : bool
        Whether the search came to its end.
    """

    packed: Packed | None
    model: Model
    bound: float
    short: Ints
    proved: bool


def list_patterns(model: Model, *, every_type: bool = False) -> Patterns | None:
    """List the patterns, of each mix on the best types alone; None where they are too many."""
    problem = model.problem
    allowed: Flags = np.zeros((len(model.nodes), problem.shapes), dtype=bool)
    allowed[model.node] = problem.allowed
    rooms = np.array([node.room for node in model.nodes], dtype=np.int64)
    mixes = _mixes(problem.need, np.minimum(problem.count, problem.most), rooms, allowed)
    if mixes is None:
        return None
    used = mixes @ problem.need
    columns: list[tuple[int, int, float, int, int]] = []
    for place, mix in enumerate(mixes):
        fits = (rooms >= used[place]).all(axis=1) & allowed[:, mix > 0].all(axis=1)
        pods = int(used[place, 2])
        able = [
            (node.cost, node.addresses(pods), int(node.prefixes[pods]), at)
            for at, node in enumerate(model.nodes)
            if fits[at]
        ]
        columns += [
            (place, one[3], *one[:3]) for one in (able if every_type else _best(sorted(able)))
        ]
    if len(columns) * max(len(model.sites), 1) > _COLUMNS:
        return None
    return Patterns(
        mixes[[one[0] for one in columns]],
        np.array([one[1] for one in columns], dtype=np.int64),
        np.array([one[2] for one in columns], dtype=np.float64),
        np.array([one[3] for one in columns], dtype=np.int64),
        np.array([one[4] for one in columns], dtype=np.int64),
    )


def _mixes(need: Ints, most: Ints, rooms: Ints, allowed: Flags) -> Ints | None:
    """List the mixes, none empty, that some node holds."""
    rows = np.zeros((1, len(need)), dtype=np.int64)
    for shape in range(len(need)):
        cap = int(most[shape])
        fits = [
            int(min(have // want for have, want in zip(room, need[shape], strict=True) if want))
            for room, may in zip(rooms.tolist(), allowed[:, shape].tolist(), strict=True)
            if may
        ]
        cap = max(0, min(cap, max(fits, default=0)))
        if len(rows) * (cap + 1) > 40 * _MIXES:
            return None
        rows = np.repeat(rows, cap + 1, axis=0)
        rows[:, shape] = np.tile(np.arange(cap + 1), len(rows) // (cap + 1))
        used = rows @ need
        holds: Flags = np.zeros(len(rows), dtype=bool)
        for room, may in zip(rooms, allowed, strict=True):
            holds |= (used <= room).all(axis=1) & (rows[:, ~may] == 0).all(axis=1)
        rows = rows[holds]
        if len(rows) > _MIXES:
            return None
    return rows[rows.any(axis=1)]


def _best(able: list[tuple[float, int, int, int]]) -> list[tuple[float, int, int, int]]:
    """Leave out the types that another one beats in cost, addresses and prefixes."""
    kept: list[tuple[float, int, int, int]] = []
    for one in able:
        if not any(two[1] <= one[1] and two[2] <= one[2] for two in kept):
            kept.append(one)
    return kept


def settle(
    model: Model,
    patterns: Patterns,
    loads: tuple[Load, ...],
    *,
    wanted: Ints,
    zone_lost: bool,
    evenly: bool = False,
    objective: str,
    limits: dict[str, int],
    missing: str = "",
    allow: Ints | None = None,
    most_types: int | None = None,
    known: float = 0.0,
    seconds: float = math.inf,
) -> Settled:
    """
    Choose patterns, subnets and the pods of each zone at once.

    Parameters
    ----------
    model : Model
        Coupled; its quota is not looked at.
    patterns : Patterns
        All there are.
    loads : tuple of Load
        What runs.
    wanted : (shapes,) int array
        Pods that must have a place, before the loss of a zone.
    zone_lost : bool
        Whether they must have one after the loss of any zone.
    evenly : bool
        Whether all zones have even shares then; the bound is of such plans alone.
    objective : {"cost", "nodes", "addresses"}
        What is made small.
    limits : dict
        Most nodes of a type, or of all.
    missing : {"", "addresses", "blocks"}
        Make small, in place of the objective, how many of these the subnets lack; with
        ``blocks``, addresses are not counted.
    allow : int array, optional
        Blocks that each subnet may have on top.
    most_types : int, optional
        Different types at most.
    known : float
        What is proved already: no choice costs less.
    seconds : float
        Time limit. [s]
    """
    from scipy import sparse
    from scipy.optimize import Bounds, LinearConstraint, milp

    problem = model.problem
    sites = model.sites
    zones = sorted({site.zone for site in sites})
    where = np.repeat(np.arange(len(sites)), len(patterns))
    every = np.tile(np.arange(len(patterns)), len(sites))
    zone = np.array([zones.index(site.zone) for site in sites])[where]
    even = np.array([loads[group[0]].zone_spread for group in model.members], dtype=bool)
    even |= zone_lost and evenly
    tied = np.nonzero((even | zone_lost) & (problem.count > 0))[0]
    width, shares = len(every), len(tied) * len(zones)
    kinds = len(model.nodes) if most_types is not None else 0
    total = width + shares + len(sites) + kinds
    rows: list[Any] = []
    low: list[float] = []
    high: list[float] = []

    def rule(columns: Ints, values: Any, least: float, most: float) -> None:
        line = sparse.csr_matrix(
            (
                np.asarray(values, dtype=np.float64),
                (np.zeros(len(columns), dtype=np.int64), columns),
            ),
            shape=(1, total),
        )
        rows.append(line)
        low.append(least)
        high.append(most)

    def share(at: int) -> Ints:
        return width + at * len(zones) + np.arange(len(zones))

    for shape in np.nonzero(problem.count)[0].tolist():
        if shape not in tied:
            some = np.nonzero(patterns.mix[every, shape])[0]
            rule(some, patterns.mix[every[some], shape], float(problem.count[shape]), np.inf)
    floor, ceiling = np.zeros(total), np.full(total, np.inf)
    for at, shape in enumerate(tied.tolist()):
        for place in range(len(zones)):
            some = np.nonzero((zone == place) & (patterns.mix[every, shape] > 0))[0]
            rule(
                np.append(some, share(at)[place]),
                np.append(patterns.mix[every[some], shape], -1),
                0.0,
                np.inf,
            )
        if even[shape]:
            base, extra = divmod(int(problem.count[shape]), len(zones))
            floor[share(at)], ceiling[share(at)] = base, base + bool(extra)
            rule(
                share(at),
                np.ones(len(zones)),
                float(problem.count[shape]),
                float(problem.count[shape]),
            )
        else:
            ceiling[share(at)] = wanted[shape]
            for lost in range(len(zones)):
                rule(np.delete(share(at), lost), np.ones(len(zones) - 1), wanted[shape], np.inf)
    blocks = patterns.prefixes[every]
    addresses = patterns.addresses[every]
    for place, site in enumerate(sites):
        here = np.nonzero(where == place)[0]
        lent = width + shares + place
        if site.free >= 0 and missing != "blocks":
            on = missing == "addresses"
            extra_room = 0 if allow is None else 16 * int(allow[place])
            rule(
                np.append(here, lent),
                np.append(addresses[here], -1.0 * on),
                -np.inf,
                site.free + extra_room,
            )
        if site.free >= 0 and blocks[here].any():
            on = missing == "blocks"
            room = site.blocks + (0 if allow is None else int(allow[place]))
            rule(np.append(here, lent), np.append(blocks[here], -1.0 * on), -np.inf, room)
        if site.singles >= 0 and missing != "blocks":
            on = missing == "addresses"
            one = np.where(blocks[here] > 0, 1, addresses[here])
            rule(np.append(here, lent), np.append(one, -1.0 * on), -np.inf, site.singles)
    lent_to = slice(width + shares, width + shares + len(sites))
    if not missing:
        ceiling[lent_to] = 0
    if most_types is not None:
        used = width + shares + len(sites) + np.arange(kinds)
        ceiling[used] = 1
        rule(used, np.ones(kinds), 0.0, most_types)
        pods = float(problem.count.sum())
        for place in range(kinds):
            some = np.nonzero(patterns.node[every] == place)[0]
            rule(np.append(some, used[place]), np.append(np.ones(len(some)), -pods), -np.inf, 0.0)
    for name, most in sorted(limits.items()):
        at_type = np.array([name in {node.name, ALL_NODES} for node in model.nodes])
        some = np.nonzero(at_type[patterns.node[every]])[0]
        if len(some):
            rule(some, np.ones(len(some)), -np.inf, most)
    cost = np.zeros(total)
    if missing:
        cost[lent_to] = 1.0
        # Of equal shortages, the one that fewer subnets share and fewer nodes need.
        cost[:width] = 1e-5
    else:
        cost[:width] = {
            "cost": patterns.cost[every],
            "nodes": np.ones(width),
            "addresses": addresses.astype(np.float64),
        }[objective]
        # A millionth less, for the tolerances of the solver.
        rule(np.arange(width), cost[:width], known * (1 - 1e-6), np.inf)
    top = max(float(cost.max()), 1e-12)
    matrix = sparse.vstack(rows, format="csr")
    with quiet():
        solved = milp(
            cost / top,
            constraints=LinearConstraint(matrix, low, high),
            integrality=1,
            bounds=Bounds(floor, ceiling),
            options={"mip_rel_gap": 1e-6, "node_limit": max(60, min(_STEPS, _WORK // total))}
            | ({"time_limit": max(0.2, seconds)} if math.isfinite(seconds) else {}),
        )
    bound = solved.mip_dual_bound
    least = float(bound) * top * (1 - 2e-6) if bound is not None and np.isfinite(bound) else 0.0
    none = np.zeros(len(sites), dtype=np.int64)
    if solved.x is None:
        return Settled(None, model, least, none, solved.status == 2)
    whole = np.round(solved.x).astype(np.int64)
    sums = matrix @ whole
    if (sums < np.array(low) - 1e-6).any() or (sums > np.array(high) + 1e-6).any():
        # Rounded by the solver's tolerances to a choice that does not hold.
        return Settled(None, model, least, none, False)
    chosen = np.nonzero(whole[:width])[0]
    quota = np.zeros_like(model.quota)
    for at, shape in enumerate(tied.tolist()):
        told = whole[share(at)].tolist()
        quota[:, shape] = told if even[shape] else _trimmed(told, int(wanted[shape]))
    packed = Packed(
        np.array(
            [_kind(model, patterns, int(every[one]), int(where[one])) for one in chosen],
            dtype=np.int64,
        ),
        patterns.mix[every[chosen]],
        whole[chosen],
    )
    return Settled(packed, replace(model, quota=quota), least, whole[lent_to], solved.status == 0)


def _trimmed(places: list[int], wanted: int) -> list[int]:
    """Give back the places that no loss of a zone asks for."""
    total = sum(places)
    for place, have in enumerate(places):
        others = [total - lost for at, lost in enumerate(places) if at != place]
        spare = min([have, *(left - wanted for left in others)])
        places[place] -= spare
        total -= spare
    return places


def _kind(model: Model, patterns: Patterns, pattern: int, site: int) -> int:
    """Find the kind of the model that holds a pattern: its type, subnet and addresses."""
    pods = int(patterns.mix[pattern] @ model.problem.need[:, 2])
    able = np.nonzero(
        (model.node == patterns.node[pattern])
        & (model.site == site)
        & (model.problem.room[:, 2] >= pods)
    )[0]
    return int(able[np.argmin(model.problem.room[able, 2])])
