"""
Checks of whether a cluster is ready for Windows, and why not.

Every consideration and step of the EKS guide "Deploy Windows nodes on EKS clusters" has a
check here or a calculation elsewhere; docs/considerations.md lists both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from eks_win_capacity.cluster.checks import (
    control_plane,
    node_role,
    node_start,
    scheduling,
    served_nodes,
    versions,
)
from eks_win_capacity.cluster.checks.check import Check, Look
from eks_win_capacity.cluster.remedies import with_account
from eks_win_capacity.cluster.serving import autoscaler_tags
from eks_win_capacity.cluster.state import needs_state
from eks_win_capacity.core.arguments import of_kind
from eks_win_capacity.core.display import Listed
from eks_win_capacity.core.errors import InputError, UnsupportedInputError
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.replacing import replace_file

if TYPE_CHECKING:
    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.cluster.state import ClusterState
    from eks_win_capacity.core.findings import Finding

__all__ = ["CHECKS", "Check", "autoscaler_tags", "check_cluster", "remedies"]

_MODULES = (versions, control_plane, node_role, served_nodes, node_start, scheduling)

CHECKS: tuple[Check, ...] = tuple(
    value for module in _MODULES for value in vars(module).values() if isinstance(value, Check)
)
"""Every check, one per consideration and step of the guide, in the order of the modules."""


@checked_call
def check_cluster(
    state: ClusterState, *, catalog: Catalog | None = None, now: date | None = None
) -> Listed[Finding]:
    """
    Findings on every consideration and step of the EKS guide for Windows nodes.

    Parameters
    ----------
    state : ClusterState
        From `aws.load_cluster`, `kubectl.load`, `load_files`, or their merge.
    catalog : Catalog, optional
        Where instance types are looked up; the bundled table by default.
    now : date, optional
        The date for judging ends of support; by default that of the instance table.

    Returns
    -------
    Listed of Finding
        A tuple that displays, filters (`.failed`) and converts. At least one finding for each of
        `CHECKS`, in their order, with the outcome ``fail``, ``pass`` or ``unknown``, and those of
        the warm pool. Where the state lacks data, the outcome is unknown, never a pass.

    Raises
    ------
    UnsupportedInputError
        If the state is something else.

    References
    ----------
    Amazon EKS user guide, "Deploy Windows nodes on EKS clusters"; EKS best
    practices guide, Windows.

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import ClusterState
    >>> found = check_cluster(ClusterState(ip_family="ipv6"))
    >>> [(f.code, f.seen) for f in found if f.outcome == "fail"]
    [('ip-family', 'the cluster uses ipv6')]
    >>> {f.outcome for f in found if f.code != "ip-family"}
    {'unknown'}
    """
    from eks_win_capacity.catalog import given_or_bundled

    catalog = given_or_bundled(catalog)
    state = needs_state(state)
    if now is not None:
        of_kind(now, date, name="now")
    look = Look(state, catalog, now)
    return Listed(finding for rule in CHECKS for finding in rule.run(look))


@checked_call
def remedies(
    findings: Iterable[Finding],
    *,
    account_id: str | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> dict[str, str]:
    """
    Files for the remedies of failed checks.

    Parameters
    ----------
    findings : iterable of Finding
        From `check_cluster`.
    account_id : str, optional
        The AWS account id, 12 digits. A state does not contain it. Without it, files that need
        it contain ``${AWS_ACCOUNT_ID}`` and say how to look it up.
    folder : path, optional
        Where to write the files; created if missing. Without it, nothing is written.

    Returns
    -------
    dict of str to str
        File names and contents: ConfigMap amazon-vpc-cni with all of its present keys, entries
        for aws-auth, bootstrap arguments and node-template tags, as needed. Files with the same
        name are numbered.

    Raises
    ------
    InputError
        If the account id is invalid.

    Examples
    --------
    >>> from eks_win_capacity.cluster.state import ClusterState
    >>> list(remedies(check_cluster(ClusterState(cni_configmap={}))))
    ['amazon-vpc-cni.yaml']
    """
    if account_id is not None and not re.fullmatch(r"[0-9]{12}", str(account_id)):
        raise InputError("account_id must be the 12 digits of an AWS account")
    files: dict[str, str] = {}
    for finding in _findings(findings):
        if finding.outcome != "fail":
            continue
        for name, text in finding.files:
            # Names come from the cluster and must not lead out of the folder.
            safe = re.sub(r"[^A-Za-z0-9+=,.@_-]", "-", name)
            stem, dot, kind = safe.rpartition(".")
            whole = text if account_id is None else with_account(text, account_id)
            free, number = safe, 1
            while files.get(free, whole) != whole:
                number += 1
                free = f"{stem}-{number}{dot}{kind}"
            files[free] = whole
    if folder is not None:
        target = _folder(folder)
        target.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            replace_file(target / name, text)
    return files


def _findings(findings: object) -> list[Finding]:
    """Findings of an iterable; raises UnsupportedInputError if it contains anything else."""
    from eks_win_capacity.core.findings import Finding

    given = list(findings) if isinstance(findings, Iterable) else [None]
    known = [one for one in given if isinstance(one, Finding)]
    if len(known) < len(given):
        raise UnsupportedInputError(
            f"findings must be those of check_cluster; got {type(findings).__name__}"
        )
    return known


def _folder(folder: object) -> Path:
    if not isinstance(folder, (str, os.PathLike)) or not os.fspath(folder):
        raise UnsupportedInputError(f"folder must be a path; got {folder!r:.60}")
    return Path(os.fspath(folder))
