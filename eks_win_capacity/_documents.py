"""Read JSON and YAML written by others: safely, with limits, and long lists item by item."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from eks_win_capacity.errors import DocumentError, UnsupportedInputError

MAX_JSON_CHARS: Final = 4 * 1024**3
"""The longest JSON text that is read. [characters]

Source: this project. 100,000 pods as kubectl prints them take about a quarter.
"""

MAX_WHOLE_CHARS: Final = 256 * 1024**2
"""The longest JSON text that is held as a whole, not item by item. [characters]

Source: this project. 40,000 interfaces as the AWS CLI prints them.
"""

MAX_ITEMS: Final = 3_000_000
"""How many items all lists of one source may have.

Source: this project. Thirty times the pods of a large cluster.
"""

MAX_ITEM_CHARS: Final = 32 * 1024**2
"""The longest single value inside a JSON list. [characters]

Source: this project. The API server stores no object above about 1.5 MiB.
"""

MAX_YAML_CHARS: Final = 16 * 1024**2
"""The longest YAML text that is read; JSON has no such need. [characters]

Source: this project. YAML reads about a hundred times slower than JSON.
"""

MAX_DEPTH: Final = 100
"""How deep lists and mappings may nest.

Source: this project. Kubernetes objects stay below 30.
"""

MAX_EXPANDED: Final = 2_000_000
"""How many values a YAML text may stand for once its aliases are followed."""

_CHUNK: Final = 1024**2
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_NO_NUMBERS: Final = "NaN and Infinity are no numbers of JSON"


def _no_number(_text: str) -> Any:
    raise ValueError(_NO_NUMBERS)


_DECODE: Final = json.JSONDecoder(parse_constant=_no_number).raw_decode

Source = Any
"""A path, a text, a binary or text file, or the parsed mapping itself."""


def source_name(source: Source) -> str:
    """Say what an error should call a source."""
    if isinstance(source, Mapping):
        return "the mapping"
    if isinstance(source, (bytes, bytearray)) or (isinstance(source, str) and _is_text(source)):
        return "the text"
    # A path has a name too, but only its last part.
    name = source if isinstance(source, os.PathLike) else getattr(source, "name", source)
    return str(name) if isinstance(name, (str, os.PathLike)) else "the file"


def _is_text(text: str) -> bool:
    return "\n" in text or text.lstrip("\ufeff \t")[:1] in {"{", "["} or not text.strip()


@contextmanager
def _opened(source: Source) -> Iterator[IO[str]]:
    """Open any source as text; the byte-order marks that PowerShell writes are obeyed."""
    if isinstance(source, (bytes, bytearray)):
        yield _decoded(io.BytesIO(source), source_name(source))
    elif isinstance(source, str) and _is_text(source):
        yield io.StringIO(source.lstrip("\ufeff"))
    elif isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if path.exists() and not path.is_file():
            raise DocumentError(f"{path} is no regular file", source=str(path))
        with path.open("rb") as file:
            yield _decoded(file, str(path))
    elif hasattr(source, "read"):
        text = isinstance(source, io.TextIOBase) or isinstance(source.read(0), str)
        yield source if text else _decoded(source, source_name(source))
    else:
        raise UnsupportedInputError(
            f"a saved answer must be a path, a text, a file or a mapping; "
            f"got {type(source).__name__}"
        )


_PACKED: Final = {
    b"\x1f\x8b": ("gzip", "gunzip"),
    b"PK\x03\x04": ("zip", "unzip"),
    b"BZh": ("bzip2", "bunzip2"),
    b"\xfd7zX": ("xz", "unxz"),
}
"""How compressed files begin; they are not unpacked here, so none can grow in memory."""


def _decoded(file: Any, name: str) -> IO[str]:
    buffered = file if hasattr(file, "peek") else io.BufferedReader(_Raw(file))
    mark = buffered.peek(4)[:4]
    for packed, (how, cure) in _PACKED.items():
        if mark.startswith(packed):
            raise DocumentError(f"{name} is compressed with {how}: {cure} it first", source=name)
    if mark[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        encoding = "utf-16"
    elif mark[:1] and mark[1:2] == b"\0":
        encoding = "utf-16-le"
    else:
        encoding = "utf-8-sig"
    return io.TextIOWrapper(buffered, encoding=encoding)


class _Raw(io.RawIOBase):
    """A binary file without ``peek`` as a raw stream."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _JsonText:
    """A JSON text that is decoded value by value, so that only one value is held."""

    def __init__(self, stream: IO[str], head: str, name: str, limit: int) -> None:
        self._stream = stream
        self._buffer = head
        self._at = 0
        self._read = len(head)
        self._limit = limit
        self.name = name
        self.items = 0

    def _more(self, wanted: int = _CHUNK) -> bool:
        chunk = self._stream.read(wanted)
        if not chunk:
            return False
        self._read += len(chunk)
        if self._read > self._limit:
            raise DocumentError(
                f"{self.name} holds more than {self._limit:,} characters; split it",
                source=self.name,
            )
        self._buffer = self._buffer[self._at :] + chunk
        self._at = 0
        return True

    def peek(self) -> str:
        """Give the next character that is no space, or an empty text at the end."""
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
        wanted = _CHUNK
        while True:
            try:
                value, end = _DECODE(self._buffer, self._at)
            except (json.JSONDecodeError, RecursionError, ValueError) as error:
                if isinstance(error, RecursionError):
                    self.fail("nested too deep", place)
                if str(error) == _NO_NUMBERS:
                    self.fail(_NO_NUMBERS, place)
                if len(self._buffer) - self._at > MAX_ITEM_CHARS:
                    self.fail(
                        f"a value is damaged or longer than {MAX_ITEM_CHARS:,} characters", place
                    )
                if not self._more(wanted):
                    self.fail(getattr(error, "msg", str(error)), place)
                wanted *= 2
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
            f"{self.name} is no sound JSON{where} (character {offset:,}): {what}",
            source=self.name,
            place=place,
        )


