"""Changes of settings, subnets and node counts, and how many pending pods each would help."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from typing import TYPE_CHECKING, Final

from eks_win_capacity.addresses.mode_change import STEPS
from eks_win_capacity.addresses.targets import (
    ENABLE_IPAM,
    ENABLE_PREFIX_DELEGATION,
    WARM_IP,
    asking,
    go_bool,
)
from eks_win_capacity.addresses.warm_pool import curve_of
from eks_win_capacity.catalog.limits import max_pods_cap
from eks_win_capacity.cluster.full_subnet import lean_targets
from eks_win_capacity.cluster.remedies import (
    Change,
    Launcher,
    acting_key,
    describe_pod,
    launchers,
    patch,
    toleration,
    word,
)
from eks_win_capacity.cluster.serving import (
    PREFIX_VERSIONS,
    PodNeed,
    advertised_by,
    legacy_components,
    platform_serves,
    taints_of,
)
from eks_win_capacity.cluster.shared_room import in_all
from eks_win_capacity.core.constants import (
    ADDRESS_RESOURCE,
    KUBELET_MAX_PODS_ADVISED,
    KUBELET_MAX_PODS_SMALL,
    KUBELET_MAX_PODS_VCPUS,
    NODE_ADDRESSES,
)
from eks_win_capacity.core.errors import count_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from eks_win_capacity.cluster.cluster_view import ClusterView
    from eks_win_capacity.cluster.state import ClusterState, Node, Pod, SubnetState


_ASK_SUBNETS: Final = "give aws ec2 describe-subnets and describe-network-interfaces"


def enable(need: PodNeed, view: ClusterView) -> Iterator[Change]:
    """Change that turns the controller's Windows support on."""
    data = view.state.cni_configmap
    if data is None or go_bool(data.get(ENABLE_IPAM, "")) or not need.address:
        return
    served = {
        node.name: view.left(node, need, addresses=addresses)
        for node in view.ready
        if (addresses := view.expected(node.instance_type, prefixes=False)) is not None
    }
    gain = in_all(served, view)
    yield Change(
        code="enable-windows-ipam",
        remedy=patch({ENABLE_IPAM: "true"}, view.state),
        gain=gain,
        feasible=gain > 0,
        why=f"without it no Windows node advertises an address; with it today's take {gain:,} more"
        if view.ready
        else "it is also needed, and no Windows node is ready yet",
    )


def _together(nodes: list[Node], need: PodNeed, view: ClusterView) -> int:
    """More pods of one kind that fit on nodes, which may share a subnet. [pods]."""
    return in_all(view.left_on(nodes, need), view, address=need.address)


def uncordon(need: PodNeed, view: ClusterView) -> Iterator[Change]:
    """Changes that make cordoned or broken nodes available again."""
    if view.cordoned:
        room = view.left_on(view.cordoned, need)
        # A node that fits none of the pods stays cordoned.
        named = [name for name in room if room[name]][:_NAMED] or list(room)[:_NAMED]
        gain = in_all({name: room[name] for name in named}, view, address=need.address)
        yield Change(
            code="uncordon",
            remedy=f"kubectl uncordon {' '.join(word(name, 'NODE') for name in named)}",
            gain=gain,
            feasible=gain > 0,
            why=f"{count_of(len(room), 'Windows node is', 'Windows nodes are')} cordoned; "
            f"{_take(named)} {gain:,} more",
        )
    if view.broken:
        gain = _together(view.broken, need, view)
        first = word(view.broken[0].name, "NODE")
        yield Change(
            code="repair-node",
            remedy=f"check why it is not ready: kubectl describe node {first}",
            gain=gain,
            feasible=gain > 0 and not view.ready,
            why=f"{count_of(len(view.broken), 'Windows node is', 'Windows nodes are')} not ready; "
            f"ready again, {_take(n.name for n in view.broken)} {gain:,} more",
        )


_NAMED: Final = 10
"""Number of nodes in a command."""


def _take(nodes: Iterable[str]) -> str:
    """Nodes as the subject of a sentence: the first few, and the number of others."""
    first, *more = nodes
    if not more:
        return f"{first} takes"
    if len(more) < 3:
        return f"{', '.join((first, *more[:-1]))} and {more[-1]} take"
    return f"{first} and {len(more):,} others take"


