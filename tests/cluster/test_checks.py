"""Each check fails, passes and does not know; every consideration of the guide has one."""

import json
import pickle
import re
import shlex
import subprocess
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity.catalog import Catalog
from eks_win_capacity.cluster import (
    AccessEntry,
    Addon,
    ClusterState,
    FargateProfile,
    Node,
    NodeClaim,
    NodeClass,
    NodeGroup,
    NodePool,
    Pod,
    RoleMapping,
    SecurityGroupPolicy,
    Service,
    SubnetState,
    Workload,
)
from eks_win_capacity.cluster.checks import CHECKS, check_cluster, remedies
from eks_win_capacity.cluster.remedies import how_told
from eks_win_capacity.cluster.state import Unknown
from eks_win_capacity.core.errors import InputError, UnsupportedInputError, allowing
from eks_win_capacity.files import load_files

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
CSI = replace(LOGS, namespace="kube-system", name="ebs-csi-node-windows")
SCALER = Workload(
    kind="Deployment", namespace="kube-system", name="cluster-autoscaler", selects_os="linux"
)
SUBNET = SubnetState(subnet_id="subnet-1", cidr="10.0.0.0/24", zone="a", available=251, used=())
FULL = replace(SUBNET, available=3, used=tuple(f"10.0.0.{i}" for i in range(4, 252)))
TAG = "k8s.io/cluster-autoscaler/node-template/resources/vpc.amazonaws.com/PrivateIPv4Address"


DNS = Pod(namespace="kube-system", name="coredns-7d-x", node="fargate-dns", phase="Running")
DNS_NODE = replace(LINUX, name="fargate-dns", compute="fargate")
KUBE_SYSTEM = FargateProfile(name="dns", selectors=(("kube-system", ()),))
BOTTLE = replace(LINUX, os_image="Bottlerocket OS 1.20")


