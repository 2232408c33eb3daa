"""A check of a cluster, and the findings that it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Final

from eks_win_capacity.cluster.cluster_view import ClusterView
from eks_win_capacity.cluster.remedies import how_told, partition_of, word
from eks_win_capacity.cluster.serving import group_of, heard, legacy_components
from eks_win_capacity.core.display import Shown
from eks_win_capacity.core.errors import without_accounts
from eks_win_capacity.core.findings import Finding, Outcome, Severity

if TYPE_CHECKING:
    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.cluster.state import (
        ClusterState,
        Node,
        NodeClass,
        NodeGroup,
        Pod,
        WorkloadManifest,
    )

_EKS: Final = "https://docs.aws.amazon.com/eks/latest"
GUIDE: Final = (
    'Amazon EKS user guide, "Deploy Windows nodes on EKS clusters": '
    f"{_EKS}/userguide/windows-support.html"
)
AMIS: Final = (
    'Amazon EKS user guide, "Create nodes with optimized Windows AMIs": '
    f"{_EKS}/userguide/eks-optimized-windows-ami.html"
)
ENTRIES: Final = (
    'Amazon EKS user guide, "Grant IAM users access to Kubernetes with EKS access entries": '
    f"{_EKS}/userguide/access-entries.html"
)
SUBNETS: Final = (
    'Amazon EKS user guide, "Amazon EKS networking requirements for VPC and subnets": '
    f"{_EKS}/userguide/network-reqs.html"
)
PREFIXES: Final = (
    'Amazon EKS user guide, "Assign more IP addresses to Amazon EKS nodes with prefixes": '
    f"{_EKS}/userguide/cni-increase-ip-addresses.html"
)
MEMORY: Final = (
    f'EKS best practices guide, "Avoiding OOM errors": {_EKS}/best-practices/windows-oom.html'
)
CONTROLLER: Final = (
    "amazon-vpc-resource-controller-k8s, commit b8d425119bdb: "
    "https://github.com/aws/amazon-vpc-resource-controller-k8s/tree/b8d425119bdb"
)

KARPENTER: Final = "Karpenter, NodePools: https://karpenter.sh/docs/concepts/nodepools/"

SHOWN: Final = 10
"""Number of offenders named in a finding."""

_STALE_DAYS: Final = 183
"""Age above which the data behind a verdict are called old. [days]"""


class Look(ClusterView):
    """The state under check, a date, and values that several checks use."""

    def __init__(self, state: ClusterState, catalog: Catalog, now: date | None = None) -> None:
        super().__init__(state, catalog, None)
        self.now = now

    @property
    def cluster(self) -> str:
        """The cluster's name as one word of a shell command."""
        return word(self.state.name, "CLUSTER_NAME")

    @property
    def partition(self) -> str:
        """The AWS partition of the cluster's region, as ARNs name it."""
        return partition_of(self.state)

    @cached_property
    def legacy(self) -> list[str] | None:
        """Components of legacy Windows support that are present; None if not known."""
        return legacy_components(self.state)

    @cached_property
    def windows_types(self) -> dict[str, list[str]] | None:
        """Users of each instance type of Windows nodes, node groups and NodePools."""
        nodes, groups = self.state.windows_nodes, self.state.node_groups
        if nodes is None and groups is None and not self.pools:
            return None
        users: dict[str, list[str]] = {}
        for node in self.windows:
            users.setdefault(node.instance_type, []).append(f"node {node.name}")
        for group in self.groups:
            for name in group.instance_types:
                users.setdefault(name, []).append(f"node group {group.name}")
        for pool, _ in self.pools:
            for name in pool.instance_types:
                users.setdefault(name, []).append(f"NodePool {pool.name}")
        return users

    @property
    def windows_classes(self) -> list[NodeClass]:
        """EC2NodeClasses known to run Windows."""
        return [node_class for node_class in self.state.node_classes or () if node_class.windows]

    @cached_property
    def linux_groups(self) -> list[NodeGroup]:
        """Node groups known to run Linux."""
        return [g for g in self.state.node_groups or () if self.systems[g.name] == "linux"]

    @cached_property
    def hidden_groups(self) -> list[NodeGroup]:
        """Node groups whose operating system is not known."""
        return [g for g in self.state.node_groups or () if not self.systems[g.name]]

    def role_of(self, node: Node) -> str:
        """
        IAM role of a node, from its group, its instance or its EC2NodeClass.

        Empty if none of them is known.
        """
        group = group_of(node, self.state)
        if group is not None and group.role:
            return group.role
        if role := self._instance_roles.get(node.instance_id, ""):
            return role
        return self._pool_roles.get(node.node_pool, "")

    @cached_property
    def _instance_roles(self) -> dict[str, str]:
        return {one.instance_id: one.role for one in self.state.instances or ()}

    @cached_property
    def _pool_roles(self) -> dict[str, str]:
        pairs = [(pool, self.classes.get(pool.node_class)) for pool in self.state.node_pools or ()]
        return {pool.name: node_class.role for pool, node_class in pairs if node_class is not None}

    def roles(self, system: str) -> dict[str, str]:
        """IAM roles of the nodes of an operating system, each with one of its users."""
        groups = self.groups if system == "windows" else self.linux_groups
        holders = {group.role: group.name for group in groups if group.role}
        for node in self.state.nodes or ():
            if node.os == system and (role := self.role_of(node)):
                holders.setdefault(role, f"node {node.name}")
        for node_class in self.state.node_classes or ():
            if node_class.role and node_class.windows is (system == "windows"):
                holders.setdefault(node_class.role, f"EC2NodeClass {node_class.name}")
        return holders

    @cached_property
    def karpenter(self) -> bool | None:
        """Whether Karpenter starts nodes in this cluster; None if not known."""
        state = self.state
        if (
            state.node_pools
            or any(node.node_pool for node in state.nodes or ())
            or heard(state.pods or (), "karpenter")
        ):
            return True
        if state.node_pools is not None:
            return False
        if self.makers is None:
            return None
        installed = any("karpenter" in name for name in self.makers)
        return None if self.state.only_namespace and not installed else installed

    def aged(self, day: str) -> str:
        """
        Note on data that are older than six months; empty for newer ones.

        The day is the ISO 8601 date of the data; a month or a year stands for its first day.
        """
        parts = [int(part) for part in day.split("-")[:3] if part.isdecimal()]
        if self.now is None or not parts:
            return ""
        read = date(parts[0], *([*parts[1:], 1, 1][:2]))
        if (self.now - read).days <= _STALE_DAYS:
            return ""
        return f" (these data are of {day}, older than six months)"

    @cached_property
    def makers(self) -> dict[str, tuple[WorkloadManifest | Pod, str]] | None:
        """Each manifest, and each owner of pods without one, with its operating system."""
        state = self.state
        if state.workloads is None and state.pods is None:
            return None
        makers: dict[str, tuple[WorkloadManifest | Pod, str]] = {
            w.full_name: (w, w.selects_os or w.declares_os) for w in state.workloads or ()
        }
        for pod in state.pods or ():
            # A Pod owned by a Node is a static pod of the kubelet, never scheduled.
            if pod.active and not pod.owner.startswith("Node/"):
                kind, _, owner = pod.owner.partition("/")
                name = f"{kind} {pod.namespace}/{owner}" if owner else f"Pod {pod.full_name}"
                known = makers.setdefault(name, (pod, state.pod_os(pod)))
                if not known[1]:
                    # A manifest that does not name a system is for the one that its pods run on.
                    makers[name] = (known[0], state.pod_os(pod))
        return makers

    @cached_property
    def windows_makers(self) -> list[WorkloadManifest | Pod] | None:
        """Manifests and pods that require Windows; None if neither are known."""
        state = self.state
        if state.workloads is None and state.pods is None:
            return None
        makers: list[WorkloadManifest | Pod] = [
            w
            for w in state.workloads or ()
            # A DaemonSet creates no pods without a node, so its manifest alone requires nothing.
            if "windows" in {w.selects_os, w.declares_os}
            and (w.kind != "DaemonSet" or w.selects_compute)
        ]
        makers += state.windows_pods or ()
        return makers

    def instead_of(self, name: str) -> str:
        """A phrase with a similar type that supports Windows and prefixes; empty if none does."""
        row = self.row(name)
        like = [
            other
            for other in self.advised
            if row is not None and other.vcpus >= row.vcpus and other.memory_mib >= row.memory_mib
        ]
        if not like:
            return ""
        best = min(like, key=lambda r: (r.name[0] != name[0], r.vcpus, r.memory_mib, r.name))
        return f", such as {best.name}"

    def cni_flag(self, variable: str) -> bool | None:
        """A switch of the VPC CNI, from its DaemonSet or its add-on; None if not known."""
        env = self.state.cni_env
        if env is None and self.state.addons is not None:
            addon = next((a for a in self.state.addons if a.name == "vpc-cni"), None)
            given = None if addon is None else addon.configuration.get("env", {})
            env = given if isinstance(given, dict) else None
        return None if env is None else str(env.get(variable, "")).lower() in {"1", "t", "true"}


