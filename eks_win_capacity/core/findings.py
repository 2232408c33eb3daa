"""What did a check see, why does it matter, and what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from eks_win_capacity.core.display import Shown

Severity = Literal["error", "warning", "info"]
SEVERITIES: Final = ("error", "warning", "info")
"""From the most to the least severe, the order of printed lists."""

Outcome = Literal["fail", "pass", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Finding(Shown):
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

    _LISTED = ("outcome", "severity", "code", "subject", "seen", "why", "remedy")

    code: str
    severity: Severity
    seen: str
    why: str
    remedy: str
    source: str = ""
    subject: str = ""
    outcome: Outcome = "fail"
    files: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        """What was seen, and what to do."""
        where = f" of {self.subject}" if self.subject else ""
        remedy = f"; {self.remedy}" if self.remedy and self.outcome != "pass" else ""
        said = f"{self.outcome} ({self.severity}): {self.seen}{remedy}"
        return f"<Finding {self.code}{where}: {said}>"

    def to_dict(self) -> dict[str, Any]:
        """The fields as a plain mapping."""
        return asdict(self)


def told(
    code: str, seen: str, why: str, *, severity: Severity = "info", remedy: str = ""
) -> Finding:
    """Finding about how an input was read, or what is unusual in it."""
    return Finding(
        code=code,
        severity=severity,
        outcome="fail" if severity == "warning" else "pass",
        seen=seen,
        why=why,
        remedy=remedy or ("nothing to do" if severity == "info" else "check the source"),
    )
