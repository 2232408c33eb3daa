"""``migration``, ``karpenter-view`` and ``free-blocks``: changes weighed before they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from eks_win_capacity.cli.options import TYPE_NAME, mode_option, note_kubelet, state_options
from eks_win_capacity.cli.output import emit, output_options, say
from eks_win_capacity.core.constants import KUBELET_MAX_PODS
from eks_win_capacity.core.display import records_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_win_capacity.cluster.state import ClusterState


@click.command()
@click.argument("types", type=TYPE_NAME, metavar="TYPE...", nargs=-1, required=True)
@click.option(
    "--to",
    "direction",
    type=click.Choice(["prefix", "secondary"]),
    required=True,
    help="The mode that is switched on.",
)
@click.option(
    "--pods", type=click.IntRange(0), required=True, help="Pods with an address on each node."
)
@click.option(
    "--cooling", type=click.IntRange(0), default=0, help="Addresses that still cool down."
)
@click.option(
    "--prefixes-in-use",
    type=click.IntRange(0),
    help="To secondary mode: prefixes with a used address; the worst case by default.",
)
@output_options
def migration(
    *,
    types: tuple[str, ...],
    direction: str,
    pods: int,
    cooling: int,
    prefixes_in_use: int | None,
    output: str,
) -> None:
    """
    Show what a node still takes when its mode changes under running pods.

    A node advertises the new mode's capacity at once, while running pods keep their
    slots: pods at risk are placed and then wait without an event.

    \b
    Examples:
      eks-win-capacity migration t3.xlarge --to prefix --pods 14
      eks-win-capacity migration m5.large --to secondary --pods 40 -o json
    """  # noqa: D301
    from dataclasses import asdict

    from eks_win_capacity.addresses import migration as change_of

    changes = [
        change_of(name, pods, direction, cooling=cooling, prefixes_in_use=prefixes_in_use)
        for name in types
    ]
    columns = [
        "instance_type", "direction", "changes", "slots", "pods_running", "cooling", "held_slots",
        "advertised", "attachable", "attachable_best", "schedulable", "at_risk",
    ]  # fmt: skip
    rows = [
        {
            **asdict(change),
            "instance_type": change.node,
            "outcome": change.finding.outcome,
            "seen": change.finding.seen,
            "steps": list(change.steps),
        }
        for change in changes
    ]
    notes = [f"{change.node}: {change.finding.seen}" for change in changes]
    steps = dict.fromkeys(
        f"{number}. {step}" for change in changes for number, step in enumerate(change.steps, 1)
    )
    extra = ["held_slots_least", "outcome", "seen", "steps"] if output == "json" else []
    emit(rows, output, columns=[*columns, *extra], note="\n".join([*notes, *steps]))


@click.command("karpenter-view")
@click.argument("types", type=TYPE_NAME, metavar="TYPE...", nargs=-1, required=True)
@click.option("--pods", type=click.IntRange(1), help="Pods to place; gives the counts of nodes.")
@click.option("--pod-cpu", metavar="QUANTITY", help="CPU that each pod requests, such as 250m.")
@click.option("--pod-memory", metavar="QUANTITY", help="Memory of each pod, such as 1.5Gi.")
@mode_option(default=True)
@click.option(
    "--kubelet-max-pods",
    type=click.IntRange(1),
    default=KUBELET_MAX_PODS,
    show_default=True,
    metavar="N",
    help="spec.kubelet.maxPods of the EC2NodeClass.",
)
@output_options
def karpenter_view(*, types: tuple[str, ...], output: str, **options: Any) -> None:
    """
    Compare what Karpenter plans with against what Windows nodes take.

    Karpenter counts IPs - 1 addresses on a Windows node, prefixes or not, so under prefix
    delegation it starts more nodes than the pods need.

    \b
    Examples:
      eks-win-capacity karpenter-view m5.large --pods 1000
      eks-win-capacity karpenter-view m5.large c5.4xlarge --pod-cpu 250m -o json
    """  # noqa: D301
    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.cluster import karpenter_view as compared
    from eks_win_capacity.core.constants import KARPENTER_TABLE_AS_OF

    bundled = Catalog.bundled()
    note_kubelet(options["kubelet_max_pods"], (bundled[one] for one in types if one in bundled))
    table = compared(list(types), **options)
    columns = [name for name in table.columns if name != "node_template_tags"]
    rows = records_of(table)
    if output == "table":
        wide = {"karpenter_cpu_m", "karpenter_memory_mib", "real_cpu_m", "real_memory_mib"}
        columns = [name for name in columns if name not in {*wide, "node_template_tag"}]
    elif output == "json":
        columns.append("node_template_tags")
    notes = [
        f"cluster autoscaler, {row['instance_type']}: {row['node_template_tag']}" for row in rows
    ]
    notes += [
        f"{row['instance_type']}: Karpenter's table of {KARPENTER_TABLE_AS_OF} lacks it, so it counts "
        "no address and starts no node for a pod that needs one"
        for row in rows
        if row["karpenter_addresses"] == 0 and row["advertised"]
    ]
    emit(rows, output, columns=columns, note="\n".join(notes))


@click.command("free-blocks")
@state_options
@click.option(
    "--subnet-id", "--subnet", "subnet_id", metavar="ID", help="One subnet; all by default."
)
@click.option("--blocks", type=click.IntRange(1), metavar="N", help="Whole /28 blocks wanted.")
@output_options
def free_blocks(
    *, output: str, subnet_id: str | None, blocks: int | None, load: Callable[[], ClusterState]
) -> None:
    """
    Find the nodes to drain so that whole /28 blocks come free, the cheapest first.

    Rows build on one another: each drains its nodes after those above it. Pods of
    DaemonSets do not move and are not counted.

    \b
    Examples:
      kubectl get nodes,pods -A -o json > saved/k.json
      aws ec2 describe-subnets > saved/subnets.json
      aws ec2 describe-network-interfaces > saved/interfaces.json
      eks-win-capacity free-blocks -f saved/ --subnet subnet-1 --blocks 3
    """  # noqa: D301
    from eks_win_capacity.cluster import drains_for_blocks

    steps = drains_for_blocks(load(), subnet_id=subnet_id, blocks=blocks)
    columns = [
        "subnet_id",
        "nodes",
        "pods",
        "blocks",
        "total_blocks",
        "addresses",
        "serves",
        "cidrs",
    ]
    if not steps and output == "table":
        say("no whole /28 block comes free by draining Windows nodes")
        return
    emit(
        [step.to_dict() for step in steps],
        output,
        columns=columns if output == "table" else [*columns, "remedy"],
        note="the pods go elsewhere: a new node in the same subnet takes addresses again\n"
        + "\n".join(step.remedy for step in steps[:3])
        if steps
        else "",
    )
