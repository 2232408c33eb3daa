"""The command fleet on files, folders and patterns that are worked on out of core."""

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from eks_win_capacity import cli
from eks_win_capacity.cli import fleet_files
from eks_win_capacity.core.errors import CapacityError, InputError
from eks_win_capacity.frames import node_files

pytest.importorskip("duckdb", reason="DuckDB is not installed: the extra `stream`")
parquet = pytest.importorskip("pyarrow.parquet", reason="PyArrow is not installed")

TEXT = (
    "node,Instance Type,os,status,note\n"
    'n0,m5.large,windows,Ready,"a, ""b"""\n'
    "n1, M5.Large ,Windows Server 2022,Ready,\n"
    "n2,c5.4xlarge,linux,Ready,x\n"
    "n3,t3.xlarge,windows,NotReady,=1\n"
    "n5,m5.large,windows,Ready,=1+2\n"
    "n6,m5.large,windows,Ready,-7\n"
    "n7,m5.large,windows,Ready,a\x1b\u202eb\n"
    "n4,c5.4xlarge,windows,Ready,'\n"
)
COUNTS = "type,count\nm5.large,3\nc5.xlarge,40\nm5.large,2\n"


def fleet(*arguments):
    ran = CliRunner().invoke(cli.app, ["fleet", *map(str, arguments)])
    if ran.exception and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    assert ran.exit_code == 0, ran.output
    return ran.stdout


@pytest.fixture
def streamed(monkeypatch):
    """Every file is long."""
    monkeypatch.setattr(fleet_files, "LONG", 0)


@pytest.fixture
def both(monkeypatch):
    """Ask as for a short file, then as for a long one."""

    def ask(*arguments):
        short = fleet(*arguments)
        monkeypatch.setattr(fleet_files, "LONG", 0)
        return short, fleet(*arguments)

    return ask


@pytest.mark.parametrize(
    "text", [TEXT, COUNTS, TEXT.replace(",", ";"), TEXT.replace(",", "|"), "m5.large\nc5.large\n"]
)
@pytest.mark.parametrize("output", ["table", "csv", "json"])
def test_long_files_are_sized_as_short_ones_are(tmp_path, both, text, output):
    path = tmp_path / "nodes.csv"
    path.write_text(text)
    rows = [] if output == "table" else ["--rows"]
    short, long = both(path, *rows, "--output", output)
    if output == "table":
        assert long == short
    elif output == "csv":
        tables = [list(csv.reader(io.StringIO(one))) for one in (short, long)]
        assert tables[1] == tables[0]
    else:
        assert long.replace("null", '""') == short.replace("null", '""')


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_long_files_are_written_as_short_ones_are(tmp_path, both, suffix):
    frame = pd.read_csv(io.StringIO(TEXT)).fillna("")
    source = tmp_path / f"nodes.{suffix}"
    (frame.to_csv if suffix == "csv" else frame.to_parquet)(source, index=False)
    out = tmp_path / f"sized.{suffix}"
    read = pd.read_csv if suffix == "csv" else pd.read_parquet
    fleet(source, "--out", out)
    short = read(out)
    _, printed = both(source, "--out", out)
    assert "6 sized rows written" in printed
    long = read(out)
    for each in (long, short):
        each["kubelet_extra_args"] = each["kubelet_extra_args"].astype("string")
    pd.testing.assert_frame_equal(long, short, check_dtype=False)


@pytest.mark.parametrize("name", ["m5.large", "m5.8xlarge"])
def test_a_column_of_parquet_has_one_type_whatever_it_holds(tmp_path, name):
    (tmp_path / "nodes.csv").write_text(f"instance_type\n{name}\n")
    fleet(tmp_path / "nodes.csv", "--out", tmp_path / "sized.parquet")
    schema = pytest.importorskip("pyarrow.parquet", reason="PyArrow is not installed").read_schema(
        tmp_path / "sized.parquet"
    )
    assert str(schema.field("kubelet_extra_args").type).removeprefix("large_") == "string"


