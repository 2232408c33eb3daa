"""How are paths, strings, files, pipes and folders opened and decoded, within which limits."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from eks_win_capacity.core.errors import DocumentError, UnsupportedInputError

MAX_JSON_CHARS: Final = 4 * 1024**3
"""Maximum length of JSON that is read item by item. [characters]

Source: this project. 100,000 pods as kubectl prints them take about a quarter.
"""

MAX_WHOLE_CHARS: Final = 256 * 1024**2
"""Maximum length of JSON that is read as a whole. [characters]

Source: this project. 40,000 interfaces as the AWS CLI prints them.
"""

MAX_WHOLE_BYTES: Final = 512 * 1024**2
"""Maximum size of a file that is read as a whole, including after decompression. [bytes]

Source: this project. A table of ten million nodes, or twenty captures of all instance types.
"""

MAX_HELD: Final = 2 * 1024**3
"""Maximum size of a pipe, which is kept in memory, and of decompressed gzip. [bytes]

Source: this project. Twice what kubectl prints of 100,000 pods of 10 kB.
"""

MAX_ITEMS: Final = 3_000_000
"""Maximum number of items in all lists of one source.

Source: this project. Thirty times the pods of a large cluster.
"""

MAX_ITEM_CHARS: Final = 32 * 1024**2
"""Maximum length of a single value in a JSON list. [characters]

Source: this project. The API server stores no object above about 1.5 MiB.
"""

MAX_YAML_CHARS: Final = 16 * 1024**2
"""Maximum length of YAML. [characters]

Source: this project. Reading YAML is about a hundred times slower than JSON.
"""

MAX_DEPTH: Final = 100
"""Maximum depth of nested lists and mappings.

Source: this project. Kubernetes objects stay below 30.
"""

MAX_EXPANDED: Final = 2_000_000
"""Maximum number of values in YAML after its aliases are expanded."""


CHUNK: Final = 1024**2
"""Size of one read of a stream. [characters]"""

GZIP: Final = b"\x1f\x8b"
"""First bytes of gzip files, which are decompressed within these limits."""

Source = Any
"""A path, a string, a binary or text file, or a parsed mapping."""


def source_name(source: Source) -> str:
    """Name of a source in errors."""
    if isinstance(source, Mapping):
        return "the mapping"
    if isinstance(source, (bytes, bytearray)) or (isinstance(source, str) and _is_text(source)):
        return "the text"
    # The `name` of a path is only its last part.
    name = source if isinstance(source, os.PathLike) else getattr(source, "name", source)
    return str(name) if isinstance(name, (str, os.PathLike)) else "the file"


def _is_text(text: str) -> bool:
    return "\n" in text or text.lstrip("\ufeff \t")[:1] in {"{", "["} or not text.strip()


@contextmanager
def opened(source: Source) -> Iterator[IO[str]]:
    """Text stream of any source, decoded by its byte order mark, which PowerShell writes."""
    if isinstance(source, (bytes, bytearray)):
        yield _decoded(io.BytesIO(source), source_name(source))
    elif isinstance(source, str) and _is_text(source):
        yield io.StringIO(source.lstrip("\ufeff"))
    elif isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if path.exists() and not path.is_file():
            raise DocumentError(f"{path} is not a regular file", source=str(path))
        with path.open("rb") as file:
            yield _decoded(file, str(path))
    elif hasattr(source, "read"):
        text = isinstance(source, io.TextIOBase) or isinstance(source.read(0), str)
        yield source if text else _decoded(source, source_name(source))
    else:
        raise UnsupportedInputError(
            f"a saved answer must be a path, a string, a file or a mapping; "
            f"got {type(source).__name__}"
        )


PACKED: Final = {
    GZIP: ("gzip", "gunzip"),
    b"PK\x03\x04": ("zip", "unzip"),
    b"BZh": ("bzip2", "bunzip2"),
    b"\xfd7zX": ("xz", "unxz"),
}
"""First bytes of compressed files, with name and remedy; only gzip is decompressed here."""


def refuse_packed(beginning: bytes, name: str) -> None:
    """Refuse compressed content; one layer of gzip is already removed."""
    for packed, (how, cure) in PACKED.items():
        if beginning.startswith(packed):
            if name.lower().endswith((".xlsx", ".xlsm", ".ods")):
                raise DocumentError(
                    f"{name} is a workbook of a spreadsheet: save its sheet as CSV", source=name
                )
            raise DocumentError(f"{name} is compressed with {how}: {cure} it first", source=name)


def bad_gzip(name: str, what: str) -> DocumentError:
    """Error of a gzip file that is damaged or too large after decompression."""
    return DocumentError(f"{name} is {what}", source=name, place="gzip")


def _decoded(file: Any, name: str) -> IO[str]:
    buffered = file if hasattr(file, "peek") else io.BufferedReader(_Raw(file))
    if buffered.peek(2).startswith(GZIP):
        buffered = io.BufferedReader(_Unpacked(buffered, name))
    mark = buffered.peek(4)[:4]
    refuse_packed(mark, name)
    return io.TextIOWrapper(buffered, encoding=encoding_of(mark))


_MARKS: Final = (
    # UTF-32 first, because its little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
"""Byte order marks and encodings. PowerShell redirects output as UTF-16."""

_ZEROS: Final = (
    ((True, False, False, False), "utf-32-le"),
    ((False, False, False, True), "utf-32-be"),
    ((True, False), "utf-16-le"),
    ((False, True), "utf-16-be"),
)
"""Zeros in the first bytes by encoding, if the first character is ASCII, without a mark."""


def encoding_of(beginning: bytes) -> str:
    """
    Encoding by the first four bytes of a file.

    Examples
    --------
    >>> [encoding_of("{}".encode(coding)[:4]) for coding in ("utf-8", "utf-16-be", "utf-32-le")]
    ['utf-8', 'utf-16-be', 'utf-32-le']
    """
    marked = [coding for mark, coding in _MARKS if beginning.startswith(mark)]
    filled = tuple(map(bool, beginning))
    unmarked = [coding for shape, coding in _ZEROS if filled[: len(shape)] == shape]
    return next(iter(marked + unmarked), "utf-8")


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


class _Unpacked(_Raw):
    """A gzip file as a raw stream of its decompressed content, up to a limit."""

    def __init__(self, file: Any, name: str) -> None:
        super().__init__(gzip.GzipFile(fileobj=file))
        self._name = name
        self._left = MAX_HELD

    def readinto(self, buffer: Any) -> int:
        try:
            size = super().readinto(buffer)
        except (OSError, EOFError, zlib.error) as error:
            raise bad_gzip(self._name, f"a damaged gzip file: {error}") from error
        self._left -= size
        if self._left < 0:
            raise bad_gzip(
                self._name, f"gzip that unpacks to more than {MAX_HELD:,} bytes; split it"
            )
        return size


SUFFIXES: Final = (".json", ".yaml", ".yml")
"""Endings of the files that are read from a folder, also with ``.gz`` after them."""

_ANSWERS: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:[{\[]|---\s|(?:apiVersion|items|kind): |(?:NAME|NAMESPACE) +[A-Z])"
)
"""Beginning of answers of kubectl and AWS, including tables of kubectl."""


class _Held(io.BytesIO):
    """Content of a file or pipe in memory, which can be read twice."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


