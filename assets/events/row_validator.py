"""One batch of raw events, judged: every row is either good, with the contract's types, or has one reason."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from assets.validation.casts import (
    TimestampUnit,
    as_epoch_ms,
    as_float32,
    as_id,
    as_text,
    given,
    given_number,
    without_point,
)
from assets.validation.quarantine import Reason, quarantined
from assets.validation.row_checks import completed, first_reason
from assets.validation.settings import QualitySettings
from models.columns import (
    ACTION,
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
from storage.schema import EVENTS_TABLE, IdType

REQUIRED = (USER_ID, ITEM_ID, TIMESTAMP, ACTION)
COLUMNS = (*REQUIRED, VALUE, SURFACE, REQUEST_ID)

KEPT = (DAY, *COLUMNS, SOURCE_FILE, SOURCE_ROW)
PLAIN = "plain"

ABOUT_RAW_VALUES = (Reason.MALFORMED, Reason.NULL_KEY, Reason.WRONG_TYPE)

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
    """

    rules: QualitySettings
    id_type: IdType
    known_items: pl.DataFrame | None
    now: datetime
    unit: TimestampUnit = "ms"

    def validate(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The good rows and the rejected ones of `rows`, in order.

        Args:
            rows: As `checked` gives them: contract columns of any type, optional ones may be missing.

        Returns:
            Good rows with COLUMNS in the contract's types, but the timestamp in epoch ms, besides `day`, `source_file`
            and `source_row`; rejected rows as QUARANTINE_SCHEMA.
        """
        rows = completed(rows, (*COLUMNS, MISTYPED))
        plain = self._plainly_good(rows)
        good, rest = plain.filter(PLAIN).select(KEPT), rows.filter(~plain[PLAIN])
        judged = self._judged(rest)
        verdicts = self._verdicts()
        bad = judged.select(pl.any_horizontal(pl.any_horizontal(verdicts.values()).fill_null(True))).to_series()
        if not bad.all():
            good = _in_order(rows, plain[PLAIN], good, judged.filter(~bad).select(KEPT), bad)
        return good, quarantined(rest.filter(bad), first_reason(judged.filter(bad), verdicts), EVENTS_TABLE)

    def _plainly_good(self, rows: pl.DataFrame) -> pl.DataFrame:
        """KEPT in the contract's types, and `plain`: whether few cheap questions show that the row is good.

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
            *KEPT, (pl.col(PLAIN) & pl.all_horizontal(clear).fill_null(False)).alias(PLAIN)
        )

    def _judged(self, rows: pl.DataFrame) -> pl.DataFrame:
        """KEPT in the contract's types and, as columns, what is wrong with the raw values."""
        dtypes = rows.schema
        casts = self._casts(dtypes)
        there = {column: given(column, dtypes[column]) for column in casts}
        there[VALUE] = given_number(VALUE, dtypes[VALUE])
        wrong = [there[column] & cast.is_null() for column, cast in casts.items()]
        typed = rows.select(
            DAY,
            SOURCE_FILE,
            SOURCE_ROW,
            pl.col(MALFORMED).is_not_null().alias(Reason.MALFORMED),
            pl.any_horizontal(~there[column] for column in REQUIRED).alias(Reason.NULL_KEY),
            pl.any_horizontal(pl.col(MISTYPED).is_not_null(), *wrong).alias(Reason.WRONG_TYPE),
            *(pl.when(there[column]).then(cast).alias(column) for column, cast in casts.items()),
        )
        return self._with_first_day(typed)

    def _casts(self, dtypes: pl.Schema) -> dict[str, pl.Expr]:
        """Each contract column's value, null where it does not convert; the timestamp in epoch ms."""
        request = as_text(REQUEST_ID, dtypes[REQUEST_ID])
        return {
            USER_ID: as_id(USER_ID, dtypes[USER_ID], self.id_type),
            ITEM_ID: as_id(ITEM_ID, dtypes[ITEM_ID], self.id_type),
            TIMESTAMP: as_epoch_ms(TIMESTAMP, dtypes[TIMESTAMP], self.unit),
            VALUE: as_float32(VALUE, dtypes[VALUE]),
            ACTION: as_text(ACTION, dtypes[ACTION]),
            SURFACE: as_text(SURFACE, dtypes[SURFACE]),
            REQUEST_ID: pl.coalesce(without_point(request), request),
        }

    def _with_first_day(self, typed: pl.DataFrame) -> pl.DataFrame:
        if self.known_items is None:
            return typed
        return typed.with_columns(
            typed.select(ITEM_ID).join(self.known_items, on=ITEM_ID, how="left", maintain_order="left")[FIRST_DAY]
        )

    def _verdicts(self) -> dict[str, pl.Expr]:
        day_end = pl.col(DAY).cast(pl.Datetime("ms")).dt.offset_by("1d").dt.timestamp("ms")
        tolerance = self.rules.future_tolerance // timedelta(milliseconds=1)
        latest = pl.min_horizontal(day_end - 1, pl.lit(_epoch_ms(self.now))) + tolerance
        known = pl.lit(True) if self.known_items is None else (pl.col(FIRST_DAY) <= pl.col(DAY)).fill_null(False)
        return {
            Reason.MALFORMED: pl.col(Reason.MALFORMED),
            Reason.NULL_KEY: pl.col(Reason.NULL_KEY),
            Reason.WRONG_TYPE: pl.col(Reason.WRONG_TYPE),
            Reason.UNKNOWN_ACTION: ~pl.col(ACTION).is_in(self.rules.actions),
            Reason.TIMESTAMP_TOO_OLD: pl.col(TIMESTAMP) < _epoch_ms(self.rules.earliest),
            Reason.TIMESTAMP_IN_FUTURE: pl.col(TIMESTAMP) > latest,
            Reason.UNKNOWN_ITEM: ~known,
        }


def known_items(items: pl.LazyFrame) -> pl.DataFrame:
    """`item_id`, `first_day` of every item of the table `items`."""
    return items.group_by(ITEM_ID).agg(pl.col(DAY).min().alias(FIRST_DAY)).collect(engine="streaming")


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
