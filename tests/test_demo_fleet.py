"""The demo fleet: what it holds, and that anyone can write it again."""

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
