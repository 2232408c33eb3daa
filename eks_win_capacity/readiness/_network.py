"""Checks of what gives Windows pods their addresses: the ConfigMap and the subnets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_win_capacity import kernels
from eks_win_capacity.configmap import go_bool
from eks_win_capacity.constants import CONTROL_PLANE_ADDRESSES, CONTROL_PLANE_ADDRESSES_ADVISED
from eks_win_capacity.errors import CapacityError
from eks_win_capacity.readiness._files import configmap
from eks_win_capacity.readiness._rules import CONTROLLER, check, some
from eks_win_capacity.warm_pool import WarmPool, attached_addresses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.catalog import InstanceType
    from eks_win_capacity.cluster import SubnetState
    from eks_win_capacity.findings import Finding
    from eks_win_capacity.readiness._rules import Check, Look

ENABLE = "enable-windows-ipam"
ENABLE_PREFIXES = "enable-windows-prefix-delegation"


@check(
    "windows-ipam-enabled",
    considers="enable-windows-ipam in ConfigMap amazon-vpc-cni",
    severity="error",
    why="without it the control plane gives Windows nodes no pod addresses",
)
def windows_ipam_enabled(rule: Check, look: Look) -> Iterator[Finding]:
    """Read the switch as the controller does."""
    data = look.state.cni_configmap
    if data is None:
        yield rule.unknown(look, "cni_configmap")
        return
    value = data.get(ENABLE)
    if value is not None and go_bool(value):
        yield rule.passed(f'{ENABLE} is "{value}"')
        return
    seen = (
        "kube-system has no ConfigMap amazon-vpc-cni, or it is empty"
        if not data
        else f"the ConfigMap lacks {ENABLE}"
        if value is None
        else f"{ENABLE} is {value!r}, which does not read as true"
    )
    text = configmap({**data, ENABLE: "true"})
    yield rule.failed(
        seen,
        f"kubectl apply -f amazon-vpc-cni.yaml, which is:\n{text}",
        files={"amazon-vpc-cni.yaml": text},
    )


@check(
    "prefix-delegation-nitro",
    considers="Prefix delegation acts on Nitro and bare-metal types only",
    severity="warning",
    why="other nodes stay in secondary-IP mode with the default warm targets",
    source=CONTROLLER,
)
def prefix_delegation_nitro(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare the types of Windows nodes with the mode."""
    if look.prefix_delegation is None:
        yield rule.unknown(look, "cni_configmap")
        return
    if not look.prefix_delegation:
        yield rule.passed("prefix delegation is off")
        return
    if look.windows_types is None:
        yield rule.unknown(look, "nodes", "node_groups")
        return
    rows = {name: look.row(name) for name in look.windows_types}
    old = [name for name, row in rows.items() if row is not None and not row.nitro]
    for name in old:
        users = look.windows_types[name]
        yield rule.failed(
            f"{name} is no Nitro type: {some(users)}", "use a Nitro type", subject=name
        )
    blind = [name or "nodes without a type" for name, row in rows.items() if row is None]
    if blind:
        yield rule.unknown(
            look, seen=f"not in the catalog: {some(blind)}", remedy="give a newer catalog"
        )
    elif not old:
        yield rule.passed("every Windows node is of a Nitro or bare-metal type")


@check(
    "warm-targets",
    considers="Warm targets of the ConfigMap do what they say",
    severity="warning",
    why="targets decide how many addresses idle nodes hold, and whether pods wait for one",
    source=CONTROLLER,
)
def warm_targets(rule: Check, look: Look) -> Iterator[Finding]:
    """Give the warm pool's own findings, and whether there were any."""
    data = look.state.cni_configmap
    if data is None:
        yield rule.unknown(look, "cni_configmap")
        return
    own = {"windows-ipam-off", "configmap-missing", "prefix-delegation-not-nitro"}
    try:
        found = [f for f in WarmPool.from_configmap(data).findings if f.code not in own]
    except CapacityError as error:
        yield rule.failed(
            str(error),
            "correct the value: kubectl edit configmap -n kube-system amazon-vpc-cni",
            severity="error",
        )
        return
    yield from found
    worst = [f for f in found if f.severity != "info"]
    if worst:
        yield rule.failed(
            f"{len(worst)} traps: {some([f'{f.code} {f.subject}'.strip() for f in worst])}",
            "see the findings of these codes",
        )
    else:
        yield rule.passed("the warm targets hold no trap")


def _asked_subnets(look: Look) -> list[SubnetState]:
    """Give the subnets of Windows node groups, else of the cluster, else all that are known."""
    state = look.state
    wanted = {subnet for group in look.windows_groups for subnet in group.subnet_ids}
    wanted = wanted or set(state.subnet_ids or ())
    known = state.subnets or ()
    return [subnet for subnet in known if subnet.subnet_id in wanted] or list(known)


