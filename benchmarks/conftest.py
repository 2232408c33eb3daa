"""Collect side-by-side figures and print them as one table at the end."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

# Programs of their own, some with requirements of their own: run, not collected.
collect_ignore_glob = ["cluster/*", "fleet/*", "forecast/*", "scale/*"]

Contenders = Mapping[str, Callable[[], object]]


@dataclass
class Report:
    """Rows of figures, in the order in which they were measured."""

    rows: list[tuple[str, int, str, float, float]] = field(default_factory=list)

    def table(self) -> list[str]:
        """Give the figures as a Markdown table."""
        lines = ["| input | rows | way | wall, ns a row | CPU, ns a row | ours / this, wall |"]
        lines.append("|---|---:|---|---:|---:|---:|")
        ours = {(case, rows): wall for case, rows, way, wall, _ in self.rows if way == "ours"}
        for case, rows, way, wall, cpu in self.rows:
            ratio = ours[case, rows] / wall
            lines.append(
                f"| {case} | {rows:,} | {way} | {wall / rows * 1e9:,.2f} "
                f"| {cpu / rows * 1e9:,.2f} | {ratio:.3f} |"
            )
        return lines


REPORT = Report()


def interleaved(contenders: Contenders, repeats: int) -> dict[str, tuple[float, float]]:
    """Time every contender in turn, again and again; give its least wall and CPU time."""
    best = dict.fromkeys(contenders, (float("inf"), float("inf")))
    gc.collect()
    for _ in range(repeats):
        for way, run in contenders.items():
            cpu, wall = time.process_time(), time.perf_counter()
            run()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            best[way] = (min(best[way][0], wall), min(best[way][1], cpu))
    return best


@pytest.fixture
def compare(benchmark, request):
    """Compare ways to one answer; "ours" is also measured by pytest-benchmark."""
    measured = not request.config.getoption("benchmark_disable")

    def run(case: str, rows: int, contenders: Contenders, *, most: int = 200) -> None:
        repeats = max(3, min(most, 10_000_000 // rows)) if measured else 1
        figures = interleaved(contenders, repeats)
        benchmark.extra_info.update({way: wall for way, (wall, _) in figures.items()})
        REPORT.rows += [(case, rows, way, wall, cpu) for way, (wall, cpu) in figures.items()]
        benchmark.pedantic(contenders["ours"], rounds=3 if measured else 1)

    return run


def sizes(config: pytest.Config) -> tuple[int, ...]:
    """Rows of each input: one small one where nothing is measured."""
    if config.getoption("benchmark_disable"):
        return (1_000,)
    return (1_000, 100_000, 1_000_000, 10_000_000)


def pytest_generate_tests(metafunc):
    """Give each size to the tests that take rows, the largest to those of memory."""
    if "rows" in metafunc.fixturenames:
        metafunc.parametrize("rows", sizes(metafunc.config))
    if "most_rows" in metafunc.fixturenames:
        metafunc.parametrize("most_rows", sizes(metafunc.config)[-1:])


def pytest_terminal_summary(terminalreporter):
    """Print the table."""
    if REPORT.rows:
        terminalreporter.write_line("")
        for line in REPORT.table():
            terminalreporter.write_line(line)
