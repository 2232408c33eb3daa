"""One suite over every kind of column that names come in, and how the answer comes back."""

import sys
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eks_win_capacity as ewc
from eks_win_capacity.catalog.limits import bundled_rows
from eks_win_capacity.core.errors import (
    MissingExtraError,
    MissingValueError,
    ShapeMismatchError,
    UnknownInstanceTypeError,
    UnsupportedInputError,
)
from eks_win_capacity.density.columns import read_names
from eks_win_capacity.density.fleet_codes import BLOCK

NAMES = bundled_rows()[0]
THREE = ["m5.large", "t2.large", "m5.large"]
PODS, PREFIX_PODS = [9, 11, 9], [144, 11, 144]
HOLED = ["m5.large", None, "t2.large"]
STRANGE = ["m5.large", "nope", "t2.large"]
String = np.dtypes.StringDType
ENUM = pl.Enum(["t2.large", "nope", "m5.large"])


def pandas_of(dtype):
    return lambda names: pd.Series(names, dtype=dtype, index=range(10, 10 + len(names)), name="x")


def strided(names):
    wide = np.full((len(names), 2), "x", dtype=object)
    wide[:, 0] = names
    return wide[:, 0]


def read_only(names):
    array = np.array(names, dtype=object)
    array.setflags(write=False)
    return array


def dictionary_chunks(names):
    chunks = [pa.array([name]).cast(pa.string()).dictionary_encode() for name in names]
    return pa.chunked_array(chunks, pa.dictionary(pa.int32(), pa.string()))


MAKERS = {
    "list": list,
    "tuple": tuple,
    "object": lambda names: np.array(names, dtype=object),
    "StringDType": lambda names: np.array(names, dtype=String(na_object=None)),
    "StringDType nan": lambda names: np.array([np.nan if n is None else n for n in names], dtype=String(na_object=np.nan)),
    "read-only": read_only,
    "strided": strided,
    "Series object": pandas_of(object),
    "Series str": pandas_of("str"),
    "Series string[python]": pandas_of("string[python]"),
    "Series string[pyarrow]": pandas_of("string[pyarrow]"),
    "Series category": pandas_of("category"),
    "Series Arrow": pandas_of(pd.ArrowDtype(pa.string())),
    "Series Arrow dictionary": lambda names: pd.Series(pd.arrays.ArrowExtensionArray(pa.array(names, pa.string()).dictionary_encode())),
    "Index": pd.Index,
    "Index string": lambda names: pd.Index(names, dtype="string[python]"),
    "CategoricalIndex": pd.CategoricalIndex,
    "Categorical": pd.Categorical,
    "StringArray": lambda names: pd.array(names, dtype="string[python]"),
    "ArrowStringArray": lambda names: pd.array(names, dtype="string[pyarrow]"),
    "arrow": lambda names: pa.array(names, pa.string()),
    "arrow large": lambda names: pa.array(names, pa.large_string()),
    "arrow view": lambda names: pa.array(names, pa.string_view()),
    "arrow dictionary": lambda names: pa.array(names, pa.string()).dictionary_encode(),
    "arrow dictionary u8": lambda names: pa.array(names, pa.dictionary(pa.uint8(), pa.string())),
    "arrow dictionary u64": lambda names: pa.array(names, pa.string()).dictionary_encode().cast(pa.dictionary(pa.uint64(), pa.string())),
    "arrow dictionary of large": lambda names: pa.array(names, pa.large_string()).dictionary_encode(),
    "arrow sliced": lambda names: pa.array(["x", *names, "y"], pa.string())[1:-1],
    "chunked one": lambda names: pa.chunked_array([names], pa.string()),
    "chunked many": lambda names: pa.chunked_array([[name] for name in names], pa.string()),
    "chunked sliced": lambda names: pa.chunked_array([["x", *names[:1]], [*names[1:], "y"]], pa.string())[1:-1],
    "chunked dictionaries": dictionary_chunks,
    "polars String": lambda names: pl.Series("x", names, dtype=pl.String),
    "polars sliced": lambda names: pl.Series("x", ["x", *names], dtype=pl.String)[1:],
    "polars Categorical": lambda names: pl.Series("x", names, dtype=pl.Categorical),
    "polars Enum": lambda names: pl.Series("x", names, dtype=ENUM),
    "polars Object": lambda names: pl.Series("x", names, dtype=pl.Object),
}  # fmt: skip
FULL_MAKERS = {
    **MAKERS,
    "U": np.array,
    "big-endian U": lambda names: np.array(names, dtype=">U20"),
    "strided U": lambda names: np.array([[name, "x"] for name in names], dtype="U20").reshape(
        -1, 2
    )[:, 0],
    "subclass of list": type("Names", (list,), {}),
    "str_": lambda names: [np.str_(name) for name in names],
}

