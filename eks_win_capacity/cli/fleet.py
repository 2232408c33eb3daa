"""The command ``fleet``: pods of each node in a file."""

from __future__ import annotations

import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from eks_win_capacity.cli.options import binding_options, file_argument, note_kubelet, text_of
from eks_win_capacity.cli.output import (
    check_ending,
    document_of,
    emit,
    output_option,
    progress,
    say,
)
from eks_win_capacity.core.constants import (
    KUBELET_MAX_PODS_ADVISED,
    KUBELET_MAX_PODS_SMALL,
    KUBELET_MAX_PODS_VCPUS,
)
from eks_win_capacity.core.display import records_of
from eks_win_capacity.core.documents import whole
from eks_win_capacity.core.errors import InputError, MissingExtraError, count_of
from eks_win_capacity.core.replacing import replace_file
from eks_win_capacity.core.spreadsheet import csv_cell, workbook
from eks_win_capacity.density.node_table import UNNAMED

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.density.fleet import Fleet
    from eks_win_capacity.density.node_table import NodeTable
    from eks_win_capacity.frames.node_files import NodeFiles, Sizing


_SHOWN = (
    "secondary_addresses",
    "prefix_addresses",
    "secondary_pods",
    "prefix_pods",
    "prefix_binding",
)
"""Columns of each type in the summary."""


@click.command("fleet")
@file_argument(kind=click.Path(allow_dash=True))
@click.option("--column", metavar="NAME", help="Column of instance types; detected by default.")
@click.option("--count", metavar="NAME", help="Column with the number of nodes per row, or 'none'.")
@click.option("--all-rows", is_flag=True, help="Include Linux, terminated and NotReady rows.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write the rows with their answers to this .csv, .json, .parquet or .xlsx file.",
)
@click.option(
    "--partition-by",
    multiple=True,
    metavar="NAME",
    help=(
        "Write --out as a folder of Parquet files, with a subfolder for each value of this column."
    ),
)
@click.option(
    "--any-order",
    is_flag=True,
    help="Allow any order of rows in --out, which is faster for long files.",
)
@binding_options
@click.option(
    "--on-unknown",
    type=click.Choice(["raise", "null"]),
    default="raise",
    show_default=True,
    help="Fail on missing and unknown types, or leave their answers empty.",
)
@click.option(
    "--rows", is_flag=True, help="Print the rows of FILE with their answers instead of a summary."
)
@click.option(
    "--by",
    multiple=True,
    metavar="NAME",
    help="Sum by the values of this column instead of by instance type; repeatable.",
)
@output_option
def fleet(
    *, kubelet_max_pods: int | None, pod_cpu: str | None, pod_memory: str | None, **given: Any
) -> None:
    """
    Compute the pods of each node in a CSV or Parquet file, in both address modes.

    Prints a summary by instance type, or with --rows the rows of FILE with pods and binding
    limit in each mode. FILE may be - for CSV from a pipe, or the table that kubectl get nodes
    prints. Folders, patterns such as 'nodes/*.parquet', and files of at least 64 MiB or two
    million Parquet rows need the extra "stream"; they are read and written in batches, in
    constant memory.

    \b
    Examples:
      eks-win-capacity fleet nodes.csv --out sized.csv
      eks-win-capacity fleet nodes.parquet --column type --pod-memory 1Gi --rows -o csv
      eks-win-capacity fleet nodes/ --out sized --partition-by region
      eks-win-capacity fleet nodes.csv --by cluster --by zone -o json
      kubectl get nodes -l kubernetes.io/os=windows \\
          -L node.kubernetes.io/instance-type | eks-win-capacity fleet -
    """  # noqa: D301
    from eks_win_capacity.catalog import Catalog
    from eks_win_capacity.cli import fleet_files

    binding = {"kubelet_max_pods": kubelet_max_pods, "pod_cpu": pod_cpu, "pod_memory": pod_memory}
    asked = _Asked(**given, options=binding)
    catalog = Catalog.bundled()
    paths = fleet_files.long_files(asked.file, partitioned=bool(asked.partition_by))
    if paths is None:
        _size_whole(asked, catalog)
    else:
        if asked.out is not None:
            fleet_files.refuse_among(asked.out, asked.file, paths)
        with fleet_files.opened(paths, catalog) as files:
            _size_long(asked, catalog, files)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """Options and arguments of the command."""

    file: str
    column: str | None
    count: str | None
    all_rows: bool
    out: Path | None
    partition_by: tuple[str, ...]
    any_order: bool
    on_unknown: str
    rows: bool
    by: tuple[str, ...]
    output: str
    options: dict[str, Any]

    def __post_init__(self) -> None:
        if self.partition_by and self.out is None:
            raise InputError("--partition-by needs --out, the folder of the partitions")
        if self.any_order and self.out is None:
            raise InputError("--any-order needs --out, the file of the rows")
        if self.by and self.rows:
            raise InputError("--by is of the summary: leave --rows out")

    def refuse_groups(self, columns: Sequence[object]) -> None:
        """Refuse columns for --by that the file lacks, or whose names the sums use."""
        names = [str(name) for name in columns]
        for name in self.by:
            if name not in names:
                raise InputError(f"--by: no column {name!r}; there are: {', '.join(names)}")
            if name in _SUMS or self.by.count(name) > 1:
                raise InputError(f"--by: the answer would have two columns {name!r}")


