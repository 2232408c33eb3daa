"""Which rows are in EC2's answers, as the AWS CLI or boto3 returns them."""

from __future__ import annotations

from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.catalog._instance_type import PATHS, PER_REGION, FieldError, InstanceType
from eks_win_capacity.core.errors import CatalogConflictError, CatalogFileError, only_a_part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

TYPES_KEY: Final = "InstanceTypes"
OFFERINGS_KEY: Final = "InstanceTypeOfferings"


def _wrong(source: str, where: str, what: str) -> CatalogFileError:
    """Error in an answer, with its place."""
    return CatalogFileError(f"{source}: {where}{what}", source=source, place=where)


def pages_of(document: Any, *, key: str, source: str) -> list[Mapping[str, Any]]:
    """
    Pages of an answer, checked to be complete.

    Raises CatalogFileError if it is not an answer with rows under the key, or pages are missing or
    repeated.
    """
    if isinstance(document, (str, bytes)) or not hasattr(document, "__iter__"):
        raise _shape_error(document, key=key, source=source, where="")
    single = hasattr(document, "keys")
    pages = [document] if single else list(document)
    if not pages:
        raise CatalogFileError(f"{source} holds no page of {key}", source=source)
    tokens: set[str] = set()
    for number, page in enumerate(pages):
        where = "" if single else f"[{number}]"
        if not hasattr(page, "keys") or not isinstance(page.get(key), (list, tuple)):
            raise _shape_error(page, key=key, source=source, where=where)
        token = page.get("NextToken")
        if token and token in tokens:
            raise CatalogFileError(
                f"{source}: the page at {where} repeats the NextToken of an earlier one, "
                "so pages came twice",
                source=source,
                place=f"{where}.NextToken",
            )
        tokens.add(token)
    token, part = only_a_part(pages[-1])
    if part:
        where = token if single else f"[{len(pages) - 1}].{token}"
        raise CatalogFileError(f"{source} is {part}", source=source, place=where)
    return pages


def _shape_error(value: Any, *, key: str, source: str, where: str) -> CatalogFileError:
    at = f" at {where}" if where else ""
    if hasattr(value, "keys"):
        if key in value:
            seen = f"{key} is {_kind(value[key])}"
        else:
            seen = f"an object with {', '.join(list(value)[:5]) or 'no member'}"
        if "InstanceType" in value:
            seen += "; this is a row, and --query or jq may have cut the answer"
    else:
        seen = _kind(value)
    return CatalogFileError(
        f'{source}{at} is not an answer with a list "{key}": {seen}', source=source, place=where
    )


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    if value is None:
        return "null"
    return kinds.get(type(value), "a number" if isinstance(value, (int, float)) else str(value))


def rows_of(
    pages: Sequence[Mapping[str, Any]], *, key: str, source: str
) -> Iterator[tuple[str, Any]]:
    """Rows of pages, with their places."""
    for number, page in enumerate(pages):
        before = f"[{number}]." if len(pages) > 1 else ""
        for position, row in enumerate(page[key]):
            where = f"{before}{key}[{position}]"
            if not hasattr(row, "keys"):
                raise _wrong(source, where, f" must be an object; got {_kind(row)}")
            yield where, row


def _dig(row: Mapping[str, Any], path: tuple[str, ...], *, source: str, where: str) -> Any:
    """Value at a path in a row; CatalogFileError if a member is missing."""
    value: Any = row
    for depth, step in enumerate(path):
        if not hasattr(value, "keys") or step not in value:
            at = ".".join((where, *path[: depth + 1]))
            name = row.get("InstanceType")
            named = f" ({name})" if isinstance(name, str) and path != ("InstanceType",) else ""
            raise _wrong(source, at, f"{named} is missing")
        value = value[step]
    return value


def instance_type(
    row: Mapping[str, Any], *, source: str, where: str, regions: Iterable[str] = ()
) -> InstanceType:
    """
    Instance type from one row of DescribeInstanceTypes.

    Raises CatalogFileError, with the field, if one is missing or invalid.
    """
    fields: dict[str, Any] = {}
    for field, path in PATHS.items():
        if field == "hypervisor" and row.get("BareMetal") is True:
            fields[field] = row.get("Hypervisor") or None
            continue
        fields[field] = _dig(row, path, source=source, where=where)
    interfaces = _default_card(row, source=source, where=where)
    if interfaces is not None:
        fields["network_interfaces"] = interfaces
    try:
        return InstanceType(**fields, regions=tuple(regions))
    except FieldError as error:
        at = ".".join((where, *PATHS[error.field]))
        named = "" if error.field == "name" else f" ({fields['name']})"
        what = f"{named} must be {error.must}; got {error.value!r}"
        raise _wrong(source, at, what) from error


