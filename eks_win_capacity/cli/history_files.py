"""Histories of use from files: tables of many sources, and large Parquet files in parts."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import tempfile
import warnings
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.cli.fleet_files import long_files
from eks_win_capacity.core.documents import whole
from eks_win_capacity.core.errors import DocumentError, InputError, MissingExtraError
from eks_win_capacity.forecast.monitoring import console_table, is_document, usage_table
from eks_win_capacity.forecast.read import KIND, find_roles, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd
    from numpy.typing import NDArray

_LONGEST_HEAD = 10**6
"""Maximum length of a header: room for more than 10,000 subnets. [characters]"""


def read_table(file: str) -> pd.DataFrame:
    """
    Table of a CSV or Parquet file, recognised by its content; ``-`` is standard input.

    A CSV may be gzipped, separated by commas, semicolons or tabs, and start with a byte order mark.
    With semicolons, numbers have decimal commas.

    Raises InputError if it is neither; DocumentError if it exceeds the size limit, also after
    decompression, or if its gzip data are damaged; MissingExtraError for Parquet without pyarrow
    (extra ``arrow``); OSError if it cannot be read.
    """
    name = "standard input" if file == "-" else file
    content = whole.unpacked(whole.file_bytes(file), name)
    if content.startswith(b"PAR1") or file.lower().endswith((".parquet", ".pq")):
        return parquet_table(io.BytesIO(content), name)
    return _csv(content, name)


def parquet_table(source: str | io.BytesIO, name: str) -> pd.DataFrame:
    """
    Table with every column of a Parquet file.

    Raises InputError for another format; MissingExtraError without pyarrow (extra ``arrow``).
    """
    import pandas as pd

    try:
        return pd.read_parquet(source)
    except ImportError as error:
        raise MissingExtraError("pyarrow", extra="arrow", purpose="reading Parquet") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{name} is not a Parquet file: {error}") from error


def _json(text: str, name: str) -> pd.DataFrame:
    """Table from answers of monitoring tools: one document, or one per line."""
    kind = "JSON" if text.lstrip()[0] in "{[" else "YAML"
    documents = whole.values_in(text, name)
    document = documents[0] if len(documents) == 1 else documents
    if not is_document(document):
        raise InputError(
            f"{name} is {kind}, and not a history: it is {whole.what_it_is(documents[0])}; give a table, a range query of Prometheus, "
            "get-metric-data or get-metric-statistics of CloudWatch, or describe-subnets with times"
        )
    return usage_table(document)


def _numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """Column of strings as numbers if they are all numbers."""
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
    if _TEXT_OUTPUT.search(text[:_LONGEST_HEAD]):
        return usage_table(_answers(text, name))
    text = _headed(text, name)
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
    whole.refuse_title(text[: 2 * _LONGEST_HEAD].splitlines()[:5], separator, name)
    with whole_rows(name):
        frame = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            dtype=str if separator == ";" else None,
            engine="python" if len(separator) > 1 else "c",
            skipinitialspace=True,
            index_col=False,
        )
    if not len(frame):
        raise InputError(f"{name} has a head and no rows")
    decimal = "," if separator == ";" else "."
    return frame.apply(_local, decimal=decimal)


@contextmanager
def whole_rows(name: str) -> Iterator[None]:
    """
    Convert pandas errors about a CSV; a row longer than its header is refused, not truncated.

    Raises InputError if the data read inside are not a table.
    """
    import pandas as pd

    cure = "a title above the header, or a value with the separator in it that is not quoted?"
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            yield
        except pd.errors.EmptyDataError:
            raise InputError(f"{name} is not a CSV file: it is empty") from None
        except pd.errors.ParserWarning as error:
            raise InputError(
                f"{name} is not a CSV file: its first row has more fields than its header: {cure}"
            ) from error
        except ValueError as error:
            uneven = _UNEVEN.search(str(error))
            why = str(error)
            if uneven:
                wide, line, seen = uneven.groups()
                why = f"line {line} has {seen} fields where {wide} are expected: {cure}"
            raise InputError(f"{name} is not a CSV file: {why}") from error


_UNEVEN: Final = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
"""Message of pandas about a row with too many fields."""


def _local(column: pd.Series[Any], *, decimal: str) -> pd.Series[Any]:
    """
    Column of strings as numbers, if all are numbers with the given decimal sign.

    Raises InputError for points that may be thousands separators or decimal points.
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


