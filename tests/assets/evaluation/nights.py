"""Nights of a catalogue and a log in files, one run a day, and what scorers that know nothing reach on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from assets.evaluation.questions import make_questions
from assets.items.catalogue import catalogue_at
from assets.items.clean import clean_items
from assets.items.listing import ListingRules, judge_days
from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.splits.split import SplitRule, split
from assets.training.dataset import read_dataset, read_held_out, write_training_set
from assets.validation.settings import ItemSettings, QualitySettings
from models.evaluation.cases import EvaluationCases
from models.evaluation.evaluate import RankingSettings, evaluate, standard_slices
from models.evaluation.report import EvaluationReport
from models.evaluation.scorer import Scorer
from models.fitted.config import PopularityConfig
from storage.lake import Lake
from storage.schema import ITEMS_TABLE
from tests.interaction_logs import log_of
from tests.models.fitted.worlds import scorer

CLICK = 1


@dataclass(frozen=True)
class Chance:
    """A scorer that draws."""

    items: int
    name: str = "chance"

    def score(self, cases: EvaluationCases) -> np.ndarray:
        return np.random.default_rng(0).random((len(cases), self.items + 1), np.float32)


def land_items(lake: Lake, path: str, days: Sequence[date], first_day: date, **settings: Any) -> None:
    """What the assets `raw_items` and `items` make of the catalogue at `path`, in one run for each of `days`."""
    tables = {"events": {"path": "unread.csv"}, "items": {"path": path} | settings}
    source = Files(FilesSettings.model_validate({"kind": "files"} | tables), first_day)
    for day in days:
        raw = source.read("items", source.land("items", [day]), [day])
        rows = clean_items(raw, QualitySettings(), "string", [day], source.timestamp_unit("items")).accepted
        lake.replace_days(ITEMS_TABLE, rows, [day])
        judge_days(lake, day, ListingRules(source.snapshot, ItemSettings().max_gone_share), "string")


def clicks_by_user(events: Path) -> pl.DataFrame:
    """Rows of the table `sequences` from a CSV of clicks."""
    clicks = pl.read_csv(events, glob=False).with_columns(pl.from_epoch("timestamp", "ms").dt.replace_time_zone("UTC"))
    ordered = clicks.sort("user_id", "timestamp", maintain_order=True)
    return ordered.group_by("user_id", maintain_order=True).agg(
        pl.col("item_id").alias("item_ids"),
        pl.col("timestamp").alias("timestamps"),
        pl.repeat(CLICK, pl.len(), dtype=pl.Int32).alias("actions"),
    )


def leave_one_out(lake: Lake, sequences: pl.DataFrame, last_day: date) -> EvaluationReport:
    """Popularity and chance on the last click of every user before `last_day`."""
    cutoff = datetime.combine(last_day, time(), UTC)
    log = log_of(sequences, catalogue=catalogue_at(lake, last_day).collect()["item_id"])
    parts = split(log, SplitRule(cutoff, timedelta(days=1), CLICK, leave_one_out_users=10_000))
    items = catalogue_at(lake, last_day).collect()
    with TemporaryDirectory() as folder:
        days = items.select("item_id", "day")
        write_training_set(
            Path(folder), parts, days, None, half_life_days=3.0, cold_start=timedelta(0), validation_users=0, seed=0
        )
        vocabulary = read_dataset(Path(folder)).vocabulary
        questions = make_questions(read_held_out(Path(folder)), items, vocabulary)
    cases = questions.cases["leave_one_out"]
    scorers: list[Scorer] = [
        scorer(PopularityConfig(half_life_days=3.0), questions.training, vocabulary),
        Chance(len(vocabulary)),
    ]
    slices = standard_slices(cases, questions.catalogue, 10)
    return evaluate(scorers, cases, questions.catalogue, slices, RankingSettings())
