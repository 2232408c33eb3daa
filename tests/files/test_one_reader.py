"""One reader for what people have: encodings, several documents, lists, limits."""

import gzip
import json
import re
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from eks_win_capacity import WarmPool, cli, load_files
from eks_win_capacity.cli.plan_files import read_price_file
from eks_win_capacity.core.documents import _open, whole
from eks_win_capacity.core.errors import CapacityError, ConfigMapError, DocumentError, InputError

WEB = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "replicas": 3,
        "template": {
            "spec": {
                "nodeSelector": {"kubernetes.io/os": "windows"},
                "containers": [{"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}],
            }
        },
    },
}
DATABASE = {**WEB, "kind": "StatefulSet", "metadata": {"name": "db"}}
LINUX = json.loads(json.dumps(WEB).replace("windows", "linux").replace("web", "api"))
REPORT = {
    "kind": "CronJob",
    "metadata": {"name": "report"},
    "spec": {"jobTemplate": {"spec": {"parallelism": 2, "template": WEB["spec"]["template"]}}},
}
CONFIGMAP = {
    "kind": "ConfigMap",
    "metadata": {"name": "amazon-vpc-cni", "namespace": "kube-system"},
    "data": {"enable-windows-ipam": "true"},
}
NODE = {
    "kind": "Node",
    "metadata": {
        "name": "win-1",
        "labels": {
            "kubernetes.io/os": "windows",
            "node.kubernetes.io/instance-type": "m5.large",
        },
    },
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(one) for one in arguments])


def as_yaml(values):
    return "---\n" + "\n---\n".join(json.dumps(value, indent=1) for value in values)


FORMS = {
    "list": lambda values: json.dumps({"kind": "List", "apiVersion": "v1", "items": values}),
    "array": json.dumps,
    "a line each": lambda values: "\n".join(map(json.dumps, values)),
    "documents": as_yaml,
}
CODINGS = (
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "utf-32-le",
    "utf-32-be",
)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_and_coding_gives_the_same_plan(tmp_path, form, coding):
    path = tmp_path / "workloads.txt"
    text = FORMS[form]([WEB, DATABASE, LINUX]).replace("\n", "\r\n")
    path.write_bytes(text.encode(coding))
    answer = run("plan", path, "-t", "m5.large", "--no-compare", "-o", "json")
    assert answer.exit_code == 0, answer.output
    assert "Deployment default/api" in answer.stderr
    assert "db=3" in answer.stdout or '"db": 3' in answer.stdout


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_and_coding_gives_the_same_fleet(tmp_path, form, coding):
    path = tmp_path / "nodes.txt"
    path.write_bytes(FORMS[form]([NODE, NODE]).encode(coding))
    answer = run("fleet", path)
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.startswith("2 nodes")


def test_a_cron_job_asks_for_the_pods_that_run_at_once(tmp_path):
    path = tmp_path / "jobs.json"
    path.write_text(json.dumps(REPORT))
    assert "report=2" in run("plan", path).stdout


def test_a_rollout_asks_for_its_own_pods_or_for_those_of_a_deployment(tmp_path):
    path = tmp_path / "rollouts.json"
    reference = {"kind": "Deployment", "name": "web"}
    borrows = {"kind": "Rollout", "metadata": {"name": "r"}, "spec": {"workloadRef": reference}}
    owns = {**WEB, "kind": "Rollout", "metadata": {"name": "own"}}
    stopped = {**WEB, "spec": {**WEB["spec"], "replicas": 0}}
    borrows["spec"]["replicas"] = 5
    path.write_text(json.dumps([borrows, owns, stopped]))
    printed = run("plan", path).stdout
    assert "web=5" in printed
    assert "own=3" in printed
    path.write_text(json.dumps([borrows]))
    assert "borrow is not given: Rollout default/r" in str(run("plan", path).exception)
    # As a state, one tells of its pods and the other of nothing.
    assert [one.kind for one in load_files(json.dumps([borrows, owns])).workloads] == ["Rollout"]


COUNTED = {
    "a mapping": '{"m5.large": 12, "c5.xlarge": 3}',
    "YAML": "m5.large: 12\nc5.xlarge: 3\n",
    "documents": "m5.large: 12\n---\nc5.xlarge: 3\n",
    "a line each": '{"m5.large": 12}\n{"c5.xlarge": 3}\n',
    "an array": '[{"m5.large": 12}, {"c5.xlarge": 3}]',
}


