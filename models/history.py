"""From a user's sequence to what the model reads: which interactions count, and as which rows."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from models.batch import Histories
from models.columns import ACTIONS, ITEM_IDS, TIMESTAMPS
from models.vocabulary import Vocabulary


def action_bits(vocabulary: Sequence[str], chosen: Sequence[str]) -> int:
    """The bit mask of `chosen` actions in a declared action vocabulary.

    Raises:
        ValueError: an action is not in the vocabulary.
    """
    unknown = [action for action in chosen if action not in vocabulary]
    if unknown:
        raise ValueError(f"actions {unknown} are not declared: the profile's vocabulary is {list(vocabulary)}")
    return sum(1 << list(vocabulary).index(action) for action in dict.fromkeys(chosen))


def positive_interactions(sequences: pl.LazyFrame, bits: int) -> pl.LazyFrame:
    """`sequences` with only the interactions that carry one of the actions in `bits`, order kept.

    The list columns `item_ids`, `timestamps` and `actions` shrink together; users left without any are left out.
    """
    lists = [ITEM_IDS, TIMESTAMPS, ACTIONS]
    rest = [name for name in sequences.collect_schema().names() if name not in lists]
    return (
        sequences.with_row_index("_user")
        .select("_user", *rest, *lists)
        .explode(lists)
        .filter((pl.col(ACTIONS) & bits) != 0)
        .group_by("_user", *rest, maintain_order=True)
        .agg(*lists)
        .drop("_user")
    )


def histories(frame: pl.DataFrame, vocabulary: Vocabulary) -> Histories:
    """The histories in `frame`'s list columns `item_ids` and `timestamps`, one per row, as vocabulary rows."""
    lengths = frame[ITEM_IDS].list.len().to_numpy().astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    filled = frame.filter(pl.col(ITEM_IDS).list.len() > 0)
    return Histories(
        rows=vocabulary.rows(filled[ITEM_IDS].explode()),
        timestamps=filled[TIMESTAMPS].explode().dt.epoch("ms").to_numpy().astype(np.int64),
        offsets=offsets,
    )
