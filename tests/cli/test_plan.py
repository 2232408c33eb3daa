"""The command ``plan``: files in, tables, data and snippets out, and Ctrl-C."""

import csv
import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from eks_win_capacity.cli import app, main
from eks_win_capacity.cli.plan_files import read_workload_file
from eks_win_capacity.cluster import ClusterState, Node, NodeGroup, Pod, SubnetState
from eks_win_capacity.core.errors import DocumentError, InputError
from eks_win_capacity.planning import FleetPlan, daemons_of, plan_fleet, workloads_of

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    {"name": "web", "replicas": 30, "cpu": "500m", "memory": "1Gi"},
    {"name": "api", "replicas": 6, "cpu": "1", "memory": "2Gi"},
]
CSV = "name,replicas,cpu,memory\nweb,30,500m,1Gi\napi,6,1,2Gi\n"


def run(*arguments):
    return CliRunner().invoke(app, ["plan", *map(str, arguments)])


def asked(*arguments):
    ran = run(*arguments, "-o", "json", "--no-compare")
    assert ran.exit_code == 0, ran.output
    return FleetPlan.from_json(ran.stdout)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "w.csv"
    path.write_text(CSV)
    return path


def test_csv_yaml_and_json_are_read_alike(tmp_path, file):
    texts = {
        "list.yaml": yaml.safe_dump(ROWS),
        "named.yml": yaml.safe_dump({"workloads": ROWS}),
        "list.json": json.dumps(ROWS),
        "spoken.csv": "Name, Replicas, CPU, Memory, HostProcess\n\n"
        "web, 30, 500m, 1Gi,\napi, 6, 1, 2Gi, no\n",
        "bom.csv": "\ufeff" + CSV,
    }
    first = asked(file, "-t", "m5.*large")
    assert first == plan_fleet(ROWS, candidates="m5.*large", compare=False)
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert asked(tmp_path / name, "-t", "m5.*large") == first


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "", "no workloads"),
        ("a.csv", "name,replicas\n", "no workloads"),
        ("a.csv", "name,replicas\nweb\n", "line 2"),
        ("a.csv", "name,replicas\nweb,1,2\n", "line 2"),
        ("a.csv", "name,replicas,team\nweb,1,x\n", "no field 'team'"),
        ("a.csv", "name,replicas\nweb,-1\n", "from 0"),
        ("a.yaml", "a: [", "sound YAML"),
        ("a.json", "{", "not JSON"),
        ("a.yaml", "7", "list of workloads"),
        ("a.yaml", "[]", "list of workloads"),
        ("a.yaml", "workloads: {web: 1}", "list of workloads"),
        ("a.yaml", "- web", "list of workloads"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_in_one_line(tmp_path, capsys, name, text, words):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(SystemExit) as left:
        main(["plan", str(path)])
    assert left.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err
    assert printed.err.count("\n") == 1


def test_the_table_has_nodes_bound_and_basis(file):
    ran = run(file, "-t", "m5.*large", "--subnet", "a=10.0.0.0/24", "--subnet", "b=10.0.1.0/24,9")
    assert ran.exit_code == 0, ran.output
    for part in (
        "Cheapest fleet", "10.0.0.0/24", "no plan of the candidates in secondary mode in these subnets costs less", "no prices were given",
        "With best single type", "With prefix delegation", "Not used: ",
    ):  # fmt: skip
        assert part in ran.stdout
    assert "prefixes per node" not in ran.stdout
    words = run(file, "-t", "m5.*large", "--explain", "--no-compare").stdout
    assert words.strip() == plan_fleet(ROWS, candidates="m5.*large", compare=False).explain()


def test_csv_is_for_programs(file):
    ran = run(file, "-t", "m5.*large", "-o", "csv")
    rows = list(csv.DictReader(io.StringIO(ran.stdout)))
    plan = plan_fleet(ROWS, candidates="m5.*large", compare=False)
    assert sum(int(row["nodes"]) for row in rows) == plan.nodes
    assert sum(float(row["cost"]) for row in rows) == pytest.approx(plan.cost)


def test_no_replicas_give_a_header_alone(tmp_path):
    (tmp_path / "w.csv").write_text("name,replicas\nweb,0\n")
    assert run(tmp_path / "w.csv", "-o", "csv").stdout.count("\n") == 1
    assert "no node is needed" in run(tmp_path / "w.csv").stdout


def test_every_option_reaches_the_plan(tmp_path, file):
    (tmp_path / "p.csv").write_text("instance_type,price\nm5.large,0.188\nm5.xlarge,0.376\n")
    (tmp_path / "cm.yaml").write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "amazon-vpc-cni", "namespace": "kube-system"},
                "data": {
                    "enable-windows-ipam": "true",
                    "enable-windows-prefix-delegation": "true",
                    "warm-prefix-target": "1",
                },
            }
        )
    )
    plain = asked(file, "-t", "m5.large")
    priced = asked(file, "-t", "m5.*", "--prices", tmp_path / "p.csv")
    assert (priced.cost_unit, set(priced.types) <= {"m5.large", "m5.xlarge"}) == (
        "price units/h",
        True,
    )
    assert asked(file, "-t", "m5.large", "--objective", "nodes").value == plain.nodes
    assert asked(file, "-t", "m5.large", "--prefix-delegation").prefixes > 0
    pooled = asked(file, "-t", "m5.large", "--pool", tmp_path / "cm.yaml")
    assert pooled.prefix_delegation
    assert pooled.prefixes == 2 * pooled.nodes
    assert not asked(
        file, "-t", "m5.large", "--pool", tmp_path / "cm.yaml", "--secondary"
    ).prefix_delegation
    assert asked(file, "-t", "m5.large", "--kubelet-max-pods", 2).nodes == 18
    assert asked(file, "-t", "m5.large", "--kubelet-max-pods", "none").kubelet_max_pods is None
    assert asked(file, "-t", "m5.large", "--reserved", "cpu=1").nodes > plain.nodes
    daemon = asked(file, "-t", "m5.large", "--daemonset", "log=1,100Mi,host")
    assert (daemon.daemon_pods, daemon.daemon_addresses) == (1, 0)
    assert asked(file, "-t", "m5.large", "--node-cost", 1).cost > plain.cost
    assert asked(file, "-t", "m5.large", "--surge", "50%").pods == {"api": 9, "web": 45}
    lost = asked(file, "-t", "m5.large", "--zone", "a", "--zone", "b", "--zone-lost")
    assert lost.pods == {"api": 12, "web": 60}
    assert len(asked(file, "--max-types", 1).types) == 1
    capped = asked(file, "-t", "m5.large", "-t", "m5.xlarge", "--limit", "m5.large=3")
    assert capped.types.get("m5.large", 0) <= 3
    assert asked(file, "-t", "m5.large", "--time-limit", 60) == plain


