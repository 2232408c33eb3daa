"""What holds across commands: one shape of JSON, one vocabulary, one set of defaults."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import pandas as pd
import pytest
from click.testing import CliRunner

from eks_win_capacity import cli
from eks_win_capacity.catalog import Catalog
from eks_win_capacity.catalog.limits import max_pods_cap
from eks_win_capacity.cli.options import TYPE_NAME
from eks_win_capacity.core.spreadsheet import workbook

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "data" / "demo"
SNAPSHOT = ROOT / "tests" / "golden" / "public" / "json_rows.json"
PAGE = ROOT / "docs" / "json.md"
MARK = "<!-- rows -->"
STATE = str(DEMO / "cluster")
PODS = pd.DataFrame(
    {"time": pd.date_range("2026-01-01", periods=60).strftime("%Y-%m-%d"), "used": range(100, 160)}
)
PLANS = """
- {name: now, instance_type: m5.large, subnets: {a: 10.0.0.0/24}}
- {name: more, instance_type: m5.large, subnets: {a: 10.0.0.0/24, b: 10.0.1.0/24}}
"""
CONFIGMAP = '{"kind": "ConfigMap", "data": {"enable-windows-ipam": "true"}}'
CHURN = ("-t", "m5.large", "--nodes", "2", "--rate-per-minute", "1", "--lifetime", "60")

ASKED = {
    "max-pods": ("m5.large",),
    "node": ("m5.large", "--pod-cpu", "250m", "--pod-memory", "1Gi"),
    "fleet": ("-f", "nodes.csv"),
    "fleet --rows": ("-f", "nodes.csv"),
    "pool": ("-f", "cm.json"),
    "pool --show findings": ("-f", "cm.json"),
    "pool -t m5.large": ("-f", "cm.json"),
    "simulate": ("-f", "events.jsonl", "-t", "m5.large"),
    "simulate --hours 1": CHURN,
    "targets": ("--hours", "0.5", *CHURN),
    "subnet": ("10.0.0.0/24", "--used", "40"),
    "subnet -t m5.large": ("10.0.0.0/24", "--used", "40"),
    "subnet --show blocks": ("10.0.0.0/24", "--used", "10.0.0.9"),
    "subnet --show reservations": (
        "10.0.0.0/24", "--used", "10.0.0.9", "--reservation", "10.0.0.64/26:prefix",
    ),
    "subnet --smallest-for 40": ("-t", "m5.large", "--pods-per-node", "30"),
    "forecast": ("-f", "pods.csv", "--capacity", "251"),
    "forecast --add-subnet 10.9.0.0/24": ("-f", "pods.csv", "--capacity", "251"),
    "forecast --plans plans.yaml": ("-f", "pods.csv"),
    "plan": ("-f", "workloads.csv", "-t", "m5.large", "--no-compare"),
    "check": ("-f", STATE, "--allow-unknown"),
    "check --list": (),
    "cluster": ("-f", STATE),
    "cluster --total": ("-f", STATE),
    "subnets": ("-f", STATE),
    "subnets --add-subnet 10.99.0.0/24": ("-f", STATE, "-t", "m5.large"),
    "explain": ("-f", STATE),
    "migration": ("m5.large", "--to", "prefix", "--pods", "5"),
    "karpenter-view": ("m5.large", "--pods", "100"),
    "free-blocks": ("-f", STATE),
    "catalog list": ("m5.large",),
    "catalog show": ("m5.large",),
    "catalog diff": ("old.json", "bundled"),
}  # fmt: skip
WITHOUT_ROWS = {"report", "completion", "catalog refresh"}
"""Commands that print no rows: a page, a script, and what was written."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "nodes.csv").write_text("instance_type,count\nm5.large,3\nm6g.large,2\n")
    (tmp_path / "cm.json").write_text(CONFIGMAP)
    (tmp_path / "events.jsonl").write_text('[0, "assign", "a"]\n[5, "free", "a"]\n')
    (tmp_path / "plans.yaml").write_text(PLANS)
    (tmp_path / "workloads.csv").write_text("name,replicas,cpu,memory\nweb,3,500m,1Gi\n")
    row = Catalog.bundled()["m5.large"]
    changed = Catalog([replace(row, memory_mib=1)], as_of="2026-01-01", source="an example")
    changed.save(tmp_path / "old.json")
    PODS.to_csv(tmp_path / "pods.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(*arguments):
    return CliRunner().invoke(cli.app, [str(word) for word in arguments])


def json_of(command, *arguments):
    done = ran(*command.split(), *arguments, "-o", "json")
    assert done.exit_code in {0, 3, 4}, done.output
    return json.loads(done.stdout)


def commands(group=cli.app, path=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def options():
    for name, command in commands():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield name, parameter


# -- JSON ---------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.usefixtures("folder")
def test_every_command_prints_an_object_with_rows_notes_and_assumptions(asked):
    document = json_of(asked, *ASKED[asked])
    name = document["command"]
    assert asked == name or asked.startswith(f"{name} ")
    for part in ("rows", "notes", "assumptions"):
        assert isinstance(document[part], list)
    assert all(isinstance(line, str) for line in document["notes"] + document["assumptions"])
    keys = {tuple(row) for row in document["rows"]}
    assert len(keys) <= 1
    assert [*map(list, keys)] == json.loads(SNAPSHOT.read_text())[asked]


KINDS = {str: "text", bool: "true or false", int: "number", float: "number", list: "list",
         dict: "object", type(None): "null"}  # fmt: skip


def rows_described():
    """The part of the page on JSON that says what keys the rows of each command have."""
    parts = []
    for asked in ASKED:
        rows = json_of(asked, *ASKED[asked])["rows"]
        kinds = {}
        for key, value in (pair for row in rows for pair in row.items()):
            kinds.setdefault(key, {})[KINDS[type(value)]] = None
        lines = [
            f"| `{key}` | {' or '.join(sorted(kinds_of_key, key='null'.__eq__))} |"
            for key, kinds_of_key in kinds.items()
        ]
        parts.append("\n".join([f"## {asked}", "", "| key | value |", "|---|---|", *lines]))
    return "\n\n".join(parts) + "\n"


@pytest.mark.usefixtures("folder")
def test_the_page_on_json_says_what_every_command_prints():
    assert PAGE.read_text("utf-8").partition(f"{MARK}\n\n")[2] == rows_described()


def test_no_command_is_left_out():
    asked = {" ".join(name.split()[: 2 if name.startswith("catalog") else 1]) for name in ASKED}
    assert asked | WITHOUT_ROWS == {name for name, _ in commands()}


def test_what_rests_on_a_guess_says_so(folder):
    assert folder
    assert (
        "110 pods"
        in json_of("subnet -t m5.large --prefix-delegation", "10.0.0.0/22")["assumptions"][0]
    )
    assert not json_of("subnet -t m5.large --pods-per-node 9", "10.0.0.0/22")["assumptions"]
    assert json_of("subnets", "-f", STATE)["assumptions"]


# -- words --------------------------------------------------------------------------


def test_a_letter_stands_for_one_option():
    letters = {}
    for _, option in options():
        for letter in (word for word in option.opts if len(word) == 2):
            letters.setdefault(letter, set()).add(frozenset(option.opts))
    for letter, spellings in letters.items():
        assert frozenset.intersection(*spellings) - {letter}, (letter, spellings)


def test_the_mode_has_one_spelling():
    for name, option in options():
        if option.name == "prefix_delegation" and not option.hidden:
            assert option.opts == ["--prefix-delegation"], name
            assert option.secondary_opts == ["--no-prefix-delegation"], name


@pytest.mark.parametrize("name", ["fleet", "pool", "simulate", "forecast", "plan", "report",
                                  "check", "cluster", "subnets", "explain", "free-blocks"])  # fmt: skip
def test_a_file_may_be_given_by_f_everywhere(name):
    command = dict(commands())[name]
    assert any("-f" in parameter.opts for parameter in command.params)


def test_a_file_is_given_once(folder):
    assert folder
    done = ran("fleet", "nodes.csv", "-f", "nodes.csv")
    assert (done.exit_code, "not both" in done.output) == (2, True)
    assert "Missing argument 'FILE'" in ran("fleet").output


@pytest.mark.parametrize(
    ("arguments", "option", "argument"),
    [
        (
            ("node", "m5.large", "--kubelet-max-pods", "-3"),
            "--kubelet-max-pods",
            "kubelet_max_pods",
        ),
        (("node", "m5.large", "--host-process-pods", "-1"), "--host-process-pods", "host_process"),
        (("max-pods", "m5.large", "--kubelet-max-pods", "-3"), "--kubelet-max-pods", "kubelet_max"),
        (("plan", "workloads.csv", "--max-types", "2", "--zone-lost"), "--zone=", "zones="),
    ],
)
def test_errors_name_options_and_no_arguments_of_python(
    folder, capsys, arguments, option, argument
):
    assert folder
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    message = capsys.readouterr().err
    assert left.value.code == 1
    assert option in message
    assert argument not in message


# -- defaults -----------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["--prefix-delegation", "--no-prefix-delegation"])
@pytest.mark.parametrize("name", ["m5.large", "t3.small", "c5.4xlarge"])
def test_a_full_node_has_the_same_pods_in_every_command(folder, mode, name):
    (folder / "one.csv").write_text(f"instance_type\n{name}\n")
    (node,) = json_of("node", name, mode)["rows"]
    full = min(node["address_pods"], node["kubelet_pods"])
    (fits,) = json_of("subnet", "10.0.0.0/16", "-t", name, mode)["rows"]
    (karpenter,) = json_of("karpenter-view", name, mode)["rows"]
    (most,) = json_of("max-pods", name, mode, "--kubelet-max-pods", "110")["rows"]
    assert fits["pods_per_node"] == full == most["max_pods"] == karpenter["real_pods"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("max-pods", "m5.large"), ("node", "m5.large"), ("fleet", "nodes.csv"),
        ("karpenter-view", "m5.large"), ("plan", "workloads.csv", "-t", "m5.large"),
    ],
)  # fmt: skip
def test_a_limit_above_what_aws_advises_is_questioned_everywhere(folder, arguments):
    assert folder
    above = ran(*arguments, "--kubelet-max-pods", "200")
    assert "above the 110 that AWS advises for m5.large" in above.stderr
    assert "AWS advises" not in ran(*arguments, "--kubelet-max-pods", "110").stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("max-pods", "m5.large"), ("node", "m5.large"), ("fleet", "nodes.csv"),
        ("plan", "workloads.csv", "-t", "m5.large"),
    ],
)  # fmt: skip
def test_no_limit_of_the_kubelet_is_none_and_never_0(folder, arguments):
    assert folder
    refused = ran(*arguments, "--kubelet-max-pods", "0")
    assert refused.exit_code == 2
    assert "Write none for no limit" in refused.stderr
    assert ran(*arguments, "--kubelet-max-pods", "none").exit_code == 0


