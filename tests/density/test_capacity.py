"""How many pod addresses a node has: laws first, then reference values with their source."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eks_win_capacity as ewc
from eks_win_capacity.catalog.limits import bundled_rows, prefix, secondary
from eks_win_capacity.core.arrays import counts, flags, in_kind
from eks_win_capacity.core.errors import (
    IndexMismatchError,
    InputError,
    InvalidCountError,
    MissingValueError,
    ShapeMismatchError,
    UnknownInstanceTypeError,
    UnsupportedInputError,
)
from eks_win_capacity.density.fleet_codes import BLOCK

NAMES, ADDRESSES, NITRO, *_ = bundled_rows()
names = st.sampled_from(NAMES)
limits = st.integers(1, 1_000_000)
modes = st.booleans()
DTYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i2", ">i8", ">u4", "f4", "f8", ">f8"]

GUIDE = {
    # EKS user guide, "Deploy Windows nodes on EKS clusters".
    "m5.large": (10, 9, 144),
    "c5.large": (10, 9, 144),
    # Best-practices guide; its 244 for prefixes is an error: (15 - 1) x 16 is 224.
    "t3.xlarge": (15, 14, 224),
}


# -- laws ---------------------------------------------------------------------


@given(limits)
def test_a_prefix_serves_sixteen_pods(n):
    assert ewc.ip_capacity(n, prefix_delegation=True) == 16 * ewc.ip_capacity(n)
    assert prefix(n) == 16 * secondary(n)


@given(st.lists(limits, max_size=40), modes)
def test_an_array_gives_what_its_numbers_give(numbers, mode):
    capacity = ewc.ip_capacity(np.array(numbers, dtype=np.int64), prefix_delegation=mode)
    assert capacity.tolist() == [ewc.ip_capacity(n, prefix_delegation=mode) for n in numbers]
    assert ewc.ip_capacity(numbers, prefix_delegation=mode).tolist() == capacity.tolist()


@given(limits, limits, modes)
def test_more_addresses_never_give_fewer_pods(a, b, mode):
    low, high = sorted((a, b))
    assert ewc.ip_capacity(low, prefix_delegation=mode) <= ewc.ip_capacity(
        high, prefix_delegation=mode
    )


@given(st.lists(st.tuples(names, modes, st.integers(0, 2000)), min_size=1, max_size=30))
def test_one_meaning_for_a_node_and_for_many(rows):
    types, prefixes, kubelet = (list(column) for column in zip(*rows, strict=True))
    together = ewc.max_pods(types, prefix_delegation=prefixes, kubelet_max_pods=kubelet)
    alone = [ewc.max_pods(t, prefix_delegation=p, kubelet_max_pods=k) for t, p, k in rows]
    assert together.tolist() == alone


@given(names, modes, st.integers(0, 1_000_000))
def test_the_kubelet_takes_the_smaller_number(name, mode, kubelet):
    bare = ewc.max_pods(name, prefix_delegation=mode)
    both = ewc.max_pods(name, prefix_delegation=mode, kubelet_max_pods=kubelet)
    assert both == min(bare, kubelet)


def test_prefixes_give_sixteen_times_as_many_on_nitro_and_the_same_on_others():
    secondary, prefix = ewc.max_pods(NAMES), ewc.max_pods(NAMES, prefix_delegation=True)
    nitro = np.array(NITRO)
    assert (prefix[nitro] == 16 * secondary[nitro]).all()
    assert (prefix[~nitro] == secondary[~nitro]).all()
    assert (~nitro).any()


def test_every_type_has_its_addresses_less_one():
    assert ewc.max_pods(NAMES).tolist() == [n - 1 for n in ADDRESSES]


@pytest.mark.parametrize("rows", [BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
@pytest.mark.parametrize("mode", [False, True])
def test_blocks_leave_no_seam(rows, mode):
    numbers = np.random.default_rng(1).integers(1, 65, rows)
    capacity = ewc.ip_capacity(numbers, prefix_delegation=mode)
    assert (capacity == (numbers - 1) * (16 if mode else 1)).all()
    numbers[-1] = 0
    with pytest.raises(InvalidCountError, match=f"got 0 at position {rows - 1}$"):
        ewc.ip_capacity(numbers, prefix_delegation=mode)


# -- reference values ---------------------------------------------------------


@pytest.mark.parametrize(("name", "figures"), GUIDE.items(), ids=GUIDE)
def test_the_guides_examples(name, figures):
    addresses, secondary, prefix = figures
    assert ewc.max_pods(name) == ewc.ip_capacity(addresses) == secondary
    assert ewc.max_pods(name, prefix_delegation=True) == prefix
    assert ewc.ip_capacity(addresses, prefix_delegation=True) == prefix
    assert ewc.max_pods(name, prefix_delegation=True, kubelet_max_pods=110) == min(prefix, 110)


def test_a_type_without_nitro_stays_in_secondary_mode():
    """T2 runs on Xen (EC2's answer for Hypervisor): prefixes do not act on it."""
    assert ewc.max_pods("t2.large", prefix_delegation=True) == ewc.max_pods("t2.large") == 11


# -- numbers: kinds and dtypes ------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", [False, True])
def test_no_dtype_wraps(dtype, mode):
    column = np.array([1, 10, 64, 127], dtype=dtype)
    column.setflags(write=False)
    capacity = ewc.ip_capacity(column, prefix_delegation=mode)
    assert capacity.dtype == np.int64
    assert capacity.tolist() == [
        ewc.ip_capacity(n, prefix_delegation=mode) for n in (1, 10, 64, 127)
    ]
    assert column.tolist() == [1, 10, 64, 127]


@pytest.mark.parametrize("dtype", ["int64", "uint8", "Int64", "UInt8", "Float64", "int64[pyarrow]"])
@pytest.mark.parametrize("mode", [False, True])
def test_a_series_gives_a_series_with_its_index(dtype, mode):
    column = pd.Series([10, 15], index=["a", "b"], dtype=dtype, name="ips")
    capacity = ewc.ip_capacity(column, prefix_delegation=mode)
    wanted = pd.Series([9, 14], index=["a", "b"], name="ip_capacity") * (16 if mode else 1)
    pd.testing.assert_series_equal(capacity, wanted)


@pytest.mark.parametrize(
    "column",
    [
        [[10, 15], [4, 64]],
        ((10, 15), (4, 64)),
        np.array([[10, 15], [4, 64]]),
        np.array([[10, 4], [15, 64]]).T,
        np.array([[10, 0, 15], [4, 0, 64]])[:, ::2],
        np.array([[10, 15], [4, 64]], dtype=object),
    ],
    ids=["list", "tuple", "array", "transposed", "strided", "object"],
)
def test_the_shape_stays(column):
    assert ewc.ip_capacity(column).tolist() == [[9, 14], [3, 63]]
    assert ewc.ip_capacity(column, prefix_delegation=[True, False]).tolist() == [
        [144, 14],
        [48, 63],
    ]


@pytest.mark.parametrize("empty", [[], np.array([], "i4"), np.array([]), pd.Series([], dtype=int)])
def test_nothing_gives_nothing(empty):
    capacity = ewc.ip_capacity(empty)
    assert capacity.dtype == np.int64
    assert capacity.shape == (0,)


def test_an_array_without_dimensions_stays_an_array():
    capacity = ewc.ip_capacity(np.array(10))
    assert isinstance(capacity, np.ndarray)
    assert capacity.shape == ()
    assert ewc.ip_capacity(np.int8(10)) == ewc.ip_capacity(10.0) == 9
    assert type(ewc.ip_capacity(np.int8(10), prefix_delegation=np.True_)) is int


@pytest.mark.parametrize(
    "wrong",
    [
        0, -1, 1_000_001, 1.5, float("inf"), True, "10", 1j, b"1", [True], ["10"], [10, "x"],
        [10, 0], [10, 1.5], np.array([10, -(2**63)]), np.array([2**64 - 1], "u8"), np.array([2**63 + 5], "u8"),
        np.array([3, 1.5], dtype=object), np.array([2**70], dtype=object), np.array([[1], [0]]),
        pd.Timestamp("2026-01-01"), np.array(0), np.array("x", dtype=object), np.array(True, dtype=object),
    ],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("mode", [False, True])
def test_what_is_no_count_is_refused(wrong, mode):
    with pytest.raises(
        InvalidCountError,
        match="ipv4_per_interface must be a whole number from 1 to 1,000,000; got",
    ):
        ewc.ip_capacity(wrong, prefix_delegation=mode)


@pytest.mark.parametrize("mode", [False, True])
def test_the_limits_of_a_count_are_included(mode):
    ends = np.array([1, 1_000_000])
    assert ewc.ip_capacity(ends, prefix_delegation=mode).tolist() == [
        ewc.ip_capacity(n, prefix_delegation=mode) for n in ends.tolist()
    ]
    for beyond in (0, 1_000_001):
        with pytest.raises(InvalidCountError, match=f"got {beyond} at position 1"):
            ewc.ip_capacity(np.array([1, beyond]), prefix_delegation=mode)


def test_whole_floats_among_objects_are_counts():
    assert ewc.ip_capacity(np.array([3.0, 4], dtype=object)).tolist() == [2, 3]


@pytest.mark.parametrize(
    "column",
    [
        [10, None],
        [10, float("nan")],
        np.array([10, np.nan], dtype=object),
        np.array([10, pd.NA], dtype=object),
        np.array([10, pd.NaT], dtype=object),
        pd.Series([10, None], dtype="Int64"),
        pd.Series([10, None]),
        pd.array([10, None], dtype="Int64"),
    ],
)
def test_a_missing_number_is_an_error_with_its_place(column):
    with pytest.raises(MissingValueError, match="1 missing value, first at position 1") as caught:
        ewc.ip_capacity(column)
    assert caught.value.positions == (1,)
    assert caught.value.count == 1


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT])
def test_a_missing_single_number_is_an_error(missing):
    with pytest.raises(MissingValueError):
        ewc.ip_capacity(missing)


