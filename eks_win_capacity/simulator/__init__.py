"""Warm pools through time: cool-down, fragmentation, EC2 calls."""

from __future__ import annotations

from eks_win_capacity.simulator.pool import simulate_pool

__all__ = ["simulate_pool"]
