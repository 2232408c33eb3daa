"""Tables of nodes as people have them: nothing of them is taken for something else in silence."""

import io
import json
import re

import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from eks_win_capacity import Catalog, cli
from eks_win_capacity.core.errors import InputError
from eks_win_capacity.density.node_table import node_table

CATALOG = Catalog.bundled()

COUNTS = "instance_type,count\nm5.xlarge,120\nc5.2xlarge,30\n"
LIST = "m5.xlarge\nc5.2xlarge\nm5.xlarge\n"
AWS_TEXT = "i-0aaa1\tm5.xlarge\twindows\teu-west-1a\ni-0aaa2\tc5.2xlarge\twindows\teu-west-1b\n"
KUBECTL = """\
NAME   STATUS                     ROLES    AGE   INSTANCE-TYPE   OS
a      Ready                      <none>   12d   m5.xlarge       windows
b      Ready,SchedulingDisabled   <none>   12d   c5.2xlarge      windows
c      NotReady                   <none>   3m    m5.large        windows
d      Ready                      <none>   3m    m5.large        linux
"""
CONFIG = """\
accountId,resourceId,resourceType,configuration.instanceType,configuration.platform
1,i-0aaa1,AWS::EC2::Instance,m5.xlarge,windows
1,i-0aaa2,AWS::EC2::Instance,c5.2xlarge,windows
1,i-0aaa3,AWS::EC2::Instance,t3.large,
"""
KUBECOST = "Name,Type,Node Type,CPU Hours\na,Node,m5.xlarge,96\nb,Node,c5.2xlarge,192\n"
CAPITALS = "node,InstanceType\nwin-1, M5.XLARGE\nwin-2,c5.2xlarge \n"


HEADLESS = "i-1\tm5.large\trunning\twindows\ni-2\tm5.large\tterminated\twindows\ni-3\tc5.large\trunning\tNone\n"
FRAMED = """\
----------------------------------------
|           DescribeInstances          |
+-------+------------+---------+-------+
|  i-1  |  m5.large  | running |  None |
|  i-2  |  m5.large  | running |windows|
+-------+------------+---------+-------+
"""
MARKDOWN = "| node | type | count |\n|:-----|------|------:|\n| a | m5.large | 4 |\n| b | m5.xlarge | 2 |\n"
EXCEL = 'sep=;\r\n"Name";"Typ";"Betriebssystem";"Anzahl"\r\n"a";"m5.large";"Windows";"12"\r\n'
POWERSHELL = '#TYPE Selected.Instance\r\n"InstanceId","InstanceType"\r\n"i-1","m5.large"\r\n'
UNIQ = "     12 m5.large\n      3 m5.xlarge\n"
JSONPATH = "win-1 m5.large\nwin-2 m5.xlarge\n"
NO_HEADERS = "win-1   Ready      m5.large   windows\nwin-2   NotReady   m5.large   windows\n"


WIDE = """\
NAME   STATUS   ROLES    AGE   VERSION   OS-IMAGE                         INSTANCE-TYPE
a      Ready    <none>   1d    v1.34.1   Windows Server 2022 Datacenter   m5.xlarge
b      Ready    <none>   1d    v1.34.1   Amazon Linux 2023                m5.large
"""
NESTED = '[[["m5.large", "windows"]], [["m5.xlarge", null], ["m5.large", "windows"]]]'


def node(name, kind, os, ready):
    return {
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"node.kubernetes.io/instance-type": kind, "kubernetes.io/os": os},
        },
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


LISTED = json.dumps(
    {
        "kind": "List",
        "items": [
            {"kind": "Pod"},
            node("a", "m5.xlarge", "windows", "True"),
            node("b", "m5.large", "linux", "True"),
            node("c", "m5.large", "windows", "False"),
        ],
    }
)
ITEM = {
    key: value for key, value in node("a", "m5.xlarge", "windows", "True").items() if key != "kind"
}
INSTANCES = json.dumps(
    {
        "Reservations": [
            {
                "Instances": [
                    {"InstanceType": "m5.xlarge", "Platform": "windows", "State": {"Name": s}}
                    for s in ("running", "terminated")
                ]
            },
            {"Instances": [{"InstanceType": "m5.large", "State": {"Name": "running"}}]},
        ]
    }
)


def fleet(text, *options):
    return CliRunner().invoke(cli.app, ["fleet", "-", *options], input=text)


