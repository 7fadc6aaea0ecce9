"""From events to one sequence per user."""

from collections.abc import Sequence

import polars as pl
import polars_hash as plh

from assets.schema import IdType, sequences_schema
from models.columns import (
    ACTION,
    ACTIONS,
    ARRIVAL,
    BUCKET,
    DAY,
    ITEM_ID,
    ITEM_IDS,
    REQUEST_ID,
    SURFACE,
    SURFACES,
    TIMESTAMP,
    TIMESTAMPS,
    USER_ID,
    VALUE,
    VALUES,
)

OCCASION = "occasion"


def build_sequences(events: pl.LazyFrame, actions: Sequence[str], buckets: int, id_type: IdType) -> pl.LazyFrame:
    """One row per user (`assets.schema.sequences_schema`), interactions in stable (timestamp, day, arrival) order.

    What a user did with one item on one occasion (a request, or without a request id a moment) is one interaction. It
    carries the time of its LAST action, so that whoever cuts time before it has seen no part of it.

    Args:
        events: `assets.schema.events_schema`. An event that arrived on two days counts once, on the first.
        actions: The declared action vocabulary; an action's position is its bit.
        buckets: Number of user buckets.
        id_type: Type of the ids.
    """
    bits = {action: 1 << position for position, action in enumerate(actions)}
    interactions = (
        events.sort(DAY, ARRIVAL)
        .unique([USER_ID, ITEM_ID, TIMESTAMP, ACTION], keep="first", maintain_order=True)
        .with_columns(
            pl.col(ACTION).replace_strict(bits, return_dtype=pl.Int32).alias(ACTIONS),
            pl.coalesce(REQUEST_ID, pl.col(TIMESTAMP).dt.epoch("ms").cast(pl.String)).alias(OCCASION),
        )
        .group_by(USER_ID, ITEM_ID, OCCASION, maintain_order=True)
        .agg(
            pl.col(TIMESTAMP).max(),
            pl.col(ACTIONS).bitwise_or(),
            pl.col(VALUE).max(),
            pl.col(SURFACE).drop_nulls().first(),
        )
    )
    return (
        interactions.sort(USER_ID, TIMESTAMP, maintain_order=True)
        .group_by(USER_ID, maintain_order=True)
        .agg(
            pl.col(ITEM_ID).alias(ITEM_IDS),
            pl.col(TIMESTAMP).alias(TIMESTAMPS),
            pl.col(ACTIONS),
            pl.col(VALUE).alias(VALUES),
            pl.col(SURFACE).alias(SURFACES),
        )
        .with_columns(bucket_of(USER_ID, buckets).alias(BUCKET))
        .select(sequences_schema(id_type).keys())
        .cast(dict(sequences_schema(id_type)))  # type: ignore[arg-type]
    )


def bucket_of(column: str, buckets: int) -> pl.Expr:
    """Bucket of an id by a hash that stays the same across machines and versions (xxHash64 of its text)."""
    text = pl.col(column).cast(pl.String)
    hashed: pl.Expr = plh.NonCryptographicHashingNameSpace(text).xxhash64()
    return (hashed % buckets).cast(pl.Int32)
