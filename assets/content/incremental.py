"""Which content must be embedded again, and how new and kept vectors make one table."""

from dataclasses import dataclass

import polars as pl
import polars_hash as plh

from models.columns import CONTENT_HASH, ITEM_ID, VECTOR
from storage.vectors import VECTORS


@dataclass(frozen=True)
class Embedded:
    """An embeddings table and what it took.

    Attributes:
        frame: One row per item: id, content hash, vector. Without content: null hash and a vector of zeros.
        embedded: Contents that went through the encoder.
        reused: Items whose vector was taken from the table before.
        seconds: Time the encoder took.
        cut_short: Of the embedded contents those that the encoder did not read to their end.
        encoder: Key of the encoder, where the table's own content decides it.
    """

    frame: pl.DataFrame
    embedded: int
    reused: int
    seconds: float
    cut_short: int = 0
    encoder: str | None = None


def content_hash(encoder_key: str, *content: str) -> pl.Expr:
    """xxhash64 of the columns `content` and of the encoder that embeds them; null where the first column is."""
    digest = plh.hash_rows(pl.lit(encoder_key), *content).nchash.xxhash64().cast(pl.String)
    return pl.when(pl.col(content[0]).is_not_null()).then(digest).alias(CONTENT_HASH)


def to_embed(items: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The rows of `items` whose content has no vector in `known` yet, each content once."""
    return (
        items.drop_nulls(CONTENT_HASH)
        .unique(CONTENT_HASH, keep="first", maintain_order=True)
        .join(known, on=CONTENT_HASH, how="anti", maintain_order="left")
    )


def assemble(items: pl.DataFrame, known: pl.DataFrame, new: pl.DataFrame, seconds: float) -> Embedded:
    """Joins vectors to `items` by content hash; `known` and `new` are (content_hash, vector)."""
    columns = [CONTENT_HASH, VECTOR]
    kept = known.select(columns).drop_nulls(CONTENT_HASH).unique(CONTENT_HASH, keep="first")
    kept = kept.join(items, on=CONTENT_HASH, how="semi").join(new, on=CONTENT_HASH, how="anti")
    vectors = pl.concat([kept, new.select(columns)])
    dims = int(vectors[VECTOR].list.len().max() or 0)  # type: ignore[arg-type]
    joined = items.select(ITEM_ID, CONTENT_HASH).join(vectors, on=CONTENT_HASH, how="left", maintain_order="left")
    missing = pl.col(VECTOR).is_null()
    frame = joined.with_columns(
        pl.when(~missing).then(CONTENT_HASH).alias(CONTENT_HASH),
        pl.col(VECTOR).fill_null(pl.lit([0.0] * dims, dtype=VECTORS)),
    )
    reused = items.join(kept, on=CONTENT_HASH, how="semi").height
    return Embedded(frame, new.height, reused, seconds)


def no_vectors() -> pl.DataFrame:
    """An empty (content_hash, vector) table: nothing is known yet."""
    return pl.DataFrame(schema={CONTENT_HASH: pl.String(), VECTOR: VECTORS})
