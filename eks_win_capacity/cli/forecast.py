"""The command ``forecast``: when each subnet of a file runs dry."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eks_win_capacity.cli.output import emit, output_option
from eks_win_capacity.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from eks_win_capacity.exhaustion import ExhaustionForecast

_SHOW_PROGRESS_FROM = 200
"""Subnets from which a terminal is told how far it has come."""


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--capacity", help="Addresses, a CIDR, or the name of a column.")
@click.option("--horizon", default="180d", show_default=True, help="Days, a duration or a date.")
@click.option("--time", "time", help="Column of times.")
@click.option("--used", help="Column of used addresses.")
@click.option("--available", help="Column of available addresses.")
@click.option("--subnet", help="Column of subnets.")
@click.option("--prefixes", is_flag=True, help="Count whole /28 blocks, not addresses.")
@click.option("--timezone", help="Days are days of this time zone, such as Europe/Berlin.")
@click.option("--step", help="Length of a period, such as 1h.  [default: a day]")
@click.option(
    "--level",
    multiple=True,
    type=float,
    help="Share of an interval; repeatable.  [default: 0.8, 0.95]",
)
@click.option("--risk", default=0.1, show_default=True, help="The risk that days left is told for.")
@click.option(
    "--engine", type=click.Choice(["theta", "statsforecast"]), default="theta", show_default=True
)
@click.option("--seed", default=0, show_default=True, help="Same seed, same answer.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a chart of the most urgent subnets, up to six.",
)
@output_option
def forecast(
    file: Path,
    *,
    output: str,
    plot: Path | None,
    risk: float,
    prefixes: bool,
    level: tuple[float, ...],
    **options: Any,
) -> None:
    """
    Tell when each subnet of FILE (CSV or Parquet) runs dry, the most urgent first.

    FILE has times and used or available addresses, for one subnet or many; the
    columns are found by their names. Peaks of each day are forecast.

    \b
    Examples:
      eks-win-capacity forecast usage.csv --capacity 10.0.0.0/22 --horizon 180d
      eks-win-capacity forecast usage.parquet --capacity total -o json --plot out.png
    """  # noqa: D301
    from eks_win_capacity.exhaustion import forecast_exhaustion

    if not 0 < risk < 1:
        raise click.BadParameter("lies between 0 and 1", param_hint="--risk")
    options["capacity"] = _number(options["capacity"])
    options["horizon"] = _number(options["horizon"])
    made = forecast_exhaustion(
        _read(file),
        unit="prefixes" if prefixes else "addresses",
        level=level or (0.8, 0.95),
        unusable="report",
        progress=_progress(),
        **options,
    )
    if plot is not None:
        try:
            made.figure().savefig(plot, dpi=150)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--plot") from error
    rows = _rows(made, risk)
    odd = [f"{x.seen}: {x.why}" for x in made.findings if x.severity == "warning"]
    emit(
        rows,
        output,
        title=f"{made.horizon} periods of {made.panel.grid} ahead",
        note="\n".join(odd),
    )


def _number(text: str | None) -> float | str | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _read(file: Path) -> pd.DataFrame:
    import pandas as pd

    if file.suffix.lower() in {".parquet", ".pq"}:
        try:
            return pd.read_parquet(file)
        except ImportError as error:
            raise MissingExtraError("pyarrow", extra="arrow", purpose="reading Parquet") from error
        except (OSError, ValueError) as error:
            raise InputError(f"{file} is no Parquet file: {error}") from error
    try:
        return pd.read_csv(file)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is no CSV file: {error}") from error


def _progress() -> Callable[[int, int], None] | None:
    """Tell how far it has come, on a terminal's stderr only."""
    if not sys.stderr.isatty():
        return None

    def tell(done: int, total: int) -> None:
        if total >= _SHOW_PROGRESS_FROM:
            end = "\n" if done == total else ""
            click.echo(f"\rforecast {done:,} of {total:,} subnets{end}", err=True, nl=False)

    return tell


def _rows(made: ExhaustionForecast, risk: float) -> list[dict[str, Any]]:
    """Give the table as plain values; what is not within the horizon is empty."""
    import pandas as pd

    table = made.to_pandas(risk=risk)
    form = "%Y-%m-%d" if made.panel.grid.wall_clock else "%Y-%m-%dT%H:%M:%S%z"
    wide = f"{100 * made.levels[0]:g}"
    rows = []
    for row in table.to_dict("records"):
        told: dict[str, Any] = {"subnet": row["subnet"], "status": row["status"]}
        for name in ("used", "capacity"):
            told[name] = None if pd.isna(row[name]) else round(float(row[name]), 2)
            if told[name] is not None and told[name] == int(told[name]):
                told[name] = int(told[name])
        for name in ("date", f"earliest_{wide}", f"latest_{wide}"):
            told[name] = None if pd.isna(row[name]) else row[name].strftime(form)
        left = row["days_left"]
        told["days_left"] = None if pd.isna(left) or left == float("inf") else round(left, 2)
        chance = row["probability"]
        told["probability"] = None if pd.isna(chance) else round(chance, 3)
        rows.append(told)
    return rows
