"""Cleaning real logs: every row of MovieLens-1M is good; KuaiRand holds duplicates, as published."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import polars as pl

from assets.events.clean import clean_events
from assets.events.row_validator import RowValidator
from assets.sources.movielens import read_ratings
from assets.validation.quarantine import Cleaned
from assets.validation.settings import QualitySettings
from models.columns import ACTION, DAY, ITEM_ID, SOURCE_FILE, SOURCE_ROW, TIMESTAMP, USER_ID
from tests.real_data import DATA, needs

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def numbered(rows: pl.DataFrame, action: str, time_unit: Literal["s", "ms"]) -> pl.DataFrame:
    return rows.with_row_index(SOURCE_ROW).with_columns(
        pl.lit(action).alias(ACTION),
        pl.lit("log").alias(SOURCE_FILE),
        pl.from_epoch(TIMESTAMP, time_unit).dt.date().alias(DAY),
    )


def clean(raw: pl.DataFrame, validator: RowValidator, scratch: Path) -> Cleaned:
    days = raw[DAY].unique().to_list()
    parts = list(clean_events([raw.lazy()], validator, days, rows_in_memory=4_000_000, scratch=scratch))
    accepted, rejected = (pl.concat([getattr(part, name) for part in parts]) for name in ("accepted", "rejected"))
    return Cleaned(accepted, rejected, rejected.clear())


@needs(DATA / "ml-1m")
def test_movielens_is_accepted_whole(tmp_path: Path) -> None:
    raw = numbered(read_ratings(DATA / "ml-1m" / "ratings.dat.gz"), "rating", "s")
    cleaned = clean(raw, RowValidator(QualitySettings(), "int64", None, NOW, "s"), tmp_path)
    assert (cleaned.accepted.height, cleaned.rejected.height) == (1_000_209, 0)
    assert cleaned.accepted.select(pl.col("value").sum()).item() == raw["value"].sum()
    wrong_unit = clean(raw.head(1000), RowValidator(QualitySettings(), "int64", None, NOW), tmp_path)
    assert wrong_unit.rejected["reason"].unique().to_list() == ["timestamp_too_old"]


@needs(DATA / "kuairand-pure")
def test_duplicates_of_kuairand_are_found(tmp_path: Path) -> None:
    impressions = pl.read_parquet(
        DATA / "kuairand-pure" / "impressions.parquet", columns=["user_id", "video_id", "time_ms"], glob=False
    )
    raw = numbered(impressions.rename({"video_id": ITEM_ID, "time_ms": TIMESTAMP}), "impression", "ms")
    cleaned = clean(raw, RowValidator(QualitySettings(), "string", None, NOW), tmp_path)
    distinct = raw.unique([USER_ID, ITEM_ID, TIMESTAMP]).height
    assert cleaned.accepted.height == distinct
    assert cleaned.rejected["reason"].unique().to_list() == ["duplicate"]
    assert cleaned.accepted.height + cleaned.rejected.height == raw.height == 228_329
