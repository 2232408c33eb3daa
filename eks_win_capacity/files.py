"""Saved answers of kubectl and of the AWS CLI, mixed, as the state of one cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eks_win_capacity import kubectl
from eks_win_capacity._documents import members, source_name
from eks_win_capacity.aws import _answers
from eks_win_capacity.cluster import ClusterState
from eks_win_capacity.errors import DocumentError


def load_files(*sources: Any) -> ClusterState:
    """
    Read any mixture of saved answers as the state of one cluster.

    Each source is known by what it holds: objects of kubectl by ``kind`` or
    ``items``, answers of the AWS CLI by their own member (``cluster``,
    ``Subnets`` ...), and a state that `ClusterState.save` wrote by its format.

    Parameters
    ----------
    *sources : path, str, file or mapping
        JSON or YAML.

    Returns
    -------
    ClusterState

    Raises
    ------
    DocumentError
        If a source is damaged, or of no kind that is known.
    StateConflictError
        If two sources disagree.

    Examples
    --------
    >>> state = load_files(
    ...     {"cluster": {"name": "prod", "version": "1.30", "platformVersion": "eks.5"}},
    ...     {"kind": "Node", "metadata": {"name": "win-1"}},
    ... )
    >>> state.platform_version, len(state.nodes)
    ('eks.5', 1)
    """
    from_kubectl, from_aws, saved = [], [], []
    for source in sources:
        again: Any = source
        if hasattr(source, "read"):
            again = source.read()
        kind = _kind(again)
        if kind == "kubectl":
            from_kubectl.append(again)
        elif kind == "aws":
            from_aws.append(again)
        else:
            saved.append(again)
    state = ClusterState()
    if from_kubectl:
        state = state.merge(kubectl.load(*from_kubectl))
    if from_aws:
        state = state.merge(_answers.state(_answers.gather(*from_aws)))
    for source in saved:
        state = state.merge(ClusterState.load(source))
    return state


def _kind(source: Any) -> str:
    keys: list[str] = list(source) if isinstance(source, Mapping) else []
    for _, key, _, _ in () if keys else members(source):
        if key not in keys:
            keys.append(key)
        if key in {"kind", "items", "format", "serverVersion"} or key in _answers.KEYS:
            break
    if "format" in keys:
        return "saved"
    if {"kind", "items", "apiVersion", "serverVersion"} & set(keys):
        return "kubectl"
    if set(_answers.KEYS) & set(keys):
        return "aws"
    name = source_name(source)
    raise DocumentError(
        f"{name} is neither of kubectl, of the AWS CLI nor a saved state; its members: "
        f"{', '.join(keys[:5]) or 'none'}",
        source=name,
    )
