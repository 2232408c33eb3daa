"""Why does the catalog have no row for an instance type that EC2 names."""

from __future__ import annotations

from typing import Final

__all__ = ["absent"]

_RETIRED: Final = frozenset(("cc1", "cc2", "cg1", "cr1", "g2", "g3", "g3s", "hi1", "hs1", "p2"))
_ARM: Final = frozenset(("m9g", "m9gd", "p6e-gb200"))
_NO_DATA: Final = frozenset(("u7ib-12tb", "u7inh-32tb"))

AS_OF: Final = "2026-11-25"
"""Day on which EC2's enumeration of names was compared with the table."""


def absent(name: str) -> str:
    """
    Reason why a name of EC2's enumeration, or several names in one, have no row; else empty.

    Examples
    --------
    >>> absent("g3.16xlarge")
    'EC2 has retired it (2026-11-25)'
    >>> absent("m9g.metal-48xl"), absent("u-6tb1.112xlarge").partition(":")[0], absent("m5.larg")
    ('it has an Arm processor, which Windows nodes cannot use (2026-11-25)', 'no data', '')
    """
    if "," in name:
        return "that names several types; give each by itself (options such as -t are repeated)"
    family, dot, _ = name.strip().lower().partition(".")
    if not dot:
        return ""
    if family in _RETIRED:
        return f"EC2 has retired it ({AS_OF})"
    if family in _ARM:
        return f"it has an Arm processor, which Windows nodes cannot use ({AS_OF})"
    if family in _NO_DATA or (family.startswith("u-") and family.endswith("tb1")):
        return (
            "no data: EC2 offers it, Windows included, and no source of the table lists its limits "
            f"({AS_OF}); catalog refresh or aws.load_catalog() may"
        )
    return ""
