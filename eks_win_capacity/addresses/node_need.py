"""What does one Windows node of a type take from its subnet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from eks_win_capacity.addresses.warm_pool import WarmPool, curve_of, targets_of
from eks_win_capacity.catalog import given_or_bundled
from eks_win_capacity.core import kernels
from eks_win_capacity.core.arguments import flag
from eks_win_capacity.core.arrays import counts
from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX, NODE_ADDRESSES
from eks_win_capacity.core.errors import InvalidCountError, UnsupportedInputError
from eks_win_capacity.core.findings import Finding

if TYPE_CHECKING:
    from eks_win_capacity.catalog import Catalog, InstanceType

Mode = Literal["secondary", "prefix"]


@dataclass(frozen=True, kw_only=True)
class NodeNeed:
    """
    What one node takes.

    Attributes
    ----------
    instance_type : InstanceType
        The type of the node.
    pool : WarmPool
        The pool that acts there.
    pods : int
        Pods that it runs. [pods]
    addresses : int
        Addresses attached for pods, its own primary one not counted. [addresses]
    prefixes : int
        Prefixes among them. [prefixes]
    findings : tuple of Finding
        What a user should know about this type in this mode.
    """

    instance_type: InstanceType
    pool: WarmPool
    pods: int
    addresses: int
    prefixes: int
    findings: tuple[Finding, ...] = ()

    @property
    def in_all(self) -> int:
        """Count what the node takes, its own address included."""
        return NODE_ADDRESSES + self.addresses


def known_type(name: object, catalog: Catalog | None) -> InstanceType:
    """Look an instance type up, in the bundled table unless another one is given."""
    if not isinstance(name, str):
        raise UnsupportedInputError(f"instance_type must be a name like 'm5.large'; got {name!r}")
    return given_or_bundled(catalog)[name]


def acting_pool(instance: InstanceType, pool: object) -> WarmPool:
    """
    The pool that acts on a type.

    The targets of a ConfigMap go to the pool of its own mode. A type that cannot hold
    prefixes runs the other mode, whose pool keeps its defaults.
    """
    if not isinstance(pool, WarmPool):
        raise UnsupportedInputError(
            f"pool must be a WarmPool, such as WarmPool.prefix() or "
            f"WarmPool.from_configmap(...); got {pool!r}"
        )
    return WarmPool.secondary() if pool.prefix_delegation and not instance.nitro else pool


def node_need(
    instance: InstanceType, *, pods_per_node: object, pool: object, fragmented: bool = False
) -> NodeNeed:
    """
    Count what one node takes from its subnet.

    Raises
    ------
    InvalidCountError
        If the node cannot serve so many pods.
    """
    fragmented = flag(fragmented, name="fragmented")
    acting = acting_pool(instance, pool)
    pods = counts(pods_per_node, name="pods_per_node")
    if pods.ndim:
        raise UnsupportedInputError(f"pods_per_node must be one number; got {pods_per_node!r}")
    curve = curve_of(instance.ipv4_per_interface, acting, fragmented=fragmented)
    if pods > curve.most:
        raise InvalidCountError(_too_many(instance, acting, int(pods), curve.most))
    return NodeNeed(
        instance_type=instance,
        pool=acting,
        pods=int(pods),
        addresses=int(curve.addresses[pods]),
        prefixes=int(curve.prefixes[pods]),
        findings=_findings(instance, pool, acting),
    )


def _too_many(instance: InstanceType, pool: WarmPool, pods: int, most: int) -> str:
    slots = kernels.secondary(instance.ipv4_per_interface)
    if not pool.prefix_delegation and most < slots:
        return (
            f"pods_per_node is {pods:,}, but a pool with warm-ip-target 0 creates nothing beyond "
            f"its minimum, so {instance.name} serves {most:,} pods of its capacity of {slots:,}: "
            "set a warm-ip target of at least 1"
        )
    mode, formula = "secondary", f"{instance.ipv4_per_interface} addresses per interface - 1"
    cure = ""
    if pool.prefix_delegation:
        mode, formula = "prefix", f"({formula}) x {ADDRESSES_PER_PREFIX}"
    elif instance.nitro:
        cure = f", turn prefix delegation on ({kernels.prefix(instance.ipv4_per_interface):,})"
    return (
        f"pods_per_node is {pods:,}; the capacity of {instance.name} in {mode} mode is {most:,} "
        f"pods ({formula}): spread the pods over more nodes{cure}, or take a larger type"
    )


def _findings(instance: InstanceType, asked: object, acting: WarmPool) -> tuple[Finding, ...]:
    found = []
    if instance.windows.status == "unsupported":
        found.append(
            Finding(
                code="windows-unsupported",
                severity="error",
                seen=f"{instance.name} cannot run Windows",
                why=instance.windows.reasons[0].why,
                remedy="take a type of Catalog.bundled().windows()",
                source=instance.windows.source,
                subject=instance.name,
            )
        )
    if asked is not acting:
        found.append(
            Finding(
                code="prefix-pool-not-nitro",
                severity="warning",
                seen=f"a prefix pool for {instance.name}, which is neither Nitro nor bare metal",
                why="such a node stays in secondary mode, with the default targets "
                f"{' and '.join(str(x) for x in targets_of(acting).values() if x)} whatever is set",
                remedy="take a Nitro type, or plan with secondary addresses",
                source="amazon-vpc-resource-controller-k8s b8d425119bdb",
                subject=instance.name,
            )
        )
    return tuple(found)
