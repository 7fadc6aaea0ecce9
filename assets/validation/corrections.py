"""What a person decided about cells of landing files: a table that cleaning applies to the raw rows it reads.

So what a replay has mended stays mended when its day is cleaned again, and landing files, which belong to others, stay
as they are. A correction says what the cell said before, and is not applied to a cell that says something else: a file
that was rewritten is judged as it is.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from assets.validation.quarantine import Reason, cell_text, json_cell
from assets.validation.times import as_epoch_ms
from models.columns import (
    ACTION,
    AVAILABLE_FROM,
    DAY,
    DESCRIPTION,
    IMAGE,
    ITEM_ID,
    MALFORMED,
    MISTYPED,
    ORIGIN,
    REASON,
    REQUEST_ID,
    ROW,
    SOURCE_FILE,
    SOURCE_ROW,
    SURFACE,
    TIMESTAMP,
    TITLE,
    USER_ID,
    VALUE,
)
from storage.lake import Lake
from storage.schema import EVENTS_TABLE, ITEMS_TABLE, Schema

CORRECTIONS_TABLE = "corrections"

COLUMN, WAS, STEP = "column", "was", "step"

CORRECTIONS_SCHEMA: Schema = {
    ORIGIN: pl.String(),
    DAY: pl.Date(),
    SOURCE_FILE: pl.String(),
    SOURCE_ROW: pl.Int64(),
    COLUMN: pl.String(),
    WAS: pl.String(),
    VALUE: pl.String(),
    STEP: pl.Int64(),
}
"""One row per cell: the text that it had, null where it was empty, and the one it gets. Later ones of a cell have a
larger `step` and find what the earlier ones left."""

CORRECTABLE: dict[str, tuple[str, ...]] = {
    EVENTS_TABLE: (USER_ID, ITEM_ID, TIMESTAMP, ACTION, VALUE, SURFACE, REQUEST_ID, MALFORMED),
    ITEMS_TABLE: (ITEM_ID, TITLE, DESCRIPTION, IMAGE, AVAILABLE_FROM, MALFORMED),
}

PLACE = (DAY, SOURCE_FILE, SOURCE_ROW)
CELL = (*PLACE, COLUMN, WAS)
POSITION = "_position"


@dataclass(frozen=True)
class Corrections:
    """Corrections of some days of one origin (CORRECTIONS_SCHEMA)."""

    cells: pl.DataFrame

    @property
    def columns(self) -> list[str]:
        return self.cells[COLUMN].unique().sort().to_list()

    def applied(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`rows` as `Source.read` gives them, with the corrected cells; a text that does not fit its column changes
        nothing."""
        steps = self.cells.partition_by(STEP, COLUMN, as_dict=True)
        for (_, column), cells in sorted(steps.items()):
            rows = _corrected(rows, str(column), cells)
        return rows


def read_corrections(lake: Lake, origin: str, days: Sequence[date]) -> Corrections:
    """The corrections of `days`."""
    return Corrections(_recorded(lake, origin).filter(pl.col(DAY).is_in(list(days))).collect())


def corrections_elsewhere(lake: Lake, origin: str, days: Sequence[date]) -> Corrections:
    """The corrections of all other days, as if made on the first of `days`."""
    others = _recorded(lake, origin).filter(~pl.col(DAY).is_in(list(days)))
    return Corrections(others.with_columns(pl.lit(min(days)).alias(DAY)).collect())


def record_corrections(
    lake: Lake,
    origin: str,
    rows: pl.DataFrame,
    fixes: Mapping[str, str | None],
    declared: Collection[str] = (),
) -> int:
    """Records `fixes` for quarantined rows of `origin`; what is on record already is not recorded twice.

    A row that has no time of its own may have been put aside on several days: it is corrected on the first.

    Args:
        rows: In QUARANTINE_SCHEMA.
        fixes: Column to its new text, or None to empty it.
        declared: Columns of events that the profile declares.

    Returns:
        How many cells got a correction that they had not.

    Raises:
        ValueError: a column is none that can be corrected.
    """
    correctable = [*CORRECTABLE[origin], *(declared if origin == EVENTS_TABLE else ())]
    unknown = [column for column in fixes if column not in correctable]
    if unknown:
        raise ValueError(f"{unknown[0]!r} of {origin} cannot be set: name one of {', '.join(correctable)}")
    rows = rows.filter(pl.col(REASON) != Reason.DUPLICATE)
    there = _recorded(lake, origin).collect()
    elsewhere = there.join(rows, on=[SOURCE_FILE, SOURCE_ROW], how="semi").join(rows, on=PLACE, how="anti")
    rows = rows.filter(pl.col(DAY) == pl.col(DAY).min().over(SOURCE_FILE, SOURCE_ROW))
    rows = rows.join(elsewhere, on=[SOURCE_FILE, SOURCE_ROW], how="anti")
    fresh = (
        _cells(rows, origin, fixes)
        .unique(CELL, maintain_order=True)
        .join(there, on=[*CELL, VALUE], how="anti", nulls_equal=True)
    )
    if fresh.is_empty():
        return 0
    days = fresh[DAY].unique().to_list()
    merged = _merged(there.filter(pl.col(DAY).is_in(days)), fresh)
    lake.replace_days(CORRECTIONS_TABLE, merged, days, {ORIGIN: origin})
    return fresh.height


