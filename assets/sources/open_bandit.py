"""Open Bandit: impressions of a fashion shop under two policies, each with its click.

Source: https://research.zozo.com/data.html (Saito et al., 2021).
"""

from collections.abc import Collection
from datetime import date
from functools import partial
from pathlib import Path
from typing import Literal

import polars as pl
import polars_hash as plh
from pydantic import Field

from assets.sources.files import Files, Shape
from assets.sources.files_settings import FilesSettings
from assets.sources.source import RawTable
from models.columns import (
    ACTION,
    CATEGORIES,
    ITEM_ID,
    MALFORMED,
    REQUEST_ID,
    SOURCE_ROW,
    SURFACE,
    TIMESTAMP,
    USER_ID,
)
from models.declared import NO_COLUMNS, DeclaredColumn, DeclaredColumns
from models.strict import Strict

IMPRESSION, CLICK = "impression", "click"
ACTIONS = (IMPRESSION, CLICK)

OFFERED: DeclaredColumns = {
    "position": DeclaredColumn(known="request", type="category"),
    "propensity_score": DeclaredColumn(known="request", type="number"),
}
"""What a profile may declare."""

USER_FEATURES = tuple(f"user_feature_{n}" for n in range(4))
ITEM_FEATURES = tuple(f"item_feature_{n}" for n in range(1, 4))
"""The hashed ones; `item_feature_0` is a number without a name."""


class OpenBanditSettings(Strict):
    """An unpacked Open Bandit Dataset, of which one folder per policy holds one folder per campaign."""

    kind: Literal["open_bandit"]
    path: str = Field(min_length=1, description="The folder; environment variables are expanded.")
    log: str = Field(
        default="*/*/[!i]*.csv",
        min_length=1,
        description="The logs in it, as a glob. A log without the columns `behavior_policy` and `campaign` takes them "
        "from the names of its folders.",
    )
    items: str = Field(
        default="random/*/item_context.csv",
        min_length=1,
        description="The catalogue of each campaign in it, as a glob; it is the same for both policies.",
    )


def open_bandit(settings: OpenBanditSettings, first_day: date, declared: DeclaredColumns = NO_COLUMNS) -> Files:
    """Impressions and clicks as events that share a request, items of each campaign as items of the first day.

    The dataset has no users. A hash of the four user features stands for one: people with equal features are taken for
    one person, so histories are those of a segment. Item numbers start over in each campaign; `men/3` is an item's id,
    so the profile's `id_type` is string. The surface is policy/campaign/position.

    Args:
        settings: Where the folder is.
        first_day: First day of the profile, to which all items belong.
        declared: The columns that the profile declares, of OFFERED.
    """
    tables = {
        "events": {"path": f"{settings.path}/{settings.log}", "timestamp_unit": "iso"},
        "items": {"path": f"{settings.path}/{settings.items}", "once": True},
    }
    shapes: dict[RawTable, Shape] = {
        "events": Shape(
            (TIMESTAMP, ITEM_ID, CLICK, *USER_FEATURES, *sorted({"position", *declared})),
            partial(_events, declared=sorted(declared)),
        ),
        "items": Shape((ITEM_ID, *ITEM_FEATURES), _items),
    }
    return Files(FilesSettings.model_validate({"kind": "files"} | tables), first_day, shapes, declared)


def _events(rows: pl.LazyFrame, path: Path, declared: Collection[str]) -> pl.LazyFrame:
    campaign = _column_or_folder(rows, "campaign", path.parent)
    policy = _column_or_folder(rows, "behavior_policy", path.parent.parent)
    clicked = pl.col(CLICK).cast(pl.String)
    happened = pl.concat_list(
        pl.lit(IMPRESSION),
        # A click that is neither 1 nor 0 gives an action that no vocabulary has, so that its row is seen.
        pl.when(clicked == "1").then(pl.lit(CLICK)).when(clicked != "0").then(pl.lit("click=") + clicked),
    )
    return rows.select(
        plh.concat_str(USER_FEATURES, separator="/").nchash.xxhash64().cast(pl.String).alias(USER_ID),
        (campaign + "/" + pl.col(ITEM_ID).cast(pl.String)).alias(ITEM_ID),
        TIMESTAMP,
        happened.list.drop_nulls().alias(ACTION),
        pl.concat_str(policy, campaign, pl.col("position").cast(pl.String), separator="/").alias(SURFACE),
        pl.concat_str(policy, campaign, pl.col(SOURCE_ROW).cast(pl.String), separator="/").alias(REQUEST_ID),
        *declared,
        SOURCE_ROW,
        MALFORMED,
    ).explode(ACTION)


def _items(rows: pl.LazyFrame, path: Path) -> pl.LazyFrame:
    campaign = _column_or_folder(rows, "campaign", path.parent)
    return rows.select(
        (campaign + "/" + pl.col(ITEM_ID).cast(pl.String)).alias(ITEM_ID),
        pl.concat_list(pl.lit(f"{name}=") + pl.col(name) for name in ITEM_FEATURES).list.drop_nulls().alias(CATEGORIES),
        SOURCE_ROW,
        MALFORMED,
    )


def _column_or_folder(rows: pl.LazyFrame, column: str, folder: Path) -> pl.Expr:
    return pl.col(column) if column in rows.collect_schema() else pl.lit(folder.name)
