"""What the name of an instance type says of it: accelerators, local disks, CPU credits."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["speciality"]

_NAME: Final = re.compile(r"(?P<series>[a-z]+)(?:\d+)(?P<options>[a-z]*)(-[a-z0-9]+)?\.")
"""A type's name in parts, as m5dn.large: series m, options dn.

Source: Amazon EC2 user guide, "Instance type naming conventions".
"""

_ACCELERATED: Final = frozenset({"dl", "f", "g", "gr", "inf", "p", "trn", "vt"})
"""Series whose price pays for GPUs, FPGAs or inference chips. Source: as above."""

_STORAGE: Final = frozenset({"d", "h", "i", "im", "is", "z"})
"""Series with local disks. Source: as above."""

_OLD_STORAGE: Final = ("x1.", "x1e.")
"""Types with local disks that their names do not tell. Source: Amazon EC2, "Instance store"."""


def speciality(name: str) -> str:
    """
    What a type has that a pod must ask for to use: ``accelerator``, ``local-disk`` or none.

    ``burstable`` marks T types: their CPU is a baseline with credits.

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
