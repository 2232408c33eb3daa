"""One thing that was looked at: what was seen, why it matters, what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]
Outcome = Literal["fail", "pass", "unknown"]


def count_of(number: int, one: str, many: str = "") -> str:
    """
    Say how many, with the word for one or for many.

    Examples
    --------
    >>> count_of(1, "node is", "nodes are"), count_of(2_000, "pod")
    ('1 node is', '2,000 pods')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """
    What one check found, as a value and not an exception.

    Attributes
    ----------
    code : str
        Stable name of the check, in kebab-case.
    severity : {"error", "warning", "info"}
        How bad it is, or would be if the check failed.
    outcome : {"fail", "pass", "unknown"}
        Unknown where the data do not tell; it never counts as a pass.
    seen : str
        What was seen, with its values.
    why : str
        Why it matters.
    remedy : str
        What to do, with the exact command or setting where there is one.
    source : str
        Where the rule comes from.
    subject : str
        What it is about, such as a node, a subnet or a key; empty for the whole.
    files : tuple of (str, str)
        Name and text of each file that the remedy applies, such as a manifest.
    """

    code: str
    severity: Severity
    seen: str
    why: str
    remedy: str
    source: str = ""
    subject: str = ""
    outcome: Outcome = "fail"
    files: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as a plain mapping."""
        return asdict(self)
