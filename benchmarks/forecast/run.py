"""
Backtest the forecast by rolling origin and print the table.

    python benchmarks/forecast/run.py                   # all suites, about a minute
    python benchmarks/forecast/run.py --engine statsforecast
    python benchmarks/forecast/run.py --speed           # 10,000 series of a year
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import real  # noqa: E402
import synthetic  # noqa: E402
from baselines import BASELINES  # noqa: E402
from metrics import date_covered, date_crps, date_inside, point_distribution, scale  # noqa: E402

from eks_win_capacity import forecast_exhaustion  # noqa: E402

STEPS = {"real hourly": "h", "real weekly": "7D", "real monthly": "MS"}


def _mase(window, path) -> float:
    return float(np.nanmean(np.abs(window.future - path)) / scale(window.history, window.season))


def _ours(window, rng, engine: str) -> dict[str, float]:
    """Forecast one window as a user would, and score path and date."""
    freq = STEPS.get(window.suite, "D")
    times = pd.date_range("2024-01-01", periods=len(window.history), freq=freq)
    frame = pd.DataFrame({"time": times, "used": window.history})
    frame["capacity"] = window.limit if window.past_limits is None else window.past_limits
    # The newest capacity is the limit that the future is held against.
    frame.loc[len(frame) - 1, "capacity"] = window.limit
    until = pd.date_range(times[-1], periods=len(window.future) + 1, freq=freq)[-1]
    options = {
        "horizon": until,
        "step": freq if freq == "h" else None,
        "engine": engine,
        "workers": 1,
    }
    made = forecast_exhaustion(frame, **options)
    distribution = made.path["probability"].to_numpy()[: len(window.future)]
    # The truth of a path is not clipped, so it is held against a path that is not either.
    frame.loc[len(frame) - 1, "capacity"] = 1e9
    if window.past_limits is None:
        frame["capacity"] = 1e9
    path = forecast_exhaustion(frame, **options).path.iloc[: len(window.future)]
    passage, at = window.first_passage, rng.random()
    seen = ~np.isnan(window.future)
    truth = window.future
    held = {
        level: (
            (truth >= path[f"lower_{level}"].to_numpy())
            & (truth <= path[f"upper_{level}"].to_numpy())
        )[seen]
        for level in (80, 95)
    }
    return {
        "crps": date_crps(distribution, passage, window.per_day),
        "brier": (distribution[-1] - np.isfinite(passage)) ** 2,
        "mase": _mase(window, path["demand"].to_numpy()),
        "path 80": held[80].mean(),
        "path 95": held[95].mean(),
        "date 80": date_covered(distribution, passage, 0.80, at),
        "date 95": date_covered(distribution, passage, 0.95, at),
        "shown 80": date_inside(distribution, passage, 0.80),
        "shown 95": date_inside(distribution, passage, 0.95),
    }


def _baseline(window, path) -> dict[str, float]:
    distribution = point_distribution(path, window.limit)
    return {
        "crps": date_crps(distribution, window.first_passage, window.per_day),
        "brier": (distribution[-1] - np.isfinite(window.first_passage)) ** 2,
        "mase": _mase(window, path),
    }


def backtest(windows: list, engine: str) -> tuple[pd.Series, pd.DataFrame]:
    """Score this library and every baseline on the windows of one suite."""
    rng = np.random.default_rng(1)
    ours = pd.DataFrame([_ours(window, rng, engine) for window in windows]).astype(float).mean()
    others = {
        name: pd.DataFrame([_baseline(w, make(w)) for w in windows]).astype(float).mean()
        for name, make in BASELINES.items()
    }
    return ours, pd.DataFrame(others).T


def _row(suite: str, windows: list, ours: pd.Series, others: pd.DataFrame) -> dict:
    linear = others[others.index.str.startswith("predict_linear")]

    def change(value: float, against: float) -> str:
        return f"{100 * (value / against - 1):+.0f} %"

    return {
        "suite": suite,
        "windows": len(windows),
        "run dry": f"{100 * np.mean([np.isfinite(w.first_passage) for w in windows]):.0f} %",
        "date CRPS, days": f"{ours['crps']:.2f}",
        "vs predict_linear": change(ours["crps"], linear["crps"].min()),
        "vs best baseline": f"{change(ours['crps'], others['crps'].min())} ({others['crps'].idxmin()})",
        "Brier vs predict_linear": change(ours["brier"], linear["brier"].min()),
        "MASE vs seasonal naive": change(ours["mase"], others["mase"]["seasonal naive"]),
        "path 80/95": f"{100 * ours['path 80']:.0f}/{100 * ours['path 95']:.0f}",
        "date 80/95": f"{100 * ours['date 80']:.0f}/{100 * ours['date 95']:.0f}",
        "date as shown": f"{100 * ours['shown 80']:.0f}/{100 * ours['shown 95']:.0f}",
    }


def speed() -> None:
    """Time one series, and 1,000 and 10,000 series of a year."""
    rng = np.random.default_rng(0)
    days = pd.date_range("2025-01-01", periods=365)
    pool = np.stack([synthetic.series(rng, "steady", 365)[0] for _ in range(500)], axis=1)
    one = pd.Series(pool[:, 0], index=days)
    forecast_exhaustion(one, capacity=5_000)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        forecast_exhaustion(one, capacity=5_000)
        times.append(time.perf_counter() - start)
    print(f"one series of a year, 180 days ahead: {1e3 * np.median(times):.1f} ms")
    for count in (1_000, 10_000):
        frame = pd.DataFrame(pool[:, np.arange(count) % 500], index=days)
        frame.columns = [f"subnet-{i}" for i in range(count)]
        start = time.perf_counter()
        forecast_exhaustion(frame, capacity=5_000)
        print(f"{count:,} series: {time.perf_counter() - start:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="theta", choices=["theta", "statsforecast"])
    parser.add_argument("--windows", type=int, default=120, help="synthetic windows a suite")
    parser.add_argument("--speed", action="store_true")
    options = parser.parse_args()
    if options.speed:
        speed()
        return
    suites = {kind: synthetic.windows(kind, options.windows) for kind in synthetic.SUITES}
    suites |= {suite: real.windows(suite) for suite in real.SHAPES}
    rows, scores = [], {}
    for suite, windows in suites.items():
        ours, others = backtest(windows, options.engine)
        rows.append(_row(suite, windows, ours, others))
        scores[suite] = ours
        print(suite, "done", file=sys.stderr)
    table = pd.DataFrame(rows)
    print("| " + " | ".join(table.columns) + " |")
    print("|" + " --- |" * len(table.columns))
    for row in table.to_numpy():
        print("| " + " | ".join(map(str, row)) + " |")
    mean = pd.DataFrame(scores).T
    print()
    for name, part in (
        ("synthetic", mean.index.isin(synthetic.SUITES)),
        ("real", ~mean.index.isin(synthetic.SUITES)),
    ):
        held = " ".join(f"{c} {100 * mean.loc[part, c].mean():.1f}" for c in mean.columns[3:])
        print(f"mean over {name} suites: {held}")


if __name__ == "__main__":
    main()
