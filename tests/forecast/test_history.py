"""What people have, as a history: shapes, names, times, counts and capacities of every kind."""

from __future__ import annotations

import datetime as dt
import decimal
import ipaddress

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity import Subnet, forecast_exhaustion
from eks_win_capacity.core.errors import (
    CapacityError,
    InputError,
    InvalidCountError,
    MissingValueError,
    PlacementUnknownError,
    UnsupportedInputError,
)

COUNT = 60
DAYS = pd.date_range("2026-01-01", periods=COUNT)
USED = 100.0 + np.arange(COUNT)
FULL = pd.Timestamp("2026-04-11")
"""The day on which a line from 100, one a day, reaches 200."""


def frame(**columns):
    return pd.DataFrame(columns)


def line(values=USED, index=DAYS, **options):
    return pd.Series(values, index=index, **options)


def first_date(history, **options):
    forecast = forecast_exhaustion(history, **({"capacity": 200} | options))
    return pd.Timestamp(forecast.to_pandas()["date"].iloc[0])


def codes(forecast):
    return {finding.code for finding in forecast.findings}


# -- columns -------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("time", "timestamp", "Timestamp", "date", "ds", "@timestamp", "event_time", "Date/Time"),
        *("datetime", "when", "anything"),
    ],
)
@pytest.mark.parametrize("kind", ["stamps", "texts", "arrow"])
def test_a_column_of_times_is_found_by_its_name_or_by_what_it_holds(name, kind):
    times = pd.Series(DAYS)
    times = {
        "stamps": times,
        "texts": times.dt.strftime("%Y-%m-%d"),
        "arrow": times.astype("timestamp[us][pyarrow]"),
    }[kind]
    assert first_date(frame(**{name: times, "used": USED})) == FULL


@pytest.mark.parametrize(
    "name",
    [
        *("used", "used_addresses", "UsedIpAddressCount", "ips_used", "IPs used", "in_use"),
        *("allocated", "assigned_ips", "usage", "addresses", "ips", "y", "max_used"),
    ],
)
def test_a_column_of_used_addresses_is_found_by_its_name(name):
    forecast = forecast_exhaustion(frame(**{"time": DAYS, name: USED}), capacity=200)
    assert forecast.date() == FULL


@pytest.mark.parametrize(
    "name",
    [
        *("available", "AvailableIpAddressCount", "available_ip_address_count", "free"),
        *("ips_available", "free_ips", "FreeAddresses", "remaining", "unused", "min_available"),
        *("freeips", "ipsfree", "allocatable", "assignable_addresses", "headroom", "unassigned"),
    ],
)
def test_a_column_of_available_addresses_is_never_taken_for_used_ones(name):
    assert first_date(frame(**{"time": DAYS, name: 200 - USED})) == FULL
    assert first_date(line(200 - USED, name=name)) == FULL


@pytest.mark.parametrize("name", ["value", "Value", "Value #A", "Maximum", "reading"])
def test_a_column_that_says_neither_is_refused_until_it_is_named(name):
    history = frame(**{"time": DAYS, name: 200 - USED})
    if name != "reading":
        with pytest.raises(InputError, match="available=NAME"):
            forecast_exhaustion(history, capacity=200)
    assert forecast_exhaustion(history, capacity=200, available=name).date() == FULL


@pytest.mark.parametrize("name", ["ips", "addresses", "count", "win-a"])
def test_what_nothing_says_is_read_openly(name):
    history = frame(**{"time": DAYS, name: USED})
    assert "assumed-used" in codes(forecast_exhaustion(history, capacity=200))
    said = forecast_exhaustion(history, capacity=200, used=True)
    assert np.ravel(said.date())[0] == FULL
    assert "assumed-used" not in codes(said)
    free = frame(**{"time": DAYS, name: 200 - USED})
    assert first_date(free, available=True) == FULL


@pytest.mark.parametrize("name", ["not_used", "used_or_free", "usable", "non used ips"])
def test_a_name_that_may_mean_either_is_refused(name):
    with pytest.raises(InputError, match=r"used or available|is 'usable' a subnet"):
        first_date(frame(**{"time": DAYS, name: 200 - USED}))


@pytest.mark.parametrize("name", ["Free %", "% free", "available_percent", "free_ratio", "freepct"])
@pytest.mark.parametrize("said", [{}, {"available": True}, {"percent": ...}, {"available": ...}])
def test_percent_of_what_is_free_is_not_taken_for_anything_else(name, said):
    said = {kind: name if value is ... else value for kind, value in said.items()}
    with pytest.raises(InputError, match="percentage of available addresses: give 100 less it"):
        first_date(frame(**{"time": DAYS, name: 100 - USED / 2}), **said)