def _size_whole(asked: _Asked, catalog: Catalog) -> None:
    """Size a table in memory."""
    from eks_win_capacity.density.fleet import Fleet
    from eks_win_capacity.density.node_table import node_table

    frame = _read(asked.file, catalog)
    asked.refuse_groups(list(frame.columns))
    table = node_table(
        frame,
        catalog,
        column=asked.column,
        count=asked.count,
        all_rows=asked.all_rows,
    )
    unknown: Literal["null", "raise"] = "null" if asked.on_unknown == "null" else "raise"
    rows = Fleet.encode(table.types, on_unknown=unknown)
    with progress(f"sizing {count_of(len(rows), 'node')}"):
        sizes = _by_type(rows, asked.options)
    _refuse_taken(asked.file, sizes, table.frame)
    sized = table.frame.join(sizes.reindex(rows.codes).set_axis(table.frame.index))
    if asked.out is not None:
        _write(sized, asked.out)
    tally = _Tally.of(rows, table.counts)
    summary = _grouped(asked, catalog, rows=rows, table=table, sizes=sizes)
    _tell(asked, catalog, tally=tally, sizes=sizes, notes=table.notes, sized=sized, summary=summary)


def _size_long(asked: _Asked, catalog: Catalog, files: NodeFiles) -> None:
    """Size files out of core: count in one pass, write in another."""
    from eks_win_capacity.cli import fleet_files
    from eks_win_capacity.density.fleet import Fleet
    from eks_win_capacity.frames.node_files import Sizing

    _refuse_kind(asked, files.columns)
    asked.refuse_groups(files.columns)
    nodes = fleet_files.counted(
        files,
        catalog,
        column=asked.column,
        count=asked.count,
        all_rows=asked.all_rows,
        by=asked.by,
    )
    if asked.on_unknown == "raise":
        fleet_files.refuse_unknown(nodes, catalog)
    groups = Fleet.encode(nodes.table.types, on_unknown="null")
    sizes = _by_type(groups, asked.options)
    _refuse_taken(asked.file, sizes, [name.lower() for name in files.columns])
    sizing = Sizing(nodes.by, _answers(nodes.table.frame[nodes.by], groups, sizes), nodes.kept)
    tally = _Tally.of(groups, nodes.table.counts)
    if asked.out is not None:
        files.write(
            asked.out,
            sizing,
            partition_by=asked.partition_by,
            cell=fleet_files.cell,
            keep_order=not asked.any_order,
        )
    _tell(
        asked,
        catalog,
        tally=tally,
        sizes=sizes,
        notes=nodes.table.notes,
        sized=_printed(files, sizing, nodes.rows) if asked.rows else None,
        summary=_grouped(asked, catalog, rows=groups, table=nodes.table, sizes=sizes),
        written=nodes.rows,
    )


def _printed(files: NodeFiles, sizing: Sizing, rows: int) -> pd.DataFrame:
    """The sized rows, if few enough to print."""
    from eks_win_capacity.cli import fleet_files

    if rows > fleet_files.MOST_PRINTED:
        raise InputError(
            f"{rows:,} rows are too many to print; write them with --out, and print the "
            "summary without --rows"
        )
    return files.rows(sizing)


