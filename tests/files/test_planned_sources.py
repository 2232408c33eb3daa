"""What will start nodes is read before anything runs: Karpenter, eksctl, launch templates."""

import json
import subprocess

import pytest
import three_clusters as three
import yaml

from eks_win_capacity import load_files
from eks_win_capacity.cluster import ClusterState, check_cluster
from eks_win_capacity.core.errors import DocumentError

CONFIG = """
apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata: {name: shop, region: us-gov-west-1, version: "1.34"}
kubernetesNetworkConfig: {serviceIPv4CIDR: 10.99.0.0/16}
accessConfig: {authenticationMode: API}
fargateProfiles:
- {name: dns, selectors: [{namespace: kube-system, labels: {k8s-app: kube-dns}}]}
addons:
- {name: vpc-cni, configurationValues: '{"env": {"ENABLE_POD_ENI": "true"}}'}
nodeGroups:
- name: win
  amiFamily: WindowsServer2025CoreContainer
  instancesDistribution: {instanceTypes: [m5.large, m5a.large]}
  maxPodsPerNode: 60
  minSize: 2
  kubeletExtraConfig: {kubeReserved: {memory: 512Mi}, systemReserved: {memory: 1.5Gi}}
  taints: {os: "windows:NoSchedule"}
  iam: {instanceRoleARN: "arn:aws:iam::111122223333:role/nodes/win"}
- {name: own, ami: ami-1, amiFamily: WindowsServer2019FullContainer, overrideBootstrapCommand: x}
managedNodeGroups:
- {name: lin, instanceTypes: [m5.large], desiredCapacity: 3, taints: [{key: a, effect: NoExecute}]}
- {name: rocket, amiFamily: Bottlerocket}
"""


def test_a_cluster_config_of_eksctl_says_what_the_cluster_will_be(tmp_path):
    (tmp_path / "cluster.yaml").write_text(CONFIG, "utf-8")
    state = load_files(tmp_path)
    assert (state.name, state.region, state.version) == ("shop", "us-gov-west-1", "1.34")
    assert (state.authentication_mode, state.service_cidr) == ("API", "10.99.0.0/16")
    assert (state.auto_mode, state.local_cluster, state.ip_family) == (False, False, "ipv4")
    win, custom, linux, rocket = state.node_groups
    assert (win.windows, win.managed, win.ami_type) == (True, False, "WINDOWS_CORE_2025_x86_64")
    assert win.instance_types == ("m5.large", "m5a.large")
    assert (win.kubelet_max_pods, win.reserved_memory_mib, win.role) == (60, 2048, "win")
    assert (win.min_size, win.desired_size, win.taints) == (2, 2, ("os=windows:NoSchedule",))
    assert (custom.custom_ami, custom.user_data_known) == (True, False)
    assert (linux.windows, linux.managed, linux.desired_size) == (False, True, 3)
    assert (linux.taints, rocket.ami_type) == (("a:NoExecute",), "BOTTLEROCKET_x86_64")
    assert state.fargate_profiles[0].selectors == (("kube-system", (("k8s-app", "kube-dns"),)),)
    assert state.addons[0].configuration["env"] == {"ENABLE_POD_ENI": "true"}
    assert state.nodes is None


def test_a_managed_windows_group_of_eksctl_takes_no_bootstrap_arguments():
    state = load_files(f"""{CONFIG}
- name: managed
  amiFamily: WindowsServer2022CoreContainer
  maxPodsPerNode: 60
  spot: true
  releaseVersion: 1.34-2026.10.14
  tags: {{a: b}}
- {{name: templated, amiFamily: WindowsServer2022CoreContainer, launchTemplate: {{id: lt-1, version: "2"}}}}
""")
    managed, templated = state.node_groups[-2:]
    # Its tags stay on the group: they do not reach the Auto Scaling group.
    assert (managed.kubelet_max_pods, managed.autoscaling_tags) == (None, None)
    assert (managed.user_data_known, managed.custom_ami) == (True, False)
    assert (managed.capacity_type, managed.release_version) == ("SPOT", "1.34-2026.10.14")
    assert templated.launch_template == "lt-1 version 2"
    assert (templated.user_data_known, templated.custom_ami) == (False, None)


def together(kind, documents):
    """A file that holds what several tools wrote, one document after the other."""
    if kind == "JSON":
        return "\n".join(map(json.dumps, documents))
    return json.dumps(documents) if kind == "array" else yaml.safe_dump_all(documents)