def test_counts_that_look_like_percent_are_said_and_shares_refused():
    percent = frame(time=DAYS, used=USED / 4 + 0.25)
    assert "perhaps-percent" in codes(forecast_exhaustion(percent, capacity=1019))
    assert "perhaps-percent" not in codes(forecast_exhaustion(percent, capacity=100))
    assert "perhaps-percent" not in codes(
        forecast_exhaustion(frame(time=DAYS, used=USED / 4 + 100.25), capacity=1019)
    )
    with pytest.raises(InputError, match="of shares give 100 times as much"):
        first_date(frame(time=DAYS, usage=USED / 200))


def test_a_capacity_beside_a_given_one_is_not_a_subnet():
    history = frame(time=DAYS, win=USED, capacity=190)
    assert list(forecast_exhaustion(history, capacity=200).subnets) == ["win"]


@pytest.mark.parametrize("value", ["0.62 K", "395 IPs", "38.8%"])
def test_values_with_units_are_refused_with_the_cure(value):
    history = frame(**{"time": DAYS, "win used": [value, *USED[1:].astype(str)]})
    with pytest.raises(UnsupportedInputError, match="without units"):
        first_date(history)


@pytest.mark.parametrize(
    ("form", "order"),
    [
        ("%d.%m.%Y %H:%M:%S", "day first"),
        ("%d/%m/%Y", "day first"),
        ("%m/%d/%Y %I:%M %p", "month first"),
        ("%d-%m-%Y %H:%M", "day first"),
        ("%d %b %Y", ""),
        ("%b %d, %Y", ""),
        ("%a, %d %B %Y %H:%M:%S", ""),
        ("%Y/%m/%d", ""),
    ],
)
def test_dates_of_any_country_are_read_where_they_say_which_is_the_day(form, order):
    times = pd.Series(DAYS).dt.strftime(form)
    forecast = forecast_exhaustion(frame(time=times, used=USED), capacity=200)
    assert forecast.date() == FULL
    reasons = [f.why for f in forecast.findings if f.code == "dates-by-country"]
    assert [order in why for why in reasons] == [True] * bool(order)


def test_dates_that_do_not_say_which_is_the_day_are_refused():
    times = pd.date_range("2025-01-01", "2025-01-12").strftime("%d/%m/%Y")
    with pytest.raises(InputError, match=r"01/01/2025.*day or with the month"):
        forecast_exhaustion(frame(time=times, used=range(12)), capacity=200)


@pytest.mark.parametrize(
    "name",
    [
        *("SubnetIPUsage", "percent", "used_percent", "utilization", "pct", "Used %"),
        *("SubnetIPUsage subnet-1", "subnet-1 SubnetIPUsage"),
    ],
)
def test_a_column_of_percent_is_a_share_of_the_capacity(name):
    assert first_date(frame(**{"time": DAYS, name: USED / 2})) == FULL


def test_percent_that_are_none_are_refused():
    with pytest.raises(InvalidCountError, match="between 0 and 100"):
        first_date(frame(time=DAYS, percent=USED))
    with pytest.raises(InputError, match="100 times as much"):
        first_date(frame(time=DAYS, percent=USED / 200))
    with pytest.raises(InputError, match="100 times as much"):
        first_date(frame(time=DAYS, ip_usage_ratio=USED / 200))


@pytest.mark.parametrize("name", ["subnet", "subnet_id", "SubnetId", "unique_id", "cidr", "name"])
def test_a_column_of_subnets_is_found_by_its_name(name):
    two = pd.concat(frame(**{"time": DAYS, name: x, "used": USED + i}) for i, x in enumerate("ab"))
    forecast = forecast_exhaustion(two, capacity=200)
    assert list(forecast.subnets) == ["a", "b"]
    assert forecast.date()["a"] == forecast.date()["b"] + pd.Timedelta(days=1) == FULL


@pytest.mark.parametrize(
    ("history", "word"),
    [
        (frame(time=DAYS, Maximum=USED), "says used or available"),
        (frame(time=DAYS, subnet=1, amount=USED), "says used or available"),
        (frame(time=DAYS, a=USED, note="x"), "says used or available"),
        (frame(time=DAYS, used_max=USED, used_mean=USED), "several columns"),
        (frame(a=["x"] * COUNT, used=USED), "no column of times"),
        (pd.DataFrame(np.c_[USED, USED], DAYS, ["a", "a"]), "two columns named 'a'"),
        (pd.DataFrame({("a", "b"): USED}, DAYS), "several levels"),
        (frame(time=DAYS, a=USED, total=USED), "capacity or a subnet"),
        (frame(time=DAYS, x=USED, y=USED), "may be one subnet, 'y', or one for each"),
        (pd.DataFrame(), "empty"),
        (frame(time=[], used=[]), "empty"),
    ],
)
def test_columns_that_leave_it_open_are_asked_about(history, word):
    with pytest.raises(InputError, match=word) as caught:
        forecast_exhaustion(history, capacity=None if "total" in history else 200)
    assert "__" not in str(caught.value)