@pytest.mark.parametrize("form", COUNTED)
def test_types_with_counts_are_nodes_wherever_nodes_are_read(tmp_path, form):
    path, loads = tmp_path / "nodes", tmp_path / "w.csv"
    path.write_text(COUNTED[form])
    assert run("fleet", path).stdout.startswith("15 nodes")
    loads.write_text("name,replicas,cpu,memory\nweb,2,500m,1Gi\n")
    assert (
        "Drain: 3 x c5.xlarge, 11 x m5.large"
        in run("plan", loads, "--current", path, "-t", "c5.xlarge").stdout
    )


@pytest.mark.parametrize(
    "text",
    ['{"m5.large": 1.5}', '{"m5.large": -1}', '{"a": 3}', '[{"m5.large": 1}, {"m5.large": 2}]'],
)
def test_no_other_mapping_is_taken_for_nodes(tmp_path, text):
    path = tmp_path / "nodes.json"
    path.write_text(text)
    assert run("fleet", path).exit_code == 1


def test_manifests_without_windows_are_refused_by_name(tmp_path):
    path = tmp_path / "linux.json"
    path.write_text(json.dumps(LINUX))
    answer = run("plan", path)
    assert isinstance(answer.exception, CapacityError)
    assert "they are for linux: Deployment default/api" in str(answer.exception)


def test_a_total_below_workloads_is_not_planned_for(tmp_path):
    path = tmp_path / "w.csv"
    path.write_text("name,replicas,cpu,memory\nweb,3,500m,1Gi\n\nTotal,3,,\n")
    assert "line 4" in str(run("plan", path).exception)


def test_semicolons_go_with_decimal_commas_in_workloads(tmp_path):
    path = tmp_path / "de.csv"
    path.write_text("name;replicas;cpu;memory\r\nweb;20;0,5;1,5Gi\r\n", encoding="utf-8-sig")
    plain = tmp_path / "plain.csv"
    plain.write_text("name,replicas,cpu,memory\nweb,20,0.5,1.5Gi\n")
    assert run("plan", path, "-o", "json").stdout == run("plan", plain, "-o", "json").stdout


def test_an_export_of_ec2instances_gives_the_prices_with_windows(tmp_path):
    workloads, prices = tmp_path / "w.csv", tmp_path / "p.csv"
    workloads.write_text("name,replicas,cpu,memory\nweb,2,500m,1Gi\n")
    head = '"Name","API Name","Linux On Demand cost","Windows On Demand cost"\n'
    prices.write_text(
        head
        + '"M6I Large","m8a.large","$0.096000 hourly","$0.188000 hourly"\n'
        + '"M6I Extra Large","m8a.xlarge","$0.192000 hourly","unavailable"\n'
    )
    answer = run("plan", workloads, "--prices", prices)
    assert "0.1935" in answer.stdout, "0.188 and the root volume"
    prices.write_text(head.replace("Windows", "SQL") + '"a","m8a.large","$1","$2"\n')
    assert "without the column" in str(run("plan", workloads, "--prices", prices).exception)
    prices.write_text(head + '"a","m8a.large","$1","$70.08 monthly"\n')
    assert "choose the currency" in str(run("plan", workloads, "--prices", prices).exception)


VALUES = {"enableWindowsIpam": "true", "enableWindowsPrefixDelegation": True}


@pytest.mark.parametrize(
    "source",
    [
        VALUES,
        json.dumps(VALUES),
        "enableWindowsIpam: 'true'\nenableWindowsPrefixDelegation: true\n",
        {"addon": {"addonName": "vpc-cni", "configurationValues": json.dumps(VALUES)}},
        {"configurationValues": "enableWindowsIpam: true\nenableWindowsPrefixDelegation: true\n"},
    ],
)
def test_values_of_the_addon_are_the_configmap_that_it_writes(source):
    pool = WarmPool.from_configmap(source)
    assert pool == WarmPool.from_configmap(
        {
            "enable-windows-ipam": "true",
            "enable-windows-prefix-delegation": "true",
            "warm-prefix-target": "0",
            "warm-ip-target": "1",
            "minimum-ip-target": "3",
        }
    )
    assert "windows-ipam-off" not in {finding.code for finding in pool.findings}