def refresh(need: PodNeed, view: ClusterView) -> Iterator[Change]:
    """Change that replaces nodes that advertise less than the cluster's mode allows."""
    old = {
        node.name: (due, node)
        for node in view.ready
        if (due := view.expected(node.instance_type, prefixes=view.mode))
        and 0 < (advertised_by(node) or 0) < due
    }
    if not old:
        return
    gain = sum(view.left(node, need, addresses=due, full="addresses") for due, node in old.values())
    first = word(next(iter(old)), "NODE")
    yield Change(
        code="replace-node",
        remedy=f"kubectl cordon {first}; start a new node, which advertises what the ConfigMap "
        f"requests; kubectl drain --ignore-daemonsets {first}; then terminate it",
        gain=gain,
        nodes=2 * len(old),
        feasible=gain > 0,
        why=f"{count_of(len(old), 'node advertises', 'nodes advertise')} less than the mode gives, "
        + ", ".join(
            f"{name} {advertised_by(node)} of {due}" for name, (due, node) in list(old.items())[:4]
        ),
    )


def unstarve(pod: Pod, view: ClusterView) -> Iterator[Change]:
    """Change of the warm targets of a node whose pool is starved."""
    node = view.state.nodes_by_name[pod.node]
    row = view.catalog[node.instance_type]
    pool = view.pool(row)
    most = view.expected(node.instance_type, prefixes=False) or 0
    served = curve_of(row.ipv4_per_interface, pool).most if pool else 0
    key = acting_key(view.state, WARM_IP.key)
    yield Change(
        code="warm-targets",
        remedy=patch({key: "1"}, view.state),
        gain=max(most - served, 0),
        why=f"the warm target is 0, so {node.name} attaches {count_of(served, 'address', 'addresses')} and no more; with 1 "
        f"it serves all {most}",
    )


def prefixes(need: PodNeed, view: ClusterView) -> Change:
    """Gain of prefix delegation for pods that need an address."""
    state = view.state
    remedy = safe_steps(state, prefixes=True)

    def no(why: str, *, feasible: bool | None = False) -> Change:
        return Change(
            code="prefix-delegation",
            remedy=remedy,
            gain=None if feasible is None else 0,
            feasible=feasible,
            why=why,
        )

    if view.mode is None:
        return no("the mode is unknown: add the ConfigMap amazon-vpc-cni", feasible=None)
    if why := _no_prefixes(view):
        return no(why)
    gain, live, limits = view.with_prefixes(need)
    after = Counter(
        (advertised_by(n) or 0, view.expected(n.instance_type, prefixes=True))
        for n in view.ready
        if (row := view.row(n.instance_type)) is not None and row.nitro
    )
    each = ", ".join(f"{then} addresses a node instead of {now}" for now, then in after)
    limited = f"; limited by {'; '.join(limits[:4])}" if limits else ""
    blocks = f"; the free /28 blocks of the subnets are not known: {_ASK_SUBNETS}"
    if gain <= 0:
        return no(f"{each or 'no ready Nitro node'}: no such pod more{limited}")
    return Change(
        code="prefix-delegation",
        remedy=remedy,
        gain=gain,
        feasible=True if state.subnets else None,
        nodes=2 * len(view.ready),
        why=f"{each}: {gain:,} more such pods on as many nodes, {live:,} of them before the nodes "
        f"are replaced{limited}{'' if state.subnets else blocks}",
    )


def _no_prefixes(view: ClusterView) -> str:
    """Why prefix delegation cannot help; empty if it may."""
    state = view.state
    if view.mode:
        return "it is on"
    if platform_serves(state, PREFIX_VERSIONS) is False:
        return (
            f"Kubernetes {state.version} at {state.platform_version or 'its platform version'} "
            "has none: update the cluster first"
        )
    if legacy_components(state):
        return "the legacy Deployment vpc-resource-controller keeps nodes in secondary mode"
    return ""


