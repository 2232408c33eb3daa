"""The present state of a cluster and its subnets in AWS, by read-only calls."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.addresses.subnet import Subnet
from eks_win_capacity.aws import saved_answers
from eks_win_capacity.aws._occupants import RESERVATIONS, described, each, subnets
from eks_win_capacity.aws.answer_files import gather
from eks_win_capacity.aws.calls import FILTER_VALUES, Asking
from eks_win_capacity.core.arguments import text
from eks_win_capacity.core.display import Listed
from eks_win_capacity.core.errors import AwsError, InputError, UnsupportedInputError
from eks_win_capacity.core.lazy import checked_call

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eks_win_capacity.cluster.state import ClusterState, SubnetState

PERMISSIONS: Final = (
    "autoscaling:DescribeAutoScalingGroups", "cloudwatch:GetMetricData", "cloudwatch:ListMetrics",
    "ec2:DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypes", "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplateVersions", "ec2:DescribeNetworkInterfaces", "ec2:DescribeRegions",
    "ec2:DescribeSpotPriceHistory", "ec2:DescribeSubnets", "ec2:GetSubnetCidrReservations",
    "eks:DescribeAccessEntry", "eks:DescribeAddon", "eks:DescribeCluster",
    "eks:DescribeClusterVersions", "eks:DescribeFargateProfile", "eks:DescribeNodegroup",
    "eks:ListAccessEntries", "eks:ListAddons", "eks:ListFargateProfiles", "eks:ListNodegroups",
    "iam:GetInstanceProfile", "iam:ListAttachedRolePolicies", "pricing:GetProducts",
)  # fmt: skip
"""
Every IAM action that the loaders and ``catalog refresh`` use; all are read-only.

`load_cluster` requires ``eks:DescribeCluster``; any other action that is denied leaves its part
unknown.
"""


@checked_call
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
    State of a cluster from AWS, by read-only calls.

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
        Called with the name of each API call before it is made, for instance to show progress.

    Returns
    -------
    ClusterState
        The parts that AWS knows; nodes, pods and ConfigMaps come from `kubectl.load`. A part is
        unknown, with the reason, if its calls are not allowed or not available, or if its
        resource is gone, such as a deleted role.

    Raises
    ------
    AwsError
        If the cluster cannot be described, or a call fails for a reason other than a missing
        permission.
    InputError
        If the name is empty.
    UnsupportedInputError
        If an argument is of another kind.

    References
    ----------
    Amazon EKS API reference, DescribeCluster; `PERMISSIONS` names every call.

    Examples
    --------
    Under moto, so that it needs no account:

    >>> import boto3
    >>> from moto import mock_aws
    >>> with mock_aws():
    ...     eks = boto3.client("eks", region_name="eu-central-1")
    ...     role = "arn:aws:iam::111122223333:role/eks"
    ...     _ = eks.create_cluster(name="prod", roleArn=role, resourcesVpcConfig={})
    ...     state = load_cluster("prod", region="eu-central-1")
    >>> state.name, state.node_groups
    ('prod', ())
    """
    name = _named(name, "name")
    ask = Asking(session, region, endpoint_url, clients, on_call)
    cluster = ask.one("eks", "describe_cluster", "cluster", name=name)
    if version := cluster.get("version"):
        ask.part("support_ends", lambda: _versions(ask, version), "clusterVersions")
    _ask_policies(ask, saved_answers.role_name(cluster.get("roleArn") or ""))
    ask.part("node_groups", lambda: _ask_node_groups(ask, name), "nodegroups", "nodegroup")
    ask.part("autoscaling_tags", lambda: _ask_scaling(ask, name), "AutoScalingGroups")
    ask.part("launch_templates", lambda: _templates(ask), "LaunchTemplateVersions")
    ask.part(
        "fargate_profiles",
        lambda: _each(ask, name, "fargate_profile", "fargateProfileNames", "fargateProfile"),
        "fargateProfileNames",
        "fargateProfile",
    )
    # Default of EKS; an answer without this field is older than access entries.
    mode = (cluster.get("accessConfig") or {}).get("authenticationMode") or "CONFIG_MAP"
    if mode == "CONFIG_MAP":
        ask.answers["accessEntries"].append([])
    else:
        ask.part("access_entries", lambda: _entries(ask, name), "accessEntries", "accessEntry")
    ask.part("addons", lambda: _cni(ask, name), "addons", "addon")
    if ids := _subnet_ids_of(ask, cluster):
        ask.part(
            "subnets",
            lambda: ask.pages("ec2", "describe_subnets", "Subnets", SubnetIds=ids),
            "Subnets",
        )
        _ask_occupants(ask)
        ask.part("instances", lambda: _profiles(ask), "InstanceProfile")
    return saved_answers.state(ask.answers, ask.unknown)


