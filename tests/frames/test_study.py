"""One question for each group of rows: the same answer in every engine, however it is split."""

import numpy as np
import pandas as pd
import pytest

import eks_win_capacity as ewc
from eks_win_capacity.core.errors import InputError, UnsupportedInputError

nw = pytest.importorskip("narwhals", reason="narwhals is not installed: the extra `frames`")

SCENARIOS = pd.DataFrame(
    {
        "scenario": [f"s{i:02}" for i in range(12)] * 2,
        "mode": [1] * 12 + [2] * 12,
        "rate": np.linspace(0.5, 6, 24),
    }
)
pytestmark = [
    pytest.mark.filterwarnings("ignore:Dask support is moving out of Narwhals:FutureWarning"),
]
COLUMNS = {"most": "int64", "mean": "float64", "name": "str"}


def churn(rows, rng):
    (one,) = rows.itertuples()
    work = ewc.Poisson(pods_per_minute=one.rate, lifetime=ewc.Exponential(10))
    ran = ewc.simulate_churn(
        work, nodes=2, slots=9, pool=ewc.WarmPool.secondary(), hours=1, rng=rng, engine="reference"
    )
    used = ran.over_time["addresses"]
    return pd.DataFrame({"most": [used.max()], "mean": [used.mean()], "name": [f"{one.scenario}!"]})


def whole(frame):
    frame = nw.from_native(frame)
    frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    rows = pd.DataFrame(list(frame.iter_rows(named=True)))
    return rows.sort_values(["scenario", "mode"], ignore_index=True).to_dict("records")


@pytest.fixture(scope="module")
def expected():
    return whole(ewc.frames.study(SCENARIOS, churn, by=["scenario", "mode"], columns=COLUMNS))


def ask(frame, **options):
    return ewc.frames.study(
        frame, churn, **{"by": ["scenario", "mode"], "columns": COLUMNS, **options}
    )


def test_a_group_draws_by_its_name_alone(expected):
    assert whole(ask(SCENARIOS[::-1])) == expected
    assert whole(ask(SCENARIOS[:5])) == [
        row for row in expected if row in whole(ask(SCENARIOS[:5]))
    ]
    assert whole(ask(SCENARIOS, seed=1)) != expected
    assert list(ask(SCENARIOS).columns) == ["scenario", "mode", *COLUMNS]


@pytest.mark.parametrize("engine", ["polars", "pyarrow"])
def test_frames_in_memory_come_back_in_kind(engine, expected):
    if engine == "polars":
        frame = pytest.importorskip("polars", reason="Polars is not installed").from_pandas(
            SCENARIOS
        )
    else:
        frame = pytest.importorskip("pyarrow", reason="PyArrow is not installed").Table.from_pandas(
            SCENARIOS
        )
    out = ask(frame)
    assert type(out) is type(frame)
    assert whole(out) == expected


@pytest.mark.parametrize("partitions", [1, 3, 24])
def test_partitions_of_dask_change_nothing(partitions, expected):
    dd = pytest.importorskip("dask.dataframe", reason="Dask is not installed")
    out = ask(dd.from_pandas(SCENARIOS, npartitions=partitions))
    assert whole(out) == expected


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.filterwarnings("ignore:.*PySpark does not yet fully support pandas")
def test_partitions_of_spark_change_nothing(spark, partitions, expected):
    frame = spark.createDataFrame(
        SCENARIOS.to_numpy().tolist(), "scenario string, mode bigint, rate double"
    )
    assert whole(ask(frame.repartition(partitions))) == expected


@pytest.mark.filterwarnings("ignore:.*PySpark does not yet fully support pandas")
def test_spark_names_answers_as_they_are_called(spark):
    frame = spark.createDataFrame([["a", 1]], "k string, v bigint")
    answer = ewc.frames.study(
        frame, lambda *_: pd.DataFrame({"a`b": [1]}), by="k", columns={"a`b": "int64"}
    )
    assert answer.columns == ["k", "a`b"]
    assert [tuple(row) for row in answer.collect()] == [("a", 1)]


def test_no_rows_have_no_answers():
    out = ask(SCENARIOS[:0])
    assert list(out.columns) == ["scenario", "mode", *COLUMNS]
    assert len(out) == 0


def test_an_answer_may_lack_a_string():
    names = {"a": None, "b": "m5.large"}
    frame = pd.DataFrame({"group": [*names]})
    answer = ewc.frames.study(
        frame,
        lambda rows, _: pd.DataFrame({"name": [names[rows.group[0]]]}, dtype=object),
        by="group",
        columns={"name": "str"},
    )
    assert answer["name"].isna().tolist() == [True, False]


def test_wrong_questions_are_errors_of_ours():
    with pytest.raises(ewc.errors.InputError, match="no column 'x'"):
        ask(SCENARIOS, by="x")
    with pytest.raises(ewc.errors.UnsupportedInputError, match="name groups by"):
        ask(SCENARIOS, by="rate")
    with pytest.raises(ewc.errors.InputError, match="a column at least"):
        ask(SCENARIOS, by=[])
    with pytest.raises(ewc.errors.InputError, match="must be one of bool"):
        ask(SCENARIOS, columns={"most": "int"})
    with pytest.raises(ewc.errors.InputError, match="columns= promises"):
        ask(SCENARIOS, columns={"least": "int64"})
    with pytest.raises(ewc.errors.InputError, match="answer too"):
        ask(SCENARIOS, columns={"mode": "int64"})
    with pytest.raises(ewc.errors.InputError, match="missing values"):
        ask(SCENARIOS.assign(scenario=pd.array([None] * len(SCENARIOS), "string")))
    pl = pytest.importorskip("polars", reason="Polars is not installed")
    with pytest.raises(ewc.errors.UnsupportedInputError, match="collect it first"):
        ask(pl.from_pandas(SCENARIOS).lazy())


