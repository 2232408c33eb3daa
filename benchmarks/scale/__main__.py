"""
Rows of a Parquet file sized and totalled in every engine: ours, by hand, and read only.

Each measurement is a process of its own, so that its peak is that of its whole tree and
nothing is warm but the file. `README.md` beside this file says what came out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ENGINES = ("duckdb", "polars", "dask", "spark")
WAYS = ("ours", "any order", "by hand", "by hand, in order", "read only")
"""Any order: ours where the rows need not stay in theirs, as those of a join by hand do not in DuckDB."""

TASKS = ("totals", "written")
BLOCK = 1_000_000


def write_nodes(path: Path, rows: int) -> None:
    """Write nodes whose types follow Zipf's law over the whole table, block by block."""
    import pyarrow as pa
    from pyarrow import parquet

    import eks_win_capacity as ewc

    names = list(ewc.Catalog.bundled())
    rng = np.random.default_rng(20260320)
    weights = 1 / np.arange(1, len(names) + 1)
    schema = pa.schema([("node", pa.int64()), ("instance_type", pa.string()), ("pods", pa.int32())])
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, BLOCK):
            size = min(BLOCK, rows - start)
            codes = rng.choice(len(names), size=size, p=weights / weights.sum()).astype(np.int32)
            types = pa.DictionaryArray.from_arrays(codes, pa.array(names)).cast(pa.string())
            numbers = pa.array(np.arange(start, start + size))
            pods = pa.array(rng.integers(0, 250, size, dtype=np.int32))
            writer.write_table(pa.table([numbers, types, pods], schema=schema))


def limits() -> dict[str, int]:
    """Pods by type, for those who write the query by hand."""
    import eks_win_capacity as ewc

    return {name: ewc.max_pods(name) for name in ewc.Catalog.bundled()}


def with_duckdb(task: str, way: str, source: str, out: str) -> object:
    """One measurement in DuckDB."""
    import duckdb
    import pyarrow as pa

    from eks_win_capacity import frames

    con = duckdb.connect(config={"memory_limit": "1200MB"})
    rows = con.read_parquet(source)
    if way in {"ours", "any order"}:
        if task == "totals":
            return frames.totals(rows).fetchall()
        return frames.with_capacity(rows, keep_order=way == "ours").write_parquet(out)
    if way == "read only":
        if task == "totals":
            return rows.aggregate("count(instance_type)").fetchall()
        return rows.write_parquet(out)
    known = limits()
    con.register("limits", pa.table({"name": list(known), "max_pods": list(known.values())}))
    joined = f"from '{source}' r left join limits on r.instance_type = name"
    if task == "totals":
        return con.sql(f"select count(*), sum(max_pods) {joined}").fetchall()
    if way == "by hand, in order":
        numbered = joined.replace(
            f"'{source}'", f"read_parquet('{source}', file_row_number = true)"
        )
        ordered = (
            f"select r.* exclude (file_row_number), max_pods {numbered} order by file_row_number"
        )
        return con.sql(ordered).write_parquet(out)
    return con.sql(f"select r.*, max_pods {joined}").write_parquet(out)


def with_polars(task: str, way: str, source: str, out: str) -> object:
    """One measurement in Polars."""
    import polars as pl

    from eks_win_capacity import frames

    rows = pl.scan_parquet(source)
    if way in {"ours", "any order"}:
        if task == "totals":
            return frames.totals(rows).collect(engine="streaming")
        return frames.with_capacity(rows, keep_order=way == "ours").sink_parquet(out)
    if way == "read only":
        if task == "totals":
            return rows.select(pl.col("instance_type").count()).collect(engine="streaming")
        return rows.sink_parquet(out)
    known = limits()
    table = pl.LazyFrame({"instance_type": list(known), "max_pods": list(known.values())})
    joined = rows.join(table, on="instance_type", how="left")
    if task == "totals":
        return joined.select(pl.len(), pl.col("max_pods").sum()).collect(engine="streaming")
    return joined.sink_parquet(out)


def with_dask(task: str, way: str, source: str, out: str) -> object:
    """One measurement in Dask, on threads."""
    import dask.dataframe as dd

    from eks_win_capacity import frames

    rows = dd.read_parquet(source, split_row_groups=True)
    if way == "ours":
        if task == "totals":
            return frames.totals(rows).compute()
        return frames.with_capacity(rows).to_parquet(out)
    if way == "read only":
        return rows["instance_type"].count().compute() if task == "totals" else rows.to_parquet(out)
    sized = rows.assign(max_pods=rows["instance_type"].map(limits(), meta=("max_pods", "int64")))
    return sized["max_pods"].sum().compute() if task == "totals" else sized.to_parquet(out)


