"""Raw catalogue rows to items: every row is either accepted with the contract's types or quarantined with a reason."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

import polars as pl

from assets.validation.casts import as_float64, as_id, as_text, given, given_number
from assets.validation.quarantine import Cleaned, Reason, quarantined
from assets.validation.row_checks import (
    checked,
    columns_named,
    completed,
    either_named,
    first_reason,
    mark_duplicates,
    mistyped_named,
    rejected_undated,
)
from assets.validation.settings import QualitySettings
from assets.validation.times import ANY_YEAR, TimestampUnit, as_epoch_ms
from models.columns import (
    AT_FAULT,
    AVAILABLE_FROM,
    CATEGORIES,
    DAY,
    DESCRIPTION,
    IMAGE,
    IMAGE_BYTES,
    ITEM_ID,
    MALFORMED,
    MISTYPED,
    NUMBERS,
    REASON,
    SOURCE_FILE,
    SOURCE_ROW,
    TAGS,
    TITLE,
)
from storage.schema import ITEMS_TABLE, NUMBER_NAME, NUMBER_VALUE, QUARANTINE_SCHEMA, TIME, IdType, items_schema

REQUIRED = (ITEM_ID,)
REASONS = (Reason.MALFORMED, Reason.NULL_KEY, Reason.WRONG_TYPE)
COLUMNS = (ITEM_ID, TITLE, DESCRIPTION, CATEGORIES, TAGS, NUMBERS, IMAGE, IMAGE_BYTES, AVAILABLE_FROM)

NO_NAMES: Mapping[str, str] = {}

FRAME, PLACE, TOO_LARGE, LEFT_OUT = "frame", "place", "too_large", "left_out"
NOT_TAKEN = "numbers not taken"
"""The numbers whose values the reader of the files took for none; the blanks keep it apart from columns of files."""

NO_ROWS = pl.DataFrame(schema={DAY: pl.Date, SOURCE_FILE: pl.String, SOURCE_ROW: pl.Int64, MALFORMED: pl.String})
NOTHING = pl.DataFrame(schema=QUARANTINE_SCHEMA)


def clean_items(
    raw: Iterable[pl.LazyFrame],
    rules: QualitySettings,
    id_type: IdType,
    days: Sequence[date],
    unit: TimestampUnit = "ms",
    names: Mapping[str, str] = NO_NAMES,
) -> Cleaned:
    """Judges the raw catalogue rows of `days`; `accepted` has `items_schema(id_type)`, in order of arrival.

    Of rows with one id on one day the first is kept. An item without title, description and image is still an item.
    Image bytes over the cap are dropped: the item is accepted and its row also stands in `trimmed`, where its JSON
    holds the number of bytes instead of the bytes. So does the row of an item with a number that is none.

    Args:
        raw: Rows as `Source.read` gives them; each frame is judged by itself, and the first row among them all is kept.
        unit: What a numeric or textual `available_from` counts.
        names: What the files call columns that have another name here.

    Raises:
        ValueError: a row belongs to none of `days`, or the files have no `item_id`.
    """
    frames = [NO_ROWS, *(checked(frame.collect(), days, REQUIRED, ITEMS_TABLE) for frame in raw)]
    judged = [_judged(rows, id_type, unit, names).with_columns(pl.lit(n).alias(FRAME)) for n, rows in enumerate(frames)]
    typed = pl.concat(judged).sort(DAY, SOURCE_FILE, SOURCE_ROW, maintain_order=True)
    typed = typed.with_columns(mark_duplicates(typed, typed[REASON], (ITEM_ID, DAY)).alias(REASON))
    too_large = pl.col(REASON).is_null() & (pl.col(IMAGE_BYTES).bin.size() > rules.items.max_image_bytes)
    typed = typed.with_columns(too_large.fill_null(False).alias(TOO_LARGE))
    accepted = _finished(typed.filter(pl.col(REASON).is_null()), rules).select(*items_schema(id_type))
    verdicts = (
        typed.select(FRAME, PLACE, REASON, AT_FAULT, TOO_LARGE, LEFT_OUT)
        .sort(FRAME, PLACE)
        .partition_by(FRAME, as_dict=True)
    )
    told = [(rows, verdicts[n,]) for n, rows in enumerate(frames) if rows.height]
    rejected = [(rows, quarantined(rows, verdict[REASON], ITEMS_TABLE, verdict[AT_FAULT])) for rows, verdict in told]
    return Cleaned(
        accepted,
        rejected=pl.concat([NOTHING, *(put_aside for _, put_aside in rejected)]),
        undated=sum(rejected_undated(rows, put_aside) for rows, put_aside in rejected),
        trimmed=pl.concat([NOTHING, *(part for rows, verdict in told for part in _trimmed(rows, verdict))]),
    )


def _with_image_bytes_apart(rows: pl.DataFrame) -> pl.DataFrame:
    """The contract lets `image` hold bytes; the table keeps those in a column of their own."""
    if rows.schema[IMAGE] != pl.Binary:
        return rows
    return rows.with_columns(
        pl.coalesce(pl.col(IMAGE_BYTES).cast(pl.Binary), IMAGE).alias(IMAGE_BYTES), pl.lit(None, pl.String).alias(IMAGE)
    )


def _judged(rows: pl.DataFrame, id_type: IdType, unit: TimestampUnit, names: Mapping[str, str]) -> pl.DataFrame:
    """The contract's columns and types, where each row stands, and what is wrong with it, if anything."""
    typed = _typed(_with_image_bytes_apart(completed(rows, (*COLUMNS, MISTYPED))), id_type, unit, names)
    reason = first_reason(typed, {reason: pl.col(reason) for reason in REASONS})
    null = pl.lit(names.get(ITEM_ID, ITEM_ID))
    return typed.select(
        DAY,
        pl.Series(SOURCE_FILE, rows[SOURCE_FILE].cast(pl.String)),
        pl.Series(SOURCE_ROW, rows[SOURCE_ROW].cast(pl.Int64)),
        pl.int_range(pl.len()).alias(PLACE),
        reason.alias(REASON),
        pl.when(pl.lit(reason) == Reason.NULL_KEY)
        .then(null)
        .when(pl.lit(reason) == Reason.WRONG_TYPE)
        .then(AT_FAULT)
        .alias(AT_FAULT),
        LEFT_OUT,
        *COLUMNS,
    )


