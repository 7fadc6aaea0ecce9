"""Exact conversions from whatever type a landing file gave to the types of the contract.

Each function returns a Polars expression that is null where the raw value cannot be converted without loss, so a
caller tells a missing value (`given` is false) from a wrong one (`given` is true and the conversion is null).
"""

import polars as pl

from storage.schema import IdType

EXACT_FLOAT = 2**53
"""Up to here every whole number has a float64 of its own."""

EXACT_NARROW_FLOATS: dict[type[pl.DataType], int] = {pl.Float16: 2**11, pl.Float32: 2**24}
"""The same of floats with fewer bits; a whole one beyond may have been any of several numbers."""

SHORTENED = r"^-?[0-9](?:[.,][0-9]{0,5})?(?:E\+[0-9]+|e\+(?:0[0-9]|1[0-5]))$"
"""A number as spreadsheets and `%g` shorten it: 1.23457E+12 may have been any of ten millions.

Of Python, which keeps all digits, it can only be one from 1e+16 on.
"""

EXPONENT = r"^-?[0-9](?:[.,][0-9]*)?[eE]\+[0-9]+$"
"""A number that may be one of those, or a float that is too large to be one whole number."""

NESTED = (
    r'(?s)^\s*(?:\{\s*(?:".*)?\}|'
    r'\[\s*(?:["{\[].*|(?:-?[0-9][0-9.eE+-]*|true|false|null)\s*(?:,.*)?)?\])\s*$'
)
"""Text that is an object or a list of JSON, which names nobody."""

WHOLE_FLOAT = r"^(-?(?:0|[1-9][0-9]*))\.0+$"
JAVA_FLOAT = r"^-?[1-9]\.[0-9]+E(?:[7-9]|[1-9][0-9])$"
"""A float from ten million on as Java, and so Spark, writes it."""


def given(column: str, dtype: pl.DataType) -> pl.Expr:
    """Whether the raw value is there at all: not null, not blank text, not NaN."""
    value = pl.col(column)
    if dtype.is_float():
        return value.is_not_nan().fill_null(False)
    if is_text(dtype):
        return (value.cast(pl.String).str.strip_chars() != "").fill_null(False)
    return value.is_not_null()


def as_text(column: str, dtype: pl.DataType) -> pl.Expr:
    """Text of any scalar; a whole float loses its `.0`, so that 12.0 and 12 name the same id.

    Null of a narrow float that stands for several whole numbers: requests would become one.
    """
    value = pl.col(column)
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object, pl.Duration):
        return pl.lit(None, pl.String)
    if dtype.is_float():
        text = value.cast(pl.String)
        if limit := EXACT_NARROW_FLOATS.get(type(dtype)):
            text = pl.when(value.cast(pl.Float64).abs() <= limit).then(text)
        return pl.coalesce(whole_number(value, dtype).cast(pl.String), text)
    return value.cast(pl.String)


def as_id(column: str, dtype: pl.DataType, id_type: IdType) -> pl.Expr:
    """An id of the profile's type, the same one whatever format its file has: 12, 12.0 and '12.0' are 12.

    Text becomes an int64 only if the number reads back as the same text: '007' and '7' stay different ids.
    """
    value = pl.col(column)
    if dtype.is_float():
        number = whole_number(value, dtype)
    elif dtype.is_integer():
        number = value if id_type == "string" else value.cast(pl.Int64, strict=False)
    elif is_text(dtype) or dtype.is_decimal():
        text = without_point(value.cast(pl.String), exact=dtype.is_decimal())
        if is_text(dtype):
            text = pl.when(~text.str.contains(NESTED)).then(text)
        if id_type == "string":
            return pl.when(given(column, dtype)).then(text)
        number = text.cast(pl.Int64, strict=False)
        number = pl.when(number.cast(pl.String) == text).then(number)
    else:
        number = pl.lit(None, pl.Int64)
    return number.cast(pl.String) if id_type == "string" else number


def without_point(text: pl.Expr, *, exact: bool = False) -> pl.Expr:
    """`text`, but of a whole float the whole number: '12.0' is '12'.

    Null where the float is so large, or written so short, that it stands for several whole numbers.

    Args:
        exact: All of `text` are decimals, which have no such limit and are no ids unless they are whole.
    """
    if exact:
        whole = text.str.replace(r"\.0*$", "")
        return pl.when(~whole.str.contains(".", literal=True)).then(whole)
    return text.map_batches(_without_point, return_dtype=pl.String(), is_elementwise=True)


def _without_point(texts: pl.Series) -> pl.Series:
    if not texts.str.contains("[.+]").any():
        return texts  # as nearly always, and much faster than to look at each
    text = pl.col("text")
    whole = text.str.extract(WHOLE_FLOAT, 1).cast(pl.Int64, strict=False)
    number = (
        pl.when(text.str.contains(WHOLE_FLOAT))
        .then(pl.when(whole.abs() <= EXACT_FLOAT).then(whole).cast(pl.String))
        .when(text.str.contains(EXPONENT))
        .then(None)
        .when(text.str.contains(JAVA_FLOAT))
        .then(whole_number(text.cast(pl.Float64, strict=False), pl.Float64()).cast(pl.String))
        .otherwise(text)
    )
    return texts.to_frame("text").select(number).to_series().alias(texts.name)


def as_float32(column: str, dtype: pl.DataType) -> pl.Expr:
    """A finite float32; null for anything else."""
    number = as_float64(column, dtype).cast(pl.Float32)
    return pl.when(number.is_finite()).then(number)


def as_float64(column: str, dtype: pl.DataType) -> pl.Expr:
    """A finite float64; null for anything else."""
    if not _is_scalar(dtype):
        return pl.lit(None, pl.Float64)
    value = pl.col(column).cast(pl.String).str.strip_chars() if is_text(dtype) else pl.col(column)
    number = value.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def given_number(column: str, dtype: pl.DataType) -> pl.Expr:
    """As `given`, and the text 'NaN', which some writers put for a missing number, does not count either."""
    if not is_text(dtype):
        return given(column, dtype)
    number = pl.col(column).cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
    return given(column, dtype) & ~number.is_nan().fill_null(False)


def is_text(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.String | pl.Categorical | pl.Enum)


def _is_scalar(dtype: pl.DataType) -> bool:
    return is_text(dtype) or dtype.is_numeric() or isinstance(dtype, pl.Boolean)


def whole_number(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    number = value.cast(pl.Float64)
    exact = (number == number.floor()) & (number.abs() <= EXACT_NARROW_FLOATS.get(type(dtype), EXACT_FLOAT))
    return pl.when(exact).then(number).cast(pl.Int64, strict=False)
