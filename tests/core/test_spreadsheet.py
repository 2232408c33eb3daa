"""What reaches Excel and CSV: numbers, dates and texts, and never a formula."""

from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eks_win_capacity as ewc
from eks_win_capacity.core import spreadsheet
from eks_win_capacity.core.errors import InputError, MissingExtraError, UnsupportedInputError
from eks_win_capacity.core.spreadsheet import csv_cell, plain_value, workbook

openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
ATTACK = '=HYPERLINK("http://x")'


def cells(path):
    return list(openpyxl.load_workbook(path).active.iter_rows())


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({ATTACK: [ATTACK]}),
        pd.DataFrame({"b": [1]}, index=pd.Index([ATTACK], name="a")),
        pl.DataFrame({"a": [ATTACK]}),
        pl.DataFrame({"a": [ATTACK]}).to_arrow(),
        ewc.Workload(name=ATTACK, replicas=3),
    ],
    ids=["pandas", "index", "polars", "arrow", "answer"],
)
def test_a_text_that_looks_like_a_formula_stays_a_text(tmp_path, table):
    ewc.to_excel(table, tmp_path / "x.xlsx")
    written = [cell for row in cells(tmp_path / "x.xlsx") for cell in row]
    assert ATTACK in [cell.value for cell in written]
    assert not [cell for cell in written if cell.data_type == "f"]


@pytest.mark.parametrize(
    ("value", "plain"), [(float("nan"), None), (np.float64(2), 2.0), ((1, "a"), [1, "a"])]
)
def test_json_has_plain_values_and_null_for_the_unknown(value, plain):
    assert plain_value(value) == plain
    assert plain_value(date(2026, 1, 2)) == "2026-01-02"


@given(st.text(min_size=1))
def test_no_text_is_a_formula_in_a_csv(text):
    assert csv_cell("=" + text).startswith("'=")


@pytest.mark.parametrize(
    ("value", "cell"),
    [(None, ""), (-3, "-3"), ("-3.5", "-3.5"), ("a", "a"), ("-x", "'-x"), ("a\x1b", "a\\x1b")],
)
def test_a_cell_of_a_csv_keeps_numbers_and_quotes_formulas(value, cell):
    assert csv_cell(value) == cell


def test_numbers_dates_and_gaps_stay_what_they_are(tmp_path):
    when = pd.Timestamp("2026-01-02 03:04:05")
    row = [1, 2.5, True, when, date(2026, 1, 2), None, float("nan"), pd.NaT, float("inf"),
           np.int64(7), ("a", "b"), pd.Timestamp("2026-01-02", tz="UTC"), "0012"]  # fmt: skip
    (tmp_path / "x.xlsx").write_bytes(workbook(list(map(str, range(len(row)))), [row]))
    values = [cell.value for cell in cells(tmp_path / "x.xlsx")[1]]
    midnight = pd.Timestamp("2026-01-02")
    assert values == [1, 2.5, True, when, midnight, None, None, None, "inf", 7, "a b",
                     "2026-01-02 00:00:00+00:00", "0012"]  # fmt: skip


@given(st.lists(st.integers(-(2**53), 2**53) | st.floats(-1e300, 1e300)))
def test_what_is_written_is_read_again(tmp_path_factory, numbers):
    path = tmp_path_factory.mktemp("x") / "x.xlsx"
    ewc.to_excel(pd.DataFrame({"n": numbers}, dtype=object), path)
    assert [cell.value for (cell,) in cells(path)[1:]] == pytest.approx(numbers, rel=1e-15)


def test_what_is_no_table_or_no_such_file_is_refused(tmp_path):
    for odd in (3, "text", [1], pd.DataFrame):
        with pytest.raises(UnsupportedInputError, match="answer must be"):
            ewc.to_excel(odd, tmp_path / "x.xlsx")
    with pytest.raises(InputError, match=r"must end in \.xlsx"):
        ewc.to_excel(pd.DataFrame({"a": [1]}), tmp_path / "x.csv")


def test_more_rows_than_a_sheet_holds_are_refused(monkeypatch):
    monkeypatch.setattr(spreadsheet, "_SHEET_ROWS", 3)
    workbook(["a"], [[1], [2]])
    with pytest.raises(InputError, match="holds 3 rows"):
        workbook(["a"], [[1], [2], [3]])


def test_without_the_writer_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match="excel"):
        ewc.to_excel(pd.DataFrame({"a": [1]}), tmp_path / "x.xlsx")
