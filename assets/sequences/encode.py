"""Events as the numbers that sequences hold."""

from collections.abc import Sequence
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
    ITEM_ID,
    REQUEST_ID,
    ROW,
    SLOT,
    SURFACE,
    TIMESTAMP,
    USER_ID,
    VALUE,
)
from storage.sequence_store import FIELDS, NO_SURFACE

ARRIVAL_BITS = 40
"""A day has fewer than 2^40 events, so day and order within it fit one int64."""

MOST_SURFACES = 2**15

MOST_PER_ITEM = 16
"""Places in a table over a range of ids for each item that is there; with more of them a join costs less."""


@dataclass(frozen=True)
class Encoding:
    """What the numbers stand for.

    Attributes:
        item_rows: `item_id`, `row`.
        actions: The action vocabulary; an action's position is its bit.
        surfaces: Names of surfaces; a surface's position is its code.
    """

    item_rows: pl.DataFrame
    actions: Sequence[str]
    surfaces: Sequence[str]

    def encode(self, events: pl.DataFrame) -> NewEvents:
        """Args:
        events: Rows of the table `events`, of items and surfaces that have a number.
        """
        bits = pl.lit(pl.Series([1 << position for position in range(len(self.actions))], dtype=pl.Int32))
        encoded = events.select(
            self._rows_of(events[ITEM_ID]).alias("item_row"),
            pl.col(TIMESTAMP).dt.timestamp("ms").alias("started"),
            pl.col(TIMESTAMP).dt.timestamp("ms").alias("timestamp"),
            bits.gather(_codes(ACTION, self.actions)).alias(ACTIONS),
            pl.col(VALUE).fill_null(float("nan")).alias("value"),
            _codes(SURFACE, self.surfaces).cast(pl.Int16).fill_null(NO_SURFACE).alias("surface"),
            _occasion().alias("occasion"),
            ((pl.col(DAY).to_physical().cast(pl.Int64) * 2**ARRIVAL_BITS) + pl.col(ARRIVAL)).alias("arrival"),
        )
        return NewEvents.of(events[USER_ID], {name: encoded[name].to_numpy() for name in FIELDS})

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


NEEDED = (USER_ID, ITEM_ID, TIMESTAMP, ACTION, VALUE, SURFACE, REQUEST_ID, ARRIVAL, SLOT, DAY)
"""The columns of `events` that `Encoding.encode` and the cutting into buckets read."""


def extended_surfaces(known: Sequence[str], events: pl.LazyFrame) -> list[str]:
    """`known` names of surfaces and, behind them by day and name, those that only `events` have.

    Raises:
        ValueError: there are too many to be surfaces.
    """
    there = events.filter(pl.col(SURFACE).is_not_null()).group_by(SURFACE).agg(pl.col(DAY).min()).sort(DAY, SURFACE)
    surfaces = list(dict.fromkeys([*known, *there.collect(engine="streaming")[SURFACE]]))
    if len(surfaces) > MOST_SURFACES:
        raise ValueError(
            f"the events name {len(surfaces)} surfaces, at most {MOST_SURFACES} can be told apart: map a coarser "
            "column to `surface` in the profile"
        )
    return surfaces


def _codes(column: str, names: Sequence[str]) -> pl.Expr:
    """The position of each value in `names`."""
    return pl.col(column).cast(pl.Enum(names)).to_physical()


def _occasion() -> pl.Expr:
    """The request, or without one the moment: as a hash, since it only tells occasions of one user and item apart.

    Actions of one request that lie far apart are several occasions (`assets.sequences.merge`).
    """
    request: pl.Expr = plh.NonCryptographicHashingNameSpace(pl.col(REQUEST_ID)).xxhash64()
    return pl.coalesce(request.reinterpret(signed=True), pl.col(TIMESTAMP).dt.timestamp("ms"))
