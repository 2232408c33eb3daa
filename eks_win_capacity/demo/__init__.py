"""
Invented data to try everything on: a fleet, a history of use, workloads and a cluster.

The data are generated on request with a fixed seed: nothing is read from disk, and they are the
same on every machine. The files in ``data/demo`` contain the same rows.

They resemble real data. A few types account for most nodes (Zipf's law); node groups use a few
families each and spread over three zones; an old group still runs on types without Nitro. Use
of subnets is recorded every six hours: higher on weekdays and at noon, with growth, a level
shift by a migration, a subnet at its limit, one that hardly changes, and an outage of the
recorder.
"""

from __future__ import annotations

import datetime as dt
import math
import random
from typing import TYPE_CHECKING, Final

from eks_win_capacity.core.lazy import checked_call

if TYPE_CHECKING:
    import pandas as pd

    from eks_win_capacity.cluster.state import ClusterState

__all__ = ["cluster", "fleet", "subnet_usage", "workloads"]


@checked_call
def fleet() -> pd.DataFrame:
    """
    Nodes of an invented fleet of 6,000 Windows nodes.

    It resembles real fleets: most nodes are of a few types, node groups use a few families each,
    and an old group runs on types without Nitro.

    Returns
    -------
    pandas.DataFrame
        Columns ``node``, ``instance_type``, ``zone`` and ``node_group``, one row per node.

    Examples
    --------
    >>> import eks_win_capacity as ewc
    >>> nodes = fleet()
    >>> len(nodes), int(ewc.max_pods(nodes["instance_type"]).sum())
    (6000, 99526)
    """
    import pandas as pd

    return pd.DataFrame(_fleet_rows(), columns=["node", "instance_type", "zone", "node_group"])


@checked_call
def subnet_usage() -> pd.DataFrame:
    """
    Used addresses of six invented subnets, each a /22, over 120 days.

    One subnet grows to its limit and stays there, one has a level shift by a migration, one
    shrinks, and one has a gap without records.

    Returns
    -------
    pandas.DataFrame
        Columns ``time`` (every six hours, a string in UTC), ``subnet`` and
        ``used`` [addresses].

    Examples
    --------
    >>> int(subnet_usage()["used"].max())
    1019
    """
    import pandas as pd

    return pd.DataFrame(_usage_rows(), columns=["time", "subnet", "used"])


@checked_call
def workloads() -> pd.DataFrame:
    """
    Two invented workloads, as `plan_fleet` takes them.

    Returns
    -------
    pandas.DataFrame
        Columns ``name``, ``replicas``, ``cpu`` and ``memory`` (requests of one pod, as
        Kubernetes quantities).

    Examples
    --------
    >>> workloads()
         name  replicas   cpu memory
    0     web        60  250m  256Mi
    1  orders        10  500m    1Gi
    """
    import pandas as pd

    rows = [("web", 60, "250m", "256Mi"), ("orders", 10, "500m", "1Gi")]
    return pd.DataFrame(rows, columns=["name", "replicas", "cpu", "memory"])


@checked_call
def cluster() -> ClusterState:
    """
    State of an invented cluster without free addresses and with deliberate mistakes.

    Three Windows nodes in two zones are full and two pods are pending; CoreDNS runs on the only
    Linux node; the role of the Windows nodes lacks a group in aws-auth; one Deployment selects
    no operating system.

    Returns
    -------
    ClusterState
        Equal to what `load_files` reads from ``data/demo/cluster``.

    Examples
    --------
    >>> import eks_win_capacity as ewc
    >>> [pod.cause for pod in ewc.explain_pending(cluster())]
    ['addresses', 'addresses']
    """
    from eks_win_capacity import files
    from eks_win_capacity.demo import invented_cluster

    # In the order of names, as a folder is read.
    answers = sorted(invented_cluster.answers().items())
    return files.load_files(*(answer for _, answer in answers))


_SEED: Final = 20260920

_NODE_GROUPS = {
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
"""Each node group: number of nodes, and types from the most to the least frequent."""

_ZONES = {"eu-west-1a": 10, "eu-west-1b": 11, "eu-west-1c": 12}
"""Each zone and the second octet of its subnets' addresses."""


def _fleet_rows() -> list[tuple[str, str, str, str]]:
    """Nodes in the order of ``kubectl get nodes``."""
    draw = random.Random(_SEED)  # noqa: S311 - a fleet to look at, no secret
    nodes: dict[str, tuple[str, str, str, str]] = {}
    for group, (count, types) in _NODE_GROUPS.items():
        weights = [1 / rank for rank in range(1, len(types) + 1)]
        wanted = len(nodes) + count
        while len(nodes) < wanted:
            zone = draw.choice(list(_ZONES))
            third, fourth = draw.randrange(256), draw.randrange(4, 255)
            node = f"ip-10-{_ZONES[zone]}-{third}-{fourth}.eu-west-1.compute.internal"
            kind = draw.choices(types, weights)[0]
            nodes.setdefault(node, (node, kind, zone, group))
    return sorted(nodes.values())


_DAYS: Final = 120
_START = dt.datetime(2026, 5, 24, tzinfo=dt.UTC)

_USABLE = 1019
"""Usable addresses of a /22, the upper limit of recorded use."""

_SUBNETS = {
    # First level, daily growth, weekday and noon increase, noise, (day, step).
    "windows-a": (430, 2.6, 70, 25, 10, None),
    "windows-b": (390, 1.5, 60, 25, 14, (70, 180)),
    "windows-c": (760, 2.9, 40, 20, 8, None),
    "build": (300, 0.2, 160, 60, 25, None),
    "legacy": (540, -1.1, 20, 10, 6, None),
    "shared": (610, 1.2, 50, 20, 18, None),
}
_OUTAGE = range(43, 46)
"""Days without records of the last subnet."""


def _usage_rows() -> list[tuple[str, str, int]]:
    """Used addresses, sorted by time and then by subnet."""
    draw = random.Random(_SEED)  # noqa: S311 - a history to look at, no secret
    drawn = []
    for number in range(4 * _DAYS):
        time = _START + number * dt.timedelta(hours=6)
        day = number // 4
        for name, (level, growth, weekday, noon, noise, step) in _SUBNETS.items():
            wanted = level + growth * number / 4 + draw.gauss(0, noise)
            wanted += weekday * (time.weekday() < 5)
            wanted += noon * math.sin((time.hour - 6) / 24 * 2 * math.pi)
            if step is not None and day >= step[0]:
                wanted += step[1]
            if name == "shared" and day in _OUTAGE:
                continue
            used = min(max(round(wanted), 0), _USABLE)
            drawn.append((time.strftime("%Y-%m-%dT%H:%MZ"), name, used))
    return drawn