def test_a_column_that_tells_subnets_apart_is_not_passed_over():
    two = pd.concat(frame(time=DAYS, zone=x, used=USED + 9 * i) for i, x in enumerate("ab"))
    with pytest.raises(InputError, match="zone may tell the subnets apart"):
        forecast_exhaustion(two, capacity=200)
    assert len(forecast_exhaustion(two, capacity=200, subnet="zone").subnets) == 2


def test_columns_can_be_named_and_names_must_be_there():
    odd = frame(t=DAYS, busy=USED, which="a")
    assert first_date(odd, time="t", used="busy", subnet="which") == FULL
    assert first_date(frame(t=DAYS, x=200 - USED), time="t", available="x") == FULL
    assert first_date(frame(t=DAYS, x=USED / 2), time="t", percent="x") == FULL
    for role in ("time", "used", "available", "percent", "subnet"):
        with pytest.raises(InputError, match=f"no column 'none' for {role}"):
            first_date(odd, **{role: "none"})
        with pytest.raises(InputError, match="no columns to name"):
            first_date(line(), **{role: "none"})


def test_a_wide_table_may_hold_available_addresses():
    wide = pd.DataFrame({"a": 200 - USED, "b": 230 - USED}, DAYS)
    forecast = forecast_exhaustion(wide, capacity={"a": 200, "b": 230}, available=True)
    assert list(forecast.date()) == [FULL, FULL + pd.Timedelta(days=30)]
    assert first_date(line(200 - USED), available=True) == FULL
    with pytest.raises(InputError, match="says used"):
        first_date(frame(time=DAYS, used=USED), available=True)


def test_times_may_be_the_index_and_subnets_a_level_of_it():
    tidy = frame(time=DAYS, subnet="a", used=USED)
    kinds = [
        tidy.set_index(["subnet", "time"]),
        tidy.set_index("time"),
        tidy.assign(time=DAYS.strftime("%Y-%m-%d")).set_index("time"),
        tidy[["used"]].set_axis(DAYS.strftime("%Y-%m-%d"), axis=0),
        tidy.set_index(["time", "subnet"])["used"],
        line(index=DAYS.strftime("%Y-%m-%d")),
        line(index=[x.date() for x in DAYS]),
        line(index=DAYS.to_period("D")),
    ]
    assert [first_date(kind) for kind in kinds] == [FULL] * len(kinds)


def test_names_of_subnets_may_be_numbers():
    wide = pd.DataFrame({1: USED, 2: USED}, DAYS)
    forecast = forecast_exhaustion(wide, capacity={1: 200, 2: 230})
    assert list(forecast.capacity) == [200, 230]
    tidy = frame(time=DAYS, subnet=7, used=USED)
    assert first_date(tidy, capacity={7: 200}) == FULL


def test_other_dataframes_do_as_well():
    polars, pa = (
        pytest.importorskip("polars", reason="Polars is not installed"),
        pytest.importorskip("pyarrow", reason="PyArrow is not installed"),
    )
    columns = {"time": list(DAYS.to_pydatetime()), "used": USED}
    assert first_date(polars.DataFrame(columns)) == FULL
    assert first_date(pa.table(columns)) == FULL


# -- times -----------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_epoch_times_are_read_openly(unit):
    numbers = DAYS.as_unit(unit).asi8
    for history in (frame(time=numbers, used=USED), line(index=numbers)):
        forecast = forecast_exhaustion(history, capacity=200)
        assert forecast.date() == FULL.tz_localize("UTC")
        assert "epoch-times" in codes(forecast)
    assert first_date(frame(time=numbers.astype(float), used=USED)) == FULL.tz_localize("UTC")


@pytest.mark.parametrize(
    ("form", "zone"),
    [
        ("%Y-%m-%dT%H:%M:%SZ", "UTC"),
        ("%Y-%m-%d %H:%M:%S UTC", "UTC"),
        ("%Y-%m-%d %H:%M:%S.000 UTC", "UTC"),
        ("%Y-%m-%d %H:%M:%S+00", "UTC"),
        ("%Y-%m-%d %H:%M+02:00", "UTC+02:00"),
        ("%Y-%m-%dT%H:%M-0530", "UTC-05:30"),
        ("%Y-%m-%d", None),
        ("%Y%m%d", None),
    ],
)
def test_texts_of_times_keep_their_one_offset(form, zone):
    forecast = forecast_exhaustion(frame(time=DAYS.strftime(form), used=USED), capacity=200)
    assert forecast.date().tz_localize(None) == FULL
    assert (str(forecast.date().tz) if zone else forecast.date().tz) == zone


