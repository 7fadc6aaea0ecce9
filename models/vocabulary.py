"""Which item has which index in a model."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from models.columns import ITEM_ID, ITEM_INDEX

POPULARITY = "popularity"
KNOWN = "known"
PLACE = "place"


@dataclass(frozen=True)
class Vocabulary:
    """Items by their indices 1..n, which on the line are their rows in the table `item_rows`; index 0 means unknown.

    Attributes:
        item_ids: (n,) the items of indices 1..n, unique, strings or int64.
        trained: (T,) int64 indices of the items with an ID embedding of their own, in the order of the ID table.
        popularity: (n + 1,) float32 popularity at the training cutoff, 0 at index 0; the fallback for unknown users.
        unlisted: (u,) int64 indices of items that the log names, but that neither training saw nor the catalogue lists:
            such an item has an index and is as unknown to the model as one that has none.
    """

    item_ids: pl.Series
    trained: np.ndarray
    popularity: np.ndarray
    unlisted: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        if self.item_ids.n_unique() != len(self.item_ids):
            raise ValueError("an item stands twice in the vocabulary: item ids must be unique")
        if len(self.popularity) != len(self.item_ids) + 1:
            raise ValueError(
                f"a vocabulary of {len(self.item_ids)} items needs one popularity more, not {len(self.popularity)}"
            )
        once = np.unique(self.trained)
        if len(once) < len(self.trained) or not self.known[self.trained].all():
            raise ValueError("the trained items of a vocabulary are different ones that it knows")

    @classmethod
    def untrained(cls, item_ids: pl.Series) -> "Vocabulary":
        """The items `item_ids` (n,), of which nothing else is known yet."""
        return cls(item_ids, np.empty(0, np.int64), np.zeros(len(item_ids) + 1, np.float32))

    def __len__(self) -> int:
        """n, the greatest index."""
        return len(self.item_ids)

    @cached_property
    def known(self) -> np.ndarray:
        """(n + 1,) bool, the items that the model knows: those that can be read, and be recommended."""
        known = np.ones(len(self.item_ids) + 1, bool)
        known[0] = False
        known[self.unlisted] = False
        return known

    @cached_property
    def known_items(self) -> np.ndarray:
        """(m,) int64 their indices, ascending."""
        return np.flatnonzero(self.known)

    @cached_property
    def unknown_items(self) -> np.ndarray:
        """(u + 1,) int64 the other indices, 0 the first of them."""
        return np.flatnonzero(~self.known)

    def indices(self, item_ids: pl.Series | Sequence[str] | Sequence[int]) -> np.ndarray:
        """(len,) int64 indices of `item_ids`, 0 where unknown; ids of another type match where they convert exactly."""
        wanted = item_ids if isinstance(item_ids, pl.Series) else pl.Series(item_ids, dtype=_dtype_of(item_ids))
        stored = wanted.cast(self.item_ids.dtype, strict=False)
        exact = stored.cast(wanted.dtype) == wanted
        found = (
            stored.rename(ITEM_ID)
            .to_frame()
            .join(self._table.filter(KNOWN), on=ITEM_ID, how="left", maintain_order="left")[ITEM_INDEX]
            .fill_null(0)
            .to_numpy()
        )
        return np.where(exact.fill_null(False).to_numpy(), found, 0).astype(np.int64)

    def index_by_row(self, item_ids: pl.Series) -> np.ndarray:
        """(R + 1,) int32 the index of the item at each of the rows 1..R, whose items `item_ids` names; 0 at row 0.

        So the interactions of a log that may have other rows than this vocabulary was made of are put in its terms.
        """
        return np.concatenate([[0], self.indices(item_ids)]).astype(np.int32)

    def ids(self, indices: np.ndarray) -> pl.Series:
        """The item ids of `indices` (all in 1..n)."""
        return self.item_ids.gather(pl.Series(indices - 1, dtype=pl.Int64))

    def with_items(self, item_ids: pl.Series) -> tuple["Vocabulary", np.ndarray]:
        """With items more that it knows, of which nothing was learned, and their indices (k,) int64.

        They stand behind the others, but for one that has an index already and was `unlisted`.

        Args:
            item_ids: (k,) of the type of the vocabulary's own.

        Raises:
            ValueError: they are of another type, one is missing, there twice, or known already.
        """
        if item_ids.dtype != self.item_ids.dtype:
            raise ValueError(f"new items are named by {item_ids.dtype}, those of the vocabulary {self.item_ids.dtype}")
        if item_ids.null_count():
            raise ValueError("a new item has no id")
        if not item_ids.is_unique().all():
            raise ValueError(f"the new item {item_ids.filter(item_ids.is_duplicated())[0]!r} is there twice")
        there = self.indices(item_ids)
        if there.any():
            raise ValueError(f"the new item {item_ids[int(np.argmax(there > 0))]!r} is known already")
        every = self._table.select(ITEM_ID, ITEM_INDEX)
        places = item_ids.rename(ITEM_ID).to_frame().join(every, on=ITEM_ID, how="left", maintain_order="left")
        absent = places[ITEM_INDEX].is_null()
        indices = places[ITEM_INDEX].fill_null(0).to_numpy().astype(np.int64)
        count = int(absent.sum())
        indices[absent.to_numpy()] = np.arange(len(self) + 1, len(self) + 1 + count)
        grown = Vocabulary(
            pl.concat([self.item_ids, item_ids.filter(absent).rename(self.item_ids.name)]),
            self.trained,
            np.concatenate([self.popularity, np.zeros(count, self.popularity.dtype)]),
            np.setdiff1d(self.unlisted, indices),
        )
        return grown, indices

    def following(self, parent: "Vocabulary") -> "Vocabulary":
        """With the items first that `parent` trained, in its order and as far as they are known here; others follow.

        So the ID table of a model of `parent` needs but rows appended. Items are matched by their ids: the parent may
        be of another lake.
        """
        theirs = self.indices(parent.ids(parent.trained))
        theirs = theirs[theirs > 0]
        return replace(self, trained=np.concatenate([theirs, self.trained[~np.isin(self.trained, theirs)]]))

    def write(self, path: Path) -> None:
        """Writes a Parquet file, one row per item."""
        places = np.zeros(len(self.item_ids) + 1, np.int64)
        places[self.trained] = np.arange(1, len(self.trained) + 1)
        self._table.with_columns(
            pl.Series(POPULARITY, self.popularity[1:]), pl.Series(PLACE, places[1:])
        ).write_parquet(path)

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """What `write` wrote.

        Raises:
            ValueError: the file is of an earlier version of this program.
        """
        with open(path, "rb") as file:
            table = pl.read_parquet(file)  # noqa: TID251 (an open file has no path that can be misread)
        if PLACE not in table.columns:
            raise ValueError(
                f"{path} does not say which place an item has in the ID table, as those of earlier code did not: train "
                "the version again"
            )
        table = table.sort(ITEM_INDEX)
        return cls(
            table[ITEM_ID],
            np.array(table.filter(pl.col(PLACE) > 0).sort(PLACE)[ITEM_INDEX]),
            np.concatenate([[0], table[POPULARITY].to_numpy()]).astype(np.float32),
            np.array(table.filter(~pl.col(KNOWN))[ITEM_INDEX]),
        )

    @cached_property
    def _table(self) -> pl.DataFrame:
        indices = pl.int_range(1, len(self.item_ids) + 1, dtype=pl.Int64, eager=True)
        return pl.DataFrame({ITEM_ID: self.item_ids, ITEM_INDEX: indices, KNOWN: self.known[1:]})


def _dtype_of(ids: Sequence[str] | Sequence[int]) -> pl.DataType:
    return pl.Int64() if ids and isinstance(ids[0], int) else pl.String()