def max_pods(need: PodNeed, view: ClusterView, *, full: str) -> Change:
    """Gain of a higher max-pods."""
    most, gain = view.with_max_pods(need, full=full)
    if gain <= 0:
        return Change(
            code="max-pods",
            remedy="a higher max-pods",
            gain=0,
            feasible=False,
            why=_no_higher(view, full=full),
        )
    bound = [
        n.instance_type for n in view.ready if n.pods_limit is not None and n.pods_limit < most
    ]
    starters = launchers(view, bound)
    return Change(
        code="max-pods",
        remedy="; ".join(
            one.starts_with(f"-KubeletExtraArgs '--max-pods={most}'", f"so that maxPods is {most}")
            for one in starters
        )
        + (
            ""
            if all(one.pool for one in starters)
            else "; cordon the old nodes, start new ones, then drain the old ones one by one"
        ),
        gain=gain,
        nodes=2 * len(view.ready),
        why=f"{gain:,} more such pods on as many nodes as today: addresses, CPU and memory allow "
        "them",
    )


def _no_higher(view: ClusterView, *, full: str) -> str:
    """Why a higher max-pods gains nothing: AWS advises against it, or another limit binds."""
    if full == "kubelet" and any(
        (n.pods_limit or 0) >= max_pods_cap(view.row(n.instance_type)) for n in view.ready
    ):
        return (
            f"AWS advises at most {KUBELET_MAX_PODS_SMALL} below {KUBELET_MAX_PODS_VCPUS} "
            f"vCPUs, and {KUBELET_MAX_PODS_ADVISED} above"
        )
    limits = sorted({n.pods_limit for n in view.ready if n.pods_limit is not None})
    addresses = sorted({advertised_by(n) or 0 for n in view.ready})
    return (
        f"max-pods of {', '.join(map(str, limits)) or 'unknown'} does not bind where nodes "
        f"advertise {', '.join(map(str, addresses)) or 'no'} addresses"
    )


def tolerate(pod: Pod, need: PodNeed, view: ClusterView) -> Change:
    """Change that lets a pod tolerate the taints of the Windows nodes."""
    tainted = [node for node in view.ready if node.taints]
    taints = sorted({t for node in tainted for t in node.taints}) or taints_of(pod.message)
    gain = _together(tainted, need, view)
    return Change(
        code="tolerate",
        remedy=f"add a toleration to the pod for: {', '.join(taints) or 'the taint'}"
        + (f"; tolerations: [{', '.join(map(toleration, taints))}]" if taints else ""),
        gain=gain if tainted else None,
        feasible=gain > 0 if tainted else None,
        why=f"the tainted Windows nodes take {gain:,} more such pods"
        if tainted
        else "no ready Windows node that was loaded has a taint: kubectl get nodes -o json tells",
    )


def select(pod: Pod, view: ClusterView) -> Change:
    """Change of a selector that matches no Windows node."""
    wrong = [
        f"{label}={value}"
        for label, value, right in (
            ("kubernetes.io/os", pod.selects_os, {"", "windows"}),
            ("kubernetes.io/arch", pod.selects_arch, {"", "amd64"}),
            ("eks.amazonaws.com/compute-type", pod.selects_compute, {"", "ec2"}),
        )
        if value not in right
    ]
    gain = _together(view.ready, PodNeed.of(pod), view)
    return Change(
        code="fix-selector",
        remedy='select nodes that exist: nodeSelector {kubernetes.io/os: "windows", '
        'kubernetes.io/arch: "amd64"}'
        + (f"; it selects {', '.join(wrong)}" if wrong else ", and only labels that they have"),
        gain=gain,
        feasible=gain > 0 if view.ready else None,
        why=f"the ready Windows nodes take {gain:,} more such pods",
    )


def safe_steps(state: ClusterState, *, prefixes: bool) -> str:
    """Steps that change the mode without leaving pods without addresses, as in `migration`."""
    command = patch(asking(prefixes=prefixes), state)
    steps = STEPS["to-prefix" if prefixes else "to-secondary"]
    return "; ".join(
        f"{number}. {command if ENABLE_PREFIX_DELEGATION in step else step}"
        for number, step in enumerate(steps, start=1)
    )


