"""What does a forecast say: path, dates and probabilities, and how reliable they are."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eks_win_capacity.core import arrays
from eks_win_capacity.core.display import Listed
from eks_win_capacity.core.errors import InputError, count_of
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.values import same_values
from eks_win_capacity.forecast import show
from eks_win_capacity.forecast.learning import VIEWS
from eks_win_capacity.forecast.periods import date_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from eks_win_capacity.core.findings import Finding
    from eks_win_capacity.forecast.history import Rows
    from eks_win_capacity.forecast.paths import Answers, Found
    from eks_win_capacity.forecast.periods import Panel

    Floats = NDArray[np.float64]

STATUSES = ("exhausted", "within horizon", "possible", "not within horizon", "no forecast")
"""From the most urgent to the least; ``possible`` is a probability of 2.5 to 50 %."""

_POSSIBLE = 0.025


@checked_call
@dataclass(frozen=True, repr=False)
class ExhaustionForecast:
    """
    Forecast of when each subnet runs out of addresses.

    Answers are Series and frames by subnet, or single values if the history was one series.
    "Not within the horizon" is an answer: its date is ``NaT``, its days left are ``inf``, and
    its word in `dates` is ``"never"``. Without a forecast, date and days left are missing
    (``NaT`` and ``nan``), and the status is ``"no forecast"``.

    Attributes
    ----------
    levels : tuple of float
        Probabilities that the intervals cover.
    unit : str
        What is counted: addresses or prefixes.
    engine : str
        The engine that made the paths.
    season_lengths : tuple of int
        Season lengths that were tested. [periods]
    seed : int
        The seed of the sample paths.
    findings : tuple of Finding
        How the history was processed, and what is unusual about it.

    Examples
    --------
    >>> import pandas as pd
    >>> from eks_win_capacity import forecast_exhaustion
    >>> used = pd.Series(range(100, 160), index=pd.date_range("2026-01-01", periods=60))
    >>> forecast_exhaustion(used.rename("subnet-a"), capacity=200, horizon=90)
    ExhaustionForecast of 1 subnet, 90 periods of 1 day
      subnet-a: 2026-04-11 (80 %: 2026-04-11 to 2026-04-11)
    """

    levels: tuple[float, ...]
    unit: str
    engine: str
    season_lengths: tuple[int, ...]
    seed: int
    answers: Answers = field(repr=False)
    rows: Rows = field(repr=False)
    panel: Panel = field(repr=False)
    usable: NDArray[np.bool_] = field(repr=False)
    findings: tuple[Finding, ...] = field(default=(), repr=False)

    __eq__ = same_values

    def __post_init__(self) -> None:
        object.__setattr__(self, "findings", Listed(self.findings))

    # -- who and when ---------------------------------------------------------

    @property
    def subnets(self) -> pd.Index:
        """The subnets, in the order of the history."""
        return self.rows.subnets

    @property
    def capacity(self) -> pd.Series[Any]:
        """The newest capacity of each subnet, which the forecast uses."""
        return pd.Series(self.rows.current, index=self.subnets, name="capacity")

    @property
    def horizon(self) -> int:
        """Number of periods that the forecast covers."""
        return int(self.answers.reached.shape[1])

    @property
    def horizon_end(self) -> pd.Timestamp:
        """The last period of the forecast, for the subnet whose history ends last."""
        newest = self.panel.last[self.usable].max() if self.usable.any() else None
        if newest is None:
            return pd.NaT  # type: ignore[return-value]
        return self.panel.grid.starts(np.array([newest + self.horizon]))[0]

    @property
    def history(self) -> pd.DataFrame:
        """
        The peaks that were forecast: subnet, time, used, capacity, lower_bound.

        ``lower_bound`` marks peaks of a full subnet and of an unfinished period, where the
        demand may have been higher.
        """
        return self.history_of(np.arange(len(self.subnets)))

    def history_of(self, rows: NDArray[np.intp]) -> pd.DataFrame:
        """`history` of some subnets, by their positions in `subnets`."""
        panel = self.panel
        sizes = np.array([len(panel.peaks[row]) for row in rows], dtype=np.int64)
        ends = sizes.cumsum()
        back = np.repeat(ends, sizes) - np.arange(int(sizes.sum())) - 1
        numbers = np.repeat(panel.last[rows], sizes) - back

        def flat(parts: list[Any], dtype: type) -> Any:
            return np.concatenate([np.zeros(0, dtype=dtype), *(parts[row] for row in rows)])

        return pd.DataFrame(
            {
                "subnet": self.subnets.take(np.repeat(rows, sizes)),
                "time": panel.grid.starts(numbers),
                "used": flat(panel.peaks, float),
                "capacity": flat(panel.limits, float),
                "lower_bound": flat(panel.censored, bool),
            }
        )

    def _in_kind(self, values: Any, name: str) -> Any:
        if self.rows.single:
            return values[0] if isinstance(values, (list, pd.Index)) else values[0].item()
        return pd.Series(values, index=self.subnets, name=name)

    # -- the answers ----------------------------------------------------------

    @property
    def path(self) -> pd.DataFrame:
        """
        The path with its intervals, one row per subnet and period.

        Columns: subnet, time, median, lower_80, upper_80, ... (within 0 and the
        capacity), demand (the median, not limited), probability (that the subnet is exhausted
        by then).
        """
        return self.path_of(np.flatnonzero(self.usable))

    def path_of(self, rows: NDArray[np.intp]) -> pd.DataFrame:
        """`path` of some subnets, by their positions in `subnets`."""
        names = [f"{100 * level:g}" for level in self.levels]
        ahead = np.tile(np.arange(1, self.horizon + 1), len(rows))
        numbers = np.repeat(self.panel.last[rows], self.horizon) + ahead
        columns: dict[str, Any] = {
            "subnet": self.subnets.take(np.repeat(rows, self.horizon)),
            "time": self.panel.grid.starts(numbers),
        }
        demand, most = self.answers.demand[rows], self.rows.current[rows][:, None]
        columns["median"] = np.clip(demand, 0, most).ravel()
        for index, name in enumerate(names):
            for side, bound in (("lower", self.answers.lower), ("upper", self.answers.upper)):
                columns[f"{side}_{name}"] = np.minimum(bound[rows, :, index], most).ravel()
        columns["demand"] = demand.ravel()
        columns["probability"] = self.answers.reached[rows].ravel()
        return pd.DataFrame(columns)

    def probability(self, by: Any = None) -> Any:
        """
        Probability that a subnet is exhausted by a date.

        Parameters
        ----------
        by : Timestamp or str, optional
            The date, included; the end of the horizon by default.

        Returns
        -------
        float or Series

        Raises
        ------
        InputError
            If the date lies beyond the horizon.
        """
        steps = np.full(len(self.subnets), self.horizon) if by is None else self._steps_until(by)
        ahead = np.maximum(steps - 1, 0)[:, None]
        reached = np.take_along_axis(self.answers.reached, ahead, axis=1)[:, 0]
        chance = np.where(steps > 0, reached, self.answers.exhausted & (steps == 0))
        return self._in_kind(np.where(self.usable, chance, np.nan), "probability")

    def _steps_until(self, by: Any) -> NDArray[np.int64]:
        """Periods of each subnet from the end of its history to a date."""
        moment = date_of(by, self.rows.times.tz, name="by")
        numbers = self.panel.grid.numbers(pd.DatetimeIndex([moment]))
        steps = np.where(self.usable, numbers - self.panel.last, 0)
        if len(late := np.flatnonzero(steps > self.horizon)):
            end = self.panel.grid.starts(self.panel.last[late[:1]] + self.horizon)[0]
            raise InputError(
                f"{moment} lies beyond the horizon, which ends {end}; give a longer horizon"
            )
        return np.asarray(steps)

    def _quantile_steps(self, quantile: Any) -> Floats:
        """Periods until the probability first reaches a share; inf for never."""
        if not isinstance(quantile, (float, np.floating)) or not 0 < quantile < 1:
            by_name = "; index the answer by subnet" if isinstance(quantile, str) else ""
            raise InputError(f"a quantile or risk lies between 0 and 1; got {quantile!r}{by_name}")
        hit = self.answers.reached >= quantile - 1e-9
        steps = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1.0, np.inf)
        steps[self.answers.exhausted] = 0.0
        steps[~self.usable] = np.nan
        return np.asarray(steps)

    def date(self, quantile: float = 0.5) -> Any:
        """
        Date by which a subnet is exhausted with a given probability.

        Parameters
        ----------
        quantile : float
            0.1 is an early date, 0.5 the median, 0.9 a late one.

        Returns
        -------
        Timestamp or Series
            The period of the first passage; NaT if it is not within the horizon.
            For a subnet that is exhausted now, the last period of its history.
        """
        return self._in_kind(self._dates(quantile), f"date_{100 * quantile:g}")

    def _dates(self, quantile: float) -> pd.DatetimeIndex:
        steps = self._quantile_steps(quantile)
        known = np.isfinite(steps)
        numbers = self.panel.last + np.where(known, steps, 0).astype(np.int64)
        numbers = np.where(known, numbers, 0)
        return pd.DatetimeIndex(self.panel.grid.starts(numbers).where(known))

    @property
    def dates(self) -> pd.DataFrame:
        """
        Dates by quantile: the median, and both ends of each interval.

        Columns: subnet, quantile, date, answer. The answer is ``"date"``,
        ``"exhausted"`` (already), ``"never"`` (not within the horizon) or
        ``"no forecast"``.
        """
        pieces = []
        for share in show.shares_of(self.levels):
            dates = self._dates(share)
            answer = np.where(dates.isna(), "never", "date").astype(object)
            answer[self.answers.exhausted] = "exhausted"
            answer[~self.usable] = "no forecast"
            columns = {"subnet": self.subnets, "quantile": round(share, 6), "date": dates}
            pieces.append(pd.DataFrame(columns | {"answer": answer}))
        return pd.concat(pieces).sort_index(kind="stable", ignore_index=True)

    def days_left(self, risk: float = 0.1) -> Any:
        """
        Days until the probability of exhaustion reaches a given risk.

        Returns
        -------
        float or Series
            0 for a subnet that is exhausted, inf if the risk is not reached
            within the horizon. [days]
        """
        return self._in_kind(self._days_left(risk), "days_left")

    def _days_left(self, risk: float) -> Floats:
        steps, grid = self._quantile_steps(risk), self.panel.grid
        out = steps * grid.days
        if grid.months:
            rows = np.flatnonzero(np.isfinite(steps))
            last = self.panel.last[rows]
            full = grid.starts(last + steps[rows].astype(np.int64))
            out[rows] = (full - grid.starts(last)) / pd.Timedelta(days=1)
        return out

    @property
    def status(self) -> Any:
        """
        One word for each subnet.

        ``exhausted`` now, ``within horizon`` (as likely as not), ``possible``,
        ``not within horizon``, or ``no forecast``.
        """
        return self._in_kind(self._statuses(), "status")

    def _statuses(self) -> list[str]:
        chance = self.answers.reached[:, -1] + 1e-9
        known = (~self.usable, self.answers.exhausted, chance >= 0.5, chance >= _POSSIBLE)
        return [STATUSES[code] for code in np.select(known, (4, 0, 1, 2), 3)]

    # -- how it came about ----------------------------------------------------

    @property
    def model(self) -> pd.DataFrame:
        """Model of each subnet, and its result in the backtest."""
        a = self.answers
        out = pd.DataFrame(
            {
                "engine": self.engine,
                "model": "SES with drift",
                "season_lengths": [tuple(x) for x in a.seasons],
                "alpha": a.alpha,
                "phi": a.phi,
                "drift_per_day": self._drift(),
                "level_shifts": [len(x[0]) for x in a.shifts],
                "outliers": [len(x[0]) for x in a.outliers],
                **{name: a.views[:, column] for column, name in enumerate(VIEWS)},
            },
            index=self.subnets,
        )
        return out.join(self.backtest)

    @property
    def backtest(self) -> pd.DataFrame:
        """
        Accuracy of the model when it forecast the newer half of each history.

        Columns: backtest_origins (0 if the history is too short), backtest_mae, backtest_skill
        (error reduction compared with repeating the last value, as a share),
        backtest_covered_80, ...
        """
        a = self.answers
        naive = np.where(a.backtest_naive > 0, a.backtest_naive, np.nan)
        columns = {
            "backtest_origins": a.origins,
            "backtest_mae": a.backtest_mae,
            "backtest_skill": 1 - a.backtest_mae / naive,
        }
        out = pd.DataFrame(columns, index=self.subnets)
        for column, level in enumerate(self.levels):
            out[f"backtest_covered_{100 * level:g}"] = a.backtest_covered[:, column]
        return out

    def _drift(self) -> Floats:
        """Growth per day; 0 if it may be a rounding error."""
        drift = self.answers.drift / self.panel.grid.days
        most = np.array([np.nanmax(v, initial=0.0) for v in self.panel.peaks])
        return np.where(np.abs(drift) < 1e-9 * most, 0.0, drift)

    @property
    def level_shifts(self) -> pd.DataFrame:
        """Level shifts of the past: subnet, time, change. No path is derived from them."""
        return self._changes_table(self.answers.shifts)

    @property
    def outliers(self) -> pd.DataFrame:
        """Outliers: subnet, time, change (deviation)."""
        return self._changes_table(self.answers.outliers)

    def _changes_table(self, changes: Found) -> pd.DataFrame:
        periods, sizes = zip(*changes, strict=True)
        rows = np.repeat(np.arange(len(changes)), [len(each) for each in periods])
        first = self.panel.last - [len(peaks) - 1 for peaks in self.panel.peaks]
        return pd.DataFrame(
            {
                "subnet": self.subnets.take(rows),
                "time": self.panel.grid.starts(first[rows] + np.concatenate(periods)),
                "change": np.concatenate(sizes),
            }
        )

    # -- faces ----------------------------------------------------------------

    def to_pandas(self, *, risk: float = 0.1) -> pd.DataFrame:
        """
        One row per subnet, the most urgent first.

        Parameters
        ----------
        risk : float
            The risk that ``days_left`` refers to.
        """
        last = [v[~np.isnan(v)][-1] if (~np.isnan(v)).any() else np.nan for v in self.panel.peaks]
        status = self._statuses()
        out = pd.DataFrame(
            {
                "subnet": self.subnets,
                "status": status,
                "used": last,
                "capacity": self.rows.current,
                "date": self._dates(0.5),
            }
        )
        for level in reversed(self.levels):
            out[f"earliest_{100 * level:g}"] = self._dates((1 - level) / 2)
            out[f"latest_{100 * level:g}"] = self._dates((1 + level) / 2)
        out["days_left"] = self._days_left(risk)
        out["probability"] = np.where(self.usable, self.answers.reached[:, -1], np.nan)
        out["drift_per_day"] = self._drift()
        rank = [STATUSES.index(each) for each in status]
        least = [-out["probability"].to_numpy(), out["days_left"].to_numpy()]
        order = np.lexsort((*least, self._quantile_steps(0.5), np.array(rank)))
        return out.iloc[order].reset_index(drop=True)

    def plot(self, subnet: Any = None, *, ax: Any = None) -> Any:
        """
        Chart of the history, the path with its intervals, the capacity and the date.

        Parameters
        ----------
        subnet : str, optional
            Which one; the most urgent by default.
        ax : matplotlib Axes, optional
            Where to draw.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        MissingExtraError
            Without matplotlib (extra ``plot``).
        """
        table = self.to_pandas()
        at, row = self._row_of(table, subnet)
        if not self.usable[at]:
            raise InputError(f"{self.subnets[at]} has no forecast: too little history")
        return show.draw(self._picture(at, row), ax=ax)

    def _row_of(self, table: pd.DataFrame, subnet: Any) -> tuple[int, pd.Series[Any]]:
        """Index of a subnet, by default the most urgent one, and its row of the table."""
        subnet = table["subnet"].iloc[0] if subnet is None else subnet
        if subnet not in set(self.subnets):
            raise InputError(
                f"{subnet!r} is not a subnet of this forecast; it has "
                f"{', '.join(map(str, self.subnets[:5]))}"
            )
        row = table[table["subnet"] == subnet].iloc[0]
        return int(np.flatnonzero(self.subnets == subnet)[0]), row

    def _picture(self, at: int, row: pd.Series[Any]) -> show.Picture:
        here, shifts = np.array([at], dtype=np.intp), self.level_shifts
        return show.Picture(
            title=self.sentence(row.to_dict()),
            unit=self.unit,
            levels=self.levels,
            row=row,
            past=self.history_of(here),
            path=self.path_of(here),
            lower=self.answers.lower[at],
            upper=self.answers.upper[at],
            shifts=shifts.loc[shifts["subnet"] == row["subnet"], "time"].tolist(),
            step=int(self.answers.step_age[at]),
        )

    def figure(self, *, most: int = 6) -> Any:
        """
        Figure with one chart for each of the most urgent subnets.

        Returns
        -------
        matplotlib Figure
        """
        most = arrays.count(most, name="most", low=1)
        table = self.to_pandas()
        known = table[table["status"] != "no forecast"]
        if not len(known):
            raise InputError("no subnet has a forecast: there is nothing to draw")
        places = [self._row_of(table, subnet) for subnet in known["subnet"].head(most)]
        return show.draw_most_urgent([self._picture(*where) for where in places], len(known))

    def explain(self, subnet: Any = None) -> str:
        """
        Explanation of the date, and of what would change it, in plain words.

        Parameters
        ----------
        subnet : str, optional
            Which one; the most urgent by default.

        Returns
        -------
        str

        Raises
        ------
        InputError
            If the forecast has no such subnet.

        Examples
        --------
        >>> import pandas as pd
        >>> from eks_win_capacity import forecast_exhaustion
        >>> used = pd.Series(range(100, 160), index=pd.date_range("2026-01-01", periods=60))
        >>> print(forecast_exhaustion(used.rename("subnet-a"), capacity=200, horizon=90).explain())
        ... # doctest: +ELLIPSIS
        subnet-a: 2026-04-11 (80 %: 2026-04-11 to 2026-04-11)
          now: 159 of 200 addresses are used at the peak, 41 are left
          growth: about 1 a day; at this rate the rest would last 41 days, ...
        """
        index, row = self._row_of(self.to_pandas(), subnet)
        return show.explanation(
            row.to_dict(),
            self.model.iloc[index].to_dict(),
            self.answers,
            index,
            head=self.sentence(row.to_dict()),
            unit=self.unit,
            period=str(self.panel.grid),
        )

    def to_dict(self, *, risk: float = 0.1) -> dict[str, Any]:
        """
        All results of each subnet in plain values, the most urgent first.

        Dates are ISO 8601 strings. A date that is missing or not within the horizon is None;
        ``status`` and ``answer`` say which.
        """
        model = dict(zip(self.subnets, self.model.to_dict("records"), strict=True))
        dates: dict[Any, list[dict[str, Any]]] = {}
        for row in self.dates.to_dict("records"):
            dates.setdefault(row.pop("subnet"), []).append(show.plain_row(row))
        subnets = [
            {
                **show.plain_row(row),
                "dates": dates[row["subnet"]],
                "model": show.plain_row(model[row["subnet"]]),
            }
            for row in self.to_pandas(risk=risk).to_dict("records")
        ]
        return {
            "unit": self.unit,
            "engine": self.engine,
            "seed": self.seed,
            "levels": list(self.levels),
            "risk": risk,
            "period": str(self.panel.grid),
            "horizon": self.horizon,
            "horizon_end": show.plain(self.horizon_end),
            "subnets": subnets,
            "findings": [show.plain_row(finding.to_dict()) for finding in self.findings],
        }

    def to_json(self, *, risk: float = 0.1, indent: int | None = 2) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(risk=risk), indent=indent, allow_nan=False)

    def __repr__(self) -> str:
        """The most urgent subnets in words."""
        top = self.to_pandas()
        lines = ["  " + self.sentence(row) for row in top.head(5).to_dict("records")]
        more = len(top) - len(lines)
        tail = [f"... and {more:,} more"] if more > 0 else []
        head = (
            f"ExhaustionForecast of {count_of(len(top), 'subnet')}, "
            f"{self.horizon} periods of {self.panel.grid}"
        )
        return "\n".join([head, *lines, *tail])

    def sentence(self, row: Mapping[Any, Any]) -> str:
        """
        One row of the table in words.

        Parameters
        ----------
        row : mapping
            A row of `to_pandas`, such as one of its ``to_dict("records")``.

        Returns
        -------
        str
        """
        return show.sentence(row, unit=self.unit, level=self.levels[0])

    def _repr_html_(self) -> str:
        """Table of dates for a notebook."""
        what = f"{self.unit}, peaks of {self.panel.grid}"
        notes = [
            f"{what}; days left until the risk is 10 %; engine {self.engine}, seed {self.seed}",
            *(f"{finding.seen}: {finding.why}" for finding in self.findings),
        ]
        return show.as_html(self.to_pandas(), self.levels[0], self.horizon_end, notes)
