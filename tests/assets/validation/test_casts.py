"""Conversions are exact or null."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given as cases
from hypothesis import strategies as st
from polars.datatypes.classes import FloatType

from assets.validation.casts import as_float32, as_id, as_text, given, given_number
from assets.validation.times import TimestampUnit, as_epoch_ms

NOON_MS = 1_767_268_800_000
"""2026-01-01 12:00 UTC."""


def apply(expression: pl.Expr, values: list[Any], dtype: pl.DataType | None = None) -> list[Any]:
    return pl.DataFrame({"x": pl.Series(values, dtype=dtype, strict=False)}).select(expression).to_series().to_list()


@pytest.mark.parametrize(
    ("dtype", "values", "int64", "string"),
    [
        (
            pl.String(),
            ["7", "007", "7.0", " 7", "-3", "9223372036854775807", "9223372036854775808", "abc", "", "  "],
            [7, None, 7, None, -3, 2**63 - 1, None, None, None, None],
            ["7", "007", "7", " 7", "-3", "9223372036854775807", "9223372036854775808", "abc", None, None],
        ),
        (
            pl.Float64(),
            [7.0, 7.5, 2.0**53, 2.0**53 + 2, float("nan"), float("inf"), -0.0],
            [7, None, 2**53, None, None, None, 0],
            ["7", None, str(2**53), None, None, None, "0"],
        ),
        (
            pl.Float32(),
            [7.0, 7.5, 2.0**24, 2.0**24 + 2, 123456789.0, float("inf")],
            [7, None, 2**24, None, None, None],
            ["7", None, str(2**24), None, None, None],
        ),
        (pl.Float16(), [7.0, 2.0**11, 2.0**11 + 2, 40000.0], [7, 2**11, None, None], ["7", str(2**11), None, None]),
        (
            pl.String(),
            ["12.00", "-0.0", "9007199254740992.0", "9007199254740993.0", "1.2345678E7", "5E3", "1.5", "007.0", "v1.0"],
            [12, 0, 2**53, None, 12345678, None, None, None, None],
            ["12", "0", str(2**53), None, "12345678", "5E3", "1.5", "007.0", "v1.0"],
        ),
        (
            pl.Decimal(38, 2),
            [Decimal("12.00"), Decimal("12.50"), Decimal("123456789012345678901234567890.00")],
            [12, None, None],
            ["12", None, "123456789012345678901234567890"],
        ),
        (pl.UInt64(), [1, 2**63], [1, None], ["1", "9223372036854775808"]),
        (pl.Int32(), [1, None], [1, None], ["1", None]),
        (pl.Categorical(), ["12", "x"], [12, None], ["12", "x"]),
        (pl.Boolean(), [True], [None], [None]),
        (pl.Date(), [date(2026, 1, 1)], [None], [None]),
        (pl.List(pl.Int64()), [[1]], [None], [None]),
        (pl.Struct({"id": pl.Int64()}), [{"id": 1}], [None], [None]),
        (pl.Binary(), [b"0123456789abcdef"], [None], [None]),
    ],
)
def test_ids_convert_only_without_loss(dtype: pl.DataType, values: list, int64: list, string: list) -> None:
    assert apply(as_id("x", dtype, "int64"), values, dtype) == int64
    assert apply(as_id("x", dtype, "string"), values, dtype) == string


@cases(st.integers(-(2**70), 2**70))
def test_every_int64_and_nothing_else_survives_as_text(number: int) -> None:
    expected = number if -(2**63) <= number < 2**63 else None
    assert apply(as_id("x", pl.String(), "int64"), [str(number)]) == [expected]


@pytest.mark.parametrize(
    ("unit", "value"),
    [("s", 1_767_268_800), ("ms", NOON_MS), ("us", NOON_MS * 1000 + 999), ("ns", NOON_MS * 10**6 + 9)],
)
def test_one_moment_in_every_unit_and_type(unit: Any, value: int) -> None:
    assert apply(as_epoch_ms("x", pl.Int64(), unit), [value]) == [NOON_MS]
    assert apply(as_epoch_ms("x", pl.String(), unit), [str(value)]) == [NOON_MS]


def test_fractions_of_seconds_are_kept() -> None:
    assert apply(as_epoch_ms("x", pl.Float64(), "s"), [1_767_268_800.123, float("nan")]) == [NOON_MS + 123, None]
    assert apply(as_epoch_ms("x", pl.String(), "s"), ["1767268800.123", "1.7672688e9"]) == [NOON_MS + 123, NOON_MS]


@cases(st.integers(0, 4 * 10**15))
def test_one_moment_is_one_number_however_it_is_written(microseconds: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    expected = [microseconds // 1000]
    assert apply(as_epoch_ms("x", pl.Datetime("us", "UTC"), "ms"), [moment], pl.Datetime("us", "UTC")) == expected
    assert apply(as_epoch_ms("x", pl.String(), "iso"), [moment.isoformat()]) == expected
    units: dict[TimestampUnit, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
    for unit, per_second in units.items():
        number = Decimal(microseconds) * per_second / 10**6
        assert apply(as_epoch_ms("x", pl.Float64(), unit), [float(number)]) == expected
        assert apply(as_epoch_ms("x", pl.String(), unit), [str(float(number))]) == expected
        assert apply(as_epoch_ms("x", pl.Decimal(38, 9), unit), [number], pl.Decimal(38, 9)) == expected


def test_a_number_that_was_shortened_is_no_time_and_no_id() -> None:
    shortened = ["1.76727E+12", "1.8e+12", "2E+12"]
    assert apply(as_epoch_ms("x", pl.String(), "ms"), shortened) == [None] * 3
    assert apply(as_epoch_ms("x", pl.String(), "ns"), ["1.7672688e+18"]) == [NOON_MS]
    ids = [*shortened, "1,23457E+17", "1.2345678901234568e+18", "1e+16"]
    for id_type in ("int64", "string"):
        assert apply(as_id("x", pl.String(), id_type), ids) == [None] * 6
    assert apply(as_id("x", pl.String(), "string"), ["1E5", "12E45", "a1e+5", "1+1"]) == [
        "1E5",
        "12E45",
        "a1e+5",
        "1+1",
    ]


def test_an_object_or_a_list_is_no_id_as_text_neither() -> None:
    nested = ['{"id": 1}', "{}", " [1]", '["a", 2]', "[[1]]", "[null]", "[]"]
    for id_type in ("int64", "string"):
        assert apply(as_id("x", pl.String(), id_type), nested) == [None] * len(nested)
    names = ["{3F2504E0-4F89-11D3-9A0C-0305E82C3301}", "[rec] 2", "[x]", "{a}", "[1] b"]
    assert apply(as_id("x", pl.String(), "string"), names) == names


@cases(st.sampled_from([pl.Float16(), pl.Float32(), pl.Float64()]), st.integers(-(2**60), 2**60) | st.integers(0, 5000))
def test_a_float_of_any_width_names_the_number_it_was_made_of_or_none(dtype: FloatType, number: int) -> None:
    limits: dict[FloatType, int] = {pl.Float16(): 2**11, pl.Float32(): 2**24, pl.Float64(): 2**53}
    limit = limits[dtype]
    if limit < abs(number) <= limit + 1:
        return  # The first number that has no float of its own is rounded to the last that has one.
    expected = [number if abs(number) <= limit else None]
    assert apply(as_id("x", dtype, "int64"), [float(number)], dtype) == expected
    assert apply(as_epoch_ms("x", dtype, "ms"), [float(number)], dtype) == (
        expected if dtype != pl.Float64() or expected[0] is not None else [int(float(number))]
    )
    if dtype != pl.Float64():
        assert apply(as_text("x", dtype), [float(number)], dtype) == [None if n is None else str(n) for n in expected]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_narrow_float_is_no_time_of_our_days(unit: Any) -> None:
    now = NOON_MS * {"s": 1e-3, "ms": 1, "us": 1e3, "ns": 1e6}[unit]
    assert apply(as_epoch_ms("x", pl.Float32(), unit), [now, 1.5], pl.Float32()) == [None, None]
    assert apply(as_epoch_ms("x", pl.Float64(), unit), [now]) == [NOON_MS]


def test_huge_seconds_do_not_wrap_around() -> None:
    assert apply(as_epoch_ms("x", pl.Int64(), "s"), [2**62, -(2**62)]) == [9 * 10**18, -9 * 10**18]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T12:00:00Z", NOON_MS),
        ("2026-01-01 12:00:00.250", NOON_MS + 250),
        ("2026-01-01T14:00:00+02:00", NOON_MS),
        ("2026-01-01T06:30:00.123456-0530", NOON_MS + 123),
        ("2026-01-01 13:00:00+01", NOON_MS),
        ("2026-01-01T12:00", NOON_MS),
        ("2026-01-01", NOON_MS - 12 * 3_600_000),
        ("2026-01-01 12:00:00 UTC", NOON_MS),
        ("2026-01-01 12:00:00.250 UTC", NOON_MS + 250),
        ("2026-01-01 12:00:00.000 +0000", NOON_MS),
        ("2026-01-01 17:30:00.1234567 +05:30", NOON_MS + 123),
        ("2026-01-01 12:00:00+00", NOON_MS),
        ("2026-01-01 12:00:00,25", NOON_MS + 250),
        ("2026-01-01t12:00:00z", NOON_MS),
        ("20260101T120000Z", NOON_MS),
        ("20260101T1200", NOON_MS),
        ("2026-01-02T02:00:00+14:00", NOON_MS),
        ("2026-01-01T17:30:00+05:30[Asia/Kolkata]", NOON_MS),
        ("2026-01-01T12:00:00.999999999Z", NOON_MS + 999),
        (" 2026-01-01  12:00 gmt ", NOON_MS),
        ("2026-01-01Z", NOON_MS - 12 * 3_600_000),
        ("2026-01-01 UTC", NOON_MS - 12 * 3_600_000),
        ("2026-01-01T12:00Z[UTC]", NOON_MS),
        ("2026-01-01 12:00:00 +0000 UTC", NOON_MS),
        ("2026-01-01 12:00:00.000 Z", NOON_MS),
        ("2026-01-01 12:00:00-00", NOON_MS),
        *((f"2026-01-01 12:00:00.{'1234567890'[:n]}+00", NOON_MS + int("123"[:n].ljust(3, "0"))) for n in range(1, 11)),
        ("2026-02-30", None),
        ("20260230T120000Z", None),
        ("2026-13-01T12:00:00Z", None),
        ("2026-01-01T25:00:00", None),
        ("2026-01-01T24:00:00", None),
        ("2026-01-01T12:60:00", None),
        ("2016-12-31T23:59:60Z", None),
        ("2026-01-01T12:00:00+99:99", None),
        ("2026-01-01T12:00:00+14:01", None),
        ("2026-01-01T12:00:00+05:60", None),
        ("2026-01-01T12:00:00+5", None),
        ("2026-01-01T12:00:00-99", None),
        ("2026-01-01T12:00:00+15:00", None),
        ("2026-01-01 12:00:00+05:30 UTC", None),
        ("2026-01-01T12:00:00+05:30Z", None),
        ("2026-01-01 12:00:00.", None),
        ("2026-01-01T", None),
        ("-infinity", None),
        ("2026-01-01T12:00:00+0\N{ARABIC-INDIC DIGIT FIVE}", None),
        ("2026-01-01T12:00.5", None),
        ("2026-01-01T12", None),
        ("2026-01-01-05", None),
        ("20260101120000", None),
        ("2026-01-01 12:00:00 Europe/Berlin", None),
        ("2026-01-01 12:00:00 CET", None),
        ("01/02/2026", None),
        ("1767268800", None),
        ("yesterday", None),
    ],
)
def test_iso_text(text: str, expected: int | None) -> None:
    # beside another form, because a parser that infers one format per column would lose the rows of the second
    assert apply(as_epoch_ms("x", pl.String(), "iso"), ["2025-12-31T00:00:00Z", text])[1] == expected


@cases(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),
    st.sampled_from(["T", " ", "t"]),
    st.sampled_from(["milliseconds", "microseconds", "seconds", "minutes"]),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    st.sampled_from([str, lambda text: text[:-3] + text[-2:], lambda text: f"{text[:-6]} {text[-6:]}"]),
)
def test_every_moment_that_python_writes_is_read(
    moment: datetime, separator: str, until: str, zone: Any, so: Any
) -> None:
    text = moment.replace(tzinfo=zone).isoformat(separator, until)
    expected = (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert apply(as_epoch_ms("x", pl.String(), "iso"), [so(text)]) == [expected]


def test_date_times_are_taken_as_they_are_whatever_the_unit_says() -> None:
    noon = datetime(2026, 1, 1, 12)
    assert apply(as_epoch_ms("x", pl.Datetime("us"), "s"), [noon], pl.Datetime("us")) == [NOON_MS]
    zoned = pl.DataFrame({"x": pl.Series([noon.replace(tzinfo=UTC)]).dt.convert_time_zone("Asia/Tokyo")})
    assert zoned.select(as_epoch_ms("x", zoned.schema["x"], "s")).item() == NOON_MS
    assert apply(as_epoch_ms("x", pl.Date(), "datetime"), [date(2026, 1, 1)]) == [NOON_MS - 12 * 3_600_000]
    assert apply(as_epoch_ms("x", pl.Int64(), "datetime"), [NOON_MS]) == [None]
    assert apply(as_epoch_ms("x", pl.Boolean(), "ms"), [True]) == [None]


def test_a_number_that_float32_cannot_hold_is_no_number() -> None:
    assert apply(as_float32("x", pl.String()), ["0.5", "1e39", "nan", "-inf", "five"]) == [0.5, None, None, None, None]
    assert apply(as_float32("x", pl.Float64()), [1e39, 0.5]) == [None, 0.5]
    assert apply(as_float32("x", pl.List(pl.Float64())), [[1.0]]) == [None]


def test_blanks_around_a_number_change_nothing() -> None:
    assert apply(as_float32("x", pl.String()), [" 0.5", "7 ", "1 2"]) == [0.5, 7, None]
    assert apply(given_number("x", pl.String()), [" NaN ", " 1"]) == [False, True]
    assert apply(as_epoch_ms("x", pl.String(), "ms"), [f" {NOON_MS}", f"{NOON_MS}.5 "]) == [NOON_MS, NOON_MS]


def test_missing_is_null_blank_or_nan() -> None:
    assert apply(given("x", pl.String()), ["a", "", " \t", None]) == [True, False, False, False]
    assert apply(given("x", pl.Float64()), [0.0, float("nan"), None]) == [True, False, False]
    assert apply(given_number("x", pl.String()), ["1", "NaN", "five", "", None]) == [True, False, True, False, False]


def test_text_of_a_whole_float_has_no_point() -> None:
    assert apply(as_text("x", pl.Float64()), [12.0, 1.5]) == ["12", "1.5"]
    assert apply(as_text("x", pl.Binary()), [b"x"]) == [None]
