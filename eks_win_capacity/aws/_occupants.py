"""Use of each subnet, and the users of its addresses, from EC2's answers."""

from __future__ import annotations

import ipaddress
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.cluster.state import Instance, InterfaceState, SubnetState
from eks_win_capacity.core.constants import (
    ADDRESSES_PER_PREFIX,
    SUBNET_KEPT_FIRST,
    SUBNET_KEPT_LAST,
)
from eks_win_capacity.core.errors import DocumentError, StateConflictError, account_mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, MutableMapping

USERS: Final = (
    "windows nodes", "linux nodes", "load balancers", "endpoints", "control plane", "other",
)  # fmt: skip
"""Users of a subnet's addresses."""

RESERVATIONS: Final = "SubnetIpv4CidrReservations"

_TOLERATED: Final = 2 * ADDRESSES_PER_PREFIX
"""Tolerated difference between two answers, as pods come and go in between. [addresses]

Source: this project; two prefixes of a node.
"""

_NODE_TAGS: Final = frozenset(
    {
        "aws:eks:cluster-name",
        "eks:cluster-name",
        "eks:eks-cluster-name",
        "karpenter.sh/nodepool",
        "karpenter.sh/provisioner-name",
    }
)
"""Tags of EKS and Karpenter that mark a node, besides ``kubernetes.io/cluster/NAME``."""

_Answers = dict[str, list[Any]]


def each(answers: Mapping[str, list[Any]], key: str) -> Iterator[Any]:
    """Rows of all pages of a call."""
    return (row for page in answers.get(key, ()) for row in page)


def rows(answers: _Answers, key: str, *identity: str) -> list[Any] | None:
    """
    Distinct rows of all pages of a call; None without an answer.

    Raises StateConflictError if two answers disagree about one row.
    """
    if key not in answers:
        return None
    by_identity: dict[tuple[str, ...], Any] = {}
    for row in each(answers, key):
        where = tuple(str(row[name]) for name in identity)
        if by_identity.setdefault(where, row) != row:
            raise StateConflictError(
                f"two answers say different things about {'/'.join(where)}: save them again at "
                "one time",
                part=key,
            )
    return list(by_identity.values())


def count(item: Mapping[str, Any], key: str) -> int | None:
    """
    A count in an answer; None if missing.

    Raises DocumentError if it is not a non-negative integer.
    """
    value = item.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise DocumentError(
            f"{key} must be a whole number from 0 up; got {value!r:.40}",
            source="the answer",
            place=key,
        )
    return value


def subnets(
    answers: _Answers, why: MutableMapping[str, str], *, saved: bool = False
) -> tuple[SubnetState, ...] | None:
    """
    State of each subnet, with the use by its interfaces; gaps are noted in ``why``.

    Saved answers may cover only some of the subnets.
    """
    described = rows(answers, "Subnets", "SubnetId")
    if described is None:
        return None
    interfaces = _by_subnet(rows(answers, "NetworkInterfaces", "NetworkInterfaceId"))
    reserved = _reservations(answers, [s["SubnetId"] for s in described], why)
    systems = _systems(answers)
    if interfaces is None:
        why.setdefault("subnet_interfaces", "DescribeNetworkInterfaces is missing")
    states, left_out = [], []
    for item in described:
        name = str(item["SubnetId"])
        if not item.get("CidrBlock"):
            left_out.append(name)
            continue
        in_subnet = None if interfaces is None else interfaces.get(name, [])
        kept = None if reserved is None else reserved.get(name)
        hidden = 0 if in_subnet is None else _hidden(item, in_subnet, kept)
        if hidden > 0 and saved and not in_subnet and interfaces:
            in_subnet = None
            why["subnet_interfaces"] = (
                f"the answer of DescribeNetworkInterfaces names none in {name}, yet addresses of "
                "it are in use: was it asked for other subnets?"
            )
        elif hidden > _TOLERATED:
            why["subnet_interfaces"] = (
                f"EC2 counts {hidden} more addresses in use in {name} than the interfaces that "
                "could be seen hold: those of other accounts that share the subnet are hidden"
                f"{'' if kept is not None else _OR_RESERVED}"
            )
        states.append(_state(item, in_subnet, kept, systems))
    if left_out:
        why["subnet_left_out"] = (
            f"{', '.join(left_out[:5])}: no IPv4 addresses, so no Windows node can be there"
        )
    if any(subnet.users is None and subnet.used is not None for subnet in states):
        why.setdefault("subnet_users", "DescribeInstances is missing")
    return tuple(states)


