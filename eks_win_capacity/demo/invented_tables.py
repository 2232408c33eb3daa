"""
An invented fleet of 6,000 Windows nodes and the history of six subnets, the same everywhere.

They are shaped like the ones we plan for. A few types carry most nodes (Zipf's law), node
groups keep to their own families and spread over three zones, and an old one still runs on
types without Nitro. Watchers of subnets record a value every six hours: more on weekdays and
by day, growth, one migration as a step, a subnet that hit its limit and stays there, one that
hardly moves, and an outage of the watcher. Only the standard library draws, with a fixed seed.
"""

from __future__ import annotations

import datetime as dt
import math
import random
from typing import Final

SEED: Final = 20260920

NODE_GROUPS = {
    "windows-web": (
        2600,
        ["m5.xlarge", "m6i.xlarge", "m5.large", "m7i.xlarge", "m5.2xlarge", "t3.xlarge"],
    ),
    "windows-services": (
        1500,
        ["c5.2xlarge", "c6i.2xlarge", "m6i.2xlarge", "c5.4xlarge", "c7i.2xlarge", "m7i.2xlarge"],
    ),
    "windows-build": (
        800,
        ["c5d.4xlarge", "c6id.4xlarge", "c5.9xlarge", "m5d.4xlarge", "z1d.3xlarge"],
    ),
    "windows-data": (
        700,
        ["r5.2xlarge", "r6i.2xlarge", "r5.4xlarge", "r6i.4xlarge", "r7i.2xlarge", "x2iedn.xlarge"],
    ),
    "windows-legacy": (250, ["t2.xlarge", "r4.2xlarge", "t2.large", "i3.2xlarge"]),
    "windows-gpu": (120, ["g4dn.xlarge", "g5.2xlarge", "g4dn.4xlarge"]),
    "windows-metal": (30, ["m5.metal", "c5.metal"]),
}
"""Each node group: how many nodes, and its types from the most to the least used."""

ZONES = {"eu-west-1a": 10, "eu-west-1b": 11, "eu-west-1c": 12}
"""Each zone and the second number of its subnets' addresses."""

FLEET = ("node", "instance_type", "zone", "node_group")


def fleet_rows() -> list[tuple[str, str, str, str]]:
    """Nodes in the order in which ``kubectl get nodes`` sorts them."""
    draw = random.Random(SEED)  # noqa: S311 - a fleet to look at, no secret
    nodes: dict[str, tuple[str, str, str, str]] = {}
    for group, (count, types) in NODE_GROUPS.items():
        weights = [1 / rank for rank in range(1, len(types) + 1)]
        wanted = len(nodes) + count
        while len(nodes) < wanted:
            zone = draw.choice(list(ZONES))
            third, fourth = draw.randrange(256), draw.randrange(4, 255)
            node = f"ip-10-{ZONES[zone]}-{third}-{fourth}.eu-west-1.compute.internal"
            kind = draw.choices(types, weights)[0]
            nodes.setdefault(node, (node, kind, zone, group))
    return sorted(nodes.values())


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

USAGE = ("time", "subnet", "used")


def usage_rows() -> list[tuple[str, str, int]]:
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
