"""
What each part of the engine earns: the CRPS of the date without it.

    python benchmarks/forecast/ablation.py               # recipes that nothing was chosen on
    python benchmarks/forecast/ablation.py --real        # the held-out half of the public series
    python benchmarks/forecast/ablation.py --tuned       # the windows of development
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import pandas as pd

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import foreign  # noqa: E402
import real  # noqa: E402
import run  # noqa: E402
from ends import SEED  # noqa: E402
from metrics import date_crps  # noqa: E402

from eks_win_capacity.forecast import (  # noqa: E402
    history_parts,
    learning,
    paths,
    smoothing,
)

if TYPE_CHECKING:
    from collections.abc import Callable

RESAMPLES = 2_000


def _none(values: np.ndarray, *_: object, **__: object) -> np.ndarray:
    return np.zeros_like(values)


def _without_view(view: int) -> Callable[..., np.ndarray]:
    shares = learning.shares

    def fewer(*given: object) -> np.ndarray:
        weights = shares(*given)
        if weights.shape[1] > view:
            weights[:, view] = 0.0
            weights[weights.sum(axis=1) == 0, 0] = 1.0
        return weights / weights.sum(axis=1, keepdims=True)

    return fewer


def _same_season(season: object, level: np.ndarray, *_: object, **__: object) -> tuple:
    return season, level


def _still(values: np.ndarray, *_: object) -> history_parts.Step:
    count = len(values)
    none = np.zeros(count)
    return history_parts.Step(np.zeros(count, dtype=np.int64), none, none, none > 0)


def _unbent(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.full(len(values), values.shape[1]), np.zeros(len(values))


def _calm(values: np.ndarray) -> history_parts.Surges:
    return history_parts.Surges(np.zeros(len(values), dtype=np.int64), np.ones(len(values)))


def _goes_on(fit: smoothing.Fit, *_: object) -> np.ndarray:
    return np.zeros(len(fit.weight))


PARTS: dict[str, tuple[object, str, object]] = {
    "view by logarithm": (learning, "shares", _without_view(1)),
    "view since the bend": (learning, "shares", _without_view(2)),
    "bends (84 periods always)": (learning, "since_bend", _unbent),
    "what a bend is worth": (learning, "_EVIDENCE", (0.0, 0.0)),
    "what an end of growth is worth": (learning, "_ended", _goes_on),
    "view of 35 periods": (learning, "shares", _without_view(3)),
    "outliers": (history_parts, "outliers", _none),
    "resets and newest shifts": (history_parts, "level_shifts", _none),
    "newest step": (learning, "newest_step", _still),
    "steps that a series grows by": (history_parts, "_as_before", lambda *_: False),
    "steps like the newest": (history_parts, "_like_it", lambda *_: (0, 0)),
    "steps as before": (paths, "_STEPPED", 0.0),
    "models without growth": (smoothing, "_STILL", 1e-9),
    "surges of the past": (learning, "surges", _calm),
    "surprises": (paths, "_SURPRISES", 0.0),
    "days that change (hours)": (history_parts, "adapted", _same_season),
}


def _crps(windows: list) -> np.ndarray:
    pairs = zip(windows, run.chances(windows), strict=True)
    return np.array([date_crps(chance, w.first_passage, w.per_day) for w, chance in pairs])


def _change(whole: dict, part: dict, series: dict) -> str:
    """Geometric mean over suites of the change without a part, with resampled series. [%]"""
    rng, changes, middle = np.random.default_rng(2), [], []
    for suite, score in whole.items():
        sums = pd.DataFrame({"with": score, "without": part[suite]})
        sums = sums.groupby(series[suite]).sum().to_numpy()
        drawn = sums[rng.integers(len(sums), size=(RESAMPLES, len(sums)))].sum(axis=1)
        changes.append(np.log(drawn[:, 1] / drawn[:, 0]))
        middle.append(np.log(sums[:, 1].sum() / sums[:, 0].sum()))
    low, high = np.quantile(np.mean(changes, axis=0), [0.025, 0.975])
    values = [100 * np.expm1(x) for x in (np.mean(middle), low, high)]
    return "{:+.1f} % [{:+.1f}, {:+.1f}]".format(*values)


def report(suites: dict[str, list]) -> None:
    """Print one row a part: all suites, and the one where it is missed most."""
    whole = {suite: _crps(windows) for suite, windows in suites.items()}
    series = {s: [w.series or i for i, w in enumerate(ws)] for s, ws in suites.items()}
    rows = []
    for name, (module, attribute, other) in PARTS.items():
        with mock.patch.object(module, attribute, other):
            part = {suite: _crps(windows) for suite, windows in suites.items()}
        single = {s: 100 * (part[s].sum() / whole[s].sum() - 1) for s in suites}
        most = max(single, key=single.get)
        rows.append(
            {
                "without": name,
                "CRPS": _change(whole, part, series),
                "missed most on": f"{most} {single[most]:+.0f} %",
            }
        )
        print(name, "done", file=sys.stderr)
    run.show(pd.DataFrame(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=120, help="series a suite")
    parser.add_argument("--real", action="store_true", help="public series in place of recipes")
    parser.add_argument("--tuned", action="store_true", help="the windows of development")
    options = parser.parse_args()
    if options.tuned:
        report(run.suites(count=options.series, tuned=True))
    elif options.real:
        report({suite: real.windows(suite, "held-out") for suite in real.SHAPES})
    else:
        report({s: foreign.windows(s, options.series, seed=SEED) for s in foreign.SUITES})


if __name__ == "__main__":
    main()
