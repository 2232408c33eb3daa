"""
An invented fleet of 6,000 Windows nodes, the same everywhere.

The fleet is invented, but shaped like the ones we plan for: a few types carry
most nodes (Zipf's law), node groups keep to their own families and spread over
three zones, and an old node group still runs on types without Nitro. Only the
standard library draws, with a fixed seed.
"""

from __future__ import annotations

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

COLUMNS = ("node", "instance_type", "zone", "node_group")


def rows() -> list[tuple[str, str, str, str]]:
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
