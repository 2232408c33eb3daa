"""Placement rules of a pod template, as fields of a workload or as phrases for notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from eks_win_capacity.core.constants import ADDRESS_RESOURCE
from eks_win_capacity.kubectl import _objects as objects

_HOST: Final = "kubernetes.io/hostname"
_EVERYWHERE: Final = {*objects.OS_LABELS, *objects.ARCH_LABELS, objects.BUILD_LABEL}
"""Labels that every node of a plan has."""


def rules_of(template: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """
    Required placement rules: fields of a workload, and phrases for those without a field.

    Preferences are left out.

    Examples
    --------
    >>> spread = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "labelSelector": {}}
    >>> rules_of({"spec": {"topologySpreadConstraints": [spread]}})
    ({'zone_spread': True, 'max_skew': 1}, [])
    """
    spec = template["spec"]
    labels = (template.get("metadata") or {}).get("labels") or {}
    fields: dict[str, Any] = {}
    words = [*_affinities(spec, labels, fields), *_spreads(spec, labels, fields)]
    if host_ports(spec):
        fields["anti_affinity"] = True
    words += _node_rules(spec, fields)
    more = _resources(spec)
    if more.pop("ephemeral-storage", 0):
        words.append("ephemeral storage")
    return (fields | {"extended": dict(more)} if more else fields), words


def _matches(selector: Any, labels: Mapping[str, Any]) -> bool:
    """Whether a label selector matches the template's own pods; a missing one matches none."""
    if not isinstance(selector, Mapping):
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for one in selector.get("matchExpressions") or ():
        value, values = labels.get(one["key"]), one.get("values") or ()
        fits = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not fits[one["operator"]]:
            return False
    return True


def _affinities(
    spec: Mapping[str, Any], labels: Mapping[str, Any], fields: dict[str, Any]
) -> Iterator[str]:
    affinity = spec.get("affinity") or {}
    for term in (affinity.get("podAntiAffinity") or {}).get(objects.REQUIRED) or ():
        own_pods = _matches(term.get("labelSelector"), labels)
        if own_pods and term["topologyKey"] == _HOST:
            fields["anti_affinity"] = True
        else:
            yield f"anti-affinity {'of its own pods' if own_pods else 'to other pods'} by {term['topologyKey']}"
    for term in (affinity.get("podAffinity") or {}).get(objects.REQUIRED) or ():
        yield f"pod affinity by {term['topologyKey']}"


def _spreads(
    spec: Mapping[str, Any], labels: Mapping[str, Any], fields: dict[str, Any]
) -> Iterator[str]:
    for one in spec.get("topologySpreadConstraints") or ():
        key = one["topologyKey"]
        if one.get("whenUnsatisfiable", "DoNotSchedule") != "DoNotSchedule":
            continue
        if not _matches(one.get("labelSelector"), labels):
            yield f"spread with other pods by {key}"
        elif key in objects.ZONE_LABELS:
            fields |= {"zone_spread": True, "max_skew": one.get("maxSkew", 1)}
        elif key == _HOST:
            fields["max_per_node"] = one.get("maxSkew", 1)
        else:
            yield f"spread by {key}"


def host_ports(spec: Mapping[str, Any]) -> set[int]:
    """Ports of the node that a pod uses: two pods with the same one cannot run on one node."""
    key = "containerPort" if spec.get("hostNetwork") else "hostPort"
    ports = (
        port.get(key) for one in spec.get("containers") or () for port in one.get("ports") or ()
    )
    return {int(port) for port in ports if port}


def _node_rules(spec: Mapping[str, Any], fields: dict[str, Any]) -> Iterator[str]:
    """Phrases on node labels that a plan does not support; instance types become a field."""
    wanted = {key: [value] for key, value in (spec.get("nodeSelector") or {}).items()}
    terms = objects.required_terms(spec)
    rules = [one for term in terms for one in term.get("matchExpressions") or ()]
    for one in rules:
        if len(terms) == 1 and one["operator"] == "In" and one["key"] not in wanted:
            wanted[one["key"]] = list(one["values"])
        elif one["key"] not in _EVERYWHERE:
            wanted.setdefault(f"{one['key']} ({one['operator']})", [])
    for key, values in wanted.items():
        if key in objects.TYPE_LABELS:
            fields["allowed_types"] = values
        elif key in objects.ARCH_LABELS and values and "amd64" not in values:
            yield f"nodes by {key}={','.join(map(str, values))}, which no Windows node is"
        elif key not in _EVERYWHERE:
            yield f"nodes by {key}{'=' * bool(values)}{','.join(map(str, values))}"


def _resources(spec: Mapping[str, Any]) -> Counter[str]:
    """Requests of the containers besides CPU, memory and an address."""
    total: Counter[str] = Counter()
    for container in spec.get("containers") or ():
        for name, value in objects.asked_by(container).items():
            if name == "ephemeral-storage":
                total[name] = 1
            elif "/" in name and name != ADDRESS_RESOURCE:
                total[name] += int(value)
    return total
