"""The command ``plan``: the cheapest nodes for some workloads."""

from __future__ import annotations

import ipaddress
import itertools
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from eks_win_capacity.cli.options import TYPE_NAME, file_argument, kubelet_option, note_kubelet
from eks_win_capacity.cli.output import document_of, emit, output_options, say, together
from eks_win_capacity.cli.plan_files import read_current_file, read_price_file, read_workload_file
from eks_win_capacity.core.constants import KUBELET_MAX_PODS
from eks_win_capacity.core.documents import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eks_win_capacity.addresses.warm_pool import WarmPool
    from eks_win_capacity.cluster.state import ClusterState
    from eks_win_capacity.planning import FleetPlan


def _read(function: Callable[[Any], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Option callback that converts the value with a function."""
    return lambda _context, _parameter, value: function(value)


def _pairs(_context: click.Context, option: click.Parameter, values: Any) -> dict[str, Any]:
    """Option callback for repeated NAME=VALUE."""
    pairs: dict[str, Any] = {}
    for value in values:
        name, sign, setting = (part.strip() for part in value.partition("="))
        if not sign or not name or not setting:
            raise click.BadParameter(f"{value!r} is not {str(option.metavar).replace('|', ' or ')}")
        if name in pairs:
            raise click.BadParameter(f"{name} is given twice")
        pairs[name] = setting
    return pairs


def _subnets(values: tuple[str, ...]) -> list[Any] | None:
    """Subnets from ``[ZONE=]CIDR[,USED]``, with USED a count or addresses separated by +."""
    if not values:
        return None
    from eks_win_capacity.addresses.subnet import Subnet

    subnets = []
    for value in values:
        zone, sign, rest = value.rpartition("=")
        cidr, _, used = rest.partition(",")
        occupied: Any = None
        if used.strip():
            occupied = int(used) if used.strip().isdigit() else used.strip().split("+")
        subnets.append(Subnet(cidr.strip(), used=occupied, zone=zone.strip() if sign else None))
    networks = sorted(ipaddress.ip_network(subnet.cidr) for subnet in subnets)
    for first, second in itertools.pairwise(networks):
        if first != second and first.overlaps(second):
            raise click.BadParameter(
                f"{first} and {second} overlap: what is free there would count twice",
                param_hint="--subnet",
            )
    return subnets


def _daemons(
    context: click.Context, option: click.Parameter, values: tuple[str, ...]
) -> list[dict[str, Any]]:
    daemons = []
    for name, requests in _pairs(context, option, values).items():
        cpu, memory, *more = [*(part.strip() for part in requests.split(",")), ""][:3]
        if more and more[0] not in {"", "host"}:
            raise click.BadParameter(f"{requests!r} is not CPU,MEMORY[,host]")
        host = bool(more and more[0])
        daemons.append({"name": name, "cpu": cpu or 0, "memory": memory or 0, "host_process": host})
    return daemons


def _licence(value: str) -> str | float:
    if value in {"included", "own"}:
        return value
    try:
        return float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is none of included, own and a price") from None


def _extended(values: tuple[str, ...]) -> dict[str, dict[str, int]]:
    by_type: dict[str, dict[str, int]] = {}
    for value in values:
        name, _, amount = value.partition("=")
        resource, sign, number = amount.rpartition(":")
        if not (name and sign and resource and number.strip().isdigit()):
            raise click.BadParameter(f"{value!r} is not TYPE=RESOURCE:N")
        amounts = by_type.setdefault(name.strip(), {})
        if resource.strip() in amounts:
            raise click.BadParameter(f"{resource.strip()} of {name.strip()} is given twice")
        amounts[resource.strip()] = int(number)
    return by_type


def _pool(file: str | None, state: ClusterState | None, mode: bool | None) -> WarmPool | None:  # noqa: FBT001
    """
    Warm pool from a ConfigMap, or else from the state of the cluster.

    None if its mode is not the requested one, so that the defaults of that mode apply.
    """
    from eks_win_capacity.addresses.warm_pool import WarmPool
    from eks_win_capacity.cluster.state import needs_state

    if file is not None:
        pool = WarmPool.from_configmap(whole.text_of(whole.file_bytes(file), file))
    elif state is not None and (data := needs_state(state).cni_configmap) is not None:
        pool = WarmPool.from_configmap(dict(data))
    else:
        return None
    return pool if mode in {None, pool.prefix_delegation} else None


_EXISTING = click.Path(exists=True, dir_okay=False)
_options = together(
    click.option(
        "--candidate",
        "--instance-type",
        "-t",
        "candidates",
        type=TYPE_NAME,
        multiple=True,
        callback=_read(lambda types: types or None),
        help="An instance type, or a pattern such as 'm5.*'; repeatable.",
    ),
    click.option(
        "--subnet",
        "subnets",
        multiple=True,
        callback=_read(_subnets),
        metavar="[ZONE=]CIDR[,USED]",
        help="Subnet in which nodes may run; repeatable.",
    ),
    click.option(
        "--prices",
        type=_EXISTING,
        callback=_read(read_price_file),
        help="CSV of instance type and price per hour.",
    ),
    click.option(
        "--objective",
        type=click.Choice(["cost", "nodes", "addresses"]),
        default="cost",
        show_default=True,
        help="What to minimise.",
    ),
    click.option(
        "--prefix-delegation/--no-prefix-delegation",
        default=None,
        help="Whether each slot holds a /28 prefix or one address.",
    ),
    click.option(
        "--secondary",
        "prefix_delegation",
        is_flag=True,
        flag_value=False,
        default=None,
        hidden=True,
    ),
    click.option(
        "--configmap",
        "-c",
        "--pool",
        "pool",
        type=_EXISTING,
        help="ConfigMap amazon-vpc-cni with the warm targets.",
    ),
    kubelet_option(KUBELET_MAX_PODS, "The kubelet's limit, or none."),
    click.option(
        "--reserved",
        multiple=True,
        callback=lambda *asked: _pairs(*asked) or None,
        metavar="cpu=Q|memory=Q",
        help="CPU or memory reserved on nodes; repeatable.",
    ),
    click.option(
        "--daemonset",
        "daemonsets",
        multiple=True,
        callback=_daemons,
        metavar="NAME=CPU,MEMORY[,host]",
        help="A pod on every node; host means that it takes no address.",
    ),
    click.option("--node-cost", type=float, help="Cost of a node in addition to its instance."),
    click.option("--surge", default="0", show_default=True, help="Extra pods: a number or 25%."),
    click.option(
        "--zone",
        "zones",
        multiple=True,
        callback=_read(lambda zones: zones or None),
        help="A zone to spread over, if no subnets are given; repeatable.",
    ),
    click.option(
        "--zone-lost", is_flag=True, help="Keep enough room for the loss of any one zone."
    ),
    click.option(
        "--max-types", type=click.IntRange(min=1), help="Maximum number of instance types."
    ),
    click.option(
        "--limit",
        "limits",
        multiple=True,
        callback=_pairs,
        metavar="NAME=NODES",
        help=(
            "Maximum number of nodes of a type or in a zone; nodes=N limits all nodes, "
            "addresses=N their addresses."
        ),
    ),
    click.option(
        "--current",
        multiple=True,
        callback=lambda *asked: _pairs(*asked) if "=" in "".join(asked[-1]) else asked[-1],
        metavar="TYPE=NODES|FILE",
        help=(
            "Current nodes: counts by type, a table of instance_type, nodes and zone, or "
            "the state of a cluster; 'state' is the one in FILE. Shows what to keep, add "
            "and drain."
        ),
    ),
    click.option(
        "--max-replaced",
        type=click.IntRange(min=0),
        metavar="N",
        help="Maximum number of current nodes to drain.",
    ),
    click.option(
        "--launcher",
        type=click.Choice(["eksctl", "managed", "autoscaler", "karpenter"]),
        default="eksctl",
        show_default=True,
        help="Who starts the nodes, and whose estimate of their capacity counts.",
    ),
    click.option(
        "--spot-share",
        type=click.FloatRange(0, 1),
        default=0.0,
        help="Share of each workload's pods that may run on Spot.",
    ),
    click.option(
        "--spot-prices",
        type=_EXISTING,
        callback=_read(read_price_file),
        help="CSV of instance type and Spot price per hour.",
    ),
    click.option(
        "--paid",
        multiple=True,
        callback=_pairs,
        metavar="TYPE=NODES",
        help="Nodes that are already paid for.",
    ),
    click.option(
        "--licence",
        default="included",
        show_default=True,
        callback=_read(_licence),
        metavar="included|own|PRICE",
        help="Whether prices include the Windows licence; a price is added per vCPU and hour.",
    ),
    click.option(
        "--min-types",
        type=click.IntRange(min=1),
        default=1,
        help="Minimum number of instance types.",
    ),
    click.option(
        "--at-least",
        multiple=True,
        callback=_pairs,
        metavar="NAME=NODES",
        help="Minimum number of nodes of a type, in a zone, or in total (nodes=N).",
    ),
    click.option(
        "--extended",
        "extended_resources",
        multiple=True,
        callback=_read(_extended),
        metavar="TYPE=RESOURCE:N",
        help="Extended resource of nodes of a type; repeatable.",
    ),
    click.option(
        "--time-limit",
        "time_limit_s",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        default=30.0,
        show_default=True,
        help="Stop after this time with the best plan found.",
    ),
    click.option(
        "--state-subnets/--no-state-subnets",
        default=True,
        show_default=True,
        help="For the state of a cluster: respect the free addresses of its subnets.",
    ),
    click.option(
        "--no-compare",
        "compare",
        is_flag=True,
        flag_value=False,
        default=True,
        help="Do not compare with a single type and the other address mode.",
    ),
    click.option("--snippets", is_flag=True, help="Print YAML for eksctl and Karpenter."),
    click.option(
        "--emit",
        "snippet",
        type=click.Choice(["nodegroup", "karpenter", "nodeclass"]),
        help="Print only this YAML document.",
    ),
    click.option("--explain", is_flag=True, help="Explain the plan in words."),
)


@click.command()
@file_argument(kind=click.Path(exists=True, allow_dash=True))
@_options
@output_options
def plan(
    file: str,
    *,
    subnets: list[Any] | None,
    pool: str | None,
    current: dict[str, Any] | tuple[str, ...],
    state_subnets: bool,
    snippets: bool,
    snippet: str | None,
    explain: bool,
    output: str,
    **options: Any,
) -> None:
    """
    Find the cheapest nodes for the workloads in FILE.

    FILE is CSV or YAML with name, replicas, cpu, memory and, optionally, host_process,
    zone_spread, max_skew, allowed_types, anti_affinity, max_per_node, gpu; or the saved state
    of a cluster (a file, or the folder that check reads) with its Windows pods; or manifests
    such as Deployments, in a file or a folder; - is stdin. Ctrl-C stops with the best plan so
    far.

    \b
    Examples:
      eks-win-capacity plan workloads.csv --objective nodes --explain
      eks-win-capacity plan workloads.yaml --prices prices.csv --emit karpenter
      eks-win-capacity plan workloads.csv --subnet a=10.0.0.0/24,100 --subnet b=10.0.1.0/24
      eks-win-capacity plan saved/ -t 'm5.*large' --current state
      eks-win-capacity plan workloads.csv --current m5.2xlarge=9 --max-replaced 3
      kubectl get nodes,pods -A -o json | eks-win-capacity plan -
    """  # noqa: D301
    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.cluster.cluster_view import starting_subnets
    from eks_win_capacity.cluster.state import ClusterState
    from eks_win_capacity.planning import plan_fleet

    given = read_workload_file(file)
    state = given if isinstance(given, ClusterState) else None
    if state is not None and subnets is None and state_subnets and not options["zones"]:
        subnets = starting_subnets(state, Catalog.bundled())
    _note(given, subnets, anew=not current)
    candidates = Catalog.bundled().filter(names=options["candidates"])
    note_kubelet(options["kubelet_max_pods"], candidates.values())
    options["buy"] = {name: options.pop(name) for name in _BUYING}
    fleet = plan_fleet(
        given,
        subnets=subnets,
        pool=_pool(pool, state, options["prefix_delegation"]),
        current=_current(current, state),
        progress=_show_progress,
        **options,
    )
    _print(fleet, output, "all" if snippets else snippet, explain=explain)


_BUYING = ("licence", "spot_share", "spot_prices", "paid")
"""Options on purchasing, which become one argument of `plan_fleet`."""


def _current(values: dict[str, Any] | tuple[str, ...], state: ClusterState | None) -> Any:
    """The running nodes: counts, one file, or the state in FILE."""
    if not values:
        return None
    if isinstance(values, dict):
        return values
    if len(values) > 1:
        raise click.BadParameter("give one file, or counts", param_hint="--current")
    if values[0] == "state":
        if state is None:
            raise click.BadParameter("FILE is not the state of a cluster", param_hint="--current")
        return state
    return read_current_file(values[0])


def _note(given: Any, where: list[Any] | None, *, anew: bool) -> None:
    """Print what a state does not contain, and how running nodes and subnets are treated."""
    from eks_win_capacity.cluster.serving import other_requests
    from eks_win_capacity.cluster.state import ClusterState

    if not isinstance(given, ClusterState):
        return
    say(
        "planning for the Windows pods of the state, by owner and requests; what spreads or "
        "keeps apart pods is not in it",
        err=True,
    )
    if others := other_requests(given):
        say(f"the plan does not look at {others}", err=True)
    if given.only_namespace:
        say(
            f"all pods of the state are of {given.only_namespace}: those of other namespaces are not "
            "planned for (kubectl get pods -A)",
            err=True,
        )
    if where is not None and given.subnets:
        say(
            (
                "new nodes are added to the current nodes, within the free addresses of "
                "the subnets; --current state keeps the nodes worth keeping, "
                if anew
                else "new nodes use the free addresses of the subnets; "
            )
            + "--no-state-subnets leaves subnets out",
            err=True,
        )


def _show_progress(cost: float, bound: float) -> None:
    """Show progress on stderr if it is a terminal."""
    if sys.stderr.isatty():
        above = 100 * (cost / bound - 1) if bound > 0 else None
        known = "" if above is None else f", at most {above:.2f} % above the minimum"
        say(f"cost {cost:,.6g}{known}", err=True)


_SNIPPETS: Mapping[str, tuple[str, ...]] = {
    "nodegroup": ("node_groups",),
    "karpenter": ("karpenter",),
    "nodeclass": ("karpenter_node_class",),
    "all": ("node_groups", "karpenter", "karpenter_node_class"),
}


def _print(fleet: FleetPlan, output: str, snippet: str | None, *, explain: bool) -> None:
    if output == "json" and not snippet:
        click.echo(json.dumps(fleet.to_dict() | _printed(fleet), indent=2, allow_nan=False))
    elif not fleet.feasible:
        say(fleet.explain(), err=output == "csv" or bool(snippet))
    elif snippet:
        texts = [getattr(fleet, name)() for name in _SNIPPETS[snippet]]
        say("---\n".join(texts), nl=False)
    elif explain:
        say(fleet.explain())
    else:
        _table(fleet, output)
    if not fleet.feasible:
        click.get_current_context().exit(1)


def _printed(fleet: FleetPlan) -> dict[str, Any]:
    """JSON object of a plan, as every command prints it."""
    from eks_win_capacity.planning import summary_lines
    from eks_win_capacity.planning.plan_values import COLUMNS

    lines = summary_lines(fleet) if fleet.feasible else [fleet.explain()]
    return document_of(fleet.rows(), COLUMNS, lines)


def _table(fleet: FleetPlan, output: str) -> None:
    """Print the kinds of nodes; a table leaves out optional columns that are empty."""
    from eks_win_capacity.planning import summary_lines
    from eks_win_capacity.planning.plan_values import COLUMNS

    rows = fleet.rows()
    if output == "csv":
        emit(rows, output, columns=COLUMNS)
        return
    columns = [
        name
        for name in COLUMNS
        if name not in _OPTIONAL or any(row[name] not in {None, "", 0, "on-demand"} for row in rows)
    ]
    month = {row["cost_per_month"] is not None for row in rows} == {True}
    shown = [
        {
            **row,
            "cost": round(row["cost"], 4),
            "cost_per_month": round(row["cost_per_month"], 2) if month else None,
        }
        for row in rows
    ]
    note = "\n".join(summary_lines(fleet))
    if shown:
        emit(shown, output, columns=columns, lead=_DECIDING, title="Cheapest fleet", note=note)
    else:
        say(note)


_OPTIONAL = frozenset({"zone", "subnet", "purchase", "prefixes_per_node", "cost_per_month"})
"""Columns that a table shows only if they have values."""

_DECIDING = ("instance_type", "zone", "subnet", "nodes", "pods_per_node", "binds", "cost")
