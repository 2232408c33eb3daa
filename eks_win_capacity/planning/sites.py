"""Where nodes may stand: what each subnet has left for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from eks_win_capacity.addresses.subnet import Subnet
from eks_win_capacity.core.arguments import names
from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX
from eks_win_capacity.core.errors import InputError, UnsupportedInputError
from eks_win_capacity.planning.model import Site

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["read_sites"]


def read_sites(
    subnets: Any, zones: Sequence[str] | None, *, prefix: bool, certain: bool = True
) -> tuple[Site, ...]:
    """
    Read subnets, or bare zones.

    Parameters
    ----------
    subnets : Subnet, str, SubnetState, iterable of these, mapping, or None
        A mapping goes from zone to one of them or to a list.
    zones : sequence of str, optional
        Zones where no subnets are given.
    prefix : bool
        Whether nodes take /28 blocks.
    certain : bool
        Whether each single address counts as a block that it breaks, unless a reservation keeps
        it out.

    Raises
    ------
    InputError
        If there is none, one is given twice, or a zone is told twice.
    UnsupportedInputError
        If one is of another kind.
    """
    if subnets is None:
        named = names(() if zones is None else zones, name="zones")
        return tuple(Site(zone=zone) for zone in sorted(set(named)))
    if zones is not None:
        raise InputError("give subnets or zones, not both: each subnet tells its zone")
    sites = [
        _site(subnet, zone, prefix=prefix, certain=certain) for zone, subnet in _listed(subnets)
    ]
    if not sites:
        raise InputError("subnets is empty; give at least one, or None for no limit")
    for name, number in Counter(site.subnet for site in sites).items():
        if number > 1:
            raise InputError(f"the subnet {name} is given twice")
    return tuple(sorted(sites, key=lambda site: (site.zone, site.subnet)))


def _listed(subnets: Any) -> list[tuple[str, Any]]:
    if _is_one(subnets):
        return [("", subnets)]
    if isinstance(subnets, Mapping):
        return [
            (str(zone), one)
            for zone, told in subnets.items()
            for one in ([told] if _is_one(told) or not isinstance(told, Iterable) else told)
        ]
    if not isinstance(subnets, Iterable) or hasattr(subnets, "columns"):
        raise UnsupportedInputError(
            f"subnets must be Subnet, a list of them, or a mapping by zone; got "
            f"{type(subnets).__name__}"
        )
    return [("", one) for one in subnets]


def _is_one(value: Any) -> bool:
    return isinstance(value, str) or hasattr(value, "cidr")


def _site(given: Any, zone: str, *, prefix: bool, certain: bool) -> Site:
    subnet = Subnet(given) if isinstance(given, str) else given
    if hasattr(subnet, "subnet") and hasattr(subnet, "available"):
        state, subnet = subnet, subnet.subnet
        if subnet is None:
            raise InputError(
                f"nothing tells how much of {state.subnet_id} is in use: its reservations hide "
                "it from the count, so its network interfaces are needed as well"
            )
    for name in ("free", "free_prefixes", "cidr"):
        if name not in dir(subnet):
            raise UnsupportedInputError(f"subnets must hold Subnet; got {type(subnet).__name__}")
    own = str(getattr(subnet, "zone", None) or "")
    if zone and own and zone != own:
        raise InputError(f"{subnet.cidr} is listed under zone {zone} and says {own} itself")
    site = Site(
        zone=own or zone,
        subnet=str(getattr(subnet, "subnet_id", None) or subnet.cidr),
        free=int(getattr(subnet, "free_outside_reservations", subnet.free)),
        blocks=0,
        source=subnet,
    )
    return _with_blocks(site, subnet, certain=certain) if prefix else site


def _with_blocks(site: Site, subnet: Any, *, certain: bool) -> Site:
    """
    Count the blocks, and give the single addresses their own limit where one is needed.

    AWS serves prefixes from prefix reservations first, and nothing else from there: blocks
    inside count for prefixes, and never for the nodes' own addresses.
    """
    if not getattr(subnet, "placement_known", True):
        blocks = int(subnet.prefix_estimate.worst)
        return replace(site, blocks=blocks, guessed=True, breaks=certain)
    blocks = int(subnet.free_prefixes)
    if not getattr(subnet, "reservations", ()):
        return replace(site, blocks=blocks, breaks=certain)
    inside = int(subnet.census.free_prefixes_reserved)
    site = replace(site, free=site.free + ADDRESSES_PER_PREFIX * inside, singles=site.free)
    if certain and 2 * inside >= blocks:
        # What is reserved is certain; what lies outside is left alone.
        return replace(site, blocks=inside)
    return replace(site, blocks=blocks, breaks=certain)