def empty_slots(pod: Pod, need: PodNeed, view: ClusterView) -> Change:
    """Change that empties a node whose slots are filled in the other mode."""
    node = view.state.nodes_by_name[pod.node]
    slots, first = view.slots(node), word(node.name, "NODE")
    late = view.use[node.name].waiting
    advertised = advertised_by(node) or 0
    gain = view.left(node, need, addresses=advertised) + late
    attachable = 0 if slots is None else max(slots.serves - view.use[node.name].with_address, 0)
    return Change(
        code="empty-node",
        remedy=f"1. kubectl cordon {first}; 2. start a new node and wait until it advertises "
        f"{ADDRESS_RESOURCE}; 3. kubectl drain {first} --ignore-daemonsets; 4. terminate it, or "
        f"wait 60 s after its last pod and kubectl uncordon {first}",
        gain=gain,
        feasible=gain > 0,
        why=f"{slots}; {advertised:,} are advertised and {attachable:,} more can be attached until "
        "the pods of the old mode have left",
        nodes=2,
    )


def leave_prefixes(pod: Pod, view: ClusterView) -> Change:
    """Change back to secondary mode, which needs no whole /28 block."""
    home = view.home(pod)
    room = view.room_in(home, prefixes=False)
    here = [node for node in view.ready if home is None or view.subnet_of[node.name] == home]
    gain = 0
    for node in here:
        secondary = view.expected(node.instance_type, prefixes=False) or 0
        use = view.use_of(node)
        gain += max(secondary - use.with_address + use.waiting, 0)
    known = room is not None
    if room is not None:
        gain = min(gain, room)
    return Change(
        code="secondary-mode",
        remedy=safe_steps(view.state, prefixes=False),
        gain=gain if known else None,
        feasible=gain > 0 if known else None,
        why=f"single addresses need no whole block: {gain:,} more pods on the nodes of this subnet"
        if known
        else f"how many addresses are free in the node's subnet is not known: {_ASK_SUBNETS}",
        nodes=2 * len(view.ready),
    )


def wait(pod: Pod, view: ClusterView) -> Change:
    """Change to wait if an address is coming, or else to check the interface of the node."""
    if coming := view.coming(pod.node):
        return Change(
            code="wait",
            remedy="a freed address cools down for 30 to 60 s before it serves another pod; if it "
            f"waits longer, see the events: {describe_pod(pod)}",
            unit="",
            why="; ".join(coming),
        )
    node = view.state.nodes_by_name.get(pod.node)
    address = word(node.address if node else None, "NODE_ADDRESS")
    return Change(
        code="look",
        remedy="check what the interface of the node holds: aws ec2 describe-network-interfaces "
        f"--filters Name=addresses.private-ip-address,Values={address}; and its events: kubectl "
        f"describe node {word(pod.node, 'NODE')}",
        unit="",
        feasible=None,
        why="it is unknown whether an address is cooling down, is being attached or never comes"
        + (
            ""
            if pod.requests_address is not None
            else f"; nor whether the pod's spec requests {ADDRESS_RESOURCE}: kubectl get pod -o json"
        ),
    )


def ask_for_address(pod: Pod, waiting: int, view: ClusterView) -> Iterator[Change]:
    """Changes that make a pod request an address, which the webhook adds when it is created."""
    yield from enable(PodNeed(address=True, cpu_m=pod.cpu_m, memory=pod.memory_bytes), view)
    kind, _, name = pod.owner.partition("/")
    namespace = word(pod.namespace, "NAMESPACE")
    recreate = f"kubectl delete pod -n {namespace} {word(pod.name, 'POD')}"
    if pod.selector_os.lower() != "windows":
        selector = json.dumps(
            {"spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/os": "windows"}}}}}
        )
        known = kind in {"Deployment", "StatefulSet", "DaemonSet", "Rollout"}
        yield Change(
            code="select-windows",
            remedy=f"kubectl patch {kind.lower()} -n {namespace} {word(name, 'NAME')} --type merge "
            f"-p {shlex.quote(selector)}, which recreates its pods"
            if known
            else 'put nodeSelector {kubernetes.io/os: "windows"} into the pod template'
            + (f" of what made {pod.owner}" if pod.owner else "")
            + f", then {recreate}",
            gain=waiting,
            why="the webhook adds the request only to pods whose nodeSelector names "
            "kubernetes.io/os: windows when they are created; neither spec.os, other labels nor a "
            "node affinity do",
        )
        return
    yield Change(
        code="recreate-pod",
        remedy=f"{recreate}; if the new pod requests none either: kubectl get "
        "mutatingwebhookconfigurations vpc-resource-mutating-webhook",
        gain=waiting,
        why="its selector is right, so the pod is older than enable-windows-ipam, or the webhook "
        "did not respond when it was created",
    )