def _answers(values: pd.Series, groups: Fleet, sizes: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """New columns for each value of the type column, in its spelling in the files."""
    by_code = dict(zip(sizes.index, records_of(sizes), strict=True))
    codes = zip(values.tolist(), groups.codes.tolist(), strict=True)
    nothing = dict.fromkeys(map(str, sizes.columns))
    return {str(value): by_code.get(code) or nothing for value, code in codes if value is not None}


def _refuse_kind(asked: _Asked, columns: Sequence[str]) -> None:
    """Refuse an output format that large files do not support, before anything is read."""
    if asked.out is None:
        return
    kind = asked.out.suffix.lower()
    if asked.partition_by and kind in {".csv", ".json", ".parquet"}:
        raise InputError(f"--out must be a folder with --partition-by; got {str(asked.out)!r}")
    if not asked.partition_by and kind not in {".csv", ".parquet"}:
        raise InputError(
            f"--out must end in .csv or .parquet for long files; got {str(asked.out)!r}"
        )
    for name in asked.partition_by:
        if name not in columns:
            raise InputError(f"--partition-by: no column {name!r}; there are: {', '.join(columns)}")


def _refuse_taken(file: str, sizes: pd.DataFrame, columns: Container[str]) -> None:
    """Refuse columns named like an answer; in lower case for DuckDB, which would rename the answer."""
    taken = [name for name in sizes if name in columns]
    if taken:
        raise InputError(f"{file} has a column {taken[0]!r} already; rename it or drop it")


def _tell(
    asked: _Asked,
    catalog: Catalog,
    *,
    tally: _Tally,
    sizes: pd.DataFrame,
    notes: Sequence[str],
    sized: pd.DataFrame | None,
    summary: list[dict[str, Any]],
    written: int = 0,
) -> None:
    """Print the rows, or the summary with notes on what was recognised and left out."""
    if asked.output != "table":
        for note in notes:
            say(f"eks-win-capacity: note: {note}", err=True)
    if asked.rows:
        assert sized is not None  # noqa: S101
        _print_rows(sized, asked.output)
        return
    lines = [f"{note[0].upper()}{note[1:]}." for note in notes]
    lines += _notes(tally, sizes, catalog)
    limit = asked.options["kubelet_max_pods"]
    note_kubelet(limit, (catalog[name] for name in tally.counts))
    if asked.out is not None:
        rows = written if sized is None else len(sized)
        lines.append(f"{rows:,} sized rows written to {asked.out}")
    emit(
        summary or _summary(tally, sizes, catalog),
        asked.output,
        lead=(*asked.by, *_SUMS) if asked.by else _LEAD,
        title=f"{count_of(len(tally), 'node')}, limits of {catalog.as_of}",
        note="\n".join(lines),
        assumptions=[
            (
                f"{'no max-pods' if limit is None else f'max-pods {limit:,}'} on every node "
                "(--kubelet-max-pods), and what Windows keeps "
                "of CPU and memory by default"
            )
        ],
    )


_SUMS = ("nodes", "total_secondary", "total_prefix")
"""Columns of sums for each group."""


def _grouped(
    asked: _Asked, catalog: Catalog, *, rows: Fleet, table: NodeTable, sizes: pd.DataFrame
) -> list[dict[str, Any]]:
    """Nodes and pods by the values of some columns, with a total; empty without such columns."""
    import pandas as pd

    if not asked.by:
        return []
    able = [name for name in rows.instance_types if catalog[name].windows.possible]
    kept = pd.Series(rows.codes).map(dict(enumerate(rows.instance_types))).isin(able).to_numpy()
    groups = table.frame[list(asked.by)].astype("string").replace("", pd.NA)[kept]
    counts = 1 if table.counts is None else table.counts.to_numpy()[kept]
    pods = sizes.reindex(rows.codes[kept])[["secondary_pods", "prefix_pods"]].to_numpy("int64")
    numbers = groups.assign(**{_SUMS[0]: counts})
    for at, name in enumerate(_SUMS[1:]):
        numbers[name] = numbers["nodes"] * pods[:, at]
    sums = numbers.groupby(list(asked.by), dropna=False)[list(_SUMS)].sum()
    total: dict[str, Any] = dict.fromkeys(asked.by) | {asked.by[0]: "total"}
    total |= {name: int(sums[name].sum()) for name in _SUMS}
    return [*records_of(sums.reset_index()), total]


_LEAD = (
    "instance_type", "nodes", "secondary_pods", "prefix_pods", "total_secondary", "total_prefix",
    "prefix_binding",
)  # fmt: skip
"""Columns that a narrow terminal shows first."""


@dataclass(frozen=True)
class _Tally:
    """Number of nodes of each type."""

    instance_types: tuple[str, ...]
    histogram: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Fleet, counts: pd.Series | None) -> _Tally:
        """Tally of the nodes that the rows of a fleet represent."""
        import numpy as np

        if counts is None:
            return cls(rows.instance_types, rows.histogram)
        histogram = np.zeros(len(rows.histogram), dtype=np.int64)
        np.add.at(histogram, rows.codes, counts.to_numpy())
        return cls(rows.instance_types, histogram)

    def __len__(self) -> int:
        return int(self.histogram.sum())

    @property
    def unknown(self) -> int:
        """Nodes of unknown type."""
        return int(self.histogram[-1])

    @property
    def counts(self) -> dict[str, int]:
        """Nodes of each type that occurs, the most frequent first."""
        known = self.histogram[:-1]
        order = sorted(range(len(known)), key=lambda code: -int(known[code]))
        return {self.instance_types[at]: int(known[at]) for at in order if known[at]}


