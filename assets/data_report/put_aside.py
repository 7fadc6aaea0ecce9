"""The rows of a log or a catalogue that were put aside: counted, and some of them to be looked at."""

from dataclasses import dataclass
from typing import TypeVar

import polars as pl

from assets.validation.quarantine import Reason, json_cell
from models.columns import AT_FAULT, REASON, ROW
from storage.schema import QUARANTINE_SCHEMA

ROWS = "rows"

EXAMPLES = 1_000
"""Rows of each reason that are kept to be looked at."""

Q = TypeVar("Q", pl.DataFrame, pl.LazyFrame)


@dataclass(frozen=True)
class PutAside:
    """Quarantined rows.

    Attributes:
        counts: `reason`, `at_fault`, `rows`.
        examples: Some of each, whole (QUARANTINE_SCHEMA).
    """

    counts: pl.DataFrame
    examples: pl.DataFrame

    @classmethod
    def of(cls, quarantined: pl.LazyFrame) -> "PutAside":
        """Args:
        quarantined: Rows of QUARANTINE_SCHEMA, of which no more than the examples are held.
        """
        counts = quarantined.group_by(REASON, AT_FAULT).agg(pl.len().cast(pl.Int64).alias(ROWS))
        return cls(
            counts.collect(engine="streaming").sort(ROWS, REASON, AT_FAULT),
            some_of_each(quarantined).collect(engine="streaming"),
        )

    @property
    def rows(self) -> int:
        """All of them."""
        return int(self.counts[ROWS].sum())

    @property
    def reasons(self) -> pl.DataFrame:
        """`reason`, `rows`, the most frequent first."""
        counts = self.counts.group_by(REASON).agg(pl.col(ROWS).sum())
        return counts.sort(ROWS, REASON, descending=[True, False])

    def told(self) -> str:
        """The reasons for a sentence."""
        return ", ".join(f"{rows:,} {reason}" for reason, rows in self.reasons.iter_rows())

    def because_of(self, reason: Reason) -> int:
        """How many were put aside for that reason."""
        return int(self.counts.filter(pl.col(REASON) == reason)[ROWS].sum())

    def values(self, column: str, reason: Reason, at_fault: str | None = None) -> pl.Series:
        """What rows of a reason have in a column of the contract, as far as examples show it, the most frequent first.

        Args:
            at_fault: Only rows in which this column of the files is at fault.
        """
        rows = self.examples.filter(pl.col(REASON) == reason)
        if at_fault is not None:
            rows = rows.filter(pl.col(AT_FAULT).fill_null("").str.split(", ").list.contains(at_fault))
        values = rows.select(json_cell(pl.col(ROW), column).alias(column)).drop_nulls()
        return values.group_by(column).len().sort("len", column, descending=[True, False])[column]

    def at_fault(self, *reasons: Reason) -> dict[str, int]:
        """The columns of the files that these reasons are about, and in how many rows each is."""
        rows = self.counts.filter(pl.col(REASON).is_in([str(reason) for reason in reasons])).drop_nulls(AT_FAULT)
        columns = rows.with_columns(pl.col(AT_FAULT).str.split(", ")).explode(AT_FAULT)
        return dict(columns.group_by(AT_FAULT).agg(pl.col(ROWS).sum()).sort(AT_FAULT).iter_rows())


def some_of_each(quarantined: Q) -> Q:
    """Of each reason, and of the columns that it is about, a few rows."""
    return quarantined.group_by(REASON, AT_FAULT).head(EXAMPLES).select(*QUARANTINE_SCHEMA)
