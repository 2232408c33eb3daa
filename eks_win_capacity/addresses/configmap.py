"""Which pairs does a ConfigMap contain, in any of its forms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.addresses.targets import (
    ADDON_KEYS,
    CONFIGMAP_NAME,
    CONFIGMAP_NAMESPACE,
    ConfigMap,
    Unquoted,
    pairs_of,
)
from eks_win_capacity.core.documents import whole
from eks_win_capacity.core.errors import ConfigMapError, DocumentError, UnsupportedInputError

if TYPE_CHECKING:
    import yaml

MAX_TEXT: Final = 2 * 1024 * 1024
"""Maximum length of a string that is parsed. [characters]

Kubernetes limits a ConfigMap to 1 MiB, and printing adds quotes and escapes.
"""

_MAX_NODES: Final = 200_000
"""Maximum number of YAML values, because aliases can repeat values without end."""


_STR: Final = "tag:yaml.org,2002:str"
_NULL: Final = "tag:yaml.org,2002:null"


def read_configmap(source: object) -> ConfigMap:
    """
    Pairs of a ConfigMap in any of its forms; None means that the cluster has none.

    The forms are the ``data`` mapping; a ConfigMap, or a List with kube-system/amazon-vpc-cni;
    and these as YAML or JSON, as ``kubectl get configmap -o yaml`` prints them. Among several
    documents, lines or items of an array, the ConfigMap is read. From the
    ``configurationValues`` of the vpc-cni add-on, alone or in the answer of ``aws eks
    describe-addon``, follow the pairs that the add-on writes, including its defaults.

    Raises ConfigMapError if the string cannot be parsed, a key is repeated, a value is not a string
    (Kubernetes refuses such a ConfigMap), or the source is another document, which the message
    names; UnsupportedInputError if the source is of another type, such as a path.

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
    return ConfigMap(data=pairs_of(source))


def _foreign(source: object) -> ConfigMapError:
    """Error for a document of another kind, which the message names."""
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
    """Values of the vpc-cni add-on in a mapping; None for other mappings."""
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
        # The add-on writes its default if the value is missing.
        return {"enableWindowsIpam": ADDON_KEYS["enableWindowsIpam"][1], **values}
    return addon if set(ADDON_KEYS) & set(addon) else None


def of_addon(values: Mapping[Any, Any]) -> dict[str, str] | None:
    """
    Pairs that the vpc-cni add-on writes into the ConfigMap, as strings, as its chart quotes them.

    None if its values do not mention Windows, because something else may write the ConfigMap.

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
    if isinstance(value, Unquoted):
        return value.text
    raise ConfigMapError(
        f"{name} of the add-on must be a string, a number or a boolean; got {value!r}", place=name
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
        raise ConfigMapError(f"data must be a mapping of strings; got {data!r}", place="data")
    return ConfigMap(
        data=None if data is None else pairs_of(data, "data."), name=name, namespace=namespace
    )


def _names(item: Mapping[Any, Any]) -> tuple[str, str]:
    metadata = item.get("metadata")
    fields = metadata if isinstance(metadata, Mapping) else {}
    names = (fields.get("name"), fields.get("namespace"))
    return names[0] or "", names[1] or ""


def _picked(items: object) -> Mapping[Any, Any]:
    """The only ConfigMap in a List that the controller reads; ConfigMapError if not unique."""
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
    document = None if values in ([], [None]) else _single(values)
    if not isinstance(document, Mapping):
        what = f"the text {text.strip()[:60]!r}" if text.strip() else "an empty string"
        raise ConfigMapError(
            f"expected the YAML or JSON of a ConfigMap; got {what}; of a file, give its text"
        )
    return document


def _single(values: list[Any]) -> object:
    """The only value of a list, or a List of several."""
    # Renderers of manifests leave documents with only comments, which are None.
    documents = [one for one in whole.objects_in(values) if one is not None]
    return documents[0] if len(documents) == 1 else {"kind": "List", "items": documents}


def _from_json(text: str) -> list[Any]:
    try:
        return whole.json_values(text, _DECODER)
    except json.JSONDecodeError:
        # A flow mapping of YAML also begins with a brace.
        return _from_yaml(text)


def _unique(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    mapping: dict[Any, Any] = {}
    for key, value in pairs:
        if isinstance(key, (dict, list)):
            raise ConfigMapError("a key of a ConfigMap is a string; got a collection")
        if key in mapping:
            raise ConfigMapError(f"the key {key!r} stands twice in one mapping", place=str(key))
        mapping[key] = value
    return mapping


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique)


def _from_yaml(text: str) -> list[Any]:
    import yaml

    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ConfigMapError(f"the text is neither YAML nor JSON: {reason}") from None
    budget = [_MAX_NODES]
    return [_plain(node, budget) for node in nodes]


def _plain(node: yaml.Node, budget: list[int]) -> object:
    """Parsed YAML as mappings, lists and strings; no other objects are constructed."""
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
    return Unquoted(text=node.value, kind=node.tag.rpartition(":")[2])
