"""When does a subnet run out of addresses, with an interval that can be trusted."""

from eks_win_capacity.forecast.demand import DemandForecast, forecast_demand
from eks_win_capacity.forecast.demand_plan import DemandPlan
from eks_win_capacity.forecast.exhaustion import MIN_PERIODS, forecast_exhaustion
from eks_win_capacity.forecast.result import ExhaustionForecast
from eks_win_capacity.forecast.show import chart_formats

__all__ = [
    "MIN_PERIODS",
    "DemandForecast",
    "DemandPlan",
    "ExhaustionForecast",
    "chart_formats",
    "forecast_demand",
    "forecast_exhaustion",
]
