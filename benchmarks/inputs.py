"""Fleets whose types follow Zipf's law over the whole table."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd

import eks_win_capacity as ewc

CATALOG = ewc.Catalog.bundled()
NAMES = list(CATALOG)
PODS = {name: ewc.max_pods(name) for name in NAMES}
TABLE = np.array(list(PODS.values()))
LIMITS = pd.DataFrame({"instance_type": NAMES, "pods": TABLE})


@functools.lru_cache(maxsize=1)
def codes_of(rows: int) -> np.ndarray:
    """Draw types by Zipf's law, the common ones spread over the table."""
    rng = np.random.default_rng(20260320)
    weights = 1 / np.arange(1, len(NAMES) + 1)
    drawn = rng.choice(len(NAMES), size=rows, p=weights / weights.sum())
    return rng.permutation(len(NAMES))[drawn].astype(np.uint16)


def shared_texts_of(rows: int) -> list[str]:
    """One object for each value, as read_csv, JSON and database drivers give them."""
    return [NAMES[code] for code in codes_of(rows).tolist()]


def texts_of(rows: int) -> list[str]:
    """Every row a text of its own, as lines that are split give them."""
    return [f"{NAMES[code]} "[:-1] for code in codes_of(rows).tolist()]