_TEXT_OUTPUT: Final = re.compile(r"^(?:SUBNETS|DATAPOINTS|METRICDATARESULTS)\t", re.MULTILINE)
"""Beginning of rows in the output of the AWS CLI with ``--output text``."""

_DAY: Final = r"\d{4}-\d\d-\d\d"
_ZONE: Final = r"(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
_TIME: Final = re.compile(
    rf"{_DAY}(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?{_ZONE})?|\d{{10}}(?:\.\d+)?"
)
_CLOCK: Final = re.compile(r"(?=.*\b\d{4}\b)[A-Z][a-z]{2} [^,;\t]*\b\d\d:\d\d:\d\d\b[^,;\t]*")
"""Time in the default format of ``date``, with a zone abbreviation."""

_CLOCKS: Final = ("%a %b %d %H:%M:%S %Y", "%a %d %b %H:%M:%S %Y", "%a %d %b %Y %I:%M:%S %p")
"""Formats of such a time without the zone, in English."""

_NUMBER: Final = re.compile(r"\d[\d.,]*")
_BLOCK: Final = re.compile(r"\d+(?:\.\d+){3}/\d\d?")


def _moment(line: str, name: str) -> str | None:
    """
    Time in a line, as ISO 8601 or epoch seconds; None if the line is not a time.

    Raises InputError for an ambiguous zone abbreviation.
    """
    line = line.strip()
    if _TIME.fullmatch(line):
        return line
    if not _CLOCK.fullmatch(line):
        return None
    plain, zones = re.subn(r" (?:UTC|GMT)\b", "", " ".join(line.split()))
    for form in _CLOCKS if zones else ():
        try:
            return dt.datetime.strptime(f"{plain} +0000", f"{form} %z").isoformat()
        except ValueError:
            continue
    raise InputError(
        f"{name} has the time {line!r}, of a form or zone that may be several; write it with "
        "date -u +%FT%TZ"
    )


def _answers(text: str, name: str) -> list[dict[str, Any]]:
    """
    Output of the AWS CLI with ``--output text``, in the shape of its JSON.

    The columns have no names but a fixed order; several statistics in one row are ambiguous and
    refused.
    """
    pages: list[dict[str, Any]] = []
    at = label = None
    for number, line in enumerate(text.splitlines(), start=1):
        kind, *cells = line.strip().split("\t")
        try:
            if kind == "SUBNETS":
                pages.append({"Subnets": [_subnet(cells)], **({} if at is None else {"time": at})})
            elif kind == "METRICDATARESULTS":
                pages.append({"Label": cells[1], "Timestamps": [], "Values": []})
            elif kind == "TIMESTAMPS":
                pages[-1]["Timestamps"].append(cells[0])
            elif kind == "VALUES":
                pages[-1]["Values"].append(float(cells[0]))
            elif kind == "DATAPOINTS":
                value, time, _unit = cells
                point = {"Average": float(value), "Timestamp": time}
                pages.append({"Label": label or "", "Datapoints": [point]})
            elif kind and not cells:
                moment = _moment(kind, name)
                at, label = moment or at, label if moment else kind
        except (ValueError, LookupError) as error:
            raise InputError(
                f"line {number} of {name} cannot be read as text of the AWS CLI, whose columns have no "
                "names; save the answer with --output json"
            ) from error
    return pages


