"""A fleet encoded once answers as if it were asked anew."""

import gc
import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eks_win_capacity as ewc
from eks_win_capacity.catalog.limit_table import LimitTable, bundled_table
from eks_win_capacity.catalog.limits import bundled_rows
from eks_win_capacity.core.arrays import KeptFor
from eks_win_capacity.core.errors import (
    IndexMismatchError,
    InputError,
    InvalidCountError,
    MissingValueError,
    ShapeMismatchError,
    UnknownInstanceTypeError,
    UnsupportedInputError,
)
from eks_win_capacity.density.fleet_codes import lookup, over_spans

NAMES = bundled_rows()[0]
some_names = st.lists(st.sampled_from(NAMES), max_size=40)
limits = st.one_of(st.none(), st.integers(0, 1200))
THREE = ["m5.large", "t2.large", "m5.large"]


@given(some_names, st.booleans(), limits)
def test_the_total_is_the_sum_over_the_nodes(names, mode, kubelet):
    fleet = ewc.Fleet.encode(names)
    question = {"prefix_delegation": mode, "kubelet_max_pods": kubelet}
    pods = fleet.max_pods(**question)
    assert pods.tolist() == ewc.max_pods(names, **question).tolist()
    assert fleet.total(**question) == pods.sum()
    modes = np.full(len(names), mode)
    assert fleet.total(prefix_delegation=modes, kubelet_max_pods=kubelet) == pods.sum()


@given(some_names)
def test_codes_are_positions_in_the_names(names):
    fleet = ewc.Fleet.encode(names)
    assert [fleet.instance_types[code] for code in fleet.codes] == names
    again = ewc.Fleet.from_codes(fleet.codes, fleet.instance_types)
    assert (again.codes == fleet.codes).all()
    assert fleet.histogram.sum() == len(fleet) == len(names)
    assert fleet.counts.to_dict() == {name: names.count(name) for name in set(names)}


@given(some_names.filter(bool), st.integers(0, 10**6), st.booleans())
def test_the_nodes_needed_are_just_enough(names, pods, mode):
    fleet = ewc.Fleet.encode(names)
    each = fleet.max_pods(prefix_delegation=mode)
    nodes = fleet.nodes_needed(pods, prefix_delegation=mode)
    assert (nodes * each >= pods).all()
    assert ((nodes - 1) * each < max(pods, 1)).all()
    column = fleet.nodes_needed([pods] * len(names), prefix_delegation=mode)
    assert (column == nodes).all()


def test_a_node_of_one_pod_is_needed_for_each():
    fleet = ewc.Fleet.encode(["m5.large", "c5.4xlarge"])
    assert fleet.nodes_needed(7, kubelet_max_pods=1).tolist() == [7, 7]
    assert fleet.total(kubelet_max_pods=20) == fleet.total() - 9 == 29


@given(some_names)
def test_a_higher_limit_never_takes_pods_away(names):
    fleet = ewc.Fleet.encode(names)
    totals = [
        fleet.total(prefix_delegation=True, kubelet_max_pods=n) for n in (0, 8, 110, 250, 2000)
    ]
    assert totals == sorted(totals)
    assert totals[-1] == fleet.total(prefix_delegation=True)


# -- what a fleet says of itself ----------------------------------------------


def test_a_fleet_says_what_it_is():
    fleet = ewc.Fleet.encode(THREE)
    assert repr(fleet) == "<Fleet of 3 nodes, 2 types>"
    assert (len(fleet), fleet.shape, fleet.unknown) == (3, (3,), 0)
    assert (fleet.as_of, fleet.source) == bundled_rows()[3:]
    assert fleet.instance_types == tuple(NAMES)
    assert repr(ewc.Fleet.encode(["m5.large", None], on_unknown="null")).endswith(
        "1 type, 1 unknown>"
    )


def test_counts_name_the_commonest_first():
    counts = ewc.Fleet.encode(["t2.large", *THREE, None], on_unknown="null").counts
    assert list(counts.items()) == [("m5.large", 2), ("t2.large", 2)]
    assert (counts.name, counts.index.name) == ("nodes", "instance_type")


