"""The command ``forecast``: when each subnet in a file runs out of addresses."""

from __future__ import annotations

import io
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from eks_win_capacity.cli.history_files import history_parts, long_history, read_table
from eks_win_capacity.cli.options import NAMED_CAPACITIES, capacity_option, file_argument
from eks_win_capacity.cli.output import emit, output_options, plain_rows, progress, say
from eks_win_capacity.cli.termination import tidy_end
from eks_win_capacity.core.documents import whole
from eks_win_capacity.core.errors import InputError, count_of
from eks_win_capacity.core.replacing import replace_file

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    import pandas as pd

    from eks_win_capacity.forecast.result import ExhaustionForecast

ALERT = 3
"""Exit code if --alert-risk is reached."""


@click.command()
@file_argument(kind=click.Path(exists=True, allow_dash=True))
@capacity_option
@click.option("--horizon", default="180d", show_default=True, help="Days, a duration or a date.")
@click.option("--time", "time", help="Column of times.")
@click.option("--used", help="Column of used addresses.")
@click.option("--available", help="Column of available addresses.")
@click.option(
    "--values",
    type=click.Choice(["used", "available"]),
    help="What the values count, in a table with one column per subnet.",
)
@click.option("--percent", help="Column of the percentage in use.")
@click.option("--subnet", help="Column of subnets.")
@click.option("--prefixes", is_flag=True, help="Count whole /28 blocks, not addresses.")
@click.option(
    "--event",
    "events",
    multiple=True,
    metavar="TIME=CHANGE[@SUBNET]",
    help="A step known in advance, such as 2026-12-01=+120; repeatable.",
)
@click.option(
    "--timezone",
    help="Time zone of the days, such as Europe/Berlin; times without a zone are UTC.",
)
@click.option("--step", help="Length of a period, such as 1h.  [default: a day]")
@click.option(
    "--level",
    multiple=True,
    type=float,
    help="Coverage of an interval; repeatable.  [default: 0.8, 0.95]",
)
@click.option(
    "--risk",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.1,
    show_default=True,
    help="Risk that 'days left' refers to.",
)
@click.option(
    "--engine",
    type=click.Choice(["theta"]),
    default="theta",
    show_default=True,
    help="Forecast model; theta is the only one.",
)
@click.option(
    "--alert-risk",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Exit with 3 if a subnet runs out within --alert-within with at least this probability.",
)
@click.option(
    "--alert-within",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    metavar="DAYS",
    help="Days that --alert-risk looks ahead.",
)
@click.option(
    "--plans",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help=(
        "YAML or JSON list of DemandPlan fields: instance_type, subnets and more. FILE "
        "then counts pods, and the answer is when each plan runs out."
    ),
)
@click.option(
    "--add-subnet",
    "added",
    multiple=True,
    metavar="CIDR",
    help="Add this empty subnet: forecast all subnets as one, with and without it.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the random numbers.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a chart of the most urgent subnets, up to six.",
)
@output_options
def forecast(
    file: str,
    *,
    output: str,
    plot: Path | None,
    risk: float,
    alert_risk: float | None,
    alert_within: int,
    prefixes: bool,
    level: tuple[float, ...],
    events: tuple[str, ...],
    values: str | None,
    plans: str | None,
    added: tuple[str, ...],
    **options: Any,
) -> None:
    """
    Forecast when each subnet of FILE (CSV or Parquet) runs out, the most urgent first.

    FILE has times and used or available addresses, for one subnet or many, in columns such as
    time, subnet, used, available, total, cidr; options set other names. It may be gzipped, and
    - is standard input. The daily peaks are forecast. Folders of Parquet files, and Parquet
    files of at least 64 MiB or two million rows, are read in batches in constant memory.

    \b
    Examples:
      eks-win-capacity forecast usage.csv --capacity 10.0.0.0/22 --horizon 180d
      eks-win-capacity forecast usage.parquet --capacity total -o json --plot out.png
      eks-win-capacity forecast usage.csv.gz --capacity 1019 --event 2026-12-01=+120
      eks-win-capacity forecast usage.csv --capacity a=10.0.0.0/22 --capacity b=507
      aws ec2 describe-subnets > subnets.json
      eks-win-capacity forecast usage.csv --capacity subnets.json
      eks-win-capacity forecast usage.csv --capacity total --add-subnet 10.0.64.0/22
      eks-win-capacity forecast pods.csv --plans plans.yaml

    \b
    In cron, --alert-risk 0.05 --alert-within 30 exits with 3 if the probability that a
    subnet runs out within 30 days is 5 % or more, and adds chance_within and alert to
    its rows; stderr names the subnets. For the textfile collector of Prometheus:
      eks-win-capacity forecast usage.csv -o json --alert-risk 0.05 > out.json
      jq -r '.rows[] | select(.chance_within != null) |
        "subnet_dry_chance{subnet=\\"\\(.subnet)\\"} \\(.chance_within)"' \\
        out.json > subnets.prom.tmp && mv subnets.prom.tmp subnets.prom
    """  # noqa: D301
    if plot is not None:
        _check_plot(plot)
    options |= _question(options, values=values, level=level, events=events)
    options["unit"] = "prefixes" if prefixes else None
    long = long_history(file)
    if long is not None and (plot is not None or added or plans is not None):
        if str(long[0]) != file:
            raise click.UsageError("--plot, --add-subnet and --plans need one file, read whole")
        long = None
    if plans is not None:
        if alert_risk is not None or prefixes or plot is not None or added:
            raise click.UsageError(
                "--plans goes without --add-subnet, --alert-risk, --prefixes and --plot"
            )
        del options["unit"]
        _print_plans(read_table(file), plans, options, risk=risk, output=output)
        return
    alert = None if alert_risk is None else (alert_risk, alert_within)
    with tidy_end(), closing(_parts(file, long, options)) as parts:
        outlook, rows, notes, end = _forecast(parts, options, risk=risk, alert=alert)
    alarmed = [str(row["subnet"]) for row in rows if row.get("alert")]
    _say_unknown(rows)
    if plot is not None:
        _draw(outlook, plot)
    span = f"{count_of(len(rows), 'subnet')}, {outlook.horizon} periods of {outlook.panel.grid}"
    if added:
        together = _what_if(outlook, added, horizon=options["horizon"], level=options["level"])
        rows += [row for each in together for row in _rows(each, risk)]
    emit(
        rows,
        output,
        lead=("subnet", "used", "capacity", "date", "days_left", "probability"),
        title=f"{span}{end and f' after {end}'}; days left until the risk is {100 * risk:g} %",
        note="\n".join(notes),
        assumptions=[_TOGETHER] if added else (),
        styles=[_style(row) for row in rows],
        shown={name: partial(_odds, name) for name in ("probability", "chance_within")},
    )
    if alert is not None and alarmed:
        _raise_alarm(alarmed, *alert)


