"""Which targets of a warm pool act under a ConfigMap, and which of its keys are mistakes."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eks_win_capacity.core.constants import (
    ADDRESSES_PER_PREFIX,
    LARGEST_IPV4_PER_INTERFACE,
    MAX_COUNT,
    NODE_ADDRESSES,
)
from eks_win_capacity.core.errors import ConfigMapError, WarmTargetError
from eks_win_capacity.core.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eks_win_capacity.core.findings import Severity

CONFIGMAP_NAME: Final = "amazon-vpc-cni"
CONFIGMAP_NAMESPACE: Final = "kube-system"
ENABLE_IPAM: Final = "enable-windows-ipam"
ENABLE_PREFIX_DELEGATION: Final = "enable-windows-prefix-delegation"


def asking(*, prefixes: bool) -> dict[str, str]:
    """The keys of a ConfigMap that asks for a mode."""
    return {ENABLE_IPAM: "true", ENABLE_PREFIX_DELEGATION: str(prefixes).lower()}


class Target(NamedTuple):
    """
    One target of the warm pool, with its names and defaults.

    Attributes
    ----------
    key : str
        Key in the ConfigMap; with the prefix ``windows-`` Linux nodes ignore it.
    addon : str
        Value of the vpc-cni add-on that writes the key.
    chart : str
        Default that the add-on's chart writes.
    secondary, prefix : int
        Default in each mode if no target is set. [addresses], or [prefixes]
    usual : int
        Upper end of scales, above the usual values.
    prefix_only : bool
        Whether it acts only in prefix mode.
    """

    key: str
    addon: str
    chart: str
    secondary: int
    prefix: int
    usual: int
    prefix_only: bool = False

    @property
    def name(self) -> str:
        """Name of the target as an argument and a column."""
        return self.key.replace("-", "_")


WARM_IP: Final = Target("warm-ip-target", "warmWindowsIPTarget", "1", 3, 1, 32)
MINIMUM_IP: Final = Target("minimum-ip-target", "minimumWindowsIPTarget", "3", 3, 3, 64)
WARM_PREFIX: Final = Target(
    "warm-prefix-target", "warmWindowsPrefixTarget", "0", 0, 0, 8, prefix_only=True
)
TARGETS: Final = (WARM_IP, MINIMUM_IP, WARM_PREFIX)
"""All targets, in the order in which functions take and columns show them.

Source: amazon-vpc-resource-controller-k8s, ``pkg/config/type.go``; of `chart` as `ADDON_KEYS`.
"""


ADDON_KEYS: Final = {
    # Value of the chart: (key of the ConfigMap, what the chart writes where none is given).
    "enableWindowsIpam": (ENABLE_IPAM, "false"),
    "enableWindowsPrefixDelegation": (ENABLE_PREFIX_DELEGATION, "false"),
    **{target.addon: (target.key, target.chart) for target in TARGETS},
}
"""Windows values of the vpc-cni add-on, which writes them into the ConfigMap.

