"""
An invented history of six subnets, the same everywhere.

The use is invented, but shaped like what watchers of subnets record: a value
every six hours, more on weekdays and by day, growth, one migration as a step, a
subnet that hit its limit and stays there, one that hardly moves, and an outage
of the watcher. Only the standard library draws, with a fixed seed.
"""

from __future__ import annotations

import datetime as dt
import math
import random
from typing import Final

SEED: Final = 20260920
DAYS: Final = 120
START = dt.datetime(2026, 5, 24, tzinfo=dt.UTC)

USABLE = 1019
"""Addresses of a /22 that can be in use; what is wanted beyond them is not seen."""

SUBNETS = {
    # First level, growth a day, more on weekdays, more at noon, noise, (day, step).
    "windows-a": (430, 2.6, 70, 25, 10, None),
    "windows-b": (390, 1.5, 60, 25, 14, (70, 180)),
    "windows-c": (760, 2.9, 40, 20, 8, None),
    "build": (300, 0.2, 160, 60, 25, None),
    "legacy": (540, -1.1, 20, 10, 6, None),
    "shared": (610, 1.2, 50, 20, 18, None),
}
OUTAGE = range(43, 46)
"""Days on which the watcher of the last subnet recorded nothing."""

COLUMNS = ("time", "subnet", "used")


def rows() -> list[tuple[str, str, int]]:
    """Used addresses at each time, by time and then by subnet."""
    draw = random.Random(SEED)  # noqa: S311 - a history to look at, no secret
    drawn = []
    for number in range(4 * DAYS):
        time = START + number * dt.timedelta(hours=6)
        day = number // 4
        for name, (level, growth, weekday, noon, noise, step) in SUBNETS.items():
            wanted = level + growth * number / 4 + draw.gauss(0, noise)
            wanted += weekday * (time.weekday() < 5)
            wanted += noon * math.sin((time.hour - 6) / 24 * 2 * math.pi)
            if step is not None and day >= step[0]:
                wanted += step[1]
            if name == "shared" and day in OUTAGE:
                continue
            used = min(max(round(wanted), 0), USABLE)
            drawn.append((time.strftime("%Y-%m-%dT%H:%MZ"), name, used))
    return drawn
