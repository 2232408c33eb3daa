"""The command that plans a fleet."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eks_win_capacity.cli.output import emit, output_option
from eks_win_capacity.errors import InputError

if TYPE_CHECKING:
    from eks_win_capacity.fleet import FleetPlan


def _workloads(file: str) -> list[dict[str, Any]]:
    """Read workloads from CSV or YAML; a YAML file may hold them under ``workloads``."""
    path = Path(file)
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() in {".yaml", ".yml", ".json"}:
        import yaml

        try:
            told = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"{file} is no YAML: {error}") from error
        rows = told.get("workloads") if isinstance(told, dict) else told
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise InputError(f"{file} must hold a list of workloads, each with name and replicas")
        return rows
    import csv
    import io

    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    rows = []
    for line, row in enumerate(reader, start=2):
        if None in row or None in row.values():
            raise InputError(f"line {line} of {file} has not as many fields as its header")
        rows.append(row)
    return rows


def _whole(told: dict[str, str]) -> dict[str, int]:
    for name, value in told.items():
        if not value.isdigit():
            raise click.BadParameter(f"{name}={value} is no count", param_hint="--limit")
    return {name: int(value) for name, value in told.items()}


def _pairs(values: tuple[str, ...], option: str) -> dict[str, str]:
    pairs = {}
    for value in values:
        name, sign, told = value.partition("=")
        if not sign or not name or not told:
            raise click.BadParameter(f"{value!r} is not NAME=VALUE", param_hint=option)
        pairs[name.strip()] = told.strip()
    return pairs


def _subnets(values: tuple[str, ...]) -> list[Any] | None:
    """Read ``[ZONE=]CIDR[,USED]``, with USED a count or addresses parted by +."""
    if not values:
        return None
    from eks_win_capacity.subnets import Subnet

    subnets = []
    for value in values:
        zone, sign, rest = value.rpartition("=")
        cidr, _, used = rest.partition(",")
        held: Any = None
        if used:
            held = int(used) if used.isdigit() else used.split("+")
        subnets.append(Subnet(cidr, used=held, zone=zone if sign else None))
    return subnets


def _prices(file: str | None) -> dict[str, float] | None:
    """Read prices from a CSV of type and price, with or without a header."""
    if file is None:
        return None
    import csv

    prices = {}
    with Path(file).open(encoding="utf-8-sig", newline="") as handle:
        for line, row in enumerate(csv.reader(handle), start=1):
            if not row:
                continue
            try:
                prices[row[0].strip()] = float(row[1])
            except (IndexError, ValueError):
                if line > 1:
                    raise InputError(f"line {line} of {file} is not TYPE,PRICE") from None
    return prices


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--candidate", "-c", "candidates", multiple=True, help="An instance type; repeat it.")
@click.option(
    "--subnet",
    "subnets",
    multiple=True,
    metavar="[ZONE=]CIDR[,USED]",
    help="Where nodes may stand.",
)
@click.option(
    "--prices", type=click.Path(exists=True, dir_okay=False), help="CSV of type and price."
)
@click.option(
    "--objective",
    type=click.Choice(["cost", "nodes", "addresses"]),
    default="cost",
    show_default=True,
    help="What to make small.",
)
@click.option("--prefix-delegation", is_flag=True, help="Give nodes /28 prefixes.")
@click.option("--kubelet-max-pods", type=click.IntRange(min=1), default=110, show_default=True)
@click.option("--daemonset", "daemonsets", multiple=True, metavar="NAME=CPU,MEMORY")
@click.option("--node-cost", type=float, help="Cost of a node beside its instance.")
@click.option("--surge", default="0", show_default=True, help="Extra pods: a number or 25%.")
@click.option("--zone", "zones", multiple=True, help="A zone to spread over, without subnets.")
@click.option("--zone-lost", is_flag=True, help="Leave room for the loss of any zone.")
@click.option("--max-types", type=click.IntRange(min=1), help="Different types at most.")
@click.option(
    "--limit", "limits", multiple=True, metavar="TYPE=NODES", help="Most nodes of a type."
)
@click.option("--time-limit", type=click.FloatRange(min=0, min_open=True), help="Seconds.")
@click.option(
    "--emit", "snippet", type=click.Choice(["nodegroup", "karpenter"]), help="Print YAML."
)
@click.option("--explain", is_flag=True, help="Say the plan in words.")
@output_option
def plan(  # noqa: PLR0917
    file: str,
    candidates: tuple[str, ...],
    subnets: tuple[str, ...],
    prices: str | None,
    daemonsets: tuple[str, ...],
    surge: str,
    zones: tuple[str, ...],
    limits: tuple[str, ...],
    time_limit: float | None,
    snippet: str | None,
    output: str,
    *,
    explain: bool,
    **options: Any,
) -> None:
    """
    Find the cheapest nodes for the workloads in FILE (CSV or YAML).

    Ctrl-C gives the best plan so far.

    \b
    Examples:
      eks-win-capacity plan workloads.csv --objective nodes --explain
      eks-win-capacity plan workloads.yaml --prices prices.csv --emit karpenter
    """  # noqa: D301
    from eks_win_capacity.fleet import plan_fleet

    daemons = []
    for name, told in _pairs(daemonsets, "--daemonset").items():
        cpu, _, memory = told.partition(",")
        daemons.append({"name": name, "replicas": 1, "cpu": cpu, "memory": memory or 0})
    found = plan_fleet(
        _workloads(file),
        candidates=candidates or None,
        subnets=_subnets(subnets),
        prices=_prices(prices),
        daemonsets=daemons,
        surge=surge,
        zones=zones or None,
        limits=_whole(_pairs(limits, "--limit")),
        time_limit_s=time_limit,
        progress=_told if output == "table" and not snippet else None,
        **options,
    )
    _print(found, output, snippet, explain=explain)


def _told(cost: float, bound: float) -> None:
    """Show progress where somebody looks."""
    if sys.stderr.isatty():
        gap = 100 * (1 - bound / cost) if cost else 0.0
        click.echo(f"cost {cost:,.6g}, at most {gap:.2f} % above the least possible", err=True)


def _print(found: FleetPlan, output: str, snippet: str | None, *, explain: bool) -> None:
    if output == "json" and not snippet:
        click.echo(found.to_json())
    elif not found.feasible or explain:
        click.echo(found.explain())
    elif snippet:
        click.echo(found.karpenter() if snippet == "karpenter" else found.node_groups(), nl=False)
    else:
        note = "\n".join(found.explain().splitlines()[:2])
        emit(found.rows(), output, title="Cheapest fleet", note=note)
    if not found.feasible:
        click.get_current_context().exit(1)
