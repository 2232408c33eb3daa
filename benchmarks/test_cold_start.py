"""What a script waits for its first answer, beyond the bare interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ANSWER = "import eks_win_capacity as ewc; ewc.max_pods('m5.large')"


def seconds(code: str) -> float:
    """Time one interpreter from start to end."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-S", "-c", code], check=True)
    return time.perf_counter() - start


def test_cold_start(request, benchmark, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(request.config.rootpath))
    runs = 1 if request.config.getoption("benchmark_disable") else 40
    pairs = [(seconds(ANSWER), seconds("pass")) for _ in range(runs)]
    extra = statistics.median(ours - bare for ours, bare in pairs)
    bare = statistics.median(bare for _, bare in pairs)
    print(f"first answer: {extra * 1e3:.1f} ms beyond {bare * 1e3:.1f} ms of the interpreter")
    benchmark.pedantic(ewc_scalar, rounds=3, iterations=1 if runs == 1 else 10_000)


def ewc_scalar():
    """Answer for one node in a running interpreter."""
    import eks_win_capacity as ewc

    return ewc.max_pods("m5.large", prefix_delegation=True)
