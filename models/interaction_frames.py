"""Interactions from frames of list columns: one row per user."""

import numpy as np
import polars as pl

from models.columns import ACTIONS, ITEM_ID, ITEM_IDS, ITEM_INDEX, TIMESTAMP, TIMESTAMPS, USER_ID
from models.interactions import Interactions
from models.vocabulary import Vocabulary


def positive_interactions(sequences: pl.LazyFrame, bits: int, *, keep_actions: bool = False) -> pl.LazyFrame:
    """`user_id`, `item_id`, `timestamp`: one row per interaction that carries one of the actions in `bits`.

    Args:
        sequences: One row per user; users and their interactions stay in this order.
        bits: Mask of the actions that count, by the vocabulary of these sequences (`action_bits`).
        keep_actions: Whether each interaction's own mask is kept, as `actions`.
    """
    positives = (
        sequences.select(USER_ID, pl.col(ITEM_IDS).alias(ITEM_ID), pl.col(TIMESTAMPS).alias(TIMESTAMP), ACTIONS)
        .explode(ITEM_ID, TIMESTAMP, ACTIONS)
        .filter((pl.col(ACTIONS) & bits) != 0)
    )
    return positives if keep_actions else positives.drop(ACTIONS)


def interaction_lists(interactions: pl.DataFrame) -> pl.DataFrame:
    """`user_id`, `item_ids`, `timestamps`, and `actions` where they are kept: one row per user, order kept."""
    actions = [pl.col(ACTIONS)] if ACTIONS in interactions.columns else []
    return interactions.group_by(USER_ID, maintain_order=True).agg(
        pl.col(ITEM_ID).alias(ITEM_IDS), pl.col(TIMESTAMP).alias(TIMESTAMPS), *actions
    )


def interactions_in(frame: pl.DataFrame, vocabulary: Vocabulary) -> Interactions:
    """The interactions in `frame`'s list columns `item_ids` and `timestamps`, one user per row.

    A list column `actions`, where there is one, is read besides.

    Raises:
        ValueError: a row's lists differ in length, hold nulls, go back in time, or `timestamps` holds no datetimes.
    """
    lengths = frame[ITEM_IDS].list.len().cast(pl.Int64)
    _refuse_ragged(frame, lengths)
    filled = frame.filter(lengths > 0)
    items, times = filled[ITEM_IDS].explode(), filled[TIMESTAMPS].explode()
    actions = [filled[ACTIONS].explode()] if ACTIONS in frame.columns else []
    for column in (items, times, *actions):
        _refuse_nulls(column, lengths)
    return Interactions(
        np.concatenate([[0], np.cumsum(lengths.to_numpy())]),
        {
            ITEM_INDEX: vocabulary.indices(items),
            TIMESTAMP: times.dt.epoch("ms").to_numpy().astype(np.int64),
            **{column.name: column.to_numpy() for column in actions},
        },
    )


def _refuse_ragged(frame: pl.DataFrame, lengths: pl.Series) -> None:
    times = frame[TIMESTAMPS]
    if not isinstance(times.dtype, pl.List) or not isinstance(times.dtype.inner, pl.Datetime):
        raise ValueError(f"column {TIMESTAMPS!r} is {times.dtype}: it must hold lists of datetimes")
    for column in (times, *([frame[ACTIONS]] if ACTIONS in frame.columns else [])):
        uneven = (lengths != column.list.len()).fill_null(True)
        if uneven.any():
            row = int(uneven.arg_max() or 0)
            raise ValueError(f"row {row} has {lengths[row]} items, but {column.list.len()[row]} {column.name}")


def _refuse_nulls(exploded: pl.Series, lengths: pl.Series) -> None:
    if exploded.null_count():
        place = int(exploded.is_null().arg_max() or 0)
        row = int((lengths.cum_sum() > place).arg_max() or 0)
        raise ValueError(f"row {row} has a null among its {exploded.name}: every interaction has an item and a time")
