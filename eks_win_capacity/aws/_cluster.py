"""A cluster and its subnets as AWS shows them now, by read-only calls."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.aws import _answers, _occupants
from eks_win_capacity.aws._client import (
    DENIED,
    FILTER_VALUES,
    GONE,
    UNSERVED,
    all_pages,
    api_name,
    client,
    one_answer,
)
from eks_win_capacity.errors import AwsError, InputError
from eks_win_capacity.subnets import Subnet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from eks_win_capacity.cluster import ClusterState, SubnetState

PERMISSIONS: Final = (
    "autoscaling:DescribeAutoScalingGroups",
    "cloudwatch:GetMetricData",
    "cloudwatch:ListMetrics",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRegions",
    "ec2:DescribeSpotPriceHistory",
    "ec2:DescribeSubnets",
    "ec2:GetSubnetCidrReservations",
    "eks:DescribeAccessEntry",
    "eks:DescribeAddon",
    "eks:DescribeCluster",
    "eks:DescribeFargateProfile",
    "eks:DescribeNodegroup",
    "eks:ListAccessEntries",
    "eks:ListAddons",
    "eks:ListFargateProfiles",
    "eks:ListNodegroups",
    "iam:ListAttachedRolePolicies",
    "pricing:GetProducts",
)
"""
Every IAM action that the loaders and ``catalog refresh`` use; all of them only read.

