"""Content of the page: for each cluster the sections in a manager's order of questions; sources."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from eks_win_capacity.core.display import Listed, Shown, records_of
from eks_win_capacity.core.errors import count_of
from eks_win_capacity.forecast.show import chance, day
from eks_win_capacity.html_report.page_parts import (
    SCRIPT,
    STYLE,
    Markup,
    listed,
    paragraph,
    policy,
    stacked,
    table,
    to_copy,
)
from eks_win_capacity.html_report.pictures import PATTERNS, block_map, fan
from eks_win_capacity.planning.summary import summary_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eks_win_capacity.cluster.pending import PendingPod
    from eks_win_capacity.cluster.report import ClusterReport
    from eks_win_capacity.cluster.state import ClusterState
    from eks_win_capacity.core.findings import Finding
    from eks_win_capacity.forecast import ExhaustionForecast
    from eks_win_capacity.planning import FleetPlan


@dataclass(frozen=True, kw_only=True)
class ClusterPart(Shown):
    """
    The results for one cluster.

    Attributes
    ----------
    name : str
    state : ClusterState
    capacity : ClusterReport or None
    findings : Listed of Finding
    pending : Listed of PendingPod, or None
    plan : FleetPlan or None
        Starts from the nodes that are running now.
    missing : mapping of str to str
        Why ``capacity``, ``pending`` or ``plan`` is None.
    """

    name: str
    state: ClusterState
    findings: Listed[Finding]
    capacity: ClusterReport | None = None
    pending: Listed[PendingPod] | None = None
    plan: FleetPlan | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Name, failed and unknown checks, pending pods, and reasons for missing results."""
        return {
            "cluster": self.name,
            "failed": len(self.findings.failed),
            "unknown": len(self.unknown),
            "waiting": self.waiting,
            "missing": dict(self.missing),
        }

    @property
    def waiting(self) -> int | None:
        """Number of pending pods; None if not known."""
        return None if self.pending is None else sum(pod.pods for pod in self.pending)

    def _fields_shown(self) -> dict[str, Any]:
        return self.to_dict()

    @property
    def unknown(self) -> Listed[Finding]:
        """Checks with the outcome unknown."""
        return self.findings.where(lambda finding: finding.outcome == "unknown")

    @property
    def subnet_ids(self) -> frozenset[str]:
        """Names of the cluster's subnets that a history may use."""
        return frozenset(subnet.subnet_id for subnet in self.state.subnets or ())


MOST_FANS = 12
"""Maximum number of forecast charts, for the most urgent subnets; the table has all."""

MOST_MAPS = 60
"""Maximum number of block maps, for the subnets with the fewest free blocks."""

_SEVERITY = {"error": ("bad", "Error"), "warning": ("warn", "Warning"), "info": ("soft", "Note")}


def key_points(part: ClusterPart, urgent: str) -> list[str]:
    """Main results of one cluster, one sentence each; `urgent` is empty without a history."""
    points = []
    if part.capacity is not None and "nodes" not in part.state.unknown:
        total = part.capacity.total
        room = total["headroom"]
        more = "unknown" if pd.isna(room) else count_of(int(room), "further pod")
        points.append(f"Head-room now: {more} on {count_of(int(total['nodes']), 'Windows node')}.")
    if urgent:
        points.append(f"First to run out of addresses: {urgent}.")
    failed = part.findings.failed
    errors = sum(finding.severity == "error" for finding in failed)
    points.append(
        f"Checks: {count_of(len(failed), 'check fails', 'checks fail')}, {errors:,} of them as an "
        f"error; {len(part.unknown):,} are unknown."
    )
    if part.pending is not None:
        waiting = count_of(part.waiting or 0, "Windows pod waits", "Windows pods wait")
        by_reason = Counter[str]()
        for pod in part.pending:
            by_reason[pod.why] += pod.pods
        pods = by_reason.most_common()
        reasons = [f"{why} ({number:,})" if len(pods) > 1 else why for why, number in pods]
        each = ", each because " if part.waiting != 1 else " because "
        points.append(f"{waiting}{each + ', or because '.join(reasons) if reasons else ''}.")
    if part.plan is not None and part.plan.feasible:
        points.append(" ".join(str(part.plan.diff()).splitlines()))
    return points


