"""
Load a large cluster from kubectl's JSON and report it: seconds and peak memory.

``python benchmarks/cluster/bench_report.py [NODES] [PODS]`` writes a list of that many Windows
nodes and pods, indented as kubectl prints it, into a temporary file, and reads it in a process
of its own. Goal: 5,000 nodes and 100,000 pods in less than 10 s within 2 GiB.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def node(number):
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": f"node-{number}",
            "labels": {
                "kubernetes.io/os": "windows",
                "kubernetes.io/arch": "amd64",
                "node.kubernetes.io/instance-type": "m5.4xlarge",
                "topology.kubernetes.io/zone": f"eu-west-1{'abc'[number % 3]}",
            },
        },
        "spec": {"providerID": f"aws:///eu-west-1a/i-{number:017x}"},
        "status": {
            "allocatable": {
                "cpu": "15890m",
                "memory": "64000000Ki",
                "pods": "110",
                "vpc.amazonaws.com/PrivateIPv4Address": "29",
            },
            "addresses": [
                {"type": "InternalIP", "address": f"10.0.{number // 256}.{number % 256}"}
            ],
            "conditions": [{"type": "Ready", "status": "True"}],
            "images": [{"names": ["mcr.microsoft.com/x@sha256:" + "0" * 64]}] * 20,
            "nodeInfo": {"kernelVersion": "10.0.20348.2700", "kubeletVersion": "v1.30.4-eks-1"},
        },
    }


def pod(number, nodes):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"web-5d4f-{number}",
            "namespace": f"team-{number % 50}",
            "labels": {"app": f"web-{number % 200}", "pod-template-hash": "5d4f"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-5d4f", "controller": True}],
            "uid": f"{number:036d}",
        },
        "spec": {
            "nodeName": f"node-{number % nodes}",
            "nodeSelector": {"kubernetes.io/os": "windows", "kubernetes.io/arch": "amd64"},
            "containers": [
                {
                    "name": "web",
                    "image": "mcr.microsoft.com/windows/servercore:ltsc2022",
                    "env": [{"name": f"V{i}", "value": "y" * 20} for i in range(10)],
                    "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}},
                    "volumeMounts": [{"mountPath": "/var/run", "name": "token"}],
                }
            ],
            "tolerations": [{"key": "os", "operator": "Exists", "effect": "NoSchedule"}] * 3,
        },
        "status": {
            "phase": "Running",
            "conditions": [{"type": t, "status": "True"} for t in ("Initialized", "Ready")] * 2,
            "containerStatuses": [{"name": "web", "imageID": "sha256:" + "0" * 64}],
        },
    }


def measured(path):
    """Load and report in this process, and print what it took."""
    start = time.perf_counter()
    from eks_win_capacity import kubectl
    from eks_win_capacity.cluster import cluster_report

    state = kubectl.load(path, configmap={"enable-windows-ipam": "true"})
    loaded = time.perf_counter()
    report = cluster_report(state)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(state.nodes):,} nodes, {len(state.pods):,} pods: {done - start:.1f} s "
        f"({loaded - start:.1f} s to load, {done - loaded:.1f} s to report), "
        f"{peak:,.0f} MiB at the peak; head-room {report.total['headroom']:,} pods"
    )


def main(nodes=5_000, pods=100_000):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cluster.json"
        with path.open("w") as file:
            file.write('{\n    "apiVersion": "v1",\n    "items": [\n')
            for number in range(nodes):
                file.write(json.dumps(node(number), indent=4) + ",\n")
            for number in range(pods):
                end = ",\n" if number < pods - 1 else "\n"
                file.write(json.dumps(pod(number, nodes), indent=4) + end)
            file.write('    ],\n    "kind": "List"\n}\n')
        print(f"{path.stat().st_size / 2**20:,.0f} MiB of JSON")
        subprocess.run(
            [sys.executable, __file__, "--measure", str(path)],
            check=True,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
        )


if __name__ == "__main__":
    if "--measure" in sys.argv:
        measured(sys.argv[-1])
    else:
        main(*map(int, sys.argv[1:]))
