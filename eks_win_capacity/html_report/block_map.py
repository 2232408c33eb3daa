"""Which /28 blocks of a subnet are free, as a picture in a few hundred bytes."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Final

from eks_win_capacity.core.display import count_of
from eks_win_capacity.plots import BLOCKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eks_win_capacity.addresses.subnet import Subnet

_LABEL: Final = 110
"""Width of the addresses beside the rows. [px]"""

PATTERNS: Final = """<svg width="0" height="0" aria-hidden="true" focusable="false"><defs>
<pattern id="p-withheld" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="i-withheld" width="6" height="6"/><path class="mark" d="M-1 7L7-1M-1 1L1-1M5 7L7 5"/></pattern>
<pattern id="p-partly-used" width="5" height="5" patternUnits="userSpaceOnUse"><rect class="i-partly-used" width="5" height="5"/><circle class="dot" cx="2.5" cy="2.5" r="1.2"/></pattern>
<pattern id="p-kept" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="i-kept" width="6" height="6"/><path class="mark" d="M0 0L6 6M6 0L0 6"/></pattern>
</defs></svg>"""
"""Hatches, once in a page: they speak where colour does not."""


def block_map(subnet: Subnet) -> str:
    """
    Figure of the blocks of a subnet, with their number by state.

    Parameters
    ----------
    subnet : Subnet
        One whose used addresses are known.
    """
    blocks = subnet.blocks()
    state = blocks["state"].mask((blocks["state"] == "whole-free") & ~blocks["serves"], "withheld")
    states = state.tolist()
    wide = min(16 if len(states) <= 256 else 64, len(states))
    side = 20 if wide <= 16 else 10
    high = -(-len(states) // wide)
    counts = {name: states.count(name) for name in BLOCKS}
    free, broken = counts["whole-free"], counts["partly-used"]
    name = f"{subnet.subnet_id} {subnet.cidr}".strip()
    title = (
        f"{name}: {count_of(free, 'block is', 'blocks are')} free of {len(states):,}, "
        f"{count_of(broken, 'is', 'are')} broken"
    )
    firsts = [str(cidr).partition("/")[0] for cidr in blocks["cidr"].iloc[::wide]]
    every = -(-high // 32)
    labels = "".join(
        f'<text x="0" y="{side * row + side // 2 + 4}">{escape(first)}</text>'
        for row, first in enumerate(firsts)
        if row % every == 0
    )
    paths = "".join(
        f'<path class="b-{name}" d="{_runs(states, name, wide, side)}"/>'
        for name, number in counts.items()
        if number
    )
    lines = "".join(f"M0 {side * row}h{side * wide}" for row in range(1, high))
    lines += "".join(f"M{side * at} 0v{side * high}" for at in range(1, wide))
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg width="{_LABEL + side * wide}" height="{side * high}" '
        f'viewBox="0 0 {_LABEL + side * wide} {side * high}" role="img" '
        f'aria-label="{escape(title)}">{labels}<g transform="translate({_LABEL} 0)">{paths}'
        f'<path class="grid" d="{lines}"/></g></svg>{_key(counts)}</figure>'
    )


def _runs(states: Sequence[str], name: str, wide: int, side: int) -> str:
    """Neighbours of one state as one box each."""
    boxes = []
    for top in range(0, len(states), wide):
        at = 0
        for state, run in groupby(states[top : top + wide]):
            length = len(list(run))
            if state == name:
                width = side * length
                boxes.append(f"M{side * at} {side * (top // wide)}h{width}v{side}h-{width}z")
            at += length
    return "".join(boxes)


def _key(counts: dict[str, int]) -> str:
    """What the colours mean, with the number of blocks."""
    items = "".join(
        f'<li><svg width="14" height="14" aria-hidden="true"><rect class="b-{name}" width="14" '
        f'height="14"/></svg>{escape(BLOCKS[name][0])} ({number:,})</li>'
        for name, number in counts.items()
        if number
    )
    return f'<ul class="key">{items}</ul>'
