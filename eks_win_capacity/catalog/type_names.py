"""What does the name of an instance type mean: accelerators, disks, credits; why no row."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["absent", "gpus_of", "speciality"]

_NAME: Final = re.compile(r"(?P<series>[a-z]+)(?:\d+)(?P<options>[a-z]*)(-[a-z0-9]+)?\.")
"""Parts of a type's name: m5dn.large has series m, options dn.

Source: Amazon EC2 user guide, "Instance type naming conventions".
"""

_ACCELERATED: Final = frozenset({"dl", "f", "g", "gr", "inf", "p", "trn", "vt"})
"""Series with GPUs, FPGAs or inference chips. Source: as above."""

_STORAGE: Final = frozenset({"d", "h", "i", "im", "is", "z"})
"""Series with local disks. Source: as above."""

_OLD_STORAGE: Final = ("x1.", "x1e.")
"""Types with local disks that their names do not show. Source: Amazon EC2, "Instance store"."""


def speciality(name: str) -> str:
    """
    Feature that pods must request to use: ``accelerator`` or ``local-disk``; else empty.

    ``burstable`` means T types, whose CPU is a baseline with credits.

    Examples
    --------
    >>> [speciality(name) for name in ("g5.xlarge", "m5dn.large", "t3.large", "m5.large")]
    ['accelerator', 'local-disk', 'burstable', '']
    """
    parts = _NAME.match(name)
    if parts is None:
        return ""
    series, options = parts["series"], parts["options"]
    if series in _ACCELERATED:
        return "accelerator"
    if series in _STORAGE or "d" in options or name.startswith(_OLD_STORAGE):
        return "local-disk"
    return "burstable" if series == "t" else ""


_GPUS: Final = {
    "g3": {"4xlarge": 1, "8xlarge": 2, "16xlarge": 4},
    "g3s": {"xlarge": 1},
    "g4dn": {"12xlarge": 4, "metal": 8},
    "g5": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "g6": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "g6e": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "p2": {"xlarge": 1, "8xlarge": 8, "16xlarge": 16},
    "p3": {"2xlarge": 1, "8xlarge": 4, "16xlarge": 8},
    "p3dn": {"24xlarge": 8},
    "p4d": {"24xlarge": 8},
    "p5": {"48xlarge": 8},
}
"""NVIDIA GPUs of a type by family and size; other sizes of g4dn, g5, g6 and g6e have one.

Source: Amazon EC2 instance types guide, "Accelerated computing".
"""

_ONE_EACH: Final = frozenset({"g4dn", "g5", "g6", "g6e"})


def gpus_of(name: str) -> int:
    """
    Whole NVIDIA GPUs of an instance type; 0 if it has none, or only a part of one.

    Examples
    --------
    >>> [gpus_of(name) for name in ("g5.xlarge", "g4dn.12xlarge", "m5.large")]
    [1, 4, 0]
    """
    family, _, size = name.partition(".")
    return _GPUS.get(family, {}).get(size, int(family in _ONE_EACH))


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