KARPENTER = NodePool(
    name="windows", node_class="windows", systems=("windows",), limits=(("cpu", "8"),)
)
CLASS = NodeClass(name="windows", ami_family="Windows2022", role="win")
CLAIM = NodeClaim(
    name="windows-x7",
    systems=("windows",),
    open=(("Launched", "AwaitingReconciliation", "object is awaiting reconciliation"),),
)
LAUNCH = ("Launched", "InsufficientCapacityError", "no subnet has free addresses")
UNSERVED = (
    "Initialized",
    "ResourceNotRegistered",
    'Resource "vpc.amazonaws.com/PrivateIPv4Address" was requested but not registered',
)  # fmt: skip
STARTED = replace(GROUP, bootstraps=True, custom_ami=True, user_data_known=True)
MANY = tuple(Service(namespace="a", name=f"s{n}", backends=1) for n in range(101))
MIXED = (WIN, replace(WIN, name="win-2", build="10.0.20348.3091"))


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
        ({"version": "1.30", "platform_version": "eks.3-rc"}, "unknown"),
        ({"version": "1.30", "platform_version": ""}, "unknown"),
        ({"version": "latest", "platform_version": "eks.9"}, "unknown"),
        ({"platform_version": "eks.9"}, "unknown"),
        ({"version": "1.24", "platform_version": "eks.2"}, "pass"),
        ({"version": "1.23", "platform_version": "eks.99"}, "fail"),
        ({"version": "v1.31.2-eks-7f9249a", "platform_version": "eks.12"}, "pass"),
    ],
    "prefix-platform-version": [
        ({"version": "1.25", "platform_version": "eks.4", "cni_configmap": PREFIX}, "fail"),
        ({"version": "1.25", "platform_version": "eks.4", "cni_configmap": ON}, "pass"),
        ({"version": "1.25", "platform_version": "eks.5"}, "pass"),
        ({"version": "1.27", "platform_version": "eks.2", "cni_configmap": PREFIX}, "fail"),
        ({"version": "1.24", "platform_version": "eks.9", "cni_configmap": PREFIX}, "fail"),
        ({"version": "1.25", "platform_version": "eks.4"}, "fail"),
        ({"version": "1.26", "platform_version": "eks.4"}, "pass"),
        ({"version": "1.26", "platform_version": "eks.3", "cni_configmap": PREFIX}, "fail"),
        ({"version": "1.27", "platform_version": "eks.3"}, "pass"),
        ({"version": "1.28", "platform_version": "eks.1"}, "pass"),
        ({"version": "1.30", "platform_version": "eks.1", "cni_configmap": PREFIX}, "fail"),
        ({"version": "1.31", "platform_version": "eks.3", "cni_configmap": PREFIX}, "fail"),
        ({"version": "1.36", "platform_version": "eks.1", "cni_configmap": PREFIX}, "pass"),
        ({"version": "1.30", "platform_version": "4", "cni_configmap": PREFIX}, "unknown"),
        ({"version": "1.30", "cni_configmap": PREFIX}, "unknown"),
        ({"version": "1.30"}, "unknown"),
        ({}, "unknown"),
    ],
    "ip-family": [
        ({"ip_family": "ipv6"}, "fail"),
        ({"ip_family": "ipv4"}, "pass"),
        ({"cni_env": {"ENABLE_IPv6": "true", "ENABLE_IPv4": "false"}}, "fail"),
        ({"cni_env": {"ENABLE_IPv6": "false", "ENABLE_IPv4": "true"}}, "pass"),
        ({"cni_env": {}}, "unknown"),
        ({}, "unknown"),
    ],
    "legacy-windows-support": [
        ({"workloads": (replace(SCALER, name="vpc-resource-controller"),)}, "fail"),
        ({"workloads": (WEB,)}, "pass"),
        ({}, "unknown"),
    ],
    "coredns-capacity": [
        ({"nodes": (replace(LINUX, taints=("team=a:NoSchedule",)),)}, "fail"),
        ({"nodes": (replace(LINUX, taints=("CriticalAddonsOnly=true:NoSchedule",)),)}, "pass"),
        ({"nodes": (replace(LINUX, taints=("team=a:PreferNoSchedule",)),)}, "pass"),
        ({"nodes": (LINUX,), "pods": (replace(DNS, name="kube-proxy-x"),)}, "fail"),
        ({"nodes": (LINUX,), "pods": (DNS,)}, "pass"),
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
        ({"nodes": (WIN, replace(LINUX, ready=False))}, "fail"),
        # Linux nodes that no group counts.
        ({"node_groups": (), "fargate_profiles": (), "auto_mode": True}, "unknown"),
        (
            {"node_groups": (), "fargate_profiles": (), "node_pools": (NodePool(name="p"),)},
            "unknown",
        ),
        (
            {
                "node_groups": (),
                "fargate_profiles": (FargateProfile(name="k", selectors=(("karpenter", ()),)),),
            },
            "unknown",
        ),
        ({"nodes": (WIN, replace(LINUX, taints=("team=x:NoSchedule",)))}, "fail"),
        ({"nodes": (WIN, replace(LINUX, taints=("team=x:PreferNoSchedule",)))}, "pass"),
        ({"nodes": (WIN, replace(LINUX, taints=("CriticalAddonsOnly=true:NoSchedule",)))}, "pass"),
        # Where it runs, it tolerates the taint.
        (
            {
                "nodes": (WIN, replace(LINUX, taints=("team=x:NoSchedule",))),
                "pods": (replace(DNS, node="lin-1"),),
            },
            "pass",
        ),
        ({"nodes": (WIN, LINUX), "pods": (replace(DNS, name="aws-node-x"),)}, "fail"),
        ({"nodes": (WIN, LINUX), "pods": (replace(DNS, phase="Pending"),)}, "fail"),
        ({"nodes": (WIN, LINUX), "pods": (POD,)}, "pass"),
        ({"nodes": (WIN, replace(LINUX, schedulable=False))}, "fail"),
        ({"nodes": (replace(LINUX, compute="fargate"), DNS_NODE), "pods": (DNS,)}, "pass"),
        ({"node_groups": (LINUX_GROUP,)}, "pass"),
        ({"node_groups": (replace(LINUX_GROUP, desired_size=None),)}, "unknown"),
        ({"node_groups": (), "fargate_profiles": (KUBE_SYSTEM,)}, "pass"),
        (
            {
                "node_groups": (),
                "fargate_profiles": (KUBE_SYSTEM,),
                "workloads": (replace(SCALER, name="vpc-resource-controller"),),
            },
            "fail",
        ),
        ({"node_groups": (), "fargate_profiles": ()}, "fail"),
        ({"node_groups": ()}, "unknown"),
        ({}, "unknown"),
    ],
    "coredns-redundancy": [
        ({"nodes": (LINUX,)}, "fail"),
        ({"nodes": (LINUX, replace(LINUX, name="b"))}, "pass"),
        ({"nodes": (LINUX, replace(LINUX, name="b", compute="fargate"))}, "pass"),
        # Of two Fargate nodes one runs another pod than CoreDNS.
        (
            {
                "nodes": (replace(LINUX, compute="fargate"), DNS_NODE),
                "pods": (DNS, replace(DNS, namespace="shop", name="cart", node="lin-1")),
            },
            "fail",
        ),
        ({"nodes": (replace(LINUX, compute="fargate"), DNS_NODE), "pods": (DNS,)}, "pass"),
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
            {"cluster_role_policies": ("arn:aws:iam::aws:policy/AmazonEKSVPCResourceController",)},
            "pass",
        ),
        # The guide's exception: the controller's own documentation does not know it.
        (
            {
                "cluster_role_policies": (),
                "nodes": (BOTTLE,),
                "cni_env": {"ENABLE_POD_ENI": "false"},
            },
            "fail",
        ),
        # The controller needs it for Windows nodes whatever the guide's exception says.
        ({"cluster_role_policies": (), "nodes": (BOTTLE,)}, "fail"),
        (
            {
                "cluster_role_policies": (),
                "nodes": (replace(WIN, advertised_addresses=0), BOTTLE),
                "cni_env": {"ENABLE_POD_ENI": "true"},
                "security_group_policies": (policy(),),
            },
            "fail",
        ),
        # Nodes that are served tell that another policy may do.
        ({"cluster_role_policies": (), "nodes": (WIN, LINUX)}, "unknown"),
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
        ({"auto_mode": True}, "unknown"),
        ({"auto_mode": True, "pods": (), "nodes": (LINUX,)}, "pass"),
        # Who runs Windows now does not tell whether Auto Mode is on.
        ({"pods": (POD,), "nodes": (WIN,)}, "unknown"),
        ({}, "unknown"),
    ],
    "hybrid-windows-pods": [
        ({"nodes": (replace(WIN, compute="hybrid"),)}, "fail"),
        ({"hybrid_nodes": False}, "pass"),
        ({"pods": (replace(POD, selects_compute="hybrid"),)}, "fail"),
        ({"hybrid_nodes": True, "pods": (POD,), "nodes": (WIN,)}, "pass"),
        ({"pods": (POD,), "nodes": (WIN,)}, "unknown"),
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
        # An idle node fits, one with all its pods does not.
        (
            {
                "subnets": (replace(SUBNET, used=tuple(f"10.0.0.{i}" for i in range(4, 249))),),
                "cni_configmap": ON,
                "nodes": (WIN,),
            },
            "fail",
        ),
        # Instances that a warm pool keeps ready hold an address each.
        (
            {
                "subnets": (SUBNET,),
                "cni_configmap": ON,
                "nodes": (WIN,),
                "node_groups": (replace(GROUP, subnet_ids=("subnet-1",), warm_pool=250),),
            },
            "fail",
        ),
        ({"subnets": (SUBNET,), "cni_configmap": ON, "nodes": ()}, "pass"),
        ({"subnets": (SUBNET,), "cni_configmap": ON}, "unknown"),
        ({"subnets": (FULL,), "cni_configmap": ON}, "fail"),
        ({"subnets": (SUBNET,)}, "unknown"),
        ({"subnets": (), "cni_configmap": ON, "nodes": (WIN,)}, "unknown"),
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
        ({"aws_auth": (replace(MAPPED, username="system:node:{{EC2PrivateDNSName}}"),)}, "pass"),
        ({"aws_auth": (replace(MAPPED, username="admin"),)}, "fail"),
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
        (
            {
                "authentication_mode": "API_AND_CONFIG_MAP",
                "node_groups": (GROUP,),
                "aws_auth": (MAPPED,),
            },
            "pass",
        ),
        # Whether aws-auth is read at all is not known.
        ({"node_groups": (GROUP,), "aws_auth": (MAPPED,)}, "unknown"),
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
        # aws-auth is not read where access entries rule alone, and the other way round.
        (
            {
                "node_groups": (CUSTOM,),
                "nodes": (replace(WIN, node_group="custom"),),
                "aws_auth": (MAPPED,),
                "authentication_mode": "API",
                "access_entries": (),
            },
            "fail",
        ),
        (
            {
                "node_groups": (CUSTOM,),
                "nodes": (replace(WIN, node_group="custom"),),
                "aws_auth": (),
                "authentication_mode": "CONFIG_MAP",
                "access_entries": (AccessEntry(role="win", type="EC2_WINDOWS"),),
            },
            "fail",
        ),
        (
            {
                "node_groups": (CUSTOM,),
                "nodes": (replace(WIN, node_group="custom"),),
                "authentication_mode": "API",
                "access_entries": (AccessEntry(role="win", type="Ec2_Windows"),),
            },
            "pass",
        ),
        ({"node_groups": (GROUP,)}, "pass"),
        ({"node_groups": (CUSTOM,)}, "unknown"),
        ({}, "unknown"),
    ],
    "shared-node-role": [
        ({"node_groups": (GROUP, replace(LINUX_GROUP, role="win"))}, "fail"),
        ({"node_groups": (GROUP, LINUX_GROUP)}, "pass"),
        ({"node_groups": (GROUP, CUSTOM)}, "unknown"),
        # Self-managed Windows nodes show their role in aws-auth alone.
        ({"node_groups": (replace(LINUX_GROUP, role="win"),), "aws_auth": (MAPPED,)}, "fail"),
        ({"node_groups": (LINUX_GROUP,), "nodes": (WIN,), "aws_auth": (MAPPED,)}, "pass"),
        ({"node_groups": (LINUX_GROUP,), "nodes": (WIN,)}, "unknown"),
        ({}, "unknown"),
    ],
    "windows-nodes-ready": [
        ({"nodes": (replace(WIN, ready=False),)}, "fail"),
        ({"nodes": (replace(WIN, ready=None),)}, "unknown"),
        ({"nodes": (WIN, replace(LINUX, ready=False))}, "pass"),
        ({"nodes": (WIN,), "node_groups": (replace(GROUP, status="ACTIVE"),)}, "pass"),
        ({"nodes": (WIN,), "node_groups": (replace(GROUP, status="DEGRADED"),)}, "fail"),
        ({"node_groups": (replace(GROUP, issues=("AsgInstanceLaunchFailures: x",)),)}, "fail"),
        ({"nodes": (WIN,), "node_groups": (replace(LINUX_GROUP, status="DEGRADED"),)}, "pass"),
        ({"nodes": ()}, "pass"),
        ({}, "unknown"),
    ],
    "kubernetes-support": [
        ({"version": "1.30"}, "fail"),
        ({"version": "1.22"}, "fail"),
        ({"version": "1.31"}, "pass"),
        ({"version": "1.40"}, "pass"),
        ({"version": "latest"}, "unknown"),
        ({}, "unknown"),
    ],
    "windows-server-version": [
        ({"version": "1.30", "nodes": (replace(WIN, build="10.0.18363.1"),)}, "fail"),
        ({"version": "1.36", "nodes": (WIN,)}, "fail"),
        ({"version": "1.35", "nodes": (WIN,)}, "pass"),
        ({"version": "1.30", "nodes": (replace(WIN, build="10.0.99999.1"),)}, "unknown"),
        ({"version": "1.34", "nodes": (replace(WIN, build="10.0.26100.1"),)}, "fail"),
        ({"version": "1.22", "node_groups": (GROUP,)}, "fail"),
        ({"version": "1.35", "nodes": (replace(WIN, build="10.0.26100.1"),)}, "pass"),
        ({"version": "1.30", "nodes": (replace(WIN, build="10.0.19042.1"),)}, "fail"),
        ({"version": "1.22", "nodes": (replace(WIN, build="10.0.20348.2700"),)}, "fail"),
        ({"version": "1.23", "nodes": (replace(WIN, build="10.0.20348.2700"),)}, "pass"),
        ({"version": "1.22", "nodes": (replace(WIN, build="10.0.17763.1"),)}, "pass"),
        (
            {
                "version": "1.34",
                "nodes": (replace(WIN, build="", os_image="Windows Server 2025 Datacenter"),),
            },
            "fail",
        ),
        (
            {
                "version": "1.34",
                "node_groups": (replace(GROUP, ami_type="WINDOWS_FULL_2025_x86_64"),),
            },
            "fail",
        ),
        ({"nodes": (WIN,)}, "unknown"),
        ({}, "unknown"),
    ],
    "kubelet-version": [
        ({"version": "1.29", "nodes": (WIN,)}, "fail"),
        ({"version": "1.34", "nodes": (WIN,)}, "fail"),
        ({"version": "1.33", "nodes": (WIN,)}, "pass"),
        ({"version": "1.30"}, "unknown"),
    ],
    "ami-release": [
        ({"node_groups": (replace(GROUP, release_version="1.34-2026.05.13"),)}, "pass"),
        ({"node_groups": (GROUP,)}, "pass"),
        ({}, "unknown"),
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
        ({"nodes": (replace(WIN, instance_type="m4.large"),)}, "fail"),
        ({"nodes": (replace(WIN, instance_type="m4.16xlarge"),)}, "pass"),
        # From the 32nd address on.
        ({"nodes": (replace(WIN, instance_type="r4.16xlarge"),)}, "fail"),
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
        (
            {"nodes": (replace(WIN, advertised_addresses=None, pods_limit=None, cpu_m=None),)},
            "unknown",
        ),
        ({"nodes": (WIN,)}, "pass"),
        ({}, "unknown"),
    ],
    "kubelet-max-pods": [
        ({"nodes": (replace(WIN, advertised_addresses=144, pods_limit=60),)}, "fail"),
        ({"nodes": (replace(WIN, pods_limit=737),)}, "fail"),
        # 110 below 30 vCPUs, 250 above.
        ({"nodes": (replace(WIN, advertised_addresses=144),)}, "pass"),
        ({"nodes": (replace(WIN, advertised_addresses=144, pods_limit=144),)}, "fail"),
        (
            {"nodes": (replace(WIN, instance_type="m5.8xlarge", advertised_addresses=464),)},
            "fail",
        ),
        (
            {
                "node_pools": (NodePool(name="w", node_class="w", instance_types=("m5.large",)),),
                "node_classes": (NodeClass(name="w", ami_family="Windows2022", max_pods=20),),
                "cni_configmap": PREFIX,
            },
            "fail",
        ),
        (
            {"node_pools": (KARPENTER,), "node_classes": (CLASS,), "cni_configmap": PREFIX},
            "unknown",
        ),
        ({"nodes": (WIN,)}, "pass"),
        (
            {"node_groups": (replace(GROUP, kubelet_max_pods=20),), "cni_configmap": PREFIX},
            "fail",
        ),
        ({"nodes": (replace(WIN, pods_limit=None),)}, "unknown"),
        ({}, "unknown"),
    ],
    "linux-max-pods-list": [
        # 3 interfaces x (10 - 1) + 2
        ({"nodes": (replace(WIN, pods_limit=29),)}, "fail"),
        ({"nodes": (WIN,)}, "pass"),
        ({"nodes": ()}, "pass"),
        ({"nodes": (replace(WIN, pods_limit=None),)}, "unknown"),
        ({}, "unknown"),
    ],
    "image-memory": [
        ({"pods": (replace(POD, memory_bytes=20 * 10**6),)}, "fail"),
        ({"pods": (replace(POD, memory_bytes=64 * 2**20), POD)}, "pass"),
        ({}, "unknown"),
    ],
    "system-memory": [
        ({"nodes": (replace(WIN, memory_bytes=8 * 2**30 - 2**20),)}, "fail"),
        ({"nodes": (WIN,)}, "pass"),
        ({"nodes": (replace(WIN, memory_bytes=None),)}, "unknown"),
        ({"nodes": (), "node_groups": (replace(GROUP, reserved_memory_mib=2048),)}, "pass"),
        ({"nodes": (), "node_groups": (replace(GROUP, reserved_memory_mib=2047),)}, "fail"),
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
        ({"workloads": (SCALER,), "cni_configmap": ON, "node_groups": (GROUP,)}, "unknown"),
        # Self-managed nodes have Auto Scaling groups that no managed group shows.
        ({"workloads": (SCALER,), "node_groups": (), "nodes": (WIN,)}, "unknown"),
        ({"workloads": (SCALER,), "node_groups": (), "nodes": (LINUX,)}, "pass"),
        # Prefixes make it 144.
        (
            {
                "workloads": (SCALER,),
                "cni_configmap": PREFIX,
                "node_groups": (replace(GROUP, autoscaling_tags=((TAG, "9"),)),),
            },
            "fail",
        ),
        ({"node_groups": (GROUP,)}, "unknown"),
    ],
    "os-selector": [
        ({"workloads": (replace(WEB, selects_os=""),)}, "fail"),
        ({"workloads": (replace(WEB, selects_os="", declares_os="windows"),)}, "fail"),
        ({"pods": (replace(POD, selects_os="", node="lin-1"),), "nodes": (LINUX,)}, "fail"),
        ({"workloads": (WEB, SCALER)}, "pass"),
        ({"workloads": (replace(WEB, selects_os="Windows"),)}, "fail"),
        # A pod that no manifest was given for is looked at itself.
        ({"workloads": (SCALER,), "pods": (replace(POD, selects_os=""),)}, "fail"),
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
        ({"services": (Service(namespace="a", name="b"),), "pods": (), "nodes": (WIN,)}, "unknown"),
        (
            {
                "services": (
                    Service(namespace="a", name="b", kind="ExternalName"),
                    Service(namespace="default", name="kubernetes"),
                ),
                "pods": (),
                "nodes": (WIN,),
            },
            "pass",
        ),
        ({"services": (Service(namespace="a", name="b", selector=(("x", "y"),)),)}, "unknown"),
        ({}, "unknown"),
    ],
    "pods-get-addresses": [
        (
            {
                "nodes": (replace(WIN, advertised_addresses=0),),
                "pods": (replace(POD, node="win-1", phase="Pending"),),
            },
            "fail",
        ),
        (
            {
                "nodes": (WIN,),
                "pods": (replace(POD, node="win-1", phase="Pending", requests_address=False),),
            },
            "fail",
        ),
        ({"nodes": (WIN,), "pods": (replace(POD, node="win-1", phase="Running"),)}, "pass"),
        ({"pods": ()}, "unknown"),
        ({}, "unknown"),
    ],
    "bootstrap-without-ami": [
        ({"node_groups": (replace(GROUP, bootstraps=True, custom_ami=False),)}, "fail"),
        ({"node_groups": (replace(GROUP, bootstraps=True, custom_ami=True),)}, "pass"),
        ({"node_groups": (replace(GROUP, bootstraps=True, managed=False),)}, "pass"),
        ({"node_groups": (replace(GROUP, launch_template="lt-1 version 1"),)}, "unknown"),
        ({}, "unknown"),
    ],
    "service-cidr": [
        ({"service_cidr": "10.99.0.0/16", "node_groups": (STARTED,)}, "fail"),
        (
            {
                "service_cidr": "10.99.0.0/16",
                "node_groups": (replace(STARTED, service_cidr="10.99.0.0/16"),),
            },
            "pass",
        ),
        (
            {
                "service_cidr": "10.99.0.0/16",
                "node_groups": (replace(STARTED, bootstraps=None, user_data_known=False),),
            },
            "unknown",
        ),
        ({"service_cidr": "172.20.0.0/16"}, "pass"),
        ({"service_cidr": "10.99.0.0/16"}, "unknown"),
        ({}, "unknown"),
    ],
    "direct-server-return": [
        ({"services": MANY, "node_groups": (STARTED,)}, "fail"),
        ({"services": MANY, "node_groups": (replace(STARTED, dsr=True),)}, "pass"),
        ({"services": MANY[:100], "node_groups": (STARTED,)}, "pass"),
        ({"services": MANY, "nodes": (LINUX,)}, "pass"),
        ({"services": MANY, "nodes": (WIN,)}, "unknown"),
        ({}, "unknown"),
    ],
    "launch-prefixes": [
        ({"node_groups": (replace(GROUP, prefixes=2),), "cni_configmap": ON}, "fail"),
        ({"node_groups": (replace(GROUP, prefixes=99),), "cni_configmap": PREFIX}, "fail"),
        ({"node_groups": (replace(GROUP, prefixes=9),), "cni_configmap": PREFIX}, "pass"),
        ({"node_groups": (replace(GROUP, prefixes=10),), "cni_configmap": PREFIX}, "fail"),
        (
            {
                "node_groups": (replace(GROUP, prefixes=1, instance_types=("m4.large",)),),
                "cni_configmap": PREFIX,
            },
            "fail",
        ),
        ({"node_groups": (replace(GROUP, prefixes=2),)}, "unknown"),
        ({"node_groups": (GROUP,)}, "pass"),
        (
            {
                "node_pools": (KARPENTER,),
                "node_classes": (replace(CLASS, prefixes=2),),
                "cni_configmap": ON,
            },
            "fail",
        ),
        ({}, "unknown"),
    ],
    "local-cluster": [
        ({"local_cluster": True}, "fail"),
        ({"local_cluster": False}, "pass"),
        ({}, "unknown"),
    ],
    "windows-ami-regions": [
        ({"node_groups": (GROUP,), "region": "cn-north-1", "nodes": ()}, "fail"),
        ({"node_groups": (GROUP,), "region": "eu-west-1", "nodes": ()}, "pass"),
        ({"node_groups": (replace(GROUP, ami_type="CUSTOM"),), "region": "cn-north-1"}, "pass"),
        ({"node_groups": (replace(GROUP, managed=False),), "region": "cn-north-1"}, "pass"),
        ({"node_groups": (GROUP,)}, "unknown"),
        # A node that runs tells more than the reference.
        (
            {
                "node_groups": (GROUP,),
                "nodes": (replace(WIN, node_group=GROUP.name, zone="us-gov-west-1a"),),
            },
            "pass",
        ),
        ({}, "unknown"),
    ],
    "karpenter-node-os": [
        ({"node_pools": (replace(KARPENTER, systems=()),), "workloads": (LOGS,)}, "fail"),
        ({"node_pools": (replace(KARPENTER, systems=()),), "workloads": (WEB,)}, "fail"),
        ({"node_pools": (replace(KARPENTER, systems=()),), "workloads": (SCALER,)}, "pass"),
        ({"node_pools": (KARPENTER,)}, "pass"),
        ({"node_pools": (replace(KARPENTER, systems=()),)}, "unknown"),
        # Nothing tells of Karpenter, and manifests do not name it.
        ({"workloads": (WEB,)}, "pass"),
        ({"workloads": (replace(SCALER, name="karpenter"),)}, "unknown"),
        ({"nodes": (replace(WIN, node_pool="windows"),), "workloads": (WEB,)}, "unknown"),
        ({}, "unknown"),
    ],
    "karpenter-ami-family": [
        (
            {"node_pools": (KARPENTER,), "node_classes": (replace(CLASS, ami_family="AL2023"),)},
            "fail",
        ),
        (
            {"node_pools": (replace(KARPENTER, systems=("linux",)),), "node_classes": (CLASS,)},
            "fail",
        ),
        ({"node_pools": (KARPENTER,), "node_classes": (CLASS,)}, "pass"),
        ({"node_pools": (KARPENTER,)}, "unknown"),
        (
            {"node_pools": (KARPENTER,), "node_classes": (replace(CLASS, ami_family="Custom"),)},
            "unknown",
        ),
        ({"workloads": (WEB,)}, "pass"),
        ({}, "unknown"),
    ],
    "karpenter-limits": [
        ({"node_pools": (replace(KARPENTER, used=(("cpu", "8"),)),)}, "fail"),
        ({"node_pools": (replace(KARPENTER, used=(("cpu", "7999m"),)),)}, "pass"),
        ({"node_pools": (replace(KARPENTER, limits=()),)}, "pass"),
        ({"node_pools": (KARPENTER,)}, "unknown"),
        ({"workloads": (WEB,)}, "pass"),
        ({}, "unknown"),
    ],
    "karpenter-node-claims": [
        ({"node_claims": (replace(CLAIM, open=(LAUNCH,)),)}, "fail"),
        ({"node_claims": (replace(CLAIM, open=(UNSERVED,)),)}, "fail"),
        ({"node_claims": (replace(CLAIM, open=(LAUNCH,), systems=("linux",)),)}, "pass"),
        # Not launched yet, and not joined yet, is how every node begins.
        ({"node_claims": (CLAIM,)}, "pass"),
        ({"node_claims": (replace(CLAIM, open=()),)}, "pass"),
        ({"node_pools": (KARPENTER,), "pods": ()}, "pass"),
        (
            {"node_pools": (KARPENTER,), "pods": (replace(POD, node="", phase="Pending"),)},
            "unknown",
        ),
        ({"workloads": (WEB,)}, "pass"),
        ({}, "unknown"),
    ],
    "windows-build-match": [
        ({"nodes": MIXED, "workloads": (WEB,)}, "fail"),
        ({"nodes": MIXED, "workloads": (replace(WEB, selects_build="10.0.17763"),)}, "pass"),
        ({"nodes": MIXED, "workloads": (replace(WEB, host_process=True), SCALER)}, "pass"),
        ({"nodes": (WIN,), "workloads": (WEB,)}, "pass"),
        ({"nodes": MIXED}, "unknown"),
        ({}, "unknown"),
    ],
    "windows-volumes": [
        ({"workloads": (replace(WEB, csi_drivers=("efs.csi.aws.com",)),)}, "fail"),
        ({"workloads": (replace(WEB, csi_drivers=("ebs.csi.aws.com",)),)}, "fail"),
        ({"workloads": (replace(WEB, csi_drivers=("ebs.csi.aws.com",)), CSI)}, "pass"),
        ({"workloads": (WEB,)}, "pass"),
        ({"pods": (replace(POD, csi_drivers=("secrets-store.csi.k8s.io",)),)}, "pass"),
        ({"pods": (replace(POD, csi_drivers=("ebs.csi.aws.com",)),)}, "unknown"),
        ({"pods": (replace(POD, csi_drivers=("",)),)}, "unknown"),
        # An AMI of your own may lack csi-proxy, which a HostProcess does without.
        (
            {
                "workloads": (replace(WEB, csi_drivers=("ebs.csi.aws.com",)), CSI),
                "nodes": (replace(WIN, node_group="custom"),),
                "node_groups": (CUSTOM,),
            },
            "unknown",
        ),
        (
            {
                "workloads": (
                    replace(WEB, csi_drivers=("ebs.csi.aws.com",)),
                    replace(CSI, host_process=True),
                ),
                "nodes": (replace(WIN, node_group="custom"),),
                "node_groups": (CUSTOM,),
            },
            "pass",
        ),
        ({}, "unknown"),
    ],
    "gmsa-credentials": [
        ({"pods": (replace(POD, gmsa_unfilled="web"),)}, "fail"),
        ({"pods": (replace(POD, gmsa_unfilled="web", phase="Succeeded"),)}, "pass"),
        # A manifest never holds the contents: only its pods tell whether they are filled in.
        ({"workloads": (replace(WEB, gmsa_unfilled="web"),)}, "unknown"),
        (
            {
                "workloads": (replace(WEB, gmsa_unfilled="web"),),
                "pods": (replace(POD, owner="Deployment/web"),),
            },
            "pass",
        ),
        ({"pods": (POD,)}, "pass"),
        ({}, "unknown"),
    ],
    "event-log-collected": [
        ({"workloads": (WEB,)}, "fail"),
        ({"workloads": (LOGS,)}, "pass"),
        # What a DaemonSet of another name does is not known.
        ({"workloads": (replace(LOGS, name="agent"),)}, "unknown"),
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
    findings = [f for f in check_cluster(ClusterState(**parts), catalog=catalog) if f.code == code]
    assert outcome in {f.outcome for f in findings}
    if outcome == "pass":
        assert {f.outcome for f in findings} == {"pass"}
    for finding in findings:
        assert finding.seen
        assert finding.why
        assert finding.source
        assert finding.remedy or finding.outcome == "pass"


def test_each_check_fails_passes_and_does_not_know():
    assert set(CASES) == {rule.code for rule in CHECKS}
    for code, cases in CASES.items():
        # The age of an AMI fails by the day alone, in the golden clusters.
        expected = {"fail", "pass", "unknown"} - ({"fail"} if code == "ami-release" else set())
        assert {outcome for _, outcome in cases} == expected, code


CONSIDERATIONS = {
    "windows-platform-version": "platform version",
    "prefix-platform-version": "prefix delegation",
    "ip-family": "ipv6",
    "custom-networking": "custom networking",
    "security-groups-for-pods": "security groups",
    "fargate-windows-pods": "fargate",
    "auto-mode-windows-pods": "auto mode",
    "hybrid-windows-pods": "hybrid nodes",
    "arch-selector": "amd64",
    "coredns-capacity": "coredns",
    "coredns-redundancy": "two linux",
    "kubernetes-support": "extended support",
    "legacy-windows-support": "legacy",
    "resource-controller-policy": "amazoneksvpcresourcecontroller",
    "windows-ipam-enabled": "enable-windows-ipam",
    "prefix-delegation-nitro": "nitro",
    "warm-targets": "warm targets",
    "aws-auth-mapping": "three groups",
    "access-entry": "ec2_windows",
    "custom-ami-mapping": "custom ami",
    "shared-node-role": "linux nodes",
    "os-selector": "operating system",
    "windows-server-version": "2025 from 1.35",
    "kubelet-version": "kubernetes version",
    "ami-release": "four months",
    "instance-type-windows": "cannot run windows",
    "instance-type-caveats": "32nd",
    "instance-type-controller": "controller may not know",
    "node-advertises-addresses": "one interface",
    "windows-nodes-ready": "ready",
    "kubelet-max-pods": "110, at most 250",
    "linux-max-pods-list": "linux max-pods lists",
    "system-memory": "2 gib",
    "image-memory": "45 mb",
    "service-backends": "17763.2746",
    "event-log-collected": "200 mb",
    "subnet-room": "/28",
    "control-plane-room": "at least 6, recommended 16",
    "autoscaler-node-template": "node-template tag",
    "pods-get-addresses": "placed pods",
    "bootstrap-without-ami": "bootstrap script",
    "service-cidr": "service cidr",
    "direct-server-return": "direct server return",
    "launch-prefixes": "ipprefixcount",
    "local-cluster": "outpost",
    "windows-ami-regions": "commercial regions",
    "karpenter-node-os": "nodepools",
    "karpenter-ami-family": "ami family",
    "karpenter-limits": "limits",
    "karpenter-node-claims": "nodeclaims",
    "windows-build-match": "own release",
    "windows-volumes": "csi-proxy",
    "gmsa-credentials": "gmsa",
}
"""Of every consideration and step of the EKS guide and its neighbours: its code, and a word."""

ROWS = re.findall(
    r"^\| (?P<what>[^|]+) \| (?P<by>`[^|]+`) \|$",
    (Path(__file__).parents[2] / "docs" / "considerations.md").read_text("utf-8"),
    re.MULTILINE,
)


def test_every_consideration_of_the_guide_has_a_check():
    assert set(CONSIDERATIONS) == {rule.code for rule in CHECKS}


def test_the_table_in_the_docs_names_what_covers_each_consideration():
    import eks_win_capacity as ewc

    covered = [(what.lower(), by.replace("`", "").split(", ")) for what, by in ROWS]
    codes = {rule.code for rule in CHECKS}
    for code, word in CONSIDERATIONS.items():
        assert any(code in by and word in what for what, by in covered), code
    for what, by in covered:
        for name in by:
            assert name in codes or hasattr(ewc, name.partition(".")[0]), (what, name)


def test_each_check_says_where_its_rule_stands():
    for rule in CHECKS:
        assert re.search(r"https://\S+$", rule.source), rule.code
        assert rule.severity in {"error", "warning", "info"}
        assert rule.why


def test_nothing_known_means_nothing_passed():
    assert {f.outcome for f in check_cluster(ClusterState())} == {"unknown"}


def outcomes(**parts):
    by_code = {}
    for finding in check_cluster(ClusterState(**parts)):
        by_code.setdefault(finding.code, set()).add(finding.outcome)
    return by_code


AWS_SIDE = {
    "windows-platform-version", "prefix-platform-version", "ip-family", "resource-controller-policy",
    "custom-networking", "security-groups-for-pods", "fargate-windows-pods",
    "auto-mode-windows-pods", "hybrid-windows-pods", "windows-ipam-enabled",
    "prefix-delegation-nitro", "warm-targets", "subnet-room", "control-plane-room",
    "aws-auth-mapping", "access-entry", "custom-ami-mapping", "shared-node-role",
    "windows-server-version", "kubelet-version",
}  # fmt: skip


def test_nodes_and_pods_alone_tell_nothing_of_aws():
    nodes = (WIN, LINUX, replace(LINUX, name="lin-2"))
    by_code = outcomes(nodes=nodes, pods=(replace(POD, node="win-1", phase="Running"),))
    for code in AWS_SIDE:
        assert by_code[code] == {"unknown"}, code
    assert by_code["coredns-capacity"] == {"pass"}
    assert by_code["kubelet-max-pods"] == {"pass"}


HEALTHY = {
    "name": "prod",
    "region": "eu-west-1",
    "version": "1.31",
    "platform_version": "eks.12",
    "ip_family": "ipv4",
    "authentication_mode": "API_AND_CONFIG_MAP",
    "auto_mode": False,
    "hybrid_nodes": False,
    "cluster_role": "prod-cluster",
    "cluster_role_policies": ("AmazonEKSClusterPolicy", "AmazonEKSVPCResourceController"),
    "vpc_id": "vpc-1",
    "subnet_ids": ("subnet-1",),
    "service_cidr": "172.20.0.0/16",
    "local_cluster": False,
    "node_groups": (
        replace(GROUP, version="1.31", subnet_ids=("subnet-1",), autoscaling_tags=((TAG, "9"),)),
        LINUX_GROUP,
    ),
    "fargate_profiles": (),
    "access_entries": (),
    "addons": (),
    "subnets": (SUBNET,),
    "cni_configmap": ON,
    "cni_env": {"ENABLE_POD_ENI": "false"},
    "aws_auth": (MAPPED,),
    "nodes": (
        replace(WIN, node_group="win", build="10.0.20348.2700", kubelet_version="v1.31.2-eks-1"),
        replace(LINUX, node_group="lin"),
        replace(LINUX, name="lin-2", node_group="lin"),
    ),
    "pods": (replace(POD, node="win-1", phase="Running", owner="Deployment/web"),),
    "workloads": (WEB, SCALER, LOGS),
    "services": (Service(namespace="default", name="web", backends=1),),
    "security_group_policies": (),
}


def healthy(**parts):
    nodes = HEALTHY["nodes"]
    kept = replace(nodes[0], memory_bytes=(8 * 1024 - 2048) * 2**20)
    return ClusterState(**{**HEALTHY, "nodes": (kept, *nodes[1:]), **parts})


def test_a_cluster_as_the_guide_wants_it_passes_every_check():
    findings = check_cluster(healthy())
    assert [(f.code, f.seen) for f in findings if f.outcome != "pass"] == []
    assert {f.code for f in findings} == {rule.code for rule in CHECKS}
    assert remedies(findings) == {}


@pytest.mark.parametrize(
    ("part", "codes"),
    [
        ("node_groups", {"custom-ami-mapping", "shared-node-role", "instance-type-windows"}),
        ("fargate_profiles", {"fargate-windows-pods"}),
        ("security_group_policies", {"security-groups-for-pods"}),
        ("workloads", {"os-selector", "arch-selector"}),
        ("access_entries", {"access-entry"}),
    ],
)
def test_half_a_list_is_no_ground_for_a_pass(part, codes):
    halved = ClusterState(
        **{name: getattr(healthy(), name) for name in HEALTHY}, unknown={part: "page 2 was refused"}
    )
    by_code = {}
    for finding in check_cluster(halved):
        by_code.setdefault(finding.code, []).append(finding)
    for code in codes:
        assert "unknown" in {f.outcome for f in by_code[code]}, code
        assert "page 2 was refused" in by_code[code][-1].seen


def test_an_old_platform_is_an_error_only_where_prefixes_are_wanted():
    def severity(**parts):
        state = ClusterState(version="1.25", platform_version="eks.4", **parts)
        return {
            (f.outcome, f.severity)
            for f in check_cluster(state)
            if f.code == "prefix-platform-version"
        }

    assert severity(cni_configmap=PREFIX) == {("fail", "error")}
    assert severity() == {("fail", "warning")}
    assert severity(cni_configmap=ON) == {("pass", "error")}


def test_the_severity_of_a_missing_selector_depends_on_the_taints():
    linux = replace(SCALER, selects_os="", declares_os="linux")

    def severity(*nodes):
        findings = check_cluster(ClusterState(workloads=(linux,), nodes=nodes))
        return next(f.severity for f in findings if f.code == "os-selector" and f.outcome == "fail")

    assert severity(WIN) == "error"
    assert severity(replace(WIN, taints=("os=windows:NoSchedule",))) == "warning"
    assert severity(LINUX) == "warning"


def test_max_pods_as_aws_suggests_is_no_warning():
    def verdict(**how):
        nodes = (replace(WIN, **{"advertised_addresses": 144, **how}),)
        return next(
            f for f in check_cluster(ClusterState(nodes=nodes)) if f.code == "kubelet-max-pods"
        )

    assert verdict().outcome == "pass"
    assert "34 stay unused" in verdict().seen
    assert (verdict(pods_limit=60).outcome, verdict(pods_limit=60).severity) == ("fail", "warning")
    assert (verdict(pods_limit=144).outcome, verdict(pods_limit=144).severity) == ("fail", "info")
    assert "at most 110" in verdict(pods_limit=144).seen
    large = {"instance_type": "m5.8xlarge", "advertised_addresses": 464}
    assert (verdict(**large).outcome, verdict(**large).severity) == ("fail", "info")
    assert "--max-pods=250" in verdict(**large).remedy
    assert "at most 250" in verdict(**large, pods_limit=300).seen


def broken(**parts):
    """Give a cluster that needs every file there is."""
    return healthy(
        **{
            "cni_configmap": {"windows-minimum-ip-target": "2", "note": 'it\'s "ours": yes'},
            "aws_auth": (replace(MAPPED, groups=("team:x", "system:nodes")),),
            "node_groups": (replace(GROUP, autoscaling_tags=(), autoscaling_groups=("asg-1",)),),
            "nodes": (
                replace(
                    WIN,
                    node_group="win",
                    advertised_addresses=144,
                    pods_limit=60,
                    memory_bytes=2**33,
                ),
                LINUX,
            ),
            **parts,
        }
    )


def test_remedies_are_files_that_apply():
    import yaml

    state = broken()
    files = remedies(check_cluster(state))
    assert set(files) == {
        "amazon-vpc-cni.yaml",
        "aws-auth-win.yaml",
        "bootstrap-arguments-m5.large.txt",
        "node-template-tags-win.json",
    }
    configmap = yaml.safe_load(files["amazon-vpc-cni.yaml"])
    assert (configmap["kind"], configmap["metadata"]["namespace"]) == ("ConfigMap", "kube-system")
    # What was there stays; what starved pods is mended in the same file.
    assert configmap["data"] == {
        **state.cni_configmap,
        "enable-windows-ipam": "true",
        "windows-warm-ip-target": "3",
    }
    (entry,) = yaml.safe_load(files["aws-auth-win.yaml"])
    assert entry["groups"] == ["team:x", "system:nodes", "system:bootstrappers", GROUPS[2]]
    assert entry["username"] == "system:node:{{EC2PrivateDNSName}}"
    assert entry["rolearn"] == "arn:aws:iam::${AWS_ACCOUNT_ID}:role/win"
    assert "In place of the entry of win" in files["aws-auth-win.yaml"]
    arguments = files["bootstrap-arguments-m5.large.txt"]
    assert arguments.startswith("-KubeletExtraArgs '--max-pods=110 --kube-reserved memory=0.5Gi")
    tags = json.loads(files["node-template-tags-win.json"])["Tags"]
    assert {tag["ResourceId"] for tag in tags} == {"asg-1"}
    assert (tags[0]["Key"], tags[0]["Value"]) == (TAG, "9")
    mended = replace(
        state,
        cni_configmap=configmap["data"],
        aws_auth=(replace(MAPPED, groups=tuple(entry["groups"])),),
    )
    outcome_of = {f.code: f.outcome for f in check_cluster(mended)}
    assert outcome_of["windows-ipam-enabled"] == outcome_of["aws-auth-mapping"] == "pass"
    assert outcome_of["warm-targets"] == "pass"


def test_remedies_are_written_where_they_are_asked_for(tmp_path):
    import yaml

    files = remedies(
        check_cluster(broken(region="cn-north-1")),
        account_id="123456789012",
        folder=tmp_path / "fixes",
    )
    assert {path.name for path in (tmp_path / "fixes").iterdir()} == set(files)
    text = (tmp_path / "fixes" / "aws-auth-win.yaml").read_text("utf-8")
    assert yaml.safe_load(text)[0]["rolearn"] == "arn:aws-cn:iam::123456789012:role/win"
    assert "AWS_ACCOUNT_ID" not in text
    for wrong in ("12345678901", "12345678901x", "", "1234567890123"):
        with pytest.raises(InputError):
            remedies((), account_id=wrong)


def test_names_of_others_lead_nowhere():
    import yaml

    evil = "../../x;rm -rf /'\n- rolearn: y"
    group = replace(GROUP, name=evil, role="w: {x}\ny", autoscaling_tags=())
    state = broken(name="a b;c", node_groups=(group,), aws_auth=())
    findings = check_cluster(state)
    for name, text in remedies(findings).items():
        assert "/" not in name
        assert "\n" not in name
        if name.endswith(".yaml"):
            yaml.safe_load(text)
    entry = yaml.safe_load(
        next(t for n, t in remedies(findings).items() if n.startswith("aws-auth-w"))
    )
    assert entry[0]["rolearn"].endswith("role/w: {x}\ny")
    tags = next(f for f in findings if f.code == "autoscaler-node-template")
    assert "--cluster-name 'a b;c'" in tags.remedy


def test_commands_hold_the_names_of_the_cluster_and_no_made_up_ones():
    made_up = re.compile(
        r"(?<![$\w{])(NAME|ROLE|GROUP|CLUSTER|NODE|SUBNET|CIDR|ACCOUNT_ID)(?![\w:])"
    )
    states = [broken(), ClusterState(), ClusterState(name="prod")]
    for cases in CASES.values():
        states += [ClusterState(**{"name": "prod", **parts}) for parts, _ in cases]
    for state in states:
        for finding in check_cluster(state):
            assert not made_up.search(finding.remedy), (finding.code, finding.remedy)
    (refused,) = (
        f
        for f in check_cluster(
            ClusterState(name="prod", cluster_role="r", cluster_role_policies=())
        )
        if f.code == "resource-controller-policy"
    )
    assert refused.remedy == (
        "aws iam attach-role-policy --role-name r --policy-arn "
        "arn:aws:iam::aws:policy/AmazonEKSVPCResourceController"
    )


def test_account_ids_stay_out_of_findings():
    reason = "AccessDenied: arn:aws:iam::123456789012:user/me may not call eks:DescribeNodegroup"
    state = ClusterState(
        pods=(replace(POD, name="x", message="123456789012.dkr.ecr.eu-west-1.amazonaws.com/x"),),
        unknown={"node_groups": reason, "access_entries": reason},
    )
    for finding in check_cluster(state):
        assert "123456789012" not in json.dumps(finding.to_dict())


def remedy_of(code, **parts):
    findings = check_cluster(ClusterState(**{"name": "prod", **parts}))
    return next(f for f in findings if f.code == code and f.outcome == "fail").remedy


def test_selectors_are_added_by_commands_that_name_the_manifests():
    makers = [replace(WEB, selects_os="", declares_os="windows", name=f"w{n}") for n in range(5)]
    remedy = remedy_of("os-selector", workloads=makers)
    assert (
        "kubectl patch deployment -n default w0 --type merge -p "
        """'{"spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/os": "windows"}}}}}'"""
    ) in remedy
    assert remedy.count("kubectl patch") == 3
    assert "and 2 more alike" in remedy
    remedy = remedy_of("arch-selector", workloads=(replace(WEB, kind="CronJob", selects_arch=""),))
    assert '{"spec": {"jobTemplate": {"spec": {"template":' in remedy
    # A bare pod cannot be patched.
    assert "kubectl patch" not in remedy_of("arch-selector", pods=(replace(POD, selects_arch=""),))


def test_where_its_pods_run_tells_what_a_manifest_is_for():
    silent = replace(WEB, selects_os="", selects_arch="")
    runs = replace(POD, selects_os="", owner="Deployment/web", node="lin-1")
    findings = check_cluster(ClusterState(workloads=(silent,), pods=(runs,), nodes=(LINUX, WIN)))
    finding = next(f for f in findings if f.code == "os-selector")
    assert (finding.subject, finding.severity) == ("linux", "error")
    assert "Deployment default/web" in finding.seen
    alone = next(
        f for f in check_cluster(ClusterState(workloads=(silent,))) if f.code == "os-selector"
    )
    assert alone.subject == ""
    assert "as the image is" in alone.remedy


def test_what_aws_refused_is_cured_by_a_permission_and_not_by_the_same_call():
    refused = {
        "node_groups": "ListNodegroups in eu-west-1 failed: AccessDenied: no; allow the action "
        "eks:ListNodegroups for the caller"
    }
    state = ClusterState(unknown=refused).merge(ClusterState()).merge(ClusterState(nodes=()))
    findings = [f for f in check_cluster(state) if "ListNodegroups" in f.seen]
    assert findings
    for finding in findings:
        assert finding.seen.startswith("not known: ")
        assert finding.remedy.startswith("allow the action eks:ListNodegroups for the caller")
        assert "describe-nodegroup" not in finding.remedy


@given(st.from_regex(r"[a-z0-9-]+:[A-Za-z]+", fullmatch=True), st.text(max_size=30))
def test_a_reason_says_what_was_refused_and_its_words_alone_say_so_too(action, words):
    reason = Unknown(f"{words}; {allowing(action)}", action=action)
    state = ClusterState(unknown={"nodes": reason})
    assert state.unknown["nodes"] is reason
    for copied in (ClusterState.from_dict(state.to_dict()), pickle.loads(pickle.dumps(state))):
        again = copied.unknown["nodes"]
        assert (again, again.action, again.asked) == (reason, action, True)
        assert copied.unknown["pods"].asked is False
    assert type(json.loads(json.dumps(state.to_dict()))["unknown"]["nodes"]) is str


def test_where_aws_refused_nothing_no_permission_is_asked_for():
    state = ClusterState(unknown={"nodes": "another tool said; allow the action of your choice"})
    assert state.unknown["nodes"].action == ""
    assert how_told(state, ["nodes"]) == "add the output of: kubectl get nodes -o json"


def test_the_vpc_cni_is_not_asked_for_as_an_add_on_that_it_is_not():
    (finding,) = [
        f for f in check_cluster(ClusterState(addons=())) if f.code == "custom-networking"
    ]
    assert finding.seen == "not known: cni env: no source told"
    assert "describe-addon" not in finding.remedy


def test_a_type_that_does_not_do_has_one_that_does():
    for name in ("m4.large", "m6g.large", "dl1.24xlarge"):
        code = "prefix-delegation-nitro" if name == "m4.large" else "instance-type-windows"
        remedy = remedy_of(code, nodes=(replace(WIN, instance_type=name),), cni_configmap=PREFIX)
        other = Catalog.bundled()[re.search(r"such as ([\w.-]+)", remedy)[1].rstrip(".:")]
        old = Catalog.bundled()[name]
        assert other.windows.status == "supported"
        assert other.nitro
        assert (other.vcpus, other.memory_mib) >= (old.vcpus, old.memory_mib)


def test_custom_networking_of_linux_nodes_stays_on():
    env = {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}
    (finding,) = [
        f for f in check_cluster(ClusterState(cni_env=env)) if f.code == "custom-networking"
    ]
    assert (finding.outcome, finding.severity) == ("fail", "warning")
    assert "false" not in finding.remedy


def test_an_idle_daemonset_for_windows_asks_nothing_of_fargate_or_auto_mode():
    idle = replace(WEB, kind="DaemonSet", namespace="kube-system", name="ebs-csi-node-windows")
    idle = replace(idle, selects_arch="")
    state = ClusterState(
        workloads=(idle,), pods=(), nodes=(LINUX,), auto_mode=True, fargate_profiles=(KUBE_SYSTEM,)
    )
    by_code = {f.code: f for f in check_cluster(state)}
    assert by_code["auto-mode-windows-pods"].outcome == "pass"
    assert by_code["fargate-windows-pods"].outcome == "pass"
    assert by_code["arch-selector"].severity == "info"
    asking = replace(idle, selects_compute="auto")
    again = {f.code: f for f in check_cluster(replace(state, workloads=(asking,)))}
    assert again["auto-mode-windows-pods"].outcome == "fail"


@pytest.mark.parametrize("name", ["a$(touch x)", "a`touch x`", 'a"; touch x; "', "a'; touch x; '"])
def test_no_name_of_a_file_is_run_by_a_shell(name, tmp_path):
    group = replace(GROUP, role=name, autoscaling_tags=(), autoscaling_groups=(name,))
    linux = replace(LINUX_GROUP, name=name, role=name)
    state = broken(name=name, node_groups=(group, linux), aws_auth=(), authentication_mode=None)
    for finding in check_cluster(state):
        if (
            finding.code not in {"aws-auth-mapping", "autoscaler-node-template"}
            or not finding.remedy
        ):
            continue
        ran = subprocess.run(
            [
                "bash",
                "-c",
                f"aws() {{ :; }}; eksctl() {{ :; }}; {finding.remedy.partition('; the role')[0]}",
            ],
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert ran.returncode == 0, (finding.remedy, ran.stderr)
    assert not list(tmp_path.iterdir())


def test_a_role_that_no_node_is_known_to_have_serves_none():
    mapped = RoleMapping(role="other", groups=GROUPS)
    entry = AccessEntry(role="other", type="EC2_WINDOWS")
    alone = {"nodes": (WIN,), "node_groups": (), "aws_auth": (mapped,), "access_entries": (entry,)}
    for mode, code in (("CONFIG_MAP", "aws-auth-mapping"), ("API", "access-entry")):
        assert outcomes(authentication_mode=mode, **alone)[code] == {"unknown"}
    managed = {**alone, "node_groups": (GROUP,), "nodes": (replace(WIN, node_group="win"),)}
    # Another role with the groups does nothing for the one that the nodes have.
    for mode, code in (("CONFIG_MAP", "aws-auth-mapping"), ("API", "access-entry")):
        assert outcomes(authentication_mode=mode, **managed)[code] == {"fail"}


def test_a_mapping_of_another_account_does_not_serve_the_nodes():
    def mapped_from(account, role_account="111122223333"):
        arn = f"arn:aws:iam::{account}:role/win"
        role = f"arn:aws:iam::{role_account}:role/win"
        cluster = {"name": "prod", "accessConfig": {"authenticationMode": "CONFIG_MAP"}}
        group = {"nodegroupName": "win", "nodeRole": role, "amiType": "WINDOWS_CORE_2022_x86_64"}
        mapping = [{"rolearn": arn, "groups": list(GROUPS)}]
        auth = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"namespace": "kube-system", "name": "aws-auth"},
            "data": {"mapRoles": json.dumps(mapping)},
        }
        state = load_files(
            {"cluster": cluster}, {"nodegroup": group}, {"nodegroups": ["win"]}, auth
        )
        # Also after the state has been saved: account ids are not in it.
        assert "1111" not in json.dumps(state.to_dict())
        again = ClusterState.from_dict(state.to_dict())
        return next(f for f in check_cluster(again) if f.code == "aws-auth-mapping")

    assert mapped_from("111122223333").outcome == "pass"
    other = mapped_from("444455556666")
    assert other.outcome == "fail"
    assert "of another account than the nodes' role" in other.seen
    masked = mapped_from("************")
    assert masked.outcome == "pass"
    assert "its id is masked" in masked.seen
    assert mapped_from("444455556666", "XXXX").outcome == "pass"


