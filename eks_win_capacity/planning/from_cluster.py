"""What runs in a cluster, as workloads of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_win_capacity.core.errors import InputError
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.planning.workloads import Load

if TYPE_CHECKING:
    from eks_win_capacity.cluster.state import ClusterState, Pod

__all__ = ["daemons_of", "workloads_of"]

_EVERY_NODE = "DaemonSet/"


@checked_call
def workloads_of(state: ClusterState) -> tuple[Load, ...]:
    """
    Group the Windows pods of a cluster, running and pending, by owner and requests.

    A pod without an owner stands for itself. Zone spread, anti-affinity and node affinity of
    the pods are not in the state, so they are not in the workloads either.

    Raises
    ------
    InputError
        If the state knows no pods, or none of them is for Windows.
    """
    pods = _pods(state)
    loads = _grouped([pod for pod in pods if not pod.owner.startswith(_EVERY_NODE)])
    if not loads:
        raise InputError("the cluster state has no Windows pods other than those of DaemonSets")
    return loads


@checked_call
def daemons_of(state: ClusterState) -> tuple[Load, ...]:
    """The DaemonSets whose pods are on Windows nodes, one pod each."""
    found = [pod for pod in _pods(state) if pod.owner.startswith(_EVERY_NODE)]
    largest = {}
    for pod in sorted(found, key=lambda pod: (pod.cpu_m, pod.memory_bytes)):
        # While a new version rolls out, the larger request is the one to keep room for.
        largest[pod.namespace, pod.owner] = pod
    return _grouped(list(largest.values()))


def _pods(state: ClusterState) -> tuple[Pod, ...]:
    pods = state.windows_pods
    if pods is None:
        why = state.unknown.get("pods", "no source told")
        raise InputError(f"the cluster state knows no pods: {why}")
    return pods


def _grouped(pods: list[Pod]) -> tuple[Load, ...]:
    groups: dict[tuple[str, int, int, bool], int] = {}
    for pod in pods:
        name = f"{pod.namespace}/{pod.owner or pod.name}"
        key = (name, pod.cpu_m, pod.memory_bytes, not pod.takes_address)
        groups[key] = groups.get(key, 0) + 1
    names = [key[0] for key in groups]
    return tuple(
        Load(
            # Pods of one owner that ask for different things are told apart by what they ask.
            name=name if names.count(name) == 1 else f"{name} ({_asks(cpu, memory, host)})",
            replicas=count,
            cpu=cpu,
            memory=memory,
            host_process=host,
        )
        for (name, cpu, memory, host), count in sorted(groups.items())
    )


def _asks(cpu: int, memory: int, host: bool) -> str:  # noqa: FBT001
    size = f"{memory // 2**20}Mi" if memory % 2**20 == 0 else f"{memory}"
    return f"{cpu}m, {size}{', host network' * host}"
