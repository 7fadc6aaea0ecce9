"""How one person's rows are told from others', in every table that has any."""

from dataclasses import dataclass

import polars as pl

from assets.quality.corrections import COLUMN, CORRECTIONS_TABLE, WAS
from assets.quality.quarantine import json_cell
from assets.quality.suppressions import Forgotten, only, slot_of
from models.columns import MALFORMED, ROW, SLOT, USER_ID, VALUE
from storage.schema import EVENTS_TABLE, ID_DTYPES, QUARANTINE_TABLE, IdType


@dataclass(frozen=True)
class Person:
    """A user, and what says that a row is his."""

    user: str | int
    id_type: IdType

    @classmethod
    def named(cls, given: str, id_type: IdType) -> "Person":
        """Raises:
        ValueError: `given` is no id of the profile's type.
        """
        if id_type == "string":
            return cls(given, id_type)
        if not given.lstrip("-").isdecimal() or str(int(given)) != given:
            raise ValueError(f"{given!r} is no user id: the profile's ids are int64, write a whole number")
        return cls(int(given), id_type)

    @property
    def alone(self) -> Forgotten:
        return only(self.user, self.id_type)

    def rows(self) -> dict[str, pl.Expr]:
        """Of each table that names users, whether a row is his."""
        cell = pl.col(COLUMN) == USER_ID
        text = str(self.user)
        return {
            EVENTS_TABLE: (pl.col(SLOT) == slot_of(self.user, self.id_type))
            & (pl.col(USER_ID) == pl.lit(self.user, ID_DTYPES[self.id_type])),
            QUARANTINE_TABLE: pl.col(ROW).map_batches(self.named_in, return_dtype=pl.Boolean, is_elementwise=True),
            CORRECTIONS_TABLE: (cell & ((pl.col(WAS) == text) | (pl.col(VALUE) == text)).fill_null(False))
            | ((pl.col(COLUMN) == MALFORMED) & pl.col(WAS).map_batches(self._in_text, return_dtype=pl.Boolean)),
        }

    def named_in(self, rows: pl.Series) -> pl.Series:
        """(n,) bool whether each quarantined row (JSON) is his."""
        cells = rows.to_frame(ROW).select(
            json_cell(pl.col(ROW), USER_ID).alias(USER_ID), json_cell(pl.col(ROW), MALFORMED).alias(MALFORMED)
        )
        return self.alone.theirs(cells)

    def _in_text(self, texts: pl.Series) -> pl.Series:
        return self.alone.theirs(texts.to_frame(MALFORMED))