def test_another_addon_and_an_unset_one_are_told_apart():
    with pytest.raises(ConfigMapError, match="'coredns'"):
        WarmPool.from_configmap({"addon": {"addonName": "coredns"}})
    unset = WarmPool.from_configmap({"addon": {"addonName": "vpc-cni"}})
    assert "windows-ipam-off" in {finding.code for finding in unset.findings}


@pytest.mark.parametrize("form", ["list", "documents"])
def test_the_configmap_is_found_among_other_documents(tmp_path, form):
    path = tmp_path / "all.yaml"
    path.write_text(FORMS[form]([{"kind": "Namespace", "metadata": {"name": "w"}}, CONFIGMAP]))
    assert run("pool", path).exit_code == 0


def test_a_foreign_document_is_called_what_it_is(tmp_path):
    path = tmp_path / "other.json"
    path.write_text(json.dumps({"kind": "Secret", "metadata": {"name": "s"}}))
    for command in ("fleet", "pool", "forecast"):
        more = ("--capacity", "9") if command == "forecast" else ()
        assert "a Secret named s" in str(run(command, path, *more).exception)


FOREIGN = {
    "a table of name, replicas": "name,replicas\nweb,20\n",
    "a table of Time, free": '"Time";"free"\n"2025-01-01";"9"\n',
    "a table of NAME, STATUS, AGE": "NAME     STATUS   AGE\nwin-1    Ready    3d\n",
    "the answer of a query of Prometheus": {"status": "success", "data": {"result": [{}]}},
    "the answer of aws cloudwatch get-metric-data": {"MetricDataResults": [{"Id": "m"}]},
    "the answer of aws cloudwatch get-metric-statistics": {"Label": "a", "Datapoints": [{}]},
    "the answer of aws ec2 describe-subnets": {"Subnets": [{"SubnetId": "s"}]},
    "the answer of aws pricing get-products": {"PriceList": ["{}"]},
    "a mapping of AttachedPolicies": {"AttachedPolicies": [{"PolicyName": "p"}]},
    "a ClusterConfig named shop": "kind: ClusterConfig\nmetadata: {name: shop}\n",
    "a Secret named s": "kind: Secret\nmetadata: {name: s}\n",
}
OF_CLUSTERS = ("ClusterConfig", "describe-subnets", "AttachedPolicies", "Secret")
READ = {
    "pool": (),
    "forecast --capacity 9": ("table", "cloudwatch", "Prometheus", "describe-subnets"),
    "fleet": ("table",),
    "plan": ("table", "ClusterConfig", "Secret"),
    "check -f": OF_CLUSTERS,
    "explain -f": OF_CLUSTERS,
}


@pytest.mark.parametrize("words", FOREIGN)
def test_python_is_told_as_well_what_was_given_for_the_configmap(words):
    document = FOREIGN[words]
    forms = [document if isinstance(document, str) else json.dumps(document)]
    forms += [document] if isinstance(document, dict) else [document.encode("utf-16")]
    for form in forms:
        with pytest.raises(ConfigMapError, match=words) as caught:
            WarmPool.from_configmap(form)
        assert "quote it" not in str(caught.value)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("coding", CODINGS)
def test_the_configmap_of_every_form_and_coding_gives_the_same_pool(form, coding):
    space = {"kind": "Namespace", "metadata": {"name": "w"}}
    text = FORMS[form]([space, CONFIGMAP])
    assert WarmPool.from_configmap([space, CONFIGMAP]) == WarmPool.from_configmap(CONFIGMAP)
    assert WarmPool.from_configmap(text.encode(coding)) == WarmPool.from_configmap(CONFIGMAP)