def test_a_missing_number_in_the_middle_is_the_only_one_named():
    with pytest.raises(MissingValueError) as caught:
        ewc.ip_capacity([10, None, 20])
    assert caught.value.positions == (1,)


@pytest.mark.parametrize("make", [pd.Index, lambda x: pd.array(x, dtype="Int8"), pd.Categorical])
def test_other_pandas_columns_of_numbers_are_arrays(make):
    assert ewc.ip_capacity(make([10, 15])).tolist() == [9, 14]


def test_many_missing_numbers_are_counted_and_the_first_named():
    with pytest.raises(
        MissingValueError, match="7 missing values, first at positions 0, 1, 2, 3, 4"
    ):
        ewc.ip_capacity([None] * 7)


def test_a_frame_and_ragged_rows_are_refused():
    with pytest.raises(UnsupportedInputError, match="give one of its columns"):
        ewc.ip_capacity(pd.DataFrame({"a": [1]}))
    with pytest.raises(ShapeMismatchError, match="ragged"):
        ewc.ip_capacity([[1], [1, 2]])


def test_an_array_as_an_item_is_no_count():
    column = np.empty(1, dtype=object)
    column[0] = np.array([1, 2])
    with pytest.raises(InvalidCountError):
        ewc.ip_capacity(column)


