"""Current prices of Windows nodes, as listed by AWS."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.aws.answer_files import saved
from eks_win_capacity.aws.calls import Asking, incomplete
from eks_win_capacity.aws.saved_answers import moment, shaped
from eks_win_capacity.catalog.prices import COLUMNS, Prices
from eks_win_capacity.core import arguments
from eks_win_capacity.core.errors import InputError
from eks_win_capacity.core.lazy import checked_call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PRICING_REGIONS: Final = ("us-east-1", "eu-central-1", "ap-south-1", "cn-northwest-1")
"""
Regions that serve the Price List API; each has the prices of its whole partition.

Source: AWS Billing user guide, "Finding services and products using the AWS Price List
Query API", endpoints; cn-northwest-1 serves the regions in China, in CNY.
"""

MARKETS: Final = ("on-demand", "spot")

_FILTERS: Final = {
    "operatingSystem": "Windows",
    "preInstalledSw": "NA",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "licenseModel": "No License required",
}
"""Filters: Windows with its licence and no other software, shared tenancy, no reservation."""

_SPOT_PRODUCTS: Final = ("Windows", "Windows (Amazon VPC)")


@checked_call
def load_prices(
    region: str,
    *,
    instance_types: Sequence[str] | str | None = None,
    markets: Sequence[str] | str = MARKETS,
    at: dt.datetime | None = None,
    pricing_region: str | None = None,
    files: Any = None,
    session: Any = None,
    endpoint_url: str | None = None,
    clients: Mapping[str, Any] | None = None,
) -> Prices:
    """
    Current prices of Windows nodes in a region, licence included.

    Parameters
    ----------
    region : str
        Where the nodes run.
    instance_types : str or sequence of str, optional
        Only these; all by default.
    markets : "on-demand", "spot", or a sequence of both
    at : datetime, optional
        The time of the spot price; now by default.
    pricing_region : str, optional
        Region whose Price List API is asked, as only some have one: us-east-1 by default, and
        cn-northwest-1 for the regions of China.
    files : path, str, file, mapping, or a list of these, optional
        Saved answers of GetProducts and DescribeSpotPriceHistory, read instead of asking AWS.
    session, endpoint_url, clients
        As for `load_cluster`; the clients are ``pricing`` and ``ec2``.

    Returns
    -------
    Prices
        The table, with currency, date and licence model; ``left_out`` names each
        product without a usable price and each type that a market does not offer.

    Raises
    ------
    AwsError
        If a call fails or an answer is incomplete.
    InputError
        If a market or the pricing region is unknown, or a type or a market has no price.
    UnsupportedInputError
        If the region is not a string.
    DocumentError
        If a saved answer is damaged or only a part.

    References
    ----------
    AWS Price List API reference, GetProducts; Amazon EC2 API reference,
    DescribeSpotPriceHistory.

    Examples
    --------
    >>> spot = {
    ...     "InstanceType": "m5.large",
    ...     "ProductDescription": "Windows",
    ...     "AvailabilityZone": "eu-central-1a",
    ...     "SpotPrice": "0.131",
    ...     "Timestamp": "2026-11-01T00:00:00Z",
    ... }
    >>> prices = load_prices("eu-central-1", markets="spot", files={"SpotPriceHistory": [spot]})
    >>> prices.table[["instance_type", "price", "as_of"]].to_dict("records")
    [{'instance_type': 'm5.large', 'price': 0.131, 'as_of': '2026-11-01'}]
    """
    import pandas as pd

    region = arguments.text(region, name="region")
    chosen, wanted = _markets_and_types(markets, instance_types)
    left_out: list[str] = []
    if files is not None:
        products, spots = _saved_rows(files)
    else:
        lists, market = (
            Asking(session, where, endpoint_url, clients)
            for where in (_home(region, pricing_region), region)
        )
        products = _products(lists, region, wanted) if "on-demand" in chosen else []
        spots = _spots(market, wanted, at or dt.datetime.now(dt.UTC)) if "spot" in chosen else []
    rows = _on_demand(products, region, left_out) if "on-demand" in chosen else []
    rows += _spot(spots, region, left_out) if "spot" in chosen else []
    if wanted is not None:
        rows = [row for row in rows if row["instance_type"] in wanted]
    _complete(rows, wanted, chosen, region, left_out)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    currencies = sorted(set(table["currency"]))
    if len(currencies) > 1:
        raise incomplete("GetProducts", region, "MixedCurrencies", f"it has {currencies}")
    return Prices(
        table=table,
        region=region,
        currency=currencies[0],
        as_of=str(table["as_of"].max()),
        left_out=tuple(left_out),
    )


def _markets_and_types(
    markets: Sequence[str] | str, instance_types: Sequence[str] | str | None
) -> tuple[tuple[str, ...], list[str] | None]:
    """Markets, and the distinct types; None for all types."""
    chosen = tuple([markets] if isinstance(markets, str) else markets)
    names = [instance_types] if isinstance(instance_types, str) else instance_types
    wanted = None if names is None else list(dict.fromkeys(names))
    if not chosen or not set(chosen) <= set(MARKETS):
        raise InputError(f"markets are {' and '.join(MARKETS)}; got {list(chosen)!r}")
    if wanted == []:
        raise InputError("instance_types names none; leave it out for all")
    return chosen, wanted


def _saved_rows(files: Any) -> tuple[list[Any], list[Any]]:
    """Products of the price list and spot prices, from saved answers of both."""
    calls = {"PriceList": "GetProducts", "SpotPriceHistory": "DescribeSpotPriceHistory"}
    with shaped():
        pages = list(saved(files, calls))
        products, spots = ([row for page in pages for row in page.get(key, ())] for key in calls)
    return products, spots


def _complete(
    rows: list[dict[str, Any]],
    wanted: list[str] | None,
    markets: tuple[str, ...],
    region: str,
    left_out: list[str],
) -> None:
    """Add what a market lacks to `left_out`; refuse a market, or a type, without any price."""
    priced = {row["instance_type"] for row in rows}
    for market in markets:
        known = {row["instance_type"] for row in rows if row["market"] == market}
        lacking = [name for name in wanted or () if name not in known]
        hopeless = [name for name in lacking if name not in priced]
        if hopeless or not known:
            why = "; ".join(text for text in left_out if text.split(":")[0] in hopeless)
            raise InputError(
                f"{region} lists no {market} price with Windows for "
                f"{', '.join((hopeless or lacking)[:5]) or 'any type'}: is it offered there?"
                + f" ({why})"
                * bool(why)
            )
        left_out += [f"{name}: no {market} price with Windows" for name in lacking]


def _home(region: str, given: str | None) -> str:
    """Region whose Price List API is used."""
    home = given or ("cn-northwest-1" if region.startswith("cn-") else "us-east-1")
    if home not in PRICING_REGIONS:
        raise InputError(
            f"{given} does not serve the Price List API; ask {', '.join(PRICING_REGIONS)}: each "
            "knows the prices of every region"
        )
    return home


def _products(ask: Asking, region: str, wanted: list[str] | None) -> list[Any]:
    """On-demand products of all types, or of the requested ones."""
    products: list[Any] = []
    for name in wanted or (None,):
        fields = {**_FILTERS, "regionCode": region} | ({"instanceType": name} if name else {})
        filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in fields.items()]
        products += ask.pages(
            "pricing", "get_products", "PriceList", ServiceCode="AmazonEC2", Filters=filters
        )
    return products


def _spots(ask: Asking, wanted: list[str] | None, at: dt.datetime) -> list[Any]:
    """Spot prices in effect at a time."""
    request: dict[str, Any] = {"ProductDescriptions": ["Windows"], "StartTime": at, "EndTime": at}
    request |= {"InstanceTypes": wanted} if wanted else {}
    return ask.pages("ec2", "describe_spot_price_history", "SpotPriceHistory", **request)


def _on_demand(texts: list[Any], region: str, left_out: list[str]) -> list[dict[str, Any]]:
    by_type: dict[str, dict[str, Any]] = {}
    for text in texts:
        row = _product(text, region, left_out)
        if row is None:
            continue
        earlier = by_type.setdefault(row["instance_type"], row)
        if (earlier["price"], earlier["currency"]) != (row["price"], row["currency"]):
            raise incomplete(
                "GetProducts",
                region,
                "ConflictingPrices",
                f"{row['instance_type']} has two prices, {earlier['price']} and {row['price']}",
            )
    return list(by_type.values())


def _product(text: Any, region: str, left_out: list[str]) -> dict[str, Any] | None:
    try:
        product = json.loads(text) if isinstance(text, str) else text
        attributes = product["product"]["attributes"]
        name = str(attributes["instanceType"])
        prices = [
            (float(price), str(currency), str(term.get("effectiveDate", "")))
            for term in (product["terms"].get("OnDemand") or {}).values()
            for dimension in term["priceDimensions"].values()
            if dimension.get("unit") == "Hrs"
            for currency, price in dimension["pricePerUnit"].items()
        ]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise incomplete(
            "GetProducts", region, "MissingField", f"a product without a price: {error!r:.80}"
        ) from error
    other = _other(attributes, region)
    charged = [charge for charge in prices if charge[0] > 0 and math.isfinite(charge[0])]
    if other or len(charged) != 1:
        left_out.append(f"{name}: {other or f'{len(charged)} hourly prices above zero'}")
        return None
    price, currency, since = charged[0]
    day = str(product.get("publicationDate") or since)[:10]
    return _row(name, "on-demand", price, currency, as_of=day)


def _row(
    name: str, market: str, price: float, currency: str, *, as_of: str, zone: str | None = None
) -> dict[str, Any]:
    values = (name, market, zone, price, currency, "included", as_of, False)
    return dict(zip(COLUMNS, values, strict=True))


def _other(attributes: Mapping[str, Any], region: str) -> str:
    """Description of the attribute that does not match the request; empty if all match."""
    for key, value in {**_FILTERS, "regionCode": region}.items():
        if key in attributes and str(attributes[key]).lower() != value.lower():
            return f"a product with {key} {attributes[key]}"
    return ""


def _spot(items: list[Any], region: str, left_out: list[str]) -> list[dict[str, Any]]:
    currency = "CNY" if region.startswith("cn-") else "USD"
    newest: dict[tuple[str, str], tuple[dt.datetime, dict[str, Any]]] = {}
    for item in items:
        try:
            name, zone = str(item["InstanceType"]), str(item["AvailabilityZone"])
            price, time = float(item["SpotPrice"]), moment(item["Timestamp"])
            product = str(item.get("ProductDescription") or "Windows")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise incomplete(
                "DescribeSpotPriceHistory", region, "MissingField", f"{error!r:.80}"
            ) from error
        if product not in _SPOT_PRODUCTS or not (price > 0 and math.isfinite(price)):
            left_out.append(f"{name}: a spot price of {price} for {product}")
            continue
        row = _row(name, "spot", price, currency, as_of=time.date().isoformat(), zone=zone)
        if (name, zone) not in newest or newest[name, zone][0] < time:
            newest[name, zone] = time, row
    return [newest[key][1] for key in sorted(newest)]