def test_whole_numbers_may_be_days():
    numbers = DAYS.strftime("%Y%m%d").astype(int)
    assert first_date(frame(time=numbers, used=USED)) == FULL


def test_several_offsets_are_days_of_utc_unless_a_zone_is_given():
    local = pd.date_range("2026-02-01", periods=COUNT, tz="Europe/Berlin")
    texts = [time.isoformat() for time in local]
    assert {text[-6:] for text in texts} == {"+01:00", "+02:00"}
    forecast = forecast_exhaustion(frame(time=texts, used=USED), capacity=200)
    assert "mixed-offsets" in codes(forecast)
    assert str(forecast.date().tz) == "UTC"
    forecast = forecast_exhaustion(
        frame(time=texts, used=USED), capacity=200, timezone="Europe/Berlin"
    )
    assert forecast.date() == local[0] + pd.DateOffset(days=100)
    assert "mixed-offsets" not in codes(forecast)


@pytest.mark.parametrize(
    ("times", "error", "word"),
    [
        (
            ["2026-01-01Z" if i % 2 else "2026-01-02" for i in range(COUNT)],
            InputError,
            "not an ISO",
        ),
        (
            [f"2026-01-{i % 28 + 1:02}T00:00{'Z' * (i % 2)}" for i in range(COUNT)],
            InputError,
            "some times have an offset",
        ),
        (["01/02/2026"] * COUNT, InputError, "'01/02/2026' at position 0"),
        ([*DAYS.strftime("%Y-%m-%d")[:-1], "?"], InputError, r"'\?' at position 59"),
        (np.arange(COUNT), InputError, "neither seconds nor"),
        ([True] * COUNT, InputError, "True and False"),
        ([pd.NaT, *DAYS[1:]], MissingValueError, "1 missing"),
    ],
)
def test_times_that_cannot_be_known_are_refused(times, error, word):
    with pytest.raises(error, match=word) as caught:
        first_date(frame(time=times, used=USED))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("zone", [5, "Mars/Base", ""])
def test_a_zone_that_is_none_is_refused(zone):
    with pytest.raises(InputError, match="timezone"):
        first_date(line(), timezone=zone)