@pytest.mark.parametrize(
    "code",
    [
        "aws-auth-mapping", "instance-type-caveats", "instance-type-controller",
        "instance-type-windows", "linux-max-pods-list", "prefix-delegation-nitro",
        "windows-build-match", "windows-server-version",
    ],
)  # fmt: skip
def test_nothing_is_said_of_nodes_that_were_not_loaded(code):
    # Self-managed nodes and those of Karpenter are in no node group.
    parts = {
        "node_groups": (), "aws_auth": (), "cni_configmap": PREFIX, "version": "1.30",
        "authentication_mode": "CONFIG_MAP", "region": "eu-west-1",
    }  # fmt: skip
    assert outcomes(**parts)[code] == {"unknown"}
    assert outcomes(**parts, nodes=())[code] == {"pass"}


def test_prefixes_at_launch_are_not_known_without_the_classes_of_karpenter():
    parts = {"node_groups": (), "node_pools": (NodePool(name="win"),)}
    assert outcomes(**parts)["launch-prefixes"] == {"unknown"}
    assert outcomes(**parts, node_classes=())["launch-prefixes"] == {"pass"}


def test_a_service_of_linux_pods_alone_is_a_warning():
    service = Service(namespace="default", name="web", selector=POD.labels, backends=1100)

    def severity(system):
        pod = replace(POD, selects_os=system)
        findings = check_cluster(ClusterState(services=(service,), nodes=(WIN,), pods=(pod,)))
        return next(f.severity for f in findings if f.code == "service-backends")

    assert severity("linux") == "warning"
    assert severity("windows") == "error"