DESCRIBED = "Name:         win-1\nRoles:        <none>\nLabels:       a=b\nCapacity:\n  cpu: 2\n"
SPOKEN = {
    "Warning: v1 Endpoints is deprecated in v1.33+\n": "",
    "W1127 10:00:00.123456 9 warnings.go:70] deprecated\nWarning: old\n": "",
    "Error from server (Forbidden): pods is forbidden\n": "holds an error.*pods is forbidden",
    "\nAn error occurred (AccessDenied) when calling the DescribeSubnets operation: no\n": (
        "holds an error.*AccessDenied"
    ),
    "Unable to connect to the server: dial tcp\n": "holds an error.*dial tcp",
    DESCRIBED: "kubectl describe",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("said", SPOKEN)
def test_what_a_tool_said_before_its_answer_is_no_part_of_it(tmp_path, said, form):
    path = tmp_path / "all.txt"
    path.write_text(said + FORMS[form]([NODE, CONFIGMAP]), "utf-8")
    wanted = SPOKEN[said]
    for command in ("cluster -f", "fleet", "pool"):
        answer = run(*command.split(), path)
        if wanted:
            assert isinstance(answer.exception, CapacityError)
            assert re.search(wanted, str(answer.exception)), str(answer.exception)
        else:
            assert answer.exit_code == 0, (command, str(answer.exception))


@pytest.mark.parametrize(
    "line", ["Warning: old\n", "sep=;\n", "#TYPE a\n", "| a | b |\n", "----\n"]
)
def test_lines_without_an_end_are_read_in_one_pass(line):
    text = line * 200_000
    read = whole.table_text(whole.answer_text(text, "x"))
    assert len(read) <= len(text)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"kind": "Status", "status": "Failure", "message": "nodes is forbidden"}, "nodes is forb"),
        ({"kind": "Table", "rows": [{"cells": ["win-1"]}]}, r"but Table: expected"),
        ({"kind": "Secret", "metadata": {"name": "s"}}, r"but Secret: expected"),
    ],
)
def test_objects_of_no_use_are_named_with_what_they_say(item, said):
    with pytest.raises(DocumentError, match=said):
        load_files(item)


def test_what_a_chart_renders_beside_its_workloads_is_left_out_and_said(tmp_path):
    path = tmp_path / "rendered.yaml"
    others = [{"kind": "Service", "metadata": {"name": "web"}, "spec": {}}, {"kind": "Secret"}]
    path.write_text("# a chart\n" + as_yaml([*others, WEB, DATABASE]), "utf-8")
    answer = run("plan", path, "-t", "m5.large", "-o", "json")
    assert answer.exit_code == 0, str(answer.exception)
    assert "Service web, Secret" in answer.stderr
    assert "db=3" in answer.stdout or '"db": 3' in answer.stdout


ENI = {
    "NetworkInterfaceId": "eni-1",
    "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.9"}, {"PrivateIpAddress": "10.0.0.10"}],
    "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.0.32/28"}],
}
ANSWERS = [{"NetworkInterfaces": [ENI]}, {"NetworkInterfaces": []}]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ANSWERS[0]),
        FORMS["a line each"](ANSWERS),
        FORMS["documents"](ANSWERS),
        json.dumps(ANSWERS),
        json.dumps([ENI]),
        '[["10.0.0.9", "10.0.0.10"], ["10.0.0.32/28"]]',
        "- 10.0.0.9\n- 10.0.0.10\n- 10.0.0.32/28\n",
        "10.0.0.9\t10.0.0.10  # two\n10.0.0.32/28\n",
        "-----\n|  D  |\n+-----+\n| 10.0.0.9 |\n| 10.0.0.10 |\n|10.0.0.32/28 |\n+-----+\n",
    ],
)
def test_used_addresses_are_read_from_any_form_of_the_answer(tmp_path, text):
    path = tmp_path / "used.txt"
    path.write_bytes(text.encode("utf-16"))
    answer = run("subnet", "10.0.0.0/24", "--used", path)
    assert answer.exit_code == 0, str(answer.exception)
    named = "10.0.0.9 10.0.0.10 10.0.0.32/28"
    assert answer.stdout == run("subnet", "10.0.0.0/24", "--used", named).stdout


