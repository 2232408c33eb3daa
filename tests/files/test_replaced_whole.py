"""Files replaced whole or not at all, and text from files that acts on nothing."""

import csv
import errno
import io
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from eks_win_capacity import cli
from eks_win_capacity.aws import calls
from eks_win_capacity.cli.output import emit
from eks_win_capacity.cluster.state import ClusterState
from eks_win_capacity.core.errors import AwsError
from eks_win_capacity.core.replacing import replace_file, replace_files
from eks_win_capacity.core.spreadsheet import visible

needs_links = pytest.mark.skipif(os.name == "nt", reason="links and permissions of POSIX")


def save_state(path):
    ClusterState(cni_configmap={}).save(path)


def size_fleet(path):
    rows = path.with_name("in.csv")
    rows.write_text("instance_type\nm5.large\n")
    ran = CliRunner().invoke(cli.app, ["fleet", str(rows), "--out", str(path)])
    if ran.exception:
        raise ran.exception


WRITERS = [save_state, size_fleet, lambda path: replace_file(path, "x")]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(5, "broken", "other")])
def test_what_is_not_about_a_full_disk_is_raised_as_it_is(tmp_path, monkeypatch, error):
    path = tmp_path / "out.csv"
    path.write_text("old")

    def stop(_):
        raise error

    monkeypatch.setattr("os.fsync", stop)
    with pytest.raises(type(error)) as caught:
        replace_file(path, "new")
    assert caught.value is error
    assert [one.name for one in tmp_path.iterdir()] == ["out.csv"]
    assert path.read_text() == "old"


@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_leaves_the_old_file_alone(tmp_path, monkeypatch, write):
    path = tmp_path / "out.csv"
    path.write_text("old")

    def full(_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="full") as caught:
        write(path)
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert {one.name for one in tmp_path.iterdir()} <= {"out.csv", "in.csv"}


def test_files_are_replaced_together_or_not_at_all(tmp_path, monkeypatch):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"1")
    real = Path.replace

    def failing(self, target):
        if Path(target).name == "last":
            raise OSError("disk")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="disk"):
        replace_files({old: b"2", new: b"3", tmp_path / "last": b"4"})
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert old.read_bytes() == b"1"


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(_):
        raise OSError("full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="full"):
        replace_files({tmp_path / "a": b"1"})
    assert not list(tmp_path.iterdir())


@needs_links
@pytest.mark.parametrize("write", WRITERS)
def test_permissions_stay_and_a_planted_link_is_not_followed(tmp_path, write):
    path, victim = tmp_path / "out.csv", tmp_path / "victim"
    path.write_text("old")
    path.chmod(0o640)
    write(path)
    assert path.stat().st_mode & 0o777 == 0o640
    path.unlink()
    victim.write_text("precious")
    path.symlink_to(victim)
    write(path)
    assert victim.read_text() == "precious"
    assert not path.is_symlink()


@needs_links
def test_a_device_is_written_to_and_stays_a_device():
    replace_file("/dev/null", "x")
    assert not os.path.isfile("/dev/null")  # noqa: PTH113


@given(st.text())
def test_no_control_character_reaches_a_terminal(text):
    shown = visible(text)
    assert not any(ord(one) < 32 or 127 <= ord(one) < 160 for one in shown if one not in "\t\n")
    assert visible(shown) == shown


@pytest.mark.parametrize("output", ["table", "csv"])
def test_names_from_files_are_spelled_out_where_they_would_act(capsys, output):
    emit([{"name": "=cmd|' /C calc'!A0", "pod": "a\x1b[2Jb", "count": -5}], output)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "a\\x1b[2Jb" in out
    if output == "csv":
        (row,) = csv.DictReader(io.StringIO(out))
        assert row["name"].startswith("'=")
        assert row["count"] == "-5"


@pytest.mark.parametrize("coding", ["cp1252", "cp437", "ascii", "utf-8"])
def test_every_stream_prints_the_table(coding):
    ran = subprocess.run(
        [sys.executable, "-m", "eks_win_capacity", "catalog", "show", "m5.large"],
        env={**os.environ, "PYTHONIOENCODING": coding},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "m5.large" in ran.stdout.decode(coding)
    pool = subprocess.run(
        [sys.executable, "-m", "eks_win_capacity", "max-pods", "m5.large", "c5.large"],
        env={**os.environ, "PYTHONIOENCODING": coding},
        capture_output=True,
        check=False,
    )
    assert pool.returncode == 0, pool.stderr
    assert ("─" if coding in {"cp437", "utf-8"} else "---") in pool.stdout.decode(coding)


def test_the_region_is_taken_from_either_variable(monkeypatch):
    pytest.importorskip("boto3", reason="boto3 is not installed")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert calls.client("ec2").meta.region_name == "eu-west-3"
    assert calls.client("ec2", region="eu-west-1").meta.region_name == "eu-west-1"


def test_a_silent_endpoint_costs_a_minute_at_most(monkeypatch):
    pytest.importorskip("boto3", reason="boto3 is not installed")
    # The pauses of botocore's standard mode before its second, third and fourth try.
    assert calls.SILENT_TRIES * calls.READ_TIMEOUT_S + 1 <= 60
    assert calls.ATTEMPTS * calls.CONNECT_TIMEOUT_S + 1 + 2 + 4 <= 60
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setattr(calls, "READ_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = calls.client("ec2", region="eu-west-1", endpoint_url=endpoint)
        began = time.monotonic()
        with (
            pytest.raises(AwsError),
            calls.faults(operation="DescribeSubnets", region="eu-west-1"),
        ):
            client.describe_subnets()
    assert time.monotonic() - began < 20
