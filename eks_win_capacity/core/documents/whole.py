"""What is in a file that is read as a whole: its bytes up to a limit, its string, its values."""

from __future__ import annotations

import io
import json
import math
import re
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn

from eks_win_capacity.core.documents import _open
from eks_win_capacity.core.documents._open import source_name
from eks_win_capacity.core.errors import DocumentError, InputError, only_a_part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


NOT_NUMBERS: Final = "NaN and Infinity are not numbers of JSON"


def file_bytes(source: str | Path | IO[bytes]) -> bytes:
    """
    Content of a file, of a pipe, or of standard input (``"-"``), up to a limit.

    An endless device or pipe is refused at the limit.

    Raises DocumentError if it holds more than ``MAX_WHOLE_BYTES``; OSError if the file cannot be
    read.
    """
    if hasattr(source, "read"):
        return _bounded(source, source_name(source))
    if str(source) == "-":
        return _bounded(sys.stdin.buffer, "standard input")
    with Path(source).open("rb") as file:
        return _bounded(file, str(source))


def _bounded(file: Any, name: str) -> bytes:
    most = _open.MAX_WHOLE_BYTES
    content = bytearray()
    # Read in chunks, because one large read would allocate the limit even for small files.
    while len(content) <= most and (part := file.read(_open.CHUNK)):
        content += part.encode() if isinstance(part, str) else part
    if len(content) > most:
        raise DocumentError(f"{name} holds more than {most:,} bytes; split it", source=name)
    return bytes(content)


def is_packed(content: bytes) -> bool:
    """Whether content is compressed with gzip."""
    return content.startswith(_open.GZIP)


def unpacked(content: bytes, name: str) -> bytes:
    """
    Content with gzip decompressed; other content unchanged.

    Raises DocumentError if it is damaged, truncated, or larger than ``MAX_WHOLE_BYTES``.
    """
    most = _open.MAX_WHOLE_BYTES
    parts: list[bytes] = []
    size = 0
    while is_packed(content):
        stream = zlib.decompressobj(wbits=31)
        try:
            parts.append(stream.decompress(content, most + 1 - size))
        except zlib.error as error:
            raise _open.bad_gzip(name, f"a damaged gzip file: {error}") from error
        size += len(parts[-1])
        if size > most:
            raise _open.bad_gzip(name, f"gzip that unpacks to more than {most:,} bytes; split it")
        if not stream.eof:
            raise _open.bad_gzip(name, "a damaged gzip file: it is truncated")
        # A gzip file may have several members, with zeros after them.
        content = stream.unused_data.lstrip(b"\0")
        if content and not is_packed(content):
            raise _open.bad_gzip(name, "a damaged gzip file: other bytes follow")
    return b"".join(parts) if parts else content


def text_of(content: bytes, name: str) -> str:
    """
    Content decoded from UTF-8, or from UTF-16 or UTF-32 by its mark or first zeros.

    Gzip is decompressed up to the limit.

    Raises DocumentError if the content cannot be decoded, or is compressed in another way;
    ``place`` names the byte.
    """
    content = unpacked(content, name)
    _open.refuse_packed(content, name)
    encoding = _open.encoding_of(content[:4])
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        position = f"byte {error.start}"
        spelled = encoding.upper().removesuffix("-SIG")
        raise DocumentError(
            f"{name} is not text: {spelled} can't decode it, {error.reason} at {position}; save it as "
            "UTF-8",
            source=name,
            place=position,
        ) from error


def answer_text(text: str, name: str) -> str:
    r"""
    String without the warnings of kubectl before the answer, if both went into one file.

    Raises DocumentError if it begins with an error of a tool, or is the output of ``kubectl
    describe``.

    Examples
    --------
    >>> answer_text("Warning: v1 Endpoints is deprecated\nkind: List\n", "saved")
    'kind: List\n'
    """
    text = text.lstrip("\ufeff")
    if warned := _WARNS.match(text):
        text = text[warned.end() :]
    if failed := _FAILS.match(text):
        raise DocumentError(
            f"{name} holds an error, and no answer: {failed[0].strip():.300}", source=name
        )
    if _DESCRIBED.match(text):
        raise DocumentError(
            f"{name} is what kubectl describe prints for people; save kubectl get -o json",
            source=name,
        )
    return text


