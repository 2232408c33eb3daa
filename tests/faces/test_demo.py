"""The demo fleet and cluster: what they hold, and that anyone can write them again."""

import csv
import runpy
from pathlib import Path

import pandas as pd
import pytest

import eks_win_capacity as ewc

FOLDER = Path(__file__).resolve().parents[2] / "data" / "demo"


def rows() -> list[dict[str, str]]:
    with (FOLDER / "fleet.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_generating_gives_the_shipped_files_byte_for_byte(tmp_path):
    runpy.run_path(str(FOLDER / "generate.py"))["write"](tmp_path)
    written = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*"))
    shipped = {path.relative_to(FOLDER) for path in FOLDER.rglob("*.*") if path.suffix != ".py"}
    assert set(written) == {path for path in shipped if path.suffix in {".csv", ".json"}}
    for path in written:
        assert (tmp_path / path).read_bytes() == (FOLDER / path).read_bytes(), path


@pytest.mark.parametrize("name", ["fleet", "subnet_usage", "workloads"])
def test_each_table_is_the_one_of_the_file(name):
    table = pd.read_csv(FOLDER / f"{name}.csv")
    pd.testing.assert_frame_equal(getattr(ewc.demo, name)(), table)


def test_the_cluster_is_the_one_of_the_files():
    assert ewc.demo.cluster().to_dict() == ewc.load_files(FOLDER / "cluster").to_dict()


def test_each_call_draws_new_data_that_a_caller_may_change():
    changed = ewc.demo.fleet()
    changed["instance_type"] = "?"
    assert "?" not in set(ewc.demo.fleet()["instance_type"])


def test_the_demo_needs_no_file_that_a_wheel_could_lack():
    assert {path.suffix for path in Path(ewc.demo.__file__).parent.iterdir()} <= {".py", ""}


def test_it_holds_6000_nodes_and_none_twice():
    nodes = [row["node"] for row in rows()]
    assert len(nodes) == len(set(nodes)) == 6000


def test_every_node_can_run_windows():
    catalog = ewc.Catalog.bundled()
    kinds = {row["instance_type"] for row in rows()}
    assert {catalog[kind].windows.status for kind in kinds} == {"supported"}


def test_some_nodes_cannot_use_prefixes():
    catalog = ewc.Catalog.bundled()
    kinds = {row["instance_type"] for row in rows()}
    assert {catalog[kind].nitro for kind in kinds} == {True, False}


def test_the_cluster_is_known_in_full_and_fails_where_it_is_meant_to():
    state = ewc.load_files(FOLDER / "cluster")
    findings = ewc.check_cluster(state)
    assert not [finding.code for finding in findings if finding.outcome == "unknown"]
    failed = {finding.code for finding in findings if finding.outcome == "fail"}
    assert {"aws-auth-mapping", "os-selector", "coredns-redundancy"} <= failed
    assert [(pod.pod[-2:], pod.cause) for pod in ewc.explain_pending(state)] == [
        ("27", "addresses"),
        ("28", "addresses"),
    ]