@dataclass(frozen=True, kw_only=True)
class Check(Shown):
    """
    One consideration of the guide, as a check of a cluster.

    Attributes
    ----------
    code : str
        Its code in findings, in kebab-case.
    considers : str
        The consideration, in a few words.
    severity : {"error", "warning", "info"}
        Severity of a failure.
    why : str
        Why it matters.
    source : str
        Source of the rule, with its URL.
    whole : tuple of str
        Parts of the state that must be complete for a pass, because the missing rest could fail.
    about : tuple of str
        Parts that a pass without a subject speaks of: without them it is unknown.
    needs : tuple of str
        Parts without which the outcome is unknown; ``a|b`` if either one is enough.
    look : callable
        The decorated function, which reads the state and yields findings.
    clear : str
        Message of the pass if `look` yields no findings; empty if it always yields some.
    """

    code: str = field(kw_only=False)
    considers: str
    severity: Severity
    why: str
    source: str = GUIDE
    whole: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    # By a factory: a plain default stands in the class, where it is taken for a method.
    look: Run = field(default_factory=lambda: lambda *_: iter(()), repr=False)
    clear: str = field(default="", repr=False)

    def __call__(self, look: Run) -> Check:
        """Decorator of a function: a copy of this check with it as `look`."""
        return replace(self, look=look)

    def run(self, look: Look) -> Iterator[Finding]:
        """Findings; if a required part is incomplete, unknown replaces an overall pass."""
        state = look.state
        wanted = [need.split("|") for need in self.needs]
        missing = [
            part
            for parts in wanted
            if all(getattr(state, part) is None for part in parts)
            for part in parts
        ]
        if missing:
            yield self.unknown(look, *missing)
            return
        findings = list(self.look(self, look))
        if not findings and self.clear:
            findings.append(self.passed(self.clear))
        if unseen := [part for part in self.about if getattr(state, part) is None]:
            findings = [
                self.unknown(look, *unseen) if f.outcome == "pass" and not f.subject else f
                for f in findings
            ]
        partial = [p for p in self.whole if getattr(state, p) is not None and p in state.unknown]
        doubtful = partial and all(f.outcome == "pass" for f in findings)
        for finding in findings:
            if not doubtful or finding.subject:
                yield finding
        if doubtful:
            yield self.unknown(
                look, *partial, seen=f"known only in part: {self._reasons(look, partial)}"
            )

    def failed(
        self,
        seen: str,
        remedy: str,
        *,
        subject: str = "",
        severity: Severity | None = None,
        files: dict[str, str] | None = None,
    ) -> Finding:
        """Finding with outcome fail."""
        return self._finding("fail", seen, remedy, subject, severity=severity, files=files)

    def passed(self, seen: str, *, subject: str = "") -> Finding:
        """Finding with outcome pass."""
        return self._finding("pass", seen, "", subject)

    def unknown(
        self, look: Look, *parts: str, seen: str = "", remedy: str = "", subject: str = ""
    ) -> Finding:
        """Finding with outcome unknown: the missing parts, and how to get them."""
        return self._finding(
            "unknown",
            seen or f"not known: {self._reasons(look, parts)}",
            remedy or how_told(look.state, parts),
            subject,
        )

    def lacking(self, look: Look, **parts: object) -> Finding:
        """Finding with outcome unknown, for those of the given parts that are None."""
        return self.unknown(look, *(name for name, value in parts.items() if value is None))

    def _finding(
        self,
        outcome: Outcome,
        seen: str,
        remedy: str,
        subject: str,
        *,
        severity: Severity | None = None,
        files: dict[str, str] | None = None,
    ) -> Finding:
        return Finding(
            code=self.code,
            severity=severity or self.severity,
            outcome=outcome,
            seen=without_accounts(seen),
            why=self.why,
            remedy=without_accounts(remedy),
            source=self.source,
            subject=subject,
            files=tuple((files or {}).items()),
        )

    @staticmethod
    def _reasons(look: Look, parts: tuple[str, ...] | list[str]) -> str:
        return "; ".join(
            f"{part.replace('_', ' ')}: "
            f"{look.state.unknown.get(part, 'not known').partition('; ')[0]}"
            for part in parts
        )


Run = Callable[[Check, Look], Iterator[Finding]]


def some(names: list[str] | tuple[str, ...]) -> str:
    """The first few of many names, as one string."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def windows_group(look: Look) -> str:
    """Command that creates a Windows node group, as the cluster's partition allows."""
    if look.partition != "aws":
        return (
            "a self-managed one, for EKS has Windows AMI types in commercial Regions alone: aws "
            "autoscaling create-auto-scaling-group with a launch template of a Windows AMI"
        )
    subnets = " ".join(word(s, "SUBNET_ID") for s in look.state.subnet_ids or ())
    return (
        f"aws eks create-nodegroup --cluster-name {look.cluster} --nodegroup-name windows "
        f"--subnets {subnets or word(None, 'SUBNET_ID')} --instance-types m5.large --ami-type "
        f"WINDOWS_CORE_2022_x86_64 --node-role {word(None, 'WINDOWS_NODE_ROLE_ARN')}"
    )