def test_every_command_with_the_kubelets_limit_is_in_that_test():
    having = {name for name, option in options() if "--kubelet-max-pods" in option.opts}
    assert having == {"max-pods", "node", "fleet", "karpenter-view", "plan"}


@pytest.mark.parametrize(("name", "cap"), [("m5.4xlarge", 110), ("m5.8xlarge", 250)])
def test_the_advised_limit_goes_by_vcpus(name, cap):
    assert max_pods_cap(Catalog.bundled()[name]) == cap
    assert "AWS advises" not in ran("node", name, "--kubelet-max-pods", cap).stderr
    assert "AWS advises" in ran("node", name, "--kubelet-max-pods", cap + 1).stderr


def test_what_cannot_run_windows_is_in_no_total(folder):
    assert folder
    document = json_of("fleet", "nodes.csv")
    arm = next(row for row in document["rows"] if row["instance_type"] == "m6g.large")
    total = next(row for row in document["rows"] if row["instance_type"] == "total")
    assert (arm["total_secondary"], arm["total_prefix"]) == (None, None)
    assert (total["nodes"], total["total_secondary"]) == (3, 27)
    assert any("count in no total: m6g.large" in line for line in document["notes"])


# -- files --------------------------------------------------------------------------


def test_rows_are_written_as_excel_and_no_text_is_a_formula(folder):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    (folder / "bad.csv").write_text("instance_type,name\nm5.large,\"=cmd|'/c calc'!A1\"\n")
    assert ran("fleet", "bad.csv", "--out", "x.xlsx").exit_code == 0
    sheet = openpyxl.load_workbook(folder / "x.xlsx").active
    head, row = ([cell.value for cell in line] for line in sheet.iter_rows())
    assert row[head.index("secondary_pods")] == 9
    cell = sheet.cell(2, head.index("name") + 1)
    assert (cell.data_type, cell.value) == ("s", "=cmd|'/c calc'!A1")
    assert ran("node", "m5.large", "--out", "n.xlsx").exit_code == 0
    kept = pd.read_excel(folder / "n.xlsx")
    (shown,) = json_of("node", "m5.large")["rows"]
    assert {name: kept.loc[0, name] for name in ("pods", "binding", "windows")} == {
        name: shown[name] for name in ("pods", "binding", "windows")
    }


