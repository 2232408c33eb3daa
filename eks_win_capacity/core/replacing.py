"""Files that are replaced whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def replace_file(path: str | os.PathLike[str], content: str | bytes) -> None:
    """
    Replace one file, whole or not at all; a full disk or Ctrl-C leaves the old one.

    The new content, text in UTF-8, is written beside it under a name that nobody can foresee,
    and takes the old one's permissions. A link is replaced, not followed. A device or a pipe,
    such as ``/dev/stdout``, cannot be replaced and is written to.

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

    Everything is written and flushed beside its target before the first target
    is touched. A failure between two replacements puts the old files back. Only
    a power cut in that instant can leave a mixed set; whoever keeps several
    files must be able to tell one.
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
    """Write a whole new file into the target's folder, and give its path."""
    try:
        handle, path = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".new")
    except OSError as error:
        # The caller knows the target alone.
        raise type(error)(error.errno, error.strerror, str(target)) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; a data file is as readable as its neighbours.
        # A link is replaced itself: what it points to is neither written nor asked.
        old = target.is_file() and not target.is_symlink()
        mode = target.stat().st_mode & 0o777 if old else 0o666 & ~_umask()
        Path(path).chmod(mode)
    except BaseException as error:
        with contextlib.suppress(OSError):
            Path(path).unlink()
        if isinstance(error, OSError) and error.errno and error.filename is None:
            # A full disk names no file; an error without a number says all in its message.
            raise type(error)(error.errno, error.strerror, str(target)) from None
        raise
    return Path(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
