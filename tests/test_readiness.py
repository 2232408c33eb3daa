"""Each check fails, passes and does not know; every consideration of the guide has one."""

from dataclasses import replace

import pytest

from eks_win_capacity.catalog import Catalog
from eks_win_capacity.cluster import (
    AccessEntry,
    Addon,
    ClusterState,
    FargateProfile,
    Node,
    NodeGroup,
    Pod,
    RoleMapping,
    SecurityGroupPolicy,
    Service,
    SubnetState,
    Workload,
)
from eks_win_capacity.errors import UnsupportedInputError
from eks_win_capacity.readiness import CHECKS, check_cluster, remedies

GROUPS = ("system:bootstrappers", "system:nodes", "eks:kube-proxy-windows")
ON = {"enable-windows-ipam": "true"}
PREFIX = {**ON, "enable-windows-prefix-delegation": "true"}

WIN = Node(
    name="win-1",
    os="windows",
    arch="amd64",
    instance_type="m5.large",
    zone="a",
    build="10.0.17763.5936",
    kubelet_version="v1.30.2",
    pods_limit=110,
    advertised_addresses=9,
    cpu_m=1900,
    memory_bytes=6 * 2**30 - 300 * 2**20,
)
LINUX = Node(name="lin-1", os="linux", os_image="Amazon Linux 2023", instance_type="m5.large")
GROUP = NodeGroup(
    name="win", ami_type="WINDOWS_CORE_2022_x86_64", instance_types=("m5.large",), role="win"
)
LINUX_GROUP = NodeGroup(name="lin", ami_type="AL2023_x86_64_STANDARD", role="lin", desired_size=2)
CUSTOM = replace(GROUP, name="custom", ami_type="CUSTOM", custom_ami=True)
MAPPED = RoleMapping(role="win", groups=GROUPS)
POD = Pod(
    namespace="default",
    name="a",
    selects_os="windows",
    selects_arch="amd64",
    labels=(("app", "web"),),
)
WEB = Workload(
    kind="Deployment",
    namespace="default",
    name="web",
    selects_os="windows",
    selects_arch="amd64",
    labels=(("app", "web"),),
)
LOGS = replace(WEB, kind="DaemonSet", name="fluent-bit-windows")
SCALER = Workload(
    kind="Deployment", namespace="kube-system", name="cluster-autoscaler", selects_os="linux"
)
SUBNET = SubnetState(subnet_id="subnet-1", cidr="10.0.0.0/24", zone="a", available=251, used=())
FULL = replace(SUBNET, available=3, used=tuple(f"10.0.0.{i}" for i in range(4, 252)))
TAG = "k8s.io/cluster-autoscaler/node-template/resources/vpc.amazonaws.com/PrivateIPv4Address"


def policy(**how):
    return SecurityGroupPolicy(namespace="default", name="sg", **how)


