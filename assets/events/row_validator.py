"""One batch of raw events, judged: every row is either good, with the contract's types, or has one reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl

from assets.validation.casts import (
    as_float32,
    as_id,
    as_text,
    given,
    given_number,
    without_point,
)
from assets.validation.quarantine import Reason, quarantined
from assets.validation.row_checks import columns_named, completed, either_named, first_reason, mistyped_named
from assets.validation.settings import QualitySettings
from assets.validation.times import TimestampUnit, as_epoch_ms
from models.columns import (
    ACTION,
    AT_FAULT,
    DAY,
    ITEM_ID,
    MALFORMED,
    MISTYPED,
    REQUEST_ID,
    SOURCE_FILE,
    SOURCE_ROW,
    SURFACE,
    TIMESTAMP,
    USER_ID,
    VALUE,
)
from storage.schema import EVENTS_TABLE, IdType, Schema, events_schema

REQUIRED = (USER_ID, ITEM_ID, TIMESTAMP, ACTION)
COLUMNS = (*REQUIRED, VALUE, SURFACE, REQUEST_ID)

PLAIN = "_plain"

ABOUT_RAW_VALUES = (Reason.MALFORMED, Reason.NULL_KEY, Reason.NO_TIME, Reason.WRONG_TYPE)

MISSING, WRONG = "_missing", "_wrong"
"""Columns that name those at fault."""

ABOUT = {
    Reason.NO_TIME: TIMESTAMP,
    Reason.UNKNOWN_ACTION: ACTION,
    Reason.TIMESTAMP_TOO_OLD: TIMESTAMP,
    Reason.TIMESTAMP_IN_FUTURE: TIMESTAMP,
    Reason.UNKNOWN_ITEM: ITEM_ID,
}

FIRST_VISIBLE, AFTER_VISIBLE = "!", "\x7f"

FIRST_DAY = "first_day"
"""Of an item: the first day on which the catalogue names it."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class RowValidator:
    """What decides about a raw event, apart from the other events.

    Attributes:
        rules: The profile's `quality:` section.
        id_type: The profile's type of ids.
        known_items: `item_id`, `first_day`: an event of another item, or from before its item's first day, is rejected;
            None accepts events of any item.
        now: The moment of judging, with a time zone.
        unit: What a numeric or textual timestamp counts; a date-time without a zone is taken as UTC.
        names: What the files call columns that have another name here.
    """

    rules: QualitySettings
    id_type: IdType
    known_items: pl.DataFrame | None
    now: datetime
    unit: TimestampUnit = "ms"
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        """Columns and types of the table `events`."""
        return events_schema(self.id_type, self.rules.columns)

    @property
    def columns(self) -> Sequence[str]:
        """The columns that raw rows are judged by: the contract's and the declared ones."""
        return (*COLUMNS, *sorted(self.rules.columns))

    @property
    def _kept(self) -> Sequence[str]:
        return (DAY, *self.columns, SOURCE_FILE, SOURCE_ROW)

    def validate(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The good rows and the rejected ones of `rows`, in order.

        Args:
            rows: As `checked` gives them: columns of any type, optional ones may be missing.

        Returns:
            Good rows with `columns` in their types, but the timestamp in epoch ms, plus `day`, `source_file` and
            `source_row`; rejected rows as QUARANTINE_SCHEMA.
        """
        rows = completed(rows, (*self.columns, MISTYPED))
        plain = self._plainly_good(rows)
        good, rest = plain.filter(PLAIN).select(self._kept), rows.filter(~plain[PLAIN])
        judged = self._judged(rest)
        verdicts = self._verdicts()
        bad = judged.select(pl.any_horizontal(pl.any_horizontal(verdicts.values()).fill_null(True))).to_series()
        if not bad.all():
            good = _in_order(rows, plain[PLAIN], good, judged.filter(~bad).select(self._kept), bad)
        rejected = judged.filter(bad)
        reasons = first_reason(rejected, verdicts)
        at_fault = rejected.select(self._at_fault(reasons).alias(AT_FAULT)).to_series()
        return good, quarantined(rest.filter(bad), reasons, EVENTS_TABLE, at_fault)

    def _plainly_good(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows in the contract's types, and PLAIN: whether few cheap questions show that the row is good.

        Nearly all rows are; the others, good or bad, are judged by `_judged`, which asks everything.
        """
        casts = self._casts(rows.schema)
        good = [_plain(column, rows.schema[column], cast) for column, cast in casts.items()]
        typed = rows.select(
            DAY,
            SOURCE_FILE,
            SOURCE_ROW,
            *(cast.alias(column) for column, cast in casts.items()),
            pl.all_horizontal(pl.col(MALFORMED).is_null(), pl.col(MISTYPED).is_null(), *good).alias(PLAIN),
        )
        clear = [~verdict for reason, verdict in self._verdicts().items() if reason not in ABOUT_RAW_VALUES]
        return self._with_first_day(typed).select(
            *self._kept, (pl.col(PLAIN) & pl.all_horizontal(clear).fill_null(False)).alias(PLAIN)
        )

    def _judged(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows in the contract's types and, as columns, what is wrong with the raw values."""
        dtypes = rows.schema
        casts = self._casts(dtypes)
        there = {column: given(column, dtypes[column]) for column in casts}
        there |= {column: given_number(column, dtypes[column]) for column in (VALUE, *self._declared("number"))}
        wrong = {column: there[column] & cast.is_null() for column, cast in casts.items()}
        missing = {column: ~there[column] for column in REQUIRED if column != TIMESTAMP}
        typed = rows.select(
            DAY,
            SOURCE_FILE,
            SOURCE_ROW,
            pl.col(MALFORMED).is_not_null().alias(f"_{Reason.MALFORMED}"),
            pl.any_horizontal(missing.values()).alias(f"_{Reason.NULL_KEY}"),
            (~there[TIMESTAMP]).alias(f"_{Reason.NO_TIME}"),
            pl.any_horizontal(pl.col(MISTYPED).is_not_null(), *wrong.values()).alias(f"_{Reason.WRONG_TYPE}"),
            columns_named(missing, self.names).alias(MISSING),
            either_named(mistyped_named(self.names), columns_named(wrong, self.names)).alias(WRONG),
            *(pl.when(there[column]).then(cast).alias(column) for column, cast in casts.items()),
        )
        return self._with_first_day(typed)

    def _casts(self, dtypes: pl.Schema) -> dict[str, pl.Expr]:
        """Each column's value, null where it does not convert; the timestamp in epoch ms."""
        return {
            USER_ID: as_id(USER_ID, dtypes[USER_ID], self.id_type),
            ITEM_ID: as_id(ITEM_ID, dtypes[ITEM_ID], self.id_type),
            TIMESTAMP: as_epoch_ms(TIMESTAMP, dtypes[TIMESTAMP], self.unit),
            VALUE: as_float32(VALUE, dtypes[VALUE]),
            ACTION: as_text(ACTION, dtypes[ACTION]),
            SURFACE: as_text(SURFACE, dtypes[SURFACE]),
            REQUEST_ID: _as_name(REQUEST_ID, dtypes[REQUEST_ID]),
            **{column: _as_name(column, dtypes[column]) for column in self._declared("category")},
            **{column: as_float32(column, dtypes[column]) for column in self._declared("number")},
        }

    def _declared(self, kind: str) -> Sequence[str]:
        return [name for name, column in self.rules.columns.items() if column.type == kind]

    def _with_first_day(self, typed: pl.DataFrame) -> pl.DataFrame:
        if self.known_items is None:
            return typed
        first = typed.select(ITEM_ID).join(self.known_items, on=ITEM_ID, how="left", maintain_order="left")[FIRST_DAY]
        return typed.with_columns(first.alias(f"_{FIRST_DAY}"))

    def _at_fault(self, reasons: pl.Series) -> pl.Expr:
        """The columns that the reasons are about, as the files call them."""
        reason, about = pl.lit(reasons), {reason: self.names.get(name, name) for reason, name in ABOUT.items()}
        found = pl.when(reason == Reason.NULL_KEY).then(MISSING).when(reason == Reason.WRONG_TYPE).then(WRONG)
        return pl.coalesce(found, reason.replace_strict(about, default=None, return_dtype=pl.String))

    def _verdicts(self) -> dict[str, pl.Expr]:
        day_end = pl.col(DAY).cast(pl.Datetime("ms")).dt.offset_by("1d").dt.timestamp("ms")
        tolerance = self.rules.future_tolerance // timedelta(milliseconds=1)
        latest = pl.min_horizontal(day_end - 1, pl.lit(_epoch_ms(self.now))) + tolerance
        known = pl.lit(True) if self.known_items is None else (pl.col(f"_{FIRST_DAY}") <= pl.col(DAY)).fill_null(False)
        return {
            Reason.MALFORMED: pl.col(f"_{Reason.MALFORMED}"),
            Reason.NULL_KEY: pl.col(f"_{Reason.NULL_KEY}"),
            Reason.NO_TIME: pl.col(f"_{Reason.NO_TIME}"),
            Reason.WRONG_TYPE: pl.col(f"_{Reason.WRONG_TYPE}"),
            Reason.UNKNOWN_ACTION: ~pl.col(ACTION).is_in(self.rules.actions),
            Reason.TIMESTAMP_TOO_OLD: pl.col(TIMESTAMP) < _epoch_ms(self.rules.earliest),
            Reason.TIMESTAMP_IN_FUTURE: pl.col(TIMESTAMP) > latest,
            Reason.UNKNOWN_ITEM: ~known,
        }


def known_items(items: pl.LazyFrame) -> pl.DataFrame:
    """`item_id`, `first_day` of every item of the table `items`."""
    return items.group_by(ITEM_ID).agg(pl.col(DAY).min().alias(FIRST_DAY)).collect(engine="streaming")


def _as_name(column: str, dtype: pl.DataType) -> pl.Expr:
    """Text, the same whatever format its file has: 12, 12.0 and '12.0' are 12."""
    text = as_text(column, dtype)
    return pl.coalesce(without_point(text), text)


def _plain(column: str, dtype: pl.DataType, cast: pl.Expr) -> pl.Expr:
    """Whether a value is surely there and right or, in an optional column, surely missing.

    Text is surely no blank where it begins with a visible ASCII character.
    """
    raw = pl.col(column)
    if isinstance(dtype, pl.String):
        there = (raw >= FIRST_VISIBLE) & (raw < AFTER_VISIBLE) & cast.is_not_null()
    else:
        there = cast.is_not_null()
    return (there if column in REQUIRED else there | raw.is_null()).fill_null(False)


def _in_order(
    rows: pl.DataFrame, plain: pl.Series, good: pl.DataFrame, others: pl.DataFrame, bad: pl.Series
) -> pl.DataFrame:
    """Both kinds of good rows in the order in which they came."""
    positions = pl.int_range(rows.height, eager=True)
    rest = positions.filter(~plain)
    places = pl.concat([positions.filter(plain), rest.filter(~bad)])
    return pl.concat([good, others]).select(pl.all().gather(places.arg_sort()))


def _epoch_ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)
