"""The fleet optimiser beside first-fit, which its plans may never exceed."""

from __future__ import annotations

from benchmarks.fleet.__main__ import first_fits, problem_of, restricted, workloads
from eks_win_capacity.catalog import Catalog
from eks_win_capacity.packing.problem import total_cost
from eks_win_capacity.planning import plan_fleet


def test_fleet(request, compare):
    small = request.config.getoption("benchmark_disable")
    loads = workloads(3 if small else 10, 30 if small else 10_000, "mixed")
    pods = sum(int(one["replicas"]) for one in loads)
    types = restricted(Catalog.bundled())[: 4 if small else None]

    def ours():
        return plan_fleet(loads, candidates=types, compare=False)

    def first_fit():
        problem = problem_of(loads, types, prefix=False)
        return [total_cost(problem, packed) for packed in first_fits(problem)]

    compare("fleet", pods, {"ours": ours, "first-fit, all types and each alone": first_fit})
    plan = ours()
    assert plan.lower_bound <= plan.cost <= min(first_fit()) + 1e-9
