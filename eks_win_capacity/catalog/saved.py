"""Which catalog is in a file, and where is an error in it; catalogs are saved without loss."""

from __future__ import annotations

import gzip
import json
import os
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from eks_win_capacity.catalog._instance_type import FieldError, InstanceType, Reason, WindowsVerdict
from eks_win_capacity.core.documents.whole import file_bytes, text_of
from eks_win_capacity.core.errors import (
    CapacityError,
    CatalogFileError,
    DocumentError,
    UnsupportedInputError,
)
from eks_win_capacity.core.replacing import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eks_win_capacity.catalog._instance_type import InstanceTable


def read_json(source: Any) -> tuple[Any, str]:
    """
    JSON document in a path or an open file, and the name of the file.

    Gzip and byte order marks are handled.

    Raises CatalogFileError, with the file and the place, if the content is empty, damaged,
    truncated or not JSON; OSError if the file cannot be read.
    """
    if isinstance(source, (str, os.PathLike)):
        name = str(os.fspath(source))
    elif callable(getattr(source, "read", None)):
        name = str(getattr(source, "name", None) or "<file>")
    else:
        raise UnsupportedInputError(
            f"a path or an open file is needed; got {type(source).__name__}"
        )
    with _of_catalogs():
        content = file_bytes(source if hasattr(source, "read") else Path(source))
    return parse_json(content, name), name


def parse_json(content: bytes | str, name: str) -> Any:
    """JSON document in the content of a file; see `read_json`."""
    with _of_catalogs():
        text = content if isinstance(content, str) else text_of(content, name)
    if not text.strip():
        raise CatalogFileError(f"{name} is empty", source=name, place="line 1 column 1")

    def refuse(constant: str) -> NoReturn:
        raise CatalogFileError(
            f"{name} holds {constant}, which is not a JSON number", source=name, place=constant
        )

    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=_keeper(name))
    except json.JSONDecodeError as error:
        position = f"line {error.lineno} column {error.colno}"
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        raise CatalogFileError(
            f"{name} is {'cut short' if cut else 'no valid JSON'}: {error.msg} at {position}",
            source=name,
            place=position,
        ) from error
    except RecursionError as error:
        raise CatalogFileError(f"{name} is nested too deeply", source=name) from error
    except ValueError as error:
        if isinstance(error, CatalogFileError):
            raise
        raise CatalogFileError(f"{name} is not valid JSON: {error}", source=name) from error


@contextmanager
def _of_catalogs() -> Iterator[None]:
    """Convert a DocumentError into a CatalogFileError."""
    try:
        yield
    except DocumentError as error:
        raise CatalogFileError(str(error), source=error.source, place=error.place) from error


def _keeper(name: str) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Hook for the JSON decoder that refuses objects with a repeated key."""

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
    """Content compressed with gzip without a timestamp, so that equal content gives equal bytes."""
    return gzip.compress(content, 9, mtime=0)


CatalogT = TypeVar("CatalogT")

FORMAT: Final = "eks-win-capacity catalog"
_VERSION: Final = 1
_FIELDS: Final = tuple(field.name for field in fields(InstanceType))


def save(catalog: InstanceTable, path: str | os.PathLike[str]) -> None:
    """Save a catalog; see `Catalog.save`."""
    head = {
        "format": FORMAT,
        "version": _VERSION,
        "as_of": catalog.as_of,
        "source": catalog.source,
        "regions": catalog.regions,
    }
    # One line per type, so that two files can be compared line by line.
    lines = ",\n".join(json.dumps(_plain(row)) for row in catalog.values())
    text = f'{json.dumps(head)[:-1]}, "instance_types": [\n{lines}\n]}}\n'
    content = text.encode()
    target = Path(path)
    packed = gzipped(content) if target.suffix == ".gz" else content
    replace_file(target, packed)


def _plain(row: InstanceType) -> dict[str, Any]:
    plain = asdict(row)
    plain["windows"]["reasons"] = [reason._asdict() for reason in row.windows.reasons]
    return plain


def load(source: Any, *, catalog: Callable[..., CatalogT]) -> CatalogT:
    """Catalog in a file; see `Catalog.load`."""
    document, name = read_json(source)
    return from_document(document, name, catalog=catalog)


def from_document(document: Any, name: str, *, catalog: Callable[..., CatalogT]) -> CatalogT:
    """
    Catalog from a parsed document that `save` wrote.

    Raises CatalogFileError if it is another document, or damaged.
    """
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        cure = ""
        if isinstance(document, (dict, list)) and "InstanceTypes" in str(document)[:2000]:
            cure = "; EC2's own answers are read by Catalog.from_describe_instance_types"
        raise CatalogFileError(f"{name} is not a saved catalog{cure}", source=name, place="format")
    if document.get("version") != _VERSION:
        raise CatalogFileError(
            f"{name} has version {document.get('version')!r} of the format; this release reads "
            f"{_VERSION}",
            source=name,
            place="version",
        )
    rows = _member(document, "instance_types", list, name, "")
    rebuilt = [_row(row, name, f"instance_types[{position}]") for position, row in enumerate(rows)]
    head = {key: _member(document, key, str, name, "") for key in ("as_of", "source")}
    regions = _member(document, "regions", list, name, "")
    try:
        return catalog(rebuilt, regions=regions, **head)
    except (CapacityError, TypeError) as error:
        raise CatalogFileError(f"{name}: {error}", source=name) from error


def _row(row: Any, name: str, where: str) -> InstanceType:
    values = {field: _member(row, field, object, name, where) for field in _FIELDS}
    at = f"{where}.windows"
    verdict = values["windows"]
    parts = {
        key: _member(verdict, key, kind, name, at)
        for key, kind in (("status", str), ("reasons", list), ("source", str))
    }
    parts["reasons"] = tuple(
        Reason(*(_member(reason, key, str, name, f"{at}.reasons[{n}]") for key in Reason._fields))
        for n, reason in enumerate(parts["reasons"])
    )
    try:
        values["windows"] = WindowsVerdict(**parts)
        return InstanceType(**values)
    except FieldError as error:
        at = f"{where}.{error.field}"
        raise CatalogFileError(f"{name}: {where}: {error}", source=name, place=at) from error
    except CapacityError as error:
        raise CatalogFileError(f"{name}: {at}: {error}", source=name, place=at) from error


def _member(value: Any, key: str, kind: type, name: str, where: str) -> Any:
    """Member of an object; CatalogFileError if it is missing or of another type."""
    at = f"{where}.{key}" if where else key
    if not isinstance(value, dict) or key not in value:
        raise CatalogFileError(f"{name}: {at} is missing", source=name, place=at)
    if not isinstance(value[key], kind):
        raise CatalogFileError(
            f"{name}: {at} must be {_KINDS[kind]}; got {value[key]!r}", source=name, place=at
        )
    return value[key]


_KINDS: Final[dict[type, str]] = {str: "a string", list: "a list"}
