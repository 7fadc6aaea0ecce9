"""Number embeddings: where an item stands among the others by its year, its price and the like."""

import time
from dataclasses import replace

import numpy as np
import polars as pl

from assets.content.directions import directions
from assets.content.incremental import Embedded, assemble, content_hash, no_vectors
from models.columns import CONTENT_HASH, ITEM_ID, NUMBERS, VECTOR
from storage.schema import NUMBER_NAME, NUMBER_VALUE
from storage.vectors import Matrix, normalised, to_series

WIDTH = 64
BINS = 12


def number_encoder_key(items: pl.DataFrame) -> str:
    """Names what the dimensions of the vectors mean: equal keys, equal meaning. The numbers' names are a part of it."""
    names = items.select(pl.col(NUMBERS).explode().struct.field(NUMBER_NAME).drop_nulls().unique().sort())
    return f"numbers:{','.join(names.to_series())}:quantiles:{BINS}:{WIDTH}"


def number_table(items: pl.LazyFrame) -> Embedded:
    """The embeddings of the items' numbers; all are made anew, as a quantile depends on the whole catalogue."""
    started = time.perf_counter()
    numbers = items.select(ITEM_ID, NUMBERS).collect()
    key = number_encoder_key(numbers)
    vectors = number_vectors(numbers[NUMBERS])
    told = pl.col(NUMBERS).list.eval(pl.element().struct.json_encode()).list.sort().list.join("\n")
    there = pl.when(pl.Series(vectors.any(axis=1))).then(told).alias(NUMBERS)
    hashed = numbers.select(ITEM_ID, there).with_columns(content_hash(key, NUMBERS))
    new = hashed.with_columns(to_series(vectors, VECTOR)).drop_nulls(CONTENT_HASH).unique(CONTENT_HASH)
    return replace(assemble(hashed, no_vectors(), new, time.perf_counter() - started), encoder=key)


def number_vectors(numbers: pl.Series) -> Matrix:
    """(n, WIDTH) float32 of length 1, zeros where an item has no number that tells anything.

    A number counts by its place among those of its name, so no outlier stretches the scale of the others; one that is
    not finite is none, and a name under which all have the same tells nothing.

    Args:
        numbers: (n,) lists of structs of a name and a value.
    """
    rows = pl.DataFrame({"place": np.arange(len(numbers)), NUMBERS: numbers}).explode(NUMBERS).unnest(NUMBERS)
    rows = rows.filter(pl.col(NUMBER_VALUE).is_finite()).unique(["place", NUMBER_NAME], keep="first").sort("place")
    total = np.zeros((len(numbers), WIDTH), np.float32)
    for (name,), some in rows.partition_by(NUMBER_NAME, as_dict=True).items():
        values = some[NUMBER_VALUE].to_numpy()
        if values.min() < values.max():
            of_bins = directions(pl.Series([f"{name}#{number}" for number in range(BINS + 1)]), WIDTH)
            total[some["place"].to_numpy()] += normalised(hats(quantiles(values), BINS) @ of_bins)
    return normalised(total)


def quantiles(values: np.ndarray) -> np.ndarray:
    """(n,) how many of the `values` are smaller, and half of those that are equal, as a share."""
    ordered = np.sort(values)
    shares: np.ndarray = (
        (np.searchsorted(ordered, values) + np.searchsorted(ordered, values, "right")) / 2 / len(values)
    )
    return shares


def hats(shares: np.ndarray, bins: int) -> Matrix:
    """(n, bins + 1) float32: each share as a mixture of its two neighbours among 0, 1/bins, .., 1.

    So a linear projection of them makes a curve of the number (piecewise linear encoding, arXiv 2203.05556).
    """
    distance = np.abs(shares[:, None] * bins - np.arange(bins + 1))
    return np.maximum(0, 1 - distance).astype(np.float32)
