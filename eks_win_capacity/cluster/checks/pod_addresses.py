"""Checks of pod addresses: whether nodes advertise them, and whether placed pods get them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eks_win_capacity.cluster.checks.check import CONTROLLER, check, some
from eks_win_capacity.cluster.remedies import word
from eks_win_capacity.cluster.serving import REASONS, advertised_by
from eks_win_capacity.core.display import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.cluster.checks.check import Check, Look
    from eks_win_capacity.core.findings import Finding


@check(
    "node-advertises-addresses",
    considers="Windows nodes advertise pod addresses",
    severity="error",
    why="a node that advertises no vpc.amazonaws.com/PrivateIPv4Address gets no pods with "
    "addresses of their own",
    source=CONTROLLER,
    needs=("nodes",),
)
def node_advertises_addresses(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for the resource among what nodes can give, and for why it is not there."""
    silent: dict[str, list[str]] = {}
    for node in look.windows:
        if advertised_by(node) == 0:
            silent.setdefault(look.reason(node), []).append(node.name)
    blind = [node.name for node in look.windows if advertised_by(node) is None]
    for reason, names in silent.items():
        node = look.state.nodes_by_name[names[0]]
        evidence = "; ".join(look.why_silent(node)[1:])
        yield rule.failed(
            f"{count_of(len(names), 'Windows node advertises', 'Windows nodes advertise')} none: "
            f"{some(names)}; {REASONS.get(reason, reason)}" + (f"; {evidence}" if evidence else ""),
            _served_again(look, reason, names[0]),
            subject=reason,
        )
    if blind:
        yield rule.unknown(
            look,
            seen=f"what {some(blind)} can give is not in what was loaded",
            remedy="kubectl get nodes -o json (the whole objects, with status.allocatable)",
        )
    if not silent and not blind:
        yield rule.passed(
            f"{count_of(len(look.windows), 'Windows node advertises', 'Windows nodes advertise')} "
            "addresses"
            if look.windows
            else "no Windows nodes yet"
        )


def _served_again(look: Look, reason: str, node: str) -> str:
    """The cure for a reason of silence; the check of its own cause says more."""
    of = {
        "windows-ipam-off": "turn it on: see windows-ipam-enabled",
        "role-policy": "attach it: see resource-controller-policy",
        "platform-too-old": "update it: see windows-platform-version",
        "type-unknown-to-controller": "start nodes of a type that the controller knows"
        f"{look.instead_of(look.state.nodes_by_name[node].instance_type)}",
    }
    told = f"kubectl describe node {word(node, 'NODE')}"
    return of.get(reason, f"see the events of the node for the reason: {told}")


@check(
    "pods-get-addresses",
    considers="Placed Windows pods get their addresses",
    severity="error",
    why="a pod that was placed and gets no address stays in ContainerCreating, and waiting alone "
    "does not help",
    source=CONTROLLER,
    whole=("pods",),
    needs=("nodes", "pods"),
)
def pods_get_addresses(rule: Check, look: Look) -> Iterator[Finding]:
    """Look for nodes whose pods get no address, and for pods that asked for none."""
    blocked = look.blocked
    for name, obstacle in blocked.items():
        late = [pod.full_name for pod in look.waiting[name] if not pod.without_request]
        yield rule.failed(
            f"{name} gives {some(late)} no address: {'; '.join(obstacle.evidence)}",
            f"eks-win-capacity explain {word(late[0], 'POD')} weighs what helps; "
            f"{_UNBLOCKED.get(obstacle.code, 'waiting does not')}",
            subject=name,
        )
    silent = [pod.full_name for pod in look.state.windows_pods or () if pod.without_request]
    if silent:
        yield rule.failed(
            f"{some(silent)} asked for no vpc.amazonaws.com/PrivateIPv4Address, so none comes",
            'put kubernetes.io/os: "windows" under nodeSelector of the pod template and create '
            "the pods anew: the webhook adds the request only then",
            subject="no-address-asked",
        )
    if not blocked and not silent:
        count = len(look.state.windows_pods or ())
        yield rule.passed(f"of {count_of(count, 'Windows pod')} none waits for an address in vain")


_UNBLOCKED: Final = {
    "prefixes": "reserve or drain whole /28 blocks in its subnet, or take another one",
    "subnet": "free addresses in its subnet, or take another one",
    "slots-held": "cordon, drain and replace the node: its slots are of the other mode",
    "addresses": "run fewer pods on it: it advertises fewer addresses than pods were placed",
    "starved": "raise the warm targets: see warm-targets",
    "not-served": "let the controller serve it: see node-advertises-addresses",
}
"""What helps against each obstacle, in short."""


CHECKS = (node_advertises_addresses, pods_get_addresses)
"""In the order in which a pod meets them."""
