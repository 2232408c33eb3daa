"""``pool``: what a ConfigMap gives, its traps, and what a node keeps attached."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

from eks_win_capacity.cli.options import file_argument, filled_text_of, node_options, node_slots
from eks_win_capacity.cli.output import emit, output_option

if TYPE_CHECKING:
    from eks_win_capacity.addresses.warm_pool import WarmPool

_FINDING = ("severity", "code", "seen", "why", "remedy")
"""Columns of findings."""


@click.command()
@file_argument(kind=click.File("rb"), letters=("--configmap", "-c"))
@node_options
@click.option("--non-nitro", is_flag=True, help="The node is neither Nitro nor bare metal.")
@click.option("--fragmented", is_flag=True, help="Every pod sits in a prefix of its own.")
@click.option(
    "--show",
    type=click.Choice(["table", "findings", "targets"]),
    help="What JSON and CSV hold: table if a node is named, else targets. A printed table "
    "shows all three.",
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

    FILE is what kubectl get configmap prints as YAML or JSON, or - for stdin.
    With a type or a number of slots, a table tells what so many pods keep attached.

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
    room, table_nitro = node_slots(instance_type, slots) if named else (None, True)
    found = WarmPool.from_configmap(
        filled_text_of(file), nitro=table_nitro and not non_nitro, slots=room
    )
    targets = mode_and_targets(found)
    rows: list[dict[str, int]] = []
    if room is not None:
        capacity = room * (ADDRESSES_PER_PREFIX if found.prefix_delegation else 1)
        targets |= {"slots": room, "capacity": capacity}
        rows = _attached(found, room, capacity, fragmented=fragmented)
    findings = [{name: getattr(x, name) for name in _FINDING} for x in found.findings]
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
    """Count for some numbers of pods what the node keeps attached."""
    from eks_win_capacity.addresses.warm_pool import attached_addresses

    pods = _shown_pods(capacity)
    state = attached_addresses(pods, slots=slots, pool=pool, fragmented=fragmented)
    return [
        dict(zip(("pods", "used", "warm", "addresses", "prefixes"), map(int, row), strict=True))
        for row in zip(pods, state.used, state.warm, state.addresses, state.prefixes, strict=True)
    ]


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
