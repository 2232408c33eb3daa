"""Commands on a cluster: ``check``, ``cluster``, ``subnets``, ``explain``, ``free-blocks``."""

from __future__ import annotations

from datetime import UTC, datetime
from os.path import commonprefix
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eks_win_capacity.cli.options import mode_option, state_options, types_option
from eks_win_capacity.cli.output import emit, output_options, say, together
from eks_win_capacity.core.display import records_of
from eks_win_capacity.core.findings import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from eks_win_capacity.cluster.pending import PendingPod
    from eks_win_capacity.cluster.state import ClusterState
    from eks_win_capacity.core.findings import Finding

WARNING_FAILED, ERROR_FAILED, UNKNOWN = 3, 4, 5
"""Exit codes of ``check``; 0 means that every check passed."""


def _note_unknown(unknown: list[str], output: str) -> str:
    """Note on unknown parts; for programs it is printed on stderr, separate from the data."""
    if not unknown:
        return ""
    note = "not known: " + "; ".join(unknown)
    if output != "table":
        say(f"eks-win-capacity: {note}", err=True)
    return note


@click.command()
@state_options
@output_options
@click.option("--list", "listing", is_flag=True, help="List all checks without running them.")
@click.option("--all", "everything", is_flag=True, help="Also show checks that passed.")
@click.option(
    "--allow-unknown",
    is_flag=True,
    help="Exit with 0 if nothing failed, even if something is unknown.",
)
@click.option(
    "--write-remedies",
    type=click.Path(file_okay=False),
    help="Write the manifests of remedies into this folder.",
)
@click.option("--save", type=click.Path(dir_okay=False), help="Save the loaded state to this file.")
@click.pass_context
def check(
    ctx: click.Context,
    /,
    *,
    output: str,
    listing: bool,
    everything: bool,
    allow_unknown: bool,
    write_remedies: str | None,
    save: str | None,
    load: Callable[[], ClusterState],
) -> None:
    """
    Check whether a cluster is ready for Windows nodes.

    AWS knows the cluster, its node groups and subnets; kubectl knows nodes, pods, ConfigMaps
    and workloads. Use both: whatever no source contains is reported as unknown.

    \b
    Exit codes:
      0  everything passed
      1  a file or AWS gave no answer, even for one --cluster of several
      2  the command line is wrong
      3  a check of severity warning failed, none of severity error
      4  a check of severity error failed
      5  nothing failed, but something is unknown (--allow-unknown: 0)

    \b
    Examples:
      kubectl get nodes,pods,deployments,services,endpointslices -A -o json > k.json
      kubectl get configmaps -n kube-system -o json > cm.json
      eks-win-capacity check --cluster prod --region eu-west-1 -f k.json -f cm.json
      eks-win-capacity check --cluster prod -f k.json --write-remedies fixes/
      aws eks describe-cluster --name prod > saved/cluster.json
      eks-win-capacity check -f saved/ --output json
    """  # noqa: D301
    from eks_win_capacity.cluster.checks import CHECKS, check_cluster, remedies

    if listing:
        fields = ("code", "severity", "considers", "source")
        rules = [{name: getattr(rule, name) for name in fields} for rule in CHECKS]
        emit(rules, output, lead=fields[:2])
        return
    state = load()
    if save:
        state.save(save)
    findings = check_cluster(state, now=datetime.now(tz=UTC).date())
    bad = sorted(
        (f for f in findings if f.outcome == "fail"), key=lambda f: SEVERITIES.index(f.severity)
    )
    unknown = [f for f in findings if f.outcome == "unknown"]
    shown = [f.to_dict() for f in (findings if everything or output != "table" else bad)]
    if output == "table" and not everything:
        shown = [*_by_subject(bad), *_by_remedy(unknown)]
    columns = ["outcome", "severity", "code", "subject", "seen", "remedy"]
    if output != "table":
        columns += ["why", "source"]
    passed = len(findings) - len(bad) - len(unknown)
    note = f"{len(bad)} failed, {len(unknown)} not known, {passed} passed"
    emit(shown, output, columns=columns, note=note)
    if write_remedies:
        for name in remedies(findings, folder=write_remedies):
            say(f"wrote {Path(write_remedies) / name}", err=True)
    ctx.exit(_exit_code({f.severity for f in bad}, unknown=bool(unknown) and not allow_unknown))


