"""The command ``forecast``: whatever wrote the file, and what it prints."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eks_win_capacity.cli import fleet_files, history_files, main

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "data" / "demo" / "subnet_usage.csv"


@pytest.fixture
def run(capsys):
    def call(*arguments):
        with pytest.raises(SystemExit) as left:
            main(["forecast", *map(str, arguments)])
        out, error = capsys.readouterr()
        return left.value.code, out, error

    return call


@pytest.fixture
def rows(run):
    def call(*arguments):
        code, out, error = run(*arguments, "-o", "json")
        assert (code, error) == (0, "")
        return json.loads(out)["rows"]

    return call


def table(**subnets):
    wide = pd.DataFrame(subnets, pd.date_range("2026-01-01", periods=60))
    return wide.rename_axis("time").reset_index()


LINE = table(used=100.0 + np.arange(60))
LINE_DATE = "2026-04-11"


# -- files ----------------------------------------------------------------------------


def encoded(kind):
    text = LINE.to_csv(index=False)
    return {
        "plain": text.encode(),
        "bom": b"\xef\xbb\xbf" + text.encode(),
        "utf-16": text.encode("utf-16"),
        "crlf": text.replace("\n", "\r\n").encode(),
        "tabs": text.replace(",", "\t").encode(),
        "semicolons, decimal commas": text.replace(",", ";").replace(".", ",").encode(),
        "powershell": b"#TYPE System.Object\r\n" + LINE.to_csv(index=False, quoting=1).encode(),
        "spaces": text.replace(",", ", ").encode(),
        "gzip": gzip.compress(text.encode()),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        *("plain", "bom", "utf-16", "crlf", "tabs", "semicolons, decimal commas", "powershell"),
        *("spaces", "gzip"),
    ],
)
@pytest.mark.parametrize("way", ["file", "standard input"])
def test_a_csv_of_any_kind(tmp_path, monkeypatch, rows, kind, way):
    file = tmp_path / "usage.csv"
    file.write_bytes(encoded(kind))
    if way == "standard input":
        stdin = io.TextIOWrapper(io.BytesIO(file.read_bytes()))
        monkeypatch.setattr(sys, "stdin", stdin)
        file = "-"
    (row,) = rows(file, "--capacity", "200")
    assert (row["subnet"], row["date"], row["days_left"]) == ("subnet", LINE_DATE, 41)


@pytest.mark.parametrize("name", ["usage.parquet", "usage.pq", "usage", "usage.csv"])
def test_parquet_is_known_by_what_it_holds(tmp_path, rows, name):
    pytest.importorskip("pyarrow", reason="PyArrow is not installed")
    LINE.to_parquet(tmp_path / name)
    assert rows(tmp_path / name, "--capacity", "200")[0]["date"] == LINE_DATE


def test_columns_are_found_or_named(tmp_path, rows):
    file = tmp_path / "usage.csv"
    odd = LINE.rename(columns={"time": "t", "used": "busy"}).assign(most=200, free=200 - LINE.used)
    odd.drop(columns="free").to_csv(file, index=False)
    named = ("--time", "t", "--used", "busy", "--capacity", "most")
    assert rows(file, *named)[0]["date"] == LINE_DATE
    odd.drop(columns=["busy", "most"]).to_csv(file, index=False)
    assert rows(file, "--time", "t", "--capacity", "200")[0]["date"] == LINE_DATE
    table(a=100.0 + np.arange(60), b=130.0 + np.arange(60)).to_csv(file, index=False)
    forecasts = rows(file, "--capacity", "200")
    assert [(row["subnet"], row["date"]) for row in forecasts] == [
        ("b", "2026-03-12"),
        ("a", LINE_DATE),
    ]


def test_a_capacity_of_no_subnet_of_the_history_is_named(tmp_path, run):
    path = tmp_path / "a.csv"
    lines = [f"2026-09-{day:02},a,{day}" for day in range(1, 21)]
    path.write_text("\n".join(["time,subnet,used", *lines]))
    code, _, error = run(path, "--capacity", "a=251", "--capacity", "b=251", "--horizon", "9")
    assert (code, error) == (0, "eks-win-capacity: note: --capacity b: not in the history\n")
    code, _, error = run(path, "--capacity", "a=251", "--capacity", "a=507")
    assert code == 2
    assert "a is given twice" in error


def test_each_subnet_may_have_its_capacity(tmp_path, rows, run):
    file = tmp_path / "usage.csv"
    table(a=100.0 + np.arange(60), b=100.0 + np.arange(60)).to_csv(file, index=False)
    forecasts = rows(file, "--capacity", "a=200", "--capacity", "b=10.0.0.0/24")
    assert [row["capacity"] for row in forecasts] == [200, 251]
    assert run(file, "--capacity", "200", "--capacity", "b=200")[0] == 2
    code, _, error = run(file, "--capacity", "a=200")
    assert code == 1
    assert "no value for 1 of 2 subnets: b" in error


def test_the_index_that_pandas_wrote_is_no_subnet(tmp_path, rows):
    file = tmp_path / "usage.csv"
    table(a=100.0 + np.arange(60), b=50.0).to_csv(file)
    assert [row["subnet"] for row in rows(file, "--capacity", "200")] == ["a", "b"]
    table(a=100.0 + np.arange(60)).set_index("time").to_csv(file)
    assert [row["subnet"] for row in rows(file, "--capacity", "200")] == ["a"]


def test_prefixes_and_events(tmp_path, rows):
    file = tmp_path / "usage.csv"
    table(used_prefixes=np.floor(np.arange(60) / 10)).to_csv(file, index=False)
    (row,) = rows(file, "--capacity", "10.0.0.0/24")
    assert row["capacity"] == 14
    table(used=100.0).to_csv(file, index=False)
    assert rows(file, "--capacity", "200")[0]["date"] is None
    step = ("--event", "2026-03-20=+60", "--event", "2026-04-20T12:00=60@subnet")
    assert rows(file, "--capacity", "200", *step)[0]["date"] == "2026-04-20"


# -- the demo ------------------------------------------------------------------------------


def test_the_demo_is_sorted_by_urgency(rows):
    forecasts = rows(DEMO, "--capacity", "10.0.0.0/22", "--horizon", "180d")
    assert list(forecasts[0]) == [
        *("subnet", "status", "days_left", "used", "capacity", "date"),
        *("earliest_80", "latest_80", "probability"),
    ]
    assert (forecasts[0]["subnet"], forecasts[0]["status"]) == ("windows-c", "exhausted")
    left = [row["days_left"] for row in forecasts if row["days_left"] is not None]
    assert left == sorted(left)
    assert [row["status"] for row in forecasts[-2:]] == ["possible", "not within horizon"]


def test_the_csv_says_the_same_as_the_json(run, rows):
    code, out, _ = run(DEMO, "--capacity", "1019", "-o", "csv")
    assert code == 0
    plain = [
        {k: "" if v is None else str(v) for k, v in row.items()}
        for row in rows(DEMO, "--capacity", 1019)
    ]
    assert list(csv.DictReader(io.StringIO(out))) == plain


def test_the_table_is_not_surer_than_the_sample_paths(tmp_path, run, rows):
    file = tmp_path / "usage.csv"
    both = (
        {"subnet": "flat", "used": 10.0 + np.arange(60) % 2},
        {"subnet": "steep", "used": 100.0 + np.arange(60)},
    )
    pd.concat([table(**one) for one in both]).to_csv(file, index=False)
    chances = [row["probability"] for row in rows(file, "--capacity", "200", "--horizon", "90d")]
    assert chances == pytest.approx([1.0, 2 / 504], abs=1e-4)
    _, out, _ = run(file, "--capacity", "200", "--horizon", "90d")
    assert [line.split()[-1] for line in out.splitlines()[3:5]] == [">0.99", "<0.01"]


def test_a_title_above_the_header_is_said(tmp_path, run):
    file = tmp_path / "usage.csv"
    plain = table(subnet="a", used=100.0).to_csv(index=False)
    file.write_text(f"Use of subnets,,\n\n{plain}")
    code, _, error = run(file, "--capacity", "200")
    assert code == 1
    assert "begins with a title and not with the names of its columns" in error
    file.write_text(plain)
    assert run(file, "--capacity", "200")[0] == 0


def test_the_table_says_openly_what_was_done(run):
    code, out, error = run(DEMO, "--capacity", "1019")
    assert (code, error) == (0, "")
    assert "6 subnets, 180 periods of 1 day after 2026-09-20" in out
    for word in ("became 717 peaks", "have no value", "lower bounds"):
        assert word in out


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_chart_is_written(tmp_path, rows, ending):
    chart = tmp_path / f"out.{ending}"
    rows(DEMO, "--capacity", "1019", "--plot", chart)
    heads = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    assert chart.read_bytes().startswith(heads[ending])


# -- progress and errors ------------------------------------------------------------------------


def test_a_terminal_is_told_how_far_it_has_come(tmp_path):
    pty = pytest.importorskip("pty", reason="there are no terminals here")
    at = np.arange(60.0)
    table(**{f"s{i}": 50 + at for i in range(201)}).to_csv(tmp_path / "many.csv", index=False)
    parent, child = pty.openpty()
    with ThreadPoolExecutor(1) as reader:
        shown = reader.submit(lambda: b"".join(iter(partial(_read, parent), b"")))
        done = subprocess.run(
            [sys.executable, "-m", "eks_win_capacity", "forecast", "many.csv", "--capacity", "199"],
            stdout=subprocess.PIPE,
            stderr=child,
            cwd=tmp_path,
            env={**os.environ, "TERM": "xterm"},
            check=True,
        )
        os.close(child)
        said = shown.result().decode()
    os.close(parent)
    assert "forecast: 201 of 201 subnets" in said
    # The line that told is taken away again, and nothing stands in its place.
    assert said.endswith("\x1b[2K")
    assert b"forecast: 201" not in done.stdout


def _read(terminal):
    try:
        return os.read(terminal, 10_000)
    except OSError:  # closed at its other end
        return b""


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["none.csv", "--capacity", "9"], 2, "does not exist"),
        ([ROOT / "docs", "--capacity", "9"], 1, "holds no .csv"),
        ([DEMO.parent, "--capacity", "9"], 1, "must be Parquet"),
        ([DEMO], 1, "capacity is needed"),
        ([DEMO, "--capacity", "most"], 1, "no column 'most'"),
        ([DEMO, "--capacity", "10.0.0.0/8"], 1, "/16 to /28"),
        ([DEMO, "--capacity", "-5"], 1, "from 0 to"),
        ([DEMO, "--capacity", "9", "--horizon", "soon"], 1, "horizon"),
        ([DEMO, "--capacity", "9", "--level", "80"], 1, "0.8 for 80 %"),
        ([DEMO, "--capacity", "9", "--risk", "0"], 2, "risk"),
        ([DEMO, "--capacity", "9", "--plot", "out.xyz"], 2, "ending of a picture"),
        ([DEMO, "--capacity", "9", "--plot", "none/out.png"], 2, "no folder"),
        ([DEMO, "--capacity", "9", "--event", "5"], 2, "TIME=CHANGE"),
        ([DEMO, "--capacity", "9", "--event", "2026-12-01=+5@other"], 1, "not a subnet"),
        ([DEMO, "--capacity", "9", "--used", "busy"], 1, "no column 'busy'"),
        ([DEMO, "--capacity", "9", "--step", "7h"], 1, "divide a day"),
        ([ROOT / "README.md", "--capacity", "9"], 1, "not a CSV file"),
        (
            [ROOT / "data" / "describe_instance_types.json.gz", "--capacity", "9"],
            1,
            "is JSON, and not a history",
        ),
        ([DEMO.with_name("fleet.csv"), "--capacity", "9"], 1, "no column of times"),
    ],
)
def test_an_error_is_one_line_and_a_code(run, arguments, code, word):
    left, out, error = run(*arguments)
    assert (left, out) == (code, "")
    assert error.count("\n") == 1
    assert error.startswith("eks-win-capacity: error: ")
    assert word in error


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "not a CSV file"),
        (b"time,used\n", "no rows"),
        (b"time,used\n2026-01-01,4\n2026-01-02,x\n", "used must be counts; got 'x' at position 1"),
        (b"time,used\n2026-01-01,1,234\n", "its first row has more fields than its header"),
        (b"\xd0\xff\x00\x01", "not a CSV file in UTF-8"),
        (gzip.compress(b"time,used\n1,2\n", mtime=0)[:-9], "damaged gzip"),
        (b"PAR1 and nothing else", "not a Parquet file"),
    ],
)
def test_a_damaged_file_is_told(tmp_path, run, content, word):
    file = tmp_path / "usage.csv"
    file.write_bytes(content)
    code, out, error = run(file, "--capacity", "9")
    assert (code, out) == (1, "")
    assert word in error
    assert error.count("\n") == 1


def test_too_short_a_history_is_told_why_it_has_no_forecast(tmp_path, capsys):
    (tmp_path / "u.csv").write_text("time,used\n2026-01-01,5\n2026-01-02,6\n")
    with pytest.raises(SystemExit) as left:
        main(["forecast", str(tmp_path / "u.csv"), "--capacity", "100"])
    out = capsys.readouterr().out
    assert left.value.code == 0
    assert "no forecast" in out
    assert "1 subnet has fewer than 7 periods of 1 day with a value" in out


# -- in cron ------------------------------------------------------------------------------


def test_an_alert_has_its_exit_code_and_names_the_subnets(run, tmp_path):
    file = tmp_path / "usage.csv"
    table(soon=100.0 + np.arange(60), calm=50.0).to_csv(file, index=False)
    asked = (file, "--capacity", "180", "-o", "json", "--alert-risk", "0.05")
    code, out, error = run(*asked, "--alert-within", "30")
    assert code == 3
    assert "alert: soon" in error
    rows = {row["subnet"]: row for row in json.loads(out)["rows"]}
    assert rows["soon"]["alert"]
    assert rows["soon"]["chance_within"] == 1
    assert not rows["calm"]["alert"]
    code, out, error = run(*asked, "--alert-within", "10")
    assert (code, error) == (0, "")
    assert not any(row["alert"] for row in json.loads(out)["rows"])
    code, _, error = run(*asked, "--alert-within", "300")
    assert code == 2
    assert "beyond the horizon" in error


def test_a_subnet_without_a_forecast_is_not_called_safe(run, tmp_path):
    file = tmp_path / "usage.csv"
    wide = table(old=100.0 + np.arange(60), new=np.nan)
    wide.loc[57:, "new"] = 5.0
    wide.to_csv(file, index=False)
    code, out, error = run(file, "--capacity", "900", "-o", "json", "--alert-risk", "0.5")
    rows = {row["subnet"]: row for row in json.loads(out)["rows"]}
    assert rows["new"]["chance_within"] is rows["new"]["alert"] is None
    assert rows["old"]["alert"] is False
    assert (code, error) == (
        0,
        "not known: new: no forecast, so neither an alert nor an all-clear\n",
    )


def test_a_history_without_any_value_has_no_newest_period(run, tmp_path):
    file = tmp_path / "usage.csv"
    table(used=np.nan).to_csv(file, index=False)
    code, out, _ = run(file, "--capacity", "900")
    assert code == 0
    assert "1970" not in out
    assert out.startswith("1 subnet, 180 periods of 1 day; days left")


def test_words_of_python_are_options_here(run, tmp_path):
    file = tmp_path / "usage.csv"
    times = pd.Series(pd.date_range("2026-01-01", periods=60)).dt.strftime("%Y-%m-%dT%H:%M")
    times += np.where(np.arange(60) % 2, "Z", "+02:00")
    pd.DataFrame({"time": times, "used": 5}).to_csv(file, index=False)
    _, out, _ = run(file, "--capacity", "900")
    assert "days are days of UTC; --timezone makes them days of another zone" in " ".join(
        out.split()
    )
    file.write_text("size,name\na,b\n", "utf-8")
    _, _, error = run(file, "--capacity", "900")
    assert "name it with --time; it has" in error


# -- longer than memory -----------------------------------------------------------------


def usage_folder(folder, zone="Europe/Berlin", subnets=7):
    """Hourly rows of some subnets in two files, in the order of their times."""
    rng = np.random.default_rng(8)
    times = pd.date_range("2026-02-20", periods=24 * 50, freq="h", tz=zone)
    tidy = pd.concat(
        pd.DataFrame(
            {
                "time": times,
                "subnet": f"subnet-{number}",
                "used": (100 + number + np.arange(len(times)) * 0.1 + rng.normal(0, 3, len(times))),
                "total": 251 + number,
                "owner": "a text that says nothing",
            }
        )
        for number in range(subnets)
    ).sort_values(["time", "subnet"], ignore_index=True)
    folder.mkdir()
    half = len(tidy) // 2
    tidy[:half].to_parquet(folder / "a.parquet")
    tidy[half:].to_parquet(folder / "b.parquet")
    return tidy


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize("most", [1, 3_000, 10**6])
def test_a_folder_in_parts_says_what_one_file_says(tmp_path, monkeypatch, rows, zone, most):
    monkeypatch.setattr(history_files, "PART_ROWS", most)
    tidy = usage_folder(tmp_path / "usage", zone)
    tidy.to_parquet(tmp_path / "one.parquet")
    options = ["--horizon", "90d", "--alert-risk", "0.999", "--alert-within", "1"]
    expected = rows(tmp_path / "one.parquet", *options)
    assert rows(tmp_path / "usage", *options) == expected
    assert len(expected) == 7


@pytest.mark.parametrize("long", ["LONG", "LONG_ROWS"])
def test_a_long_file_is_read_in_parts_unless_all_of_it_is_needed(tmp_path, monkeypatch, run, long):
    monkeypatch.setattr(history_files, "PART_ROWS", 1_500)
    monkeypatch.setattr(fleet_files, long, 1)
    usage_folder(tmp_path / "usage")
    file = tmp_path / "usage" / "a.parquet"
    code, out, _ = run(file)
    assert code == 0
    assert "(and so in 3 more parts of the history)" in " ".join(out.split())
    code, out, _ = run(file, "--plot", tmp_path / "drawn.svg")
    assert code == 0
    assert "more parts" not in out
    code, _, error = run(tmp_path / "usage", "--add-subnet", "10.0.64.0/22")
    assert code == 2
    assert "need one file, read whole" in error


def test_a_part_has_the_rows_of_its_subnets_in_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(history_files, "PART_ROWS", 2_500)
    monkeypatch.setattr(history_files, "_FILES", 2)
    tidy = usage_folder(tmp_path / "usage").drop(columns="owner")
    files = sorted((tmp_path / "usage").iterdir())
    parts = list(history_files.history_parts(files, {}))
    names = [[f"subnet-{n}" for n in pair] for pair in ((0, 1), (2, 3), (4, 5), (6,))]
    assert [part.subnet.cat.categories.tolist() for part in parts] == names
    for part, subnets in zip(parts, names, strict=True):
        expected = tidy[tidy.subnet.isin(subnets)].reset_index(drop=True)
        assert part.assign(subnet=part.subnet.astype(object)).to_dict("list") == (
            expected[part.columns].to_dict("list")
        )


def test_errors_of_long_histories_are_told(tmp_path, monkeypatch, run):
    monkeypatch.setattr(history_files, "PART_ROWS", 3_000)
    tidy = usage_folder(tmp_path / "usage")
    alone = tmp_path / "alone"
    alone.mkdir()
    tidy[tidy.subnet == "subnet-1"].drop(columns=["subnet", "owner"]).to_parquet(
        alone / "a.parquet"
    )
    assert "--subnet" in run(alone)[2]
    tidy.loc[5, "subnet"] = None
    tidy.to_parquet(tmp_path / "usage" / "b.parquet")
    assert "1 missing value" in run(tmp_path / "usage")[2]
    tidy[:0].to_parquet(tmp_path / "alone" / "a.parquet")
    assert "history is empty" in run(alone, "--subnet", "subnet")[2]
    (tmp_path / "usage" / "b.parquet").write_bytes(b"PAR1 and nothing else")
    code, out, error = run(tmp_path / "usage")
    assert (code, out, error.count("\n")) == (1, "", 1)
    assert "cannot be read" in error


def test_the_memory_of_a_long_history_is_that_of_a_part(tmp_path):
    script = """
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
import pyarrow as pa
from eks_win_capacity.cli import history_files
history_files.PART_ROWS = 50_000
most = 0
for part in history_files.history_parts([Path(sys.argv[1])], {}):
    most = max(most, len(part))
