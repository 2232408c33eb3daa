"""Facts of the platform, each with its source."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ADDRESSES_PER_PREFIX: Final = 16
"""Addresses in the /28 that prefix delegation puts into each slot. [addresses]

Source: EKS user guide, "Deploy Windows nodes on EKS clusters".
"""

NODE_ADDRESSES: Final = 1
"""Addresses of the interface that belong to the node itself. [addresses]

Source: EKS user guide, "Deploy Windows nodes on EKS clusters".
"""

KUBELET_MAX_PODS: Final = 110
"""The kubelet's max-pods on the EKS Windows AMIs unless it is given. [pods]

Source: EKS user guide, "Amazon EKS optimized Windows AMIs", bootstrap script.
"""

KUBELET_MAX_PODS_ADVISED: Final = 250
"""Maximum max-pods that AWS advises for a node. [pods]

Source: EKS best practices guide, "Prefix mode for Windows".
"""

KUBELET_MAX_PODS_SMALL: Final = 110
"""Maximum max-pods by AWS's calculation for a type with fewer than 30 vCPUs. [pods]

Above, it is `KUBELET_MAX_PODS_ADVISED`.
Source: EKS user guide, "Choose an optimal Amazon EC2 node instance type" (2026-11-25).
"""

KUBELET_MAX_PODS_VCPUS: Final = 30
"""vCPUs from which a node may have `KUBELET_MAX_PODS_ADVISED` pods.

Source: as `KUBELET_MAX_PODS_SMALL`.
"""

SERVICES_WITHOUT_DSR: Final = 100
"""Number of services from which kube-proxy on Windows needs direct server return.

Source: this project's audit of the EKS documentation (2026-11-25).
"""

DEFAULT_SERVICE_CIDRS: Final = ("10.100.0.0/16", "172.20.0.0/16")
"""Default service CIDRs of EKS, which the bootstrap script assumes.

Source: EKS API reference, KubernetesNetworkConfigRequest.serviceIpv4Cidr (2026-11-25).
"""

CONTROLLER_TABLE_AS_OF: Final = "2026-03-20"
"""Day of the controller's table of instance types that the bundled one was read from.

Source: amazon-vpc-resource-controller-k8s, ``pkg/aws/vpc/limits.go``.
"""

KARPENTER_TABLE_AS_OF: Final = "2026-08-06"
"""Day of Karpenter's own table of instance types, 1,401 of them.

Source: karpenter-provider-aws, ``pkg/providers/instancetype/zz_generated.vpclimits.go``.
"""

KARPENTER_LACKS: Final = frozenset(
    {"hpc6a", "hpc6id", "hpc7a", "hpc8a", "r9g", "r9gd", "t8i", "trn2", "trn2u"}
)
"""Families of the bundled table that Karpenter's own lacks: 36 types, 14 of them x86.

Karpenter counts 0 pod addresses on a Windows node of a type that its table lacks, and so
starts none for a pod that needs one.
Source: as `KARPENTER_TABLE_AS_OF`; ``privateIPv4Address`` in ``types.go`` beside it.
"""

KARPENTER_ADDED: Final = frozenset(
    [
        "c8gb", "c8gn", "c8ib", "c8in", "c8ine", "c9g", "c9gd", "g7", "hpc7g", "m8gb", "m8gn",
        "m8ib", "m8idb", "m8idn", "m8in", "m8ine", "m9g", "m9gd", "mac-m3ultra", "r8gb", "r8gn",
        "r8ib", "r8idb", "r8idn", "r8in",
    ]
)  # fmt: skip
"""Families with types that Karpenter's table has and the controller's of `CONTROLLER_TABLE_AS_OF` lacks.

Source: as `KARPENTER_TABLE_AS_OF`. Every type of the controller's table is in it too.
"""

MAX_COUNT: Final = 1_000_000
"""Maximum of a count; a larger one is probably a typing error.

Source: this project. Warm targets above it overflow in the real controller.
"""

WINDOWS_SYSTEM_RESERVED_MIB: Final = 1536
"""Memory kept for Windows itself (``--system-reserved memory=1.5Gi``). [MiB]

Source: EKS best practices guide, Windows, "Memory and systems management".
"""

WINDOWS_KUBE_RESERVED_MIB: Final = 512
"""Memory kept for kubelet and runtime (``--kube-reserved memory=0.5Gi``). [MiB]

Source: EKS best practices guide, Windows, "Memory and systems management".
"""

WINDOWS_EVICTION_MIB: Final = 500
"""Free memory below which the kubelet evicts pods, by its own default since 1.31. [MiB]

