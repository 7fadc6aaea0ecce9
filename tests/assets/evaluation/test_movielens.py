"""The simple models on MovieLens-1M, leave-one-out: a range that is known from the literature guards the whole path."""

import gzip
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from assets.evaluation.questions import make_questions
from assets.splits.split import SplitRule, split
from models.evaluation.evaluate import RankingSettings, evaluate, standard_slices
from models.evaluation.scorer import Scorer
from models.fitted.config import ItemKnnConfig, PopularityConfig
from models.vocabulary import Vocabulary
from storage.schema import TIME
from tests.interaction_logs import held_out_of, log_of
from tests.measured import measured
from tests.models.fitted.worlds import scorer
from tests.real_data import DATA, needs

RATINGS = DATA / "ml-1m" / "ratings.dat.gz"
RATING = 128


@needs(RATINGS)
def test_leave_one_out_numbers_of_the_simple_models_are_in_the_known_range() -> None:
    sequences = _sequences()
    ids = sequences["item_ids"].explode().unique().sort()
    log = log_of(sequences)
    rule = SplitRule(datetime(2003, 3, 1, tzinfo=UTC), timedelta(days=1), RATING, 10_000, hold_out_ties=True)
    parts = split(log, rule, rows_in_memory=100_000)
    assert len(parts.leave_one_out_cases) == 6_040
    assert sum(len(part.interactions.timestamps) for part in parts.training()) == 1_000_209 - 6_040
    items = pl.DataFrame({"item_id": ids, "available_from": pl.Series([None] * len(ids), dtype=TIME)})
    vocabulary = Vocabulary(ids, np.arange(1, len(ids) + 1), np.ones(len(ids) + 1, np.float32))
    questions = make_questions(held_out_of(parts, log, vocabulary), items, vocabulary)
    cases, catalogue = questions.cases["leave_one_out"], questions.catalogue
    scorers: list[Scorer] = [
        scorer(PopularityConfig(half_life_days=30), questions.training, vocabulary),
        scorer(ItemKnnConfig(neighbours=50, shrinkage=0, half_life_items=1.5), questions.training, vocabulary),
    ]
    settings = RankingSettings(ks=(10,), resamples=200)
    report = evaluate(scorers, cases, catalogue, standard_slices(cases, catalogue, 10), settings)
    assert 0.035 < measured(report, "popularity", "hr@10").mean < 0.06
    assert 0.015 < measured(report, "popularity", "ndcg@10").mean < 0.03
    assert 0.14 < measured(report, "item_knn", "hr@10").mean < 0.20
    assert 0.08 < measured(report, "item_knn", "ndcg@10").mean < 0.11
    assert measured(report, "item_knn", "ndcg@10").clearly_above(measured(report, "popularity", "ndcg@10"))


def _sequences() -> pl.DataFrame:
    rows = pl.read_csv(
        gzip.decompress(RATINGS.read_bytes()).replace(b"::", b","),
        has_header=False,
        new_columns=["user_id", "item_ids", "value", "timestamps"],
    )
    return (
        rows.with_columns(
            pl.from_epoch("timestamps").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"),
            pl.lit(RATING, pl.Int32).alias("actions"),
        )
        .sort("user_id", "timestamps", maintain_order=True)
        .group_by("user_id", maintain_order=True)
        .agg("item_ids", "timestamps", "actions")
    )
