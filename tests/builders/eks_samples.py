"""Answers of kubectl and AWS about one cluster, in the shapes and sizes of real ones."""

import copy

ACCOUNT = "123456789012"
WAITS = (
    "0/4 nodes are available: 1 Insufficient vpc.amazonaws.com/PrivateIPv4Address, "
    "3 node(s) didn't match Pod's node affinity/selector. preemption: 0/4 nodes are available."
)


def node(name, os="windows", **more):
    """A node as kubectl prints it, cut to what matters and some that does not."""
    labels = {
        "beta.kubernetes.io/instance-type": "m5.large",
        "eks.amazonaws.com/nodegroup": "win" if os == "windows" else "linux",
        "eks.amazonaws.com/nodegroup-image": "ami-0123456789abcdef0",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": os,
        "node.kubernetes.io/instance-type": "m5.large",
        "topology.kubernetes.io/region": "eu-west-1",
        "topology.kubernetes.io/zone": "eu-west-1a",
    }
    windows = os == "windows"
    room = {"cpu": "1930m", "ephemeral-storage": "47233297124", "memory": "6787388Ki"}
    room |= {"pods": "110", "vpc.amazonaws.com/PrivateIPv4Address": "9"} if windows else {}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels | more.pop("labels", {})},
        "spec": {"providerID": f"aws:///eu-west-1a/i-0{name[-1] * 16}", **more.pop("spec", {})},
        "status": {
            "addresses": [
                {"address": more.pop("address", "10.0.0.9"), "type": "InternalIP"},
                {"address": name, "type": "Hostname"},
            ],
            "allocatable": room | more.pop("allocatable", {}),
            "capacity": {"cpu": "2", "memory": "8192000Ki", "pods": "110"},
            "conditions": [
                {"status": "False", "type": "MemoryPressure"},
                {"status": "True", "type": "Ready"},
            ],
            "nodeInfo": {
                "architecture": "amd64",
                "kernelVersion": "10.0.20348.2700"
                if windows
                else "6.1.109-118.189.amzn2023.x86_64",
                "kubeletVersion": "v1.30.4-eks-a737599",
                "operatingSystem": os,
                "osImage": "Windows Server 2022 Datacenter" if windows else "Amazon Linux 2023",
            },
        },
    }


FARGATE = node(
    "fargate-ip-10-0-1-77.eu-west-1.compute.internal",
    os="linux",
    labels={"eks.amazonaws.com/compute-type": "fargate"},
    allocatable={"pods": "1"},
)


def pod(name, node="", *, phase="Running", namespace="shop", **spec):
    """A pod as kubectl prints it."""
    waits = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    placed = {"type": "PodScheduled", "status": "True"}
    status = {"phase": phase, "conditions": [placed if node else {**waits, "message": WAITS}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name.split("-")[0]}},
        "spec": {
            "containers": [
                {
                    "name": "main",
                    "image": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/shop:1",
                    "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}},
                }
            ],
            "nodeSelector": {"kubernetes.io/os": "windows", "kubernetes.io/arch": "amd64"},
            **({"nodeName": node} if node else {}),
            **spec,
        },
        "status": status,
    }


HOST_PROCESS = {
    "hostNetwork": True,
    "securityContext": {
        "windowsOptions": {"hostProcess": True, "runAsUserName": "NT AUTHORITY\\SYSTEM"}
    },
}

HOST_PROCESS_IN_CONTAINER = {
    "hostNetwork": True,
    "containers": [
        {"name": "agent", "securityContext": {"windowsOptions": {"hostProcess": True}}},
    ],
}

OBJECTS = {
    "apiVersion": "v1",
    "items": [
        node("win-1"),
        node("win-2", address="10.0.0.30", spec={"unschedulable": True}),
        node("linux-1", os="linux", address="10.0.1.5"),
        FARGATE,
        *(pod(f"web-{n}", "win-1") for n in range(8)),
        pod("agent-1", "win-1", namespace="kube-system", **HOST_PROCESS),
        pod("agent-2", "win-1", namespace="kube-system", **HOST_PROCESS_IN_CONTAINER),
        pod("job-1", "win-2", phase="Succeeded"),
        pod("web-8", phase="Pending"),
        pod(
            "coredns-1",
            "linux-1",
            namespace="kube-system",
            nodeSelector={"kubernetes.io/os": "linux"},
        ),
    ],
    "kind": "List",
    "metadata": {"resourceVersion": ""},
}
"""``kubectl get nodes,pods -A -o json``."""

CNI = {
    "apiVersion": "v1",
    "data": {"branch-eni-cooldown": "60", "enable-windows-ipam": "true"},
    "kind": "ConfigMap",
    "metadata": {"name": "amazon-vpc-cni", "namespace": "kube-system"},
}

AUTH = {
    "apiVersion": "v1",
    "data": {
        "mapRoles": f"""- groups:
  - system:bootstrappers
  - system:nodes
  - eks:kube-proxy-windows
  rolearn: arn:aws:iam::{ACCOUNT}:role/win-node
  username: system:node:{{{{EC2PrivateDNSName}}}}
""",
        "mapUsers": f"- userarn: arn:aws:iam::{ACCOUNT}:user/alice\n",
    },
    "kind": "ConfigMap",
    "metadata": {"name": "aws-auth", "namespace": "kube-system"},
}

