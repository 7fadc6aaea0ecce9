"""Ids in requests: strings or integers, matched with whichever of the two the data holds."""

import re
from collections.abc import Sequence

import polars as pl

INTEGER = re.compile(r"0|-?[1-9][0-9]*")


def as_stored(value: str | int, dtype: pl.DataType) -> str | int | None:
    """`value` as the data would hold it; None where it does not convert exactly ("007" is not the integer 7)."""
    if dtype == pl.String:
        return str(value)
    if isinstance(value, str):
        if not INTEGER.fullmatch(value):
            return None
        value = int(value)
    return value if -(2**63) <= value < 2**63 else None


def stored_series(values: Sequence[str | int], dtype: pl.DataType) -> pl.Series:
    """(len,) `values` as the data would hold them, null where one does not convert."""
    return pl.Series([as_stored(value, dtype) for value in values], dtype=dtype)