def _read(file: str, catalog: Catalog) -> pd.DataFrame:
    """Table of the file, with every column of a CSV as strings, so that no value changes."""
    import pandas as pd

    from eks_win_capacity.cli.history_files import parquet_table, whole_rows
    from eks_win_capacity.density.node_table import without_head

    name = "standard input" if file == "-" else file
    if file.lower().endswith((".parquet", ".pq")):
        return parquet_table(file, file)
    with click.open_file(file, "rb") as opened:
        content = whole.table_text(whole.answer_text(text_of(opened), name)).strip("\r\n")
    if content.lstrip()[:1] in {"{", "["} or whole.looks_like_yaml(content):
        return _read_json(content, name)
    head = content[:4096].split("\n", 1)[0]
    separator = whole.separator_of(head)
    headless = without_head([head.strip("\r").replace('"', "").split(separator)], catalog)
    if separator not in head and without_head([head.split()], catalog):
        return _read_words(content, counted=head[:1].isspace())
    if separator not in head and "  " in head.strip():
        return _read_aligned(content, head)
    whole.refuse_title(content[:8192].splitlines()[:5], separator, name)
    with whole_rows(name):
        frame = pd.read_csv(
            io.StringIO(content),
            dtype=str,
            keep_default_na=False,
            sep=separator,
            header=None if headless else 0,
            # In a single column, an empty line between others is a missing value.
            skip_blank_lines=separator in head,
            index_col=False,
        )
    return frame.rename(columns=lambda n: f"{UNNAMED}{n + 1}") if headless else frame


def _read_json(content: str, name: str) -> pd.DataFrame:
    """Table from JSON or YAML of kubectl or the AWS CLI, in one document or several."""
    import pandas as pd

    documents = whole.values_in(content, name)
    if counts := whole.type_counts(documents):
        return pd.DataFrame({"instance_type": list(counts), "count": list(counts.values())})
    document = documents[0] if len(documents) == 1 else whole.objects_in(documents)
    items = document if isinstance(document, list) else None
    if isinstance(document, dict):
        if "Reservations" in document:
            return pd.DataFrame(
                [
                    {
                        "node": one.get("InstanceId"),
                        "instance_type": one.get("InstanceType"),
                        "platform": one.get("Platform") or "linux",
                        "state": (one.get("State") or {}).get("Name"),
                    }
                    for reservation in document["Reservations"]
                    for one in reservation.get("Instances", ())
                ]
            )
        listed = "items" in document or document.get("kind") == "Node"
        items = whole.objects_in([document]) if listed else None
    frame = _frame_of(items) if isinstance(items, list) and items else None
    if frame is not None:
        return frame
    raise InputError(
        f"{name} is {whole.what_it_is(document)} without nodes; fleet reads tables, "
        "kubectl get nodes -o json and aws ec2 describe-instances; a whole cluster is read by "
        "eks-win-capacity cluster -f"
    )


