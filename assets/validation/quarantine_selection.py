"""Quarantined rows as a person looks at them: which there are, why, and where in which file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from assets.validation.quarantine import MEANINGS, Reason, json_cell
from models.columns import AT_FAULT, DAY, ORIGIN, REASON, ROW, SOURCE_FILE, SOURCE_ROW
from storage.lake import Lake, TableMissing
from storage.schema import EVENTS_TABLE, ITEMS_TABLE, QUARANTINE_SCHEMA, QUARANTINE_TABLE

ORIGINS = (EVENTS_TABLE, ITEMS_TABLE)


@dataclass(frozen=True)
class Selection:
    """Which quarantined rows are meant.

    Attributes:
        days: First and last day, both included; None for all.
        where: Column of the raw row to the text that its cell must have.
    """

    origin: str | None = None
    days: tuple[date, date] | None = None
    reason: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(self.reason, [reason.value for reason in Reason], "reason")
        _require(self.origin, ORIGINS, "origin")


def selected(lake: Lake, selection: Selection) -> pl.LazyFrame:
    """The rows that are meant, in QUARANTINE_SCHEMA; none before the first row was put aside."""
    try:
        rows = lake.scan(QUARANTINE_TABLE).select(*QUARANTINE_SCHEMA)
    except TableMissing:
        return pl.LazyFrame(schema=QUARANTINE_SCHEMA)
    if selection.origin:
        rows = rows.filter(pl.col(ORIGIN) == selection.origin)
    if selection.days:
        rows = rows.filter(pl.col(DAY).is_between(*selection.days))
    if selection.reason:
        rows = rows.filter(pl.col(REASON) == selection.reason)
    for column, text in selection.where.items():
        rows = rows.filter(json_cell(pl.col(ROW), column) == text)
    return rows


def counted(rows: pl.LazyFrame) -> pl.DataFrame:
    """`origin`, `reason`, `at_fault`, `rows`, `days`, `meaning`, the most frequent first."""
    meanings = {reason.value: meaning for reason, meaning in MEANINGS.items()}
    return (
        rows.group_by(ORIGIN, REASON, AT_FAULT)
        .agg(pl.len().alias("rows"), pl.col(DAY).n_unique().alias("days"))
        .sort("rows", ORIGIN, REASON, AT_FAULT, descending=[True, False, False, False])
        .with_columns(pl.col(REASON).replace_strict(meanings, default="", return_dtype=pl.String).alias("meaning"))
        .collect(engine="streaming")
    )


def samples(rows: pl.LazyFrame, limit: int) -> pl.DataFrame:
    """The first `limit` rows by origin, day, file and row: `place` (file:row), `day`, `reason`, `row`.

    Rows count from 0, as in `Source.read`: of a Parquet file its rows, of a text file its records, of which a header
    and blank lines are none.
    """
    place = pl.format("{}:{}", SOURCE_FILE, SOURCE_ROW).alias("place")
    by = [ORIGIN, DAY, SOURCE_FILE, SOURCE_ROW]
    return rows.bottom_k(limit, by=by).sort(by).select(place, DAY, REASON, ROW).collect(engine="streaming")


def _require(given: str | None, known: Sequence[str], what: str) -> None:
    if given is not None and given not in known:
        raise ValueError(f"there is no {what} {given!r}: name one of {', '.join(known)}")