def test_the_error_of_a_group_names_it():
    with pytest.raises(KeyError) as caught:
        ewc.frames.study(SCENARIOS, lambda rows, _: rows["x"], by="mode", columns=COLUMNS)
    assert caught.value.__notes__ == ["while the group 1 was asked about"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3.7, "column 'm' is not int64, which columns= promises: it holds 3.7"),
        (1e30, r"it holds 1e\+30"),
        (float("nan"), "column 'm' is not int64"),
        ("x", "column 'm' is not int64"),
    ],
)
def test_no_answer_is_bent_into_the_type_that_was_promised(value, words):
    rows = pd.DataFrame({"g": ["a"]})
    with pytest.raises(InputError, match=words):
        ewc.frames.study(
            rows, lambda *_: pd.DataFrame({"m": [value]}), by="g", columns={"m": "int64"}
        )
    answer = ewc.frames.study(
        rows, lambda *_: pd.DataFrame({"m": [3.0]}), by="g", columns={"m": "int64"}
    )
    assert answer["m"].tolist() == [3]


def test_an_answer_is_a_frame():
    rows = pd.DataFrame({"g": ["a"]})
    with pytest.raises(
        UnsupportedInputError, match=r"must give a pandas DataFrame .* got NoneType"
    ):
        ewc.frames.study(rows, lambda *_: None, by="g", columns={"m": "int64"})


def test_a_function_without_the_generator_is_shown_how_it_is_called():
    rows = pd.DataFrame({"g": ["a"]})

    def most(rows):
        return rows

    with pytest.raises(
        UnsupportedInputError, match=r"write def most\(rows, rng\); it takes \(rows"
    ):
        ewc.frames.study(rows, most, by="g", columns={"m": "int64"})
    with pytest.raises(UnsupportedInputError, match="got a DataFrame of narwhals"):
        ewc.frames.study(rows, lambda g, _: nw.from_native(g), by="g", columns={"m": "int64"})
    with pytest.raises(UnsupportedInputError, match="got tuple"):
        ewc.frames.study(rows, lambda *both: both, by="g", columns={"m": "int64"})


def test_groups_of_a_study_are_columns_each_once():
    frame = pd.DataFrame({"group": ["a", "b", "a"]})
    count = lambda rows, rng: pd.DataFrame({"n": [len(rows)]})  # noqa: E731
    answer = ewc.frames.study(frame, count, by=["group", "group"], columns={"n": "int64"})
    assert answer.to_numpy().tolist() == [["a", 2], ["b", 1]]
    with pytest.raises(ewc.errors.UnsupportedInputError, match="by must be the name of a column"):
        ewc.frames.study(frame, count, by=3, columns={"n": "int64"})


def one_row(value):
    return lambda *_: pd.DataFrame({"m": [value]})


GROUPS = pd.DataFrame({"g": ["a", "b"]})


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"columns": ["m"]}, "columns must be a mapping of names to types; got list"),
        ({"columns": {"m": ["int64"]}}, r"columns\['m'\] must be one of"),
        ({"seed": "x"}, "seed must be a whole number; got 'x'"),
        ({"seed": True}, "seed must be a whole number; got True"),
        ({"answer": 5}, "answer must be a function; got int"),
        ({"by": "bytes"}, "'bytes' holds a bytes; name groups by strings"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(wrong, match):
    asked = {"answer": one_row(1), "by": "g", "columns": {"m": "int64"}} | wrong
    with pytest.raises(ewc.errors.CapacityError, match=match):
        ewc.frames.study(GROUPS.assign(bytes=[b"a", b"b"]), **asked)


def test_a_seed_of_numpy_is_a_number():
    draw = lambda _, rng: pd.DataFrame({"m": [rng.integers(1000)]})  # noqa: E731
    asked = {"by": "g", "columns": {"m": "int64"}}
    plain = ewc.frames.study(GROUPS, draw, seed=5, **asked)
    assert ewc.frames.study(GROUPS, draw, seed=np.int64(5), **asked).equals(plain)


@pytest.mark.parametrize("value", ["no", 2, None, float("nan")])
def test_no_flag_is_made_of_another_value(value):
    with pytest.raises(InputError, match="is not bool, which columns= promises: it holds"):
        ewc.frames.study(GROUPS, one_row(value), by="g", columns={"m": "bool"})


def test_no_negative_number_is_made_of_one_beyond_int64():
    big = one_row(np.uint64(2**63 + 5))
    with pytest.raises(InputError, match="it holds 9223372036854775813"):
        ewc.frames.study(GROUPS, big, by="g", columns={"m": "int64"})


def test_two_columns_of_one_name_are_no_answer():
    twice = lambda *_: pd.DataFrame([[1, 2]], columns=["m", "m"])  # noqa: E731
    with pytest.raises(InputError, match="two columns of one name"):
        ewc.frames.study(GROUPS, twice, by="g", columns={"m": "int64"})


@pytest.mark.parametrize("engine", ["polars", "pyarrow"])
def test_strings_and_times_may_be_missing_in_every_engine(engine):
    library = pytest.importorskip(engine, reason=f"{engine} is not installed")
    make = library.from_pandas if engine == "polars" else library.Table.from_pandas
    lacks = lambda *_: pd.DataFrame({"s": [None], "t": [pd.NaT], "f": [1.5]})  # noqa: E731
    columns = {"s": "str", "t": "datetime64[ns]", "f": "float64"}
    out = nw.from_native(ewc.frames.study(make(GROUPS), lacks, by="g", columns=columns))
    assert list(out.iter_rows()) == [("a", None, None, 1.5), ("b", None, None, 1.5)]
