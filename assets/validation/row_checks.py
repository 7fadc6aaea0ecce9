"""Raw rows, ready to be judged."""

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from assets.validation.quarantine import BOOKKEEPING, Reason
from models.columns import DAY, MALFORMED, MISTYPED, REASON, SOURCE_FILE, SOURCE_ROW, UNDATED


def checked(rows: pl.DataFrame, days: Sequence[date], required: Sequence[str], table: str) -> pl.DataFrame:
    """Raw rows, with the column `malformed` in any case.

    Raises:
        ValueError: a row belongs to none of `days`, or rows were parsed and a required column is not among theirs.
    """
    if MALFORMED not in rows.columns:
        rows = rows.with_columns(pl.lit(None, pl.String).alias(MALFORMED))
    if not set(rows[DAY].unique()) <= set(days):
        stray = rows.filter(~pl.col(DAY).is_in(list(days)).fill_null(False))
        raise ValueError(
            f"raw {table}: {stray.height} rows belong to none of the days being cleaned, the first to "
            f"{stray[DAY][0]} in {stray[SOURCE_FILE][0]}: the source must give every row one of the days asked for"
        )
    absent = [column for column in required if column not in rows.columns]
    if absent and rows[MALFORMED].null_count():
        raise ValueError(
            f"raw {table} have no column {', '.join(map(repr, absent))} (they have {', '.join(raw_columns(rows))}): "
            f"map it under source.{table}.columns or set it under source.{table}.constants in the profile"
        )
    return rows


def completed(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """`rows` with those of `columns` that the files do not have, as nulls."""
    return rows.with_columns(pl.lit(None, pl.String).alias(column) for column in columns if column not in rows.columns)


def raw_columns(rows: pl.DataFrame) -> list[str]:
    """The columns that came from the file itself."""
    return [column for column in rows.columns if column not in (*BOOKKEEPING, MALFORMED, MISTYPED)]


def rejected_undated(raw: pl.DataFrame, rejected: pl.DataFrame) -> int:
    """How many of the `rejected` rows (QUARANTINE_SCHEMA) of `raw` have a time that tells no day."""
    if UNDATED not in raw.columns or rejected.is_empty():
        return 0
    place = [pl.col(SOURCE_FILE).cast(pl.String), pl.col(SOURCE_ROW).cast(pl.Int64)]
    rejected = rejected.filter(pl.col(REASON) != Reason.NO_TIME)
    return rejected.join(raw.filter(UNDATED).select(place), on=[SOURCE_FILE, SOURCE_ROW], how="semi").height


def first_reason(judged: pl.DataFrame, verdicts: dict[str, pl.Expr]) -> pl.Series:
    """Per row the first of `verdicts` (reason to condition) that holds, null where none does."""
    chain = [pl.when(condition).then(pl.lit(reason)) for reason, condition in verdicts.items()]
    return judged.select(pl.coalesce(chain).alias("reason"))["reason"]


def columns_named(conditions: Mapping[str, pl.Expr], names: Mapping[str, str]) -> pl.Expr:
    """The columns whose condition holds, as text, null where none does.

    Args:
        names: What the files call columns that have another name here.
    """
    each = [pl.when(condition).then(pl.lit(names.get(column, column))) for column, condition in conditions.items()]
    return _filled(pl.concat_str(*each, separator=", ", ignore_nulls=True))


def mistyped_named(names: Mapping[str, str]) -> pl.Expr:
    """What stands in the column `mistyped`, in the names of the files."""
    return pl.col(MISTYPED).str.split(", ").list.eval(pl.element().replace(names)).list.join(", ")


def either_named(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    """The columns that two expressions name, each once."""
    both = pl.concat_str(one, other, separator=", ", ignore_nulls=True)
    return _filled(both.str.split(", ").list.unique(maintain_order=True).list.join(", "))


def _filled(text: pl.Expr) -> pl.Expr:
    return pl.when(text != "").then(text)


def mark_duplicates(typed: pl.DataFrame, reasons: pl.Series, identity: Sequence[str]) -> pl.Series:
    """`reasons`, with every good row that has the identity of an earlier good row called a duplicate."""
    good = reasons.is_null()
    repeated = ~typed.select(*identity, good.alias("good")).select(pl.struct(pl.all()).is_first_distinct()).to_series()
    duplicate = pl.Series([Reason.DUPLICATE.value]).new_from_index(0, typed.height)
    return duplicate.zip_with(good & repeated, reasons)