def _by_subject(failed: Iterable[Finding]) -> Iterator[dict[str, Any]]:
    """Table rows of failures; failures of one subject with the same remedy share a row."""
    alike: dict[tuple[str, ...], list[Finding]] = {}
    for one in failed:
        key = (one.code, one.severity, one.subject, one.remedy)
        alike.setdefault(key, []).append(one)
    for ones in alike.values():
        seen = list(dict.fromkeys(one.seen for one in ones))
        # The common beginning of the sentences is printed once.
        same = commonprefix(seen)  # noqa: RUF071
        same = same[: same.rfind(" ") + 1] if len(seen) > 1 else ""
        rest = "; ".join(text.removeprefix(same) for text in seen)
        yield {**ones[0].to_dict(), "seen": same + rest}


def _by_remedy(unknown: Iterable[Finding]) -> Iterator[dict[str, Any]]:
    """Table rows of unknown outcomes; checks with the same remedy share a row."""
    alike: dict[tuple[str, str], list[Finding]] = {}
    for one in unknown:
        alike.setdefault((one.remedy, one.subject), []).append(one)
    for ones in alike.values():
        parts: dict[str, dict[str, None]] = {}
        for part in (
            part for one in ones for part in one.seen.removeprefix(_NOT_KNOWN).split("; ")
        ):
            what, _, why = part.partition(": ")
            parts.setdefault(why, {})[what] = None
        seen = "; ".join(f"{', '.join(whats)}{why and f': {why}'}" for why, whats in parts.items())
        more = {"seen": _NOT_KNOWN + seen} if len(ones) > 1 else {}
        yield {
            **ones[0].to_dict(),
            "severity": min((one.severity for one in ones), key=SEVERITIES.index),
            "code": ", ".join(one.code for one in ones),
            **more,
        }


_NOT_KNOWN = "not known: "
"""Beginning of such a finding."""


def _exit_code(severities: set[str], *, unknown: bool) -> int:
    """Exit code: the most severe failure, or else whether anything is unknown."""
    if "error" in severities:
        return ERROR_FAILED
    if "warning" in severities:
        return WARNING_FAILED
    return UNKNOWN if unknown else 0


_further_nodes = together(
    types_option("Type of additional nodes; repeatable.", "--type"),
    click.option("--pods-per-node", type=click.IntRange(1), help="Pods on each additional node."),
)
"""Options for additional nodes."""


@click.command()
@state_options
@output_options
@_further_nodes
@click.option("--total", "summed", is_flag=True, help="Show only the sum over all nodes.")
def cluster(
    *,
    output: str,
    types: tuple[str, ...],
    pods_per_node: int | None,
    summed: bool,
    load: Callable[[], ClusterState],
) -> None:
    """
    Report the capacity, use and head-room of each Windows node.

    \b
    Examples:
      kubectl get nodes,pods -A -o json > k.json
      eks-win-capacity cluster -f k.json
      eks-win-capacity cluster --cluster prod -f k.json --output json
    """  # noqa: D301
    from eks_win_capacity.cluster import cluster_report
    from eks_win_capacity.cluster.pending import WHY

    report = cluster_report(load(), types=list(types) or None, pods_per_node=pods_per_node)
    (total,) = records_of(report.total.astype(object).to_frame().T)
    unknown = _note_unknown(list(report.unknown), output)
    if summed:
        emit([total], output, note=unknown)
        return
    rows = records_of(report.nodes)
    sums = (
        f"{name.replace('_', ' ')} {'unknown' if v is None else f'{v:,}'}"
        for name, v in total.items()
        if v or name not in {"no_address_pods", "attachable"}
    )
    reasons = report.differences.drop_duplicates("reason")
    notes = [
        "total: " + ", ".join(sums),
        *(f"{row.reason}: {row.why}" for row in reasons.itertuples()),
        *(f"{code}: {WHY[code]}" for code in sorted({*report.nodes["blocked"]} - {""})),
        *_attachable_note(rows),
        *([unknown] if unknown else []),
    ]
    columns = list(report.nodes.columns)
    if output == "table":
        # Long sentences would leave no width for numbers on a narrow terminal.
        notes += [f"{row['node']}: {row['evidence']}" for row in rows if row["evidence"]]
        columns = [name for name in columns if name not in _idle(rows)]
    emit(rows, output, columns=columns, lead=_DECIDING, note="\n".join(notes))