def _frame_of(items: list[Any]) -> pd.DataFrame | None:
    """Table of nodes, rows or type names; None for other items."""
    import pandas as pd

    nodes = [one for one in items if isinstance(one, dict) and one.get("kind") == "Node"]
    if nodes:
        return pd.DataFrame([_kubectl_row(one) for one in nodes])
    # --query nests the lists of instances in lists of reservations.
    while all(isinstance(row, list) and row for row in items) and all(
        isinstance(one, list) for row in items for one in row
    ):
        items = [one for row in items for one in row]
    if all(isinstance(one, list) for one in items):
        return pd.DataFrame(items).rename(columns=lambda n: f"{UNNAMED}{n + 1}")
    if all(isinstance(one, str) for one in items):
        return pd.DataFrame({"instance_type": items})
    if all(isinstance(one, dict) and "kind" not in one for one in items):
        return pd.DataFrame(items)
    return None


def _kubectl_row(node: dict[str, Any]) -> dict[str, Any]:
    head, status = node.get("metadata") or {}, node.get("status") or {}
    labels = head.get("labels") or {}
    ready = [one for one in status.get("conditions") or () if one.get("type") == "Ready"]
    state = "Unknown" if not ready else "Ready" if ready[0].get("status") == "True" else "NotReady"
    return {
        "node": head.get("name"),
        "instance_type": labels.get("node.kubernetes.io/instance-type")
        or labels.get("beta.kubernetes.io/instance-type"),
        "os": labels.get("kubernetes.io/os")
        or (status.get("nodeInfo") or {}).get("operatingSystem"),
        "status": state,
    }


def _read_words(content: str, *, counted: bool) -> pd.DataFrame:
    """Table without a header, from ``kubectl --no-headers``, ``jsonpath`` or ``uniq -c``."""
    import pandas as pd

    lines = [line.strip() for line in content.splitlines() if line.strip()]
    wide = any(re.search(r"\S {2,}\S", line) for line in lines)
    frame = pd.DataFrame([re.split(r"\s{2,}" if wide else r"\s+", line) for line in lines])
    if counted and len(frame.columns) == 2 and frame[0].str.isdigit().all():
        return frame.set_axis(["count", "instance_type"], axis=1)
    return frame.rename(columns=lambda n: f"{UNNAMED}{n + 1}")


def _read_aligned(content: str, head: str) -> pd.DataFrame:
    """
    Table of kubectl's output, whose columns start where their headings do.

    A table that lost its alignment on the way has at least two spaces between all fields.
    """
    import pandas as pd

    lines = [re.split(r"\s{2,}", line.strip()) for line in content.splitlines() if line.strip()]
    if all(len(line) == len(lines[0]) for line in lines):
        return pd.DataFrame(lines[1:], columns=lines[0])
    starts = [match.start() for match in re.finditer(r"\S+(?: \S+)*", head)]
    return pd.read_fwf(
        io.StringIO(content),
        colspecs=list(zip(starts, [*starts[1:], len(content)], strict=True)),
        dtype=str,
        keep_default_na=False,
    )


def _by_type(fleet: Fleet, options: dict[str, Any]) -> pd.DataFrame:
    """Sizes of every type that occurs, computed once; the index contains the codes."""
    import numpy as np
    import pandas as pd

    from eks_win_capacity.density.max_pods import max_pods
    from eks_win_capacity.density.node_capacity import node_capacity

    codes = np.flatnonzero(fleet.histogram[:-1])
    names = [fleet.instance_types[code] for code in codes]
    secondary = node_capacity(names, **options)
    prefix = node_capacity(names, prefix_delegation=True, **options)
    sizes = {
        "secondary_addresses": max_pods(names),
        "prefix_addresses": max_pods(names, prefix_delegation=True),
        "secondary_pods": secondary["pods"],
        "secondary_binding": secondary["binding"].astype(object),
        "prefix_pods": prefix["pods"],
        "prefix_binding": prefix["binding"].astype(object),
        "kubelet_extra_args": prefix["kubelet_extra_args"].astype(object),
    }
    frame = pd.DataFrame(sizes)
    if fleet.unknown:
        counts = frame.columns[frame.dtypes == np.int64]
        frame = frame.astype(dict.fromkeys(counts, "Int64"))
    frame.index = pd.Index(codes)
    return frame


