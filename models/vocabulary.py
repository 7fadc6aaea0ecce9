"""Which item has which index in a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from models.columns import ITEM_ID, ITEM_INDEX

POPULARITY = "popularity"
TRAINED = "trained"


@dataclass(frozen=True)
class Vocabulary:
    """Items by their indices 1..n; index 0 means unknown. Those seen in training come first.

    Attributes:
        item_ids: (n,) the items of indices 1..n, unique, strings or int64.
        trained: How many of them were seen in training and so have an ID embedding.
        popularity: (n + 1,) float32 popularity at the training cutoff, 0 at index 0; the fallback for unknown users.
    """

    item_ids: pl.Series
    trained: int
    popularity: np.ndarray

    def __post_init__(self) -> None:
        if self.item_ids.n_unique() != len(self.item_ids):
            raise ValueError("an item stands twice in the vocabulary: item ids must be unique")
        if len(self.popularity) != len(self.item_ids) + 1 or not 0 <= self.trained <= len(self.item_ids):
            raise ValueError(
                f"a vocabulary of {len(self.item_ids)} items has {len(self.popularity)} popularities (one more is "
                f"needed) and {self.trained} trained items (no more than items)"
            )

    def __len__(self) -> int:
        return len(self.item_ids)

    def indices(self, item_ids: pl.Series | Sequence[str] | Sequence[int]) -> np.ndarray:
        """(len,) int64 indices of `item_ids`, 0 where unknown; ids of another type match where they convert exactly."""
        wanted = item_ids if isinstance(item_ids, pl.Series) else pl.Series(item_ids, dtype=_dtype_of(item_ids))
        stored = wanted.cast(self.item_ids.dtype, strict=False)
        exact = stored.cast(wanted.dtype) == wanted
        found = (
            stored.rename(ITEM_ID)
            .to_frame()
            .join(self._table, on=ITEM_ID, how="left", maintain_order="left")[ITEM_INDEX]
            .fill_null(0)
            .to_numpy()
        )
        return np.where(exact.fill_null(False).to_numpy(), found, 0).astype(np.int64)

    def index_by_row(self, item_ids: pl.Series) -> np.ndarray:
        """(R + 1,) int32 the index of the item at each of the rows 1..R, whose items `item_ids` names; 0 at row 0.

        So interactions that name items by these rows are put in terms of this vocabulary without looking at an id.
        """
        return np.concatenate([[0], self.indices(item_ids)]).astype(np.int32)

    def ids(self, indices: np.ndarray) -> pl.Series:
        """The item ids of `indices` (all in 1..n)."""
        return self.item_ids.gather(pl.Series(indices - 1, dtype=pl.Int64))

    def write(self, path: Path) -> None:
        self._table.with_columns(
            pl.Series(POPULARITY, self.popularity[1:]),
            (pl.col(ITEM_INDEX) <= self.trained).alias(TRAINED),
        ).write_parquet(path)

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        with open(path, "rb") as file:
            table = pl.read_parquet(file).sort(ITEM_INDEX)  # noqa: TID251 (an open file has no path that can be misread)
        popularity = np.concatenate([[0], table[POPULARITY].to_numpy()]).astype(np.float32)
        return cls(table[ITEM_ID], int(table[TRAINED].sum()), popularity)

    @cached_property
    def _table(self) -> pl.DataFrame:
        indices = pl.int_range(1, len(self.item_ids) + 1, dtype=pl.Int64, eager=True)
        return pl.DataFrame({ITEM_ID: self.item_ids, ITEM_INDEX: indices})


def _dtype_of(ids: Sequence[str] | Sequence[int]) -> pl.DataType:
    return pl.Int64() if ids and isinstance(ids[0], int) else pl.String()