@pytest.mark.parametrize(
    "wrong",
    [
        ["--limit", "m5.large"], ["--limit", "m5.large=1", "--limit", "m5.large=2"],
        ["--daemonset", "log"], ["--daemonset", "log=1,2,3"], ["--objective", "beauty"],
        ["--max-types", "0"], ["--time-limit", "0"], ["--emit", "terraform"],
    ],
)  # fmt: skip
def test_a_wrong_command_line_exits_with_two(file, wrong):
    assert run(file, *wrong).exit_code == 2


def test_snippets_are_documents_of_yaml(file):
    ran = run(file, "-t", "m5.large", "--snippets")
    assert [one["kind"] for one in yaml.safe_load_all(ran.stdout)] == [
        "ClusterConfig", "NodePool", "EC2NodeClass",
    ]  # fmt: skip
    for name, kind in (
        ("nodegroup", "ClusterConfig"),
        ("karpenter", "NodePool"),
        ("nodeclass", "EC2NodeClass"),
    ):
        assert yaml.safe_load(run(file, "-t", "m5.large", "--emit", name).stdout)["kind"] == kind


@pytest.mark.parametrize("extra", [[], ["-o", "json"], ["-o", "csv"], ["--snippets"]])
def test_an_impossible_plan_exits_with_one_and_says_why(file, extra):
    ran = run(file, "-t", "t3.nano", *extra)
    assert ran.exit_code == 1
    assert "too-large" in ran.output
    if extra[-1:] in (["csv"], ["--snippets"]):
        assert ran.stdout == ""


