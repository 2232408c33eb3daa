"""One way to print rows: a table for people, JSON or CSV for programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FORMATS = ("table", "json", "csv")

_LONGEST_WORD = 20
"""Words up to this length are not broken in a table. [characters]"""

_GAP = 3
"""Between two columns of a table. [characters]"""


def output_option(function: Callable[..., None]) -> Callable[..., None]:
    """Add ``--output`` to a command."""
    return click.option(
        "--output",
        "-o",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="A table for people, JSON or CSV for programs.",
    )(function)


def emit(
    rows: Sequence[Mapping[str, Any]],
    output: str,
    *,
    columns: Sequence[str] | None = None,
    title: str = "",
    note: str = "",
) -> None:
    """
    Print rows on stdout.

    Parameters
    ----------
    rows : sequence of mapping
        One mapping a row; all have the same keys.
    output : {"table", "json", "csv"}
        The format. JSON is a list of objects.
    columns : sequence of str, optional
        Which keys, in which order. All keys of the first row by default.
    title, note : str, optional
        Lines above and below the table; programs do not get them.
    """
    names = list(columns or (rows[0] if rows else ()))
    if output == "json":
        import json

        picked = [{name: _jsonable(row[name]) for name in names} for row in rows]
        click.echo(json.dumps(picked, indent=2, allow_nan=False))
    elif output == "csv":
        import csv

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(row[name]) for name in names] for row in rows)
    else:
        _print_table(rows, names, title, note)


def _print_table(
    rows: Sequence[Mapping[str, Any]], names: list[str], title: str, note: str
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # A pipe has no width: nothing may be cut or wrapped for one that Rich guesses.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
    texts = [[name.replace("_", " "), *(_human(row[name]) for row in rows)] for name in names]
    widths = _widths(texts, console.width - _GAP * (len(names) - 1))
    # Nor may a narrow terminal cut a word: rather let it break the lines itself.
    console.width = max(console.width, sum(widths) + _GAP * (len(names) - 1))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name, (head, *_), width in zip(names, texts, widths, strict=True):
        numeric = bool(rows) and all(_is_number(row[name]) or row[name] is None for row in rows)
        justify: Literal["left", "right"] = "right" if numeric else "left"
        table.add_column(Text(head), justify=justify, width=width, overflow="fold")
    for cells in zip(*(column[1:] for column in texts), strict=True):
        table.add_row(*map(Text, cells))
    if title:
        console.print(Text(title, style="bold"))
    console.print(table)
    if note:
        console.print(Text(note))


def _widths(texts: Sequence[Sequence[str]], room: int) -> list[int]:
    """Give each column the width it wants, or what the room leaves; no word is broken."""
    wanted = [max(map(len, column)) for column in texts]
    words = [[len(word) for text in column for word in text.split()] for column in texts]
    widths = [min(max([0, *lengths]), _LONGEST_WORD) for lengths in words]
    while sum(widths) < room and widths != wanted:
        short = [place for place, width in enumerate(widths) if width < wanted[place]]
        longest = max(short, key=lambda place: wanted[place] / max(widths[place], 1))
        widths[longest] += 1
    return widths


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and hasattr(value, "__float__")


def _human(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if _is_number(value):
        return f"{value:,}"
    return _cell(value)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return str(value)


def _jsonable(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str, dict)):
        return value
    return str(value)
