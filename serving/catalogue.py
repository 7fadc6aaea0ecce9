"""What people see of an item (title, categories) and from when on, by vocabulary row."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from models.availability import with_availability
from models.columns import AVAILABLE_FROM, CATEGORIES, DAY, ITEM_ID, TITLE
from models.vocabulary import ROW, Vocabulary


@dataclass(frozen=True)
class Catalogue:
    """The items of one vocabulary; index 0 of every column stands for no item.

    Attributes:
        titles: (n + 1,) strings, null where an item has none.
        categories: (n + 1,) lists of strings.
        available_from: (n + 1,) int64 epoch milliseconds.
        rows_by_category: int64 rows of the items in each category.
    """

    titles: pl.Series
    categories: pl.Series
    available_from: np.ndarray
    rows_by_category: dict[str, np.ndarray]

    def available(self, now_ms: int) -> np.ndarray:
        """(n + 1,) bool: the items that may be shown at `now_ms`; row 0 never."""
        mask = self.available_from <= now_ms
        mask[0] = False
        return mask


def load_catalogue(items: pl.LazyFrame, vocabulary: Vocabulary) -> Catalogue:
    """Reads the `items` table: of several days on which an item was described, the latest counts, and for when it is
    available the earliest.

    An item of the vocabulary that left the table stays servable, without title and categories.
    """
    rows = items.select(ITEM_ID, TITLE, CATEGORIES, AVAILABLE_FROM, DAY)
    newest = with_availability(rows).drop(DAY).with_columns(pl.col(AVAILABLE_FROM).dt.epoch("ms"))
    known = pl.LazyFrame({ITEM_ID: vocabulary.item_ids}).with_row_index(ROW, offset=1)
    nothing = pl.LazyFrame({ROW: [0]}, schema={ROW: pl.get_index_type()})
    table = (
        pl.concat([nothing, known.join(newest, on=ITEM_ID, how="left")], how="diagonal")
        .sort(ROW)
        .with_columns(
            pl.col(CATEGORIES).fill_null([]).list.drop_nulls(), pl.col(AVAILABLE_FROM).fill_null(np.iinfo(np.int64).min)
        )
        .collect()
    )
    return Catalogue(
        titles=table[TITLE],
        categories=table[CATEGORIES],
        available_from=table[AVAILABLE_FROM].to_numpy(),
        rows_by_category=_rows_by_category(table),
    )


def _rows_by_category(table: pl.DataFrame) -> dict[str, np.ndarray]:
    rows = table.select(pl.col(ROW).cast(pl.Int64), CATEGORIES).explode(CATEGORIES).drop_nulls()
    grouped = rows.group_by(CATEGORIES).agg(ROW)
    return {category: members.to_numpy() for category, members in zip(grouped[CATEGORIES], grouped[ROW], strict=True)}