def _idle(rows: list[dict[str, Any]]) -> set[str]:
    """Columns that a table leaves out: rare ones that are empty, and those in the notes."""
    rare = ("difference", "reason", "no_address_pods", "blocked")
    idle = {name for name in rare if not any(row[name] for row in rows)}
    if all(row["attachable"] is None for row in rows):
        idle.add("attachable")
    return {*idle, "evidence"}


_DECIDING = (
    "node", "headroom", "capacity", "pods", "instance_type", "ready", "binding", "attachable",
    "no_address_pods", "blocked",
)  # fmt: skip
"""Columns of a node that a narrow terminal shows first."""


def _attachable_note(rows: list[dict[str, Any]]) -> Iterator[str]:
    if any(row["attachable"] is not None for row in rows):
        yield (
            "attachable: pods that can still get an address, by the interfaces and the subnets; "
            "nodes of one subnet share its addresses only in the total; the head-room is not higher"
        )
    if any(row["no_address_pods"] for row in rows):
        yield "no address pods: they did not request a pod address, so they never get one (explain)"


@click.command()
@state_options
@output_options
@_further_nodes
@click.option(
    "--add-subnet",
    "added",
    multiple=True,
    metavar="CIDR",
    help="Add this empty subnet; repeatable.",
)
@mode_option(None, more=", for additional nodes; overrides the ConfigMap")
def subnets(
    *,
    output: str,
    types: tuple[str, ...],
    pods_per_node: int | None,
    added: tuple[str, ...],
    prefix_delegation: bool | None,
    load: Callable[[], ClusterState],
) -> None:
    """
    Show each subnet: what is free, who uses it, how many more nodes fit.

    How many fit depends on the mode and the warm targets of ConfigMap amazon-vpc-cni.

    \b
    Examples:
      eks-win-capacity subnets --cluster prod -t m5.large --prefix-delegation
      kubectl get configmap -n kube-system amazon-vpc-cni -o json > cni.json
      eks-win-capacity subnets --cluster prod -f cni.json -t m5.large
      eks-win-capacity subnets -f saved/ -t m5.large --add-subnet 10.0.64.0/22
      aws ec2 describe-subnets --filters Name=vpc-id,Values=vpc-1 > saved/subnets.json
      aws ec2 describe-network-interfaces \\
          --filters Name=vpc-id,Values=vpc-1 > saved/interfaces.json
      eks-win-capacity subnets -f saved/
    """  # noqa: D301
    from eks_win_capacity.cluster import cluster_report
    from eks_win_capacity.cluster.state import ClusterState, needs_state
    from eks_win_capacity.core.errors import InputError

    state = needs_state(load())
    if state.subnets is None:
        raise InputError(f"subnets are not known: {state.unknown['subnets']}")
    state = _with_subnets(state, added)
    if state.nodes is None:
        state = state.merge(ClusterState(nodes=()))
    if prefix_delegation is not None:
        state = _in_mode(state, prefixes=prefix_delegation)
    report = cluster_report(state, types=list(types) or None, pods_per_node=pods_per_node)
    users = {subnet.subnet_id: subnet.users for subnet in state.subnets or ()}
    names = dict.fromkeys(kind for kinds in users.values() for kind in kinds or ())
    rows = [row | _uses(users[row["subnet_id"]], names) for row in records_of(report.subnets)]
    more = [name for name in report.subnets.columns if name.startswith("more_")]
    emit(
        rows,
        output,
        columns=[*report.subnets.columns, *(kind.replace(" ", "_") for kind in names)],
        lead=["subnet_id", "cidr", "free", "free_prefixes", *more],
        note=_note_unknown(_hidden(state, counted=bool(more)), output),
        assumptions=report.assumptions,
    )


