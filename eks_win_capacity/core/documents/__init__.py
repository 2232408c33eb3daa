"""What is in JSON and YAML from other tools, read safely: with limits, lists item by item."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final

from eks_win_capacity.core.documents import _open
from eks_win_capacity.core.documents._open import Source, each_source, opened, source_name
from eks_win_capacity.core.documents.whole import (
    DECODER,
    NOT_NUMBERS,
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
    Top-level members of every document of a source, one after another.

    If the value of a member is a list, its items are yielded one by one, so that a file with
    100,000 pods is never in memory as a whole.

    Parameters
    ----------
    source : path, str, bytes, file or mapping
        JSON (one document or several, or a list of them), or YAML. A string with a newline or a
        leading bracket is the content itself; any other string is a path.
    name : str, optional
        Name of the source in errors.
    limit : int, optional
        Maximum length of JSON. [characters]

    Yields
    ------
    (int, str, int or None, value)
        Number of the document, key, position in the key's list (None if the value is not a list,
        or an empty one), and the value.

    Raises
    ------
    DocumentError
        If the source is empty, damaged, truncated, too large, too deep, or not a mapping.
    """
    name = name or source_name(source)
    if isinstance(source, Mapping):
        yield from _walk(0, source, name)
        return
    try:
        with opened(source) as stream:
            head = stream.read(_open.CHUNK)
            while head and not head.strip():
                head = stream.read(_open.CHUNK)
            head = answer_text(head, name)
            if not head:
                raise DocumentError(
                    f"{name} is empty: did the command that wrote it fail?", source=name
                )
            if head.lstrip()[0] in "{[":
                yield from _json_members(
                    _JsonText(stream, head, name, limit or _open.MAX_JSON_CHARS)
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
                    # Each mapping of a list is a document.
                    for one in document if isinstance(document, list) else [document]:
                        yield from _walk(number, one, name)
                        number += 1
    except UnicodeDecodeError as error:
        raise DocumentError(f"{name} is not text: {error}", source=name) from error


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
    names: dict[type, str] = {list: "a list", str: "a string", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)


def wholes(source: Source, *, name: str = "") -> Iterator[dict[str, Any]]:
    """
    Documents of a source, each as one mapping.

    Raises DocumentError as `members`, with a smaller limit of JSON.
    """
    whole: dict[str, Any] = {}
    seen = 0
    for number, key, index, value in members(source, name=name, limit=_open.MAX_WHOLE_CHARS):
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
    Members of a source's first document, up to the first item of a list.

    Raises DocumentError as `members`, for the part that is read.
    """
    head: dict[str, Any] = {}
    for number, key, index, value in members(source, name=name):
        if number:
            break
        head[key] = value if index is None else [value]
        if index is not None:
            break
    if hasattr(source, "seek"):
        source.seek(0)
    return head


def mapping(source: Source, *, name: str = "") -> dict[str, Any]:
    """
    The only document of a source, as one mapping.

    Raises DocumentError as `members`, and if there are several documents.
    """
    name = name or source_name(source)
    first, *more = wholes(source, name=name)
    if more:
        raise DocumentError(f"{name} holds several documents; give one", source=name)
    return first


def yaml_value(text: str, *, name: str) -> Any:
    """
    Value of a short YAML string, such as the mapRoles of aws-auth.

    Raises DocumentError if it is not YAML, too large, too deep, or grows when aliases are followed.
    """
    documents = list(yaml_documents(io.StringIO(), text, name)) if text.strip() else []
    if len(documents) > 1:
        raise DocumentError(f"{name} holds several documents; give one", source=name)
    return documents[0] if documents else None


_SPACE: Final = re.compile(r"[ \t\r\n]*")


class _JsonText:
    """JSON decoded value by value, so that only one value is in memory."""

    def __init__(self, stream: IO[str], head: str, name: str, limit: int) -> None:
        self._stream = stream
        self._buffer = head
        self._at = 0
        self._read = len(head)
        self._limit = limit
        self.name = name
        self.items = 0

    def _more(self) -> bool:
        rest = self._buffer[self._at :]
        # The buffer doubles, because a long value is decoded again after each read.
        chunk = self._stream.read(max(_open.CHUNK, len(rest)))
        if not chunk:
            return False
        self._read += len(chunk)
        if self._read > self._limit:
            raise DocumentError(
                f"{self.name} holds more than {self._limit:,} characters; split it",
                source=self.name,
            )
        self._buffer, self._at = rest + chunk, 0
        return True

    def peek(self) -> str:
        """Next character that is not white space; empty at the end."""
        while True:
            match = _SPACE.match(self._buffer, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def take(self, wanted: str, where: str) -> str:
        """Next character, skipped; an error if it is not one of `wanted`."""
        character = self.peek()
        if not character or character not in wanted:
            self.fail(f"expected {' or '.join(wanted)}", where)
        self._at += 1
        return character

    def value(self, where: str) -> Any:
        """Next value, decoded."""
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self._buffer, self._at)
            except (json.JSONDecodeError, RecursionError, ValueError) as error:
                if isinstance(error, RecursionError):
                    self.fail("nested too deep", where)
                if str(error) == NOT_NUMBERS:
                    self.fail(NOT_NUMBERS, where)
                if len(self._buffer) - self._at > _open.MAX_ITEM_CHARS:
                    self.fail(
                        f"a value is damaged or longer than {_open.MAX_ITEM_CHARS:,} characters",
                        where,
                    )
                if not self._more():
                    self.fail(getattr(error, "msg", str(error)), where)
                continue
            # A number at the end of the buffer may continue in the next chunk.
            if end == len(self._buffer) and self._buffer[self._at] not in '"{[' and self._more():
                continue
            self._at = end
            return value

    def fail(self, what: str, where: str) -> None:
        """Raise DocumentError with the place; if nothing follows, the content was truncated."""
        ended = not self._buffer[self._at :].strip()
        what = "the text ends too early, as if it was cut off" if ended else what
        offset = self._read - len(self._buffer) + self._at
        at = f" at {where}" if where else ""
        raise DocumentError(
            f"{self.name} is not sound JSON{at} (character {offset:,}): {what}",
            source=self.name,
            place=where,
        )


def _json_members(text: _JsonText) -> Iterator[tuple[int, str, int | None, Any]]:
    number = 0
    while text.peek():
        # Each object of a list, as jq -s writes it, is a document.
        listed = text.peek() == "["
        if listed:
            text.take("[", "")
        empty = listed and text.peek() == "]"
        more = "" if empty else ","
        while more == ",":
            if text.peek() != "{":
                text.fail(
                    "its list holds something else than objects; give the whole answer, saved "
                    "without --query or jq"
                    if listed
                    else "expected {",
                    "",
                )
            text.take("{", "")
            if text.peek() == "}":
                text.take("}", "")
            else:
                yield from _json_object(text, number)
            number += 1
            text.items += 1
            if text.items > _open.MAX_ITEMS:
                text.fail(f"it holds more than {_open.MAX_ITEMS:,} objects; split it", "")
            more = text.take(",]", "") if listed else ""
        if empty:
            text.take("]", "")


def _json_object(text: _JsonText, number: int) -> Iterator[tuple[int, str, int | None, Any]]:
    more = ","
    while more == ",":
        if text.peek() != '"':
            text.fail("expected a key", "")
        key = text.value("")
        text.take(":", key)
        if text.peek() == "[":
            text.take("[", key)
            index, more = 0, ","
            if text.peek() == "]":
                more = "]"
                yield number, key, None, []
            while more == ",":
                yield number, key, index, text.value(f"{key}[{index}]")
                index += 1
                text.items += 1
                if text.items > _open.MAX_ITEMS:
                    text.fail(f"its lists hold more than {_open.MAX_ITEMS:,} items; split it", key)
                more = "" if text.peek() == "]" else text.take(",", f"{key}[{index}]")
            text.take("]", key)
        else:
            yield number, key, None, text.value(key)
        more = text.take(",}", key)
