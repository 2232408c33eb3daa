"""A Catalog from EC2's answers about its instance types."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from eks_win_capacity.aws import calls
from eks_win_capacity.catalog import Catalog, InstanceType, responses
from eks_win_capacity.core.errors import (
    CatalogConflictError,
    CatalogFileError,
    InputError,
    UnknownInstanceTypeError,
    UnsupportedInputError,
)
from eks_win_capacity.core.lazy import checked_call

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Mapping, Sequence


@checked_call
def load_catalog(
    session: Any = None,
    regions: str | Iterable[str] | None = None,
    instance_types: str | Iterable[str] | None = None,
    *,
    offerings: bool = True,
    as_of: str | dt.date | None = None,
    endpoint_url: str | None = None,
) -> Catalog:
    """
    Catalog of EC2's instance types: the complete answer, or an error.

    Nothing is taken from the bundled table. A type that several regions describe is one row.
    The regions must agree on it, except for its usage classes, of which the row has those of
    all regions.

    Parameters
    ----------
    session : boto3.Session, optional
        Whose credentials to use; boto3's default otherwise.
    regions : str or iterable of str, optional
        Where to ask; the session's region by default.
    instance_types : str or iterable of str, optional
        Only these types; all by default.
    offerings : bool
        Whether to ask which regions offer each type. Without it, the regions of the types are
        unknown, and ``ec2:DescribeInstanceTypeOfferings`` need not be allowed.
    as_of : str or date, optional
        The date of the answer; by default that of its Date header.
    endpoint_url : str, optional
        Where to ask instead of AWS, such as a test server.

    Raises
    ------
    AwsError
        If credentials or a region are missing, a call fails after botocore's
        retries, or an answer is incomplete; the error has operation, code and
        region.
    CatalogConflictError
        If two regions disagree about a type.
    UnknownInstanceTypeError
        If a requested type exists in none of the regions.

    References
    ----------
    Amazon EC2 API reference, DescribeInstanceTypes and DescribeInstanceTypeOfferings.

    Examples
    --------
    Under moto, so that it needs no account:

    >>> from moto import mock_aws
    >>> with mock_aws():
    ...     catalog = load_catalog(regions="eu-central-1", instance_types=["m5.large"])
    >>> catalog["m5.large"].ipv4_per_interface
    10
    """
    wanted = _texts(instance_types, "instance_types")
    clients = region_clients(session, regions, endpoint_url)
    described: dict[str, dict[str, InstanceType]] = {}
    offered: dict[str, list[str]] = {}
    days: list[str] = []
    for region, client in clients.items():
        pages = describe(client, wanted)
        days += [day for page in pages if (day := responses.day_of(page))]
        described[region] = _rows(pages, region, wanted)
        for name in offered_in(client, wanted) if offerings else ():
            if name not in described[region]:
                raise calls.incomplete(
                    "DescribeInstanceTypes",
                    region,
                    "MissingType",
                    f"it lacks {name}, on offer there",
                )
            offered.setdefault(name, []).append(region)
    rows = merged(described)
    dated: str | dt.date = as_of or max(days, default="unknown")
    if unknown := [name for name in wanted or () if name not in rows]:
        raise _unknown(unknown, clients, dated)
    where = f" at {endpoint_url}" if endpoint_url else ""
    return Catalog(
        [replace(row, regions=tuple(offered.get(row.name, ()))) for row in rows.values()],
        as_of=dated,
        source=f"EC2 DescribeInstanceTypes in {', '.join(clients)}{where}",
        regions=clients if offerings else (),
    )


def _unknown(
    names: list[str], regions: Iterable[str], as_of: str | dt.date
) -> UnknownInstanceTypeError:
    close = Catalog.bundled().close_matches(names[0])
    return UnknownInstanceTypeError(
        f"EC2 has no type {', '.join(map(repr, names))} in {', '.join(regions)}"
        + f". Did you mean {' or '.join(map(repr, close))}?" * bool(close),
        names=names,
        count=len(names),
        close_matches=close,
        as_of=str(as_of),
    )


def _texts(value: str | Iterable[str] | None, name: str) -> list[str] | None:
    """List of one or more strings; an empty one is refused, as it would request everything."""
    if value is None:
        return None
    texts = [value] if isinstance(value, str) else list(dict.fromkeys(value))
    if not all(isinstance(text, str) for text in texts):
        raise UnsupportedInputError(f"{name} must be strings; got {texts!r}")
    if not texts or not all(text.strip() == text != "" for text in texts):
        raise InputError(f"{name} must be one string or more, none empty; got {texts!r}")
    return texts


def region_clients(
    session: Any, regions: str | Iterable[str] | None, endpoint_url: str | None
) -> dict[str, Any]:
    """An EC2 client for each region, or for the session's own."""
    names: Sequence[str | None] = _texts(regions, "regions") or [None]
    clients = [
        calls.client("ec2", session=session, region=name, endpoint_url=endpoint_url)
        for name in names
    ]
    return {client.meta.region_name: client for client in clients}


