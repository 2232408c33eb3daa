"""How are results shown: in words, as notebook tables, as lists that can be filtered."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from eks_win_capacity.core.values import is_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd

T = TypeVar("T")

MOST_COLUMNS: Final = 8
"""Maximum number of columns of a list in a notebook; `Listed.to_pandas` has all."""

MOST_ROWS: Final = 50
"""Maximum number of rows in a notebook; a note below the table counts the rest."""

_REPR_ITEMS: Final = 10
"""Maximum number of items in the repr of a list, which counts the rest."""

LONGEST: Final = 160
"""Maximum length of a value in a table of many; longer ones are truncated. [characters]"""

LONGEST_FIELD: Final = 1_000
"""Maximum length of a value shown alone, such as a remedy to copy. [characters]"""

_LONG_WORD: Final = 26
"""Length up to which a value is not broken in a table, such as a subnet id. [characters]"""

_SHORT_WORD: Final = 14
"""Length up to which a value is not broken at hyphens, such as a zone or a date. [characters]"""

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_UNBROKEN: Final = r'<span style="white-space:nowrap">\g<0></span>'

_LINE_LENGTH: Final = 79
"""Maximum length of a repr of a list on one line; else each item has a line. [characters]"""

# Colours are inherited from the page, so that light and dark themes are both readable.
_CELL: Final = "padding:.2em .7em;text-align:{side};vertical-align:top"
_MAY_BREAK: Final = ";overflow-wrap:anywhere;min-width:9em"
_WHOLE: Final = ";white-space:nowrap"
_LINE: Final = ";border-bottom:1px solid rgba(128,128,128,.5)"
_TABLE: Final = (
    "border-collapse:collapse;margin-bottom:.8em;font-variant-numeric:tabular-nums;max-width:960px;"
    "overflow-wrap:break-word;white-space:normal;background:transparent;color:inherit"
)


def heading_of(name: str) -> str:
    """
    Name of a field in words, with its unit in brackets at the end.

    Examples
    --------
    >>> heading_of("free_prefixes"), heading_of("wait_s"), heading_of("memory_mib")
    ('free prefixes', 'wait [s]', 'memory [MiB]')
    >>> heading_of("cpu_m_used")
    'cpu used [m]'
    """
    name = name.removesuffix("_bytes")
    unit = re.search(r"_(s|m|mib)(?=_|$)", name)
    if unit is None:
        return name.replace("_", " ")
    rest = name[: unit.start()] + name[unit.end() :]
    return f"{rest.replace('_', ' ')} [{unit[1].replace('mib', 'MiB')}]"


def words_of(value: Any) -> str:
    """
    Value as a string for people: thousands separated, empty if missing.

    Examples
    --------
    >>> words_of(6_000), words_of(True), words_of(None), words_of(("a", "b")), words_of({"a": 1})
    ('6,000', 'yes', '', 'a, b', 'a: 1')
    """
    if is_missing(value):
        return ""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        # Four digits; large numbers keep all digits instead of an exponent.
        return f"{value:,.0f}" if value.is_integer() or abs(value) >= 1_000 else f"{value:,.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{words_of(key)}: {words_of(each)}" for key, each in value.items())
    if isinstance(value, (tuple, list, frozenset)):
        return ("; " if any(isinstance(each, Shown) for each in value) else ", ").join(
            map(words_of, value)
        )
    if isinstance(value, Shown):
        said = {heading_of(name): words_of(each) for name, each in value._fields_shown().items()}  # noqa: SLF001
        shown_fields = ", ".join(f"{name} {words}" for name, words in said.items() if words)
        return f"{_spaced(type(value).__name__)} ({shown_fields})"
    # A value of this library without fields to show is described by its repr.
    return str(value).strip("<>") if hasattr(value, "_repr_html_") else str(value)


def html_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    title: str = "",
    notes: Sequence[str] = (),
) -> str:
    """
    Table for a notebook: escaped, without scripts, readable in light and dark themes.

    The title is above the table, the notes are below; headings are those of `heading_of`.
    """
    kept = [list(row) for row in rows]
    shown = kept[:MOST_ROWS]
    if len(kept) > len(shown):
        notes = [f"{len(kept) - len(shown):,} more rows", *notes]
    right = [
        all(is_missing(row[at]) or _is_number(row[at]) for row in shown)
        for at in range(len(columns))
    ]
    sides = ["right" if number else "left" for number in right]
    head = "".join(
        f'<th scope="col" style="{_cell(side)}{_LINE}">{escape(heading_of(str(name)))}</th>'
        for name, side in zip(columns, sides, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{_cell(side, value)}">{_cut(_with_unit(name, value))}</td>'
            for name, value, side in zip(columns, row, sides, strict=True)
        )
        + "</tr>"
        for row in shown
    )
    return _framed(f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>", title, notes)


def _framed(rows: str, title: str, notes: Sequence[str]) -> str:
    """HTML of a table with rows, a caption above it, and notes below."""
    looks = "text-align:left;font-weight:bold;color:inherit"
    caption = f'<caption style="{looks}">{escape(title)}</caption>' if title else ""
    below = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return f'<table style="{_TABLE}">{caption}{rows}</table>{below}'


def records_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """
    Rows of a frame as mappings, with None for missing values.

    Examples
    --------
    >>> import pandas as pd
    >>> records_of(pd.DataFrame({"pods": pd.array([9, None], dtype="Int64"), "why": ["", None]}))
    [{'pods': 9, 'why': ''}, {'pods': None, 'why': None}]
    """
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def html_frame(frame: pd.DataFrame, *, title: str = "", notes: Sequence[str] = ()) -> str:
    """Table of a frame as in `html_table`, without empty columns."""
    rows = list(frame.itertuples(index=False, name=None))
    kept = [at for at in range(frame.shape[1]) if any(words_of(row[at]) for row in rows)]
    cells = [[row[at] for at in kept] for row in rows]
    return html_table([str(frame.columns[at]) for at in kept], cells, title=title, notes=notes)


def html_fields(title: str, values: Mapping[str, Any], *, notes: Sequence[str] = ()) -> str:
    """Table of the names and values of fields for a notebook, without empty fields."""
    rows = "".join(
        f'<tr><th scope="row" style="{_cell("left")}{_WHOLE}">'
        f"{escape(heading_of(str(name)))}</th>"
        f'<td style="{_cell("left", value)}">{_cut(_with_unit(name, value), LONGEST_FIELD)}</td></tr>'
        for name, value in values.items()
        if words_of(value)
    )
    return _framed(f"<tbody>{rows}</tbody>", title, notes)


def _cell(side: str, value: Any = "") -> str:
    """Style of a cell; only long strings may break anywhere, and short values never break."""
    length = len(words_of(value))
    long = isinstance(value, (str, tuple)) and length > _LONG_WORD
    return _CELL.format(side=side) + _MAY_BREAK * long + _WHOLE * (0 < length <= _SHORT_WORD)


def _is_number(value: Any) -> bool:
    """Whether a value is a number, which tables align right; booleans are not."""
    return hasattr(value, "__round__") and words_of(value) not in {"yes", "no"}


def _with_unit(name: str, value: Any) -> Any:
    """Bytes of memory as a string in GiB; other values unchanged."""
    whole = isinstance(value, int) and re.search(r"(?:^|_)memory(?:_bytes|_used)?$", str(name))
    return f"{value / 2**30:,.4g} GiB" if whole else value


def _cut(value: Any, longest: int = LONGEST) -> str:
    """Value as escaped HTML; a long one is truncated, with the whole value as a tooltip."""
    text = words_of(value)
    if len(text) <= longest:
        return _DATE.sub(_UNBROKEN, escape(text))
    return f'<span title="{escape(text)}">{escape(text[: longest - 3])}...</span>'


class Shown:
    """A value that a notebook shows as a table of its fields."""

    __slots__ = ()

    def _fields_shown(self) -> Mapping[str, Any]:
        """Fields that a notebook shows: those of the dataclass unless a class overrides it."""
        return plain_fields(self)

    def __repr__(self) -> str:
        shown = self._fields_shown()
        named = {name: shown.get(name) for name in getattr(type(self), "_LISTED", shown)}
        words = {name: words_of(_with_unit(name, value)) for name, value in named.items()}
        said = ", ".join(f"{heading_of(name)} {word}" for name, word in words.items() if word)
        return f"<{type(self).__name__}: {said}>"

    def to_pandas(self) -> pd.DataFrame:
        """The fields as a frame of one row."""
        import pandas as pd

        return pd.DataFrame([_row(self)])

    def _repr_html_(self) -> str:
        return html_fields(_spaced(type(self).__name__), self._fields_shown())


def plain_fields(value: Any) -> dict[str, Any]:
    """Public fields of a dataclass by name; empty for other values."""
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
        """Items that meet a condition, in the same order."""
        return type(self)(one for one in self if condition(one))

    @property
    def failed(self) -> Listed[T]:
        """Items whose outcome is ``fail``."""
        return self.where(lambda one: getattr(one, "outcome", "") == "fail")

    def to_pandas(self) -> pd.DataFrame:
        """Items as a frame, one row for each."""
        import pandas as pd

        return pd.DataFrame([_row(one) for one in self])

    def _repr_html_(self) -> str:
        if not self:
            return "<p>none</p>"
        outcomes = [getattr(one, "outcome", "") for one in self]
        severities = [getattr(one, "severity", "") for one in self]
        # Failures come first, as rows at the end may be left out.
        order = sorted(
            range(len(self)), key=lambda at: (_weight(outcomes[at]), _weight(severities[at]))
        )
        asking = [at for at in order if outcomes[at] != "pass"]
        notes = []
        if len(self) > _REPR_ITEMS and asking:
            order, passed = asking, len(self) - len(asking)
            notes += ["to_pandas() has those that passed, too"] * bool(passed)
        rows = [_row(self[at]) for at in order]
        wanted = getattr(type(self[0]), "_LISTED", None) or rows[0]
        columns = [name for name in wanted if any(words_of(row[name]) for row in rows)]
        more = [name for name in rows[0] if name not in columns[:MOST_COLUMNS]]
        more = [name for name in more if any(words_of(row[name]) for row in rows)]
        notes += [f"also in to_pandas(): {', '.join(more)}"] if more else []
        if len(set(outcomes)) > 1:
            said = (
                f"{outcomes.count(each):,} {words}"
                for each, words in (
                    ("fail", "failed"),
                    ("unknown", "not known"),
                    ("pass", "passed"),
                )
            )
            notes.insert(0, ", ".join(said))
        kept = columns[:MOST_COLUMNS]
        return html_table(kept, ([row[name] for name in kept] for row in rows), notes=notes)

    def __repr__(self) -> str:
        items = [*map(repr, self[:_REPR_ITEMS])]
        if len(self) > _REPR_ITEMS:
            items.append(f"... {len(self) - _REPR_ITEMS:,} more")
        line = f"({', '.join(items)}{',' if len(self) == 1 else ''})"
        return line if len(line) <= _LINE_LENGTH else "(\n  " + ",\n  ".join(items) + ",\n)"


_BY_WEIGHT: Final = ("fail", "unknown", "pass", "error", "warning", "info")
"""Order of outcomes, and of severities, in the lists of a notebook."""


def _weight(word: str) -> int:
    return _BY_WEIGHT.index(word) if word in _BY_WEIGHT else -1


def _row(one: Any) -> dict[str, Any]:
    """Fields of one result as a mapping."""
    return dict(one.to_dict()) if hasattr(one, "to_dict") else plain_fields(one)