def _hidden(state: ClusterState, *, counted: bool) -> list[str]:
    """Unknown parts of the subnets, and of additional nodes if they are counted."""
    hidden = [
        f"{part}: {why}"
        for part, why in state.unknown.items()
        if part.startswith("subnet_") and part != "subnet_ids"
    ]
    if counted and state.cni_configmap is None:
        hidden.append(
            "further nodes: give ConfigMap kube-system/amazon-vpc-cni, --prefix-delegation or "
            "--no-prefix-delegation"
        )
    return hidden


def _uses(users: Mapping[str, int] | None, kinds: Iterable[str]) -> dict[str, int | None]:
    """Addresses by kind of user; None if the users are not known."""
    return {kind.replace(" ", "_"): None if users is None else users.get(kind, 0) for kind in kinds}


def _with_subnets(state: ClusterState, added: tuple[str, ...]) -> ClusterState:
    """The state with additional empty subnets."""
    from dataclasses import replace

    from eks_win_capacity.addresses.subnet import Subnet
    from eks_win_capacity.cluster.records import SubnetState
    from eks_win_capacity.core.errors import InputError

    new = []
    for cidr in added:
        empty = Subnet(cidr)
        over = [one.subnet_id for one in state.subnets or () if _overlap(one.cidr, empty.cidr)]
        if over:
            raise InputError(f"--add-subnet {cidr} overlaps {', '.join(over)}")
        new.append(
            SubnetState(
                subnet_id=f"new {empty.cidr}",
                cidr=str(empty.cidr),
                available=empty.usable,
                used=(),
                reservations=(),
                users={},
            )
        )
    return replace(state, subnets=(*(state.subnets or ()), *new)) if new else state


def _overlap(one: str, other: str) -> bool:
    from ipaddress import ip_network

    return ip_network(one, strict=False).overlaps(ip_network(other, strict=False))


def _in_mode(state: ClusterState, *, prefixes: bool) -> ClusterState:
    """The state with the ConfigMap set to a mode; warm targets stay."""
    from dataclasses import replace

    from eks_win_capacity.addresses.targets import asking

    rest = {part: why for part, why in state.unknown.items() if part != "cni_configmap"}
    data = {**(state.cni_configmap or {}), **asking(prefixes=prefixes)}
    return replace(state, cni_configmap=data, unknown=rest)


@click.command()
@state_options
@output_options
@click.argument("pods", metavar="[POD]...", nargs=-1)
def explain(*, output: str, pods: tuple[str, ...], load: Callable[[], ClusterState]) -> None:
    """
    Explain why Windows pods are pending, and the smallest change that helps.

    POD is a name or NAMESPACE/NAME; all pending pods by default. Pods of one ReplicaSet
    with the same cause are shown once, with their number.

    \b
    Examples:
      kubectl get nodes,pods,deployments,events -A -o json > k.json
      eks-win-capacity explain -f k.json
      eks-win-capacity explain -f k.json shop/web-5d7c9
    """  # noqa: D301
    from eks_win_capacity.cluster import explain_pending

    if files := [name for name in pods if Path(name).exists()]:
        raise click.UsageError(f"{files[0]} is a file or folder, and not a pod: give it as -f")
    state = load()
    rows = _once_for_each_owner(_chosen(list(explain_pending(state)), pods, state))
    if not rows and output == "table":
        say("no Windows pod is pending")
        return
    columns = ["pod", "pods", "cause", "why", "evidence", "change", "remedy", "also", "message"]
    if output == "json":
        columns += ["owner", "names", "causes", "waiting", "options"]
    else:
        rows = [{**row, "evidence": "; ".join(row["evidence"])} for row in rows]
    emit(rows, output, columns=columns)


