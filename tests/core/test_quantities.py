"""Kubernetes quantities: the tables of its own parser, then what requests round to."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eks_win_capacity.core.errors import InvalidQuantityError, UnlikelyQuantityWarning
from eks_win_capacity.core.quantities import (
    millicores,
    parse_quantity,
    request,
    requests,
    whole_bytes,
)

SUFFIXES = {
    # kubernetes/apimachinery, pkg/api/resource/suffix.go.
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "P": Decimal(10**15), "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
    "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
LARGEST = 2**63 - 1

REFUSED = [
    # The texts that Kubernetes' own tests list as wrong, and its kin.
    "", " 1", "1 ", "1 Gi", "1GiB", "1gb", "0.1mi", "0.1am", "1.1.M", "1+1.0M", "-3.01e-", ".5i", "3.01i", "aoeu",
    "٣", "1_000", "+", "-", ".", "+.", "Ki", "m", "e3", "1e", "1e+", "1ee3", "1e3Ki", "1Kim", "1KI", "1K", "1g", "--1",
    "0x10", "inf", "nan", "1,5", "1\n", "½", "1e1000", "1e-1000", "9" * 1000,
    True, False, None, float("nan"), float("inf"), -float("inf"), Decimal("NaN"), b"1", [1], 1j, np.True_,
]  # fmt: skip


@given(st.integers(-7, 7), st.sampled_from(sorted(SUFFIXES)))
def test_a_suffix_multiplies(number, suffix):
    assert parse_quantity(f"{number}{suffix}") == number * SUFFIXES[suffix]


@given(st.integers(-(10**6), 10**6), st.integers(-9, 30), st.sampled_from("eE"))
def test_an_exponent_shifts(number, exponent, letter):
    assert parse_quantity(f"{number}{letter}{exponent}") == Decimal(number).scaleb(exponent)


@given(st.decimals(0, 10**6, places=4), st.sampled_from(["", "k", "Ki", "Gi"]))
def test_a_sign_turns_the_value_round(number, suffix):
    text = f"{number}{suffix}"
    assert parse_quantity(f"-{text}") == -parse_quantity(text)
    assert parse_quantity(f"+{text}") == parse_quantity(text)


@given(st.integers(0, 10**12))
def test_numbers_stand_for_themselves(number):
    assert parse_quantity(number) == parse_quantity(str(number)) == number
    assert parse_quantity(Decimal(number)) == parse_quantity(np.int64(number)) == number


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_more_is_never_read_as_less(a, b):
    low, high = sorted((a, b))
    assert millicores(f"{low}u") <= millicores(f"{high}u")
    assert whole_bytes(f"{low}m") <= whole_bytes(f"{high}m")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.", 1), (".5", "0.5"), ("+1", 1), ("1.G", 10**9), ("1E", 10**18), ("1E3", 1000), ("1e3", 1000),
        ("12e-3", "0.012"), ("1e+3", 1000), ("-0", 0), ("00001.50", "1.5"), ("1.5Gi", 1610612736), ("0Ki", 0),
        ("100m", "0.1"), (".5Ki", 512), ("-1.5", "-1.5"), ("1E-3", "0.001"), (1e-7, "1e-7"), (0.25, "0.25"),
        (1e21, "1e21"), (np.float64(0.5), "0.5"), (Decimal("1E+3"), 1000),
    ],
)  # fmt: skip
def test_kubernetes_writes_it_so(text, value):
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1n", "1e-9"), ("0.1n", "1e-9"), ("1.1n", "2e-9"), ("-0.1n", "-1e-9"), ("-1.1n", "-2e-9"),
        ("1e-20", "1e-9"), ("0.0000000001", "1e-9"), ("0.000000001234", "2e-9"), ("0e-20", 0),
        ("0.0000000001Ki", "1.03e-7"),
    ],
)  # fmt: skip
def test_what_is_finer_than_a_billionth_is_rounded_away_from_zero(text, value):
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    ["8Ei", "9Ei", "7.9999999999999999999Ei", "9223372036854775807Ki", "9223372036854775808Mi"],
)
def test_binary_quantities_are_cut_at_the_largest_integer(text):
    assert parse_quantity(text) == LARGEST
    assert parse_quantity(f"-{text}") == -LARGEST


def test_what_is_just_below_the_cut_stays():
    assert parse_quantity("7Ei") == 7 * 2**60
    assert parse_quantity("10E") == 10**19


@pytest.mark.parametrize("wrong", REFUSED, ids=repr)
def test_what_is_no_quantity_is_refused(wrong):
    for read in (parse_quantity, millicores, whole_bytes):
        with pytest.raises(InvalidQuantityError, match="is not a Kubernetes quantity such as 250m"):
            read(wrong)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [("1GiB", "use Mi or Gi"), ("1gb", "use Mi or Gi"), (" 1", "remove the spaces")],
)
def test_the_likely_slip_is_named(wrong, hint):
    with pytest.raises(InvalidQuantityError, match=hint):
        parse_quantity(wrong)


@pytest.mark.parametrize(
    ("text", "cpu", "memory"),
    [
        ("250m", 250, 1), ("1", 1000, 1), ("0.0001", 1, 1), ("1.0001", 1001, 2), ("0", 0, 0), ("1.5Gi", 1610612736000, 1610612736),
        ("1e3", 10**6, 1000), ("1n", 1, 1), (2, 2000, 2), (0.5, 500, 1), ("-0", 0, 0),
    ],
)  # fmt: skip
def test_requests_are_rounded_up_as_the_scheduler_does(text, cpu, memory):
    assert millicores(text) == cpu
    assert whole_bytes(text) == memory


@pytest.mark.parametrize("text", ["-1", "-1n", -1, "-0.5Gi"])
def test_a_request_is_not_negative(text):
    for read in (millicores, whole_bytes):
        with pytest.raises(InvalidQuantityError, match="cannot be negative"):
            read(text)


@pytest.mark.parametrize(
    ("value", "read", "said"),
    [
        ("500", millicores, "x: 500 is 500 whole CPUs; 500 thousandths of one are 500m"),
        (100, millicores, "x: 100 is 100 whole CPUs; 100 thousandths of one are 100m"),
        ("1024", whole_bytes, "x: 1024 is 1,024 bytes; 1024 MiB are 1024Mi"),
        (2, whole_bytes, "x: 2 is 2 bytes; 2 MiB are 2Mi"),
        (0.5, whole_bytes, "x: 0.5 is 1 byte; 0.5 MiB are 0.5Mi"),
        ("512m", whole_bytes, "x: 512m is 1 byte; 512 MiB are 512Mi"),
        ("1e3", whole_bytes, "x: 1e3 is 1,000 bytes; 1000 MiB are 1000Mi"),
    ],
)
def test_what_nobody_means_is_taken_and_questioned(value, read, said):
    with pytest.warns(UnlikelyQuantityWarning) as questions:
        assert request(value, read, name="x") == read(value)
    assert [str(one.message) for one in questions] == [said]


@given(st.sampled_from([0, 1_000_000, 2**30, "1Mi", "64Gi"]), st.sampled_from(["99", "250m", 0]))
def test_what_is_meant_is_taken_without_a_word(memory, cpu):
    assert request(memory, whole_bytes, name="x") == whole_bytes(memory)
    assert request(cpu, millicores, name="x") == millicores(cpu)


def test_many_values_make_one_question():
    with pytest.warns(UnlikelyQuantityWarning) as questions:
        assert requests(["1", "2", "1Gi"], whole_bytes, name="x")["2"] == 2
    assert [str(one.message) for one in questions] == [
        "x: 1 is 1 byte; 1 MiB are 1Mi, and so on for 2 values"
    ]