CLUSTER = {
    "cluster": {
        "name": "prod",
        "arn": f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/prod",
        "version": "1.30",
        "endpoint": "https://ABC.gr7.eu-west-1.eks.amazonaws.com",
        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/prod-cluster",
        "resourcesVpcConfig": {
            "subnetIds": ["subnet-0a", "subnet-0b"],
            "vpcId": "vpc-01",
            "endpointPublicAccess": True,
        },
        "kubernetesNetworkConfig": {"serviceIpv4Cidr": "172.20.0.0/16", "ipFamily": "ipv4"},
        "status": "ACTIVE",
        "certificateAuthority": {"data": "LS0tLS1CRUdJTg=="},
        "platformVersion": "eks.12",
        "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"},
        "computeConfig": {"enabled": False},
    }
}

NODEGROUPS = {"nodegroups": ["win"]}

NODEGROUP = {
    "nodegroup": {
        "nodegroupName": "win",
        "nodegroupArn": f"arn:aws:eks:eu-west-1:{ACCOUNT}:nodegroup/prod/win/12",
        "clusterName": "prod",
        "version": "1.30",
        "releaseVersion": "1.30-2024.10.09",
        "status": "ACTIVE",
        "capacityType": "ON_DEMAND",
        "scalingConfig": {"minSize": 1, "maxSize": 5, "desiredSize": 2},
        "instanceTypes": ["m5.large"],
        "subnets": ["subnet-0a"],
        "amiType": "WINDOWS_CORE_2022_x86_64",
        "nodeRole": f"arn:aws:iam::{ACCOUNT}:role/win-node",
        "labels": {},
        "taints": [{"key": "os", "value": "windows", "effect": "NO_SCHEDULE"}],
        "resources": {"autoScalingGroups": [{"name": "eks-win-12"}]},
        "diskSize": 50,
        "health": {"issues": []},
    }
}

FARGATE_PROFILES = {"fargateProfileNames": []}
ACCESS_ENTRIES = {"accessEntries": [f"arn:aws:iam::{ACCOUNT}:role/win-node"]}
ACCESS_ENTRY = {
    "accessEntry": {
        "clusterName": "prod",
        "principalArn": f"arn:aws:iam::{ACCOUNT}:role/win-node",
        "kubernetesGroups": ["eks:kube-proxy-windows"],
        "accessEntryArn": f"arn:aws:eks:eu-west-1:{ACCOUNT}:access-entry/prod/role/{ACCOUNT}/x/y",
        "username": "system:node:{{EC2PrivateDNSName}}",
        "type": "EC2_WINDOWS",
    }
}
ADDONS = {"addons": ["coredns", "vpc-cni"]}
ADDON = {
    "addon": {
        "addonName": "vpc-cni",
        "clusterName": "prod",
        "status": "ACTIVE",
        "addonVersion": "v1.18.5-eksbuild.1",
        "addonArn": f"arn:aws:eks:eu-west-1:{ACCOUNT}:addon/prod/vpc-cni/0",
        "serviceAccountRoleArn": f"arn:aws:iam::{ACCOUNT}:role/cni",
        "configurationValues": '{"enableWindowsIpam": "true", "env": {"WARM_IP_TARGET": "2"}}',
    }
}
POLICIES = {
    "AttachedPolicies": [
        {"PolicyName": name, "PolicyArn": f"arn:aws:iam::aws:policy/{name}"}
        for name in ("AmazonEKSClusterPolicy", "AmazonEKSVPCResourceController")
    ],
    "IsTruncated": False,
}


def subnet(name, cidr, zone, free):
    """One row of DescribeSubnets."""
    return {
        "AvailabilityZoneId": f"euw1-az{'abc'.index(zone[-1]) + 1}",
        "MapCustomerOwnedIpOnLaunch": False,
        "OwnerId": ACCOUNT,
        "AssignIpv6AddressOnCreation": False,
        "Ipv6CidrBlockAssociationSet": [],
        "SubnetArn": f"arn:aws:ec2:eu-west-1:{ACCOUNT}:subnet/{name}",
        "SubnetId": name,
        "State": "available",
        "VpcId": "vpc-01",
        "CidrBlock": cidr,
        "AvailableIpAddressCount": free,
        "AvailabilityZone": zone,
        "DefaultForAz": False,
    }