# -- flags --------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", [1, "true", [1], ["true"], [True, "false"], np.array([True, 2], object)]
)
def test_only_booleans_are_flags(wrong):
    for ask in (lambda: ewc.max_pods("m5.large", prefix_delegation=wrong),
                lambda: ewc.ip_capacity(10, prefix_delegation=wrong)):  # fmt: skip
        with pytest.raises(InputError, match="prefix_delegation must be True or False; got"):
            ask()


def test_the_first_wrong_flag_is_named():
    with pytest.raises(InputError, match=r"got 2 at position 1$"):
        flags(np.array([True, 2], dtype=object), name="x")


@pytest.mark.parametrize("wrong", [[True, None], pd.Series([True, None], dtype="boolean"), None])
def test_a_missing_flag_is_an_error(wrong):
    with pytest.raises(MissingValueError):
        ewc.max_pods(["m5.large"] * 2, prefix_delegation=wrong)


@pytest.mark.parametrize(
    "column", [[], np.array([]), pd.Series([True], dtype="boolean"), np.array([True], object)]
)
def test_flags_of_any_kind_are_read(column):
    assert flags(column, name="x").dtype == np.bool_


# -- columns together ---------------------------------------------------------


def test_series_with_different_indexes_are_not_aligned():
    types = pd.Series(["m5.large", "t2.large"])
    other = pd.Series([True, False], index=[1, 0])
    out = np.zeros(2, dtype=np.int64)
    with pytest.raises(IndexMismatchError, match="instance_type and prefix_delegation"):
        ewc.max_pods(types, prefix_delegation=other, out=out)
    assert out.tolist() == [0, 0]
    with pytest.raises(IndexMismatchError):
        ewc.ip_capacity(pd.Series([1, 2]), prefix_delegation=other)


