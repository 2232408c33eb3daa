"""Which targets its ConfigMap really gives, in any form that it comes in, and the traps on the way."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.addresses.targets import (
    ADDON_KEYS,
    CONFIGMAP_NAME,
    CONFIGMAP_NAMESPACE,
    ENABLE_IPAM,
    ENABLE_PREFIX_DELEGATION,
    MINIMUM_IP,
    TARGETS,
    WARM_IP,
    WARM_PREFIX,
    Target,
    go_bool,
    go_int,
    uses_prefix_rule,
)
from eks_win_capacity.core.constants import (
    ADDRESSES_PER_PREFIX,
    LARGEST_IPV4_PER_INTERFACE,
    MAX_COUNT,
    NODE_ADDRESSES,
)
from eks_win_capacity.core.documents import whole
from eks_win_capacity.core.errors import (
    ConfigMapError,
    DocumentError,
    UnsupportedInputError,
    WarmTargetError,
)
from eks_win_capacity.core.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    import yaml

    from eks_win_capacity.core.findings import Severity


@dataclass(frozen=True, kw_only=True)
class ConfigMap:
    """
    What was read: the pairs, and the names if the source told them.

    Attributes
    ----------
    data : mapping of str to str, or None
        The pairs; None if there is no ConfigMap or it has no ``data``.
    present : bool
        Whether there is a ConfigMap at all.
    name, namespace : str
        As in its metadata; empty if unknown.
    """

    data: Mapping[str, str] | None
    present: bool = True
    name: str = ""
    namespace: str = ""


MAX_TEXT: Final = 2 * 1024 * 1024
"""Longest text that is parsed. [characters]