def state():
    nodes = [
        Node(name="win-1", os="windows", arch="amd64", instance_type="m5.large", zone="a"),
        Node(name="lin-1", os="linux", arch="amd64", instance_type="m5.large", zone="a"),
    ]

    def pods(owner, number, *, node="win-1", cpu=500, mib=512, phase="Running", **more):
        return [
            Pod(
                namespace="shop", name=f"{owner.rpartition('/')[2]}-{n}", node=node, owner=owner,
                phase=phase, cpu_m=cpu, memory_bytes=mib * 2**20, **more,
            )
            for n in range(number)
        ]  # fmt: skip

    pod_list = [
        *pods("Deployment/web", 5),
        *[
            Pod(
                namespace="shop", name=f"new-{n}", owner="Deployment/web", phase="Pending",
                selects_os="windows", cpu_m=500, memory_bytes=512 * 2**20,
            )
            for n in range(3)
        ],
        *pods("StatefulSet/db", 2, cpu=1000, mib=2048),
        *pods("DaemonSet/log", 1, cpu=100, mib=64, host_process=True),
        *pods("Job/done", 4, phase="Succeeded"),
        *pods("Deployment/linux", 7, node="lin-1"),
        *pods("Deployment/mixed", 1), *pods("Deployment/mixed", 2, cpu=250),
    ]  # fmt: skip
    return ClusterState(
        name="prod",
        nodes=tuple(nodes),
        pods=tuple(pod_list),
        subnets=(
            SubnetState(subnet_id="subnet-win", cidr="10.0.0.0/26", zone="a", available=40),
            SubnetState(subnet_id="subnet-other", cidr="10.0.1.0/24", zone="b", available=240),
        ),
        node_groups=(
            NodeGroup(name="win", ami_type="WINDOWS_CORE_2022_x86_64", subnet_ids=("subnet-win",)),
        ),
        cni_configmap={"enable-windows-ipam": "true", "warm-ip-target": "1"},
    )


def test_the_windows_pods_of_a_cluster_are_grouped_by_owner_and_requests():
    loads = {load.name: (load.replicas, load.cpu, load.memory) for load in workloads_of(state())}
    assert loads == {
        "shop/Deployment/web": (8, 500, 512 * 2**20),
        "shop/StatefulSet/db": (2, 1000, 2048 * 2**20),
        "shop/Deployment/mixed (250m, 512Mi)": (2, 250, 512 * 2**20),
        "shop/Deployment/mixed (500m, 512Mi)": (1, 500, 512 * 2**20),
    }
    (log,) = daemons_of(state())
    assert (log.name, log.cpu, log.host_process) == ("shop/DaemonSet/log", 100, True)
    plan = plan_fleet(state(), candidates="m5.*large", compare=False)
    assert sum(plan.pods.values()) == 13
    assert (plan.daemon_pods, plan.daemon_addresses) == (1, 0)


def test_a_state_without_windows_pods_is_refused():
    with pytest.raises(InputError, match="knows no pods"):
        plan_fleet(ClusterState(name="prod"))
    with pytest.raises(InputError, match="no Windows pods"):
        plan_fleet(ClusterState(name="prod", pods=()))


def test_a_saved_state_is_planned_for_in_its_subnets_with_its_targets(tmp_path):
    state().save(tmp_path / "state.json")
    plan = asked(tmp_path / "state.json", "-t", "m5.xlarge")
    assert {group.subnet for group in plan.groups} == {"subnet-win"}
    # One warm address, as its ConfigMap says, and not three.
    assert all(group.addresses == 1 + group.pod_addresses + 1 for group in plan.groups)
    loose = asked(tmp_path / "state.json", "-t", "m5.xlarge", "--no-state-subnets")
    assert {group.subnet for group in loose.groups} == {""}
    elsewhere = asked(tmp_path / "state.json", "-t", "m5.xlarge", "--subnet", "z=10.9.0.0/24")
    assert {group.zone for group in elsewhere.groups} == {"z"}
    ran = run(tmp_path / "state.json", "-t", "m5.xlarge")
    assert "added to the current nodes" in ran.stderr
    assert "added to the current" not in ran.stdout
    assert "--current state keeps" in ran.stderr
    ran = run(tmp_path / "state.json", "-t", "m5.xlarge", "--current", "state")
    assert "added to the current" not in ran.stderr
    assert "new nodes use the free addresses of the subnets" in ran.stderr