def test_a_fleet_cannot_be_changed_by_its_arrays():
    fleet = ewc.Fleet.encode(THREE)
    for array in (fleet.codes, fleet.histogram):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_fleet_of_one_or_of_rows_keeps_its_shape():
    assert ewc.Fleet.encode("m5.large").max_pods() == 9
    assert ewc.Fleet.encode("m5.large").total(prefix_delegation=[True, False]) == 153
    rows = ewc.Fleet.encode([THREE, THREE])
    assert rows.shape == (2, 3)
    assert rows.max_pods(prefix_delegation=[[True], [False]]).tolist() == [
        [144, 11, 144],
        [9, 11, 9],
    ]
    assert rows.nodes_needed(10).tolist() == [[2, 1, 2]] * 2


def test_the_column_may_change_after_it_was_encoded():
    names = np.array(THREE, dtype=object)
    column = pd.Series(names, copy=False)
    fleet = ewc.Fleet.encode(column)
    names[:] = "nope"
    assert fleet.max_pods().tolist() == [9, 11, 9]


def test_the_catalog_of_a_fleet_is_its_own():
    catalog = ewc.Catalog.bundled().filter(family="t2")
    fleet = ewc.Fleet.encode(["t2.large"], catalog=catalog)
    assert fleet.total() == 11
    assert set(fleet.instance_types) == set(catalog)
    with pytest.raises(UnknownInstanceTypeError):
        ewc.Fleet.encode(["m5.large"], catalog=catalog)


# -- codes that exist already -------------------------------------------------


@pytest.mark.parametrize("dtype", ["i1", "u1", ">i4", "u8", "f8", object])
def test_codes_of_any_dtype_are_taken(dtype):
    codes = np.array([[0, 1], [1, 1]]).astype(dtype)
    pods = ewc.Fleet.from_codes(codes, ["m5.large", "t2.large"]).max_pods()
    assert pods.tolist() == [[9, 11], [11, 11]]


def test_minus_one_is_a_missing_value_and_never_the_first_type():
    codes = np.array([0, -1, 1])
    with pytest.raises(MissingValueError) as caught:
        ewc.Fleet.from_codes(codes, ["m5.large", "t2.large"])
    assert caught.value.positions == (1,)
    fleet = ewc.Fleet.from_codes(codes, ["m5.large", "t2.large"], on_unknown="null")
    assert fleet.max_pods().tolist() == [9, pd.NA, 11]
    assert fleet.unknown == 1
    assert codes.tolist() == [0, -1, 1]


@pytest.mark.parametrize("wrong", [[2], [-2], [0.5], [True]])
def test_a_code_without_a_name_is_refused(wrong):
    with pytest.raises(InvalidCountError, match="codes must be a whole number from -1 to 1"):
        ewc.Fleet.from_codes(wrong, ["m5.large", "t2.large"])


def test_names_of_codes_must_be_known():
    with pytest.raises(UnknownInstanceTypeError):
        ewc.Fleet.from_codes([0], ["nope"])
    for make in (ewc.Fleet.encode, lambda _, **kw: ewc.Fleet.from_codes([0], ["m5.large"], **kw)):
        with pytest.raises(InputError, match="on_unknown"):
            make(["m5.large"], on_unknown="ignore")


# -- columns beside the fleet -------------------------------------------------


def test_series_must_share_the_index_of_the_fleet():
    fleet = ewc.Fleet.encode(pd.Series(THREE, index=list("abc")))
    same = pd.Series([True, True, False], index=list("abc"))
    other = same.set_axis([1, 2, 3])
    pods = fleet.max_pods(prefix_delegation=same)
    pd.testing.assert_series_equal(
        pods, pd.Series([144, 11, 9], index=list("abc"), name="max_pods")
    )
    assert fleet.total(prefix_delegation=same) == 164
    needed = fleet.nodes_needed(same.astype(int) * 10)
    assert needed.to_dict() == {"a": 2, "b": 1, "c": 0}
    for ask in (fleet.max_pods, fleet.total, lambda **kw: fleet.nodes_needed(1, **kw)):
        with pytest.raises(IndexMismatchError):
            ask(prefix_delegation=other)
        with pytest.raises(ShapeMismatchError):
            ask(prefix_delegation=[True, False])
    with pytest.raises(IndexMismatchError):
        fleet.nodes_needed(pd.Series([1, 2, 3]))


def test_out_and_dtype_serve_reused_and_narrow_results():
    fleet = ewc.Fleet.encode(THREE)
    out = np.zeros(3, dtype=np.int16)
    assert fleet.max_pods(out=out, kubelet_max_pods=[5, 50, 5]) is out
    assert out.tolist() == [5, 11, 5]
    assert fleet.max_pods(dtype=np.uint8).dtype == np.uint8
    series = ewc.Fleet.encode(pl.Series(THREE)).max_pods(dtype=np.int32)
    assert series.dtype == pl.Int32