def with_spark(task: str, way: str, source: str, out: str) -> object:
    """One measurement in Spark, on the cores of this machine."""
    from pyspark.sql import SparkSession, functions

    from eks_win_capacity import frames

    session = (
        SparkSession.builder.master("local[*]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "2g")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    rows = session.read.parquet(source)
    if way == "ours":
        if task == "totals":
            return frames.totals(rows).collect()
        return frames.with_capacity(rows).write.parquet(out)
    if way == "read only":
        counted = rows.agg(functions.count("instance_type"))
        return counted.collect() if task == "totals" else rows.write.parquet(out)
    table = session.createDataFrame(list(limits().items()), "instance_type string, max_pods bigint")
    joined = rows.join(functions.broadcast(table), on="instance_type", how="left")
    if task == "totals":
        return joined.agg(functions.count("*"), functions.sum("max_pods")).collect()
    return joined.write.parquet(out)


def resident(pid: int) -> int:
    """Bytes that a process and its children hold."""
    total = 0
    with contextlib.suppress(OSError):
        total = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total += sum(
                resident(int(child)) for child in (thread / "children").read_text().split()
            )
    return total


def measured(engine: str, task: str, way: str, source: Path, folder: Path) -> dict[str, float]:
    """Wall time of the query and peak memory of its tree of processes."""
    out = folder / "out.parquet"
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.scale", "--one", engine, task, way]
    begun = subprocess.Popen(
        [*command, str(source), str(out)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    peak = 0
    while begun.poll() is None:
        peak = max(peak, resident(begun.pid))
        time.sleep(0.05)
    said = begun.stdout.read().decode().splitlines() if begun.stdout else []
    shutil.rmtree(out, ignore_errors=True) if out.is_dir() else out.unlink(missing_ok=True)
    if begun.returncode or not said:
        raise SystemExit(f"{engine}, {task}, {way} failed with {begun.returncode}")
    return {**json.loads(said[-1]), "peak": peak / 2**20}


def one(engine: str, task: str, way: str, source: str, out: str) -> None:
    """Run one query in this process and print what it took."""
    run = globals()[f"with_{engine}"]
    if engine == "spark":  # its virtual machine starts with the first question
        run("totals", "read only", source, out)
    wall, cpu = time.perf_counter(), time.process_time()
    run(task, way, source, out)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"wall": wall, "cpu": cpu}))


def table_of(rows: int, engines: list[str], repeats: int, folder: Path) -> None:
    """Print one row for each engine, task and way; the least time and its peak count."""
    source = folder / "nodes.parquet"
    write_nodes(source, rows)
    load = os.getloadavg()[0]
    print(
        f"{rows:,} rows, {source.stat().st_size / 2**20:,.0f} MiB; {os.cpu_count()} cores, load {load:.1f}\n"
    )
    print("| engine | task | way | million rows/s | wall [s] | peak [MiB] | this / by hand |")
    print("|---|---|---|---:|---:|---:|---:|")
    for engine in engines:
        for task in TASKS:
            timings: dict[str, dict[str, float]] = {}
            written = task == "written"
            absent = {
                "any order": not written or engine not in {"duckdb", "polars"},
                "by hand, in order": not written or engine != "duckdb",
            }
            ways = [way for way in WAYS if not absent.get(way)]
            for _ in range(repeats):
                for way in ways:  # interleaved, so that the load of the machine falls on all
                    new = measured(engine, task, way, source, folder)
                    best = timings.setdefault(way, new)
                    timings[way] = min(best, new, key=lambda x: x["wall"])
            for way, best in timings.items():
                wall = best["wall"]
                ratio = wall / timings["by hand"]["wall"]
                print(
                    f"| {engine} | {task} | {way} | {rows / wall / 1e6:,.1f} | {wall:,.2f} "
                    f"| {best['peak']:,.0f} | {ratio:.2f} |",
                    flush=True,
                )


def main() -> None:
    """Measure what is asked for."""
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=lambda text: int(float(text)), nargs="+", default=[10_000_000]
    )
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    for rows in asked.rows:
        with tempfile.TemporaryDirectory() as folder:
            table_of(rows, asked.engines, asked.repeats, Path(folder))
        print()


if __name__ == "__main__":
    main()
