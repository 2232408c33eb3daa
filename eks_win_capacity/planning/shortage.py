"""Why no plan was found: what is missing, where, and how much."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from eks_win_capacity.packing.deadline import OutOfTimeError
from eks_win_capacity.planning.plan_values import Infeasible
from eks_win_capacity.planning.question import ALL_NODES, BRIEF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eks_win_capacity.planning.plan import FleetPlan
    from eks_win_capacity.planning.question import NodeKind, Question, Site
    from eks_win_capacity.planning.solving import Solving

__all__ = ["why_not"]


@dataclass(frozen=True)
class _Missing:
    code: str
    word: str
    remedy: str

    def there(self, site: Site) -> int:
        """Free amount of it in a subnet."""
        return site.blocks if self is _BLOCKS else site.free


_ADDRESSES = _Missing("addresses-short", "free addresses", "Free addresses, or add subnets")
_BLOCKS = _Missing("blocks-short", "free /28 blocks", "Add subnets, or reserve ranges for prefixes")


def why_not(
    run: Solving, nodes: tuple[NodeKind, ...], *, plan_of: Callable[[Question], FleetPlan]
) -> list[Infeasible]:
    """Reasons why no plan was found: the fewest addresses and blocks that are missing."""
    ask = run.ask
    reasons: list[Infeasible] = []
    try:
        if ask.limits and not run.over():
            reasons = _by_limits(run, plan_of)
        elif ask.limited and not run.over():
            reasons = _settled(run, nodes) or [_bounded(run, nodes)]
    except OutOfTimeError:
        pass
    if reasons:
        return reasons
    if run.impossible and ask.limits:
        return [_of_limits(run, None, 0)]
    if run.impossible:
        where = _named(ask.sites)
        why = f"nothing fits {where}; how much is missing was not counted in the time"
        return [_not_found(why, "Raise the time limit, or add addresses", where)]
    why = "no plan was found in the time; that there is none is not proved"
    return [_not_found(why, "Raise the time limit")]


def _not_found(why: str, remedy: str, subject: str = "") -> Infeasible:
    return Infeasible(code="not-found", why=why, remedy=remedy, subject=subject)


def _by_limits(run: Solving, plan_of: Callable[[Question], FleetPlan]) -> list[Infeasible]:
    """Reasons if the limits prevent a plan, and the types of a plan without them."""
    free = run.afresh(limits={}, max_types=None, effort=BRIEF).ask
    plan = plan_of(free)
    if not plan.feasible:
        return list(plan.infeasible)
    most = run.ask.limits.get(ALL_NODES)
    short = 0
    if most is not None:
        fewest = plan_of(replace(free, objective="nodes"))
        short = max(0, math.ceil(fewest.lower_bound - 1e-6) - most)
    if run.impossible or short:
        return [_of_limits(run, plan, short)]
    if run.over():
        return []
    limits = f"no plan within the limits on nodes ({_limits(run)}) was found"
    why = f"{limits}; that there is none is not proved"
    return [_not_found(why, "Raise the limits, or the time limit")]


def _limits(run: Solving) -> str:
    return ", ".join(f"{name} {most:,}" for name, most in sorted(run.ask.limits.items()))


def _of_limits(run: Solving, plan: FleetPlan | None, short: int) -> Infeasible:
    types = "" if plan is None else ", ".join(f"{n:,} x {name}" for name, n in plan.types.items())
    would = f"; without them {types} would do" if types else ""
    return Infeasible(
        code="limits",
        why=f"the limits on nodes ({_limits(run)}) leave too little room{would}",
        remedy="Raise the limits",
        short=short,
    )


def _named(sites: Iterable[Site]) -> str:
    return ", ".join(site.subnet for site in sites)


def _settled(run: Solving, nodes: tuple[NodeKind, ...]) -> list[Infeasible]:
    """Exact shortage of each subnet; empty if the patterns cannot be listed."""
    reasons: list[Infeasible] = []
    allow: Any = None
    for missing in (_BLOCKS, _ADDRESSES) if run.ask.prefix else (_ADDRESSES,):
        settled = run.settled(nodes, missing=missing.code.removesuffix("-short"), allow=allow)
        if settled is None or settled.packed is None:
            return []
        short = settled.short.tolist()
        if missing is _BLOCKS:
            allow = settled.short
        if any(short):
            reasons.append(_shortage_reason(missing, run.ask.sites, short, tied=run.ask.spread))
    return reasons


def _shortage_reason(
    missing: _Missing, sites: tuple[Site, ...], short: list[int], *, tied: bool
) -> Infeasible:
    """Reason by the shortage of subnets; if nodes may be anywhere, one of several solutions."""
    lacking = [(site, count) for site, count in zip(sites, short, strict=True) if count]
    parts = []
    for site, count in lacking:
        have = missing.there(site)
        where = f"subnet {site.subnet}" + (f" in {site.zone}" if site.zone else "")
        parts.append(
            f"{where} is short of {count:,} {missing.word}: {have:,} are there and "
            f"{have + count:,} are needed"
        )
    total = sum(short)
    why = "; ".join(parts) + (f"; {total:,} in all" if len(parts) > 1 else "")
    if not tied and len(sites) > 1:
        why = f"{total:,} more {missing.word} are needed, for example so: {why}"
    return Infeasible(
        code=missing.code,
        why=why,
        remedy=missing.remedy + _guess(missing, [site for site, _ in lacking]),
        subject=_named(site for site, _ in lacking),
        short=total,
    )


def _guess(missing: _Missing, sites: list[Site]) -> str:
    guessed = _named(site for site in sites if site.guessed)
    if missing is not _BLOCKS or not guessed:
        return ""
    return (
        f". Of {guessed} only a count of used addresses is known, so the worst case "
        "of whole blocks is taken: give the addresses in use"
    )


def _bounded(run: Solving, nodes: tuple[NodeKind, ...]) -> Infeasible:
    """Shortage that the totals prove, if there are too many patterns to list."""
    for part in (run, *_by_zone(run)):
        for missing in (_BLOCKS, _ADDRESSES) if run.ask.prefix else (_ADDRESSES,):
            reason = _by_total(part, nodes, missing)
            if reason is not None:
                return reason
    where = _named(run.ask.sites)
    why = f"no plan that fits {where} was found; the totals alone do not rule one out"
    return _not_found(why, "Add addresses, or allow smaller types", where)


def _by_zone(run: Solving) -> list[Solving]:
    """A search for each zone, with the pods that must be there and its subnets."""
    ask, zones = run.ask, run.ask.zones
    loads = tuple(
        replace(
            load,
            # The fewest pods in a zone if zones differ by at most the skew.
            replicas=max(0, -(-(int(slot) - (len(zones) - 1) * load.max_skew) // len(zones))),
            zone_spread=False,
        )
        for load, slot in zip(ask.workloads, ask.slots, strict=True)
        if load.zone_spread
    )
    if not loads or ask.zone_lost:
        return []
    sites = [tuple(site for site in ask.sites if site.zone == zone) for zone in zones]
    more: dict[str, Any] = {"workloads": loads, "surge": 0, "limits": {}, "max_types": None}
    return [run.afresh(sites=here, **more) for here in sites]


def _by_total(run: Solving, nodes: tuple[NodeKind, ...], missing: _Missing) -> Infeasible | None:
    where = _named(run.ask.sites)
    have = sum(map(missing.there, run.ask.sites))
    least = run.solved(nodes, objective="addresses", prefixes=missing is _BLOCKS, limits={})
    if least is None:
        return None
    known, proved = round(least.value), math.ceil(least.bound - 1e-6)
    if proved <= have:
        return None
    exact = "" if known == proved else f" at least (a plan with {known:,} is known)"
    guess = _guess(missing, list(run.ask.sites))
    verb = "subnet " + where + " is" if len(run.ask.sites) == 1 else "subnets " + where + " are"
    return Infeasible(
        code=missing.code,
        why=f"{verb} short of {proved - have:,} {missing.word}: {have:,} are there and "
        f"{proved:,} are needed{exact}",
        remedy=missing.remedy + guess,
        subject=where,
        short=proved - have,
    )
