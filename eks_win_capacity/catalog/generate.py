"""How are the modules in ``_data/`` generated from ``data/``, always with the same bytes."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.catalog._catalog import UNKNOWN_DATE, Catalog
from eks_win_capacity.catalog._instance_type import sets_of, to_text
from eks_win_capacity.catalog.responses import instance_type, instance_types, regions_of
from eks_win_capacity.catalog.saved import parse_json
from eks_win_capacity.core.errors import CatalogFileError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from eks_win_capacity.catalog._instance_type import InstanceType

TYPES: Final = "describe_instance_types.json.gz"
OFFERINGS: Final = "describe_instance_type_offerings.json.gz"
MANIFEST: Final = "manifest.json"
EXTRA: Final = "extra_instance_types.json"
WINDOWS: Final = "windows_support.json"
CONTROLLER: Final = "controller_types.txt"

_HEAD: Final = (
    '"""Generated from ``data/`` by ``eks-win-capacity catalog refresh``; do not edit."""\n'
)


def canonical(document: Any) -> bytes:
    """
    Document as JSON in the canonical form that is hashed and compared.

    Compressors differ between builds of Python, so two captures are equal if these bytes are
    equal, even if their files differ.
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def digest(content: bytes) -> str:
    """SHA-256 of canonical JSON."""
    return hashlib.sha256(content).hexdigest()


def manifest(
    capture: Mapping[str, Any], extra: bytes, *, source: str, version: str, date: str
) -> bytes:
    """Manifest of a capture: source, date by the server's clock, numbers of rows, and digests."""
    regions = sorted({row["Location"] for row in capture[OFFERINGS]["InstanceTypeOfferings"]})
    captured = len(capture[TYPES]["InstanceTypes"])
    described = {
        "source": source,
        "source_version": version,
        "captured": date,
        "instance_types": captured,
        "instance_type_offerings": len(capture[OFFERINGS]["InstanceTypeOfferings"]),
        "table_rows": len(_rows(capture, extra)),
        "regions": regions,
        "sha256_of": "the uncompressed content",
        "sha256": {name: digest(canonical(capture[name])) for name in sorted(capture)},
    }
    return (json.dumps(described, indent=2) + "\n").encode()


def read_capture(contents: Mapping[str, bytes]) -> dict[str, Any]:
    """
    The two answers of a capture, checked against its manifest.

    Raises CatalogFileError if one is damaged, or the manifest is that of another capture.
    """
    capture = {name: parse_json(contents[name], name) for name in (OFFERINGS, TYPES)}
    manifest = parse_json(contents[MANIFEST], MANIFEST).get("sha256", {})
    for name, document in capture.items():
        if manifest.get(name) != digest(canonical(document)):
            raise CatalogFileError(
                f"{MANIFEST} describes another {name}: run `catalog refresh` again",
                source=MANIFEST,
                place=f"sha256.{name}",
            )
    return capture


def generated(contents: Mapping[str, bytes]) -> dict[str, bytes]:
    """
    Generated modules by name, from the files of ``data/``.

    Raises CatalogFileError or CatalogConflictError if a file is damaged, or the files do not
    match.
    """
    capture = read_capture(contents)
    manifest = parse_json(contents[MANIFEST], MANIFEST)
    rows = _rows(capture, contents[EXTRA])
    dated = _HEAD + f'AS_OF = "{manifest["captured"]}"\n'
    dated += f'SOURCE = "{manifest["source"]} {manifest["source_version"]}"\n'
    return {
        "instance_types.py": (dated + _full_table(rows, manifest["regions"])).encode(),
        "limits.py": (dated + _limits(rows)).encode(),
        "windows.py": _windows(contents).encode(),
    }


def _rows(capture: Mapping[str, Any], extra: bytes) -> list[InstanceType]:
    """Rows of the table, sorted: those of the capture, and manually maintained ones it lacks."""
    regions = regions_of(capture[OFFERINGS], source=OFFERINGS)
    rows = instance_types(capture[TYPES], source=TYPES, regions=regions)
    if unknown := sorted(regions.keys() - rows.keys()):
        raise CatalogFileError(
            f"{OFFERINGS} offers types that {TYPES} lacks: {', '.join(unknown[:5])}",
            source=OFFERINGS,
        )
    for position, kept in enumerate(parse_json(extra, EXTRA)["types"]):
        row = instance_type(kept["row"], source=EXTRA, where=f"types[{position}].row")
        rows.setdefault(row.name, row)
    return [rows[name] for name in sorted(rows)]


def _full_table(rows: list[InstanceType], regions: list[str]) -> str:
    sets = sets_of(rows)
    numbered = "".join(f"    {_literal(texts)},\n" for texts in sets)
    return (
        f"REGIONS = {_literal(regions)}\n"
        f"SETS = (\n{numbered})\n"
        f'ROWS = """{to_text(rows, regions, sets)}"""\n'
    )


def _limits(rows: list[InstanceType]) -> str:
    lines = "".join(f"\n{row.name} {row.ipv4_per_interface} {row.nitro:d}" for row in rows)
    return f'ROWS = """{lines}\n"""\n'


def _windows(contents: Mapping[str, bytes]) -> str:
    """Module of the Windows facts; every rule has every key, empty if unused."""
    verdicts = parse_json(contents[WINDOWS], WINDOWS)
    blank: dict[str, Any] = {
        "architectures": [], "families": [], "types": [], "except": [], "absent_from": "",
    }  # fmt: skip
    rules = json.dumps([blank | rule for rule in verdicts["rules"]], indent=4, ensure_ascii=False)
    types = "\n".join(contents[CONTROLLER].decode().splitlines()).strip()
    return (
        f"{_HEAD}from __future__ import annotations\n\n"
        "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from typing import Any\n\n"
        f"SUPPORTED_SOURCE = {json.dumps(verdicts['supported']['source'])}\n"
        f'RULES: list[dict[str, Any]] = {rules}\nCONTROLLER_TYPES = """{types}"""\n'
    )


def _literal(texts: list[str] | tuple[str, ...]) -> str:
    return f"({' '.join(json.dumps(text) + ',' for text in texts)})"


def read_folder(folder: Path) -> dict[str, bytes]:
    """Contents of the files of ``data/`` that the table is generated from, by name."""
    names = (TYPES, OFFERINGS, MANIFEST, EXTRA, WINDOWS, CONTROLLER)
    return {name: (folder / name).read_bytes() for name in names}


def catalog_of(contents: Mapping[str, bytes]) -> Catalog:
    """Catalog of the files of ``data/``; empty if they are missing or damaged."""
    if MANIFEST not in contents:
        return Catalog([], as_of=UNKNOWN_DATE, source="no capture")
    try:
        capture = read_capture(contents)
    except (CatalogFileError, KeyError):
        return Catalog([], as_of=UNKNOWN_DATE, source="a damaged capture")
    manifest = parse_json(contents[MANIFEST], MANIFEST)
    return Catalog(
        _rows(capture, contents[EXTRA]),
        as_of=manifest["captured"],
        source=f"{manifest['source']} {manifest['source_version']}",
        regions=manifest["regions"],
    )