def test_a_name_with_a_line_end_adds_nothing_to_a_manifest():
    import yaml

    role = "x\n- rolearn: arn:aws:iam::1:role/admin\n  groups: [system:masters]\n# "
    state = broken(
        node_groups=(replace(GROUP, role=role),), aws_auth=(RoleMapping(role=role, groups=()),)
    )
    texts = [t for n, t in remedies(check_cluster(state)).items() if n.startswith("aws-auth")]
    assert [len(yaml.safe_load(text)) for text in texts] == [1]


def test_a_group_with_a_role_of_its_own_is_like_the_old_one():
    group = replace(GROUP, subnet_ids=("subnet-1", "subnet-2"))
    remedy = remedy_of("shared-node-role", node_groups=(group, replace(LINUX_GROUP, role="win")))
    assert (
        "aws eks create-nodegroup --cluster-name prod --nodegroup-name win-own-role --subnets "
        "subnet-1 subnet-2 --instance-types m5.large --ami-type WINDOWS_CORE_2022_x86_64"
    ) in remedy


def test_a_hidden_key_says_what_was_meant():
    import yaml

    data = {
        **ON,
        "warm-ip-target": "1",
        "minimum-ip-target": "3",
        "windows-warm-ip-target": "5",
        "windows-minimum-ip-target": "many",
    }
    findings = check_cluster(ClusterState(cni_configmap=data))
    trap = next(f for f in findings if f.code == "warm-targets")
    assert """-p '{"data": {"warm-ip-target": "5"}}'""" in trap.remedy
    kept = yaml.safe_load(remedies(findings)["amazon-vpc-cni.yaml"])["data"]
    assert kept == {**data, "warm-ip-target": "5"}


