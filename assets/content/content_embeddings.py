"""One content vector per item: the vectors of its modalities side by side."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from models.columns import CONTENT_HASH, ENCODER, ITEM_ID, MODALITIES_COLUMN, VECTOR
from storage.schema import content_schema, has
from storage.vectors import VECTORS, to_matrix


def content_table(modalities: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Joins embeddings tables into `storage.schema.content_schema`, in their order, zeros where an item has none.

    Each part keeps length 1, so the dot product of two content vectors is the sum of the cosines of what both have.

    Args:
        modalities: Name to a table of `storage.schema.embeddings_schema`; an item may stand in some of them alone. One
            in which no item has anything takes no room.
    """
    columns = [ITEM_ID, CONTENT_HASH, VECTOR]
    tables = [
        table.select(columns).rename({CONTENT_HASH: _hash(name), VECTOR: _vector(name)})
        for name, table in modalities.items()
    ]
    joined = tables[0]
    for table in tables[1:]:
        joined = joined.join(table, on=ITEM_ID, how="full", coalesce=True, maintain_order="left_right")
    made_of = [
        {"name": name, "width": _width(table, _vector(name)), "encoder": _encoder(modalities[name])}
        for name, table in zip(modalities, tables, strict=True)
        if _width(table, _vector(name))
    ]
    told = pl.Series(MODALITIES_COLUMN, [made_of], content_schema("string")[MODALITIES_COLUMN])
    hashes = pl.concat_str([_hash(name) for name in modalities], separator="+", ignore_nulls=True)
    vectors = [_or_zeros(table, _vector(name)) for name, table in zip(modalities, tables, strict=True)]
    return joined.select(
        ITEM_ID,
        hashes.replace("", None).alias(CONTENT_HASH),
        pl.concat_list(vectors).alias(VECTOR),
        told.new_from_index(0, joined.height),
        *(pl.col(_hash(name)).is_not_null().alias(has(name)) for name in modalities),
    )


def nearest(content: pl.DataFrame, wanted: list[int], k: int) -> list[list[int]]:
    """For each row number in `wanted` the `k` other row numbers with the largest cosine, nearest first."""
    vectors = to_matrix(content[VECTOR])
    lengths = np.linalg.norm(vectors, axis=1)
    scores = vectors[wanted] @ vectors.T / np.where(lengths > 0, lengths, np.inf)
    scores[np.arange(len(wanted)), wanted] = -np.inf
    return [
        [int(row) for row in order[:k] if row != own] for own, order in zip(wanted, np.argsort(-scores), strict=True)
    ]


def _hash(modality: str) -> str:
    return f"{CONTENT_HASH}_{modality}"


def _vector(modality: str) -> str:
    return f"{VECTOR}_{modality}"


def _or_zeros(table: pl.DataFrame, column: str) -> pl.Expr:
    return pl.col(column).fill_null(pl.lit([0.0] * _width(table, column), dtype=VECTORS))


def _width(table: pl.DataFrame, column: str) -> int:
    return int(table[column].list.len().max() or 0)  # type: ignore[arg-type]


def _encoder(table: pl.DataFrame) -> str | None:
    """What made the vectors of a modality; None where an earlier version wrote the table, which did not say."""
    told = table[ENCODER].first() if ENCODER in table.columns else None
    return None if told is None else str(told)
