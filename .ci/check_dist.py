"""Check what a wheel and an sdist hold: all that is needed to run, to test, and nothing else."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

WHEEL_MUST_HOLD = {"py.typed", "_data/limits.py", "__main__.py", "cli/__init__.py"}
SDIST_MUST_HOLD = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "Makefile"}
SDIST_FOLDERS = {"eks_win_capacity", "data", "tests", "notebooks"}


def check_wheel(path: Path) -> list[str]:
    """Name what is wrong with a wheel."""
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        info = next(name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(wheel.read(info).decode())
    wrong = [
        f"wheel lacks {name}"
        for name in sorted(WHEEL_MUST_HOLD)
        if f"eks_win_capacity/{name}" not in names
    ]
    tops = {name.split("/")[0] for name in names}
    strangers = {top for top in tops if top != "eks_win_capacity" and ".dist-info" not in top}
    wrong += [f"wheel holds {top}" for top in sorted(strangers)]
    if not any("/licenses/LICENSE" in name for name in names):
        wrong.append("wheel lacks its LICENSE")
    expected = {
        "Name": "eks-win-capacity",
        "License-Expression": "Apache-2.0",
        "Requires-Python": ">=3.11",
        "Description-Content-Type": "text/markdown",
    }
    wrong += [
        f"metadata says {key}: {metadata[key]}"
        for key, value in expected.items()
        if metadata[key] != value
    ]
    return wrong


def check_sdist(path: Path) -> list[str]:
    """Name what is wrong with an sdist."""
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    tops = {name.split("/")[0] for name in names}
    missing = (SDIST_MUST_HOLD - names) | (SDIST_FOLDERS - tops)
    return [f"sdist lacks {name}" for name in sorted(missing)]


if __name__ == "__main__":
    faults = check_wheel(Path(sys.argv[1])) + check_sdist(Path(sys.argv[2]))
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{len(faults)} faults in wheel and sdist")
    sys.exit(bool(faults))