CASES = {
    "windows-platform-version": [
        ({"version": "1.31", "platform_version": "eks.3"}, "fail"),
        ({"version": "1.31", "platform_version": "eks.10"}, "pass"),
        ({"version": "1.30", "platform_version": "eks.1"}, "fail"),
        ({"version": "1.29", "platform_version": "eks.1"}, "pass"),
        ({"version": "1.24", "platform_version": "eks.1"}, "fail"),
        ({"version": "1.40", "platform_version": "eks.1"}, "pass"),
        ({"version": "1.20"}, "fail"),
        ({"version": "1.30"}, "unknown"),
        ({"version": "1.30", "platform_version": "odd"}, "unknown"),
    ],
    "prefix-platform-version": [
        ({"version": "1.25", "platform_version": "eks.4", "cni_configmap": PREFIX}, "fail"),
        ({"version": "1.25", "platform_version": "eks.4", "cni_configmap": ON}, "pass"),
        ({"version": "1.25", "platform_version": "eks.5"}, "pass"),
        ({"version": "1.27", "platform_version": "eks.2", "cni_configmap": PREFIX}, "fail"),
        ({"version": "1.24", "platform_version": "eks.9", "cni_configmap": PREFIX}, "fail"),
        ({"version": "1.25", "platform_version": "eks.4"}, "unknown"),
    ],
    "ip-family": [
        ({"ip_family": "ipv6"}, "fail"),
        ({"ip_family": "ipv4"}, "pass"),
        ({}, "unknown"),
    ],
    "legacy-windows-support": [
        ({"workloads": (replace(SCALER, name="vpc-resource-controller"),)}, "fail"),
        ({"workloads": (WEB,)}, "pass"),
        ({}, "unknown"),
    ],
    "coredns-capacity": [
        ({"nodes": (WIN,)}, "fail"),
        ({"nodes": (WIN, LINUX)}, "pass"),
        ({"nodes": (WIN, replace(LINUX, compute="fargate"))}, "pass"),
        (
            {
                "nodes": (WIN, replace(LINUX, compute="fargate")),
                "workloads": (replace(SCALER, name="vpc-resource-controller"),),
            },
            "fail",
        ),
        ({"node_groups": (LINUX_GROUP,)}, "pass"),
        ({"node_groups": (), "fargate_profiles": ()}, "fail"),
        ({"node_groups": ()}, "unknown"),
        ({}, "unknown"),
    ],
    "coredns-redundancy": [
        ({"nodes": (LINUX,)}, "fail"),
        ({"nodes": (LINUX, replace(LINUX, name="b"))}, "pass"),
        (
            {
                "node_groups": (),
                "fargate_profiles": (FargateProfile(name="x", selectors=(("kube-system", ()),)),),
            },
            "pass",
        ),
        ({}, "unknown"),
    ],
    "resource-controller-policy": [
        ({"cluster_role_policies": ("AmazonEKSClusterPolicy",)}, "fail"),
        ({"cluster_role_policies": ("AmazonEKSVPCResourceController",)}, "pass"),
        (
            {
                "cluster_role_policies": (),
                "nodes": (WIN, replace(LINUX, os_image="Bottlerocket OS 1.20")),
                "cni_env": {"ENABLE_POD_ENI": "true"},
            },
            "pass",
        ),
        (
            {
                "cluster_role_policies": (),
                "nodes": (WIN, LINUX),
                "cni_env": {"ENABLE_POD_ENI": "true"},
            },
            "fail",
        ),
        ({}, "unknown"),
    ],
    "custom-networking": [
        ({"cni_env": {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}}, "fail"),
        (
            {
                "addons": (
                    Addon(
                        name="vpc-cni",
                        configuration={"env": {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}},
                    ),
                )
            },
            "fail",
        ),
        ({"cni_env": {}}, "pass"),
        ({"addons": ()}, "unknown"),
        ({}, "unknown"),
    ],
    "security-groups-for-pods": [
        (
            {
                "pods": (POD,),
                "security_group_policies": (policy(selector=(("app", "web"),)),),
            },
            "fail",
        ),
        (
            {"pods": (POD,), "security_group_policies": (policy(selector=(("app", "x"),)),)},
            "pass",
        ),
        ({"cni_env": {}}, "pass"),
        ({"pods": (POD,), "security_group_policies": (policy(readable=False),)}, "unknown"),
        ({}, "unknown"),
    ],
    "fargate-windows-pods": [
        (
            {
                "pods": (POD,),
                "fargate_profiles": (FargateProfile(name="x", selectors=(("def*", ()),)),),
            },
            "fail",
        ),
        (
            {
                "pods": (POD,),
                "fargate_profiles": (FargateProfile(name="x", selectors=(("other", ()),)),),
            },
            "pass",
        ),
        ({"fargate_profiles": (FargateProfile(name="x"),)}, "unknown"),
    ],
    "auto-mode-windows-pods": [
        ({"auto_mode": True, "pods": (POD,), "nodes": (LINUX,)}, "fail"),
        ({"workloads": (replace(WEB, selects_compute="auto"),)}, "fail"),
        ({"auto_mode": True, "pods": (POD,), "nodes": (WIN,)}, "pass"),
        ({"auto_mode": False}, "pass"),
        ({}, "unknown"),
    ],
    "hybrid-windows-pods": [
        ({"nodes": (replace(WIN, compute="hybrid"),)}, "fail"),
        ({"hybrid_nodes": False}, "pass"),
        ({}, "unknown"),
    ],
    "windows-ipam-enabled": [
        ({"cni_configmap": {}}, "fail"),
        ({"cni_configmap": {"enable-windows-ipam": "yes"}}, "fail"),
        ({"cni_configmap": {"enable-windows-ipam": "false"}}, "fail"),
        ({"cni_configmap": ON}, "pass"),
        ({}, "unknown"),
    ],
    "prefix-delegation-nitro": [
        ({"cni_configmap": PREFIX, "nodes": (replace(WIN, instance_type="m4.large"),)}, "fail"),
        ({"cni_configmap": PREFIX, "nodes": (WIN,)}, "pass"),
        ({"cni_configmap": PREFIX}, "unknown"),
        ({}, "unknown"),
    ],
    "warm-targets": [
        ({"cni_configmap": {**ON, "minimum-ip-target": "3"}}, "fail"),
        ({"cni_configmap": {**ON, "warm-ip-target": str(10**7)}}, "fail"),
        ({"cni_configmap": ON}, "pass"),
        ({}, "unknown"),
    ],
    "subnet-room": [
        ({"subnets": (FULL,), "cni_configmap": ON, "nodes": (WIN,)}, "fail"),
        ({"subnets": (SUBNET,), "cni_configmap": ON, "nodes": (WIN,)}, "pass"),
        (
            {
                "subnets": (
                    replace(
                        SUBNET,
                        available=237,
                        used=tuple(f"10.0.0.{16 * i + 5}" for i in range(1, 15)),
                    ),
                ),
                "cni_configmap": PREFIX,
                "nodes": (WIN,),
            },
            "fail",
        ),
        (
            {
                "subnets": (replace(SUBNET, used=None, available=100),),
                "cni_configmap": PREFIX,
                "nodes": (WIN,),
            },
            "unknown",
        ),
        ({"subnets": (SUBNET,)}, "unknown"),
        ({}, "unknown"),
    ],
    "control-plane-room": [
        ({"subnets": (FULL,), "subnet_ids": ("subnet-1",)}, "fail"),
        ({"subnets": (SUBNET,), "subnet_ids": ("subnet-1",)}, "pass"),
        ({"subnets": (SUBNET,), "subnet_ids": ("subnet-2",)}, "unknown"),
        ({}, "unknown"),
    ],
    "aws-auth-mapping": [
        ({"aws_auth": (replace(MAPPED, groups=GROUPS[:2]),), "node_groups": (GROUP,)}, "fail"),
        ({"aws_auth": (replace(MAPPED, groups=GROUPS[2:]),)}, "fail"),
        ({"aws_auth": (), "nodes": (WIN,)}, "fail"),
        ({"aws_auth": (replace(MAPPED, has_path=True),)}, "fail"),
        ({"aws_auth": (MAPPED,)}, "pass"),
        ({"authentication_mode": "API"}, "pass"),
        (
            {
                "aws_auth": (),
                "node_groups": (GROUP,),
                "authentication_mode": "API_AND_CONFIG_MAP",
                "access_entries": (AccessEntry(role="win", type="EC2_Windows"),),
            },
            "pass",
        ),
        (
            {
                "aws_auth": (),
                "node_groups": (GROUP,),
                "authentication_mode": "API_AND_CONFIG_MAP",
            },
            "unknown",
        ),
        ({}, "unknown"),
    ],
    "access-entry": [
        (
            {
                "authentication_mode": "API",
                "node_groups": (GROUP,),
                "access_entries": (AccessEntry(role="win", type="EC2_LINUX"),),
            },
            "fail",
        ),
        (
            {
                "authentication_mode": "API",
                "node_groups": (GROUP,),
                "access_entries": (AccessEntry(role="win", type="ec2_windows"),),
            },
            "pass",
        ),
        ({"authentication_mode": "CONFIG_MAP"}, "pass"),
        ({"authentication_mode": "API", "node_groups": (GROUP,)}, "unknown"),
        ({}, "unknown"),
    ],
    "custom-ami-mapping": [
        (
            {
                "node_groups": (CUSTOM,),
                "nodes": (replace(WIN, node_group="custom"),),
                "aws_auth": (),
            },
            "fail",
        ),
        ({"node_groups": (CUSTOM,), "aws_auth": (MAPPED,)}, "pass"),
        ({"node_groups": (GROUP,)}, "pass"),
        ({"node_groups": (CUSTOM,)}, "unknown"),
        ({}, "unknown"),
    ],
    "shared-node-role": [
        ({"node_groups": (GROUP, replace(LINUX_GROUP, role="win"))}, "fail"),
        ({"node_groups": (GROUP, LINUX_GROUP)}, "pass"),
        ({"node_groups": (GROUP, CUSTOM)}, "unknown"),
        ({}, "unknown"),
    ],
    "windows-server-version": [
        ({"version": "1.34", "nodes": (replace(WIN, build="10.0.26100.1"),)}, "fail"),
        ({"version": "1.22", "node_groups": (GROUP,)}, "fail"),
        ({"version": "1.35", "nodes": (replace(WIN, build="10.0.26100.1"),)}, "pass"),
        ({"version": "1.30", "nodes": (replace(WIN, build="10.0.19042.1"),)}, "unknown"),
        ({"nodes": (WIN,)}, "unknown"),
        ({}, "unknown"),
    ],
    "kubelet-version": [
        ({"version": "1.29", "nodes": (WIN,)}, "fail"),
        ({"version": "1.34", "nodes": (WIN,)}, "fail"),
        ({"version": "1.33", "nodes": (WIN,)}, "pass"),
        ({"version": "1.30"}, "unknown"),
    ],
    "instance-type-windows": [
        ({"nodes": (replace(WIN, instance_type="m6g.large"),)}, "fail"),
        ({"node_groups": (replace(GROUP, instance_types=("dl1.24xlarge",)),)}, "fail"),
        ({"nodes": (WIN,)}, "pass"),
        ({"nodes": (replace(WIN, instance_type="zz9.huge"),)}, "unknown"),
        ({"nodes": (replace(WIN, instance_type=""),)}, "unknown"),
        ({}, "unknown"),
    ],
    "instance-type-caveats": [
        ({"nodes": (replace(WIN, instance_type="m6a.large"),)}, "fail"),
        ({"nodes": (WIN,)}, "pass"),
        ({}, "unknown"),
    ],
    "instance-type-controller": [
        ({"node_groups": (replace(GROUP, instance_types=("m8in.large",)),)}, "fail"),
        ({"nodes": (replace(WIN, instance_type="m8in.large"),)}, "pass"),
        ({"node_groups": (GROUP,)}, "pass"),
        ({}, "unknown"),
    ],
    "node-advertises-addresses": [
        ({"nodes": (replace(WIN, advertised_addresses=None),)}, "fail"),
        ({"nodes": (WIN,)}, "pass"),
        ({}, "unknown"),
    ],
    "kubelet-max-pods": [
        ({"nodes": (replace(WIN, advertised_addresses=144),)}, "fail"),
        ({"nodes": (replace(WIN, pods_limit=737),)}, "fail"),
        ({"nodes": (WIN,)}, "pass"),
        ({"node_groups": (GROUP,), "cni_configmap": PREFIX}, "fail"),
        ({"nodes": (replace(WIN, pods_limit=None),)}, "unknown"),
        ({}, "unknown"),
    ],
    "system-memory": [
        ({"nodes": (replace(WIN, memory_bytes=8 * 2**30 - 2**20),)}, "fail"),
        ({"nodes": (WIN,)}, "pass"),
        ({"nodes": (replace(WIN, memory_bytes=None),)}, "unknown"),
        ({}, "unknown"),
    ],
    "autoscaler-node-template": [
        (
            {
                "workloads": (SCALER,),
                "cni_configmap": ON,
                "node_groups": (replace(GROUP, autoscaling_tags=()),),
            },
            "fail",
        ),
        (
            {
                "workloads": (SCALER,),
                "cni_configmap": ON,
                "node_groups": (replace(GROUP, autoscaling_tags=((TAG, "9"),)),),
            },
            "pass",
        ),
        ({"workloads": (WEB,)}, "pass"),
        ({"node_groups": (GROUP,)}, "unknown"),
    ],
    "os-selector": [
        ({"workloads": (replace(WEB, selects_os=""),)}, "fail"),
        ({"workloads": (replace(WEB, selects_os="", declares_os="windows"),)}, "fail"),
        ({"pods": (replace(POD, selects_os="", node="lin-1"),), "nodes": (LINUX,)}, "fail"),
        ({"workloads": (WEB, SCALER)}, "pass"),
        ({}, "unknown"),
    ],
    "arch-selector": [
        ({"workloads": (replace(WEB, selects_arch=""),)}, "fail"),
        ({"workloads": (replace(WEB, selects_arch="arm64"),)}, "fail"),
        ({"workloads": (WEB, SCALER)}, "pass"),
        ({}, "unknown"),
    ],
    "service-backends": [
        ({"services": (Service(namespace="a", name="b", backends=1025),), "nodes": (WIN,)}, "fail"),
        (
            {
                "services": (Service(namespace="a", name="b", backends=65),),
                "nodes": (WIN, replace(WIN, name="old", build="10.0.17763.2745")),
            },
            "fail",
        ),
        (
            {
                "services": (Service(namespace="a", name="b", backends=64),),
                "nodes": (replace(WIN, build="10.0.17763.2745"),),
            },
            "pass",
        ),
        (
            {
                "services": (Service(namespace="a", name="b", backends=1024),),
                "nodes": (replace(WIN, build="10.0.17763.2746"),),
            },
            "pass",
        ),
        ({"services": (Service(namespace="a", name="b", backends=65),)}, "unknown"),
        ({"services": (Service(namespace="a", name="b", selector=(("x", "y"),)),)}, "unknown"),
        ({}, "unknown"),
    ],
    "event-log-collected": [
        ({"workloads": (WEB,)}, "fail"),
        ({"workloads": (LOGS,)}, "pass"),
        ({}, "unknown"),
    ],
}