@pytest.mark.parametrize("limit", [0, [0, 5, 5]])
def test_no_number_of_nodes_is_enough_where_a_node_takes_none(limit):
    fleet = ewc.Fleet.encode(THREE)
    with pytest.raises(InvalidCountError, match="no number of nodes is enough"):
        fleet.nodes_needed(10, kubelet_max_pods=limit)
    with pytest.raises(InvalidCountError, match="pods must be a whole number"):
        fleet.nodes_needed(-1)


# -- the table below ----------------------------------------------------------


def test_a_table_keeps_few_answers():
    table = LimitTable(["a.b"], [10], [True], as_of="2026-01-01", source="test")
    for limit in range(200):
        pods = table.answers(prefix_delegation=True, kubelet_max_pods=limit, dtype=np.dtype("i8"))
        assert pods.tolist() == [min(144, limit), 0]
    assert bundled_table() is bundled_table()


def test_codes_past_the_end_take_the_last_slot():
    codes, out = np.array([0, 1, 255, 255], dtype=np.uint8), np.zeros(4, dtype=np.int64)
    lookup(np.array([5, 0]), codes, out)
    assert out.tolist() == [5, 0, 0, 0]
    second = np.array([True, False, False, True])
    lookup(np.array([5, 0, 50, -1]), codes, out, second=second)
    assert out.tolist() == [50, 0, 0, -1]


# -- objects that rows share, and groups --------------------------------------


CATALOG = ewc.Catalog.bundled()


def shared_column(rows=200_000, extra=()):
    rng = np.random.default_rng(3)
    names = np.array([*CATALOG][:50] + list(extra), dtype=object)
    return names[rng.integers(0, len(names), rows)]


@pytest.mark.parametrize("step", [1, -1, 3])
def test_shared_objects_are_looked_up_as_others_are(step):
    column = shared_column()[::step]
    each = [f"{name} "[:-1] for name in column.tolist()]
    assert ewc.max_pods(column).tolist() == ewc.max_pods(each).tolist()


def test_shared_objects_that_are_no_names_are_found():
    column = shared_column(extra=["m5.larg", None, float("nan")])
    out = ewc.max_pods(column, on_unknown="null")
    known = np.array([isinstance(x, str) and x != "m5.larg" for x in column])
    assert (np.asarray(out.isna()) == ~known).all()
    with pytest.raises(ewc.errors.MissingValueError):
        ewc.max_pods(column)
    with pytest.raises(ewc.errors.UnknownInstanceTypeError):
        ewc.max_pods(shared_column(extra=["m5.larg"]))
    odd = shared_column()
    odd[150_000] = []
    with pytest.raises(ewc.errors.UnsupportedInputError, match="a list at position 150000"):
        ewc.max_pods(odd)


def test_the_same_categories_are_looked_up_once_and_others_anew():
    names = pd.Index(["m5.large", "c5.4xlarge"])
    column = pd.Series(pd.Categorical.from_codes([0, 1, -1], names))
    catalog = ewc.Catalog(
        [replace(CATALOG[name], ipv4_per_interface=5) for name in names],
        as_of="2026-01-01",
        source="a test",
    )
    for _ in range(2):
        assert ewc.max_pods(column[:2]).tolist() == [9, 29]
        assert ewc.max_pods(column[:2], catalog=catalog).tolist() == [4, 4]
        assert ewc.max_pods(column, on_unknown="null").isna().tolist() == [False, False, True]
    other = column[:2].cat.rename_categories(["t3.xlarge", "m5.large"])
    assert ewc.max_pods(other).tolist() == [14, 9]


KEPT_KINDS = {
    "pandas": lambda names: pd.Categorical(names, [*CATALOG]),
    "pyarrow": lambda names: pa.array(names, pa.string()).dictionary_encode(),
    "pyarrow chunked": lambda names: pa.chunked_array([names], pa.string()).dictionary_encode(),
    "polars": lambda names: pl.Series(names, dtype=pl.Enum([*CATALOG])),
}


@pytest.mark.parametrize("make", KEPT_KINDS.values(), ids=KEPT_KINDS)
def test_a_column_that_gets_the_place_of_a_dead_one_is_another(make):
    for name in [*CATALOG][:40]:  # each column dies, and its address soon serves again
        column = make([name, None])
        expected = [ewc.max_pods(name), None]
        for _ in range(2):
            pods = ewc.max_pods(column, on_unknown="null")
            assert pa.array(pods).to_pylist() == expected
            assert np.asarray(ewc.max_pods(column[:1])).tolist() == expected[:1]


