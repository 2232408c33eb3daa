"""Checks of what serves nodes: types that run Windows and that the controller knows, and addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eks_win_capacity.catalog.type_names import absent
from eks_win_capacity.cluster.checks.check import CONTROLLER, check, some
from eks_win_capacity.cluster.remedies import word
from eks_win_capacity.cluster.serving import REASONS, advertised_by, group_of
from eks_win_capacity.core.constants import CONTROLLER_TABLE_AS_OF, KARPENTER_TABLE_AS_OF
from eks_win_capacity.core.display import count_of
from eks_win_capacity.density.reserved import karpenter_addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from eks_win_capacity.catalog import InstanceType, Reason
    from eks_win_capacity.cluster.checks.check import Check, Look
    from eks_win_capacity.core.findings import Finding


def _told(look: Look, reasons: Iterable[Reason]) -> str:
    """Each reason with its date and source, and whether it is an old one."""
    return "; ".join(f"{r.why} ({r.date}, {r.source}){look.aged(r.date)}" for r in reasons)


def _no_row(rule: Check, look: Look, name: str, users: list[str]) -> Finding:
    """What is said of a type that the catalog lacks."""
    known = absent(name)
    return rule.unknown(
        look,
        seen=f"{name} ({some(users)}) is not in the catalog of {look.catalog.as_of}"
        + (f": {known}" if known else "")
        + look.aged(look.catalog.as_of),
        remedy="give a catalog that has it: aws.load_catalog()",
        subject=name,
    )


def _each_type(
    rule: Check, look: Look, judge: Callable[[str, list[str], InstanceType | None], Finding | None]
) -> Iterator[Finding]:
    """The judgement on each type and its users, and what stands in the way of judging others."""
    types = look.windows_types
    if types is None:
        yield rule.unknown(look, "nodes", "node_groups")
        return
    seen = {g.name for n in look.windows if (g := group_of(n, look.state)) is not None}
    silent = [g.name for g in look.groups if not g.instance_types and g.name not in seen]
    blind = [*types.get("", []), *(f"node group {name}" for name in silent)]
    if blind:
        yield rule.unknown(
            look,
            seen=f"the instance type of {some(blind)} is not known",
            remedy="aws ec2 describe-launch-template-versions, or kubectl get nodes "
            "-L node.kubernetes.io/instance-type",
        )
    if not types and not blind:
        yield rule.passed("no Windows nodes yet")
    for name, users in types.items():
        if name:
            row = look.row(name)
            yield judge(name, users, row) or _no_row(rule, look, name, users)


@check(
    "instance-type-windows",
    considers="Instance types that run Windows; amd64 only, no Arm",
    severity="error",
    why="on other types Windows does not start",
    whole=("node_groups",),
)
def instance_type_windows(rule: Check, look: Look) -> Iterator[Finding]:
    """Look each type's verdict up."""

    def judge(name: str, users: list[str], row: InstanceType | None) -> Finding | None:
        if row is None:
            return None
        if row.windows.status == "unsupported":
            return rule.failed(
                f"{name} ({some(users)}): {_told(look, row.windows.reasons)}",
                f"choose a type that runs Windows{look.instead_of(name)}: eks-win-capacity catalog "
                "list --windows supported",
                subject=name,
            )
        return rule.passed(
            f"nothing is known against Windows on {name}{look.aged(look.catalog.as_of)}"
            if row.windows.status == "supported"
            else f"{name} is not known to refuse Windows; its caveats are a check of their own",
            subject=name,
        )

    return _each_type(rule, look, judge)


@check(
    "instance-type-caveats",
    considers="Instance types with a known caveat under Windows",
    severity="warning",
    why="such a type runs Windows, but not all of it as expected",
    whole=("node_groups",),
)
def instance_type_caveats(rule: Check, look: Look) -> Iterator[Finding]:
    """The warnings of each type's verdict, but for the controller's table."""

    def judge(name: str, users: list[str], row: InstanceType | None) -> Finding | None:
        if row is None:
            return None
        warned = row.windows.reasons if row.windows.status == "warned" else ()
        reasons = [reason for reason in warned if reason.code != "unknown-to-controller"]
        if not reasons:
            return rule.passed(f"{name} has no known caveat", subject=name)
        return rule.failed(
            f"{name} ({some(users)}): {_told(look, reasons)}",
            "put at most 31 pods with addresses on such a node"
            if [reason.code for reason in reasons] == ["limited-addresses"]
            else "try one node first, or choose another type",
            subject=name,
        )

    return _each_type(rule, look, judge)


@check(
    "instance-type-controller",
    considers="Instance types that the VPC resource controller knows",
    severity="warning",
    why="a node of a type that the control plane's table lacks gets no pod addresses",
    source=CONTROLLER,
    whole=("node_groups",),
)
def instance_type_controller(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare types with the controller's table, and with what nodes advertise."""
    working = {node.instance_type for node in look.windows if node.advertised_addresses}
    refused = {
        node.instance_type
        for node in look.windows
        if look.reason(node) == "type-unknown-to-controller"
    }

    def judge(name: str, users: list[str], row: InstanceType | None) -> Finding | None:
        if name in working:
            return rule.passed(f"{name}: nodes advertise addresses", subject=name)
        if row is None:
            return None
        if name not in refused and "unknown-to-controller" not in row.windows.codes:
            return rule.passed(
                f"{name} is in the controller's table of {CONTROLLER_TABLE_AS_OF}"
                f"{look.aged(CONTROLLER_TABLE_AS_OF)}",
                subject=name,
            )
        reasons = [r for r in row.windows.reasons if r.code == "unknown-to-controller"]
        said = _told(look, reasons) or "the controller says that it does not support the type"
        return rule.failed(
            f"{name} ({some(users)}): {said}; Karpenter's table of {KARPENTER_TABLE_AS_OF}"
            f"{look.aged(KARPENTER_TABLE_AS_OF)}, made by the same generator, {_by_karpenter(row)}",
            "start one node and see that it advertises addresses: kubectl get nodes -l "
            f"node.kubernetes.io/instance-type={name} -o "
            "jsonpath='{.items[*].status.allocatable}'; else take an older type",
            subject=name,
        )

    return _each_type(rule, look, judge)


def _by_karpenter(row: InstanceType) -> str:
    """Whether Karpenter's table has a type, and what follows where it does not."""
    counted = karpenter_addresses(row)
    if counted is None:
        return "may have it already"
    return "has it" if counted else "lacks it too, so that Karpenter counts no address on it"


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
    "node-not-ready": "its kubelet must come back first: see windows-nodes-ready",
}
"""What helps against each obstacle, in short."""


CHECKS = (
    instance_type_windows,
    instance_type_caveats,
    instance_type_controller,
    node_advertises_addresses,
    pods_get_addresses,
)
"""In the order in which a node and a pod meet them."""
