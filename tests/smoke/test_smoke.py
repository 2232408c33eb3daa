"""Does an installed copy answer: imports, the table, the command line? Needs pytest only."""

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

import eks_win_capacity as ewc

pytestmark = pytest.mark.smoke


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run("-m", "eks_win_capacity", *arguments)


def test_the_copy_under_test_is_the_one_that_was_installed():
    expected = os.environ.get("EXPECTED_ORIGIN", "")
    assert Path(ewc.__file__).is_relative_to(Path(expected).resolve() if expected else "/")


def test_every_public_name_is_there():
    for name in ewc.__all__:
        assert getattr(ewc, name) is not None


def test_the_version_is_the_one_of_the_distribution():
    try:
        version = metadata("eks-win-capacity")["Version"]
    except PackageNotFoundError:  # imported from a source tree or a zip file
        version = ewc.__version__
    assert version == ewc.__version__


def test_a_node_takes_the_pods_that_the_guide_says():
    assert ewc.max_pods("m5.large") == 9
    assert ewc.max_pods("m5.large", prefix_delegation=True) == 144
    assert ewc.max_pods("t3.xlarge", prefix_delegation=True) == 224
    assert ewc.max_pods(["m5.large", "c5.4xlarge"]).tolist() == [9, 29]


def test_the_whole_table_came_with_the_package():
    catalog = ewc.Catalog.bundled()
    assert len(catalog) >= 1408
    assert catalog["m5.large"].ipv4_per_interface == 10
    assert catalog.as_of


def test_an_unknown_type_is_an_error_with_a_hint():
    with pytest.raises(ewc.CapacityError, match=r"m5\.large"):
        ewc.max_pods("m5.larg")


def test_the_command_line_answers_as_the_library_does():
    done = cli("max-pods", "m5.large", "c5.4xlarge", "--output", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["instance_type"] for row in rows] == ["m5.large", "c5.4xlarge"]
    assert [row["max_pods"] for row in rows] == [9, 29]


def test_the_command_line_tells_version_and_date_of_the_table():
    done = cli("--version")
    assert done.returncode == 0, done.stderr
    assert ewc.__version__ in done.stdout
    assert ewc.Catalog.bundled().as_of in done.stdout


def test_the_command_line_sizes_a_fleet(tmp_path):
    nodes = tmp_path / "nodes.csv"
    nodes.write_text("node,instance_type\na,m5.large\nb,c5.4xlarge\nc,m5.large\n")
    sized = tmp_path / "sized.csv"
    done = cli("fleet", str(nodes), "--out", str(sized))
    assert done.returncode == 0, done.stderr
    assert "m5.large" in done.stdout
    assert len(sized.read_text().splitlines()) == 4


def test_a_wrong_name_on_the_command_line_is_one_line_without_a_traceback():
    done = cli("max-pods", "m5.larg")
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "m5.large" in done.stderr


def test_the_first_answer_loads_nothing_heavy():
    done = run(
        "-c",
        "import sys; before = set(sys.modules); import eks_win_capacity as ewc\n"
        "assert ewc.max_pods('m5.large') == 9\n"
        "print(*(set(sys.modules) - before))",
    )
    assert done.returncode == 0, done.stderr
    heavy = {"numpy", "pandas", "boto3", "botocore", "click", "rich", "yaml"}
    heavy |= {"json", "dataclasses", "typing", "re", "csv", "decimal"}
    assert heavy.isdisjoint(done.stdout.split())
