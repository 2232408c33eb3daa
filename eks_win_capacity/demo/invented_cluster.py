"""
An invented cluster, in the format of kubectl and AWS CLI output.

The files have the format of real output, reduced to the fields that are read. Three Windows
nodes in two zones have no free addresses and two pods are pending; a single Linux node runs
CoreDNS; the role of the Windows nodes lacks a group in aws-auth; one Deployment selects no
operating system.
"""

from __future__ import annotations

from typing import Any

ACCOUNT = "111122223333"
"""Account id in AWS's own examples."""

ROLE = f"arn:aws:iam::{ACCOUNT}:role/shop-windows-nodes"
KEEPS = {"cpu": "1930m", "memory": "6003Mi"}
WAITS = (
    "0/4 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
    "3 Insufficient vpc.amazonaws.com/PrivateIPv4Address. preemption: 0/4 nodes are available: "
    "1 Preemption is not helpful for scheduling, 3 No preemption victims found for incoming pod."
)

# Name, zone, instance, first three octets of its addresses, last octet.
WINDOWS = (
    ("ip-10-20-0-10.eu-west-1.compute.internal", "eu-west-1a", "i-0aaaaaaaaaaaaaaa1", "10.20.0", 10),
    ("ip-10-20-0-40.eu-west-1.compute.internal", "eu-west-1a", "i-0aaaaaaaaaaaaaaa2", "10.20.0", 40),
    ("ip-10-20-1-70.eu-west-1.compute.internal", "eu-west-1b", "i-0bbbbbbbbbbbbbbb1", "10.20.1", 70),
)  # fmt: skip
LINUX = ("ip-10-20-1-20.eu-west-1.compute.internal", "eu-west-1b", "i-0bbbbbbbbbbbbbbb2", "10.20.1", 20)  # fmt: skip
SUBNETS = {
    "subnet-0a00000000000000a": ("10.20.0.0/26", "eu-west-1a", 64),
    "subnet-0b00000000000000b": ("10.20.1.0/24", "eu-west-1b", 256),
}


def _object(kind: str, meta: dict[str, Any], *, api: str = "v1", **parts: Any) -> Any:
    return {"apiVersion": api, "kind": kind, "metadata": meta, **parts}


def node(name: str, zone: str, instance: str, net: str, host: int, *, windows: bool = True) -> Any:
    """One node as in kubectl output."""
    system = "windows" if windows else "linux"
    advertised = {"vpc.amazonaws.com/PrivateIPv4Address": "9"} if windows else {}
    room = {**KEEPS, "pods": "110" if windows else "29", **advertised}
    labels = {
        "eks.amazonaws.com/nodegroup": "windows-web" if windows else "system",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": system,
        "node.kubernetes.io/instance-type": "m5.large",
        "topology.kubernetes.io/zone": zone,
    }
    return _object(
        "Node",
        {"name": name, "labels": labels},
        spec={"providerID": f"aws:///{zone}/{instance}"},
        status={
            "addresses": [{"type": "InternalIP", "address": f"{net}.{host}"}],
            "allocatable": room,
            "capacity": {**room, "cpu": "2", "memory": "8192Mi"},
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": system,
                "kernelVersion": "10.0.20348.3091"
                if windows
                else "6.1.119-129.201.amzn2023.x86_64",
                "kubeletVersion": "v1.34.2-eks-0000000",
                "osImage": "Windows Server 2022 Datacenter" if windows else "Amazon Linux 2023",
            },
        },
    )


def owner(kind: str, name: str) -> list[dict[str, Any]]:
    """Owner reference to the creator of a pod."""
    return [{"apiVersion": "apps/v1", "kind": kind, "name": name, "controller": True}]


def pod(app: str, number: int, at: str | None, memory: str, system: str) -> Any:
    """One pod as in kubectl output."""
    waits = {"status": "False", "reason": "Unschedulable", "message": WAITS}
    placed = {"type": "PodScheduled", **({"status": "True"} if at else waits)}
    replica_set = f"{app}-7d4b9c6f5"
    meta = {
        "name": f"{replica_set}-{number:02d}",
        "namespace": "kube-system" if app == "coredns" else "shop",
        "labels": {"app": app},
        "ownerReferences": owner("ReplicaSet", replica_set),
    }
    return _object(
        "Pod",
        meta,
        spec={
            **({"nodeName": at} if at else {}),
            "nodeSelector": {"kubernetes.io/os": system, "kubernetes.io/arch": "amd64"},
            "containers": [
                {"name": app, "resources": {"requests": {"cpu": "100m", "memory": memory}}}
            ],
        },
        status={"phase": "Running" if at else "Pending", "conditions": [placed]},
    )


