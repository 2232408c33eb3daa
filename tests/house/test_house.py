"""The project says about itself what is true."""

import ast
import functools
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

import eks_win_capacity as ewc

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "eks_win_capacity"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
FOR_USERS = set(EXTRAS) - {"all", "bench", "dev", "docs", "engines", "test"}


def expanded(extra: str) -> set[str]:
    """Give the requirements of an extra, those of the extras that it names included."""
    requirements: set[str] = set()
    for requirement in EXTRAS[extra]:
        named = re.fullmatch(rf"{PROJECT['name']}\[(.*)\]", requirement)
        if named:
            requirements = requirements.union(*map(expanded, named[1].split(",")))
        else:
            requirements.add(requirement)
    return requirements


def test_imports_point_down():
    check = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", check],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_drawing_of_the_house_shows_every_module():
    drawing = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("\neks_win_capacity/\n")[2]
    drawing = drawing.partition("\ndata/")[0]
    drawn = set(re.findall(r"^  (\w+)(?:\.py|/)  ", drawing, re.MULTILINE))
    built = {path.stem for path in PACKAGE.glob("*.py")}
    built |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert drawn == built


def test_the_drawing_stands_in_the_order_of_the_contract():
    layers = PYPROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    floor = {room: at for at, layer in enumerate(layers) for room in re.findall(r"\w+", layer)}
    drawing = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("\neks_win_capacity/\n")[2]
    drawn = re.findall(r"^  (\w+)(?:\.py|/)  ", drawing.partition("\ndata/")[0], re.MULTILINE)
    floors = [floor[room] for room in drawn if not room.startswith("__")]
    assert floors == sorted(floors)


def modules() -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if "_data" not in path.parts]


def test_a_file_stem_stands_for_one_thing():
    stems: dict[str, set[str]] = {}
    for path in modules():
        room = path.relative_to(PACKAGE).parts[0]
        if path.stem not in {"__init__", "__main__"} and room not in {"aws", "cli"}:
            stems.setdefault(path.stem.strip("_").rstrip("s"), set()).add(str(path))
    assert not {stem: paths for stem, paths in stems.items() if len(paths) > 1}


def test_a_class_name_stands_for_one_thing():
    homes: dict[str, list[str]] = {}
    for path in modules():
        if path.relative_to(PACKAGE).parts[0] not in {"aws", "cli"}:
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ClassDef):
                    homes.setdefault(node.name.lstrip("_"), []).append(str(path))
    assert not {name: paths for name, paths in homes.items() if len(paths) > 1}


def test_a_function_is_named_by_what_it_returns_and_not_by_an_act_of_speech():
    said = {
        f"{path.name}: {line}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module)
        and re.match(r"(Give|Tell|Say)\b", line := (ast.get_docstring(node) or ""))
    }
    assert not said


def test_no_line_says_is_no():
    """It reads better as "is not a", or as what there is."""
    said = {
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for path in modules()
        for line in path.read_text("utf-8").splitlines()
        if "is no " in line
    }
    assert not said


VAGUE = "told|made|held|found|own|some|off|place|worth"
NOT_YET: set[str] = set()
KNOWN_TO_CALLERS = {("errors.py", "place"), ("plan.py", "told"), ("subnet.py", "held")}
"""Parameters of public functions, and the files that they stand in."""