def test_the_entry_of_a_role_that_linux_nodes_need_is_not_taken_away():
    def remedy(*groups):
        state = ClusterState(
            name="prod",
            authentication_mode="API",
            node_groups=(GROUP, *groups),
            access_entries=(AccessEntry(role="win", type="EC2_LINUX"),),
        )
        return next(f for f in check_cluster(state) if f.code == "access-entry").remedy

    assert "delete-access-entry" in remedy(LINUX_GROUP)
    shared = remedy(replace(LINUX_GROUP, role="win"))
    assert "delete-access-entry" not in shared
    assert "a separate role for Windows nodes" in shared


def test_the_traps_of_warm_targets_are_told_with_the_smallest_node_in_mind():
    findings = check_cluster(
        ClusterState(cni_configmap={**ON, "windows-warm-ip-target": "20"}, nodes=(WIN,))
    )
    assert "target-above-capacity" in {f.code for f in findings}
    assert all("https://" in f.source for f in findings)


POOL = {name: [value] for name, value in HEALTHY.items()}
for cases in CASES.values():
    for known, _ in cases:
        for part, value in known.items():
            POOL.setdefault(part, []).append(value)

STATES = st.fixed_dictionaries({}, optional={n: st.sampled_from(v) for n, v in POOL.items()})