def _raise_alarm(subnets: list[str], risk: float, days: int) -> NoReturn:
    chance = f"a chance of {100 * risk:g} % or more"
    say(f"alert: {_named(subnets)}: {chance} to run out within {days:,} days", err=True)
    click.get_current_context().exit(ALERT)


def _say_unknown(rows: list[dict[str, Any]]) -> None:
    """Print subnets without an answer, and those in --capacity that the history lacks."""
    unknown = [str(row["subnet"]) for row in rows if row.get("alert", False) is None]
    if unknown:
        why = "no forecast, so neither an alert nor an all-clear"
        say(f"not known: {_named(unknown)}: {why}", err=True)
    given = click.get_current_context().meta.get(NAMED_CAPACITIES, ())
    if strays := [name for name in given if name not in {str(row["subnet"]) for row in rows}]:
        say(f"eks-win-capacity: note: --capacity {_named(strays)}: not in the history", err=True)


def _odds(name: str, row: Mapping[str, Any]) -> str:
    """A probability as a string; sample paths cannot prove 0 or 1 before it has happened."""
    share = row[name]
    if share is None:
        return "-"
    if row["status"] == "exhausted":
        return f"{share}"
    return "<0.01" if share < 0.01 else ">0.99" if share > 0.99 else f"{share}"


def _named(subnets: list[str]) -> str:
    return f"{', '.join(subnets[:10])}{', ...' * (len(subnets) > 10)}"


def _parts(
    file: str, long: list[Path] | None, options: dict[str, Any]
) -> Generator[pd.DataFrame, None, None]:
    """The history, in parts if large; closing the generator removes their temporary files."""
    if long is None:
        yield read_table(file)
    else:
        yield from history_parts(long, options)


