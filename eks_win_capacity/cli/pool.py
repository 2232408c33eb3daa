"""``pool``: what a ConfigMap gives, its traps, and what a node keeps attached."""

from __future__ import annotations

from typing import IO, Any

import click

from eks_win_capacity.cli.output import emit, output_option
from eks_win_capacity.errors import InputError


def node_slots(instance_type: str | None, slots: int | None) -> tuple[int, bool]:
    """Give the slots of the node that the options name, and whether it is Nitro."""
    from eks_win_capacity.constants import NODE_ADDRESSES
    from eks_win_capacity.limits import bundled_limit

    if (instance_type is None) == (slots is None):
        raise click.UsageError("give either --instance-type or --slots")
    if instance_type is None:
        assert slots is not None  # noqa: S101
        return slots, True
    found = bundled_limit(instance_type)
    if found is None:
        raise InputError(f"no row for {instance_type!r} in the bundled table; give --slots")
    return found[0] - NODE_ADDRESSES, found[1]


@click.command()
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option("--instance-type", "-t", help="The node's instance type.")
@click.option("--slots", type=click.IntRange(1, 4096), help="IPv4 addresses per interface - 1.")
@click.option("--non-nitro", is_flag=True, help="The node is neither Nitro nor bare metal.")
@click.option("--fragmented", is_flag=True, help="Every pod sits in a prefix of its own.")
@click.option(
    "--show",
    type=click.Choice(["table", "findings", "targets"]),
    default="table",
    show_default=True,
    help="What JSON and CSV hold; a printed table shows all three.",
)
@output_option
def pool(  # noqa: PLR0917
    file: IO[str],
    instance_type: str | None,
    slots: int | None,
    non_nitro: bool,  # noqa: FBT001
    fragmented: bool,  # noqa: FBT001
    show: str,
    output: str,
) -> None:
    """
    Read the ConfigMap amazon-vpc-cni as the controller does.

    FILE is what kubectl get configmap prints as YAML or JSON, or - for stdin.

    \b
    Examples:
      kubectl get configmap amazon-vpc-cni -n kube-system -o yaml > cm.yaml
      eks-win-capacity pool cm.yaml -t m5.large
      eks-win-capacity pool cm.yaml --slots 14 --show findings -o json
    """  # noqa: D301
    from eks_win_capacity.constants import ADDRESSES_PER_PREFIX
    from eks_win_capacity.warm_pool import WarmPool, attached_addresses

    room, table_nitro = node_slots(instance_type, slots)
    found = WarmPool.from_configmap(file.read(), nitro=table_nitro and not non_nitro, slots=room)
    targets: dict[str, Any] = {
        "mode": "prefix" if found.prefix_delegation else "secondary",
        "warm_ip_target": found.warm_ip_target,
        "minimum_ip_target": found.minimum_ip_target,
        "warm_prefix_target": found.warm_prefix_target,
        "slots": room,
        "capacity": room * (ADDRESSES_PER_PREFIX if found.prefix_delegation else 1),
    }
    findings: list[dict[str, Any]] = [
        {name: getattr(x, name) for name in ("severity", "code", "seen", "why", "remedy")}
        for x in found.findings
    ]
    pods = _shown_pods(targets["capacity"])
    state = attached_addresses(pods, slots=room, pool=found, fragmented=fragmented)
    rows = [
        dict(zip(("pods", "used", "warm", "addresses", "prefixes"), map(int, row), strict=True))
        for row in zip(pods, state.used, state.warm, state.addresses, state.prefixes, strict=True)
    ]
    if output != "table":
        columns = ("severity", "code", "seen", "why", "remedy") if show == "findings" else None
        emit(
            {"table": rows, "findings": findings, "targets": [targets]}[show],
            output,
            columns=columns,
        )
        return
    emit([targets], output, title="Targets that act")
    if findings:
        emit(findings, output, title="Findings")
    emit(rows, output, title="Pods against attached addresses")


def _shown_pods(capacity: int) -> list[int]:
    """Pick pod counts: all of a small node, the corners of a large one."""
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
