"""Yambda: plays and explicit feedback in a music service, flat (a row per event) or sequential (a row per user).

Source: https://huggingface.co/datasets/yandex/yambda (Ploshkin et al., 2025).
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from assets.sources.files import Files, Shape
from assets.sources.files_settings import FilesSettings
from assets.sources.formats.parquet import unfolded_parquet
from assets.sources.source import LandedFile, Outside, RawTable, Snapshot, SourceError
from models.columns import ACTION, DAY, ITEM_ID, MALFORMED, SOURCE_FILE, SOURCE_ROW, SURFACE, TIMESTAMP, USER_ID, VALUE
from models.strict import Strict

PLAYED, ORGANIC, KIND = "played_ratio_pct", "is_organic", "event_type"

ACTIONS = {"listen": "play", "like": "like", "dislike": "dislike", "unlike": "unlike", "undislike": "undislike"}
"""Kind of event to action. To unlike is to take out of the favourites: no sign of dislike (the authors)."""

LISTEN_PLUS = "listen_plus"

FILE_KINDS = {f"{kind}s": kind for kind in ACTIONS}
"""Name of a file that holds events of one kind to that kind."""

COLUMNS = ("uid", ITEM_ID, TIMESTAMP, ORGANIC, PLAYED, KIND)


class YambdaSettings(Strict):
    """A folder with files of Yambda, such as `flat/50m` or `sequential/50m`."""

    kind: Literal["yambda"]
    path: str = Field(min_length=1, description="The folder; environment variables are expanded.")
    events: str = Field(
        default="multi_event.parquet",
        min_length=1,
        description="The events in it, as a glob: multi_event.parquet, or files of one kind such as listens.parquet.",
    )
    listen_plus: float | None = Field(
        default=None,
        gt=0,
        description="Share of a track from which a listen is a `listen_plus` and no `play`, such as 0.5, the "
        "publisher's own line; null: all are plays.",
    )
    origin: date = Field(
        default=date(2024, 1, 1),
        description="The day that the first second of the timestamps stands for (the publisher does not say): a "
        "profile of 301 days from it holds all events.",
    )


class Yambda:
    """Events of Yambda in the contract's columns; the items are those that the events name, all of the first day.

    A `play` has the share of the track that was played as its value, above 1 where it was played again. The surface is
    `organic` or `recommended`.

    Args:
        settings: Where the folder is, and what its times count from.
        first_day: First day of the profile, to which all items belong.
    """

    snapshot: Snapshot = "changes"

    def __init__(self, settings: YambdaSettings, first_day: date) -> None:
        part = {"path": f"{settings.path}/{settings.events}", "format": "parquet"}
        tables = {"events": part | {"timestamp_unit": "s"}, "items": part | {"once": True}}
        start = int(datetime(settings.origin.year, settings.origin.month, settings.origin.day, tzinfo=UTC).timestamp())
        shapes: dict[RawTable, Shape] = {
            "events": Shape(("uid", ITEM_ID, TIMESTAMP, ORGANIC), partial(_events, start, settings.listen_plus)),
            "items": Shape((ITEM_ID,), _items),
        }
        self.files = Files(FilesSettings.model_validate({"kind": "files"} | tables), first_day, shapes)
        self.land, self.timestamp_unit = self.files.land, self.files.timestamp_unit
        self.columns = self.files.columns

    def read(
        self, table: RawTable, files: Sequence[LandedFile], days: Sequence[date], outside: Outside | None = None
    ) -> list[pl.LazyFrame]:
        """The raw rows of `days`; an item stands where an event first names it.

        Memory for events is that of a row group; for items, that of all ids.
        """
        rows = self.files.read(table, files, days, outside)
        if table == "events":
            return rows
        return [_once(frame) for frame in rows]


def _events(start: int, listen_plus: float | None, rows: pl.LazyFrame, path: Path) -> pl.LazyFrame:
    flat = _flat(rows, path)
    there = flat.collect_schema()
    kind = pl.col(KIND).cast(pl.String) if KIND in there else pl.lit(_kind_of(path))
    share = pl.col(PLAYED) / 100 if PLAYED in there else pl.lit(None, pl.Float64)
    return flat.select(
        pl.col("uid").alias(USER_ID),
        ITEM_ID,
        (pl.col(TIMESTAMP).cast(pl.Int64) + start).alias(TIMESTAMP),
        _action(kind, share, listen_plus).alias(ACTION),
        pl.when(kind == "listen").then(share).alias(VALUE),
        pl.when(pl.col(ORGANIC) == 1)
        .then(pl.lit("organic"))
        .when(pl.col(ORGANIC) == 0)
        .then(pl.lit("recommended"))
        .alias(SURFACE),
        SOURCE_ROW,
        MALFORMED,
    )


def _action(kind: pl.Expr, share: pl.Expr, listen_plus: float | None) -> pl.Expr:
    action = kind.replace(ACTIONS)
    if listen_plus is None:
        return action
    return pl.when((kind == "listen") & (share >= listen_plus)).then(pl.lit(LISTEN_PLUS)).otherwise(action)


def _items(rows: pl.LazyFrame, path: Path) -> pl.LazyFrame:
    return _flat(rows, path).select(ITEM_ID, SOURCE_ROW, MALFORMED)


def _once(rows: pl.LazyFrame) -> pl.LazyFrame:
    named = rows.group_by(ITEM_ID, DAY, SOURCE_FILE, MALFORMED).agg(pl.col(SOURCE_ROW).min())
    return named.sort(SOURCE_FILE, SOURCE_ROW).unique(ITEM_ID, keep="first", maintain_order=True)


def _kind_of(path: Path) -> str:
    """Raises SourceError where neither a column nor the file's name says what its events are."""
    if path.stem not in FILE_KINDS:
        raise SourceError(
            f"{path} has no column {KIND!r} and its name says no kind of event: "
            f"give it the published name, one of {', '.join(FILE_KINDS)}, or read multi_event.parquet"
        )
    return FILE_KINDS[path.stem]


def _flat(rows: pl.LazyFrame, path: Path) -> pl.LazyFrame:
    """One row per event, whichever the layout; `source_row` is in the sequential one the row of the user."""
    return unfolded_parquet(path, COLUMNS) if isinstance(rows.collect_schema()[ITEM_ID], pl.List) else rows
