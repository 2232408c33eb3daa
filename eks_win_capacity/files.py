"""State of one cluster from saved answers of kubectl and the AWS CLI, mixed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from eks_win_capacity import kubectl
from eks_win_capacity.addresses.targets import ADDON_KEYS
from eks_win_capacity.aws import answer_files, saved_answers
from eks_win_capacity.cluster.state import PARTS, ClusterState
from eks_win_capacity.core.documents import beginning, each_source, source_name, wholes
from eks_win_capacity.core.documents.whole import what_it_is
from eks_win_capacity.core.errors import DocumentError
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.kubectl import planned

_KUBECTL: Final = frozenset({"apiVersion", "items", "kind", "serverVersion"})

_ADDON: Final = frozenset(ADDON_KEYS)

_ROWS: Final = {
    "AutoScalingGroupName": "AutoScalingGroups",
    "InstanceId": "Reservations",
    "NetworkInterfaceId": "NetworkInterfaces",
    "SubnetCidrReservationId": "SubnetIpv4CidrReservations",
    "CidrBlock": "Subnets",
}
"""Fields that identify the rows of each answer, outer rows first, and the answer's member."""

_HISTORY: Final = "forecast_exhaustion, or eks-win-capacity forecast"

_OTHERS: Final = {
    "Datapoints": _HISTORY,
    "InstanceTypes": "Catalog.from_describe_instance_types",
    "InstanceTypeOfferings": "Catalog.from_describe_instance_types",
    "MetricDataResults": f"aws.load_usage_history(files=...), {_HISTORY}",
    "PriceList": "aws.load_prices(files=...)",
    "SpotPriceHistory": "aws.load_prices(files=...)",
    "data": _HISTORY,
}
"""Answers without the state of a cluster, and the functions that read them."""


@checked_call
def load_files(*sources: Any) -> ClusterState:
    """
    State of one cluster from saved output of kubectl and the AWS CLI, in any mixture.

    Each source is recognised by its content: objects of kubectl by ``kind`` or ``items``,
    answers of the AWS CLI by their member (``cluster``, ``Subnets`` ...), and a state that
    `ClusterState.save` wrote by its format. A ClusterConfig of eksctl, which says what was
    planned, fills in what no other source contains. The configurationValues of the vpc-cni
    add-on may also stand alone, as may the rows of an EC2 answer that ``--query`` selected.

    Parameters
    ----------
    *sources : path, str, file, mapping, or a list of these
        JSON or YAML, gzipped or not. Of a folder, all ``.json``, ``.yaml`` and ``.yml`` files
        are read in order of name, gzipped ones too. Folders inside it are not read, nor answers
        for other loaders: prices, usage history, instance types.

    Returns
    -------
    ClusterState

    Raises
    ------
    DocumentError
        If a source is damaged or of an unknown kind, or a folder has no such file.
    StateConflictError
        If two sources disagree.
    OSError
        If a file cannot be opened.

    Examples
    --------
    >>> state = load_files(
    ...     {"cluster": {"name": "prod", "version": "1.30", "platformVersion": "eks.5"}},
    ...     {"kind": "Node", "metadata": {"name": "win-1"}},
    ... )
    >>> state.platform_version, len(state.nodes)
    ('eks.5', 1)
    """
    if not sources:
        raise DocumentError("no source is given", source="the files")
    listed = list(each_source(list(sources)))
    try:
        return _state_of(listed)
    except DocumentError:
        parts = [
            part for source, in_folder in listed for part in _parts(source, in_folder=in_folder)
        ]
        if len(parts) == len(listed):
            raise
    return _state_of(parts)


def _parts(source: Any, *, in_folder: bool) -> list[tuple[Any, bool]]:
    """Documents of a source with output of several tools; else the source itself."""
    try:
        documents = list(wholes(source))
        mixed = len({_kind(one, in_folder=in_folder) for one in documents}) > 1
    except DocumentError:
        mixed = False
    if hasattr(source, "seek"):
        source.seek(0)
    return [(one, in_folder) for one in documents] if mixed else [(source, in_folder)]


