"""
Pods of every node of a fleet, against what users would write instead.

Types follow Zipf's law over the whole table; every way gives int64. Answers are
compared before they are timed.
"""

from __future__ import annotations

import functools

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import eks_win_capacity as ewc
from benchmarks.inputs import (
    CATALOG,
    LIMITS,
    NAMES,
    PODS,
    TABLE,
    codes_of,
    shared_texts_of,
    texts_of,
)

SHAPES = {shared_texts_of: "strings shared", texts_of: "a string a row"}


def mapped(column) -> np.ndarray:
    """Do what most people write."""
    return pd.Series(column).map(PODS)


def joined(column: pa.Array) -> pa.Table:
    """Join in DuckDB, the way one does with tables."""
    fleet = pa.table({"instance_type": column})
    limits = pa.Table.from_pandas(LIMITS)
    query = "select pods from fleet join limits using (instance_type)"
    with duckdb.connect() as connection:
        connection.register("fleet", fleet)
        connection.register("limits", limits)
        return connection.sql(query).to_arrow_table()


def replaced(column: pl.Series) -> pl.Series:
    """Replace in Polars, on all its threads."""
    return column.replace_strict(NAMES, TABLE, return_dtype=pl.Int64)


def check(contenders, expected):
    """Hold every contender to the same answer before it is timed."""
    for way, run in contenders.items():
        answer = run()
        answer = answer.column("pods") if isinstance(answer, pa.Table) else answer
        pods = np.asarray(answer)
        assert pods.dtype == np.int64, way
        if "DuckDB" in way:  # a join keeps no order
            assert pods.sum() == expected.sum(), way
        else:
            assert np.array_equal(pods, expected), way


@pytest.fixture
def race(compare):
    """Check, then time."""

    def run(case, rows, contenders):
        check(contenders, TABLE[codes_of(rows)])
        compare(case, rows, contenders)

    return run


def test_pandas_category(race, rows):
    codes = codes_of(rows)
    wide = codes.astype(np.int64)
    column = pd.Series(pd.Categorical.from_codes(codes.astype(np.int16), categories=NAMES))
    race(
        "pandas category",
        rows,
        {
            "ours": lambda: ewc.max_pods(column),
            "NumPy table[codes]": lambda: TABLE[codes],
            "NumPy table[codes], 64 bits": lambda: TABLE[wide],
            "Categorical.map(dict)": lambda: column.array.map(PODS),
        },
    )


def test_arrow_dictionary(race, rows):
    codes = codes_of(rows)
    column = pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int16)), pa.array(NAMES))
    race(
        "Arrow dictionary",
        rows,
        {"ours": lambda: ewc.max_pods(column), "NumPy table[codes]": lambda: TABLE[codes]},
    )


def test_polars_enum(race, rows):
    codes = codes_of(rows)
    column = pl.Series(np.array(NAMES, dtype=object)[codes].tolist(), dtype=pl.Enum(NAMES))
    race(
        "Polars Enum",
        rows,
        {
            "ours": lambda: ewc.max_pods(column),
            "NumPy table[codes]": lambda: TABLE[codes],
            "Polars replace_strict": lambda: replaced(column.cast(pl.String)),
        },
    )


@pytest.mark.parametrize("dtype", ["str", "string[pyarrow]"])
def test_pandas_text(race, rows, dtype):
    column = pd.Series(texts_of(rows), dtype=dtype)
    frame = column.to_frame("instance_type")
    text = pa.array(column.array, pa.large_string())
    polars = pl.Series(column.tolist())
    race(
        f"pandas {dtype}",
        rows,
        {
            "ours": lambda: ewc.max_pods(column),
            "Series.map(dict)": lambda: np.asarray(mapped(column), dtype=np.int64),
            "merge": lambda: frame.merge(LIMITS, on="instance_type", how="left")["pods"],
            "Polars replace_strict": lambda: replaced(polars),
            "DuckDB join": lambda: joined(text),
        },
    )