every_kind = pytest.mark.parametrize("make", FULL_MAKERS.values(), ids=FULL_MAKERS)
every_holed_kind = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def listed(column):
    if isinstance(column, (pl.Series, np.ndarray)):
        return column.to_list() if isinstance(column, pl.Series) else column.tolist()
    if isinstance(column, (pa.Array, pa.ChunkedArray)):
        return column.to_pylist()
    return [None if value is pd.NA else value for value in column.tolist()]


def assert_in_kind(answer, column):
    for kind in (pd.Series, pd.Index, pa.ChunkedArray, pl.Series):
        assert isinstance(answer, kind) == isinstance(column, kind)
    if isinstance(column, pd.Series):
        pd.testing.assert_index_equal(answer.index, column.index)
    if isinstance(column, (pd.Series, pd.Index, pl.Series)):
        assert answer.name == "max_pods"
    if isinstance(column, pa.Array):
        assert isinstance(answer, pa.Array)
        assert answer.type == pa.int64()


@every_kind
def test_every_kind_of_column_is_answered_in_kind(make):
    column = make(THREE)
    pods = ewc.max_pods(column)
    assert listed(pods) == PODS
    assert listed(ewc.max_pods(column, prefix_delegation=True)) == PREFIX_PODS
    assert listed(ewc.max_pods(column, prefix_delegation=[True, True, False])) == [144, 11, 9]
    assert listed(ewc.max_pods(column, kubelet_max_pods=[1, 20, 8])) == [1, 11, 8]
    assert_in_kind(pods, column)


@every_kind
def test_encoding_once_equals_asking_directly(make):
    column = make(THREE)
    fleet = ewc.Fleet.encode(column)
    pods = fleet.max_pods(prefix_delegation=True)
    assert listed(pods) == PREFIX_PODS
    assert_in_kind(pods, column)
    assert fleet.total() == sum(PODS)
    assert listed(fleet.nodes_needed(100)) == [12, 10, 12]


@every_kind
def test_no_rows_give_no_rows(make):
    pods = ewc.max_pods(make([]))
    assert listed(pods) == []
    assert_in_kind(pods, make([]))
    assert ewc.Fleet.encode(make([])).total() == 0


@every_holed_kind
def test_a_missing_value_is_an_error_with_its_place(make):
    with pytest.raises(
        MissingValueError, match="1 missing value among 3, first at position 1;"
    ) as caught:
        ewc.max_pods(make(HOLED))
    assert (caught.value.positions, caught.value.count) == ((1,), 1)
    with pytest.raises(MissingValueError):
        ewc.Fleet.encode(make(HOLED))


@every_kind
def test_an_unknown_name_is_an_error_with_its_place(make):
    with pytest.raises(UnknownInstanceTypeError, match="1 of 3 values have no row") as caught:
        ewc.max_pods(make(STRANGE))
    assert caught.value.names == ("nope",)
    assert (caught.value.positions, caught.value.count) == ((1,), 1)
    with pytest.raises(UnknownInstanceTypeError):
        ewc.Fleet.encode(make(STRANGE))


@every_holed_kind
@pytest.mark.parametrize("names", [HOLED, STRANGE], ids=["missing", "unknown"])
def test_null_gives_nullable_answers_in_kind(make, names):
    column = make(names)
    pods = ewc.max_pods(column, on_unknown="null")
    assert listed(pods) == [9, None, 11]
    assert_in_kind(pods, column)
    fleet = ewc.Fleet.encode(column, on_unknown="null")
    assert fleet.unknown == 1
    assert listed(fleet.max_pods()) == [9, None, 11]
    assert listed(fleet.nodes_needed(10)) == [2, None, 1]
    assert listed(fleet.nodes_needed([10, 10, 20])) == [2, None, 2]
    assert (fleet.total(), fleet.total(prefix_delegation=[True] * 3)) == (20, 155)