def _recorded(lake: Lake, origin: str) -> pl.LazyFrame:
    if not lake.exists(CORRECTIONS_TABLE):
        return pl.LazyFrame(schema=CORRECTIONS_SCHEMA)
    return lake.scan(CORRECTIONS_TABLE).filter(pl.col(ORIGIN) == origin).select(*CORRECTIONS_SCHEMA)


def _cells(rows: pl.DataFrame, origin: str, fixes: Mapping[str, str | None]) -> pl.DataFrame:
    cells = [
        rows.select(
            pl.lit(origin).alias(ORIGIN),
            *PLACE,
            pl.lit(column).alias(COLUMN),
            json_cell(pl.col(ROW), column).alias(WAS),
            pl.lit(value, pl.String).alias(VALUE),
            pl.lit(0, pl.Int64).alias(STEP),
        ).filter(pl.col(WAS).ne_missing(pl.col(VALUE)))
        for column, value in fixes.items()
    ]
    return pl.concat([pl.DataFrame(schema=CORRECTIONS_SCHEMA), *cells])


def _merged(there: pl.DataFrame, fresh: pl.DataFrame) -> pl.DataFrame:
    """Both; of two for one text of a cell the fresh one, in the other's step."""
    known = there.select(*CELL, pl.col(STEP).alias("known"))
    last = there.group_by(*PLACE, COLUMN).agg(pl.col(STEP).max().alias("last"))
    stepped = (
        fresh.join(known, on=CELL, how="left", nulls_equal=True)
        .join(last, on=[*PLACE, COLUMN], how="left")
        .with_columns(pl.coalesce("known", pl.col("last") + 1, STEP).alias(STEP))
        .select(*CORRECTIONS_SCHEMA)
    )
    return pl.concat([there.join(fresh, on=CELL, how="anti", nulls_equal=True), stepped])


def _corrected(rows: pl.DataFrame, column: str, cells: pl.DataFrame) -> pl.DataFrame:
    """`rows` with those of `cells`, all of one column and step, that say what the raw cell says."""
    places = rows.select(pl.col(DAY).cast(pl.Date), pl.col(SOURCE_FILE).cast(pl.String), pl.col(SOURCE_ROW))
    meant = places.with_row_index(POSITION).join(cells, on=PLACE, how="inner").sort(POSITION)
    raw = rows[meant[POSITION]]
    typed = _typed(meant[VALUE], rows.schema[column])
    hits = meant.filter(meant[WAS].eq_missing(cell_text(raw, column)) & (typed.is_not_null() | meant[VALUE].is_null()))
    if hits.is_empty():
        return rows
    fixed = hits.select(POSITION, _typed(hits[VALUE], rows.schema[column]).alias("_fixed"), pl.lit(True).alias("_hit"))
    joined = rows.with_row_index(POSITION).join(fixed, on=POSITION, how="left", maintain_order="left")
    cell = pl.when("_hit").then("_fixed").otherwise(pl.col(column))
    if rows.schema.get(MISTYPED) == pl.String:
        joined = joined.with_columns(pl.when("_hit").then(_less(column)).otherwise(pl.col(MISTYPED)).alias(MISTYPED))
    return joined.with_columns(cell.alias(column)).select(rows.columns)


def _less(column: str) -> pl.Expr:
    """The other mistyped columns: the new text of a cell is of the right type, or will be judged as a text."""
    others = pl.col(MISTYPED).str.split(", ").list.filter(pl.element() != column).list.join(", ")
    return pl.when(others != "").then(others)


def _typed(texts: pl.Series, dtype: pl.DataType) -> pl.Series:
    """`texts` in the type of a raw column, null where one does not fit."""
    if isinstance(dtype, pl.Datetime | pl.Date):
        moment = pl.from_epoch(as_epoch_ms(texts.name, pl.String(), "iso"), "ms")
        if isinstance(dtype, pl.Datetime) and dtype.time_zone:
            moment = moment.dt.replace_time_zone("UTC").dt.convert_time_zone(dtype.time_zone)
        return texts.to_frame().select(moment.cast(dtype).alias(texts.name)).to_series()
    return texts.cast(dtype, strict=False)