_OR_RESERVED: Final = (
    ", or a CIDR reservation keeps them (aws ec2 get-subnet-cidr-reservations tells)"
)


def _state(
    item: Mapping[str, Any],
    interfaces: list[Mapping[str, Any]] | None,
    reserved: list[tuple[str, str]] | None,
    systems: Mapping[str, str] | None,
) -> SubnetState:
    return SubnetState(
        subnet_id=str(item["SubnetId"]),
        cidr=item["CidrBlock"],
        vpc_id=item.get("VpcId") or "",
        zone=item.get("AvailabilityZone") or "",
        zone_id=item.get("AvailabilityZoneId") or "",
        available=_available(item),
        used=None if interfaces is None else tuple(a for i in interfaces for a in _addresses_of(i)),
        reservations=None if reserved is None else tuple(reserved),
        users=None if interfaces is None else _users(interfaces, systems),
        interfaces=None
        if interfaces is None
        else tuple(map(_interface, filter(_instance, interfaces))),
    )


def _available(item: Mapping[str, Any]) -> int | None:
    """
    Free addresses of a subnet as counted by EC2; None if missing.

    Raises DocumentError if the subnet is smaller than that.
    """
    free = count(item, "AvailableIpAddressCount")
    if free is not None and free > _usable(item):
        raise DocumentError(
            f"AvailableIpAddressCount of {item['SubnetId']} is {free:,}, and {item['CidrBlock']} "
            "has fewer: save the answer again",
            source="the answer",
            place="AvailableIpAddressCount",
        )
    return free


def _usable(item: Mapping[str, Any]) -> int:
    """Addresses of a subnet without those that AWS keeps."""
    size = ipaddress.ip_network(item["CidrBlock"]).num_addresses
    return size - SUBNET_KEPT_FIRST - SUBNET_KEPT_LAST


def _instance(interface: Mapping[str, Any]) -> str:
    """Id of the instance that an interface is attached to; empty if none."""
    return str((interface.get("Attachment") or {}).get("InstanceId") or "")


def _interface(item: Mapping[str, Any]) -> InterfaceState:
    rows = item.get("PrivateIpAddresses") or ()
    first = next((a["PrivateIpAddress"] for a in rows if a.get("Primary")), "")
    primary = str(first or item.get("PrivateIpAddress") or "")
    return InterfaceState(
        address=primary,
        secondary=tuple(a["PrivateIpAddress"] for a in rows if a["PrivateIpAddress"] != primary),
        prefixes=tuple(p["Ipv4Prefix"] for p in item.get("Ipv4Prefixes") or ()),
    )


def _by_subnet(interfaces: Iterable[Any] | None) -> dict[str, list[Any]] | None:
    if interfaces is None:
        return None
    sorted_: dict[str, list[Any]] = defaultdict(list)
    for item in interfaces:
        sorted_[str(item["SubnetId"])].append(item)
    return sorted_


def _reservations(
    answers: _Answers, names: list[str], why: MutableMapping[str, str]
) -> dict[str, list[tuple[str, str]]] | None:
    """
    Reservations of each subnet that was requested.

    An empty answer does not name its subnet. So a subnet is known to have no reservation only if
    there are as many answers as subnets.
    """
    reservations = rows(answers, RESERVATIONS, "SubnetId", "Cidr")
    if reservations is None:
        why.setdefault("subnet_reservations", "GetSubnetCidrReservations is missing")
        return None
    answered = {str(item["SubnetId"]) for item in reservations}
    silent = sum(not page for page in answers[RESERVATIONS])
    whole = len(answered) + silent >= len(names)
    by_subnet: dict[str, list[tuple[str, str]]] = {name: [] for name in names} if whole else {}
    for item in reservations:
        kept = by_subnet.setdefault(str(item["SubnetId"]), [])
        kept.append((item["Cidr"], item["ReservationType"]))
    lacking = [name for name in names if name not in by_subnet]
    if lacking:
        why.setdefault(
            "subnet_reservations",
            f"GetSubnetCidrReservations is missing for {', '.join(lacking[:5])}",
        )
    return by_subnet


def _hidden(
    item: Mapping[str, Any],
    interfaces: list[Mapping[str, Any]],
    reserved: list[tuple[str, str]] | None,
) -> int:
    """
    Addresses that EC2 counts as used, beyond those of the interfaces and reservations.

    EC2's count of available addresses excludes the free addresses of a reservation, so each
    reservation may explain as many as its size.
    """
    free = count(item, "AvailableIpAddressCount")
    if free is None:
        return 0
    kept = sum(ipaddress.ip_network(cidr).num_addresses for cidr, _ in reserved or ())
    return _usable(item) - free - kept - sum(map(_size, interfaces))