def _subnet(cells: list[str]) -> dict[str, Any]:
    """A subnet from its row, in which the count of free addresses precedes the CIDR."""
    block = next((n for n, cell in enumerate(cells) if _BLOCK.fullmatch(cell)), len(cells))
    return {
        "SubnetId": next((cell for cell in cells if cell.startswith("subnet-")), None),
        "CidrBlock": cells[block],
        "AvailableIpAddressCount": int(cells[block - 1]),
    }


def _headed(text: str, name: str) -> str:
    r"""
    The table with a header, if its first line is a row, or a time for the rows that follow.

    Such a table does not say what its numbers count: their column is named ``value``.

    Examples
    --------
    >>> _headed("2026-09-01,subnet-1,200", "saved")
    'time,subnet,value\n2026-09-01,subnet-1,200'
    >>> _headed("2026-09-01T00:00Z\nsubnet-1\t200", "saved")
    'time\tsubnet\tvalue\n2026-09-01T00:00Z\tsubnet-1\t200'
    >>> _headed("time,used", "saved")
    'time,used'
    """
    first = text.lstrip("\n").partition("\n")[0]
    separator = whole.separator_of(first)
    if _moment(first, name) is not None:
        separator, rows, at = "\t", [], ""
        for line in filter(str.strip, text.splitlines()):
            moment = _moment(line, name)
            at = at if moment is None else moment
            rows += [] if moment else ["\t".join((at, *line.split()))]
        text = "\n".join(rows)
    elif separator not in first and _TIME.match(first):
        separator = "\t"
        lines = (re.sub(rf"({_DAY}) (?=\d\d:)", r"\1T", line) for line in text.splitlines())
        text = "\n".join("\t".join(line.split()) for line in lines if line.strip())
    cells = [cell.strip(' "\r') for cell in text.partition("\n")[0].split(separator)]
    names = [_named(cell) for cell in cells]
    said = any(words(cell) & KIND["time"] for cell in cells)
    if said or names.count("time") != 1 or "value" not in names:
        return text
    several = names.count("value") > 1
    heads = [f"value #{n}" if one == "value" and several else one for n, one in enumerate(names)]
    return separator.join(heads) + "\n" + text


def _named(cell: str) -> str:
    """Name of a column, from its first cell."""
    patterns = {"time": _TIME, "value": _NUMBER, "cidr": _BLOCK}
    return next((name for name, one in patterns.items() if one.fullmatch(cell)), "subnet")


PART_ROWS: Final = 2_000_000
"""Maximum rows of a part, unless one subnet has more."""

_FILES: Final = 200
"""Maximum parts written in one pass, as systems limit the number of open files."""

_PARQUET: Final = (".parquet", ".pq")
_HEAD: Final = 1_000
_PIECES: Final = {"batch_size": 1 << 15, "batch_readahead": 4, "fragment_readahead": 1}
"""Options for Arrow, which by default reads ahead two million rows of each of four files."""


def long_history(file: str) -> list[Path] | None:
    """
    Parquet files to read in parts; None if one short file, or a CSV, is read as a whole.

    Raises InputError if a folder or a pattern includes files other than Parquet.
    """
    paths = long_files(file, partitioned=False)
    if paths is None or all(path.suffix.lower() in _PARQUET for path in paths):
        return paths
    if [str(path) for path in paths] == [file]:
        return None
    raise InputError(f"{file}: several files of one history must be Parquet; give one CSV alone")


