"""README and documentation show what the program prints, to the letter."""

import doctest
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text("utf-8")
MADE = {"made", "measured", "checks", "reference", "notebooks", "_build"}
PAGES = [
    ROOT / "README.md",
    *(
        path
        for path in sorted((ROOT / "docs").rglob("*.md"))
        if path.relative_to(ROOT / "docs").parts[0] not in {*MADE, "catalogue.md"}
    ),
]
PYTHON = [
    (path.relative_to(ROOT).as_posix(), text)
    for path in PAGES
    for text in re.findall(
        r"^```python\n(.*?)^```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
]
SHOWING = [path for path in PAGES if "\n$ eks-win-capacity" in path.read_text("utf-8")]


@pytest.mark.parametrize("page", SHOWING, ids=lambda page: page.stem)
def test_the_commands_on_a_page_print_what_it_shows(page):
    """``make readme`` writes the output anew."""
    fresh = runpy.run_path(str(ROOT / ".ci" / "readme.py"))["fresh"]
    text = page.read_text("utf-8")
    assert fresh(text) == text


def test_a_newcomer_reads_no_more_than_8_kb():
    assert len(TEXT.encode()) <= 8_000


def test_it_shows_both_ways_in():
    assert "$ make demo\n" in TEXT
    assert "$ make test\n" in TEXT
    assert "pip install eks-win-capacity" in TEXT
    assert PYTHON


@pytest.mark.parametrize(("page", "text"), PYTHON)
def test_the_python_on_a_page_answers_as_shown(page, text, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # what a page writes stays out of the checkout
    (tmp_path / "data").symlink_to(ROOT / "data")
    test = doctest.DocTestParser().get_doctest(text, {}, page, page, 0)
    assert test.examples
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https?:|#)([^)#]+)", TEXT))
def test_its_links_lead_somewhere(target):
    assert (ROOT / target).exists()


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs" / "how-to").glob("*.md")), ids=lambda p: p.stem
)
def test_a_how_to_is_eight_lines_at_most(page):
    for text in re.findall(
        r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    ):
        assert 1 < len(re.findall(r"^(?:>>>|\.\.\.) ", text, re.MULTILINE)) <= 8


def test_every_how_to_is_two_clicks_from_the_readme():
    assert "](docs/how-to/index.md)" in TEXT
    index = ROOT / "docs" / "how-to" / "index.md"
    listed = set(re.findall(r"\]\((\w+\.md)\)", index.read_text("utf-8")))
    assert listed == {path.name for path in index.parent.glob("*.md")} - {"index.md"}