def test_excel_holds_no_control_characters_and_leaves_unknowns_empty():
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    import io

    content = workbook(["a", "b"], [["x\x1b[2J", None], [float("nan"), ("p", "q")]])
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [
        ["a", "b"],
        ["x\\x1b[2J", None],
        [None, "p q"],
    ]


def test_catalog_alone_shows_its_help_as_lines(capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["catalog"])
    shown = capsys.readouterr().err
    assert (left.value.code, shown.startswith("Usage: ")) == (2, True)
    assert "\n  diff " in shown


def test_out_says_which_endings_it_knows():
    done = ran("node", "m5.large", "--out", "x.ods")
    assert done.exit_code == 1
    assert "must end in .csv, .json or .xlsx" in str(done.exception)


# -- several clusters, what-ifs -----------------------------------------------------


def test_several_clusters_make_one_table(monkeypatch):
    from eks_win_capacity import aws
    from eks_win_capacity.cluster.state import ClusterState

    monkeypatch.setattr(aws, "load_cluster", lambda *_args, **_options: ClusterState())
    both = ("--cluster", "a", "--cluster", "b", "-f", f"a={STATE}", "-f", f"b={STATE}")
    one = json_of("cluster", "-f", STATE)["rows"]
    document = json_of("cluster", *both)
    assert document["rows"] == [{"cluster": name, **row} for name in "ab" for row in one]
    assert any(line.startswith("b: total: ") for line in document["notes"])
    alone = ran("check", "-f", STATE)
    together = ran("check", *both)
    assert together.exit_code == alone.exit_code == 4
    assert "NAME=PATH" in ran("cluster", "--cluster", "a", "--cluster", "b", "-f", STATE).output
    assert "one --cluster" in ran("check", *both, "--save", "x.json").output


