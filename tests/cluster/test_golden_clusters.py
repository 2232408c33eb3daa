"""Three sound clusters pass; one change for each consideration has its outcome, severity and cure."""

import json
import re
import shlex
import subprocess
from copy import deepcopy
from datetime import date

import pytest
import three_clusters as three

from eks_win_capacity import load_files
from eks_win_capacity.cluster import (
    CHECKS,
    check_cluster,
    drains_for_blocks,
    explain_pending,
)

TODAY = date(2026, 11, 26)
KINDS = {"managed": three.managed, "karpenter": three.karpenter, "self-managed": three.self_managed}


def judged(documents, now=TODAY):
    return check_cluster(load_files(*documents.values()), now=now)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_cluster_passes_every_check(kind):
    findings = judged(KINDS[kind]())
    assert [(f.code, f.outcome, f.seen) for f in findings if f.outcome != "pass"] == []
    assert {f.code for f in findings} == {rule.code for rule in CHECKS}


# -- the changes ------------------------------------------------------------------------------


def cluster(**how):
    """Other members of the answer of DescribeCluster."""
    return lambda d: d["cluster"]["cluster"].update(how)


def nodes(change):
    """Change every Windows node."""

    def act(d):
        for item in d["windows"]["items"]:
            if item["kind"] == "Node":
                change(item)

    return act


def first(change):
    """Change the first Windows node."""
    return lambda d: change(d["windows"]["items"][0])


def pods(change):
    def act(d):
        for item in d["windows"]["items"]:
            if item["kind"] == "Pod":
                change(item)

    return act


def put(part, document):
    return lambda d: d.update({part: document})


def add(*items):
    return lambda d: d["windows"]["items"].extend(items)


def take(part):
    return lambda d: d.pop(part)


def cni(**keys):
    return lambda d: d["cni"]["data"].update({k.replace("_", "-"): v for k, v in keys.items()})


def env(name, value="true"):
    def act(d):
        daemon = d["makers"]["items"][-1]["spec"]["template"]["spec"]["containers"][0]
        daemon["env"].append({"name": name, "value": value})

    return act


def allocatable(**room):
    names = {"pods": "pods", "memory": "memory", "addresses": three.RESOURCE}
    return lambda node: node["status"]["allocatable"].update(
        {names[key]: value for key, value in room.items()}
    )


def kind_of(name):
    return lambda node: node["metadata"]["labels"].update(
        {"node.kubernetes.io/instance-type": name}
    )


def info(**how):
    return lambda node: node["status"]["nodeInfo"].update(how)


def pending(pod):
    pod["status"] = {"phase": "Pending"}
    pod["metadata"]["annotations"] = {}


def unasked(pod):
    pending(pod)
    pod["spec"]["containers"][0]["resources"]["requests"].pop(three.RESOURCE)


def web(change):
    """Change the Windows Deployment."""
    return lambda d: change(d["makers"]["items"][0]["spec"]["template"]["spec"])


def unselect(label):
    """No selector for a label, in the manifest and on the pods."""

    def act(d):
        web(lambda spec: spec["nodeSelector"].pop(label))(d)
        d["makers"]["items"][0]["spec"]["template"]["spec"]["os"] = {"name": "windows"}
        pods(lambda pod: pod["spec"]["nodeSelector"].pop(label))(d)

    return act