def test_an_enum_that_grows_in_place_is_looked_up_anew():
    kind = pl.Enum([*CATALOG])
    column = pl.Series(["m5.large"], dtype=kind)
    assert ewc.max_pods(column).to_list() == [9]
    column.append(pl.Series(["t3.xlarge"], dtype=kind))
    assert ewc.max_pods(column).to_list() == [9, 14]


def test_what_is_kept_for_an_object_dies_with_it():
    kept = KeptFor(2)
    one, two = pd.Index([1]), pd.Index([2])
    assert kept.keep(one, "one") == kept.get(one) == "one"
    assert kept.get(two) is None
    kept.keep(one, "another")
    assert (kept.get(one), len(kept)) == ("another", 1)
    del one
    gc.collect()
    assert len(kept) == 0
    owners = [pd.Index([i]) for i in range(3)]
    assert [kept.keep(owner, i) for i, owner in enumerate(owners)] == [0, 1, 2]
    assert [kept.get(owner) for owner in owners] == [None, None, 2]


LONG = 1_200_000
LONG_KINDS = {
    "text": pa.array,
    "category": lambda names: pd.Categorical(names, [*CATALOG]),
    "dictionary": lambda names: pa.array(names).dictionary_encode(),
    "fleet": ewc.Fleet.encode,
}


@pytest.fixture(params=[1, 2, 5], ids="{} threads".format)
def threads(request):
    before = pa.cpu_count()
    pa.set_cpu_count(request.param)
    yield request.param
    pa.set_cpu_count(before)


@pytest.mark.parametrize("make", LONG_KINDS.values(), ids=LONG_KINDS)
def test_long_columns_are_looked_up_in_as_many_threads_as_pyarrow_has(make, threads):
    names = shared_column(LONG)
    column = make(names)
    for modes in (True, np.arange(LONG) % 3 == 0):
        expected = ewc.max_pods(names, prefix_delegation=modes)
        if isinstance(column, ewc.Fleet):
            assert (column.max_pods(prefix_delegation=modes) == expected).all()
        else:
            assert (np.asarray(ewc.max_pods(column, prefix_delegation=modes)) == expected).all()
    with pytest.raises(ewc.errors.UnknownInstanceTypeError, match=f"at position {LONG - 1}"):
        ewc.max_pods(pa.concat_arrays([pa.array(names[1:]), pa.array(["m5.larg"])]))


def test_spans_are_worked_on_at_once_where_pyarrow_has_two_threads(threads):
    both = threading.Barrier(min(threads, 2))
    assert over_spans(4, lambda start, stop: both.wait(60) < 0 or (start, stop), span=2) == [
        (0, 2),
        (2, 4),
    ]


@pytest.mark.parametrize("mode", [False, True])
def test_long_numbers_are_counted_in_threads(mode, threads):
    numbers = np.random.default_rng(5).integers(1, 51, LONG)
    capacity = ewc.ip_capacity(numbers, prefix_delegation=mode)
    assert (capacity == (numbers - 1) * (16 if mode else 1)).all()
    for wrong in (0, -(10**15), 10**6 + 1):
        numbers[-1] = wrong
        with pytest.raises(InvalidCountError, match=f"at position {LONG - 1}"):
            ewc.ip_capacity(numbers, prefix_delegation=mode)
    numbers[-1] = 10**6  # the greatest; its bits and those of 600,000 make a greater number
    numbers[-2] = 600_000
    assert ewc.ip_capacity(numbers).tolist()[-2:] == [599_999, 999_999]