def head_room(part: ClusterPart) -> str:
    """Section on capacity, use and head-room, by type and zone, and by node."""
    if part.capacity is None:
        return paragraph(part.missing["capacity"])
    if "nodes" in part.state.unknown and part.state.nodes is None:
        return paragraph(f"Nodes are not known: {part.state.unknown['nodes']}")
    nodes = part.capacity.nodes
    columns = {
        "instance_type": "Type", "zone": "Zone", "binding": "What binds", "nodes": "Nodes",
        "capacity": "Pods they take", "pods": "Pods they run", "headroom": "Head-room",
    }  # fmt: skip
    each = {
        "node": "Node", "instance_type": "Type", "zone": "Zone", "ready": "Ready",
        "binding": "What binds", "capacity": "Pods it takes", "pods": "Pods it runs",
        "headroom": "Head-room",
    }  # fmt: skip
    reasons = part.capacity.differences.drop_duplicates("reason")
    return stacked(
        table("Windows nodes by type, zone and what binds", columns, records_of(_by_kind(nodes))),
        paragraph(
            "Head-room is in additional pods of typical size, for each node separately; "
            "the total above counts addresses that several nodes share only once.",
            "soft",
        ),
        listed([f"{row.reason}: {row.why}" for row in reasons.itertuples()]),
        table(f"Each of {count_of(len(nodes), 'node')}", each, records_of(nodes), large=True),
    )


def _by_kind(nodes: pd.DataFrame) -> pd.DataFrame:
    """Sums by type, zone and binding limit; unknown if a value is unknown."""
    sums = ["nodes", "capacity", "pods", "headroom"]
    by_kind = nodes.assign(binding=nodes["binding"].fillna("unknown"), nodes=1).groupby(
        ["instance_type", "zone", "binding"], dropna=False
    )[sums]
    known = by_kind.count().eq(by_kind.size(), axis=0)
    return by_kind.sum(min_count=1).where(known).reset_index()


_SUBNETS: Final = {
    "subnet_id": "Subnet",
    "zone": "Zone",
    "cidr": "CIDR",
    "usable": "Usable addresses",
    "used": "Used",
    "free": "Free",
    "free_prefixes_worst": "Free /28 blocks, guaranteed",
    "free_prefixes_best": "at best",
}
_MORE_NODES: Final = {
    "subnet_id": "Subnet",
    "instance_type": "Type",
    "mode": "Mode",
    "pods_per_node": "Pods per node",
    "guaranteed": "Further nodes, guaranteed",
    "nodes": "expected",
    "best": "at best",
    "why": "What stops the next",
}


def subnets(part: ClusterPart) -> str:
    """Section on free addresses and blocks of each subnet, with fitting nodes and block maps."""
    if part.capacity is None:
        return paragraph(part.missing["capacity"])
    if part.state.subnets is None:
        return paragraph(f"Subnets are not known: {part.state.unknown['subnets']}")
    models = [(subnet, subnet.subnet) for subnet in part.state.subnets]
    drawn = sorted(
        (model for _, model in models if model is not None and model.placement_known),
        key=lambda model: (model.free_prefixes, model.cidr),
    )
    notes = []
    if len(drawn) > MOST_MAPS:
        notes.append(
            f"{len(drawn) - MOST_MAPS:,} more maps are left out: their subnets have more free "
            "blocks than those above."
        )
    if unseen := len(models) - len(drawn):
        notes.append(
            f"{count_of(unseen, 'subnet has', 'subnets have')} no map: where their used addresses "
            "lie is not known (aws ec2 describe-network-interfaces)."
        )
    return stacked(
        table("Subnets now", _SUBNETS, records_of(part.capacity.subnets)),
        table("Further nodes that fit", _MORE_NODES, records_of(part.capacity.more_nodes)),
        listed(part.capacity.assumptions),
        *map(block_map, drawn[:MOST_MAPS]),
        *(paragraph(note, "soft") for note in notes),
    )


