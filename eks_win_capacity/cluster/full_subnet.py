"""Changes that make room in a full subnet: draining nodes, lower targets, reservations."""

from __future__ import annotations

import ipaddress
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.addresses.subnet import Subnet
from eks_win_capacity.addresses.targets import TARGETS
from eks_win_capacity.addresses.warm_pool import curve_of, lean
from eks_win_capacity.cluster.remedies import Change, acting_key, patch, word
from eks_win_capacity.cluster.state import needs_state
from eks_win_capacity.core.arguments import text
from eks_win_capacity.core.arrays import count
from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX
from eks_win_capacity.core.display import Listed, Shown
from eks_win_capacity.core.errors import InputError, count_of
from eks_win_capacity.core.lazy import checked_call

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eks_win_capacity.addresses.warm_pool import WarmPool
    from eks_win_capacity.cluster.cluster_view import ClusterView
    from eks_win_capacity.cluster.state import ClusterState, Pod, SubnetState


@dataclass(frozen=True, kw_only=True, repr=False)
class DrainStep(Shown):
    """
    Nodes to drain together, and the blocks gained.

    Attributes
    ----------
    subnet_id : str
    nodes : tuple of str
        Nodes of this step; their order does not matter.
    pods : int
        Pods that must move, without those of DaemonSets. [pods]
    blocks : int
        Whole /28 blocks that this step frees. [prefixes]
    total_blocks : int
        The same, including the earlier steps. [prefixes]
    cidrs : tuple of str
        Those blocks.
    addresses : int
        Addresses returned, including the nodes' primary ones. [addresses]
    serves : int
        Pods that prefixes in the freed blocks serve. [pods]
    remedy : str
        The commands, in the safe order.
    """

    subnet_id: str
    nodes: tuple[str, ...]
    pods: int
    blocks: int
    total_blocks: int
    cidrs: tuple[str, ...]
    addresses: int
    serves: int
    remedy: str

    _LISTED = (
        "subnet_id", "nodes", "pods", "blocks", "total_blocks", "cidrs", "addresses", "serves",
    )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The fields as a plain mapping."""
        return asdict(self)


@checked_call
def drains_for_blocks(
    state: ClusterState, *, subnet_id: str | None = None, blocks: int | None = None
) -> Listed[DrainStep]:
    """
    Windows nodes to drain in steps to free whole /28 blocks, the cheapest step first.

    A block can serve as a prefix only if none of its addresses is in use, so a subnet may have
    many free addresses and no free block. A drained and terminated node returns its primary
    address, its secondary addresses and its prefixes. Each step is the set of nodes with the
    fewest pods to move per block that is still wanted. Blocks with an address of another user
    cannot be freed this way.

    Parameters
    ----------
    state : ClusterState
        With nodes, pods, and subnets with their interfaces.
    subnet_id : str, optional
        All subnets by default, each with separate steps.
    blocks : int, optional
        Blocks wanted in each subnet; by default all that can be freed. [prefixes]

    Returns
    -------
    Listed of DrainStep
        Empty if draining Windows nodes frees no block.

    Raises
    ------
    InputError
        If nodes, pods, or the interfaces of the subnet are not known.
    InvalidCountError
        If `blocks` is below 1.

    References
    ----------
    Amazon EC2 user guide, "Prefix delegation for Amazon EC2 network interfaces".
    Amazon VPC user guide, "Subnet CIDR reservations".

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import ClusterState, InterfaceState, Node, SubnetState
    >>> nodes = [Node(name=f"win-{n}", os="windows", address=f"10.0.0.{16 * n}") for n in (1, 2)]
    >>> interfaces = [InterfaceState(address="10.0.0.16", secondary=("10.0.0.33",)),
    ...               InterfaceState(address="10.0.0.32")]
    >>> used = ("10.0.0.16", "10.0.0.33", "10.0.0.32")
    >>> state = ClusterState(nodes=nodes, pods=(), subnets=(SubnetState(
    ...     subnet_id="subnet-1", cidr="10.0.0.0/26", used=used, interfaces=tuple(interfaces)),))
    >>> [(step.nodes, step.cidrs) for step in drains_for_blocks(state)]
    [(('win-1',), ('10.0.0.16/28',)), (('win-2',), ('10.0.0.32/28',))]
    """
    state = needs_state(state)
    if blocks is not None:
        blocks = count(blocks, name="blocks", low=1)
    if subnet_id is not None:
        text(subnet_id, name="subnet_id")
    for part in ("nodes", "pods", "subnets"):
        if getattr(state, part) is None:
            raise InputError(f"draining for blocks needs the {part}: {state.unknown[part]}")
    chosen = [s for s in state.subnets or () if subnet_id in {None, s.subnet_id}]
    if not chosen:
        known = ", ".join(s.subnet_id for s in (state.subnets or ())[:5]) or "none"
        raise InputError(f"no subnet {subnet_id!r} was loaded; there are: {known}")
    seen = [s for s in chosen if s.interfaces is not None and s.used is not None]
    if not seen:
        raise InputError(
            f"what holds the addresses of {chosen[0].subnet_id} is not known: add the output "
            "of aws ec2 describe-network-interfaces"
        )
    pods = Counter(
        pod.node
        for pod in state.pods or ()
        if pod.node and pod.active and not pod.owner.startswith(("DaemonSet/", "Node/"))
    )
    return Listed(step for subnet in seen for step in _steps(state, subnet, pods, blocks))


def _steps(
    state: ClusterState, subnet: SubnetState, pods: Counter[str], blocks: int | None
) -> list[DrainStep]:
    owners = _owners(state, subnet)
    needed = _needed(subnet, owners)
    sizes: Counter[str] = Counter()
    for item, name in owners.items():
        sizes[name] += ADDRESSES_PER_PREFIX if "/" in item else 1
    blocks_of: dict[str, set[ipaddress.IPv4Network]] = defaultdict(set)
    for block, others in needed.items():
        for name in others:
            blocks_of[name].add(block)
    steps: list[DrainStep] = []
    total = 0
    while needed and (blocks is None or total < blocks):
        wanted = len(needed) if blocks is None else blocks - total
        price = partial(_price, needed=needed, blocks_of=blocks_of, wanted=wanted, pods=pods)
        nodes = min(set(needed.values()), key=price)
        freed = sorted(_freed(nodes, needed, blocks_of))
        # Only blocks with an address of a drained node change.
        for name in nodes:
            for block in blocks_of.pop(name):
                needed[block] -= {name}
        for block in freed:
            del needed[block]
        total += len(freed)
        steps.append(_step(subnet, sorted(nodes), freed, total, pods, sizes))
    return steps


def _freed(
    nodes: frozenset[str],
    needed: Mapping[ipaddress.IPv4Network, frozenset[str]],
    blocks_of: Mapping[str, set[ipaddress.IPv4Network]],
) -> set[ipaddress.IPv4Network]:
    """Blocks that are free once some nodes are gone."""
    return {block for name in nodes for block in blocks_of[name] if needed[block] <= nodes}


def _price(
    nodes: frozenset[str],
    *,
    needed: Mapping[ipaddress.IPv4Network, frozenset[str]],
    blocks_of: Mapping[str, set[ipaddress.IPv4Network]],
    wanted: int,
    pods: Counter[str],
) -> tuple[Any, ...]:
    """Sort key of a set of nodes: pods, then nodes, per block that is still wanted."""
    gain = len(_freed(nodes, needed, blocks_of))
    each = min(gain, wanted)
    cost = sum(pods[name] for name in nodes)
    return (cost / each, len(nodes) / each, len(nodes), -gain, sorted(nodes))


def _step(  # noqa: PLR0917
    subnet: SubnetState,
    nodes: list[str],
    freed: list[ipaddress.IPv4Network],
    total: int,
    pods: Counter[str],
    sizes: Counter[str],
) -> DrainStep:
    named = " ".join(word(name, "NODE") for name in nodes)
    cidrs = tuple(map(str, freed))
    subnet_id = word(subnet.subnet_id, "SUBNET_ID")
    keep = "; ".join(
        "aws ec2 create-subnet-cidr-reservation --reservation-type prefix "
        f"--subnet-id {subnet_id} --cidr {cidr}"
        for cidr in cidrs
    )
    return DrainStep(
        subnet_id=subnet.subnet_id,
        nodes=tuple(nodes),
        pods=sum(pods[name] for name in nodes),
        blocks=len(freed),
        total_blocks=total,
        cidrs=cidrs,
        addresses=sum(sizes[name] for name in nodes),
        serves=len(freed) * ADDRESSES_PER_PREFIX,
        remedy=f"1. kubectl cordon {named}; 2. kubectl drain --ignore-daemonsets {named}; "
        f"3. terminate the instances; 4. before others take the blocks: {keep}",
    )


def _owners(state: ClusterState, subnet: SubnetState) -> dict[str, str]:
    """Windows node of each address or prefix in a subnet that belongs to one."""
    names = {node.address: node.name for node in state.windows_nodes or () if node.address}
    return {
        item: names[interface.address]
        for interface in subnet.interfaces or ()
        if interface.address in names
        for item in (interface.address, *interface.secondary, *interface.prefixes)
    }


_SOMEBODY: Final = ""
"""Stands for any owner that is not a Windows node."""


def _needed(
    subnet: SubnetState, owners: Mapping[str, str]
) -> dict[ipaddress.IPv4Network, frozenset[str]]:
    """Nodes that must go to free each used block that could serve a prefix."""
    empty = Subnet(subnet.cidr, used=(), reservations=subnet.reservations or ()).blocks()
    serving = set(empty.loc[empty["serves"], "cidr"])
    occupants: dict[ipaddress.IPv4Network, set[str]] = defaultdict(set)
    for item in subnet.used or ():
        address = ipaddress.IPv4Interface(item).ip
        block = ipaddress.IPv4Network(
            (int(address) // ADDRESSES_PER_PREFIX * ADDRESSES_PER_PREFIX, 28)
        )
        occupants[block].add(owners.get(item, _SOMEBODY))
    return {
        block: frozenset(names)
        for block, names in occupants.items()
        if _SOMEBODY not in names and str(block) in serving
    }


def give_back(subnet: SubnetState | None, *, prefixes: bool) -> Iterator[Change]:
    """Change that returns an explicit reservation to the nodes."""
    kept = [
        cidr for cidr, kind in (subnet.reservations or () if subnet else ()) if kind == "explicit"
    ]
    model = subnet.subnet if subnet else None
    if subnet is None or model is None or not kept or not model.placement_known:
        return
    parts = [part for part in model.census.reservations if part.type == "explicit"]
    gain = sum(part.whole_free if prefixes else part.free for part in parts)
    yield Change(
        code="give-back-reservation",
        remedy="if what they were kept for is gone: aws ec2 get-subnet-cidr-reservations --subnet-id "
        f"{word(subnet.subnet_id, 'SUBNET_ID')}; aws ec2 delete-subnet-cidr-reservation "
        f"--subnet-cidr-reservation-id {word(None, 'RESERVATION_ID')}",
        gain=gain,
        unit="prefixes" if prefixes else "addresses",
        feasible=gain > 0,
        why=f"{', '.join(kept)} of {subnet.subnet_id} are reserved for explicit use: {gain:,} "
        f"{'whole blocks' if prefixes else 'addresses'} in them are free and go to no node",
    )


def lean_targets(
    subnet: SubnetState | None, view: ClusterView, *, prefixes: bool, least: int = 1
) -> Change:
    """
    Gain of lower warm targets in a full subnet, or in all subnets if it is not known.

    It helps if at least `least` addresses, or prefixes, are freed.
    """
    freed = _freed_by_lean_targets(subnet, view)
    pool = next(
        (
            pool
            for node in view.windows
            if (row := view.row(node.instance_type)) and (pool := view.pool(row))
        ),
        None,
    )
    remedy = _lean_remedy(pool, view)
    where = f"in {subnet.subnet_id}" if subnet else "in all subnets"
    if freed is None or pool is None:
        return Change(
            code="warm-targets",
            remedy=remedy,
            unit="prefixes" if prefixes else "addresses",
            feasible=None,
            why="the ConfigMap, the types or the subnets of the nodes are not known: give kubectl get "
            "configmap -n kube-system amazon-vpc-cni -o json and aws ec2 describe-subnets",
        )
    addresses, blocks = freed
    gain = blocks if prefixes else addresses
    return Change(
        code="warm-targets",
        remedy=remedy,
        gain=gain,
        unit="prefixes" if prefixes else "addresses",
        feasible=gain >= least,
        why=f"frees {count_of(addresses, 'address', 'addresses')} {where}, "
        f"{count_of(blocks, 'whole prefix', 'whole prefixes')} among them"
        + (f"; {least:,} are needed" if gain < least else "")
        if gain
        else f"the targets are already low: nothing would be freed {where}",
    )


def _freed_by_lean_targets(subnet: SubnetState | None, view: ClusterView) -> tuple[int, int] | None:
    """
    Addresses that the lowest warm targets free, and whole prefixes among them.

    None if targets, types or the subnets of the nodes are not known.
    """
    nodes = [
        node
        for node in view.windows
        if subnet is None
        or (home := view.subnet_of[node.name]) is None
        or home.subnet_id == subnet.subnet_id
    ]
    if subnet is not None and any(view.subnet_of[node.name] is None for node in nodes):
        return None
    addresses = prefixes = 0
    for node in nodes:
        row = view.row(node.instance_type)
        pool = None if row is None else view.pool(row)
        if row is None or pool is None:
            return None
        now = curve_of(row.ipv4_per_interface, pool)
        then = curve_of(row.ipv4_per_interface, lean(prefix_delegation=pool.prefix_delegation))
        pods = min(view.use_of(node).with_address, len(now.addresses) - 1)
        addresses += max(int(now.addresses[pods] - then.addresses[pods]), 0)
        prefixes += max(int(now.prefixes[pods] - then.prefixes[pods]), 0)
    return addresses, prefixes


def _lean_remedy(pool: WarmPool | None, view: ClusterView) -> str:
    """Command that sets the lowest targets at which every pod still gets its address."""
    if pool is None:
        return "lower the warm targets of idle nodes in ConfigMap amazon-vpc-cni"
    targets = lean(prefix_delegation=pool.prefix_delegation)
    values = {
        acting_key(view.state, target.key): str(getattr(targets, target.name))
        for target in TARGETS
        if not target.prefix_only
    }
    return patch(values, view.state)


def reserve(pod: Pod, view: ClusterView) -> Change:
    """Change that reserves whole /28 blocks in the subnet of a pending pod."""
    subnet = view.home(pod)
    model = subnet.subnet if subnet else None
    remedy = (
        "keep /28 blocks whole: aws ec2 create-subnet-cidr-reservation --reservation-type prefix "
        f"--subnet-id {word(subnet.subnet_id if subnet else None, 'SUBNET_ID')} --cidr "
    )
    if model is None or not model.placement_known:
        return Change(
            code="reserve-prefixes",
            remedy=remedy + word(None, "CIDR"),
            unit="prefixes",
            feasible=None,
            why="where the used addresses of the subnet lie is not known: give aws ec2 "
            "describe-network-interfaces",
        )
    free = whole_blocks(model)
    return Change(
        code="reserve-prefixes",
        remedy=remedy + (free[0] if free else word(None, "CIDR")),
        gain=len(free),
        unit="prefixes",
        feasible=bool(free),
        why=f"{count_of(len(free), 'whole block is', 'whole blocks are')} left outside reservations"
        + ("" if free else f", though {count_of(model.free, 'address is', 'addresses are')} free"),
    )


def whole_blocks(subnet: Subnet) -> list[str]:
    """Free /28 blocks of a subnet outside reservations."""
    blocks = subnet.blocks()
    free: list[str] = blocks.loc[blocks["serves"] & (blocks["reservation"] == ""), "cidr"].tolist()
    return free


def drain_for_blocks(pod: Pod, view: ClusterView) -> Change:
    """Change that frees whole blocks by draining the nodes that break them."""
    subnet = view.home(pod)
    change = partial(Change, code="drain-for-blocks", unit="prefixes")
    general = "drain the nodes that break the most blocks with the fewest pods"
    if subnet is None or subnet.interfaces is None or subnet.used is None:
        return change(
            remedy=general,
            feasible=None,
            why="the users of the subnet's addresses are unknown: add the output of "
            "aws ec2 describe-network-interfaces",
        )
    steps = drains_for_blocks(view.state, subnet_id=subnet.subnet_id, blocks=1)
    if not steps:
        return change(
            remedy=general,
            gain=0,
            feasible=False,
            why="every broken block contains an address of something other than a Windows node",
        )
    first = steps[0]
    return change(
        remedy=first.remedy,
        gain=first.blocks,
        why=f"{count_of(first.blocks, 'whole block')} of {subnet.subnet_id} "
        f"{'comes' if first.blocks == 1 else 'come'} free, {count_of(first.pods, 'pod moves', 'pods move')}",
        nodes=len(first.nodes),
    )
