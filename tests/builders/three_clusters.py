"""Three sound clusters, as kubectl and the AWS CLI print them: managed, Karpenter, self-managed."""

import base64

ACCOUNT = "111122223333"
RESOURCE = "vpc.amazonaws.com/PrivateIPv4Address"
TEMPLATE = "k8s.io/cluster-autoscaler/node-template/"
GROUPS = ("system:bootstrappers", "system:nodes", "eks:kube-proxy-windows")
RESERVED = (
    "--kube-reserved memory=0.5Gi,ephemeral-storage=1Gi --system-reserved memory=1.5Gi,"
    "ephemeral-storage=1Gi --eviction-hard memory.available<500Mi"
)
BOOTSTRAP = (
    "<powershell>\n& $EKSBootstrapScriptFile -EKSClusterName shop -KubeletExtraArgs "
    f"'{RESERVED}' 3>&1\n</powershell>"
)
KEPT = f"{8192 - 2548}Mi"


def arn(role):
    return f"arn:aws:iam::{ACCOUNT}:role/{role}"


def encoded(script):
    return base64.b64encode(script.encode()).decode()


def node(name, host, system="windows", *, group="", pool="", addresses=9, **more):
    """A node; ``more`` goes into its labels."""
    windows = system == "windows"
    labels = {
        "kubernetes.io/os": system,
        "kubernetes.io/arch": "amd64",
        "node.kubernetes.io/instance-type": "m5.large",
        "topology.kubernetes.io/zone": "eu-west-1a",
        **({"eks.amazonaws.com/nodegroup": group} if group else {}),
        **({"karpenter.sh/nodepool": pool} if pool else {}),
        **({"node.kubernetes.io/windows-build": "10.0.20348"} if windows else {}),
        **more,
    }
    room = {"cpu": "1930m", "memory": KEPT, "pods": "110"}
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"providerID": f"aws:///eu-west-1a/i-0{host:03d}"},
        "status": {
            "addresses": [{"type": "InternalIP", "address": f"10.0.0.{host}"}],
            "allocatable": {**room, **({RESOURCE: str(addresses)} if windows else {})},
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {
                "operatingSystem": system,
                "architecture": "amd64",
                "kernelVersion": "10.0.20348.3091" if windows else "6.1.119",
                "kubeletVersion": "v1.34.2-eks-1",
                "osImage": "Windows Server 2022 Datacenter" if windows else "Amazon Linux 2023",
            },
        },
    }


def pod(name, at, system="windows", namespace="shop", *, owner="web-1"):
    """A pod that runs."""
    requests = {
        "cpu": "100m",
        "memory": "256Mi",
        **({RESOURCE: "1"} if system == "windows" else {}),
    }
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app": owner, "pod-template-hash": "1"},
            "annotations": {RESOURCE: "10.0.0.77/24"} if system == "windows" else {},
            "ownerReferences": [{"kind": "ReplicaSet", "name": owner, "controller": True}],
        },
        "spec": {
            "nodeName": at,
            "nodeSelector": {"kubernetes.io/os": system, "kubernetes.io/arch": "amd64"},
            "containers": [{"name": "c", "image": "i", "resources": {"requests": requests}}],
        },
        "status": {"phase": "Running", "conditions": [{"type": "PodScheduled", "status": "True"}]},
    }


def maker(kind, name, system, namespace="shop", *, image="i", args=()):
    """A Deployment or DaemonSet."""
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": 1,
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "nodeSelector": {"kubernetes.io/os": system, "kubernetes.io/arch": "amd64"},
                    "containers": [{"name": "c", "image": image, "args": list(args)}],
                },
            },
        },
    }


def configmap(name, data):
    return {
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "kube-system"},
        "data": data,
    }


def aws_auth(role, groups=GROUPS):
    entry = (
        f"- rolearn: {arn(role)}\n  username: system:node:{{{{EC2PrivateDNSName}}}}\n  groups:\n"
    )
    return configmap("aws-auth", {"mapRoles": entry + "".join(f"  - {g}\n" for g in groups)})