@pytest.mark.parametrize("zone", ["Berlin", "new york"])
def test_a_city_alone_is_answered_with_its_zone(zone):
    with pytest.raises(InputError, match=r"did you mean '(Europe/Berlin|America/New_York)'"):
        first_date(line(), timezone=zone)


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Europe/Berlin", "2026-03-01"),
        ("Europe/Berlin", "2026-10-01"),
        ("America/Sao_Paulo", "2018-10-20"),
        ("America/Havana", "2026-10-10"),
        ("Asia/Tehran", "2022-03-01"),
        ("Australia/Lord_Howe", "2026-03-10"),
    ],
)
@pytest.mark.parametrize("minutes", [15, 60, 360])
def test_a_day_is_a_day_of_the_wall_clock_however_long_it_is(zone, first, minutes):
    start = pd.Timestamp(first, tz="UTC")
    times = pd.date_range(start, periods=50 * 1440 // minutes, freq=f"{minutes}min")
    local = times.tz_convert(zone)
    ordinal = np.array([time.toordinal() for time in local.date])
    history = pd.Series(100.0 + ordinal - ordinal[0], index=local)
    forecast = forecast_exhaustion(history, capacity=200, horizon=90)
    peaks = forecast.history
    assert len(peaks) == ordinal[-1] - ordinal[0] + 1
    assert list(peaks["used"]) == list(100.0 + np.arange(len(peaks)))
    assert (
        peaks["time"].dt.tz_localize(None) - peaks["time"].dt.tz_localize(None).dt.normalize()
    ).max() <= pd.Timedelta(hours=1)
    assert str(forecast.path["time"].dt.tz) == zone
    # The same rows in UTC, with the zone named, are the same forecast.
    again = forecast_exhaustion(history.tz_convert("UTC"), capacity=200, horizon=90, timezone=zone)
    pd.testing.assert_frame_equal(again.path, forecast.path)


# -- rows ------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_and_equal_duplicates_change_nothing(random, copies):
    history = line()
    places = [*range(COUNT)] + [random.randrange(COUNT) for _ in range(copies)]
    random.shuffle(places)
    forecast = forecast_exhaustion(history.iloc[places], capacity=200, horizon=60)
    pd.testing.assert_frame_equal(
        forecast.path, forecast_exhaustion(history, capacity=200, horizon=60).path
    )
    (twice,) = (x for x in forecast.findings if x.code == "duplicate-times")
    assert twice.seen.startswith(f"{copies} row")
    assert "0 with another value" in twice.seen


def test_of_conflicting_values_the_larger_use_counts():
    used = pd.concat([line(), line().iloc[5:8] + 30, line().iloc[5:8] - 30])
    free = 200 - used
    for history in (used, free.rename("free")):
        forecast = forecast_exhaustion(history, capacity=200)
        assert list(forecast.history["used"].iloc[4:9]) == [104, 135, 136, 137, 108]
        (twice,) = (x for x in forecast.findings if x.code == "duplicate-times")
        assert "6 with another value" in twice.seen


def test_interleaved_rows_that_go_back_are_told():
    two = pd.concat([frame(time=DAYS, subnet=x, used=USED) for x in "ab"]).sort_values("time")
    assert "unsorted-history" not in codes(forecast_exhaustion(two, capacity=200))
    swapped = pd.concat([two.iloc[2:], two.iloc[:2]])
    forecast = forecast_exhaustion(swapped, capacity=200)
    (back,) = (x for x in forecast.findings if x.code == "unsorted-history")
    assert back.seen == "2 times went back"


def test_a_rare_subnet_does_not_throw_the_days_of_others_together():
    weekly = pd.date_range("2025-01-05", periods=60, freq="7D")
    rows = pd.concat(
        [
            frame(time=DAYS, subnet="daily", used=USED),
            frame(time=weekly, subnet="weekly", used=USED),
        ]
    )
    forecast = forecast_exhaustion(rows, capacity=200)
    assert str(forecast.panel.grid) == "1 day"
    assert forecast.date()["daily"] == FULL
    assert {"mixed-spacings", "gaps"} <= codes(forecast)


def test_a_subnet_that_is_no_longer_watched_is_told():
    old = frame(time=DAYS - pd.Timedelta(days=90), subnet="old", used=USED)
    forecast = forecast_exhaustion(
        pd.concat([frame(time=DAYS, subnet="new", used=USED), old]), capacity=200
    )
    (stale,) = (x for x in forecast.findings if x.code == "stale-history")
    assert "first old" in stale.seen
    assert len(set(forecast.days_left())) == 1


@pytest.mark.parametrize(
    "dtype",
    [
        *("int64", "int32", "uint8", "uint16", "float32", "Int64", "UInt8", "Float64", "object"),
        *("int64[pyarrow]", "double[pyarrow]", "str"),
    ],
)
def test_counts_may_be_of_any_dtype(dtype):
    values = line().astype(int).astype(dtype)
    assert first_date(values) == FULL
    assert first_date(frame(time=DAYS, used=values.array)) == FULL


@pytest.mark.parametrize("dtype", ["float64", "Int64", "int64[pyarrow]", "object"])
def test_missing_counts_of_any_dtype_are_gaps(dtype):
    values = [*range(100, 150), *[None] * 3, *range(153, 160)]
    forecast = forecast_exhaustion(pd.Series(values, DAYS, dtype=dtype), capacity=200)
    assert {"missing-values", "gaps"} <= codes(forecast)
    assert forecast.date() == FULL
    assert forecast.history["used"].isna().sum() == 3


def test_decimals_are_counts():
    history = pd.Series([decimal.Decimal(int(x)) for x in USED], DAYS, dtype=object)
    assert first_date(history, capacity=decimal.Decimal(200)) == FULL


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (USED - 120, InvalidCountError),
        (np.where(USED == 110, np.inf, USED), InvalidCountError),
        (np.where(USED == 110, -np.inf, USED), InvalidCountError),
        (USED * 1e11, InvalidCountError),
        (USED > 0, UnsupportedInputError),
        ([True] * COUNT, UnsupportedInputError),
        (USED + 1j, UnsupportedInputError),
        (["many"] * COUNT, UnsupportedInputError),
        (DAYS, UnsupportedInputError),
    ],
)
@pytest.mark.parametrize("dtype", [None, object])
def test_what_is_no_count_is_refused(values, error, dtype):
    with pytest.raises(error) as caught:
        first_date(frame(time=DAYS, used=pd.Series(values, dtype=dtype)), used="used")
    assert isinstance(caught.value, CapacityError)


# -- capacity ----------------------------------------------------------------------


