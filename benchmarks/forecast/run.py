"""
Backtest the forecast by rolling origin and print the table.

    python benchmarks/forecast/run.py                   # held-out windows, under a minute
    python benchmarks/forecast/run.py --tuned           # the windows that constants were chosen on
    python benchmarks/forecast/run.py --engines         # and the other engines that are installed
    python benchmarks/forecast/run.py --speed           # 1,000, 3,000 and 10,000 series of a year
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import engines  # noqa: E402
import real  # noqa: E402
import synthetic  # noqa: E402
from baselines import BASELINES  # noqa: E402
from metrics import Score, date_crps, point_distribution, scale, scored  # noqa: E402

from eks_win_capacity import forecast_exhaustion  # noqa: E402

STEPS = {"real hourly": "h", "real weekly": "7D", "real monthly": "MS"}
HELD_OUT_SEED, TUNED_SEED = 20261123, 101
UNLIMITED = 1e9


def _table(windows: list, freq: str, *, limited: bool) -> pd.DataFrame:
    """Put the windows of a suite side by side, as subnets of one table."""
    longest = max(len(window.history) for window in windows)
    times = pd.date_range("2020-01-01", periods=longest, freq=freq)
    parts = []
    for number, window in enumerate(windows):
        known = len(window.history)
        past = window.past_limits
        limits = np.full(known, UNLIMITED) if past is None else past.copy()
        # The newest capacity is the limit that the future is held against.
        limits[-1] = window.limit if limited else UNLIMITED
        parts.append(
            pd.DataFrame(
                {
                    "time": times[-known:],
                    "subnet": number,
                    "used": window.history,
                    "capacity": limits,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def ours(windows: list) -> list[Score]:
    """Forecast every window as a user would, and score path and date."""
    return scores_and_chances(windows)[0]


def _options(windows: list) -> tuple[str, dict]:
    """Spacing of the windows of a suite, and what a user would ask."""
    freq = STEPS.get(windows[0].suite, "D")
    ahead = len(windows[0].future)
    longest = max(len(window.history) for window in windows)
    until = pd.date_range("2020-01-01", periods=longest + ahead, freq=freq)[-1]
    return freq, {"horizon": until, "step": freq if freq == "h" else None}


def chances(windows: list) -> list[np.ndarray]:
    """Probability of exhaustion by each period, of every window."""
    freq, options = _options(windows)
    ahead = len(windows[0].future)
    dates = forecast_exhaustion(_table(windows, freq, limited=True), **options).path
    by_number = {
        name: part["probability"].to_numpy()[:ahead] for name, part in dates.groupby("subnet")
    }
    return [by_number[number] for number in range(len(windows))]


def scores_and_chances(windows: list) -> tuple[list[Score], list[np.ndarray]]:
    """Scores of every window, and the probability of exhaustion by each period."""
    freq, options = _options(windows)
    ahead = len(windows[0].future)
    reached = chances(windows)
    # The truth of a path is not clipped, so it is held against a path that is not either.
    paths = forecast_exhaustion(_table(windows, freq, limited=False), **options).path
    by_number = {name: part.iloc[:ahead] for name, part in paths.groupby("subnet")}
    scores = [
        scored(
            window,
            distribution=reached[number],
            middle=by_number[number]["demand"].to_numpy(),
            bounds={
                level: (
                    by_number[number][f"lower_{level}"].to_numpy(),
                    by_number[number][f"upper_{level}"].to_numpy(),
                )
                for level in (80, 95)
            },
        )
        for number, window in enumerate(windows)
    ]
    return scores, reached


def _baseline(window, path: np.ndarray) -> dict[str, float]:
    distribution = point_distribution(path, window.limit)
    return {
        "crps": date_crps(distribution, window.first_passage, window.per_day),
        "brier": (distribution[-1] - np.isfinite(window.first_passage)) ** 2,
        "mase": float(
            np.nanmean(np.abs(window.future - path)) / scale(window.history, window.season)
        ),
    }


def baselines(windows: list) -> pd.DataFrame:
    """Score every baseline on the windows of one suite: a row each."""
    return pd.DataFrame(
        {
            name: pd.DataFrame([_baseline(w, make(w)) for w in windows]).astype(float).mean()
            for name, make in BASELINES.items()
        }
    ).T


def mean(scores: list[Score]) -> pd.Series:
    """Average the scores of a suite."""
    return pd.DataFrame([vars(score) for score in scores]).astype(float).mean()


def _change(value: float, against: float) -> str:
    return f"{100 * (value / against - 1):+.0f} %"


def _row(suite: str, windows: list, engine: pd.Series, others: pd.DataFrame) -> dict:
    linear = others[others.index.str.startswith("predict_linear")]
    return {
        "suite": suite,
        "windows": len(windows),
        "run dry": f"{100 * np.mean([np.isfinite(w.first_passage) for w in windows]):.0f} %",
        "date CRPS, days": f"{engine['crps']:.2f}",
        "vs predict_linear": _change(engine["crps"], linear["crps"].min()),
        "vs best baseline": (
            f"{_change(engine['crps'], others['crps'].min())} ({others['crps'].idxmin()})"
        ),
        "Brier vs predict_linear": _change(engine["brier"], linear["brier"].min()),
        "MASE vs seasonal naive": _change(engine["mase"], others["mase"]["seasonal naive"]),
        "path 80/95": f"{100 * engine['path_80']:.0f}/{100 * engine['path_95']:.0f}",
        "date 80/95": f"{100 * engine['date_80']:.0f}/{100 * engine['date_95']:.0f}",
        "date as shown": f"{100 * engine['shown_80']:.0f}/{100 * engine['shown_95']:.0f}",
    }


def show(table: pd.DataFrame, *, head: bool = True) -> None:
    """Print a table as Markdown."""
    if head:
        print("| " + " | ".join(table.columns) + " |")
        print("|" + " --- |" * len(table.columns))
    for row in table.to_numpy():
        print("| " + " | ".join(map(str, row)) + " |")
    sys.stdout.flush()


def suites(*, count: int, tuned: bool) -> dict[str, list]:
    """Give all windows: those that constants were chosen on, or those held out."""
    seed = TUNED_SEED if tuned else HELD_OUT_SEED
    by_kind = {kind: synthetic.windows(kind, count, seed=seed) for kind in synthetic.SUITES}
    part = "tuned" if tuned else "held-out"
    return by_kind | {suite: real.windows(suite, part) for suite in real.SHAPES}


def backtest(by_suite: dict[str, list]) -> None:
    """Print the table of suites, and the coverage of the synthetic and the real ones."""
    rows, scores = [], {}
    for suite, windows in by_suite.items():
        scores[suite] = mean(ours(windows))
        rows.append(_row(suite, windows, scores[suite], baselines(windows)))
        print(suite, "done", file=sys.stderr)
    show(pd.DataFrame(rows))
    table = pd.DataFrame(scores).T
    print()
    for name, part in (
        ("synthetic", table.index.isin(synthetic.SUITES)),
        ("real", ~table.index.isin(synthetic.SUITES)),
    ):
        covered = ", ".join(
            f"{what} {100 * table.loc[part, f'{what}_80'].mean():.1f}"
            f"/{100 * table.loc[part, f'{what}_95'].mean():.1f}"
            for what in ("path", "date", "shown")
        )
        print(f"mean over {name} suites: {covered}")


def compare(by_suite: dict[str, list], most: int) -> None:
    """Print this engine beside every other one that is installed, on some windows of each suite."""
    head = True
    for suite, windows in by_suite.items():
        places = np.linspace(0, len(windows) - 1, min(most, len(windows))).astype(int)
        sample = [windows[position] for position in places]
        linear = baselines(sample).filter(like="predict_linear", axis=0)["crps"].min()
        rows = []
        for name, way in {"this engine": ours, **engines.installed()}.items():
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                means = mean(way(sample))
            rows.append(
                {
                    "suite": suite,
                    "engine": name,
                    "windows": len(sample),
                    "date CRPS, days": f"{means['crps']:.2f}",
                    "vs predict_linear": _change(means["crps"], linear),
                    "Brier": f"{means['brier']:.3f}",
                    "MASE": f"{means['mase']:.2f}",
                    "path 80/95": f"{100 * means['path_80']:.0f}/{100 * means['path_95']:.0f}",
                    "date 80/95": f"{100 * means['date_80']:.0f}/{100 * means['date_95']:.0f}",
                    "ms a window": f"{1e3 * (time.perf_counter() - start) / len(sample):.0f}",
                }
            )
        # Suite by suite, for some of these engines take minutes.
        show(pd.DataFrame(rows), head=head)
        head = False


def speed() -> None:
    """Time one series, and 1,000 to 10,000 series of a year."""
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
    for count in (1_000, 3_000, 10_000):
        frame = pd.DataFrame(pool[:, np.arange(count) % 500], index=days)
        frame.columns = [f"subnet-{i}" for i in range(count)]
        start, used = time.perf_counter(), time.process_time()
        forecast_exhaustion(frame, capacity=5_000)
        spent, used = time.perf_counter() - start, time.process_time() - used
        print(
            f"{count:,} series: {spent:.1f} s, {1e3 * spent / count:.2f} ms each; CPU {used:.1f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=400, help="synthetic windows a suite")
    parser.add_argument("--tuned", action="store_true", help="the windows used in development")
    parser.add_argument("--engines", action="store_true", help="compare with other engines")
    parser.add_argument("--sample", type=int, default=8, help="windows a suite for --engines")
    parser.add_argument("--speed", action="store_true")
    options = parser.parse_args()
    if options.speed:
        speed()
        return
    by_suite = suites(count=options.windows, tuned=options.tuned)
    if options.engines:
        compare(by_suite, options.sample)
    else:
        backtest(by_suite)


if __name__ == "__main__":
    main()