Source: aws/amazon-vpc-cni-k8s, ``charts/aws-vpc-cni/values.yaml`` and
``templates/configmap.yaml``.
"""

_INT64: Final = 2**63
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_INTEGER: Final = re.compile(r"([+-]?)0*([0-9]+)", re.ASCII)


def go_bool(text: str) -> bool | None:
    """
    Boolean as Go's ``strconv.ParseBool`` reads it; None for other strings.

    Examples
    --------
    >>> go_bool("T"), go_bool("0"), go_bool("yes"), go_bool(" true")
    (True, False, None, None)
    """
    return True if text in _TRUE else False if text in _FALSE else None


def go_int(text: str) -> int | None:
    """
    Integer as Go's ``strconv.Atoi`` reads it; None for other strings.

    Unlike Python's ``int()``, Go accepts no spaces, underscores or digits of other scripts.
    Beyond 64 bits the value is the limit.

    Examples
    --------
    >>> go_int("+007"), go_int("-0"), go_int("1_000"), go_int(" 5"), go_int("٣")
    (7, 0, None, None, None)
    >>> go_int("9" * 5000) == 2**63 - 1
    True
    """
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    sign, digits = match.groups()
    # Twenty digits exceed 64 bits, and Python refuses more than 4,300.
    size = int(digits) if len(digits) < 20 else _INT64
    return max(-size, -_INT64) if sign == "-" else min(size, _INT64 - 1)


def uses_prefix_rule(warm_ip: int, minimum_ip: int, warm_prefix: int) -> bool:
    """Whether whole warm prefixes are kept, rather than warm addresses."""
    return warm_ip <= 0 and minimum_ip <= 0 and warm_prefix > 0


@dataclass(frozen=True, kw_only=True)
class ConfigMap:
    """
    ConfigMap as read: its pairs, and its name and namespace if the source has them.

    Attributes
    ----------
    data : mapping of str to str, or None
        The pairs; None without a ConfigMap, or if it has no ``data``.
    present : bool
        Whether there is a ConfigMap at all.
    name, namespace : str
        As in its metadata; empty if unknown.
    """

    data: Mapping[str, str] | None
    present: bool = True
    name: str = ""
    namespace: str = ""


@dataclass(frozen=True)
class Unquoted:
    """A YAML value that is not a string: its spelling, and its YAML type."""

    text: str
    kind: str

    def __repr__(self) -> str:
        return f"{self.text} ({self.kind})"


def pairs_of(data: Mapping[Any, Any], where: str = "") -> dict[str, str]:
    """
    Pairs of a ConfigMap's ``data``.

    Raises ConfigMapError if a key or a value is not a string; its place is `where` and the key.
    """
    for key, value in data.items():
        if not isinstance(key, str):
            raise ConfigMapError(
                f"a key of a ConfigMap is a string; got {key!r}", place=f"{where}{key!r}"
            )
        if not isinstance(value, str):
            spelled = (
                value.text
                if isinstance(value, Unquoted)
                else str(value).lower()
                if isinstance(value, bool)
                else value
                if isinstance(value, int)
                else "..."
            )
            raise ConfigMapError(
                f"the value of {key} is {value!r}, not a string; Kubernetes refuses a ConfigMap "
                f'with such a value: quote it, as in {key}: "{spelled}"',
                place=f"{where}{key}",
            )
    return dict(data)


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
            "an integer has an optional sign and ASCII digits; anything else counts "
            "as 0, and the windows- key is ignored"
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
            "without a warm target nothing is created beyond the minimum: further pods retry "
            "forever while slots are free"
        ),
        f"set windows-{WARM_IP.key} to 1 or more",
    ),
    "negative-target": (
        "warning",
        "a negative target counts as missing",
        "write the intended number, or remove the key",
    ),
    "other-configmap": (
        "warning",
        f"the controller reads {CONFIGMAP_NAMESPACE}/{CONFIGMAP_NAME} only",
        "check that this is the ConfigMap you mean",
    ),
    "plain-key-wins": (
        "warning",
        "a plain key that is present wins, even if its value is invalid or empty",
        "remove {subject}, or write the value there",
    ),
    "prefix-delegation-not-nitro": (
        "warning",
        (
            "prefix delegation acts on Nitro and bare-metal types only; any other node stays in "
            "secondary mode with the default targets 3 and 3, whatever targets are set"
        ),
        "use a Nitro type, or turn prefix delegation off so that the targets take effect",
    ),
    "target-above-capacity": (
        "warning",
        (
            "the node takes all the addresses that it can hold from the start, and "
            "no other node of the subnet can use them"
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
        f"a warm-prefix target acts only if neither {WARM_IP.key} nor {MINIMUM_IP.key} is above zero",
        "keep one of the two kinds of target",
    ),
    "warm-prefix-unused": (
        "info",
        "a warm-prefix target is read only with prefix delegation on",
        f'{ENABLE_PREFIX_DELEGATION}: "true", or remove the key',
    ),
    "windows-ipam-off": (
        "error",
        "Windows nodes are not managed: their pods get no addresses",
        f'{ENABLE_IPAM}: "true"',
    ),
    "zero-target": (
        "info",
        "zero has a different meaning for each target and mode",
        "write the intended number, or remove the key",
    ),
}
"""Severity, reason and remedy of each code."""


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
    """One target as written in the ConfigMap."""

    target: Target
    key: str
    text: str | None
    hidden: str | None

    @property
    def number(self) -> int | None:
        return None if self.text is None else go_int(self.text)


def _reading(data: Mapping[str, str], target: Target) -> _Setting:
    """Setting of a target; a plain key, if present, hides the windows- key."""
    windows = f"windows-{target.key}"
    if target.key in data:
        return _Setting(target, target.key, data[target.key], data.get(windows))
    return _Setting(target, windows, data.get(windows), None)


def _in_secondary_mode(readings: Mapping[Target, _Setting]) -> tuple[int, ...]:
    """Effective targets in secondary mode; a warm target written as 0 acts as 1."""
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
    """Effective targets in prefix mode."""
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
    Fields of the warm pool that acts on a node, with findings about the ConfigMap.

    Raises WarmTargetError if an effective target is above 10**6.
    """
    data = configmap.data or {}
    readings = {target: _reading(data, target) for target in TARGETS}
    ipam = bool(go_bool(data.get(ENABLE_IPAM, "")))
    flag = bool(go_bool(data.get(ENABLE_PREFIX_DELEGATION, "")))
    prefix = ipam and flag and nitro
    if prefix:
        acting = _in_prefix_mode(readings)
    else:
        # With the flag set, the targets apply to the prefix pool, and this one has its defaults.
        acting = _SECONDARY_DEFAULTS if flag else _in_secondary_mode(readings)
    effective = dict(zip(TARGETS, acting, strict=True))
    findings = (
        *_whole_findings(configmap, ipam=ipam),
        *_key_findings(data, readings),
        *_mode_findings(data, readings, ipam=ipam, flag=flag, nitro=nitro),
        *(_value_findings(readings, effective) if flag == prefix else ()),
        *target_findings(
            *effective.values(), prefix_delegation=prefix, slots=slots, readings=readings
        ),
    )
    refuse_large({readings[target].key: value for target, value in effective.items()}, findings)
    acts = {target.name: value for target, value in effective.items()}
    return {"prefix_delegation": prefix, **acts, "findings": findings}


