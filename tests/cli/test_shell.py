"""The shell around the commands: formats, exit codes, errors in one line."""

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity import cli
from eks_win_capacity.cli.output import _shortened, emit
from eks_win_capacity.core.errors import CapacityError

EMPTY = """{
  "command": "",
  "rows": [],
  "notes": [],
  "assumptions": []
}
"""

LETTERS = "ab Z0-_.:/é日[]"

ROWS = [
    {
        "instance_type": "m5.large",
        "max_pods": np.int64(9),
        "share": 0.5,
        "nitro": True,
        "why": None,
    },
    {"instance_type": "[red]x", "max_pods": 1008, "share": 0.25, "nitro": False, "why": ("a", "b")},
]


def printed(capsys) -> str:
    return capsys.readouterr().out


# -- formats ------------------------------------------------------------------


def test_json_gives_back_the_values(capsys):
    emit(ROWS, "json")
    assert json.loads(printed(capsys))["rows"] == [
        {"instance_type": "m5.large", "max_pods": 9, "share": 0.5, "nitro": True, "why": None},
        {
            "instance_type": "[red]x",
            "max_pods": 1008,
            "share": 0.25,
            "nitro": False,
            "why": ["a", "b"],
        },
    ]


def test_csv_can_be_read_back(capsys):
    emit(ROWS, "csv", columns=["instance_type", "max_pods", "why"])
    lines = list(csv.reader(io.StringIO(printed(capsys))))
    assert lines == [
        ["instance_type", "max_pods", "why"],
        ["m5.large", "9", ""],
        ["[red]x", "1008", "a b"],
    ]


def test_the_table_is_for_people(capsys):
    emit(ROWS, "table", title="Nodes", note="As of today")
    lines = printed(capsys).splitlines()
    assert lines[0] == "Nodes"
    assert lines[1].split() == ["instance", "type", "max", "pods", "share", "nitro", "why"]
    assert lines[3].split() == ["m5.large", "9", "0.5", "yes", "-"]
    assert lines[4].split() == ["[red]x", "1,008", "0.25", "no", "a", "b"]
    assert lines[-1] == "As of today"


def test_a_long_table_is_not_cut_for_a_pipe(capsys):
    emit([{f"column_{n}": "x" * 40 for n in range(20)}], "table")
    assert printed(capsys).count("x" * 40) == 20


def test_a_narrow_terminal_cuts_no_word(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    row = {f"pending_create_{n}": 1_234_567 for n in range(5)} | {
        "outcome": "AT_CAPACITY",
        "why": "every word of it stands on some line",
    }
    emit([row], "table")
    table = printed(capsys)
    assert "…" not in table
    words = table.split()
    assert words.count("1,234,567") == words.count("pending") == words.count("create") == 5
    assert {"AT_CAPACITY", "every", "word", "stands"} <= set(words)


@pytest.mark.parametrize(("output", "text"), [("json", EMPTY), ("csv", "a\n")])
def test_no_rows_are_still_an_answer(capsys, output, text):
    emit([], output, columns=["a"])
    assert printed(capsys) == text


def test_programs_get_neither_title_nor_note(capsys):
    emit(ROWS, "csv", title="Nodes", note="As of today")
    assert printed(capsys).startswith("instance_type,")


# -- leaving ------------------------------------------------------------------


def left(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    return int(caught.value.code or 0)


def test_help_lists_every_command(capsys):
    assert left(["--help"]) == 0
    help_text = printed(capsys)
    assert all(name in help_text for name in cli._COMMANDS)


@pytest.mark.parametrize("name", sorted(cli._COMMANDS))
def test_every_command_explains_itself(name, capsys):
    assert left([name, "--help"]) == 0
    assert f"eks-win-capacity {name}" in printed(capsys)


def test_the_version_has_the_date_of_the_table(capsys):
    from eks_win_capacity import __version__
    from eks_win_capacity._data.limits import AS_OF

    assert left(["--version"]) == 0
    version_line = printed(capsys)
    assert __version__ in version_line
    assert AS_OF in version_line


@pytest.mark.parametrize("arguments", [["no-such-command"], ["--no-such-option"]])
def test_a_wrong_command_line_is_one_line_and_exit_code_2(arguments, capsys):
    assert left(arguments) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith("eks-win-capacity: error: ")
    assert streams.err.count("\n") == 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (CapacityError("two\nlines"), 1),
        (FileNotFoundError(2, "No such file or directory", "x.csv"), 1),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (BrokenPipeError(), 0),
    ],
)
def test_every_fault_has_its_exit_code(fault, code, capsys, monkeypatch):
    def fail(*_arguments, **_options):
        raise fault

    monkeypatch.setattr(cli.app, "main", fail)
    # A broken pipe makes main drop stdout: capsys keeps its own.
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    assert left([]) == code
    assert capsys.readouterr().err.count("\n") == (code != 0)