@pytest.fixture(scope="module")
def catalog():
    return Catalog.bundled()


@pytest.mark.parametrize(
    ("code", "parts", "outcome"),
    [(code, parts, outcome) for code, cases in CASES.items() for parts, outcome in cases],
)
def test_each_check_sees_what_is_there(code, parts, outcome, catalog):
    found = [f for f in check_cluster(ClusterState(**parts), catalog=catalog) if f.code == code]
    assert outcome in {f.outcome for f in found}
    if outcome == "pass":
        assert {f.outcome for f in found} == {"pass"}
    for finding in found:
        assert finding.seen
        assert finding.why
        assert finding.source
        assert finding.remedy or finding.outcome == "pass"


def test_each_check_fails_passes_and_does_not_know():
    assert set(CASES) == {rule.code for rule in CHECKS}
    for code, cases in CASES.items():
        assert {outcome for _, outcome in cases} == {"fail", "pass", "unknown"}, code


CONSIDERATIONS = {
    "Kubernetes and platform version for Windows": "windows-platform-version",
    "platform version for prefix delegation": "prefix-platform-version",
    "no IPv6": "ip-family",
    "no custom networking": "custom-networking",
    "no security groups for pods": "security-groups-for-pods",
    "no Windows pods on Fargate": "fargate-windows-pods",
    "no Windows pods in Auto Mode": "auto-mode-windows-pods",
    "no Windows pods on Hybrid Nodes": "hybrid-windows-pods",
    "amd64 only": "arch-selector",
    "types that run Windows": "instance-type-windows",
    "types with a caveat": "instance-type-caveats",
    "types the controller knows": "instance-type-controller",
    "one Linux node or Fargate pod for CoreDNS": "coredns-capacity",
    "two recommended": "coredns-redundancy",
    "legacy support": "legacy-windows-support",
    "policy of the cluster role": "resource-controller-policy",
    "enable-windows-ipam": "windows-ipam-enabled",
    "prefix delegation on Nitro only": "prefix-delegation-nitro",
    "warm targets": "warm-targets",
    "one interface a node": "node-advertises-addresses",
    "aws-auth groups": "aws-auth-mapping",
    "access entries": "access-entry",
    "custom AMI in a managed node group": "custom-ami-mapping",
    "shared node role": "shared-node-role",
    "Windows Server release": "windows-server-version",
    "AMI for the Kubernetes version": "kubelet-version",
    "node selectors": "os-selector",
    "kubelet max-pods": "kubelet-max-pods",
    "2 GiB for the system": "system-memory",
    "1024 backends, 64 before": "service-backends",
    "event log of 200 MB": "event-log-collected",
    "room in subnets": "subnet-room",
    "room for the control plane": "control-plane-room",
    "node-template tag": "autoscaler-node-template",
}
"""Every consideration and step of the EKS guide and of its neighbours, and its code."""


