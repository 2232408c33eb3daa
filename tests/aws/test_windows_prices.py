"""What Windows nodes cost: the price list's real shapes, by botocore's stubs or saved."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest
from aws_stubs import stubbed
from botocore.stub import ANY

from eks_win_capacity import aws, estimate_windows_prices
from eks_win_capacity.core.errors import AwsError, DocumentError, InputError, UnsupportedInputError

REGION = "eu-west-1"
NOON = dt.datetime(2026, 10, 3, 12, tzinfo=dt.UTC)


def product(name, price, *, sku="4GHFAT5CNS2FEKB2", currency="USD", reserved=True, **attributes):
    """One text of GetProducts' PriceList."""
    term = f"{sku}.JRTCKXETXF"
    on_demand = {
        term: {
            "priceDimensions": {
                f"{term}.6YS6EN2CT7": {
                    "unit": "Hrs",
                    "endRange": "Inf",
                    "description": f"${price} per On Demand Windows {name} Instance Hour",
                    "appliesTo": [],
                    "rateCode": f"{term}.6YS6EN2CT7",
                    "beginRange": "0",
                    "pricePerUnit": {currency: price},
                }
            },
            "sku": sku,
            "effectiveDate": "2026-10-01T00:00:00Z",
            "offerTermCode": "JRTCKXETXF",
            "termAttributes": {},
        }
    }
    year = {
        f"{sku}.NQ3QZPMQV9": {
            "priceDimensions": {
                "x": {"unit": "Quantity", "pricePerUnit": {currency: "1408"}},
                "y": {"unit": "Hrs", "pricePerUnit": {currency: "0.1"}},
            },
            "termAttributes": {"LeaseContractLength": "1yr", "PurchaseOption": "All Upfront"},
        }
    }
    description = {
        "instanceType": name,
        "operatingSystem": "Windows",
        "preInstalledSw": "NA",
        "tenancy": "Shared",
        "capacitystatus": "Used",
        "licenseModel": "No License required",
        "regionCode": REGION,
        "location": "EU (Ireland)",
        "vcpu": "2",
        "marketoption": "OnDemand",
        **attributes,
    }
    return json.dumps(
        {
            "product": {"productFamily": "Compute Instance", "attributes": description, "sku": sku},
            "serviceCode": "AmazonEC2",
            "terms": {"OnDemand": on_demand, **({"Reserved": year} if reserved else {})},
            "version": "20261002211842",
            "publicationDate": "2026-10-02T21:18:42Z",
        }
    )


def pricing(*texts):
    answer = {"FormatVersion": "aws_v1", "PriceList": list(texts)}
    return stubbed("pricing", ("get_products", answer), region="us-east-1")


def on_demand(*texts, **how):
    return aws.load_prices(REGION, markets="on-demand", clients={"pricing": pricing(*texts)}, **how)


# -- on demand -------------------------------------------------------------------


def test_the_filters_ask_for_windows_with_its_licence_alone():
    fields = {
        "operatingSystem": "Windows",
        "preInstalledSw": "NA",
        "tenancy": "Shared",
        "capacitystatus": "Used",
        "licenseModel": "No License required",
        "regionCode": REGION,
        "instanceType": "m5.large",
    }
    asked = {
        "ServiceCode": "AmazonEC2",
        "Filters": [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in fields.items()],
    }
    answer = {"PriceList": [product("m5.large", "0.1990000000")]}
    client = stubbed("pricing", ("get_products", answer, asked))
    prices = aws.load_prices(
        REGION, instance_types="m5.large", markets="on-demand", clients={"pricing": client}
    )
    assert prices.series().to_dict() == {"m5.large": 0.199}
    assert (prices.currency, prices.licence, prices.as_of) == ("USD", "included", "2026-10-02")
    assert prices.region == REGION
    assert not prices.table["estimated"].any()