def history_parts(paths: list[Path], options: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
    """
    The history in parts, each with all rows of its subnets.

    One pass counts the rows of each subnet, and another writes each row to the temporary file of
    its part, so the memory needed is that of one part, in any order of rows.

    `options` are those of `forecast_exhaustion` that name columns.

    Raises InputError if no column identifies subnets, or a file is damaged; MissingExtraError
    without pyarrow (extra ``arrow``).
    """
    try:
        from pyarrow import compute, dataset
    except ImportError as error:
        raise MissingExtraError("pyarrow", extra="arrow", purpose="reading Parquet") from error

    roles_given = ("time", "used", "available", "percent", "subnet")
    named = {x: options.get(x) if isinstance(options.get(x), str) else None for x in roles_given}
    with _readable(paths[0]):
        form = dataset.ParquetFileFormat(pre_buffer=False, use_buffered_stream=True)
        rows = dataset.dataset([str(path) for path in paths], format=form, partitioning="hive")
        head = rows.head(_HEAD, **_PIECES).to_pandas()
    roles = find_roles(head, capacity=options.get("capacity"), unit=options.get("unit"), **named)
    by = roles["subnet"]
    if by is None:
        raise InputError(
            f"{paths[0]} is read by subnet, for it is long: give a table with a row for each time "
            "and subnet, and name the column of subnets with --subnet"
        )
    sizes: Counter[Any] = Counter()
    with _readable(paths[0]):
        for batch in _batches(rows, [by]):
            for pair in compute.value_counts(batch.column(0)).to_pylist():
                sizes[pair["values"]] += pair["counts"]
    columns = list(dict.fromkeys(name for name in roles.values() if name is not None))
    parts = list(_parts_of(sizes))
    for start in range(0, len(parts), _FILES):
        with _readable(paths[0]):
            yield from _split(rows, by, columns, parts[start : start + _FILES])


def _batches(rows: Any, columns: list[str]) -> Iterator[Any]:
    """Batches of the rows, by row group: in a whole file Arrow reads a gigabyte ahead."""
    for file in rows.get_fragments():
        for group in file.split_by_row_group():
            yield from group.to_batches(schema=rows.schema, columns=columns, **_PIECES)


def _split(
    rows: Any, by: str, columns: list[str], parts: list[list[Any]]
) -> Iterator[pd.DataFrame]:
    """Parts of the rows by the values of a column, with one temporary file per part."""
    import pyarrow as pa
    from pyarrow import compute

    schema = pa.schema([rows.schema.field(name) for name in columns])
    kind = schema.field(by).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    names = pa.array([name for part in parts for name in part], kind)
    part_of = np.repeat(np.arange(len(parts) + 1), [*map(len, parts), 1])
    packed = pa.ipc.IpcWriteOptions(compression="lz4")
    with tempfile.TemporaryDirectory(prefix="eks-win-capacity-") as folder:
        files = [Path(folder) / str(part) for part in range(len(parts))]
        with ExitStack() as stack:
            streams = [pa.ipc.new_stream(str(file), schema, options=packed) for file in files]
            writers = [stack.enter_context(stream) for stream in streams]
            for batch in _batches(rows, columns):
                index = compute.index_in(batch.column(by), value_set=names).fill_null(len(names))
                for part, piece in _pieces(batch, part_of[index.to_numpy()], len(parts)):
                    writers[part].write_batch(piece)
        for file in files:
            with pa.OSFile(str(file)) as source:
                table = pa.ipc.open_stream(source).read_all()
            yield table.to_pandas(categories=[by])
            file.unlink()


def _pieces(batch: Any, part: NDArray[np.intp], parts: int) -> Iterator[tuple[int, Any]]:
    """Rows of a batch for each part, in order; rows of part number `parts` are left out."""
    order = np.argsort(part, kind="stable")
    ends = np.searchsorted(part[order], np.arange(parts + 1))
    ordered = batch.take(order)
    for number in np.flatnonzero(np.diff(ends)).tolist():
        yield number, ordered.slice(ends[number], ends[number + 1] - ends[number])


def _parts_of(sizes: Counter[Any]) -> Iterator[list[Any]]:
    """Groups of subnets, in order of appearance, with at most PART_ROWS rows each."""
    part: list[Any] = []
    total = 0
    for name, rows in sizes.items():
        if part and total + rows > PART_ROWS:
            yield part
            part, total = [], 0
        part.append(name)
        total += rows
    if part:
        yield part


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Convert errors of Arrow into InputError with the name of the file."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