def _chosen(
    pending: list[PendingPod], names: tuple[str, ...], state: ClusterState
) -> list[PendingPod]:
    """Pending pods with the given names; a name without a pending pod raises an error."""
    from difflib import get_close_matches

    from eks_win_capacity.core.errors import InputError

    if not names:
        return pending
    waiting = {row.pod for row in pending}
    chosen: set[str] = set()
    for name in names:
        same = {pod for pod in waiting if name in {pod, pod.partition("/")[2]}}
        if not same:
            phases = [
                f"{pod.full_name} is {pod.phase or 'of unknown phase'}"
                for pod in state.pods or ()
                if name in {pod.full_name, pod.name}
            ]
            known = [pod.partition("/")[2] for pod in waiting] + sorted(waiting)
            close = " or ".join(map(repr, get_close_matches(name, known)))
            why = "; ".join(phases[:3]) or "no such pod was loaded"
            hint = f". Did you mean {close}?" if close else ""
            raise InputError(f"POD {name!r} is not a Windows pod that waits: {why}{hint}")
        chosen |= same
    return [row for row in pending if row.pod in chosen]


def _once_for_each_owner(pending: list[PendingPod]) -> list[dict[str, Any]]:
    """One row for the pending pods of each owner and cause, with the first pod's name."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for pod in pending:
        namespace = pod.pod.partition("/")[0]
        # Emptying a node helps its own pods; other changes help all pods of an owner.
        node = pod.remedy if pod.change == "empty-node" else ""
        key = (namespace, pod.owner or pod.pod, pod.cause, pod.change, node, *pod.also)
        row = rows.setdefault(key, {**pod.to_dict(), "names": []})
        row["names"].append(pod.pod)
        # Pods that are not created yet have no names.
        row["pods"] = row.get("pods", 0) + pod.pods
    return list(rows.values())


@click.command("free-blocks")
@state_options
@click.option(
    "--subnet-id", "--subnet", "subnet_id", metavar="ID", help="Only this subnet; all by default."
)
@click.option("--blocks", type=click.IntRange(1), metavar="N", help="Whole /28 blocks wanted.")
@output_options
def free_blocks(
    *, output: str, subnet_id: str | None, blocks: int | None, load: Callable[[], ClusterState]
) -> None:
    """
    Find the nodes to drain to free whole /28 blocks, the cheapest first.

    Rows are steps: each drains its nodes after those of the rows above. Pods of DaemonSets do
    not move and are not counted.

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
        "subnet_id", "nodes", "pods", "blocks", "total_blocks", "addresses", "serves", "cidrs",
    ]  # fmt: skip
    if not steps and output == "table":
        say("draining Windows nodes frees no whole /28 block")
        return
    emit(
        [step.to_dict() for step in steps],
        output,
        columns=columns if output == "table" else [*columns, "remedy"],
        note="\n".join(
            [
                *_too_few({step.subnet_id: step.total_blocks for step in steps}, blocks or 0),
                "move the pods elsewhere: a new node in the same subnet takes addresses again",
                *(step.remedy for step in steps[:3]),
            ]
        )
        if steps
        else "",
    )


def _too_few(free: dict[str, int], wanted: int) -> list[str]:
    return [
        f"{subnet}: {number:,} of the {wanted:,} blocks wanted come free: no other node frees one"
        for subnet, number in free.items()
        if number < wanted
    ]
