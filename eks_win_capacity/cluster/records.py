"""The records of a cluster's state: nodes, pods, node groups, subnets and the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from eks_win_capacity.core.display import Listed, Shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eks_win_capacity.addresses.subnet import Subnet

Compute = Literal["ec2", "fargate", "auto", "hybrid"]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Node(Shown):
    """
    A node as shown by kubectl.

    Attributes
    ----------
    name : str
    os, arch : str
        ``windows`` or ``linux``; ``amd64`` or ``arm64``.
    compute : {"ec2", "fargate", "auto", "hybrid"}
        The compute service that runs it.
    instance_type, zone, node_group, ami : str
        From its labels; empty if a label is missing.
    build : str
        The kernel version, on Windows such as ``10.0.17763.2746``.
    os_image, kubelet_version : str
        From its status.
    address : str
        Its internal address, which identifies its subnet.
    ready : bool or None
        Its condition Ready; None if the node has no such condition, which kubectl shows as
        ``Unknown``.
    schedulable : bool
        Whether it accepts new pods.
    pods_limit : int or None
        Allocatable ``pods``: the kubelet's max-pods. [pods]
    advertised_addresses : int or None
        Allocatable ``vpc.amazonaws.com/PrivateIPv4Address``; None if the
        controller has not advertised any. [addresses]
    cpu_m, memory_bytes : int or None
        Allocatable CPU [millicores] and memory [bytes].
    taints : tuple of str
        As ``key=value:effect``.
    events : tuple of str
        Warnings about it, as ``Reason: message``, without account ids.
    instance_id : str
        EC2's id of the instance, from ``spec.providerID``; empty if that is missing.
    node_pool : str
        The Karpenter NodePool that started it; empty for other nodes.
    build_label : str
        Its label ``node.kubernetes.io/windows-build``, by which pods choose a release.
    barred : str
        Why it accepts no new pods although it is not cordoned: it is being deleted, or has a taint
        that no workload tolerates, such as ``node.kubernetes.io/disk-pressure``; else empty.
    """

    _LISTED = (
        "name", "os", "instance_type", "zone", "node_group", "ready", "pods_limit",
        "advertised_addresses",
    )  # fmt: skip

    name: str
    os: str = ""
    arch: str = ""
    compute: Compute = "ec2"
    instance_type: str = ""
    zone: str = ""
    node_group: str = ""
    ami: str = ""
    build: str = ""
    os_image: str = ""
    kubelet_version: str = ""
    address: str = ""
    ready: bool | None = True
    schedulable: bool = True
    pods_limit: int | None = None
    advertised_addresses: int | None = None
    cpu_m: int | None = None
    memory_bytes: int | None = None
    taints: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    instance_id: str = ""
    node_pool: str = ""
    build_label: str = ""
    barred: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Pod(Shown):
    """
    A pod, with few fields: a cluster may have 100,000.

    Attributes
    ----------
    namespace, name : str
    node : str
        The node that it is assigned to; empty if not scheduled yet.
    phase : str
        ``Pending``, ``Running``, ``Succeeded``, ``Failed`` or ``Unknown``.
    owner : str
        The object that created it, such as ``Deployment/web``.
    selects_os, selects_arch, selects_compute : str
        What its node selector or required node affinity requires; the last is
        the label ``eks.amazonaws.com/compute-type``.
    declares_os : str
        ``spec.os.name``, or ``windows`` where Windows options are set.
    host_process, host_network : bool
        Whether it is a HostProcess pod, or uses the host's network; neither needs a pod address.
    cpu_m, memory_bytes : int
        Its requests. [millicores], [bytes]
    message : str
        Why it is waiting, from the scheduler or the kubelet.
    labels : tuple of (str, str)
        Sorted; services select by them.
    requests_address : bool or None
        Whether its spec requests ``vpc.amazonaws.com/PrivateIPv4Address``, which the
        webhook of the VPC resource controller adds; None if not known.
    selector_os : str
        The system in ``spec.nodeSelector``, the only field that the webhook reads.
    address : str
        The address recorded by the controller or the kubelet; empty if none.
    events : tuple of str
        Warnings while it is waiting, and messages of autoscalers about it.
    selects_build : str
        The Windows build that its node must have, from selector, affinity or RuntimeClass.
    autoscaler : bool
        Whether a container's image or arguments are those of the cluster autoscaler.
    csi_drivers : tuple of str
        CSI drivers of its volumes; an empty string for a volume whose driver is not known.
    gmsa_unfilled : str
        The gMSA credential spec that it names without including its contents.
    other_requests : tuple of str
        Its requests besides CPU, memory and an address, such as ``ephemeral-storage``.
    """

    _LISTED = ("namespace", "name", "phase", "node", "owner", "selects_os", "cpu_m", "memory_bytes")

    namespace: str
    name: str
    node: str = ""
    phase: str = ""
    owner: str = ""
    selects_os: str = ""
    selects_arch: str = ""
    selects_compute: str = ""
    declares_os: str = ""
    host_process: bool = False
    host_network: bool = False
    cpu_m: int = 0
    memory_bytes: int = 0
    message: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    requests_address: bool | None = None
    selector_os: str = ""
    address: str = ""
    events: tuple[str, ...] = ()
    selects_build: str = ""
    autoscaler: bool = False
    csi_drivers: tuple[str, ...] = ()
    gmsa_unfilled: str = ""
    other_requests: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """Namespace and name, as in kubectl."""
        return f"{self.namespace}/{self.name}"

    @property
    def takes_address(self) -> bool:
        """
        Whether it needs a pod address when it runs on Windows.

        A pod on the host's network needs none, unless it requests one: the scheduler counts that.
        """
        return bool(self.requests_address) or not (self.host_process or self.host_network)

    @property
    def without_request(self) -> bool:
        """
        Whether it needs a pod address but did not request one, so it never gets one.

        False if the pod runs or has an address, or if the scheduler reports that the resource is
        insufficient for it.
        """
        return (
            self.requests_address is False
            and self.takes_address
            and self.phase == "Pending"
            and not self.address
            and "insufficient vpc.amazonaws.com/privateipv4address" not in self.message.lower()
        )

    @property
    def active(self) -> bool:
        """Whether it uses, or will use, capacity of a node; finished pods do not."""
        return self.phase not in {"Succeeded", "Failed"}


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkloadManifest(Shown):
    """
    A manifest that creates pods.

    Attributes
    ----------
    kind, namespace, name : str
        Such as ``Deployment``, ``default``, ``web``.
    selects_os, selects_arch, selects_compute, declares_os : str
        As for a pod.
    host_process : bool
        Whether its pods use the host's network.
    labels : tuple of (str, str)
        Labels of its pods.
    replicas : int or None
        The number of pods that it requests; None for kinds without one.
    selects_build : str
        As for a pod.
    autoscaler : bool
        As for a pod.
    csi_drivers : tuple of str
        As for a `Pod`.
    gmsa_unfilled : str
        As for a `Pod`; the webhook adds the contents to the pods that the manifest creates.
    refused : str
        The error message if its pods could not be created; else empty.
    """

    kind: str
    namespace: str
    name: str
    selects_os: str = ""
    selects_arch: str = ""
    selects_compute: str = ""
    declares_os: str = ""
    host_process: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    replicas: int | None = None
    selects_build: str = ""
    autoscaler: bool = False
    csi_drivers: tuple[str, ...] = ()
    gmsa_unfilled: str = ""
    refused: str = ""

    @property
    def full_name(self) -> str:
        """Kind, namespace and name in one string."""
        return f"{self.kind} {self.namespace}/{self.name}"


Workload = WorkloadManifest
"""Older name of `WorkloadManifest`; now `Workload` means a workload to plan for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Service(Shown):
    """
    A service and its backends.

    Attributes
    ----------
    namespace, name, kind : str
        Such as ``default``, ``web``, ``LoadBalancer``.
    selector : tuple of (str, str)
        Labels of the pods that it serves; empty for a service without a selector.
    backends : int or None
        Number of addresses in its endpoints; None if no endpoints were given.
    """

    namespace: str
    name: str
    kind: str = "ClusterIP"
    selector: tuple[tuple[str, str], ...] = ()
    backends: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DisruptionBudget(Shown):
    """
    A PodDisruptionBudget: the number of its pods that may be evicted now.

    Attributes
    ----------
    namespace, name : str
    selector : tuple of (str, str)
        Labels of its pods; if empty, all pods of the namespace.
    allowed : int or None
        Evictions allowed now, from its status; None if the status lacks it. [pods]
    readable : bool
        Whether it selects pods by labels only.
    """

    namespace: str
    name: str
    selector: tuple[tuple[str, str], ...] = ()
    allowed: int | None = None
    readable: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class SecurityGroupPolicy(Shown):
    """
    Selects the pods that request their own security groups.

    Attributes
    ----------
    namespace, name : str
    selector : tuple of (str, str)
        Labels of the pods; empty for a selector that matches every pod.
    readable : bool
        Whether the selector has labels only, so that it could be evaluated.
    """

    namespace: str
    name: str
    selector: tuple[tuple[str, str], ...] = ()
    readable: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class RoleMapping(Shown):
    """
    An entry of mapRoles in ConfigMap aws-auth.

    Attributes
    ----------
    role : str
        Name of the IAM role, without account and path.
    groups : tuple of str
    username : str
    has_path : bool
        Whether the mapped ARN has a path, which makes the cluster ignore the mapping.
    account : str
        Mark of the ARN's account, by which it is compared with that of the nodes; ``masked`` if
        the ARN does not show it, and empty if not known.
    """

    role: str
    groups: tuple[str, ...] = ()
    username: str = ""
    has_path: bool = False
    account: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessEntry(Shown):
    """
    An EKS access entry.

    Attributes
    ----------
    role : str
        Name of the IAM principal.
    type : str
        ``STANDARD``, ``EC2_LINUX``, ``EC2_WINDOWS``, ``FARGATE_LINUX`` ...
    groups : tuple of str
    """

    role: str
    type: str = "STANDARD"
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class FargateProfile(Shown):
    """
    A Fargate profile.

    Attributes
    ----------
    name : str
    selectors : tuple of (str, tuple of (str, str))
        Namespace and labels of the pods that it runs.
    """

    name: str
    selectors: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeGroup(Shown):
    """
    A node group: a managed one of EKS, or an Auto Scaling group of self-managed nodes.

    Attributes
    ----------
    name, ami_type, capacity_type, status : str
        ``ami_type`` such as ``WINDOWS_CORE_2022_x86_64`` or ``CUSTOM``.
    version, release_version : str
        Kubernetes version and AMI release of its nodes.
    instance_types : tuple of str
        From the group, or else from its launch template.
    min_size, desired_size, max_size : int or None
    role : str
        Name of the node role.
    role_account : str
        Mark of the role's account, as for a `RoleMapping`.
    subnet_ids : tuple of str
    launch_template : str
        Such as ``lt-0abc version 3``; empty if the user gave none.
    custom_ami : bool or None
        Whether its launch template specifies an image; None if not known.
    kubelet_max_pods : int or None
        From ``--max-pods`` in the bootstrap arguments; None if not given there.
    user_data_known : bool
        Whether the bootstrap arguments could be read.
    labels : tuple of (str, str)
    taints : tuple of str
    autoscaling_tags : tuple of (str, str) or None
        Tags of its Auto Scaling group; None if not read.
    autoscaling_groups : tuple of str
        Names of its Auto Scaling groups, as far as EKS reports them.
    managed : bool
        Whether EKS manages it.
    system : str
        ``windows`` or ``linux`` if known from a source other than the AMI type.
    instances : tuple of str
        Ids of its EC2 instances, as far as its Auto Scaling group reports them.
    reserved_memory_mib : int or None
        Memory that the bootstrap arguments reserve; None if not given there. [MiB]
    bootstraps : bool or None
        Whether its user data runs the bootstrap script; None if not read.
    service_cidr : str
        ``-ServiceCIDR`` of the bootstrap arguments; empty without one.
    dsr : bool
        Whether the bootstrap arguments enable direct server return for kube-proxy.
    warm_pool : int
        Instances of its warm pool that are not started yet. [nodes]
    prefixes : int or None
        /28 prefixes that its launch template assigns to the first interface; None if not known.
        [prefixes]
    issues : tuple of str
        Problems that EKS reports about it, as ``code: message``, without account ids.
    """

    name: str
    ami_type: str = ""
    capacity_type: str = ""
    status: str = ""
    version: str = ""
    release_version: str = ""
    instance_types: tuple[str, ...] = ()
    min_size: int | None = None
    desired_size: int | None = None
    max_size: int | None = None
    role: str = ""
    subnet_ids: tuple[str, ...] = ()
    launch_template: str = ""
    custom_ami: bool | None = None
    kubelet_max_pods: int | None = None
    user_data_known: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[str, ...] = ()
    autoscaling_tags: tuple[tuple[str, str], ...] | None = None
    autoscaling_groups: tuple[str, ...] = ()
    managed: bool = True
    system: str = ""
    instances: tuple[str, ...] = ()
    reserved_memory_mib: int | None = None
    bootstraps: bool | None = None
    service_cidr: str = ""
    dsr: bool = False
    warm_pool: int = 0
    prefixes: int | None = None
    issues: tuple[str, ...] = ()
    role_account: str = field(default="", compare=False, repr=False)

    @property
    def windows(self) -> bool | None:
        """Whether its nodes run Windows; None if not known, as with a custom AMI."""
        if self.system:
            return self.system == "windows"
        if self.ami_type.startswith("WINDOWS"):
            return True
        return None if self.ami_type in {"", "CUSTOM"} else False


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance(Shown):
    """
    An EC2 instance and the IAM role of its node.

    Attributes
    ----------
    instance_id, profile : str
        Id, and name of its instance profile; empty if it has none.
    role : str
        Name of the profile's role; empty without an answer of GetInstanceProfile.
    role_account : str
        Mark of the profile's account, as for a `RoleMapping`.
    """

    instance_id: str
    profile: str = ""
    role: str = ""
    role_account: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class NodePool(Shown):
    """
    A Karpenter NodePool.

    Attributes
    ----------
    name, node_class : str
        Its name, and that of the EC2NodeClass of its nodes.
    systems : tuple of str
        The values that its requirements or labels allow for ``kubernetes.io/os``; empty if they
        do not mention it.
    instance_types : tuple of str
        The types that its requirements list; empty if they list none.
    architectures : tuple of str
        The values that its requirements allow for ``kubernetes.io/arch``; empty if they do not
        mention it.
    limits, used : tuple of (str, str)
        ``spec.limits`` and ``status.resources``, as Kubernetes quantities.
    taints : tuple of str
        As ``key=value:effect``.
    """

    name: str
    node_class: str = ""
    systems: tuple[str, ...] = ()
    instance_types: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    limits: tuple[tuple[str, str], ...] = ()
    used: tuple[tuple[str, str], ...] = ()
    taints: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeClass(Shown):
    """
    A Karpenter EC2NodeClass.

    Attributes
    ----------
    name, ami_family, role, profile : str
        ``ami_family`` from ``spec.amiFamily``, else from the alias of its AMIs, such as
        ``Windows2022``; role or instance profile of its nodes.
    max_pods : int or None
        ``spec.kubelet.maxPods``; None if not set. [pods]
    reserved_memory_mib : int or None
        Memory that ``spec.kubelet`` reserves; None if not set. [MiB]
    prefixes : int or None
        ``spec.ipPrefixCount``; None if not set.
    """

    name: str
    ami_family: str = ""
    role: str = ""
    profile: str = ""
    max_pods: int | None = None
    reserved_memory_mib: int | None = None
    prefixes: int | None = None

    @property
    def windows(self) -> bool | None:
        """Whether its nodes run Windows; None for custom AMIs, whose system is not known."""
        family = self.ami_family.lower()
        return None if family in {"", "custom"} else family.startswith("windows")


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeClaim(Shown):
    """
    A Karpenter NodeClaim: a node that is starting or has started.

    Attributes
    ----------
    name, node_pool, instance_type, node : str
        Its name, its NodePool, and the type and name of the node, which are empty until they
        are known.
    systems : tuple of str
        As for a NodePool.
    open : tuple of (str, str, str)
        Those of ``Launched``, ``Registered`` and ``Initialized`` that are not true yet, each with
        its reason and message.
    """

    name: str
    node_pool: str = ""
    instance_type: str = ""
    node: str = ""
    systems: tuple[str, ...] = ()
    open: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Addon(Shown):
    """
    An EKS add-on.

    Attributes
    ----------
    name, version, status : str
    configuration : Mapping
        Its configuration values, as given by the user.
    """

    name: str
    version: str = ""
    status: str = ""
    configuration: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class InterfaceState(Shown):
    """
    The network interface of an instance, as reported by EC2.

    Attributes
    ----------
    address : str
        Its primary address, which identifies the node.
    secondary : tuple of str
        Its secondary addresses, one per slot.
    prefixes : tuple of str
        Its /28 prefixes, one per slot.
    """

    address: str
    secondary: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()


