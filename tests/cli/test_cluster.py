"""``check``, ``cluster``, ``subnets`` and ``explain``: what a user sees, and what a program."""

import csv
import io
import json
import os
import pty
import select
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import yaml
from eks_samples import ACCOUNT, AUTH, AWS_ANSWERS, CNI, OBJECTS, node, pod

from eks_win_capacity import cli
from eks_win_capacity.cluster import ClusterState

COMMANDS = ("check", "cluster", "subnets", "explain")


@pytest.fixture
def folder(tmp_path):
    for name, answer in AWS_ANSWERS.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(answer))
    (tmp_path / "objects.json").write_text(json.dumps(OBJECTS))
    (tmp_path / "cm.yaml").write_text(f"{yaml.safe_dump(CNI)}---\n{yaml.safe_dump(AUTH)}")
    return tmp_path


EMPTY = """{
  "command": "explain",
  "rows": [],
  "notes": [],
  "assumptions": []
}
"""


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return caught.value.code, out, err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("output", ["table", "json", "csv"])
def test_every_command_answers_from_a_folder(capsys, folder, command, output):
    code, out, err = run(capsys, command, "-f", folder, "--output", output)
    assert code in ({3, 4, 5} if command == "check" else {0})
    assert not err or command == "cluster"
    assert ACCOUNT not in out + err
    if output == "json":
        assert isinstance(json.loads(out)["rows"], list)
    elif output == "csv":
        header, *rows = csv.reader(io.StringIO(out))
        assert rows
        assert {len(row) for row in rows} == {len(header)}


def test_what_each_command_shows(capsys, folder):
    _, out, _ = run(capsys, "cluster", "-f", folder, "-o", "json")
    rows = {row["node"]: row for row in json.loads(out)["rows"]}
    assert (rows["win-1"]["address_pods_used"], rows["win-1"]["host_pods"]) == (8, 2)
    _, out, _ = run(capsys, "cluster", "-f", folder, "-o", "json", "--total")
    (total,) = json.loads(out)["rows"]
    assert (total["nodes"], total["address_pods_used"]) == (2, 8)
    _, out, _ = run(capsys, "subnets", "-f", folder, "-o", "json")
    subnets = {row["subnet_id"]: row for row in json.loads(out)["rows"]}
    assert subnets["subnet-0a"]["windows_nodes"] == 27
    assert subnets["subnet-0b"]["linux_nodes"] == 5
    _, out, _ = run(capsys, "explain", "-f", folder, "-o", "json")
    (waiting,) = json.loads(out)["rows"]
    assert (waiting["pod"], waiting["cause"]) == ("shop/web-8", "addresses")


def test_a_node_that_advertises_another_number_is_told_with_the_reason(capsys, folder):
    objects = json.loads((folder / "objects.json").read_text())
    objects["items"][0]["status"]["allocatable"]["vpc.amazonaws.com/PrivateIPv4Address"] = "144"
    (folder / "objects.json").write_text(json.dumps(objects))
    _, out, _ = run(capsys, "cluster", "-f", folder)
    assert "mode-changed: the number belongs to the other mode" in out


def test_subnets_are_shown_from_their_own_answers_alone(capsys, folder):
    code, out, err = run(capsys, "subnets", "-f", folder / "describe-subnets.json", "-o", "json")
    assert code == 0
    assert [row["free"] for row in json.loads(out)["rows"]] == [211, 246]
    assert "DescribeNetworkInterfaces" in err
    code, out, err = run(capsys, "subnets", "-f", folder / "objects.json")
    assert (code, out) == (1, "")
    assert "subnets are not known" in err


