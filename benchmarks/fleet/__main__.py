"""
Compare the fleet optimiser with first-fit and with its own proved bound.

Run ``python -m benchmarks.fleet`` from the root; ``--quick`` leaves the largest out. No prices
are fetched or made up: the cost is the library's documented proxy of vCPUs and memory, the same
for every method; where apache-libcloud is installed, its Windows prices are used in one case
more. First-fit is first-fit decreasing over all types, each node becoming the cheapest type that
holds its pods; Karpenter's method consolidates after it; the others are in
:mod:`benchmarks.fleet.rivals`. Tiny fleets are compared with their exact optimum. Times are those
of the processor: one core, whatever else it does.
"""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.fleet import rivals
from eks_win_capacity.catalog import Catalog
from eks_win_capacity.packing.first_fit import first_fit
from eks_win_capacity.packing.problem import total_cost
from eks_win_capacity.planning import plan_fleet
from eks_win_capacity.planning.candidates import sized  # the same nodes for each method
from eks_win_capacity.planning.model import build
from eks_win_capacity.planning.question import Question

if TYPE_CHECKING:
    from eks_win_capacity.addresses.subnet import Subnet
    from eks_win_capacity.packing.problem import Packed, Problem

TINY = 60
"""Fleets of a few pods, each compared with the exact optimum."""

TEXTBOOK_S = 20.0
"""How long textbook column generation may price, and then choose. [s]"""

CASES = (
    # workloads, pods, kind, prefixes, all types, where
    (5, 40, "mixed", False, False, ""),
    (10, 150, "memory", True, False, ""),
    (20, 1_000, "mixed", False, False, ""),
    (20, 1_000, "mixed", False, False, "subnets"),
    (20, 1_000, "mixed", False, False, "zones"),
    (20, 1_000, "mixed", True, True, ""),
    (20, 10_000, "cpu", True, True, ""),
    (20, 20_000, "address", True, True, ""),
    (20, 20_000, "address", True, False, "subnets"),
    (20, 1_000_000, "mixed", True, False, ""),
    (20, 1_000_000, "mixed", False, True, ""),
    (20, 1_000_000, "mixed", False, True, "zones"),
    (20, 10_000, "mixed", False, True, "priced"),
    (100, 5_000, "mixed", True, True, ""),
    (100, 5_000, "distinct", False, False, ""),
    (100, 1_000_000, "mixed", True, True, ""),
    (100, 1_000_000, "distinct", True, True, ""),
)
RATIOS = {
    "mixed": (1, 2, 4, 8),
    "cpu": (1, 2),
    "memory": (8, 16),
    "address": (2, 4),
    "distinct": (1, 2, 3, 4, 6, 8),
}


