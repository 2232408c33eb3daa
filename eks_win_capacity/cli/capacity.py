"""Commands about node types: ``max-pods``, ``node``, ``migration`` and ``karpenter-view``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from eks_win_capacity.cli.options import (
    TYPE_NAME,
    binding_options,
    kubelet_option,
    mode_option,
    note_kubelet,
    pod_options,
    types_option,
)
from eks_win_capacity.cli.output import emit, output_options, together
from eks_win_capacity.core.constants import KUBELET_MAX_PODS
from eks_win_capacity.core.display import records_of
from eks_win_capacity.core.errors import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.catalog import Catalog, InstanceType
    from eks_win_capacity.density.node_capacity import NodeCapacity
    from eks_win_capacity.density.reserved import Reserved

_NO_SUCH_THING = {
    "--cni-custom-networking-enabled": "Windows nodes have no custom networking",
    "--cni-max-eni": "Windows nodes use one interface",
    "--cni-version": "Windows pods get their addresses from the VPC resource controller",
    "--instance-type-from-imds": "nothing is asked online; name the type",
    "--show-max-allowed": "use --kubelet-max-pods 250",
}
"""Options of the retired max-pods-calculator.sh that have no effect here, and why."""


def _explain(_context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value:
        option = parameter.opts[0]
        raise click.UsageError(f"{option} has no meaning on Windows: {_NO_SUCH_THING[option]}")


_retired_options = together(
    *(
        click.option(
            option,
            is_flag=option not in {"--cni-max-eni", "--cni-version"},
            hidden=True,
            expose_value=False,
            callback=_explain,
        )
        for option in reversed(_NO_SUCH_THING)
    )
)

_common_options = together(
    click.argument("types", type=TYPE_NAME, nargs=-1, metavar="[TYPE]..."),
    types_option("The same as TYPE.", name="named"),
    click.option(
        "--cni-prefix-delegation-enabled",
        "prefix_delegation",
        is_flag=True,
        flag_value=True,
        default=None,
        hidden=True,
    ),
    mode_option(),
    click.option("--region", help="Also show whether this region offers the type."),
    output_options,
)
"""Options of both ``max-pods`` and ``node``."""


def _chosen(types: tuple[str, ...], named: tuple[str, ...]) -> list[str]:
    if not types and not named:
        raise click.UsageError("name at least one instance type, such as m5.large")
    return [*types, *named]


def _offered(catalog: Catalog, instance: InstanceType, region: str | None) -> dict[str, Any]:
    if region is None:
        return {}
    catalog.filter(region=region)  # an unknown region raises an error
    # A hand-kept row has no regions, so its offering is not known.
    return {f"offered_in_{region}": region in instance.regions if instance.regions else None}


def _notes(types: list[InstanceType], *, prefix_delegation: bool) -> str:
    lines = [
        f"{instance.name} does not run Windows: {instance.windows.reasons[0].why}."
        for instance in types
        if not instance.windows.possible
    ]
    lines += [
        f"{instance.name}: {reason.why} ({reason.date})."
        for instance in types
        if instance.windows.status == "warned"
        for reason in instance.windows.reasons
    ]
    if prefix_delegation:
        lines += [
            f"{instance.name} is neither Nitro nor bare metal: it stays in secondary mode."
            for instance in types
            if not instance.nitro
        ]
    return "\n".join(lines)


@click.command("max-pods")
@_common_options
@kubelet_option(None, "The kubelet's limit; the smaller limit counts.")
@_retired_options
def max_pods(
    *,
    types: tuple[str, ...],
    named: tuple[str, ...],
    prefix_delegation: bool,
    region: str | None,
    output: str,
    kubelet_max_pods: int | None,
) -> None:
    """
    Show the pods that the addresses of a Windows node allow.

    That is (addresses per interface - 1), and 16 times as many with prefix
    delegation.

    \b
    Examples:
      eks-win-capacity max-pods m5.large c5.4xlarge
      eks-win-capacity max-pods m5.large --prefix-delegation --kubelet-max-pods 110
      eks-win-capacity max-pods m5.large --region eu-west-1 -o json
    """  # noqa: D301
    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.density.max_pods import max_pods as pods_of

    catalog = Catalog.bundled()
    instances = [catalog[name] for name in _chosen(types, named)]
    note_kubelet(kubelet_max_pods, instances)
    rows = [
        {
            "instance_type": instance.name,
            "mode": "prefix" if prefix_delegation and instance.nitro else "secondary",
            "ipv4_per_interface": instance.ipv4_per_interface,
            "max_pods": pods_of(
                instance.name,
                prefix_delegation=prefix_delegation,
                kubelet_max_pods=kubelet_max_pods,
            ),
            "windows": instance.windows.status,
            **_offered(catalog, instance, region),
        }
        for instance in instances
    ]
    emit(rows, output, note=_notes(instances, prefix_delegation=prefix_delegation))


@click.command("node")
@_common_options
@binding_options
@click.option(
    "--host-process-pods", type=int, default=0, metavar="N", help="HostProcess pods on the node."
)
@click.option(
    "--reserved-cpu", metavar="QUANTITY", help="CPU reserved on the node; none by default."
)
@click.option(
    "--reserved-memory",
    metavar="QUANTITY",
    help="Memory reserved on the node; by default 2 GiB, and 500 MiB for eviction.",
)
def node(
    *,
    types: tuple[str, ...],
    named: tuple[str, ...],
    prefix_delegation: bool,
    region: str | None,
    output: str,
    reserved_cpu: str | None,
    reserved_memory: str | None,
    **options: Any,
) -> None:
    """
    Show the pods that a Windows node can run, and the limit that binds.

    Counts addresses, the kubelet's limit, CPU and memory.

    \b
    Examples:
      eks-win-capacity node m5.large --prefix-delegation
      eks-win-capacity node m5.large c5.4xlarge --pod-cpu 250m --pod-memory 1Gi
    """  # noqa: D301
    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.density.node_capacity import node_capacity
    from eks_win_capacity.density.reserved import reservations

    catalog = Catalog.bundled()
    kept = reservations(cpu=reserved_cpu, memory=reserved_memory)
    sized = [
        node_capacity(name, prefix_delegation=prefix_delegation, reserved=kept, **options)
        for name in _chosen(types, named)
    ]
    instances = [catalog[one.instance_type] for one in sized]
    note_kubelet(options["kubelet_max_pods"], instances)
    rows = [
        _node_row(one, commands=output != "table") | _offered(catalog, instance, region)
        for one, instance in zip(sized, instances, strict=True)
    ]
    lead = ("instance_type", "mode", "pods", "binding", "windows")
    notes = [
        _notes(instances, prefix_delegation=prefix_delegation),
        *_bare(sized, instances, kept),
        *_limits(sized, instances, options["kubelet_max_pods"]),
    ]
    emit(rows, output, lead=lead, note="\n".join(filter(None, notes)))


def _node_row(one: NodeCapacity, *, commands: bool) -> dict[str, Any]:
    """Pods that each limit of a node allows; programs also get the command that raises max-pods."""
    return {
        "instance_type": one.instance_type,
        "mode": "prefix" if one.prefix_delegation else "secondary",
        **{name: getattr(one, name) for name in ("pods", "binding", *_ALLOWED)},
        "windows": one.windows.status,
    } | ({"kubelet_extra_args": one.kubelet_extra_args} if commands else {})


_ALLOWED = ("address_pods", "kubelet_pods", "cpu_pods", "memory_pods")


def _bare(
    sized: list[NodeCapacity], instances: list[InstanceType], kept: Reserved
) -> Iterator[str]:
    """Notes on types without memory left for pods."""
    for one, instance in zip(sized, instances, strict=True):
        if not one.allocatable_memory:
            yield (
                f"{one.instance_type}: no memory is left for any pod: "
                f"{instance.memory_mib / 1024:,.1f} GiB less the {kept.memory / 2**30:,.1f} GiB "
                "that the node keeps for itself"
            )


def _limits(
    sized: list[NodeCapacity], instances: list[InstanceType], limit: int | None
) -> Iterator[str]:
    """Notes on types where max-pods binds: how to raise it, or that AWS advises against it."""
    from eks_win_capacity.catalog.limits import max_pods_cap

    for one in sized:
        if one.kubelet_extra_args:
            yield (
                f"{one.instance_type}: the kubelet's limit binds; raise it in the bootstrap "
                f"arguments with {one.kubelet_extra_args}"
            )
    for one, instance in zip(sized, instances, strict=True):
        if one.binding == "kubelet" and limit and limit >= (cap := max_pods_cap(instance)):
            yield (
                f"{one.instance_type}: the kubelet's limit binds, and AWS advises no higher one "
                f"than {cap} for {count_of(instance.vcpus, 'vCPU')}"
            )


@click.command()
@click.argument("types", type=TYPE_NAME, metavar="TYPE...", nargs=-1, required=True)
@click.option(
    "--to",
    "direction",
    type=click.Choice(["prefix", "secondary"]),
    required=True,
    help="The new address mode.",
)
@click.option(
    "--pods", type=click.IntRange(0), required=True, help="Pods with an address on each node."
)
@click.option(
    "--cooling", type=click.IntRange(0), default=0, help="Addresses that are still cooling down."
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
    Show how many pods a node can run after a mode change under running pods.

    A node advertises the capacity of the new mode at once, while running pods keep their slots.
    The scheduler places pods at risk, which then wait without an event.

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
@click.option("--pods", type=click.IntRange(1), help="Pods to place, for the number of nodes.")
@pod_options
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
    Compare Karpenter's estimate with the pods that Windows nodes can run.

    Karpenter counts IPs - 1 addresses on a Windows node in both modes, so under prefix
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
