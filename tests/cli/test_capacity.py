"""The commands that size nodes: max-pods, node and fleet."""

import csv
import io
import json
import sys

import pandas as pd
import pytest

import eks_win_capacity as ewc
from eks_win_capacity import cli

CSV = "name,instance_type,zone\na,m5.large,007\nb,t2.large,NA\nc,m5.large,\n"
SIZED = [
    "secondary_addresses",
    "prefix_addresses",
    "secondary_pods",
    "secondary_binding",
    "prefix_pods",
    "prefix_binding",
    "kubelet_extra_args",
]


@pytest.fixture
def ask(capsys):
    """Run a command line; give the exit code, stdout and stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as caught:
            cli.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return int(caught.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def answer(ask):
    """Run a command line that must succeed; give what it prints."""

    def run(*arguments):
        code, out, err = ask(*arguments)
        assert (code, err) == (0, "")
        return out

    return run


@pytest.fixture
def refusal(ask):
    """Run a command line that must fail; give its one line, and check the exit code."""

    def run(*arguments, code=1):
        code_left, out, err = ask(*arguments)
        assert (code_left, out) == (code, "")
        assert err.startswith("eks-win-capacity: error: ")
        assert err.count("\n") == 1
        return err

    return run


@pytest.fixture
def nodes(tmp_path):
    """Write a file of nodes."""

    def write(content=CSV, name="nodes.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


# -- max-pods -----------------------------------------------------------------


def test_max_pods_tells_the_address_bound(answer):
    rows = json.loads(
        answer("max-pods", "m5.large", "t2.large", "--prefix-delegation", "-o", "json")
    )["rows"]
    assert rows == [
        {"instance_type": "m5.large", "mode": "prefix", "ipv4_per_interface": 10, "max_pods": 144, "windows": "supported"},
        {"instance_type": "t2.large", "mode": "secondary", "ipv4_per_interface": 12, "max_pods": 11, "windows": "supported"},
    ]  # fmt: skip


def test_max_pods_as_csv_and_as_a_table(answer):
    rows = rows_of(answer("max-pods", "m5.large", "--kubelet-max-pods", "5", "--output", "csv"))
    assert [row["max_pods"] for row in rows] == ["5"]
    table = answer("max-pods", "m5.large", "t2.large", "m6g.large", "--prefix-delegation")
    assert "144" in table
    assert "m6g.large does not run Windows" in table
    assert "m4.large: " in (warned := answer("max-pods", "m4.large", "i3.16xlarge"))
    assert "2023" in warned
    assert "i3.16xlarge: addresses from the 32nd" in warned
    assert "t2.large is neither Nitro nor bare metal: it stays in secondary mode." in table


def test_the_retired_scripts_flags_work(answer):
    old = answer(
        "max-pods", "--instance-type", "m5.large", "--cni-prefix-delegation-enabled", "-o", "csv"
    )
    assert old == answer("max-pods", "m5.large", "--prefix-delegation", "-o", "csv")


@pytest.mark.parametrize(
    "flag",
    [
        ["--cni-custom-networking-enabled"],
        ["--cni-max-eni", "2"],
        ["--cni-version", "1.9.0"],
        ["--instance-type-from-imds"],
        ["--show-max-allowed"],
    ],
    ids=lambda flag: flag[0],
)
def test_a_retired_flag_without_meaning_says_why(flag, refusal):
    assert f"{flag[0]} has no meaning on Windows: " in refusal(
        "max-pods", "m5.large", *flag, code=2
    )


@pytest.mark.parametrize("command", ["max-pods", "node"])
def test_a_region_tells_whether_it_offers_the_type(command, answer, refusal):
    rows = json.loads(answer(command, "m5.large", "--region", "eu-west-1", "-o", "json"))["rows"]
    assert rows[0]["offered_in_eu-west-1"] is True
    far = json.loads(answer(command, "c5ad.12xlarge", "--region", "eu-north-1", "-o", "json"))[
        "rows"
    ]
    assert far[0]["offered_in_eu-north-1"] is False
    # A hand-kept row does not know who offers the type: neither yes nor no.
    old = json.loads(answer(command, "f1.2xlarge", "--region", "eu-north-1", "-o", "json"))["rows"]
    assert old[0]["offered_in_eu-north-1"] is None
    assert "nowhere-1" in refusal(command, "m5.large", "--region", "nowhere-1")


@pytest.mark.parametrize("command", ["max-pods", "node"])
def test_a_wrong_type_is_one_line_with_its_cure(command, refusal):
    assert "Did you mean 'm5.large'" in refusal(command, "m5.larg")
    assert "name at least one instance type" in refusal(command, code=2)
    assert "--kubelet-max-pods" in refusal(command, "m5.large", "--kubelet-max-pods", "-1")
    assert "--kubelet-max-pods" in refusal(command, "m5.large", "--kubelet-max-pods", "x", code=2)


# -- node ---------------------------------------------------------------------


def test_node_tells_what_binds_and_how_to_lift_it(answer):
    table = answer("node", "m5.8xlarge", "--prefix-delegation")
    assert "raise it in the bootstrap arguments with -KubeletExtraArgs '--max-pods=250'" in table
    table = answer("node", "m5.large", "--prefix-delegation")
    assert "AWS advises no higher one than 110 for 2 vCPUs" in table
    rows = json.loads(answer("node", "m5.large", "--prefix-delegation", "-o", "json"))["rows"]
    assert rows == [
        {
            "instance_type": "m5.large", "mode": "prefix", "pods": 110, "binding": "kubelet", "address_pods": 144,
            "kubelet_pods": 110, "cpu_pods": None, "memory_pods": None, "windows": "supported",
            "kubelet_extra_args": None,
        }
    ]  # fmt: skip


def test_node_counts_requests_and_reservations(answer, refusal):
    question = [
        "node",
        "m5.large",
        "-o",
        "csv",
        "--pod-cpu",
        "250m",
        "--pod-memory",
        "1Gi",
        "--host-process-pods",
        "2",
    ]
    (row,) = rows_of(answer(*question))
    assert (row["pods"], row["binding"], row["cpu_pods"], row["kubelet_pods"]) == (
        "5",
        "memory",
        "8",
        "108",
    )
    (row,) = rows_of(answer(*question, "--reserved-cpu", "1500m", "--reserved-memory", "1Gi"))
    assert (row["pods"], row["binding"], row["memory_pods"]) == ("2", "cpu", "7")
    assert "'1GB' is not a Kubernetes quantity" in refusal(
        "node", "m5.large", "--pod-memory", "1GB"
    )


# -- fleet: reading -----------------------------------------------------------


def test_fleet_sums_up_by_type(answer, nodes):
    printed = answer("fleet", nodes())
    assert printed.splitlines()[0].startswith("3 nodes, limits of ")
    lines = {line.split()[0]: line.split() for line in printed.splitlines() if line.strip()}
    assert lines["m5.large"] == ["m5.large", "2", "9", "144", "9", "110", "kubelet", "18", "220"]
    assert lines["total"][-2:] == ["29", "231"]
    assert "1 node is neither Nitro nor bare metal and cannot use prefixes." in printed
    assert "once the kubelet's --max-pods is raised" not in printed  # it is what AWS advises
    printed = answer("fleet", nodes(), "--kubelet-max-pods", "60")
    assert "2 nodes take more pods with prefixes once the kubelet's --max-pods is raised" in printed


def test_fleet_keeps_the_rows_and_adds_the_sizes(answer, nodes):
    rows = rows_of(answer("fleet", nodes(), "--rows", "-o", "csv"))
    assert list(rows[0]) == ["name", "instance_type", "zone", *SIZED]
    assert [row["zone"] for row in rows] == ["007", "NA", ""]
    assert [row["prefix_pods"] for row in rows] == ["110", "11", "110"]
    as_json = json.loads(answer("fleet", nodes(), "--rows", "-o", "json"))["rows"]
    assert as_json[1]["secondary_pods"] == 11
    assert as_json[1]["kubelet_extra_args"] is None


def test_the_sizes_are_those_of_the_library(answer, nodes):
    rows = rows_of(
        answer(
            "fleet",
            nodes(),
            "--rows",
            "-o",
            "csv",
            "--pod-memory",
            "1Gi",
            "--kubelet-max-pods",
            "4",
        )
    )
    frame = ewc.node_capacity(
        ["m5.large", "t2.large", "m5.large"], kubelet_max_pods=4, pod_memory="1Gi"
    )
    assert [row["secondary_pods"] for row in rows] == frame["pods"].astype(str).tolist()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_marks_and_line_ends_do_not_matter(separator, bom, end, answer, nodes):
    text = bom + "Instance-Type,name\nm5.large,a\n".replace(",", separator).replace("\n", end)
    (row,) = rows_of(answer("fleet", nodes(text), "--rows", "-o", "csv"))
    assert (row["Instance-Type"], row["secondary_pods"]) == ("m5.large", "9")


@pytest.mark.parametrize(
    "header",
    [
        "instance_type",
        "InstanceType",
        "node.kubernetes.io/instance-type",
        "machine type",
        "TYPE",
        "ec2_instance_type",
        "what",
    ],
)
def test_the_column_is_found(header, answer, nodes):
    (row,) = rows_of(answer("fleet", nodes(f"name,{header}\na,m5.large\n"), "--rows", "-o", "csv"))
    assert row["secondary_pods"] == "9"


def test_the_column_may_be_named(answer, refusal, nodes):
    path = nodes("instance_type,other\nm5.large,t2.large\n")
    (row,) = rows_of(answer("fleet", path, "--column", "other", "--rows", "-o", "csv"))
    assert row["secondary_pods"] == "11"
    assert "no column 'nope'; there are: instance_type, other" in refusal(
        "fleet", path, "--column", "nope"
    )
    assert "name it with --column" in refusal("fleet", nodes("a,b\n1,2\n"))


def test_fleet_reads_a_pipe(answer, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CSV.encode())))
    assert len(rows_of(answer("fleet", "-", "--rows", "-o", "csv"))) == 3


def test_fleet_reads_parquet(answer, refusal, tmp_path, nodes):
    path = tmp_path / "nodes.parquet"
    frame = pd.DataFrame({"instance_type": pd.Categorical(["m5.large", "t2.large"]), "n": [1, 2]})
    frame.to_parquet(path)
    rows = json.loads(answer("fleet", path, "--rows", "-o", "json"))["rows"]
    assert [(row["n"], row["secondary_pods"]) for row in rows] == [(1, 9), (2, 11)]
    assert "is not a Parquet file" in refusal("fleet", nodes(CSV, "x.parquet"))


def test_parquet_without_pyarrow_names_the_extra(refusal, nodes, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert 'pip install "eks-win-capacity[arrow]"' in refusal("fleet", nodes(CSV, "x.parquet"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a CSV file"),
        (b"\xff\x00x", "is not text"),
        (b"\xff\xfe\x00", "is not text"),
        (b'a,b\n"1,2\n', "is not a CSV file"),
        (b"instance_type,n\nm5.large,3,4\n", "its first row has more fields than its header"),
        (
            b"instance_type,n\nm5.large,3\nm5.large,3,4\n",
            "line 3 has 3 fields where 2 are expected",
        ),
    ],
)
def test_what_is_no_csv_is_refused(content, message, refusal, nodes):
    assert message in refusal("fleet", nodes(content))


def test_an_empty_line_of_a_single_column_is_a_missing_value(answer, refusal, nodes):
    one = nodes("\ninstance_type\r\nm5.large\r\n\r\nt2.large\r\n\r\n")
    assert "1 missing value among 3, first at position 1" in refusal("fleet", one)
    rows = rows_of(answer("fleet", one, "--on-unknown", "null", "--rows", "-o", "csv"))
    assert [row["secondary_pods"] for row in rows] == ["9", "", "11"]
    two = nodes("instance_type,n\nm5.large,1\n\nt2.large,2\n\n", "two.csv")
    assert len(rows_of(answer("fleet", two, "--rows", "-o", "csv"))) == 2


def test_what_powershell_writes_can_be_read(answer, nodes, tmp_path):
    plain = answer("fleet", nodes(CSV), "--rows", "-o", "csv")
    assert answer("fleet", nodes(CSV.encode("utf-16"), "wide.csv"), "--rows", "-o", "csv") == plain
    files = {
        "cm": 'data:\n  enable-windows-ipam: "true"\n  windows-warm-ip-target: "2"\n',
        "events": '[0, "assign", "a"]\n',
        "used": "10.0.0.9\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode("utf-16"))
    rows = json.loads(answer("pool", tmp_path / "cm", "-o", "json"))["rows"]
    assert rows[0]["warm_ip_target"] == 2
    ran = json.loads(answer("simulate", tmp_path / "events", "--slots", "9", "-o", "json"))["rows"]
    assert ran[0]["used"] == 1
    census = json.loads(answer("subnet", "10.0.0.0/24", "--used", tmp_path / "used", "-o", "json"))[
        "rows"
    ]
    assert census[0]["used"] == 1


@pytest.mark.parametrize(
    "arguments",
    [("pool",), ("simulate", "--slots", "9"), ("subnet", "10.0.0.0/24", "--used"), ("plan",)],
    ids=lambda arguments: arguments[0],
)
def test_what_is_no_text_is_one_line(arguments, refusal, tmp_path):
    (tmp_path / "bytes").write_bytes(b"\xff\x00\x01")
    assert "can't decode" in refusal(*arguments, tmp_path / "bytes")


def test_a_file_that_is_not_there_is_one_line(refusal, tmp_path):
    assert "nodes.csv" in refusal("fleet", tmp_path / "nodes.csv")


# -- fleet: unknown types -----------------------------------------------------


def test_unknown_and_missing_types_stop_or_stay_empty(answer, refusal, nodes):
    path = nodes("instance_type\nm5.large\nnope\n")
    assert "'nope' at position 1" in refusal("fleet", path)
    assert "1 missing value among 2, first at position 1" in refusal(
        "fleet", nodes('instance_type,n\nm5.large,1\n"",2\n')
    )
    path = nodes('instance_type,n\nm5.large,1\n"",2\nnope,3\n')
    rows = rows_of(answer("fleet", path, "--on-unknown", "null", "--rows", "-o", "csv"))
    assert [row["secondary_pods"] for row in rows] == ["9", "", ""]
    assert [row["n"] for row in rows] == ["1", "2", "3"]
    rows = json.loads(answer("fleet", path, "--on-unknown", "null", "--rows", "-o", "json"))["rows"]
    assert [row["prefix_pods"] for row in rows] == [110, None, None]
    table = answer("fleet", path, "--on-unknown", "null")
    assert "2 nodes have a missing or unknown type and are not counted." in table


def test_types_that_cannot_run_windows_are_named(answer, nodes):
    printed = answer("fleet", nodes("instance_type\nm6g.large\nm5.large\n"))
    assert "1 node cannot run Windows and counts in no total: m6g.large." in printed


def test_a_file_without_rows_has_a_total_of_nothing(answer, nodes):
    printed = answer("fleet", nodes("instance_type\n"))
    assert "0 nodes" in printed
    assert (
        json.loads(answer("fleet", nodes("instance_type\n"), "--rows", "-o", "json"))["rows"] == []
    )


# -- fleet: writing -----------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "json", "parquet", "CSV"])
def test_the_sized_rows_are_written(kind, answer, nodes, tmp_path):
    out = tmp_path / f"sized.{kind}"
    assert f"3 sized rows written to {out}" in answer("fleet", nodes(), "--out", out)
    read = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[kind.lower()]
    frame = read(out)
    assert frame["prefix_pods"].tolist() == [110, 11, 110]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nodes.csv", out.name]


def test_a_file_of_another_kind_is_not_written(refusal, nodes, tmp_path):
    assert "--out must end in .csv, .json, .parquet or .xlsx" in refusal(
        "fleet", nodes(), "--out", tmp_path / "x.xls"
    )
    assert "error" in refusal("fleet", nodes(), "--out", tmp_path / "none" / "x.csv")


def test_what_cannot_be_written_leaves_the_old_file(refusal, nodes, tmp_path, monkeypatch):
    out = tmp_path / "sized.parquet"
    out.write_text("old")

    def fail(*_arguments, **_options):
        raise ImportError

    monkeypatch.setattr(pd.DataFrame, "to_parquet", fail)
    assert "eks-win-capacity[arrow]" in refusal("fleet", nodes(), "--out", out)
    assert out.read_text() == "old"


def test_a_column_that_is_there_already_is_not_overwritten(refusal, nodes):
    path = nodes("instance_type,prefix_pods\nm5.large,1\n")
    assert "has a column 'prefix_pods' already; rename it or drop it" in refusal("fleet", path)


KUBECTL = """\
NAME                        STATUS   ROLES    AGE   VERSION               OS-IMAGE                         INSTANCE-TYPE
ip-10-0-0-1.eu.internal     Ready    <none>   9d    v1.31.4-eks-aeac579   Windows Server 2022 Datacenter   m5.large
ip-10-0-0-20.eu.internal    Ready    <none>   9d    v1.31.4-eks-aeac579   Windows Server 2022 Datacenter   c5.4xlarge
ip-10-0-0-3.eu.internal     Ready             9d    v1.31.4-eks-aeac579   Windows Server 2022 Datacenter
"""


def test_the_table_that_kubectl_prints_is_sized(tmp_path, capsys):
    (tmp_path / "nodes.txt").write_text(KUBECTL)
    with pytest.raises(SystemExit) as left:
        cli.main(
            ["fleet", str(tmp_path / "nodes.txt"), "--on-unknown", "null", "--rows", "-o", "csv"]
        )
    assert left.value.code == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["INSTANCE-TYPE"] for row in rows] == ["m5.large", "c5.4xlarge", ""]
    assert [row["prefix_addresses"] for row in rows] == ["144", "464", ""]
    assert rows[1]["OS-IMAGE"] == "Windows Server 2022 Datacenter"


def test_a_label_that_kubectl_does_not_find_is_a_missing_value(tmp_path, capsys):
    (tmp_path / "types.txt").write_text("TYPE\nm5.large\n<none>\n")
    with pytest.raises(SystemExit) as left:
        cli.main(["fleet", str(tmp_path / "types.txt")])
    assert left.value.code == 1
    assert "1 missing value" in capsys.readouterr().err


def test_a_node_without_memory_for_any_pod_is_named(answer, tmp_path):
    # 2 GiB less 2 GiB and 200 MiB that the system keeps.
    assert "t3.small: no memory is left for any pod" in answer("node", "t3.small")
    assert "no memory is left" not in answer("node", "t3.medium")
    (tmp_path / "nodes.csv").write_text("instance_type\nt3.small\nm5.large\n")
    printed = answer("fleet", str(tmp_path / "nodes.csv"))
    assert "1 node has no memory left for any pod" in printed


def test_every_format_gives_the_table_that_is_printed_and_rows_where_they_are_asked_for(
    answer, nodes
):
    summary = json.loads(answer("fleet", nodes(), "-o", "json"))["rows"]
    assert summary == json.loads(answer("fleet", nodes(), "-o", "json"))["rows"]
    assert [row["instance_type"] for row in summary][-1] == "total"
    rows = rows_of(answer("fleet", nodes(), "-o", "csv"))
    assert [row["instance_type"] for row in rows] == [row["instance_type"] for row in summary]
    assert len(json.loads(answer("fleet", nodes(), "--rows", "-o", "json"))["rows"]) == 3
    assert "secondary pods" in answer("fleet", nodes(), "--rows")


def test_no_cell_of_a_csv_is_a_formula(answer, nodes, tmp_path):
    path = nodes("note,instance_type,@n\n=cmd|'/c calc'!A0,m5.large,-5\n")
    (row,) = rows_of(answer("fleet", path, "--column", "instance_type", "--rows", "-o", "csv"))
    assert (row["note"], row["'@n"]) == ("'=cmd|'/c calc'!A0", "-5")
    answer("fleet", path, "--column", "instance_type", "--out", tmp_path / "x.csv")
    assert "\n'=cmd" in (tmp_path / "x.csv").read_text("utf-8")


def test_a_node_without_memory_for_any_pod_takes_none(answer):
    (row,) = json.loads(answer("node", "t3.small", "-o", "json"))["rows"]
    assert (row["pods"], row["binding"], row["memory_pods"]) == (0, "memory", 0)


def test_pods_that_a_node_cannot_run_are_refused_with_the_option_and_the_type(refusal):
    message = refusal("migration", "m5.large", "t2.large", "--to", "secondary", "--pods", "40")
    assert "--pods of t2.large must be a whole number from 0 to 11; got 40" in message
