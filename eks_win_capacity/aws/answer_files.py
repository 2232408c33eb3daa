"""Files with saved answers of AWS: identified by member, checked for completeness and shape."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.aws._occupants import RESERVATIONS
from eks_win_capacity.core.documents import beginning, each_source, source_name, wholes
from eks_win_capacity.core.documents.whole import what_it_is
from eks_win_capacity.core.errors import DocumentError, only_a_part, without_accounts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEYS: Final = {
    "cluster": "DescribeCluster",
    "clusterVersions": "DescribeClusterVersions",
    "nodegroups": "ListNodegroups",
    "nodegroup": "DescribeNodegroup",
    "fargateProfileNames": "ListFargateProfiles",
    "fargateProfile": "DescribeFargateProfile",
    "accessEntries": "ListAccessEntries",
    "accessEntry": "DescribeAccessEntry",
    "addons": "ListAddons",
    "addon": "DescribeAddon",
    "AttachedPolicies": "ListAttachedRolePolicies",
    "LaunchTemplateVersions": "DescribeLaunchTemplateVersions",
    "AutoScalingGroups": "DescribeAutoScalingGroups",
    "Subnets": "DescribeSubnets",
    "NetworkInterfaces": "DescribeNetworkInterfaces",
    RESERVATIONS: "GetSubnetCidrReservations",
    "Reservations": "DescribeInstances",
    "InstanceProfile": "GetInstanceProfile",
}
"""Member that identifies each answer, and its call."""

_OBJECTS: Final = frozenset(
    {"cluster", "nodegroup", "fargateProfile", "accessEntry", "addon", "InstanceProfile"}
)
"""Members that are a single object; the others are lists."""

_NEEDED: Final = {
    "cluster": ("name",),
    "nodegroup": ("nodegroupName",),
    "fargateProfile": ("fargateProfileName",),
    "accessEntry": ("principalArn",),
    "addon": ("addonName",),
    "AttachedPolicies": ("PolicyName",),
    "LaunchTemplateVersions": ("LaunchTemplateId", "VersionNumber"),
    "AutoScalingGroups": ("AutoScalingGroupName",),
    "Subnets": ("SubnetId",),
    "NetworkInterfaces": ("NetworkInterfaceId", "SubnetId"),
    RESERVATIONS: ("SubnetId", "Cidr", "ReservationType"),
    "Reservations": ("InstanceId",),
    "InstanceProfile": ("InstanceProfileName",),
    "MetricDataResults": ("Timestamps", "Values"),
}
"""Fields that each object of an answer must have."""

Answers = dict[str, list[Any]]


def gather(*sources: Any) -> Answers:
    """
    Saved answers by their member.

    Raises DocumentError if a source is damaged, contains no answer of a known call, or an
    incomplete one.
    """
    answers: Answers = defaultdict(list)
    for document in saved(list(sources), KEYS):
        for key in KEYS.keys() & document.keys():
            answers[key].append(document[key])
    return answers


def saved(files: Any, calls: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """
    Saved answers of some calls; other files in a folder are ignored.

    Raises DocumentError if a source is damaged, contains no such answer, or an incomplete one.
    """
    answered = False
    for source, in_folder in each_source(files):
        name = source_name(source)
        if in_folder and not calls.keys() & beginning(source, name=name).keys():
            continue
        for document in wholes(source, name=name):
            known = [key for key in calls if key in document]
            if not known:
                raise DocumentError(
                    f"{name}: no answer of a known call, such as {next(iter(calls.values()))}; "
                    f"its members: {', '.join(map(str, list(document)[:5])) or 'none'}",
                    source=name,
                )
            whole_only(document, calls[known[0]], name)
            for key in known:
                _check_shape(document[key], key, calls[key], name)
            answered = True
            yield document
    if not answered:
        raise DocumentError(
            f"nothing that was given is an answer of {' or '.join(list(calls.values())[:3])}",
            source="the files",
        )


def _check_shape(value: Any, key: str, call: str, name: str) -> None:
    """Refuse a value that is not the list or object that AWS returns, or lacks required fields."""
    kind, words = (dict, "an object") if key in _OBJECTS else ((list, tuple), "a list")
    if not isinstance(value, kind):
        raise DocumentError(
            f"{name}: {key} of {call} must be {words}, and is {without_accounts(what_it_is(value))}",
            source=name,
            place=key,
        )
    needed = _NEEDED.get(key, ())
    for position, item in _items(value, key):
        if isinstance(item, dict) and (lacking := [one for one in needed if one not in item]):
            raise DocumentError(
                f"{name}: {position} of {call} lacks {lacking[0]!r}; save whole answers, without --query",
                source=name,
                place=position,
            )


def _items(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """The objects of an answer, each with its position."""
    if isinstance(value, dict):
        yield key, value
        return
    for at, item in enumerate(value):
        position = f"{key}[{at}]"
        if key != "Reservations":
            yield position, item
        elif isinstance(item, dict) and isinstance(instances := item.get("Instances"), list):
            yield from ((f"{position}.Instances[{n}]", one) for n, one in enumerate(instances))


def whole_only(document: Mapping[str, Any], call: str, name: str) -> None:
    """
    Refuse an answer that has further pages.

    Raises DocumentError if the answer is incomplete.
    """
    token, part = only_a_part(document)
    if part:
        raise DocumentError(f"{name}: the answer of {call} is {part}", source=name, place=token)