def service(backends):
    return {
        "kind": "EndpointSlice",
        "metadata": {
            "name": "web-1",
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "endpoints": [{"addresses": [f"10.1.{n // 256}.{n % 256}"]} for n in range(backends)],
    }


def many_services(d):
    d["services"]["items"] += [
        {"kind": "Service", "metadata": {"name": f"s{n}", "namespace": "shop"}, "spec": {}}
        for n in range(120)
    ]
    d["services"]["items"] += [service(1) | {"metadata": {"name": "none", "namespace": "shop"}}]


def pool(change):
    return lambda d: change(d["pools"]["items"][0])


def scaling(change):
    return lambda d: change(d["scaling"]["AutoScalingGroups"][0])


def taint(d):
    for item in d["linux-nodes"]["items"]:
        item["spec"]["taints"] = [{"key": "team", "value": "a", "effect": "NoSchedule"}]
    d["dns"]["items"] = [three.pod("kube-proxy-1", "linux-1", "linux", "kube-system", owner="p")]


def own_ami(d):
    d["windows-group"]["nodegroup"]["amiType"] = "WINDOWS_CORE_2022_x86_64"
    d["template"] = three.template(image="")


def own_ami_of(release):
    """A group with an AMI of EKS, of a release."""
    return lambda d: d["windows-group"]["nodegroup"].update(releaseVersion=release)


def prefixes_at_launch(count):
    """A launch template of the Windows group that gives its nodes prefixes."""

    def act(d):
        template = three.template()
        data = template["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        data["NetworkInterfaces"] = [{"DeviceIndex": 0, "Ipv4PrefixCount": count}]
        d["windows-group"]["nodegroup"]["launchTemplate"] = {"id": "lt-1", "version": "1"}
        d["template"] = template

    return act


def planned(d):
    """A managed Windows group of EKS' own AMI, before any of its nodes runs."""
    own_ami(d)
    d["windows"]["items"] = []


def warm(**pool):
    """A warm pool of the managed Windows group."""
    return lambda d: d["windows-group"]["nodegroup"].update(warmPoolConfig=pool)


def scaled_warm(started, **pool):
    """A warm pool of an Auto Scaling group, with the instances that it has."""
    return scaling(lambda g: g.update(WarmPoolConfiguration=pool, WarmPoolSize=started))


def full_subnet(d):
    addresses = [f"10.0.{n // 256}.{n % 256}" for n in range(30, 1022)]
    d["interfaces"]["NetworkInterfaces"] = [
        {
            "NetworkInterfaceId": "eni-1",
            "SubnetId": "subnet-1",
            "InterfaceType": "interface",
            "PrivateIpAddress": addresses[0],
            "PrivateIpAddresses": [{"PrivateIpAddress": one} for one in addresses],
        }
    ]
    d["subnets"]["Subnets"][0]["AvailableIpAddressCount"] = 1019 - len(addresses)


def control_plane(d):
    full_subnet(d)
    rows = d["interfaces"]["NetworkInterfaces"][0]
    more = [f"10.0.0.{n}" for n in range(7, 30)]
    rows["PrivateIpAddresses"] += [{"PrivateIpAddress": one} for one in more]
    d["subnets"]["Subnets"][0]["AvailableIpAddressCount"] = 3


def mixed(d):
    info(kernelVersion="10.0.17763.5936")(d["windows"]["items"][0])


def mounts(volume):
    return pods(lambda pod: pod["spec"].update(volumes=[{"name": "v", **volume}]))


CLAIMED = {
    "claim": {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "shop"},
        "spec": {"storageClassName": "gp3"},
    },
    "class": {
        "kind": "StorageClass",
        "metadata": {"name": "gp3"},
        "provisioner": "ebs.csi.aws.com",
    },
}
FAIL, UNKNOWN = "fail", "unknown"
CHANGES = [
    # cluster, change, code, outcome, severity, remedy
    ("managed", cluster(version="1.31", platformVersion="eks.3"), "windows-platform-version",
     FAIL, "error", "update-cluster-version --name shop --kubernetes-version 1.32"),
    ("managed", cluster(version="1.26", platformVersion="eks.3"), "prefix-platform-version",
     FAIL, "error", "update-cluster-version"),
    ("managed", cluster(version="1.31"), "kubernetes-support", FAIL, "error", "one minor version"),
    ("managed", cluster(version="1.32"), "kubelet-version", FAIL, "warning",
     "cannot go back to 1.32"),
    ("managed", cluster(kubernetesNetworkConfig={"ipFamily": "ipv6"}), "ip-family",
     FAIL, "error", "another cluster"),
    ("managed", cluster(kubernetesNetworkConfig={"serviceIpv4Cidr": "10.99.0.0/16"}),
     "service-cidr", FAIL, "error", "-ServiceCIDR 10.99.0.0/16"),
    ("karpenter", lambda d: d["classes"]["items"][0]["spec"].update(ipPrefixCount=2),
     "launch-prefixes", FAIL, "warning", "ipPrefixCount of the EC2NodeClass"),
    ("managed", prefixes_at_launch(3), "launch-prefixes", "pass", "warning", ""),
    ("managed", prefixes_at_launch(30), "launch-prefixes", FAIL, "error", "lower the count"),
    ("managed", cluster(outpostConfig={"outpostArns": ["o"]}), "local-cluster",
     FAIL, "error", "extended cluster"),
    ("managed", lambda d: [cluster(arn=f"arn:aws-us-gov:eks:us-gov-west-1:{three.ACCOUNT}:cluster/s")(d),
     [net.update(AvailabilityZone="us-gov-west-1a") for net in d["subnets"]["Subnets"]],
     [one["metadata"]["labels"].update({"topology.kubernetes.io/zone": "us-gov-west-1a"})
      for key in ("linux-nodes", "windows") for one in d[key]["items"] if one["kind"] == "Node"],
     planned(d)], "windows-ami-regions", FAIL, "error", "nodeGroups"),
    ("managed", cluster(computeConfig={"enabled": True}), "auto-mode-windows-pods",
     "pass", "error", ""),
    ("managed", lambda d: d["makers"]["items"][0]["spec"]["template"]["spec"]["nodeSelector"].update(
        {"eks.amazonaws.com/compute-type": "auto"}), "auto-mode-windows-pods",
     FAIL, "error", "eks.amazonaws.com/compute-type"),
    ("managed", nodes(lambda n: n["metadata"]["labels"].update(
        {"eks.amazonaws.com/compute-type": "hybrid"})), "hybrid-windows-pods",
     FAIL, "error", "EC2 node groups"),
    ("managed", put("fargate", {"fargateProfileNames": ["f"], "fargateProfile": {
        "fargateProfileName": "f", "selectors": [{"namespace": "shop"}]}}),
     "fargate-windows-pods", FAIL, "error", "namespace that no profile selects"),
    ("managed", put("policies-of-pods", {"kind": "SecurityGroupPolicy", "metadata": {
        "name": "p", "namespace": "shop"}, "spec": {"podSelector": {}}}),
     "security-groups-for-pods", FAIL, "error", "kubectl edit securitygrouppolicy -n shop p"),
    ("managed", env("AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG"), "custom-networking",
     FAIL, "warning", "Linux nodes may keep the setting"),
    ("managed", add(three.maker("Deployment", "vpc-resource-controller", "linux", "kube-system")),
     "legacy-windows-support", FAIL, "warning", "kubectl delete deployment"),
    ("managed", taint, "coredns-capacity", FAIL, "error", "add-on|create-addon|describe pod"),
    ("karpenter", lambda d: d["linux-nodes"]["items"].pop(), "coredns-redundancy",
     FAIL, "warning", "aws eks create-nodegroup"),
    ("self-managed", put("policies", {"AttachedPolicies": []}), "resource-controller-policy",
     UNKNOWN, "error", "list-role-policies"),
    ("self-managed", lambda d: [put("policies", {"AttachedPolicies": []})(d),
     nodes(allocatable(addresses="0"))(d)], "resource-controller-policy",
     FAIL, "error", "attach-role-policy --role-name shop-cluster"),
    ("karpenter", put("claims", {"kind": "NodeClaimList", "items": [{
        "metadata": {"name": "windows-x7", "labels": {"karpenter.sh/nodepool": "windows"}},
        "status": {"conditions": [{"type": "Launched", "status": "Unknown",
                                   "reason": "LaunchFailed", "message": "no free addresses"}]},
    }]}), "karpenter-node-claims", FAIL, "warning", "kubectl describe nodeclaim windows-x7"),
    ("karpenter", first(lambda n: n["status"].update(conditions=[
        {"type": "Ready", "status": "False"}])), "windows-nodes-ready",
     FAIL, "warning", "kubectl describe node win-1"),
    ("managed", cni(enable_windows_ipam="yes"), "windows-ipam-enabled",
     FAIL, "error", "kubectl patch configmap"),
    ("managed", nodes(kind_of("m4.large")), "prefix-delegation-nitro", FAIL, "warning", "such as"),
    ("karpenter", cni(windows_minimum_ip_target="2"), "warm-targets",
     FAIL, "error", "warm-ip-target"),
    ("managed", full_subnet, "subnet-room", FAIL, "error", "another subnet"),
    # A warm pool holds an address for each instance that it has yet to start.
    ("managed", warm(enabled=True, minSize=1019), "subnet-room", FAIL, "error", "another subnet"),
    ("managed", warm(maxGroupPreparedCapacity=1021), "subnet-room", FAIL, "error", "another subnet"),
    ("managed", warm(enabled=False, minSize=1019), "subnet-room", "pass", "error", ""),
    ("managed", warm(maxGroupPreparedCapacity=-1), "subnet-room", "pass", "error", ""),
    ("self-managed", scaled_warm(0, MinSize=1019), "subnet-room", FAIL, "error", "another subnet"),
    ("self-managed", scaled_warm(1019, MinSize=1019), "subnet-room", "pass", "error", ""),
    ("self-managed", scaled_warm(0, MinSize=1019, Status="PendingDelete"), "subnet-room",
     "pass", "error", ""),
    ("self-managed", control_plane, "control-plane-room", FAIL, "error", "update-cluster-config"),
    ("self-managed", put("auth", three.aws_auth("shop-windows", three.GROUPS[:2])),
     "aws-auth-mapping", FAIL, "error", "iamidentitymapping"),
    ("karpenter", put("auth", three.aws_auth("shop-karpenter-windows", three.GROUPS[:2])),
     "aws-auth-mapping", FAIL, "error", "create-access-entry .*EC2_WINDOWS; or, in aws-auth"),
    # The role that is mapped is not the one that the nodes have.
    ("karpenter", put("auth", three.aws_auth("other")), "aws-auth-mapping",
     FAIL, "error", "create-access-entry"),
    ("self-managed", put("auth", three.aws_auth("other")), "aws-auth-mapping",
     FAIL, "error", "role/shop-windows"),
    ("self-managed", take("profile"), "aws-auth-mapping", UNKNOWN, "error",
     "get-instance-profile"),
    ("managed", put("entry-windows", three.entry("shop-windows", "EC2_LINUX")), "access-entry",
     FAIL, "error", "delete-access-entry .*; aws eks create-access-entry .*EC2_WINDOWS"),
    ("managed", put("entry-windows", three.entry("shop-windows", "STANDARD")),
     "custom-ami-mapping", FAIL, "error", "EC2_WINDOWS"),
    ("self-managed", lambda d: d["linux-group"]["nodegroup"].update(
        nodeRole=three.arn("shop-windows")), "shared-node-role", FAIL, "info", "serves both"),
    ("karpenter", lambda d: d["classes"]["items"][1]["spec"].update(
        role="shop-karpenter-windows"), "shared-node-role", FAIL, "warning", "EC2NodeClass"),
    ("managed", lambda d: d["linux-group"]["nodegroup"].update(
        nodeRole=three.arn("shop-windows")), "shared-node-role", FAIL, "warning",
     "aws eks create-nodegroup"),
    # No remedy takes away the entry that the Linux nodes of the role live by.
    ("managed", lambda d: [d["linux-group"]["nodegroup"].update(nodeRole=three.arn("shop-windows")),
     put("entry-windows", three.entry("shop-windows", "EC2_LINUX"))(d)], "custom-ami-mapping",
     FAIL, "error", "^the entry serves the Linux nodes of system: create a separate role for Windows"),
    ("managed", lambda d: d["linux-group"]["nodegroup"].update(
        nodeRole=three.arn("shop-windows")), "shared-node-role", FAIL, "warning",
     "--instance-types m5.large --launch-template id=lt-1,version=1 --node-role"),
    ("managed", cluster(version="1.38"), "kubelet-version", FAIL, "warning",
     '--launch-template id=lt-1,version="\\$.NEW_VERSION:.."'),
    ("managed", own_ami_of("1.34-2026.05.13"), "ami-release", FAIL, "warning",
     "update-nodegroup-version"),
    ("managed", own_ami_of("1.34-2026.11.11"), "ami-release", "pass", "warning", ""),
    ("managed", nodes(kind_of("m6g.large")), "instance-type-windows", FAIL, "error", "such as"),
    ("managed", nodes(kind_of("g3.4xlarge")), "instance-type-windows",
     UNKNOWN, "error", "load_catalog"),
    ("managed", nodes(kind_of("m6a.large")), "instance-type-caveats",
     FAIL, "warning", "one node first"),
    ("karpenter", pool(lambda p: p["spec"]["template"]["spec"]["requirements"][1].update(
        values=["m8in.large"])), "instance-type-controller", FAIL, "warning", "start one node"),
    ("karpenter", nodes(allocatable(addresses="0")), "node-advertises-addresses",
     FAIL, "error", "kubectl describe node win-1"),
    ("self-managed", pods(unasked), "pods-get-addresses", FAIL, "error", "nodeSelector"),
    ("managed", nodes(allocatable(pods="20")), "kubelet-max-pods",
     FAIL, "warning", "--max-pods=110 .*in addition to the arguments"),
    ("managed", nodes(lambda n: [allocatable(pods="300")(n)]), "kubelet-max-pods",
     FAIL, "warning", "--max-pods=110"),
    ("karpenter", lambda d: [nodes(allocatable(pods="5"))(d)], "kubelet-max-pods",
     FAIL, "warning", "spec.kubelet of the EC2NodeClass"),
    ("self-managed", nodes(allocatable(pods="29")), "linux-max-pods-list",
     FAIL, "warning", "take it away"),
    ("self-managed", nodes(allocatable(memory="8000Mi")), "system-memory",
     FAIL, "warning", "--system-reserved memory=1.5Gi"),
    ("karpenter", nodes(allocatable(memory="8000Mi")), "system-memory",
     FAIL, "warning", "EC2NodeClass"),
    ("managed", pods(lambda p: p["spec"]["containers"][0]["resources"]["requests"].update(
        memory="10Mi")), "image-memory", FAIL, "warning", "30 MB"),
    ("self-managed", scaling(lambda g: g.update(Tags=g["Tags"][:2])), "autoscaler-node-template",
     FAIL, "warning", "create-or-update-tags --tags ResourceId=shop-windows"),
    # An item of eksctl's file has no Auto Scaling group yet: the tag goes into the file.
    ("self-managed", lambda d: [[take(part)(d) for part in ("scaling", "linux-group", "groups", "template")],
     put("windows", {"kind": "NodeList", "items": []})(d), put("eksctl", {
        "kind": "ClusterConfig", "metadata": {"name": "shop"}, "nodeGroups": [{
            "name": "own", "amiFamily": "WindowsServer2022CoreContainer", "instanceType": "m5.large",
            "tags": {"k8s.io/cluster-autoscaler/enabled": "true"}}]})(d)],
     "autoscaler-node-template", FAIL, "warning", '^add under tags of own in the file .*: "9"'),
    ("self-managed", take("scaling"), "autoscaler-node-template",
     UNKNOWN, "warning", "describe-auto-scaling-groups"),
    ("managed", own_ami, "bootstrap-without-ami",
     FAIL, "error", "AMI id"),
    ("managed", many_services, "direct-server-return", FAIL, "info", "enable-dsr"),
    ("karpenter", pool(lambda p: p["spec"]["template"]["spec"].update(requirements=[])),
     "karpenter-node-os", FAIL, "error", r"values: \[windows\]"),
    ("karpenter", lambda d: d["classes"]["items"][0]["spec"].update(amiFamily="AL2023"),
     "karpenter-ami-family", FAIL, "error", "Windows2022"),
    ("karpenter", pool(lambda p: p["spec"]["template"]["spec"]["requirements"].append(
        {"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]})),
     "karpenter-ami-family", FAIL, "error", r"In \[amd64\]"),
    ("karpenter", pool(lambda p: p["spec"]["template"]["spec"]["requirements"].append(
        {"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64", "amd64"]})),
     "karpenter-ami-family", "pass", "error", ""),
    ("karpenter", pool(lambda p: p["status"].update(resources={"cpu": "100"})),
     "karpenter-limits", FAIL, "warning", "kubectl edit nodepool windows"),
    ("self-managed", unselect("kubernetes.io/os"), "os-selector", FAIL, "error",
     "kubectl patch deployment -n shop web"),
    ("self-managed", unselect("kubernetes.io/arch"), "arch-selector", FAIL, "warning",
     "kubectl patch deployment -n shop web"),
    ("managed", mounts({"csi": {"driver": "s3.csi.aws.com"}}), "windows-volumes",
     FAIL, "error", "FSx for Windows"),
    ("managed", mounts({"persistentVolumeClaim": {"claimName": "data"}}), "windows-volumes",
     UNKNOWN, "error", "persistentvolumeclaims"),
    ("managed", lambda d: [mounts({"persistentVolumeClaim": {"claimName": "data"}})(d), *(
        put(name, item)(d) for name, item in CLAIMED.items())], "windows-volumes",
     FAIL, "error", "node.enableWindows"),
    ("managed", pods(lambda p: p["spec"].update(securityContext={
        "windowsOptions": {"gmsaCredentialSpecName": "web"}})), "gmsa-credentials",
     FAIL, "error", "kubectl get gmsacredentialspecs web;"),
    ("managed", pods(lambda p: p["spec"].update(securityContext={"windowsOptions": {
        "gmsaCredentialSpecName": "web", "gmsaCredentialSpec": "{}"}})), "gmsa-credentials",
     "pass", "error", ""),
    ("self-managed", mixed, "windows-build-match", FAIL, "warning", "windows-build"),
    ("self-managed", add(service(1025)), "service-backends", FAIL, "error", "split it"),
    ("self-managed", lambda d: d["makers"]["items"].pop(2), "event-log-collected",
     FAIL, "info", "Fluent Bit"),
    ("self-managed", nodes(info(kernelVersion="10.0.19042.1")), "windows-server-version",
     FAIL, "error", "replace the nodes"),
    # What will start nodes is judged as the nodes are.
    ("managed", lambda d: d["windows-group"]["nodegroup"].update(
        amiType="WINDOWS_CORE_20H2_x86_64"), "windows-server-version",
     FAIL, "error", "replace the nodes"),
    ("karpenter", lambda d: [cluster(version="1.36")(d),
     d["classes"]["items"][0]["spec"].update(amiFamily="Windows2019")], "windows-server-version",
     FAIL, "warning", "2022 or 2025"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "change", "code", "outcome", "severity", "remedy"),
    CHANGES,
    ids=[f"{n}-{kind}-{code}" for n, (kind, _, code, *_) in enumerate(CHANGES)],
)
def test_one_change_is_seen_for_what_it_is(*, kind, change, code, outcome, severity, remedy):
    documents = deepcopy(KINDS[kind]())
    change(documents)
    findings = [f for f in judged(documents) if f.code == code]
    if outcome == "pass":
        assert {f.outcome for f in findings} == {"pass"}
        return
    hit = [f for f in findings if f.outcome == outcome and re.search(remedy, f.remedy, re.DOTALL)]
    assert hit, [(f.outcome, f.seen, f.remedy) for f in findings]
    assert hit[0].severity == severity


def test_the_partition_is_that_of_the_nodes_where_no_region_is_known():
    text = json.dumps(three.self_managed()).replace("eu-west-1", "us-gov-west-1")
    documents = json.loads(text)
    del documents["cluster"]
    documents["auth"] = three.aws_auth("shop-windows", three.GROUPS[:2])
    (finding,) = [f for f in judged(documents) if f.code == "aws-auth-mapping"]
    assert "arn:aws-us-gov:iam::" in finding.remedy


def test_every_check_has_a_change():
    assert {code for _, _, code, *_ in CHANGES} == {rule.code for rule in CHECKS}


def test_verdicts_on_data_older_than_six_months_say_so():
    old = {f.code: f.seen for f in judged(three.karpenter(), now=date(2027, 7, 1))}
    for code in ("instance-type-windows", "kubernetes-support", "windows-server-version"):
        assert "older than six months" in old[code], code
    new = {f.code: f.seen for f in judged(three.karpenter(), now=date(2026, 11, 26))}
    assert "older than six months" not in new["kubernetes-support"]
    assert not any("older than six" in f.seen for f in judged(three.karpenter(), now=None))


# -- a remedy is pasted whole: whatever names the files hold, a shell runs nothing of them -------

PAYLOADS = ["$(pwn)", "`pwn`", "';pwn;'", '";pwn;"', "\npwn\n", "|pwn", "&pwn&", ">(pwn)"]
NAMES = [
    "win-1", "win-2", "web-1", "web", "win", "shop-windows", "shop-linux",
    "shop-karpenter-windows", "shop-cluster", "eks-win", "subnet-1", "lt-1",
]  # fmt: skip
MEMBERS = [
    '"namespace": "shop"', '"name": "shop"', '"clusterName": "shop"', '"name": "windows"',
    '"karpenter.sh/nodepool": "windows"',
]  # fmt: skip


def hostile(documents, payload):
    """The same answers with a payload at the end of every name."""
    text = json.dumps(documents)
    escaped = json.dumps(payload)[1:-1]
    for name in NAMES:
        for start in ('"', "role/", "profile/"):
            text = text.replace(f'{start}{name}"', f'{start}{name}{escaped}"')
    for member in MEMBERS:
        text = text.replace(member, f'{member[:-1]}{escaped}"')
    return json.loads(text)


def advice(state):
    """All that is advised about a state: remedies, options of pods, drains."""
    yield from (finding.remedy for finding in check_cluster(state, now=TODAY))
    yield from (change.remedy for pod in explain_pending(state) for change in pod.options)
    for subnet in state.subnets or ():
        yield from (step.remedy for step in drains_for_blocks(state, subnet_id=subnet.subnet_id))


def mutated(payload):
    for kind, change, *_ in CHANGES:
        documents = deepcopy(KINDS[kind]())
        change(documents)
        yield load_files(*hostile(documents, payload).values())


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_name_runs_wherever_a_remedy_names_it(payload, tmp_path):
    script = tmp_path / "bin" / "pwn"
    script.parent.mkdir()
    script.write_text(f"#!/bin/bash\n: > {tmp_path}/pwned\n", "utf-8")
    script.chmod(0o755)
    (tmp_path / "there").mkdir()
    named = dict.fromkeys(text for state in mutated(payload) for text in advice(state))
    pasted = [text for text in named if "pwn" in text]
    assert len(pasted) > 20
    for text in pasted:
        subprocess.run(
            ["/bin/bash", "-c", f"aws() {{ :; }}; eksctl() {{ :; }}; kubectl() {{ :; }}; {text}"],
            cwd=tmp_path / "there",
            env={"PATH": str(script.parent)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        assert not (tmp_path / "pwned").exists(), text


def test_every_remedy_has_whole_quotes():
    for state in mutated(""):
        for text in advice(state):
            shlex.split(text)