def _typed(rows: pl.DataFrame, id_type: IdType, unit: TimestampUnit, names: Mapping[str, str]) -> pl.DataFrame:
    """Contract columns and per row whether a value is missing or did not convert, and which columns did not."""
    rows, numbers = _with_numbers_apart(rows)
    dtypes = rows.schema
    fields = {name: dtypes[_number(name)] for name in numbers}
    casts = {
        ITEM_ID: as_id(ITEM_ID, dtypes[ITEM_ID], id_type),
        CATEGORIES: _as_texts(CATEGORIES, dtypes[CATEGORIES]),
        TAGS: _as_texts(TAGS, dtypes[TAGS]),
        NUMBERS: _as_numbers(fields),
        IMAGE_BYTES: pl.col(IMAGE_BYTES) if isinstance(dtypes[IMAGE_BYTES], pl.Binary) else pl.lit(None, pl.Binary),
        AVAILABLE_FROM: _as_time(dtypes[AVAILABLE_FROM], unit),
    } | {column: as_text(column, dtypes[column]) for column in (TITLE, DESCRIPTION, IMAGE)}
    there = {column: given(column, dtypes[column]) for column in casts}
    wrong = {column: there[column] & cast.is_null() for column, cast in casts.items()}
    bad = {
        name: given_number(_number(name), dtype) & _as_number(name, dtype).is_null() for name, dtype in fields.items()
    }
    return rows.select(
        DAY,
        pl.col(MALFORMED).is_not_null().alias(Reason.MALFORMED),
        (~there[ITEM_ID]).alias(Reason.NULL_KEY),
        pl.any_horizontal(pl.col(MISTYPED).is_not_null(), *wrong.values()).alias(Reason.WRONG_TYPE),
        either_named(mistyped_named(names), columns_named(wrong, names)).alias(AT_FAULT),
        columns_named(bad, names).alias(LEFT_OUT) if bad else pl.lit(None, pl.String).alias(LEFT_OUT),
        *(pl.when(there[column]).then(cast).alias(column) for column, cast in casts.items()),
    )