_WARNS: Final = re.compile(r"(?:(?:Warning: |[WI][0-9]{4} [0-9:.]+ ).*(?:\n|\Z))+")
_FAILS: Final = re.compile(
    r"(?:Error from server|error: |Unable to connect to the server|\n?An error occurred \(|"
    r"\n?aws: \[ERROR\]).*"
)
_DESCRIBED: Final = re.compile(r"Name: {2,}\S.*\r?\n(?:Namespace|Roles|Labels|Priority): {2,}")


def values_in(text: str, name: str) -> list[Any]:
    r"""
    Values in a string: JSON, one per line or one after another, or YAML documents.

    Raises DocumentError if it is neither, too large, too deep, or empty.

    Examples
    --------
    >>> values_in('{"a": 1}\n{"a": 2}', "two lines")
    [{'a': 1}, {'a': 2}]
    >>> values_in("a: 1\n---\na: 2", "two documents")
    [{'a': 1}, {'a': 2}]
    """
    text = answer_text(text, name)
    if not text.strip():
        raise DocumentError(f"{name} is empty: did the command that wrote it fail?", source=name)
    if text.lstrip()[0] not in "{[":
        return list(yaml_documents(io.StringIO(), text, name))
    try:
        return json_values(text, DECODER)
    except RecursionError as error:
        raise DocumentError(f"{name} is nested too deep", source=name) from error
    except ValueError as error:
        if str(error) != NOT_NUMBERS:
            # A flow mapping of YAML also begins with a brace.
            try:
                return list(yaml_documents(io.StringIO(), text, name))
            except DocumentError:
                pass
        position = (
            f"line {error.lineno} column {error.colno}"
            if isinstance(error, json.JSONDecodeError)
            else ""
        )
        raise DocumentError(f"{name} is not JSON: {error}", source=name, place=position) from error


def json_values(text: str, decoder: json.JSONDecoder) -> list[Any]:
    r"""
    JSON values that follow one another.

    Raises json.JSONDecodeError if anything else is between them.

    Examples
    --------
    >>> json_values('[1]\n{"a": 2}', json.JSONDecoder())
    [[1], {'a': 2}]
    """
    values: list[Any] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        value, at = decoder.raw_decode(text, at)
        values.append(value)
    return values


def _no_constant(_text: str) -> NoReturn:
    raise ValueError(NOT_NUMBERS)


DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)


def item_of(kind: str, item: Any) -> Any:
    """
    Item of a list of Kubernetes with its kind, which such lists omit; other items unchanged.

    Examples
    --------
    >>> item_of("DeploymentList", {"spec": {}}), item_of("List", {"spec": {}})
    ({'spec': {}, 'kind': 'Deployment'}, {'spec': {}})
    """
    plain = kind.removesuffix("List") if kind.endswith("List") else ""
    if plain and isinstance(item, Mapping) and "kind" not in item:
        return {**item, "kind": plain}
    return item


def refuse_page(answer: Any, name: str = "", where: str = "") -> None:
    """
    Refuse an incomplete list of Kubernetes, because what is missing would look free.

    Raises DocumentError if the list is only a part.
    """
    if isinstance(answer, Mapping) and (part := only_a_part(answer)[1]):
        raise DocumentError(
            f"{f'{name}: ' if name else ''}{where or 'the list'} is {part}",
            source=name,
            place=where,
        )


def objects_in(values: list[Any]) -> list[Any]:
    """
    Single objects in values, including the items of Lists of Kubernetes and of arrays.

    Raises DocumentError if a list is only a part.

    Examples
    --------
    >>> objects_in([{"kind": "List", "items": [{"kind": "Node"}]}, [{"kind": "Pod"}]])
    [{'kind': 'Node'}, {'kind': 'Pod'}]
    """
    objects: list[Any] = []
    for value in values:
        refuse_page(value)
        items = value.get("items") if isinstance(value, Mapping) else value
        listed = isinstance(value, list) or (
            isinstance(value, Mapping) and str(value.get("kind", "List")).endswith("List")
        )
        if listed and isinstance(items, list):
            kind = "" if isinstance(value, list) else str(value.get("kind", ""))
            objects += objects_in([item_of(kind, one) for one in items])
        else:
            objects.append(value)
    return objects


