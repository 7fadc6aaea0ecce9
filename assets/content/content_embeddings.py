"""One content vector per item: its text and image vectors side by side."""

import numpy as np
import polars as pl

from assets.content.vectors import VECTORS, to_matrix
from models.columns import CONTENT_HASH, HAS_IMAGE, HAS_TEXT, ITEM_ID, VECTOR

IMAGE_SIDE = "_image"


def content_table(texts: pl.DataFrame, images: pl.DataFrame) -> pl.DataFrame:
    """Joins two embeddings tables into `storage.schema.content_schema`: [text | image], zeros where missing.

    An item in only one of them gets zeros for the other. The halves keep length 1 each, so with both present the
    dot product of two content vectors is the sum of their text and image cosines.
    """
    both = texts.join(images, on=ITEM_ID, how="full", coalesce=True, suffix=IMAGE_SIDE, maintain_order="left_right")
    return both.select(
        ITEM_ID,
        pl.concat_str(CONTENT_HASH, CONTENT_HASH + IMAGE_SIDE, separator="+", ignore_nulls=True)
        .replace("", None)
        .alias(CONTENT_HASH),
        pl.concat_list(_or_zeros(texts, VECTOR), _or_zeros(images, VECTOR + IMAGE_SIDE)).alias(VECTOR),
        pl.col(CONTENT_HASH).is_not_null().alias(HAS_TEXT),
        pl.col(CONTENT_HASH + IMAGE_SIDE).is_not_null().alias(HAS_IMAGE),
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


def _or_zeros(table: pl.DataFrame, column: str) -> pl.Expr:
    dims = int(table[VECTOR].list.len().max() or 0)  # type: ignore[arg-type]
    return pl.col(column).fill_null(pl.lit([0.0] * dims, dtype=VECTORS))
