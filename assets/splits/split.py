"""The one split of sequences into what training sees and what evaluation asks; trainer and evaluation both use it.

Two protocols share one training part:

- time: training ends strictly before the cutoff, the targets of a user lie in [cutoff, cutoff + window);
- leave-one-out: of some users the last positive before the cutoff is a target too, and is held out of training.

Everything is decided by timestamps, so interactions at equal timestamps are never on both sides of the cutoff, nor of
a user's held-out one, and nothing at or after the cutoff changes what lies before it. Published protocols differ in
one thing: of interactions at one time they hold out the one that arrived last (`hold_out_ties`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
import polars_hash as plh

from models.columns import ITEM_ID, TIMESTAMP, USER_ID
from models.interaction_frames import interaction_lists, positive_interactions

REQUEST_TIME = "request_time"
TARGET_IDS = "target_ids"


@dataclass(frozen=True)
class Split:
    """Training data and the cases of both protocols.

    Attributes:
        training: `user_id`, `item_ids`, `timestamps`, `actions`: one row per user, positives only, oldest first.
        time_cases: One row per case: `user_id`, history as `item_ids`, `timestamps` and `actions`, `request_time` (the
            user's first target), `target_ids`.
        leave_one_out_cases: The same columns; one target each.
    """

    training: pl.DataFrame
    time_cases: pl.DataFrame
    leave_one_out_cases: pl.DataFrame


def split(
    sequences: pl.LazyFrame,
    *,
    cutoff: datetime,
    window: timedelta,
    positives: int,
    leave_one_out_users: int,
    max_users: int | None = None,
    hold_out_ties: bool = False,
    seed: int = 0,
) -> Split:
    """Splits `sequences`: `user_id`, and the lists `item_ids`, `timestamps`, `actions`.

    Args:
        sequences: One row per user, interactions in stable (timestamp, arrival) order.
        cutoff: First instant (UTC) that training does not see.
        window: Length of the time split's target window.
        positives: Bit mask, by the vocabulary of `sequences`, of the actions that count (`models.actions.action_bits`).
        leave_one_out_users: Users at most whose last positive before the cutoff is held out of training.
        max_users: Cases at most of the time split.
        hold_out_ties: Whether that positive may have happened at the time of another.
        seed: Seed of both samples of users, which hash the user id and so are the same in every run.
    """
    interactions = positive_interactions(sequences, positives, keep_actions=True)
    before = interactions.filter(pl.col(TIMESTAMP) < cutoff).collect()
    within = interactions.filter(pl.col(TIMESTAMP) >= cutoff, pl.col(TIMESTAMP) < cutoff + window).collect()
    held_out = _last_of_sampled_users(before, leave_one_out_users, seed, hold_out_ties)
    history = interaction_lists(before)
    return Split(
        training=interaction_lists(_without(before, held_out)),
        time_cases=_sample(_time_cases(history, before, within), max_users, seed),
        leave_one_out_cases=_leave_one_out_cases(before, held_out),
    )


def training_interactions(
    sequences: pl.LazyFrame,
    *,
    cutoff: datetime,
    positives: int,
    leave_one_out_users: int,
    hold_out_ties: bool = False,
    seed: int = 0,
) -> pl.DataFrame:
    """`Split.training` alone: `user_id`, `item_ids`, `timestamps`, `actions`, one row per user with a positive."""
    interactions = positive_interactions(sequences, positives, keep_actions=True)
    before = interactions.filter(pl.col(TIMESTAMP) < cutoff).collect()
    return interaction_lists(_without(before, _last_of_sampled_users(before, leave_one_out_users, seed, hold_out_ties)))


def _time_cases(history: pl.DataFrame, before: pl.DataFrame, within: pl.DataFrame) -> pl.DataFrame:
    """Users with a history whose window holds items that are new to them; known items are what retrieval excludes."""
    targets = (
        within.join(before, on=[USER_ID, ITEM_ID], how="anti", maintain_order="left")
        .unique([USER_ID, ITEM_ID], keep="first", maintain_order=True)
        .group_by(USER_ID, maintain_order=True)
        .agg(pl.col(TIMESTAMP).min().alias(REQUEST_TIME), pl.col(ITEM_ID).alias(TARGET_IDS))
    )
    return history.join(targets, on=USER_ID, how="inner", maintain_order="left")


def _leave_one_out_cases(before: pl.DataFrame, held_out: pl.DataFrame) -> pl.DataFrame:
    targets = held_out.select(USER_ID, pl.col(TIMESTAMP).alias(REQUEST_TIME), pl.concat_list(ITEM_ID).alias(TARGET_IDS))
    history = interaction_lists(_without(before, held_out))
    return history.join(targets, on=USER_ID, how="inner", maintain_order="left")


def _last_of_sampled_users(before: pl.DataFrame, limit: int, seed: int, ties: bool) -> pl.DataFrame:
    """The held-out interactions: the last positive of `limit` users, where its item is new and a history remains.

    But for `ties` it is alone at its time: a history that holds what was done at the very moment of the request tells
    of the future.
    """
    alone = pl.lit(True) if ties else pl.col("at_once") == 1
    last = (
        before.with_row_index("position")
        .with_columns(
            first_position=pl.col("position").min().over(USER_ID, ITEM_ID),
            count=pl.len().over(USER_ID),
            at_once=pl.len().over(USER_ID, TIMESTAMP),
        )
        .unique(USER_ID, keep="last", maintain_order=True)
        .filter(pl.col("position") == pl.col("first_position"), pl.col("count") > 1, alone)
    )
    return _sample(last.select("position", USER_ID, ITEM_ID, TIMESTAMP), limit, seed)


def _without(before: pl.DataFrame, held_out: pl.DataFrame) -> pl.DataFrame:
    return (
        before.with_row_index("position")
        .join(held_out, on="position", how="anti", maintain_order="left")
        .drop("position")
    )


def _sample(users: pl.DataFrame, limit: int | None, seed: int) -> pl.DataFrame:
    """At most `limit` rows, chosen by a hash of the user: users who come and go leave the others' choice alone."""
    if limit is None or users.height <= limit:
        return users
    salted = pl.concat_str(pl.lit(f"{seed}:"), pl.col(USER_ID).cast(pl.String)).alias("hash")
    ranked = users.with_columns(salted).with_columns(plh.col("hash").nchash.xxhash64().rank("ordinal"))
    return ranked.filter(pl.col("hash") <= limit).drop("hash")
