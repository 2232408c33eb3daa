"""
Write into README.md and docs/ what their commands print today: ``make readme``.

Only the output below our own commands is replaced, in ``console`` blocks: below
a prompt, and below the command that ``make demo`` echoes.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
]
BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:\$ |\.venv/bin/)eks-win-capacity(?: (?P<arguments>.*))?")


def fresh(text: str) -> str:
    """A page with the output that its commands have now."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "data" / "demo", Path(folder, "data", "demo"))
        Path(folder, "out").mkdir()
        return BLOCK.sub(lambda block: _fresh_block(block[0], folder), text)


def _fresh_block(block: str, folder: str) -> str:
    lines: list[str] = []
    ours = False
    for line in block.splitlines():
        command = COMMAND.fullmatch(line)
        if command or line.startswith("$ "):
            ours = command is not None
            lines.append(line)
            lines += _printed(command["arguments"] or "", folder) if command else []
        elif not ours:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _printed(arguments: str, folder: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "eks_win_capacity", *shlex.split(arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=folder,
        timeout=120,
    )
    if "Traceback" in done.stdout:
        raise SystemExit(done.stdout)
    return [line.rstrip() for line in done.stdout.strip().splitlines()]


if __name__ == "__main__":
    for page in PAGES:
        text = page.read_text("utf-8")
        if BLOCK.search(text):
            page.write_text(fresh(text), "utf-8")
