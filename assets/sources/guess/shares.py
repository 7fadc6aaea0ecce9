"""Shares of the values of a column."""

import polars as pl


def share(holds: pl.Series) -> float:
    """Of how many of all values it holds; of none where there are none."""
    return float(holds.fill_null(False).sum()) / max(1, len(holds))
