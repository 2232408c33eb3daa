"""Generated from ``data/`` by ``eks-win-capacity catalog refresh``; do not edit."""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SUPPORTED_SOURCE = "Amazon EKS user guide, \"Deploy Windows nodes on EKS clusters\", considerations"
RULES: list[dict[str, Any]] = [
    {
        "architectures": [
            "arm64"
        ],
        "families": [],
        "types": [],
        "except": [],
        "absent_from": "",
        "code": "arm64",
        "status": "unsupported",
        "why": "Windows nodes on EKS need amd64; this type has an Arm processor",
        "date": "2026-11-23",
        "source": "Amazon EKS user guide, \"Deploy Windows nodes on EKS clusters\", considerations"
    },
    {
        "architectures": [
            "arm64_mac",
            "x86_64_mac"
        ],
        "families": [],
        "types": [],
        "except": [],
        "absent_from": "",
        "code": "mac",
        "status": "unsupported",
        "why": "EC2 Mac instances run macOS only",
        "date": "2026-11-23",
        "source": "Amazon EC2 user guide, \"Amazon EC2 Mac instances\""
    },
    {
        "architectures": [
            "*"
        ],
        "families": [],
        "types": [],
        "except": [],
        "absent_from": "",
        "code": "not-amd64",
        "status": "unsupported",
        "why": "Windows nodes on EKS need amd64, which this type does not list among its architectures",
        "date": "2026-11-23",
        "source": "Amazon EKS user guide, \"Deploy Windows nodes on EKS clusters\", considerations"
    },
    {
        "architectures": [],
        "families": [
            "dl1",
            "f2",
            "inf2",
            "p4d",
            "p4de",
            "trn1",
            "trn1n",
            "vt1"
        ],
        "types": [
            "f1.4xlarge",
            "p5.48xlarge"
        ],
        "except": [],
        "absent_from": "",
        "code": "reported-not-launching",
        "status": "unsupported",
        "why": "EC2 is reported to refuse to launch Windows on this type",
        "date": "2025-04-10",
        "source": "github.com/aws/karpenter-provider-aws, issue 7985"
    },
    {
        "architectures": [],
        "families": [
            "dl2q",
            "p5e",
            "p5en"
        ],
        "types": [
            "trn2.48xlarge"
        ],
        "except": [],
        "absent_from": "",
        "code": "no-windows-price",
        "status": "unsupported",
        "why": "EC2's price list has no Windows price for this type",
        "date": "2025-03-02",
        "source": "apache-libcloud, pricing data of 2025-03-02, from the AWS price list"
    },
    {
        "architectures": [],
        "families": [
            "inf1"
        ],
        "types": [],
        "except": [],
        "absent_from": "",
        "code": "windows-price-disputed",
        "status": "warned",
        "why": "EC2's price list has no Windows price for this type, which other sources dispute; try one node first",
        "date": "2025-03-02",
        "source": "apache-libcloud, pricing data of 2025-03-02, from the AWS price list"
    },
    {
        "architectures": [],
        "families": [
            "p6-b200",
            "p6-b300",
            "trn2u"
        ],
        "types": [
            "p5.4xlarge",
            "trn2.3xlarge"
        ],
        "except": [],
        "absent_from": "",
        "code": "windows-not-verified",
        "status": "warned",
        "why": "the siblings of this type have no Windows price, and no source names this one; ask the price list (pricing:GetProducts) or try one node first",
        "date": "2026-11-25",
        "source": "inferred from github.com/aws/karpenter-provider-aws, issue 7985"
    },
    {
        "architectures": [],
        "families": [],
        "types": [
            "c1.medium",
            "c7a.medium",
            "c8a.medium",
            "m1.small",
            "t1.micro",
            "t2.micro",
            "t2.nano",
            "t2.small",
            "t3.micro",
            "t3.nano",
            "t3.small",
            "t3a.micro",
            "t3a.nano",
            "t3a.small"
        ],
        "except": [],
        "absent_from": "",
        "code": "little-memory",
        "status": "warned",
        "why": "AWS advises to keep 2 GiB for Windows itself, and this type has no more than that: nothing remains for pods",
        "date": "2026-11-25",
        "source": "Amazon EKS best practices guide, \"Avoiding OOM errors\""
    },
    {
        "architectures": [],
        "families": [
            "c3",
            "c4",
            "d2",
            "i2",
            "m4",
            "m6a",
            "r3"
        ],
        "types": [],
        "except": [
            "m4.16xlarge"
        ],
        "absent_from": "",
        "code": "once-listed-unsupported",
        "status": "warned",
        "why": "the EKS user guide listed this family as unsupported for Windows until it removed the line in April 2023; try one node first",
        "date": "2023-04",
        "source": "Amazon EKS user guide, \"Deploy Windows nodes on EKS clusters\", text before April 2023"
    },
    {
        "architectures": [],
        "families": [],
        "types": [],
        "except": [],
        "absent_from": "controller_types.txt",
        "code": "unknown-to-controller",
        "status": "warned",
        "why": "the VPC resource controller's table of 2026-03-20 lacks this type; under a control plane with that table such a node gets no pod addresses",
        "date": "2026-03-20",
        "source": "github.com/aws/amazon-vpc-resource-controller-k8s, pkg/aws/vpc/limits.go of 2026-03-20"
    },
    {
        "architectures": [],
        "families": [],
        "types": [
            "f1.16xlarge",
            "g3.16xlarge",
            "h1.16xlarge",
            "i3.16xlarge",
            "r4.16xlarge"
        ],
        "except": [],
        "absent_from": "",
        "code": "limited-addresses",
        "status": "warned",
        "why": "addresses from the 32nd on an interface of this type reach neither instance metadata, VPC DNS nor time sync",
        "date": "2026-11-23",
        "source": "Amazon EC2 user guide, \"IP addresses per network interface\""
    }
]
CONTROLLER_TYPES = """a1 2xlarge 4xlarge large medium metal xlarge
c1 medium xlarge
c3 2xlarge 4xlarge 8xlarge large xlarge
c4 2xlarge 4xlarge 8xlarge large xlarge
c5 12xlarge 18xlarge 24xlarge 2xlarge 4xlarge 9xlarge large metal xlarge
c5a 12xlarge 16xlarge 24xlarge 2xlarge 4xlarge 8xlarge large xlarge
c5ad 12xlarge 16xlarge 24xlarge 2xlarge 4xlarge 8xlarge large xlarge
c5d 12xlarge 18xlarge 24xlarge 2xlarge 4xlarge 9xlarge large metal xlarge
c5n 18xlarge 2xlarge 4xlarge 9xlarge large metal xlarge
c6a 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 48xlarge 4xlarge 8xlarge large metal xlarge
c6g 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large medium metal xlarge
c6gd 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large medium metal xlarge
c6gn 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large medium xlarge
c6i 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 4xlarge 8xlarge large metal xlarge
c6id 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 4xlarge 8xlarge large metal xlarge
c6in 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 4xlarge 8xlarge large metal xlarge
c7a 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 48xlarge 4xlarge 8xlarge large medium metal-48xl xlarge
c7g 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large medium metal xlarge
c7gd 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large medium metal xlarge
c7gn 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large medium metal xlarge
c7i 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large metal-24xl metal-48xl xlarge
c7i-flex 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large xlarge
c8a 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large medium metal-24xl metal-48xl xlarge
c8g 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large medium metal-24xl metal-48xl xlarge
c8gb 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large medium xlarge
c8gd 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large medium metal-24xl metal-48xl xlarge
c8gn 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large medium xlarge
c8i 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 48xlarge 4xlarge 8xlarge 96xlarge large metal-48xl metal-96xl xlarge
c8i-flex 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large xlarge
c8id 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 48xlarge 4xlarge 8xlarge 96xlarge large metal-48xl metal-96xl xlarge
d2 2xlarge 4xlarge 8xlarge xlarge
d3 2xlarge 4xlarge 8xlarge xlarge
d3en 12xlarge 2xlarge 4xlarge 6xlarge 8xlarge xlarge
dl1 24xlarge
dl2q 24xlarge
f1 16xlarge 2xlarge 4xlarge
f2 12xlarge 48xlarge 6xlarge
g4ad 16xlarge 2xlarge 4xlarge 8xlarge xlarge
g4dn 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge metal xlarge
g5 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge xlarge
g5g 16xlarge 2xlarge 4xlarge 8xlarge metal xlarge
g6 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge xlarge
g6e 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge xlarge
g6f 2xlarge 4xlarge large xlarge
g7e 12xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge
gr6 4xlarge 8xlarge
gr6f 4xlarge
h1 16xlarge 2xlarge 4xlarge 8xlarge
i2 2xlarge 4xlarge 8xlarge xlarge
i3 16xlarge 2xlarge 4xlarge 8xlarge large metal xlarge
i3en 12xlarge 24xlarge 2xlarge 3xlarge 6xlarge large metal xlarge
i4g 16xlarge 2xlarge 4xlarge 8xlarge large xlarge
i4i 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 4xlarge 8xlarge large metal xlarge
i7i 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large metal-24xl metal-48xl xlarge
i7ie 12xlarge 18xlarge 24xlarge 2xlarge 3xlarge 48xlarge 6xlarge large metal-24xl metal-48xl xlarge
i8g 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large metal-24xl metal-48xl xlarge
i8ge 12xlarge 18xlarge 24xlarge 2xlarge 3xlarge 48xlarge 6xlarge large metal-24xl metal-48xl xlarge
im4gn 16xlarge 2xlarge 4xlarge 8xlarge large xlarge
inf1 24xlarge 2xlarge 6xlarge xlarge
inf2 24xlarge 48xlarge 8xlarge xlarge
is4gen 2xlarge 4xlarge 8xlarge large medium xlarge
m1 large medium small xlarge
m2 2xlarge 4xlarge xlarge
m3 2xlarge large medium xlarge
m4 10xlarge 16xlarge 2xlarge 4xlarge large xlarge
m5 12xlarge 16xlarge 24xlarge 2xlarge 4xlarge 8xlarge large metal xlarge
m5a 12xlarge 16xlarge 24xlarge 2xlarge 4xlarge 8xlarge large xlarge
m5ad 12xlarge 16xlarge 24xlarge 2xlarge 4xlarge 8xlarge large xlarge
m5d 12xlarge 16xlarge 24xlarge 2xlarge 4xlarge 8xlarge large metal xlarge
m5dn 12xlarge 16xlarge 24xlarge 2xlarge 4xlarge 8xlarge large metal xlarge
m5n 12xlarge 16xlarge 24xlarge 2xlarge 4xlarge 8xlarge large metal xlarge
m5zn 12xlarge 2xlarge 3xlarge 6xlarge large metal xlarge
m6a 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 48xlarge 4xlarge 8xlarge large metal xlarge
m6g 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large medium metal xlarge
m6gd 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large medium metal xlarge
m6i 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 4xlarge 8xlarge large metal xlarge
m6id 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 4xlarge 8xlarge large metal xlarge
m6idn 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 4xlarge 8xlarge large metal xlarge
m6in 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 4xlarge 8xlarge large metal xlarge
m7a 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 48xlarge 4xlarge 8xlarge large medium metal-48xl xlarge
m7g 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large medium metal xlarge
m7gd 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large medium metal xlarge
m7i 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large metal-24xl metal-48xl xlarge
m7i-flex 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large xlarge
m8a 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large medium metal-24xl metal-48xl xlarge
m8azn 12xlarge 24xlarge 3xlarge 6xlarge large medium metal-12xl metal-24xl xlarge
m8g 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large medium metal-24xl metal-48xl xlarge
m8gb 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large medium xlarge
m8gd 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large medium metal-24xl metal-48xl xlarge
m8gn 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large medium xlarge
m8i 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 48xlarge 4xlarge 8xlarge 96xlarge large metal-48xl metal-96xl xlarge
m8i-flex 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large xlarge
m8id 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 48xlarge 4xlarge 8xlarge 96xlarge large metal-48xl metal-96xl xlarge
mac-m4 metal
mac-m4max metal
mac-m4pro metal
mac1 metal
mac2 metal
mac2-m1ultra metal
mac2-m2 metal
mac2-m2pro metal
p3 16xlarge 2xlarge 8xlarge
p3dn 24xlarge
p4d 24xlarge
p4de 24xlarge
p5 48xlarge 4xlarge
p5e 48xlarge
p5en 48xlarge
p6-b200 48xlarge
p6-b300 48xlarge
r3 2xlarge 4xlarge 8xlarge large xlarge
r4 16xlarge 2xlarge 4xlarge 8xlarge large xlarge
r5 12xlarge 16xlarge 24xlarge 2xlarge 4xlarge 8xlarge large metal xlarge
r5a 12xlarge 16xlarge 24xlarge 2xlarge 4xlarge 8xlarge large xlarge
r5ad 12xlarge 16xlarge 24xlarge 2xlarge 4xlarge 8xlarge large xlarge
r5b 12xlarge 16xlarge 24xlarge 2xlarge 4xlarge 8xlarge large metal xlarge
r5d 12xlarge 16xlarge 24xlarge 2xlarge 4xlarge 8xlarge large metal xlarge
r5dn 12xlarge 16xlarge 24xlarge 2xlarge 4xlarge 8xlarge large metal xlarge
r5n 12xlarge 16xlarge 24xlarge 2xlarge 4xlarge 8xlarge large metal xlarge
r6a 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 48xlarge 4xlarge 8xlarge large metal xlarge
r6g 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large medium metal xlarge
r6gd 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large medium metal xlarge
r6i 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 4xlarge 8xlarge large metal xlarge
r6id 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 4xlarge 8xlarge large metal xlarge
r6idn 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 4xlarge 8xlarge large metal xlarge
r6in 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 4xlarge 8xlarge large metal xlarge
r7a 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 48xlarge 4xlarge 8xlarge large medium metal-48xl xlarge
r7g 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large medium metal xlarge
r7gd 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large medium metal xlarge
r7i 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large metal-24xl metal-48xl xlarge
r7iz 12xlarge 16xlarge 2xlarge 32xlarge 4xlarge 8xlarge large metal-16xl metal-32xl xlarge
r8a 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large medium metal-24xl metal-48xl xlarge
r8g 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large medium metal-24xl metal-48xl xlarge
r8gb 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large medium xlarge
r8gd 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large medium metal-24xl metal-48xl xlarge
r8gn 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large medium xlarge
r8i 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 48xlarge 4xlarge 8xlarge 96xlarge large metal-48xl metal-96xl xlarge
r8i-flex 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large xlarge
r8id 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 48xlarge 4xlarge 8xlarge 96xlarge large metal-48xl metal-96xl xlarge
t1 micro
t2 2xlarge large medium micro nano small xlarge
t3 2xlarge large medium micro nano small xlarge
t3a 2xlarge large medium micro nano small xlarge
t4g 2xlarge large medium micro nano small xlarge
trn1 2xlarge 32xlarge
trn1n 32xlarge
u-3tb1 56xlarge
u-6tb1 112xlarge 56xlarge
u7i-12tb 224xlarge
u7i-6tb 112xlarge
u7i-8tb 112xlarge
u7in-16tb 224xlarge
u7in-24tb 224xlarge
u7in-32tb 224xlarge
vt1 24xlarge 3xlarge 6xlarge
x1 16xlarge 32xlarge
x1e 16xlarge 2xlarge 32xlarge 4xlarge 8xlarge xlarge
x2gd 12xlarge 16xlarge 2xlarge 4xlarge 8xlarge large medium metal xlarge
x2idn 16xlarge 24xlarge 32xlarge metal
x2iedn 16xlarge 24xlarge 2xlarge 32xlarge 4xlarge 8xlarge metal xlarge
x2iezn 12xlarge 2xlarge 4xlarge 6xlarge 8xlarge metal
x8aedz 12xlarge 24xlarge 3xlarge 6xlarge large metal-12xl metal-24xl xlarge
x8g 12xlarge 16xlarge 24xlarge 2xlarge 48xlarge 4xlarge 8xlarge large medium metal-24xl metal-48xl xlarge
x8i 12xlarge 16xlarge 24xlarge 2xlarge 32xlarge 48xlarge 4xlarge 64xlarge 8xlarge 96xlarge large metal-48xl metal-96xl xlarge
z1d 12xlarge 2xlarge 3xlarge 6xlarge large metal xlarge"""