SPREAD = Subnet(
    "10.0.0.0/24",
    used=["10.0.0.20", "10.0.0.32/28"],
    reservations=[("10.0.0.64/26", "prefix"), ("10.0.0.128/27", "explicit")],
)


@pytest.mark.parametrize(
    ("capacity", "unit", "amount"),
    [
        (251, None, 251),
        (np.int32(251), None, 251),
        ("10.0.0.0/24", None, 251),
        ("10.0.0.0/24", "prefixes", 14),
        ("10.0.0.0/28", "prefixes", 0),
        (ipaddress.ip_network("10.0.0.0/24"), None, 251),
        (Subnet("10.0.0.0/24"), None, 251),
        (Subnet("10.0.0.0/24", used=100), None, 251),
        (Subnet("10.0.0.0/24"), "prefixes", 14),
        # 96 addresses lie in reservations; what is in use can be in use.
        (SPREAD, None, 251 - 96),
        # Of 14 blocks one is broken and two are explicit; the full one is in use as a prefix.
        (SPREAD, "prefixes", 14 - 1 - 2),
    ],
)
def test_a_capacity_of_any_kind(capacity, unit, amount):
    forecast = forecast_exhaustion(line(USED / 100), capacity=capacity, unit=unit, horizon=9)
    assert forecast.capacity.iloc[0] == amount


def test_blocks_of_a_subnet_need_to_know_where_its_addresses_are():
    with pytest.raises(PlacementUnknownError):
        first_date(line(), capacity=Subnet("10.0.0.0/24", used=50), unit="prefixes")


@pytest.mark.parametrize(
    "capacity",
    [
        {"a": 200, "b": 251, "c": 9},
        {"a": 200, "b": Subnet("10.0.1.0/24")},
        pd.Series({"a": 200, "b": 251}),
        pd.Series({"a": 200, "b": 251}, dtype="Int64"),
        pd.Series({"a": "200", "b": "10.0.1.0/24"}).replace("200", 200),
        pd.DataFrame({"a": 200.0, "b": np.r_[[100.0] * 30, [251.0] * 30]}, DAYS),
    ],
)
def test_a_capacity_for_each_subnet(capacity):
    wide = pd.DataFrame({"a": USED, "b": USED}, DAYS)
    assert list(forecast_exhaustion(wide, capacity=capacity).capacity) == [200, 251]


def test_subnets_are_named_by_their_ids():
    wide = pd.DataFrame({"subnet-1": USED, "subnet-2": USED}, DAYS)
    subnets = [
        Subnet("10.0.0.0/24", subnet_id="subnet-1"),
        Subnet("10.0.4.0/23", subnet_id="subnet-2"),
    ]
    assert list(forecast_exhaustion(wide, capacity=subnets).capacity) == [251, 507]


def test_a_capacity_may_stand_in_a_column():
    base = frame(time=DAYS, used=USED)
    for name in ("capacity", "total", "TotalIpAddressCount", "limit"):
        assert first_date(base.assign(**{name: 200}), capacity=None) == FULL
    assert first_date(base.assign(most=200), capacity="most") == FULL
    sized = forecast_exhaustion(base.assign(cidr="10.0.0.0/24"))
    assert sized.capacity.iloc[0] == 251
    assert list(sized.subnets) == ["10.0.0.0/24"]
    assert forecast_exhaustion(base.assign(x="10.0.0.0/24"), capacity="x").capacity.iloc[0] == 251
    # Used and available addresses together are all there are.
    assert first_date(base.assign(available=200 - USED), capacity=None) == FULL


def test_a_capacity_that_changed_holds_from_its_time_on():
    capacity = np.r_[[150.0] * 30, [400.0] * 30]
    forecast = forecast_exhaustion(
        frame(time=DAYS, used=np.minimum(USED, capacity), capacity=capacity), horizon=365
    )
    assert forecast.days_left() == 400 - 159
    assert "capacity-changed" in codes(forecast)
    assert list(forecast.history["capacity"]) == list(capacity)
    # Free addresses jump with the capacity; used ones do not.
    free = frame(time=DAYS, free=capacity + 50 - USED, capacity=capacity + 50)
    assert list(forecast_exhaustion(free, horizon=9).history["used"]) == list(USED)


def test_a_capacity_series_holds_from_its_very_time_on():
    capacity = pd.Series([300.0, 400.0], index=[DAYS[5], DAYS[20]])
    peaks = forecast_exhaustion(line(), capacity=capacity, horizon=9).history
    assert list(peaks["capacity"]) == [300] * 20 + [400] * 40