@pytest.mark.parametrize(
    "attributes",
    [
        {"capacitystatus": "UnusedCapacityReservation"},
        {"capacitystatus": "AllocatedCapacityReservation"},
        {"tenancy": "Dedicated"},
        {"preInstalledSw": "SQL Std"},
        {"licenseModel": "Bring your own license"},
        {"operatingSystem": "Linux"},
        {"regionCode": "us-east-1"},
    ],
)
def test_another_product_of_the_type_is_named_and_not_taken(attributes):
    prices = on_demand(product("m5.large", "0.5", **attributes), product("m5.large", "0.199"))
    assert prices.series().to_dict() == {"m5.large": 0.199}
    assert next(iter(attributes)) in prices.left_out[0]


def test_a_free_or_termless_product_is_named_and_not_taken():
    termless = json.loads(product("c5.large", "1"))
    termless["terms"] = {}
    prices = on_demand(
        product("m5.large", "0.199"), product("r5.large", "0.0000000000"), json.dumps(termless)
    )
    assert list(prices.series().index) == ["m5.large"]
    assert [text.split(":")[0] for text in prices.left_out] == ["r5.large", "c5.large"]
    with pytest.raises(InputError, match=r"r5\.large"):
        on_demand(product("r5.large", "0"), instance_types=["r5.large"])


def test_two_prices_of_one_type_are_refused():
    with pytest.raises(AwsError, match="two prices"):
        on_demand(product("m5.large", "0.199"), product("m5.large", "0.2", sku="B"))


@pytest.mark.parametrize("text", ["{", "[]", '{"product": 5}', "[" * 9000, '{"product": {}}'])
def test_a_damaged_product_is_refused(text):
    with pytest.raises(AwsError, match="no whole answer"):
        on_demand(product("m5.large", "0.199"), text)


def test_prices_in_china_are_in_its_currency():
    text = product("m5.large", "1.5", currency="CNY", regionCode="cn-north-1")
    client = stubbed("pricing", ("get_products", {"PriceList": [text]}), region="cn-northwest-1")
    prices = aws.load_prices("cn-north-1", markets=["on-demand"], clients={"pricing": client})
    assert prices.currency == "CNY"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDeniedException", "action pricing:GetProducts"),
        ("ExpiredTokenException", "log in again"),
        ("ThrottlingException", "4 times"),
    ],
)
def test_a_page_that_fails_in_the_middle_gives_no_prices(code, message):
    first = {"PriceList": [product("m5.large", "0.199")], "NextToken": "2"}
    client = stubbed("pricing", ("get_products", first), ("get_products", code))
    with pytest.raises(AwsError, match=message):
        aws.load_prices(REGION, markets=["on-demand"], clients={"pricing": client})


@pytest.mark.parametrize(
    "wrong",
    [
        {"markets": []},
        {"markets": ["reserved"]},
        {"instance_types": []},
        {"pricing_region": "eu-west-1"},
    ],
)
def test_a_wrong_argument_is_refused(wrong):
    with pytest.raises(InputError):
        aws.load_prices(REGION, **wrong)


@pytest.mark.parametrize("region", [None, 5, ["eu-west-1"]])
def test_a_region_is_a_string(region):
    with pytest.raises(UnsupportedInputError, match="region must be a string"):
        aws.load_prices(region)


# -- spot --------------------------------------------------------------------------


def spot(name, zone, price, *, hours=0, product_="Windows", text=False):
    time = NOON - dt.timedelta(hours=hours)
    return {
        "InstanceType": name,
        "AvailabilityZone": f"{REGION}{zone}",
        "SpotPrice": price,
        "ProductDescription": product_,
        "Timestamp": time.isoformat() if text else time,
    }


def spots(*items, **how):
    asked = {"ProductDescriptions": ["Windows"], "StartTime": NOON, "EndTime": NOON}
    asked |= {"InstanceTypes": ANY} if "instance_types" in how else {}
    client = stubbed(
        "ec2", ("describe_spot_price_history", {"SpotPriceHistory": list(items)}, asked)
    )
    return aws.load_prices(REGION, markets="spot", at=NOON, clients={"ec2": client}, **how)


