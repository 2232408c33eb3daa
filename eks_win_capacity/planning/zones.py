"""The best nodes of some types: free of zones and subnets first, then where they may stand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.packing.deadline import OutOfTimeError
from eks_win_capacity.packing.problem import total_cost
from eks_win_capacity.planning.model import build, named
from eks_win_capacity.planning.placement import (
    beyond,
    held_by,
    merged,
    placed_in,
    starts_of,
    value_of,
)
from eks_win_capacity.planning.question import BRIEF, NEAR, ROUGH, Answer, better

if TYPE_CHECKING:
    from eks_win_capacity.packing.problem import Ints, Packed
    from eks_win_capacity.planning.model import Model, NodeKind, Site
    from eks_win_capacity.planning.plan_values import PlannedGroup
    from eks_win_capacity.planning.solving import Solving

__all__ = ["answer", "least_in_zone", "quick"]


def _in_zones(
    run: Solving,
    nodes: tuple[NodeKind, ...],
    bound: float,
    lp_bound: float,
    *,
    effort: float | None,
) -> Answer | None:
    """
    Pack all zones together, else by the fewest addresses, else each zone for itself.

    Parameters
    ----------
    run, nodes : Solving, tuple of NodeKind
        What is asked, and of what types.
    bound, lp_bound : float
        What is proved without zones and subnets.
    effort : float, optional
        Part of the usual work.
    """
    found: list[Answer] = []

    def offer(answer: Answer | None) -> None:
        if answer is not None:
            found.append(answer)
            run.known = _best(found, bound, lp_bound)
            if run.ask.progress is not None and run.known is not None:
                run.ask.progress(run.known.value, bound)

    offer(quick(run, nodes, bound, lp_bound) if run.known is None else run.known)
    if run.ask.spread and not run.over():
        base, one = _least_in_zones(run, nodes, effort=effort)
        bound = max(bound, 0.0 if one is None else len(run.ask.zones) * one.bound)
        run.even_only = run.ask.zone_lost
        # A zone that holds no more than it must is solved already.
        same = not run.ask.limits and not run.ask.present and one is not None
        apart = {base.tobytes(): one} if same else {}
        offer(_apart(run, nodes, bound, lp_bound, apart, effort=effort))
        best = _best(found, bound, lp_bound)
        near = NEAR if effort is None else ROUGH
        if best is not None and best.value - bound <= near * best.value:
            return best
    if not run.ask.spread and not run.over():
        offer(_fewest(run, nodes, bound, lp_bound))
    coupled, bound = _coupled(run, nodes, bound, lp_bound, effort=effort)
    offer(coupled)
    return _best(found, bound, lp_bound)


def _coupled(
    run: Solving,
    nodes: tuple[NodeKind, ...],
    bound: float,
    lp_bound: float,
    *,
    effort: float | None,
) -> tuple[Answer | None, float]:
    """All zones packed together, the odd pods in one zone after the other; and what that proves."""
    odd = run.ask.odd
    for turn in range(len(run.ask.zones) if odd else 1):
        if run.over():
            break
        coupled = run.solved(nodes, coupled=True, effort=effort, turn=turn)
        if coupled is not None:
            # With fixed shares of the zones, the bound is one of these shares alone.
            return coupled, bound if odd else max(bound, coupled.bound)
        if not run.ask.limited or run.over():
            break
        lean = run.solved(nodes, coupled=True, objective="addresses", effort=BRIEF, turn=turn)
        if lean is not None:
            value = value_of(lean.groups, run.ask.objective)
            return Answer(lean.groups, value, bound, lp_bound), bound
    return None, bound


def _fewest(
    run: Solving, nodes: tuple[NodeKind, ...], bound: float, lp_bound: float
) -> Answer | None:
    """The plan with the fewest addresses: in one zone it fits if anything does."""
    fewest = run.solved(nodes, coupled=False, objective="addresses", effort=BRIEF)
    if fewest is None:
        return None
    placed = placed_in(fewest.groups, run.ask.sites, held_by(nodes))
    if placed is None:
        return None
    return Answer(placed, value_of(placed, run.ask.objective), bound, lp_bound)


def _least_in_zones(
    run: Solving, nodes: tuple[NodeKind, ...], *, effort: float | None
) -> tuple[Ints, Answer | None]:
    """
    What every zone must hold, and the best nodes for it; their bound sums over the zones.

    Each zone has at least the whole part of an even share of every workload that is spread,
    whatever else stands there. With a zone to lose that holds of plans with even shares.
    """
    zones = len(run.ask.zones)
    base = np.array(
        [
            least_in_zone(int(slot), zones, 1 if run.ask.zone_lost else load.max_skew)
            if load.zone_spread or run.ask.zone_lost
            else 0
            for load, slot in zip(run.ask.workloads, run.ask.slots, strict=True)
        ],
        dtype=np.int64,
    )
    if not base.any():
        return base, None
    until = run.deadline.part(0.4)
    return base, run.solved(
        nodes, coupled=False, slots=base, limits={}, effort=effort, deadline=until
    )


def least_in_zone(pods: int, zones: int, skew: int) -> int:
    """Fewest pods that a zone has where zones differ by no more than ``skew``."""
    return max(0, -(-(pods - (zones - 1) * skew) // zones))


def _best(found: list[Answer], bound: float, lp_bound: float) -> Answer | None:
    if not found:
        return None
    best = min(found, key=lambda one: one.value)
    return Answer(best.groups, best.value, min(bound, best.value), lp_bound)


def _shares(run: Solving) -> list[tuple[str, tuple[Site, ...], Ints]]:
    """Each zone, its subnets and its even share of every workload."""
    zones = sorted({site.zone for site in run.ask.sites}) if run.ask.spread else [""]
    base, extra = np.divmod(run.ask.slots, len(zones))
    # The zone that takes the odd pod turns with the workload, so that none gets them all.
    turned = np.arange(len(run.ask.slots)) % len(zones)
    return [
        (
            zone,
            tuple(site for site in run.ask.sites if not run.ask.spread or site.zone == zone),
            base + ((place - turned) % len(zones) < extra),
        )
        for place, zone in enumerate(zones)
    ]


def quick(
    run: Solving,
    nodes: tuple[NodeKind, ...],
    bound: float,
    lp_bound: float,
    *,
    search: bool = False,
) -> Answer | None:
    """
    Pack each zone first-fit: in a moment, and no worse than what people do.

    Where zones differ by few pods, the largest share is packed once for all of them; with
    ``search`` by a brief search, and nothing comes back where zones differ by more.
    """
    shares = _shares(run)
    most = np.max([slots for *_, slots in shares], axis=0)
    odd = len(shares) * most.sum() - run.ask.slots.sum()
    alike = odd <= _FEW_ODD * run.ask.slots.sum() and not any(node.zone for node in nodes)
    if search and not alike:
        return None
    groups: list[PlannedGroup] = []
    packings: dict[bytes, tuple[Model, list[Packed]]] = {}
    for zone, sites, slots in shares:
        share = most if alike else slots
        key = b"" if alike else zone.encode()
        if key not in packings:
            mine = tuple(node for node in nodes if node.zone in {"", zone})
            packings[key] = _packings(run, mine, share, search=search)
        model, packings_here = packings[key]
        if not model.problem.count.any():
            continue
        ways = (
            named(model, run.ask.workloads, slots, packed, shrink=False) for packed in packings_here
        )
        stood = (_stood(run, way, zone, sites) for way in ways)
        best = next((one for one in stood if one is not None), None)
        if best is None:
            return None
        groups += best
    return _whole(run, groups, bound, lp_bound)


def _packings(
    run: Solving, nodes: tuple[NodeKind, ...], slots: Ints, *, search: bool
) -> tuple[Model, list[Packed]]:
    """The pods of a zone on nodes, without limits: by a brief search, or first-fit, cheapest first."""
    goal = run.ask.objective if search else "cost"
    model = build(run.ask.workloads, slots, nodes, (), objective=goal, limits={}, coupled=False)
    if not model.problem.count.any():
        return model, []
    if search:
        until, step = run.deadline.part(_SPREAD_PART), 0.0 if goal == "cost" else 1.0
        packed, _, _ = run.searched(model, deadline=until, effort=BRIEF, step=step, tell=False)
        return model, [] if packed is None else [packed]
    starts = starts_of(model, deadline=run.deadline)
    return model, sorted(starts, key=lambda one: total_cost(model.problem, one))


def _apart(
    run: Solving,
    nodes: tuple[NodeKind, ...],
    bound: float,
    lp_bound: float,
    solved: dict[bytes, Answer | None],
    *,
    effort: float | None,
) -> Answer | None:
    """Solve each zone for itself; zones with the same share are solved once."""
    groups: list[PlannedGroup] = []
    for zone, sites, slots in _shares(run):
        mine = tuple(node for node in nodes if node.zone in {"", zone})
        key = slots.tobytes() + b"".join(node.name.encode() for node in mine if node.zone)
        if key not in solved:
            if run.over():
                return None
            solved[key] = run.solved(
                mine, coupled=False, slots=slots, effort=effort, deadline=run.deadline.part(0.4)
            )
        answer = solved[key]
        own = None if answer is None else _stood(run, answer.groups, zone, sites)
        if own is None:
            return None
        groups += own
    return _whole(run, groups, bound, lp_bound)


def _stood(
    run: Solving, groups: list[PlannedGroup], zone: str, sites: tuple[Site, ...]
) -> list[PlannedGroup] | None:
    if run.ask.limited or not zone:
        return placed_in(groups, sites, held_by(run.ask.present))
    return [replace(group, zone=zone) for group in groups]


def _whole(
    run: Solving, groups: list[PlannedGroup], bound: float, lp_bound: float
) -> Answer | None:
    """Put the zones together; None where they go beyond the limits on nodes."""
    if beyond(run.ask, groups):
        return None
    value = value_of(groups, run.ask.objective)
    return Answer(merged(groups), value, min(bound, value), lp_bound)


_FREE_PART, _SPREAD_PART = 0.4, 0.2
"""Part of the time for the plan without zones and subnets, where these count; and where pods
are spread, so that only its bound is wanted."""

_FEW_ODD = 0.01
"""Places of the largest share in each zone beyond those asked for, up to which zones are packed
alike; as a part of these."""


def answer(
    run: Solving, nodes: tuple[NodeKind, ...], *, effort: float | None = None
) -> Answer | None:
    """Find the best nodes of some types, where they may stand included."""
    try:
        found = _answer(run, nodes, effort)
    except OutOfTimeError:
        found = run.known
    if found is None and run.over() and not run.impossible:
        found = quick(run, nodes, 0.0, 0.0)
    return found


def _answer(run: Solving, nodes: tuple[NodeKind, ...], effort: float | None) -> Answer | None:
    ask = run.ask
    coupled = ask.spread or ask.limited or ask.zoned
    if ask.spread:
        for search in (False, True):
            run.known = better(run.known, quick(run, nodes, 0.0, 0.0, search=search))
            if run.known is not None and ask.progress is not None and effort is None:
                ask.progress(run.known.value, 0.0)
    until = run.deadline
    if coupled:
        until = until.part(_SPREAD_PART if ask.spread else _FREE_PART)
    loose = run.solved(nodes, coupled=False, effort=effort, deadline=until)
    if not ask.spread:
        # Of a plan that is spread, only the bound is wanted.
        loose = _or_alone(run, nodes, loose)
    if loose is None:
        return None if run.interrupted else _exact(run, nodes, 0.0, 0.0)
    if ask.spread:
        placed = None
    else:
        placed = loose.groups
        if ask.sites:
            placed = placed_in(loose.groups, ask.sites, held_by(nodes))
        if placed is not None and beyond(ask, placed):
            placed = None
    if placed is not None:
        run.known = Answer(placed, loose.value, loose.bound, loose.lp_bound)
        near = loose.value - loose.bound <= NEAR * loose.value
        if run.interrupted or effort is not None or near:
            return run.known
    elif run.interrupted:
        return quick(run, nodes, loose.bound, loose.lp_bound)
    exact = _exact(run, nodes, loose.bound, loose.lp_bound)
    if placed is not None:
        return better(run.known, exact)
    if exact is not None or run.impossible:
        return exact
    return _in_zones(run, nodes, loose.bound, loose.lp_bound, effort=effort)


def _exact(
    run: Solving, nodes: tuple[NodeKind, ...], bound: float, lp_bound: float
) -> Answer | None:
    """Settle it exactly where all patterns can be listed."""
    even = None
    if run.ask.zone_lost:
        settled = run.settled(nodes, evenly=True, known=bound)
        even = None if settled is None else run.from_settled(settled, 0.0, 0.0)
        if even is not None:
            # Its bound is that of even shares; uneven ones may cost less.
            even = Answer(even.groups, even.value, bound, lp_bound)
            run.known = better(run.known, even)
    settled = run.settled(nodes, known=bound)
    if settled is None:
        return even
    run.impossible = run.impossible or (settled.packed is None and settled.proved)
    found = better(run.from_settled(settled, bound, lp_bound), even)
    if (
        found is None
        or settled.proved
        or run.ask.zone_lost
        or found.value - found.bound <= NEAR * found.value
    ):
        return found
    run.known = better(run.known, found)
    return better(found, _in_zones(run, nodes, bound, lp_bound, effort=BRIEF))


def _or_alone(run: Solving, nodes: tuple[NodeKind, ...], found: Answer | None) -> Answer | None:
    """Take the best plan with one type where it is cheaper: more types never cost more."""
    if found is None or len(nodes) < 2 or run.ask.objective != "cost":
        return found
    impossible = run.impossible
    for node in nodes:
        if found.value - found.bound <= 1e-9 * found.value or run.over():
            break
        if run.ask.least_alone(node) < found.value - 1e-9:
            alone = run.solved((node,), coupled=False)
            if alone is not None and alone.value < found.value:
                found = Answer(alone.groups, alone.value, found.bound, found.lp_bound)
    # What one type cannot run, others may.
    run.impossible = impossible
    return found