@settings(max_examples=60)
@given(STATES)
def test_whatever_is_known_each_check_answers_and_can_be_passed_on(parts):
    findings = check_cluster(ClusterState(**parts))
    assert {f.code for f in findings} >= {rule.code for rule in CHECKS}
    for finding in findings:
        assert finding.seen
        assert finding.why
        assert "https://" in finding.source
        assert finding.remedy or finding.outcome == "pass"
        assert not finding.files or finding.outcome == "fail"
    json.dumps([f.to_dict() for f in findings])


@settings(max_examples=40)
@given(STATES)
def test_applying_the_configmap_of_the_remedies_leaves_nothing_more_to_apply(parts):
    import yaml

    state = ClusterState(**parts)
    text = remedies(check_cluster(state)).get("amazon-vpc-cni.yaml")
    if text is None:
        return
    data = yaml.safe_load(text)["data"]
    assert set(data) >= set(state.cni_configmap)
    after = check_cluster(replace(state, cni_configmap=data))
    assert "amazon-vpc-cni.yaml" not in remedies(after)
    assert {f.outcome for f in after if f.code == "windows-ipam-enabled"} == {"pass"}


def test_only_a_state_is_checked():
    with pytest.raises(UnsupportedInputError):
        check_cluster({"version": "1.30"})