def test_the_module_runs_as_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "eks_win_capacity", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.startswith("eks-win-capacity ")


def test_a_reader_that_leaves_early_is_no_fault():
    """``eks-win-capacity ... | head -1`` must not end in a traceback."""
    shell = f"{sys.executable} -m eks_win_capacity --help | true"
    done = subprocess.run(
        ["sh", "-c", shell], capture_output=True, text=True, check=True, timeout=60
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", [*cli._COMMANDS])
def test_the_examples_in_a_help_stand_on_lines_of_their_own(name):
    from click.testing import CliRunner

    help_text = CliRunner().invoke(cli.app, [name, "--help"]).output
    assert "\\b" not in help_text
    assert "Examples:   " not in help_text


def narrow(monkeypatch, width):
    """Print as on a terminal of this width, and give what is shown."""
    from rich.console import Console

    screen = io.StringIO()
    console = Console(file=screen, width=width, highlight=False)
    monkeypatch.setattr("rich.console.Console", lambda **_: console)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    return screen


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_terminal_is_too_narrow_for_a_whole_word(monkeypatch, width):
    screen = narrow(monkeypatch, width)
    command = "start nodes with --kube-reserved=memory=0.5Gi,ephemeral-storage=1Gi"
    rows = [{f"column_{n}": 1_234_567 + n for n in range(6)} | {"remedy": command, "none": None}]
    emit(rows, "table", note="As of today")
    shown = screen.getvalue()
    for word in (*command.split(), "1,234,567", "1,234,572"):
        assert word in shown
    assert "…" not in shown
    assert shown.splitlines()[-1] == "As of today"
    as_table = "─" in shown
    assert as_table is (width >= 200)


def test_a_table_that_fits_stays_a_table(monkeypatch):
    screen = narrow(monkeypatch, 60)
    emit(ROWS, "table")
    assert "─" in screen.getvalue()


@pytest.mark.parametrize("width", [30, 50, 80])
def test_many_columns_of_many_rows_are_one_table_that_fits_and_names_the_rest(monkeypatch, width):
    screen = narrow(monkeypatch, width)
    rows = [
        {"node": f"ip-10-20-0-{row}.eu-west-1.compute.internal"}
        | {f"column_{n}": 1_000 * row + n for n in range(12)}
        for row in range(1, 4)
    ]
    emit(rows, "table", lead=["node", "column_7"], title="Nodes", note="As of today")
    lines = screen.getvalue().splitlines()
    assert (lines[0], lines[-1]) == ("Nodes", "As of today")
    assert max(map(len, lines)) <= width
    (head,) = [number for number, line in enumerate(lines) if set(line) == {"─"}]
    body = lines[head + 1 : head + 4]
    names = [line.split()[0] for line in body]
    assert names == [f"ip-10-20-0-{row}…nternal" for row in range(1, 4)]
    assert all(f"{1_000 * row + 7:,}" in line for row, line in enumerate(body, start=1))
    shown = len(body[0].split())
    rest = " ".join(lines[head + 4 : -1])
    assert rest.startswith(f"{13 - shown} more columns with --wide or -o json: column ")
    assert rest.count("column ") == 13 - shown


def on_a_terminal(*arguments):
    """The lines of a command on a terminal of 80 columns."""
    import pty
    import threading

    reader, writer = pty.openpty()
    parts = []

    def read():
        # The end of a terminal is an error on Linux.
        with contextlib.suppress(OSError):
            while part := os.read(reader, 65536):
                parts.append(part)

    hearing = threading.Thread(target=read)
    hearing.start()
    root = Path(__file__).resolve().parents[2]
    subprocess.run(
        [sys.executable, "-m", "eks_win_capacity", *arguments],
        stdout=writer,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"},
        cwd=root,
        check=True,
        timeout=60,
    )
    os.close(writer)
    hearing.join()
    os.close(reader)
    return b"".join(parts).decode().splitlines()


def test_wide_shows_every_column_on_any_terminal():
    import pty

    reader, writer = pty.openpty()
    command = [sys.executable, "-m", "eks_win_capacity", "cluster", "-f", "data/demo/cluster"]
    settings = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    root = Path(__file__).resolve().parents[2]
    for extra, whole in (([], False), (["--wide"], True)):
        done = subprocess.run(
            [*command, *extra],
            stdout=writer,
            stderr=subprocess.DEVNULL,
            env=settings,
            cwd=root,
            check=True,
        )
        assert done.returncode == 0
        shown = os.read(reader, 65536).decode()
        assert ("ip-10-20-0-10.eu-west-1.compute.internal" in shown) is whole
        assert ("more columns with --wide" in shown) is not whole
        assert shown.count("─\r\n") == 1


def test_a_command_in_a_note_can_be_copied_from_a_narrow_terminal(monkeypatch):
    screen = narrow(monkeypatch, 40)
    command = "then: kubectl drain --ignore-daemonsets ip-10-20-0-10.compute.internal --timeout 90s"
    emit(ROWS, "table", note=f"{command}\n{'plain words ' * 9}")
    lines = screen.getvalue().splitlines()
    assert command in lines
    assert max(map(len, lines[lines.index(command) + 1 :])) <= 40


def test_a_list_of_checks_is_one_table_with_whole_codes():
    lines = on_a_terminal("check", "--list")
    assert sum(set(line) == {"─"} for line in lines) == 1
    assert any(line.startswith("windows-platform-version ") for line in lines)
    assert max(map(len, lines)) <= 80


def test_tables_of_one_command_stand_apart():
    lines = on_a_terminal("subnet", "10.0.0.0/24", "--used", "40", "-t", "m5.large")
    assert lines[lines.index("What fits") - 1] == ""
    assert lines[0] == "Census of 10.0.0.0/24"


def test_a_lone_row_that_is_too_wide_is_told_name_by_name(monkeypatch):
    screen = narrow(monkeypatch, 40)
    emit([{f"column_{n}": 1_234 + n for n in range(8)}], "table")
    lines = screen.getvalue().split("\n")
    assert [line.split() for line in lines[:2]] == [
        ["column", "0", "1,234"],
        ["column", "1", "1,235"],
    ]
    assert "─" not in screen.getvalue()


cells = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(LETTERS, max_size=9)


@given(
    st.lists(st.fixed_dictionaries({"a_b": cells, "c": cells, "dé": cells}), max_size=4),
    st.sampled_from(["", "T"]),
    st.sampled_from(["", "N"]),
)
@settings(max_examples=50)
def test_a_pipe_gets_the_table_that_a_terminal_gets(rows, title, note):
    from contextlib import redirect_stdout
    from unittest import mock

    from rich.console import Console

    plain, screen = io.StringIO(), io.StringIO()
    with redirect_stdout(plain):
        emit(rows, "table", columns=["a_b", "c", "dé"], title=title, note=note)
    console = Console(file=screen, width=10_000, highlight=False)
    terminal = mock.Mock(isatty=lambda: True)
    with mock.patch("rich.console.Console", return_value=console), redirect_stdout(terminal):
        emit(rows, "table", columns=["a_b", "c", "dé"], title=title, note=note)
    assert plain.getvalue() == screen.getvalue()


def test_thousands_of_rows_fit_a_narrow_terminal_too(monkeypatch):
    screen = narrow(monkeypatch, 40)
    emit([{"n": n, **{f"column_{k}": 10**6 + k for k in range(9)}} for n in range(2000)], "table")
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= 40
    assert sum(set(line) == {"─"} for line in lines) == 1
    assert sum(line.lstrip().split()[1:2] == ["1,000,000"] for line in lines) == 2000


@pytest.mark.parametrize(("width", "whole"), [(36, True), (34, False)])
def test_a_short_text_stays_on_one_line_and_a_further_column_waits(width, whole, monkeypatch):
    screen = narrow(monkeypatch, width)
    rows = [{"subnet": "a", "status": "not within horizon", "earliest_80": n} for n in (1, 2)]
    emit(rows, "table", lead=("subnet", "status"))
    lines = [line.split() for line in screen.getvalue().splitlines()]
    assert [line[:4] for line in lines if line[0] == "a"] == [["a", "not", "within", "horizon"]] * 2
    assert any("1 more column with --wide" in " ".join(line) for line in lines) is not whole


def test_a_missing_file_is_told_without_the_number_of_its_error(capsys):
    with pytest.raises(SystemExit):
        cli.main(["check", "-f", "no-such-file"])
    message = capsys.readouterr().err
    assert message == "eks-win-capacity: error: no-such-file: No such file or directory\n"


def test_each_command_questions_a_quantity_that_nobody_means(tmp_path, capsys):
    (tmp_path / "w.csv").write_text("name,replicas,cpu,memory\nweb,3,500m,1Gi\n")
    (tmp_path / "odd.csv").write_text("name,replicas,cpu,memory\nweb,3,500m,2048\n")
    (tmp_path / "n.csv").write_text("instance_type\nm5.large\n")
    plan = ["-t", "m5.large", "--no-compare"]
    for arguments, said in (
        (["node", "m5.large", "--pod-cpu", "500"], "--pod-cpu: 500 is 500 whole CPUs"),
        (["node", "m5.large", "--reserved-memory", "2"], "reserved memory: 2 is 2 bytes"),
        (["node", "m5.large", "--reserved-cpu", "500"], "reserved cpu: 500 is 500 whole CPUs"),
        (["fleet", f"{tmp_path}/n.csv", "--pod-memory", "512"], "512 MiB are 512Mi"),
        (["karpenter-view", "m5.large", "--pod-memory", "512m"], "512m is 1 byte;"),
        (["plan", f"{tmp_path}/odd.csv", *plan], "memory of workload 'web': 2048 is 2,048 bytes"),
        (["plan", f"{tmp_path}/w.csv", *plan, "--reserved", "memory=2"], "2 MiB are 2Mi"),
    ):
        with pytest.raises(SystemExit) as left:
            cli.main(arguments)
        assert left.value.code == 0
        notes = [line for line in capsys.readouterr().err.splitlines() if "note: " in line]
        assert len(notes) == 1
        assert said in notes[0]


def test_a_thousand_questions_are_counted(tmp_path, capsys):
    rows = "".join(f"w{number},1,1,{number}\n" for number in range(1, 8))
    (tmp_path / "w.csv").write_text(f"name,replicas,cpu,memory\n{rows}")
    with pytest.raises(SystemExit):
        cli.main(["plan", str(tmp_path / "w.csv"), "-t", "m5.large", "--no-compare"])
    notes = [line for line in capsys.readouterr().err.splitlines() if "note: " in line]
    assert len(notes) == 6
    assert notes[-1].endswith("2 more like these")


@pytest.mark.parametrize(
    "arguments",
    [
        ["pool", "FILE"],
        ["simulate", "FILE", "-t", "m5.large"],
        ["simulate", "--nodes", "2", "-t", "m5.large", "-c", "FILE"],
        ["subnet", "10.0.0.0/24", "-c", "FILE"],
        ["fleet", "FILE"],
        ["forecast", "FILE", "--capacity", "100"],
        ["check", "-f", "FILE"],
    ],
)
def test_an_empty_file_is_called_empty(tmp_path, capsys, arguments):
    (tmp_path / "none").write_text("")
    with pytest.raises(SystemExit) as left:
        cli.main([str(tmp_path / "none") if word == "FILE" else word for word in arguments])
    assert left.value.code == 1
    assert "empty" in capsys.readouterr().err


def test_what_is_neither_addresses_nor_a_file_is_told_so(capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["subnet", "10.0.0.0/24", "--used", "forty"])
    assert left.value.code == 1
    assert "neither a number nor addresses" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "meant"), [("nod", "'node'"), ("subnts", "'subnets'"), ("qqq", "")]
)
def test_a_mistyped_command_is_told_its_neighbours(capsys, typed, meant):
    with pytest.raises(SystemExit) as left:
        cli.main([typed])
    message = capsys.readouterr().err
    assert left.value.code == 2
    assert meant in message
    assert ("Did you mean" in message) is bool(meant)


