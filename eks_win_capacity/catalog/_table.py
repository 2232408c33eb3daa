"""The bundled table: its compact text, to rows and from rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_win_capacity.catalog._instance_type import InstanceType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_HYPERVISORS = {"n": "nitro", "x": "xen", "-": None}
_LETTERS = {hypervisor: letter for letter, hypervisor in _HYPERVISORS.items()}


def from_text(
    text: str, regions: Sequence[str], sets: Sequence[tuple[str, ...]]
) -> list[InstanceType]:
    """
    Read the rows of the compact table.

    Parameters
    ----------
    text : str
        Lines of ``name addresses interfaces vcpus memory architectures
        hypervisor flags usage regions``. Flags: 1 current generation, 2 bare
        metal. Regions: a bit mask in hexadecimal digits.
    regions : sequence of str
        The region of each bit.
    sets : sequence of tuple of str
        What the numbers under architectures and usage stand for.
    """
    # Few masks occur often: most types are offered in the same regions as others.
    offered: dict[str, tuple[str, ...]] = {}
    rows = []
    for line in text.strip().split("\n"):
        name, addresses, interfaces, vcpus, memory, arch, hypervisor, flags, usage, mask = (
            line.split(" ")
        )
        if mask not in offered:
            bits = int(mask, 16)
            offered[mask] = tuple(r for bit, r in enumerate(regions) if bits >> bit & 1)
        rows.append(
            InstanceType(
                name=name,
                ipv4_per_interface=int(addresses),
                network_interfaces=int(interfaces),
                vcpus=int(vcpus),
                memory_mib=int(memory),
                architectures=sets[int(arch)],
                hypervisor=_HYPERVISORS[hypervisor],
                bare_metal=flags in "23",
                current_generation=flags in "13",
                usage_classes=sets[int(usage)],
                regions=offered[mask],
            )
        )
    return rows


def to_text(
    rows: Iterable[InstanceType], regions: Sequence[str], sets: Sequence[tuple[str, ...]]
) -> str:
    """Write the rows of the compact table; see `from_text`."""
    number = {texts: index for index, texts in enumerate(sets)}
    bit = {region: 1 << index for index, region in enumerate(regions)}
    lines = [
        f"{row.name} {row.ipv4_per_interface} {row.network_interfaces} {row.vcpus} "
        f"{row.memory_mib} {number[row.architectures]} {_LETTERS[row.hypervisor]} "
        f"{row.current_generation + 2 * row.bare_metal} {number[row.usage_classes]} "
        f"{sum(bit[region] for region in row.regions):x}"
        for row in rows
    ]
    return "\n" + "\n".join(lines) + "\n"