def _forecast(
    parts: Iterable[pd.DataFrame],
    options: dict[str, Any],
    *,
    risk: float,
    alert: tuple[float, int] | None,
) -> tuple[ExhaustionForecast, list[dict[str, Any]], list[str], str]:
    """Forecast of the last part; rows, notes and newest period of all parts."""
    from eks_win_capacity.forecast.exhaustion import forecast_exhaustion

    outlook: ExhaustionForecast | None = None
    rows: list[dict[str, Any]] = []
    notes: dict[tuple[str, int], list[str]] = {}
    end = ""
    for table in parts:
        # All parts use the period length of the first.
        step = options["step"] if outlook is None else str(outlook.panel.grid)
        with progress("forecast", counted=False) as tell:
            outlook = forecast_exhaustion(
                table,
                unusable="report",
                progress=lambda done, total: tell(f"{done:,} of {total:,} subnets"),
                **options | {"step": step},
            )
        part_rows = _rows(outlook, risk)
        if alert is not None:
            _alert(outlook, part_rows, *alert)
        rows += part_rows
        codes = Counter[str]()
        for code, note in _notes(outlook):
            codes[code] += 1
            notes.setdefault((code, codes[code]), []).append(note)
        end = max(end, _end(outlook))
    if outlook is None:
        raise InputError("history is empty: at least some days of used addresses are needed")
    return outlook, sorted(rows, key=_urgency), list(map(_joined, notes.values())), end


def _draw(outlook: ExhaustionForecast, plot: Path) -> None:
    """Write the chart atomically."""
    drawn = io.BytesIO()
    outlook.figure().savefig(drawn, dpi=150, format=plot.suffix.lower().lstrip("."))
    replace_file(plot, drawn.getvalue())


def _end(outlook: ExhaustionForecast) -> str:
    """Newest period of the history; empty if it has no values."""
    if outlook.history["used"].isna().all():
        return ""
    last = outlook.panel.grid.starts(outlook.panel.last.max(keepdims=True))[0]
    return str(last.strftime(_form(outlook)))


def _question(
    options: dict[str, Any],
    *,
    values: str | None,
    level: tuple[float, ...],
    events: tuple[str, ...],
) -> dict[str, Any]:
    """Options as arguments of `forecast_exhaustion`."""
    if values is not None and (options["used"] or options["available"]):
        raise click.UsageError("--values is for all columns; leave --used and --available out")
    return {
        "capacity": options["capacity"],
        "level": level or (0.8, 0.95),
        "events": [_event(text) for text in events] or None,
    } | ({} if values is None else {values: True})


def _notes(outlook: ExhaustionForecast) -> Iterator[tuple[str, str]]:
    """Findings on the history by code, and a note on subnets whose history is too short."""
    from eks_win_capacity.forecast.exhaustion import MIN_PERIODS

    for finding in outlook.findings:
        why = finding.why.replace("timezone=", "--timezone").replace("percent=", "--percent ")
        why = why.replace("used=True or available=True", "--values used or --values available")
        yield finding.code, f"{finding.seen}: {why}"
    if short := int((~outlook.usable).sum()):
        few = count_of(short, "subnet has", "subnets have")
        note = (
            f"{few} fewer than {MIN_PERIODS} periods of {outlook.panel.grid} with a value, too few for "
            "a forecast: give a longer history, or a shorter --step"
        )
        yield "too-short", note


def _joined(notes: list[str]) -> str:
    """One note for the same finding in several parts of a large history."""
    more = len(notes) - 1
    return notes[0] + f" (and so in {count_of(more, 'more part')} of the history)" * (more > 0)


def _urgency(row: dict[str, Any]) -> tuple[Any, ...]:
    """Sort key: fewest days left first; those not exhausted within the horizon last."""
    from eks_win_capacity.forecast.result import STATUSES

    left, date, chance = row["days_left"], row["date"], row["probability"]
    status = STATUSES.index(row["status"])
    return left is None, left or 0.0, status, date is None, date or "", -(chance or 0.0)


def _style(row: dict[str, Any]) -> str:
    """Colour of a row, by the days left."""
    left = row["days_left"]
    if row["status"] == "exhausted" or (left is not None and left < _SOON):
        return "bold color(160)"
    return "color(166)" if left is not None and left < _LATER else ""


_SOON, _LATER = 30, 90
"""Days left below which a row is red, and below which it is yellow."""


def _alert(
    outlook: ExhaustionForecast, rows: list[dict[str, Any]], risk: float, within: int
) -> None:
    """Add to each row the probability within some days, and whether it reaches a risk."""
    import numpy as np

    if within > outlook.horizon * outlook.panel.grid.days:
        raise click.BadParameter(
            f"{within:,} days lie beyond the horizon; give a longer --horizon",
            param_hint="--alert-within",
        )
    ahead = max(int(within / outlook.panel.grid.days), 1)
    chances = dict(zip(outlook.subnets, outlook.answers.reached[:, ahead - 1], strict=True))
    for row in rows:
        chance = float(chances[row["subnet"]])
        # Without a forecast both are empty, as that is not an all-clear either.
        known = not np.isnan(chance)
        row["chance_within"] = round(chance, 3) if known else None
        row["alert"] = bool(chance >= risk - 1e-9) if known else None


