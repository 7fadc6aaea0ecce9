"""KuaiRand (Pure, 1K, 27K): one impression of the log becomes one event for each thing that happened to it.

Source: https://kuairand.com (Gao et al., CIKM 2022).
"""

from datetime import date
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from assets.sources.files import Files, Shape
from assets.sources.files_settings import FilesSettings
from assets.sources.source import RawTable
from models.columns import (
    ACTION,
    AVAILABLE_FROM,
    CATEGORIES,
    ITEM_ID,
    MALFORMED,
    REQUEST_ID,
    SOURCE_ROW,
    SURFACE,
    TIMESTAMP,
    USER_ID,
    VALUE,
)
from models.declared import NO_COLUMNS, DeclaredColumn, DeclaredColumns
from models.strict import Strict

FEEDBACK = {
    "click": "is_click",
    "like": "is_like",
    "follow": "is_follow",
    "comment": "is_comment",
    "forward": "is_forward",
    "dislike": "is_hate",
    "long_view": "long_view",
}
"""Action to the flag that tells of it."""

DETAILS = ("play_time_ms", "duration_ms", "is_rand", "tab")

OFFERED: DeclaredColumns = {
    "tab": DeclaredColumn(known="request", type="category"),
    "is_rand": DeclaredColumn(known="request", type="category"),
    "duration_ms": DeclaredColumn(known="request", type="number"),
    "play_time_ms": DeclaredColumn(known="outcome", type="number"),
}
"""What a profile may declare: all events of an impression have it."""

IMPRESSION, PLAY = "impression", "play"
ACTIONS = (IMPRESSION, *FEEDBACK, PLAY)

BEIJING = "8h"
"""How far the clock of the dataset's dates is before UTC."""


class KuaiRandSettings(Strict):
    """The folder `data` of an unpacked KuaiRand."""

    kind: Literal["kuairand"]
    path: str = Field(min_length=1, description="The folder; environment variables are expanded.")
    log: str = Field(
        default="log_*.csv",
        min_length=1,
        description="The logs in it, as a glob; `log_standard_*.csv` leaves out the videos shown at random.",
    )
    videos: str = Field(
        default="video_features_basic*.csv", min_length=1, description="The catalogue in it, as a glob."
    )


def kuairand(settings: KuaiRandSettings, first_day: date, declared: DeclaredColumns = NO_COLUMNS) -> Files:
    """Impressions and feedback as events that share a request, videos as items.

    A row of the log gives an `impression`, one event for each flag that is 1, and a `play` with the share of the video
    that was played where that is more than none. The surface is the tab, and says whether the video was chosen at
    random.

    Args:
        settings: Where the folder is.
        first_day: First day of the profile, to which earlier videos belong.
        declared: The columns that the profile declares, of OFFERED.
    """
    tables = {
        "events": {"path": f"{settings.path}/{settings.log}", "timestamp_unit": "ms"},
        "items": {"path": f"{settings.path}/{settings.videos}", "category_delimiter": ",", "once": True},
    }
    shapes: dict[RawTable, Shape] = {
        "events": Shape(("user_id", "video_id", "time_ms", *DETAILS, *FEEDBACK.values()), _events),
        "items": Shape(("video_id", "upload_dt", "tag"), _videos),
    }
    return Files(FilesSettings.model_validate({"kind": "files"} | tables), first_day, shapes, declared)


def _events(rows: pl.LazyFrame, path: Path) -> pl.LazyFrame:
    played, lasted = (pl.col(name).cast(pl.Float64, strict=False) for name in ("play_time_ms", "duration_ms"))
    happened = pl.concat_list(
        pl.lit(IMPRESSION),
        *(_flagged(action, pl.col(flag)) for action, flag in FEEDBACK.items()),
        pl.when(played > 0).then(pl.lit(PLAY)),
    )
    key = pl.concat_str(pl.col("user_id", "video_id", "time_ms").cast(pl.String), separator="-")
    exposed = pl.when(_is(pl.col("is_rand"), 1)).then(pl.lit("random-tab-")).otherwise(pl.lit("tab-"))
    events = rows.select(
        USER_ID,
        pl.col("video_id").alias(ITEM_ID),
        pl.col("time_ms").alias(TIMESTAMP),
        happened.list.drop_nulls().alias(ACTION),
        pl.when(lasted > 0).then(played / lasted).alias(VALUE),
        (exposed + pl.col("tab").cast(pl.String)).alias(SURFACE),
        key.alias(REQUEST_ID),
        *OFFERED,
        SOURCE_ROW,
        MALFORMED,
    ).explode(ACTION)
    return events.with_columns(pl.when(pl.col(ACTION) == PLAY).then(VALUE).alias(VALUE))


def _flagged(action: str, flag: pl.Expr) -> pl.Expr:
    """The action where its flag is 1; a flag that is neither 1 nor 0 gives an action that no vocabulary has."""
    text = flag.cast(pl.String)
    odd = pl.when(~_is(flag, 0)).then(pl.lit(f"{action}=") + text)
    return pl.when(_is(flag, 1)).then(pl.lit(action)).otherwise(odd)


def _is(flag: pl.Expr, value: int) -> pl.Expr:
    return flag.cast(pl.Int64, strict=False).eq_missing(value)


def _videos(rows: pl.LazyFrame, path: Path) -> pl.LazyFrame:
    """The tags are numbers without names. The statistics beside them were counted after the fact and stay out."""
    uploaded = pl.col("upload_dt").cast(pl.String).str.to_datetime("%Y-%m-%d", time_unit="ms", strict=False)
    return rows.select(
        pl.col("video_id").alias(ITEM_ID),
        # A date is the whole day in Beijing, and a video is there from its beginning at the earliest.
        uploaded.dt.offset_by(f"-{BEIJING}").alias(AVAILABLE_FROM),
        pl.col("tag").cast(pl.String).str.replace_all(r"(\d+)", "tag ${1}").alias(CATEGORIES),
        SOURCE_ROW,
        MALFORMED,
    )
