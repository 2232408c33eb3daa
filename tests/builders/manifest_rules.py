"""What eksctl, Karpenter and CloudFormation refuse: facts carried here, read from their sources."""

# ruff: noqa: PERF401

import re

import yaml

EKSCTL = {
    "nodeGroups": {
        "ami", "amiFamily", "availabilityZones", "desiredCapacity", "instanceType",
        "instancesDistribution", "labels", "maxPodsPerNode", "maxSize", "minSize", "name",
        "overrideBootstrapCommand", "propagateASGTags", "subnets", "tags", "taints",
    },
    "managedNodeGroups": {
        "amiFamily", "availabilityZones", "desiredCapacity", "instanceTypes", "labels",
        "maxPodsPerNode", "maxSize", "minSize", "name", "propagateASGTags", "spot", "subnets",
        "tags", "taints",
    },
}  # fmt: skip
"""Fields of v1alpha5 that a Windows group may have: its schema, and ``validation.go``, which
refuses ``kubeletExtraConfig`` for Windows and an image for managed Windows groups."""

FAMILIES = {
    f"WindowsServer{year}{edition}Container"
    for year in ("2019", "2022", "2025")
    for edition in ("Core", "Full")
}

NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def eksctl_faults(text: str) -> list[str]:
    """What eksctl would refuse of a ClusterConfig."""
    manifest = yaml.safe_load(text)
    faults = []
    if set(manifest) - {"apiVersion", "kind", "metadata", *EKSCTL}:
        faults.append("unknown part")
    for kind, fields in EKSCTL.items():
        groups = manifest.get(kind, [])
        if len({group["name"] for group in groups}) < len(groups):
            faults.append("two groups of one name")
        for group in groups:
            faults += [f"{kind}.{name}" for name in set(group) - fields]
            if not re.fullmatch(r"[A-Za-z][-A-Za-z0-9]{0,62}", group["name"]):
                faults.append(f"name {group['name']}")
            if group["amiFamily"] not in FAMILIES:
                faults.append("amiFamily")
            if "ami" in group and "maxPodsPerNode" in group:
                faults.append("maxPodsPerNode beside ami")
            if "ami" in group and "overrideBootstrapCommand" not in group:
                faults.append("ami without overrideBootstrapCommand")
            if not group["minSize"] <= group["desiredCapacity"] <= group["maxSize"]:
                faults.append("sizes")
            mixed = group.get("instanceType") == "mixed"
            if mixed != ("instancesDistribution" in group):
                faults.append("mixed without instancesDistribution, or one without the other")
            if "subnets" in group and "availabilityZones" in group:
                faults.append("subnets beside availabilityZones")
            if any(not isinstance(value, str) for value in group.get("tags", {}).values()):
                faults.append("tags")
    if not any(manifest.get(kind) for kind in EKSCTL):
        faults.append("no group")
    return faults