def each_source(sources: Any) -> Iterator[tuple[Any, bool]]:
    """
    Single sources in lists and folders, each file once, and whether it is from a folder.

    From a folder, the files that end in one of `SUFFIXES`, in order of name.

    Raises DocumentError if a folder has no such file.
    """
    seen: set[Path] = set()
    for source, in_folder in _opened_up(sources):
        if isinstance(source, os.PathLike) or (isinstance(source, str) and _is_path(source)):
            path = Path(source).resolve()
            if path in seen:
                continue
            seen.add(path)
        yield source, in_folder


def _opened_up(source: Any) -> Iterator[tuple[Any, bool]]:
    if isinstance(source, (list, tuple)):
        for one in source:
            yield from _opened_up(one)
    elif hasattr(source, "read"):
        name = source_name(source).strip("<>")
        data = source.read(MAX_HELD + 1)
        if len(data) > MAX_HELD:
            raise DocumentError(
                f"{name} holds more than {MAX_HELD:,} bytes; save it as a file, which is read piece "
                "by piece",
                source=name,
            )
        yield _Held(data.encode() if isinstance(data, str) else data, name), False
    elif isinstance(source, (str, os.PathLike)) and _is_path(source) and Path(source).is_dir():
        folder = Path(source)
        paths = []
        for path in sorted(p for p in folder.iterdir() if p.is_file()):
            if path.name.lower().removesuffix(".gz").endswith(SUFFIXES):
                paths.append(path)
            elif path.name[0] != "." and _ANSWERS.match(_head(path)):
                raise DocumentError(
                    f"{path} begins like a saved answer and would not be read: of a folder the files "
                    f"are that end in {', '.join(SUFFIXES)}; rename it, or move it elsewhere",
                    source=str(path),
                )
        if not paths:
            raise DocumentError(
                f"{folder} holds no file that ends in {', '.join(SUFFIXES)}", source=str(folder)
            )
        for path in paths:
            yield path, True
    else:
        yield source, False


def _head(path: Path) -> bytes:
    """First bytes of a file; empty if it cannot be read."""
    try:
        with path.open("rb") as opened_:
            return opened_.read(64)
    except OSError:
        return b""


def _is_path(source: str | os.PathLike[str]) -> bool:
    """Whether a string is a path, and not the content itself."""
    text = os.fspath(source)
    return len(text) < 4096 and "\0" not in text and not _is_text(text)
