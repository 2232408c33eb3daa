"""A table from a file or from standard input, whatever wrote it."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from eks_win_capacity.core.documents import whole
from eks_win_capacity.core.errors import DocumentError, InputError, MissingExtraError
from eks_win_capacity.forecast.monitoring import console_table, is_document, usage_table

if TYPE_CHECKING:
    import pandas as pd

_LONGEST_HEAD = 10**6
"""Characters of a first line that names columns: room for 10,000 subnets and more."""


def read_table(file: str) -> pd.DataFrame:
    """
    Read a CSV or Parquet file, told apart by what they hold.

    A CSV may be gzipped, separated by commas, semicolons or tabs, and have a
    byte order mark. Semicolons go with decimal commas.

    Parameters
    ----------
    file : str
        A path, or ``"-"`` for standard input.

    Raises
    ------
    InputError
        If it is neither.
    DocumentError
        If it is without an end, also once unpacked, or damaged gzip.
    MissingExtraError
        If it is Parquet, without pyarrow (extra ``arrow``).
    OSError
        If it cannot be read.
    """
    name = "standard input" if file == "-" else file
    content = whole.unpacked(whole.file_bytes(file), name)
    if content.startswith(b"PAR1") or file.lower().endswith((".parquet", ".pq")):
        return _parquet(content, name)
    return _csv(content, name)


def _parquet(content: bytes, name: str) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(io.BytesIO(content))
    except ImportError as error:
        raise MissingExtraError("pyarrow", extra="arrow", purpose="reading Parquet") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{name} is not a Parquet file: {error}") from error


def _json(text: str, name: str) -> pd.DataFrame:
    """Answers of monitoring tools: one document, or one on each line."""
    kind = "JSON" if text.lstrip()[0] in "{[" else "YAML"
    found = whole.values_in(text, name)
    document = found[0] if len(found) == 1 else found
    if not is_document(document):
        raise InputError(
            f"{name} is {kind}, and not a history: it is {whole.what_it_is(found[0])}; give a table, a range query of Prometheus, "
            "get-metric-data or get-metric-statistics of CloudWatch, or describe-subnets with times"
        )
    return usage_table(document)


def _numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """Column of texts as numbers where it holds nothing else."""
    import pandas as pd

    if column.name == "time":
        return column
    return pd.to_numeric(column.replace("", None), errors="coerce")


def _csv(content: bytes, name: str) -> pd.DataFrame:
    import pandas as pd

    try:
        text = whole.text_of(content, name)
    except DocumentError as error:
        raise InputError(f"{name} is not a CSV file in UTF-8 or UTF-16: {error}") from error
    text = whole.table_text(whole.answer_text(text, name))
    head = text.partition("\n")[0]
    columns = whole.table_columns(text)
    if text.lstrip()[:1] in {"{", "["} or (whole.looks_like_yaml(text) and not columns):
        return _json(text, name)
    if head.startswith(("Full label,", '"Full label"')):
        names, rows = console_table(list(csv.reader(io.StringIO(text))))
        return pd.DataFrame(rows, columns=names).apply(_numbers)
    if head.lstrip()[:1] in {"{", "["} or len(head) > _LONGEST_HEAD:
        raise InputError(f"{name} is not a CSV file: it begins with {head[:40]!r}")
    separator = whole.separator_of(head)
    if separator not in head and columns:
        separator = r"\s{2,}"
    try:
        frame = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            dtype=str if separator == ";" else None,
            engine="python" if len(separator) > 1 else "c",
            skipinitialspace=True,
            index_col=False,
        )
    except pd.errors.EmptyDataError:
        raise InputError(f"{name} is not a CSV file: it is empty") from None
    except (pd.errors.ParserError, ValueError) as error:
        raise InputError(f"{name} is not a CSV file: {error}") from error
    if not len(frame):
        raise InputError(f"{name} has a head and no rows")
    decimal = "," if separator == ";" else "."
    return frame.apply(_local, decimal=decimal)


def _local(column: pd.Series[Any], *, decimal: str) -> pd.Series[Any]:
    """
    Column of texts as numbers, where all of it is written as numbers are with a decimal sign.

    Raises
    ------
    InputError
        If points of a table with semicolons may part thousands or be decimal ones.
    """
    import pandas as pd

    if not (pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)):
        return column
    group = "." if decimal == "," else ","
    column = column.where(column.isna(), column.astype(str))
    texts = column.dropna().str.strip()
    grouped = texts.str.fullmatch(rf"[1-9]\d{{0,2}}(?:\{group}\d{{3}})+(?:\{decimal}\d+)?")
    parted = texts.str.contains(group, regex=False)
    if parted.any() and (grouped | ~parted).all():
        sure = group == "," or (texts.str.count(f"\\{group}") > 1).any()
        if not sure and not texts.str.contains(decimal, regex=False).any():
            raise InputError(
                f"{column.name!r} holds {texts[parted].iloc[0]!r}, which may be thousands or a "
                "fraction: export numbers without signs between thousands"
            )
        column = column.str.replace(group, "", regex=False)
    try:
        return pd.to_numeric(column.str.replace(decimal, ".", regex=False))
    except (ValueError, TypeError):
        return column
