"""The floor: arithmetic, errors, and columns that come in any kind and go back in kind."""

import ast
import inspect
import itertools
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eks_win_capacity._data.limits import ROWS
from eks_win_capacity.catalog.limits import bundled_limit, prefix, secondary
from eks_win_capacity.core import arrays, constants, errors
from eks_win_capacity.core.errors import (
    CapacityError,
    IndexMismatchError,
    InputError,
    InvalidCountError,
    MissingExtraError,
    MissingValueError,
    ShapeMismatchError,
    UnknownInstanceTypeError,
    UnsupportedInputError,
)
from eks_win_capacity.core.findings import Finding

counts = st.integers(0, constants.MAX_COUNT)
DTYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", ">i2", ">u4", ">f8"]
PANDAS_DTYPES = ["int64", "Int64", "UInt8", "Float64", "int8", "object"]


# -- arithmetic ---------------------------------------------------------------


@given(st.integers(1, 1_000))
def test_a_prefix_serves_sixteen_pods(limit):
    assert prefix(limit) == 16 * secondary(limit)


@given(st.lists(st.integers(1, 1_000), max_size=20))
def test_an_array_answers_as_its_elements_do(limits):
    column = np.array(limits, dtype=np.int64)
    assert prefix(column).tolist() == [prefix(limit) for limit in limits]


# -- the limits of one type ---------------------------------------------------


@pytest.mark.parametrize(
    ("name", "limit"),
    [("m5.large", (10, True)), ("t2.large", (12, False)), ("t3.xlarge", (15, True))],
)
def test_one_type_is_found_without_reading_the_table(name, limit):
    assert bundled_limit(name) == limit


@pytest.mark.parametrize(
    "name", ["", "m5", "m5.larg", "large", "m5.large 10", "m5.large 10 1", "\n", "M5.large"]
)
def test_half_a_name_is_no_name(name):
    assert bundled_limit(name) is None


def test_every_row_of_the_table_can_be_found():
    rows = [line.split() for line in ROWS.strip().splitlines()]
    assert [bundled_limit(row[0]) for row in rows] == [(int(row[1]), row[2] == "1") for row in rows]


# -- whole numbers of any dtype -----------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_whole_numbers_of_any_dtype_are_read_as_int64(dtype):
    column = np.array([0, 1, 127], dtype=dtype)
    column.setflags(write=False)
    read = arrays.counts(column, name="pods")
    assert read.dtype == np.int64
    assert read.tolist() == [0, 1, 127]


@pytest.mark.parametrize("dtype", PANDAS_DTYPES)
def test_whole_numbers_of_any_pandas_dtype_are_read_as_int64(dtype):
    read = arrays.counts(pd.Series([0, 1, 127], dtype=dtype), name="pods")
    assert read.dtype == np.int64
    assert read.tolist() == [0, 1, 127]


@given(st.lists(counts))
def test_a_list_is_read_as_it_is(values):
    assert arrays.counts(values, name="pods").tolist() == values


def test_python_objects_are_read_one_by_one():
    column = np.array([1, 2.0, np.int8(3)], dtype=object)
    assert arrays.counts(column, name="pods").tolist() == [1, 2, 3]


@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (0, 2)])
def test_the_shape_stays(shape):
    assert arrays.counts(np.zeros(shape), name="pods").shape == shape


@pytest.mark.parametrize("dtype", ["i8", "u1", "f8", "O"])
def test_no_values_are_no_counts(dtype):
    read = arrays.counts(np.array([], dtype=dtype), name="pods")
    assert (read.dtype, read.size) == (np.int64, 0)


def test_the_input_is_not_modified_and_not_shared():
    column = np.array([1, 2, 3])
    read = arrays.counts(column, name="pods")
    read[0] = 9
    assert column.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-1, "-1"),
        (1.5, "1.5"),
        ([1, 2.5], "2.5 at position 1"),
        (constants.MAX_COUNT + 1, "1000001"),
        (2**63, str(2**63)),
        (2**70, str(2**70)),
        ([2**70], f"{2**70} at position 0"),
        (float("inf"), "inf"),
        (True, "True"),
        (np.array([1, True], dtype=object), "True at position 1"),
        (np.array([True]), "True"),
        ("12", "'12'"),
        (["12"], "'12'"),
        (np.array([1, "12"], dtype=object), "'12' at position 1"),
        (1 + 0j, r"\(1\+0j\)"),
        (np.array([], dtype=bool), "array"),
    ],
)
def test_what_is_no_count_is_refused_with_value_and_place(value, shown):
    with pytest.raises(InvalidCountError, match=f"^pods must be a whole number .*got {shown}"):
        arrays.counts(value, name="pods")


