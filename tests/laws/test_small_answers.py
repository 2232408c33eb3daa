"""Small answers at the edges: what is refused, what is empty, what is said beside a result."""

import gzip
import io

import numpy as np
import pandas as pd
import pytest

import eks_win_capacity as ewc
from eks_win_capacity.core import arguments
from eks_win_capacity.core.display import plain_fields
from eks_win_capacity.core.documents import _open, members, wholes, yaml_value
from eks_win_capacity.core.documents.whole import file_bytes, unpacked, values_in, what_it_is
from eks_win_capacity.core.errors import CapacityError, CatalogFileError, DocumentError, InputError
from eks_win_capacity.core.quantities import millicores
from eks_win_capacity.density.node_table import node_table

CATALOG = ewc.Catalog.bundled()


@pytest.mark.parametrize(
    "data",
    [{"addon": 5}, {"configurationValues": '{"enableWindowsIpam": [1]}'}],
)
def test_what_is_not_a_setting_of_the_add_on_is_refused(data):
    with pytest.raises(CapacityError):
        ewc.WarmPool.from_configmap(data)


def test_a_size_that_rests_on_a_reservation_says_so():
    need = ewc.smallest_subnet(nodes=20, instance_type="m5.large", pods_per_node=30)
    assert "reserved before nodes start" in need.prefix.assumption
    assert f"a /{need.prefix.prefix_length_unreserved} is needed" in need.prefix.assumption
    assert need.secondary.assumption == ""
    fleet = {"instance_type": "m5.large", "pods_per_node": 30}
    assert any(
        "no subnet is large enough" in ewc.smallest_subnet(nodes=n, **fleet).prefix.assumption
        for n in range(1_200, 2_100, 50)
    )


def test_equal_catalogs_show_that_nothing_differs():
    assert "No difference" in CATALOG.diff(CATALOG)._repr_html_()


def test_a_damaged_catalog_file_is_an_error_of_catalogs(tmp_path):
    path = tmp_path / "c.json.gz"
    path.write_bytes(b"\x1f\x8b damaged")
    with pytest.raises(CatalogFileError):
        ewc.Catalog.load(path)


def test_prices_of_another_market_and_of_another_kind_are_refused():
    prices = ewc.estimate_windows_prices({"m5.large": 0.1}, as_of="2026-10-02", catalog=CATALOG)
    with pytest.raises(InputError, match="spot"):
        prices.series("spot")
    with pytest.raises(CapacityError, match="mapping"):
        ewc.estimate_windows_prices(5, as_of="2026-10-02")


def test_a_value_without_fields_shows_none():
    assert plain_fields(5) == {}


def test_yaml_of_several_documents_is_not_one_value():
    with pytest.raises(DocumentError, match="several"):
        yaml_value("a: 1\n---\nb: 2\n", name="x")
    assert list(wholes("a: 1\n---\n---\nb: 2\n")) == [{"a": 1}, {"b": 2}]
    assert yaml_value("a: &x 1\nb: *x\n", name="x") == {"a": 1, "b": 1}


def test_a_member_without_a_colon_is_refused_and_a_number_may_cross_a_chunk():
    with pytest.raises(DocumentError, match="expected"):
        list(members('{"a" 1}'))
    head = '{"pad": "' + "x" * (_open.CHUNK - 20) + '", "n": '
    (*_, (_, key, _, value)) = members(head + "1234567890" * 3 + "}")
    assert (key, value) == ("n", int("1234567890" * 3))


def test_bytes_behind_a_gzip_file_are_damage():
    with pytest.raises(DocumentError, match="other bytes follow"):
        unpacked(gzip.compress(b"{}") + b"more", "x")


@pytest.mark.parametrize(
    ("text", "values"),
    [("{a: 1}", [{"a": 1}]), ("{}\n\n []", [{}, []])],
)
def test_a_brace_may_begin_yaml_and_blanks_lie_between_values(text, values):
    assert values_in(text, "x") == values