def type_counts(values: list[Any]) -> dict[str, int]:
    """
    Nodes of each type, if values are mappings of instance types to counts; else empty.

    Examples
    --------
    >>> type_counts([{"m5.large": 12}, {"c5.xlarge": 3}]), type_counts([{"name": "web"}])
    ({'m5.large': 12, 'c5.xlarge': 3}, {})
    """
    by_type: dict[str, int] = {}
    for value in objects_in(values):
        counts = value if isinstance(value, Mapping) else {}
        named = all(_TYPE.fullmatch(str(name)) for name in counts)
        whole_numbers = all(type(count) is int and count >= 0 for count in counts.values())
        if not counts or not named or not whole_numbers or counts.keys() & by_type.keys():
            return {}
        by_type.update(counts)
    return by_type


_TYPE: Final = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+")

_KNOWN: Final = (
    ("Reservations", "the answer of aws ec2 describe-instances"),
    ("Subnets", "the answer of aws ec2 describe-subnets"),
    ("NetworkInterfaces", "the answer of aws ec2 describe-network-interfaces"),
    ("InstanceTypes", "the answer of aws ec2 describe-instance-types"),
    ("SpotPriceHistory", "the answer of aws ec2 describe-spot-price-history"),
    ("PriceList", "the answer of aws pricing get-products"),
    ("MetricDataResults", "the answer of aws cloudwatch get-metric-data"),
    ("Datapoints", "the answer of aws cloudwatch get-metric-statistics"),
    ("addon", "the answer of aws eks describe-addon"),
    ("cluster", "the answer of aws eks describe-cluster"),
    ("nodegroup", "the answer of aws eks describe-nodegroup"),
    ("nodegroups", "the answer of aws eks list-nodegroups"),
    ("AutoScalingGroups", "the answer of aws autoscaling describe-auto-scaling-groups"),
    ("LaunchTemplateVersions", "the answer of aws ec2 describe-launch-template-versions"),
    ("workloads", "a list of workloads"),
    ("terraform_version", "a state or plan of Terraform"),
    ("AWSTemplateFormatVersion", "a template of CloudFormation"),
)


_SPACED: Final = re.compile(r"\S(?: {2,}|\t+)\S")
"""Gap between columns of tables of kubectl and the AWS CLI: two spaces or more, or a tab."""


def refuse_title(lines: Sequence[str], separator: str, name: str) -> None:
    """
    Refuse a table that begins with a title.

    Raises InputError if the first line fills only the first column, and the next one more.
    """
    lines = [line for line in lines if line.strip()][:2]
    rows = [line.replace('"', "").split(separator) for line in lines]
    filled = [any(cell.strip() for cell in row[1:]) for row in rows]
    if filled == [False, True] and len(rows[0]) > 1:
        raise InputError(
            f"{name} begins with a title and not with the names of its columns: remove its first "
            f"line, {lines[0][:60]!r}"
        )


def separator_of(head: str) -> str:
    r"""
    Separator of the columns of a table: the most frequent one in its first line.

    Examples
    --------
    >>> separator_of("node;type"), separator_of("node\ttype"), separator_of("node|type,size|zone")
    (';', '\t', '|')
    """
    return max(",;\t|", key=head.count)


def table_text(text: str) -> str:
    r"""
    Table without the first line of Excel or PowerShell, and without frames.

    ``aws --output table``, Markdown and database shells draw such frames.

    Examples
    --------
    >>> table_text("sep=;\nnode;type\n")
    'node;type\n'
    >>> table_text("| node | type |\n|------|------|\n| a | m5.large |\n")
    'node|type\na|m5.large\n'
    """
    text = text.lstrip("\ufeff\r\n")
    if said := _FIRST.match(text):
        text = text[said.end() :]
    first = text.partition("\n")[0].strip()
    if not (_FRAME.fullmatch(first) or (first[:1] == first[-1:] == "|" and len(first) > 1)):
        return text
    lines = [line.strip().strip("|") for line in text.splitlines()]
    lines = [line for line in lines if line.strip() and not _FRAME.fullmatch(f"{line}----")]
    # If the first rule has no column separators, the AWS CLI puts the name of the call below it.
    lines = lines if {"+", "|"} & set(first) else lines[1:]
    return "".join("|".join(map(str.strip, line.split("|"))) + "\n" for line in lines)


_FIRST: Final = re.compile(r'(?:#TYPE.*\n|"?sep=.?"?[ \t]*\r?\n){1,2}')
_FRAME: Final = re.compile(r"[\s+|:=-]{4,}")