def common(mode, cni):
    """What the three have in common: documents by name."""
    linux = [node(f"linux-{n}", 200 + n, "linux", group="system") for n in (1, 2)]
    cluster = {
        "name": "shop",
        "arn": f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/shop",
        "version": "1.34",
        "platformVersion": "eks.9",
        "roleArn": arn("shop-cluster"),
        "resourcesVpcConfig": {"subnetIds": ["subnet-1"], "vpcId": "vpc-1"},
        "kubernetesNetworkConfig": {"ipFamily": "ipv4", "serviceIpv4Cidr": "172.20.0.0/16"},
        "accessConfig": {"authenticationMode": mode},
        "computeConfig": {"enabled": False},
    }
    env = [{"name": "ENABLE_POD_ENI", "value": "false"}]
    cni_daemon = maker("DaemonSet", "aws-node", "linux", "kube-system")
    cni_daemon["spec"]["template"]["spec"]["containers"][0]["env"] = env
    return {
        "cluster": {"cluster": cluster},
        "policies": {"AttachedPolicies": [{"PolicyName": "AmazonEKSVPCResourceController"}]},
        "fargate": {"fargateProfileNames": []},
        "addons": {"addons": []},
        "linux-group": {
            "nodegroup": {
                "nodegroupName": "system",
                "amiType": "AL2023_x86_64_STANDARD",
                "version": "1.34",
                "nodeRole": arn("shop-linux"),
                "scalingConfig": {"minSize": 2, "maxSize": 2, "desiredSize": 2},
            }
        },
        "subnets": {
            "Subnets": [
                {
                    "SubnetId": "subnet-1",
                    "VpcId": "vpc-1",
                    "CidrBlock": "10.0.0.0/22",
                    "AvailabilityZone": "eu-west-1a",
                    "AvailableIpAddressCount": 1019,
                }
            ]
        },
        "interfaces": {"NetworkInterfaces": []},
        "reservations": {"SubnetIpv4CidrReservations": []},
        "linux-nodes": {"kind": "List", "items": linux},
        "dns": {
            "kind": "List",
            "items": [
                pod(f"coredns-{n}", f"linux-{n}", "linux", "kube-system", owner="coredns-1")
                for n in (1, 2)
            ],
        },
        "makers": {
            "kind": "List",
            "items": [
                maker("Deployment", "web", "windows"),
                maker("Deployment", "coredns", "linux", "kube-system"),
                maker("DaemonSet", "fluent-bit-windows", "windows", "logging"),
                cni_daemon,
            ],
        },
        "services": {
            "kind": "ServiceList",
            "items": [
                {
                    "kind": "Service",
                    "metadata": {"name": "web", "namespace": "shop"},
                    "spec": {"selector": {"app": "web-1"}},
                }
            ],
        },
        "policies-of-pods": {"kind": "SecurityGroupPolicyList", "items": []},
        "cni": configmap("amazon-vpc-cni", cni),
    }


def managed():
    """Managed node groups, access entries alone, prefix delegation."""
    items = [node(f"win-{n}", 10 + n, group="win", addresses=144) for n in (1, 2)] + [
        pod(f"web-{n}", f"win-{n}") for n in (1, 2)
    ]
    return common(
        "API", {"enable-windows-ipam": "true", "enable-windows-prefix-delegation": "true"}
    ) | {
        "groups": {"nodegroups": ["win", "system"]},
        "windows-group": {
            "nodegroup": {
                "nodegroupName": "win",
                "amiType": "CUSTOM",
                "version": "1.34",
                "nodeRole": arn("shop-windows"),
                "instanceTypes": ["m5.large"],
                "subnets": ["subnet-1"],
                "scalingConfig": {"minSize": 1, "maxSize": 4, "desiredSize": 2},
                "launchTemplate": {"id": "lt-1", "version": "1"},
                "resources": {"autoScalingGroups": [{"name": "eks-win"}]},
            }
        },
        "template": template(),
        "scaling": scaling("eks-win", tags={"eks:nodegroup-name": "win"}),
        "entries": {"accessEntries": [arn("shop-windows"), arn("shop-linux")]},
        "entry-windows": entry("shop-windows", "EC2_WINDOWS"),
        "entry-linux": entry("shop-linux", "EC2_LINUX"),
        "instances": instances({}),
        "windows": {"kind": "List", "items": items},
    }


def template(script=BOOTSTRAP, image="ami-1"):
    data = {"UserData": encoded(script), **({"ImageId": image} if image else {})}
    return {
        "LaunchTemplateVersions": [
            {
                "LaunchTemplateId": "lt-1",
                "LaunchTemplateName": "windows",
                "VersionNumber": 1,
                "DefaultVersion": True,
                "LaunchTemplateData": data,
            }
        ]
    }


