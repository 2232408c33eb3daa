"""All the mixes of pods that a node can hold, where they are few enough to be listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from eks_win_capacity.packing.deadline import Deadline

if TYPE_CHECKING:
    from eks_win_capacity.packing.problem import Flags, Floats, Ints
    from eks_win_capacity.planning.model import Model

__all__ = ["Patterns", "list_patterns"]

_MIXES: Final = 1_500
"""Mixes of pods on a node up to which all are listed."""

_COLUMNS: Final = 6_000
"""Patterns, each in each subnet, up to which an integer program takes them all."""


_NEVER = Deadline()


@dataclass(frozen=True)
class Patterns:
    """Each mix that fits on some node, on each type that could be best for it."""

    mix: Ints
    node: Ints
    cost: Floats
    addresses: Ints
    prefixes: Ints

    def __len__(self) -> int:
        return len(self.node)


def list_patterns(
    model: Model, *, every_type: bool = False, empty: bool = False, deadline: Deadline = _NEVER
) -> Patterns | None:
    """
    List the patterns, of each mix on the best types alone; None where they are too many.

    Nodes without pods are among them where ``empty`` says so.
    """
    problem = model.problem
    allowed: Flags = np.zeros((len(model.nodes), problem.shapes), dtype=bool)
    allowed[model.node] = problem.allowed
    rooms = np.array([node.room for node in model.nodes], dtype=np.int64)
    mixes = _mixes(problem.need, np.minimum(problem.count, problem.most), rooms, allowed)
    if mixes is None:
        return None
    mixes = mixes if empty else mixes[mixes.any(axis=1)]
    used = mixes @ problem.need
    columns: list[tuple[int, int, float, int, int]] = []
    for place, mix in enumerate(mixes):
        deadline.check()
        fits = (rooms >= used[place]).all(axis=1) & allowed[:, mix > 0].all(axis=1)
        pods = int(used[place, 2])
        able = [
            (node.cost, node.addresses(pods), int(node.prefixes[pods]), at)
            for at, node in enumerate(model.nodes)
            if fits[at]
        ]
        columns += [
            (place, one[3], *one[:3]) for one in (able if every_type else _best(sorted(able)))
        ]
    if len(columns) * max(len(model.sites), 1) > _COLUMNS:
        return None
    return Patterns(
        mixes[[one[0] for one in columns]],
        np.array([one[1] for one in columns], dtype=np.int64),
        np.array([one[2] for one in columns], dtype=np.float64),
        np.array([one[3] for one in columns], dtype=np.int64),
        np.array([one[4] for one in columns], dtype=np.int64),
    )


def _mixes(need: Ints, most: Ints, rooms: Ints, allowed: Flags) -> Ints | None:
    """List the mixes that some node holds."""
    rows = np.zeros((1, len(need)), dtype=np.int64)
    for shape in range(len(need)):
        cap = int(most[shape])
        fits = [
            int(min(have // want for have, want in zip(room, need[shape], strict=True) if want))
            for room, may in zip(rooms.tolist(), allowed[:, shape].tolist(), strict=True)
            if may
        ]
        cap = max(0, min(cap, max(fits, default=0)))
        if len(rows) * (cap + 1) > 40 * _MIXES:
            return None
        rows = np.repeat(rows, cap + 1, axis=0)
        rows[:, shape] = np.tile(np.arange(cap + 1), len(rows) // (cap + 1))
        used = rows @ need
        holds: Flags = np.zeros(len(rows), dtype=bool)
        for room, may in zip(rooms, allowed, strict=True):
            holds |= (used <= room).all(axis=1) & (rows[:, ~may] == 0).all(axis=1)
        rows = rows[holds]
        if len(rows) > _MIXES:
            return None
    return rows


def _best(able: list[tuple[float, int, int, int]]) -> list[tuple[float, int, int, int]]:
    """Leave out the types that another one beats in cost, addresses and prefixes."""
    kept: list[tuple[float, int, int, int]] = []
    for one in able:
        if not any(two[1] <= one[1] and two[2] <= one[2] for two in kept):
            kept.append(one)
    return kept