def local_names(tree: ast.Module) -> Iterator[str]:
    """Names of variables and parameters; the fields of a class are neither."""
    fields = {
        node
        for kind in ast.walk(tree)
        if isinstance(kind, ast.ClassDef)
        for statement in kind.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
            yield node.name or ""
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield "" if node in fields else node.id


def test_a_local_variable_is_named_for_the_thing():
    """Only files that have such a word outside strings and comments are parsed: it is faster."""
    code = re.compile(
        r'"""(?s:.*?)"""'
        r'|"(?:\\.|[^"\\\n])*"'
        r"|'(?:\\.|[^'\\\n])*'"
        r"|#.*"
        rf"|(?<![.\w])(?P<word>(?!place=)(?:{VAGUE}))\b(?!\()"
    )
    paths = [path for path in modules() if path.relative_to(PACKAGE).parts[0] not in NOT_YET]
    for folder in ("tests", "benchmarks", ".ci"):
        paths += (ROOT / folder).rglob("*.py")
    bound = {
        (path.name, name)
        for path in paths
        for text in [path.read_text("utf-8")]
        if any(match["word"] for match in code.finditer(text))
        for name in local_names(ast.parse(text))
        if re.fullmatch(VAGUE, name)
    }
    assert bound <= KNOWN_TO_CALLERS


def test_a_new_warm_target_touches_few_files():
    """Table, rules, signatures with the steady state, and the two simulators."""
    naming = {
        str(path.relative_to(PACKAGE))
        for path in modules()
        if re.search(r"minimum.ip", path.read_text("utf-8"))
    }
    assert naming <= {
        "addresses/configmap.py",
        "addresses/targets.py",
        "addresses/warm_pool.py",
        "simulator/machine.py",
        "simulator/node.py",
    }


def test_an_import_leads_to_the_floor_in_few_steps():
    imports = grimp.build_graph(
        PACKAGE.name, exclude_type_checking_imports=True, cache_dir=None
    ).find_modules_directly_imported_by

    @functools.cache
    def steps(module: str) -> int:
        return max((1 + steps(below) for below in imports(module)), default=0)

    chains = {path: steps(path) for path in map(dotted, modules())}
    assert not {path: length for path, length in chains.items() if length > 12}


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_few_functions_are_long():
    """Lines with the signature and without the docstring; kernels of Numba are one loop each."""
    lengths = {}
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                first = node.body[0]
                prose = ast.get_docstring(node) is not None
                prose_lines = first.end_lineno - first.lineno + 1 if prose else 0
                lines = node.end_lineno - node.lineno + 1 - prose_lines
                lengths[f"{path.relative_to(PACKAGE)}: {node.name}"] = lines
    over = {name for name, lines in lengths.items() if lines > 60}
    assert over == {"simulator/machine.py: churn", "simulator/machine.py: replay_at_once"}
    assert sum(lines > 40 for lines in lengths.values()) <= 33


def test_few_files_lie_flat_in_the_root():
    assert len(list(PACKAGE.glob("*.py"))) <= 6


def test_nothing_that_was_made_lies_in_the_root():
    """How-tos that are tried by hand save reports and tables where one stands."""
    files = {path.name for path in ROOT.iterdir() if path.is_file() and path.name[0] != "."}
    assert files == {
        "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md",
        "SECURITY.md", "pyproject.toml",
    }  # fmt: skip


def test_the_version_stands_once_in_effect():
    assert PROJECT["version"] == ewc.__version__
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {ewc.__version__}\n" in citation


def test_all_means_all():
    assert expanded("all") == set().union(*map(expanded, FOR_USERS))


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_an_extra_names_only_extras_that_exist(extra):
    assert expanded(extra)


def test_an_error_about_a_missing_extra_names_one_that_exists():
    named = {
        match
        for path in PACKAGE.rglob("*.py")
        for match in re.findall(r"""\bextra=["'](\w+)["']""", path.read_text("utf-8"))
    }
    assert named <= FOR_USERS | {"test"}  # moto, whose answers a refresh can capture


def test_every_dependency_has_a_lowest_version_that_can_be_tested():
    lowest = runpy.run_path(str(ROOT / ".ci" / "lowest.py"))["lowest"]()
    named = {re.match(r"[\w.-]+", text)[0] for text in PROJECT["dependencies"]}
    for extra in set(EXTRAS) - {"bench", "dev", "docs"}:
        named |= {re.match(r"[\w.-]+", text)[0] for text in expanded(extra)}
    assert set(lowest) == named


def test_the_readme_tells_of_every_extra():
    text = (ROOT / "README.md").read_text("utf-8")
    assert all(f"`{extra}`" in text for extra in FOR_USERS | {"all"})


def test_the_makefile_explains_each_of_its_commands():
    text = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split()
    explained = re.findall(r"^([a-z-]+):.*## \S", text, re.MULTILINE)
    assert set(phony) - set(explained) == {"coverage-report"}
