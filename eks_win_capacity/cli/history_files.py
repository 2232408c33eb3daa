"""Which histories ``forecast`` reads part by part, because they are longer than memory."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.cli.fleet_files import long_files
from eks_win_capacity.core.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pandas as pd

PART_ROWS: Final = 2_000_000
"""Rows that are worked on at once, unless one subnet has more."""

_PARQUET: Final = (".parquet", ".pq")
_HEAD: Final = 1_000
_PIECES: Final = {"batch_size": 1 << 15, "batch_readahead": 4, "fragment_readahead": 1}
"""Arrow reads two million rows of each of four files ahead by default."""


def long_history(file: str) -> list[Path] | None:
    """
    The Parquet files to read part by part; None where one short file, or a CSV, is read whole.

    Raises
    ------
    InputError
        If a folder or a pattern holds other files than Parquet.
    """
    paths = long_files(file, partitioned=False)
    if paths is None or all(path.suffix.lower() in _PARQUET for path in paths):
        return paths
    if [str(path) for path in paths] == [file]:
        return None
    raise InputError(f"{file}: several files of one history must be Parquet; give one CSV alone")


def history_parts(paths: list[Path], options: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
    """
    The history in frames, with all rows of a subnet in one of them.

    One pass counts the rows of each subnet, and each part is one more, which skips
    what the file says holds none of its subnets: memory is that of a part, and a file
    sorted by subnet is read about twice.

    Parameters
    ----------
    paths : list of path
        As `long_history` gives them.
    options : mapping
        The arguments of `forecast_exhaustion` that name columns.

    Raises
    ------
    InputError
        If no column tells the subnets apart, or a file is damaged.
    MissingExtraError
        Without pyarrow (extra ``arrow``).
    """
    try:
        from pyarrow import compute, dataset
    except ImportError as error:
        raise MissingExtraError("pyarrow", extra="arrow", purpose="reading Parquet") from error
    from eks_win_capacity.forecast.read import find_roles

    roles_given = ("time", "used", "available", "percent", "subnet")
    named = {x: options.get(x) if isinstance(options.get(x), str) else None for x in roles_given}
    with _named(paths[0]):
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
    with _named(paths[0]):
        for batch in rows.to_batches(columns=[by], **_PIECES):
            for pair in compute.value_counts(batch.column(0)).to_pylist():
                sizes[pair["values"]] += pair["counts"]
    columns = list(dict.fromkeys(name for name in roles.values() if name is not None))
    for names in _parts_of(sizes):
        chosen = dataset.field(by).isin([name for name in names if name is not None])
        if None in names:
            chosen |= dataset.field(by).is_null()
        with _named(paths[0]):
            yield rows.to_table(columns=columns, filter=chosen, **_PIECES).to_pandas(
                categories=[by]
            )


def _parts_of(sizes: Counter[Any]) -> Iterator[list[Any]]:
    """Subnets in the order in which they appear, as many as make a part of the rows."""
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
def _named(path: Path) -> Iterator[None]:
    """Errors of Arrow as ours, with the file that they are about."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