def exhaustion(forecast: ExhaustionForecast | None, names: frozenset[str]) -> str:
    """Section on the dates when the named subnets run out, with charts of the most urgent."""
    if forecast is None:
        return paragraph("Without a history of use there are no forecasts.")
    frame = forecast.to_pandas()
    rows = frame[frame["subnet"].astype(str).isin(names)].to_dict("records")
    if not rows:
        return paragraph("The history of use names none of these subnets.")
    share = f"{100 * forecast.levels[0]:g}"
    able = [row for row in rows if row["status"] != "no forecast"]
    end = day(forecast.horizon_end, "unknown")
    last = day(forecast.history["time"].max(), "unknown")
    return stacked(
        _dates(f"When subnets run out, by {forecast.unit}, until {end}", rows, share),
        paragraph(f"The history ends on {last}: days left count from there.", "soft"),
        *(fan(forecast, row) for row in able[:MOST_FANS]),
        paragraph(f"The {MOST_FANS} most urgent of {len(able):,} are drawn.", "soft")
        if len(able) > MOST_FANS
        else "",
        listed(_notes(forecast, names)),
    )


def _notes(forecast: ExhaustionForecast, names: frozenset[str]) -> list[str]:
    """Findings on the whole history, without the names of other subnets."""
    others = sorted({str(name) for name in forecast.subnets} - names, key=len, reverse=True)
    notes = [f"{finding.seen}: {finding.why}" for finding in forecast.findings]
    if not others or not notes:
        return notes
    foreign = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, others))})(?![\w-])")
    return [
        "Of all subnets in the history:",
        *(foreign.sub("one not shown here", n) for n in notes),
    ]


def _dates(title: str, rows: list[dict[Any, Any]], share: str) -> str:
    columns = {
        "subnet": "Subnet",
        "status": "Status",
        "used": "Used at the peak",
        "capacity": "Capacity",
        "date": "Runs dry",
        "interval": f"{share} % interval",
        "days_left": "Days left (risk 10 %)",
        "chance": "Chance within the horizon",
    }
    shown = [
        {
            **row,
            "date": _date(row["date"], row["status"]),
            "interval": _interval(row[f"earliest_{share}"], row[f"latest_{share}"], row["status"]),
            "days_left": "later" if row["days_left"] == float("inf") else row["days_left"],
            "chance": "unknown" if pd.isna(row["probability"]) else chance(row["probability"]),
        }
        for row in rows
    ]
    return table(title, columns, shown)


def _date(value: Any, status: str) -> str:
    if status in {"no forecast", "exhausted"}:
        return "unknown" if status == "no forecast" else "now"
    return day(value, "later")


def _interval(early: Any, late: Any, status: str) -> str:
    if status in {"no forecast", "exhausted"} or pd.isna(early):
        return _date(early, status)
    return f"{day(early)} to {day(late, 'later')}"


def findings(part: ClusterPart) -> str:
    """Section on failed checks with their remedies, and on unknown ones."""
    failed = sorted(
        part.findings.failed, key=lambda finding: list(_SEVERITY).index(finding.severity)
    )
    passed = sum(finding.outcome == "pass" for finding in part.findings)
    unknown = {"code": "Check", "seen": "What is not known", "remedy": "How to find out"}
    return stacked(
        paragraph(f"{len(failed):,} failed, {len(part.unknown):,} not known, {passed:,} passed."),
        *(_finding(finding) for finding in failed),
        table(
            "Checks that these data cannot decide",
            unknown,
            ({"code": f.code, "seen": f.seen, "remedy": f.remedy} for f in part.unknown),
            large=True,
        )
        if part.unknown
        else "",
    )


