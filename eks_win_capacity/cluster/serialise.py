"""Frozen records as plain mappings for JSON, and back without loss."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from eks_win_capacity.core.errors import DocumentError, without_accounts


def written(value: Any) -> Any:
    """A record, or tuples and mappings of them, as JSON has it; defaults are left out."""
    if dataclasses.is_dataclass(value):
        return {
            name: written(held)
            for name, default in _defaults(value.__class__)
            if (held := getattr(value, name)) != default
        }
    if isinstance(value, tuple):
        return [written(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


@cache
def _defaults(record: Any) -> tuple[tuple[str, Any], ...]:
    # A field without a default equals nothing, so it is always written.
    return tuple(
        (
            field.name,
            field.default if field.default_factory is dataclasses.MISSING else {},
        )
        for field in dataclasses.fields(record)
    )


def read(value: Any, kind: Any, place: str) -> Any:
    """
    What `written` wrote as the kind that a field has.

    Parameters
    ----------
    value : object
        From JSON.
    kind : type
        A record, a text, a number, a tuple or mapping, or a union of these.
    place : str
        What an error calls the value.

    Raises
    ------
    DocumentError
        If the value is of another kind.
    """
    origin = get_origin(kind)
    if origin in {Union, UnionType}:
        if value is None and NoneType in get_args(kind):
            return None
        return read(value, next(k for k in get_args(kind) if k is not NoneType), place)
    if dataclasses.is_dataclass(kind):
        return _record(value, kind, place)
    if origin is tuple:
        return _tuple(value, get_args(kind), place)
    if origin is Literal:
        fits = value in get_args(kind)
    elif kind is Any:
        fits = True
    else:
        # A truth value is a number in Python, and no count.
        fits = isinstance(value, origin or kind) and (kind is bool or not isinstance(value, bool))
    if not fits:
        raise damaged(place, f"it cannot be {value!r:.60}")
    if isinstance(value, Mapping) and get_args(kind):
        return {str(key): read(v, get_args(kind)[1], f"{place}.{key}") for key, v in value.items()}
    return value


def _record(value: Any, record: Any, place: str) -> Any:
    if not isinstance(value, Mapping):
        raise damaged(place, f"it cannot be {value!r:.60}")
    hints = _hints(record)
    if unknown := [name for name in value if name not in hints]:
        raise damaged(f"{place}.{unknown[0]}", "no such field")
    try:
        return record(**{k: read(v, hints[k], f"{place}.{k}") for k, v in value.items()})
    except TypeError as error:
        raise damaged(place, str(error)) from error


@cache
def _hints(record: Any) -> dict[str, Any]:
    # A record imports Mapping for its checker alone.
    return get_type_hints(record, {**vars(sys.modules[record.__module__]), "Mapping": Mapping})


def _tuple(value: Any, kinds: tuple[Any, ...], place: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise damaged(place, f"it cannot be {value!r:.60}")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise damaged(place, f"it has {len(value)} members instead of {len(kinds)}")
    pairs = zip(value, kinds, strict=True)
    return tuple(read(item, kind, f"{place}[{i}]") for i, (item, kind) in enumerate(pairs))


def damaged(place: str, why: str) -> DocumentError:
    """Make the error for a saved state that is not as it was written."""
    return DocumentError(
        f"the saved cluster state is damaged at {place}: {without_accounts(why)}",
        source="the mapping",
        place=place,
    )
