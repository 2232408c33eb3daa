"""When a subnet runs dry, with an interval that can be trusted."""

from eks_win_capacity.exhaustion._demand import DemandForecast, forecast_demand
from eks_win_capacity.exhaustion._drawing import chart_formats
from eks_win_capacity.exhaustion._forecast import MIN_PERIODS, forecast_exhaustion
from eks_win_capacity.exhaustion._plans import DemandPlan
from eks_win_capacity.exhaustion._result import ExhaustionForecast

__all__ = [
    "MIN_PERIODS",
    "DemandForecast",
    "DemandPlan",
    "ExhaustionForecast",
    "chart_formats",
    "forecast_demand",
    "forecast_exhaustion",
]
