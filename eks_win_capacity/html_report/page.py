"""How do the parts become one document: head, summary, clusters, sources."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from eks_win_capacity.core.display import records_of
from eks_win_capacity.html_report import look
from eks_win_capacity.html_report.block_map import PATTERNS
from eks_win_capacity.html_report.page_parts import Markup, table
from eks_win_capacity.html_report.sections import cluster_section, exhaustion

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from eks_win_capacity.forecast import ExhaustionForecast
    from eks_win_capacity.html_report.cluster_part import ClusterPart


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
    The whole document.

    Parameters
    ----------
    title : str
    clusters : sequence of ClusterPart
    forecast : ExhaustionForecast or None
    summary : DataFrame
        One row for each cluster, as `Report.to_pandas` makes them.
    urgent : sequence of str
        For each cluster the sentence of the subnet that runs dry first.
    sources : sequence of (str, str)
        What the page rests on.
    """
    sections = "".join(
        cluster_section(part, at, forecast, sentence)
        for at, (part, sentence) in enumerate(zip(clusters, urgent, strict=True))
    )
    head = escape(title)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{look.policy()}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{head}</title><style>{look.STYLE}</style></head>"
        f"<body>{PATTERNS}<main><h1>{head}</h1>{_summary(summary)}{sections}"
        f"{_others(clusters, forecast)}{_sources(sources)}</main>"
        f"<script>{look.SCRIPT}</script></body></html>\n"
    )


def _summary(rows: pd.DataFrame) -> str:
    """One row for each cluster, with a link to all that is said of it."""
    shown = records_of(rows)
    for at, row in enumerate(shown):
        row["cluster"] = Markup(f'<a href="#c{at}">{escape(str(row["cluster"]))}</a>')
        moment = row["runs_dry"]
        row["runs_dry"] = f"{moment:%Y-%m-%d}" if moment is not None else "no date known"
    columns = {
        "cluster": "Cluster",
        "nodes": "Windows nodes",
        "headroom": "Head-room [pods]",
        "runs_dry": "First subnet runs dry",
        "errors": "Checks that fail: errors",
        "failed": "all",
        "waiting": "Pods that wait",
        "saving": "Saving",
        "unit": "in",
    }
    return table("At a glance", columns, shown)


def _others(clusters: Sequence[ClusterPart], forecast: ExhaustionForecast | None) -> str:
    """Forecasts of subnets that belong to none of the clusters."""
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