def test_a_cluster_without_an_answer_keeps_no_other_from_its_own(monkeypatch):
    from eks_win_capacity import aws
    from eks_win_capacity.cluster.state import ClusterState
    from eks_win_capacity.core.errors import InputError

    def load(name, **_options):
        if name == "wrong":
            raise InputError("EKS has no cluster 'wrong'")
        if name == "refused":
            raise InputError("arn:aws:iam::123456789012:role/ops may not ask")
        return ClusterState()

    monkeypatch.setattr(aws, "load_cluster", load)
    both = ("--cluster", "wrong", "--cluster", "b", "-f", f"b={STATE}")
    one = json_of("cluster", "-f", STATE)["rows"]
    done = ran("cluster", *both, "-o", "json")
    assert json.loads(done.stdout)["rows"] == [{"cluster": "b", **row} for row in one]
    assert done.stderr.startswith("eks-win-capacity: error: wrong: EKS has no cluster 'wrong'\n")
    assert done.exit_code == 1
    # The table of a check is not whole either, whatever the others failed.
    assert ran("check", *both).exit_code == 1
    neither = ran("check", "--cluster", "wrong", "--cluster", "c", "-f", "c=nowhere.json")
    assert (neither.exit_code, neither.stdout) == (1, "")
    assert [line.split(": ")[2] for line in neither.stderr.splitlines()] == ["wrong", "c"]
    refused = ran("check", "--cluster", "refused", "--cluster", "wrong").stderr
    assert "role/ops may not ask" in refused
    assert "123456789012" not in refused


def test_a_new_subnet_takes_nodes_and_puts_off_the_date(folder):
    assert folder
    before = json_of("subnets", "-f", STATE, "-t", "m5.large")["rows"]
    after = json_of("subnets", "-f", STATE, "-t", "m5.large", "--add-subnet", "10.99.0.0/24")[
        "rows"
    ]
    assert [row["subnet_id"] for row in after] == [
        *(row["subnet_id"] for row in before),
        "new 10.99.0.0/24",
    ]
    assert after[-1]["more_m5.large"] == 25
    assert "overlaps" in str(ran("subnets", "-f", STATE, "--add-subnet", "10.20.1.0/25").exception)
    rows = json_of("forecast", "pods.csv", "--capacity", "251", "--add-subnet", "10.9.0.0/24")[
        "rows"
    ]
    assert [row["capacity"] for row in rows[-2:]] == [251, 502]
    assert rows[-2]["days_left"] == rows[0]["days_left"]
    assert (rows[-1]["days_left"] or 10**9) > rows[-2]["days_left"]


