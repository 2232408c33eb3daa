"""Karpenter's own objects, as records of the cluster's state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.cluster.records import NodeClaim, NodeClass, NodePool
from eks_win_capacity.core.errors import without_accounts
from eks_win_capacity.kubectl._objects import (
    ARCH_LABELS,
    OS_LABELS,
    POOL_LABELS,
    TYPE_LABELS,
    metadata,
    reserved_memory,
    taint_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

POOL_KINDS: Final = ("NodePool", "Provisioner")
CLASS_KINDS: Final = ("EC2NodeClass", "AWSNodeTemplate")
CLAIM_KINDS: Final = ("NodeClaim", "Machine")
"""The kinds of today, and what they were called before Karpenter 0.32."""

_SYSTEMS: Final = {"windows", "linux"}

_STEPS: Final = ("Launched", "Registered", "Initialized")
"""The conditions that a NodeClaim meets one after the other until its node takes pods."""


def node_pool(item: Mapping[str, Any]) -> NodePool:
    """Read a NodePool, or the Provisioner of older versions."""
    _, name, _ = metadata(item)
    spec = item.get("spec") or {}
    template = spec.get("template") or {}
    inner = template.get("spec") or spec
    labels = (template.get("metadata") or {}).get("labels") or spec.get("labels") or {}
    wanted = inner.get("requirements") or []
    limits = spec.get("limits") or {}
    reference = inner.get("nodeClassRef") or spec.get("providerRef") or {}
    named = next((str(labels[key]) for key in OS_LABELS if labels.get(key)), "")
    return NodePool(
        name=name,
        node_class=str(reference.get("name") or ""),
        systems=(named,) if named else _systems(wanted),
        instance_types=_values(wanted, TYPE_LABELS),
        architectures=_values(wanted, ARCH_LABELS),
        limits=_quantities(limits.get("resources") or limits),
        used=_quantities((item.get("status") or {}).get("resources") or {}),
        taints=tuple(taint_text(taint) for taint in inner.get("taints") or ()),
    )


def _quantities(given: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((str(key), str(value)) for key, value in given.items()))


def _values(wanted: list[Mapping[str, Any]], keys: tuple[str, ...]) -> tuple[str, ...]:
    """The values of the requirement ``In`` for a label; empty without one."""
    return tuple(
        str(value)
        for one in wanted
        if one.get("key") in keys and one.get("operator") == "In"
        for value in one.get("values") or ()
    )


def _systems(wanted: list[Mapping[str, Any]]) -> tuple[str, ...]:
    allowed = _values(wanted, OS_LABELS)
    barred = {
        str(value)
        for one in wanted
        if one.get("key") in OS_LABELS and one.get("operator") == "NotIn"
        for value in one.get("values") or ()
    }
    return allowed or tuple(sorted(_SYSTEMS - barred)) * bool(barred)


def node_class(item: Mapping[str, Any]) -> NodeClass:
    """Read an EC2NodeClass, or the AWSNodeTemplate of older versions."""
    _, name, _ = metadata(item)
    spec = item.get("spec") or {}
    kubelet = spec.get("kubelet") or {}
    most = kubelet.get("maxPods")
    return NodeClass(
        name=name,
        ami_family=str(spec.get("amiFamily") or _alias(spec)),
        role=str(spec.get("role") or "").rpartition("/")[2],
        profile=str(spec.get("instanceProfile") or ""),
        max_pods=most if isinstance(most, int) else None,
        reserved_memory_mib=reserved_memory(kubelet),
        prefixes=spec["ipPrefixCount"] if isinstance(spec.get("ipPrefixCount"), int) else None,
    )


def node_claim(item: Mapping[str, Any]) -> NodeClaim:
    """Read a NodeClaim, or the Machine of older versions."""
    _, name, labels = metadata(item)
    spec, status = item.get("spec") or {}, item.get("status") or {}
    wanted = spec.get("requirements") or []
    types = _values(wanted, TYPE_LABELS)
    held = {one["type"]: one for one in status.get("conditions") or ()}
    named = {
        key: next((str(labels[label]) for label in keys if labels.get(label)), "")
        for key, keys in (("os", OS_LABELS), ("type", TYPE_LABELS), ("pool", POOL_LABELS))
    }
    return NodeClaim(
        name=name,
        node_pool=named["pool"] or "".join(_values(wanted, POOL_LABELS)[:1]),
        instance_type=named["type"] or (types[0] if len(types) == 1 else ""),
        node=str(status.get("nodeName") or ""),
        systems=(named["os"],) if named["os"] else _systems(wanted),
        open=tuple(
            (step, str(one.get("reason") or ""), without_accounts(str(one.get("message") or "")))
            for step in _STEPS
            for one in (held.get(step, {}),)
            if one.get("status") != "True"
        ),
    )


def _alias(spec: Mapping[str, Any]) -> str:
    """The family in an alias such as ``windows2022@latest``; empty without one."""
    aliases = [str(t.get("alias") or "") for t in spec.get("amiSelectorTerms") or ()]
    return next((alias.partition("@")[0] for alias in aliases if alias), "")
