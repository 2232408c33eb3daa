"""EC2's answers to ``data/`` and the generated tables, all of them or none."""

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
    What a refresh found and did.

    Attributes
    ----------
    diff : CatalogDiff
        What is other in the new table.
    written : tuple of Path
        The files that were replaced; none where there was no news.
    instance_types : int
        Rows of the table.
    regions : tuple of str
        Regions of the capture.
    left_out : tuple of str
        Regions that were found and offer nothing.
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
    Fetch everything, validate it, and only then replace what changed.

    The folders are ``data/`` and ``eks_win_capacity/_data/``; regions are by default all that are
    enabled for the account. Source and version say who answers; a dry run leaves all files as they
    are.

    Raises AwsError if any call fails, and no file is touched then; CatalogFileError or
    CatalogConflictError if the answers or the hand-kept files do not hold together.
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
    # Also without news of EC2: a hand-kept row may have come or gone.
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
    """Files of the capture and the package that are to be written, in this order."""
    modules = generate.generated(new)
    wanted = {package / name: content for name, content in modules.items()}
    wanted |= {data / name: new[name] for name in (generate.TYPES, generate.OFFERINGS)}
    # The manifest last: until it fits the capture, a set cut off half-way is seen as such.
    wanted[data / generate.MANIFEST] = new[generate.MANIFEST]
    return {
        path: content
        for path, content in wanted.items()
        if not path.exists() or path.read_bytes() != content
    }


def read_hand_kept(data: Path) -> dict[str, bytes]:
    """
    Read the files of ``data/`` that people keep.

    Raises InputError if the folder is not there or no such folder.
    """
    names = (generate.EXTRA, generate.WINDOWS, generate.CONTROLLER)
    if missing := [name for name in names if not (data / name).is_file()]:
        raise InputError(
            f"{data} has no {', '.join(missing)}: a refresh rewrites the data/ folder of a source "
            "checkout; clone the project and run it there, or give --data-dir"
        )
    return {name: (data / name).read_bytes() for name in names}


def _same(capture: dict[str, Any], old: dict[str, bytes]) -> bool:
    """Whether the files hold this capture, and the manifest describes it."""
    if len(old) != len(capture) + 1:
        return False
    try:
        old_capture = generate.read_capture(old)
    except CatalogFileError:
        return False  # damaged or half-replaced: rewriting it is the cure
    return all(
        generate.canonical(old_capture[name]) == generate.canonical(capture[name])
        for name in old_capture
    )


def _packed(name: str, part: Any, old: dict[str, bytes]) -> bytes:
    """Compress one answer, or keep the old file if that holds the same."""
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
    The two answers by file name, the day of them, and the regions that offer nothing.

    The limits of a type are the same wherever it is offered. So the region that offers most is
    asked for all types, and the others for what it lacks.
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
    """Make a client for each region asked for, or for all that are enabled."""
    names: Sequence[str] | None = None if regions is None else list(regions)
    if names is None:
        home = calls.client("ec2", session=session, endpoint_url=endpoint_url)
        enabled = calls.one_answer(home, "describe_regions", key="Regions")["Regions"]
        names = sorted(region["RegionName"] for region in enabled)
    return _catalog.region_clients(session, names, endpoint_url)
