"""Subnets as EC2 shows them now, with who uses them, by read-only calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from eks_win_capacity.addresses.subnet import Subnet
from eks_win_capacity.aws import _occupants, saved_answers
from eks_win_capacity.aws._asking import Asking, ask_occupants
from eks_win_capacity.aws._cluster import ask_node_groups, ask_scaling, subnet_ids_of
from eks_win_capacity.core.display import Listed
from eks_win_capacity.core.errors import AwsError, InputError, UnsupportedInputError
from eks_win_capacity.core.lazy import checked_call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eks_win_capacity.cluster.state import SubnetState


class UsedSubnet(Subnet):
    """
    A subnet with who uses it.

    Attributes
    ----------
    users : Mapping of str to int, or None
        Addresses held by each kind of user; None where instances were not to be
        seen. [addresses]
    available : int or None
        EC2's AvailableIpAddressCount. [addresses]
    unknown : Mapping of str to str
        What is not known of it, and why.
    """

    users: Mapping[str, int] | None
    available: int | None
    unknown: Mapping[str, str]

    @classmethod
    def of(cls, held: SubnetState, unknown: Mapping[str, str]) -> UsedSubnet:
        """Make one from the state of a subnet."""
        base = held.subnet
        if base is None:
            why = unknown.get("subnet_interfaces", "no count of free addresses was given")
            raise AwsError(
                f"what is in use of {held.subnet_id} cannot be told: {why}",
                operation="DescribeNetworkInterfaces",
                code="Unknown",
            )
        used: object = held.used if held.used is not None else base.used
        made = cls(
            held.cidr,
            used=used,
            reservations=held.reservations or (),
            subnet_id=held.subnet_id,
            zone=held.zone or None,
            vpc_id=held.vpc_id or None,
        )
        for name, value in (
            ("users", held.users),
            ("available", held.available),
            ("unknown", dict(unknown)),
        ):
            object.__setattr__(made, name, value)
        return made


@checked_call
def load_subnets(
    subnet_ids: Iterable[str] | str | None = None,
    *,
    vpc_id: str | None = None,
    cluster: str | None = None,
    files: Any = None,
    session: Any = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    client: Any = None,
    clients: Mapping[str, Any] | None = None,
) -> Listed[UsedSubnet]:
    """
    Read subnets with every address and prefix in use, and who uses them.

    Parameters
    ----------
    subnet_ids : str or iterable of str, optional
    vpc_id : str, optional
        All subnets of a VPC.
    cluster : str, optional
        The subnets of an EKS cluster and of its managed node groups.
    files : path, str, file, mapping, or a list of these, optional
        Saved answers of DescribeSubnets, DescribeNetworkInterfaces,
        GetSubnetCidrReservations and DescribeInstances; AWS is not asked then.
        Give exactly one of the four.
    session, region, endpoint_url
        As for `load_cluster`.
    client : EC2 client, optional
        Used as it is; ``clients`` gives those of several services.

    Returns
    -------
    Listed of UsedSubnet
        In the order of EC2's answer. What a missing permission hides is named
        in ``unknown`` of each.

    Raises
    ------
    InputError
        If not exactly one of the four is given, or it names no subnet.
    AwsError
        If a call fails; interfaces must be seen where reservations are known.
    DocumentError
        If a saved answer is damaged, or there is none of DescribeSubnets.
    """
    given = (subnet_ids, vpc_id, cluster, files)
    if sum(x is not None for x in given) != 1:
        raise InputError("give exactly one of subnet_ids, vpc_id, cluster and files")
    if files is not None:
        answers = saved_answers.gather(files)
        ask = Asking(None, None, None, None)
        ask.answers = answers
    else:
        made = {**(clients or {}), **({"ec2": client} if client is not None else {})}
        ask = Asking(session, region, endpoint_url, made)
        ask.pages("ec2", "describe_subnets", "Subnets", **_which(ask, subnet_ids, vpc_id, cluster))
        ask_occupants(ask)
    with saved_answers.shaped():
        found = _occupants.subnets(ask.answers, ask.unknown, saved=files is not None)
    if not found:
        what = "the saved answers" if files is not None else vpc_id or cluster or str(subnet_ids)
        raise InputError(
            f"{what:.80}: no subnet with IPv4 addresses is described; check the name, the region "
            "and that DescribeSubnets is among what was saved"
        )
    return Listed(UsedSubnet.of(held, ask.unknown) for held in found)


def _which(
    ask: Asking,
    subnet_ids: Iterable[str] | str | None,
    vpc_id: str | None,
    cluster: str | None,
) -> dict[str, Any]:
    """Subnets that are meant, in EC2's words."""
    if vpc_id is not None:
        return {"Filters": [{"Name": "vpc-id", "Values": [vpc_id]}]}
    if cluster is not None:
        found = ask.one("eks", "describe_cluster", "cluster", name=cluster)
        ask.part(
            "subnets_of_node_groups",
            lambda: ask_node_groups(ask, cluster),
            "nodegroups",
            "nodegroup",
        )
        ask.part("autoscaling_tags", lambda: ask_scaling(ask, cluster), "AutoScalingGroups")
        subnet_ids = subnet_ids_of(ask, found)
    if not isinstance(subnet_ids, Iterable):
        raise UnsupportedInputError(f"subnet_ids must be texts; got {subnet_ids!r}")
    wanted = [subnet_ids] if isinstance(subnet_ids, str) else list(subnet_ids)
    if not wanted:
        raise InputError("no subnet is named")
    return {"SubnetIds": list(dict.fromkeys(wanted))}
