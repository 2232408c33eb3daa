"""A finding is a value that any program can take apart."""

from eks_win_capacity.findings import Finding


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