def members(
    source: Source, *, name: str = "", limit: int = MAX_JSON_CHARS
) -> Iterator[tuple[int, str, int | None, Any]]:
    """
    Walk through the top-level members of every document of a source.

    A list that is a member's value is given item by item, so that a file with
    100,000 pods is never held at once.

    Parameters
    ----------
    source : path, str, bytes, file or mapping
        JSON (one document or several), or YAML. A text with a newline or a
        leading bracket is the text itself; any other text is a path.
    name : str, optional
        What errors call the source.
    limit : int
        The longest JSON text that is read. [characters]

    Yields
    ------
    (int, str, int or None, value)
        Number of the document, key, position in the key's list (None where the
        value is no list, or an empty one), and the value.

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
        with _opened(source) as stream:
            head = stream.read(_CHUNK)
            while head and not head.strip():
                head = stream.read(_CHUNK)
            if not head:
                raise DocumentError(
                    f"{name} is empty: did the command that wrote it fail?", source=name
                )
            if head.lstrip()[0] in "{[":
                yield from _json_members(_JsonText(stream, head, name, limit))
            else:
                for number, document in enumerate(_yaml_documents(stream, head, name)):
                    yield from _walk(number, document, name)
    except UnicodeDecodeError as error:
        raise DocumentError(f"{name} is no text: {error}", source=name) from error


def _json_members(text: _JsonText) -> Iterator[tuple[int, str, int | None, Any]]:
    number = 0
    while text.peek():
        text.take("{", "")
        if text.peek() == "}":
            text.take("}", "")
        else:
            yield from _json_object(text, number)
        number += 1


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
                if text.items > MAX_ITEMS:
                    text.fail(f"its lists hold more than {MAX_ITEMS:,} items; split it", key)
                more = "" if text.peek() == "]" else text.take(",", f"{key}[{index}]")
            text.take("]", key)
        else:
            yield number, key, None, text.value(key)
        more = text.take(",}", key)


def _walk(number: int, document: Any, name: str) -> Iterator[tuple[int, str, int | None, Any]]:
    if not isinstance(document, Mapping):
        raise DocumentError(f"{name} must hold a mapping, not {_kind(document)}", source=name)
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
    for number, key, index, value in members(source, name=name, limit=MAX_WHOLE_CHARS):
        if number != seen:
            yield whole
            whole, seen = {}, number
        if index is None:
            whole[key] = value
        else:
            whole.setdefault(key, []).append(value)
    yield whole


SUFFIXES: Final = (".json", ".yaml", ".yml")
"""The files of a folder that are read."""


class _Held(io.BytesIO):
    """What a file or pipe held; it may be read twice, and a pipe gives its text once."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