def workloads(number: int, pods: int, kind: str, seed: int = 1) -> list[dict[str, object]]:
    """Draw workloads of usual shapes, a few of them large and many small."""
    rng = np.random.default_rng(seed)
    small = (50, 100, 150, 200)
    usual = (100, 200, 250, 500, 750, 1000, 1500, 2000, 3000, 4000)
    cpu = rng.choice(small if kind == "address" else usual, number)
    if kind == "distinct":
        cpu = 50 * rng.integers(2, 80, number)
    mib = np.maximum(64, cpu * rng.choice(RATIOS[kind], number) * 1024 // 1000 // 64 * 64)
    weight = rng.lognormal(0, 1, number)
    count = np.clip(weight / weight.sum() * pods, 1, 1_000_000).astype(int)
    return [
        {"name": f"w{i:03}", "replicas": int(n), "cpu": f"{c}m", "memory": f"{m}Mi"}
        for i, (n, c, m) in enumerate(zip(count, cpu, mib, strict=True))
    ]


def restricted(catalog: Catalog) -> list[str]:
    """Give the c, m and r types up to 8xlarge of two generations."""
    sizes = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge")
    names = [f"{family}{gen}.{size}" for family in "cmr" for gen in ("5", "6i") for size in sizes]
    return [name for name in names if name in catalog]


def subnets() -> list[Subnet]:
    """Give three zones with room to spare."""
    from eks_win_capacity.addresses.subnet import Subnet

    return [
        Subnet(f"10.{octet}.0.0/16", subnet_id=f"subnet-{zone}", zone=zone)
        for octet, zone in enumerate("abc")
    ]


def priced(catalog: Catalog) -> dict[str, float] | None:
    """
    Give the Windows prices that apache-libcloud carries for us-east-1.

    Some of its entries are the licence alone or another system's price: those not above the
    Linux price are left out.
    """
    try:
        from libcloud.pricing import get_pricing
    except ImportError:
        return None
    linux, windows = (
        {
            name: float(row.get("us-east-1", 0))
            for name, row in get_pricing("compute", f"ec2_{system}").items()
            if isinstance(row, dict)
        }
        for system in ("linux", "windows")
    )
    return {
        name: price
        for name, price in windows.items()
        if name in catalog and 0 < linux.get(name, 0) < price
    }


def problem_of(
    loads: list[dict[str, object]],
    types: list[str] | None,
    *,
    prefix: bool,
    prices: dict[str, float] | None = None,
) -> Problem:
    """The pods and nodes of a plan without subnets and zones, as every method here gets them."""
    from eks_win_capacity.density.reserved import Reserved
    from eks_win_capacity.planning.costs import read_prices
    from eks_win_capacity.planning.workloads import read_workloads

    read = read_workloads(loads)
    ask = Question(
        workloads=read, prefix=prefix, kubelet=110, reserved=Reserved(),
        prices=read_prices(prices), catalog=Catalog.bundled(), candidates=types,
    )  # fmt: skip
    nodes, _, _ = sized(ask)
    return build(ask, nodes).problem


def first_fits(problem: Problem) -> tuple[Packed, Packed]:
    """First-fit decreasing over all types, and on the single type where it costs the least."""
    every = np.arange(problem.kinds)
    alone = [first_fit(problem, every[at : at + 1]) for at in range(problem.kinds)]
    single = min((one for one in alone if one), key=lambda one: total_cost(problem, one))
    return first_fit(problem, every), single


def tiny() -> None:
    """Print how many tiny fleets are at the exact optimum, by enumeration of all patterns."""
    rng = np.random.default_rng(3)
    types = restricted(Catalog.bundled())
    gaps = []
    for seed in range(TINY):
        number, prefix = int(rng.integers(1, 5)), bool(rng.integers(2))
        loads = workloads(number, int(rng.integers(number, 25)), "mixed", seed)
        few = rng.choice(types, int(rng.integers(1, 6)), replace=False).tolist()
        plan = plan_fleet(loads, candidates=few, prefix_delegation=prefix, compare=False)
        if any(one.code != "too-large" for one in plan.infeasible):
            raise AssertionError(plan.infeasible)
        if plan.feasible:
            best = rivals.optimum(problem_of(loads, few, prefix=prefix))
            gaps.append(plan.cost / best - 1)
    exact = sum(abs(gap) < 1e-6 for gap in gaps)
    print(
        f"tiny fleets at the exact optimum: {exact} of {len(gaps)}, largest gap "
        f"{100 * max(gaps):.2f} %; {TINY - len(gaps)} have a pod too large for the types"
    )


def main() -> None:
    """Print one line for each case."""
    catalog = Catalog.bundled()
    print(
        f"{'workloads':>9} {'pods':>9} {'kind':8} {'mode':9} {'types':5} {'where':7} {'nodes':>7} "
        f"{'cost':>12} {'bound':>12} {'gap %':>6} {'goal':>5} {'<first %':>8} {'<Karp %':>7} "
        f"{'<single %':>9} {'<text %':>7} {'2 % at s':>8} {'s':>6} {'text s':>6}"
    )
    # The solver loads once, whatever it plans.
    plan_fleet(workloads(1, 1, "cpu"), candidates=["m5.large"], compare=False)
    for number, pods, kind, prefix, every, where in CASES:
        if "--quick" in sys.argv and number > 20:
            continue
        prices = priced(catalog) if where == "priced" else None
        if where == "priced" and prices is None:
            continue
        loads = [row | {"zone_spread": where == "zones"} for row in workloads(number, pods, kind)]
        types = None if every else restricted(catalog)
        seen: list[tuple[float, float]] = []
        begun = time.process_time()

        def improved(cost: float, _bound: float, seen=seen, begun=begun) -> None:
            seen.append((time.process_time() - begun, cost))

        plan = plan_fleet(
            loads,
            candidates=types,
            prefix_delegation=prefix,
            prices=prices,
            subnets=subnets() if where == "subnets" else None,
            zones=["a", "b", "c"] if where == "zones" else None,
            compare=False,
            progress=improved,
        )
        took = time.process_time() - begun
        problem = problem_of(loads, types, prefix=prefix, prices=prices)
        packed, alone = first_fits(problem)
        first, single = total_cost(problem, packed), total_cost(problem, alone)
        karpenter = rivals.karpenter(problem, packed)
        begun = time.process_time()
        # It knows neither subnets nor zones, and would give the figure of the row above.
        text = math.nan if where else rivals.column_generation(problem, TEXTBOOK_S)
        text_took = time.process_time() - begun
        near = next((at for at, cost in seen if cost <= plan.lower_bound * 1.02), float("nan"))
        goal = 1.0 if plan.nodes < 50 else 0.5 if plan.nodes < 10_000 else 0.1
        print(
            f"{number:9} {pods:9,} {kind:8} {'prefix' if prefix else 'secondary':9} "
            f"{'all' if every else 'c/m/r':5} {where:7} {plan.nodes:7,} {plan.cost:12,.2f} "
            f"{plan.lower_bound:12,.2f} {100 * plan.gap:6.3f} {goal:5} "
            f"{100 * (1 - plan.cost / first):8.1f} {100 * (1 - plan.cost / karpenter):7.1f} "
            f"{100 * (1 - plan.cost / single):9.1f} {100 * (1 - plan.cost / text):7.2f} "
            f"{near:8.2f} {took:6.2f} {text_took:6.1f}",
            flush=True,
        )
    tiny()


if __name__ == "__main__":
    main()
