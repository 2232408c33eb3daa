"""Checks of what gives Windows pods their addresses: the ConfigMap and the subnets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from eks_win_capacity.addresses.targets import ENABLE_IPAM, TARGETS, WARM_IP, go_bool, go_int
from eks_win_capacity.addresses.warm_pool import WarmPool
from eks_win_capacity.cluster.checks.check import CONTROLLER, PREFIXES, SUBNETS, check, some
from eks_win_capacity.cluster.remedies import acting_key, addon_values, configmap, patch, word
from eks_win_capacity.core import kernels
from eks_win_capacity.core.constants import (
    CONTROL_PLANE_ADDRESSES,
    CONTROL_PLANE_ADDRESSES_ADVISED,
)
from eks_win_capacity.core.errors import CapacityError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_win_capacity.addresses.subnet import Subnet
    from eks_win_capacity.cluster.checks.check import Check, Look
    from eks_win_capacity.cluster.state import SubnetState
    from eks_win_capacity.core.findings import Finding

_MENDED = frozenset({"minimum-only-starves", "plain-key-wins"})
"""The traps that the changes of `_changes` take away."""

_STAND_IN = "m5.large"
"""The type by which subnets are judged while no Windows node tells its own."""


def _changes(look: Look) -> dict[str, str]:
    """
    The keys of the ConfigMap to set so that it does what it says.

    A windows- key that is hidden says what was meant; where pods would starve, the
    controller's own default takes the place of nothing.
    """
    data = look.state.cni_configmap or {}
    made = {}
    if not go_bool(data.get(ENABLE_IPAM, "")):
        made[ENABLE_IPAM] = "true"
    for key in (target.key for target in TARGETS):
        meant = data.get(f"windows-{key}", "")
        if data.get(key, meant) != meant and go_int(meant) is not None:
            made[key] = meant
    try:
        pool = WarmPool.from_configmap({**data, **made})
    except CapacityError:
        return made
    if not pool.prefix_delegation and pool.warm_ip_target == 0:
        made[acting_key(look.state, WARM_IP.key)] = str(WARM_IP.secondary)
    return made


def _mended(look: Look) -> dict[str, str]:
    """The whole ConfigMap with all changes, so that no file undoes another; none of an add-on's."""
    if addon_values(look.state) is not None:
        return {}
    data = {**(look.state.cni_configmap or {}), **_changes(look)}
    return {"amazon-vpc-cni.yaml": configmap(data)}


@check(
    "windows-ipam-enabled",
    considers="enable-windows-ipam in ConfigMap amazon-vpc-cni",
    severity="error",
    why="without it the control plane gives Windows nodes no pod addresses",
    needs=("cni_configmap",),
)
def windows_ipam_enabled(rule: Check, look: Look) -> Iterator[Finding]:
    """Read the switch as the controller does."""
    data = look.state.cni_configmap or {}
    value = data.get(ENABLE_IPAM)
    if value is not None and go_bool(value):
        yield rule.passed(f'{ENABLE_IPAM} is "{value}"')
        return
    seen = (
        "kube-system has no ConfigMap amazon-vpc-cni, or it is empty"
        if not data
        else f"the ConfigMap lacks {ENABLE_IPAM}"
        if value is None
        else f"{ENABLE_IPAM} is {value!r}, which does not read as true"
    )
    create = (
        f"kubectl create configmap -n kube-system amazon-vpc-cni --from-literal={ENABLE_IPAM}=true "
        "--dry-run=client -o yaml | kubectl apply -f -"
    )
    yield rule.failed(
        seen, patch({ENABLE_IPAM: "true"}, look.state) if data else create, files=_mended(look)
    )


@check(
    "prefix-delegation-nitro",
    considers="Prefix delegation acts on Nitro and bare-metal types only",
    severity="warning",
    why="other nodes stay in secondary-IP mode with the default warm targets",
    source=CONTROLLER,
    whole=("node_groups",),
    needs=("cni_configmap",),
)
def prefix_delegation_nitro(rule: Check, look: Look) -> Iterator[Finding]:
    """Compare the types of Windows nodes with the mode."""
    if not look.asked:
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
            f"{name} is not a Nitro type: {some(users)}",
            f"use a Nitro type{look.instead_of(name)}",
            subject=name,
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
    needs=("cni_configmap",),
)
def warm_targets(rule: Check, look: Look) -> Iterator[Finding]:
    """The warm pool's own findings, and whether there were any."""
    data = look.state.cni_configmap or {}
    # Those of another check are not said twice.
    own = {"windows-ipam-off", "configmap-missing", "prefix-delegation-not-nitro"}
    rows = [row for name in look.windows_types or () if (row := look.row(name))]
    slots = min((kernels.secondary(row.ipv4_per_interface) for row in rows), default=None)
    try:
        pool = WarmPool.from_configmap(data, slots=slots)
    except CapacityError as error:
        yield rule.failed(
            str(error),
            "write a number that is meant: kubectl edit configmap -n kube-system amazon-vpc-cni",
            severity="error",
        )
        return
    found = [replace(f, source=rule.source) for f in pool.findings if f.code not in own]
    yield from found
    worst = [f for f in found if f.severity != "info"]
    if worst:
        made = {key: value for key, value in _changes(look).items() if key != ENABLE_IPAM}
        others = dict.fromkeys(f.remedy for f in worst if f.code not in _MENDED)
        yield rule.failed(
            f"{len(worst)} traps: {some([f'{f.code} {f.subject}'.strip() for f in worst])}",
            "; ".join([*([patch(made, look.state)] if made else []), *others]),
            severity="error" if any(f.severity == "error" for f in worst) else rule.severity,
            files=_mended(look) if made else None,
        )
    else:
        yield rule.passed("the warm targets hold no trap")