@every_kind
def test_null_without_unknowns_is_as_complete(make):
    assert listed(ewc.max_pods(make(THREE), on_unknown="null")) == PODS


@given(st.lists(st.sampled_from(NAMES), max_size=30), st.booleans())
def test_every_kind_gives_what_a_list_gives(names, mode):
    wanted = ewc.max_pods(names, prefix_delegation=mode).tolist()
    for label, make in FULL_MAKERS.items():
        if label != "polars Enum" and (names or label != "U"):
            assert listed(ewc.max_pods(make(names), prefix_delegation=mode)) == wanted, label


@given(st.permutations(THREE + HOLED + STRANGE))
def test_order_does_not_matter(names):
    fleet = ewc.Fleet.encode(names, on_unknown="null")
    assert fleet.counts.to_dict() == {"m5.large": 4, "t2.large": 3}
    assert (fleet.unknown, fleet.total()) == (2, 69)
    alone = [ewc.max_pods(name, on_unknown="null") for name in names]
    assert listed(fleet.max_pods()) == alone


# -- shapes -------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["U", object, String()])
def test_any_shape_stays(dtype):
    names = np.array([THREE, THREE[::-1]], dtype=dtype)
    assert ewc.max_pods(names).tolist() == [PODS, PODS[::-1]]
    assert ewc.max_pods(names.T).tolist() == np.array([PODS, PODS[::-1]]).T.tolist()
    assert ewc.max_pods(names[:, ::2]).tolist() == [[9, 9], [9, 9]]
    assert ewc.max_pods(names, prefix_delegation=[[True], [False]]).tolist() == [PREFIX_PODS, PODS]
    pods = ewc.max_pods(np.array("m5.large", dtype=dtype))
    assert (pods.shape, pods.item()) == ((), 9)


@pytest.mark.parametrize(
    "nested", [[THREE, THREE], (tuple(THREE),) * 2, [np.array(THREE)] * 2, [[[*THREE]], [[*THREE]]]]
)
def test_nested_sequences_are_arrays(nested):
    pods = ewc.max_pods(nested)
    assert pods.ravel().tolist() == PODS * 2
    assert pods.shape == np.shape(nested)


@pytest.mark.parametrize(
    "empty",
    [
        np.zeros(0),
        np.zeros((0, 3), int),
        [[], []],
        pd.Series([], dtype=float),
        pl.Series([], dtype=pl.Null),
        pa.nulls(0),
        pa.array([], pa.int64()),
        pa.chunked_array([], pa.string()),
        pa.chunked_array([], pa.dictionary(pa.int8(), pa.string())),
    ],
)
def test_an_empty_column_has_no_wrong_dtype(empty):
    pods = ewc.max_pods(empty)
    assert np.shape(pods) == np.shape(empty)
    assert_in_kind(pods, empty)


@pytest.mark.parametrize(
    "ragged",
    [
        [["m5.large"], THREE],
        [["m5.large"], "t2.large"],
        [np.array(THREE), np.array(THREE[:2])],
        [np.array([THREE]), np.array([THREE[:2]])],
    ],
)
def test_ragged_rows_are_refused(ragged):
    with pytest.raises(ShapeMismatchError, match="ragged"):
        ewc.max_pods(ragged)


@pytest.mark.parametrize("names", [[HOLED], np.array("nope")])
def test_nullable_answers_have_one_dimension(names):
    with pytest.raises(UnsupportedInputError, match="flatten the names first"):
        ewc.max_pods(names, on_unknown="null")


def test_null_keeps_the_answers_of_a_broadcast():
    pods = ewc.max_pods("nope", prefix_delegation=[True, False], on_unknown="null")
    assert pods.isna().tolist() == [True, True]
    fleet = ewc.Fleet.encode("nope", on_unknown="null")
    assert fleet.nodes_needed([1, 2]).isna().tolist() == [True, True]
    assert fleet.max_pods() is None
    assert fleet.nodes_needed(3) is None


