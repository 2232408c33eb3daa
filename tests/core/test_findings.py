"""A finding is a value that any program can take apart."""

import pytest

from eks_win_capacity.core.errors import count_of
from eks_win_capacity.core.findings import Finding


def test_a_finding_turns_into_a_plain_mapping():
    finding = Finding(code="a-b", severity="error", seen="x", why="y", remedy="z")
    assert finding.to_dict() == {
        "code": "a-b",
        "severity": "error",
        "seen": "x",
        "why": "y",
        "remedy": "z",
        "source": "",
        "subject": "",
        "outcome": "fail",
        "files": (),
    }


@pytest.mark.parametrize(
    ("outcome", "remedy", "shown"),
    [
        ("fail", "z", "<Finding a-b: fail (error): x; z>"),
        ("unknown", "z", "<Finding a-b: unknown (error): x; z>"),
        ("pass", "z", "<Finding a-b: pass (error): x>"),
        ("fail", "", "<Finding a-b: fail (error): x>"),
    ],
)
def test_a_finding_that_asks_for_something_says_what(outcome, remedy, shown):
    finding = Finding(
        code="a-b", severity="error", seen="x", why="y", remedy=remedy, outcome=outcome
    )
    assert repr(finding) == shown


@pytest.mark.parametrize(
    ("number", "words", "phrase"),
    [
        (0, ("node",), "0 nodes"),
        (1, ("node is", "nodes are"), "1 node is"),
        (2_000, ("prefix", "prefixes"), "2,000 prefixes"),
    ],
)
def test_one_is_said_otherwise_than_many(number, words, phrase):
    assert count_of(number, *words) == phrase