def other_subnet(pod: Pod, need: PodNeed, view: ClusterView) -> Change:
    """Change that starts nodes in a subnet other than the full one."""
    full = view.home(pod)
    node = view.state.nodes_by_name.get(pod.node)
    names = [node.instance_type] if node and node.instance_type in view.types else view.types
    others = [
        subnet
        for subnet in view.state.subnets or ()
        if full is None or subnet.subnet_id != full.subnet_id
    ]
    starter = launchers(view, names)[0]
    if view.state.subnets is None or not names:
        return Change(
            code="other-subnet",
            remedy="start Windows nodes in a subnet with room: aws ec2 describe-subnets shows the "
            "free addresses",
            feasible=None,
            why="the subnets are not known"
            if names
            else "no type of Windows nodes is known: add kubectl get nodes -o json",
        )
    # The subnet and type with room for most pods; the room in each one is the evidence.
    best: tuple[int, str, str, SubnetState] | None = None
    said = []
    for subnet in others:
        for name in names:
            count = view.nodes_in(subnet, name)
            if isinstance(count, str):
                said.append(f"{subnet.subnet_id}: {count}")
                continue
            said.append(f"{_subnet_label(subnet)} takes {count:,} more {name}")
            gain = count * view.fresh(name, need)
            if gain > (best[0] if best else 0):
                best = (gain, name, said[-1], subnet)
    if best is not None:
        gain, name, seen, subnet = best
        return Change(
            code="other-subnet",
            remedy=starter.moves_to(subnet, _subnet_label(subnet)),
            gain=gain,
            why=f"{seen}; {view.assumption(name)}",
            nodes=1,
        )
    # Only a known lack of room shows that no subnet helps; an unknown one may.
    unknown = any("takes" not in one for one in said)
    return Change(
        code="other-subnet",
        remedy="add a subnet with room, and start Windows nodes in it",
        gain=None if unknown else 0,
        feasible=None if unknown else False,
        why="; ".join(said[:4])
        or "no other subnet is known: aws ec2 describe-subnets shows those of the VPC",
    )


def _subnet_label(subnet: SubnetState) -> str:
    name = word(subnet.subnet_id, "SUBNET_ID")
    return f"{name} ({word(subnet.zone, 'ZONE')})" if subnet.zone else name


