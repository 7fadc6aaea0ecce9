"""A time that is written in a form and read by the same form is the same instant; what has another form is none."""

from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given as cases
from hypothesis import strategies as st

from assets.validation.time_formats import TimeFormat
from assets.validation.times import Positions, TimestampUnit, as_epoch_ms

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1995, 1, 1), datetime(2060, 1, 1))
OFFSETS = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))

TO_THE_DAY = ("%d.%m.%Y", "%d-%m-%Y", "%m/%d/%Y", "%Y%m%d", "%B %d, %Y", "%d %b %Y", "%d.%m.%y", "%Y-%j", "Am %d.%m.%Y")
TO_THE_MINUTE = ("%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%Y%m%d%H%M", "%d.%m.%Y, %H:%M Uhr", "%Y-%m-%d %H:%M UTC")
TO_THE_SECOND = ("%d/%b/%Y:%H:%M:%S", "%a %b %d %H:%M:%S %Y", "%Y-%m-%d %H:%M:%S UTC", "%d.%m.%Y %T", "%A %F %T")


def read(unit: TimestampUnit, *values: Any, dtype: pl.DataType | None = None) -> list[int | None]:
    column = pl.Series("x", values, dtype=dtype or pl.String())
    return column.to_frame().select(as_epoch_ms("x", column.dtype, unit)).to_series().to_list()


def milliseconds(moment: datetime) -> int:
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(milliseconds=1)


@cases(MOMENTS, st.sampled_from((*TO_THE_DAY, *TO_THE_MINUTE, *TO_THE_SECOND)))
def test_a_moment_comes_back_as_exact_as_its_form_is(moment: datetime, form: str) -> None:
    second = 0 if form not in TO_THE_SECOND else moment.second
    exact = moment.replace(second=second, microsecond=0)
    exact = exact.replace(hour=0, minute=0) if form in TO_THE_DAY else exact
    assert read(TimeFormat(form), moment.strftime(form), f" {moment.strftime(form)} ") == [milliseconds(exact)] * 2


@cases(MOMENTS, st.sampled_from(["%Y-%m", "%m/%Y", "%Y%m", "%B %Y", "%b %y"]))
def test_of_a_month_it_is_the_first_day(moment: datetime, form: str) -> None:
    first = datetime(moment.year, moment.month, 1)
    assert read(TimeFormat(form), moment.strftime(form)) == [milliseconds(first)]
    if form == "%Y%m":
        assert read(TimeFormat(form), int(moment.strftime(form)), dtype=pl.Int64()) == [milliseconds(first)]


@cases(MOMENTS, st.sampled_from([("%Y-%m-%d %H", 0), ("%d.%m.%y %I %p", 0), ("%Y", 1)]))
def test_what_a_form_leaves_out_is_the_first_there_is(moment: datetime, form: tuple[str, int]) -> None:
    written, year_alone = form
    exact = datetime(moment.year, 1, 1) if year_alone else moment.replace(minute=0, second=0, microsecond=0)
    assert read(TimeFormat(written), moment.strftime(written)) == [milliseconds(exact)]


@cases(MOMENTS, st.sampled_from(["%Y-%m-%d %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S,%f"]), st.integers(0, 6))
def test_fractions_of_any_length_are_cut_to_milliseconds(moment: datetime, form: str, digits: int) -> None:
    written = moment.strftime(form)
    written = written[: len(written) - 6 + digits] if digits else written[:-7] + written[-7] + "0"
    kept = moment.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits)
    assert read(TimeFormat(form), written) == [milliseconds(moment.replace(microsecond=kept))]


@cases(MOMENTS, OFFSETS, st.sampled_from(["%d/%b/%Y:%H:%M:%S %z", "%Y-%m-%dT%H:%M:%S%z"]))
def test_offsets_are_taken_off(moment: datetime, zone: timezone, form: str) -> None:
    there = moment.replace(microsecond=0, tzinfo=zone)
    assert read(TimeFormat(form), there.strftime(form)) == [milliseconds(there)]


@cases(MOMENTS, OFFSETS)
def test_times_of_mails(moment: datetime, zone: timezone) -> None:
    there = moment.replace(microsecond=0, tzinfo=zone)
    utc = format_datetime(there.astimezone(UTC), usegmt=True)
    written = [format_datetime(there), format_datetime(there).partition(", ")[2], utc, f"{format_datetime(there)} (X)"]
    assert read("rfc2822", *written) == [milliseconds(there)] * 4


def test_names_of_zones_are_those_of_rfc_2822_alone() -> None:
    noon = milliseconds(datetime(2026, 11, 27, 12))
    assert read("rfc2822", "27 Nov 2026 07:00 EST", "27 Nov 2026 12:00:00 UT", "27 Nov 2026 13:00 CET") == [
        noon,
        noon,
        None,
    ]


def test_another_form_is_no_time() -> None:
    form = TimeFormat("%d.%m.%Y %H:%M")
    assert (
        read(form, "31.01.2026", "2026-01-31 12:00", "31.02.2026 12:00", "31.01.2026 12:00:00", "soon", "")
        == [None] * 6
    )
    assert read(form, 20260131, dtype=pl.Int64()) == [None]


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("%H:%M", "names no year"),
        ("%d.%m.", "names no year"),
        ("%Y-%m-%d %Z", "names of zones are ambiguous"),
        ("%Y-%Q", "%Q, but it is not read"),
        ("%Y %f", "%f elsewhere"),
    ],
)
def test_a_form_that_names_no_moment_is_refused(form: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        TimeFormat(form)


@cases(st.integers(0, 10**6), st.sampled_from([timedelta(days=1), timedelta(minutes=5)]))
def test_places_are_steps_of_a_clock(place: int, step: timedelta) -> None:
    unit = Positions(date(2000, 1, 1), step)
    expected = [milliseconds(datetime(2000, 1, 1)) + place * (step // timedelta(milliseconds=1))]
    assert read(unit, place, dtype=pl.Int64()) == read(unit, str(place)) == read(unit, f"{place}.0") == expected
    assert read(unit, "first", "1.5", None) == [None] * 3
