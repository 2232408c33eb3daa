"""What a check is, and how it says what it saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from eks_win_capacity.cluster import PARTS
from eks_win_capacity.configmap import go_bool
from eks_win_capacity.findings import Finding, Severity

if TYPE_CHECKING:
    from eks_win_capacity.catalog import Catalog, InstanceType
    from eks_win_capacity.cluster import ClusterState, NodeGroup

GUIDE: Final = 'EKS user guide, "Deploy Windows nodes on EKS clusters"'
CONTROLLER: Final = "amazon-vpc-resource-controller-k8s, commit b8d425119bdb"
BEST_PRACTICES: Final = "EKS best practices guide, Windows"

SHOWN: Final = 10
"""How many offenders a finding names."""


@dataclass(frozen=True)
class Look:
    """
    The state that checks look at, with what several of them ask of it.

    Attributes
    ----------
    state : ClusterState
    catalog : Catalog
        The instance types to judge by.
    """

    state: ClusterState
    catalog: Catalog

    @cached_property
    def prefix_delegation(self) -> bool | None:
        """Whether the ConfigMap asks for prefix delegation; None where it is not known."""
        data = self.state.cni_configmap
        if data is None:
            return None
        return bool(
            go_bool(data.get("enable-windows-ipam", ""))
            and go_bool(data.get("enable-windows-prefix-delegation", ""))
        )

    @cached_property
    def windows_types(self) -> dict[str, list[str]] | None:
        """Each instance type of Windows nodes and node groups, and who has it."""
        nodes, groups = self.state.windows_nodes, self.state.node_groups
        if nodes is None and groups is None:
            return None
        users: dict[str, list[str]] = {}
        for node in nodes or ():
            users.setdefault(node.instance_type, []).append(f"node {node.name}")
        for group in self.windows_groups:
            for name in group.instance_types:
                users.setdefault(name, []).append(f"node group {group.name}")
        return users

    @cached_property
    def windows_groups(self) -> list[NodeGroup]:
        """The node groups that are known to run Windows."""
        named = {node.node_group for node in self.state.windows_nodes or () if node.node_group}
        return [
            group
            for group in self.state.node_groups or ()
            if group.windows or (group.windows is None and group.name in named)
        ]

    @cached_property
    def linux_groups(self) -> list[NodeGroup]:
        """The node groups that are known to run Linux."""
        named = {
            node.node_group
            for node in self.state.nodes or ()
            if node.node_group and node.os == "linux"
        }
        return [
            group
            for group in self.state.node_groups or ()
            if group.windows is False or (group.windows is None and group.name in named)
        ]

    @cached_property
    def hidden_groups(self) -> list[NodeGroup]:
        """The node groups whose custom AMI hides what they run."""
        known = {id(group) for group in (*self.windows_groups, *self.linux_groups)}
        return [group for group in self.state.node_groups or () if id(group) not in known]

    def row(self, name: str) -> InstanceType | None:
        """Give the catalog's row of a type, or None where it has none."""
        found: InstanceType | None = self.catalog.get(name)
        return found


@dataclass(frozen=True, kw_only=True)
class Check:
    """
    One consideration of the guide, as a question about a cluster.

    Attributes
    ----------
    code : str
        Its name in findings, in kebab-case.
    considers : str
        The consideration, in a few words.
    severity : {"error", "warning", "info"}
        How bad a failure is.
    why : str
        Why it matters.
    source : str
        Where the rule comes from.
    run : callable
        Looks at the state and gives findings.
    """

    code: str
    considers: str
    severity: Severity
    why: str
    source: str
    run: Callable[[Check, Look], Iterator[Finding]]

    def failed(
        self,
        seen: str,
        remedy: str,
        *,
        subject: str = "",
        severity: Severity | None = None,
        files: dict[str, str] | None = None,
    ) -> Finding:
        """Give the finding of a failure."""
        return Finding(
            code=self.code,
            severity=severity or self.severity,
            outcome="fail",
            seen=seen,
            why=self.why,
            remedy=remedy,
            source=self.source,
            subject=subject,
            files=tuple((files or {}).items()),
        )

    def passed(self, seen: str, *, subject: str = "") -> Finding:
        """Give the finding that all is well."""
        return Finding(
            code=self.code,
            severity=self.severity,
            outcome="pass",
            seen=seen,
            why=self.why,
            remedy="",
            source=self.source,
            subject=subject,
        )

    def unknown(
        self, look: Look, *parts: str, seen: str = "", remedy: str = "", subject: str = ""
    ) -> Finding:
        """Give the finding that parts of the state are missing, with how to get them."""
        why = "; ".join(
            f"{part.replace('_', ' ')}: {look.state.unknown.get(part, 'not known').partition('; ')[0]}"
            for part in parts
        )
        commands = dict.fromkeys(PARTS[part] for part in parts if part in PARTS)
        return Finding(
            code=self.code,
            severity=self.severity,
            outcome="unknown",
            seen=seen or f"not known: {why}",
            why=self.why,
            remedy=remedy or f"give the answer of: {'; '.join(commands)}",
            source=self.source,
            subject=subject,
        )


Run = Callable[[Check, Look], Iterator[Finding]]


def check(
    code: str, *, considers: str, severity: Severity, why: str, source: str = GUIDE
) -> Callable[[Run], Check]:
    """Make a check of a function that looks."""

    def made(run: Run) -> Check:
        return Check(
            code=code, considers=considers, severity=severity, why=why, source=source, run=run
        )

    return made


def some(names: list[str] | tuple[str, ...]) -> str:
    """Name the first few of many."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def minor(version: str | None) -> tuple[int, int] | None:
    """
    Read a Kubernetes version as numbers, or None if it is none.

    Examples
    --------
    >>> minor("1.30"), minor("v1.30.4-eks-1552ad0"), minor("latest")
    ((1, 30), (1, 30), None)
    """
    parts = (version or "").removeprefix("v").split(".")
    if len(parts) < 2 or not parts[0].isdigit():
        return None
    digits = parts[1].rstrip("+")
    return (int(parts[0]), int(digits)) if digits.isdigit() else None