def deployment(app: str, replicas: int, selector: dict[str, str], namespace: str = "shop") -> Any:
    """One Deployment as in kubectl output."""
    template = {
        "metadata": {"labels": {"app": app}},
        "spec": {"nodeSelector": selector, "containers": [{"name": app}]},
    }
    return _object(
        "Deployment",
        {"name": app, "namespace": namespace},
        api="apps/v1",
        spec={"replicas": replicas, "template": template},
    )


def objects() -> Any:
    """``kubectl get nodes,pods,deployments,daemonsets,services -A -o json``."""
    homes = [name for name, *_ in WINDOWS for _ in range(9)]
    web = [
        pod("web", number, at, "512Mi", "windows") for number, at in enumerate([*homes, None, None])
    ]
    dns = [pod("coredns", number, LINUX[0], "70Mi", "linux") for number in range(2)]
    windows = {"kubernetes.io/os": "windows", "kubernetes.io/arch": "amd64"}
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            *(node(*row) for row in WINDOWS),
            node(*LINUX, windows=False),
            *web,
            *dns,
            deployment("web", len(web), windows),
            deployment("mailer", 2, {}),
            deployment("coredns", 2, {"kubernetes.io/os": "linux"}, "kube-system"),
            daemonset(),
            service(),
        ],
    }


def configmaps() -> Any:
    """``kubectl get configmaps -n kube-system -o json``."""
    mapped = (
        f"- rolearn: {ROLE}\n"
        "  username: system:node:{{EC2PrivateDNSName}}\n"
        "  groups:\n  - system:bootstrappers\n  - system:nodes\n"
    )
    contents = {"amazon-vpc-cni": {"enable-windows-ipam": "true"}, "aws-auth": {"mapRoles": mapped}}
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            _object("ConfigMap", {"name": name, "namespace": "kube-system"}, data=data)
            for name, data in contents.items()
        ],
    }


def cluster() -> Any:
    """``aws eks describe-cluster --name shop``."""
    return {
        "cluster": {
            "name": "shop",
            "arn": f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/shop",
            "version": "1.34",
            "platformVersion": "eks.9",
            "status": "ACTIVE",
            "roleArn": f"arn:aws:iam::{ACCOUNT}:role/shop-cluster",
            "resourcesVpcConfig": {"subnetIds": list(SUBNETS), "vpcId": "vpc-0c0000000000000c"},
            "kubernetesNetworkConfig": {"ipFamily": "ipv4", "serviceIpv4Cidr": "172.20.0.0/16"},
            "accessConfig": {"authenticationMode": "CONFIG_MAP"},
            "computeConfig": {"enabled": False},
        }
    }


def nodegroup() -> Any:
    """``aws eks describe-nodegroup --cluster-name shop --nodegroup-name windows-web``."""
    return {
        "nodegroup": {
            "nodegroupName": "windows-web",
            "nodegroupArn": f"arn:aws:eks:eu-west-1:{ACCOUNT}:nodegroup/shop/windows-web/1",
            "clusterName": "shop",
            "version": "1.34",
            "status": "ACTIVE",
            "amiType": "WINDOWS_CORE_2022_x86_64",
            "instanceTypes": ["m5.large"],
            "scalingConfig": {"minSize": 1, "maxSize": 6, "desiredSize": len(WINDOWS)},
            "subnets": list(SUBNETS),
            "nodeRole": ROLE,
        }
    }


def daemonset() -> Any:
    """DaemonSet of the VPC CNI on the Linux nodes, part of ``kubectl get daemonsets -A``."""
    containers = [{"name": "aws-node", "env": [{"name": "ENABLE_POD_ENI", "value": "false"}]}]
    linux = {"kubernetes.io/os": "linux"}
    return _object(
        "DaemonSet",
        {"name": "aws-node", "namespace": "kube-system"},
        api="apps/v1",
        spec={"template": {"spec": {"nodeSelector": linux, "containers": containers}}},
    )