@check(
    "subnet-room",
    considers="Room in the subnets for one more Windows node",
    severity="error",
    why="a node takes its own address and what its warm pool holds from its own subnet; in prefix "
    "mode whole aligned /28 blocks, so a fragmented subnet is full before its addresses are",
    source=PREFIXES,
    whole=("subnets",),
    needs=("subnets", "cni_configmap"),
)
def subnet_room(rule: Check, look: Look) -> Iterator[Finding]:
    """See whether one more node of each type finds its addresses."""
    for held in look.own_subnets:
        for name in look.types or [_STAND_IN]:
            yield _room(rule, look, held, name)
    if not look.state.subnets:
        yield rule.unknown(look, "subnets", seen="no subnet was given")


def _room(rule: Check, look: Look, held: SubnetState, name: str) -> Finding:
    """Judge one subnet for one type: an idle node must fit, a full one should."""
    where = f"{held.subnet_id} ({held.cidr}, {held.zone or 'zone unknown'})"
    subnet = look.models[held.subnet_id]
    idle = look.further_nodes(held, name, pods=1)
    full = look.further_nodes(held, name)
    if isinstance(idle, str) or isinstance(full, str):
        seen = f"{where}: {idle if isinstance(idle, str) else full}"
        return rule.unknown(look, "subnets", seen=seen, subject=held.subnet_id)
    stand_in = "" if look.windows_types else f" (no Windows type is known; {name} stands in)"
    if not idle.best:
        return rule.failed(
            f"{where} takes no further {name}: {idle.why}{stand_in}",
            _more_room(subnet, prefixes=idle.prefixes_per_node > 0),
            subject=held.subnet_id,
        )
    if not idle.nodes and not (subnet is not None and subnet.placement_known):
        return rule.unknown(
            look,
            "subnets",
            seen=f"{where} takes up to {idle.best:,} further {name}, and none at worst: where "
            "used addresses lie is not known",
            subject=held.subnet_id,
        )
    if not full.best:
        return rule.failed(
            f"{where} takes {idle.best:,} further {name} with a pod each, and none with "
            f"{full.pods_per_node:,}: {full.why}{stand_in}",
            _more_room(subnet, prefixes=full.prefixes_per_node > 0),
            subject=held.subnet_id,
            severity="warning",
        )
    if look.windows_types is None:
        return rule.unknown(look, "nodes", "node_groups", subject=held.subnet_id)
    return rule.passed(
        f"{where} takes {full.nodes:,} further {name} with {full.pods_per_node:,} pods each for "
        f"sure, {full.best:,} at best{stand_in}",
        subject=held.subnet_id,
    )


def _more_room(subnet: Subnet | None, *, prefixes: bool) -> str:
    """The cure for a subnet that is too full or too fragmented."""
    cure = "give the node group another subnet, or lower the warm targets"
    if not prefixes or subnet is None or not subnet.placement_known:
        return f"{cure}, or take smaller nodes"
    blocks = subnet.blocks()
    free = blocks.loc[blocks["serves"] & (blocks["reservation"] == ""), "cidr"].tolist()
    if not free:
        return f"{cure}; {subnet.free:,} addresses are free, in no whole /28 block"
    return (
        f"{cure}; keep the blocks that are whole: aws ec2 create-subnet-cidr-reservation "
        f"--subnet-id {word(subnet.subnet_id, 'SUBNET_ID')} --reservation-type prefix --cidr {free[0]}"
    )


@check(
    "control-plane-room",
    considers="Free addresses for the control plane in the cluster's subnets: 6, better 16",
    severity="warning",
    why="EKS puts interfaces into these subnets when it updates the control plane; without room "
    "the update fails",
    source=SUBNETS,
    needs=("subnets", "subnet_ids"),
)
def control_plane_room(rule: Check, look: Look) -> Iterator[Finding]:
    """Count the free addresses of each subnet of the cluster."""
    found = {subnet.subnet_id: subnet for subnet in look.state.subnets or ()}
    for name in look.state.subnet_ids or ():
        held = found.get(name)
        subnet = held.subnet if held else None
        if held is None or (held.available is None and subnet is None):
            yield rule.unknown(look, "subnets", subject=name)
            continue
        free = (
            held.available
            if held.available is not None
            else subnet.free_outside_reservations
            if subnet
            else 0
        )
        seen = f"{name}: {free} free addresses"
        cure = (
            "free addresses there, or give the cluster other subnets of its VPC: aws eks "
            f"update-cluster-config --name {look.cluster} --resources-vpc-config "
            f"subnetIds={word(None, 'SUBNET_IDS')}"
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
