"""Which unit or form the times of a column are in, if it holds any."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import polars as pl

from assets.sources.contract import EARLIEST
from assets.sources.formats.numbers import with_point
from assets.validation.casts import is_text
from assets.validation.time_formats import TimeFormat
from assets.validation.times import ANY_YEAR, NUMERIC, TimestampUnit, as_epoch_ms

DATES = (
    *("%d.%m.%Y", "%d-%m-%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m-%d", "%Y%m%d"),
    *("%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y"),
)
CLOCKS = ("", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p", " %H:%M:%S.%f", " %H:%M:%S %z", " %H.%M", "T%H:%M:%S")
OTHERS = ("%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Y", "%d/%b/%Y:%H:%M:%S %z", "%Y%m%d%H%M%S", "%m %d, %Y")
MONTHS = ("%Y-%m", "%Y/%m", "%m/%Y", "%Y%m", "%b %Y", "%B %Y")

FORMS = (*(date + clock for date, clock in product(DATES, CLOCKS)), *OTHERS, *MONTHS)

SAMPLE = 1_000
ENOUGH = 0.9
"""Share of the values that have to be times."""

MIDNIGHT = 86_400_000


@dataclass(frozen=True)
class TimeGuess:
    """What the times of a column are.

    Attributes:
        key: `timestamp_unit` or `timestamp_format`.
        value: What it says; of a column of date-times, nothing is to be said.
        share: Of the values, how many are plausible times that way.
        to_the_day: Whether all of them are midnights.
        otherwise: Another form that fits all values as well, such as the month before the day.
        comma: Whether numbers have a decimal comma.
    """

    key: str
    value: str
    share: float
    to_the_day: bool
    otherwise: str | None = None
    comma: bool = False


def guess_time(column: pl.Series, *, any_year: bool = False) -> TimeGuess | None:
    """None where fewer than ENOUGH of the values that are there are times from 1995 until now in any unit or form.

    Args:
        any_year: Of the years 1 to 9999, as things may be that people use now: in a form of text, for a number is one
            of some year in every unit.
    """
    values = _sample(column.drop_nulls())
    if values.is_empty():
        return None
    if any_year:
        return _of_any_year(values)
    if values.dtype.is_temporal():
        return _judged(values, "timestamp_unit", "", "ms") if isinstance(values.dtype, pl.Datetime | pl.Date) else None
    if values.dtype.is_numeric() or is_text(values.dtype):
        found = _first(values, "timestamp_unit", NUMERIC) or _with_comma(values)
        return found or _first(values, "timestamp_unit", ("iso", "rfc2822")) or _of_a_form(values)
    return None


def _of_any_year(values: pl.Series) -> TimeGuess | None:
    if isinstance(values.dtype, pl.Datetime | pl.Date):
        return _judged(values, "timestamp_unit", "", "ms", ANY_YEAR)
    if not is_text(values.dtype):
        return None
    return _first(values, "timestamp_unit", ("iso", "rfc2822"), ANY_YEAR) or _of_a_form(values, ANY_YEAR)


def moments(column: pl.Series, guess: TimeGuess) -> pl.Series:
    """(N,) int64 milliseconds of the times in a column, null where there is none."""
    rows = column.to_frame("x")
    rows = rows.select(with_point(pl.col("x"))) if guess.comma else rows
    unit: Any = TimeFormat(guess.value) if guess.key == "timestamp_format" else guess.value or "ms"
    return rows.select(as_epoch_ms("x", rows.schema["x"], unit).alias("x"))["x"]


def _sample(values: pl.Series) -> pl.Series:
    return values.sample(SAMPLE, seed=0) if len(values) > SAMPLE else values


def _first(
    values: pl.Series, key: str, units: Sequence[TimestampUnit], bounds: tuple[int, int] | None = None
) -> TimeGuess | None:
    guesses = (_judged(values, key, str(unit), unit, bounds) for unit in units)
    return next((guess for guess in guesses if guess), None)


def _with_comma(values: pl.Series) -> TimeGuess | None:
    if not is_text(values.dtype) or not values.str.contains(",", literal=True).any():
        return None
    found = _first(values.to_frame("x").select(with_point(pl.col("x"))).to_series(), "timestamp_unit", NUMERIC)
    return TimeGuess(found.key, found.value, found.share, found.to_the_day, comma=True) if found else None


def _of_a_form(values: pl.Series, bounds: tuple[int, int] | None = None) -> TimeGuess | None:
    """The form that most values have; of several, the first of FORMS, with the next one named."""
    key = "timestamp_format"
    guesses = [guess for form in FORMS if (guess := _judged(values, key, form, TimeFormat(form), bounds))]
    best = sorted(guesses, key=lambda guess: -guess.share)
    if not best:
        return None
    same = [
        guess.value for guess in best[1:] if guess.share == best[0].share and _other_order(guess.value, best[0].value)
    ]
    return TimeGuess(best[0].key, best[0].value, best[0].share, best[0].to_the_day, same[0] if same else None)


def _other_order(one: str, other: str) -> bool:
    """Whether two forms differ in whether the month or the day comes first."""
    return (one.find("%m") < one.find("%d")) != (other.find("%m") < other.find("%d"))


def _judged(
    values: pl.Series, key: str, value: str, unit: TimestampUnit, bounds: tuple[int, int] | None = None
) -> TimeGuess | None:
    """Args:
    bounds: The first and the last moment that is plausible, in milliseconds; by default those of a log.
    """
    moments = values.to_frame("x").select(as_epoch_ms("x", values.dtype, unit).alias("x"))["x"]
    log = (int(moment.timestamp() * 1000) for moment in (EARLIEST, datetime.now(UTC) + timedelta(days=1)))
    earliest, latest = bounds or log
    plausible = moments.is_between(earliest, latest).fill_null(False)
    share = float(plausible.sum()) / len(values)
    return (
        TimeGuess(key, value, share, not bool((moments.filter(plausible) % MIDNIGHT != 0).any()))
        if share >= ENOUGH
        else None
    )