Kubernetes limits a ConfigMap to 1 MiB, and printing adds quotes and escapes.
"""

_MAX_NODES: Final = 200_000
"""YAML values that are looked at; aliases repeat what they stand for, and this ends it."""


_STR: Final = "tag:yaml.org,2002:str"
_NULL: Final = "tag:yaml.org,2002:null"


@dataclass(frozen=True)
class _Unquoted:
    """A YAML value that is not a text: its spelling, and what YAML takes it for."""

    text: str
    kind: str

    def __repr__(self) -> str:
        return f"{self.text} ({self.kind})"


def read_configmap(source: object) -> ConfigMap:
    """
    Find the pairs of a ConfigMap in any of the forms it comes in.

    Parameters
    ----------
    source : mapping, list, str, bytes or None
        The ``data`` mapping; a whole ConfigMap, or a List that holds
        kube-system/amazon-vpc-cni; either of them as YAML or JSON text, as
        ``kubectl get configmap -o yaml`` prints it; None if there is none.
        Of several documents, lines or items of an array the ConfigMap among them
        is read. The
        ``configurationValues`` of the vpc-cni add-on, alone or in the answer of
        ``aws eks describe-addon``, stand for what the add-on writes, its defaults
        included.

    Returns
    -------
    ConfigMap

    Raises
    ------
    ConfigMapError
        If the text cannot be parsed, a key stands twice, a value is not a text
        (Kubernetes refuses such a ConfigMap), or the source is something else,
        which the message names.
    UnsupportedInputError
        If the source is of another kind, such as a path.

    Examples
    --------
    >>> read_configmap('data: {enable-windows-ipam: "true"}').data
    {'enable-windows-ipam': 'true'}
    >>> read_configmap('{"enableWindowsIpam": "true"}').data["warm-ip-target"]
    '1'
    """
    if source is None:
        return ConfigMap(data=None, present=False)
    if isinstance(source, (bytes, bytearray)):
        source = _decoded(bytes(source))
    if isinstance(source, str):
        source = _parsed(source)
    elif isinstance(source, list):
        source = _single(source)
    if not isinstance(source, Mapping):
        raise UnsupportedInputError(
            "source must be a ConfigMap: a mapping, YAML or JSON text, or None; got "
            f"{type(source).__name__}; of a file, give its text: path.read_text()"
        )
    if values := _addon_values(source):
        return ConfigMap(data=of_addon(values), name=CONFIGMAP_NAME, namespace=CONFIGMAP_NAMESPACE)
    named = {"kind", "apiVersion", "metadata"} & source.keys()
    if named or not isinstance(source.get("data", ""), str):
        return _whole(source)
    if any(isinstance(value, (list, Mapping)) for value in source.values()):
        raise _foreign(source)
    return ConfigMap(data=_pairs(source))


def _foreign(source: object) -> ConfigMapError:
    """The error of a document of another kind, which says what it is."""
    return ConfigMapError(
        f"this is {whole.what_it_is(source)}; give ConfigMap {CONFIGMAP_NAMESPACE}/{CONFIGMAP_NAME} "
        f"(kubectl get configmap -n {CONFIGMAP_NAMESPACE} {CONFIGMAP_NAME} -o yaml) or the values of "
        "the vpc-cni add-on",
        place="kind" if isinstance(source, Mapping) and "kind" in source else "",
    )


def _decoded(raw: bytes) -> str:
    try:
        return whole.text_of(raw, "the ConfigMap")
    except DocumentError as error:
        raise ConfigMapError(str(error), place=error.place) from None


def _addon_values(source: Mapping[Any, Any]) -> Mapping[Any, Any] | None:
    """Values of the vpc-cni add-on that a mapping holds; None if it is something else."""
    addon = source.get("addon", source)
    if not isinstance(addon, Mapping):
        return None
    if {"addonName", "configurationValues"} & set(addon):
        if addon.get("addonName", "vpc-cni") != "vpc-cni":
            raise ConfigMapError(
                f"this is the add-on {addon['addonName']!r}; the Windows keys are in that of "
                "--addon-name vpc-cni",
                place="addonName",
            )
        values = addon.get("configurationValues")
        if isinstance(values, str):
            values = _parsed(values) if values.strip() else None
        if not isinstance(values, Mapping):
            values = {}
        # Without a value of its own the add-on writes its defaults.
        return {"enableWindowsIpam": ADDON_KEYS["enableWindowsIpam"][1], **values}
    return addon if set(ADDON_KEYS) & set(addon) else None


def of_addon(values: Mapping[Any, Any]) -> dict[str, str] | None:
    """
    Pairs that the vpc-cni add-on writes into the ConfigMap; its chart quotes them by itself.

    None where its values do not name Windows: others may write the ConfigMap then.

    Examples
    --------
    >>> of_addon({"enableWindowsIpam": True})["enable-windows-ipam"]
    'true'
    >>> of_addon({"env": {"ENABLE_POD_ENI": "true"}}) is None
    True
    """
    if not ADDON_KEYS.keys() & set(values):
        return None
    return {
        key: _quoted(values[name], name) if values.get(name) is not None else default
        for name, (key, default) in ADDON_KEYS.items()
    }


def _quoted(value: object, name: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, _Unquoted):
        return value.text
    raise ConfigMapError(
        f"{name} of the add-on must be a text, a number or a boolean; got {value!r}", place=name
    )


def _whole(source: Mapping[Any, Any]) -> ConfigMap:
    kind = source.get("kind", "ConfigMap")
    if kind in {"List", "ConfigMapList"}:
        return _whole(_picked(source.get("items")))
    data = source.get("data")
    if kind != "ConfigMap" or (isinstance(data, Mapping) and "result" in data):
        raise _foreign(source)
    name, namespace = _names(source)
    if data is not None and not isinstance(data, Mapping):
        raise ConfigMapError(f"data must be a mapping of texts; got {data!r}", place="data")
    return ConfigMap(
        data=None if data is None else _pairs(data, "data."), name=name, namespace=namespace
    )


def _names(item: Mapping[Any, Any]) -> tuple[str, str]:
    metadata = item.get("metadata")
    found = metadata if isinstance(metadata, Mapping) else {}
    names = (found.get("name"), found.get("namespace"))
    return names[0] or "", names[1] or ""


def _picked(items: object) -> Mapping[Any, Any]:
    """Pick the one ConfigMap of a List that the controller reads."""
    listed = items if isinstance(items, (list, tuple)) else []
    maps = [item for item in listed if isinstance(item, Mapping)]
    named = [
        item
        for item in maps
        if _names(item) in {(CONFIGMAP_NAME, CONFIGMAP_NAMESPACE), (CONFIGMAP_NAME, "")}
    ]
    chosen = named or (maps if len(listed) == 1 else [])
    if len(chosen) != 1 or chosen[0].get("kind") in {"List", "ConfigMapList"}:
        raise ConfigMapError(
            f"expected one ConfigMap {CONFIGMAP_NAMESPACE}/{CONFIGMAP_NAME} in the list; found "
            f"{len(named)} among {len(listed)} items; if the cluster has none, give None",
            place="items",
        )
    return chosen[0]


def _pairs(data: Mapping[Any, Any], place: str = "") -> dict[str, str]:
    for key, value in data.items():
        if not isinstance(key, str):
            raise ConfigMapError(
                f"a key of a ConfigMap is a text; got {key!r}", place=f"{place}{key!r}"
            )
        if not isinstance(value, str):
            spelled = (
                value.text
                if isinstance(value, _Unquoted)
                else str(value).lower()
                if isinstance(value, bool)
                else value
                if isinstance(value, int)
                else "..."
            )
            raise ConfigMapError(
                f"the value of {key} is {value!r}, not a text; Kubernetes refuses a ConfigMap "
                f'with such a value: quote it, as in {key}: "{spelled}"',
                place=f"{place}{key}",
            )
    return dict(data)


def _parsed(text: str) -> object:
    if len(text) > MAX_TEXT:
        raise ConfigMapError(
            f"the text has {len(text):,} characters; Kubernetes limits a ConfigMap to 1 MiB, and "
            f"nothing beyond {MAX_TEXT:,} is read"
        )
    try:
        text = whole.answer_text(text, "the text")
    except DocumentError as error:
        raise ConfigMapError(str(error)) from None
    if whole.table_columns(text):
        raise _foreign(text)
    try:
        values = _from_json(text) if text.lstrip()[:1] in {"{", "["} else _from_yaml(text)
    except RecursionError:
        raise ConfigMapError("the text is nested too deeply for a ConfigMap") from None
    found = None if values in ([], [None]) else _single(values)
    if not isinstance(found, Mapping):
        what = f"the text {text.strip()[:60]!r}" if text.strip() else "an empty text"
        raise ConfigMapError(
            f"expected the YAML or JSON of a ConfigMap; got {what}; of a file, give its text"
        )
    return found


def _single(values: list[Any]) -> object:
    """The one value of a list, or a List of several."""
    # What renders manifests leaves documents of comments alone, which are nothing.
    found = [one for one in whole.objects_in(values) if one is not None]
    return found[0] if len(found) == 1 else {"kind": "List", "items": found}


def _from_json(text: str) -> list[Any]:
    try:
        return whole.json_values(text, _DECODER)
    except json.JSONDecodeError:
        # A flow mapping of YAML begins with a brace as well.
        return _from_yaml(text)


def _unique(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key, value in pairs:
        if isinstance(key, (dict, list)):
            raise ConfigMapError("a key of a ConfigMap is a text; got a collection")
        if key in found:
            raise ConfigMapError(f"the key {key!r} stands twice in one mapping", place=str(key))
        found[key] = value
    return found


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique)


def _from_yaml(text: str) -> list[Any]:
    import yaml

    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        told = " ".join(str(error).split())
        raise ConfigMapError(f"the text is neither YAML nor JSON: {told}") from None
    budget = [_MAX_NODES]
    return [_plain(node, budget) for node in nodes]


def _plain(node: yaml.Node, budget: list[int]) -> object:
    """Turn parsed YAML into mappings, lists and texts; nothing else is constructed."""
    import yaml

    budget[0] -= 1
    if budget[0] < 0:
        raise ConfigMapError(f"the YAML holds more than {_MAX_NODES:,} values, aliases repeated")
    if isinstance(node, yaml.MappingNode):
        return _unique([(_plain(key, budget), _plain(value, budget)) for key, value in node.value])
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, budget) for item in node.value]
    if node.tag == _STR:
        return node.value
    if node.tag == _NULL:
        return None
    return _Unquoted(text=node.value, kind=node.tag.rpartition(":")[2])


_KEYS: Final = (
    ENABLE_IPAM,
    ENABLE_PREFIX_DELEGATION,
    *(target.key for target in TARGETS),
    *(f"windows-{target.key}" for target in TARGETS),
)
_SECONDARY_DEFAULTS: Final = tuple(target.secondary for target in TARGETS)
_HELM_DEFAULTS: Final = {target.key: target.chart for target in TARGETS}

_SOURCE: Final = "amazon-vpc-resource-controller-k8s b8d425119bdb, pkg/config and pkg/pool"

_RULES: Final[dict[str, tuple[Severity, str, str]]] = {
    "configmap-missing": (
        "error",
        "without it Windows nodes get no pod addresses",
        f'create {CONFIGMAP_NAMESPACE}/{CONFIGMAP_NAME} with {ENABLE_IPAM}: "true"',
    ),
    "deprecated-key": (
        "info",
        "the key is deprecated on Windows, and it hides the windows- key if that is added later",
        "rename it to windows-{subject}",
    ),
    "helm-defaults": (
        "warning",
        (
            "the vpc-cni Helm chart always writes these keys; windows- keys beside them are ignored, "
            "and secondary mode keeps 1 warm address instead of 3"
        ),
        "change the plain keys themselves, through the values of the chart",
    ),
    "invalid-boolean": (
        "error",
        (
            "only 1, t, T, TRUE, true, True and 0, f, F, FALSE, false, False are read; "
            "anything else is false"
        ),
        '{subject}: "true" or "false"',
    ),
    "invalid-integer": (
        "error",
        (
            "an integer is a sign at most and ASCII digits; anything else counts as 0, and the "
            "windows- key is not looked at"
        ),
        "write digits only",
    ),
    "minimum-missing": (
        "info",
        "with a warm target alone the minimum is 0, where the documentation says 3",
        f"set windows-{MINIMUM_IP.key} as well",
    ),
    "minimum-only-starves": (
        "error",
        (
            "with no warm target nothing is created beyond the minimum: further pods retry for ever "
            "while slots are free"
        ),
        f"set windows-{WARM_IP.key} to 1 or more",
    ),
    "negative-target": (
        "warning",
        "a negative target counts as not given",
        "write the number that is meant, or take the key away",
    ),
    "other-configmap": (
        "warning",
        f"the controller reads {CONFIGMAP_NAMESPACE}/{CONFIGMAP_NAME} only",
        "check that this is the ConfigMap you mean",
    ),
    "plain-key-wins": (
        "warning",
        "a plain key that is present wins, even if its value is invalid or empty",
        "take {subject} away, or write the value there",
    ),
    "prefix-delegation-not-nitro": (
        "warning",
        (
            "prefix delegation acts on Nitro and bare-metal types only; any other node stays in "
            "secondary mode with the default targets 3 and 3, whatever targets are set"
        ),
        "use a Nitro type, or turn prefix delegation off so that the targets act",
    ),
    "target-above-capacity": (
        "warning",
        (
            "the node takes every address it can hold from its first minute on, and what it takes "
            "no other node of the subnet can use"
        ),
        "lower {subject}",
    ),
    "target-too-large": (
        "error",
        "such values overflow in the real controller",
        f"{{subject}}: at most {MAX_COUNT:,}",
    ),
    "unknown-key": (
        "warning",
        "the controller ignores keys it does not know",
        "did you mean {close}?",
    ),
    "warm-prefix-ignored": (
        "warning",
        f"a warm-prefix target acts only where neither {WARM_IP.key} nor {MINIMUM_IP.key} is above zero",
        "keep one of the two kinds of target",
    ),
    "warm-prefix-unused": (
        "info",
        "a warm-prefix target is read only with prefix delegation on",
        f'{ENABLE_PREFIX_DELEGATION}: "true", or take the key away',
    ),
    "windows-ipam-off": (
        "error",
        "Windows nodes are not managed: their pods get no addresses",
        f'{ENABLE_IPAM}: "true"',
    ),
    "zero-target": (
        "info",
        "zero means something else for each target and mode",
        "write the number that is meant, or take the key away",
    ),
}
"""For each code: how bad it is, why it matters, and what to do."""


def _finding(code: str, seen: str, subject: str = "", **facts: str) -> Finding:
    severity, why, remedy = _RULES[code]
    return Finding(
        code=code,
        severity=severity,
        seen=seen,
        why=why,
        remedy=remedy.format(subject=subject, **facts),
        source=_SOURCE,
        subject=subject,
    )


@dataclass(frozen=True)
class _Setting:
    """One target as it stands in the ConfigMap."""

    target: Target
    key: str
    text: str | None
    hidden: str | None

    @property
    def number(self) -> int | None:
        return None if self.text is None else go_int(self.text)


def _reading(data: Mapping[str, str], target: Target) -> _Setting:
    """Look a target up: a plain key that is present hides the windows- key."""
    windows = f"windows-{target.key}"
    if target.key in data:
        return _Setting(target, target.key, data[target.key], data.get(windows))
    return _Setting(target, windows, data.get(windows), None)


def _in_secondary_mode(readings: Mapping[Target, _Setting]) -> tuple[int, ...]:
    """The targets that act on single addresses; 0 addresses are never kept warm by wish alone."""
    wished = readings[WARM_IP].number
    warm, minimum = 1 if wished == 0 else wished or 0, readings[MINIMUM_IP].number or 0
    if warm == minimum == 0:
        return _SECONDARY_DEFAULTS
    return (
        warm if warm >= 0 else WARM_IP.secondary,
        minimum if minimum >= 0 else MINIMUM_IP.secondary,
        WARM_PREFIX.secondary,
    )


def _in_prefix_mode(readings: Mapping[Target, _Setting]) -> tuple[int, ...]:
    """The targets that act on /28 prefixes."""
    warm, minimum, prefixes = (readings[target].number or 0 for target in TARGETS)
    if uses_prefix_rule(warm, minimum, prefixes):
        return warm, minimum, prefixes
    return (
        warm if warm > 0 else WARM_IP.prefix,
        minimum if minimum > 0 else MINIMUM_IP.prefix,
        prefixes,
    )


def read_targets(configmap: ConfigMap, *, nitro: bool, slots: int | None) -> dict[str, Any]:
    """
    The fields of the warm pool that acts on a node, with what is odd about the ConfigMap.

    Raises
    ------
    WarmTargetError
        If a target that would act is above 10**6.
    """
    data = configmap.data or {}
    readings = {target: _reading(data, target) for target in TARGETS}
    ipam = bool(go_bool(data.get(ENABLE_IPAM, "")))
    flag = bool(go_bool(data.get(ENABLE_PREFIX_DELEGATION, "")))
    prefix = ipam and flag and nitro
    if prefix:
        acting = _in_prefix_mode(readings)
    else:
        # With the flag set the numbers go to the prefix pool; the one that acts has its defaults.
        acting = _SECONDARY_DEFAULTS if flag else _in_secondary_mode(readings)
    effective = dict(zip(TARGETS, acting, strict=True))
    found = (
        *_whole_findings(configmap, ipam=ipam),
        *_key_findings(data, readings),
        *_mode_findings(data, readings, ipam=ipam, flag=flag, nitro=nitro),
        *(_value_findings(readings, effective) if flag == prefix else ()),
        *target_findings(
            *effective.values(), prefix_delegation=prefix, slots=slots, readings=readings
        ),
    )
    refuse_large({readings[target].key: value for target, value in effective.items()}, found)
    acts = {target.name: value for target, value in effective.items()}
    return {"prefix_delegation": prefix, **acts, "findings": found}


def refuse_large(targets: Mapping[str, int], found: tuple[Finding, ...] = ()) -> None:
    """
    Refuse targets that overflow in the real controller.

    Raises
    ------
    WarmTargetError
        If a target is above 10**6; its last finding is ``target-too-large``.
    """
    for name, value in targets.items():
        if value > MAX_COUNT:
            cause = _finding("target-too-large", f"{name} is {value:,}", name)
            raise WarmTargetError(
                f"{name} must be at most {MAX_COUNT:,}; got {value:,}: {cause.why}",
                findings=(*found, cause),
            )


def _whole_findings(configmap: ConfigMap, *, ipam: bool) -> Iterator[Finding]:
    if not configmap.present:
        yield _finding("configmap-missing", "there is no ConfigMap")
        return
    name = (configmap.namespace or CONFIGMAP_NAMESPACE, configmap.name or CONFIGMAP_NAME)
    if name != (CONFIGMAP_NAMESPACE, CONFIGMAP_NAME):
        yield _finding("other-configmap", f"this is ConfigMap {'/'.join(name)}", "/".join(name))
    if not ipam:
        text = None if configmap.data is None else configmap.data.get(ENABLE_IPAM)
        seen = (
            "the ConfigMap has no data"
            if configmap.data is None
            else f"{ENABLE_IPAM} is {'absent' if text is None else repr(text)}"
        )
        yield _finding("windows-ipam-off", seen, ENABLE_IPAM)


def _key_findings(
    data: Mapping[str, str], readings: Mapping[Target, _Setting]
) -> Iterator[Finding]:
    """Find keys that are misspelt, hidden or deprecated, and values that are no values."""
    for key in (ENABLE_IPAM, ENABLE_PREFIX_DELEGATION):
        if key in data and go_bool(data[key]) is None:
            yield _finding("invalid-boolean", f"{key} is {data[key]!r}, which counts as false", key)
    for key in data:
        close = difflib.get_close_matches(key, _KEYS, n=1, cutoff=0.85)
        if key not in _KEYS and close:
            yield _finding(
                "unknown-key", f"{key} is not a key of the controller", key, close=close[0]
            )
    helm = all(data.get(key) == value for key, value in _HELM_DEFAULTS.items())
    if helm:
        written = ", ".join(f'{key}: "{value}"' for key, value in _HELM_DEFAULTS.items())
        yield _finding("helm-defaults", f"the plain keys are {written}")
    for reading in readings.values():
        if reading.hidden is not None:
            yield _finding(
                "plain-key-wins",
                f"{reading.key} {reading.text!r} hides windows-{reading.key} {reading.hidden!r}",
                reading.key,
            )
        elif reading.key == reading.target.key and not helm:
            yield _finding("deprecated-key", f"{reading.key} is {reading.text!r}", reading.key)
        if reading.text is not None and reading.number is None:
            yield _finding("invalid-integer", f"{reading.key} is {reading.text!r}", reading.key)


def _mode_findings(
    data: Mapping[str, str],
    readings: Mapping[Target, _Setting],
    *,
    ipam: bool,
    flag: bool,
    nitro: bool,
) -> Iterator[Finding]:
    if ipam and flag and not nitro:
        yield _finding(
            "prefix-delegation-not-nitro",
            f"{ENABLE_PREFIX_DELEGATION} is {data[ENABLE_PREFIX_DELEGATION]!r}, and the type is "
            "neither Nitro nor bare metal",
            ENABLE_PREFIX_DELEGATION,
        )
    reading = readings[WARM_PREFIX]
    if not flag and reading.text is not None and reading.number != 0:
        yield _finding("warm-prefix-unused", f"{reading.key} is {reading.text!r}", reading.key)


def _value_findings(
    readings: Mapping[Target, _Setting], effective: Mapping[Target, int]
) -> Iterator[Finding]:
    """Find zero and negative numbers, and say what acts in their place."""
    for target, reading in readings.items():
        if reading.number is None:
            continue
        acts = f"{reading.key} is {reading.text!r}; what acts is {max(effective[target], 0)}"
        if reading.number < 0:
            yield _finding("negative-target", acts, reading.key)
        elif reading.number == 0:
            yield _finding("zero-target", acts, reading.key)


def target_findings(
    warm_ip: int,
    minimum_ip: int,
    warm_prefix: int,
    *,
    prefix_delegation: bool,
    slots: int | None,
    readings: Mapping[Target, _Setting] | None = None,
) -> Iterator[Finding]:
    """Lint effective targets, wherever they came from."""
    names = {target: readings[target].key if readings else target.name for target in TARGETS}
    rule = prefix_delegation and uses_prefix_rule(warm_ip, minimum_ip, warm_prefix)
    if not prefix_delegation and warm_ip == 0:
        yield _finding(
            "minimum-only-starves",
            f"the warm target is 0 and the minimum {minimum_ip}",
            names[WARM_IP],
        )
    if not prefix_delegation and minimum_ip == 0 and readings and readings[MINIMUM_IP].text is None:
        yield _finding(
            "minimum-missing", f"{names[WARM_IP]} stands without a minimum", names[MINIMUM_IP]
        )
    if prefix_delegation and warm_prefix > 0 and not rule:
        yield _finding(
            "warm-prefix-ignored",
            f"{names[WARM_PREFIX]} is {warm_prefix}, beside a warm target of {warm_ip} and a "
            f"minimum of {minimum_ip}",
            names[WARM_PREFIX],
        )
    size = ADDRESSES_PER_PREFIX if prefix_delegation and not rule else 1
    acting = {WARM_PREFIX: warm_prefix} if rule else {WARM_IP: warm_ip, MINIMUM_IP: minimum_ip}
    given = {
        names[target]: value
        for target, value in acting.items()
        if readings is None or readings[target].text is not None
    }
    yield from _above_capacity(given, slots, size, "prefixes" if rule else "addresses")


def _above_capacity(
    targets: Mapping[str, int], slots: int | None, size: int, unit: str
) -> Iterator[Finding]:
    """Find targets that no node, or not this one, can hold."""
    room = LARGEST_IPV4_PER_INTERFACE - NODE_ADDRESSES if slots is None else slots
    place = "the largest interface" if slots is None else "the node"
    for name, value in targets.items():
        if value > room * size:
            seen = f"{name} is {value:,}; {place} holds {room * size:,} {unit}"
            yield _finding("target-above-capacity", seen, name)
