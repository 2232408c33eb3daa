"""``simulate``: recorded events through the warm pools of one node."""

from __future__ import annotations

import json
from typing import IO, Any

import click

from eks_win_capacity.cli.output import emit, output_option
from eks_win_capacity.cli.pool import node_slots
from eks_win_capacity.errors import InputError


@click.command()
@click.argument("events", type=click.File("r", encoding="utf-8"))
@click.option(
    "--configmap",
    "-c",
    type=click.File("r", encoding="utf-8"),
    help="The ConfigMap as YAML or JSON; the mode's defaults without it.",
)
@click.option("--prefix-delegation", is_flag=True, help="Without --configmap: prefix mode.")
@click.option("--instance-type", "-t", help="The node's instance type.")
@click.option("--slots", type=click.IntRange(1, 4096), help="IPv4 addresses per interface - 1.")
@click.option(
    "--ec2-latency", type=click.FloatRange(min=0), default=0.0, help="Seconds a call takes."
)
@click.option("--subnet-free", type=click.IntRange(0), help="Units that the subnet has left.")
@click.option("--retries", is_flag=True, help="Waiting pods try again by themselves.")
@output_option
def simulate(  # noqa: PLR0917
    events: IO[str],
    configmap: IO[str] | None,
    prefix_delegation: bool,  # noqa: FBT001
    instance_type: str | None,
    slots: int | None,
    ec2_latency: float,
    subnet_free: int | None,
    retries: bool,  # noqa: FBT001
    output: str,
) -> None:
    """
    Run EVENTS through the warm pools of one node.

    EVENTS holds one JSON list a line, such as [12.5, "assign", "pod-a"], or CSV
    with the columns seconds, kind, pod. Kinds are assign, free and tick.
    """
    from eks_win_capacity.simulator import simulate_pool
    from eks_win_capacity.warm_pool import WarmPool

    room, nitro = node_slots(instance_type, slots)
    if configmap is not None:
        pool = WarmPool.from_configmap(configmap.read(), nitro=nitro, slots=room)
    else:
        pool = WarmPool.prefix() if prefix_delegation and nitro else WarmPool.secondary()
    frame = simulate_pool(
        _rows(events.read()),
        slots=room,
        pool=pool,
        nitro=nitro,
        ec2_latency_s=ec2_latency,
        subnet_free=subnet_free,
        retries=retries,
    )
    columns = [name for name in frame.columns if name != "advertised"]
    emit(frame.to_dict("records"), output, columns=columns)  # type: ignore[arg-type]


def _rows(text: str) -> list[Any]:
    """Read events from JSON lines, or CSV with a header."""
    if text.lstrip().startswith("["):
        return [
            _json(line, place) for place, line in enumerate(text.splitlines(), 1) if line.strip()
        ]
    import csv
    import io

    table = csv.DictReader(io.StringIO(text, newline=""))
    missing = {"seconds", "kind", "pod"} - set(table.fieldnames or ())
    if missing:
        raise InputError(
            f"the events are neither JSON lines nor CSV with seconds, kind and pod: "
            f"without {', '.join(sorted(missing))}"
        )
    return [
        (_number(row["seconds"], place), row["kind"], row["pod"] or None)
        for place, row in enumerate(table, 2)
    ]


def _json(line: str, place: int) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"line {place} is no JSON list: {error}") from None


def _number(text: str, place: int) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        raise InputError(f"line {place}: seconds must be a number; got {text!r}") from None
