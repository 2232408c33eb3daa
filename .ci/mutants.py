"""
Break models and floor on purpose and count what the tests notice: ``make mutants``.

One seed draws the same mutants from the same sources. The sound tests run once, watched by
coverage, so that each mutant only meets the tests that run its line, fastest first, up to
the first that fails. Fails itself where fewer than 95 % die; the survivors are printed.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import coverage
import pandas as pd  # noqa: F401 - what each fork then need not import again
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "eks_win_capacity"
ROOMS = ("core", "density", "addresses")
FORMULAS = "catalog/limits.py"
TESTS = [f"tests/{name}" for name in (*ROOMS, "laws", "files", "kubectl/test_kubectl.py")]
TESTS += [f"{PACKAGE}/{room}" for room in ROOMS]
"""What must notice a mutant, doctests too; a browser would only take longer."""

OPTIONS = ["-q", "-p", "no:benchmark", "-p", "no:cacheprovider", "--hypothesis-profile=mutants"]
SAME = "# no mutant: "
"""Mark of a line whose mutants answer the same, with why."""

ENDLESS_S = 180
"""Seconds after which a run has been noticed not to end."""


COMPARED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
REPLACED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult}


def changed(node: ast.AST) -> ast.AST | None:
    """Mutant of one node, or None if it has none."""
    new = copy.deepcopy(node)
    if isinstance(new, ast.Compare) and type(new.ops[0]) in COMPARED:
        new.ops[0] = COMPARED[type(new.ops[0])]()
    elif isinstance(new, ast.BinOp) and type(new.op) in REPLACED:
        new.op = REPLACED[type(new.op)]()
    elif isinstance(new, ast.BoolOp):
        new.op = ast.Or() if isinstance(new.op, ast.And) else ast.And()
    elif isinstance(new, ast.UnaryOp) and isinstance(new.op, ast.Not):
        return new.operand
    elif isinstance(new, ast.Constant) and isinstance(new.value, bool):
        new.value = not new.value
    elif isinstance(new, ast.Constant) and isinstance(new.value, int):
        new.value += 1
    else:
        return None
    return new


def code_of(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes that decide something: not annotations, not what only type checkers read."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        unread: list[ast.AST | None] = []
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.args, *node.args.kwonlyargs]
            unread = [node.returns, *(argument.annotation for argument in arguments)]
            if any(ast.unparse(mark) == "overload" for mark in node.decorator_list):
                unread = [node]
        elif isinstance(node, ast.AnnAssign):
            unread = [node.annotation]
        elif (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)) or (
            isinstance(node, ast.Assign) and "TYPE_CHECKING" in ast.unparse(node.targets[0])
        ):
            unread = [node]
        for part in unread:
            skipped |= {id(below) for below in ast.walk(part)} if part else set()
        if id(node) not in skipped:
            yield node


class Mutant(NamedTuple):
    """One change of one file."""

    path: Path
    lines: range
    """Lines of the statement that holds the change."""
    where: str
    source: str


def mutants(seed: int, count: int) -> list[Mutant]:
    """
    Draw mutants from all points of the rooms.

    Each point has a number of its own, from the seed, its file and what changes there; the
    lowest are drawn. So the set stays the same while other code comes and goes.
    """
    numbered = []
    files = [p for room in ROOMS for p in (ROOT / PACKAGE / room).rglob("*.py")]
    for path in sorted([*files, ROOT / PACKAGE / FORMULAS]):
        seen: Counter[str] = Counter()
        lines = path.read_text("utf-8").splitlines()
        for position, node in enumerate(code_of(ast.parse("\n".join(lines)))):
            if (new := changed(node)) is None or not isinstance(node, ast.expr):
                continue
            if SAME in lines[node.lineno - 1]:
                continue
            what = f"{path.relative_to(ROOT)} {ast.unparse(node)} {ast.unparse(new)}"
            seen[what] += 1
            number = sha256(f"{seed} {what} {seen[what]}".encode()).hexdigest()
            numbered.append((number, path, position))
    return [mutant(path, position) for _, path, position in sorted(numbered)[:count]]


def mutant(path: Path, position: int) -> Mutant:
    """Change one point of a file."""
    source = path.read_text("utf-8")
    node = list(code_of(ast.parse(source)))[position]
    new = changed(node)
    assert isinstance(node, ast.expr)
    assert new is not None
    before = ast.get_source_segment(source, node) or ""
    lines = source.encode().splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    whole = source.encode()
    after = f"({ast.unparse(new)})".encode()
    mutated = whole[:start] + after + whole[start + len(before.encode()) :]
    inside = path.relative_to(ROOT)
    return Mutant(
        inside,
        range(node.lineno, (node.end_lineno or node.lineno) + 1),
        f"{inside}:{node.lineno}: {before} -> {ast.unparse(new)}",
        mutated.decode(),
    )


class Sound(NamedTuple):
    """What a run of the sound tests showed."""

    seconds: dict[str, float]
    """Time of each test function."""
    runs: dict[str, dict[int, set[str]]]
    """Test functions that run each line of each file."""

    def killers(self, broken: Mutant) -> list[str]:
        """Tests that run the lines of a mutant, fastest first; all where only an import does."""
        lines = self.runs.get(str(broken.path), {})
        near = set().union(*(lines.get(number, set()) for number in broken.lines))
        return sorted(near or self.seconds, key=lambda test: (self.seconds[test], test))


def run_sound(copied: Path) -> Sound:
    """Run the tests on the sound sources, each test's lines apart."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        *OPTIONS,
        "--cov",
        PACKAGE,
        "--cov-context=test",
        "--cov-report=",
    ]
    command += ["--junitxml=sound.xml", "-o", "junit_family=xunit1"]
    command += ["--ignore=tests/core/test_display_in_browser.py"]
    environment = os.environ | {"COVERAGE_FILE": str(copied / "sound.coverage"), "CI": "1"}
    subprocess.run([*command, *TESTS], cwd=copied, env=environment, check=True)
    seconds: dict[str, float] = defaultdict(float)
    for case in ET.parse(copied / "sound.xml").iter("testcase"):  # noqa: S314 - our own file
        test = f"{case.attrib['file']}::{case.attrib['name'].partition('[')[0]}"
        seconds[test] += float(case.attrib["time"])
    data = coverage.CoverageData(str(copied / "sound.coverage"))
    data.read()
    runs = {
        str(Path(file).relative_to(copied)): {
            line: {c.partition("|")[0].partition("[")[0] for c in contexts} & set(seconds)
            for line, contexts in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }
    return Sound(seconds, runs)


def dies(copied: Path, broken: Mutant, tests: list[str]) -> bool:
    """Whether tests notice a mutant; a run that does not end is noticed."""
    target = copied / broken.path
    sound = target.read_text("utf-8")
    target.write_text(broken.source, "utf-8")
    try:
        return fails(copied, tests)
    finally:
        target.write_text(sound, "utf-8")


def fails(copied: Path, tests: list[str]) -> bool:
    """Whether one of some tests fails, or does not end, in a fork of this process."""
    child = os.fork()
    if not child:
        os._exit(run_tests(copied, tests))
    end = time.monotonic() + ENDLESS_S
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status != 0
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def run_tests(copied: Path, tests: list[str]) -> int:
    """Exit code of pytest on the copy, in silence."""
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    os.chdir(copied)
    os.environ["CI"] = "1"
    sys.path.insert(0, str(copied))
    sys.argv = ["pytest"]
    return int(pytest.main([*OPTIONS, "-x", *tests]))


def main() -> int:
    """Run the mutants that fit into the time, and print the survivors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20261126)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--least", type=float, default=0.95)
    asked = parser.parse_args()
    end = time.monotonic() + 60 * asked.minutes
    killed = tried = 0
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder).resolve() / "copy"
        ignored = shutil.ignore_patterns(".*", "__pycache__", "dist", "build", "out")
        shutil.copytree(ROOT, copied, ignore=ignored)
        drawn = mutants(asked.seed, asked.count)
        sound = run_sound(copied)
        quick = sorted(sound.seconds, key=lambda test: sound.seconds[test])[:200]
        if fails(copied, quick):
            raise SystemExit("tests fail on the sound sources: no mutant was tried")
        for broken in drawn:
            if time.monotonic() > end:
                break
            tried += 1
            dead = dies(copied, broken, sound.killers(broken))
            killed += dead
            print(f"{'killed  ' if dead else 'SURVIVED'} {broken.where}", flush=True)
    print(f"{killed} of {tried} mutants were noticed; {asked.count - tried} were not tried")
    return int(not tried or killed < asked.least * tried)


if __name__ == "__main__":
    sys.exit(main())
