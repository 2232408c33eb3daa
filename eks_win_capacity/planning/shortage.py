"""Why there is no plan: what is missing, where, and how much of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from eks_win_capacity.planning.model import ALL_NODES
from eks_win_capacity.planning.plan import Infeasible

if TYPE_CHECKING:
    from eks_win_capacity.planning.model import Node, Site
    from eks_win_capacity.planning.plan import FleetPlan
    from eks_win_capacity.planning.run import _Run

__all__ = ["why_not"]


@dataclass(frozen=True)
class _Missing:
    code: str
    word: str
    remedy: str


_ADDRESSES = _Missing("addresses-short", "free addresses", "Free addresses, or add subnets")
_BLOCKS = _Missing("blocks-short", "free /28 blocks", "Add subnets, or reserve ranges for prefixes")


def why_not(run: _Run, nodes: tuple[Node, ...]) -> FleetPlan:
    """Find what is missing: the fewest addresses and blocks that would do."""
    if run.limits:
        return run.refused(_of_limits(run))
    if not run.limited:
        return run.no("not-found", "no plan was found in the time", "Raise the time limit")
    settled = _settled(run, nodes)
    if settled:
        return run.refused(settled)
    return run.refused([_bounded(run, nodes)])


def _of_limits(run: _Run) -> list[Infeasible]:
    """Tell whether there is a plan without the limits, and what it takes."""
    free = run.changed(limits={}, max_types=None, progress=None, effort=0.1)
    plan = free.plan()
    if not plan.feasible:
        return list(plan.infeasible)
    told = ", ".join(f"{name} {most:,}" for name, most in sorted(run.limits.items()))
    most = run.limits.get(ALL_NODES)
    fewest = free.changed(objective="nodes").plan() if most is not None else None
    short = 0 if fewest is None or most is None else max(0, math.ceil(fewest.lower_bound) - most)
    types = ", ".join(f"{number:,} x {name}" for name, number in plan.types.items())
    return [
        Infeasible(
            code="limits",
            why=f"the limits on nodes ({told}) leave too little room; without them {types} "
            "would do",
            remedy="Raise the limits",
            short=short,
        )
    ]


def _settled(run: _Run, nodes: tuple[Node, ...]) -> list[Infeasible]:
    """Count exactly what each subnet lacks, where all patterns can be listed."""
    reasons: list[Infeasible] = []
    allow: Any = None
    for missing in (_BLOCKS, _ADDRESSES) if run.prefix else (_ADDRESSES,):
        word = "blocks" if missing is _BLOCKS else "addresses"
        settled = run.settled(nodes, missing=word, allow=allow)
        if settled is None or settled.packed is None:
            return []
        short = settled.short.tolist()
        if missing is _BLOCKS:
            allow = settled.short
        if any(short):
            reasons.append(_told(missing, run.sites, short, tied=run.spread))
    return reasons


def _told(
    missing: _Missing, sites: tuple[Site, ...], short: list[int], *, tied: bool
) -> Infeasible:
    """Say what is missing; where nodes may stand anywhere, one way to make it good."""
    lacking = [(site, count) for site, count in zip(sites, short, strict=True) if count]
    parts = []
    for site, count in lacking:
        have = site.blocks if missing is _BLOCKS else site.free
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
        subject=", ".join(site.subnet for site, _ in lacking),
        short=total,
    )


def _guess(missing: _Missing, sites: list[Site]) -> str:
    guessed = [site.subnet for site in sites if site.guessed]
    if missing is not _BLOCKS or not guessed:
        return ""
    return (
        f". Of {', '.join(guessed)} only a count of used addresses is known, so the worst case "
        "of whole blocks is taken: give the addresses in use"
    )


def _bounded(run: _Run, nodes: tuple[Node, ...]) -> Infeasible:
    """Prove by totals what is missing, where the patterns are too many to list."""
    for part in (run, *_by_zone(run)):
        for missing in (_BLOCKS, _ADDRESSES) if run.prefix else (_ADDRESSES,):
            reason = _by_total(part, nodes, missing)
            if reason is not None:
                return reason
    where = ", ".join(site.subnet for site in run.sites)
    return Infeasible(
        code="not-found",
        why=f"no plan that fits {where} was found; the totals alone do not rule one out",
        remedy="Add addresses, or allow smaller types",
        subject=where,
    )


def _by_zone(run: _Run) -> list[_Run]:
    """Give for each zone the pods that must stand there, and its subnets."""
    zones = sorted({site.zone for site in run.sites})
    even = [
        (load, int(slot) // len(zones))
        for load, slot in zip(run.workloads, run.slots, strict=True)
        if load.zone_spread
    ]
    parts = []
    for zone in zones if even and not run.zone_lost else []:
        part = run.changed(
            workloads=tuple(
                replace(load, replicas=least, zone_spread=False) for load, least in even
            ),
            sites=tuple(site for site in run.sites if site.zone == zone),
            surge=0,
            limits={},
            max_types=None,
            progress=None,
        )
        part.count_slots(1)
        parts.append(part)
    return parts


def _by_total(run: _Run, nodes: tuple[Node, ...], missing: _Missing) -> Infeasible | None:
    where = ", ".join(site.subnet for site in run.sites)
    have = sum(site.blocks if missing is _BLOCKS else site.free for site in run.sites)
    least = run.loose(nodes, objective="addresses", prefixes=missing is _BLOCKS)
    if least is None:
        return None
    found, proved = round(least[1]), math.ceil(least[2] - 1e-6)
    if proved <= have:
        return None
    exact = "" if found == proved else f" at least (a plan with {found:,} is known)"
    guess = _guess(missing, list(run.sites))
    verb = "subnet " + where + " is" if len(run.sites) == 1 else "subnets " + where + " are"
    return Infeasible(
        code=missing.code,
        why=f"{verb} short of {proved - have:,} {missing.word}: {have:,} are there and "
        f"{proved:,} are needed{exact}",
        remedy=missing.remedy + guess,
        subject=where,
        short=proved - have,
    )
