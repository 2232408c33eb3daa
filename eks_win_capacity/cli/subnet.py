"""The command ``subnet``: addresses and blocks of a CIDR, and the nodes that still fit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from eks_win_capacity.cli.options import mode_option, pool_of, text_of, types_option
from eks_win_capacity.cli.output import emit, output_option
from eks_win_capacity.core.constants import KUBELET_MAX_PODS
from eks_win_capacity.core.display import records_of
from eks_win_capacity.core.documents import whole
from eks_win_capacity.core.errors import InputError, count_of

if TYPE_CHECKING:
    from eks_win_capacity.addresses.sizes import SubnetNeed
    from eks_win_capacity.addresses.subnet import Subnet
    from eks_win_capacity.addresses.warm_pool import WarmPool

_ADDRESS = re.compile(r"\s*[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+(?![0-9.\w])")
_LABELS = {
    "usable": "usable addresses",
    "used": "used addresses",
    "free": "free addresses",
    "free_outside_reservations": "free addresses outside reservations",
    "blocks": "/28 blocks",
    "kept": "blocks in which AWS keeps addresses",
    "whole_free": "blocks wholly free",
    "partly_used": "blocks partly used",
    "fully_used": "blocks fully used",
    "free_prefixes_best": "free prefixes, best case",
    "free_prefixes_expected": "free prefixes, expected",
    "free_prefixes_worst": "free prefixes, worst case",
}
"""Labels in tables, for names that programs get."""

_NOT_PRINTED = {"why", "prefixes_left", "findings", "guaranteed"}
_RANGE = (
    "nodes: fit wherever EC2 puts their own addresses; expected: the average over positions; "
    "best: in broken blocks first."
)

_SHOWS = ("census", "reservations", "blocks", "fits")


def _used(text: str | None) -> Any:
    """Used addresses from a count, addresses, or a file of addresses or of an EC2 answer."""
    if text is None or re.fullmatch(r"[+-]?[0-9][0-9_,]*", text):
        return None if text is None else int(text.replace(",", ""))
    if _ADDRESS.match(text) and not Path(text).exists():
        return text
    if text != "-" and not Path(text).exists():
        raise InputError(
            f"--used {text!r} is neither a number nor addresses, and no such file exists"
        )
    with click.open_file(text, "rb") as file:
        content = whole.answer_text(text_of(file), text)
    if content.lstrip().startswith(("{", "[")) or whole.looks_like_yaml(content):
        return _document(content, text)
    addresses = re.sub(r"#.*|\|", " ", whole.table_text(content))
    if not addresses.strip():
        raise InputError(f"{text} holds no address; say --used 0 if none is in use")
    return addresses


def _document(content: str, name: str) -> Any:
    """Rows of one answer or several, nested lists included; other documents unchanged."""
    documents = whole.values_in(content, name)
    if len(documents) == 1 and not isinstance(documents[0], list):
        return documents[0]
    rows: list[Any] = []
    for one in documents:
        interfaces = one.get("NetworkInterfaces", [one]) if isinstance(one, dict) else one
        for row in interfaces if isinstance(interfaces, list) else [interfaces]:
            rows += row if isinstance(row, list) else [row]
    return rows


def _fits(
    subnet: Subnet, types: tuple[str, ...], pods: int | None, pool: WarmPool, keep_free: int
) -> list[dict[str, Any]]:
    from eks_win_capacity.addresses import nodes_that_fit

    fits = [
        nodes_that_fit(
            subnet,
            name,
            pods_per_node=(
                _full_pods(name, prefix_delegation=pool.prefix_delegation) if pods is None else pods
            ),
            pool=pool,
            keep_free=keep_free,
        )
        for name in types
    ]
    left_out = ("subnet", "cidr", "zone")
    return [
        {key: value for key, value in fit.to_dict().items() if key not in left_out}
        | {
            "expected": round(fit.expected, 2),
            "findings": [f"{finding.seen}: {finding.why}" for finding in fit.findings],
        }
        for fit in fits
    ]


def _assumed(types: tuple[str, ...], pods: int | None, pool: WarmPool) -> list[str]:
    """Assumptions of the counts of nodes."""
    if pods is not None:
        return []
    full = {name: _full_pods(name, prefix_delegation=pool.prefix_delegation) for name in types}
    return [
        f"each {name} counted full: {count_of(most, 'pod')}, by its addresses and the kubelet's limit of "
        f"{KUBELET_MAX_PODS}; --pods-per-node for another number"
        for name, most in full.items()
    ]


def _full_pods(name: str, *, prefix_delegation: bool) -> int:
    """Pods on a full node of a type with the default max-pods, as every command assumes."""
    from eks_win_capacity.density.max_pods import max_pods

    return int(
        max_pods(name, prefix_delegation=prefix_delegation, kubelet_max_pods=KUBELET_MAX_PODS)
    )


def _smallest(
    nodes: int,
    types: tuple[str, ...],
    pods: int | None,
    pool: WarmPool,
    *,
    keep_free: int,
    output: str,
) -> None:
    """Print the smallest subnets for some nodes, in either mode."""
    from eks_win_capacity.addresses import smallest_subnet

    if not types:
        raise click.UsageError("--smallest-for needs --instance-type")
    mode = pool.prefix_delegation
    pools: dict[str, Any] = {"prefix_pool" if mode else "secondary_pool": pool}
    rows: list[dict[str, Any]] = []
    notes = []
    for name in types:
        each = _full_pods(name, prefix_delegation=mode) if pods is None else pods
        smallest = smallest_subnet(
            nodes=nodes, instance_type=name, pods_per_node=each, keep_free=keep_free, **pools
        )
        for need in (smallest.secondary, smallest.prefix):
            rows.append(_need_row(name, each, need))
            if need.why:
                notes.append(f"{name}, {need.mode}: {need.why}; {need.remedy}")
    notes.append(
        "prefix length: guaranteed to fit, in prefix mode with its prefixes reserved; unreserved: "
        "guaranteed without a reservation"
    )
    emit(
        rows,
        output,
        title=f"Smallest empty subnet for {count_of(nodes, 'node')}",
        note="\n".join(notes),
        assumptions=_assumed(types, pods, pool),
    )


def _need_row(instance_type: str, pods_per_node: int, need: SubnetNeed) -> dict[str, Any]:
    names = ("mode", "prefix_length", "prefix_length_unreserved", "nodes")
    return (
        {"instance_type": instance_type}
        | {name: getattr(need, name) for name in names}
        | {"pods_per_node": pods_per_node}
        | {name: getattr(need, name) for name in ("addresses", "prefixes", "reason")}
    )


@click.command()
@click.argument("cidr", required=False, metavar="[CIDR]")
@click.option(
    "--smallest-for",
    type=click.IntRange(1),
    metavar="NODES",
    help="Without CIDR: the smallest empty subnet for this number of nodes of --instance-type.",
)
@click.option(
    "--used",
    metavar="N|LIST|FILE",
    help=(
        "Used addresses: a number; a comma-separated list of addresses, ranges and "
        "prefixes; or a file (- for stdin) with such a list or the output of aws ec2 "
        "describe-network-interfaces."
    ),
)
@click.option(
    "--reservation",
    "reservations",
    multiple=True,
    metavar="CIDR:TYPE",
    help="A CIDR reservation, prefix or explicit; repeatable.",
)
@click.option("--subnet-id", help="Id of the subnet in the EC2 answer.")
@types_option("Type of the nodes to place.")
@click.option(
    "--pods-per-node",
    type=click.IntRange(0),
    metavar="N",
    help="Pods on each node; by default its capacity.",
)
@mode_option()
@click.option(
    "--configmap",
    "-c",
    type=click.File("rb"),
    help=(
        "ConfigMap amazon-vpc-cni as YAML or JSON, for mode and targets; by default those "
        "of the controller."
    ),
)
@click.option(
    "--keep-free",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Addresses to leave free, such as 16 for the control plane.",
)
@click.option(
    "--show",
    type=click.Choice(_SHOWS),
    help=(
        "Content of JSON and CSV: fits if a type is named, else census. A printed table "
        "shows all but the blocks."
    ),
)
@output_option
def subnet(
    *,
    cidr: str | None,
    smallest_for: int | None,
    used: str | None,
    reservations: tuple[str, ...],
    subnet_id: str | None,
    types: tuple[str, ...],
    pods_per_node: int | None,
    prefix_delegation: bool,
    configmap: IO[bytes] | None,
    keep_free: int,
    show: str | None,
    output: str,
) -> None:
    """
    Show the addresses and blocks of a subnet, and the nodes that still fit.

    \b
    Examples:
      eks-win-capacity subnet 10.0.0.0/24 --used 40
      eks-win-capacity subnet 10.0.0.0/24 --used 10.0.0.9,10.0.0.32/28
      eks-win-capacity subnet 10.0.0.0/24 --used used.txt --reservation 10.0.0.64/26:prefix
      eks-win-capacity subnet 10.0.0.0/22 -t m5.large --pods-per-node 30 --prefix-delegation
      eks-win-capacity subnet --smallest-for 40 -t m5.large --pods-per-node 30
    """  # noqa: D301
    from eks_win_capacity.addresses.subnet import Subnet

    if not types and (show == "fits" or pods_per_node is not None):
        option = "--show fits" if show == "fits" else "--pods-per-node"
        raise click.UsageError(f"{option} needs --instance-type")
    pool = pool_of(configmap, prefix_delegation=prefix_delegation)
    if (cidr is None) == (smallest_for is None):
        raise click.UsageError("give either CIDR or --smallest-for NODES")
    if cidr is None:
        if any(one is not None for one in (used, reservations or None, subnet_id, show)):
            raise click.UsageError("--smallest-for is of an empty subnet: it takes no use of one")
        # They exclude each other, which the type checker cannot infer.
        assert smallest_for is not None  # noqa: S101
        _smallest(smallest_for, types, pods_per_node, pool, keep_free=keep_free, output=output)
        return
    one_subnet = Subnet(cidr, used=_used(used), reservations=reservations, subnet_id=subnet_id)
    chosen = show or ("fits" if types and output != "table" else "census")
    if chosen == "blocks":
        emit(records_of(one_subnet.blocks()), output, title=f"Blocks of {one_subnet.cidr}")
        return
    wanted = chosen == "fits" or output == "table"
    fits = _fits(one_subnet, types, pods_per_node, pool, keep_free) if wanted else []
    assumed = _assumed(types, pods_per_node, pool)
    census = {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in one_subnet.to_dict().items()
    }
    reserved = [_reservation_row(one_subnet, n) for n in range(len(one_subnet.reservations))]
    if output == "table":
        _printed(one_subnet, census, reserved, fits, assumed)
    else:
        rows = {"census": [census], "reservations": reserved, "fits": fits}[chosen]
        emit(rows, output, assumptions=assumed if chosen == "fits" else ())


def _printed(
    one_subnet: Subnet,
    census: dict[str, Any],
    reserved: list[dict[str, Any]],
    fits: list[dict[str, Any]],
    assumed: list[str],
) -> None:
    """Print the census of a subnet, its reservations and the fitting nodes as tables."""
    counts = [
        {"what": _LABELS.get(name, name.replace("_", " ")), "count": value}
        for name, value in census.items()
        if isinstance(value, (int, float))
    ]
    emit(counts, "table", title=f"Census of {one_subnet.cidr}")
    if reserved:
        emit(reserved, "table", title="Reservations")
    if fits:
        lines = [f"{row['instance_type']}: at best, {row['why']}." for row in fits] + [_RANGE]
        emit(
            fits,
            "table",
            columns=[name for name in fits[0] if name not in _NOT_PRINTED],
            lead=_DECIDING,
            title="What fits",
            note="\n".join(lines + [f"{said}." for row in fits for said in row["findings"]]),
            assumptions=assumed,
        )


_DECIDING = ("instance_type", "pods_per_node", "nodes", "expected", "best", "binding")
"""Columns that a narrow terminal shows first."""


def _reservation_row(one_subnet: Subnet, number: int) -> dict[str, Any]:
    """Row of one reservation; with its use only if the used addresses are known."""
    from dataclasses import asdict

    reservation = one_subnet.reservations[number]
    if not one_subnet.placement_known:
        return {"cidr": reservation.cidr, "type": reservation.type}
    return asdict(one_subnet.census.reservations[number])