def table_columns(text: str) -> list[str]:
    r"""
    Columns in the first line of a table; empty if the string is not a table.

    Examples
    --------
    >>> table_columns("node;type\nwin-1;m5.large"), table_columns("NAME   AGE\nwin-1  3d")
    (['node', 'type'], ['NAME', 'AGE'])
    >>> table_columns("kind: Node\nmetadata: {name: a, uid: b}")
    []
    """
    if text[:8].lstrip("\ufeff\r\n")[:1] in {"-", "+", "|", "#", "s", '"'}:
        text = table_text(text[:_HEAD])
    lines = [line for line in text.lstrip("\ufeff").split("\n", 3)[:3] if line.strip()]
    if not lines or looks_like_yaml(text) or lines[0].lstrip()[0] in "{[":
        return []
    separator = separator_of(lines[0])
    # The second line must have the separator too, as one line alone shows nothing.
    if separator in lines[0] and len(lines) > 1 and separator in lines[1]:
        return [name.strip(' "\r') for name in lines[0].split(separator)]
    if len(lines) > 1 and all(_SPACED.search(line) for line in lines[:2]):
        return re.split(r"\s{2,}", lines[0].strip())
    return []


def looks_like_yaml(text: str) -> bool:
    """Whether a string begins, after comments, as YAML: with a marker, an item or a key."""
    lines = (line for line in io.StringIO(text.lstrip("\ufeff")) if line.strip())
    first = next((line for line in lines if not line.lstrip().startswith("#")), "")
    return bool(_YAML.match(first.lstrip()))


_HEAD: Final = 65_536
"""Length that contains the first rows of a framed table. [characters]"""

_YAML: Final = re.compile(r"---(?!-)|%YAML|- |[A-Za-z_][\w.\-]*:(?:\s|$)")


def what_it_is(value: Any) -> str:
    """
    Description of an unexpected value for a message.

    Examples
    --------
    >>> what_it_is({"kind": "Deployment", "metadata": {"name": "web"}})
    'a Deployment named web'
    >>> what_it_is({"Subnets": []})
    'the answer of aws ec2 describe-subnets'
    """
    if isinstance(value, Mapping):
        if value.get("kind"):
            meta = value.get("metadata")
            name = meta.get("name") if isinstance(meta, Mapping) else None
            kind = str(value["kind"])
            article = "an" if kind[:1] in "AEIOU" else "a"
            return f"{article} {kind}" + (f" named {name}" if name else "")
        if isinstance(value.get("data"), Mapping) and "result" in value["data"]:
            return "the answer of a query of Prometheus"
        known = next((words for key, words in _KNOWN if key in value), "")
        return known or f"a mapping of {', '.join(map(str, list(value)[:5])) or 'nothing'}"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    columns = table_columns(value) if isinstance(value, str) else []
    if columns:
        return f"a table of {', '.join(columns[:5])}"
    return f"the text {str(value)[:40]!r}"


def yaml_documents(stream: IO[str], head: str, name: str) -> Iterator[Any]:
    """YAML documents of a stream whose beginning, not empty, is already read as `head`."""
    import yaml

    text = head + stream.read(_open.MAX_YAML_CHARS)
    if len(text) > _open.MAX_YAML_CHARS:
        raise DocumentError(
            f"{name} holds more than {_open.MAX_YAML_CHARS:,} characters of YAML; save it as JSON "
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
            f"{name} is neither JSON nor sound YAML{where}: {problem}",
            source=name,
            place=where.strip(),
        ) from error


def _weigh(events: Iterator[Any], name: str) -> None:
    """Refuse YAML that nests too deep or whose expanded aliases have too many values."""
    import yaml

    weights: dict[str, float] = {}
    open_nodes: list[tuple[str | None, float]] = [(None, 0)]
    for event in events:
        weight: float = 0
        if isinstance(event, yaml.AliasEvent):
            # An unknown anchor is still open, so the value would contain itself.
            weight = weights.get(str(event.anchor), math.inf)
        elif isinstance(event, yaml.ScalarEvent):
            weight = 1
            if event.anchor:
                weights[event.anchor] = weight
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            if len(open_nodes) > _open.MAX_DEPTH:
                raise DocumentError(
                    f"{name} nests deeper than {_open.MAX_DEPTH} levels", source=name
                )
            open_nodes.append((event.anchor, 1))
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            anchor, weight = open_nodes.pop()
            if anchor:
                weights[anchor] = weight
        anchor, total = open_nodes[-1]
        open_nodes[-1] = (anchor, total + weight)
        if total + weight > _open.MAX_EXPANDED:
            raise DocumentError(
                f"{name} would stand for more than {_open.MAX_EXPANDED:,} values once its aliases "
                f"are followed",
                source=name,
            )