@pytest.mark.parametrize(
    ("value", "positions"),
    [
        (None, (0,)),
        (float("nan"), (0,)),
        (pd.NA, (0,)),
        ([1.0, float("nan")], (1,)),
        (np.array([1, None], dtype=object), (1,)),
        (np.array([1, pd.NA], dtype=object), (1,)),
        (pd.Series([None, 1, None], dtype="Int64"), (0, 2)),
        (pd.array([1, None], dtype="UInt8"), (1,)),
        (np.full(9, np.nan), (0, 1, 2, 3, 4)),
        ([float("nan"), 1.0, 2.0], (0,)),
    ],
)
def test_a_missing_value_is_refused_with_its_place(value, positions):
    with pytest.raises(MissingValueError) as caught:
        arrays.counts(value, name="pods")
    assert caught.value.positions == positions
    assert caught.value.count >= len(positions)


def test_a_ragged_list_is_refused():
    with pytest.raises(ShapeMismatchError, match="ragged"):
        arrays.counts([[1], [2, 3]], name="pods")


# -- booleans -----------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        [True, False],
        np.array([True, False]),
        np.array([True, np.False_], dtype=object),
        pd.Series([True, False]),
        pd.Series([True, False], dtype="boolean"),
    ],
)
def test_booleans_are_read(value):
    read = arrays.flags(value, name="prefix_delegation")
    assert read.dtype == np.bool_
    assert read.tolist() == [True, False]


def test_no_booleans_are_an_empty_column():
    assert arrays.flags([], name="prefix_delegation").dtype == np.bool_


@pytest.mark.parametrize(
    "value", ["false", 1, [0, 1], 1.0, np.array(["true"]), np.array([1, "x"], dtype=object)]
)
def test_what_only_looks_like_a_boolean_is_refused(value):
    with pytest.raises(InputError, match="prefix_delegation must be True or False; got"):
        arrays.flags(value, name="prefix_delegation")


# -- shapes and indexes -------------------------------------------------------


def test_columns_broadcast():
    assert arrays.common_shape(a=np.zeros((3, 1)), b=[1, 2], c=7) == (3, 2)


def test_columns_that_do_not_go_together_are_named_with_their_shapes():
    with pytest.raises(ShapeMismatchError, match=r"a \(2,\), b \(3,\)"):
        arrays.common_shape(a=[1, 2], b=[1, 2, 3], c=1)


def test_series_with_different_indexes_are_not_aligned():
    left, right = pd.Series([1, 2]), pd.Series([1, 2], index=[1, 0])
    with pytest.raises(IndexMismatchError, match="left and right are Series"):
        arrays.common_shape(left=left, right=right)


def test_a_data_frame_is_refused_by_name():
    with pytest.raises(UnsupportedInputError, match="nodes is a DataFrame"):
        arrays.refuse_frame(pd.DataFrame({"a": [1]}), "nodes")
    arrays.refuse_frame([1], "nodes")


def test_a_scalar_is_a_scalar_and_an_array_without_dimensions_is_not():
    assert arrays.is_scalar(1)
    assert arrays.is_scalar(np.int8(1))
    assert not arrays.is_scalar(np.array(1))
    assert not arrays.is_scalar([1])


# -- back in kind -------------------------------------------------------------


def test_a_scalar_comes_back_as_a_python_number():
    answer = arrays.in_kind(np.array(9), answer="pods", a=1, b=np.int8(2))
    assert type(answer) is int


def test_a_sequence_comes_back_as_an_array():
    answer = arrays.in_kind(np.array([9]), answer="pods", a=[1], b=2)
    assert type(answer) is np.ndarray


def test_a_series_comes_back_as_a_series_with_the_same_index():
    index = pd.Index(["x", "y"], name="node")
    series = pd.Series([1, 2], index=index)
    answer = arrays.in_kind(np.array([9, 9]), answer="pods", a=1, b=series, c=series + 1)
    pd.testing.assert_index_equal(answer.index, index)
    assert answer.name == "pods"


def test_a_series_does_not_stretch():
    with pytest.raises(ShapeMismatchError, match="a Series of 2 rows"):
        arrays.in_kind(np.zeros((3, 2)), answer="pods", a=pd.Series([1, 2]))


# -- errors and findings ------------------------------------------------------

LEAVES = [
    leaf
    for name in errors.__all__
    if issubclass(leaf := getattr(errors, name), CapacityError) and leaf is not CapacityError
]


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_error_is_ours_and_a_builtin(leaf):
    assert issubclass(leaf, CapacityError)
    assert any(base.__module__ == "builtins" for base in leaf.__mro__[1:-3])


