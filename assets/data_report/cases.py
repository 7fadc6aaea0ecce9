"""Whom the evaluation could ask, and how often the simplest models would be right: before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets.data_report.counts import Histories, Window
from assets.data_report.evidence import Log
from assets.splits.auto import choose_learning, choose_split
from assets.splits.settings import SplitSettings
from assets.splits.split import Cases, Split, SplitRule, split
from models.evaluation.report import Protocol
from models.interactions import Interactions
from models.item_counts import ItemCounts
from storage.user_interactions import ROWS_IN_MEMORY

if TYPE_CHECKING:
    from torch import Tensor

    from assets.training.settings import TrainingDataSettings
    from models.evaluation.cases import EvaluationCases
    from models.vocabulary import Vocabulary

K = 10
MOST_CASES = 500
INTERACTIONS_FITTED = 100_000
"""The simple models see users with about so many interactions at most,"""

PAIRS_COMPARED = 2e7
"""who have about so many pairs of them, which is what item-kNN costs."""

SCORES_AT_ONCE = 1 << 22
SCORES = 1 << 26
"""With a large catalogue fewer cases are asked, so that there are no more scores than these."""


@dataclass(frozen=True)
class Cut:
    """The log at the evaluation's cutoff.

    Attributes:
        split: What is held out: what is left to the data is chosen.
        learners: Users with something to train on before it.
        window: What is new behind it.
        cases: How many users each protocol asks.
        hit_rates: Of each protocol that asks anybody, by model the share of users with a target among the first K.
        asked: So many of them were asked at most.
        fitted: So many interactions the models saw.
    """

    split: SplitSettings
    cutoff: datetime
    learners: int
    window: Window
    cases: Mapping[Protocol, int]
    hit_rates: Mapping[Protocol, Mapping[str, float]]
    asked: int
    fitted: int

    @classmethod
    def of(
        cls,
        log: Log,
        histories: Histories,
        positives: int,
        held_out: SplitSettings,
        learned: TrainingDataSettings,
        last_day: date,
        described: float,
        rows_in_memory: int = ROWS_IN_MEMORY,
    ) -> Cut:
        """Args:
        positives: Bit mask of the actions that count.
        held_out, learned: As the profile has them.
        last_day: The last day that holds data.
        described: Share of the items that have content.
        """
        held_out, _, survey = choose_split(log, positives, held_out, last_day, rows_in_memory)
        rule = SplitRule.by(held_out, held_out.cutoff_time(last_day), positives)
        if survey.users:
            learned, _ = choose_learning(log, rule, survey, learned, described, rows_in_memory)
        parts = split(log, rule, rows_in_memory=rows_in_memory)
        by_protocol: dict[Protocol, Cases] = {"time": parts.time_cases, "leave_one_out": parts.leave_one_out_cases}
        some = {protocol: cases for protocol, cases in by_protocol.items() if len(cases)}
        training = _some_training(parts, histories.lengths)
        return cls(
            split=held_out,
            cutoff=rule.cutoff,
            learners=survey.users,
            window=Window.of(log, rule, histories.first_seen, rows_in_memory),
            cases={protocol: len(cases) for protocol, cases in by_protocol.items()},
            hit_rates=_hit_rates(parts, training, some, learned.popularity_half_life_days) if some else {},
            asked=_most_cases(len(log.item_ids())),
            fitted=len(training.timestamps),
        )


def _some_training(parts: Split, lengths: np.ndarray) -> Interactions:
    """The training part of users drawn evenly, of whom all have histories of these `lengths`."""
    interactions, pairs = float(lengths.sum()), float(lengths.astype(np.float64) @ lengths)
    random, share = np.random.default_rng(0), min(INTERACTIONS_FITTED / interactions, PAIRS_COMPARED / pairs)
    drawn = [Interactions.of([])]
    for part in parts.training():
        some = part.interactions.only()
        chosen = random.random(len(some)) < share
        drawn.append(some if share >= 1 else some.take(np.flatnonzero(chosen)))
    return Interactions.concatenated([some.only() for some in drawn])


def _hit_rates(
    parts: Split, training: Interactions, asked: Mapping[Protocol, Cases], half_life_days: float
) -> dict[Protocol, dict[str, float]]:
    """Of popularity and item-kNN, of all items that training has seen; those of the history are left out if they do not
    come again."""
    from models.fitted.config import ItemKnnConfig, PopularityConfig
    from models.fitted.item_knn import ItemKnnModel
    from models.fitted.popularity import PopularityModel

    items = parts.log.item_ids()
    counts = ItemCounts(len(items), parts.rule.cutoff_ms, half_life_days)
    counts.add(training)
    vocabulary = counts.vocabulary(items, items.clear())
    popularity = PopularityModel.fit(PopularityConfig(half_life_days=half_life_days), training, len(items))
    item_knn = ItemKnnModel.fit(ItemKnnConfig(repeats=parts.rule.repeats), training, vocabulary)
    models: dict[str, Callable[[EvaluationCases], Tensor]] = {
        "popularity": lambda cases: popularity(cases.request_times),
        "item_knn": lambda cases: item_knn(cases.histories),
    }
    return {
        protocol: {
            name: _hit_rate(model, _some_cases(cases, len(items), parts.rule.repeats), vocabulary)
            for name, model in models.items()
        }
        for protocol, cases in asked.items()
    }


def _hit_rate(model: Callable[[EvaluationCases], Tensor], cases: EvaluationCases, vocabulary: Vocabulary) -> float:
    from models.evaluation.metrics import hit_rate
    from models.evaluation.ranking import rank
    from models.evaluation.scorer import Catalogue

    catalogue = Catalogue(np.zeros(len(vocabulary) + 1, np.int64), ~vocabulary.known, known=vocabulary.known)
    hits = []
    for batch in cases.batches(max(1, SCORES_AT_ONCE // len(vocabulary))):
        ranking = rank(model(batch).numpy(), batch, catalogue, K)
        hits.append(hit_rate(ranking.ranks, batch.target_offsets, K))
    return float(np.concatenate(hits).mean())


def _some_cases(cases: Cases, items: int, repeats: bool) -> EvaluationCases:
    from models.evaluation.cases import EvaluationCases

    every = EvaluationCases(
        user_ids=pl.Series(range(len(cases)), dtype=pl.Int64),
        histories=cases.users.interactions.only(),
        request_times=cases.request_times,
        targets=cases.targets,
        target_offsets=cases.target_offsets,
        repeats=repeats,
    )
    most = _most_cases(items)
    return every.take(np.linspace(0, len(every) - 1, most).astype(np.int64)) if len(every) > most else every


def _most_cases(items: int) -> int:
    return max(20, min(MOST_CASES, SCORES // (items + 1)))