def _default_card(row: Mapping[str, Any], *, source: str, where: str) -> Any:
    """
    Interfaces of the default network card; None if the answer has no cards.

    For a type with several cards, MaximumNetworkInterfaces is the total of all cards; Windows
    nodes only use the default card.
    """
    network = row["NetworkInfo"]
    cards = network.get("NetworkCards")
    if cards is None:  # answers from before EC2 had cards
        return None
    wanted = network.get("DefaultNetworkCardIndex", 0)
    at = f"{where}.NetworkInfo.NetworkCards"
    if isinstance(cards, (list, tuple)):
        for card in cards:
            if hasattr(card, "keys") and card.get("NetworkCardIndex") == wanted:
                return _dig(card, ("MaximumNetworkInterfaces",), source=source, where=at)
    named = row.get("InstanceType")
    raise _wrong(source, at, f" ({named}) has no card with the default index {wanted!r}")


def regions_of(document: Any, *, source: str) -> dict[str, list[str]]:
    """
    Regions that offer each type, from an answer to DescribeInstanceTypeOfferings.

    Raises CatalogFileError if it is another answer, incomplete, or lists zones.
    """
    regions: dict[str, list[str]] = {}
    pages = pages_of(document, key=OFFERINGS_KEY, source=source)
    for where, row in rows_of(pages, key=OFFERINGS_KEY, source=source):
        name, location, kind = (
            _dig(row, (member,), source=source, where=where)
            for member in ("InstanceType", "Location", "LocationType")
        )
        if kind != "region" or not isinstance(name, str) or not isinstance(location, str):
            raise _wrong(
                source,
                where,
                f" must offer a type in a region; got {name!r} in {kind!r} {location!r}. Ask with "
                "--location-type region",
            )
        offered = regions.setdefault(name, [])
        if location in offered:
            what = f" offers {name} in {location} a second time; a page may have come twice"
            raise _wrong(source, where, what)
        offered.append(location)
    return regions


def instance_types(
    document: Any, *, source: str, regions: Mapping[str, Sequence[str]] | None = None
) -> dict[str, InstanceType]:
    """
    Instance types by name, from an answer to DescribeInstanceTypes.

    Raises
    ------
    CatalogFileError
        If it is another answer, incomplete, without rows, or with a row that is damaged or
        repeated. EC2 never repeats a row, so a repeated one means that a page was saved twice,
        and another one may be missing.
    CatalogConflictError
        If two rows about one type disagree.
    """
    by_type: dict[str, InstanceType] = {}
    places: dict[str, str] = {}
    pages = pages_of(document, key=TYPES_KEY, source=source)
    for where, raw in rows_of(pages, key=TYPES_KEY, source=source):
        offered = (regions or {}).get(str(raw.get("InstanceType")), ())
        row = instance_type(raw, source=source, where=where, regions=offered)
        earlier = by_type.setdefault(row.name, row)
        if earlier is row:
            places[row.name] = where
            continue
        if differing := conflicts(earlier, row):
            raise CatalogConflictError(
                f"{source}: {where} disagrees with {places[row.name]} about {'; '.join(differing)}",
                conflicts=differing,
            )
        raise _wrong(
            source,
            where,
            f" repeats {row.name} of {places[row.name]}; a page may have come twice, and another "
            "one be missing",
        )
    if not by_type:
        raise CatalogFileError(f"{source} holds no instance types", source=source, place=TYPES_KEY)
    return by_type


def joined(first: InstanceType, second: InstanceType) -> InstanceType:
    """First of two rows of one type, with the values that the second adds for another region."""
    words: dict[str, Any] = {
        name: (*getattr(first, name), *getattr(second, name)) for name in PER_REGION
    }
    return replace(first, **words)


def conflicts(first: InstanceType, second: InstanceType) -> list[str]:
    """Fields in which two rows of one type differ, with both values."""
    return [
        f"{first.name} {field}: {getattr(first, field)!r}, {getattr(second, field)!r}"
        for field in PATHS
        if getattr(first, field) != getattr(second, field)
    ]


def day_of(document: Any) -> str | None:
    """
    Date of an answer by the server's clock; None if unknown.

    boto3 keeps the Date header of each page; the latest one counts.
    """
    days = []
    for page in [document] if hasattr(document, "keys") else document:
        headers = page.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        if "date" in headers:
            days.append(parsedate_to_datetime(headers["date"]).date().isoformat())
    return max(days, default=None)