def test_lengths_that_do_not_go_together_are_named():
    lengths = r"instance_type \(2,\), prefix_delegation \(3,\)"
    with pytest.raises(ShapeMismatchError, match=lengths):
        ewc.max_pods(pd.Series(["m5.large"] * 2), prefix_delegation=[True] * 3)
    with pytest.raises(ShapeMismatchError):
        ewc.max_pods(["m5.large"] * 2, kubelet_max_pods=[1, 2, 3])
    with pytest.raises(ShapeMismatchError):
        ewc.ip_capacity([1, 2], prefix_delegation=[True] * 3)


def test_a_series_does_not_go_with_a_wider_column():
    wide = [[True, False], [False, True]]
    with pytest.raises(ShapeMismatchError, match="a Series of 2 rows"):
        ewc.max_pods(pd.Series(["m5.large"] * 2), prefix_delegation=wide)
    with pytest.raises(ShapeMismatchError, match="a Series of 2 rows"):
        ewc.ip_capacity(pd.Series([1, 2]), prefix_delegation=wide)


def test_one_type_broadcasts_over_columns():
    assert ewc.max_pods("m5.large", prefix_delegation=[True, False]).tolist() == [144, 9]
    pods = ewc.max_pods("m5.large", kubelet_max_pods=pd.Series([5, 50], index=["a", "b"]))
    assert pods.to_dict() == {"a": 5, "b": 9}
    assert ewc.ip_capacity(10, prefix_delegation=pd.Series([True], index=["z"])).to_dict() == {
        "z": 144
    }


def test_counts_may_share_memory_only_when_asked():
    column = np.array([1, 2])
    assert not np.shares_memory(counts(column, name="x"), column)
    assert np.shares_memory(counts(column, name="x", copy=False), column)


def test_answers_of_numbers_come_in_kind():
    assert in_kind(np.array(3), answer="x", n=1) == 3
    assert in_kind(np.array([3]), answer="x", n=[1]).tolist() == [3]


# -- errors of one name -------------------------------------------------------


def test_an_unknown_name_is_told_with_its_likely_cure():
    with pytest.raises(UnknownInstanceTypeError) as caught:
        ewc.max_pods("m5.larg")
    error = caught.value
    assert str(error).startswith("no row for 'm5.larg' in the catalog of ")
    assert str(error).endswith("Did you mean 'm5.large'?")
    assert (error.names, error.positions, error.count) == (("m5.larg",), (), 1)
    assert error.close_matches[0] == "m5.large"
    assert error.as_of == ewc.Catalog.bundled().as_of
    assert isinstance(error, KeyError)


@pytest.mark.parametrize(
    "near", ["", "m5", "m5.large ", " m5.large", "M5.LARGE", "m5.large 10", "m5.large\n", "large"]
)
def test_only_whole_names_are_known(near):
    with pytest.raises(UnknownInstanceTypeError):
        ewc.max_pods(near)


@pytest.mark.parametrize("wrong", [-1, 1_000_001, 1.5, True, "110"])
def test_the_kubelets_limit_is_a_count(wrong):
    with pytest.raises(InvalidCountError, match="kubelet_max_pods must be a whole number from 0"):
        ewc.max_pods("m5.large", kubelet_max_pods=wrong)


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_a_missing_name_is_an_error_or_null(missing):
    with pytest.raises(MissingValueError, match='pass on_unknown="null"'):
        ewc.max_pods(missing)
    assert ewc.max_pods(missing, on_unknown="null") is None


def test_an_unknown_name_may_be_null():
    assert ewc.max_pods("nope", on_unknown="null") is None
    assert ewc.max_pods("m5.large", on_unknown="null") == 9


def test_a_policy_is_raise_or_null():
    for policy in ("ignore", "", None):
        with pytest.raises(InputError, match="on_unknown"):
            ewc.max_pods("m5.large", on_unknown=policy)


def test_a_catalog_of_ones_own_answers_alone():
    catalog = ewc.Catalog.bundled().filter(family="t2")
    assert ewc.max_pods("t2.large", catalog=catalog) == 11
    with pytest.raises(UnknownInstanceTypeError):
        ewc.max_pods("m5.large", catalog=catalog)
    with pytest.raises(InputError, match="catalog must be a Catalog or None; got 3"):
        ewc.max_pods("m5.large", catalog=3)


