"""One thing to do for a pod that waits, and what it gains."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from eks_win_capacity.core.display import Shown


@dataclass(frozen=True, kw_only=True)
class Change(Shown):
    """
    One thing to do, and what it gains.

    Attributes
    ----------
    code : str
        Such as ``prefix-delegation``, ``more-nodes``.
    remedy : str
        What to do, with the exact command where there is one.
    gain : int or None
        How much it gives, in `unit`; None where that is not known.
    unit : {"pods", "addresses", "prefixes", ""}
        Of the gain: places for pods like this one, or what a subnet gets back.
    feasible : bool or None
        Whether it helps here; None where the state does not tell.
    nodes : int
        Nodes that are started, and those that are drained, for it: how much it disturbs.
    why : str
        What the gain comes from, or why there is none.
    """

    code: str
    remedy: str
    gain: int | None = None
    unit: str = "pods"
    feasible: bool | None = True
    why: str = ""
    nodes: int = 0

    def rank(self, waiting: int) -> tuple[bool, bool, bool, int]:
        """
        Place among other changes for some waiting pods: the smallest that is enough first.

        What certainly helps comes before what may, what serves all that wait before what
        serves a part, and then what touches the fewest nodes.

        Examples
        --------
        >>> one = Change(code="more-nodes", remedy="", gain=9, nodes=1)
        >>> all_ = Change(code="prefix-delegation", remedy="", gain=200, nodes=20)
        >>> [min((one, all_), key=lambda c: c.rank(n)).code for n in (2, 100)]
        ['more-nodes', 'prefix-delegation']
        """
        partial = self.unit == "pods" and self.gain is not None and self.gain < waiting
        return (self.feasible is False, self.feasible is None, partial, self.nodes)

    def to_dict(self) -> dict[str, Any]:
        """The fields as a plain mapping."""
        return asdict(self)
