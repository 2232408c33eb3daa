"""Refresh of ``data/`` and the generated tables from EC2's answers, as a whole or not at all."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eks_win_capacity.aws import _catalog, calls
from eks_win_capacity.catalog import CatalogDiff, generate, responses, saved
from eks_win_capacity.core.errors import CatalogFileError, InputError
from eks_win_capacity.core.replacing import replace_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Refreshed:
    """
    Result of a refresh.

    Attributes
    ----------
    diff : CatalogDiff
        What changed in the table.
    written : tuple of Path
        The files that were replaced; empty if nothing changed.
    instance_types : int
        Rows of the table.
    regions : tuple of str
        Regions of the capture.
    left_out : tuple of str
        Regions that were found and offer no types.
    """

    diff: CatalogDiff
    written: tuple[Path, ...]
    instance_types: int
    regions: tuple[str, ...]
    left_out: tuple[str, ...]


def refresh(
    *,
    data: Path,
    package: Path,
    session: Any = None,
    regions: Iterable[str] | None = None,
    endpoint_url: str | None = None,
    source: str = "EC2 API",
    version: str = "2016-11-15",
    dry_run: bool = False,
) -> Refreshed:
    """
    Summary of a refresh, which fetches and validates everything before it replaces files.

    The folders are ``data/`` and ``eks_win_capacity/_data/``; by default all regions that are
    enabled for the account are fetched. Source and version describe the service that answered; a
    dry run changes no file.

    Raises AwsError if any call fails, before any file is changed; CatalogFileError or
    CatalogConflictError if the answers or the hand-kept files are inconsistent.
    """
    kept = read_hand_kept(data)
    capture, day, left_out = fetched(session, regions, endpoint_url)
    old = {
        name: (data / name).read_bytes()
        for name in (generate.TYPES, generate.OFFERINGS, generate.MANIFEST)
        if (data / name).exists()
    }
    new = dict(kept)
    if _same(capture, old):
        new |= old
        manifest = saved.parse_json(old[generate.MANIFEST], generate.MANIFEST)
        day, source, version = manifest["captured"], manifest["source"], manifest["source_version"]
    else:
        new |= {name: _packed(name, part, old) for name, part in capture.items()}
    # Rewritten even if EC2's answer is unchanged, as hand-kept rows may have changed.
    new[generate.MANIFEST] = generate.manifest(
        capture, kept[generate.EXTRA], source=source, version=version, date=day
    )
    changed = _changed(data, package, new)
    after = generate.catalog_of(new)
    if not dry_run:
        replace_files(changed)
    return Refreshed(
        diff=generate.catalog_of(kept | old).diff(after),
        written=() if dry_run else tuple(changed),
        instance_types=len(after),
        regions=after.regions,
        left_out=left_out,
    )


def _changed(data: Path, package: Path, new: Mapping[str, bytes]) -> dict[Path, bytes]:
    """Changed files of the capture and the package, in the order in which to write them."""
    modules = generate.generated(new)
    wanted = {package / name: content for name, content in modules.items()}
    wanted |= {data / name: new[name] for name in (generate.TYPES, generate.OFFERINGS)}
    # The manifest last: until it matches the capture, an interrupted write is detected.
    wanted[data / generate.MANIFEST] = new[generate.MANIFEST]
    return {
        path: content
        for path, content in wanted.items()
        if not path.exists() or path.read_bytes() != content
    }


def read_hand_kept(data: Path) -> dict[str, bytes]:
    """
    Contents of the hand-kept files of ``data/``.

    Raises InputError if the folder is missing or lacks one of them.
    """
    names = (generate.EXTRA, generate.WINDOWS, generate.CONTROLLER)
    if missing := [name for name in names if not (data / name).is_file()]:
        raise InputError(
            f"{data} has no {', '.join(missing)}: a refresh rewrites the data/ folder of a source "
            "checkout; clone the project and run it there, or give --data-dir"
        )
    return {name: (data / name).read_bytes() for name in names}


def _same(capture: dict[str, Any], old: dict[str, bytes]) -> bool:
    """Whether the files contain this capture, and the manifest describes it."""
    if len(old) != len(capture) + 1:
        return False
    try:
        old_capture = generate.read_capture(old)
    except CatalogFileError:
        return False  # damaged or half-replaced files are rewritten
    return all(
        generate.canonical(old_capture[name]) == generate.canonical(capture[name])
        for name in old_capture
    )


def _packed(name: str, part: Any, old: dict[str, bytes]) -> bytes:
    """One answer, compressed; the old file if its content is the same."""
    content = generate.canonical(part)
    if name in old:
        with contextlib.suppress(CatalogFileError):
            if generate.canonical(saved.parse_json(old[name], name)) == content:
                return old[name]
    return saved.gzipped(content)


def fetched(
    session: Any, regions: Iterable[str] | None, endpoint_url: str | None
) -> tuple[dict[str, Any], str, tuple[str, ...]]:
    """
    The two answers by file name, their date, and the regions without types.

    A type has the same limits in every region. So all types are requested from the region that
    offers the most, and from the others only the types that are still missing.
    """
    clients = _clients(session, regions, endpoint_url)
    offering = {region: _catalog.offering_pages(client) for region, client in clients.items()}
    offered = {
        region: list(responses.regions_of(pages, source=f"offerings of {region}"))
        for region, pages in offering.items()
    }
    left_out = tuple(region for region in clients if not offered[region])
    if left_out and (regions is not None or len(left_out) == len(clients)):
        raise calls.incomplete(
            "DescribeInstanceTypeOfferings", left_out[0], "EmptyAnswer", "it lists no type"
        )
    rows: dict[str, Any] = {}
    days: list[str] = []
    for region in sorted(clients, key=lambda name: (-len(offered[name]), name)):
        lacking = [name for name in offered[region] if name not in rows]
        if not lacking:
            continue
        pages = _catalog.describe(clients[region], lacking if rows else None)
        described = responses.instance_types(pages, source=f"DescribeInstanceTypes in {region}")
        if missing := [name for name in lacking if name not in described]:
            raise calls.incomplete(
                "DescribeInstanceTypes", region, "MissingType", f"it lacks {missing[0]}"
            )
        days += [day for page in pages if (day := responses.day_of(page))]
        rows |= {row["InstanceType"]: row for page in pages for row in page[responses.TYPES_KEY]}
    listed = [
        row
        for pages in offering.values()
        for page in pages
        for row in page[responses.OFFERINGS_KEY]
    ]
    listed.sort(key=lambda row: (row["Location"], row["InstanceType"]))
    capture = {
        generate.TYPES: {responses.TYPES_KEY: [rows[name] for name in sorted(rows)]},
        generate.OFFERINGS: {responses.OFFERINGS_KEY: listed},
    }
    return capture, max(days, default="unknown"), left_out


def _clients(
    session: Any, regions: Iterable[str] | None, endpoint_url: str | None
) -> dict[str, Any]:
    """A client for each requested region, or for all that are enabled."""
    names: Sequence[str] | None = None if regions is None else list(regions)
    if names is None:
        home = calls.client("ec2", session=session, endpoint_url=endpoint_url)
        enabled = calls.one_answer(home, "describe_regions", key="Regions")["Regions"]
        names = sorted(region["RegionName"] for region in enabled)
    return _catalog.region_clients(session, names, endpoint_url)
