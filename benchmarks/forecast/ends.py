"""
Forecasts on suites that nothing was chosen on, beside engines that give a distribution too.

    python benchmarks/forecast/ends.py               # the foreign suites, about a minute
    python benchmarks/forecast/ends.py --series 400  # more series a suite
    python benchmarks/forecast/ends.py --real        # the held-out half of the public series

Every interval is a bootstrap that resamples series, not windows.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import foreign  # noqa: E402
import real  # noqa: E402
import run  # noqa: E402
from metrics import date_covered, date_crps  # noqa: E402
from peers import PEERS  # noqa: E402

SEED = 20261126
RESAMPLES = 2_000


def _scores(windows: list) -> pd.DataFrame:
    """One row a window: our scores, the CRPS of each peer, and what the ends said."""
    scores, chances = run.scores_and_chances(windows)
    rng, rows = np.random.default_rng(1), []
    for window, score, chance in zip(windows, scores, chances, strict=True):
        passage = window.first_passage
        early = np.isfinite(passage) and chance[int(passage) - 1] < 0.1
        row = {
            "this engine": score.crps,
            "early": early,
            "chance": chance[-1],
            "came": np.isfinite(passage),
            "path_80": score.path_80,
            "date_80": date_covered(chance, passage, 0.8),
            "date_95": date_covered(chance, passage, 0.95),
        }
        for name, paths in PEERS.items():
            hit = np.maximum.accumulate(paths(window, rng), axis=1) >= window.limit
            row[name] = date_crps(hit.mean(axis=0), passage, window.per_day)
        rows.append(row)
    return pd.DataFrame(rows)


def _interval(table: pd.DataFrame, series: np.ndarray, best: str) -> tuple[float, float, float]:
    """Change of CRPS against a peer, and its 95 % interval over resampled series. [%]"""
    sums = table.groupby(series)[["this engine", best]].sum().to_numpy()
    rng = np.random.default_rng(2)
    drawn = rng.integers(len(sums), size=(RESAMPLES, len(sums)))
    ours, theirs = sums[drawn].sum(axis=1).T
    total = sums.sum(axis=0)
    low, high = np.quantile(100 * (ours / theirs - 1), [0.025, 0.975])
    return 100 * (total[0] / total[1] - 1), low, high


def _share(came: pd.Series) -> str:
    return f"{100 * came.mean():.1f} % of {len(came)}" if len(came) else "-"


def report(suites: dict[str, list]) -> None:
    """Print one row a suite, and the ends over all of them."""
    rows, tables, keys = [], [], []
    for suite, windows in suites.items():
        table, series = _scores(windows), np.array([w.series for w in windows])
        best = table[list(PEERS)].mean().idxmin()
        change, low, high = _interval(table, series, best)
        rows.append(
            {
                "suite": suite,
                "series": len(np.unique(series)),
                "run dry": f"{100 * table['came'].mean():.0f} %",
                "date CRPS, days": f"{table['this engine'].mean():.2f}",
                "best other": f"{best} {table[best].mean():.2f}",
                "change": f"{change:+.0f} % [{low:+.0f}, {high:+.0f}]",
                "before the 10 % date": f"{100 * table['early'].mean():.0f} %",
                "path 80": f"{100 * table['path_80'].mean():.0f}",
                "date 80/95": f"{100 * table['date_80'].mean():.0f}/{100 * table['date_95'].mean():.0f}",
            }
        )
        tables.append(table)
        keys.append([f"{suite} {name}" for name in series])
        print(suite, "done", file=sys.stderr)
    run.show(pd.DataFrame(rows))
    every, series = pd.concat(tables, ignore_index=True), np.concatenate(keys)
    print()
    for name in PEERS:
        change, low, high = _interval(every, series, name)
        print(f"all suites, CRPS against {name}: {change:+.0f} % [{low:+.0f}, {high:+.0f}]")
    print("said at most 1 %, came:", _share(every.loc[every["chance"] <= 0.01, "came"]))
    print("said 95 % or more, came:", _share(every.loc[every["chance"] >= 0.95, "came"]))
    print(f"before the 10 % date: {100 * every['early'].mean():.1f} %")
    print(
        f"path 80: {100 * every['path_80'].mean():.1f}; "
        f"date 80/95: {100 * every['date_80'].mean():.1f}/{100 * every['date_95'].mean():.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=150, help="series a suite")
    parser.add_argument("--real", action="store_true", help="public series in place of recipes")
    options = parser.parse_args()
    if options.real:
        report({suite: real.windows(suite, "held-out") for suite in real.SHAPES})
    else:
        report({s: foreign.windows(s, options.series, seed=SEED) for s in foreign.SUITES})


if __name__ == "__main__":
    main()