def test_every_error_is_listed():
    defined = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert defined == set(errors.__all__)


def test_an_unknown_type_reads_as_a_sentence_and_carries_its_facts():
    error = UnknownInstanceTypeError(
        "no row for 'm5.larg'", names=["m5.larg"], close_matches=["m5.large"], as_of="2026-10-02"
    )
    assert str(error) == "no row for 'm5.larg'"
    assert (error.names, error.close_matches, error.count) == (("m5.larg",), ("m5.large",), 1)
    assert error.as_of == "2026-10-02"


def test_an_error_about_a_file_says_which_and_where():
    error = errors.CatalogFileError("bad", source="types.json", place="InstanceTypes[3]")
    assert (error.source, error.place) == ("types.json", "InstanceTypes[3]")


def test_an_error_about_a_conflict_lists_the_disagreements():
    assert errors.CatalogConflictError("two", conflicts=["a", "b"]).conflicts == ("a", "b")


def test_an_error_of_aws_carries_what_was_asked():
    error = errors.AwsError("no", operation="DescribeSubnets", code="Throttling", region="x")
    assert (error.operation, error.code, error.region) == ("DescribeSubnets", "Throttling", "x")


def test_a_missing_extra_says_how_to_install_it():
    error = MissingExtraError("pyarrow", extra="arrow", purpose="reading Parquet")
    assert str(error) == (
        "reading Parquet needs pyarrow, which is not installed: "
        'pip install "eks-win-capacity[arrow]"'
    )
    assert error.extra == "arrow"


def test_a_finding_is_a_plain_value():
    finding = Finding(code="a-b", severity="info", seen="s", why="w", remedy="r")
    assert finding.to_dict()["outcome"] == "fail"
    assert pickle.loads(pickle.dumps(finding)) == finding


# -- facts --------------------------------------------------------------------


def test_every_fact_says_where_it_is_from():
    body = ast.parse(Path(constants.__file__).read_text("utf-8")).body
    facts = [
        (node.target.id, after)
        for node, after in itertools.pairwise(body)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]
    assert facts
    for name, after in facts:
        assert isinstance(after, ast.Expr), name
        assert "Source: " in ast.literal_eval(after.value), name


def test_facts_are_what_their_sources_state():
    # Written down from the sources again, so that a slip of one key is noticed.
    numbers = {name: value for name, value in vars(constants).items() if type(value) is int}
    assert numbers == {
        "ADDRESSES_PER_PREFIX": 2 ** (32 - 28),
        "NODE_ADDRESSES": 1,
        "KUBELET_MAX_PODS": 110,
        "KUBELET_MAX_PODS_ADVISED": 250,
        "KUBELET_MAX_PODS_SMALL": 110,
        "KUBELET_MAX_PODS_VCPUS": 30,
        "SERVICES_WITHOUT_DSR": 100,
        "MAX_COUNT": 10**6,
        "WINDOWS_SYSTEM_RESERVED_MIB": 3 * 512,
        "WINDOWS_KUBE_RESERVED_MIB": 512,
        "WINDOWS_EVICTION_MIB": 500,
        "LARGEST_IPV4_PER_INTERFACE": 64,
        "COOL_DOWN_S": 30,
        "COOL_DOWN_TICK_S": 30,
        "SERVICE_BACKENDS": 1024,
        "SERVICE_BACKENDS_OLD": 64,
        "KUBELET_SKEW": 3,
        "SUBNET_KEPT_FIRST": 4,
        "SUBNET_KEPT_LAST": 1,
        "CONTROL_PLANE_ADDRESSES": 6,
        "CONTROL_PLANE_ADDRESSES_ADVISED": 16,
    }
    assert constants.SUBNET_PREFIX_LENGTHS == (16, 28)
    assert constants.SERVICE_BACKENDS_BUILD == (17763, 2746)
    assert constants.CONTAINER_IMAGE_MEMORY_MB == {"Nano Server": 30, "Server Core": 45}
    assert constants.WINDOWS_BUILDS == {17763: "2019", 20348: "2022", 26100: "2025"}
    ended = {build: name for build, (name, _) in constants.WINDOWS_BUILDS_ENDED.items()}
    assert ended == {18363: "1909", 19041: "2004", 19042: "20H2"}
    ones = dict.fromkeys(["1.25", "1.26", "1.27", "1.28", "1.29"], 1)
    assert {"1.24": 2, **ones, "1.30": 2, "1.31": 4} == constants.WINDOWS_PLATFORM_VERSIONS
    assert constants.PREFIX_PLATFORM_VERSIONS == {"1.25": 5, "1.26": 4, "1.27": 3}