# -- what is refused ----------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (5, "an int"), (1.5, "a float"), (b"m5.large", "a bytes"), ({"m5.large"}, "a set"), ({"m5.large": 1}, "a dict"),
        (iter(THREE), "iterator"), (range(3), "a range"), ([b"m5.large"], "a sequence of bytes; decode it first"),
        (np.array([b"m5.large"]), "decode it first"), (np.array([1]), "a NumPy array of int64"),
        (pd.DataFrame({"a": THREE}), "give one of its columns"), (pl.DataFrame({"a": THREE}), "give one of its columns"),
        (pd.MultiIndex.from_tuples([("a", "b")]), "give one of its levels"), (pd.Series([1]), "a pandas column of int64"),
        (pl.Series([1]), "a Polars column of Int64"), (pa.array([1]), "an Arrow column of int64"),
        (pa.array([1]).dictionary_encode(), "an Arrow dictionary of int64"), (pa.table({"a": THREE}), "an Arrow column of struct"),
    ],
)  # fmt: skip
def test_what_is_no_column_of_names_is_refused(wrong, kind):
    with pytest.raises(UnsupportedInputError, match=f"got .*{kind}"):
        ewc.max_pods(wrong)


def test_a_value_that_is_no_name_is_refused_or_unknown():
    with pytest.raises(UnsupportedInputError, match="holds a list at position 1, not a name"):
        ewc.max_pods(["m5.large", ["m5.large"]])
    with pytest.raises(UnknownInstanceTypeError, match="'5' at position 1"):
        ewc.max_pods(["m5.large", 5])
    with pytest.raises(UnsupportedInputError, match="holds values that are not names"):
        ewc.max_pods(["m5.large", ("m5.large", [])])
    array = np.empty(1, dtype=object)
    array[0] = b"m5.large"
    with pytest.raises(UnknownInstanceTypeError):
        ewc.max_pods(array)


def test_the_first_five_offenders_are_named_and_all_are_counted():
    names = [f"nope{n % 7}" for n in range(1000)]
    with pytest.raises(
        UnknownInstanceTypeError, match=r"1,000 of 1,000 values .* and 2 more names"
    ) as caught:
        ewc.max_pods(names)
    assert caught.value.names == tuple(f"nope{n}" for n in range(5))
    assert caught.value.positions == (0, 1, 2, 3, 4)
    assert caught.value.count == 1000
    with pytest.raises(
        MissingValueError, match="3 missing values among 4, first at positions 0, 1, 3"
    ):
        ewc.max_pods([None, float("nan"), "nope", pd.NaT])


def test_offenders_are_found_in_every_chunk():
    column = pa.chunked_array([["m5.large"], [], ["t2.large", "nope"]], pa.string())
    with pytest.raises(UnknownInstanceTypeError) as caught:
        ewc.max_pods(column)
    assert caught.value.positions == (2,)
    with pytest.raises(IndexError):
        read_names(column, "x").values(np.array([3]))


def test_a_series_may_have_several_chunks():
    chunks = pa.chunked_array([["m5.large"], ["t2.large", "m5.large"]])
    column = pd.Series(pd.arrays.ArrowExtensionArray(chunks))
    assert ewc.max_pods(column).tolist() == PODS


def test_a_missing_value_may_hide_in_an_arrow_dictionary():
    column = pa.DictionaryArray.from_arrays(
        pa.array([0, 1], pa.int8()), pa.array(["m5.large", None])
    )
    assert ewc.max_pods(column, on_unknown="null").to_pylist() == [9, None]
    with pytest.raises(MissingValueError):
        ewc.max_pods(column)


def test_unused_unknown_categories_do_no_harm():
    column = pd.Categorical(["m5.large"], categories=["nope", "m5.large"])
    assert ewc.max_pods(column).tolist() == [9]
    assert ewc.max_pods(pl.Series(["m5.large"], dtype=ENUM)).to_list() == [9]