def test_a_folder_and_a_pattern_are_one_table(tmp_path):
    for at, name in enumerate(["m5.large", "c5.large", "t3.large"]):
        folder = tmp_path / "nodes" / f"region=r{at}"
        folder.mkdir(parents=True)
        pd.DataFrame({"instance_type": [name] * 2, "n": [1, 2]}).to_parquet(folder / "a.parquet")
    (tmp_path / "nodes" / "_SUCCESS").touch()
    (tmp_path / "nodes" / ".part.parquet").write_bytes(b"no")
    rows = list(csv.DictReader(io.StringIO(fleet(tmp_path / "nodes", "--rows", "-o", "csv"))))
    assert "6 nodes" in fleet(tmp_path / "nodes")
    assert [row["region"] for row in rows] == ["r0", "r0", "r1", "r1", "r2", "r2"]
    assert {row["secondary_addresses"] for row in rows} == {"9", "11"}
    assert "4 nodes" in fleet(tmp_path / "nodes" / "region=r[01]" / "*.parquet")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_row_that_contradicts_its_folder_is_refused(tmp_path, suffix):
    def write(folder, column, values):
        path = tmp_path / "nodes" / f"{column}={folder}" / f"a.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame = pd.DataFrame({"instance_type": ["m5.large"] * len(values), column: values})
        (frame.to_csv if suffix == "csv" else frame.to_parquet)(path, index=False)

    write("2024", "year", [2024])
    write("02025", "year", [2025, 2025])
    assert "3 nodes" in fleet(tmp_path / "nodes")
    write("2024", "year", [2024, 2023])
    with pytest.raises(
        InputError, match=rf"a\.{suffix} holds '2023' in its column 'year' and lies"
    ):
        fleet(tmp_path / "nodes")


def test_a_folder_of_missing_values_agrees_with_rows_that_have_none(tmp_path):
    for folder, value in (("a%20%2B", "a +"), ("__HIVE_DEFAULT_PARTITION__", None)):
        path = tmp_path / f"team.x={folder}" / "a.parquet"
        path.parent.mkdir()
        rows = pd.DataFrame(
            {"instance_type": ["m5.large"], "team.x": pd.Series([value], dtype="string")}
        )
        rows.to_parquet(path)
    assert "2 nodes" in fleet(tmp_path)
    rows.assign(**{"team.x": "b"}).to_parquet(path)
    with pytest.raises(InputError, match=r"holds 'b' in its column 'team.x' and lies .* of None"):
        fleet(tmp_path)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_that_changes_between_two_passes_is_refused(tmp_path, streamed, monkeypatch, suffix):
    path, out = tmp_path / f"nodes.{suffix}", tmp_path / "sized.parquet"

    def written(names):
        rows = pd.DataFrame({"instance_type": names})
        rows.to_csv(path, index=False) if suffix == "csv" else rows.to_parquet(path)

    counted = node_files.NodeFiles.counted

    def counted_before_more_rows_come(*arguments):
        answer = counted(*arguments)
        written(["m5.large", "c5.large", "no.such"])
        return answer

    written(["m5.large"])
    monkeypatch.setattr(node_files.NodeFiles, "counted", counted_before_more_rows_come)
    with pytest.raises(InputError, match=rf"nodes\.{suffix} has changed while it was read"):
        fleet(path, "--out", out)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.skipif(os.name != "posix", reason="Windows ends a process without a signal")
