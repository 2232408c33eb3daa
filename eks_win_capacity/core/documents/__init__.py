"""Read JSON and YAML written by others: safely, with limits, and long lists item by item."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

from eks_win_capacity.core.documents import _budgets as limits
from eks_win_capacity.core.documents._json import JsonText, json_members
from eks_win_capacity.core.documents._open import Source, each_source, opened, source_name
from eks_win_capacity.core.documents.whole import (
    answer_text,
    table_columns,
    what_it_is,
    yaml_documents,
)
from eks_win_capacity.core.errors import DocumentError

__all__ = ["beginning", "each_source", "mapping", "members", "source_name", "wholes", "yaml_value"]


def members(
    source: Source, *, name: str = "", limit: int | None = None
) -> Iterator[tuple[int, str, int | None, Any]]:
    """
    Walk through the top-level members of every document of a source.

    A list that is a member's value is given item by item, so that a file with
    100,000 pods is never held at once.

    Parameters
    ----------
    source : path, str, bytes, file or mapping
        JSON (one document or several, or a list of them), or YAML. A text with a newline or a
        leading bracket is the text itself; any other text is a path.
    name : str, optional
        What errors call the source.
    limit : int, optional
        The longest JSON text that is read. [characters]

    Yields
    ------
    (int, str, int or None, value)
        Number of the document, key, position in the key's list (None where the
        value is not a list, or an empty one), and the value.

    Raises
    ------
    DocumentError
        If the source is empty, damaged, cut off, too large, too deep, or no
        mapping.
    """
    name = name or source_name(source)
    if isinstance(source, Mapping):
        yield from _walk(0, source, name)
        return
    try:
        with opened(source) as stream:
            head = stream.read(limits.CHUNK)
            while head and not head.strip():
                head = stream.read(limits.CHUNK)
            head = answer_text(head, name)
            if not head:
                raise DocumentError(
                    f"{name} is empty: did the command that wrote it fail?", source=name
                )
            if head.lstrip()[0] in "{[":
                yield from json_members(
                    JsonText(stream, head, name, limit or limits.MAX_JSON_CHARS)
                )
            elif table_columns(head):
                raise DocumentError(
                    f"{name} is {what_it_is(head)}, and neither JSON nor YAML: fleet, plan and "
                    "forecast read tables; of a cluster save the whole answer (kubectl -o json, "
                    "aws --output json)",
                    source=name,
                )
            else:
                number = 0
                for document in yaml_documents(stream, head, name):
                    # A list of mappings is one document after the other.
                    for one in document if isinstance(document, list) else [document]:
                        yield from _walk(number, one, name)
                        number += 1
    except UnicodeDecodeError as error:
        raise DocumentError(f"{name} is not a text: {error}", source=name) from error


def _walk(number: int, document: Any, name: str) -> Iterator[tuple[int, str, int | None, Any]]:
    if not isinstance(document, Mapping):
        raise DocumentError(
            f"{name} must hold a mapping, not {_kind(document)}; save the whole answer as JSON "
            "(kubectl -o json, aws --output json)",
            source=name,
        )
    for key, value in document.items():
        if isinstance(value, list) and value:
            for index, item in enumerate(value):
                yield number, str(key), index, item
        else:
            yield number, str(key), None, value


def _kind(value: object) -> str:
    names: dict[type, str] = {list: "a list", str: "a text", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)


def wholes(source: Source, *, name: str = "") -> Iterator[dict[str, Any]]:
    """
    Read every document of a source, each as a whole mapping.

    Raises
    ------
    DocumentError
        As `members`; a JSON text that is held as a whole must be shorter.
    """
    whole: dict[str, Any] = {}
    seen = 0
    for number, key, index, value in members(source, name=name, limit=limits.MAX_WHOLE_CHARS):
        if number != seen:
            yield whole
            whole, seen = {}, number
        if index is None:
            whole[key] = value
        else:
            whole.setdefault(key, []).append(value)
    yield whole


def beginning(source: Source, *, name: str = "") -> dict[str, Any]:
    """
    The members of a source's first document, up to the first item of a list.

    Raises
    ------
    DocumentError
        As `members`, of what is read of it.
    """
    found: dict[str, Any] = {}
    for number, key, index, value in members(source, name=name):
        if number:
            break
        found[key] = value if index is None else [value]
        if index is not None:
            break
    if hasattr(source, "seek"):
        source.seek(0)
    return found


def mapping(source: Source, *, name: str = "") -> dict[str, Any]:
    """
    Read a source that holds one mapping, as a whole.

    Raises
    ------
    DocumentError
        As `members`; also if there are several documents.
    """
    name = name or source_name(source)
    first, *more = wholes(source, name=name)
    if more:
        raise DocumentError(f"{name} holds several documents; give one", source=name)
    return first


def yaml_value(text: str, *, name: str) -> Any:
    """
    Read a short YAML text, such as the mapRoles of aws-auth, as it is.

    Raises
    ------
    DocumentError
        If it is not YAML, too large, too deep, or grows when aliases are followed.
    """
    documents = list(yaml_documents(io.StringIO(), text, name)) if text.strip() else []
    if len(documents) > 1:
        raise DocumentError(f"{name} holds several documents; give one", source=name)
    return documents[0] if documents else None
