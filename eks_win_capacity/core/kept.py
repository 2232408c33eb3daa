"""What was found out about an object, kept for as long as that object lives."""

from __future__ import annotations

import weakref
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class KeptFor(Generic[T]):
    """
    A few values, each for one object, which is known by its identity.

    A column has no hash, and to compare two costs more than to ask again. The object
    is referred to weakly: neither is it kept alive, nor can another one that gets its
    address be taken for it.

    Parameters
    ----------
    most : int
        How many values are kept; one more, and all are forgotten.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[int, tuple[weakref.ref[Any], T]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, owner: object) -> T | None:
        """The value of an object, None without one."""
        kept = self._kept.get(id(owner))
        return kept[1] if kept is not None and kept[0]() is owner else None

    def keep(self, owner: object, value: T) -> T:
        """The value, kept until its object dies."""
        key, kept = id(owner), self._kept
        if len(kept) >= self._most:
            kept.clear()
        kept[key] = (weakref.ref(owner, lambda _: kept.pop(key, None)), value)
        return value