# -- dtype and out ------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["i2", "u2", "i4", "u8", ">i4", np.int16])
def test_dtype_chooses_the_integer(dtype):
    pods = ewc.max_pods(["m5.large"], prefix_delegation=True, dtype=dtype)
    assert pods.dtype == np.dtype(dtype)
    assert pods.tolist() == [144]
    out = np.zeros(1, dtype)
    assert ewc.max_pods(["m5.large"], out=out, dtype=dtype) is out
    assert out.tolist() == [9]


@pytest.mark.parametrize("wrong", [float, bool, "U3", object, "junk"])
def test_a_dtype_that_is_no_integer_is_refused(wrong):
    with pytest.raises(InputError, match="dtype must be an integer dtype"):
        ewc.max_pods(["m5.large"], dtype=wrong)


def test_a_dtype_too_narrow_is_refused_and_never_wraps():
    nodes = ["m5.large", "c5.4xlarge"]
    with pytest.raises(InvalidCountError, match="uint8 holds at most 255, and a node takes 464"):
        ewc.max_pods(nodes, prefix_delegation=True, dtype=np.uint8)
    with pytest.raises(InvalidCountError, match="int8 holds at most 127, and a node takes 144"):
        ewc.Fleet.encode(nodes[:1]).max_pods(prefix_delegation=True, dtype=np.int8)
    assert ewc.max_pods(nodes[:1], prefix_delegation=True, dtype="u1").tolist() == [144]
    for limit in (110, [110, 110]):
        pods = ewc.max_pods(nodes, prefix_delegation=True, kubelet_max_pods=limit, dtype="u1")
        assert pods.tolist() == [110, 110]
        assert pods.dtype == np.uint8
    assert ewc.max_pods([], dtype=np.int8).tolist() == []


def test_a_masked_name_is_a_missing_one():
    names = np.ma.array(["m5.large", "nope"], mask=[False, True])
    with pytest.raises(MissingValueError, match="first at position 1"):
        ewc.max_pods(names)
    assert ewc.max_pods(names[:1]).tolist() == [9]


def test_one_missing_name_is_told_as_one():
    with pytest.raises(MissingValueError, match=r"instance_type is missing \(it is None\)"):
        ewc.max_pods(None)


def test_a_hint_says_which_name_it_is_for():
    with pytest.raises(UnknownInstanceTypeError, match=r"mean 'm5\.large' for 'm5\.larg'"):
        ewc.max_pods(["qqq", "m5.larg", "m5.large"])


def test_shapes_are_told_of_what_was_given():
    with pytest.raises(ShapeMismatchError) as caught:
        ewc.attached_addresses([1, 2], slots=[1, 2, 3], pool=ewc.WarmPool.prefix())
    assert "peak_prefixes" not in str(caught.value)


@pytest.mark.parametrize(
    ("out", "error"),
    [
        ([0, 0], InputError),
        (pd.Series([0, 0]), InputError),
        (np.zeros(2), InputError),
        (np.zeros(3, int), ShapeMismatchError),
        (np.zeros((1, 2), int), ShapeMismatchError),
        (np.broadcast_to(0, 2), InputError),
    ],
)
def test_an_out_that_cannot_take_the_answer_is_refused(out, error):
    with pytest.raises(error, match="out"):
        ewc.max_pods(["m5.large", "t2.large"], out=out)


def test_out_and_dtype_must_agree():
    with pytest.raises(InputError, match="out has dtype int64, and dtype asks for int16"):
        ewc.max_pods(["m5.large"], out=np.zeros(1, int), dtype="i2")


def test_a_strided_out_is_written_in_its_places():
    whole = np.full((2, 4), -1)
    ewc.max_pods([["m5.large", "t2.large"]] * 2, out=whole[:, ::2], kubelet_max_pods=[5, 100])
    assert whole.tolist() == [[5, -1, 11, -1]] * 2


def test_a_column_of_limits_is_not_written_to():
    kubelet = np.array([5, 50])
    kubelet.setflags(write=False)
    pods = ewc.max_pods(["m5.large", "t2.large"], kubelet_max_pods=kubelet, dtype="i2")
    assert pods.tolist() == [5, 11]
    assert not np.shares_memory(pods, kubelet)
