"""What is in the cells of printed tables, CSV and Excel: no terminal controls, no formulas."""

from __future__ import annotations

import io
import math
from contextlib import suppress
from datetime import date
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.core.errors import InputError, MissingExtraError, UnsupportedInputError
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.replacing import replace_file
from eks_win_capacity.core.values import is_missing

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

CONTROLS: Final = {
    **{code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in {9, 10}},
    # Marks that change the direction of writing.
    **{code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
}
"""Visible spelling of characters that would act on a terminal."""

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""Characters that start a formula in a spreadsheet."""

_SHEET_ROWS: Final = 2**20
"""Maximum number of rows in an Excel sheet, including the header."""


def visible(text: str) -> str:
    r"""
    String with visible spellings of control characters, so that none acts on a terminal.

    Examples
    --------
    >>> visible("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return text if text.isascii() and text.isprintable() else text.translate(CONTROLS)


def is_number(value: object) -> bool:
    """Whether a value is a number, and not a bool."""
    return not isinstance(value, bool) and hasattr(value, "__float__")


def cell_text(value: object) -> str:
    """
    Value as the string of a cell, without control characters; empty for None.

    Examples
    --------
    >>> cell_text(("a", "b")), cell_text(None)
    ('a b', '')
    """
    if value is None:
        return ""
    text = " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return visible(text)


def csv_cell(value: object) -> str:
    """Cell of a CSV; a string that a spreadsheet would run as a formula gets a leading quote."""
    text = cell_text(value)
    if not text.startswith(FORMULA) or is_number(value):
        return text
    with suppress(ValueError):
        float(text)
        return text
    return f"'{text}"


def plain_value(value: Any) -> Any:
    """
    Value for JSON; NaN becomes None.

    Examples
    --------
    >>> plain_value([float("nan"), 1, ("a",)])
    [None, 1, ['a']]
    """
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and value != value:  # noqa: PLR0124
        return None
    if isinstance(value, (list, tuple)):
        return [plain_value(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str, dict)):
        return value
    return str(value)


def workbook(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """
    Excel file with one sheet, in which no string is a formula.

    Raises MissingExtraError without openpyxl (extra ``excel``); InputError if there are too many
    rows for a sheet.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
    except ImportError:
        raise MissingExtraError("openpyxl", extra="excel", purpose="Excel files") from None
    book = Workbook(write_only=True)
    sheet = book.create_sheet("rows")
    sheet.freeze_panes = "A2"
    for number, row in enumerate(chain([names], rows), start=1):
        if number > _SHEET_ROWS:
            sheet.close()
            raise InputError(f"an Excel sheet holds {_SHEET_ROWS:,} rows; write .csv or .parquet")
        cells = []
        for value in row:
            cell = WriteOnlyCell(sheet, _in_sheet(value))
            if isinstance(cell.value, str):
                cell.data_type = "s"  # a string that begins with = stays a string
            cells.append(cell)
        sheet.append(cells)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _in_sheet(value: Any) -> Any:
    """Value for Excel: a number, a bool, a date without time zone, a string, or None."""
    if is_missing(value):
        return None
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, (bool, int)) or (isinstance(plain, float) and math.isfinite(plain)):
        return plain
    if isinstance(plain, date) and getattr(plain, "tzinfo", None) is None:
        return plain
    return cell_text(plain_value(plain))


@checked_call
def to_excel(answer: Any, path: str | os.PathLike[str]) -> None:
    """
    An Excel file of an answer, in which no string is a formula.

    pandas writes a name such as ``=HYPERLINK(...)``, which may come from others, as a formula;
    here it stays a string. The file is replaced as a whole or not at all.

    Parameters
    ----------
    answer : an answer of this library, a DataFrame of pandas or Polars, or an Arrow table
        A pandas DataFrame, or an object with ``to_pandas``. A named index becomes a column.
    path : path
        Where to write; must end in ``.xlsx``.

    Raises
    ------
    UnsupportedInputError
        If it is not a table.
    InputError
        If the path does not end in ``.xlsx``, or there are more rows than a sheet holds.
    MissingExtraError
        Without openpyxl (extra ``excel``).
    OSError
        If the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import eks_win_capacity as ewc
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ewc.to_excel(ewc.node_capacity(["m5.large", "c5.4xlarge"]), f"{folder}/sized.xlsx")
    """
    import pandas as pd

    frame = answer
    if not isinstance(answer, pd.DataFrame):
        if isinstance(answer, type) or not hasattr(answer, "to_pandas"):
            raise UnsupportedInputError(
                "answer must be a DataFrame or have to_pandas(); got a " + type(answer).__name__
            )
        frame = answer.to_pandas()
    if not isinstance(path, (str, Path)) or Path(path).suffix.lower() != ".xlsx":
        raise InputError(f"path must end in .xlsx; got {str(path)!r}")
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    rows = frame.itertuples(index=False, name=None)
    replace_file(path, workbook([str(name) for name in frame.columns], rows))