def test_a_column_may_change_while_its_objects_are_looked_up(monkeypatch):
    column = shared_column()
    expected = ewc.max_pods(column.tolist())
    factorize = pd.factorize

    def meanwhile(addresses):
        factorized = factorize(addresses)
        column[:] = "t3.xlarge"  # what another thread may do while no lock is held
        return factorized

    monkeypatch.setattr(pd, "factorize", meanwhile)
    rows = 1 << 16
    assert (ewc.max_pods(column)[:rows] == expected[:rows]).all()


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, pd.Categorical])
def test_sums_of_groups_are_those_of_the_columns(kind):
    column = shared_column(100_000, extra=["m5.larg"])
    fleet = ewc.Fleet.encode(column, on_unknown="null")
    groups = np.array([f"g{i}" for i in np.random.default_rng(1).integers(0, 60, len(column))])
    pods = np.asarray(ewc.max_pods(column, on_unknown="null").fillna(0).astype("int64"))
    by = fleet.by(kind(groups))
    expected = pd.Series(pods).groupby(groups).sum()
    assert by.total().tolist() == expected.tolist()
    assert by.total().index.tolist() == expected.index.tolist()
    assert by.nodes.tolist() == pd.Series(1, index=groups).groupby(level=0).sum().tolist()
    assert by.total(prefix_delegation=True, kubelet_max_pods=110).sum() == fleet.total(
        prefix_delegation=True, kubelet_max_pods=110
    )


@pytest.mark.parametrize("dtype", ["i1", "u1", ">i2", "i4", "u4", "i8", "u8", "Int64"])
@pytest.mark.parametrize("values", [[3, 3, 100, 7], "ends", "close to the highest"])
def test_sums_of_numbered_groups_are_those_of_the_columns(dtype, values):
    known = np.iinfo("i8" if dtype == "Int64" else dtype)
    if values == "ends":
        values = [known.min, known.max, known.min, 0]
    elif values == "close to the highest":
        values = [known.max, known.max - 2, known.max, known.max - 1]
    column = ["m5.large", "c5.4xlarge", "m5.large", "t3.large"]
    groups = pd.Series(values, dtype=dtype)
    by = ewc.Fleet.encode(column).by(groups)
    expected = pd.Series(ewc.max_pods(column)).groupby(groups.astype(object)).sum()
    assert by.total().to_dict() == expected.to_dict()
    assert by.total().index.tolist() == expected.index.tolist()
    assert by.nodes.sum() == len(column)


@pytest.mark.parametrize("count", [3, 2_000])
def test_every_node_counts_once_in_few_groups_and_in_many(count):
    groups = [f"g{n:04}" for n in range(count)] * 2
    by = ewc.Fleet.encode(["m5.large"] * len(groups)).by(groups)
    assert set(by.nodes) == {2}
    assert set(by.total()) == {18}


@pytest.mark.parametrize("groups", [[], np.array([], dtype=int)])
def test_no_node_has_no_group(groups):
    assert len(ewc.Fleet.encode(np.array([], dtype="U8")).by(groups).total()) == 0


@pytest.mark.parametrize("groups", [[[1], [2]], [{}, {}], [object(), object()], {"a", "b"}])
def test_groups_that_are_no_names_are_refused(groups):
    fleet = ewc.Fleet.encode(["m5.large", "t3.xlarge"])
    with pytest.raises(ewc.errors.UnsupportedInputError, match="groups"):
        fleet.by(groups)


def test_one_question_is_asked_of_all_groups():
    groups = ewc.Fleet.encode(["m5.large", "t3.xlarge"]).by(["a", "b"])
    with pytest.raises(ewc.errors.InputError, match="prefix_delegation must be True or False"):
        groups.total(prefix_delegation=[True, False])
    with pytest.raises(ewc.errors.InvalidCountError, match="must be one whole number"):
        groups.total(kubelet_max_pods=[1, 2])


def test_groups_that_do_not_go_with_a_fleet_are_refused():
    fleet = ewc.Fleet.encode(["m5.large", "c5.large"])
    with pytest.raises(ewc.errors.ShapeMismatchError):
        fleet.by(["a"])
    with pytest.raises(ewc.errors.MissingValueError):
        fleet.by(["a", None])
    with pytest.raises(ewc.errors.ShapeMismatchError, match=r"groups is a column; got .*\(2, 1\)"):
        fleet.by(np.zeros((2, 1)))
    with pytest.raises(ewc.errors.UnsupportedInputError, match="groups is a DataFrame"):
        fleet.by(pd.DataFrame({"a": ["x", "y"]}))
    series = ewc.Fleet.encode(pd.Series(["m5.large"], index=[3]))
    with pytest.raises(ewc.errors.IndexMismatchError):
        series.by(pd.Series(["a"], index=[4]))


def test_a_fleet_made_of_plain_names_says_how_to_encode_them():
    with pytest.raises(
        UnsupportedInputError, match=r"names must be a Names; got list: Fleet\.encode"
    ):
        ewc.Fleet(THREE, np.zeros(3, dtype=np.int32), bundled_table())
