"""The demo fleet and cluster: what they hold, and that anyone can write them again."""

import csv
import runpy
from pathlib import Path

import eks_win_capacity as ewc

FOLDER = Path(__file__).resolve().parent.parent / "data" / "demo"


def rows() -> list[dict[str, str]]:
    with (FOLDER / "fleet.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_generating_gives_the_shipped_file_byte_for_byte(tmp_path):
    generator = runpy.run_path(str(FOLDER / "generate.py"))
    generator["write"](tmp_path / "fleet.csv")
    assert (tmp_path / "fleet.csv").read_bytes() == (FOLDER / "fleet.csv").read_bytes()


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


def test_generating_gives_the_shipped_cluster_byte_for_byte(tmp_path):
    runpy.run_path(str(FOLDER / "generate_cluster.py"))["write"](tmp_path)
    shipped = {path.name: path.read_bytes() for path in (FOLDER / "cluster").iterdir()}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == shipped


def test_the_cluster_is_known_in_full_and_fails_where_it_is_meant_to():
    state = ewc.load_files(FOLDER / "cluster")
    found = ewc.check_cluster(state)
    assert not [finding.code for finding in found if finding.outcome == "unknown"]
    failed = {finding.code for finding in found if finding.outcome == "fail"}
    assert {"aws-auth-mapping", "os-selector", "coredns-redundancy"} <= failed
    assert [(pod.pod[-2:], pod.cause) for pod in ewc.explain_pending(state)] == [
        ("27", "addresses"),
        ("28", "addresses"),
    ]
