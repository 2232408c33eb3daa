"""What are the limits of many instance types, as arrays for columns of any length."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from eks_win_capacity.catalog.limits import bundled_rows, by_mode
from eks_win_capacity.core.arrays import KeptFor
from eks_win_capacity.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_MOST_KEPT = 64
"""Maximum number of cached results of a table; each takes a few kilobytes."""

_MOST_OWNERS = 16
"""Maximum number of owners of categories whose codes are cached, for repeated small columns."""


class LimitTable:
    """
    Limits of many types as arrays; the last code, `sentinel`, is for unknown names.

    With a code of their own, unknown and missing names need no special case, and no -1 can
    be clipped to the first row. Names are unique; date and source are for errors.
    """

    def __init__(
        self,
        names: Sequence[str],
        ipv4_per_interface: Sequence[int],
        nitro: Sequence[bool],
        *,
        as_of: str,
        source: str,
    ) -> None:
        self.names = tuple(names)
        self.ipv4_per_interface = np.array(ipv4_per_interface, dtype=np.int64)
        self.nitro = np.array(nitro, dtype=np.bool_)
        self.as_of = as_of
        self.source = source
        self.sentinel = len(self.names)
        self.code_dtype = np.min_scalar_type(self.sentinel)
        self._kept: dict[Any, NDArray[Any]] = {}
        self.rows_of_owner: KeptFor[Any] = KeptFor(_MOST_OWNERS)

    def __getstate__(self) -> dict[str, Any]:
        """State without the codes cached for columns, which only exist in this process."""
        return {**self.__dict__, "rows_of_owner": KeptFor(_MOST_OWNERS)}

    @functools.cached_property
    def code_of(self) -> dict[object, int]:
        """Code of each name."""
        return {name: code for code, name in enumerate(self.names)}

    @functools.cached_property
    def lenient_code_of(self) -> dict[object, int]:
        """Code of each name, and the sentinel for all other keys."""
        return _WithDefault(self.code_of, self.sentinel)

    @functools.cached_property
    def arrow_names(self) -> Any:
        """Names as an Arrow array."""
        import pyarrow as pa

        return pa.array(self.names, pa.string())

    def answers(
        self, *, prefix_delegation: bool, kubelet_max_pods: int | None, dtype: np.dtype[Any]
    ) -> NDArray[Any]:
        """
        Pods of every type by both limits, cached for repeated small columns.

        The dtype must be wide enough for `most_pods`.
        """
        question = (prefix_delegation, kubelet_max_pods, dtype)
        kept = self._kept.get(question)
        if kept is not None:
            return kept
        answers = self.pods(prefix_delegation=prefix_delegation)
        if kubelet_max_pods is not None:
            answers = np.minimum(answers, kubelet_max_pods)
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        return self._kept.setdefault(question, answers.astype(dtype))

    @functools.cached_property
    def most_pods(self) -> int:
        """Maximum of pods over all types and modes."""
        return int(self.pods(prefix_delegation=True).max())

    def pods(self, *, prefix_delegation: bool) -> NDArray[np.int64]:
        """Pod addresses of every type in one mode, and 0 for the sentinel."""
        answers = np.zeros(self.sentinel + 1, dtype=np.int64)
        prefixes = (self.nitro & prefix_delegation).astype(np.int64)
        answers[:-1] = by_mode(self.ipv4_per_interface, prefixes)
        return answers


class _WithDefault(dict[object, int]):
    """A dict with a default for missing keys, looked up in C."""

    def __init__(self, items: dict[object, int], default: int) -> None:
        super().__init__(items)
        self._default = default

    def __missing__(self, key: object) -> int:
        return self._default


@functools.cache
def bundled_table() -> LimitTable:
    """Table of the bundled limits, parsed once."""
    names, addresses, nitro, as_of, source = bundled_rows()
    return LimitTable(names, addresses, nitro, as_of=as_of, source=source)


def table_of(catalog: Any) -> LimitTable:
    """Limits of a catalog, or the bundled ones if it is None."""
    if catalog is None:
        return bundled_table()
    try:
        table = catalog.limits
    except AttributeError:
        raise InputError(f"catalog must be a Catalog or None; got {catalog!r}") from None
    assert isinstance(table, LimitTable)  # noqa: S101
    return table
