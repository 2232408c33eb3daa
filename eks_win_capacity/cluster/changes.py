"""One thing to do for a pod that waits, and what it gains."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Change:
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
    why : str
        What the gain comes from, or why there is none.
    """

    code: str
    remedy: str
    gain: int | None = None
    unit: str = "pods"
    feasible: bool | None = True
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as a plain mapping."""
        return asdict(self)