@pytest.mark.parametrize("nothing", [pa.nulls(2), pl.Series([None, None])])
def test_a_column_of_nulls_alone_is_missing(nothing):
    assert listed(ewc.max_pods(nothing, on_unknown="null")) == [None, None]
    with pytest.raises(MissingValueError):
        ewc.max_pods(nothing)


def test_single_values_of_other_libraries_are_names():
    assert ewc.max_pods(pa.scalar("m5.large")) == ewc.max_pods(np.str_("m5.large")) == 9


# -- libraries that are missing, or that nobody knows --------------------------


class Stream:
    """A column of a library that only speaks Arrow's C interface."""

    def __init__(self, names):
        self._names = pa.chunked_array([names])

    def __arrow_c_stream__(self, requested_schema=None):
        return self._names.__arrow_c_stream__(requested_schema)


def test_any_arrow_stream_is_a_column():
    pods = ewc.max_pods(Stream(THREE))
    assert isinstance(pods, pa.ChunkedArray)
    assert pods.to_pylist() == PODS


def test_an_arrow_stream_without_pyarrow_names_the_extra(monkeypatch):
    stream = Stream(THREE)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"eks-win-capacity\[arrow\]") as caught:
        ewc.max_pods(stream)
    assert caught.value.extra == "arrow"


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, ENUM])
def test_polars_needs_no_pyarrow(dtype, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    pods = ewc.max_pods(pl.Series(THREE, dtype=dtype))
    assert pods.to_list() == PODS


# -- many rows ----------------------------------------------------------------


@pytest.mark.parametrize("rows", [2 * BLOCK + 3, (1 << 18) + 5])
@pytest.mark.parametrize(
    "label", ["list", "object", "Series category", "Series string[pyarrow]", "arrow dictionary"]
)
def test_blocks_leave_no_seam(rows, label):
    codes = np.random.default_rng(3).integers(0, len(NAMES), rows)
    names = np.array(NAMES, dtype=object)[codes]
    column = FULL_MAKERS[label](names.tolist())
    modes = codes % 2 == 0
    secondary, prefix = ewc.max_pods(NAMES), ewc.max_pods(NAMES, prefix_delegation=True)
    assert (np.asarray(ewc.max_pods(column)) == secondary[codes]).all()
    pods = ewc.max_pods(column, prefix_delegation=modes)
    assert (np.asarray(pods) == np.where(modes, prefix[codes], secondary[codes])).all()
    fleet = ewc.Fleet.encode(column)
    assert fleet.total() == int(secondary[codes].sum())
    assert (fleet.histogram[:-1] == np.bincount(codes, minlength=len(NAMES))).all()


@pytest.mark.parametrize("label", ["list", "arrow"])
def test_unknowns_past_the_first_block_keep_their_place(label):
    names = ["m5.large"] * ((1 << 18) + 9)
    names[-2] = "nope"
    with pytest.raises(UnknownInstanceTypeError) as caught:
        ewc.max_pods(MAKERS[label](names))
    assert caught.value.positions == (len(names) - 2,)


@pytest.mark.parametrize("columns", [{}, {"prefix_delegation": np.tile([True, False], 1_000_000)}])
def test_peak_memory_stays_near_the_output(columns):
    """At most 1.2 x (output + 64 MiB), of which no more than a few blocks here are extra."""
    rows = 2_000_000
    column = pd.Series(
        pd.Categorical.from_codes(np.arange(rows) % 3, ["m5.large", "t2.large", "c5.large"])
    )
    ewc.max_pods(column[:10])
    tracemalloc.start()
    try:
        pods = ewc.max_pods(column, **columns)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= pods.nbytes + 8 * 2**20


def test_a_short_list_walks_through_few_modules():
    seen = set()

    def note(frame, event, argument):
        if "eks_win_capacity" in frame.f_code.co_filename:
            seen.add(frame.f_code.co_filename)

    asked = {"prefix_delegation": True, "kubelet_max_pods": 110}
    wanted = [ewc.max_pods(name, **asked) for name in NAMES]
    ewc.max_pods(NAMES, **asked)
    sys.setprofile(note)
    try:
        answer = ewc.max_pods(NAMES, **asked)
    finally:
        sys.setprofile(None)
    assert answer.tolist() == wanted
    assert answer.dtype == np.int64
    assert len(seen) <= 4