def service() -> Any:
    """One Service, part of ``kubectl get services -A``."""
    return _object(
        "Service",
        {"name": "web", "namespace": "shop"},
        spec={"type": "ClusterIP", "selector": {"app": "web"}, "ports": [{"port": 80}]},
    )


def policies() -> Any:
    """``aws iam list-attached-role-policies --role-name shop-cluster``."""
    names = ("AmazonEKSClusterPolicy", "AmazonEKSVPCResourceController")
    return {
        "AttachedPolicies": [
            {"PolicyName": name, "PolicyArn": f"arn:aws:iam::aws:policy/{name}"} for name in names
        ]
    }


def _interface(number: int, zone: str, addresses: list[str], **more: Any) -> Any:
    subnet = next(name for name, (_, where, _) in SUBNETS.items() if where == zone)
    return {
        "NetworkInterfaceId": f"eni-{number:017x}",
        "SubnetId": subnet,
        "AvailabilityZone": zone,
        "InterfaceType": "interface",
        "Status": "in-use",
        "PrivateIpAddress": addresses[0],
        "PrivateIpAddresses": [
            {"Primary": position == 0, "PrivateIpAddress": address}
            for position, address in enumerate(addresses)
        ],
        "Ipv4Prefixes": [],
        **more,
    }


def interfaces() -> list[Any]:
    """All interfaces: nodes, two of the control plane, and a load balancer in each zone."""
    rows: list[Any] = []
    for *_, zone, instance, net, host in (*WINDOWS, LINUX):
        addresses = [f"{net}.{host + step}" for step in range(10 if instance != LINUX[2] else 4)]
        rows.append(
            _interface(
                len(rows) + 1, zone, addresses, Description="", Attachment={"InstanceId": instance}
            )
        )
    for zone, net in (("eu-west-1a", "10.20.0"), ("eu-west-1b", "10.20.1")):
        for host, text in ((5, "Amazon EKS shop"), (6, "ELB app/k8s-shop/0123456789abcdef")):
            rows.append(_interface(len(rows) + 1, zone, [f"{net}.{host}"], Description=text))
    return rows


def subnets() -> Any:
    """``aws ec2 describe-subnets``."""
    used = [len(row["PrivateIpAddresses"]) for row in interfaces()]
    of = [row["SubnetId"] for row in interfaces()]
    return {
        "Subnets": [
            {
                "SubnetId": name,
                "VpcId": "vpc-0c0000000000000c",
                "CidrBlock": cidr,
                "AvailabilityZone": zone,
                "AvailableIpAddressCount": size
                - 5
                - sum(count for count, where in zip(used, of, strict=True) if where == name),
                "State": "available",
            }
            for name, (cidr, zone, size) in SUBNETS.items()
        ]
    }


def instances() -> Any:
    """``aws ec2 describe-instances``."""
    tags = [{"Key": "eks:cluster-name", "Value": "shop"}]
    windows = [
        {"InstanceId": row[2], "InstanceType": "m5.large", "Tags": tags, "Platform": "windows"}
        for row in WINDOWS
    ]
    linux = {"InstanceId": LINUX[2], "InstanceType": "m5.large", "Tags": tags}
    return {"Reservations": [{"Instances": [*windows, linux]}]}


def answers() -> dict[str, Any]:
    """Every file of the cluster, by name."""
    return {
        "objects": objects(),
        "configmaps": configmaps(),
        "describe-cluster": cluster(),
        "list-nodegroups": {"nodegroups": ["windows-web"]},
        "describe-nodegroup": nodegroup(),
        "list-fargate-profiles": {"fargateProfileNames": []},
        "list-addons": {"addons": []},
        **{
            f"get-subnet-cidr-reservations-{zone}": {"SubnetIpv4CidrReservations": []}
            for _, zone, _ in SUBNETS.values()
        },
        "list-attached-role-policies": policies(),
        "describe-subnets": subnets(),
        "describe-network-interfaces": {"NetworkInterfaces": interfaces()},
        "describe-instances": instances(),
    }