def test_a_subnet_was_full_when_it_reached_the_capacity_of_its_time():
    capacity = np.r_[[120.0] * 40, [400.0] * 20]
    used = np.minimum(USED, capacity)
    forecast = forecast_exhaustion(frame(time=DAYS, used=used, capacity=capacity), horizon=9)
    assert list(forecast.history["lower_bound"]) == list(used >= capacity)
    assert forecast.history["lower_bound"].sum() == 20


def test_rows_without_a_value_need_no_capacity():
    rows = frame(time=DAYS, used=USED, capacity=200.0)
    rows.loc[20:25, ["used", "capacity"]] = np.nan
    assert first_date(rows, capacity=None) == FULL
    rows.loc[30, "capacity"] = np.nan
    with pytest.raises(MissingValueError, match="capacity has 1 missing"):
        first_date(rows, capacity=None)


@pytest.mark.parametrize(
    ("capacity", "word"),
    [
        (None, "capacity is needed"),
        ({"a": 1}, "has no value for 2 of 2"),
        ("10.0.0.5/24", "host bits"),
        ("10.0.0.0/8", "/16 to /28"),
        ("fd00::/120", "IPv4"),
        ("many", "no column 'many'"),
        (1 + 2j, "must be a number"),
        ([200], "must be a number"),
        (1e13, "from 0 to"),
        (float("inf"), "from 0 to"),
        (pd.Series([], index=pd.DatetimeIndex([]), dtype=float), "empty"),
        (pd.Series([1.0, 2.0], index=[DAYS[0]] * 2), "two values for"),
        (pd.Series([1.0], index=[DAYS[-1] + pd.Timedelta(days=9)]), "after the end"),
        (pd.Series([1.0], index=[DAYS[0].tz_localize("UTC")]), "time zone"),
        (pd.Series([1.0, 2.0], index=["x", "x"]), "twice"),
    ],
)
def test_a_capacity_that_makes_no_sense_is_refused(capacity, word):
    wide = pd.DataFrame({"x": USED, "z": USED}, DAYS)
    with pytest.raises(InputError, match=word):
        forecast_exhaustion(wide, capacity=capacity)


def test_available_above_the_capacity_is_refused():
    with pytest.raises(InvalidCountError, match="49 rows, first at 2026-01-12"):
        first_date(frame(time=DAYS, available=USED), capacity=110)


def test_prefixes_are_known_by_the_name_of_their_column():
    history = frame(time=DAYS, used_prefixes=np.floor(USED / 16))
    forecast = forecast_exhaustion(history, capacity="10.0.0.0/24")
    assert (forecast.unit, forecast.capacity.iloc[0]) == ("prefixes", 14)
    both = history.assign(used_addresses=USED)
    assert forecast_exhaustion(both, capacity=300, unit="prefixes").history["used"].iloc[0] == 6
    assert forecast_exhaustion(both, capacity=300, unit="addresses").history["used"].iloc[0] == 100


# -- horizon, level and the rest ---------------------------------------------------------


@pytest.mark.parametrize(
    ("horizon", "periods"),
    [
        *((30, 30), (30.5, 31), (np.int64(30), 30), ("30", 30), ("30d", 30), ("30 days", 30)),
        *(
            ("48h", 2),
            ("2w", 14),
            ("P30D", 30),
            (dt.timedelta(30), 30),
            (pd.Timedelta(days=30), 30),
        ),
        *((np.timedelta64(30, "D"), 30), ("2026-03-31", 30), (dt.date(2026, 3, 31), 30)),
        *((pd.DateOffset(months=2), 61), ("2 months", 61), ("2M", 61), ("1y", 365)),
        *((pd.offsets.MonthEnd(1), 30), (pd.Timestamp("2026-03-31", tz="UTC"), 30)),
    ],
)
def test_a_horizon_of_any_kind(horizon, periods):
    assert forecast_exhaustion(line(), capacity=200, horizon=horizon).horizon == periods


@pytest.mark.parametrize(
    "horizon",
    [0, -1, "0d", None, True, float("nan"), float("inf"), "soon", "", "2020-01-01", 10**6, [3]],
)
def test_a_horizon_that_makes_no_sense_is_refused(horizon):
    with pytest.raises(InputError, match="horizon"):
        forecast_exhaustion(line(), capacity=200, horizon=horizon)


