"""Checks of instance types: which run Windows, and which the controller knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_win_capacity.catalog.type_names import absent
from eks_win_capacity.cluster.checks.check import CONTROLLER, check, some
from eks_win_capacity.cluster.serving import group_of
from eks_win_capacity.core.constants import CONTROLLER_TABLE_AS_OF, KARPENTER_TABLE_AS_OF
from eks_win_capacity.density.reserved import karpenter_addresses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
        + (f": {known}" if known else ""),
        remedy="give a catalog that has it: aws.load_catalog()",
        subject=name,
    )


def _typed(rule: Check, look: Look) -> tuple[list[Finding], dict[str, list[str]]]:
    """What stands in the way of judging types, and the types with their users."""
    types = look.windows_types
    if types is None:
        return [rule.unknown(look, "nodes", "node_groups")], {}
    blind = types.get("", [])
    seen = {g.name for n in look.windows if (g := group_of(n, look.state)) is not None}
    groups = [g.name for g in look.groups if not g.instance_types and g.name not in seen]
    found = []
    if blind or groups:
        names = [*blind, *(f"node group {name}" for name in groups)]
        found.append(
            rule.unknown(
                look,
                seen=f"the instance type of {some(names)} is not known",
                remedy="aws ec2 describe-launch-template-versions, or kubectl get nodes "
                "-L node.kubernetes.io/instance-type",
            )
        )
    known = {name: users for name, users in types.items() if name}
    if not known and not found:
        found.append(rule.passed("no Windows nodes yet"))
    return found, known


@check(
    "instance-type-windows",
    considers="Instance types that run Windows; amd64 only, no Arm",
    severity="error",
    why="on other types Windows does not start",
    whole=("node_groups",),
)
def instance_type_windows(rule: Check, look: Look) -> Iterator[Finding]:
    """Look each type's verdict up."""
    found, types = _typed(rule, look)
    yield from found
    for name, users in types.items():
        row = look.row(name)
        if row is None:
            yield _no_row(rule, look, name, users)
        elif row.windows.status == "unsupported":
            why = _told(look, row.windows.reasons)
            yield rule.failed(
                f"{name} ({some(users)}): {why}",
                f"choose a type that runs Windows{look.instead_of(name)}: eks-win-capacity catalog "
                "list --windows supported",
                subject=name,
            )
        else:
            yield rule.passed(
                f"nothing is known against Windows on {name}{look.aged(look.catalog.as_of)}"
                if row.windows.status == "supported"
                else f"{name} is not known to refuse Windows; its caveats are a check of their own",
                subject=name,
            )


@check(
    "instance-type-caveats",
    considers="Instance types with a known caveat under Windows",
    severity="warning",
    why="such a type runs Windows, but not all of it as expected",
    whole=("node_groups",),
)
def instance_type_caveats(rule: Check, look: Look) -> Iterator[Finding]:
    """The warnings of each type's verdict, but for the controller's table."""
    found, types = _typed(rule, look)
    yield from found
    for name, users in types.items():
        row = look.row(name)
        reasons = [
            reason
            for reason in (row.windows.reasons if row else ())
            if row and row.windows.status == "warned" and reason.code != "unknown-to-controller"
        ]
        if row is None:
            yield _no_row(rule, look, name, users)
        elif reasons:
            told = _told(look, reasons)
            yield rule.failed(
                f"{name} ({some(users)}): {told}",
                "put at most 31 pods with addresses on such a node"
                if [reason.code for reason in reasons] == ["limited-addresses"]
                else "try one node first, or choose another type",
                subject=name,
            )
        else:
            yield rule.passed(f"{name} has no known caveat", subject=name)


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
    found, types = _typed(rule, look)
    yield from found
    working = {node.instance_type for node in look.windows if node.advertised_addresses}
    refused = {
        node.instance_type
        for node in look.windows
        if look.reason(node) == "type-unknown-to-controller"
    }
    for name, users in types.items():
        row = look.row(name)
        if name in working:
            yield rule.passed(f"{name}: nodes advertise addresses", subject=name)
        elif row is None:
            yield _no_row(rule, look, name, users)
        elif name in refused or "unknown-to-controller" in row.windows.codes:
            reasons = [r for r in row.windows.reasons if r.code == "unknown-to-controller"]
            said = _told(look, reasons) or "the controller says that it does not support the type"
            yield rule.failed(
                f"{name} ({some(users)}): {said}; Karpenter's table of {KARPENTER_TABLE_AS_OF}, made "
                f"by the same generator, {_by_karpenter(row)}",
                "start one node and see that it advertises addresses: kubectl get nodes -l "
                f"node.kubernetes.io/instance-type={name} -o "
                "jsonpath='{.items[*].status.allocatable}'; else take an older type",
                subject=name,
            )
        else:
            yield rule.passed(
                f"{name} is in the controller's table of {CONTROLLER_TABLE_AS_OF}"
                f"{look.aged(CONTROLLER_TABLE_AS_OF)}",
                subject=name,
            )


def _by_karpenter(row: InstanceType | None) -> str:
    """Whether Karpenter's table has a type, and what follows where it does not."""
    counted = None if row is None else karpenter_addresses(row)
    if counted is None:
        return "may have it already"
    return "has it" if counted else "lacks it too, so that Karpenter counts no address on it"


CHECKS = (instance_type_windows, instance_type_caveats, instance_type_controller)
"""In the order of the guide."""
