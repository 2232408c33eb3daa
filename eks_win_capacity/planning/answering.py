"""The best nodes of some types: free of zones and subnets first, then where they may stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_win_capacity.packing.deadline import OutOfTimeError
from eks_win_capacity.planning.placement import beyond, held_by, placed_in
from eks_win_capacity.planning.question import BRIEF, NEAR, Answer, better
from eks_win_capacity.planning.zones import in_zones, quick

if TYPE_CHECKING:
    from eks_win_capacity.planning.model import NodeKind
    from eks_win_capacity.planning.solving import Solving

__all__ = ["answer"]

_FREE_PART, _SPREAD_PART = 0.4, 0.2
"""Part of the time for the plan without zones and subnets, where these count; and where pods
are spread, so that only its bound is wanted."""


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
    until = run.deadline
    if coupled:
        until = until.part(_SPREAD_PART if ask.spread else _FREE_PART)
    if ask.spread and effort is None:
        run.known = quick(run, nodes, 0.0, 0.0)
        if run.known is not None and ask.progress is not None:
            ask.progress(run.known.value, 0.0)
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
    return in_zones(run, nodes, loose.bound, loose.lp_bound, effort=effort)


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
    return better(found, in_zones(run, nodes, bound, lp_bound, effort=BRIEF))


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
