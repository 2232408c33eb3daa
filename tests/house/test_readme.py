"""The README shows what the program prints, to the letter."""

import doctest
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text("utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_its_commands_print_what_it_shows():
    """``make readme`` writes the output anew."""
    fresh = runpy.run_path(str(ROOT / ".ci" / "readme.py"))["fresh"]
    assert fresh(TEXT) == TEXT


def test_it_shows_both_ways_in():
    assert "$ make demo\n" in TEXT
    assert "$ make test\n" in TEXT
    assert "pip install eks-win-capacity" in TEXT
    assert PYTHON


@pytest.mark.parametrize("text", PYTHON)
def test_the_python_in_it_answers_as_shown(text):
    test = doctest.DocTestParser().get_doctest(text, {}, "README", "README.md", 0)
    assert test.examples
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https?:|#)([^)#]+)", TEXT))
def test_its_links_lead_somewhere(target):
    assert (ROOT / target).exists()