# No __slots__, so that the subnet model is cached with it: every question needs the model.
@dataclass(frozen=True, kw_only=True, repr=False)
class SubnetState(Shown):
    """
    A subnet as reported by EC2: which addresses are used, and by whom.

    Attributes
    ----------
    subnet_id, vpc_id, zone, zone_id, cidr : str
    available : int or None
        EC2's AvailableIpAddressCount. [addresses]
    used : tuple of str or None
        Addresses and prefixes of its interfaces; None if unknown.
    reservations : tuple of (str, str) or None
        CIDR and kind (``prefix`` or ``explicit``) of each CIDR reservation; None if unknown.
    users : Mapping of str to int, or None
        Addresses used by ``windows nodes``, ``linux nodes``, ``load balancers``, ``endpoints``,
        ``control plane`` and ``other``, those in prefixes included.
        [addresses]
    interfaces : tuple of InterfaceState or None
        The interfaces of instances in it; None if unknown.
    """

    _LISTED = ("subnet_id", "cidr", "zone", "available", "users", "reservations")

    subnet_id: str
    cidr: str
    vpc_id: str = ""
    zone: str = ""
    zone_id: str = ""
    available: int | None = None
    used: tuple[str, ...] | None = None
    reservations: tuple[tuple[str, str], ...] | None = None
    users: Mapping[str, int] | None = None
    interfaces: tuple[InterfaceState, ...] | None = None

    def __post_init__(self) -> None:
        if self.interfaces is not None:
            object.__setattr__(self, "interfaces", Listed(self.interfaces))
        if self.reservations is not None:
            # A `Reservation` of a `Subnet` is taken too.
            given: tuple[Any, ...] = self.reservations
            pairs = ((one.cidr, one.type) if hasattr(one, "cidr") else one for one in given)
            object.__setattr__(self, "reservations", tuple(pairs))

    @cached_property
    def subnet(self) -> Subnet | None:
        """
        The subnet as a model, cached; None if its use is not known.

        Without the interfaces only the count of used addresses is known, and only if no reservation
        hides its own use.
        """
        from eks_win_capacity.addresses.subnet import Subnet

        used: object = self.used
        if used is None:
            if self.available is None or self.reservations:
                return None
            used = Subnet(self.cidr).usable - self.available
        return Subnet(
            self.cidr,
            used=used,
            reservations=self.reservations or (),
            subnet_id=self.subnet_id,
            zone=self.zone or None,
            vpc_id=self.vpc_id or None,
        )