def test_prices_are_read_from_a_mapping_and_other_documents_are_named(tmp_path):
    workloads, prices = tmp_path / "w.csv", tmp_path / "prices"
    workloads.write_text("name,replicas,cpu\nweb,2,500m\n")
    printed = []
    for text in (
        "m5.large,0.2\n",
        '{"m5.large": 0.2}',
        "m5.large: 0.2\n",
        '[{"instance_type": "m5.large", "price": 0.2}]',
        "sep=;\nt;p\nm5.large;0,2",
    ):
        prices.write_text(text)
        answer = run("plan", workloads, "-t", "m5.large", "--prices", prices)
        assert answer.exit_code == 0, str(answer.exception)
        printed.append(answer.stdout)
    assert len(set(printed)) == 1
    # A first line with a type is no head.
    prices.write_text("m5.large,$0.2\nc5.large,0.1\n")
    assert "line 1" in str(run("plan", workloads, "--prices", prices).exception)
    for document, said in (
        ([{"instance_type": "m5.large", "price": 1}] * 2, "second time"),
        ({"PriceList": ["{}"]}, "load_prices"),
        (["m5.large"], "is a list"),
        ({}, "nothing"),
    ):
        prices.write_text(json.dumps(document))
        assert said in str(run("plan", workloads, "--prices", prices).exception)


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("type,linux,windows\nm5.large,0.096,0.188\n", 0.188),
        ("instance_type,vcpu,hourly price\nm5.large,2,0.188\n", 0.188),
        ("m5.large,0.188,2026-01-01\n", 0.188),
        ("typ;preis\nm5.large;0,188\n", 0.188),
        ("m5.large,0.188\nm5.xlarge,0.376,\n", 0.188),
    ],
)
def test_the_price_is_the_column_called_so_or_the_only_number(tmp_path, text, price):
    path = tmp_path / "prices.csv"
    path.write_text(text)
    assert read_price_file(str(path))["m5.large"] == price


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,memory,vcpus\nm5.large,8,2\n", "several columns of numbers"),
        ("m5.large,2,0.188\n", "several columns of numbers"),
        ("type,monthly\nm5.large,137.24\n", "a price by monthly"),
        ("type,price_per_month\nm5.large,137.24\n", "a price by month"),
        ("type,linux\nm5.large,0.096\n", "a price by linux"),
    ],
)
def test_a_column_that_is_not_an_hourly_price_of_windows_is_refused(tmp_path, text, words):
    path = tmp_path / "prices.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_price_file(str(path))


def test_commas_in_comments_do_not_make_a_table():
    text = "# of cluster a, b\n# and of c, d\nenable-windows-ipam: 'true'\n"
    assert WarmPool.from_configmap(text) == WarmPool.from_configmap(CONFIGMAP)


@pytest.mark.parametrize("command", READ)
@pytest.mark.parametrize("words", FOREIGN)
def test_what_a_command_cannot_read_is_called_what_it_is(tmp_path, command, words):
    if any(word in words for word in READ[command]):
        return
    document = FOREIGN[words]
    path = tmp_path / "given.txt"
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    answer = run(*command.split(), path)
    assert answer.exit_code, answer.output
    assert words in str(answer.exception), str(answer.exception)
    assert "--file=" not in str(answer.exception)


@pytest.mark.parametrize("sign", [",", ";", "\t", "|", "    "])
def test_tables_are_read_with_any_usual_separator(tmp_path, sign):
    tables = {
        "fleet": [("node", "instance_type"), ("win-1", "m5.large"), ("win-2", "m5.large")],
        "plan -t m5.large": [("name", "replicas", "cpu"), ("web", "2", "500m")],
        "forecast --capacity 99": [
            ("time", "subnet", "used"), *((f"2025-01-{n:02}", "a", str(n)) for n in range(1, 29)),
        ],
    }  # fmt: skip
    for command, rows in tables.items():
        path = tmp_path / f"{command.split()[0]}.txt"
        if sign.isspace() and sign != "\t":
            text = "\n".join("".join(f"{cell:14}" for cell in row).rstrip() for row in rows)
        else:
            text = "\n".join(sign.join(row) for row in rows)
        path.write_text(text + "\n", "utf-8")
        answer = run(*command.split(), path)
        assert answer.exit_code == 0, (command, str(answer.exception))


