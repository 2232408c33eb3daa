"""JSON decoded value by value, so that a long list is never held at once."""

from __future__ import annotations

import json
import re
from typing import IO, TYPE_CHECKING, Any, Final

from eks_win_capacity.core.documents import _budgets as limits
from eks_win_capacity.core.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_NO_NUMBERS: Final = "NaN and Infinity are no numbers of JSON"


def _no_number(_text: str) -> Any:
    raise ValueError(_NO_NUMBERS)


_DECODE: Final = json.JSONDecoder(parse_constant=_no_number).raw_decode


class JsonText:
    """A JSON text that is decoded value by value, so that only one value is held."""

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
        # As much again as there is: a long value is decoded anew each time.
        chunk = self._stream.read(max(limits.CHUNK, len(rest)))
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
        """The next character that is not a space, or an empty text at the end."""
        while True:
            match = _SPACE.match(self._buffer, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def take(self, wanted: str, place: str) -> str:
        """Step over one of the wanted characters."""
        found = self.peek()
        if not found or found not in wanted:
            self.fail(f"expected {' or '.join(wanted)}", place)
        self._at += 1
        return found

    def value(self, place: str) -> Any:
        """Decode one whole value."""
        self.peek()
        while True:
            try:
                value, end = _DECODE(self._buffer, self._at)
            except (json.JSONDecodeError, RecursionError, ValueError) as error:
                if isinstance(error, RecursionError):
                    self.fail("nested too deep", place)
                if str(error) == _NO_NUMBERS:
                    self.fail(_NO_NUMBERS, place)
                if len(self._buffer) - self._at > limits.MAX_ITEM_CHARS:
                    self.fail(
                        f"a value is damaged or longer than {limits.MAX_ITEM_CHARS:,} characters",
                        place,
                    )
                if not self._more():
                    self.fail(getattr(error, "msg", str(error)), place)
                continue
            # A number at the very end of the buffer may go on in the next chunk.
            if end == len(self._buffer) and self._buffer[self._at] not in '"{[' and self._more():
                continue
            self._at = end
            return value

    def fail(self, what: str, place: str) -> None:
        """Raise, naming the place; a text that just ends was cut off."""
        ended = not self._buffer[self._at :].strip()
        what = "the text ends too early, as if it was cut off" if ended else what
        offset = self._read - len(self._buffer) + self._at
        where = f" at {place}" if place else ""
        raise DocumentError(
            f"{self.name} is not sound JSON{where} (character {offset:,}): {what}",
            source=self.name,
            place=place,
        )


def json_members(text: JsonText) -> Iterator[tuple[int, str, int | None, Any]]:
    number = 0
    while text.peek():
        # A list of objects, as jq -s writes it, is one document after the other.
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
            if text.items > limits.MAX_ITEMS:
                text.fail(f"it holds more than {limits.MAX_ITEMS:,} objects; split it", "")
            more = text.take(",]", "") if listed else ""
        if empty:
            text.take("]", "")


def _json_object(text: JsonText, number: int) -> Iterator[tuple[int, str, int | None, Any]]:
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
                if text.items > limits.MAX_ITEMS:
                    text.fail(f"its lists hold more than {limits.MAX_ITEMS:,} items; split it", key)
                more = "" if text.peek() == "]" else text.take(",", f"{key}[{index}]")
            text.take("]", key)
        else:
            yield number, key, None, text.value(key)
        more = text.take(",}", key)
