"""What the messages of the scheduler, the kubelet and the controller say of a pod that waits."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_PATTERNS: Final = tuple(
    (code, re.compile(pattern, re.IGNORECASE))
    for code, pattern in (
        # The most telling first: of two on one reason, the first counts.
        ("prefixes", r"InsufficientCidrBlocks"),
        ("subnet", r"InsufficientFreeAddressesInSubnet"),
        ("addresses", r"Insufficient vpc\.amazonaws\.com/PrivateIPv4Address"),
        ("kubelet", r"Too many pods|Insufficient pods\b"),
        ("cpu", r"Insufficient cpu\b"),
        ("memory", r"Insufficient memory\b"),
        ("storage", r"Insufficient ephemeral-storage"),
        ("resource", r"Insufficient \S+"),
        (
            "volume",
            r"volume|persistentvolumeclaim|NoVolumeZoneConflict|NoDiskConflict",
        ),
        ("ports", r"free ports|PodFitsHostPorts"),
        (
            "pod-affinity",
            r"pod affinity|anti-affinity|topology spread|MatchInterPodAffinity",
        ),
        (
            "not-ready",
            (
                r"node\.kubernetes\.io/(not-ready|unreachable|unschedulable|network-unavailable)"
                r"|node\.cloudprovider\.kubernetes\.io/(uninitialized|shutdown)"
                r"|(were|was) (unschedulable|not ready)|NodeNotReady|NodeUnschedulable"
            ),
        ),
        ("taint", r"untolerated taint|had taint|didn't tolerate|PodToleratesNodeTaints"),
        (
            "selector",
            r"didn't match (Pod's )?node (affinity|selector)|MatchNodeSelector",
        ),
        ("gate", r"SchedulingGated|scheduling gates"),
        ("no-node", r"no nodes available|^0/0 nodes"),
        (
            "windows-version",
            r"operating system .*does not match|no matching manifest",
        ),
        (
            "image",
            r"Err(ImagePull|ImageNeverPull)|ImagePullBackOff|InvalidImageName|pull(ing)? image",
        ),
        ("config", r"CreateContainerConfigError|(secret|configmap) \S+ not found"),
        (
            "waiting-for-address",
            (
                r"does not have (label|annotation) vpc\.amazonaws\.com/PrivateIPv4Address"
                r"|failed to assign an? IP|no available IP|FailedToAssign|failed to set ?up network"
                r"|FailedCreatePodSandBox|failed to setup pod network|ContainerCreating"
            ),
        ),
    )
)

PRIORITY: Final = tuple(code for code, _ in _PATTERNS)
"""The causes; of several in one message the first here is named as the cause."""

_HEAD: Final = re.compile(r"^\s*(?P<fit>[0-9]+)/(?P<all>[0-9]+) nodes are available\b[:.]?\s*")
_TAIL: Final = re.compile(r"[.,;]?\s*preemption:.*$", re.IGNORECASE | re.DOTALL)
_COUNT: Final = re.compile(r"^(?P<count>[0-9]+) (?P<text>.*)$", re.DOTALL)
_OLD_COUNT: Final = re.compile(r"^(?P<text>.*) \((?P<count>[0-9]+)\)$", re.DOTALL)
_OLD_HEAD: Final = re.compile(r"^.*(of the predicates|failure summary on nodes)\s*:+\s*", re.DOTALL)


@lru_cache(maxsize=4096)
def causes(message: str) -> tuple[tuple[str, int | None], ...]:
    """
    Read why no node fits, the most telling cause first, with the nodes each one rules out.

    Reads what schedulers since Kubernetes 1.6 write; what is said of preemption is not a
    reason of its own and is left aside.

    Parameters
    ----------
    message : str
        Such as ``0/3 nodes are available: 1 Too many pods, 2 Insufficient cpu.``

    Returns
    -------
    tuple of (str, int or None)
        Code and nodes; None where the message counts none. Empty if nothing is known.

    Examples
    --------
    >>> causes(
    ...     "0/5 nodes are available: 2 Insufficient vpc.amazonaws.com/PrivateIPv4Address, "
    ...     "3 node(s) had untolerated taint {dedicated: x}. preemption: 0/5 nodes are "
    ...     "available: 2 No preemption victims found for incoming pod."
    ... )
    (('addresses', 2), ('taint', 3))
    """
    text = _TAIL.sub("", message.strip())
    found: dict[str, int | None] = {}
    for part in _parts(text):
        counted = _COUNT.match(part) or _OLD_COUNT.match(part)
        said = counted["text"] if counted else part
        code = next((code for code, pattern in _PATTERNS if pattern.search(said)), None)
        if code is None:
            continue
        number = int(counted["count"]) if counted else None
        before = found.get(code)
        found[code] = number if before is None else before + (number or 0)
    return tuple(sorted(found.items(), key=lambda item: PRIORITY.index(item[0])))


def _parts(text: str) -> list[str]:
    head = _HEAD.match(text)
    if head:
        body = text[head.end() :].rstrip(". ")
        if not body:
            return [text]
        # Taints hold commas of their own: only one before a count parts two reasons.
        return [part.strip() for part in re.split(r",\s+(?=[0-9]+ )", body)]
    old = _OLD_HEAD.match(text)
    if old:
        return [part.strip() for part in text[old.end() :].rstrip(". ").split(", ")]
    return [text] if text else []


def taints_of(message: str) -> list[str]:
    """
    The taints that a message names, as ``key=value``.

    Examples
    --------
    >>> taints_of("1 node(s) had taint {os: windows}, that the pod didn't tolerate")
    ['os=windows']
    """
    found = re.findall(r"taint\(?s?\)? \{([^:{}]+):\s*([^{}]*)\}", message)
    return sorted({f"{key}={value.strip()}" if value.strip() else key for key, value in found})
