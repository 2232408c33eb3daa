"""The report as a value: results on each cluster, and the sources of its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from eks_win_capacity.cluster.state import ClusterState
from eks_win_capacity.core.arguments import mapping, of_kind, text
from eks_win_capacity.core.display import Listed, html_table
from eks_win_capacity.core.errors import (
    CapacityError,
    InputError,
    MissingCapacityError,
    UnsupportedInputError,
    count_of,
)
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.html_report.page import ClusterPart, page

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

    import pandas as pd

    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.forecast.result import ExhaustionForecast


@checked_call
@dataclass(frozen=True, kw_only=True, repr=False)
class Report:
    """
    A report on clusters, which can be displayed, saved and read as data.

    Attributes
    ----------
    title : str
    clusters : tuple of ClusterPart
        The results for each cluster.
    forecast : ExhaustionForecast or None
        Forecast of the subnets in the history.
    sources : tuple of (str, str)
        Sources of the report: name, and source with date.
    """

    title: str
    clusters: tuple[ClusterPart, ...]
    forecast: ExhaustionForecast | None = None
    sources: tuple[tuple[str, str], ...] = field(default=())

    def to_html(self) -> str:
        """The page: one self-contained HTML document."""
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
        Write the page atomically.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        from eks_win_capacity.core.replacing import replace_file

        replace_file(path, self.to_html())

    def _urgent(self, part: ClusterPart) -> str:
        """Sentence on the subnet of a cluster that runs out first; empty if there is none."""
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
        One row per cluster.

        Returns
        -------
        DataFrame
            ``cluster``, ``nodes``, ``headroom`` [pods], ``runs_dry`` (the first date, NaT if not
            known), ``failed`` and ``errors`` (checks), ``waiting`` [pods], ``saving`` and its
            ``unit``, per month if prices are hourly. Missing values are unknown.
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
                    "waiting": pd.NA if part.waiting is None else part.waiting,
                    "saving": None if diff is None else diff.saving_per_month,
                    "unit": "" if diff is None else diff.unit.replace("/h", " a month"),
                }
            )
        counts = dict.fromkeys(("nodes", "headroom", "waiting"), "Int64")
        return pd.DataFrame(rows).astype({**counts, "saving": float})

    def __repr__(self) -> str:
        """The names of the clusters."""
        names = ", ".join(part.name for part in self.clusters[:5])
        more = ", ..." if len(self.clusters) > 5 else ""
        return f"<Report on {count_of(len(self.clusters), 'cluster')}: {names}{more}>"

    def _repr_html_(self) -> str:
        rows = self.to_pandas()
        cells = rows.itertuples(index=False)
        notes = ["report.save('report.html') writes the whole of it"]
        return html_table([*map(str, rows)], cells, title=self.title, notes=notes)


@checked_call
def report(
    states: ClusterState | Mapping[str, ClusterState] | Iterable[ClusterState],
    *,
    history: Any = None,
    capacity: Any = None,
    horizon: Any = 180,
    prices: Any = None,
    title: str = "Capacity of Windows nodes on Amazon EKS",
    now: date | None = None,
    sources: Mapping[str, str] | None = None,
    time_limit_s: float | None = 10.0,
    catalog: Catalog | None = None,
    progress: Callable[[str], object] | None = None,
) -> Report:
    """
    One self-contained HTML page on one or more clusters, for decision makers.

    It shows the results of `cluster_report`, `check_cluster`, `explain_pending`,
    `forecast_exhaustion` and `plan_fleet`, and the source of each number.

    Parameters
    ----------
    states : ClusterState, sequence or mapping of them
        One cluster or several; a mapping gives their names.
    history : Series, DataFrame or ExhaustionForecast, optional
        Use of subnets over time, as in `forecast_exhaustion`, with the ids of the subnets; or
        an existing forecast.
    capacity : optional
        Capacity of the subnets in the history, as in `forecast_exhaustion`; by default from the
        states, matched by subnet id, else from the history.
    horizon : int or str
        Length of the forecast. [days]
    prices : Prices, Series, DataFrame or mapping, optional
        As in `plan_fleet`.
    title : str
    now : date, optional
        The date of the report, used to judge ends of support.
    sources : mapping of str to str, optional
        Further sources of the report, such as files and their dates.
    time_limit_s : float or None
        Time limit for the fleet plan of each cluster. [s]
    catalog : Catalog, optional
        The bundled one by default.
    progress : callable, optional
        Called with a description of the current step.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If no state is given, two have one name, or the history cannot be read.
    UnsupportedInputError
        If a state is something else.

    Examples
    --------
    >>> import eks_win_capacity as ewc
    >>> made = ewc.report(ewc.demo.cluster(), time_limit_s=2)
    >>> made
    <Report on 1 cluster: shop>
    >>> made.to_pandas()[["nodes", "headroom", "waiting"]].to_dict("records")
    [{'nodes': 3, 'headroom': 0, 'waiting': 2}]
    """
    from eks_win_capacity.catalog import given_or_bundled

    catalog = given_or_bundled(catalog)
    if now is not None:
        of_kind(now, date, name="now")
    text(title, name="title")
    sources = mapping({} if sources is None else sources, name="sources", of="names to strings")
    tell = progress or (lambda _: None)
    named = _named(states)
    parts = []
    for name, state in named.items():
        tell(name)
        parts.append(
            _answers_of(
                name, state, prices=prices, time_limit_s=time_limit_s, now=now, catalog=catalog
            )
        )
    if history is not None:
        tell("history of use")
    forecast = _forecast(history, capacity, horizon, parts)
    return Report(
        title=title,
        clusters=Listed(parts),
        forecast=forecast,
        sources=(*_sources(forecast, prices, now, catalog), *sources.items()),
    )


def _named(states: Any) -> dict[str, ClusterState]:
    """States by name; those without a name are numbered."""
    if isinstance(states, ClusterState):
        states = [states]
    if not isinstance(states, Mapping):
        try:
            given = list(states)
        except TypeError as error:
            raise UnsupportedInputError(
                f"states must be ClusterStates; got {type(states).__name__}"
            ) from error
        names = [
            str(getattr(state, "name", None) or f"cluster {at}")
            for at, state in enumerate(given, start=1)
        ]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise InputError(
                f"two states are of cluster {min(twice)!r}: merge them, or give a mapping of "
                "names to states"
            )
        states = dict(zip(names, given, strict=True))
    if not states:
        raise InputError("a report needs one ClusterState or more; got none")
    for name, state in states.items():
        if not isinstance(state, ClusterState):
            raise UnsupportedInputError(
                f"state {name!r} must be a ClusterState; got {type(state).__name__}: load it with "
                "load_files or aws.load_cluster"
            )
    return {str(name): state for name, state in states.items()}


def _forecast(
    history: Any, capacity: Any, horizon: Any, parts: list[ClusterPart]
) -> ExhaustionForecast | None:
    from eks_win_capacity.forecast.exhaustion import forecast_exhaustion
    from eks_win_capacity.forecast.result import ExhaustionForecast

    if history is None or isinstance(history, ExhaustionForecast):
        return history
    given = capacity is not None
    if not given:
        # The subnet itself if its used addresses are known, otherwise its CIDR.
        known = {
            subnet.subnet_id: subnet.subnet
            if subnet.subnet is not None and subnet.subnet.placement_known
            else subnet.cidr
            for part in parts
            for subnet in part.state.subnets or ()
        }
        capacity = known if known.keys() & _names_in(history) else None
    try:
        return forecast_exhaustion(history, capacity=capacity, horizon=horizon, unusable="report")
    except MissingCapacityError as error:
        if given:
            raise
        if error.subnets:
            few = ", ".join(error.subnets[:5]) + ", ..." * (len(error.subnets) > 5)
            raise InputError(
                f"the history has {count_of(len(error.subnets), 'subnet')} that no cluster has: "
                f"{few}; leave them out, or give the capacity of each in a column"
            ) from error
        ids = [subnet.subnet_id for part in parts for subnet in part.state.subnets or ()]
        raise InputError(
            "the history names no subnet of the clusters by its id"
            f"{f', such as {ids[0]}' if ids else ''}: name them so, or give the capacity of each "
            "in a column or an option capacity"
        ) from error


def _names_in(history: Any) -> set[str]:
    """Every string in a history that may be the name of a subnet."""
    frame = history.to_pandas() if hasattr(history, "to_pandas") else history
    names = {str(getattr(frame, "name", None))}
    for column in getattr(frame, "columns", ()):
        names.add(str(column))
        if frame[column].dtype.kind not in "biufcmM":
            names |= set(frame[column].astype(str).unique())
    return names


def _sources(
    forecast: ExhaustionForecast | None, prices: Any, now: date | None, catalog: Catalog
) -> list[tuple[str, str]]:
    """Sources of the numbers, with dates."""
    from eks_win_capacity import __version__
    from eks_win_capacity.core.constants import KUBERNETES_SUPPORT_AS_OF

    version = f"eks-win-capacity {__version__}"
    sources = [
        ("Report", f"{version}, of {now.isoformat()}" if now else f"{version}; no day was given"),
        ("Instance types", f"{catalog.source}, of {catalog.as_of}"),
        ("Ends of Kubernetes support", f"table of {KUBERNETES_SUPPORT_AS_OF}"),
    ]
    if forecast is not None and len(history := forecast.history):
        first, last = history["time"].min(), history["time"].max()
        sources.append(
            (
                "History of use",
                f"{count_of(len(forecast.subnets), 'subnet')}, {first:%Y-%m-%d} to {last:%Y-%m-%d}",
            )
        )
    if prices is not None:
        as_of = getattr(prices, "as_of", "a day that was not given")
        sources.append(("Prices", f"as given, of {as_of}"))
    return sources


def _answers_of(
    name: str,
    state: ClusterState,
    *,
    prices: Any,
    time_limit_s: float | None,
    now: date | None,
    catalog: Catalog,
) -> ClusterPart:
    """All results for one cluster; each missing result has a reason instead."""
    from eks_win_capacity.cluster.checks import check_cluster
    from eks_win_capacity.cluster.cluster_view import starting_subnets
    from eks_win_capacity.cluster.pending import explain_pending
    from eks_win_capacity.cluster.report import cluster_report
    from eks_win_capacity.planning import plan_fleet

    questions: dict[str, Callable[[], Any]] = {
        "capacity": lambda: cluster_report(state, catalog=catalog),
        "pending": lambda: explain_pending(state, catalog=catalog),
        "plan": lambda: plan_fleet(
            state,
            current=state,
            subnets=starting_subnets(state, catalog),
            prices=prices,
            prefix_delegation=getattr(answers.get("capacity"), "prefix_delegation", None),
            time_limit_s=time_limit_s,
            catalog=catalog,
        ),
    }
    answers: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for question, ask in questions.items():
        try:
            answers[question] = ask()
        except CapacityError as error:
            missing[question] = str(error)
    return ClusterPart(
        name=name,
        state=state,
        findings=check_cluster(state, catalog=catalog, now=now),
        missing=missing,
        **answers,
    )
