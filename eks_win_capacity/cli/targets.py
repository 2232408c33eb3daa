"""``targets``: the warm targets that keep waits short at the least waste."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from eks_win_capacity.addresses.targets import TARGETS
from eks_win_capacity.cli.options import lifetime_of, mode_option, node_options, node_slots
from eks_win_capacity.cli.output import emit, output_options, plain_rows, progress

if TYPE_CHECKING:
    from eks_win_capacity.simulator import BestTargets


@click.command()
@node_options
@click.option("--nodes", type=click.IntRange(1, 100_000), required=True, help="How many nodes.")
@click.option(
    "--rate-per-minute",
    type=click.FloatRange(min=0),
    required=True,
    help="Pods that come, on average.",
)
@click.option(
    "--lifetime",
    required=True,
    help="Seconds a pod runs: 300, exponential:300, or lognormal:300:1.2 (median, sigma).",
)
@mode_option(None, more="; both modes by default")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="The longest wait for an address at the quantile.",
)
@click.option(
    "--quantile",
    type=click.FloatRange(0, 1),
    default=0.99,
    show_default=True,
    help="The share of pods that wait no longer.",
)
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    default=24.0,
    show_default=True,
    help="How long pods come and go.",
)
@click.option("--pods-per-node", type=click.IntRange(1), help="What the scheduler places.")
@click.option(
    "--ec2-latency", type=click.FloatRange(min=0), default=0.0, help="Seconds a call takes."
)
@click.option("--seed", type=click.IntRange(0), default=0, help="The same seed, the same answer.")
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
    Find the warm targets that keep waits for addresses short at the least waste.

    Pods come and go by chance; every candidate meets the same pods.

    \b
    Examples:
      eks-win-capacity targets -t m5.large --nodes 20 --rate-per-minute 4 --lifetime 300
      eks-win-capacity targets -t m5.large --nodes 20 --rate-per-minute 4 \\
          --lifetime lognormal:300:1.2 --wait 0 --prefix-delegation -o json
    """  # noqa: D301
    from eks_win_capacity.simulator import Poisson, best_targets

    room, nitro = node_slots(instance_type, slots)
    if options["prefix_delegation"] and not nitro:
        raise click.UsageError(
            f"--prefix-delegation: {instance_type} is neither Nitro nor bare metal"
        )
    if not nitro:
        options["prefix_delegation"] = False
    with progress("trying warm targets"):
        found = best_targets(
            Poisson(pods_per_minute=rate_per_minute, lifetime=lifetime_of(lifetime)),
            slots=room,
            wait_s=wait,
            ec2_latency_s=ec2_latency,
            rng=seed,
            **options,
        )
    emit(
        _rows(found, output),
        output,
        columns=_COLUMNS,
        title="Warm targets, least waste first",
        note=f"{found.reason}\nwaste: attached addresses without a pod, mean of each node",
        assumptions=[_assumed(rate_per_minute, lifetime, **options)],
    )


def _assumed(rate: float, lifetime: str, *, nodes: int, hours: float, **_: Any) -> str:
    return (
        f"pods come at {rate:g} a minute on {nodes:,} nodes for {hours:g} h, and run {lifetime} s"
    )


def _rows(found: BestTargets, output: str) -> list[dict[str, Any]]:
    """Candidates with their mode in words; for people only those worth a look."""
    rows = plain_rows(found.curve.drop(columns="candidate"))
    for row in rows:
        row["mode"] = "prefix" if row.pop("prefix_delegation") else "secondary"
    if output == "table":
        rows = [row for row in rows if row["efficient"] or row["meets_goal"]][:_SHOWN]
    return rows


_SHOWN = 12
"""Rows for people; programs get all."""

_COLUMNS = (
    "mode", *(target.name for target in TARGETS), "wait_s", "waste",
    "meets_goal", "efficient", "ec2_calls_per_minute",
)  # fmt: skip