NAMES = st.lists(st.text("abc-.0123456789", min_size=1, max_size=60), unique=True, max_size=8)


@given(NAMES)
def test_names_that_differ_differ_when_they_are_shortened(names):
    short = _shortened(names)
    assert len(set(short)) == len(names)
    assert all(text == name or "…" in text for text, name in zip(short, names, strict=True))


@pytest.mark.parametrize(
    ("arguments", "columns"),
    [
        (["fleet", "data/demo/fleet.csv"], ["total secondary", "total prefix"]),
        (["cluster", "-f", "data/demo/cluster"], ["ip-10-20-0-10…", "ip-10-20-0-40…"]),
        (["node", "m5.large", "--pod-cpu", "250m"], ["windows", "supported"]),
    ],
)
def test_what_decides_is_seen_at_eighty_columns(arguments, columns):
    lines = on_a_terminal(*arguments)
    assert all(len(line) <= 80 for line in lines)
    table = " ".join(" ".join(lines).partition("with --wide")[0].split())
    words = [word for column in columns for word in column.split()]
    assert all(word in table for word in words)


@pytest.mark.parametrize("command", ["check", "cluster", "subnets", "explain", "free-blocks"])
def test_a_path_where_no_file_is_taken_names_the_option(command, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main([command, str(tmp_path)])
    assert left.value.code == 2
    assert " as -f" in capsys.readouterr().err
