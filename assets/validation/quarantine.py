"""Rejected rows: why, kept whole, and counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import polars as pl
from polars.datatypes import DataTypeClass

from models.columns import AT_FAULT, DAY, MISTYPED, ORIGIN, REASON, ROW, SOURCE_FILE, SOURCE_ROW, UNDATED
from storage.commit import StagedFile
from storage.lake import Lake
from storage.schema import QUARANTINE_SCHEMA, QUARANTINE_TABLE
from storage.staged_files import Staging


class Reason(StrEnum):
    """Why a row, or an image or a number of a row, was put aside. A row has the first that applies, in this order."""

    MALFORMED = "malformed"
    NULL_KEY = "null_key"
    NO_TIME = "no_time"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_ACTION = "unknown_action"
    TIMESTAMP_TOO_OLD = "timestamp_too_old"
    TIMESTAMP_IN_FUTURE = "timestamp_in_future"
    UNKNOWN_ITEM = "unknown_item"
    DUPLICATE = "duplicate"
    IMAGE_TOO_LARGE = "image_too_large"
    NO_NUMBER = "no_number"


MEANINGS = {
    Reason.MALFORMED: "the source could not parse the row",
    Reason.NULL_KEY: "a required column is empty",
    Reason.NO_TIME: "it does not say when it was; no sign of a damaged day",
    Reason.WRONG_TYPE: "a value does not convert to its column's type without loss",
    Reason.UNKNOWN_ACTION: "the action is not in quality.actions",
    Reason.TIMESTAMP_TOO_OLD: "before quality.earliest; is the source's time unit right?",
    Reason.TIMESTAMP_IN_FUTURE: "after its day or now; is the source's time unit right?",
    Reason.UNKNOWN_ITEM: "no day of the catalogue up to this run names the item",
    Reason.DUPLICATE: "the same row arrived before",
    Reason.IMAGE_TOO_LARGE: "over quality.items.max_image_bytes; the item itself stays",
    Reason.NO_NUMBER: "no finite number; the item itself stays, without it",
}

OF_CELLS = (Reason.IMAGE_TOO_LARGE, Reason.NO_NUMBER)
"""Why a row lost a cell, which is accepted without it."""

MOST_NAMED = 3
"""Columns, or such together, that are named of each reason."""

BOOKKEEPING = (DAY, SOURCE_FILE, SOURCE_ROW, UNDATED)


@dataclass(frozen=True)
class Cleaned:
    """Raw rows, judged: `accepted` and `rejected` together are all of them.

    Attributes:
        accepted: Rows of the contract's types.
        rejected: The other rows (QUARANTINE_SCHEMA), one reason each.
        trimmed: Accepted rows that lost a cell (QUARANTINE_SCHEMA).
        undated: Rejected rows that stand on the first day because their own cannot be read.
    """

    accepted: pl.DataFrame
    rejected: pl.DataFrame
    trimmed: pl.DataFrame
    undated: int = 0

    @property
    def quarantine(self) -> pl.DataFrame:
        return pl.concat([self.rejected, self.trimmed])


def quarantined(raw: pl.DataFrame, reasons: pl.Series, origin: str, at_fault: pl.Series | None = None) -> pl.DataFrame:
    """The rows of `raw` that have a reason, in QUARANTINE_SCHEMA, whole as JSON.

    Args:
        at_fault: Of each row the columns that its reason is about.
    """
    about = pl.lit(None, pl.String) if at_fault is None else at_fault
    named = raw.with_columns(reasons.cast(pl.String).alias(REASON), about.alias(AT_FAULT))
    rows = named.filter(pl.col(REASON).is_not_null())
    all_fit = MISTYPED in rows.columns and rows[MISTYPED].null_count() == rows.height
    cells = [c for c in raw.columns if c not in BOOKKEEPING and not (c == MISTYPED and all_fit)]
    return rows.select(
        pl.lit(origin).alias(ORIGIN),
        pl.col(DAY).cast(pl.Date),
        pl.col(REASON),
        pl.col(SOURCE_FILE).cast(pl.String),
        pl.col(SOURCE_ROW).cast(pl.Int64),
        pl.struct(_json_safe(rows[c]).alias(c) for c in cells).struct.json_encode().alias(ROW),
        pl.col(AT_FAULT),
    ).select(*QUARANTINE_SCHEMA)


def write_quarantine(staging: Staging, rows: pl.DataFrame, part: int = 0) -> list[StagedFile]:
    """Stages quarantined rows, a file for each origin and day."""
    return staging.write_partitions(QUARANTINE_TABLE, rows, [ORIGIN, DAY], part)


def replace_quarantine(lake: Lake, origin: str, files: Sequence[StagedFile], days: Sequence[date]) -> int:
    """Replaces what `origin` put aside on `days`; other origins and days stay. Returns the table's new version."""
    like = pl.DataFrame(schema=QUARANTINE_SCHEMA)
    return lake.commit_days(QUARANTINE_TABLE, files, like, days, {ORIGIN: origin})


def by_reason(counts: pl.DataFrame) -> pl.DataFrame:
    """Quarantined rows counted: reason, rows, the columns that it is about, what it means; most frequent first.

    Args:
        counts: `reason`, `at_fault`, `rows`, as in `Staged`.
    """
    meanings = {reason.value: meaning for reason, meaning in MEANINGS.items()}
    of_each = (
        counts.group_by(REASON, AT_FAULT).agg(pl.col("rows").sum()).sort("rows", AT_FAULT, descending=[True, False])
    )
    return (
        of_each.group_by(REASON, maintain_order=True)
        .agg(pl.col("rows").sum(), pl.col(AT_FAULT).drop_nulls().head(MOST_NAMED).str.join("; "))
        .sort("rows", REASON, descending=[True, False])
        .with_columns(pl.col(REASON).replace_strict(meanings, default="", return_dtype=pl.String).alias("meaning"))
    )


def cell_text(rows: pl.DataFrame, column: str) -> pl.Series:
    """(n,) the text of each raw cell as `json_cell` finds it in the quarantined row."""
    encoded = pl.struct(_json_safe(rows[column]).alias(column)).struct.json_encode()
    return rows.select(json_cell(encoded, column).alias(column)).to_series()


def json_cell(row: pl.Expr, column: str) -> pl.Expr:
    """The text of one cell of quarantined rows; null where the cell is empty or not there."""
    return row.str.json_path_match(f"$.{column}")


def _json_safe(values: pl.Series) -> pl.Expr:
    if values.dtype.is_float() and not values.is_finite().all():
        return pl.col(values.name).cast(pl.String)
    return _encoded(pl.col(values.name), values.dtype)


def _encoded(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """JSON has no form for bytes, at any depth of a value; base64 keeps them whole."""
    if isinstance(dtype, pl.Binary):
        return value.bin.encode("base64")
    if isinstance(dtype, pl.List | pl.Array):
        items = value.arr.to_list() if isinstance(dtype, pl.Array) else value
        return items.list.eval(_encoded(pl.element(), _instance(dtype.inner)))
    if isinstance(dtype, pl.Struct):
        fields = [_field(value.struct.field(f.name), _instance(f.dtype)).alias(f.name) for f in dtype.fields]
        return pl.when(value.is_not_null()).then(pl.struct(fields))
    return value


def _field(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """JSON has no form for numbers that are not finite either; as text all are whole."""
    return value.cast(pl.String) if dtype.is_float() else _encoded(value, dtype)


def _instance(dtype: DataTypeClass | pl.DataType) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else dtype()
