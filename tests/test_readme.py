"""The README shows what the program prints, to the letter."""

import doctest
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = FENCE.findall((ROOT / "README.md").read_text("utf-8"))
OURS = ("eks-win-capacity", ".venv/bin/eks-win-capacity")
PYTHON = [text for language, text in BLOCKS if language == "python"]


def shown_commands() -> list[tuple[str, str]]:
    """Give each command line of ours that the README shows, with the output below it."""
    found: list[tuple[str, list[str]]] = []
    for line in (
        line for language, text in BLOCKS if language == "console" for line in text.splitlines()
    ):
        prompt, _, command = line.partition("$ ")
        # make prints the command that it runs, without a prompt.
        if (not prompt and command) or line.startswith(OURS[1]):
            found.append((command or line, []))
        else:
            found[-1][1].append(line)
    return [
        (command, "\n".join(output).strip())
        for command, output in found
        if command.startswith(OURS)
    ]


def test_it_shows_commands_and_python():
    assert len(shown_commands()) >= 3
    assert PYTHON


@pytest.mark.parametrize(("command", "output"), shown_commands())
def test_a_command_prints_what_the_readme_shows(command, output, tmp_path):
    (tmp_path / "out").mkdir()
    shutil.copytree(ROOT / "data" / "demo", tmp_path / "data" / "demo")
    done = subprocess.run(
        [sys.executable, "-m", "eks_win_capacity", *shlex.split(command)[1:]],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=120,
    )
    printed = "\n".join(line.rstrip() for line in (done.stdout + done.stderr).splitlines())
    assert printed.strip() == output


@pytest.mark.parametrize("text", PYTHON)
def test_the_python_in_it_runs_and_answers_as_shown(text):
    test = doctest.DocTestParser().get_doctest(text, {}, "README", "README.md", 0)
    if not test.examples:
        exec(compile(text, "README.md", "exec"), {})
        return
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)


def test_links_to_files_lead_somewhere():
    text = (ROOT / "README.md").read_text("utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (ROOT / target).exists(), target