def test_how_many_more_nodes_fit_hangs_on_a_mode_that_is_given_or_asked_for(capsys, folder):
    (folder / "cm.yaml").unlink()
    (folder / "describe-addon.json").unlink()
    common = ("subnets", "-f", folder, "--type", "m5.large", "-o", "json")
    _, out, err = run(capsys, *common)
    assert [row["more_m5.large"] for row in json.loads(out)["rows"]] == [None, None]
    assert "--prefix-delegation" in err
    counts = {}
    for mode in ("--prefix-delegation", "--no-prefix-delegation"):
        _, out, err = run(capsys, *common, mode, "--pods-per-node", "9")
        assert err == ""
        counts[mode] = [row["more_m5.large"] for row in json.loads(out)["rows"]]
    # 215 free addresses in secondary mode, of which a reservation keeps 64; 10 per node.
    assert counts["--no-prefix-delegation"] == [15, 24]
    assert counts["--prefix-delegation"] == [5, 7]


def test_no_pending_pod_is_said_in_words_and_in_data(capsys, tmp_path):
    path = tmp_path / "k.json"
    path.write_text(json.dumps({"kind": "List", "items": [node("win-1"), pod("a", "win-1")]}))
    assert run(capsys, "explain", "-f", path) == (0, "no Windows pod is pending\n", "")
    assert run(capsys, "explain", "-f", path, "-o", "json") == (0, EMPTY, "")


# -- exit codes ---------------------------------------------------------------------


def finding(code, severity, outcome):
    from eks_win_capacity.core.findings import Finding

    return Finding(
        code=code, severity=severity, outcome=outcome, seen="s", why="w", remedy="r", source="x"
    )


@pytest.mark.parametrize(
    ("outcomes", "options", "code"),
    [
        ([("a", "error", "pass")], (), 0),
        ([("a", "info", "fail")], (), 0),
        ([("a", "warning", "fail"), ("b", "error", "unknown")], (), 3),
        ([("a", "warning", "fail"), ("b", "error", "fail")], (), 4),
        ([("a", "info", "unknown")], (), 5),
        ([("a", "info", "unknown")], ("--allow-unknown",), 0),
        ([("a", "warning", "fail")], ("--allow-unknown",), 3),
    ],
)
def test_the_exit_code_tells_the_worst(  # noqa: PLR0917
    capsys, folder, monkeypatch, outcomes, options, code
):
    findings = tuple(finding(*f) for f in outcomes)
    monkeypatch.setattr("eks_win_capacity.cluster.checks.check_cluster", lambda _, now: findings)
    exit_code, out, _ = run(capsys, "check", "-f", folder / "cm.yaml", "-o", "json", *options)
    assert exit_code == code
    assert [f["code"] for f in json.loads(out)["rows"]] == [f.code for f in findings]


def test_what_one_answer_would_settle_is_one_block_for_people(capsys, folder):
    code, out, _ = run(capsys, "check", "-f", folder / "cm.yaml")
    asked = 'remedy    add the output of: aws eks describe-cluster --name "${CLUSTER_NAME:?}"'
    assert out.splitlines().count(asked) == 1
    (codes,) = [line for line in out.splitlines() if "windows-platform-version" in line]
    assert "ip-family, " in codes
    assert "not known: version, ip family" in out
    # Programs get each check.
    as_json, rows, _ = run(capsys, "check", "-f", folder / "cm.yaml", "-o", "json")
    unknown = [row for row in json.loads(rows)["rows"] if row["outcome"] == "unknown"]
    assert f"{len(unknown)} not known" in out
    assert code == as_json


def test_what_one_remedy_of_one_subject_cures_is_one_block_for_people(capsys, folder, monkeypatch):
    one = finding("subnet-room", "error", "fail")
    findings = [
        replace(one, subject=s, seen=f"{s} takes no {t}") for s in "ab" for t in ("x", "y", "y")
    ]
    monkeypatch.setattr("eks_win_capacity.cluster.checks.check_cluster", lambda _, now: findings)
    _, out, _ = run(capsys, "check", "-f", folder / "cm.yaml")
    assert out.count("subnet-room") == 2
    assert "a takes no x; y " in out
    assert "6 failed" in out
    _, rows, _ = run(capsys, "check", "-f", folder / "cm.yaml", "-o", "json")
    assert len(json.loads(rows)["rows"]) == 6