def _pool(look: Look, row: InstanceType) -> WarmPool | None:
    if look.state.cni_configmap is None:
        return None
    try:
        return WarmPool.from_configmap(look.state.cni_configmap, nitro=row.nitro)
    except CapacityError:
        return None


@check(
    "subnet-room",
    considers="Room in the subnets for one more Windows node",
    severity="error",
    why="a node takes its own address and what its warm pool holds from its own subnet; in prefix "
    "mode whole aligned /28 blocks, so a fragmented subnet is full before its addresses are",
)
def subnet_room(rule: Check, look: Look) -> Iterator[Finding]:
    """See whether one more node of each type finds its addresses."""
    if look.state.subnets is None:
        yield rule.unknown(look, "subnets")
        return
    types = [name for name in look.windows_types or () if look.row(name)] or ["m5.large"]
    rows = [row for name in types if (row := look.row(name))]
    pools = [(row, _pool(look, row)) for row in rows]
    if any(pool is None for _, pool in pools):
        yield rule.unknown(look, "cni_configmap")
        return
    for held in _asked_subnets(look):
        subnet = held.subnet
        if subnet is None:
            yield rule.unknown(look, "subnets", subject=held.subnet_id)
            continue
        where = f"{held.subnet_id} ({held.cidr}, {held.zone or 'zone unknown'})"
        for row, pool in pools:
            if pool is None:
                continue
            slots = kernels.secondary(row.ipv4_per_interface)
            need = attached_addresses(1, slots=slots, pool=pool)
            free = held.available if held.available is not None else subnet.free
            if not pool.prefix_delegation:
                wanted, room = 1 + int(need.addresses), free
                unit = "addresses"
            elif subnet.placement_known:
                wanted, room = int(need.prefixes), subnet.free_prefixes
                unit = "free /28 blocks"
            else:
                estimate = subnet.prefix_estimate
                if estimate.worst < need.prefixes <= estimate.best:
                    yield rule.unknown(
                        look,
                        "subnets",
                        seen=f"{where}: {free} free addresses, from {estimate.worst} to "
                        f"{estimate.best} free /28 blocks: where used addresses lie is not known",
                        subject=held.subnet_id,
                    )
                    continue
                wanted, room, unit = int(need.prefixes), estimate.worst, "free /28 blocks"
            seen = f"{where}: one more {row.name} needs {wanted} {unit}, {room} are left"
            if room < wanted or free < 1:
                cure = (
                    "reserve a range for prefixes: aws ec2 create-subnet-cidr-reservation "
                    f"--subnet-id {held.subnet_id} --reservation-type prefix --cidr CIDR; or "
                    "give the node group another subnet"
                    if pool.prefix_delegation
                    else "give the node group another subnet, lower the warm targets, or take "
                    "smaller nodes"
                )
                yield rule.failed(f"{seen}; {free} free addresses", cure, subject=held.subnet_id)
            else:
                yield rule.passed(seen, subject=held.subnet_id)


@check(
    "control-plane-room",
    considers="Free addresses for the control plane in the cluster's subnets",
    severity="warning",
    why="EKS puts interfaces into these subnets when it updates the control plane; without room "
    "the update fails",
    source='EKS user guide, "Amazon EKS networking requirements for VPC and subnets"',
)
def control_plane_room(rule: Check, look: Look) -> Iterator[Finding]:
    """Count the free addresses of each subnet of the cluster."""
    state = look.state
    ids = state.subnet_ids
    if state.subnets is None or ids is None:
        yield rule.unknown(look, "subnets" if state.subnets is None else "subnet_ids")
        return
    found = {subnet.subnet_id: subnet for subnet in state.subnets}
    for name in ids:
        held = found.get(name)
        subnet = held.subnet if held else None
        if held is None or (held.available is None and subnet is None):
            yield rule.unknown(look, "subnets", subject=name)
            continue
        free = held.available if held.available is not None else subnet.free if subnet else 0
        seen = f"{name}: {free} free addresses"
        cure = (
            "free addresses there, or give the cluster other subnets: aws eks "
            f"update-cluster-config --name {state.name or 'NAME'} --resources-vpc-config subnetIds="
        )
        if free < CONTROL_PLANE_ADDRESSES:
            yield rule.failed(
                f"{seen}, EKS needs {CONTROL_PLANE_ADDRESSES}", cure, subject=name, severity="error"
            )
        elif free < CONTROL_PLANE_ADDRESSES_ADVISED:
            yield rule.failed(
                f"{seen}, EKS advises {CONTROL_PLANE_ADDRESSES_ADVISED}", cure, subject=name
            )
        else:
            yield rule.passed(seen, subject=name)


CHECKS = (
    windows_ipam_enabled,
    prefix_delegation_nitro,
    warm_targets,
    subnet_room,
    control_plane_room,
)
"""In the order of the guide."""
