"""YAML by a safe loader, weighed before anything is built of it."""

from __future__ import annotations

import math
from typing import IO, TYPE_CHECKING, Any

from eks_win_capacity.core.documents import _budgets as limits
from eks_win_capacity.core.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator


def yaml_documents(stream: IO[str], head: str, name: str) -> Iterator[Any]:
    """Documents of a text whose first characters, one or more, are `head`."""
    import yaml

    text = head + stream.read(limits.MAX_YAML_CHARS)
    if len(text) > limits.MAX_YAML_CHARS:
        raise DocumentError(
            f"{name} holds more than {limits.MAX_YAML_CHARS:,} characters of YAML; save it as JSON "
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
    """Refuse YAML that nests too deep or whose aliases would stand for too much."""
    import yaml

    weights: dict[str, float] = {}
    open_nodes: list[tuple[str | None, float]] = [(None, 0)]
    for event in events:
        weight: float = 0
        if isinstance(event, yaml.AliasEvent):
            # Unknown here means the anchor is still open: the value would hold itself.
            weight = weights.get(str(event.anchor), math.inf)
        elif isinstance(event, yaml.ScalarEvent):
            weight = 1
            if event.anchor:
                weights[event.anchor] = weight
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            if len(open_nodes) > limits.MAX_DEPTH:
                raise DocumentError(
                    f"{name} nests deeper than {limits.MAX_DEPTH} levels", source=name
                )
            open_nodes.append((event.anchor, 1))
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            anchor, weight = open_nodes.pop()
            if anchor:
                weights[anchor] = weight
        anchor, total = open_nodes[-1]
        open_nodes[-1] = (anchor, total + weight)
        if total + weight > limits.MAX_EXPANDED:
            raise DocumentError(
                f"{name} would stand for more than {limits.MAX_EXPANDED:,} values once its aliases "
                f"are followed",
                source=name,
            )
