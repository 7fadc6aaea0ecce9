"""Types of Parquet columns that Polars has no counterpart for, and the ones that stand for them.

A moment in a zone that is no entry of the time zone database (+05:30) is the same moment in UTC; UUIDs, and decimals of
more digits than Polars can hold, are their text.
"""

from functools import cache

import polars as pl
import pyarrow as pa
from polars.exceptions import PolarsError

MOST_DIGITS = 38
"""Of a decimal that Polars can hold."""

UUID_PARTS = ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))
"""First digit and number of digits of each part of a UUID's text."""


def readable(dtype: pa.DataType) -> pa.DataType:
    """The type in which Polars reads values of `dtype`: the same one of nearly all."""
    if isinstance(dtype, pa.UuidType) or (pa.types.is_decimal(dtype) and dtype.precision > MOST_DIGITS):
        return pa.string()
    if isinstance(dtype, pa.BaseExtensionType):
        return readable(dtype.storage_type)
    if pa.types.is_timestamp(dtype) and dtype.tz is not None and not _is_known(dtype.tz):
        return pa.timestamp(dtype.unit, "UTC")
    if pa.types.is_struct(dtype):
        return pa.struct([field.with_type(readable(field.type)) for field in dtype])
    if pa.types.is_map(dtype):
        return pa.map_(readable(dtype.key_type), readable(dtype.item_type))
    if pa.types.is_list(dtype):
        return pa.list_(dtype.value_field.with_type(readable(dtype.value_type)))
    return dtype


def stops_polars(dtype: pa.DataType) -> bool:
    """Whether Polars gives up on a file with a column of this type, of those that it does not know, wanted or not."""
    return "tz=" in str(dtype)


def converted(values: pa.Array, dtype: pa.DataType) -> pa.Array:
    """`values` in the type that `readable` gives for theirs."""
    if isinstance(values.type, pa.UuidType):
        return _uuid_texts(values)
    if isinstance(values, pa.ExtensionArray):
        return converted(values.storage, dtype)
    return values if values.type == dtype else values.cast(dtype)


@cache
def _is_known(zone: str) -> bool:
    try:
        pl.Series([0]).cast(pl.Datetime("us", zone))
    except PolarsError:
        return False
    return True


def _uuid_texts(values: pa.Array) -> pa.Array:
    digits = pl.col("uuid").bin.encode("hex")
    text = pl.concat_str((digits.str.slice(first, count) for first, count in UUID_PARTS), separator="-")
    return pl.DataFrame({"uuid": pl.from_arrow(values.storage)}).select(text).to_series().to_arrow().cast(pa.string())
