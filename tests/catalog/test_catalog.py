"""The instance table: its rows, its verdicts, and what a catalog does with them."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import gzip
import io
import json
import pickle
from pathlib import Path

import pytest
from ec2_rows import ec2_row
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity.catalog import (
    Catalog,
    InstanceType,
    Reason,
    WindowsVerdict,
    generate,
    saved,
)
from eks_win_capacity.core.errors import (
    CatalogConflictError,
    CatalogFileError,
    InputError,
    UnknownInstanceTypeError,
    UnsupportedInputError,
)

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = Catalog.bundled()
FIELDS = tuple(field.name for field in dataclasses.fields(InstanceType))


def answer(*rows, **more):
    return {"InstanceTypes": list(rows) or [ec2_row()], **more}


# -- the shipped table ---------------------------------------------------


def test_regenerating_gives_the_shipped_modules_byte_for_byte():
    for name, content in generate.generated(generate.read_folder(ROOT / "data")).items():
        assert (ROOT / "eks_win_capacity" / "_data" / name).read_bytes() == content


def test_the_generated_table_says_what_the_data_say():
    assert generate.catalog_of(generate.read_folder(ROOT / "data")) == BUNDLED


def test_every_row_is_whole():
    assert len(BUNDLED) >= 1408
    assert list(BUNDLED) == sorted(BUNDLED)
    for row in BUNDLED.values():
        assert 2 <= row.ipv4_per_interface <= 64
        assert row.network_interfaces >= 1
        assert row.nitro == (row.bare_metal or row.hypervisor == "nitro")
        assert (row.hypervisor is None) == row.bare_metal
        assert row.architectures
        assert row.usage_classes
        assert row.windows.source
    assert sum(not row.regions for row in BUNDLED.values()) == 13


def test_the_bundled_limits_agree_with_the_cold_path():
    from eks_win_capacity.catalog.limits import bundled_limit

    limits = BUNDLED.limits
    assert limits is BUNDLED.limits
    for name, addresses, nitro in zip(
        limits.names, limits.ipv4_per_interface, limits.nitro, strict=True
    ):
        assert bundled_limit(name) == (addresses, nitro)


@pytest.mark.parametrize(
    ("name", "interfaces", "addresses", "hypervisor", "vcpus", "gib"),
    [
        # EKS user guide and the VPC resource controller's limits.go of 2026-03-20.
        ("m5.large", 3, 10, "nitro", 2, 8),
        ("c5.large", 3, 10, "nitro", 2, 4),
        ("t3.xlarge", 4, 15, "nitro", 4, 16),
        ("p5.48xlarge", 2, 50, "nitro", 192, 2048),
        # The types that the newest capture lacks.
        ("g4ad.xlarge", 2, 4, "nitro", 4, 16),
        ("g4ad.2xlarge", 2, 4, "nitro", 8, 32),
        ("g4ad.4xlarge", 3, 10, "nitro", 16, 64),
        ("g4ad.8xlarge", 4, 15, "nitro", 32, 128),
        ("g4ad.16xlarge", 8, 30, "nitro", 64, 256),
        ("dl1.24xlarge", 15, 50, "nitro", 96, 768),
        ("f1.2xlarge", 4, 15, "xen", 8, 122),
        ("f1.4xlarge", 8, 30, "xen", 16, 244),
        ("f1.16xlarge", 8, 50, "xen", 64, 976),
        ("p3.2xlarge", 4, 15, "xen", 8, 61),
        ("p3.8xlarge", 8, 30, "xen", 32, 244),
        ("p3.16xlarge", 8, 30, "xen", 64, 488),
        ("i3.metal", 15, 50, None, 72, 512),
    ],
)
def test_known_types_have_their_known_limits(name, interfaces, addresses, hypervisor, vcpus, gib):  # noqa: PLR0917
    row = BUNDLED[name]
    assert (row.network_interfaces, row.ipv4_per_interface) == (interfaces, addresses)
    assert (row.hypervisor, row.vcpus, row.memory_mib) == (hypervisor, vcpus, gib * 1024)


@pytest.mark.parametrize(
    ("name", "status", "codes"),
    [
        ("m5.large", "supported", ()),
        ("t3.medium", "supported", ()),
        ("p5en.48xlarge", "unsupported", ("no-windows-price",)),
        ("inf1.xlarge", "warned", ("windows-price-disputed",)),
        ("t2.micro", "warned", ("little-memory",)),
        ("m7g.large", "unsupported", ("arm64",)),
        ("c9g.large", "unsupported", ("arm64", "unknown-to-controller")),
        ("mac1.metal", "unsupported", ("mac",)),
        ("mac2.metal", "unsupported", ("mac",)),
        ("f1.4xlarge", "unsupported", ("reported-not-launching",)),
        ("f1.2xlarge", "supported", ()),
        ("f1.16xlarge", "warned", ("limited-addresses",)),
        ("i3.16xlarge", "warned", ("limited-addresses",)),
        ("i3.8xlarge", "supported", ()),
        ("p5.48xlarge", "unsupported", ("reported-not-launching",)),
        ("p5.4xlarge", "warned", ("windows-not-verified",)),
        ("trn1.2xlarge", "unsupported", ("reported-not-launching",)),
        ("trn1n.32xlarge", "unsupported", ("reported-not-launching",)),
        ("trn2.48xlarge", "unsupported", ("no-windows-price", "unknown-to-controller")),
        ("m4.large", "warned", ("once-listed-unsupported",)),
        ("m4.16xlarge", "supported", ()),
        ("m6a.large", "warned", ("once-listed-unsupported",)),
        ("r3.large", "warned", ("once-listed-unsupported",)),
        ("r4.large", "supported", ()),
        ("c8i.large", "supported", ()),
        ("c8ib.large", "warned", ("unknown-to-controller",)),
        ("t8i.small", "warned", ("unknown-to-controller",)),
    ],
)
def test_the_verdict_names_every_reason(name, status, codes):
    windows = BUNDLED[name].windows
    assert (windows.status, windows.codes) == (status, codes)
    assert all(code and why and date and source for code, why, date, source in windows.reasons)


def test_a_new_type_is_unknown_to_the_controller_and_needs_amd64():
    rows = answer(
        ec2_row("zz9.large"),
        ec2_row("zz9.old", ProcessorInfo={"SupportedArchitectures": ["i386"]}),
    )
    catalog = Catalog.from_describe_instance_types(rows)
    assert catalog["zz9.large"].windows.codes == ("unknown-to-controller",)
    assert catalog["zz9.old"].windows.codes == ("not-amd64", "unknown-to-controller")
    assert str(catalog["zz9.large"].windows) == "warned (unknown-to-controller)"


def test_the_controllers_table_has_its_number_of_types():
    from eks_win_capacity.catalog._instance_type import controller_types

    assert len(controller_types()) == 1164  # limits.go of 2026-03-20
    assert controller_types() <= set(BUNDLED)


# -- a catalog -----------------------------------------------------------


def test_an_unknown_name_raises_with_close_matches_and_the_date():
    with pytest.raises(UnknownInstanceTypeError) as caught:
        BUNDLED["m5.larg"]
    assert caught.value.close_matches[0] == "m5.large"
    assert BUNDLED.as_of in str(caught.value)
    assert BUNDLED.close_matches(" M5.Large") == ("m5.large",)
    with pytest.raises(KeyError, match="newer"):
        BUNDLED["zzzzz"]
    with pytest.raises(KeyError, match="not int"):
        BUNDLED[5]
    error = BUNDLED.unknown_error(["a", "b"], positions=[3, 7], count=9)
    assert "positions 3, 7 (9 in all)" in str(error)


def test_the_mapping_contract_holds():
    assert BUNDLED.get("nope") is None
    assert BUNDLED.get(5, 1) == 1
    assert 5 not in BUNDLED
    assert [] not in BUNDLED
    assert "m5.large" in BUNDLED


def test_a_catalog_cannot_be_changed():
    with pytest.raises(AttributeError, match="cannot be changed"):
        BUNDLED.as_of = "x"
    with pytest.raises(AttributeError, match="cannot be changed"):
        del BUNDLED._rows
    with pytest.raises(AttributeError):
        BUNDLED["m5.large"].vcpus = 3


def test_equal_catalogs_are_one_after_pickling_copying_and_saving(tmp_path):
    part = BUNDLED.filter(family=("m5", "c9g", "f1"))
    for path in (tmp_path / "c.json", tmp_path / "c.json.gz"):
        part.save(path)
        part.save(path)
        assert Catalog.load(path) == part
    for other in (pickle.loads(pickle.dumps(part)), copy.copy(part), copy.deepcopy(part)):
        assert other == part
        assert hash(other) == hash(part) == hash(part)
    assert part != BUNDLED
    assert part != dict(part)


def test_a_catalog_shows_itself_shortly():
    assert repr(BUNDLED).startswith("<Catalog: 1,408 instance types of ")
    assert len(BUNDLED._repr_html_()) < 6000


def test_the_frame_has_every_field():
    frame = BUNDLED.to_pandas()
    assert frame.index.name == "instance_type"
    assert frame.loc["m5.large", "ipv4_per_interface"] == 10
    assert frame["memory_mib"].dtype == "int64"
    assert frame.attrs == {"as_of": BUNDLED.as_of, "source": BUNDLED.source}
    empty = BUNDLED.filter(lambda _: False).to_pandas()
    assert list(empty.columns) == list(frame.columns)
    assert empty["vcpus"].dtype == "int64"


CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "family": st.sampled_from(["m5", "c5", "zz"]),
        "names": st.sampled_from(["m5.*", "*.large"]),
        "region": st.sampled_from(BUNDLED.regions),
        "architecture": st.sampled_from(["x86_64", "arm64"]),
        "hypervisor": st.sampled_from(["nitro", "xen"]),
        "usage_class": st.sampled_from(["spot", "capacity-block"]),
        "windows": st.sampled_from(["supported", "warned", "unsupported"]),
        "nitro": st.booleans(),
        "bare_metal": st.booleans(),
        "current_generation": st.booleans(),
        "min_vcpus": st.integers(0, 64),
        "max_memory_mib": st.integers(0, 10**6),
    },
)


@pytest.mark.parametrize(
    "name", ["vcpus", "memory_mib", "ipv4_per_interface", "network_interfaces"]
)
def test_a_count_alone_means_exactly_that_many(name):
    value = getattr(BUNDLED["m5.xlarge"], name)
    both = BUNDLED.filter(**{f"min_{name}": value, f"max_{name}": value})
    assert BUNDLED.filter(**{name: value}) == both
    assert "m5.xlarge" in both
    with pytest.raises(InputError, match=f"^{name} must be a number"):
        BUNDLED.filter(**{name: "4"})


def test_a_condition_that_does_not_exist_names_close_ones():
    with pytest.raises(InputError, match="no condition is called vcpu: did you mean vcpus"):
        BUNDLED.filter(vcpu=4)
    with pytest.raises(InputError, match="called price; there are architecture, bare_metal"):
        BUNDLED.filter(price=4)


@settings(max_examples=25, deadline=None)
@given(CONDITIONS, CONDITIONS)
def test_filtering_twice_is_filtering_by_both(first, second):
    both = BUNDLED.filter(**first).filter(**second)
    assert both == BUNDLED.filter(**second).filter(**first)
    assert set(both) == set(BUNDLED.filter(**first)) & set(BUNDLED.filter(**second))


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": "mars-1"}, {"architecture": "amd64"}, {"hypervisor": "kvm"}, {"windows": "yes"},
        {"usage_class": "free"}, {"nitro": "false"}, {"min_vcpus": True},
        {"max_vcpus": float("nan")}, {"min_memory_mib": "1"},
    ],
)  # fmt: skip
def test_a_condition_that_nobody_knows_is_an_error(wrong):
    with pytest.raises(InputError):
        BUNDLED.filter(**wrong)


def test_conditions_of_a_wrong_kind_are_refused():
    with pytest.raises(UnsupportedInputError):
        BUNDLED.filter(family=[5])


def test_windows_keeps_what_can_run_windows():
    statuses = {row.windows.status for row in BUNDLED.windows().values()}
    assert statuses == {"supported", "warned"}


def test_a_diff_names_what_changed():
    before = Catalog.from_describe_instance_types(answer(ec2_row(), ec2_row("c5.large")))
    after = Catalog.from_describe_instance_types(
        answer(ec2_row(VCpuInfo={"DefaultVCpus": 4}), ec2_row("t3.large"))
    )
    diff = before.diff(after)
    assert diff
    assert not before.diff(before)
    assert (diff.added, diff.removed) == (("t3.large",), ("c5.large",))
    assert diff.changed["m5.large"] == (("vcpus", 2, 4),)
    assert len(diff.to_pandas()) == 3
    assert "not compared" in str(before.diff(BUNDLED))


def test_rows_that_come_twice_are_refused():
    row = BUNDLED["m5.large"]
    with pytest.raises(CatalogConflictError, match="twice"):
        Catalog([row, copy.copy(row)], as_of="unknown", source="x")
    with pytest.raises(UnsupportedInputError):
        Catalog(["m5.large"], as_of="unknown", source="x")


@pytest.mark.parametrize("day", [dt.date(2026, 1, 2), dt.datetime(2026, 1, 2, 3), "2026-01-02"])  # noqa: DTZ001
def test_a_date_is_a_day(day):
    assert Catalog([], as_of=day, source="x").as_of == "2026-01-02"


@pytest.mark.parametrize("day", ["yesterday", "20260102", 5, ""])
def test_anything_else_is_no_date(day):
    with pytest.raises(InputError, match="as_of"):
        Catalog([], as_of=day, source="x")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "m5"}, {"name": 5}, {"name": "m5.la rge"}, {"vcpus": True}, {"vcpus": 0},
        {"ipv4_per_interface": "10"}, {"architectures": ()}, {"architectures": "x86_64"},
        {"usage_classes": (1,)}, {"bare_metal": 1}, {"hypervisor": "kvm"}, {"hypervisor": None},
        {"windows": "yes"},
    ],
)  # fmt: skip
def test_a_row_with_an_impossible_value_is_refused(wrong):
    good = {field: getattr(BUNDLED["m5.large"], field) for field in FIELDS}
    with pytest.raises(InputError):
        InstanceType(**good | wrong)
    assert InstanceType(**good).size == "large"


def test_a_verdict_holds_together():
    with pytest.raises(InputError):
        WindowsVerdict("perhaps", (), "x")
    with pytest.raises(InputError):
        WindowsVerdict("supported", (Reason("a", "b", "c", "d"),), "x")
    with pytest.raises(InputError):
        WindowsVerdict("warned", (), "x")


# -- EC2's own answers ---------------------------------------------------


def test_an_answer_is_read_from_every_kind_of_source(tmp_path):
    text = json.dumps(answer())
    path = tmp_path / "a.json"
    expected = dict(Catalog.from_describe_instance_types(answer()))
    for content in (
        text.encode(), text.encode("utf-8-sig"), text.encode("utf-16"), text.encode("utf-32"),
        gzip.compress(text.encode()),
    ):  # fmt: skip
        path.write_bytes(content)
        catalog = Catalog.from_describe_instance_types(path)
        assert dict(catalog) == expected
        assert catalog.source == str(path)
        assert catalog.as_of == "unknown"
    for source in (str(path), io.StringIO(text), io.BytesIO(text.encode()), [answer()]):
        assert dict(Catalog.from_describe_instance_types(source)) == expected


def test_pages_of_boto3_tell_their_day():
    headers = {"HTTPHeaders": {"date": "Mon, 23 Nov 2026 09:38:05 GMT"}}
    pages = [
        answer(NextToken="a", ResponseMetadata=headers),
        answer(ec2_row("c5.large"), ResponseMetadata=headers),
    ]
    catalog = Catalog.from_describe_instance_types(iter(pages), source_name="here")
    assert (catalog.as_of, catalog.source, len(catalog)) == ("2026-11-23", "here", 2)


def test_offerings_give_the_regions():
    offer = {"InstanceType": "m5.large", "LocationType": "region", "Location": "eu-west-1"}
    catalog = Catalog.from_describe_instance_types(
        answer(), offerings={"InstanceTypeOfferings": [offer]}
    )
    assert catalog["m5.large"].regions == catalog.regions == ("eu-west-1",)
    for wrong in ([offer, offer], [offer | {"LocationType": "availability-zone"}]):
        with pytest.raises(CatalogFileError):
            Catalog.from_describe_instance_types(
                answer(), offerings={"InstanceTypeOfferings": wrong}
            )


def test_the_default_card_counts_and_not_all_cards():
    cards = [
        {"NetworkCardIndex": 0, "MaximumNetworkInterfaces": 2},
        {"NetworkCardIndex": 1, "MaximumNetworkInterfaces": 5},
    ]
    network = ec2_row()["NetworkInfo"] | {"NetworkCards": cards, "DefaultNetworkCardIndex": 1}
    catalog = Catalog.from_describe_instance_types(answer(ec2_row(NetworkInfo=network)))
    assert catalog["m5.large"].network_interfaces == 5
    for bad in ([], "x", [{"NetworkCardIndex": 7}], ["x"]):
        with pytest.raises(CatalogFileError, match="NetworkCards"):
            Catalog.from_describe_instance_types(
                answer(ec2_row(NetworkInfo=network | {"NetworkCards": bad}))
            )


def test_bare_metal_needs_no_hypervisor():
    row = ec2_row("i3.metal", BareMetal=True)
    del row["Hypervisor"]
    assert Catalog.from_describe_instance_types(answer(row))["i3.metal"].nitro


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ([], ""), ({}, ""), ({"Instances": []}, ""), ({"InstanceTypes": {}}, ""),
        ({"InstanceTypes": None}, ""), (ec2_row(), ""), ([5], "[0]"), ([ec2_row()], "[0]"),
        ({"InstanceTypes": []}, "InstanceTypes"), ({"InstanceTypes": ["x"]}, "InstanceTypes[0]"),
        (answer(NextToken="more"), "NextToken"),
        ([answer(NextToken="a"), answer(ec2_row("b.a"), NextToken="a")], "[1].NextToken"),
        ([answer(), answer(ec2_row("b.a"), NextToken="b")], "[1].NextToken"),
        (answer(ec2_row(), ec2_row()), "InstanceTypes[1]"),
        (answer(ec2_row(VCpuInfo={})), "InstanceTypes[0].VCpuInfo.DefaultVCpus"),
        (answer(ec2_row(VCpuInfo={"DefaultVCpus": True})), "InstanceTypes[0].VCpuInfo.DefaultVCpus"),
        (answer(ec2_row(VCpuInfo={"DefaultVCpus": -1})), "InstanceTypes[0].VCpuInfo.DefaultVCpus"),
        (answer(ec2_row(MemoryInfo=5)), "InstanceTypes[0].MemoryInfo.SizeInMiB"),
        (answer({}), "InstanceTypes[0].InstanceType"),
        (answer(ec2_row(5)), "InstanceTypes[0].InstanceType"),
        (answer(ec2_row(Hypervisor=None)), "InstanceTypes[0].Hypervisor"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_an_error_with_its_place(document, where):
    with pytest.raises(CatalogFileError) as caught:
        Catalog.from_describe_instance_types(document)
    assert caught.value.place == where


def test_rows_that_disagree_are_a_conflict():
    with pytest.raises(CatalogConflictError, match="vcpus"):
        Catalog.from_describe_instance_types(
            answer(ec2_row(), ec2_row(VCpuInfo={"DefaultVCpus": 4}))
        )


@pytest.mark.parametrize("source", [5, b"{}", None])
def test_a_source_of_another_kind_is_refused(source):
    with pytest.raises(UnsupportedInputError):
        Catalog.from_describe_instance_types(source)
    with pytest.raises(UnsupportedInputError):
        saved.read_json(source)


GOOD = json.dumps(answer(), indent=1).encode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"), (b"  \n", "is empty"), (GOOD[:-40], "cut short"),
        (b'{"InstanceTypes": [x]}', "line 1 column 20"), (b'{"InstanceTypes": "x', "cut short"),
        (b'{"a": NaN}', "NaN"), (b'{"a": 1, "a": 2}', "twice"), (b"\xff\x00\x41", "byte|valid"),
        (b"\x80abc", "byte 0"), (gzip.compress(GOOD, mtime=0)[:-9], "gzip"), (b"\x1f\x8bxx", "gzip"),
        (b"[" * 100_000, "deeply|cut short"), (b"[" + b"1" * 5000 + b"]", "valid JSON"),
    ],
    ids=[
        "empty", "blank", "cut-short", "bare-word", "open-text", "nan", "duplicate-key", "wrong-bytes",
        "wrong-first-byte", "gzip-cut-short", "gzip-damaged", "too-deep", "too-many-digits",
    ],
)  # fmt: skip
def test_a_damaged_file_is_an_error_naming_file_and_place(tmp_path, content, says):
    path = tmp_path / "saved.json"
    path.write_bytes(content)
    for load in (Catalog.from_describe_instance_types, Catalog.load):
        with pytest.raises(CatalogFileError, match=says) as caught:
            load(path)
        assert caught.value.source == str(path)
        assert "saved.json" in str(caught.value)


def _edited(change):
    buffer = json.loads(json.dumps(SAVED))
    change(buffer)
    return buffer


def _saved():
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        BUNDLED.filter(names="m6a.large").save(path)
        return json.loads(path.read_text())


SAVED = _saved()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda d: d.update(format="x"), "format"),
        (lambda d: d.update(version=2), "version"),
        (lambda d: d.update(instance_types={}), "instance_types"),
        (lambda d: d.pop("source"), "source"),
        (lambda d: d.update(as_of="x"), ""),
        (lambda d: d["instance_types"][0].pop("vcpus"), "instance_types[0].vcpus"),
        (lambda d: d["instance_types"][0].update(vcpus=-1), "instance_types[0].vcpus"),
        (
            lambda d: d["instance_types"][0]["windows"].update(status="x"),
            "instance_types[0].windows",
        ),
        (
            lambda d: d["instance_types"][0]["windows"]["reasons"][0].pop("why"),
            "instance_types[0].windows.reasons[0].why",
        ),
    ],
)
def test_a_damaged_saved_catalog_is_an_error_with_its_place(tmp_path, change, where):
    path = tmp_path / "saved.json"
    path.write_text(json.dumps(_edited(change)))
    with pytest.raises(CatalogFileError) as caught:
        Catalog.load(path)
    assert caught.value.place == where


def test_loading_ec2s_answer_as_a_saved_catalog_tells_the_right_way():
    with pytest.raises(CatalogFileError, match="from_describe_instance_types"):
        Catalog.load(io.StringIO(json.dumps(answer())))


def test_a_manifest_of_another_capture_is_seen():
    contents = generate.read_folder(ROOT / "data")
    contents[generate.OFFERINGS] = b'{"InstanceTypeOfferings": []}'
    with pytest.raises(CatalogFileError, match="another"):
        generate.generated(contents)
    assert not generate.catalog_of(contents)


def test_a_row_whose_type_is_offered_must_be_described():
    capture = generate.read_capture(generate.read_folder(ROOT / "data"))
    capture[generate.TYPES] = answer(ec2_row())
    extra = (ROOT / "data" / generate.EXTRA).read_bytes()
    with pytest.raises(CatalogFileError, match="lacks"):
        generate.manifest(capture, extra, source="x", version="1", date="2026-01-02")


def test_a_folder_without_a_capture_holds_an_empty_catalog():
    assert not generate.catalog_of({})


def test_a_text_is_no_list_of_pages():
    from eks_win_capacity.catalog import responses

    with pytest.raises(CatalogFileError, match="a string"):
        responses.pages_of("x", key="InstanceTypes", source="here")


def test_a_diff_of_catalogs_that_tell_regions_compares_them():
    assert "not compared" not in str(BUNDLED.diff(BUNDLED.filter(family="m5")))


@pytest.mark.parametrize("name", ["c3x.large", "trn1x.large", "p4dx.large", "m6ax.large"])
def test_a_family_is_its_whole_name_and_no_prefix(name):
    catalog = Catalog.from_describe_instance_types(answer(ec2_row(name)))
    assert catalog[name].windows.codes == ("unknown-to-controller",)
