"""
Break models and floor on purpose and count what the tests notice: ``make mutants``.

One seed draws the same mutants from the same sources. Each is written into a copy of
the checkout, where the tests of its room must fail. Fails itself where fewer than 95 %
of them die; the survivors are printed.
"""

from __future__ import annotations

import argparse
import ast
import copy
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "eks_win_capacity"
COMMON = [
    "core/test_data_classes",
    "core/test_values",
    "core/test_odd_values",
    "laws/test_known_states",
]
TESTS = {
    "core": [
        "core/test_floor",
        "core/test_quantities",
        "core/test_findings",
        "density/test_columns",
        "density/test_capacity",
    ],
    "density": [
        "density/test_capacity",
        "density/test_nodes",
        "density/test_columns",
        "density/test_encoded_fleet",
        "laws/test_golden",
    ],
    "addresses": [
        "addresses/test_subnets",
        "addresses/test_placement",
        "addresses/test_warm_pool",
        "laws/test_golden",
    ],
}
"""What must notice a mutant of each room; more tests would only take longer."""

NEARER = {
    "core/display.py": ["core/test_display"],
    "core/documents": ["files/test_one_reader", "files/test_untrusted", "kubectl/test_kubectl"],
    "core/replacing.py": ["files/test_replaced_whole"],
    "core/quantities.py": ["core/test_quantities"],
}
"""What notices a mutant of a part of the floor first, and fastest."""


def tests_of(path: Path) -> list[str]:
    """The tests that must notice a mutant of a file, the nearest first."""
    inside = path.relative_to(PACKAGE).as_posix()
    near = next((tests for part, tests in NEARER.items() if inside.startswith(part)), [])
    return list(dict.fromkeys([*near, *TESTS[path.parts[1]], *COMMON]))


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
REPLACED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult}


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


def mutants(seed: int, count: int) -> list[tuple[Path, str, str]]:
    """Draw mutants: file, what changed, and the whole source with the change."""
    points = [
        (path, place)
        for room in TESTS
        for path in sorted((ROOT / PACKAGE / room).rglob("*.py"))
        for place, node in enumerate(code_of(ast.parse(path.read_text("utf-8"))))
        if changed(node) is not None
    ]
    drawn = random.Random(seed).sample(points, min(count, len(points)))  # noqa: S311
    out = []
    for path, place in drawn:
        source = path.read_text("utf-8")
        node = list(code_of(ast.parse(source)))[place]
        new = changed(node)
        assert isinstance(node, ast.expr)
        assert new is not None
        before = ast.get_source_segment(source, node) or ""
        lines = source.encode().splitlines(keepends=True)
        start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
        whole = source.encode()
        after = f"({ast.unparse(new)})".encode()
        mutated = whole[:start] + after + whole[start + len(before.encode()) :]
        where = f"{path.relative_to(ROOT)}:{node.lineno}: {before} -> {ast.unparse(new)}"
        out.append((path.relative_to(ROOT), where, mutated.decode()))
    return out


def dies(copied: Path, path: Path, source: str) -> bool:
    """Whether the tests of a room notice a mutant; a run that does not end is noticed."""
    target = copied / path
    sound = target.read_text("utf-8")
    target.write_text(source, "utf-8")
    tests = [f"tests/{name}.py" for name in tests_of(path)]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:benchmark", "-p"]
    command += ["no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=copied, capture_output=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        return True
    else:
        return done.returncode != 0
    finally:
        target.write_text(sound, "utf-8")


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
        copied = Path(folder) / "copy"
        ignored = shutil.ignore_patterns(".*", "__pycache__", "dist", "build", "out")
        shutil.copytree(ROOT, copied, ignore=ignored)
        for path, where, source in mutants(asked.seed, asked.count):
            if time.monotonic() > end:
                break
            tried += 1
            dead = dies(copied, path, source)
            killed += dead
            print(f"{'killed  ' if dead else 'SURVIVED'} {where}", flush=True)
    print(f"{killed} of {tried} mutants were noticed; {asked.count - tried} were not tried")
    return int(not tried or killed < asked.least * tried)


if __name__ == "__main__":
    sys.exit(main())
