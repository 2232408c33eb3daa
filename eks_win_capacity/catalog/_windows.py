"""Can a type be a Windows node on EKS, and who says so."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args

from eks_win_capacity._data import windows as facts
from eks_win_capacity.core.display import Shown
from eks_win_capacity.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

Status = Literal["supported", "warned", "unsupported"]

STATUSES: Final[tuple[Status, ...]] = get_args(Status)


class Reason(NamedTuple):
    """
    One known limit of a type as a Windows node.

    Attributes
    ----------
    code : str
        Stable name of the limit, in kebab-case.
    why : str
        What it means for a node.
    date : str
        When, or as of when, the source says so; ISO 8601, as exact as known.
    source : str
        Who says so.
    """

    code: str
    why: str
    date: str
    source: str


@dataclass(frozen=True, slots=True)
class WindowsVerdict(Shown):
    """
    Whether a type can be a Windows node on EKS.

    Attributes
    ----------
    status : {"supported", "warned", "unsupported"}
        Warned types can run Windows as far as is known, with a caveat.
    reasons : tuple of Reason
        Every known limit, those that forbid Windows first; empty if supported.
    source : str
        Who says so: the sources of the reasons, or of the general rule.

    Raises
    ------
    InputError
        If the status is unknown, or does not go with the reasons.
    """

    status: Status
    reasons: tuple[Reason, ...]
    source: str

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise InputError(f"status must be one of {', '.join(STATUSES)}; got {self.status!r}")
        if (self.status == "supported") is bool(self.reasons):
            raise InputError(
                "a supported type has no reasons against it, any other has at least one; "
                f"got {self.status!r} with {len(self.reasons)}"
            )

    def __str__(self) -> str:
        """The status and the codes of the reasons."""
        return self.status + (f" ({', '.join(self.codes)})" if self.reasons else "")

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the reasons."""
        return tuple(reason.code for reason in self.reasons)


_SUPPORTED = WindowsVerdict("supported", (), facts.SUPPORTED_SOURCE)


def verdict(name: str, architectures: tuple[str, ...]) -> WindowsVerdict:
    """
    Judge a type by the hand-kept facts, whichever catalog its row came from.

    Several reasons may hold; one that forbids Windows outweighs the warnings,
    which are kept beside it.

    Parameters
    ----------
    name : str
        The instance type.
    architectures : tuple of str
        Its processor architectures, in EC2's words.

    Examples
    --------
    >>> verdict("m6a.large", ("x86_64",)).codes
    ('once-listed-unsupported',)
    >>> print(verdict("c9g.large", ("arm64",)))
    unsupported (arm64, unknown-to-controller)
    """
    family = name.partition(".")[0]
    verdicts = [
        (rule["status"], _reasons()[rule["code"]])
        for rule in facts.RULES
        if (name in rule["types"] or (family in rule["families"] and name not in rule["except"]))
        or (rule["absent_from"] and name not in controller_types())
    ]
    if "x86_64" not in architectures:
        verdicts.insert(0, ("unsupported", _architecture_reason(architectures)))
    if not verdicts:
        return _SUPPORTED
    # Sorted by the status alone, which is stable: the order of the facts stays.
    verdicts.sort(key=lambda pair: pair[0] != "unsupported")
    reasons = tuple(reason for _, reason in verdicts)
    sources = "; ".join(dict.fromkeys(reason.source for reason in reasons))
    return WindowsVerdict(verdicts[0][0], reasons, sources)


@cache
def _reasons() -> Mapping[str, Reason]:
    return {
        rule["code"]: Reason(rule["code"], rule["why"], rule["date"], rule["source"])
        for rule in facts.RULES
    }


def _architecture_reason(architectures: tuple[str, ...]) -> Reason:
    """Name the limit of a type without amd64."""
    named = next(
        rule
        for rule in facts.RULES
        if rule["architectures"] == ["*"] or set(rule["architectures"]) & set(architectures)
    )
    return _reasons()[named["code"]]


@cache
def controller_types() -> frozenset[str]:
    """The types that the controller's table of 2026-03-20 has."""
    names = []
    for line in facts.CONTROLLER_TYPES.split("\n"):
        family, *sizes = line.split()
        names += [f"{family}.{size}" for size in sizes]
    return frozenset(names)