def counted(text, *options):
    """Nodes of each type in the printed summary."""
    ran = fleet(text, *options)
    assert ran.exit_code == 0, ran.output
    rows = [line.split() for line in ran.stdout.splitlines()]
    return {row[0]: int(row[1].replace(",", "")) for row in rows if row and row[0] in CATALOG}


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        (COUNTS, {"m5.xlarge": 120, "c5.2xlarge": 30}),
        (LIST, {"m5.xlarge": 2, "c5.2xlarge": 1}),
        (AWS_TEXT, {"m5.xlarge": 1, "c5.2xlarge": 1}),
        (KUBECTL, {"m5.xlarge": 1, "c5.2xlarge": 1}),
        (CONFIG, {"m5.xlarge": 1, "c5.2xlarge": 1}),
        (KUBECOST, {"m5.xlarge": 1, "c5.2xlarge": 1}),
        (CAPITALS, {"m5.xlarge": 1, "c5.2xlarge": 1}),
        (HEADLESS, {"m5.large": 1}),
        (FRAMED, {"m5.large": 1}),
        (MARKDOWN, {"m5.large": 4, "m5.xlarge": 2}),
        (EXCEL, {"m5.large": 12}),
        (POWERSHELL, {"m5.large": 1}),
        (UNIQ, {"m5.large": 12, "m5.xlarge": 3}),
        (JSONPATH, {"m5.large": 1, "m5.xlarge": 1}),
        (NO_HEADERS, {"m5.large": 1}),
        (LISTED, {"m5.xlarge": 1}),
        (INSTANCES, {"m5.xlarge": 1}),
        (WIDE, {"m5.xlarge": 1}),
        (NESTED, {"m5.large": 2}),
        (json.dumps({"kind": "NodeList", "items": [ITEM]}), {"m5.xlarge": 1}),
        (json.dumps(["m5.large", "m5.large"]), {"m5.large": 2}),
        (json.dumps([["i-1", "m5.large"]]), {"m5.large": 1}),
        (json.dumps([{"type": "m5.large", "count": 3}]), {"m5.large": 3}),
    ],
)
def test_what_people_have_is_understood(text, nodes):
    assert counted(text) == nodes


def read(text):
    return pd.read_csv(io.StringIO(text))


@pytest.mark.parametrize("text", [KUBECTL, CONFIG, LISTED, INSTANCES, COUNTS, HEADLESS])
def test_what_was_left_out_or_understood_is_said(text):
    out = fleet(text).stdout
    assert "left out" in out or "stands for" in out
    assert "note:" in fleet(text, "-o", "json").stderr


def test_every_row_is_sized_where_asked():
    assert counted(KUBECTL, "--all-rows") == {"m5.xlarge": 1, "c5.2xlarge": 1, "m5.large": 2}


def test_two_columns_of_counts_are_refused_until_one_is_named():
    text = "instance_type,count,nodes\nm5.large,2,3\n"
    assert "--count" in str(fleet(text).exception)
    assert counted(text, "--count", "nodes") == {"m5.large": 3}
    assert counted(text, "--count", "none") == {"m5.large": 1}


@pytest.mark.parametrize(
    "text",
    [
        "m5.large x12\nm5.xlarge x3\n",
        "12x m5.large\n3x m5.xlarge\n",
        "m5.large (12)\nm5.xlarge (3)\n",
    ],
)
def test_counts_with_a_sign_are_not_passed_over(text):
    assert "may say how many nodes a row stands for" in str(fleet(text).exception)


def test_a_table_of_kubectl_that_lost_its_columns_is_read():
    assert counted(re.sub(" {3,}", "   ", KUBECTL)) == counted(KUBECTL)


@pytest.mark.parametrize("text", ["m5.large 12\nm5.xlarge 3\n", "m5.large,12\nm5.xlarge,3\n"])
def test_numbers_without_a_head_are_refused_until_they_are_named(text):
    assert "--count column_2, or --count none" in str(fleet(text).exception)
    assert counted(text, "--count", "column_2") == {"m5.large": 12, "m5.xlarge": 3}
    assert counted(text, "--count", "none") == {"m5.large": 1, "m5.xlarge": 1}


def test_nodes_printed_without_their_types_are_refused_with_the_command_that_prints_them():
    text = "NAME    STATUS   ROLES    AGE\nwin-1   Ready    <none>   3d\n"
    assert "-L node.kubernetes.io/instance-type" in str(fleet(text).exception)


@pytest.mark.parametrize("count", ["1,200", "1.200", "1.000", "1.000.000", "3/3", "12 nodes"])
def test_numbers_that_cannot_be_read_are_not_passed_over(count):
    message = str(fleet(f"instance_type\tcount\nm5.large\t{count}\n").exception)
    assert count in message
    assert "none" in message


