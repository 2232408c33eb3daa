"""Prices of Windows nodes as AWS lists them now."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.aws._client import all_pages, client, incomplete
from eks_win_capacity.errors import InputError
from eks_win_capacity.prices import COLUMNS, Prices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PRICING_REGIONS: Final = ("us-east-1", "eu-central-1", "ap-south-1")
"""The regions that serve the Price List API; each knows the prices of all.

Source: AWS Price List API reference, endpoints.
"""

_FILTERS: Final = {
    "operatingSystem": "Windows",
    "preInstalledSw": "NA",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "licenseModel": "No License required",
}
"""Windows with its licence and nothing else, on shared hardware, not a reserved seat."""


def load_prices(
    region: str,
    *,
    instance_types: Sequence[str] | None = None,
    markets: Sequence[str] = ("on-demand", "spot"),
    at: dt.datetime | None = None,
    pricing_region: str = "us-east-1",
    session: Any = None,
    endpoint_url: str | None = None,
    clients: Mapping[str, Any] | None = None,
) -> Prices:
    """
    Ask AWS what Windows nodes cost in a region, licence included.

    Parameters
    ----------
    region : str
        Where the nodes run.
    instance_types : sequence of str, optional
        Only these; all by default. A type without a price is an error.
    markets : sequence of {"on-demand", "spot"}
    at : datetime, optional
        The moment of the spot price; now by default.
    pricing_region : str
        Where the Price List API is asked: one of us-east-1, eu-central-1, ap-south-1.
    session, endpoint_url, clients
        As for `load_cluster`; the clients are ``pricing`` and ``ec2``.

    Returns
    -------
    Prices

    Raises
    ------
    AwsError
        If a call fails or an answer is not whole.
    InputError
        If a market or the pricing region is none, or a type has no price.
    """
    import pandas as pd

    if not set(markets) <= {"on-demand", "spot"} or not markets:
        raise InputError(f"markets are on-demand and spot; got {list(markets)!r}")
    if pricing_region not in PRICING_REGIONS:
        raise InputError(
            f"{pricing_region} does not serve the Price List API; ask "
            f"{', '.join(PRICING_REGIONS)}: each knows the prices of every region"
        )
    made = dict(clients or {})
    rows: list[dict[str, Any]] = []
    left_out: list[str] = []
    if "on-demand" in markets:
        pricing = made.get("pricing") or client(
            "pricing", session=session, region=pricing_region, endpoint_url=endpoint_url
        )
        for name in instance_types or (None,):
            rows += _on_demand(pricing, region, name, left_out)
    if "spot" in markets:
        ec2 = made.get("ec2") or client(
            "ec2", session=session, region=region, endpoint_url=endpoint_url
        )
        rows += _spot(ec2, instance_types, at or dt.datetime.now(dt.UTC))
    for market in markets:
        known = {row["instance_type"] for row in rows if row["market"] == market}
        lacking = [name for name in instance_types or () if name not in known]
        if lacking or not known:
            raise InputError(
                f"{region} lists no {market} price with Windows for "
                f"{', '.join(lacking[:5]) or 'any type'}: is it offered there?"
            )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return Prices(
        table=table,
        region=region,
        currency="USD",
        as_of=str(table["as_of"].max()),
        left_out=tuple(left_out),
    )


def _on_demand(
    pricing: Any, region: str, name: str | None, left_out: list[str]
) -> list[dict[str, Any]]:
    wanted = {**_FILTERS, "regionCode": region, **({"instanceType": name} if name else {})}
    filters = [
        {"Type": "TERM_MATCH", "Field": key, "Value": value} for key, value in wanted.items()
    ]
    found: dict[str, dict[str, Any]] = {}
    for page in all_pages(
        pricing, "get_products", key="PriceList", ServiceCode="AmazonEC2", Filters=filters
    ):
        for text in page["PriceList"]:
            row = _product(text, region, left_out)
            if row is None:
                continue
            earlier = found.setdefault(row["instance_type"], row)
            if earlier["price"] != row["price"]:
                raise incomplete(
                    "GetProducts",
                    region,
                    "ConflictingPrices",
                    f"{row['instance_type']} has two prices, {earlier['price']} and {row['price']}",
                )
    return list(found.values())


def _product(text: Any, region: str, left_out: list[str]) -> dict[str, Any] | None:
    try:
        product = json.loads(text) if isinstance(text, str) else text
        name = product["product"]["attributes"]["instanceType"]
        prices = [
            (float(dimension["pricePerUnit"]["USD"]), term.get("effectiveDate", ""))
            for term in product["terms"]["OnDemand"].values()
            for dimension in term["priceDimensions"].values()
            if dimension.get("unit") == "Hrs"
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise incomplete(
            "GetProducts", region, "MissingField", f"a product without a price: {error!r}"
        ) from error
    charged = [(price, since) for price, since in prices if price > 0]
    if len(charged) != 1:
        left_out.append(f"{name}: {len(charged)} hourly prices above zero")
        return None
    price, since = charged[0]
    return {
        "instance_type": name,
        "market": "on-demand",
        "zone": None,
        "price": price,
        "currency": "USD",
        "licence": "included",
        "as_of": str(product.get("publicationDate") or since)[:10],
        "estimated": False,
    }


def _spot(ec2: Any, names: Sequence[str] | None, at: dt.datetime) -> list[dict[str, Any]]:
    request: dict[str, Any] = {"ProductDescriptions": ["Windows"], "StartTime": at, "EndTime": at}
    if names:
        request["InstanceTypes"] = list(names)
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for page in all_pages(ec2, "describe_spot_price_history", key="SpotPriceHistory", **request):
        for item in page["SpotPriceHistory"]:
            key = (item["InstanceType"], item["AvailabilityZone"])
            if key not in newest or newest[key]["Timestamp"] < item["Timestamp"]:
                newest[key] = item
    return [
        {
            "instance_type": name,
            "market": "spot",
            "zone": zone,
            "price": float(item["SpotPrice"]),
            "currency": "USD",
            "licence": "included",
            "as_of": item["Timestamp"].date().isoformat(),
            "estimated": False,
        }
        for (name, zone), item in sorted(newest.items())
    ]
