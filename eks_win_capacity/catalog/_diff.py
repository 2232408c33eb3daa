"""What differs between two catalogs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from eks_win_capacity.catalog._instance_type import InstanceType
from eks_win_capacity.core.display import html_table
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.values import read_only

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from eks_win_capacity.catalog._instance_type import InstanceTable

_SHOWN = 5


class FieldChange(NamedTuple):
    """
    One field of one type whose value differs.

    Attributes
    ----------
    field : str
        The field of InstanceType.
    before, after : Any
        Its values.
    """

    field: str
    before: Any
    after: Any


Change = FieldChange
"""Old name of `FieldChange`."""


@checked_call
@dataclass(frozen=True, kw_only=True)
class CatalogDiff:
    """
    Differences of a second catalog; true if there are any.

    Attributes
    ----------
    added, removed : tuple of str
        Types that only the second, or only the first, contains.
    changed : mapping of str to tuple of FieldChange
        Types in both, with every field that differs.
    not_compared : tuple of str
        Fields that one of the catalogs lacks: the regions, if it was made without offerings.
    before, after : str
        The catalogs that were compared: sources and dates.

    Examples
    --------
    >>> from eks_win_capacity import Catalog
    >>> bundled = Catalog.bundled()
    >>> bool(bundled.diff(bundled))
    False
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, tuple[FieldChange, ...]]
    not_compared: tuple[str, ...]
    before: str
    after: str

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        parts = [
            f"{len(names):,} {what}{_named(tuple(names))}"
            for what, names in (
                ("added", self.added),
                ("removed", self.removed),
                ("changed", self.changed),
            )
        ]
        if self.not_compared:
            parts.append(f"{', '.join(self.not_compared)} not compared")
        return ", ".join(parts)

    def rows(self) -> list[dict[str, Any]]:
        """One mapping for each difference, in the order of the names."""
        rows = [
            {"instance_type": name, "change": change, "field": None, "before": None, "after": None}
            for change, names in (("added", self.added), ("removed", self.removed))
            for name in names
        ]
        rows += [
            {"instance_type": name, "change": "changed", **change._asdict()}
            for name, changes in self.changed.items()
            for change in changes
        ]
        return sorted(rows, key=lambda row: str(row["instance_type"]))

    def to_pandas(self) -> pd.DataFrame:
        """The differences as a frame, one row for each."""
        import pandas as pd

        columns = ["instance_type", "change", "field", "before", "after"]
        return pd.DataFrame(self.rows(), columns=columns)

    def __repr__(self) -> str:
        """Both catalogs, and the numbers of differences."""
        return f"<CatalogDiff of {self.before} against {self.after}: {self}>"

    def _repr_html_(self) -> str:
        rows = self.rows()
        if not rows:
            return f"<p>No difference between {escape(self.before)} and {escape(self.after)}</p>"
        columns = list(rows[0])
        cells = ([row[name] for name in columns] for row in rows)
        return html_table(columns, cells, title=f"{self.before} against {self.after}: {self}")


def _named(names: tuple[str, ...]) -> str:
    more = ", ..." if len(names) > _SHOWN else ""
    return f" ({', '.join(names[:_SHOWN])}{more})" if names else ""


def compared(first: InstanceTable, second: InstanceTable) -> CatalogDiff:
    """Differences of two catalogs; see `Catalog.diff`."""
    untold = () if first.regions and second.regions else ("regions",)
    compare = [field.name for field in fields(InstanceType) if field.name not in untold]
    changed = {}
    for name in sorted(first.keys() & second.keys()):
        before, after = first[name], second[name]
        if changes := tuple(
            FieldChange(field, getattr(before, field), getattr(after, field))
            for field in compare
            if getattr(before, field) != getattr(after, field)
        ):
            changed[name] = changes
    return CatalogDiff(
        added=tuple(sorted(second.keys() - first.keys())),
        removed=tuple(sorted(first.keys() - second.keys())),
        changed=read_only(changed),
        not_compared=untold if first.regions or second.regions else (),
        before=f"{first.source} of {first.as_of}",
        after=f"{second.source} of {second.as_of}",
    )
