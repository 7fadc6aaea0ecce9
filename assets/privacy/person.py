"""How one person's rows are told from others', in every table that has any."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from assets.privacy.ids_in_text import LONG, mention
from assets.privacy.suppressions import Forgotten, only
from assets.validation.corrections import COLUMN, CORRECTIONS_TABLE, WAS
from assets.validation.quarantine import json_cell
from models.columns import MALFORMED, ROW, USER_ID, VALUE
from storage.schema import EVENTS_TABLE, ID_DTYPES, QUARANTINE_TABLE, USER_VECTORS_TABLE, IdType


@dataclass(frozen=True)
class Person:
    """A user, and what says that a row is theirs."""

    user: str | int
    id_type: IdType

    @classmethod
    def named(cls, given: str, id_type: IdType) -> "Person":
        """The person whose id is written as `given`.

        Raises:
            ValueError: it is not an id of the profile's type.
        """
        if id_type == "string":
            return cls(given, id_type)
        if not given.lstrip("-").isdecimal() or str(int(given)) != given:
            raise ValueError(f"{given!r} is not a user id: the profile's ids are int64, write a whole number")
        return cls(int(given), id_type)

    @property
    def alone(self) -> Forgotten:
        return only(self.user, self.id_type)

    @property
    def mentions(self) -> str | None:
        """A regular expression of what names the person in any text; None of an id that may be anything else, too."""
        return mention(self.user) if len(str(self.user)) >= LONG else None

    def rows(self) -> dict[str, pl.Expr]:
        """Of each table that names users, whether a row is theirs."""
        cell = pl.col(COLUMN) == USER_ID
        named, text = pl.col(USER_ID) == pl.lit(self.user, ID_DTYPES[self.id_type]), str(self.user)
        return {
            EVENTS_TABLE: named,
            QUARANTINE_TABLE: self.put_aside(pl.col(ROW)),
            CORRECTIONS_TABLE: (cell & ((pl.col(WAS) == text) | (pl.col(VALUE) == text)).fill_null(False))
            | ((pl.col(COLUMN) == MALFORMED) & _asked(pl.col(WAS), self.alone.in_texts))
            | self._mentioned(pl.col(WAS))
            | self._mentioned(pl.col(VALUE)),
            USER_VECTORS_TABLE: named,
        }

    def put_aside(self, row: pl.Expr) -> pl.Expr:
        """Whether a quarantined row (JSON) is theirs or names them."""
        return _asked(row, self._named_in) | self._mentioned(row)

    def _named_in(self, rows: pl.Series) -> pl.Series:
        cells = rows.to_frame(ROW).select(
            json_cell(pl.col(ROW), USER_ID).alias(USER_ID), json_cell(pl.col(ROW), MALFORMED).alias(MALFORMED)
        )
        return self.alone.theirs(cells)

    def _mentioned(self, text: pl.Expr) -> pl.Expr:
        return pl.lit(False) if self.mentions is None else text.str.contains(self.mentions).fill_null(False)


def _asked(texts: pl.Expr, question: Callable[[pl.Series], pl.Series]) -> pl.Expr:
    return texts.map_batches(question, return_dtype=pl.Boolean, is_elementwise=True)