`load_cluster` needs ``eks:DescribeCluster``; each other action that is not allowed
leaves its part unknown.
"""


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


class _Asking:
    """Calls whose refusal leaves a part unknown, and whose faults end the load."""

    def __init__(
        self,
        session: Any,
        region: str | None,
        endpoint_url: str | None,
        clients: Mapping[str, Any] | None,
        on_call: Callable[[str], None] | None = None,
    ) -> None:
        self._tell = on_call or (lambda _: None)
        self._made = dict(clients or {})
        self._how = {"session": session, "region": region, "endpoint_url": endpoint_url}
        self.answers: _answers.Answers = defaultdict(list)
        self.unknown: dict[str, str] = {}

    def client(self, service: str) -> Any:
        """Give the client of a service, made once."""
        if service not in self._made:
            self._made[service] = client(service, **self._how)
        return self._made[service]

    def pages(self, service: str, method: str, key: str, **request: Any) -> list[Any]:
        """Ask for all pages, and keep their rows."""
        asked = self._asked(service, method)
        rows = [row for page in all_pages(asked, method, key=key, **request) for row in page[key]]
        self.answers[key].append(rows)
        return rows

    def one(self, service: str, method: str, key: str, **request: Any) -> Any:
        """Ask once, and keep the answer."""
        answer = one_answer(self._asked(service, method), method, key=key, **request)[key]
        self.answers[key].append(answer)
        return answer

    def _asked(self, service: str, method: str) -> Any:
        """Give the client, and tell what it is asked."""
        found = self.client(service)
        self._tell(api_name(found, method))
        return found

    def part(self, name: str, ask: Any, *keys: str) -> None:
        """Ask for one part; if refused, not served or gone, say so and drop what came."""
        before = {key: len(self.answers.get(key, ())) for key in keys}
        try:
            ask()
        except AwsError as error:
            if error.code not in DENIED | UNSERVED | GONE:
                raise
            unserved = f"{error.operation} is not served by {error.region or 'the endpoint'}"
            self.unknown[name] = unserved if error.code in UNSERVED else str(error)
            for key in keys:
                if not before[key]:
                    self.answers.pop(key, None)
                else:
                    del self.answers[key][before[key] :]


def load_cluster(
    name: str,
    *,
    session: Any = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    clients: Mapping[str, Any] | None = None,
    on_call: Callable[[str], None] | None = None,
) -> ClusterState:
    """
    Read a cluster's state from AWS; nothing is written there.

    Parameters
    ----------
    name : str
        The cluster's name.
    session : boto3.Session, optional
        Whose credentials and region to use.
    region, endpoint_url : str, optional
        Where to ask.
    clients : mapping of str to client, optional
        Clients by service (``eks``, ``ec2``, ``iam``, ``autoscaling``), used as
        they are.
    on_call : callable, optional
        Told the name of each call before it is made, such as to show progress.

    Returns
    -------
    ClusterState
        What AWS tells; nodes, pods and ConfigMaps come from `kubectl.load`. A
        part whose calls are not allowed or not served there, or whose subject is
        gone, such as a deleted role, is unknown, with the reason.

    Raises
    ------
    AwsError
        If the cluster cannot be described, or any call fails for another
        reason than a missing permission.
    """
    ask = _Asking(session, region, endpoint_url, clients, on_call)
    cluster = ask.one("eks", "describe_cluster", "cluster", name=name)
    role = _answers.role_name(cluster.get("roleArn") or "")
    if role:
        ask.part(
            "cluster_role_policies",
            lambda: ask.pages(
                "iam", "list_attached_role_policies", "AttachedPolicies", RoleName=role
            ),
            "AttachedPolicies",
        )
    else:
        ask.unknown["cluster_role_policies"] = "DescribeCluster names no role"
    ask.part("node_groups", lambda: _node_groups(ask, name), "nodegroups", "nodegroup")
    if "nodegroup" in ask.answers:
        ask.part("launch_templates", lambda: _templates(ask), "LaunchTemplateVersions")
        ask.part("autoscaling_tags", lambda: _scaling(ask), "AutoScalingGroups")
    ask.part(
        "fargate_profiles",
        lambda: _each(
            ask,
            name,
            "fargate_profile",
            "fargateProfileNames",
            "fargateProfile",
            "fargateProfileName",
        ),
        "fargateProfileNames",
        "fargateProfile",
    )
    # EKS's own default; an answer without the member is from before access entries.
    mode = (cluster.get("accessConfig") or {}).get("authenticationMode") or "CONFIG_MAP"
    if mode == "CONFIG_MAP":
        ask.answers["accessEntries"].append([])
    else:
        ask.part(
            "access_entries",
            lambda: _entries(ask, name),
            "accessEntries",
            "accessEntry",
        )
    ask.part("addons", lambda: _cni(ask, name), "addons", "addon")
    if ids := _subnet_ids(ask, cluster):
        ask.part(
            "subnets",
            lambda: ask.pages("ec2", "describe_subnets", "Subnets", SubnetIds=ids),
            "Subnets",
        )
        _ask_occupants(ask)
    return _answers.state(ask.answers, ask.unknown)


def _subnet_ids(ask: _Asking, cluster: Mapping[str, Any]) -> list[str]:
    """Give the subnets of a cluster, and those that its node groups add."""
    ids = list((cluster.get("resourcesVpcConfig") or {}).get("subnetIds") or ())
    ids += [s for group in ask.answers.get("nodegroup", ()) for s in group.get("subnets") or ()]
    return list(dict.fromkeys(ids))


def _each(  # noqa: PLR0917
    ask: _Asking,
    name: str,
    what: str,
    listed: str,
    one: str,
    argument: str,
) -> None:
    for item in ask.pages("eks", f"list_{what}s", listed, clusterName=name):
        ask.one("eks", f"describe_{what}", one, clusterName=name, **{argument: item})


def _node_groups(ask: _Asking, name: str) -> None:
    _each(ask, name, "nodegroup", "nodegroups", "nodegroup", "nodegroupName")


def _entries(ask: _Asking, name: str) -> None:
    for arn in ask.pages("eks", "list_access_entries", "accessEntries", clusterName=name):
        ask.one("eks", "describe_access_entry", "accessEntry", clusterName=name, principalArn=arn)


def _cni(ask: _Asking, name: str) -> None:
    if "vpc-cni" in ask.pages("eks", "list_addons", "addons", clusterName=name):
        ask.one("eks", "describe_addon", "addon", clusterName=name, addonName="vpc-cni")


def _templates(ask: _Asking) -> None:
    for group in ask.answers["nodegroup"]:
        template = group.get("launchTemplate") or {}
        if template.get("id"):
            ask.pages(
                "ec2",
                "describe_launch_template_versions",
                "LaunchTemplateVersions",
                LaunchTemplateId=template["id"],
                Versions=[str(template.get("version") or "$Default")],
            )


def _scaling(ask: _Asking) -> None:
    names = [
        found["name"]
        for group in ask.answers["nodegroup"]
        for found in (group.get("resources") or {}).get("autoScalingGroups") or ()
    ]
    for start in range(0, len(names), 50):
        ask.pages(
            "autoscaling",
            "describe_auto_scaling_groups",
            "AutoScalingGroups",
            AutoScalingGroupNames=names[start : start + 50],
        )


def _ask_occupants(ask: _Asking) -> None:
    """Ask what the described subnets hold, and who holds it."""
    ids = [subnet["SubnetId"] for page in ask.answers.get("Subnets", ()) for subnet in page]
    if not ids:
        return

    def pages(method: str, key: str) -> None:
        for start in range(0, len(ids), FILTER_VALUES):
            chosen = [{"Name": "subnet-id", "Values": ids[start : start + FILTER_VALUES]}]
            ask.pages("ec2", method, key, Filters=chosen)

    def reservations() -> None:
        for subnet in ids:
            ask.pages(
                "ec2", "get_subnet_cidr_reservations", _occupants.RESERVATIONS, SubnetId=subnet
            )

    for part, asked, key in (
        (
            "subnet_interfaces",
            partial(pages, "describe_network_interfaces", "NetworkInterfaces"),
            "NetworkInterfaces",
        ),
        ("subnet_reservations", reservations, _occupants.RESERVATIONS),
        ("subnet_users", partial(pages, "describe_instances", "Reservations"), "Reservations"),
    ):
        ask.part(part, asked, key)


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
) -> tuple[UsedSubnet, ...]:
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
    tuple of UsedSubnet
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
        answers = _answers.gather(files)
        ask = _Asking(None, None, None, None)
        ask.answers = answers
    else:
        made = {**(clients or {}), **({"ec2": client} if client is not None else {})}
        ask = _Asking(session, region, endpoint_url, made)
        ask.pages("ec2", "describe_subnets", "Subnets", **_which(ask, subnet_ids, vpc_id, cluster))
        _ask_occupants(ask)
    with _answers.shaped():
        found = _occupants.subnets(ask.answers, ask.unknown, saved=files is not None)
    if not found:
        what = "the saved answers" if files is not None else vpc_id or cluster or str(subnet_ids)
        raise InputError(
            f"{what:.80}: no subnet with IPv4 addresses is described; check the name, the region "
            "and that DescribeSubnets is among what was saved"
        )
    return tuple(UsedSubnet.of(held, ask.unknown) for held in found)


def _which(
    ask: _Asking,
    subnet_ids: Iterable[str] | str | None,
    vpc_id: str | None,
    cluster: str | None,
) -> dict[str, Any]:
    """Say in EC2's words which subnets are meant."""
    if vpc_id is not None:
        return {"Filters": [{"Name": "vpc-id", "Values": [vpc_id]}]}
    if cluster is not None:
        found = ask.one("eks", "describe_cluster", "cluster", name=cluster)
        ask.part(
            "subnets_of_node_groups", lambda: _node_groups(ask, cluster), "nodegroups", "nodegroup"
        )
        subnet_ids = _subnet_ids(ask, found)
    wanted = [subnet_ids] if isinstance(subnet_ids, str) else list(subnet_ids or ())
    if not wanted:
        raise InputError("no subnet is named")
    return {"SubnetIds": list(dict.fromkeys(wanted))}


def load_files(*sources: Any) -> ClusterState:
    """
    Read saved JSON of the AWS CLI as the state of one cluster.

    Parameters
    ----------
    *sources : path, str, file or mapping
        The answers of the calls that `load_cluster` makes, one each or several;
        each is known by its own member, such as ``cluster`` or ``Subnets``.

    Raises
    ------
    DocumentError
        If a source is damaged, no answer of a known call, or only a part.
    """
    return _answers.state(_answers.gather(*sources), saved=True)