def _state_of(sources: list[tuple[Any, bool]]) -> ClusterState:
    """State from sources that each contain the output of one tool."""
    sorted_: dict[str, list[Any]] = {
        name: [] for name in ("kubectl", "aws", "saved", "empty", "eksctl")
    }
    for source, in_folder in sources:
        kind = _kind(source, in_folder=in_folder)
        if kind == "addon":
            sorted_["aws"] += [_described(values) for values in wholes(source)]
        elif kind == "rows":
            sorted_["aws"].append(_answer(list(wholes(source)), source_name(source)))
        elif kind:
            sorted_[kind].append(source)
    state = ClusterState()
    # An empty list has no information; if it is the only source, kubectl.load refuses it.
    alone = not any(sorted_[kind] for kind in ("kubectl", "aws", "saved", "eksctl"))
    if from_kubectl := sorted_["kubectl"] or (sorted_["empty"] if alone else []):
        state = state.merge(kubectl.load(*from_kubectl))
    elif alone:
        raise DocumentError(
            "nothing that was given tells of a cluster: it holds answers of other calls only",
            source="the files",
        )
    if sorted_["aws"]:
        answers = answer_files.gather(*sorted_["aws"])
        state = state.merge(saved_answers.state(answers, saved=True))
    for source in sorted_["saved"]:
        state = state.merge(ClusterState.load(source))
    return _beside(state, planned.load(*sorted_["eksctl"])) if sorted_["eksctl"] else state


def _beside(state: ClusterState, intended: ClusterState) -> ClusterState:
    """The state, with unknown parts filled in from the planned one."""
    known = {part for part in PARTS if getattr(state, part) is not None}
    return replace(
        state,
        **{part: getattr(intended, part) for part in PARTS if part not in known},
        unknown={part: why for part, why in state.unknown.items() if part in known},
    )


def _described(values: dict[str, Any]) -> dict[str, Any]:
    """Values of the vpc-cni add-on in the form of DescribeAddon."""
    return {"addon": {"addonName": "vpc-cni", "configurationValues": json.dumps(values)}}


def _member(row: dict[str, Any]) -> str:
    """Member of the answer with such rows; empty if no known answer has them."""
    return next((member for key, member in _ROWS.items() if key in row), "")


def _answer(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The EC2 answer to which the saved rows belong; rows of several answers are refused."""
    members = sorted({_member(row) or what_it_is(row) for row in rows})
    if len(members) > 1:
        raise DocumentError(
            f"{name} mixes rows of {' and '.join(members)}: save each answer by itself", source=name
        )
    return {members[0]: [{"Instances": rows}] if members[0] == "Reservations" else rows}


def _kind(source: Any, *, in_folder: bool) -> str:
    """Tool that wrote a source; empty for a file in a folder that another loader reads."""
    name = source_name(source)
    head = beginning(source, name=name)
    if "format" in head:
        return "saved"
    # ListAddons returns names; in a ClusterConfig, add-ons may come before the kind.
    addons = head.get("addons")
    early = isinstance(addons, list) and any(isinstance(one, dict) for one in addons)
    if head.get("kind") == planned.KIND or early:
        return "eksctl"
    if _KUBECTL & head.keys():
        untold = head.get("items") == [] and head.get("kind", "List") == "List"
        return "empty" if untold else "kubectl"
    if _member(head):
        return "rows"
    if answer_files.KEYS.keys() & head.keys():
        return "aws"
    if _ADDON & head.keys():
        return "addon"
    # The identifier of a row may come after nested lists.
    first = next(wholes(source, name=name))
    if hasattr(source, "seek"):
        source.seek(0)
    if _member(first):
        return "rows"
    other = next((loader for key, loader in _OTHERS.items() if key in head), "")
    if other and in_folder:
        return ""
    raise DocumentError(
        f"{name} is {what_it_is(head) if head else 'empty'}, and neither of kubectl, of the AWS CLI on clusters nor a "
        "saved state"
        + (f"; give it to {other}" if other else "; save whole answers, without --query or jq"),
        source=name,
    )