print(most, pa.default_memory_pool().max_memory())
"""
    peaks = []
    for subnets in (10, 120):
        times = pd.date_range("2026-01-01", periods=20_000, freq="5min")
        table = pd.DataFrame(
            {
                "time": np.tile(times, subnets),
                "subnet": np.repeat([f"subnet-{number}" for number in range(subnets)], len(times)),
                "used": 100.0,
                "total": 251,
            }
        )
        file = tmp_path / f"{subnets}.parquet"
        table.to_parquet(file, row_group_size=5_000)
        done = subprocess.run(
            [sys.executable, "-c", script, file], check=True, capture_output=True, cwd=ROOT
        )
        peaks.append([int(x) for x in done.stdout.split()])
    (part, memory), (part_of_more, memory_of_more) = peaks
    assert part_of_more == part == 40_000
    # Threads read ahead by chance, a few parts more or less; the whole would be twelve times as much.
    assert memory_of_more < 5 * memory


ROWS = [f"2025-01-{n:02}" for n in range(1, 29)]


@pytest.mark.parametrize(
    ("sign", "values", "used"),
    [
        (";", ["1.000.000", *(f"{n}.000" for n in range(1, 28))], 27_000),
        (";", [f"1.00{n % 10},5" for n in range(28)], 1_007.5),
        (";", [f"{n},25" for n in range(28)], 27.25),
        (";", [f"{n}.25" for n in range(28)], 27.25),
        (",", [f'"{n},000"' for n in range(1, 29)], 28_000),
        (",", [f"{n}.120" for n in range(28)], 27.12),
    ],
)
def test_numbers_are_read_as_the_table_writes_them(rows, tmp_path, sign, values, used):
    path = tmp_path / "history.csv"
    lines = "".join(f"{day}{sign}{value}\n" for day, value in zip(ROWS, values, strict=True))
    path.write_text(f"time{sign}used\n{lines}", "utf-8")
    (row,) = rows(path, "--capacity", "2000000", "--horizon", "30")
    assert row["used"] == used


def test_capacities_come_from_what_describe_subnets_printed(rows, run, tmp_path):
    ids = {"subnet-1": "10.0.0.0/24", "subnet-2": "10.0.1.0/25"}
    descriptions = [{"SubnetId": name, "CidrBlock": cidr} for name, cidr in ids.items()]
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "subnets.json").write_text(json.dumps({"Subnets": descriptions}))
    path = tmp_path / "history.csv"
    path.write_text("time,subnet-1,subnet-2\n" + "".join(f"{day},7,9\n" for day in ROWS))
    for source in (saved / "subnets.json", f"{saved}/", saved):
        forecasts = rows(path, "--capacity", source, "--horizon", "30")
        assert {row["subnet"]: row["capacity"] for row in forecasts} == {
            "subnet-1": 251,
            "subnet-2": 123,
        }
    (saved / "subnets.json").write_text(json.dumps({"NetworkInterfaces": []}))
    assert "holds no subnet" in run(path, "--capacity", f"{saved}/")[2]
    assert "nowhere.json" in run(path, "--capacity", "nowhere.json")[2]


@pytest.mark.parametrize("values", ["used", "available"])
def test_a_word_in_a_column_for_each_subnet_is_named_once_values_are_told(run, tmp_path, values):
    path = tmp_path / "history.csv"
    path.write_text("time,a,b\n" + "".join(f"{day},7,{n} IPs\n" for n, day in enumerate(ROWS)))
    assert "say --values used" in run(path, "--capacity", "50")[2]
    code, _, error = run(path, "--capacity", "50", "--values", values)
    assert (code, "column 'b' must be counts; got '0 IPs' at position 0" in error) == (1, True)


def test_points_that_may_part_thousands_are_refused(run, tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("time;free\n" + "".join(f"{day};4.{n:03}\n" for n, day in enumerate(ROWS)))
    code, _, error = run(path, "--capacity", "5000")
    assert (code, "'4.000', which may be thousands" in error) == (1, True)


def test_rows_of_the_console_are_as_long_as_its_head(run, tmp_path):
    path = tmp_path / "console.csv"
    head, lines = "Full label,free,\nUnits,Count,\n", [f"{day} 00:00:00,9" for day in ROWS]
    path.write_text(head + "\n".join(lines), "utf-8")
    assert run(path, "--capacity", "99")[0] == 0
    path.write_text(head + "\n".join([*lines, "2025-02-01 00:00:00,1,2"]), "utf-8")
    assert "as many cells" in run(path, "--capacity", "99")[2]
