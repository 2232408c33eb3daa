"""A table from a file or from standard input, whatever wrote it."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from eks_win_capacity.core.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""PowerShell's ``>`` and ``Export-Csv -Encoding Unicode`` write UTF-16."""


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
    MissingExtraError
        If it is Parquet, without pyarrow (extra ``arrow``).
    OSError
        If it cannot be read.
    """
    name = "standard input" if file == "-" else file
    content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{name} is a damaged gzip file: {error}") from error
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
        raise InputError(f"{name} is no Parquet file: {error}") from error


def _csv(content: bytes, name: str) -> pd.DataFrame:
    import pandas as pd

    try:
        text = content.decode(_BOMS.get(content[:2], "utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is no CSV file in UTF-8 or UTF-16: {error}") from error
    if text.startswith("#TYPE"):
        # The first line of PowerShell's Export-Csv.
        text = text.partition("\n")[2]
    head = text.partition("\n")[0]
    if head.lstrip()[:1] in {"{", "["} or len(head) > _LONGEST_HEAD:
        raise InputError(f"{name} is no CSV file: it begins with {head[:40]!r}")
    separator = max(",;\t", key=head.count)
    try:
        frame = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            decimal="," if separator == ";" else ".",
            skipinitialspace=True,
            index_col=False,
        )
    except pd.errors.EmptyDataError:
        raise InputError(f"{name} is no CSV file: it is empty") from None
    except (pd.errors.ParserError, ValueError) as error:
        raise InputError(f"{name} is no CSV file: {error}") from error
    if not len(frame):
        raise InputError(f"{name} has a head and no rows")
    return frame
