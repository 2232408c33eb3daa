"""What ``forecast`` compares: plans, and all subnets with a further one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from eks_win_capacity.cli.output import emit, plain_rows
from eks_win_capacity.core.documents import whole
from eks_win_capacity.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from eks_win_capacity.forecast.result import ExhaustionForecast

TOGETHER = (
    "all subnets as one: true where new nodes go to whichever subnet still has addresses; peaks "
    "of the subnets are added as if they fell together"
)

_ALL = "all subnets"


def what_if(
    made: ExhaustionForecast, added: tuple[str, ...], *, horizon: Any, level: Any
) -> list[ExhaustionForecast]:
    """
    Forecasts of all subnets as one, as they are and with further empty ones.

    Raises
    ------
    InputError
        If a subnet has too short a history, or no period is known of all.
    """
    from eks_win_capacity.addresses.subnet import Subnet
    from eks_win_capacity.forecast.exhaustion import forecast_exhaustion

    if short := [name for name, fine in zip(made.subnets, made.usable, strict=True) if not fine]:
        raise InputError(f"--add-subnet needs a history of each subnet; too short: {short[0]}")
    by_time = made.history.groupby("time")["used"]
    # Only of periods in which every subnet was counted is the sum known.
    used = by_time.sum(min_count=len(made.subnets)).dropna().reset_index()
    if not len(used):
        raise InputError("--add-subnet: there is no period in which all subnets were counted")
    total = float(made.capacity.sum())
    more = sum(Subnet(cidr).usable for cidr in added)
    named = {_ALL: total, f"{_ALL} + {', '.join(added)}": total + more}
    return [
        forecast_exhaustion(
            used.assign(subnet=name), capacity=capacity, horizon=horizon, level=level
        )
        for name, capacity in named.items()
    ]


def print_plans(
    history: pd.DataFrame, file: str, options: dict[str, Any], *, risk: float, output: str
) -> None:
    """Print when each plan of a file runs dry."""
    from eks_win_capacity.forecast.demand import forecast_demand

    for name in ("capacity", "subnet", "available", "percent"):
        if options.pop(name, None):
            raise click.UsageError(f"--{name} goes without --plans: FILE counts pods")
    given = {name: value for name, value in options.items() if value is not None}
    made = forecast_demand(history, plan=_plans(file), **given)
    emit(
        plain_rows(made.to_pandas(risk=risk)),
        output,
        title=f"{len(made.plans):,} plans; days left until the risk is {100 * risk:g} %",
        assumptions=["the same growth of pods under every plan, with the same sample paths"],
    )


def _plans(file: str) -> list[dict[str, Any]]:
    found = whole.values_in(whole.text_of(whole.file_bytes(file), file), file)
    plans = found[0] if len(found) == 1 and isinstance(found[0], list) else found
    if not all(isinstance(one, dict) for one in plans):
        raise InputError(f"{file} is not a list of plans, each with instance_type and subnets")
    return list(plans)
