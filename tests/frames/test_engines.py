"""The same answers in every engine, in kind."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eks_win_capacity as ewc

nw = pytest.importorskip("narwhals", reason="narwhals is not installed: the extra `frames`")

pytestmark = [
    pytest.mark.filterwarnings("ignore:Dask support is moving out of Narwhals:FutureWarning"),
]

CATALOG = ewc.Catalog.bundled()
NODES = pd.DataFrame(
    {
        "row": range(8),
        "instance_type": [
            "m5.large", "t3.xlarge", "m5.large", "c5.4xlarge",
            "t2.large", "m5.24xlarge", "t3.xlarge", "c5.4xlarge",
        ],
        "delegation": [True, False] * 4,
        "limit": [110, 5, 250, 20, 110, 0, 7, 1000],
        "pods": [0, 1, 9, 15, 16, 17, 200, 1000],
        "slots": [9, 14, 9, 29, 11, 49, 14, 29],
        "group": ["a", "b"] * 4,
        "pool": ["warm", "prefix"] * 4,
    }
)  # fmt: skip
ENGINES = ["pandas", "polars", "polars-lazy", "pyarrow", "duckdb", "dask", "pyspark"]
POOLS = {
    "warm": ewc.WarmPool.secondary(),
    "minimum": ewc.WarmPool.secondary(warm_ip_target=0, minimum_ip_target=4),
    "prefix": ewc.WarmPool.prefix(),
    "rule": ewc.WarmPool.prefix(warm_prefix_target=2),
    "both": ewc.WarmPool.prefix(warm_ip_target=20, minimum_ip_target=40),
}


@pytest.fixture(params=ENGINES)
def engine(request):
    """How a pandas frame becomes one of the engine."""
    name = request.param
    if name == "pandas":
        return lambda frame: frame
    if name == "pyspark":
        session = request.getfixturevalue("spark")
        kinds = {"int64": "bigint", "Int64": "bigint", "Int32": "int"}
        kinds |= {"bool": "boolean", "float64": "double"}

        def to_spark(frame):
            schema = ", ".join(
                f"`{c}` {kinds.get(str(t), 'string')}" for c, t in frame.dtypes.items()
            )
            rows = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
            return session.createDataFrame(rows, schema)

        return to_spark
    if name in {"pyarrow", "duckdb"}:
        pa = pytest.importorskip("pyarrow", reason="PyArrow is not installed")

        def to_arrow(frame):
            """Columns of objects without a value are strings too."""
            table = pa.Table.from_pandas(frame, preserve_index=False)
            kinds = [pa.string() if pa.types.is_null(f.type) else f.type for f in table.schema]
            return table.cast(pa.schema(list(zip(frame.columns, kinds, strict=True))))

        if name == "pyarrow":
            return to_arrow
        duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
        con = duckdb.connect()
        return lambda frame: con.from_arrow(to_arrow(frame))
    if name == "dask":
        dd = pytest.importorskip("dask.dataframe", reason="Dask is not installed")
        return lambda frame: dd.from_pandas(frame, npartitions=3)
    pl = pytest.importorskip("polars", reason="Polars is not installed")
    lazy = name == "polars-lazy"
    return lambda frame: pl.from_pandas(frame).lazy() if lazy else pl.from_pandas(frame)


def rows(frame, by="row"):
    """The rows of any frame in pandas; Spark knows no order, so it is sorted there."""
    frame = nw.from_native(frame)
    sort = isinstance(frame, nw.LazyFrame) and frame.implementation.is_pyspark()
    whole = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    listed = pd.DataFrame(list(whole.iter_rows(named=True)), columns=whole.columns)
    return listed.sort_values(by, ignore_index=True) if sort and by else listed


def refusal(frame, kind, match, ask):
    """The error of a question to a frame: at once where it is data, else once the plan is run."""
    lazy = isinstance(nw.from_native(frame), nw.LazyFrame)
    plan = ask(frame) if lazy else None
    with pytest.raises(Exception, match=match) as caught:
        rows(plan if lazy else ask(frame), by=None)
    # SQL engines, and older Polars, raise an error of their own that holds ours.
    assert isinstance(caught.value, kind) or (lazy and f"{kind.__name__}: " in str(caught.value))
    return caught.value


def values(column):
    return [None if pd.isna(value) else int(value) for value in column]


@pytest.mark.parametrize("limit", [None, 20, "limit"])
@pytest.mark.parametrize("mode", [False, True, "delegation"])
def test_capacity_is_that_of_the_columns(engine, mode, limit):
    frame = engine(NODES)
    out = ewc.frames.with_capacity(frame, prefix_delegation=mode, kubelet_max_pods=limit)
    expected = ewc.max_pods(
        NODES.instance_type,
        prefix_delegation=NODES[mode] if isinstance(mode, str) else mode,
        kubelet_max_pods=NODES[limit] if isinstance(limit, str) else limit,
    )
    assert type(out) is type(frame)
    listed = rows(out)
    assert list(listed.columns) == [*NODES.columns, "max_pods"]
    assert listed.row.tolist() == NODES.row.tolist()
    assert values(listed.max_pods) == expected.tolist()


def test_an_unknown_name_is_an_error_or_a_null(engine):
    names = ["m5.larg", "m5.large", "x", "x", *["m5.large"] * 4]
    frame = engine(NODES.assign(instance_type=names))
    for ask in (
        ewc.frames.with_capacity,
        ewc.frames.totals,
        lambda frame: ewc.frames.totals(frame, by="pool"),
        lambda frame: ewc.frames.nodes_needed(frame, pods=9),
        lambda frame: ewc.frames.with_capacity(frame, prefix_delegation="delegation"),
    ):
        error = refusal(frame, ewc.errors.UnknownInstanceTypeError, "m5.larg|'x'", ask)
        assert getattr(error, "count", 3) in {1, 2, 3}  # of a partition in Dask
    frame = engine(NODES.assign(instance_type=["m5.larg", None, *names[2:]]))
    out = rows(ewc.frames.with_capacity(frame, on_unknown="null", prefix_delegation="delegation"))
    assert values(out.max_pods) == [None] * 4 + [144, 9, 144, 9]
    needed = rows(ewc.frames.nodes_needed(frame, pods=10, on_unknown="null"))
    assert values(needed.nodes_needed) == [None] * 4 + [2] * 4
    summed = rows(ewc.frames.totals(frame, on_unknown="null"), by=None)
    assert summed.to_dict("records") == [{"nodes": 8, "max_pods": 36, "unknown": 4}]


def test_the_error_counts_the_rows(engine):
    frame = engine(NODES.iloc[:3].assign(instance_type=["x", "m5.large", "x"]))
    for ask in (ewc.frames.with_capacity, ewc.frames.totals):
        error = refusal(frame, ewc.errors.UnknownInstanceTypeError, "ha(s|ve) no row", ask)
        assert "'x' in 1" in str(error) or "2 of " in str(error) or "'x' in 2" in str(error)


def test_a_missing_name_is_an_error(engine):
    frame = engine(NODES.assign(instance_type=[None, *["m5.large"] * 7]))
    for ask in (ewc.frames.with_capacity, ewc.frames.totals):
        refusal(frame, ewc.errors.MissingValueError, "missing value", ask)


def test_nodes_needed_are_those_of_a_fleet(engine):
    fleet = ewc.Fleet.encode(NODES.instance_type)
    for pods in (100, "pods"):
        out = rows(ewc.frames.nodes_needed(engine(NODES), pods=pods, prefix_delegation=True))
        column = NODES[pods] if isinstance(pods, str) else pods
        expected = fleet.nodes_needed(column, prefix_delegation=True)
        assert values(out.nodes_needed) == expected.tolist()
    bare = [replace(CATALOG["m5.large"], ipv4_per_interface=1)]
    bare = ewc.Catalog(bare, as_of="2026-01-01", source="a test")
    small = NODES.assign(instance_type="m5.large")
    for frame, options in (
        (NODES, {"kubelet_max_pods": "limit"}),
        (NODES, {"kubelet_max_pods": 0}),
        (small, {"catalog": bare}),
    ):
        refusal(
            engine(frame),
            ewc.errors.InvalidCountError,
            "takes no pod",
            lambda data, options=options: ewc.frames.nodes_needed(data, pods=1, **options),
        )


def test_totals_are_sums_of_the_columns(engine):
    out = rows(ewc.frames.totals(engine(NODES), by="group", count="slots"), by="group")
    pods = ewc.max_pods(NODES.instance_type) * NODES.slots
    assert out.group.tolist() == ["a", "b"]
    assert values(out.nodes) == NODES.slots.groupby(NODES.group).sum().tolist()
    assert values(out.max_pods) == pods.groupby(NODES.group).sum().tolist()
    assert values(out.unknown) == [0, 0]
    out = rows(ewc.frames.totals(engine(NODES), prefix_delegation="delegation"), by=None)
    pods = ewc.max_pods(NODES.instance_type, prefix_delegation=NODES.delegation)
    assert out.to_dict("records") == [{"nodes": 8, "max_pods": pods.sum(), "unknown": 0}]


@pytest.mark.parametrize("pool", POOLS)
def test_attached_addresses_are_those_of_the_columns(engine, pool):
    frame = engine(NODES)
    out = ewc.frames.with_attached_addresses(frame, pods="pods", slots="slots", pool=POOLS[pool])
    assert type(out) is type(frame)
    expected = ewc.attached_addresses(NODES.pods, slots=NODES.slots, pool=POOLS[pool])
    listed = rows(out)
    for field in ("addresses", "prefixes", "used", "warm"):
        assert values(listed[field]) == getattr(expected, field).tolist()


def test_a_column_may_name_the_pool(engine):
    frame = engine(NODES)
    out = ewc.frames.with_attached_addresses(frame, pods="pods", slots=9, pool="pool", pools=POOLS)
    pools = np.array([POOLS[name] for name in NODES.pool], dtype=object)
    expected = ewc.attached_addresses(NODES.pods, slots=9, pool=pools)
    assert values(rows(out).addresses) == expected.addresses.tolist()
    refusal(
        frame,
        ewc.errors.InputError,
        "'prefix'",
        lambda frame: ewc.frames.with_attached_addresses(
            frame, pods=1, slots=9, pool="pool", pools={"warm": POOLS["warm"]}
        ),
    )


def test_empty_frames_stay_empty(engine):
    frame = engine(NODES.iloc[:0])
    assert len(rows(ewc.frames.with_capacity(frame, kubelet_max_pods="limit"))) == 0
    attached = ewc.frames.with_attached_addresses(
        frame, pods="pods", slots="slots", pool=POOLS["rule"]
    )
    assert len(rows(attached)) == 0
    assert rows(ewc.frames.totals(frame), by=None).to_numpy().tolist() == [[0, 0, 0]]


def test_wrong_columns_are_errors_of_ours(engine):
    frame = engine(NODES.assign(bad=-1))
    sized = ewc.frames.with_capacity
    with pytest.raises(ewc.errors.InputError, match="no column 'kind'; it has 'row'"):
        sized(frame, instance_type="kind")
    with pytest.raises(ewc.errors.UnsupportedInputError, match="a column of strings; 'row'"):
        sized(frame, instance_type="row")
    with pytest.raises(ewc.errors.UnsupportedInputError, match="a column of booleans"):
        sized(frame, prefix_delegation="pods")
    with pytest.raises(ewc.errors.UnsupportedInputError, match="a column of integers"):
        sized(frame, kubelet_max_pods="group")
    bad = lambda frame: sized(frame, kubelet_max_pods="bad")  # noqa: E731
    refusal(frame, ewc.errors.InvalidCountError, "'bad' holds others in .* such as -1", bad)
    with pytest.raises(ewc.errors.InputError, match="already"):
        sized(frame, answer="row")


def test_one_wrong_name_is_named_once(engine):
    names = ["m5.large", "m5.larg"]
    sized = ewc.frames.with_capacity
    with pytest.raises(Exception, match=r"m5\.larg") as caught:
        rows(sized(engine(NODES.head(2).assign(instance_type=names))), by=None)
    assert str(caught.value).count("'m5.larg'") == 1


def test_what_is_not_a_frame_is_an_error():
    with pytest.raises(ewc.errors.UnsupportedInputError, match="got a list"):
        ewc.frames.with_capacity([1])


def test_pandas_keeps_its_index():
    frame = NODES.set_index("group")
    assert ewc.frames.with_capacity(frame).index.equals(frame.index)


def test_long_lazy_frames_keep_the_order_of_their_rows():
    pl = pytest.importorskip("polars", reason="Polars is not installed")
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
    long = pl.concat([pl.from_pandas(NODES[["instance_type"]])] * 50_000).with_row_index("row")
    expected = ewc.max_pods(long["instance_type"])
    out = ewc.frames.with_capacity(long.lazy()).collect()
    assert out["row"].is_sorted()
    assert (out["max_pods"] == expected).all()
    out = ewc.frames.with_capacity(duckdb.from_arrow(long.to_arrow())).pl()
    assert out["row"].is_sorted()
    assert (out["max_pods"] == expected).all()


@pytest.mark.parametrize("ask", [ewc.frames.with_capacity, "nodes"])
def test_rows_in_any_order_get_the_same_answers(engine, ask):
    def asked(frame, **options):
        if ask == "nodes":
            return ewc.frames.nodes_needed(frame, pods=50, on_unknown="null", **options)
        return ask(frame, on_unknown="null", **options)

    given = engine(NODES)
    expected = rows(asked(given)).sort_values("row", ignore_index=True)
    loose = rows(asked(given, keep_order=False)).sort_values("row", ignore_index=True)
    pd.testing.assert_frame_equal(loose, expected)


def test_unknown_types_are_refused_in_any_order_too(engine):
    ask = partial(ewc.frames.with_capacity, keep_order=False)
    odd = engine(NODES.assign(instance_type="m5.larg"))
    refusal(odd, ewc.errors.UnknownInstanceTypeError, "m5.larg", ask)


targets = st.integers(0, 60)
pools = st.one_of(
    st.builds(
        lambda w, m: ewc.WarmPool.secondary(warm_ip_target=w, minimum_ip_target=m), targets, targets
    ),
    st.builds(
        lambda w, m, p: ewc.WarmPool.prefix(
            warm_ip_target=w, minimum_ip_target=m, warm_prefix_target=p
        ),
        targets,
        targets,
        targets.filter(bool),
    ),
)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**6)), min_size=1), pools)
def test_expressions_obey_the_closed_form(nodes, pool):
    pl = pytest.importorskip("polars", reason="Polars is not installed")
    pods, slots = map(list, zip(*nodes, strict=True))
    frame = pl.LazyFrame({"pods": pods, "slots": slots})
    out = ewc.frames.with_attached_addresses(frame, pods="pods", slots="slots", pool=pool).collect()
    expected = ewc.attached_addresses(pods, slots=slots, pool=pool)
    for field in ("addresses", "prefixes", "used", "warm"):
        assert out[field].to_list() == getattr(expected, field).tolist()


def test_a_lazy_frame_with_categories_gets_no_other_column():
    pl = pytest.importorskip("polars", reason="Polars is not installed")
    names = pl.LazyFrame({"instance_type": ["m5.large"]}, schema={"instance_type": pl.Categorical})
    assert ewc.frames.with_capacity(names).collect_schema().names() == ["instance_type", "max_pods"]


def test_counts_beyond_int64_are_refused_as_counts(engine):
    if getattr(engine, "__name__", "") == "to_spark":
        return  # Spark has no unsigned integers
    frame = NODES.assign(limit=np.full(8, 2**63 + 5, dtype=np.uint64))
    with pytest.raises(Exception, match="kubelet_max_pods must be whole numbers from 0 to 1,000,0"):
        rows(ewc.frames.with_capacity(engine(frame), kubelet_max_pods="limit"))


@pytest.mark.parametrize("answer", ["", 3, None])
def test_an_answer_has_a_name(engine, answer):
    with pytest.raises(ewc.errors.InputError, match="answer must be the name of a column"):
        ewc.frames.with_capacity(engine(NODES), answer=answer)


def test_duckdb_does_not_rename_an_answer_that_differs_by_case():
    pa = pytest.importorskip("pyarrow", reason="PyArrow is not installed")
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
    nodes = pa.table({"instance_type": ["m5.large"], "Max_Pods": [1]})
    with duckdb.connect() as con, pytest.raises(ewc.errors.InputError, match="'Max_Pods' already"):
        ewc.frames.with_capacity(con.from_arrow(nodes))


def test_names_with_a_dot_are_columns_of_duckdb_too():
    pa = pytest.importorskip("pyarrow", reason="PyArrow is not installed")
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
    with duckdb.connect() as con:
        nodes = con.from_arrow(pa.table({"node.type": ["m5.large"]}))
        if duckdb.__version__.startswith("1."):
            with pytest.raises(ewc.errors.InputError, match="takes no names with a dot; rename"):
                ewc.frames.with_capacity(nodes, instance_type="node.type")
            return
        sized = ewc.frames.with_capacity(nodes, instance_type="node.type")
        assert sized.fetchall() == [("m5.large", 9)]
        assert ewc.frames.totals(nodes, instance_type="node.type").fetchall() == [(1, 9, 0)]
        with pytest.raises(ewc.errors.InputError, match="DuckDB does not group"):
            ewc.frames.totals(nodes, instance_type="node.type", by="node.type")


def test_groups_that_are_named_twice_are_summed_once(engine):
    twice = rows(ewc.frames.totals(engine(NODES), by=["group", "group"]), by="group")
    once = rows(ewc.frames.totals(engine(NODES), by="group"), by="group")
    pd.testing.assert_frame_equal(twice, once)


@pytest.mark.parametrize("by", [3, [None]])
def test_groups_are_names_of_columns(by):
    with pytest.raises(ewc.errors.UnsupportedInputError, match="by must be the name of a column"):
        ewc.frames.totals(NODES, by=by)


@pytest.mark.parametrize("pools", [None, {}, ["warm"], {1: POOLS["warm"], "warm": POOLS["warm"]}])
def test_a_column_of_pools_needs_pools_by_name(engine, pools):
    with pytest.raises(ewc.errors.InputError, match="pools"):
        ewc.frames.with_attached_addresses(
            engine(NODES), pods="pods", slots="slots", pool="pool", pools=pools
        )


def test_a_missing_pool_is_missing(engine):
    frame = engine(NODES.assign(pool=["warm", None] * 4))
    with pytest.raises(Exception, match="'pool' has missing values in"):
        rows(
            ewc.frames.with_attached_addresses(
                frame, pods="pods", slots="slots", pool="pool", pools=POOLS
            )
        )


@pytest.mark.parametrize("pods", [[1], np.array([1, 2])])
def test_a_constant_is_one_number(pods):
    with pytest.raises(ewc.errors.InvalidCountError, match="pods must be one whole number"):
        ewc.frames.nodes_needed(NODES, pods=pods)


def test_columns_of_pandas_may_have_numbers_for_names():
    frame = pd.DataFrame({0: [7], "instance_type": ["m5.large"]})
    assert list(ewc.frames.with_capacity(frame)["max_pods"]) == [9]


@pytest.mark.parametrize("pool", POOLS.values())
def test_dask_does_not_guess_rows_together_without_divisions(pool):
    dd = pytest.importorskip("dask.dataframe", reason="Dask is not installed")
    frame = dd.from_pandas(NODES[["pods", "slots"]], npartitions=2).clear_divisions()
    kept = ewc.frames.with_attached_addresses(frame, pods="pods", slots="slots", pool=pool)
    wanted = ewc.attached_addresses(NODES["pods"], slots=NODES["slots"], pool=pool)
    assert list(kept.compute()["addresses"]) == list(wanted.addresses)


@pytest.mark.parametrize("answer", ["_ewc0", "_ewc1", "_ewc8"])
def test_an_answer_is_not_dropped_with_the_columns_inside_a_query(engine, answer):
    with pytest.raises(ewc.errors.InputError, match="are those of columns inside a query"):
        ewc.frames.with_capacity(engine(NODES), answer=answer, prefix_delegation="delegation")


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"kubelet_max_pods": [1] * 8}, "kubelet_max_pods must be one whole number"),
        ({"kubelet_max_pods": 1.5}, "kubelet_max_pods must be a whole number"),
        ({"prefix_delegation": [True] * 8}, "prefix_delegation must be True or False"),
        ({"prefix_delegation": None}, "prefix_delegation must be True or False"),
        ({"on_unknown": ["null"]}, 'on_unknown must be "raise" or "null"'),
        ({"keep_order": "no"}, "keep_order must be True or False"),
        ({"instance_type": None}, "instance_type must be the name of a column"),
    ],
)
def test_wrong_constants_are_refused_before_anything_is_read(engine, wrong, match):
    with pytest.raises(ewc.errors.CapacityError, match=match):
        ewc.frames.with_capacity(engine(NODES), **wrong)


def test_rows_may_all_stand_for_as_many_nodes(engine):
    out = rows(ewc.frames.totals(engine(NODES), count=3), by=None)
    pods = ewc.max_pods(NODES.instance_type).sum()
    assert out.to_dict("records") == [{"nodes": 24, "max_pods": 3 * pods, "unknown": 0}]


def test_the_group_without_a_name_comes_first(engine):
    frame = engine(NODES.assign(group=["b", None, "a", "b"] * 2))
    out = ewc.frames.totals(frame, by="group")
    assert [None if pd.isna(name) else name for name in rows(out, by=None).group] == [
        None,
        "a",
        "b",
    ]
    if isinstance(out, pd.DataFrame):
        assert list(out.index) == [0, 1, 2]


def test_a_missing_name_is_told_before_a_node_without_pods(engine):
    frame = engine(NODES.assign(instance_type=[None, "m5.large"] * 4))
    ask = partial(ewc.frames.nodes_needed, pods=1, kubelet_max_pods=0)
    refusal(frame, ewc.errors.MissingValueError, "missing value", ask)


@pytest.mark.parametrize("kind", ["pandas", "pyarrow", "dask", "pyspark"])
def test_columns_of_one_name_are_refused(kind, request):
    frame = pd.DataFrame([["m5.large", 1, 2]], columns=["instance_type", "x", "x"])
    if kind == "pyarrow":
        pa = pytest.importorskip("pyarrow", reason="PyArrow is not installed")
        frame = pa.Table.from_arrays([pa.array([1])] * 3, names=list(frame))
    if kind == "dask":
        dd = pytest.importorskip("dask.dataframe", reason="Dask is not installed")
        frame = dd.from_pandas(frame, npartitions=1)
    if kind == "pyspark":
        frame = request.getfixturevalue("spark").sql("select 'm5.large' instance_type, 1 x, 2 x")
    with pytest.raises(ewc.errors.InputError, match="two columns named 'x'; rename one"):
        ewc.frames.with_capacity(frame)


def test_arrow_groups_by_views_of_strings():
    pa = pytest.importorskip("pyarrow", reason="PyArrow is not installed")
    names = pa.chunked_array([["t3.xlarge"], ["m5.large"]], pa.string_view())
    out = ewc.frames.totals(pa.table({"instance_type": names}), by="instance_type")
    assert out["instance_type"].to_pylist() == ["m5.large", "t3.xlarge"]


@pytest.mark.parametrize("lazy", [False, True])
def test_pandas_groups_by_dictionaries_of_arrow(lazy):
    pa = pytest.importorskip("pyarrow", reason="PyArrow is not installed")
    kind = pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
    frame = NODES.assign(group=NODES.group.astype(kind))
    if lazy:
        dd = pytest.importorskip("dask.dataframe", reason="Dask is not installed")
        frame = dd.from_pandas(frame, npartitions=2)
    assert list(rows(ewc.frames.totals(frame, by="group"), by=None).group) == ["a", "b"]


def test_the_cure_of_a_taken_name_is_one_that_there_is():
    with pytest.raises(ewc.errors.InputError, match=r"'used' already: drop or rename it$"):
        ewc.frames.with_attached_addresses(
            NODES.assign(used=1), pods=1, slots=9, pool=POOLS["warm"]
        )


@pytest.mark.parametrize("kind", ["Int64", "Int32"])
def test_a_missing_count_is_missing_in_every_engine(engine, kind):
    frame = engine(NODES.assign(limit=pd.array([1, None] * 4, dtype=kind)))
    for ask in (
        partial(ewc.frames.with_capacity, kubelet_max_pods="limit"),
        partial(ewc.frames.nodes_needed, pods="limit"),
        partial(ewc.frames.with_attached_addresses, pods="pods", slots="limit", pool=POOLS["warm"]),
    ):
        refusal(frame, ewc.errors.MissingValueError, "'limit' has missing values", ask)


@pytest.mark.parametrize("keep_order", [True, False])
def test_in_an_empty_catalog_every_name_is_unknown(engine, keep_order):
    nothing = ewc.Catalog([], as_of="2026-01-01", source="a test")
    ask = partial(ewc.frames.with_capacity, catalog=nothing, keep_order=keep_order)
    assert values(rows(ask(engine(NODES), on_unknown="null")).max_pods) == [None] * 8
    refusal(engine(NODES), ewc.errors.UnknownInstanceTypeError, "no row in the catalog", ask)


@pytest.mark.parametrize("name", ["node.type", "node`type"])
def test_spark_is_asked_for_no_name_that_it_splits(spark, name):
    kept = name.replace("`", "``")
    frame = spark.createDataFrame([["m5.large", "x"]], f"`{kept}` string, instance_type string")
    for ask in (ewc.frames.with_capacity, ewc.frames.totals):
        with pytest.raises(ewc.errors.InputError, match=f"Spark takes no name with .*{name!r}"):
            ask(frame, instance_type=name)
    with pytest.raises(ewc.errors.InputError, match="by: Spark takes no name"):
        ewc.frames.study(frame, lambda *_: None, by=name, columns={})
    with pytest.raises(ewc.errors.InputError, match="answer: Spark takes no name with '`'"):
        ewc.frames.with_capacity(frame, answer="a`b")
    assert rows(ewc.frames.with_capacity(frame, on_unknown="null"), by=None)[name][0] == "m5.large"


@pytest.mark.parametrize("name", ["*", "^instance.*$"])
@pytest.mark.parametrize("lazy", [False, True])
def test_polars_is_asked_for_no_name_that_it_reads_as_a_pattern(name, lazy):
    pl = pytest.importorskip("polars", reason="Polars is not installed")
    frame = pl.DataFrame({"instance_type": ["m5.large"], "instances": [3], name: [5]})
    frame = frame.lazy() if lazy else frame
    for ask in (
        partial(ewc.frames.with_capacity, kubelet_max_pods=name),
        partial(ewc.frames.totals, count=name),
        partial(ewc.frames.nodes_needed, pods=1, answer=name.replace("n", "x")),
    ):
        with pytest.raises(ewc.errors.InputError, match=r"reads '.*' as a pattern; rename"):
            ask(frame)


def test_sums_of_sql_are_not_grouped_by_their_own_names(engine):
    frame = engine(NODES.rename(columns={"group": "Nodes"}))
    if nw.from_native(frame).implementation.is_duckdb() or "pyspark" in type(frame).__module__:
        with pytest.raises(ewc.errors.InputError, match="'Nodes' is the name of an answer"):
            ewc.frames.totals(frame, by="Nodes")
        return
    assert rows(ewc.frames.totals(frame, by="Nodes"), by=None)["Nodes"].tolist() == ["a", "b"]


def test_spark_is_asked_for_no_name_that_differs_from_another_by_case(spark):
    frame = spark.createDataFrame([["m5.large", "x"]], ["Type", "type"])
    with pytest.raises(ewc.errors.InputError, match="to Spark 'Type' and 'type' are one"):
        ewc.frames.with_capacity(frame, instance_type="Type")
    spark.conf.set("spark.sql.caseSensitive", "true")
    try:
        sized = ewc.frames.with_capacity(frame, instance_type="Type")
        assert sized.collect()[0]["max_pods"] == 9
    finally:
        spark.conf.unset("spark.sql.caseSensitive")


def test_a_frame_without_columns_has_none():
    with pytest.raises(ewc.errors.InputError, match="it has none"):
        ewc.frames.with_capacity(pd.DataFrame())