@pytest.mark.parametrize("form", ["array", "a line each", "documents"])
@pytest.mark.parametrize(
    ("rows", "member"),
    [
        ([{"SubnetId": "s-1", "CidrBlock": "10.0.0.0/24", "Tags": [{"Key": "a"}]}], "Subnets"),
        (
            [
                {
                    "Groups": [{"GroupId": "g"}],
                    "NetworkInterfaceId": "eni-1",
                    "SubnetId": "s-1",
                    "PrivateIpAddress": "10.0.0.4",
                    "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": "10.0.0.4"}],
                }
            ],
            "NetworkInterfaces",
        ),
        (
            [{"InstanceId": "i-1", "InstanceType": "m5.large", "NetworkInterfaces": []}],
            "Reservations",
        ),
    ],
)
def test_rows_that_a_query_took_out_of_an_answer_are_that_answer(rows, member, form):
    answer = {member: [{"Instances": rows}] if member == "Reservations" else rows}
    more = [{"kind": "Node", "metadata": {"name": "n"}}]
    state = load_files(FORMS[form](rows), *more)
    assert state == load_files(answer, *more)
    assert state.subnets or state.instances or member == "NetworkInterfaces"


def test_rows_of_several_answers_in_one_file_are_refused():
    rows = [{"SubnetId": "s", "CidrBlock": "10.0.0.0/24"}, {"NetworkInterfaceId": "eni-1"}]
    with pytest.raises(DocumentError, match="mixes rows of NetworkInterfaces and Subnets"):
        load_files(json.dumps(rows))


@pytest.mark.parametrize("form", ["array", "lines"])
def test_a_configmap_or_an_addon_is_found_in_arrays_and_lines(tmp_path, form):
    addon = {
        "addon": {"addonName": "vpc-cni", "configurationValues": '{"enableWindowsIpam":"true"}'}
    }
    space = {"kind": "Namespace", "metadata": {"name": "w"}}
    for values in ([space, CONFIGMAP], [addon]):
        path = tmp_path / "given.json"
        lines = "\n".join(map(json.dumps, values))
        path.write_text(json.dumps(values) if form == "array" else lines)
        answer = run("pool", path)
        assert answer.exit_code == 0, str(answer.exception)


@pytest.mark.parametrize(
    "row",
    [
        {"Id": "m", "Label": "subnet-1", "Timestamps": [], "Values": []},
        {"metric": {"subnetid": "subnet-1"}, "values": []},
    ],
)
def test_series_that_a_query_took_out_of_an_answer_are_a_history(tmp_path, row):
    days = [f"2025-01-{n:02}T00:00:00+00:00" for n in range(1, 29)]
    if "Id" in row:
        row = {**row, "Timestamps": days, "Values": [float(n) for n in range(28)]}
    else:
        row = {**row, "values": [[1735689600 + 86400 * n, str(n)] for n in range(28)]}
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([row]))
    answer = run("forecast", path, "--capacity", 99, "--values", "used")
    assert answer.exit_code == 0, str(answer.exception)
    assert "subnet-1" in answer.output


def test_the_items_of_a_list_of_one_kind_need_not_repeat_it(tmp_path):
    path = tmp_path / "list.json"
    items = [{key: value for key, value in WEB.items() if key != "kind"}]
    path.write_text(json.dumps({"kind": "DeploymentList", "apiVersion": "v1", "items": items}))
    answer = run("plan", path, "-t", "m5.large")
    assert answer.exit_code == 0, str(answer.exception)


@pytest.mark.parametrize("command", ["fleet", "pool", "forecast", "plan"])
def test_files_without_an_end_are_refused_at_the_limit(tmp_path, command, monkeypatch):
    monkeypatch.setattr(_open, "MAX_WHOLE_BYTES", 10**6)
    path = tmp_path / "zeros.csv"
    path.write_bytes(bytes(2 * 10**6))
    more = ("--capacity", "9") if command == "forecast" else ()
    answer = run(command, path, *more)
    assert "more than 1,000,000 bytes" in str(answer.exception)


@pytest.mark.parametrize("command", [("forecast", "--capacity", "9"), ("plan",), ("catalog",)])
def test_gzip_that_grows_is_refused_at_the_limit(tmp_path, command, monkeypatch):
    monkeypatch.setattr(_open, "MAX_WHOLE_BYTES", 10**6)
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(b" " * 2 * 10**6))
    name, *more = command
    if name == "catalog":
        answer = run("catalog", "show", "m5.large", "--catalog", path)
    else:
        answer = run(name, path, *more)
    assert "unpacks to more than 1,000,000 bytes" in str(answer.exception), answer.output


