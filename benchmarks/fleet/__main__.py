"""
Compare the fleet optimiser with first-fit and with its own proved bound.

Run ``python -m benchmarks.fleet`` from the root; ``--quick`` leaves the largest out. No prices
are fetched or made up: the cost is the library's documented proxy of vCPUs and memory, the same
for every method. Karpenter's method is first-fit decreasing over all types, each node becoming
the cheapest type that holds its pods.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from eks_win_capacity.catalog import Catalog
from eks_win_capacity.fleet import plan_fleet
from eks_win_capacity.fleet._first_fit import first_fit
from eks_win_capacity.fleet._model import build
from eks_win_capacity.fleet._packings import total_cost
from eks_win_capacity.fleet._plan import _daemons, _Run, _slots  # the same nodes for each method

CASES = (
    # workloads, pods, kind, prefixes, all types
    (5, 40, "mixed", False, False),
    (10, 150, "memory", True, False),
    (20, 1_000, "mixed", False, False),
    (20, 1_000, "mixed", True, True),
    (20, 10_000, "cpu", True, True),
    (20, 20_000, "address", True, True),
    (20, 1_000_000, "mixed", True, False),
    (20, 1_000_000, "mixed", False, True),
    (100, 5_000, "mixed", True, True),
    (100, 1_000_000, "mixed", True, True),
)
RATIOS = {"mixed": (1, 2, 4, 8), "cpu": (1, 2), "memory": (8, 16), "address": (2, 4)}


def workloads(number: int, pods: int, kind: str, seed: int = 1) -> list[dict[str, object]]:
    """Draw workloads of usual shapes, a few of them large and many small."""
    rng = np.random.default_rng(seed)
    small = (50, 100, 150, 200)
    usual = (100, 200, 250, 500, 750, 1000, 1500, 2000, 3000, 4000)
    cpu = rng.choice(small if kind == "address" else usual, number)
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


def rivals(
    loads: list[dict[str, object]], types: list[str] | None, *, prefix: bool
) -> tuple[float, float]:
    """Give the cost by Karpenter's method and by first-fit on the best single type."""
    from eks_win_capacity.fleet._inputs import read_workloads
    from eks_win_capacity.nodes import Reserved

    read = read_workloads(loads)
    run = _Run(
        workloads=read, objective="cost", prefix=prefix, pool=None, kubelet=110,
        reserved=Reserved(), daemons=_daemons(()), prices=None, node_cost=None,
        catalog=Catalog.bundled(), candidates=types, limits={}, sites=(),
    )  # fmt: skip
    run.slots = _slots(read, 0, 0, zone_lost=False)
    nodes, _ = run._nodes()
    problem = build(read, run.slots, nodes, (), objective="cost", limits={}, coupled=False).problem
    every = np.arange(problem.kinds)
    karpenter = total_cost(problem, first_fit(problem, every))
    alone = [first_fit(problem, every[at : at + 1]) for at in range(problem.kinds)]
    return karpenter, min(total_cost(problem, one) for one in alone if one is not None)


def main() -> None:
    """Print one line for each case."""
    catalog = Catalog.bundled()
    print(
        f"{'workloads':>9} {'pods':>9} {'kind':8} {'mode':9} {'types':5} {'nodes':>7} {'cost':>12} "
        f"{'bound':>12} {'gap %':>6} {'goal':>5} {'<Karp %':>7} {'<single %':>9} {'2 % at s':>8} {'s':>6}"
    )
    for number, pods, kind, prefix, every in CASES:
        if "--quick" in sys.argv and number > 20:
            continue
        loads = workloads(number, pods, kind)
        types = None if every else restricted(catalog)
        seen: list[tuple[float, float]] = []
        begun = time.perf_counter()

        def told(cost: float, _bound: float, seen=seen, begun=begun) -> None:
            seen.append((time.perf_counter() - begun, cost))

        plan = plan_fleet(
            loads, candidates=types, prefix_delegation=prefix, compare=False, progress=told
        )
        took = time.perf_counter() - begun
        karpenter, single = rivals(loads, types, prefix=prefix)
        near = next((at for at, cost in seen if cost <= plan.lower_bound * 1.02), float("nan"))
        goal = 1.0 if plan.nodes < 50 else 0.5 if plan.nodes < 10_000 else 0.1
        print(
            f"{number:9} {pods:9,} {kind:8} {'prefix' if prefix else 'secondary':9} "
            f"{'all' if every else 'c/m/r':5} {plan.nodes:7,} {plan.cost:12,.2f} {plan.lower_bound:12,.2f} "
            f"{100 * plan.gap:6.3f} {goal:5} {100 * (1 - plan.cost / karpenter):7.1f} "
            f"{100 * (1 - plan.cost / single):9.1f} {near:8.2f} {took:6.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
