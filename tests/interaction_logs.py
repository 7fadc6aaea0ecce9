"""Logs of interactions in memory, from frames of list columns and back."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from assets.splits.split import Cases, Split
from assets.training.dataset import HeldOut
from models.columns import ACTIONS, ITEM_IDS, ITEM_INDEX, TIMESTAMP, TIMESTAMPS, USER_ID
from models.evaluation.cases import EvaluationCases
from models.evaluation.report import Protocol
from models.interactions import Interactions
from models.vocabulary import Vocabulary
from storage.schema import TIME
from storage.user_interactions import ROWS_IN_MEMORY, UserInteractions, concatenated, cut_into_parts


@dataclass(frozen=True)
class InMemoryLog:
    """A log whose items are numbered as in the table `item_rows`."""

    whole: UserInteractions
    items: pl.Series
    most: int = ROWS_IN_MEMORY

    def parts(self, columns: Collection[str] = (), rows_in_memory: int = ROWS_IN_MEMORY) -> Iterator[UserInteractions]:
        return cut_into_parts(self.whole, min(self.most, rows_in_memory))

    def item_ids(self) -> pl.Series:
        return self.items


def log_of(frame: pl.DataFrame, most: int = ROWS_IN_MEMORY, catalogue: pl.Series | None = None) -> InMemoryLog:
    """The log of `user_id`, `item_ids`, `timestamps` and `actions`; all actions are 1 where the last is missing.

    Args:
        most: Interactions of a part.
        catalogue: Items that have a row too.
    """
    lengths = frame[ITEM_IDS].list.len().to_numpy().astype(np.int64)
    filled = frame.filter(pl.col(ITEM_IDS).list.len() > 0)
    ids = filled[ITEM_IDS].explode()
    days = pl.DataFrame({"id": ids, "day": filled[TIMESTAMPS].explode().dt.date()}).group_by("id").agg(pl.min("day"))
    items = days.sort("day", "id")["id"].rename(ITEM_IDS)
    if catalogue is not None:
        items = pl.concat([items, catalogue.cast(items.dtype).rename(ITEM_IDS)]).unique(maintain_order=True)
    rows = dict(zip(items.to_list(), range(1, len(items) + 1), strict=True))
    actions = filled[ACTIONS].explode().to_numpy() if ACTIONS in frame.columns else np.ones(len(ids))
    columns: dict[str, np.ndarray] = {
        ITEM_INDEX: np.array([rows[item] for item in ids.to_list()], np.int32),
        TIMESTAMP: filled[TIMESTAMPS].explode().dt.epoch("ms").to_numpy().astype(np.int64),
        ACTIONS: actions.astype(np.int32),
    }
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return InMemoryLog(UserInteractions(frame[USER_ID], Interactions(offsets, columns)), items, most)


def lists_of(log: InMemoryLog, users: UserInteractions) -> pl.DataFrame:
    """`user_id`, `item_ids`, `timestamps`, `actions`: one row per user."""
    given = users.interactions
    owner = pl.Series(USER_ID, np.repeat(np.arange(len(users)), given.lengths))
    flat = pl.DataFrame(
        {
            "place": owner,
            ITEM_IDS: log.items.gather(pl.Series(given.item_index - 1)),
            TIMESTAMPS: pl.Series(given.timestamps).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC").cast(TIME),
            ACTIONS: given.column(ACTIONS),
        }
    )
    lists = flat.group_by("place", maintain_order=True).agg(ITEM_IDS, TIMESTAMPS, ACTIONS)
    places = pl.DataFrame({"place": np.arange(len(users)), USER_ID: users.users})
    return places.join(lists, on="place", how="left", maintain_order="left").drop("place")


def training_of(log: InMemoryLog, split: Split) -> pl.DataFrame:
    """The split's training part as `lists_of` has it."""
    parts = list(split.training())
    return lists_of(log, concatenated(parts)) if parts else lists_of(log, log.whole.take(np.zeros(0, np.int64)))


def case_lists(log: InMemoryLog, cases: Cases) -> pl.DataFrame:
    """The cases' histories as `lists_of` has them, with `request_time` and `target_ids`."""
    asked = pl.Series(cases.request_times).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC").cast(TIME)
    targets = [
        log.items.gather(pl.Series(some - 1)).to_list() for some in np.split(cases.targets, cases.target_offsets[1:-1])
    ]
    lists = pl.Series(targets if len(cases) else [], dtype=pl.List(log.items.dtype))
    return lists_of(log, cases.users).with_columns(request_time=asked, target_ids=lists)


def held_out_of(split: Split, log: InMemoryLog, vocabulary: Vocabulary) -> HeldOut:
    """What a training set of the split holds to ask, in the terms of `vocabulary`."""
    index = vocabulary.index_by_row(log.item_ids())
    parts = [part.interactions.renumbered(index) for part in split.training()]
    cases: dict[Protocol, EvaluationCases] = {}
    named: list[tuple[Protocol, Cases]] = [("time", split.time_cases), ("leave_one_out", split.leave_one_out_cases)]
    for protocol, asked in named:
        if len(asked):
            cases[protocol] = EvaluationCases(
                asked.users.users,
                asked.users.interactions.renumbered(index),
                asked.request_times,
                index[asked.targets].astype(np.int64),
                asked.target_offsets,
            )
    training = Interactions.concatenated(parts) if parts else Interactions.of([])
    return HeldOut(training, cases)
