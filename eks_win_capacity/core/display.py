"""How values are shown: counts in words, tables for notebooks, answers that display and filter."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd

T = TypeVar("T")

MOST_ROWS: Final = 50
"""Rows that a notebook shows; the rest is counted below the table."""

LONGEST: Final = 160
"""Characters of a value that a notebook shows before it is cut, with a mark."""

# Colours come from the page, so that light and dark themes both read well.
_CELL: Final = (
    "padding:.2em .7em;text-align:{side};vertical-align:top;white-space:normal;"
    "overflow-wrap:break-word;background:transparent;color:inherit"
)
_LINE: Final = ";border-bottom:1px solid rgba(128,128,128,.5)"
_TABLE: Final = (
    "border-collapse:collapse;font-variant-numeric:tabular-nums;max-width:960px;"
    "background:transparent;color:inherit"
)


def count_of(number: int, one: str, many: str = "") -> str:
    """
    Number with the word for one or for many.

    Examples
    --------
    >>> count_of(1, "node is", "nodes are"), count_of(2_000, "pod")
    ('1 node is', '2,000 pods')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def positions_of(positions: Sequence[int]) -> str:
    """
    Positions in a column as words.

    Examples
    --------
    >>> positions_of([3]), positions_of([3, 5])
    ('position 3', 'positions 3, 5')
    """
    return f"position{'' if len(positions) == 1 else 's'} {', '.join(map(str, positions))}"


def words_of(value: Any) -> str:
    """
    Value as people read it: thousands separated, nothing for what is missing.

    Examples
    --------
    >>> words_of(6_000), words_of(True), words_of(None), words_of(("a", "b"))
    ('6,000', 'yes', '', 'a, b')
    """
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,.4g}"
    if isinstance(value, (tuple, list, frozenset)):
        return ", ".join(map(words_of, value))
    return str(value)


def html_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    title: str = "",
    notes: Sequence[str] = (),
) -> str:
    """
    Table for a notebook: escaped, without scripts, readable in light and dark themes.

    Parameters
    ----------
    columns : sequence of str
        Names of the columns; underscores become blanks.
    rows : iterable of sequence
        Their values, in the order of the columns.
    title : str, optional
        Caption of the table.
    notes : sequence of str, optional
        Lines below it.
    """
    kept = [list(row) for row in rows]
    shown = kept[:MOST_ROWS]
    if len(kept) > len(shown):
        notes = [f"{len(kept) - len(shown):,} more rows", *notes]
    right = [
        all(isinstance(row[at], (int, float)) or row[at] is None for row in shown)
        for at in range(len(columns))
    ]
    sides = ["right" if number else "left" for number in right]
    head = "".join(
        f'<th scope="col" style="{_CELL.format(side=side)}{_LINE}">'
        f"{escape(str(name).replace('_', ' '))}</th>"
        for name, side in zip(columns, sides, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{_CELL.format(side=side)}">{_cut(value)}</td>'
            for value, side in zip(row, sides, strict=True)
        )
        + "</tr>"
        for row in shown
    )
    caption = (
        f'<caption style="text-align:left;font-weight:bold;color:inherit">{escape(title)}</caption>'
        if title
        else ""
    )
    below = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return (
        f'<table style="{_TABLE}">{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>{below}"
    )


def html_fields(title: str, values: Mapping[str, Any], *, notes: Sequence[str] = ()) -> str:
    """
    Fields of one value as a table of names and values for a notebook.

    Parameters
    ----------
    title : str
        Caption of the table.
    values : mapping of str to Any
        Value of each field; fields without one are left out.
    notes : sequence of str, optional
        Lines below it.
    """
    rows = "".join(
        f'<tr><th scope="row" style="{_CELL.format(side="left")}">'
        f"{escape(str(name).replace('_', ' '))}</th>"
        f'<td style="{_CELL.format(side="left")}">{_cut(value)}</td></tr>'
        for name, value in values.items()
        if words_of(value)
    )
    below = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return (
        f'<table style="{_TABLE}"><caption style="text-align:left;font-weight:bold;color:inherit">'
        f"{escape(title)}</caption><tbody>{rows}</tbody></table>{below}"
    )


def _cut(value: Any) -> str:
    """Value as escaped HTML; a long one with a mark where it is cut, and whole on hovering."""
    text = words_of(value)
    if len(text) <= LONGEST:
        return escape(text)
    return f'<span title="{escape(text)}">{escape(text[: LONGEST - 3])}...</span>'


class Shown:
    """A value that a notebook shows as a table of its fields."""

    __slots__ = ()

    def _fields_shown(self) -> Mapping[str, Any]:
        """Fields that a notebook shows: those of the data class unless a class says otherwise."""
        return plain_fields(self)

    def _repr_html_(self) -> str:
        return html_fields(_spaced(type(self).__name__), self._fields_shown())


def plain_fields(value: Any) -> dict[str, Any]:
    """Public fields of a data class by name; what is a value of ours as its own words."""
    if not is_dataclass(value):
        return {}
    return {
        field.name: getattr(value, field.name)
        for field in fields(value)
        if field.repr and not field.name.startswith("_")
    }


def _spaced(name: str) -> str:
    """
    Name of a class in words.

    Examples
    --------
    >>> _spaced("NodesThatFit")
    'Nodes that fit'
    """
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return words.strip().capitalize()


class Listed(tuple[T, ...], Generic[T]):
    """
    Answers in order: a tuple that a notebook shows, that filters and converts.

    Examples
    --------
    >>> from eks_win_capacity import ClusterState, check_cluster
    >>> findings = check_cluster(ClusterState(ip_family="ipv6"))
    >>> [finding.code for finding in findings.failed]
    ['ip-family']
    >>> len(findings.where(lambda finding: finding.outcome == "unknown")) > 20
    True
    """

    __slots__ = ()

    def where(self, condition: Callable[[T], bool]) -> Listed[T]:
        """Those that meet a condition, in the same order."""
        return type(self)(one for one in self if condition(one))

    @property
    def failed(self) -> Listed[T]:
        """Those whose outcome is ``fail``."""
        return self.where(lambda one: getattr(one, "outcome", "") == "fail")

    def to_pandas(self) -> pd.DataFrame:
        """All of them as a frame, one row for each."""
        import pandas as pd

        return pd.DataFrame([_row(one) for one in self])

    def _repr_html_(self) -> str:
        rows = [_row(one) for one in self]
        if not rows:
            return "<p>none</p>"
        wanted = getattr(type(self[0]), "_LISTED", None) or rows[0]
        columns = [name for name in wanted if any(words_of(row[name]) for row in rows)]
        return html_table(columns, ([row[name] for name in columns] for row in rows))

    def __repr__(self) -> str:
        return f"({', '.join(map(repr, self))}{',' if len(self) == 1 else ''})"


def _row(one: Any) -> dict[str, Any]:
    """Plain fields of one answer."""
    return dict(one.to_dict()) if hasattr(one, "to_dict") else plain_fields(one)
