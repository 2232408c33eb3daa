"""Saved answers of kubectl and of the AWS CLI, mixed, as the state of one cluster."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity import kubectl
from eks_win_capacity._documents import MAX_JSON_CHARS, members, source_name
from eks_win_capacity.aws import _answers
from eks_win_capacity.cluster import ClusterState
from eks_win_capacity.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIXES: Final = (".json", ".yaml", ".yml")
"""The files of a folder that are read."""

_KUBECTL: Final = frozenset({"apiVersion", "items", "kind", "serverVersion"})


def load_files(*sources: Any) -> ClusterState:
    """
    Read any mixture of saved answers as the state of one cluster.

    Each source is known by what it holds: objects of kubectl by ``kind`` or
    ``items``, answers of the AWS CLI by their own member (``cluster``,
    ``Subnets`` ...), and a state that `ClusterState.save` wrote by its format.

    Parameters
    ----------
    *sources : path, str, file, mapping, or a list of these
        JSON or YAML. Of a folder every ``.json``, ``.yaml`` and ``.yml`` file is
        read, in order of name; folders inside it are not.

    Returns
    -------
    ClusterState

    Raises
    ------
    DocumentError
        If a source is damaged, or of no kind that is known, or a folder holds no
        such file.
    StateConflictError
        If two sources disagree.

    Examples
    --------
    >>> state = load_files(
    ...     {"cluster": {"name": "prod", "version": "1.30", "platformVersion": "eks.5"}},
    ...     {"kind": "Node", "metadata": {"name": "win-1"}},
    ... )
    >>> state.platform_version, len(state.nodes)
    ('eks.5', 1)
    """
    sorted_: dict[str, list[Any]] = {"kubectl": [], "aws": [], "saved": [], "empty": []}
    for source in _once(_each(sources)):
        sorted_[_kind(source)].append(source)
        if hasattr(source, "seek"):
            source.seek(0)
    state = ClusterState()
    # An empty list tells nothing of its own; alone it is refused by kubectl.load.
    alone = not any(sorted_[kind] for kind in ("kubectl", "aws", "saved"))
    if from_kubectl := sorted_["kubectl"] or (sorted_["empty"] if alone else []):
        state = state.merge(kubectl.load(*from_kubectl))
    if sorted_["aws"]:
        answers = _answers.gather(*sorted_["aws"])
        state = state.merge(_answers.state(answers, saved=True))
    for source in sorted_["saved"]:
        state = state.merge(ClusterState.load(source))
    return state


class _Held(io.BytesIO):
    """What a file or pipe held; it is read twice, and a pipe gives its text once."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


def _each(sources: Any) -> Iterator[Any]:
    """Give every single source, folders opened and files read."""
    for source in sources:
        if isinstance(source, (list, tuple)):
            yield from _each(source)
        elif hasattr(source, "read"):
            name = source_name(source).strip("<>")
            data = source.read(MAX_JSON_CHARS + 1)
            yield _Held(data.encode() if isinstance(data, str) else data, name)
        elif isinstance(source, (str, os.PathLike)) and _is_folder(source):
            folder = Path(source)
            found = sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES and p.is_file())
            if not found:
                raise DocumentError(
                    f"{folder} holds no file that ends in {', '.join(SUFFIXES)}", source=str(folder)
                )
            yield from found
        else:
            yield source


def _once(sources: Iterator[Any]) -> Iterator[Any]:
    """Leave out a file that came before, such as one that also lies in a given folder."""
    seen: set[Path] = set()
    for source in sources:
        if isinstance(source, os.PathLike) or (isinstance(source, str) and _is_file(source)):
            path = Path(source).resolve()
            if path in seen:
                continue
            seen.add(path)
        yield source


def _is_folder(source: str | os.PathLike[str]) -> bool:
    return _is_path(os.fspath(source)) and Path(source).is_dir()


def _is_file(text: str) -> bool:
    return _is_path(text) and Path(text).is_file()


def _is_path(text: str) -> bool:
    """Tell a path from a text that holds the answer itself."""
    return len(text) < 4096 and "\n" not in text and "\0" not in text


def _kind(source: Any) -> str:
    name = source_name(source)
    keys: list[str] = []
    for number, key, index, value in members(source, name=name):
        if number:
            break
        if key not in keys:
            keys.append(key)
        if key in {"format", "serverVersion"} or key in _answers.KEYS:
            break
        if key == "items":
            return "empty" if index is None and value == [] and _untold(source, name) else "kubectl"
    if "format" in keys:
        return "saved"
    if _KUBECTL & set(keys):
        return "kubectl"
    if set(_answers.KEYS) & set(keys):
        return "aws"
    raise DocumentError(
        f"{name} is neither of kubectl, of the AWS CLI nor a saved state; its members: "
        f"{', '.join(keys[:5]) or 'none'}",
        source=name,
    )


def _untold(source: Any, name: str) -> bool:
    """Tell whether a list with no item does not even say of what it is."""
    if hasattr(source, "seek"):
        source.seek(0)
    kinds = [value for _, key, _, value in members(source, name=name) if key == "kind"]
    return kinds in ([], ["List"])