def test_a_command_that_the_system_ends_leaves_no_half_file(tmp_path):
    rows = pd.DataFrame({"instance_type": ["m5.large", "c5.large"] * 250_000})
    rows.to_parquet(tmp_path / "nodes.parquet")
    work, spill = tmp_path / "work", tmp_path / "spill"
    work.mkdir()
    spill.mkdir()
    script = (
        "import os, signal\n"
        "from eks_win_capacity.frames import node_files\n"
        "run = node_files.NodeFiles._ended\n"
        "def ended(self, query):\n"
        "    answer = run(self, query)\n"
        "    query.startswith('COPY') and os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return answer\n"
        "node_files.NodeFiles._ended = ended\n"
        "from eks_win_capacity.cli import fleet_files, main\n"
        "fleet_files.LONG = 0\n"
        "main()\n"
    )
    command = ["fleet", tmp_path / "nodes.parquet", "--out", work / "sized.parquet"]
    ran = subprocess.run(
        [sys.executable, "-c", script, *command],
        env={**os.environ, "TMPDIR": str(spill)},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == -signal.SIGTERM, ran.stderr
    assert [*work.iterdir(), *spill.iterdir()] == []


def test_partitions_are_written_by_the_values_of_columns(tmp_path):
    source, out = tmp_path / "nodes.csv", tmp_path / "sized"
    source.write_text("instance_type,region,note\nm5.large,eu,a\nc5.large,../x,b\nm5.large,eu,c\n")
    fleet(source, "--out", out, "--partition-by", "region")
    written = sorted(path.relative_to(out).parts[0] for path in out.rglob("*.parquet"))
    assert written[-1] == "region=eu"
    assert len(written) == 2
    assert {one.name for one in tmp_path.iterdir()} == {"nodes.csv", "sized"}
    (eu,) = (out / "region=eu").iterdir()
    assert parquet.ParquetFile(eu).read().column("secondary_addresses").to_pylist() == [9, 9]
    with pytest.raises(InputError, match="new or empty folder"):
        fleet(source, "--out", out, "--partition-by", "region")


def test_rows_written_in_any_order_are_the_same_rows(tmp_path, streamed):
    source = tmp_path / "nodes.csv"
    names = ["m5.large", "c5.4xlarge", "t3.large"] * 200
    pd.DataFrame({"node": range(600), "instance_type": names}).to_csv(source, index=False)
    written = []
    for more in ([], ["--any-order"]):
        out = tmp_path / f"sized{len(more)}.parquet"
        fleet(source, "--out", out, *more)
        written.append(pd.read_parquet(out).sort_values("node", ignore_index=True))
    pd.testing.assert_frame_equal(*written)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "x.csv", "--partition-by", "region"], "must be a folder"),
        (["--any-order"], "needs --out"),
        (["--partition-by", "region"], "needs --out"),
        (["--out", "x", "--partition-by", "nope"], "no column 'nope'"),
        (["--out", "x.json"], r"\.csv or \.parquet"),
        (["--column", "nope"], "no column 'nope'"),
    ],
)
def test_wrong_questions_of_long_files_are_refused(tmp_path, streamed, arguments, message):
    path = tmp_path / "nodes.csv"
    path.write_text("instance_type,region\nm5.large,eu\n")
    with pytest.raises(InputError, match=message):
        fleet(path, *[str(tmp_path / a) if a.startswith("x") else a for a in arguments])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "instance_type\nm5.larg\nm5.large\nx\nx\n",
            "3 nodes .* 'x' of 2.* Did you mean 'm5.large'",
        ),
        ("instance_type,n\nm5.large,1\n,2\n", "missing for 1 node;"),
        ("instance_type,count\nm5.large,1\nm5.large,two\n", "got 'two'"),
        ("instance_type,count\nm5.large,1\nm5.large,-1\n", "got '-1'"),
        ("instance_type,os\nm5.large,linux\n", "--all-rows"),
        ('a,b\n"1,2\n', "cannot be read"),
        ("", "it is empty"),
        ("Fleet of today,\ninstance_type,n\nm5.large,1\n", "begins with a title"),
        ("instance_type,n\nm5.large,1,2\n", "as many fields as its header|Expected Number"),
    ],
)
def test_what_is_wrong_in_long_files_is_said(tmp_path, streamed, text, message):
    path = tmp_path / "nodes.csv"
    path.write_text(text)
    with pytest.raises(CapacityError, match=message):
        fleet(path)


def test_a_long_file_in_another_encoding_says_so(tmp_path, streamed):
    path = tmp_path / "nodes.csv"
    path.write_bytes(b"instance_type,name\nm5.large,caf\xe9\n")
    with pytest.raises(InputError, match=r"nodes\.csv cannot be read: .*UTF-8"):
        fleet(path)


def test_no_first_line_of_a_long_file_is_skipped(tmp_path, streamed):
    path = tmp_path / "nodes.csv"
    path.write_text("n0,c5.large,x\n" + "n1,m5.large\n" * 5000)
    with pytest.raises(InputError, match="as many fields as its header"):
        fleet(path)