def _check_plot(plot: Path) -> None:
    """Refuse a chart that cannot be written, before the forecast is computed."""
    from eks_win_capacity.forecast.show import chart_formats

    if plot.suffix.lower().lstrip(".") not in chart_formats():
        raise click.BadParameter(
            f"{plot.name} has no ending of a picture, such as .png, .svg or .pdf",
            param_hint="--plot",
        )
    if not plot.absolute().parent.is_dir():
        raise click.BadParameter(f"no folder {plot.parent}", param_hint="--plot")


def _event(text: str) -> tuple[str, str, str | None]:
    time, equals, change = text.rpartition("=")
    change, _, subnet = change.partition("@")
    if not equals:
        raise click.BadParameter(
            f"{text!r} is not TIME=CHANGE, such as 2026-12-01=+120", param_hint="--event"
        )
    return time, change, subnet or None


def _form(outlook: ExhaustionForecast) -> str:
    return "%Y-%m-%d" if outlook.panel.grid.wall_clock else "%Y-%m-%dT%H:%M:%S%z"


def _rows(outlook: ExhaustionForecast, risk: float) -> list[dict[str, Any]]:
    """The table as plain values; dates beyond the horizon are empty."""
    wide = f"{100 * outlook.levels[0]:g}"
    ends = ["date", f"earliest_{wide}", f"latest_{wide}"]
    columns = ["subnet", "status", "days_left", "used", "capacity", *ends, "probability"]
    digits = {"days_left": 2, "used": 2, "capacity": 2, "probability": 3}
    rows = plain_rows(outlook.to_pandas(risk=risk)[columns], digits, form=_form(outlook))
    for row in rows:
        for name in ("used", "capacity"):
            if row[name] is not None and row[name] == int(row[name]):
                row[name] = int(row[name])
    return rows


_TOGETHER = (
    "all subnets as one: valid if new nodes go to any subnet with free addresses; peaks "
    "of the subnets are added as if simultaneous"
)

_ALL = "all subnets"


def _what_if(
    outlook: ExhaustionForecast, added: tuple[str, ...], *, horizon: Any, level: Any
) -> list[ExhaustionForecast]:
    """
    Forecasts of all subnets together, without and with additional empty ones.

    Raises InputError if a subnet's history is too short, or no period has values of all subnets.
    """
    from eks_win_capacity.addresses.subnet import Subnet
    from eks_win_capacity.forecast.exhaustion import forecast_exhaustion

    if short := [
        name for name, fine in zip(outlook.subnets, outlook.usable, strict=True) if not fine
    ]:
        raise InputError(f"--add-subnet needs a history of each subnet; too short: {short[0]}")
    by_time = outlook.history.groupby("time")["used"]
    # The sum is known only in periods with values of every subnet.
    used = by_time.sum(min_count=len(outlook.subnets)).dropna().reset_index()
    if not len(used):
        raise InputError("--add-subnet: all subnets were counted together in no period")
    total = float(outlook.capacity.sum())
    more = sum(Subnet(cidr).usable for cidr in added)
    named = {_ALL: total, f"{_ALL} + {', '.join(added)}": total + more}
    return [
        forecast_exhaustion(
            used.assign(subnet=name), capacity=capacity, horizon=horizon, level=level
        )
        for name, capacity in named.items()
    ]


def _print_plans(
    history: pd.DataFrame, file: str, options: dict[str, Any], *, risk: float, output: str
) -> None:
    """Print when the addresses run out under each plan of a file."""
    from eks_win_capacity.forecast.demand import forecast_demand

    for name in ("capacity", "subnet", "available", "percent"):
        if options.pop(name, None):
            raise click.UsageError(f"--{name} goes without --plans: FILE counts pods")
    given = {name: value for name, value in options.items() if value is not None}
    demand = forecast_demand(history, plan=_plans(file), **given)
    emit(
        plain_rows(demand.to_pandas(risk=risk)),
        output,
        title=f"{len(demand.plans):,} plans; days left until the risk is {100 * risk:g} %",
        assumptions=["all plans use the same growth of pods and the same sample paths"],
    )


def _plans(file: str) -> list[dict[str, Any]]:
    documents = whole.values_in(whole.text_of(whole.file_bytes(file), file), file)
    plans = documents[0] if len(documents) == 1 and isinstance(documents[0], list) else documents
    if not all(isinstance(one, dict) for one in plans):
        raise InputError(f"{file} is not a list of plans, each with instance_type and subnets")
    return list(plans)