@pytest.mark.parametrize(
    ("free", "verdict"),
    [(5, ("fail", "error")), (6, ("fail", "warning")), (15, ("fail", "warning")), (16, ("pass",))],
)
def test_the_room_of_the_control_plane_is_judged_at_its_edges(free, verdict):
    parts = {"subnets": (replace(SUBNET, available=free),), "subnet_ids": ("subnet-1",)}
    finding = next(
        f for f in check_cluster(ClusterState(**parts)) if f.code == "control-plane-room"
    )
    assert (finding.outcome, finding.severity)[: len(verdict)] == verdict


def test_data_are_called_old_from_half_a_year_on():
    def seen(days):
        day = date.fromisoformat(Catalog.bundled().as_of) + timedelta(days=days)
        findings = check_cluster(ClusterState(nodes=(WIN,)), now=day)
        return next(f.seen for f in findings if f.code == "instance-type-windows")

    assert "older than six months" not in seen(183)
    assert "older than six months" in seen(184)


@pytest.mark.parametrize(
    ("build", "outcome"),
    [
        ("10.0.17763.2745", "fail"),
        ("10.0.17763.2746", "pass"),
        ("10.0.17763", "unknown"),
        ("10.0.17763.x", "unknown"),
        ("10.0.x.2746", "unknown"),
    ],
)
def test_the_backends_that_a_build_reaches_are_known_of_a_whole_build_alone(build, outcome):
    parts = {"nodes": (replace(WIN, build=build),)}
    parts["services"] = (Service(namespace="a", name="b", backends=65),)
    assert outcomes(**parts)["service-backends"] == {outcome}