def test_plans_are_compared_on_the_command_line(folder):
    assert folder
    rows = json_of("forecast", "pods.csv", "--plans", "plans.yaml", "--horizon", "365")["rows"]
    assert [row["plan"] for row in rows] == ["now", "more", "more"]
    assert rows[0]["date"] == "2026-05-07"
    assert rows[1]["days_left"] > rows[0]["days_left"]


def test_the_demo_is_sorted_by_days_left():
    rows = json_of("forecast", DEMO / "subnet_usage.csv", "--capacity", "10.0.0.0/22")["rows"]
    days = [row["days_left"] for row in rows]
    known = [left for left in days if left is not None]
    assert known == sorted(known)
    assert days[len(known) :] == [None] * (len(days) - len(known))


def test_the_smallest_subnet_is_that_of_the_library():
    from eks_win_capacity import smallest_subnet

    smallest = smallest_subnet(nodes=40, instance_type="m5.large", pods_per_node=30)
    rows = json_of("subnet --smallest-for 40", "-t", "m5.large", "--pods-per-node", "30")["rows"]
    assert [row["prefix_length"] for row in rows] == [
        smallest.secondary.prefix_length,
        smallest.prefix.prefix_length,
    ]
    assert "--smallest-for" in ran("subnet").output
    assert ran("subnet", "10.0.0.0/24", "--smallest-for", "3").exit_code == 2


@pytest.mark.parametrize("pods", [9, 30, 100])
@pytest.mark.parametrize("nodes", [1, 3, 40])
@pytest.mark.usefixtures("folder")
def test_the_smallest_subnet_takes_so_many_nodes_and_a_smaller_one_does_not(nodes, pods):
    like = ("-t", "m5.large", "--pods-per-node", pods)
    for need in json_of(f"subnet --smallest-for {nodes}", *like)["rows"]:
        mode = f"--{'no-' * (need['mode'] == 'secondary')}prefix-delegation"
        length = need["prefix_length_unreserved"]
        if need["nodes"] != nodes:
            continue  # spread over more nodes, as one has too few addresses
        for prefix_length, enough in ((length, True), (length + 1, False)):
            if prefix_length <= 28:
                block = f"10.0.0.0/{prefix_length}"
                (row,) = json_of("subnet", block, "--used", "0", *like, mode)["rows"]
                assert (row["nodes"] >= nodes) is enough, (need, row)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("mode", ["--prefix-delegation", "--no-prefix-delegation"])
def test_an_empty_subnet_takes_the_same_nodes_by_every_command(mode):
    like = ("-t", "m5.large", "--pods-per-node", "9")
    (alone,) = json_of("subnet", "10.99.0.0/24", "--used", "0", *like, mode)["rows"]
    added = json_of("subnets", "-f", STATE, "--add-subnet", "10.99.0.0/24", *like, mode)["rows"][-1]
    assert added["more_m5.large"] == alone["nodes"] == alone["guaranteed"]


def test_targets_are_those_of_the_library():
    from eks_win_capacity import Poisson, best_targets

    answer = best_targets(Poisson(pods_per_minute=1, lifetime=60), nodes=2, slots=9, hours=0.5)
    rows = json_of("targets", "--hours", "0.5", *CHURN)["rows"]
    assert len(rows) == len(answer.curve)
    best = next(row for row in rows if row["meets_goal"])
    assert best["warm_ip_target"] == answer.pool.warm_ip_target


# -- the shell ----------------------------------------------------------------------


