"""Exact conversions from whatever type a landing file gave to the types of the contract.

Each function returns a Polars expression that is null where the raw value cannot be converted without loss, so a
caller tells a missing value (`given` is false) from a wrong one (`given` is true and the conversion is null).
"""

from typing import Literal

import polars as pl

from assets.schema import IdType

TimestampUnit = Literal["s", "ms", "us", "ns", "iso", "datetime"]

EXACT_FLOAT = 2**53
"""Up to here every whole number has a float64 of its own."""

MAX_SECONDS = 9_000_000_000_000_000
"""Seconds are clipped here before they become milliseconds, so that int64 cannot wrap around."""

ISO_8601 = r"^\s*(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?))?\s*(?:[Zz]|([+-]\d{2}):?(\d{2})?)?\s*$"


def given(column: str, dtype: pl.DataType) -> pl.Expr:
    """Whether the raw value is there at all: not null, not blank text, not NaN."""
    value = pl.col(column)
    if dtype.is_float():
        return value.is_not_nan().fill_null(False)
    if _is_text(dtype):
        return (value.cast(pl.String).str.strip_chars() != "").fill_null(False)
    return value.is_not_null()


def as_text(column: str, dtype: pl.DataType) -> pl.Expr:
    """Text of any scalar; a whole float loses its `.0`, so that 12.0 and 12 name the same id."""
    value = pl.col(column)
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object, pl.Duration):
        return pl.lit(None, pl.String)
    if dtype.is_float():
        return pl.coalesce(_whole(value).cast(pl.String), value.cast(pl.String))
    return value.cast(pl.String)


def as_id(column: str, dtype: pl.DataType, id_type: IdType) -> pl.Expr:
    """An id of the profile's type.

    Text becomes an int64 only if the number reads back as the same text: '007' and '7' stay different ids.
    """
    value = pl.col(column)
    if dtype.is_float():
        number = _whole(value)
    elif dtype.is_integer():
        number = value if id_type == "string" else value.cast(pl.Int64, strict=False)
    elif _is_text(dtype) or dtype.is_decimal():
        text = value.cast(pl.String)
        if id_type == "string":
            return pl.when(given(column, dtype)).then(text)
        number = text.cast(pl.Int64, strict=False)
        number = pl.when(number.cast(pl.String) == text).then(number)
    else:
        number = pl.lit(None, pl.Int64)
    return number.cast(pl.String) if id_type == "string" else number


def as_float32(column: str, dtype: pl.DataType) -> pl.Expr:
    """A finite float32; null for anything else."""
    if not _is_scalar(dtype):
        return pl.lit(None, pl.Float32)
    value = pl.col(column).cast(pl.String) if _is_text(dtype) else pl.col(column)
    number = value.cast(pl.Float64, strict=False).cast(pl.Float32)
    return pl.when(number.is_finite()).then(number)


def given_number(column: str, dtype: pl.DataType) -> pl.Expr:
    """As `given`, and the text 'NaN', which some writers put for a missing number, does not count either."""
    if not _is_text(dtype):
        return given(column, dtype)
    number = pl.col(column).cast(pl.String).cast(pl.Float64, strict=False)
    return given(column, dtype) & ~number.is_nan().fill_null(False)


def as_epoch_ms(column: str, dtype: pl.DataType, unit: TimestampUnit) -> pl.Expr:
    """Milliseconds since 1970 UTC as int64, finer resolution cut off; null where `unit` does not fit the value."""
    value = pl.col(column)
    if isinstance(dtype, pl.Datetime):
        return value.dt.timestamp("ms")
    if isinstance(dtype, pl.Date):
        return value.cast(pl.Datetime("ms")).dt.timestamp("ms")
    if unit == "datetime":
        return pl.lit(None, pl.Int64)
    if unit == "iso":
        return _iso_to_ms(value.cast(pl.String)) if _is_text(dtype) else pl.lit(None, pl.Int64)
    if dtype.is_integer():
        return _integer_to_ms(value.cast(pl.Int64, strict=False), unit)
    if dtype.is_float():
        return _float_to_ms(value, unit)
    if _is_text(dtype):
        text = value.cast(pl.String)
        whole = _integer_to_ms(text.cast(pl.Int64, strict=False), unit)
        return pl.coalesce(whole, _float_to_ms(text.cast(pl.Float64, strict=False), unit))
    return pl.lit(None, pl.Int64)


def _is_text(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.String | pl.Categorical | pl.Enum)


def _is_scalar(dtype: pl.DataType) -> bool:
    return _is_text(dtype) or dtype.is_numeric() or isinstance(dtype, pl.Boolean)


def _whole(value: pl.Expr) -> pl.Expr:
    exact = (value == value.floor()) & (value.abs() <= EXACT_FLOAT)
    return pl.when(exact).then(value).cast(pl.Int64, strict=False)


def _integer_to_ms(value: pl.Expr, unit: TimestampUnit) -> pl.Expr:
    if unit == "s":
        return value.clip(-MAX_SECONDS, MAX_SECONDS) * 1000
    return value // {"ms": 1, "us": 1_000, "ns": 1_000_000}[unit]


def _float_to_ms(value: pl.Expr, unit: TimestampUnit) -> pl.Expr:
    per_ms = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}[unit]
    return (value.cast(pl.Float64) * per_ms).round().cast(pl.Int64, strict=False)


def _iso_to_ms(text: pl.Expr) -> pl.Expr:
    parts = text.str.extract_groups(ISO_8601).struct
    day, clock, hours, minutes = (parts.field(str(n)) for n in range(1, 5))
    local = pl.concat_str(day, pl.lit("T"), clock.fill_null("00:00"))
    moment = pl.coalesce(
        local.str.strptime(pl.Datetime("ms"), form, strict=False) for form in ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
    ).dt.timestamp("ms")
    sign = pl.when(hours.str.starts_with("-")).then(-1).otherwise(1)
    offset = sign * (hours.str.slice(1).cast(pl.Int64) * 60 + minutes.fill_null("0").cast(pl.Int64))
    return moment - offset.fill_null(0) * 60_000