def test_arrow_text(race, rows):
    column = pa.array(texts_of(rows))
    polars = pl.Series(column.to_pylist())
    race(
        "Arrow string",
        rows,
        {
            "ours": lambda: ewc.max_pods(column),
            "Polars replace_strict": lambda: replaced(polars),
            "DuckDB join": lambda: joined(column),
        },
    )


@pytest.mark.parametrize("texts", [shared_texts_of, texts_of], ids=["shared", "own"])
def test_pandas_object(race, rows, texts):
    column = pd.Series(texts(rows), dtype=object)
    race(
        f"pandas object, {SHAPES[texts]}",
        rows,
        {"ours": lambda: ewc.max_pods(column), "Series.map(dict)": lambda: mapped(column)},
    )


@pytest.mark.parametrize("texts", [shared_texts_of, texts_of], ids=["shared", "own"])
def test_list(race, rows, texts):
    column = texts(rows)
    race(
        f"list of str, {SHAPES[texts]}",
        rows,
        {
            "ours": lambda: ewc.max_pods(column),
            "Series.map(dict)": lambda: mapped(column),
            "comprehension over a dict": lambda: np.array([PODS[name] for name in column]),
        },
    )


@pytest.mark.parametrize("kind", ["U", "StringDType"])
def test_numpy_text(race, rows, kind):
    column = np.array(NAMES)[codes_of(rows)]
    if kind == "StringDType":
        column = column.astype(np.dtypes.StringDType())
    race(
        f"NumPy {kind}",
        rows,
        {"ours": lambda: ewc.max_pods(column), "Series.map(dict)": lambda: mapped(column)},
    )


def test_encoded_fleet(race, rows):
    text = pd.Series(texts_of(rows), dtype="str")
    frame = text.to_frame("instance_type")
    polars = pl.Series(text.tolist())
    arrow = pa.array(text.tolist())
    fleet = ewc.Fleet.encode(text)
    out = np.empty(rows, dtype=np.int64)
    race(
        "an encoded fleet",
        rows,
        {
            "ours": lambda: fleet.max_pods(out=out),
            "Series.map(dict)": lambda: mapped(text),
            "merge": lambda: frame.merge(LIMITS, on="instance_type", how="left")["pods"],
            "Polars replace_strict": lambda: replaced(polars),
            "DuckDB join": lambda: joined(arrow),
        },
    )


def test_total_of_an_encoded_fleet(compare, rows):
    fleet = ewc.Fleet.encode(texts_of(rows))
    pods = np.asarray(fleet.max_pods())
    assert fleet.total() == pods.sum()
    compare("total of an encoded fleet", rows, {"ours": fleet.total, "sum of the pods": pods.sum})


def test_total_by_group(compare, rows):
    fleet = ewc.Fleet.encode(texts_of(rows))
    groups = np.random.default_rng(1).integers(0, 50, rows)
    pairs = groups * len(NAMES) + codes_of(rows)
    by = fleet.by(groups)
    total = by.total()
    assert total.sum() == fleet.total()
    compare(
        "total by group",
        rows,
        {
            "ours": lambda: fleet.by(groups).total(),
            "one histogram": lambda: np.bincount(pairs, minlength=50 * len(NAMES)),
            "groupby(...).sum()": lambda: pd.Series(TABLE[codes_of(rows)]).groupby(groups).sum(),
        },
    )


@pytest.mark.parametrize("prefix_delegation", [False, True], ids=["secondary", "prefix"])
def test_numbers(compare, rows, prefix_delegation):
    column = np.array([CATALOG[name].ipv4_per_interface for name in NAMES])[codes_of(rows)]
    bare = (lambda: (column - 1) * 16) if prefix_delegation else (lambda: column - 1)
    ours = functools.partial(ewc.ip_capacity, column, prefix_delegation=prefix_delegation)
    assert np.array_equal(ours(), bare())
    mode = "prefix" if prefix_delegation else "secondary"
    compare(f"numbers, {mode}", rows, {"ours": ours, "bare NumPy": bare})