def test_the_help_teaches(capsys):
    for command in COMMANDS:
        code, out, _ = run(capsys, command, "--help")
        assert code == 0
        assert "Examples:" in out
        assert "kubectl" in out or "aws ec2" in out
    _, out, _ = run(capsys, "check", "--help")
    for number in range(6):
        assert f"\n    {number}  " in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "--cluster NAME, or --file FILE"),
        (("-f", "nowhere.json"), 1, "nowhere.json"),
        (("--cluster", "prod"), 1, "region"),
        (("--cluster", "prod", "--profile", "nobody"), 1, "nobody"),
        (("-f", __file__), 1, "test_cluster.py"),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_wrong_is_said_in_one_line(capsys, command, arguments, code, message):
    done, out, err = run(capsys, command, *arguments)
    assert (done, out, err.count("\n")) == (code, "", 1)
    assert message in err


def test_an_error_hides_the_account(capsys, tmp_path):
    path = tmp_path / "k.json"
    path.write_text(json.dumps({"kind": "List", "items": [f"arn:aws:iam::{ACCOUNT}:role/x"]}))
    code, _, err = run(capsys, "check", "-f", path)
    assert code == 1
    assert ACCOUNT not in err


def test_a_saved_state_is_read_again(capsys, folder, tmp_path):
    path = tmp_path / "state" / "s.json"
    path.parent.mkdir()
    first = run(capsys, "check", "-f", folder, "-o", "json", "--save", path)
    assert first == run(capsys, "check", "-f", path, "-o", "json")
    assert ClusterState.load(path).name == "prod"
    assert ACCOUNT not in path.read_text()


# -- pipes and terminals ----------------------------------------------------------------


def command(*arguments):
    return [sys.executable, "-m", "eks_win_capacity", *map(str, arguments)]


def test_a_pipe_is_a_source(folder):
    done = subprocess.run(
        command("explain", "-f", "-", "-o", "json"),
        input=(folder / "objects.json").read_bytes(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["rows"][0]["pod"] == "shop/web-8"


def test_progress_is_shown_on_a_terminal_and_kept_out_of_the_data(folder):
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            command("explain", "-f", folder / "objects.json", "-o", "json"),
            stdout=subprocess.PIPE,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm"},
        )
        shown, deadline = b"", time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if select.select([ours], [], [], 0.1)[0]:
                shown += os.read(ours, 65536)
        out, _ = process.communicate(timeout=60)
        while select.select([ours], [], [], 0)[0]:
            shown += os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)
    assert process.returncode == 0
    assert b"reading" in shown
    assert json.loads(out)["rows"][0]["pod"] == "shop/web-8"


def test_progress_names_each_call(monkeypatch):
    from rich.console import Console

    from eks_win_capacity.cli.output import progress

    console, steps = Console(file=io.StringIO(), force_terminal=True, width=200), []
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("rich.console.Console", lambda **_: console)
    monkeypatch.setattr("rich.status.Status.update", lambda _, text: steps.append(text))
    with progress("asking AWS about prod") as tell:
        tell("DescribeCluster")
        tell("[red]ListNodegroups")
    assert "asking AWS about prod" in console.file.getvalue()
    assert steps[0] == "asking AWS about prod: DescribeCluster (1)"
    assert steps[1].endswith("ListNodegroups (2)")


# -- explain one pod, and once for each ReplicaSet --------------------------------------------


def pending(name, owner, message="0/1 nodes are available: 1 Insufficient cpu."):
    item = pod(name, node="", phase="Pending")
    item["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": owner}]
    item["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": message}]
    return item


@pytest.fixture
def late(tmp_path):
    pods = [pending("web-1", "web"), pending("web-2", "web"), pending("db-1", "db")]
    path = tmp_path / "late.json"
    path.write_text(json.dumps({"kind": "List", "items": [node("win-1"), *pods]}))
    return path