@pytest.mark.parametrize("kind", ["JSON", "array", "documents"])
@pytest.mark.parametrize("turn", range(3))
def test_one_file_may_hold_what_several_tools_wrote(kind, turn, tmp_path):
    documents = three.managed()
    written = [documents["windows"], documents["cluster"], yaml.safe_load(CONFIG)]
    written = [*written[turn:], *written[:turn], documents["subnets"], documents["cni"]]
    path = tmp_path / "all"
    path.write_text(together(kind, written), "utf-8")
    state = load_files(path)
    assert state == load_files(*written)
    assert (len(state.nodes), state.version, len(state.subnets)) == (2, "1.34", 1)
    assert [group.name for group in state.node_groups] == ["win", "own", "lin", "rocket"]


def test_a_foreign_document_in_a_mixture_is_named():
    with pytest.raises(DocumentError, match="Prices"):
        load_files(together("JSON", [three.managed()["cluster"], {"Prices": []}]))


def test_what_was_planned_gives_way_to_what_is(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG, "utf-8")
    (tmp_path / "real.json").write_text(
        '{"cluster": {"name": "shop", "version": "1.36", "arn": "a:b:c:eu-west-1:d:e"}}', "utf-8"
    )
    state = load_files(tmp_path)
    assert (state.version, state.region) == ("1.36", "eu-west-1")
    assert [group.name for group in state.node_groups] == ["win", "own", "lin", "rocket"]
    assert "version" not in state.unknown
    assert "nodes" in state.unknown


@pytest.mark.parametrize("damaged", ["metadata: {}", "metadata: {name: a}\nnodeGroups: [1]"])
def test_a_damaged_cluster_config_is_refused(damaged):
    with pytest.raises(DocumentError, match="eksctl"):
        load_files(f"kind: ClusterConfig\n{damaged}\n")


def test_a_launch_template_alone_tells_of_the_nodes_it_will_start():
    script = three.BOOTSTRAP.replace("--kube", "--max-pods=60 --kube").replace(
        " 3>&1", " -ServiceCIDR 10.99.0.0/16 -KubeProxyExtraArgs '--enable-dsr=true'"
    )
    (group,) = load_files(three.template(script)).node_groups
    assert (group.name, group.windows, group.managed) == ("windows", True, False)
    assert (group.kubelet_max_pods, group.reserved_memory_mib) == (60, 2048)
    assert (group.service_cidr, group.dsr, group.bootstraps) == ("10.99.0.0/16", True, True)
    # A template for Linux tells nothing of Windows.
    assert load_files(three.template("#!/bin/bash\n/etc/eks/bootstrap.sh shop")).node_groups is None


def test_an_auto_scaling_group_of_the_cluster_is_a_self_managed_group():
    state = load_files(*three.self_managed().values())
    group = next(g for g in state.node_groups if not g.managed)
    assert (group.name, group.windows, group.max_size) == ("shop-windows", True, 4)
    assert (group.subnet_ids, group.instances) == (("subnet-1",), ("i-0011", "i-0012"))
    assert {one.role for one in state.instances} == {"shop-windows"}
    # A group of something else is none of the cluster's.
    other = three.scaling("batch", {"team": "a"})
    assert load_files(*(three.self_managed() | {"scaling": other}).values()).node_groups[0].managed


def test_karpenters_older_kinds_are_read_as_well():
    state = load_files(
        {
            "kind": "Provisioner",
            "metadata": {"name": "old"},
            "spec": {
                "requirements": [
                    {"key": "kubernetes.io/os", "operator": "NotIn", "values": ["linux"]}
                ],
                "limits": {"resources": {"cpu": 4}},
                "providerRef": {"name": "t"},
                "taints": [{"key": "os", "value": "windows", "effect": "NoSchedule"}],
            },
        },
        {
            "kind": "AWSNodeTemplate",
            "metadata": {"name": "t"},
            "spec": {"amiFamily": "Windows2019", "instanceProfile": "p"},
        },
    )
    (pool,), (node_class,) = state.node_pools, state.node_classes
    assert (pool.systems, pool.limits, pool.node_class) == (("windows",), (("cpu", "4"),), "t")
    assert (pool.taints, node_class.windows, node_class.profile) == (
        ("os=windows:NoSchedule",),
        True,
        "p",
    )
    outcomes = {f.code: f.outcome for f in check_cluster(state)}
    assert outcomes["karpenter-ami-family"] == "pass"


@pytest.mark.parametrize("make", [three.managed, three.karpenter, three.self_managed])
def test_a_state_with_the_new_parts_is_saved_and_loaded(make, tmp_path):
    state = load_files(*make().values())
    state.save(tmp_path / "state.json")
    assert ClusterState.load(tmp_path / "state.json") == state
    assert load_files(tmp_path / "state.json") == state


