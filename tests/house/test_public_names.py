"""The names that users and notebooks build on."""

import ast
import importlib
import inspect
import re
import sys
from pathlib import Path

import pytest

import eks_win_capacity as ewc
from eks_win_capacity.core.lazy import MOVED

BINDING = {"CapacityError", "Catalog", "Fleet", "ip_capacity", "max_pods", "node_capacity"}
"""Names that no release may take away."""

SOURCE = Path(ewc.__file__)
FUNCTIONS_AND_CLASSES = [
    name
    for name in sorted(ewc.__all__)
    if callable(getattr(ewc, name))
    and not (inspect.isclass(getattr(ewc, name)) and issubclass(getattr(ewc, name), Exception))
]


def test_the_binding_names_are_public():
    assert set(ewc.__all__) >= BINDING


def test_no_public_name_stands_twice():
    assert len(ewc.__all__) == len(set(ewc.__all__))


@pytest.mark.parametrize("name", sorted(ewc.__all__))
def test_each_public_name_leads_somewhere(name):
    assert getattr(ewc, name) is not None


def test_what_is_listed_is_what_answers_a_question():
    assert {*BINDING, *ewc._SHOWN} <= set(dir(ewc)) <= set(ewc.__all__)
    assert len(dir(ewc)) <= 30


def test_help_groups_what_is_listed_by_question():
    groups = re.findall(r"^ {4}(.+)$", ewc.__doc__, re.MULTILINE)
    named = [name for line in groups for name in re.findall(r"\w+", line)]
    assert sorted(named) == dir(ewc)


def test_completion_lists_every_name_that_the_readme_has():
    text = (SOURCE.parents[1] / "README.md").read_text("utf-8")
    columns = [line.split("|")[2] for line in text.splitlines() if line.count("|") == 4]
    named = {name for cell in columns for name in re.findall(r"`(\w+)[`.]", cell)}
    named |= set(re.findall(r"\bewc\.(\w+)", text)) - {"max_pods"}
    assert {"best_targets", "frames", "plan_fleet"} <= named
    assert named & set(ewc.__all__) <= set(dir(ewc))


@pytest.mark.parametrize("room", ["", "addresses", "catalog", "cluster"])
def test_type_checkers_see_the_same_names(room):
    stub = (SOURCE.parent / room / "__init__.pyi").read_text("utf-8")
    tree = ast.parse(stub).body
    seen = {
        alias.asname or alias.name
        for node in tree
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    seen |= {node.targets[0].id for node in tree if isinstance(node, ast.Assign)}
    seen = {name for name in seen if not name.startswith("_")}
    module = importlib.import_module(f"eks_win_capacity.{room}".rstrip("."))
    assert seen == set(module.__all__) - {"__version__"}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'max_pod'") as caught:
        _ = ewc.max_pod
    # By these two Python asks by itself: Did you mean: 'max_pods'?
    assert (caught.value.name, caught.value.obj) == ("max_pod", ewc)


@pytest.mark.parametrize("name", FUNCTIONS_AND_CLASSES)
def test_each_public_function_and_class_shows_how_it_is_used(name):
    docstring = inspect.getdoc(getattr(ewc, name)) or ""
    assert ">>> " in docstring


@pytest.mark.parametrize(
    "name", [n for n in sorted(ewc.__all__) if inspect.isfunction(getattr(ewc, n))]
)
def test_options_are_keyword_only(name):
    options = [
        parameter.name
        for parameter in inspect.signature(getattr(ewc, name)).parameters.values()
        if parameter.default is not parameter.empty and parameter.kind is not parameter.KEYWORD_ONLY
    ]
    assert not options


@pytest.mark.parametrize("old", sorted(MOVED))
def test_an_old_path_of_a_module_still_imports_and_names_the_new_one(old):
    sys.modules.pop(f"eks_win_capacity.{old}", None)
    with pytest.warns(DeprecationWarning, match=re.escape(f"import eks_win_capacity.{MOVED[old]}")):
        module = importlib.import_module(f"eks_win_capacity.{old}")
    assert module is importlib.import_module(f"eks_win_capacity.{MOVED[old]}")


@pytest.mark.parametrize("room", ["addresses", "catalog", "cluster"])
def test_no_module_of_a_room_hides_a_name_of_it(room):
    names = importlib.import_module(f"eks_win_capacity.{room}").__all__
    assert not {path.stem for path in (SOURCE.parent / room).iterdir()} & set(names) - {"checks"}


@pytest.mark.parametrize(
    "package", [path.parent for path in SOURCE.parent.glob("*/__init__.py")], ids=lambda p: p.name
)
def test_no_module_hides_a_name_that_loads_on_first_use(package):
    """To import a submodule, as a worker that unpickles does, sets its name on the package."""
    loaded = importlib.import_module(f"eks_win_capacity.{package.name}")
    lazy = getattr(loaded, "_HOME", {})
    assert not set(lazy) & {path.stem for path in package.iterdir()}
