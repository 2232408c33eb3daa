"""The command ``report``: one HTML page on clusters, for decision makers."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eks_win_capacity.cli.options import capacity_option
from eks_win_capacity.cli.output import progress, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eks_win_capacity.cluster.state import ClusterState

_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)


@click.command()
@click.argument(
    "states", metavar="[STATE]...", nargs=-1, type=click.Path(exists=True, allow_dash=True)
)
@click.option(
    "--file",
    "-f",
    "files",
    multiple=True,
    type=click.Path(exists=True, allow_dash=True),
    help="The same as STATE.",
)
@click.option(
    "--history",
    type=_FILE,
    help="CSV or Parquet of use over time, with the ids of the subnets or their --capacity.",
)
@capacity_option
@click.option("--horizon", default="180d", show_default=True, help="Days, a duration or a date.")
@click.option("--prices", type=_FILE, help="CSV of instance type and price per hour.")
@click.option(
    "--title", default="Capacity of Windows nodes on Amazon EKS", help="Title of the page."
)
@click.option(
    "--time-limit",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for the fleet plan of each cluster.",
)
@click.option(
    "--output",
    "-o",
    "target",
    required=True,
    type=click.Path(dir_okay=False, allow_dash=True),
    help="File of the page, such as report.html; - is standard output.",
)
def report(
    *,
    states: tuple[str, ...],
    files: tuple[str, ...],
    history: str | None,
    capacity: Any,
    horizon: str,
    prices: str | None,
    title: str,
    time_limit: float,
    target: str,
) -> None:
    """
    Write one HTML page on clusters: head-room, subnets, forecasts, findings, pods, fleet.

    STATE is a saved state (check --save), or a folder or file with saved output of kubectl and
    the AWS CLI; those of the same cluster are merged. The page is self-contained, prints well
    and supports light and dark mode.

    \b
    Examples:
      eks-win-capacity check --cluster prod -f k.json --save prod.json
      eks-win-capacity report prod.json --history usage.csv -o report.html
      eks-win-capacity report saved/prod saved/test --prices prices.csv -o report.html
    """  # noqa: D301
    from eks_win_capacity.cli.history_files import read_table
    from eks_win_capacity.cli.plan_files import read_price_file
    from eks_win_capacity.html_report.whole_report import report as report_of

    if not (states := (*states, *files)):
        raise click.UsageError("Missing argument 'STATE...'.")
    with progress("reading") as tell:
        named, sources = _read(states, {"History of use": history, "Prices": prices}, tell)
        table, costs = history and read_table(history), read_price_file(prices)
    with progress("reporting on") as tell:
        document = report_of(
            named,
            history=table,
            capacity=capacity,
            horizon=horizon,
            prices=costs,
            title=title,
            now=datetime.now(tz=UTC).date(),
            sources=sources,
            time_limit_s=time_limit,
            progress=tell,
        )
    if target == "-":
        say(document.to_html())
        return
    document.save(target)
    say(f"wrote {target}: {repr(document).strip('<>')}", err=True)


def _read(
    places: Iterable[str], tables: dict[str, str | None], tell: Callable[[str], None]
) -> tuple[dict[str, ClusterState], dict[str, str]]:
    """States by cluster name, and the time when each source was written."""
    from eks_win_capacity.files import load_files

    named: dict[str, ClusterState] = {}
    sources: dict[str, str] = {}
    for source in places:
        tell(source)
        state = load_files(sys.stdin.buffer if source == "-" else Path(source))
        name = state.name or Path(source).stem
        named[name] = named[name].merge(state) if name in named else state
        sources[f"State of {name}: {source}"] = _day(source)
    sources |= {f"{what}: {file}": _day(file) for what, file in tables.items() if file}
    return named, sources


def _day(source: str) -> str:
    """Time when a file, or the newest file of a folder, was written."""
    if source == "-":
        return "read from standard input"
    path = Path(source)
    files = [file for file in path.iterdir() if file.is_file()] if path.is_dir() else [path]
    newest = max((file.stat().st_mtime for file in files), default=path.stat().st_mtime)
    return f"written {datetime.fromtimestamp(newest, tz=UTC):%Y-%m-%d %H:%M} UTC"
