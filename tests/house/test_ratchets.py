"""
What a change of the house may not lose: public names, help texts, codes and exit codes.

``python tests/house/test_ratchets.py`` writes the snapshots anew: run it when a name, an option or a
code is added, and read the difference before it is committed. Nothing may go.
"""

import ast
import inspect
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import eks_win_capacity as ewc
from eks_win_capacity import cli

PACKAGE = Path(ewc.__file__).parent
SNAPSHOTS = Path(__file__).parents[1] / "golden" / "public"
KEBAB = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+")
OTHERS = re.compile(
    r"utf-.*|[a-z]{2}-[a-z]+-\d|aws-(cn|us-gov)|.*-(id|ds|hash|post|system|capacity)"
)
"""Encodings, Regions and words of libraries."""


def signature(value: object) -> str:
    """How a public name is called; its kind where it cannot be."""
    if inspect.isclass(value) or inspect.isfunction(value):
        try:
            parameters = inspect.signature(value).parameters
        except ValueError:
            return "class"
        return ", ".join(
            f"{name}={parameter.default!r}"
            if parameter.default is not parameter.empty and not callable(parameter.default)
            else name
            for name, parameter in parameters.items()
        )
    return type(value).__name__


def names() -> dict[str, str]:
    return {name: signature(getattr(ewc, name)) for name in sorted(ewc.__all__)}


def commands(group, context, path=()):
    """Every command of the command line, with its context."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name), command
        if hasattr(command, "list_commands"):
            yield from commands(command, context, (*path, name))


def helps() -> dict[str, list[str]]:
    """The options and arguments of each command."""
    context = cli.app.make_context("eks-win-capacity", ["--version"], resilient_parsing=True)
    return {
        " ".join(path): sorted(
            spelling
            for parameter in command.params
            for spelling in (*parameter.opts, *parameter.secondary_opts)
        )
        for path, command in commands(cli.app, context)
    }


def is_code(text: str) -> bool:
    return bool(KEBAB.fullmatch(text)) and not OTHERS.fullmatch(text)


def codes() -> list[str]:
    """Constants in kebab-case: codes of findings, causes, changes and rejections among them."""
    kebab_cased: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name in {"_data", "cli", "demo"}:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                kebab_cased |= {node.value} if is_code(node.value) else set()
    return sorted(kebab_cased)


def snapshot(name: str):
    return json.loads((SNAPSHOTS / f"{name}.json").read_text("utf-8"))


def test_no_public_name_is_lost_and_none_is_called_otherwise():
    present = names()
    assert {name: present.get(name) for name in snapshot("names")} == snapshot("names")


def test_no_command_and_no_option_is_lost():
    present = helps()
    lost = {
        command: sorted(set(options) - set(present.get(command, ())))
        for command, options in snapshot("options").items()
    }
    assert not any(lost.values()), lost
    assert set(snapshot("options")) <= set(present)


@pytest.mark.parametrize("command", sorted(snapshot("options")))
def test_every_command_still_explains_itself(command):
    result = CliRunner().invoke(cli.app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert result.output.startswith("Usage:")


def test_no_code_is_lost():
    assert not set(snapshot("codes")) - set(codes())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["max-pods", "m5.large"], 0),
        (["max-pods", "m5.larg"], 1),
        (["max-pods"], 2),
        (["no-such-command"], 2),
        (["fleet", "no/such/file.csv"], 1),
    ],
)
def test_exit_codes_stay(arguments, code):
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert left.value.code == code


if __name__ == "__main__":
    for stem, value in (("names", names()), ("options", helps()), ("codes", codes())):
        text = json.dumps(value, indent=1, sort_keys=True) + "\n"
        (SNAPSHOTS / f"{stem}.json").write_text(text, "utf-8")