def more_nodes(need: PodNeed, waiting: int, view: ClusterView) -> Iterator[Change]:
    """Nodes that the pending pods need, and whether the subnets have room for them."""
    each = {name: view.fresh(name, need) for name in view.types}
    fitting = [name for name, pods in each.items() if pods]
    if not fitting:
        yield from _of_other_types(need, view)
        return

    def nodes(name: str) -> int:
        # Whole nodes: the last one may stay half empty.
        return -(-waiting // each[name])

    # Windows is priced per vCPU, so without prices the vCPUs give the order.
    price = {one: float(view.prices.get(one, view.catalog[one].vcpus)) for one in fitting}
    name = min(fitting, key=lambda one: nodes(one) * price[one])
    count, pods = nodes(name), each[name]
    offer = (
        f"{count:,} {name}, {count_of(pods, 'such pod')} each, {'takes' if count == 1 else 'take'} "
        f"the {waiting:,} that {'waits' if waiting == 1 else 'wait'}"
    )
    starter = launchers(view, [name])[0]
    if not view.state.subnets:
        yield Change(
            code="more-nodes",
            remedy=_scale(starter, name, count, view),
            gain=count * pods,
            nodes=count,
            why=f"{offer}; whether the subnets have room for them is unknown: {_ASK_SUBNETS}",
            feasible=None,
        )
        return
    subnets = view.own_subnets
    by_subnet = [(subnet, view.nodes_in(subnet, name)) for subnet in subnets]
    total = sum(number for _, number in by_subnet if not isinstance(number, str))
    blind = [number for _, number in by_subnet if isinstance(number, str)]
    if not total and not blind:
        yield _squeezed(name, view, subnets)
        yield _elsewhere(name, need, view, subnets)
    takes = ", ".join(
        f"{_subnet_label(subnet)} {number if isinstance(number, str) else f'takes {number:,}'}"
        for subnet, number in by_subnet[:4]
    )
    placed = count if blind else min(count, total)
    yield Change(
        code="more-nodes",
        remedy=_scale(starter, name, placed or count, view),
        gain=placed * pods,
        feasible=True if total >= count else None if blind else bool(total),
        why=f"{offer}; {takes or 'no subnet is known'}"
        + (f": only {total:,} of {count:,} fit" if not blind and 0 < total < count else "")
        + f"; {view.assumption(name)}",
        nodes=placed or count,
    )


def _of_other_types(need: PodNeed, view: ClusterView) -> Iterator[Change]:
    """Changes if no type of the cluster's Windows nodes fits a pod, or none is known."""
    names = view.types
    if not names:
        yield Change(
            code="more-nodes",
            remedy=_scale(launchers(view, ())[0], None, 1, view),
            nodes=1,
            feasible=None,
            why="no type of Windows nodes is known: kubectl get nodes -o json tells those in use, "
            "node_capacity what one takes",
        )
        return
    yield Change(
        code="more-nodes",
        remedy="start nodes of a larger type, or lower the pod's requests",
        gain=0,
        feasible=False,
        why=f"it fits no new {' or '.join(names)}: {need.cpu_m:,} m of CPU, "
        f"{need.memory / 2**20:,.0f} MiB",
    )
    name = view.larger(need)
    yield Change(
        code="larger-type",
        remedy=f"{launchers(view, names)[0].takes_type(name)}, or lower the pod's requests"
        if name
        else "lower the pod's requests: no type in the catalog is large enough",
        unit="",
        nodes=1,
        why=f"it fits no new {' or '.join(names)}",
    )


def _squeezed(name: str, view: ClusterView, full: list[SubnetState]) -> Change:
    """Change of the warm targets that makes room for one more node in a full subnet."""
    row = view.catalog[name]
    pool = view.pool(row)
    prefixes = pool is not None and pool.prefix_delegation

    def lacking(subnet: SubnetState) -> int:
        # One pod, one warm address and the node's primary one; or one prefix for both.
        room = 0 if prefixes else view.room_in(subnet, prefixes=False) or 0
        return 1 if prefixes else max(NODE_ADDRESSES + 2 - room, 1)

    lean = [lean_targets(subnet, view, prefixes=prefixes, least=lacking(subnet)) for subnet in full]
    return max(lean, key=lambda change: (bool(change.feasible), change.gain or 0))


def _elsewhere(name: str, need: PodNeed, view: ClusterView, full: list[SubnetState]) -> Change:
    """Change that starts nodes in a subnet outside the node groups."""
    ids = {subnet.subnet_id for subnet in full}
    counts = [
        (number, subnet)
        for subnet in view.state.subnets or ()
        if subnet.subnet_id not in ids
        and isinstance(number := view.nodes_in(subnet, name), int)
        and number
    ]
    if not counts:
        return Change(
            code="other-subnet",
            remedy="add a subnet with room, and start Windows nodes in it",
            feasible=None,
            why="no known subnet takes one more full node (aws ec2 describe-subnets shows others): "
            + ", ".join(
                f"{_subnet_label(h)} has {h.available if h.available is not None else 'an unknown number of'}"
                " free addresses"
                for h in full[:4]
            ),
        )
    number, subnet = max(counts, key=lambda pair: pair[0])
    return Change(
        code="other-subnet",
        remedy=launchers(view, [name])[0].moves_to(subnet, _subnet_label(subnet)),
        gain=number * view.fresh(name, need),
        nodes=1,
        why=f"{_subnet_label(subnet)} takes {number:,} more {name}; the node groups' own subnets none",
    )


def _scale(starter: Launcher, name: str | None, more: int, view: ClusterView) -> str:
    """How to start more nodes with a launcher."""
    kind = f"{more:,} more {name}" if name else count_of(more, "more Windows node")
    running = view.running_in[starter.group.name if starter.group else None]
    return starter.starts(kind, more, running, view.state.name)
