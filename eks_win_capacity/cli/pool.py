"""Commands on warm pools: ``pool``, ``targets`` and ``simulate``."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import click

from eks_win_capacity.addresses.targets import TARGETS
from eks_win_capacity.cli.options import (
    TYPE_NAME,
    file_argument,
    filled_text_of,
    mode_option,
    pool_of,
)
from eks_win_capacity.cli.output import (
    emit,
    output_option,
    output_options,
    plain_rows,
    progress,
    together,
)
from eks_win_capacity.core.documents import whole
from eks_win_capacity.core.errors import InputError, count_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_win_capacity.addresses.warm_pool import WarmPool
    from eks_win_capacity.simulator import BestTargets, Churn
    from eks_win_capacity.simulator.arrivals import Lifetime


_node_options = together(
    click.option("--instance-type", "-t", type=TYPE_NAME, help="The node's instance type."),
    click.option("--slots", type=click.IntRange(1, 4096), help="IPv4 addresses per interface - 1."),
)
"""Options for the node, by its type or its slots."""


def _node_slots(instance_type: str | None, slots: int | None) -> tuple[int, bool]:
    """Slots of the node in the options, and whether it is Nitro."""
    from eks_win_capacity.catalog.limits import bundled_limit
    from eks_win_capacity.core.constants import NODE_ADDRESSES

    if (instance_type is None) == (slots is None):
        raise click.UsageError("give either --instance-type or --slots")
    if instance_type is None:
        assert slots is not None  # noqa: S101
        return slots, True
    limit = bundled_limit(instance_type)
    if limit is None:
        from eks_win_capacity.density.max_pods import max_pods

        max_pods(instance_type)  # raises, with similar names
    assert limit is not None  # noqa: S101
    return limit[0] - NODE_ADDRESSES, limit[1]


_FINDING = ("severity", "code", "seen", "why", "remedy")
"""Columns of findings in the output."""


@click.command()
@file_argument(kind=click.File("rb"), letters=("--configmap", "-c"))
@_node_options
@click.option("--non-nitro", is_flag=True, help="The node is neither Nitro nor bare metal.")
@click.option(
    "--fragmented", is_flag=True, help="Each pod uses a separate prefix (the worst case)."
)
@click.option(
    "--show",
    type=click.Choice(["table", "findings", "targets"]),
    help=(
        "Content of JSON and CSV: table if a node is named, else targets. A printed table "
        "shows all three."
    ),
)
@output_option
def pool(  # noqa: PLR0917
    file: IO[bytes],
    instance_type: str | None,
    slots: int | None,
    non_nitro: bool,  # noqa: FBT001
    fragmented: bool,  # noqa: FBT001
    show: str | None,
    output: str,
) -> None:
    """
    Read the ConfigMap amazon-vpc-cni as the controller does.

    FILE is the output of kubectl get configmap as YAML or JSON, or - for stdin. With a type or
    a number of slots, a table shows the attached addresses for each number of pods.

    \b
    Examples:
      kubectl get configmap amazon-vpc-cni -n kube-system -o yaml > cm.yaml
      eks-win-capacity pool cm.yaml
      eks-win-capacity pool cm.yaml -t m5.large
      eks-win-capacity pool cm.yaml --slots 14 --show findings -o json
    """  # noqa: D301
    from eks_win_capacity.addresses.warm_pool import WarmPool, mode_and_targets
    from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX

    named = instance_type is not None or slots is not None
    if show == "table" and not named:
        raise click.UsageError("--show table needs --instance-type or --slots")
    room, table_nitro = _node_slots(instance_type, slots) if named else (None, True)
    warm_pool = WarmPool.from_configmap(
        filled_text_of(file), nitro=table_nitro and not non_nitro, slots=room
    )
    targets = mode_and_targets(warm_pool)
    rows: list[dict[str, int]] = []
    if room is not None:
        capacity = room * (ADDRESSES_PER_PREFIX if warm_pool.prefix_delegation else 1)
        targets |= {"slots": room, "capacity": capacity}
        rows = _attached(warm_pool, room, capacity, fragmented=fragmented)
    findings = [{name: getattr(x, name) for name in _FINDING} for x in warm_pool.findings]
    if output != "table":
        chosen = show or ("table" if named else "targets")
        columns = _FINDING if chosen == "findings" else None
        parts = {"table": rows, "findings": findings, "targets": [targets]}
        emit(parts[chosen], output, columns=columns)
        return
    more = "" if named else "Name --instance-type or --slots for a table of attached addresses."
    emit([targets], output, title="Targets that act", note="" if findings else more)
    if findings:
        emit(findings, output, title="Findings", note=more)
    if named:
        emit(rows, output, title="Pods against attached addresses")


def _attached(
    pool: WarmPool, slots: int, capacity: int, *, fragmented: bool
) -> list[dict[str, int]]:
    """Rows of attached addresses for some numbers of pods."""
    from eks_win_capacity.addresses.warm_pool import attached_addresses

    pods = _shown_pods(capacity)
    state = attached_addresses(pods, slots=slots, pool=pool, fragmented=fragmented)
    return [
        dict(zip(("pods", "used", "warm", "addresses", "prefixes"), map(int, row), strict=True))
        for row in zip(pods, state.used, state.warm, state.addresses, state.prefixes, strict=True)
    ]


def _shown_pods(capacity: int) -> list[int]:
    """Numbers of pods to show: all for a small node, a selection for a large one."""
    if capacity <= 32:
        return list(range(capacity + 1))
    steps = {
        0,
        1,
        2,
        3,
        5,
        8,
        capacity - 1,
        capacity,
        *range(15, capacity, max(16, capacity // 256 * 16)),
    }
    return sorted(steps | {step + 1 for step in steps if step % 16 == 15 and step < capacity})


def _coming_options(*, required: bool) -> Callable[[Any], Any]:
    """Decorator that adds the options for the rate and the lifetime of pods."""
    rate = "Mean number of new pods per minute."
    runs = (
        "Lifetime of pods in seconds: 300, exponential:300, or lognormal:300:1.2 (median, sigma)."
    )
    counted = click.FloatRange(min=0)
    return together(
        click.option("--rate-per-minute", type=counted, required=required, help=rate),
        click.option("--lifetime", required=required, help=runs),
    )


_latency_option = click.option(
    "--ec2-latency",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Duration of each EC2 call in seconds.",
)


def _lifetime_of(text: str) -> Lifetime:
    """Lifetime from 300, fixed:300, exponential:300 or lognormal:300:1.2."""
    from eks_win_capacity.simulator import Exponential, Fixed, LogNormal

    kind, _, rest = text.partition(":") if ":" in text else ("fixed", "", text)
    makers: dict[str, tuple[Any, int]] = {
        "fixed": (Fixed, 1),
        "exponential": (Exponential, 1),
        "lognormal": (LogNormal, 2),
    }
    try:
        numbers = [float(part) for part in rest.split(":")]
        make, most = makers[kind]
    except (KeyError, ValueError):
        numbers, most = [], 0
    if not 0 < len(numbers) <= most:
        raise InputError(
            f"lifetime must be seconds, exponential:MEAN or lognormal:MEDIAN:SIGMA; got {text!r}"
        )
    return make(*numbers)  # type: ignore[no-any-return]


@click.command()
@_node_options
@click.option("--nodes", type=click.IntRange(1, 100_000), required=True, help="Number of nodes.")
@_coming_options(required=True)
@mode_option(None, more="; both modes by default")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Maximum wait for an address at the quantile.",
)
@click.option(
    "--quantile",
    type=click.FloatRange(0, 1),
    default=0.99,
    show_default=True,
    help="Share of pods that may wait at most this long.",
)
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    default=24.0,
    show_default=True,
    help="Simulated hours.",
)
@click.option(
    "--pods-per-node",
    type=click.IntRange(1),
    help="Maximum number of pods that the scheduler places on a node.",
)
@_latency_option
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the random numbers.")
@output_options
def targets(
    *,
    instance_type: str | None,
    slots: int | None,
    rate_per_minute: float,
    lifetime: str,
    wait: float,
    ec2_latency: float,
    seed: int,
    output: str,
    **options: Any,
) -> None:
    """
    Find the warm targets that keep waits for addresses short with the least waste.

    Pods start and end at random; all candidates are simulated with the same pods.

    \b
    Examples:
      eks-win-capacity targets -t m5.large --nodes 20 --rate-per-minute 4 --lifetime 300
      eks-win-capacity targets -t m5.large --nodes 20 --rate-per-minute 4 \\
          --lifetime lognormal:300:1.2 --wait 0 --prefix-delegation -o json
    """  # noqa: D301
    from eks_win_capacity.simulator import Poisson, best_targets

    room, nitro = _node_slots(instance_type, slots)
    if options["prefix_delegation"] and not nitro:
        raise click.UsageError(
            f"--prefix-delegation: {instance_type} is neither Nitro nor bare metal"
        )
    if not nitro:
        options["prefix_delegation"] = False
    with progress("trying warm targets", counted=False) as tell:
        best = best_targets(
            Poisson(pods_per_minute=rate_per_minute, lifetime=_lifetime_of(lifetime)),
            slots=room,
            wait_s=wait,
            ec2_latency_s=ec2_latency,
            rng=seed,
            progress=lambda done, total: tell(f"{done} of {total} done"),
            **options,
        )
    where = f"on {count_of(options['nodes'], 'node')} for {options['hours']:g} h"
    emit(
        _candidates(best, output),
        output,
        columns=_COLUMNS,
        title="Warm targets, least waste first",
        note=f"{best.reason}\nwaste: attached addresses without a pod, mean of each node",
        assumptions=[f"pods come at {rate_per_minute:g} a minute {where}, and run {lifetime} s"],
    )


def _candidates(best: BestTargets, output: str) -> list[dict[str, Any]]:
    """Rows of candidates with the name of their mode; a table has only the relevant ones."""
    rows = plain_rows(best.curve.drop(columns="candidate"))
    for row in rows:
        row["mode"] = "prefix" if row.pop("prefix_delegation") else "secondary"
    if output == "table":
        rows = [row for row in rows if row["efficient"] or row["meets_goal"]][:_SHOWN]
    return rows


_SHOWN = 12
"""Maximum rows of a table; programs get all."""

_COLUMNS = (
    "mode", *(target.name for target in TARGETS), "wait_s", "waste",
    "meets_goal", "efficient", "ec2_calls_per_minute",
)  # fmt: skip


@click.command()
@file_argument("events", click.File("rb"), required=False)
@click.option(
    "--configmap",
    "-c",
    type=click.File("rb"),
    help="The ConfigMap as YAML or JSON; by default the targets of the mode.",
)
@mode_option(more="; not with --configmap")
@_node_options
@_latency_option
@click.option(
    "--subnet-free",
    type=click.IntRange(0),
    help="Free addresses, or prefixes in prefix mode, of the subnet.",
)
@click.option("--retries", is_flag=True, help="Waiting pods retry.")
@click.option("--nodes", type=click.IntRange(1, 100_000), help="Without EVENTS: number of nodes.")
@_coming_options(required=False)
@click.option(
    "--hours", type=click.FloatRange(min=0, min_open=True), help="Simulated hours; 24 by default."
)
@click.option(
    "--warm-up-hours",
    type=click.FloatRange(min=0),
    help="Hours at the beginning that quantiles ignore.",
)
@click.option(
    "--pods-per-node",
    type=click.IntRange(1),
    help="Maximum number of pods that the scheduler places on a node.",
)
@click.option("--seed", type=click.IntRange(0), help="Seed of the random numbers; 0 by default.")
@click.option(
    "--show",
    type=click.Choice(["quantiles", "over-time", "waits"]),
    help="For many nodes: quantiles (the default), each minute, or the wait of each pod.",
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
    Simulate the warm pool of one node for EVENTS, or random pods on --nodes.

    EVENTS has one JSON list per line, such as [12.5, "assign", "pod-a"], one JSON list of such
    lists, or CSV with the columns seconds, kind, pod. Kinds are assign, free and tick, and in
    JSON also drain, configmap and subnet, as in simulate_pool.

    With --nodes, --rate-per-minute and --lifetime, pods start and end at random on many nodes.
    The answer shows the addresses that the subnet must hold, and waiting times.

    \b
    Examples:
      eks-win-capacity simulate events.jsonl -t m5.large -o csv
      eks-win-capacity simulate --nodes 100 --rate-per-minute 2 --lifetime 300 -t m5.large
    """  # noqa: D301
    from eks_win_capacity.simulator import simulate_pool

    given = {name: value for name, value in churn.items() if value is not None}
    _check_either(events is not None, given, of_events=subnet_free is not None or retries)
    room, nitro = _node_slots(instance_type, slots)
    pool = pool_of(configmap, prefix_delegation=prefix_delegation, nitro=nitro, slots=room)
    if events is None:
        _emit_churn(given, pool=pool, slots=room, latency=ec2_latency, output=output)
        return
    frame = simulate_pool(
        _events(filled_text_of(events)),
        slots=room,
        pool=pool,
        nitro=nitro,
        ec2_latency_s=ec2_latency,
        subnet_free=subnet_free,
        retries=retries,
    )
    columns = [name for name in frame.columns if name != "advertised"]
    if output == "table":
        # A table leaves out columns that are all 0 or follow from the others.
        idle = [n for n in ("pending_create", "pending_delete", "prefixes") if not frame[n].any()]
        columns = [name for name in columns if name not in {*idle, "created", "deleted"}]
    emit(frame.to_dict("records"), output, columns=columns)  # type: ignore[arg-type]


def _check_either(events: bool, given: dict[str, Any], *, of_events: bool) -> None:  # noqa: FBT001
    """Refuse options of recorded events together with those of random pods."""
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
    """Simulate random pods on many nodes, and print one table."""
    from eks_win_capacity.simulator import Poisson, simulate_churn

    for name in ("rate_per_minute", "lifetime"):
        if name not in given:
            raise click.UsageError(f"--nodes needs --{_option(name)}")
    work = Poisson(
        pods_per_minute=given["rate_per_minute"], lifetime=_lifetime_of(given["lifetime"])
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
    """Rows and columns transposed: there are more quantities than quantiles."""
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


def _events(text: str) -> list[Any]:
    """Events from JSON lines, one JSON list, or CSV with a header."""
    if text.lstrip().startswith("["):
        values = whole.values_in(text, "the file of events")
        # Either one list of all events, or one list per event.
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
        (_number(row["seconds"], line), row["kind"], row["pod"] or None)
        for line, row in enumerate(table, 2)
    ]


def _number(text: str, line: int) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        raise InputError(f"line {line}: seconds must be a number; got {text!r}") from None