def read_pairs(data: Mapping[str, str], *, nitro: bool, slots: int | None) -> dict[str, Any]:
    """Fields of the warm pool as in `read_targets`, from the pairs of a ConfigMap."""
    return read_targets(ConfigMap(data=pairs_of(data)), nitro=nitro, slots=slots)


def refuse_large(targets: Mapping[str, int], findings: tuple[Finding, ...] = ()) -> None:
    """
    Refuse targets that overflow in the real controller.

    Raises WarmTargetError if a target is above 10**6; its last finding is ``target-too-large``.
    """
    for name, value in targets.items():
        if value > MAX_COUNT:
            cause = _finding("target-too-large", f"{name} is {value:,}", name)
            raise WarmTargetError(
                f"{name} must be at most {MAX_COUNT:,}; got {value:,}: {cause.why}",
                findings=(*findings, cause),
            )


def _whole_findings(configmap: ConfigMap, *, ipam: bool) -> Iterator[Finding]:
    if not configmap.present:
        yield _finding("configmap-missing", "the ConfigMap is missing")
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
    """Findings of misspelt, hidden or deprecated keys, and of invalid values."""
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
    """Findings of zero and negative numbers, with the values that act instead."""
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
    """Findings about effective targets; `readings` are their settings in a ConfigMap."""
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
    """Findings of targets above the capacity of this node, or of any node."""
    room = LARGEST_IPV4_PER_INTERFACE - NODE_ADDRESSES if slots is None else slots
    holder = "the largest interface" if slots is None else "the node"
    for name, value in targets.items():
        if value > room * size:
            seen = f"{name} is {value:,}; {holder} holds {room * size:,} {unit}"
            yield _finding("target-above-capacity", seen, name)
