"""What kubectl printed, as the state of a cluster; no cluster is contacted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.kubectl._reading import KINDS, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster.state import ClusterState

__all__ = ["KINDS", "load"]

Sources = Any
"""One source, or a list or tuple of them."""


@checked_call
def load(
    *sources: Sources,
    nodes: Sources = None,
    pods: Sources = None,
    configmap: Sources = None,
    aws_auth: Sources = None,
    workloads: Sources = None,
    services: Sources = None,
    endpoints: Sources = None,
    events: Sources = None,
    security_group_policies: Sources = None,
) -> ClusterState:
    """
    Read saved answers of kubectl as the state of one cluster.

    Sources are paths, texts, files or parsed mappings, in JSON or YAML, with
    single objects, ``List`` objects or several documents; each object is taken
    by its kind, wherever it stands. A part that no source tells stays unknown.
    Naming a source for its part also says that it is whole: an empty list then
    means none, and for ``configmap`` an empty mapping means that kube-system
    has no ConfigMap amazon-vpc-cni.

    Parameters
    ----------
    *sources : path, str, file, mapping, or a list of these
        Such as the output of ``kubectl get nodes,pods -A -o json``.
    nodes, pods, workloads, services, endpoints, events, security_group_policies
        Sources of one part each.
    configmap : optional
        ConfigMap kube-system/amazon-vpc-cni, or only its ``data``.
    aws_auth : optional
        ConfigMap kube-system/aws-auth, or only its ``data``.

    Returns
    -------
    ClusterState
        What the sources tell; the rest is named in its ``unknown``.

    Raises
    ------
    DocumentError
        If a source is damaged, too large, of another shape, or holds nothing
        that is read here; or if two objects of one name differ.
    UnsupportedInputError
        If a source is of a kind that cannot be read.

    Examples
    --------
    >>> state = load('''
    ... {"kind": "Node", "metadata": {"name": "win-1", "labels": {
    ...     "kubernetes.io/os": "windows", "node.kubernetes.io/instance-type": "m5.large"}},
    ...  "status": {"allocatable": {"pods": "110",
    ...     "vpc.amazonaws.com/PrivateIPv4Address": "9"}}}''')
    >>> state.nodes[0].instance_type, state.nodes[0].advertised_addresses
    ('m5.large', 9)
    >>> state.pods is None
    True
    """
    reading = Reading()
    for source in _each(sources):
        reading.take(source)
    reading.something(sources)
    for part, given in (
        ("nodes", nodes),
        ("pods", pods),
        ("workloads", workloads),
        ("services", services),
        ("services", endpoints),
        ("", events),
        ("security_group_policies", security_group_policies),
    ):
        for source in _each(given):
            reading.take(source, part=part, named=True)
    for name, given in (("amazon-vpc-cni", configmap), ("aws-auth", aws_auth)):
        for source in _each(given):
            reading.take_configmap(source, name)
    return reading.state()


def _each(sources: Sources) -> Iterator[Any]:
    if sources is None:
        return
    if isinstance(sources, (list, tuple)):
        for source in sources:
            yield from _each(source)
    else:
        yield sources