def entry(role, kind):
    return {"accessEntry": {"principalArn": arn(role), "type": kind, "kubernetesGroups": []}}


def scaling(name, tags, **more):
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    return {"AutoScalingGroups": [{"AutoScalingGroupName": name, "Tags": listed, **more}]}


def instances(profiles):
    """Instances by id, with the profiles that are given."""
    entries = []
    for host in (11, 12):
        name = f"i-0{host:03d}"
        profile = f"arn:aws:iam::{ACCOUNT}:instance-profile/{profiles.get(name)}"
        entries.append(
            {
                "InstanceId": name,
                "Platform": "windows",
                "Tags": [{"Key": "kubernetes.io/cluster/shop", "Value": "owned"}],
                **({"IamInstanceProfile": {"Arn": profile}} if name in profiles else {}),
            }
        )
    return {"Reservations": [{"Instances": entries}]}


def karpenter():
    """Karpenter's nodes, aws-auth and access entries both allowed, secondary mode."""
    items = [node(f"win-{n}", 10 + n, pool="windows") for n in (1, 2)]
    items += [pod(f"web-{n}", f"win-{n}") for n in (1, 2)]
    items += [maker("Deployment", "karpenter", "linux", "kube-system")]
    return common("API_AND_CONFIG_MAP", {"enable-windows-ipam": "true"}) | {
        "groups": {"nodegroups": ["system"]},
        "entries": {"accessEntries": []},
        "auth": aws_auth("shop-karpenter-windows"),
        "instances": instances({}),
        "windows": {"kind": "List", "items": items},
        "pools": {"kind": "NodePoolList", "items": [pool("windows"), pool("linux")]},
        "classes": {
            "kind": "EC2NodeClassList",
            "items": [
                node_class("windows", "Windows2022", "shop-karpenter-windows"),
                node_class("linux", "AL2023", "shop-karpenter-linux"),
            ],
        },
    }


def pool(system, **more):
    wanted = [{"key": "kubernetes.io/os", "operator": "In", "values": [system]}]
    if system == "windows":
        wanted.append(
            {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["m5.large"]}
        )
    return {
        "kind": "NodePool",
        "metadata": {"name": system},
        "spec": {
            "limits": {"cpu": "100"},
            "template": {"spec": {"nodeClassRef": {"name": system}, "requirements": wanted}},
        },
        "status": {"resources": {"cpu": "4"}},
        **more,
    }


def node_class(name, family, role):
    return {
        "kind": "EC2NodeClass",
        "metadata": {"name": name},
        "spec": {
            "amiFamily": family,
            "role": role,
            "kubelet": {
                "maxPods": 110,
                "kubeReserved": {"memory": "512Mi"},
                "systemReserved": {"memory": "1536Mi"},
            },
        },
    }


def self_managed():
    """Self-managed nodes in an Auto Scaling group, aws-auth, the cluster autoscaler."""
    items = [node(f"win-{n}", 10 + n) for n in (1, 2)]
    items += [pod(f"web-{n}", f"win-{n}") for n in (1, 2)]
    items += [
        maker("Deployment", "scaler", "linux", "infra", image="mirror/cluster-autoscaler:v1.34.0")
    ]
    tags = {
        "kubernetes.io/cluster/shop": "owned",
        "k8s.io/cluster-autoscaler/enabled": "true",
        f"{TEMPLATE}resources/{RESOURCE}": "9",
        f"{TEMPLATE}label/kubernetes.io/os": "windows",
        f"{TEMPLATE}label/kubernetes.io/arch": "amd64",
    }
    return common("CONFIG_MAP", {"enable-windows-ipam": "true"}) | {
        "groups": {"nodegroups": ["system"]},
        "entries": {"accessEntries": []},
        "auth": aws_auth("shop-windows"),
        "scaling": scaling(
            "shop-windows",
            tags,
            MinSize=1,
            MaxSize=4,
            DesiredCapacity=2,
            VPCZoneIdentifier="subnet-1",
            LaunchTemplate={"LaunchTemplateId": "lt-1", "Version": "1"},
            Instances=[{"InstanceId": "i-0011"}, {"InstanceId": "i-0012"}],
        ),
        "template": template(),
        "instances": instances({"i-0011": "windows", "i-0012": "windows"}),
        "profile": {
            "InstanceProfile": {
                "InstanceProfileName": "windows",
                "Roles": [{"RoleName": "shop-windows"}],
            }
        },
        "windows": {"kind": "List", "items": items},
    }