def completed(words, position, shell="bash"):
    asked = {
        "_EKS_WIN_CAPACITY_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": words.split()[-1] if shell == "fish" else str(position),
    }
    done = subprocess.run(
        [sys.executable, "-m", "eks_win_capacity"],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_commands_and_options(shell):
    script = ran("completion", shell).stdout
    assert f"_EKS_WIN_CAPACITY_COMPLETE={shell}_complete" in script
    assert any("free-blocks" in word for word in completed("eks-win-capacity free", 1, shell))


def test_every_instance_type_is_completed():
    for name, command in commands():
        for parameter in command.params:
            takes_type = "--instance-type" in parameter.opts or parameter.metavar == "TYPE..."
            assert (parameter.type is TYPE_NAME) >= takes_type, (name, parameter.name)


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """The command on PATH, as a shell finds it."""
    (tmp_path / "eks-win-capacity").write_text(
        f'#!/bin/sh\nexec {sys.executable} -m eks_win_capacity "$@"\n'
    )
    (tmp_path / "eks-win-capacity").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def installed(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: apt-get install {shell}")


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("free", "free-blocks"), ("node --pod-m", "--pod-memory"), ("node m5.8", "m5.8xlarge")],
)
def test_fish_completes_for_real(on_path, typed, completed):
    installed("fish")
    (on_path / "script.fish").write_text(ran("completion", "fish").stdout)
    asked = f'source {on_path}/script.fish; complete -C "eks-win-capacity {typed}"'
    done = subprocess.run(
        ["fish", "--no-config", "-c", asked], capture_output=True, text=True, timeout=60, check=True
    )
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == [completed]


def test_fish_shows_whole_descriptions(on_path):
    installed("fish")
    (on_path / "script.fish").write_text(ran("completion", "fish").stdout)
    asked = f'source {on_path}/script.fish; complete -C "eks-win-capacity subnets"'
    done = subprocess.run(
        ["fish", "--no-config", "-c", asked], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "subnets\tShow each subnet: free addresses, users, room for more nodes.\n"


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("free", "free-blocks "), ("node --pod-m", "--pod-memory "), ("node m5.8", "m5.8xlarge ")],
)
def test_zsh_completes_for_real(on_path, typed, completed):
    installed("zsh")
    import pty
    import select
    import time

    (on_path / "script.zsh").write_text(ran("completion", "zsh").stdout)
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover: this is the shell
        os.environ.update(PS1="ready> ", TERM="dumb")
        os.execvp("zsh", ["zsh", "-f", "-i"])
    seen = ""

    def until(text):
        nonlocal seen
        end = time.monotonic() + 30
        while text not in seen:
            assert select.select([terminal], [], [], max(0, end - time.monotonic()))[0], seen
            seen += os.read(terminal, 4096).decode("utf-8", "replace")
        seen = seen.partition(text)[2]

    try:
        setup = f"autoload -Uz compinit && compinit -D -u && source {on_path}/script.zsh"
        os.write(terminal, f"{setup} && echo is-$((40 + 2))\n".encode())
        until("is-42")
        os.write(terminal, f"eks-win-capacity {typed}\t".encode())
        until(completed)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def test_bash_completes_for_real(on_path):
    script = ran("completion", "bash").stdout
    done = subprocess.run(
        [
            "bash", "-c",
            (f"{script}\nCOMP_WORDS=(eks-win-capacity node --pod-m)\n"
            "COMP_CWORD=2\n_eks_win_capacity_completion eks-win-capacity\necho ${COMPREPLY[@]}"),
        ],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["--pod-memory"]


def test_no_progress_nor_colour_reaches_a_pipe():
    done = subprocess.run(
        [sys.executable, "-m", "eks_win_capacity", "cluster", "-f", STATE],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
        folder.__wrapped__(Path(scratch), patch)
        kept = {name: sorted({tuple(row) for row in json_of(name, *more)["rows"]})
                for name, more in ASKED.items()}  # fmt: skip
        described = rows_described()
    before = PAGE.read_text("utf-8").partition(MARK)[0]
    PAGE.write_text(f"{before}{MARK}\n\n{described}", "utf-8")
    SNAPSHOT.write_text(json.dumps(kept, indent=1) + "\n")


@pytest.mark.parametrize(
    "command", ["max-pods", "node", "subnet 10.0.0.0/24 -t", "plan WORK -t", "catalog show"]
)
def test_several_types_in_one_word_are_told_apart(command, tmp_path):
    work = tmp_path / "work.csv"
    work.write_text("name,replicas,cpu,memory\nweb,4,100m,256Mi\n", "utf-8")
    words = [str(work) if word == "WORK" else word for word in command.split()]
    ran = CliRunner().invoke(cli.app, [*words, "m5.large,c5.large"])
    assert ran.exit_code == 1
    assert "give each by itself" in str(ran.exception)
