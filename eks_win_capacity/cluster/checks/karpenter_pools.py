"""Checks of Karpenter's NodePools and EC2NodeClasses, before and while they start nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_win_capacity.cluster.autoscalers import halted, unhalt
from eks_win_capacity.cluster.checks.check import KARPENTER, check, some
from eks_win_capacity.cluster.remedies import word
from eks_win_capacity.cluster.serving import ADDRESS_RESOURCE
from eks_win_capacity.core.display import count_of
from eks_win_capacity.core.errors import InvalidQuantityError
from eks_win_capacity.core.quantities import millicores, whole_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster.checks.check import Check, Look
    from eks_win_capacity.cluster.state import NodePool
    from eks_win_capacity.core.findings import Finding


def _absent(rule: Check, look: Look, *parts: str) -> Finding:
    """What is said where no NodePool is known: a pass only where Karpenter does not run."""
    if look.karpenter is False:
        return rule.passed("nothing runs Karpenter, by its name, and no node is of a NodePool")
    return rule.unknown(look, *parts)


def _edit(pool: NodePool) -> str:
    return f"kubectl edit nodepool {word(pool.name, 'NODEPOOL')}"


@check(
    "karpenter-node-os",
    considers="NodePools of Karpenter name kubernetes.io/os beside Windows workloads",
    severity="error",
    why="Karpenter counts a DaemonSet for Windows onto the nodes of a pool that names no system: "
    f"where that one asks for {ADDRESS_RESOURCE}, no Linux type fits and no node is started",
    source=KARPENTER,
    whole=("node_pools", "workloads"),
)
def karpenter_node_os(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for NodePools that name no system."""
    pools = look.state.node_pools
    if not pools:
        yield _absent(rule, look, "node_pools")
        return
    silent = [pool for pool in pools if not pool.systems]
    if not silent:
        yield rule.passed("every NodePool names kubernetes.io/os")
        return
    if look.makers is None:
        yield rule.unknown(look, "workloads")
        return
    windows = [name for name, (_, system) in look.makers.items() if system == "windows"]
    daemons = [name for name in windows if name.startswith("DaemonSet ")]
    for pool in silent:
        if not windows:
            yield rule.passed(f"{pool.name} names no system, and no workload is for Windows")
            continue
        yield rule.failed(
            f"NodePool {pool.name} names no kubernetes.io/os, beside {some(daemons or windows)}",
            f"add to spec.template.spec.requirements {{key: kubernetes.io/os, operator: In, "
            f"values: [{_system_of(look, pool)}]}}: {_edit(pool)}",
            subject=pool.name,
            severity=rule.severity if daemons else "warning",
        )


def _system_of(look: Look, pool: NodePool) -> str:
    """The system of a pool's class, ``linux`` where it does not say."""
    classes = {made.name: made for made in look.state.node_classes or ()}
    made = classes.get(pool.node_class)
    return "windows" if made is not None and made.windows else "linux"


