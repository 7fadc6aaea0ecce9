"""Times of landing files, in whatever unit or form they are written, as milliseconds since 1970 UTC.

A time that does not have the form that the profile names is null, never another moment.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

import polars as pl

from assets.validation.casts import EXACT_NARROW_FLOATS, SHORTENED, as_id, is_text, whole_number
from assets.validation.time_formats import TimeFormat, rfc_2822_to_ms

TimeUnit = Literal["s", "ms", "us", "ns", "iso", "rfc2822", "datetime"]
"""What a number counts since 1970, or the standard by which a text is written; `datetime` takes neither."""


NUMERIC: tuple[TimeUnit, ...] = ("s", "ms", "us", "ns")


@dataclass(frozen=True)
class Positions:
    """Times of a log that has none: the place of an event in the order of its user, as if a clock had ticked between.

    Attributes:
        first: The day at whose midnight place 0 stands.
        step: How much time lies between two places.
    """

    first: date
    step: timedelta

    def to_ms(self, places: pl.Expr) -> pl.Expr:
        start = datetime.combine(self.first, time(), UTC)
        clipped = places.clip(-FARTHEST_PLACE, FARTHEST_PLACE)
        return clipped * (self.step // timedelta(milliseconds=1)) + int(start.timestamp()) * 1000


ANY_YEAR = (-62_135_596_800_000, 253_402_300_799_999)
"""The first and the last moment of the years 1 to 9999 in milliseconds: no calendar can show one outside them."""

TimestampUnit = TimeUnit | TimeFormat | Positions

FARTHEST_PLACE = 10**9
"""A place farther on is clipped here, so that int64 cannot wrap around."""

FLOAT_ERROR_MS = 5e-4
"""A float64 holds a time of our days to a quarter of a microsecond, in whatever unit; this is twice as much."""

MAX_SECONDS = 9_000_000_000_000_000
"""Seconds are clipped here before they become milliseconds, so that int64 cannot wrap around."""

DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}"
HOUR, SIXTIETH = r"(?:[01][0-9]|2[0-3])", r"[0-5][0-9]"
CLOCK = rf"{HOUR}(?::{SIXTIETH}:{SIXTIETH}|{SIXTIETH}{SIXTIETH})(?:[.,][0-9]+)?|{HOUR}:?{SIXTIETH}"
OFFSET = r"[+-](?:(?:0[0-9]|1[0-3])(?::?[0-5][0-9])?|14(?::?00)?)"
ZULU, BRACKETS = r"(?:[Zz]|(?i:UTC|GMT))", r"(?:\[[^\]]*\])?"
ZONE = rf"(?P<offset>{OFFSET}){BRACKETS}|{ZULU}{BRACKETS}|[+-]00:?00\s*{ZULU}"
ISO_8601 = rf"^\s*(?P<date>{DATE})(?:(?:[Tt]| +)(?P<clock>{CLOCK})\s*(?:{ZONE})?|\s*{ZULU})?\s*$"
"""Date, clock and zone as ISO 8601, databases and warehouses write them; what does not match is no time.

An offset follows a clock alone, for 2026-01-31-05 may as well be an hour, and is at most 14 hours, as the farthest zone
is. Neither a 24th hour nor a 60th second is one: which moment they mean depends on who wrote them. Names of zones other
than UTC are not known, but for one in brackets behind the offset that it stands for.
"""


def as_epoch_ms(column: str, dtype: pl.DataType, unit: TimestampUnit) -> pl.Expr:
    """Milliseconds since 1970 UTC as int64, finer resolution cut off; null where `unit` does not fit the value.

    A float of fewer than 64 bits is a time only as an exact whole number: one of our days it would move by seconds.
    """
    value = pl.col(column)
    if isinstance(dtype, pl.Datetime):
        return value.dt.timestamp("ms")
    if isinstance(dtype, pl.Date):
        return value.cast(pl.Datetime("ms")).dt.timestamp("ms")
    if unit == "datetime":
        return pl.lit(None, pl.Int64)
    if isinstance(unit, Positions):
        return unit.to_ms(as_id(column, dtype, "int64"))
    if isinstance(unit, TimeFormat):
        return unit.to_ms(as_id(column, dtype, "string"))
    if unit in TEXT_UNITS:
        return TEXT_UNITS[unit](value.cast(pl.String)) if is_text(dtype) else pl.lit(None, pl.Int64)
    return _number_to_ms(value, dtype, unit)


def _number_to_ms(value: pl.Expr, dtype: pl.DataType, unit: TimeUnit) -> pl.Expr:
    if dtype.is_integer():
        return _integer_to_ms(value.cast(pl.Int64, strict=False), unit)
    if type(dtype) in EXACT_NARROW_FLOATS:
        return _integer_to_ms(whole_number(value, dtype), unit)
    if dtype.is_float() or (dtype.is_decimal() and unit == "s"):
        return _float_to_ms(value, unit)
    if dtype.is_decimal():
        return _integer_to_ms(value.cast(pl.Int64, strict=False), unit)
    if is_text(dtype):
        text = value.cast(pl.String).str.strip_chars()
        whole = _integer_to_ms(text.cast(pl.Int64, strict=False), unit)
        number = pl.when(~text.str.contains(SHORTENED)).then(text.cast(pl.Float64, strict=False))
        return pl.coalesce(whole, _float_to_ms(number, unit))
    return pl.lit(None, pl.Int64)


def _integer_to_ms(value: pl.Expr, unit: TimeUnit) -> pl.Expr:
    if unit == "s":
        return value.clip(-MAX_SECONDS, MAX_SECONDS) * 1000
    return value // {"ms": 1, "us": 1_000, "ns": 1_000_000}[unit]


def _float_to_ms(value: pl.Expr, unit: TimeUnit) -> pl.Expr:
    per_ms = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}[unit]
    return (value.cast(pl.Float64) * per_ms + FLOAT_ERROR_MS).floor().cast(pl.Int64, strict=False)


def _iso_to_ms(text: pl.Expr) -> pl.Expr:
    parts = text.str.extract_groups(ISO_8601).struct
    day = parts.field("date").str.replace_all("-", "", literal=True).str.to_date("%Y%m%d", strict=False)
    clock, offset = (parts.field(part).str.replace_all(":", "", literal=True) for part in ("clock", "offset"))
    sign = pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    minutes = _number(clock, 0) * 60 + _number(clock, 2) - sign * (_number(offset, 1) * 60 + _number(offset, 3))
    milliseconds = _number(clock.str.pad_end(len("hhmmss.fff"), "0"), len("hhmmss."), 3)
    return day.cast(pl.Datetime("ms")).dt.timestamp("ms") + (minutes * 60 + _number(clock, 4)) * 1000 + milliseconds


def _number(digits: pl.Expr, place: int, count: int = 2) -> pl.Expr:
    """The digits at `place`; 0 where there are none."""
    return digits.str.slice(place, count).cast(pl.Int64, strict=False).fill_null(0)


TEXT_UNITS: dict[TimestampUnit, Callable[[pl.Expr], pl.Expr]] = {"iso": _iso_to_ms, "rfc2822": rfc_2822_to_ms}