@pytest.mark.parametrize("empty", ["a.csv", "z.csv"])
def test_an_empty_file_of_a_folder_is_named(tmp_path, empty):
    (tmp_path / "nodes.csv").write_text("instance_type\nm5.large\n")
    (tmp_path / empty).touch()
    with pytest.raises(InputError, match=f"{empty} is not a file of nodes: it is empty"):
        fleet(tmp_path)


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("kind", [True, pd.Timestamp("2026-01-01")])
def test_times_and_booleans_are_no_counts(tmp_path, monkeypatch, kind, long):
    path = tmp_path / "nodes.parquet"
    pd.DataFrame({"instance_type": ["m5.large", "c5.large"], "x": kind}).to_parquet(path)
    if long:
        monkeypatch.setattr(fleet_files, "LONG", 0)
    assert "--count" not in fleet(path)
    with pytest.raises(InputError, match="x must be whole numbers from 0"):
        fleet(path, "--count", "x")


@pytest.mark.parametrize("long", [False, True])
def test_a_count_with_a_dot_for_thousands_is_not_one(tmp_path, monkeypatch, long):
    path = tmp_path / "nodes.csv"
    path.write_text("instance_type;count\nm5.large;1.000 \nc5.large;2.0\n")
    if long:
        monkeypatch.setattr(fleet_files, "LONG", 0)
    with pytest.raises(InputError, match=r"^count.*'1\.000 '"):
        fleet(path)
    path.write_text("instance_type;count\nm5.large;3.0\nc5.large;2.00\n")
    assert json.loads(fleet(path, "-o", "json"))["rows"][-1]["nodes"] == 5


def test_answers_of_long_files_are_not_renamed(tmp_path, streamed):
    path = tmp_path / "nodes.csv"
    path.write_text("instance_type,Prefix_Pods\nm5.large,x\n")
    with pytest.raises(InputError, match="has a column 'prefix_pods' already"):
        fleet(path)


def test_a_wrong_count_is_in_the_row_of_the_file(tmp_path):
    path = tmp_path / "nodes.csv"
    path.write_text(
        "instance_type,os,count\nm5.large,linux,1\nm5.large,windows,2\nm5.large,windows,x\n"
    )
    with pytest.raises(InputError, match="got 'x' in row 3;"):
        fleet(path)


@pytest.mark.parametrize("named", ["", "*"])
def test_no_packed_file_of_a_folder_is_left_out(tmp_path, named):
    (tmp_path / "a.csv").write_text("instance_type\nm5.large\n")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"instance_type\nm5.large\n"))
    with pytest.raises(InputError, match=r"b\.csv\.gz is packed with gzip: unpack it"):
        fleet(tmp_path / named if named else tmp_path)


def test_a_long_packed_file_is_refused(tmp_path, streamed):
    path = tmp_path / "nodes.csv"
    path.write_bytes(gzip.compress(b"instance_type\nm5.large\n"))
    with pytest.raises(InputError, match="packed with gzip and long"):
        fleet(path)


def test_unknown_types_may_stay_empty(tmp_path, streamed):
    path = tmp_path / "nodes.csv"
    path.write_text("instance_type,n\nm5.larg,1\nm5.large,2\n,3\n")
    rows = list(
        csv.DictReader(io.StringIO(fleet(path, "--on-unknown", "null", "--rows", "-o", "csv")))
    )
    assert [row["secondary_pods"] for row in rows] == ["", "9", ""]
    assert "2 nodes have a missing or unknown type" in fleet(path, "--on-unknown", "null")


def test_hostile_files_end_in_one_line(tmp_path, streamed, monkeypatch):
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"PAR1" + b"\xff" * 100 + b"PAR1")
    for path, message in (
        (bad, "cannot be read"),
        (tmp_path / "nope*.csv", "no file is called"),
        (tmp_path, "mixed"),
    ):
        (tmp_path / "a.csv").write_text("instance_type\nm5.large\n")
        with pytest.raises(InputError, match=message):
            fleet(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no"):
        fleet(tmp_path / "empty")
    odd = tmp_path / "a[1].csv"
    odd.write_text("instance_type\nm5.large\n")
    with pytest.raises(InputError, match="rename the file"):
        fleet(odd)
    monkeypatch.setattr(node_files, "MOST_COLUMNS", 2)
    (tmp_path / "wide.csv").write_text("a,b,c\nm5.large,1,2\n")
    with pytest.raises(InputError, match="more than 2 columns"):
        fleet(tmp_path / "wide.csv")
    monkeypatch.setattr(node_files, "MOST_GROUPS", 1)
    (tmp_path / "many.csv").write_text("instance_type\nm5.large\nc5.large\n")
    with pytest.raises(InputError, match="more than 1 different"):
        fleet(tmp_path / "many.csv")


def test_names_of_files_and_columns_are_data(tmp_path, streamed):
    path = tmp_path / "it's; drop table.csv"
    path.write_text('instance_type,"a""b\'; --"\nm5.large,x\n')
    (row,) = csv.DictReader(io.StringIO(fleet(path, "--rows", "-o", "csv")))
    assert row["a\"b'; --"] == "x"


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, streamed, monkeypatch):
    path, out = tmp_path / "nodes.csv", tmp_path / "sized.csv"
    path.write_text("instance_type\nm5.large\n")
    out.write_text("old")
    out.chmod(0o640)

    def fail(*_):
        raise OSError("full")

    with monkeypatch.context() as patched:
        patched.setattr(node_files.shutil, "copymode", fail)
        with pytest.raises(OSError, match="full"):
            fleet(path, "--out", out)
    assert out.read_text() == "old"
    fleet(path, "--out", out)
    assert out.stat().st_mode & 0o777 == 0o640
    assert {one.name for one in tmp_path.iterdir()} == {"nodes.csv", "sized.csv"}


