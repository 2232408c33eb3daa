"""What a cluster's Windows nodes and subnets have left, now and after a change."""

from __future__ import annotations

import ipaddress
import math
from collections import Counter, defaultdict
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from eks_win_capacity.addresses.fit import fit_of, node_need
from eks_win_capacity.addresses.targets import asking
from eks_win_capacity.addresses.warm_pool import WarmPool, curve_of, pool_of_pairs
from eks_win_capacity.catalog.limits import max_pods_cap, prefix, secondary
from eks_win_capacity.cluster.serving import (
    IDLE,
    NO_ADDRESS,
    NO_BLOCK,
    REASONS,
    Obstacle,
    Slots,
    Use,
    advertised_by,
    advertised_mode,
    asked_mode,
    causes,
    comes_with_a_node,
    difference_reason,
    expected_addresses,
    group_of,
    pods_in,
    slots_of,
    use_by_node,
)
from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX, KUBELET_MAX_PODS
from eks_win_capacity.core.errors import CapacityError, count_of
from eks_win_capacity.density.reserved import allocatable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from eks_win_capacity.addresses.fit import NodesThatFit
    from eks_win_capacity.catalog import Catalog, InstanceType
    from eks_win_capacity.cluster.serving import PodNeed
    from eks_win_capacity.cluster.state import (
        ClusterState,
        InterfaceState,
        Node,
        NodeClaim,
        NodeClass,
        NodeGroup,
        NodePool,
        Pod,
        SubnetState,
    )