def _summary(fleet: _Tally, sizes: pd.DataFrame, catalog: Catalog) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    runs = {name: catalog[name].windows.possible for name in fleet.counts}
    for name, nodes in fleet.counts.items():
        size = sizes.loc[fleet.instance_types.index(str(name))].to_dict()
        rows.append(
            {
                "instance_type": name,
                "nodes": int(nodes),
                **{key: size[key] for key in _SHOWN},
                # A type that cannot run Windows has no Windows pods, so no total includes it.
                "total_secondary": int(nodes) * int(size["secondary_pods"]) if runs[name] else None,
                "total_prefix": int(nodes) * int(size["prefix_pods"]) if runs[name] else None,
            }
        )
    sums = {
        key: sum(row[key] for row in rows if row[key] is not None)
        for key in ("total_secondary", "total_prefix")
    }
    counted = sum(row["nodes"] for row in rows if runs[row["instance_type"]])
    total = {"instance_type": "total", "nodes": counted}
    return [*rows, {**total, **dict.fromkeys(_SHOWN), **sums}]


def _notes(fleet: _Tally, sizes: pd.DataFrame, catalog: Catalog) -> list[str]:
    from eks_win_capacity.density.reserved import allocatable

    counts = fleet.counts
    notes = []
    if fleet.unknown:
        one = "node has a missing or unknown type and is not counted."
        many = "nodes have a missing or unknown type and are not counted."
        notes.append(count_of(fleet.unknown, one, many))
    if barred := [name for name in counts if not catalog[name].windows.possible]:
        count = sum(counts[name] for name in barred)
        notes.append(
            f"{count_of(count, 'node')} cannot run Windows and {'counts' if count == 1 else 'count'} in no "
            f"total: {', '.join(barred[:5])}{' and more' * (len(barred) > 5)}."
        )
    if old := [name for name in counts if not catalog[name].nitro]:
        are = count_of(sum(counts[name] for name in old), "node is", "nodes are")
        notes.append(f"{are} neither Nitro nor bare metal and cannot use prefixes.")
    if bare := [name for name in counts if not allocatable(catalog[name])[1]]:
        have = count_of(sum(counts[name] for name in bare), "node has", "nodes have")
        notes.append(
            f"{have} no memory left for any pod after what Windows keeps, whatever the "
            f"addresses allow: {', '.join(bare[:5])}."
        )
    binds, lifts = sizes["prefix_binding"] == "kubelet", sizes["kubelet_extra_args"].notna()
    if bound := int(fleet.histogram[sizes.index[binds & lifts]].sum()):
        notes.append(
            f"{count_of(bound, 'node takes', 'nodes take')} more pods with prefixes once the "
            f"kubelet's --max-pods is raised to what AWS advises: {KUBELET_MAX_PODS_SMALL} below "
            f"{KUBELET_MAX_PODS_VCPUS} vCPUs, {KUBELET_MAX_PODS_ADVISED} above."
        )
    return notes


def _print_rows(sized: pd.DataFrame, output: str) -> None:
    if output == "csv":
        _without_formulas(sized).to_csv(sys.stdout, index=False, lineterminator="\n")
    elif output == "json":
        import json

        document = document_of((), ()) | {"rows": json.loads(sized.to_json(orient="records"))}
        click.echo(json.dumps(document, indent=2))
    else:
        emit(records_of(sized), output, columns=[str(name) for name in sized.columns])


def _without_formulas(sized: pd.DataFrame) -> pd.DataFrame:
    """Rows with strings and column names that a spreadsheet does not treat as formulas."""
    import pandas as pd

    texts = [name for name in sized.columns if not pd.api.types.is_numeric_dtype(sized[name])]
    safe = sized.astype(dict.fromkeys(texts, object))
    for name in texts:
        known = safe[name].notna()
        safe.loc[known, name] = safe.loc[known, name].map(csv_cell)
    return safe.rename(columns=csv_cell)


def _write(sized: pd.DataFrame, out: Path) -> None:
    """Write the sized rows in the format of the file's extension."""
    kind = out.suffix.lower()
    check_ending(out, (".csv", ".json", ".parquet", ".xlsx"))
    buffer = io.BytesIO()
    if kind == ".xlsx":
        names = [str(name) for name in sized.columns]
        buffer.write(workbook(names, ([row[n] for n in names] for row in records_of(sized))))
    elif kind == ".csv":
        _without_formulas(sized).to_csv(buffer, index=False, lineterminator="\n")
    elif kind == ".json":
        sized.to_json(buffer, orient="records", indent=2)
    else:
        try:
            # A column without values would have no type.
            sized.astype({"kubelet_extra_args": "string"}).to_parquet(buffer, index=False)
        except ImportError:
            raise MissingExtraError("pyarrow", extra="arrow", purpose="Parquet") from None
    replace_file(out, buffer.getvalue())
