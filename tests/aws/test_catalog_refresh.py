"""EC2's live answers: whole, or one clear error; and the refresh made of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from click.testing import CliRunner
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, InstanceTypeBackend

import eks_win_capacity as ewc
from eks_win_capacity.aws import calls
from eks_win_capacity.aws.refresh import refresh
from eks_win_capacity.catalog import generate
from eks_win_capacity.cli import app
from eks_win_capacity.core.errors import (
    AwsError,
    CatalogConflictError,
    InputError,
    UnknownInstanceTypeError,
    UnsupportedInputError,
)

ROOT = Path(__file__).resolve().parents[2]


def row(name="m5.large", **changes):
    return {
        "InstanceType": name,
        "CurrentGeneration": True,
        "BareMetal": False,
        "Hypervisor": "nitro",
        "SupportedUsageClasses": ["on-demand"],
        "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
        "VCpuInfo": {"DefaultVCpus": 2},
        "MemoryInfo": {"SizeInMiB": 8192},
        "NetworkInfo": {"Ipv4AddressesPerInterface": 10, "MaximumNetworkInterfaces": 3},
    } | changes


def offer(name="m5.large", region="eu-west-1"):
    return {"InstanceType": name, "LocationType": "region", "Location": region}


class Stubbed:
    """A session whose clients answer from a script, by region."""

    region_name = "eu-west-1"

    def __init__(self, **script):
        real = boto3.session.Session(aws_access_key_id="x", aws_secret_access_key="x")
        self.clients = {}
        for region, planned in script.items():
            name = region.replace("_", "-")
            client = real.client("ec2", region_name=name)
            stub = Stubber(client)
            for method, answer in planned:
                if isinstance(answer, str):
                    stub.add_client_error(method, answer, "told so")
                else:
                    stub.add_response(method, answer)
            stub.activate()
            self.clients[name] = client

    def client(self, _service, *, region_name, endpoint_url, config):
        assert config.retries["total_max_attempts"] == calls.ATTEMPTS
        assert endpoint_url is None
        return self.clients[region_name]


def types(*rows, **more):
    return ("describe_instance_types", {"InstanceTypes": list(rows), **more})


def offers(*rows):
    return ("describe_instance_type_offerings", {"InstanceTypeOfferings": list(rows)})


def test_regions_are_merged():
    session = Stubbed(
        eu_west_1=[types(row()), offers(offer())],
        us_east_1=[
            types(row(SupportedUsageClasses=["spot"]), row("c5.large")),
            offers(offer(region="us-east-1"), offer("c5.large", "us-east-1")),
        ],
    )
    catalog = ewc.aws.load_catalog(session, ["eu-west-1", "us-east-1"], as_of="2026-01-02")
    assert catalog["m5.large"].regions == ("eu-west-1", "us-east-1")
    assert catalog["m5.large"].usage_classes == ("on-demand", "spot")
    assert catalog["c5.large"].regions == ("us-east-1",)
    assert catalog.as_of == "2026-01-02"


def test_regions_that_disagree_are_reported():
    session = Stubbed(
        eu_west_1=[types(row())], us_east_1=[types(row(VCpuInfo={"DefaultVCpus": 4}))]
    )
    with pytest.raises(CatalogConflictError, match="eu-west-1, us-east-1") as caught:
        ewc.aws.load_catalog(session, ["eu-west-1", "us-east-1"], offerings=False)
    assert len(caught.value.conflicts) == 1


@pytest.mark.parametrize(
    ("calls", "code"),
    [
        ([("describe_instance_types", "RequestLimitExceeded")], "RequestLimitExceeded"),
        ([("describe_instance_types", "UnauthorizedOperation")], "UnauthorizedOperation"),
        ([("describe_instance_types", "RequestExpired")], "RequestExpired"),
        ([("describe_instance_types", "Strange")], "Strange"),
        ([("describe_instance_types", {})], "MissingField"),
        ([types(row(), NextToken="a"), types(row())], "RepeatedPage"),
        ([types(row(), NextToken="a"), types(row("b.c"), NextToken="a")], "RepeatedPage"),
        (
            [
                types(row(), NextToken="a"),
                types(row("b.c"), NextToken="b"),
                types(row("b.d"), NextToken="a"),
            ],
            "RepeatedPage",
        ),
        ([types(row(VCpuInfo={}))], "InvalidAnswer"),
        ([types()], "InvalidAnswer"),
        ([types(row()), offers()], "EmptyAnswer"),
        ([types(row()), offers(offer("b.c"))], "MissingType"),
        ([types(row()), offers(offer(), offer())], "InvalidAnswer"),
    ],
)
def test_a_fault_is_an_aws_error_and_never_a_part_of_the_answer(calls, code):
    with pytest.raises(AwsError) as caught:
        ewc.aws.load_catalog(Stubbed(eu_west_1=calls))
    assert (caught.value.code, caught.value.region) == (code, "eu-west-1")
    assert caught.value.operation in str(caught.value)


def test_a_denied_call_names_the_permission():
    session = Stubbed(eu_west_1=[("describe_instance_types", "UnauthorizedOperation")])
    with pytest.raises(AwsError, match="ec2:DescribeInstanceTypes"):
        ewc.aws.load_catalog(session)


def test_a_missing_region_or_profile_or_login_is_a_clear_error(monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(AwsError, match="no region"):
        ewc.aws.load_catalog()
    with pytest.raises(AwsError, match="aws configure"):
        ewc.aws.load_catalog(regions="eu-west-1")
    monkeypatch.setenv("AWS_PROFILE", "nope")
    with pytest.raises(AwsError, match="list-profiles"):
        ewc.aws.load_catalog(regions="eu-west-1")


def test_an_unreachable_endpoint_is_a_clear_error():
    with (
        pytest.raises(AwsError, match="check the region's name") as caught,
        calls.faults(operation="X", region="r"),
    ):
        raise EndpointConnectionError(endpoint_url="http://x")
    assert caught.value.code == "EndpointConnectionError"


def test_nothing_asked_for_is_an_error():
    for wrong in ([], "", ["a", " b"]):
        with pytest.raises(InputError):
            ewc.aws.load_catalog(Stubbed(), instance_types=wrong)
    with pytest.raises(UnsupportedInputError):
        ewc.aws.load_catalog(Stubbed(), regions=[5])


# -- against moto's server -----------------------------------------------


@pytest.fixture(scope="module")
def moto(server):
    session = boto3.session.Session(
        aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1"
    )
    return SimpleNamespace(session=session, endpoint_url=server)


def test_some_types_are_asked_for_by_name(moto):
    catalog = ewc.aws.load_catalog(
        moto.session,
        regions=["eu-west-1", "us-east-1"],
        instance_types=["m5.large", "p5.48xlarge"],
        endpoint_url=moto.endpoint_url,
    )
    assert list(catalog) == ["m5.large", "p5.48xlarge"]
    assert catalog["p5.48xlarge"].regions == ("us-east-1",)
    assert catalog.as_of != "unknown"
    with pytest.raises(UnknownInstanceTypeError, match=r"'m5\.larg'.*Did you mean 'm5\.large'"):
        ewc.aws.load_catalog(moto.session, instance_types="m5.larg", endpoint_url=moto.endpoint_url)


@pytest.fixture
def folders(tmp_path):
    data, package = tmp_path / "data", tmp_path / "eks_win_capacity" / "_data"
    shutil.copytree(ROOT / "data", data, ignore=shutil.ignore_patterns("demo"))
    shutil.copytree(
        ROOT / "eks_win_capacity" / "_data", package, ignore=shutil.ignore_patterns("__pycache__")
    )
    return SimpleNamespace(data=data, package=package)


def contents(folders):
    return {
        path: path.read_bytes()
        for folder in (folders.data, folders.package)
        for path in folder.iterdir()
    }


@pytest.fixture
def few_types(monkeypatch):
    """Let moto know a few types of the same shapes: to describe all of them takes it seconds."""
    kept = [
        one for one in InstanceTypeBackend.instance_types if one.name.startswith(("m5.", "p5."))
    ]
    monkeypatch.setattr(InstanceTypeBackend, "instance_types", kept)
    names = {one.name for one in kept}
    for regions in INSTANCE_TYPE_OFFERINGS.values():
        for region, offered in regions.items():
            few = [one for one in offered if one["InstanceType"] in names]
            monkeypatch.setitem(regions, region, few)


@pytest.mark.usefixtures("few_types")
def test_a_refresh_without_news_changes_no_byte(moto, folders):
    settings = {
        "data": folders.data,
        "package": folders.package,
        "regions": ["us-east-1"],
        "session": moto.session,
        "endpoint_url": moto.endpoint_url,
    }
    first = refresh(**settings)  # fewer types and regions than the shipped capture: news
    assert {path.name for path in first.written} >= {
        "instance_types.py",
        "limits.py",
        generate.OFFERINGS,
        generate.MANIFEST,
    }
    assert first.regions == ("us-east-1",)
    before = contents(folders)
    second = refresh(**settings)
    assert not second.written
    assert not second.diff
    assert contents(folders) == before


@pytest.mark.parametrize(
    "calls",
    [
        [offers(offer()), types(row(), NextToken="a"), ("describe_instance_types", "Throttling")],
        [offers(offer()), types(row("b.c"))],
        [offers(offer()), types(row(VCpuInfo={}))],
        [offers()],
        [("describe_instance_type_offerings", "UnauthorizedOperation")],
    ],
)
def test_a_refresh_that_fails_touches_no_file(folders, calls):
    before = contents(folders)
    with pytest.raises(ewc.CapacityError):
        refresh(
            data=folders.data,
            package=folders.package,
            session=Stubbed(eu_west_1=calls),
            regions=["eu-west-1"],
        )
    assert contents(folders) == before


def test_a_dry_run_tells_the_news_and_writes_nothing(folders):
    before = contents(folders)
    done = refresh(
        data=folders.data,
        package=folders.package,
        session=Stubbed(eu_west_1=[offers(offer()), types(row())]),
        regions=["eu-west-1"],
        dry_run=True,
    )
    assert done.diff.removed
    assert not done.written
    assert contents(folders) == before


@pytest.mark.parametrize("damage", ["missing", "truncated", "other"])
def test_a_refresh_repairs_a_half_replaced_set(folders, damage):
    regions = [("describe_regions", {"Regions": [{"RegionName": "eu-west-1"}]})]
    calls = [offers(offer()), types(row())]
    settings = {"data": folders.data, "package": folders.package}
    done = refresh(session=Stubbed(eu_west_1=regions + calls), **settings)
    assert done.instance_types == 14
    whole = contents(folders)
    path = folders.data / generate.TYPES
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9] if damage == "truncated" else b"{}")
    done = refresh(session=Stubbed(eu_west_1=calls), regions=["eu-west-1"], **settings)
    assert done.written
    assert contents(folders) == whole


# -- the command line ----------------------------------------------------


def run(*arguments):
    return CliRunner().invoke(app, ["catalog", *arguments])


def test_list_filters_and_prints_every_format(tmp_path):
    rows = json.loads(run("list", "m5*.large", "--region", "eu-west-1", "-o", "json").stdout)[
        "rows"
    ]
    assert {row["instance_type"] for row in rows} >= {"m5.large", "m5a.large"}
    assert "m5.large,10,3,2,8192" in run("list", "--family", "m5", "-o", "csv").stdout
    assert "m5.large" in run("list", "--nitro", "--max-vcpus", "2").stdout
    saved = tmp_path / "c.json"
    ewc.Catalog.bundled().filter(family="m5").save(saved)
    assert "c5.large" not in run("list", "--catalog", str(saved)).stdout
    assert isinstance(run("list", "--family", "m55").exception, InputError)
    assert isinstance(run("list", "zz*").exception, UnknownInstanceTypeError)


def test_show_gives_reasons_with_sources():
    shown = run("show", "m6a.large", "m5.large").stdout
    assert "2023-04" in shown
    assert "supported" in shown
    (row,) = json.loads(run("show", "m6a.large", "-o", "json").stdout)["rows"]
    assert row["windows_source"]


def test_diff_reads_what_the_aws_cli_printed(tmp_path):
    path = tmp_path / "now.json"
    path.write_text(json.dumps({"InstanceTypes": [row()]}))
    rows = json.loads(run("diff", str(path), "bundled", "-o", "json").stdout)["rows"]
    assert len(rows) > 1400


def test_refresh_says_what_to_do_outside_a_checkout(tmp_path):
    assert "--data-dir" in str(run("refresh", "--data-dir", str(tmp_path)).exception)
    assert run("refresh", "--from-moto", "--profile", "x").exit_code == 2


@pytest.mark.usefixtures("few_types")
def test_refresh_asks_moto_on_demand(folders):
    result = run(
        "refresh", "--from-moto", "--regions", "ca-west-1", "--data-dir", str(folders.data)
    )
    assert result.exit_code == 0, result.exception
    assert "1 regions" in result.stdout
    assert f"wrote {folders.data / 'manifest.json'}" in result.stdout


def test_without_news_the_day_and_the_source_of_the_capture_stay(folders):
    calls = [offers(offer()), types(row())]
    settings = {"data": folders.data, "package": folders.package, "regions": ["eu-west-1"]}
    refresh(session=Stubbed(eu_west_1=calls), **settings)
    before = contents(folders)
    again = refresh(session=Stubbed(eu_west_1=calls), version="another", **settings)
    assert not again.written
    assert contents(folders) == before