@pytest.mark.parametrize("text", ["{a: 1", '{"a": NaN}', "[" * 100_000])
def test_what_is_neither_json_nor_yaml_is_refused(text):
    with pytest.raises(DocumentError):
        values_in(text, "x")


def test_an_answer_of_prometheus_is_called_so():
    assert "Prometheus" in what_it_is({"status": "success", "data": {"result": []}})
    assert what_it_is({"Subnets": []}) == "the answer of aws ec2 describe-subnets"
    assert what_it_is({"format_version": "1.0", "terraform_version": "1.9"}).endswith("Terraform")
    assert what_it_is({"a": 1, "b": 2}) == "a mapping of a, b"
    assert what_it_is({}) == "a mapping of nothing"
    assert what_it_is(None) == "nothing"
    assert what_it_is("a,b\n1,2") == "a table of a, b"
    assert what_it_is("a word") == "the text 'a word'"
    # Of one line alone nothing tells that it heads a table.
    assert what_it_is("a,b") == "the text 'a,b'"


def test_a_column_called_platform_may_say_nothing_of_the_system():
    frame = pd.DataFrame({"type": ["m5.large"], "platform": ["eks.5"], "count": [2]})
    assert len(node_table(frame, CATALOG).frame) == 1
    with pytest.raises(InputError, match="no column 'n'"):
        node_table(frame, CATALOG, count="n")
    assert node_table(frame.assign(count=1_000_000_000), CATALOG).counts.tolist() == [10**9]
    with pytest.raises(InputError, match="adds up to more"):
        node_table(frame.assign(count=1_000_000_001), CATALOG)


def test_a_catalog_file_without_end_is_an_error_of_catalogs(tmp_path, monkeypatch):
    path = tmp_path / "c.json"
    path.write_bytes(b" " * 100)
    monkeypatch.setattr(_open, "MAX_WHOLE_BYTES", 50)
    with pytest.raises(CatalogFileError):
        ewc.Catalog.load(path)


def test_a_name_that_ec2_retired_is_no_typing_error():
    with pytest.raises(CapacityError, match=r"g3\.16xlarge: EC2 has retired it"):
        _ = CATALOG["g3.16xlarge"]
    with pytest.raises(CapacityError, match=r"g3\.16xlarge: EC2 has retired it"):
        ewc.node_capacity(["m5.large", "g3.16xlarge"], catalog=CATALOG)


def test_an_empty_object_in_a_list_is_an_object():
    assert list(members(b'[{}, {"a": 1}]')) == [*members(b'{} {"a": 1}')]


def test_a_masked_request_is_refused():
    with pytest.raises(CapacityError, match="pod_memory"):
        ewc.node_capacity("m5.large", pod_memory=np.ma.masked)
    with pytest.raises(CapacityError, match="masked is not a Kubernetes quantity"):
        millicores(np.ma.masked)


def test_a_dash_is_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"types: m5.large")))
    assert file_bytes("-") == b"types: m5.large"


def test_a_list_without_an_end_is_refused(monkeypatch):
    monkeypatch.setattr(_open, "MAX_ITEMS", 3)
    with pytest.raises(DocumentError, match="more than 3 objects; split it"):
        list(members("[{}, {}, {}, {}]"))
    with pytest.raises(DocumentError, match="more than 3 items; split it"):
        list(members('{"a": [1, 2, 3, 4]}'))
    assert [*members("[{}, {}, {}]")] == []
    assert [index for _, _, index, _ in members('{"a": [1, 2]}')] == [0, 1]


@pytest.mark.parametrize("value", [np.arange(3), np.array([]), "2", True, None, np.nan])
def test_what_is_not_one_number_is_refused(value):
    with pytest.raises(CapacityError, match=r"^cost must be a number from 0 up"):
        arguments.number(value, name="cost")


def test_a_series_is_a_mapping_and_a_list_is_not():
    assert arguments.mapping(pd.Series({"a": 1}), name="prices") == {"a": 1}
    with pytest.raises(CapacityError, match="prices must be a mapping of names to numbers"):
        arguments.mapping([1], name="prices")
