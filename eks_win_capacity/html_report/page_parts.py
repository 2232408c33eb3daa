"""What is a page made of: tables that sort, paragraphs, texts to copy."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from eks_win_capacity.core.display import words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_LONGEST_WORD: Final = 26
"""Characters of a word that stays on one line, such as the id of a subnet or a date."""


def cell(value: Any) -> str:
    """Value as people read it; ``unknown`` where it is missing."""
    if value is None or value is pd.NA or value is pd.NaT or value != value:  # noqa: PLR0124
        return "unknown"
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.4g}"
    return escape(words_of(value))


def table(
    caption: str,
    columns: Mapping[str, str],
    rows: Iterable[Mapping[Any, Any]],
    *,
    large: bool = False,
) -> str:
    """
    Table that sorts, its first column the heads of its rows.

    Parameters
    ----------
    caption : str
    columns : mapping of str to str
        Title of each column by the key of its values.
    rows : iterable of mapping
        Values by key; a `Markup` is HTML already.
    large : bool
        Whether it is folded away until it is asked for.
    """
    shown = list(rows)
    numeric = {key for key in columns if _numeric(row.get(key) for row in shown)}
    short = {key for key in columns if all(_is_word(row.get(key)) for row in shown)}
    side = {
        key: " class=n" if key in numeric else " class=d" if key in short else "" for key in columns
    }
    first, *others = columns
    head = "".join(
        f'<th scope="col"{side[key]}>{escape(title)}</th>' for key, title in columns.items()
    )
    # Cells that end where the next begins: a table of 5,000 nodes stays small.
    body = "\n".join(
        f"<tr><th scope=row{side[first]}>{_inner(row.get(first))}"
        + "".join(f"<td{side[key]}>{_inner(row.get(key))}" for key in others)
        for row in shown
    )
    whole = (
        f'<div class="wide" tabindex="0" role="group" aria-label="{escape(caption)}">'
        f'<table class="sortable"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
    if not large:
        return whole
    return f"<details><summary>{escape(caption)}</summary>{whole}</details>"


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def _inner(value: Any) -> str:
    return str(value) if isinstance(value, Markup) else cell(value)


def _is_word(value: Any) -> bool:
    text = str(value)
    return len(text) <= _LONGEST_WORD and " " not in text and not isinstance(value, Markup)


def _numeric(values: Iterable[Any]) -> bool:
    found = [v for v in values if not (v is None or v is pd.NA or v != v)]  # noqa: PLR0124
    found = [v for v in found if v != "never"]
    return bool(found) and all(pd.api.types.is_number(v) and not isinstance(v, bool) for v in found)


def paragraph(text: str, kind: str = "") -> str:
    """One paragraph of text."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def listed(texts: Sequence[str]) -> str:
    """Texts as a list; nothing where there are none."""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>{items}</ul>" if items else ""


def to_copy(text: str) -> Markup:
    """Text that is copied as it stands, such as a command."""
    return Markup(f"<pre>{escape(text)}</pre>")
