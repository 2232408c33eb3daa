"""Rules on where pods may stand, as manifests write them: the plan keeps them, or says it does not."""

import json
import re

import pytest
from click.testing import CliRunner

from eks_win_capacity import cli
from eks_win_capacity.core.errors import InputError
from eks_win_capacity.kubectl.planned import workload_rows

WEB = {
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "template": {
            "spec": {
                "nodeSelector": {"kubernetes.io/os": "windows"},
                "containers": [{"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}],
            }
        },
    },
}


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(one) for one in arguments])


def as_yaml(values):
    return "---\n" + "\n---\n".join(map(json.dumps, values))


def with_rules(**spec):
    """Three pods of `WEB` with further rules in their template."""
    deployment = json.loads(json.dumps(WEB))
    deployment["spec"]["replicas"] = 3
    deployment["spec"]["template"].setdefault("metadata", {})["labels"] = {"app": "web"}
    deployment["spec"]["template"]["spec"].update(spec)
    return deployment


REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
OWN = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}


def apart(key, selector):
    term = {"topologyKey": key, "labelSelector": selector}
    return {"affinity": {"podAntiAffinity": {REQUIRED: [term]}}}


def evenly(key, **how):
    one = {"maxSkew": 2, "topologyKey": key, "labelSelector": {"matchLabels": {"app": "web"}}}
    return {"topologySpreadConstraints": [{**one, "whenUnsatisfiable": "DoNotSchedule", **how}]}


def on_nodes(*expressions):
    terms = [{"matchExpressions": [one]} for one in expressions]
    return {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}}


HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
TYPE = {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["m5.large"]}
CONTAINER = {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        (apart(HOST, OWN), {"anti_affinity": True}),
        (apart(HOST, {"matchLabels": {"app": "web"}}), {"anti_affinity": True}),
        (evenly(HOST), {"max_per_node": 2}),
        (evenly(ZONE), {"zone_spread": True, "max_skew": 2}),
        (evenly(ZONE, whenUnsatisfiable="ScheduleAnyway"), {}),
        ({"containers": [{**CONTAINER, "ports": [{"hostPort": 80}]}]}, {"anti_affinity": True}),
        ({"containers": [{**CONTAINER, "ports": [{"containerPort": 80}]}]}, {}),
        (
            {"containers": [{"resources": {"limits": {"nvidia.com/gpu": 1, "memory": "1Gi"}}}]},
            {"extended": {"nvidia.com/gpu": 1}},
        ),
        (on_nodes(TYPE), {"allowed_types": ["m5.large"]}),
    ],
)
def test_rules_of_manifests_bind_the_plan(spec, fields):
    (row,), notes = workload_rows([with_rules(**spec)])
    plain = {"name", "replicas", "cpu", "memory", "host_process"}
    assert {key: row[key] for key in row.keys() - plain} == fields
    assert not any("does not look" in note for note in notes)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (apart(ZONE, OWN), "anti-affinity of its own pods by topology.kubernetes.io/zone"),
        (
            apart(HOST, {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}),
            "anti-affinity to other pods by kubernetes.io/hostname",
        ),
        (apart(HOST, None), "to other pods"),
        (evenly("rack"), "spread by rack"),
        (evenly(ZONE, labelSelector={"matchLabels": {"app": "db"}}), "spread with other pods"),
        ({"affinity": {"podAffinity": {REQUIRED: [{"topologyKey": HOST}]}}}, "pod affinity by"),
        (on_nodes({"key": "team", "operator": "Exists"}), r"nodes by team \(Exists\)"),
        (on_nodes(TYPE, {**TYPE, "values": ["c5.large"]}), "nodes by node.kubernetes.io/instance-"),
        (
            {"nodeSelector": {"kubernetes.io/os": "windows", "team": "x"}},
            "nodes by team=x",
        ),
        (
            {"containers": [{"resources": {"requests": {"ephemeral-storage": "9Gi"}}}]},
            "ephemeral storage",
        ),
    ],
)
def test_rules_that_a_plan_does_not_know_are_said(spec, words):
    _, notes = workload_rows([with_rules(**spec)])
    assert any(re.search(f"does not look at a rule, .*{words}.*: web", note) for note in notes)


def test_pods_that_may_not_stand_together_get_a_node_each(tmp_path):
    path = tmp_path / "web.yaml"
    path.write_text(as_yaml([with_rules(**apart(HOST, OWN))]))
    answer = run("plan", path, "-t", "m5.*large", "--no-compare", "-o", "json")
    assert sum(row["nodes"] for row in json.loads(answer.stdout)["rows"]) == 3


def test_what_manifests_leave_open_of_numbers_is_said(tmp_path):
    bare = with_rules(containers=[{"name": "c"}])
    scaler = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"maxReplicas": 30, "scaleTargetRef": {"kind": "Deployment", "name": "web"}},
    }
    path = tmp_path / "web.yaml"
    path.write_text(as_yaml([bare, scaler, {**scaler, "spec": None}, {**scaler, "spec": {}}]))
    said = run("plan", path, "-t", "m5.large", "--no-compare").stderr
    assert "no requests for CPU and memory, so that the plan counts none: web" in said
    assert "may start 30 pods of web" in said


@pytest.mark.parametrize(
    "spec",
    [
        apart(HOST, {"matchExpressions": [{"key": "app", "operator": "Is"}]}),
        {"containers": [{"resources": {"limits": {"a.b/c": "many"}}}]},
    ],
)
def test_rules_that_kubernetes_would_refuse_are_refused(spec):
    with pytest.raises(InputError, match="no sound template"):
        workload_rows([with_rules(**spec)])


def test_workloads_of_one_host_port_are_named():
    web = with_rules(containers=[{**CONTAINER, "ports": [{"hostPort": 80}]}])
    api = {**web, "metadata": {"name": "api"}}
    assert workload_rows([web])[1] == []
    _, (note,) = workload_rows([web, api])
    assert note.endswith("apart that take host port 80: web, api")


def a_job(**spec):
    status = (
        {"conditions": [{"type": spec.pop("ended"), "status": "True"}]} if "ended" in spec else {}
    )
    job = with_rules()
    return {
        **job,
        "kind": "Job",
        "spec": {**spec, "template": job["spec"]["template"]},
        "status": status,
    }


@pytest.mark.parametrize(
    ("spec", "pods"),
    [
        ({"parallelism": 4, "completions": 10}, 4),
        ({"parallelism": 20, "completions": 3}, 3),
        ({"parallelism": 20}, 20),
        ({"completions": 9}, 1),
    ],
)
def test_a_job_runs_no_more_pods_at_once_than_it_completes(spec, pods):
    (row,), _ = workload_rows([a_job(**spec)])
    assert row["replicas"] == pods


@pytest.mark.parametrize("how", ["Complete", "Failed"])
def test_a_job_that_has_ended_needs_no_node(how):
    with pytest.raises(InputError, match="left out, as they have ended: Job"):
        workload_rows([a_job(parallelism=4, ended=how)])


def test_a_processor_that_no_windows_node_has_is_said():
    selected = {"kubernetes.io/os": "windows", "kubernetes.io/arch": "arm64"}
    _, notes = workload_rows([with_rules(nodeSelector=selected)])
    assert any("arch=arm64, which no Windows node is" in note for note in notes)
