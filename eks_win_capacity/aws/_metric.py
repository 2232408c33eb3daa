"""Which CloudWatch metric tells the addresses of a subnet, and what its values mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from eks_win_capacity.core.constants import SUBNET_KEPT_FIRST, SUBNET_KEPT_LAST
from eks_win_capacity.core.errors import InputError

Kind = Literal["available", "used", "percent"]

KINDS: Final = ("available", "used", "percent")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """
    A CloudWatch metric that tells the addresses of a subnet.

    Attributes
    ----------
    namespace, metric : str
        Such as ``AWS/IPAM`` and ``SubnetIPUsage``.
    kind : {"available", "used", "percent"}
        What its values count; percent is of addresses in use.
    dimension : str
        The dimension that holds the subnet's id; spelled in any way.
    dimensions : Mapping of str to str
        Further dimensions that must have these values; names spelled in any way.
    statistic : str
        By default the one that keeps the peak of use: Minimum of available,
        Maximum of used.
    percent_of : {"space", "usable"}
        What 100 percent is: all addresses of the CIDR, or those that AWS does not
        keep for itself.

    Raises
    ------
    InputError
        If kind or percent_of is none of these, or a name is empty.
    """

    namespace: str
    metric: str
    kind: Kind
    dimension: str = "SubnetId"
    dimensions: Mapping[str, str] = field(default_factory=dict)
    statistic: str = ""
    percent_of: Literal["space", "usable"] = "space"

    def __post_init__(self) -> None:
        for name, known in (("kind", KINDS), ("percent_of", ("space", "usable"))):
            if getattr(self, name) not in known:
                raise InputError(
                    f"{name} of a metric is one of {', '.join(known)}; got {getattr(self, name)!r}"
                )
        if not (self.namespace and self.metric and self.dimension):
            raise InputError("a metric needs a namespace, a name and the dimension of the subnet")

    def used(self, raw: Any, usable: int) -> Any:
        """
        Used addresses from the metric's own values.

        Parameters
        ----------
        raw : ndarray of float
            The values; missing ones stay missing.
        usable : int
            Addresses of the subnet that AWS does not keep. [addresses]

        Raises
        ------
        InputError
            If a value cannot be of this kind.
        """
        import numpy as np

        size = usable + SUBNET_KEPT_FIRST + SUBNET_KEPT_LAST
        whole = size if self.percent_of == "space" else usable
        used = {"available": usable - raw, "used": raw, "percent": raw / 100 * whole}[self.kind]
        most = whole if self.kind == "percent" else usable
        low, high = np.nanmin(used, initial=0), np.nanmax(used, initial=0)
        if low < -0.5 or high > most + 0.5:
            raise InputError(
                f"the metric gives from {low:,.0f} to {high:,.0f} used of {usable:,} addresses: is "
                f"kind={self.kind!r} right?"
            )
        return np.minimum(used, usable)


IPAM: Final = Metric(namespace="AWS/IPAM", metric="SubnetIPUsage", kind="percent")
"""
What VPC IPAM publishes: the share of a subnet's whole address space that is in use.

Whether the five addresses that AWS keeps count as in use is not documented; what
goes beyond the usable ones is therefore taken as a full subnet.

Sources: AWS announcement of VpcIPUsage, SubnetIPUsage and PublicIPv4PoolIPUsage (2023)
and EC2 API reference, IpamResourceCidr.ipUsage, for what the percentage is of; Amazon
VPC IPAM user guide, "IPAM resource utilization metrics", for the at most 150 subnets
that are published.
"""


def metric_of(source: Metric | Mapping[str, Any] | str) -> Metric:
    """
    Read what names a metric.

    Raises
    ------
    InputError
        If it is none of the three, or a field is wrong.
    """
    if isinstance(source, Metric):
        return source
    if isinstance(source, Mapping):
        try:
            return Metric(**source)
        except TypeError as error:
            raise InputError(
                f"a metric has namespace, metric, kind, dimension, dimensions, statistic and "
                f"percent_of: {error}"
            ) from error
    if source == "ipam":
        return IPAM
    raise InputError(f"source is 'ipam', a Metric or the mapping of its fields; got {source!r}")