def _named(given: object, argument: str) -> str:
    """A cluster name that is not empty: EKS would answer an empty one with a list of clusters."""
    name = text(given, name=argument)
    if not name.strip():
        raise InputError(f"{argument} of the cluster must not be empty: is its variable set?")
    return name


def _ask_policies(ask: Asking, role: str) -> None:
    if not role:
        ask.unknown["cluster_role_policies"] = "DescribeCluster names no role"
        return
    ask.part(
        "cluster_role_policies",
        lambda: ask.pages("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=role),
        "AttachedPolicies",
    )


def _subnet_ids_of(ask: Asking, cluster: Mapping[str, Any]) -> list[str]:
    """Subnets of a cluster and of its managed and self-managed node groups."""
    ids = list((cluster.get("resourcesVpcConfig") or {}).get("subnetIds") or ())
    ids += [s for group in ask.answers.get("nodegroup", ()) for s in group.get("subnets") or ()]
    ids += [
        subnet
        for group in each(ask.answers, "AutoScalingGroups")
        for subnet in saved_answers.subnets_of(group)
    ]
    return list(dict.fromkeys(ids))


def _each(ask: Asking, name: str, what: str, listed: str, one: str) -> None:
    for item in ask.pages("eks", f"list_{what}s", listed, clusterName=name):
        ask.one("eks", f"describe_{what}", one, clusterName=name, **{f"{one}Name": item})


def _ask_node_groups(ask: Asking, name: str) -> None:
    _each(ask, name, "nodegroup", "nodegroups", "nodegroup")


def _versions(ask: Asking, version: str) -> None:
    ask.pages(
        "eks",
        "describe_cluster_versions",
        "clusterVersions",
        includeAll=True,
        clusterVersions=[version],
    )


def _entries(ask: Asking, name: str) -> None:
    for arn in ask.pages("eks", "list_access_entries", "accessEntries", clusterName=name):
        ask.one("eks", "describe_access_entry", "accessEntry", clusterName=name, principalArn=arn)


def _cni(ask: Asking, name: str) -> None:
    if "vpc-cni" in ask.pages("eks", "list_addons", "addons", clusterName=name):
        ask.one("eks", "describe_addon", "addon", clusterName=name, addonName="vpc-cni")


def _profiles(ask: Asking) -> None:
    """Request the role of each instance profile, once per profile."""
    arns = [
        str((instance.get("IamInstanceProfile") or {}).get("Arn") or "")
        for instance in described(ask.answers)
    ]
    for name in sorted({arn.rpartition("/")[2] for arn in arns} - {""}):
        ask.one("iam", "get_instance_profile", "InstanceProfile", InstanceProfileName=name)


def _templates(ask: Asking) -> None:
    """Request each launch template of managed node groups and of Auto Scaling groups, once."""
    asked = {
        (str(template["id"]), str(template.get("version") or "$Default"))
        for group in ask.answers.get("nodegroup", ())
        if (template := group.get("launchTemplate") or {}).get("id")
    }
    asked |= {
        (template, version)
        for group in each(ask.answers, "AutoScalingGroups")
        if saved_answers.is_self_managed(group)
        for template, version in [saved_answers.template_of(group)]
        if template
    }
    for template, version in sorted(asked):
        ask.pages(
            "ec2",
            "describe_launch_template_versions",
            "LaunchTemplateVersions",
            LaunchTemplateId=template,
            Versions=[version],
        )


def _ask_scaling(ask: Asking, cluster: str) -> None:
    """Request the Auto Scaling groups tagged with the cluster, then other groups of EKS by name."""
    keys = [f"{prefix}{cluster}" for prefix in saved_answers.CLUSTER_TAGS]
    tagged = ask.pages(
        "autoscaling",
        "describe_auto_scaling_groups",
        "AutoScalingGroups",
        Filters=[{"Name": "tag-key", "Values": keys}],
    )
    known = {group["AutoScalingGroupName"] for group in tagged}
    names = [
        group["name"]
        for managed in ask.answers.get("nodegroup", ())
        for group in (managed.get("resources") or {}).get("autoScalingGroups") or ()
        if group["name"] not in known
    ]
    for start in range(0, len(names), 50):
        ask.pages(
            "autoscaling",
            "describe_auto_scaling_groups",
            "AutoScalingGroups",
            AutoScalingGroupNames=names[start : start + 50],
        )


def _ask_occupants(ask: Asking) -> None:
    """Request the interfaces, reservations and instances of the described subnets."""
    ids = [subnet["SubnetId"] for subnet in each(ask.answers, "Subnets")]
    if not ids:
        return

    def pages(method: str, key: str) -> None:
        for start in range(0, len(ids), FILTER_VALUES):
            chosen = [{"Name": "subnet-id", "Values": ids[start : start + FILTER_VALUES]}]
            ask.pages("ec2", method, key, Filters=chosen)

    def reservations() -> None:
        for subnet in ids:
            ask.pages("ec2", "get_subnet_cidr_reservations", RESERVATIONS, SubnetId=subnet)

    for part, asked, key in (
        (
            "subnet_interfaces",
            partial(pages, "describe_network_interfaces", "NetworkInterfaces"),
            "NetworkInterfaces",
        ),
        ("subnet_reservations", reservations, RESERVATIONS),
        ("subnet_users", partial(pages, "describe_instances", "Reservations"), "Reservations"),
    ):
        ask.part(part, asked, key)


class UsedSubnet(Subnet):
    """
    A subnet and the users of its addresses.

    Attributes
    ----------
    users : Mapping of str to int, or None
        Addresses of each kind of user; None if the instances could not be read. [addresses]
    available : int or None
        EC2's AvailableIpAddressCount. [addresses]
    unknown : Mapping of str to str
        What is unknown about it, and why.
    """

    users: Mapping[str, int] | None
    available: int | None
    unknown: Mapping[str, str]

    @classmethod
    def of(cls, state: SubnetState, unknown: Mapping[str, str]) -> UsedSubnet:
        """A used subnet from the state of a subnet."""
        base = state.subnet
        if base is None:
            why = unknown.get("subnet_interfaces", "no count of free addresses was given")
            raise AwsError(
                f"what is in use of {state.subnet_id} cannot be told: {why}",
                operation="DescribeNetworkInterfaces",
                code="Unknown",
            )
        used: object = state.used if state.used is not None else base.used
        subnet = cls(
            state.cidr,
            used=used,
            reservations=state.reservations or (),
            subnet_id=state.subnet_id,
            zone=state.zone or None,
            vpc_id=state.vpc_id or None,
        )
        for name, value in (
            ("users", state.users),
            ("available", state.available),
            ("unknown", dict(unknown)),
        ):
            object.__setattr__(subnet, name, value)
        return subnet


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
    Subnets with all addresses and prefixes in use, and their users.

    Parameters
    ----------
    subnet_ids : str or iterable of str, optional
    vpc_id : str, optional
        All subnets of a VPC.
    cluster : str, optional
        The subnets of an EKS cluster and of its managed node groups.
    files : path, str, file, mapping, or a list of these, optional
        Saved answers of DescribeSubnets, DescribeNetworkInterfaces,
        GetSubnetCidrReservations and DescribeInstances, read instead of asking AWS. Give
        exactly one of the four.
    session, region, endpoint_url
        As for `load_cluster`.
    client : EC2 client, optional
        Used as it is; ``clients`` gives those of several services.

    Returns
    -------
    Listed of UsedSubnet
        In the order of EC2's answer. Each names in ``unknown`` what a missing permission hides.

    Raises
    ------
    InputError
        If not exactly one of the four is given, or it names no subnet.
    AwsError
        If a call fails; where reservations are known, interfaces must be readable too.
    DocumentError
        If a saved answer is damaged, or there is none of DescribeSubnets.

    References
    ----------
    Amazon EC2 API reference, DescribeSubnets, DescribeNetworkInterfaces and
    GetSubnetCidrReservations.

    Examples
    --------
    >>> described = {"SubnetId": "subnet-1", "CidrBlock": "10.0.0.0/24"}
    >>> node = {
    ...     "NetworkInterfaceId": "eni-1",
    ...     "SubnetId": "subnet-1",
    ...     "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.10"}],
    ...     "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.0.32/28"}],
    ... }
    >>> answers = [{"Subnets": [described]}, {"NetworkInterfaces": [node]}]
    >>> [subnet] = load_subnets(files=answers)
    >>> subnet.used, subnet.free_prefixes
    (17, 13)
    """
    given = (subnet_ids, vpc_id, cluster, files)
    if sum(x is not None for x in given) != 1:
        raise InputError("give exactly one of subnet_ids, vpc_id, cluster and files")
    if files is not None:
        answers = gather(files)
        ask = Asking(None, None, None, None)
        ask.answers = answers
    else:
        by_service = {**(clients or {}), **({"ec2": client} if client is not None else {})}
        ask = Asking(session, region, endpoint_url, by_service)
        ask.pages("ec2", "describe_subnets", "Subnets", **_which(ask, subnet_ids, vpc_id, cluster))
        _ask_occupants(ask)
    with saved_answers.shaped():
        states = subnets(ask.answers, ask.unknown, saved=files is not None)
    if not states:
        what = "the saved answers" if files is not None else vpc_id or cluster or str(subnet_ids)
        cure = (
            "check that DescribeSubnets is among them"
            if files is not None
            else "check the name and the region"
        )
        raise InputError(f"{what:.80}: no subnet with IPv4 addresses is described; {cure}")
    return Listed(UsedSubnet.of(state, ask.unknown) for state in states)


def _which(
    ask: Asking, subnet_ids: Iterable[str] | str | None, vpc_id: str | None, cluster: str | None
) -> dict[str, Any]:
    """Request parameters that select the subnets."""
    if vpc_id is not None:
        return {"Filters": [{"Name": "vpc-id", "Values": [vpc_id]}]}
    if cluster is not None:
        cluster = _named(cluster, "cluster")
        described_cluster = ask.one("eks", "describe_cluster", "cluster", name=cluster)
        ask.part(
            "subnets_of_node_groups",
            lambda: _ask_node_groups(ask, cluster),
            "nodegroups",
            "nodegroup",
        )
        ask.part("autoscaling_tags", lambda: _ask_scaling(ask, cluster), "AutoScalingGroups")
        subnet_ids = _subnet_ids_of(ask, described_cluster)
    if not isinstance(subnet_ids, Iterable):
        raise UnsupportedInputError(f"subnet_ids must be strings; got {subnet_ids!r}")
    wanted = [subnet_ids] if isinstance(subnet_ids, str) else list(subnet_ids)
    if not wanted:
        raise InputError("no subnet is named")
    return {"SubnetIds": list(dict.fromkeys(wanted))}


@checked_call
def load_files(*sources: Any) -> ClusterState:
    """
    State of one cluster from saved JSON output of the AWS CLI.

    Parameters
    ----------
    *sources : path, str, file or mapping
        The answers to the calls that `load_cluster` makes. Each is recognised by its member,
        such as ``cluster`` or ``Subnets``.

    Raises
    ------
    DocumentError
        If a source is damaged, incomplete, or not the answer to a known call.

    Examples
    --------
    >>> state = load_files({"cluster": {"name": "prod", "version": "1.33"}})
    >>> state
    <ClusterState prod: 26 parts are not known>
    """
    return saved_answers.state(gather(*sources), saved=True)
