"""How much of the catalogue has a text, and an image that can be read."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import polars_hash as plh

from assets.content.item_text import item_text
from assets.content.settings import ImageSettings
from models.columns import IMAGE, IMAGE_BYTES, ITEM_ID, NUMBERS, TAGS
from storage.schema import NUMBER_NAME, NUMBER_VALUE

if TYPE_CHECKING:
    import numpy as np

MOST_IMAGES = 1_000
AT_ONCE = 16
SECONDS = 20.0
"""Images from far away are asked for no longer than this."""


@dataclass(frozen=True)
class Told:
    """What a column of tags or numbers tells.

    Attributes:
        items: How many have a value in it.
        values: How many values they have together, each item each once.
        different: How many of these are different.
    """

    items: int
    values: int
    different: int


@dataclass(frozen=True)
class Content:
    """The content of a catalogue.

    Attributes:
        items: All items.
        texts: Items with a text.
        images: Items that name or hold an image.
        decoded: Images that were looked at: all, or a sample.
        readable: Of these, how many can be read.
        reasons: Why the others cannot, the most frequent first.
        tags, numbers: What each column of such tells that has any.
    """

    items: int
    texts: int
    images: int
    decoded: int
    readable: int
    reasons: Mapping[str, int]
    tags: Mapping[str, Told]
    numbers: Mapping[str, Told]

    @classmethod
    def of(cls, items: pl.LazyFrame, settings: ImageSettings, folders: Sequence[str]) -> Content:
        """Args:
        items: One row per item, as in the table `items`.
        settings: Where images may be read from; with the mode `none` none is.
        folders: More such folders.
        """
        image = pl.any_horizontal(pl.col(IMAGE, IMAGE_BYTES).is_not_null())
        has_text = item_text().is_not_null().sum()
        counts = items.select(pl.len().alias("items"), has_text.alias("texts"), image.sum().alias("images")).collect()
        total, texts, images = (int(count) for count in counts.row(0))
        told = _tags(items), _numbers(items)
        if settings.mode == "none" or not images:
            return cls(total, texts, images, 0, 0, {}, *told)
        reasons = _tried(
            _sample(items.filter(image)), settings.model_copy(update={"roots": (*settings.roots, *folders)})
        )
        wrong = Counter(reason for reason in reasons if reason)
        return cls(total, texts, images, len(reasons), len(reasons) - wrong.total(), dict(wrong.most_common()), *told)


def _tags(items: pl.LazyFrame) -> dict[str, Told]:
    name, value = pl.col(TAGS).str.extract("^([^=]*)=").alias("name"), pl.col(TAGS).alias("value")
    return _told(items.select(ITEM_ID, TAGS).explode(TAGS).drop_nulls(TAGS).select(ITEM_ID, name, value))


def _numbers(items: pl.LazyFrame) -> dict[str, Told]:
    of = pl.col(NUMBERS).struct
    rows = items.select(ITEM_ID, NUMBERS).explode(NUMBERS).drop_nulls(NUMBERS)
    return _told(rows.select(ITEM_ID, of.field(NUMBER_NAME).alias("name"), of.field(NUMBER_VALUE).alias("value")))


def _told(rows: pl.LazyFrame) -> dict[str, Told]:
    """Args:
    rows: `item_id`, `name` of the column, `value`.
    """
    counts = rows.unique().group_by("name").agg(pl.col(ITEM_ID).n_unique(), pl.len(), pl.col("value").n_unique())
    return {name: Told(*counted) for name, *counted in counts.collect().iter_rows()}


def _sample(items: pl.LazyFrame) -> list[bytes | str]:
    """Images of at most MOST_IMAGES items, by a hash of their ids: from night to night the same."""
    hashed = plh.col("_id").nchash.xxhash64().alias("_hash")
    ids = items.select(ITEM_ID, pl.col(ITEM_ID).cast(pl.String).alias("_id")).with_columns(hashed)
    some = ids.sort("_hash").head(MOST_IMAGES).select(ITEM_ID)
    rows = items.select(ITEM_ID, IMAGE, IMAGE_BYTES).join(some, on=ITEM_ID, how="semi").collect()
    return [data or path for data, path in rows.select(IMAGE_BYTES, IMAGE).iter_rows()]


def _tried(sources: Sequence[bytes | str], settings: ImageSettings) -> list[str | None]:
    """Of each image why it cannot be read, None where it can."""
    from assets.content.decode_image import decode

    began, reasons = time.monotonic(), list[str | None]()
    for start in range(0, len(sources), AT_ONCE):
        if time.monotonic() - began > SECONDS:
            break
        reasons += decode(sources[start : start + AT_ONCE], _pixel, settings).reasons
    return reasons


def _pixel(image: object) -> np.ndarray:
    """The least that `decode` takes for an image that it has opened."""
    import numpy as np

    return np.zeros((3, 1, 1), np.uint8)
