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


def pytest_addoption(parser):
    """Take the file of the chart."""
    parser.addoption("--chart", metavar="FILE.svg", help="draw the longest inputs here")


def draw(path: str) -> None:
    """Ours as a share of each other way's wall time, at the most rows that were measured."""
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    # The same bytes for the same figures, and letters as text.
    rcParams.update({"svg.hashsalt": "benchmarks", "svg.fonttype": "none"})
    most = max(rows for _, rows, *_ in REPORT.rows)
    wall = {(case, way): wall for case, rows, way, wall, _ in REPORT.rows if rows == most}
    bars = [(f"{case}: {way}", wall[case, "ours"] / other) for (case, way), other in wall.items()]
    bars = [bar for bar in bars if not bar[0].endswith(": ours")][::-1]
    figure = Figure(figsize=(9, 1.2 + 0.24 * len(bars)), layout="constrained")
    ax = figure.add_subplot()
    colors = ["#0072B2" if share <= 1 else "#E69F00" for _, share in bars]
    drawn = ax.barh([name for name, _ in bars], [share for _, share in bars], color=colors)
    ax.bar_label(drawn, fmt="{:.2f}", padding=3, fontsize=8)
    ax.axvline(1, color="black", lw=0.8)
    ax.set_xscale("log")
    ax.margins(x=0.1, y=0.01)
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlabel(f"wall time of ours / of the other way, {most:,} rows (log)")
    figure.savefig(path, metadata={"Date": None})


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


def pytest_terminal_summary(terminalreporter, config):
    """Print the table, and draw it where asked."""
    if REPORT.rows and config.getoption("chart"):
        draw(config.getoption("chart"))
    if REPORT.rows:
        terminalreporter.write_line("")
        for line in REPORT.table():
            terminalreporter.write_line(line)
