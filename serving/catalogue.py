"""What people see of an item (title, categories), from when on and until when, by its index in the vocabulary."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from models.availability import GONE_FROM, gone, with_availability
from models.columns import AVAILABLE_FROM, CATEGORIES, DAY, ITEM_ID, ITEM_INDEX, TITLE
from models.vocabulary import Vocabulary

ALWAYS, NEVER = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True)
class Catalogue:
    """The items of one vocabulary; index 0 of every column stands for no item.

    Attributes:
        titles: (n + 1,) strings, null where an item has none.
        categories: (n + 1,) lists of strings.
        available_from: (n + 1,) int64 epoch milliseconds.
        gone_from: (n + 1,) int64 epoch milliseconds, far ahead for an item that is not gone.
        known: (n + 1,) bool, the items that the vocabulary knows: no other may be shown.
        items_by_category: int64 indices of the items in each category.
    """

    titles: pl.Series
    categories: pl.Series
    available_from: np.ndarray
    gone_from: np.ndarray
    known: np.ndarray
    items_by_category: dict[str, np.ndarray]

    def available(self, now_ms: int) -> np.ndarray:
        """(n + 1,) bool: the items that may be shown at `now_ms`."""
        return self.known & ~(self.coming(now_ms) | self.gone(now_ms))

    def coming(self, now_ms: int) -> np.ndarray:
        """(n + 1,) bool: the items that are not available yet."""
        return self.available_from > now_ms

    def gone(self, now_ms: int) -> np.ndarray:
        """(n + 1,) bool: the items that the catalogue no longer lists."""
        return self.gone_from <= now_ms


def load_catalogue(items: pl.LazyFrame, vocabulary: Vocabulary, days: pl.LazyFrame | None = None) -> Catalogue:
    """Reads the `items` table: of several days on which an item was described, the latest counts, and for when it is
    available the earliest.

    An item of the vocabulary that the table never named is servable, without title and categories.

    Args:
        items: Rows of the table.
        vocabulary: The items in question.
        days: Rows of the table `catalogue_days`; None where it is not known what is gone.
    """
    rows = items.select(ITEM_ID, TITLE, CATEGORIES, AVAILABLE_FROM, DAY)
    newest = with_availability(rows).drop(DAY).with_columns(pl.col(AVAILABLE_FROM).dt.epoch("ms"))
    left = gone(rows, days).with_columns(pl.col(GONE_FROM).dt.epoch("ms"))
    # Without its id an unknown item finds no description, which a later catalogue may have of it.
    ids = vocabulary.item_ids.set(pl.Series(~vocabulary.known[1:]), None)
    known = pl.LazyFrame({ITEM_ID: ids}).with_row_index(ITEM_INDEX, offset=1)
    described = known.join(newest, on=ITEM_ID, how="left").join(left, on=ITEM_ID, how="left")
    nothing = pl.LazyFrame({ITEM_INDEX: [0]}, schema={ITEM_INDEX: pl.get_index_type()})
    table = (
        pl.concat([nothing, described], how="diagonal")
        .sort(ITEM_INDEX)
        .with_columns(
            pl.col(CATEGORIES).fill_null([]).list.drop_nulls(),
            pl.col(AVAILABLE_FROM).fill_null(ALWAYS),
            pl.col(GONE_FROM).fill_null(NEVER),
        )
        .collect()
    )
    return Catalogue(
        titles=table[TITLE],
        categories=table[CATEGORIES],
        available_from=table[AVAILABLE_FROM].to_numpy(),
        gone_from=table[GONE_FROM].to_numpy(),
        known=vocabulary.known,
        items_by_category=_items_by_category(table),
    )


def _items_by_category(table: pl.DataFrame) -> dict[str, np.ndarray]:
    members = table.select(pl.col(ITEM_INDEX).cast(pl.Int64), CATEGORIES).explode(CATEGORIES).drop_nulls()
    grouped = members.group_by(CATEGORIES).agg(ITEM_INDEX)
    return {category: some.to_numpy() for category, some in zip(grouped[CATEGORIES], grouped[ITEM_INDEX], strict=True)}