def test_a_tainted_node_that_runs_coredns_is_counted_once():
    barred = replace(LINUX, taints=("team=a:NoSchedule",))
    others = (barred, replace(barred, name="lin-2"))
    dns = replace(DNS, node="lin-1")
    findings = check_cluster(ClusterState(nodes=(WIN, *others), pods=(dns,)))
    seen = next(f.seen for f in findings if f.code == "coredns-redundancy")
    assert seen == "ready: 1 Linux node, 0 Fargate pods; 1 more is tainted against CoreDNS"


def test_the_end_of_support_is_judged_by_the_day_that_is_given():
    def judged(version, day):
        findings = check_cluster(ClusterState(version=version), now=day)
        return next((f.outcome, f.severity) for f in findings if f.code == "kubernetes-support")

    assert judged("1.31", date(2026, 6, 1)) == ("pass", "error")
    assert judged("1.31", date(2026, 10, 1)) == ("fail", "warning")
    assert judged("1.31", date(2026, 11, 26)) == ("fail", "error")


@pytest.mark.parametrize("role", ['x"; touch /tmp/owned; "', "$(id)", "a b", "`id`", "a\nrm -rf x"])
def test_a_name_from_a_file_is_one_word_of_a_command_and_carries_none(role):
    findings = check_cluster(
        ClusterState(
            name="prod",
            authentication_mode="CONFIG_MAP",
            nodes=(WIN,),
            node_groups=(replace(GROUP, role=role),),
            aws_auth=(),
        )
    )
    (finding,) = [f for f in findings if f.code == "aws-auth-mapping" and f.outcome == "fail"]
    words = shlex.split(finding.remedy)
    arn = words[words.index("--arn") + 1]
    assert arn.endswith(f":role/{role}")
    for name, text in finding.files:
        assert re.fullmatch(r"[\w.-]+", name)
        (entry,) = yaml.safe_load(text)
        assert entry["rolearn"].endswith(f":role/{role}")


@pytest.mark.parametrize(
    "code", ["legacy-windows-support", "autoscaler-node-template", "karpenter-limits"]
)
def test_pods_of_one_namespace_do_not_tell_what_runs_in_others(code):
    def outcome(*pods):
        state = ClusterState(nodes=(WIN,), pods=pods)
        return next(f.outcome for f in check_cluster(state) if f.code == code)

    assert outcome(POD) == "unknown"
    assert outcome(POD, DNS) == "pass"
