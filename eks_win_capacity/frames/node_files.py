"""Large files of nodes, counted and sized out of core by DuckDB."""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from eks_win_capacity.core.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pandas as pd

MEMORY: Final = "1200MB"
"""Memory limit of DuckDB for rows, hashes and pages; Python and other parts need more."""

MOST_GROUPS: Final = 200_000
"""Maximum number of combinations of type, system and state."""

MOST_COLUMNS: Final = 2_000
"""Maximum number of columns; each one needs a buffer in every thread."""

_LONGEST_LINE: Final = 2_000_000
_PARQUET: Final = b"PAR1"


@dataclass(frozen=True)
class CsvForm:
    """Format of a CSV: its separator, and whether the first line is a header."""

    separator: str = ","
    header: bool = True


class NodeFiles:
    """
    Rows of one table in one or more files.

    Creating it reads only the column names, and those columns that also name a folder. Each method
    is one pass over the files, in constant memory.

    Parameters
    ----------
    paths : sequence of path
        All CSV in UTF-8, or all Parquet. Folders named ``key=value`` become columns.
    form : CsvForm
        Format of the CSV files.
    progress : callable, optional
        Called with the percentage of the running pass about twice a second.

    Raises
    ------
    InputError
        If a file is neither, is damaged, contradicts its folder's name, or has different columns;
        or later, if a file changes between two passes.
    MissingExtraError
        Without DuckDB (extra ``stream``).
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        form: CsvForm | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> None:
        # DuckDB reports an import of pandas that Ctrl-C ends as a missing package.
        import pandas  # noqa: F401, ICN001

        try:
            import duckdb
        except ImportError:
            raise MissingExtraError(
                "duckdb", extra="stream", purpose="files longer than memory"
            ) from None
        self._errors = duckdb.Error
        self._name = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and others"
        self._progress = progress
        self._spill = tempfile.TemporaryDirectory(prefix="eks-win-capacity-")
        self._connection = duckdb.connect(config=_CONFIG | {"temp_directory": self._spill.name})
        self._paths = [Path(path) for path in paths]
        try:
            self._state = _state_of(self._paths)
            self._rows = self._read(self._paths, form or CsvForm())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Delete all temporary data."""
        self._connection.close()
        self._spill.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self._rows.columns)

    def head(self, rows: int) -> pd.DataFrame:
        """The first rows."""
        with self._named():
            frame: pd.DataFrame = self._rows.limit(rows).df()
        return frame

    def counted(self, names: Sequence[str], amount: str | None = None) -> pd.DataFrame:
        """
        Combinations of values of some columns, with the number of their rows.

        Parameters
        ----------
        names : sequence of str
            Columns; their values are returned as strings, None where missing.
        amount : str, optional
            The column with the number of nodes that a row represents.

        Returns
        -------
        DataFrame
            The columns, ``rows``, ``nodes``, and in ``wrong`` an amount that is not a
            non-negative integer, if there is one.

        Raises
        ------
        InputError
            If there are more combinations than node types can explain.
        """
        keys = [f"CAST({quoted(name)} AS VARCHAR) AS k{at}" for at, name in enumerate(names)]
        group = ", ".join(f"k{at}" for at in range(len(names)))
        number, bad = "1", "false"
        if amount is not None:
            number = _as_number(amount, self._rows)
            bad = f"({number} IS NULL OR {number} < 0 OR {number} % 1 <> 0)"
        text = "NULL" if amount is None else f"CAST({quoted(amount)} AS VARCHAR)"
        query = (  # names are quoted, values are literals
            f"SELECT {group}, count(*) AS rows, "  # noqa: S608
            f"CAST(sum(n) AS DOUBLE) AS nodes, "
            f"any_value(coalesce(t, '')) FILTER (bad) AS wrong FROM "
            f"(SELECT {', '.join(keys)}, {number} AS n, {bad} AS bad, {text} AS t FROM node_rows) "
            f"GROUP BY {group} ORDER BY {group} LIMIT {MOST_GROUPS + 1}"
        )
        frame: pd.DataFrame = self._run(query).df()
        if len(frame) > MOST_GROUPS:
            raise InputError(
                f"{self._name} has more than {MOST_GROUPS:,} different values in "
                f"{', '.join(map(repr, names))}; sum --by columns of fewer values, or name the "
                "column of types with --column"
            )
        return (
            frame.astype(object)
            .where(frame.notna(), None)
            .rename(columns={f"k{at}": name for at, name in enumerate(names)})
        )

    def rows(self, sizing: Sizing) -> pd.DataFrame:
        """The sized rows as a frame, if there are few."""
        frame: pd.DataFrame = self._run(self._sized(sizing)).df()
        return frame

    def write(
        self,
        out: Path,
        sizing: Sizing,
        *,
        partition_by: Sequence[str] = (),
        cell: Callable[[str], str] | None = None,
        keep_order: bool = True,
    ) -> None:
        """
        Write the sized rows atomically.

        Parameters
        ----------
        out : path
            A ``.csv`` or ``.parquet`` file, or the folder of the partitions.
        sizing : Sizing
            The rows to keep and the columns to add.
        partition_by : sequence of str
            Columns whose values name the folders of Parquet files.
        cell : callable, optional
            Converts the SQL of a string to the SQL of a CSV cell.
        keep_order : bool
            Whether to preserve the order of rows, for which DuckDB needs more memory.

        Raises
        ------
        InputError
            If the folder of partitions is not empty.
        OSError
            If the output cannot be written.
        """
        form, query = "FORMAT parquet", self._sized(sizing)
        if out.suffix.lower() == ".csv":
            form = "FORMAT csv, HEADER"
            query = query if cell is None else self._celled(query, cell)
        if partition_by:
            form += f", PARTITION_BY ({', '.join(map(quoted, partition_by))})"
            if out.exists() and (not out.is_dir() or any(out.iterdir())):
                raise InputError(f"{out} is there already; partitions need a new or empty folder")
        elif out.exists() and not out.is_file():
            raise InputError(f"{out} is not a file that can be replaced")
        with _folder_beside(out) as beside:
            fresh = Path(beside) / "new"
            self._connection.execute(f"SET preserve_insertion_order = {str(keep_order).lower()}")
            self._run(f"COPY ({query}) TO {literal(str(fresh))} ({form})")
            if partition_by and out.exists():
                out.rmdir()
            elif out.exists():
                shutil.copymode(out, fresh)
            fresh.replace(out)

    def _sized(self, sizing: Sizing) -> str:
        """Query of the rows to keep, with the added columns."""
        added = by_enum(sizing.by, list(sizing.answers), sizing.columns())
        kept = [_among(column, values) for column, values in sizing.kept.items()]
        where = f" WHERE {' AND '.join(kept)}" if kept else ""
        return f"SELECT *, {', '.join(added)} FROM node_rows{where}"  # noqa: S608

    def _celled(self, query: str, cell: Callable[[str], str]) -> str:
        """Query whose strings are converted to CSV cells."""
        relation = self._connection.sql(query)
        cells = [
            f"{cell(quoted(name)) if str(kind) == 'VARCHAR' else quoted(name)} AS {quoted(name)}"
            for name, kind in zip(relation.columns, relation.types, strict=True)
        ]
        return f"SELECT {', '.join(cells)} FROM ({query})"  # noqa: S608

    def _read(self, paths: list[Path], form: CsvForm) -> Any:
        kinds = {_is_parquet(path) for path in paths}
        if len(kinds) > 1:
            raise InputError("CSV and Parquet files are mixed; size one kind at a time")
        files = "[" + ", ".join(literal(_plain_path(path)) for path in paths) + "]"
        reader = f"read_parquet({files}"
        if not kinds.pop():
            reader = (
                f"read_csv({files}, all_varchar = true, compression = 'none', "
                f"delim = {literal(form.separator)}, quote = '\"', escape = '\"', "
                f"header = {str(form.header).lower()}, max_line_size = {_LONGEST_LINE}, "
                # By default, DuckDB skips first lines with a different number of fields.
                "skip = 0, auto_detect = true"
            )
        source = f"{reader}, hive_partitioning = true, hive_types_autocast = false"
        with self._named():
            rows = self._connection.sql(f"SELECT * FROM {source})")  # noqa: S608
            if len(paths) > 1:
                # DuckDB silently ignores columns that the first file lacks.
                every = f"{source}, union_by_name = true)"
                all_names = self._connection.sql(f"SELECT * FROM {every}").columns  # noqa: S608
                if more := [name for name in all_names if name not in rows.columns]:
                    raise InputError(
                        f"{paths[0]} has no column {more[0]!r}, which another of the files has: "
                        "size files of the same columns together"
                    )
            self._refuse_contradictions(reader, paths)
            if not form.header:
                rows = rows.project(", ".join(map(_numbered, rows.columns)))
            if len(rows.columns) > MOST_COLUMNS:
                raise InputError(f"{self._name} has more than {MOST_COLUMNS:,} columns")
            rows.create_view("node_rows")
        return rows

    def _refuse_contradictions(self, reader: str, paths: Sequence[Path]) -> None:
        """Refuse rows that contradict the value in their folder's name, which DuckDB prefers."""
        folders = [part for path in paths for part in path.resolve().parts[:-1]]
        keys = {part.partition("=")[0].lower() for part in folders if "=" in part}
        if not keys:
            return
        plain = f"{reader}, hive_partitioning = false, filename = {literal(_FILE)})"
        rows = self._connection.sql(f"SELECT * FROM {plain}")  # noqa: S608
        for name, kind in zip(rows.columns, rows.types, strict=True):
            if name.lower() not in keys:
                continue
            pattern = literal(rf"(?i).*[/\\]{re.escape(name)}=([^/\\]*)[/\\]")
            said = f"url_decode(regexp_extract({_FILE}, {pattern}, 1))"
            said = f"nullif(nullif({said}, '__HIVE_DEFAULT_PARTITION__'), '')"
            value = quoted(name)
            cell = f"nullif(CAST({value} AS VARCHAR), '')"
            # 01 equals 1, also in a CSV, whose numbers are strings here.
            like = "DOUBLE" if str(kind) == "VARCHAR" else str(kind)
            same = f"TRY_CAST({said} AS {like}) = TRY_CAST({value} AS {like})"
            other = f"{cell} IS DISTINCT FROM {said} AND ({same}) IS DISTINCT FROM true"
            first = rows.filter(other).project(f"{_FILE}, {cell}, {said}").limit(1).fetchall()
            for file, holds, folder in first:
                raise InputError(
                    f"{file} holds {holds!r} in its column {name!r} and lies in a folder of "
                    f"{folder!r}: mend the column, or move the file"
                )

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Convert errors of DuckDB to those of this library, in one line."""
        try:
            yield
        except (self._errors, RuntimeError) as error:  # DuckDB 1.3 raises a bare RuntimeError too
            if type(error).__name__ == "InterruptException" or str(error) == "Query interrupted":
                raise KeyboardInterrupt from error
            if "No space left" in str(error) or "max_temp_directory_size" in str(error):
                raise OSError(
                    f"no room to work on {self._name}: the disk of the rows, or of temporary files, is full"
                ) from error
            raise InputError(f"{self._name} cannot be read: {_reason(str(error))}") from error

    def _run(self, query: str) -> Any:
        """Result of a query over unchanged files, with progress."""
        answer = self._ended(query)
        for path, before, now in zip(self._paths, self._state, _state_of(self._paths), strict=True):
            if now != before:
                raise InputError(
                    f"{path} has changed while it was read: size it again when it is whole"
                )
        return answer

    def _ended(self, query: str) -> Any:
        with self._named():
            if self._progress is None:
                return self._connection.execute(query)
            done = threading.Event()
            watch = threading.Thread(target=self._watch, args=(done,), daemon=True)
            watch.start()
            try:
                return self._connection.execute(query)
            finally:
                done.set()
                watch.join()

    def _watch(self, done: threading.Event) -> None:
        assert self._progress is not None  # noqa: S101
        while not done.wait(0.5):
            self._progress(max(float(self._connection.query_progress()), 0.0))


@dataclass(frozen=True)
class Sizing:
    """
    The rows to keep, and the new values of each row by its type.

    Attributes
    ----------
    by : str
        The column with the type.
    answers : mapping of str to mapping of str to value
        For each value of that column, the values of the new columns.
    kept : mapping of str to sequence of str or None
        Values of other columns that a row must have to be kept.
    """

    by: str
    answers: Mapping[str, Mapping[str, Any]]
    kept: Mapping[str, Sequence[str | None]]

    def columns(self) -> dict[str, list[Any]]:
        """The new columns, in the order of `answers`."""
        names = list(dict.fromkeys(name for one in self.answers.values() for name in one))
        return {name: [one.get(name) for one in self.answers.values()] for name in names}


def _reason(message: str) -> str:
    r"""
    Reason in a DuckDB message about an unreadable file, without the row and DuckDB's options.

    Examples
    --------
    >>> _reason("Invalid Input Error: CSV Error on Line: 2\nOriginal Line: a,b,c\nExpected ...")
    'CSV Error on Line: 2; Expected ...'
    """
    if "Error when sniffing" in message:
        return "no CSV in UTF-8 whose rows all have as many fields as its header"
    if "not utf-8 encoded" in message:
        line = re.search(r"on Line: (\d+)", message)
        return "it is not UTF-8" + (f", first in line {line.group(1)}" if line else "")
    lines = message.removeprefix("Invalid Input Error: ").splitlines()
    few = itertools.takewhile(lambda line: line and not line.startswith("Possible"), lines)
    return "; ".join(line for line in few if not line.startswith("Original Line"))


_CONFIG: Final[dict[str, Any]] = {
    "memory_limit": MEMORY,
    # A file must not refer to other files, and nothing may be downloaded.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
}


_FILE: Final = "_ewc_file"


def _state_of(paths: Sequence[Path]) -> list[tuple[int, ...]]:
    """Values by which a changed file is detected."""
    stats = [path.stat() for path in paths]
    return [(one.st_ino, one.st_size, one.st_mtime_ns) for one in stats]


def _folder_beside(out: Path) -> tempfile.TemporaryDirectory[str]:
    """Temporary folder for a file until it is complete; errors name the file, not the folder."""
    try:
        return tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.")
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(out)) from None


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _numbered(name: str) -> str:
    """A column without a name, numbered from 1 as in small files."""
    number = name.removeprefix("column")
    return f"{name} AS column_{int(number) + 1}" if number.isdigit() else quoted(name)


def literal(value: str) -> str:
    """A string as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def _as_number(name: str, rows: Any) -> str:
    """SQL of a count; null for booleans, and for 1.000, which may be a thousand."""
    kind, cell = str(rows.types[rows.columns.index(name)]), quoted(name)
    other = {"BOOLEAN": "true", "VARCHAR": f"rtrim({cell}) LIKE '%.___'"}.get(kind, "false")
    return f"CASE WHEN {other} THEN NULL ELSE TRY_CAST({cell} AS DOUBLE) END"