def test_every_consideration_of_the_guide_has_a_check():
    assert set(CONSIDERATIONS.values()) == {rule.code for rule in CHECKS}


def test_the_table_in_the_docs_lists_every_check():
    from eks_win_capacity import readiness

    for rule in CHECKS:
        assert f"| {rule.code} | {rule.severity} | {rule.considers} |" in readiness.__doc__


def test_nothing_known_means_nothing_passed():
    assert {f.outcome for f in check_cluster(ClusterState())} == {"unknown"}


def test_remedies_are_files_that_apply():
    import yaml

    state = ClusterState(
        cni_configmap={"windows-warm-ip-target": "2"},
        aws_auth=(replace(MAPPED, groups=()),),
        node_groups=(replace(GROUP, autoscaling_tags=()),),
        nodes=(replace(WIN, advertised_addresses=144),),
        workloads=(SCALER,),
    )
    made = remedies(check_cluster(state))
    configmap = yaml.safe_load(made["amazon-vpc-cni.yaml"])
    assert configmap["data"] == {"windows-warm-ip-target": "2", "enable-windows-ipam": "true"}
    assert yaml.safe_load(made["aws-auth-win.yaml"])[0]["groups"] == list(GROUPS)
    assert "--max-pods=144" in made["bootstrap-arguments-m5.large.txt"]
    assert TAG in made["node-template-tags-win.json"]
    fixed = replace(state, cni_configmap=configmap["data"])
    outcomes = {f.code: f.outcome for f in check_cluster(fixed)}
    assert outcomes["windows-ipam-enabled"] == "pass"


def test_only_a_state_is_checked():
    with pytest.raises(UnsupportedInputError):
        check_cluster({"version": "1.30"})