Before 1.31 it evicted for memory only where it was told to; the EKS best practices guide
still writes ``memory.available<200Mi``, which lowers the default.
Source: Kubernetes pull request 122922, ``pkg/kubelet/apis/config/v1beta1/defaults_windows.go``
(2026-11-25).
"""

CONTAINER_IMAGE_MEMORY_MB: Final = {"Nano Server": 30, "Server Core": 45}
"""Memory that a container of each Windows base image needs by itself. [MB]

Source: EKS best practices guide, Windows, "Memory and systems management".
"""

LARGEST_IPV4_PER_INTERFACE: Final = 64
"""Current maximum of IPv4 addresses on one interface of any type. [addresses]

Source: EC2 DescribeInstanceTypes, all types of the bundled table.
"""

COOL_DOWN_S: Final = 30
"""Time a freed address waits before it may serve another pod. [s]

Source: amazon-vpc-resource-controller-k8s, ``pkg/config/type.go``.
"""

COOL_DOWN_TICK_S: Final = 30
"""Interval at which the controller checks a node's queue of cooling addresses. [s]

So addresses cool down for 30 to 60 s.
Source: amazon-vpc-resource-controller-k8s b8d425119bdb, IP and prefix providers.
"""

RETRY_SHORT_S: Final = 0.6
"""A pod's wait after EMPTY or CREATING. [s]

Source: amazon-vpc-resource-controller-k8s b8d425119bdb, on-demand pod handler.
"""

RETRY_COOLING_S: Final = 20.0
"""A pod's wait after COOLING. [s]

Source: as ``RETRY_SHORT_S``.
"""

RETRY_NO_CIDR_S: Final = 120.0
"""A pod's wait after NO_CIDR. [s]

Source: as ``RETRY_SHORT_S``.
"""

RETRY_QUEUE_FIRST_S: Final = 0.005
"""A pod's first wait after AT_CAPACITY, doubled each time. [s]

Source: client-go, ``DefaultTypedControllerRateLimiter``.
"""

RETRY_QUEUE_LAST_S: Final = 1000.0
"""A pod's longest wait after AT_CAPACITY. [s]

Source: client-go, ``DefaultTypedControllerRateLimiter``.
"""

WINDOWS_PLATFORM_VERSIONS: Final = {
    "1.24": 2, "1.25": 1, "1.26": 1, "1.27": 1, "1.28": 1, "1.29": 1, "1.30": 2, "1.31": 4,
}  # fmt: skip
"""Lowest platform version (``eks.N``) with Windows support, by Kubernetes version.

Every platform version of a later Kubernetes version has it too.
Source: EKS user guide, "Deploy Windows nodes on EKS clusters".
"""

PREFIX_PLATFORM_VERSIONS: Final = {"1.25": 5, "1.26": 4, "1.27": 3}
"""Lowest platform version with prefix delegation on Windows, where it differs.

Before 1.25 there is none; from 1.28 on, every version with Windows support has it.
Source: EKS user guide, "Deploy Windows nodes on EKS clusters".
"""

WINDOWS_BUILDS: Final = {17763: "2019", 20348: "2022", 26100: "2025"}
"""Windows Server release of each OS build.

Source: Microsoft, "Windows Server release information".
"""

WINDOWS_BUILDS_ENDED: Final = {
    18363: ("1909", "2020-12-08"),
    19041: ("2004", "2021-12-14"),
    19042: ("20H2", "2022-08-09"),
}
"""Name and last day of each Windows Server release that EKS no longer has AMIs of, by OS build.

Source: EKS user guide, "Create nodes with optimized Windows AMIs", release calendar, of
`WINDOWS_SERVER_AS_OF`.
"""

WINDOWS_SERVER_AS_OF: Final = "2026-11-25"
"""Day on which the tables of Windows Server releases were read.

Source: as `WINDOWS_BUILDS_ENDED`, `WINDOWS_SERVER_LAST` and `WINDOWS_SERVER_FROM`.
"""

WINDOWS_SERVER_LAST: Final = {"2019": "1.35"}
"""Last Kubernetes version whose documentation names a Windows Server release.

Source: Kubernetes, "Windows containers in Kubernetes", versions 1.35 and 1.36, of
`WINDOWS_SERVER_AS_OF`.
"""

KUBERNETES_SUPPORT_AS_OF: Final = "2026-11-25"
"""Day on which the ends of support were read.