def by_enum(column: str, keys: Sequence[str], answers: Mapping[str, Sequence[Any]]) -> list[str]:
    """
    SQL of columns with the answer for each key, null for other values of the column.

    Keys are found by the code of an enum: a join does not preserve the order of rows, and sorting
    them afterwards would need all rows in memory; a projection streams.
    """
    names = ", ".join(map(literal, keys)) or "''"  # an empty catalog is valid, too
    member = f"TRY_CAST(CAST({quoted(column)} AS VARCHAR) AS ENUM({names}))"
    code = f"CAST(enum_code({member}) AS INTEGER) + 1"
    return [
        f"list_extract({_list(values)}, {code}) AS {quoted(name)}"
        for name, values in answers.items()
    ]


def _list(values: Sequence[Any]) -> str:
    if any(isinstance(value, str) for value in values):
        cells = ("NULL" if value is None else literal(value) for value in values)
        return f"CAST([{', '.join(cells)}] AS VARCHAR[])"
    numbers = ("NULL" if value is None else str(int(value)) for value in values)
    return f"CAST([{', '.join(numbers)}] AS BIGINT[])"


def _among(column: str, values: Sequence[str | None]) -> str:
    text = f"CAST({quoted(column)} AS VARCHAR)"
    known = ", ".join(literal(value) for value in values if value is not None)
    among = f"{text} IN ({known})" if known else "false"
    return f"({among} OR {text} IS NULL)" if None in values else f"({among})"


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        if head := file.read(len(_PARQUET)):
            return head == _PARQUET
    raise InputError(f"{path} is not a file of nodes: it is empty")


def _plain_path(path: Path) -> str:
    absolute = str(path.resolve())
    if any(mark in absolute for mark in "*?[]"):
        raise InputError(f"{path}: names with * ? [ ] cannot be read so; rename the file")
    return absolute