def _addresses_of(interface: Mapping[str, Any]) -> list[str]:
    addresses = [a["PrivateIpAddress"] for a in interface.get("PrivateIpAddresses") or ()]
    prefixes = [p["Ipv4Prefix"] for p in interface.get("Ipv4Prefixes") or ()]
    return addresses + prefixes


def described(answers: Mapping[str, list[Any]]) -> Iterator[Mapping[str, Any]]:
    """Every instance in the answers of DescribeInstances."""
    for reservation in each(answers, "Reservations"):
        yield from reservation.get("Instances") or ()


def instance_systems(answers: _Answers) -> dict[str, str]:
    """``windows`` or ``linux`` for each instance in the answers of DescribeInstances."""
    systems = {}
    for instance in described(answers):
        platform = instance.get("Platform") or instance.get("PlatformDetails") or ""
        windows = str(platform).lower().startswith("windows")
        systems[instance["InstanceId"]] = "windows" if windows else "linux"
    return systems


def _systems(answers: _Answers) -> dict[str, str] | None:
    """User of each instance's interfaces: ``windows nodes``, ``linux nodes`` or ``other``."""
    if "Reservations" not in answers:
        return None
    systems = instance_systems(answers)
    holders = {}
    for instance in described(answers):
        keys = [tag["Key"] for tag in instance.get("Tags") or ()]
        node = any(k.startswith("kubernetes.io/cluster/") or k in _NODE_TAGS for k in keys)
        instance_id = instance["InstanceId"]
        holders[instance_id] = f"{systems[instance_id]} nodes" if node else "other"
    return holders


def instances(answers: _Answers, why: MutableMapping[str, str]) -> tuple[Instance, ...] | None:
    """Instances in the answers of DescribeInstances, with the IAM role of their profile."""
    if "Reservations" not in answers:
        return None
    roles = {
        str(profile["InstanceProfileName"]): str(role["RoleName"])
        for profile in answers.get("InstanceProfile", ())
        for role in profile.get("Roles") or ()
    }
    by_id = {}
    for item in described(answers):
        arn = str((item.get("IamInstanceProfile") or {}).get("Arn") or "")
        profile = arn.rpartition("/")[2]
        by_id[item["InstanceId"]] = Instance(
            instance_id=item["InstanceId"],
            profile=profile,
            role=roles.get(profile, ""),
            role_account=account_mark(arn),
        )
    lacking = sorted({i.profile for i in by_id.values() if i.profile and not i.role})
    if lacking:
        why.setdefault("instances", f"GetInstanceProfile is missing for {', '.join(lacking[:5])}")
    return tuple(by_id.values())


def _users(
    interfaces: list[Mapping[str, Any]], systems: Mapping[str, str] | None
) -> dict[str, int] | None:
    """Addresses by user; None if the instances are not known."""
    by_user: Counter[str] = Counter(dict.fromkeys(USERS, 0))
    for interface in interfaces:
        user = _user(interface, systems)
        if user is None:
            return None
        by_user[user] += _size(interface)
    return dict(by_user)


def _size(interface: Mapping[str, Any]) -> int:
    """Addresses of an interface, including those in its prefixes."""
    prefixes = len(interface.get("Ipv4Prefixes") or ())
    return len(interface.get("PrivateIpAddresses") or ()) + prefixes * ADDRESSES_PER_PREFIX


def _user(interface: Mapping[str, Any], systems: Mapping[str, str] | None) -> str | None:
    """User of an interface, from its type and description, or else its instance."""
    kind = str(interface.get("InterfaceType") or "").lower()
    description = str(interface.get("Description") or "").lower()
    instance = (interface.get("Attachment") or {}).get("InstanceId")
    if description.startswith("amazon eks "):
        return "control plane"
    if "endpoint" in kind or description.startswith("vpc endpoint interface"):
        return "endpoints"
    if "load_balancer" in kind or description.startswith("elb "):
        return "load balancers"
    # The VPC CNI, and its branch interfaces for security groups: only on Linux.
    if description.startswith("aws-k8s-") or kind in {"trunk", "branch"}:
        return "linux nodes"
    if instance:
        return None if systems is None else systems.get(instance, "other")
    return "other"