@check(
    "karpenter-ami-family",
    considers="NodePools of Windows have an EC2NodeClass with a Windows AMI family",
    severity="error",
    why="the AMI family decides what the nodes run and whether Karpenter counts "
    f"{ADDRESS_RESOURCE} on them: with another one a Windows pod finds no type",
    source="Karpenter, EC2NodeClasses: https://karpenter.sh/docs/concepts/nodeclasses/",
    whole=("node_pools", "node_classes"),
)
def karpenter_ami_family(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare the system that each NodePool names with its class."""
    pools = [pool for pool in look.state.node_pools or () if pool.systems]
    if not look.state.node_pools:
        yield _absent(rule, look, "node_pools")
        return
    classes = {made.name: made for made in look.state.node_classes or ()}
    wrong = 0
    for pool in pools:
        made = classes.get(pool.node_class)
        wants = "windows" in pool.systems
        if made is None or made.windows is None:
            if wants:
                wrong += 1
                yield rule.unknown(
                    look,
                    "node_classes",
                    seen=f"the AMI family of NodePool {pool.name} (EC2NodeClass "
                    f"{pool.node_class or 'without a name'}) is not known"
                    if made is None
                    else f"EC2NodeClass {made.name} has AMIs of your own: what they run is not known",
                    subject=pool.name,
                )
        elif made.windows != wants and (made.windows or pool.systems == ("windows",)):
            wrong += 1
            yield rule.failed(
                f"NodePool {pool.name} asks for {', '.join(pool.systems)}, and EC2NodeClass "
                f"{made.name} is of {made.ami_family}",
                f"name a class with amiFamily Windows2022 (or 2019, 2025) in its nodeClassRef: "
                f"{_edit(pool)}"
                if wants
                else f"name a class with a Linux AMI family in its nodeClassRef: {_edit(pool)}",
                subject=pool.name,
            )
    if not wrong:
        yield rule.passed("each NodePool's class runs the system that the pool names")


@check(
    "karpenter-limits",
    considers="NodePools of Karpenter below their limits",
    severity="warning",
    why="a pool that has reached spec.limits starts no further node, and its pods stay pending",
    source=KARPENTER,
    whole=("node_pools",),
)
def karpenter_limits(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare each NodePool's use with its limits."""
    if not look.state.node_pools:
        yield _absent(rule, look, "node_pools")
        return
    pools = [pool for pool, _ in look.pools]
    for pool in pools:
        used = dict(pool.used)
        full = [
            f"{name} {used[name]} of {limit}"
            for name, limit in pool.limits
            if name in used and _reached(name, used[name], limit)
        ]
        if full:
            yield rule.failed(
                f"NodePool {pool.name} has reached its limits: {', '.join(full)}",
                f"raise spec.limits: {_edit(pool)}",
                subject=pool.name,
            )
        elif pool.limits and not used:
            yield rule.unknown(
                look,
                seen=f"NodePool {pool.name} has limits, and what its nodes use is not known",
                remedy=f"kubectl get nodepool {word(pool.name, 'NODEPOOL')} -o json shows "
                "status.resources",
                subject=pool.name,
            )
        else:
            yield rule.passed(f"NodePool {pool.name} is below its limits", subject=pool.name)
    if not pools:
        yield rule.passed("no NodePool is for Windows")


def _reached(name: str, used: str, limit: str) -> bool:
    """Whether a quantity has reached its limit; one that cannot be read has not."""
    read = millicores if name == "cpu" else whole_bytes
    try:
        return read(used) >= read(limit)
    except InvalidQuantityError:
        return False


@check(
    "karpenter-node-claims",
    considers="NodeClaims of Karpenter that become nodes",
    severity="warning",
    why="a claim that EC2 refuses, or whose node registers no addresses, never takes a pod, and "
    "Karpenter makes the next one just like it",
    source="Karpenter, NodeClaims: https://karpenter.sh/docs/concepts/nodeclaims/",
    whole=(),
)
def karpenter_node_claims(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for NodeClaims of Windows that do not become nodes."""
    if look.state.node_claims is None:
        pods = look.state.windows_pods
        if look.karpenter and pods is not None and all(pod.node for pod in pods):
            yield rule.passed("no Windows pod waits for a node")
        else:
            yield _absent(rule, look, "node_claims")
        return
    stuck = [(claim, text) for claim in look.claims if (text := halted(claim))]
    for claim, text in stuck:
        yield rule.failed(
            f"NodeClaim {claim.name} ({claim.instance_type or 'no type yet'}) does not become a "
            f"node: {text}",
            unhalt(claim),
            subject=claim.name,
        )
    if not stuck:
        yield rule.passed(
            f"nothing holds {count_of(len(look.claims), 'NodeClaim')} of Windows back"
            if look.claims
            else "no NodeClaim of Windows waits for its node"
        )


CHECKS = (karpenter_node_os, karpenter_ami_family, karpenter_limits, karpenter_node_claims)
"""In the order in which a pod meets them."""