@pytest.mark.parametrize(
    ("image", "args", "runs"),
    [
        ("mirror/autoscaling/cluster-autoscaler:v1.34.0", (), True),
        ("mirror/ca:v1", ("--node-group-auto-discovery=asg:tag=x",), True),
        ("registry.k8s.io/cpa/cluster-proportional-autoscaler:v1", (), False),
    ],
)
def test_the_cluster_autoscaler_is_known_by_what_it_runs(image, args, runs):
    deployment = three.maker("Deployment", "scaler", "linux", image=image, args=args)
    (workload,) = load_files(deployment).workloads
    assert workload.autoscaler is runs


VALUES = {"enableWindowsIpam": "true", "warmWindowsIPTarget": 4, "env": {"ENABLE_POD_ENI": "true"}}
DESCRIBED = {"addon": {"addonName": "vpc-cni", "configurationValues": json.dumps(VALUES)}}
ROLE = "arn:aws:iam::111122223333:role/cni"


@pytest.mark.parametrize("source", [VALUES, DESCRIBED, yaml.safe_dump(VALUES)])
def test_the_values_of_the_add_on_stand_for_the_configmap_that_it_writes(source):
    state = load_files(source)
    findings = {f.code: f for f in check_cluster(state)}
    assert findings["windows-ipam-enabled"].outcome == "pass"
    assert findings["windows-ipam-enabled"].seen == 'enable-windows-ipam is "true"'
    assert findings["warm-targets"].outcome != "unknown"
    # A ConfigMap that is known says what is there now.
    without_ipam = {"kind": "ConfigMap", "metadata": {"name": "amazon-vpc-cni"}, "data": {}}
    findings = {f.code: f.outcome for f in check_cluster(load_files(source, without_ipam))}
    assert findings["windows-ipam-enabled"] == "fail"


def test_values_of_the_add_on_without_a_word_on_windows_say_nothing_of_the_configmap():
    addon = {"addon": {"addonName": "vpc-cni", "configurationValues": '{"env": {}}'}}
    outcomes = {f.code: f.outcome for f in check_cluster(load_files(addon))}
    assert outcomes["windows-ipam-enabled"] == "unknown"


def test_what_the_add_on_writes_is_changed_in_the_add_on():
    values = {"enableWindowsIpam": "false", "serviceAccountRoleArn": ROLE, "note": "it's"}
    addon = {"addon": {"addonName": "vpc-cni", "configurationValues": json.dumps(values)}}
    state = load_files(addon, {"cluster": {"name": "shop"}})
    (finding,) = [f for f in check_cluster(state) if f.code == "windows-ipam-enabled"]
    command = "printf '%s\\n' " + finding.remedy.removeprefix("aws eks update-addon ")
    done = subprocess.run(
        ["bash", "-c", command],
        env={"AWS_ACCOUNT_ID": "999988887777"},
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.splitlines()
    assert words[:4] == ["--cluster-name", "shop", "--addon-name", "vpc-cni"]
    assert json.loads(words[-1]) == values | {
        "enableWindowsIpam": "true",
        "serviceAccountRoleArn": ROLE.replace("111122223333", "999988887777"),
    }
    assert finding.files == ()


SAID = {
    "karpenter": 'Failed to schedule pod, all available types exceed limits for nodepool: "w"',
    "cluster-autoscaler": "pod didn't trigger scale-up: 1 max node group size reached",
}


@pytest.mark.parametrize("who", SAID)
def test_who_speaks_in_an_event_of_a_pod_runs(who):
    pod = {
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"nodeSelector": {"kubernetes.io/os": "windows"}, "containers": []},
        "status": {"phase": "Pending"},
    }
    event = {
        "kind": "Event",
        "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web"},
        "message": SAID[who],
    }
    system = {**pod, "metadata": {"name": "dns", "namespace": "kube-system"}, "spec": {}}
    pods = [pod, {**system, "spec": {"nodeName": "linux", "containers": []}}]
    for documents, runs in ((pods, False), ([*pods, event], True)):
        findings = {f.code: f for f in check_cluster(load_files(*documents, three.template("x")))}
        quiet = "nothing runs"
        assert findings["karpenter-limits"].seen.startswith(quiet) is not (
            runs and who == "karpenter"
        )
        assert findings["autoscaler-node-template"].seen.startswith(quiet) is not (
            runs and who == "cluster-autoscaler"
        )