@pytest.mark.parametrize(
    "options",
    [
        *(
            {"level": x}
            for x in (80, (80, 95), (), None, 0, 1, "0.8", ("a",), float("nan"), [[0.8]])
        ),
        *({"paths": x} for x in (50, "a", 100.5, 10**6, None)),
        *({"seed": x} for x in (-1, "x", 1.5, None, True)),
        *({"workers": x} for x in (0, -1, "2", None)),
        *({"season_lengths": x} for x in (1, "7", 7.5, [7, 0], -7)),
        *({"step": x} for x in ("0d", 0, 1, "30s", "7h", "x", [1])),
        *({"unit": x} for x in ("blocks", 1)),
        *({"unusable": "drop"}, {"engine": "prophet"}),
        *({"events": x} for x in (5, "2026-04-01", [("2026-04-01",)], [("x", 1)])),
        *({"events": [("2026-04-01", x)]} for x in ("a", None, float("inf"))),
        *({"events": x} for x in ([(DAYS[3], 5)], [(DAYS[-1], 5)], [(pd.NaT, 5)])),
        *({"events": x} for x in ([("2026-04-01", 5, "other")], pd.DataFrame({"time": [1]}))),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options):
    with pytest.raises(InputError):
        forecast_exhaustion(line(), capacity=200, **options)


@pytest.mark.parametrize(
    "events",
    [
        [("2026-03-20", 20)],
        [("2026-03-20", 20, "subnet")],
        [("2026-03-20", 5), ("2026-03-20", 15, None)],
        {"2026-03-20": 20},
        pd.Series([20], index=pd.to_datetime(["2026-03-20"])),
        pd.DataFrame({"time": ["2026-03-20"], "change": [20]}),
        pd.DataFrame({"time": ["2026-03-20"], "change": [20], "subnet": [None]}),
    ],
)
def test_events_of_any_kind(events):
    assert first_date(line(), events=events) == FULL - pd.Timedelta(days=20)


def test_an_event_beyond_the_horizon_is_told():
    forecast = forecast_exhaustion(line(), capacity=200, horizon=30, events=[("2027-01-01", 5)])
    assert "event-beyond-horizon" in codes(forecast)


def test_an_event_later_on_the_newest_day_counts_from_the_next_one():
    hours = pd.date_range("2026-01-01", periods=24 * 40 + 10, freq="h")
    forecast = forecast_exhaustion(
        pd.Series(50.0, hours),
        capacity=100,
        horizon=10,
        events=[(hours[-1] + pd.Timedelta(hours=2), 20)],
    )
    np.testing.assert_allclose(forecast.path["demand"], 70)
    here = pd.concat([frame(time=DAYS, subnet=x, used=50.0) for x in "ab"])
    one = forecast_exhaustion(here, capacity=100, horizon=5, events=[("2026-03-02", 20, "b")])
    assert one.path.groupby("subnet")["demand"].max().to_dict() == {"a": 50, "b": 70}


@pytest.mark.parametrize(
    ("step", "text"),
    [("1M", "1 month"), ("2 months", "2 months"), ("Q", "3 months"), ("W", "7 days")],
)
def test_a_step_of_weeks_or_months(step, text):
    history = line(np.arange(900.0), pd.date_range("2023-01-01", periods=900))
    forecast = forecast_exhaustion(history, capacity=2000, horizon="1y", step=step)
    assert str(forecast.panel.grid) == text


# -- what monitoring writes ----------------------------------------------------------------


def sixty():
    return pd.Series(range(100, 160), index=pd.date_range("2026-01-01", periods=60), dtype=float)


def test_the_text_nan_is_a_missing_value():
    frame = sixty().rename("used").rename_axis("time").reset_index()
    frame["used"] = frame["used"].astype(str).where(frame["used"] != 120, "NaN")
    forecast = forecast_exhaustion(frame, capacity=300, horizon=30)
    assert "missing-values" in {x.code for x in forecast.findings}
    assert forecast.history["used"].isna().sum() == 1


def test_assigned_and_total_of_the_cni_are_not_two_subnets():
    frame = pd.DataFrame(
        {"awscni_assigned_ip_addresses": sixty(), "awscni_total_ip_addresses": sixty() + 40}
    )
    with pytest.raises(InputError, match="used='awscni_total_ip_addresses'"):
        forecast_exhaustion(frame, capacity=300)
    forecast = forecast_exhaustion(
        frame, capacity=300, used="awscni_total_ip_addresses", horizon=90
    )
    assert len(forecast.subnets) == 1


def test_one_row_of_1970_is_refused_and_named():
    history = pd.concat([pd.Series([0.0], index=[pd.Timestamp("1970-01-01")]), sixty()])
    with pytest.raises(InputError, match=r"1970-01-01 00:00:00 at position 0"):
        forecast_exhaustion(history, capacity=300)


def test_keys_of_a_wrong_type_are_named():
    frame = pd.DataFrame({"a": sixty(), "b": sixty()})
    with pytest.raises(InputError, match=r"has values for 1, 2 \(of type int\)"):
        forecast_exhaustion(frame, capacity={1: 300, 2: 300})