def _finding(finding: Finding) -> str:
    kind, word = _SEVERITY[finding.severity]
    about = f" ({finding.subject})" if finding.subject else ""
    files = "".join(f"<p>Apply {escape(name)}:</p>{to_copy(text)}" for name, text in finding.files)
    source = f'<p class="soft">Source: {escape(finding.source)}</p>' if finding.source else ""
    return (
        f'<div class="card {finding.severity}"><h4><span class="{kind}">{word}</span>: '
        f"{escape(finding.code)}{escape(about)}</h4><p>Seen: {escape(finding.seen)}.</p>"
        f"<p>Why it matters: {escape(finding.why)}.</p><p>Remedy:</p>{to_copy(finding.remedy)}{files}{source}</div>"
    )


def waiting(part: ClusterPart) -> str:
    """Section on pending pods, one row per owner and cause, and on changes that help."""
    if part.pending is None:
        return paragraph(part.missing["pending"])
    if not part.pending:
        return paragraph("No Windows pod is pending.")
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for pod in part.pending:
        namespace = pod.pod.partition("/")[0]
        key = (f"{namespace}/{pod.owner}" if pod.owner else pod.pod, pod.cause, pod.remedy)
        row = rows.setdefault(
            key,
            {
                "who": key[0],
                "pods": 0,
                "why": f"{pod.why} ({pod.cause})",
                "remedy": to_copy(pod.remedy),
                "also": pod.also,
                "message": pod.message,
            },
        )
        row["pods"] += pod.pods
    columns = {
        "who": "Who waits",
        "pods": "Pods",
        "why": "Why",
        "remedy": "The smallest change that helps",
        "also": "Helps as well",
    }
    return table("Pending Windows pods", columns, rows.values())


def fleet(part: ClusterPart) -> str:
    """Section on the present nodes, the recommended ones and the saving."""
    plan = part.plan
    if plan is None:
        return paragraph(f"No plan: {part.missing['plan']}")
    if not plan.feasible:
        return "".join(map(paragraph, plan.explain().splitlines()))
    diff = plan.diff()
    mode = "prefix" if plan.prefix_delegation else "secondary"
    placed = any(group.subnet for group in plan.groups)
    room = ", in what the subnets have free" if placed else "; what subnets have free is not known"
    return stacked(
        table(
            f"Nodes now and recommended, cost in {diff.unit}",
            _CHANGED,
            records_of(diff.to_pandas()),
        ),
        listed(summary_lines(plan)),
        table("What runs on each recommended node", _GROUPS, plan.rows(), large=True),
        paragraph(
            f"Planned in {mode} mode for the Windows pods that run and wait, by what they "
            f"request{room}. Zone spread and affinity are ignored.",
            "soft",
        ),
    )


_CHANGED: Final = {
    "instance_type": "Type", "now": "Nodes now", "after": "after", "keep": "Keep", "add": "Add",
    "drain": "Drain", "cost_now": "Cost now", "cost_after": "after",
}  # fmt: skip
_GROUPS: Final = {
    "instance_type": "Type",
    "nodes": "Nodes",
    "pods_per_node": "Pods per node",
    "binds": "What binds",
    "addresses_per_node": "Addresses per node",
    "pods": "Pods of each workload",
}
"""Columns of the plan with their headings."""


def section(title: str, anchor: str, body: str) -> Markup:
    """One part of a cluster's section, with its title."""
    return Markup(f'<h3 id="{escape(anchor)}">{escape(title)}</h3>{body}')