def interface(
    number, subnet_id, addresses, *, prefixes=(), instance=None, kind="interface", description=""
):
    """One row of DescribeNetworkInterfaces."""
    attachment = {"AttachmentId": f"eni-attach-{number}", "InstanceOwnerId": ACCOUNT}
    return {
        "NetworkInterfaceId": f"eni-{number:017x}",
        "SubnetId": subnet_id,
        "VpcId": "vpc-01",
        "OwnerId": ACCOUNT,
        "RequesterManaged": instance is None,
        "InterfaceType": kind,
        "Description": description,
        "Status": "in-use",
        "Attachment": {**attachment, "InstanceId": instance} if instance else attachment,
        "PrivateIpAddress": addresses[0],
        "PrivateIpAddresses": [
            {"Primary": position == 0, "PrivateIpAddress": address}
            for position, address in enumerate(addresses)
        ],
        "Ipv4Prefixes": [{"Ipv4Prefix": prefix} for prefix in prefixes],
    }


SUBNETS = {
    "Subnets": [
        subnet("subnet-0a", "10.0.0.0/24", "eu-west-1a", 211),
        subnet("subnet-0b", "10.0.1.0/24", "eu-west-1b", 246),
    ]
}
INTERFACES = {
    "NetworkInterfaces": [
        interface(
            1, "subnet-0a", ["10.0.0.9", *(f"10.0.0.{n}" for n in range(10, 19))], instance="i-w1"
        ),
        interface(2, "subnet-0a", ["10.0.0.30"], prefixes=["10.0.0.48/28"], instance="i-w2"),
        interface(3, "subnet-0a", ["10.0.0.40"], description="Amazon EKS prod"),
        interface(4, "subnet-0a", ["10.0.0.41"], description="ELB app/k8s-shop/50dc6c495c0c9188"),
        interface(
            5, "subnet-0a", ["10.0.0.42"], kind="network_load_balancer", description="ELB net/a/b"
        ),
        interface(
            6,
            "subnet-0a",
            ["10.0.0.43"],
            kind="vpc_endpoint",
            description="VPC Endpoint Interface vpce-0",
        ),
        interface(7, "subnet-0a", ["10.0.0.44"], kind="gateway_load_balancer_endpoint"),
        interface(
            8,
            "subnet-0a",
            ["10.0.0.45"],
            kind="nat_gateway",
            description="Interface for NAT Gateway",
        ),
        interface(9, "subnet-0a", ["10.0.0.46"], kind="lambda", description="AWS Lambda VPC ENI-x"),
        interface(10, "subnet-0a", ["10.0.0.47", "10.0.0.70"], instance="i-db"),
        interface(11, "subnet-0b", ["10.0.1.5", "10.0.1.6"], instance="i-l1"),
        interface(12, "subnet-0b", ["10.0.1.7"], instance="i-l1", description="aws-K8S-i-l1"),
        interface(13, "subnet-0b", ["10.0.1.8"], kind="trunk", description="aws-k8s-trunk-eni"),
        interface(14, "subnet-0b", ["10.0.1.9"], kind="branch", description="aws-k8s-branch-eni"),
    ]
}
USERS_OF_0A = {
    "windows nodes": 10 + 17,
    "linux nodes": 0,
    "load balancers": 2,
    "endpoints": 2,
    "control plane": 1,
    "other": 4,
}


def instance(name, platform=None, **tags):
    """One instance of DescribeInstances."""
    return {
        "InstanceId": name,
        "InstanceType": "m5.large",
        **({"Platform": platform} if platform else {}),
        "PlatformDetails": "Windows" if platform else "Linux/UNIX",
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


OWNED = {"kubernetes.io/cluster/prod": "owned", "eks:cluster-name": "prod"}
INSTANCES = {
    "Reservations": [
        {"OwnerId": ACCOUNT, "ReservationId": f"r-{n}", "Instances": [row]}
        for n, row in enumerate(
            (
                instance("i-w1", "windows", **OWNED),
                instance("i-w2", "windows", **OWNED),
                instance("i-l1", **OWNED),
                instance("i-db", "windows", Name="sql"),
            )
        )
    ]
}
RESERVATIONS = {
    "SubnetIpv4CidrReservations": [
        {
            "SubnetCidrReservationId": "scr-0",
            "SubnetId": "subnet-0a",
            "Cidr": "10.0.0.128/26",
            "ReservationType": "prefix",
            "OwnerId": ACCOUNT,
        }
    ],
    "SubnetIpv6CidrReservations": [],
}
NO_RESERVATIONS = {"SubnetIpv4CidrReservations": [], "SubnetIpv6CidrReservations": []}

AWS_ANSWERS = {
    "describe-cluster": CLUSTER,
    "list-nodegroups": NODEGROUPS,
    "describe-nodegroup": NODEGROUP,
    "list-fargate-profiles": FARGATE_PROFILES,
    "list-access-entries": ACCESS_ENTRIES,
    "describe-access-entry": ACCESS_ENTRY,
    "list-addons": ADDONS,
    "describe-addon": ADDON,
    "list-attached-role-policies": POLICIES,
    "describe-subnets": SUBNETS,
    "describe-network-interfaces": INTERFACES,
    "describe-instances": INSTANCES,
    "get-subnet-cidr-reservations-0a": RESERVATIONS,
    "get-subnet-cidr-reservations-0b": NO_RESERVATIONS,
}


def changed(document, **members):
    """Give a copy with other members."""
    return {**copy.deepcopy(document), **members}