@pytest.mark.parametrize("count", ["99999999999999999999", "1e300"])
def test_more_nodes_than_anyone_has_are_refused(tmp_path, streamed, count):
    path = tmp_path / "nodes.csv"
    path.write_text(f"instance_type,count\nm5.large,{count}\n")
    with pytest.raises(InputError, match="count adds up to more than 1,000,000,000 nodes"):
        fleet(path)


def test_rows_are_not_written_among_the_files_that_are_read(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("instance_type\nm5.large\n")
    for file, out in (
        (tmp_path, "sized.csv"),
        (tmp_path, "deep/sized.csv"),
        (tmp_path / "*", "a.csv"),
    ):
        with pytest.raises(InputError, match="lies among the files that are read"):
            fleet(file, "--out", tmp_path / out)
    assert (tmp_path / "a.csv").read_text() == "instance_type\nm5.large\n"


def test_one_long_file_may_be_replaced_by_its_sized_rows(tmp_path, streamed):
    path = tmp_path / "nodes.csv"
    path.write_text("instance_type\nm5.large\n")
    fleet(path, "--out", path)
    assert path.read_text().startswith("instance_type,secondary_addresses")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_no_column_of_a_further_file_is_left_out(tmp_path, ending):
    for name, frame in (
        ("a", {"instance_type": ["m5.large"]}),
        ("b", {"instance_type": ["m5.large"], "x": [1]}),
    ):
        rows = pd.DataFrame(frame)
        path = tmp_path / f"{name}.{ending}"
        rows.to_parquet(path) if ending == "parquet" else rows.to_csv(path, index=False)
    with pytest.raises(
        InputError, match=r"a\.\w+ has no column 'x', which another of the files has"
    ):
        fleet(tmp_path)


def test_an_error_of_writing_names_the_file_that_was_asked_for(tmp_path, streamed):
    path = tmp_path / "nodes.csv"
    path.write_text("instance_type\nm5.large\n")
    with pytest.raises(FileNotFoundError) as caught:
        fleet(path, "--out", tmp_path / "no" / "sized.csv")
    assert caught.value.filename == str(tmp_path / "no" / "sized.csv")


@pytest.mark.parametrize(
    ("words", "kind", "match"),
    [
        ("Query interrupted", KeyboardInterrupt, None),
        ("IO Error: {} No space left on device", OSError, "no room to work on .*is full$"),
    ],
)
def test_a_pass_that_is_stopped_ends_as_other_commands_do(tmp_path, words, kind, match):
    path = tmp_path / "nodes.csv"
    path.write_text("instance_type\nm5.large\n")
    with node_files.NodeFiles([path]) as files:

        def fail(_):
            raise RuntimeError(words)

        files._connection.close()
        files._connection = type(
            "Broken", (), {"execute": staticmethod(fail), "close": lambda _: None}
        )()
        with pytest.raises(kind, match=match):
            files.counted(["instance_type"])


def test_duckdb_does_not_import_pandas_itself(tmp_path):
    """It would report an import that is interrupted as a missing package."""
    path = tmp_path / "nodes.csv"
    path.write_text("instance_type\nm5.large\n")
    ask = f"""if True:
        import sys
        from eks_win_capacity.frames.node_files import NodeFiles
        with NodeFiles([{str(path)!r}]) as files:
            print("pandas" in sys.modules)"""
    run = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert run.stdout == "True\n"


def test_bytes_of_parquet_are_not_read_as_text(tmp_path):
    path = tmp_path / "nodes.parquet"
    pd.DataFrame({"instance_type": ["m5.large"], "raw": [b"\xff"]}).to_parquet(path)
    assert "m5.large" in fleet(path)


def test_progress_is_told_while_a_pass_runs(tmp_path):
    path = tmp_path / "nodes.parquet"
    rows = np.arange(3_000_000)
    pd.DataFrame({"instance_type": "m5.large", "n": rows}).to_parquet(path)
    shares = []
    with node_files.NodeFiles([path], progress=shares.append) as files:
        files.counted(["instance_type", "n"][:1])
        sizing = node_files.Sizing("instance_type", {"m5.large": {"pods": 9}}, {})
        files.write(tmp_path / "out.parquet", sizing)
    assert all(0 <= share <= 100 for share in shares)
    assert parquet.ParquetFile(tmp_path / "out.parquet").metadata.num_rows == len(rows)


def test_without_the_engine_the_error_names_the_extra(tmp_path, streamed, monkeypatch):
    path = tmp_path / "nodes.csv"
    path.write_text("instance_type\nm5.large\n")
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    with pytest.raises(CapacityError, match=r"eks-win-capacity\[stream\]"):
        fleet(path)


BY = """node,instance_type,cluster,zone
a,m5.large,prod,a
b,m5.large,prod,b
c,c5.xlarge,test,a
d,m6g.large,test,a
e,c5.xlarge,,b
"""


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("by", "groups"),
    [
        (
            ["cluster"],
            [("prod", 2, 18, 220), ("test", 1, 14, 110), (None, 1, 14, 110), ("total", 4, 46, 440)],
        ),
        (
            ["zone", "cluster"],
            [
                *(("a", "prod", 1, 9, 110), ("a", "test", 1, 14, 110), ("b", "prod", 1, 9, 110)),
                *(("b", None, 1, 14, 110), ("total", None, 4, 46, 440)),
            ],
        ),
    ],
)
def test_sums_by_columns_are_the_same_for_short_and_long_files(tmp_path, whole, by, groups):
    (tmp_path / "nodes.csv").write_text(BY)
    options = [part for name in by for part in ("--by", name)]
    source = tmp_path / "nodes.csv" if whole else tmp_path
    answer = CliRunner().invoke(cli.app, ["fleet", str(source), *options, "-o", "json"])
    rows = json.loads(answer.stdout)["rows"]
    assert [tuple(row.values()) for row in rows] == groups
    assert list(rows[0]) == [*by, "nodes", "total_secondary", "total_prefix"]


