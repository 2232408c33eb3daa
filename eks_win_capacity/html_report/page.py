"""How do the parts become one document: head, summary, clusters, sources."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from eks_win_capacity.core.display import count_of, html_table, records_of
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.html_report import look
from eks_win_capacity.html_report.block_map import PATTERNS
from eks_win_capacity.html_report.page_parts import Markup, table
from eks_win_capacity.html_report.sections import cluster_section, exhaustion

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import pandas as pd

    from eks_win_capacity.forecast.result import ExhaustionForecast
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


@checked_call
@dataclass(frozen=True, kw_only=True, repr=False)
class Report:
    """
    A report on clusters, as a value: look at it, save it, read its numbers.

    Attributes
    ----------
    title : str
    clusters : tuple of ClusterPart
        The answers about each cluster.
    forecast : ExhaustionForecast or None
        Of the subnets in the history.
    sources : tuple of (str, str)
        What the report rests on: name, and source with date.
    """

    title: str
    clusters: tuple[ClusterPart, ...]
    forecast: ExhaustionForecast | None = None
    sources: tuple[tuple[str, str], ...] = field(default=())

    def to_html(self) -> str:
        """The page: one HTML document that loads nothing from anywhere."""
        return page(
            self.title,
            self.clusters,
            self.forecast,
            summary=self.to_pandas(),
            urgent=[self._urgent(part) for part in self.clusters],
            sources=self.sources,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """
        Write the page, whole or not at all.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        from eks_win_capacity.core.replacing import replace_file

        replace_file(path, self.to_html())

    def _urgent(self, part: ClusterPart) -> str:
        """The sentence of the subnet of a cluster that runs dry first; empty without one."""
        row = self._most_urgent(part)
        return "" if row is None or self.forecast is None else self.forecast.sentence(row)

    def _most_urgent(self, part: ClusterPart) -> dict[Any, Any] | None:
        if self.forecast is None:
            return None
        table = self.forecast.to_pandas()
        rows = table[table["subnet"].astype(str).isin(part.subnet_ids)].to_dict("records")
        return rows[0] if rows else None

    def to_pandas(self) -> pd.DataFrame:
        """
        One row for each cluster.

        Returns
        -------
        DataFrame
            ``cluster``, ``nodes``, ``headroom`` [pods], ``runs_dry`` (the first date, NaT where
            none is known), ``failed`` and ``errors`` (checks), ``waiting`` [pods], ``saving`` and
            its ``unit``, a month where nodes are paid by the hour. Missing is unknown.
        """
        import pandas as pd

        rows = []
        for part in self.clusters:
            known = part.capacity is not None and part.state.nodes is not None
            total = part.capacity.total if known and part.capacity else None
            row = self._most_urgent(part)
            diff = part.plan.diff() if part.plan is not None and part.plan.feasible else None
            failed = part.findings.failed
            rows.append(
                {
                    "cluster": part.name,
                    "nodes": pd.NA if total is None else total["nodes"],
                    "headroom": pd.NA if total is None else total["headroom"],
                    "runs_dry": pd.NaT if row is None else row["date"],
                    "failed": len(failed),
                    "errors": sum(finding.severity == "error" for finding in failed),
                    "waiting": pd.NA if part.pending is None else len(part.pending),
                    "saving": None if diff is None else diff.saving_per_month,
                    "unit": "" if diff is None else diff.unit.replace("/h", " a month"),
                }
            )
        counts = dict.fromkeys(("nodes", "headroom", "waiting"), "Int64")
        return pd.DataFrame(rows).astype({**counts, "saving": float})

    def __repr__(self) -> str:
        """Names of the clusters."""
        names = ", ".join(part.name for part in self.clusters[:5])
        more = ", ..." if len(self.clusters) > 5 else ""
        return f"<Report on {count_of(len(self.clusters), 'cluster')}: {names}{more}>"

    def _repr_html_(self) -> str:
        rows = self.to_pandas()
        cells = rows.itertuples(index=False)
        notes = ["report.save('report.html') writes the whole of it"]
        return html_table([*map(str, rows)], cells, title=self.title, notes=notes)
