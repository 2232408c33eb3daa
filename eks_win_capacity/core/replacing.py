"""How are files replaced, completely or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def replace_file(path: str | os.PathLike[str], content: str | bytes) -> None:
    """
    Replace one file completely or not at all; a full disk or Ctrl-C leaves the old one.

    The new content, strings in UTF-8, is first written to a file with a random name in the same
    folder, with the permissions of the old one. A link is replaced, not followed. Devices and
    pipes, such as ``/dev/stdout``, cannot be replaced, so they are written to.

    Raises OSError if the folder cannot be written.
    """
    target = Path(path)
    data = content.encode() if isinstance(content, str) else content
    if target.exists() and not target.is_file():
        target.write_bytes(data)
    else:
        replace_files({target: data})


def replace_files(contents: dict[Path, bytes]) -> None:
    """
    Replace several files in this order, all or none.

    All contents are written and flushed to the folders of their targets before the first target is
    replaced. A failure between two replacements restores the old files. Only a power failure in
    that moment can leave a mixed set, which readers of several files must be able to detect.
    """
    staged: list[tuple[Path, Path]] = []
    undo: list[tuple[Path, Path | None]] = []
    try:
        for target, content in contents.items():
            staged.append((_written_beside(target, content), target))
        for fresh, target in staged:
            kept = _written_beside(target, target.read_bytes()) if target.exists() else None
            undo.append((target, kept))
            fresh.replace(target)
    except BaseException:
        for target, kept in reversed(undo):
            if kept is None:
                target.unlink(missing_ok=True)
            else:
                kept.replace(target)
        raise
    finally:
        for path in [fresh for fresh, _ in staged] + [kept for _, kept in undo if kept]:
            path.unlink(missing_ok=True)


def _written_beside(target: Path, content: bytes) -> Path:
    """Path of a new file with this content in the folder of the target."""
    try:
        handle, path = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".new")
    except OSError as error:
        # The caller only knows the target, not the temporary file.
        raise type(error)(error.errno, error.strerror, str(target)) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp creates private files, but a new file should have the usual permissions.
        # A link itself is replaced, so the permissions of its target do not matter.
        old = target.is_file() and not target.is_symlink()
        mode = target.stat().st_mode & 0o777 if old else 0o666 & ~_umask()
        Path(path).chmod(mode)
    except BaseException as error:
        with contextlib.suppress(OSError):
            Path(path).unlink()
        if isinstance(error, OSError) and error.errno and error.filename is None:
            # The error of a full disk names no file; one without a number needs none.
            raise type(error)(error.errno, error.strerror, str(target)) from None
        raise
    return Path(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
