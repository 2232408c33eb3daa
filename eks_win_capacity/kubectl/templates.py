"""Workloads to plan for, from the manifests that make pods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eks_win_capacity.core.errors import InputError
from eks_win_capacity.kubectl import _objects as objects

_AT_ONCE = {"Job": "parallelism", "CronJob": "parallelism"}
"""Kinds without ``replicas``: the field that says how many of their pods run at once."""


def is_template(value: object) -> bool:
    """Whether a value is a manifest with a template of pods, and made by no other object."""
    return (
        isinstance(value, Mapping)
        and value.get("kind") in objects.TEMPLATE_KINDS
        and isinstance(value.get("metadata"), Mapping)
        and isinstance(value.get("spec"), Mapping)
        and not objects.controlled(value)
    )


def workload_rows(manifests: list[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """
    Rows of workloads that manifests of Windows pods ask for, and notes on what is left out.

    Parameters
    ----------
    manifests : list of mapping
        Deployments, StatefulSets, ReplicaSets, Jobs and CronJobs. One without
        ``replicas`` asks for 1 pod, as Kubernetes takes it; a Job for its
        ``parallelism``.

    Returns
    -------
    (list of dict, list of str)
        Name, replicas, cpu [millicores], memory [bytes] and host_process of each
        workload; one note for each reason to leave manifests out.

    Raises
    ------
    InputError
        If a manifest is damaged, or none selects Windows nodes.

    Examples
    --------
    >>> pods = {"nodeSelector": {"kubernetes.io/os": "windows"}, "containers": []}
    >>> spec = {"replicas": 3, "template": {"spec": pods}}
    >>> rows, _ = workload_rows([{"kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}])
    >>> rows[0]["name"], rows[0]["replicas"]
    ('web', 3)
    """
    rows: list[dict[str, Any]] = []
    left: dict[str, list[str]] = {}
    lent = _lent(manifests)
    borrowers = [f"Rollout {_name(one)}" for one in manifests if not objects.makes_pods(one)]
    manifests = [one for one in manifests if objects.makes_pods(one)]
    named = [_name(one) for one in manifests]
    if lent.keys() - {f"{one['kind']} {name}" for one, name in zip(manifests, named, strict=True)}:
        left["the Deployment whose template they borrow is not given"] = borrowers
    short = [name.partition("/")[2] for name in named]
    for manifest, name, alone in zip(manifests, named, short, strict=True):
        kind = str(manifest["kind"])
        try:
            spec = objects.pod_template(manifest)["spec"]
            system = objects.selection(spec)[0] or objects.declared_os(spec)
            cpu, memory = objects.requests(spec)
            replicas = lent.get(f"{kind} {name}", _replicas(manifest))
            host = objects.host_process(spec) or bool(spec.get("hostNetwork"))
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{kind} {name} has no sound template of pods: {error}") from error
        if system != "windows":
            why = "they select no kubernetes.io/os" if not system else f"they are for {system}"
            left.setdefault(why, []).append(f"{kind} {name}")
        elif kind == "DaemonSet":
            left.setdefault("a DaemonSet runs on every node: name it by --daemonset", []).append(
                f"{kind} {name}"
            )
        else:
            rows.append(
                {
                    "name": alone if short.count(alone) == 1 else f"{name}/{kind.lower()}",
                    "replicas": replicas,
                    "cpu": f"{cpu}m",
                    "memory": str(memory),
                    "host_process": host,
                }
            )
    notes = [f"left out, as {why}: {', '.join(names)}" for why, names in left.items()]
    if not rows:
        raise InputError(
            "no manifest asks for Windows pods by replicas and a nodeSelector of "
            f"kubernetes.io/os: windows; {'; '.join(notes)}"
        )
    return rows, notes


def _name(manifest: Mapping[str, Any]) -> str:
    try:
        namespace, name, _ = objects.metadata(manifest)
    except (KeyError, TypeError) as error:
        raise InputError(f"a {manifest.get('kind')} has no metadata.name: {error}") from error
    return f"{namespace}/{name}"


def _lent(manifests: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Pods of each Deployment whose template a Rollout borrows, which scales it down itself."""
    found = {}
    for one in manifests:
        lender = one["spec"].get("workloadRef")
        if one["kind"] == "Rollout" and isinstance(lender, Mapping):
            namespace = _name(one).partition("/")[0]
            found[f"{lender.get('kind')} {namespace}/{lender.get('name')}"] = _replicas(one)
    return found


def _replicas(manifest: Mapping[str, Any]) -> Any:
    spec, kind = manifest["spec"], str(manifest["kind"])
    if kind == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    count = spec.get(_AT_ONCE.get(kind, "replicas"))
    return 1 if count is None else count
