"""``simulate``: recorded events on one node, or pods that come and go on many."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import click

from eks_win_capacity.cli.options import (
    file_argument,
    filled_text_of,
    lifetime_of,
    mode_option,
    node_options,
    node_slots,
    pool_of,
)
from eks_win_capacity.cli.output import emit, output_options, plain_rows, progress
from eks_win_capacity.core.display import count_of
from eks_win_capacity.core.documents import whole
from eks_win_capacity.core.errors import InputError

if TYPE_CHECKING:
    from eks_win_capacity.addresses.warm_pool import WarmPool
    from eks_win_capacity.simulator import Churn


@click.command()
@file_argument("events", click.File("rb"), required=False)
@click.option(
    "--configmap",
    "-c",
    type=click.File("rb"),
    help="The ConfigMap as YAML or JSON; the mode's defaults without it.",
)
@mode_option(more="; without --configmap")
@node_options
@click.option(
    "--ec2-latency", type=click.FloatRange(min=0), default=0.0, help="Seconds a call takes."
)
@click.option("--subnet-free", type=click.IntRange(0), help="Units that the subnet has left.")
@click.option("--retries", is_flag=True, help="Waiting pods try again by themselves.")
@click.option("--nodes", type=click.IntRange(1, 100_000), help="Without EVENTS: how many nodes.")
@click.option("--rate-per-minute", type=click.FloatRange(min=0), help="Pods that come, on average.")
@click.option(
    "--lifetime",
    help="Seconds a pod runs: 300, exponential:300, or lognormal:300:1.2 (median, sigma).",
)
@click.option(
    "--hours", type=click.FloatRange(min=0, min_open=True), help="How long; 24 h if left out."
)
@click.option("--warm-up-hours", type=click.FloatRange(min=0), help="Left out of the quantiles.")
@click.option(
    "--pods-per-node", type=click.IntRange(1), help="What the scheduler places on a node."
)
@click.option(
    "--seed", type=click.IntRange(0), help="The same seed gives the same answer; 0 if left out."
)
@click.option(
    "--show",
    type=click.Choice(["quantiles", "over-time", "waits"]),
    help="Of many nodes: quantiles (the default), each minute, or each pod's wait.",
)
@output_options
def simulate(  # noqa: PLR0917
    events: IO[bytes] | None,
    configmap: IO[bytes] | None,
    prefix_delegation: bool,  # noqa: FBT001
    instance_type: str | None,
    slots: int | None,
    ec2_latency: float,
    subnet_free: int | None,
    retries: bool,  # noqa: FBT001
    output: str,
    **churn: Any,
) -> None:
    """
    Run EVENTS through the warm pools of one node, or pods by chance on --nodes.

    EVENTS holds one JSON list a line, such as [12.5, "assign", "pod-a"], one JSON
    list of such lists, or CSV with the columns seconds, kind, pod. Kinds are
    assign, free and tick, and in JSON what else simulate_pool knows: drain,
    configmap and subnet.

    With --nodes, --rate-per-minute and --lifetime, pods come and go by chance on
    many nodes; the answer is what the subnet must hold and who waits.

    \b
    Examples:
      eks-win-capacity simulate events.jsonl -t m5.large -o csv
      eks-win-capacity simulate --nodes 100 --rate-per-minute 2 --lifetime 300 -t m5.large
    """  # noqa: D301
    from eks_win_capacity.simulator import simulate_pool

    given = {name: value for name, value in churn.items() if value is not None}
    _check_either(events is not None, given, of_events=subnet_free is not None or retries)
    room, nitro = node_slots(instance_type, slots)
    pool = pool_of(configmap, prefix_delegation=prefix_delegation, nitro=nitro, slots=room)
    if events is None:
        _emit_churn(given, pool=pool, slots=room, latency=ec2_latency, output=output)
        return
    frame = simulate_pool(
        _rows(filled_text_of(events)),
        slots=room,
        pool=pool,
        nitro=nitro,
        ec2_latency_s=ec2_latency,
        subnet_free=subnet_free,
        retries=retries,
    )
    columns = [name for name in frame.columns if name != "advertised"]
    if output == "table":
        # What is 0 all the way, or follows from the rest, only widens the table.
        idle = [n for n in ("pending_create", "pending_delete", "prefixes") if not frame[n].any()]
        columns = [name for name in columns if name not in {*idle, "created", "deleted"}]
    emit(frame.to_dict("records"), output, columns=columns)  # type: ignore[arg-type]


def _check_either(events: bool, given: dict[str, Any], *, of_events: bool) -> None:  # noqa: FBT001
    """Refuse options of recorded events beside those of pods by chance."""
    if events == ("nodes" in given):
        raise click.UsageError("give either EVENTS or --nodes")
    if events and given:
        raise click.UsageError(f"--{_option(next(iter(given)))} goes with --nodes, not with EVENTS")
    if not events and of_events:
        raise click.UsageError("--subnet-free and --retries go with EVENTS, not with --nodes")


def _option(name: str) -> str:
    return name.replace("_", "-")


def _emit_churn(
    given: dict[str, Any], *, pool: WarmPool, slots: int, latency: float, output: str
) -> None:
    """Let pods come and go on many nodes, and print one table of it."""
    from eks_win_capacity.simulator import Poisson, simulate_churn

    for name in ("rate_per_minute", "lifetime"):
        if name not in given:
            raise click.UsageError(f"--nodes needs --{_option(name)}")
    work = Poisson(
        pods_per_minute=given["rate_per_minute"], lifetime=lifetime_of(given["lifetime"])
    )
    with progress(f"simulating {count_of(given['nodes'], 'node')}"):
        ran = simulate_churn(
            work,
            nodes=given["nodes"],
            slots=slots,
            pool=pool,
            hours=given.get("hours", 24.0),
            warm_up_hours=given.get("warm_up_hours", 0.0),
            pods_per_node=given.get("pods_per_node"),
            ec2_latency_s=latency,
            rng=given.get("seed", 0),
        )
    show = given.get("show", "quantiles")
    rows, columns = _churn_rows(ran, show)
    if show == "quantiles" and output == "table":
        rows, columns = _turned(rows)
    waiting = f"{count_of(ran.never_started, 'pod')} still waited at the end"
    emit(rows, output, columns=columns, title=count_of(given["nodes"], "node"), note=waiting)


def _churn_rows(ran: Churn, show: str) -> tuple[list[dict[str, Any]], list[str]]:
    frame = {
        "quantiles": ran.quantiles.reset_index(),
        "over-time": ran.over_time,
        "waits": ran.waits,
    }[show]
    return plain_rows(frame, 6), list(map(str, frame.columns))


def _turned(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Let each quantity be a row: there are more of them than quantiles."""
    quantiles = [f"quantile_{row['quantile']:g}" for row in rows]
    turned = [
        {"quantity": name.replace("_", " ")}
        | {
            quantile: None if row[name] is None else round(row[name], 3)
            for quantile, row in zip(quantiles, rows, strict=True)
        }
        for name in rows[0]
        if name != "quantile"
    ]
    return turned, ["quantity", *quantiles]


def _rows(text: str) -> list[Any]:
    """Read events from JSON lines, one JSON list, or CSV with a header."""
    if text.lstrip().startswith("["):
        values = whole.values_in(text, "the file of events")
        # One list of all events, or a list for each.
        alone = len(values) == 1 and all(isinstance(event, list) for event in values[0])
        return list(values[0] if alone else values)
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


def _number(text: str, place: int) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        raise InputError(f"line {place}: seconds must be a number; got {text!r}") from None