def test_the_newest_spot_price_of_each_zone_counts():
    prices = spots(
        spot("m5.large", "a", "0.15", hours=5),
        spot("m5.large", "a", "0.13", hours=1),
        spot("m5.large", "b", "0.12", hours=2),
        spot("m5.large", "b", "0.99", product_="Linux/UNIX"),
    )
    assert prices.table[["zone", "price"]].to_numpy().tolist() == [
        ["eu-west-1a", 0.13],
        ["eu-west-1b", 0.12],
    ]
    assert prices.series("spot").to_dict() == {"m5.large": 0.12}
    assert "Linux/UNIX" in prices.left_out[0]


def test_a_type_without_spot_keeps_its_price_on_demand():
    client = stubbed(
        "ec2",
        ("describe_spot_price_history", {"SpotPriceHistory": [spot("m5.large", "a", "0.12")]}),
    )
    texts = [{"PriceList": [product(n, p)]} for n, p in (("m5.large", "0.199"), ("u-1.metal", "9"))]
    clients = {"ec2": client, "pricing": stubbed("pricing", *(("get_products", t) for t in texts))}
    prices = aws.load_prices(REGION, instance_types=["m5.large", "u-1.metal"], clients=clients)
    assert set(prices.series()) == {0.199, 9.0}
    assert prices.left_out == ("u-1.metal: no spot price with Windows",)


@pytest.mark.parametrize("items", [[], [spot("m5.large", "a", "free")], [{"InstanceType": "x"}]])
def test_spot_without_a_usable_price_is_an_error(items):
    with pytest.raises((InputError, AwsError)):
        spots(*items)


# -- saved -------------------------------------------------------------------------


def test_saved_answers_give_the_same_prices(tmp_path):
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"PriceList": [product("m5.large", "0.199")]}))
    history = {"SpotPriceHistory": [spot("m5.large", "a", "0.12", text=True)]}
    prices = aws.load_prices(REGION, files=[path, history])
    assert prices.series().to_dict() == {"m5.large": 0.199}
    assert prices.series("spot").to_dict() == {"m5.large": 0.12}
    assert prices.as_of == "2026-10-03"
    for wrong in ({"Subnets": []}, {"PriceList": [], "NextToken": "x"}):
        with pytest.raises(DocumentError):
            aws.load_prices(REGION, files=wrong)


# -- estimates ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "linux", "windows"),
    # Amazon EC2 on-demand pricing, US East (N. Virginia); t3.medium as in EU (Ireland).
    [
        ("m5.large", 0.096, 0.188),
        ("c5.4xlarge", 0.68, 1.416),
        ("m5.metal", 4.608, 9.024),
        ("t2.micro", 0.0116, 0.0162),
        ("t3.medium", 0.0456, 0.064),
        ("t3.xlarge", 0.1664, 0.24),
        ("t3a.xlarge", 0.1504, 0.224),
    ],
)
def test_an_estimate_is_the_price_that_aws_lists(name, linux, windows):
    prices = estimate_windows_prices({name: linux})
    assert prices.series()[name] == pytest.approx(windows, abs=1e-6)
    assert prices.table["estimated"].all()


def test_a_t_type_of_unknown_rate_is_not_guessed():
    with pytest.raises(InputError, match=r"t1\.micro is not known"):
        estimate_windows_prices({"t1.micro": 0.02})
    given = estimate_windows_prices({"t1.micro": 0.02, "m5.large": 0.096}, licences={"t1.micro": 0})
    assert given.series()["t1.micro"] == pytest.approx(0.02)


def test_types_that_cannot_run_windows_are_named():
    prices = estimate_windows_prices(pd.Series({"m6g.large": 0.077, "m5.large": np.float32(0.096)}))
    assert list(prices.series().index) == ["m5.large"]
    assert "m6g.large" in prices.left_out[0]
    with pytest.raises(InputError, match="m6g"):
        estimate_windows_prices({"m6g.large": 0.077})
    for wrong in ("0.1", True, None, 0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="above zero"):
            estimate_windows_prices({"m5.large": wrong})