class ClusterView:
    """
    All quantities derived from a cluster's state, which reports and explanations only format.

    What a node offers, how its interface is filled, what it and its subnet have left, and what
    they would have after a change.
    """

    def __init__(
        self, state: ClusterState, catalog: Catalog, prices: Mapping[str, float] | None
    ) -> None:
        self.state = state
        self.catalog = catalog
        self.prices = prices or {}
        self._slots: dict[str, Slots | None] = {}
        self._left: dict[PodNeed, Mapping[str, int]] = {}
        self._shown: dict[tuple[PodNeed, frozenset[str]], Mapping[str, int]] = {}
        self._typical: dict[str, tuple[int, int, int, int]] = {}
        self.use = use_by_node(state.windows_pods or ())
        self.windows = list(state.windows_nodes or ())
        self.asked = asked_mode(state)
        self.mode = self._seen_mode() if self.asked is None else self.asked
        self.ready = [n for n in self.windows if n.ready and n.schedulable]
        self.cordoned = [n for n in self.windows if n.ready and not (n.schedulable or n.barred)]
        self.broken = [n for n in self.windows if n.ready is False]

    def _seen_mode(self) -> bool | None:
        """
        Whether the Windows nodes themselves advertise the addresses of prefix mode.

        None if no Nitro node advertises the number of either mode, or if nodes differ.
        """
        modes = {
            advertised_mode(node, row)
            for node in self.windows
            if node.ready and (row := self.row(node.instance_type)) is not None and row.nitro
        } - {None}
        return modes.pop() if len(modes) == 1 else None

    def mode_of(self, node: Node) -> bool | None:
        """Whether a node is in prefix mode, by what it advertises, else by the cluster's mode."""
        row = self.row(node.instance_type)
        if row is None or not row.nitro:
            return None if row is None else False
        seen = advertised_mode(node, row) if node.advertised_addresses else None
        return self.mode if seen is None else seen

    def expected(self, name: str, *, prefixes: bool | None) -> int | None:
        """Addresses that a node of a type advertises in a mode; None if not known."""
        return expected_addresses(self.row(name), prefix_delegation=prefixes)

    def use_of(self, node: Node) -> Use:
        """Pods and requests on a node."""
        return self.use.get(node.name, IDLE)

    def row(self, name: str) -> InstanceType | None:
        """Catalog row of a type; None if the catalog lacks it."""
        return self.catalog.get(name)

    @cached_property
    def subnet_of(self) -> Mapping[str, SubnetState | None]:
        """Subnet of each Windows node, by its address; None if not known."""
        known = [(ipaddress.IPv4Network(s.cidr, strict=False), s) for s in self.state.subnets or ()]

        def place(address: str) -> SubnetState | None:
            try:
                parsed = ipaddress.IPv4Address(address)
            except ValueError:
                return None
            # Of subnets of several VPCs that hold the address, none is known to be the node's.
            holding = [subnet for network, subnet in known if parsed in network]
            return holding[0] if len(holding) == 1 else None

        return {node.name: place(node.address) for node in self.windows}

    def home(self, pod: Pod) -> SubnetState | None:
        """Subnet of the node that a pod is assigned to; None if not known."""
        return self.subnet_of.get(pod.node) if pod.node else None

    @cached_property
    def interfaces(self) -> Mapping[str, InterfaceState]:
        """Interface of each instance, by its primary address if only one has it."""
        known = [one for subnet in self.state.subnets or () for one in subnet.interfaces or ()]
        times = Counter(one.address for one in known)
        return {one.address: one for one in known if times[one.address] == 1}

    @cached_property
    def _addresses(self) -> Mapping[str, list[str]]:
        """Pod addresses on each node, an empty string for one that is not known."""
        addresses: dict[str, list[str]] = defaultdict(list)
        for pod in self.state.windows_pods or ():
            if pod.node and pod.takes_address and (pod.address or pod.phase != "Pending"):
                addresses[pod.node].append(pod.address)
        return addresses

    def slots(self, node: Node) -> Slots | None:
        """How the slots of a node's interface are filled; None if not known."""
        if node.name not in self._slots:
            self._slots[node.name] = self._read_slots(node)
        return self._slots[node.name]

    def _read_slots(self, node: Node) -> Slots | None:
        row, interface = self.row(node.instance_type), self.interfaces.get(node.address)
        prefixes = self.mode_of(node)
        if row is None or interface is None or prefixes is None or self.state.pods is None:
            return None
        addresses = self._addresses.get(node.name, [])
        return slots_of(
            row,
            interface,
            [address for address in addresses if address],
            silent=addresses.count(""),
            prefix_delegation=prefixes,
            room=self.room_in(self.subnet_of[node.name], prefixes=prefixes),
        )

    def room_in(self, subnet: SubnetState | None, *, prefixes: bool) -> int | None:
        """Slots that a subnet can still fill; None if not known."""
        model = None if subnet is None else subnet.subnet
        if subnet is None or model is None:
            return None
        if prefixes:
            return model.free_prefixes if model.placement_known else None
        free = model.free_outside_reservations
        return free if subnet.available is None else min(free, subnet.available)

    def address_limit(self, node: Node) -> int | None:
        """
        Pods that a node can give addresses to, by what it advertises and what it can attach.

        None if the node's allocatable is not known. [pods]
        """
        advertised, slots = advertised_by(node), self.slots(node)
        limits = [] if slots is None else [slots.serves]
        if node.name in self.blocked:
            use = self.use_of(node)
            limits.append(use.with_address - use.waiting)
        return None if advertised is None else min([advertised, *limits])

    @cached_property
    def waiting(self) -> Mapping[str, list[Pod]]:
        """Pods assigned to each node that have no address yet."""
        waiting: dict[str, list[Pod]] = defaultdict(list)
        for pod in self.state.windows_pods or ():
            if pod.node and pod.phase == "Pending" and pod.takes_address and not pod.address:
                waiting[pod.node].append(pod)
        return waiting

    @cached_property
    def blocked(self) -> Mapping[str, Obstacle]:
        """Lasting obstacle to pod addresses, for each node where a scheduled pod waits for one."""
        obstacles = ((node.name, self._obstacle(node)) for node in self.windows)
        return {name: obstacle for name, obstacle in obstacles if obstacle is not None}

    def _obstacle(self, node: Node) -> Obstacle | None:
        late = [pod for pod in self.waiting.get(node.name, ()) if not pod.without_request]
        if not late:
            return None
        if node.ready is False:
            return Obstacle("node-not-ready", (f"{node.name} is not ready",))
        if any(node is one for one in self.silent):
            return Obstacle("not-served", self.why_silent(node))
        for pod in late:
            for code, _ in causes(pod.message):
                if code in {"prefixes", "subnet"}:
                    return Obstacle(code, (f"{pod.full_name}: {pod.message}",))
        slots, placed = self.slots(node), self.use[node.name].with_address
        advertised = advertised_by(node)
        if slots is not None and slots.of_other_mode and slots.serves_by_slots < placed:
            return Obstacle("slots-held", (f"{node.name}: {slots}",))
        if advertised is not None and placed > advertised:
            seen = f"{node.name} advertises {advertised:,} and runs {count_of(placed, 'pod')}"
            return Obstacle("addresses", (seen,))
        if (most := self.starved(node)) is not None:
            seen = f"warm target 0 and minimum {most:,}, with {count_of(placed, 'pod')}"
            return Obstacle("starved", (f"{seen} on {node.name}",))
        if slots is not None:
            if slots.serves >= placed:
                return None
            return Obstacle(
                "prefixes" if slots.prefix_delegation else "subnet",
                (f"{node.name}: {slots}", f"its subnet can fill {slots.room or 0:,} more"),
            )
        return self._subnet_obstacle(node)

    def _subnet_obstacle(self, node: Node) -> Obstacle | None:
        """Obstacle shown by the node's subnet and events if its interface was not loaded."""
        subnet = self.subnet_of[node.name]
        model = subnet.subnet if subnet else None
        prefixes = self.mode_of(node)
        if subnet is not None and model is not None:
            if model.free == 0:
                return Obstacle("subnet", (f"{subnet.subnet_id} has no free address",))
            if prefixes and model.placement_known:
                if model.free_prefixes:
                    # The subnet has blocks now, so an earlier event no longer applies.
                    return None
                return Obstacle("prefixes", (f"{subnet.subnet_id} has no whole free /28 block",))
            if self.room_in(subnet, prefixes=False) == 0:
                return Obstacle(
                    "subnet", (f"{subnet.subnet_id} has no free address outside its reservations",)
                )
        for text, code in ((NO_BLOCK, "prefixes"), (NO_ADDRESS, "subnet")):
            said = tuple(f"event of {node.name}: {e}" for e in node.events if text in e)
            if said and (code == "subnet" or prefixes is not False):
                return Obstacle(code, said)
        return None

    def coming(self, name: str) -> tuple[str, ...]:
        """Evidence that the pods on a node will get their addresses soon; empty if none."""
        node = self.state.nodes_by_name.get(name)
        if (
            node is None
            or name not in self.subnet_of
            or name in self.blocked
            or name not in self.use
        ):
            return ()
        slots, use = self.slots(node), self.use[name]
        room = self.room_in(self.subnet_of.get(name), prefixes=False)
        if slots is not None and slots.idle >= use.waiting:
            seen = (
                f"{count_of(slots.idle, 'address', 'addresses')} attached to {name} without a pod: "
                "cooling down or about to be assigned"
            )
        elif slots is not None and slots.room is not None:
            seen = (
                f"{name} has {count_of(slots.free, 'free slot')} and its subnet can fill "
                f"{slots.room:,}: the controller attaches more"
            )
        elif slots is None and room and self.mode_of(node) is False and not self.reason(node):
            seen = (
                f"{name} advertises {node.advertised_addresses or 0:,} addresses for "
                f"{count_of(use.with_address, 'pod')}, and its subnet has {room:,} free"
            )
        else:
            return ()
        return (seen,)

    def why_silent(self, node: Node) -> tuple[str, ...]:
        """Evidence about a node that advertises no address."""
        reason = self.reason(node)
        return (
            (
                f"{node.name} ({node.instance_type or 'no type label'}) advertises "
                f"{advertised_by(node) or 0} addresses: {REASONS.get(reason, reason)}"
            ),
            *(f"event of {node.name}: {event}" for event in node.events),
        )

    def reason(self, node: Node) -> str:
        """Code of why advertised and computed addresses of a node differ; empty if they do not."""
        return difference_reason(
            node, self.row(node.instance_type), self.state, prefix_delegation=self.mode
        )

    @cached_property
    def silent(self) -> list[Node]:
        """Nodes that accept pods but advertise no address, although Windows support is not off."""
        return [
            node
            for node in self.ready
            if advertised_by(node) == 0 and self.reason(node) != "windows-ipam-off"
        ]

    def used(self, node: Node, full: str = "") -> Use:
        """
        Pods and requests on a node, with at least the pods that the scheduler's message implies.

        `full` is ``addresses`` or ``kubelet`` if the scheduler found none left: the loaded pods may
        be older than its message, or incomplete.
        """
        use = self.use_of(node)
        least = use.with_address
        if full == "addresses":
            least = max(least, advertised_by(node) or 0)
        elif full == "kubelet" and node.pods_limit is not None:
            least = max(least, node.pods_limit - use.without_address)
        return use if least == use.with_address else replace(use, with_address=least)

    def left(
        self,
        node: Node,
        need: PodNeed,
        *,
        addresses: int | None = None,
        max_pods: int | None = None,
        full: str = "",
    ) -> int:
        """
        More pods of one kind that fit on a node. [pods].

        `addresses` and `max_pods` replace the present ones; `full` as for `used`.
        """
        room = self._room(node, addresses=addresses, max_pods=max_pods, full=full)
        return int(pods_in(np.array([room], np.float64), need)[0])

    def _room(
        self,
        node: Node,
        *,
        addresses: int | None = None,
        max_pods: int | None = None,
        full: str = "",
    ) -> tuple[float, float, float, float]:
        """Addresses, max-pods, CPU and memory left on a node; infinite if not known."""
        use = self.used(node, full)
        has = (self.address_limit(node) or 0) if addresses is None else addresses
        limit = node.pods_limit if max_pods is None else max_pods
        return (
            has - use.with_address,
            math.inf if limit is None else limit - use.pods,
            math.inf if node.cpu_m is None else node.cpu_m - use.cpu_m,
            math.inf if node.memory_bytes is None else node.memory_bytes - use.memory,
        )

    @cached_property
    def _rooms(self) -> npt.NDArray[np.float64]:
        """Capacity left on each ready node, one per row; cached for hundreds of pod kinds."""
        return self._rooms_of(self.ready)

    def _rooms_of(self, nodes: list[Node]) -> npt.NDArray[np.float64]:
        return np.array([self._room(node) for node in nodes], np.float64).reshape(-1, 4)

    def left_on(self, nodes: list[Node], need: PodNeed) -> Mapping[str, int]:
        """More pods of one kind that fit on each of some nodes, by name. [pods]."""
        ready = nodes is self.ready
        if ready and need in self._left:
            return self._left[need]
        pods = pods_in(self._rooms if ready else self._rooms_of(nodes), need).tolist()
        left = dict(zip((node.name for node in nodes), pods, strict=True))
        return self._left.setdefault(need, left) if ready else left

    def room_shown(self, need: PodNeed, limits: frozenset[str]) -> Mapping[str, int]:
        """More pods of one kind by ready node, for nodes whose limits are known. [pods]."""
        if (need, limits) not in self._shown:
            left = self.left_on(self.ready, need)
            self._shown[need, limits] = {
                node.name: left[node.name]
                for node in self.ready
                # An unknown limit does not prove that a node has room.
                if left[node.name] and all(getattr(node, limit) is not None for limit in limits)
            }
        return self._shown[need, limits]

    def with_prefixes(self, need: PodNeed) -> tuple[int, int, list[str]]:
        """
        Gain of prefix delegation with as many new nodes as there are today.

        More pods once the nodes are replaced; those of them that fit on today's nodes at once, as
        running pods keep their slots until they end; and the limits that keep the gain below what
        the addresses allow. [pods]
        """
        gain = live = 0
        limits: list[str] = []
        blocks: dict[str, int] = {}
        for node in self.ready:
            row = self.row(node.instance_type)
            if row is None or not row.nitro:
                limits.append(f"{node.instance_type or node.name} is not a Nitro type")
                continue
            use = self.used(node, "addresses")
            advertised = prefix(row.ipv4_per_interface)
            more = self.left(node, need, addresses=advertised, full="addresses")
            if more < advertised - use.with_address:
                limits.append(f"max-pods, CPU or memory of {node.name}")
            whole = self._in_blocks(node, row, use.with_address + more, blocks)
            if whole < use.with_address + more:
                limits.append("the subnet's free /28 blocks")
                more = max(whole - use.with_address, 0)
            # The slot of a running pod cannot hold a prefix until the pod ends.
            open_slots = max(secondary(row.ipv4_per_interface) - use.with_address, 0)
            gain, live = gain + more, live + min(more, open_slots * ADDRESSES_PER_PREFIX)
        return gain, live, list(dict.fromkeys(limits))

    @cached_property
    def prefix_pool(self) -> WarmPool:
        """The effective pool after prefix delegation is turned on, with the other settings kept."""
        try:
            return pool_of_pairs({**(self.state.cni_configmap or {}), **asking(prefixes=True)})
        except CapacityError:
            return WarmPool.prefix()

    def pool(self, row: InstanceType) -> WarmPool | None:
        """The pool that applies to a type; None if the ConfigMap is not known or invalid."""
        return self.state.warm_pools[row.nitro]

    def max_pods_of(self, name: str) -> int:
        """
        Max-pods of a further node of a type. [pods].

        The most frequent one of its Windows nodes; without nodes, the largest set by bootstrap
        arguments or EC2NodeClasses; else the default of the EKS AMIs.
        """
        limits = Counter(
            node.pods_limit
            for node in self.windows
            if node.instance_type == name and node.pods_limit
        )
        if limits:
            return max(limits, key=lambda limit: (limits[limit], limit))
        given = [
            group.kubelet_max_pods
            for group in self.state.node_groups or ()
            if group.windows is not False and name in group.instance_types
        ]
        given += [
            node_class.max_pods
            for pool, node_class in self.pools
            if node_class is not None and name in (pool.instance_types or (name,))
        ]
        return max(filter(None, given), default=KUBELET_MAX_PODS)

    def _on_each(self, row: InstanceType, pool: WarmPool, pods: int | None) -> int:
        """Pods with addresses on a further node: the requested number, or else as many as fit."""
        wanted = self.max_pods_of(row.name) if pods is None else pods
        return min(wanted, curve_of(row.ipv4_per_interface, pool).most)

    def _in_blocks(self, node: Node, row: InstanceType, pods: int, blocks: dict[str, int]) -> int:
        """Pods that free /28 blocks of a node's subnet can serve; deducted from `blocks`."""
        home = self.subnet_of[node.name]
        subnets = [home] if home else self.own_subnets
        models = [subnet.subnet for subnet in subnets]
        known = [model for model in models if model is not None and model.placement_known]
        if not subnets or len(known) < len(subnets):
            return pods
        where = home.subnet_id if home else ""
        free = blocks.setdefault(where, sum(model.free_prefixes for model in known))
        curve = curve_of(row.ipv4_per_interface, self.prefix_pool)
        wanted = int(curve.prefixes[min(pods, len(curve.prefixes) - 1)])
        blocks[where] = max(free - wanted, 0)
        return pods if wanted <= free else min(pods, free * ADDRESSES_PER_PREFIX)

    def with_max_pods(self, need: PodNeed, *, full: str) -> tuple[int, int]:
        """
        The max-pods that lets nodes use their addresses, and the number of pods gained.

        Never above what AWS advises for the type.
        """
        most, gain = 0, 0
        for node in self.ready:
            by_addresses = (advertised_by(node) or 0) + self.use_of(node).without_address
            limit = min(by_addresses, max_pods_cap(self.row(node.instance_type)))
            if node.pods_limit is None or limit <= node.pods_limit:
                continue
            more = self.left(node, need, max_pods=limit, full=full)
            more -= self.left(node, need, full=full)
            if more > 0:
                most, gain = max(most, limit), gain + more
        return most, gain

    def fresh(self, name: str, need: PodNeed) -> int:
        """Pods of one kind that fit on a new node besides those that every node has. [pods]."""
        row = self.row(name)
        if row is None:
            return 0
        taken, beside, cpu, memory = self._beside(row)
        addresses = self.expected(name, prefixes=self.mode) or secondary(row.ipv4_per_interface)
        if (pool := self.pool(row)) is not None:
            addresses = min(addresses, curve_of(row.ipv4_per_interface, pool).most)
        room = (addresses - taken, self.max_pods_of(name) - beside, cpu, memory)
        return int(pods_in(np.array([room], np.float64), need)[0])

    @cached_property
    def _daemons(self) -> Mapping[str, Use]:
        """Use of each Windows node by pods that a new node would have too."""
        return use_by_node(filter(comes_with_a_node, self.state.windows_pods or ()))

    def _beside(self, row: InstanceType) -> tuple[int, int, int, int]:
        """Addresses and number of such pods on a node of a type, and what they leave; cached."""
        if row.name not in self._typical:
            same = [n for n in self.windows if n.instance_type == row.name]
            cpus = [n.cpu_m for n in same if n.cpu_m is not None]
            memories = [n.memory_bytes for n in same if n.memory_bytes is not None]
            kept = [self._daemons.get(n.name, IDLE) for n in same or self.windows]
            cpu, memory = allocatable(row)
            self._typical[row.name] = (
                max((use.with_address for use in kept), default=0),
                max((use.pods for use in kept), default=0),
                max(cpus, default=cpu) - max((use.cpu_m for use in kept), default=0),
                max(memories, default=memory) - max((use.memory for use in kept), default=0),
            )
        return self._typical[row.name]

    @cached_property
    def running_in(self) -> Counter[str | None]:
        """Windows nodes by name of their node group; None for nodes of no group. [nodes]."""
        groups = (group_of(node, self.state) for node in self.windows)
        return Counter(None if group is None else group.name for group in groups)

    @cached_property
    def advised(self) -> list[InstanceType]:
        """Catalog rows of the current generation that support Windows and prefixes."""
        rows = (self.catalog[name] for name in self.catalog)
        return [
            row
            for row in rows
            if row.windows.status == "supported" and row.nitro and row.current_generation
        ]

    def larger(self, need: PodNeed) -> str:
        """
        Name of the smallest type that supports Windows and fits a pod; empty if none does.

        Among types of equal size, general families (c, m, r) come first.
        """
        fitting = [row for row in self.advised if self.fresh(row.name, need)]
        return min(
            ((r.vcpus, r.memory_mib, r.name[0] not in "cmr", r.name) for r in fitting),
            default=("",),
        )[-1]

    @cached_property
    def groups(self) -> list[NodeGroup]:
        """Node groups that run Windows."""
        return [g for g in self.state.node_groups or () if self.systems[g.name] == "windows"]

    @cached_property
    def systems(self) -> Mapping[str, str]:
        """Operating system of each node group; empty if not known."""
        return {group.name: self._system_of(group) for group in self.state.node_groups or ()}

    def _system_of(self, group: NodeGroup) -> str:
        """Operating system of a node group, from its own fields, or else from its nodes."""
        if group.windows is not None:
            return "windows" if group.windows else "linux"
        ids = set(group.instances)
        systems = {
            node.os
            for node in self.state.nodes or ()
            if (node.node_group == group.name or node.instance_id in ids) and node.os
        }
        return systems.pop() if len(systems) == 1 else ""

    @cached_property
    def classes(self) -> Mapping[str, NodeClass]:
        """Karpenter's EC2NodeClasses by name."""
        return {node_class.name: node_class for node_class in self.state.node_classes or ()}

    @cached_property
    def pools(self) -> list[tuple[NodePool, NodeClass | None]]:
        """
        Karpenter's Windows NodePools, each with its EC2NodeClass.

        A pool that names no system counts as Windows if its class does; None stands for a class
        that is not known.
        """
        pairs = [(pool, self.classes.get(pool.node_class)) for pool in self.state.node_pools or ()]
        return [
            (pool, node_class)
            for pool, node_class in pairs
            if "windows" in pool.systems
            or (not pool.systems and node_class is not None and node_class.windows)
        ]

    @cached_property
    def claims(self) -> list[NodeClaim]:
        """Karpenter's NodeClaims of Windows nodes that do not accept pods yet."""
        pools = {pool.name for pool, _ in self.pools}
        return [
            claim
            for claim in self.state.node_claims or ()
            if claim.open
            and ("windows" in claim.systems or (not claim.systems and claim.node_pool in pools))
        ]

    @cached_property
    def types(self) -> list[str]:
        """Types of the Windows nodes, node groups and NodePools that the catalog has."""
        names = [node.instance_type for node in self.windows]
        names += [name for group in self.groups for name in group.instance_types]
        names += [name for pool, _ in self.pools for name in pool.instance_types]
        return [name for name in dict.fromkeys(names) if name in self.catalog]

    @cached_property
    def own_subnets(self) -> list[SubnetState]:
        """Subnets that Windows nodes start in, else the cluster's, else all known."""
        wanted = {subnet_id for group in self.groups for subnet_id in group.subnet_ids}
        wanted |= {subnet.subnet_id for subnet in self.subnet_of.values() if subnet}
        wanted = wanted or set(self.state.subnet_ids or ())
        known = list(self.state.subnets or ())
        return [subnet for subnet in known if subnet.subnet_id in wanted] or known

    def unseen(self, subnet: SubnetState) -> int:
        """Addresses that EC2 counts as used although no interface shows them."""
        model = subnet.subnet
        if model is None or subnet.available is None or not model.placement_known:
            return 0
        return max(model.free_outside_reservations - subnet.available, 0)

    def further_nodes(
        self, subnet: SubnetState, name: str, *, pods: int | None = None, keep_free: int = 0
    ) -> NodesThatFit | str:
        """
        Further nodes of a type that fit in a subnet, or why the number is not known.

        Without `pods`, each node runs as many as its addresses and max-pods allow: every command
        assumes and prints this. `keep_free` addresses stay free.
        """
        # An instance that a warm pool will start takes its primary address, but no pod addresses.
        warm = sum(g.warm_pool for g in self.groups if subnet.subnet_id in g.subnet_ids)
        row, model = self.catalog[name], subnet.subnet
        pool = self.pool(row)
        if pool is None:
            return (
                "the ConfigMap amazon-vpc-cni is not known (kubectl get configmap -n kube-system "
                "amazon-vpc-cni -o json)"
                if self.state.cni_configmap is None
                else "the ConfigMap amazon-vpc-cni holds a value that cannot act"
            )
        if model is None:
            return (
                "what is in use of the subnet and of its reservations is not known (aws ec2 "
                "describe-network-interfaces, get-subnet-cidr-reservations)"
            )
        need = node_need(row, self._on_each(row, pool, pods), pool)
        return fit_of(model, need, keep_free + warm + self.unseen(subnet))

    def nodes_in(self, subnet: SubnetState, name: str) -> int | str:
        """Further full nodes of a type guaranteed to fit in a subnet, or why this is not known."""
        fit = self.further_nodes(subnet, name)
        if isinstance(fit, str):
            return fit
        if not fit.nodes and fit.best:
            return (
                f"has room for 0 guaranteed and up to {fit.best:,}, depending on where the used "
                "addresses lie (aws ec2 describe-network-interfaces shows them)"
            )
        return fit.nodes

    def assumption(self, name: str, pods: int | None = None) -> str:
        """Assumption behind each count of further nodes of a type; empty if not known."""
        row = self.catalog[name]
        pool = self.pool(row)
        if pool is None:
            return ""
        each = count_of(self._on_each(row, pool, pods), "pod")
        if pods is not None:
            return f"each further {name} counted with {each}"
        return f"each further {name} counted full: {each} with addresses"

    def starved(self, node: Node) -> int | None:
        """Pods that a node's pool creates addresses for, if more are running; else None."""
        row = self.row(node.instance_type)
        pool = None if row is None else self.pool(row)
        if row is None or pool is None:
            return None
        curve = curve_of(row.ipv4_per_interface, pool)
        used = self.use_of(node).with_address
        return curve.most if curve.most < min(used, len(curve.addresses) - 1) else None


def starting_subnets(state: ClusterState, catalog: Catalog) -> list[SubnetState] | None:
    """Subnets that Windows nodes start in and whose use is known; None if there are none."""
    view = ClusterView(state, catalog, None)
    return [one for one in view.own_subnets if one.subnet is not None] or None
