"""
Which data can everything be tried on, anywhere: an invented fleet, history, workload, cluster.

The data are drawn when they are asked for, with a fixed seed: nothing is read from
disk, and they are the same on every machine. The files in ``data/demo`` are the same
rows, for those who would rather open a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_win_capacity.core.lazy import checked_call

if TYPE_CHECKING:
    import pandas as pd

    from eks_win_capacity.cluster.state import ClusterState

__all__ = ["cluster", "fleet", "subnet_usage", "workloads"]


@checked_call
def fleet() -> pd.DataFrame:
    """
    Nodes of an invented fleet of 6,000 Windows nodes.

    Shaped like the ones we plan for: a few types carry most nodes, node groups keep
    to their families, and an old group runs on types without Nitro.

    Returns
    -------
    pandas.DataFrame
        Columns ``node``, ``instance_type``, ``zone`` and ``node_group``, one row a node.

    Examples
    --------
    >>> import eks_win_capacity as ewc
    >>> nodes = fleet()
    >>> len(nodes), int(ewc.max_pods(nodes["instance_type"]).sum())
    (6000, 99526)
    """
    import pandas as pd

    from eks_win_capacity.demo import invented_tables

    return pd.DataFrame(invented_tables.fleet_rows(), columns=list(invented_tables.FLEET))


@checked_call
def subnet_usage() -> pd.DataFrame:
    """
    Used addresses of six invented subnets, each a /22, over 120 days.

    One subnet grows to its limit and stays there, one took a migration in a step, one
    shrinks, and one has a gap where nobody watched.

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

    from eks_win_capacity.demo import invented_tables

    return pd.DataFrame(invented_tables.usage_rows(), columns=list(invented_tables.USAGE))


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
    State of an invented cluster, full by addresses, with mistakes to find.

    Three Windows nodes in two zones are full and two pods wait; CoreDNS runs on the only
    Linux node; the role of the Windows nodes lacks a group in aws-auth; one Deployment
    names no operating system.

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

    # In the order in which a folder is read: by name.
    answers = sorted(invented_cluster.answers().items())
    return files.load_files(*(answer for _, answer in answers))