Source: as `KUBERNETES_SUPPORT_ENDS`.
"""

KUBERNETES_SUPPORT_ENDS: Final = {
    "1.23": "2024-10-11", "1.24": "2025-01-31", "1.25": "2025-05-01", "1.26": "2025-06-11",
    "1.27": "2025-07-24", "1.28": "2025-11-26", "1.29": "2026-03-23", "1.30": "2026-07-23",
    "1.31": "2026-11-26", "1.32": "2027-03-23", "1.33": "2027-07-29",
}  # fmt: skip
"""Day on which EKS' extended support of each Kubernetes version ends.

Source: EKS user guide, "Understand the Kubernetes version lifecycle on EKS" (2026-11-25).
"""

WINDOWS_SERVER_FROM: Final = {"2019": "1.14", "2022": "1.23", "2025": "1.35"}
"""First Kubernetes version with an EKS AMI of each Windows Server release.

Source: EKS user guide, "Create nodes with optimized Windows AMIs", of `WINDOWS_SERVER_AS_OF`.
"""

SERVICE_BACKENDS: Final = 1024
"""Backends that a service reaches from Windows. [pods]

Source: EKS user guide, "Deploy Windows nodes on EKS clusters".
"""

SERVICE_BACKENDS_OLD: Final = 64
"""Backends that a service reaches before build 17763.2746. [pods]

Source: EKS user guide, "Deploy Windows nodes on EKS clusters".
"""

SERVICE_BACKENDS_BUILD: Final = (17763, 2746)
"""First Windows build on which a service reaches 1,024 backends.

Source: EKS user guide, "Deploy Windows nodes on EKS clusters".
"""

KUBELET_SKEW: Final = 3
"""Minor versions by which a kubelet may be older than the control plane.

Source: Kubernetes, "Version skew policy" (from 1.28 on; 2 before).
"""

WINDOWS_ROLE_GROUPS: Final = ("system:bootstrappers", "system:nodes", "eks:kube-proxy-windows")
"""Groups that aws-auth must give the role of Windows nodes.

Source: EKS user guide, "Deploy Windows nodes on EKS clusters".
"""

ADDRESS_RESOURCE: Final = "vpc.amazonaws.com/PrivateIPv4Address"
"""The resource in which the VPC resource controller advertises pod addresses.

Source: amazon-vpc-resource-controller-k8s, ``pkg/config/type.go``.
"""

RESOURCE_CONTROLLER_POLICY: Final = "AmazonEKSVPCResourceController"
"""Managed policy that the cluster role needs to give Windows pods addresses.

Source: EKS user guide, "Deploy Windows nodes on EKS clusters".
"""

SUBNET_PREFIX_LENGTHS: Final = (16, 28)
"""Prefix lengths of the largest and the smallest subnet, both included.

Source: Amazon VPC user guide, "Subnet CIDR blocks".
"""

SUBNET_KEPT_FIRST: Final = 4
"""Addresses at the start of a subnet that AWS keeps. [addresses]

Source: Amazon VPC user guide, "Subnet CIDR blocks".
"""

SUBNET_KEPT_LAST: Final = 1
"""Addresses at the end of a subnet that AWS keeps. [addresses]

Source: Amazon VPC user guide, "Subnet CIDR blocks".
"""

CONTROL_PLANE_ADDRESSES: Final = 6
"""Free addresses EKS needs in each cluster subnet for its interfaces. [addresses]

Source: EKS user guide, "Amazon EKS networking requirements for VPC and subnets".
"""

CONTROL_PLANE_ADDRESSES_ADVISED: Final = 16
"""Free addresses EKS recommends in each cluster subnet. [addresses]

Source: EKS user guide, "Amazon EKS networking requirements for VPC and subnets".
"""

GOING_TAINTS: Final = (
    r"node\.kubernetes\.io/(?:disk-pressure|pid-pressure|network-unavailable|out-of-service)"
    r"|node\.cloudprovider\.kubernetes\.io/(?:uninitialized|shutdown)"
    r"|karpenter\.sh/(?:disrupted|disruption|unregistered)"
    r"|ToBeDeletedByClusterAutoscaler|aws-node-termination-handler/[\w.-]+"
)
"""Keys of taints by which Kubernetes and autoscalers keep all workloads away, as a pattern.

Source: Kubernetes, "Well-Known Labels, Annotations and Taints"; Karpenter, "Disruption"; cluster
autoscaler, ``utils/taints``; aws-node-termination-handler, ``taint-node``.
"""