def _finished(items: pl.DataFrame, rules: QualitySettings) -> pl.DataFrame:
    size = pl.col(IMAGE_BYTES).bin.size()
    return items.with_columns(
        pl.col(CATEGORIES, TAGS, NUMBERS).fill_null([]),
        pl.when(size <= rules.items.max_image_bytes).then(IMAGE_BYTES),
        pl.col(AVAILABLE_FROM).fill_null(pl.col(DAY).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")),
    )


def _trimmed(rows: pl.DataFrame, verdict: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The size in place of the bytes: what was put aside for its size should not be stored for it twice."""
    sizes = rows.with_columns(pl.col(pl.Binary).bin.size())
    large, bad = verdict[TOO_LARGE], verdict[REASON].is_null() & verdict[LEFT_OUT].is_not_null()
    for reason, lost, at_fault in ((Reason.IMAGE_TOO_LARGE, large, None), (Reason.NO_NUMBER, bad, verdict[LEFT_OUT])):
        reasons = pl.Series([reason.value]).new_from_index(0, len(lost)).set(~lost, None)
        yield quarantined(sizes, reasons, ITEMS_TABLE, at_fault)


def _as_texts(column: str, dtype: pl.DataType) -> pl.Expr:
    """A list of texts, without blanks around them and without empty ones; a single text is a list of one."""
    if isinstance(dtype, pl.List | pl.Array) and not dtype.inner.is_nested():
        texts = pl.col(column).cast(pl.List(pl.String), strict=False)
        stripped = texts.list.eval(pl.element().str.strip_chars())
        return stripped.list.filter((pl.element() != "").fill_null(False))
    if isinstance(dtype, pl.List | pl.Array | pl.Struct):
        return pl.lit(None, pl.List(pl.String))
    return pl.concat_list(as_text(column, dtype))


def _as_numbers(fields: Mapping[str, pl.DataType]) -> pl.Expr:
    """The finite numbers of `fields`, whose columns hold one each, with their names."""
    entries = [
        pl.when(value.is_not_null()).then(pl.struct(pl.lit(name).alias(NUMBER_NAME), value.alias(NUMBER_VALUE)))
        for name, value in ((name, _as_number(name, dtype)) for name, dtype in fields.items())
    ]
    dtype = items_schema("string")[NUMBERS]
    return pl.concat_list(entries).list.drop_nulls().cast(dtype) if entries else pl.lit(None, dtype)


def _as_number(name: str, dtype: pl.DataType) -> pl.Expr:
    """The finite number of that name, null where the reader of the files took the value for none."""
    taken = ~pl.col(NOT_TAKEN).list.contains(name).fill_null(False)
    return pl.when(taken).then(as_float64(_number(name), dtype))


def _with_numbers_apart(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """`rows` with a column for each number and NOT_TAKEN, which `mistyped` names no more; and the numbers' names."""
    dtype = rows.schema[NUMBERS]
    names = [field.name for field in dtype.fields] if isinstance(dtype, pl.Struct) else []
    of_numbers, mistyped = pl.element().is_in(names), pl.col(MISTYPED).cast(pl.String).str.split(", ")
    others = mistyped.list.eval(pl.element().filter(~of_numbers)).list.join(", ")
    return rows.with_columns(
        *(pl.col(NUMBERS).struct.field(name).alias(_number(name)) for name in names),
        pl.when(others != "").then(others).alias(MISTYPED),
        mistyped.list.eval(pl.element().filter(of_numbers)).alias(NOT_TAKEN),
    ), names


def _number(name: str) -> str:
    """The column that holds it while rows are judged; the blank keeps it apart from those of files."""
    return f"{NUMBERS} {name}"


def _as_time(dtype: pl.DataType, unit: TimestampUnit) -> pl.Expr:
    moment = as_epoch_ms(AVAILABLE_FROM, dtype, unit)
    possible = pl.when(moment.is_between(*ANY_YEAR)).then(moment)
    return pl.from_epoch(possible, "ms").dt.replace_time_zone("UTC").cast(TIME)