def test_sums_by_a_column_weigh_its_counts_and_leave_unknown_types_out(tmp_path):
    path = tmp_path / "nodes.csv"
    path.write_text("instance_type,count,cluster\nm5.large,3,a\nm5.large,2,b\nnope,9,b\n")
    answer = CliRunner().invoke(
        cli.app, ["fleet", str(path), "--by", "cluster", "--on-unknown", "null", "-o", "json"]
    )
    rows = json.loads(answer.stdout)["rows"]
    assert [(row["cluster"], row["nodes"]) for row in rows] == [("a", 3), ("b", 2), ("total", 5)]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--by", "clster"], "no column 'clster'; there are: node, instance_type, cluster"),
        (["--by", "cluster", "--rows"], "leave --rows out"),
        (["--by", "cluster", "--by", "cluster"], "two columns 'cluster'"),
    ],
)
def test_sums_that_cannot_be_made_are_refused(tmp_path, options, word):
    (tmp_path / "nodes.csv").write_text(BY)
    for source in (tmp_path, tmp_path / "nodes.csv"):
        answer = CliRunner().invoke(cli.app, ["fleet", str(source), *options])
        assert word in str(answer.exception)


def test_long_files_say_that_rows_are_not_compared(tmp_path, streamed):
    path = tmp_path / "nodes.csv"
    path.write_text("node,instance_type\nwin-1,m5.large\nwin-1,m5.large\n")
    answer = CliRunner().invoke(cli.app, ["fleet", str(path)])
    assert "not compared by their 'node'" in " ".join(answer.output.split())