def each_source(sources: Any) -> Iterator[tuple[Any, bool]]:
    """
    Give every single source of lists and folders, each file once.

    Parameters
    ----------
    sources : a source, a folder, or a list of these
        Of a folder the files that end in one of `SUFFIXES`, in order of name.

    Yields
    ------
    (source, bool)
        The source, and whether it was found in a folder.

    Raises
    ------
    DocumentError
        If a folder has no such file.
    """
    seen: set[Path] = set()
    for source, found in _opened_up(sources):
        if isinstance(source, os.PathLike) or (isinstance(source, str) and _is_path(source)):
            path = Path(source).resolve()
            if path in seen:
                continue
            seen.add(path)
        yield source, found


def _opened_up(source: Any) -> Iterator[tuple[Any, bool]]:
    if isinstance(source, (list, tuple)):
        for one in source:
            yield from _opened_up(one)
    elif hasattr(source, "read"):
        data = source.read(MAX_JSON_CHARS + 1)
        name = source_name(source).strip("<>")
        yield _Held(data.encode() if isinstance(data, str) else data, name), False
    elif isinstance(source, (str, os.PathLike)) and _is_path(source) and Path(source).is_dir():
        folder = Path(source)
        found = sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES and p.is_file())
        if not found:
            raise DocumentError(
                f"{folder} holds no file that ends in {', '.join(SUFFIXES)}", source=str(folder)
            )
        for path in found:
            yield path, True
    else:
        yield source, False


def _is_path(source: str | os.PathLike[str]) -> bool:
    """Tell a path from a text that holds the answer itself."""
    text = os.fspath(source)
    return len(text) < 4096 and "\0" not in text and not _is_text(text)


def beginning(source: Source, *, name: str = "") -> dict[str, Any]:
    """
    Give the members of a source's first document, up to the first item of a list.

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
        If it is no YAML, too large, too deep, or grows when aliases are followed.
    """
    documents = list(_yaml_documents(io.StringIO(), text, name)) if text.strip() else []
    if len(documents) > 1:
        raise DocumentError(f"{name} holds several documents; give one", source=name)
    return documents[0] if documents else None


def _yaml_documents(stream: IO[str], head: str, name: str) -> Iterator[Any]:
    import yaml

    text = head + stream.read(MAX_YAML_CHARS + 1 - min(len(head), MAX_YAML_CHARS))
    if len(text) > MAX_YAML_CHARS:
        raise DocumentError(
            f"{name} holds more than {MAX_YAML_CHARS:,} characters of YAML; save it as JSON "
            f"(kubectl get ... -o json), which is read piece by piece",
            source=name,
        )
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _weigh(yaml.parse(text, Loader=loader), name)
        for document in yaml.load_all(text, Loader=loader):
            if document is not None:
                yield document
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, DocumentError):
            raise
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise DocumentError(
            f"{name} is no sound YAML{where}: {problem}", source=name, place=where.strip()
        ) from error


def _weigh(events: Iterator[Any], name: str) -> None:
    """Refuse YAML that nests too deep or whose aliases would stand for too much."""
    import yaml

    weights: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = [(None, 0)]
    for event in events:
        weight = 0
        if isinstance(event, yaml.AliasEvent):
            # Unknown here means the anchor is still open: the value would hold itself.
            weight = weights.get(str(event.anchor), MAX_EXPANDED + 1)
        elif isinstance(event, yaml.ScalarEvent):
            weight = 1
            if event.anchor:
                weights[event.anchor] = 1
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            open_nodes.append((event.anchor, 1))
            if len(open_nodes) > MAX_DEPTH:
                raise DocumentError(f"{name} nests deeper than {MAX_DEPTH} levels", source=name)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            anchor, weight = open_nodes.pop()
            if anchor:
                weights[anchor] = weight
        anchor, total = open_nodes[-1]
        open_nodes[-1] = (anchor, total + weight)
        if total + weight > MAX_EXPANDED:
            raise DocumentError(
                f"{name} would stand for more than {MAX_EXPANDED:,} values once its aliases "
                f"are followed",
                source=name,
            )
