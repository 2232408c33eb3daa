"""How do warm pools behave over time: cool-down, fragmentation, EC2 calls."""

from __future__ import annotations

from eks_win_capacity.simulator.arrivals import (
    CronJob,
    Empirical,
    Exponential,
    Fixed,
    LogNormal,
    Poisson,
    RollingUpdate,
)
from eks_win_capacity.simulator.churn import (
    BestTargets,
    Churn,
    best_targets,
    effective_concurrency,
    simulate_churn,
)
from eks_win_capacity.simulator.replay import simulate_nodes, simulate_pool

__all__ = [
    "BestTargets", "Churn", "CronJob", "Empirical", "Exponential", "Fixed", "LogNormal", "Poisson",
    "RollingUpdate", "best_targets", "effective_concurrency", "simulate_churn", "simulate_nodes",
    "simulate_pool",
]  # fmt: skip
