"""Files of the command ``fleet``, and out-of-core sizing of those too large for memory."""

from __future__ import annotations

import glob
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.cli.output import progress, say
from eks_win_capacity.cli.termination import tidy_end
from eks_win_capacity.core.documents.whole import is_packed, refuse_title, separator_of
from eks_win_capacity.core.errors import (
    InputError,
    MissingValueError,
    UnknownInstanceTypeError,
    count_of,
)
from eks_win_capacity.core.spreadsheet import CONTROLS, FORMULA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pandas as pd

    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.density.node_table import NodeTable
    from eks_win_capacity.frames.node_files import NodeFiles

LONG: Final = 64 * 1024**2
"""Size from which a file is processed out of core. [bytes]"""

LONG_ROWS: Final = 2_000_000
"""Rows from which Parquet is processed out of core, as few bytes can contain many rows."""

MOST_PRINTED: Final = 1_000_000
"""Maximum number of printed rows; more must go to a file."""

_SUFFIXES: Final = (".csv", ".parquet", ".pq", ".tsv", ".txt")
_PACKED: Final = tuple(f"{one}.gz" for one in (".csv", ".tsv", ".txt"))
_HEAD: Final = 4_096
_SAMPLE: Final = 1_000
_WIDE_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


def long_files(file: str, *, partitioned: bool) -> list[Path] | None:
    """
    Files to process out of core; None if one short file is read as a whole.

    The argument is a file, a folder, or a pattern with ``*``. Only the out-of-core engine writes
    partitions.

    Raises InputError if no file of nodes is in a folder or matches a pattern.
    """
    path = Path(file)
    if file == "-":
        if partitioned:
            raise InputError("partitions are written from files, not from standard input")
        return None
    if path.is_dir():
        inside = _unpacked(one for one in path.rglob("*") if _is_visible(one, path))
        paths = [one for one in inside if one.suffix.lower() in _SUFFIXES]
        if not paths:
            raise InputError(f"{file} holds no {', '.join(_SUFFIXES)} file")
        return paths
    if not path.exists() and any(mark in file for mark in "*?["):
        names = glob.glob(file, recursive=True)  # noqa: PTH207
        paths = _unpacked(one for one in map(Path, names) if one.is_file())
        if not paths:
            raise InputError(f"no file is called {file}")
        return paths
    if path.is_file() and (partitioned or _is_long(path)):
        with path.open("rb") as opened:
            head = opened.read(_HEAD)
        if is_packed(head):
            raise InputError(f"{file} is packed with gzip and long: unpack it first")
        # JSON, YAML and UTF-16 have separate readers with their own limits.
        if not head.startswith(_WIDE_MARKS) and head.lstrip()[:1] not in {b"{", b"[", b"-"}:
            return [path]
        if partitioned:
            raise InputError("partitions are written from CSV in UTF-8 and from Parquet")
    return None


def refuse_among(out: Path, file: str, paths: Sequence[Path]) -> None:
    """
    Refuse an output file among the input files.

    Raises InputError if the next run would read the output as more nodes, or if one of several
    input files would be overwritten.
    """
    target = out.resolve()
    within = Path(file).is_dir() and target.is_relative_to(Path(file).resolve())
    if within or (len(paths) > 1 and target in {path.resolve() for path in paths}):
        raise InputError(
            f"--out {out} lies among the files that are read, where its rows would be taken for "
            "further nodes; write it elsewhere"
        )


def _is_long(path: Path) -> bool:
    """Whether a file has too many bytes or rows for memory."""
    if path.stat().st_size >= LONG:
        return True
    with path.open("rb") as opened:
        if opened.read(4) != b"PAR1":
            return False
    try:
        from pyarrow import parquet

        return bool(parquet.read_metadata(path).num_rows >= LONG_ROWS)
    except (ImportError, OSError, ValueError):  # the reader of short files refuses it
        return False


def _unpacked(paths: Iterable[Path]) -> list[Path]:
    """
    Sorted files of a folder or pattern; gzipped ones are refused, as skipping them would lose rows.

    Raises InputError if one is gzipped.
    """
    ordered = sorted(paths)
    if packed := [one for one in ordered if one.name.lower().endswith(_PACKED)]:
        raise InputError(f"{packed[0]} is packed with gzip: unpack it, or size it by itself")
    return ordered


def _is_visible(path: Path, folder: Path) -> bool:
    """Whether a file in a folder is data, not a hidden or auxiliary file of a writer."""
    parts = path.relative_to(folder).parts
    return not any(part.startswith((".", "_")) for part in parts) and path.is_file()


