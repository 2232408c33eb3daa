"""JSON in and out of files, with the place of whatever is wrong."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from eks_win_capacity.core.documents.whole import file_bytes, text_of
from eks_win_capacity.core.errors import CatalogFileError, DocumentError, UnsupportedInputError

if TYPE_CHECKING:
    from collections.abc import Callable


def read_json(source: Any) -> tuple[Any, str]:
    """
    Read one JSON document.

    Parameters
    ----------
    source : path or file
        A path, or a text or binary file that is open for reading. Gzip and
        byte order marks are seen and undone.

    Returns
    -------
    (Any, str)
        The document, and what the file is called.

    Raises
    ------
    CatalogFileError
        If the content is empty, damaged, cut short or no JSON; the error names
        the file and the place.
    OSError
        If the file cannot be read.
    """
    if isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        content = _read(Path(source))
    elif callable(getattr(source, "read", None)):
        name = str(getattr(source, "name", None) or "<file>")
        content = _read(source)
    else:
        raise UnsupportedInputError(
            f"a path or an open file is needed; got {type(source).__name__}"
        )
    return parse_json(content, str(name)), str(name)


def parse_json(content: bytes | str, name: str) -> Any:
    """Parse the content of a file; see `read_json`."""
    text = content if isinstance(content, str) else _text(content, name)
    if not text.strip():
        raise CatalogFileError(f"{name} is empty", source=name, place="line 1 column 1")
    try:
        return json.loads(
            text,
            parse_constant=_refuser(name, "is not a JSON number"),
            object_pairs_hook=_keeper(name),
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        raise CatalogFileError(
            f"{name} is {'cut short' if cut else 'no valid JSON'}: {error.msg} at {place}",
            source=name,
            place=place,
        ) from error
    except RecursionError as error:
        raise CatalogFileError(f"{name} is nested too deeply", source=name) from error
    except ValueError as error:
        if isinstance(error, CatalogFileError):
            raise
        raise CatalogFileError(f"{name} is not valid JSON: {error}", source=name) from error


def _read(source: Any) -> bytes:
    try:
        return file_bytes(source)
    except DocumentError as error:
        raise CatalogFileError(str(error), source=error.source, place=error.place) from error


def _text(content: bytes, name: str) -> str:
    try:
        return text_of(content, name)
    except DocumentError as error:
        raise CatalogFileError(str(error), source=name, place=error.place) from error


def _refuser(name: str, why: str) -> Callable[[str], NoReturn]:
    def refuse(constant: str) -> NoReturn:
        raise CatalogFileError(f"{name} holds {constant}, which {why}", source=name, place=constant)

    return refuse


def _keeper(name: str) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Make objects of which no member is lost because its key came twice."""

    def keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise CatalogFileError(
                f"{name} has the key {twice!r} twice in one object", source=name, place=twice
            )
        return members

    return keep


def gzipped(content: bytes) -> bytes:
    """Compress without the time of day, which would make every result new."""
    return gzip.compress(content, 9, mtime=0)