def cluster_section(
    part: ClusterPart, number: int, forecast: ExhaustionForecast | None, urgent: str
) -> str:
    """Whole section of one cluster."""
    anchor = f"c{number}"
    known = part.state
    prefixes = part.capacity.prefix_delegation if part.capacity else None
    about = (
        ("Kubernetes", known.version),
        ("region", known.region),
        ("address mode", {None: "", True: "prefix", False: "secondary"}[prefixes]),
        ("EKS platform", known.platform_version),
    )
    facts = ", ".join(f"{name} {value}" for name, value in about if value)
    bodies: Sequence[tuple[str, str]] = (
        ("Head-room now", head_room(part)),
        ("Subnets", subnets(part)),
        ("When the addresses run out", exhaustion(forecast, part.subnet_ids)),
        ("Findings", findings(part)),
        ("Pods that wait", waiting(part)),
        ("The fleet now and the recommended one", fleet(part)),
    )
    return (
        f'<section class="cluster" aria-labelledby="{anchor}"><h2 id="{anchor}">'
        f"{escape(part.name)}</h2>{paragraph(facts, 'soft') if facts else ''}"
        f"{listed(key_points(part, urgent))}"
        + "".join(section(title, f"{anchor}-{at}", body) for at, (title, body) in enumerate(bodies))
        + _unknown(part, f"{anchor}-not-known")
        + "</section>"
    )


def _unknown(part: ClusterPart, anchor: str) -> str:
    """Part on unknown data, and the commands that provide them."""
    said = part.capacity.unknown if part.capacity else ()
    lines = dict.fromkeys((*said, *(f"{name}: {why}" for name, why in part.state.unknown.items())))
    if not lines:
        return ""
    return section("What is not known", anchor, listed(list(lines)))


def page(
    title: str,
    clusters: Sequence[ClusterPart],
    forecast: ExhaustionForecast | None,
    *,
    summary: pd.DataFrame,
    urgent: Sequence[str],
    sources: Sequence[tuple[str, str]],
) -> str:
    """
    The HTML document.

    `summary` has one row per cluster, as from `Report.to_pandas`; `urgent` has the sentence on each
    cluster's first subnet to run out.
    """
    sections = "".join(
        cluster_section(part, at, forecast, sentence)
        for at, (part, sentence) in enumerate(zip(clusters, urgent, strict=True))
    )
    head = escape(title)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy()}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{head}</title><style>{STYLE}</style></head>"
        f"<body>{PATTERNS}<main><h1>{head}</h1>{_summary(summary)}{sections}"
        f"{_others(clusters, forecast)}{_sources(sources)}</main>"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _summary(rows: pd.DataFrame) -> str:
    """Table with one row per cluster, linked to its section."""
    shown = records_of(rows)
    for at, row in enumerate(shown):
        row["cluster"] = Markup(f'<a href="#c{at}">{escape(str(row["cluster"]))}</a>')
        moment = row["runs_dry"]
        row["runs_dry"] = f"{moment:%Y-%m-%d}" if moment is not None else "no date known"
    columns = {
        "cluster": "Cluster", "nodes": "Windows nodes", "headroom": "Head-room [pods]",
        "runs_dry": "First subnet runs out", "errors": "Checks that fail: errors", "failed": "all",
        "waiting": "Pods that wait", "saving": "Saving", "unit": "in",
    }  # fmt: skip
    return table("At a glance", columns, shown)


def _others(clusters: Sequence[ClusterPart], forecast: ExhaustionForecast | None) -> str:
    """Section on forecasts of subnets that belong to none of the clusters."""
    if forecast is None:
        return ""
    known = frozenset[str]().union(*(part.subnet_ids for part in clusters))
    others = frozenset(map(str, forecast.subnets)) - known
    if not others:
        return ""
    return (
        '<section aria-labelledby="others"><h2 id="others">Subnets of the history in none of these '
        f"clusters</h2>{exhaustion(forecast, others)}</section>"
    )


def _sources(sources: Sequence[tuple[str, str]]) -> str:
    rows = [{"what": name, "where": where} for name, where in sources]
    columns = {"what": "Data", "where": "Source and date"}
    return (
        '<section aria-labelledby="sources"><h2 id="sources">Sources</h2>'
        f"{table('What this report rests on', columns, rows)}</section>"
    )