@pytest.mark.parametrize("count", ["-1", "1.5", "two"])
def test_a_count_that_is_not_one_is_refused(count):
    ran = fleet(f"instance_type,count\nm5.large,{count}\nm5.large,2\n")
    assert ran.exit_code != 0
    assert count in str(ran.exception)


def test_a_table_of_linux_nodes_alone_is_refused_and_names_the_option():
    with pytest.raises(InputError, match="--all-rows"):
        node_table(pd.DataFrame({"type": ["m5.large"], "os": ["linux"]}), CATALOG)


def test_a_foreign_document_is_named_for_what_it_is():
    ran = fleet(json.dumps({"kind": "ConfigMap", "data": {}}))
    assert "is a ConfigMap without nodes" in str(ran.exception)


@given(
    st.lists(st.tuples(st.sampled_from(["m5.large", "c5.xlarge"]), st.integers(0, 50)), min_size=1)
)
def test_a_row_with_a_count_is_as_many_rows(rows):
    frame = pd.DataFrame(rows, columns=["instance_type", "count"])
    table = node_table(frame, CATALOG)
    assert int(table.counts.sum()) == sum(count for _, count in rows)
    alone = node_table(frame[["instance_type"]].loc[frame.index.repeat(frame["count"])], CATALOG)
    assert alone.counts is None
    spread = table.types.repeat(table.counts.tolist())
    assert spread.tolist() == alone.types.tolist()


def test_a_wrong_count_names_its_row_as_it_stands_among_the_rows():
    frame = pd.DataFrame({"instance_type": ["m5.large"] * 3, "count": [1, 2, -3]})
    with pytest.raises(InputError, match="got -3 in row 3"):
        node_table(frame, CATALOG)


def test_the_column_of_types_that_is_named_is_the_one_that_is_read():
    frame = pd.DataFrame({"instance_type": ["m5.large"], "later": ["c5.xlarge"]})
    assert list(node_table(frame, CATALOG, column="later").types) == ["c5.xlarge"]
    with pytest.raises(InputError, match="no column 'latter'; there are: instance_type, later"):
        node_table(frame, CATALOG, column="latter")


def test_two_columns_of_types_with_one_name_are_refused_where_they_differ():
    head = "instance_type,instance_type\n"
    assert "'instance_type.1' both hold" in str(fleet(f"{head}m5.large,c5.large\n").exception)
    assert counted(f"{head}m5.large,m5.large\n") == {"m5.large": 1}


def test_two_columns_of_types_are_refused_until_one_is_named():
    text = "node,before,after\na,m5.large,m6i.large\nb,m5.large,m6i.large\n"
    assert "'before' and 'after' both hold instance types" in str(fleet(text).exception)
    assert counted(text, "--column", "after") == {"m6i.large": 2}
    assert counted(text.replace("before", "instance_type")) == {"m5.large": 2}
    assert counted("node,before,after\na,m5.large,m5.large\n") == {"m5.large": 1}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a,m5.large,x\na,m5.large,x\na,m5.large,x\n", "2 rows repeat another one with its 'name'"),
        ("a,m5.large,x\na,m5.large,y\n", ""),
        ("a,m5.large,x\nb,m5.large,x\n", ""),
    ],
)
def test_rows_that_repeat_another_are_said(rows, said):
    notes = node_table(read("name,instance_type,cluster\n" + rows), CATALOG).notes
    assert [said in note for note in notes] == [True] * bool(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("instance_type,n\nm5.large,5\nc5.large,2\n", "if 'n' says how many, give it with --count"),
        ("instance_type,avg nodes\nm5.large,2.5\n", "if 'avg nodes' says"),
        ("instance_type,vCPUs,memory_gib\nm5.large,2,8\n", ""),
        ("instance_type,n\nm5.large,5\nm5.large,2\n", ""),
        ("instance_type,n\nm5.large,1\n", ""),
    ],
)
def test_a_column_that_may_count_nodes_is_said(text, said):
    assert [said in note for note in node_table(read(text), CATALOG).notes] == [True] * bool(said)
    assert not node_table(read(text), CATALOG, count="none").notes


def test_windows_has_several_spellings_and_what_is_left_out_is_named():
    systems = ["WINDOWS", "Win2022", "win", "Darwin", "amazon linux 2", None]
    table = node_table(pd.DataFrame({"type": ["m5.large"] * 6, "os": systems}), CATALOG)
    assert len(table.frame) == 3
    assert table.notes == ("3 rows left out: not Windows by 'os' (empty, amazon linux 2, darwin)",)