def test_pods_of_one_replica_set_are_explained_once(capsys, late):
    _, out, _ = run(capsys, "explain", "-f", late, "-o", "json")
    rows = json.loads(out)["rows"]
    assert [(row["owner"], row["pods"], len(row["names"])) for row in rows] == [
        ("ReplicaSet/web", 2, 2),
        ("ReplicaSet/db", 1, 1),
    ]


def test_each_node_that_is_to_be_emptied_has_a_row_of_its_own(monkeypatch, capsys, late):
    from eks_win_capacity.cluster.pending import PendingPod

    base = PendingPod(
        pod="a/p",
        cause="slots-held",
        why="",
        change="empty-node",
        remedy="drain x",
        owner="web",
        also=(),
        message="",
    )
    explanations = [base, replace(base, pod="a/q"), replace(base, pod="a/r", remedy="drain y")]
    monkeypatch.setattr("eks_win_capacity.cluster.explain_pending", lambda _: explanations)
    rows = json.loads(run(capsys, "explain", "-f", late, "-o", "json")[1])["rows"]
    assert [(row["remedy"], row["pods"]) for row in rows] == [("drain x", 2), ("drain y", 1)]


def test_one_pod_is_explained_by_its_name(capsys, late):
    full = json.loads(run(capsys, "explain", "-f", late, "-o", "json")[1])["rows"][0]["names"][0]
    namespace = full.partition("/")[0]
    for name in ("db-1", f"{namespace}/db-1"):
        _, out, _ = run(capsys, "explain", "-f", late, "-o", "json", name)
        assert [row["pod"] for row in json.loads(out)["rows"]] == [f"{namespace}/db-1"]
    code, _, err = run(capsys, "explain", "-f", late, "wbe-1")
    assert code == 1
    assert "no such pod was loaded" in err
    assert "web-1" in err


# -- changes weighed before they are made -----------------------------------------------------


def test_migration_shows_the_risk_and_the_safe_order(capsys):
    _, out, _ = run(capsys, "migration", "t3.xlarge", "--to", "prefix", "--pods", 14, "-o", "json")
    (row,) = json.loads(out)["rows"]
    assert (row["attachable"], row["advertised"], row["at_risk"]) == (0, 224, 210)
    assert "cordon" in row["steps"][0]
    _, out, _ = run(capsys, "migration", "m5.large", "--to", "secondary", "--pods", 40)
    assert "1. cordon every Windows node" in out
    code, _, err = run(capsys, "migration", "m5.large", "--to", "prefix", "--pods", 10)
    assert (code, "9" in err) == (1, True)


def test_karpenter_view_shows_the_surplus(capsys):
    _, out, _ = run(capsys, "karpenter-view", "m5.large", "--pods", 1000, "-o", "json")
    (row,) = json.loads(out)["rows"]
    assert (row["karpenter_pods"], row["real_pods"], row["surplus_nodes"]) == (9, 110, 102)
    assert len(row["node_template_tags"]) == 3
    _, out, _ = run(capsys, "karpenter-view", "m5.large", "--no-prefix-delegation", "-o", "csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert row["advertised"] == "9"
    _, out, _ = run(capsys, "karpenter-view", "m5.large", "t8i.small")
    assert "PrivateIPv4Address=144" in out
    assert "t8i.small: Karpenter's table of 2026-08-06 lacks it" in out


def test_free_blocks_names_the_nodes_to_drain(capsys, folder):
    _, out, _ = run(capsys, "free-blocks", "-f", folder, "-o", "json")
    totals = [row["total_blocks"] for row in json.loads(out)["rows"]]
    assert totals == sorted(totals)
    _, out, _ = run(capsys, "free-blocks", "-f", folder)
    assert "drain" in out
    assert "blocks wanted" not in out
    _, out, _ = run(capsys, "free-blocks", "-f", folder, "--blocks", 400)
    assert "of the 400 blocks wanted come free: no other node frees one" in out
    code, _, err = run(capsys, "free-blocks", "-f", folder, "--subnet", "subnet-zz")
    assert (code, "there are" in err) == (1, True)