def pool_faults(text: str) -> list[str]:
    """What the API server would refuse of a NodePool: fields and CEL rules of karpenter.sh/v1."""
    manifest = yaml.safe_load(text)
    faults = []
    if (manifest["apiVersion"], manifest["kind"]) != ("karpenter.sh/v1", "NodePool"):
        faults.append("kind")
    if not NAME.fullmatch(manifest["metadata"]["name"]):
        faults.append("name")
    if set(manifest["spec"]) - {"disruption", "limits", "replicas", "template", "weight"}:
        faults.append("spec")
    template = manifest["spec"]["template"]
    for label in template.get("metadata", {}).get("labels", {}):
        if label == "kubernetes.io/hostname" or label.split("/")[0].endswith("karpenter.sh"):
            faults.append(f"label {label} is restricted")
    spec = template["spec"]
    known = {
        "expireAfter", "nodeClassRef", "requirements", "startupTaints", "taints",
        "terminationGracePeriod",
    }  # fmt: skip
    faults += [f"template.spec.{name}" for name in set(spec) - known]
    if any(not spec["nodeClassRef"].get(name) for name in ("group", "kind", "name")):
        faults.append("nodeClassRef may not be empty")
    if len(spec["requirements"]) > 100:
        faults.append("more than 100 requirements")
    for one in spec["requirements"]:
        if one["operator"] == "In" and not one.get("values"):
            faults.append("requirements with operator 'In' must have a value defined")
        if one["key"] == "kubernetes.io/hostname":
            faults.append("hostname is restricted")
        least = one.get("minValues")
        if least is not None and not 1 <= least <= min(50, len(one["values"])):
            faults.append("minValues")
        if any(not re.fullmatch(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?", v) for v in one["values"]):
            faults.append("value")
    for taint in spec.get("taints", ()):
        if taint["effect"] not in {"NoSchedule", "PreferNoSchedule", "NoExecute"}:
            faults.append("effect")
    quantity = r"(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))([KMGTPE]i|[numkMGTPE])?"
    faults += [
        f"limits.{name}"
        for name, value in manifest["spec"].get("limits", {}).items()
        if not re.fullmatch(quantity, value)
    ]
    return faults


def class_faults(text: str) -> list[str]:
    """What the API server would refuse of an EC2NodeClass: fields and CEL rules of v1."""
    manifest = yaml.safe_load(text)
    spec = manifest["spec"]
    faults = []
    if (manifest["apiVersion"], manifest["kind"]) != ("karpenter.k8s.aws/v1", "EC2NodeClass"):
        faults.append("kind")
    alias = [term["alias"] for term in spec["amiSelectorTerms"] if "alias" in term]
    if alias and len(spec["amiSelectorTerms"]) != 1:
        faults.append("'alias' must be the only term")
    for one in alias:
        family, _, version = one.partition("@")
        if family not in {"windows2019", "windows2022", "windows2025"} or version != "latest":
            faults.append(f"alias {one}")
        if spec.get("amiFamily") not in {family.capitalize(), "Custom", None}:
            faults.append("amiFamily is not that of the alias")
    if not alias and "amiFamily" not in spec:
        faults.append("amiFamily")
    if ("role" in spec) == ("instanceProfile" in spec):
        faults.append("role or instanceProfile")
    for name in ("subnetSelectorTerms", "securityGroupSelectorTerms"):
        if not spec[name] or any(len({"id", "tags"} & set(term)) != 1 for term in spec[name]):
            faults.append(name)
    kubelet = spec.get("kubelet", {})
    signals = {"memory.available", "nodefs.available", "nodefs.inodesFree", "pid.available"}
    if kubelet.get("maxPods", 0) < 0 or set(kubelet.get("evictionHard", {})) - signals:
        faults.append("kubelet")
    for name in ("kubeReserved", "systemReserved"):
        if set(kubelet.get(name, {})) - {"cpu", "memory", "ephemeral-storage", "pid"}:
            faults.append(name)
    return faults


def template_faults(text: str) -> list[str]:
    """What EKS and CloudFormation would refuse of a template of managed groups."""
    manifest = yaml.safe_load(text)
    faults = []
    known = {*manifest["Parameters"], *manifest["Resources"]}
    names = re.findall(r"\$\{([A-Za-z]+)\}", text) + re.findall(r"Ref: (\S+)", text)
    faults += [f"{name} is not known" for name in names if name not in known]
    for one in manifest["Resources"].values():
        if one["Type"] != "AWS::EKS::Nodegroup":
            continue
        group = one["Properties"]
        if ("LaunchTemplate" in group) == ("AmiType" in group):
            faults.append("an image of one's own beside amiType")
        sizes = group["ScalingConfig"]
        if not sizes["MinSize"] <= sizes["DesiredSize"] <= sizes["MaxSize"]:
            faults.append("sizes")
        if any(taint["Effect"] != "NO_SCHEDULE" for taint in group.get("Taints", ())):
            faults.append("taints")
    return faults