def _filters(wanted: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    """
    Request parameters for some types, or for all.

    A filter is used instead of ``InstanceTypes``, which fails completely in a region that lacks one
    of the types.
    """
    if wanted is None:
        yield {}
        return
    for start in range(0, len(wanted), calls.FILTER_VALUES):
        values = list(wanted[start : start + calls.FILTER_VALUES])
        yield {"Filters": [{"Name": "instance-type", "Values": values}]}


def _pages(client: Any, wanted: Sequence[str] | None, *call: str, **more: str) -> list[Any]:
    """Pages of a call, given by method and key, about some types or all."""
    method, key = call
    requests = (request | more for request in _filters(wanted))
    return [page for one in requests for page in calls.all_pages(client, method, key=key, **one)]


def describe(client: Any, wanted: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Pages of one region's descriptions of all types, or some."""
    return _pages(client, wanted, "describe_instance_types", responses.TYPES_KEY)


def offering_pages(client: Any, wanted: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Pages of the types that one region offers, of all or of some."""
    method, key = "describe_instance_type_offerings", responses.OFFERINGS_KEY
    return _pages(client, wanted, method, key, LocationType="region")


def offered_in(client: Any, wanted: Sequence[str] | None = None) -> list[str]:
    """
    Names of the types that one region offers.

    Raises AwsError if the answer is incomplete, or empty although all types were requested: every
    region of AWS has types.
    """
    operation, region = "DescribeInstanceTypeOfferings", client.meta.region_name
    pages = offering_pages(client, wanted)
    with _whole(operation, region):
        names = list(responses.regions_of(pages, source=operation))
    if not names and wanted is None:
        raise calls.incomplete(operation, region, "EmptyAnswer", "it lists no type")
    return names


def _rows(
    pages: list[dict[str, Any]], region: str, wanted: Sequence[str] | None
) -> dict[str, InstanceType]:
    """Rows of one region's answer; empty if it has none of the requested types."""
    if wanted is not None and not any(page[responses.TYPES_KEY] for page in pages):
        return {}
    with _whole("DescribeInstanceTypes", region):
        return responses.instance_types(pages, source="DescribeInstanceTypes")


@contextmanager
def _whole(operation: str, region: str) -> Iterator[None]:
    """Report a damaged row as an AwsError, like any other fault of AWS."""
    try:
        yield
    except CatalogFileError as error:
        raise calls.incomplete(operation, region, "InvalidAnswer", str(error)) from error


def merged(described: Mapping[str, Mapping[str, InstanceType]]) -> dict[str, InstanceType]:
    """
    Rows of several regions as one table, by name.

    The usage classes of a type differ by region; the row has those of all regions.

    Raises CatalogConflictError if two regions disagree about anything else.
    """
    rows: dict[str, InstanceType] = {}
    first: dict[str, str] = {}
    conflicts: list[str] = []
    for region, answer in described.items():
        for name, row in answer.items():
            if name not in rows:
                rows[name], first[name] = row, region
                continue
            rows[name] = responses.joined(rows[name], row)
            conflicts += [
                f"{conflict} ({first[name]}, {region})"
                for conflict in responses.conflicts(rows[name], responses.joined(row, rows[name]))
            ]
    if conflicts:
        raise CatalogConflictError(
            f"{', '.join(described)} disagree in {len(conflicts)} facts: "
            f"{'; '.join(conflicts[:5])}. Load one region at a time to see each answer",
            conflicts=conflicts,
        )
    return rows
