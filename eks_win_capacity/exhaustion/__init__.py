"""When a subnet runs dry, with an interval that can be trusted."""

from eks_win_capacity.exhaustion._forecast import MIN_PERIODS, forecast_exhaustion
from eks_win_capacity.exhaustion._result import ExhaustionForecast

__all__ = ["MIN_PERIODS", "ExhaustionForecast", "forecast_exhaustion"]
