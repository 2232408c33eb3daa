"""Output of all commands: a table for people, JSON or CSV for programs."""

from __future__ import annotations

import codecs
import io
import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, zip_longest
from math import inf
from os.path import commonprefix
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eks_win_capacity.core.display import heading_of, records_of
from eks_win_capacity.core.errors import InputError, count_of, without_accounts
from eks_win_capacity.core.replacing import replace_file
from eks_win_capacity.core.spreadsheet import (
    cell_text,
    csv_cell,
    is_number,
    plain_value,
    visible,
    workbook,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pandas as pd

FORMATS = ("table", "json", "csv")


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a string that may contain names from files, on stdout or stderr."""
    # The stream is passed explicitly: click would write UTF-8 if its encoding were ASCII.
    click.echo(visible(text), file=sys.stderr if err else sys.stdout, nl=nl)


def say_error(message: str) -> None:
    """Print an error message on stderr, in one line and without account ids."""
    line = without_accounts(" ".join(message.split()))
    say(f"eks-win-capacity: error: {line}", err=True)


_PLAIN = str.maketrans({"─": "-", "│": "|", "–": "-", "—": "-", "≤": "<", "≥": ">", "…": "."})  # noqa: RUF001


def print_anywhere() -> None:
    """Make streams in cp1252, cp437 or ASCII replace characters that they lack."""
    codecs.register_error("eks-win-capacity", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="eks-win-capacity")


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    plain = error.object[error.start : error.end].translate(_PLAIN)
    # Box-drawing characters become hyphens; a question mark replaces other ones.
    plain = "".join("-" if "\u2500" <= one < "\u2580" else one for one in plain)
    return plain.encode("ascii", "replace").decode(), error.end


def together(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options as one decorator, in the order of the help."""

    def add(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return add


_META = "eks_win_capacity.cli."


def _kept_option(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if name == "out" and value is not None:
            check_ending(value, OUT_KINDS)
        context.meta[_META + name] = value

    return keep


def _option_value(name: str) -> Any:
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(_META + name)


OUT_KINDS = (".csv", ".json", ".xlsx")

output_option = together(
    click.option(
        "--output",
        "-o",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="A table for people, JSON or CSV for programs.",
    ),
    click.option(
        "--wide",
        is_flag=True,
        expose_value=False,
        callback=_kept_option("wide"),
        help="Print all columns, even on a narrow terminal.",
    ),
)
"""Options ``--output`` and ``--wide``, for a command with a separate ``--out``."""

output_options = together(
    click.option(
        "--out",
        type=click.Path(dir_okay=False, path_type=Path),
        expose_value=False,
        callback=_kept_option("out"),
        help="Also write the rows to this .csv, .json or .xlsx file.",
    ),
    output_option,
)
"""Options of a command that prints rows: ``--output``, ``--wide`` and ``--out``."""


def check_ending(out: Path, kinds: Sequence[str]) -> None:
    """Refuse an output file whose extension is not supported."""
    if out.suffix.lower() not in kinds:
        raise InputError(
            f"--out must end in {', '.join(kinds[:-1])} or {kinds[-1]}; got {str(out)!r}"
        )


@dataclass
class _Table:
    """The table that one call of `emit` prints."""

    rows: Sequence[Mapping[str, Any]]
    names: list[str]
    title: str
    notes: list[str]
    assumptions: list[str]
    styles: Sequence[str] | None = None
    lead: Sequence[str] = ()
    shown: Mapping[str, Callable[[Mapping[str, Any]], str]] | None = None

    def column(self, name: str) -> list[str]:
        """Strings of a column, after its heading."""
        write = (self.shown or {}).get(name, lambda row: _human(row[name]))
        return [heading_of(name), *map(write, self.rows)]


@contextmanager
def put_together(column: str) -> Iterator[Callable[[str], None]]:
    """
    Collect the rows of all calls of `emit`, and print them as one table at the end.

    Yields a function that sets the name for the next rows; the names form a column.
    """
    context = click.get_current_context()
    gathered: list[tuple[str, _Table]] = []
    label = [""]
    context.meta[_META + "gathered"] = (gathered, label)
    try:
        yield lambda name: label.__setitem__(0, name)
    finally:
        del context.meta[_META + "gathered"]
    if not gathered:
        return
    names = dict.fromkeys(name for _, table in gathered for name in table.names)
    rows = [
        {column: whose, **dict.fromkeys(names), **row}
        for whose, table in gathered
        for row in table.rows
    ]
    notes = [f"{whose}: {line}" for whose, table in gathered for line in table.notes]
    assumed = [f"{whose}: {line}" for whose, table in gathered for line in table.assumptions]
    _print(
        _Table(
            rows,
            [column, *names],
            gathered[0][1].title,
            notes,
            assumed,
            lead=[column, *gathered[0][1].lead],
        ),
        _option_value("format"),
    )


def emit(
    rows: Sequence[Mapping[str, Any]],
    output: str,
    *,
    columns: Sequence[str] | None = None,
    lead: Sequence[str] = (),
    title: str = "",
    note: str = "",
    assumptions: Sequence[str] = (),
    styles: Sequence[str] | None = None,
    shown: Mapping[str, Callable[[Mapping[str, Any]], str]] | None = None,
) -> None:
    """
    Print rows on stdout, and write them to the file of ``--out``.

    All rows have the same keys, which are the columns unless `columns` is given. A narrow terminal
    shows the columns in `lead` first. Below a table stand its notes and assumptions; `styles` are
    Rich styles of the rows, for a terminal. `shown` formats some columns of a table; files and
    programs get the values.
    """
    table = _Table(
        rows,
        list(columns or (rows[0] if rows else ())),
        title,
        [line for line in note.splitlines() if line.strip()],
        list(assumptions),
        styles,
        lead,
        shown,
    )
    gathering = _option_value("gathered")
    if gathering is None:
        _print(table, output)
        return
    gathered, label = gathering
    click.get_current_context().meta[_META + "format"] = output
    gathered.append((label[0], table))


def _print(table: _Table, output: str) -> None:
    if (out := _option_value("out")) is not None:
        replace_file(out, _bytes(table, out.suffix.lower()))
    if output == "json":
        click.echo(_json(table))
    elif output == "csv":
        click.echo(_csv(table), nl=False)
    else:
        note = "\n".join([*table.notes, *table.assumptions])
        _print_table(table, note)


def _json(table: _Table) -> str:
    import json

    return json.dumps(
        document_of(table.rows, table.names, table.notes, table.assumptions),
        indent=2,
        allow_nan=False,
    )


def document_of(
    rows: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    notes: Sequence[str] = (),
    assumptions: Sequence[str] = (),
) -> dict[str, Any]:
    """JSON object printed by every command; unknown values are null."""
    context = click.get_current_context(silent=True)
    return {
        "command": context.command_path.partition(" ")[2] if context else "",
        "rows": [{name: plain_value(row[name]) for name in names} for row in rows],
        "notes": list(notes),
        "assumptions": list(assumptions),
    }


def _csv(table: _Table) -> str:
    import csv

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.names)
    writer.writerows([csv_cell(row[name]) for name in table.names] for row in table.rows)
    return text.getvalue()


def _bytes(table: _Table, kind: str) -> bytes:
    if kind == ".xlsx":
        return workbook(table.names, ([row[name] for name in table.names] for row in table.rows))
    return (_csv(table) if kind == ".csv" else _json(table) + "\n").encode()


_GAP = 3
"""Spaces between columns; one fewer if the columns do not fit side by side. [characters]"""

_COMMAND = re.compile(r"\b(?:kubectl|aws|eksctl) [a-z-]+|\S{60}")
"""Contents of a line that must not be wrapped: a command, or a long word to copy."""

_WIDE = 200
"""A wider table with sentences is printed as blocks, also in a pipe. [characters]"""

_PROSE = 60
"""A longer string is a sentence or a command rather than a name. [characters]"""


def _print_table(table: _Table, note: str) -> None:
    title, note = visible(table.title), visible(note)
    texts = [table.column(name) for name in table.names]
    right = [_is_numeric(table.rows, name) for name in table.names]
    # A pipe has no width, so nothing is shortened or wrapped.
    if not sys.stdout.isatty() or _option_value("wide"):
        _print_plainly(texts, right, title, note)
    else:
        _print_for_terminal(texts, right, table, title, note)


def _distance() -> str:
    """Empty line before the title of a table that follows another table."""
    context = click.get_current_context(silent=True)
    printed = context.meta if context else {}
    follows = printed.get(_META + "printed", False)
    printed[_META + "printed"] = True
    return "\n" if follows else ""


def _print_plainly(
    texts: Sequence[Sequence[str]], right: Sequence[bool], title: str, note: str
) -> None:
    """Print the table at full width, without colours."""
    widths = [max(map(_width, column)) for column in texts]
    lines = [f"{_distance()}{title}"] if title else []
    in_blocks = sum(widths) + _GAP * (len(widths) - 1) > _WIDE and _holds_prose(texts)
    lines += _blocks(texts) if in_blocks else _lines(texts, right, widths, _GAP)
    say("\n".join([*lines, note] if note else lines))


def _width(text: str) -> int:
    """Terminal columns that a string occupies."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _is_numeric(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    return bool(rows) and all(is_number(row[name]) or row[name] is None for row in rows)


def _print_for_terminal(
    texts: Sequence[Sequence[str]], right: Sequence[bool], table: _Table, title: str, note: str
) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    names, room = table.names, console.width
    if title:
        console.print(Text(f"{_distance()}{title}", style="bold"))
    if _least(texts) <= room:
        console.print(_rich_table(texts, right, room, table.styles), soft_wrap=True)
    elif len(table.rows) == 1 or _holds_prose(
        [texts[names.index(name)] for name in table.lead if name in names] or texts
    ):
        # If the longest words do not fit, a table would break numbers and commands.
        console.print(Text("\n".join(_blocks(texts)).rstrip() + "\n" * bool(note)), soft_wrap=True)
    else:
        order = [names.index(name) for name in table.lead if name in names]
        order += [index for index in range(len(names)) if index not in order]
        shown, left = _fitting(texts, right, order, room)
        places = sorted(shown)
        columns, sides = [shown[index] for index in places], [right[index] for index in places]
        console.print(_rich_table(columns, sides, room, table.styles), soft_wrap=True)
        rest = ", ".join(texts[index][0] for index in left)
        if left:
            many = count_of(len(left), "more column")
            console.print(Text(f"{many} with --wide or -o json: {rest}", style="dim"))
    for line in note.splitlines():
        # A command is copied, so it must not contain a line break.
        console.print(Text(line), soft_wrap=bool(_COMMAND.search(line)))


def _rich_table(
    columns: Sequence[Sequence[str]], right: Sequence[bool], room: int, styles: Sequence[str] | None
) -> Any:
    """Table for Rich, with column widths that fit."""
    from rich.text import Text

    widths, gap = [max(map(_width, column)) for column in columns], _GAP
    if sum(widths) + gap * (len(widths) - 1) > room:
        gap -= 1
        widths = _widths(columns, room - gap * (len(widths) - 1))
    looks = ["bold", "", *(styles or [""] * len(columns[0]))] if columns else []
    lines = _lines(columns, right, widths, gap)
    return Text("\n").join(Text(line, style=look) for line, look in zip(lines, looks, strict=False))


def _lines(
    columns: Sequence[Sequence[str]], right: Sequence[bool], widths: Sequence[int], gap: int
) -> Iterator[str]:
    """Lines of the header, a rule and each row; wide cells are wrapped."""
    for number, cells in enumerate(zip(*columns, strict=True)):
        parts = [_wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
        if number == 0:  # headings are aligned to the rule below
            height = max(map(len, parts))
            parts = [[""] * (height - len(part)) + part for part in parts]
        yield "\n".join(
            (" " * gap).join(map(_padded, line, widths, right)).rstrip()
            for line in zip_longest(*parts, fillvalue="")
        )
        if number == 0:
            yield "─" * (sum(widths) + gap * (len(widths) - 1))


def _padded(text: str, width: int, right: bool) -> str:  # noqa: FBT001  # mapped over
    blanks = " " * (width - _width(text))
    return blanks + text if right else text + blanks


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of whole words that fit a width."""
    text = text.replace("\n", " ")
    if _width(text) <= width:
        return [text]
    first, *words = text.split()
    lines = [first]
    for word in words:
        if _width(lines[-1]) + 1 + _width(word) > width:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return lines


_NAME = 20
"""Width of shortened strings; shorter ones are never wrapped. [characters]"""


def _fitting(
    texts: Sequence[Sequence[str]], right: Sequence[bool], order: Sequence[int], room: int
) -> tuple[dict[int, Sequence[str]], list[int]]:
    """Columns that fit, by index, with long names shortened; and the indexes of the others."""
    shown: dict[int, Sequence[str]] = {}
    left: list[int] = []
    for index in order:
        column = texts[index] if right[index] else _shortened(texts[index])
        tried = [*shown.values(), column]
        if shown and (left or _least(tried) > room):
            left.append(index)
        else:
            shown[index] = column
    for index in shown:
        whole = {**shown, index: texts[index]}
        if _least([*whole.values()]) <= room:
            shown = whole
    return shown, sorted(left)


def _least(columns: Sequence[Sequence[str]]) -> int:
    """Minimum width at which no column breaks a word."""
    return sum(map(_narrowest, columns)) + (_GAP - 1) * (len(columns) - 1)


def _shortened(texts: Sequence[str]) -> Sequence[str]:
    """
    Strings with an ellipsis in the middle if too long; distinct ones stay distinct.

    Examples
    --------
    >>> _shortened([f"ip-10-20-0-{n}.eu-west-1.compute.internal" for n in (10, 40)])
    ['ip-10-20-0-10…ternal', 'ip-10-20-0-40…ternal']
    """
    long = {text for text in texts if _width(text) > _NAME and " " not in text}
    # A common ending, such as the domain of nodes, is left out first.
    backwards = commonprefix([text[::-1] for text in long])  # noqa: RUF071  # no paths
    while backwards[-1:].isalnum():
        backwards = backwards[:-1]  # whole words: the 0 of 10 and 40 is not a domain
    apart = _NAME - 1 - max((len(text) - len(backwards) for text in long), default=0)
    half = (_NAME - 1) // 2
    for tail in (apart if 0 < apart < half else half, *range(half, 0, -1)):
        short = [
            f"{text[: _NAME - 1 - tail]}…{text[-tail:]}" if text in long else text for text in texts
        ]
        if len(set(short)) == len(set(texts)):
            return short
    return texts


def _narrowest(column: Sequence[str]) -> int:
    """Minimum width of a column that breaks no word and wraps no short string."""
    head, *texts = column
    whole = [text for text in texts if _width(text) <= _NAME]
    words = " ".join([head, *(text for text in texts if _width(text) > _NAME)]).split()
    return max(map(_width, [*whole, *words]), default=0)


def _widths(texts: Sequence[Sequence[str]], room: int) -> list[int]:
    """Wanted width of each column, reduced to fit without breaking words."""
    wanted = [max(map(_width, column)) for column in texts]
    widths = [_narrowest(column) for column in texts]
    while sum(widths) < room and widths != wanted:
        short = [index for index, width in enumerate(widths) if width < wanted[index]]
        longest = max(short, key=lambda index: wanted[index] / max(widths[index], 1))
        widths[longest] += 1
    return widths


def _holds_prose(texts: Sequence[Sequence[str]]) -> bool:
    return any(len(text) > _PROSE for column in texts for text in column)


def _blocks(texts: Sequence[Sequence[str]]) -> Iterator[str]:
    """Each row as lines of names and values, followed by an empty line."""
    heads, *rows = zip(*texts, strict=True)
    width = max(map(_width, heads))
    for cells in rows:
        for head, cell in zip(heads, cells, strict=True):
            if cell not in {"", "-"}:
                yield f"{head:<{width}}  {cell}"
        yield ""


def tell_fields(row: Mapping[str, Any]) -> None:
    """Print one row, with one field per line."""
    say("\n".join(_blocks([[heading_of(name), _human(row[name])] for name in row])))


def _human(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if is_number(value):
        return f"{value:,}"
    return cell_text(value)


def plain_rows(
    table: pd.DataFrame, digits: int | Mapping[str, int] = 3, *, form: str = "%Y-%m-%d"
) -> list[dict[str, Any]]:
    """
    Rows as plain values: None for missing and infinite ones, dates in a ``strftime`` format.

    Floats are rounded to a number of digits, the same for all columns or one each.
    """
    rows = records_of(table)
    for row in rows:
        for name, value in row.items():
            if hasattr(value, "strftime"):
                row[name] = value.strftime(form)
            elif isinstance(value, float):
                places = digits if isinstance(digits, int) else digits[name]
                row[name] = None if value == inf else round(value, places)
    return rows


@contextmanager
def progress(what: str, *, counted: bool = True) -> Iterator[Callable[[str], None]]:
    """
    Show the progress of a long operation on stderr if it is a terminal; yields the reporter.

    With `counted`, each step is shown with its number.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.markup import escape

    steps = count(1)
    with Console(stderr=True).status(escape(visible(f"{what} ..."))) as status:
        yield lambda step: status.update(
            escape(visible(f"{what}: {step}" + f" ({next(steps)})" * counted))
        )
