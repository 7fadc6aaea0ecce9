"""The items of the world: topic, style, quality and age of each, known day by day."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from assets.sources.demo_world.posters import poster
from assets.sources.demo_world.settings import DemoWorldSettings
from assets.sources.demo_world.streams import Stream, stream
from assets.sources.demo_world.texts import texts
from assets.sources.demo_world.words import STYLES, TOPICS
from models.columns import AVAILABLE_FROM, CATEGORIES, DESCRIPTION, IMAGE_BYTES, ITEM_ID, TITLE

FIRST_ITEM_ID = 1_000_001
MEAN_INITIAL_AGE = 30.0
"""Days that the items of the first day have been there on average."""

CELLS = len(TOPICS) * len(STYLES)
"""A cell is one topic in one style; items of a cell differ only in quality and age."""


@dataclass(frozen=True)
class Items:
    """Latent attributes of N items in the order of their ids; all arrays have shape (N,).

    Args:
        topic: Index into `TOPICS`, int64.
        style: Index into `STYLES`, int64.
        quality: Standard normal; what makes an item attractive to everybody.
        born: Day index on which the item appeared; negative for the older ones of the first day.
    """

    topic: np.ndarray
    style: np.ndarray
    quality: np.ndarray
    born: np.ndarray

    def __len__(self) -> int:
        return len(self.topic)

    @property
    def cell(self) -> np.ndarray:
        return self.topic * len(STYLES) + self.style


def item_count(settings: DemoWorldSettings, day: int) -> int:
    """Number of items available on `day`."""
    return settings.initial_items + day * settings.daily_items


def items_of(settings: DemoWorldSettings, day: int) -> Items:
    """The items that appear on `day`; on day 0 the whole initial catalogue."""
    draw = stream(settings.seed, Stream.ITEMS, day)
    count = settings.daily_items if day else settings.initial_items
    share = 1 / np.sqrt(np.arange(1, len(TOPICS) + 1))
    return Items(
        topic=draw.choice(len(TOPICS), size=count, p=share / share.sum()),
        style=draw.integers(len(STYLES), size=count),
        quality=draw.standard_normal(count),
        born=day - (0 if day else np.floor(draw.exponential(MEAN_INITIAL_AGE, count))) * np.ones(count),
    )


def catalogue(settings: DemoWorldSettings, day: int) -> Items:
    """Everything available on `day`, oldest day first, so that an item's position never changes."""
    parts = [items_of(settings, earlier) for earlier in range(day + 1)]
    return Items(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("topic", "style", "quality", "born")))


def item_frame(settings: DemoWorldSettings, day: int, midnight: int) -> pl.DataFrame:
    """The rows of the catalogue's landing file of `day`, in contract columns.

    Args:
        settings: The world.
        day: Day index.
        midnight: Start of the day, epoch milliseconds.
    """
    items = items_of(settings, day)
    first = FIRST_ITEM_ID + (item_count(settings, day - 1) if day else 0)
    draw = stream(settings.seed, Stream.POSTERS, day)
    missing = draw.random((len(items), 2)) < settings.gaps
    posters = [
        None if gap else poster(topic, style, draw)
        for topic, style, gap in zip(items.topic, items.style, missing[:, 0], strict=True)
    ]
    rows = texts(items.topic, items.style, stream(settings.seed, Stream.TEXTS, day))
    return rows.select(
        pl.int_range(first, first + len(items), dtype=pl.Int64).alias(ITEM_ID),
        pl.when(pl.lit(missing[:, 1])).then(None).otherwise(pl.col(TITLE)).alias(TITLE),
        pl.when(pl.lit(missing[:, 1])).then(None).otherwise(pl.col(DESCRIPTION)).alias(DESCRIPTION),
        CATEGORIES,
        pl.Series(IMAGE_BYTES, posters, dtype=pl.Binary),
        pl.lit(midnight).cast(pl.Datetime("ms", "UTC")).alias(AVAILABLE_FROM),
    )