def test_nodes_whose_group_does_not_say_windows_stand_in_subnets_that_are_planned_in(tmp_path):
    custom = NodeGroup(name="own", ami_type="CUSTOM", subnet_ids=("subnet-win",))
    cluster = dataclasses.replace(state(), node_groups=(custom,))
    nodes = tuple(dataclasses.replace(node, address="10.0.0.9") for node in cluster.nodes)
    dataclasses.replace(cluster, nodes=nodes).save(tmp_path / "state.json")
    plan = asked(tmp_path / "state.json", "-t", "m5.xlarge")
    assert {group.subnet for group in plan.groups} == {"subnet-win"}


def test_what_kubectl_prints_is_planned_for(tmp_path):
    pod = {
        "kind": "Pod",
        "metadata": {
            "namespace": "shop",
            "name": "web-1",
            "labels": {"pod-template-hash": "7f"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-7f", "controller": True}],
        },
        "spec": {
            "nodeSelector": {"kubernetes.io/os": "windows"},
            "containers": [{"name": "c", "resources": {"requests": {"cpu": "1", "memory": "2Gi"}}}],
        },
        "status": {"phase": "Pending"},
    }
    items = [json.loads(json.dumps(pod).replace("web-1", f"web-{n}")) for n in range(3)]
    listed = {"apiVersion": "v1", "kind": "List", "items": items}
    (tmp_path / "pods.json").write_text(json.dumps(listed))
    (tmp_path / "pods.yaml").write_text(yaml.safe_dump(listed))
    for name in ("pods.json", "pods.yaml"):
        assert asked(tmp_path / name, "-t", "m5.large").pods == {"shop/Deployment/web": 3}


def test_stdin_is_read_whatever_it_holds(tmp_path):
    state().save(tmp_path / "state.json")
    listed = {"apiVersion": "v1", "kind": "List", "items": []}
    for text in (CSV, yaml.safe_dump(ROWS), json.dumps(ROWS), json.dumps({"workloads": ROWS})):
        ran = CliRunner().invoke(
            app, ["plan", "-", "-t", "m5.large", "-o", "json", "--no-compare"], input=text
        )
        assert json.loads(ran.stdout)["pods"] == {"api": 6, "web": 30}
    text = (tmp_path / "state.json").read_text()
    ran = CliRunner().invoke(app, ["plan", "-", "-t", "m5.xlarge", "-o", "json"], input=text)
    assert sum(json.loads(ran.stdout)["pods"].values()) == 13
    ran = CliRunner().invoke(app, ["plan", "-"], input=json.dumps(listed))
    assert ran.exit_code == 1
    assert "nothing of use" in str(ran.exception)


def test_saved_prices_keep_their_marks(tmp_path, file):
    from eks_win_capacity.catalog.prices import estimate_windows_prices

    prices = estimate_windows_prices({"m5.large": 0.096, "m5.xlarge": 0.192}, as_of="2026-10-02")
    prices.table.to_csv(tmp_path / "p.csv")
    plan = asked(file, "-t", "m5.*large", "--prices", tmp_path / "p.csv")
    assert plan.cost_unit == "USD/h"
    assert plan.estimated_prices == tuple(plan.types)
    (tmp_path / "q.csv").write_text("m5.large,1\n\nm5.large,2\n")
    (tmp_path / "r.csv").write_text("instance_type,price\nm5.large,dear\n")
    (tmp_path / "s.csv").write_text("type,usd\n")
    for name, words in (("q", "second time"), ("r", "not a number"), ("s", "no prices")):
        ran = run(file, "--prices", tmp_path / f"{name}.csv")
        assert ran.exit_code == 1
        assert words in str(ran.exception)


_STOPPED = """
import signal, sys
from eks_win_capacity.cli import main
from eks_win_capacity.planning import solving
real = solving.Search.run
def run(search, *starts):
    search.progress = lambda *_: signal.raise_signal(signal.SIGINT)
    real(search, *starts)
solving.Search.run = run
main(sys.argv[1:])
"""


def test_ctrl_c_prints_the_best_plan_so_far(file):
    done = subprocess.run(
        [sys.executable, "-c", _STOPPED, "plan", str(file), "-t", "m5.*", "-o", "json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    plan = FleetPlan.from_json(done.stdout)
    assert plan.status == "interrupted"
    assert plan.pods == {"api": 6, "web": 30}


def test_progress_is_shown_where_somebody_looks(file, monkeypatch):
    from eks_win_capacity.cli import plan

    lines = []
    monkeypatch.setattr(plan.sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(plan, "say", lambda text="", **more: lines.append((text, more)))
    plan._show_progress(10.0, 0.0)  # no bound is known yet
    plan._show_progress(10.0, 8.0)
    assert lines == [
        ("cost 10", {"err": True}),
        ("cost 10, at most 25.00 % above the minimum", {"err": True}),
    ]


def test_the_folder_that_check_reads_is_planned_for_as_well():
    folder = ROOT / "data/demo/cluster"
    ran = run(folder, "-t", "m5.*large", "-o", "json")
    assert ran.exit_code == 0
    assert {group["subnet"] for group in json.loads(ran.stdout)["groups"]} <= {
        "subnet-0a00000000000000a",
        "subnet-0b00000000000000b",
    }


@pytest.mark.parametrize(
    ("option", "value", "form"),
    [
        ("--daemonset", "logs", "NAME=CPU,MEMORY"),
        ("--limit", "m5.large", "NAME=NODES"),
        ("--reserved", "1Gi", "cpu=Q or memory=Q"),
    ],
)
def test_an_option_of_another_form_is_told_its_own_form(file, option, value, form):
    assert form in run(file, option, value).output


def test_the_configmap_is_named_as_in_the_other_commands(tmp_path, file):
    (tmp_path / "cm.yaml").write_text(
        'data: {enable-windows-ipam: "true", windows-warm-ip-target: "9"}'
    )
    addresses = [
        asked(file, "-t", "m5.large", option, tmp_path / "cm.yaml").addresses
        for option in ("--pool", "--configmap")
    ]
    assert addresses[0] == addresses[1]


def test_present_nodes_and_the_launcher_are_options(tmp_path, file):
    (tmp_path / "now.csv").write_text("instance_type,nodes\nm5.2xlarge,9\n")
    for now in ("m5.2xlarge=9", str(tmp_path / "now.csv")):
        ran = run(file, "-t", "m5.*large", "--current", now, "--no-compare")
        assert ran.exit_code == 0, ran.output
        assert "Drain: " in ran.stdout
    kept = asked(file, "-t", "m5.*large", "--current", "m5.2xlarge=9", "--max-replaced", 0)
    assert kept.types["m5.2xlarge"] == 9
    ran = run(file, "-t", "m5.*large", "--launcher", "managed", "--emit", "nodegroup")
    assert "AWS::EKS::Nodegroup" in ran.stdout
    assert "not the state" in run(file, "--current", "state").output


def a_group(name, **fields):
    scaling = {"minSize": 0, "desiredSize": 3, "maxSize": 9}
    group = {"nodegroupName": name, "instanceTypes": ["m5.2xlarge"], "scalingConfig": scaling}
    return {"nodegroup": group | {"amiType": "WINDOWS_CORE_2022_x86_64"} | fields}


@pytest.mark.parametrize(
    "groups", [a_group("w"), [a_group("w"), a_group("l", amiType="AL2023_x86_64_STANDARD")]]
)
def test_node_groups_that_aws_describes_are_present_nodes(tmp_path, file, groups):
    now = tmp_path / "now.json"
    now.write_text(json.dumps(groups))
    options = ("-t", "m5.*large", "--current", now, "--max-replaced", 0)
    assert asked(file, *options).current == {"m5.2xlarge": 3}


def test_headings_of_present_nodes_may_be_written_in_any_way(tmp_path, file):
    now = tmp_path / "now.csv"
    for head in ("Instance Type,Nodes", "instanceType,NODES"):
        now.write_text(f"{head}\nm5.2xlarge,3\n")
        planned = asked(file, "-t", "m5.*large", "--current", now, "--max-replaced", 0)
        assert planned.current == {"m5.2xlarge": 3}
    now.write_text("instance_type,nodes\n")
    assert "holds no nodes" in str(run(file, "--current", now).exception)


def test_how_nodes_are_bought_is_an_option(tmp_path, file):
    (tmp_path / "p.csv").write_text("m5.large,0.188\nm5.xlarge,0.376\n")
    (tmp_path / "s.csv").write_text("m5.large,0.1\nm5.xlarge,0.2\n")
    prices = ("-t", "m5.*large", "--prices", tmp_path / "p.csv")
    plain = asked(file, *prices)
    spot = asked(file, *prices, "--spot-share", 0.5, "--spot-prices", tmp_path / "s.csv")
    assert spot.cost < plain.cost
    assert asked(file, *prices, "--paid", "m5.large=2").cost < plain.cost
    assert asked(file, *prices, "--licence", "0.046").cost > plain.cost
    assert "--licence" in run(file, *prices, "--licence", "free").output
    assert asked(file, *prices, "--at-least", "nodes=20").nodes >= 20
    assert len(asked(file, *prices, "--min-types", 2).types) == 2
    ran = run(file, *prices, "--extended", "m5.*=example.com/slot:2")
    assert ran.exit_code == 0
    assert "--extended" in run(file, *prices, "--extended", "m5.*").output


def manifest(kind, name, **pods):
    containers = [{"name": "c", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}]
    spec = {"containers": containers, **pods}
    body = spec if kind == "Pod" else {"replicas": 4, "template": {"spec": spec}}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": body}


WINDOWS_PODS = {"nodeSelector": {"kubernetes.io/os": "windows"}}


def test_a_folder_of_manifests_is_planned_for(tmp_path, capsys):
    other = {"apiVersion": "v1", "kind": "Ingress", "metadata": {"name": "way"}, "spec": {}}
    for name, one in (
        ("a.yaml", manifest("Deployment", "web", **WINDOWS_PODS)),
        ("b.yml", manifest("Pod", "single", **WINDOWS_PODS)),
        ("c.yaml", other),
    ):
        (tmp_path / name).write_text(yaml.safe_dump(one))
    rows = read_workload_file(str(tmp_path))
    assert [(row["name"], row["replicas"]) for row in rows] == [("web", 4), ("single", 1)]
    assert "left out, as they are no workloads: Ingress way" in capsys.readouterr().err
    (tmp_path / "a.yaml").unlink()
    (tmp_path / "b.yml").unlink()
    with pytest.raises(DocumentError, match="Ingress"):
        read_workload_file(str(tmp_path))


def test_a_runtime_class_selects_windows_where_it_is_given(tmp_path, capsys):
    path = tmp_path / "web.yaml"
    web = manifest("Deployment", "web", runtimeClassName="windows-2022")
    runtime = {
        "kind": "RuntimeClass",
        "metadata": {"name": "windows-2022"},
        "scheduling": WINDOWS_PODS,
    }
    path.write_text(yaml.safe_dump_all([web, runtime]))
    assert [row["replicas"] for row in read_workload_file(str(path))] == [4]
    assert capsys.readouterr().err == ""
    path.write_text(yaml.safe_dump(web))
    with pytest.raises(InputError, match="RuntimeClass windows-2022 is not given"):
        read_workload_file(str(path))


def test_subnets_that_overlap_do_not_count_twice(file):
    two = ("--subnet", "a=10.0.0.0/24", "--subnet", "b=10.0.0.128/25")
    ran = CliRunner().invoke(app, ["plan", str(file), *two])
    assert ran.exit_code == 2
    assert "10.0.0.0/24 and 10.0.0.128/25 overlap" in ran.output


def test_an_extended_resource_of_a_type_is_given_once(file):
    twice = ("--extended", "m5.large=gpu:1", "--extended", "m5.large=gpu:2")
    ran = CliRunner().invoke(app, ["plan", str(file), *twice])
    assert (ran.exit_code, "gpu of m5.large is given twice" in ran.output) == (2, True)