@contextmanager
def opened(paths: Sequence[Path], catalog: Catalog) -> Iterator[NodeFiles]:
    """The files as one table, with progress on stderr if it is a terminal."""
    from eks_win_capacity.density.node_table import without_head
    from eks_win_capacity.frames.node_files import CsvForm, NodeFiles

    with paths[0].open("rb") as first:
        line, *more = (
            first.readline(_HEAD).decode("utf-8", "replace").lstrip("\ufeff").rstrip("\r\n")
            for _ in range(5)
        )
    separator = separator_of(line)
    refuse_title([line, *more], separator, str(paths[0]))
    headless = without_head([line.replace('"', "").split(separator)], catalog)
    with (
        tidy_end(),
        progress("reading", counted=False) as tell,
        NodeFiles(
            paths,
            form=CsvForm(separator, not headless),
            progress=lambda share: tell(f"{share:.0f} %"),
        ) as files,
    ):
        yield files


@dataclass(frozen=True)
class Counted:
    """Row counts of large files, one row per combination of type, system and state."""

    table: NodeTable
    by: str
    kept: dict[str, list[str | None]]
    rows: int


def counted(
    files: NodeFiles,
    catalog: Catalog,
    *,
    column: str | None,
    count: str | None,
    all_rows: bool,
    by: Sequence[str] = (),
) -> Counted:
    """
    The Windows nodes of large files, recognised as in short ones.

    Raises InputError as :func:`eks_win_capacity.density.node_table.node_table` does.
    """
    from eks_win_capacity.density.node_table import node_table, refuse_so_many, roles

    heads = roles(files.head(_SAMPLE), catalog, column=column, count=count)
    sides = [] if all_rows else [name for name in (heads.system, heads.state) if name is not None]
    names = list(dict.fromkeys([heads.types, *sides, *by]))
    groups = files.counted(names, heads.count)
    wrong = groups["wrong"].dropna()
    if len(wrong):
        raise InputError(
            f"{heads.count} must be whole numbers from 0 where it says how many nodes a row stands "
            f"for; got {wrong.iloc[0]!r}; name another column with --count, or --count none"
        )
    if heads.count is not None:
        refuse_so_many(float(groups["nodes"].sum()), heads.count)
    weights = groups["rows"].astype("int64")
    nodes = groups["nodes"].astype("float64").astype("int64")
    table = node_table(
        groups[names], catalog, column=heads.types, count="none", all_rows=all_rows, weights=weights
    )
    notes = list(table.notes)
    if heads.count is not None:
        notes.append(f"each row stands for as many nodes as its {heads.count!r} says")
    elif heads.name is not None:
        # The names of a hundred million rows do not fit in memory.
        say(
            "eks-win-capacity: note: rows of long files are not compared by their "
            f"{heads.name!r}: a node that stands twice counts twice",
            err=True,
        )
    index = table.frame.index
    kept = {name: table.frame[name].drop_duplicates().tolist() for name in sides}
    counted_table = type(table)(table.frame, table.types, nodes[index], tuple(notes))
    return Counted(counted_table, heads.types, kept, int(weights[index].sum()))


def refuse_unknown(nodes: Counted, catalog: Catalog) -> None:
    """
    Raise an error for types that the catalog lacks, with the number of their nodes.

    Raises
    ------
    MissingValueError, UnknownInstanceTypeError
    """
    from eks_win_capacity.catalog.limits import close_names

    counts = nodes.table.counts
    assert counts is not None  # noqa: S101
    types = nodes.table.types
    absent = int(counts[types.isna()].sum())
    if types.isna().any():
        raise MissingValueError(
            f"{nodes.by} is missing for {count_of(absent, 'node')}; drop them, or pass --on-unknown null",
            positions=(),
            count=absent,
        )
    strange: pd.Series[Any] = counts[[name not in catalog for name in types]]
    if not len(strange):
        return
    by_name = strange.groupby(types[strange.index]).sum().sort_values(ascending=False)
    names = [str(name) for name in by_name.index[:5]]
    close = next((alike for name in names if (alike := close_names(name, list(catalog)))), [])
    shown = ", ".join(f"{name!r} of {by_name[name]:,}" for name in names)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise UnknownInstanceTypeError(
        f"{count_of(int(by_name.sum()), 'node is', 'nodes are')} of types without a row in the catalog of "
        f"{catalog.as_of}: {shown}.{hint} --on-unknown null leaves them out",
        names=names,
        count=int(by_name.sum()),
        close_matches=close,
        as_of=catalog.as_of,
    )


def cell(text: str) -> str:
    """SQL that converts a string like :func:`eks_win_capacity.core.spreadsheet.csv_cell`."""
    spelled = text
    for code, name in CONTROLS.items():
        spelled = f"replace({spelled}, chr({code}), '{name}')"
    controls = "".join(f"\\x{{{code:x}}}" for code in CONTROLS)
    acts = f"CASE WHEN regexp_matches({text}, '[{controls}]') THEN {spelled} ELSE {text} END"
    starts = ", ".join(f"chr({ord(one)})" for one in FORMULA)
    return (
        f"CASE WHEN left({acts}, 1) IN ({starts}) AND TRY_CAST({acts} AS DOUBLE) IS NULL "
        f"THEN '''' || {acts} ELSE {acts} END"
    )
