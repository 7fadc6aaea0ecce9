"""Events as the numbers that sequences hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import polars_hash as plh

from assets.sequences.merge import NewEvents
from models.columns import (
    ACTION,
    ACTIONS,
    ARRIVAL,
    DAY,
    HASH_SLOT,
    ITEM_ID,
    REQUEST_ID,
    ROW,
    SURFACE,
    TIMESTAMP,
    USER_ID,
    VALUE,
)
from models.declared import DeclaredColumns
from storage.interaction_columns import MOST_CATEGORIES, NO_CATEGORY, StoredColumn, stored_columns

ARRIVAL_BITS = 40
"""A day has fewer than 2^40 events, so day and order within it fit one int64."""

MOST_PER_ITEM = 16
"""Places in a table over a range of ids for each item that is there; with more of them a join costs less."""


@dataclass(frozen=True)
class Encoding:
    """What the numbers stand for.

    Attributes:
        item_rows: `item_id`, `row`.
        actions: The action vocabulary; an action's position is its bit.
        declared: The columns that the profile declares.
        categories: Names of each column of codes, `surface` first; a name's position is its code.
    """

    item_rows: pl.DataFrame
    actions: Sequence[str]
    declared: DeclaredColumns
    categories: Mapping[str, Sequence[str]]

    def encode(self, events: pl.DataFrame) -> NewEvents:
        """Args:
        events: Rows of the table `events`, of items and categories that have a number.
        """
        bits = pl.lit(pl.Series([1 << position for position in range(len(self.actions))], dtype=pl.Int32))
        made = {
            "item_row": self._rows_of(events[ITEM_ID]),
            "started": pl.col(TIMESTAMP).dt.timestamp("ms"),
            TIMESTAMP: pl.col(TIMESTAMP).dt.timestamp("ms"),
            ACTIONS: bits.gather(_codes(ACTION, self.actions)),
            "request_group": _request_group(),
            "arrival": (pl.col(DAY).to_physical().cast(pl.Int64) * 2**ARRIVAL_BITS) + pl.col(ARRIVAL),
        }
        columns = stored_columns(self.declared)
        made |= {column.name: self._optional(column) for column in columns if column.name not in made}
        encoded = events.select(value.alias(name) for name, value in made.items())
        return NewEvents.of(events[USER_ID], {column.name: _one_zero(encoded[column.name]) for column in columns})

    def _optional(self, column: StoredColumn) -> pl.Expr:
        """A number or a category that an event may lack, from the column of the same name."""
        if column.is_category:
            return _codes(column.name, self.categories[column.name]).cast(pl.Int16).fill_null(NO_CATEGORY)
        return pl.col(column.name).fill_null(float("nan"))

    def _rows_of(self, items: pl.Series) -> pl.Series:
        """The row of each item, by a table over the whole range of ids where these are numbers close together."""
        ids, rows = self.item_rows[ITEM_ID], self.item_rows[ROW]
        if ids.dtype == pl.Int64 and len(ids):
            low, high = int(ids.min()), int(ids.max())  # type: ignore[arg-type]
            if high - low < MOST_PER_ITEM * len(ids):
                table = np.zeros(high - low + 1, np.int32)
                table[ids.to_numpy() - low] = rows.to_numpy()
                return pl.Series(table[items.to_numpy() - low])
        return items.to_frame().join(self.item_rows, on=ITEM_ID, how="left", maintain_order="left")[ROW].cast(pl.Int32)


NEEDED = (USER_ID, ITEM_ID, TIMESTAMP, ACTION, VALUE, SURFACE, REQUEST_ID, ARRIVAL, HASH_SLOT, DAY)
"""The columns of `events` that `Encoding.encode` and the cutting into buckets read, apart from the declared ones."""


def extended_categories(
    known: Mapping[str, Sequence[str]], events: pl.LazyFrame, declared: DeclaredColumns
) -> dict[str, list[str]]:
    """Of each column of codes the `known` names and, behind them by day and name, those that only `events` have.

    Raises:
        ValueError: there are too many to be told apart.
    """
    columns = [column.name for column in stored_columns(declared) if column.is_category]
    return {column: _extended(column, known.get(column, []), events) for column in columns}


def _extended(column: str, known: Sequence[str], events: pl.LazyFrame) -> list[str]:
    there = events.filter(pl.col(column).is_not_null()).group_by(column).agg(pl.col(DAY).min()).sort(DAY, column)
    names = list(dict.fromkeys([*known, *there.collect(engine="streaming")[column]]))
    if len(names) > MOST_CATEGORIES:
        raise ValueError(
            f"the events have {len(names)} names in {column}, at most {MOST_CATEGORIES} can be told apart: map a "
            f"coarser column to `{column}` in the profile"
        )
    return names


def _one_zero(values: pl.Series) -> np.ndarray:
    """The values, but 0.0 for -0.0: which of the two is the larger would depend on the order of the events."""
    array = values.to_numpy()
    return array + array.dtype.type(0) if array.dtype.kind == "f" else array


def _codes(column: str, names: Sequence[str]) -> pl.Expr:
    """The position of each value in `names`."""
    return pl.col(column).cast(pl.Enum(names)).to_physical()


def _request_group() -> pl.Expr:
    """The request, or without one the moment: as a hash, since it only tells those of one user and item apart.

    Actions of one request that lie far apart are several interactions (`assets.sequences.merge`).
    """
    request: pl.Expr = plh.NonCryptographicHashingNameSpace(pl.col(REQUEST_ID)).xxhash64()
    return pl.coalesce(request.reinterpret(signed=True), pl.col(TIMESTAMP).dt.timestamp("ms"))