def test_a_gzipped_state_is_read_as_the_plain_one_and_no_further_than_a_limit(
    tmp_path, monkeypatch
):
    packed = gzip.compress(json.dumps(NODE).encode("utf-16"))
    path = tmp_path / "nodes.json.gz"
    path.write_bytes(packed)
    plain = load_files(NODE)
    assert load_files(path) == load_files(tmp_path) == load_files(packed) == plain
    assert run("cluster", "-f", path).exit_code == 0
    monkeypatch.setattr(_open, "MAX_HELD", 10**6)
    path.write_bytes(gzip.compress(b" " * 3 * 10**6))
    with pytest.raises(DocumentError, match="unpacks to more than 1,000,000 bytes"):
        load_files(path)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=4))
def test_gzip_of_several_members_is_their_content(parts):
    packed = b"".join(gzip.compress(part) for part in parts)
    assert whole.unpacked(packed, "x") == b"".join(parts)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_one_error(data):
    with suppress(DocumentError):
        whole.values_in(whole.text_of(whole.unpacked(data, "x"), "x"), "x")


@pytest.mark.parametrize(
    "text",
    [
        '[{"kind": "Node", "metadata": {"name": "a"}}, {"kind": "Node", "metadata": {"name": "b"}}]',
        "- {kind: Node, metadata: {name: a}}\n- {kind: Node, metadata: {name: b}}\n",
        '[] [{"kind": "Node", "metadata": {"name": "a"}}] [] {"kind": "Node", "metadata": {"name": "b"}}',
    ],
    ids=["JSON", "YAML", "several lists"],
)
def test_a_list_of_objects_is_read_as_one_document_after_the_other(text, tmp_path):
    (tmp_path / "all.json").write_text(text, "utf-8")
    state = load_files(tmp_path / "all.json")
    assert [node.name for node in state.nodes] == ["a", "b"]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (("fleet", "FILE"), "instance_type\nm5.large\n"),
        (("pool", "FILE"), 'enable-windows-ipam: "true"\n'),
        (
            ("forecast", "FILE", "--capacity", "9"),
            "time,used\n" + "".join(f"2026-01-{n:02},{n % 3}\n" for n in range(1, 29)),
        ),
    ],
)
def test_gzip_is_read_and_other_packings_are_named(command, text, tmp_path):
    path = tmp_path / "file.csv"
    answers = []
    for content in (text.encode(), gzip.compress(text.encode())):
        path.write_bytes(content)
        ran = CliRunner().invoke(cli.app, [str(path) if c == "FILE" else c for c in command])
        assert ran.exit_code == 0, ran.exception
        answers.append(ran.stdout)
    assert answers[0] == answers[1]
    path.write_bytes(b"BZh91AY&SY")
    ran = CliRunner().invoke(cli.app, [str(path) if c == "FILE" else c for c in command])
    assert isinstance(ran.exception, CapacityError)
    assert "bunzip2 it first" in str(ran.exception)


@pytest.mark.parametrize(
    "text", ['{"kind": "PodList"}', "apiVersion: v1", "NAME    READY   STATUS"]
)
def test_an_answer_in_a_folder_is_read_or_refused_whatever_its_name(tmp_path, text):
    node = {"kind": "Node", "metadata": {"name": "win-1"}}
    (tmp_path / "NODES.JSON").write_text(json.dumps(node))
    (tmp_path / "README.md").write_text("# saved on Monday")
    assert [node.name for node in load_files(tmp_path).nodes] == ["win-1"]
    (tmp_path / "pods.txt").write_text(text)
    with pytest.raises(DocumentError, match=r"pods\.txt begins like a saved answer"):
        load_files(tmp_path)


def test_a_file_of_a_folder_that_may_not_be_read_is_no_answer(tmp_path, monkeypatch):
    (tmp_path / "nodes.json").write_text(
        json.dumps({"kind": "Node", "metadata": {"name": "win-1"}})
    )
    (tmp_path / "secret.txt").write_text("{}")
    opens = Path.open

    def refusing(path, *arguments, **options):
        if path.name == "secret.txt":
            raise PermissionError(path)
        return opens(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refusing)
    assert len(load_files(tmp_path).nodes) == 1
