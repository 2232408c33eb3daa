"""Print the lowest version of each dependency that pyproject.toml allows, as pip constraints."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
TOOLS = {"bench", "dev", "docs"}
"""Extras that the library and its tests run without."""

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?>=(?P<low>[0-9.]+)")


def lowest() -> dict[str, str]:
    """Give the lower bound of each dependency; the highest one where there are several."""
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    requirements = [*project["dependencies"]]
    for extra in sorted(set(extras) - TOOLS):
        requirements += extras[extra]
    bounds: dict[str, str] = {}
    for requirement in requirements:
        if requirement.startswith(f"{project['name']}["):
            continue
        match = _REQUIREMENT.fullmatch(requirement)
        if match is None:
            raise SystemExit(f"{requirement!r} has no plain lower bound")
        known = bounds.get(match["name"], "0")
        bounds[match["name"]] = max(known, match["low"], key=_parts)
    return bounds


def _parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


if __name__ == "__main__":
    for name, low in sorted(lowest().items()):
        print(f"{name}=={low}")
